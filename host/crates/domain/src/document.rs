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
        /// Lines that sum to the order's total, less what `net_of` gave back.
        lines: Vec<DocumentLine>,
        /// Credit memos of refunds that the lines have been lessened by already: only a corrected invoice has any.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        net_of: Vec<DocumentKey>,
    },
    /// What a refund or a correction takes back.
    CreditMemo {
        /// The order.
        order: OrderId,
        /// Why.
        #[serde(flatten)]
        cause: Credit,
        /// Decides the bill-to customer.
        marketplace: MarketplaceId,
        /// Lines, negative in sum.
        lines: Vec<DocumentLine>,
        /// The invoice's lines that they credit, where each was found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credits: Option<CreditedLines>,
    },
    /// The cash of one settlement for one customer, as a standard receipt.
    Receipt {
        /// The settlement and the customer: what the document is about.
        subject: String,
        /// The settlement.
        group: GroupId,
        /// Bill-to account number.
        customer: String,
        /// What the cash pays: positive for invoices, negative for credit memos.
        references: Vec<Remittance>,
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

/// Why something is taken back from a receivable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Credit {
    /// A refund.
    Refund {
        /// The deferred transaction's id where the refund was deferred first.
        refund: TransactionId,
    },
    /// The invoice was wrong: all that stands of it is taken back, and its next revision takes its place.
    Correction {
        /// The invoice.
        reverses: DocumentKey,
    },
}

impl Credit {
    /// The refund's id, or the key of the invoice that is corrected.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Refund { refund } => refund.as_str(),
            Self::Correction { reverses } => reverses.as_str(),
        }
    }
}

/// The lines of an invoice that a credit memo's lines credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditedLines {
    /// The invoice.
    pub invoice: DocumentKey,
    /// For each line of the credit memo the invoice's line, counted from 1.
    pub lines: Vec<u32>,
}

impl CreditedLines {
    /// Finds for each line of a credit memo a line of the invoice with the same class, account and product; lines of
    /// the same order item and description come first. `None` if any has none.
    pub fn find(invoice: &DocumentKey, of: &[DocumentLine], lines: &[DocumentLine]) -> Option<Self> {
        let alike = |line: &DocumentLine, one: &DocumentLine| {
            line.class == one.class && line.account == one.account && line.sku == one.sku
        };
        let nearness = |line: &DocumentLine, one: &DocumentLine| {
            (line.order_item == one.order_item, line.description == one.description)
        };
        let find = |line: &DocumentLine| {
            let numbered = of.iter().zip(1_u32..).filter(|(one, _)| alike(line, one));
            // Of several as near as each other the first.
            numbered.min_by_key(|(one, _)| std::cmp::Reverse(nearness(line, one))).map(|(_, number)| number)
        };
        let lines = lines.iter().map(find).collect::<Option<Vec<_>>>()?;
        Some(Self { invoice: invoice.clone(), lines })
    }
}

/// What a receipt's cash pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remittance {
    /// The invoice, or a credit memo that the cash was lessened by.
    pub document: DocumentKey,
    /// Positive for an invoice.
    pub amount: Money,
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
    /// Standard receipt.
    Receipt,
}

impl Kind {
    /// All kinds, in the order in which they come about.
    pub const ALL: [Self; 4] = [Self::Invoice, Self::CreditMemo, Self::Journal, Self::Receipt];

    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::CreditMemo => "credit_memo",
            Self::Journal => "journal",
            Self::Receipt => "receipt",
        }
    }

    /// The first letter of its keys.
    pub fn letter(self) -> char {
        match self {
            Self::Invoice => 'I',
            Self::CreditMemo => 'C',
            Self::Journal => 'J',
            Self::Receipt => 'R',
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
            Body::Receipt { .. } => Kind::Receipt,
        }
    }

    /// What it is about, in Amazon's terms: the order, the refund or the settlement; a correction is about the invoice
    /// that it takes back, a reversal about its journal, a receipt about a settlement and a customer.
    pub fn subject(&self) -> &str {
        match &self.body {
            Body::Invoice { order, .. } => order.as_str(),
            Body::CreditMemo { cause, .. } => cause.as_str(),
            Body::Journal { reverses: Some(original), .. } => original.as_str(),
            Body::Journal { group, .. } => group.as_str(),
            Body::Receipt { subject, .. } => subject,
        }
    }

    /// The lines of an invoice or credit memo; a journal or a receipt has none of these.
    pub fn lines(&self) -> &[DocumentLine] {
        match &self.body {
            Body::Invoice { lines, .. } | Body::CreditMemo { lines, .. } => lines,
            Body::Journal { .. } | Body::Receipt { .. } => &[],
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
            Body::Journal { .. } | Body::Receipt { .. } => None,
        }
    }

    /// The day on which it happened, which stays when the accounting date is moved.
    pub fn transaction_date(&self) -> Date {
        self.moved_from.unwrap_or(self.date)
    }

    /// What is compared when it is read back: the lines' sum of an invoice or credit memo, the sum of the debits
    /// of a journal, the cash of a receipt.
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
            Body::Receipt { references, .. } => {
                Money::sum(self.currency, references.iter().map(|reference| reference.amount))
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
