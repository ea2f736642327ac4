//! Sharing and converting money without losing a minor unit.
//!
//! Both work by largest remainder: every share is rounded down, and the units left over go to the shares that lost
//! most. So parts always sum to the whole, and there is no difference to be plugged anywhere.

use std::cmp::Reverse;

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

/// What a settlement came to in its own currency and in that in which Amazon paid it out: the rate is their quotient,
/// and is never written as a decimal number, so nothing of it is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnRate {
    /// In the currency of its transactions.
    pub original: Money,
    /// In the currency of the payout.
    pub converted: Money,
}

/// Why two totals give no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRate {
    /// Nothing was converted.
    #[error("both totals are in one currency")]
    SameCurrency,
    /// A quotient of nothing, or of debt and money.
    #[error("one of its totals is nothing, or they have opposite signs")]
    OppositeSigns,
    /// Rounding alone moves the quotient by too much.
    #[error("its totals are too small to tell a rate")]
    TooSmall,
}

/// Fewest minor units of either total that tell a rate. Amazon rounds a total by up to half a minor unit, which then
/// moves the rate by one in two thousand at most. A settlement that nets to a few cents says nothing about what its
/// sales are worth.
pub const TELLS_FROM: u64 = 1_000;

impl OwnRate {
    /// The rate of a settlement that came to `original` and was paid out as `converted`.
    ///
    /// # Errors
    /// See [`NoRate`].
    pub fn of(original: Money, converted: Money) -> Result<Self, NoRate> {
        if original.currency == converted.currency {
            return Err(NoRate::SameCurrency);
        }
        if original.minor == 0 || original.minor.signum() != converted.minor.signum() {
            return Err(NoRate::OppositeSigns);
        }
        if original.minor.unsigned_abs().min(converted.minor.unsigned_abs()) < TELLS_FROM {
            return Err(NoRate::TooSmall);
        }
        Ok(Self { original, converted })
    }

    /// What an amount is worth by itself, rounded half away from zero.
    ///
    /// # Errors
    /// An amount in another currency than the rate's, or one that does not fit.
    pub fn worth(&self, amount: Money) -> Result<Money, MoneyError> {
        let (whole, rest, denominator) = self.exactly(amount)?;
        money((whole + i128::from(2 * rest >= denominator)) * sign(amount), self.converted.currency)
    }

    /// An amount's size in the other currency as a whole part and a remainder over a denominator, none of them negative.
    fn exactly(&self, amount: Money) -> Result<(i128, i128, i128), MoneyError> {
        if amount.currency != self.original.currency {
            return Err(MoneyError::Mixed { left: self.original.currency, right: amount.currency });
        }
        let denominator = i128::from(self.original.minor.unsigned_abs());
        // Two amounts of 63 bits: their product fits.
        let product =
            i128::from(amount.minor.unsigned_abs()) * i128::from(self.converted.minor.unsigned_abs());
        if denominator == 0 {
            return Err(MoneyError::OutOfRange(format!("{amount} by a rate of nothing")));
        }
        Ok((product / denominator, product % denominator, denominator))
    }
}

fn sign(amount: Money) -> i128 {
    i128::from(amount.minor.signum())
}

/// The lines' worth by a settlement's own rate, in their order. Debits and credits that balance before balance after:
/// each side's total is converted once, rounded half up, and shared among its lines by largest remainder, so a line
/// differs from its own conversion by less than one minor unit.
///
/// # Errors
/// A line in another currency than the rate's, or amounts that do not fit.
pub fn convert(lines: &[Money], rate: &OwnRate) -> Result<Vec<Money>, MoneyError> {
    let ledger = rate.converted.currency;
    let mut converted = vec![Money::zero(ledger); lines.len()];
    for side in [1, -1] {
        let own: Vec<usize> = (0..lines.len()).filter(|n| lines[*n].minor.signum() == side).collect();
        let total = Money::sum(rate.original.currency, own.iter().map(|n| lines[*n]))?;
        let whole = i128::from(rate.worth(total)?.minor.unsigned_abs());
        let mut parts = Vec::with_capacity(own.len());
        for place in &own {
            let (floor, rest, _) = rate.exactly(lines[*place])?;
            parts.push((floor, rest));
        }
        for (place, minor) in own.iter().zip(by_largest_remainder(&parts, whole)) {
            converted[*place] = money(minor * i128::from(side), ledger)?;
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

    fn rate(original: (i64, Currency), converted: (i64, Currency)) -> OwnRate {
        let money = |(minor, currency)| Money::new(minor, currency);
        OwnRate::of(money(original), money(converted)).expect("a rate")
    }

    #[test]
    fn totals_that_tell_no_rate_are_told_from_those_that_do() {
        let (usd, eur) = (|minor| Money::new(minor, Currency::USD), |minor| Money::new(minor, eur()));
        let rows = [
            (eur(100_000), usd(108_350), None),
            (eur(-100_000), usd(-108_350), None),
            (eur(100_000), eur(100_000), Some(NoRate::SameCurrency)),
            (eur(100_000), usd(-108_350), Some(NoRate::OppositeSigns)),
            (eur(0), usd(0), Some(NoRate::OppositeSigns)),
            (eur(100_000), usd(0), Some(NoRate::OppositeSigns)),
            (eur(0), usd(1), Some(NoRate::OppositeSigns)),
            (eur(999), usd(1_083), Some(NoRate::TooSmall)),
            (eur(1_100), usd(900), Some(NoRate::TooSmall)),
            (eur(1_000), usd(1_000), None),
        ];
        for (original, converted, wanted) in rows {
            assert_eq!(OwnRate::of(original, converted).err(), wanted, "{original} {converted}");
        }
    }

    #[test]
    fn a_rate_is_stored_as_its_two_totals() {
        let rate = rate((-1_200, eur()), (-1_000, Currency::USD));
        let json = serde_json::to_string(&rate).expect("JSON");
        let wanted =
            r#"{"original":{"minor":-1200,"currency":"EUR"},"converted":{"minor":-1000,"currency":"USD"}}"#;
        assert_eq!((json.as_str(), serde_json::from_str(&json).ok()), (wanted, Some(rate)));
        let nothing = r#"{"original":{"minor":0,"currency":"EUR"},"converted":{"minor":5,"currency":"USD"}}"#;
        let nothing: OwnRate = serde_json::from_str(nothing).expect("JSON");
        assert!(nothing.worth(Money::new(1, eur())).is_err(), "altered in the store: an error, no panic");
    }

    #[test]
    fn exponents_of_both_currencies_are_in_the_totals() {
        let of = |minor, from, converted: (i64, Currency)| {
            let rate = rate((10_000, from), converted);
            convert(&[Money::new(minor, from)], &rate).expect("converts")[0].minor
        };
        assert_eq!(of(10_000, eur(), (10_835, Currency::USD)), 10_835);
        assert_eq!(of(1_000, Currency::JPY, (6_700, Currency::USD)), 670);
        assert_eq!(of(100, Currency::USD, (15_150, Currency::JPY)), 152);
        assert_eq!(of(-100, Currency::USD, (15_150, Currency::JPY)), -152);
        let yen = rate((10_000, Currency::JPY), (6_700, Currency::USD));
        assert!(yen.worth(Money::new(1, eur())).is_err(), "another currency");
        assert_eq!(yen.worth(Money::new(-5, Currency::JPY)), Ok(Money::new(-3, Currency::USD)));
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
            original in 1_000_i64..1_000_000_000,
            converted in 1_000_i64..1_000_000_000,
        ) {
            let total: i64 = debits.iter().sum();
            let credits = share(Money::new(-total, eur()), &cuts).expect("shares");
            let mut lines: Vec<Money> = debits.iter().map(|minor| Money::new(*minor, eur())).collect();
            lines.extend(credits);
            let rate = rate((original, eur()), (converted, Currency::USD));
            let worth = convert(&lines, &rate).expect("converts");
            prop_assert_eq!(worth.iter().map(|money| i128::from(money.minor)).sum::<i128>(), 0);
            for (line, worth) in lines.iter().zip(&worth) {
                let exact = i128::from(line.minor) * i128::from(converted);
                let off = i128::from(worth.minor) * i128::from(original) - exact;
                prop_assert!(off.abs() < i128::from(original), "{} is worth {}", line, worth);
                prop_assert!(worth.minor == 0 || worth.minor.signum() == line.minor.signum());
            }
        }
    }
}
