//! The machine's clock, and one that is stepped.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ml_connector_domain::clock::{Clock, whole_millis};
use tokio::sync::Notify;

type Sleep<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now(&self) -> Timestamp {
        whole_millis(Timestamp::now())
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is waited for")]
    fn sleep_until(&self, deadline: Timestamp) -> Sleep<'_> {
        Box::pin(async move {
            // In pieces: the machine's clock may be set while we wait.
            loop {
                let left = deadline.duration_since(self.now());
                match Duration::try_from(left) {
                    Ok(left) if !left.is_zero() => {
                        tokio::time::sleep(left.min(Duration::from_secs(60))).await
                    }
                    _ => return,
                }
            }
        })
    }
}

/// A clock that runs so many times as fast as the machine's. All that is needed to read it is in its three figures, so that
/// any number of processes have one and the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScaledClock {
    /// What it showed when it was started.
    pub origin: Timestamp,
    /// When that was, by the machine's clock.
    pub started: Timestamp,
    /// Its seconds in a second of the machine's; 1 or more.
    pub speed: u32,
}

impl ScaledClock {
    fn at(&self, machine: Timestamp) -> Timestamp {
        let passed = machine
            .duration_since(self.started)
            .saturating_mul(i32::try_from(self.speed).unwrap_or(i32::MAX));
        whole_millis(self.origin.saturating_add(passed).unwrap_or(Timestamp::MAX))
    }
}

impl Clock for ScaledClock {
    fn now(&self) -> Timestamp {
        self.at(SystemClock.now())
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep<'_> {
        Box::pin(async move {
            loop {
                let left = deadline.duration_since(self.now());
                if left <= SignedDuration::ZERO {
                    return;
                }
                // At least a millisecond: the machine's clock is read in whole ones.
                let real = left / i32::try_from(self.speed).unwrap_or(i32::MAX).max(1);
                let real = real.max(SignedDuration::from_millis(1));
                SystemClock
                    .sleep_until(SystemClock.now().saturating_add(real).unwrap_or(Timestamp::MAX))
                    .await;
            }
        })
    }
}

/// Told of every step before it is taken; the simulator's clock moves first.
pub type Advance = Arc<dyn Fn(Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A clock that stands still while anybody works, and moves to the next deadline once all workers sleep. A month
/// passes in seconds, in the same order of events as in a month.
#[derive(Clone)]
pub struct SteppedClock {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    advance: Option<Advance>,
}

struct State {
    now: Timestamp,
    /// Workers registered.
    workers: usize,
    /// Sleepers by deadline, each with what wakes it. Only those whose time has come are woken: thousands may sleep.
    sleeping: BTreeMap<(Timestamp, u64), Arc<Notify>>,
    /// Numbers the sleepers.
    slept: u64,
    /// Whether somebody is taking a step.
    stepping: bool,
}

/// Registers a worker until it is dropped.
pub struct WorkerGuard {
    shared: Arc<Shared>,
}

impl Drop for WorkerGuard {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.workers -= 1;
        // The others may all be asleep now: one of them has to take the next step.
        state.wake_first();
    }
}

/// Takes a sleeper off the list however its sleep ends.
struct Asleep<'a> {
    shared: &'a Shared,
    place: (Timestamp, u64),
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.sleeping.remove(&self.place);
        // Who held the others back may be gone.
        state.wake_first();
    }
}

impl State {
    fn wake_first(&self) {
        if let Some(first) = self.sleeping.values().next() {
            first.notify_one();
        }
    }

    fn wake_due(&self) {
        let due = self.sleeping.iter().take_while(|((deadline, _), _)| *deadline <= self.now);
        due.for_each(|(_, sleeper)| sleeper.notify_one());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where to step to, if everybody sleeps and nobody is stepping; claims the step.
    fn claim(&self) -> Option<Timestamp> {
        let mut state = self.lock();
        if state.stepping || state.sleeping.len() < state.workers {
            return None;
        }
        let (next, _) = *state.sleeping.keys().next()?;
        // Its sleeper has been woken and has not run yet, perhaps because it belongs to the same task as the caller.
        if next <= state.now {
            return None;
        }
        state.stepping = true;
        Some(next)
    }
}

/// Lets go of a claimed step, even if the one who claimed it is dropped in the middle.
struct Step<'a>(&'a Shared);

impl Drop for Step<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.stepping = false;
        state.wake_due();
        state.wake_first();
    }
}

impl SteppedClock {
    /// A clock that stands at `now`.
    pub fn new(now: Timestamp, advance: Option<Advance>) -> Self {
        let (now, sleeping) = (whole_millis(now), BTreeMap::new());
        let state = State { now, workers: 0, sleeping, slept: 0, stepping: false };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), advance }) }
    }

    /// Registers a worker: the clock does not move while it is awake.
    pub fn worker(&self) -> WorkerGuard {
        self.shared.lock().workers += 1;
        WorkerGuard { shared: Arc::clone(&self.shared) }
    }

    async fn step(&self, to: Timestamp) {
        let _step = Step(&self.shared);
        if let Some(advance) = &self.shared.advance {
            advance(to).await;
        }
        let mut state = self.shared.lock();
        state.now = state.now.max(to);
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Timestamp {
        self.shared.lock().now
    }

    fn register(&self) -> Box<dyn Send + Sync> {
        Box::new(self.worker())
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep<'_> {
        let whole = whole_millis(deadline);
        let up = SignedDuration::from_millis(i64::from(whole < deadline));
        let deadline = whole.saturating_add(up).unwrap_or(whole);
        Box::pin(async move {
            if deadline <= self.now() {
                return;
            }
            let sleeper = Arc::new(Notify::new());
            let place = {
                let mut state = self.shared.lock();
                state.slept += 1;
                let place = (deadline, state.slept);
                state.sleeping.insert(place, Arc::clone(&sleeper));
                place
            };
            let _asleep = Asleep { shared: &self.shared, place };
            // What sleeps beside this in the same task registers, too, before anybody takes a step.
            tokio::task::yield_now().await;
            loop {
                if deadline <= self.now() {
                    return;
                }
                match self.shared.claim() {
                    Some(next) => self.step(next).await,
                    // A wake-up that came since the check above is kept for this.
                    None => sleeper.notified().await,
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_scaled_clock_is_the_same_for_all_who_know_its_figures() {
        let clock = ScaledClock { origin: at(0), started: SystemClock.now(), speed: 10_000 };
        let hour = SignedDuration::from_hours(1);
        assert_eq!(clock.at(clock.started.saturating_add(hour / 10_000).expect("in range")), at(3_600));
        let other = clock;
        clock.sleep_until(at(3_600)).await;
        assert!(other.now() >= at(3_600));
        assert!(
            SystemClock.now().duration_since(clock.started) < hour / 60,
            "it took as long as the machine's hour"
        );
        clock.sleep_until(at(0)).await;
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).expect("in range")
    }

    async fn ticks(clock: SteppedClock, every: i64, until: i64, seen: Arc<Mutex<Vec<(i64, i64)>>>) {
        let _worker = clock.worker();
        while clock.now() < at(until) {
            let next = clock.now().saturating_add(SignedDuration::from_secs(every)).expect("in range");
            clock.sleep_until(next).await;
            let now = clock.now().duration_since(at(0)).as_secs();
            seen.lock().expect("no panic").push((now, every));
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_day_of_many_workers_passes_in_order() {
        let clock = SteppedClock::new(at(0), None);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        let gate = clock.worker();
        for every in [7, 60, 61, 900, 3_600] {
            tasks.spawn(ticks(clock.clone(), every, 86_400, Arc::clone(&seen)));
        }
        // Everybody has registered before the clock may move.
        while clock.shared.lock().workers < 6 {
            tokio::task::yield_now().await;
        }
        drop(gate);
        while tasks.join_next().await.is_some() {}
        let seen = seen.lock().expect("no panic");
        assert!(seen.windows(2).all(|pair| pair[0].0 <= pair[1].0), "time went back");
        assert!(seen.iter().all(|(now, every)| now % every == 0), "a worker overslept");
        assert_eq!(seen.iter().filter(|(_, every)| *every == 60).count(), 1_440);
    }

    #[tokio::test]
    async fn the_clock_waits_for_a_worker_that_is_awake() {
        let clock = SteppedClock::new(at(0), None);
        let (busy, idle) = (clock.worker(), clock.worker());
        let mut sleep = clock.sleep_until(at(5));
        let waits = futures_poll(&mut sleep).await;
        assert!(waits && clock.now() == at(0), "it moved while somebody worked");
        drop(busy);
        sleep.await;
        assert_eq!(clock.now(), at(5));
        drop(idle);
    }

    /// The store keeps milliseconds: a posting due at a finer time would be due by the store and not by itself.
    #[tokio::test]
    async fn times_are_whole_milliseconds() {
        assert_eq!(SystemClock.now().subsec_nanosecond() % 1_000_000, 0);
        let clock = SteppedClock::new(at(0) + SignedDuration::from_micros(7), None);
        let _worker = clock.worker();
        assert_eq!(clock.now(), at(0));
        clock.sleep_until(at(1) + SignedDuration::from_micros(7)).await;
        assert_eq!(clock.now(), at(1) + SignedDuration::from_millis(1));
    }

    #[tokio::test]
    async fn a_sleep_that_is_dropped_holds_nobody_up() {
        let clock = SteppedClock::new(at(0), None);
        let _worker = clock.worker();
        let mut dropped = clock.sleep_until(at(1_000_000));
        let _other = clock.worker();
        assert!(futures_poll(&mut dropped).await);
        drop(dropped);
        assert!(clock.shared.lock().sleeping.is_empty());
    }

    /// Concurrent calls of one worker back off side by side: all of them sleep in one task.
    #[tokio::test]
    async fn sleeps_of_one_task_end_one_after_the_other() {
        let clock = SteppedClock::new(at(0), None);
        let _worker = clock.worker();
        let (one, two, three) = tokio::join!(nap(&clock, 3), nap(&clock, 1), async {
            nap(&clock, 2).await + nap(&clock, 9).await
        });
        assert_eq!((one, two, three), (3, 1, 11));
    }

    /// Sleeps until a second; says it.
    async fn nap(clock: &SteppedClock, second: i64) -> i64 {
        clock.sleep_until(at(second)).await;
        clock.now().duration_since(at(0)).as_secs()
    }

    /// Polls once; says whether it is pending.
    async fn futures_poll(sleep: &mut Sleep<'_>) -> bool {
        std::future::poll_fn(|context| std::task::Poll::Ready(sleep.as_mut().poll(context).is_pending()))
            .await
    }
}
