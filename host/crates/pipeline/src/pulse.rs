//! Whether workers are alive: each says when it finished a stage, and when it means to go on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::SignedDuration;
use ml_connector_domain::{SellerId, Timestamp};

/// The last sign of life of every worker of a process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<Mutex<BTreeMap<SellerId, Beat>>>);

/// A worker's last sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// When it last finished a stage.
    pub at: Timestamp,
    /// Until when it has said that it sleeps.
    pub sleeps_until: Timestamp,
    /// Cycles ended.
    pub cycles: u64,
    /// Whether the last of them failed somewhere.
    pub failed: bool,
    /// Whether it has ended as it should.
    pub ended: bool,
}

impl Beat {
    fn new(at: Timestamp) -> Self {
        Self { at, sleeps_until: at, cycles: 0, failed: false, ended: false }
    }

    /// Whether nothing was heard for longer than `bound` although it should be awake.
    pub fn is_late(&self, now: Timestamp, bound: SignedDuration) -> bool {
        !self.ended && now.duration_since(self.at.max(self.sleeps_until)) > bound
    }
}

impl Pulse {
    fn change(&self, seller: &SellerId, now: Timestamp, change: impl FnOnce(&mut Beat)) {
        let mut beats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let beat = beats.entry(seller.clone()).or_insert_with(|| Beat::new(now));
        beat.at = now;
        change(beat);
    }

    /// A worker has begun, or has finished a stage.
    pub fn beat(&self, seller: &SellerId, now: Timestamp) {
        self.change(seller, now, |_| {});
    }

    /// A worker has ended a cycle.
    pub fn cycle(&self, seller: &SellerId, now: Timestamp, failed: bool) {
        self.change(seller, now, |beat| (beat.cycles, beat.failed) = (beat.cycles + 1, failed));
    }

    /// A worker sleeps until a time.
    pub fn sleeps(&self, seller: &SellerId, now: Timestamp, until: Timestamp) {
        self.change(seller, now, |beat| beat.sleeps_until = until);
    }

    /// A worker has ended as it should.
    pub fn ended(&self, seller: &SellerId, now: Timestamp) {
        self.change(seller, now, |beat| beat.ended = true);
    }

    /// All workers with their last signs of life.
    pub fn beats(&self) -> BTreeMap<SellerId, Beat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_late_when_it_neither_works_nor_sleeps() {
        let at = |minutes: i64| Timestamp::from_second(1_790_000_000 + 60 * minutes).expect("in range");
        let (pulse, seller, bound) = (Pulse::default(), SellerId::new("A1"), SignedDuration::from_mins(10));
        let late = |now| pulse.beats()[&seller].is_late(at(now), bound);
        pulse.beat(&seller, at(0));
        assert!(!late(10) && late(11));
        pulse.sleeps(&seller, at(11), at(60));
        assert!(!late(70) && late(71), "it may sleep as long as it said");
        pulse.cycle(&seller, at(71), true);
        assert!(!late(80), "it was heard again");
        pulse.ended(&seller, at(80));
        assert!(!late(10_000), "what ended as it should is not missed");
        assert_eq!((pulse.beats()[&seller].cycles, pulse.beats()[&seller].failed), (1, true));
    }
}
