//! What is sold, by account.

use crate::scenario::{ACCOUNTS, Marketplace, Product, combination};

/// A line of an invoice or a credit memo.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sold {
    pub(super) account: String,
    /// Minor units; negative on what is taken off or back.
    pub(super) amount: i64,
}

/// What an amount is sold as; what is no sale is nothing. Where prices contain VAT, the net of each amount is rounded,
/// half a unit away from zero, and the rest is VAT.
pub(super) fn sold(product: &Product, marketplace: &Marketplace, root: &str, amount: i64) -> Vec<Sold> {
    let purpose = match root {
        "ProductCharges" => product.revenue_account,
        "Shipping" => natural("shipping_revenue"),
        "GiftWrap" => natural("gift_wrap_revenue"),
        "Promotions" => natural("discount"),
        "Tax" => return vec![Sold { account: combination(natural("tax_payable"), "000"), amount }],
        _ => return Vec::new(),
    };
    let vat = vat(amount, i64::from(marketplace.vat_percent));
    let net = Sold { account: combination(purpose, product.cost_center), amount: amount - vat };
    vec![net, Sold { account: combination(natural("vat_payable"), "000"), amount: vat }]
}

fn natural(purpose: &str) -> &'static str {
    ACCOUNTS.iter().find(|(known, _)| *known == purpose).map_or("?", |(_, account)| *account)
}

/// The VAT that a gross amount contains: what is left of it beside the net, which is rounded.
fn vat(gross: i64, percent: i64) -> i64 {
    let whole = 100 + percent;
    let net = (2 * gross.abs() * 100 + whole) / (2 * whole);
    gross - gross.signum() * net
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vat_is_what_is_on_top_of_the_net_which_is_rounded_half_away_from_zero() {
        let rows = [(1_200, 20, 200), (-1_200, 20, -200), (1_190, 19, 190), (0, 10, 0), (500, 0, 0)];
        for (gross, percent, wanted) in rows {
            assert_eq!(vat(gross, percent), wanted, "{gross} at {percent}");
        }
        // Of 3 at 20 percent the net is 2.5; of 1 at 10 percent 0.91.
        assert_eq!([vat(3, 20), vat(-3, 20), vat(1, 10)], [0, 0, 0]);
    }
}
