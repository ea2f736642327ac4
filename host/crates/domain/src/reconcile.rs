//! Expected against observed: what should be in Fusion and what was read back from it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::document::Kind;
use crate::id::{DocumentKey, FusionId, SellerId};
use crate::money::{Currency, Money, MoneyError};

/// A document that should be in Fusion, with what Amazon says it amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its key.
    pub key: DocumentKey,
    /// Whose.
    pub seller: SellerId,
    /// What it is.
    pub kind: Kind,
    /// The order, refund or settlement.
    pub subject: String,
    /// Amazon's figure: an order's total, minus what a refund gave back, a settlement's total.
    pub total: Money,
    /// What was sent; `None` where it cannot be told any more, and only the figure is compared.
    pub sent: Option<Sent>,
    /// The number that Fusion answered with; `None` while the document is not confirmed.
    pub fusion_id: Option<FusionId>,
}

/// Where an amount stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The class of a receivable's distribution (`Receivable`, `Revenue`, `Tax`); empty on a journal.
    pub class: String,
    /// The whole account combination.
    pub account: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.class.is_empty() {
            f.write_str(&self.account)
        } else {
            write!(f, "{} {}", self.class, self.account)
        }
    }
}

/// Amounts by place, in minor units of one currency: a receivable's distributions, a journal's debits less credits.
/// A place that nets to nothing is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts(BTreeMap<Place, i64>);

impl Amounts {
    /// Adds to a place.
    ///
    /// # Errors
    /// The sum does not fit.
    pub fn add(&mut self, class: &str, account: &str, minor: i64) -> Result<(), MoneyError> {
        let place = Place { class: class.to_owned(), account: account.to_owned() };
        let sum = self.0.get(&place).copied().unwrap_or_default().checked_add(minor);
        match sum.ok_or_else(|| MoneyError::OutOfRange(format!("the sum at {place}")))? {
            0 => self.0.remove(&place),
            sum => self.0.insert(place, sum),
        };
        Ok(())
    }

    /// What stands at an account, over all classes.
    pub fn at(&self, account: &str) -> i64 {
        self.0.iter().filter(|(place, _)| place.account == account).map(|(_, minor)| minor).sum()
    }

    /// All accounts.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|place| place.account.as_str())
    }

    /// Places where the two differ: the place, what stands here, what stands there.
    pub fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a Place, i64, i64)> {
        let here = self
            .0
            .iter()
            .map(|(place, minor)| (place, *minor, other.0.get(place).copied().unwrap_or_default()));
        let there = other.0.iter().filter(|(place, _)| !self.0.contains_key(place));
        here.chain(there.map(|(place, minor)| (place, 0, *minor))).filter(|(_, here, there)| here != there)
    }
}

/// What a document is in Fusion, if it stands there as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The currency of all amounts.
    pub currency: Currency,
    /// Amounts by account.
    pub amounts: Amounts,
    /// What each account's amounts are worth in the ledger's currency, where the document says so.
    pub accounted: Option<Accounted>,
    /// Its lines, without tax lines.
    pub lines: u32,
}

/// What a journal's lines are worth in the ledger's currency, by account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounted {
    /// The ledger's currency.
    pub currency: Currency,
    /// Debits less credits.
    pub amounts: Amounts,
}

/// What Fusion holds of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Fusion's number.
    pub fusion_id: FusionId,
    /// Its figure: the sum of the lines with tax, or the net debit on the settlement account.
    pub total: Money,
    /// The day that a receivable bears, where it was read.
    pub date: Option<jiff::civil::Date>,
    /// Amounts by account.
    pub amounts: Amounts,
    /// What they are worth in the ledger's currency, of a journal in another.
    pub accounted: Option<Accounted>,
    /// Its lines, without tax lines.
    pub lines: u32,
    /// Fusion's status, if it has one: `Complete`, `Incomplete`, `U`, `P`.
    pub status: Option<String>,
    /// The number that it bears instead of its key: its source numbers by itself.
    pub renumbered: Option<String>,
}

/// What was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// Exactly one document under the key, or under the Amazon number that it carries.
    One(Box<Content>),
    /// None.
    Nothing,
    /// More than one.
    Several(u32),
}

/// What a check found wrong. `code` is stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The document's key.
    pub key: DocumentKey,
    /// What it is.
    pub kind: Kind,
    /// The order, refund or settlement.
    pub subject: String,
    /// `missing`, `deleted`, `doubled`, `amount`, `account`, `accounted`, `edited`, `number`, `renumbered`.
    pub code: String,
    /// In words, with both figures.
    pub message: String,
}

impl Finding {
    /// Whether the document stands all the same as it was sent, so that it may count as posted.
    pub fn stands(&self) -> bool {
        matches!(self.code.as_str(), "renumbered" | "number")
    }
}

/// Compares one document; `None` means it ties out.
pub fn check(expected: &Expected, observed: &Observed) -> Option<Finding> {
    let (code, message) = match observed {
        Observed::Nothing => match &expected.fusion_id {
            Some(known) => (
                "deleted",
                format!("Fusion held it as {known} over {} and does not any more", expected.total),
            ),
            None => ("missing", format!("{} is not in Fusion", expected.total)),
        },
        Observed::Several(count) => ("doubled", format!("Fusion holds {count} documents under one key")),
        Observed::One(content) => compare(expected, content)?,
    };
    Some(Finding {
        key: expected.key.clone(),
        kind: expected.kind,
        subject: expected.subject.clone(),
        code: code.to_owned(),
        message,
    })
}

fn compare(expected: &Expected, content: &Content) -> Option<(&'static str, String)> {
    if content.total != expected.total {
        let words = format!("Amazon says {}, Fusion holds {}", expected.total, content.total);
        return Some(("amount", words));
    }
    if let Some(found) = expected.sent.as_ref().and_then(|sent| rearranged(sent, content)) {
        return Some(found);
    }
    if content.status.as_deref() == Some("Incomplete") {
        return Some(("edited", "somebody has set it back to Incomplete".to_owned()));
    }
    if let Some(number) = &content.renumbered {
        let words = format!("its source numbers by itself: it stands as {number}, not under its key");
        return Some(("renumbered", words));
    }
    match &expected.fusion_id {
        Some(known) if *known != content.fusion_id => {
            Some(("number", format!("Fusion answered with {known} and now holds {}", content.fusion_id)))
        }
        _ => None,
    }
}

/// The same total in another arrangement, or worth something else in the ledger's currency.
fn rearranged(sent: &Sent, content: &Content) -> Option<(&'static str, String)> {
    if let Some(words) = differing(&sent.amounts, &content.amounts, sent.currency) {
        return Some(("account", words));
    }
    if let Some(ours) = &sent.accounted {
        let nothing = Accounted { currency: ours.currency, amounts: Amounts::default() };
        let theirs = content.accounted.as_ref().unwrap_or(&nothing);
        if theirs.currency != ours.currency {
            let words = format!("sent in {}, Fusion's ledger is in {}", ours.currency, theirs.currency);
            return Some(("accounted", words));
        }
        if let Some(words) = differing(&ours.amounts, &theirs.amounts, ours.currency) {
            return Some(("accounted", format!("in the ledger's currency {words}")));
        }
    }
    (sent.lines != content.lines)
        .then(|| ("edited", format!("sent with {} lines, Fusion holds {}", sent.lines, content.lines)))
}

/// Where amounts differ, in words; the first five places.
fn differing(ours: &Amounts, theirs: &Amounts, currency: Currency) -> Option<String> {
    let decimal = |minor| Money::new(minor, currency).to_string();
    let differences: Vec<String> = ours
        .differences(theirs)
        .take(5)
        .map(|(place, ours, theirs)| {
            format!("{place}: sent {}, Fusion holds {}", decimal(ours), decimal(theirs))
        })
        .collect();
    (!differences.is_empty()).then(|| differences.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(rows: &[(&str, &str, i64)]) -> Amounts {
        let mut amounts = Amounts::default();
        rows.iter().for_each(|(class, account, minor)| amounts.add(class, account, *minor).expect("fits"));
        amounts
    }

    fn sent() -> Amounts {
        amounts(&[("Receivable", "12100", 1_000), ("Revenue", "41000", 900), ("Revenue", "41100", 100)])
    }

    fn expected() -> Expected {
        Expected {
            key: DocumentKey::from_stored("IABC"),
            seller: "A1".into(),
            kind: Kind::Invoice,
            subject: "113-1".to_owned(),
            total: Money::new(1_000, Currency::USD),
            sent: Some(Sent { currency: Currency::USD, amounts: sent(), accounted: None, lines: 2 }),
            fusion_id: Some("7".into()),
        }
    }

    fn content() -> Content {
        Content {
            fusion_id: "7".into(),
            total: Money::new(1_000, Currency::USD),
            amounts: sent(),
            accounted: None,
            lines: 2,
            status: Some("Complete".to_owned()),
            renumbered: None,
            date: None,
        }
    }

    #[test]
    fn each_way_of_differing_is_named() {
        let one = |change: fn(&mut Content)| {
            let mut content = content();
            change(&mut content);
            Observed::One(Box::new(content))
        };
        let rows = [
            (one(|_| {}), None),
            (one(|c| c.total.minor = 999), Some("amount")),
            (one(|c| c.total.currency = Currency::JPY), Some("amount")),
            (
                one(|c| c.amounts = amounts(&[("Receivable", "12100", 1_000), ("Revenue", "41000", 1_000)])),
                Some("account"),
            ),
            (one(|c| c.amounts = Amounts::default()), Some("account")),
            (one(|c| c.lines = 3), Some("edited")),
            (one(|c| c.status = Some("Incomplete".to_owned())), Some("edited")),
            (one(|c| c.fusion_id = "8".into()), Some("number")),
            (one(|c| c.renumbered = Some("1007".to_owned())), Some("renumbered")),
            (Observed::Nothing, Some("deleted")),
            (Observed::Several(2), Some("doubled")),
        ];
        for (observed, code) in rows {
            let found = check(&expected(), &observed).map(|finding| finding.code);
            assert_eq!(found.as_deref(), code, "{observed:?}");
        }
        let never_seen = Expected { fusion_id: None, ..expected() };
        assert_eq!(
            check(&never_seen, &Observed::Nothing).map(|found| found.code).as_deref(),
            Some("missing")
        );
    }

    #[test]
    fn what_a_journal_is_worth_in_the_ledgers_currency_is_compared_where_it_was_sent() {
        let euros = |minor| Accounted {
            currency: "EUR".parse().expect("a currency"),
            amounts: amounts(&[("", "11800", minor), ("", "12150", -minor)]),
        };
        let with = |sent: Option<Accounted>, held: Option<Accounted>| {
            let mut expected = expected();
            expected.sent.as_mut().expect("it was sent").accounted = sent;
            let content = Content { accounted: held, ..content() };
            check(&expected, &Observed::One(Box::new(content))).map(|found| (found.code, found.message))
        };
        let yen = Accounted { currency: Currency::JPY, ..euros(900) };
        assert_eq!(with(None, Some(euros(900))), None, "Fusion converted it");
        assert_eq!(with(Some(euros(900)), Some(euros(900))), None);
        let (code, words) = with(Some(euros(900)), Some(euros(899))).expect("a finding");
        assert_eq!(code, "accounted");
        assert!(words.contains("11800: sent 9.00 EUR, Fusion holds 8.99 EUR"), "{words}");
        for held in [None, Some(yen)] {
            assert_eq!(with(Some(euros(900)), held).expect("a finding").0, "accounted");
        }
    }

    #[test]
    fn what_stands_under_another_number_is_posted_all_the_same() {
        let mut renumbered = content();
        renumbered.renumbered = Some("1007".to_owned());
        let found = check(&expected(), &Observed::One(Box::new(renumbered.clone()))).expect("a finding");
        assert!(found.stands());
        renumbered.lines = 9;
        let found = check(&expected(), &Observed::One(Box::new(renumbered))).expect("a finding");
        assert!(!found.stands(), "something else that carries the same Amazon number");
    }

    #[test]
    fn a_difference_names_the_account_and_both_figures() {
        let moved = Content {
            amounts: amounts(&[("Receivable", "12100", 1_000), ("Revenue", "41000", 1_000)]),
            ..content()
        };
        let found = check(&expected(), &Observed::One(Box::new(moved))).expect("a finding");
        assert_eq!(
            found.message,
            "Revenue 41000: sent 9.00 USD, Fusion holds 10.00 USD; Revenue 41100: sent 1.00 USD, Fusion holds 0.00 USD"
        );
    }
}
