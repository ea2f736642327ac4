//! The day that an order's invoice bears.

use jiff::SignedDuration;
use ml_connector_domain::Date;
use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::ledger::InvoiceDate;
use ml_connector_domain::posted::posted_at;

use super::units::Unit;
use crate::{Parts, Seller, StageError, stored};

/// How long an order waits for the transaction that pays for it; Amazon shows those within 48 hours.
const PATIENCE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What is known of the day of an order's invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvoiceDay {
    /// It is this.
    On(Date),
    /// Amazon has not posted the shipment yet.
    NotYet,
    /// It has not for so long that a person has to look.
    Overdue,
}

/// The day on which an order left: that of its prices in the catalog, whatever day its invoice bears.
pub(crate) fn shipping_day(seller: &Seller, order: &Order) -> Date {
    seller.day(order.shipped.unwrap_or(order.updated))
}

/// The day of an invoice's first revision by the seller's policy.
///
/// # Errors
/// The store failed.
pub(crate) async fn invoice_day(
    parts: &Parts,
    seller: &Seller,
    unit: &Unit,
) -> Result<InvoiceDay, StageError> {
    let order = &unit.order;
    match seller.ledger.invoice_date {
        InvoiceDate::Purchased => return Ok(InvoiceDay::On(seller.day(order.created))),
        InvoiceDate::Shipped => return Ok(InvoiceDay::On(shipping_day(seller, order))),
        InvoiceDate::Posted => {}
    }
    let shown = parts.store.transactions_of_order(&seller.id, &order.id).await?;
    let transactions: Vec<Transaction> =
        shown.iter().map(|json| stored("transaction", json)).collect::<Result<_, _>>()?;
    let left = order.shipped.unwrap_or(order.updated);
    let before = unit.shipment.as_ref().map(|shipment| shipment.before.as_slice()).unwrap_or_default();
    Ok(match posted_at(order, before, &transactions) {
        Some(posted) => InvoiceDay::On(seller.day(posted)),
        None if parts.clock.now().duration_since(left) > PATIENCE => InvoiceDay::Overdue,
        None => InvoiceDay::NotYet,
    })
}
