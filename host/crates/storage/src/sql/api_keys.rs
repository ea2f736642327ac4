//! Keys of the API, answers under idempotency keys, and sellers that rest.

use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{SellerId, Timestamp};
use sqlx::query;

use super::apply::Tx;
use super::rows::{from_json, get, millis, timestamp, to_json};
use super::{OwnStore, Row, restored};
use crate::operations::{AnswerClaim, ApiKey, Claimed, OperationsChange, SellerPause};
use crate::{Result, StoreError, failed};

fn optional_time(row: &Row, column: &'static str) -> Result<Option<Timestamp>> {
    get::<Option<i64>>(row, column)?.map(timestamp).transpose()
}

fn key_row(row: &Row) -> Result<ApiKey> {
    let sellers: Option<String> = get(row, "sellers")?;
    Ok(ApiKey {
        id: get(row, "id")?,
        hash: ContentHash::from_stored(get::<String>(row, "hash")?),
        role: get(row, "role")?,
        tenant: get(row, "tenant")?,
        sellers: sellers.map(|list| from_json("a key's sellers", &list)).transpose()?,
        created_at: timestamp(get(row, "created_at")?)?,
        expires_at: optional_time(row, "expires_at")?,
        revoked_at: optional_time(row, "revoked_at")?,
    })
}

/// Applies a change for those who run the daemon.
pub(super) async fn apply(tx: &mut Tx, change: OperationsChange) -> Result<()> {
    let statement = match change {
        OperationsChange::ApiKey(key) => {
            let sellers = key.sellers.as_ref().map(|list| to_json("a key's sellers", list)).transpose()?;
            query(
                "INSERT INTO api_key (id, hash, role, tenant, sellers, created_at, expires_at, revoked_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(key.id)
            .bind(key.hash.as_str().to_owned())
            .bind(key.role)
            .bind(key.tenant)
            .bind(sellers)
            .bind(millis(key.created_at))
            .bind(key.expires_at.map(millis))
            .bind(key.revoked_at.map(millis))
        }
        OperationsChange::ApiKeyRevoked { id, at } => {
            query("UPDATE api_key SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
                .bind(millis(at))
                .bind(id)
        }
        OperationsChange::Pause { seller, pause: Some(pause) } => query(
            "INSERT INTO seller_pause (seller, paused_at, paused_by) VALUES ($1, $2, $3)
             ON CONFLICT (seller) DO NOTHING",
        )
        .bind(seller.as_str().to_owned())
        .bind(millis(pause.since))
        .bind(pause.by),
        OperationsChange::Pause { seller, pause: None } => {
            query("DELETE FROM seller_pause WHERE seller = $1").bind(seller.as_str().to_owned())
        }
        OperationsChange::Restored { events, at } => return restored::restored(tx, events, at).await,
    };
    statement.execute(&mut **tx).await.map_err(failed("changing what operators set"))?;
    Ok(())
}

impl OwnStore {
    pub(super) async fn key_by_id(&self, id: &str) -> Result<Option<ApiKey>> {
        let row = query("SELECT * FROM api_key WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading a key"))?;
        row.as_ref().map(key_row).transpose()
    }

    pub(super) async fn all_keys(&self) -> Result<Vec<ApiKey>> {
        let rows = query("SELECT * FROM api_key ORDER BY created_at, id")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading keys"))?;
        rows.iter().map(key_row).collect()
    }

    /// One statement takes a request on: of several that come at once, one changes a row.
    pub(super) async fn claim(&self, claim: AnswerClaim<'_>) -> Result<Claimed> {
        let taken = query(
            "INSERT INTO idempotency (api_key, name, request, began_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (api_key, name) DO UPDATE SET began_at = excluded.began_at
             WHERE idempotency.status IS NULL AND idempotency.request = excluded.request
                AND idempotency.began_at < $5",
        )
        .bind(claim.api_key)
        .bind(claim.name)
        .bind(claim.request.as_str())
        .bind(millis(claim.now))
        .bind(millis(claim.abandoned_before))
        .execute(&self.pool)
        .await
        .map_err(failed("taking a request on"))?;
        if taken.rows_affected() == 1 {
            return Ok(Claimed::New);
        }
        let row = query("SELECT request, status, answer FROM idempotency WHERE api_key = $1 AND name = $2")
            .bind(claim.api_key)
            .bind(claim.name)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading an answer"))?;
        // Forgotten in between: whoever had it is done.
        let Some(row) = row else { return Ok(Claimed::UnderWay) };
        if get::<String>(&row, "request")? != claim.request.as_str() {
            return Ok(Claimed::Different);
        }
        match (get::<Option<i64>>(&row, "status")?, get::<Option<String>>(&row, "answer")?) {
            (Some(status), Some(answer)) => {
                let status = u16::try_from(status)
                    .map_err(|error| StoreError::Corrupt { what: "an answer", message: error.to_string() })?;
                Ok(Claimed::Answered(status, answer))
            }
            _ => Ok(Claimed::UnderWay),
        }
    }

    pub(super) async fn renewed(&self, api_key: &str, name: &str, now: Timestamp) -> Result<()> {
        query(
            "UPDATE idempotency SET began_at = $3
             WHERE api_key = $1 AND name = $2 AND status IS NULL AND began_at < $3",
        )
        .bind(api_key)
        .bind(name)
        .bind(millis(now))
        .execute(&self.pool)
        .await
        .map_err(failed("renewing a request"))?;
        Ok(())
    }

    pub(super) async fn answered(
        &self,
        api_key: &str,
        name: &str,
        answer: Option<(u16, &str)>,
    ) -> Result<()> {
        let statement = match answer {
            Some((status, body)) => {
                query("UPDATE idempotency SET status = $3, answer = $4 WHERE api_key = $1 AND name = $2")
                    .bind(api_key)
                    .bind(name)
                    .bind(i64::from(status))
                    .bind(body)
            }
            None => {
                query("DELETE FROM idempotency WHERE api_key = $1 AND name = $2").bind(api_key).bind(name)
            }
        };
        statement.execute(&self.pool).await.map_err(failed("keeping an answer"))?;
        Ok(())
    }

    pub(super) async fn forget_answers_before(&self, before: Timestamp) -> Result<()> {
        query("DELETE FROM idempotency WHERE began_at < $1")
            .bind(millis(before))
            .execute(&self.pool)
            .await
            .map_err(failed("forgetting answers"))?;
        Ok(())
    }

    pub(super) async fn pause_of(&self, seller: &SellerId) -> Result<Option<SellerPause>> {
        let row = query("SELECT paused_at, paused_by FROM seller_pause WHERE seller = $1")
            .bind(seller.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading whether a seller rests"))?;
        let pause = |row: Row| {
            Ok(SellerPause { since: timestamp(get(&row, "paused_at")?)?, by: get(&row, "paused_by")? })
        };
        row.map(pause).transpose()
    }
}
