//! What a store commits of the same rows with nothing else running: the bound that `cargo xtask bench pipeline` sets beside a
//! run. `rows_alone SOURCE TRANSACTIONS` takes all rows of a database that a run has left (a SQLite file, or the address of
//! a PostgreSQL database) and inserts them into empty tables of the same shape, spread over so many transactions, each as
//! durable as the store's own. Prints one JSON object.
#![expect(clippy::print_stdout, reason = "it is a program of its own")]

use std::path::PathBuf;
use std::time::Instant;

use ml_connector_storage::SqliteStore;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};

type Failure = Box<dyn std::error::Error>;

/// A table: where to insert, its staged rows in order, and how many.
struct Staged {
    into: String,
    from: String,
    columns: String,
    /// What PostgreSQL wants to hear where numbers that it gives are given to it.
    overriding: &'static str,
    rows: i64,
}

impl Staged {
    /// The statement that inserts one transaction's share of the rows, if it has one.
    fn share(&self, number: i64, of: i64) -> Option<String> {
        let (from, to) = (self.rows * number / of, self.rows * (number + 1) / of);
        let Self { into, columns, overriding, from: staged, .. } = self;
        (from < to).then(|| {
            format!("INSERT INTO {into} ({columns}) {overriding} SELECT {columns} FROM {staged} WHERE row_n > {from} AND row_n <= {to}")
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: rows_alone SOURCE TRANSACTIONS";
    let source = arguments.next().ok_or(usage)?;
    let transactions: i64 = arguments.next().ok_or(usage)?.parse()?;
    let (rows, seconds) = match source.starts_with("postgres") {
        true => postgres(&source, transactions).await?,
        false => sqlite(&source, transactions).await?,
    };
    println!("{{\"rows\":{rows},\"transactions\":{transactions},\"seconds\":{seconds}}}");
    Ok(())
}

async fn sqlite(source: &str, transactions: i64) -> Result<(i64, f64), Failure> {
    let empty = PathBuf::from(format!("{source}.alone"));
    // Made by the store, so that tables, indices and triggers are its own.
    SqliteStore::open(&empty).await?.close().await;
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", empty.display())).await?;
    let set = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; \
        PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY";
    connection.execute(set).await?;
    sqlx::query("ATTACH $1 AS source").bind(source).execute(&mut connection).await?;
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM source.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
         AND name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut connection)
    .await?;
    let mut staged = Vec::new();
    for name in names {
        let columns: Vec<String> =
            sqlx::query_scalar("SELECT '\"' || name || '\"' FROM pragma_table_info($1, 'source')")
                .bind(&name)
                .fetch_all(&mut connection)
                .await?;
        let stage = format!(
            "CREATE TEMP TABLE staged_{name} AS SELECT row_number() OVER () AS row_n, * FROM source.{name}; \
             CREATE UNIQUE INDEX temp.staged_{name}_n ON staged_{name} (row_n); DELETE FROM main.{name}"
        );
        connection.execute(AssertSqlSafe(stage)).await?;
        let rows = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM staged_{name}")))
            .fetch_one(&mut connection)
            .await?;
        let (into, from) = (format!("main.{name}"), format!("temp.staged_{name}"));
        staged.push(Staged { into, from, columns: columns.join(", "), overriding: "", rows });
    }
    let began = now();
    for number in 0..transactions {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for statement in staged.iter().filter_map(|table| table.share(number, transactions)) {
            transaction.execute(AssertSqlSafe(statement)).await?;
        }
        transaction.commit().await?;
    }
    let seconds = began.elapsed().as_secs_f64();
    connection.close().await?;
    for suffix in ["", "-wal", "-shm"] {
        let _gone = std::fs::remove_file(format!("{}{suffix}", empty.display()));
    }
    Ok((staged.iter().map(|table| table.rows).sum(), seconds))
}

async fn postgres(source: &str, transactions: i64) -> Result<(i64, f64), Failure> {
    let mut connection = PgConnection::connect(source).await?;
    connection.execute("DROP SCHEMA IF EXISTS rows_alone CASCADE; CREATE SCHEMA rows_alone").await?;
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'",
    )
    .fetch_all(&mut connection)
    .await?;
    let mut staged = Vec::new();
    for name in names {
        let columns: String = sqlx::query_scalar(
            "SELECT string_agg('\"' || attname || '\"', ', ' ORDER BY attnum) FROM pg_attribute \
             WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped",
        )
        .bind(&name)
        .fetch_one(&mut connection)
        .await?;
        let stage = format!(
            "CREATE TEMP TABLE staged_{name} AS SELECT row_number() OVER () AS row_n, t.* FROM public.{name} t; \
             CREATE UNIQUE INDEX ON staged_{name} (row_n); ANALYZE staged_{name}; \
             CREATE TABLE rows_alone.{name} (LIKE public.{name} INCLUDING ALL)"
        );
        connection.execute(AssertSqlSafe(stage)).await?;
        let rows = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM staged_{name}")))
            .fetch_one(&mut connection)
            .await?;
        let (into, from) = (format!("rows_alone.{name}"), format!("staged_{name}"));
        staged.push(Staged { into, from, columns, overriding: "OVERRIDING SYSTEM VALUE", rows });
    }
    let began = now();
    for number in 0..transactions {
        let mut transaction = connection.begin().await?;
        for statement in staged.iter().filter_map(|table| table.share(number, transactions)) {
            transaction.execute(AssertSqlSafe(statement)).await?;
        }
        transaction.commit().await?;
    }
    let seconds = began.elapsed().as_secs_f64();
    connection.execute("DROP SCHEMA rows_alone CASCADE").await?;
    Ok((staged.iter().map(|table| table.rows).sum(), seconds))
}

#[expect(clippy::disallowed_methods, reason = "what is measured is the machine's time")]
fn now() -> Instant {
    Instant::now()
}
