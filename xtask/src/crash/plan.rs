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

/// One life of a daemon.
#[derive(Debug, PartialEq)]
pub(super) struct Life {
    /// Counted from 1.
    pub(super) number: u32,
    /// When it ends at the latest.
    pub(super) until: Until,
    /// How it ends.
    pub(super) end: End,
    /// What it has to live through.
    pub(super) fault: Option<Fault>,
}

/// How long a daemon lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Until the books' time is this: of one daemon, whose clock is stepped as fast as it works.
    Books(Timestamp),
    /// So long on the machine's clock: of many, whose common clock runs.
    After(Duration),
}

/// By so much longer does a daemon live that is to end at a place.
const PLACE_COMES: Duration = Duration::from_secs(6);

/// What decides everything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) store: StoreKind,
    pub(super) kills: u32,
    pub(super) daemons: u32,
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

impl Plan {
    /// The lives of one of the daemons, counted from 0. A daemon alone lives them spread evenly over the days on which things
    /// happen; of many each lives long enough to take leases from the dead and to work under them.
    ///
    /// # Errors
    /// The scenario has no times.
    pub(super) fn lives(self, scenario: &Value, daemon: u32) -> Result<Vec<Life>> {
        let Self { seed, kills, daemons, .. } = self;
        let time = |name: &str| -> Result<Timestamp> {
            Ok(scenario[name].as_str().with_context(|| format!("the scenario has no {name}"))?.parse()?)
        };
        let (start, end) = (time("start")?, time("end")?);
        let span = end.duration_since(start).as_millis() / i128::from(kills + 1);
        let span = i64::try_from(span)?;
        let mut draws = Draws(seed ^ 0x9e37_79b9_7f4a_7c15);
        let lives = (1..=kills).map(|number| {
            // Up to a span later or earlier, so that ends fall on no beat.
            let jitter = i64::try_from(draws.below(u64::try_from(span.max(1))?))? / 2;
            let mut until = start + SignedDuration::from_millis(span * i64::from(number) + jitter);
            let mut after = Duration::from_millis(1_500 + draws.below(4_500));
            let end = if number % 2 == 0 {
                // Two lives in turn have the same: one of them may be spent on a place that has not come up yet.
                let place = usize::try_from(number / 4)? % PLACES.len();
                // A place may be long in coming.
                until += SignedDuration::from_millis(2 * span);
                after += PLACE_COMES;
                End::At { place, times: 1 + u32::try_from(draws.below(3))? }
            } else {
                End::Anywhere { after: Duration::from_millis(draws.below(1_200)) }
            };
            let until = if daemons == 1 { Until::Books(until) } else { Until::After(after) };
            Ok(Life { number, until, end, fault: self.fault(number) })
        });
        let lives = lives.collect::<Result<Vec<Life>>>()?;
        Ok(lives.into_iter().filter(|life| (life.number - 1) % daemons == daemon).collect())
    }

    /// Over a file five times the disk is full, and once the database is locked for longer than the daemon waits for it;
    /// briefly, where the campaign is short. Over PostgreSQL every tenth life at least is stopped past its lease, or, of many
    /// daemons, in turn cut off from the database in two ways.
    fn fault(self, number: u32) -> Option<Fault> {
        let Self { store, kills, daemons, .. } = self;
        let every = match store {
            StoreKind::Sqlite => (kills / 5).max(1),
            StoreKind::Postgres => (kills / 5).clamp(1, 10),
        };
        match store {
            StoreKind::Sqlite if number == (kills / 2).max(1) => {
                Some(Fault::DatabaseLocked { seconds: if kills >= 100 { 33 } else { 2 } })
            }
            _ if number % every != (every / 2 + 1) % every => None,
            StoreKind::Sqlite => Some(Fault::DiskFull),
            // Without its database a stepped clock would run through months.
            StoreKind::Postgres if daemons == 1 => Some(Fault::Paused),
            StoreKind::Postgres => {
                // Every daemon meets each of them, also where there are three.
                let turn = number / every;
                let faults = [Fault::Paused, Fault::LineHeld, Fault::LineClosed];
                faults.get(usize::try_from((turn + turn / 3) % 3).ok()?).copied()
            }
        }
    }
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

    fn planned(plan: Plan, daemon: u32) -> Vec<Life> {
        let scenario = json!({ "start": "2026-01-02T00:00:00Z", "end": "2026-04-01T00:00:00Z" });
        plan.lives(&scenario, daemon).expect("times")
    }

    fn alone(seed: u64, kills: u32) -> Vec<Life> {
        planned(Plan { seed, store: StoreKind::Sqlite, kills, daemons: 1 }, 0)
    }

    fn count(lives: &[Life], is: impl Fn(Fault) -> bool) -> usize {
        lives.iter().filter(|life| life.fault.is_some_and(&is)).count()
    }

    #[test]
    fn a_seed_decides_every_life() {
        assert_eq!(alone(7, 50), alone(7, 50));
        assert_ne!(alone(7, 50), alone(8, 50));
    }

    #[test]
    fn lives_cover_the_whole_time_and_every_place() {
        let lives = alone(1, 104);
        assert_eq!(lives.len(), 104);
        let books = |life: &Life| match life.until {
            Until::Books(at) => at,
            Until::After(_) => Timestamp::MAX,
        };
        let anywhere: Vec<_> = lives.iter().step_by(2).map(books).collect();
        assert!(anywhere.is_sorted());
        let end: Timestamp = "2026-04-01T00:00:00Z".parse().expect("a time");
        assert!(anywhere.iter().all(|until| *until < end));
        for place in 0..PLACES.len() {
            assert!(lives.iter().any(|life| matches!(life.end, End::At { place: own, .. } if own == place)));
        }
        let full = count(&lives, |fault| fault == Fault::DiskFull);
        let locked = count(&lives, |fault| matches!(fault, Fault::DatabaseLocked { .. }));
        assert!((3..=6).contains(&full) && locked == 1, "{full}, {locked}");
    }

    #[test]
    fn many_daemons_share_the_kills_and_meet_every_fault() {
        for (kills, least) in [(20, 1), (500, 10)] {
            let plan = Plan { seed: 1, store: StoreKind::Postgres, kills, daemons: 3 };
            let lives: Vec<Life> = (0..3).flat_map(|daemon| planned(plan, daemon)).collect();
            let mut numbers: Vec<u32> = lives.iter().map(|life| life.number).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (1..=kills).collect::<Vec<_>>());
            for fault in [Fault::Paused, Fault::LineHeld, Fault::LineClosed] {
                let met = count(&lives, |own| own == fault);
                assert!(met >= least, "{fault:?} {met} times in {kills}");
            }
        }
    }
}
