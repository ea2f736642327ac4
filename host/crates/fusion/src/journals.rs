//! Sending journals by bulk import, following their jobs and looking up their batches.

use base64::Engine as _;
use ml_connector_domain::document::Document;
use ml_connector_domain::id::FusionId;
use ml_connector_domain::ledger::{LedgerSetup, purpose};
use ml_connector_domain::reconcile::Observed;
use ml_connector_domain::{Currency, Money};
use ml_connector_ports::{Answer, JobStatus, SourceError};
use serde_json::{Value, json};

use crate::client::{FusionClient, bad_amount, id_of, none_or_several, refused};
use crate::jobs::{self, JobState, Outcome};
use crate::journal_csv;
use crate::query::Query;
use crate::wire::{self, Collection, Scalar};

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
            Err(reason) => return Answer::Refused(reason),
        };
        let body = import_request(setup, document, attempt, &zip);
        match self.post("erpintegrations", &body, "application/json").await {
            Err(answer) => answer,
            Ok(body) => submitted(&body),
        }
    }

    pub(crate) async fn follow_job(&self, request: &str) -> Result<JobStatus, SourceError> {
        let status = self
            .finder(Query::finder("ESSJobStatusRF").with("requestId", request)?)
            .await?
            .and_then(|found| found.request_status);
        if jobs::state(status.as_deref().unwrap_or_default()) == JobState::Running {
            return Ok(JobStatus::Running);
        }
        let details = Query::finder("ESSExecutionDetailsRF").with("requestId", request)?;
        let details = self.finder(details).await?.and_then(|found| found.request_status);
        let outcome = jobs::outcome(details.as_deref().unwrap_or_default()).map_err(|e| {
            refused("FUS-ANSWER", format!("the details of request {request} are not understood: {e}"))
        })?;
        Ok(match outcome {
            Outcome::Running => JobStatus::Running,
            Outcome::Succeeded => JobStatus::Done,
            Outcome::Failed(failed) => JobStatus::Failed(self.failure_words(&failed).await?),
        })
    }

    async fn finder(&self, query: Query) -> Result<Option<wire::Integration>, SourceError> {
        let page: Collection<wire::Integration> = self.get("erpintegrations", &query).await?;
        Ok(page.items.into_iter().next())
    }

    /// The rejected rows of the jobs that failed, in Fusion's words.
    async fn failure_words(&self, failed: &[(String, String, String)]) -> Result<String, SourceError> {
        let mut words = Vec::new();
        for (name, request, status) in failed {
            words.push(format!("{name} ({request}) ended {status}"));
            let query = Query::finder("ESSJobExecutionDetailsRF").with("requestId", request)?;
            let output = self.finder(query.with("fileType", "ALL")?).await?;
            let content = output.and_then(|output| output.document_content).unwrap_or_default();
            let texts = jobs::texts(&content).unwrap_or_default();
            words.extend(texts.iter().flat_map(|text| jobs::rejected_rows(text)));
        }
        Ok(words.join("; "))
    }

    pub(crate) async fn look_up_journal(
        &self,
        setup: &LedgerSetup,
        document: &Document,
    ) -> Result<Observed, SourceError> {
        let query = Query::by("JeBatchId").contains("BatchName", document.key.as_str())?;
        let batches: Vec<wire::Batch> = self.all("journalBatches", &query).await?;
        let [batch] = batches.as_slice() else { return Ok(none_or_several(batches.len())) };
        let id = id_of(&batch.je_batch_id)?;
        let account = setup.account(purpose::SETTLEMENT).unwrap_or_default();
        let mut net = Money::zero(document.currency);
        let by_name = Query::by("JournalName").linked();
        let headers: Vec<wire::Header> =
            self.all(&format!("journalBatches/{id}/child/journalHeaders"), &by_name).await?;
        for header in &headers {
            let key = header
                .key()
                .ok_or_else(|| refused("FUS-ANSWER", "a journal header has no link".to_owned()))?;
            let path = format!("journalBatches/{id}/child/journalHeaders/{key}/child/journalLines");
            let lines: Vec<wire::JournalLine> = self.all(&path, &Query::by("JeLineNumber")).await?;
            for line in lines.iter().filter(|line| line.account_combination.as_deref() == Some(&account)) {
                net = net.checked_add(net_of(line, document.currency)?).map_err(|e| bad_amount(&e))?;
            }
        }
        Ok(Observed::One { fusion_id: FusionId::new(id), total: net })
    }
}

/// Debit less credit, in the currency it was entered in.
fn net_of(line: &wire::JournalLine, currency: Currency) -> Result<Money, SourceError> {
    let entered: Currency = match &line.currency_code {
        Some(code) => code.parse().map_err(|e| bad_amount(&e))?,
        None => currency,
    };
    let side = |amount: Option<&Scalar>| match amount {
        Some(amount) => amount.money(entered).map_err(|e| bad_amount(&e)),
        None => Ok(Money::zero(entered)),
    };
    let (debit, credit) = (side(line.entered_dr.as_ref())?, side(line.entered_cr.as_ref())?);
    debit.checked_add(credit.negated()).map_err(|e| bad_amount(&e))
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
        Some(id) if id == "-1" => Answer::Refused(
            "FUS-SUBMIT: Fusion took the file but refused the job: check the job's name and the user's privileges".to_owned(),
        ),
        Some(id) if !id.is_empty() => Answer::InProgress(id),
        _ => Answer::Lost("Fusion's answer names no request id".to_owned()),
    }
}
