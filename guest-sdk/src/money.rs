//! Money in whole minor units.

use std::fmt;

use crate::Money;

impl Money {
    /// `minor` units of an ISO 4217 currency.
    pub fn new(minor: i64, currency: &str) -> Self {
        Self { minor, currency: currency.to_owned() }
    }

    /// As much in the other direction.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self::new(-self.minor, &self.currency)
    }

    /// The same currency with other minor units.
    #[must_use]
    pub fn with_minor(&self, minor: i64) -> Self {
        Self::new(minor, &self.currency)
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.minor == 0
    }

    /// The tax contained in a gross amount at a rate of `basis_points` (2000 is 20 %): gross less the net, which is
    /// rounded half away from zero, so that net and tax always sum to the gross.
    #[must_use]
    pub fn tax_included(&self, basis_points: u32) -> Self {
        let whole = 10_000 + i128::from(basis_points);
        let scaled = i128::from(self.minor) * 10_000;
        let half = whole / 2 * i128::from(self.minor.signum());
        let net = (scaled + half) / whole;
        // The net lies between nothing and the gross, so it fits.
        let net = i64::try_from(net).unwrap_or(self.minor);
        self.with_minor(self.minor - net)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} minor units of {}", self.minor, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contained_tax_is_rounded_by_the_net() {
        for (gross, rate, tax) in
            [(1_200, 2_000, 200), (-1_200, 2_000, -200), (100, 1_900, 16), (1, 1_000, 0), (0, 2_000, 0)]
        {
            assert_eq!(Money::new(gross, "EUR").tax_included(rate).minor, tax, "{gross} at {rate}");
        }
    }
}
