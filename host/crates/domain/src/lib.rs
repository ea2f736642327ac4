//! The pure core of ml-connector: what orders, transactions, documents and postings *are*, and every decision
//! about them that needs no IO.
//!
//! **Architecture invariant:** nothing here knows of Amazon's or Oracle's wire formats, SQL, HTTP or Wasm; there
//! is no clock, no randomness and no floating point. Time comes in as an argument.
//!
//! # To add a kind of document
//!
//! 1. Give it a variant in [`document::Body`] and its total in [`document::Document::total`].
//! 2. Say in [`validate`] what makes it postable.
//! 3. Say in [`reconcile`] what is expected to be read back.
//! 4. Then follow the recipe of the `fusion` crate for sending it.
//!
//! Stored and served forms are the serde forms of these types. They are versioned by the row that holds them
//! (see the `storage` crate), so a field is added with `#[serde(default)]` and never renamed.

#![deny(clippy::float_arithmetic)]

pub mod accrual;
pub mod adjustment;
pub mod audit;
pub mod canonical;
pub mod catalog;
pub mod clock;
pub mod document;
pub mod fx;
pub mod id;
pub mod ledger;
pub mod mapping;
pub mod money;
pub mod own_rate;
pub mod posted;
pub mod posting;
pub mod reach;
pub mod reconcile;
pub mod refusal;
pub mod region;
pub mod restored;
pub mod reversal;
pub mod settlement;
pub mod shipment;
pub mod tie_out;
pub mod trace;
pub mod validate;

pub use clock::Clock;
pub use id::{DocumentKey, GroupId, MarketplaceId, OrderId, OrderItemId, SellerId, Sku, TransactionId};
pub use jiff::Timestamp;
pub use jiff::civil::Date;
pub use money::{Currency, Money};
pub use region::Region;
