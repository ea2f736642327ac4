//! Currencies and their digits.

/// A currency of the scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Currency {
    /// US dollar.
    Usd,
    /// Pound sterling.
    Gbp,
    /// Euro.
    Eur,
    /// Yen, which has no minor unit.
    Jpy,
}

impl Currency {
    /// ISO 4217.
    pub fn code(self) -> &'static str {
        match self {
            Self::Usd => "USD",
            Self::Gbp => "GBP",
            Self::Eur => "EUR",
            Self::Jpy => "JPY",
        }
    }

    /// The currency of a code.
    pub fn of(code: &str) -> Option<Self> {
        [Self::Usd, Self::Gbp, Self::Eur, Self::Jpy].into_iter().find(|currency| currency.code() == code)
    }

    /// Decimal places.
    pub fn places(self) -> u32 {
        if self == Self::Jpy { 0 } else { 2 }
    }

    /// Minor units that one dollar cent is worth, in thousandths: prices differ plausibly, no more.
    pub(crate) fn per_cent(self) -> i64 {
        match self {
            Self::Usd => 1_000,
            Self::Gbp => 790,
            Self::Eur => 920,
            Self::Jpy => 1_490,
        }
    }

    /// Minor units as a decimal number.
    pub fn decimal(self, minor: i64) -> String {
        let sign = if minor < 0 { "-" } else { "" };
        let size = minor.unsigned_abs();
        match self.places() {
            0 => format!("{sign}{size}"),
            _ => format!("{sign}{}.{:02}", size / 100, size % 100),
        }
    }

    /// Reads a decimal number; `None` for one with too many places.
    pub fn minor(self, text: &str) -> Option<i64> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let places = self.places() as usize;
        let (kept, rest) = fraction.split_at(fraction.len().min(places));
        if whole.is_empty() || rest.bytes().any(|digit| digit != b'0') {
            return None;
        }
        let padded = format!("{whole}{kept:0<places$}");
        padded
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| padded.parse::<i64>().ok())
            .flatten()
            .map(|n| sign * n)
    }
}
