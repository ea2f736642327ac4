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
    /// The date that it would bear, had that date's period not been closed (the seller's policy moved it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<Date>,
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
        /// The journal that this one takes back, line by line.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reverses: Option<DocumentKey>,
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

    /// What it is about, in Amazon's terms: the order, the refund or the settlement; the document that it takes back.
    pub fn subject(&self) -> &str {
        match &self.body {
            Body::Invoice { order, .. } => order.as_str(),
            Body::CreditMemo { refund, .. } => refund.as_str(),
            Body::Journal { reverses: Some(original), .. } => original.as_str(),
            Body::Journal { group, .. } => group.as_str(),
        }
    }

    /// The lines of an invoice or credit memo; a journal has none of these.
    pub fn lines(&self) -> &[DocumentLine] {
        match &self.body {
            Body::Invoice { lines, .. } | Body::CreditMemo { lines, .. } => lines,
            Body::Journal { .. } => &[],
        }
    }

    /// The combinations that its lines stand on.
    pub fn accounts(&self) -> Vec<&str> {
        match &self.body {
            Body::Journal { lines, .. } => lines.iter().map(|line| line.account.as_str()).collect(),
            _ => self.lines().iter().map(|line| line.account.as_str()).collect(),
        }
    }

    /// Where it was sold, on an invoice or credit memo.
    pub fn marketplace(&self) -> Option<&MarketplaceId> {
        match &self.body {
            Body::Invoice { marketplace, .. } | Body::CreditMemo { marketplace, .. } => Some(marketplace),
            Body::Journal { .. } => None,
        }
    }

    /// The day on which it happened, which stays when the accounting date is moved.
    pub fn transaction_date(&self) -> Date {
        self.moved_from.unwrap_or(self.date)
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
