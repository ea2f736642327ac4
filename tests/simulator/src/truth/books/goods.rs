//! What goods cost: out of stock when they are sold, back into it when they are refunded.

use jiff::civil::Date;

use super::Books;
use crate::scenario::{Product, Transaction, combination};
use crate::truth::balances::of_purpose;

impl Books<'_> {
    /// The combinations and amounts of what a transaction's goods cost, credits positive as on any other part.
    pub(super) fn goods(&self, transaction: &Transaction) -> Vec<(String, i64)> {
        let sign = match transaction.kind {
            "Shipment" => -1,
            "Refund" => 1,
            _ => return Vec::new(),
        };
        let seller = &self.world.scenario.sellers[transaction.seller];
        let raised = self.day(transaction) >= self.world.scenario.costs_rise();
        let mut found = Vec::new();
        for item in &transaction.items {
            let product = &seller.products[item.product];
            // What was sold elsewhere has fees only: its cost is booked where it was sold.
            let sold = item.breakdowns.iter().any(|root| root.name == "ProductCharges");
            if sold && product.mapped {
                let each = product.unit_cost(transaction.marketplace, raised);
                found.extend(moved(product, sign * each * i64::from(item.quantity)));
            }
        }
        found
    }

    fn day(&self, transaction: &Transaction) -> Date {
        let at = jiff::Timestamp::from_millisecond(transaction.posted).unwrap_or_default();
        self.zones[transaction.seller].to_datetime(at).date()
    }
}

fn moved(product: &Product, amount: i64) -> [(String, i64); 2] {
    [(combination(product.cogs_account, product.cost_center), amount), (of_purpose("inventory"), -amount)]
}
