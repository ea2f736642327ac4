//! What Amazon shows or changes after a settlement was journaled enters a further journal, and the books still tie out.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ml_connector_domain::document::{Body, Document, JournalOf};
use ml_connector_domain::{Clock as _, GroupId, Region};
use ml_connector_pipeline::backfill;
use ml_connector_pipeline::tie_out::tie_out;
use ml_connector_ports::Stream;
use ml_connector_simulator::control::{AmazonFaults, FaultRates};
use ml_connector_storage::{AuditLog as _, Backfill, Books as _, Store as _};

use crate::support::{Connected, small};

/// A simulator whose first settlement is journaled, two of its fees, and its end.
struct Journaled {
    connected: Connected,
    group: GroupId,
    fees: [String; 2],
    end: Timestamp,
}

fn days_after(at: Timestamp, days: i64) -> Timestamp {
    at.saturating_add(SignedDuration::from_hours(24 * days)).expect("in range")
}

impl Journaled {
    async fn start(name: &str, seed: u64) -> Self {
        let connected = Connected::start(name, small(seed)).await;
        let scenario = &Arc::clone(&connected.simulator.world).scenario;
        let of = |n: usize| scenario.transactions.iter().filter(move |one| one.group == Some(n));
        let fees = |n: usize| {
            of(n).filter(|one| one.items.is_empty() && one.kind != "Transfer").map(|one| one.id.clone())
        };
        let (place, group) = (scenario.groups.iter().enumerate())
            .filter(|(place, _)| fees(*place).count() > 1)
            .min_by_key(|(_, group)| group.end)
            .expect("a settlement with two fees");
        let mut fees = fees(place);
        let fees = [fees.next().expect("one"), fees.next().expect("another")];
        let end = Timestamp::from_millisecond(group.end).expect("in range");
        connected.run_until(days_after(end, 29)).await;
        Self { connected, group: group.id.as_str().into(), fees, end }
    }

    fn set(&self, amazon: AmazonFaults) {
        self.connected.simulator.world.faults.set(FaultRates { amazon, ..FaultRates::default() });
    }

    async fn journals(&self) -> Vec<Document> {
        let store = &self.connected.store;
        let rows = store.journals_of(&self.connected.seller.id, &self.group).await.expect("reads");
        rows.into_iter().map(|row| row.document).collect()
    }

    async fn adjustments(&self) -> Vec<Document> {
        let mut journals = self.journals().await;
        journals.retain(|journal| adjustment(journal).is_some());
        journals
    }

    async fn stage(&self, transaction: &str) -> String {
        let store = &self.connected.store;
        let kept = store.newest(&self.connected.seller.id, "transaction", transaction).await.expect("reads");
        kept.expect("was read").stage
    }

    /// A person asks for the settlement's days to be read again.
    async fn read_again(&self) {
        let now = self.connected.clock.now();
        let of = |region| (self.connected.seller.id.clone(), region, Stream::Transactions.as_str());
        let span = (days_after(self.end, -30), self.end);
        let jobs =
            Region::ALL.map(|region| Backfill::request(of(region), span, now, backfill::REQUESTED, now));
        self.connected.store.apply(jobs.to_vec()).await.expect("writes");
        self.connected.run_until(days_after(now, 3)).await;
    }

    async fn assert_tied_out(&self) {
        let seller = self.connected.seller.clone();
        let month = seller.day(self.end).strftime("%Y-%m").to_string();
        let period = month.parse().expect("a month");
        let report = tie_out(&*self.connected.store, &[seller], period).await.expect("reads");
        for one in &report.tie_outs {
            assert!(one.differences == 0, "{}: {:?}", one.id, one.findings);
        }
    }
}

fn adjustment(journal: &Document) -> Option<u32> {
    match &journal.body {
        Body::Journal { of: JournalOf::Settlement { adjustment, .. }, .. } => *adjustment,
        _ => None,
    }
}

fn by_account<'a>(journals: impl IntoIterator<Item = &'a Document>) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for journal in journals {
        let Body::Journal { lines, .. } = &journal.body else { continue };
        for line in lines {
            *sums.entry(line.account.clone()).or_default() += line.amount.minor;
        }
    }
    sums.retain(|_, minor| *minor != 0);
    sums
}

/// A charge and what takes it back turn up a month after their settlement was closed and journaled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_turns_up_after_its_settlement_was_journaled_enters_an_adjusting_journal() {
    let of = Journaled::start("late-pair", 71).await;
    let before = by_account(&of.journals().await);
    of.set(AmazonFaults { late_pair: Some(of.fees[0].clone()), ..AmazonFaults::default() });
    of.connected.run_until(days_after(of.end, 33)).await;
    let adjustments = of.adjustments().await;
    let [adjusting] = adjustments.as_slice() else { panic!("{adjustments:?}") };
    assert_eq!(adjusting.subject(), format!("{}/adjustment-1", of.group));
    let Body::Journal { lines, transactions, .. } = &adjusting.body else { panic!("{adjusting:?}") };
    assert!(!lines.is_empty(), "the charge and what takes it back are both entered");
    assert_eq!((*transactions, by_account([adjusting])), (2, BTreeMap::new()));
    for letter in ["L", "R"] {
        assert_eq!(of.stage(&format!("{}{letter}", of.fees[0])).await, "documented");
    }
    assert_eq!(by_account(&of.journals().await), before);
    of.connected.assert_books_are_right();
    of.assert_tied_out().await;
}

/// Amazon corrects two fees a month later, one up and one down, and later the other way round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_after_its_settlement_was_journaled_is_adjusted_by_the_difference() {
    let of = Journaled::start("amended-pair", 72).await;
    let store = Arc::clone(&of.connected.store);
    let posted = of.journals().await;
    let mut held = Vec::new();
    for journal in &posted {
        held.push(store.behind_journal(&journal.key).await.expect("reads"));
    }
    let [up, down] = of.fees.clone().map(Some);
    of.set(AmazonFaults { amend: up, amend_back: down, ..AmazonFaults::default() });
    of.connected.run_until(days_after(of.end, 33)).await;
    let adjustments = of.adjustments().await;
    let [adjusting] = adjustments.as_slice() else { panic!("{adjustments:?}") };
    let Body::Journal { lines, .. } = &adjusting.body else { panic!("{adjusting:?}") };
    assert!(!lines.is_empty() && lines.iter().all(|line| line.amount.minor.abs() == 1), "{lines:?}");
    for (journal, held) in posted.iter().zip(held) {
        let now = store.behind_journal(&journal.key).await.expect("reads");
        let lines = |behind: &[ml_connector_storage::BehindJournal]| -> Vec<_> {
            behind.iter().map(|one| (one.transaction.clone(), one.total, one.lines.clone())).collect()
        };
        assert_eq!(lines(&now), lines(&held), "behind a posted journal stays what it held");
    }
    let behind = store.behind_journal(&adjusting.key).await.expect("reads");
    let mut of_the_adjustment: Vec<i64> = behind.iter().map(|one| one.total.minor).collect();
    of_the_adjustment.sort_unstable();
    assert_eq!(of_the_adjustment, [-1, 1]);
    of.connected.assert_books_are_right();
    of.assert_tied_out().await;

    // Then it is the other way round.
    let [up, down] = of.fees.clone().map(Some);
    of.set(AmazonFaults { amend: down, amend_back: up, ..AmazonFaults::default() });
    of.read_again().await;
    let adjustments = of.adjustments().await;
    assert_eq!(adjustments.iter().filter_map(adjustment).collect::<Vec<_>>(), [1, 2]);
    let Body::Journal { lines, .. } = &adjustments[1].body else { panic!("{adjustments:?}") };
    assert!(
        lines.iter().all(|line| line.amount.minor.abs() == 2),
        "from what is journaled by now: {lines:?}"
    );
    of.connected.assert_books_are_right();
    of.assert_tied_out().await;
}
