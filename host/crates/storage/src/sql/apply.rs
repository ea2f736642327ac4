//! Writes [`Change`]s.

use ml_connector_domain::document::Document;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::posting::State;
use ml_connector_domain::{DocumentKey, Money, Timestamp};
use sqlx::{Transaction, query};

use super::bulk::Bulk;
use super::rows::{millis, to_json};
use super::{
    Db, OwnStore, RETRIES, api_keys, begin, books, catalogs, corrections, gave_way, leases, log,
    mapper_versions, reviews, storable, upkeep, watch,
};
use crate::crash::{self, Side};
use crate::steps::Steps;
use crate::{BatchRecord, Change, Result, ReviewDraft, StoreError, failed};

pub(super) type Tx = Transaction<'static, Db>;

impl OwnStore {
    pub(super) async fn apply_all(&self, changes: Vec<Change>) -> Result<()> {
        let mut retries = RETRIES;
        while retries > 0 {
            match self.apply_once(changes.clone()).await {
                Err(error) if gave_way(&error) => retries -= 1,
                other => return other,
            }
        }
        self.apply_once(changes).await
    }

    async fn apply_once(&self, changes: Vec<Change>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut tx = begin(&self.pool).await?;
        if let Some(fence) = &self.fence {
            leases::check(&mut tx, fence).await?;
        }
        let mut many = Bulk::default();
        let mut steps = Steps::of(&changes);
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
        many.write(&mut tx, steps.as_mut()).await?;
        crash::pass(step, Side::Written);
        tx.commit().await.map_err(failed("committing a transaction"))?;
        crash::pass(step, Side::Committed);
        if let Some(steps) = steps {
            steps.committed();
        }
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
        "INSERT INTO cursor (seller, region, stream, position, window_from, window_to, token, polled_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (seller, region, stream) DO UPDATE SET position = excluded.position, window_from = excluded.window_from,
            window_to = excluded.window_to, token = excluded.token, polled_at = excluded.polled_at",
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
         SELECT $1, $2, $3, coalesce((SELECT version FROM work WHERE seller = $1 AND kind = $2 AND natural_id = $3), 0) + 1,
                $4, $5, $6, $7
         WHERE NOT EXISTS (
            SELECT 1 FROM work w JOIN canonical c USING (seller, kind, natural_id, version)
            WHERE w.seller = $1 AND w.kind = $2 AND w.natural_id = $3 AND c.content_hash = $4)",
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
         VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8)
         ON CONFLICT (seller, kind, natural_id) DO UPDATE SET version = work.version + 1, stage = excluded.stage, group_id = excluded.group_id,
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
    query("UPDATE work SET stage = $1, changed_at = $2 WHERE seller = $3 AND kind = $4 AND natural_id = $5")
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
        "INSERT INTO mapper_batch
            (input, seller, kind, at, mapper, contract, catalog, records, fuel, fault, log, settings, outcome)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (input) DO UPDATE SET seller = excluded.seller, kind = excluded.kind, at = excluded.at, mapper = excluded.mapper,
            contract = excluded.contract, catalog = excluded.catalog, records = excluded.records,
            fuel = excluded.fuel, fault = excluded.fault, log = excluded.log,
            settings = excluded.settings, outcome = excluded.outcome",
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
    .bind(batch.fault.map(storable))
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
         WHERE b.seller = $1 AND b.transaction_id = $2 ON CONFLICT DO NOTHING",
    )
    .bind(seller.as_str())
    .bind(&transaction)
    .execute(&mut **tx)
    .await
    .map_err(failed("keeping what is journaled of a transaction"))?;
    query(
        "INSERT INTO booking (seller, transaction_id, group_id, total_minor, currency, lines, batch)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (seller, transaction_id) DO UPDATE SET group_id = excluded.group_id, total_minor = excluded.total_minor,
            currency = excluded.currency, lines = excluded.lines, batch = excluded.batch",
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
    query(
        "INSERT INTO settlement_cash (seller, group_id, next_look) VALUES ($1, $2, $3)
         ON CONFLICT (seller, group_id) DO UPDATE SET next_look = excluded.next_look",
    )
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
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
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
        query("INSERT INTO recognition (seller, source, leg, document) VALUES ($1, $2, $3, $4)")
            .bind(document.seller.as_str())
            .bind(source)
            .bind(*leg)
            .bind(document.key.as_str())
            .execute(&mut **tx)
            .await
            .map_err(failed("recognising a leg"))?;
    }
    let state = State::new(at);
    query("INSERT INTO posting (document, seller, state, detail, next_due, changed_at) VALUES ($1, $2, $3, $4, $5, $6)")
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
        "UPDATE document SET body = $1, body_hash = $2 WHERE key = $3
           AND EXISTS (SELECT 1 FROM posting p WHERE p.document = document.key AND p.state = 'planned')",
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
        "UPDATE posting SET state = $1, detail = $2, next_due = $3, fusion_id = $4, changed_at = $5 WHERE document = $6",
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
        "INSERT INTO reconciliation (document, seller, checked_at, code, message)
         SELECT key, seller, $1, $2, $3 FROM document WHERE key = $4
         ON CONFLICT (document) DO UPDATE SET seller = excluded.seller, checked_at = excluded.checked_at, code = excluded.code,
            message = excluded.message",
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
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT DO NOTHING",
    )
    .bind(draft.seller.as_str())
    .bind(draft.kind)
    .bind(storable(draft.subject))
    .bind(draft.code)
    .bind(storable(draft.about))
    .bind(storable(draft.message))
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
        "UPDATE review_item SET resolved_at = $1
         WHERE seller = $2 AND kind = $3 AND subject = $4 AND resolved_at IS NULL",
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
    query("INSERT INTO credential (seller, kind, version, sealed, set_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (seller, kind) DO UPDATE SET version = excluded.version, sealed = excluded.sealed, set_at = excluded.set_at")
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
