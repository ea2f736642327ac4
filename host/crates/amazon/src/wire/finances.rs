//! Finances 2024-06-19 transactions, and the event groups of Finances v0. Amounts are JSON numbers here: their digits
//! are read as they stand.

use ml_connector_domain::canonical::{Group, Leg, Transaction, TransactionStatus};
use ml_connector_domain::{Currency, GroupId, Money, Sku};
use ml_connector_ports::{Page, Unreadable};
use serde::Deserialize;
use serde_json::Number;
use serde_json::value::RawValue;

use super::{bad_money, instant, read, records, unreadable};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListTransactions<'a> {
    /// The model says so; some answers lack the wrapper.
    #[serde(borrow)]
    payload: Option<TransactionsPayload<'a>>,
    #[serde(borrow)]
    transactions: Option<Vec<&'a RawValue>>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransactionsPayload<'a> {
    #[serde(borrow)]
    transactions: Option<Vec<&'a RawValue>>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransactionKey {
    transaction_id: String,
}

/// A page of listTransactions.
pub(crate) fn transactions_page(body: &[u8]) -> Result<Page, serde_json::Error> {
    let answer: ListTransactions<'_> = serde_json::from_slice(body)?;
    let (raw, next) = match answer.payload {
        Some(payload) => (payload.transactions, payload.next_token),
        None => (answer.transactions, answer.next_token),
    };
    Ok(Page {
        records: records(raw.unwrap_or_default(), |key: TransactionKey| key.transaction_id)?,
        next: next.filter(|token| !token.is_empty()),
        applied_to: None,
    })
}

#[derive(Deserialize)]
struct ListGroups<'a> {
    #[serde(borrow)]
    payload: GroupsPayload<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GroupsPayload<'a> {
    #[serde(borrow)]
    financial_event_group_list: Option<Vec<&'a RawValue>>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GroupKey {
    financial_event_group_id: String,
}

/// A page of listFinancialEventGroups.
pub(crate) fn groups_page(body: &[u8]) -> Result<Page, serde_json::Error> {
    let answer: ListGroups<'_> = serde_json::from_slice(body)?;
    let raw = answer.payload.financial_event_group_list.unwrap_or_default();
    Ok(Page {
        records: records(raw, |key: GroupKey| key.financial_event_group_id)?,
        next: answer.payload.next_token.filter(|token| !token.is_empty()),
        applied_to: None,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTransaction {
    #[serde(default)]
    related_identifiers: Option<Vec<RelatedIdentifier>>,
    transaction_type: String,
    transaction_id: String,
    transaction_status: Option<String>,
    description: Option<String>,
    posted_date: String,
    total_amount: WireMoney,
    marketplace_details: Option<MarketplaceDetails>,
    selling_partner_metadata: Option<Metadata>,
    #[serde(default)]
    items: Option<Vec<WireItem>>,
    #[serde(default)]
    breakdowns: Option<Vec<Breakdown>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RelatedIdentifier {
    related_identifier_name: String,
    related_identifier_value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MarketplaceDetails {
    marketplace_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    marketplace_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireItem {
    #[serde(default)]
    related_identifiers: Option<Vec<ItemIdentifier>>,
    #[serde(default)]
    breakdowns: Option<Vec<Breakdown>>,
    #[serde(default)]
    contexts: Option<Vec<Context>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemIdentifier {
    item_related_identifier_name: String,
    item_related_identifier_value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    sku: Option<String>,
    quantity_shipped: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Breakdown {
    breakdown_type: String,
    breakdown_amount: WireMoney,
    #[serde(default)]
    breakdowns: Option<Vec<Breakdown>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMoney {
    currency_code: String,
    currency_amount: Number,
}

impl WireMoney {
    fn read(&self, path: &str) -> Result<Money, Unreadable> {
        read_money(&self.currency_code, &self.currency_amount, path)
    }
}

pub(crate) fn read_money(currency: &str, amount: &Number, path: &str) -> Result<Money, Unreadable> {
    let currency: Currency = currency.parse().map_err(bad_money(path))?;
    Money::parse(&amount.to_string(), currency).map_err(bad_money(path))
}

/// Makes a canonical transaction.
///
/// # Errors
/// A field is missing or no amount, or the leaves of the breakdown do not sum to the total.
pub(crate) fn transaction(json: &str) -> Result<Transaction, Unreadable> {
    let wire: WireTransaction = read(json)?;
    let related = |name: &str| -> Option<&str> {
        let mut all = wire.related_identifiers.iter().flatten();
        all.find(|related| related.related_identifier_name == name)
            .map(|r| r.related_identifier_value.as_str())
    };
    let total = wire.total_amount.read("$.totalAmount")?;
    let legs = legs(&wire)?;
    let sum =
        Money::sum(total.currency, legs.iter().map(|leg| leg.amount)).map_err(bad_money("$.breakdowns"))?;
    if sum != total {
        let path = if has_items(&wire) { "$.items[*].breakdowns" } else { "$.breakdowns" };
        return Err(unreadable(path, format!("the leaves sum to {sum}, the transaction says {total}")));
    }
    let marketplace = wire.marketplace_details.as_ref().and_then(|details| details.marketplace_id.as_deref());
    let of_seller =
        || wire.selling_partner_metadata.as_ref().and_then(|metadata| metadata.marketplace_id.as_deref());
    Ok(Transaction {
        group: related("FINANCIAL_EVENT_GROUP_ID").map(GroupId::from),
        settlement: related("SETTLEMENT_ID").map(str::to_owned),
        order: related("ORDER_ID").map(Into::into),
        deferred_twin: related("DEFERRED_TRANSACTION_ID").map(Into::into),
        release_twin: related("RELEASE_TRANSACTION_ID").map(Into::into),
        marketplace: marketplace.or_else(of_seller).map(Into::into),
        status: status(wire.transaction_status.as_deref()),
        posted: instant("$.postedDate", &wire.posted_date)?,
        id: wire.transaction_id.as_str().into(),
        kind: wire.transaction_type,
        description: wire.description.unwrap_or_default(),
        total,
        legs,
    })
}

/// Rows from before 2025-04-30 have no status; they were paid out long ago.
fn status(text: Option<&str>) -> TransactionStatus {
    match text {
        None | Some("RELEASED") => TransactionStatus::Released,
        Some("DEFERRED") => TransactionStatus::Deferred,
        Some("DEFERRED_RELEASED") => TransactionStatus::DeferredReleased,
        Some(other) => TransactionStatus::Other(other.to_owned()),
    }
}

fn has_items(wire: &WireTransaction) -> bool {
    wire.items.as_ref().is_some_and(|items| !items.is_empty())
}

/// What an item's goods cost the buyer, as a node or as a leaf.
const GOODS: [&str; 3] = ["ProductCharges", "OurPricePrincipal", "Principal"];

/// The leaves of one cut. The transaction's breakdown and its items' are two cuts of the same money: never both, and
/// never an inner node.
fn legs(wire: &WireTransaction) -> Result<Vec<Leg>, Unreadable> {
    let mut legs = Vec::new();
    if !has_items(wire) {
        for (index, breakdown) in wire.breakdowns.iter().flatten().enumerate() {
            leaves(&format!("$.breakdowns[{index}]"), "", breakdown, (None, None), &mut legs)?;
        }
        return Ok(legs);
    }
    for (n, item) in wire.items.iter().flatten().enumerate() {
        let sku = item.contexts.iter().flatten().find_map(|context| context.sku.as_deref());
        let quantity = item.contexts.iter().flatten().find_map(|context| context.quantity_shipped);
        let first = legs.len();
        let identifiers = item.related_identifiers.iter().flatten();
        let order_item = identifiers
            .filter(|identifier| identifier.item_related_identifier_name == "ORDER_ADJUSTMENT_ITEM_ID")
            .map(|identifier| identifier.item_related_identifier_value.as_str())
            .next();
        for (index, breakdown) in item.breakdowns.iter().flatten().enumerate() {
            let path = format!("$.items[{n}].breakdowns[{index}]");
            leaves(&path, "", breakdown, (sku, order_item), &mut legs)?;
        }
        if let Some(goods) =
            legs[first..].iter_mut().find(|leg| leg.path.split('/').any(|node| GOODS.contains(&node)))
        {
            goods.quantity = quantity;
        }
    }
    Ok(legs)
}

fn leaves(
    path: &str,
    above: &str,
    breakdown: &Breakdown,
    (sku, order_item): (Option<&str>, Option<&str>),
    legs: &mut Vec<Leg>,
) -> Result<(), Unreadable> {
    let place = match above {
        "" => breakdown.breakdown_type.clone(),
        _ => format!("{above}/{}", breakdown.breakdown_type),
    };
    match breakdown.breakdowns.as_deref() {
        None | Some([]) => legs.push(Leg {
            path: place,
            amount: breakdown.breakdown_amount.read(path)?,
            sku: sku.map(Sku::from),
            order_item: order_item.map(Into::into),
            quantity: None,
        }),
        Some(children) => {
            for (index, child) in children.iter().enumerate() {
                leaves(&format!("{path}.breakdowns[{index}]"), &place, child, (sku, order_item), legs)?;
            }
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireGroup {
    financial_event_group_id: String,
    processing_status: Option<String>,
    original_total: Option<GroupMoney>,
    converted_total: Option<GroupMoney>,
    financial_event_group_start: Option<String>,
    financial_event_group_end: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GroupMoney {
    currency_code: Option<String>,
    currency_amount: Option<Number>,
}

impl GroupMoney {
    /// The amount; nothing where half of it is missing.
    fn read(&self, path: &str) -> Result<Option<Money>, Unreadable> {
        let both = self.currency_code.as_deref().zip(self.currency_amount.as_ref());
        both.map(|(currency, amount)| read_money(currency, amount, path)).transpose()
    }
}

/// Makes a canonical group. While it is open, its totals are running balances and are not kept.
///
/// # Errors
/// A field is missing or no amount.
pub(crate) fn group(json: &str) -> Result<Group, Unreadable> {
    let wire: WireGroup = read(json)?;
    let closed = wire.processing_status.as_deref() == Some("Closed");
    let path = "$.OriginalTotal";
    let total = |money: &Option<GroupMoney>, path: &str| match money {
        Some(money) if closed => money.read(path),
        _ => Ok(None),
    };
    let stated = total(&wire.original_total, path)?;
    let converted = total(&wire.converted_total, "$.ConvertedTotal")?;
    let currency = wire.original_total.as_ref().and_then(|money| money.currency_code.as_deref());
    let start = wire
        .financial_event_group_start
        .as_deref()
        .ok_or_else(|| unreadable("$.FinancialEventGroupStart", "missing"))?;
    let end = wire.financial_event_group_end.as_deref();
    Ok(Group {
        id: wire.financial_event_group_id.as_str().into(),
        closed,
        stated_total: stated,
        converted_total: converted,
        currency: currency.map(|code| code.parse().map_err(bad_money(path))).transpose()?,
        start: instant("$.FinancialEventGroupStart", start)?,
        end: end.map(|end| instant("$.FinancialEventGroupEnd", end)).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(kind: &str, amount: &str) -> String {
        format!(
            r#"{{"breakdownType":"{kind}","breakdownAmount":{{"currencyCode":"SEK","currencyAmount":{amount}}},"breakdowns":null}}"#
        )
    }

    fn sample(total: &str, items: &str) -> String {
        let cut =
            [leaf("Tax", "89.80"), leaf("ProductCharges", "320"), leaf("Expenses", "-1.545E2")].join(",");
        format!(
            r#"{{"transactionType":"Shipment","transactionId":"T","transactionStatus":"RELEASED","postedDate":"2026-09-07T00:20:09Z",
            "totalAmount":{{"currencyCode":"SEK","currencyAmount":{total}}},"breakdowns":[{cut}],"items":{items},
            "relatedIdentifiers":[{{"relatedIdentifierName":"FINANCIAL_EVENT_GROUP_ID","relatedIdentifierValue":"G"}},
              {{"relatedIdentifierName":"DEFERRED_TRANSACTION_ID","relatedIdentifierValue":"D"}}]}}"#
        )
    }

    #[test]
    fn digits_are_read_as_they_stand() {
        let read = transaction(&sample("255.3", "null")).expect("reads");
        let legs: Vec<i64> = read.legs.iter().map(|leg| leg.amount.minor).collect();
        assert_eq!((read.total.minor, legs), (25_530, vec![8_980, 32_000, -15_450]));
        assert_eq!(read.economic_id().as_str(), "D");
        assert!(read.counts());
    }

    #[test]
    fn of_two_cuts_only_the_items_count() {
        let fee = format!(
            r#"{{"breakdownType":"AmazonFees","breakdownAmount":{{"currencyCode":"SEK","currencyAmount":-50}},
               "breakdowns":[{{"breakdownType":"Commission","breakdownAmount":{{"currencyCode":"SEK","currencyAmount":-50}},"breakdowns":[{},{}]}}]}}"#,
            leaf("Base", "-40"),
            leaf("Tax", "-10")
        );
        let items = format!(
            r#"[{{"relatedIdentifiers":[{{"itemRelatedIdentifierName":"ORDER_ADJUSTMENT_ITEM_ID","itemRelatedIdentifierValue":"007"}}],
               "contexts":[{{"contextType":"ProductContext","sku":"A/B +1","quantityShipped":3}}],"breakdowns":[{},{fee}]}}]"#,
            leaf("OurPricePrincipal", "305.30")
        );
        let read = transaction(&sample("255.30", &items)).expect("reads");
        let paths: Vec<&str> = read.legs.iter().map(|leg| leg.path.as_str()).collect();
        assert_eq!(paths, ["OurPricePrincipal", "AmazonFees/Commission/Base", "AmazonFees/Commission/Tax"]);
        assert_eq!(read.legs[1].sku.as_ref().map(Sku::as_str), Some("A/B +1"));
        let quantities: Vec<Option<u32>> = read.legs.iter().map(|leg| leg.quantity).collect();
        assert_eq!(quantities, [Some(3), None, None], "on the goods only");
        assert_eq!(read.legs[0].order_item.as_ref().map(|id| id.as_str()), Some("007"));
    }

    #[test]
    fn what_does_not_foot_is_quarantined() {
        let error = transaction(&sample("255.31", "[]")).expect_err("does not foot");
        assert_eq!(error.path, "$.breakdowns");
    }

    #[test]
    fn an_open_groups_running_balance_is_no_total() {
        let json = |status: &str, total: &str| {
            format!(
                r#"{{"FinancialEventGroupId":"G","ProcessingStatus":"{status}"{total},"FinancialEventGroupStart":"2026-09-01T00:00:00Z"}}"#
            )
        };
        let total = r#","OriginalTotal":{"CurrencyCode":"JPY","CurrencyAmount":-1200}"#;
        assert_eq!(group(&json("Open", total)).expect("reads").stated_total, None);
        assert_eq!(
            group(&json("Closed", total)).expect("reads").stated_total,
            Some(Money::new(-1_200, Currency::JPY))
        );
        assert_eq!(group(&json("Closed", "")).expect("reads").stated_total, None);
        let converted = format!(r#"{total},"ConvertedTotal":{{"CurrencyCode":"USD","CurrencyAmount":-8.1}}"#);
        let read = |status| group(&json(status, &converted)).expect("reads").converted_total;
        assert_eq!(
            (read("Open"), read("Closed")),
            (None, Some(Money::new(-810, Currency::USD))),
            "what is paid out is known when the group is closed"
        );
        let half = r#","ConvertedTotal":{"CurrencyCode":"USD"}"#;
        assert_eq!(group(&json("Closed", half)).expect("reads").converted_total, None);
        let odd = r#","ConvertedTotal":{"CurrencyCode":"USD","CurrencyAmount":8.123}"#;
        assert_eq!(group(&json("Closed", odd)).expect_err("no cents").path, "$.ConvertedTotal");
    }

    #[test]
    fn a_page_may_lack_its_wrapper_and_its_records() {
        let bare = br#"{"transactions":[{"transactionId":"T"}],"nextToken":"n"}"#;
        assert_eq!(transactions_page(bare).expect("reads").records.len(), 1);
        let empty = br#"{"payload":{"transactions":[],"nextToken":"n"}}"#;
        let page = transactions_page(empty).expect("reads");
        assert_eq!((page.records.len(), page.next.as_deref()), (0, Some("n")));
    }
}
