//! What closing a month and proving it reads: deferred money, settlements with what was booked of them, comparisons.

use async_trait::async_trait;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::JournalLine;
use ml_connector_domain::{DocumentKey, GroupId, Money, OrderId, Region, SellerId, Timestamp};

use crate::{DocumentRow, Result};

/// A transaction that Amazon defers, or has deferred, and that no month has accrued.
#[derive(Debug, Clone)]
pub struct DeferredTransaction {
    /// The record as JSON.
    pub record: String,
    /// When its release was posted, if it is known.
    pub released: Option<Timestamp>,
}

/// A deferred transaction that a month has accrued.
#[derive(Debug, Clone)]
pub struct AccruedTransaction {
    /// Amazon's id.
    pub transaction: String,
    /// The month that accrued it: `2026-10`.
    pub month: String,
    /// Its total.
    pub total: Money,
    /// Its lines as they entered the month's journal.
    pub lines: Vec<JournalLine>,
    /// The batch it was mapped in.
    pub batch: ContentHash,
    /// The mapper, contract, catalog and settings of that batch.
    pub made_by: MadeBy,
    /// When its release was posted, if it is known.
    pub released: Option<Timestamp>,
    /// The journal that accrued it.
    pub accrued_by: DocumentKey,
    /// The journal that took that back.
    pub reversed_by: Option<DocumentKey>,
}

/// What a batch was mapped with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeBy {
    /// Digest of the mapper.
    pub mapper: ContentHash,
    /// The contract it was built against.
    pub contract: String,
    /// Hash of the catalog.
    pub catalog: ContentHash,
    /// Hash of the settings.
    pub settings: ContentHash,
}

/// A settlement.
#[derive(Debug, Clone)]
pub struct SettlementRow {
    /// Where.
    pub region: Region,
    /// How far it has come.
    pub stage: String,
    /// The record as JSON.
    pub record: String,
}

/// A transaction of a settlement with what was booked of it.
#[derive(Debug, Clone)]
pub struct SettlementTransaction {
    /// The economic event behind it.
    pub economic_id: String,
    /// How far it has come.
    pub stage: String,
    /// The record as JSON.
    pub record: String,
    /// Its lines, once it was mapped.
    pub lines: Option<Vec<JournalLine>>,
}

/// The last comparison of a document with Fusion.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The document.
    pub document: DocumentKey,
    /// Code and message, if it did not tie out.
    pub finding: Option<(String, String)>,
}

/// Reads of the books. Part of [`crate::Store`].
///
/// # Errors
/// As for [`crate::Store`].
#[async_trait]
pub trait Books: Send + Sync {
    /// A settlement's journals and those that take them back, in the order of their subjects and revisions.
    async fn journals_of(&self, seller: &SellerId, group: &GroupId) -> Result<Vec<DocumentRow>>;

    /// Journaled settlements, as JSON, with transactions that were booked since.
    async fn groups_to_adjust(&self, seller: &SellerId, limit: u32) -> Result<Vec<String>>;

    /// Deferred transactions that no month has accrued: those that wait, and those whose release became known at `since`
    /// or later.
    async fn not_accrued(&self, seller: &SellerId, since: Timestamp) -> Result<Vec<DeferredTransaction>>;

    /// Transactions that were accrued; with `outstanding`, only those that were not taken back.
    async fn accrued(&self, seller: &SellerId, outstanding: bool) -> Result<Vec<AccruedTransaction>>;

    /// Months whose deferred money was looked at, with the time to look again, in order.
    async fn accrued_months(&self, seller: &SellerId) -> Result<Vec<(String, Option<Timestamp>)>>;

    /// All settlements, in the order of their ids.
    async fn settlements(&self, seller: &SellerId) -> Result<Vec<SettlementRow>>;

    /// The transactions of a settlement, in the order of their ids.
    async fn settlement_transactions(
        &self,
        seller: &SellerId,
        group: &GroupId,
    ) -> Result<Vec<SettlementTransaction>>;

    /// The transactions that Amazon has shown of an order, as JSON, in the order of their ids.
    async fn transactions_of_order(&self, seller: &SellerId, order: &OrderId) -> Result<Vec<String>>;

    /// All comparisons with Fusion.
    async fn comparisons(&self, seller: &SellerId) -> Result<Vec<Comparison>>;

    /// Everything that is recognised under a leg, with the document that does.
    async fn recognized_under(&self, seller: &SellerId, leg: &str) -> Result<Vec<(String, DocumentKey)>>;
}
