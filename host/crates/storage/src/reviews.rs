//! Single items of the review queue.

use async_trait::async_trait;
use ml_connector_domain::{SellerId, Timestamp};

use crate::{Result, ReviewRow};

/// A change about single items.
#[derive(Debug, Clone)]
pub enum ReviewChange {
    /// Closes one item, and no other about the same thing.
    Close {
        /// Its number.
        id: i64,
        /// When.
        at: Timestamp,
    },
    /// Has payloads read again that could not be made into a record.
    ReadAgain {
        /// Whose.
        seller: SellerId,
        /// Amazon's id.
        natural_id: String,
    },
}

/// Reads about single items. Part of [`crate::Store`].
///
/// # Errors
/// As for [`crate::Store`].
#[async_trait]
pub trait Reviews: Send + Sync {
    /// An item with the time at which it was closed, if it was.
    async fn review_item(&self, id: i64) -> Result<Option<(ReviewRow, Option<Timestamp>)>>;
}
