//! Audit events: every decision, in the transaction of what it describes; and the Merkle log that they are leaves of.

pub mod checkpoint;
pub mod merkle;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::SellerId;
use merkle::Hash;

/// What an event is about, so that its story can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// When, by the daemon's clock.
    pub at: Timestamp,
    /// Whose.
    pub seller: SellerId,
    /// The order, transaction, settlement or document key it is about.
    pub subject: String,
    /// What happened.
    pub action: Action,
    /// In words and figures; never a secret.
    pub detail: String,
}

/// What happened. The names are stored: add, never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A raw payload was seen for the first time.
    Read,
    /// A canonical version was made of it.
    Normalized,
    /// A mapper decided.
    Mapped,
    /// Nothing for the books.
    Skipped,
    /// Sent to the review queue.
    Reviewed,
    /// A review item was settled.
    Resolved,
    /// A document and its posting became durable.
    Planned,
    /// The hash of a document's bytes, in the transaction that made them durable.
    Recorded,
    /// About to be sent: written before the first byte.
    Sending,
    /// What Fusion answered, or that it did not.
    Answered,
    /// A look-up's result.
    LookedUp,
    /// Read back and compared.
    Reconciled,
    /// A mapper failed or exceeded a limit.
    MapperFault,
    /// Data about the buyer was taken out.
    Redacted,
    /// Something changed in Fusion after it was posted.
    Changed,
    /// A mapper's version was activated, or rolled back.
    MapperChanged,
    /// Stands where an event was missing when the log was begun over older events.
    Missing,
}

impl Action {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Normalized => "normalized",
            Self::Mapped => "mapped",
            Self::Skipped => "skipped",
            Self::Reviewed => "reviewed",
            Self::Resolved => "resolved",
            Self::Planned => "planned",
            Self::Recorded => "recorded",
            Self::Sending => "sending",
            Self::Answered => "answered",
            Self::LookedUp => "looked_up",
            Self::Reconciled => "reconciled",
            Self::MapperFault => "mapper_fault",
            Self::Redacted => "redacted",
            Self::Changed => "changed",
            Self::MapperChanged => "mapper_changed",
            Self::Missing => "missing",
        }
    }
}

/// An event as it is a leaf of the log: all that is stored of it, and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Leaf<'a> {
    /// Its number: 1 for the first, without gaps. As a leaf of the tree it has the index `id - 1`.
    pub id: i64,
    /// When, in milliseconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// Whose.
    pub seller: &'a str,
    /// What it is about.
    pub subject: &'a str,
    /// [`Action::as_str`].
    pub action: &'a str,
    /// In words.
    pub detail: &'a str,
}

impl<'a> Leaf<'a> {
    /// An event with its number.
    pub fn of(id: i64, event: &'a AuditEvent) -> Self {
        Self {
            id,
            at: event.at.as_millisecond(),
            seller: event.seller.as_str(),
            subject: &event.subject,
            action: event.action.as_str(),
            detail: &event.detail,
        }
    }

    /// The canonical bytes: one line of JSON without spaces, members in the order of this type's fields. They are
    /// what an auditor hashes by hand, so the form never changes.
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and texts can be written as JSON")
    }

    /// The leaf's hash.
    pub fn hash(&self) -> Hash {
        Hash::leaf(&self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `printf '\\0%s' '<the line>' | sha256sum`: the form is fixed for as long as there are logs.
    #[test]
    fn the_canonical_form_is_fixed() {
        let event = AuditEvent {
            at: "2026-10-01T00:00:00Z".parse().expect("a time"),
            seller: "A1".into(),
            subject: "113-1".to_owned(),
            action: Action::Answered,
            detail: "\"quoted\"\n\u{e9}".to_owned(),
        };
        let leaf = Leaf::of(7, &event);
        let line = r#"{"id":7,"at":1790812800000,"seller":"A1","subject":"113-1","action":"answered","detail":"\"quoted\"\né"}"#;
        assert_eq!(String::from_utf8(leaf.bytes()).expect("text"), line);
        assert_eq!(
            leaf.hash().to_string(),
            "aa8524aebd482f29cc43a6524212f335536ab5970c6e3a54c5a260e6240ce359"
        );
    }
}
