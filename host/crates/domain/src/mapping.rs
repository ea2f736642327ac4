//! What goes into a mapper and what comes out, in the domain's own terms.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::catalog::CatalogEntry;
use crate::id::{ContentHash, OrderId, OrderItemId, SellerId, Sku};
use crate::ledger::LedgerSetup;
use crate::money::Money;

/// All that a batch is mapped with, besides its records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchContext {
    /// Whose batch.
    pub seller: SellerId,
    /// The mapper's settings.
    pub settings: Vec<(String, String)>,
    /// The ledger that is posted to.
    pub ledger: LedgerSetup,
    /// The catalog's entries for the SKUs of the batch.
    pub catalog: Vec<CatalogEntry>,
}

/// Which mapper made a document, so that it can be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapperIdentity {
    /// As it describes itself.
    pub name: String,
    /// As it describes itself.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: ContentHash,
    /// The contract it was built against, e.g. `0.1.0`.
    pub contract: String,
}

/// A batch's outcomes with what it took to get them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped<T> {
    /// One per record, in order.
    pub outcomes: Vec<T>,
    /// Fuel burnt by the whole batch.
    pub fuel: u64,
    /// What the mapper logged, cut to the limits.
    pub log: Vec<String>,
}

/// Why a person has to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable, for machines: `unmapped-sku`.
    pub code: String,
    /// For people.
    pub message: String,
    /// What it is about: a SKU, a breakdown path, an account.
    pub subject: String,
}

impl Reason {
    /// A reason of the host's own.
    pub fn new(code: &str, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), subject: subject.into() }
    }
}

/// What an order means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderOutcome {
    /// A receivable with these lines.
    Invoice(Vec<DocumentLine>),
    /// A person has to look.
    Review(Vec<Reason>),
    /// Nothing for the books, and why.
    Skip(String),
}

/// What a transaction means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransactionOutcome {
    /// Lines for the settlement's journal, and what a refund takes back.
    Booking(Booking),
    /// A person has to look.
    Review(Vec<Reason>),
    /// Nothing for the books, and why.
    Skip(String),
}

/// What a transaction does to the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// Lines that sum to zero.
    pub journal: Vec<JournalLine>,
    /// What a refund takes back from the receivable.
    pub credit_memo: Option<CreditMemoOutcome>,
}

/// What a refund means for the receivable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CreditMemoOutcome {
    /// A credit memo against this order with these lines, which are negative.
    CreditMemo {
        /// The order refunded.
        order: OrderId,
        /// The lines.
        lines: Vec<DocumentLine>,
    },
    /// A person has to look.
    Review(Vec<Reason>),
}

/// A line of an invoice or a credit memo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentLine {
    /// What it is.
    pub description: String,
    /// Positive on an invoice (discounts aside), negative on a credit memo.
    pub amount: Money,
    /// Pieces.
    pub quantity: u32,
    /// The whole account combination.
    pub account: String,
    /// The product, if it is about one.
    pub sku: Option<Sku>,
    /// The order item, if it is about one.
    pub order_item: Option<OrderItemId>,
    /// The rule that decided the account.
    pub rule: String,
    /// What kind of line it is to the receivable.
    #[serde(default, skip_serializing_if = "LineClass::is_revenue")]
    pub class: LineClass,
}

/// What kind of line it is to the receivable. A mapper says it by `extra: [("class", "tax")]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineClass {
    /// An ordinary line.
    #[default]
    Revenue,
    /// Tax, which is sent as a tax line where the marketplace has a tax code.
    Tax,
}

impl LineClass {
    fn is_revenue(&self) -> bool {
        matches!(self, Self::Revenue)
    }
}

/// A line of a journal: positive is a debit, negative a credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalLine {
    /// The whole account combination.
    pub account: String,
    /// Debit if positive.
    pub amount: Money,
    /// What lines are summed by, together with the account.
    pub label: String,
    /// The rule that decided the account.
    pub rule: String,
    /// What it is worth in the ledger's currency, where Fusion's rate of the journal's day does not say. No mapper
    /// decides that: the host does, when it makes the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion: Option<Conversion>,
}

/// How a journal line in a foreign currency is converted, other than by Fusion's rate of the journal's day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conversion {
    /// It is worth exactly this, in the ledger's currency.
    Accounted(Money),
    /// By Fusion's rate of this day: that of the line which it takes back.
    RateOf(Date),
}

impl JournalLine {
    /// What it is worth in the ledger's currency, if the journal says so.
    pub fn accounted(&self) -> Option<Money> {
        match self.conversion {
            Some(Conversion::Accounted(worth)) => Some(worth),
            _ => None,
        }
    }

    /// The day of whose rate Fusion converts it, where that is not the journal's.
    pub fn rate_day(&self) -> Option<Date> {
        match self.conversion {
            Some(Conversion::RateOf(day)) => Some(day),
            _ => None,
        }
    }
}
