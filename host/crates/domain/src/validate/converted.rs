//! Journals that say what they are worth in the ledger's currency: Fusion takes those figures as they are.

use std::collections::BTreeMap;

use crate::document::{Body, Document};
use crate::ledger::LedgerSetup;
use crate::mapping::{Conversion, JournalLine, Reason};
use crate::money::Money;
use crate::own_rate;

/// The violations of a journal in what its lines are worth. A journal without a rate of its own may give no figures, one
/// with a rate gives one for each line; they balance as the entered amounts do, none is on the other side than its line,
/// and what remains is small.
pub(super) fn journal(document: &Document, setup: Option<&LedgerSetup>) -> Vec<Reason> {
    let Body::Journal { lines, rate, .. } = &document.body else { return Vec::new() };
    let mut found: Vec<Reason> = lines
        .iter()
        .zip(1_u32..)
        .filter_map(|(line, n)| {
            wrong(line, rate.is_some(), document, setup).map(|why| {
                let message = format!("line {n} ({}): {why}", line.label);
                Reason::new("bad-conversion", format!("line {n}"), message)
            })
        })
        .collect();
    let Some(rate) = rate else { return found };
    if !found.is_empty() {
        return found;
    }
    let ledger = rate.converted.currency;
    let mut sums = BTreeMap::<String, i128>::new();
    for line in lines {
        let minor = line.accounted().map_or(0, |worth| i128::from(worth.minor));
        *sums.entry(ledger.code().to_owned()).or_default() += minor;
        if let Some(value) = setup.and_then(|setup| setup.balancing_value(&line.account)) {
            *sums.entry(format!("{ledger} {value}")).or_default() += minor;
        }
    }
    found.extend(sums.into_iter().filter(|(_, sum)| *sum != 0).map(|(what, sum)| {
        let message = format!("in the ledger's currency debits exceed credits by {sum} minor units ({what})");
        Reason::new("unbalanced", what, message)
    }));
    found.extend(remains(lines, ledger.code()));
    found
}

fn wrong(
    line: &JournalLine,
    own_rate: bool,
    document: &Document,
    setup: Option<&LedgerSetup>,
) -> Option<String> {
    match line.conversion {
        None if own_rate => Some("it has no worth in the ledger's currency".to_owned()),
        None => None,
        Some(Conversion::RateOf(_)) if own_rate => Some("it names a day beside the own rate".to_owned()),
        Some(Conversion::RateOf(_)) => None,
        Some(Conversion::Accounted(worth)) => {
            if !own_rate {
                return Some(format!("it is worth {worth}, and the journal has no rate of its own"));
            }
            let ledger = setup.map_or(worth.currency, |setup| setup.ledger_currency);
            if worth.currency != ledger || worth.currency == document.currency {
                return Some(format!("it is worth {worth}, the ledger is in {ledger}"));
            }
            let opposite = worth.minor.signum() * line.amount.minor.signum() < 0;
            opposite.then(|| format!("{} cannot be worth {worth}", line.amount))
        }
    }
}

/// What remains of a conversion is a minor unit or two; more is no rounding.
fn remains(lines: &[JournalLine], ledger: &str) -> Option<Reason> {
    let of = |line: &&JournalLine| own_rate::is_rounding(line);
    let sum: i128 =
        lines.iter().filter(of).filter_map(JournalLine::accounted).map(|worth| i128::from(worth.minor)).sum();
    let most = own_rate::remainder_max(lines.iter().filter(|line| !own_rate::is_rounding(line)).count());
    (sum.unsigned_abs() > u128::from(most)).then(|| {
        let message = format!(
            "converting it leaves {sum} minor units of {ledger}, and at most {most} can be rounding: compare the \
             settlement's totals at Amazon, or have it converted by Fusion (`settlement_rate = \"fusion\"`)"
        );
        Reason::new("rounding-exceeds-cap", ledger, message)
    })
}

/// Whether an account's lines are worth what was paid out, or carried forward.
pub(super) fn settles(lines: &[JournalLine], account: &str, worth: Money) -> Option<Reason> {
    let differs = |message: String| Some(Reason::new("total-differs", account, message));
    match own_rate::worth_on(lines, account) {
        Ok(found) if found.unwrap_or(Money::zero(worth.currency)) == worth => None,
        Ok(found) => {
            let found = found.unwrap_or(Money::zero(worth.currency));
            differs(format!("account {account} is worth {found}, Amazon paid out {worth}"))
        }
        Err(error) => differs(error.to_string()),
    }
}
