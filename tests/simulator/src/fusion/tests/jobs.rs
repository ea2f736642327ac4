//! Jobs: their states by time, their trees, and what of them can be read.

use serde_json::{Value, json};

use super::Fusion;
use super::imports::{bulk, changed, journal_zip, row, submit, zipped};
use crate::control::{FaultRates, FusionFaults};
use crate::scenario::names;

impl Fusion {
    pub(super) fn finder(&self, finder: &str) -> Value {
        let (status, page) = self.get("erpintegrations", &[("finder", finder)]);
        assert_eq!((status, &page["count"]), (200, &json!(1)), "{page}");
        page["items"][0].clone()
    }

    pub(super) fn status(&self, request: &str) -> String {
        let found = self.finder(&format!("ESSJobStatusRF;requestId={request}"));
        found["RequestStatus"].as_str().expect("a status").to_owned()
    }

    /// The tree of a job.
    pub(super) fn tree(&self, request: &str) -> Value {
        let found = self.finder(&format!("ESSExecutionDetailsRF;requestId={request}"));
        let text = found["RequestStatus"].as_str().expect("JSON in text").to_owned();
        serde_json::from_str::<Value>(&text).expect("JSON")["JOBS"].clone()
    }
}

#[test]
fn a_job_moves_with_time_and_its_parent_waits_for_its_children() {
    let fusion = Fusion::new();
    let request = submit(&fusion, &journal_zip(&fusion, None, 149));
    let mut seen = Vec::new();
    for _ in 0..14 {
        seen.push(fusion.status(&request));
        fusion.wait(1_000);
    }
    seen.dedup();
    assert_eq!(seen, ["WAIT", "READY", "RUNNING", "PAUSED", "SUCCEEDED"]);
    let tree = fusion.tree(&request);
    let children = tree["CHILD"].as_array().expect("several are a list");
    assert_eq!((children.len(), &tree["REQUESTID"]), (2, &json!(request)));
    assert_eq!(children[1]["CHILD"]["JOBNAME"], "Import Journals: Child", "one is an object");
    assert!(children[1]["REQUESTID"].as_str() > Some(request.as_str()));
}

#[test]
fn a_parent_succeeds_though_the_import_below_it_left_rows_out() {
    let fusion = Fusion::new();
    let request = submit(&fusion, &journal_zip(&fusion, Some((10, "999")), 149));
    fusion.wait(12_000);
    assert_eq!(fusion.status(&request), "SUCCEEDED");
    let import = fusion.tree(&request)["CHILD"][1]["CHILD"].clone();
    assert_eq!(import["STATUS"], "WARNING");
    let id = import["REQUESTID"].as_str().expect("an id").to_owned();
    let found = fusion.finder(&format!("ESSJobExecutionDetailsRF;requestId={id},fileType=ALL"));
    assert!(found["DocumentContent"].is_string());
}

#[test]
fn a_wrong_job_is_taken_with_a_request_that_says_no() {
    let fusion = Fusion::new();
    let mut body = bulk(&fusion, &journal_zip(&fusion, None, 149));
    body["JobName"] = json!("/oracle/apps/ess/financials/generalLedger/programs/common,Invented");
    let (status, answer) = fusion.post("erpintegrations", &body);
    assert_eq!((status, &answer["ReqstId"]), (201, &json!("-1")));
    let submitted =
        json!({ "OperationName": "submitESSJobRequest", "JobPackageName": "/x/", "JobDefName": "y" });
    assert_eq!(fusion.post("erpintegrations", &submitted).1["ReqstId"], "-1");
    let refused = json!({ "OperationName": "importBulkData", "requestId": "1" });
    let (status, words) = fusion.post("erpintegrations", &refused);
    assert_eq!((status, words), (400, json!("Invalid attribute \"requestId\" in the payload")));
}

#[test]
fn a_job_that_came_another_way_has_no_status_for_ever() {
    let fusion = Fusion::new();
    assert_eq!(fusion.status("4711"), "");
    fusion.wait(3_600_000);
    assert_eq!(
        fusion.get("erpintegrations", &[("finder", "ESSJobStatusRF;requestId=4711")]).0,
        401,
        "the token ended"
    );
    let fusion = Fusion::new();
    assert_eq!(fusion.status("4711"), "");
}

#[test]
fn without_job_options_nothing_can_be_fetched() {
    let fusion = Fusion::new();
    let mut body = bulk(&fusion, &journal_zip(&fusion, None, 149));
    body["JobOptions"] = Value::Null;
    let (_, answer) = fusion.post("erpintegrations", &body);
    let request = answer["ReqstId"].as_str().expect("a request").to_owned();
    fusion.wait(12_000);
    assert_eq!(fusion.status(&request), "SUCCEEDED", "the import runs all the same");
    let found = fusion.finder(&format!("ESSJobExecutionDetailsRF;requestId={request},fileType=ALL"));
    assert!(found["DocumentContent"].is_null());
}

#[test]
fn a_slow_job_takes_its_time() {
    let fusion = Fusion::new();
    let faults = FusionFaults { import_slow: 1.0, import_slow_ms: 600_000, ..FusionFaults::default() };
    fusion.world.faults.set(FaultRates { fusion: faults, ..FaultRates::default() });
    let request = submit(&fusion, &journal_zip(&fusion, None, 149));
    fusion.wait(599_000);
    assert_eq!((fusion.status(&request).as_str(), fusion.count("batches")), ("PAUSED", 0));
    fusion.wait(1_000);
    assert_eq!((fusion.status(&request).as_str(), fusion.count("batches")), ("SUCCEEDED", 1));
}

#[test]
fn automatic_posting_posts_what_is_in_open_periods() {
    let fusion = Fusion::new();
    submit(&fusion, &journal_zip(&fusion, None, 149));
    let next = [39, 40].map(|side| row(&fusion, side)).map(|row| changed(row, 3, "2026/10/01"));
    submit(&fusion, &zipped("GlInterface.csv", &next, 149));
    fusion.wait(12_000);
    let batches = || {
        let (_, page) = fusion.get("journalBatches", &[("orderBy", "JeBatchId"), ("onlyData", "true")]);
        page["items"].as_array().expect("batches").clone()
    };
    assert!(batches().iter().all(|batch| batch["Status"] == "U" && batch["PostedDate"].is_null()));
    let post = |criteria: &str| {
        let body = json!({
            "OperationName": "submitESSJobRequest", "JobDefName": "AutomaticPosting", "ESSParameters": criteria,
            "JobPackageName": "/oracle/apps/ess/financials/generalLedger/programs/common/", "ReqstId": null,
        });
        let request =
            fusion.post("erpintegrations", &body).1["ReqstId"].as_str().expect("a request").to_owned();
        fusion.wait(6_000);
        fusion.status(&request)
    };
    assert_eq!(post("1"), "ERROR", "there is no such criteria set");
    assert_eq!(post(names::CRITERIA_SET), "SUCCEEDED");
    let statuses: Vec<Value> = batches().iter().map(|batch| batch["Status"].clone()).collect();
    assert_eq!(statuses, ["P", "U"], "a future period takes no postings");
    assert!(batches()[0]["PostedDate"].is_string());
    let posted = batches()[0]["JeBatchId"].to_string();
    let unposted = batches()[1]["JeBatchId"].to_string();
    assert_eq!(fusion.delete(&format!("journalBatches/{posted}")), 400);
    assert_eq!(fusion.delete(&format!("journalBatches/{unposted}")), 204);
    assert_eq!(fusion.count("automatic_postings"), 1);
}
