//! Reads of the log and of what its proofs are about.

use async_trait::async_trait;
use ml_connector_domain::audit::merkle::{Frontier, Hash};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{Date, DocumentKey, SellerId, Timestamp, accrual};
use sqlx::query;

use super::log::{corrupt, frontier_row};
use super::rows::{document, from_json, get, millis, money, timestamp};
use super::{OwnStore, Row};
use crate::log::{
    AuditLog, BatchOrigin, BehindJournal, CheckpointRow, LoggedEvent, RecordedDocument, SourceVersion,
};
use crate::{Result, failed};

fn event_row(row: &Row) -> Result<LoggedEvent> {
    Ok(LoggedEvent {
        id: get(row, "id")?,
        at: get(row, "at")?,
        seller: get(row, "seller")?,
        subject: get(row, "subject")?,
        action: get(row, "action")?,
        detail: get(row, "detail")?,
        leaf: get(row, "leaf")?,
    })
}

fn recorded_row(row: &Row) -> Result<RecordedDocument> {
    let planned = timestamp(get(row, "planned_at")?)?;
    Ok(RecordedDocument { row: document(row)?, body: get(row, "body")?, planned })
}

pub(super) fn behind_row(row: &Row) -> Result<BehindJournal> {
    Ok(BehindJournal {
        transaction: get(row, "transaction_id")?,
        leg: get(row, "leg")?,
        total: money(get(row, "total_minor")?, &get::<String>(row, "currency")?)?,
        lines: from_json("journal lines", &get::<String>(row, "lines")?)?,
        batch: ContentHash::from_stored(get::<String>(row, "batch")?),
    })
}

fn source_row(row: &Row) -> Result<SourceVersion> {
    Ok(SourceVersion {
        kind: get(row, "kind")?,
        natural_id: get(row, "natural_id")?,
        version: get(row, "version")?,
        record: get(row, "record")?,
        payload: ContentHash::from_stored(get::<String>(row, "raw_hash")?),
        stream: get(row, "stream")?,
        body: get(row, "body")?,
        redacted: get::<i64>(row, "buyer_data")? == 2,
    })
}

impl OwnStore {
    /// What a journal of deferred money accrues or takes back, as it entered it.
    async fn accrued_behind(&self, key: &DocumentKey) -> Result<Vec<BehindJournal>> {
        let rows = query(
            "SELECT a.*, g.leg FROM recognition g
             JOIN accrual a ON a.seller = g.seller AND a.transaction_id = g.source
             WHERE g.document = $1 AND g.leg IN ('accrual', 'accrual-reversal') ORDER BY a.transaction_id",
        )
        .bind(key.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading what stands behind a month's deferred money"))?;
        let read = |row: &Row| {
            let mut behind = behind_row(row)?;
            if behind.leg == "accrual-reversal" {
                let month: String = get(row, "month")?;
                behind.lines = accrual::released(&behind.lines, accrual::last_day(&month));
                behind.total = behind.total.negated();
            }
            Ok(behind)
        };
        rows.iter().map(read).collect()
    }
}

#[async_trait]
impl AuditLog for OwnStore {
    async fn log_frontier(&self) -> Result<Option<Frontier>> {
        let row = query("SELECT size, peaks FROM audit_log").fetch_optional(&self.pool).await;
        Ok(row.map_err(failed("reading the audit log's end"))?.as_ref().and_then(frontier_row))
    }

    async fn log_events(&self, after: i64, limit: u32) -> Result<Vec<LoggedEvent>> {
        // As bytes, whatever somebody put there: what is no text would otherwise end the reading and not be located.
        let rows = query(concat!(
            "SELECT id, ",
            as_bytes!("at"),
            as_bytes!("seller"),
            as_bytes!("subject"),
            as_bytes!("action"),
            as_bytes!("detail"),
            "leaf FROM audit_event WHERE id > $1 ORDER BY id LIMIT $2"
        ))
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading audit events"))?;
        rows.iter().map(event_row).collect()
    }

    async fn log_leaves(&self) -> Result<Vec<Hash>> {
        let rows = query("SELECT id, leaf FROM audit_event ORDER BY id").fetch_all(&self.pool).await;
        let read = |row: &Row| {
            let leaf = get::<Option<Vec<u8>>>(row, "leaf")?.and_then(|leaf| Hash::from_bytes(&leaf));
            let id: i64 = get(row, "id")?;
            leaf.ok_or_else(|| corrupt(format!("event {id} has no leaf: run `ml-connector audit verify`")))
        };
        rows.map_err(failed("reading leaves"))?.iter().map(read).collect()
    }

    async fn log_checkpoints(&self) -> Result<Vec<CheckpointRow>> {
        let rows = query("SELECT size, note FROM audit_checkpoint ORDER BY size").fetch_all(&self.pool).await;
        let read = |row: &Row| Ok(CheckpointRow { size: get(row, "size")?, note: get(row, "note")? });
        rows.map_err(failed("reading checkpoints"))?.iter().map(read).collect()
    }

    async fn newest_checkpoint(&self) -> Result<Option<CheckpointRow>> {
        let row = query("SELECT size, note FROM audit_checkpoint ORDER BY size DESC LIMIT 1");
        let row = row.fetch_optional(&self.pool).await.map_err(failed("reading the newest checkpoint"))?;
        row.map(|row| Ok(CheckpointRow { size: get(&row, "size")?, note: get(&row, "note")? })).transpose()
    }

    async fn log_key(&self) -> Result<Option<String>> {
        let row = query("SELECT public FROM audit_key").fetch_optional(&self.pool).await;
        row.map_err(failed("reading the audit key"))?.map(|row| get(&row, "public")).transpose()
    }

    async fn confirmed_documents(
        &self,
        from: Date,
        to: Date,
        seller: Option<&SellerId>,
    ) -> Result<Vec<RecordedDocument>> {
        let rows = query(
            "SELECT d.body, d.body_hash, d.expected_minor, d.planned_at, p.detail
             FROM document d JOIN posting p ON p.document = d.key
             WHERE p.state = 'confirmed' AND ($1 IS NULL OR d.seller = $1) AND d.body ->> '$.date' BETWEEN $2 AND $3
             ORDER BY d.body ->> '$.date', d.key",
        )
        .bind(seller.map(SellerId::as_str))
        .bind(from.to_string())
        .bind(to.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading confirmed documents"))?;
        rows.iter().map(recorded_row).collect()
    }

    async fn recorded_document(&self, key: &DocumentKey) -> Result<Option<RecordedDocument>> {
        let row = query(
            "SELECT d.body, d.body_hash, d.expected_minor, d.planned_at, p.detail
             FROM document d JOIN posting p ON p.document = d.key WHERE d.key = $1",
        )
        .bind(key.as_str())
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("reading a document"))?;
        row.as_ref().map(recorded_row).transpose()
    }

    async fn behind_journal(&self, key: &DocumentKey) -> Result<Vec<BehindJournal>> {
        let mut behind = self.behind_revision(key).await?;
        let rows = query(concat!(
            "SELECT DISTINCT b.*, g.leg FROM recognition g JOIN work w ",
            indexed_by!("work_by_economic"),
            "ON w.seller = g.seller AND w.kind = 'transaction' AND w.economic_id = g.source
             JOIN booking b ON b.seller = w.seller AND b.transaction_id = w.natural_id
             WHERE g.document = $1 AND g.leg = 'settlement' AND NOT EXISTS (
                SELECT 1 FROM revised_booking r WHERE r.document = g.document AND r.transaction_id = b.transaction_id)"
        ))
        .bind(key.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading what stands behind a journal"))?;
        for row in &rows {
            behind.push(behind_row(row)?);
        }
        behind.sort_by(|a, b| a.transaction.cmp(&b.transaction));
        behind.extend(self.accrued_behind(key).await?);
        Ok(behind)
    }

    async fn recognitions(&self, key: &DocumentKey) -> Result<Vec<(String, String)>> {
        let rows = query("SELECT source, leg FROM recognition WHERE document = $1 ORDER BY source, leg")
            .bind(key.as_str())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading recognitions"))?;
        rows.iter().map(|row| Ok((get(row, "source")?, get(row, "leg")?))).collect()
    }

    async fn batch_origin(&self, input: &ContentHash) -> Result<Option<BatchOrigin>> {
        let row = query("SELECT mapper, contract, catalog FROM mapper_batch WHERE input = $1")
            .bind(input.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a batch"))?;
        let read = |row: Row| {
            Ok(BatchOrigin {
                mapper: ContentHash::from_stored(get::<String>(&row, "mapper")?),
                contract: get(&row, "contract")?,
                catalog: ContentHash::from_stored(get::<String>(&row, "catalog")?),
            })
        };
        row.map(read).transpose()
    }

    async fn sources_at(&self, seller: &SellerId, id: &str, at: Timestamp) -> Result<Vec<SourceVersion>> {
        let rows = query(concat!(
            "SELECT * FROM (
                SELECT c.kind, c.natural_id, c.version, c.record, c.raw_hash, r.stream, r.body, r.buyer_data,
                    row_number() OVER (PARTITION BY c.kind, c.natural_id ORDER BY c.version DESC) AS age
                FROM (SELECT kind, natural_id FROM work
                      WHERE seller = $1 AND kind IN ('order', 'group') AND natural_id = $2
                      UNION SELECT kind, natural_id FROM work ",
            indexed_by!("work_by_economic"),
            "WHERE seller = $1 AND kind = 'transaction' AND economic_id = $2
                      UNION SELECT kind, natural_id FROM work
                      WHERE seller = $1 AND kind = 'transaction' AND natural_id = $2) AS w
                JOIN canonical c ON c.seller = $1 AND c.kind = w.kind AND c.natural_id = w.natural_id
                    AND c.made_at <= $3
                JOIN raw_payload r ON r.seller = $1 AND r.stream = c.kind || 's' AND r.natural_id = c.natural_id
                    AND r.hash = c.raw_hash) AS known
             WHERE age = 1 ORDER BY kind, natural_id"
        ))
        .bind(seller.as_str())
        .bind(id)
        .bind(millis(at))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("looking for sources"))?;
        rows.iter().map(source_row).collect()
    }

    async fn catalog_body(&self, hash: &ContentHash) -> Result<Option<String>> {
        let row = query("SELECT body FROM catalog_version WHERE hash = $1")
            .bind(hash.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a catalog"))?;
        row.map(|row| get(&row, "body")).transpose()
    }

    async fn group_of_settlement(&self, settlement: &str) -> Result<Option<String>> {
        let row = query(
            "SELECT w.group_id FROM canonical c JOIN work w USING (seller, kind, natural_id, version)
             WHERE c.kind = 'transaction' AND c.record ->> '$.settlement' = $1 AND w.group_id IS NOT NULL LIMIT 1",
        )
        .bind(settlement)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("looking for a settlement"))?;
        row.map(|row| get(&row, "group_id")).transpose()
    }
}
