//! The seven tie-outs by which a period's books are proven: every figure that two sources tell is compared exactly.
//!
//! What two sources tell differently is a finding. What cannot be compared yet, because something is still under way or
//! waits for a person, is an open item with its amount: it is never silently left out.

use serde::Serialize;

use crate::id::SellerId;
use crate::money::Money;

/// The tie-outs, in the order in which they are reported.
pub const NAMES: [(&str, &str); 7] = [
    ("T1", "settlement report = group total = payout"),
    ("T2", "transactions of a settlement = its total"),
    ("T3", "journaled lines = booked legs"),
    ("T4", "documents read back = documents sent"),
    ("T5", "reserve held back = reserve given back"),
    ("T6", "deferred money, rolled forward = its account"),
    ("T7", "carried forward, in transit, clearing and receivable = open items"),
];

/// One tie-out over a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TieOut {
    /// `T1` to `T7`.
    pub id: &'static str,
    /// What is compared.
    pub name: &'static str,
    /// How many figures were compared.
    pub checks: u64,
    /// How many of them differ.
    pub differences: u64,
    /// Those that differ.
    pub findings: Vec<Difference>,
    /// What could not be compared yet, or explains a balance.
    pub open_items: Vec<OpenItem>,
}

/// Two sources that do not say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Whose.
    pub seller: SellerId,
    /// The settlement, document or account.
    pub subject: String,
    /// Currency of both amounts, ISO 4217.
    pub currency: String,
    /// What Amazon's side says, in decimal digits.
    pub expected: String,
    /// What stands in the books, in decimal digits.
    pub found: String,
    /// Why, as far as it can be told.
    pub cause: String,
}

/// Money that is under way, or waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenItem {
    /// Whose.
    pub seller: SellerId,
    /// The settlement, document, transaction or account.
    pub subject: String,
    /// Currency of the amount, ISO 4217.
    pub currency: String,
    /// In decimal digits.
    pub amount: String,
    /// Why it is open.
    pub cause: String,
}

impl TieOut {
    /// The one with an id of [`NAMES`], with nothing compared yet.
    pub fn new(id: &str) -> Self {
        let (id, name) = NAMES.into_iter().find(|(known, _)| *known == id).unwrap_or(("", ""));
        Self { id, name, checks: 0, differences: 0, findings: Vec::new(), open_items: Vec::new() }
    }

    /// Compares two figures.
    pub fn check(&mut self, seller: &SellerId, subject: &str, expected: Money, found: Money, cause: &str) {
        self.checks += 1;
        if expected != found {
            self.differences += 1;
            self.findings.push(Difference {
                seller: seller.clone(),
                subject: subject.to_owned(),
                currency: expected.currency.code().to_owned(),
                expected: expected.decimal(),
                found: if found.currency == expected.currency { found.decimal() } else { found.to_string() },
                cause: cause.to_owned(),
            });
        }
    }

    /// Names money that is open.
    pub fn open(&mut self, seller: &SellerId, subject: &str, amount: Money, cause: impl Into<String>) {
        self.open_items.push(OpenItem {
            seller: seller.clone(),
            subject: subject.to_owned(),
            currency: amount.currency.code().to_owned(),
            amount: amount.decimal(),
            cause: cause.into(),
        });
    }

    /// Adds what another seller's tie-out of the same id found.
    pub fn add(&mut self, other: Self) {
        self.checks += other.checks;
        self.differences += other.differences;
        self.findings.extend(other.findings);
        self.open_items.extend(other.open_items);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    #[test]
    fn what_differs_is_a_finding_and_what_is_open_is_none() {
        let mut of = TieOut::new("T2");
        let money = |minor| Money::new(minor, Currency::USD);
        of.check(&"A1".into(), "G1", money(500), money(500), "");
        of.check(&"A1".into(), "G2", money(500), money(499), "a row is missing");
        of.check(&"A1".into(), "G3", money(0), Money::zero(Currency::JPY), "another currency");
        of.open(&"A1".into(), "G4", money(7), "waits");
        assert_eq!((of.id, of.checks, of.differences, of.open_items.len()), ("T2", 3, 2, 1));
        assert_eq!((of.findings[0].expected.as_str(), of.findings[0].found.as_str()), ("5.00", "4.99"));
        assert_eq!(of.findings[1].found, "0 JPY");
    }
}
