//! What the API answers from.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::SignedDuration;
use ml_connector_domain::{Clock, SellerId, Timestamp};
use ml_connector_pipeline::worker::Live;
use ml_connector_pipeline::{Parts, Seller};
use ml_connector_storage::Store;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::health::Workers;
use crate::port::Actions;
use crate::rate::{Limits, Rates};

/// A seller that the daemon serves.
#[derive(Clone)]
pub struct Served {
    /// Whose it is.
    pub tenant: String,
    /// The seller as it was when the daemon started.
    pub seller: Seller,
    /// What its stages work with.
    pub parts: Parts,
    /// What its worker was told since.
    pub live: watch::Receiver<Live>,
}

impl Served {
    /// The seller with the catalog that its worker has.
    pub(crate) fn now(&self) -> Seller {
        let live = self.live.borrow();
        Seller {
            catalog: Arc::clone(&live.catalog),
            catalog_hash: live.catalog_hash.clone(),
            ..self.seller.clone()
        }
    }
}

/// How long answers are kept under their idempotency keys.
const ANSWERS_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// How often older ones are forgotten.
const FORGET_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// The API of one daemon. Shared by all its connections.
pub struct Api {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sellers: Vec<Served>,
    pub(crate) actions: Arc<dyn Actions>,
    pub(crate) workers: Workers,
    pub(crate) counters: Arc<dyn Fn() -> String + Send + Sync>,
    pub(crate) limits: Limits,
    pub(crate) rates: Rates,
    /// Changes under way.
    pub(crate) changes: TaskTracker,
    /// When this daemon started.
    pub(crate) started: Timestamp,
    forgotten: Mutex<Timestamp>,
}

impl Api {
    /// The API of a daemon that serves these sellers.
    ///
    /// `counters` renders what is counted in the process, in Prometheus' text form.
    pub fn new(
        (store, clock): (Arc<dyn Store>, Arc<dyn Clock>),
        mut sellers: Vec<Served>,
        actions: Arc<dyn Actions>,
        workers: Workers,
        counters: Arc<dyn Fn() -> String + Send + Sync>,
        limits: Limits,
    ) -> Arc<Self> {
        sellers.sort_by(|one, other| one.seller.id.cmp(&other.seller.id));
        let started = clock.now();
        Arc::new(Self {
            rates: Rates::new(&limits),
            changes: TaskTracker::new(),
            forgotten: Mutex::new(started),
            store,
            clock,
            sellers,
            actions,
            workers,
            counters,
            limits,
            started,
        })
    }

    /// Waits for changes that are under way. New ones are still taken, so connections have to be closed first.
    pub async fn finish(&self) {
        self.changes.close();
        self.changes.wait().await;
    }

    pub(crate) fn served(&self, id: &str) -> Option<&Served> {
        self.sellers.iter().find(|served| served.seller.id == SellerId::new(id))
    }

    /// From when on answers are to be forgotten now, if it is time to.
    pub(crate) fn answers_to_forget(&self, now: Timestamp) -> Option<Timestamp> {
        let mut last = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(*last) < FORGET_EVERY {
            return None;
        }
        *last = now;
        now.saturating_add(-ANSWERS_KEPT).ok()
    }
}
