//! The port that the pipeline sees.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::SignedDuration;
use ml_connector_domain::document::{Document, Kind};
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::reconcile::{Observed, Sent};
use ml_connector_domain::refusal::Refusal;
use ml_connector_domain::validate::{Module, Period};
use ml_connector_domain::{Date, Timestamp};
use ml_connector_ports::{Answer, JobStatus, Shown, SourceError, Target};

use crate::client::FusionClient;
use crate::{batches, receivables_api};

#[async_trait]
impl Target for FusionClient {
    async fn send(&self, setup: &LedgerSetup, document: &Document, attempt: u32) -> Answer {
        match receivables_api::payload(setup, document) {
            Some((names, body)) => self.send_receivable(names, body).await,
            None => self.send_journal(setup, document, attempt).await,
        }
    }

    async fn job(&self, _: &LedgerSetup, request: &str) -> Result<JobStatus, SourceError> {
        self.follow_job(request).await
    }

    fn content_of(&self, setup: &LedgerSetup, document: &Document) -> Result<Sent, Refusal> {
        let sent = match receivables_api::payload(setup, document) {
            Some((names, body)) => body.and_then(|body| receivables_api::sent(names, &body)),
            None => batches::sent(document),
        };
        sent.map_err(Refusal::own)
    }

    async fn look_up(&self, setup: &LedgerSetup, document: &Document) -> Result<Observed, SourceError> {
        match receivables_api::payload(setup, document) {
            Some(payload) => self.look_up_receivable(setup, document, payload).await,
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
