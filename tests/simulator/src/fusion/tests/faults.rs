//! Faults: what was committed is there, what was not is not, and they apply to every resource alike.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Fusion, TYPE};
use crate::control::{FaultRates, FusionFaults};
use crate::http::Reply;

fn with(faults: FusionFaults) -> Fusion {
    let fusion = Fusion::new();
    fusion.world.faults.set(FaultRates { fusion: faults, ..FaultRates::default() });
    fusion
}

#[test]
fn a_fault_before_the_commit_commits_nothing_and_one_after_it_something() {
    let none = FusionFaults::default();
    let rows = [
        (FusionFaults { answer_lost: 1.0, ..none }, 0, 1),
        (FusionFaults { server_error_after_commit: 1.0, ..none }, 500, 1),
        (FusionFaults { error_before_commit: 1.0, ..none }, 503, 0),
        (FusionFaults { server_error_before_commit: 1.0, ..none }, 500, 0),
        (FusionFaults { reset_before_commit: 1.0, ..none }, 0, 0),
        (FusionFaults { throttle: 1.0, ..none }, 429, 0),
        (FusionFaults { throttle_bare: 1.0, ..none }, 429, 0),
        (FusionFaults { unauthorized: 1.0, ..none }, 401, 0),
        (FusionFaults { read_error: 1.0, ..none }, 201, 1),
    ];
    for (faults, status, committed) in rows {
        let fusion = with(faults);
        let found = fusion.post("receivablesInvoices", &fusion.invoice("I1")).0;
        assert_eq!((found, fusion.count("invoices")), (status, committed), "{faults:?}");
        let read = fusion.get("ledgersLOV", &[]).0;
        let wanted = match (faults.unauthorized > 0.0, faults.read_error > 0.0) {
            (true, _) => 401,
            (_, true) => 503,
            _ => 200,
        };
        assert_eq!(read, wanted, "{faults:?}");
    }
}

#[test]
fn only_one_of_the_two_throttlings_says_how_long_to_wait() {
    let none = FusionFaults::default();
    let rows = [
        (FusionFaults { throttle: 1.0, ..none }, true),
        (FusionFaults { throttle_bare: 1.0, ..none }, false),
    ];
    for (faults, said) in rows {
        let fusion = with(faults);
        let reply = fusion.ask(Method::POST, "standardReceipts", &[], &[TYPE], &json!({}));
        let Reply::Answer { headers, .. } = reply else { panic!("an answer") };
        assert_eq!(headers.iter().any(|(name, _)| *name == "retry-after"), said);
    }
}

#[test]
fn faults_end_when_they_are_said_to() {
    let fusion = Fusion::new();
    let until = jiff::Timestamp::from_millisecond(fusion.world.clock.now() + 1_000).expect("a time");
    let faults = FusionFaults { read_error: 1.0, until: Some(until), ..FusionFaults::default() };
    fusion.world.faults.set(FaultRates { fusion: faults, ..FaultRates::default() });
    assert_eq!(fusion.get("ledgersLOV", &[]).0, 503);
    fusion.wait(1_000);
    assert_eq!(fusion.get("ledgersLOV", &[]).0, 200);
}

#[test]
fn what_somebody_edits_or_deletes_is_seen() {
    let fusion = Fusion::new();
    let id = fusion.create("receivablesInvoices", &fusion.invoice("I1"));
    let before = fusion.get(&format!("receivablesInvoices/{id}"), &[]).1;
    fusion.wait(60_000);
    fusion.set(&json!({ "edit": { "resource": "receivablesInvoices", "number": "I1", "amount": "18.50" } }));
    let after = fusion.get(&format!("receivablesInvoices/{id}"), &[]).1;
    assert_eq!(after["EnteredAmount"].to_string(), "18.50");
    assert!(after["LastUpdateDate"].as_str() > before["LastUpdateDate"].as_str());
    fusion.set(&json!({ "delete": { "resource": "receivablesInvoices", "number": "I1" } }));
    assert_eq!(
        fusion.get(&format!("receivablesInvoices/{id}"), &[]),
        (404, Value::String("Not Found".into()))
    );
    assert!(super::knobs::change(&fusion.world, &json!({ "invented": true })).is_err());
}
