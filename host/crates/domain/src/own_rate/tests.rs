//! What a settlement is worth by its own rate: balanced in both currencies, exact where it must be.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::money::Currency;
use crate::settlement::{Row, split};

fn cad(minor: i64) -> Money {
    Money::new(minor, "CAD".parse().expect("a currency"))
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

fn line(account: &str, minor: i64) -> JournalLine {
    JournalLine {
        account: account.to_owned(),
        amount: cad(minor),
        label: account.to_owned(),
        rule: "r".to_owned(),
        conversion: None,
    }
}

fn accounts() -> CarryAccounts {
    CarryAccounts { settlement: "1-settlement".to_owned(), carry_forward: "1-carry".to_owned() }
}

fn company(account: &str) -> String {
    account.split('-').next().unwrap_or_default().to_owned()
}

/// Worth by account, debits positive.
fn worth(lines: &[JournalLine]) -> BTreeMap<&str, i64> {
    let mut sums = BTreeMap::new();
    for line in lines {
        *sums.entry(line.account.as_str()).or_default() +=
            line.accounted().expect("every line has a worth").minor;
    }
    sums
}

fn converted(lines: Vec<JournalLine>, rate: &OwnRate, fixed: &[Fixed]) -> Vec<JournalLine> {
    convert(lines, rate, fixed, "1-rounding", company).expect("converts")
}

#[test]
fn money_in_transit_is_what_amazon_paid_out() {
    let rate = OwnRate::of(cad(100_000), usd(73_127)).expect("a rate");
    let lines = vec![line("1-settlement", 100_000), line("1-fees", 25_000), line("1-clearing", -125_000)];
    let lines = converted(lines, &rate, &[("1-settlement".to_owned(), usd(73_127))]);
    let wanted = [("1-settlement", 73_127), ("1-fees", 18_282), ("1-clearing", -91_409)];
    assert_eq!(worth(&lines), wanted.into());
    assert_eq!(lines.len(), 3, "nothing remains, and nothing is rounded");
}

/// Debits and credits of the settlement account are converted apart, and their difference is not what was paid out.
#[test]
fn what_remains_is_nothing_in_the_settlements_currency() {
    let rate = OwnRate::of(cad(1_000), usd(1_500)).expect("a rate");
    let rows = [("1-settlement", 1_001), ("1-clearing", -1_001), ("1-settlement", -1), ("1-fees", 1)];
    let lines = rows.iter().map(|(account, minor)| line(account, *minor)).collect();
    // 1002 come to 1503 on either side, of which 1001 by themselves come to 1501.5.
    let lines = converted(lines, &rate, &[("1-settlement".to_owned(), usd(1_500))]);
    let rounding: Vec<(i64, i64)> = lines
        .iter()
        .filter(|line| line.account == "1-rounding")
        .map(|line| (line.amount.minor, line.accounted().expect("a worth").minor))
        .collect();
    assert_eq!(rounding, [(1, 3), (-1, -2)], "a debit and a credit that differ by what remains");
    assert_eq!(lines.iter().map(|line| line.amount.minor).sum::<i64>(), 0);
    assert_eq!(worth(&lines).values().sum::<i64>(), 0);
    assert_eq!((worth(&lines)["1-settlement"], worth(&lines)["1-rounding"]), (1_500, 1));
    let before: Vec<i64> = unconverted(&lines).iter().map(|line| line.amount.minor).collect();
    assert_eq!(before, [1_001, -1_001, -1, 1]);
    assert!(unconverted(&lines).iter().all(|line| line.conversion.is_none()));
}

#[test]
fn what_is_carried_forward_comes_in_as_it_went_out() {
    let rate = OwnRate::of(cad(3_000), usd(2_000)).expect("a rate");
    let months = [cad(1_000), cad(1_000), cad(1_000)];
    let fixed = fixed(&rate, &months, &accounts()).expect("fits");
    let carried: Vec<i64> = fixed.iter().map(|fixed| fixed[1].1.minor).collect();
    assert_eq!(carried, [667, 666, -1_333], "rounded as they add up");
    assert_eq!(fixed[2][0].1, usd(2_000));
    assert_eq!(fixed[0][0].1, usd(0), "an earlier month settles nothing");
}

#[test]
fn another_currency_is_refused() {
    let rate = OwnRate::of(cad(3_000), usd(2_000)).expect("a rate");
    let mut odd = line("1-fees", 5);
    odd.amount = usd(5);
    assert!(convert(vec![odd], &rate, &[], "1-rounding", company).is_err());
}

fn row(posted: i64, legs: &[(usize, i64)]) -> Row {
    const ACCOUNTS: [&str; 4] = ["1-revenue", "1-fees", "1-refunds", "1-reserve"];
    let total: i64 = legs.iter().map(|(_, minor)| minor).sum();
    let mut lines: Vec<JournalLine> = legs.iter().map(|(at, minor)| line(ACCOUNTS[*at], -minor)).collect();
    lines.push(line("1-settlement", total));
    Row { posted: Timestamp::from_second(posted).expect("in range"), lines }
}

fn any_row() -> impl Strategy<Value = Row> {
    let leg = (0_usize..4, -1_000_000_i64..1_000_000);
    (1_790_000_000_i64..1_800_000_000, prop::collection::vec(leg, 1..6))
        .prop_map(|(posted, legs)| row(posted, &legs))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Whatever a settlement holds and whichever months it touches: each journal balances in both currencies, the
    /// settlement account is worth what was paid out, carry-forward ends at nothing in both, and what remains is small and
    /// at the account for rounding.
    #[test]
    fn a_settlement_balances_in_both_currencies(
        rows in prop::collection::vec(any_row(), 1..14),
        paid in 1_000_i64..40_000_000,
        days in 0_i32..120,
    ) {
        let end = jiff::civil::date(2026, 9, 22).checked_add(jiff::Span::new().days(days)).expect("a day");
        let total: i64 = rows.iter().flat_map(|row| &row.lines).filter(|l| l.account == "1-settlement").map(|l| l.amount.minor).sum();
        let Ok(rate) = OwnRate::of(cad(total), usd(paid * total.signum())) else { return Ok(()) };
        let parts = split(&rows, end, &TimeZone::UTC, &accounts(), false).expect("splits");
        let months: Vec<Money> = parts
            .iter()
            .map(|part| {
                let own = part.rows.iter().flat_map(|row| &rows[*row].lines);
                cad(own.filter(|line| line.account == "1-settlement").map(|line| line.amount.minor).sum())
            })
            .collect();
        let fixed = fixed(&rate, &months, &accounts()).expect("fits");
        let (mut carried, mut settled) = (0, 0);
        for (part, fixed) in parts.iter().zip(&fixed) {
            let before = part.lines.clone();
            let lines = convert(part.lines.clone(), &rate, fixed, "1-rounding", company).expect("converts");
            prop_assert_eq!(lines.iter().map(|line| line.amount.minor).sum::<i64>(), 0);
            let worth = worth(&lines);
            prop_assert_eq!(worth.values().sum::<i64>(), 0);
            carried += worth.get("1-carry").copied().unwrap_or(0);
            settled += worth.get("1-settlement").copied().unwrap_or(0);
            let remains = worth.get("1-rounding").copied().unwrap_or(0);
            prop_assert!(remains.unsigned_abs() <= remainder_max(before.len()), "{remains} of {} lines", before.len());
            let entered: i64 = lines.iter().filter(|line| line.account == "1-rounding").map(|line| line.amount.minor).sum();
            prop_assert_eq!(entered, 0);
            for line in &lines {
                let own = line.accounted().expect("a worth").minor;
                prop_assert!(line.amount.minor != 0 && own.signum() * line.amount.minor.signum() >= 0, "{line:?}");
            }
            prop_assert_eq!(unconverted(&lines), before);
        }
        prop_assert_eq!(carried, 0);
        prop_assert_eq!(settled, rate.converted.minor);
    }

    /// Companies that balance each balance each in the ledger's currency, too.
    #[test]
    fn each_balancing_segment_balances(
        amounts in prop::collection::vec((0_usize..3, -1_000_000_i64..1_000_000), 1..12),
        paid in 1_000_i64..40_000_000,
    ) {
        let rate = OwnRate::of(cad(1_000_003), usd(paid)).expect("a rate");
        let lines: Vec<JournalLine> = amounts
            .iter()
            .flat_map(|(company, minor)| {
                [line(&format!("{company}-a"), *minor), line(&format!("{company}-b{}", minor % 3), -minor)]
            })
            .collect();
        let lines = convert(lines, &rate, &[], "1-rounding", company).expect("converts");
        let mut sums = BTreeMap::<String, i64>::new();
        for line in &lines {
            *sums.entry(company(&line.account)).or_default() += line.accounted().expect("a worth").minor;
        }
        prop_assert!(sums.values().all(|sum| *sum == 0), "{sums:?}");
    }
}
