//! Taking a posted document back whole: what the opposite would be, and planning it.

use std::collections::BTreeSet;

use ml_connector_domain::audit::Action;
use ml_connector_domain::document::{Body, Document};
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::mapping::Reason;
use ml_connector_domain::posting::State;
use ml_connector_domain::validate::{self, Expectation, Module};
use ml_connector_domain::{Date, DocumentKey, Money, own_rate, reversal};
use ml_connector_storage::{Change, DocumentRow};

use crate::map::Facts;
use crate::{Parts, Seller, StageError, audit, leg};

/// Why a document is not taken back.
#[derive(Debug, thiserror::Error)]
pub enum ReverseError {
    /// There is no such document, or it is another seller's.
    #[error("REV-UNKNOWN: no document {0} of this seller")]
    Unknown(DocumentKey),
    /// It does not stand in Fusion, so there is nothing to take back.
    #[error("REV-NOT-POSTED: {key} is {state}: only what is confirmed can be taken back")]
    NotPosted {
        /// The document.
        key: DocumentKey,
        /// Where its posting stands.
        state: &'static str,
    },
    /// It was taken back before.
    #[error("REV-TWICE: {key} is taken back by {by} already; to undo that, take {by} back")]
    Twice {
        /// The document.
        key: DocumentKey,
        /// What takes it back.
        by: DocumentKey,
    },
    /// Its kind has no opposite of its own.
    #[error(transparent)]
    Kind(#[from] reversal::NotReversible),
    /// The opposite may not be posted.
    #[error("REV-REFUSED: {}", .0.iter().map(|r| format!("{}: {}", r.code, r.message)).collect::<Vec<_>>().join("; "))]
    Refused(Vec<Reason>),
    /// The store or Fusion failed.
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// The opposite of a document, as it would be posted.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The document that is taken back.
    pub original: DocumentRow,
    /// Its opposite.
    pub document: Document,
    /// The figure that Fusion must show for it.
    pub expected: Money,
    /// What is to be said of its date, beginning with a comma; empty if nothing.
    pub moved: String,
}

/// Makes the opposite of a confirmed document, checked as any other. It bears the original's date, or the first day of
/// the next open period if that is the seller's policy, or `date`.
///
/// # Errors
/// See [`ReverseError`]. Nothing was changed.
pub async fn propose(
    parts: &Parts,
    seller: &Seller,
    key: &DocumentKey,
    date: Option<Date>,
) -> Result<Proposal, ReverseError> {
    let store = &parts.store;
    let original = store.document(key).await.map_err(StageError::from)?;
    let original = original.filter(|row| row.document.seller == seller.id);
    let original = original.ok_or_else(|| ReverseError::Unknown(key.clone()))?;
    if !matches!(original.state, State::Confirmed { .. }) {
        return Err(ReverseError::NotPosted { key: key.clone(), state: original.state.name() });
    }
    let taken =
        store.recognized_by(&seller.id, key.as_str(), leg::REVERSAL).await.map_err(StageError::from)?;
    if let Some(by) = taken {
        return Err(ReverseError::Twice { key: key.clone(), by });
    }
    let mut document = opposite(&original.document, date.unwrap_or(original.document.date))?;
    let accounts: BTreeSet<String> = document.accounts().into_iter().map(str::to_owned).collect();
    let dates = [(Module::of(&document), document.date)].into();
    let facts = Facts::gather(parts, seller, accounts, dates).await?;
    let moved = facts.place(&mut document);
    let expected = original.expected.negated();
    let worth = worth(seller, &original.document)?.map(Money::negated);
    let expectation = expectation(seller, (expected, worth), &document);
    let violations = validate::document(&document, &expectation, &facts.at(document.date));
    if violations.is_empty() {
        Ok(Proposal { original, document, expected, moved })
    } else {
        Err(ReverseError::Refused(violations))
    }
}

fn opposite(original: &Document, date: Date) -> Result<Document, reversal::NotReversible> {
    match &original.body {
        Body::Journal { .. } => reversal::journal(original, date),
        _ => Err(reversal::NotReversible(original.kind())),
    }
}

/// What a journal with a rate of its own puts on the settlement account in the ledger's currency.
pub(crate) fn worth(seller: &Seller, document: &Document) -> Result<Option<Money>, StageError> {
    let account = seller.ledger.account(purpose::SETTLEMENT).unwrap_or_default();
    match &document.body {
        Body::Journal { lines, .. } => Ok(own_rate::worth_on(lines, &account)?),
        _ => Ok(None),
    }
}

/// What a document must come to; of a journal, what it must put on the settlement account, and what that is `worth`.
pub(crate) fn expectation(
    seller: &Seller,
    (expected, worth): (Money, Option<Money>),
    document: &Document,
) -> Expectation {
    match document.body {
        Body::Journal { .. } => {
            let account = || seller.ledger.account(purpose::SETTLEMENT).unwrap_or_default();
            let moves = std::iter::once(expected).chain(worth);
            Expectation::Moves(moves.map(|money| (account(), money)).collect())
        }
        _ => Expectation::Total(expected),
    }
}

/// Plans what was proposed; the daemon posts it like any other document.
///
/// # Errors
/// The store failed, or the document was taken back in the meantime.
pub async fn plan(parts: &Parts, seller: &Seller, proposal: Proposal, who: &str) -> Result<(), ReverseError> {
    let (key, by) = (proposal.original.document.key.clone(), proposal.document.key.clone());
    match parts.store.apply(planned(parts, seller, &proposal, who)).await {
        Ok(()) => Ok(()),
        Err(ml_connector_storage::StoreError::Twice { .. }) => Err(ReverseError::Twice { key, by }),
        Err(error) => Err(StageError::from(error).into()),
    }
}

/// The changes that plan what was proposed.
pub(crate) fn planned(parts: &Parts, seller: &Seller, proposal: &Proposal, who: &str) -> Vec<Change> {
    let Proposal { original, document, expected, moved } = proposal;
    let now = parts.clock.now();
    let (key, by) = (&original.document.key, &document.key);
    let detail =
        format!("{by} takes back {key}, over {expected} dated {}{moved}, asked for by {who}", document.date);
    vec![
        audit(now, &seller.id, original.document.subject(), Action::Planned, detail.clone()),
        audit(now, &seller.id, document.subject(), Action::Planned, detail),
        Change::Plan {
            document: Box::new(document.clone()),
            expected: *expected,
            recognizes: vec![(key.as_str().to_owned(), leg::REVERSAL)],
            at: now,
        },
    ]
}
