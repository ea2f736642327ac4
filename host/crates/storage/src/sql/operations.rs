//! Pages and figures for those who run the daemon.

use async_trait::async_trait;
use ml_connector_domain::{SellerId, Timestamp};
use sqlx::{AssertSqlSafe, query};

use super::rows::{audit_row, count, document, get, millis, optional_money, region, review_row, timestamp};
use super::{MIGRATIONS, OwnStore, Row};
use crate::operations::{
    AnswerClaim, ApiKey, Claimed, DocumentFilter, Operations, PlannedDocument, Restoration, ReviewFilter,
    SellerCount, SellerEvent, SellerPause, SellerReviews, StreamState,
};
use crate::{Result, ReviewRow, failed};

fn owner(row: &Row) -> Result<SellerId> {
    Ok(SellerId::new(get::<String>(row, "seller")?))
}

fn counted(row: &Row) -> Result<SellerCount> {
    Ok(SellerCount { seller: owner(row)?, what: get(row, "what")?, count: count(row, "n")? })
}

/// `$first, $first+1, ...` for a list of values; no value stands in the text.
fn holes(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

#[async_trait]
impl Operations for OwnStore {
    async fn api_key(&self, id: &str) -> Result<Option<ApiKey>> {
        self.key_by_id(id).await
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>> {
        self.all_keys().await
    }

    async fn claim_answer(&self, claim: AnswerClaim<'_>) -> Result<Claimed> {
        self.claim(claim).await
    }

    async fn renew_claim(&self, api_key: &str, name: &str, now: Timestamp) -> Result<()> {
        self.renewed(api_key, name, now).await
    }

    async fn keep_answer(&self, api_key: &str, name: &str, answer: Option<(u16, &str)>) -> Result<()> {
        self.answered(api_key, name, answer).await
    }

    async fn forget_answers(&self, before: Timestamp) -> Result<()> {
        self.forget_answers_before(before).await
    }

    async fn seller_pause(&self, seller: &SellerId) -> Result<Option<SellerPause>> {
        self.pause_of(seller).await
    }

    async fn restoration(&self) -> Result<Restoration> {
        self.restoration_state().await
    }

    async fn stream_states(&self, seller: Option<&SellerId>) -> Result<Vec<StreamState>> {
        let rows = query(
            "SELECT c.seller, c.region, c.stream, c.position, c.polled_at,
                    (SELECT max(r.seen_at) FROM raw_payload r
                     WHERE r.seller = c.seller AND r.region = c.region AND r.stream = c.stream) AS read_at
             FROM cursor c WHERE $1 = '' OR c.seller = $1 ORDER BY c.seller, c.region, c.stream",
        )
        .bind(seller.map_or("", SellerId::as_str))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading where streams stand"))?;
        let state = |row: &Row| {
            Ok(StreamState {
                seller: owner(row)?,
                region: region(&get::<String>(row, "region")?)?,
                stream: get(row, "stream")?,
                position: timestamp(get(row, "position")?)?,
                polled_at: timestamp(get(row, "polled_at")?)?,
                read_at: get::<Option<i64>>(row, "read_at")?.map(timestamp).transpose()?,
            })
        };
        rows.iter().map(state).collect()
    }

    async fn documents_page(&self, filter: &DocumentFilter, limit: u32) -> Result<Vec<PlannedDocument>> {
        if filter.sellers.is_empty() {
            return Ok(Vec::new());
        }
        let text = format!(
            "SELECT d.body, d.body_hash, d.expected_minor, d.planned_at, p.detail
             FROM document d JOIN posting p ON p.document = d.key
             WHERE ($1 = '' OR d.kind = $1) AND ($2 = '' OR p.state = $2) AND ($3 = '' OR d.subject = $3)
                AND d.planned_at >= $4 AND d.planned_at < $5
                AND (d.planned_at > $6 OR (d.planned_at = $6 AND d.key > $7))
                AND d.seller IN ({})
             ORDER BY d.planned_at, d.key LIMIT $8",
            holes(9, filter.sellers.len())
        );
        let text_of = |value: &Option<String>| value.clone().unwrap_or_default();
        let (since, key) = match &filter.after {
            Some((at, key)) => (millis(*at), key.as_str().to_owned()),
            None => (i64::MIN, String::new()),
        };
        let mut wanted = query(AssertSqlSafe(text))
            .bind(text_of(&filter.kind))
            .bind(text_of(&filter.state))
            .bind(text_of(&filter.subject))
            .bind(filter.from.map_or(i64::MIN, millis))
            .bind(filter.to.map_or(i64::MAX, millis))
            .bind(since)
            .bind(key)
            .bind(i64::from(limit));
        for seller in &filter.sellers {
            wanted = wanted.bind(seller.as_str());
        }
        let rows = wanted.fetch_all(&self.pool).await.map_err(failed("reading a page of documents"))?;
        let planned = |row: &Row| {
            Ok(PlannedDocument { planned_at: timestamp(get(row, "planned_at")?)?, row: document(row)? })
        };
        rows.iter().map(planned).collect()
    }

    async fn reviews_page(&self, filter: &ReviewFilter, limit: u32) -> Result<Vec<ReviewRow>> {
        if filter.sellers.is_empty() {
            return Ok(Vec::new());
        }
        let text = format!(
            "SELECT * FROM review_item WHERE resolved_at IS NULL AND id > $1 AND ($2 = '' OR code = $2)
                AND ($3 = '' OR kind = $3) AND seller IN ({}) ORDER BY id LIMIT $4",
            holes(5, filter.sellers.len())
        );
        let mut wanted = query(AssertSqlSafe(text))
            .bind(filter.after)
            .bind(filter.code.clone().unwrap_or_default())
            .bind(filter.kind.clone().unwrap_or_default())
            .bind(i64::from(limit));
        for seller in &filter.sellers {
            wanted = wanted.bind(seller.as_str());
        }
        let rows =
            wanted.fetch_all(&self.pool).await.map_err(failed("reading a page of the review queue"))?;
        rows.iter().map(review_row).collect()
    }

    async fn events_page(
        &self,
        sellers: &[SellerId],
        subject: Option<&str>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<SellerEvent>> {
        if sellers.is_empty() {
            return Ok(Vec::new());
        }
        let about = if subject.is_some() { "subject = $1" } else { "$1 = ''" };
        let text = format!(
            "SELECT * FROM audit_event WHERE id > $2 AND {about} AND seller IN ({}) ORDER BY id LIMIT $3",
            holes(4, sellers.len())
        );
        let mut wanted =
            query(AssertSqlSafe(text)).bind(subject.unwrap_or_default()).bind(after).bind(i64::from(limit));
        for seller in sellers {
            wanted = wanted.bind(seller.as_str());
        }
        let rows = wanted.fetch_all(&self.pool).await.map_err(failed("reading a page of audit events"))?;
        rows.iter().map(|row| Ok(SellerEvent { seller: owner(row)?, event: audit_row(row)? })).collect()
    }

    async fn seller_reviews(&self) -> Result<Vec<SellerReviews>> {
        let rows = query(
            "SELECT seller, kind, code, currency, CAST(sum(minor) AS BIGINT) AS minor, count(*) AS n,
                    min(opened_at) AS oldest
             FROM review_item WHERE resolved_at IS NULL GROUP BY seller, kind, code, currency
             ORDER BY seller, kind, code, currency NULLS FIRST",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed("summing sellers' review items"))?;
        let totals = |row: &Row| {
            Ok(SellerReviews {
                seller: owner(row)?,
                kind: get(row, "kind")?,
                code: get(row, "code")?,
                count: count(row, "n")?,
                at_stake: optional_money(row)?,
                oldest: timestamp(get(row, "oldest")?)?,
            })
        };
        rows.iter().map(totals).collect()
    }

    async fn posting_counts(&self) -> Result<Vec<SellerCount>> {
        let rows = query("SELECT seller, state AS what, count(*) AS n FROM posting GROUP BY seller, state")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("counting postings"))?;
        rows.iter().map(counted).collect()
    }

    async fn finding_counts(&self) -> Result<Vec<SellerCount>> {
        let rows = query(
            "SELECT seller, code AS what, count(*) AS n FROM reconciliation WHERE code IS NOT NULL
             GROUP BY seller, code",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed("counting findings"))?;
        rows.iter().map(counted).collect()
    }

    async fn oldest_unposted(&self) -> Result<Vec<(SellerId, Timestamp)>> {
        let rows = query(
            "SELECT p.seller, min(d.planned_at) AS oldest FROM posting p JOIN document d ON d.key = p.document
             WHERE p.state IN ('planned', 'sending', 'submitted', 'unknown') GROUP BY p.seller",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed("looking for the oldest documents"))?;
        rows.iter().map(|row| Ok((owner(row)?, timestamp(get(row, "oldest")?)?))).collect()
    }

    async fn schema_is_current(&self) -> Result<bool> {
        let rows = query("SELECT version, success FROM _sqlx_migrations ORDER BY version")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading which migrations are applied"))?;
        let applied: Vec<(i64, bool)> =
            rows.iter().map(|row| Ok((get(row, "version")?, get(row, "success")?))).collect::<Result<_>>()?;
        let own = MIGRATIONS.iter().map(|migration| (migration.version, true));
        Ok(own.eq(applied))
    }
}
