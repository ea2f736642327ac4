//! The Merkle log: appending to it, giving leaves to events from before it, and reading it.

use async_trait::async_trait;
use ml_connector_domain::audit::merkle::{Frontier, Hash};
use ml_connector_domain::audit::{Action, AuditEvent, Leaf};
use ml_connector_domain::document::Document;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{Date, DocumentKey, SellerId, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, query};

use super::apply::Tx;
use super::rows::{document, from_json, get, millis, money, timestamp, to_json};
use super::{SqliteStore, failed};
use crate::log::{
    AuditLog, BatchOrigin, BehindJournal, CheckpointRow, LoggedEvent, RecordedDocument, SourceVersion,
};
use crate::{Change, Result, StoreError};

/// Rows of one statement: each binds seven values, SQLite takes 32,766.
const ROWS: usize = 500;

/// Events read at once when leaves are given to old ones.
const PAGE: i64 = 5_000;

fn corrupt(message: impl Into<String>) -> StoreError {
    StoreError::Corrupt { what: "the audit log", message: message.into() }
}

/// The event that ties a document's bytes to the log.
pub(super) fn recorded(document: &Document, at: Timestamp) -> Result<AuditEvent> {
    let hash = ContentHash::of(to_json("a document", document)?.as_bytes());
    Ok(AuditEvent {
        at,
        seller: document.seller.clone(),
        subject: document.subject().to_owned(),
        action: Action::Recorded,
        detail: format!("document {} sha256 {hash}", document.key),
    })
}

async fn frontier(tx: &mut Tx) -> Result<Frontier> {
    let row = query("SELECT size, peaks FROM audit_log").fetch_optional(&mut **tx).await;
    let row = row.map_err(failed("reading the audit log's end"))?;
    row.as_ref().and_then(frontier_row).ok_or_else(|| {
        corrupt("its own row is missing or makes no sense: run `ml-connector audit verify`, then restore a backup")
    })
}

fn frontier_row(row: &SqliteRow) -> Option<Frontier> {
    let size = u64::try_from(get::<i64>(row, "size").ok()?).ok()?;
    Frontier::from_stored(size, &get::<Vec<u8>>(row, "peaks").ok()?)
}

async fn keep(tx: &mut Tx, frontier: &Frontier) -> Result<()> {
    query("INSERT OR REPLACE INTO audit_log (one, size, peaks) VALUES (1, ?, ?)")
        .bind(i64::try_from(frontier.size()).unwrap_or(i64::MAX))
        .bind(frontier.stored_peaks())
        .execute(&mut **tx)
        .await
        .map_err(failed("moving the audit log's end"))?;
    Ok(())
}

/// The number of the event that comes next.
fn next_id(frontier: &Frontier) -> i64 {
    i64::try_from(frontier.size()).unwrap_or(i64::MAX - 1) + 1
}

/// Appends events as leaves. Whatever the log's length, this reads and writes one row beside theirs.
pub(super) async fn append(tx: &mut Tx, events: &[AuditEvent]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut frontier = frontier(tx).await?;
    for rows in events.chunks(ROWS) {
        let mut query =
            QueryBuilder::new("INSERT INTO audit_event (id, at, seller, subject, action, detail, leaf) ");
        query.push_values(rows, |mut values, event| {
            let leaf = Leaf::of(next_id(&frontier), event);
            let hash = leaf.hash();
            values
                .push_bind(leaf.id)
                .push_bind(leaf.at)
                .push_bind(event.seller.as_str())
                .push_bind(&event.subject)
                .push_bind(leaf.action)
                .push_bind(&event.detail)
                .push_bind(hash.as_bytes().to_vec());
            frontier.push(hash);
        });
        query.build().persistent(false).execute(&mut **tx).await.map_err(|source| {
            match failed("writing audit events")(source) {
                StoreError::Twice { .. } => {
                    corrupt("there are events after its end: run `ml-connector audit verify`")
                }
                other => other,
            }
        })?;
    }
    keep(tx, &frontier).await
}

impl SqliteStore {
    /// Gives leaves to the events from before there was a log. A gap among them becomes an event that says so.
    pub(super) async fn begin_the_log(&self) -> Result<()> {
        let begun = "SELECT 1 AS one FROM audit_log";
        if query(begun)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("looking for the audit log"))?
            .is_some()
        {
            return Ok(());
        }
        let mut tx =
            self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed("beginning a transaction"))?;
        // Another process may have been faster.
        if query(begun).fetch_optional(&mut *tx).await.map_err(failed("looking for the audit log"))?.is_none()
        {
            let mut frontier = Frontier::default();
            while old_events(&mut tx, &mut frontier).await? {}
            keep(&mut tx, &frontier).await?;
        }
        tx.commit().await.map_err(failed("committing a transaction"))
    }
}

/// Gives leaves to the next old events; says whether there were any.
async fn old_events(tx: &mut Tx, frontier: &mut Frontier) -> Result<bool> {
    let rows = query("SELECT * FROM audit_event WHERE id >= ? ORDER BY id LIMIT ?")
        .bind(next_id(frontier))
        .bind(PAGE)
        .fetch_all(&mut **tx)
        .await
        .map_err(failed("reading audit events"))?;
    let mut leaves = Vec::with_capacity(rows.len());
    for row in &rows {
        let id: i64 = get(row, "id")?;
        let at: i64 = get(row, "at")?;
        while next_id(frontier) < id {
            fill(tx, frontier, at).await?;
        }
        let [seller, subject, action, detail] =
            ["seller", "subject", "action", "detail"].map(|column| get::<String>(row, column));
        let (seller, subject, action, detail) = (seller?, subject?, action?, detail?);
        let leaf =
            Leaf { id, at, seller: &seller, subject: &subject, action: &action, detail: &detail }.hash();
        frontier.push(leaf);
        leaves.push((id, leaf));
    }
    for leaves in leaves.chunks(ROWS) {
        let mut update = QueryBuilder::new("UPDATE audit_event SET leaf = v.column2 FROM (");
        update.push_values(leaves, |mut values, (id, leaf)| {
            values.push_bind(*id).push_bind(leaf.as_bytes().to_vec());
        });
        update.push(") AS v WHERE audit_event.id = v.column1");
        update.build().persistent(false).execute(&mut **tx).await.map_err(failed("giving events leaves"))?;
    }
    Ok(!rows.is_empty())
}

async fn fill(tx: &mut Tx, frontier: &mut Frontier, at: i64) -> Result<()> {
    let id = next_id(frontier);
    let detail = "no event with this number was there when the log was begun";
    let leaf = Leaf { id, at, seller: "", subject: "", action: Action::Missing.as_str(), detail };
    query("INSERT INTO audit_event (id, at, seller, subject, action, detail, leaf) VALUES (?, ?, '', '', ?, ?, ?)")
        .bind(id)
        .bind(at)
        .bind(leaf.action)
        .bind(detail)
        .bind(leaf.hash().as_bytes().to_vec())
        .execute(&mut **tx)
        .await
        .map_err(failed("filling a gap"))?;
    frontier.push(leaf.hash());
    Ok(())
}

/// Applies a change of the log's own.
pub(super) async fn apply(tx: &mut Tx, change: Change) -> Result<()> {
    let (statement, what) = match &change {
        Change::Checkpoint { .. } => {
            ("INSERT INTO audit_checkpoint (size, at, note) VALUES (?, ?, ?)", "keeping a checkpoint")
        }
        Change::AuditKey { .. } => {
            ("INSERT INTO audit_key (one, at, public) VALUES (?, ?, ?)", "keeping the audit key")
        }
        _ => return Ok(()),
    };
    let (first, at, text) = match change {
        Change::Checkpoint { size, at, note } => (i64::try_from(size).unwrap_or(i64::MAX), at, note),
        Change::AuditKey { public, at } => (1, at, public),
        _ => return Ok(()),
    };
    let query = query(statement).bind(first).bind(millis(at)).bind(text);
    query.execute(&mut **tx).await.map_err(failed(what)).map(|_| ())
}

fn event_row(row: &SqliteRow) -> Result<LoggedEvent> {
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

fn recorded_row(row: &SqliteRow) -> Result<RecordedDocument> {
    let planned = timestamp(get(row, "planned_at")?)?;
    Ok(RecordedDocument { row: document(row)?, body: get(row, "body")?, planned })
}

fn behind_row(row: &SqliteRow) -> Result<BehindJournal> {
    Ok(BehindJournal {
        transaction: get(row, "transaction_id")?,
        total: money(get(row, "total_minor")?, &get::<String>(row, "currency")?)?,
        lines: from_json("journal lines", &get::<String>(row, "lines")?)?,
        batch: ContentHash::from_stored(get::<String>(row, "batch")?),
    })
}

fn source_row(row: &SqliteRow) -> Result<SourceVersion> {
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

#[async_trait]
impl AuditLog for SqliteStore {
    async fn log_frontier(&self) -> Result<Option<Frontier>> {
        let row = query("SELECT size, peaks FROM audit_log").fetch_optional(&self.pool).await;
        Ok(row.map_err(failed("reading the audit log's end"))?.as_ref().and_then(frontier_row))
    }

    async fn log_events(&self, after: i64, limit: u32) -> Result<Vec<LoggedEvent>> {
        // As bytes, whatever somebody put there: what is no text would otherwise end the reading and not be located.
        let rows = query(
            "SELECT id, CAST(at AS BLOB) AS at, CAST(seller AS BLOB) AS seller, CAST(subject AS BLOB) AS subject,
                    CAST(action AS BLOB) AS action, CAST(detail AS BLOB) AS detail, CAST(leaf AS BLOB) AS leaf
             FROM audit_event WHERE id > ? ORDER BY id LIMIT ?",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading audit events"))?;
        rows.iter().map(event_row).collect()
    }

    async fn log_leaves(&self) -> Result<Vec<Hash>> {
        let rows = query("SELECT id, leaf FROM audit_event ORDER BY id").fetch_all(&self.pool).await;
        let read = |row: &SqliteRow| {
            let leaf = get::<Option<Vec<u8>>>(row, "leaf")?.and_then(|leaf| Hash::from_bytes(&leaf));
            let id: i64 = get(row, "id")?;
            leaf.ok_or_else(|| corrupt(format!("event {id} has no leaf: run `ml-connector audit verify`")))
        };
        rows.map_err(failed("reading leaves"))?.iter().map(read).collect()
    }

    async fn log_checkpoints(&self) -> Result<Vec<CheckpointRow>> {
        let rows = query("SELECT size, note FROM audit_checkpoint ORDER BY size").fetch_all(&self.pool).await;
        let read = |row: &SqliteRow| Ok(CheckpointRow { size: get(row, "size")?, note: get(row, "note")? });
        rows.map_err(failed("reading checkpoints"))?.iter().map(read).collect()
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
             WHERE p.state = 'confirmed' AND (?1 IS NULL OR d.seller = ?1) AND d.body ->> '$.date' BETWEEN ?2 AND ?3
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
             FROM document d JOIN posting p ON p.document = d.key WHERE d.key = ?",
        )
        .bind(key.as_str())
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("reading a document"))?;
        row.as_ref().map(recorded_row).transpose()
    }

    async fn behind_journal(&self, key: &DocumentKey) -> Result<Vec<BehindJournal>> {
        let rows = query(
            "SELECT DISTINCT b.* FROM recognition g
             JOIN work w INDEXED BY work_by_economic
                ON w.seller = g.seller AND w.kind = 'transaction' AND w.economic_id = g.source
             JOIN booking b ON b.seller = w.seller AND b.transaction_id = w.natural_id
             WHERE g.document = ? AND g.leg = 'settlement' ORDER BY b.transaction_id",
        )
        .bind(key.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading what stands behind a journal"))?;
        rows.iter().map(behind_row).collect()
    }

    async fn recognitions(&self, key: &DocumentKey) -> Result<Vec<(String, String)>> {
        let rows = query("SELECT source, leg FROM recognition WHERE document = ? ORDER BY source, leg")
            .bind(key.as_str())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading recognitions"))?;
        rows.iter().map(|row| Ok((get(row, "source")?, get(row, "leg")?))).collect()
    }

    async fn batch_origin(&self, input: &ContentHash) -> Result<Option<BatchOrigin>> {
        let row = query("SELECT mapper, contract, catalog FROM mapper_batch WHERE input = ?")
            .bind(input.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a batch"))?;
        let read = |row: SqliteRow| {
            Ok(BatchOrigin {
                mapper: ContentHash::from_stored(get::<String>(&row, "mapper")?),
                contract: get(&row, "contract")?,
                catalog: ContentHash::from_stored(get::<String>(&row, "catalog")?),
            })
        };
        row.map(read).transpose()
    }

    async fn sources_at(&self, seller: &SellerId, id: &str, at: Timestamp) -> Result<Vec<SourceVersion>> {
        let rows = query(
            "SELECT c.kind, c.natural_id, max(c.version) AS version, c.record, c.raw_hash,
                    r.stream, r.body, r.buyer_data
             FROM (SELECT kind, natural_id FROM work WHERE seller = ?1 AND kind IN ('order', 'group') AND natural_id = ?2
                   UNION SELECT kind, natural_id FROM work INDEXED BY work_by_economic
                   WHERE seller = ?1 AND kind = 'transaction' AND economic_id = ?2
                   UNION SELECT kind, natural_id FROM work
                   WHERE seller = ?1 AND kind = 'transaction' AND natural_id = ?2) w
             JOIN canonical c ON c.seller = ?1 AND c.kind = w.kind AND c.natural_id = w.natural_id AND c.made_at <= ?3
             JOIN raw_payload r ON r.seller = ?1 AND r.stream = c.kind || 's' AND r.natural_id = c.natural_id
                AND r.hash = c.raw_hash
             GROUP BY c.kind, c.natural_id ORDER BY c.kind, c.natural_id",
        )
        .bind(seller.as_str())
        .bind(id)
        .bind(millis(at))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("looking for sources"))?;
        rows.iter().map(source_row).collect()
    }

    async fn catalog_body(&self, hash: &ContentHash) -> Result<Option<String>> {
        let row = query("SELECT body FROM catalog_version WHERE hash = ?")
            .bind(hash.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a catalog"))?;
        row.map(|row| get(&row, "body")).transpose()
    }

    async fn group_of_settlement(&self, settlement: &str) -> Result<Option<String>> {
        let row = query(
            "SELECT w.group_id FROM canonical c JOIN work w USING (seller, kind, natural_id, version)
             WHERE c.kind = 'transaction' AND c.record ->> '$.settlement' = ? AND w.group_id IS NOT NULL LIMIT 1",
        )
        .bind(settlement)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("looking for a settlement"))?;
        row.map(|row| get(&row, "group_id")).transpose()
    }
}
