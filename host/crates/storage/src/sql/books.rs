//! Reads of the books, and the changes of deferred money.

use async_trait::async_trait;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{DocumentKey, GroupId, OrderId, SellerId, Timestamp};
use sqlx::query;

use super::apply::Tx;
use super::rows::{document, from_json, get, made_by, millis, money, region, time_text, timestamp, to_json};
use super::{OwnStore, Row};
use crate::books::{
    AccruedTransaction, Books, Comparison, DeferredTransaction, SettlementRow, SettlementTransaction,
};
use crate::{Change, DocumentRow, Result, failed};

/// When the release of an economic event was posted: the transaction of it that counts.
macro_rules! released {
    ($source:literal, $seller:literal) => {
        concat!(
            "(SELECT c.record ->> '$.posted' FROM work t ",
            indexed_by!("work_by_economic"),
            "JOIN canonical c ON c.seller = t.seller AND c.kind = t.kind AND c.natural_id = t.natural_id
                AND c.version = t.version
              WHERE t.seller = ",
            $seller,
            " AND t.kind = 'transaction' AND t.economic_id = ",
            $source,
            " AND c.record ->> '$.status' = 'RELEASED' LIMIT 1) AS released "
        )
    };
}

/// Writes what belongs to deferred money.
pub(super) async fn apply(tx: &mut Tx, change: Change) -> Result<()> {
    match change {
        Change::Accrual { seller, transaction, month, total, lines, batch } => query(
            "INSERT INTO accrual (seller, transaction_id, month, total_minor, currency, lines, batch)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(seller.as_str().to_owned())
        .bind(transaction)
        .bind(month)
        .bind(total.minor)
        .bind(total.currency.code())
        .bind(to_json("journal lines", &lines)?)
        .bind(batch.as_str().to_owned())
        .execute(&mut **tx)
        .await
        .map_err(failed("accruing a transaction"))?,
        Change::AccruedMonth { seller, month, next_look } => query(
            "INSERT INTO accrued_month (seller, month, next_look) VALUES ($1, $2, $3)
         ON CONFLICT (seller, month) DO UPDATE SET next_look = excluded.next_look",
        )
        .bind(seller.as_str().to_owned())
        .bind(month)
        .bind(next_look.map(millis))
        .execute(&mut **tx)
        .await
        .map_err(failed("keeping when a month's deferred money is looked at"))?,
        _ => return Ok(()),
    };
    Ok(())
}

/// When a release was posted, if it is known.
fn released_at(row: &Row) -> Result<Option<Timestamp>> {
    match get::<Option<String>>(row, "released")? {
        None => Ok(None),
        Some(_) => time_text(row, "released").map(Some),
    }
}

fn key(row: &Row, column: &'static str) -> Result<DocumentKey> {
    Ok(DocumentKey::from_stored(get::<String>(row, column)?))
}

fn accrued_row(row: &Row) -> Result<AccruedTransaction> {
    let reversed_by: Option<String> = get(row, "reversed_by")?;
    Ok(AccruedTransaction {
        transaction: get(row, "transaction_id")?,
        month: get(row, "month")?,
        total: money(get(row, "total_minor")?, &get::<String>(row, "currency")?)?,
        lines: from_json("journal lines", &get::<String>(row, "lines")?)?,
        batch: ContentHash::from_stored(get::<String>(row, "batch")?),
        made_by: made_by(row)?,
        released: released_at(row)?,
        accrued_by: key(row, "accrued_by")?,
        reversed_by: reversed_by.map(DocumentKey::from_stored),
    })
}

#[async_trait]
impl Books for OwnStore {
    async fn journals_of(&self, seller: &SellerId, group: &GroupId) -> Result<Vec<DocumentRow>> {
        let rows = query(
            "SELECT d.body, d.body_hash, d.expected_minor, p.detail
             FROM document d JOIN posting p ON p.document = d.key
             WHERE d.seller = $1 AND json_extract(d.body, '$.body.group') = $2 AND d.kind = 'journal'
             ORDER BY d.subject, d.revision",
        )
        .bind(seller.as_str())
        .bind(group.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading a settlement's journals"))?;
        rows.iter().map(document).collect()
    }

    async fn groups_to_adjust(&self, seller: &SellerId, limit: u32) -> Result<Vec<String>> {
        let rows = query(
            "SELECT c.record FROM (SELECT DISTINCT group_id FROM work
                WHERE seller = $1 AND kind = 'transaction' AND stage = 'booked') t
             JOIN work w ON w.seller = $1 AND w.kind = 'group' AND w.natural_id = t.group_id AND w.stage = 'documented'
             JOIN canonical c ON c.seller = w.seller AND c.kind = w.kind AND c.natural_id = w.natural_id
                AND c.version = w.version
             ORDER BY w.natural_id LIMIT $2",
        )
        .bind(seller.as_str())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading settlements to adjust"))?;
        rows.iter().map(|row| get(row, "record")).collect()
    }

    async fn not_accrued(&self, seller: &SellerId, since: Timestamp) -> Result<Vec<DeferredTransaction>> {
        let rows = query(concat!(
            "SELECT n.record, ",
            released!("w.economic_id", "w.seller"),
            "FROM work w JOIN canonical n USING (seller, kind, natural_id, version)
             WHERE w.seller = $1 AND w.kind = 'transaction'
                AND (w.stage = 'waiting' OR (w.stage = 'linked' AND w.changed_at >= $2))
                AND n.record ->> '$.status' IN ('DEFERRED', 'DEFERRED_RELEASED')
                AND NOT EXISTS (SELECT 1 FROM accrual a WHERE a.seller = w.seller AND a.transaction_id = w.natural_id)
             ORDER BY w.natural_id"
        ))
        .bind(seller.as_str())
        .bind(millis(since))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading deferred transactions"))?;
        let read =
            |row: &Row| Ok(DeferredTransaction { record: get(row, "record")?, released: released_at(row)? });
        rows.iter().map(read).collect()
    }

    async fn accrued(&self, seller: &SellerId, outstanding: bool) -> Result<Vec<AccruedTransaction>> {
        let rows = query(concat!(
            "SELECT a.seller, a.transaction_id, a.month, a.total_minor, a.currency, a.batch,
                    coalesce((SELECT b.lines FROM revised_booking b JOIN document d ON d.key = b.document
                              WHERE b.transaction_id = a.transaction_id AND b.leg = 'accrual' AND d.seller = a.seller
                              ORDER BY d.revision DESC LIMIT 1), a.lines) AS lines,
                    m.mapper, m.contract, m.catalog, m.settings,
                    g.document AS accrued_by, r.document AS reversed_by, ",
            released!("a.transaction_id", "a.seller"),
            "FROM accrual a JOIN mapper_batch m ON m.input = a.batch
             JOIN recognition g ON g.seller = a.seller AND g.source = a.transaction_id AND g.leg = 'accrual'
             LEFT JOIN recognition r ON r.seller = a.seller AND r.source = a.transaction_id AND r.leg = 'accrual-reversal'
             WHERE a.seller = $1 AND (NOT $2 OR r.document IS NULL) ORDER BY a.transaction_id"
        ))
        .bind(seller.as_str())
        .bind(outstanding)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading accrued transactions"))?;
        rows.iter().map(accrued_row).collect()
    }

    async fn accrued_months(&self, seller: &SellerId) -> Result<Vec<(String, Option<Timestamp>)>> {
        let rows = query("SELECT month, next_look FROM accrued_month WHERE seller = $1 ORDER BY month")
            .bind(seller.as_str())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading accrued months"))?;
        let read = |row: &Row| {
            let look: Option<i64> = get(row, "next_look")?;
            Ok((get(row, "month")?, look.map(timestamp).transpose()?))
        };
        rows.iter().map(read).collect()
    }

    async fn settlements(&self, seller: &SellerId) -> Result<Vec<SettlementRow>> {
        let rows = query(
            "SELECT w.region, w.stage, c.record FROM work w JOIN canonical c USING (seller, kind, natural_id, version)
             WHERE w.seller = $1 AND w.kind = 'group' ORDER BY w.natural_id",
        )
        .bind(seller.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading settlements"))?;
        let read = |row: &Row| {
            Ok(SettlementRow {
                region: region(&get::<String>(row, "region")?)?,
                stage: get(row, "stage")?,
                record: get(row, "record")?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn settlement_transactions(
        &self,
        seller: &SellerId,
        group: &GroupId,
    ) -> Result<Vec<SettlementTransaction>> {
        let rows = query(concat!(
            "SELECT w.economic_id, w.stage, c.record, b.lines FROM work w ",
            indexed_by!("work_by_group"),
            "JOIN canonical c USING (seller, kind, natural_id, version)
             LEFT JOIN booking b ON b.seller = w.seller AND b.transaction_id = w.natural_id
             WHERE w.seller = $1 AND w.group_id = $2 AND w.kind = 'transaction' ORDER BY w.natural_id"
        ))
        .bind(seller.as_str())
        .bind(group.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading a settlement's transactions"))?;
        let read = |row: &Row| {
            let lines: Option<String> = get(row, "lines")?;
            Ok(SettlementTransaction {
                economic_id: get(row, "economic_id")?,
                stage: get(row, "stage")?,
                record: get(row, "record")?,
                lines: lines.map(|lines| from_json("journal lines", &lines)).transpose()?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn transactions_of_order(&self, seller: &SellerId, order: &OrderId) -> Result<Vec<String>> {
        let rows = query(concat!(
            "SELECT c.record FROM canonical c ",
            indexed_by!("canonical_by_order"),
            "JOIN work w USING (seller, kind, natural_id, version)
             WHERE c.kind = 'transaction' AND c.seller = $1 AND c.record ->> '$.order' = $2 ORDER BY c.natural_id"
        ))
        .bind(seller.as_str())
        .bind(order.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading an order's transactions"))?;
        rows.iter().map(|row| get(row, "record")).collect()
    }

    async fn comparisons(&self, seller: &SellerId) -> Result<Vec<Comparison>> {
        let rows = query("SELECT document, code, message FROM reconciliation WHERE seller = $1")
            .bind(seller.as_str())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading comparisons"))?;
        let read = |row: &Row| {
            let code: Option<String> = get(row, "code")?;
            let message: Option<String> = get(row, "message")?;
            Ok(Comparison {
                document: key(row, "document")?,
                finding: code.map(|code| (code, message.unwrap_or_default())),
            })
        };
        rows.iter().map(read).collect()
    }

    async fn recognized_under(&self, seller: &SellerId, leg: &str) -> Result<Vec<(String, DocumentKey)>> {
        let rows = query("SELECT source, document FROM recognition WHERE seller = $1 AND leg = $2")
            .bind(seller.as_str())
            .bind(leg)
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading recognitions"))?;
        rows.iter().map(|row| Ok((get(row, "source")?, key(row, "document")?))).collect()
    }
}
