//! From the domain to the guest. The contract's lists borrow slices, so each level is built as one vector for the whole
//! batch and the next one takes its slices: a few allocations for a batch, whatever it holds.

use jiff::tz::TimeZone;
use ml_connector_domain::mapping::BatchContext;
use ml_connector_domain::{Money, canonical};

use super::wit;

fn money(money: &Money) -> wit::MoneyParam<'_> {
    wit::MoneyParam { minor: money.minor, currency: money.currency.code() }
}

/// Calls `call` with the context in the contract's terms.
pub(crate) fn with_context<R>(context: &BatchContext, call: impl FnOnce(wit::BatchContext<'_>) -> R) -> R {
    let ledger = &context.ledger;
    let settings: Vec<_> = context.settings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let accounts: Vec<_> = ledger.accounts.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let extras = context.catalog.iter().flat_map(|entry| &entry.extra);
    let extras: Vec<_> = extras.map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let mut extras = &extras[..];
    let catalog: Vec<_> = context
        .catalog
        .iter()
        .map(|entry| catalog_entry(entry, take(&mut extras, entry.extra.len())))
        .collect();
    call(wit::BatchContext {
        seller: context.seller.as_str(),
        settings: &settings,
        ledger: wit::Ledger {
            name: &ledger.ledger_name,
            currency: ledger.ledger_currency.code(),
            time_zone: &ledger.time_zone,
            combination: &ledger.combination.template,
            default_cost_center: &ledger.default_cost_center,
            accounts: &accounts,
            extra: &[],
        },
        catalog: &catalog,
        extra: &[],
    })
}

fn catalog_entry<'a>(
    entry: &'a ml_connector_domain::catalog::CatalogEntry,
    extra: &'a [(&'a str, &'a str)],
) -> wit::CatalogEntry<'a> {
    wit::CatalogEntry {
        sku: entry.sku.as_str(),
        marketplace: entry.marketplace.as_str(),
        revenue_account: &entry.revenue,
        cogs_account: entry.cogs.as_deref(),
        cost_center: &entry.cost_center,
        rule: &entry.rule,
        extra,
    }
}

/// Takes the first `count` off a slice of what was built for a whole batch.
fn take<'a, T>(rest: &mut &'a [T], count: usize) -> &'a [T] {
    let (taken, left) = rest.split_at(count);
    *rest = left;
    taken
}

/// Calls `call` with the orders in the contract's terms; `zone` is the ledger's.
pub(crate) fn with_orders<R>(
    orders: &[canonical::Order],
    zone: &TimeZone,
    call: impl FnOnce(&[wit::Order<'_>]) -> R,
) -> R {
    let days: Vec<Option<String>> =
        orders.iter().map(|order| order.shipped.map(|at| canonical::day_in(at, zone).to_string())).collect();
    let channels: Vec<_> = orders.iter().map(|order| [("channel", order.channel.as_str())]).collect();
    let items = || orders.iter().flat_map(|order| &order.items);
    let charges: Vec<_> = items().flat_map(|item| &item.charges).map(charge).collect();
    let mut charges = &charges[..];
    let items: Vec<_> = items().map(|own| item(own, take(&mut charges, own.charges.len()))).collect();
    let mut items = &items[..];
    let orders: Vec<_> = orders
        .iter()
        .zip(days.iter().zip(&channels))
        .map(|(own, (day, channel))| order(own, day.as_deref(), channel, take(&mut items, own.items.len())))
        .collect();
    call(&orders)
}

fn order<'a>(
    order: &'a canonical::Order,
    shipped_on: Option<&'a str>,
    extra: &'a [(&'a str, &'a str)],
    items: &'a [wit::OrderItem<'a>],
) -> wit::Order<'a> {
    wit::Order {
        id: order.id.as_str(),
        marketplace: order.marketplace.as_str(),
        status: &order.status,
        fulfilled_by: &order.fulfilled_by,
        created: order.created.as_millisecond(),
        updated: order.updated.as_millisecond(),
        shipped_on,
        replaces: order.replaces.as_ref().map(|id| id.as_str()),
        total: order.total.as_ref().map(money),
        items,
        extra,
    }
}

fn item<'a>(item: &'a canonical::OrderItem, charges: &'a [wit::Charge<'a>]) -> wit::OrderItem<'a> {
    wit::OrderItem {
        id: item.id.as_str(),
        sku: item.sku.as_str(),
        title: &item.title,
        quantity_ordered: item.quantity_ordered,
        quantity_fulfilled: item.quantity_fulfilled,
        charges,
        tax_collection: &item.tax_collection,
        extra: &[],
    }
}

fn charge(charge: &canonical::Charge) -> wit::Charge<'_> {
    wit::Charge { kind: &charge.kind, amount: money(&charge.amount), extra: &[] }
}

/// Calls `call` with the transactions in the contract's terms.
pub(crate) fn with_transactions<R>(
    transactions: &[canonical::Transaction],
    call: impl FnOnce(&[wit::Transaction<'_>]) -> R,
) -> R {
    let legs = || transactions.iter().flat_map(|own| &own.legs);
    let quantities: Vec<Option<String>> = legs().map(|leg| Some(leg.quantity?.to_string())).collect();
    let extras: Vec<Option<[(&str, &str); 1]>> =
        quantities.iter().map(|quantity| Some([("quantity", quantity.as_deref()?)])).collect();
    let legs: Vec<_> = legs().zip(&extras).map(|(own, extra)| leg(own, extra.as_ref())).collect();
    let mut legs = &legs[..];
    let transactions: Vec<_> =
        transactions.iter().map(|own| transaction(own, take(&mut legs, own.legs.len()))).collect();
    call(&transactions)
}

fn transaction<'a>(
    transaction: &'a canonical::Transaction,
    legs: &'a [wit::Leg<'a>],
) -> wit::Transaction<'a> {
    wit::Transaction {
        id: transaction.id.as_str(),
        kind: &transaction.kind,
        description: &transaction.description,
        posted: transaction.posted.as_millisecond(),
        group: transaction.group.as_ref().map(|id| id.as_str()),
        order_id: transaction.order.as_ref().map(|id| id.as_str()),
        marketplace: transaction.marketplace.as_ref().map(|id| id.as_str()),
        total: money(&transaction.total),
        legs,
        extra: &[],
    }
}

fn leg<'a>(leg: &'a canonical::Leg, extra: Option<&'a [(&'a str, &'a str); 1]>) -> wit::Leg<'a> {
    wit::Leg {
        path: &leg.path,
        amount: money(&leg.amount),
        sku: leg.sku.as_ref().map(|sku| sku.as_str()),
        order_item_id: leg.order_item.as_ref().map(|id| id.as_str()),
        extra: extra.map_or(&[], |extra| extra.as_slice()),
    }
}
