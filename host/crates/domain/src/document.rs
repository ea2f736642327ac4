//! Documents as they are posted to Fusion.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::id::{ContentHash, DocumentKey, GroupId, MarketplaceId, OrderId, SellerId, TransactionId};
use crate::mapping::{DocumentLine, JournalLine};
use crate::money::{Currency, Money, MoneyError};

/// A postable document. Once posted it is never edited: a correction is a reversal and a new revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Under this it is posted, at most once.
    pub key: DocumentKey,
    /// Whose books.
    pub seller: SellerId,
    /// 0 for the first, one more for each correction.
    pub revision: u32,
    /// Accounting date, in the ledger's zone.
    pub date: Date,
    /// The currency of every amount in it.
    pub currency: Currency,
    /// What it is.
    pub body: Body,
    /// What it was made with.
    pub origin: Origin,
}

/// What a document is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// A receivable for a shipped order.
    Invoice {
        /// The order.
        order: OrderId,
        /// Decides the bill-to customer.
        marketplace: MarketplaceId,
        /// Lines that sum to the order's total.
        lines: Vec<DocumentLine>,
    },
    /// What a refund takes back.
    CreditMemo {
        /// The order refunded.
        order: OrderId,
        /// The refund: the deferred transaction's id where the refund was deferred first.
        refund: TransactionId,
        /// Decides the bill-to customer.
        marketplace: MarketplaceId,
        /// Lines, negative.
        lines: Vec<DocumentLine>,
    },
    /// The journal batch of one settlement.
    Journal {
        /// The settlement.
        group: GroupId,
        /// Lines that sum to zero; debit positive.
        lines: Vec<JournalLine>,
        /// How many transactions stand behind the lines.
        transactions: u32,
    },
}

/// What a document was made with, so that it can be made again and compared byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Digest of the mapper.
    pub mapper: ContentHash,
    /// Hash of the mapper's input.
    pub input: ContentHash,
    /// Hash of the catalog version.
    pub catalog: ContentHash,
    /// The contract that the mapper was built against; empty on documents from before it was kept.
    #[serde(default)]
    pub contract: String,
    /// Hash of the mapper's settings; absent on documents from before it was kept.
    #[serde(default)]
    pub settings: Option<ContentHash>,
    /// On a journal whose settlement was mapped by more than one mapper: the digests of the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_mappers: Vec<ContentHash>,
}

impl Origin {
    /// An origin of which only the hashes of mapper, input and catalog are known.
    pub fn new(mapper: ContentHash, input: ContentHash, catalog: ContentHash) -> Self {
        Self { mapper, input, catalog, contract: String::new(), settings: None, other_mappers: Vec::new() }
    }
}

/// A document's kind, as stored, reported and audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Receivables invoice.
    Invoice,
    /// Receivables credit memo.
    CreditMemo,
    /// GL journal batch.
    Journal,
}

impl Kind {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::CreditMemo => "credit_memo",
            Self::Journal => "journal",
        }
    }

    /// The first letter of its keys.
    pub fn letter(self) -> char {
        match self {
            Self::Invoice => 'I',
            Self::CreditMemo => 'C',
            Self::Journal => 'J',
        }
    }
}

impl Document {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self.body {
            Body::Invoice { .. } => Kind::Invoice,
            Body::CreditMemo { .. } => Kind::CreditMemo,
            Body::Journal { .. } => Kind::Journal,
        }
    }

    /// What it is about, in Amazon's terms: the order, the refund or the settlement.
    pub fn subject(&self) -> &str {
        match &self.body {
            Body::Invoice { order, .. } => order.as_str(),
            Body::CreditMemo { refund, .. } => refund.as_str(),
            Body::Journal { group, .. } => group.as_str(),
        }
    }

    /// What is compared when it is read back: the lines' sum of an invoice or credit memo, the sum of the debits
    /// of a journal.
    ///
    /// # Errors
    /// Lines of two currencies, or a sum that does not fit.
    pub fn total(&self) -> Result<Money, MoneyError> {
        match &self.body {
            Body::Invoice { lines, .. } | Body::CreditMemo { lines, .. } => {
                Money::sum(self.currency, lines.iter().map(|line| line.amount))
            }
            Body::Journal { lines, .. } => {
                let debits = lines.iter().map(|line| line.amount).filter(|amount| amount.minor > 0);
                Money::sum(self.currency, debits)
            }
        }
    }
}

/// Sums journal lines by account and label, debits and credits apart, in a stable order; zero sums are dropped.
/// What stands behind each sum stays linked in the store.
///
/// # Errors
/// Lines of two currencies, or a sum that does not fit.
pub fn summarize(lines: impl IntoIterator<Item = JournalLine>) -> Result<Vec<JournalLine>, MoneyError> {
    let mut sums = std::collections::BTreeMap::<(String, String, bool), JournalLine>::new();
    for line in lines {
        let key = (line.account.clone(), line.label.clone(), line.amount.minor < 0);
        match sums.entry(key) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(line);
            }
            std::collections::btree_map::Entry::Occupied(mut sum) => {
                sum.get_mut().amount = sum.get().amount.checked_add(line.amount)?;
            }
        }
    }
    Ok(sums.into_values().filter(|line| line.amount.minor != 0).collect())
}
