//! The SQLite store: one file, write-ahead log, every commit on disk before it is believed.

// What the statements of `sql` differ in between the stores. They are part of a text, hence macros.
macro_rules! indexed_by {
    ($index:literal) => {
        concat!("INDEXED BY ", $index, " ")
    };
}
macro_rules! for_update {
    // One writer at a time: BEGIN IMMEDIATE has locked the file.
    () => {
        ""
    };
}
macro_rules! for_share {
    () => {
        ""
    };
}
macro_rules! database_now {
    // In milliseconds.
    () => {
        "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    };
}
macro_rules! as_bytes {
    ($column:literal) => {
        concat!("CAST(", $column, " AS BLOB) AS ", $column, ", ")
    };
}

mod copy;
#[cfg(test)]
mod tests;

#[path = "../sql/api_keys.rs"]
mod api_keys;
#[path = "../sql/apply.rs"]
mod apply;
#[path = "../sql/books.rs"]
mod books;
#[path = "../sql/bulk.rs"]
mod bulk;
#[path = "../sql/catalogs.rs"]
mod catalogs;
#[path = "../sql/corrections.rs"]
mod corrections;
#[path = "../sql/leases.rs"]
mod leases;
#[path = "../sql/log.rs"]
mod log;
#[path = "../sql/log_read.rs"]
mod log_read;
#[path = "../sql/mapper_versions.rs"]
mod mapper_versions;
#[path = "../sql/operations.rs"]
mod operations;
#[path = "../sql/read.rs"]
mod read;
#[path = "../sql/restored.rs"]
mod restored;
#[path = "../sql/reviews.rs"]
mod reviews;
#[path = "../sql/rows.rs"]
mod rows;
#[cfg(test)]
#[path = "../suite/mod.rs"]
mod suite;
#[path = "../sql/upkeep.rs"]
mod upkeep;
#[path = "../sql/watch.rs"]
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Executor as _, SqliteConnection, SqlitePool};

use crate::{Fence, Fit, Result, StoreError, failed};

type Db = sqlx::Sqlite;
type Row = sqlx::sqlite::SqliteRow;
type OwnStore = SqliteStore;

/// How long a writer waits for another before it gives up. SQLite has one writer at a time; the longest
/// transaction of ours writes one page of Amazon's records.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections: readers do not wait for the writer in WAL mode.
const CONNECTIONS_MAX: u32 = 4;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// A store in one SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    pool: SqlitePool,
    fence: Option<Arc<Fence>>,
}

impl SqliteStore {
    /// Opens the file, makes it if it does not exist, and brings it up to date.
    ///
    /// # Errors
    /// The file cannot be opened, or was made by a newer version.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL, not NORMAL: a document's key must have reached the disk before its first byte is sent.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // What is overwritten must be gone: buyer data after its time, credentials after a rotation.
            .pragma("secure_delete", "ON")
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(256);
        let pool = pool()
            .connect_with(options)
            .await
            .map_err(|source| StoreError::Open { path: path.display().to_string(), source })?;
        MIGRATIONS.run(&pool).await.map_err(StoreError::Migrate)?;
        let store = Self { pool, fence: None };
        store.begin_the_log().await?;
        Ok(store)
    }

    /// A store in memory, gone with its process: for trying out what would become of records.
    ///
    /// # Errors
    /// There is not enough memory.
    pub async fn open_in_memory() -> Result<Self> {
        let failed = |source| StoreError::Open { path: ":memory:".to_owned(), source };
        let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true);
        // One connection for as long as it is open: each would have a database of its own.
        let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.connect_with(options).await.map_err(failed)?;
        MIGRATIONS.run(&pool).await.map_err(StoreError::Migrate)?;
        let store = Self { pool, fence: None };
        store.begin_the_log().await?;
        Ok(store)
    }

    /// Opens a file to read it only, as it is: nothing is brought up to date or judged. All reads see one and the same
    /// state, that of the first, while a daemon goes on writing.
    ///
    /// # Errors
    /// The file is missing or no database.
    pub async fn open_to_read(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
        // One connection, in one transaction, for as long as it is open.
        let pool =
            SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).after_connect(
                |connection, _| {
                    Box::pin(async move { connection.execute("BEGIN DEFERRED").await.map(|_| ()) })
                },
            );
        let opened = pool.connect_with(options).await;
        let pool = opened.map_err(|source| StoreError::Open { path: path.display().to_string(), source })?;
        Ok(Self { pool, fence: None })
    }

    /// For what a test asks of the database itself.
    #[cfg(test)]
    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Compares a file's migrations with the program's.
    ///
    /// # Errors
    /// It is missing or no database of ours.
    pub async fn fit(path: &Path) -> Result<Fit> {
        let store = Self::open_to_read(path).await?;
        let applied = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success");
        let applied: std::result::Result<Vec<i64>, _> = applied.fetch_all(&store.pool).await;
        store.close().await;
        Ok(Fit::of(&MIGRATIONS, &applied.map_err(failed("reading which migrations it has"))?))
    }

    /// Waits for running statements and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A pool that takes back only what is usable.
fn pool() -> SqlitePoolOptions {
    let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX);
    pool.after_release(|connection, _| Box::pin(is_usable(connection)))
}

/// Whether a connection may be used again. Where the disk is full SQLite takes back by itself a transaction that fails to
/// commit; sqlx then cannot take it back, believes that it goes on, and begins no other: the next writes would all fail.
async fn is_usable(connection: &mut SqliteConnection) -> std::result::Result<bool, sqlx::Error> {
    // What was dropped before its end is taken back on the connection's own thread: this waits for it.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Begins to write. IMMEDIATE: a transaction that reads first and writes later could otherwise fail half way as busy.
async fn begin(pool: &SqlitePool) -> Result<sqlx::Transaction<'static, Db>> {
    pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed("beginning a transaction"))
}

/// How often a list of changes that gave way to another is applied again: there is one writer, which waits for nobody.
const RETRIES: u32 = 0;

/// Whether a transaction gave way to another.
fn gave_way(_error: &StoreError) -> bool {
    false
}

/// Text as it can be stored: any.
fn storable(text: String) -> String {
    text
}

/// Brings what stands in the write-ahead log into the file.
async fn empty_the_log(pool: &SqlitePool) -> Result<()> {
    let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(pool).await;
    emptied.map_err(failed("emptying the log")).map(|_| ())
}
