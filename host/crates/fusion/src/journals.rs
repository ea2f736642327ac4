//! Sending journals by bulk import, and having what was imported posted.

use base64::Engine as _;
use ml_connector_domain::document::Document;
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::refusal::Refusal;
use ml_connector_ports::{Answer, SourceError};
use serde_json::{Value, json};

use crate::client::{FusionClient, refused, transient};
use crate::journal_csv;
use crate::wire;

impl FusionClient {
    pub(crate) async fn send_journal(
        &self,
        setup: &LedgerSetup,
        document: &Document,
        attempt: u32,
    ) -> Answer {
        let zip = journal_csv::csv(setup, document, attempt).and_then(|csv| journal_csv::zipped(&csv));
        let zip = match zip {
            Ok(zip) => zip,
            Err(reason) => return Answer::Refused(vec![Refusal::own(reason)]),
        };
        self.submit(&import_request(setup, document, attempt, &zip)).await
    }

    /// Hands an import over to its job, once.
    pub(crate) async fn submit(&self, body: &Value) -> Answer {
        match self.post("erpintegrations", body, "application/json").await {
            Err(answer) => answer,
            Ok(body) => submitted(&body),
        }
    }

    /// Submits AutomaticPosting with the criteria set. It is asked for once: the next round asks again, and what it
    /// posts twice it posts once.
    pub(crate) async fn submit_posting(&self, setup: &LedgerSetup) -> Result<Option<String>, SourceError> {
        let Some(auto_post) = &setup.auto_post else { return Ok(None) };
        match self.submit(&posting_request(&auto_post.criteria_set)).await {
            Answer::InProgress(request) => Ok(Some(request)),
            Answer::Refused(reasons) => {
                Err(refused("FUS-AUTO-POST", ml_connector_domain::refusal::in_words(&reasons)))
            }
            Answer::NotSent { reason, retry_after } => {
                Err(transient("FUS-AUTO-POST", reason, Some(retry_after)))
            }
            other => Err(transient("FUS-AUTO-POST", format!("{other:?}"), None)),
        }
    }
}

/// AutomaticPosting (Oracle, erpintegrations: submitESSJobRequest); its one argument is the criteria set.
fn posting_request(criteria_set: &str) -> Value {
    json!({
        "OperationName": "submitESSJobRequest",
        "JobPackageName": "/oracle/apps/ess/financials/generalLedger/programs/common/",
        "JobDefName": "AutomaticPosting",
        "ESSParameters": criteria_set,
        "ReqstId": Value::Null,
    })
}

/// importBulkData for the journal launcher (Oracle, erpintegrations). The launcher's arguments: data access set,
/// source name, ledger, group, post errors to suspense, summary journals, import descriptive flexfields.
fn import_request(setup: &LedgerSetup, document: &Document, attempt: u32, zip: &[u8]) -> Value {
    let group = document.key.group_id(attempt);
    json!({
        "OperationName": "importBulkData",
        "DocumentContent": base64::engine::general_purpose::STANDARD.encode(zip),
        "ContentType": "zip",
        "FileName": format!("{}.zip", document.key),
        "DocumentAccount": "fin$/generalLedger$/import$",
        "JobName": "/oracle/apps/ess/financials/generalLedger/programs/common,JournalImportLauncher",
        "ParameterList": format!(
            "{},{},{},{group},N,N,N", setup.data_access_set_id, setup.journal_source, setup.ledger_id
        ),
        "CallbackURL": "#NULL",
        "NotificationCode": "10",
        "JobOptions": "InterfaceDetails=15,ImportOption=Y,PurgeOption=Y,ExtractFileType=ALL",
    })
}

/// A success status with request id -1 is a refusal.
fn submitted(body: &[u8]) -> Answer {
    let answer: Option<wire::Integration> = serde_json::from_slice(body).ok();
    match answer.and_then(|answer| answer.reqst_id).and_then(|id| id.text()) {
        Some(id) if id == "-1" => Answer::Refused(vec![Refusal::new(
            "FUS-SUBMIT",
            "Fusion took the file and refused the job (request -1)",
            "check the integration user's import roles and data access set, then plan the document again",
        )]),
        Some(id) if !id.is_empty() => Answer::InProgress(id),
        _ => Answer::Lost("Fusion's answer names no request id".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal_csv::tests::{journal, setup};
    use ml_connector_domain::Currency;

    #[test]
    fn pain_2_a_success_with_request_minus_one_is_a_refusal() {
        for body in [r#"{"ReqstId":"-1"}"#, r#"{"ReqstId":-1}"#] {
            let Answer::Refused(reasons) = submitted(body.as_bytes()) else { panic!("{body}") };
            assert_eq!(reasons[0].code, "FUS-SUBMIT");
        }
        assert_eq!(submitted(br#"{"ReqstId":"301458"}"#), Answer::InProgress("301458".to_owned()));
        assert!(matches!(submitted(br#"{"ReqstId":null}"#), Answer::Lost(_)), "something may run");
        assert!(matches!(submitted(b"<html>"), Answer::Lost(_)));
    }

    #[test]
    fn pains_5_and_15_group_source_ledger_and_job_options_are_sent_as_the_rows_need() {
        let (setup, journal) = (setup(), journal(Currency::USD));
        let request = import_request(&setup, &journal, 3, b"zip");
        let parameters = request["ParameterList"].as_str().expect("text");
        let arguments: Vec<&str> = parameters.split(',').collect();
        let csv = journal_csv::csv(&setup, &journal, 3).expect("rows");
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_slice());
        for row in reader.records().map(|row| row.expect("well-formed")) {
            assert_eq!([&row[3], &row[1], &row[66]], [arguments[1], arguments[2], arguments[3]]);
        }
        assert_eq!((arguments.len(), arguments[0]), (7, "300000002"));
        assert_eq!(
            request["JobOptions"], "InterfaceDetails=15,ImportOption=Y,PurgeOption=Y,ExtractFileType=ALL",
            "without them no error file can be fetched"
        );
    }

    #[test]
    fn posting_names_the_criteria_set() {
        assert_eq!(posting_request("2001")["ESSParameters"], "2001");
    }
}
