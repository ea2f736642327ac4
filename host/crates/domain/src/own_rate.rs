//! A settlement's journal in the ledger's currency, by the rate at which Amazon paid the settlement out.
//!
//! ```text
//! settlement of 1 000.00 CAD, paid out as 731.27 USD       CAD            USD
//! part 1, 30 Apr   Dr carry-forward                      650.00         475.33   fixed, kept for part 2
//!                  Dr fees 250.00, Cr clearing 900.00                            shared by largest remainder
//! part 2,  9 May   Cr carry-forward                     -650.00        -475.33   the same figure
//!                  Dr settlement                       1 000.00         731.27   fixed: what the bank shows
//!                  rounding                                0.00        what remains, a minor unit or two
//! ```
//!
//! Every line is first converted by [`fx::convert`], which balances. Then what must be exact is fixed: the settlement
//! account is worth what Amazon paid out, and what is carried forward is worth in the last month what it was worth in
//! its own. What that moves by goes to an account for rounding and to no other, least of all to revenue.
//!
//! The account for rounding takes nothing in the settlement's currency. A line that has an amount in the ledger's currency
//! only is not known to be taken by the journal import (a row with neither entered debit nor entered credit is refused),
//! so there are two lines of one minor unit each, a debit and a credit, which differ by the remainder in what they are
//! worth.

mod decision;

pub use decision::{Decision, PaidOut, decide};

use crate::document::CarryAccounts;
use crate::fx::{self, OwnRate};
use crate::mapping::{Conversion, JournalLine};
use crate::money::{Money, MoneyError};

/// Label of what remains.
const LABEL: &str = "Rounding of the settlement's own rate";
/// The rule that such lines name.
const RULE: &str = "settlement converted by its own rate";

/// An account that must be worth this much, net, in the ledger's currency.
pub type Fixed = (String, Money);

/// What may remain of a journal of so many lines, in minor units of the ledger's currency: one for each line, since each
/// is worth less than one unit more or less than it would be by itself, and one for what is carried forward.
pub fn remainder_max(lines: usize) -> u64 {
    lines as u64 + 1
}

/// Gives every line what it is worth by the rate, and adds what remains at the account for rounding. Lines balance within
/// `segment` (the balancing segment's value of an account) if they did so before.
///
/// # Errors
/// A line in another currency than the rate's, or amounts that do not fit.
pub fn convert(
    lines: Vec<JournalLine>,
    rate: &OwnRate,
    fixed: &[Fixed],
    rounding: &str,
    segment: impl Fn(&str) -> String,
) -> Result<Vec<JournalLine>, MoneyError> {
    let mut worth = vec![Money::zero(rate.converted.currency); lines.len()];
    let segments: Vec<String> = lines.iter().map(|line| segment(&line.account)).collect();
    let mut values: Vec<&String> = segments.iter().collect();
    values.sort();
    values.dedup();
    for value in values {
        let own: Vec<usize> = (0..lines.len()).filter(|n| segments[*n] == *value).collect();
        let amounts: Vec<Money> = own.iter().map(|n| lines[*n].amount).collect();
        for (n, converted) in own.into_iter().zip(fx::convert(&amounts, rate)?) {
            worth[n] = converted;
        }
    }
    for (account, wanted) in fixed {
        fix(&lines, &mut worth, account, *wanted)?;
    }
    let remainder = Money::sum(rate.converted.currency, worth.iter().copied())?.negated();
    let mut lines: Vec<JournalLine> = lines
        .into_iter()
        .zip(worth)
        .map(|(line, worth)| JournalLine { conversion: Some(Conversion::Accounted(worth)), ..line })
        .collect();
    lines.extend(rounded(rate, rounding, remainder)?);
    Ok(lines)
}

/// Makes an account's lines worth what is wanted, by changing the one of the largest amount.
fn fix(lines: &[JournalLine], worth: &mut [Money], account: &str, wanted: Money) -> Result<(), MoneyError> {
    let own: Vec<usize> = (0..lines.len()).filter(|n| lines[*n].account == account).collect();
    let net = Money::sum(wanted.currency, own.iter().map(|n| worth[*n]))?;
    let missing = wanted.checked_add(net.negated())?;
    if let Some(largest) = own.into_iter().max_by_key(|n| lines[*n].amount.minor.unsigned_abs()) {
        worth[largest] = worth[largest].checked_add(missing)?;
    }
    Ok(())
}

/// The lines that are worth the remainder and nothing in the settlement's currency.
fn rounded(rate: &OwnRate, account: &str, remainder: Money) -> Result<Vec<JournalLine>, MoneyError> {
    if remainder.minor == 0 {
        return Ok(Vec::new());
    }
    let unit = Money::new(remainder.minor.signum(), rate.original.currency);
    // Neither may be worth nothing.
    let least = Money::new(rate.worth(unit)?.minor.unsigned_abs().max(1).cast_signed(), remainder.currency);
    let least = if remainder.minor < 0 { least.negated() } else { least };
    let line = |amount: Money, worth: Money| JournalLine {
        account: account.to_owned(),
        amount,
        label: LABEL.to_owned(),
        rule: RULE.to_owned(),
        conversion: Some(Conversion::Accounted(worth)),
    };
    Ok(vec![line(unit, least.checked_add(remainder)?), line(unit.negated(), least.negated())])
}

/// The lines as they were before they were converted.
pub fn unconverted(lines: &[JournalLine]) -> Vec<JournalLine> {
    let own = lines.iter().filter(|line| !is_rounding(line));
    own.map(|line| match line.conversion {
        Some(Conversion::Accounted(_)) => JournalLine { conversion: None, ..line.clone() },
        _ => line.clone(),
    })
    .collect()
}

/// Whether a line is what remained of a conversion.
pub fn is_rounding(line: &JournalLine) -> bool {
    line.label == LABEL && line.accounted().is_some()
}

/// What lines put on an account in the ledger's currency, net; nothing where they do not say.
///
/// # Errors
/// Sums that do not fit.
pub fn worth_on(lines: &[JournalLine], account: &str) -> Result<Option<Money>, MoneyError> {
    let mut on = lines.iter().filter(|line| line.account == account).filter_map(JournalLine::accounted);
    let Some(first) = on.next() else { return Ok(None) };
    on.try_fold(first, Money::checked_add).map(Some)
}

/// What the accounts of a settlement's months must be worth, month by month, from what each month comes to in the
/// settlement's currency. Carried sums are rounded as they add up, so that what all of them are worth is never off by more
/// than half a minor unit.
///
/// # Errors
/// Sums that do not fit, or in another currency than the rate's.
pub fn fixed(
    rate: &OwnRate,
    months: &[Money],
    accounts: &CarryAccounts,
) -> Result<Vec<Vec<Fixed>>, MoneyError> {
    let Some((_, earlier)) = months.split_last() else { return Ok(Vec::new()) };
    let nothing = Money::zero(rate.converted.currency);
    let (mut sum, mut carried) = (Money::zero(rate.original.currency), nothing);
    let mut all = Vec::with_capacity(months.len());
    for month in earlier {
        sum = sum.checked_add(*month)?;
        let up_to = rate.worth(sum)?;
        let own = up_to.checked_add(carried.negated())?;
        carried = up_to;
        all.push(vec![(accounts.settlement.clone(), nothing), (accounts.carry_forward.clone(), own)]);
    }
    let mut last = vec![(accounts.settlement.clone(), rate.converted)];
    if !earlier.is_empty() {
        last.push((accounts.carry_forward.clone(), carried.negated()));
    }
    all.push(last);
    Ok(all)
}

#[cfg(test)]
mod tests;
