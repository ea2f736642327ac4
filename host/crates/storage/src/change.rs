//! Everything that can be written, as data.

use ml_connector_domain::audit::AuditEvent;
use ml_connector_domain::document::Document;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::JournalLine;
use ml_connector_domain::posting::State;
use ml_connector_domain::{DocumentKey, GroupId, Money, Region, SellerId, Timestamp};

use crate::catalogs::CatalogChange;
use crate::corrections::CorrectionChange;
use crate::mapper_versions::MapperChange;
use crate::operations::OperationsChange;
use crate::read::Cursor;
use crate::reviews::ReviewChange;
use crate::upkeep::{Backfill, StoredPause};
use crate::watch::FusionChange;

/// One change. A list of them is applied in one transaction.
#[derive(Debug, Clone)]
pub enum Change {
    /// Moves a stream's cursor.
    Cursor {
        /// Whose.
        seller: SellerId,
        /// Where.
        region: Region,
        /// Which stream.
        stream: &'static str,
        /// To here.
        cursor: Cursor,
    },
    /// Keeps a payload in Amazon's own bytes; one that is known already is left alone.
    Raw {
        /// Whose.
        seller: SellerId,
        /// Where it came from.
        region: Region,
        /// Which stream it came from.
        stream: &'static str,
        /// Amazon's id.
        natural_id: String,
        /// The bytes.
        body: String,
        /// Whether they hold data about the buyer.
        buyer_data: bool,
        /// When it was first seen.
        at: Timestamp,
    },
    /// Marks a payload as normalized (or as put into review).
    RawDone {
        /// Whose.
        seller: SellerId,
        /// Stream it came from.
        stream: String,
        /// Amazon's id.
        natural_id: String,
        /// The payload.
        hash: ContentHash,
    },
    /// Adds a canonical version and makes it the newest; a content that is known already changes nothing.
    Canonical {
        /// Whose.
        seller: SellerId,
        /// `order`, `transaction` or `group`.
        kind: &'static str,
        /// Amazon's id.
        natural_id: String,
        /// Where.
        region: Region,
        /// The record as JSON.
        record: String,
        /// The payload it was made of.
        raw: ContentHash,
        /// How far it has come.
        stage: &'static str,
        /// The settlement, for transactions that have one.
        group: Option<GroupId>,
        /// The economic event: for a release the deferred transaction's id, else its own.
        economic_id: String,
        /// When.
        at: Timestamp,
    },
    /// Moves a record to another stage.
    Stage {
        /// Whose.
        seller: SellerId,
        /// `order`, `transaction` or `group`.
        kind: &'static str,
        /// Amazon's id.
        natural_id: String,
        /// The new stage.
        stage: &'static str,
        /// When.
        at: Timestamp,
    },
    /// Records a call of a mapper.
    Batch(BatchRecord),
    /// About single items of the review queue.
    ReviewItem(ReviewChange),
    /// About corrections.
    Correction(CorrectionChange),
    /// About catalogs.
    Catalog(CatalogChange),
    /// Keeps a transaction's journal lines until its settlement closes. What a journal holds of it already stays behind
    /// that journal.
    Booking {
        /// Whose.
        seller: SellerId,
        /// The transaction.
        transaction: String,
        /// Its settlement.
        group: GroupId,
        /// Its total.
        total: Money,
        /// Its lines.
        lines: Vec<JournalLine>,
        /// The batch's input hash.
        batch: ContentHash,
    },
    /// Keeps a deferred transaction as a month accrues it; refused if one has already.
    Accrual {
        /// Whose.
        seller: SellerId,
        /// The transaction.
        transaction: String,
        /// `2026-10`.
        month: String,
        /// Its total.
        total: Money,
        /// Its lines as they enter the journal.
        lines: Vec<JournalLine>,
        /// The batch's input hash.
        batch: ContentHash,
    },
    /// Says when a month's deferred money is to be looked at again; `None` once nothing is left to do.
    AccruedMonth {
        /// Whose.
        seller: SellerId,
        /// `2026-10`.
        month: String,
        /// When.
        next_look: Option<Timestamp>,
    },
    /// Says when a journaled settlement's cash is to be looked at again; `None` once nothing is left to do.
    Cash {
        /// Whose.
        seller: SellerId,
        /// The settlement.
        group: GroupId,
        /// When.
        next_look: Option<Timestamp>,
    },
    /// Plans a document: its body, what Amazon says it amounts to, the legs it recognises, and its posting.
    Plan {
        /// The document.
        document: Box<Document>,
        /// Amazon's figure, which reconciliation compares with.
        expected: Money,
        /// `(source, leg)` pairs that it recognises; refused if any is recognised already.
        recognizes: Vec<(String, &'static str)>,
        /// When.
        at: Timestamp,
    },
    /// Dates a planned document anew, whose period closed before it was sent.
    Redate {
        /// The document with its new date; nothing else of it may differ.
        document: Box<Document>,
        /// When.
        at: Timestamp,
    },
    /// Moves a posting.
    Posting {
        /// The document.
        key: DocumentKey,
        /// The new state.
        state: State,
        /// When.
        at: Timestamp,
    },
    /// Keeps the result of comparing a document with Fusion.
    Reconciled {
        /// The document.
        key: DocumentKey,
        /// `None` where it ties out, else the finding's code and message.
        finding: Option<(String, String)>,
        /// When.
        at: Timestamp,
    },
    /// Puts something into the review queue; an open item with the same reason is left as it is.
    Review(ReviewDraft),
    /// Closes the open review items about something.
    Resolve {
        /// Whose.
        seller: SellerId,
        /// `order`, `transaction`, `group`, `refund` or `document`.
        kind: &'static str,
        /// About what.
        subject: String,
        /// When.
        at: Timestamp,
    },
    /// Keeps a sealed credential in place of an older version.
    Credential {
        /// Whose; the application's and Fusion's have a pseudo-seller.
        seller: String,
        /// Which, e.g. `amazon-refresh-token/eu`.
        kind: String,
        /// One more than the last.
        version: u32,
        /// Sealed by the vault.
        sealed: Vec<u8>,
        /// When.
        at: Timestamp,
    },
    /// Keeps a call's pause, or forgets it.
    Pause {
        /// Which call's.
        key: String,
        /// `None` once a call succeeded.
        pause: Option<StoredPause>,
    },
    /// Asks for a span to be read; one that was asked for already is left as it is.
    Backfill(Box<Backfill>),
    /// Moves a back-fill, by its number.
    BackfillMoved(Box<Backfill>),
    /// Archives a report's file.
    ReportFile {
        /// Whose.
        seller: SellerId,
        /// Amazon's id of the report.
        report: String,
        /// Hash of the plain file.
        hash: ContentHash,
        /// Packed with gzip.
        packed: Vec<u8>,
        /// When.
        at: Timestamp,
    },
    /// Remembers that a seller was sent to Amazon's consent page.
    Consent {
        /// Hash of the state that the browser was given.
        state_hash: ContentHash,
        /// Whose.
        seller: SellerId,
        /// For which region.
        region: Region,
        /// Until when the answer is accepted.
        expires: Timestamp,
    },
    /// Forgets a consent: its state works once.
    ConsentUsed {
        /// Hash of the state.
        state_hash: ContentHash,
    },
    /// Puts a payload without data about the buyer in place of the one with it. Its hash stays that of the original.
    BuyerDataRemoved {
        /// Whose.
        seller: SellerId,
        /// Stream it came from.
        stream: String,
        /// Amazon's id.
        natural_id: String,
        /// Hash of the original.
        hash: ContentHash,
        /// What is left.
        body: String,
    },
    /// Changes what is known of Fusion.
    Fusion(FusionChange),
    /// About mappers.
    Mapper(MapperChange),
    /// For those who run the daemon.
    Operations(OperationsChange),
    /// Says what happened.
    Audit(AuditEvent),
    /// Keeps a signed checkpoint; refused if there is one of this size.
    Checkpoint {
        /// Leaves.
        size: u64,
        /// When it was made.
        at: Timestamp,
        /// The signed note.
        note: String,
    },
    /// Names the key that signs checkpoints; refused if one is named already.
    AuditKey {
        /// The public key, as notes write it.
        public: String,
        /// When.
        at: Timestamp,
    },
}

/// A call of a mapper.
#[derive(Debug, Clone)]
pub struct BatchRecord {
    /// Hash of all that went in: the batch's name.
    pub input: ContentHash,
    /// Whose.
    pub seller: SellerId,
    /// `orders` or `transactions`.
    pub kind: &'static str,
    /// When.
    pub at: Timestamp,
    /// Digest of the mapper.
    pub mapper: ContentHash,
    /// The contract it was built against.
    pub contract: String,
    /// Hash of the catalog.
    pub catalog: ContentHash,
    /// Hash of the mapper's settings.
    pub settings: ContentHash,
    /// Hash of the outcomes, if it did not fail.
    pub outcome: Option<ContentHash>,
    /// How many records went in.
    pub records: usize,
    /// Fuel burnt.
    pub fuel: u64,
    /// Code and message, if it failed.
    pub fault: Option<String>,
    /// What it logged.
    pub log: Vec<String>,
}

/// Something a person has to look at.
#[derive(Debug, Clone)]
pub struct ReviewDraft {
    /// Whose.
    pub seller: SellerId,
    /// `order`, `transaction`, `group`, `refund` or `document`.
    pub kind: &'static str,
    /// The order id, transaction id, settlement id or document key.
    pub subject: String,
    /// The reason's code.
    pub code: String,
    /// What the reason is about.
    pub about: String,
    /// The reason in words.
    pub message: String,
    /// The money at stake, where it is known.
    pub at_stake: Option<Money>,
    /// When.
    pub at: Timestamp,
}
