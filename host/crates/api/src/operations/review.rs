//! What waits for a person, and what a person decides about it.

use ml_connector_domain::document::Document;
use ml_connector_domain::id::ContentHash;
use ml_connector_pipeline::kind;
use ml_connector_pipeline::resolve;
use ml_connector_storage::{ReviewFilter, ReviewRow};

use super::{number, value};
use crate::call::{Answer, Call};
use crate::paging::Page;
use crate::problem::{Kind, Problem};
use crate::shapes::{self, time};
use crate::state::{Api, Served};

/// The reason of a refund that waits for its order.
const WAITS_FOR_ORDER: &str = "order-in-review";
/// Items that are looked through for what waits for one.
const WAITING_MAX: u32 = 10_000;

fn shown(row: &ReviewRow) -> shapes::ReviewItem {
    shapes::ReviewItem {
        id: row.id,
        seller: row.seller.as_str().to_owned(),
        kind: row.kind.clone(),
        subject: row.subject.clone(),
        code: row.code.clone(),
        about: row.about.clone(),
        message: row.message.clone(),
        at_stake: row.at_stake.map(Into::into),
        opened_at: time(row.opened_at),
    }
}

pub(super) async fn list(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (served, page) = (call.seller(api)?, Page::of(call)?);
    let filter = ReviewFilter {
        sellers: vec![served.seller.id.clone()],
        code: call.asked("code")?,
        kind: call.asked("kind")?,
        after: page.after_as::<i64>()?.unwrap_or(0),
    };
    let rows = api.store.reviews_page(&filter, page.fetched()).await?;
    let (rows, next) = page.cut(rows, |row| row.id.to_string());
    Answer::ok(&shapes::ReviewItems { items: rows.iter().map(shown).collect(), next })
}

/// The open item that the path names, if the key is for its seller.
async fn item<'a>(api: &'a Api, call: &Call) -> Result<(&'a Served, ReviewRow), Problem> {
    match api.store.review_item(number(call, "id")?).await? {
        Some((row, closed)) => {
            let served = call.owner(api, &row.seller)?;
            match closed {
                None => Ok((served, row)),
                Some(at) => Err(Problem::new(Kind::Conflict, format!("REV-CLOSED: closed at {at}"))),
            }
        }
        None => Err(Problem::not_found()),
    }
}

fn digest(document: &Document) -> Result<String, Problem> {
    let bytes = serde_json::to_vec(document)
        .map_err(|error| Problem::new(Kind::Failed, format!("a document cannot be written: {error}")))?;
    Ok(ContentHash::of(&bytes).as_str().to_owned())
}

fn attempted(attempt: &resolve::Attempt) -> Result<shapes::Attempt, Problem> {
    let document = |document: &Document| {
        Ok(shapes::ProposedDocument { sha256: digest(document)?, document: value(document)? })
    };
    let waits = |reason: &ml_connector_storage::ReviewDraft| shapes::WaitsOn {
        code: reason.code.clone(),
        about: reason.about.clone(),
        message: reason.message.clone(),
    };
    Ok(shapes::Attempt {
        settles: attempt.settles(),
        documents: attempt.documents.iter().map(document).collect::<Result<_, Problem>>()?,
        booked: attempt.booked.iter().map(value).collect::<Result<_, _>>()?,
        reasons: attempt.reasons.iter().map(waits).collect(),
        note: attempt.note.clone(),
    })
}

pub(super) async fn whole(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (served, row) = item(api, call).await?;
    // Fusion is asked about accounts and periods: where it does not answer, the item is shown all the same.
    let (attempt, attempt_failed) = match resolve::attempt(&served.parts, &served.now(), &row).await {
        Ok(attempt) => (Some(attempted(&attempt)?), None),
        Err(error) => (None, Some(Problem::from(error).detail)),
    };
    Answer::ok(&shapes::WholeReview { item: shown(&row), attempt, attempt_failed })
}

/// Whether what was approved is what would be planned.
fn is_approved(approval: &shapes::Approval, attempt: &resolve::Attempt) -> Result<bool, Problem> {
    let Some(mut wanted) = approval.documents.clone() else { return Ok(true) };
    let mut found = attempt.documents.iter().map(digest).collect::<Result<Vec<_>, _>>()?;
    wanted.sort();
    found.sort();
    Ok(wanted == found)
}

pub(super) async fn resolve(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (served, row) = item(api, call).await?;
    let (approval, seller): (shapes::Approval, _) = (call.json()?, served.now());
    let attempt = resolve::attempt(&served.parts, &seller, &row).await?;
    if !attempt.settles() {
        let reasons = attempt.reasons.iter().map(|reason| format!("{}: {}", reason.code, reason.message));
        let words: Vec<String> = reasons.chain(attempt.note.clone()).collect();
        return Err(Problem::new(Kind::Conflict, format!("it would wait on: {}", words.join("; "))));
    }
    if !is_approved(&approval, &attempt)? {
        let words = "other documents would be planned by now: look at the item again";
        return Err(Problem::new(Kind::Conflict, words));
    }
    let planned = attempt.documents.iter().map(|document| document.key.as_str().to_owned()).collect();
    resolve::approve(&served.parts, &seller, &row, attempt, &call.caller()?.who()).await?;
    let waiting = waiting(api, served, &row).await?;
    Answer::ok(&shapes::Resolved { id: row.id, planned, waiting })
}

/// Refunds that wait for an order.
async fn waiting(api: &Api, served: &Served, row: &ReviewRow) -> Result<Vec<i64>, Problem> {
    if row.kind != kind::ORDER {
        return Ok(Vec::new());
    }
    let filter = ReviewFilter {
        sellers: vec![served.seller.id.clone()],
        code: Some(WAITS_FOR_ORDER.to_owned()),
        ..ReviewFilter::default()
    };
    let rows = api.store.reviews_page(&filter, WAITING_MAX).await?;
    Ok(rows.into_iter().filter(|other| other.about == row.subject).map(|other| other.id).collect())
}

pub(super) async fn dismiss(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (served, row) = item(api, call).await?;
    let why: shapes::Dismissal = call.json()?;
    let who = call.caller()?.who();
    resolve::dismiss(&served.parts, &served.now(), &row, (&who, &why.because)).await?;
    Answer::ok(&shapes::Settled {
        id: row.id,
        told: "it is closed; who and why stand in the audit log".into(),
    })
}

pub(super) async fn retry(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (served, row) = item(api, call).await?;
    let told = resolve::retry(&served.parts, &served.now(), &row, &call.caller()?.who()).await?;
    Answer::ok(&shapes::Settled { id: row.id, told: told.to_owned() })
}
