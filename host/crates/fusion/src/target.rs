//! The port that the pipeline sees.

use std::collections::BTreeSet;

use async_trait::async_trait;
use ml_connector_domain::document::{Body, Document, Kind};
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::reconcile::Observed;
use ml_connector_domain::validate::{Module, PeriodStatus};
use ml_connector_domain::{Date, Timestamp};
use ml_connector_ports::{Answer, JobStatus, Shown, SourceError, Target};

use crate::client::FusionClient;
use crate::receivables;

#[async_trait]
impl Target for FusionClient {
    async fn send(&self, setup: &LedgerSetup, document: &Document, attempt: u32) -> Answer {
        match &document.body {
            Body::Invoice { .. } => {
                self.send_receivable("receivablesInvoices", receivables::invoice(setup, document)).await
            }
            Body::CreditMemo { .. } => {
                self.send_receivable("receivablesCreditMemos", receivables::credit_memo(setup, document))
                    .await
            }
            Body::Journal { .. } => self.send_journal(setup, document, attempt).await,
        }
    }

    async fn job(&self, _: &LedgerSetup, request: &str) -> Result<JobStatus, SourceError> {
        self.follow_job(request).await
    }

    async fn look_up(&self, setup: &LedgerSetup, document: &Document) -> Result<Observed, SourceError> {
        match &document.body {
            Body::Invoice { .. } => self.look_up_invoice(setup, document).await,
            Body::CreditMemo { .. } => self.look_up_credit_memo(setup, document).await,
            Body::Journal { .. } => self.look_up_journal(setup, document).await,
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

    async fn known_accounts(
        &self,
        _: &LedgerSetup,
        combinations: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, SourceError> {
        self.accounts_known(combinations).await
    }

    async fn period(
        &self,
        setup: &LedgerSetup,
        module: Module,
        date: Date,
    ) -> Result<PeriodStatus, SourceError> {
        self.period_status(setup, module, date).await
    }
}
