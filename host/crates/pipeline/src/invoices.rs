//! The invoices that stand for an order now, and what was credited of them.

use ml_connector_domain::document::{Body, Credit};
use ml_connector_domain::posting::State;
use ml_connector_domain::shipment::{Shipment, subject};
use ml_connector_domain::{DocumentKey, OrderId};
use ml_connector_storage::DocumentRow;

use crate::{Parts, Seller, StageError, leg};

/// Revisions of one document before something must be wrong.
const REVISIONS_MAX: usize = 1_000;

/// The key of the invoice that recognises an order, or its first shipment: of its last revision. `None` while there is none.
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

/// The invoices that stand for an order, each in its last revision: one, or one for each of its shipments in their order.
///
/// # Errors
/// The store failed.
pub async fn invoices_of(
    parts: &Parts,
    seller: &Seller,
    order: &OrderId,
) -> Result<Vec<DocumentRow>, StageError> {
    let mut invoices = Vec::new();
    let mut source = order.as_str().to_owned();
    while let Some(first) = parts.store.recognized_by(&seller.id, &source, leg::RECEIVABLE).await? {
        let key = last_revision(parts, seller, first).await?;
        let row = parts.store.document(&key).await?;
        let row =
            row.ok_or_else(|| StageError::Corrupt { what: "invoice", message: format!("{key} is missing") })?;
        let number = shipment(&row).map(|shipment| shipment.number);
        invoices.push(row);
        match number {
            Some(number) => source = subject(order, number + 1),
            None => break,
        }
    }
    Ok(invoices)
}

/// Which of several shipments an invoice is of.
pub(crate) fn shipment(row: &DocumentRow) -> Option<&Shipment> {
    match &row.document.body {
        Body::Invoice { shipment, .. } => shipment.as_ref(),
        _ => None,
    }
}

/// The credit memo that took an order's last invoice back whole, with that invoice; `None` while an invoice stands for it.
///
/// # Errors
/// The store failed.
pub async fn taken_back(
    parts: &Parts,
    seller: &Seller,
    order: &OrderId,
) -> Result<Option<(DocumentKey, DocumentKey)>, StageError> {
    let mut last = None;
    for invoice in invoices_of(parts, seller, order).await? {
        let key = invoice.document.key;
        match parts.store.recognized_by(&seller.id, key.as_str(), leg::REVERSAL).await? {
            Some(memo) => last = Some((key, memo)),
            None => return Ok(None),
        }
    }
    Ok(last)
}

/// To which of an order's invoices a refund's credit memo belongs, as a place among them: the one whose lines it credits,
/// else the first that holds all its items, else the first.
pub(crate) fn refunded(memo: &DocumentRow, invoices: &[DocumentRow]) -> usize {
    if let Body::CreditMemo { credits: Some(credits), .. } = &memo.document.body
        && let Some(place) = invoices.iter().position(|row| row.document.key == credits.invoice)
    {
        return place;
    }
    let holds = |row: &DocumentRow| {
        let lines = memo.document.lines().iter().filter_map(|line| line.order_item.as_ref());
        let mut items = lines.peekable();
        items.peek().is_some()
            && items
                .all(|item| row.document.lines().iter().any(|line| line.order_item.as_ref() == Some(item)))
    };
    invoices.iter().position(holds).unwrap_or(0)
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
