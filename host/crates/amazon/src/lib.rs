//! Amazon's Selling Partner API, as far as the books need it.
//!
//! Orders 2026-01-01, Finances 2024-06-19, and the financial event groups of Finances v0, which have no successor.
//! Buyer and recipient data are never asked for: an invoice bills the marketplace's customer account.
//!
//! **Architecture invariant:** wire types stay in [`wire`]; what leaves this crate is canonical or Amazon's own bytes.
//!
//! # To read a new operation
//!
//! 1. Add it to [`operation::Operation`] with the rate that Amazon documents.
//! 2. Add its wire types and the conversion to a canonical record in [`wire`], with a table of what production sends.
//! 3. Give the simulator the same endpoint, with its traps, before the first test.

mod auth;
mod client;
pub mod marketplace;
mod operation;
mod wire;

pub use auth::{CredentialSource, Credentials};
pub use client::{AmazonOptions, SpApiClient};
