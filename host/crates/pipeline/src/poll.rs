//! Reads Amazon's pages and keeps them.
//!
//! **Invariant:** a page and the cursor that leads past it become durable together, so that a crash re-reads at
//! most one page. Windows overlap what was read before, because Amazon posts into the past; contents that are
//! known already are kept once.

use jiff::SignedDuration;
use ml_connector_domain::audit::Action;
use ml_connector_domain::{SellerId, Timestamp};
use ml_connector_ports::{Account, Ask, Page, RawRecord, SourceError, Stream, Urgency, Window};
use ml_connector_storage::{Change, Cursor};

use crate::{Parts, Seller, StageError, audit};

/// Amazon refuses bounds younger than two minutes (searchOrders: lastUpdatedBefore; listTransactions:
/// postedBefore); the rest is for clocks that differ.
pub(crate) const FRESHEST: SignedDuration = SignedDuration::from_secs(150);

/// The longest span of one window. Finances spans beyond 180 days come back empty without an error; shorter
/// windows also keep page tokens young.
pub(crate) const WINDOW_LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Amazon keeps reports for 90 days; an hour less, for clocks that differ.
const REPORTS_KEPT: SignedDuration = SignedDuration::from_hours(90 * 24 - 1);

/// Pages of one window before something must be wrong.
const PAGES_MAX: u32 = 10_000;

/// How far behind the cursor a stream is read again.
pub fn overlap(stream: Stream) -> SignedDuration {
    match stream {
        // Updates become visible within minutes.
        Stream::Orders => SignedDuration::from_mins(10),
        // "Orders from the last 48 hours might not be included": a day more, for clocks and slow posting.
        Stream::Transactions => SignedDuration::from_hours(72),
        // Groups are found by their start and closed two weeks later.
        Stream::Groups => SignedDuration::from_hours(21 * 24),
        // A payout changes its status for days after it was created.
        Stream::Payouts => SignedDuration::from_hours(14 * 24),
        // Listed by creation, and done a while later.
        Stream::Reports => SignedDuration::from_hours(48),
    }
}

/// What a poll brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Polled {
    /// Pages read.
    pub pages: u32,
    /// Records on them, known ones included.
    pub records: usize,
}

/// Reads a stream up to now.
///
/// # Errors
/// A remote or the store failed. What was read until then is durable, and the next poll goes on from there.
pub async fn poll(
    parts: &Parts,
    seller: &Seller,
    account: &Account,
    stream: Stream,
) -> Result<Polled, StageError> {
    let mut polled = Polled::default();
    let newest = newest(parts.clock.now());
    let mut reached = None;
    loop {
        let cursor = parts.store.cursor(&seller.id, account.region, stream.as_str()).await?;
        let Some(cursor) = next_window(cursor, seller.start_from, newest, stream) else { return Ok(polled) };
        // Amazon may apply an earlier bound than was asked for: what it holds back is the next poll's.
        if reached.is_some_and(|reached| cursor.position <= reached) {
            return Ok(polled);
        }
        reached = Some(cursor.position);
        read_window(parts, account, stream, cursor, &mut polled).await?;
    }
}

/// Keeps a record that was asked for by its id, as if a poll had brought it; no cursor moves.
///
/// # Errors
/// The store failed.
pub async fn keep(
    parts: &Parts,
    account: &Account,
    stream: Stream,
    record: RawRecord,
) -> Result<(), StageError> {
    let now = parts.clock.now();
    let subject = record.natural_id.clone();
    let mut changes = raw_changes(account, stream, vec![record], now);
    changes.push(audit(now, &account.seller, subject, Action::Read, "asked for by its id".to_owned()));
    Ok(parts.store.apply(changes).await?)
}

/// The youngest bound that may be asked for at `now`, in whole seconds as Amazon's bounds are.
fn newest(now: Timestamp) -> Timestamp {
    let bound = later(now, -FRESHEST);
    Timestamp::from_second(bound.as_second()).unwrap_or(bound)
}

/// The window to be read next: the one under way, else the next one up to `newest`; `None` when all is read.
fn next_window(
    cursor: Option<Cursor>,
    start: Timestamp,
    newest: Timestamp,
    stream: Stream,
) -> Option<Cursor> {
    let cursor = cursor.unwrap_or(Cursor { position: start, window: None, token: None, polled_at: start });
    if cursor.window.is_some() {
        return Some(cursor);
    }
    if cursor.position >= newest {
        return None;
    }
    let mut from = later(cursor.position, -overlap(stream)).max(start);
    if stream == Stream::Reports {
        // Older ones are gone, and older bounds are refused.
        from = from.max(later(newest, -REPORTS_KEPT));
    }
    let to = later(from, WINDOW_LONGEST).min(newest);
    (from < to).then_some(Cursor { window: Some((from, to)), token: None, ..cursor })
}

async fn read_window(
    parts: &Parts,
    account: &Account,
    stream: Stream,
    mut cursor: Cursor,
    polled: &mut Polled,
) -> Result<(), StageError> {
    let Some((from, to)) = cursor.window else { return Ok(()) };
    let mut window = Window { from, to };
    for _ in 0..PAGES_MAX {
        let ask = Ask { stream, window, token: cursor.token.as_deref(), urgency: Urgency::Live };
        let page = match parts.source.page(account, ask).await {
            Ok(page) => page,
            Err(SourceError::StaleToken { code, message }) if cursor.token.is_some() => {
                // Read too slowly for the token's life, or the process was away for long: half of it, from its start.
                tracing::info!(%code, %message, "page token expired: the window is halved and read again");
                window.to = half_way(window);
                cursor.window = Some((window.from, window.to));
                cursor.token = None;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        polled.pages += 1;
        polled.records += page.records.len();
        let now = parts.clock.now();
        cursor = advanced(&cursor, window, &page, now);
        let done = cursor.window.is_none();
        parts.store.apply(changes(account, stream, page, cursor.clone(), now)).await?;
        if done {
            return Ok(());
        }
    }
    Err(SourceError::Refused {
        code: "AMZ-PAGES",
        message: format!(
            "{} of {account:?} has more than {PAGES_MAX} pages from {from} to {to}",
            stream.as_str()
        ),
    }
    .into())
}

/// The middle of a window, to the second, and never its beginning.
pub(crate) fn half_way(window: Window) -> Timestamp {
    let half = window.to.duration_since(window.from).as_secs() / 2;
    later(window.from, SignedDuration::from_secs(half.max(1))).min(window.to)
}

/// The cursor after a page.
fn advanced(cursor: &Cursor, window: Window, page: &Page, now: Timestamp) -> Cursor {
    match &page.next {
        Some(token) => Cursor { token: Some(token.clone()), polled_at: now, ..cursor.clone() },
        None => Cursor {
            // What Amazon says it applied may be earlier than what was asked for, never later.
            position: page.applied_to.unwrap_or(window.to).min(window.to).max(cursor.position),
            window: None,
            token: None,
            polled_at: now,
        },
    }
}

fn changes(account: &Account, stream: Stream, page: Page, cursor: Cursor, now: Timestamp) -> Vec<Change> {
    let seller = &account.seller;
    let mut changes = Vec::with_capacity(page.records.len() + 2);
    if !page.records.is_empty() {
        changes.push(read_event(seller, account, stream, page.records.len(), now));
    }
    changes.extend(raw_changes(account, stream, page.records, now));
    changes.push(Change::Cursor {
        seller: seller.clone(),
        region: account.region,
        stream: stream.as_str(),
        cursor,
    });
    changes
}

/// A page's records, to be kept.
pub(crate) fn raw_changes(
    account: &Account,
    stream: Stream,
    records: Vec<RawRecord>,
    now: Timestamp,
) -> Vec<Change> {
    let raw = |record: RawRecord| Change::Raw {
        seller: account.seller.clone(),
        region: account.region,
        stream: stream.as_str(),
        natural_id: record.natural_id,
        body: record.json,
        buyer_data: record.buyer_data,
        at: now,
    };
    records.into_iter().map(raw).collect()
}

fn read_event(
    seller: &SellerId,
    account: &Account,
    stream: Stream,
    records: usize,
    now: Timestamp,
) -> Change {
    let subject = format!("{}/{}", account.region, stream.as_str());
    audit(now, seller, subject, Action::Read, format!("{records} records on a page"))
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + hours * 3_600).expect("in range")
    }

    fn window(position: i64, newest: i64, stream: Stream) -> Option<(Timestamp, Timestamp)> {
        let cursor = Cursor { position: at(position), window: None, token: None, polled_at: at(0) };
        next_window(Some(cursor), at(0), at(newest), stream).and_then(|cursor| cursor.window)
    }

    #[test]
    fn a_window_overlaps_what_was_read_but_never_the_start() {
        assert_eq!(window(100, 101, Stream::Transactions), Some((at(28), at(101))));
        assert_eq!(window(10, 11, Stream::Transactions), Some((at(0), at(11))));
        assert_eq!(window(11, 11, Stream::Orders), None);
    }

    #[test]
    fn a_long_span_is_cut_and_every_window_makes_progress() {
        for stream in [Stream::Orders, Stream::Transactions, Stream::Groups, Stream::Payouts] {
            let (mut position, newest) = (0, 24 * 400);
            while let Some((from, to)) = window(position, newest, stream) {
                assert!(to.duration_since(from) <= WINDOW_LONGEST);
                let reached = to.duration_since(at(0)).as_secs() / 3_600;
                assert!(reached > position, "{stream:?} stands still at {position}");
                position = reached;
            }
            assert_eq!(position, newest, "{stream:?}");
        }
    }

    #[test]
    fn reports_are_asked_for_as_far_back_as_amazon_keeps_them() {
        let (from, to) = window(0, 24 * 400, Stream::Reports).expect("a window");
        assert_eq!(at(24 * 400).duration_since(from), REPORTS_KEPT);
        assert!(to > from && to.duration_since(from) <= WINDOW_LONGEST);
    }

    #[test]
    fn a_window_is_halved_until_nothing_is_left_to_halve() {
        let mut window = Window { from: at(0), to: at(1) };
        for _ in 0..20 {
            window.to = half_way(window);
            assert!(window.to > window.from);
        }
        assert_eq!(window.to.duration_since(window.from).as_secs(), 1);
    }

    #[test]
    fn a_window_under_way_goes_on_where_it_stopped() {
        let cursor = Cursor {
            position: at(5),
            window: Some((at(4), at(6))),
            token: Some("t".to_owned()),
            polled_at: at(6),
        };
        assert_eq!(next_window(Some(cursor.clone()), at(0), at(50), Stream::Orders), Some(cursor));
    }
}
