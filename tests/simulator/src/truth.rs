//! What the books should hold, computed from the scenario, and how what Fusion holds differs from it.

mod balances;
mod books;
mod journals;
mod planted;
mod worth;

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::clock::DAY;
use crate::fusion::{Document, FusionState};
use crate::scenario::CYCLE;
use crate::scenario::{Expectation, Group, Item, Order, Profile, Transaction};
use crate::{World, locked};

/// Findings kept in words.
const DETAILS_MAX: usize = 50;
/// After an event, how long the books may take: a day for an order, two for what is posted late, and some for jobs.
const ORDER_GRACE: i64 = DAY;
/// Transactions show up within 48 hours; the settlement is journaled after that.
const LATE_GRACE: i64 = 3 * DAY;
/// After a settlement's end, when what showed up later than that must have been found.
const VERY_LATE_GRACE: i64 = 33 * DAY;

#[derive(Default)]
struct Verdict {
    invoices_missing: u64,
    invoices_doubled: u64,
    credit_memos_missing: u64,
    credit_memos_doubled: u64,
    journals_missing: u64,
    journals_doubled: u64,
    amount_differences: u64,
    review_posted: u64,
    details: Vec<String>,
}

impl Verdict {
    fn note(&mut self, words: String) {
        if self.details.len() < DETAILS_MAX {
            self.details.push(words);
        }
    }
}

/// By settlement, when it must be journaled.
fn due(world: &World) -> Vec<i64> {
    let mut due: Vec<i64> = world.scenario.groups.iter().map(|group| group.end + LATE_GRACE).collect();
    for transaction in &world.scenario.transactions {
        if let Some(group) = transaction.group
            && is_late(transaction)
        {
            due[group] = world.scenario.groups[group].end + VERY_LATE_GRACE;
        }
    }
    due
}

/// Whether it shows up later than 48 hours after it was posted.
fn is_late(transaction: &Transaction) -> bool {
    transaction.visible > transaction.posted + 2 * DAY
}

/// The truth as JSON; a summary leaves the lists out.
pub fn truth(world: &World, summary: bool) -> Value {
    let mut state = locked(&world.fusion);
    crate::fusion::settle(world, &mut state);
    let verdict = verdict(world, &state);
    let mut body = json!({
        "now": crate::clock::text(world.clock.now()),
        "fusion": {
            "invoices": state.invoices.len(), "credit_memos": state.credit_memos.len(),
            "journal_batches": state.batches.len(),
        },
        "verdict": {
            "invoices_missing": verdict.invoices_missing, "invoices_doubled": verdict.invoices_doubled,
            "credit_memos_missing": verdict.credit_memos_missing,
            "credit_memos_doubled": verdict.credit_memos_doubled,
            "journals_missing": verdict.journals_missing, "journals_doubled": verdict.journals_doubled,
            "amount_differences": verdict.amount_differences, "review_posted": verdict.review_posted,
            "details": verdict.details,
        },
    });
    if world.scenario.options.profile == Profile::Year {
        let (expected, in_ledger) = books::books(world, &state);
        body["trial_balance"] = balances::compare(world, &expected, &balances::in_fusion(world, &state));
        let worth = worth::compare(world, &in_ledger, &worth::in_fusion(world, &state));
        worth::into_balance(&mut body["trial_balance"], worth);
        body["planted"] = planted::planted(world);
    }
    if !summary {
        body["orders"] = world.scenario.orders.iter().map(|order| order_json(world, order)).collect();
        body["refunds"] = refunds(world).map(|(_, refund)| refund_json(world, refund)).collect();
        body["groups"] = world.scenario.groups.iter().map(|group| group_json(world, group)).collect();
    }
    body
}

fn order_json(world: &World, order: &Order) -> Value {
    json!({
        "seller": world.scenario.sellers[order.seller].id, "order_id": order.id, "marketplace": order.marketplace.id,
        "currency": order.marketplace.currency.code(),
        "status": order.at(world.clock.now()).map(|(_, status)| status.name()),
        "expectation": match order.expectation {
            Expectation::Invoice => "invoice",
            Expectation::Review => "review",
            Expectation::Skip => "skip",
        },
        "total_minor": order.total(),
    })
}

fn refund_json(world: &World, refund: &Transaction) -> Value {
    let order = refund.order.map(|order| &world.scenario.orders[order]);
    json!({
        "seller": world.scenario.sellers[refund.seller].id, "order_id": order.map(|order| order.id.as_str()),
        "transaction_id": economic_id(refund), "currency": refund.marketplace.currency.code(),
        "amount_minor": refund.buyer_total(),
        "expectation": if is_invoiced(world, refund) { "credit_memo" } else { "review" },
    })
}

fn group_json(world: &World, group: &Group) -> Value {
    json!({
        "seller": world.scenario.sellers[group.seller].id, "region": group.region.name(), "group_id": group.id,
        "currency": group.currency.code(),
        "status": if group.end <= world.clock.now() { "Closed" } else { "Open" },
        "total_minor": group.total, "transactions": group.transactions,
    })
}

/// A refund that was deferred first is known by the deferred transaction.
fn economic_id(transaction: &Transaction) -> &str {
    transaction.deferred.as_deref().unwrap_or(&transaction.id)
}

/// Refunds that are paid out, with their place.
fn refunds(world: &World) -> impl Iterator<Item = (usize, &Transaction)> {
    let all = world.scenario.transactions.iter().enumerate();
    all.filter(|(_, transaction)| transaction.is_refund() && transaction.group.is_some())
}

fn is_invoiced(world: &World, refund: &Transaction) -> bool {
    refund.order.is_some_and(|order| world.scenario.orders[order].expectation == Expectation::Invoice)
}

fn by_reference(documents: &[Document]) -> HashMap<(usize, &str), Vec<&Document>> {
    let mut found: HashMap<(usize, &str), Vec<&Document>> = HashMap::new();
    for document in documents {
        found.entry((document.seller, document.subject())).or_default().push(document);
    }
    found
}

fn verdict(world: &World, state: &FusionState) -> Verdict {
    let mut verdict = Verdict::default();
    judge_invoices(world, state, &mut verdict);
    judge_credit_memos(world, state, &mut verdict);
    journals::judge(world, state, &mut verdict);
    verdict
}

/// Invoices by their order: one that is of a shipment names it behind the order's id.
fn by_order(documents: &[Document]) -> HashMap<(usize, &str), Vec<&Document>> {
    let mut found: HashMap<(usize, &str), Vec<&Document>> = HashMap::new();
    for document in documents {
        let order = document.subject().split('/').next().unwrap_or_default();
        found.entry((document.seller, order)).or_default().push(document);
    }
    found
}

/// What an order's invoice must come to, by what it is about: the order or one of its two shipments.
fn invoiced(order: &Order, subject: &str) -> Option<i64> {
    let sum = |items: &[Item]| items.iter().map(Item::total).sum();
    let [first, rest] = order.parts();
    match subject.strip_prefix(order.id.as_str())? {
        "" => Some(order.total()),
        "/1" if order.first_part().is_some() => Some(sum(&first)),
        "/2" if order.first_part().is_some() => Some(sum(&rest)),
        _ => None,
    }
}

/// The invoices that stand: a credit memo over the same order and the whole of an invoice takes that one back.
fn standing<'a>(mut invoices: Vec<&'a Document>, reversals: &[&Document]) -> Vec<&'a Document> {
    for reversal in reversals {
        let reversed = |invoice: &&Document| {
            invoice.currency == reversal.currency && invoice.total() == -reversal.total()
        };
        if let Some(at) = invoices.iter().position(reversed) {
            invoices.remove(at);
        }
    }
    invoices
}

fn judge_invoices(world: &World, state: &FusionState, verdict: &mut Verdict) {
    let now = world.clock.now();
    let mut invoices = by_order(&state.invoices);
    let memos = by_reference(&state.credit_memos);
    for order in &world.scenario.orders {
        let key = (order.seller, order.id.as_str());
        let found = invoices.remove(&key).unwrap_or_default();
        let found = standing(found, memos.get(&key).map(Vec::as_slice).unwrap_or_default());
        let shipped = order.shipped().is_some_and(|at| at + ORDER_GRACE < now);
        if order.expectation != Expectation::Invoice {
            if !found.is_empty() {
                verdict.review_posted += 1;
                verdict.note(format!("order {} is {:?} and was invoiced", order.id, order.expectation));
            }
            continue;
        }
        let subjects: HashSet<&str> = found.iter().map(|document| document.subject()).collect();
        let whole = subjects.contains(order.id.as_str());
        if shipped && !whole && subjects.len() < 2 {
            verdict.invoices_missing += 1;
            verdict.note(format!("order {} is not invoiced, or not all of it: {subjects:?}", order.id));
        }
        if found.len() > subjects.len() || (whole && found.len() > 1) {
            verdict.invoices_doubled += 1;
            verdict.note(format!("order {} is invoiced {} times", order.id, found.len()));
        }
        let setup = &world.scenario.sellers[order.seller].fusion;
        for document in found {
            if document.customer != setup.customer(order.marketplace) {
                verdict.amount_differences += 1;
                verdict.note(format!("order {}: invoiced to customer {}", order.id, document.customer));
            }
            let total = invoiced(order, document.subject());
            if Some(document.total()) != total || document.currency != order.marketplace.currency {
                verdict.amount_differences += 1;
                verdict.note(format!("{}: invoiced {}, not {total:?}", document.subject(), document.total()));
            }
        }
    }
    for ((_, reference), _) in invoices {
        verdict.review_posted += 1;
        verdict.note(format!("an invoice is for the unknown order {reference}"));
    }
}

fn judge_credit_memos(world: &World, state: &FusionState, verdict: &mut Verdict) {
    let now = world.clock.now();
    let mut memos = by_reference(&state.credit_memos);
    for (_, refund) in refunds(world) {
        let id = economic_id(refund);
        let found = memos.remove(&(refund.seller, id)).unwrap_or_default();
        if !is_invoiced(world, refund) {
            if !found.is_empty() {
                verdict.review_posted += 1;
                verdict.note(format!("refund {id} of an order in review has a credit memo"));
            }
            continue;
        }
        let grace = if is_late(refund) { CYCLE + VERY_LATE_GRACE } else { LATE_GRACE };
        if found.is_empty() && refund.posted + grace < now {
            verdict.credit_memos_missing += 1;
            verdict.note(format!("refund {id} has no credit memo"));
        }
        if found.len() > 1 {
            verdict.credit_memos_doubled += 1;
            verdict.note(format!("refund {id} has {} credit memos", found.len()));
        }
        for document in found {
            if document.total() != refund.buyer_total() || document.currency != refund.marketplace.currency {
                verdict.amount_differences += 1;
                verdict.note(format!(
                    "refund {id}: credited {}, not {}",
                    document.total(),
                    refund.buyer_total()
                ));
            }
        }
    }
    let orders: HashSet<(usize, &str)> =
        world.scenario.orders.iter().map(|order| (order.seller, order.id.as_str())).collect();
    // A credit memo over an order takes its invoice back; that is judged with the invoices.
    memos.retain(|key, _| !orders.contains(key));
    for ((_, reference), _) in memos {
        verdict.review_posted += 1;
        verdict.note(format!("a credit memo is for the unknown refund {reference}"));
    }
}
