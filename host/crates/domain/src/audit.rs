//! Audit events: every decision, in the transaction of what it describes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::SellerId;

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
            Self::Sending => "sending",
            Self::Answered => "answered",
            Self::LookedUp => "looked_up",
            Self::Reconciled => "reconciled",
            Self::MapperFault => "mapper_fault",
            Self::Redacted => "redacted",
            Self::Changed => "changed",
            Self::MapperChanged => "mapper_changed",
        }
    }
}
