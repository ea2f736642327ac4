//! Writes [`Change`]s.

use ml_connector_domain::document::Document;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::posting::State;
use ml_connector_domain::{DocumentKey, Money, Timestamp};
use sqlx::{Sqlite, Transaction, query};

use super::bulk::Bulk;
use super::rows::{millis, to_json};
use super::{
    SqliteStore, api_keys, books, catalogs, corrections, failed, log, mapper_versions, reviews, upkeep, watch,
};
use crate::crash::{self, Side};
use crate::{BatchRecord, Change, Result, ReviewDraft, StoreError};

pub(super) type Tx = Transaction<'static, Sqlite>;

impl SqliteStore {
    pub(super) async fn apply_all(&self, changes: Vec<Change>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        // IMMEDIATE: a transaction that reads first and writes later could otherwise fail half way as busy.
        let mut tx =
            self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed("beginning a transaction"))?;
        let mut many = Bulk::default();
        let step = crash::step(&changes);
        for change in changes {
            // Whoever plans a document or dates it anew, its bytes are tied to the log.
            if let Change::Plan { document, at, .. } | Change::Redate { document, at } = &change {
                many.record(log::recorded(document, *at)?);
            }
            if let Some(single) = many.take(change) {
                apply(&mut tx, single).await?;
            }
        }
        many.write(&mut tx).await?;
        crash::pass(step, Side::Written);
        tx.commit().await.map_err(failed("committing a transaction"))?;
        crash::pass(step, Side::Committed);
        Ok(())
    }
}

async fn apply(tx: &mut Tx, change: Change) -> Result<()> {
    match change {
        Change::Cursor { .. } => cursor(tx, change).await,
        Change::Canonical { .. } => canonical(tx, change).await,
        Change::Stage { .. } => stage(tx, change).await,
        Change::Batch(batch) => mapper_batch(tx, batch).await,
        Change::ReviewItem(change) => reviews::apply(tx, change).await,
        Change::Correction(change) => corrections::apply(tx, change).await,
        Change::Catalog(change) => catalogs::apply(tx, change).await,
        Change::Booking { .. } => booking(tx, change).await,
        Change::Cash { .. } => cash(tx, change).await,
        Change::Accrual { .. } | Change::AccruedMonth { .. } => books::apply(tx, change).await,
        Change::Plan { document, expected, recognizes, at } => {
            plan(tx, &document, expected, &recognizes, at).await
        }
        Change::Redate { document, .. } => redate(tx, &document).await,
        Change::Posting { key, state, at } => posting(tx, &key, &state, at).await,
        Change::Reconciled { key, finding, at } => reconciled(tx, &key, finding, at).await,
        Change::Review(draft) => review(tx, draft).await,
        Change::Resolve { .. } => resolve(tx, change).await,
        Change::Credential { .. } => credential(tx, change).await,
        Change::Fusion(change) => watch::apply(tx, change).await,
        Change::Mapper(change) => mapper_versions::apply(tx, change).await,
        Change::Operations(change) => api_keys::apply(tx, change).await,
        Change::Checkpoint { .. } | Change::AuditKey { .. } => log::apply(tx, change).await,
        Change::Raw { .. } | Change::RawDone { .. } | Change::Audit(_) => Ok(()),
        of_upkeep => upkeep::apply(tx, of_upkeep).await,
    }
}

async fn cursor(tx: &mut Tx, change: Change) -> Result<()> {
    let Change::Cursor { seller, region, stream, cursor } = change else { return Ok(()) };
    query(
        "INSERT OR REPLACE INTO cursor (seller, region, stream, position, window_from, window_to, token, polled_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(seller.as_str())
    .bind(region.as_str())
    .bind(stream)
    .bind(millis(cursor.position))
    .bind(cursor.window.map(|(from, _)| millis(from)))
    .bind(cursor.window.map(|(_, to)| millis(to)))
    .bind(cursor.token)
    .bind(millis(cursor.polled_at))
    .execute(&mut **tx)
    .await
    .map_err(failed("moving a cursor"))?;
    Ok(())
}

async fn canonical(tx: &mut Tx, change: Change) -> Result<()> {
    let Change::Canonical { seller, kind, natural_id, region, record, raw, stage, group, economic_id, at } =
        change
    else {
        return Ok(());
    };
    let hash = ContentHash::of(record.as_bytes());
    let added = query(
        "INSERT INTO canonical (seller, kind, natural_id, version, content_hash, raw_hash, record, made_at)
         SELECT ?1, ?2, ?3, coalesce((SELECT version FROM work WHERE seller = ?1 AND kind = ?2 AND natural_id = ?3), 0) + 1,
                ?4, ?5, ?6, ?7
         WHERE NOT EXISTS (
            SELECT 1 FROM work w JOIN canonical c USING (seller, kind, natural_id, version)
            WHERE w.seller = ?1 AND w.kind = ?2 AND w.natural_id = ?3 AND c.content_hash = ?4)",
    )
    .bind(seller.as_str())
    .bind(kind)
    .bind(&natural_id)
    .bind(hash.as_str())
    .bind(raw.as_str())
    .bind(record)
    .bind(millis(at))
    .execute(&mut **tx)
    .await
    .map_err(failed("adding a canonical version"))?;
    if added.rows_affected() == 0 {
        return Ok(());
    }
    query(
        "INSERT INTO work (seller, kind, natural_id, region, version, stage, group_id, economic_id, changed_at)
         VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET version = work.version + 1, stage = excluded.stage, group_id = excluded.group_id,
            economic_id = excluded.economic_id, changed_at = excluded.changed_at",
    )
    .bind(seller.as_str())
    .bind(kind)
    .bind(natural_id)
    .bind(region.as_str())
    .bind(stage)
    .bind(group.as_ref().map(|group| group.as_str().to_owned()))
    .bind(economic_id)
    .bind(millis(at))
    .execute(&mut **tx)
    .await
    .map_err(failed("moving a record to its newest version"))?;
    Ok(())
}

async fn stage(tx: &mut Tx, change: Change) -> Result<()> {
    let Change::Stage { seller, kind, natural_id, stage, at } = change else { return Ok(()) };
    query("UPDATE work SET stage = ?, changed_at = ? WHERE seller = ? AND kind = ? AND natural_id = ?")
        .bind(stage)
        .bind(millis(at))
        .bind(seller.as_str())
        .bind(kind)
        .bind(natural_id)
        .execute(&mut **tx)
        .await
        .map_err(failed("moving a record to a stage"))?;
    Ok(())
}

async fn mapper_batch(tx: &mut Tx, batch: BatchRecord) -> Result<()> {
    query(
        "INSERT OR REPLACE INTO mapper_batch
            (input, seller, kind, at, mapper, contract, catalog, records, fuel, fault, log, settings, outcome)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(batch.input.as_str())
    .bind(batch.seller.as_str())
    .bind(batch.kind)
    .bind(millis(batch.at))
    .bind(batch.mapper.as_str())
    .bind(batch.contract)
    .bind(batch.catalog.as_str())
    .bind(i64::try_from(batch.records).unwrap_or(i64::MAX))
    .bind(i64::try_from(batch.fuel).unwrap_or(i64::MAX))
    .bind(batch.fault)
    .bind(to_json("a batch's log", &batch.log)?)
    .bind(batch.settings.as_str())
    .bind(batch.outcome.as_ref().map(|hash| hash.as_str().to_owned()))
    .execute(&mut **tx)
    .await
    .map_err(failed("recording a batch"))?;
    Ok(())
}

async fn booking(tx: &mut Tx, change: Change) -> Result<()> {
    let Change::Booking { seller, transaction, group, total, lines, batch } = change else { return Ok(()) };
    // What a journal holds of it already stays behind that journal.
    query(
        "INSERT INTO revised_booking (document, transaction_id, total_minor, currency, leg, lines, batch)
         SELECT g.document, b.transaction_id, b.total_minor, b.currency, g.leg, b.lines, b.batch FROM booking b
         JOIN work w ON w.seller = b.seller AND w.kind = 'transaction' AND w.natural_id = b.transaction_id
         JOIN recognition g ON g.seller = b.seller AND g.source = w.economic_id AND g.leg = 'settlement'
         WHERE b.seller = ? AND b.transaction_id = ? ON CONFLICT DO NOTHING",
    )
    .bind(seller.as_str())
    .bind(&transaction)
    .execute(&mut **tx)
    .await
    .map_err(failed("keeping what is journaled of a transaction"))?;
    query(
        "INSERT OR REPLACE INTO booking (seller, transaction_id, group_id, total_minor, currency, lines, batch)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(seller.as_str())
    .bind(transaction)
    .bind(group.as_str())
    .bind(total.minor)
    .bind(total.currency.code())
    .bind(to_json("journal lines", &lines)?)
    .bind(batch.as_str())
    .execute(&mut **tx)
    .await
    .map_err(failed("booking a transaction"))?;
    Ok(())
}

async fn cash(tx: &mut Tx, change: Change) -> Result<()> {
    let Change::Cash { seller, group, next_look } = change else { return Ok(()) };
    query("INSERT OR REPLACE INTO settlement_cash (seller, group_id, next_look) VALUES (?, ?, ?)")
        .bind(seller.as_str())
        .bind(group.as_str())
        .bind(next_look.map(millis))
        .execute(&mut **tx)
        .await
        .map_err(failed("keeping when a settlement's cash is looked at"))?;
    Ok(())
}

async fn plan(
    tx: &mut Tx,
    document: &Document,
    expected: Money,
    recognizes: &[(String, &'static str)],
    at: Timestamp,
) -> Result<()> {
    let body = to_json("a document", document)?;
    query(
        "INSERT INTO document
            (key, seller, kind, subject, revision, currency, expected_minor, body, body_hash, planned_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(document.key.as_str())
    .bind(document.seller.as_str())
    .bind(document.kind().as_str())
    .bind(document.subject())
    .bind(i64::from(document.revision))
    .bind(document.currency.code())
    .bind(expected.minor)
    .bind(&body)
    .bind(ContentHash::of(body.as_bytes()).as_str())
    .bind(millis(at))
    .execute(&mut **tx)
    .await
    .map_err(failed("planning a document"))?;
    for (source, leg) in recognizes {
        query("INSERT INTO recognition (seller, source, leg, document) VALUES (?, ?, ?, ?)")
            .bind(document.seller.as_str())
            .bind(source)
            .bind(*leg)
            .bind(document.key.as_str())
            .execute(&mut **tx)
            .await
            .map_err(failed("recognising a leg"))?;
    }
    let state = State::new(at);
    query("INSERT INTO posting (document, seller, state, detail, next_due, changed_at) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(document.key.as_str())
        .bind(document.seller.as_str())
        .bind(state.name())
        .bind(to_json("a posting's state", &state)?)
        .bind(state.next_due().map(millis))
        .bind(millis(at))
        .execute(&mut **tx)
        .await
        .map_err(failed("planning a posting"))?;
    Ok(())
}

/// Only what is planned may be dated anew: what was sent stands in Fusion as it was sent.
async fn redate(tx: &mut Tx, document: &Document) -> Result<()> {
    let body = to_json("a document", document)?;
    let redated = query(
        "UPDATE document SET body = ?, body_hash = ? WHERE key = ?
           AND EXISTS (SELECT 1 FROM posting WHERE document = key AND state = 'planned')",
    )
    .bind(&body)
    .bind(ContentHash::of(body.as_bytes()).as_str())
    .bind(document.key.as_str())
    .execute(&mut **tx)
    .await
    .map_err(failed("dating a document anew"))?;
    if redated.rows_affected() == 1 {
        Ok(())
    } else {
        let message = format!("{} is not planned, and cannot be dated anew", document.key);
        Err(StoreError::Corrupt { what: "a posting", message })
    }
}

async fn posting(tx: &mut Tx, key: &DocumentKey, state: &State, at: Timestamp) -> Result<()> {
    let fusion_id = match state {
        State::Confirmed { fusion_id } => Some(fusion_id.as_str().to_owned()),
        _ => None,
    };
    let moved = query(
        "UPDATE posting SET state = ?, detail = ?, next_due = ?, fusion_id = ?, changed_at = ? WHERE document = ?",
    )
    .bind(state.name())
    .bind(to_json("a posting's state", state)?)
    .bind(state.next_due().map(millis))
    .bind(fusion_id)
    .bind(millis(at))
    .bind(key.as_str())
    .execute(&mut **tx)
    .await
    .map_err(failed("moving a posting"))?;
    if moved.rows_affected() == 1 {
        Ok(())
    } else {
        Err(StoreError::Corrupt { what: "a posting", message: format!("there is none for {key}") })
    }
}

async fn reconciled(
    tx: &mut Tx,
    key: &DocumentKey,
    finding: Option<(String, String)>,
    at: Timestamp,
) -> Result<()> {
    let (code, message) = finding.unzip();
    query(
        "INSERT OR REPLACE INTO reconciliation (document, seller, checked_at, code, message)
         SELECT key, seller, ?, ?, ? FROM document WHERE key = ?",
    )
    .bind(millis(at))
    .bind(code)
    .bind(message)
    .bind(key.as_str())
    .execute(&mut **tx)
    .await
    .map_err(failed("keeping a comparison"))?;
    Ok(())
}

async fn review(tx: &mut Tx, draft: ReviewDraft) -> Result<()> {
    query(
        "INSERT INTO review_item (seller, kind, subject, code, about, message, minor, currency, opened_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO NOTHING",
    )
    .bind(draft.seller.as_str())
    .bind(draft.kind)
    .bind(draft.subject)
    .bind(draft.code)
    .bind(draft.about)
    .bind(draft.message)
    .bind(draft.at_stake.map(|money| money.minor))
    .bind(draft.at_stake.map(|money| money.currency.code().to_owned()))
    .bind(millis(draft.at))
    .execute(&mut **tx)
    .await
    .map_err(failed("opening a review item"))?;
    Ok(())
}

async fn resolve(tx: &mut Tx, change: Change) -> Result<()> {
    let Change::Resolve { seller, kind, subject, at } = change else { return Ok(()) };
    query(
        "UPDATE review_item SET resolved_at = ?
         WHERE seller = ? AND kind = ? AND subject = ? AND resolved_at IS NULL",
    )
    .bind(millis(at))
    .bind(seller.as_str())
    .bind(kind)
    .bind(subject)
    .execute(&mut **tx)
    .await
    .map_err(failed("resolving review items"))?;
    Ok(())
}

async fn credential(tx: &mut Tx, change: Change) -> Result<()> {
    let Change::Credential { seller, kind, version, sealed, at } = change else { return Ok(()) };
    query("INSERT OR REPLACE INTO credential (seller, kind, version, sealed, set_at) VALUES (?, ?, ?, ?, ?)")
        .bind(seller)
        .bind(kind)
        .bind(i64::from(version))
        .bind(sealed)
        .bind(millis(at))
        .execute(&mut **tx)
        .await
        .map_err(failed("keeping a credential"))?;
    Ok(())
}
