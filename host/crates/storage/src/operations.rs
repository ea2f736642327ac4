//! What is durable for those who run the daemon: keys of the API, answers under idempotency keys, paused sellers; and
//! the pages and figures that they are shown, each for the sellers that a key may see.

use async_trait::async_trait;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{DocumentKey, Money, Region, SellerId, Timestamp};

use crate::{AuditRow, DocumentRow, Result, ReviewRow};

/// A change for those who run the daemon.
#[derive(Debug, Clone)]
pub enum OperationsChange {
    /// Keeps a new key.
    ApiKey(Box<ApiKey>),
    /// Takes a key out of use for ever; one that is out of use stays as it is.
    ApiKeyRevoked {
        /// Its id.
        id: String,
        /// When.
        at: Timestamp,
    },
    /// Has a seller's worker rest, or go on.
    Pause {
        /// Whose.
        seller: SellerId,
        /// `None` resumes it. A seller that rests already goes on resting since when it did.
        pause: Option<SellerPause>,
    },
    /// Says that the database was put back from a copy: what it has not sent may have been sent nevertheless.
    Restored {
        /// How many audit events it had then.
        events: u64,
        /// When.
        at: Timestamp,
    },
}

/// A key of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public part.
    pub id: String,
    /// SHA-256 of its secret part.
    pub hash: ContentHash,
    /// What it may do, as its role's name.
    pub role: String,
    /// Whose it is.
    pub tenant: String,
    /// The sellers that it is for; `None` for all of its tenant's.
    pub sellers: Option<Vec<SellerId>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is no longer taken.
    pub expires_at: Option<Timestamp>,
    /// When it was taken out of use.
    pub revoked_at: Option<Timestamp>,
}

/// A seller that rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SellerPause {
    /// Since when.
    pub since: Timestamp,
    /// Who wanted that.
    pub by: String,
}

/// Whether a database is a copy, or was put back from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restoration {
    /// When it was put back last.
    pub restored_at: Option<Timestamp>,
    /// Whether it is a copy that nobody put back yet.
    pub is_copy: bool,
    /// When that copy was taken.
    pub taken_at: Option<Timestamp>,
}

/// A request that is to be answered once.
#[derive(Debug, Clone, Copy)]
pub struct AnswerClaim<'a> {
    /// Id of the key that asks.
    pub api_key: &'a str,
    /// Its name for the request.
    pub name: &'a str,
    /// Hash of what is asked.
    pub request: &'a ContentHash,
    /// When.
    pub now: Timestamp,
    /// A request that was begun, or last renewed, before this and never answered ended with its process.
    pub abandoned_before: Timestamp,
}

/// What is known of a request under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Nothing: it is for the caller to answer it, and for nobody else.
    New,
    /// It is being answered.
    UnderWay,
    /// Another request has this name.
    Different,
    /// It was answered so: HTTP status and body.
    Answered(u16, String),
}

/// Where a stream stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState {
    /// Whose.
    pub seller: SellerId,
    /// Where.
    pub region: Region,
    /// Which.
    pub stream: String,
    /// Everything before this has been read.
    pub position: Timestamp,
    /// When it was last asked.
    pub polled_at: Timestamp,
    /// When it last brought something that was not known.
    pub read_at: Option<Timestamp>,
}

/// Which documents are wanted; without a value a filter lets all pass.
#[derive(Debug, Clone, Default)]
pub struct DocumentFilter {
    /// Of these sellers only.
    pub sellers: Vec<SellerId>,
    /// `invoice`, `credit_memo`, `journal` or `receipt`.
    pub kind: Option<String>,
    /// A posting's state.
    pub state: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
    /// Planned at this time or later.
    pub from: Option<Timestamp>,
    /// Planned before this time.
    pub to: Option<Timestamp>,
    /// Those after this one, in the order of time and key.
    pub after: Option<(Timestamp, DocumentKey)>,
}

/// A document of a page.
#[derive(Debug, Clone)]
pub struct PlannedDocument {
    /// When it was planned.
    pub planned_at: Timestamp,
    /// The document.
    pub row: DocumentRow,
}

/// Which open review items are wanted.
#[derive(Debug, Clone, Default)]
pub struct ReviewFilter {
    /// Of these sellers only.
    pub sellers: Vec<SellerId>,
    /// The reason's code.
    pub code: Option<String>,
    /// What kind of thing they are about.
    pub kind: Option<String>,
    /// Those after this number.
    pub after: i64,
}

/// Open review items of a seller, summed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SellerReviews {
    /// Whose.
    pub seller: SellerId,
    /// What kind of thing.
    pub kind: String,
    /// The reason's code.
    pub code: String,
    /// How many.
    pub count: u64,
    /// The money at stake, in one currency.
    pub at_stake: Option<Money>,
    /// Since when the oldest waits.
    pub oldest: Timestamp,
}

/// How many of something a seller has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SellerCount {
    /// Whose.
    pub seller: SellerId,
    /// Of what: a posting's state, a finding's code.
    pub what: String,
    /// How many.
    pub count: u64,
}

/// An audit event with whose it is.
#[derive(Debug, Clone)]
pub struct SellerEvent {
    /// Whose.
    pub seller: SellerId,
    /// The event.
    pub event: AuditRow,
}

/// Reads for those who run the daemon. Part of [`crate::Store`].
///
/// # Errors
/// As for [`crate::Store`].
#[async_trait]
pub trait Operations: Send + Sync {
    /// A key by its id, in use or not.
    async fn api_key(&self, id: &str) -> Result<Option<ApiKey>>;

    /// All keys, the oldest first.
    async fn api_keys(&self) -> Result<Vec<ApiKey>>;

    /// Takes a request on, unless it is known. **Invariant:** of several that ask at once, one is told `New`.
    async fn claim_answer(&self, claim: AnswerClaim<'_>) -> Result<Claimed>;

    /// Says that a request that was taken on is still under way, as if it had been begun now.
    async fn renew_claim(&self, api_key: &str, name: &str, now: Timestamp) -> Result<()>;

    /// Keeps the answer to a request that was taken on; `None` forgets the request.
    async fn keep_answer(&self, api_key: &str, name: &str, answer: Option<(u16, &str)>) -> Result<()>;

    /// Forgets requests that were begun before a time.
    async fn forget_answers(&self, before: Timestamp) -> Result<()>;

    /// Whether a seller's worker rests.
    async fn seller_pause(&self, seller: &SellerId) -> Result<Option<SellerPause>>;

    /// Whether the database is a copy, or was put back from one.
    async fn restoration(&self) -> Result<Restoration>;

    /// Where all streams stand; with a seller, its own.
    async fn stream_states(&self, seller: Option<&SellerId>) -> Result<Vec<StreamState>>;

    /// A page of documents, the oldest first.
    async fn documents_page(&self, filter: &DocumentFilter, limit: u32) -> Result<Vec<PlannedDocument>>;

    /// A page of open review items, in the order of their numbers.
    async fn reviews_page(&self, filter: &ReviewFilter, limit: u32) -> Result<Vec<ReviewRow>>;

    /// A page of audit events of these sellers after a number, perhaps of one subject only.
    async fn events_page(
        &self,
        sellers: &[SellerId],
        subject: Option<&str>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<SellerEvent>>;

    /// Open review items by seller, kind, reason and currency.
    async fn seller_reviews(&self) -> Result<Vec<SellerReviews>>;

    /// Documents by seller and posting state.
    async fn posting_counts(&self) -> Result<Vec<SellerCount>>;

    /// Documents that did not tie out, by seller and finding.
    async fn finding_counts(&self) -> Result<Vec<SellerCount>>;

    /// When the oldest document was planned that is neither confirmed nor rejected, by seller.
    async fn oldest_unposted(&self) -> Result<Vec<(SellerId, Timestamp)>>;

    /// Whether all migrations of this version, and no others, are applied. Fails where the database does not answer.
    async fn schema_is_current(&self) -> Result<bool>;
}
