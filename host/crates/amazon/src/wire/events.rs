//! Events of Finances v0, as far as money goes: a second opinion on a settlement, until 2027-08-27.
//!
//! No event has an id, and equal events are legal, so an event is known by its list, its contents and how often those
//! came before. Refunds stand in lists of their own (`…AdjustmentList`) under the id of the adjustment, not of the
//! order item. Some events have no date. Lists that no model knows are read like the others.

use std::collections::HashMap;

use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{Money, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::finances::read_money;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its own name: a hash over its list, its contents and how many equal ones came before it.
    pub id: ContentHash,
    /// The list it stood in, e.g. `RefundEventList`.
    pub list: String,
    /// When it was posted; three types of events do not say.
    pub posted: Option<Timestamp>,
    /// The order behind it.
    pub order: Option<String>,
    /// Ids of its items; for a refund, of the adjustments.
    pub items: Vec<String>,
    /// Every amount that changes the seller's balance.
    pub amounts: Vec<Money>,
    body: String,
}

/// A page of events.
pub(crate) struct EventsPage {
    pub(crate) events: Vec<Event>,
    pub(crate) next: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    payload: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Payload {
    #[serde(default)]
    financial_events: serde_json::Map<String, Value>,
    next_token: Option<String>,
}

/// Reads a page of listFinancialEventsByGroupId.
pub(crate) fn page(body: &[u8]) -> Result<EventsPage, serde_json::Error> {
    let Answer { payload } = serde_json::from_slice(body)?;
    let mut events = Vec::new();
    for (list, all) in &payload.financial_events {
        events.extend(all.as_array().into_iter().flatten().map(|event| read(list, event)));
    }
    Ok(EventsPage { events, next: payload.next_token.filter(|token| !token.is_empty()) })
}

/// Gives each event its id, counting equal ones over all pages.
pub(crate) fn numbered(mut events: Vec<Event>) -> Vec<Event> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    for event in &mut events {
        let name = format!("{}\n{}", event.list, event.body);
        let count = seen.entry(name.clone()).or_default();
        event.id = ContentHash::of(format!("{name}\n{count}").as_bytes());
        *count += 1;
    }
    events
}

fn read(list: &str, event: &Value) -> Event {
    let text = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
    let (mut items, mut amounts) = (Vec::new(), Vec::new());
    walk(event, &mut items, &mut amounts);
    Event {
        id: ContentHash::of(b""),
        list: list.to_owned(),
        // One list writes its members in camelCase.
        posted: text("PostedDate").or_else(|| text("postedDate")).and_then(|date| date.parse().ok()),
        order: text("AmazonOrderId"),
        items,
        amounts,
        body: event.to_string(),
    }
}

/// Members that hold all the money of what they stand in; what stands beside them are its parts, or what it was
/// reckoned from (Amazon, Finances v0 model: "totalAmount = feeAmount + taxAmount" and the like).
const WHOLE: [&str; 9] = [
    "TotalAmount",
    "totalAmount",
    "transactionValue",
    "AdjustmentAmount",
    "TotalExpense",
    "ReimbursedAmount",
    "WithheldAmount",
    // These two stand beside each other.
    "RecoveryAmount",
    "OverPaymentCredit",
];
/// Members that are stated as a size and taken from the balance.
const TAKEN_OFF: [&str; 1] = ["LiquidationFeeAmount"];

/// Collects item ids and amounts, no amount twice.
fn walk(value: &Value, items: &mut Vec<String>, amounts: &mut Vec<Money>) {
    match value {
        Value::Object(members) => {
            if let Some(money) = money(value) {
                amounts.push(money);
                return;
            }
            let id = ["OrderAdjustmentItemId", "OrderItemId"].iter().find_map(|name| members.get(*name));
            items.extend(id.and_then(Value::as_str).map(str::to_owned));
            let whole: Vec<Money> =
                WHOLE.iter().filter_map(|name| members.get(*name)).filter_map(money).collect();
            if !whole.is_empty() {
                amounts.extend(whole);
                return;
            }
            for (name, member) in members {
                match money(member).filter(|_| TAKEN_OFF.contains(&name.as_str())) {
                    Some(fee) => amounts.push(Money::new(-fee.minor, fee.currency)),
                    None => walk(member, items, amounts),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|member| walk(member, items, amounts)),
        _ => {}
    }
}

fn money(value: &Value) -> Option<Money> {
    let (code, amount) = (value.get("CurrencyCode")?.as_str()?, value.get("CurrencyAmount")?);
    let Value::Number(amount) = amount else { return None };
    read_money(code, amount, "$").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(events: &str) -> Vec<u8> {
        format!(r#"{{"payload":{{"FinancialEvents":{{{events}}}}}}}"#).into_bytes()
    }

    #[test]
    fn a_refunds_items_are_found_under_the_adjustments_id_and_dates_may_be_missing() {
        let refund = r#""RefundEventList":[{"AmazonOrderId":"113-1","PostedDate":"2026-09-09T01:02:03Z","ShipmentItemAdjustmentList":[
            {"OrderAdjustmentItemId":"9911","ItemChargeAdjustmentList":[{"ChargeType":"Principal","ChargeAmount":{"CurrencyCode":"USD","CurrencyAmount":-20.5}}]}]}],
            "ServiceFeeEventList":[{"FeeList":[{"FeeType":"Storage","FeeAmount":{"CurrencyCode":"USD","CurrencyAmount":-3}}]}],
            "PerformanceBondRefundEventList":[]"#;
        let events = numbered(page(&body(refund)).expect("reads").events);
        let found = |list: &str| events.iter().find(|event| event.list == list).expect("is there").clone();
        let refund = found("RefundEventList");
        assert_eq!(
            (refund.items, refund.amounts[0].minor, refund.posted.is_some()),
            (vec!["9911".to_owned()], -2_050, true)
        );
        let fee = found("ServiceFeeEventList");
        assert_eq!((fee.posted, fee.order, fee.amounts[0].minor), (None, None, -300));
    }

    #[test]
    fn equal_events_are_two_and_a_second_reading_names_them_alike() {
        let twice = r#""ServiceFeeEventList":[{"FeeReason":"x"},{"FeeReason":"x"}]"#;
        let read = || numbered(page(&body(twice)).expect("reads").events);
        let (first, second) = (read(), read());
        assert_ne!(first[0].id, first[1].id);
        assert_eq!(first, second);
    }
    /// An amount is counted once, whatever else the event says it is made of.
    #[test]
    fn an_events_total_and_its_parts_are_the_same_money() {
        let of = |minor: i64| format!(r#"{{"CurrencyCode":"JPY","CurrencyAmount":{minor}}}"#);
        let event = |members: &[(&str, i64)]| {
            let members: Vec<String> =
                members.iter().map(|(name, minor)| format!(r#""{name}":{}"#, of(*minor))).collect();
            format!("{{{}}}", members.join(","))
        };
        let items = |name: &str, item: &str| format!(r#"{{"{name}":[{item}]}}"#);
        let rows = [
            (
                "ProductAdsPaymentEventList",
                event(&[("baseValue", -90), ("taxValue", -10), ("transactionValue", -100)]),
                -100,
            ),
            (
                "SellerDealPaymentEventList",
                event(&[("feeAmount", -90), ("taxAmount", -10), ("totalAmount", -100)]),
                -100,
            ),
            (
                "AdjustmentEventList",
                items("AdjustmentItemList", &event(&[("PerUnitAmount", 7), ("TotalAmount", 21)])),
                21,
            ),
            ("DebtRecoveryEventList", event(&[("RecoveryAmount", -50), ("OverPaymentCredit", 5)]), -45),
            ("TaxWithholdingEventList", event(&[("BaseAmount", 1_000), ("WithheldAmount", -10)]), -10),
            (
                "FBALiquidationEventList",
                event(&[("LiquidationProceedsAmount", 80), ("LiquidationFeeAmount", 30)]),
                50,
            ),
            (
                "RemovalShipmentEventList",
                items(
                    "RemovalShipmentItemList",
                    &event(&[("Revenue", 30), ("FeeAmount", -9), ("TaxAmount", 3)]),
                ),
                24,
            ),
        ];
        for (list, event, minor) in rows {
            let read = page(&body(&format!(r#""{list}":[{event}]"#))).expect(list).events;
            let sum: i64 = read[0].amounts.iter().map(|amount| amount.minor).sum();
            assert_eq!(sum, minor, "{list}: {event}");
        }
    }
}
