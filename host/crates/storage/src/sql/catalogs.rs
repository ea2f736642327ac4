//! Catalogs: reads, and the changes that belong to them.

use async_trait::async_trait;
use ml_connector_domain::SellerId;
use ml_connector_domain::id::ContentHash;
use sqlx::query;

use super::apply::Tx;
use super::rows::{get, millis, timestamp, to_json};
use super::{OwnStore, Row};
use crate::catalogs::{
    CatalogChange, CatalogPointer, CatalogRow, CatalogVersion, CatalogVersions, NewestRecord,
};
use crate::{Result, StoreError, failed};

#[async_trait]
impl CatalogVersions for OwnStore {
    async fn catalog_pointer(&self, seller: &SellerId) -> Result<CatalogPointer> {
        let row = query("SELECT hash, changed_at FROM catalog_pointer WHERE seller = $1")
            .bind(seller.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a catalog's pointer"))?;
        let Some(row) = row else { return Ok(CatalogPointer::default()) };
        let hash = get::<String>(&row, "hash")?;
        Ok(CatalogPointer {
            active: Some(hash).filter(|hash| !hash.is_empty()).map(ContentHash::from_stored),
            since: Some(timestamp(get(&row, "changed_at")?)?),
        })
    }

    async fn catalog_versions(&self) -> Result<Vec<CatalogRow>> {
        let rows = query("SELECT * FROM catalog_seller ORDER BY seller, changed_at DESC, hash")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading catalog versions"))?;
        let read = |row: &Row| {
            Ok(CatalogRow {
                seller: SellerId::new(get::<String>(row, "seller")?),
                hash: ContentHash::from_stored(get::<String>(row, "hash")?),
                file: get(row, "file")?,
                why: get(row, "why")?,
                at: timestamp(get(row, "changed_at")?)?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn newest_records(
        &self,
        seller: &SellerId,
        kind: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<NewestRecord>> {
        let rows = query(
            "SELECT w.natural_id, w.stage, c.record FROM work w
             JOIN canonical c USING (seller, kind, natural_id, version)
             WHERE w.seller = $1 AND w.kind = $2 AND w.natural_id > $3 ORDER BY w.natural_id LIMIT $4",
        )
        .bind(seller.as_str())
        .bind(kind)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading records"))?;
        let read = |row: &Row| {
            Ok(NewestRecord {
                natural_id: get(row, "natural_id")?,
                stage: get(row, "stage")?,
                record: get(row, "record")?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn catalog_bytes(&self, hash: &ContentHash) -> Result<Option<Vec<u8>>> {
        let row = query("SELECT bytes FROM catalog_file WHERE hash = $1")
            .bind(hash.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a catalog's bytes"))?;
        row.map(|row| get(&row, "bytes")).transpose()
    }
}

/// Applies a change about catalogs.
pub(super) async fn apply(tx: &mut Tx, change: CatalogChange) -> Result<()> {
    match change {
        CatalogChange::Keep(version) => keep(tx, *version).await,
        CatalogChange::Activate { seller, hash, at } => {
            if let Some(hash) = &hash {
                known(tx, &seller, hash).await?;
            }
            // The same version again changes nothing.
            query(
                "INSERT INTO catalog_pointer (seller, hash, previous, changed_at) VALUES ($1, $2, NULL, $3)
                 ON CONFLICT (seller) DO UPDATE SET previous = catalog_pointer.hash, hash = excluded.hash,
                    changed_at = excluded.changed_at WHERE catalog_pointer.hash <> excluded.hash",
            )
            .bind(seller.as_str())
            .bind(hash.as_ref().map_or("", ContentHash::as_str))
            .bind(millis(at))
            .execute(&mut **tx)
            .await
            .map_err(failed("activating a catalog"))?;
            Ok(())
        }
    }
}

async fn known(tx: &mut Tx, seller: &SellerId, hash: &ContentHash) -> Result<()> {
    let row = query("SELECT 1 AS one FROM catalog_seller WHERE seller = $1 AND hash = $2")
        .bind(seller.as_str())
        .bind(hash.as_str())
        .fetch_optional(&mut **tx)
        .await
        .map_err(failed("looking for a catalog"))?;
    match row {
        Some(_) => Ok(()),
        None => {
            let message = format!("{seller} has no version {hash}: import it first");
            Err(StoreError::Corrupt { what: "a catalog version", message })
        }
    }
}

async fn keep(tx: &mut Tx, version: CatalogVersion) -> Result<()> {
    let CatalogVersion { seller, hash, file, bytes, catalog, why, at } = version;
    query("INSERT INTO catalog_version (hash, seller, body, loaded_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .bind(hash.as_str())
        .bind(seller.as_str())
        .bind(to_json("a catalog", &catalog)?)
        .bind(millis(at))
        .execute(&mut **tx)
        .await
        .map_err(failed("keeping a catalog"))?;
    query("INSERT INTO catalog_file (hash, bytes, added_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(hash.as_str())
        .bind(bytes)
        .bind(millis(at))
        .execute(&mut **tx)
        .await
        .map_err(failed("keeping a catalog's bytes"))?;
    query(
        "INSERT INTO catalog_seller (seller, hash, file, why, changed_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
    )
    .bind(seller.as_str())
    .bind(hash.as_str())
    .bind(file)
    .bind(why)
    .bind(millis(at))
    .execute(&mut **tx)
    .await
    .map_err(failed("keeping a seller's catalog"))?;
    Ok(())
}
