//! Orders: a receivable each, once it has shipped.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::Order;
use ml_connector_domain::document::{Body, Document, Kind};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::{DocumentLine, OrderOutcome, Reason};
use ml_connector_domain::validate::{self, Expectation, Module};
use ml_connector_domain::{Date, DocumentKey, Timestamp};
use ml_connector_storage::Change;

use super::{BATCH, Facts, HOST_FAULT, ToReview, fault_reason, origin};
use crate::invoices::{current_key, taken_back};
use crate::seller::Dated as _;
use crate::versions::{self, Batch};
use crate::{Parts, Seller, StageError, audit, catalogs, kind, leg, stage, stored};

/// Maps every order that is ready; says how many those were.
///
/// # Errors
/// A question to Fusion, the sandbox or the store failed; what is not mapped stays ready.
pub async fn map_orders(parts: &Parts, seller: &Seller) -> Result<usize, StageError> {
    let mut total = 0;
    loop {
        let parts = &versions::choose(parts, seller).await?;
        let seller = &*catalogs::choose(parts, seller).await?;
        let records = parts.store.at_stage(&seller.id, kind::ORDER, stage::READY, BATCH).await?;
        if records.is_empty() {
            return Ok(total);
        }
        total += records.len();
        let orders: Vec<Order> =
            records.iter().map(|json| stored("order", json)).collect::<Result<_, _>>()?;
        for batch in seller.batches(orders) {
            map_batch(parts, seller, &batch).await?;
        }
    }
}

fn map_batch<'a>(
    parts: &'a Parts,
    seller: &'a Seller,
    orders: &'a [Order],
) -> Pin<Box<dyn Future<Output = Result<(), StageError>> + Send + 'a>> {
    Box::pin(async move {
        let context = seller.context(orders.iter().flat_map(|order| order.products(seller)));
        let input = Batch::of(parts, "orders", &context, orders)?;
        let result = parts.mapper.map_orders(&context, orders).await;
        let mut batch = input.kept(parts, seller, &result)?;
        match result {
            Ok(mapped) => {
                batch
                    .extend(versions::shadow_orders(parts, seller, &context, orders, &mapped.outcomes).await);
                judge(parts, seller, orders, mapped.outcomes, (&input.name, batch)).await
            }
            Err(fault) if fault.code == HOST_FAULT => Err(StageError::MapperHost(fault.message)),
            Err(fault) => match orders {
                [order] => {
                    let now = parts.clock.now();
                    let mut changes = batch;
                    versions::count_fault(parts, seller, &fault, &changes).await?;
                    changes.push(audit(
                        now,
                        &seller.id,
                        order.id.as_str(),
                        Action::MapperFault,
                        fault.to_string(),
                    ));
                    changes.extend(to_review(seller, order, now).and_stage(&[fault_reason(&fault)]));
                    Ok(parts.store.apply(changes).await?)
                }
                _ => {
                    parts.store.apply(batch).await?;
                    let (left, right) = orders.split_at(orders.len() / 2);
                    map_batch(parts, seller, left).await?;
                    map_batch(parts, seller, right).await
                }
            },
        }
    })
}

async fn judge(
    parts: &Parts,
    seller: &Seller,
    orders: &[Order],
    outcomes: Vec<OrderOutcome>,
    kept: (&ContentHash, Vec<Change>),
) -> Result<(), StageError> {
    let changes = decide(parts, seller, orders, outcomes, kept).await?;
    Ok(parts.store.apply(changes).await?)
}

/// What would be changed if an order that no document recognises were mapped now, by the very mapper and catalog of
/// `parts` and `seller`. Changes nothing.
///
/// # Errors
/// A question to Fusion, the sandbox or the store failed.
pub(crate) async fn attempt(
    parts: &Parts,
    seller: &Seller,
    order: &Order,
) -> Result<Vec<Change>, StageError> {
    let orders = std::slice::from_ref(order);
    let context = seller.context(order.products(seller));
    let input = Batch::of(parts, "orders", &context, orders)?;
    let result = parts.mapper.map_orders(&context, orders).await;
    let batch = input.kept(parts, seller, &result)?;
    match result {
        Ok(mapped) => decide(parts, seller, orders, mapped.outcomes, (&input.name, batch)).await,
        Err(fault) if fault.code == HOST_FAULT => Err(StageError::MapperHost(fault.message)),
        Err(fault) => Ok(to_review(seller, order, parts.clock.now()).and_stage(&[fault_reason(&fault)])),
    }
}

async fn decide(
    parts: &Parts,
    seller: &Seller,
    orders: &[Order],
    outcomes: Vec<OrderOutcome>,
    (input, batch): (&ContentHash, Vec<Change>),
) -> Result<Vec<Change>, StageError> {
    let now = parts.clock.now();
    let (mut accounts, mut dates) = (BTreeSet::new(), BTreeSet::new());
    for (order, outcome) in orders.iter().zip(&outcomes) {
        if let OrderOutcome::Invoice(lines) = outcome {
            accounts.extend(lines.iter().map(|line| line.account.clone()));
            dates.insert((Module::Receivables, invoice_date(seller, order)));
        }
    }
    let facts = Facts::gather(parts, seller, accounts, dates).await?;
    let mut changes = batch;
    for (order, outcome) in orders.iter().zip(outcomes) {
        let planned = current_key(parts, seller, &order.id).await?;
        let decided = match planned {
            Some(key) => again(parts, seller, order, &outcome, &key, now).await?,
            None => first(parts, seller, order, outcome, &facts, input, now),
        };
        changes.extend(decided);
    }
    Ok(changes)
}

pub(crate) fn invoice_date(seller: &Seller, order: &Order) -> Date {
    seller.day(order.shipped.unwrap_or(order.updated))
}

fn to_review<'a>(seller: &'a Seller, order: &'a Order, now: Timestamp) -> ToReview<'a> {
    ToReview { seller, kind: kind::ORDER, subject: order.id.as_str(), at_stake: order.total, now }
}

/// What becomes of an order that no document recognises yet.
fn first(
    parts: &Parts,
    seller: &Seller,
    order: &Order,
    outcome: OrderOutcome,
    facts: &Facts,
    input: &ContentHash,
    now: Timestamp,
) -> Vec<Change> {
    let review = to_review(seller, order, now);
    match outcome {
        OrderOutcome::Review(reasons) => review.and_stage(&reasons),
        OrderOutcome::Skip(why) => vec![
            review.resolved(),
            review.stage(stage::SKIPPED),
            audit(now, &seller.id, order.id.as_str(), Action::Skipped, why),
        ],
        OrderOutcome::Invoice(lines) => {
            let Some(total) = order.total else {
                let reason =
                    Reason::new("no-total", order.id.as_str(), "Amazon states no total for a shipped order");
                return review.and_stage(&[reason]);
            };
            let mut document = invoice(parts, seller, order, lines, total.currency, input);
            let moved = facts.place(&mut document);
            let violations =
                validate::document(&document, &Expectation::Total(total), &facts.at(document.date));
            if !violations.is_empty() {
                return review.and_stage(&violations);
            }
            let detail = format!("invoice {} over {total} dated {}{moved}", document.key, document.date);
            vec![
                review.resolved(),
                review.stage(stage::DOCUMENTED),
                audit(now, &seller.id, order.id.as_str(), Action::Planned, detail),
                Change::Plan {
                    document: Box::new(document),
                    expected: total,
                    recognizes: vec![(order.id.as_str().to_owned(), leg::RECEIVABLE)],
                    at: now,
                },
            ]
        }
    }
}

fn invoice(
    parts: &Parts,
    seller: &Seller,
    order: &Order,
    lines: Vec<DocumentLine>,
    currency: ml_connector_domain::Currency,
    input: &ContentHash,
) -> Document {
    Document {
        key: DocumentKey::derive(Kind::Invoice.letter(), &seller.id, order.id.as_str(), 0),
        seller: seller.id.clone(),
        revision: 0,
        date: invoice_date(seller, order),
        moved_from: None,
        currency,
        body: Body::Invoice {
            order: order.id.clone(),
            marketplace: order.marketplace.clone(),
            lines,
            net_of: Vec::new(),
        },
        origin: origin(parts, seller, input),
    }
}

/// What becomes of a newer version of an order that a document recognises already: the document stands; if the
/// order would now be mapped otherwise, a person has to look.
async fn again(
    parts: &Parts,
    seller: &Seller,
    order: &Order,
    outcome: &OrderOutcome,
    key: &DocumentKey,
    now: Timestamp,
) -> Result<Vec<Change>, StageError> {
    let review = to_review(seller, order, now);
    let posted = parts.store.document(key).await?;
    let taken_back = taken_back(parts, seller, &order.id).await?.is_some();
    let same = match (outcome, posted.map(|row| row.document.body)) {
        (OrderOutcome::Skip(_), _) if taken_back => true,
        _ if taken_back => false,
        (OrderOutcome::Invoice(lines), Some(Body::Invoice { lines: posted, net_of, .. })) => {
            // Behind a corrected invoice's own lines stand those of the refunds that it was lessened by.
            posted.starts_with(lines) && (posted.len() == lines.len() || !net_of.is_empty())
        }
        _ => false,
    };
    let mut changes = vec![review.stage(stage::DOCUMENTED)];
    if !same {
        let message = if taken_back {
            format!("{key} was taken back whole, and the order is a sale again now: invoice it in Fusion")
        } else {
            format!(
                "the order changed after {key} was planned: it would be mapped otherwise now; ml-connector correct {} shows how",
                order.id
            )
        };
        changes.extend(review.because(&[Reason::new("changed-after-invoice", key.as_str(), message)]));
    }
    Ok(changes)
}
