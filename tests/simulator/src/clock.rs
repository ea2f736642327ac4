//! The simulated time, which stands still until it is set, or runs until it is stopped.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;

use crate::World;

/// Milliseconds in an hour and in a day.
pub const HOUR: i64 = 3_600_000;
/// Milliseconds in a day.
pub const DAY: i64 = 24 * HOUR;

/// The clock.
#[derive(Debug)]
pub struct SimulatedClock {
    millis: AtomicI64,
    runs: RwLock<Option<Runs>>,
}

/// A clock that runs faster than the machine's: whoever knows the figures knows the time.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Runs {
    /// What it showed when it was started.
    pub origin: Timestamp,
    /// When that was, by the machine's clock.
    pub started: Timestamp,
    /// Its seconds in a second of the machine's.
    pub speed: u32,
}

impl Runs {
    /// Milliseconds since 1970 that it shows at a time of the machine's.
    fn at(&self, machine: Timestamp) -> i64 {
        let passed = machine.as_millisecond() - self.started.as_millisecond();
        self.origin.as_millisecond().saturating_add(passed.saturating_mul(i64::from(self.speed)))
    }
}

#[expect(clippy::disallowed_methods, reason = "a clock that runs follows the machine's")]
fn machine() -> Timestamp {
    Timestamp::now()
}

impl SimulatedClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self { millis: AtomicI64::new(start.as_millisecond()), runs: RwLock::new(None) }
    }

    /// Milliseconds since 1970.
    pub fn now(&self) -> i64 {
        let stands = self.millis.load(Ordering::SeqCst);
        let Some(runs) = *self.runs.read().unwrap_or_else(PoisonError::into_inner) else { return stands };
        stands.max(runs.at(machine()))
    }

    /// Lets it run from what it shows now, so many simulated seconds in a second, until it is stopped.
    pub fn let_run(&self, speed: u32) -> Runs {
        let origin = Timestamp::from_millisecond(self.now()).unwrap_or_default();
        let runs = Runs { origin, started: machine(), speed };
        *self.runs.write().unwrap_or_else(PoisonError::into_inner) = Some(runs);
        runs
    }

    /// Has it stand still at what it shows now.
    pub fn stop(&self) {
        let mut runs = self.runs.write().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = runs.take() else { return };
        self.millis.fetch_max(running.at(machine()), Ordering::SeqCst);
    }

    /// Moves it forward; says whether it did: time does not go back.
    pub fn set(&self, to: Timestamp) -> bool {
        let to = to.as_millisecond();
        self.millis.fetch_max(to, Ordering::SeqCst) <= to
    }
}

/// Lets a world's time run, so many simulated seconds in a second.
#[expect(clippy::disallowed_methods, reason = "a clock that runs follows the machine's")]
pub async fn run(world: Arc<World>, speed: u32) {
    let (began, at) = (tokio::time::Instant::now(), world.clock.now());
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let passed = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        if let Ok(now) =
            Timestamp::from_millisecond(at.saturating_add(passed.saturating_mul(i64::from(speed))))
        {
            world.clock.set(now);
        }
    }
}

/// A time as Amazon and Fusion write it.
pub fn text(millis: i64) -> String {
    Timestamp::from_millisecond(millis)
        .map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// A time as HTTP headers bear it.
pub fn http_date(millis: i64) -> String {
    Timestamp::from_millisecond(millis)
        .map_or_else(|_| String::new(), |at| at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}
