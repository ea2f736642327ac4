//! Corrections: reads, and the changes that belong to them.

use async_trait::async_trait;
use ml_connector_domain::{DocumentKey, SellerId};
use sqlx::query;

use super::apply::Tx;
use super::log::read::behind_row;
use super::rows::{get, millis, to_json};
use super::{SqliteStore, failed};
use crate::corrections::{CorrectionChange, Corrections};
use crate::{BehindJournal, Result};

#[async_trait]
impl Corrections for SqliteStore {
    async fn previews(&self, seller: &SellerId, begins: &str) -> Result<Vec<String>> {
        let rows = query(
            "SELECT body FROM correction_preview WHERE seller = ? AND substr(hash, 1, length(?2)) = ?2 ORDER BY at",
        )
        .bind(seller.as_str())
        .bind(begins)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading previews"))?;
        rows.iter().map(|row| get(row, "body")).collect()
    }
}

impl SqliteStore {
    /// What stands behind a revised journal; nothing for a first revision.
    pub(super) async fn behind_revision(&self, key: &DocumentKey) -> Result<Vec<BehindJournal>> {
        let rows = query("SELECT * FROM revised_booking WHERE document = ? ORDER BY transaction_id")
            .bind(key.as_str())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading what stands behind a revised journal"))?;
        rows.iter().map(behind_row).collect()
    }
}

/// Applies a change about corrections.
pub(super) async fn apply(tx: &mut Tx, change: CorrectionChange) -> Result<()> {
    match change {
        CorrectionChange::Preview { seller, hash, body, at } => {
            query(
                "INSERT INTO correction_preview (hash, seller, body, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            )
            .bind(hash.as_str())
            .bind(seller.as_str())
            .bind(body)
            .bind(millis(at))
            .execute(&mut **tx)
            .await
            .map_err(failed("keeping a preview"))?;
        }
        CorrectionChange::Booking { document, transaction, total, leg, lines, batch } => {
            query(
                "INSERT INTO revised_booking (document, transaction_id, total_minor, currency, leg, lines, batch)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(document.as_str())
            .bind(transaction)
            .bind(total.minor)
            .bind(total.currency.code())
            .bind(leg)
            .bind(to_json("journal lines", &lines)?)
            .bind(batch.as_str())
            .execute(&mut **tx)
            .await
            .map_err(failed("keeping a revised booking"))?;
        }
    }
    Ok(())
}
