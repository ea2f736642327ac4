//! Between rows and the domain's types.

use ml_connector_domain::document::Document;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::posting::State;
use ml_connector_domain::{Money, Region, SellerId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;

use super::{Db, Row};
use crate::{
    AuditRow, BookedTransaction, Cursor, DocumentRow, MadeBy, RawPayload, Result, ReviewRow, StageCount,
    StoreError, failed,
};

pub(super) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

pub(super) fn timestamp(millis: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(millis)
        .map_err(|error| StoreError::Corrupt { what: "a time", message: error.to_string() })
}

pub(super) fn to_json<T: Serialize>(what: &'static str, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt { what, message: error.to_string() })
}

pub(super) fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt { what, message: error.to_string() })
}

pub(super) fn get<'r, T>(row: &'r Row, column: &'static str) -> Result<T>
where
    T: sqlx::Decode<'r, Db> + sqlx::Type<Db>,
{
    row.try_get(column).map_err(failed(column))
}

pub(super) fn count(row: &Row, column: &'static str) -> Result<u64> {
    let value: i64 = get(row, column)?;
    u64::try_from(value).map_err(|error| StoreError::Corrupt { what: column, message: error.to_string() })
}

/// A count that stands in 64 bits in every store and is small.
pub(super) fn small(row: &Row, column: &'static str) -> Result<u32> {
    let value: i64 = get(row, column)?;
    u32::try_from(value).map_err(|error| StoreError::Corrupt { what: column, message: error.to_string() })
}

pub(super) fn money(minor: i64, currency: &str) -> Result<Money> {
    let currency = currency.parse().map_err(|error: ml_connector_domain::money::MoneyError| {
        StoreError::Corrupt { what: "a currency", message: error.to_string() }
    })?;
    Ok(Money::new(minor, currency))
}

/// A time that stands within a record, as text.
pub(super) fn time_text(row: &Row, column: &'static str) -> Result<Timestamp> {
    let text: String = get(row, column)?;
    text.parse::<Timestamp>()
        .map_err(|error| StoreError::Corrupt { what: column, message: error.to_string() })
}

/// Reads what a batch was mapped with.
pub(super) fn made_by(row: &Row) -> Result<MadeBy> {
    let hash = |column| Ok(ContentHash::from_stored(get::<String>(row, column)?));
    Ok(MadeBy {
        mapper: hash("mapper")?,
        contract: get(row, "contract")?,
        catalog: hash("catalog")?,
        settings: hash("settings")?,
    })
}

/// Reads `minor` and `currency`, where both are set.
pub(super) fn optional_money(row: &Row) -> Result<Option<Money>> {
    let minor: Option<i64> = get(row, "minor")?;
    let currency: Option<String> = get(row, "currency")?;
    match (minor, currency) {
        (Some(minor), Some(currency)) => money(minor, &currency).map(Some),
        _ => Ok(None),
    }
}

/// Reads the columns of [`super::read::DOCUMENT`].
pub(super) fn document(row: &Row) -> Result<DocumentRow> {
    let body: String = get(row, "body")?;
    let document: Document = from_json("a document", &body)?;
    let detail: String = get(row, "detail")?;
    let state: State = from_json("a posting's state", &detail)?;
    let expected = Money::new(get(row, "expected_minor")?, document.currency);
    let body_hash: String = get(row, "body_hash")?;
    Ok(DocumentRow { document, expected, state, body_hash: ContentHash::from_stored(body_hash) })
}

pub(super) fn region(text: &str) -> Result<Region> {
    text.parse().map_err(|error: ml_connector_domain::region::UnknownRegion| StoreError::Corrupt {
        what: "a region",
        message: error.to_string(),
    })
}

pub(super) fn cursor_row(row: &Row) -> Result<Cursor> {
    let from: Option<i64> = get(row, "window_from")?;
    let to: Option<i64> = get(row, "window_to")?;
    let window = match (from, to) {
        (Some(from), Some(to)) => Some((timestamp(from)?, timestamp(to)?)),
        _ => None,
    };
    Ok(Cursor {
        position: timestamp(get(row, "position")?)?,
        window,
        token: get(row, "token")?,
        polled_at: timestamp(get(row, "polled_at")?)?,
    })
}

pub(super) fn raw_row(row: &Row) -> Result<RawPayload> {
    Ok(RawPayload {
        stream: get(row, "stream")?,
        natural_id: get(row, "natural_id")?,
        hash: ContentHash::from_stored(get::<String>(row, "hash")?),
        region: region(&get::<String>(row, "region")?)?,
        body: get(row, "body")?,
    })
}

pub(super) fn booking_row(row: &Row) -> Result<BookedTransaction> {
    Ok(BookedTransaction {
        transaction: get(row, "transaction_id")?,
        economic_id: get(row, "economic_id")?,
        total: money(get(row, "total_minor")?, &get::<String>(row, "currency")?)?,
        posted: time_text(row, "posted")?,
        lines: from_json("journal lines", &get::<String>(row, "lines")?)?,
        batch: ContentHash::from_stored(get::<String>(row, "batch")?),
        made_by: made_by(row)?,
    })
}

pub(super) fn review_row(row: &Row) -> Result<ReviewRow> {
    Ok(ReviewRow {
        id: get(row, "id")?,
        seller: SellerId::new(get::<String>(row, "seller")?),
        kind: get(row, "kind")?,
        subject: get(row, "subject")?,
        code: get(row, "code")?,
        about: get(row, "about")?,
        message: get(row, "message")?,
        at_stake: optional_money(row)?,
        opened_at: timestamp(get(row, "opened_at")?)?,
    })
}

pub(super) fn audit_row(row: &Row) -> Result<AuditRow> {
    Ok(AuditRow {
        id: get(row, "id")?,
        at: timestamp(get(row, "at")?)?,
        subject: get(row, "subject")?,
        action: get(row, "action")?,
        detail: get(row, "detail")?,
    })
}

pub(super) fn stage_row(row: &Row) -> Result<StageCount> {
    Ok(StageCount { kind: get(row, "kind")?, stage: get(row, "stage")?, count: count(row, "n")? })
}
