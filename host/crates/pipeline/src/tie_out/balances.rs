//! T7: what stands on the accounts between Amazon and the bank at a period's end is explained, item by item.

use ml_connector_domain::document::Body;
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::tie_out::TieOut;
use ml_connector_domain::{Currency, Money};

use super::books::{Books, Row, Settlement};
use super::{Sums, converted};
use crate::StageError;

/// What the accounts must hold by Amazon's records.
///
/// # Errors
/// Sums that do not fit.
pub(super) fn expected(books: &Books<'_>) -> Result<Sums, StageError> {
    let mut sums = Sums::default();
    for settlement in &books.settlements {
        carried(books, settlement, &mut sums)?;
        in_transit(books, settlement, &mut sums)?;
        clearing(books, settlement, &mut sums)?;
    }
    deferred(books, &mut sums)?;
    receivable(books, &mut sums)?;
    Ok(sums)
}

/// T7 itself: each account holds what explains it. What is not zero is named.
pub(super) fn explained(books: &Books<'_>, expected: &Sums) -> Result<TieOut, StageError> {
    let mut of = TieOut::new("T7");
    let seller = &books.seller.id;
    let accounts = [
        (books.account(purpose::CARRY_FORWARD), "settlements that were still open at the period's end"),
        (books.account(purpose::SETTLEMENT), "what settlements came to and the bank has to show"),
        (books.clearing(), "buyers' payments that no receipt has taken up"),
        (books.account(purpose::RECEIVABLE), "orders that no settlement has paid"),
    ];
    for (account, words) in accounts {
        let Some(account) = account else { continue };
        let mut currencies: Vec<Currency> = books
            .balances
            .iter()
            .chain(expected.iter())
            .filter(|(of, _)| *of == account)
            .map(|(_, money)| money.currency)
            .collect();
        currencies.sort_unstable();
        currencies.dedup();
        for currency in currencies {
            let (explained, found) = (expected.at(&account, currency), books.balances.at(&account, currency));
            of.check(seller, &account, explained, found, &format!("{words} do not explain its balance"));
            if explained.minor != 0 {
                of.open(seller, &account, explained, words);
            }
        }
    }
    for settlement in &books.settlements {
        on_its_way(books, settlement, &mut of)?;
    }
    converted::explained(books, &mut of)?;
    Ok(of)
}

/// A settlement whose money is not in the bank yet, as far as Amazon says.
fn on_its_way(books: &Books<'_>, settlement: &Settlement, of: &mut TieOut) -> Result<(), StageError> {
    if !settled_by_the_end(books, settlement) {
        return Ok(());
    }
    match &settlement.paid {
        Some((status, _)) if status == "PAID" => {}
        Some((status, trace)) => {
            let trace = trace.as_deref().unwrap_or("none yet");
            let cause = format!("its payout is {status}, reference {trace}");
            of.open(&books.seller.id, settlement.id(), settlement.in_transit()?, cause);
        }
        None => {
            let sum = settlement.in_transit()?;
            of.open(&books.seller.id, settlement.id(), sum, "Amazon shows no payout of it");
        }
    }
    Ok(())
}

/// Whether its last journal is dated by the period's end.
pub(super) fn settled_by_the_end(books: &Books<'_>, settlement: &Settlement) -> bool {
    settlement.journaled && settlement.journals.iter().all(|(_, date)| *date <= books.period.last())
}

/// Whether the journal that holds a transaction is dated by the period's end, and which settlement's that is.
pub(super) fn journaled(books: &Books<'_>, settlement: &Settlement, row: &Row) -> bool {
    let key = books.journal_of.get(&row.economic_id);
    books.stands_by_the_end(key)
        && key.is_some_and(|key| settlement.journals.iter().any(|(own, _)| own == key))
}

/// Earlier months of a settlement that goes on after the period's end.
fn carried(books: &Books<'_>, settlement: &Settlement, sums: &mut Sums) -> Result<(), StageError> {
    let Some(account) = books.account(purpose::CARRY_FORWARD) else { return Ok(()) };
    if settled_by_the_end(books, settlement) {
        return Ok(());
    }
    for row in settlement.rows.iter().filter(|row| journaled(books, settlement, row)) {
        sums.add(&account, row.total)?;
    }
    Ok(())
}

fn in_transit(books: &Books<'_>, settlement: &Settlement, sums: &mut Sums) -> Result<(), StageError> {
    let Some(account) = books.account(purpose::SETTLEMENT) else { return Ok(()) };
    if settled_by_the_end(books, settlement) {
        sums.add(&account, settlement.total()?)?;
    }
    Ok(())
}

/// Buyers' payments that were settled, less those that a receipt has taken up.
fn clearing(books: &Books<'_>, settlement: &Settlement, sums: &mut Sums) -> Result<(), StageError> {
    let Some(account) = books.clearing() else { return Ok(()) };
    for row in settlement.rows.iter().filter(|row| journaled(books, settlement, row)) {
        let minor = row.booked.as_ref().and_then(|booked| booked.get(&account)).copied().unwrap_or_default();
        if !books.stands_by_the_end(books.receipt_of.get(&row.economic_id)) {
            sums.add(&account, Money::new(minor, row.total.currency))?;
        }
    }
    Ok(())
}

/// Deferred money that is accrued moves clearing, too.
fn deferred(books: &Books<'_>, sums: &mut Sums) -> Result<(), StageError> {
    let wanted: Vec<String> = books.clearing().into_iter().chain(books.account(purpose::DEFERRED)).collect();
    for one in &books.accrued {
        let outstanding = books.documents.contains_key(&one.accrued_by)
            && !books.stands_by_the_end(one.reversed_by.as_ref());
        for line in one.lines.iter().filter(|line| outstanding && wanted.contains(&line.account)) {
            sums.add(&line.account, line.amount)?;
        }
    }
    Ok(())
}

/// What Amazon says that invoiced orders come to, less refunds, less what receipts took up.
fn receivable(books: &Books<'_>, sums: &mut Sums) -> Result<(), StageError> {
    let Some(account) = books.account(purpose::RECEIVABLE) else { return Ok(()) };
    for recorded in books.documents.values() {
        if let Body::Invoice { .. } | Body::CreditMemo { .. } = recorded.row.document.body {
            sums.add(&account, recorded.row.expected)?;
        }
    }
    let Some(clearing) = books.clearing() else { return Ok(()) };
    for settlement in &books.settlements {
        for row in &settlement.rows {
            let paid =
                row.booked.as_ref().and_then(|booked| booked.get(&clearing)).copied().unwrap_or_default();
            if books.stands_by_the_end(books.receipt_of.get(&row.economic_id)) {
                sums.add(&account, Money::new(paid, row.total.currency))?;
            }
        }
    }
    Ok(())
}
