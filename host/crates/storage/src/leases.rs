//! Leases: which daemon works on a seller, and until when.
//!
//! A lease is held for a while and renewed before it runs out. With each change of hands its fence grows by one, and every
//! transaction of its holder's checks the fence that it was given: a daemon that was paused past its lease writes nothing
//! more, whatever it believes. All times are by the database's clock, so daemons' clocks need not agree.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ml_connector_domain::SellerId;

use crate::{Result, Store};

/// What a lease gave its holder: every write names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// Whose records may be worked on.
    pub seller: SellerId,
    /// Which part of the work; `worker` is all of it.
    pub stream: String,
    /// The daemon that holds it.
    pub holder: String,
    /// How many times the lease has changed hands.
    pub token: i64,
}

/// A lease as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// Whose records.
    pub seller: SellerId,
    /// Which part of the work.
    pub stream: String,
    /// The daemon that holds it, or held it last.
    pub holder: String,
    /// Whether it still does.
    pub held: bool,
}

/// Leases and the daemons that take them.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Says that a daemon is up for another `life`, and names all that are, itself included, in order.
    async fn attend(&self, name: &str, life: Duration) -> Result<Vec<String>>;

    /// Says that a daemon is gone.
    async fn leave(&self, name: &str) -> Result<()>;

    /// Takes a lease for `life` if nobody holds it; `None` if somebody does.
    async fn take_lease(
        &self,
        seller: &SellerId,
        stream: &str,
        holder: &str,
        life: Duration,
    ) -> Result<Option<Fence>>;

    /// Holds a lease for another `life`; says whether it was still held. One that ran out is not revived.
    async fn renew_lease(&self, fence: &Fence, life: Duration) -> Result<bool>;

    /// Gives a lease back, if it is still held.
    async fn give_back(&self, fence: &Fence) -> Result<()>;

    /// All leases, by seller.
    async fn leases(&self) -> Result<Vec<LeaseRow>>;

    /// Whether this store may still write.
    ///
    /// # Errors
    /// Besides the usual ones, [`crate::StoreError::Fenced`] once its lease has run out or passed on.
    async fn may_write(&self) -> Result<()>;

    /// The same store, writing under a lease: [`Store::apply`] then fails with [`crate::StoreError::Fenced`], with nothing
    /// written, once the lease has run out or passed on.
    fn fenced(&self, fence: Fence) -> Arc<dyn Store>;
}
