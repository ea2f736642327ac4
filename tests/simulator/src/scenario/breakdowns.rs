//! Trees of amounts: the same money cut by item and by transaction.

use super::{Item, Marketplace, TransactionItem};

/// A node of a breakdown tree.
#[derive(Debug, Clone)]
pub struct Breakdown {
    /// Amazon's type.
    pub name: &'static str,
    /// Minor units.
    pub amount: i64,
    /// Parts that sum to it.
    pub parts: Vec<Breakdown>,
}

pub(super) fn leaf(name: &'static str, amount: i64) -> Breakdown {
    Breakdown { name, amount, parts: Vec::new() }
}

pub(super) fn node(name: &'static str, parts: Vec<Breakdown>) -> Breakdown {
    let parts: Vec<Breakdown> = parts.into_iter().filter(|part| part.amount != 0).collect();
    Breakdown { name, amount: parts.iter().map(|part| part.amount).sum(), parts }
}

/// What a buyer pays for an item, and what Amazon keeps of it.
pub(super) fn shipment_item(marketplace: &Marketplace, item: &Item) -> TransactionItem {
    let goods = item.price - item.discount;
    let commission = -(goods * 15 / 100);
    let fulfilment = -(i64::from(item.quantity) * (350 * marketplace.currency.per_cent() / 1_000));
    let fee = |name, amount: i64| match marketplace.vat_percent {
        0 => leaf(name, amount),
        // In the EU Amazon charges VAT on its fees.
        percent => node(name, vec![leaf("Base", amount), leaf("Tax", amount * i64::from(percent) / 100)]),
    };
    let mut breakdowns = buyer_roots(item, 1);
    breakdowns.push(withheld(item, -1));
    breakdowns.push(node(
        "AmazonFees",
        vec![fee("FBAPerUnitFulfillmentFee", fulfilment), fee("Commission", commission)],
    ));
    transaction_item(item, breakdowns)
}

/// An item with its cut; what is nothing is left out.
pub(super) fn transaction_item(item: &Item, breakdowns: Vec<Breakdown>) -> TransactionItem {
    TransactionItem {
        order_item: item.id.clone(),
        product: item.product,
        quantity: item.quantity,
        breakdowns: breakdowns
            .into_iter()
            .filter(|root| root.amount != 0 || !root.parts.is_empty())
            .collect(),
    }
}

/// What the buyer pays (`sign` 1) or gets back (-1).
fn buyer_roots(item: &Item, sign: i64) -> Vec<Breakdown> {
    let [tax, shipping_tax, gift_wrap_tax] = item.taxes.map(|tax| tax * sign);
    vec![
        node(
            "Tax",
            vec![
                leaf("OurPriceTax", tax),
                leaf("ShippingTax", shipping_tax),
                leaf("GiftwrapTax", gift_wrap_tax),
            ],
        ),
        node("ProductCharges", vec![leaf("OurPricePrincipal", item.price * sign)]),
        node("Shipping", vec![leaf("ShippingPrincipal", item.shipping * sign)]),
        node("GiftWrap", vec![leaf("GiftwrapPrincipal", item.gift_wrap * sign)]),
        node("Promotions", vec![leaf("Promo", -item.discount * sign)]),
    ]
}

/// The marketplace keeps (`sign` -1) or gives back (1) the tax that it remits.
fn withheld(item: &Item, sign: i64) -> Breakdown {
    let [tax, shipping, gift_wrap] = item.taxes.map(|tax| tax * sign);
    node(
        "TaxWithheld",
        vec![
            leaf("MarketplaceFacilitatorTax-Principal", tax),
            leaf("MarketplaceFacilitatorTax-Shipping", shipping),
            leaf("MarketplaceFacilitatorTax-Other", gift_wrap),
        ],
    )
}

/// What a buyer gets back for an item, and what of the fees comes back.
pub(super) fn refund_item(item: &Item) -> TransactionItem {
    let commission = (item.price - item.discount) * 15 / 100;
    let mut breakdowns = buyer_roots(item, -1);
    breakdowns.push(withheld(item, 1));
    breakdowns.push(node(
        "AmazonFees",
        vec![leaf("Commission", commission), leaf("RefundCommission", -(commission / 5))],
    ));
    transaction_item(item, breakdowns)
}

/// The other cut of the same money: the items' roots, summed, below Sales and Expenses.
pub(super) fn transaction_cut(items: &[TransactionItem]) -> Vec<Breakdown> {
    let sum = |name: &'static str| {
        let roots = items.iter().flat_map(|item| &item.breakdowns).filter(|root| root.name == name);
        leaf(name, roots.map(|root| root.amount).sum())
    };
    vec![
        node("Sales", ["Tax", "ProductCharges", "Shipping", "GiftWrap", "Promotions"].map(sum).to_vec()),
        node("Expenses", ["TaxWithheld", "AmazonFees"].map(sum).to_vec()),
    ]
}
