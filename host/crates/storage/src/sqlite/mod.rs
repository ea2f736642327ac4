//! The SQLite store: one file, write-ahead log, every commit on disk before it is believed.

mod api_keys;
mod apply;
mod books;
mod bulk;
mod catalogs;
mod corrections;
mod fit;
mod log;
mod mapper_versions;
mod operations;
mod read;
mod reviews;
mod rows;
#[cfg(test)]
mod tests;
mod upkeep;
mod watch;

pub use fit::Fit;

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Executor as _, SqliteConnection, SqlitePool};

use crate::{Result, StoreError};

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
        let store = Self { pool };
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
        let store = Self { pool };
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
        Ok(Self { pool })
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

/// Names a failed statement, and tells a refused second time from other failures.
fn failed(what: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| match &source {
        sqlx::Error::Database(error) if error.is_unique_violation() => StoreError::Twice { what },
        _ => StoreError::Query { what, source },
    }
}
