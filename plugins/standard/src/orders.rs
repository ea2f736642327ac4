//! Orders: what was sold, by account.

use ml_connector_sdk::{
    BatchContext, CatalogEntry, Charge, DocumentLine, Money, Order, OrderItem, OrderOutcome, Reason,
};

use crate::accounts::{self, Sold};
use crate::tax::{self, Regime};

/// An amount with the account and rule that it goes to, or why there is none.
type Part = (Money, Result<(String, String), Reason>);

pub(crate) fn map(context: &BatchContext, order: &Order) -> OrderOutcome {
    if order.status != "SHIPPED" {
        return OrderOutcome::skip(&format!("its status is {}", order.status));
    }
    if order.extra.iter().any(|(name, value)| name == "channel" && value == "NON_AMAZON") {
        return OrderOutcome::skip("it was sold elsewhere and only fulfilled by Amazon");
    }
    let charged = order.items.iter().flat_map(|item| &item.charges).any(|charge| !charge.amount.is_zero());
    if let (Some(original), false) = (&order.replaces, charged) {
        return OrderOutcome::skip(&format!("it replaces {original} free of charge"));
    }
    if !charged && order.total.as_ref().is_none_or(Money::is_zero) {
        return OrderOutcome::skip("the buyer pays nothing");
    }
    let regime = match tax::regime(context, &order.marketplace) {
        Ok(regime) => regime,
        Err(reason) => return OrderOutcome::Review(vec![reason]),
    };
    OrderOutcome::from_lines(order.items.iter().flat_map(|item| item_lines(context, order, item, regime)))
}

fn item_lines(
    context: &BatchContext,
    order: &Order,
    item: &OrderItem,
    regime: Regime,
) -> Vec<Result<DocumentLine, Reason>> {
    if item.charges.iter().all(|charge| charge.amount.is_zero()) {
        return Vec::new();
    }
    let Some(product) = context.product(&item.sku, &order.marketplace) else {
        let message = format!("the catalog does not name {} in {}", item.sku, order.marketplace);
        return vec![Err(Reason::new("unmapped-sku", &item.sku, message))];
    };
    item.charges.iter().flat_map(|charge| charge_lines(context, product, item, charge, regime)).collect()
}

fn charge_lines(
    context: &BatchContext,
    product: &CatalogEntry,
    item: &OrderItem,
    charge: &Charge,
    regime: Regime,
) -> Vec<Result<DocumentLine, Reason>> {
    let Some(sold) = accounts::charge(&charge.kind) else {
        let message = format!("no table of the standard mapper names the charge `{}`", charge.kind);
        return vec![Err(Reason::new("unknown-charge", &charge.kind, message))];
    };
    let parts = split(context, product, sold, &charge.amount, regime);
    let line = |(amount, place): (Money, _), words: &str| -> Result<DocumentLine, Reason> {
        Ok(DocumentLine::of_item(item, words, amount, place?))
    };
    classed(parts, sold)
        .map(|(part, words, is_tax)| line(part, words).map(|line| class(line, is_tax)))
        .collect()
}

/// The parts of an amount, each with what its line is called and whether it is tax.
pub(crate) fn classed(parts: Vec<Part>, sold: Sold) -> impl Iterator<Item = (Part, &'static str, bool)> {
    let names = [(words(sold), sold == Sold::Tax), ("VAT", true)];
    parts.into_iter().zip(names).map(|(part, (words, is_tax))| (part, words, is_tax))
}

pub(crate) fn class(line: DocumentLine, is_tax: bool) -> DocumentLine {
    if is_tax { line.as_tax() } else { line }
}

/// Where an amount goes: whole, or, where it contains VAT, as net and VAT.
pub(crate) fn split(
    context: &BatchContext,
    product: &CatalogEntry,
    sold: Sold,
    amount: &Money,
    regime: Regime,
) -> Vec<Part> {
    let place = accounts::of_sold(context, product, sold);
    match regime {
        Regime::Inclusive(points) if sold != Sold::Tax => {
            let vat = amount.tax_included(points);
            let net = amount.with_minor(amount.minor - vat.minor);
            vec![(net, place), (vat, accounts::of_purpose(context, "vat_payable", None))]
        }
        _ => vec![(amount.clone(), place)],
    }
}

/// What a line is called.
fn words(sold: Sold) -> &'static str {
    match sold {
        Sold::Item => "Item",
        Sold::Shipping => "Shipping",
        Sold::GiftWrap => "Gift wrap",
        Sold::Discount => "Discount",
        Sold::Goodwill => "Goodwill",
        Sold::Tax => "Tax",
    }
}
