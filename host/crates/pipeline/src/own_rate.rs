//! Settlements that are not in the ledger's currency: whose rate converts them, and what their journals are worth by it.
//!
//! The decision is [`ml_connector_domain::own_rate::decide`], the arithmetic [`ml_connector_domain::own_rate::convert`];
//! here is what they are asked with.

use jiff::SignedDuration;
use ml_connector_domain::canonical::Group;
use ml_connector_domain::document::{Body, CarryAccounts, Document};
use ml_connector_domain::fx::OwnRate;
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::mapping::{JournalLine, Reason};
use ml_connector_domain::money::MoneyError;
use ml_connector_domain::own_rate::{self, Decision, Fixed, PaidOut, decide};
use ml_connector_domain::{Money, Timestamp};
use ml_connector_storage::BookedTransaction;

use crate::archive::payout_of;
use crate::journal::Journal;
use crate::{Parts, Seller, StageError, settle};

/// After a settlement's end, how long its payout may still show: half a day longer than its transactions, so that a
/// stream of payouts that is asked for every other day has been read.
const PAYOUT_SHOWN: SignedDuration = SignedDuration::from_hours(60);

/// Decides whose rate converts a settlement that is otherwise complete.
///
/// # Errors
/// The store failed.
pub(crate) async fn of_settlement(
    parts: &Parts,
    seller: &Seller,
    group: &Group,
    end: Timestamp,
    bookings: &[BookedTransaction],
) -> Result<Decision, StageError> {
    let ledger = &seller.ledger;
    let Some(first) = bookings.first() else { return Ok(Decision::Domestic) };
    let currency = first.total.currency;
    if currency == ledger.ledger_currency {
        return Ok(Decision::Domestic);
    }
    // Bookings in two currencies foot to nothing, which is said when they are summed.
    let Ok(total) = Money::sum(currency, bookings.iter().map(|booking| booking.total)) else {
        return Ok(Decision::Domestic);
    };
    let payout = match settle::settlement_id(parts, seller, &first.transaction).await? {
        Some(settlement) => payout_of(parts, seller, &settlement).await?,
        None => None,
    };
    let paid = PaidOut { group: group.converted_total, payout };
    let all_shown = parts.clock.now().duration_since(end) >= PAYOUT_SHOWN;
    Ok(decide(ledger.settlement_rate, ledger.ledger_currency, total, paid, all_shown))
}

/// Converts the journals of a settlement's months, which are in order, by its own rate, so that the settlement account is
/// worth `settled` in the end, and says what their accounts must be worth; or why they are not converted.
///
/// # Errors
/// Sums that do not fit.
pub(crate) fn convert(
    seller: &Seller,
    (rate, settled): (&OwnRate, Money),
    accounts: &CarryAccounts,
    journals: &mut [Journal],
) -> Result<Result<(), Reason>, MoneyError> {
    let mut months = Vec::with_capacity(journals.len());
    for journal in journals.iter() {
        // What a month puts on these two accounts is what it comes to.
        months.push(Money::sum(rate.original.currency, journal.moves.iter().map(|(_, moved)| *moved))?);
    }
    let mut all = own_rate::fixed(rate, &months, accounts)?;
    if let Some((_, worth)) = all.last_mut().and_then(|last| last.first_mut()) {
        *worth = settled;
    }
    for (journal, fixed) in journals.iter_mut().zip(all) {
        let Body::Journal { lines, rate: own, .. } = &mut journal.document.body else { continue };
        *lines = match converted(seller, std::mem::take(lines), rate, &fixed)? {
            Ok(lines) => lines,
            Err(reason) => return Ok(Err(reason)),
        };
        *own = Some(*rate);
        journal.moves.extend(fixed);
    }
    Ok(Ok(()))
}

/// Lines with what they are worth by a rate, or why they have none.
fn converted(
    seller: &Seller,
    lines: Vec<JournalLine>,
    rate: &OwnRate,
    fixed: &[Fixed],
) -> Result<Result<Vec<JournalLine>, Reason>, MoneyError> {
    let account = seller.ledger.account(purpose::ROUNDING);
    let segment = |account: &str| seller.ledger.balancing_value(account).unwrap_or_default().to_owned();
    let lines = own_rate::convert(lines, rate, fixed, account.as_deref().unwrap_or_default(), segment)?;
    if account.is_none() && lines.iter().any(own_rate::is_rounding) {
        let message = format!(
            "converting it by its own rate leaves some minor units: name an account for `ledger.accounts.{}`",
            purpose::ROUNDING
        );
        return Ok(Err(Reason::new("no-account", purpose::ROUNDING, message)));
    }
    Ok(Ok(lines))
}

/// Lines that take the place of a journal's, converted as that was: what was fixed in it stays.
///
/// # Errors
/// Sums that do not fit.
pub(crate) fn converted_as(
    seller: &Seller,
    old: &Document,
    posted: &[JournalLine],
    lines: Vec<JournalLine>,
) -> Result<Result<Vec<JournalLine>, Reason>, MoneyError> {
    let Some(rate) = old.own_rate() else { return Ok(Ok(lines)) };
    let mut fixed = Vec::new();
    for purpose in [purpose::SETTLEMENT, purpose::CARRY_FORWARD] {
        let account = seller.ledger.account(purpose).unwrap_or_default();
        if let Some(worth) = own_rate::worth_on(posted, &account)? {
            fixed.push((account, worth));
        }
    }
    converted(seller, lines, rate, &fixed)
}
