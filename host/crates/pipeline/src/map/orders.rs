//! Orders: a receivable each, or one for each of its shipments, once it has shipped.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::Order;
use ml_connector_domain::document::{Body, Document, Kind};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::{DocumentLine, OrderOutcome, Reason};
use ml_connector_domain::validate::{self, Expectation, Module};
use ml_connector_domain::{Currency, Date, DocumentKey, Timestamp};
use ml_connector_storage::{Change, DocumentRow};

use super::invoice_day::{InvoiceDay, invoice_day};
use super::units::{Unit, cut, follows};
use super::{BATCH, Facts, HOST_FAULT, ToReview, fault_reason, origin};
use crate::seller::Dated as _;
use crate::versions::{self, Batch};
use crate::{Parts, Seller, StageError, audit, catalogs, kind, leg, stage, stored};

/// Orders that wait for their day, looked at in one cycle.
const HELD_MAX: u32 = 10_000;

/// Maps every order that is ready, and those that waited for their day and have it; says how many those were.
///
/// # Errors
/// A question to Fusion, the sandbox or the store failed; what is not mapped stays ready.
pub async fn map_orders(parts: &Parts, seller: &Seller) -> Result<usize, StageError> {
    let mut held = Vec::new();
    for json in parts.store.at_stage(&seller.id, kind::ORDER, stage::HELD, HELD_MAX).await? {
        let order: Order = stored("order", &json)?;
        if !still_waits(parts, seller, &order).await? {
            held.push(order);
        }
    }
    let mut total = held.len();
    for chunk in held.chunks(BATCH as usize) {
        map_each(parts, seller, chunk.to_vec()).await?;
    }
    loop {
        let records = parts.store.at_stage(&seller.id, kind::ORDER, stage::READY, BATCH).await?;
        if records.is_empty() {
            return Ok(total);
        }
        total += records.len();
        let orders = records.iter().map(|json| stored("order", json)).collect::<Result<_, _>>()?;
        map_each(parts, seller, orders).await?;
    }
}

/// Whether an order that waits for its day still has to.
async fn still_waits(parts: &Parts, seller: &Seller, order: &Order) -> Result<bool, StageError> {
    let review = to_review(seller, order, parts.clock.now());
    let units = cut(parts, seller, order.clone(), &review).await?.units;
    match units.iter().find(|unit| unit.posted.is_none()) {
        Some(unit) => Ok(invoice_day(parts, seller, unit).await? == InvoiceDay::NotYet),
        None => Ok(false),
    }
}

async fn map_each(parts: &Parts, seller: &Seller, orders: Vec<Order>) -> Result<(), StageError> {
    let parts = &versions::choose(parts, seller).await?;
    let seller = &*catalogs::choose(parts, seller).await?;
    let (mut units, mut changes) = (Vec::with_capacity(orders.len()), Vec::new());
    for order in orders {
        let id = order.id.clone();
        let review = ToReview {
            seller,
            kind: kind::ORDER,
            subject: id.as_str(),
            at_stake: order.total,
            now: parts.clock.now(),
        };
        let cut = cut(parts, seller, order, &review).await?;
        units.extend(cut.units);
        changes.extend(cut.changes);
    }
    if !changes.is_empty() {
        parts.store.apply(changes).await?;
    }
    for batch in seller.batches(units) {
        map_batch(parts, seller, &batch).await?;
    }
    Ok(())
}

fn map_batch<'a>(
    parts: &'a Parts,
    seller: &'a Seller,
    units: &'a [Unit],
) -> Pin<Box<dyn Future<Output = Result<(), StageError>> + Send + 'a>> {
    Box::pin(async move {
        let context = seller.context(units.iter().flat_map(|unit| unit.products(seller)));
        let orders: Vec<Order> = units.iter().map(|unit| unit.order.clone()).collect();
        let input = Batch::of(parts, "orders", &context, &orders)?;
        let result = parts.mapper.map_orders(&context, &orders).await;
        let mut batch = input.kept(parts, seller, &result)?;
        match result {
            Ok(mapped) => {
                batch.extend(
                    versions::shadow_orders(parts, seller, &context, &orders, &mapped.outcomes).await,
                );
                let changes = decide(parts, seller, units, mapped.outcomes, (&input.name, batch)).await?;
                Ok(parts.store.apply(changes).await?)
            }
            Err(fault) if fault.code == HOST_FAULT => Err(StageError::MapperHost(fault.message)),
            Err(fault) => match units {
                [unit] => {
                    let now = parts.clock.now();
                    let id = unit.order.id.as_str();
                    let mut changes = batch;
                    versions::count_fault(parts, seller, &fault, &changes).await?;
                    changes.push(audit(now, &seller.id, id, Action::MapperFault, fault.to_string()));
                    changes.extend(to_review(seller, &unit.order, now).and_stage(&[fault_reason(&fault)]));
                    Ok(parts.store.apply(changes).await?)
                }
                _ => {
                    parts.store.apply(batch).await?;
                    let (left, right) = units.split_at(units.len() / 2);
                    map_batch(parts, seller, left).await?;
                    map_batch(parts, seller, right).await
                }
            },
        }
    })
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
    let review = to_review(seller, order, parts.clock.now());
    let cut = cut(parts, seller, order.clone(), &review).await?;
    if cut.units.is_empty() {
        return Ok(cut.changes);
    }
    let context = seller.context(cut.units.iter().flat_map(|unit| unit.products(seller)));
    let orders: Vec<Order> = cut.units.iter().map(|unit| unit.order.clone()).collect();
    let input = Batch::of(parts, "orders", &context, &orders)?;
    let result = parts.mapper.map_orders(&context, &orders).await;
    let batch = input.kept(parts, seller, &result)?;
    match result {
        Ok(mapped) => decide(parts, seller, &cut.units, mapped.outcomes, (&input.name, batch)).await,
        Err(fault) if fault.code == HOST_FAULT => Err(StageError::MapperHost(fault.message)),
        Err(fault) => Ok(to_review(seller, order, parts.clock.now()).and_stage(&[fault_reason(&fault)])),
    }
}

async fn decide(
    parts: &Parts,
    seller: &Seller,
    units: &[Unit],
    outcomes: Vec<OrderOutcome>,
    (input, batch): (&ContentHash, Vec<Change>),
) -> Result<Vec<Change>, StageError> {
    let now = parts.clock.now();
    let (mut accounts, mut dates) = (BTreeSet::new(), BTreeSet::new());
    let mut days = Vec::with_capacity(units.len());
    for (unit, outcome) in units.iter().zip(&outcomes) {
        let mut day = InvoiceDay::NotYet;
        if let (OrderOutcome::Invoice(lines), None) = (outcome, &unit.posted) {
            accounts.extend(lines.iter().map(|line| line.account.clone()));
            day = invoice_day(parts, seller, unit).await?;
        }
        if let InvoiceDay::On(day) = day {
            dates.insert((Module::Receivables, day));
        }
        days.push(day);
    }
    let facts = Facts::gather(parts, seller, accounts, dates).await?;
    let mut changes = batch;
    let mut planned = BTreeSet::new();
    for ((unit, outcome), day) in units.iter().zip(outcomes).zip(days) {
        if let Some(posted) = &unit.posted {
            changes.extend(again(parts, seller, unit, &outcome, posted, now).await?);
        } else if follows(parts, seller, unit, &planned).await? {
            let decided =
                First { parts, seller, facts: &facts, input, now }.decide(unit, day, outcome).await?;
            if decided.iter().any(|change| matches!(change, Change::Plan { .. })) {
                planned.insert(unit.source());
            }
            changes.extend(decided);
        }
    }
    Ok(changes)
}

fn to_review<'a>(seller: &'a Seller, order: &'a Order, now: Timestamp) -> ToReview<'a> {
    ToReview { seller, kind: kind::ORDER, subject: order.id.as_str(), at_stake: order.total, now }
}

/// What becomes of what no document recognises yet.
struct First<'a> {
    parts: &'a Parts,
    seller: &'a Seller,
    facts: &'a Facts,
    input: &'a ContentHash,
    now: Timestamp,
}

impl First<'_> {
    async fn decide(
        &self,
        unit: &Unit,
        day: InvoiceDay,
        outcome: OrderOutcome,
    ) -> Result<Vec<Change>, StageError> {
        let review = to_review(self.seller, &unit.order, self.now);
        Ok(match outcome {
            OrderOutcome::Review(reasons) => review.and_stage(&reasons),
            OrderOutcome::Skip(why) => vec![
                review.resolved(),
                review.stage(if unit.complete { stage::SKIPPED } else { stage::WAITING }),
                audit(self.now, &self.seller.id, unit.order.id.as_str(), Action::Skipped, why),
            ],
            OrderOutcome::Invoice(lines) => self.invoice(unit, day, lines, &review).await?,
        })
    }

    async fn invoice(
        &self,
        unit: &Unit,
        day: InvoiceDay,
        lines: Vec<DocumentLine>,
        review: &ToReview<'_>,
    ) -> Result<Vec<Change>, StageError> {
        let id = unit.order.id.as_str();
        let Some(total) = unit.order.total else {
            let reason = Reason::new("no-total", id, "Amazon states no total for a shipped order");
            return Ok(review.and_stage(&[reason]));
        };
        let day = match day {
            InvoiceDay::On(day) => day,
            InvoiceDay::NotYet => return Ok(vec![review.stage(stage::HELD)]),
            InvoiceDay::Overdue => {
                let message = "Amazon has posted no money for it in 14 days, and its invoice is dated by that \
                               (ledger.invoice_date): try again when it has";
                return Ok(review.and_stage(&[Reason::new("no-posted-date", id, message)]));
            }
        };
        let mut document = self.document(unit, day, lines, total.currency);
        let moved = self.facts.place(&mut document);
        let expectation = Expectation::Total(total);
        let violations = validate::document(&document, &expectation, &self.facts.at(document.date));
        if !violations.is_empty() {
            return Ok(review.and_stage(&violations));
        }
        let detail = format!("invoice {} over {total} dated {}{moved}", document.key, document.date);
        let mut changes = Vec::new();
        // What is said of an earlier shipment's invoice stays open.
        let about_earlier = self.parts.store.review_is_open(&self.seller.id, kind::ORDER, id, CHANGED);
        if unit.before().is_none() || !about_earlier.await? {
            changes.push(review.resolved());
        }
        changes.extend([
            review.stage(unit.stage()),
            audit(self.now, &self.seller.id, id, Action::Planned, detail),
            Change::Plan {
                document: Box::new(document),
                expected: total,
                recognizes: vec![(unit.source(), leg::RECEIVABLE)],
                at: self.now,
            },
        ]);
        Ok(changes)
    }

    fn document(&self, unit: &Unit, date: Date, lines: Vec<DocumentLine>, currency: Currency) -> Document {
        let (order, subject) = (&unit.order, unit.order.subject());
        Document {
            key: DocumentKey::derive(Kind::Invoice.letter(), &self.seller.id, &subject, 0),
            seller: self.seller.id.clone(),
            revision: 0,
            date,
            moved_from: None,
            currency,
            body: Body::Invoice {
                order: order.id.clone(),
                marketplace: order.marketplace.clone(),
                lines,
                net_of: Vec::new(),
                shipment: unit.shipment.clone(),
            },
            origin: origin(self.parts, self.seller, self.input),
        }
    }
}

/// The code of an order that changed after its invoice was planned.
const CHANGED: &str = "changed-after-invoice";

/// What becomes of a newer version of what a document recognises already: the document stands; if it would now be mapped
/// otherwise, a person has to look.
async fn again(
    parts: &Parts,
    seller: &Seller,
    unit: &Unit,
    outcome: &OrderOutcome,
    posted: &DocumentRow,
    now: Timestamp,
) -> Result<Vec<Change>, StageError> {
    let (review, key) = (to_review(seller, &unit.order, now), &posted.document.key);
    let taken_back = parts.store.recognized_by(&seller.id, key.as_str(), leg::REVERSAL).await?.is_some();
    let same = match (outcome, &posted.document.body) {
        (OrderOutcome::Skip(_), _) if taken_back => true,
        _ if taken_back => false,
        (OrderOutcome::Invoice(lines), Body::Invoice { lines: posted, net_of, .. }) => {
            // Behind a corrected invoice's own lines stand those of the refunds that it was lessened by.
            posted.starts_with(lines) && (posted.len() == lines.len() || !net_of.is_empty())
        }
        _ => false,
    };
    let mut changes = vec![review.stage(unit.stage())];
    if !same {
        let message = if taken_back {
            format!("{key} was taken back whole, and the order is a sale again now: invoice it in Fusion")
        } else {
            format!(
                "the order changed after {key} was planned: it would be mapped otherwise now; ml-connector correct {} shows how",
                unit.order.id
            )
        };
        changes.extend(review.because(&[Reason::new(CHANGED, key.as_str(), message)]));
    }
    Ok(changes)
}
