//! A database that was put back from a copy: what it may have sent without knowing is looked up before it is sent.
//!
//! Records that were read after the copy was taken are read once more, and become the same documents under the same keys.
//! Each of them goes the way of a document whose answer was lost: found as it would be sent, it is confirmed; found
//! otherwise, it goes to a person; not found twice, it is sent.

use std::collections::BTreeMap;

use ml_connector_domain::audit::Action as Audited;
use ml_connector_domain::canonical::Order;
use ml_connector_domain::document::{Body, Document, Kind, Origin};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::OrderOutcome;
use ml_connector_domain::posting::{Event, State, decide};
use ml_connector_domain::reconcile::{Content, Observed};
use ml_connector_domain::refusal::{Refusal, in_words};
use ml_connector_domain::restored::{self, may_stand};
use ml_connector_domain::shipment::{self, Shipment};
use ml_connector_domain::{DocumentKey, SellerId, Timestamp};
use ml_connector_storage::{Change, DocumentRow, OperationsChange, Store};

use crate::post::{Learnt, patience, unanswered};
use crate::seller::Dated as _;
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

/// The shipments of an order that were invoiced since the copy was taken, after those in `known`. Amazon tells how many pieces
/// have left by now, not when; so an order that was invoiced in parts is seen whole again. What stands in Fusion under the
/// keys of its shipments says how it was cut: the pieces whose share of the order comes to the same amounts. They are planned
/// under those keys, and found there as any document. Where no pieces do, nothing is given, and
/// [`cut_otherwise`] has a person decide.
///
/// # Errors
/// The store, the sandbox or a question to Fusion failed.
pub(crate) async fn shipments_since(
    parts: &Parts,
    seller: &Seller,
    order: &Order,
    known: &[Shipment],
) -> Result<Vec<Shipment>, StageError> {
    // A single piece leaves once.
    let pieces: u32 = order.items.iter().map(|item| item.quantity_ordered).sum();
    if pieces < 2 || !(order.is_shipped() || order.is_partly_shipped()) {
        return Ok(Vec::new());
    }
    let Some(restored_at) = parts.store.restoration().await?.restored_at else { return Ok(Vec::new()) };
    let mut all = known.to_vec();
    // What was ordered after the restore was not invoiced before it.
    while order.created < restored_at && !all.iter().any(|shipment| shipment.last) {
        let probe = probe(seller, order, all.len());
        let found = parts.target.look_up(&seller.ledger, &probe).await?;
        let Observed::One(content) = found else { break };
        match held(parts, seller, order, &all, &content).await? {
            Some(shipment) => all.push(shipment),
            None => break,
        }
    }
    Ok(all.split_off(known.len()))
}

/// An invoice of the shipment after so many, to be looked up by its key.
fn probe(seller: &Seller, order: &Order, invoiced: usize) -> Document {
    let number = u32::try_from(invoiced).unwrap_or(u32::MAX).saturating_add(1);
    let subject = shipment::subject(&order.id, number);
    let nothing = || ContentHash::of(b"");
    Document {
        key: DocumentKey::derive(Kind::Invoice.letter(), &seller.id, &subject, 0),
        seller: seller.id.clone(),
        revision: 0,
        date: seller.day(order.updated),
        moved_from: None,
        currency: order.total.map_or(seller.ledger.ledger_currency, |total| total.currency),
        body: Body::Invoice {
            order: order.id.clone(),
            marketplace: order.marketplace.clone(),
            lines: Vec::new(),
            net_of: Vec::new(),
            shipment: None,
        },
        origin: Origin::new(nothing(), nothing(), nothing()),
    }
}

/// Which pieces an invoice in Fusion is over: those with its total which are mapped to the amounts of its accounts.
async fn held(
    parts: &Parts,
    seller: &Seller,
    order: &Order,
    invoiced: &[Shipment],
    content: &Content,
) -> Result<Option<Shipment>, StageError> {
    let noon = content.date.and_then(|day| seller.zone.to_timestamp(day.at(12, 0, 0, 0)).ok());
    let shipped = noon.or(order.shipped).unwrap_or(order.updated);
    if content.renumbered.is_some() {
        return Ok(None);
    }
    for shipment in restored::shipments_over(order, invoiced, content.total, shipped) {
        let share = shipment::slice(order, &shipment)?;
        let context = seller.context(share.products(seller));
        let mapped = parts.mapper.map_orders(&context, std::slice::from_ref(&share)).await;
        // What the mapper fails on goes to review where it is mapped to be planned.
        let outcome = mapped.ok().and_then(|mapped| mapped.outcomes.into_iter().next());
        let Some(OrderOutcome::Invoice(lines)) = outcome else { return Ok(Some(shipment)) };
        let mut sums = BTreeMap::<&str, i64>::new();
        for line in &lines {
            *sums.entry(&line.account).or_default() += line.amount.minor;
        }
        if sums.iter().all(|(account, minor)| content.amounts.at(account) == *minor) {
            return Ok(Some(shipment));
        }
    }
    Ok(None)
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
