//! Sharing and converting money without losing a minor unit.
//!
//! Both work by largest remainder: every share is rounded down, and the units left over go to the shares that lost
//! most. So parts always sum to the whole, and there is no difference to be plugged anywhere.

use std::cmp::Reverse;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::money::{Currency, Money, MoneyError};

/// Shares `total` by `weights`, in their order; the shares sum to it. Without any weight nothing can be shared: the
/// whole goes to the first.
///
/// # Errors
/// There is nobody to share with.
pub fn share(total: Money, weights: &[u64]) -> Result<Vec<Money>, MoneyError> {
    let whole = i128::from(total.minor.unsigned_abs());
    let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if weights.is_empty() {
        return Err(MoneyError::OutOfRange(format!("{total} shared by nobody")));
    }
    let exact: Vec<(i128, i128)> = weights
        .iter()
        .enumerate()
        .map(|(place, weight)| match sum {
            0 => (if place == 0 { whole } else { 0 }, 0),
            _ => (whole * i128::from(*weight) / sum, whole * i128::from(*weight) % sum),
        })
        .collect();
    let shares = by_largest_remainder(&exact, whole);
    let sign = total.minor.signum();
    shares.into_iter().map(|share| money(share * i128::from(sign), total.currency)).collect()
}

/// Gives what is left of `whole` to the parts with the largest remainders, the earlier ones first among equals.
fn by_largest_remainder(parts: &[(i128, i128)], whole: i128) -> Vec<i128> {
    let mut shares: Vec<i128> = parts.iter().map(|(floor, _)| *floor).collect();
    let left = whole - shares.iter().sum::<i128>();
    let mut places: Vec<usize> = (0..parts.len()).collect();
    places.sort_by_key(|place| (Reverse(parts[*place].1), *place));
    let left = usize::try_from(left).unwrap_or(0);
    places.iter().cycle().take(left).for_each(|place| shares[*place] += 1);
    shares
}

fn money(minor: i128, currency: Currency) -> Result<Money, MoneyError> {
    let minor = i64::try_from(minor).map_err(|_| MoneyError::OutOfRange(minor.to_string()))?;
    Ok(Money::new(minor, currency))
}

/// What one unit of a foreign currency is worth in the ledger's: a positive decimal number, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    digits: i64,
    places: u32,
}

/// Most decimal places of a rate.
const PLACES_MAX: usize = 12;

impl FromStr for Rate {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let bad = || MoneyError::BadAmount(text.to_owned());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || fraction.len() > PLACES_MAX || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad());
        }
        let digits: i64 = digits.parse().map_err(|_| bad())?;
        let places = u32::try_from(fraction.len()).map_err(|_| bad())?;
        if digits == 0 { Err(bad()) } else { Ok(Self { digits, places }) }
    }
}

impl TryFrom<String> for Rate {
    type Error = MoneyError;

    fn try_from(text: String) -> Result<Self, MoneyError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        let digits = format!("{:0>width$}", rate.digits, width = rate.places as usize + 1);
        let (whole, fraction) = digits.split_at(digits.len() - rate.places as usize);
        if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
    }
}

impl Rate {
    /// An amount's worth in `ledger` currency as a whole part and a remainder, both not negative.
    fn worth(self, minor: u64, from: Currency, ledger: Currency) -> Option<(i128, i128, i128)> {
        let numerator = i128::from(minor)
            .checked_mul(i128::from(self.digits))?
            .checked_mul(10_i128.pow(ledger.exponent()))?;
        let denominator = 10_i128.pow(self.places + from.exponent());
        Some((numerator / denominator, numerator % denominator, denominator))
    }
}

/// The lines' worth in the ledger's currency, in their order. Debits and credits that balance before balance after:
/// each side's total is converted once, rounded half up, and shared among its lines by largest remainder, so a line
/// differs from its own conversion by less than one minor unit for each line of its side.
///
/// # Errors
/// Two currencies, or amounts that do not fit.
pub fn convert(lines: &[Money], rate: Rate, ledger: Currency) -> Result<Vec<Money>, MoneyError> {
    let mut converted = vec![Money::zero(ledger); lines.len()];
    for sign in [1, -1] {
        let side: Vec<usize> = (0..lines.len()).filter(|n| lines[*n].minor.signum() == sign).collect();
        let Some(first) = side.first() else { continue };
        let from = lines[*first].currency;
        let total = Money::sum(from, side.iter().map(|n| lines[*n]))?;
        let out_of_range = || MoneyError::OutOfRange(format!("{total} in {ledger}"));
        let worth = |minor: i64| rate.worth(minor.unsigned_abs(), from, ledger).ok_or_else(out_of_range);
        let (whole, rest, denominator) = worth(total.minor)?;
        let whole = whole + i128::from(2 * rest >= denominator);
        let mut parts = Vec::with_capacity(side.len());
        for place in &side {
            let (floor, rest, _) = worth(lines[*place].minor)?;
            parts.push((floor, rest));
        }
        for (place, minor) in side.iter().zip(by_largest_remainder(&parts, whole)) {
            converted[*place] = money(minor * i128::from(sign), ledger)?;
        }
    }
    Ok(converted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn eur() -> Currency {
        "EUR".parse().expect("a currency")
    }

    #[test]
    fn what_is_left_over_goes_to_whom_lost_most() {
        let shares = |minor, weights: &[u64]| -> Vec<i64> {
            share(Money::new(minor, eur()), weights)
                .expect("shares")
                .iter()
                .map(|money| money.minor)
                .collect()
        };
        assert_eq!(shares(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(shares(-100, &[1, 1, 1]), [-34, -33, -33]);
        assert_eq!(shares(10, &[5, 3, 2]), [5, 3, 2]);
        assert_eq!(shares(1, &[1, 9]), [0, 1]);
        assert_eq!(shares(7, &[0, 0]), [7, 0]);
        assert!(share(Money::new(1, eur()), &[]).is_err());
    }

    #[test]
    fn a_rate_keeps_its_digits() {
        for text in ["1.0835", "0.0067", "151", "0.000000000001"] {
            assert_eq!(String::from(text.parse::<Rate>().expect(text)), text);
        }
        for text in ["", "0", "0.00", "-1", "1e3", "1,5", "1.0000000000000"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn exponents_of_both_currencies_count() {
        let of = |minor, from, rate: &str, ledger| {
            let rate = rate.parse().expect("a rate");
            convert(&[Money::new(minor, from)], rate, ledger).expect("converts")[0].minor
        };
        assert_eq!(of(10_000, eur(), "1.0835", Currency::USD), 10_835);
        assert_eq!(of(1_000, Currency::JPY, "0.0067", Currency::USD), 670);
        assert_eq!(of(100, Currency::USD, "151.5", Currency::JPY), 152);
        assert_eq!(of(-100, Currency::USD, "151.5", Currency::JPY), -152);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn shares_sum_to_the_whole_and_none_is_off_by_one(
            minor in -1_000_000_000_i64..1_000_000_000,
            weights in prop::collection::vec(0_u64..1_000_000, 1..20),
        ) {
            let total = Money::new(minor, eur());
            let shares = share(total, &weights).expect("shares");
            prop_assert_eq!(Money::sum(eur(), shares.iter().copied()).expect("sums"), total);
            let sum: u64 = weights.iter().sum();
            for (share, weight) in shares.iter().zip(&weights).filter(|_| sum != 0) {
                let exact = i128::from(minor) * i128::from(*weight);
                prop_assert!((i128::from(share.minor) * i128::from(sum) - exact).abs() < i128::from(sum));
            }
        }

        #[test]
        fn a_journal_that_balances_balances_in_the_ledgers_currency(
            debits in prop::collection::vec(1_i64..100_000_000, 1..12),
            cuts in prop::collection::vec(1_u64..1_000, 1..12),
            digits in 1_i64..2_000_000,
        ) {
            let total: i64 = debits.iter().sum();
            let credits = share(Money::new(-total, eur()), &cuts).expect("shares");
            let mut lines: Vec<Money> = debits.iter().map(|minor| Money::new(*minor, eur())).collect();
            lines.extend(credits);
            let converted = convert(&lines, Rate { digits, places: 4 }, Currency::USD).expect("converts");
            prop_assert_eq!(converted.iter().map(|money| i128::from(money.minor)).sum::<i128>(), 0);
            for (line, worth) in lines.iter().zip(&converted) {
                let exact = i128::from(line.minor) * i128::from(digits);
                prop_assert!((i128::from(worth.minor) * 10_000 - exact).abs() < 10_000 * lines.len() as i128);
            }
        }
    }
}
