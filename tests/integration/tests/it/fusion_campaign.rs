//! Ten thousand documents while a third of all answers tell nothing: each reaches Fusion exactly once.

use std::collections::HashMap;

use ml_connector_domain::document::{Body, Credit, Document, Kind};
use ml_connector_domain::{DocumentKey, Money};
use ml_connector_simulator::control::{FaultRates, FusionFaults};
use ml_connector_storage::Store as _;

use crate::fusion_journals::{connected, invoice, journal, planned, post_all};
use crate::support::Connected;

const INVOICES: usize = 9_600;
const CREDIT_MEMOS: usize = 300;
const JOURNALS: usize = 100;

/// What a refund of an invoice takes back: its first line.
fn credit_memo(connected: &Connected, order: &str) -> Document {
    let base = invoice(connected, order);
    let Body::Invoice { order: id, marketplace, lines, .. } = base.body.clone() else { panic!("an invoice") };
    let mut line = lines[0].clone();
    line.amount = Money::new(-line.amount.minor, line.amount.currency);
    let refund = format!("R{order}");
    Document {
        key: DocumentKey::derive(Kind::CreditMemo.letter(), &connected.seller.id, &refund, 0),
        body: Body::CreditMemo {
            order: id,
            cause: Credit::Refund { refund: refund.as_str().into() },
            marketplace,
            lines: vec![line],
            credits: None,
        },
        ..base
    }
}

fn documents(connected: &Connected) -> Vec<Document> {
    let order = |n: usize| format!("113-{:07}-{:07}", n / 1_000, n);
    let invoices = (0..INVOICES).map(|n| invoice(connected, &order(n)));
    let memos = (0..CREDIT_MEMOS).map(|n| credit_memo(connected, &order(n)));
    let minor = |n: usize| i64::try_from(n).expect("small") + 1;
    let journals = (0..JOURNALS).map(|n| journal(connected, &format!("G{n}"), minor(n)));
    invoices.chain(memos).chain(journals).collect()
}

/// How often Fusion holds each number or key.
fn held(connected: &Connected) -> HashMap<String, u32> {
    let state = connected.simulator.world.fusion.lock().expect("no panic");
    let mut held = HashMap::new();
    let numbers = state.invoices.iter().chain(&state.credit_memos).map(|one| one.number.clone());
    let keys = state
        .batches
        .iter()
        .map(|batch| batch.name.split(' ').next().expect("a name begins with its key").to_owned());
    for key in numbers.chain(keys) {
        *held.entry(key).or_default() += 1;
    }
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_documents_reach_fusion_once_whatever_answers_are_lost() {
    let connected = connected("campaign", 71).await;
    let documents = documents(&connected);
    assert_eq!(documents.len(), 10_000);
    for chunk in documents.chunks(1_000) {
        let changes = chunk.iter().map(|document| planned(&connected, document)).collect();
        connected.store.apply(changes).await.expect("plans");
    }
    connected.simulator.world.faults.set(FaultRates {
        fusion: FusionFaults {
            answer_lost: 0.2,
            error_before_commit: 0.1,
            reset_before_commit: 0.05,
            ..FusionFaults::default()
        },
        ..FaultRates::default()
    });
    post_all(&connected).await;
    for state in ["planned", "sending", "submitted", "unknown", "rejected"] {
        let left = connected.store.postings_in(&connected.seller.id, state, 5).await.expect("reads");
        assert!(left.is_empty(), "{state}: {:?}", left.first().map(|row| (&row.document.key, &row.state)));
    }
    let held = held(&connected);
    assert_eq!(held.len(), documents.len());
    let doubled: Vec<_> = held.iter().filter(|(_, count)| **count != 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
    assert!(documents.iter().all(|document| held.contains_key(document.key.as_str())));
    let requests = connected.simulator.world.journal.to_json();
    for (resource, least) in [("POST receivablesInvoices", 2_000), ("POST receivablesCreditMemos", 40)] {
        let cut = requests["fusion"][resource]["0"].as_u64().unwrap_or(0);
        assert!(cut > least, "only {cut} answers of {resource} were lost: the test shows nothing");
    }
}
