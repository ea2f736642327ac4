//! Identifiers, each its own type, so that a settlement id is never taken for an order id.

use std::fmt;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        #[schemars(inline)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it came.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

text_id! {
    /// The connector's name for a seller: an Amazon merchant token such as `A3FHEXAMPLE`.
    SellerId
}
text_id! {
    /// Amazon's marketplace id, e.g. `ATVPDKIKX0DER`. An open set: pseudo-marketplaces occur.
    MarketplaceId
}
text_id! {
    /// Amazon's order id, usually in 3-7-7 format.
    OrderId
}
text_id! {
    /// Amazon's order item id: a string of digits whose leading zeros matter.
    OrderItemId
}
text_id! {
    /// The seller's stock-keeping unit; may hold slashes, spaces and plus signs.
    Sku
}
text_id! {
    /// Amazon's finance transaction id (43 characters as seen).
    TransactionId
}
text_id! {
    /// Amazon's financial event group id: one settlement of one currency.
    GroupId
}
text_id! {
    /// Fusion's own number of a document (a CustomerTransactionId, a JeBatchId). Wider than JavaScript's
    /// integers, and sent as number or string depending on the framework version, so kept as text.
    FusionId
}

/// The key under which a document is posted, at most once: 20 characters, since that is what a receivables
/// transaction number holds (Oracle, receivablesInvoices: TransactionNumber).
///
/// Derived from what the document is about, never from time or chance, so that the same document planned twice
/// has the same key, and a posting whose answer was lost can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DocumentKey(String);

impl DocumentKey {
    /// Length in characters.
    pub const LENGTH: usize = 20;

    /// Derives the key of revision `revision` of the document of kind `kind` about `subject` for `seller`.
    ///
    /// `kind` is the first letter (`I`, `C`, `J`, `R`); the rest are the first 95 bits of a SHA-256 over
    /// length-prefixed parts, in base 32.
    pub fn derive(kind: char, seller: &SellerId, subject: &str, revision: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"ml-connector document key 1");
        for part in [kind.to_string().as_str(), seller.as_str(), subject, &revision.to_string()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let text = BASE32_NOPAD.encode(&hash.finalize());
        Self(format!("{kind}{}", &text[..Self::LENGTH - 1]))
    }

    /// Takes back a key that was stored.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, as Fusion gets it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A GL interface group id for attempt `attempt`: positive and below 10^18, since the column is NUMBER(18)
    /// (Oracle, GlInterface.csv column 67). A new attempt gets a new group, because rows that a failed import
    /// left behind would be picked up again under the old one.
    pub fn group_id(&self, attempt: u32) -> u64 {
        let mut hash = Sha256::new();
        hash.update(b"ml-connector gl group 1");
        hash.update(self.0.as_bytes());
        hash.update(attempt.to_be_bytes());
        let digest = hash.finalize();
        let mut first = [0_u8; 8];
        first.copy_from_slice(&digest[..8]);
        // Never below 10^15: a number no person would choose for a group of their own.
        1_000_000_000_000_000 + u64::from_be_bytes(first) % 999_000_000_000_000_000
    }
}

impl fmt::Display for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A SHA-256 over bytes, in lower-case hex: names raw payloads, canonical versions, mappers and inputs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentHash(String);

impl ContentHash {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(HEXLOWER.encode(&Sha256::digest(bytes)))
    }

    /// Takes back a hash that was stored.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_key_depends_on_every_part_and_fits() {
        let seller = SellerId::from("A1");
        let key = DocumentKey::derive('I', &seller, "113-1", 0);
        assert_eq!(key.as_str().len(), DocumentKey::LENGTH);
        assert!(key.as_str().bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
        assert_eq!(key, DocumentKey::derive('I', &seller, "113-1", 0));
        let others = [
            DocumentKey::derive('C', &seller, "113-1", 0),
            DocumentKey::derive('I', &SellerId::from("A11"), "13-1", 0),
            DocumentKey::derive('I', &seller, "113-2", 0),
            DocumentKey::derive('I', &seller, "113-1", 1),
        ];
        assert!(others.iter().all(|other| *other != key));
    }

    /// Keys and group ids are in Fusion: another version, process or machine must come to the same.
    #[test]
    fn pain_8_keys_and_group_ids_are_the_same_in_every_process() {
        let key = DocumentKey::derive('J', &SellerId::from("A1"), "G1", 0);
        assert_eq!((key.as_str(), key.group_id(1)), ("JOPUSW26GU5H7CEIIH3H", 536_421_750_088_119_712));
    }

    #[test]
    fn each_attempt_has_a_group_id_of_its_own_that_fits_eighteen_digits() {
        let key = DocumentKey::derive('J', &SellerId::from("A1"), "g", 0);
        assert_ne!(key.group_id(1), key.group_id(2));
        assert!((1..100).all(|attempt| key.group_id(attempt) < 1_000_000_000_000_000_000));
    }
}
