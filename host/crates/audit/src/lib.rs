//! What an auditor checks, and what is made to be checked: signed checkpoints over the audit log, the log's
//! verification, where each line of a document came from, one archive of evidence for a period, and the books as
//! hledger text.
//!
//! **Architecture invariant:** nothing here posts, maps or decides; it reads what the store holds. The one thing that
//! it writes is a checkpoint. **Architecture invariant:** verification needs no master key, no configuration and no
//! network.
//!
//! # To add something to the evidence
//!
//! 1. Write its file in [`evidence::pack`]; the order of the files is that of their names.
//! 2. Say in `evidence/README.md` how it is checked by hand.
//! 3. Check it in [`evidence::check`], with a finding that names the file, and tamper with it in the tests.

pub mod checkpoints;
pub mod evidence;
pub mod hledger;
pub mod note;
pub mod period;
pub mod trace;
pub mod verify;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable, for machines: `AUD-ALTERED`.
    pub code: &'static str,
    /// The event, if it is one.
    pub event: Option<i64>,
    /// For people, with the place.
    pub message: String,
}

impl Finding {
    fn of(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, event: None, message: message.into() }
    }

    fn at(code: &'static str, event: i64, message: impl Into<String>) -> Self {
        Self { code, event: Some(event), message: message.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// Why something could not be done at all.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] ml_connector_storage::StoreError),
    /// A file could not be read or written.
    #[error("AUD-FILE: cannot {what} {path}")]
    File {
        /// `read` or `write`.
        what: &'static str,
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key is none.
    #[error("AUD-KEY: {0}")]
    Key(String),
    /// The log is behind what was signed of it.
    #[error(
        "AUD-BEHIND: {signed} events were signed and the log has {size}: run `ml-connector audit verify`"
    )]
    Behind {
        /// Leaves of the newest checkpoint.
        signed: u64,
        /// Leaves of the log.
        size: u64,
    },
    /// The log cannot be used.
    #[error("AUD-LOG: {0}")]
    Log(String),
    /// An archive cannot be made or read.
    #[error("AUD-ARCHIVE: {0}")]
    Archive(String),
    /// A document cannot be shown.
    #[error("AUD-DOCUMENT: {0}")]
    Document(String),
}

/// What this crate's functions give.
pub type Result<T> = std::result::Result<T, AuditError>;
