//! The store: what is durable, and the one way to change it.
//!
//! Stages read through [`Store`] and write by handing it a list of [`Change`]s, which it applies in one
//! transaction: all of them or none. A stage therefore decides first, as plain data, and its audit events travel
//! with what they describe.
//!
//! # To add something durable
//!
//! 1. Add a migration in `migrations/sqlite` and one in `migrations/postgres` (forward only; the next number of each). A test
//!    holds both schemas against each other.
//! 2. Add a [`Change`] for writing it, with the meaning of each field, and apply it in `sql/apply.rs`.
//! 3. Add a reading method to [`Store`] and implement it in `sql/read.rs`.
//! 4. Add a test to the suite in `suite`.
//!
//! The statements in `sql` and the suite are compiled once for each store (`#[path]` in `sqlite` and `postgres`): placeholders
//! are `$1`, a conflict names its columns, a sum is cast to BIGINT, and what only one of the two knows is a macro of the
//! store's own. Whoever reads before it writes has to ask what another daemon may do in between: see `postgres`.
//!
//! **Architecture invariant:** sqlx is used in this crate only. **Architecture invariant:** no row of
//! `audit_event` is ever changed or removed (the database itself refuses), and each is a leaf of the Merkle log from the
//! transaction on that writes it.

mod books;
mod catalogs;
mod change;
mod corrections;
pub mod crash;
mod fit;
mod leases;
mod log;
mod mapper_versions;
mod operations;
mod postgres;
mod read;
mod reviews;
mod sqlite;
pub mod steps;
mod upkeep;
mod watch;

pub use books::{
    AccruedTransaction, Books, Comparison, DeferredTransaction, MadeBy, SettlementRow, SettlementTransaction,
};
pub use catalogs::{
    CatalogChange, CatalogPointer, CatalogRow, CatalogVersion, CatalogVersions, NewestRecord,
};
pub use change::{BatchRecord, Change, ReviewDraft};
pub use corrections::{CorrectionChange, Corrections};
pub use fit::Fit;
pub use leases::{Fence, LeaseRow, Leases};
pub use log::{
    AuditLog, BatchOrigin, BehindJournal, CheckpointRow, LoggedEvent, RecordedDocument, SourceVersion,
};
pub use mapper_versions::{
    Component, Difference, DifferenceTotals, MadeInBatch, MapperChange, MapperVersions, Pointer,
    RecordedBatch, ShadowTotals, VersionRow, VersionState,
};
pub use operations::{
    AnswerClaim, ApiKey, Claimed, DocumentFilter, Operations, OperationsChange, PlannedDocument, Restoration,
    ReviewFilter, SellerCount, SellerEvent, SellerPause, SellerReviews, StreamState,
};
pub use postgres::PostgresStore;
pub use read::{
    AuditRow, BookedTransaction, CheckedDocument, Counts, Cursor, DocumentRow, MapperTotals, Previous,
    RawPayload, ReviewRow, ReviewTotals, SealedCredential, SettledTransaction, StageCount, Store,
};
pub use reviews::{ReviewChange, Reviews};
pub use sqlite::SqliteStore;
pub use upkeep::{Backfill, CredentialRow, RecordAge, ReportFile, StoredPause, Upkeep};
pub use watch::{AccountUse, FusionChange, Ledger, ShownDocument, WatchedDocument, Watching};

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not be opened or brought up to date.
    #[error("STO-OPEN: cannot open the database {path}: check that the folder exists and is writable")]
    Open {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The database server could not be reached, or let nobody in.
    #[error(
        "STO-CONNECT: cannot connect to the database {place}: check that the server runs and takes connections from here, \
         and the user, password, database and sslmode of the address"
    )]
    Connect {
        /// Server and database.
        place: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The database was made by a newer version, or a migration failed.
    #[error("STO-MIGRATE: the database does not fit this version of ml-connector")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A copy of the database could not be written.
    #[error(
        "STO-COPY: cannot write the copy {path}: name a file that does not exist yet, in a folder with room for it"
    )]
    Copy {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A statement failed.
    #[error("STO-QUERY: {what} failed")]
    Query {
        /// What was being done.
        what: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// Something is already recognised, planned or posted: a second time was refused by a unique key.
    #[error("STO-TWICE: {what}: it exists already")]
    Twice {
        /// What was refused.
        what: &'static str,
    },
    /// The lease under which this was to be written has run out or passed on: nothing was written.
    #[error(
        "STO-FENCED: {holder} no longer holds the lease of seller {seller}, and nothing was written: another daemon works on \
         it, or takes it up shortly"
    )]
    Fenced {
        /// Whose lease.
        seller: String,
        /// Who held it.
        holder: String,
    },
    /// A stored value cannot be read back.
    #[error("STO-CORRUPT: {what} cannot be read back: {message}")]
    Corrupt {
        /// Which value.
        what: &'static str,
        /// Why.
        message: String,
    },
}

/// What the store answers.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Names a failed statement, and tells a refused second time from other failures.
pub(crate) fn failed(what: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| match &source {
        sqlx::Error::Database(error) if error.is_unique_violation() => StoreError::Twice { what },
        _ => StoreError::Query { what, source },
    }
}
