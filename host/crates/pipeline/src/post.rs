//! Posts documents to Fusion and learns what became of them.
//!
//! The decision is [`ml_connector_domain::posting::decide`], which does no IO; this makes the calls it asks for and
//! stores what they said.
//!
//! **Invariant:** that a document is being sent is durable before its first byte leaves. **Invariant:** what was
//! being sent when the process ended is unknown, and is looked up.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::SignedDuration;
use ml_connector_domain::audit::Action as Audited;
use ml_connector_domain::document::Kind;
use ml_connector_domain::mapping::Reason;
use ml_connector_domain::posting::{Action, Event, Patience, State, decide};
use ml_connector_domain::reconcile::Observed;
use ml_connector_domain::{SellerId, Timestamp};
use ml_connector_ports::{Answer, JobStatus};
use ml_connector_storage::{Change, DocumentRow};

use crate::map::ToReview;
use crate::{Parts, Seller, StageError, audit, kind};

/// Documents under way at once. Oracle publishes no limit; ten concurrent calls are what cautious clients use.
const CONCURRENT: u32 = 8;

/// Documents whose sending becomes durable in one commit.
const CHUNK: u32 = 4 * CONCURRENT;

/// Longest wait between two attempts that Fusion turned away.
const BACK_OFF_MAX: Duration = Duration::from_secs(3_600);

/// What a round of posting did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Posted {
    /// Calls made.
    pub calls: usize,
    /// Documents confirmed by them.
    pub confirmed: usize,
}

/// Declares what a process before this one was sending as unknown; says how many.
///
/// # Errors
/// The store failed.
pub async fn recover(parts: &Parts, seller: &Seller) -> Result<usize, StageError> {
    let interrupted = parts.store.postings_in(&seller.id, "sending", u32::MAX).await?;
    let now = parts.clock.now();
    let mut changes = Vec::new();
    for row in &interrupted {
        changes.extend(moved(seller, row, Event::Interrupted, "the daemon stopped while sending it", now)?);
    }
    parts.store.apply(changes).await?;
    Ok(interrupted.len())
}

/// Works off all postings that are due.
///
/// # Errors
/// The store failed. What was being sent then is found by [`recover`].
pub async fn post(parts: &Parts, seller: &Seller) -> Result<Posted, StageError> {
    let mut posted = Posted::default();
    loop {
        let due = parts.store.due_postings(&seller.id, parts.clock.now(), CHUNK).await?;
        if due.is_empty() {
            return Ok(posted);
        }
        let rows = start(parts, seller, due).await?;
        if rows.is_empty() {
            return Ok(posted);
        }
        let mut changes = Vec::new();
        for chunk in rows.chunks(CONCURRENT as usize) {
            let events = join_all(chunk.iter().map(|(row, action)| act(parts, seller, row, *action))).await;
            let now = parts.clock.now();
            for ((row, _), (event, words)) in chunk.iter().zip(events) {
                posted.calls += 1;
                posted.confirmed += usize::from(matches!(event, Event::Accepted(_) | Event::Found(_)));
                changes.extend(moved(seller, row, event, &words, now)?);
            }
        }
        parts.store.apply(changes).await?;
    }
}

/// Makes durable which documents are about to be sent, and says what to do with each.
async fn start(
    parts: &Parts,
    seller: &Seller,
    due: Vec<DocumentRow>,
) -> Result<Vec<(DocumentRow, Action)>, StageError> {
    let now = parts.clock.now();
    let mut changes = Vec::new();
    let mut rows = Vec::with_capacity(due.len());
    for mut row in due {
        let Some(action) = row.state.due(now) else { continue };
        if action == Action::Send {
            row.state = decide(&row.state, Event::Start, now, patience(&row))?;
            let detail = format!("{} ({})", row.document.key, row.state.name());
            changes.push(Change::Posting {
                key: row.document.key.clone(),
                state: row.state.clone(),
                at: now,
            });
            changes.push(audit(now, &seller.id, row.document.subject(), Audited::Sending, detail));
        }
        rows.push((row, action));
    }
    parts.store.apply(changes).await?;
    Ok(rows)
}

fn patience(row: &DocumentRow) -> Patience {
    match row.document.kind() {
        Kind::Journal => Patience::JOURNALS,
        Kind::Invoice | Kind::CreditMemo => Patience::RECEIVABLES,
    }
}

/// Makes one call and says what it means, in an event and in words.
async fn act(parts: &Parts, seller: &Seller, row: &DocumentRow, action: Action) -> (Event, String) {
    match (action, &row.state) {
        (Action::Send, State::Sending { attempt }) => {
            let answer = parts.target.send(&seller.ledger, &row.document, *attempt).await;
            sent(answer, *attempt, parts.clock.now())
        }
        (Action::AskJob, State::Submitted { request, .. }) => {
            match parts.target.job(&seller.ledger, request).await {
                Ok(JobStatus::Running) => (Event::StillRunning, format!("request {request} is running")),
                Ok(JobStatus::Failed(words)) => (Event::Refused(words.clone()), words),
                Ok(JobStatus::Done) => look_up(parts, seller, row).await,
                Err(error) => (Event::LookUpFailed, error.to_string()),
            }
        }
        _ => look_up(parts, seller, row).await,
    }
}

fn sent(answer: Answer, attempt: u32, now: Timestamp) -> (Event, String) {
    match answer {
        Answer::Accepted(id) => {
            let words = format!("accepted as {id}");
            (Event::Accepted(id), words)
        }
        Answer::InProgress(request) => {
            let words = format!("taken as request {request}");
            (Event::InProgress(request), words)
        }
        Answer::Refused(words) => (Event::Refused(words.clone()), words),
        Answer::NotSent { reason, retry_after } => {
            (Event::NotSent(next_attempt(retry_after, attempt, now)), reason)
        }
        Answer::Lost(words) => (Event::Lost, words),
    }
}

/// What Fusion asked for, or a wait that doubles with each attempt.
fn next_attempt(retry_after: Duration, attempt: u32, now: Timestamp) -> Timestamp {
    let doubling = Duration::from_secs(5).saturating_mul(1 << attempt.min(12));
    let wait = retry_after.max(doubling.min(BACK_OFF_MAX));
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_hours(1));
    now.saturating_add(wait).unwrap_or(now)
}

async fn look_up(parts: &Parts, seller: &Seller, row: &DocumentRow) -> (Event, String) {
    match parts.target.look_up(&seller.ledger, &row.document).await {
        Ok(Observed::One { fusion_id, total }) if total == row.expected => {
            let words = format!("found as {fusion_id} over {total}");
            (Event::Found(fusion_id), words)
        }
        Ok(Observed::One { fusion_id, total }) => {
            let words =
                format!("FUS-DIFFERS: {fusion_id} stands under its key over {total}, not {}", row.expected);
            (Event::FoundDifferent(words.clone()), words)
        }
        Ok(Observed::Several(count)) => {
            let words = format!("FUS-DOUBLED: Fusion holds {count} documents under its key");
            (Event::FoundDifferent(words.clone()), words)
        }
        Ok(Observed::Nothing) => (Event::Absent, "not found under its key".to_owned()),
        Err(error) => (Event::LookUpFailed, error.to_string()),
    }
}

/// The changes that an event makes to a posting.
fn moved(
    seller: &Seller,
    row: &DocumentRow,
    event: Event,
    words: &str,
    now: Timestamp,
) -> Result<Vec<Change>, StageError> {
    let action = match event {
        Event::Found(_) | Event::FoundDifferent(_) | Event::Absent | Event::LookUpFailed => Audited::LookedUp,
        _ => Audited::Answered,
    };
    let state = decide(&row.state, event, now, patience(row))?;
    let id: &SellerId = &seller.id;
    let detail = format!("{}: {words} ({})", row.document.key, state.name());
    let mut changes = vec![
        Change::Posting { key: row.document.key.clone(), state: state.clone(), at: now },
        audit(now, id, row.document.subject(), action, detail),
    ];
    if let State::Rejected { reason } = &state {
        let review = ToReview {
            seller,
            kind: kind::DOCUMENT,
            subject: row.document.key.as_str(),
            at_stake: Some(row.expected),
            now,
        };
        changes.extend(review.because(&[Reason::new("rejected", row.document.subject(), reason.as_str())]));
    }
    Ok(changes)
}
