//! The error codes of Journal Import, and the report that shows them.

use std::collections::BTreeMap;

use super::load::{InterfaceRow, iso};
use crate::World;
use crate::fusion::{FusionState, lov};
use crate::scenario::Currency;

/// The combination of a row.
pub(super) fn account(row: &InterfaceRow) -> String {
    let segments: Vec<&str> = (9..=38).map(|n| row.at(n)).take_while(|segment| !segment.is_empty()).collect();
    segments.join("-")
}

fn amount(currency: Currency, text: &str) -> Option<i64> {
    if text.is_empty() { Some(0) } else { currency.minor(text) }
}

/// Debit less credit in minor units.
pub(super) fn net(row: &InterfaceRow) -> Option<i64> {
    let currency = Currency::of(row.at(6))?;
    Some(amount(currency, row.at(39))? - amount(currency, row.at(40))?)
}

/// Accounted debit less credit in the ledger's minor units, where a row brings them along.
pub(super) fn given(row: &InterfaceRow, ledger: Currency) -> Option<i64> {
    let given = !row.at(41).is_empty() || !row.at(42).is_empty();
    given.then(|| Some(amount(ledger, row.at(41))? - amount(ledger, row.at(42))?)).flatten()
}

/// Whether a row's accounted amounts are none, or stand on the other side than what is entered.
fn askew(row: &InterfaceRow, ledger: Currency) -> bool {
    let filled = |column: usize| !row.at(column).is_empty();
    let unread = [41, 42].iter().any(|column| amount(ledger, row.at(*column)).is_none());
    unread || (filled(41) && !filled(39)) || (filled(42) && !filled(40))
}

/// What must balance: batch, journal, period or date, category, currency and actual flag.
type Balanced<'a> = [&'a str; 6];

fn balanced(row: &InterfaceRow) -> Balanced<'_> {
    // A period is a month: year and month of the date.
    [row.at(43), row.at(46), row.at(3).get(..7).unwrap_or_default(), row.at(5), row.at(6), row.at(8)]
}

/// The codes of each row; those that begin with W are warnings.
pub(super) fn codes(
    world: &World,
    (state, ledger): (&FusionState, Currency),
    rows: &[InterfaceRow],
    to_suspense: bool,
) -> Vec<Vec<&'static str>> {
    let mut sums = BTreeMap::<Balanced<'_>, (i64, i64)>::new();
    for row in rows {
        let sum = sums.entry(balanced(row)).or_default();
        sum.0 += net(row).unwrap_or(0);
        sum.1 += given(row, ledger).unwrap_or(0);
    }
    rows.iter()
        .zip(1_usize..)
        .map(|(row, n)| {
            let mut codes = Vec::new();
            codes.extend(period(world, state, row));
            let refused = state.knobs.reject_rows.contains(&n).then_some("EF04");
            let day = iso(row.at(3)).unwrap_or_default();
            if let Some(code) = refused.or_else(|| state.chart.problem(&account(row), &day)) {
                codes.push(if to_suspense && state.knobs.suspense { "WF02" } else { code });
            }
            codes.extend(names(state, row));
            codes.extend(currency(world, ledger, row));
            // A code without a description is what live instances show for what nothing else says.
            let empty = net(row).is_none_or(|net| net == 0);
            let reserved = [45, 96, 97, 98].iter().any(|n| !row.at(*n).is_empty());
            let reversal = row.at(49) == "Yes" && row.at(50).is_empty();
            let odd = row.at(1) != "NEW" || !matches!(row.at(8), "A" | "B" | "E") || askew(row, ledger);
            if odd || empty || reserved || reversal {
                codes.push("EG01");
            }
            if sums.get(&balanced(row)).is_some_and(|sum| *sum != (0, 0)) {
                codes.push(if state.knobs.suspense { "WU01" } else { "EU02" });
            }
            codes
        })
        .collect()
}

fn period(world: &World, state: &FusionState, row: &InterfaceRow) -> Option<&'static str> {
    let date = iso(row.at(3)).unwrap_or_default();
    let name = date.parse().map(lov::period_name).unwrap_or_default();
    let open = matches!(lov::status(world, state, 101, &date), Some('O' | 'F'));
    let named = row.at(95).is_empty() || row.at(95) == name;
    (!open || !named).then_some("EP01")
}

/// Category and source; the code of an unknown source is assumed.
fn names(state: &FusionState, row: &InterfaceRow) -> Option<&'static str> {
    if !lov::CATEGORIES.contains(&row.at(5)) {
        return Some("EM01");
    }
    (!lov::journal_sources(state).contains(&row.at(4))).then_some("EM09")
}

fn currency(world: &World, ledger: Currency, row: &InterfaceRow) -> Option<&'static str> {
    let Some(currency) = Currency::of(row.at(6)) else { return Some("EC08") };
    let accounted = !row.at(41).is_empty() || !row.at(42).is_empty();
    let (conversion, date, rate) = (row.at(64), row.at(65), row.at(66));
    if currency == ledger {
        let same = |entered: usize, accounted: usize| {
            row.at(accounted).is_empty()
                || amount(currency, row.at(entered)) == amount(currency, row.at(accounted))
        };
        return (!(same(39, 41) && same(40, 42))).then_some("EC12");
    }
    match conversion {
        "" if accounted => None,
        "" => Some("EC03"),
        _ if !lov::CONVERSIONS.contains(&conversion) => Some("EC11"),
        "User" if rate.is_empty() => Some("EC01"),
        _ if date.is_empty() => Some("EC02"),
        "User" => None,
        _ => {
            let day = iso(date).unwrap_or_default();
            (!lov::has_rate(world, conversion, &day)).then_some("EC06")
        }
    }
}

/// The error lines of a group.
pub(super) fn report(rows: &[InterfaceRow], codes: &[Vec<&'static str>]) -> String {
    let mut report = "\n=========== Error Lines ===========\n".to_owned();
    for (row, codes) in rows.iter().zip(codes).filter(|(_, codes)| !codes.is_empty()) {
        let line =
            [row.at(4), row.at(3), row.at(6), row.at(39), row.at(40), &account(row), row.at(53)].join("  ");
        report.push_str(&format!("{}  {line}\n", codes.join(",")));
    }
    report
}

/// The legend, which lists every code there is.
pub(super) const LEGEND: &str = "
=========== Error Key ===========
EP01 This date is not in an open or future enterable period.
EF01 This account is inactive for this accounting date.
EF02 Detail posting is not allowed to this account.
EF03 This account is disabled.
EF04 This account is invalid. Check cross-validation rules and segment values.
EC01 A conversion rate is required for the User conversion type.
EC02 The conversion date is missing.
EC03 A conversion type or an accounted amount is required.
EC06 There is no conversion rate for this currency, type and date.
EC08 This currency is invalid.
EC11 This conversion type is invalid.
EC12 The entered amount must equal the accounted amount in the ledger currency.
EM01 This journal category is invalid.
EM09 There is no transaction code for this journal source.
EU02 This journal is unbalanced, and suspense posting is not allowed.
WU01 This journal is unbalanced but was accepted, because suspense posting is allowed.
WF02 The suspense account was used instead of an invalid account.
";
