//! Sends receivables by bulk import where many are due, and follows such imports to their end.
//!
//! A bulk import is the path for volume, and the only one by which a credit memo names the invoice lines that it credits.
//! It is a path, not another guarantee: each document in it has its posting, becomes `submitted` under the import's request,
//! and is looked up under its key once the job has ended, however it ended. What is not there goes the way of everything
//! that is unknown, and its next attempt goes by itself, which gives Fusion's words for it.
//!
//! **Invariant:** a document goes by bulk import at its first attempt only.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jiff::SignedDuration;
use ml_connector_domain::document::{Body, Document, Kind};
use ml_connector_domain::ledger::{AutoInvoiceSetup, CreditMemoPath};
use ml_connector_domain::posting::{Event, State, decide};
use ml_connector_domain::refusal::in_words;
use ml_connector_ports::{Answer, JobStatus};
use ml_connector_storage::{Change, DocumentRow, steps};
use tracing::Instrument as _;

use crate::before;
use crate::post::{Learnt, Posted, judged_ready, left_out, look_up, moved, next_attempt, patience};
use crate::{Parts, Seller, StageError, restored};

/// Documents in one import. With the lines' bound it keeps a zip far below the 250 MB that Fusion takes.
const DOCUMENTS_MAX: usize = 500;
/// Lines in one import.
const LINES_MAX: usize = 10_000;
/// Postings looked at in one round; what is left over is due in the next.
const DUE_MAX: u32 = 4_000;
/// Documents looked up at once.
const CONCURRENT: usize = 8;
/// How long a credit memo waits for its invoice to be confirmed before it is looked at again.
const AFTER_INVOICE: SignedDuration = SignedDuration::from_mins(10);

/// Follows imports under way, and starts new ones.
///
/// # Errors
/// The store failed. What was being sent then is found by [`crate::post::recover`].
pub async fn bulk(parts: &Parts, seller: &Seller) -> Result<Posted, StageError> {
    let mut posted = Posted::default();
    let Some(setup) = &seller.ledger.auto_invoice else { return Ok(posted) };
    follow(parts, seller, &mut posted).await?;
    let now = parts.clock.now();
    let due = parts.store.due_postings(&seller.id, now, DUE_MAX).await?;
    let due = restored::look_first(parts, seller, due).await?;
    let first = |row: &DocumentRow| matches!(row.state, State::Planned { attempts: 0, .. });
    let (mut invoices, mut memos) = (Vec::new(), Vec::new());
    for row in due.into_iter().filter(first) {
        if !parts.target.takes_in_bulk(&seller.ledger, &row.document) {
            continue;
        }
        match row.document.kind() {
            Kind::Invoice => invoices.push(row),
            Kind::CreditMemo => memos.push(row),
            Kind::Journal | Kind::Receipt => {}
        }
    }
    let memos = if seller.ledger.credit_memo_path == CreditMemoPath::AutoInvoice {
        crediting(parts, seller, memos).await?
    } else {
        Vec::new()
    };
    if !is_worth_it(setup, invoices.len()) {
        invoices.clear();
    }
    for chunk in chunks(invoices).into_iter().chain(chunks(memos)) {
        send(parts, seller, chunk, &mut posted).await?;
    }
    Ok(posted)
}

fn is_worth_it(setup: &AutoInvoiceSetup, due: usize) -> bool {
    due > 0 && due >= usize::try_from(setup.from_documents).unwrap_or(usize::MAX)
}

/// The credit memos whose invoices are confirmed. The others wait, as long as theirs may still be; a credit memo whose
/// invoice will never be there goes by itself, on account.
async fn crediting(
    parts: &Parts,
    seller: &Seller,
    memos: Vec<DocumentRow>,
) -> Result<Vec<DocumentRow>, StageError> {
    let (mut ready, mut changes) = (Vec::new(), Vec::new());
    for row in memos {
        let Body::CreditMemo { credits: Some(credits), .. } = &row.document.body else { continue };
        match parts.store.document(&credits.invoice).await?.map(|invoice| invoice.state) {
            Some(State::Confirmed { .. }) => ready.push(row),
            Some(State::Rejected { .. }) | None => {}
            Some(_) => {
                let now = parts.clock.now();
                let later = now.saturating_add(AFTER_INVOICE).unwrap_or(now);
                let state = decide(&row.state, Event::Postponed(later), now, patience(seller, &row))?;
                changes.push(Change::Posting { key: row.document.key.clone(), state, at: now });
            }
        }
    }
    parts.store.apply(changes).await?;
    Ok(ready)
}

/// Cuts what is due into imports of bounded size.
fn chunks(rows: Vec<DocumentRow>) -> Vec<Vec<DocumentRow>> {
    let mut all: Vec<Vec<DocumentRow>> = Vec::new();
    let mut lines = usize::MAX;
    for row in rows {
        let more = row.document.lines().len();
        match all.last_mut() {
            Some(chunk) if chunk.len() < DOCUMENTS_MAX && lines + more <= LINES_MAX => {
                lines += more;
                chunk.push(row);
            }
            _ => {
                lines = more;
                all.push(vec![row]);
            }
        }
    }
    all
}

/// Sends one import: each document is checked as any other, all are durable as sending before the first byte leaves, and
/// what the answer means holds for all of them.
async fn send(
    parts: &Parts,
    seller: &Seller,
    rows: Vec<DocumentRow>,
    posted: &mut Posted,
) -> Result<(), StageError> {
    let (mut sending, mut changes) = (Vec::new(), Vec::new());
    for chunk in rows.chunks(CONCURRENT) {
        let judged = join_all(chunk.iter().map(|row| before::check(parts, seller, row))).await;
        let now = parts.clock.now();
        for (row, ready) in chunk.iter().zip(judged) {
            let (row, made) = judged_ready(seller, row.clone(), ready, now)?;
            changes.extend(made);
            sending.extend(row);
        }
    }
    parts.store.apply(changes).await?;
    if sending.is_empty() {
        return Ok(());
    }
    let documents: Vec<&Document> = sending.iter().map(|row| &row.document).collect();
    // As for a single document: the last thing before a byte leaves.
    parts.store.may_write().await?;
    // One for each document, around the one call: each has its own trace.
    let spans: Vec<_> = documents.iter().map(|document| steps::call(document, "send with others")).collect();
    let answer = parts.target.send_bulk(&seller.ledger, &documents).await;
    posted.calls += 1;
    let now = parts.clock.now();
    let mut changes = Vec::new();
    for (row, span) in sending.iter().zip(spans) {
        let learnt = means(&answer, now);
        span.record("outcome", learnt.event.name());
        changes.extend(moved(seller, row, learnt, now)?);
    }
    Ok(parts.store.apply(changes).await?)
}

/// What an import's answer means for each document in it.
fn means(answer: &Answer, now: jiff::Timestamp) -> Learnt {
    match answer {
        Answer::InProgress(request) => {
            Learnt::new(Event::InProgress(request.clone()), format!("taken with others as request {request}"))
        }
        Answer::NotSent { reason, retry_after } => {
            Learnt::new(Event::Postponed(next_attempt(*retry_after, 1, now)), reason.clone())
        }
        // The import as a whole was refused, not the document: each goes by itself next, and then Fusion says why.
        Answer::Refused(refusals) => {
            Learnt::new(Event::NotSent(now), format!("the import was refused: {}", in_words(refusals)))
        }
        Answer::Lost(words) => Learnt::new(Event::Lost, words.clone()),
        Answer::Accepted(_) | Answer::Contested(_) => {
            Learnt::new(Event::Lost, "the answer is none that an import has")
        }
    }
}

/// Asks once for each import that is due how it stands, and looks every document up once it has ended.
async fn follow(parts: &Parts, seller: &Seller, posted: &mut Posted) -> Result<(), StageError> {
    let now = parts.clock.now();
    let mut imports = BTreeMap::<String, Vec<DocumentRow>>::new();
    for row in parts.store.postings_in(&seller.id, "submitted", DUE_MAX).await? {
        let State::Submitted { request, next_look, .. } = &row.state else { continue };
        if *next_look <= now && matches!(row.document.kind(), Kind::Invoice | Kind::CreditMemo) {
            imports.entry(request.clone()).or_default().push(row);
        }
    }
    for (request, rows) in imports {
        let status = parts.target.job(&seller.ledger, &request).await;
        posted.calls += 1;
        let for_all = |event: &Event, words: &str| -> Vec<Learnt> {
            rows.iter().map(|_| Learnt::new(event.clone(), words)).collect()
        };
        let learnt = match status {
            Ok(JobStatus::Running) => for_all(&Event::StillRunning, &format!("request {request} is running")),
            Err(error) => for_all(&Event::LookUpFailed, &error.to_string()),
            Ok(JobStatus::Done) => found(parts, seller, &rows, "it succeeded").await,
            Ok(JobStatus::Ended(words)) => found(parts, seller, &rows, &words).await,
            Ok(JobStatus::Failed(refusals)) => found(parts, seller, &rows, &in_words(&refusals)).await,
        };
        let now = parts.clock.now();
        let mut changes = Vec::new();
        for (row, learnt) in rows.iter().zip(learnt) {
            posted.confirmed += usize::from(matches!(learnt.event, Event::Found(_)));
            changes.extend(moved(seller, row, learnt, now)?);
        }
        parts.store.apply(changes).await?;
    }
    Ok(())
}

async fn looked_up(parts: &Parts, seller: &Seller, row: &DocumentRow) -> Learnt {
    let span = steps::call(&row.document, "look up");
    let learnt = look_up(parts, seller, row).instrument(span.clone()).await;
    span.record("outcome", learnt.event.name());
    learnt
}

/// Looks every document of an import up. With what is not there go the import's own words.
async fn found(parts: &Parts, seller: &Seller, rows: &[DocumentRow], import: &str) -> Vec<Learnt> {
    let mut all = Vec::with_capacity(rows.len());
    for chunk in rows.chunks(CONCURRENT) {
        let learnt = join_all(chunk.iter().map(|row| looked_up(parts, seller, row))).await;
        all.extend(learnt.into_iter().map(|learnt| left_out(learnt, import)));
    }
    all
}
