//! A settlement that crosses month ends, cut into one part for each month of the ledger's zone.
//!
//! ```text
//! 25 Apr - 9 May, payout 900.00        April rows 650.00, May rows 250.00
//! part 1, 30 Apr   rows of April,  Dr carry-forward 650
//! part 2,  9 May   rows of May,    Cr carry-forward 650, Dr settlement 900
//! ```
//!
//! A part before the last puts what it comes to on the carry-forward account instead of the settlement account; the
//! last brings all of that in and moves the settlement account by the whole total. So every part balances, the
//! carry-forward account ends where it began, and every other account moves as if nothing had been cut.
//!
//! Money is only ever moved between these two accounts; there is nothing to round.
//!
//! Where Fusion converts a settlement by the rate of each journal's day, what a month carried forward is brought in at that
//! month's rate: then it ends at nothing in the ledger's currency, too.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::document::{CarryAccounts, summarize};
use crate::mapping::{Conversion, JournalLine};
use crate::money::{Money, MoneyError};

/// A transaction as it was booked: its lines sum to zero, and those on the settlement account to its total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// When Amazon posted it.
    pub posted: Timestamp,
    /// Its journal lines.
    pub lines: Vec<JournalLine>,
}

/// One month of a settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
    /// The last day of its month; for the last part the settlement's end.
    pub date: Date,
    /// Its rows, as places in what was cut.
    pub rows: Vec<usize>,
    /// Its lines, summed by account and label.
    pub lines: Vec<JournalLine>,
}

/// Label of lines that take a month's sum out of it.
const CARRIED: &str = "Carried forward to the settlement's end";
/// Label of lines that bring earlier months' sums in.
const BROUGHT: &str = "Brought forward from earlier months";
/// The rule that such lines name.
const RULE: &str = "settlement split at month ends";

/// Cuts a settlement that ends on `end` (a day of `zone`) at the month ends of `zone`. Rows from after its end count
/// for its last month. A month whose rows move nothing goes with the next one. A settlement within one month comes back
/// whole, as one part. With `by_day`, Fusion converts each part by the rate of its day.
///
/// # Errors
/// Amounts in two currencies, or sums that do not fit.
pub fn split(
    rows: &[Row],
    end: Date,
    zone: &TimeZone,
    accounts: &CarryAccounts,
    by_day: bool,
) -> Result<Vec<Part>, MoneyError> {
    let months = months(rows, end, zone);
    let of = u32::try_from(months.len()).unwrap_or(u32::MAX);
    let mut carried = Vec::new();
    let mut parts = Vec::with_capacity(months.len());
    for ((month, places), number) in months.into_iter().zip(1..) {
        let own = places.iter().flat_map(|place| rows[*place].lines.iter().cloned());
        let (date, lines) = if number < of {
            let lines: Vec<JournalLine> = own.map(|line| carry(line, accounts)).collect();
            let sum = sum_on(&accounts.carry_forward, CARRIED, &lines)?;
            let conversion = by_day.then(|| Conversion::RateOf(month.last_of_month()));
            carried.extend(sum.map(|sum| (sum, conversion)));
            (month.last_of_month(), summarize(lines)?)
        } else {
            (end, summarize(own.chain(brought_in(&carried, accounts)))?)
        };
        parts.push(Part { number, of, date, rows: places, lines });
    }
    Ok(parts)
}

/// The months of a settlement by their first days, each with the places of its rows.
fn months(rows: &[Row], end: Date, zone: &TimeZone) -> Vec<(Date, Vec<usize>)> {
    let last_month = end.first_of_month();
    let mut months = BTreeMap::<Date, Vec<usize>>::from([(last_month, Vec::new())]);
    for (place, row) in rows.iter().enumerate() {
        let month = zone.to_datetime(row.posted).date().first_of_month().min(last_month);
        months.entry(month).or_default().push(place);
    }
    let moves = |place: &usize| rows[*place].lines.iter().any(|line| line.amount.minor != 0);
    let (mut kept, mut still) = (Vec::new(), Vec::new());
    for (month, mut places) in months {
        places.append(&mut still);
        places.sort_unstable();
        if month < last_month && !places.iter().any(moves) {
            still = places;
        } else {
            kept.push((month, places));
        }
    }
    kept
}

/// A line of an earlier month: what would be on the settlement account is carried forward.
pub fn carry(line: JournalLine, accounts: &CarryAccounts) -> JournalLine {
    if line.account != accounts.settlement {
        return line;
    }
    moved(&accounts.carry_forward, line.amount, CARRIED)
}

fn moved(account: &str, amount: Money, label: &str) -> JournalLine {
    JournalLine {
        account: account.to_owned(),
        amount,
        label: label.to_owned(),
        rule: RULE.to_owned(),
        conversion: None,
    }
}

/// What lines with a label put on an account in all; nothing where that is zero.
fn sum_on(account: &str, label: &str, lines: &[JournalLine]) -> Result<Option<Money>, MoneyError> {
    let mut on = lines.iter().filter(|line| line.account == account && line.label == label);
    let Some(first) = on.next() else { return Ok(None) };
    let sum = on.try_fold(first.amount, |sum, line| sum.checked_add(line.amount))?;
    Ok(Some(sum).filter(|sum| sum.minor != 0))
}

fn brought_in<'a>(
    carried: &'a [(Money, Option<Conversion>)],
    accounts: &'a CarryAccounts,
) -> impl Iterator<Item = JournalLine> + 'a {
    carried.iter().flat_map(move |(sum, conversion)| {
        let brought =
            |account, amount| JournalLine { conversion: *conversion, ..moved(account, amount, BROUGHT) };
        [brought(&accounts.carry_forward, sum.negated()), brought(&accounts.settlement, *sum)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;
    use proptest::prelude::*;

    fn accounts() -> CarryAccounts {
        CarryAccounts { settlement: "settlement".to_owned(), carry_forward: "carry".to_owned() }
    }

    const ZONES: [&str; 6] = [
        "UTC",
        "America/Los_Angeles",
        "Europe/Berlin",
        "Asia/Tokyo",
        "Australia/Lord_Howe",
        "Pacific/Kiritimati",
    ];

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("a zone")
    }

    fn line(account: &str, minor: i64, label: &str) -> JournalLine {
        JournalLine {
            account: account.to_owned(),
            amount: Money::new(minor, Currency::USD),
            label: label.to_owned(),
            rule: "r".to_owned(),
            conversion: None,
        }
    }

    /// A row whose legs are settled.
    fn row(posted: &str, legs: &[(&str, i64)]) -> Row {
        settled(posted.parse().expect("a time"), legs)
    }

    fn settled(posted: Timestamp, legs: &[(&str, i64)]) -> Row {
        let total: i64 = legs.iter().map(|(_, minor)| minor).sum();
        let mut lines: Vec<JournalLine> =
            legs.iter().map(|(account, minor)| line(account, -minor, account)).collect();
        lines.push(line("settlement", total, "settlement"));
        Row { posted, lines }
    }

    fn by_account<'a>(lines: impl IntoIterator<Item = &'a JournalLine>) -> BTreeMap<String, i64> {
        let mut sums = BTreeMap::new();
        for line in lines {
            *sums.entry(line.account.clone()).or_default() += line.amount.minor;
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    /// Lines as an accountant writes them: debits and credits apart, the two accounts that are cleared as one line each.
    fn shown(lines: &[JournalLine]) -> Vec<(&str, i64)> {
        let mut sums = BTreeMap::<(&str, bool), i64>::new();
        for line in lines {
            let cleared = ["carry", "settlement"].contains(&line.account.as_str());
            *sums.entry((&line.account, !cleared && line.amount.minor < 0)).or_default() += line.amount.minor;
        }
        sums.into_iter().filter(|(_, sum)| *sum != 0).map(|((account, _), sum)| (account, sum)).collect()
    }

    fn sums(rows: &[(&str, i64)]) -> BTreeMap<String, i64> {
        rows.iter().map(|(account, minor)| ((*account).to_owned(), *minor)).collect()
    }

    /// The worked example of a settlement from 25 April to 9 May, paid out at 900.00: debits are positive.
    #[test]
    fn a_settlement_over_a_month_end_is_two_journals_that_meet_on_carry_forward() {
        let rows = [
            row("2026-04-26T10:00:00Z", &[("revenue", 100_000)]),
            row("2026-04-28T10:00:00Z", &[("refunds", -10_000)]),
            row("2026-04-30T23:00:00Z", &[("fees", -25_000)]),
            row("2026-05-02T10:00:00Z", &[("revenue", 50_000)]),
            row("2026-05-03T10:00:00Z", &[("fees", -13_000)]),
            row("2026-05-04T10:00:00Z", &[("reserve", 8_000)]),
            row("2026-05-09T10:00:00Z", &[("reserve", -20_000)]),
        ];
        let end = jiff::civil::date(2026, 5, 9);
        let parts = split(&rows, end, &zone("UTC"), &accounts(), false).expect("splits");
        let [april, may] = parts.as_slice() else { panic!("{parts:?}") };
        assert_eq!((april.date, april.rows.as_slice()), (jiff::civil::date(2026, 4, 30), &[0, 1, 2][..]));
        // JE 1: Dr Refunds 100, Dr Fees 250, Dr Carry-forward 650 | Cr Revenue 1000.
        assert_eq!(
            shown(&april.lines),
            [("carry", 65_000), ("fees", 25_000), ("refunds", 10_000), ("revenue", -100_000)]
        );
        assert_eq!((may.date, may.number, may.of), (end, 2, 2));
        // JE 2: Dr Fees 130, Dr Reserve 200, Dr Payout in transit 900 | Cr Revenue 500, Cr Reserve 80, Cr Carry-forward 650.
        assert_eq!(
            shown(&may.lines),
            [
                ("carry", -65_000),
                ("fees", 13_000),
                ("reserve", 20_000),
                ("reserve", -8_000),
                ("revenue", -50_000),
                ("settlement", 90_000)
            ]
        );
        let debits = |part: &Part| -> i64 { shown(&part.lines).iter().map(|(_, minor)| minor.max(&0)).sum() };
        assert_eq!((debits(april), debits(may)), (100_000, 123_000));
    }

    #[test]
    fn the_months_are_those_of_the_ledgers_zone() {
        // Already May in Berlin, still April in Los Angeles.
        let rows =
            [row("2026-04-30T22:30:00Z", &[("revenue", 1)]), row("2026-05-01T12:00:00Z", &[("revenue", 2)])];
        let end = jiff::civil::date(2026, 5, 9);
        for (name, parts) in [("Europe/Berlin", 1), ("America/Los_Angeles", 2)] {
            assert_eq!(
                split(&rows, end, &zone(name), &accounts(), false).expect("splits").len(),
                parts,
                "{name}"
            );
        }
    }

    #[test]
    fn a_settlement_within_a_month_is_left_whole() {
        let rows =
            [row("2026-05-02T10:00:00Z", &[("revenue", 500)]), row("2026-05-03T10:00:00Z", &[("fees", -75)])];
        let parts =
            split(&rows, jiff::civil::date(2026, 5, 9), &zone("UTC"), &accounts(), false).expect("splits");
        let [part] = parts.as_slice() else { panic!("{parts:?}") };
        assert_eq!(by_account(&part.lines), sums(&[("revenue", -500), ("fees", 75), ("settlement", 425)]));
    }

    #[test]
    fn a_last_month_without_rows_still_brings_the_money_in() {
        let rows = [row("2026-04-26T10:00:00Z", &[("revenue", 100)])];
        let parts =
            split(&rows, jiff::civil::date(2026, 5, 1), &zone("UTC"), &accounts(), false).expect("splits");
        assert_eq!(parts.len(), 2);
        assert_eq!(by_account(&parts[1].lines), sums(&[("settlement", 100), ("carry", -100)]));
    }

    #[test]
    fn what_fusion_converts_by_day_is_brought_in_at_the_rate_of_the_month_that_carried_it() {
        let rows = [
            row("2026-03-28T10:00:00Z", &[("revenue", 300)]),
            row("2026-04-26T10:00:00Z", &[("revenue", 100)]),
            row("2026-05-01T10:00:00Z", &[("revenue", 20)]),
        ];
        let end = jiff::civil::date(2026, 5, 3);
        let parts = split(&rows, end, &zone("UTC"), &accounts(), true).expect("splits");
        let rate_of = |month, day| Some(Conversion::RateOf(jiff::civil::date(2026, month, day)));
        let days = |part: &Part| -> Vec<(String, i64, Option<Conversion>)> {
            let own = part.lines.iter().filter(|line| line.label == BROUGHT);
            own.map(|line| (line.account.clone(), line.amount.minor, line.conversion)).collect()
        };
        assert!(parts[..2].iter().all(|part| part.lines.iter().all(|line| line.conversion.is_none())));
        let (carry, settlement) = ("carry".to_owned(), "settlement".to_owned());
        assert_eq!(
            days(&parts[2]),
            [
                (carry.clone(), -300, rate_of(3, 31)),
                (carry, -100, rate_of(4, 30)),
                (settlement.clone(), 300, rate_of(3, 31)),
                (settlement, 100, rate_of(4, 30)),
            ]
        );
        let own = parts[2].lines.iter().filter(|line| line.label != BROUGHT);
        assert!(own.clone().count() == 2 && own.into_iter().all(|line| line.conversion.is_none()));
    }

    #[test]
    fn a_month_that_moves_nothing_goes_with_the_next() {
        let nothing = Row { posted: "2026-04-26T10:00:00Z".parse().expect("a time"), lines: Vec::new() };
        let rows = [nothing, row("2026-05-02T10:00:00Z", &[("revenue", 500)])];
        let parts =
            split(&rows, jiff::civil::date(2026, 5, 9), &zone("UTC"), &accounts(), false).expect("splits");
        let [part] = parts.as_slice() else { panic!("{parts:?}") };
        assert_eq!((part.of, part.rows.as_slice()), (1, &[0, 1][..]));
    }

    fn any_row() -> impl Strategy<Value = Row> {
        let leg = (0_usize..5, -1_000_000_i64..1_000_000);
        // Half a year around both changes of the clocks.
        let posted = 1_790_000_000_i64..1_806_000_000;
        (posted, prop::collection::vec(leg, 1..6)).prop_map(|(posted, legs)| {
            let legs: Vec<(&str, i64)> = legs
                .into_iter()
                .map(|(account, minor)| (["revenue", "fees", "refunds", "reserve", "tax"][account], minor))
                .collect();
            settled(Timestamp::from_second(posted).expect("in range"), &legs)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Over any month edges, zones and changes of the clocks: every part balances, nothing stays on the
        /// carry-forward account, the last part alone settles, and no other account notices the cut.
        #[test]
        fn a_split_conserves_every_sum(
            rows in prop::collection::vec(any_row(), 0..25),
            zone_index in 0_usize..ZONES.len(),
            days in 0_i32..400,
        ) {
            let end = jiff::civil::date(2026, 9, 20).checked_add(jiff::Span::new().days(days)).expect("a day");
            let parts = split(&rows, end, &zone(ZONES[zone_index]), &accounts(), false).expect("splits");
            let whole = by_account(rows.iter().flat_map(|row| &row.lines));
            prop_assert_eq!(by_account(parts.iter().flat_map(|part| &part.lines)), whole);
            let mut seen: Vec<usize> = parts.iter().flat_map(|part| part.rows.iter().copied()).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..rows.len()).collect::<Vec<_>>());
            for part in &parts {
                prop_assert_eq!(by_account(&part.lines).values().sum::<i64>(), 0);
                let settles = part.lines.iter().any(|line| line.account == "settlement");
                prop_assert!(part.number == part.of || !settles);
                prop_assert!(part.date <= end);
            }
            let dates: Vec<Date> = parts.iter().map(|part| part.date).collect();
            prop_assert!(dates.windows(2).all(|pair| pair[0] < pair[1]));
        }

        /// The order in which Amazon shows rows changes no part.
        #[test]
        fn the_order_of_rows_does_not_matter(
            (rows, shuffled) in prop::collection::vec(any_row(), 0..12)
                .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        ) {
            let end = jiff::civil::date(2027, 3, 25);
            let lines = |rows: &[Row]| -> Vec<(Date, BTreeMap<String, i64>)> {
                let parts = split(rows, end, &zone("Europe/Berlin"), &accounts(), false).expect("splits");
                parts.iter().map(|part| (part.date, by_account(&part.lines))).collect()
            };
            prop_assert_eq!(lines(&rows), lines(&shuffled));
        }
    }
}
