//! receivablesInvoices and receivablesCreditMemos.

mod amount;
mod check;
mod create;
mod distributions;
mod lines;
mod rows;
mod schema;

use std::collections::BTreeMap;

use serde_json::Value;

pub(super) use amount::{decimal, minor};
pub(super) use check::{due, terms};
pub(super) use create::{create, delete, patch, take};
pub(super) use distributions::generated;
pub(super) use lines::is_tax;
pub(super) use rows::{CREDIT_MEMOS, INVOICES, installment};

use super::FusionState;
use crate::scenario::Currency;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// receivablesInvoices.
    Invoice,
    /// receivablesCreditMemos.
    CreditMemo,
}

/// An invoice or a credit memo.
#[derive(Debug, Clone)]
pub struct Document {
    /// CustomerTransactionId.
    pub id: u64,
    /// InstallmentId: what a receipt is applied to.
    pub installment: u64,
    /// TransactionNumber.
    pub number: String,
    /// Seller whose business unit it is in.
    pub seller: usize,
    /// TransactionSource.
    pub source: String,
    /// TransactionType.
    pub transaction_type: String,
    /// Currency.
    pub currency: Currency,
    /// CrossReference of an invoice, PurchaseOrder of a credit memo.
    pub reference: String,
    /// PurchaseOrder.
    pub purchase_order: String,
    /// BillToCustomerNumber.
    pub customer: String,
    /// PaymentTerms.
    pub terms: String,
    /// Accounting date.
    pub date: String,
    /// TransactionDate.
    pub transaction_date: String,
    /// DueDate.
    pub due_date: String,
    /// Conversion type, rate and date, of a foreign currency.
    pub conversion: [Option<String>; 3],
    /// Comments.
    pub comments: Option<String>,
    /// CreditReason.
    pub reason: Option<String>,
    /// InvoiceStatus or CreditMemoStatus.
    pub status: String,
    /// Transaction flexfield: context and segments.
    pub flexfield: Option<(String, BTreeMap<String, String>)>,
    /// Lines.
    pub lines: Vec<DocumentLine>,
    /// Distributions, sent or generated.
    pub distributions: Vec<Distribution>,
    /// What receipts have paid of it.
    pub paid: i64,
    /// What credit memos that name it have taken off it.
    pub credited: i64,
    /// When it was created, in milliseconds.
    pub created: i64,
    /// When it was changed last.
    pub updated: i64,
}

impl Document {
    /// Sum of lines and taxes in minor units.
    pub fn total(&self) -> i64 {
        self.lines.iter().map(DocumentLine::total).sum()
    }

    /// What is still open; negative for a credit memo that is not used up.
    pub fn balance(&self) -> i64 {
        self.total() - self.paid - self.credited
    }

    /// What it is about: its reference, or else what its purchase order, lines or flexfield say.
    pub fn subject(&self) -> &str {
        let first = |text: &'_ str| !text.is_empty();
        if first(&self.reference) {
            return &self.reference;
        }
        if first(&self.purchase_order) {
            return &self.purchase_order;
        }
        let order = self.lines.iter().find_map(|line| line.sales_order.as_deref());
        order.unwrap_or_default()
    }
}

/// A line.
#[derive(Debug, Clone)]
pub struct DocumentLine {
    /// LineNumber.
    pub number: u64,
    /// Description.
    pub description: String,
    /// Without tax, in minor units.
    pub amount: i64,
    /// Quantity as it was sent.
    pub quantity: Option<Value>,
    /// UnitSellingPrice as it was sent.
    pub price: Option<Value>,
    /// SalesOrder.
    pub sales_order: Option<String>,
    /// Tax lines.
    pub taxes: Vec<TaxLine>,
    /// Line transaction flexfield of a line that was imported: context and attributes.
    pub key: Option<Vec<String>>,
}

impl DocumentLine {
    /// With tax.
    pub fn total(&self) -> i64 {
        self.amount + self.taxes.iter().map(|tax| tax.amount).sum::<i64>()
    }
}

/// A tax line.
#[derive(Debug, Clone)]
pub struct TaxLine {
    /// Minor units.
    pub amount: i64,
    /// TaxRegimeCode.
    pub regime: String,
    /// TaxRateCode.
    pub rate_code: String,
}

/// A distribution.
#[derive(Debug, Clone)]
pub struct Distribution {
    /// Receivable, Revenue, Tax or Freight.
    pub class: String,
    /// Combination.
    pub account: String,
    /// Minor units.
    pub amount: i64,
    /// Line that it belongs to; none for the receivable.
    pub line: Option<u64>,
    /// Number of the tax line within its line.
    pub tax_line: Option<u64>,
}

impl FusionState {
    /// The document of an id.
    pub(super) fn document(&self, kind: Kind, id: &str) -> Option<&Document> {
        let id: u64 = id.parse().ok()?;
        let all = self.documents(kind);
        all.binary_search_by_key(&id, |document| document.id).ok().map(|at| &all[at])
    }

    /// The document of an id, to be changed.
    pub(super) fn document_mut(&mut self, kind: Kind, id: u64) -> Option<&mut Document> {
        let all = self.documents_mut(kind);
        let at = all.binary_search_by_key(&id, |document| document.id).ok()?;
        Some(&mut all[at])
    }

    /// The documents of a number, of all business units and sources.
    pub(super) fn by_number(&self, kind: Kind, number: &str) -> Vec<&Document> {
        let found = self.numbers.get(&(kind, number.to_owned())).into_iter().flatten();
        found.filter_map(|id| self.document(kind, &id.to_string())).collect()
    }
}
