//! Verifies an audit log, and says where it is not what it was.
//!
//! Each event is hashed again and compared with its leaf; the leaves make a root for every checkpoint. Who alters an
//! event leaves a leaf that does not fit; who alters the leaf as well leaves a root that does not fit; who alters the
//! roots cannot sign them; and who removes signed checkpoints does not reach those that were taken elsewhere.
//!
//! What is left: events after the newest checkpoint that anybody still has can be cut or written anew unseen, and the
//! place of an event that was altered *with* its leaf is known as a range, from one checkpoint to the next.

mod judge;

use ml_connector_domain::audit::Leaf;
use ml_connector_domain::audit::checkpoint::Checkpoint;
use ml_connector_domain::audit::merkle::{Frontier, Hash};
use ml_connector_storage::{AuditLog, LoggedEvent, StoreError};

use crate::Finding;
use crate::checkpoints::Placed;
use crate::note::VerifyingKey;

/// Events read at once.
const PAGE: u32 = 10_000;

/// Missing events that are named one by one.
const NAMED_MAX: i64 = 20;

/// What a verification came to.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Events read.
    pub events: u64,
    /// Checkpoints whose signatures fit.
    pub checkpoints: usize,
    /// The checkpoint over the most events.
    pub newest: Option<Checkpoint>,
    /// What is not as it was, in the order of its place.
    pub findings: Vec<Finding>,
}

/// An event whose leaf does not fit.
struct Mismatch {
    event: LoggedEvent,
    /// What its columns come to; `None` if they cannot be read.
    computed: Option<Hash>,
    /// What stands beside it; `None` if that is no hash.
    stored: Option<Hash>,
}

/// What the leaves came to where a checkpoint was made.
struct Compared {
    checkpoint: Checkpoint,
    by_leaves: bool,
    by_events: bool,
}

/// Verifies a log with the checkpoints of its store and those from `outside`.
///
/// # Errors
/// The store cannot be read at all. What can be read and is wrong is a finding.
pub async fn verify(
    store: &dyn AuditLog,
    outside: &[Placed],
    key: &VerifyingKey,
) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::default();
    let signed = signed(store, outside, key, &mut verdict).await?;
    verdict.newest = signed.last().cloned();
    let mut walk = Walk::over(signed);
    walk.run(store).await;
    let end = store.log_frontier().await?;
    verdict.events = walk.seen;
    verdict.findings.extend(walk.judge(end));
    verdict.findings.sort_by_key(|finding| finding.event.unwrap_or(i64::MAX));
    Ok(verdict)
}

/// The checkpoints whose signatures fit, the smallest first, each once.
async fn signed(
    store: &dyn AuditLog,
    outside: &[Placed],
    key: &VerifyingKey,
    verdict: &mut Verdict,
) -> Result<Vec<Checkpoint>, StoreError> {
    let mut good: Vec<(Checkpoint, String)> = Vec::new();
    let rows = store.log_checkpoints().await?;
    let stored = rows
        .iter()
        .map(|row| (format!("the database's checkpoint of {} events", row.size), &row.note, Some(row.size)));
    let placed = outside.iter().map(|placed| (placed.place.clone(), &placed.note, None));
    for (place, note, size) in stored.chain(placed) {
        match key.checkpoint(note) {
            Ok(checkpoint) if size.is_none_or(|size| u64::try_from(size) == Ok(checkpoint.size)) => {
                good.push((checkpoint, place));
            }
            Ok(checkpoint) => {
                let why = format!("{place} is forged: what is signed is {} events", checkpoint.size);
                verdict.findings.push(Finding::of("AUD-FORGED", why));
            }
            Err(why) => verdict.findings.push(Finding::of("AUD-FORGED", format!("{place} is forged: {why}"))),
        }
    }
    verdict.checkpoints = good.len();
    good.sort_by_key(|(checkpoint, _)| checkpoint.size);
    for pair in good.windows(2) {
        let ((one, place), (other, other_place)) = (&pair[0], &pair[1]);
        if one.size == other.size && one.root != other.root {
            let why = format!(
                "two different logs of {} events were signed: {place} and {other_place}: the database was put back \
                 to an older state and went on from there",
                one.size
            );
            verdict.findings.push(Finding::of("AUD-FORKED", why));
        }
    }
    good.dedup_by(|one, other| one.0.size == other.0.size && one.0.root == other.0.root);
    Ok(good.into_iter().map(|(checkpoint, _)| checkpoint).collect())
}

/// One pass over all events.
#[derive(Default)]
struct Walk {
    /// Checkpoints not come to yet, the smallest last.
    ahead: Vec<Checkpoint>,
    compared: Vec<Compared>,
    /// The tree over the leaves as they are stored, and over those that the events come to.
    by_leaves: Frontier,
    by_events: Frontier,
    mismatches: Vec<Mismatch>,
    findings: Vec<Finding>,
    seen: u64,
    /// The number of the last event, and whether all before it were there.
    last: i64,
    gap: bool,
}

impl Walk {
    fn over(mut checkpoints: Vec<Checkpoint>) -> Self {
        checkpoints.reverse();
        Self { ahead: checkpoints, ..Self::default() }
    }

    async fn run(&mut self, store: &dyn AuditLog) {
        let mut after = i64::MIN;
        loop {
            match store.log_events(after, PAGE).await {
                Ok(page) if page.is_empty() => return,
                Ok(page) => {
                    after = page.last().map_or(after, |event| event.id);
                    page.into_iter().for_each(|event| self.event(event));
                }
                // A page of the file is no page any more. What comes after it cannot be judged.
                Err(error) => {
                    let next = self.last + 1;
                    let why = format!("event {next} or one soon after it cannot be read: {}", causes(&error));
                    self.findings.push(Finding::at("AUD-UNREADABLE", next, why));
                    self.gap = true;
                    return;
                }
            }
        }
    }

    fn event(&mut self, event: LoggedEvent) {
        self.seen += 1;
        if event.id < 1 {
            let why = format!("event {} was added: the first has number 1", event.id);
            self.findings.push(Finding::at("AUD-ADDED", event.id, why));
            return;
        }
        if event.id > self.last + 1 {
            self.missing(self.last + 1, event.id - 1, "it was deleted");
            self.gap = true;
        }
        self.last = event.id;
        let stored = event.leaf.as_deref().and_then(Hash::from_bytes);
        let computed = hashed(&event, event.id);
        let nothing = Hash::empty();
        self.by_leaves.push(stored.or(computed).unwrap_or(nothing));
        self.by_events.push(computed.unwrap_or(nothing));
        if computed.is_none() || computed != stored {
            self.mismatches.push(Mismatch { event, computed, stored });
        }
        self.compare();
    }

    /// Compares with the checkpoints that were made at this size.
    fn compare(&mut self) {
        let size = self.by_leaves.size();
        while !self.gap && self.ahead.last().is_some_and(|checkpoint| checkpoint.size == size) {
            let Some(checkpoint) = self.ahead.pop() else { return };
            let by_leaves = checkpoint.root == self.by_leaves.root();
            let by_events = checkpoint.root == self.by_events.root();
            self.compared.push(Compared { checkpoint, by_leaves, by_events });
        }
    }

    fn missing(&mut self, from: i64, to: i64, why: &str) {
        for id in from..=to.min(from + NAMED_MAX - 1) {
            self.findings.push(Finding::at("AUD-MISSING", id, format!("event {id} is missing: {why}")));
        }
        if to - from >= NAMED_MAX {
            let words = format!("events {from} to {to} are missing: {why}");
            self.findings.push(Finding::at("AUD-MISSING", from + NAMED_MAX, words));
        }
    }
}

/// The hash of an event as if it had number `id`; `None` if a column is no text or no number in canonical form.
fn hashed(event: &LoggedEvent, id: i64) -> Option<Hash> {
    let text = |column: &'_ Option<Vec<u8>>| column.clone().and_then(|bytes| String::from_utf8(bytes).ok());
    let digits = text(&event.at)?;
    let at: i64 = digits.parse().ok()?;
    let (seller, subject) = (text(&event.seller)?, text(&event.subject)?);
    let (action, detail) = (text(&event.action)?, text(&event.detail)?);
    let leaf = Leaf { id, at, seller: &seller, subject: &subject, action: &action, detail: &detail };
    (at.to_string() == digits).then(|| leaf.hash())
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    words
}
