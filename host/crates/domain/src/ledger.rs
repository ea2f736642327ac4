//! How a seller's books are set up in Fusion.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::MarketplaceId;
use crate::money::Currency;

/// The ledger setup of one seller, as the operator configured it. Names and ids are Fusion's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerSetup {
    /// Business unit, by name.
    pub business_unit: String,
    /// Ledger, by name.
    pub ledger_name: String,
    /// Ledger id.
    pub ledger_id: String,
    /// Data access set id, the journal import's first argument.
    pub data_access_set_id: String,
    /// The ledger's own currency.
    pub ledger_currency: Currency,
    /// Conversion rate type for other currencies, e.g. `Corporate`.
    pub conversion_type: String,
    /// IANA zone in which documents are dated.
    pub time_zone: String,
    /// Transaction source of invoices; must not number automatically, or the duplicate guard is lost.
    pub transaction_source: String,
    /// Transaction type of invoices.
    pub invoice_type: String,
    /// Transaction source of credit memos.
    pub credit_memo_source: String,
    /// Transaction type of credit memos.
    pub credit_memo_type: String,
    /// Payment terms, by name.
    pub payment_terms: String,
    /// Journal source, by name.
    pub journal_source: String,
    /// Journal category, by name.
    pub journal_category: String,
    /// Bill-to customer account number per marketplace.
    pub bill_to: BTreeMap<MarketplaceId, String>,
    /// How a combination of segments is written.
    pub combination: Combination,
    /// Natural accounts by purpose.
    pub accounts: BTreeMap<String, String>,
    /// Cost centre of lines that belong to no product.
    pub default_cost_center: String,
    /// How the calendar names its periods, in strftime's terms: `%b-%y` is `Sep-26`. Calendars differ.
    #[serde(default = "default_period_name")]
    pub period_name: String,
}

fn default_period_name() -> String {
    "%b-%y".to_owned()
}

/// The chart of accounts' shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Combination {
    /// Between segments, `-` or `.`.
    pub delimiter: String,
    /// All segments, with `{account}` and `{cost_center}` where those go.
    pub template: String,
}

/// The purposes for which the host itself needs an account.
pub mod purpose {
    /// The receivables control account.
    pub const RECEIVABLE: &str = "receivable";
    /// Where a settlement's total waits until the bank shows it: payout in transit.
    pub const SETTLEMENT: &str = "settlement";
}

impl LedgerSetup {
    /// The whole combination for the account of `purpose` at the default cost centre.
    pub fn account(&self, purpose: &str) -> Option<String> {
        let account = self.accounts.get(purpose)?;
        Some(self.combination_of(account, &self.default_cost_center))
    }

    /// The whole combination for a natural account and a cost centre.
    pub fn combination_of(&self, account: &str, cost_center: &str) -> String {
        self.combination.template.replace("{account}", account).replace("{cost_center}", cost_center)
    }

    /// The segments of a combination, in order.
    pub fn segments<'a>(&self, combination: &'a str) -> Vec<&'a str> {
        combination.split(self.combination.delimiter.as_str()).collect()
    }

    /// The name of the period that a date falls into.
    pub fn period_of(&self, date: jiff::civil::Date) -> String {
        date.strftime(&self.period_name).to_string()
    }

    /// The accounting zone.
    ///
    /// # Errors
    /// A name that the IANA database does not have.
    pub fn zone(&self) -> Result<jiff::tz::TimeZone, jiff::Error> {
        jiff::tz::TimeZone::get(&self.time_zone)
    }
}
