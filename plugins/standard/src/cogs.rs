//! Cost of goods sold, posted with the revenue: what left the warehouse is a debit of the product's cost account and a
//! credit of stock.
//!
//! It needs three things, and without one of them nothing is posted: a `unit_cost` and a cost account in the catalog, an
//! account for `inventory` in the ledger, and a quantity on the goods' leg. Goods that come back are stock again where
//! the setting [`RETURNED`] says so.

use ml_connector_sdk::{BatchContext, CatalogEntry, JournalLine, Leg, Money, Reason, Transaction};

/// The setting that says when goods that were refunded are stock again.
pub(crate) const RETURNED: &str = "cogs.returned";

/// The lines of all goods that a transaction moves.
///
/// # Errors
/// A cost is in another currency than the transaction, or does not fit; the setting has a value that means nothing.
pub(crate) fn lines(context: &BatchContext, transaction: &Transaction) -> Result<Vec<JournalLine>, Reason> {
    let (Some(sign), Some(inventory), Some(marketplace)) =
        (sign(context, &transaction.kind)?, context.account("inventory", None), &transaction.marketplace)
    else {
        return Ok(Vec::new());
    };
    let mut lines = Vec::new();
    for leg in &transaction.legs {
        let sku = leg.sku.as_deref().unwrap_or_default();
        let Some(product) = context.product(sku, marketplace) else { continue };
        let Some(cost) = cost(product, leg, &transaction.total)? else { continue };
        let Some(account) = &product.cogs_account else { continue };
        let cogs = context.ledger.combination_of(account, &product.cost_center);
        let amount = cost.with_minor(sign * cost.minor);
        let back = amount.negated();
        lines.push(line(cogs, amount, "Cost of goods sold", product.rule.clone()));
        lines.push(line(
            inventory.clone(),
            back,
            "Goods out of stock",
            "ledger.accounts.inventory".to_owned(),
        ));
    }
    Ok(lines)
}

fn line(account: String, amount: Money, label: &str, rule: String) -> JournalLine {
    JournalLine { account, amount, label: label.to_owned(), rule, extra: Vec::new() }
}

/// 1 where goods leave, -1 where they are taken for returned.
fn sign(context: &BatchContext, kind: &str) -> Result<Option<i64>, Reason> {
    match (kind, context.setting(RETURNED).unwrap_or("never")) {
        ("Shipment", _) => Ok(Some(1)),
        ("Refund", "refunded") => Ok(Some(-1)),
        (_, "never" | "refunded") => Ok(None),
        (_, other) => {
            let message = format!("`{RETURNED}` is `{other}`: write `never` or `refunded`");
            Err(Reason::new("setting-unknown", RETURNED, message))
        }
    }
}

fn extra<'a>(extra: &'a [(String, String)], name: &str) -> Option<&'a str> {
    extra.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// What the pieces of a leg cost, in the transaction's currency.
fn cost(product: &CatalogEntry, leg: &Leg, total: &Money) -> Result<Option<Money>, Reason> {
    let quantity = extra(&leg.extra, "quantity").and_then(|text| text.parse::<i64>().ok());
    let each = extra(&product.extra, "unit_cost").and_then(|text| text.parse::<i64>().ok());
    let (Some(quantity), Some(each)) = (quantity, each) else { return Ok(None) };
    let currency = extra(&product.extra, "unit_cost_currency").unwrap_or_default();
    let sku = &product.sku;
    if currency != total.currency {
        let message = format!(
            "the catalog states what {sku} costs in {currency}, it was sold in {}: add a rule for this marketplace",
            total.currency
        );
        return Err(Reason::new("cost-currency", sku, message));
    }
    let minor = each.checked_mul(quantity).ok_or_else(|| {
        Reason::new("cost-too-large", sku, format!("{quantity} pieces at {each} do not fit"))
    })?;
    Ok(Some(total.with_minor(minor)))
}
