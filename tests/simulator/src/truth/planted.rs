//! What must wait for a person, and what waits because of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{economic_id, is_invoiced, refunds};
use crate::World;
use crate::scenario::{Expectation, Transaction, UNKNOWN};

fn unknown(world: &World) -> impl Iterator<Item = &Transaction> {
    world.scenario.transactions.iter().filter(|transaction| transaction.kind == UNKNOWN)
}

/// The settlements that hold a transaction of an unknown type: they are not journaled.
pub(super) fn settlements(world: &World) -> BTreeSet<&str> {
    unknown(world).filter_map(|one| Some(world.scenario.groups[one.group?].id.as_str())).collect()
}

/// The settlements in which buyers paid, or got back, what is on no document.
fn without_document(world: &World) -> BTreeSet<(usize, &str)> {
    let paid = world.scenario.transactions.iter().filter(|one| one.buyer_total() != 0);
    paid.filter(|one| !is_invoiced(world, one))
        .filter_map(|one| Some((one.seller, world.scenario.groups[one.group?].id.as_str())))
        .collect()
}

/// All of it, by what a review item is about: its kind, its seller and its subject.
pub(super) fn planted(world: &World) -> Value {
    let seller = |n: usize| world.scenario.sellers[n].id.as_str();
    let item = |kind: &str, n: usize, subject: &str| json!({ "kind": kind, "seller": seller(n), "subject": subject });
    let orders = world.scenario.orders.iter().filter(|order| order.expectation == Expectation::Review);
    let mut items: Vec<Value> = orders.map(|order| item("order", order.seller, &order.id)).collect();
    for one in unknown(world) {
        items.push(item("transaction", one.seller, &one.id));
        let group = one.group.map(|group| item("group", one.seller, &world.scenario.groups[group].id));
        items.extend(group);
    }
    let not_invoiced = refunds(world).filter(|(_, refund)| !is_invoiced(world, refund));
    items.extend(not_invoiced.map(|(_, refund)| item("refund", refund.seller, economic_id(refund))));
    items.extend(without_document(world).into_iter().map(|(n, group)| item("receipt", n, group)));
    Value::Array(items)
}
