//! Bounds on what comes in.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::DefaultClock;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

/// What a daemon lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests a second that a key may make, on average.
    pub requests_per_second: NonZeroU32,
    /// Requests that it may make at once.
    pub burst: NonZeroU32,
    /// Bytes of a body that is no component.
    pub body_bytes_max: usize,
    /// How long a request may take.
    pub time: Duration,
    /// How long one may take that compiles a component.
    pub slow_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second: NonZeroU32::MIN.saturating_add(19),
            burst: NonZeroU32::MIN.saturating_add(99),
            body_bytes_max: 1 << 20,
            time: Duration::from_secs(30),
            slow_time: Duration::from_secs(180),
        }
    }
}

/// The buckets of all keys. Only ids of keys that exist have one, so that there are not more than keys; all requests
/// whose key is not taken share one more.
pub(crate) struct Rates(RateLimiter<String, DashMapStateStore<String>, DefaultClock>);

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self(RateLimiter::keyed(Quota::per_second(limits.requests_per_second).allow_burst(limits.burst)))
    }

    /// Takes a token of a key's bucket; whether there was one.
    pub(crate) fn admits(&self, id: &str) -> bool {
        self.0.check_key(&id.to_owned()).is_ok()
    }
}
