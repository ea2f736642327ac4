//! Single items of the review queue: reads, and the changes that belong to them.

use async_trait::async_trait;
use ml_connector_domain::Timestamp;
use sqlx::query;

use super::OwnStore;
use super::apply::Tx;
use super::rows::{get, millis, review_row, timestamp};
use crate::reviews::{ReviewChange, Reviews};
use crate::{Result, ReviewRow, failed};

#[async_trait]
impl Reviews for OwnStore {
    async fn review_item(&self, id: i64) -> Result<Option<(ReviewRow, Option<Timestamp>)>> {
        let row = query("SELECT * FROM review_item WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a review item"))?;
        let Some(row) = row else { return Ok(None) };
        let closed = get::<Option<i64>>(&row, "resolved_at")?.map(timestamp).transpose()?;
        Ok(Some((review_row(&row)?, closed)))
    }
}

/// Applies a change about single items.
pub(super) async fn apply(tx: &mut Tx, change: ReviewChange) -> Result<()> {
    let query = match change {
        ReviewChange::Close { id, at } => {
            query("UPDATE review_item SET resolved_at = $1 WHERE id = $2 AND resolved_at IS NULL")
                .bind(millis(at))
                .bind(id)
        }
        ReviewChange::ReadAgain { seller, natural_id } => query(
            "UPDATE raw_payload SET normalized = 0 WHERE seller = $1 AND natural_id = $2 AND NOT EXISTS (
                SELECT 1 FROM canonical c WHERE c.seller = $1 AND c.natural_id = $2 AND c.raw_hash = raw_payload.hash)",
        )
        .bind(seller.as_str().to_owned())
        .bind(natural_id),
    };
    query.execute(&mut **tx).await.map_err(failed("changing a review item"))?;
    Ok(())
}
