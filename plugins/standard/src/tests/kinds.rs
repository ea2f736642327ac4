//! Every type of transaction, and what is the account of each of its legs.

use ml_connector_sdk::testing::*;
use ml_connector_sdk::*;

use super::{Standard, us_and_uk};

/// One leg of each family, by the type that it comes with.
#[test]
fn every_leg_goes_to_the_account_of_its_family() {
    let rows = [
        ("Adjustment", "ReserveDebit", "reserve"),
        ("Adjustment", "PostageBilling", "postage"),
        ("Adjustment", "PostageRefund", "postage"),
        ("Adjustment", "LostOrDamagedReimbursement", "reimbursement"),
        ("Adjustment", "ReimbursementClawback", "reimbursement"),
        ("Adjustment", "WAREHOUSE_DAMAGE", "reimbursement"),
        ("Adjustment", "REVERSAL_REIMBURSEMENT", "reimbursement"),
        ("FBAInventoryReimbursement", "FBAInventoryReimbursement", "reimbursement"),
        ("FBAInventoryReimbursement", "FBAReversedReimbursement", "reimbursement"),
        ("SAFETReimbursement", "SAFE-TReimbursement", "reimbursement"),
        ("ProductAdsPayment", "AmazonFees/AdvertisingFee", "advertising"),
        ("ProductAdsPayment", "AmazonFees/AdvertisingFeeRefund", "advertising"),
        ("ServiceFee", "AmazonFees/Subscription", "subscription"),
        ("ServiceFee", "AmazonFees/FBAStorageFee", "storage"),
        ("ServiceFee", "AmazonFees/FBALongTermStorageFee", "storage"),
        ("ServiceFee", "AmazonFees/FBAInboundTransportationFee", "inbound"),
        ("ServiceFee", "AmazonFees/FBAInboundConvenienceFee/Base", "inbound"),
        ("ServiceFee", "AmazonFees/FBAInboundConvenienceFee/Tax", "input_vat"),
        ("ServiceFee", "AmazonFees/FBARemovalFee", "removal"),
        ("ServiceFee", "AmazonFees/FBADisposalFee", "removal"),
        ("ServiceFee", "AmazonFees/CouponParticipationFee", "promotion_fee"),
        ("ServiceFee", "AmazonFees/CouponPerformanceFee", "promotion_fee"),
        ("ServiceFee", "AmazonFees/CustomerReturnHRRUnitFee", "other_fee"),
        ("ServiceFee", "AmazonFees/PaidServicesFee", "other_fee"),
        ("SellerDealPayment", "AmazonFees/DealFee", "promotion_fee"),
        ("CouponPayment", "AmazonFees/CouponRedemptionFee", "promotion_fee"),
        ("MiscellaneousLedgerAdjustment", "Other", "adjustment"),
        ("RemovalShipment", "AmazonFees/FBARemovalFee", "removal"),
        ("RemovalShipment", "Sales/RecommerceLiquidation", "liquidation"),
        ("RemovalShipment", "Sales/TaxOnRevenue", "tax_payable"),
        ("RemovalShipment", "Expenses/MarketplaceFacilitatorTax-Other", "tax_payable"),
        ("FBALiquidation", "LiquidationProceeds", "liquidation"),
        ("FBALiquidation", "LiquidationFee", "removal"),
        ("Retrocharge", "Tax/BaseTax", "tax_payable"),
        ("Retrocharge", "Tax/ShippingTax", "tax_payable"),
        ("Retrocharge", "RetrochargeReversal", "tax_payable"),
        ("ChargeRefund", "ChargeRefund", "other_fee"),
        ("LoanServicing", "LoanAdvance", "loan"),
        ("LoanServicing", "LoanPayment", "loan"),
        ("LoanServicing", "LoanRefund", "loan"),
        ("DebtRecovery", "DebtPayment", "debt_recovery"),
        ("GuaranteeClaim", "GuaranteeClaim", "guarantee_claim"),
        ("GuaranteeClaim", "GuaranteeClaimReversal", "guarantee_claim"),
        ("GuaranteeClaim", "ProductCharges/OurPricePrincipal", "clearing"),
        ("Chargeback", "Chargeback", "chargeback"),
        ("Chargeback", "ChargebackReversal", "chargeback"),
        ("Chargeback", "Shipping/ShippingPrincipal", "clearing"),
        ("Refund", "ProductCharges/RestockingDeductionPrincipal", "clearing"),
        ("Shipment", "Shipping/ShippingTax", "clearing"),
    ];
    let context = us_and_uk();
    for (kind, path, purpose) in rows {
        let transaction = transaction(kind, "US", "USD", None, &[(path, -700)]);
        let booking = booking(Standard::map_transaction(&context, &transaction));
        assert_balanced(&context, &transaction, &booking);
        let account = context.account(purpose, None).expect("named");
        let on: Vec<i64> =
            booking.journal.iter().filter(|l| l.account == account).map(|l| l.amount.minor).collect();
        assert_eq!(on, [700], "{kind} {path} is not on {purpose}: {:?}", booking.journal);
    }
}

#[test]
fn a_claim_or_a_chargeback_takes_revenue_back_where_it_says_what() {
    let context = us_and_uk();
    for kind in ["GuaranteeClaim", "Chargeback"] {
        let legs = [("ProductCharges/OurPricePrincipal", -2_000), ("AmazonFees/Commission", 300)];
        let whole = transaction(kind, "US", "USD", Some("MUG"), &legs);
        assert_total(credit_memo(&booking(Standard::map_transaction(&context, &whole))), -2_000);
        let sum = transaction(kind, "US", "USD", None, &[(kind, -2_000)]);
        assert_eq!(booking(Standard::map_transaction(&context, &sum)).credit_memo, None);
    }
}

/// A retrocharge names the taxes of a sale, but takes no sale back.
#[test]
fn a_retrocharge_is_no_refund() {
    let context = us_and_uk();
    let legs = [("Tax/BaseTax", -90), ("Tax/ShippingTax", -10)];
    let charged = transaction("Retrocharge", "US", "USD", None, &legs);
    let booking = booking(Standard::map_transaction(&context, &charged));
    assert_balanced(&context, &charged, &booking);
    let clearing = context.account("clearing", None).expect("named");
    assert!(booking.journal.iter().all(|line| line.account != clearing), "{:?}", booking.journal);
    assert_eq!(booking.credit_memo, None);
}

#[test]
fn a_transfer_to_the_bank_is_skipped_unless_a_settlement_counts_it() {
    let context = us_and_uk();
    let mut transfer = transaction("Transfer", "US", "USD", None, &[("FundTransfer", -5_000)]);
    assert!(matches!(Standard::map_transaction(&context, &transfer), TransactionOutcome::Review(_)));
    transfer.group = None;
    assert!(matches!(Standard::map_transaction(&context, &transfer), TransactionOutcome::Skip(_)));
}

#[test]
fn a_leg_of_one_type_means_nothing_in_another() {
    let context = us_and_uk();
    let elsewhere = transaction("Adjustment", "US", "USD", None, &[("Other", -5)]);
    assert!(matches!(Standard::map_transaction(&context, &elsewhere), TransactionOutcome::Review(_)));
}
