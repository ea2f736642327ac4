//! Credentials: sealed in the store, opened when a token is fetched.

use std::sync::Arc;

use async_trait::async_trait;
use ml_connector_amazon::{CredentialSource, Credentials};
use ml_connector_fusion::{FusionCredentialSource, FusionCredentials};
use ml_connector_ports::{Account, SourceError};
use ml_connector_remote::{Binding, Vault};
use ml_connector_storage::{Change, Store};
use rand::CryptoRng;
use secrecy::SecretString;

/// The tenant of a daemon that serves one.
const TENANT: &str = "default";
/// Under this name credentials are kept that belong to no seller.
const APPLICATION: &str = "(application)";

/// Which credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The Amazon application's client secret.
    AmazonClientSecret,
    /// A seller's refresh token in a region.
    RefreshToken(Account),
    /// Fusion's client secret.
    FusionClientSecret,
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
            Self::RefreshToken(account) => format!("amazon-refresh-token/{}", account.region),
            Self::FusionClientSecret => "fusion-client-secret".to_owned(),
        }
    }
}

/// Seals and opens credentials.
pub(crate) struct CredentialStore {
    store: Arc<dyn Store>,
    vault: Vault,
    amazon_client_id: String,
    fusion_client_id: String,
}

fn refused(code: &'static str, message: String) -> SourceError {
    SourceError::Refused { code, message }
}

impl CredentialStore {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        vault: Vault,
        amazon_client_id: String,
        fusion_client_id: String,
    ) -> Self {
        Self { store, vault, amazon_client_id, fusion_client_id }
    }

    /// Seals a credential as the next version of its kind.
    ///
    /// # Errors
    /// The store or the vault failed.
    pub(crate) async fn set(
        &self,
        kind: &Kind,
        secret: &SecretString,
        at: jiff::Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let name = kind.name();
        let before = self.store.credential(kind.seller(), &name).await?;
        let version = before.map_or(1, |sealed| sealed.version + 1);
        let binding = Binding { tenant: TENANT, seller: kind.seller(), kind: &name, version };
        let sealed = self.vault.seal(binding, secret, rng)?;
        let seller = kind.seller().to_owned();
        self.store.apply(vec![Change::Credential { seller, kind: name, version, sealed, at }]).await?;
        Ok(())
    }

    /// Opens a credential.
    ///
    /// # Errors
    /// There is none, or it does not open.
    pub(crate) async fn get(&self, kind: &Kind) -> Result<SecretString, SourceError> {
        let name = kind.name();
        let sealed = self.store.credential(kind.seller(), &name).await;
        let sealed = sealed.map_err(|error| refused("CRD-STORE", error.to_string()))?;
        let Some(sealed) = sealed else {
            let message =
                format!("{name} of {} is not set: run `ml-connector credentials import`", kind.seller());
            return Err(refused("CRD-MISSING", message));
        };
        let binding = Binding { tenant: TENANT, seller: kind.seller(), kind: &name, version: sealed.version };
        self.vault
            .open(binding, &sealed.sealed)
            .map_err(|error| refused("CRD-OPEN", format!("{name}: {error}")))
    }
}

#[async_trait]
impl CredentialSource for CredentialStore {
    async fn credentials(&self, account: &Account) -> Result<Credentials, SourceError> {
        Ok(Credentials {
            client_id: self.amazon_client_id.clone(),
            client_secret: self.get(&Kind::AmazonClientSecret).await?,
            refresh_token: self.get(&Kind::RefreshToken(account.clone())).await?,
        })
    }
}

#[async_trait]
impl FusionCredentialSource for CredentialStore {
    async fn credentials(&self) -> Result<FusionCredentials, SourceError> {
        Ok(FusionCredentials {
            client_id: self.fusion_client_id.clone(),
            client_secret: self.get(&Kind::FusionClientSecret).await?,
        })
    }
}
