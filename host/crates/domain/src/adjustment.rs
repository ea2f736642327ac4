//! What a transaction that changed after it was journaled still has to do to the ledger.
//!
//! ```text
//! journaled   Dr fees 15, Dr settlement 85, Cr clearing 100
//! now         Dr fees 18, Dr settlement 82, Cr clearing 100
//! difference  Dr fees  3, Cr settlement  3
//! ```
//!
//! The journal that was posted stays as it is; a further one enters the difference.

use std::collections::BTreeMap;

use crate::mapping::JournalLine;
use crate::money::{Money, MoneyError};

/// The lines that lead from what is journaled to `now`: one for each account and label that moves, none where nothing
/// does. They sum to zero if both sides do.
///
/// # Errors
/// Two currencies, or amounts that do not fit.
pub fn difference(now: &[JournalLine], journaled: &[JournalLine]) -> Result<Vec<JournalLine>, MoneyError> {
    let mut sums = BTreeMap::<(&str, &str), JournalLine>::new();
    // What is mapped now comes first, so that its rules are the ones that are named.
    let signed = now.iter().map(|line| (line, line.amount));
    for (line, amount) in signed.chain(journaled.iter().map(|line| (line, line.amount.negated()))) {
        let zero = JournalLine { amount: Money::zero(amount.currency), ..line.clone() };
        let sum = sums.entry((&line.account, &line.label)).or_insert(zero);
        sum.amount = sum.amount.checked_add(amount)?;
    }
    Ok(sums.into_values().filter(|line| line.amount.minor != 0).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Currency;

    fn line(account: &str, label: &str, minor: i64) -> JournalLine {
        JournalLine {
            account: account.to_owned(),
            amount: Money::new(minor, Currency::USD),
            label: label.to_owned(),
            rule: "r".to_owned(),
            conversion: None,
        }
    }

    fn sums(lines: &[JournalLine]) -> BTreeMap<(String, String), i64> {
        let mut sums = BTreeMap::new();
        for line in lines {
            *sums.entry((line.account.clone(), line.label.clone())).or_default() += line.amount.minor;
        }
        sums.retain(|_, minor| *minor != 0);
        sums
    }

    #[test]
    fn only_what_moves_is_entered() {
        let journaled =
            [line("fees", "Fee", 15), line("settlement", "Net", 85), line("clearing", "Sale", -100)];
        let now = [line("fees", "Fee", 18), line("settlement", "Net", 82), line("clearing", "Sale", -100)];
        let difference = difference(&now, &journaled).expect("fits");
        assert_eq!(difference, [line("fees", "Fee", 3), line("settlement", "Net", -3)]);
    }

    #[test]
    fn what_is_gone_is_taken_back_and_what_is_the_same_is_left_out() {
        let journaled = [line("fees", "Fee", 15), line("settlement", "Net", -15)];
        assert_eq!(difference(&journaled, &journaled).expect("fits"), []);
        let gone = difference(&[], &journaled).expect("fits");
        assert_eq!(gone, [line("fees", "Fee", -15), line("settlement", "Net", 15)]);
    }

    fn any_lines() -> impl Strategy<Value = Vec<JournalLine>> {
        let leg = (0_usize..4, 0_usize..3, -1_000_000_i64..1_000_000);
        prop::collection::vec(leg, 0..8).prop_map(|legs| {
            let net: i64 = legs.iter().map(|(_, _, minor)| minor).sum();
            let mut lines: Vec<JournalLine> = legs
                .into_iter()
                .map(|(account, label, minor)| {
                    line(["fees", "tax", "clearing", "reserve"][account], ["a", "b", "c"][label], minor)
                })
                .collect();
            lines.push(line("settlement", "Net", -net));
            lines
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// What was journaled and the difference come to what is mapped now, by account and label, and the difference
        /// balances by itself.
        #[test]
        fn journaled_and_difference_come_to_what_is_so_now(now in any_lines(), journaled in any_lines()) {
            let difference = difference(&now, &journaled).expect("fits");
            prop_assert_eq!(difference.iter().map(|line| line.amount.minor).sum::<i64>(), 0);
            prop_assert!(difference.iter().all(|line| line.amount.minor != 0));
            let both: Vec<JournalLine> = journaled.iter().chain(&difference).cloned().collect();
            prop_assert_eq!(sums(&both), sums(&now));
        }
    }
}
