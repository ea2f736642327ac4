//! Standard receipts: payload, look-up, and application to the invoices that they pay (Oracle, standardReceipts).
//!
//! A receipt that is POSTed is cash that pays nothing yet. Its remittance references say what it pays; Fusion's "Apply
//! Receipts Using AutoMatch" process follows them in its own time. From 26D on there is an action that applies at once;
//! whether it exists is read from `describe`.
//!
//! **Invariant:** a receipt is applied in the order of its references, and what it has left says how far that has come.
//! So a step whose answer was lost is never done twice: the next look at the receipt tells whether it was done.

use ml_connector_domain::document::{Body, Document, Remittance};
use ml_connector_domain::id::FusionId;
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::money::MoneyError;
use ml_connector_domain::reconcile::{Amounts, Content, Observed, Sent};
use ml_connector_domain::refusal::Refusal;
use ml_connector_domain::{Currency, Money};
use ml_connector_ports::{Answer, JobStatus, SourceError};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::{FusionClient, bad_amount, id_of, none_or_several, refused};
use crate::query::Query;
use crate::receivables::conversion;
use crate::wire::{Collection, Scalar};

/// What a request id is marked with, so that its "job" is followed as the application of a receipt.
pub(crate) const REQUEST_PREFIX: &str = "receipt/";
/// Invoices paid in one go; the next question goes on.
const STEPS_MAX: usize = 50;
/// The media type of an action.
const ACTION: &str = "application/vnd.oracle.adf.action+json";
/// The action that applies a receipt to one installment.
const APPLY: &str = "applyReceipt";

/// A receipt as read back.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Receipt {
    pub(crate) standard_receipt_id: Scalar,
    pub(crate) amount: Option<Scalar>,
    pub(crate) currency: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) unapplied_amount: Option<Scalar>,
}

/// A remittance reference as read back.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Reference {
    pub(crate) reference_number: Option<String>,
    pub(crate) reference_amount: Option<Scalar>,
}

#[derive(Deserialize)]
struct Paid {
    #[serde(rename = "receivablesInvoiceInstallments")]
    installments: Option<Collection<Installment>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Installment {
    installment_id: Scalar,
    installment_balance_due: Option<Scalar>,
}

/// The body of a receipt. Its number is the document's key; a receipt with the same number, date, amount and customer is
/// refused as AR_RCP_DUP_NUM, which leads to a look-up.
///
/// # Errors
/// Something that the operator has to configure, or a receipt over nothing: Fusion has no negative standard receipt.
pub(crate) fn receipt(setup: &LedgerSetup, document: &Document) -> Result<Value, String> {
    let Body::Receipt { group, customer, references, .. } = &document.body else {
        return Err("FUS-KIND: this is no receipt".to_owned());
    };
    let receipts = setup.receipts.as_ref().ok_or("FUS-RECEIPTS: ledger.receipts is not configured")?;
    let total = document.total().map_err(|error| error.to_string())?;
    if total.minor <= 0 {
        return Err(format!("FUS-RECEIPT: Fusion has no standard receipt over {total}"));
    }
    let references: Vec<Value> = references.iter().map(remittance).collect();
    let mut body = Map::new();
    for (name, value) in [
        ("ReceiptNumber", json!(document.key.as_str())),
        ("ReceiptMethod", json!(receipts.method)),
        ("BusinessUnit", json!(setup.business_unit)),
        ("CustomerAccountNumber", json!(customer)),
        ("RemittanceBankAccountNumber", json!(receipts.bank_account)),
        ("Currency", json!(document.currency.code())),
        ("Amount", json!(total.decimal())),
        ("ReceiptDate", json!(document.transaction_date().to_string())),
        ("AccountingDate", json!(document.date.to_string())),
        ("Comments", json!(format!("Amazon settlement {group}"))),
        ("remittanceReferences", json!(references)),
    ] {
        body.insert(name.to_owned(), value);
    }
    conversion(setup, document, "ConversionDate", &mut body);
    Ok(Value::Object(body))
}

fn remittance(reference: &Remittance) -> Value {
    json!({
        "ReceiptMatchBy": "Transaction Number",
        "ReferenceNumber": reference.document.as_str(),
        "ReferenceAmount": reference.amount.decimal(),
    })
}

/// What to do next about a receipt's application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Apply this reference.
    Apply(usize),
    /// Nothing: all of it is applied.
    Applied,
    /// Nothing that an action could do: Fusion's own matching, or a person, has the rest. Why.
    Leave(&'static str),
}

/// Decides by what the receipt has left. Its references in order must account for what is gone: then the next one is due.
pub(crate) fn next(amount: i64, unapplied: i64, references: &[i64]) -> Next {
    if unapplied == 0 {
        return Next::Applied;
    }
    // REST names no installment of a credit memo, so a receipt that nets one cannot be applied by the action.
    if references.iter().any(|minor| *minor <= 0) {
        return Next::Leave("it nets credit memos, which the action cannot apply");
    }
    let mut gone = 0;
    for (index, minor) in references.iter().enumerate() {
        if gone == amount - unapplied {
            return if *minor <= unapplied { Next::Apply(index) } else { Next::Leave("too little is left") };
        }
        gone += minor;
    }
    Next::Leave("somebody else has applied a part of it")
}

impl FusionClient {
    pub(crate) async fn send_receipt(&self, setup: &LedgerSetup, document: &Document) -> Answer {
        let body = match receipt(setup, document) {
            Ok(body) => body,
            Err(reason) => return Answer::Refused(vec![Refusal::own(reason)]),
        };
        let created = match self
            .post("standardReceipts", &body, "application/vnd.oracle.adf.resourceitem+json")
            .await
        {
            Err(answer) => return answer,
            Ok(body) => serde_json::from_slice::<Receipt>(&body).ok(),
        };
        let Some(id) = created.and_then(|receipt| receipt.standard_receipt_id.text()) else {
            return Answer::Lost("Fusion's answer names no StandardReceiptId".to_owned());
        };
        match self.applies_by_action().await {
            // The action is there: the receipt is followed until it is applied.
            Ok(true) => Answer::InProgress(format!("{REQUEST_PREFIX}{id}")),
            // Without it, or when nobody says, its references are what AutoMatch goes by.
            Ok(false) | Err(_) => Answer::Accepted(FusionId::new(id)),
        }
    }

    /// Whether `describe` offers the action that applies a receipt. A pod gains it by an upgrade, so it is asked anew.
    pub(crate) async fn applies_by_action(&self) -> Result<bool, SourceError> {
        let described: Value = self.get("standardReceipts/describe", &Query::default()).await?;
        let actions = described.pointer("/Resources/standardReceipts/item/actions").and_then(Value::as_array);
        Ok(actions.into_iter().flatten().any(|action| action["name"] == APPLY))
    }

    /// The receipts under a document's key; one, if all is well.
    pub(crate) async fn receipts_of(
        &self,
        setup: &LedgerSetup,
        document: &Document,
    ) -> Result<Vec<Receipt>, SourceError> {
        let query = Query::by("StandardReceiptId").is("ReceiptNumber", document.key.as_str())?;
        self.all("standardReceipts", &query.is("BusinessUnit", &setup.business_unit)?).await
    }

    /// A receipt with its amount; that its references are those that were sent counts, too.
    pub(crate) async fn look_up_receipt(
        &self,
        setup: &LedgerSetup,
        document: &Document,
    ) -> Result<Observed, SourceError> {
        let found = self.receipts_of(setup, document).await?;
        let [receipt] = found.as_slice() else { return Ok(none_or_several(found.len())) };
        let (fusion_id, total) = id_and_total(receipt)?;
        let references = self.references_of(fusion_id.as_str()).await?;
        let amounts = referenced(&references, total.currency).map_err(|e| bad_amount(&e))?;
        Ok(Observed::One(Box::new(Content {
            fusion_id,
            total,
            amounts,
            accounted: None,
            lines: u32::try_from(references.len()).unwrap_or(u32::MAX),
            status: receipt.status.clone().or_else(|| receipt.state.clone()),
            renumbered: None,
            date: None,
        })))
    }

    /// A receipt's remittance references, in the order in which they were made.
    pub(crate) async fn references_of(&self, id: &str) -> Result<Vec<Reference>, SourceError> {
        let path = format!("standardReceipts/{id}/child/remittanceReferences");
        self.all(&path, &Query::by("RemittanceReferenceId")).await
    }

    /// Applies a receipt as far as it goes now.
    pub(crate) async fn apply_receipt(
        &self,
        setup: &LedgerSetup,
        id: &str,
    ) -> Result<JobStatus, SourceError> {
        let references = self.references_of(id).await?;
        for _ in 0..STEPS_MAX {
            let receipt: Receipt = self.get(&format!("standardReceipts/{id}"), &Query::default()).await?;
            let currency: Currency =
                receipt.currency.as_deref().unwrap_or_default().parse().map_err(|e| bad_amount(&e))?;
            let money = |amount: &Option<Scalar>| match amount {
                Some(amount) => amount.money(currency).map_err(|e| bad_amount(&e)),
                None => Ok(Money::zero(currency)),
            };
            let amounts = references
                .iter()
                .map(|reference| money(&reference.reference_amount).map(|amount| amount.minor))
                .collect::<Result<Vec<_>, _>>()?;
            let (amount, left) = (money(&receipt.amount)?, money(&receipt.unapplied_amount)?);
            let index = match next(amount.minor, left.minor, &amounts) {
                Next::Applied | Next::Leave(_) => return Ok(JobStatus::Done),
                Next::Apply(index) => index,
            };
            let Some(number) = references[index].reference_number.as_deref() else {
                return Ok(JobStatus::Done);
            };
            if !self.apply_to(setup, id, number, Money::new(amounts[index], currency)).await? {
                return Ok(JobStatus::Done);
            }
        }
        Ok(JobStatus::Running)
    }

    /// Applies a part of a receipt to an invoice; `false` where Fusion does not take it, so that AutoMatch or a person has
    /// the rest.
    async fn apply_to(
        &self,
        setup: &LedgerSetup,
        id: &str,
        number: &str,
        amount: Money,
    ) -> Result<bool, SourceError> {
        let query = Query::by("CustomerTransactionId").is("TransactionNumber", number)?;
        let query =
            query.is("BusinessUnit", &setup.business_unit)?.expanding("receivablesInvoiceInstallments");
        let found: Vec<Paid> = self.all("receivablesInvoices", &query).await?;
        let [Paid { installments: Some(installments) }] = found.as_slice() else { return Ok(false) };
        let [installment] = installments.items.as_slice() else { return Ok(false) };
        let due = match &installment.installment_balance_due {
            Some(due) => due.money(amount.currency).map_err(|e| bad_amount(&e))?,
            None => return Ok(false),
        };
        if due.minor < amount.minor {
            return Ok(false);
        }
        let schedule: Value =
            id_of(&installment.installment_id)?.parse::<u64>().map_or(Value::Null, Value::from);
        let body = json!({
            "appliedPaymentScheduleId": schedule, "amountApplied": crate::receivables::number(amount),
            "calledFrom": "ml-connector",
        });
        match self.post(&format!("standardReceipts/{id}/action/{APPLY}"), &body, ACTION).await {
            Ok(_) => Ok(true),
            Err(Answer::Refused(_)) => Ok(false),
            // Whether it was done shows in what the receipt has left, when it is looked at next.
            Err(_) => Err(SourceError::Transient {
                code: "FUS-APPLY",
                message: format!("the answer to applying receipt {id} to {number} was lost"),
                retry_after: None,
            }),
        }
    }
}

/// The class under which references are compared: what a receipt pays, by document.
const REFERENCE: &str = "Remittance";

fn referenced(references: &[Reference], currency: Currency) -> Result<Amounts, MoneyError> {
    let mut amounts = Amounts::default();
    for reference in references {
        let amount = match &reference.reference_amount {
            Some(amount) => amount.money(currency)?,
            None => Money::zero(currency),
        };
        amounts.add(REFERENCE, reference.reference_number.as_deref().unwrap_or_default(), amount.minor)?;
    }
    Ok(amounts)
}

/// What a receipt is in Fusion if it stands there as it was sent.
///
/// # Errors
/// It is no receipt, or a sum does not fit.
pub(crate) fn sent(document: &Document) -> Result<Sent, String> {
    let Body::Receipt { references, .. } = &document.body else {
        return Err("FUS-KIND: this is no receipt".to_owned());
    };
    let mut amounts = Amounts::default();
    for reference in references {
        let added = amounts.add(REFERENCE, reference.document.as_str(), reference.amount.minor);
        added.map_err(|error| error.to_string())?;
    }
    let lines = u32::try_from(references.len()).unwrap_or(u32::MAX);
    Ok(Sent { currency: document.currency, amounts, accounted: None, lines })
}

/// A receipt that was read back must say this much of itself.
pub(crate) fn id_and_total(receipt: &Receipt) -> Result<(FusionId, Money), SourceError> {
    let currency: Currency =
        receipt.currency.as_deref().unwrap_or_default().parse().map_err(|e| bad_amount(&e))?;
    let amount =
        receipt.amount.as_ref().ok_or_else(|| refused("FUS-ANSWER", "a receipt has no amount".to_owned()))?;
    Ok((
        FusionId::new(id_of(&receipt.standard_receipt_id)?),
        amount.money(currency).map_err(|e| bad_amount(&e))?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_says_which_reference_is_next() {
        let refs = [100, 200, 300];
        let rows = [
            (600, Next::Apply(0)),
            (500, Next::Apply(1)),
            (300, Next::Apply(2)),
            (0, Next::Applied),
            (550, Next::Leave("somebody else has applied a part of it")),
        ];
        for (left, wanted) in rows {
            assert_eq!(next(600, left, &refs), wanted, "{left} left");
        }
        assert!(matches!(next(50, 50, &[100, -50]), Next::Leave(_)), "credit memos are AutoMatch's");
    }
}
