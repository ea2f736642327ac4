//! Many daemons over one PostgreSQL database: each works on its share of the sellers, under leases.
//!
//! A daemon says that it is up, renews what it holds at a third of a lease's life, gives up what is more than its share, and
//! takes what nobody holds. It decides so by itself, from what the database says: [`step`] is the whole rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ml_connector_domain::{Clock as _, SellerId};
use ml_connector_pipeline::pulse::Pulse;
use ml_connector_pipeline::quiet::Expected;
use ml_connector_pipeline::worker::{Live, Until, Worker};
use ml_connector_pipeline::{Parts, Seller};
use ml_connector_remote::SystemClock;
use ml_connector_storage::{Fence, LeaseRow, Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::commands::with_causes;

/// All of a seller's work: its streams share one worker.
const STREAM: &str = "worker";

/// What a seller's worker is made of.
pub(crate) struct Job {
    pub(crate) seller: Seller,
    pub(crate) parts: Parts,
    pub(crate) live: watch::Receiver<Live>,
    pub(crate) expected: Expected,
    /// How long the first worker waits, so that not all begin at once.
    pub(crate) delay: SignedDuration,
    /// Where its workers give signs of life.
    pub(crate) pulse: Pulse,
}

impl Job {
    /// A worker that writes through a store.
    pub(crate) fn worker(&self, store: Arc<dyn Store>, delay: SignedDuration) -> Worker {
        let mut live = self.live.clone();
        // As it was told last: a worker that begins anew must not begin with what counted at the start, nor be woken for it.
        let Live { cadence, catalog, catalog_hash } = live.borrow_and_update().clone();
        let seller = Seller { catalog, catalog_hash, ..self.seller.clone() };
        let worker = Worker::new(Parts { store, ..self.parts.clone() }, seller, cadence).told_by(live);
        worker.expecting(self.expected).watched_by(self.pulse.clone()).starting_after(delay)
    }
}

/// What a daemon is to do next about leases.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    release: Vec<SellerId>,
    take: Vec<SellerId>,
}

/// Each daemon holds at most its share, rounded up: more is released, and what nobody holds is taken up to it.
fn step(sellers: &BTreeSet<SellerId>, daemons: usize, leases: &[LeaseRow], own: &BTreeSet<SellerId>) -> Step {
    let share = sellers.len().div_ceil(daemons.max(1));
    let surplus = own.len().saturating_sub(share);
    let held: BTreeSet<&SellerId> = leases
        .iter()
        .filter(|lease| lease.held && lease.stream == STREAM)
        .map(|lease| &lease.seller)
        .collect();
    let free = sellers.iter().filter(|seller| !held.contains(seller) && !own.contains(*seller));
    Step {
        release: own.iter().rev().take(surplus).cloned().collect(),
        take: free.take(share.saturating_sub(own.len())).cloned().collect(),
    }
}

/// A worker under a lease.
struct Held {
    fence: Fence,
    task: tokio::task::Id,
    stop: CancellationToken,
}

/// This daemon among others.
pub(crate) struct Cluster {
    pub(crate) store: Arc<dyn Store>,
    /// Unique: two daemons of one name would take each other for themselves.
    pub(crate) name: String,
    pub(crate) life: Duration,
    pub(crate) until: Option<Timestamp>,
    /// Cancelled once the last worker has come to its time.
    pub(crate) signing: CancellationToken,
}

impl Cluster {
    /// Runs workers for this daemon's share until stopped, or until all of them have come to their time.
    /// `still` keeps a stepped clock from moving before there is a worker.
    pub(crate) async fn run(self, jobs: Vec<Job>, still: Box<dyn Send + Sync>, shutdown: CancellationToken) {
        let jobs: BTreeMap<SellerId, Job> =
            jobs.into_iter().map(|job| (job.seller.id.clone(), job)).collect();
        let left = Arc::new(AtomicUsize::new(jobs.len()));
        let mut team = Team { left, still: Some(still), ..Team::default() };
        while !shutdown.is_cancelled() && team.done.len() < jobs.len() {
            if let Err(error) = self.tick(&jobs, &mut team, &shutdown).await {
                // What is held runs on: should a lease run out meanwhile, the database refuses its worker.
                tracing::warn!(error = %with_causes(&error), "leases cannot be renewed");
            }
            let third = SignedDuration::try_from(self.life / 3).unwrap_or(SignedDuration::from_secs(10));
            let next = SystemClock.now().saturating_add(third).unwrap_or(Timestamp::MAX);
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = SystemClock.sleep_until(next) => {}
                Some(ended) = team.workers.join_next() => self.ended(&mut team, ended).await,
            }
        }
        self.leave(&mut team).await;
    }

    /// Renews, releases and takes.
    async fn tick(
        &self,
        jobs: &BTreeMap<SellerId, Job>,
        team: &mut Team,
        shutdown: &CancellationToken,
    ) -> Result<(), StoreError> {
        // A stepped clock must not move before all have begun, nor while nobody works because a lease has yet to run out.
        if team.held.is_empty() && team.still.is_none() {
            team.still = jobs.values().next().map(|job| job.parts.clock.register());
        }
        let up = self.store.attend(&self.name, self.life).await?;
        for held in team.held.values() {
            if !self.store.renew_lease(&held.fence, self.life).await? {
                tracing::warn!(seller = %held.fence.seller, code = "STO-FENCED", "the lease was lost: its worker stops");
                held.stop.cancel();
            }
        }
        let sellers: BTreeSet<SellerId> =
            jobs.keys().filter(|seller| !team.done.contains(seller)).cloned().collect();
        let own: BTreeSet<SellerId> = team.held.keys().cloned().collect();
        let Step { release, take } = step(&sellers, up.len(), &self.store.leases().await?, &own);
        for held in release.iter().filter_map(|seller| team.held.get(seller)) {
            if !held.stop.is_cancelled() {
                tracing::info!(seller = %held.fence.seller, "more than this daemon's share: its worker ends its cycle");
                held.stop.cancel();
            }
        }
        for job in take.iter().filter_map(|seller| jobs.get(seller)) {
            let seller = &job.seller.id;
            if let Some(fence) = self.store.take_lease(seller, STREAM, &self.name, self.life).await? {
                tracing::info!(%seller, fence = fence.token, "holds the lease");
                self.start(job, team, fence, shutdown);
            }
        }
        team.begun = true;
        if !team.held.is_empty() {
            team.still = None;
        }
        Ok(())
    }

    fn start(&self, job: &Job, team: &mut Team, fence: Fence, shutdown: &CancellationToken) {
        let delay = if team.begun { SignedDuration::ZERO } else { job.delay };
        let worker = job.worker(self.store.fenced(fence.clone()), delay);
        let (stop, until) = (shutdown.child_token(), self.until.map_or(Until::Stopped, Until::Time));
        let (seller, stopped) = (job.seller.id.clone(), stop.clone());
        let (signing, left, registered) =
            (self.signing.clone(), Arc::clone(&team.left), job.parts.clock.register());
        let task = team.workers.spawn(async move {
            worker.run(until, stopped.clone()).await;
            // Before it is unregistered: a stepped clock would move on to the next checkpoint.
            if !stopped.is_cancelled() && left.fetch_sub(1, Ordering::AcqRel) == 1 {
                signing.cancel();
            }
            drop(registered);
            seller
        });
        team.held.insert(job.seller.id.clone(), Held { fence, task: task.id(), stop });
    }

    /// A worker has ended: what it worked on is free again.
    async fn ended(&self, team: &mut Team, ended: Result<SellerId, tokio::task::JoinError>) {
        let seller = match ended {
            Ok(seller) => seller,
            Err(error) => {
                tracing::error!(error = %with_causes(&error), "a worker ended unexpectedly");
                let whose = team.held.values_mut().find(|held| held.task == error.id());
                let Some(held) = whose else { return };
                // It is begun again, here or elsewhere.
                held.stop.cancel();
                held.fence.seller.clone()
            }
        };
        let Some(held) = team.held.remove(&seller) else { return };
        if !held.stop.is_cancelled() {
            // By itself: its time has come.
            team.done.insert(seller);
        }
        if let Err(error) = self.store.give_back(&held.fence).await {
            tracing::warn!(error = %with_causes(&error), "a lease runs out by itself");
        }
    }

    /// Has all workers end their cycle, renewing what they hold meanwhile, and gives everything back.
    async fn leave(&self, team: &mut Team) {
        for held in team.held.values() {
            held.stop.cancel();
        }
        while !team.workers.is_empty() {
            for held in team.held.values() {
                let _refused_if_lost = self.store.renew_lease(&held.fence, self.life).await;
            }
            let third = SignedDuration::try_from(self.life / 3).unwrap_or(SignedDuration::from_secs(10));
            let next = SystemClock.now().saturating_add(third).unwrap_or(Timestamp::MAX);
            tokio::select! {
                () = SystemClock.sleep_until(next) => {}
                Some(ended) = team.workers.join_next() => self.ended(team, ended).await,
            }
        }
        if let Err(error) = self.store.leave(&self.name).await {
            tracing::warn!(error = %with_causes(&error), "the others learn later that this daemon has ended");
        }
    }
}

/// The workers of this daemon.
#[derive(Default)]
struct Team {
    held: BTreeMap<SellerId, Held>,
    workers: JoinSet<SellerId>,
    /// Sellers whose time has come.
    done: BTreeSet<SellerId>,
    /// How many have not come to it yet.
    left: Arc<AtomicUsize>,
    begun: bool,
    /// Held while nobody works.
    still: Option<Box<dyn Send + Sync>>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sellers(count: usize) -> BTreeSet<SellerId> {
        (0..count).map(|n| SellerId::new(format!("S{n:02}"))).collect()
    }

    fn leases(held: &[BTreeSet<SellerId>]) -> Vec<LeaseRow> {
        let lease = |(holder, seller): (usize, &SellerId)| LeaseRow {
            seller: seller.clone(),
            stream: STREAM.to_owned(),
            holder: holder.to_string(),
            held: true,
        };
        held.iter()
            .enumerate()
            .flat_map(|(n, own)| own.iter().map(move |seller| (n, seller)))
            .map(lease)
            .collect()
    }

    proptest! {
        /// Daemons join and die in any order; once that is over every seller is worked on, by one, and nobody has more
        /// than its share.
        #[test]
        fn sellers_are_shared_whoever_comes_and_goes(
            count in 0_usize..12,
            events in proptest::collection::vec((0_usize..5, any::<bool>()), 0..30),
        ) {
            let sellers = sellers(count);
            let mut held: Vec<BTreeSet<SellerId>> = vec![BTreeSet::new(); 5];
            let mut up = [true, false, false, false, false];
            let turn = |held: &mut Vec<BTreeSet<SellerId>>, up: &[bool; 5], n: usize| {
                let daemons = up.iter().filter(|up| **up).count();
                let Step { release, take } = step(&sellers, daemons, &leases(held), &held[n]);
                for seller in &take {
                    assert!(held.iter().all(|own| !own.contains(seller)), "{seller} has a holder");
                }
                held[n].retain(|seller| !release.contains(seller));
                held[n].extend(take);
            };
            for (n, joins) in events {
                if n > 0 && up[n] != joins {
                    up[n] = joins;
                    if !joins {
                        held[n].clear();
                    }
                }
                if up[n] {
                    turn(&mut held, &up, n);
                }
            }
            for _ in 0..3 {
                for n in (0..5).filter(|n| up[*n]) {
                    turn(&mut held, &up, n);
                }
            }
            let share = count.div_ceil(up.iter().filter(|up| **up).count());
            prop_assert!(held.iter().all(|own| own.len() <= share), "{held:?}");
            prop_assert_eq!(held.iter().map(BTreeSet::len).sum::<usize>(), count);
        }
    }

    #[test]
    fn a_lease_of_other_work_is_no_hindrance() {
        let sellers = sellers(1);
        let other = LeaseRow {
            seller: "S00".into(),
            stream: "reports".to_owned(),
            holder: "x".to_owned(),
            held: true,
        };
        let over = LeaseRow { stream: STREAM.to_owned(), held: false, ..other.clone() };
        assert_eq!(step(&sellers, 1, &[other, over], &BTreeSet::new()).take, ["S00".into()]);
    }
}
