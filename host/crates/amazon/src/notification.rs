//! Notifications, as Amazon puts them on a queue. They only say that something is to be read.
//!
//! A TRANSACTION_UPDATE carries no transaction id, and its amount is not to be booked: what counts is what
//! listTransactions says afterwards. An ORDER_CHANGE carries no prices, but says which order to ask for. So a
//! notification becomes a [`Nudge`].

use ml_connector_domain::{MarketplaceId, OrderId, SellerId};
use ml_connector_ports::Stream;
use serde_json::Value;

/// A stream of a seller that is worth polling now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nudge {
    /// Whose.
    pub seller: SellerId,
    /// Which.
    pub stream: Stream,
    /// The order that it is about, and where it was placed: it can be asked for alone.
    pub order: Option<(OrderId, MarketplaceId)>,
    /// Amazon's id of the notification: the queue delivers more than once.
    pub notification: String,
}

/// Reads a notification. `None` for a type that nothing follows from.
///
/// # Errors
/// It is no notification, or names no seller.
pub fn parse(json: &str) -> Result<Option<Nudge>, String> {
    let body: Value = serde_json::from_str(json).map_err(|error| format!("NTF-JSON: {error}"))?;
    // REPORT_PROCESSING_FINISHED is written in camelCase, all others in PascalCase.
    let get = |value: &Value, name: &str| {
        let (first, rest) = name.split_at(1);
        let camel = format!("{}{rest}", first.to_lowercase());
        [name, camel.as_str()].iter().find_map(|name| value.get(*name).cloned())
    };
    let kind = get(&body, "NotificationType").and_then(|kind| kind.as_str().map(str::to_owned));
    let kind = kind.ok_or("NTF-TYPE: there is no NotificationType")?;
    let (stream, inner) = match kind.as_str() {
        "TRANSACTION_UPDATE" => (Stream::Transactions, "TransactionUpdateNotification"),
        "ORDER_CHANGE" => (Stream::Orders, "OrderChangeNotification"),
        "REPORT_PROCESSING_FINISHED" => (Stream::Reports, "ReportProcessingFinishedNotification"),
        _ => return Ok(None),
    };
    let payload = get(&body, "Payload").unwrap_or_default();
    let payload = get(&payload, inner).unwrap_or(payload);
    let nested = get(&payload, "SellingPartnerMetadata").unwrap_or_default();
    let named = |value: &Value, name: &str| {
        get(value, name).and_then(|id| id.as_str().map(str::to_owned)).filter(|id| !id.is_empty())
    };
    let seller = named(&payload, "SellerId").or_else(|| named(&nested, "SellingPartnerId"));
    let seller = seller.map(SellerId::new);
    let seller = seller.ok_or_else(|| format!("NTF-SELLER: {kind} names no seller"))?;
    let summary = get(&payload, "Summary").unwrap_or_default();
    let order = named(&payload, "AmazonOrderId").zip(named(&summary, "MarketplaceId"));
    let order = order.map(|(order, place)| (OrderId::new(order), MarketplaceId::new(place)));
    let metadata = get(&body, "NotificationMetadata").unwrap_or_default();
    let id = get(&metadata, "NotificationId").and_then(|id| id.as_str().map(str::to_owned));
    Ok(Some(Nudge { seller, stream, order, notification: id.unwrap_or_default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_nudges_its_stream_however_its_keys_are_written() {
        let rows = [
            (
                r#"{"NotificationType":"TRANSACTION_UPDATE","Payload":{"TransactionUpdateNotification":{"SellingPartnerMetadata":{"SellingPartnerId":"A1"}}},"NotificationMetadata":{"NotificationId":"n1"}}"#,
                Stream::Transactions,
                "n1",
            ),
            (
                r#"{"NotificationType":"ORDER_CHANGE","Payload":{"OrderChangeNotification":{"SellerId":"A1","AmazonOrderId":"1","Summary":{"MarketplaceId":"M"}}}}"#,
                Stream::Orders,
                "",
            ),
            (
                r#"{"notificationType":"REPORT_PROCESSING_FINISHED","payload":{"reportProcessingFinishedNotification":{"sellerId":"A1"}},"notificationMetadata":{"notificationId":"n3"}}"#,
                Stream::Reports,
                "n3",
            ),
        ];
        for (json, stream, notification) in rows {
            let nudge = parse(json).expect("reads").expect("a nudge");
            assert_eq!(
                (nudge.seller.as_str(), nudge.stream, nudge.notification.as_str()),
                ("A1", stream, notification)
            );
            assert_eq!(nudge.order.is_some(), stream == Stream::Orders);
        }
        assert_eq!(parse(r#"{"NotificationType":"PRICING_HEALTH"}"#), Ok(None));
        assert!(
            parse(r#"{"NotificationType":"ORDER_CHANGE","Payload":{}}"#)
                .is_err_and(|e| e.starts_with("NTF-SELLER"))
        );
        assert!(parse("<html>").is_err_and(|e| e.starts_with("NTF-JSON")));
    }
}
