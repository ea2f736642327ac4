//! Takes data about the buyer out of payloads when its time is over. The hash of the original stays, and so does the
//! audit: what was booked can still be shown to have come from what Amazon sent.

use jiff::SignedDuration;
use ml_connector_domain::audit::Action;
use ml_connector_storage::Change;

use crate::{Parts, Seller, StageError, audit};

/// Amazon's data protection policy: 30 days after the order was shipped.
pub const BUYER_DATA_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Payloads in one transaction.
const CHUNK: u32 = 200;

/// Takes out what is due; says of how many payloads.
///
/// # Errors
/// The store failed, or holds a payload that is no JSON.
pub async fn remove_buyer_data(parts: &Parts, seller: &Seller) -> Result<usize, StageError> {
    let now = parts.clock.now();
    let before = now.saturating_add(-BUYER_DATA_KEPT).unwrap_or(now);
    let mut removed = 0;
    loop {
        let due = parts.store.buyer_data_due(&seller.id, before, CHUNK).await?;
        if due.is_empty() {
            break;
        }
        removed += due.len();
        let mut changes = Vec::with_capacity(2 * due.len());
        for payload in due {
            let body = parts.source.without_buyer_data(&payload.body);
            let body =
                body.map_err(|error| StageError::Corrupt { what: "payload", message: error.to_string() })?;
            let detail = format!("data about the buyer removed from payload {}", payload.hash);
            changes.push(audit(now, &seller.id, payload.natural_id.as_str(), Action::Redacted, detail));
            changes.push(Change::BuyerDataRemoved {
                seller: seller.id.clone(),
                stream: payload.stream,
                natural_id: payload.natural_id,
                hash: payload.hash,
                body,
            });
        }
        parts.store.apply(changes).await?;
    }
    if removed > 0 {
        // The log still holds the pages as they were.
        parts.store.empty_the_log().await?;
    }
    Ok(removed)
}
