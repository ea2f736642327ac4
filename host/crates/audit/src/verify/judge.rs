//! What it means that leaves, events, roots and signatures do not fit each other.

use ml_connector_domain::audit::checkpoint::Checkpoint;
use ml_connector_domain::audit::merkle::Frontier;

use super::{Compared, Mismatch, Walk, hashed};
use crate::Finding;

/// Events whose leaves do not fit that are compared with each other: each with each.
const COMPARED: usize = 200;

/// Removed events whose successors were renumbered that are looked for.
const RENUMBERED_MAX: i64 = 64;

impl Walk {
    pub(super) fn judge(mut self, end: Option<Frontier>) -> Vec<Finding> {
        self.tail(end.as_ref());
        self.ranges(end.as_ref());
        let mismatches = std::mem::take(&mut self.mismatches);
        for (n, mismatch) in mismatches.iter().enumerate() {
            let id = mismatch.event.id;
            if let Some(finding) = renumbered(mismatch) {
                // All that come after it are out of place as well.
                self.findings.push(finding);
                break;
            }
            let moved = if mismatches.len() <= COMPARED { moved(n, &mismatches) } else { None };
            let finding = moved.unwrap_or_else(|| match self.which(id, end.as_ref()) {
                Which::Leaf => Finding::at(
                    "AUD-LEAF",
                    id,
                    format!("the leaf hash of event {id} was altered; the event was not"),
                ),
                Which::Event => Finding::at("AUD-ALTERED", id, format!("event {id} was altered")),
                Which::Unknown => {
                    Finding::at("AUD-ALTERED", id, format!("event {id} or its leaf hash was altered"))
                }
            });
            self.findings.push(finding);
        }
        self.findings
    }

    /// Events that were there once, and such as nobody appended.
    fn tail(&mut self, end: Option<&Frontier>) {
        let said = end.and_then(|end| i64::try_from(end.size()).ok());
        let signed = self
            .ahead
            .first()
            .filter(|checkpoint| i64::try_from(checkpoint.size).is_ok_and(|size| size > self.last));
        let (last, signed) = (self.last, signed.map(|checkpoint| (checkpoint.size, checkpoint.at)));
        if let Some((size, at)) = signed {
            let to = i64::try_from(size).unwrap_or(i64::MAX);
            let why =
                format!("the tail was cut: {size} events were signed at {at}, and event {last} is the last");
            self.missing(last + 1, to, &why);
        }
        let signed = signed.map_or(0, |(size, _)| i64::try_from(size).unwrap_or(i64::MAX));
        match said {
            None => {
                let why = "the row that says where the log ends is missing or makes no sense";
                self.findings.push(Finding::of("AUD-END", why));
            }
            Some(size) if size > last && size > signed => {
                let why =
                    format!("the tail was cut: the log had {size} events, and event {last} is the last");
                self.missing((last + 1).max(signed + 1), size, &why);
            }
            Some(size) if size < last => {
                let why = format!(
                    "events {} to {last} were added behind the log's end, or the end was altered",
                    size + 1
                );
                self.findings.push(Finding::at("AUD-ADDED", size + 1, why));
            }
            Some(size)
                if !self.gap
                    && size == last
                    && end != Some(&self.by_leaves)
                    && end != Some(&self.by_events) =>
            {
                let from = self.compared.last().map_or(0, |compared| compared.checkpoint.size) + 1;
                let why = format!(
                    "the log's end does not fit its events: it was altered itself, or events between {from} and {last} \
                     were altered together with their leaf hashes"
                );
                self.findings.push(Finding::of("AUD-END", why));
            }
            Some(_) => {}
        }
    }

    /// The first stretch between two checkpoints whose root fits neither the leaves nor the events.
    fn ranges(&mut self, end: Option<&Frontier>) {
        let mut from = 1;
        for compared in &self.compared {
            let Checkpoint { size, at, .. } = &compared.checkpoint;
            if !compared.by_leaves && !compared.by_events {
                let first = i64::try_from(from).unwrap_or(i64::MAX);
                let own =
                    end.is_some_and(|end| end.size() == self.by_leaves.size() && *end == self.by_leaves);
                let how =
                    if own { " with their leaf hashes and the log's end" } else { " with their leaf hashes" };
                let why = format!(
                    "one or more of the events {from} to {size} were altered{how}: the root that was signed at {at} is \
                     not that of this log"
                );
                self.findings.push(Finding::at("AUD-RANGE", first, why));
                return;
            }
            from = size + 1;
        }
    }

    /// Which of an event and its leaf hash was altered, by what was signed after it, or else by the log's end.
    fn which(&self, id: i64, end: Option<&Frontier>) -> Which {
        let covers =
            |compared: &&Compared| i64::try_from(compared.checkpoint.size).is_ok_and(|size| size >= id);
        let (by_leaves, by_events) = match self.compared.iter().find(covers) {
            Some(compared) => (compared.by_leaves, compared.by_events),
            None if self.gap => (false, false),
            None => (end == Some(&self.by_leaves), end == Some(&self.by_events)),
        };
        match (by_leaves, by_events) {
            // First: a leaf that is no hash at all is taken from its event, so that both fit.
            (_, true) => Which::Leaf,
            (true, false) => Which::Event,
            (false, false) => Which::Unknown,
        }
    }
}

enum Which {
    Event,
    Leaf,
    Unknown,
}

/// Whether an event stands where another one did.
fn moved(n: usize, mismatches: &[Mismatch]) -> Option<Finding> {
    let own = &mismatches[n];
    let others = mismatches.iter().enumerate().filter(|(m, _)| *m != n);
    for (_, other) in others {
        let there = hashed(&own.event, other.event.id);
        if there.is_some() && (there == other.stored || there == own.stored) {
            let (id, from) = (own.event.id, other.event.id);
            let why = format!("event {id} was moved: it was event {from}");
            return Some(Finding::at("AUD-MOVED", id, why));
        }
    }
    None
}

/// Whether an event has a number that was lowered: one before it was removed and the rest closed up.
fn renumbered(mismatch: &Mismatch) -> Option<Finding> {
    let (id, stored) = (mismatch.event.id, mismatch.stored?);
    debug_assert!(mismatch.computed != Some(stored));
    (1..=RENUMBERED_MAX).find(|by| hashed(&mismatch.event, id + by) == Some(stored)).map(|by| {
        let why = match by {
            1 => format!("event {id} is missing: it was deleted, and those after it were renumbered"),
            _ => format!(
                "events {id} to {} are missing: they were deleted, and those after them renumbered",
                id + by - 1
            ),
        };
        Finding::at("AUD-MISSING", id, why)
    })
}
