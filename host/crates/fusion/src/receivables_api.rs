//! Sending invoices and credit memos, and looking them up.

use ml_connector_domain::document::Document;
use ml_connector_domain::id::FusionId;
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::reconcile::Observed;
use ml_connector_domain::{Currency, Money};
use ml_connector_ports::{Answer, SourceError};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::{FusionClient, bad_amount, id_of, none_or_several};
use crate::query::Query;
use crate::wire::{self, Scalar};

impl FusionClient {
    pub(crate) async fn send_receivable(&self, path: &str, body: Result<Value, String>) -> Answer {
        let body = match body {
            Ok(body) => body,
            Err(reason) => return Answer::Refused(reason),
        };
        match self.post(path, &body, "application/vnd.oracle.adf.resourceitem+json").await {
            Err(answer) => answer,
            Ok(body) => match serde_json::from_slice::<wire::Created>(&body)
                .ok()
                .and_then(|c| c.customer_transaction_id.text())
            {
                Some(id) => Answer::Accepted(FusionId::new(id)),
                // It said 2xx: something is in Fusion, under a number that we do not know yet.
                None => Answer::Lost("Fusion's answer names no CustomerTransactionId".to_owned()),
            },
        }
    }

    pub(crate) async fn look_up_invoice(
        &self,
        setup: &LedgerSetup,
        document: &Document,
    ) -> Result<Observed, SourceError> {
        let found: Vec<wire::Invoice> =
            self.receivables("receivablesInvoices", "receivablesInvoiceLines", setup, document).await?;
        let [invoice] = found.as_slice() else { return Ok(none_or_several(found.len())) };
        let id = id_of(&invoice.customer_transaction_id)?;
        let lines: Vec<wire::InvoiceLine> = self
            .children(
                &format!("receivablesInvoices/{id}/child/receivablesInvoiceLines"),
                &Query::by("LineNumber"),
                invoice.lines.as_ref(),
            )
            .await?;
        let own = invoice.lines.iter().flat_map(|lines| &lines.items).chain(&lines);
        let amounts = own.map(|line| line.line_amount.as_ref());
        total(id, invoice.invoice_currency_code.as_deref(), amounts)
    }

    pub(crate) async fn look_up_credit_memo(
        &self,
        setup: &LedgerSetup,
        document: &Document,
    ) -> Result<Observed, SourceError> {
        let found: Vec<wire::CreditMemo> =
            self.receivables("receivablesCreditMemos", "receivablesCreditMemoLines", setup, document).await?;
        let [memo] = found.as_slice() else { return Ok(none_or_several(found.len())) };
        let id = id_of(&memo.customer_transaction_id)?;
        let lines: Vec<wire::CreditMemoLine> = self
            .children(
                &format!("receivablesCreditMemos/{id}/child/receivablesCreditMemoLines"),
                &Query::by("LineNumber"),
                memo.lines.as_ref(),
            )
            .await?;
        let own = memo.lines.iter().flat_map(|lines| &lines.items).chain(&lines);
        let amounts = own.map(|line| line.line_amount_credit.as_ref());
        total(id, memo.credit_memo_currency.as_deref(), amounts)
    }

    async fn receivables<T: DeserializeOwned>(
        &self,
        path: &str,
        children: &'static str,
        setup: &LedgerSetup,
        document: &Document,
    ) -> Result<Vec<T>, SourceError> {
        let query = Query::by("CustomerTransactionId").is("TransactionNumber", document.key.as_str())?;
        let query = query.is("BusinessUnit", &setup.business_unit)?.expanding(children);
        self.all(path, &query).await
    }
}

fn total<'a>(
    id: String,
    currency: Option<&str>,
    amounts: impl Iterator<Item = Option<&'a Scalar>>,
) -> Result<Observed, SourceError> {
    let currency: Currency = currency.unwrap_or_default().parse().map_err(|e| bad_amount(&e))?;
    let mut total = Money::zero(currency);
    for amount in amounts.flatten() {
        let amount = amount.money(currency).map_err(|e| bad_amount(&e))?;
        total = total.checked_add(amount).map_err(|e| bad_amount(&e))?;
    }
    Ok(Observed::One { fusion_id: FusionId::new(id), total })
}
