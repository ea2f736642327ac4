//! What happens beside the sales, in rows: to add a kind of transaction, add one.
//!
//! Types and leaves are those that production shows (Finances 2024-06-19). Where only the event of Finances v0 is known
//! (marked v0), its name and its field's stand for them.

use rand::RngExt as _;

use super::local;
use crate::clock::{DAY, HOUR};
use crate::scenario::Marketplace;
use crate::scenario::breakdowns::{leaf, node};
use crate::scenario::finances::{Books, CYCLE};

/// A kind of event of a marketplace.
struct Event {
    kind: &'static str,
    description: &'static str,
    /// Root of the breakdown; empty if the leaf is one.
    root: &'static str,
    leaf: &'static str,
    /// 1 if Amazon pays, -1 if the seller does.
    sign: i64,
    /// The least and the most, in dollar cents.
    cents: (i64, i64),
    /// One settlement in so many has it.
    every: i64,
    /// What undoes some of them in the next settlement: description and leaf.
    undone: Option<(&'static str, &'static str)>,
}

const FEES: &str = "AmazonFees";

const fn event(
    (kind, description): (&'static str, &'static str),
    (root, leaf): (&'static str, &'static str),
    sign: i64,
    cents: (i64, i64),
    every: i64,
) -> Event {
    Event { kind, description, root, leaf, sign, cents, every, undone: None }
}

const fn undone(event: Event, by: (&'static str, &'static str)) -> Event {
    Event { undone: Some(by), ..event }
}

const EVENTS: [Event; 31] = [
    undone(
        event(("ProductAdsPayment", "Advertising"), (FEES, "AdvertisingFee"), -1, (400, 4_000), 3),
        ("Advertising refund", "AdvertisingFeeRefund"),
    ),
    undone(
        event(("Adjustment", "PostageBilling"), ("", "PostageBilling"), -1, (300, 2_500), 2),
        ("PostageRefund", "PostageRefund"),
    ),
    undone(
        event(
            ("Adjustment", "LostOrDamagedReimbursement"),
            ("", "LostOrDamagedReimbursement"),
            1,
            (900, 7_000),
            3,
        ),
        ("ReimbursementClawback", "ReimbursementClawback"),
    ),
    undone(
        event(("Adjustment", "WAREHOUSE_DAMAGE"), ("", "WAREHOUSE_DAMAGE"), 1, (900, 5_000), 4),
        ("REVERSAL_REIMBURSEMENT", "REVERSAL_REIMBURSEMENT"),
    ),
    undone(
        event(
            ("FBAInventoryReimbursement", "Damaged"),
            ("", "FBAInventoryReimbursement"),
            1,
            (800, 6_000),
            3,
        ),
        ("Reversed", "FBAReversedReimbursement"),
    ),
    event(("ServiceFee", "Long term storage"), (FEES, "FBALongTermStorageFee"), -1, (500, 5_000), 6),
    event(("ServiceFee", "Inbound transport"), (FEES, "FBAInboundTransportationFee"), -1, (2_000, 9_000), 2),
    event(("ServiceFee", "Inbound placement"), (FEES, "FBAInboundConvenienceFee"), -1, (500, 3_000), 3),
    event(("ServiceFee", "Removal"), (FEES, "FBARemovalFee"), -1, (200, 2_000), 5),
    event(("ServiceFee", "Disposal"), (FEES, "FBADisposalFee"), -1, (200, 1_500), 6),
    event(("ServiceFee", "Coupon participation"), (FEES, "CouponParticipationFee"), -1, (500, 501), 4),
    event(("ServiceFee", "Coupon performance"), (FEES, "CouponPerformanceFee"), -1, (100, 4_000), 4),
    event(("ServiceFee", "High return rate"), (FEES, "CustomerReturnHRRUnitFee"), -1, (100, 900), 5),
    event(("ServiceFee", "Paid services"), (FEES, "PaidServicesFee"), -1, (1_000, 4_000), 7),
    // v0 SellerDealPayment and CouponPayment.
    event(("SellerDealPayment", "Lightning deal"), (FEES, "DealFee"), -1, (5_000, 15_000), 5),
    event(("CouponPayment", "Coupon redemptions"), (FEES, "CouponRedemptionFee"), -1, (60, 3_000), 3),
    event(("MiscellaneousLedgerAdjustment", "Miscellaneous"), ("", "Other"), 1, (100, 3_000), 4),
    event(("MiscellaneousLedgerAdjustment", "Miscellaneous"), ("", "Other"), -1, (100, 3_000), 5),
    event(("RemovalShipment", "Removal order fees"), (FEES, "FBARemovalFee"), -1, (300, 2_000), 4),
    event(
        ("RemovalShipment", "Recommerce liquidation"),
        ("Sales", "RecommerceLiquidation"),
        1,
        (700, 6_000),
        5,
    ),
    // v0 FBALiquidation.
    event(("FBALiquidation", "Liquidation proceeds"), ("", "LiquidationProceeds"), 1, (700, 6_000), 4),
    event(("FBALiquidation", "Liquidation fees"), ("", "LiquidationFee"), -1, (100, 900), 4),
    event(("ChargeRefund", "Refund of a charge"), ("", "ChargeRefund"), 1, (100, 4_000), 7),
    // v0 LoanServicing.
    event(("LoanServicing", "LoanAdvance"), ("", "LoanAdvance"), 1, (20_000, 50_000), 9),
    event(("LoanServicing", "LoanPayment"), ("", "LoanPayment"), -1, (5_000, 15_000), 4),
    event(("LoanServicing", "LoanRefund"), ("", "LoanRefund"), 1, (100, 900), 11),
    // v0 DebtRecovery: the seller's card settles what a settlement left owing.
    event(("DebtRecovery", "DebtPayment"), ("", "DebtPayment"), 1, (1_000, 9_000), 8),
    // v0 GuaranteeClaim and Chargeback of which only the sum is known.
    undone(
        event(("GuaranteeClaim", "A-to-z claim"), ("", "GuaranteeClaim"), -1, (900, 5_000), 6),
        ("A-to-z claim won", "GuaranteeClaimReversal"),
    ),
    undone(
        event(("Chargeback", "Chargeback"), ("", "Chargeback"), -1, (900, 5_000), 7),
        ("Chargeback won", "ChargebackReversal"),
    ),
    // v0 SAFETReimbursement.
    event(("SAFETReimbursement", "SAFE-T claim"), ("", "SAFE-TReimbursement"), 1, (500, 5_000), 3),
    event(("SAFETReimbursement", "SAFE-T claim"), ("", "SAFE-TReimbursement"), 1, (500, 5_000), 5),
];

/// All of it, until orders end.
pub(super) fn happen(books: &mut Books<'_>, until: i64) {
    for marketplace in books.markets.clone() {
        for cycle in 0..books.cycles {
            for (row, event) in (0_i64..).zip(&EVENTS) {
                let posted = books.start + cycle * CYCLE + (row * 11 % 300) * HOUR + 6 * HOUR;
                if (cycle + row) % event.every == 0 && posted + CYCLE + DAY < until {
                    one(books, marketplace, event, posted);
                }
            }
        }
    }
}

fn one(books: &mut Books<'_>, marketplace: &'static Marketplace, event: &Event, posted: i64) {
    let amount = event.sign * local(marketplace, books.rng.random_range(event.cents.0..event.cents.1));
    let breakdowns = |name: &'static str, amount: i64| match (event.root, name) {
        ("", name) => vec![leaf(name, amount)],
        ("Sales", name) => {
            // The marketplace collects and keeps the tax on what it sells for the seller.
            let tax = amount / 10;
            vec![
                node("Sales", vec![leaf(name, amount), leaf("TaxOnRevenue", tax)]),
                node("Expenses", vec![leaf("MarketplaceFacilitatorTax-Other", -tax)]),
            ]
        }
        (root, name) => vec![node(root, vec![leaf(name, amount)])],
    };
    books.post(event.kind, event.description, posted, marketplace).breakdowns =
        breakdowns(event.leaf, amount);
    if let Some((description, name)) = event.undone
        && books.rng.random_bool(0.5)
    {
        let at = posted + CYCLE;
        books.post(event.kind, description, at, marketplace).breakdowns = breakdowns(name, -amount);
    }
}
