//! Reads.

use async_trait::async_trait;
use ml_connector_domain::document::Kind;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{DocumentKey, GroupId, Money, OrderId, Region, SellerId, Timestamp};
use sqlx::query;
use tracing::Instrument as _;

use super::rows::{
    audit_row, booking_row, count, cursor_row, document, from_json, get, millis, money, optional_money,
    raw_row, review_row, stage_row, timestamp,
};
use super::upkeep::sealed_row;
use super::{OwnStore, Row};
use crate::{
    AuditRow, BookedTransaction, Change, CheckedDocument, Counts, Cursor, DocumentRow, MapperTotals,
    Previous, RawPayload, Result, ReviewRow, ReviewTotals, SealedCredential, SettledTransaction, StageCount,
    Store, failed,
};

/// A document with its posting; what follows is a condition of ours, never text from outside.
macro_rules! documents_where {
    ($condition:literal) => {
        concat!(
            "SELECT d.body, d.body_hash, d.expected_minor, p.detail \
             FROM document d JOIN posting p ON p.document = d.key ",
            $condition
        )
    };
}

#[async_trait]
impl Store for OwnStore {
    async fn apply(&self, changes: Vec<Change>) -> Result<()> {
        // Counted by `serve --account`.
        let span = tracing::trace_span!(target: "ml_connector::account", "apply");
        self.apply_all(changes).instrument(span).await
    }

    async fn cursor(&self, seller: &SellerId, region: Region, stream: &str) -> Result<Option<Cursor>> {
        let row = query("SELECT * FROM cursor WHERE seller = $1 AND region = $2 AND stream = $3")
            .bind(seller.as_str())
            .bind(region.as_str())
            .bind(stream)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a cursor"))?;
        row.as_ref().map(cursor_row).transpose()
    }

    async fn pending_raw(&self, seller: &SellerId, limit: u32) -> Result<Vec<RawPayload>> {
        let rows = query(
            "SELECT stream, natural_id, hash, region, body FROM raw_payload
             WHERE seller = $1 AND normalized = 0 AND stream <> 'reports' ORDER BY stream, seen_at LIMIT $2",
        )
        .bind(seller.as_str())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading payloads"))?;
        rows.iter().map(raw_row).collect()
    }

    async fn newest(&self, seller: &SellerId, kind: &str, natural_id: &str) -> Result<Option<Previous>> {
        let row = query(
            "SELECT w.stage, c.record FROM work w JOIN canonical c USING (seller, kind, natural_id, version)
             WHERE w.seller = $1 AND w.kind = $2 AND w.natural_id = $3",
        )
        .bind(seller.as_str())
        .bind(kind)
        .bind(natural_id)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("reading a record"))?;
        row.map(|row| Ok(Previous { stage: get(&row, "stage")?, record: get(&row, "record")? })).transpose()
    }

    async fn has_twin(
        &self,
        seller: &SellerId,
        kind: &str,
        economic_id: &str,
        natural_id: &str,
    ) -> Result<bool> {
        let row = query(concat!(
            "SELECT 1 AS one FROM work ",
            indexed_by!("work_by_economic"),
            "WHERE seller = $1 AND kind = $2 AND economic_id = $3 AND natural_id <> $4 LIMIT 1"
        ))
        .bind(seller.as_str())
        .bind(kind)
        .bind(economic_id)
        .bind(natural_id)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("looking for a twin"))?;
        Ok(row.is_some())
    }

    async fn at_stage(&self, seller: &SellerId, kind: &str, stage: &str, limit: u32) -> Result<Vec<String>> {
        let rows = query(
            "SELECT c.record FROM work w JOIN canonical c USING (seller, kind, natural_id, version)
             WHERE w.seller = $1 AND w.kind = $2 AND w.stage = $3 ORDER BY w.natural_id LIMIT $4",
        )
        .bind(seller.as_str())
        .bind(kind)
        .bind(stage)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading records at a stage"))?;
        rows.iter().map(|row| get(row, "record")).collect()
    }

    async fn group_stages(&self, seller: &SellerId, group: &GroupId) -> Result<Vec<StageCount>> {
        let rows = query(
            "SELECT kind, stage, count(*) AS n FROM work
             WHERE seller = $1 AND group_id = $2 AND kind = 'transaction' GROUP BY kind, stage",
        )
        .bind(seller.as_str())
        .bind(group.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("counting a settlement's transactions"))?;
        rows.iter().map(stage_row).collect()
    }

    async fn bookings(&self, seller: &SellerId, group: &GroupId) -> Result<Vec<BookedTransaction>> {
        let rows = query(
            "SELECT b.*, w.economic_id, c.record ->> '$.posted' AS posted,
                    m.mapper, m.catalog, m.contract, m.settings FROM booking b
             JOIN work w ON w.seller = b.seller AND w.kind = 'transaction' AND w.natural_id = b.transaction_id
             JOIN canonical c ON c.seller = w.seller AND c.kind = w.kind AND c.natural_id = w.natural_id
                AND c.version = w.version
             JOIN mapper_batch m ON m.input = b.batch
             WHERE b.seller = $1 AND b.group_id = $2 AND w.stage = 'booked' ORDER BY b.transaction_id",
        )
        .bind(seller.as_str())
        .bind(group.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading bookings"))?;
        rows.iter().map(booking_row).collect()
    }

    async fn groups_with_cash(&self, seller: &SellerId, now: Timestamp, limit: u32) -> Result<Vec<String>> {
        let rows = query(
            "SELECT c.record FROM work w JOIN canonical c USING (seller, kind, natural_id, version)
             LEFT JOIN settlement_cash s ON s.seller = w.seller AND s.group_id = w.natural_id
             WHERE w.seller = $1 AND w.kind = 'group' AND w.stage = 'documented'
                AND (s.group_id IS NULL OR s.next_look <= $2)
             ORDER BY w.natural_id LIMIT $3",
        )
        .bind(seller.as_str())
        .bind(millis(now))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading settlements with cash"))?;
        rows.iter().map(|row| get(row, "record")).collect()
    }

    async fn settled(&self, seller: &SellerId, group: &GroupId) -> Result<Vec<SettledTransaction>> {
        let rows = query(
            "SELECT b.lines, b.batch, w.economic_id, m.mapper, m.catalog, m.contract, m.settings, c.record FROM booking b
             JOIN work w ON w.seller = b.seller AND w.kind = 'transaction' AND w.natural_id = b.transaction_id
             JOIN canonical c ON c.seller = w.seller AND c.kind = w.kind AND c.natural_id = w.natural_id
                AND c.version = w.version
             JOIN mapper_batch m ON m.input = b.batch
             WHERE b.seller = $1 AND b.group_id = $2 AND w.stage = 'documented' AND NOT EXISTS (
                SELECT 1 FROM recognition r WHERE r.seller = b.seller AND r.source = w.economic_id AND r.leg = 'receipt')
             ORDER BY b.transaction_id",
        )
        .bind(seller.as_str())
        .bind(group.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading a settlement's transactions"))?;
        let settled = |row: &Row| {
            Ok(SettledTransaction {
                economic_id: get(row, "economic_id")?,
                lines: from_json("journal lines", &get::<String>(row, "lines")?)?,
                batch: ContentHash::from_stored(get::<String>(row, "batch")?),
                mapper: ContentHash::from_stored(get::<String>(row, "mapper")?),
                catalog: ContentHash::from_stored(get::<String>(row, "catalog")?),
                contract: get(row, "contract")?,
                settings: ContentHash::from_stored(get::<String>(row, "settings")?),
                record: get(row, "record")?,
            })
        };
        rows.iter().map(settled).collect()
    }

    async fn credit_memos_of(&self, seller: &SellerId, order: &OrderId) -> Result<Vec<DocumentRow>> {
        let rows = query(documents_where!(
            "WHERE d.kind = 'credit_memo' AND d.seller = $1 AND json_extract(d.body, '$.body.order') = $2 ORDER BY d.key"
        ))
        .bind(seller.as_str())
        .bind(order.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading an order's credit memos"))?;
        rows.iter().map(document).collect()
    }

    async fn recognized_by(&self, seller: &SellerId, source: &str, leg: &str) -> Result<Option<DocumentKey>> {
        let row = query("SELECT document FROM recognition WHERE seller = $1 AND source = $2 AND leg = $3")
            .bind(seller.as_str())
            .bind(source)
            .bind(leg)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a recognition"))?;
        row.map(|row| Ok(DocumentKey::from_stored(get::<String>(&row, "document")?))).transpose()
    }

    async fn document(&self, key: &DocumentKey) -> Result<Option<DocumentRow>> {
        let row = query(documents_where!("WHERE d.key = $1"))
            .bind(key.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a document"))?;
        row.as_ref().map(document).transpose()
    }

    async fn due_postings(&self, seller: &SellerId, now: Timestamp, limit: u32) -> Result<Vec<DocumentRow>> {
        let rows = query(documents_where!(
            "WHERE p.seller = $1 AND p.next_due <= $2 ORDER BY p.next_due, d.key LIMIT $3"
        ))
        .bind(seller.as_str())
        .bind(millis(now))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading due postings"))?;
        rows.iter().map(document).collect()
    }

    async fn next_posting_due(&self, seller: &SellerId) -> Result<Option<Timestamp>> {
        let row =
            query("SELECT min(next_due) AS due FROM posting WHERE seller = $1 AND next_due IS NOT NULL")
                .bind(seller.as_str())
                .fetch_one(&self.pool)
                .await
                .map_err(failed("reading when a posting is due"))?;
        get::<Option<i64>>(&row, "due")?.map(timestamp).transpose()
    }

    async fn postings_in(&self, seller: &SellerId, state: &str, limit: u32) -> Result<Vec<DocumentRow>> {
        let rows = query(documents_where!("WHERE p.seller = $1 AND p.state = $2 ORDER BY d.key LIMIT $3"))
            .bind(seller.as_str())
            .bind(state)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading postings"))?;
        rows.iter().map(document).collect()
    }

    async fn unreconciled(
        &self,
        seller: &SellerId,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<DocumentRow>> {
        let rows = query(documents_where!(
            "LEFT JOIN reconciliation r ON r.document = d.key
             WHERE p.seller = $1 AND p.state = 'confirmed' AND coalesce(r.checked_at, 0) < $2
             ORDER BY r.checked_at NULLS FIRST, d.key LIMIT $3"
        ))
        .bind(seller.as_str())
        .bind(millis(before))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading documents to be compared"))?;
        rows.iter().map(document).collect()
    }

    async fn credential(&self, seller: &str, kind: &str) -> Result<Option<SealedCredential>> {
        let row = query("SELECT version, sealed, set_at FROM credential WHERE seller = $1 AND kind = $2")
            .bind(seller)
            .bind(kind)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a credential"))?;
        row.as_ref().map(sealed_row).transpose()
    }

    async fn open_reviews(&self, limit: u32) -> Result<Vec<ReviewRow>> {
        let rows =
            query("SELECT * FROM review_item WHERE resolved_at IS NULL ORDER BY opened_at, id LIMIT $1")
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await
                .map_err(failed("reading the review queue"))?;
        rows.iter().map(review_row).collect()
    }

    async fn review_is_open(&self, seller: &SellerId, kind: &str, subject: &str, code: &str) -> Result<bool> {
        let row = query(
            "SELECT 1 AS one FROM review_item
             WHERE seller = $1 AND kind = $2 AND subject = $3 AND code = $4 AND resolved_at IS NULL LIMIT 1",
        )
        .bind(seller.as_str())
        .bind(kind)
        .bind(subject)
        .bind(code)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("looking for a review item"))?;
        Ok(row.is_some())
    }

    async fn review_totals(&self) -> Result<Vec<ReviewTotals>> {
        let rows = query(
            "SELECT kind, code, about, currency, CAST(sum(minor) AS BIGINT) AS minor, count(DISTINCT subject) AS n,
                    min(opened_at) AS oldest
             FROM review_item WHERE resolved_at IS NULL GROUP BY kind, code, about, currency
             ORDER BY kind, code, about, currency NULLS FIRST",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed("summing the review queue"))?;
        let totals = |row: &Row| {
            Ok(ReviewTotals {
                kind: get(row, "kind")?,
                code: get(row, "code")?,
                about: get(row, "about")?,
                subjects: count(row, "n")?,
                at_stake: optional_money(row)?,
                oldest: timestamp(get(row, "oldest")?)?,
            })
        };
        rows.iter().map(totals).collect()
    }

    async fn findings(&self, limit: u32) -> Result<Vec<CheckedDocument>> {
        let rows = query(
            "SELECT d.key, d.kind, d.subject, r.code, r.message
             FROM reconciliation r JOIN document d ON d.key = r.document
             WHERE r.code IS NOT NULL ORDER BY d.kind, d.subject LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading findings"))?;
        let checked = |row: &Row| {
            let code: Option<String> = get(row, "code")?;
            let message: Option<String> = get(row, "message")?;
            Ok(CheckedDocument {
                key: DocumentKey::from_stored(get::<String>(row, "key")?),
                kind: get(row, "kind")?,
                subject: get(row, "subject")?,
                finding: code.map(|code| (code, message.unwrap_or_default())),
            })
        };
        rows.iter().map(checked).collect()
    }

    async fn story(&self, subjects: &[String]) -> Result<Vec<AuditRow>> {
        let mut story = Vec::new();
        for subject in subjects {
            let rows = query("SELECT * FROM audit_event WHERE subject = $1 ORDER BY id")
                .bind(subject)
                .fetch_all(&self.pool)
                .await
                .map_err(failed("reading audit events"))?;
            story.extend(rows.iter().map(audit_row).collect::<Result<Vec<_>>>()?);
        }
        story.sort_by_key(|event| event.id);
        story.dedup_by_key(|event| event.id);
        Ok(story)
    }

    async fn documents_about(&self, text: &str) -> Result<Vec<DocumentRow>> {
        let rows = query(documents_where!(
            "WHERE d.subject = $1 OR d.key = $1 OR p.fusion_id = $1
                OR d.key IN (SELECT document FROM recognition WHERE source = $1)
                OR json_extract(d.body, '$.body.order') = $1 OR json_extract(d.body, '$.body.group') = $1
             ORDER BY d.planned_at, d.key LIMIT 100"
        ))
        .bind(text)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("looking for documents"))?;
        rows.iter().map(document).collect()
    }

    async fn sources_about(&self, natural_id: &str) -> Result<Vec<(String, String, String)>> {
        let rows = query(
            "SELECT w.kind, c.record, r.body FROM work w
             JOIN canonical c USING (seller, kind, natural_id, version)
             JOIN raw_payload r ON r.seller = w.seller AND r.stream = w.kind || 's'
                AND r.natural_id = w.natural_id AND r.hash = c.raw_hash
             WHERE w.natural_id = $1",
        )
        .bind(natural_id)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("looking for sources"))?;
        rows.iter().map(|row| Ok((get(row, "kind")?, get(row, "body")?, get(row, "record")?))).collect()
    }

    async fn example_order(&self) -> Result<Option<String>> {
        let row = query(
            "SELECT subject FROM (
                SELECT 1 AS rank, json_extract(c.body, '$.body.order') AS subject FROM document c
                JOIN posting p ON p.document = c.key AND p.state = 'confirmed' WHERE c.kind = 'credit_memo'
                UNION ALL
                SELECT 2, i.subject FROM document i
                JOIN posting p ON p.document = i.key AND p.state = 'confirmed' WHERE i.kind = 'invoice') AS found
             ORDER BY rank, subject LIMIT 1",
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("looking for an example"))?;
        row.map(|row| get(&row, "subject")).transpose()
    }

    async fn counts(&self) -> Result<Counts> {
        let stages = query("SELECT kind, stage, count(*) AS n FROM work GROUP BY kind, stage")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("counting records"))?;
        let postings = query(
            "SELECT d.kind, p.state, count(*) AS n FROM document d JOIN posting p ON p.document = d.key
             GROUP BY d.kind, p.state",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed("counting postings"))?;
        let row = query(
            "SELECT (SELECT count(*) FROM recognition r JOIN document d ON d.key = r.document
                     WHERE r.leg = 'replacement' AND d.kind = 'invoice') AS replaced,
                    (SELECT count(*) FROM recognition r JOIN document d ON d.key = r.document
                     WHERE r.leg = 'receivable' AND CAST(d.body ->> '$.body.shipment.number' AS BIGINT) > 1) AS further_shipments,
                    (SELECT count(*) FROM reconciliation) AS checks,
                    (SELECT count(*) FROM reconciliation WHERE code IS NOT NULL) AS differences,
                    (SELECT count(*) FROM audit_event) AS events,
                    (SELECT count(*) FROM raw_payload) AS payloads,
                    (SELECT count(*) FROM canonical WHERE kind = 'order') AS order_versions,
                    (SELECT count(*) FROM mapper_batch) AS batches,
                    (SELECT count(*) FROM mapper_batch WHERE fault IS NOT NULL) AS faults,
                    (SELECT CAST(coalesce(sum(records), 0) AS BIGINT) FROM mapper_batch) AS records,
                    (SELECT CAST(coalesce(sum(fuel), 0) AS BIGINT) FROM mapper_batch) AS fuel",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(failed("counting"))?;
        let posting = |row: &Row| Ok((get(row, "kind")?, get(row, "state")?, count(row, "n")?));
        Ok(Counts {
            stages: stages.iter().map(stage_row).collect::<Result<_>>()?,
            postings: postings.iter().map(posting).collect::<Result<_>>()?,
            replaced: count(&row, "replaced")?,
            further_shipments: count(&row, "further_shipments")?,
            checks: count(&row, "checks")?,
            differences: count(&row, "differences")?,
            audit_events: count(&row, "events")?,
            order_versions: count(&row, "order_versions")?,
            raw_payloads: count(&row, "payloads")?,
            mapper: MapperTotals {
                batches: count(&row, "batches")?,
                faults: count(&row, "faults")?,
                records: count(&row, "records")?,
                fuel: count(&row, "fuel")?,
            },
        })
    }

    async fn document_totals(&self) -> Result<Vec<(Kind, Money, u64)>> {
        let mut totals = Vec::new();
        for kind in Kind::ALL {
            let rows = query(
                "SELECT d.currency, CAST(sum(d.expected_minor) AS BIGINT) AS minor, count(*) AS n
                 FROM document d JOIN posting p ON p.document = d.key AND p.state = 'confirmed'
                 WHERE d.kind = $1 GROUP BY d.currency ORDER BY d.currency",
            )
            .bind(kind.as_str())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("summing documents"))?;
            for row in &rows {
                let total = money(get(row, "minor")?, &get::<String>(row, "currency")?)?;
                totals.push((kind, total, count(row, "n")?));
            }
        }
        Ok(totals)
    }
}
