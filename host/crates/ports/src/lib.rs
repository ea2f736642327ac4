//! What the pipeline needs of the outside, as traits: Amazon, Fusion and a mapper.
//!
//! A crate of its own, so that the clients and the sandbox can neither see the store nor be recompiled when a
//! stage changes. `amazon`, `fusion` and `mapper` implement these; `pipeline` calls them; `host` joins the two.
//!
//! # To add a remote call
//!
//! Add a method here, in the domain's terms, with its errors; implement it in the client's crate, where the wire
//! types stay; and give the simulator the same endpoint before the first test.

mod loader;

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use ml_connector_domain::canonical::{
    Group, Order, Participation, Payout, Product, SettlementReport, Transaction,
};
use ml_connector_domain::document::{Document, Kind};
use ml_connector_domain::id::FusionId;
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::mapping::{BatchContext, Mapped, MapperIdentity, OrderOutcome, TransactionOutcome};
use ml_connector_domain::reconcile::{Observed, Sent};
use ml_connector_domain::refusal::Refusal;
use ml_connector_domain::validate::{Module, Period};
use ml_connector_domain::{Date, MarketplaceId, Money, Region, SellerId, Sku, Timestamp};

pub use loader::MapperLoader;

/// One authorisation: a seller in a region.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    /// The seller.
    pub seller: SellerId,
    /// The region.
    pub region: Region,
}

/// What is read from Amazon, each with a cursor of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Orders by last update.
    Orders,
    /// Finance transactions by posted date.
    Transactions,
    /// Financial event groups by start.
    Groups,
    /// Payouts to the bank by creation.
    Payouts,
    /// Settlement reports by creation.
    Reports,
}

impl Stream {
    /// All streams, in the order in which they are polled.
    pub const ALL: [Self; 5] = [Self::Orders, Self::Transactions, Self::Groups, Self::Payouts, Self::Reports];

    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Transactions => "transactions",
            Self::Groups => "groups",
            Self::Payouts => "payouts",
            Self::Reports => "reports",
        }
    }
}

/// Who waits for a call's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A poll of what is new: takes what the rate limit has left.
    Live,
    /// Old records being read in: leaves calls in hand for polls.
    Backfill,
}

/// What is asked of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask<'a> {
    /// Which stream.
    pub stream: Stream,
    /// The span of time.
    pub window: Window,
    /// Continues a window.
    pub token: Option<&'a str>,
    /// Who waits.
    pub urgency: Urgency,
}

/// When a call that failed may be tried again. Kept outside the process, so that a restart goes on waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Tries so far.
    pub attempt: u32,
    /// Not before this.
    pub until: Timestamp,
}

/// Keeps pauses.
#[async_trait]
pub trait PauseMemory: Send + Sync {
    /// The pause under a key.
    ///
    /// # Errors
    /// It cannot be read.
    async fn pause(&self, key: &str) -> Result<Option<Pause>, SourceError>;

    /// Keeps a pause, or forgets it.
    ///
    /// # Errors
    /// It cannot be kept.
    async fn keep(&self, key: &str, pause: Option<Pause>) -> Result<(), SourceError>;
}

/// A half-open span of time to be read, `from` inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From, inclusive.
    pub from: Timestamp,
    /// To; must be at least two minutes old (Amazon refuses fresher bounds).
    pub to: Timestamp,
}

/// One record of a page, in Amazon's own bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// Amazon's id of the order, transaction or group.
    pub natural_id: String,
    /// The record's JSON text exactly as it stood in the page.
    pub json: String,
    /// Whether it holds data about the buyer, which may not be kept for long.
    pub buyer_data: bool,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its records; an empty page with a token is legal.
    pub records: Vec<RawRecord>,
    /// To be sent with the same window for the next page; absent on the last.
    pub next: Option<String>,
    /// The upper bound that Amazon applied, where it says so; becomes the next cursor.
    pub applied_to: Option<Timestamp>,
}

/// Why a call to a remote brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Throttled, unreachable or failing: the same call may work later.
    #[error("{code}: {message} (to be tried again)")]
    Transient {
        /// Stable code.
        code: &'static str,
        /// What was seen; holds no secret.
        message: String,
        /// Not before this long, if the remote said so.
        retry_after: Option<Duration>,
    },
    /// A page token that no longer works: start the window again.
    #[error("{code}: {message} (the window is read again)")]
    StaleToken {
        /// Stable code.
        code: &'static str,
        /// What was seen.
        message: String,
    },
    /// A person has to act: revoked authorisation, missing role, wrong secret, malformed request.
    #[error("{code}: {message}")]
    Refused {
        /// Stable code.
        code: &'static str,
        /// What was seen and what to do.
        message: String,
    },
}

/// A payload that cannot be made into a canonical record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Unreadable {
    /// Where, as a JSON path.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// Amazon, as the poller and the normalizer see it.
#[async_trait]
pub trait AmazonSource: Send + Sync {
    /// Reads one page.
    ///
    /// # Errors
    /// See [`SourceError`]. Throttling and brief failures have been waited out already.
    async fn page(&self, account: &Account, ask: Ask<'_>) -> Result<Page, SourceError>;

    /// Downloads the file of a settlement report, unpacked but in whatever character set Amazon wrote it.
    ///
    /// # Errors
    /// As [`AmazonSource::page`]; `report` is the report's record as listed.
    async fn report_file(&self, account: &Account, report: &str) -> Result<Vec<u8>, SourceError>;

    /// Where the seller sells.
    ///
    /// # Errors
    /// As [`AmazonSource::page`].
    async fn participations(&self, account: &Account) -> Result<Vec<Participation>, SourceError>;

    /// What the catalog of a marketplace says of products; unknown ones are missing from the answer.
    ///
    /// # Errors
    /// As [`AmazonSource::page`].
    async fn products(
        &self,
        account: &Account,
        marketplace: &MarketplaceId,
        skus: &[Sku],
    ) -> Result<Vec<Product>, SourceError>;

    /// Makes a canonical order of a raw one.
    ///
    /// # Errors
    /// A payload that is not understood or whose amounts do not foot; it goes to the review queue.
    fn order(&self, json: &str) -> Result<Order, Unreadable>;

    /// Makes a canonical transaction of a raw one.
    ///
    /// # Errors
    /// As [`AmazonSource::order`].
    fn transaction(&self, json: &str) -> Result<Transaction, Unreadable>;

    /// Makes a canonical group of a raw one.
    ///
    /// # Errors
    /// As [`AmazonSource::order`].
    fn group(&self, json: &str) -> Result<Group, Unreadable>;

    /// Makes a canonical payout of a raw one.
    ///
    /// # Errors
    /// As [`AmazonSource::order`].
    fn payout(&self, json: &str) -> Result<Payout, Unreadable>;

    /// Reads a settlement report's file.
    ///
    /// # Errors
    /// It is no settlement report, or its rows do not sum to the total it states.
    fn settlement_report(&self, file: &[u8]) -> Result<SettlementReport, Unreadable>;

    /// Takes everything about the buyer out of an order's payload.
    ///
    /// # Errors
    /// It is no JSON.
    fn without_buyer_data(&self, json: &str) -> Result<String, Unreadable>;
}

/// What became of a document that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is in, under this number.
    Accepted(FusionId),
    /// A job works on it.
    InProgress(String),
    /// No, for these reasons.
    Refused(Vec<Refusal>),
    /// Fusion says that its number exists already; it is to be looked up.
    Contested(Refusal),
    /// It surely did not reach Fusion's books; not before this long again.
    NotSent {
        /// Why.
        reason: String,
        /// How long to wait.
        retry_after: Duration,
    },
    /// Nobody knows: cut, timed out, or a 5xx.
    Lost(String),
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobStatus {
    /// Not ended; PAUSED is running, too.
    Running,
    /// Ended and all its descendants succeeded; the batch is to be looked up.
    Done,
    /// Ended without the batch: what was wrong with which rows.
    Failed(Vec<Refusal>),
    /// Ended, and of its documents some may be in and some not, in Fusion's words: each is to be looked up.
    Ended(String),
}

/// A document as Fusion shows it in a list of what changed; it may be anybody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Fusion's number.
    pub fusion_id: FusionId,
    /// Its status, in Fusion's word: `Complete`, `Frozen`, `U`, `P`.
    pub status: String,
    /// What is still open of it, where Fusion says so.
    pub balance: Option<Money>,
    /// When it was changed last, by Fusion's clock.
    pub updated: Timestamp,
}

/// Fusion, as the poster and the reconciler see it.
#[async_trait]
pub trait Target: Send + Sync {
    /// Sends a document, once. Never retries by itself.
    async fn send(&self, setup: &LedgerSetup, document: &Document, attempt: u32) -> Answer;

    /// Sends several documents of one kind in one bulk import, once. [`Answer::InProgress`] stands for all of them.
    async fn send_bulk(&self, setup: &LedgerSetup, documents: &[&Document]) -> Answer;

    /// What is still to be done about a document that a look-up has found, as a request to be followed: a receipt is to
    /// be applied. `None` if nothing is.
    ///
    /// # Errors
    /// The question failed: nothing learnt.
    async fn follow_up(&self, document: &Document, id: &FusionId) -> Result<Option<String>, SourceError>;

    /// Whether a document can go by bulk import.
    fn takes_in_bulk(&self, setup: &LedgerSetup, document: &Document) -> bool;

    /// Asks how a job stands, and takes it a step further where the remote waits for that.
    ///
    /// # Errors
    /// The question failed: nothing learnt.
    async fn job(&self, setup: &LedgerSetup, request: &str) -> Result<JobStatus, SourceError>;

    /// What Fusion holds once the document stands there as it is sent.
    ///
    /// # Errors
    /// It cannot be sent at all; the reason is what [`Target::send`] would be refused with.
    fn content_of(&self, setup: &LedgerSetup, document: &Document) -> Result<Sent, Refusal>;

    /// Looks a document up, under its key first, and reads back all that it holds.
    ///
    /// # Errors
    /// The look-up failed: nothing learnt.
    async fn look_up(&self, setup: &LedgerSetup, document: &Document) -> Result<Observed, SourceError>;

    /// The documents of a kind that were changed at `since` or later; deletions do not show.
    ///
    /// # Errors
    /// The question failed.
    async fn changed_since(
        &self,
        setup: &LedgerSetup,
        kind: Kind,
        since: Timestamp,
    ) -> Result<Vec<Shown>, SourceError>;

    /// Has the imported batches posted, as the ledger's `auto_post` says; `None` where it says nothing, else the
    /// number of the request.
    ///
    /// # Errors
    /// It could not be asked for. The batches stand all the same.
    async fn post_batches(&self, setup: &LedgerSetup) -> Result<Option<String>, SourceError>;

    /// Which of `combinations` exist and are enabled. A yes is believed if it is not older than `no_older_than`; a
    /// no is always asked for.
    ///
    /// # Errors
    /// The question failed.
    async fn known_accounts(
        &self,
        setup: &LedgerSetup,
        combinations: &BTreeSet<String>,
        no_older_than: SignedDuration,
    ) -> Result<BTreeSet<String>, SourceError>;

    /// The period that `date` falls into; believed if it is not older than `no_older_than`.
    ///
    /// # Errors
    /// The question failed.
    async fn period(
        &self,
        setup: &LedgerSetup,
        module: Module,
        date: Date,
        no_older_than: SignedDuration,
    ) -> Result<Period, SourceError>;
}

/// A batch that a mapper did not map. It is the mapper's fault unless `host` says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct MapperFault {
    /// Stable code: `trap`, `fuel-exhausted`, `deadline`, `memory-limit`, `output-limit`, `bad-output`, `host`.
    pub code: &'static str,
    /// What happened; for a panic, its message and place.
    pub message: String,
    /// Fuel burnt until then.
    pub fuel: u64,
    /// What the mapper logged until then.
    pub log: Vec<String>,
}

/// A mapper, loaded.
#[async_trait]
pub trait Mapper: Send + Sync {
    /// Which one.
    fn identity(&self) -> &MapperIdentity;

    /// Maps a batch of orders.
    ///
    /// # Errors
    /// The mapper trapped, exceeded a limit or answered with something that cannot be used.
    async fn map_orders(
        &self,
        context: &BatchContext,
        orders: &[Order],
    ) -> Result<Mapped<OrderOutcome>, MapperFault>;

    /// Maps a batch of transactions.
    ///
    /// # Errors
    /// As [`Mapper::map_orders`].
    async fn map_transactions(
        &self,
        context: &BatchContext,
        transactions: &[Transaction],
    ) -> Result<Mapped<TransactionOutcome>, MapperFault>;
}
