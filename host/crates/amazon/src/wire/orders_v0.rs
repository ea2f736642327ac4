//! Orders v0: PascalCase, prices by item, and each order's items by a call of their own.
//!
//! One record of ours holds an order and its items in Amazon's bytes: `{"v0Order": …, "v0Items": […]}`.

use ml_connector_domain::canonical::{Charge, Order, OrderItem};
use ml_connector_domain::{Currency, Money, Timestamp};
use ml_connector_ports::Unreadable;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{bad_money, instant, read, unreadable};

#[derive(Deserialize)]
struct Envelope<T> {
    payload: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OrdersList<'a> {
    #[serde(borrow)]
    orders: Vec<&'a RawValue>,
    next_token: Option<String>,
    last_updated_before: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Id {
    amazon_order_id: String,
}

/// A page of getOrders: ids with Amazon's bytes.
pub(crate) struct List {
    pub(crate) orders: Vec<(String, String)>,
    pub(crate) next: Option<String>,
    pub(crate) applied_to: Option<Timestamp>,
}

pub(crate) fn list(body: &[u8]) -> Result<List, serde_json::Error> {
    let Envelope { payload } = serde_json::from_slice::<Envelope<OrdersList<'_>>>(body)?;
    let one = |raw: &RawValue| {
        let id: Id = serde_json::from_str(raw.get())?;
        Ok((id.amazon_order_id, raw.get().to_owned()))
    };
    Ok(List {
        orders: payload.orders.into_iter().map(one).collect::<Result<_, serde_json::Error>>()?,
        next: payload.next_token.filter(|token| !token.is_empty()),
        applied_to: payload.last_updated_before.and_then(|text| text.parse().ok()),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ItemsList<'a> {
    #[serde(borrow)]
    order_items: Vec<&'a RawValue>,
    next_token: Option<String>,
}

/// A page of getOrderItems in Amazon's bytes.
pub(crate) struct Items {
    pub(crate) items: Vec<String>,
    pub(crate) next: Option<String>,
}

pub(crate) fn items(body: &[u8]) -> Result<Items, serde_json::Error> {
    let Envelope { payload } = serde_json::from_slice::<Envelope<ItemsList<'_>>>(body)?;
    Ok(Items {
        items: payload.order_items.into_iter().map(|raw| raw.get().to_owned()).collect(),
        next: payload.next_token.filter(|token| !token.is_empty()),
    })
}

/// An order with its items, as it is kept.
pub(crate) fn joined(order: &str, items: &[String]) -> String {
    format!(r#"{{"v0Order":{order},"v0Items":[{}]}}"#, items.join(","))
}

/// Whether a kept record is one of these; once buyer data was taken out of it, its members are in another order.
pub(crate) fn is_one(json: &str) -> bool {
    json.starts_with(r#"{"v0Order":"#) || json.starts_with(r#"{"v0Items":"#)
}

/// Whether an item is wrapped and its wrapping's price is missing: without the restricted token Amazon answers 200
/// and leaves it out.
pub(crate) fn lost_buyer_data(json: &str) -> bool {
    let lost = |item: &WireItem| {
        let wrapped = item.is_gift.as_deref() == Some("true");
        wrapped && item.buyer_info.is_none()
    };
    serde_json::from_str::<Joined>(json).is_ok_and(|record| record.v0_items.iter().any(lost))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Joined {
    v0_order: WireOrder,
    v0_items: Vec<WireItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireOrder {
    amazon_order_id: String,
    purchase_date: String,
    last_update_date: String,
    order_status: String,
    fulfillment_channel: Option<String>,
    sales_channel: Option<String>,
    marketplace_id: Option<String>,
    order_total: Option<WireMoney>,
    replaced_order_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireItem {
    order_item_id: String,
    #[serde(rename = "SellerSKU")]
    seller_sku: Option<String>,
    title: Option<String>,
    quantity_ordered: u32,
    quantity_shipped: Option<u32>,
    item_price: Option<WireMoney>,
    item_tax: Option<WireMoney>,
    shipping_price: Option<WireMoney>,
    shipping_tax: Option<WireMoney>,
    shipping_discount: Option<WireMoney>,
    shipping_discount_tax: Option<WireMoney>,
    promotion_discount: Option<WireMoney>,
    promotion_discount_tax: Option<WireMoney>,
    #[serde(rename = "CODFee")]
    cod_fee: Option<WireMoney>,
    #[serde(rename = "CODFeeDiscount")]
    cod_fee_discount: Option<WireMoney>,
    tax_collection: Option<TaxCollection>,
    is_gift: Option<String>,
    buyer_info: Option<BuyerInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BuyerInfo {
    gift_wrap_price: Option<WireMoney>,
    gift_wrap_tax: Option<WireMoney>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TaxCollection {
    model: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireMoney {
    currency_code: String,
    amount: String,
}

impl WireMoney {
    fn read(&self, path: &str) -> Result<Money, Unreadable> {
        let currency: Currency = self.currency_code.parse().map_err(bad_money(path))?;
        Money::parse(&self.amount, currency).map_err(bad_money(path))
    }
}

/// v0's statuses, as 2026-01-01 writes them.
fn status(text: &str) -> String {
    match text {
        "PendingAvailability" => "PENDING_AVAILABILITY".to_owned(),
        "PartiallyShipped" => "PARTIALLY_SHIPPED".to_owned(),
        // All of it has left; what is missing is an invoice to the buyer.
        "InvoiceUnconfirmed" => "SHIPPED".to_owned(),
        "Canceled" => "CANCELLED".to_owned(),
        other => other.to_uppercase(),
    }
}

/// Makes a canonical order.
///
/// # Errors
/// A field is missing or no amount, or the items do not sum to the order's total.
pub(crate) fn order(json: &str) -> Result<Order, Unreadable> {
    let Joined { v0_order: wire, v0_items } = read(json)?;
    let status = status(&wire.order_status);
    let updated = instant("$.v0Order.LastUpdateDate", &wire.last_update_date)?;
    let total = wire.order_total.as_ref().map(|total| total.read("$.v0Order.OrderTotal")).transpose()?;
    // A multi-channel order names no marketplace of Amazon's, but `Non-Amazon`.
    let elsewhere = wire.sales_channel.as_deref().is_some_and(|name| name.starts_with("Non-Amazon"));
    let items = v0_items.iter().enumerate().map(|(n, wire)| item(n, wire)).collect::<Result<Vec<_>, _>>()?;
    let mut order = Order {
        marketplace: wire.marketplace_id.as_deref().unwrap_or_default().into(),
        channel: if elsewhere { "NON_AMAZON" } else { "AMAZON" }.to_owned(),
        fulfilled_by: match wire.fulfillment_channel.as_deref() {
            Some("AFN") => "AMAZON".to_owned(),
            Some("MFN") => "MERCHANT".to_owned(),
            other => other.unwrap_or_default().to_owned(),
        },
        created: instant("$.v0Order.PurchaseDate", &wire.purchase_date)?,
        updated,
        shipped: (status == "SHIPPED").then_some(updated),
        replaces: wire.replaced_order_id.as_deref().filter(|id| !id.is_empty()).map(Into::into),
        status,
        total,
        items,
        packages: Vec::new(),
        shipment: None,
        id: wire.amazon_order_id.as_str().into(),
    };
    foot(&mut order)?;
    Ok(order)
}

fn item(index: usize, wire: &WireItem) -> Result<OrderItem, Unreadable> {
    let path = format!("$.v0Items[{index}]");
    let buyer = wire.buyer_info.as_ref();
    let parts = [
        ("ITEM", wire.item_price.as_ref(), 1),
        ("SHIPPING", wire.shipping_price.as_ref(), 1),
        ("GIFT_WRAP", buyer.and_then(|buyer| buyer.gift_wrap_price.as_ref()), 1),
        ("COD_FEE", wire.cod_fee.as_ref(), 1),
        ("DISCOUNT", wire.promotion_discount.as_ref(), -1),
        ("DISCOUNT/SHIPPING", wire.shipping_discount.as_ref(), -1),
        ("DISCOUNT/COD_FEE", wire.cod_fee_discount.as_ref(), -1),
        ("TAX/ITEM", wire.item_tax.as_ref(), 1),
        ("TAX/SHIPPING", wire.shipping_tax.as_ref(), 1),
        ("TAX/GIFT_WRAP", buyer.and_then(|buyer| buyer.gift_wrap_tax.as_ref()), 1),
        ("TAX/DISCOUNT", wire.promotion_discount_tax.as_ref(), -1),
        ("TAX/DISCOUNT_SHIPPING", wire.shipping_discount_tax.as_ref(), -1),
    ];
    let mut charges = Vec::new();
    for (kind, money, sign) in parts {
        let Some(money) = money else { continue };
        let amount = money.read(&format!("{path} {kind}"))?;
        // Every discount is stated as a size.
        let amount = Money::new(amount.minor * sign, amount.currency);
        if amount.minor != 0 || kind == "ITEM" {
            charges.push(Charge { kind: kind.to_owned(), amount });
        }
    }
    Ok(OrderItem {
        id: wire.order_item_id.as_str().into(),
        sku: wire.seller_sku.as_deref().unwrap_or_default().into(),
        title: wire.title.clone().unwrap_or_default(),
        quantity_ordered: wire.quantity_ordered,
        quantity_fulfilled: wire.quantity_shipped.unwrap_or(0),
        charges,
        tax_collection: wire.tax_collection.as_ref().and_then(|tax| tax.model.clone()).unwrap_or_default(),
    })
}

/// Where prices include the tax, what is stated as tax is part of them and not added: whichever way sums to the
/// order's total is the marketplace's.
fn foot(order: &mut Order) -> Result<(), Unreadable> {
    let path = "$.v0Order.OrderTotal";
    let Some(total) = order.total else { return Ok(()) };
    let sum = order.charges_total().map_err(bad_money(path))?.unwrap_or(Money::new(0, total.currency));
    if sum == total {
        return Ok(());
    }
    let on_top = order.items.iter().flat_map(|item| &item.charges).filter(|c| !c.kind.starts_with("TAX/"));
    let without = Money::sum(total.currency, on_top.map(|charge| charge.amount)).map_err(bad_money(path))?;
    if without != total {
        let message =
            format!("the items sum to {sum}, the order says {total}: restricted data may be missing");
        return Err(unreadable(path, message));
    }
    for item in &mut order.items {
        item.charges.retain(|charge| !charge.kind.starts_with("TAX/"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(total: &str, item: &str) -> String {
        let order = format!(
            r#"{{"AmazonOrderId":"113-1","PurchaseDate":"2026-09-01T10:00:00Z","LastUpdateDate":"2026-09-03T10:00:00Z","OrderStatus":"Shipped",
            "FulfillmentChannel":"AFN","SalesChannel":"Amazon.com","MarketplaceId":"ATVPDKIKX0DER","OrderTotal":{{"CurrencyCode":"USD","Amount":"{total}"}}}}"#
        );
        let item = format!(
            r#"{{"OrderItemId":"0501","SellerSKU":"MUG","QuantityOrdered":1,"QuantityShipped":1,"ItemPrice":{{"CurrencyCode":"USD","Amount":"20.00"}},
            "PromotionDiscount":{{"CurrencyCode":"USD","Amount":"2.00"}}{item}}}"#
        );
        joined(&order, &[item])
    }

    #[test]
    fn discounts_are_sizes_and_tax_counts_where_it_comes_on_top() {
        let tax = r#","ItemTax":{"CurrencyCode":"USD","Amount":"1.50"}"#;
        for (total, minor, kinds) in [("19.50", 1_950, 3), ("18.00", 1_800, 2)] {
            let order = order(&sample(total, tax)).expect(total);
            assert_eq!(order.items[0].charges.len(), kinds, "{total}");
            assert_eq!(order.charges_total().expect("one currency").expect("charges").minor, minor);
        }
    }

    #[test]
    fn a_gift_without_its_price_is_noticed_and_does_not_foot() {
        let gift = r#","IsGift":"true""#;
        let with =
            format!(r#"{gift},"BuyerInfo":{{"GiftWrapPrice":{{"CurrencyCode":"USD","Amount":"3.99"}}}}"#);
        assert!(lost_buyer_data(&sample("21.99", gift)) && !lost_buyer_data(&sample("21.99", &with)));
        assert!(order(&sample("21.99", gift)).expect_err("does not foot").message.contains("restricted"));
        assert!(order(&sample("21.99", &with)).is_ok());
    }
}
