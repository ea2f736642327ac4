//! Money as whole minor units with a currency.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An ISO 4217 currency code, three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", inline)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The US dollar.
    pub const USD: Self = Self(*b"USD");
    /// The yen, which has no minor unit.
    pub const JPY: Self = Self(*b"JPY");

    /// The code.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency holds ASCII letters only")
    }

    /// Decimal places of the minor unit (ISO 4217).
    pub fn exponent(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF"
            | b"UGX" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Self(code)),
            _ => Err(MoneyError::BadCurrency(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;

    fn try_from(text: String) -> Result<Self, MoneyError> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

/// Why an amount could not be read or added up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not three capital letters.
    #[error("`{0}` is not an ISO 4217 currency code")]
    BadCurrency(String),
    /// Not a decimal number.
    #[error("`{0}` is not a decimal amount")]
    BadAmount(String),
    /// More decimal places than the currency has.
    #[error("`{amount}` has more decimal places than {currency} knows")]
    TooPrecise {
        /// The text that was read.
        amount: String,
        /// The currency it is in.
        currency: Currency,
    },
    /// Beyond what 63 bits of minor units hold.
    #[error("amount out of range: {0}")]
    OutOfRange(String),
    /// Two currencies in one sum.
    #[error("cannot add {right} to {left}")]
    Mixed {
        /// The currency so far.
        left: Currency,
        /// The other one.
        right: Currency,
    },
}

/// An amount in minor units (cents, pence, yen).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Minor units.
    pub minor: i64,
    /// Their currency.
    pub currency: Currency,
}

impl Money {
    /// `minor` units of `currency`.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// Reads the digits that a remote sent, never through a float: `25.37`, `80`, `-0.0`, `1.0E-2`.
    ///
    /// # Errors
    /// Text that is no decimal number, has more places than the currency (trailing zeros do not count), or
    /// does not fit.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let bad = || MoneyError::BadAmount(text.to_owned());
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| bad())?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(bad());
        }
        if !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) || fraction.len() > 40 {
            return Err(bad());
        }
        let places = i32::try_from(fraction.len()).map_err(|_| bad())? - exponent;
        let units = scale(&format!("{whole}{fraction}"), places, currency, text)?;
        Ok(Self::new(if negative { -units } else { units }, currency))
    }

    /// The decimal digits, with the currency's places and no thousands separators: `-12.30`, `1994`.
    pub fn decimal(self) -> String {
        let places = self.currency.exponent() as usize;
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
    }

    /// The sum.
    ///
    /// # Errors
    /// Two currencies, or a sum that does not fit.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed { left: self.currency, right: other.currency });
        }
        let minor = self.minor.checked_add(other.minor);
        minor
            .map(|minor| Self::new(minor, self.currency))
            .ok_or_else(|| MoneyError::OutOfRange(format!("{self} + {other}")))
    }

    /// The sum of `amounts`, all in `currency`.
    ///
    /// # Errors
    /// As [`Money::checked_add`].
    pub fn sum(currency: Currency, amounts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::checked_add)
    }

    /// The opposite amount.
    pub fn negated(self) -> Self {
        Self::new(-self.minor, self.currency)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

/// Turns digits with `places` decimal places into minor units.
fn scale(digits: &str, places: i32, currency: Currency, text: &str) -> Result<i64, MoneyError> {
    let exponent = i32::try_from(currency.exponent()).expect("exponents are 0 to 3");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Ok(0);
    }
    let surplus = places - exponent;
    let too_large = || MoneyError::OutOfRange(text.to_owned());
    let kept = if surplus > 0 {
        let cut = digits.len().saturating_sub(surplus.unsigned_abs() as usize);
        let dropped = &digits[cut..];
        if dropped.bytes().any(|b| b != b'0') {
            return Err(MoneyError::TooPrecise { amount: text.to_owned(), currency });
        }
        digits[..cut].to_owned()
    } else {
        let zeros = surplus.unsigned_abs() as usize;
        if zeros > 20 {
            return Err(too_large());
        }
        format!("{digits}{}", "0".repeat(zeros))
    };
    if kept.is_empty() { Ok(0) } else { kept.parse::<i64>().map_err(|_| too_large()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn eur() -> Currency {
        "EUR".parse().expect("a code")
    }

    #[test]
    fn parses_what_the_remotes_send() {
        let rows = [
            ("25.37", 2537),
            ("80", 8000),
            ("-0.0", 0),
            ("1.0E-2", 1),
            ("-12.3", -1230),
            ("25.300", 2530),
            (".5", 50),
            ("1E2", 10_000),
            ("+7", 700),
            ("0.00", 0),
        ];
        for (text, minor) in rows {
            assert_eq!(Money::parse(text, eur()), Ok(Money::new(minor, eur())), "{text}");
        }
        assert_eq!(Money::parse("19940", Currency::JPY), Ok(Money::new(19_940, Currency::JPY)));
        assert_eq!(Money::parse("19940.00", Currency::JPY), Ok(Money::new(19_940, Currency::JPY)));
    }

    #[test]
    fn refuses_what_is_no_amount() {
        for text in ["", "-", ".", "1,5", "12.345", "NaN", "1e", "0x1", "1 ", "99999999999999999999", "1e400"]
        {
            assert!(Money::parse(text, eur()).is_err(), "{text}");
        }
        assert!(matches!(Money::parse("1.99", Currency::JPY), Err(MoneyError::TooPrecise { .. })));
    }

    #[test]
    fn currencies_do_not_mix() {
        let sum = Money::new(1, eur()).checked_add(Money::new(1, Currency::USD));
        assert!(matches!(sum, Err(MoneyError::Mixed { .. })));
        assert!(Money::new(i64::MAX, eur()).checked_add(Money::new(1, eur())).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(minor in -1_000_000_000_000_i64..1_000_000_000_000, jpy: bool) {
            let currency = if jpy { Currency::JPY } else { eur() };
            let money = Money::new(minor, currency);
            prop_assert_eq!(Money::parse(&money.decimal(), currency), Ok(money));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,24}") {
            let _outcome = Money::parse(&text, eur());
        }
    }
}
