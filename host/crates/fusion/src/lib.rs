//! Oracle Fusion Cloud ERP, as far as the books need it: receivables invoices and credit memos, journals by bulk
//! import, and what has to be asked before and after.
//!
//! **Architecture invariant:** wire types stay in this crate. **Architecture invariant:** a POST is sent once; what
//! its answer means is one table in [`answers`], and only `ml_connector_domain::posting` decides what follows.
//!
//! # To send a new kind of document
//!
//! 1. Write its payload as a pure function beside [`receivables`] or [`journal_csv`], with a golden test.
//! 2. Send it and look it up under its key in [`receivables_api`] or [`journals`], and let [`target`] choose: what cannot
//!    be looked up cannot be posted safely.
//! 3. Give the simulator the same resource, as strict as Fusion, before the first test.

mod answers;
mod auth;
pub mod authorize;
mod auto_invoice;
mod batches;
mod call;
pub mod check;
mod client;
mod following;
#[cfg(test)]
mod goldens;
mod jobs;
mod journal_csv;
mod journals;
mod layout;
#[cfg(test)]
mod paging;
mod placing;
mod privilege;
mod query;
mod receipts;
mod receivables;
mod receivables_api;
mod refusals;
mod setup;
mod target;
mod watch;
mod wire;
mod zipped;

pub use auth::{AUDIENCE, AuthMethod};
pub use client::{FusionClient, FusionCredentialSource, FusionCredentials, FusionOptions};
