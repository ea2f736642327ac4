//! A year must tie out in itself, and hold everything that a year holds.

use std::collections::{BTreeSet, HashMap};

use super::*;
use crate::scenario::{Profile, Region, Scenario, ScenarioOptions, Transaction};

fn year(seed: u64) -> Scenario {
    Scenario::generate(ScenarioOptions {
        seed,
        sellers: 3,
        days: 365,
        orders_per_day: 4,
        start: "2026-01-02T00:00:00Z".parse().expect("a time"),
        unmapped_percent: 4,
        profile: Profile::Year,
    })
}

const SEEDS: std::ops::Range<u64> = 0..6;

#[test]
fn each_seller_is_at_home_in_one_region_with_books_of_its_own() {
    let world = year(1);
    let homes: Vec<(&[Region], &str, &str)> = world
        .sellers
        .iter()
        .map(|s| (s.regions.as_slice(), s.fusion.ledger_currency.code(), s.fusion.time_zone))
        .collect();
    let wanted: [(&[Region], &str, &str); 3] = [
        (&[Region::Na], "USD", "America/Los_Angeles"),
        (&[Region::Eu], "EUR", "Europe/Berlin"),
        (&[Region::Fe], "JPY", "Asia/Tokyo"),
    ];
    assert_eq!(homes, wanted);
    for transaction in &world.transactions {
        assert!(world.sellers[transaction.seller].regions.contains(&transaction.region));
    }
    let currencies: BTreeSet<&str> =
        world.groups.iter().filter(|g| g.seller == 1).map(|g| g.currency.code()).collect();
    assert_eq!(currencies, ["EUR", "GBP"].into());
}

#[test]
fn every_kind_of_transaction_occurs_for_every_seller() {
    let kinds = [
        "Shipment",
        "Refund",
        "GuaranteeClaim",
        "Chargeback",
        "Retrocharge",
        "Transfer",
        UNKNOWN,
        "ProductAdsPayment",
        "Adjustment",
        "FBAInventoryReimbursement",
        "ServiceFee",
        "SellerDealPayment",
        "CouponPayment",
        "MiscellaneousLedgerAdjustment",
        "RemovalShipment",
        "FBALiquidation",
        "ChargeRefund",
        "LoanServicing",
        "DebtRecovery",
        "SAFETReimbursement",
    ];
    let world = year(7);
    for seller in 0..3 {
        for kind in kinds {
            let own = |t: &&Transaction| t.seller == seller && t.kind == kind;
            assert!(world.transactions.iter().any(|t| own(&t)), "seller {seller} has no {kind}");
        }
    }
    let known: BTreeSet<&str> = world.transactions.iter().map(|t| t.kind).collect();
    assert_eq!(known.len(), kinds.len(), "{known:?}");
}

#[test]
fn money_is_cut_twice_and_settlements_sum() {
    for seed in SEEDS {
        let world = year(seed);
        let mut sums = vec![0_i64; world.groups.len()];
        for transaction in &world.transactions {
            let items = transaction.items.iter().flat_map(|item| &item.breakdowns);
            if !transaction.items.is_empty() {
                assert_eq!(items.map(|root| root.amount).sum::<i64>(), transaction.total());
            }
            let late = transaction.visible - transaction.posted;
            assert!((0..=LATEST).contains(&late), "{} is seen {late} ms late", transaction.id);
            let twin = transaction.deferred.is_some() || transaction.released.is_some();
            assert!(!twin || late < 2 * DAY, "{} is deferred and late", transaction.id);
            if let Some(group) = transaction.group {
                sums[group] += transaction.total();
                let group = &world.groups[group];
                assert!((group.start..group.end).contains(&transaction.posted), "{}", transaction.id);
                assert_eq!(group.currency, transaction.marketplace.currency);
            }
        }
        assert!(world.groups.iter().zip(sums).all(|(group, sum)| group.total == sum), "seed {seed}");
        assert!(world.groups.iter().all(|group| group.end < world.end.as_millisecond()));
    }
}

#[test]
fn refunds_come_after_months_and_never_exceed_the_order() {
    for seed in SEEDS {
        let world = year(seed);
        let mut back = HashMap::<usize, i64>::new();
        let mut longest = 0;
        for refund in world.transactions.iter().filter(|t| t.is_refund() && t.group.is_some()) {
            let order = refund.order.expect("a refund has an order");
            *back.entry(order).or_default() -= refund.buyer_total();
            longest = longest.max(refund.posted - world.orders[order].shipped().expect("shipped"));
        }
        assert!(back.iter().all(|(order, sum)| (1..=world.orders[*order].total()).contains(sum)));
        assert!(longest > 100 * DAY, "the longest wait is {} days (seed {seed})", longest / DAY);
    }
}

#[test]
fn what_a_year_has_besides() {
    for seed in SEEDS {
        let world = year(seed);
        let months = |t: &Transaction| t.released.as_ref().is_some_and(|(at, _)| at - t.posted > 28 * DAY);
        for seller in 0..3 {
            let own = || world.transactions.iter().filter(move |t| t.seller == seller);
            let below = world.groups.iter().any(|g| g.seller == seller && g.total < 0);
            assert!(below, "no settlement of seller {seller} ends below zero (seed {seed})");
            assert!(own().any(months), "nothing is held back for long (seed {seed})");
            assert!(own().any(|t| t.visible - t.posted > 3 * DAY), "nothing is late (seed {seed})");
            assert_eq!(own().filter(|t| t.kind == UNKNOWN).count(), 1);
            let loans = own().filter(|t| t.kind == "LoanServicing");
            assert!(loans.count() > 4);
        }
    }
}

/// What is journaled must not wait for what is planted.
#[test]
fn the_unknown_type_is_alone_in_its_settlement_which_is_the_sellers_last() {
    let world = year(3);
    for planted in world.transactions.iter().filter(|t| t.kind == UNKNOWN) {
        let group = planted.group.expect("it is settled");
        assert_eq!(world.groups[group].transactions, 1);
        let last = world.groups.iter().filter(|g| g.seller == planted.seller).map(|g| g.end).max();
        assert_eq!(last, Some(world.groups[group].end));
    }
}
