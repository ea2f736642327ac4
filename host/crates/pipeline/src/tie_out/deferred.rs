//! T6: deferred money, rolled forward from month to month, is what Amazon holds back and what its account holds.

use ml_connector_domain::accrual::{is_held_back, month_over};
use ml_connector_domain::document::month;
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::tie_out::TieOut;
use ml_connector_domain::{DocumentKey, Money};

use super::Sums;
use super::books::Books;
use crate::StageError;

const OPEN: &str = "open";
const NEW: &str = "newly deferred";
const RELEASED: &str = "released";
const CLOSE: &str = "close";
const HELD: &str = "held back by Amazon";

pub(super) fn rolled_forward(books: &Books<'_>) -> Result<TieOut, StageError> {
    let mut of = TieOut::new("T6");
    let seller = &books.seller.id;
    let Some(account) = books.account(purpose::DEFERRED) else { return Ok(of) };
    let sums = sums(books)?;
    let accrued =
        books.accrued_months.iter().any(|(of, look)| *of == books.period.to_string() && look.is_none());
    for (_, close) in sums.iter().filter(|(key, _)| *key == CLOSE) {
        let at = |key| sums.at(key, close.currency);
        if !accrued {
            of.open(seller, &account, close, "the month's deferred money is not accrued yet");
            continue;
        }
        let rolled = at(OPEN).checked_add(at(NEW))?.checked_add(at(RELEASED).negated())?;
        of.check(
            seller,
            "roll-forward",
            rolled,
            close,
            "open + newly deferred - released is not what is outstanding",
        );
        of.check(seller, "held back", at(HELD), close, "Amazon holds back another amount than is accrued");
        let balance = books.balances.at(&account, close.currency);
        of.check(seller, &account, close, balance, "the account for deferred money holds another amount");
        if close.minor != 0 {
            of.open(seller, &account, close, format!("held back by Amazon at the end of {}", books.period));
        }
    }
    // What was held back then and is in no month's journal: late, or not to be mapped.
    for one in &books.late {
        let cause = "held back at the period's end and not accrued: it was read late, or waits for a person";
        of.open(seller, one.id.as_str(), one.total, cause);
    }
    Ok(of)
}

/// The roll-forward's figures by currency.
fn sums(books: &Books<'_>) -> Result<Sums, StageError> {
    let mut sums = Sums::default();
    let over = month_over(books.period.last(), &books.seller.zone);
    let before = month(books.period.first());
    for one in &books.accrued {
        let in_this = one.month == books.period.to_string();
        let made = |key: &DocumentKey| books.documents.contains_key(key);
        let earlier = |key: &DocumentKey| {
            books.documents.get(key).is_some_and(|one| month(one.row.document.transaction_date()) < before)
        };
        if !made(&one.accrued_by) {
            continue;
        }
        let nothing = Money::zero(one.total.currency);
        sums.add(CLOSE, nothing)?;
        let back = one.reversed_by.as_ref();
        if !in_this && !back.is_some_and(earlier) {
            sums.add(OPEN, one.total)?;
        }
        if in_this {
            sums.add(NEW, one.total)?;
        }
        if back.is_some_and(|key| made(key) && !earlier(key)) {
            sums.add(RELEASED, one.total)?;
        }
        if !back.is_some_and(made) {
            sums.add(CLOSE, one.total)?;
        }
        if let Ok(over) = over
            && is_held_back(over - jiff::SignedDuration::from_nanos(1), one.released, over)
        {
            sums.add(HELD, one.total)?;
        }
    }
    Ok(sums)
}
