//! What can be read.

use async_trait::async_trait;
use ml_connector_domain::document::{Document, Kind};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::JournalLine;
use ml_connector_domain::posting::State;
use ml_connector_domain::{DocumentKey, GroupId, Money, OrderId, Region, SellerId, Timestamp};

use crate::{Change, MadeBy, Result};

/// Where a stream stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Everything before this has been read, save what arrives late.
    pub position: Timestamp,
    /// The window being read, if one is under way.
    pub window: Option<(Timestamp, Timestamp)>,
    /// Amazon's token for the window's next page.
    pub token: Option<String>,
    /// When it was last moved.
    pub polled_at: Timestamp,
}

/// A payload to be normalized.
#[derive(Debug, Clone)]
pub struct RawPayload {
    /// Stream it came from.
    pub stream: String,
    /// Amazon's id.
    pub natural_id: String,
    /// Its hash.
    pub hash: ContentHash,
    /// Where it came from.
    pub region: Region,
    /// Amazon's bytes.
    pub body: String,
}

/// The newest version of a record before a change.
#[derive(Debug, Clone)]
pub struct Previous {
    /// How far it had come.
    pub stage: String,
    /// The record as JSON.
    pub record: String,
}

/// A transaction's lines, waiting for its settlement.
#[derive(Debug, Clone)]
pub struct BookedTransaction {
    /// The transaction.
    pub transaction: String,
    /// The economic event behind it.
    pub economic_id: String,
    /// Its total.
    pub total: Money,
    /// When Amazon posted it.
    pub posted: Timestamp,
    /// Its journal lines.
    pub lines: Vec<JournalLine>,
    /// The batch it was mapped in.
    pub batch: ContentHash,
    /// What that batch was mapped with.
    pub made_by: MadeBy,
}

/// A transaction of a journaled settlement, as receipts need it.
#[derive(Debug, Clone)]
pub struct SettledTransaction {
    /// The economic event behind it.
    pub economic_id: String,
    /// Its journal lines.
    pub lines: Vec<JournalLine>,
    /// The batch it was mapped in.
    pub batch: ContentHash,
    /// The mapper of that batch.
    pub mapper: ContentHash,
    /// The catalog of that batch.
    pub catalog: ContentHash,
    /// The contract of that batch.
    pub contract: String,
    /// The hash of the settings of that batch.
    pub settings: ContentHash,
    /// The canonical record as JSON.
    pub record: String,
}

/// A document with its posting.
#[derive(Debug, Clone)]
pub struct DocumentRow {
    /// The document.
    pub document: Document,
    /// Amazon's figure.
    pub expected: Money,
    /// Where its posting stands.
    pub state: State,
    /// Hash of the body as stored.
    pub body_hash: ContentHash,
}

/// A document with the result of its last comparison.
#[derive(Debug, Clone)]
pub struct CheckedDocument {
    /// Its key.
    pub key: DocumentKey,
    /// Its kind.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// The finding, if it did not tie out.
    pub finding: Option<(String, String)>,
}

/// An audit event as stored.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// Its place in the log.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// What it is about.
    pub subject: String,
    /// What happened.
    pub action: String,
    /// In words.
    pub detail: String,
}

/// An open review item.
#[derive(Debug, Clone)]
pub struct ReviewRow {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub seller: SellerId,
    /// What kind of thing it is about.
    pub kind: String,
    /// About what.
    pub subject: String,
    /// The reason's code.
    pub code: String,
    /// What the reason is about.
    pub about: String,
    /// The reason in words.
    pub message: String,
    /// The money at stake.
    pub at_stake: Option<Money>,
    /// Since when.
    pub opened_at: Timestamp,
}

/// Open review items of one reason about one thing, summed per currency.
#[derive(Debug, Clone)]
pub struct ReviewTotals {
    /// What kind of thing.
    pub kind: String,
    /// The reason's code.
    pub code: String,
    /// What the reason is about.
    pub about: String,
    /// How many subjects.
    pub subjects: u64,
    /// The money at stake, in one currency.
    pub at_stake: Option<Money>,
    /// The oldest.
    pub oldest: Timestamp,
}

/// A sealed credential.
#[derive(Debug, Clone)]
pub struct SealedCredential {
    /// Its version.
    pub version: u32,
    /// As the vault sealed it.
    pub sealed: Vec<u8>,
    /// When it was set.
    pub set_at: Timestamp,
}

/// How many records of a kind are at a stage.
#[derive(Debug, Clone)]
pub struct StageCount {
    /// `order`, `transaction` or `group`.
    pub kind: String,
    /// The stage.
    pub stage: String,
    /// How many.
    pub count: u64,
}

/// What mappers have done.
#[derive(Debug, Clone, Copy, Default)]
pub struct MapperTotals {
    /// Batches.
    pub batches: u64,
    /// Batches that failed.
    pub faults: u64,
    /// Records.
    pub records: u64,
    /// Fuel burnt.
    pub fuel: u64,
}

/// Figures for a report, over all sellers.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Records by kind and stage.
    pub stages: Vec<StageCount>,
    /// Postings by document kind and state.
    pub postings: Vec<(String, String, u64)>,
    /// Documents in whose place a later revision came.
    pub replaced: u64,
    /// Invoices of an order's second and further shipments.
    pub further_shipments: u64,
    /// Documents compared with Fusion.
    pub checks: u64,
    /// Of these, how many did not tie out.
    pub differences: u64,
    /// Audit events.
    pub audit_events: u64,
    /// Canonical versions of orders.
    pub order_versions: u64,
    /// Distinct payloads kept.
    pub raw_payloads: u64,
    /// What mappers have done.
    pub mapper: MapperTotals,
}

/// The store. Every method is one transaction.
///
/// # Errors
/// All methods fail with [`crate::StoreError`]: the database is gone, full or locked for too long, or holds what
/// cannot be read back. Nothing is half done then.
#[async_trait]
pub trait Store:
    crate::Upkeep
    + crate::Books
    + crate::Watching
    + crate::MapperVersions
    + crate::CatalogVersions
    + crate::Corrections
    + crate::Reviews
    + crate::AuditLog
    + crate::Operations
    + crate::Leases
{
    /// Applies all changes, or none.
    ///
    /// # Errors
    /// Besides the usual ones, [`crate::StoreError::Twice`] if a document or a recognised leg exists already.
    async fn apply(&self, changes: Vec<Change>) -> Result<()>;

    /// Where a stream stands; `None` before its first page.
    async fn cursor(&self, seller: &SellerId, region: Region, stream: &str) -> Result<Option<Cursor>>;

    /// Payloads not normalized yet, oldest first; reports are archived instead (see [`crate::Upkeep`]).
    async fn pending_raw(&self, seller: &SellerId, limit: u32) -> Result<Vec<RawPayload>>;

    /// The newest version of a record.
    async fn newest(&self, seller: &SellerId, kind: &str, natural_id: &str) -> Result<Option<Previous>>;

    /// Whether another record stands for the same economic event.
    async fn has_twin(
        &self,
        seller: &SellerId,
        kind: &str,
        economic_id: &str,
        natural_id: &str,
    ) -> Result<bool>;

    /// The newest versions at a stage, as JSON, in the order of their ids.
    async fn at_stage(&self, seller: &SellerId, kind: &str, stage: &str, limit: u32) -> Result<Vec<String>>;

    /// How many transactions of a settlement are at each stage.
    async fn group_stages(&self, seller: &SellerId, group: &GroupId) -> Result<Vec<StageCount>>;

    /// A settlement's transactions that wait for it to close, with their lines.
    async fn bookings(&self, seller: &SellerId, group: &GroupId) -> Result<Vec<BookedTransaction>>;

    /// Journaled settlements, as JSON, whose cash is to be looked at by `now`.
    async fn groups_with_cash(&self, seller: &SellerId, now: Timestamp, limit: u32) -> Result<Vec<String>>;

    /// The transactions of a journaled settlement that no receipt has taken up.
    async fn settled(&self, seller: &SellerId, group: &GroupId) -> Result<Vec<SettledTransaction>>;

    /// The credit memos of an order, in the order of their keys.
    async fn credit_memos_of(&self, seller: &SellerId, order: &OrderId) -> Result<Vec<DocumentRow>>;

    /// The document that recognises a leg.
    async fn recognized_by(&self, seller: &SellerId, source: &str, leg: &str) -> Result<Option<DocumentKey>>;

    /// A document with its posting.
    async fn document(&self, key: &DocumentKey) -> Result<Option<DocumentRow>>;

    /// Documents whose postings are due, oldest first.
    async fn due_postings(&self, seller: &SellerId, now: Timestamp, limit: u32) -> Result<Vec<DocumentRow>>;

    /// When a seller's next posting is due.
    async fn next_posting_due(&self, seller: &SellerId) -> Result<Option<Timestamp>>;

    /// Documents whose postings are in a state.
    async fn postings_in(&self, seller: &SellerId, state: &str, limit: u32) -> Result<Vec<DocumentRow>>;

    /// Confirmed documents that were not compared with Fusion since `before`.
    async fn unreconciled(
        &self,
        seller: &SellerId,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<DocumentRow>>;

    /// The credential of a kind.
    async fn credential(&self, seller: &str, kind: &str) -> Result<Option<SealedCredential>>;

    /// Open review items, oldest first.
    async fn open_reviews(&self, limit: u32) -> Result<Vec<ReviewRow>>;

    /// Whether a review item about something is open for a reason.
    async fn review_is_open(&self, seller: &SellerId, kind: &str, subject: &str, code: &str) -> Result<bool>;

    /// Open review items summed by reason.
    async fn review_totals(&self) -> Result<Vec<ReviewTotals>>;

    /// Documents that did not tie out.
    async fn findings(&self, limit: u32) -> Result<Vec<CheckedDocument>>;

    /// The audit events about any of `subjects`, in order.
    async fn story(&self, subjects: &[String]) -> Result<Vec<AuditRow>>;

    /// The documents about a subject, or with this key or Fusion number.
    async fn documents_about(&self, text: &str) -> Result<Vec<DocumentRow>>;

    /// The raw payload and newest canonical record of an order, transaction or settlement: `(kind, raw, record)`.
    async fn sources_about(&self, natural_id: &str) -> Result<Vec<(String, String, String)>>;

    /// The orders that were invoiced, one of them, for a demonstration: with a refund if there is one.
    async fn example_order(&self) -> Result<Option<String>>;

    /// Figures for a report.
    async fn counts(&self) -> Result<Counts>;

    /// Confirmed document totals by kind and currency: `(kind, currency, count, sum of expected minor units)`.
    async fn document_totals(&self) -> Result<Vec<(Kind, Money, u64)>>;
}
