//! What is durable about corrections: previews, and what stands behind revised journals.

use async_trait::async_trait;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::JournalLine;
use ml_connector_domain::{DocumentKey, Money, SellerId, Timestamp};

use crate::{BehindJournal, Result};

/// A change about corrections.
#[derive(Debug, Clone)]
pub enum CorrectionChange {
    /// Keeps a preview; one that is known is left alone.
    Preview {
        /// Whose.
        seller: SellerId,
        /// Its name.
        hash: ContentHash,
        /// As JSON.
        body: String,
        /// When it was made.
        at: Timestamp,
    },
    /// Keeps a transaction's lines as they were mapped for a revised journal, after that was planned.
    Booking {
        /// The revised journal.
        document: DocumentKey,
        /// The transaction.
        transaction: String,
        /// Its total.
        total: Money,
        /// The leg of it that the journal stands for.
        leg: String,
        /// Its lines.
        lines: Vec<JournalLine>,
        /// The batch's input hash.
        batch: ContentHash,
    },
}

/// Reads about corrections. Part of [`crate::Store`].
///
/// # Errors
/// As for [`crate::Store`].
#[async_trait]
pub trait Corrections: Send + Sync {
    /// The previews of a seller whose names begin so, as JSON; all of them where nothing is given.
    async fn previews(&self, seller: &SellerId, begins: &str) -> Result<Vec<String>>;

    /// What journals that stand hold of a transaction that changed after it was journaled, oldest first.
    async fn entered(&self, seller: &SellerId, transaction: &str) -> Result<Vec<BehindJournal>>;

    /// The transactions of which an adjusting journal holds a difference.
    async fn adjusted(&self, seller: &SellerId) -> Result<Vec<String>>;
}
