//! The port that the pipeline sees.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::SignedDuration;
use ml_connector_domain::document::{Document, Kind};
use ml_connector_domain::id::FusionId;
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::reconcile::{Observed, Sent};
use ml_connector_domain::refusal::{Refusal, in_words};
use ml_connector_domain::validate::{Module, Period};
use ml_connector_domain::{Date, Timestamp};
use ml_connector_ports::{Answer, JobStatus, Shown, SourceError, Target};

use crate::client::FusionClient;
use crate::{auto_invoice, batches, receipts, receivables_api};

#[async_trait]
impl Target for FusionClient {
    async fn send(&self, setup: &LedgerSetup, document: &Document, attempt: u32) -> Answer {
        match receivables_api::payload(setup, document) {
            Some((names, body)) => self.send_receivable(names, body).await,
            None if document.kind() == Kind::Receipt => self.send_receipt(setup, document).await,
            None => self.send_journal(setup, document, attempt).await,
        }
    }

    async fn send_bulk(&self, setup: &LedgerSetup, documents: &[&Document]) -> Answer {
        let made = auto_invoice::zip(setup, documents)
            .and_then(|zip| auto_invoice::import_request(setup, documents, &zip));
        let body = match made {
            Ok(body) => body,
            Err(reason) => return Answer::Refused(vec![Refusal::own(reason)]),
        };
        match self.submit(&body).await {
            Answer::InProgress(request) => {
                Answer::InProgress(format!("{}{request}", auto_invoice::REQUEST_PREFIX))
            }
            other => other,
        }
    }

    async fn follow_up(&self, document: &Document, id: &FusionId) -> Result<Option<String>, SourceError> {
        if document.kind() == Kind::Receipt && self.applies_by_action().await? {
            return Ok(Some(format!("{}{id}", receipts::REQUEST_PREFIX)));
        }
        Ok(None)
    }

    fn takes_in_bulk(&self, setup: &LedgerSetup, document: &Document) -> bool {
        auto_invoice::can_import(setup, document)
    }

    async fn job(&self, setup: &LedgerSetup, request: &str) -> Result<JobStatus, SourceError> {
        if let Some(receipt) = request.strip_prefix(receipts::REQUEST_PREFIX) {
            return self.apply_receipt(setup, receipt).await;
        }
        let Some(bulk) = request.strip_prefix(auto_invoice::REQUEST_PREFIX) else {
            return self.follow_job(request).await;
        };
        // However it ended, a document may have come of it or not: only a look-up tells.
        Ok(match self.follow_job(bulk).await? {
            JobStatus::Running => JobStatus::Running,
            JobStatus::Done => JobStatus::Ended("it succeeded".to_owned()),
            JobStatus::Failed(refusals) => JobStatus::Ended(in_words(&refusals)),
            JobStatus::Ended(words) => JobStatus::Ended(words),
        })
    }

    fn content_of(&self, setup: &LedgerSetup, document: &Document) -> Result<Sent, Refusal> {
        let sent = match receivables_api::payload(setup, document) {
            Some((names, body)) => body.and_then(|body| receivables_api::sent(names, &body)),
            None if document.kind() == Kind::Receipt => receipts::sent(document),
            None => batches::sent(document),
        };
        sent.map_err(Refusal::own)
    }

    async fn look_up(&self, setup: &LedgerSetup, document: &Document) -> Result<Observed, SourceError> {
        match receivables_api::payload(setup, document) {
            Some(payload) => self.look_up_receivable(setup, document, payload).await,
            None if document.kind() == Kind::Receipt => self.look_up_receipt(setup, document).await,
            None => self.look_up_journal(setup, document).await,
        }
    }

    async fn changed_since(
        &self,
        setup: &LedgerSetup,
        kind: Kind,
        since: Timestamp,
    ) -> Result<Vec<Shown>, SourceError> {
        self.changed(setup, kind, since).await
    }

    async fn post_batches(&self, setup: &LedgerSetup) -> Result<Option<String>, SourceError> {
        self.submit_posting(setup).await
    }

    async fn known_accounts(
        &self,
        _: &LedgerSetup,
        combinations: &BTreeSet<String>,
        no_older_than: SignedDuration,
    ) -> Result<BTreeSet<String>, SourceError> {
        self.accounts_known(combinations, no_older_than).await
    }

    async fn period(
        &self,
        setup: &LedgerSetup,
        module: Module,
        date: Date,
        no_older_than: SignedDuration,
    ) -> Result<Period, SourceError> {
        self.period_of(setup, module, date, no_older_than).await
    }
}
