//! Exponential back-off with full jitter.

use std::time::Duration;

use rand::{Rng, RngExt as _};

/// How long to wait between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Ceiling of the first wait; it doubles with each attempt.
    pub first: Duration,
    /// Ceiling of all waits.
    pub longest: Duration,
    /// Attempts in all.
    pub attempts: u32,
}

impl Backoff {
    /// The wait after attempt `attempt` (from 1): any time up to its ceiling, so that callers that failed together do
    /// not come back together. `None` when there is no further attempt.
    pub fn wait(&self, attempt: u32, rng: &mut impl Rng) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let ceiling =
            self.first.saturating_mul(1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX)).min(self.longest);
        let millis = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
        Some(Duration::from_millis(rng.random_range(0..=millis)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn waits_stay_below_their_ceilings_and_end() {
        let backoff =
            Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(10), attempts: 5 };
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        for (attempt, ceiling) in [(1, 2), (2, 4), (3, 8), (4, 10)] {
            for _ in 0..200 {
                let wait = backoff.wait(attempt, &mut rng).expect("a further attempt");
                assert!(wait <= Duration::from_secs(ceiling), "{attempt}: {wait:?}");
            }
        }
        assert_eq!(backoff.wait(5, &mut rng), None);
    }
}
