//! Writes the changes that come by the hundred, many rows in one statement: each statement is a hand-over to
//! SQLite's thread, or a way to PostgreSQL and back, which costs more than the row.
//!
//! No other kind of change in the same list reads what these write, so they may come last.

use std::collections::HashSet;

use ml_connector_domain::audit::AuditEvent;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{Region, SellerId, Timestamp};
use sqlx::QueryBuilder;

use super::apply::Tx;
use super::rows::{get, millis};
use super::{log, storable};
use crate::steps::Steps;
use crate::{Change, Result, failed};

/// Rows of one statement: SQLite binds 32,766 values at most, a row has up to eight.
const ROWS: usize = 500;

struct Raw {
    seller: SellerId,
    region: Region,
    stream: &'static str,
    natural_id: String,
    body: String,
    buyer_data: bool,
    at: Timestamp,
}

struct RawDone {
    seller: SellerId,
    stream: String,
    natural_id: String,
    hash: ContentHash,
}

/// What is written together.
#[derive(Default)]
pub(super) struct Bulk {
    raw: Vec<Raw>,
    done: Vec<RawDone>,
    audit: Vec<AuditEvent>,
}

impl Bulk {
    /// Keeps a change for [`Bulk::write`], or gives it back.
    pub(super) fn take(&mut self, change: Change) -> Option<Change> {
        match change {
            Change::Raw { seller, region, stream, natural_id, body, buyer_data, at } => {
                self.raw.push(Raw { seller, region, stream, natural_id, body, buyer_data, at });
            }
            Change::RawDone { seller, stream, natural_id, hash } => {
                self.done.push(RawDone { seller, stream, natural_id, hash });
            }
            Change::Audit(event) => self.record(event),
            other => return Some(other),
        }
        None
    }

    /// Keeps an event, as it will be stored: its leaf is made of that.
    pub(super) fn record(&mut self, event: AuditEvent) {
        let (subject, detail) = (storable(event.subject), storable(event.detail));
        self.audit.push(AuditEvent { subject, detail, ..event });
    }

    /// Writes what was kept, each kind in the order in which it came; says which payloads nobody had seen, where that is asked.
    pub(super) async fn write(self, tx: &mut Tx, mut steps: Option<&mut Steps>) -> Result<()> {
        // Once each: PostgreSQL refuses to touch a row twice in one statement.
        let mut seen = HashSet::new();
        let hashed: Vec<(ContentHash, &Raw)> =
            self.raw.iter().map(|row| (ContentHash::of(row.body.as_bytes()), row)).collect();
        let hashed: Vec<&(ContentHash, &Raw)> = hashed
            .iter()
            .filter(|(hash, row)| seen.insert((&row.seller, row.stream, &row.natural_id, hash.as_str())))
            .collect();
        for rows in hashed.chunks(ROWS) {
            raw(tx, rows, steps.as_deref_mut()).await?;
        }
        for rows in self.done.chunks(ROWS) {
            done(tx, rows).await?;
        }
        log::append(tx, &self.audit).await
    }
}

async fn raw(tx: &mut Tx, rows: &[&(ContentHash, &Raw)], steps: Option<&mut Steps>) -> Result<()> {
    let mut query = QueryBuilder::new(
        "INSERT INTO raw_payload (seller, hash, region, stream, natural_id, body, buyer_data, seen_at) ",
    );
    query.push_values(rows, |mut values, (hash, row)| {
        values
            .push_bind(row.seller.as_str())
            .push_bind(hash.as_str())
            .push_bind(row.region.as_str())
            .push_bind(row.stream)
            .push_bind(&row.natural_id)
            .push_bind(&row.body)
            .push_bind(i64::from(row.buyer_data))
            .push_bind(millis(row.at));
    });
    // A content that returns after another one stood in between is normalized again; a stream's name is its
    // records' kind in the plural.
    query.push(
        " ON CONFLICT (seller, stream, natural_id, hash) DO UPDATE SET normalized = 0, seen_at = excluded.seen_at
          WHERE raw_payload.normalized = 1 AND raw_payload.hash <> (
            SELECT c.raw_hash FROM work w JOIN canonical c USING (seller, kind, natural_id, version)
            WHERE w.seller = excluded.seller AND w.kind = rtrim(excluded.stream, 's')
              AND w.natural_id = excluded.natural_id)",
    );
    let Some(steps) = steps else {
        query.build().persistent(false).execute(&mut **tx).await.map_err(failed("keeping payloads"))?;
        return Ok(());
    };
    query.push(" RETURNING seller, stream, natural_id");
    let new =
        query.build().persistent(false).fetch_all(&mut **tx).await.map_err(failed("keeping payloads"))?;
    for row in &new {
        let [seller, stream, id]: [String; 3] =
            [get(row, "seller")?, get(row, "stream")?, get(row, "natural_id")?];
        steps.read(&SellerId::new(seller), &stream, &id);
    }
    Ok(())
}

async fn done(tx: &mut Tx, rows: &[RawDone]) -> Result<()> {
    let mut query = QueryBuilder::new(
        "UPDATE raw_payload SET normalized = 1 WHERE (seller, stream, natural_id, hash) IN (VALUES ",
    );
    let mut tuples = query.separated(", ");
    for row in rows {
        tuples
            .push("(")
            .push_bind_unseparated(row.seller.as_str())
            .push_unseparated(", ")
            .push_bind_unseparated(&row.stream)
            .push_unseparated(", ")
            .push_bind_unseparated(&row.natural_id)
            .push_unseparated(", ")
            .push_bind_unseparated(row.hash.as_str())
            .push_unseparated(")");
    }
    query.push(")");
    query
        .build()
        .persistent(false)
        .execute(&mut **tx)
        .await
        .map_err(failed("marking payloads as normalized"))?;
    Ok(())
}
