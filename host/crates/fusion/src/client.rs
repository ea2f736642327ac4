//! The client.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use jiff::SignedDuration;
use ml_connector_domain::document::{Body, Document};
use ml_connector_domain::id::FusionId;
use ml_connector_domain::ledger::{LedgerSetup, purpose};
use ml_connector_domain::reconcile::Observed;
use ml_connector_domain::validate::{Module, PeriodStatus};
use ml_connector_domain::{Clock, Currency, Date, Money, Timestamp};
use ml_connector_ports::{Answer, JobStatus, SourceError, Target};
use ml_connector_remote::backoff::Backoff;
use ml_connector_remote::{HttpClient, Request, Response, Token, TokenCache, TransportError};
use rand_chacha::ChaCha8Rng;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::jobs::{self, JobState, Outcome};
use crate::query::quoted;
use crate::wire::{self, Collection, Scalar};
use crate::{answers, journal_csv, receivables};

/// The framework version that is pinned: children come as collections, `q` takes quoted values.
const FRAMEWORK_VERSION: &str = "4";
/// Largest page that Fusion gives.
const PAGE: usize = 500;
/// Pages of one collection before something must be wrong.
const PAGES_MAX: usize = 1_000;
/// Tries of a read.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(60), attempts: 4 };
/// How long an answer about an account or a period is believed.
const BELIEVED: SignedDuration = SignedDuration::from_mins(60);

/// Where Fusion is.
#[derive(Debug, Clone)]
pub struct FusionOptions {
    /// Scheme and host of the instance: a configured value, never built from parts.
    pub base_url: String,
    /// Scheme and host of the identity domain that protects it.
    pub identity_url: String,
    /// The scope, sent as it is.
    pub scope: String,
}

/// What a token is fetched with.
#[derive(Debug, Clone)]
pub struct FusionCredentials {
    /// Client id of the confidential application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
}

/// Where credentials come from.
#[async_trait]
pub trait FusionCredentialSource: Send + Sync {
    /// The credentials.
    ///
    /// # Errors
    /// There are none, or they cannot be opened; the message names the command that sets them.
    async fn credentials(&self) -> Result<FusionCredentials, SourceError>;
}

type Believed<K, V> = Mutex<HashMap<K, (Timestamp, V)>>;

/// Fusion.
pub struct FusionClient {
    options: FusionOptions,
    http: HttpClient,
    credentials: Arc<dyn FusionCredentialSource>,
    clock: Arc<dyn Clock>,
    tokens: TokenCache,
    rng: Mutex<ChaCha8Rng>,
    accounts: Believed<String, ()>,
    periods: Believed<(String, Module, String), PeriodStatus>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<i64>,
}

#[derive(Deserialize)]
struct Denied {
    error: String,
    #[serde(default)]
    error_description: String,
}

fn refused(code: &'static str, message: String) -> SourceError {
    SourceError::Refused { code, message }
}

fn transient(code: &'static str, message: String, retry_after: Option<Duration>) -> SourceError {
    SourceError::Transient { code, message, retry_after }
}

impl FusionClient {
    /// A client; `rng` draws the jitter.
    pub fn new(
        options: FusionOptions,
        http: HttpClient,
        credentials: Arc<dyn FusionCredentialSource>,
        clock: Arc<dyn Clock>,
        rng: ChaCha8Rng,
    ) -> Self {
        Self {
            options,
            http,
            credentials,
            clock,
            tokens: TokenCache::default(),
            rng: Mutex::new(rng),
            accounts: Mutex::default(),
            periods: Mutex::default(),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/fscmRestApi/resources/11.13.18.05/{path}", self.options.base_url)
    }

    // === tokens ===

    async fn token(&self) -> Result<SecretString, SourceError> {
        let now = self.clock.now();
        self.tokens.get("fusion", now, || self.fetch_token(now)).await
    }

    /// Client credentials with the identity domain (Oracle, "Retrieving a bearer token using IDCS").
    async fn fetch_token(&self, now: Timestamp) -> Result<Token, SourceError> {
        let credentials = self.credentials.credentials().await?;
        let pair = format!("{}:{}", credentials.client_id, credentials.client_secret.expose_secret());
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        let request = Request::post(format!("{}/oauth2/v1/token", self.options.identity_url))
            .secret_header("authorization", basic.into())
            .form(&[("grant_type", "client_credentials"), ("scope", &self.options.scope)]);
        let answer =
            self.http.send(request).await.map_err(|e| transient("FUS-IDENTITY-DOWN", e.to_string(), None))?;
        if answer.status == 429 || answer.status >= 500 {
            let message = format!("the identity domain answered {}", answer.status);
            return Err(transient("FUS-IDENTITY-DOWN", message, answer.retry_after()));
        }
        if !answer.is_success() {
            let words = match serde_json::from_slice::<Denied>(&answer.body) {
                Ok(denied) => format!("{}: {}", denied.error, denied.error_description),
                Err(_) => format!("HTTP {}", answer.status),
            };
            return Err(refused(
                "FUS-IDENTITY",
                format!("the identity domain refuses the client or the scope: {words}"),
            ));
        }
        let granted: Granted = serde_json::from_slice(&answer.body).map_err(|e| {
            refused("FUS-IDENTITY-ANSWER", format!("the identity domain's answer is no token: {e}"))
        })?;
        let lasts = SignedDuration::from_secs(granted.expires_in.unwrap_or(300).clamp(0, 86_400));
        Ok(Token { secret: granted.access_token.into(), expires: now.saturating_add(lasts).unwrap_or(now) })
    }

    // === calls ===

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
    async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, SourceError> {
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
    async fn all<T: DeserializeOwned>(
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

    /// Posts once.
    async fn post(&self, path: &str, body: &Value, content_type: &str) -> Result<Vec<u8>, Answer> {
        match self.call(|| Request::post(self.url(path)).json(body, content_type)).await {
            Err(error) => Err(answers::no_token(&error)),
            Ok(Ok(answer)) if answer.is_success() => Ok(answer.body),
            Ok(result) => Err(answers::failure(result)),
        }
    }

    // === sending ===

    async fn send_receivable(&self, path: &str, body: Result<Value, String>) -> Answer {
        let body = match body {
            Ok(body) => body,
            Err(reason) => return Answer::Refused(reason),
        };
        match self.post(path, &body, "application/vnd.oracle.adf.resourceitem+json").await {
            Err(answer) => answer,
            Ok(body) => match serde_json::from_slice::<wire::Created>(&body)
                .ok()
                .and_then(|c| c.customer_transaction_id.text())
            {
                Some(id) => Answer::Accepted(FusionId::new(id)),
                // It said 2xx: something is in Fusion, under a number that we do not know yet.
                None => Answer::Lost("Fusion's answer names no CustomerTransactionId".to_owned()),
            },
        }
    }

    async fn send_journal(&self, setup: &LedgerSetup, document: &Document, attempt: u32) -> Answer {
        let zip = journal_csv::csv(setup, document, attempt).and_then(|csv| journal_csv::zipped(&csv));
        let zip = match zip {
            Ok(zip) => zip,
            Err(reason) => return Answer::Refused(reason),
        };
        let body = import_request(setup, document, attempt, &zip);
        match self.post("erpintegrations", &body, "application/json").await {
            Err(answer) => answer,
            Ok(body) => submitted(&body),
        }
    }

    // === look-ups ===

    async fn look_up_invoice(
        &self,
        setup: &LedgerSetup,
        document: &Document,
    ) -> Result<Observed, SourceError> {
        let found: Vec<wire::Invoice> =
            self.receivables("receivablesInvoices", "receivablesInvoiceLines", setup, document).await?;
        let [invoice] = found.as_slice() else { return Ok(none_or_several(found.len())) };
        let id = id_of(&invoice.customer_transaction_id)?;
        let lines: Vec<wire::InvoiceLine> = self
            .children(
                &format!("receivablesInvoices/{id}/child/receivablesInvoiceLines"),
                invoice.lines.as_ref(),
            )
            .await?;
        let own = invoice.lines.iter().flat_map(|lines| &lines.items).chain(&lines);
        let amounts = own.map(|line| line.line_amount.as_ref());
        total(id, invoice.invoice_currency_code.as_deref(), amounts)
    }

    async fn look_up_credit_memo(
        &self,
        setup: &LedgerSetup,
        document: &Document,
    ) -> Result<Observed, SourceError> {
        let found: Vec<wire::CreditMemo> =
            self.receivables("receivablesCreditMemos", "receivablesCreditMemoLines", setup, document).await?;
        let [memo] = found.as_slice() else { return Ok(none_or_several(found.len())) };
        let id = id_of(&memo.customer_transaction_id)?;
        let lines: Vec<wire::CreditMemoLine> = self
            .children(
                &format!("receivablesCreditMemos/{id}/child/receivablesCreditMemoLines"),
                memo.lines.as_ref(),
            )
            .await?;
        let own = memo.lines.iter().flat_map(|lines| &lines.items).chain(&lines);
        let amounts = own.map(|line| line.line_amount_credit.as_ref());
        total(id, memo.credit_memo_currency.as_deref(), amounts)
    }

    async fn receivables<T: DeserializeOwned>(
        &self,
        path: &str,
        children: &str,
        setup: &LedgerSetup,
        document: &Document,
    ) -> Result<Vec<T>, SourceError> {
        let number = quoted(document.key.as_str())?;
        let unit = quoted(&setup.business_unit)?;
        let q = format!("TransactionNumber={number} and BusinessUnit={unit}");
        let order = ("orderBy", "CustomerTransactionId");
        self.all(path, &[("q", &q), ("expand", children), order, ("onlyData", "true")]).await
    }

    /// The children beyond the first page, which an expanded parent brings along.
    async fn children<T: DeserializeOwned, C>(
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

    async fn look_up_journal(
        &self,
        setup: &LedgerSetup,
        document: &Document,
    ) -> Result<Observed, SourceError> {
        let key = quoted(document.key.as_str())?;
        let q = format!("BatchName LIKE '%{}%'", key.trim_matches('\''));
        let batches: Vec<wire::Batch> =
            self.all("journalBatches", &[("q", &q), ("orderBy", "JeBatchId"), ("onlyData", "true")]).await?;
        let [batch] = batches.as_slice() else { return Ok(none_or_several(batches.len())) };
        let id = id_of(&batch.je_batch_id)?;
        let account = setup.account(purpose::SETTLEMENT).unwrap_or_default();
        let mut net = Money::zero(document.currency);
        let headers: Vec<wire::Header> =
            self.all(&format!("journalBatches/{id}/child/journalHeaders"), &[]).await?;
        for header in &headers {
            let key = header
                .key()
                .ok_or_else(|| refused("FUS-ANSWER", "a journal header has no link".to_owned()))?;
            let path = format!("journalBatches/{id}/child/journalHeaders/{key}/child/journalLines");
            let lines: Vec<wire::JournalLine> =
                self.all(&path, &[("orderBy", "JeLineNumber"), ("onlyData", "true")]).await?;
            for line in lines.iter().filter(|line| line.account_combination.as_deref() == Some(&account)) {
                net = net.checked_add(net_of(line, document.currency)?).map_err(|e| bad_amount(&e))?;
            }
        }
        Ok(Observed::One { fusion_id: FusionId::new(id), total: net })
    }

    // === jobs ===

    async fn finder(&self, finder: &str, arguments: &str) -> Result<Option<wire::Integration>, SourceError> {
        let value = format!("{finder};{arguments}");
        let page: Collection<wire::Integration> = self.get("erpintegrations", &[("finder", &value)]).await?;
        Ok(page.items.into_iter().next())
    }

    /// The rejected rows of the jobs that failed, in Fusion's words.
    async fn failure_words(&self, failed: &[(String, String, String)]) -> Result<String, SourceError> {
        let mut words = Vec::new();
        for (name, request, status) in failed {
            words.push(format!("{name} ({request}) ended {status}"));
            let arguments = format!("requestId={request},fileType=ALL");
            let output = self.finder("ESSJobExecutionDetailsRF", &arguments).await?;
            let content = output.and_then(|output| output.document_content).unwrap_or_default();
            let texts = jobs::texts(&content).unwrap_or_default();
            words.extend(texts.iter().flat_map(|text| jobs::rejected_rows(text)));
        }
        Ok(words.join("; "))
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

fn none_or_several(count: usize) -> Observed {
    match u32::try_from(count) {
        Ok(0) => Observed::Nothing,
        Ok(count) => Observed::Several(count),
        Err(_) => Observed::Several(u32::MAX),
    }
}

fn id_of(id: &Scalar) -> Result<String, SourceError> {
    id.text().ok_or_else(|| refused("FUS-ANSWER", "a document has no id".to_owned()))
}

fn bad_amount(error: &ml_connector_domain::money::MoneyError) -> SourceError {
    refused("FUS-ANSWER", format!("an amount is not understood: {error}"))
}

fn total<'a>(
    id: String,
    currency: Option<&str>,
    amounts: impl Iterator<Item = Option<&'a Scalar>>,
) -> Result<Observed, SourceError> {
    let currency: Currency = currency.unwrap_or_default().parse().map_err(|e| bad_amount(&e))?;
    let mut total = Money::zero(currency);
    for amount in amounts.flatten() {
        let amount = amount.money(currency).map_err(|e| bad_amount(&e))?;
        total = total.checked_add(amount).map_err(|e| bad_amount(&e))?;
    }
    Ok(Observed::One { fusion_id: FusionId::new(id), total })
}

/// Debit less credit, in the currency it was entered in.
fn net_of(line: &wire::JournalLine, currency: Currency) -> Result<Money, SourceError> {
    let entered: Currency = match &line.currency_code {
        Some(code) => code.parse().map_err(|e| bad_amount(&e))?,
        None => currency,
    };
    let side = |amount: Option<&Scalar>| match amount {
        Some(amount) => amount.money(entered).map_err(|e| bad_amount(&e)),
        None => Ok(Money::zero(entered)),
    };
    let (debit, credit) = (side(line.entered_dr.as_ref())?, side(line.entered_cr.as_ref())?);
    debit.checked_add(credit.negated()).map_err(|e| bad_amount(&e))
}

/// importBulkData for the journal launcher (Oracle, erpintegrations). The launcher's arguments: data access set,
/// source name, ledger, group, post errors to suspense, summary journals, import descriptive flexfields.
fn import_request(setup: &LedgerSetup, document: &Document, attempt: u32, zip: &[u8]) -> Value {
    let group = document.key.group_id(attempt);
    json!({
        "OperationName": "importBulkData",
        "DocumentContent": base64::engine::general_purpose::STANDARD.encode(zip),
        "ContentType": "zip",
        "FileName": format!("{}.zip", document.key),
        "DocumentAccount": "fin$/generalLedger$/import$",
        "JobName": "/oracle/apps/ess/financials/generalLedger/programs/common,JournalImportLauncher",
        "ParameterList": format!(
            "{},{},{},{group},N,N,N", setup.data_access_set_id, setup.journal_source, setup.ledger_id
        ),
        "CallbackURL": "#NULL",
        "NotificationCode": "10",
        "JobOptions": "InterfaceDetails=15,ImportOption=Y,PurgeOption=Y,ExtractFileType=ALL",
    })
}

/// A success status with request id -1 is a refusal.
fn submitted(body: &[u8]) -> Answer {
    let answer: Option<wire::Integration> = serde_json::from_slice(body).ok();
    match answer.and_then(|answer| answer.reqst_id).and_then(|id| id.text()) {
        Some(id) if id == "-1" => Answer::Refused(
            "FUS-SUBMIT: Fusion took the file but refused the job: check the job's name and the user's privileges".to_owned(),
        ),
        Some(id) if !id.is_empty() => Answer::InProgress(id),
        _ => Answer::Lost("Fusion's answer names no request id".to_owned()),
    }
}

fn believed<K: std::hash::Hash + Eq, V: Clone>(cache: &Believed<K, V>, key: &K, now: Timestamp) -> Option<V> {
    let cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    cache.get(key).filter(|(at, _)| now.duration_since(*at) < BELIEVED).map(|(_, value)| value.clone())
}

fn believe<K: std::hash::Hash + Eq, V>(cache: &Believed<K, V>, key: K, now: Timestamp, value: V) {
    cache.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (now, value));
}

#[async_trait]
impl Target for FusionClient {
    async fn send(&self, setup: &LedgerSetup, document: &Document, attempt: u32) -> Answer {
        match &document.body {
            Body::Invoice { .. } => {
                self.send_receivable("receivablesInvoices", receivables::invoice(setup, document)).await
            }
            Body::CreditMemo { .. } => {
                self.send_receivable("receivablesCreditMemos", receivables::credit_memo(setup, document))
                    .await
            }
            Body::Journal { .. } => self.send_journal(setup, document, attempt).await,
        }
    }

    async fn job(&self, _: &LedgerSetup, request: &str) -> Result<JobStatus, SourceError> {
        let arguments = format!("requestId={request}");
        let status = self.finder("ESSJobStatusRF", &arguments).await?.and_then(|found| found.request_status);
        if jobs::state(status.as_deref().unwrap_or_default()) == JobState::Running {
            return Ok(JobStatus::Running);
        }
        let details =
            self.finder("ESSExecutionDetailsRF", &arguments).await?.and_then(|found| found.request_status);
        let outcome = jobs::outcome(details.as_deref().unwrap_or_default()).map_err(|e| {
            refused("FUS-ANSWER", format!("the details of request {request} are not understood: {e}"))
        })?;
        Ok(match outcome {
            Outcome::Running => JobStatus::Running,
            Outcome::Succeeded => JobStatus::Done,
            Outcome::Failed(failed) => JobStatus::Failed(self.failure_words(&failed).await?),
        })
    }

    async fn look_up(&self, setup: &LedgerSetup, document: &Document) -> Result<Observed, SourceError> {
        match &document.body {
            Body::Invoice { .. } => self.look_up_invoice(setup, document).await,
            Body::CreditMemo { .. } => self.look_up_credit_memo(setup, document).await,
            Body::Journal { .. } => self.look_up_journal(setup, document).await,
        }
    }

    async fn known_accounts(
        &self,
        _: &LedgerSetup,
        combinations: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, SourceError> {
        let mut known = BTreeSet::new();
        for combination in combinations {
            let now = self.clock.now();
            if believed(&self.accounts, combination, now).is_none() {
                // A combination that cannot be asked for cannot exist either.
                let Ok(value) = quoted(combination) else { continue };
                let q = format!("AccountCombination={value} and EnabledFlag='Y'");
                let found: Collection<Value> = self
                    .get("accountCombinationsLOV", &[("q", &q), ("onlyData", "true"), ("limit", "1")])
                    .await?;
                if found.items.is_empty() {
                    continue;
                }
                believe(&self.accounts, combination.clone(), now, ());
            }
            known.insert(combination.clone());
        }
        Ok(known)
    }

    async fn period(
        &self,
        setup: &LedgerSetup,
        module: Module,
        date: Date,
    ) -> Result<PeriodStatus, SourceError> {
        let now = self.clock.now();
        let name = setup.period_of(date);
        let key = (setup.ledger_id.clone(), module, name.clone());
        if let Some(status) = believed(&self.periods, &key, now) {
            return Ok(status);
        }
        let application = match module {
            Module::GeneralLedger => 101,
            Module::Receivables => 222,
        };
        // The application is mandatory in practice: without it any module's row may come.
        let q = format!(
            "LedgerId={} and PeriodNameId={} and ApplicationId={application}",
            setup.ledger_id,
            quoted(&name)?
        );
        let found: Collection<wire::Period> =
            self.get("accountingPeriodStatusLOV", &[("q", &q), ("onlyData", "true"), ("limit", "1")]).await?;
        let status = match found.items.first().and_then(|period| period.closing_status.as_deref()) {
            Some("O") => PeriodStatus::Open,
            Some("F") => PeriodStatus::Future,
            _ => PeriodStatus::Closed,
        };
        believe(&self.periods, key, now, status);
        Ok(status)
    }
}
