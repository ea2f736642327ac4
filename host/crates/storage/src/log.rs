//! The audit log as a Merkle log: what its verification and its proofs read.
//!
//! Leaves are appended by [`crate::Store::apply`], in the transaction of what they describe. Bytes are read as they
//! are stored and judged by the reader: a store that somebody altered has to be readable, too.

use async_trait::async_trait;
use ml_connector_domain::audit::merkle::{Frontier, Hash};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::JournalLine;
use ml_connector_domain::{Date, DocumentKey, Money, SellerId, Timestamp};

use crate::{DocumentRow, Result};

/// An event as stored, every column as bytes; `None` for NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its number.
    pub id: i64,
    /// Digits of its time in milliseconds.
    pub at: Option<Vec<u8>>,
    /// Whose.
    pub seller: Option<Vec<u8>>,
    /// What it is about.
    pub subject: Option<Vec<u8>>,
    /// What happened.
    pub action: Option<Vec<u8>>,
    /// In words.
    pub detail: Option<Vec<u8>>,
    /// The leaf's hash.
    pub leaf: Option<Vec<u8>>,
}

/// A signed checkpoint as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointRow {
    /// Leaves, as its column says.
    pub size: i64,
    /// The signed note.
    pub note: String,
}

/// A document with the very bytes that are stored of it.
#[derive(Debug, Clone)]
pub struct RecordedDocument {
    /// The document, its posting, and the hash that stands beside it.
    pub row: DocumentRow,
    /// Its bytes.
    pub body: String,
    /// When it was planned.
    pub planned: Timestamp,
}

/// A transaction whose booking a settlement's document sums.
#[derive(Debug, Clone)]
pub struct BehindJournal {
    /// Amazon's id.
    pub transaction: String,
    /// The leg that the document recognises of it: `settlement`, `accrual` or `accrual-reversal`.
    pub leg: String,
    /// Its total; what is taken back has the opposite sign.
    pub total: Money,
    /// Its lines; those that take an accrual back name the day of its rate, as a journal in another currency than the
    /// ledger's does.
    pub lines: Vec<JournalLine>,
    /// The batch that it was mapped in.
    pub batch: ContentHash,
}

/// A call of a mapper, as far as it says how a document came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchOrigin {
    /// Digest of the mapper.
    pub mapper: ContentHash,
    /// The contract it was built against.
    pub contract: String,
    /// Hash of the catalog.
    pub catalog: ContentHash,
}

/// A record that a document came of, in the version that stood when it was planned.
#[derive(Debug, Clone)]
pub struct SourceVersion {
    /// `order`, `transaction` or `group`.
    pub kind: String,
    /// Amazon's id.
    pub natural_id: String,
    /// Which version, from 1.
    pub version: i64,
    /// The canonical record as JSON.
    pub record: String,
    /// Hash of the payload as Amazon sent it.
    pub payload: ContentHash,
    /// The payload's stream.
    pub stream: String,
    /// The payload; without data about the buyer once that was taken out.
    pub body: String,
    /// Whether something was taken out, so that the bytes no longer have the hash.
    pub redacted: bool,
}

/// Reads of the log and of what its proofs are about. Part of [`crate::Store`].
///
/// # Errors
/// As for [`crate::Store`].
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// What the log's own row says of its size and peaks; `None` if it is missing or makes no sense.
    async fn log_frontier(&self) -> Result<Option<Frontier>>;

    /// Events after number `after`, in the order of their numbers.
    async fn log_events(&self, after: i64, limit: u32) -> Result<Vec<LoggedEvent>>;

    /// The leaves' hashes, in order.
    async fn log_leaves(&self) -> Result<Vec<Hash>>;

    /// All checkpoints, the smallest first.
    async fn log_checkpoints(&self) -> Result<Vec<CheckpointRow>>;

    /// The checkpoint over the most events.
    async fn newest_checkpoint(&self) -> Result<Option<CheckpointRow>>;

    /// The public key that the store names.
    async fn log_key(&self) -> Result<Option<String>>;

    /// Confirmed documents dated `from` to `to`, both included, in the order of their dates and keys.
    async fn confirmed_documents(
        &self,
        from: Date,
        to: Date,
        seller: Option<&SellerId>,
    ) -> Result<Vec<RecordedDocument>>;

    /// A document with its bytes.
    async fn recorded_document(&self, key: &DocumentKey) -> Result<Option<RecordedDocument>>;

    /// The transactions that a document recognises with their bookings, in the order of their ids.
    async fn behind_journal(&self, key: &DocumentKey) -> Result<Vec<BehindJournal>>;

    /// The ids under which a document recognises what it recognises, with their legs.
    async fn recognitions(&self, key: &DocumentKey) -> Result<Vec<(String, String)>>;

    /// A call of a mapper, by the hash of its input.
    async fn batch_origin(&self, input: &ContentHash) -> Result<Option<BatchOrigin>>;

    /// The records about an id (an order's, a settlement's, a transaction's or its economic event's), each in the
    /// version that stood at a time.
    async fn sources_at(&self, seller: &SellerId, id: &str, at: Timestamp) -> Result<Vec<SourceVersion>>;

    /// A catalog as stored, by its hash.
    async fn catalog_body(&self, hash: &ContentHash) -> Result<Option<String>>;

    /// The settlement that transactions name under a settlement id of Amazon's reports.
    async fn group_of_settlement(&self, settlement: &str) -> Result<Option<String>>;
}
