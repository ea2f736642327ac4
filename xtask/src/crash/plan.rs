//! When each life ends and how: pure, from the seed.

use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::StoreKind;
use super::faults::Fault;

/// The places around durable steps that come up in every campaign, as `serve --kill-at` takes them.
pub(super) const PLACES: [&str; 26] = [
    "poll.written",
    "poll.committed",
    "normalize.written",
    "normalize.committed",
    "map.written",
    "map.committed",
    "plan.written",
    "plan.committed",
    "posting-sending.written",
    "posting-sending.committed",
    "posting-confirmed.written",
    "posting-confirmed.committed",
    "posting-unknown.written",
    "posting-unknown.committed",
    "posting-planned.written",
    "posting-planned.committed",
    "archive.written",
    "archive.committed",
    "accrue.written",
    "accrue.committed",
    "watch.written",
    "watch.committed",
    "reconcile.written",
    "reconcile.committed",
    "checkpoint.written",
    "checkpoint.committed",
];

/// One life of the daemon.
#[derive(Debug, PartialEq)]
pub(super) struct Life {
    /// Counted from 1.
    pub(super) number: u32,
    /// By the books' time, when it ends at the latest.
    pub(super) until: Timestamp,
    /// How it ends.
    pub(super) end: End,
    /// What it has to live through.
    pub(super) fault: Option<Fault>,
}

/// How a life ends.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// Wherever it is so long after its time.
    Anywhere {
        /// On the machine's clock.
        after: Duration,
    },
    /// When it comes to a place for the given time, counted from 1.
    At {
        /// Which of [`PLACES`].
        place: usize,
        /// How often it is passed.
        times: u32,
    },
}

/// All lives, spread evenly over the days on which things happen.
///
/// # Errors
/// The scenario has no times.
pub(super) fn lives(scenario: &Value, (seed, store): (u64, StoreKind), kills: u32) -> Result<Vec<Life>> {
    let time = |name: &str| -> Result<Timestamp> {
        Ok(scenario[name].as_str().with_context(|| format!("the scenario has no {name}"))?.parse()?)
    };
    let (start, end) = (time("start")?, time("end")?);
    let span = end.duration_since(start).as_millis() / i128::from(kills + 1);
    let span = i64::try_from(span)?;
    let mut draws = Draws(seed ^ 0x9e37_79b9_7f4a_7c15);
    (1..=kills)
        .map(|number| {
            // Up to a span later or earlier, so that ends fall on no beat.
            let jitter = i64::try_from(draws.below(u64::try_from(span.max(1))?))? / 2;
            let mut until = start + SignedDuration::from_millis(span * i64::from(number) + jitter);
            let end = if number % 2 == 0 {
                let place = usize::try_from(number / 2 - 1)? % PLACES.len();
                // A place may be long in coming.
                until += SignedDuration::from_millis(2 * span);
                End::At { place, times: 1 + u32::try_from(draws.below(3))? }
            } else {
                End::Anywhere { after: Duration::from_millis(draws.below(1_200)) }
            };
            Ok(Life { number, until, end, fault: fault(number, kills).map(|fault| fault.over(store)) })
        })
        .collect()
}

/// Five times the disk is full, and once the database is locked for longer than the daemon waits for it; briefly, where the
/// campaign is short.
fn fault(number: u32, kills: u32) -> Option<Fault> {
    let every = (kills / 5).max(1);
    if number == (kills / 2).max(1) {
        let long = kills >= 100;
        return Some(Fault::DatabaseLocked { seconds: if long { 33 } else { 2 } });
    }
    (number % every == every / 2 + 1).then_some(Fault::DiskFull)
}

/// Numbers from a seed (SplitMix64): the same on every machine.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn planned(seed: u64, kills: u32) -> Vec<Life> {
        let scenario = json!({ "start": "2026-01-02T00:00:00Z", "end": "2026-04-01T00:00:00Z" });
        lives(&scenario, (seed, StoreKind::Sqlite), kills).expect("times")
    }

    #[test]
    fn a_seed_decides_every_life() {
        assert_eq!(planned(7, 50), planned(7, 50));
        assert_ne!(planned(7, 50), planned(8, 50));
    }

    #[test]
    fn lives_cover_the_whole_time_and_every_place() {
        let lives = planned(1, 52);
        assert_eq!(lives.len(), 52);
        let anywhere: Vec<_> = lives.iter().step_by(2).map(|life| life.until).collect();
        assert!(anywhere.is_sorted());
        let end: Timestamp = "2026-04-01T00:00:00Z".parse().expect("a time");
        assert!(anywhere.iter().all(|until| *until < end));
        for place in 0..PLACES.len() {
            assert!(lives.iter().any(|life| matches!(life.end, End::At { place: own, .. } if own == place)));
        }
        let full = lives.iter().filter(|life| life.fault == Some(Fault::DiskFull)).count();
        let locked =
            lives.iter().filter(|life| matches!(life.fault, Some(Fault::DatabaseLocked { .. }))).count();
        assert!((3..=6).contains(&full) && locked == 1, "{full}, {locked}");
    }
}
