//! Credentials: sealed in the store, opened when a token is fetched.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use ml_connector_amazon::{Application, CredentialSource, Credentials};
use ml_connector_fusion::{AuthMethod, FusionCredentialSource, FusionCredentials};
use ml_connector_ports::{Account, SourceError};
use ml_connector_remote::{Binding, Vault, VaultError};
use ml_connector_storage::{Change, CredentialRow, Store};
use rand::CryptoRng;
use secrecy::{ExposeSecret as _, SecretString};

use crate::app::entropy;
use crate::keys::KeySource;

/// The tenant of a daemon that serves one.
const TENANT: &str = "default";
/// Under this name credentials are kept that belong to no seller.
const APPLICATION: &str = "(application)";
/// Amazon lets a client secret expire (Amazon, "Rotating your app's LWA credentials").
const SECRET_LIFE: SignedDuration = SignedDuration::from_hours(180 * 24);
/// Amazon writes 90 days ahead; within the last 30 the log says so every day.
const WARN_AHEAD: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The secret before a rotation works for seven days; a day more, since it is refused by itself afterwards.
const OVERLAP: SignedDuration = SignedDuration::from_hours(8 * 24);

/// Which credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The Amazon application's client secret.
    AmazonClientSecret,
    /// The one before it.
    AmazonClientSecretBefore,
    /// A seller's refresh token in a region.
    RefreshToken(Account),
    /// Fusion's client secret.
    FusionClientSecret,
    /// The private key that signs assertions for Fusion's identity domain.
    FusionPrivateKey,
    /// What a person's consent to act as them in Fusion brought.
    FusionRefreshToken,
    /// State and verifier of such a consent while it is under way.
    FusionConsent,
    /// The key that signs checkpoints of the audit log.
    AuditKey,
}

impl Kind {
    fn seller(&self) -> &str {
        match self {
            Self::RefreshToken(account) => account.seller.as_str(),
            _ => APPLICATION,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::AmazonClientSecret => "amazon-client-secret".to_owned(),
            Self::AmazonClientSecretBefore => "amazon-client-secret/before".to_owned(),
            Self::RefreshToken(account) => format!("amazon-refresh-token/{}", account.region),
            Self::FusionClientSecret => "fusion-client-secret".to_owned(),
            Self::FusionPrivateKey => "fusion-private-key".to_owned(),
            Self::FusionRefreshToken => "fusion-refresh-token".to_owned(),
            Self::FusionConsent => "fusion-consent".to_owned(),
            Self::AuditKey => "audit-key".to_owned(),
        }
    }
}

/// Who the applications are.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    /// Amazon's client id.
    pub(crate) amazon: String,
    /// When its secret was issued, if the configuration says so.
    pub(crate) amazon_secret_issued: Option<Timestamp>,
    /// Fusion's client id.
    pub(crate) fusion: String,
    /// How a token for Fusion is had.
    pub(crate) fusion_method: AuthMethod,
}

/// Seals and opens credentials.
pub(crate) struct CredentialStore {
    store: Arc<dyn Store>,
    keys: KeySource,
    vault: Mutex<Arc<Vault>>,
    clients: Clients,
    /// When the last warning about the client secret's age was given.
    warned: Mutex<Option<Timestamp>>,
}

fn refused(code: &'static str, message: String) -> SourceError {
    SourceError::Refused { code, message }
}

type Failure = Box<dyn std::error::Error>;

impl CredentialStore {
    /// Opens the vault.
    ///
    /// # Errors
    /// There is no master key, or what is there is none.
    pub(crate) fn new(store: Arc<dyn Store>, keys: KeySource, clients: Clients) -> Result<Self, Failure> {
        let vault = Mutex::new(Arc::new(keys.vault()?));
        Ok(Self { store, keys, vault, clients, warned: Mutex::default() })
    }

    fn vault(&self) -> Arc<Vault> {
        Arc::clone(&self.vault.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seals a credential as the next version of its kind. Amazon accepts a client secret for a while after there is
    /// a new one, so the old one is kept.
    ///
    /// # Errors
    /// The store or the vault failed.
    pub(crate) async fn set(
        &self,
        kind: &Kind,
        secret: &SecretString,
        at: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<(), Failure> {
        let mut changes = Vec::new();
        if *kind == Kind::AmazonClientSecret
            && let Ok(before) = self.get(kind).await
        {
            if before.expose_secret() == secret.expose_secret() {
                return Ok(());
            }
            changes.push(self.sealed(&Kind::AmazonClientSecretBefore, &before, at, rng).await?);
        }
        changes.push(self.sealed(kind, secret, at, rng).await?);
        Ok(self.store.apply(changes).await?)
    }

    pub(crate) async fn sealed(
        &self,
        kind: &Kind,
        secret: &SecretString,
        at: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<Change, Failure> {
        let name = kind.name();
        let before = self.store.credential(kind.seller(), &name).await?;
        let version = before.map_or(1, |sealed| sealed.version + 1);
        let binding = Binding { tenant: TENANT, seller: kind.seller(), kind: &name, version };
        let sealed = self.vault().seal(binding, secret, rng)?;
        Ok(Change::Credential { seller: kind.seller().to_owned(), kind: name, version, sealed, at })
    }

    /// Opens a credential.
    ///
    /// # Errors
    /// There is none, or it does not open.
    pub(crate) async fn get(&self, kind: &Kind) -> Result<SecretString, SourceError> {
        let name = kind.name();
        let missing = || {
            let remedy = match kind {
                Kind::FusionRefreshToken | Kind::FusionConsent => "fusion authorize start",
                _ => "credentials import",
            };
            let seller = kind.seller();
            refused("CRD-MISSING", format!("{name} of {seller} is not set: run `ml-connector {remedy}`"))
        };
        let stored = || async {
            let sealed = self.store.credential(kind.seller(), &name).await;
            sealed.map_err(|error| refused("CRD-STORE", error.to_string()))
        };
        let sealed = stored().await?.ok_or_else(missing)?;
        let binding = Binding { tenant: TENANT, seller: kind.seller(), kind: &name, version: sealed.version };
        let refused_as =
            |error: VaultError| refused("CRD-OPEN", format!("{name} of {}: {error}", kind.seller()));
        match self.vault().open(binding, &sealed.sealed) {
            Err(VaultError::Refused) => {
                // Somebody may have changed the master key while this process runs.
                let fresh = self.keys.vault().map_err(|error| refused("CRD-KEY", error.to_string()))?;
                let opened = fresh.open(binding, &sealed.sealed).map_err(refused_as)?;
                *self.vault.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
                tracing::info!("the master key was changed: the new one is in use");
                Ok(opened)
            }
            result => result.map_err(refused_as),
        }
    }

    async fn set_at(&self, kind: &Kind) -> Result<Option<Timestamp>, SourceError> {
        let sealed = self.store.credential(kind.seller(), &kind.name()).await;
        let sealed = sealed.map_err(|error| refused("CRD-STORE", error.to_string()))?;
        Ok(sealed.map(|sealed| sealed.set_at))
    }

    /// Makes sure that every one of these opens.
    ///
    /// # Errors
    /// Names all that do not.
    pub(crate) async fn check(&self, kinds: &[Kind]) -> Result<(), Failure> {
        let mut wrong = Vec::new();
        for kind in kinds {
            if let Err(error) = self.get(kind).await {
                wrong.push(error.to_string());
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
    }

    /// Wraps every stored credential under the first master key; says how many were under another.
    ///
    /// # Errors
    /// One of them does not open: nothing is changed then.
    pub(crate) async fn rewrap(&self, rng: &mut impl CryptoRng) -> Result<usize, Failure> {
        let vault = self.keys.vault()?;
        let mut changes = Vec::new();
        for CredentialRow { seller, kind, sealed } in self.store.credentials().await? {
            let binding = Binding { tenant: TENANT, seller: &seller, kind: &kind, version: sealed.version };
            let rewrapped = vault.rewrapped(binding, &sealed.sealed, rng);
            let rewrapped = rewrapped.map_err(|error| format!("CRD-OPEN: {kind} of {seller}: {error}"))?;
            if let Some(bytes) = rewrapped {
                changes.push(Change::Credential {
                    version: sealed.version,
                    seller,
                    kind,
                    sealed: bytes,
                    at: sealed.set_at,
                });
            }
        }
        let count = changes.len();
        self.store.apply(changes).await?;
        // What was sealed under the old key must not stay in the log.
        self.store.empty_the_log().await?;
        *self.vault.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(vault);
        Ok(count)
    }

    /// Warns once a day when the client secret is about to expire.
    fn warn_of_expiry(&self, set_at: Timestamp, now: Timestamp) {
        let issued = self.clients.amazon_secret_issued.unwrap_or(set_at);
        let expires = issued.saturating_add(SECRET_LIFE).unwrap_or(issued);
        let left = expires.duration_since(now);
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = warned.is_some_and(|at| now.duration_since(at) < SignedDuration::from_hours(24));
        if left > WARN_AHEAD || lately {
            return;
        }
        *warned = Some(now);
        tracing::warn!(
            code = "CRD-EXPIRY",
            days = left.as_hours() / 24,
            %expires,
            "Amazon's client secret expires: rotate it and run `ml-connector credentials import`"
        );
    }
}

#[async_trait]
impl CredentialSource for CredentialStore {
    async fn application(&self, now: Timestamp) -> Result<Application, SourceError> {
        let client_secret = self.get(&Kind::AmazonClientSecret).await?;
        if let Some(set_at) = self.set_at(&Kind::AmazonClientSecret).await? {
            self.warn_of_expiry(set_at, now);
        }
        let previous_secret = match self.set_at(&Kind::AmazonClientSecretBefore).await? {
            Some(at) if now.duration_since(at) < OVERLAP => {
                Some(self.get(&Kind::AmazonClientSecretBefore).await?)
            }
            _ => None,
        };
        Ok(Application { client_id: self.clients.amazon.clone(), client_secret, previous_secret })
    }

    async fn credentials(&self, account: &Account, now: Timestamp) -> Result<Credentials, SourceError> {
        Ok(Credentials {
            application: self.application(now).await?,
            refresh_token: self.get(&Kind::RefreshToken(account.clone())).await?,
        })
    }
}

#[async_trait]
impl FusionCredentialSource for CredentialStore {
    async fn credentials(&self) -> Result<FusionCredentials, SourceError> {
        let (assertion_key, refresh_token) = match &self.clients.fusion_method {
            AuthMethod::ClientCredentials => (None, None),
            AuthMethod::JwtAssertion { .. } => (Some(self.get(&Kind::FusionPrivateKey).await?), None),
            AuthMethod::AuthorizationCode => (None, Some(self.get(&Kind::FusionRefreshToken).await?)),
        };
        Ok(FusionCredentials {
            client_id: self.clients.fusion.clone(),
            client_secret: self.get(&Kind::FusionClientSecret).await?,
            assertion_key,
            refresh_token,
        })
    }

    async fn keep_refresh_token(&self, token: &SecretString, at: Timestamp) -> Result<(), SourceError> {
        let kept = self.set(&Kind::FusionRefreshToken, token, at, &mut entropy()).await;
        kept.map_err(|error| {
            refused("FUS-IDENTITY-KEEP", format!("the new refresh token cannot be kept: {error}"))
        })
    }
}
