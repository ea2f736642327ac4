//! Errors as `application/problem+json` (RFC 9457), with a stable code.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ml_connector_pipeline::StageError;
use ml_connector_pipeline::resolve::ResolveError;
use ml_connector_pipeline::versions::life::LifeError;
use ml_connector_storage::StoreError;
use schemars::JsonSchema;
use serde::Serialize;

use crate::port::Refusal;

/// The media type of errors.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was not answered as wished.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    pub(crate) detail: String,
}

/// A problem as it is sent (RFC 9457).
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ProblemBody {
    /// A name for the kind of problem: `urn:ml-connector:` and the code.
    #[serde(rename = "type")]
    pub(crate) type_: String,
    /// The kind of problem in words.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What happened and what to do.
    pub(crate) detail: String,
    /// A stable code.
    pub(crate) code: String,
    /// The path that was asked for.
    pub(crate) instance: String,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $status:literal $code:literal $title:literal;)*) => {
        /// All kinds of problems. The codes are stable: add, never rename.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// All of them.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Status, code and title.
            pub(crate) fn row(self) -> (u16, &'static str, &'static str) {
                match self { $(Self::$name => ($status, $code, $title),)* }
            }
        }
    };
}

kinds! {
    Malformed = 400 "API-PARAMETER" "A parameter or header is not right";
    Unauthorized = 401 "API-KEY" "A key is needed";
    Forbidden = 403 "API-ROLE" "The key's role does not allow this";
    NotFound = 404 "API-NOT-FOUND" "There is no such thing";
    Method = 405 "API-METHOD" "The path does not know this method";
    Conflict = 409 "API-CONFLICT" "It cannot be done as things stand";
    UnderWay = 409 "API-UNDER-WAY" "The same request is being answered";
    TooLarge = 413 "API-TOO-LARGE" "The body is larger than it may be";
    MediaType = 415 "API-MEDIA-TYPE" "The body is of another media type";
    Invalid = 422 "API-BODY" "The body is not what it should be";
    Refused = 422 "API-REFUSED" "What was sent was looked at and refused";
    Reused = 422 "API-IDEMPOTENCY" "The Idempotency-Key was used for another request";
    TooMany = 429 "API-RATE" "Too many requests";
    Failed = 500 "API-FAILED" "The daemon failed";
    Remote = 502 "API-REMOTE" "A remote did not answer as it should";
    Slow = 503 "API-TIMEOUT" "It takes longer than a request may";
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// The one answer for what is not there, whether or not somebody else has it.
    pub(crate) fn not_found() -> Self {
        Self::new(Kind::NotFound, "there is nothing under this path, or not for this key")
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.row().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What happened inside is logged and not sent.
    fn internal(error: &dyn std::error::Error) -> Self {
        let mut causes = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push_str(&format!(": {cause}"));
            next = cause.source();
        }
        tracing::error!(error = %causes, code = "API-FAILED", "a request failed");
        Self::new(Kind::Failed, "see the daemon's log")
    }

    /// As JSON text, for a path.
    pub(crate) fn body(&self, instance: &str) -> String {
        let (status, code, title) = self.kind.row();
        let body = ProblemBody {
            type_: format!("urn:ml-connector:{code}"),
            title: title.to_owned(),
            status,
            detail: self.detail.clone(),
            code: code.to_owned(),
            instance: instance.to_owned(),
        };
        serde_json::to_string(&body).unwrap_or_default()
    }

    /// The answer to a request for a path.
    pub(crate) fn response(&self, instance: &str) -> Response {
        let mut response = (self.status(), self.body(instance)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if self.kind == Kind::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.kind == Kind::TooMany {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Twice { what } => {
                Self::new(Kind::Conflict, format!("{what}: somebody else has done it meanwhile"))
            }
            other => Self::internal(&other),
        }
    }
}

impl From<StageError> for Problem {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Store(error) => error.into(),
            StageError::Remote(error) => {
                tracing::warn!(%error, code = "API-REMOTE", "a remote failed a request");
                Self::new(Kind::Remote, error.to_string())
            }
            StageError::Parked(message) => Self::new(Kind::Conflict, format!("MAP-PARKED: {message}")),
            other => Self::internal(&other),
        }
    }
}

impl From<ResolveError> for Problem {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Closed(_) => Self::not_found(),
            ResolveError::Holds { .. } => Self::new(Kind::Conflict, error.to_string()),
            ResolveError::Because => Self::new(Kind::Invalid, error.to_string()),
            ResolveError::Stage(error) => error.into(),
        }
    }
}

impl From<LifeError> for Problem {
    fn from(error: LifeError) -> Self {
        match error {
            LifeError::Stage(error) => error.into(),
            refused => Self::new(Kind::Conflict, refused.to_string()),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Refused(words) => Self::new(Kind::Refused, words),
            Refusal::Failed(words) => {
                tracing::error!(error = %words, code = "API-FAILED", "a request failed");
                Self::new(Kind::Failed, "see the daemon's log")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_one_to_one() {
        let mut codes: Vec<&str> = Kind::ALL.iter().map(|kind| kind.row().1).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Kind::ALL.len());
        let body = Problem::not_found().body("/v1/x");
        let read: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((&read["code"], &read["instance"]), (&"API-NOT-FOUND".into(), &"/v1/x".into()));
    }
}
