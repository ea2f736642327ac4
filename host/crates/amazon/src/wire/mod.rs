//! Types as Amazon sends them. Every enumeration is an open set, and every list may be absent, null or empty.

pub(crate) mod buyer;
pub(crate) mod catalog;
pub mod events;
pub(crate) mod finances;
pub(crate) mod orders;
pub(crate) mod orders_v0;
pub(crate) mod reports;
pub(crate) mod sellers;
pub(crate) mod settlement;
pub(crate) mod transfers;

use jiff::{SignedDuration, Timestamp};
use ml_connector_domain::money::MoneyError;
use ml_connector_ports::{Page, RawRecord, Stream, Unreadable};
use ml_connector_remote::Token;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Errors<'a> {
    #[serde(borrow)]
    errors: Vec<Error<'a>>,
}

#[derive(Deserialize)]
struct Error<'a> {
    #[serde(borrow, default)]
    code: std::borrow::Cow<'a, str>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    details: Option<String>,
}

/// What an error's body says. Not all of them are JSON: the edge answers malformed HTTP with a page.
pub(crate) fn error_words(status: u16, body: &[u8]) -> String {
    match serde_json::from_slice::<Errors<'_>>(body) {
        Ok(errors) => {
            let one = |e: &Error<'_>| {
                let parts = [Some(e.code.as_ref()), e.message.as_deref(), e.details.as_deref()];
                parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
            };
            format!("HTTP {status}: {}", errors.errors.iter().map(one).collect::<Vec<_>>().join("; "))
        }
        Err(_) => format!("HTTP {status} with {} bytes that are no error object", body.len()),
    }
}

fn any_error(body: &[u8], is: impl Fn(&Error<'_>) -> bool) -> bool {
    serde_json::from_slice::<Errors<'_>>(body).is_ok_and(|errors| errors.errors.iter().any(is))
}

/// Whether a 403 means that the access token has expired, which elsewhere would be a 401.
pub(crate) fn is_expired_token(body: &[u8]) -> bool {
    any_error(body, |error| error.details.as_deref().is_some_and(|details| details.contains("has expired")))
}

/// Whether a 400 means that a page token has expired or is not understood.
pub(crate) fn is_stale_page_token(body: &[u8]) -> bool {
    let about = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.contains("token") && !text.contains("access token")
    };
    any_error(body, |error| [&error.message, &error.details].into_iter().flatten().any(|text| about(text)))
}

/// Whether a 400 means that one of the data sets asked for is refused.
pub(crate) fn is_refused_data_set(body: &[u8]) -> bool {
    let about = |text: &str| text.contains("includedData");
    any_error(body, |error| [&error.message, &error.details].into_iter().flatten().any(|text| about(text)))
}

/// `x-amzn-RateLimit-Limit` is calls a second; the interval between two of them.
pub(crate) fn rate_interval(header: &str) -> Option<SignedDuration> {
    let (whole, fraction) = header.trim().split_once('.').unwrap_or((header.trim(), ""));
    if fraction.len() > 9 {
        return None;
    }
    // In billionths of a call a second, so that 0.0056 needs no float.
    let billionths: u64 = format!("{whole}{fraction:0<9}").parse().ok().filter(|rate| *rate > 0)?;
    let nanos = 1_000_000_000_000_000_000_u64.checked_div(billionths)?;
    i64::try_from(nanos).ok().map(SignedDuration::from_nanos)
}

/// A page's records in Amazon's own bytes.
pub(crate) fn page(stream: Stream, body: &[u8]) -> Result<Page, serde_json::Error> {
    match stream {
        Stream::Orders => orders::page(body),
        Stream::Transactions => finances::transactions_page(body),
        Stream::Groups => finances::groups_page(body),
        Stream::Payouts => transfers::page(body),
        Stream::Reports => reports::page(body),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestrictedToken {
    restricted_data_token: String,
    expires_in: i64,
}

/// Tokens 2021-03-01 createRestrictedDataToken.
pub(crate) fn restricted_token(body: &[u8], now: Timestamp) -> Result<Token, serde_json::Error> {
    let granted: RestrictedToken = serde_json::from_slice(body)?;
    let expires = now.saturating_add(SignedDuration::from_secs(granted.expires_in.clamp(0, 86_400)));
    Ok(Token { secret: granted.restricted_data_token.into(), expires: expires.unwrap_or(now) })
}

/// Records with the id that `field` holds.
fn records<T: DeserializeOwned>(
    raw: Vec<&RawValue>,
    id: impl Fn(T) -> String,
) -> Result<Vec<RawRecord>, serde_json::Error> {
    raw.into_iter().map(|json| record(json, &id)).collect()
}

fn record<T: DeserializeOwned>(
    json: &RawValue,
    id: impl Fn(T) -> String,
) -> Result<RawRecord, serde_json::Error> {
    let natural_id = id(serde_json::from_str(json.get())?);
    let json = json.get().to_owned();
    Ok(RawRecord { natural_id, buyer_data: buyer::is_in(&json), json })
}

/// Reads a record; a failure says where.
fn read<T: DeserializeOwned>(json: &str) -> Result<T, Unreadable> {
    serde_json::from_str(json).map_err(|error| Unreadable {
        path: format!("$ (line {}, column {})", error.line(), error.column()),
        message: error.to_string(),
    })
}

fn unreadable(path: impl Into<String>, message: impl Into<String>) -> Unreadable {
    Unreadable { path: path.into(), message: message.into() }
}

fn bad_money(path: &str) -> impl Fn(MoneyError) -> Unreadable {
    move |error| unreadable(path, error.to_string())
}

/// Times come to the second or the millisecond, and from some operations as a bare day.
fn instant(path: &str, text: &str) -> Result<Timestamp, Unreadable> {
    text.parse()
        .or_else(|_| format!("{text}T00:00:00Z").parse())
        .map_err(|_| unreadable(path, format!("`{text}` is no time")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_becomes_an_interval_without_a_float() {
        let seconds = |header| rate_interval(header).map(|interval| interval.as_millis());
        let rows =
            [("0.5", Some(2_000)), ("0.0056", Some(178_571)), ("2", Some(500)), ("0", None), ("x", None)];
        for (header, wanted) in rows {
            assert_eq!(seconds(header), wanted, "{header}");
        }
    }

    #[test]
    fn errors_are_told_apart_whatever_they_look_like() {
        let expired = br#"{"errors":[{"code":"Unauthorized","message":"Access to requested resource is denied.","details":"The access token you provided has expired."}]}"#;
        assert!(is_expired_token(expired) && !is_stale_page_token(expired));
        let stale = br#"{"errors":[{"code":"InvalidInput","message":"Token is not valid, token duration is 25 minutes.","details":""}]}"#;
        assert!(is_stale_page_token(stale) && !is_expired_token(stale));
        assert_eq!(error_words(400, b"<!DOCTYPE html>"), "HTTP 400 with 15 bytes that are no error object");
        let odd = br#"{"errors":[{"code":"InvalidInput","message":null}]}"#;
        assert_eq!(error_words(400, odd), "HTTP 400: InvalidInput");
    }
}
