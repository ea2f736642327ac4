//! Expected against observed: what should be in Fusion and what was read back from it.

use serde::{Deserialize, Serialize};

use crate::document::Kind;
use crate::id::{DocumentKey, FusionId, SellerId};
use crate::money::Money;

/// A document that should be in Fusion, with what Amazon says it amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its key.
    pub key: DocumentKey,
    /// Whose.
    pub seller: SellerId,
    /// What it is.
    pub kind: Kind,
    /// The order, refund or settlement.
    pub subject: String,
    /// Amazon's figure: an order's total, minus what a refund gave back, a settlement's total.
    pub total: Money,
    /// The number that Fusion answered with; `None` while the document is not confirmed.
    pub fusion_id: Option<FusionId>,
}

/// What was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// Exactly one document under the key.
    One {
        /// Fusion's number.
        fusion_id: FusionId,
        /// Its figure: the sum of the lines, or the net debit on the settlement account.
        total: Money,
    },
    /// None.
    Nothing,
    /// More than one.
    Several(u32),
}

/// What a check found wrong. `code` is stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The document's key.
    pub key: DocumentKey,
    /// What it is.
    pub kind: Kind,
    /// The order, refund or settlement.
    pub subject: String,
    /// `missing`, `doubled`, `amount`, `number`.
    pub code: String,
    /// In words, with both figures.
    pub message: String,
}

/// Compares one document; `None` means it ties out.
pub fn check(expected: &Expected, observed: &Observed) -> Option<Finding> {
    let (code, message) = match observed {
        Observed::Nothing => ("missing", format!("{} is not in Fusion", expected.total)),
        Observed::Several(count) => ("doubled", format!("Fusion holds {count} documents under one key")),
        Observed::One { total, .. } if *total != expected.total => {
            ("amount", format!("Amazon says {}, Fusion holds {total}", expected.total))
        }
        Observed::One { fusion_id, .. } => match &expected.fusion_id {
            Some(known) if known != fusion_id => {
                ("number", format!("Fusion answered with {known} and now holds {fusion_id}"))
            }
            _ => return None,
        },
    };
    Some(Finding {
        key: expected.key.clone(),
        kind: expected.kind,
        subject: expected.subject.clone(),
        code: code.to_owned(),
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    #[test]
    fn each_way_of_differing_is_named() {
        let expected = Expected {
            key: DocumentKey::from_stored("IABC"),
            seller: "A1".into(),
            kind: Kind::Invoice,
            subject: "113-1".to_owned(),
            total: Money::new(1_000, Currency::USD),
            fusion_id: Some("7".into()),
        };
        let one =
            |id: &str, minor| Observed::One { fusion_id: id.into(), total: Money::new(minor, Currency::USD) };
        let rows = [
            (one("7", 1_000), None),
            (one("7", 999), Some("amount")),
            (one("8", 1_000), Some("number")),
            (Observed::Nothing, Some("missing")),
            (Observed::Several(2), Some("doubled")),
        ];
        for (observed, code) in rows {
            let found = check(&expected, &observed).map(|finding| finding.code);
            assert_eq!(found.as_deref(), code, "{observed:?}");
        }
    }
}
