//! Places where a daemon under trial ends itself as a power cut would end it.
//!
//! Every durable step of the pipeline is one call of [`crate::Store::apply`], so two places stand around each: `written`, with
//! its rows written and not committed, and `committed`, before anything is done about it. What a POST leaves behind lies
//! between `posting-sending` committed and the outcome written. `cargo xtask crash` arms one of them; unarmed, a step costs one
//! look at an empty cell.

use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use ml_connector_domain::posting::State;

use crate::Change;

/// A durable step by name, with what makes a list of changes this step.
type Step = (&'static str, fn(&Change) -> bool);

/// The durable steps; the first that occurs in a list of changes names it.
const STEPS: [Step; 18] = [
    ("poll", |change| matches!(change, Change::Raw { .. } | Change::Cursor { .. })),
    ("archive", |change| matches!(change, Change::ReportFile { .. })),
    ("normalize", |change| matches!(change, Change::Canonical { .. } | Change::RawDone { .. })),
    ("accrue", |change| matches!(change, Change::Accrual { .. } | Change::AccruedMonth { .. })),
    ("plan", |change| matches!(change, Change::Plan { .. })),
    ("map", |change| matches!(change, Change::Batch(_) | Change::Booking { .. })),
    ("posting-planned", |change| posting(change, |state| matches!(state, State::Planned { .. }))),
    ("posting-sending", |change| posting(change, |state| matches!(state, State::Sending { .. }))),
    ("posting-submitted", |change| posting(change, |state| matches!(state, State::Submitted { .. }))),
    ("posting-unknown", |change| posting(change, |state| matches!(state, State::Unknown { .. }))),
    ("posting-confirmed", |change| posting(change, |state| matches!(state, State::Confirmed { .. }))),
    ("posting-rejected", |change| posting(change, |state| matches!(state, State::Rejected { .. }))),
    ("reconcile", |change| matches!(change, Change::Reconciled { .. })),
    ("watch", |change| matches!(change, Change::Fusion(_))),
    ("review", |change| matches!(change, Change::Review(_) | Change::Resolve { .. })),
    ("stage", |change| matches!(change, Change::Stage { .. })),
    ("pause", |change| matches!(change, Change::Pause { .. })),
    ("checkpoint", |change| matches!(change, Change::Checkpoint { .. })),
];

fn posting(change: &Change, is: fn(&State) -> bool) -> bool {
    matches!(change, Change::Posting { state, .. } if is(state))
}

/// Which side of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Everything is written, nothing is committed.
    Written,
    /// It is committed; nobody knows yet.
    Committed,
}

/// A place and how often it is passed before the process ends there.
#[derive(Debug, Clone)]
pub struct KillPoint {
    step: &'static str,
    side: Side,
    count: u32,
}

/// Text that names no place.
#[derive(Debug, thiserror::Error)]
#[error("STO-KILL: `{0}` names no place: write <step>.written:<n> or <step>.committed:<n>, with a step of: {steps}",
    steps = STEPS.map(|(name, _)| name).join(", "))]
pub struct NoKillPoint(String);

impl FromStr for KillPoint {
    type Err = NoKillPoint;

    fn from_str(text: &str) -> Result<Self, NoKillPoint> {
        let read = || {
            let (place, count) = text.split_once(':')?;
            let (step, side) = place.split_once('.')?;
            let (step, _) = STEPS.iter().find(|(name, _)| *name == step)?;
            let side = match side {
                "written" => Side::Written,
                "committed" => Side::Committed,
                _ => return None,
            };
            let count = count.parse().ok().filter(|count| *count > 0)?;
            Some(Self { step, side, count })
        };
        read().ok_or_else(|| NoKillPoint(text.to_owned()))
    }
}

/// The armed place, and how often it was passed.
static ARMED: OnceLock<(KillPoint, AtomicU32)> = OnceLock::new();

/// Has this process end with SIGKILL once it comes to a place for the given time. For development only; the first call decides.
pub fn arm(point: KillPoint) {
    let _armed_already = ARMED.set((point, AtomicU32::new(0)));
}

/// The step that a list of changes is, where a place is armed.
pub(crate) fn step(changes: &[Change]) -> Option<&'static str> {
    ARMED.get()?;
    named(changes)
}

fn named(changes: &[Change]) -> Option<&'static str> {
    STEPS.iter().find(|(_, is)| changes.iter().any(is)).map(|(name, _)| *name)
}

/// Ends the process, if this is where it is to end.
pub(crate) fn pass(step: Option<&'static str>, side: Side) {
    let (Some(step), Some((point, passed))) = (step, ARMED.get()) else { return };
    if point.step == step && point.side == side && passed.fetch_add(1, Ordering::SeqCst) + 1 == point.count {
        // No destructor and no handler runs, as when the machine stops.
        let _never_returns =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use ml_connector_domain::id::ContentHash;
    use ml_connector_domain::{DocumentKey, Timestamp};

    use super::*;

    #[test]
    fn places_are_read_and_everything_else_is_refused() {
        for (name, _) in STEPS {
            assert!(format!("{name}.written:1").parse::<KillPoint>().is_ok(), "{name}");
        }
        for text in ["plan.written", "plan:1", "plan.before:1", "none.written:1", "plan.written:0", ""] {
            let refused = text.parse::<KillPoint>().expect_err(text).to_string();
            assert!(refused.starts_with("STO-KILL") && refused.contains("posting-sending"), "{refused}");
        }
    }

    #[test]
    fn a_list_of_changes_is_named_by_what_weighs_most() {
        let at = Timestamp::UNIX_EPOCH;
        let sending =
            Change::Posting { key: DocumentKey::from_stored("I1"), state: State::Sending { attempt: 1 }, at };
        let removed = Change::ConsentUsed { state_hash: ContentHash::of(b"1") };
        assert_eq!(named(std::slice::from_ref(&sending)), Some("posting-sending"));
        assert_eq!(named(std::slice::from_ref(&removed)), None);
        assert_eq!(named(&[removed, sending]), Some("posting-sending"));
    }
}
