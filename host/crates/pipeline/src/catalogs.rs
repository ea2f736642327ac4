//! Which version of a catalog decides for a seller.
//!
//! A version is a file's bytes, named by their hash and kept for ever. The pointer to the active one stands in the
//! store; it is read before every batch, so that an import needs no restart. A seller without one is decided for by the
//! file that the configuration names.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ml_connector_domain::catalog::Catalog;
use ml_connector_domain::id::ContentHash;

use crate::{Parts, Seller, StageError, stored};

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
