//! Testing a mapper natively, without Wasm.
//!
//! * Builders for what comes in: [`context`], [`order`], [`transaction`].
//! * Assertions that an accountant would name: [`assert_balanced`], [`assert_sums_to`], [`assert_reverses`],
//!   [`assert_recognises_once`].
//! * Properties that hold whatever comes in: [`assert_properties`] over made-up batches ([`any_orders`],
//!   [`any_transactions`]), or over your own.
//! * Golden cases: files that `cargo test` checks here ([`assert_golden`]) and `ml-connector mapper test` checks
//!   again on the built component. See [`golden`] for what stands in them.
//!
//! ```
//! use ml_connector_sdk::testing::*;
//! use ml_connector_sdk::*;
//!
//! let context = context(&["settlement", "clearing"]).with_product("MUG", "US", "41000");
//! let order = order("US", "USD", &[("MUG", &[("ITEM", 1_000), ("TAX/ITEM", 80)])]);
//! assert_eq!(order.total, Some(Money::new(1_080, "USD")));
//! assert_eq!(context.product("MUG", "US").map(|product| product.rule.as_str()), Some("catalog:MUG"));
//! ```

mod assert;
mod build;
pub mod golden;
mod json;
mod property;

pub use assert::{
    assert_balanced, assert_recognises_once, assert_reverses, assert_sums_to, assert_total, booking, codes,
    credit_memo, invoice, reasons,
};
pub use build::{context, order, transaction};
pub use golden::assert_golden;
pub use json::{Json, JsonError};
pub use property::{
    any_orders, any_transactions, assert_all_balanced, assert_idempotent, assert_order_independent,
    assert_properties,
};
