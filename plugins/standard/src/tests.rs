//! Tables of cases, and what must hold for all.

use ml_connector_sdk::testing::*;
use ml_connector_sdk::*;
use proptest::prelude::*;

use super::Standard;

mod cogs;
mod kinds;

const PURPOSES: [&str; 26] = [
    "settlement",
    "clearing",
    "tax_payable",
    "vat_payable",
    "commission",
    "fulfillment_fee",
    "other_fee",
    "input_vat",
    "advertising",
    "storage",
    "subscription",
    "reserve",
    "reimbursement",
    "shipping_revenue",
    "gift_wrap_revenue",
    "discount",
    "loan",
    "chargeback",
    "guarantee_claim",
    "removal",
    "inbound",
    "postage",
    "promotion_fee",
    "liquidation",
    "adjustment",
    "debt_recovery",
];

fn us_and_uk() -> BatchContext {
    context(&PURPOSES)
        .with_product("MUG", "US", "41000")
        .with_product("MUG", "UK", "41000")
        .with_setting("tax.US", "exclusive")
        .with_setting("tax.UK", "inclusive:20")
}

fn amounts(lines: &[DocumentLine]) -> Vec<(String, i64)> {
    lines.iter().map(|line| (line.account.clone(), line.amount.minor)).collect()
}

#[test]
fn a_us_order_posts_tax_beside_the_sale() {
    let context = us_and_uk();
    let charges =
        [("ITEM", 2_000), ("SHIPPING", 500), ("GIFT_WRAP", 300), ("DISCOUNT", -200), ("TAX/ITEM", 160)];
    let lines = invoice(Standard::map_order(&context, &order("US", "USD", &[("MUG", &charges)])));
    let account = |purpose, center| context.account(purpose, center).expect("named");
    let wanted = [
        ("01-110-41000".to_owned(), 2_000),
        (account("shipping_revenue", Some("110")), 500),
        (account("gift_wrap_revenue", Some("110")), 300),
        (account("discount", Some("110")), -200),
        (account("tax_payable", None), 160),
    ];
    assert_eq!(amounts(&lines), wanted);
}

#[test]
fn a_uk_order_takes_the_vat_out_of_the_price() {
    let context = us_and_uk();
    let lines = invoice(Standard::map_order(&context, &order("UK", "GBP", &[("MUG", &[("ITEM", 1_200)])])));
    let vat = context.account("vat_payable", None).expect("named");
    assert_eq!(amounts(&lines), [("01-110-41000".to_owned(), 1_000), (vat, 200)]);
}

#[test]
fn tax_is_said_to_be_tax_on_invoices_and_credit_memos_alike() {
    let context = us_and_uk();
    let is_tax = |line: &DocumentLine| line.extra.contains(&("class".to_owned(), "tax".to_owned()));
    let of = |lines: &[DocumentLine]| -> Vec<bool> { lines.iter().map(is_tax).collect() };
    let american = order("US", "USD", &[("MUG", &[("ITEM", 2_000), ("TAX/ITEM", 160), ("SHIPPING", 5)])]);
    let british = order("UK", "GBP", &[("MUG", &[("ITEM", 1_200)])]);
    assert_eq!(of(&invoice(Standard::map_order(&context, &american))), [false, true, false]);
    assert_eq!(of(&invoice(Standard::map_order(&context, &british))), [false, true]);
    let legs = [("ProductCharges/OurPricePrincipal", -2_000), ("Tax/OurPriceTax", -160)];
    let refund = transaction("Refund", "US", "USD", Some("MUG"), &legs);
    let booking = booking(Standard::map_transaction(&context, &refund));
    assert_eq!(of(credit_memo(&booking)), [false, true]);
}

#[test]
fn what_is_not_mapped_is_named_and_not_posted() {
    let context = us_and_uk();
    let mixed =
        order("US", "USD", &[("MUG", &[("ITEM", 1)]), ("CUP", &[("ITEM", 1)]), ("CUP", &[("ITEM", 2)])]);
    assert_eq!(
        reasons(Standard::map_order(&context, &mixed)),
        [("unmapped-sku".to_owned(), "CUP".to_owned())]
    );
    let odd = order("US", "USD", &[("MUG", &[("ITEM", 1), ("MYSTERY", 1)])]);
    assert_eq!(
        reasons(Standard::map_order(&context, &odd)),
        [("unknown-charge".to_owned(), "MYSTERY".to_owned())]
    );
    let elsewhere = order("JP", "JPY", &[("MUG", &[("ITEM", 1)])]);
    assert_eq!(
        reasons(Standard::map_order(&context, &elsewhere)),
        [("tax-undeclared".to_owned(), "JP".to_owned())]
    );
}

#[test]
fn what_is_no_sale_is_skipped() {
    let context = us_and_uk();
    let mut cancelled = order("US", "USD", &[("MUG", &[("ITEM", 1_000)])]);
    cancelled.status = "CANCELLED".to_owned();
    let mut replacement = order("US", "USD", &[("CUP", &[("ITEM", 0)])]);
    replacement.replaces = Some("113-1".to_owned());
    let mut elsewhere = order("US", "USD", &[("MUG", &[("ITEM", 1_000)])]);
    elsewhere.extra.push(("channel".to_owned(), "NON_AMAZON".to_owned()));
    for order in [cancelled, replacement, elsewhere] {
        let outcome = Standard::map_order(&context, &order);
        assert!(matches!(outcome, OrderOutcome::Skip(_)), "{outcome:?}");
    }
}

#[test]
fn a_shipment_clears_the_receivable_and_books_the_fees() {
    let context = us_and_uk();
    let legs = [
        ("ProductCharges/OurPricePrincipal", 2_000),
        ("Tax/OurPriceTax", 160),
        ("Tax/MarketplaceFacilitatorTax-Principal", -160),
        ("AmazonFees/Commission/Base", -300),
        ("AmazonFees/Commission/Tax", -60),
        ("AmazonFees/FBAPerUnitFulfillmentFee", -475),
    ];
    let shipment = transaction("Shipment", "US", "USD", Some("MUG"), &legs);
    let booking = booking(Standard::map_transaction(&context, &shipment));
    assert_balanced(&context, &shipment, &booking);
    let on = |purpose: &str| -> i64 {
        let account = context.account(purpose, None).expect("named");
        booking.journal.iter().filter(|line| line.account == account).map(|line| line.amount.minor).sum()
    };
    let figures =
        ["clearing", "tax_payable", "commission", "input_vat", "fulfillment_fee", "settlement"].map(on);
    assert_eq!(figures, [-2_160, 160, 300, 60, 475, 1_165]);
    assert_eq!(booking.credit_memo, None);
}

#[test]
fn a_refund_takes_back_what_the_sale_put_there() {
    let context = us_and_uk();
    let sale = order("US", "USD", &[("MUG", &[("ITEM", 2_000), ("DISCOUNT", -200), ("TAX/ITEM", 144)])]);
    let sale = invoice(Standard::map_order(&context, &sale));
    let legs = [
        ("ProductCharges/OurPricePrincipal", -2_000),
        ("Promotions/Promo", 200),
        ("Tax/OurPriceTax", -144),
        ("Tax/MarketplaceFacilitatorTax-Principal", 144),
        ("AmazonFees/Commission", 300),
        ("AmazonFees/RefundCommission", -60),
    ];
    let refund = transaction("Refund", "US", "USD", Some("MUG"), &legs);
    let booking = booking(Standard::map_transaction(&context, &refund));
    assert_balanced(&context, &refund, &booking);
    assert_total(credit_memo(&booking), -1_944);
    assert_reverses(&sale, credit_memo(&booking));
}

#[test]
fn a_refund_of_what_is_not_mapped_is_booked_but_its_credit_memo_is_reviewed() {
    let context = us_and_uk();
    let refund =
        transaction("Refund", "US", "USD", Some("CUP"), &[("ProductCharges/OurPricePrincipal", -500)]);
    let booking = booking(Standard::map_transaction(&context, &refund));
    assert_balanced(&context, &refund, &booking);
    assert!(matches!(booking.credit_memo, Some(CreditMemoOutcome::Review(_))));
}

#[test]
fn what_no_table_names_goes_to_review() {
    let context = us_and_uk();
    let odd_leg = transaction("ServiceFee", "US", "USD", None, &[("AmazonFees/BrandNewFee", -5)]);
    let odd_kind = transaction("BrandNew", "US", "USD", None, &[("AmazonFees/Commission", -5)]);
    for (transaction, code) in [(odd_leg, "unmapped-leg"), (odd_kind, "unknown-transaction-type")] {
        match Standard::map_transaction(&context, &transaction) {
            TransactionOutcome::Review(reasons) => assert_eq!(reasons[0].code, code),
            other => panic!("{other:?}"),
        }
    }
}

const UNKNOWN_LEG: &str = "AmazonFees/BrandNewFee";

fn leg_path() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "ProductCharges/OurPricePrincipal",
        "Tax/OurPriceTax",
        "AmazonFees/Commission/Base",
        "ReserveDebit",
        UNKNOWN_LEG,
    ])
}

fn charge_kind() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["ITEM", "SHIPPING", "GIFT_WRAP", "DISCOUNT", "TAX/ITEM", "MYSTERY"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn an_invoice_sums_to_what_the_buyer_pays_or_is_none(
        uk: bool,
        known: bool,
        charges in prop::collection::vec((charge_kind(), -100_000_i64..100_000), 1..8),
    ) {
        let context = us_and_uk();
        let (place, currency) = if uk { ("UK", "GBP") } else { ("US", "USD") };
        let order = order(place, currency, &[(if known { "MUG" } else { "CUP" }, &charges)]);
        let total: i64 = charges.iter().map(|(_, minor)| minor).sum();
        match Standard::map_order(&context, &order) {
            OrderOutcome::Invoice(made) => {
                prop_assert!(known && charges.iter().all(|(kind, minor)| *kind != "MYSTERY" || *minor == 0));
                prop_assert_eq!(made.lines.iter().map(|line| line.amount.minor).sum::<i64>(), total);
            }
            OrderOutcome::Review(reasons) => prop_assert!(!reasons.is_empty()),
            OrderOutcome::Skip(_) => prop_assert!(charges.iter().all(|(_, minor)| *minor == 0)),
        }
    }

    #[test]
    fn every_booking_balances(
        refund: bool,
        amounts in prop::array::uniform6(-1_000_000_i64..1_000_000),
    ) {
        let context = us_and_uk();
        let paths = [
            "ProductCharges/OurPricePrincipal", "Tax/OurPriceTax", "Shipping/ShippingPrincipal",
            "AmazonFees/Commission/Base", "AmazonFees/Commission/Tax", "ReserveDebit",
        ];
        let legs: Vec<(&str, i64)> = paths.into_iter().zip(amounts).collect();
        let kind = if refund { "Refund" } else { "Shipment" };
        let transaction = transaction(kind, "US", "USD", Some("MUG"), &legs);
        assert_balanced(&context, &transaction, &booking(Standard::map_transaction(&context, &transaction)));
    }

    /// A leg, a type or a product that nothing names never comes out as a line that could be posted.
    #[test]
    fn what_is_not_mapped_is_never_postable(
        legs in prop::collection::vec((leg_path(), -100_000_i64..100_000), 1..6),
        kind in prop::sample::select(vec!["Shipment", "Refund", "ServiceFee", "SomethingNew"]),
        known: bool,
    ) {
        let context = us_and_uk();
        let sku = if known { "MUG" } else { "CUP" };
        let transaction = transaction(kind, "US", "USD", Some(sku), &legs);
        let moves = |path: &str| legs.iter().any(|(own, minor)| *own == path && *minor != 0);
        let unknown = kind == "SomethingNew" || moves(UNKNOWN_LEG);
        match Standard::map_transaction(&context, &transaction) {
            TransactionOutcome::Review(reasons) => prop_assert!(unknown && !reasons.is_empty()),
            TransactionOutcome::Skip(_) => prop_assert!(legs.iter().all(|(_, minor)| *minor == 0)),
            TransactionOutcome::Booking(booking) => {
                prop_assert!(!unknown);
                assert_balanced(&context, &transaction, &booking);
                if let Some(CreditMemoOutcome::CreditMemo(_)) = booking.credit_memo {
                    prop_assert!(known, "a credit memo in the accounts of a product that nobody mapped");
                }
            }
        }
    }
}
