//! One call, and what is read by several.

use std::sync::PoisonError;
use std::time::Duration;

use jiff::SignedDuration;
use ml_connector_domain::refusal::Refusal;
use ml_connector_ports::{Answer, SourceError};
use ml_connector_remote::backoff::Backoff;
use ml_connector_remote::{Request, Response, TransportError};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::answers;
use crate::client::{FusionClient, refused, transient};
use crate::privilege::{self, Access};
use crate::query::Query;
use crate::wire::Collection;

/// The framework version that is pinned: children come as collections, `q` takes quoted values.
const FRAMEWORK_VERSION: &str = "4";
/// Largest page that Fusion gives.
const PAGE: usize = 500;
/// Pages of one collection before something must be wrong.
const PAGES_MAX: usize = 1_000;
/// Tries of a read.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(60), attempts: 4 };

impl FusionClient {
    fn url(&self, path: &str) -> String {
        format!("{}/fscmRestApi/resources/11.13.18.05/{path}", self.options.base_url)
    }

    /// Makes one call; a 401 was not processed, so it is made once more with a fresh token. A second one is final.
    ///
    /// # Errors
    /// There is no token, or Fusion refuses a fresh one: nothing was processed.
    async fn call(
        &self,
        request: impl Fn() -> Request + Send + Sync,
    ) -> Result<Result<Response, TransportError>, SourceError> {
        for fresh in [false, true] {
            let token = self.token().await?;
            let bearer = SecretString::from(format!("Bearer {}", token.expose_secret()));
            let sent = request()
                .header("accept", "application/json")
                .header("rest-framework-version", FRAMEWORK_VERSION)
                .secret_header("authorization", bearer);
            let result = self.http.send(sent).await;
            if matches!(&result, Ok(answer) if answer.status == 429) {
                let labels = [("remote", "fusion"), ("operation", "call")];
                metrics::counter!("ml_connector_throttled_calls_total", &labels).increment(1);
            }
            match &result {
                Ok(answer) if answer.status == 401 => {
                    self.tokens.invalidate("fusion", &token).await;
                    if fresh {
                        break;
                    }
                }
                _ => return Ok(result),
            }
        }
        Err(refused("FUS-UNAUTHORIZED", privilege::unauthorized()))
    }

    /// Reads, trying again where that may help: a read does no harm twice.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, query: &Query) -> Result<T, SourceError> {
        self.page(path, query, &[]).await
    }

    async fn page<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query,
        more: &[(&str, &str)],
    ) -> Result<T, SourceError> {
        let pairs = query.pairs();
        let mut query: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        query.extend(more);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let result = match self.call(|| Request::get(self.url(path)).query(&query)).await {
                Ok(result) => judge_read(path, result),
                Err(error) => Err(error),
            };
            match result {
                Ok(body) => {
                    return serde_json::from_slice(&body).map_err(|e| {
                        refused("FUS-ANSWER", format!("{path}: the answer is not understood: {e}"))
                    });
                }
                Err(error @ SourceError::Transient { .. }) => self.back_off(attempt, error).await?,
                Err(error) => return Err(error),
            }
        }
    }

    async fn back_off(&self, attempt: u32, error: SourceError) -> Result<(), SourceError> {
        let wait = BACKOFF.wait(attempt, &mut *self.rng.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(wait) = wait else { return Err(error) };
        let asked = match &error {
            SourceError::Transient { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let wait = SignedDuration::try_from(wait.max(asked)).unwrap_or(SignedDuration::ZERO);
        let now = self.clock.now();
        self.clock.sleep_until(now.saturating_add(wait).unwrap_or(now)).await;
        Ok(())
    }

    /// Reads a whole collection, going on by what the server gave, not by what was asked for.
    pub(crate) async fn all<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query,
    ) -> Result<Vec<T>, SourceError> {
        self.beyond(path, query, 0).await
    }

    /// The children beyond the first page, which an expanded parent brings along.
    pub(crate) async fn children<T: DeserializeOwned, C>(
        &self,
        path: &str,
        query: &Query,
        expanded: Option<&Collection<C>>,
    ) -> Result<Vec<T>, SourceError> {
        match expanded.filter(|first| first.has_more) {
            Some(first) => self.beyond(path, query, first.items.len()).await,
            None => Ok(Vec::new()),
        }
    }

    /// The rows of a collection from the one with this number on.
    ///
    /// # Errors
    /// Besides those of a read: the server says that there is more and gives nothing. Half an answer would be taken
    /// for the whole, and a document for missing.
    async fn beyond<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query,
        from: usize,
    ) -> Result<Vec<T>, SourceError> {
        let mut items: Vec<T> = Vec::new();
        let limit = PAGE.to_string();
        for _ in 0..PAGES_MAX {
            let offset = (from + items.len()).to_string();
            let page: Collection<T> =
                self.page(path, query, &[("limit", &limit), ("offset", &offset)]).await?;
            let empty = page.items.is_empty();
            items.extend(page.items);
            if !page.has_more {
                return Ok(items);
            }
            if empty {
                let words = format!("{path} says that there is more after row {offset} and gives nothing");
                return Err(refused("FUS-PAGES", words));
            }
        }
        Err(refused("FUS-PAGES", format!("{path} has more than {PAGES_MAX} pages")))
    }

    /// Posts once.
    pub(crate) async fn post(&self, path: &str, body: &Value, content_type: &str) -> Result<Vec<u8>, Answer> {
        match self.call(|| Request::post(self.url(path)).json(body, content_type)).await {
            Err(error) => Err(answers::no_token(&error)),
            Ok(Ok(answer)) if answer.is_success() => Ok(answer.body),
            Ok(Ok(answer)) if answer.status == 403 => {
                let words = answers::words(&answer.body);
                let said = privilege::forbidden(path, Access::Write, &words);
                Err(Answer::Refused(vec![Refusal::new(
                    "FUS-FORBIDDEN",
                    said,
                    "grant what is missing, then plan the document again",
                )]))
            }
            Ok(result) => Err(answers::failure(result)),
        }
    }
}

fn judge_read(path: &str, result: Result<Response, TransportError>) -> Result<Vec<u8>, SourceError> {
    let answer = match result {
        Ok(answer) => answer,
        Err(error @ TransportError::BadUrl(_)) => return Err(refused("FUS-URL", error.to_string())),
        Err(error) => return Err(transient("FUS-DOWN", format!("{path}: {error}"), None)),
    };
    let words = || format!("{path}: HTTP {}: {}", answer.status, answers::words(&answer.body));
    match answer.status {
        200 => Ok(answer.body),
        429 => Err(transient("FUS-THROTTLED", words(), answer.retry_after())),
        500.. => Err(transient("FUS-DOWN", words(), answer.retry_after())),
        403 => Err(refused(
            "FUS-FORBIDDEN",
            privilege::forbidden(path, Access::Read, &answers::words(&answer.body)),
        )),
        _ => Err(refused("FUS-REFUSED", words())),
    }
}
