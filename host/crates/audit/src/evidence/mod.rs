//! Evidence: one archive for a period that an auditor can check without us.

mod check;
mod pack;

pub use check::{Checked, check};
pub use pack::{Packed, pack};

use ml_connector_domain::audit::merkle::Hash;
use serde::{Deserialize, Serialize};

use crate::trace::Trace;

/// Names of the archive's files.
mod file {
    pub(super) const BOOKINGS: &str = "bookings";
    pub(super) const CATALOGS: &str = "catalogs";
    pub(super) const CHECKPOINT: &str = "checkpoint.txt";
    pub(super) const DOCUMENTS: &str = "documents";
    pub(super) const EVENTS: &str = "events.jsonl";
    pub(super) const INDEX: &str = "documents.jsonl";
    pub(super) const KEY: &str = "public-key.txt";
    pub(super) const KEY_PEM: &str = "public-key.pem";
    pub(super) const MANIFEST: &str = "manifest.sha256";
    pub(super) const MAPPERS: &str = "mappers.jsonl";
    pub(super) const PAYLOADS: &str = "payloads";
    pub(super) const PROOFS: &str = "proofs.jsonl";
    pub(super) const README: &str = "README.md";
}

/// A line of `proofs.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
struct Proof {
    event: i64,
    leaf: Hash,
    path: Vec<Hash>,
}

/// A line of `documents.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
struct IndexRow {
    /// The event that ties the document's bytes to the log.
    recorded_event: i64,
    trace: Trace,
}

/// A line of `bookings/KEY.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
struct BookingRow {
    transaction: String,
    total: String,
    currency: String,
    payload: String,
    mapper: String,
    contract: String,
    catalog: String,
    lines: Vec<BookingLine>,
}

/// A line of a booking.
#[derive(Debug, Serialize, Deserialize)]
struct BookingLine {
    account: String,
    amount: String,
    label: String,
    rule: String,
}

/// How the event that records a document says it.
fn recorded_detail(key: &str, sha256: &str) -> String {
    format!("document {key} sha256 {sha256}")
}
