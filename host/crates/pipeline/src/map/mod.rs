//! Hands batches to the seller's mapper and judges what comes back.
//!
//! **Invariant:** a mapper only proposes. Nothing it says is planned before [`ml_connector_domain::validate`] found
//! nothing wrong with it. **Invariant:** a batch that a mapper fails on is cut in halves until the record that it
//! fails on stands alone; only that one goes to the review queue.

mod facts;
mod invoice_day;
mod orders;
mod propose;
mod refunds;
mod transactions;
mod units;

pub(crate) use invoice_day::shipping_day;
pub(crate) use orders::attempt as attempt_order;
pub use orders::map_orders;
pub(crate) use propose::propose;
pub(crate) use transactions::attempt as attempt_transaction;
pub use transactions::map_transactions;

use ml_connector_domain::audit::Action;
use ml_connector_domain::document::Origin;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::Reason;
use ml_connector_domain::{Money, Timestamp};
use ml_connector_ports::MapperFault;
use ml_connector_storage::{Change, ReviewDraft};

pub(crate) use facts::{Facts, moved, open_from};

use crate::{Parts, Seller, StageError, audit, stage, versions};

/// Records in one call of a mapper. Crossing the boundary costs microseconds; a batch that fails is cut down.
pub const BATCH: u32 = 100;

/// The fault code that is not the mapper's.
pub(crate) const HOST_FAULT: &str = "host";

/// What a document is made with: whoever asks later can make it again and compare.
pub(crate) fn origin(parts: &Parts, seller: &Seller, input: &ContentHash) -> Origin {
    let identity = parts.mapper.identity();
    Origin {
        mapper: identity.digest.clone(),
        input: input.clone(),
        catalog: seller.catalog_hash.clone(),
        contract: identity.contract.clone(),
        settings: Some(versions::settings_hash(&seller.settings)),
        other_mappers: Vec::new(),
    }
}

/// The changes that put a record into the review queue.
pub(crate) struct ToReview<'a> {
    pub(crate) seller: &'a Seller,
    pub(crate) kind: &'static str,
    pub(crate) subject: &'a str,
    pub(crate) at_stake: Option<Money>,
    pub(crate) now: Timestamp,
}

impl ToReview<'_> {
    /// One item per reason, one audit event for all.
    pub(crate) fn because(&self, reasons: &[Reason]) -> Vec<Change> {
        let mut changes: Vec<Change> = reasons
            .iter()
            .map(|reason| {
                Change::Review(ReviewDraft {
                    seller: self.seller.id.clone(),
                    kind: self.kind,
                    subject: self.subject.to_owned(),
                    code: reason.code.clone(),
                    about: reason.subject.clone(),
                    message: reason.message.clone(),
                    at_stake: self.at_stake,
                    at: self.now,
                })
            })
            .collect();
        let words: Vec<String> = reasons.iter().map(|r| format!("{}: {}", r.code, r.message)).collect();
        changes.push(audit(self.now, &self.seller.id, self.subject, Action::Reviewed, words.join("; ")));
        changes
    }

    /// As [`ToReview::because`], for the reasons that are not open already: what waits is looked at again and again.
    pub(crate) async fn once(&self, parts: &Parts, reasons: &[Reason]) -> Result<Vec<Change>, StageError> {
        let mut new = Vec::new();
        for reason in reasons {
            let open = parts.store.review_is_open(&self.seller.id, self.kind, self.subject, &reason.code);
            if !open.await? {
                new.push(reason.clone());
            }
        }
        Ok(if new.is_empty() { Vec::new() } else { self.because(&new) })
    }

    /// As [`ToReview::because`], with the record moved to the review stage.
    pub(crate) fn and_stage(&self, reasons: &[Reason]) -> Vec<Change> {
        let mut changes = self.because(reasons);
        changes.push(self.stage(stage::REVIEW));
        changes
    }

    pub(crate) fn stage(&self, stage: &'static str) -> Change {
        Change::Stage {
            seller: self.seller.id.clone(),
            kind: self.kind,
            natural_id: self.subject.to_owned(),
            stage,
            at: self.now,
        }
    }

    pub(crate) fn resolved(&self) -> Change {
        Change::Resolve {
            seller: self.seller.id.clone(),
            kind: self.kind,
            subject: self.subject.to_owned(),
            at: self.now,
        }
    }
}

/// A fault as a reason for review.
pub(crate) fn fault_reason(fault: &MapperFault) -> Reason {
    Reason::new("mapper-fault", fault.code, format!("the mapper failed on this record: {}", fault.message))
}
