//! The whole pipeline against the simulator, over sockets.

use ml_connector_domain::posting::State;
use ml_connector_pipeline::report::{Report, report};
use ml_connector_simulator::control::{AmazonFaults, FaultRates, FusionFaults};
use ml_connector_storage::Store as _;

use crate::support::{Connected, small};

async fn figures(connected: &Connected) -> Report {
    report(&*connected.store).await.expect("the store answers")
}

/// What must hold after any run that has come to rest.
async fn assert_at_rest(connected: &Connected) -> Report {
    connected.assert_books_are_right();
    let report = figures(connected).await;
    assert_eq!(report.reconciliation.differences, 0);
    assert_eq!((report.documents.unknown, report.documents.under_way, report.documents.rejected), (0, 0, 0));
    assert_eq!(report.orders.read, report.orders.invoiceable + report.orders.review + report.orders.skipped);
    assert_eq!(report.orders.invoiced, report.orders.invoiceable);
    for stage in ["waiting", "ready", "held", "booked"] {
        let left =
            connected.store.at_stage(&connected.seller.id, "transaction", stage, 3).await.expect("reads");
        assert!(left.is_empty(), "{stage}: {left:?}");
    }
    assert_eq!(report.transactions.read, report.transactions.journaled + report.transactions.review);
    let documents = report.documents.invoices + report.documents.credit_memos + report.documents.journals;
    assert_eq!(report.reconciliation.checks, documents, "every document is read back");
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_run_ends_with_the_books_that_the_simulator_expects() {
    let connected = Connected::start("healthy", small(7)).await;
    connected.run_until(connected.simulator.world.scenario.end).await;
    let report = assert_at_rest(&connected).await;
    assert!(
        report.orders.invoiced > 10 && report.documents.credit_memos > 0 && report.documents.journals > 8
    );
    assert!(report.orders.review > 0, "the planted unmapped products are in review");
    let reviews = connected.store.open_reviews(1_000).await.expect("reviews");
    assert!(reviews.iter().all(|item| item.at_stake.is_some()), "each says what is at stake");
    assert!(reviews.iter().any(|item| item.code == "unmapped-sku"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_over_the_same_books_posts_nothing_new() {
    let connected = Connected::start("second", small(8)).await;
    let end = connected.simulator.world.scenario.end;
    connected.run_until(end).await;
    let before = (assert_at_rest(&connected).await, connected.simulator.world.journal.to_json());
    connected.run_until(end.saturating_add(jiff::SignedDuration::from_hours(30)).expect("in range")).await;
    let after = (assert_at_rest(&connected).await, connected.simulator.world.journal.to_json());
    assert_eq!(before.0.documents, after.0.documents);
    for resource in ["POST receivablesInvoices", "POST receivablesCreditMemos", "POST erpintegrations"] {
        assert_eq!(before.1["fusion"][resource], after.1["fusion"][resource], "{resource}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_resets_and_throttling_lose_and_double_nothing() {
    let connected = Connected::start("faults", small(9)).await;
    connected.simulator.world.faults.set(FaultRates {
        amazon: AmazonFaults { throttle: 0.05, server_error: 0.05, cut: 0.02, ..AmazonFaults::default() },
        fusion: FusionFaults {
            answer_lost: 0.2,
            error_before_commit: 0.1,
            reset_before_commit: 0.05,
            throttle: 0.05,
            ..FusionFaults::default()
        },
    });
    let end = connected.simulator.world.scenario.end;
    connected.run_until(end.saturating_add(jiff::SignedDuration::from_hours(48)).expect("in range")).await;
    assert_at_rest(&connected).await;
    let requests = connected.simulator.world.journal.to_json();
    let cut = requests["fusion"]["POST receivablesInvoices"]["0"].as_u64().unwrap_or(0);
    assert!(cut > 0, "no answer was lost: the test shows nothing: {requests}");
}

/// A process that ended while a document was being sent leaves it `sending`: the next one looks it up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_being_sent_when_the_process_ended_is_looked_up() {
    let connected = Connected::start("interrupted", small(10)).await;
    let end = connected.simulator.world.scenario.end;
    connected.run_until(end).await;
    let row =
        connected.store.postings_in(&connected.seller.id, "confirmed", 1).await.expect("reads").remove(0);
    let at = connected.parts.clock.now();
    let sending = State::Sending { attempt: 1 };
    let key = row.document.key.clone();
    let change = ml_connector_storage::Change::Posting { key: key.clone(), state: sending, at };
    connected.store.apply(vec![change]).await.expect("writes");
    connected.run_until(end.saturating_add(jiff::SignedDuration::from_hours(30)).expect("in range")).await;
    let after = connected.store.document(&key).await.expect("reads").expect("is there");
    assert_eq!(after.state, row.state, "found again under the same number");
    assert_at_rest(&connected).await;
    let story = connected.store.story(&[row.document.subject().to_owned()]).await.expect("reads");
    let tail: Vec<&str> = story.iter().map(|event| event.detail.as_str()).collect();
    assert!(tail.iter().any(|words| words.contains("stopped while sending")), "{tail:?}");
    assert!(tail.iter().any(|words| words.contains("found as")), "{tail:?}");
}

/// Every confirmed document can be explained from Amazon's payload to Fusion's number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_document_is_explained_from_amazons_bytes_to_fusions_number() {
    let connected = Connected::start("explained", small(11)).await;
    connected.run_until(connected.simulator.world.scenario.end).await;
    for row in connected.store.postings_in(&connected.seller.id, "confirmed", 10_000).await.expect("reads") {
        let State::Confirmed { fusion_id } = &row.state else { panic!("{:?}", row.state) };
        let story = ml_connector_pipeline::explain::explain(&*connected.store, fusion_id.as_str())
            .await
            .expect("reads");
        assert!(!story.sources.is_empty(), "{} has no source", row.document.key);
        let lines = story.lines().join("\n");
        assert!(
            lines.contains(fusion_id.as_str()) && lines.contains(row.document.origin.mapper.as_str()),
            "{lines}"
        );
    }
}
