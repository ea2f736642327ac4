//! The accounts of a transaction's parts, in a table.

use crate::scenario::{Breakdown, Transaction};
use crate::truth::balances::of_purpose;

/// Parts by name, with the purpose of their account.
const PURPOSES: [(&str, &str); 50] = [
    ("OurPricePrincipal", "clearing"),
    ("OurPriceTax", "clearing"),
    ("ShippingPrincipal", "clearing"),
    ("ShippingTax", "clearing"),
    ("GiftwrapPrincipal", "clearing"),
    ("GiftwrapTax", "clearing"),
    ("Promo", "clearing"),
    ("MarketplaceFacilitatorTax-Principal", "tax_payable"),
    ("MarketplaceFacilitatorTax-Shipping", "tax_payable"),
    ("MarketplaceFacilitatorTax-Other", "tax_payable"),
    ("TaxOnRevenue", "tax_payable"),
    ("Commission", "commission"),
    ("RefundCommission", "commission"),
    ("FBAPerUnitFulfillmentFee", "fulfillment_fee"),
    ("Subscription", "subscription"),
    ("FBAStorageFee", "storage"),
    ("FBALongTermStorageFee", "storage"),
    ("AdvertisingFee", "advertising"),
    ("AdvertisingFeeRefund", "advertising"),
    ("FBAInventoryReimbursement", "reimbursement"),
    ("FBAReversedReimbursement", "reimbursement"),
    ("LostOrDamagedReimbursement", "reimbursement"),
    ("ReimbursementClawback", "reimbursement"),
    ("WAREHOUSE_DAMAGE", "reimbursement"),
    ("REVERSAL_REIMBURSEMENT", "reimbursement"),
    ("SAFE-TReimbursement", "reimbursement"),
    ("ReserveDebit", "reserve"),
    ("ReserveCredit", "reserve"),
    ("PostageBilling", "postage"),
    ("PostageRefund", "postage"),
    ("FBAInboundTransportationFee", "inbound"),
    ("FBAInboundConvenienceFee", "inbound"),
    ("FBARemovalFee", "removal"),
    ("FBADisposalFee", "removal"),
    ("LiquidationFee", "removal"),
    ("LiquidationProceeds", "liquidation"),
    ("RecommerceLiquidation", "liquidation"),
    ("CouponParticipationFee", "promotion_fee"),
    ("CouponPerformanceFee", "promotion_fee"),
    ("CouponRedemptionFee", "promotion_fee"),
    ("DealFee", "promotion_fee"),
    ("CustomerReturnHRRUnitFee", "other_fee"),
    ("PaidServicesFee", "other_fee"),
    ("Other", "adjustment"),
    ("LoanAdvance", "loan"),
    ("LoanPayment", "loan"),
    ("LoanRefund", "loan"),
    ("DebtPayment", "debt_recovery"),
    ("GuaranteeClaim", "guarantee_claim"),
    ("Chargeback", "chargeback"),
];

/// Types whose parts are all of one account, whatever their names.
const OF_KIND: [(&str, &str); 2] = [("Retrocharge", "tax_payable"), ("ChargeRefund", "other_fee")];

/// The combinations and amounts of a transaction's parts.
pub(super) fn legs(transaction: &Transaction) -> Vec<(String, i64)> {
    let mut found = Vec::new();
    let roots: Vec<&Breakdown> = if transaction.items.is_empty() {
        transaction.breakdowns.iter().collect()
    } else {
        transaction.items.iter().flat_map(|item| &item.breakdowns).collect()
    };
    for root in roots {
        collect(transaction.kind, "", root, &mut found);
    }
    found
}

fn collect(kind: &str, above: &str, node: &Breakdown, found: &mut Vec<(String, i64)>) {
    if node.parts.is_empty() && node.amount != 0 {
        found.push((of_purpose(purpose(kind, above, node.name)), node.amount));
    }
    node.parts.iter().for_each(|part| collect(kind, node.name, part, found));
}

fn purpose(kind: &str, above: &str, name: &str) -> &'static str {
    if let Some((_, purpose)) = OF_KIND.iter().find(|(of, _)| *of == kind) {
        return purpose;
    }
    // A fee with VAT has two parts; its own is named for it.
    let name = match name {
        "Tax" => return "input_vat",
        "Base" => above,
        name => name.strip_suffix("Reversal").unwrap_or(name),
    };
    PURPOSES.iter().find(|(known, _)| *known == name).map_or("?", |(_, purpose)| *purpose)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Profile, Scenario, ScenarioOptions, UNKNOWN};

    #[test]
    fn the_table_knows_every_part_but_what_is_planted() {
        let world = Scenario::generate(ScenarioOptions {
            seed: 7,
            sellers: 3,
            days: 365,
            orders_per_day: 2,
            start: "2026-01-02T00:00:00Z".parse().expect("a time"),
            unmapped_percent: 4,
            profile: Profile::Year,
        });
        for transaction in world.transactions.iter().filter(|one| one.kind != "Transfer") {
            let known = legs(transaction).iter().all(|(account, _)| !account.contains('?'));
            assert_eq!(known, transaction.kind != UNKNOWN, "{} {transaction:?}", transaction.kind);
            let sum: i64 = legs(transaction).iter().map(|(_, amount)| amount).sum();
            assert_eq!(sum, transaction.total());
        }
    }
}
