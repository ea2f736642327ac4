//! The smallest mapper that posts something: every charge to the product's revenue, every leg to clearing.

#![forbid(unsafe_code)]

use ml_connector_sdk::*;

/// Everything to the product's revenue.
pub struct Minimal;

impl Mapper for Minimal {
    fn describe() -> Description {
        Description::new("minimal", env!("CARGO_PKG_VERSION"))
    }

    fn map_order(context: &BatchContext, order: &Order) -> OrderOutcome {
        if order.status != "SHIPPED" {
            return OrderOutcome::skip("it has not shipped");
        }
        let lines = order.items.iter().flat_map(|item| item.charges.iter().map(move |charge| (item, charge)));
        let lines = lines.map(|(item, charge)| match context.product(&item.sku, &order.marketplace) {
            Some(product) => {
                Ok(DocumentLine::of_item(item, &charge.kind, charge.amount.clone(), context.revenue(product)))
            }
            None => Err(Reason::new("unmapped-sku", &item.sku, "the catalog does not name it")),
        });
        OrderOutcome::from_lines(lines)
    }

    fn map_transaction(context: &BatchContext, transaction: &Transaction) -> TransactionOutcome {
        Booking::settling(context, transaction, |_leg| Ok(("clearing", "everything")))
    }
}

export_mapper!(Minimal);

#[cfg(test)]
mod tests {
    use super::*;
    use ml_connector_sdk::testing::*;

    #[test]
    fn a_shipped_order_is_invoiced_in_full() {
        let context = context(&["settlement", "clearing"]).with_product("MUG", "US", "41000");
        let order = order("US", "USD", &[("MUG", &[("ITEM", 1_000), ("TAX/ITEM", 80)])]);
        let lines = invoice(Minimal::map_order(&context, &order));
        assert_total(&lines, 1_080);
        assert_eq!(lines[0].account, "01-110-41000");
    }

    #[test]
    fn a_transaction_balances() {
        let context = context(&["settlement", "clearing"]);
        let fee = transaction("ServiceFee", "US", "USD", None, &[("AmazonFees/Subscription", -3_999)]);
        assert_balanced(&context, &fee, &booking(Minimal::map_transaction(&context, &fee)));
    }
}
