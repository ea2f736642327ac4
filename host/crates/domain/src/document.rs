//! Documents as they are posted to Fusion.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::fx::OwnRate;
use crate::id::{ContentHash, DocumentKey, GroupId, MarketplaceId, OrderId, SellerId, TransactionId};
use crate::mapping::{DocumentLine, JournalLine};
use crate::money::{Currency, Money, MoneyError};
use crate::shipment::Shipment;

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
        /// Lines that sum to the order's total, or its shipment's share of it, less what `net_of` gave back.
        lines: Vec<DocumentLine>,
        /// Credit memos of refunds that the lines have been lessened by already: only a corrected invoice has any.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        net_of: Vec<DocumentKey>,
        /// Which of several shipments it is of; none where the order left at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shipment: Option<Shipment>,
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
    /// A journal batch.
    Journal {
        /// Of what.
        #[serde(flatten)]
        of: JournalOf,
        /// Lines that sum to zero; debit positive.
        lines: Vec<JournalLine>,
        /// How many transactions stand behind the lines.
        transactions: u32,
        /// The journal that this one takes back, line by line.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reverses: Option<DocumentKey>,
        /// The settlement's own rate, where every line is worth what it says in the ledger's currency.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rate: Option<OwnRate>,
    },
}

/// What a journal is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum JournalOf {
    /// A settlement, or one month of it.
    Settlement {
        /// The settlement.
        group: GroupId,
        /// Which month of it, where it crosses a month's end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part: Option<Part>,
        /// Which adjustment of it, from 1: of what Amazon showed or changed after it was journaled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        adjustment: Option<u32>,
    },
    /// Money that Amazon holds back at a month's end, and what it held back before and has released.
    Deferred {
        /// The seller's month and currency.
        accrual: Accrual,
    },
}

/// One month of a settlement that crosses a month's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `<settlement>/<number>`: what the document is about.
    pub subject: String,
    /// From 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
    /// Between which accounts money was moved by the cut.
    pub accounts: CarryAccounts,
}

/// The two accounts that cutting a settlement moves money between, as whole combinations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarryAccounts {
    /// What Amazon owes the seller.
    pub settlement: String,
    /// What earlier months of a settlement came to, until it closes.
    pub carry_forward: String,
}

/// The deferred money of one month and currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accrual {
    /// `deferred/<month>/<currency>`: what the document is about.
    pub subject: String,
    /// `2026-10`.
    pub month: String,
}

impl Accrual {
    /// That of the month in which `day` lies.
    pub fn of(day: Date, currency: Currency) -> Self {
        let month = month(day);
        Self { subject: format!("deferred/{month}/{currency}"), month }
    }
}

/// The calendar month of a day: `2026-10`.
pub fn month(day: Date) -> String {
    day.strftime("%Y-%m").to_string()
}

impl JournalOf {
    /// A whole settlement.
    pub fn whole(group: GroupId) -> Self {
        Self::Settlement { group, part: None, adjustment: None }
    }

    /// One of the months of a settlement; of a single one nothing needs to be said.
    pub fn part_of(group: GroupId, number: u32, of: u32, accounts: &CarryAccounts) -> Self {
        let subject = || format!("{group}/{number}");
        let part = (of > 1).then(|| Part { subject: subject(), number, of, accounts: accounts.clone() });
        Self::Settlement { group, part, adjustment: None }
    }

    /// One of the months of a settlement's adjustment; what it is about is its own even if it is the only one.
    pub fn adjusting(
        group: GroupId,
        adjustment: u32,
        (number, of): (u32, u32),
        accounts: &CarryAccounts,
    ) -> Self {
        let subject = match of {
            1 => format!("{group}/adjustment-{adjustment}"),
            _ => format!("{group}/adjustment-{adjustment}/{number}"),
        };
        let part = Some(Part { subject, number, of, accounts: accounts.clone() });
        Self::Settlement { group, part, adjustment: Some(adjustment) }
    }

    /// The settlement, if it is of one.
    pub fn group(&self) -> Option<&GroupId> {
        match self {
            Self::Settlement { group, .. } => Some(group),
            Self::Deferred { .. } => None,
        }
    }

    /// What a journal of it is about.
    pub fn subject(&self) -> &str {
        match self {
            Self::Settlement { part: Some(part), .. } => &part.subject,
            Self::Settlement { group, .. } => group.as_str(),
            Self::Deferred { accrual } => &accrual.subject,
        }
    }
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

    /// What it is about, in Amazon's terms: the order or its shipment, the refund, the settlement or its part, or a month's deferred money;
    /// a correction is about the invoice that it takes back, a reversal about its journal, a receipt about a settlement and a
    /// customer.
    pub fn subject(&self) -> &str {
        match &self.body {
            Body::Invoice { shipment: Some(shipment), .. } => &shipment.subject,
            Body::Invoice { order, .. } => order.as_str(),
            Body::CreditMemo { cause, .. } => cause.as_str(),
            Body::Journal { reverses: Some(original), .. } => original.as_str(),
            Body::Journal { of, .. } => of.subject(),
            Body::Receipt { subject, .. } => subject,
        }
    }

    /// Kind and id of the record that it stands at the end of: an order, a refund's transaction, a settlement; or what it is about,
    /// for a month's deferred money.
    pub fn record(&self) -> (&'static str, &str) {
        match &self.body {
            Body::CreditMemo { cause: Credit::Refund { refund }, .. } => ("transaction", refund.as_str()),
            Body::Invoice { order, .. } | Body::CreditMemo { order, .. } => ("order", order.as_str()),
            Body::Journal { of: JournalOf::Settlement { group, .. }, .. } | Body::Receipt { group, .. } => {
                ("group", group.as_str())
            }
            Body::Journal { of, .. } => ("accrual", of.subject()),
        }
    }

    /// The settlement that a journal or a receipt belongs to.
    pub fn group(&self) -> Option<&GroupId> {
        match &self.body {
            Body::Journal { of, .. } => of.group(),
            Body::Receipt { group, .. } => Some(group),
            Body::Invoice { .. } | Body::CreditMemo { .. } => None,
        }
    }

    /// The lines of an invoice or credit memo; a journal or a receipt has none of these.
    pub fn lines(&self) -> &[DocumentLine] {
        match &self.body {
            Body::Invoice { lines, .. } | Body::CreditMemo { lines, .. } => lines,
            Body::Journal { .. } | Body::Receipt { .. } => &[],
        }
    }

    /// The lines of a journal; nothing else has any of these.
    pub fn journal_lines(&self) -> &[JournalLine] {
        match &self.body {
            Body::Journal { lines, .. } => lines,
            _ => &[],
        }
    }

    /// The settlement's own rate by which a journal is converted, if it is.
    pub fn own_rate(&self) -> Option<&OwnRate> {
        match &self.body {
            Body::Journal { rate, .. } => rate.as_ref(),
            _ => None,
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

/// Sums journal lines by account and label, debits and credits apart, in a stable order; zero sums are dropped, and lines
/// that are converted in different ways stay apart. What stands behind each sum stays linked in the store.
///
/// These are lines before they are given a worth in the ledger's currency: that is worked out from the sums.
///
/// # Errors
/// Lines of two currencies, or a sum that does not fit.
pub fn summarize(lines: impl IntoIterator<Item = JournalLine>) -> Result<Vec<JournalLine>, MoneyError> {
    let mut sums = std::collections::BTreeMap::<_, JournalLine>::new();
    for line in lines {
        let key = (line.account.clone(), line.label.clone(), line.amount.minor < 0, line.conversion);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journals_from_before_there_were_parts_are_read_and_written_as_they_were() {
        let old = r#"{"kind":"journal","group":"G1","lines":[],"transactions":2}"#;
        let body: Body = serde_json::from_str(old).expect("a body");
        let Body::Journal { of, .. } = &body else { panic!("a journal") };
        assert_eq!((of.subject(), of), ("G1", &JournalOf::whole("G1".into())));
        assert_eq!(serde_json::to_string(&body).expect("json"), old);
    }

    #[test]
    fn parts_adjustments_and_accruals_are_about_something_of_their_own() {
        let accounts = CarryAccounts { settlement: "11800".to_owned(), carry_forward: "12950".to_owned() };
        let of = [
            JournalOf::part_of("G1".into(), 1, 1, &accounts),
            JournalOf::part_of("G1".into(), 2, 3, &accounts),
            JournalOf::adjusting("G1".into(), 1, (1, 1), &accounts),
            JournalOf::adjusting("G1".into(), 2, (2, 2), &accounts),
            JournalOf::Deferred { accrual: Accrual::of(jiff::civil::date(2026, 10, 31), Currency::USD) },
        ];
        assert_eq!(
            of.each_ref().map(JournalOf::subject),
            ["G1", "G1/2", "G1/adjustment-1", "G1/adjustment-2/2", "deferred/2026-10/USD"]
        );
        for of in of {
            let body = Body::Journal {
                of: of.clone(),
                lines: Vec::new(),
                transactions: 0,
                reverses: None,
                rate: None,
            };
            let json = serde_json::to_string(&body).expect("json");
            assert_eq!(serde_json::from_str::<Body>(&json).expect("a body"), body, "{json}");
        }
    }
}
