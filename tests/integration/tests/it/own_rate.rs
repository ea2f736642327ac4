//! Settlements that are not in the ledger's currency, against the simulator: what they are worth there is what Amazon paid
//! out, whatever takes a journal back takes that back, and what somebody changes of it is found.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use ml_connector_domain::canonical::Group;
use ml_connector_domain::document::{Body, Document};
use ml_connector_domain::fx::OwnRate;
use ml_connector_domain::ledger::{SettlementRate, purpose};
use ml_connector_domain::mapping::JournalLine;
use ml_connector_domain::posting::State;
use ml_connector_domain::{Currency, Date, Money, Region, Timestamp, own_rate};
use ml_connector_pipeline::explain::explain;
use ml_connector_pipeline::tie_out::tie_out;
use ml_connector_pipeline::{kind, normalize, reconcile, reverse};
use ml_connector_ports::Stream;
use ml_connector_storage::{Change, Store as _};
use serde_json::json;

use crate::fusion_journals::{change, connected, journal, planned, post_all, state};
use crate::support::{Connected, small};

fn euros() -> Currency {
    "EUR".parse().expect("a currency")
}

/// A journal in euros, to be converted by Fusion.
fn in_euros(connected: &Connected, group: &str, minor: i64) -> Document {
    let mut document = journal(connected, group, minor);
    document.currency = euros();
    if let Body::Journal { lines, .. } = &mut document.body {
        lines.iter_mut().for_each(|line| line.amount.currency = euros());
    }
    document
}

/// A settlement of 1,000.00 euros with a sale, a refund and their settlement, that Amazon paid out as 1,083.49 dollars.
fn paid_out(connected: &Connected) -> Document {
    let ledger = &connected.seller.ledger;
    let account = |purpose: &str| ledger.account(purpose).expect("an account");
    let mut document = in_euros(connected, "G1", 100_000);
    let Body::Journal { lines, rate, .. } = &mut document.body else { panic!("a journal") };
    let own = OwnRate::of(Money::new(100_000, euros()), Money::new(108_349, Currency::USD)).expect("a rate");
    let line = |purpose: &str, minor: i64| JournalLine {
        account: account(purpose),
        amount: Money::new(minor, euros()),
        ..lines[0].clone()
    };
    let plain = vec![
        line(purpose::SETTLEMENT, 133_337),
        line(purpose::SETTLEMENT, -33_337),
        line("commission", 20_007),
        line("clearing", -120_007),
    ];
    let fixed = [(account(purpose::SETTLEMENT), own.converted)];
    let rounding = account(purpose::ROUNDING);
    *lines = own_rate::convert(plain, &own, &fixed, &rounding, |_| String::new()).expect("converts");
    *rate = Some(own);
    document
}

/// Plans a document of which its settlement account must hold so much.
async fn plan_over(connected: &Connected, document: &Document, minor: i64) {
    let mut plan = planned(connected, document);
    if let Change::Plan { expected, .. } = &mut plan {
        *expected = Money::new(minor, document.currency);
    }
    connected.store.apply(vec![plan]).await.expect("plans");
}

/// What the batches leave on each account in the ledger's currency.
fn worth(connected: &Connected) -> BTreeMap<String, i64> {
    let fusion = connected.simulator.world.fusion.lock().expect("no panic");
    let mut worth = BTreeMap::new();
    for line in fusion.batches.iter().flat_map(|batch| batch.lines()) {
        *worth.entry(line.account.clone()).or_default() += line.accounted;
    }
    worth
}

async fn compare(connected: &Connected) -> Vec<String> {
    let later = connected.parts.clock.now().saturating_add(SignedDuration::from_secs(1)).expect("in range");
    connected.set_clock(later).await;
    let _guard = connected.clock.worker();
    let now = connected.parts.clock.now();
    reconcile::reconcile(&connected.parts, &connected.seller, now).await.expect("reads");
    let findings = connected.store.findings(10).await.expect("reads").into_iter();
    findings.filter_map(|found| found.finding.map(|(code, words)| format!("{code}: {words}"))).collect()
}

async fn take_back(connected: &Connected, document: &Document, date: Option<Date>) {
    let (parts, seller) = (&connected.parts, &connected.seller);
    let proposal = reverse::propose(parts, seller, &document.key, date).await.expect("can be taken back");
    let reversal = proposal.document.clone();
    reverse::plan(parts, seller, proposal, "a test").await.expect("plans");
    post_all(connected).await;
    assert!(matches!(state(connected, &reversal).await, State::Confirmed { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_is_worth_what_was_paid_out_until_somebody_changes_that() {
    let connected = connected("own-rate", 61).await;
    let document = paid_out(&connected);
    plan_over(&connected, &document, 100_000).await;
    post_all(&connected).await;
    let posted = state(&connected, &document).await;
    assert!(matches!(posted, State::Confirmed { .. }), "{posted:?}");
    let settled = connected.seller.ledger.account(purpose::SETTLEMENT).expect("an account");
    assert_eq!(worth(&connected)[&settled], 108_349);
    assert_eq!(worth(&connected).values().sum::<i64>(), 0);
    assert_eq!(compare(&connected).await, Vec::<String>::new());
    let edit = json!({ "resource": "journalBatches", "batch": document.key.as_str(), "accounted": 1444.00 });
    change(&connected, json!({ "edit": edit }));
    let findings = compare(&connected).await;
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert!(
        finding.starts_with("accounted: in the ledger's currency") && finding.contains("USD"),
        "{finding}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_a_journal_back_takes_back_what_it_was_worth() {
    let connected = connected("own-rate-back", 62).await;
    let (own, by_fusion) = (paid_out(&connected), in_euros(&connected, "G2", 12_347));
    plan_over(&connected, &own, 100_000).await;
    plan_over(&connected, &by_fusion, 12_347).await;
    post_all(&connected).await;
    let before = worth(&connected);
    assert!(before.values().any(|minor| *minor != 0), "{before:?}");
    // A day later Fusion's rate is another.
    let next = Some(jiff::civil::date(2026, 9, 3));
    take_back(&connected, &own, next).await;
    take_back(&connected, &by_fusion, next).await;
    assert!(worth(&connected).values().all(|minor| *minor == 0), "{:?}", worth(&connected));
}

/// The journals of a run that are converted by their settlement's own rate, and those that Fusion converts.
async fn converted(connected: &Connected) -> (Vec<Document>, Vec<Document>) {
    let rows = connected.store.postings_in(&connected.seller.id, "confirmed", 10_000).await.expect("reads");
    let foreign = rows.into_iter().map(|row| row.document).filter(|document| {
        matches!(document.body, Body::Journal { .. })
            && document.group().is_some()
            && document.currency != Currency::USD
    });
    foreign.partition(|document| document.own_rate().is_some())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_of_settlements_is_worth_what_amazon_paid_out() {
    let connected = Connected::start("own-rate-month", small(63)).await;
    connected.run_until(connected.simulator.world.scenario.end).await;
    connected.assert_books_are_right();
    let (own, by_fusion) = converted(&connected).await;
    assert!(own.len() > 3 && by_fusion.len() > 2, "{} by their own rate, {} not", own.len(), by_fusion.len());
    let groups = &connected.simulator.world.scenario.groups;
    let mut parts = 0;
    for document in &own {
        let rate = document.own_rate().expect("partitioned");
        let group = document.group().expect("a settlement").as_str();
        let told = groups.iter().find(|one| one.id == group).expect("a known settlement");
        assert_eq!((rate.original.minor, rate.converted.minor), (told.total, told.paid_out), "{group}");
        let Body::Journal { of, .. } = &document.body else { panic!("a journal") };
        parts += usize::from(of.subject() != group);
    }
    assert!(parts > 0, "none of them crosses a month's end: the test shows less than it should");
    // The audit log and the story say which rate it was, and why.
    let story = async |document: &Document| {
        let told = explain(&*connected.store, document.key.as_str()).await.expect("reads");
        told.lines().join("\n")
    };
    let told = story(&own[0]).await;
    assert!(told.contains("converted by its own rate: Amazon paid out") && told.contains(" USD "), "{told}");
    for document in &by_fusion {
        let told = story(document).await;
        assert!(told.contains("converted by Fusion's rate of its day: "), "{told}");
    }
    for month in ["2026-09", "2026-10"] {
        let period = month.parse().expect("a month");
        let report = tie_out(&*connected.store, std::slice::from_ref(&connected.seller), period).await;
        for of in report.expect("ties out").tie_outs {
            assert_eq!(of.differences, 0, "{month} {}: {:?}", of.id, of.findings);
        }
    }
    restated(&connected, own[0].group().expect("a settlement").as_str()).await;
}

/// Amazon says afterwards that it paid out another amount: that is for a person.
async fn restated(connected: &Connected, id: &str) {
    let group = connected.simulator.world.scenario.groups.iter().find(|group| group.id == id).expect("known");
    let paid = Money::new(group.paid_out + 1, Currency::USD);
    let time = |millis| Timestamp::from_millisecond(millis).expect("in range").to_string();
    let total =
        |code: &str, digits: &str| format!(r#"{{"CurrencyCode":"{code}","CurrencyAmount":{digits}}}"#);
    let body = format!(
        r#"{{"FinancialEventGroupId":"{id}","ProcessingStatus":"Closed","FinancialEventGroupStart":"{}",
            "FinancialEventGroupEnd":"{}","OriginalTotal":{},"ConvertedTotal":{}}}"#,
        time(group.start),
        time(group.end),
        total(group.currency.code(), &group.currency.decimal(group.total)),
        total("USD", &paid.decimal())
    );
    let seller = connected.seller.id.clone();
    let found = connected.store.newest(&seller, kind::GROUP, id).await.expect("reads").expect("is there");
    let before: Group = serde_json::from_str(&found.record).expect("a group");
    let raw = Change::Raw {
        seller,
        region: if group.currency.code() == "JPY" { Region::Fe } else { Region::Eu },
        stream: Stream::Groups.as_str(),
        natural_id: id.to_owned(),
        body,
        buyer_data: false,
        at: connected.parts.clock.now(),
    };
    connected.store.apply(vec![raw]).await.expect("keeps");
    normalize::normalize(&connected.parts, &connected.seller).await.expect("normalizes");
    let reviews = connected.store.open_reviews(1_000).await.expect("reads");
    let told = reviews.iter().any(|item| item.code == "changed-after-journal" && item.subject == id);
    // Where the group said nothing before, its payout did, and the log says what turned up.
    assert_eq!(told, before.converted_total.is_some(), "{id}");
    let story = connected.store.story(&[id.to_owned()]).await.expect("reads");
    assert!(told || story.iter().any(|event| event.detail.contains("says only now that")), "{story:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_may_have_all_settlements_converted_by_fusion() {
    let mut connected = Connected::start("fusions-rate", small(64)).await;
    connected.seller.ledger.settlement_rate = SettlementRate::Fusion;
    connected.seller.ledger.accounts.remove(purpose::ROUNDING);
    connected.run_until(connected.simulator.world.scenario.end).await;
    let (own, by_fusion) = converted(&connected).await;
    assert!(own.is_empty() && by_fusion.len() > 5, "{}", by_fusion.len());
    // What a month carried forward came in at the rate at which it went out: what is left is rounding.
    let carried = connected.seller.ledger.account(purpose::CARRY_FORWARD).expect("an account");
    let (left, lines) = {
        let fusion = connected.simulator.world.fusion.lock().expect("no panic");
        let all =
            fusion.batches.iter().flat_map(|batch| batch.lines()).filter(|line| line.account == carried);
        all.fold((0_i64, 0_i64), |(sum, count), line| (sum + line.accounted, count + 1))
    };
    assert!(lines > 4 && left.abs() <= lines, "{left} of {lines} lines");
}
