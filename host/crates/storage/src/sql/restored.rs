//! Whether a database was put back from a copy.

use ml_connector_domain::Timestamp;
use sqlx::query;

use super::OwnStore;
use super::apply::Tx;
use super::rows::{get, millis, timestamp};
use crate::operations::Restoration;
use crate::{Result, failed};

/// Marks the database as put back, whoever made the copy.
pub(super) async fn restored(tx: &mut Tx, events: u64, at: Timestamp) -> Result<()> {
    let marked = query("UPDATE restoration SET restored_at = $1 WHERE restored_at IS NULL")
        .bind(millis(at))
        .execute(&mut **tx)
        .await
        .map_err(failed("marking a copy as put back"))?;
    if marked.rows_affected() == 0 {
        query("INSERT INTO restoration (events, restored_at) VALUES ($1, $2)")
            .bind(i64::try_from(events).unwrap_or(i64::MAX))
            .bind(millis(at))
            .execute(&mut **tx)
            .await
            .map_err(failed("marking a database as put back"))?;
    }
    Ok(())
}

impl OwnStore {
    pub(super) async fn restoration_state(&self) -> Result<Restoration> {
        let row = query(
            "SELECT max(restored_at) AS restored_at, count(*) - count(restored_at) AS copies,
                    max(CASE WHEN restored_at IS NULL THEN taken_at END) AS taken_at
             FROM restoration",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(failed("reading whether the database was put back"))?;
        let time = |column| get::<Option<i64>>(&row, column)?.map(timestamp).transpose();
        Ok(Restoration {
            restored_at: time("restored_at")?,
            is_copy: get::<i64>(&row, "copies")? > 0,
            taken_at: time("taken_at")?,
        })
    }
}
