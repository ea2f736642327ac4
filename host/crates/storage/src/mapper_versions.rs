//! What is durable about mappers: components, how far each has come with each seller, what went into their batches,
//! and what a shadow would have done otherwise.

use async_trait::async_trait;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{SellerId, Timestamp};

use crate::Result;

/// How far a version has come with a seller. The names are stored: add, never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionState {
    /// Checked, and not in use.
    Validated,
    /// Runs on live input beside the active one; nothing of what it says is posted.
    Shadow,
    /// Maps the seller's records.
    Active,
    /// Was active, or was given up.
    Retired,
}

impl VersionState {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validated => "validated",
            Self::Shadow => "shadow",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

/// A change about mappers.
#[derive(Debug, Clone)]
pub enum MapperChange {
    /// Keeps a component; of one that is known only signatures are added.
    Component(Box<Component>),
    /// Makes a version known to a seller as validated; one that is known stays what it is.
    Validated {
        /// Whose.
        seller: SellerId,
        /// Which.
        digest: ContentHash,
        /// Why it may be used.
        why: String,
        /// When.
        at: Timestamp,
    },
    /// Lets a validated or retired version run as the shadow, in place of another.
    Shadow {
        /// Whose.
        seller: SellerId,
        /// Which; `None` ends shadowing.
        digest: Option<ContentHash>,
        /// When.
        at: Timestamp,
    },
    /// Points a seller at a version; the one before becomes where a roll-back goes.
    Activate {
        /// Whose.
        seller: SellerId,
        /// Which; `None` is the configuration's file.
        digest: Option<ContentHash>,
        /// Who or what decided.
        why: String,
        /// When.
        at: Timestamp,
    },
    /// Points a seller back. Refused if there is nothing to go back to.
    RollBack {
        /// Whose.
        seller: SellerId,
        /// Who or what decided.
        why: String,
        /// When.
        at: Timestamp,
    },
    /// Keeps what went into a batch.
    Input {
        /// The batch's name: the hash of what is packed.
        input: ContentHash,
        /// Whose.
        seller: SellerId,
        /// Packed with gzip.
        packed: Vec<u8>,
        /// When.
        at: Timestamp,
    },
    /// Forgets what went into a seller's batches before a time. The batches stay known.
    ForgetInputs {
        /// Whose.
        seller: SellerId,
        /// Before this.
        before: Timestamp,
    },
    /// Counts a shadow's batch, and keeps where it would have booked otherwise.
    Shadowed {
        /// Whose.
        seller: SellerId,
        /// The shadow.
        digest: ContentHash,
        /// Records in the batch.
        records: usize,
        /// Fuel burnt.
        fuel: u64,
        /// Whether it failed.
        fault: bool,
        /// Where it differs.
        differences: Vec<Difference>,
        /// When.
        at: Timestamp,
    },
    /// Makes the records ready again that went to review since a time because the mapper failed on them.
    Requeue {
        /// Whose.
        seller: SellerId,
        /// Since.
        since: Timestamp,
        /// When.
        at: Timestamp,
    },
}

/// A component as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// SHA-256 of the bytes.
    pub digest: ContentHash,
    /// As it describes itself.
    pub name: String,
    /// As it describes itself.
    pub version: String,
    /// The contract it was built against.
    pub contract: String,
    /// Who signed it, when it was first kept.
    pub author: Option<String>,
    /// Authors' signatures over the digest, as they came; each that is new is added to those that are kept.
    pub signatures: Vec<String>,
    /// The bytes as uploaded.
    pub bytes: Vec<u8>,
    /// When it came.
    pub added_at: Timestamp,
}

/// A record whose effect on an account differs between two versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The order or transaction.
    pub subject: String,
    /// What is booked and where: `invoice 01-110-41000`, `review unmapped-sku`.
    pub account: String,
    /// ISO 4217; empty where no money is named.
    pub currency: String,
    /// By the active one, in minor units.
    pub active_minor: i64,
    /// By the other.
    pub shadow_minor: i64,
}

/// Which versions are in use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pointer {
    /// The active one; `None` is the configuration's file.
    pub active: Option<ContentHash>,
    /// Where a roll-back goes: `Some(None)` is the configuration's file.
    pub previous: Option<Option<ContentHash>>,
    /// Since when; `None` if it was never moved.
    pub since: Option<Timestamp>,
    /// The shadow.
    pub shadow: Option<ContentHash>,
}

/// A seller's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// Whose.
    pub seller: SellerId,
    /// Which.
    pub digest: ContentHash,
    /// As it describes itself.
    pub name: String,
    /// As it describes itself.
    pub version: String,
    /// Who signed it.
    pub author: Option<String>,
    /// `validated`, `shadow`, `active` or `retired`.
    pub state: String,
    /// Why.
    pub why: String,
    /// Since when.
    pub changed_at: Timestamp,
}

/// What a shadow did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShadowTotals {
    /// Batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Batches that it failed on.
    pub faults: u64,
    /// Fuel burnt.
    pub fuel: u64,
}

/// Differences of one account, summed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferenceTotals {
    /// What is booked and where.
    pub account: String,
    /// ISO 4217.
    pub currency: String,
    /// Records that differ there.
    pub records: u64,
    /// By the active one, in minor units.
    pub active_minor: i64,
    /// By the other.
    pub shadow_minor: i64,
    /// One of the records.
    pub example: String,
}

/// A batch with what went into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedBatch {
    /// Its name.
    pub input: ContentHash,
    /// Whose.
    pub seller: SellerId,
    /// `orders` or `transactions`.
    pub kind: String,
    /// The mapper.
    pub mapper: ContentHash,
    /// Fuel burnt.
    pub fuel: u64,
    /// Hash of the outcomes; `None` if it failed, or is from before outcomes were kept.
    pub outcome: Option<ContentHash>,
    /// What went in, packed; `None` if it was not kept, or not for this long.
    pub packed: Option<Vec<u8>>,
}

/// Reads about mappers. Part of [`crate::Store`].
///
/// # Errors
/// As for [`crate::Store`].
#[async_trait]
pub trait MapperVersions: Send + Sync {
    /// Which versions a seller uses.
    async fn mapper_pointer(&self, seller: &SellerId) -> Result<Pointer>;

    /// A component.
    async fn mapper_component(&self, digest: &ContentHash) -> Result<Option<Component>>;

    /// All versions of all sellers, newest change first.
    async fn mapper_versions(&self) -> Result<Vec<VersionRow>>;

    /// On how many single records a mapper failed since a time.
    async fn mapper_faults(&self, seller: &SellerId, digest: &ContentHash, since: Timestamp) -> Result<u64>;

    /// A seller's batches since a time, in the order of their names, after one of them.
    async fn recorded_batches(
        &self,
        seller: &SellerId,
        since: Timestamp,
        after: &str,
        limit: u32,
    ) -> Result<Vec<RecordedBatch>>;

    /// The batches whose names begin like this, at most two, failed ones too: enough to see whether one is meant.
    async fn recorded_batch(&self, beginning: &str) -> Result<Vec<RecordedBatch>>;

    /// The documents that name a batch as their input, and the bookings made in it, as stored: `(subject, JSON)`.
    async fn made_in_batch(&self, input: &ContentHash) -> Result<MadeInBatch>;

    /// What a shadow did.
    async fn shadow_totals(&self, seller: &SellerId, digest: &ContentHash) -> Result<ShadowTotals>;

    /// Where a shadow differs, by account.
    async fn shadow_differences(
        &self,
        seller: &SellerId,
        digest: &ContentHash,
    ) -> Result<Vec<DifferenceTotals>>;
}

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MadeInBatch {
    /// Documents: their bodies as stored.
    pub documents: Vec<String>,
    /// Bookings: transaction and lines as stored.
    pub bookings: Vec<(String, String)>,
}
