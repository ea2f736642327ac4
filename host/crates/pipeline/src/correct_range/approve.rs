//! Plans what a preview showed, byte for byte, and puts the catalog and the mapper that it was made with into use.

use std::collections::BTreeMap;

use ml_connector_domain::audit::Action;
use ml_connector_domain::id::ContentHash;
use ml_connector_storage::{CatalogChange, Change, MapperChange};

use super::{Named, Pair, Preview, Worked, read, work_out};
use crate::{Parts, Seller, StageError, audit, catalogs, leg};

/// Why nothing was planned.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// No preview of this seller has this name, or several begin so.
    #[error(
        "COR-PREVIEW: {count} previews of this seller begin with `{text}`: give the hash that --preview printed"
    )]
    Unknown {
        /// What was asked for.
        text: String,
        /// How many there are.
        count: usize,
    },
    /// What would be posted is not what was shown.
    #[error("COR-CHANGED: nothing is planned, for this is not what the preview showed: {}; look at a new preview", .0.join("; "))]
    Changed(Vec<String>),
    /// The store, the mapper's host or Fusion failed. What is planned stays planned; approve again to go on.
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// The preview that a hash, or the beginning of one, names.
///
/// # Errors
/// [`ApproveError::Unknown`], or the store failed.
pub async fn find(parts: &Parts, seller: &Seller, text: &str) -> Result<Preview, ApproveError> {
    let found = parts.store.previews(&seller.id, text).await.map_err(StageError::from)?;
    match found.as_slice() {
        [one] if text.len() >= 6 => Ok(read(one)?),
        _ => Err(ApproveError::Unknown { text: text.to_owned(), count: found.len() }),
    }
}

/// Plans all pairs of a preview that are not planned yet; says how many those were. `proposed` holds the mapper and the
/// catalog that the preview names, `configured` those of the configuration.
///
/// # Errors
/// See [`ApproveError`].
pub async fn approve(
    proposed: (&Parts, &Seller),
    configured: (&Parts, &Seller),
    shown: &Preview,
    who: &str,
) -> Result<usize, ApproveError> {
    let (parts, seller) = proposed;
    let (_, worked) = work_out(parts, seller, (shown.from, shown.to)).await?;
    let left = not_planned_yet(parts, seller, shown).await?;
    let found = differences(&left, &worked);
    if !found.is_empty() {
        return Err(ApproveError::Changed(found));
    }
    activate(proposed, configured, &shown.hash()?, who).await?;
    let count = worked.len();
    for Worked { changes, .. } in worked {
        parts.store.apply(changes).await.map_err(StageError::from)?;
    }
    Ok(count)
}

/// The pairs of a preview of which nothing is planned yet.
async fn not_planned_yet<'a>(
    parts: &Parts,
    seller: &Seller,
    shown: &'a Preview,
) -> Result<Vec<&'a Pair>, ApproveError> {
    let mut left = Vec::new();
    for pair in &shown.pairs {
        let by = parts.store.recognized_by(&seller.id, pair.replaced.as_str(), leg::REPLACEMENT).await;
        match by.map_err(StageError::from)? {
            None => left.push(pair),
            Some(by) if by == pair.replacement.key && same_bytes(parts, &pair.replacement).await? => {}
            Some(by) => {
                let words = format!("{} has been replaced by another {by}", pair.replaced);
                return Err(ApproveError::Changed(vec![words]));
            }
        }
    }
    Ok(left)
}

/// Whether a planned document has the bytes that were shown, as long as no closing period has moved it since.
async fn same_bytes(parts: &Parts, shown: &Named) -> Result<bool, StageError> {
    let row = parts.store.document(&shown.key).await?;
    Ok(row.is_some_and(|row| row.body_hash == shown.sha256 || row.document.moved_from.is_some()))
}

fn differences(shown: &[&Pair], worked: &[Worked]) -> Vec<String> {
    let now: BTreeMap<_, &Pair> = worked.iter().map(|one| (&one.pair.replaced, &one.pair)).collect();
    let then: BTreeMap<_, &Pair> = shown.iter().map(|pair| (&pair.replaced, *pair)).collect();
    let mut found = Vec::new();
    for (key, pair) in &then {
        match now.get(key) {
            None => found.push(format!("{} {key} of {} would not change any more", pair.kind, pair.subject)),
            Some(other) if other == pair => {}
            Some(other) => {
                found.push(format!("{} {key} of {}: {}", pair.kind, pair.subject, changed(pair, other)))
            }
        }
    }
    let more = now.iter().filter(|(key, _)| !then.contains_key(*key));
    found
        .extend(more.map(|(key, pair)| format!("{} {key} of {} would change, too", pair.kind, pair.subject)));
    found
}

fn changed(then: &Pair, now: &Pair) -> String {
    let dates = |pair: &Pair| (pair.reversal.date, pair.replacement.date);
    if dates(then) != dates(now) {
        return format!("it would be dated {} instead of {}", now.replacement.date, then.replacement.date);
    }
    if then.accounts != now.accounts {
        return "accounts or amounts differ".to_owned();
    }
    "its bytes differ".to_owned()
}

/// Before anything is planned: what the worker maps from here on is mapped as the corrected documents are.
async fn activate(
    (parts, seller): (&Parts, &Seller),
    (configured, of): (&Parts, &Seller),
    preview: &ContentHash,
    who: &str,
) -> Result<(), ApproveError> {
    let (now, id) = (parts.clock.now(), || seller.id.clone());
    let why = format!("correction {preview} approved by {who}");
    let mut changes = vec![audit(now, &seller.id, preview.as_str(), Action::Planned, why.clone())];
    let current = catalogs::choose(configured, of).await?;
    if current.catalog_hash != seller.catalog_hash {
        let hash = Some(seller.catalog_hash.clone()).filter(|hash| *hash != of.catalog_hash);
        let words = format!("catalog {} is active: {why}", seller.catalog_hash);
        changes.push(audit(now, &seller.id, seller.catalog_hash.as_str(), Action::Changed, words));
        changes.push(Change::Catalog(CatalogChange::Activate { seller: id(), hash, at: now }));
    }
    let digest = &parts.mapper.identity().digest;
    let pointer = parts.store.mapper_pointer(&seller.id).await.map_err(StageError::from)?;
    let of_file = &configured.mapper.identity().digest;
    if pointer.active.as_ref().unwrap_or(of_file) != digest {
        let target = Some(digest.clone()).filter(|digest| digest != of_file);
        changes.push(audit(now, &seller.id, digest.as_str(), Action::MapperChanged, why.clone()));
        changes.push(Change::Mapper(MapperChange::Activate { seller: id(), digest: target, why, at: now }));
    }
    Ok(parts.store.apply(changes).await.map_err(StageError::from)?)
}
