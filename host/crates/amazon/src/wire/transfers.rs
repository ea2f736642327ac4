//! Transfers 2024-06-01: payouts, the bridge between a settlement id and a bank line.

use ml_connector_domain::canonical::Payout;
use ml_connector_ports::{Page, Unreadable};
use serde::Deserialize;
use serde_json::Number;
use serde_json::value::RawValue;

use super::finances::read_money;
use super::{read, records};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListPayouts<'a> {
    #[serde(borrow)]
    payouts: Option<Vec<&'a RawValue>>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

/// A page of listPayouts; pages may be empty and not the last.
pub(crate) fn page(body: &[u8]) -> Result<Page, serde_json::Error> {
    let answer: ListPayouts<'_> = serde_json::from_slice(body)?;
    Ok(Page {
        records: records(answer.payouts.unwrap_or_default(), |id: Id| id.id)?,
        next: answer.next_token.filter(|token| !token.is_empty()),
        applied_to: None,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePayout {
    id: String,
    current_status: String,
    amount: Option<Amount>,
    trace_id: Option<String>,
    #[serde(default)]
    related_identifiers: Option<Vec<Related>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Amount {
    currency_code: Option<String>,
    currency_amount: Option<Number>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Related {
    related_identifier_name: String,
    related_identifier_value: String,
}

/// Makes a canonical payout.
pub(crate) fn payout(json: &str) -> Result<Payout, Unreadable> {
    let wire: WirePayout = read(json)?;
    let amount =
        wire.amount.as_ref().and_then(|a| a.currency_code.as_deref().zip(a.currency_amount.as_ref()));
    let related = wire.related_identifiers.into_iter().flatten();
    let settlements = related.filter(|related| related.related_identifier_name == "SETTLEMENT_ID");
    Ok(Payout {
        amount: amount.map(|(code, amount)| read_money(code, amount, "$.amount")).transpose()?,
        settlements: settlements.map(|related| related.related_identifier_value).collect(),
        id: wire.id,
        status: wire.current_status,
        trace: wire.trace_id,
    })
}
