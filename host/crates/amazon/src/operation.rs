//! The operations that are called, with the rates that Amazon documents.

use jiff::SignedDuration;
use ml_connector_remote::Rate;

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// Orders 2026-01-01.
    SearchOrders,
    /// Orders 2026-01-01: one order by its id.
    GetOrder,
    /// Orders v0, until 2027-03-27.
    GetOrders,
    /// Orders v0: an order's items, a call for each order.
    GetOrderItems,
    /// Tokens 2021-03-01.
    CreateRestrictedDataToken,
    /// Finances 2024-06-19.
    ListTransactions,
    /// Finances v0.
    ListFinancialEventGroups,
    /// Finances v0, until 2027-08-27.
    ListFinancialEventsByGroupId,
    /// Transfers 2024-06-01.
    ListPayouts,
    /// Reports 2021-06-30.
    GetReports,
    /// Reports 2021-06-30: where a report's file is.
    GetReportDocument,
    /// Sellers v1.
    GetMarketplaceParticipations,
    /// Catalog Items 2022-04-01.
    SearchCatalogItems,
    /// Application Management 2023-11-30, for the application and no seller.
    RotateClientSecret,
}

/// An operation's name in Amazon's models, its path, and milliseconds and burst of its documented rate.
struct Plan(&'static str, &'static str, i64, u32);

impl Operation {
    /// Amazon's models, "Usage Plan" of each operation. 0.0056 a second is one in 178.6 s, counted as 180 until the
    /// answer says what is in force.
    fn plan(self) -> Plan {
        match self {
            Self::SearchOrders => Plan("searchOrders", "/orders/2026-01-01/orders", 180_000, 20),
            Self::GetOrder => Plan("getOrder", "/orders/2026-01-01/orders", 2_000, 30),
            Self::GetOrders => Plan("getOrders", "/orders/v0/orders", 60_000, 20),
            Self::GetOrderItems => Plan("getOrderItems", "/orders/v0/orders", 2_000, 30),
            Self::CreateRestrictedDataToken => {
                Plan("createRestrictedDataToken", "/tokens/2021-03-01/restrictedDataToken", 1_000, 10)
            }
            Self::ListTransactions => {
                Plan("listTransactions", "/finances/2024-06-19/transactions", 2_000, 10)
            }
            Self::ListFinancialEventGroups => {
                Plan("listFinancialEventGroups", "/finances/v0/financialEventGroups", 2_000, 30)
            }
            Self::ListFinancialEventsByGroupId => {
                Plan("listFinancialEventsByGroupId", "/finances/v0/financialEventGroups", 2_000, 30)
            }
            Self::ListPayouts => Plan("listPayouts", "/finances/transfers/2024-06-01/payouts", 2_000, 10),
            Self::GetReports => Plan("getReports", "/reports/2021-06-30/reports", 45_046, 10),
            Self::GetReportDocument => Plan("getReportDocument", "/reports/2021-06-30/documents", 60_000, 15),
            Self::GetMarketplaceParticipations => {
                Plan("getMarketplaceParticipations", "/sellers/v1/marketplaceParticipations", 62_500, 15)
            }
            Self::SearchCatalogItems => Plan("searchCatalogItems", "/catalog/2022-04-01/items", 500, 2),
            Self::RotateClientSecret => {
                Plan("rotateApplicationClientSecret", "/applications/2023-11-30/clientSecret", 60_000, 1)
            }
        }
    }

    /// Its name in Amazon's models.
    pub(crate) fn name(self) -> &'static str {
        self.plan().0
    }

    /// Its path, without the segments that a call adds.
    pub(crate) fn path(self) -> &'static str {
        self.plan().1
    }

    /// Documented rate and burst.
    pub(crate) fn rate(self) -> Rate {
        let Plan(_, _, millis, burst) = self.plan();
        Rate { interval: SignedDuration::from_millis(millis), burst }
    }
}
