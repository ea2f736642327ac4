//! What waits for a person: what would become of it now, and what a person decides about it.
//!
//! Trying an item maps its record by the active mapper and catalog and shows the very documents that would be planned.
//! Approving applies these changes; the daemon posts what was planned. **Invariant:** an item that holds money of a
//! settlement back is never closed without it: its transaction has to be mapped.

use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::document::Document;
use ml_connector_domain::mapping::JournalLine;
use ml_connector_storage::{Change, ReviewChange, ReviewDraft, ReviewRow};

use crate::{Parts, Seller, StageError, audit, catalogs, kind, map, stage, stored, versions};

/// What would become of an item.
#[derive(Debug, Default)]
pub struct Attempt {
    /// Documents that would be planned.
    pub documents: Vec<Document>,
    /// Lines that would be booked for the transaction's settlement.
    pub booked: Vec<JournalLine>,
    /// Reasons for which it would wait on.
    pub reasons: Vec<ReviewDraft>,
    /// What else is to be said.
    pub note: Option<String>,
    changes: Vec<Change>,
}

impl Attempt {
    fn noted(note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..Self::default() }
    }

    fn of(changes: Vec<Change>) -> Self {
        let mut attempt = Self::default();
        for change in &changes {
            match change {
                Change::Plan { document, .. } => attempt.documents.push((**document).clone()),
                Change::Booking { lines, .. } => attempt.booked.extend(lines.iter().cloned()),
                Change::Review(draft) => attempt.reasons.push(draft.clone()),
                _ => {}
            }
        }
        attempt.changes = changes;
        attempt
    }

    /// Whether it would not wait any more.
    pub fn settles(&self) -> bool {
        self.reasons.is_empty() && !self.changes.is_empty()
    }
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// It is closed already, or never was.
    #[error("REV-CLOSED: there is no open review item {0}: see ml-connector review list")]
    Closed(i64),
    /// It cannot be closed without being mapped.
    #[error("REV-HOLDS: item {id} holds {held} back: {advice}")]
    Holds {
        /// The item.
        id: i64,
        /// What.
        held: String,
        /// What to do.
        advice: &'static str,
    },
    /// A reason has to be given in words.
    #[error("REV-BECAUSE: say why nothing is to be posted, in 10 characters or more")]
    Because,
    /// The store, the sandbox or Fusion failed.
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// An open item by its number.
///
/// # Errors
/// It is not open, or the store failed.
pub async fn item(parts: &Parts, id: i64) -> Result<ReviewRow, ResolveError> {
    match parts.store.review_item(id).await.map_err(StageError::from)? {
        Some((row, None)) => Ok(row),
        _ => Err(ResolveError::Closed(id)),
    }
}

/// What would become of an item if its record were mapped now. Changes nothing.
///
/// # Errors
/// The store, the sandbox or a question to Fusion failed.
pub async fn attempt(parts: &Parts, seller: &Seller, row: &ReviewRow) -> Result<Attempt, StageError> {
    let parts = &versions::choose(parts, seller).await?;
    let seller = &*catalogs::choose(parts, seller).await?;
    match row.kind.as_str() {
        kind::ORDER | kind::TRANSACTION => record(parts, seller, row).await,
        kind::REFUND => refund(parts, seller, row).await,
        kind::GROUP | kind::RECEIPT => {
            Ok(Attempt::noted("the daemon tries it again in every cycle, by itself"))
        }
        kind::DOCUMENT => Ok(Attempt::noted("its document was refused: see ml-connector explain")),
        _ => Ok(Attempt::noted("nothing is posted for it: dismiss it when it was seen to")),
    }
}

async fn record(parts: &Parts, seller: &Seller, row: &ReviewRow) -> Result<Attempt, StageError> {
    let Some(newest) = parts.store.newest(&seller.id, &row.kind, &row.subject).await? else {
        let (seller, natural_id) = (seller.id.clone(), row.subject.clone());
        let again = vec![Change::ReviewItem(ReviewChange::ReadAgain { seller, natural_id })];
        return Ok(Attempt {
            note: Some("its payload could not be read: it would be read again by the daemon".to_owned()),
            changes: again,
            ..Attempt::default()
        });
    };
    if newest.stage != stage::REVIEW {
        return Ok(Attempt::noted(match row.kind.as_str() {
            kind::ORDER => "its order is documented: see ml-connector correct",
            _ => "its transaction is documented",
        }));
    }
    Ok(Attempt::of(match row.kind.as_str() {
        kind::ORDER => map::attempt_order(parts, seller, &stored::<Order>("order", &newest.record)?).await?,
        _ => {
            let transaction: Transaction = stored("transaction", &newest.record)?;
            map::attempt_transaction(parts, seller, &transaction, false).await?
        }
    }))
}

async fn refund(parts: &Parts, seller: &Seller, row: &ReviewRow) -> Result<Attempt, StageError> {
    let mut found = parts.store.sources_at(&seller.id, &row.subject, parts.clock.now()).await?;
    found.retain(|source| source.kind == kind::TRANSACTION);
    let mut transactions = Vec::new();
    for source in &found {
        transactions.push(stored::<Transaction>("transaction", &source.record)?);
    }
    // Of a deferred refund and its release, the release pays out.
    match transactions.iter().find(|one| one.counts()) {
        Some(one) => Ok(Attempt::of(map::attempt_transaction(parts, seller, one, true).await?)),
        None => Ok(Attempt::noted("its transaction does not pay out yet")),
    }
}

/// Applies what [`attempt`] showed, if it settles the item.
///
/// # Errors
/// The store failed, or another has planned the same meanwhile.
pub async fn approve(
    parts: &Parts,
    seller: &Seller,
    row: &ReviewRow,
    attempt: Attempt,
    who: &str,
) -> Result<(), StageError> {
    let now = parts.clock.now();
    let mut changes = attempt.changes;
    let detail = format!("item {} ({}) resolved by mapping, approved by {who}", row.id, row.code);
    changes.push(audit(now, &seller.id, row.subject.as_str(), Action::Resolved, detail));
    changes.push(Change::ReviewItem(ReviewChange::Close { id: row.id, at: now }));
    Ok(parts.store.apply(changes).await?)
}

/// Has the daemon map an item's record again; the item stays open until that settles it, so that its age is not lost.
/// Says what happens.
///
/// # Errors
/// The store failed.
pub async fn retry(
    parts: &Parts,
    seller: &Seller,
    row: &ReviewRow,
    who: &str,
) -> Result<&'static str, StageError> {
    let now = parts.clock.now();
    let newest = match row.kind.as_str() {
        kind::ORDER | kind::TRANSACTION => parts.store.newest(&seller.id, &row.kind, &row.subject).await?,
        kind::REFUND => return Ok("a refund's credit memo: use ml-connector review resolve"),
        _ => return Ok("the daemon tries it again by itself"),
    };
    let kind = if row.kind == kind::ORDER { kind::ORDER } else { kind::TRANSACTION };
    let again = match newest {
        None => Change::ReviewItem(ReviewChange::ReadAgain {
            seller: seller.id.clone(),
            natural_id: row.subject.clone(),
        }),
        Some(newest) if newest.stage == stage::REVIEW => Change::Stage {
            seller: seller.id.clone(),
            kind,
            natural_id: row.subject.clone(),
            stage: stage::READY,
            at: now,
        },
        Some(_) => return Ok("it is documented: nothing to try again"),
    };
    let detail = format!("item {} ({}) is to be tried again, by {who}", row.id, row.code);
    let told = audit(now, &seller.id, row.subject.as_str(), Action::Changed, detail);
    parts.store.apply(vec![again, told]).await?;
    Ok("the daemon maps it again in its next cycle")
}

/// Characters that a reason has at least.
const BECAUSE_CHARS_MIN: usize = 10;

/// Closes an item for which nothing is to be posted. Who and why stand in the audit log.
///
/// # Errors
/// It holds a settlement's money back, no reason is given, or the store failed.
pub async fn dismiss(
    parts: &Parts,
    seller: &Seller,
    row: &ReviewRow,
    (who, because): (&str, &str),
) -> Result<(), ResolveError> {
    if because.trim().chars().count() < BECAUSE_CHARS_MIN {
        return Err(ResolveError::Because);
    }
    let now = parts.clock.now();
    let mut changes = vec![Change::ReviewItem(ReviewChange::Close { id: row.id, at: now })];
    let newest = parts.store.newest(&seller.id, &row.kind, &row.subject).await.map_err(StageError::from)?;
    let waits = newest.as_ref().is_some_and(|newest| newest.stage == stage::REVIEW);
    let holds = |held: String, advice| Err(ResolveError::Holds { id: row.id, held, advice });
    match row.kind.as_str() {
        kind::GROUP => return holds("a settlement".to_owned(), "settle what it waits for"),
        kind::TRANSACTION if newest.is_none() => {
            return holds("a payload that may move money".to_owned(), "have it read again");
        }
        kind::TRANSACTION if waits => {
            let money = row.at_stake.filter(|money| money.minor != 0);
            if let Some(money) = money {
                return holds(
                    format!("{money} of its settlement"),
                    "map its transaction, then resolve the item",
                );
            }
            changes.extend(skipped(seller, row, kind::TRANSACTION, now));
        }
        kind::ORDER if waits => changes.extend(skipped(seller, row, kind::ORDER, now)),
        _ => {}
    }
    let at_stake = row.at_stake.map(|money| format!(" over {money}")).unwrap_or_default();
    let detail = format!("item {} ({}){at_stake} dismissed by {who}: {}", row.id, row.code, because.trim());
    changes.push(audit(now, &seller.id, row.subject.as_str(), Action::Resolved, detail));
    Ok(parts.store.apply(changes).await.map_err(StageError::from)?)
}

/// Nothing is posted for the record: every item about it is closed with this one.
fn skipped(
    seller: &Seller,
    row: &ReviewRow,
    kind: &'static str,
    at: ml_connector_domain::Timestamp,
) -> [Change; 2] {
    let (id, subject) = (|| seller.id.clone(), || row.subject.clone());
    [
        Change::Resolve { seller: id(), kind, subject: subject(), at },
        Change::Stage { seller: id(), kind, natural_id: subject(), stage: stage::SKIPPED, at },
    ]
}
