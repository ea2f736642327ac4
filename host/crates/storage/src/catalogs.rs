//! What is durable about catalogs: their bytes, which seller has which, and which decides.

use async_trait::async_trait;
use ml_connector_domain::catalog::Catalog;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{SellerId, Timestamp};

use crate::Result;

/// A change about catalogs.
#[derive(Debug, Clone)]
pub enum CatalogChange {
    /// Keeps a version for a seller; one that is known is left alone.
    Keep(Box<CatalogVersion>),
    /// Points a seller at a version that it has.
    Activate {
        /// Whose.
        seller: SellerId,
        /// Which; `None` is the configuration's file.
        hash: Option<ContentHash>,
        /// When.
        at: Timestamp,
    },
}

/// A version as it is kept.
#[derive(Debug, Clone)]
pub struct CatalogVersion {
    /// Whose.
    pub seller: SellerId,
    /// SHA-256 of the bytes.
    pub hash: ContentHash,
    /// The file's name.
    pub file: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// Its rules.
    pub catalog: Catalog,
    /// Who or what brought it.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// Which version decides for a seller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CatalogPointer {
    /// The active one; `None` is the configuration's file.
    pub active: Option<ContentHash>,
    /// Since when; `None` if it was never moved.
    pub since: Option<Timestamp>,
}

/// A seller's version, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogRow {
    /// Whose.
    pub seller: SellerId,
    /// Which.
    pub hash: ContentHash,
    /// The file's name.
    pub file: String,
    /// Who or what brought it.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// The newest version of a record, with how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewestRecord {
    /// Amazon's id.
    pub natural_id: String,
    /// Its stage.
    pub stage: String,
    /// The record as JSON.
    pub record: String,
}

/// Reads about catalogs. Part of [`crate::Store`].
///
/// # Errors
/// As for [`crate::Store`].
#[async_trait]
pub trait CatalogVersions: Send + Sync {
    /// Which version decides for a seller.
    async fn catalog_pointer(&self, seller: &SellerId) -> Result<CatalogPointer>;

    /// All versions of all sellers, the newest of each first.
    async fn catalog_versions(&self) -> Result<Vec<CatalogRow>>;

    /// A seller's newest records of a kind, in the order of their ids, after one of them: what a catalog is held
    /// against.
    async fn newest_records(
        &self,
        seller: &SellerId,
        kind: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<NewestRecord>>;

    /// A version's bytes.
    async fn catalog_bytes(&self, hash: &ContentHash) -> Result<Option<Vec<u8>>>;
}
