//! Documents and what happened to them.

use ml_connector_domain::{DocumentKey, Timestamp};
use ml_connector_storage as storage;
use ml_connector_storage::DocumentFilter;

use super::value;
use crate::call::{Answer, Call};
use crate::paging::Page;
use crate::problem::{Kind, Problem};
use crate::shapes::{self, time};
use crate::state::Api;

/// Events of a document's story.
const STORY_MAX: u32 = 1_000;

/// The state's name, as it is stored.
fn state(row: &storage::DocumentRow) -> Result<String, Problem> {
    let posting = value(&row.state)?;
    Ok(posting["state"].as_str().unwrap_or_default().to_owned())
}

fn shown(row: &storage::DocumentRow, planned: Option<Timestamp>) -> Result<shapes::DocumentRow, Problem> {
    let document = &row.document;
    Ok(shapes::DocumentRow {
        key: document.key.as_str().to_owned(),
        seller: document.seller.as_str().to_owned(),
        kind: document.kind().as_str().to_owned(),
        subject: document.subject().to_owned(),
        revision: document.revision,
        date: document.date.to_string(),
        expected: row.expected.into(),
        state: state(row)?,
        planned_at: planned.map(time),
        sha256: row.body_hash.as_str().to_owned(),
    })
}

fn mark(planned: &storage::PlannedDocument) -> String {
    format!("{}/{}", planned.planned_at.as_millisecond(), planned.row.document.key)
}

/// Where a page ended: time and key.
fn unmarked(text: &str) -> Option<(Timestamp, DocumentKey)> {
    let (millis, key) = text.split_once('/')?;
    Some((Timestamp::from_millisecond(millis.parse().ok()?).ok()?, DocumentKey::from_stored(key)))
}

pub(super) async fn list(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (served, page) = (call.seller(api)?, Page::of(call)?);
    let unknown = || Problem::new(Kind::Malformed, "after: this is no `next` of a page of this list");
    let after = page.after().map(|text| unmarked(text).ok_or_else(unknown)).transpose()?;
    let filter = DocumentFilter {
        sellers: vec![served.seller.id.clone()],
        kind: call.asked("kind")?,
        state: call.asked("state")?,
        subject: call.asked("subject")?,
        from: call.asked_time("from")?,
        to: call.asked_time("to")?,
        after,
    };
    let rows = api.store.documents_page(&filter, page.fetched()).await?;
    let (rows, next) = page.cut(rows, mark);
    let items = rows.iter().map(|planned| shown(&planned.row, Some(planned.planned_at)));
    Answer::ok(&shapes::Documents { items: items.collect::<Result<_, _>>()?, next })
}

pub(super) async fn whole(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let found = api.store.document(&DocumentKey::from_stored(call.part("key"))).await?;
    let row = found.ok_or_else(Problem::not_found)?;
    let seller = &call.owner(api, &row.document.seller)?.seller.id;
    let (own, key) = (std::slice::from_ref(seller), row.document.key.as_str());
    let story = api.store.events_page(own, Some(key), 0, STORY_MAX).await?;
    Answer::ok(&shapes::WholeDocument {
        row: shown(&row, None)?,
        posting: value(&row.state)?,
        document: value(&row.document)?,
        story: story.into_iter().map(super::books::event).collect(),
    })
}
