//! Keys: how one is made, written, stored and taken.
//!
//! A key reads `mlc_<id>_<secret>`: eight bytes that name it and 32 random ones that prove it, both in base 32. The store has
//! the secret's SHA-256 only. A hash made for passwords would add nothing to 256 random bits.

use data_encoding::BASE32_NOPAD;
use ml_connector_domain::audit::{Action, AuditEvent};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{SellerId, Timestamp};
use ml_connector_storage::{ApiKey, Change, OperationsChange, Store, StoreError};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::Role;

/// What keys begin with: secret scanners look for it.
const PREFIX: &str = "mlc";
/// Random bytes of an id.
pub const ID_BYTES: usize = 8;
/// Random bytes of a secret.
pub const SECRET_BYTES: usize = 32;
/// Under this seller the log has what is about no seller.
const NO_SELLER: &str = "(application)";

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What it may do.
    pub role: Role,
    /// Whose it is.
    pub tenant: String,
    /// The sellers that it is for; `None` for all of its tenant's.
    pub sellers: Option<Vec<SellerId>>,
    /// From when on it is no longer taken.
    pub expires_at: Option<Timestamp>,
}

/// A key as it was made: its row, and what its owner is told once.
pub struct MadeKey {
    /// What is stored.
    pub row: ApiKey,
    /// `mlc_<id>_<secret>`.
    pub token: SecretString,
}

fn written(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_lowercase()
}

/// Makes a key of random bytes.
pub fn make(new: NewKey, random: ([u8; ID_BYTES], [u8; SECRET_BYTES]), at: Timestamp) -> MadeKey {
    let (id, secret) = (written(&random.0), written(&random.1));
    let token = SecretString::from(format!("{PREFIX}_{id}_{secret}"));
    let row = ApiKey {
        id,
        hash: ContentHash::of(secret.as_bytes()),
        role: new.role.as_str().to_owned(),
        tenant: new.tenant,
        sellers: new.sellers,
        created_at: at,
        expires_at: new.expires_at,
        revoked_at: None,
    };
    MadeKey { row, token }
}

/// Keeps a key that was made.
///
/// # Errors
/// The store failed.
pub async fn keep(store: &dyn Store, row: ApiKey, (who, at): (&str, Timestamp)) -> Result<(), StoreError> {
    let sellers = row.sellers.iter().flatten().map(SellerId::as_str).collect::<Vec<_>>().join(", ");
    let sellers = if sellers.is_empty() { "all sellers".to_owned() } else { sellers };
    let detail = format!("key {} made by {who}: {} of tenant {}, {sellers}", row.id, row.role, row.tenant);
    let told = told(&row.id, detail, at);
    store.apply(vec![Change::Operations(OperationsChange::ApiKey(Box::new(row))), told]).await
}

/// Takes a key out of use for ever.
///
/// # Errors
/// The store failed.
pub async fn revoke(store: &dyn Store, id: &str, (who, at): (&str, Timestamp)) -> Result<(), StoreError> {
    let change = OperationsChange::ApiKeyRevoked { id: id.to_owned(), at };
    let told = told(id, format!("key {id} revoked by {who}"), at);
    store.apply(vec![Change::Operations(change), told]).await
}

fn told(id: &str, detail: String, at: Timestamp) -> Change {
    Change::Audit(AuditEvent {
        at,
        seller: SellerId::new(NO_SELLER),
        subject: format!("key {id}"),
        action: Action::Changed,
        detail,
    })
}

/// Id and secret of a token.
fn parts(token: &str) -> Option<(&str, &str)> {
    let (prefix, rest) = token.split_once('_')?;
    let (id, secret) = rest.split_once('_')?;
    (prefix == PREFIX && !id.is_empty() && !secret.is_empty()).then_some((id, secret))
}

/// The key that a token is, if it is in use. An unknown id, a wrong secret, a revoked and an expired key are the same.
///
/// # Errors
/// The store failed.
pub async fn taken(
    store: &dyn Store,
    token: &SecretString,
    now: Timestamp,
) -> Result<Option<ApiKey>, StoreError> {
    let Some((id, secret)) = parts(token.expose_secret()) else { return Ok(None) };
    let Some(key) = store.api_key(id).await? else { return Ok(None) };
    let hash = ContentHash::of(secret.as_bytes());
    let same: bool = hash.as_str().as_bytes().ct_eq(key.hash.as_str().as_bytes()).into();
    let in_time = key.expires_at.is_none_or(|end| now < end);
    Ok((same && in_time && key.revoked_at.is_none()).then_some(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_once_and_stored_as_a_hash() {
        let new =
            NewKey { role: Role::Viewer, tenant: "default".to_owned(), sellers: None, expires_at: None };
        let made = make(new, ([1; ID_BYTES], [2; SECRET_BYTES]), Timestamp::UNIX_EPOCH);
        let token = made.token.expose_secret();
        let (id, secret) = parts(token).expect("a token");
        assert_eq!((id, secret.len()), (made.row.id.as_str(), 52));
        assert_eq!(made.row.hash, ContentHash::of(secret.as_bytes()));
        assert!(!format!("{:?}", made.row).contains(secret));
        assert!(["", "mlc_", "mlc_a", "mlc__b", "mlc_a_", "xyz_a_b"].iter().all(|bad| parts(bad).is_none()));
    }
}
