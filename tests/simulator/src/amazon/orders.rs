//! Orders 2026-01-01.

use serde_json::{Map, Value, json};

use super::{FRESHEST, World, clock, instant, invalid, paging, refusal};
use crate::clock::{DAY, text};
use crate::control::AmazonFaults;
use crate::http::{Incoming, Reply};
use crate::scenario::{Currency, Index, Item, Order, Region, Seller, Status};

const PARAMETERS: [&str; 10] = [
    "createdAfter",
    "createdBefore",
    "lastUpdatedAfter",
    "lastUpdatedBefore",
    "marketplaceIds",
    "fulfillmentStatuses",
    "fulfilledBy",
    "maxResultsPerPage",
    "paginationToken",
    "includedData",
];
/// What may differ from page to page.
const FREE: [&str; 3] = ["paginationToken", "maxResultsPerPage", "includedData"];
const DATA_SETS: [&str; 11] = [
    "BUYER",
    "RECIPIENT",
    "PROCEEDS",
    "EXPENSE",
    "PROMOTION",
    "CANCELLATION",
    "FULFILLMENT",
    "PACKAGES",
    "TAX",
    "PAYMENT",
    "FULFILLMENT_ORDERS",
];
/// A page token's life.
pub(super) const TOKEN_LIFE: i64 = DAY;

fn included(request: &Incoming) -> Result<Vec<&str>, Reply> {
    let sets: Vec<&str> =
        request.parameter("includedData").map(|t| t.split(',').collect()).unwrap_or_default();
    match sets.iter().find(|set| !DATA_SETS.contains(set)) {
        Some(unknown) => Err(invalid(&format!("includedData: {unknown}"))),
        None => Ok(sets),
    }
}

pub(super) fn search(
    world: &World,
    seller: usize,
    region: Region,
    request: &Incoming,
    faults: &AmazonFaults,
) -> Reply {
    let asked = request.parameter("includedData").unwrap_or_default();
    if let Some(set) = faults.refuse_data_set.as_deref().filter(|set| asked.split(',').any(|own| own == *set))
    {
        return invalid(&format!("Invalid value for includedData: {set}"));
    }
    match page(world, seller, region, request) {
        Ok(reply) | Err(reply) => reply,
    }
}

fn page(world: &World, seller: usize, region: Region, request: &Incoming) -> Result<Reply, Reply> {
    if let Some((unknown, _)) = request.query.iter().find(|(name, _)| !PARAMETERS.contains(&name.as_str())) {
        return Err(invalid(&format!("unknown parameter {unknown}")));
    }
    let now = clock(world);
    let sets = included(request)?;
    let (after, before) = bounds(request, now)?;
    let size: usize = match request.parameter("maxResultsPerPage").map(str::parse) {
        None => 100,
        Some(Ok(size @ 1..=100)) => size,
        Some(_) => return Err(invalid("maxResultsPerPage is 1 to 100")),
    };
    let from = match request.parameter("paginationToken") {
        None => (after, 0),
        Some(token) => match paging::decode(request, &FREE, token) {
            Some(token) if now - token.made <= TOKEN_LIFE => (token.after.0, token.after.1 + 1),
            Some(_) => return Err(invalid("The paginationToken has expired.")),
            None => {
                return Err(invalid(
                    "We could not decode your NextToken. Possible reasons include changed parameters.",
                ));
            }
        },
    };
    let updates = &world.scenario.index.updates[Index::slot(seller, region)];
    let first = updates.partition_point(|entry| *entry < from);
    // An order is found by its last change; earlier ones are history.
    let current = updates[first..]
        .iter()
        .take_while(|(at, _)| *at <= before)
        .filter(|(at, n)| world.scenario.orders[*n].at(now).is_some_and(|(since, _)| since == *at));
    let found: Vec<(i64, usize)> = current.take(size + 1).copied().collect();
    let shown = &found[..found.len().min(size)];
    let orders: Vec<Value> =
        shown.iter().map(|(_, n)| order(world, &world.scenario.orders[*n], &sets)).collect();
    let mut body = json!({ "orders": orders, "lastUpdatedBefore": text(before) });
    if let (true, Some(last)) = (found.len() > size, shown.last()) {
        body["pagination"] = json!({ "nextToken": paging::encode(request, &FREE, *last, now) });
    }
    Ok(Reply::json(200, &body))
}

/// Exactly one family of bounds, each at least two minutes old.
fn bounds(request: &Incoming, now: i64) -> Result<(i64, i64), Reply> {
    if request.parameter("createdAfter").is_some() || request.parameter("createdBefore").is_some() {
        return Err(invalid("this simulator searches by lastUpdatedAfter"));
    }
    let read = |name: &str| match request.parameter(name) {
        None => Ok(None),
        Some(text) => {
            instant(text).map(Some).ok_or_else(|| invalid(&format!("Invalid Date-Time field(s) [{name}].")))
        }
    };
    let after =
        read("lastUpdatedAfter")?.ok_or_else(|| invalid("createdAfter or lastUpdatedAfter is required"))?;
    let before = match read("lastUpdatedBefore")? {
        Some(before) if before > now - FRESHEST => {
            return Err(invalid("lastUpdatedBefore must be two minutes old"));
        }
        Some(before) if before < after => {
            return Err(invalid("lastUpdatedBefore is before lastUpdatedAfter"));
        }
        Some(before) => before,
        None => now - FRESHEST,
    };
    Ok((after, before))
}

pub(super) fn get(world: &World, seller: usize, region: Region, id: &str, request: &Incoming) -> Reply {
    let sets = match included(request) {
        Ok(sets) => sets,
        Err(reply) => return reply,
    };
    let mut orders = world.scenario.orders.iter();
    let found = orders.find(|o| o.id == id && o.seller == seller && o.marketplace.region == region);
    match found.filter(|order| order.at(world.clock.now()).is_some()) {
        Some(found) => Reply::json(200, &json!({ "order": order(world, found, &sets) })),
        None => refusal(404, "NotFound", "The order was not found.", ""),
    }
}

/// Who bought: a name that occurs nowhere else, so that it is found wherever it was left.
pub(super) fn buyer_name(order: &Order) -> String {
    format!("Perdita Quillfeather {}", &order.id[4..])
}

/// What the buyer wrote on a gift.
pub(super) fn gift_message(order: &Order) -> String {
    format!("Much love, {}", buyer_name(order))
}

fn money(currency: Currency, minor: i64) -> Value {
    json!({ "amount": currency.decimal(minor), "currencyCode": currency.code() })
}

fn order(world: &World, order: &Order, sets: &[&str]) -> Value {
    let seller = &world.scenario.sellers[order.seller];
    let (updated, status) = order.at(world.clock.now()).unwrap_or((0, Status::Pending));
    // Money is stated once the payment is authorised.
    let priced = !matches!(status, Status::Pending | Status::Cancelled) && !order.elsewhere;
    let (channel, place) =
        if order.elsewhere { ("NON_AMAZON", "Non-Amazon") } else { ("AMAZON", order.marketplace.name) };
    let left = order.left_by(world.clock.now());
    let items: Vec<Value> = order
        .items
        .iter()
        .zip(&left)
        .map(|(i, left)| item(seller, order, (i, *left), priced, sets))
        .collect();
    let mut body = json!({
        "orderId": order.id,
        "createdTime": text(order.timeline.first().map_or(0, |(at, _)| *at)),
        "lastUpdatedTime": text(updated),
        // The set is open: some programmes are in no documentation yet.
        "programs": if order.by_merchant() { json!(["AMAZON_TOMORROW"]) } else { json!([]) },
        "salesChannel": {
            "channelName": channel, "marketplaceId": order.marketplace.id, "marketplaceName": place,
        },
        "orderItems": items,
    });
    if let Some(original) = &order.replaces {
        body["associatedOrders"] =
            json!([{ "orderId": original, "associationType": "REPLACEMENT_ORIGINAL_ID" }]);
    }
    if sets.contains(&"FULFILLMENT") {
        let by = if order.by_merchant() { "MERCHANT" } else { "AMAZON" };
        body["fulfillment"] = json!({ "fulfillmentStatus": status.name(), "fulfilledBy": by });
    }
    if sets.contains(&"PROCEEDS") && priced {
        body["proceeds"] = json!({ "grandTotal": money(order.marketplace.currency, order.total()) });
    }
    if sets.contains(&"BUYER") {
        body["buyer"] = json!({ "buyerName": buyer_name(order), "buyerPurchaseOrderNumber": "" });
    }
    if sets.contains(&"RECIPIENT") {
        body["recipient"] = json!({ "deliveryAddress": {
            "name": buyer_name(order), "addressLine1": "1 Quillfeather Lane", "city": "Springfield",
            "postalCode": "00000", "countryCode": "US" } });
    }
    // Only of what the seller ships.
    if sets.contains(&"PACKAGES") && order.by_merchant() {
        body["packages"] = json!(packages(order, world.clock.now()));
    }
    body
}

/// The packages that have left.
fn packages(order: &Order, now: i64) -> Vec<Value> {
    let [first, rest] = order.parts();
    let left = [(order.first_part().map(|(at, _)| at), first), (order.shipped(), rest)];
    let gone = left.into_iter().filter_map(|(at, items)| at.filter(|at| *at <= now).map(|at| (at, items)));
    gone.zip(1_u32..)
        .map(|((at, items), number)| {
            let held = items.iter().filter(|item| !item.cancelled);
            let held: Vec<Value> =
                held.map(|item| json!({ "orderItemId": item.id, "quantity": item.quantity })).collect();
            json!({
                "packageReferenceId": number.to_string(), "packageStatus": { "status": "SHIPPED" },
                "shipTime": text(at), "packageItems": held,
            })
        })
        .collect()
}

fn item(
    seller: &Seller,
    order: &Order,
    (item, fulfilled): (&Item, u32),
    priced: bool,
    sets: &[&str],
) -> Value {
    let product = &seller.products[item.product];
    let mut body = json!({
        "orderItemId": item.id,
        "quantityOrdered": item.quantity,
        "product": { "asin": format!("B{:09}", item.product), "title": product.title, "sellerSku": product.sku },
    });
    if sets.contains(&"FULFILLMENT") {
        body["fulfillment"] =
            json!({ "quantityFulfilled": fulfilled, "quantityUnfulfilled": item.quantity - fulfilled });
    }
    if sets.contains(&"CANCELLATION") && item.cancelled && priced {
        body["cancellation"] = json!({ "cancellationExecution": { "cancelledBy": "BUYER" } });
    }
    if sets.contains(&"PROCEEDS") && priced {
        body["proceeds"] = proceeds(seller, order.marketplace.currency, item);
    }
    if sets.contains(&"TAX") && item.taxes.iter().any(|tax| *tax != 0) {
        body["tax"] = json!({ "taxCollections": [
            { "model": "MARKETPLACE_FACILITATOR", "responsibleParty": "Amazon Services, Inc." }] });
    }
    body
}

fn proceeds(seller: &Seller, currency: Currency, item: &Item) -> Value {
    let discount = if seller.discounts_negative { -item.discount } else { item.discount };
    let rows = [
        ("ITEM", item.price),
        ("SHIPPING", item.shipping),
        ("GIFT_WRAP", item.gift_wrap),
        ("DISCOUNT", discount),
    ];
    let mut breakdowns: Vec<Value> = rows
        .into_iter()
        .filter(|(kind, minor)| *kind == "ITEM" || *minor != 0)
        .map(|(kind, minor)| json!({ "type": kind, "subtotal": money(currency, minor) }))
        .collect();
    let tax: i64 = item.taxes.iter().sum();
    if tax != 0 {
        let parts =
            ["ITEM", "SHIPPING", "GIFT_WRAP"].into_iter().zip(item.taxes).filter(|(_, minor)| *minor != 0);
        let details: Vec<Value> = parts
            .map(|(subtype, minor)| json!({ "subtype": subtype, "value": money(currency, minor) }))
            .collect();
        breakdowns
            .push(json!({ "type": "TAX", "subtotal": money(currency, tax), "detailedBreakdowns": details }));
    }
    let mut body = Map::new();
    body.insert("proceedsTotal".to_owned(), money(currency, item.total()));
    body.insert("breakdowns".to_owned(), Value::Array(breakdowns));
    Value::Object(body)
}
