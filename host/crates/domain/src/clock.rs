//! The one seam through which time comes in.

use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;

/// Tells the time and waits for it.
///
/// Production has the machine's clock; tests, the demo and the simulator step one together, so that a month
/// passes in seconds.
///
/// **Invariant:** no lock is held across [`Clock::sleep_until`]. A stepped clock moves only when every worker
/// sleeps, and a worker that waits for a lock does not sleep.
pub trait Clock: Send + Sync {
    /// Now, in whole milliseconds: the store keeps no finer times, and a time must not move by being stored.
    fn now(&self) -> Timestamp;

    /// Returns once `deadline` has come, at most a millisecond late.
    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Registers a task that works beside others until what is returned is dropped: a stepped clock does not move
    /// while it is awake. The machine's clock does not care.
    fn register(&self) -> Box<dyn Send + Sync> {
        Box::new(())
    }
}

/// `at` without what is finer than a millisecond.
pub fn whole_millis(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}
