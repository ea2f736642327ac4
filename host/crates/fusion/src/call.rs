//! One call, and what is read by several.

use std::sync::PoisonError;
use std::time::Duration;

use jiff::SignedDuration;
use ml_connector_ports::{Answer, SourceError};
use ml_connector_remote::backoff::Backoff;
use ml_connector_remote::{Request, Response, TransportError};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::answers;
use crate::client::{FusionClient, refused, transient};
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

    /// Makes one call; a 401 was not processed, so it is made once more with a fresh token.
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
            match &result {
                Ok(answer) if answer.status == 401 && !fresh => {
                    self.tokens.invalidate("fusion", &token).await
                }
                _ => return Ok(result),
            }
        }
        Err(refused("FUS-UNAUTHORIZED", "Fusion refuses a fresh access token".to_owned()))
    }

    /// Reads, trying again where that may help: a read does no harm twice.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, SourceError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let result = match self.call(|| Request::get(self.url(path)).query(query)).await {
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
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, SourceError> {
        let mut items: Vec<T> = Vec::new();
        let limit = PAGE.to_string();
        for _ in 0..PAGES_MAX {
            let offset = items.len().to_string();
            let mut query = query.to_vec();
            query.extend([("limit", limit.as_str()), ("offset", offset.as_str())]);
            let page: Collection<T> = self.get(path, &query).await?;
            let empty = page.items.is_empty();
            items.extend(page.items);
            if !page.has_more || empty {
                return Ok(items);
            }
        }
        Err(refused("FUS-PAGES", format!("{path} has more than {PAGES_MAX} pages")))
    }

    /// The children beyond the first page, which an expanded parent brings along.
    pub(crate) async fn children<T: DeserializeOwned, C>(
        &self,
        path: &str,
        expanded: Option<&Collection<C>>,
    ) -> Result<Vec<T>, SourceError> {
        let mut items: Vec<T> = Vec::new();
        let Some(first) = expanded.filter(|first| first.has_more) else { return Ok(items) };
        let limit = PAGE.to_string();
        for _ in 0..PAGES_MAX {
            let offset = (first.items.len() + items.len()).to_string();
            let query = [
                ("limit", limit.as_str()),
                ("offset", &offset),
                ("orderBy", "LineNumber"),
                ("onlyData", "true"),
            ];
            let page: Collection<T> = self.get(path, &query).await?;
            let empty = page.items.is_empty();
            items.extend(page.items);
            if !page.has_more || empty {
                break;
            }
        }
        Ok(items)
    }

    /// Posts once.
    pub(crate) async fn post(&self, path: &str, body: &Value, content_type: &str) -> Result<Vec<u8>, Answer> {
        match self.call(|| Request::post(self.url(path)).json(body, content_type)).await {
            Err(error) => Err(answers::no_token(&error)),
            Ok(Ok(answer)) if answer.is_success() => Ok(answer.body),
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
        403 => {
            let message = format!("{}: the integration user lacks the privilege or data access", words());
            Err(refused("FUS-FORBIDDEN", message))
        }
        _ => Err(refused("FUS-REFUSED", words())),
    }
}
