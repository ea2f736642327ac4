//! Accounting periods by calendar month.

use std::fmt;
use std::str::FromStr;

use ml_connector_domain::Date;

/// A calendar month: `2026-10`. Documents belong to it by their accounting dates, which are in the ledger's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(Date);

impl Period {
    /// Its first day.
    pub fn first(self) -> Date {
        self.0
    }

    /// Its last day.
    pub fn last(self) -> Date {
        self.0.last_of_month()
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let first: Option<Date> = if text.len() == 7 { format!("{text}-01").parse().ok() } else { None };
        first.map(Self).ok_or_else(|| format!("`{text}` is no period: write it as 2026-10"))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_month() {
        let february: Period = "2028-02".parse().expect("a month");
        assert_eq!(
            (february.first().to_string(), february.last().to_string()),
            ("2028-02-01".to_owned(), "2028-02-29".to_owned())
        );
        assert_eq!(february.to_string(), "2028-02");
        for bad in ["2026-13", "2026-1", "2026", "26-10-01", "2026-10-1"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
    }
}
