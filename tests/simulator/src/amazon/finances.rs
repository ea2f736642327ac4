//! Finances 2024-06-19 listTransactions and Finances v0 listFinancialEventGroups.

use serde_json::{Number, Value, json};

use super::{FRESHEST, World, clock, instant, invalid, paging};
use crate::clock::{DAY, HOUR, text};
use crate::http::{Incoming, Reply};
use crate::scenario::{Breakdown, Currency, Group, Index, Region, Transaction, TransactionItem};

/// Longer spans come back empty, without an error.
const SPAN_LONGEST: i64 = 180 * DAY;
/// Transactions on a page; clients cannot choose.
const PAGE: usize = 200;
/// What is held back for longer is a business's invoice.
const LONGEST_DD7: i64 = 14 * DAY;
/// A finance page token's life.
pub(super) const TOKEN_LIFE: i64 = 25 * HOUR / 60;

/// An amount as a JSON number, in one of the legal ways to write it.
pub(super) fn number(currency: Currency, minor: i64) -> Value {
    let digits = currency.decimal(minor);
    // Some answers drop trailing zeros, as Amazon's do.
    let short = match digits.split_once('.') {
        Some(_) if minor % 3 == 0 => digits.trim_end_matches('0').trim_end_matches('.'),
        _ => &digits,
    };
    short.parse::<Number>().map_or(Value::Null, Value::Number)
}

pub(super) fn amount(currency: Currency, minor: i64) -> Value {
    json!({ "currencyCode": currency.code(), "currencyAmount": number(currency, minor) })
}

pub(super) fn transactions(world: &World, seller: usize, region: Region, request: &Incoming) -> Reply {
    match transactions_page(world, seller, region, request) {
        Ok(reply) | Err(reply) => reply,
    }
}

pub(super) fn time(request: &Incoming, name: &str) -> Result<Option<i64>, Reply> {
    match request.parameter(name) {
        None => Ok(None),
        Some(text) => {
            instant(text).map(Some).ok_or_else(|| invalid(&format!("Invalid Date-Time field(s) [{name}].")))
        }
    }
}

pub(super) fn known_only(request: &Incoming, known: &[&str]) -> Result<(), Reply> {
    match request.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((unknown, _)) => Err(invalid(&format!("unknown parameter {unknown}"))),
        None => Ok(()),
    }
}

fn transactions_page(
    world: &World,
    seller: usize,
    region: Region,
    request: &Incoming,
) -> Result<Reply, Reply> {
    const FREE: [&str; 1] = ["nextToken"];
    known_only(request, &["postedAfter", "postedBefore", "marketplaceId", "transactionStatus", "nextToken"])?;
    let now = clock(world);
    let after = time(request, "postedAfter")?.ok_or_else(|| invalid("Start date cannot be null"))?;
    let before = time(request, "postedBefore")?.unwrap_or(now - FRESHEST);
    if after > now - FRESHEST || before > now - FRESHEST {
        return Err(invalid("Date range is invalid."));
    }
    if before - after > SPAN_LONGEST {
        return Ok(Reply::json(200, &json!({ "payload": { "transactions": [] } })));
    }
    let from = match request.parameter("nextToken") {
        None => (after, 0),
        Some(token) => match paging::decode(request, &FREE, token) {
            Some(token) if now - token.made <= TOKEN_LIFE => (token.after.0, token.after.1 + 1),
            Some(_) => return Err(invalid("Token is not valid, token duration is 25 minutes.")),
            None => {
                return Err(invalid(
                    "We could not decode your NextToken. Possible reasons include changed parameters.",
                ));
            }
        },
    };
    let posted = &world.scenario.index.posted[Index::slot(seller, region)];
    let first = posted.partition_point(|entry| *entry < from);
    let visible = posted[first..]
        .iter()
        .take_while(|(at, _)| *at < before)
        .filter(|(_, n)| world.scenario.transactions[*n].visible <= now)
        .filter(|(_, n)| passes(world, &world.scenario.transactions[*n], request));
    let found: Vec<(i64, usize)> = visible.take(PAGE + 1).copied().collect();
    // Now and then a page is empty but not the last.
    let empty = request.parameter("nextToken").is_none() && found.len() > PAGE && after % 5 == 0;
    let shown = if empty { &[][..] } else { &found[..found.len().min(PAGE)] };
    let list: Vec<Value> =
        shown.iter().flat_map(|(_, n)| listed(world, &world.scenario.transactions[*n])).collect();
    let mut payload = json!({ "transactions": list });
    if found.len() > PAGE {
        // A token behind nothing begins at the first record.
        let last = shown.last().copied().unwrap_or((after - 1, usize::MAX - 1));
        payload["nextToken"] = json!(paging::encode(request, &FREE, last, now));
    }
    Ok(Reply::json(200, &json!({ "payload": payload })))
}

/// With a marketplace, other marketplaces' transactions are left out, and in the US those of orders that the seller
/// fulfils as well.
fn passes(world: &World, transaction: &Transaction, request: &Incoming) -> bool {
    let Some(marketplace) = request.parameter("marketplaceId") else { return true };
    let by_merchant = transaction.order.is_some_and(|order| world.scenario.orders[order].by_merchant());
    transaction.marketplace.id == marketplace && !(by_merchant && marketplace == "ATVPDKIKX0DER")
}

/// A settlement's number, which differs from its group's id.
pub(super) fn settlement_id(group: usize) -> String {
    format!("1{group:010}")
}

/// A transaction as it reads after Amazon has corrected it by this many hundredths.
fn amended(transaction: &Transaction, by: i64) -> Transaction {
    fn more(node: &mut Breakdown, by: i64) {
        node.amount += by;
        node.parts.first_mut().into_iter().for_each(|node| more(node, by));
    }
    let mut amended = transaction.clone();
    amended.breakdowns.first_mut().into_iter().for_each(|node| more(node, by));
    amended
}

/// A transaction as it is listed: amended, and with those that show up beside it.
fn listed(world: &World, original: &Transaction) -> Vec<Value> {
    fn opposite(node: &mut Breakdown) {
        node.amount = -node.amount;
        node.parts.iter_mut().for_each(opposite);
    }
    let faults = world.faults.amazon(world.clock.now());
    let names = |of: &Option<String>| original.items.is_empty() && of.as_ref() == Some(&original.id);
    let mut list = match (names(&faults.amend), names(&faults.amend_back)) {
        (true, _) => vec![transaction(world, &amended(original, 1))],
        (_, true) => vec![transaction(world, &amended(original, -1))],
        _ => vec![transaction(world, original)],
    };
    if names(&faults.late_pair) {
        let like = Transaction { id: format!("{}L", original.id), ..original.clone() };
        let mut back = Transaction { id: format!("{}R", original.id), ..original.clone() };
        back.breakdowns.iter_mut().for_each(opposite);
        list.extend([transaction(world, &like), transaction(world, &back)]);
    }
    list
}

fn transaction(world: &World, transaction: &Transaction) -> Value {
    let now = world.clock.now();
    let currency = transaction.marketplace.currency;
    let mut related: Vec<(&str, String)> = Vec::new();
    if let Some(order) = transaction.order {
        related.push(("ORDER_ID", world.scenario.orders[order].id.clone()));
    }
    if let Some(group) = transaction.group {
        let id = &world.scenario.groups[group].id;
        related.push(("FINANCIAL_EVENT_GROUP_ID", id.clone()));
        related.push(("SETTLEMENT_ID", settlement_id(group)));
    }
    if transaction.kind == "Transfer" {
        related.push(("TRANSFER_ID", transaction.id.clone()));
    }
    if let Some(deferred) = &transaction.deferred {
        related.push(("DEFERRED_TRANSACTION_ID", deferred.clone()));
    }
    // A deferred transaction turns in place when it is released.
    let status = match &transaction.released {
        Some((at, release)) if *at <= now => {
            related.push(("RELEASE_TRANSACTION_ID", release.clone()));
            "DEFERRED_RELEASED"
        }
        Some(_) => "DEFERRED",
        None => "RELEASED",
    };
    let related: Vec<Value> = related
        .into_iter()
        .map(|(name, value)| json!({ "relatedIdentifierName": name, "relatedIdentifierValue": value }))
        .collect();
    let contexts = match &transaction.released {
        Some((at, _)) => {
            let reason = if at - transaction.posted > LONGEST_DD7 { "B2B" } else { "DD7" };
            json!([{ "contextType": "DeferredContext", "deferralReason": reason, "maturityDate": text(*at) }])
        }
        None => Value::Null,
    };
    json!({
        "sellingPartnerMetadata": {
            "sellingPartnerId": world.scenario.sellers[transaction.seller].id, "accountType": "Standard Orders",
            "marketplaceId": transaction.marketplace.id,
        },
        "relatedIdentifiers": related,
        "transactionType": transaction.kind,
        "transactionId": transaction.id,
        "transactionStatus": status,
        "description": transaction.description,
        "postedDate": text(transaction.posted),
        "totalAmount": amount(currency, transaction.total()),
        "marketplaceDetails": {
            "marketplaceId": transaction.marketplace.id, "marketplaceName": transaction.marketplace.name,
        },
        "items": transaction.items.iter().map(|i| item(world, transaction, i)).collect::<Vec<_>>(),
        "contexts": contexts,
        "breakdowns": transaction.breakdowns.iter().map(|b| breakdown(currency, b)).collect::<Vec<_>>(),
    })
}

fn item(world: &World, transaction: &Transaction, item: &TransactionItem) -> Value {
    let currency = transaction.marketplace.currency;
    let product = &world.scenario.sellers[transaction.seller].products[item.product];
    let total = item.breakdowns.iter().map(|breakdown| breakdown.amount).sum();
    json!({
        "description": product.title,
        "relatedIdentifiers": [{
            "itemRelatedIdentifierName": "ORDER_ADJUSTMENT_ITEM_ID", "itemRelatedIdentifierValue": item.order_item,
        }],
        "totalAmount": amount(currency, total),
        "breakdowns": item.breakdowns.iter().map(|b| breakdown(currency, b)).collect::<Vec<_>>(),
        "contexts": [{
            "contextType": "ProductContext", "asin": format!("B{:09}", item.product), "sku": product.sku,
            "quantityShipped": item.quantity, "fulfillmentNetwork": network(world, transaction),
        }],
    })
}

fn network(world: &World, transaction: &Transaction) -> &'static str {
    let by_merchant = transaction.order.is_some_and(|order| world.scenario.orders[order].by_merchant());
    if by_merchant { "MFN" } else { "AFN" }
}

fn breakdown(currency: Currency, node: &Breakdown) -> Value {
    let parts = match node.parts.as_slice() {
        [] if node.amount % 2 == 0 => Value::Null,
        parts => Value::Array(parts.iter().map(|part| breakdown(currency, part)).collect()),
    };
    json!({ "breakdownType": node.name, "breakdownAmount": amount(currency, node.amount), "breakdowns": parts })
}

pub(super) fn groups(world: &World, seller: usize, region: Region, request: &Incoming) -> Reply {
    match groups_page(world, seller, region, request) {
        Ok(reply) | Err(reply) => reply,
    }
}

fn groups_page(world: &World, seller: usize, region: Region, request: &Incoming) -> Result<Reply, Reply> {
    const FREE: [&str; 2] = ["NextToken", "MaxResultsPerPage"];
    known_only(
        request,
        &[
            "FinancialEventGroupStartedAfter",
            "FinancialEventGroupStartedBefore",
            "MaxResultsPerPage",
            "NextToken",
        ],
    )?;
    let now = clock(world);
    let after =
        time(request, "FinancialEventGroupStartedAfter")?.ok_or_else(|| invalid("Date range is invalid."))?;
    let before = time(request, "FinancialEventGroupStartedBefore")?.unwrap_or(now - FRESHEST);
    if after > now - FRESHEST || before > now - FRESHEST {
        return Err(invalid("Date range is invalid."));
    }
    let size: usize = match request.parameter("MaxResultsPerPage").map(str::parse) {
        None => 10,
        Some(Ok(size @ 1..=100)) => size,
        Some(_) => return Err(invalid("MaxResultsPerPage is 1 to 100")),
    };
    let from = match request.parameter("NextToken") {
        None => 0,
        Some(token) => match paging::decode(request, &FREE, token) {
            Some(token) => token.after.1 + 1,
            None => {
                return Err(invalid(
                    "We could not decode your NextToken. Possible reasons include changed parameters.",
                ));
            }
        },
    };
    let span_too_long = before - after > SPAN_LONGEST;
    let wanted = |group: &Group| {
        group.seller == seller
            && group.region == region
            && (after..before).contains(&group.start)
            && !span_too_long
    };
    let found: Vec<usize> = world
        .scenario
        .groups
        .iter()
        .enumerate()
        .skip(from)
        .filter(|(_, group)| wanted(group))
        .map(|(n, _)| n)
        .take(size + 1)
        .collect();
    let shown = &found[..found.len().min(size)];
    let list: Vec<Value> = shown.iter().map(|n| group(&world.scenario.groups[*n], now)).collect();
    let mut payload = json!({ "FinancialEventGroupList": list });
    if let (true, Some(last)) = (found.len() > size, shown.last()) {
        payload["NextToken"] = json!(paging::encode(request, &FREE, (0, *last), now));
    }
    within_page(world, &json!({ "payload": payload }))
}

/// The largest page of Finances v0.
const PAGE_BYTES: usize = 10 << 20;

/// A page, unless it is larger than a page may be: the caller has to ask for fewer results.
pub(super) fn within_page(world: &World, body: &Value) -> Result<Reply, Reply> {
    let most = world.faults.amazon(world.clock.now()).page_bytes.unwrap_or(PAGE_BYTES);
    match body.to_string().len() {
        bytes if bytes > most => Err(invalid("The response exceeds the maximum size.")),
        _ => Ok(Reply::json(200, body)),
    }
}

fn group(group: &Group, now: i64) -> Value {
    let closed = group.end <= now;
    let mut body = json!({
        "FinancialEventGroupId": group.id,
        "ProcessingStatus": if closed { "Closed" } else { "Open" },
        "FinancialEventGroupStart": text(group.start),
    });
    if closed {
        body["FinancialEventGroupEnd"] = json!(text(group.end));
        body["FundTransferStatus"] = json!("Succeeded");
    }
    let total = |currency: Currency, minor: i64| json!({ "CurrencyCode": currency.code(), "CurrencyAmount": number(currency, minor) });
    // An open group shows a running balance; a closed one sometimes shows nothing.
    if !(closed && group.total_missing) {
        body["OriginalTotal"] = total(group.currency, if closed { group.total } else { group.total / 2 });
    }
    if closed && !group.total_missing {
        body["ConvertedTotal"] = total(group.deposit, group.paid_out);
    }
    body
}
