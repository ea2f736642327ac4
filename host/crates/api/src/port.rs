//! What the API needs of the daemon's composition: everything that compiles, loads or seals.

use async_trait::async_trait;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{Region, SellerId, Timestamp};
use secrecy::SecretString;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// What was sent was looked at and refused; in words that begin with a code.
    Refused(String),
    /// The daemon failed, in words for its log.
    Failed(String),
}

/// A component that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Its digest.
    pub digest: ContentHash,
    /// What it is and who signed it, in words.
    pub why: String,
    /// Fixtures that it mapped twice.
    pub fixtures: usize,
}

/// What only the composition root can do.
///
/// # Errors
/// All methods: see [`Refusal`].
#[async_trait]
pub trait Actions: Send + Sync {
    /// The largest component that a seller's policy admits, in bytes.
    fn component_bytes_max(&self, seller: &SellerId) -> usize;

    /// Checks a component from its first byte to its last fixture, and keeps it as a seller's validated version.
    async fn admit(
        &self,
        seller: &SellerId,
        component: Vec<u8>,
        signatures: Vec<String>,
        who: &str,
    ) -> Result<Admitted, Refusal>;

    /// Sees whether a kept version may map a seller's records today; without a digest, the configuration's file.
    async fn may_map(&self, seller: &SellerId, digest: Option<&ContentHash>) -> Result<(), Refusal>;

    /// Seals a seller's refresh token for a region as the next version of it. Says when.
    async fn seal_refresh_token(
        &self,
        seller: &SellerId,
        region: Region,
        secret: SecretString,
        who: &str,
    ) -> Result<Timestamp, Refusal>;

    /// Random bytes.
    fn random(&self, into: &mut [u8]);
}
