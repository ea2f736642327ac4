//! Reads old spans of a stream: history that was asked for, and settlements that are read again because Amazon posts
//! into the past.
//!
//! A back-fill stands in the store with its place, so that a restart goes on where it was. It runs beside the
//! seller's worker and asks with less urgency, so that it never takes the calls that a poll of what is new needs.
//! What it reads goes the way of everything that is read; history from before the seller's start is kept and not
//! booked (see [`crate::normalize`]).

use jiff::SignedDuration;
use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::Group;
use ml_connector_domain::{Region, Timestamp};
use ml_connector_ports::{Account, Ask, SourceError, Stream, Urgency, Window};
use ml_connector_storage::steps::in_stage;
use ml_connector_storage::{Backfill, Change};

use crate::poll::{FRESHEST, WINDOW_LONGEST, half_way, raw_changes};
use crate::{Parts, Seller, StageError, audit};

/// The reason of what a person asked for.
pub const REQUESTED: &str = "back-fill";
/// The reason of a settlement's first second reading.
const AT_CLOSE: &str = "re-read at close";
/// The reason of its last.
const AFTER_A_MONTH: &str = "re-read after 30 days";

/// Deferrals and corrections arrive for weeks after a settlement closed.
const LAST_REREAD: SignedDuration = SignedDuration::from_hours(30 * 24);

/// After a failure, when the back-fill goes on.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_mins(5);

/// Reads everything that is due for a seller in a region, and ends.
pub async fn run(parts: Parts, seller: Seller, region: Region) {
    loop {
        let next = parts.store.due_backfill(&seller.id, region, parts.clock.now()).await;
        let failed = match next {
            Ok(None) => return,
            Ok(Some(backfill)) => in_stage("backfill", work_off(&parts, &seller, backfill)).await.err(),
            Err(error) => Some(error.into()),
        };
        if let Some(error) = failed {
            tracing::warn!(seller = %seller.id, %region, %error, "a back-fill failed and will be gone on with");
            let now = parts.clock.now();
            parts.clock.sleep_until(now.saturating_add(AFTER_FAILURE).unwrap_or(now)).await;
        }
    }
}

/// Reads a back-fill to its end.
///
/// # Errors
/// A remote or the store failed; what was read is durable, and so is the place.
pub async fn work_off(parts: &Parts, seller: &Seller, mut backfill: Backfill) -> Result<(), StageError> {
    let stream = Stream::ALL.into_iter().find(|stream| stream.as_str() == backfill.stream);
    let stream = stream.ok_or_else(|| StageError::Corrupt {
        what: "back-fill",
        message: format!("there is no stream {}", backfill.stream),
    })?;
    let account = Account { seller: seller.id.clone(), region: backfill.region };
    // Amazon refuses bounds that are too fresh.
    let newest = parts.clock.now().saturating_add(-FRESHEST).unwrap_or(backfill.to);
    let end = backfill.to.min(Timestamp::from_second(newest.as_second()).unwrap_or(newest));
    while backfill.done_at.is_none() {
        let window = window(&backfill, end);
        let ask = Ask { stream, window, token: backfill.token.as_deref(), urgency: Urgency::Backfill };
        let page = match parts.source.page(&account, ask).await {
            Ok(page) => page,
            Err(SourceError::StaleToken { code, message }) if backfill.token.is_some() => {
                // Read too slowly for the token's life: in halves it is fast enough.
                tracing::info!(%code, %message, "a back-fill's page token expired: its window is halved");
                backfill.window_to = Some(half_way(window));
                backfill.token = None;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let now = parts.clock.now();
        backfill.started_at = backfill.started_at.or(Some(now));
        backfill.pages += 1;
        backfill.records += page.records.len() as u64;
        advance(&mut backfill, window, page.next.clone(), (end, now));
        let mut changes = raw_changes(&account, stream, page.records, now);
        if backfill.done_at.is_some() {
            changes.push(read_event(seller, &backfill, now));
        }
        changes.push(Change::BackfillMoved(Box::new(backfill.clone())));
        parts.store.apply(changes).await?;
    }
    Ok(())
}

fn window(backfill: &Backfill, end: Timestamp) -> Window {
    let longest = backfill.position.saturating_add(WINDOW_LONGEST).unwrap_or(end);
    Window { from: backfill.position, to: backfill.window_to.unwrap_or(longest).min(end) }
}

/// The place after a page.
fn advance(
    backfill: &mut Backfill,
    window: Window,
    next: Option<String>,
    (end, now): (Timestamp, Timestamp),
) {
    backfill.token = next;
    if backfill.token.is_some() {
        backfill.window_to = Some(window.to);
        return;
    }
    backfill.position = window.to;
    backfill.window_to = None;
    if backfill.position >= end {
        backfill.done_at = Some(now);
    }
}

fn read_event(seller: &Seller, backfill: &Backfill, now: Timestamp) -> Change {
    let subject = format!("{}/{}", backfill.region, backfill.stream);
    let detail = format!(
        "{}: {} records on {} pages from {} to {}",
        backfill.reason, backfill.records, backfill.pages, backfill.from, backfill.to
    );
    audit(now, &seller.id, subject, Action::Read, detail)
}

/// A closed settlement's transactions are read again at once and a month after its end. Differences come in as new
/// versions; those of a journaled transaction go to the review queue.
pub(crate) fn rereads(seller: &Seller, region: Region, group: &Group, now: Timestamp) -> Vec<Change> {
    let Some(end) = group.end.filter(|_| group.closed) else { return Vec::new() };
    let month = end.saturating_add(LAST_REREAD).unwrap_or(end);
    [(end, AT_CLOSE), (month, AFTER_A_MONTH)]
        .into_iter()
        .map(|(due, reason)| {
            let of = (seller.id.clone(), region, Stream::Transactions.as_str());
            Backfill::request(of, (group.start, end), due, reason, now)
        })
        .collect()
}

/// How far back-fills have come, as a person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Of a thousand.
    pub permille: u64,
    /// Pages read.
    pub pages: u64,
    /// Records read.
    pub records: u64,
    /// Since the first page.
    pub elapsed: SignedDuration,
    /// Until the last, if it goes on like this.
    pub left: Option<SignedDuration>,
}

/// Sums up how far back-fills have come.
pub fn progress(backfills: &[Backfill], now: Timestamp) -> Progress {
    let span = |from: Timestamp, to: Timestamp| u64::try_from(to.duration_since(from).as_secs()).unwrap_or(0);
    let whole: u64 = backfills.iter().map(|b| span(b.from, b.to)).sum();
    let read: u64 = backfills
        .iter()
        .map(|b| if b.done_at.is_some() { span(b.from, b.to) } else { span(b.from, b.position) })
        .sum();
    let started = backfills.iter().filter_map(|b| b.started_at).min();
    let ended = backfills.iter().map(|b| b.done_at.unwrap_or(now)).max();
    let elapsed =
        started.map_or(SignedDuration::ZERO, |started| ended.unwrap_or(now).duration_since(started));
    let seconds = u64::try_from(elapsed.as_secs()).unwrap_or(0);
    let left = (read > 0).then(|| seconds.saturating_mul(whole - read.min(whole)) / read);
    Progress {
        permille: (read.min(whole) * 1_000).checked_div(whole).unwrap_or(1_000),
        pages: backfills.iter().map(|b| b.pages).sum(),
        records: backfills.iter().map(|b| b.records).sum(),
        elapsed,
        left: left.map(|left| SignedDuration::from_secs(i64::try_from(left).unwrap_or(i64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + hours * 3_600).expect("in range")
    }

    fn backfill(to: i64) -> Backfill {
        let of = ("A1".into(), Region::Na, Stream::Orders.as_str());
        match Backfill::request(of, (at(0), at(to)), at(0), REQUESTED, at(0)) {
            Change::Backfill(backfill) => *backfill,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn windows_follow_each_other_without_a_gap_to_the_end() {
        let (mut backfill, end) = (backfill(24 * 100), at(24 * 100));
        let mut reached = at(0);
        for _ in 0..10 {
            let next = window(&backfill, end);
            assert_eq!(next.from, reached);
            assert!(next.to.duration_since(next.from) <= WINDOW_LONGEST);
            // Two pages each.
            advance(&mut backfill, next, Some("t".to_owned()), (end, at(1)));
            assert_eq!((window(&backfill, end), backfill.done_at), (next, None));
            advance(&mut backfill, next, None, (end, at(1)));
            reached = next.to;
            if backfill.done_at.is_some() {
                break;
            }
        }
        assert_eq!((reached, backfill.position), (end, end));
    }

    #[test]
    fn an_estimate_follows_from_what_was_read_so_far() {
        let mut one = backfill(100);
        one.position = at(25);
        one.started_at = Some(at(0));
        let progress = progress(&[one], at(2));
        assert_eq!((progress.permille, progress.left), (250, Some(SignedDuration::from_hours(6))));
    }
}
