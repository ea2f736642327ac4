//! A database that was put back from a copy: what it may have sent without knowing is looked up before it is sent.
//!
//! Records that were read after the copy was taken are read once more, and become the same documents under the same keys.
//! Each of them goes the way of a document whose answer was lost: found as it would be sent, it is confirmed; found
//! otherwise, it goes to a person; not found twice, it is sent.

use ml_connector_domain::audit::Action as Audited;
use ml_connector_domain::posting::{Event, State, decide};
use ml_connector_domain::reconcile::Observed;
use ml_connector_domain::refusal::{Refusal, in_words};
use ml_connector_domain::restored::{self, may_stand};
use ml_connector_domain::{SellerId, Timestamp};
use ml_connector_storage::{Change, DocumentRow, OperationsChange, Store};

use crate::post::{Learnt, patience, unanswered};
use crate::{Parts, Seller, StageError, audit};

/// What the audit log says of a document that the copy did not know.
pub(crate) const FOUND: &str = "found-after-restore";

/// Marks a database as put back. From then on every document that may stand in Fusion is looked up before it is sent.
///
/// # Errors
/// The store failed.
pub async fn mark(
    store: &dyn Store,
    sellers: &[SellerId],
    events: u64,
    at: Timestamp,
) -> Result<(), StageError> {
    let words = format!(
        "the database was put back from a copy of {events} events: what may have been posted since is looked up before it is sent"
    );
    let mut changes = vec![Change::Operations(OperationsChange::Restored { events, at })];
    changes.extend(sellers.iter().map(|of| audit(at, of, of.as_str(), Audited::Changed, words.as_str())));
    Ok(store.apply(changes).await?)
}

/// Has those looked up that may stand in Fusion already; gives back those that are to be sent.
pub(crate) async fn look_first(
    parts: &Parts,
    seller: &Seller,
    rows: Vec<DocumentRow>,
) -> Result<Vec<DocumentRow>, StageError> {
    if rows.is_empty() {
        return Ok(rows);
    }
    let Some(restored_at) = parts.store.restoration().await?.restored_at else { return Ok(rows) };
    let now = parts.clock.now();
    let (doubtful, rest): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| is_doubtful(row, restored_at));
    let mut changes = Vec::new();
    for row in doubtful {
        let key = row.document.key.clone();
        let detail =
            format!("{key}: looked up before it is sent, as the database was put back at {restored_at}");
        let state = decide(&row.state, Event::LookFirst, now, patience(seller, &row))?;
        changes.push(Change::Posting { key, state, at: now });
        changes.push(audit(now, &seller.id, row.document.subject(), Audited::LookedUp, detail));
    }
    parts.store.apply(changes).await?;
    Ok(rest)
}

/// What was not found under its key, in a database that never sent it, may stand in Fusion cut otherwise: an order in parts,
/// a settlement by months. Nothing says which of its lines went where, so a person decides.
pub(crate) async fn cut_otherwise(
    parts: &Parts,
    seller: &Seller,
    row: &DocumentRow,
    learnt: Learnt,
) -> Learnt {
    let unsent = matches!(row.state, State::Unknown { attempt: 0, .. });
    if !unsent || !matches!(learnt.event, Event::Absent) {
        return learnt;
    }
    let Some(other) = restored::cut_otherwise(&row.document) else { return learnt };
    let words = match parts.target.look_up(&seller.ledger, &other).await {
        Ok(Observed::Nothing) => return learnt,
        Ok(Observed::One(content)) => {
            format!("{} stands as {} over {}", other.key, content.fusion_id, content.total)
        }
        Ok(_) => format!("{} stands there more than once", other.key),
        Err(error) => return unanswered(&error),
    };
    let words = format!("it was posted before the database was put back, in other parts: {words}");
    let advice = "compare what stands in Fusion for it with `ml-connector explain`, and settle this item: it is not sent again";
    let refusals = vec![Refusal::new("FUS-CUT-OTHERWISE", words, advice)];
    let words = in_words(&refusals);
    Learnt::new(Event::FoundDifferent(refusals), words)
}

fn is_doubtful(row: &DocumentRow, restored_at: Timestamp) -> bool {
    let State::Planned { absent_at, .. } = &row.state else { return false };
    absent_at.is_none_or(|proof| proof < restored_at) && may_stand(&row.document, restored_at)
}
