//! The stages that take a record from Amazon to Fusion, and the worker that runs them for one seller.
//!
//! ```text
//! poll, backfill -> normalize, archive -> map -> (settle) -> post -> watch, reconcile
//! ```
//!
//! Each stage reads what the one before left durable, decides, and hands the store one list of changes with the
//! audit events that describe them. A stage can be stopped anywhere and started again.
//!
//! # To add a stage
//!
//! 1. Name the stage a record waits at in [`stage`], and say in the table of `host/ARCHITECTURE.md` what is durable
//!    before and after.
//! 2. Write it as one module: a struct of what it needs, one public function that works off what is pending, pure
//!    helpers below. It returns [`StageError`]; only the worker decides what an error means for the cycle.
//! 3. Call it in [`worker`], in the order of the flow.
//!
//! **Architecture invariant:** no wire type, SQL, HTTP or Wasm here; the outside is `ml-connector-ports`.

pub mod accrue;
pub mod adjust;
pub mod archive;
pub mod backfill;
mod before;
pub mod bulk;
pub mod buyer;
pub mod catalog_file;
pub mod catalog_use;
pub mod catalogs;
pub mod correct;
pub mod correct_range;
pub mod explain;
pub mod invoices;
mod journal;
pub mod map;
pub mod normalize;
#[cfg(test)]
mod order_of_arrival;
mod own_rate;
pub mod pause;
pub mod poll;
pub mod post;
pub mod pulse;
pub mod quiet;
pub mod receipts;
pub mod reconcile;
pub mod report;
pub mod resolve;
pub mod restored;
pub mod reverse;
pub mod seller;
pub mod settle;
pub mod tie_out;
pub mod versions;
pub mod watch;
pub mod worker;

use std::sync::Arc;

use ml_connector_domain::Clock;
use ml_connector_domain::audit::{Action, AuditEvent};
use ml_connector_domain::{SellerId, Timestamp};
use ml_connector_ports::{AmazonSource, Mapper, SourceError, Target};
use ml_connector_storage::{Change, Store, StoreError};

pub use seller::Seller;

/// The stages that a record can be at. The names are stored: add, never rename.
pub mod stage {
    /// Not to be mapped yet: an order not shipped, a deferred transaction, an open settlement.
    pub const WAITING: &str = "waiting";
    /// To be mapped, or for a settlement: to be journaled once it is complete.
    pub const READY: &str = "ready";
    /// A refund whose order has not been decided yet.
    pub const HELD: &str = "held";
    /// A transaction whose lines wait for its settlement to close.
    pub const BOOKED: &str = "booked";
    /// Recognised by a document.
    pub const DOCUMENTED: &str = "documented";
    /// A deferred transaction whose money its release stands for.
    pub const LINKED: &str = "linked";
    /// In the review queue.
    pub const REVIEW: &str = "review";
    /// Nothing for the books.
    pub const SKIPPED: &str = "skipped";
    /// From before the seller's start: kept, never booked.
    pub const HISTORY: &str = "history";
}

/// The legs under which Amazon's money is recognised, once each.
pub mod leg {
    /// An order's receivable.
    pub const RECEIVABLE: &str = "receivable";
    /// What a refund takes back from a receivable.
    pub const REFUND: &str = "refund";
    /// A transaction's effect on its settlement.
    pub const SETTLEMENT: &str = "settlement";
    /// What a change of a transaction after it was journaled does to its settlement; the source is
    /// `<transaction>/<number of the adjustment>`.
    pub const ADJUSTMENT: &str = "adjustment";
    /// A deferred transaction, accrued at a month's end.
    pub const ACCRUAL: &str = "accrual";
    /// A deferred transaction, released: what takes its accrual back.
    pub const ACCRUAL_REVERSAL: &str = "accrual-reversal";
    /// A transaction's cash, taken up by a receipt.
    pub const RECEIPT: &str = "receipt";
    /// What takes a whole document back; the source is the document's key.
    pub const REVERSAL: &str = "reversal";
    /// The revision that takes a document's place; the source is the key of the one before.
    pub const REPLACEMENT: &str = "replacement";
}

/// What kind of record, as stored.
pub mod kind {
    /// An order.
    pub const ORDER: &str = "order";
    /// A finance transaction.
    pub const TRANSACTION: &str = "transaction";
    /// A financial event group: a settlement.
    pub const GROUP: &str = "group";
    /// A settlement report.
    pub const REPORT: &str = "report";
    /// A payout to the bank.
    pub const PAYOUT: &str = "payout";
    /// In the review queue only: the credit memo of a refund.
    pub const REFUND: &str = "refund";
    /// In the review queue only: a month's deferred money.
    pub const ACCRUAL: &str = "accrual";
    /// In the review queue only: a settlement's cash from one customer.
    pub const RECEIPT: &str = "receipt";
    /// In the review queue only: a version of the mapper.
    pub const MAPPER: &str = "mapper";
    /// In the review queue only: a document.
    pub const DOCUMENT: &str = "document";
    /// In the review queue only: an account or a period.
    pub const LEDGER: &str = "ledger";
    /// In the review queue only: a stream that brings nothing.
    pub const STREAM: &str = "stream";
}

/// What every stage works with. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Amazon.
    pub source: Arc<dyn AmazonSource>,
    /// Fusion.
    pub target: Arc<dyn Target>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The mapper: the configuration's until [`versions::choose`] has put the active version in its place.
    pub mapper: Arc<dyn Mapper>,
    /// What may take the mapper's place, and how versions are watched.
    pub versions: versions::Versions,
    /// Catalogs that were read.
    pub catalogs: catalogs::Catalogs,
}

/// Why a stage stopped. What it had not done yet is still pending.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A remote failed.
    #[error("a remote failed")]
    Remote(#[from] SourceError),
    /// The sandbox failed, through no fault of the mapper.
    #[error("the mapper's host failed: {0}")]
    MapperHost(String),
    /// The mapper failed too often: what is ready stays ready.
    #[error("MAP-PARKED: {0}")]
    Parked(String),
    /// A stored record cannot be read back: a defect of ours.
    #[error("a stored {what} cannot be read back: {message}")]
    Corrupt {
        /// Which.
        what: &'static str,
        /// Why.
        message: String,
    },
    /// A posting was told something that cannot happen: a defect of ours.
    #[error(transparent)]
    Transition(#[from] ml_connector_domain::posting::InvalidTransition),
    /// An amount does not fit or currencies mix.
    #[error(transparent)]
    Money(#[from] ml_connector_domain::money::MoneyError),
}

/// An audit event as a change.
fn audit(
    at: Timestamp,
    seller: &SellerId,
    subject: impl Into<String>,
    action: Action,
    detail: impl Into<String>,
) -> Change {
    Change::Audit(AuditEvent {
        at,
        seller: seller.clone(),
        subject: subject.into(),
        action,
        detail: detail.into(),
    })
}

/// Reads a stored record back.
fn stored<T: serde::de::DeserializeOwned>(what: &'static str, json: &str) -> Result<T, StageError> {
    serde_json::from_str(json).map_err(|error| StageError::Corrupt { what, message: error.to_string() })
}

/// Writes a record as it is stored.
fn to_stored<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String, StageError> {
    serde_json::to_string(value).map_err(|error| StageError::Corrupt { what, message: error.to_string() })
}
