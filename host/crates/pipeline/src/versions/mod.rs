//! Which version of a mapper maps a seller's records, and what is kept so that it can be asked again.
//!
//! A version is a component, named by its digest. It is `validated` when it was checked, runs as the `shadow` beside
//! the active one, becomes `active`, and is `retired`. The pointer to the active one stands in the store; it is read
//! before every batch, so that an activation or a roll-back needs no restart. A seller without one is mapped by the
//! file that the configuration names.
//!
//! **Invariant:** a batch is mapped by one version: it is chosen before the first call and kept through the halving
//! of a batch that fails. **Invariant:** nothing that a shadow says is posted, and no failure of a shadow keeps a
//! record from being mapped.

mod breaker;
mod compare;
pub mod life;
mod record;
pub mod replay;
mod replay_journals;
mod shadow;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use ml_connector_domain::SellerId;
use ml_connector_domain::id::ContentHash;
use ml_connector_ports::{Mapper, MapperLoader};
use ml_connector_storage::Pointer;
use sha2::{Digest as _, Sha256};

use crate::{Parts, Seller, StageError};

pub(crate) use breaker::count_fault;
pub use compare::{Effect, order_effects, sum_by_account, transaction_effects};
pub(crate) use record::{Batch, forget_inputs};
pub use record::{RecordedInput, Records, settings_hash, unpack};
pub(crate) use shadow::{shadow_orders, shadow_transactions};

/// How versions are watched and recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionPolicy {
    /// So many records failed on within the window open the breaker.
    pub breaker_records: u64,
    /// The breaker's window; a breaker that cannot roll back stays open for as long.
    pub breaker_window: SignedDuration,
    /// How long inputs are kept for replay.
    pub inputs_kept: SignedDuration,
    /// A packed input that is larger is not kept, in bytes.
    pub input_bytes_max: usize,
}

impl Default for VersionPolicy {
    fn default() -> Self {
        Self {
            breaker_records: 5,
            breaker_window: SignedDuration::from_hours(1),
            // Two fiscal years and the audit of the second.
            inputs_kept: SignedDuration::from_hours(24 * 900),
            input_bytes_max: 4 << 20,
        }
    }
}

/// Versions in use. Cheap to clone.
#[derive(Clone, Default)]
pub struct Versions {
    /// How they are watched.
    pub policy: VersionPolicy,
    loader: Option<Arc<dyn MapperLoader>>,
    loaded: Arc<Mutex<HashMap<ContentHash, Arc<dyn Mapper>>>>,
    shadow: Option<Arc<dyn Mapper>>,
}

impl Versions {
    /// Versions that are loaded from the store; one compiled form for all sellers that use it.
    pub fn new(loader: Arc<dyn MapperLoader>, policy: VersionPolicy) -> Self {
        Self { policy, loader: Some(loader), ..Self::default() }
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, HashMap<ContentHash, Arc<dyn Mapper>>> {
        // A panic elsewhere leaves the map whole.
        self.loaded.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The parts with the mapper that the next batch is for, and its shadow.
///
/// # Errors
/// The store failed, a version cannot be loaded, or the breaker of the active one is open.
pub(crate) async fn choose(parts: &Parts, seller: &Seller) -> Result<Parts, StageError> {
    let pointer = parts.store.mapper_pointer(&seller.id).await?;
    let mut chosen = parts.clone();
    if let Some(digest) = &pointer.active {
        chosen.mapper = load(parts, digest).await?;
    }
    chosen.versions.shadow = match &pointer.shadow {
        None => None,
        Some(digest) => match load(parts, digest).await {
            Ok(shadow) => Some(shadow),
            Err(error) => {
                tracing::warn!(seller = %seller.id, %digest, %error, "the shadow cannot be loaded");
                None
            }
        },
    };
    breaker::check(&chosen, seller, &pointer).await?;
    Ok(chosen)
}

/// A version's mapper, from memory or from the store.
///
/// # Errors
/// The store does not have it, or it is refused.
pub async fn load(parts: &Parts, digest: &ContentHash) -> Result<Arc<dyn Mapper>, StageError> {
    if parts.mapper.identity().digest == *digest {
        return Ok(Arc::clone(&parts.mapper));
    }
    if let Some(mapper) = parts.versions.loaded().get(digest) {
        return Ok(Arc::clone(mapper));
    }
    let failed = |message: String| StageError::MapperHost(format!("version {digest}: {message}"));
    let Some(loader) = parts.versions.loader.clone() else {
        return Err(failed("this process loads no versions".to_owned()));
    };
    let component = parts.store.mapper_component(digest).await?;
    let component = component.ok_or_else(|| failed("the store does not have it".to_owned()))?;
    let made =
        tokio::task::spawn_blocking(move || loader.load(&component.bytes, &component.signatures)).await;
    let mapper = made.map_err(|error| failed(error.to_string()))?.map_err(failed)?;
    parts.versions.loaded().insert(digest.clone(), Arc::clone(&mapper));
    Ok(mapper)
}

/// Where a seller stands in a canary, from 0 to 99: the same for every process and for ever, and another for every
/// version, so that it is not always the same sellers who go first.
pub fn canary_place(seller: &SellerId, digest: &ContentHash) -> u8 {
    let mut hash = Sha256::new();
    hash.update(b"ml-connector canary 1");
    hash.update(digest.as_str());
    hash.update(seller.as_str());
    let hash = hash.finalize();
    u8::try_from(u16::from_be_bytes([hash[0], hash[1]]) % 100).unwrap_or(0)
}

/// Whether a pointer can be rolled back, and to what.
pub fn roll_back_target(pointer: &Pointer) -> Option<Option<&ContentHash>> {
    pointer.previous.as_ref().map(Option::as_ref)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_sellers_grows_and_keeps_who_is_in_it() {
        let digest = ContentHash::of(b"a component");
        let places: Vec<u8> =
            (0..1_000).map(|n| canary_place(&SellerId::new(format!("A{n}")), &digest)).collect();
        let below = |share: u8| places.iter().filter(|place| **place < share).count();
        assert_eq!(below(100), 1_000);
        assert_eq!(below(0), 0);
        assert!((70..=130).contains(&below(10)), "{} of a thousand are no tenth", below(10));
        assert!(below(10) <= below(11) && below(50) > below(10));
        let other = ContentHash::of(b"another");
        let moved = (0..1_000).filter(|n| {
            let seller = SellerId::new(format!("A{n}"));
            canary_place(&seller, &digest) != canary_place(&seller, &other)
        });
        assert!(moved.count() > 900, "another version begins with other sellers");
    }
}
