//! How a seller's books are set up in Fusion.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::MarketplaceId;
use crate::money::Currency;

/// The ledger setup of one seller, as the operator configured it. Names and ids are Fusion's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Whose rate converts a settlement in another currency.
    #[serde(default, skip_serializing_if = "SettlementRate::is_amazon")]
    pub settlement_rate: SettlementRate,
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
    /// Legal entity, by name; only read by `fusion check`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_entity: Option<String>,
    /// The chart of accounts' segments; without it neither the number of segments nor balancing is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart_of_accounts: Option<ChartOfAccounts>,
    /// What happens to a document whose period is closed.
    #[serde(default, skip_serializing_if = "ClosedPeriod::is_review")]
    pub closed_period: ClosedPeriod,
    /// Which day an order's invoice bears.
    #[serde(default, skip_serializing_if = "InvoiceDate::is_shipped")]
    pub invoice_date: InvoiceDate,
    /// Marketplaces whose tax is sent as tax lines; elsewhere it is an ordinary line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tax: BTreeMap<MarketplaceId, TaxCode>,
    /// The transaction flexfield that carries the order's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_flexfield: Option<Flexfield>,
    /// How a credit memo gets to Fusion.
    #[serde(default, skip_serializing_if = "CreditMemoPath::is_on_account")]
    pub credit_memo_path: CreditMemoPath,
    /// Reason of credit memos: a value of the reason lookup, free text is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit_memo_reason: Option<String>,
    /// Standard receipts for settlement cash; none are made without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts: Option<ReceiptSetup>,
    /// Bulk import of invoices; without it each is sent by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_invoice: Option<AutoInvoiceSetup>,
    /// Posting of imported batches; without it Fusion's own schedule posts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_post: Option<AutoPost>,
}

fn default_period_name() -> String {
    "%b-%y".to_owned()
}

/// The chart of accounts' shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Combination {
    /// Between segments, `-` or `.`.
    pub delimiter: String,
    /// All segments, with `{account}` and `{cost_center}` where those go.
    pub template: String,
}

/// The segments of the chart of accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChartOfAccounts {
    /// Its id in Fusion, compared by `fusion check`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The segments' names, in order.
    pub segments: Vec<String>,
    /// Which segment balances, counted from 1: a journal must be zero within each of its values.
    #[serde(default = "first_segment")]
    pub balancing_segment: usize,
}

fn first_segment() -> usize {
    1
}

/// What happens to a document whose period is closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClosedPeriod {
    /// A person decides.
    #[default]
    Review,
    /// It is dated on the first day of the next open period, and says so.
    NextOpen,
}

impl ClosedPeriod {
    fn is_review(&self) -> bool {
        matches!(self, Self::Review)
    }
}

/// Which day an order's invoice bears, in the ledger's zone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceDate {
    /// When the buyer ordered.
    Purchased,
    /// When it was shipped: revenue is earned then.
    #[default]
    Shipped,
    /// When Amazon posted the shipment's money: the invoice waits for that, up to 48 hours, and the month ties to Amazon's.
    Posted,
}

impl InvoiceDate {
    fn is_shipped(&self) -> bool {
        matches!(self, Self::Shipped)
    }
}

/// Whose rate converts the journals of a settlement that is not in the ledger's currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettlementRate {
    /// Amazon's own, by which it paid the settlement out in the ledger's currency; Fusion's where it did not.
    #[default]
    Amazon,
    /// Fusion's rate of the journal's day.
    Fusion,
}

impl SettlementRate {
    fn is_amazon(&self) -> bool {
        matches!(self, Self::Amazon)
    }
}

/// How tax of one marketplace is named in Fusion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaxCode {
    /// `TaxRegimeCode`.
    pub regime: String,
    /// `TaxRateCode`.
    pub rate_code: String,
}

/// A transaction flexfield. Segment names are the customer's, as `describe` shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flexfield {
    /// Its context, `__FLEX_Context`.
    pub context: String,
    /// The segment that takes the order's id.
    pub order_segment: String,
    /// The segment that takes the document's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_segment: Option<String>,
}

/// How a credit memo gets to Fusion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CreditMemoPath {
    /// By REST, on account: it names no invoice and is applied later.
    #[default]
    OnAccount,
    /// By AutoInvoice, against the lines of its invoice.
    AutoInvoice,
}

impl CreditMemoPath {
    fn is_on_account(&self) -> bool {
        matches!(self, Self::OnAccount)
    }
}

/// How settlement cash becomes receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiptSetup {
    /// Receipt method, by name (at most 30 characters).
    pub method: String,
    /// Number of the remittance bank account.
    pub bank_account: String,
    /// Purpose of the account that the method's cash goes to.
    #[serde(default = "clearing_purpose")]
    pub clearing: String,
    /// Settlements that ended before this day have no receipts; without it, all have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub from: Option<jiff::civil::Date>,
}

fn clearing_purpose() -> String {
    "clearing".to_owned()
}

/// Bulk import of invoices by AutoInvoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AutoInvoiceSetup {
    /// From this many due documents on, bulk import is chosen.
    pub from_documents: u32,
    /// Business unit id, an argument of the import.
    pub business_unit_id: String,
    /// Context of the line transaction flexfield, the import's duplicate guard.
    pub line_context: String,
    /// How REST names the flexfield's first two segments. With it, invoices that are sent one by one carry the flexfield
    /// too, so that credit memos by AutoInvoice can refer to their lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_segments: Option<LineSegments>,
}

/// Names of the line transaction flexfield's segments, as `describe` shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LineSegments {
    /// The first segment, which takes the document's key.
    pub document: String,
    /// The second segment, which takes the line's number.
    pub line: String,
}

/// Posting of imported batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AutoPost {
    /// Id of the AutoPost criteria set.
    pub criteria_set: String,
}

/// The purposes for which the host itself needs an account.
pub mod purpose {
    /// The receivables control account.
    pub const RECEIVABLE: &str = "receivable";
    /// Where a settlement's total waits until the bank shows it: payout in transit.
    pub const SETTLEMENT: &str = "settlement";
    /// What earlier months of a settlement came to, until it closes.
    pub const CARRY_FORWARD: &str = "carry_forward";
    /// Money that Amazon holds back at a month's end.
    pub const DEFERRED: &str = "deferred";
    /// What Amazon keeps as a reserve from one settlement to the next.
    pub const RESERVE: &str = "reserve";
    /// The minor units of the ledger's currency that remain when a settlement is converted by its own rate.
    pub const ROUNDING: &str = "rounding";
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

    /// The balancing segment's value of a combination, where the chart of accounts is known.
    pub fn balancing_value<'a>(&self, combination: &'a str) -> Option<&'a str> {
        let chart = self.chart_of_accounts.as_ref()?;
        self.segments(combination).get(chart.balancing_segment.saturating_sub(1)).copied()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As configurations were written before there were optional parts.
    const OLD: &str = r#"{"business_unit":"BU","ledger_name":"L","ledger_id":"1","data_access_set_id":"2",
        "ledger_currency":"USD","conversion_type":"Corporate","time_zone":"UTC","transaction_source":"S",
        "invoice_type":"I","credit_memo_source":"S","credit_memo_type":"C","payment_terms":"T",
        "journal_source":"A","journal_category":"B","bill_to":{},
        "combination":{"delimiter":"-","template":"01-{cost_center}-{account}"},
        "accounts":{},"default_cost_center":"000"}"#;

    #[test]
    fn an_old_setup_still_reads_and_is_written_as_before() {
        let setup: LedgerSetup = serde_json::from_str(OLD).expect("old setups parse");
        assert_eq!(setup.closed_period, ClosedPeriod::Review);
        assert_eq!(setup.settlement_rate, SettlementRate::Amazon);
        assert_eq!(setup.credit_memo_path, CreditMemoPath::OnAccount);
        assert_eq!((&setup.receipts, &setup.auto_post), (&None, &None));
        let mut old: serde_json::Value = serde_json::from_str(OLD).expect("JSON");
        old["period_name"] = "%b-%y".into();
        assert_eq!(serde_json::to_value(&setup).expect("serializes"), old, "no new keys by default");
    }

    #[test]
    fn every_optional_part_reads_with_its_defaults() {
        let mut whole: serde_json::Value = serde_json::from_str(OLD).expect("JSON");
        let parts = serde_json::json!({
            "legal_entity": "LE", "chart_of_accounts": { "segments": ["Company", "Account"] },
            "closed_period": "next_open", "settlement_rate": "fusion",
            "tax": { "A1F83G8C2ARO7P": { "regime": "GB VAT", "rate_code": "GB20" } },
            "transaction_flexfield": { "context": "AMAZON", "order_segment": "amazonOrderId" },
            "credit_memo_path": "auto_invoice", "credit_memo_reason": "RETURN",
            "receipts": { "method": "Manual", "bank_account": "10271" },
            "auto_invoice": { "from_documents": 500, "business_unit_id": "7", "line_context": "AMAZON" },
            "auto_post": { "criteria_set": "2001" },
        });
        whole.as_object_mut().expect("object").extend(parts.as_object().expect("object").clone());
        let setup: LedgerSetup = serde_json::from_value(whole).expect("parses");
        assert_eq!(setup.chart_of_accounts.map(|chart| chart.balancing_segment), Some(1));
        assert_eq!(setup.closed_period, ClosedPeriod::NextOpen);
        assert_eq!(setup.settlement_rate, SettlementRate::Fusion);
        assert_eq!(setup.receipts.map(|receipts| receipts.clearing), Some("clearing".to_owned()));
        assert_eq!(setup.credit_memo_path, CreditMemoPath::AutoInvoice);
        let flexfield = setup.transaction_flexfield.expect("present");
        assert_eq!((flexfield.order_segment.as_str(), flexfield.document_segment), ("amazonOrderId", None));
    }

    #[test]
    fn a_misspelt_part_is_refused() {
        let misspelt = OLD.replacen('{', r#"{"auto_post":{"criteria":"1"},"#, 1);
        let error = serde_json::from_str::<LedgerSetup>(&misspelt).expect_err("refused").to_string();
        assert!(error.contains("criteria"), "{error}");
    }
}
