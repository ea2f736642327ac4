//! Orders 2026-01-01.

use ml_connector_domain::canonical::{Charge, Order, OrderItem, Package, Pieces};
use ml_connector_domain::{Currency, Money};
use ml_connector_ports::{Page, RawRecord, Unreadable};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{bad_money, instant, read, record, records, unreadable};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SearchOrders<'a> {
    #[serde(borrow)]
    orders: Vec<&'a RawValue>,
    pagination: Option<Pagination>,
    last_updated_before: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Id {
    order_id: String,
}

/// A page of searchOrders.
pub(crate) fn page(body: &[u8]) -> Result<Page, serde_json::Error> {
    let answer: SearchOrders<'_> = serde_json::from_slice(body)?;
    Ok(Page {
        records: records(answer.orders, |id: Id| id.order_id)?,
        next: answer
            .pagination
            .and_then(|pagination| pagination.next_token)
            .filter(|token| !token.is_empty()),
        applied_to: answer.last_updated_before.and_then(|text| text.parse().ok()),
    })
}

#[derive(Deserialize)]
struct GetOrder<'a> {
    #[serde(borrow)]
    order: &'a RawValue,
}

/// The order of a getOrder.
pub(crate) fn one(body: &[u8]) -> Result<RawRecord, serde_json::Error> {
    let answer: GetOrder<'_> = serde_json::from_slice(body)?;
    record(answer.order, |id: Id| id.order_id)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireOrder {
    order_id: String,
    created_time: String,
    last_updated_time: String,
    #[serde(default)]
    associated_orders: Option<Vec<AssociatedOrder>>,
    sales_channel: SalesChannel,
    proceeds: Option<OrderProceeds>,
    fulfillment: Option<OrderFulfillment>,
    order_items: Vec<WireItem>,
    #[serde(default)]
    packages: Option<Vec<WirePackage>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssociatedOrder {
    order_id: Option<String>,
    association_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SalesChannel {
    channel_name: String,
    marketplace_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderProceeds {
    grand_total: Option<WireMoney>,
    #[serde(default)]
    breakdowns: Option<Vec<Breakdown>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderFulfillment {
    fulfillment_status: String,
    fulfilled_by: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePackage {
    ship_time: Option<String>,
    package_items: Option<Vec<PackageItem>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PackageItem {
    order_item_id: String,
    quantity: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireItem {
    order_item_id: String,
    quantity_ordered: u32,
    product: Product,
    proceeds: Option<ItemProceeds>,
    fulfillment: Option<ItemFulfillment>,
    tax: Option<ItemTax>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    title: Option<String>,
    seller_sku: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemProceeds {
    proceeds_total: Option<WireMoney>,
    #[serde(default)]
    breakdowns: Option<Vec<Breakdown>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Breakdown {
    r#type: String,
    subtotal: WireMoney,
    #[serde(default)]
    detailed_breakdowns: Option<Vec<Detail>>,
}

#[derive(Deserialize)]
struct Detail {
    subtype: Option<String>,
    value: Option<WireMoney>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemFulfillment {
    quantity_fulfilled: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemTax {
    #[serde(default)]
    tax_collections: Option<Vec<TaxCollection>>,
}

#[derive(Deserialize)]
struct TaxCollection {
    model: Option<String>,
}

/// Amounts are strings here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMoney {
    amount: String,
    currency_code: String,
}

impl WireMoney {
    fn read(&self, path: &str) -> Result<Money, Unreadable> {
        let currency: Currency = self.currency_code.parse().map_err(bad_money(path))?;
        Money::parse(&self.amount, currency).map_err(bad_money(path))
    }
}

/// Makes a canonical order.
///
/// # Errors
/// A field is missing or no amount, or the items do not sum to the order's total.
pub(crate) fn order(json: &str) -> Result<Order, Unreadable> {
    let wire: WireOrder = read(json)?;
    let fulfillment = wire.fulfillment.as_ref();
    let status = fulfillment.map(|f| f.fulfillment_status.clone()).unwrap_or_default();
    let updated = instant("$.lastUpdatedTime", &wire.last_updated_time)?;
    let grand_total = wire.proceeds.as_ref().and_then(|proceeds| proceeds.grand_total.as_ref());
    let total = grand_total.map(|total| total.read("$.proceeds.grandTotal")).transpose()?;
    let order = Order {
        marketplace: wire.sales_channel.marketplace_id.clone().unwrap_or_default().as_str().into(),
        channel: wire.sales_channel.channel_name.clone(),
        fulfilled_by: fulfillment.and_then(|f| f.fulfilled_by.clone()).unwrap_or_default(),
        created: instant("$.createdTime", &wire.created_time)?,
        updated,
        shipped: if status == "SHIPPED" { Some(shipped(&wire)?.unwrap_or(updated)) } else { None },
        replaces: replaced(&wire).map(|id| id.as_str().into()),
        status,
        total,
        items: wire.order_items.iter().enumerate().map(|(n, i)| item(n, i)).collect::<Result<_, _>>()?,
        packages: packages(&wire)?,
        shipment: None,
        id: wire.order_id.as_str().into(),
    };
    foots(&order, &wire)?;
    Ok(order)
}

/// Packages that have left, with what is in them: told of orders that the seller ships (Orders API 2026-01-01).
fn packages(wire: &WireOrder) -> Result<Vec<Package>, Unreadable> {
    let mut packages = Vec::new();
    for (n, package) in wire.packages.iter().flatten().enumerate() {
        let (Some(time), Some(items)) = (&package.ship_time, &package.package_items) else { continue };
        let pieces = |one: &PackageItem| {
            let quantity = one.quantity.unwrap_or(0);
            (quantity > 0).then(|| Pieces { item: one.order_item_id.as_str().into(), quantity })
        };
        let items: Vec<Pieces> = items.iter().filter_map(pieces).collect();
        if !items.is_empty() {
            packages.push(Package { shipped: instant(&format!("$.packages[{n}].shipTime"), time)?, items });
        }
    }
    Ok(packages)
}

/// When the last package left.
fn shipped(wire: &WireOrder) -> Result<Option<jiff::Timestamp>, Unreadable> {
    let times = wire.packages.iter().flatten().filter_map(|package| package.ship_time.as_deref());
    let times = times.map(|time| instant("$.packages[*].shipTime", time)).collect::<Result<Vec<_>, _>>()?;
    Ok(times.into_iter().max())
}

/// The order that this one replaces: it has zero prices and is no sale.
fn replaced(wire: &WireOrder) -> Option<String> {
    let original = |order: &&AssociatedOrder| {
        matches!(order.association_type.as_deref(), Some("REPLACEMENT_ORIGINAL_ID" | "EXCHANGE_ORIGINAL_ID"))
    };
    wire.associated_orders.iter().flatten().find(original)?.order_id.clone()
}

fn item(index: usize, wire: &WireItem) -> Result<OrderItem, Unreadable> {
    let path = format!("$.orderItems[{index}]");
    let collections = wire.tax.iter().flat_map(|tax| tax.tax_collections.iter().flatten());
    Ok(OrderItem {
        id: wire.order_item_id.as_str().into(),
        sku: wire.product.seller_sku.clone().unwrap_or_default().as_str().into(),
        title: wire.product.title.clone().unwrap_or_default(),
        quantity_ordered: wire.quantity_ordered,
        quantity_fulfilled: wire.fulfillment.as_ref().and_then(|f| f.quantity_fulfilled).unwrap_or(0),
        charges: match &wire.proceeds {
            Some(proceeds) => charges(&path, proceeds)?,
            None => Vec::new(),
        },
        tax_collection: collections
            .filter_map(|collection| collection.model.clone())
            .next()
            .unwrap_or_default(),
    })
}

/// An item's charges, with the sign of discounts that makes them sum to the item's total: Amazon documents none.
fn charges(path: &str, proceeds: &ItemProceeds) -> Result<Vec<Charge>, Unreadable> {
    let mut charges = Vec::new();
    for (index, breakdown) in proceeds.breakdowns.iter().flatten().enumerate() {
        charges.extend(breakdown_charges(&format!("{path}.proceeds.breakdowns[{index}]"), breakdown)?);
    }
    let Some(total) = &proceeds.proceeds_total else { return Ok(charges) };
    let total = total.read(&format!("{path}.proceeds.proceedsTotal"))?;
    for negative in [true, false] {
        for charge in charges.iter_mut().filter(|charge| charge.kind.starts_with("DISCOUNT")) {
            let size = charge.amount.minor.abs();
            charge.amount.minor = if negative { -size } else { size };
        }
        let sum = Money::sum(total.currency, charges.iter().map(|charge| charge.amount));
        if sum.map_err(bad_money(path))? == total {
            return Ok(charges);
        }
    }
    Err(unreadable(
        path,
        format!("the charges do not sum to the item's total of {total}, whatever the discounts' sign"),
    ))
}

/// Tax is split by what is taxed, where Amazon says so; everything else is one charge.
fn breakdown_charges(path: &str, breakdown: &Breakdown) -> Result<Vec<Charge>, Unreadable> {
    let whole = breakdown.subtotal.read(path)?;
    let details: Vec<(&str, &WireMoney)> = breakdown
        .detailed_breakdowns
        .iter()
        .flatten()
        .filter_map(|detail| Some((detail.subtype.as_deref()?, detail.value.as_ref()?)))
        .collect();
    if breakdown.r#type != "TAX" || details.is_empty() {
        return Ok(vec![Charge { kind: breakdown.r#type.clone(), amount: whole }]);
    }
    let parts: Vec<Charge> = details
        .into_iter()
        .map(|(subtype, value)| Ok(Charge { kind: format!("TAX/{subtype}"), amount: value.read(path)? }))
        .collect::<Result<_, Unreadable>>()?;
    let sum = Money::sum(whole.currency, parts.iter().map(|part| part.amount)).map_err(bad_money(path))?;
    if sum == whole {
        Ok(parts)
    } else {
        Err(unreadable(path, format!("the details sum to {sum}, not {whole}")))
    }
}

/// The items, and a delivery tip that stands at the order only, sum to the order's total.
fn foots(order: &Order, wire: &WireOrder) -> Result<(), Unreadable> {
    let path = "$.proceeds.grandTotal";
    let (Some(total), Some(items)) = (order.total, order.charges_total().map_err(bad_money(path))?) else {
        return Ok(());
    };
    let breakdowns = wire.proceeds.iter().flat_map(|proceeds| proceeds.breakdowns.iter().flatten());
    let tips = breakdowns.filter(|breakdown| breakdown.r#type == "DELIVERY_TIP");
    let tips = tips.map(|tip| tip.subtotal.read(path)).collect::<Result<Vec<_>, _>>()?;
    let sum = tips.into_iter().try_fold(items, Money::checked_add).map_err(bad_money(path))?;
    if sum == total {
        Ok(())
    } else {
        Err(unreadable(path, format!("the items sum to {sum}, the order says {total}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(discount: &str, total: &str) -> String {
        format!(
            r#"{{"orderId":"113-1","createdTime":"2026-09-01T10:00:00Z","lastUpdatedTime":"2026-09-03T10:00:00.123Z",
            "salesChannel":{{"channelName":"AMAZON","marketplaceId":"ATVPDKIKX0DER"}},
            "proceeds":{{"grandTotal":{{"amount":"{total}","currencyCode":"USD"}}}},
            "fulfillment":{{"fulfillmentStatus":"SHIPPED","fulfilledBy":"AMAZON"}},
            "packages":[{{"packageReferenceId":"1","shipTime":"2026-09-02T08:00:00Z"}},{{"packageReferenceId":"2","shipTime":"2026-09-03T09:00:00Z"}}],
            "orderItems":[{{"orderItemId":"05015851154158","quantityOrdered":2,"product":{{"sellerSku":"MUG","title":"A mug"}},
              "fulfillment":{{"quantityFulfilled":2}},"tax":{{"taxCollections":[{{"model":"MARKETPLACE_FACILITATOR"}}]}},
              "proceeds":{{"proceedsTotal":{{"amount":"{total}","currencyCode":"USD"}},"breakdowns":[
                {{"type":"ITEM","subtotal":{{"amount":"20.00","currencyCode":"USD"}}}},
                {{"type":"DISCOUNT","subtotal":{{"amount":"{discount}","currencyCode":"USD"}}}},
                {{"type":"TAX","subtotal":{{"amount":"1.60","currencyCode":"USD"}},"detailedBreakdowns":[
                  {{"subtype":"ITEM","value":{{"amount":"1.50","currencyCode":"USD"}}}},{{"subtype":"SHIPPING","value":{{"amount":"0.10","currencyCode":"USD"}}}}]}}]}}}}]}}"#
        )
    }

    #[test]
    fn a_discount_is_taken_off_whatever_its_sign() {
        for discount in ["2.00", "-2.00"] {
            let order = order(&sample(discount, "19.60")).expect("reads");
            let kinds: Vec<(&str, i64)> =
                order.items[0].charges.iter().map(|c| (c.kind.as_str(), c.amount.minor)).collect();
            let wanted = [("ITEM", 2_000), ("DISCOUNT", -200), ("TAX/ITEM", 150), ("TAX/SHIPPING", 10)];
            assert_eq!(kinds, wanted, "{discount}");
            assert_eq!(order.shipped.map(|at| at.to_string()).as_deref(), Some("2026-09-03T09:00:00Z"));
        }
    }

    #[test]
    fn what_does_not_foot_is_quarantined() {
        let error = order(&sample("2.00", "19.61")).expect_err("does not foot");
        assert!(error.message.contains("19.61 USD"), "{error}");
    }

    #[test]
    fn a_pending_order_has_no_money_and_is_read_all_the_same() {
        let json = r#"{"orderId":"113-2","createdTime":"2026-09-01T10:00:00Z","lastUpdatedTime":"2026-09-01T10:00:00Z",
            "salesChannel":{"channelName":"AMAZON"},"fulfillment":{"fulfillmentStatus":"PENDING"},
            "orderItems":[{"orderItemId":"1","quantityOrdered":1,"product":{}}]}"#;
        let order = order(json).expect("reads");
        assert_eq!((order.status.as_str(), order.total, order.shipped), ("PENDING", None, None));
    }

    #[test]
    fn a_page_keeps_amazons_bytes_and_its_token() {
        let body = br#"{"orders":[{"orderId":"A",  "x":1.50}],"pagination":{"nextToken":"a+/="},"lastUpdatedBefore":"2026-09-01T00:00:00Z"}"#;
        let page = page(body).expect("reads");
        assert_eq!(page.records[0].json, r#"{"orderId":"A",  "x":1.50}"#);
        assert_eq!(page.next.as_deref(), Some("a+/="));
        assert!(page.applied_to.is_some());
    }
}
