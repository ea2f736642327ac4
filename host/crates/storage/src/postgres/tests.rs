//! What only a server has, and the store that the suite is run on.

use std::collections::BTreeSet;
use std::time::Duration;

use ml_connector_domain::{SellerId, Timestamp};
use ml_connector_test_postgres::Database;

use super::suite::log::assert_whole;
use super::suite::{event, raw};
use super::{PostgresStore, begin};
use crate::{Change, Leases as _, Result, SqliteStore, Store as _, StoredPause, Upkeep as _};

/// A store in a database of its own, dropped at the end.
pub(super) struct Fresh {
    pub(super) store: PostgresStore,
    pub(super) database: Database,
}

impl Fresh {
    /// `None` where no server is there.
    pub(super) async fn open() -> Option<Self> {
        let database = Database::fresh()?;
        let store = PostgresStore::open(database.url()).await.expect("opens");
        Some(Self { store, database })
    }

    pub(super) async fn open_again(&self) -> Result<PostgresStore> {
        PostgresStore::open(self.database.url()).await
    }
}

/// Daemons over one database append at once: the numbers have no gap, and each leaf stands in its event's place.
#[tokio::test]
async fn events_of_many_writers_have_one_order() {
    const WRITERS: usize = 6;
    const EACH: usize = 20;
    let Some(fresh) = Fresh::open().await else { return };
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = fresh.open_again().await.expect("opens");
        writers.spawn(async move {
            for n in 0..EACH {
                let subject = format!("O{writer}-{n}");
                store.apply(vec![raw(&subject, "body", 0), event(&subject)]).await.expect("applies");
            }
            store.close().await;
        });
    }
    writers.join_all().await;
    assert_eq!(assert_whole(&fresh.store).await.size(), WRITERS * EACH);
}

/// Who takes a lease over waits for what its holder is writing, and what the holder writes is there then.
#[tokio::test]
async fn a_lease_passes_on_between_transactions_never_within_one() {
    let Some(fresh) = Fresh::open().await else { return };
    let life = Duration::from_millis(300);
    let seller = SellerId::new("A1");
    let take = async || fresh.store.take_lease(&seller, "worker", "two", life).await.expect("asks");
    let fence = take().await.expect("nobody has it");
    let mut writing = begin(&fresh.store.pool).await.expect("begins");
    super::leases::check(&mut writing, &fence).await.expect("it is held");
    // Until the database says that it is over: the holder is still in its transaction then.
    let over = concat!("SELECT 1 AS one FROM lease WHERE until <= ", database_now!());
    while sqlx::query(over).fetch_optional(&fresh.store.pool).await.expect("reads").is_none() {
        tokio::task::yield_now().await;
    }
    let mut waiting = tokio::task::JoinSet::new();
    let (store, whose) = (fresh.store.clone(), seller.clone());
    waiting.spawn(async move { store.take_lease(&whose, "worker", "three", life).await.expect("asks") });
    // Until the other one waits for the row.
    let waits = "SELECT 1 AS one FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query(waits).fetch_optional(&fresh.store.pool).await.expect("reads").is_none() {
        tokio::task::yield_now().await;
    }
    assert!(waiting.try_join_next().is_none(), "it waits");
    writing.commit().await.expect("commits");
    let next = waiting.join_next().await.expect("one").expect("ends").expect("it is free");
    assert_eq!((fence.token, next.token), (1, 2));
}

/// Somebody else has touched the same rows in another order: the server ends one of the two, and its changes are applied again.
#[tokio::test]
async fn changes_that_gave_way_are_applied_again() {
    let Some(fresh) = Fresh::open().await else { return };
    let pause = |key: &str, attempt| Change::Pause {
        key: key.to_owned(),
        pause: Some(StoredPause { attempt, until: Timestamp::UNIX_EPOCH }),
    };
    fresh.store.apply(vec![pause("one", 1), pause("two", 1)]).await.expect("applies");
    let touch = |key: &'static str| sqlx::query("UPDATE pause SET attempt = 5 WHERE key = $1").bind(key);
    let mut other = begin(&fresh.store.pool).await.expect("begins");
    touch("two").execute(&mut *other).await.expect("nobody else has it");
    let mut ours = tokio::task::JoinSet::new();
    let store = fresh.store.clone();
    let changes = vec![pause("one", 9), pause("two", 9)];
    ours.spawn(async move { store.apply(changes).await });
    let waits = "SELECT 1 AS one FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query(waits).fetch_optional(&fresh.store.pool).await.expect("reads").is_none() {
        tokio::task::yield_now().await;
    }
    touch("one").execute(&mut *other).await.expect("who waited first gives way");
    other.commit().await.expect("commits");
    ours.join_next().await.expect("one").expect("ends").expect("is applied in the end");
    for key in ["one", "two"] {
        assert_eq!(fresh.store.pause(key).await.expect("reads").map(|pause| pause.attempt), Some(9), "{key}");
    }
}

/// What both stores have to have alike.
#[derive(Debug, Default, PartialEq, Eq)]
struct Schema {
    columns: BTreeSet<String>,
    unique: BTreeSet<String>,
    references: BTreeSet<String>,
    triggers: BTreeSet<String>,
}

async fn said<DB>(pool: &sqlx::Pool<DB>, statement: &'static str) -> BTreeSet<String>
where
    DB: sqlx::Database,
    for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
    DB::Arguments: sqlx::IntoArguments<DB>,
    (String,): for<'r> sqlx::FromRow<'r, DB::Row> + Send + Unpin,
{
    let rows = sqlx::query_as::<DB, (String,)>(statement).fetch_all(pool).await.expect(statement);
    rows.into_iter().map(|(text,)| text).collect()
}

async fn of_sqlite(pool: &sqlx::SqlitePool) -> Schema {
    Schema {
        columns: said(
            pool,
            "SELECT t.name || '.' || c.name || ' ' || c.type || CASE c.pk WHEN 0 THEN '' ELSE ' key ' || c.pk END
             FROM sqlite_schema t JOIN pragma_table_info(t.name) c
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE '_sqlx%'",
        )
        .await,
        unique: said(
            pool,
            "SELECT t.name || ' ' || group_concat(i.name, ' ') || CASE u.partial WHEN 0 THEN '' ELSE ' where' END
             FROM sqlite_schema t JOIN pragma_index_list(t.name) u JOIN pragma_index_info(u.name) i
             WHERE t.type = 'table' AND u.\"unique\" AND u.origin <> 'pk' AND t.name NOT LIKE '_sqlx%' GROUP BY t.name, u.name",
        )
        .await,
        references: said(
            pool,
            "SELECT t.name || '.' || f.\"from\" || ' ' || f.\"table\"
             FROM sqlite_schema t JOIN pragma_foreign_key_list(t.name) f WHERE t.type = 'table'",
        )
        .await,
        triggers: said(pool, "SELECT name FROM sqlite_schema WHERE type = 'trigger'").await,
    }
}

async fn of_postgres(pool: &sqlx::PgPool) -> Schema {
    Schema {
        columns: said(
            pool,
            "SELECT c.table_name || '.' || c.column_name || ' '
                || CASE c.data_type WHEN 'bigint' THEN 'INTEGER' WHEN 'bytea' THEN 'BLOB' ELSE upper(c.data_type) END
                || coalesce(' key ' || k.ordinal_position, '')
                || CASE WHEN c.data_type = 'text' AND c.collation_name IS DISTINCT FROM 'C' THEN ' without \"C\"' ELSE '' END
             FROM information_schema.columns c
             LEFT JOIN (information_schema.key_column_usage k JOIN information_schema.table_constraints p
                USING (constraint_schema, constraint_name, table_name))
                ON p.constraint_type = 'PRIMARY KEY' AND k.table_name = c.table_name AND k.column_name = c.column_name
             WHERE c.table_schema = 'public' AND c.table_name NOT LIKE '\\_sqlx%'",
        )
        .await,
        unique: said(
            pool,
            "SELECT i.indrelid::regclass::text || ' '
                || (SELECT string_agg(regexp_replace(pg_get_indexdef(i.indexrelid, n, true), 'md5\\((.*)\\)', '\\1'), ' ' ORDER BY n)
                    FROM generate_series(1, i.indnatts) n)
                || CASE WHEN i.indpred IS NULL THEN '' ELSE ' where' END
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             WHERE i.indisunique AND NOT i.indisprimary AND c.relnamespace = 'public'::regnamespace",
        )
        .await,
        references: said(
            pool,
            "SELECT f.conrelid::regclass::text || '.' || a.attname || ' ' || f.confrelid::regclass::text
             FROM pg_constraint f JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = ANY (f.conkey)
             WHERE f.contype = 'f'",
        )
        .await,
        // Emptying a whole table at once is a thing of PostgreSQL's only.
        triggers: said(pool, "SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal AND tgname NOT LIKE '%emptied'")
            .await,
    }
}

#[tokio::test]
async fn both_stores_have_one_schema() {
    let Some(fresh) = Fresh::open().await else { return };
    let file = SqliteStore::open_in_memory().await.expect("opens");
    let (sqlite, postgres) = (of_sqlite(file.pool()).await, of_postgres(&fresh.store.pool).await);
    assert!(
        sqlite.columns.len() > 100 && sqlite.unique.len() == 4 && sqlite.references.len() > 5,
        "{sqlite:?}"
    );
    assert_eq!(sqlite.columns, postgres.columns);
    assert_eq!(sqlite.unique, postgres.unique);
    assert_eq!(sqlite.references, postgres.references);
    assert_eq!(sqlite.triggers, postgres.triggers);
}

#[tokio::test]
async fn what_is_kept_for_ever_cannot_be_emptied_either() {
    let Some(fresh) = Fresh::open().await else { return };
    for table in ["audit_event", "audit_checkpoint", "mapper_component", "catalog_file"] {
        let statement = sqlx::AssertSqlSafe(format!("TRUNCATE {table} CASCADE"));
        let refused = sqlx::query(statement).execute(&fresh.store.pool).await.expect_err("it is kept");
        assert!(
            refused.to_string().contains("kept") || refused.to_string().contains("append-only"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_its_password() {
    let refused =
        PostgresStore::open("postgres://me:secret@127.0.0.1:1/books").await.expect_err("nobody listens");
    let words = format!("{refused} {refused:?}");
    assert!(words.starts_with("STO-CONNECT") && words.contains("books at 127.0.0.1:1"), "{words}");
    assert!(!words.contains("secret"), "{words}");
}
