//! When Amazon posted an order's shipments, and which money pays for which of them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::canonical::{Order, Pieces, Transaction};
use crate::id::{OrderId, OrderItemId, TransactionId};
use crate::shipment::Shipment;

/// Amazon's type of the transaction that pays for what was shipped.
const SHIPMENT: &str = "Shipment";

type Count<'a> = BTreeMap<&'a OrderItemId, u32>;

/// The economic events that pay for shipments of an order, in the order in which they were posted. A deferred transaction
/// and its release are one, of the day on which it was deferred.
fn events<'a>(order: &OrderId, transactions: &'a [Transaction]) -> Vec<&'a Transaction> {
    let mut events = BTreeMap::<&TransactionId, &Transaction>::new();
    let of_order = |one: &&Transaction| one.kind == SHIPMENT && one.order.as_ref() == Some(order);
    for one in transactions.iter().filter(of_order) {
        let first = events.entry(one.economic_id()).or_insert(one);
        if (one.posted, &one.id) < (first.posted, &first.id) {
            *first = one;
        }
    }
    let mut events: Vec<&Transaction> = events.into_values().collect();
    events.sort_by_key(|one| (one.posted, one.economic_id()));
    events
}

fn pieces(transaction: &Transaction) -> impl Iterator<Item = (&OrderItemId, u32)> {
    transaction.legs.iter().filter_map(|leg| Some((leg.order_item.as_ref()?, leg.quantity?)))
}

/// When Amazon posted what an order, or a shipment's share of it, comes to: the time of the transaction with which all its
/// pieces that cost something are paid for, after `before`, which earlier shipments hold. `None` while there is none. Where
/// Amazon says no quantities, any shipment's money stands for the whole order.
pub fn posted_at(order: &Order, before: &[Pieces], transactions: &[Transaction]) -> Option<Timestamp> {
    let mut wanted = Count::new();
    for item in &order.items {
        if item.charges.iter().any(|charge| charge.amount.minor != 0) {
            let earlier =
                before.iter().filter(|one| one.item == item.id).map(|one| one.quantity).sum::<u32>();
            wanted.insert(&item.id, earlier + item.quantity_fulfilled);
        }
    }
    let mut paid = Count::new();
    for event in events(&order.id, transactions) {
        // A release alone: the day is that of the deferred transaction, which has not been read yet.
        if event.economic_id() != &event.id {
            return None;
        }
        let mut any = false;
        for (item, quantity) in pieces(event) {
            *paid.entry(item).or_default() += quantity;
            any = true;
        }
        if !any || wanted.iter().all(|(item, quantity)| paid.get(item).is_some_and(|paid| paid >= quantity)) {
            return Some(event.posted);
        }
    }
    None
}

/// Which of an order's shipments a transaction pays for, as a place in `parts`: Amazon pays for pieces in the order in
/// which they left. `None` where that shipment is not among them. What names no pieces belongs to the first.
pub fn paid_part(paid: &Transaction, transactions: &[Transaction], parts: &[Shipment]) -> Option<usize> {
    let order = paid.order.as_ref()?;
    let mut before = Count::new();
    for event in events(order, transactions) {
        if event.economic_id() == paid.economic_id() {
            let Some((item, _)) = pieces(event).next() else { return (!parts.is_empty()).then_some(0) };
            let earlier = before.get(item).copied().unwrap_or(0);
            return parts.iter().position(|part| {
                let of = |all: &[Pieces]| -> u32 {
                    all.iter().filter(|one| one.item == *item).map(|one| one.quantity).sum()
                };
                let start = of(&part.before);
                (start..start + of(&part.items)).contains(&earlier)
            });
        }
        for (item, quantity) in pieces(event) {
            *before.entry(item).or_default() += quantity;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Charge, Leg, OrderItem, TransactionStatus};
    use crate::money::{Currency, Money};

    fn usd(minor: i64) -> Money {
        Money::new(minor, Currency::USD)
    }

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_790_812_800 + day * 86_400).expect("in range")
    }

    fn order(pieces: &[(&str, u32, i64)]) -> Order {
        let item = |(id, quantity, minor): &(&str, u32, i64)| OrderItem {
            id: (*id).into(),
            sku: "MUG".into(),
            title: String::new(),
            quantity_ordered: *quantity,
            quantity_fulfilled: *quantity,
            charges: vec![Charge { kind: "ITEM".to_owned(), amount: usd(*minor) }],
            tax_collection: String::new(),
        };
        Order {
            id: "O1".into(),
            marketplace: "US".into(),
            status: "SHIPPED".to_owned(),
            fulfilled_by: "AMAZON".to_owned(),
            channel: "AMAZON".to_owned(),
            created: at(0),
            updated: at(2),
            shipped: Some(at(2)),
            replaces: None,
            total: None,
            items: pieces.iter().map(item).collect(),
            packages: Vec::new(),
            shipment: None,
        }
    }

    fn shipment(id: &str, day: i64, pieces: &[(&str, Option<u32>)]) -> Transaction {
        let leg = |(item, quantity): &(&str, Option<u32>)| Leg {
            path: "ProductCharges/OurPricePrincipal".to_owned(),
            amount: usd(100),
            sku: Some("MUG".into()),
            order_item: Some((*item).into()),
            quantity: *quantity,
        };
        Transaction {
            id: id.into(),
            kind: SHIPMENT.to_owned(),
            status: TransactionStatus::Released,
            description: String::new(),
            posted: at(day),
            group: Some("G1".into()),
            settlement: None,
            order: Some("O1".into()),
            deferred_twin: None,
            release_twin: None,
            marketplace: None,
            total: usd(100),
            legs: pieces.iter().map(leg).collect(),
        }
    }

    #[test]
    fn the_last_shipment_counts_once_all_that_costs_something_is_covered() {
        let order = order(&[("1", 2, 500), ("2", 1, 300), ("3", 1, 0)]);
        let first = shipment("T1", 3, &[("1", Some(2))]);
        let second = shipment("T2", 5, &[("2", Some(1))]);
        assert_eq!(posted_at(&order, &[], &[]), None);
        assert_eq!(posted_at(&order, &[], std::slice::from_ref(&first)), None, "item 2 is not paid for yet");
        assert_eq!(posted_at(&order, &[], &[first.clone(), second.clone()]), Some(at(5)));
        assert_eq!(posted_at(&order, &[], &[second, first]), Some(at(5)));
    }

    #[test]
    fn without_quantities_any_shipment_stands_for_the_order_and_nothing_else_does() {
        let order = order(&[("1", 2, 500)]);
        assert_eq!(posted_at(&order, &[], &[shipment("T1", 3, &[("1", None)])]), Some(at(3)));
        let refund = Transaction { kind: "Refund".to_owned(), ..shipment("T2", 9, &[("1", None)]) };
        let others = Transaction { order: Some("O2".into()), ..shipment("T3", 9, &[("1", None)]) };
        assert_eq!(posted_at(&order, &[], &[refund, others]), None);
    }

    #[test]
    fn deferred_money_was_posted_when_it_was_deferred() {
        let order = order(&[("1", 1, 500)]);
        let deferred = Transaction {
            status: TransactionStatus::DeferredReleased,
            group: None,
            release_twin: Some("T2".into()),
            ..shipment("T1", 3, &[("1", Some(1))])
        };
        let release =
            Transaction { deferred_twin: Some("T1".into()), ..shipment("T2", 40, &[("1", Some(1))]) };
        for both in [[deferred.clone(), release.clone()], [release.clone(), deferred.clone()]] {
            assert_eq!(posted_at(&order, &[], &both), Some(at(3)));
        }
        assert_eq!(posted_at(&order, &[], &[deferred]), Some(at(3)));
    }

    #[test]
    fn each_shipment_is_dated_and_paid_for_in_the_order_in_which_pieces_left() {
        let pieces = |quantity| vec![Pieces { item: "1".into(), quantity }];
        let part = |number: u32, own, before: Vec<Pieces>| Shipment {
            subject: format!("O1/{number}"),
            number,
            shipped: at(2),
            items: pieces(own),
            before,
            last: number == 2,
        };
        let parts = [part(1, 1, Vec::new()), part(2, 2, pieces(1))];
        let share = |quantity| order(&[("1", quantity, 500)]);
        let first = shipment("T1", 3, &[("1", Some(1))]);
        let [second, third] = [shipment("T2", 5, &[("1", Some(1))]), shipment("T3", 6, &[("1", Some(1))])];
        let all = [third.clone(), first.clone(), second.clone()];
        assert_eq!(posted_at(&share(1), &parts[0].before, &all), Some(at(3)));
        assert_eq!(
            posted_at(&share(2), &parts[1].before, &all),
            Some(at(6)),
            "its second piece is paid for then"
        );
        assert_eq!(posted_at(&share(2), &parts[1].before, &all[1..]), None);
        let places = [&first, &second, &third].map(|one| paid_part(one, &all, &parts));
        assert_eq!(places, [Some(0), Some(1), Some(1)]);
        assert_eq!(paid_part(&second, &all, &parts[..1]), None, "its shipment is not invoiced yet");
    }
}
