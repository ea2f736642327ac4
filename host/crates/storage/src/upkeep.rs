//! What is durable beside records and documents: pauses, back-fills, archived files, consents and buyer data.

use async_trait::async_trait;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{MarketplaceId, Region, SellerId, Timestamp};

use crate::read::{Previous, RawPayload, SealedCredential};
use crate::{Change, Result};

/// A span of a stream that is to be read, or read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfill {
    /// Its number; 0 until it is stored.
    pub id: i64,
    /// Whose.
    pub seller: SellerId,
    /// Where.
    pub region: Region,
    /// Which stream.
    pub stream: String,
    /// From here.
    pub from: Timestamp,
    /// To here.
    pub to: Timestamp,
    /// Not before this.
    pub due: Timestamp,
    /// Why: `back-fill`, or which re-reading.
    pub reason: String,
    /// Everything before this is read.
    pub position: Timestamp,
    /// The end of the window under way, which begins at the position.
    pub window_to: Option<Timestamp>,
    /// Amazon's token for the window's next page.
    pub token: Option<String>,
    /// Pages read.
    pub pages: u64,
    /// Records on them.
    pub records: u64,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When its first page was read.
    pub started_at: Option<Timestamp>,
    /// When its last page was read.
    pub done_at: Option<Timestamp>,
}

impl Backfill {
    /// A span that is to be read from its beginning.
    pub fn request(
        (seller, region, stream): (SellerId, Region, &str),
        (from, to): (Timestamp, Timestamp),
        due: Timestamp,
        reason: impl Into<String>,
        now: Timestamp,
    ) -> Change {
        Change::Backfill(Box::new(Self {
            id: 0,
            seller,
            region,
            stream: stream.to_owned(),
            from,
            to,
            due,
            reason: reason.into(),
            position: from,
            window_to: None,
            token: None,
            pages: 0,
            records: 0,
            requested_at: now,
            started_at: None,
            done_at: None,
        }))
    }
}

/// A call's pause as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredPause {
    /// Tries so far.
    pub attempt: u32,
    /// Not before this.
    pub until: Timestamp,
}

/// A sealed credential with what it belongs to.
#[derive(Debug, Clone)]
pub struct CredentialRow {
    /// Whose.
    pub seller: String,
    /// Which.
    pub kind: String,
    /// Its version and seal.
    pub sealed: SealedCredential,
}

/// Records of one kind, place and month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordAge {
    /// `order`, `transaction` or `report`.
    pub kind: String,
    /// Whose.
    pub seller: SellerId,
    /// Where it was sold, if the record says so.
    pub marketplace: Option<MarketplaceId>,
    /// The UTC day of the records, `2026-09-01`.
    pub day: String,
    /// How many.
    pub count: u64,
}

/// An archived settlement report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// Hash of the plain file.
    pub hash: ContentHash,
    /// The file, packed with gzip.
    pub packed: Vec<u8>,
}

/// Reads of the upkeep. Part of [`crate::Store`].
///
/// # Errors
/// As for [`crate::Store`].
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// The pause under a key.
    async fn pause(&self, key: &str) -> Result<Option<StoredPause>>;

    /// The back-fill that is to be worked on next: due longest, in the order of request.
    async fn due_backfill(
        &self,
        seller: &SellerId,
        region: Region,
        now: Timestamp,
    ) -> Result<Option<Backfill>>;

    /// All back-fills with a reason, oldest first.
    async fn backfills(&self, reason: &str) -> Result<Vec<Backfill>>;

    /// Payloads of one stream that were not worked on yet.
    async fn pending_raw_of(&self, seller: &SellerId, stream: &str, limit: u32) -> Result<Vec<RawPayload>>;

    /// The newest record of a kind about an economic event.
    async fn newest_about(
        &self,
        seller: &SellerId,
        kind: &str,
        economic_id: &str,
    ) -> Result<Option<Previous>>;

    /// An archived report.
    async fn report_file(&self, seller: &SellerId, report: &str) -> Result<Option<ReportFile>>;

    /// Whose consent a state belongs to, if it has not expired.
    async fn consent(&self, state_hash: &ContentHash, now: Timestamp) -> Result<Option<(SellerId, Region)>>;

    /// Payloads with data about the buyer whose time is over: shipped before `before`, or never shipped and seen
    /// before it.
    async fn buyer_data_due(
        &self,
        seller: &SellerId,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<RawPayload>>;

    /// All sealed credentials.
    async fn credentials(&self) -> Result<Vec<CredentialRow>>;

    /// How many records there are by kind, place and day.
    async fn record_ages(&self) -> Result<Vec<RecordAge>>;

    /// Waits for running statements and closes the database.
    async fn close(&self);

    /// Moves what the log holds into the database file and empties the log, so that nothing overwritten stays in it.
    async fn empty_the_log(&self) -> Result<()>;
}
