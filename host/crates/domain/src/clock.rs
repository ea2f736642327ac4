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
    /// Now.
    fn now(&self) -> Timestamp;

    /// Returns once `deadline` has come.
    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
