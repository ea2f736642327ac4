//! The shadow: a version that runs on live input beside the active one, so that what it would change is known before
//! it changes anything.

use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::mapping::{BatchContext, Mapped, OrderOutcome, TransactionOutcome};
use ml_connector_ports::{Mapper, MapperFault};
use ml_connector_storage::{Change, Difference, MapperChange};

use super::compare::{differences, order_effects, transaction_effects};
use crate::map::HOST_FAULT;
use crate::{Parts, Seller};

/// Maps orders by the shadow, too; what is to be kept of it. A shadow never keeps a record from being mapped.
pub(crate) async fn shadow_orders(
    parts: &Parts,
    seller: &Seller,
    context: &BatchContext,
    orders: &[Order],
    active: &[OrderOutcome],
) -> Option<Change> {
    let Some(shadow) = &parts.versions.shadow else { return None };
    let result = shadow.map_orders(context, orders).await;
    kept(parts, seller, &**shadow, result, orders.len(), |outcomes| {
        let records = orders.iter().zip(active).zip(outcomes);
        let differ = |((order, active), other): ((&Order, &OrderOutcome), &OrderOutcome)| {
            differences(order.id.as_str(), &order_effects(active), &order_effects(other))
        };
        records.flat_map(differ).collect()
    })
}

/// As [`shadow_orders`], for transactions.
pub(crate) async fn shadow_transactions(
    parts: &Parts,
    seller: &Seller,
    context: &BatchContext,
    transactions: &[Transaction],
    active: &[TransactionOutcome],
) -> Option<Change> {
    let Some(shadow) = &parts.versions.shadow else { return None };
    let result = shadow.map_transactions(context, transactions).await;
    kept(parts, seller, &**shadow, result, transactions.len(), |outcomes| {
        let records = transactions.iter().zip(active).zip(outcomes);
        let differ =
            |((record, active), other): ((&Transaction, &TransactionOutcome), &TransactionOutcome)| {
                differences(record.id.as_str(), &transaction_effects(active), &transaction_effects(other))
            };
        records.flat_map(differ).collect()
    })
}

fn kept<T>(
    parts: &Parts,
    seller: &Seller,
    shadow: &dyn Mapper,
    result: Result<Mapped<T>, MapperFault>,
    records: usize,
    differ: impl FnOnce(&[T]) -> Vec<Difference>,
) -> Option<Change> {
    let (fuel, fault, differences) = match &result {
        Ok(mapped) => (mapped.fuel, false, differ(&mapped.outcomes)),
        // Our own fault says nothing about the shadow.
        Err(fault) if fault.code == HOST_FAULT => return None,
        Err(fault) => {
            let found = Difference {
                subject: fault.message.chars().take(200).collect(),
                account: format!("fault {}", fault.code),
                currency: String::new(),
                active_minor: 0,
                shadow_minor: 1,
            };
            (fault.fuel, true, vec![found])
        }
    };
    Some(Change::Mapper(MapperChange::Shadowed {
        seller: seller.id.clone(),
        digest: shadow.identity().digest.clone(),
        records,
        fuel,
        fault,
        differences,
        at: parts.clock.now(),
    }))
}
