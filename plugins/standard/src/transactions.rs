//! Transactions: every leg against the settlement account, and a credit memo for a refund.

use ml_connector_sdk::{
    BatchContext, Booking, CreditMemoOutcome, DocumentLine, Leg, Reason, Transaction, TransactionOutcome,
};

use crate::accounts::{self, LegKind, Sold};
use crate::cogs;
use crate::orders::{class, classed, split};
use crate::tax;

/// Transaction types that are understood. The first are seen in production (Finances API 2024-06-19: an open set); for
/// what only Finances v0 is known to have, the rest, its event's name stands.
const KINDS: [&str; 20] = [
    "Shipment",
    "Refund",
    "ServiceFee",
    "ProductAdsPayment",
    "Adjustment",
    "FBAInventoryReimbursement",
    "Retrocharge",
    "MiscellaneousLedgerAdjustment",
    "RemovalShipment",
    "ChargeRefund",
    "GuaranteeClaim",
    "Chargeback",
    "SellerDealPayment",
    "CouponPayment",
    "DebtRecovery",
    "LoanServicing",
    "SAFETReimbursement",
    "FBALiquidation",
    "RemovalShipmentAdjustment",
    "SellerReviewEnrollmentPayment",
];

/// Types that take back what a buyer paid, where they say what.
const TAKE_BACK: [&str; 3] = ["Refund", "GuaranteeClaim", "Chargeback"];

/// Money on its way to the bank: part of no settlement's sum.
const TRANSFER: &str = "Transfer";

pub(crate) fn map(context: &BatchContext, transaction: &Transaction) -> TransactionOutcome {
    if transaction.kind == TRANSFER && transaction.group.is_none() {
        return TransactionOutcome::Skip("it pays a settlement out to the bank".to_owned());
    }
    if !KINDS.contains(&transaction.kind.as_str()) {
        let message =
            format!("the standard mapper does not know transactions of type `{}`", transaction.kind);
        return TransactionOutcome::Review(vec![Reason::new(
            "unknown-transaction-type",
            &transaction.kind,
            message,
        )]);
    }
    let outcome = Booking::settling(context, transaction, |leg| {
        Ok(match accounts::leg(&transaction.kind, &leg.path)? {
            LegKind::Buyer(_) => ("clearing", "Buyers' payments and refunds"),
            LegKind::Other(purpose, label) => (purpose, label),
        })
    });
    let outcome = match (outcome, cogs::lines(context, transaction)) {
        (TransactionOutcome::Booking(mut booking), Ok(lines)) => {
            booking.journal.extend(lines);
            TransactionOutcome::Booking(booking)
        }
        (TransactionOutcome::Booking(_), Err(reason)) => TransactionOutcome::Review(vec![reason]),
        (other, _) => other,
    };
    match outcome {
        TransactionOutcome::Booking(mut booking) if TAKE_BACK.contains(&transaction.kind.as_str()) => {
            booking.credit_memo = credit_memo(context, transaction);
            TransactionOutcome::Booking(booking)
        }
        other => other,
    }
}

/// What the buyer got back, in the accounts of the sale; `None` for a refund of fees only.
fn credit_memo(context: &BatchContext, transaction: &Transaction) -> Option<CreditMemoOutcome> {
    let buyer_legs: Vec<(&Leg, Sold)> = transaction
        .legs
        .iter()
        .filter(|leg| !leg.amount.is_zero())
        .filter_map(|leg| match accounts::leg(&transaction.kind, &leg.path) {
            Ok(LegKind::Buyer(sold)) => Some((leg, sold)),
            _ => None,
        })
        .collect();
    if buyer_legs.is_empty() {
        return None;
    }
    let (Some(order), Some(marketplace)) = (&transaction.order_id, &transaction.marketplace) else {
        let message = "Amazon names no order or no marketplace for this refund";
        return Some(CreditMemoOutcome::Review(vec![Reason::new("no-order", &transaction.id, message)]));
    };
    let lines = buyer_legs.into_iter().flat_map(|(leg, sold)| leg_lines(context, marketplace, leg, sold));
    Some(CreditMemoOutcome::from_lines(order, lines))
}

fn leg_lines(
    context: &BatchContext,
    marketplace: &str,
    leg: &Leg,
    sold: Sold,
) -> Vec<Result<DocumentLine, Reason>> {
    let regime = match tax::regime(context, marketplace) {
        Ok(regime) => regime,
        Err(reason) => return vec![Err(reason)],
    };
    let sku = leg.sku.as_deref().unwrap_or_default();
    let Some(product) = context.product(sku, marketplace) else {
        let message = format!("the catalog does not name {sku} in {marketplace}");
        return vec![Err(Reason::new("unmapped-sku", sku, message))];
    };
    let parts = split(context, product, sold, &leg.amount, regime);
    let line = |(amount, place), words: &str| Ok(DocumentLine::of_leg(leg, words, amount, place?));
    classed(parts, sold)
        .map(|(part, words, is_tax)| line(part, words).map(|line| class(line, is_tax)))
        .collect()
}
