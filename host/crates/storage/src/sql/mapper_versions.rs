//! Mappers: reads, and the changes that belong to them.

use async_trait::async_trait;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{SellerId, Timestamp};
use sqlx::query;

use super::apply::Tx;
use super::rows::{count, get, millis, timestamp};
use super::{OwnStore, Row};
use crate::mapper_versions::{
    Component, Difference, DifferenceTotals, MadeInBatch, MapperChange, MapperVersions, Pointer,
    RecordedBatch, ShadowTotals, VersionRow,
};
use crate::{Result, StoreError, failed};

fn hash(row: &Row, column: &'static str) -> Result<ContentHash> {
    get::<String>(row, column).map(ContentHash::from_stored)
}

/// Empty text is the configuration's file.
fn configured(text: String) -> Option<ContentHash> {
    Some(text).filter(|text| !text.is_empty()).map(ContentHash::from_stored)
}

#[async_trait]
impl MapperVersions for OwnStore {
    async fn mapper_pointer(&self, seller: &SellerId) -> Result<Pointer> {
        let row = query(
            "SELECT p.digest, p.previous, p.changed_at, v.digest AS shadow FROM (SELECT $1 AS seller) AS s
             LEFT JOIN mapper_pointer p ON p.seller = s.seller
             LEFT JOIN mapper_version v ON v.seller = s.seller AND v.state = 'shadow'",
        )
        .bind(seller.as_str())
        .fetch_one(&self.pool)
        .await
        .map_err(failed("reading a mapper's pointer"))?;
        Ok(Pointer {
            active: get::<Option<String>>(&row, "digest")?.and_then(configured),
            previous: get::<Option<String>>(&row, "previous")?.map(configured),
            since: get::<Option<i64>>(&row, "changed_at")?.map(timestamp).transpose()?,
            shadow: get::<Option<String>>(&row, "shadow")?.map(ContentHash::from_stored),
        })
    }

    async fn mapper_component(&self, digest: &ContentHash) -> Result<Option<Component>> {
        let row = query("SELECT * FROM mapper_component WHERE digest = $1")
            .bind(digest.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a component"))?;
        let signatures = query("SELECT signature FROM mapper_signature WHERE digest = $1 ORDER BY signature")
            .bind(digest.as_str())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading a component's signatures"))?;
        let signatures: Vec<String> =
            signatures.iter().map(|row| get(row, "signature")).collect::<Result<_>>()?;
        let read = |row: Row| {
            Ok(Component {
                signatures,
                digest: hash(&row, "digest")?,
                name: get(&row, "name")?,
                version: get(&row, "version")?,
                contract: get(&row, "contract")?,
                author: get(&row, "author")?,
                bytes: get(&row, "bytes")?,
                added_at: timestamp(get(&row, "added_at")?)?,
            })
        };
        row.map(read).transpose()
    }

    async fn mapper_versions(&self) -> Result<Vec<VersionRow>> {
        let rows = query(
            "SELECT v.seller, v.digest, c.name, c.version, c.author, v.state, v.why, v.changed_at
             FROM mapper_version v JOIN mapper_component c USING (digest) ORDER BY v.seller, v.changed_at DESC",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading mapper versions"))?;
        let read = |row: &Row| {
            Ok(VersionRow {
                seller: SellerId::new(get::<String>(row, "seller")?),
                digest: hash(row, "digest")?,
                name: get(row, "name")?,
                version: get(row, "version")?,
                author: get(row, "author")?,
                state: get(row, "state")?,
                why: get(row, "why")?,
                changed_at: timestamp(get(row, "changed_at")?)?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn mapper_faults(&self, seller: &SellerId, digest: &ContentHash, since: Timestamp) -> Result<u64> {
        let row = query(
            "SELECT count(*) AS n FROM mapper_batch
             WHERE seller = $1 AND mapper = $2 AND at >= $3 AND fault IS NOT NULL AND records = 1",
        )
        .bind(seller.as_str())
        .bind(digest.as_str())
        .bind(millis(since))
        .fetch_one(&self.pool)
        .await
        .map_err(failed("counting a mapper's faults"))?;
        count(&row, "n")
    }

    async fn recorded_batches(
        &self,
        seller: &SellerId,
        since: Timestamp,
        after: &str,
        limit: u32,
    ) -> Result<Vec<RecordedBatch>> {
        let rows = query(
            "SELECT b.input, b.seller, b.kind, b.mapper, b.fuel, b.outcome, i.packed FROM mapper_batch b
             LEFT JOIN mapper_input i USING (input)
             WHERE b.seller = $1 AND b.at >= $2 AND b.input > $3 AND b.fault IS NULL ORDER BY b.input LIMIT $4",
        )
        .bind(seller.as_str())
        .bind(millis(since))
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading recorded batches"))?;
        rows.iter().map(recorded_batch).collect()
    }

    async fn recorded_batch(&self, beginning: &str) -> Result<Vec<RecordedBatch>> {
        // Names are hexadecimal digits: `g` comes after all that begin like this.
        let rows = query(
            "SELECT b.input, b.seller, b.kind, b.mapper, b.fuel, b.outcome, i.packed FROM mapper_batch b
             LEFT JOIN mapper_input i USING (input)
             WHERE b.input >= $1 AND b.input < $1 || 'g' ORDER BY b.input LIMIT 2",
        )
        .bind(beginning)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading a recorded batch"))?;
        rows.iter().map(recorded_batch).collect()
    }

    async fn made_in_batch(&self, input: &ContentHash) -> Result<MadeInBatch> {
        let documents = query("SELECT body FROM document WHERE body ->> '$.origin.input' = $1")
            .bind(input.as_str())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading a batch's documents"))?;
        let bookings = query(
            "SELECT transaction_id, lines FROM booking WHERE batch = $1
             UNION ALL SELECT transaction_id, lines FROM revised_booking
             WHERE batch = $1 AND leg <> 'adjustment'",
        )
        .bind(input.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading a batch's bookings"))?;
        Ok(MadeInBatch {
            documents: documents.iter().map(|row| get(row, "body")).collect::<Result<_>>()?,
            bookings: bookings
                .iter()
                .map(|row| Ok((get(row, "transaction_id")?, get(row, "lines")?)))
                .collect::<Result<_>>()?,
        })
    }

    async fn shadow_totals(&self, seller: &SellerId, digest: &ContentHash) -> Result<ShadowTotals> {
        let row = query("SELECT * FROM mapper_shadow WHERE seller = $1 AND digest = $2")
            .bind(seller.as_str())
            .bind(digest.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a shadow's totals"))?;
        let read = |row: Row| {
            Ok(ShadowTotals {
                batches: count(&row, "batches")?,
                records: count(&row, "records")?,
                faults: count(&row, "faults")?,
                fuel: count(&row, "fuel")?,
            })
        };
        row.map(read).transpose().map(Option::unwrap_or_default)
    }

    async fn shadow_differences(
        &self,
        seller: &SellerId,
        digest: &ContentHash,
    ) -> Result<Vec<DifferenceTotals>> {
        let rows = query(
            "SELECT account, currency, count(*) AS n, CAST(sum(active_minor) AS BIGINT) AS active,
                CAST(sum(shadow_minor) AS BIGINT) AS shadow,
                min(subject) AS example
             FROM mapper_difference WHERE seller = $1 AND digest = $2 GROUP BY account, currency ORDER BY 1, 2",
        )
        .bind(seller.as_str())
        .bind(digest.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading a shadow's differences"))?;
        let read = |row: &Row| {
            Ok(DifferenceTotals {
                account: get(row, "account")?,
                currency: get(row, "currency")?,
                records: count(row, "n")?,
                active_minor: get(row, "active")?,
                shadow_minor: get(row, "shadow")?,
                example: get(row, "example")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

fn recorded_batch(row: &Row) -> Result<RecordedBatch> {
    Ok(RecordedBatch {
        input: hash(row, "input")?,
        seller: SellerId::new(get::<String>(row, "seller")?),
        kind: get(row, "kind")?,
        mapper: hash(row, "mapper")?,
        fuel: count(row, "fuel")?,
        outcome: get::<Option<String>>(row, "outcome")?.map(ContentHash::from_stored),
        packed: get(row, "packed")?,
    })
}

/// Applies a change about mappers.
pub(super) async fn apply(tx: &mut Tx, change: MapperChange) -> Result<()> {
    match change {
        MapperChange::Component(component) => keep(tx, *component).await,
        MapperChange::Validated { seller, digest, why, at } => {
            query(
                "INSERT INTO mapper_version (seller, digest, state, why, changed_at) VALUES ($1, $2, 'validated', $3, $4)
                 ON CONFLICT DO NOTHING",
            )
            .bind(seller.as_str())
            .bind(digest.as_str())
            .bind(why)
            .bind(millis(at))
            .execute(&mut **tx)
            .await
            .map_err(failed("keeping a version"))?;
            Ok(())
        }
        MapperChange::Shadow { seller, digest, at } => {
            moved(tx, &seller, "shadow", ("validated", "no longer the shadow"), at).await?;
            match digest {
                Some(digest) => {
                    known(tx, &seller, &digest, ("shadow", "runs beside the active one"), at).await
                }
                None => Ok(()),
            }
        }
        MapperChange::Activate { seller, digest, why, at } => {
            moved(tx, &seller, "active", ("retired", &why), at).await?;
            if let Some(digest) = &digest {
                known(tx, &seller, digest, ("active", &why), at).await?;
            }
            activate(tx, &seller, digest.as_ref(), at).await
        }
        MapperChange::RollBack { seller, why, at } => roll_back(tx, &seller, &why, at).await,
        MapperChange::Input { input, seller, packed, at } => {
            query("INSERT INTO mapper_input (input, seller, at, packed) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
                .bind(input.as_str())
                .bind(seller.as_str())
                .bind(millis(at))
                .bind(packed)
                .execute(&mut **tx)
                .await
                .map_err(failed("recording an input"))?;
            Ok(())
        }
        MapperChange::ForgetInputs { seller, before } => {
            let query = query("DELETE FROM mapper_input WHERE seller = $1 AND at < $2");
            let query = query.bind(seller.as_str()).bind(millis(before));
            query.execute(&mut **tx).await.map_err(failed("forgetting inputs"))?;
            Ok(())
        }
        MapperChange::Shadowed { .. } => shadowed(tx, change).await,
        MapperChange::Requeue { seller, since, at } => requeue(tx, &seller, since, at).await,
    }
}

async fn keep(tx: &mut Tx, component: Component) -> Result<()> {
    query(
        "INSERT INTO mapper_component (digest, name, version, contract, author, bytes, added_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(component.digest.as_str())
    .bind(component.name)
    .bind(component.version)
    .bind(component.contract)
    .bind(component.author)
    .bind(component.bytes)
    .bind(millis(component.added_at))
    .execute(&mut **tx)
    .await
    .map_err(failed("keeping a component"))?;
    for signature in component.signatures {
        query("INSERT INTO mapper_signature (digest, signature, added_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(component.digest.as_str())
            .bind(signature)
            .bind(millis(component.added_at))
            .execute(&mut **tx)
            .await
            .map_err(failed("keeping a signature"))?;
    }
    Ok(())
}

/// Moves whichever version is in a state to another.
async fn moved(
    tx: &mut Tx,
    seller: &SellerId,
    from: &str,
    (to, why): (&str, &str),
    at: Timestamp,
) -> Result<()> {
    query("UPDATE mapper_version SET state = $1, why = $2, changed_at = $3 WHERE seller = $4 AND state = $5")
        .bind(to)
        .bind(why)
        .bind(millis(at))
        .bind(seller.as_str())
        .bind(from)
        .execute(&mut **tx)
        .await
        .map_err(failed("moving a version"))?;
    Ok(())
}

/// Moves a version that the seller has.
async fn known(
    tx: &mut Tx,
    seller: &SellerId,
    digest: &ContentHash,
    (to, why): (&str, &str),
    at: Timestamp,
) -> Result<()> {
    let query = query(
        "UPDATE mapper_version SET state = $1, why = $2, changed_at = $3 WHERE seller = $4 AND digest = $5",
    )
    .bind(to)
    .bind(why)
    .bind(millis(at))
    .bind(seller.as_str())
    .bind(digest.as_str());
    let moved = query.execute(&mut **tx).await.map_err(failed("moving a version"))?;
    if moved.rows_affected() == 1 {
        return Ok(());
    }
    let message = format!("{seller} has no version {digest}: upload it first");
    Err(StoreError::Corrupt { what: "a mapper version", message })
}

async fn activate(tx: &mut Tx, seller: &SellerId, digest: Option<&ContentHash>, at: Timestamp) -> Result<()> {
    // The same version again changes nothing: a roll-back still goes to the one before.
    query(
        "INSERT INTO mapper_pointer (seller, digest, previous, changed_at) VALUES ($1, $2, '', $3)
         ON CONFLICT (seller) DO UPDATE SET previous = mapper_pointer.digest, digest = excluded.digest,
            changed_at = excluded.changed_at WHERE mapper_pointer.digest <> excluded.digest",
    )
    .bind(seller.as_str())
    .bind(digest.map_or("", ContentHash::as_str))
    .bind(millis(at))
    .execute(&mut **tx)
    .await
    .map_err(failed("activating a version"))?;
    Ok(())
}

async fn roll_back(tx: &mut Tx, seller: &SellerId, why: &str, at: Timestamp) -> Result<()> {
    moved(tx, seller, "active", ("retired", why), at).await?;
    let swapped = query(
        "UPDATE mapper_pointer SET digest = previous, previous = NULL, changed_at = $1
         WHERE seller = $2 AND previous IS NOT NULL RETURNING digest",
    )
    .bind(millis(at))
    .bind(seller.as_str())
    .fetch_optional(&mut **tx)
    .await
    .map_err(failed("rolling back"))?;
    let Some(row) = swapped else {
        let message = format!("{seller} has no version to roll back to: activate one");
        return Err(StoreError::Corrupt { what: "a mapper's pointer", message });
    };
    match configured(get(&row, "digest")?) {
        Some(digest) => known(tx, seller, &digest, ("active", why), at).await,
        None => Ok(()),
    }
}

async fn shadowed(tx: &mut Tx, change: MapperChange) -> Result<()> {
    let MapperChange::Shadowed { seller, digest, records, fuel, fault, differences, at } = change else {
        return Ok(());
    };
    query(
        "INSERT INTO mapper_shadow (seller, digest, batches, records, faults, fuel) VALUES ($1, $2, 1, $3, $4, $5)
         ON CONFLICT (seller, digest) DO UPDATE SET batches = mapper_shadow.batches + 1,
            records = mapper_shadow.records + excluded.records, faults = mapper_shadow.faults + excluded.faults,
            fuel = mapper_shadow.fuel + excluded.fuel",
    )
    .bind(seller.as_str())
    .bind(digest.as_str())
    .bind(i64::try_from(records).unwrap_or(i64::MAX))
    .bind(i64::from(fault))
    .bind(i64::try_from(fuel).unwrap_or(i64::MAX))
    .execute(&mut **tx)
    .await
    .map_err(failed("counting a shadow's batch"))?;
    for Difference { subject, account, currency, active_minor, shadow_minor } in differences {
        query(
            "INSERT INTO mapper_difference
                (seller, digest, subject, account, currency, active_minor, shadow_minor, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (seller, digest, subject, account, currency) DO UPDATE SET active_minor = excluded.active_minor, shadow_minor = excluded.shadow_minor, at = excluded.at",
        )
        .bind(seller.as_str())
        .bind(digest.as_str())
        .bind(subject)
        .bind(account)
        .bind(currency)
        .bind(active_minor)
        .bind(shadow_minor)
        .bind(millis(at))
        .execute(&mut **tx)
        .await
        .map_err(failed("keeping a difference"))?;
    }
    Ok(())
}

async fn requeue(tx: &mut Tx, seller: &SellerId, since: Timestamp, at: Timestamp) -> Result<()> {
    query(
        "UPDATE work SET stage = 'ready', changed_at = $1 WHERE seller = $2 AND stage = 'review' AND EXISTS (
            SELECT 1 FROM review_item r WHERE r.seller = work.seller AND r.kind = work.kind
                AND r.subject = work.natural_id AND r.code = 'mapper-fault' AND r.resolved_at IS NULL
                AND r.opened_at >= $3)",
    )
    .bind(millis(at))
    .bind(seller.as_str())
    .bind(millis(since))
    .execute(&mut **tx)
    .await
    .map_err(failed("making records ready again"))?;
    query(
        "UPDATE review_item SET resolved_at = $1 WHERE seller = $2 AND code = 'mapper-fault' AND resolved_at IS NULL
            AND opened_at >= $3",
    )
    .bind(millis(at))
    .bind(seller.as_str())
    .bind(millis(since))
    .execute(&mut **tx)
    .await
    .map_err(failed("resolving review items"))?;
    Ok(())
}
