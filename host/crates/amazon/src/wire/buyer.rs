//! Data about the buyer: recognised, and taken out when its time is over.
//!
//! Amazon's data protection policy lets it be kept for 30 days after delivery. What a book-keeper needs (ids, money,
//! products, times, where it was sold) is none of it.

use ml_connector_ports::Unreadable;
use serde_json::Value;

use super::read;

/// Members that hold data about the buyer: of Orders 2026-01-01, and of Orders v0. The money among v0's restricted
/// item data is kept.
const MEMBERS: [&str; 9] = [
    "buyer",
    "recipient",
    "BuyerInfo",
    "ShippingAddress",
    "BuyerTaxInformation",
    "BuyerTaxInfo",
    "BuyerCustomizedInfo",
    "GiftMessageText",
    "giftMessage",
];
/// What stands in their place.
const REMOVED: &str = "removed: the time for keeping buyer data is over";
/// Money that v0 puts among the restricted data of an item.
const MONEY: [&str; 2] = ["GiftWrapPrice", "GiftWrapTax"];

/// Whether a payload holds such data.
pub(crate) fn is_in(json: &str) -> bool {
    MEMBERS
        .iter()
        .any(|name| json.contains(&format!("\"{name}\":{{")) || json.contains(&format!("\"{name}\":\"")))
}

/// The payload without it.
pub(crate) fn removed(json: &str) -> Result<String, Unreadable> {
    let mut value: Value = read(json)?;
    remove(&mut value);
    Ok(value.to_string())
}

fn remove(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match member {
                    Value::Object(inner) if name == "BuyerInfo" => {
                        inner.retain(|name, _| MONEY.contains(&name.as_str()));
                    }
                    member if MEMBERS.contains(&name.as_str()) => *member = REMOVED.into(),
                    member => remove(member),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(remove),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buyer_goes_and_the_money_stays() {
        let json = r#"{"orderId":"1","buyer":{"buyerEmail":"x@marketplace.example"},"recipient":{"deliveryAddress":{"name":"Ann"}},
            "items":[{"BuyerInfo":{"GiftMessageText":"Dear Bob","GiftWrapPrice":{"Amount":"3.99"}},"ItemPrice":{"Amount":"1.50"}}],
            "total":19.90}"#;
        assert!(is_in(json) && !is_in(r#"{"orderId":"1"}"#));
        let after = removed(json).expect("JSON");
        for gone in ["x@marketplace", "Ann", "Dear Bob"] {
            assert!(!after.contains(gone), "{after}");
        }
        for kept in ["3.99", "1.50", "19.90", "\"orderId\":\"1\""] {
            assert!(after.contains(kept), "{after}");
        }
        assert!(removed("<html>").is_err());
    }
}
