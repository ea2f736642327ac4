//! Every world must tie out in itself: the witness may not be wrong.

use std::collections::HashMap;

use super::*;

fn world(seed: u64) -> Scenario {
    Scenario::generate(ScenarioOptions {
        seed,
        sellers: 2,
        days: 15,
        orders_per_day: 20,
        start: "2026-09-01T00:00:00Z".parse().expect("a time"),
        unmapped_percent: 10,
        profile: Profile::Month,
    })
}

const SEEDS: std::ops::Range<u64> = 0..25;

#[test]
fn the_same_options_give_the_same_world_and_another_seed_another() {
    let text = |seed| {
        let world = world(seed);
        format!("{:?}{:?}{:?}{:?}", world.sellers, world.orders, world.transactions, world.groups)
    };
    assert_eq!(text(3), text(3));
    assert_ne!(text(3), text(4));
}

/// One seller more leaves the others as they were.
#[test]
fn each_seller_draws_from_generators_of_its_own() {
    let two = world(5);
    let one = Scenario::generate(ScenarioOptions { sellers: 1, ..two.options });
    assert_eq!(format!("{:?}", one.orders), format!("{:?}", &two.orders[..one.orders.len()]));
    assert_eq!(one.transactions.len(), two.transactions.iter().filter(|t| t.seller == 0).count());
}

fn assert_ties_out(node: &Breakdown, of: &str) {
    if !node.parts.is_empty() {
        let sum: i64 = node.parts.iter().map(|part| part.amount).sum();
        assert_eq!(node.amount, sum, "{} of {of}", node.name);
    }
    node.parts.iter().for_each(|part| assert_ties_out(part, of));
}

#[test]
fn every_transaction_is_the_same_money_cut_twice() {
    for seed in SEEDS {
        for transaction in &world(seed).transactions {
            let of = format!("{} (seed {seed})", transaction.id);
            transaction.breakdowns.iter().for_each(|root| assert_ties_out(root, &of));
            let items = transaction.items.iter().flat_map(|item| &item.breakdowns);
            items.clone().for_each(|root| assert_ties_out(root, &of));
            if !transaction.items.is_empty() {
                assert_eq!(items.map(|root| root.amount).sum::<i64>(), transaction.total(), "{of}");
            }
            let late = transaction.visible - transaction.posted;
            assert!((0..2 * DAY).contains(&late), "{of} is seen {late} ms late");
        }
    }
}

#[test]
fn every_settlement_is_the_sum_of_its_transactions_and_covers_its_time() {
    for seed in SEEDS {
        let world = world(seed);
        let mut sums = vec![(0_i64, 0_u32); world.groups.len()];
        for transaction in &world.transactions {
            let Some(group) = transaction.group else { continue };
            sums[group].0 += transaction.total();
            sums[group].1 += 1;
            let group = &world.groups[group];
            assert_eq!((group.seller, group.region), (transaction.seller, transaction.region));
            assert_eq!(group.currency, transaction.marketplace.currency);
            assert!((group.start..group.end).contains(&transaction.posted), "{}: {seed}", transaction.id);
        }
        for (group, (total, count)) in world.groups.iter().zip(sums) {
            assert_eq!((group.total, group.transactions), (total, count), "{} (seed {seed})", group.id);
            assert!(group.end < world.end.as_millisecond(), "{} ends after the scenario", group.id);
        }
    }
}

#[test]
fn a_deferred_transaction_and_its_release_are_one_event() {
    for seed in SEEDS {
        let world = world(seed);
        let by_id: HashMap<&str, &Transaction> =
            world.transactions.iter().map(|transaction| (transaction.id.as_str(), transaction)).collect();
        assert_eq!(by_id.len(), world.transactions.len(), "an id stands twice (seed {seed})");
        let mut pairs = 0;
        for deferred in world.transactions.iter().filter(|t| t.released.is_some()) {
            let (at, release) = deferred.released.as_ref().expect("filtered");
            let release = by_id[release.as_str()];
            assert_eq!(release.deferred.as_deref(), Some(deferred.id.as_str()));
            assert_eq!(
                (release.total(), release.posted, release.order),
                (deferred.total(), *at, deferred.order)
            );
            assert!(deferred.group.is_none() && release.group.is_some());
            pairs += 1;
        }
        let releases = world.transactions.iter().filter(|t| t.deferred.is_some()).count();
        assert_eq!(pairs, releases, "seed {seed}");
    }
}

#[test]
fn every_shipped_order_is_paid_for_once_and_never_refunded_beyond_it() {
    for seed in SEEDS {
        let world = world(seed);
        let mut paid = HashMap::<usize, (u32, i64, i64)>::new();
        for transaction in world.transactions.iter().filter(|t| t.deferred.is_none()) {
            let Some(order) = transaction.order else { continue };
            let entry = paid.entry(order).or_default();
            match transaction.kind {
                "Shipment" => {
                    entry.0 += 1;
                    entry.1 += transaction.buyer_total();
                }
                _ => entry.2 -= transaction.buyer_total(),
            }
        }
        for (n, order) in world.orders.iter().enumerate() {
            let (shipments, bought, refunded) = paid.get(&n).copied().unwrap_or_default();
            let shipped = order.shipped().is_some() && order.total() != 0;
            let parts = if order.first_part().is_some() { 2 } else { 1 };
            assert_eq!(shipments, if shipped { parts } else { 0 }, "{} (seed {seed})", order.id);
            assert_eq!(bought, if shipped { order.total() } else { 0 }, "{}", order.id);
            assert!((0..=bought).contains(&refunded), "{}: {refunded} of {bought}", order.id);
            assert!(order.timeline.windows(2).all(|pair| pair[0].0 < pair[1].0), "{}", order.id);
        }
    }
}

#[test]
fn reserves_that_are_held_back_come_back() {
    for seed in SEEDS {
        let mut held = HashMap::<(usize, &str), i64>::new();
        for transaction in world(seed).transactions.iter().filter(|t| t.kind == "Adjustment") {
            *held.entry((transaction.seller, transaction.marketplace.id)).or_default() += transaction.total();
        }
        assert!(held.len() == 8 && held.values().all(|sum| *sum == 0), "{held:?} (seed {seed})");
    }
}

#[test]
fn a_month_has_everything_that_a_month_has() {
    let world = world(7);
    let orders = |what: &str, holds: &dyn Fn(&Order) -> bool| {
        assert!(world.orders.iter().any(holds), "no order with {what}");
    };
    for marketplace in &MARKETPLACES {
        orders(marketplace.name, &|order| order.marketplace.id == marketplace.id);
    }
    for status in [Status::Pending, Status::PartiallyShipped, Status::Shipped, Status::Cancelled] {
        orders(status.name(), &|order| order.timeline.iter().any(|(_, own)| *own == status));
    }
    orders("several items", &|order| order.items.len() > 2);
    orders("several pieces", &|order| order.items.iter().any(|item| item.quantity > 1));
    orders("a cancelled item", &|order| order.items.iter().any(|item| item.cancelled));
    orders("a gift wrap", &|order| order.items.iter().any(|item| item.gift_wrap > 0));
    orders("a discount", &|order| order.items.iter().any(|item| item.discount > 0));
    orders("carriage", &|order| order.items.iter().any(|item| item.shipping > 0));
    orders("tax on top", &|order| order.items.iter().any(|item| item.taxes[0] > 0));
    orders("parts that the seller ships", &|order| order.by_merchant() && order.first_part().is_some());
    orders("parts that Amazon ships", &|order| !order.by_merchant() && order.first_part().is_some());
    orders("a sale elsewhere", &|order| order.elsewhere);
    orders("a replacement", &|order| order.replaces.is_some());
    for expectation in [Expectation::Invoice, Expectation::Review, Expectation::Skip] {
        orders(&format!("{expectation:?}"), &|order| order.expectation == expectation);
    }
    let kinds =
        ["Shipment", "Refund", "ProductAdsPayment", "ServiceFee", "FBAInventoryReimbursement", "Adjustment"];
    for kind in kinds {
        assert!(world.transactions.iter().any(|t| t.kind == kind), "no {kind}");
    }
    assert!(world.transactions.iter().any(|t| t.released.is_some()), "nothing is deferred");
    assert!(world.groups.iter().any(|group| group.total_missing), "every settlement states its total");
}

/// Pounds and yen go to the bank at home, at a rate of Amazon's own; euros and dollars to accounts of their own.
#[test]
fn settlements_are_paid_out_at_home_or_in_their_own_currency() {
    for seed in SEEDS {
        let world = world(seed);
        let mut converted = 0;
        for group in &world.groups {
            let of = format!("{} (seed {seed})", group.id);
            let home = matches!(group.currency, Currency::Gbp | Currency::Jpy);
            assert_eq!(group.deposit, if home { Currency::Usd } else { group.currency }, "{of}");
            if group.deposit == group.currency {
                assert_eq!(group.paid_out, group.total, "{of}");
            } else if group.total.abs() > 10_000 {
                let per_thousand = group.paid_out * 1_000 / group.total;
                let wanted = if group.currency == Currency::Gbp { 1_200..1_300 } else { 630..700 };
                assert!(wanted.contains(&per_thousand), "{of}: {per_thousand}");
                converted += 1;
            }
        }
        assert!(converted > 4, "few settlements are converted (seed {seed})");
    }
}
