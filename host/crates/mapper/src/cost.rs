//! How many bytes cross the border: the host copies and checks them, so the guest pays for them.
//!
//! Counted over the domain's types, so that the same batch costs the same under every version of the contract.

use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::mapping::{
    BatchContext, Booking, CreditMemoOutcome, DocumentLine, OrderOutcome, Reason, TransactionOutcome,
};

/// What a record, line, leg, charge or reason costs beside its text.
const RECORD: u64 = 32;

fn text(parts: &[&str]) -> u64 {
    RECORD + parts.iter().map(|part| part.len() as u64).sum::<u64>()
}

/// Bytes of a context.
pub(crate) fn context(context: &BatchContext) -> u64 {
    let settings = context.settings.iter().map(|(key, value)| text(&[key, value]));
    let accounts = context.ledger.accounts.iter().map(|(key, value)| text(&[key, value]));
    let catalog = context.catalog.iter().map(|entry| {
        let extra: u64 = entry.extra.iter().map(|(key, value)| text(&[key, value])).sum();
        extra
            + text(&[
                entry.sku.as_str(),
                entry.marketplace.as_str(),
                &entry.revenue,
                &entry.cost_center,
                &entry.rule,
            ])
    });
    RECORD + settings.sum::<u64>() + accounts.sum::<u64>() + catalog.sum::<u64>()
}

/// Bytes of orders.
pub(crate) fn orders(orders: &[Order]) -> u64 {
    let order = |order: &Order| {
        let items = order.items.iter().map(|item| {
            let charges: u64 = item.charges.iter().map(|charge| text(&[&charge.kind])).sum();
            charges + text(&[item.id.as_str(), item.sku.as_str(), &item.title, &item.tax_collection])
        });
        items.sum::<u64>()
            + text(&[order.id.as_str(), order.marketplace.as_str(), &order.status, &order.channel])
    };
    orders.iter().map(order).sum()
}

/// Bytes of transactions.
pub(crate) fn transactions(transactions: &[Transaction]) -> u64 {
    let transaction = |transaction: &Transaction| {
        let legs: u64 = transaction.legs.iter().map(|leg| text(&[&leg.path])).sum();
        legs + text(&[transaction.id.as_str(), &transaction.kind, &transaction.description])
    };
    transactions.iter().map(transaction).sum()
}

fn reasons(reasons: &[Reason]) -> u64 {
    reasons.iter().map(|reason| text(&[&reason.code, &reason.message, &reason.subject])).sum()
}

fn lines(lines: &[DocumentLine]) -> u64 {
    lines.iter().map(|line| text(&[&line.description, &line.account, &line.rule])).sum()
}

/// Bytes of an order's outcome.
pub(crate) fn order_outcome(outcome: &OrderOutcome) -> u64 {
    RECORD
        + match outcome {
            OrderOutcome::Invoice(all) => lines(all),
            OrderOutcome::Review(why) => reasons(why),
            OrderOutcome::Skip(why) => why.len() as u64,
        }
}

/// Bytes of a transaction's outcome.
pub(crate) fn transaction_outcome(outcome: &TransactionOutcome) -> u64 {
    RECORD
        + match outcome {
            TransactionOutcome::Booking(made) => booking(made),
            TransactionOutcome::Review(why) => reasons(why),
            TransactionOutcome::Skip(why) => why.len() as u64,
        }
}

fn booking(booking: &Booking) -> u64 {
    let journal: u64 =
        booking.journal.iter().map(|line| text(&[&line.account, &line.label, &line.rule])).sum();
    journal
        + match &booking.credit_memo {
            None => 0,
            Some(CreditMemoOutcome::CreditMemo { lines: all, .. }) => lines(all),
            Some(CreditMemoOutcome::Review(why)) => reasons(why),
        }
}
