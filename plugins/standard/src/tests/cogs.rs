//! Cost of goods sold.

use ml_connector_sdk::testing::*;
use ml_connector_sdk::*;

use super::{Standard, us_and_uk};

/// A mug that costs 4.20 dollars, sold where the ledger knows stock.
fn with_cost(currency: &str) -> BatchContext {
    let mut context = us_and_uk();
    context.ledger.accounts.push(("inventory".to_owned(), "14100".to_owned()));
    for product in &mut context.catalog {
        product.cogs_account = Some("51000".to_owned());
        product.extra = vec![
            ("unit_cost".to_owned(), "420".to_owned()),
            ("unit_cost_currency".to_owned(), currency.to_owned()),
        ];
    }
    context
}

fn of(kind: &str, principal: i64, quantity: Option<&str>) -> Transaction {
    let legs = [("ProductCharges/OurPricePrincipal", principal), ("AmazonFees/Commission", -300)];
    let mut transaction = transaction(kind, "US", "USD", Some("MUG"), &legs);
    if let Some(quantity) = quantity {
        transaction.legs[0].extra.push(("quantity".to_owned(), quantity.to_owned()));
    }
    transaction
}

/// What is on cost of goods sold and on stock.
fn moved(context: &BatchContext, transaction: &Transaction) -> [i64; 2] {
    let booking = booking(Standard::map_transaction(context, transaction));
    assert_balanced(context, transaction, &booking);
    ["01-110-51000", "01-000-14100"].map(|account| {
        booking.journal.iter().filter(|line| line.account == account).map(|line| line.amount.minor).sum()
    })
}

#[test]
fn a_shipment_moves_what_its_pieces_cost_out_of_stock() {
    let context = with_cost("USD");
    assert_eq!(moved(&context, &of("Shipment", 6_000, Some("3"))), [1_260, -1_260]);
    assert_eq!(moved(&context, &of("Shipment", 6_000, None)), [0, 0]);
    let mut without = us_and_uk();
    assert_eq!(moved(&without, &of("Shipment", 6_000, Some("3"))), [0, 0]);
    // A cost, but no account for stock.
    without.catalog = context.catalog.clone();
    assert_eq!(moved(&without, &of("Shipment", 6_000, Some("3"))), [0, 0]);
}

#[test]
fn refunded_goods_are_stock_again_only_where_the_setting_says_so() {
    let context = with_cost("USD");
    let refund = of("Refund", -4_000, Some("2"));
    assert_eq!(moved(&context, &refund), [0, 0]);
    assert_eq!(moved(&context.clone().with_setting("cogs.returned", "never"), &refund), [0, 0]);
    let returned = context.clone().with_setting("cogs.returned", "refunded");
    assert_eq!(moved(&returned, &refund), [-840, 840]);
    let odd = context.with_setting("cogs.returned", "sometimes");
    match Standard::map_transaction(&odd, &refund) {
        TransactionOutcome::Review(reasons) => assert_eq!(reasons[0].code, "setting-unknown"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cost_in_another_currency_is_for_a_person() {
    match Standard::map_transaction(&with_cost("EUR"), &of("Shipment", 6_000, Some("3"))) {
        TransactionOutcome::Review(reasons) => {
            assert_eq!((reasons[0].code.as_str(), reasons[0].subject.as_str()), ("cost-currency", "MUG"));
        }
        other => panic!("{other:?}"),
    }
}
