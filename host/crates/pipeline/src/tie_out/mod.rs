//! Ties a period's books out, seven ways ([`ml_connector_domain::tie_out`]), from what the store holds: Amazon's records on
//! one side, documents as Fusion confirmed them and as they were last read back on the other.
//!
//! # To add a tie-out
//!
//! 1. Name it in `ml_connector_domain::tie_out::NAMES`.
//! 2. Write it as a function over [`Books`] in a module here, and call it in [`tie_out`].
//! 3. What cannot be compared yet is an open item with its amount, never left out.

mod balances;
mod books;
mod converted;
mod deferred;
mod settlements;

use ml_connector_audit::period::Period;
use ml_connector_domain::tie_out::TieOut;
use ml_connector_domain::{Currency, Money};
use ml_connector_storage::{ReviewTotals, Store};
use serde::Serialize;

use crate::{Seller, StageError};
use books::Books;

/// A period's tie-outs over some sellers.
#[derive(Debug, Clone, Serialize)]
pub struct PeriodReport {
    /// `2026-10`.
    pub period: String,
    /// Whose books.
    pub sellers: Vec<String>,
    /// T1 to T7.
    pub tie_outs: Vec<TieOut>,
    /// What waits for a person, whatever period it belongs to.
    pub review: Vec<InReview>,
    /// What accounts must hold at the period's end by Amazon's records.
    pub balances: Vec<Balance>,
}

/// What waits for a person for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InReview {
    /// What kind of thing.
    pub kind: String,
    /// The reason's code.
    pub code: String,
    /// How many.
    pub subjects: u64,
    /// ISO 4217; nothing where no money is known to be at stake.
    pub currency: Option<String>,
    /// The money at stake, in decimal digits.
    pub at_stake: Option<String>,
    /// Since when the oldest waits.
    pub oldest: String,
}

/// What an account must hold at a period's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// Whose.
    pub seller: String,
    /// The whole account combination.
    pub account: String,
    /// ISO 4217.
    pub currency: String,
    /// Debit positive, in decimal digits.
    pub amount: String,
}

/// Ties out a period of each of these sellers.
///
/// # Errors
/// The store failed, or holds what cannot be read back.
pub async fn tie_out(
    store: &dyn Store,
    sellers: &[Seller],
    period: Period,
) -> Result<PeriodReport, StageError> {
    let mut report = PeriodReport {
        period: period.to_string(),
        sellers: sellers.iter().map(|seller| seller.id.as_str().to_owned()).collect(),
        tie_outs: ml_connector_domain::tie_out::NAMES.iter().map(|(id, _)| TieOut::new(id)).collect(),
        review: store.review_totals().await?.into_iter().map(in_review).collect(),
        balances: Vec::new(),
    };
    for seller in sellers {
        let books = Books::read(store, seller, period).await?;
        let expected = balances::expected(&books)?;
        let found = [
            settlements::statements(&books),
            settlements::transactions(&books)?,
            settlements::lines(&books)?,
            settlements::read_back(&books, store).await?,
            settlements::reserves(&books)?,
            deferred::rolled_forward(&books)?,
            balances::explained(&books, &expected)?,
        ];
        for (all, own) in report.tie_outs.iter_mut().zip(found) {
            all.add(own);
        }
        report.balances.extend(expected.iter().map(|(account, amount)| Balance {
            seller: seller.id.as_str().to_owned(),
            account: account.to_owned(),
            currency: amount.currency.code().to_owned(),
            amount: amount.decimal(),
        }));
    }
    Ok(report)
}

fn in_review(row: ReviewTotals) -> InReview {
    InReview {
        kind: row.kind,
        code: row.code,
        subjects: row.subjects,
        currency: row.at_stake.map(|money| money.currency.code().to_owned()),
        at_stake: row.at_stake.map(Money::decimal),
        oldest: row.oldest.to_string(),
    }
}

/// Sums by a key and currency, in a stable order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums(std::collections::BTreeMap<(String, Currency), i64>);

impl Sums {
    pub(crate) fn add(&mut self, key: &str, money: Money) -> Result<(), StageError> {
        let sum = self.0.entry((key.to_owned(), money.currency)).or_default();
        *sum = Money::new(*sum, money.currency).checked_add(money)?.minor;
        Ok(())
    }

    pub(crate) fn at(&self, key: &str, currency: Currency) -> Money {
        Money::new(self.0.get(&(key.to_owned(), currency)).copied().unwrap_or_default(), currency)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Money)> {
        self.0.iter().map(|((key, currency), minor)| (key.as_str(), Money::new(*minor, *currency)))
    }
}
