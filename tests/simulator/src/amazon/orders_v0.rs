//! Orders v0: getOrders and getOrderItems.

use serde_json::{Map, Value, json};

use super::finances::{known_only, time};
use super::{FRESHEST, World, clock, invalid, paging, refusal};
use crate::clock::{DAY, text};
use crate::http::{Incoming, Reply};
use crate::scenario::{Currency, Index, Item, Order, Region, Status};

/// What may differ from page to page.
const FREE: [&str; 2] = ["NextToken", "MaxResultsPerPage"];
/// A page token's life is not documented; a day is generous.
const TOKEN_LIFE: i64 = DAY;

pub(super) fn list(
    world: &World,
    seller: usize,
    region: Region,
    request: &Incoming,
    restricted: bool,
) -> Reply {
    match page(world, seller, region, request, restricted) {
        Ok(reply) | Err(reply) => reply,
    }
}

fn page(
    world: &World,
    seller: usize,
    region: Region,
    request: &Incoming,
    restricted: bool,
) -> Result<Reply, Reply> {
    known_only(
        request,
        &["MarketplaceIds", "LastUpdatedAfter", "LastUpdatedBefore", "MaxResultsPerPage", "NextToken"],
    )?;
    let now = clock(world);
    let places: Vec<&str> = request.parameter("MarketplaceIds").unwrap_or_default().split(',').collect();
    if places.iter().all(|id| id.is_empty()) || places.len() > 50 {
        return Err(invalid("MarketplaceIds: 1 to 50"));
    }
    let after = time(request, "LastUpdatedAfter")?
        .ok_or_else(|| invalid("CreatedAfter and LastUpdatedAfter: both cannot be empty"))?;
    let before = time(request, "LastUpdatedBefore")?.unwrap_or(now - FRESHEST);
    if before > now - FRESHEST || before < after {
        return Err(invalid("LastUpdatedBefore must be two minutes old and after LastUpdatedAfter"));
    }
    let size: usize = match request.parameter("MaxResultsPerPage").map(str::parse) {
        None => 100,
        Some(Ok(size @ 1..=100)) => size,
        Some(_) => return Err(invalid("MaxResultsPerPage is 1 to 100")),
    };
    let from = match request.parameter("NextToken") {
        None => (after, 0),
        Some(token) => match paging::decode(request, &FREE, token) {
            Some(token) if now - token.made <= TOKEN_LIFE => (token.after.0, token.after.1 + 1),
            _ => {
                return Err(invalid("We could not decode your NextToken. Possible reasons include changes."));
            }
        },
    };
    let updates = &world.scenario.index.updates[Index::slot(seller, region)];
    let first = updates.partition_point(|entry| *entry < from);
    let current = updates[first..]
        .iter()
        .take_while(|(at, _)| *at <= before)
        .filter(|(at, n)| world.scenario.orders[*n].at(now).is_some_and(|(since, _)| since == *at))
        .filter(|(_, n)| places.contains(&world.scenario.orders[*n].marketplace.id));
    let found: Vec<(i64, usize)> = current.take(size + 1).copied().collect();
    let shown = &found[..found.len().min(size)];
    let orders: Vec<Value> =
        shown.iter().map(|(_, n)| order(&world.scenario.orders[*n], now, restricted)).collect();
    let mut payload = json!({ "Orders": orders, "LastUpdatedBefore": text(before) });
    if let (true, Some(last)) = (found.len() > size, shown.last()) {
        payload["NextToken"] = json!(paging::encode(request, &FREE, *last, now));
    }
    Ok(Reply::json(200, &json!({ "payload": payload })))
}

fn money(currency: Currency, minor: i64) -> Value {
    json!({ "CurrencyCode": currency.code(), "Amount": currency.decimal(minor) })
}

fn order(order: &Order, now: i64, restricted: bool) -> Value {
    let (updated, status) = order.at(now).unwrap_or((0, Status::Pending));
    let name = match status {
        Status::Pending => "Pending",
        Status::Unshipped => "Unshipped",
        Status::PartiallyShipped => "PartiallyShipped",
        Status::Shipped => "Shipped",
        Status::Cancelled => "Canceled",
    };
    let mut body = json!({
        "AmazonOrderId": order.id,
        "PurchaseDate": text(order.timeline.first().map_or(0, |(at, _)| *at)),
        "LastUpdateDate": text(updated),
        "OrderStatus": name,
        "FulfillmentChannel": if order.by_merchant() { "MFN" } else { "AFN" },
        "SalesChannel": if order.elsewhere { "Non-Amazon" } else { order.marketplace.name },
        "MarketplaceId": order.marketplace.id,
        "IsReplacementOrder": order.replaces.is_some(),
    });
    if let Some(original) = &order.replaces {
        body["ReplacedOrderId"] = json!(original);
    }
    // Left out without a word for who comes without the token for it.
    if restricted && status != Status::Pending {
        let name = super::orders::buyer_name(order);
        body["ShippingAddress"] = json!({ "Name": name, "City": "Springfield", "CountryCode": "US" });
        body["BuyerInfo"] = json!({ "BuyerName": name });
    }
    if priced(status, order) {
        body["OrderTotal"] = money(order.marketplace.currency, order.total());
    }
    body
}

fn priced(status: Status, order: &Order) -> bool {
    !matches!(status, Status::Pending | Status::Cancelled) && !order.elsewhere
}

/// The items of an order. Buyer information, and with it the price of gift wrap, comes only by a token for restricted
/// data; without one it is left out, and nothing says so.
pub(super) fn items(world: &World, seller: usize, region: Region, id: &str, restricted: bool) -> Reply {
    let now = world.clock.now();
    let mut orders = world.scenario.orders.iter();
    let found = orders.find(|o| o.id == id && o.seller == seller && o.marketplace.region == region);
    let Some((order, (_, status))) = found.and_then(|order| Some((order, order.at(now)?))) else {
        return refusal(404, "NotFound", "The order was not found.", "");
    };
    let items: Vec<Value> = order
        .items
        .iter()
        .zip(order.left_by(now))
        .map(|(i, left)| item(world, order, (i, left), (status, restricted)))
        .collect();
    Reply::json(200, &json!({ "payload": { "AmazonOrderId": id, "OrderItems": items } }))
}

fn item(
    world: &World,
    order: &Order,
    (item, left): (&Item, u32),
    (status, restricted): (Status, bool),
) -> Value {
    let product = &world.scenario.sellers[order.seller].products[item.product];
    let currency = order.marketplace.currency;
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("ASIN", json!(format!("B{:09}", item.product)));
    put("SellerSKU", json!(product.sku));
    put("OrderItemId", json!(item.id));
    put("Title", json!(product.title));
    put("QuantityOrdered", json!(item.quantity));
    put("QuantityShipped", json!(left));
    put("IsGift", json!(if item.gift_wrap > 0 { "true" } else { "false" }));
    if priced(status, order) {
        put("ItemPrice", money(currency, item.price));
        let amounts = [
            ("ItemTax", item.taxes[0]),
            ("ShippingPrice", item.shipping),
            ("ShippingTax", item.taxes[1]),
            // A size, without a sign.
            ("PromotionDiscount", item.discount),
        ];
        for (name, minor) in amounts.into_iter().filter(|(_, minor)| *minor != 0) {
            put(name, money(currency, minor));
        }
        if item.taxes.iter().any(|tax| *tax != 0) {
            let collection =
                json!({ "Model": "MarketplaceFacilitator", "ResponsibleParty": "Amazon Services, Inc." });
            put("TaxCollection", collection);
        }
        if restricted && item.gift_wrap > 0 {
            let mut info = json!({
                "GiftWrapPrice": money(currency, item.gift_wrap),
                "GiftMessageText": super::orders::gift_message(order),
            });
            if item.taxes[2] != 0 {
                info["GiftWrapTax"] = money(currency, item.taxes[2]);
            }
            put("BuyerInfo", info);
        }
    }
    Value::Object(body)
}
