//! Which version of a catalog decides for a seller.
//!
//! A version is a file's bytes, named by their hash and kept for ever. The pointer to the active one stands in the
//! store; it is read before every batch, so that an import needs no restart. A seller without one is decided for by the
//! file that the configuration names.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ml_connector_domain::SellerId;
use ml_connector_domain::Timestamp;
use ml_connector_domain::audit::Action;
use ml_connector_domain::catalog::Catalog;
use ml_connector_domain::id::ContentHash;
use ml_connector_storage::{CatalogChange, CatalogVersion, Change, Store};

use crate::{Parts, Seller, StageError, audit, stored};

/// Catalogs that were read from the store; each version is read once by a process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Catalogs(Arc<Mutex<HashMap<ContentHash, Arc<Catalog>>>>);

/// The seller with the catalog that the next batch is for.
///
/// # Errors
/// The store failed, or does not have the version.
pub async fn choose<'a>(parts: &Parts, seller: &'a Seller) -> Result<Cow<'a, Seller>, StageError> {
    match parts.store.catalog_pointer(&seller.id).await?.active {
        None => Ok(Cow::Borrowed(seller)),
        Some(hash) => with(parts, seller, &hash).await,
    }
}

/// The seller with a version of its catalog.
///
/// # Errors
/// As for [`choose`].
pub async fn with<'a>(
    parts: &Parts,
    seller: &'a Seller,
    hash: &ContentHash,
) -> Result<Cow<'a, Seller>, StageError> {
    if seller.catalog_hash == *hash {
        return Ok(Cow::Borrowed(seller));
    }
    let catalog = load(parts, hash).await?;
    Ok(Cow::Owned(Seller { catalog, catalog_hash: hash.clone(), ..seller.clone() }))
}

/// A version, from memory or from the store.
///
/// # Errors
/// As for [`choose`].
pub async fn load(parts: &Parts, hash: &ContentHash) -> Result<Arc<Catalog>, StageError> {
    let known = || parts.catalogs.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(catalog) = known().get(hash) {
        return Ok(Arc::clone(catalog));
    }
    let body = parts.store.catalog_body(hash).await?.ok_or_else(|| StageError::Corrupt {
        what: "catalog",
        message: format!("the store does not have version {hash}: import it"),
    })?;
    let catalog = Arc::new(stored::<Catalog>("catalog", &body)?);
    known().insert(hash.clone(), Arc::clone(&catalog));
    Ok(catalog)
}

/// A file that was read, and whose.
pub struct NewVersion<'a> {
    /// Whose.
    pub seller: &'a SellerId,
    /// The file's name.
    pub file: &'a str,
    /// Its text.
    pub text: String,
    /// Its rules.
    pub catalog: Catalog,
    /// Who brought it, as `the operator`.
    pub who: &'a str,
    /// When.
    pub at: Timestamp,
}

/// Keeps a file as a version of a seller; says its hash.
///
/// # Errors
/// The store failed.
pub async fn keep(store: &dyn Store, new: NewVersion<'_>) -> Result<ContentHash, StageError> {
    let hash = ContentHash::of(new.text.as_bytes());
    let (detail, at) = (format!("catalog {} imported by {}", new.file, new.who), new.at);
    let told = audit(at, new.seller, hash.as_str(), Action::Changed, detail);
    let version = CatalogVersion {
        seller: new.seller.clone(),
        hash: hash.clone(),
        file: new.file.to_owned(),
        bytes: new.text.into_bytes(),
        catalog: new.catalog,
        why: format!("imported by {}", new.who),
        at,
    };
    store.apply(vec![Change::Catalog(CatalogChange::Keep(Box::new(version))), told]).await?;
    Ok(hash)
}

/// Lets a version decide for a seller from the next batch on; `None` is the configuration's file. Says what decides.
///
/// # Errors
/// The store failed.
pub async fn point(
    store: &dyn Store,
    seller: &SellerId,
    hash: Option<ContentHash>,
    (who, at): (&str, Timestamp),
) -> Result<String, StageError> {
    let shown = hash.as_ref().map_or("the configuration's file", ContentHash::as_str).to_owned();
    let told = audit(at, seller, &*shown, Action::Changed, format!("catalog {shown} activated by {who}"));
    let change = CatalogChange::Activate { seller: seller.clone(), hash, at };
    store.apply(vec![Change::Catalog(change), told]).await?;
    Ok(shown)
}
