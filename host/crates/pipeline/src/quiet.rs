//! Streams that should bring something and do not: a seller that sells every day and of whom nothing is read for days has
//! lost an authorisation, or a filter is wrong. Silence is a finding.

use jiff::SignedDuration;
use ml_connector_domain::audit::Action;
use ml_connector_domain::{SellerId, Timestamp};
use ml_connector_ports::Stream;
use ml_connector_storage::{Change, ReviewDraft, StreamState};

use crate::{Parts, Seller, StageError, audit, kind};

/// The finding's code.
pub const CODE: &str = "stream-quiet";

/// How long each stream may bring nothing new; `None` where nothing is expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expected {
    /// Orders.
    pub orders: Option<SignedDuration>,
    /// Finance transactions.
    pub transactions: Option<SignedDuration>,
    /// Settlements.
    pub groups: Option<SignedDuration>,
    /// Payouts.
    pub payouts: Option<SignedDuration>,
    /// Settlement reports.
    pub reports: Option<SignedDuration>,
}

impl Expected {
    /// How long a stream may bring nothing new.
    pub fn of(&self, stream: Stream) -> Option<SignedDuration> {
        match stream {
            Stream::Orders => self.orders,
            Stream::Transactions => self.transactions,
            Stream::Groups => self.groups,
            Stream::Payouts => self.payouts,
            Stream::Reports => self.reports,
        }
    }
}

/// Since when a stream has brought nothing new: since its last record, else since the seller's start.
fn quiet_since(seller: &Seller, state: &StreamState) -> Timestamp {
    state.read_at.unwrap_or(seller.start_from)
}

/// Opens a review item for each stream that is quiet for too long, and closes it once something has come. Says how many
/// are quiet.
///
/// # Errors
/// The store failed.
pub async fn look(parts: &Parts, seller: &Seller, expected: &Expected) -> Result<usize, StageError> {
    if *expected == Expected::default() {
        return Ok(0);
    }
    let (now, mut quiet, mut changes) = (parts.clock.now(), 0, Vec::new());
    for state in parts.store.stream_states(Some(&seller.id)).await? {
        let Some(stream) = Stream::ALL.into_iter().find(|stream| stream.as_str() == state.stream) else {
            continue;
        };
        let since = quiet_since(seller, &state);
        let late = expected.of(stream).filter(|longest| now.duration_since(since) > *longest);
        let subject = format!("{}/{}", state.region, state.stream);
        let open = parts.store.review_is_open(&seller.id, kind::STREAM, &subject, CODE).await?;
        match late {
            Some(longest) => {
                quiet += 1;
                if !open {
                    changes.extend(opened(&seller.id, &subject, since, longest, now));
                }
            }
            None if open => changes.extend(closed(&seller.id, &subject, now)),
            None => {}
        }
    }
    parts.store.apply(changes).await?;
    Ok(quiet)
}

fn opened(
    seller: &SellerId,
    subject: &str,
    since: Timestamp,
    longest: SignedDuration,
    now: Timestamp,
) -> [Change; 2] {
    let hours = longest.as_hours();
    let message = format!(
        "nothing new was read of {subject} since {since}, and something is expected every {hours} hours: look whether \
         the seller still sells there and the authorisation holds, or set the seller's `quiet` hours"
    );
    let told = audit(now, seller, subject, Action::Reviewed, format!("{CODE}: {message}"));
    let draft = ReviewDraft {
        seller: seller.clone(),
        kind: kind::STREAM,
        subject: subject.to_owned(),
        code: CODE.to_owned(),
        about: subject.to_owned(),
        message,
        at_stake: None,
        at: now,
    };
    [Change::Review(draft), told]
}

fn closed(seller: &SellerId, subject: &str, now: Timestamp) -> [Change; 2] {
    let (seller_id, of) = (seller.clone(), subject.to_owned());
    let resolve = Change::Resolve { seller: seller_id, kind: kind::STREAM, subject: of, at: now };
    [resolve, audit(now, seller, subject, Action::Resolved, format!("{CODE}: something was read again"))]
}
