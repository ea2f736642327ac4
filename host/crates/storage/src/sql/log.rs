//! The Merkle log: appending to it, and giving leaves to events from before it. `log_read` reads it.

use ml_connector_domain::audit::merkle::Frontier;
use ml_connector_domain::audit::{Action, AuditEvent, Leaf};
use ml_connector_domain::document::Document;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{SellerId, Timestamp};
use sqlx::{QueryBuilder, query};

use super::apply::Tx;
use super::rows::{get, millis, timestamp, to_json};
use super::{OwnStore, Row, begin};
use crate::{Change, Result, StoreError, failed};

/// Rows of one statement: each binds seven values, SQLite takes 32,766.
const ROWS: usize = 500;

/// Events read at once when leaves are given to old ones.
const PAGE: i64 = 5_000;

pub(super) fn corrupt(message: impl Into<String>) -> StoreError {
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
    let row =
        query(concat!("SELECT size, peaks FROM audit_log", for_update!())).fetch_optional(&mut **tx).await;
    let row = row.map_err(failed("reading the audit log's end"))?;
    row.as_ref().and_then(frontier_row).ok_or_else(|| {
        corrupt("its own row is missing or makes no sense: run `ml-connector audit verify`, then restore a backup")
    })
}

pub(super) fn frontier_row(row: &Row) -> Option<Frontier> {
    let size = u64::try_from(get::<i64>(row, "size").ok()?).ok()?;
    Frontier::from_stored(size, &get::<Vec<u8>>(row, "peaks").ok()?)
}

async fn keep(tx: &mut Tx, frontier: &Frontier) -> Result<()> {
    query(
        "INSERT INTO audit_log (one, size, peaks) VALUES (1, $1, $2)
         ON CONFLICT (one) DO UPDATE SET size = excluded.size, peaks = excluded.peaks",
    )
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

impl OwnStore {
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
        let mut tx = begin(&self.pool).await?;
        // Another process may have been faster.
        if query(begun).fetch_optional(&mut *tx).await.map_err(failed("looking for the audit log"))?.is_none()
        {
            let mut frontier = Frontier::default();
            while old_events(&mut tx, &mut frontier).await? {}
            keep(&mut tx, &frontier).await?;
            let documents = old_documents(&mut tx).await?;
            append(&mut tx, &documents).await?;
        }
        tx.commit().await.map_err(failed("committing a transaction"))
    }
}

/// Gives leaves to the next old events; says whether there were any.
async fn old_events(tx: &mut Tx, frontier: &mut Frontier) -> Result<bool> {
    let rows = query("SELECT * FROM audit_event WHERE id >= $1 ORDER BY id LIMIT $2")
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

/// Ties the documents from before the log to it, as they are now.
async fn old_documents(tx: &mut Tx) -> Result<Vec<AuditEvent>> {
    let rows = query("SELECT key, seller, subject, body, planned_at FROM document ORDER BY planned_at, key");
    let rows = rows.fetch_all(&mut **tx).await.map_err(failed("reading documents"))?;
    let event = |row: &Row| {
        let hash = ContentHash::of(get::<String>(row, "body")?.as_bytes());
        Ok(AuditEvent {
            at: timestamp(get(row, "planned_at")?)?,
            seller: SellerId::new(get::<String>(row, "seller")?),
            subject: get(row, "subject")?,
            action: Action::Recorded,
            detail: format!("document {} sha256 {hash}", get::<String>(row, "key")?),
        })
    };
    rows.iter().map(event).collect()
}

async fn fill(tx: &mut Tx, frontier: &mut Frontier, at: i64) -> Result<()> {
    let id = next_id(frontier);
    let detail = "no event with this number was there when the log was begun";
    let leaf = Leaf { id, at, seller: "", subject: "", action: Action::Missing.as_str(), detail };
    query("INSERT INTO audit_event (id, at, seller, subject, action, detail, leaf) VALUES ($1, $2, '', '', $3, $4, $5)")
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
            ("INSERT INTO audit_checkpoint (size, at, note) VALUES ($1, $2, $3)", "keeping a checkpoint")
        }
        Change::AuditKey { .. } => {
            ("INSERT INTO audit_key (one, at, public) VALUES ($1, $2, $3)", "keeping the audit key")
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
