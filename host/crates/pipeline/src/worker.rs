//! Runs all stages for one seller, again and again.
//!
//! One worker per seller: within a seller nothing races. A stage that fails is tried again in the next cycle; the
//! others go on, so that a throttled Amazon does not keep documents from Fusion.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::SignedDuration;
use ml_connector_domain::catalog::Catalog;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{Region, Timestamp};
use ml_connector_ports::{Account, Stream};
use ml_connector_storage::steps::in_stage;
use tokio::sync::watch as watch_channel;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::post::Posted;
use crate::pulse::Pulse;
use crate::quiet::Expected;
use crate::reconcile::{COMPARE_AGAIN, Compared};
use crate::{
    Parts, Seller, StageError, accrue, adjust, archive, backfill, bulk, buyer, map, normalize, poll, post,
    quiet, receipts, reconcile, settle, versions, watch,
};

/// How often what is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// Between two polls of orders.
    pub orders: SignedDuration,
    /// Between two polls of transactions.
    pub transactions: SignedDuration,
    /// Between two polls of settlements.
    pub groups: SignedDuration,
    /// Between two polls of payouts.
    pub payouts: SignedDuration,
    /// Between two polls of settlement reports.
    pub reports: SignedDuration,
    /// Between two rounds of reconciliation.
    pub reconcile: SignedDuration,
    /// Between two readings of what changed in Fusion.
    pub watch: SignedDuration,
}

impl Default for Cadence {
    fn default() -> Self {
        Self {
            orders: SignedDuration::from_mins(15),
            transactions: SignedDuration::from_mins(15),
            groups: SignedDuration::from_hours(1),
            payouts: SignedDuration::from_hours(6),
            reports: SignedDuration::from_hours(6),
            reconcile: SignedDuration::from_hours(24),
            watch: SignedDuration::from_hours(1),
        }
    }
}

impl Cadence {
    fn of(&self, stream: Stream) -> SignedDuration {
        match stream {
            Stream::Orders => self.orders,
            Stream::Transactions => self.transactions,
            Stream::Groups => self.groups,
            Stream::Payouts => self.payouts,
            Stream::Reports => self.reports,
        }
    }
}

/// What may change while a worker runs; it counts from the next cycle on.
#[derive(Debug, Clone)]
pub struct Live {
    /// How often what is done.
    pub cadence: Cadence,
    /// The configured catalog, which decides where none was imported.
    pub catalog: Arc<Catalog>,
    /// Its hash.
    pub catalog_hash: ContentHash,
}

/// After a stage failed, when the next cycle begins at the latest.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_mins(1);
/// How often a worker that rests looks whether it still has to.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// A seller's worker.
pub struct Worker {
    parts: Parts,
    seller: Seller,
    cadence: Cadence,
    live: Option<watch_channel::Receiver<Live>>,
    next_poll: HashMap<(Region, Stream), Timestamp>,
    next_reconcile: Timestamp,
    next_watch: Timestamp,
    starts_at: Timestamp,
    pulse: Pulse,
    expected: Expected,
    /// Back-fills under way, at most one for each region. They end with the worker.
    backfills: JoinSet<Region>,
    backfilling: HashSet<Region>,
}

/// When a worker ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Never: it runs until it is stopped.
    Stopped,
    /// Once this time has come: it then works off what is due, compares everything once more, and ends.
    Time(Timestamp),
}

impl Worker {
    /// A worker that begins with polling everything.
    pub fn new(parts: Parts, seller: Seller, cadence: Cadence) -> Self {
        let now = parts.clock.now();
        let (next_reconcile, next_watch) = (later(now, cadence.reconcile), later(now, cadence.watch));
        Self {
            parts,
            seller,
            cadence,
            live: None,
            next_poll: HashMap::new(),
            next_reconcile,
            next_watch,
            starts_at: now,
            pulse: Pulse::default(),
            expected: Expected::default(),
            backfills: JoinSet::new(),
            backfilling: HashSet::new(),
        }
    }

    /// Lets it begin so much later, so that many sellers' polls do not all come at once.
    #[must_use]
    pub fn starting_after(mut self, delay: SignedDuration) -> Self {
        self.starts_at = later(self.parts.clock.now(), delay);
        self
    }

    /// Has it tell whether it is alive.
    #[must_use]
    pub fn watched_by(mut self, pulse: Pulse) -> Self {
        self.pulse = pulse;
        self
    }

    /// Has it find streams that bring nothing for too long.
    #[must_use]
    pub fn expecting(mut self, expected: Expected) -> Self {
        self.expected = expected;
        self
    }

    /// Has it take up what changes, whenever it does.
    #[must_use]
    pub fn told_by(mut self, live: watch_channel::Receiver<Live>) -> Self {
        self.live = Some(live);
        self
    }

    /// Takes up what has changed. What would be due later than the new cadence has it comes forward.
    fn take_up(&mut self) {
        let Some(live) = &mut self.live else { return };
        // An error is a sender that is gone: nothing will change any more.
        if !live.has_changed().unwrap_or(false) {
            return;
        }
        let Live { cadence, catalog, catalog_hash } = live.borrow_and_update().clone();
        let now = self.parts.clock.now();
        for ((_, stream), at) in &mut self.next_poll {
            *at = (*at).min(later(now, cadence.of(*stream)));
        }
        self.next_reconcile = self.next_reconcile.min(later(now, cadence.reconcile));
        self.next_watch = self.next_watch.min(later(now, cadence.watch));
        (self.cadence, self.seller.catalog, self.seller.catalog_hash) = (cadence, catalog, catalog_hash);
    }

    /// Waits until something has changed; for ever where nothing can.
    async fn changed(live: &mut Option<watch_channel::Receiver<Live>>) {
        match live {
            Some(live) if live.has_changed().is_ok() => {
                if live.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                // It is still to be taken up.
                live.mark_changed();
            }
            _ => std::future::pending().await,
        }
    }

    /// Runs until it is stopped or its time has come.
    pub async fn run(mut self, until: Until, shutdown: CancellationToken) {
        self.pulse.sleeps(&self.seller.id, self.parts.clock.now(), self.starts_at);
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.parts.clock.sleep_until(self.starts_at) => self.work(until, &shutdown).await,
        }
        self.pulse.ended(&self.seller.id, self.parts.clock.now());
    }

    async fn work(&mut self, until: Until, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            self.take_up();
            let (failed, rests) = match self.rests().await {
                Ok(true) => (false, true),
                Ok(false) => (self.cycle().await, false),
                Err(error) => (self.log("pause", Err(error)), false),
            };
            let now = self.parts.clock.now();
            self.pulse.cycle(&self.seller.id, now, failed);
            metrics::counter!("ml_connector_worker_cycles_total", "seller" => self.seller.id.to_string())
                .increment(1);
            if let Until::Time(end) = until
                && now >= end
                && !failed
            {
                if !rests {
                    self.compare_all().await;
                }
                return;
            }
            let next = self.next_cycle(now, (failed, rests), until).await;
            if !self.sleep(next, shutdown).await {
                return;
            }
        }
    }

    /// Whether somebody has paused the seller.
    async fn rests(&self) -> Result<bool, StageError> {
        Ok(self.parts.store.seller_pause(&self.seller.id).await?.is_some())
    }

    async fn next_cycle(&self, now: Timestamp, (failed, rests): (bool, bool), until: Until) -> Timestamp {
        let mut next = match rests {
            true => later(now, LOOK_AGAIN),
            false => self.next_due().await.unwrap_or_else(|| later(now, AFTER_FAILURE)),
        };
        if failed {
            next = next.min(later(now, AFTER_FAILURE));
        }
        match until {
            Until::Time(end) => next.min(end.max(later(now, SignedDuration::from_secs(1)))),
            Until::Stopped => next,
        }
    }

    /// Sleeps; says whether it may go on.
    async fn sleep(&mut self, until: Timestamp, shutdown: &CancellationToken) -> bool {
        self.pulse.sleeps(&self.seller.id, self.parts.clock.now(), until);
        tokio::select! {
            () = shutdown.cancelled() => false,
            () = Self::changed(&mut self.live) => true,
            () = self.parts.clock.sleep_until(until) => true,
        }
    }

    /// One pass through all stages; says whether any failed.
    pub async fn cycle(&mut self) -> bool {
        let (parts, seller) = (&self.parts, &self.seller);
        let mut failed =
            self.log("recover", in_stage("post", post::recover(parts, seller)).await.map(|_| ()));
        failed |= self.poll_due().await;
        failed |= self
            .log("quiet streams", quiet::look(&self.parts, &self.seller, &self.expected).await.map(|_| ()));
        let (parts, seller) = (&self.parts, &self.seller);
        failed |= self
            .log("normalize", in_stage("normalize", normalize::normalize(parts, seller)).await.map(|_| ()));
        failed |= self.log("archive", in_stage("archive", archive::archive(parts, seller)).await.map(|_| ()));
        failed |= self.log("map orders", in_stage("map", map::map_orders(parts, seller)).await.map(|_| ()));
        failed |= self
            .log("map transactions", in_stage("map", map::map_transactions(parts, seller)).await.map(|_| ()));
        failed |= self.log("settle", in_stage("settle", settle::settle(parts, seller)).await.map(|_| ()));
        failed |= self.log("adjust", in_stage("adjust", adjust::adjust(parts, seller)).await.map(|_| ()));
        failed |= self.log("accrue", in_stage("accrue", accrue::accrue(parts, seller)).await.map(|_| ()));
        failed |=
            self.log("receipts", in_stage("receipts", receipts::receipts(parts, seller)).await.map(|_| ()));
        failed |=
            self.log("bulk import", in_stage("post", bulk::bulk(parts, seller)).await.map(|_: Posted| ()));
        failed |= self.log("post", in_stage("post", post::post(parts, seller)).await.map(|_: Posted| ()));
        if self.parts.clock.now() >= self.next_watch {
            failed |= self.watch().await;
            self.next_watch = later(self.parts.clock.now(), self.cadence.watch);
        }
        if self.parts.clock.now() >= self.next_reconcile {
            let since = later(self.parts.clock.now(), -COMPARE_AGAIN);
            let compared =
                in_stage("reconcile", reconcile::reconcile(&self.parts, &self.seller, since)).await;
            failed |= self.log("reconcile", compared.map(|_: Compared| ()));
            let forgotten = versions::forget_inputs(&self.parts, &self.seller).await;
            failed |= self.log("recorded inputs", forgotten);
            let removed = buyer::remove_buyer_data(&self.parts, &self.seller).await;
            failed |= self.log("buyer data", removed.map(|_| ()));
            self.next_reconcile = later(self.parts.clock.now(), self.cadence.reconcile);
        }
        failed | self.start_backfills().await
    }

    /// Reads what changed in Fusion, and compares what did; says whether that failed.
    async fn watch(&self) -> bool {
        let watched = in_stage("watch", watch::watch(&self.parts, &self.seller)).await;
        let failed = self.log("watch", watched.map(|_: watch::Watched| ()));
        // What changed is marked as compared before all time; what was never compared waits for its round.
        let compared = reconcile::reconcile(&self.parts, &self.seller, Timestamp::UNIX_EPOCH);
        let compared = in_stage("reconcile", compared).await;
        failed | self.log("compare what changed", compared.map(|_: Compared| ()))
    }

    /// Starts back-fills that are due, beside this worker; says whether the store failed.
    async fn start_backfills(&mut self) -> bool {
        while let Some(ended) = self.backfills.try_join_next() {
            match ended {
                Ok(region) => {
                    self.backfilling.remove(&region);
                }
                // Which one it was is not known; the others go on, and all may be started again.
                Err(error) => {
                    tracing::error!(%error, "a back-fill ended unexpectedly");
                    self.backfilling.clear();
                }
            }
        }
        for region in self.seller.regions.clone() {
            if self.backfilling.contains(&region) {
                continue;
            }
            match self.parts.store.due_backfill(&self.seller.id, region, self.parts.clock.now()).await {
                Ok(None) => {}
                Ok(Some(_)) => {
                    let (parts, seller) = (self.parts.clone(), self.seller.clone());
                    // Registered before it is spawned: the clock must not move past its beginning.
                    let registered = parts.clock.register();
                    self.backfilling.insert(region);
                    self.backfills.spawn(async move {
                        backfill::run(parts, seller, region).await;
                        drop(registered);
                        region
                    });
                }
                Err(error) => return self.log("back-fill", Err(error.into())),
            }
        }
        false
    }

    async fn poll_due(&mut self) -> bool {
        let mut failed = false;
        for region in self.seller.regions.clone() {
            for stream in Stream::ALL {
                let now = self.parts.clock.now();
                if self.next_poll.get(&(region, stream)).is_some_and(|due| *due > now) {
                    continue;
                }
                let account = Account { seller: self.seller.id.clone(), region };
                let polled = poll::poll(&self.parts, &self.seller, &account, stream);
                let polled = in_stage("poll", polled).await;
                // A failing stream keeps its cadence: what it missed lies behind its cursor still.
                self.next_poll.insert((region, stream), later(now, self.cadence.of(stream)));
                failed |= self.log(stream.as_str(), polled.map(|_| ()));
            }
        }
        failed
    }

    /// Compares every confirmed document now, whenever it was last compared.
    async fn compare_all(&self) {
        let now = self.parts.clock.now();
        let compared = in_stage("reconcile", reconcile::reconcile(&self.parts, &self.seller, now)).await;
        self.log("final reconcile", compared.map(|_| ()));
    }

    async fn next_due(&self) -> Option<Timestamp> {
        let posting = match self.parts.store.next_posting_due(&self.seller.id).await {
            Ok(posting) => posting,
            Err(error) => {
                self.log("next posting", Err(error.into()));
                return None;
            }
        };
        self.next_poll.values().copied().chain(posting).chain([self.next_reconcile, self.next_watch]).min()
    }

    /// Logs a failure once, with its causes; says whether it was one.
    fn log(&self, stage: &str, result: Result<(), StageError>) -> bool {
        self.pulse.beat(&self.seller.id, self.parts.clock.now());
        let Err(error) = result else { return false };
        let labels = [("seller", self.seller.id.to_string()), ("stage", stage.to_owned())];
        metrics::counter!("ml_connector_stage_failures_total", &labels).increment(1);
        let mut words = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            words.push_str(": ");
            words.push_str(&inner.to_string());
            cause = inner.source();
        }
        tracing::warn!(seller = %self.seller.id, stage, error = %words, "a stage failed and will be tried again");
        true
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}
