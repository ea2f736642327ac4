//! The state machine of a posting: how a document reaches Fusion at most once.
//!
//! ```text
//! planned --start--> sending --accepted--> confirmed      (planned --withheld--> rejected)
//!    ^                  |                                 (planned --look first--> unknown)
//!    |                  |  \--in progress-> submitted --done--> confirmed
//!    |                  |                       \--failed--> rejected
//!    |                  |--refused--> rejected
//!    |                  \--lost, crash--> unknown --found--> confirmed
//!    \----------- two agreeing negatives -----'  |--found, but different--> rejected
//!                                                \--a dead end, yet nothing--> rejected
//! ```
//!
//! **Invariant:** a document is sent only from `planned`. **Invariant:** `unknown` is left only by looking the
//! document up under its key; a negative counts only when a second one agrees with it after a hold-off, because
//! Fusion may show a document some time after it committed. **Invariant:** what is rejected is never sent again by
//! itself.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::FusionId;
use crate::refusal::{self, Refusal};

/// Attempts after which a document that nobody ever answered for goes to a person: something in it makes Fusion fail.
const ATTEMPTS_MAX: u32 = 20;

/// Where a posting stands. Each state carries only what exists in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Durable, not sent; may be sent from `not_before` on.
    Planned {
        /// Attempts so far.
        attempts: u32,
        /// Earliest next attempt.
        not_before: Timestamp,
        /// When look-ups last proved that it is not in Fusion.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        absent_at: Option<Timestamp>,
    },
    /// The first byte may have left.
    Sending {
        /// This attempt, from 1.
        attempt: u32,
    },
    /// Fusion took it and works on it (a bulk import job).
    Submitted {
        /// This attempt.
        attempt: u32,
        /// Fusion's request id.
        request: String,
        /// When to ask next.
        next_look: Timestamp,
        /// When it was taken.
        since: Timestamp,
    },
    /// It may or may not be in Fusion.
    Unknown {
        /// The attempt whose answer is missing.
        attempt: u32,
        /// Negative look-ups so far.
        negatives: u32,
        /// When to look next.
        next_look: Timestamp,
        /// Since when nothing is known.
        since: Timestamp,
        /// What to tell a person if nothing is found, where sending it again would end the same way.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dead_end: Option<Refusal>,
    },
    /// It is in Fusion.
    Confirmed {
        /// Under this number.
        fusion_id: FusionId,
    },
    /// Fusion refused it; a person has to look.
    Rejected {
        /// All reasons in words.
        reason: String,
        /// Each reason; empty in what older versions stored.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refusals: Vec<Refusal>,
    },
}

/// What happened to a posting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A worker takes it up.
    Start,
    /// A database that was put back from a copy may have sent it: it is looked up before it is sent.
    LookFirst,
    /// Fusion answered: it is in.
    Accepted(FusionId),
    /// Fusion answered: a job works on it.
    InProgress(String),
    /// Fusion answered: no.
    Refused(Vec<Refusal>),
    /// A check right before sending found it wanting: nothing was sent.
    Withheld(Vec<Refusal>),
    /// It could not be checked, or not be sent, for now: nothing was sent, and no attempt was made.
    Postponed(Timestamp),
    /// It surely did not reach Fusion's books (throttled, not connected, not authorised yet): try again then.
    NotSent(Timestamp),
    /// Fusion answered that its number exists already: most likely we made it.
    Contested(Refusal),
    /// No answer, or one that says nothing (5xx, cut connection, time-out).
    Lost,
    /// The process ended while it was sending.
    Interrupted,
    /// The job has not ended.
    StillRunning,
    /// A look-up found it, with the total sent.
    Found(FusionId),
    /// A look-up found something else under its key.
    FoundDifferent(Vec<Refusal>),
    /// A look-up found nothing.
    Absent,
    /// The import that it went in with others has ended, and a look-up did not find it: it may be tried by itself.
    LeftOut,
    /// A look-up failed itself: nothing learnt.
    LookUpFailed,
}

impl Event {
    /// In two words or three, for those who look at what was tried.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::LookFirst => "to be looked up first",
            Self::Accepted(_) => "accepted",
            Self::InProgress(_) => "in progress",
            Self::Refused(_) => "refused",
            Self::Withheld(_) => "withheld",
            Self::Postponed(_) => "postponed",
            Self::NotSent(_) => "not sent",
            Self::Contested(_) => "contested",
            Self::Lost => "lost",
            Self::Interrupted => "interrupted",
            Self::StillRunning => "still running",
            Self::Found(_) => "found",
            Self::FoundDifferent(_) => "found different",
            Self::Absent => "absent",
            Self::LeftOut => "left out",
            Self::LookUpFailed => "look-up failed",
        }
    }
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send it.
    Send,
    /// Ask how the job stands.
    AskJob,
    /// Look it up under its key.
    LookUp,
}

/// How patient a posting is. Times are the remote's, so a journal import waits longer than an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Between a lost answer and the first look-up, and between look-ups. Must exceed the longest time that
    /// Fusion takes to show what it committed.
    pub hold_off: SignedDuration,
    /// Between two questions about a job.
    pub job_interval: SignedDuration,
    /// A job that has not ended after this is looked up like a lost answer.
    pub job_longest: SignedDuration,
    /// Negatives that must agree.
    pub negatives: u32,
}

impl Patience {
    /// Receivables answer at once; a resource can be invisible for some seconds after it was made.
    pub const RECEIVABLES: Self = Self {
        hold_off: SignedDuration::from_secs(120),
        job_interval: SignedDuration::from_secs(30),
        job_longest: SignedDuration::from_hours(1),
        negatives: 2,
    };
    /// An import job runs one to five minutes, longer under load.
    pub const JOURNALS: Self = Self {
        hold_off: SignedDuration::from_mins(30),
        job_interval: SignedDuration::from_secs(30),
        job_longest: SignedDuration::from_hours(4),
        negatives: 2,
    };
    /// Receivables that may have gone by bulk import: a job that nobody has the number of runs as long as a journal's.
    pub const BULK: Self = Self::JOURNALS;
    /// A receipt is applied step by step; what stays open after a day is left to Fusion's own matching.
    pub const RECEIPTS: Self = Self {
        hold_off: SignedDuration::from_secs(120),
        job_interval: SignedDuration::from_mins(5),
        job_longest: SignedDuration::from_hours(24),
        negatives: 2,
    };
}

/// The event cannot happen in the state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a posting that is {state:?} cannot take {event:?}")]
pub struct InvalidTransition {
    /// The state it is in.
    pub state: Box<State>,
    /// What was said to have happened.
    pub event: Box<Event>,
}

/// Decides what `event` makes of `state`.
///
/// # Errors
/// An event that the state does not allow; the posting stays as it is.
pub fn decide(
    state: &State,
    event: Event,
    now: Timestamp,
    patience: Patience,
) -> Result<State, InvalidTransition> {
    let unknown = |attempt: u32, negatives: u32, since: Timestamp, dead_end: Option<Refusal>| {
        State::Unknown { attempt, negatives, next_look: later(now, patience.hold_off), since, dead_end }
    };
    let next = match (state, event) {
        (State::Planned { attempts, not_before, .. }, Event::Start) if *not_before <= now => {
            State::Sending { attempt: attempts + 1 }
        }
        (State::Planned { attempts, .. }, Event::LookFirst) => unknown(*attempts, 0, now, None),
        (State::Planned { .. }, Event::Withheld(refusals)) => State::rejected(refusals),
        (State::Planned { attempts, absent_at, .. }, Event::Postponed(not_before)) => {
            State::Planned { attempts: *attempts, not_before: not_before.max(now), absent_at: *absent_at }
        }
        (State::Sending { attempt }, Event::Postponed(not_before)) => {
            planned(attempt.saturating_sub(1), not_before.max(now))
        }
        (State::Sending { .. }, Event::Accepted(fusion_id)) => State::Confirmed { fusion_id },
        (State::Sending { attempt }, Event::InProgress(request)) => State::Submitted {
            attempt: *attempt,
            request,
            next_look: later(now, patience.job_interval),
            since: now,
        },
        // Found after its answer was lost, with something still to be done about it.
        (State::Unknown { attempt, .. }, Event::InProgress(request)) => State::Submitted {
            attempt: *attempt,
            request,
            next_look: later(now, patience.job_interval),
            since: now,
        },
        (State::Sending { .. } | State::Submitted { .. }, Event::Refused(refusals)) => {
            State::rejected(refusals)
        }
        (State::Sending { attempt }, Event::NotSent(not_before)) => planned(*attempt, not_before.max(now)),
        (State::Sending { attempt }, Event::Lost | Event::Interrupted) => unknown(*attempt, 0, now, None),
        (State::Sending { attempt }, Event::Contested(refusal)) => unknown(*attempt, 0, now, Some(refusal)),
        (State::Submitted { attempt, since, .. }, Event::StillRunning | Event::LookUpFailed)
            if now.duration_since(*since) > patience.job_longest =>
        {
            unknown(*attempt, 0, now, None)
        }
        (State::Submitted { attempt, request, since, .. }, Event::StillRunning | Event::LookUpFailed) => {
            State::Submitted {
                attempt: *attempt,
                request: request.clone(),
                next_look: later(now, patience.job_interval),
                since: *since,
            }
        }
        (State::Submitted { attempt, .. }, Event::LeftOut) => unknown(*attempt, 0, now, None),
        // A job that says it is done but whose batch cannot be seen yet is looked up until it can.
        (State::Submitted { attempt, .. }, Event::Absent) => {
            unknown(*attempt, 0, now, Some(nothing_imported()))
        }
        (State::Submitted { .. } | State::Unknown { .. }, Event::Found(fusion_id)) => {
            State::Confirmed { fusion_id }
        }
        (State::Submitted { .. } | State::Unknown { .. }, Event::FoundDifferent(refusals)) => {
            State::rejected(refusals)
        }
        (State::Unknown { attempt, negatives, since, dead_end, .. }, Event::Absent) => {
            if negatives + 1 < patience.negatives {
                unknown(*attempt, negatives + 1, *since, dead_end.clone())
            } else {
                not_there(*attempt, dead_end.as_ref(), now)
            }
        }
        (State::Unknown { attempt, negatives, since, dead_end, .. }, Event::LookUpFailed) => {
            unknown(*attempt, *negatives, *since, dead_end.clone())
        }
        (state, event) => {
            return Err(InvalidTransition { state: Box::new(state.clone()), event: Box::new(event) });
        }
    };
    Ok(next)
}

fn nothing_imported() -> Refusal {
    Refusal::new(
        "FUS-NOTHING-IMPORTED",
        "the import job succeeded and imported nothing",
        "compare the journal source, ledger id and data access set of the seller's ledger with Fusion's \
         (`ml-connector fusion check`): rows that these do not select are left lying without an error",
    )
}

/// What follows once it is proven not to be in Fusion.
fn not_there(attempt: u32, dead_end: Option<&Refusal>, now: Timestamp) -> State {
    if let Some(refusal) = dead_end {
        return State::rejected(vec![refusal.clone()]);
    }
    if attempt >= ATTEMPTS_MAX {
        return State::rejected(vec![Refusal::new(
            "FUS-NO-ANSWER",
            format!("{attempt} attempts brought no answer, and none of them arrived"),
            "ask Oracle support what fails in Fusion when this document is created",
        )]);
    }
    State::Planned { attempts: attempt, not_before: now, absent_at: Some(now) }
}

fn planned(attempts: u32, not_before: Timestamp) -> State {
    State::Planned { attempts, not_before, absent_at: None }
}

impl State {
    /// Refused, for these reasons.
    pub fn rejected(refusals: Vec<Refusal>) -> Self {
        Self::Rejected { reason: refusal::in_words(&refusals), refusals }
    }

    /// A new posting, which may be sent at once.
    pub fn new(now: Timestamp) -> Self {
        planned(0, now)
    }

    /// What to do now, if anything.
    pub fn due(&self, now: Timestamp) -> Option<Action> {
        match self {
            Self::Planned { not_before, .. } if *not_before <= now => Some(Action::Send),
            Self::Submitted { next_look, .. } if *next_look <= now => Some(Action::AskJob),
            Self::Unknown { next_look, .. } if *next_look <= now => Some(Action::LookUp),
            _ => None,
        }
    }

    /// When something is to be done next; `None` when it has ended, or is being sent.
    pub fn next_due(&self) -> Option<Timestamp> {
        match self {
            Self::Planned { not_before: at, .. }
            | Self::Submitted { next_look: at, .. }
            | Self::Unknown { next_look: at, .. } => Some(*at),
            Self::Sending { .. } | Self::Confirmed { .. } | Self::Rejected { .. } => None,
        }
    }

    /// The name, as stored and reported.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Planned { .. } => "planned",
            Self::Sending { .. } => "sending",
            Self::Submitted { .. } => "submitted",
            Self::Unknown { .. } => "unknown",
            Self::Confirmed { .. } => "confirmed",
            Self::Rejected { .. } => "rejected",
        }
    }
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PATIENCE: Patience = Patience::RECEIVABLES;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).expect("in range")
    }

    #[test]
    fn a_lost_answer_is_looked_up_and_never_sent_again_blindly() {
        let sending = decide(&State::new(at(0)), Event::Start, at(0), PATIENCE).expect("starts");
        let unknown = decide(&sending, Event::Lost, at(1), PATIENCE).expect("becomes unknown");
        assert_eq!(unknown.due(at(1)), None, "not before the hold-off");
        assert_eq!(unknown.due(at(121)), Some(Action::LookUp));
        assert!(decide(&unknown, Event::Start, at(500), PATIENCE).is_err());

        let once = decide(&unknown, Event::Absent, at(121), PATIENCE).expect("one negative");
        assert_eq!(once.name(), "unknown");
        let twice = decide(&once, Event::Absent, at(241), PATIENCE).expect("two negatives");
        assert_eq!(twice, State::Planned { attempts: 1, not_before: at(241), absent_at: Some(at(241)) });
    }

    #[test]
    fn what_may_stand_in_fusion_already_is_looked_up_first_and_counts_no_attempt() {
        let state = decide(&State::new(at(0)), Event::LookFirst, at(0), PATIENCE).expect("is looked up");
        assert!(matches!(state, State::Unknown { attempt: 0, negatives: 0, .. }), "{state:?}");
        assert!(decide(&state, Event::Start, at(500), PATIENCE).is_err(), "it is not sent before");
        let found = decide(&state, Event::Found("7".into()), at(121), PATIENCE).expect("found");
        assert_eq!(found, State::Confirmed { fusion_id: "7".into() });
        let once = decide(&state, Event::Absent, at(121), PATIENCE).expect("one negative");
        let twice = decide(&once, Event::Absent, at(241), PATIENCE).expect("two negatives");
        assert_eq!(twice, State::Planned { attempts: 0, not_before: at(241), absent_at: Some(at(241)) });
        let waits = decide(&twice, Event::Postponed(at(300)), at(242), PATIENCE).expect("waits");
        assert!(matches!(waits, State::Planned { absent_at: Some(proof), .. } if proof == at(241)));
    }

    #[test]
    fn a_failed_look_up_is_no_negative() {
        let unknown =
            State::Unknown { attempt: 1, negatives: 1, next_look: at(0), since: at(0), dead_end: None };
        let still = decide(&unknown, Event::LookUpFailed, at(5), PATIENCE).expect("stays");
        assert!(matches!(still, State::Unknown { negatives: 1, .. }));
    }

    #[test]
    fn a_job_that_never_ends_becomes_unknown() {
        let submitted = State::Submitted { attempt: 1, request: "7".into(), next_look: at(0), since: at(0) };
        let later = decide(&submitted, Event::StillRunning, at(60), PATIENCE).expect("stays");
        assert_eq!(later.name(), "submitted");
        let gone = decide(&submitted, Event::StillRunning, at(3_700), PATIENCE).expect("gives up");
        assert_eq!(gone.name(), "unknown");
    }

    #[test]
    fn a_job_that_succeeds_and_imports_nothing_goes_to_a_person_and_is_not_sent_for_ever() {
        let submitted = State::Submitted { attempt: 1, request: "7".into(), next_look: at(0), since: at(0) };
        let mut state = decide(&submitted, Event::Absent, at(1), PATIENCE).expect("looked up");
        for step in 1..=2 {
            state = decide(&state, Event::Absent, at(step * 1_000), PATIENCE).expect("a negative");
        }
        let State::Rejected { refusals, .. } = state else { panic!("{state:?}") };
        assert_eq!(refusals[0].code, "FUS-NOTHING-IMPORTED");
    }

    #[test]
    fn a_number_that_exists_but_cannot_be_found_goes_to_a_person() {
        let sending = State::Sending { attempt: 1 };
        let said = Refusal::new("FUS-DUPLICATE", "already exists", "look");
        let mut state = decide(&sending, Event::Contested(said.clone()), at(0), PATIENCE).expect("looked up");
        assert_eq!(state.due(at(121)), Some(Action::LookUp));
        for step in 1..=2 {
            state = decide(&state, Event::Absent, at(step * 1_000), PATIENCE).expect("a negative");
        }
        assert_eq!(state, State::rejected(vec![said]));
    }

    #[test]
    fn a_document_that_nobody_ever_answers_for_ends_with_a_person() {
        let unknown = |attempt| State::Unknown {
            attempt,
            negatives: 1,
            next_look: at(0),
            since: at(0),
            dead_end: None,
        };
        let again = decide(&unknown(ATTEMPTS_MAX - 1), Event::Absent, at(1), PATIENCE).expect("decides");
        assert_eq!(again.name(), "planned");
        let ended = decide(&unknown(ATTEMPTS_MAX), Event::Absent, at(1), PATIENCE).expect("decides");
        assert_eq!(ended.name(), "rejected");
    }

    #[test]
    fn states_that_older_versions_stored_still_read() {
        let rejected: State =
            serde_json::from_str(r#"{"state":"rejected","reason":"HTTP 400: no"}"#).expect("reads");
        assert_eq!(rejected, State::Rejected { reason: "HTTP 400: no".into(), refusals: Vec::new() });
        let unknown = r#"{"state":"unknown","attempt":1,"negatives":0,"next_look":"2026-09-01T00:00:00Z","since":"2026-09-01T00:00:00Z"}"#;
        let unknown: State = serde_json::from_str(unknown).expect("reads");
        assert!(matches!(unknown, State::Unknown { dead_end: None, .. }));
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Start),
            Just(Event::LookFirst),
            Just(Event::Accepted(FusionId::from("1"))),
            Just(Event::InProgress("9".into())),
            Just(Event::Refused(Vec::new())),
            (0..900_i64).prop_map(|s| Event::NotSent(at(s))),
            (0..900_i64).prop_map(|s| Event::Postponed(at(s))),
            Just(Event::Withheld(Vec::new())),
            Just(Event::Contested(Refusal::new("FUS-DUPLICATE", "exists", ""))),
            Just(Event::Lost),
            Just(Event::Interrupted),
            Just(Event::StillRunning),
            Just(Event::Found(FusionId::from("1"))),
            Just(Event::FoundDifferent(Vec::new())),
            Just(Event::Absent),
            Just(Event::LeftOut),
            Just(Event::LookUpFailed),
        ]
    }

    proptest! {
        /// Between two sends of one document there is proof that the first did not arrive: either Fusion said so,
        /// or enough look-ups in a row found nothing.
        #[test]
        fn it_is_sent_again_only_on_proof(events in prop::collection::vec(any_event(), 0..60)) {
            let mut state = State::new(at(0));
            let (mut proof, mut negatives) = (true, 0_u32);
            for (step, event) in events.into_iter().enumerate() {
                let now = at(i64::try_from(step).expect("small") * 1_000);
                let Ok(next) = decide(&state, event.clone(), now, PATIENCE) else { continue };
                match event {
                    Event::Start => { prop_assert!(proof, "sent twice"); proof = false; negatives = 0; }
                    Event::NotSent(_) | Event::Postponed(_) => proof = true,
                    Event::Absent => { negatives += u32::from(state.name() == "unknown"); proof = negatives >= PATIENCE.negatives; }
                    Event::Lost | Event::Contested(_) | Event::Interrupted | Event::StillRunning | Event::LeftOut
                    | Event::InProgress(_) | Event::LookFirst => negatives = 0,
                    _ => {}
                }
                state = next;
            }
        }

        #[test]
        fn what_has_ended_stays(event in any_event()) {
            for ended in [State::Confirmed { fusion_id: "1".into() }, State::rejected(Vec::new())] {
                prop_assert!(decide(&ended, event.clone(), at(0), PATIENCE).is_err());
            }
        }
    }
}
