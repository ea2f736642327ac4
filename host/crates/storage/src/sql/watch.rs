//! What is known of Fusion: its reads, and the changes that belong to it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use ml_connector_domain::document::Kind;
use ml_connector_domain::{DocumentKey, SellerId, Timestamp};
use sqlx::{Row as _, query};

use super::apply::Tx;
use super::rows::{count, get, millis, money, timestamp};
use super::{OwnStore, Row};
use crate::watch::{AccountUse, FusionChange, Ledger, ShownDocument, WatchedDocument, Watching};
use crate::{Result, failed};

/// Due at once: before every other time, and unlike a document that was never compared.
const AT_ONCE: i64 = -1;

pub(super) async fn apply(tx: &mut Tx, change: FusionChange) -> Result<()> {
    let (statement, what) = match change {
        FusionChange::Cursor { seller, resource, position, at } => (
            query("INSERT INTO fusion_cursor (seller, resource, position, read_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (seller, resource) DO UPDATE SET position = excluded.position, read_at = excluded.read_at")
                .bind(seller.as_str().to_owned())
                .bind(resource)
                .bind(millis(position))
                .bind(millis(at)),
            "moving Fusion's cursor",
        ),
        FusionChange::Document { seller, key, shown, at } => (
            query(
                "INSERT INTO fusion_document
                    (document, seller, status, balance_minor, currency, updated_at, seen_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (document) DO UPDATE SET seller = excluded.seller, status = excluded.status, balance_minor = excluded.balance_minor,
            currency = excluded.currency, updated_at = excluded.updated_at, seen_at = excluded.seen_at",
            )
            .bind(key.as_str().to_owned())
            .bind(seller.as_str().to_owned())
            .bind(shown.status)
            .bind(shown.balance.map(|money| money.minor))
            .bind(shown.balance.map(|money| money.currency.code().to_owned()))
            .bind(millis(shown.updated))
            .bind(millis(at)),
            "keeping what Fusion shows",
        ),
        FusionChange::CompareAgain { key, older_than } => (
            query("UPDATE reconciliation SET checked_at = $1 WHERE document = $2 AND checked_at < $3")
                .bind(AT_ONCE)
                .bind(key.as_str().to_owned())
                .bind(older_than.map_or(i64::MAX, millis)),
            "making a comparison due",
        ),
        FusionChange::Usable { seller, kind, name, usable, at } => (
            query("INSERT INTO fusion_ledger (seller, kind, name, usable, asked_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (seller, kind, name) DO UPDATE SET usable = excluded.usable, asked_at = excluded.asked_at")
                .bind(seller.as_str().to_owned())
                .bind(kind.as_str())
                .bind(name)
                .bind(i64::from(usable))
                .bind(millis(at)),
            "keeping an account's or a period's state",
        ),
    };
    statement.execute(&mut **tx).await.map_err(failed(what))?;
    Ok(())
}

fn shown_row(row: &Row) -> Result<Option<ShownDocument>> {
    let Some(status) = get::<Option<String>>(row, "status")? else { return Ok(None) };
    let minor: Option<i64> = get(row, "balance_minor")?;
    let currency: Option<String> = get(row, "shown_currency")?;
    let balance = minor.zip(currency).map(|(minor, currency)| money(minor, &currency)).transpose()?;
    Ok(Some(ShownDocument { status, balance, updated: timestamp(get(row, "updated_at")?)? }))
}

#[async_trait]
impl Watching for OwnStore {
    async fn fusion_cursor(
        &self,
        seller: &SellerId,
        resource: &str,
    ) -> Result<Option<(Timestamp, Timestamp)>> {
        let row = query("SELECT position, read_at FROM fusion_cursor WHERE seller = $1 AND resource = $2")
            .bind(seller.as_str())
            .bind(resource)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("reading Fusion's cursor"))?;
        row.map(|row| Ok((timestamp(get(&row, "position")?)?, timestamp(get(&row, "read_at")?)?))).transpose()
    }

    async fn first_planned(&self, seller: &SellerId) -> Result<Option<Timestamp>> {
        let row = query("SELECT min(planned_at) AS first FROM document WHERE seller = $1")
            .bind(seller.as_str())
            .fetch_one(&self.pool)
            .await
            .map_err(failed("reading the first document"))?;
        get::<Option<i64>>(&row, "first")?.map(timestamp).transpose()
    }

    async fn watched(
        &self,
        seller: &SellerId,
        kind: Kind,
        fusion_id: &str,
    ) -> Result<Option<WatchedDocument>> {
        let row = query(
            "SELECT d.key, d.subject, f.status, f.balance_minor, f.currency AS shown_currency, f.updated_at
             FROM posting p JOIN document d ON d.key = p.document LEFT JOIN fusion_document f ON f.document = d.key
             WHERE p.seller = $1 AND p.fusion_id = $2 AND d.kind = $3",
        )
        .bind(seller.as_str())
        .bind(fusion_id)
        .bind(kind.as_str())
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("looking for a posted document"))?;
        let read = |row: Row| {
            let key = DocumentKey::from_stored(get::<String>(&row, "key")?);
            Ok(WatchedDocument { key, subject: get(&row, "subject")?, shown: shown_row(&row)? })
        };
        row.map(read).transpose()
    }

    async fn accounts_in_use(&self, seller: &SellerId, since: Timestamp) -> Result<Vec<AccountUse>> {
        let documents = query(
            "SELECT account, count(DISTINCT CASE WHEN state = 'confirmed' THEN key END) AS posted,
                    count(DISTINCT CASE WHEN state <> 'confirmed' THEN key END) AS waiting
             FROM (SELECT json_extract(line.value, '$.account') AS account, p.state, d.key
                   FROM document d JOIN posting p ON p.document = d.key, json_each(d.body, '$.body.lines') AS line
                   WHERE d.seller = $1 AND (d.planned_at >= $2 OR p.state <> 'confirmed')) AS uses
             WHERE account IS NOT NULL GROUP BY account",
        )
        .bind(seller.as_str())
        .bind(millis(since))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading documents' accounts"))?;
        let bookings = query(
            "SELECT account, count(DISTINCT transaction_id) AS waiting
             FROM (SELECT json_extract(line.value, '$.account') AS account, b.transaction_id FROM booking b
                   JOIN work w ON w.seller = b.seller AND w.kind = 'transaction' AND w.natural_id = b.transaction_id
                      AND w.stage = 'booked', json_each(b.lines) AS line
                   WHERE b.seller = $1) AS uses
             WHERE account IS NOT NULL GROUP BY account",
        )
        .bind(seller.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading bookings' accounts"))?;
        let mut uses = BTreeMap::<String, AccountUse>::new();
        for row in documents.iter().chain(&bookings) {
            let account: String = get(row, "account")?;
            let held = uses.entry(account.clone()).or_insert(AccountUse { account, posted: 0, waiting: 0 });
            held.waiting += count(row, "waiting")?;
            if row.try_get_raw("posted").is_ok() {
                held.posted += count(row, "posted")?;
            }
        }
        Ok(uses.into_values().collect())
    }

    async fn dates_waiting(&self, seller: &SellerId) -> Result<Vec<(String, String, u64)>> {
        let rows = query(
            "SELECT d.kind, json_extract(d.body, '$.date') AS date, count(*) AS n
             FROM posting p JOIN document d ON d.key = p.document
             WHERE p.seller = $1 AND p.state <> 'confirmed' GROUP BY d.kind, date ORDER BY date, d.kind",
        )
        .bind(seller.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading dates of documents"))?;
        rows.iter().map(|row| Ok((get(row, "kind")?, get(row, "date")?, count(row, "n")?))).collect()
    }

    async fn ledger_states(&self, seller: &SellerId, kind: Ledger) -> Result<Vec<(String, bool)>> {
        let rows =
            query("SELECT name, usable FROM fusion_ledger WHERE seller = $1 AND kind = $2 ORDER BY name")
                .bind(seller.as_str())
                .bind(kind.as_str())
                .fetch_all(&self.pool)
                .await
                .map_err(failed("reading accounts' or periods' states"))?;
        rows.iter().map(|row| Ok((get(row, "name")?, get::<i64>(row, "usable")? != 0))).collect()
    }

    async fn shown_totals(&self) -> Result<Vec<(String, String, u64)>> {
        let rows = query(
            "SELECT d.kind, f.status, count(*) AS n FROM fusion_document f JOIN document d ON d.key = f.document
             GROUP BY d.kind, f.status ORDER BY d.kind, f.status",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed("counting what Fusion shows"))?;
        rows.iter().map(|row| Ok((get(row, "kind")?, get(row, "status")?, count(row, "n")?))).collect()
    }
}
