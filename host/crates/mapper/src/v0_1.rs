//! The contract `ml-connector:mapper@0.1.0`: its bindings, and conversions to and from the domain's types.

use jiff::tz::TimeZone;
use ml_connector_domain::mapping::{self, BatchContext};
use ml_connector_domain::money::MoneyError;
use ml_connector_domain::{Money, canonical};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../../wit/v0.1",
        world: "mapper",
        imports: { default: trappable },
    });
}

pub(crate) use bindings::Mapper as World;
pub(crate) use bindings::MapperPre as WorldPre;
pub(crate) use bindings::ml_connector::mapper::log::Level;
use bindings::ml_connector::mapper::types as wit;
pub(crate) use wit::{Order as WitOrder, OrderOutcome as WitOrderOutcome};
pub(crate) use wit::{Transaction as WitTransaction, TransactionOutcome as WitTransactionOutcome};

/// The contract's version.
pub(crate) const CONTRACT: &str = "0.1.0";

/// A log level's name.
pub(crate) fn level_name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

fn money(money: Money) -> wit::Money {
    wit::Money { minor: money.minor, currency: money.currency.code().to_owned() }
}

pub(crate) fn context(context: &BatchContext) -> wit::BatchContext {
    let ledger = &context.ledger;
    wit::BatchContext {
        seller: context.seller.as_str().to_owned(),
        settings: context.settings.clone(),
        ledger: wit::Ledger {
            name: ledger.ledger_name.clone(),
            currency: ledger.ledger_currency.code().to_owned(),
            time_zone: ledger.time_zone.clone(),
            combination: ledger.combination.template.clone(),
            default_cost_center: ledger.default_cost_center.clone(),
            accounts: ledger.accounts.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            extra: Vec::new(),
        },
        catalog: context.catalog.iter().map(catalog_entry).collect(),
        extra: Vec::new(),
    }
}

fn catalog_entry(entry: &ml_connector_domain::catalog::CatalogEntry) -> wit::CatalogEntry {
    wit::CatalogEntry {
        sku: entry.sku.as_str().to_owned(),
        marketplace: entry.marketplace.as_str().to_owned(),
        revenue_account: entry.revenue.clone(),
        cogs_account: entry.cogs.clone(),
        cost_center: entry.cost_center.clone(),
        rule: entry.rule.clone(),
        extra: Vec::new(),
    }
}

pub(crate) fn order(order: &canonical::Order, zone: &TimeZone) -> wit::Order {
    wit::Order {
        id: order.id.as_str().to_owned(),
        marketplace: order.marketplace.as_str().to_owned(),
        status: order.status.clone(),
        fulfilled_by: order.fulfilled_by.clone(),
        created: order.created.as_millisecond(),
        updated: order.updated.as_millisecond(),
        shipped_on: order.shipped.map(|at| canonical::day_in(at, zone).to_string()),
        replaces: order.replaces.as_ref().map(|id| id.as_str().to_owned()),
        total: order.total.map(money),
        items: order.items.iter().map(item).collect(),
        extra: vec![("channel".to_owned(), order.channel.clone())],
    }
}

fn item(item: &canonical::OrderItem) -> wit::OrderItem {
    let charge = |charge: &canonical::Charge| wit::Charge {
        kind: charge.kind.clone(),
        amount: money(charge.amount),
        extra: Vec::new(),
    };
    wit::OrderItem {
        id: item.id.as_str().to_owned(),
        sku: item.sku.as_str().to_owned(),
        title: item.title.clone(),
        quantity_ordered: item.quantity_ordered,
        quantity_fulfilled: item.quantity_fulfilled,
        charges: item.charges.iter().map(charge).collect(),
        tax_collection: item.tax_collection.clone(),
        extra: Vec::new(),
    }
}

pub(crate) fn transaction(transaction: &canonical::Transaction) -> wit::Transaction {
    let leg = |leg: &canonical::Leg| wit::Leg {
        path: leg.path.clone(),
        amount: money(leg.amount),
        sku: leg.sku.as_ref().map(|sku| sku.as_str().to_owned()),
        order_item_id: leg.order_item.as_ref().map(|id| id.as_str().to_owned()),
        extra: Vec::new(),
    };
    wit::Transaction {
        id: transaction.id.as_str().to_owned(),
        kind: transaction.kind.clone(),
        description: transaction.description.clone(),
        posted: transaction.posted.as_millisecond(),
        group: transaction.group.as_ref().map(|id| id.as_str().to_owned()),
        order_id: transaction.order.as_ref().map(|id| id.as_str().to_owned()),
        marketplace: transaction.marketplace.as_ref().map(|id| id.as_str().to_owned()),
        total: money(transaction.total),
        legs: transaction.legs.iter().map(leg).collect(),
        extra: Vec::new(),
    }
}

fn back(money: wit::Money) -> Result<Money, MoneyError> {
    Ok(Money::new(money.minor, money.currency.parse()?))
}

fn reasons(reasons: Vec<wit::Reason>) -> Vec<mapping::Reason> {
    let reason = |reason: wit::Reason| mapping::Reason {
        code: reason.code,
        message: reason.message,
        subject: reason.subject,
    };
    reasons.into_iter().map(reason).collect()
}

fn document_lines(lines: Vec<wit::DocumentLine>) -> Result<Vec<mapping::DocumentLine>, MoneyError> {
    let line = |line: wit::DocumentLine| -> Result<mapping::DocumentLine, MoneyError> {
        Ok(mapping::DocumentLine {
            description: line.description,
            amount: back(line.amount)?,
            quantity: line.quantity,
            account: line.account,
            sku: line.sku.map(|sku| sku.as_str().into()),
            order_item: line.order_item_id.map(|id| id.as_str().into()),
            rule: line.rule,
        })
    };
    lines.into_iter().map(line).collect()
}

/// What a mapper said of an order, in the domain's terms.
///
/// # Errors
/// A currency that is none.
pub(crate) fn order_outcome(outcome: WitOrderOutcome) -> Result<mapping::OrderOutcome, MoneyError> {
    Ok(match outcome {
        wit::OrderOutcome::Invoice(invoice) => mapping::OrderOutcome::Invoice(document_lines(invoice.lines)?),
        wit::OrderOutcome::Review(why) => mapping::OrderOutcome::Review(reasons(why)),
        wit::OrderOutcome::Skip(why) => mapping::OrderOutcome::Skip(why),
    })
}

/// What a mapper said of a transaction, in the domain's terms.
///
/// # Errors
/// A currency that is none.
pub(crate) fn transaction_outcome(
    outcome: WitTransactionOutcome,
) -> Result<mapping::TransactionOutcome, MoneyError> {
    Ok(match outcome {
        wit::TransactionOutcome::Booking(made) => mapping::TransactionOutcome::Booking(booking(made)?),
        wit::TransactionOutcome::Review(why) => mapping::TransactionOutcome::Review(reasons(why)),
        wit::TransactionOutcome::Skip(why) => mapping::TransactionOutcome::Skip(why),
    })
}

fn booking(booking: wit::Booking) -> Result<mapping::Booking, MoneyError> {
    let line = |line: wit::JournalLine| -> Result<mapping::JournalLine, MoneyError> {
        Ok(mapping::JournalLine {
            account: line.account,
            amount: back(line.amount)?,
            label: line.label,
            rule: line.rule,
        })
    };
    let credit_memo = match booking.credit_memo {
        None => None,
        Some(wit::CreditMemoOutcome::CreditMemo(memo)) => Some(mapping::CreditMemoOutcome::CreditMemo {
            order: memo.order_id.as_str().into(),
            lines: document_lines(memo.lines)?,
        }),
        Some(wit::CreditMemoOutcome::Review(why)) => Some(mapping::CreditMemoOutcome::Review(reasons(why))),
    };
    Ok(mapping::Booking {
        journal: booking.journal.into_iter().map(line).collect::<Result<_, _>>()?,
        credit_memo,
    })
}
