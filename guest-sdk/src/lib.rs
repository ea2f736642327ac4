#![doc = include_str!("../README.md")]
//!
//! # To change the contract
//!
//! The types below are generated from `wit/`, where a released folder is frozen. A new version is a new folder there,
//! a new bindings module here, and an adapter in the host's `mapper` crate.

#[cfg(target_arch = "wasm32")]
mod arena;
#[doc(hidden)]
pub mod bindings;
mod book;
mod context;
mod money;
#[doc(hidden)]
pub mod rt;
pub mod testing;

// The generated bindings name this crate, whether they stand in it or in a mapper's.
extern crate self as ml_connector_sdk;

pub use bindings::ml_connector::mapper::types::{
    BatchContext, Booking, CatalogEntry, Charge, CreditMemo, CreditMemoOutcome, Description, DocumentLine,
    Invoice, JournalLine, Ledger, Leg, Money, Order, OrderItem, OrderOutcome, Reason, Setting, Transaction,
    TransactionOutcome,
};

/// A mapper. All functions are pure: the same input gives the same output, on every host, for ever.
pub trait Mapper {
    /// Who it is and which settings it reads.
    fn describe() -> Description;

    /// What one order means.
    fn map_order(context: &BatchContext, order: &Order) -> OrderOutcome;

    /// What one transaction means.
    fn map_transaction(context: &BatchContext, transaction: &Transaction) -> TransactionOutcome;

    /// What a batch of orders means: one outcome each, in their order.
    fn map_orders(context: &BatchContext, orders: &[Order]) -> Vec<OrderOutcome> {
        orders.iter().map(|order| Self::map_order(context, order)).collect()
    }

    /// What a batch of transactions means: one outcome each, in their order.
    fn map_transactions(context: &BatchContext, transactions: &[Transaction]) -> Vec<TransactionOutcome> {
        transactions.iter().map(|transaction| Self::map_transaction(context, transaction)).collect()
    }
}

/// Writes to the batch's log: lines are cut at 1 KiB, a batch's log at 64 KiB.
pub mod log {
    pub use crate::bindings::ml_connector::mapper::log::Level;

    /// Writes one line. Natively, in tests, it goes nowhere.
    pub fn write(level: Level, message: &str) {
        #[cfg(target_arch = "wasm32")]
        crate::bindings::ml_connector::mapper::log::write(level, message);
        #[cfg(not(target_arch = "wasm32"))]
        let _native = (level, message);
    }
}

/// Exports a [`Mapper`] as the component's world. Call it once, at the top of the crate.
#[macro_export]
macro_rules! export_mapper {
    ($mapper:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Exported;

            impl $crate::__private::Guest for Exported {
                fn describe() -> $crate::Description {
                    $crate::__private::report_panics();
                    <$mapper as $crate::Mapper>::describe()
                }

                fn map_orders(
                    context: $crate::BatchContext,
                    orders: ::std::vec::Vec<$crate::Order>,
                ) -> ::std::vec::Vec<$crate::OrderOutcome> {
                    $crate::__private::report_panics();
                    // Not dropped: the instance ends with the call, and its memory with it.
                    let given = ::std::mem::ManuallyDrop::new((context, orders));
                    <$mapper as $crate::Mapper>::map_orders(&given.0, &given.1)
                }

                fn map_transactions(
                    context: $crate::BatchContext,
                    transactions: ::std::vec::Vec<$crate::Transaction>,
                ) -> ::std::vec::Vec<$crate::TransactionOutcome> {
                    $crate::__private::report_panics();
                    // Not dropped: the instance ends with the call, and its memory with it.
                    let given = ::std::mem::ManuallyDrop::new((context, transactions));
                    <$mapper as $crate::Mapper>::map_transactions(&given.0, &given.1)
                }
            }

    $crate::__private::export_world!(Exported with_types_in $crate::__private::bindings);
        };
    };
}

#[doc(hidden)]
pub mod __private {

    pub use crate::bindings::{self, Guest, export_world};

    /// A panic ends the instance with a bare trap; its message and place would be lost without this.
    pub fn report_panics() {
        std::panic::set_hook(Box::new(|panic| {
            crate::log::write(crate::log::Level::Error, &panic.to_string());
        }));
    }
}
