//! Between rows and the domain's types.

use ml_connector_domain::document::Document;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::posting::State;
use ml_connector_domain::{Money, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;

use super::{Db, Row};
use crate::{DocumentRow, MadeBy, Result, StoreError, failed};

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
