//! Months of three sellers with ledgers of their own zones and currencies, and every kind of transaction. `cargo xtask demo
//! --year` runs the whole year as processes; this is less of the same, in one.

use std::collections::BTreeSet;

use ml_connector_domain::Date;
use ml_connector_domain::document::{Body, JournalOf};
use ml_connector_pipeline::tie_out::tie_out;
use ml_connector_pipeline::versions::replay::replay;
use ml_connector_simulator::scenario::{Profile, ScenarioOptions};
use ml_connector_simulator::truth::truth;
use ml_connector_storage::{AuditLog as _, Store as _};
use serde_json::Value;

use crate::support::{Connected, small};

/// What a review item is about: seller, kind and subject.
type Item = (String, String, String);

fn planted(truth: &Value) -> BTreeSet<Item> {
    let word = |item: &Value, name: &str| item[name].as_str().expect("a word").to_owned();
    let items = truth["planted"].as_array().expect("a year's truth says what was planted").iter();
    items.map(|item| (word(item, "seller"), word(item, "kind"), word(item, "subject"))).collect()
}

async fn in_review(connected: &Connected) -> BTreeSet<Item> {
    let open = connected.store.open_reviews(100_000).await.expect("reads");
    open.into_iter()
        .map(|item| (item.seller.as_str().to_owned(), item.kind.to_owned(), item.subject))
        .collect()
}

/// Goods left stock and came back, and were accrued with what is held back over a month's end.
async fn assert_stock_moves(connected: &Connected) {
    let sellers = connected.sellers();
    let (mut out, mut back, mut accrued) = (0, 0, 0);
    for seller in &sellers {
        let stock = seller.ledger.account("inventory").expect("stock is kept");
        let all =
            connected.store.confirmed_documents(Date::MIN, Date::MAX, Some(&seller.id)).await.expect("reads");
        for document in all.iter().map(|recorded| &recorded.row.document) {
            let Body::Journal { of, lines, .. } = &document.body else { continue };
            for line in lines.iter().filter(|line| line.account == stock) {
                out += u32::from(line.amount.minor < 0);
                back += u32::from(line.amount.minor > 0);
                accrued += u32::from(matches!(of, JournalOf::Deferred { .. }));
            }
        }
    }
    assert!(out > 20 && back > 5 && accrued > 5, "{out} out of stock, {back} back, {accrued} accrued");
}

/// Settlements over months, adjustments, foreign ones by their own rates, deferred money: all follow from recorded batches.
async fn assert_every_journal_is_made_again(connected: &Connected) {
    for seller in connected.sellers() {
        let again = replay(&connected.parts, &seller, seller.start_from).await.expect("replays");
        assert_eq!(again.wrong, [""; 0]);
        let all = connected.store.confirmed_documents(Date::MIN, Date::MAX, Some(&seller.id)).await;
        let documents = all.expect("reads").into_iter().map(|recorded| recorded.row.document);
        let journals: Vec<_> = documents.filter(|one| !one.journal_lines().is_empty()).collect();
        let count = |of: fn(&JournalOf) -> bool| {
            let bodies = journals.iter().filter_map(|one| match &one.body {
                Body::Journal { of: own, .. } => Some(of(own)),
                _ => None,
            });
            bodies.filter(|is| *is).count()
        };
        let adjusting = count(|of| matches!(of, JournalOf::Settlement { adjustment: Some(_), .. }));
        let deferred = count(|of| matches!(of, JournalOf::Deferred { .. }));
        println!("{}: {} journals, {adjusting} adjusting, {deferred} deferred", seller.id, journals.len());
        assert_eq!((again.journals, again.journals_not_kept), (journals.len() as u64, 0));
        assert!(deferred > 1, "{} has deferred money", seller.id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn months_of_three_sellers_tie_out_and_equal_the_simulators_own_books() {
    let start = "2026-01-02T00:00:00Z".parse().expect("a time");
    let (days, orders_per_day, profile) = (100, 5, Profile::Year);
    let options = ScenarioOptions { sellers: 3, days, orders_per_day, start, profile, ..small(7) };
    let connected = Connected::start("year", options).await;
    connected.run_all_until(connected.simulator.world.scenario.end).await;
    connected.assert_books_are_right();
    let truth = truth(&connected.simulator.world, true);
    let balance = &truth["trial_balance"];
    assert_eq!(balance["difference"], 0, "{}", balance["details"]);
    assert!(balance["rows"].as_u64() > Some(500), "{} balances are compared", balance["rows"]);
    assert_eq!(balance["ledger_difference"], 0);
    assert!(
        balance["ledger_rows"].as_u64() > Some(50),
        "{} balances in the ledger's",
        balance["ledger_rows"]
    );
    assert_stock_moves(&connected).await;
    assert_eq!(in_review(&connected).await, planted(&truth));
    assert_every_journal_is_made_again(&connected).await;
    let sellers = connected.sellers();
    for month in ["2026-01", "2026-02", "2026-03", "2026-04", "2026-05"] {
        let period = month.parse().expect("a month");
        let report = tie_out(&*connected.store, &sellers, period).await.expect("ties out");
        for of in &report.tie_outs {
            assert_eq!(of.differences, 0, "{month} {}: {:?}", of.id, of.findings);
        }
        assert!(report.tie_outs.iter().map(|of| of.checks).sum::<u64>() > 50, "{month}");
    }
}
