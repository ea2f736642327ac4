//! The contract `ml-connector:mapper@0.1.0`: its bindings, and conversions to and from the domain's types.
//!
//! What goes in is borrowed from the domain's types ([`lower`]): its text is copied once, into the guest's memory.
//! What comes out is owned ([`lift`]); golden cases compare it as it was said ([`told`]).

mod lift;
mod lower;
pub(crate) mod told;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../../wit/v0.1",
        world: "mapper",
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

pub(crate) use bindings::Mapper as World;
pub(crate) use bindings::MapperPre as WorldPre;
pub(crate) use bindings::ml_connector::mapper::log::Level;
use bindings::ml_connector::mapper::types as wit;
pub(crate) use bindings::ml_connector::mapper::types::OrderOutcome as OrderAnswer;
pub(crate) use bindings::ml_connector::mapper::types::TransactionOutcome as TransactionAnswer;

pub(crate) use lift::{description, order_outcome, transaction_outcome};
pub(crate) use lower::{with_context, with_orders, with_transactions};

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
