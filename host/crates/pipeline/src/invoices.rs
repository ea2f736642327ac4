//! The invoice that stands for an order now, and what was credited of it.

use ml_connector_domain::document::{Body, Credit};
use ml_connector_domain::posting::State;
use ml_connector_domain::{DocumentKey, OrderId};
use ml_connector_storage::DocumentRow;

use crate::{Parts, Seller, StageError, leg};

/// Revisions of one document before something must be wrong.
const REVISIONS_MAX: usize = 1_000;

/// The key of the invoice that recognises an order: of its last revision. `None` while there is none.
///
/// # Errors
/// The store failed.
pub async fn current_key(
    parts: &Parts,
    seller: &Seller,
    order: &OrderId,
) -> Result<Option<DocumentKey>, StageError> {
    match parts.store.recognized_by(&seller.id, order.as_str(), leg::RECEIVABLE).await? {
        Some(first) => last_revision(parts, seller, first).await.map(Some),
        None => Ok(None),
    }
}

/// The last revision of a document, by the key of any before it; itself if there is none after it.
///
/// # Errors
/// The store failed.
pub(crate) async fn last_revision(
    parts: &Parts,
    seller: &Seller,
    mut key: DocumentKey,
) -> Result<DocumentKey, StageError> {
    for _ in 0..REVISIONS_MAX {
        match parts.store.recognized_by(&seller.id, key.as_str(), leg::REPLACEMENT).await? {
            Some(next) => key = next,
            None => return Ok(key),
        }
    }
    Err(StageError::Corrupt { what: "document", message: format!("{key} has no last revision") })
}

/// The credit memo that took an order's invoice back whole, with the invoice; `None` while an invoice stands for the order.
///
/// # Errors
/// The store failed.
pub async fn taken_back(
    parts: &Parts,
    seller: &Seller,
    order: &OrderId,
) -> Result<Option<(DocumentKey, DocumentKey)>, StageError> {
    let Some(invoice) = current_key(parts, seller, order).await? else { return Ok(None) };
    let memo = parts.store.recognized_by(&seller.id, invoice.as_str(), leg::REVERSAL).await?;
    Ok(memo.map(|memo| (invoice, memo)))
}

/// The credit memos of an order's refunds that stand, or may yet stand, in Fusion.
///
/// # Errors
/// The store failed.
pub async fn refunds(
    parts: &Parts,
    seller: &Seller,
    order: &OrderId,
) -> Result<Vec<DocumentRow>, StageError> {
    let memos = parts.store.credit_memos_of(&seller.id, order).await?;
    let is_refund = |row: &DocumentRow| {
        matches!(&row.document.body, Body::CreditMemo { cause: Credit::Refund { .. }, .. })
            && !matches!(row.state, State::Rejected { .. })
    };
    Ok(memos.into_iter().filter(is_refund).collect())
}
