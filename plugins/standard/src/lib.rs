//! The standard mapper.
//!
//! Orders: a shipped sale becomes an invoice of item prices, shipping, gift wrap, discounts and tax, each in the
//! account that [`accounts`] and the catalog name. Transactions: every leg is booked against the settlement account;
//! a refund, an A-to-z claim or a chargeback is, besides, a credit memo that takes back what the buyer gets back.
//!
//! What the buyer pays reaches the books by the invoice; when Amazon settles it, the same money only clears the
//! receivable: it is never revenue twice.

#![forbid(unsafe_code)]

mod accounts;
mod cogs;
mod orders;
mod tax;
mod transactions;

use ml_connector_sdk::*;

/// The standard mapper.
pub struct Standard;

impl Mapper for Standard {
    fn describe() -> Description {
        Description::new("standard", env!("CARGO_PKG_VERSION"))
            .reads(
                "tax.<marketplace id>",
                true,
                "how prices stand to tax there: `exclusive`, or `inclusive:<percent>` where they contain VAT",
            )
            .reads(
                cogs::RETURNED,
                false,
                "when refunded goods are stock again: `never` (if it is not set), or `refunded` with every refund",
            )
    }

    fn map_order(context: &BatchContext, order: &Order) -> OrderOutcome {
        orders::map(context, order)
    }

    fn map_transaction(context: &BatchContext, transaction: &Transaction) -> TransactionOutcome {
        transactions::map(context, transaction)
    }
}

export_mapper!(Standard);

#[cfg(test)]
mod tests;
