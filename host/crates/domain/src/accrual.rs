//! Deferred money: what Amazon holds back at a month's end, accrued then and taken back when it is released.
//!
//! ```text
//! posted 28 Oct, held back, released 4 Nov: sales 100, fees -15
//! 31 Oct   Dr fees 15, Dr deferred 85, Cr clearing 100        accrual
//! 30 Nov   the opposite                                       reversal
//!          and in the settlement of 4 Nov, as if nothing had been accrued:
//!          Dr fees 15, Dr settlement 85, Cr clearing 100
//! ```
//!
//! So settlements stay as they are paid out, every month holds what was earned in it, and the account of deferred money
//! is at each month's end what Amazon holds back then.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::mapping::{Conversion, JournalLine};

/// Label of what is held back.
const HELD_BACK: &str = "Held back by Amazon";
/// Before the labels of lines that take an accrual back.
const RELEASED: &str = "Released: ";
/// The rule that such lines name.
const RULE: &str = "deferred at the month's end";

/// The lines of a deferred transaction as they are accrued: what would be on the settlement account is on the one for
/// deferred money.
pub fn accrued(lines: &[JournalLine], settlement: &str, deferred: &str) -> Vec<JournalLine> {
    let accrue = |line: &JournalLine| {
        if line.account != settlement {
            return line.clone();
        }
        JournalLine {
            account: deferred.to_owned(),
            amount: line.amount,
            label: HELD_BACK.to_owned(),
            rule: RULE.to_owned(),
            conversion: None,
        }
    };
    lines.iter().map(accrue).collect()
}

/// The lines that take accrued ones back. `converted_on` is the day of whose rate Fusion converted those, where they are
/// not in the ledger's currency: by another day's they would not be taken back whole.
pub fn released(accrued: &[JournalLine], converted_on: Option<Date>) -> Vec<JournalLine> {
    let release = |line: &JournalLine| JournalLine {
        account: line.account.clone(),
        amount: line.amount.negated(),
        label: format!("{RELEASED}{}", line.label),
        rule: line.rule.clone(),
        conversion: converted_on.map(Conversion::RateOf),
    };
    accrued.iter().map(release).collect()
}

/// What stands behind a journal as its lines have it: behind one in the ledger's currency, or from before days were named,
/// no line names one.
pub fn as_entered(journal: &[JournalLine], behind: Vec<JournalLine>) -> Vec<JournalLine> {
    if journal.iter().any(|line| line.rate_day().is_some()) {
        return behind;
    }
    behind.into_iter().map(|line| JournalLine { conversion: None, ..line }).collect()
}

/// The first moment after the month in which `day` lies, in `zone`.
///
/// # Errors
/// The month is the calendar's last.
pub fn month_over(day: Date, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
    let next = day.last_of_month().tomorrow()?;
    zone.to_timestamp(next.at(0, 0, 0, 0))
}

/// The last day of a month such as `2026-10`: that of its accrual.
pub fn last_day(month: &str) -> Option<Date> {
    let first: Date = format!("{month}-01").parse().ok()?;
    Some(first.last_of_month())
}

/// Whether money that was posted at `posted`, and released at `released` if it was, is held back when the month that is
/// over at `over` ends.
pub fn is_held_back(posted: Timestamp, released: Option<Timestamp>, over: Timestamp) -> bool {
    posted < over && released.is_none_or(|released| released >= over)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::money::{Currency, Money};

    fn lines(legs: &[i64]) -> Vec<JournalLine> {
        let line = |account: &str, minor| JournalLine {
            account: account.to_owned(),
            amount: Money::new(minor, Currency::USD),
            label: account.to_owned(),
            rule: "r".to_owned(),
            conversion: None,
        };
        let mut lines: Vec<JournalLine> =
            legs.iter().enumerate().map(|(n, minor)| line(&format!("leg {n}"), -minor)).collect();
        lines.push(line("settlement", legs.iter().sum()));
        lines
    }

    fn sums<'a>(lines: impl IntoIterator<Item = &'a JournalLine>) -> BTreeMap<&'a str, i64> {
        let mut sums = BTreeMap::new();
        for line in lines {
            *sums.entry(line.account.as_str()).or_default() += line.amount.minor;
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    #[test]
    fn a_month_is_over_in_the_ledgers_zone() {
        let over = |zone: &str| {
            let zone = TimeZone::get(zone).expect("a zone");
            month_over(jiff::civil::date(2026, 10, 7), &zone).expect("a time").to_string()
        };
        assert_eq!(over("America/Los_Angeles"), "2026-11-01T07:00:00Z");
        assert_eq!(over("Europe/Berlin"), "2026-10-31T23:00:00Z");
    }

    #[test]
    fn an_accrual_is_of_its_months_last_day() {
        let rows = [
            ("2026-02", Some((2026, 2, 28))),
            ("2028-02", Some((2028, 2, 29))),
            ("2026-13", None),
            ("", None),
        ];
        for (month, wanted) in rows {
            assert_eq!(last_day(month), wanted.map(|(year, month, day)| jiff::civil::date(year, month, day)));
        }
    }

    #[test]
    fn the_moment_of_the_months_end_belongs_to_the_next() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let over = at("2026-11-01T00:00:00Z");
        let rows = [
            ("2026-10-31T23:59:59Z", None, true),
            ("2026-11-01T00:00:00Z", None, false),
            ("2026-10-01T00:00:00Z", Some("2026-10-31T23:59:59Z"), false),
            ("2026-10-01T00:00:00Z", Some("2026-11-01T00:00:00Z"), true),
        ];
        for (posted, released, held) in rows {
            assert_eq!(is_held_back(at(posted), released.map(at), over), held, "{posted} {released:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// What is accrued balances, holds back what the transaction comes to, and is taken back whole.
        #[test]
        fn an_accrual_and_its_release_are_nothing(legs in prop::collection::vec(-100_000_i64..100_000, 0..8)) {
            let booked = lines(&legs);
            let accrued = accrued(&booked, "settlement", "deferred");
            let total: i64 = legs.iter().sum();
            prop_assert_eq!(sums(&accrued).get("deferred").copied().unwrap_or(0), total);
            prop_assert!(!sums(&accrued).contains_key("settlement"));
            prop_assert_eq!(accrued.iter().map(|line| line.amount.minor).sum::<i64>(), 0);
            let day = jiff::civil::date(2026, 10, 31);
            let released = released(&accrued, Some(day));
            prop_assert!(released.iter().all(|line| line.rate_day() == Some(day)));
            prop_assert_eq!(&as_entered(&released, released.clone()), &released);
            let domestic = as_entered(&accrued, released.clone());
            prop_assert!(domestic.iter().all(|line| line.conversion.is_none()));
            prop_assert!(sums(accrued.iter().chain(&released)).is_empty());
            prop_assert!(released.iter().all(|line| line.label.starts_with(RELEASED)));
        }
    }
}
