//! Reads documents back from Fusion and compares them with what Amazon said.

use futures_util::future::join_all;
use jiff::SignedDuration;
use ml_connector_domain::audit::Action;
use ml_connector_domain::reconcile::{Expected, check};
use ml_connector_domain::{Timestamp, posting::State};
use ml_connector_storage::{Change, DocumentRow, steps};
use tracing::Instrument as _;

use crate::{Parts, Seller, StageError, audit};

/// Documents read back at once.
const CONCURRENT: usize = 8;

/// Documents compared in one transaction.
const CHUNK: u32 = 64;

/// A document is compared again after this long: somebody may have edited or deleted it in Fusion.
pub const COMPARE_AGAIN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What a round of comparing found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compared {
    /// Documents compared.
    pub checks: usize,
    /// Documents that did not tie out.
    pub differences: usize,
}

/// Compares every confirmed document that was not compared since `since`.
///
/// # Errors
/// The store or a look-up failed; what is not compared stays due.
pub async fn reconcile(parts: &Parts, seller: &Seller, since: Timestamp) -> Result<Compared, StageError> {
    let mut compared = Compared::default();
    loop {
        let rows = parts.store.unreconciled(&seller.id, since, CHUNK).await?;
        if rows.is_empty() {
            return Ok(compared);
        }
        let mut changes = Vec::with_capacity(2 * rows.len());
        for chunk in rows.chunks(CONCURRENT) {
            for result in join_all(chunk.iter().map(|row| compare(parts, seller, row))).await {
                let (difference, made) = result?;
                compared.checks += 1;
                compared.differences += usize::from(difference);
                changes.extend(made);
            }
        }
        parts.store.apply(changes).await?;
    }
}

async fn compare(
    parts: &Parts,
    seller: &Seller,
    row: &DocumentRow,
) -> Result<(bool, Vec<Change>), StageError> {
    let span = steps::call(&row.document, "compare");
    let observed = parts.target.look_up(&seller.ledger, &row.document).instrument(span.clone()).await?;
    let now = parts.clock.now();
    let finding = check(&expected(parts, seller, row), &observed);
    span.record("outcome", if finding.is_none() { "ties out" } else { "differs" });
    let detail = match &finding {
        None => format!("{} ties out at {}", row.document.key, row.expected),
        Some(finding) => format!("{}: {}: {}", row.document.key, finding.code, finding.message),
    };
    let changes = vec![
        audit(now, &seller.id, row.document.subject(), Action::Reconciled, detail),
        Change::Reconciled {
            key: row.document.key.clone(),
            finding: finding.as_ref().map(|finding| (finding.code.clone(), finding.message.clone())),
            at: now,
        },
    ];
    Ok((finding.is_some(), changes))
}

/// What a document should be in Fusion.
pub(crate) fn expected(parts: &Parts, seller: &Seller, row: &DocumentRow) -> Expected {
    let fusion_id = match &row.state {
        State::Confirmed { fusion_id } => Some(fusion_id.clone()),
        _ => None,
    };
    Expected {
        key: row.document.key.clone(),
        seller: row.document.seller.clone(),
        kind: row.document.kind(),
        subject: row.document.subject().to_owned(),
        total: row.expected,
        sent: parts.target.content_of(&seller.ledger, &row.document).ok(),
        fusion_id,
    }
}
