//! A seller whose worker rests: nothing is read, mapped or posted until somebody has it go on. The flag stands in the store and is
//! read before every cycle, so a running daemon obeys within a minute.

use ml_connector_domain::audit::Action;
use ml_connector_domain::{SellerId, Timestamp};
use ml_connector_storage::{Change, OperationsChange, SellerPause, Store};

use crate::{StageError, audit};

/// Has a seller's worker rest. Says since when it does: a seller that rests already goes on resting.
///
/// # Errors
/// The store failed.
pub async fn pause(
    store: &dyn Store,
    seller: &SellerId,
    (who, at): (&str, Timestamp),
) -> Result<SellerPause, StageError> {
    if let Some(already) = store.seller_pause(seller).await? {
        return Ok(already);
    }
    let pause = SellerPause { since: at, by: who.to_owned() };
    let change = OperationsChange::Pause { seller: seller.clone(), pause: Some(pause.clone()) };
    let told = audit(at, seller, seller.as_str(), Action::Changed, format!("paused by {who}"));
    store.apply(vec![Change::Operations(change), told]).await?;
    Ok(pause)
}

/// Has it go on; says whether it rested.
///
/// # Errors
/// The store failed.
pub async fn resume(
    store: &dyn Store,
    seller: &SellerId,
    (who, at): (&str, Timestamp),
) -> Result<bool, StageError> {
    if store.seller_pause(seller).await?.is_none() {
        return Ok(false);
    }
    let change = OperationsChange::Pause { seller: seller.clone(), pause: None };
    let told = audit(at, seller, seller.as_str(), Action::Changed, format!("resumed by {who}"));
    store.apply(vec![Change::Operations(change), told]).await?;
    Ok(true)
}
