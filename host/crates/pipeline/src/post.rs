//! Posts documents to Fusion and learns what became of them.
//!
//! The decision is [`ml_connector_domain::posting::decide`], which does no IO; this makes the calls it asks for and
//! stores what they said. Right before a document is sent, what it needs in Fusion is asked for again; what is looked
//! up is compared whole, accounts and amounts, with what was sent.
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
use ml_connector_domain::reconcile::{Finding, Observed, check};
use ml_connector_domain::refusal::{Refusal, in_words};
use ml_connector_domain::{SellerId, Timestamp};
use ml_connector_ports::{Answer, JobStatus, SourceError};
use ml_connector_storage::{Change, DocumentRow, ReviewDraft, StoreError, steps};
use tracing::Instrument as _;

use crate::before::{self, Ready};
use crate::map::ToReview;
use crate::reconcile::expected;
use crate::{Parts, Seller, StageError, audit, kind, restored};

/// Documents under way at once. Oracle publishes no limit; ten concurrent calls are what cautious clients use.
const CONCURRENT: u32 = 8;

/// Documents whose sending becomes durable in one commit.
const CHUNK: u32 = 4 * CONCURRENT;

/// Longest wait between two attempts that Fusion turned away.
const BACK_OFF_MAX: Duration = Duration::from_secs(3_600);

/// Wait for a document that could not be checked before sending.
const UNCHECKED: SignedDuration = SignedDuration::from_secs(60);

/// Wait for one that could not be checked for a cause that a person has to mend.
const BARRED: SignedDuration = SignedDuration::from_mins(15);

/// What a call taught.
pub(crate) struct Learnt {
    pub(crate) event: Event,
    pub(crate) words: String,
    /// What a look-up found that does not keep the document from counting as posted.
    pub(crate) finding: Option<Finding>,
    /// What a person has to mend before it can go on. The document stays where it is.
    pub(crate) barred: Option<Refusal>,
}

impl Learnt {
    pub(crate) fn new(event: Event, words: impl Into<String>) -> Self {
        Self { event, words: words.into(), finding: None, barred: None }
    }
}

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
        let learnt = Learnt::new(Event::Interrupted, "the daemon stopped while sending it");
        changes.extend(moved(seller, row, learnt, now)?);
    }
    parts.store.apply(changes).await?;
    Ok(interrupted.len())
}

/// Works off all postings that are due, and has the batches posted that were confirmed, if the ledger is set up so.
///
/// # Errors
/// The store failed. What was being sent then is found by [`recover`].
pub async fn post(parts: &Parts, seller: &Seller) -> Result<Posted, StageError> {
    let (mut posted, mut batches) = (Posted::default(), Vec::new());
    loop {
        let due = parts.store.due_postings(&seller.id, parts.clock.now(), CHUNK).await?;
        if due.is_empty() {
            break;
        }
        let rows = start(parts, seller, due).await?;
        let mut changes = Vec::new();
        for chunk in rows.chunks(CONCURRENT as usize) {
            let learnt = join_all(chunk.iter().map(|(row, action)| told(parts, seller, row, *action))).await;
            let now = parts.clock.now();
            for ((row, _), learnt) in chunk.iter().zip(learnt) {
                posted.calls += 1;
                if matches!(learnt.event, Event::Accepted(_) | Event::Found(_)) {
                    posted.confirmed += 1;
                    batches.extend((row.document.kind() == Kind::Journal).then(|| row.clone()));
                }
                changes.extend(moved(seller, row, learnt, now)?);
            }
        }
        parts.store.apply(changes).await?;
    }
    post_batches(parts, seller, &batches).await?;
    Ok(posted)
}

/// Has the round's batches posted, with one request. That it fails harms nothing: the batches stand, and the next
/// round's request posts them along with its own.
async fn post_batches(parts: &Parts, seller: &Seller, batches: &[DocumentRow]) -> Result<(), StageError> {
    if batches.is_empty() {
        return Ok(());
    }
    parts.store.may_write().await?;
    let words = match parts.target.post_batches(&seller.ledger).await {
        Ok(None) => return Ok(()),
        Ok(Some(request)) => format!("its batch is to be posted by request {request} (AutomaticPosting)"),
        Err(error) => format!("its batch stands, but was not posted: {error}"),
    };
    let now = parts.clock.now();
    let changes = batches.iter().map(|row| {
        let detail = format!("{}: {words}", row.document.key);
        audit(now, &seller.id, row.document.subject(), Audited::Answered, detail)
    });
    Ok(parts.store.apply(changes.collect()).await?)
}

/// Judges what is to be sent, makes durable which documents are about to be, and says what to do with each.
async fn start(
    parts: &Parts,
    seller: &Seller,
    due: Vec<DocumentRow>,
) -> Result<Vec<(DocumentRow, Action)>, StageError> {
    let now = parts.clock.now();
    let (mut rows, mut to_send, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for row in due {
        match row.state.due(now) {
            Some(Action::Send) => to_send.push(row),
            Some(action) => rows.push((row, action)),
            None => {}
        }
    }
    let to_send = restored::look_first(parts, seller, to_send).await?;
    for chunk in to_send.chunks(CONCURRENT as usize) {
        let judged = join_all(chunk.iter().map(|row| before::check(parts, seller, row))).await;
        for (row, ready) in chunk.iter().zip(judged) {
            let (row, made) = judged_ready(seller, row.clone(), ready, now)?;
            changes.extend(made);
            rows.extend(row.map(|row| (row, Action::Send)));
        }
    }
    parts.store.apply(changes).await?;
    Ok(rows)
}

/// The changes that the last check makes, and the document if it is to be sent.
pub(crate) fn judged_ready(
    seller: &Seller,
    mut row: DocumentRow,
    ready: Ready,
    now: Timestamp,
) -> Result<(Option<DocumentRow>, Vec<Change>), StageError> {
    let mut changes = Vec::new();
    match ready {
        Ready::Send => {}
        Ready::Moved(document, words) => {
            let detail = format!("{}: {words}", document.key);
            changes.push(audit(now, &seller.id, document.subject(), Audited::Planned, detail));
            changes.push(Change::Redate { document: document.clone(), at: now });
            row.document = *document;
        }
        Ready::Withheld(refusals) => {
            let words = in_words(&refusals);
            let learnt = Learnt::new(Event::Withheld(refusals), words);
            return Ok((None, moved(seller, &row, learnt, now)?));
        }
        Ready::NotYet { words, barred } => {
            let wait = if barred.is_some() { BARRED } else { UNCHECKED };
            let event = Event::Postponed(now.saturating_add(wait).unwrap_or(now));
            let words = format!("not sent, as it could not be checked: {words}");
            let learnt = Learnt { barred, ..Learnt::new(event, words) };
            return Ok((None, moved(seller, &row, learnt, now)?));
        }
    }
    row.state = decide(&row.state, Event::Start, now, patience(seller, &row))?;
    let detail = format!("{} ({})", row.document.key, row.state.name());
    changes.push(Change::Posting { key: row.document.key.clone(), state: row.state.clone(), at: now });
    changes.push(audit(now, &seller.id, row.document.subject(), Audited::Sending, detail));
    Ok((Some(row), changes))
}

pub(crate) fn patience(seller: &Seller, row: &DocumentRow) -> Patience {
    match row.document.kind() {
        Kind::Journal => Patience::JOURNALS,
        Kind::Invoice | Kind::CreditMemo if seller.ledger.auto_invoice.is_some() => Patience::BULK,
        Kind::Invoice | Kind::CreditMemo => Patience::RECEIVABLES,
        Kind::Receipt => Patience::RECEIPTS,
    }
}

/// Makes one call, within a span of its own.
async fn told(parts: &Parts, seller: &Seller, row: &DocumentRow, action: Action) -> Learnt {
    let call = match action {
        Action::Send => "send",
        Action::AskJob => "ask job",
        Action::LookUp => "look up",
    };
    let span = steps::call(&row.document, call);
    let learnt = act(parts, seller, row, action).instrument(span.clone()).await;
    span.record("outcome", learnt.event.name());
    learnt
}

/// Makes one call and says what it means.
async fn act(parts: &Parts, seller: &Seller, row: &DocumentRow, action: Action) -> Learnt {
    // The last thing before a byte leaves: another daemon may work on the seller by now.
    if let Err(error) = parts.store.may_write().await {
        return held_back(action, &error, parts.clock.now());
    }
    match (action, &row.state) {
        (Action::Send, State::Sending { attempt }) => {
            let answer = parts.target.send(&seller.ledger, &row.document, *attempt).await;
            sent(answer, *attempt, parts.clock.now())
        }
        (Action::AskJob, State::Submitted { attempt, request, .. }) => {
            match parts.target.job(&seller.ledger, request).await {
                Ok(JobStatus::Running) => {
                    Learnt::new(Event::StillRunning, format!("request {request} is running"))
                }
                Ok(JobStatus::Failed(refusals)) => failed(parts, seller, row, refusals, *attempt).await,
                Ok(JobStatus::Done) => look_up(parts, seller, row).await,
                Ok(JobStatus::Ended(words)) => left_out(look_up(parts, seller, row).await, &words),
                Err(error) => unanswered(&error),
            }
        }
        _ => {
            let learnt = look_up(parts, seller, row).await;
            let learnt = restored::cut_otherwise(parts, seller, row, learnt).await;
            followed_up(parts, row, learnt).await
        }
    }
}

/// What is not this daemon's to do any more, or could not be found out to be. Nothing has left.
fn held_back(action: Action, error: &StoreError, now: Timestamp) -> Learnt {
    let event = match action {
        Action::Send => Event::NotSent(now.saturating_add(UNCHECKED).unwrap_or(now)),
        _ => Event::LookUpFailed,
    };
    Learnt::new(event, error.to_string())
}

/// A document of an import that has ended: if it is not there, it was left out, and the import's words go with it.
pub(crate) fn left_out(learnt: Learnt, import: &str) -> Learnt {
    match learnt.event {
        Event::Absent => Learnt::new(Event::LeftOut, format!("{}; the import ended: {import}", learnt.words)),
        _ => learnt,
    }
}

/// A document whose answer was lost and that was found: if something is still to be done about it, that is followed.
async fn followed_up(parts: &Parts, row: &DocumentRow, learnt: Learnt) -> Learnt {
    let Event::Found(id) = &learnt.event else { return learnt };
    match parts.target.follow_up(&row.document, id).await {
        Ok(None) => learnt,
        Ok(Some(request)) => {
            Learnt::new(Event::InProgress(request.clone()), format!("{}; {request} goes on", learnt.words))
        }
        Err(error) => unanswered(&error),
    }
}

/// A question that failed teaches nothing about the document.
pub(crate) fn unanswered(error: &SourceError) -> Learnt {
    Learnt { barred: before::barred(error), ..Learnt::new(Event::LookUpFailed, error.to_string()) }
}

/// A job that failed has imported nothing of its group, unless all it had was warnings: so the batch is looked for
/// before the journal is taken for refused.
async fn failed(
    parts: &Parts,
    seller: &Seller,
    row: &DocumentRow,
    refusals: Vec<Refusal>,
    attempt: u32,
) -> Learnt {
    let said = in_words(&refusals);
    let mut learnt = look_up(parts, seller, row).await;
    match learnt.event {
        Event::Absent => {
            let group = row.document.key.group_id(attempt);
            let words = format!(
                "{said}; what group {group} left behind is abandoned: another attempt has its own group"
            );
            Learnt::new(Event::Refused(refusals), words)
        }
        _ => {
            learnt.words = format!("{}; its job ended with: {said}", learnt.words);
            learnt
        }
    }
}

fn sent(answer: Answer, attempt: u32, now: Timestamp) -> Learnt {
    match answer {
        Answer::Accepted(id) => {
            let words = format!("accepted as {id}");
            Learnt::new(Event::Accepted(id), words)
        }
        Answer::InProgress(request) => {
            let words = format!("taken as request {request}");
            Learnt::new(Event::InProgress(request), words)
        }
        Answer::Refused(refusals) => {
            let words = in_words(&refusals);
            Learnt::new(Event::Refused(refusals), words)
        }
        Answer::Contested(refusal) => {
            let words = refusal.to_string();
            Learnt::new(Event::Contested(refusal), words)
        }
        Answer::NotSent { reason, retry_after } => {
            Learnt::new(Event::NotSent(next_attempt(retry_after, attempt, now)), reason)
        }
        Answer::Lost(words) => Learnt::new(Event::Lost, words),
    }
}

/// What Fusion asked for, or a wait that doubles with each attempt.
pub(crate) fn next_attempt(retry_after: Duration, attempt: u32, now: Timestamp) -> Timestamp {
    let doubling = Duration::from_secs(5).saturating_mul(1 << attempt.min(12));
    let wait = retry_after.max(doubling.min(BACK_OFF_MAX));
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_hours(1));
    now.saturating_add(wait).unwrap_or(now)
}

/// Looks a document up and compares it whole with what was sent.
pub(crate) async fn look_up(parts: &Parts, seller: &Seller, row: &DocumentRow) -> Learnt {
    let observed = match parts.target.look_up(&seller.ledger, &row.document).await {
        Ok(observed) => observed,
        Err(error) => return unanswered(&error),
    };
    let finding = check(&expected(parts, seller, row), &observed);
    match (observed, finding) {
        (Observed::Nothing, _) => Learnt::new(Event::Absent, "not found under its key"),
        (Observed::One(content), None) => {
            let words = format!("found as {} over {}, as it was sent", content.fusion_id, content.total);
            Learnt::new(Event::Found(content.fusion_id), words)
        }
        (Observed::One(content), Some(finding)) if finding.stands() => {
            let words = format!("found as {}: {}", content.fusion_id, finding.message);
            Learnt { finding: Some(finding), ..Learnt::new(Event::Found(content.fusion_id), words) }
        }
        (_, finding) => {
            let (code, words) = match finding {
                Some(finding) if finding.code == "doubled" => ("FUS-DOUBLED", finding.message),
                Some(finding) => {
                    ("FUS-DIFFERS", format!("what stands under its key differs: {}", finding.message))
                }
                None => ("FUS-DIFFERS", "what stands under its key differs".to_owned()),
            };
            let advice = "compare it with `ml-connector explain`, correct what is wrong in Fusion, and settle this item";
            let refusals = vec![Refusal::new(code, words, advice)];
            let words = in_words(&refusals);
            Learnt::new(Event::FoundDifferent(refusals), words)
        }
    }
}

/// The changes that an event makes to a posting.
pub(crate) fn moved(
    seller: &Seller,
    row: &DocumentRow,
    Learnt { event, words, finding, barred }: Learnt,
    now: Timestamp,
) -> Result<Vec<Change>, StageError> {
    let action = match event {
        Event::Found(_) | Event::FoundDifferent(_) | Event::Absent | Event::LookUpFailed => Audited::LookedUp,
        _ => Audited::Answered,
    };
    let found = matches!(event, Event::Found(_) | Event::FoundDifferent(_));
    // It stands there, and this database has never sent it: only one that was put back looks up what it has not sent.
    let unsent = found && matches!(row.state, State::Unknown { attempt: 0, .. });
    let words = if unsent { format!("{}: {words}", restored::FOUND) } else { words };
    let state = decide(&row.state, event, now, patience(seller, row))?;
    let id: &SellerId = &seller.id;
    let detail = format!("{}: {words} ({})", row.document.key, state.name());
    let mut changes = vec![
        Change::Posting { key: row.document.key.clone(), state: state.clone(), at: now },
        audit(now, id, row.document.subject(), action, detail),
    ];
    if let Some(finding) = finding {
        let key = row.document.key.clone();
        changes.push(Change::Reconciled { key, finding: Some((finding.code, finding.message)), at: now });
    }
    let review = ToReview {
        seller,
        kind: kind::DOCUMENT,
        subject: row.document.key.as_str(),
        at_stake: Some(row.expected),
        now,
    };
    match &state {
        State::Rejected { refusals, .. } => {
            let reasons: Vec<Reason> = refusals.iter().map(|refusal| reason(row, refusal)).collect();
            changes.extend(review.because(&reasons));
        }
        // What held it up is over.
        State::Confirmed { .. } => changes.push(review.resolved()),
        _ => changes.extend(barred.map(|barred| held_up(&review, reason(row, &barred)))),
    }
    Ok(changes)
}

/// An item about a document that cannot go on. It is opened once, however often the same is found.
fn held_up(review: &ToReview<'_>, reason: Reason) -> Change {
    Change::Review(ReviewDraft {
        seller: review.seller.id.clone(),
        kind: review.kind,
        subject: review.subject.to_owned(),
        code: reason.code,
        about: reason.subject,
        message: reason.message,
        at_stake: review.at_stake,
        at: review.now,
    })
}

/// What a person reads: the line, the field, Fusion's words, and what to do.
fn reason(row: &DocumentRow, refusal: &Refusal) -> Reason {
    let about = refusal.place().unwrap_or_else(|| row.document.subject().to_owned());
    let place = refusal.place().map(|place| format!("{place}: ")).unwrap_or_default();
    let message = format!("{place}{}. What to do: {}.", refusal.words, refusal.advice);
    Reason::new(&refusal.code, about, message)
}
