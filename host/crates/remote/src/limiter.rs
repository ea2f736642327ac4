//! Token buckets, one for each application, seller and operation.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use ml_connector_domain::Clock;

/// What a remote allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// One token every so long.
    pub interval: SignedDuration,
    /// Tokens that a full bucket holds.
    pub burst: u32,
}

/// Calls that old records being read in leave in hand, so that a poll of what is new need not wait for them.
const RESERVE: u32 = 2;

/// Buckets by key.
#[derive(Debug, Default)]
pub struct RateLimiter {
    buckets: Mutex<HashMap<String, Bucket>>,
}

/// A bucket as the time at which it will be full: each token taken moves that time by one interval.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    rate: Rate,
    full_at: Timestamp,
}

impl Bucket {
    /// Takes a token; says when it may be used.
    fn take(&mut self, now: Timestamp) -> Timestamp {
        let taken = later(self.full_at.max(now), self.rate.interval);
        self.full_at = taken;
        // With `burst` tokens in hand the bucket is that many intervals ahead of being full.
        later(taken, -times(self.rate.interval, self.rate.burst)).max(now)
    }

    /// When a token can be taken with the reserve left in the bucket.
    fn spare_at(&self, now: Timestamp) -> Timestamp {
        let keep = RESERVE.min(self.rate.burst.saturating_sub(1));
        let taken = later(self.full_at.max(now), self.rate.interval);
        later(taken, -times(self.rate.interval, self.rate.burst - keep)).max(now)
    }
}

impl RateLimiter {
    /// Waits until a call may be made.
    pub async fn acquire(&self, key: &str, rate: Rate, clock: &dyn Clock) {
        let now = clock.now();
        let usable = {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            let bucket = buckets.entry(key.to_owned()).or_insert(Bucket { rate, full_at: now });
            bucket.take(now)
        };
        if usable > now {
            clock.sleep_until(usable).await;
        }
    }

    /// Waits until a call may be made that leaves [`RESERVE`] calls in hand for those who cannot wait.
    pub async fn acquire_patiently(&self, key: &str, rate: Rate, clock: &dyn Clock) {
        loop {
            let now = clock.now();
            let usable = {
                let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
                let bucket = buckets.entry(key.to_owned()).or_insert(Bucket { rate, full_at: now });
                match bucket.spare_at(now) {
                    spare if spare <= now => {
                        bucket.take(now);
                        return;
                    }
                    spare => spare,
                }
            };
            // Nothing is taken ahead of time: a poll that comes meanwhile goes first.
            clock.sleep_until(usable).await;
        }
    }

    /// Takes over the interval that the remote says is in force.
    pub fn learned(&self, key: &str, interval: SignedDuration) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(key) {
            bucket.rate.interval = interval;
        }
    }

    /// Empties the bucket: the remote says that it is.
    pub fn throttled(&self, key: &str, now: Timestamp) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(key) {
            let empty = later(now, times(bucket.rate.interval, bucket.rate.burst));
            bucket.full_at = bucket.full_at.max(empty);
        }
    }
}

fn times(interval: SignedDuration, count: u32) -> SignedDuration {
    interval.checked_mul(i32::try_from(count).unwrap_or(i32::MAX)).unwrap_or(SignedDuration::MAX)
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SteppedClock;

    const RATE: Rate = Rate { interval: SignedDuration::from_secs(180), burst: 20 };

    fn start() -> Timestamp {
        Timestamp::from_second(1_790_000_000).expect("in range")
    }

    async fn calls(limiter: &RateLimiter, clock: &SteppedClock, count: usize) -> i64 {
        for _ in 0..count {
            limiter.acquire("k", RATE, clock).await;
        }
        clock.now().duration_since(start()).as_secs()
    }

    #[tokio::test]
    async fn a_burst_is_free_and_the_rest_comes_at_the_rate() {
        let clock = SteppedClock::new(start(), None);
        let _worker = clock.worker();
        let limiter = RateLimiter::default();
        assert_eq!(calls(&limiter, &clock, 20).await, 0);
        assert_eq!(calls(&limiter, &clock, 1).await, 180);
        assert_eq!(calls(&limiter, &clock, 10).await, 1_980);
    }

    #[tokio::test]
    async fn a_patient_caller_leaves_calls_for_those_who_cannot_wait() {
        let clock = SteppedClock::new(start(), None);
        let _worker = clock.worker();
        let limiter = RateLimiter::default();
        for _ in 0..18 {
            limiter.acquire_patiently("k", RATE, &clock).await;
        }
        assert_eq!(clock.now(), start(), "a burst less the reserve");
        assert_eq!(calls(&limiter, &clock, 2).await, 0, "the reserve is there");
        limiter.acquire_patiently("k", RATE, &clock).await;
        assert_eq!(clock.now().duration_since(start()).as_secs(), 540, "the reserve fills up first");
    }

    #[tokio::test]
    async fn being_throttled_empties_the_bucket() {
        let clock = SteppedClock::new(start(), None);
        let _worker = clock.worker();
        let limiter = RateLimiter::default();
        calls(&limiter, &clock, 1).await;
        limiter.throttled("k", clock.now());
        assert_eq!(calls(&limiter, &clock, 1).await, 180);
    }
}
