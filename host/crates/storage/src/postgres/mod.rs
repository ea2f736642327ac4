//! The PostgreSQL store: one database that any number of daemons share.
//!
//! Its statements are those of SQLite, compiled once more; what SQLite has as functions, the first migration defines here.
//!
//! READ COMMITTED suffices. What must not happen twice is a unique key (a document, a leg, an open review item), and a
//! second one is refused whoever is first. The one thing that is read and then written by all is the end of the audit log:
//! its row is locked when it is read (`for_update!`), a transaction that waited for it sees the row as the other left it,
//! and everything from there to the commit happens for one transaction at a time. All else that is read before it is
//! written belongs to one seller, whose worker holds a lease, or is one statement (a request that is taken on, a lease). What
//! remains is an operator's command beside a worker; there a unique key refuses the second (a version that is activated, a
//! document that is planned), as it does between two transactions of SQLite's.

// What the statements of `sql` differ in between the stores. They are part of a text, hence macros.
macro_rules! indexed_by {
    // It has statistics, and chooses for itself.
    ($index:literal) => {
        ""
    };
}
macro_rules! for_update {
    () => {
        " FOR UPDATE"
    };
}
macro_rules! for_share {
    () => {
        " FOR SHARE"
    };
}
macro_rules! database_now {
    // In milliseconds.
    () => {
        "CAST(extract(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
    };
}
macro_rules! as_bytes {
    ($column:literal) => {
        concat!("convert_to(CAST(", $column, " AS TEXT), 'UTF8') AS ", $column, ", ")
    };
}

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

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection as _, Executor as _};

use crate::{Fence, Fit, Result, StoreError, failed};

type Db = sqlx::Postgres;
type Row = sqlx::postgres::PgRow;
type OwnStore = PostgresStore;

/// Connections of one daemon.
const CONNECTIONS_MAX: u32 = 8;

/// How long a connection is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// What every session is set to, whatever the server's defaults are.
const SESSION: [(&str, &str); 5] = [
    // A document's key must have reached the disk before its first byte is sent.
    ("synchronous_commit", "on"),
    ("default_transaction_isolation", "read committed"),
    ("timezone", "UTC"),
    ("lock_timeout", "30s"),
    // A migration that finds its table there already says so in a notice, at each start.
    ("client_min_messages", "warning"),
];

/// A daemon that is stopped in a transaction would hold the end of the audit log, which all wait for.
const TO_WRITE: [(&str, &str); 1] = [("idle_in_transaction_session_timeout", "10s")];

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/postgres");

/// A store in a PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pool: PgPool,
    fence: Option<Arc<Fence>>,
}

impl PostgresStore {
    /// Connects by an address (`postgres://user:password@host/database?sslmode=verify-full`) and brings the database up to
    /// date. Of several daemons that begin at once, one does, and the others wait.
    ///
    /// # Errors
    /// The address is none, the server is not reached, or the database was made by a newer version.
    pub async fn open(url: &str) -> Result<Self> {
        let (options, place) = options(url)?;
        let options = options.options(TO_WRITE);
        reach(&options, &place).await?;
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(CONNECT_TIMEOUT);
        let pool = pool.connect_with(options).await;
        let pool = pool.map_err(|source| StoreError::Connect { place, source })?;
        let store = Self { fence: None, pool };
        MIGRATIONS.run(&store.pool).await.map_err(StoreError::Migrate)?;
        store.begin_the_log().await?;
        Ok(store)
    }

    /// Connects to a database to read it only, as it is: nothing is brought up to date or judged. All reads see one and the
    /// same state, that of the first, while daemons go on writing.
    ///
    /// # Errors
    /// The address is none, or the server is not reached.
    pub async fn open_to_read(url: &str) -> Result<Self> {
        let (options, place) = options(url)?;
        reach(&options, &place).await?;
        // One connection, in one transaction, for as long as it is open.
        let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.acquire_timeout(CONNECT_TIMEOUT).after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map(|_| ())
            })
        });
        let opened = pool.connect_with(options).await;
        let pool = opened.map_err(|source| StoreError::Connect { place, source })?;
        Ok(Self { fence: None, pool })
    }

    /// Compares a database's migrations with the program's.
    ///
    /// # Errors
    /// The address is none, the server is not reached, or the database's tables are not to be read.
    pub async fn fit(url: &str) -> Result<Fit> {
        const WHAT: &str = "reading which migrations it has";
        let store = Self::open_to_read(url).await?;
        let begun = sqlx::query("SELECT 1 AS one FROM pg_tables WHERE tablename = '_sqlx_migrations'");
        let begun = begun.fetch_optional(&store.pool).await.map_err(failed(WHAT))?.is_some();
        let applied: Vec<i64> = match begun {
            false => Vec::new(),
            true => sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
                .fetch_all(&store.pool)
                .await
                .map_err(failed(WHAT))?,
        };
        store.close().await;
        Ok(Fit::of(&MIGRATIONS, &applied))
    }

    /// Waits for running statements and closes the connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// How to connect, and the words for where to.
fn options(url: &str) -> Result<(PgConnectOptions, String)> {
    let unread = |source| StoreError::Connect { place: "that the configuration names".to_owned(), source };
    let options = url.parse::<PgConnectOptions>().map_err(unread)?;
    let place = place(&options);
    let options = options.application_name("ml-connector").statement_cache_capacity(256);
    Ok((options.options(SESSION), place))
}

/// Connects once: a pool would go on trying, and then say that it was in vain, not why.
async fn reach(options: &PgConnectOptions, place: &str) -> Result<()> {
    let unreached = |source| StoreError::Connect { place: place.to_owned(), source };
    PgConnection::connect_with(options).await.map_err(unreached)?.close().await.map_err(unreached)
}

/// Server and database, without what must stay secret.
fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or(options.get_username());
    match options.get_socket() {
        Some(socket) => format!("{database} at {}", socket.display()),
        None => format!("{database} at {}:{}", options.get_host(), options.get_port()),
    }
}

/// Begins to write.
async fn begin(pool: &PgPool) -> Result<sqlx::Transaction<'static, Db>> {
    pool.begin().await.map_err(failed("beginning a transaction"))
}

/// How often a list of changes that gave way to another is applied again.
const RETRIES: u32 = 3;

/// Whether a transaction gave way to another: two that touched the same rows in another order (an operator's command and a
/// worker), of which the server lets one go on.
fn gave_way(error: &StoreError) -> bool {
    let StoreError::Query { source: sqlx::Error::Database(source), .. } = error else { return false };
    matches!(source.code().as_deref(), Some("40P01" | "40001"))
}

/// Text as it can be stored: a NUL has no place in PostgreSQL's, and what a mapper or a remote says may hold one.
fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// The server writes its log out by itself.
async fn empty_the_log(_pool: &PgPool) -> Result<()> {
    Ok(())
}
