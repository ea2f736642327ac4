//! What changed in Fusion, by `LastUpdateDate`.
//!
//! Rows come in the order of their id, not of their time: a row that is changed while pages are read keeps its place,
//! and none is skipped. Deletions do not show; comparing finds them.

use ml_connector_domain::Currency;
use ml_connector_domain::Timestamp;
use ml_connector_domain::document::Kind;
use ml_connector_domain::id::FusionId;
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_ports::{Shown, SourceError};
use serde::Deserialize;

use crate::client::{FusionClient, bad_amount, id_of, refused};
use crate::query::Query;
use crate::wire::Scalar;

/// What invoices, credit memos, batches and receipts show; each has some of it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Changed {
    customer_transaction_id: Option<Scalar>,
    je_batch_id: Option<Scalar>,
    standard_receipt_id: Option<Scalar>,
    invoice_status: Option<String>,
    credit_memo_status: Option<String>,
    status: Option<String>,
    invoice_currency_code: Option<String>,
    invoice_balance_amount: Option<Scalar>,
    last_update_date: Option<String>,
}

impl FusionClient {
    pub(crate) async fn changed(
        &self,
        setup: &LedgerSetup,
        kind: Kind,
        since: Timestamp,
    ) -> Result<Vec<Shown>, SourceError> {
        let (path, query) = match kind {
            Kind::Invoice => ("receivablesInvoices", of_source(setup, &setup.transaction_source)?),
            Kind::CreditMemo => ("receivablesCreditMemos", of_source(setup, &setup.credit_memo_source)?),
            Kind::Journal => ("journalBatches", Query::by("JeBatchId")),
            Kind::Receipt => {
                let own = Query::by("StandardReceiptId").is("BusinessUnit", &setup.business_unit)?;
                ("standardReceipts", own)
            }
        };
        let rows: Vec<Changed> = self.all(path, &query.since("LastUpdateDate", since)).await?;
        rows.into_iter().map(|row| shown(path, row)).collect()
    }
}

fn of_source(setup: &LedgerSetup, source: &str) -> Result<Query, SourceError> {
    let query = Query::by("CustomerTransactionId").is("BusinessUnit", &setup.business_unit)?;
    query.is("TransactionSource", source)
}

fn shown(path: &str, row: Changed) -> Result<Shown, SourceError> {
    let id = row.customer_transaction_id.or(row.je_batch_id).or(row.standard_receipt_id);
    let id = id.as_ref().map(id_of).transpose()?.unwrap_or_default();
    let updated = row.last_update_date.as_deref().and_then(|text| text.parse().ok()).ok_or_else(|| {
        refused("FUS-ANSWER", format!("{path}: {id} has no LastUpdateDate that is understood"))
    })?;
    let currency: Option<Currency> = row.invoice_currency_code.as_deref().and_then(|code| code.parse().ok());
    let balance = match (row.invoice_balance_amount, currency) {
        (Some(amount), Some(currency)) if amount.text().is_some() => {
            Some(amount.money(currency).map_err(|error| bad_amount(&error))?)
        }
        _ => None,
    };
    let status = row.invoice_status.or(row.credit_memo_status).or(row.status);
    Ok(Shown { fusion_id: FusionId::new(id), status: status.unwrap_or_default(), balance, updated })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Result<Shown, SourceError> {
        shown("x", serde_json::from_str(json).expect("JSON"))
    }

    #[test]
    fn what_is_shown_is_read_whether_ids_are_numbers_or_text() {
        let invoice = r#"{"CustomerTransactionId": 300100170996427, "InvoiceStatus": "Complete", "InvoiceCurrencyCode": "USD",
            "InvoiceBalanceAmount": 12.5, "LastUpdateDate": "2018-08-17T03:55:50.095+00:00"}"#;
        let invoice = of(invoice).expect("understood");
        assert_eq!((invoice.fusion_id.as_str(), invoice.status.as_str()), ("300100170996427", "Complete"));
        assert_eq!(invoice.balance.map(|money| money.minor), Some(1_250));
        assert_eq!(invoice.updated.to_string(), "2018-08-17T03:55:50.095Z");
        let batch =
            r#"{"JeBatchId": "1715986", "Status": "P", "LastUpdateDate": "2018-08-17T05:55:50+02:00"}"#;
        let batch = of(batch).expect("understood");
        assert_eq!((batch.fusion_id.as_str(), batch.status.as_str(), batch.balance), ("1715986", "P", None));
        let memo = r#"{"CustomerTransactionId": 1, "CreditMemoStatus": null, "InvoiceBalanceAmount": null,
            "InvoiceCurrencyCode": "USD", "LastUpdateDate": "2018-08-17T03:55:50Z"}"#;
        assert_eq!(of(memo).expect("understood").status, "");
        assert!(
            of(r#"{"CustomerTransactionId": 1}"#).is_err(),
            "a change without a time would move no cursor"
        );
    }
}
