//! What is durable of what changes in Fusion: how far it was read, and what it showed last.

use async_trait::async_trait;
use ml_connector_domain::document::Kind;
use ml_connector_domain::{DocumentKey, Money, SellerId, Timestamp};

use crate::Result;

/// A change to what is known of Fusion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FusionChange {
    /// Moves the cursor of a collection.
    Cursor {
        /// Whose.
        seller: SellerId,
        /// Which collection, or which other question.
        resource: &'static str,
        /// Everything that Fusion changed before this has been read.
        position: Timestamp,
        /// When it was read.
        at: Timestamp,
    },
    /// Keeps what Fusion shows of a document in place of what it showed before.
    Document {
        /// Whose.
        seller: SellerId,
        /// The document.
        key: DocumentKey,
        /// What it shows.
        shown: ShownDocument,
        /// When.
        at: Timestamp,
    },
    /// Makes a document due for comparison at once, if it was compared before.
    CompareAgain {
        /// The document.
        key: DocumentKey,
        /// Only if the last comparison is older than this; always without it.
        older_than: Option<Timestamp>,
    },
    /// Keeps whether an account or a period takes postings.
    Usable {
        /// Whose.
        seller: SellerId,
        /// Which of the two.
        kind: Ledger,
        /// The combination, or the period as its asker names it.
        name: String,
        /// Whether it does.
        usable: bool,
        /// When Fusion said so.
        at: Timestamp,
    },
}

/// What Fusion shows of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownDocument {
    /// Its status, in Fusion's word.
    pub status: String,
    /// What is still open of it; a journal batch has none.
    pub balance: Option<Money>,
    /// When Fusion changed it last, by Fusion's clock.
    pub updated: Timestamp,
}

/// What in the ledger may stop taking postings. The names are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ledger {
    /// An account combination.
    Account,
    /// A period of a module.
    Period,
}

impl Ledger {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Period => "period",
        }
    }
}

/// A confirmed document with what Fusion showed of it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedDocument {
    /// Its key.
    pub key: DocumentKey,
    /// What it is about.
    pub subject: String,
    /// What Fusion showed last; `None` if it was not seen yet.
    pub shown: Option<ShownDocument>,
}

/// An account that documents use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountUse {
    /// The combination.
    pub account: String,
    /// Documents with it that Fusion has confirmed.
    pub posted: u64,
    /// Documents and booked transactions with it that are still to be posted.
    pub waiting: u64,
}

/// Reads of what is known of Fusion. Part of [`crate::Store`].
///
/// # Errors
/// As for [`crate::Store`].
#[async_trait]
pub trait Watching: Send + Sync {
    /// How far a collection was read, and when: `(position, read_at)`.
    async fn fusion_cursor(
        &self,
        seller: &SellerId,
        resource: &str,
    ) -> Result<Option<(Timestamp, Timestamp)>>;

    /// When a seller's first document was planned; `None` if there is nothing to watch.
    async fn first_planned(&self, seller: &SellerId) -> Result<Option<Timestamp>>;

    /// The confirmed document of a kind that Fusion knows under a number.
    async fn watched(
        &self,
        seller: &SellerId,
        kind: Kind,
        fusion_id: &str,
    ) -> Result<Option<WatchedDocument>>;

    /// The accounts of documents that were planned since `since` or are still to be posted, and of bookings that wait.
    async fn accounts_in_use(&self, seller: &SellerId, since: Timestamp) -> Result<Vec<AccountUse>>;

    /// The dates of documents that are still to be posted: `(kind, date, how many)`.
    async fn dates_waiting(&self, seller: &SellerId) -> Result<Vec<(String, String, u64)>>;

    /// What was last said of a seller's accounts or periods: `(name, usable)`.
    async fn ledger_states(&self, seller: &SellerId, kind: Ledger) -> Result<Vec<(String, bool)>>;

    /// Documents that Fusion has shown, over all sellers, by status: `(kind, status, how many)`.
    async fn shown_totals(&self) -> Result<Vec<(String, String, u64)>>;
}
