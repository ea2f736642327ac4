//! The operations that are called, with the rates that Amazon documents.

use jiff::SignedDuration;
use ml_connector_remote::Rate;

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// Orders 2026-01-01.
    SearchOrders,
    /// Finances 2024-06-19.
    ListTransactions,
    /// Finances v0.
    ListFinancialEventGroups,
}

impl Operation {
    /// Its name in Amazon's models.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SearchOrders => "searchOrders",
            Self::ListTransactions => "listTransactions",
            Self::ListFinancialEventGroups => "listFinancialEventGroups",
        }
    }

    /// Its path.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::SearchOrders => "/orders/2026-01-01/orders",
            Self::ListTransactions => "/finances/2024-06-19/transactions",
            Self::ListFinancialEventGroups => "/finances/v0/financialEventGroups",
        }
    }

    /// Documented rate and burst (Amazon's models, "Usage Plan" of each operation).
    pub(crate) fn rate(self) -> Rate {
        let (interval, burst) = match self {
            // 0.0056 a second: one in 178.6 s; counted as 180.
            Self::SearchOrders => (SignedDuration::from_secs(180), 20),
            Self::ListTransactions => (SignedDuration::from_secs(2), 10),
            Self::ListFinancialEventGroups => (SignedDuration::from_secs(2), 30),
        };
        Rate { interval, burst }
    }
}
