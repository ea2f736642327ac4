//! Types as Fusion sends them. Numbers may come as numbers or as text, depending on the framework version.

use ml_connector_domain::money::MoneyError;
use ml_connector_domain::{Currency, Money};
use serde::Deserialize;
use serde_json::Value;

/// A page of a collection.
#[derive(Deserialize)]
pub(crate) struct Collection<T> {
    #[serde(default = "Vec::new")]
    pub(crate) items: Vec<T>,
    #[serde(default, rename = "hasMore")]
    pub(crate) has_more: bool,
}

/// A number or the text of one.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Scalar(Value);

impl Scalar {
    /// The digits or the text; `None` for null.
    pub(crate) fn text(&self) -> Option<String> {
        match &self.0 {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The amount that it is, nothing for null.
    ///
    /// # Errors
    /// Text that is no amount.
    pub(crate) fn money(&self, currency: Currency) -> Result<Money, MoneyError> {
        self.text().map_or(Ok(Money::zero(currency)), |text| Money::parse(&text, currency))
    }
}

/// An invoice or a credit memo: what differs in Oracle's naming is read under either name.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Receivable {
    pub(crate) customer_transaction_id: Scalar,
    pub(crate) transaction_number: Option<Scalar>,
    #[serde(alias = "CreditMemoCurrency")]
    pub(crate) invoice_currency_code: Option<String>,
    #[serde(alias = "CreditMemoStatus")]
    pub(crate) invoice_status: Option<String>,
    pub(crate) entered_amount: Option<Scalar>,
    #[serde(alias = "CreditMemoDate")]
    pub(crate) transaction_date: Option<String>,
    #[serde(rename = "receivablesInvoiceLines", alias = "receivablesCreditMemoLines")]
    pub(crate) lines: Option<Collection<ReceivableLine>>,
    #[serde(rename = "receivablesInvoiceDistributions", alias = "receivablesCreditMemoDistributions")]
    pub(crate) distributions: Option<Collection<Distribution>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ReceivableLine {
    #[serde(alias = "LineAmountCredit")]
    pub(crate) line_amount: Option<Scalar>,
}

/// A distribution, as it is sent and as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Distribution {
    pub(crate) account_class: Option<String>,
    pub(crate) account_combination: Option<String>,
    pub(crate) amount: Option<Scalar>,
}

/// What a POST of a receivable answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Created {
    pub(crate) customer_transaction_id: Scalar,
}

/// What importBulkData and the job finders answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Integration {
    pub(crate) reqst_id: Option<Scalar>,
    pub(crate) request_status: Option<String>,
    pub(crate) document_content: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Batch {
    pub(crate) je_batch_id: Scalar,
    pub(crate) status: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Header {
    #[serde(default)]
    pub(crate) links: Vec<Link>,
}

#[derive(Deserialize)]
pub(crate) struct Link {
    pub(crate) rel: String,
    pub(crate) href: String,
}

impl Header {
    /// The key that only Fusion can make, taken from the item's own link.
    pub(crate) fn key(&self) -> Option<&str> {
        let own = self.links.iter().find(|link| link.rel == "self")?;
        own.href.rsplit('/').next().filter(|key| !key.is_empty())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct JournalLine {
    pub(crate) account_combination: Option<String>,
    pub(crate) currency_code: Option<String>,
    pub(crate) entered_dr: Option<Scalar>,
    pub(crate) entered_cr: Option<Scalar>,
    pub(crate) accounted_dr: Option<Scalar>,
    pub(crate) accounted_cr: Option<Scalar>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Combination {
    detail_posting_allowed_flag: Option<String>,
}

impl Combination {
    /// Whether lines may stand on it; an older release does not say, and then the import does.
    pub(crate) fn takes_lines(&self) -> bool {
        self.detail_posting_allowed_flag.as_deref() != Some("N")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Period {
    pub(crate) closing_status: Option<String>,
    pub(crate) start_date: Option<String>,
    pub(crate) end_date: Option<String>,
}
