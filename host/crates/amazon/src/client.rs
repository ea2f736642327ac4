//! The client: one page at a time, throttled, retried where that is safe.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use ml_connector_domain::canonical::{Group, Order, Transaction};
use ml_connector_domain::{Clock, Region, Timestamp};
use ml_connector_ports::{Account, AmazonSource, Page, SourceError, Stream, Unreadable, Window};
use ml_connector_remote::backoff::Backoff;
use ml_connector_remote::{HttpClient, RateLimiter, Request, Response, TokenCache};
use rand_chacha::ChaCha8Rng;
use secrecy::SecretString;

use crate::auth::{self, CredentialSource, Credentials, refused, transient};
use crate::operation::Operation;
use crate::wire;

/// Data sets asked for with an order: what an invoice needs and no buyer data.
const INCLUDED_DATA: &str = "PROCEEDS,PROMOTION,TAX,FULFILLMENT,CANCELLATION,PACKAGES";

/// Tries of one call: Amazon's own samples give up after five to seven.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(600), attempts: 6 };

/// Where Amazon is and who calls.
#[derive(Debug, Clone)]
pub struct AmazonOptions {
    /// Login with Amazon's token endpoint, one for the world.
    pub lwa_url: String,
    /// Endpoints that replace production's, by region.
    pub endpoints: HashMap<Region, String>,
    /// The application's id, which the rate limits go by.
    pub application: String,
}

/// The Selling Partner API.
pub struct SpApiClient {
    options: AmazonOptions,
    http: HttpClient,
    credentials: Arc<dyn CredentialSource>,
    clock: Arc<dyn Clock>,
    limiter: RateLimiter,
    tokens: TokenCache,
    rng: Mutex<ChaCha8Rng>,
}

/// What became of one try.
enum Tried {
    Answer(Response),
    Again(SourceError, Option<Duration>),
    Expired(SecretString),
}

impl SpApiClient {
    /// A client; `rng` draws the jitter.
    pub fn new(
        options: AmazonOptions,
        http: HttpClient,
        credentials: Arc<dyn CredentialSource>,
        clock: Arc<dyn Clock>,
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
        }
    }

    fn endpoint(&self, region: Region) -> &str {
        self.options.endpoints.get(&region).map_or_else(|| region.endpoint(), String::as_str)
    }

    async fn token(&self, account: &Account) -> Result<SecretString, SourceError> {
        let now = self.clock.now();
        let credentials: Credentials = self.credentials.credentials(account).await?;
        let fetch = || auth::fetch(&self.http, &self.options.lwa_url, &credentials, now);
        self.tokens.get(&token_key(account), now, fetch).await
    }

    /// Calls until there is an answer that a retry would not change.
    async fn call(
        &self,
        account: &Account,
        operation: Operation,
        query: &[(&str, &str)],
    ) -> Result<Response, SourceError> {
        let bucket = format!(
            "{}/{}/{}/{}",
            self.options.application,
            account.seller,
            account.region,
            operation.name()
        );
        let (mut attempt, mut refreshed) = (0, false);
        loop {
            attempt += 1;
            self.limiter.acquire(&bucket, operation.rate(), &*self.clock).await;
            match self.attempt(account, operation, query, &bucket).await? {
                Tried::Answer(answer) => return Ok(answer),
                // An expired token comes as 403; refreshed once, since a wrong one would come for ever.
                Tried::Expired(token) if !refreshed => {
                    refreshed = true;
                    self.tokens.invalidate(&token_key(account), &token).await;
                }
                Tried::Expired(_) => {
                    let message = format!("{}: Amazon calls a fresh access token expired", operation.name());
                    return Err(refused("AMZ-TOKEN", message));
                }
                Tried::Again(error, at_least) => self.back_off(attempt, error, at_least).await?,
            }
        }
    }

    async fn back_off(
        &self,
        attempt: u32,
        error: SourceError,
        at_least: Option<Duration>,
    ) -> Result<(), SourceError> {
        let wait = BACKOFF.wait(attempt, &mut *self.rng.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(wait) = wait else { return Err(error) };
        let wait =
            SignedDuration::try_from(wait.max(at_least.unwrap_or_default())).unwrap_or(SignedDuration::ZERO);
        let now = self.clock.now();
        self.clock.sleep_until(now.saturating_add(wait).unwrap_or(now)).await;
        Ok(())
    }

    async fn attempt(
        &self,
        account: &Account,
        operation: Operation,
        query: &[(&str, &str)],
        bucket: &str,
    ) -> Result<Tried, SourceError> {
        let token = match self.token(account).await {
            Ok(token) => token,
            Err(error @ SourceError::Transient { .. }) => return Ok(Tried::Again(error, None)),
            Err(error) => return Err(error),
        };
        let url = format!("{}{}", self.endpoint(account.region), operation.path());
        let request = Request::get(url)
            .query(query)
            .header("accept", "application/json")
            .header("x-amz-date", amz_date(self.clock.now()))
            .secret_header("x-amz-access-token", token.clone());
        // Reading twice does no harm, so an answer that was lost is simply asked for again.
        match self.http.send(request).await {
            Err(error) => Ok(Tried::Again(transient("AMZ-DOWN", &error), None)),
            Ok(answer) => {
                self.learn(&answer, bucket);
                self.judge(answer, operation, bucket, token)
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
        let words = || wire::error_words(answer.status, &answer.body);
        match answer.status {
            200 => Ok(Tried::Answer(answer)),
            429 => {
                self.limiter.throttled(bucket, self.clock.now());
                let error = SourceError::Transient {
                    code: "AMZ-THROTTLED",
                    message: format!("{}: {}", operation.name(), words()),
                    retry_after: None,
                };
                Ok(Tried::Again(error, None))
            }
            403 if wire::is_expired_token(&answer.body) => Ok(Tried::Expired(token)),
            403 => Err(refused(
                "AMZ-FORBIDDEN",
                format!(
                    "{}: {}: check the application's roles, the region and the seller's authorisation",
                    operation.name(),
                    words()
                ),
            )),
            400 if wire::is_stale_page_token(&answer.body) => {
                Err(SourceError::StaleToken { code: "AMZ-PAGE-TOKEN", message: words() })
            }
            500.. => {
                let message = format!("{}: {}", operation.name(), words());
                Ok(Tried::Again(
                    SourceError::Transient { code: "AMZ-DOWN", message, retry_after: None },
                    None,
                ))
            }
            _ => Err(refused("AMZ-REFUSED", format!("{}: {}", operation.name(), words()))),
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

/// Amazon takes UTC with `Z` only, to the second.
fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[async_trait]
impl AmazonSource for SpApiClient {
    async fn page(
        &self,
        account: &Account,
        stream: Stream,
        window: Window,
        token: Option<&str>,
    ) -> Result<Page, SourceError> {
        let (from, to) = (instant(window.from), instant(window.to));
        let (operation, mut query) = match stream {
            Stream::Orders => (
                Operation::SearchOrders,
                vec![
                    ("lastUpdatedAfter", from.as_str()),
                    ("lastUpdatedBefore", to.as_str()),
                    ("maxResultsPerPage", "100"),
                    ("includedData", INCLUDED_DATA),
                ],
            ),
            // No marketplaceId: with it, orders fulfilled by the merchant are left out in the US.
            Stream::Transactions => (
                Operation::ListTransactions,
                vec![("postedAfter", from.as_str()), ("postedBefore", to.as_str())],
            ),
            Stream::Groups => (
                Operation::ListFinancialEventGroups,
                vec![
                    ("FinancialEventGroupStartedAfter", from.as_str()),
                    ("FinancialEventGroupStartedBefore", to.as_str()),
                    ("MaxResultsPerPage", "100"),
                ],
            ),
        };
        if let Some(token) = token {
            let name = match stream {
                Stream::Orders => "paginationToken",
                Stream::Transactions => "nextToken",
                Stream::Groups => "NextToken",
            };
            query.push((name, token));
        }
        let answer = self.call(account, operation, &query).await?;
        let page = wire::page(stream, &answer.body).map_err(|error| {
            refused("AMZ-ANSWER", format!("{}: the answer is not understood: {error}", operation.name()))
        })?;
        // A token that leads to itself would be followed for ever.
        if page.next.is_some() && page.next.as_deref() == token {
            return Err(refused(
                "AMZ-PAGE-LOOP",
                format!("{}: a page's token leads to itself", operation.name()),
            ));
        }
        Ok(page)
    }

    fn order(&self, json: &str) -> Result<Order, Unreadable> {
        wire::orders::order(json)
    }

    fn transaction(&self, json: &str) -> Result<Transaction, Unreadable> {
        wire::finances::transaction(json)
    }

    fn group(&self, json: &str) -> Result<Group, Unreadable> {
        wire::finances::group(json)
    }
}
