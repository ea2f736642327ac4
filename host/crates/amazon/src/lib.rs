//! Amazon's Selling Partner API, as far as the books need it.
//!
//! Orders 2026-01-01 with Orders v0 as a fallback, Finances 2024-06-19, the financial event groups of Finances v0
//! (which have no successor), payouts, settlement reports, participations and catalog items.
//! Buyer and recipient are asked for only if the configuration says so: an invoice bills the marketplace's customer.
//!
//! **Architecture invariant:** wire types stay in [`wire`]; what leaves this crate is canonical or Amazon's own bytes.
//!
//! # To read a new operation
//!
//! 1. Add it to `operation::Operation` with the rate that Amazon documents.
//! 2. Add its wire types and the conversion to a canonical record in [`wire`], with a table of what production sends.
//! 3. Make a `call::Call` of it; the caller does tokens, limits and retries.
//! 4. Give the simulator the same endpoint, with its traps, before the first test.

mod auth;
pub mod authorize;
mod call;
mod client;
pub mod marketplace;
pub mod notification;
mod operation;
mod orders;
pub mod retention;
pub mod wire;

pub use auth::{Application, CredentialSource, Credentials, by_code};
pub use client::{AmazonOptions, OrdersApi, SpApiClient};
