//! The client: what it is made of.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ml_connector_domain::reconcile::Observed;
use ml_connector_domain::validate::{Module, Period};
use ml_connector_domain::{Clock, Timestamp};
use ml_connector_ports::SourceError;
use ml_connector_remote::{HttpClient, TokenCache};
use rand_chacha::ChaCha8Rng;
use secrecy::SecretString;

use crate::auth::AuthMethod;
use crate::setup::Believed;
use crate::wire::Scalar;

/// Where Fusion is.
#[derive(Debug, Clone)]
pub struct FusionOptions {
    /// Scheme and host of the instance.
    pub base_url: String,
    /// Scheme and host of the identity domain that protects it.
    pub identity_url: String,
    /// The scope, sent as it is.
    pub scope: String,
    /// How an access token is had.
    pub method: AuthMethod,
}

/// What a token is fetched with.
#[derive(Debug, Clone)]
pub struct FusionCredentials {
    /// Client id of the confidential application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// The private key that signs assertions, in PEM, for [`AuthMethod::JwtAssertion`].
    pub assertion_key: Option<SecretString>,
    /// What a consent brought, for [`AuthMethod::AuthorizationCode`].
    pub refresh_token: Option<SecretString>,
}

/// Where credentials come from.
#[async_trait]
pub trait FusionCredentialSource: Send + Sync {
    /// The credentials.
    ///
    /// # Errors
    /// There are none, or they cannot be opened; the message names the command that sets them.
    async fn credentials(&self) -> Result<FusionCredentials, SourceError>;

    /// Keeps the refresh token that took the place of the last one.
    ///
    /// # Errors
    /// It cannot be kept. By default there is nowhere to keep it.
    async fn keep_refresh_token(&self, _token: &SecretString, _at: Timestamp) -> Result<(), SourceError> {
        Err(refused("FUS-IDENTITY-KEEP", "a new refresh token came and cannot be kept".to_owned()))
    }
}

/// Fusion.
pub struct FusionClient {
    pub(crate) options: FusionOptions,
    pub(crate) http: HttpClient,
    pub(crate) credentials: Arc<dyn FusionCredentialSource>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tokens: TokenCache,
    pub(crate) rng: Mutex<ChaCha8Rng>,
    pub(crate) accounts: Believed<String, ()>,
    pub(crate) periods: Believed<(String, Module, String), Period>,
}

impl FusionClient {
    /// A client; `rng` draws the jitter and names assertions.
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
}

pub(crate) fn refused(code: &'static str, message: String) -> SourceError {
    SourceError::Refused { code, message }
}

pub(crate) fn transient(code: &'static str, message: String, retry_after: Option<Duration>) -> SourceError {
    SourceError::Transient { code, message, retry_after }
}

pub(crate) fn none_or_several(count: usize) -> Observed {
    match u32::try_from(count) {
        Ok(0) => Observed::Nothing,
        Ok(count) => Observed::Several(count),
        Err(_) => Observed::Several(u32::MAX),
    }
}

pub(crate) fn id_of(id: &Scalar) -> Result<String, SourceError> {
    id.text().ok_or_else(|| refused("FUS-ANSWER", "a document has no id".to_owned()))
}

pub(crate) fn bad_amount(error: &ml_connector_domain::money::MoneyError) -> SourceError {
    refused("FUS-ANSWER", format!("an amount is not understood: {error}"))
}
