//! standardReceipts: cash, which stays unapplied until AutoMatch or an action applies it.

mod apply;
mod create;

use serde_json::{Value, json};

pub(super) use apply::{apply, automatch};
pub(super) use create::{add_reference, create, delete};

use super::FusionState;
use super::access::Privilege;
use super::adf::{Call, Child, Query, Resource, Row, time};
use super::receivables::decimal;
use crate::scenario::Currency;

/// A standard receipt.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// StandardReceiptId.
    pub id: u64,
    /// ReceiptNumber.
    pub number: String,
    /// Seller whose business unit it is in.
    pub seller: usize,
    /// ReceiptMethod.
    pub method: String,
    /// CustomerAccountNumber; none for an unidentified receipt.
    pub customer: Option<String>,
    /// Currency.
    pub currency: Currency,
    /// Minor units.
    pub amount: i64,
    /// ReceiptDate.
    pub receipt_date: String,
    /// AccountingDate.
    pub date: String,
    /// What it is meant for.
    pub references: Vec<Reference>,
    /// What it is applied to.
    pub applications: Vec<Application>,
    /// When it was created, in milliseconds.
    pub created: i64,
    /// When it was changed last.
    pub updated: i64,
}

/// A remittance reference.
#[derive(Debug, Clone)]
pub struct Reference {
    /// RemittanceReferenceId.
    pub id: u64,
    /// ReceiptMatchBy.
    pub match_by: String,
    /// ReferenceNumber.
    pub number: String,
    /// Minor units; negative for a credit memo (assumed).
    pub amount: i64,
    /// When it was created.
    pub created: i64,
    /// Whether AutoMatch has used it.
    pub used: bool,
}

/// What a receipt has paid.
#[derive(Debug, Clone)]
pub struct Application {
    /// TransactionNumber of the document.
    pub number: String,
    /// InstallmentId of the document.
    pub installment: u64,
    /// Minor units; negative for a credit memo that it uses up.
    pub amount: i64,
}

impl Receipt {
    /// What is not applied, in minor units.
    pub fn unapplied(&self) -> i64 {
        self.amount - self.applications.iter().map(|one| one.amount).sum::<i64>()
    }
}

pub(super) const RECEIPTS: Resource = Resource {
    name: "standardReceipts",
    privilege: Privilege::Receivables,
    queryable: &[
        "StandardReceiptId",
        "ReceiptNumber",
        "BusinessUnit",
        "CustomerAccountNumber",
        "ReceiptDate",
        "Currency",
        "CreationDate",
        "LastUpdateDate",
    ],
    actions: |state| match state.knobs.apply_receipt {
        true => &["applyReceipt"],
        false => &[],
    },
    rows,
};

fn rows<'a>(call: &'a Call<'a>, state: &'a FusionState, query: &Query) -> Vec<Row<'a>> {
    let now = call.world.clock.now();
    let id = query.key.as_deref().or_else(|| query.equal("StandardReceiptId"));
    let wanted = |receipt: &&Receipt| {
        receipt.created + state.knobs.lag() <= now
            && id.is_none_or(|id| receipt.id.to_string() == id)
            && query.equal("ReceiptNumber").is_none_or(|number| receipt.number == number)
    };
    state.receipts.iter().filter(wanted).map(|receipt| row(call, receipt)).collect()
}

/// A receipt; amounts come as text, state and status are null until it is applied (its values are assumed).
fn row<'a>(call: &'a Call<'a>, receipt: &'a Receipt) -> Row<'a> {
    let text = |minor| receipt.currency.decimal(minor);
    let status = match (receipt.applications.is_empty(), receipt.unapplied()) {
        (true, _) => Value::Null,
        (false, 0) => json!("Applied"),
        (false, _) => json!("Unapplied"),
    };
    let mut row = Row::new(
        receipt.id.to_string(),
        json!({
            "StandardReceiptId": call.id(receipt.id), "ReceiptNumber": receipt.number,
            "BusinessUnit": call.world.scenario.sellers[receipt.seller].fusion.business_unit,
            "ReceiptMethod": receipt.method, "CustomerAccountNumber": receipt.customer,
            "Currency": receipt.currency.code(), "Amount": text(receipt.amount),
            "ReceiptDate": receipt.receipt_date, "AccountingDate": receipt.date, "State": null,
            "Status": status, "UnappliedAmount": text(receipt.unapplied()),
            "CreationDate": time(receipt.created), "LastUpdateDate": time(receipt.updated),
        }),
    );
    row.children.push(Child {
        name: "remittanceReferences",
        rows: Box::new(move || receipt.references.iter().map(|one| reference(call, receipt, one)).collect()),
    });
    row
}

fn reference<'a>(call: &Call<'_>, receipt: &Receipt, reference: &Reference) -> Row<'a> {
    Row::new(
        reference.id.to_string(),
        json!({
            "RemittanceReferenceId": call.id(reference.id), "ReceiptMatchBy": reference.match_by,
            "ReferenceNumber": reference.number,
            "ReferenceAmount": decimal(receipt.currency, reference.amount),
            "CreationDate": time(reference.created),
        }),
    )
}

/// What receipts of a customer are applied to (attributes partly assumed).
pub(super) fn applications<'a>(
    call: &Call<'_>,
    state: &FusionState,
    seller: usize,
    customer: &str,
) -> Vec<Row<'a>> {
    let own = |one: &&Receipt| one.seller == seller && one.customer.as_deref() == Some(customer);
    let of_receipt = |receipt: &Receipt| -> Vec<Row<'a>> {
        let all = receipt.applications.iter().zip(1_u32..);
        all.map(|(one, n)| {
            Row::new(
                format!("{}-{n}", receipt.id),
                json!({
                    "StandardReceiptId": call.id(receipt.id), "ReceiptNumber": receipt.number,
                    "ReferenceTransactionNumber": one.number,
                    "ReferenceInstallmentId": call.id(one.installment),
                    "ApplicationAmount": decimal(receipt.currency, one.amount),
                    "ApplicationStatus": "Applied", "ProcessStatus": null,
                }),
            )
        })
        .collect()
    };
    state.receipts.iter().filter(own).flat_map(of_receipt).collect()
}
