//! What an HTTP answer to a POST means for the document that was sent.

use std::time::Duration;

use ml_connector_domain::refusal::Refusal;
use ml_connector_ports::{Answer, SourceError};
use ml_connector_remote::{Response, TransportError};
use serde::Deserialize;

use crate::refusals;

/// How long to wait when Fusion says 429 and nothing else.
const THROTTLED: Duration = Duration::from_secs(30);
/// How long to wait when nobody could be reached.
const UNREACHED: Duration = Duration::from_secs(30);

#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorBody {
    title: Option<String>,
    detail: Option<String>,
    #[serde(rename = "o:errorDetails")]
    details: Vec<ErrorDetail>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorDetail {
    detail: Option<String>,
    #[serde(rename = "o:errorCode")]
    code: Option<String>,
    #[serde(rename = "o:errorPath")]
    path: Option<String>,
}

/// Longest text kept of what Fusion says.
const WORDS_CHARS_MAX: usize = 1_000;

/// Fusion's words: the error details, else the title, else the text as it came.
pub(crate) fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let from_json = serde_json::from_slice::<ErrorBody>(body).ok().and_then(|error| {
        let details: Vec<String> = error.details.iter().filter_map(detail_words).collect();
        if details.is_empty() { error.detail.or(error.title) } else { Some(details.join("; ")) }
    });
    let words = from_json.unwrap_or_else(|| text.trim().to_owned());
    words.chars().filter(|c| !c.is_control() || *c == '\n').take(WORDS_CHARS_MAX).collect()
}

fn detail_words(detail: &ErrorDetail) -> Option<String> {
    let words = detail.detail.clone()?;
    let code = detail.code.as_ref().map(|code| format!("{code}: ")).unwrap_or_default();
    let path = detail.path.as_ref().map(|path| format!(" (at {path})")).unwrap_or_default();
    Some(format!("{code}{words}{path}"))
}

/// Every reason that a 4xx gives.
pub(crate) fn reasons(body: &[u8]) -> Vec<Refusal> {
    let structured = serde_json::from_slice::<ErrorBody>(body).unwrap_or_default();
    let found: Vec<Refusal> = structured
        .details
        .iter()
        .filter_map(|detail| {
            let words: String = detail.detail.as_ref()?.chars().take(WORDS_CHARS_MAX).collect();
            Some(refusals::of_words(detail.code.as_deref(), detail.path.as_deref(), &words))
        })
        .collect();
    if found.is_empty() { vec![refusals::of_words(None, None, &words(body))] } else { found }
}

/// What came of a POST, for everything but success.
pub(crate) fn failure(result: Result<Response, TransportError>) -> Answer {
    let answer = match result {
        Ok(answer) => answer,
        Err(TransportError::NotSent(reason)) => return Answer::NotSent { reason, retry_after: UNREACHED },
        Err(error @ TransportError::BadUrl(_)) => {
            return Answer::Refused(vec![Refusal::new(
                "FUS-URL",
                error.to_string(),
                "correct `fusion.base_url`",
            )]);
        }
        Err(error) => return Answer::Lost(error.to_string()),
    };
    let words = words(&answer.body);
    match answer.status {
        429 => Answer::NotSent {
            reason: "FUS-THROTTLED: Fusion asks to slow down".to_owned(),
            retry_after: answer.retry_after().unwrap_or(THROTTLED),
        },
        401 => Answer::NotSent {
            reason: format!("FUS-UNAUTHORIZED: Fusion refuses a fresh access token: {words}"),
            retry_after: THROTTLED,
        },
        400..=499 => {
            let reasons = reasons(&answer.body);
            // Somebody, most likely we, has posted under this number: the look-up tells.
            match reasons.iter().find(|reason| refusals::is_duplicate(reason)) {
                Some(duplicate) => Answer::Contested(duplicate.clone()),
                None => Answer::Refused(reasons),
            }
        }
        // A 5xx says nothing about whether the transaction was committed before it.
        _ => Answer::Lost(format!("HTTP {}: {words}", answer.status)),
    }
}

/// A token could not be had: the document was not sent.
pub(crate) fn no_token(error: &SourceError) -> Answer {
    match error {
        SourceError::Transient { retry_after, .. } => {
            Answer::NotSent { reason: error.to_string(), retry_after: retry_after.unwrap_or(UNREACHED) }
        }
        _ => Answer::NotSent { reason: error.to_string(), retry_after: Duration::from_secs(600) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pain_16_fusions_words_are_found_in_every_form() {
        let rows = [
            (
                r#"{"title":"Bad Request","status":"400","o:errorDetails":[{"detail":"Attribute X is required","o:errorCode":"27014","o:errorPath":"/X"}]}"#,
                "27014: Attribute X is required (at /X)",
            ),
            (r#"{"title":"Bad Request","detail":"no"}"#, "no"),
            (r#"{"title":"Bad Request"}"#, "Bad Request"),
            ("The business unit you entered doesn't exist.", "The business unit you entered doesn't exist."),
        ];
        for (body, wanted) in rows {
            assert_eq!(words(body.as_bytes()), wanted);
        }
    }

    #[test]
    fn a_lost_answer_is_told_from_one_that_was_never_sent() {
        assert!(matches!(failure(Err(TransportError::Lost("cut".into()))), Answer::Lost(_)));
        assert!(matches!(failure(Err(TransportError::TooLarge(1))), Answer::Lost(_)));
        assert!(matches!(failure(Err(TransportError::NotSent("dns".into()))), Answer::NotSent { .. }));
    }
}
