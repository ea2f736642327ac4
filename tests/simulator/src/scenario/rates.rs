//! Exchange rates: Fusion's of each day, and those at which Amazon pays settlements out. They follow from currencies and
//! days alone, so that a scenario draws nothing for them.

use jiff::civil::Date;

use super::Currency;

/// Minor units of one currency for a million of another.
pub(crate) type PerMillion = i64;

const MILLION: i64 = 1_000_000;

/// The daily rate that somebody enters in Fusion. It moves by up to two percent either way.
pub(crate) fn daily(from: Currency, to: Currency, day: Date) -> PerMillion {
    let middle = to.per_cent() * MILLION / from.per_cent();
    let days =
        u64::try_from(i64::from(day.year()) * 372 + i64::from(day.month()) * 31 + i64::from(day.day()));
    let moved = 980_000 + i64::try_from(mixed(days.unwrap_or(0) * 64 + pair(from, to)) % 40_001).unwrap_or(0);
    middle * moved / MILLION
}

/// The rate at which Amazon pays out a settlement that ends on a day: it keeps one and a half percent.
pub(crate) fn of_payout(from: Currency, to: Currency, day: Date) -> PerMillion {
    let next = day.tomorrow().unwrap_or(day);
    daily(from, to, next) * 985 / 1_000
}

/// An amount at a rate, rounded half away from zero.
pub(crate) fn at(minor: i64, rate: PerMillion) -> i64 {
    let size = (minor.abs() * rate + MILLION / 2) / MILLION;
    size * minor.signum()
}

fn pair(from: Currency, to: Currency) -> u64 {
    from as u64 * 8 + to as u64
}

/// A number that tells nothing of the one it was made of (the finalizer of splitmix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_move_from_day_to_day_and_stay_near_their_middle() {
        let day = |n| jiff::civil::date(2026, 9, n);
        let of = |n| daily(Currency::Gbp, Currency::Usd, day(n));
        assert_eq!(of(1), of(1));
        assert!((1..28).all(|n| of(n) != of(n + 1) && (1_240_000..1_292_000).contains(&of(n))));
        assert!(of_payout(Currency::Gbp, Currency::Usd, day(1)) < of(2));
        // A hundred yen are 67 cents or so.
        assert!((65..70).contains(&at(100, daily(Currency::Jpy, Currency::Usd, day(1)))));
        assert_eq!((at(-3, 500_000), at(3, 500_000), at(1, 499_999)), (-2, 2, 0));
    }
}
