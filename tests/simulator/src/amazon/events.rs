//! Finances v0 listFinancialEventsByGroupId: the same money as in listTransactions, in lists by type.

use serde_json::{Map, Value, json};

use super::finances::{TOKEN_LIFE, known_only, number, within_page};
use super::{World, clock, invalid, paging, refusal};
use crate::clock::text;
use crate::http::{Incoming, Reply};
use crate::scenario::{Breakdown, Currency, Region, Transaction, TransactionItem};

const FREE: [&str; 2] = ["NextToken", "MaxResultsPerPage"];

pub(super) fn by_group(world: &World, seller: usize, region: Region, id: &str, request: &Incoming) -> Reply {
    match page(world, seller, region, id, request) {
        Ok(reply) | Err(reply) => reply,
    }
}

fn page(world: &World, seller: usize, region: Region, id: &str, request: &Incoming) -> Result<Reply, Reply> {
    known_only(request, &["MaxResultsPerPage", "PostedAfter", "PostedBefore", "NextToken"])?;
    let now = clock(world);
    let mut groups = world.scenario.groups.iter();
    let group = groups.position(|group| group.id == id && group.seller == seller && group.region == region);
    let Some(group) = group else {
        return Err(refusal(404, "ResourceNotFound", "The group was not found.", ""));
    };
    let size: usize = match request.parameter("MaxResultsPerPage").map(str::parse) {
        None => 100,
        Some(Ok(size @ 1..=100)) => size,
        Some(_) => return Err(invalid("Input not valid.")),
    };
    let from = match request.parameter("NextToken") {
        None => 0,
        Some(token) => match paging::decode(request, &FREE, token) {
            Some(token) if now - token.made <= TOKEN_LIFE => token.after.1,
            _ => return Err(invalid("Token is not valid, token duration is 25 minutes.")),
        },
    };
    let all =
        world.scenario.transactions.iter().filter(|transaction| {
            transaction.group == Some(group) && transaction.visible <= world.clock.now()
        });
    let found: Vec<&Transaction> = all.skip(from).take(size + 1).collect();
    let mut lists: Map<String, Value> = Map::new();
    for transaction in found.iter().take(size) {
        let (list, own) = event(world, transaction);
        if let Value::Array(events) = lists.entry(list).or_insert_with(|| json!([])) {
            events.extend(own);
        }
    }
    // Production sends lists that no model knows.
    lists.insert("PerformanceBondRefundEventList".to_owned(), json!([]));
    let mut payload = json!({ "FinancialEvents": lists });
    if found.len() > size {
        payload["NextToken"] = json!(paging::encode(request, &FREE, (0, from + size), now));
    }
    within_page(world, &json!({ "payload": payload }))
}

fn amount(currency: Currency, minor: i64) -> Value {
    json!({ "CurrencyCode": currency.code(), "CurrencyAmount": number(currency, minor) })
}

/// A fee in two events that are alike in everything, and what is left of it.
fn twice(currency: Currency, name: &str, total: i64) -> Vec<Value> {
    let parts = [total / 2, total / 2, total % 2].into_iter().filter(|minor| *minor != 0);
    let fee = |minor| json!({ "FeeList": [{ "FeeType": name, "FeeAmount": amount(currency, minor) }] });
    parts.map(fee).collect()
}

/// A transaction's list and its events there.
fn event(world: &World, transaction: &Transaction) -> (String, Vec<Value>) {
    let currency = transaction.marketplace.currency;
    let total = transaction.total();
    let list = match transaction.kind {
        "Shipment" => "ShipmentEventList",
        "Refund" => "RefundEventList",
        "GuaranteeClaim" => "GuaranteeClaimEventList",
        "Chargeback" => "ChargebackEventList",
        // It says no date, marketplace or order.
        "ServiceFee" => "ServiceFeeEventList",
        "ProductAdsPayment" => "ProductAdsPaymentEventList",
        other => return (list_of_amounts(other).to_owned(), vec![of_amount(world, transaction)]),
    };
    if list == "ServiceFeeEventList" {
        return (list.to_owned(), twice(currency, transaction.description, total));
    }
    let posted = text(transaction.posted);
    let order = transaction.order.map(|order| world.scenario.orders[order].id.clone());
    let items = |adjustment| -> Vec<Value> {
        transaction.items.iter().map(|i| item(currency, i, adjustment)).collect()
    };
    let event = match list {
        "ShipmentEventList" => {
            json!({ "AmazonOrderId": order, "PostedDate": posted, "ShipmentItemList": items(false) })
        }
        "ProductAdsPaymentEventList" => {
            let kind = if total > 0 { "refund" } else { "charge" };
            json!({ "postedDate": posted, "transactionType": kind, "transactionValue": amount(currency, total) })
        }
        // Of some claims only the sum is known.
        _ if transaction.items.is_empty() => json!({
            "AmazonOrderId": order, "PostedDate": posted,
            "OrderChargeAdjustmentList": [{
                "ChargeType": transaction.description, "ChargeAmount": amount(currency, total) }],
        }),
        // What is given back stands in adjustment lists, under the adjustment's own id.
        _ => json!({
            "AmazonOrderId": order, "PostedDate": posted, "ShipmentItemAdjustmentList": items(true),
        }),
    };
    (list.to_owned(), vec![event])
}

/// The list of a type whose events have one amount; what no list is made for is an adjustment.
fn list_of_amounts(kind: &str) -> &'static str {
    match kind {
        "Retrocharge" => "RetrochargeEventList",
        "SellerDealPayment" => "SellerDealPaymentEventList",
        "CouponPayment" => "CouponPaymentEventList",
        "RemovalShipment" => "RemovalShipmentEventList",
        "FBALiquidation" => "FBALiquidationEventList",
        "ChargeRefund" => "ChargeRefundEventList",
        "LoanServicing" => "LoanServicingEventList",
        "DebtRecovery" => "DebtRecoveryEventList",
        "SAFETReimbursement" => "SAFETReimbursementEventList",
        _ => "AdjustmentEventList",
    }
}

/// An event with one amount, in the attributes of its list.
fn of_amount(world: &World, transaction: &Transaction) -> Value {
    let currency = transaction.marketplace.currency;
    let (total, posted, kind) = (transaction.total(), text(transaction.posted), transaction.description);
    let money = amount(currency, total);
    match transaction.kind {
        "Retrocharge" => json!({
            "RetrochargeEventType": kind, "PostedDate": posted, "BaseTax": money,
            "AmazonOrderId": transaction.order.map(|order| world.scenario.orders[order].id.clone()),
        }),
        "SellerDealPayment" => {
            json!({ "postedDate": posted, "dealDescription": kind, "totalAmount": money })
        }
        "CouponPayment" => json!({ "PostedDate": posted, "TotalAmount": money }),
        // Proceeds are revenue; what is charged is a fee.
        "RemovalShipment" => {
            let place = if total > 0 { "Revenue" } else { "FeeAmount" };
            json!({ "PostedDate": posted, "TransactionType": kind, "RemovalShipmentItemList": [{ place: money }] })
        }
        "FBALiquidation" if total > 0 => json!({ "PostedDate": posted, "LiquidationProceedsAmount": money }),
        // This attribute is a size that is taken off.
        "FBALiquidation" => json!({ "PostedDate": posted, "LiquidationFeeAmount": amount(currency, -total) }),
        "ChargeRefund" => {
            json!({ "PostedDate": posted, "ChargeRefundTransactions": [{ "ChargeAmount": money }] })
        }
        // These two say no date.
        "LoanServicing" => json!({ "LoanAmount": money, "SourceBusinessEventType": kind }),
        "DebtRecovery" => json!({ "DebtRecoveryType": kind, "RecoveryAmount": money }),
        "SAFETReimbursement" => json!({ "PostedDate": posted, "ReimbursedAmount": money }),
        _ => json!({ "AdjustmentType": kind, "PostedDate": posted, "AdjustmentAmount": money }),
    }
}

fn item(currency: Currency, item: &TransactionItem, adjustment: bool) -> Value {
    let mut leaves = Vec::new();
    item.breakdowns.iter().for_each(|node| collect(node, &mut leaves));
    let charges: Vec<Value> = leaves
        .into_iter()
        .map(|(name, minor)| json!({ "ChargeType": name, "ChargeAmount": amount(currency, minor) }))
        .collect();
    if adjustment {
        json!({ "OrderAdjustmentItemId": format!("9{}", item.order_item), "ItemChargeAdjustmentList": charges })
    } else {
        json!({ "OrderItemId": item.order_item, "ItemChargeList": charges })
    }
}

fn collect<'a>(node: &'a Breakdown, leaves: &mut Vec<(&'a str, i64)>) {
    if node.parts.is_empty() {
        leaves.push((node.name, node.amount));
    }
    node.parts.iter().for_each(|part| collect(part, leaves));
}
