//! What changes which version maps: shadowing, activation and going back. Whether a version may map a seller's records is
//! for the caller to have seen to.

use ml_connector_domain::audit::Action;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{SellerId, Timestamp};
use ml_connector_storage::{Change, MapperChange, Pointer, Store};

use crate::{StageError, audit};

/// Why no pointer was moved.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// The version is active.
    #[error("MAP-ACTIVE: {0} is mapped by this version already")]
    Active(SellerId),
    /// There is nothing to go back to.
    #[error("MAP-PREVIOUS: {0} has nothing to roll back to: activate a version")]
    NothingBefore(SellerId),
    /// The store failed.
    #[error(transparent)]
    Stage(#[from] StageError),
}

impl From<ml_connector_storage::StoreError> for LifeError {
    fn from(error: ml_connector_storage::StoreError) -> Self {
        Self::Stage(error.into())
    }
}

/// How a version is called in the log: its digest, or the configuration's file.
pub fn shown(digest: Option<&ContentHash>) -> &str {
    digest.map_or("the configuration's file", ContentHash::as_str)
}

/// An event about versions.
pub fn changed(at: Timestamp, seller: &SellerId, subject: &str, detail: String) -> Change {
    audit(at, seller, subject, Action::MapperChanged, detail)
}

/// Lets a version run beside the active one, or none. Says what runs.
///
/// # Errors
/// It is the active one, or the store failed.
pub async fn shadow(
    store: &dyn Store,
    seller: &SellerId,
    digest: Option<ContentHash>,
    (who, at): (&str, Timestamp),
) -> Result<String, LifeError> {
    if digest.is_some() && store.mapper_pointer(seller).await?.active == digest {
        return Err(LifeError::Active(seller.clone()));
    }
    let name = digest.as_ref().map_or("none", ContentHash::as_str).to_owned();
    let told = changed(at, seller, &name, format!("shadow: {name}, by {who}"));
    let change = MapperChange::Shadow { seller: seller.clone(), digest, at };
    store.apply(vec![Change::Mapper(change), told]).await?;
    Ok(name)
}

/// Lets a version map from the next batch on; `None` is the configuration's file. Says what maps.
///
/// # Errors
/// The store failed.
pub async fn activate(
    store: &dyn Store,
    seller: &SellerId,
    digest: Option<ContentHash>,
    (why, at): (String, Timestamp),
) -> Result<String, LifeError> {
    let name = shown(digest.as_ref()).to_owned();
    let told = changed(at, seller, &name, format!("{name} {why}"));
    let change = MapperChange::Activate { seller: seller.clone(), digest, why, at };
    store.apply(vec![Change::Mapper(change), told]).await?;
    Ok(name)
}

/// Where a roll-back would go: `None` is the configuration's file.
///
/// # Errors
/// There is nothing to go back to.
pub fn before(seller: &SellerId, pointer: &Pointer) -> Result<Option<ContentHash>, LifeError> {
    pointer.previous.clone().ok_or_else(|| LifeError::NothingBefore(seller.clone()))
}

/// Goes back to the version before. Says to what.
///
/// # Errors
/// There is nothing to go back to, or the store failed.
pub async fn roll_back(
    store: &dyn Store,
    seller: &SellerId,
    (who, at): (&str, Timestamp),
) -> Result<String, LifeError> {
    let pointer = store.mapper_pointer(seller).await?;
    let to = shown(before(seller, &pointer)?.as_ref()).to_owned();
    let from = shown(pointer.active.as_ref());
    let why = format!("rolled back by {who}");
    let told = changed(at, seller, from, format!("{why}: from {from} to {to}"));
    let change = MapperChange::RollBack { seller: seller.clone(), why, at };
    store.apply(vec![Change::Mapper(change), told]).await?;
    Ok(to)
}
