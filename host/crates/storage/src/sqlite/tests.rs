//! What only a file has, and the store that the suite is run on.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use ml_connector_domain::id::ContentHash;
use sqlx::SqlitePool;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;

use super::suite::log::assert_whole;
use super::suite::{at, event, raw};
use super::{MIGRATIONS, SqliteStore};
use crate::{AuditLog as _, Change, Operations as _, OperationsChange, Restoration, Result, Store as _};

/// A store in a file of its own, removed at the end.
pub(super) struct Fresh {
    pub(super) store: SqliteStore,
    path: PathBuf,
}

impl Fresh {
    /// Always there: the suite asks, because a server may not be.
    pub(super) async fn open() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("ml-connector-store-{}-{number}.sqlite", std::process::id()));
        let store = SqliteStore::open(&path).await.expect("opens");
        Some(Self { store, path })
    }

    pub(super) async fn open_again(&self) -> Result<SqliteStore> {
        SqliteStore::open(&self.path).await
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _gone = std::fs::remove_file(format!("{}{end}", self.path.display()));
        }
    }
}

/// A file as a version before the log left it: migrations up to its own, and events without leaves.
#[tokio::test]
async fn events_from_before_the_log_get_their_leaves_when_the_file_is_opened() {
    let path = std::env::temp_dir().join(format!("ml-connector-before-{}.sqlite", std::process::id()));
    let _left_over = std::fs::remove_file(&path);
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.expect("opens");
    let before: Vec<_> = MIGRATIONS.iter().filter(|one| one.version < 14).cloned().collect();
    let old = Migrator { migrations: before.into(), ..Migrator::DEFAULT };
    old.run(&pool).await.expect("migrates");
    sqlx::query(
        "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 6000)
         INSERT INTO audit_event (id, at, seller, subject, action, detail)
         SELECT id, 1790000000000 + id, 'A1', 'O' || id, 'read', 'a detail' FROM n WHERE id NOT IN (3, 4)",
    )
    .execute(&pool)
    .await
    .expect("writes");
    sqlx::query(
        "INSERT INTO document (key, seller, kind, subject, revision, currency, expected_minor, body, body_hash, planned_at)
         VALUES ('IOLD', 'A1', 'invoice', 'O1', 0, 'USD', 1, '{}', '', 1790000000000)",
    )
    .execute(&pool)
    .await
    .expect("writes");
    pool.close().await;
    let store = SqliteStore::open(&path).await.expect("brings it up to date");
    assert_eq!(assert_whole(&store).await.size(), 6_001);
    let last = store.log_events(6_000, 2).await.expect("reads").remove(0).detail.expect("is set");
    let said = format!("document IOLD sha256 {}", ContentHash::of(b"{}"));
    assert_eq!(String::from_utf8(last).expect("text"), said, "the document is tied to the log");
    let gap = store.log_events(2, 2).await.expect("reads");
    assert!(gap.iter().all(|event| event.action.as_deref() == Some(b"missing".as_slice())), "{gap:?}");
    store.apply(vec![event("O1")]).await.expect("goes on");
    for statement in
        ["UPDATE audit_event SET detail = 'x' WHERE id = 5", "UPDATE audit_event SET leaf = NULL"]
    {
        let refused = sqlx::query(statement).execute(&store.pool).await.expect_err("append-only");
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    store.close().await;
    let again = SqliteStore::open(&path).await.expect("opens again");
    assert_eq!(assert_whole(&again).await.size(), 6_002);
    again.close().await;
    for end in ["", "-wal", "-shm"] {
        let _gone = std::fs::remove_file(format!("{}{end}", path.display()));
    }
}

/// Who verifies while the daemon goes on must not take what comes meanwhile for something slipped in.
#[tokio::test]
async fn a_reader_sees_one_state_while_others_write() {
    let fresh = Fresh::open().await.expect("a file");
    fresh.apply(vec![event("O1")]).await;
    let reader = SqliteStore::open_to_read(&fresh.path).await.expect("opens");
    assert_eq!(assert_whole(&reader).await.size(), 1);
    fresh.apply(vec![event("O2"), event("O3")]).await;
    assert_eq!(assert_whole(&reader).await.size(), 1);
    reader.close().await;
    let later = SqliteStore::open_to_read(&fresh.path).await.expect("opens");
    assert_eq!(assert_whole(&later).await.size(), 3);
    assert!(later.apply(vec![event("O4")]).await.is_err(), "it only reads");
    later.close().await;
    assert_eq!(assert_whole(&fresh.store).await.size(), 3);
}

/// A full disk takes a transaction back behind sqlx's back; its connection must not come back from the pool.
#[tokio::test]
async fn writes_go_on_once_there_is_room_again() {
    let fresh = Fresh::open().await.expect("a file");
    let options = SqliteConnectOptions::new().filename(&fresh.path);
    let one = super::pool().max_connections(1).connect_with(options).await.expect("opens");
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&one).await.expect("counts");
    // Holds for this connection, as a full disk would for all.
    let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 1));
    sqlx::query(limit).execute(&one).await.expect("limits");
    let (store, large) = (SqliteStore { pool: one, fence: None }, "x".repeat(200_000));
    let full = store.apply(vec![raw("O1", &large, 0)]).await;
    assert!(full.is_err(), "there was room");
    for n in 2..6 {
        store.apply(vec![raw(&format!("O{n}"), &large, n)]).await.expect("there is room again");
    }
    assert_eq!(fresh.pending().await.len(), 4, "nothing half done is left of the first");
}

#[tokio::test]
async fn a_copy_is_whole_belongs_to_its_owner_and_says_that_it_is_one() {
    let fresh = Fresh::open().await.expect("a file");
    fresh.apply(vec![raw("113-1", "{}", 0)]).await;
    fresh.apply(vec![event("113-1")]).await;
    let to = fresh.path.with_extension("copy");
    let _left_over = std::fs::remove_file(&to);
    let events = fresh.store.back_up(&to, at(5)).await.expect("copies");
    let log = fresh.store.log_frontier().await.expect("reads").expect("a log");
    assert_eq!(events, log.size());
    let mode = std::fs::metadata(&to).expect("a copy").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        fresh.store.restoration().await.expect("reads"),
        Restoration::default(),
        "the original is none"
    );

    let before = std::fs::read(&to).expect("reads");
    let again = fresh.store.back_up(&to, at(6)).await.expect_err("it exists");
    assert!(again.to_string().starts_with("STO-COPY"), "{again}");
    assert_eq!(before, std::fs::read(&to).expect("reads"), "it was written over");

    let copy = Fresh { store: SqliteStore::open(&to).await.expect("opens"), path: to };
    let state = copy.store.restoration().await.expect("reads");
    assert_eq!(state, Restoration { restored_at: None, is_copy: true, taken_at: Some(at(5)) });
    assert_eq!(copy.pending().await, [("113-1".to_owned(), "{}".to_owned())]);
    assert_eq!(copy.store.log_frontier().await.expect("reads"), Some(log));

    copy.apply(vec![Change::Operations(OperationsChange::Restored { events, at: at(9) })]).await;
    let state = copy.store.restoration().await.expect("reads");
    assert_eq!(state, Restoration { restored_at: Some(at(9)), is_copy: false, taken_at: None });
    copy.apply(vec![Change::Operations(OperationsChange::Restored { events, at: at(99) })]).await;
    assert_eq!(copy.store.restoration().await.expect("reads").restored_at, Some(at(99)), "the last counts");
}
