//! The breaker of a version: a mapper that fails on many records is taken out of use before it fills the review queue.
//!
//! It counts the records that a version failed on by themselves, in the store, so that a restart forgets nothing. When
//! it opens, the seller is rolled back, and what the version failed on is made ready again for the one before. Where
//! there is nothing to go back to, inputs are parked: they stay ready, and are tried again once the window has passed.

use ml_connector_domain::Timestamp;
use ml_connector_domain::audit::Action;
use ml_connector_ports::MapperFault;
use ml_connector_storage::{Change, MapperChange, Pointer, ReviewDraft};

use super::roll_back_target;
use crate::{Parts, Seller, StageError, audit, kind};

/// Since when a version's faults count: the window, or its activation.
fn since(parts: &Parts, pointer: &Pointer) -> Timestamp {
    let now = parts.clock.now();
    let window = now.saturating_add(-parts.versions.policy.breaker_window).unwrap_or(now);
    pointer.since.map_or(window, |activated| window.max(activated))
}

async fn faults(parts: &Parts, seller: &Seller, pointer: &Pointer) -> Result<u64, StageError> {
    let digest = &parts.mapper.identity().digest;
    Ok(parts.store.mapper_faults(&seller.id, digest, since(parts, pointer)).await?)
}

/// Refuses a batch while the breaker is open.
///
/// # Errors
/// It is open, or the store failed.
pub(super) async fn check(parts: &Parts, seller: &Seller, pointer: &Pointer) -> Result<(), StageError> {
    let faults = faults(parts, seller, pointer).await?;
    if faults < parts.versions.policy.breaker_records {
        return Ok(());
    }
    Err(StageError::Parked(format!(
        "mapper {} failed on {faults} records: what is ready stays ready until another version is activated, or for {:#}",
        parts.mapper.identity().digest,
        parts.versions.policy.breaker_window
    )))
}

/// Counts a record that the mapper failed on alone; `batch` is what is kept of that call.
///
/// # Errors
/// The breaker opens: the record stays ready, for the version before or for later. Or the store failed.
pub(crate) async fn count_fault(
    parts: &Parts,
    seller: &Seller,
    fault: &MapperFault,
    batch: &[Change],
) -> Result<(), StageError> {
    let pointer = parts.store.mapper_pointer(&seller.id).await?;
    let own = &parts.mapper.identity().digest;
    // Another version was activated while this one worked: its faults are no longer anybody's.
    let in_use = pointer.active.as_ref().is_none_or(|active| active == own);
    let faults = faults(parts, seller, &pointer).await? + 1;
    if !in_use || faults < parts.versions.policy.breaker_records {
        return Ok(());
    }
    let now = parts.clock.now();
    let mut changes = batch.to_vec();
    let words = format!("mapper {own} failed on {faults} records, last with {fault}");
    let to = match roll_back_target(&pointer) {
        Some(to) => {
            let to = to.map_or("the configuration's file", |digest| digest.as_str());
            let why = format!("rolled back by the breaker: {words}");
            changes.push(audit(
                now,
                &seller.id,
                own.as_str(),
                Action::MapperChanged,
                format!("{why}; to {to}"),
            ));
            changes.push(Change::Mapper(MapperChange::RollBack { seller: seller.id.clone(), why, at: now }));
            let since = pointer.since.unwrap_or(now);
            changes.push(Change::Mapper(MapperChange::Requeue { seller: seller.id.clone(), since, at: now }));
            format!("rolled back to {to}")
        }
        None => {
            changes.push(audit(now, &seller.id, own.as_str(), Action::MapperFault, words.clone()));
            "there is no version to roll back to".to_owned()
        }
    };
    changes.push(Change::Review(ReviewDraft {
        seller: seller.id.clone(),
        kind: kind::MAPPER,
        subject: own.as_str().to_owned(),
        code: "mapper-breaker".to_owned(),
        about: fault.code.to_owned(),
        message: format!("{words}; {to}"),
        at_stake: None,
        at: now,
    }));
    parts.store.apply(changes).await?;
    Err(StageError::Parked(format!("{words}; {to}")))
}
