//! Corrections: reads, and the changes that belong to them.

use async_trait::async_trait;
use ml_connector_domain::{DocumentKey, SellerId};
use sqlx::query;

use super::OwnStore;
use super::apply::Tx;
use super::log_read::behind_row;
use super::rows::{get, millis, to_json};
use crate::corrections::{CorrectionChange, Corrections};
use crate::{BehindJournal, Result, failed};

#[async_trait]
impl Corrections for OwnStore {
    async fn previews(&self, seller: &SellerId, begins: &str) -> Result<Vec<String>> {
        let rows = query(
            "SELECT body FROM correction_preview WHERE seller = $1 AND substr(hash, 1, length($2)) = $2 ORDER BY at",
        )
        .bind(seller.as_str())
        .bind(begins)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading previews"))?;
        rows.iter().map(|row| get(row, "body")).collect()
    }

    async fn entered(&self, seller: &SellerId, transaction: &str) -> Result<Vec<BehindJournal>> {
        let rows = query(
            "SELECT b.* FROM revised_booking b JOIN document d ON d.key = b.document
             WHERE b.transaction_id = $2 AND d.seller = $1 AND b.leg IN ('settlement', 'adjustment')
                AND NOT EXISTS (SELECT 1 FROM recognition r WHERE r.seller = d.seller AND r.source = d.key
                    AND r.leg IN ('reversal', 'replacement'))
             ORDER BY d.planned_at, d.key",
        )
        .bind(seller.as_str())
        .bind(transaction)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading what journals hold of a transaction"))?;
        rows.iter().map(behind_row).collect()
    }

    async fn adjusted(&self, seller: &SellerId) -> Result<Vec<String>> {
        let rows = query(
            "SELECT DISTINCT b.transaction_id FROM revised_booking b JOIN document d ON d.key = b.document
             WHERE b.leg = 'adjustment' AND d.seller = $1 ORDER BY b.transaction_id",
        )
        .bind(seller.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading adjusted transactions"))?;
        rows.iter().map(|row| get(row, "transaction_id")).collect()
    }
}

impl OwnStore {
    /// What stands behind a revised journal, and behind any journal of transactions that changed after it was planned.
    pub(super) async fn behind_revision(&self, key: &DocumentKey) -> Result<Vec<BehindJournal>> {
        let rows = query("SELECT * FROM revised_booking WHERE document = $1 ORDER BY transaction_id")
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
                "INSERT INTO correction_preview (hash, seller, body, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
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
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
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
