//! What invoices, credit memos, receipts and bulk imports need: roles and customers.

use serde::Deserialize;
use serde_json::Value;

use super::Check;
use crate::query::Query;

/// Of an invoice or a credit memo.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Posted {
    transaction_number: Option<String>,
}

impl Check<'_> {
    /// Each privilege is probed by a harmless read of the very resource.
    pub(super) async fn receivables(&mut self) {
        let setup = self.setup;
        self.posted_under("receivablesInvoices", "transaction_source", &setup.transaction_source).await;
        self.posted_under("receivablesCreditMemos", "credit_memo_source", &setup.credit_memo_source).await;
        self.customers().await;
        if setup.receipts.is_some() {
            let query = Query::by("StandardReceiptId").is("BusinessUnit", &setup.business_unit);
            self.probe("standardReceipts", query).await;
        }
        self.probe("journalBatches", Ok(Query::by("JeBatchId"))).await;
        self.probe("erpintegrations", Query::finder("ESSJobStatusRF").with("requestId", "1")).await;
        self.unreadable();
    }

    async fn probe(&mut self, path: &'static str, query: Result<Query, ml_connector_ports::SourceError>) {
        if self.rows::<Value>(path, query).await.is_some() {
            self.report.right(format!("{path} can be read"));
        }
    }

    /// Fusion has no list of transaction sources, but a document posted under one shows that it is there.
    async fn posted_under(&mut self, path: &'static str, key: &'static str, source: &str) {
        let query = Query::by("CustomerTransactionId").is("BusinessUnit", &self.setup.business_unit);
        let query = query.and_then(|query| query.is("TransactionSource", source));
        let Some(rows) = self.rows::<Posted>(path, query).await else { return };
        self.report.right(format!("{path} can be read"));
        match rows.first() {
            Some(posted) => {
                let number = posted.transaction_number.as_deref().unwrap_or_default();
                self.report.right(format!("ledger.{key} `{source}`: {number} was posted under it"));
            }
            None => self.source_unseen(key, source),
        }
    }

    async fn customers(&mut self) {
        const PATH: &str = "receivablesCustomerAccountActivities";
        for (marketplace, number) in &self.setup.bill_to {
            let query = Query::by("AccountId").is("AccountNumber", number);
            let Some(rows) = self.rows::<Value>(PATH, query).await else { continue };
            if rows.is_empty() {
                self.report.missing(
                    "FUS-CHECK-CUSTOMER",
                    format!("there is no customer account {number}, the bill-to customer of marketplace {marketplace}"),
                    format!("make the customer in Fusion, or write another account number into ledger.bill_to.{marketplace}"),
                );
            } else {
                self.report.right(format!("customer account {number} for marketplace {marketplace}"));
            }
        }
    }
}
