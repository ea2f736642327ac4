//! Leases: taking, holding and checking them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ml_connector_domain::SellerId;
use sqlx::query;

use super::apply::Tx;
use super::rows::get;
use super::{OwnStore, Row};
use crate::leases::{Fence, LeaseRow, Leases};
use crate::{Result, Store, StoreError, failed};

fn milliseconds(life: Duration) -> i64 {
    i64::try_from(life.as_millis()).unwrap_or(i64::MAX / 2)
}

/// Refuses who comes under a lease that is over. The row stays locked to the end of the transaction: whoever takes the lease
/// over waits for what its holder was writing.
pub(super) async fn check(tx: &mut Tx, fence: &Fence) -> Result<()> {
    let row = query(concat!(
        "SELECT 1 AS one FROM lease WHERE seller = $1 AND stream = $2 AND fence = $3 AND until > ",
        database_now!(),
        for_share!()
    ))
    .bind(fence.seller.as_str())
    .bind(&fence.stream)
    .bind(fence.token)
    .fetch_optional(&mut **tx)
    .await
    .map_err(failed("checking a lease"))?;
    row.map(|_| ()).ok_or_else(|| over(fence))
}

fn over(fence: &Fence) -> StoreError {
    StoreError::Fenced { seller: fence.seller.to_string(), holder: fence.holder.clone() }
}

#[async_trait]
impl Leases for OwnStore {
    async fn attend(&self, name: &str, life: Duration) -> Result<Vec<String>> {
        query(concat!(
            "INSERT INTO daemon (name, until) VALUES ($1, $2 + ",
            database_now!(),
            ") ON CONFLICT (name) DO UPDATE SET until = excluded.until"
        ))
        .bind(name)
        .bind(milliseconds(life))
        .execute(&self.pool)
        .await
        .map_err(failed("saying that a daemon is up"))?;
        let rows =
            query(concat!("SELECT name FROM daemon WHERE until > ", database_now!(), " ORDER BY name"))
                .fetch_all(&self.pool)
                .await
                .map_err(failed("reading which daemons are up"))?;
        rows.iter().map(|row| get(row, "name")).collect()
    }

    async fn leave(&self, name: &str) -> Result<()> {
        // Those that died long ago go with it.
        query(concat!("DELETE FROM daemon WHERE name = $1 OR until < -3600000 + ", database_now!()))
            .bind(name)
            .execute(&self.pool)
            .await
            .map_err(failed("saying that a daemon is gone"))?;
        Ok(())
    }

    async fn take_lease(
        &self,
        seller: &SellerId,
        stream: &str,
        holder: &str,
        life: Duration,
    ) -> Result<Option<Fence>> {
        let row = query(concat!(
            "INSERT INTO lease (seller, stream, holder, fence, until) VALUES ($1, $2, $3, 1, $4 + ",
            database_now!(),
            ") ON CONFLICT (seller, stream) DO UPDATE SET holder = excluded.holder, fence = lease.fence + 1,
                until = excluded.until WHERE lease.until <= ",
            database_now!(),
            " RETURNING fence"
        ))
        .bind(seller.as_str())
        .bind(stream)
        .bind(holder)
        .bind(milliseconds(life))
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("taking a lease"))?;
        let taken = |row: Row| {
            let (seller, stream, holder) = (seller.clone(), stream.to_owned(), holder.to_owned());
            Ok(Fence { seller, stream, holder, token: get(&row, "fence")? })
        };
        row.map(taken).transpose()
    }

    async fn renew_lease(&self, fence: &Fence, life: Duration) -> Result<bool> {
        let renewed = query(concat!(
            "UPDATE lease SET until = $4 + ",
            database_now!(),
            " WHERE seller = $1 AND stream = $2 AND fence = $3 AND until > ",
            database_now!()
        ))
        .bind(fence.seller.as_str())
        .bind(&fence.stream)
        .bind(fence.token)
        .bind(milliseconds(life))
        .execute(&self.pool)
        .await
        .map_err(failed("renewing a lease"))?;
        Ok(renewed.rows_affected() == 1)
    }

    async fn give_back(&self, fence: &Fence) -> Result<()> {
        query("UPDATE lease SET until = 0 WHERE seller = $1 AND stream = $2 AND fence = $3")
            .bind(fence.seller.as_str())
            .bind(&fence.stream)
            .bind(fence.token)
            .execute(&self.pool)
            .await
            .map_err(failed("giving a lease back"))?;
        Ok(())
    }

    async fn leases(&self) -> Result<Vec<LeaseRow>> {
        let rows = query(concat!(
            "SELECT seller, stream, holder, CASE WHEN until > ",
            database_now!(),
            " THEN seller END AS held FROM lease ORDER BY seller, stream"
        ))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading leases"))?;
        let lease = |row: &Row| {
            Ok(LeaseRow {
                seller: SellerId::new(get::<String>(row, "seller")?),
                stream: get(row, "stream")?,
                holder: get(row, "holder")?,
                held: get::<Option<String>>(row, "held")?.is_some(),
            })
        };
        rows.iter().map(lease).collect()
    }

    async fn may_write(&self) -> Result<()> {
        let Some(fence) = &self.fence else { return Ok(()) };
        let row = query(concat!(
            "SELECT 1 AS one FROM lease WHERE seller = $1 AND stream = $2 AND fence = $3 AND until > ",
            database_now!()
        ))
        .bind(fence.seller.as_str())
        .bind(&fence.stream)
        .bind(fence.token)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("checking a lease"))?;
        row.map(|_| ()).ok_or_else(|| over(fence))
    }

    fn fenced(&self, fence: Fence) -> Arc<dyn Store> {
        Arc::new(Self { fence: Some(Arc::new(fence)), ..self.clone() })
    }
}
