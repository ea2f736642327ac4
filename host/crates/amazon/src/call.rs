//! One call: token, rate limit, retries where they are safe, and what an answer means.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use ml_connector_domain::{Clock, Region, Timestamp};
use ml_connector_ports::{Account, Pause, PauseMemory, SourceError, Urgency};
use ml_connector_remote::backoff::Backoff;
use ml_connector_remote::{HttpClient, RateLimiter, Request, Response, Token, TokenCache};
use rand_chacha::ChaCha8Rng;
use secrecy::SecretString;
use serde_json::Value;

use crate::auth::{self, CredentialSource, refused, transient};
use crate::client::AmazonOptions;
use crate::operation::Operation;
use crate::wire;

/// Tries of one call: Amazon's own samples give up after five to seven.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(600), attempts: 6 };

/// Amazon's clock calls a token for restricted data expired that ours does not.
pub(crate) const RESTRICTED_EXPIRED: &str = "AMZ-TOKEN";
/// Amazon does not serve what was asked for by its id, or not any more.
pub(crate) const NOT_FOUND: &str = "AMZ-NOT-FOUND";

/// A call to be made for a seller in a region.
pub(crate) struct Call<'a> {
    pub(crate) account: &'a Account,
    pub(crate) operation: Operation,
    /// Added to the operation's path.
    pub(crate) segments: &'a [&'a str],
    pub(crate) query: &'a [(&'a str, &'a str)],
    /// Makes it a POST.
    pub(crate) body: Option<Value>,
    pub(crate) urgency: Urgency,
    /// In place of the seller's access token.
    pub(crate) restricted: Option<SecretString>,
}

impl<'a> Call<'a> {
    pub(crate) fn get(
        account: &'a Account,
        operation: Operation,
        query: &'a [(&'a str, &'a str)],
        urgency: Urgency,
    ) -> Self {
        Self { account, operation, segments: &[], query, body: None, urgency, restricted: None }
    }
}

/// Makes calls. Shared by all workers of a process, so that they share the rate limits.
pub(crate) struct Caller {
    pub(crate) options: AmazonOptions,
    pub(crate) http: HttpClient,
    pub(crate) credentials: Arc<dyn CredentialSource>,
    pub(crate) clock: Arc<dyn Clock>,
    limiter: RateLimiter,
    tokens: TokenCache,
    rng: Mutex<ChaCha8Rng>,
    memory: Arc<dyn PauseMemory>,
    /// Pauses by bucket, as far as they were looked up.
    pauses: Mutex<HashMap<String, Option<Pause>>>,
}

/// What became of one try.
enum Tried {
    Answer(Response),
    Again(SourceError),
    Expired(SecretString),
}

impl Caller {
    pub(crate) fn new(
        options: AmazonOptions,
        http: HttpClient,
        credentials: Arc<dyn CredentialSource>,
        clock: Arc<dyn Clock>,
        memory: Arc<dyn PauseMemory>,
        rng: ChaCha8Rng,
    ) -> Self {
        Self {
            options,
            http,
            credentials,
            clock,
            limiter: RateLimiter::default(),
            tokens: TokenCache::default(),
            rng: Mutex::new(rng),
            memory,
            pauses: Mutex::default(),
        }
    }

    fn endpoint(&self, region: Region) -> &str {
        self.options.endpoints.get(&region).map_or_else(|| region.endpoint(), String::as_str)
    }

    async fn token(&self, account: &Account) -> Result<SecretString, SourceError> {
        let now = self.clock.now();
        let fetch = || async {
            let credentials = self.credentials.credentials(account, now).await?;
            auth::by_refresh_token(&self.http, &self.options.lwa_url, &credentials, now).await
        };
        self.tokens.get(&token_key(account), now, fetch).await
    }

    /// A token for restricted data of Orders v0, which is sent in place of the seller's.
    pub(crate) async fn restricted_token(
        &self,
        account: &Account,
        path: &str,
        elements: &[&str],
        urgency: Urgency,
    ) -> Result<SecretString, SourceError> {
        let key = format!("{}/restricted/{path}", token_key(account));
        if let Some(token) = self.tokens.held(&key, self.clock.now()).await {
            return Ok(token);
        }
        let resource = serde_json::json!({ "method": "GET", "path": path, "dataElements": elements });
        let operation = Operation::CreateRestrictedDataToken;
        let body = Some(serde_json::json!({ "restrictedResources": [resource] }));
        let answer = self.call(Call { body, ..Call::get(account, operation, &[], urgency) }).await?;
        let token = wire::restricted_token(&answer.body, self.clock.now()).map_err(|error| {
            refused("AMZ-ANSWER", format!("{}: the answer is no token: {error}", operation.name()))
        })?;
        let secret = token.secret.clone();
        self.tokens.keep(&key, token).await;
        Ok(secret)
    }

    /// A token for an operation that concerns the application and no seller.
    pub(crate) async fn grantless_token(&self, scope: &str) -> Result<Token, SourceError> {
        let application = self.credentials.application(self.clock.now()).await?;
        auth::by_client_credentials(&self.http, &self.options.lwa_url, &application, scope, self.clock.now())
            .await
    }

    /// Calls until there is an answer that a retry would not change.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Response, SourceError> {
        let name = call.operation.name();
        let bucket = format!("{}/{}/{}", self.options.application, token_key(call.account), name);
        let mut refreshed = false;
        let mut attempt = self.wait_out(&bucket).await?;
        loop {
            attempt += 1;
            let rate = call.operation.rate();
            match call.urgency {
                Urgency::Live => self.limiter.acquire(&bucket, rate, &*self.clock).await,
                Urgency::Backfill => self.limiter.acquire_patiently(&bucket, rate, &*self.clock).await,
            }
            match self.attempt(&call, &bucket).await? {
                Tried::Answer(answer) => {
                    self.set_pause(&bucket, None).await?;
                    return Ok(answer);
                }
                // Whoever asked for restricted data fetches another token for it: that takes a call of its own.
                Tried::Expired(token) if call.restricted.is_some() => {
                    self.tokens.forget(&token).await;
                    let message = format!("{name}: the token for restricted data has expired");
                    return Err(SourceError::Transient {
                        code: RESTRICTED_EXPIRED,
                        message,
                        retry_after: None,
                    });
                }
                // An expired token comes as 403; refreshed once, since a wrong one would come for ever.
                Tried::Expired(token) if !refreshed => {
                    refreshed = true;
                    self.tokens.invalidate(&token_key(call.account), &token).await;
                }
                Tried::Expired(_) => {
                    let message = format!("{name}: Amazon calls a fresh access token expired");
                    return Err(refused("AMZ-TOKEN", message));
                }
                Tried::Again(error) => self.back_off(&bucket, attempt, error).await?,
            }
        }
    }

    /// Waits for the end of a pause that an earlier call began, perhaps in an earlier process; says after how many
    /// tries it was.
    async fn wait_out(&self, bucket: &str) -> Result<u32, SourceError> {
        let known = self.pauses.lock().unwrap_or_else(PoisonError::into_inner).get(bucket).copied();
        let pause = match known {
            Some(pause) => pause,
            None => {
                let stored = self.memory.pause(bucket).await?;
                let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
                *pauses.entry(bucket.to_owned()).or_insert(stored)
            }
        };
        let Some(pause) = pause else { return Ok(0) };
        self.clock.sleep_until(pause.until).await;
        Ok(if pause.attempt < BACKOFF.attempts { pause.attempt } else { 0 })
    }

    async fn set_pause(&self, bucket: &str, pause: Option<Pause>) -> Result<(), SourceError> {
        let before = {
            let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
            pauses.insert(bucket.to_owned(), pause).flatten()
        };
        // Most calls succeed at once: nothing is written then.
        if before != pause { self.memory.keep(bucket, pause).await } else { Ok(()) }
    }

    async fn back_off(&self, bucket: &str, attempt: u32, error: SourceError) -> Result<(), SourceError> {
        let wait = BACKOFF.wait(attempt, &mut *self.rng.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(wait) = wait else {
            self.set_pause(bucket, None).await?;
            return Err(error);
        };
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO);
        let now = self.clock.now();
        let until = now.saturating_add(wait).unwrap_or(now);
        self.set_pause(bucket, Some(Pause { attempt, until })).await?;
        self.clock.sleep_until(until).await;
        Ok(())
    }

    async fn attempt(&self, call: &Call<'_>, bucket: &str) -> Result<Tried, SourceError> {
        let token = match &call.restricted {
            Some(restricted) => restricted.clone(),
            None => match self.token(call.account).await {
                Ok(token) => token,
                Err(error @ SourceError::Transient { .. }) => return Ok(Tried::Again(error)),
                Err(error) => return Err(error),
            },
        };
        let url = format!("{}{}", self.endpoint(call.account.region), call.operation.path());
        let request = match &call.body {
            None => Request::get(url),
            Some(body) => Request::post(url).json(body, "application/json"),
        };
        let request = request
            .segments(call.segments)
            .query(call.query)
            .header("accept", "application/json")
            .header("x-amz-date", amz_date(self.clock.now()))
            .secret_header("x-amz-access-token", token.clone());
        // Reading twice does no harm, so an answer that was lost is simply asked for again.
        match self.http.send(request).await {
            Err(error) => Ok(Tried::Again(transient("AMZ-DOWN", &error))),
            Ok(answer) => {
                self.learn(&answer, bucket);
                self.judge(answer, call.operation, bucket, token)
            }
        }
    }

    /// Takes over the rate that Amazon says is in force; it is sent on 200, 400 and 404 only.
    fn learn(&self, answer: &Response, bucket: &str) {
        let Some(interval) = answer.header("x-amzn-ratelimit-limit").and_then(wire::rate_interval) else {
            return;
        };
        self.limiter.learned(bucket, interval);
    }

    fn judge(
        &self,
        answer: Response,
        operation: Operation,
        bucket: &str,
        token: SecretString,
    ) -> Result<Tried, SourceError> {
        let name = operation.name();
        let words = || format!("{name}: {}", wire::error_words(answer.status, &answer.body));
        let again = |code| Tried::Again(SourceError::Transient { code, message: words(), retry_after: None });
        match answer.status {
            200..=204 => Ok(Tried::Answer(answer)),
            429 => {
                self.limiter.throttled(bucket, self.clock.now());
                let labels = [("remote", "amazon"), ("operation", name)];
                metrics::counter!("ml_connector_throttled_calls_total", &labels).increment(1);
                Ok(again("AMZ-THROTTLED"))
            }
            403 if wire::is_expired_token(&answer.body) => Ok(Tried::Expired(token)),
            403 => {
                let advice = "check the application's roles, the region and the seller's authorisation";
                Err(refused("AMZ-FORBIDDEN", format!("{}: {advice}", words())))
            }
            400 if wire::is_stale_page_token(&answer.body) => {
                Err(SourceError::StaleToken { code: "AMZ-PAGE-TOKEN", message: words() })
            }
            400 if wire::is_refused_data_set(&answer.body) => Err(refused("AMZ-DATA-SET", words())),
            404 => Err(refused(NOT_FOUND, words())),
            500.. => Ok(again("AMZ-DOWN")),
            _ => Err(refused("AMZ-REFUSED", words())),
        }
    }
}

fn token_key(account: &Account) -> String {
    format!("{}/{}", account.seller, account.region)
}

/// `yyyyMMdd'T'HHmmss'Z'` (Amazon, "Connecting to the Selling Partner API", step 3).
fn amz_date(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}
