//! The upkeep: its reads, and the changes that belong to it.

use async_trait::async_trait;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{Region, SellerId, Timestamp};
use sqlx::query;

use super::apply::Tx;
use super::rows::{count, get, millis, raw_row, region, small, timestamp};
use super::{OwnStore, Row, empty_the_log};
use crate::read::{Previous, RawPayload, SealedCredential};
use crate::upkeep::{Backfill, CredentialRow, RecordAge, ReportFile, StoredPause, Upkeep};
use crate::{Change, Result, failed};

fn optional_time(row: &Row, column: &'static str) -> Result<Option<Timestamp>> {
    get::<Option<i64>>(row, column)?.map(timestamp).transpose()
}

fn backfill_row(row: &Row) -> Result<Backfill> {
    Ok(Backfill {
        id: get(row, "id")?,
        seller: SellerId::new(get::<String>(row, "seller")?),
        region: region(&get::<String>(row, "region")?)?,
        stream: get(row, "stream")?,
        from: timestamp(get(row, "from_at")?)?,
        to: timestamp(get(row, "to_at")?)?,
        due: timestamp(get(row, "due_at")?)?,
        reason: get(row, "reason")?,
        position: timestamp(get(row, "position")?)?,
        window_to: optional_time(row, "window_to")?,
        token: get(row, "token")?,
        pages: count(row, "pages")?,
        records: count(row, "records")?,
        requested_at: timestamp(get(row, "requested_at")?)?,
        started_at: optional_time(row, "started_at")?,
        done_at: optional_time(row, "done_at")?,
    })
}

pub(super) fn sealed_row(row: &Row) -> Result<SealedCredential> {
    let set_at = timestamp(get(row, "set_at")?)?;
    Ok(SealedCredential { version: small(row, "version")?, sealed: get(row, "sealed")?, set_at })
}

fn age_row(row: &Row) -> Result<RecordAge> {
    Ok(RecordAge {
        kind: get(row, "kind")?,
        seller: SellerId::new(get::<String>(row, "seller")?),
        marketplace: get::<Option<String>>(row, "marketplace")?.map(|id| id.as_str().into()),
        day: get(row, "day")?,
        count: count(row, "n")?,
    })
}

#[async_trait]
impl Upkeep for OwnStore {
    async fn pause(&self, key: &str) -> Result<Option<StoredPause>> {
        let row = query("SELECT attempt, until FROM pause WHERE key = $1").bind(key);
        let row = row.fetch_optional(&self.pool).await.map_err(failed("reading a pause"))?;
        let read = |row: Row| {
            Ok(StoredPause { attempt: small(&row, "attempt")?, until: timestamp(get(&row, "until")?)? })
        };
        row.map(read).transpose()
    }

    async fn due_backfill(
        &self,
        seller: &SellerId,
        region: Region,
        now: Timestamp,
    ) -> Result<Option<Backfill>> {
        let row = query(
            "SELECT * FROM backfill WHERE seller = $1 AND region = $2 AND due_at <= $3 AND done_at IS NULL
             ORDER BY due_at, id LIMIT 1",
        )
        .bind(seller.as_str())
        .bind(region.as_str())
        .bind(millis(now))
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("reading a back-fill"))?;
        row.as_ref().map(backfill_row).transpose()
    }

    async fn backfills(&self, reason: &str) -> Result<Vec<Backfill>> {
        let rows = query("SELECT * FROM backfill WHERE reason = $1 ORDER BY id").bind(reason);
        let rows = rows.fetch_all(&self.pool).await.map_err(failed("reading back-fills"))?;
        rows.iter().map(backfill_row).collect()
    }

    async fn pending_raw_of(&self, seller: &SellerId, stream: &str, limit: u32) -> Result<Vec<RawPayload>> {
        let rows = query(
            "SELECT stream, natural_id, hash, region, body FROM raw_payload
             WHERE seller = $1 AND stream = $2 AND normalized = 0 ORDER BY seen_at LIMIT $3",
        )
        .bind(seller.as_str())
        .bind(stream)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading payloads"))?;
        rows.iter().map(raw_row).collect()
    }

    async fn newest_about(
        &self,
        seller: &SellerId,
        kind: &str,
        economic_id: &str,
    ) -> Result<Option<Previous>> {
        let row = query(
            "SELECT w.stage, c.record FROM work w JOIN canonical c USING (seller, kind, natural_id, version)
             WHERE w.seller = $1 AND w.kind = $2 AND w.economic_id = $3 ORDER BY w.changed_at DESC LIMIT 1",
        )
        .bind(seller.as_str())
        .bind(kind)
        .bind(economic_id)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("reading a record"))?;
        row.map(|row| Ok(Previous { stage: get(&row, "stage")?, record: get(&row, "record")? })).transpose()
    }

    async fn report_file(&self, seller: &SellerId, report: &str) -> Result<Option<ReportFile>> {
        let row = query("SELECT hash, packed FROM report_file WHERE seller = $1 AND report = $2")
            .bind(seller.as_str())
            .bind(report)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a report's file"))?;
        let read = |row: Row| {
            let hash = ContentHash::from_stored(get::<String>(&row, "hash")?);
            Ok(ReportFile { hash, packed: get(&row, "packed")? })
        };
        row.map(read).transpose()
    }

    async fn consent(&self, state_hash: &ContentHash, now: Timestamp) -> Result<Option<(SellerId, Region)>> {
        let row = query("SELECT seller, region FROM consent WHERE state_hash = $1 AND expires_at > $2")
            .bind(state_hash.as_str())
            .bind(millis(now))
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a consent"))?;
        let read = |row: Row| {
            Ok((SellerId::new(get::<String>(&row, "seller")?), region(&get::<String>(&row, "region")?)?))
        };
        row.map(read).transpose()
    }

    async fn buyer_data_due(
        &self,
        seller: &SellerId,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<RawPayload>> {
        let rows = query(
            "SELECT r.stream, r.natural_id, r.hash, r.region, r.body FROM raw_payload r
             LEFT JOIN work w ON w.seller = r.seller AND w.kind = 'order' AND w.natural_id = r.natural_id
             LEFT JOIN canonical c ON c.seller = w.seller AND c.kind = w.kind AND c.natural_id = w.natural_id
                AND c.version = w.version
             WHERE r.seller = $1 AND r.buyer_data = 1 AND r.normalized = 1
                AND CASE WHEN c.record ->> '$.shipped' IS NULL THEN r.seen_at < $2
                    ELSE unixepoch(c.record ->> '$.shipped') * 1000 < $2 END
             LIMIT $3",
        )
        .bind(seller.as_str())
        .bind(millis(before))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading payloads with buyer data"))?;
        rows.iter().map(raw_row).collect()
    }

    async fn credentials(&self) -> Result<Vec<CredentialRow>> {
        let rows = query("SELECT * FROM credential ORDER BY seller, kind").fetch_all(&self.pool).await;
        let read = |row: &Row| {
            Ok(CredentialRow {
                seller: get(row, "seller")?,
                kind: get(row, "kind")?,
                sealed: sealed_row(row)?,
            })
        };
        rows.map_err(failed("reading credentials"))?.iter().map(read).collect()
    }

    async fn record_ages(&self) -> Result<Vec<RecordAge>> {
        let rows = query(
            "SELECT w.kind, w.seller, c.record ->> '$.marketplace' AS marketplace,
                substr(coalesce(c.record ->> '$.created', c.record ->> '$.posted', c.record ->> '$.end'), 1, 10) AS day,
                count(*) AS n
             FROM work w JOIN canonical c USING (seller, kind, natural_id, version)
             WHERE w.kind IN ('order', 'transaction', 'report') GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3 NULLS FIRST, 4 NULLS FIRST",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading the age of records"))?;
        rows.iter().map(age_row).collect()
    }

    async fn close(&self) {
        self.pool.close().await;
    }

    async fn empty_the_log(&self) -> Result<()> {
        empty_the_log(&self.pool).await
    }
}

/// Applies a change of the upkeep.
pub(super) async fn apply(tx: &mut Tx, change: Change) -> Result<()> {
    match change {
        Change::Pause { key, pause: Some(pause) } => {
            let statement = "INSERT INTO pause (key, attempt, until) VALUES ($1, $2, $3)
         ON CONFLICT (key) DO UPDATE SET attempt = excluded.attempt, until = excluded.until";
            let query = query(statement).bind(key).bind(i64::from(pause.attempt)).bind(millis(pause.until));
            query.execute(&mut **tx).await.map_err(failed("keeping a pause"))?;
        }
        Change::Pause { key, pause: None } => {
            let query = query("DELETE FROM pause WHERE key = $1").bind(key);
            query.execute(&mut **tx).await.map_err(failed("forgetting a pause"))?;
        }
        Change::Backfill(backfill) => request(tx, &backfill).await?,
        Change::BackfillMoved(backfill) => moved(tx, &backfill).await?,
        Change::ReportFile { seller, report, hash, packed, at } => {
            query("INSERT INTO report_file (seller, report, hash, packed, archived_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING")
                .bind(seller.as_str())
                .bind(report)
                .bind(hash.as_str())
                .bind(packed)
                .bind(millis(at))
                .execute(&mut **tx)
                .await
                .map_err(failed("archiving a report"))?;
        }
        Change::Consent { state_hash, seller, region, expires } => {
            query(
                "INSERT INTO consent (state_hash, seller, region, expires_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (state_hash) DO UPDATE SET seller = excluded.seller, region = excluded.region, expires_at = excluded.expires_at",
            )
            .bind(state_hash.as_str())
            .bind(seller.as_str())
            .bind(region.as_str())
            .bind(millis(expires))
            .execute(&mut **tx)
            .await
            .map_err(failed("keeping a consent"))?;
        }
        Change::ConsentUsed { state_hash } => {
            let query = query("DELETE FROM consent WHERE state_hash = $1").bind(state_hash.as_str());
            query.execute(&mut **tx).await.map_err(failed("using a consent"))?;
        }
        Change::BuyerDataRemoved { seller, stream, natural_id, hash, body } => {
            query(
                "UPDATE raw_payload SET body = $1, buyer_data = 2
                 WHERE seller = $2 AND stream = $3 AND natural_id = $4 AND hash = $5",
            )
            .bind(body)
            .bind(seller.as_str())
            .bind(stream)
            .bind(natural_id)
            .bind(hash.as_str())
            .execute(&mut **tx)
            .await
            .map_err(failed("removing buyer data"))?;
        }
        _ => {}
    }
    Ok(())
}

async fn request(tx: &mut Tx, backfill: &Backfill) -> Result<()> {
    query(
        "INSERT INTO backfill (seller, region, stream, from_at, to_at, due_at, reason, position, requested_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT DO NOTHING",
    )
    .bind(backfill.seller.as_str())
    .bind(backfill.region.as_str())
    .bind(&backfill.stream)
    .bind(millis(backfill.from))
    .bind(millis(backfill.to))
    .bind(millis(backfill.due))
    .bind(&backfill.reason)
    .bind(millis(backfill.position))
    .bind(millis(backfill.requested_at))
    .execute(&mut **tx)
    .await
    .map_err(failed("asking for a back-fill"))?;
    Ok(())
}

async fn moved(tx: &mut Tx, backfill: &Backfill) -> Result<()> {
    query(
        "UPDATE backfill SET position = $1, window_to = $2, token = $3, pages = $4, records = $5, started_at = $6, done_at = $7
         WHERE id = $8",
    )
    .bind(millis(backfill.position))
    .bind(backfill.window_to.map(millis))
    .bind(&backfill.token)
    .bind(i64::try_from(backfill.pages).unwrap_or(i64::MAX))
    .bind(i64::try_from(backfill.records).unwrap_or(i64::MAX))
    .bind(backfill.started_at.map(millis))
    .bind(backfill.done_at.map(millis))
    .bind(backfill.id)
    .execute(&mut **tx)
    .await
    .map_err(failed("moving a back-fill"))?;
    Ok(())
}
