//! The Merkle log: every event a leaf, whoever wrote it and when.

use ml_connector_domain::audit::merkle::{Frontier, Hash, Tree};
use ml_connector_domain::audit::{Action, Leaf};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;

use super::*;
use crate::AuditLog as _;
use crate::sqlite::MIGRATIONS;

/// The log's own row must be what its events come to, and each event's leaf what its columns come to.
async fn assert_whole(store: &SqliteStore) -> Tree {
    let mut frontier = Frontier::default();
    for event in store.log_events(0, 100_000).await.expect("reads") {
        let text = |column: Option<Vec<u8>>| String::from_utf8(column.expect("is set")).expect("text");
        let at = text(event.at).parse().expect("a number");
        let (seller, subject) = (text(event.seller), text(event.subject));
        let (action, detail) = (text(event.action), text(event.detail));
        let leaf =
            Leaf { id: event.id, at, seller: &seller, subject: &subject, action: &action, detail: &detail };
        assert_eq!(event.leaf.as_deref(), Some(leaf.hash().as_bytes().as_slice()), "event {}", event.id);
        frontier.push(leaf.hash());
        assert_eq!(event.id, i64::try_from(frontier.size()).expect("small"), "no gap");
    }
    let tree = Tree::new(store.log_leaves().await.expect("reads"));
    assert_eq!(tree.root_at(tree.size()), Some(frontier.root()));
    assert_eq!(store.log_frontier().await.expect("reads"), Some(frontier));
    tree
}

#[tokio::test]
async fn every_event_is_a_leaf_in_the_order_of_its_number() {
    let fresh = Fresh::open().await;
    assert_eq!(assert_whole(&fresh.store).await.size(), 0);
    fresh.apply(vec![event("O1")]).await;
    let first = assert_whole(&fresh.store).await;
    fresh.apply((0..1_203).map(|n| event(&format!("O{n}"))).collect()).await;
    fresh.apply(vec![event("with \"quotes\", \u{0}, \u{e9} and \n")]).await;
    let tree = assert_whole(&fresh.store).await;
    assert_eq!(tree.size(), 1_205);
    assert_eq!(tree.root_at(1), first.root_at(1), "it goes on from what it was");
}

#[tokio::test]
async fn what_is_rolled_back_leaves_no_leaf() {
    let fresh = Fresh::open().await;
    let document = invoice("O1", 0);
    fresh.apply(vec![plan(&document, "O1"), event("O1")]).await;
    let refused = fresh.store.apply(vec![event("O2"), plan(&document, "O2")]).await;
    assert!(refused.is_err());
    fresh.apply(vec![event("O3")]).await;
    assert_eq!(assert_whole(&fresh.store).await.size(), 3, "two events, and the document's own");
}

#[tokio::test]
async fn a_documents_bytes_are_tied_to_the_log() {
    let fresh = Fresh::open().await;
    let document = invoice("O1", 0);
    fresh.apply(vec![plan(&document, "O1")]).await;
    let stored = fresh.store.recorded_document(&document.key).await.expect("reads").expect("is there");
    assert_eq!(ContentHash::of(stored.body.as_bytes()), stored.row.body_hash);
    let story = fresh.store.story(&["O1".to_owned()]).await.expect("reads");
    let expected = format!("document {} sha256 {}", document.key, stored.row.body_hash);
    assert_eq!((story[0].action.as_str(), story[0].detail.as_str()), (Action::Recorded.as_str(), &*expected));
}

/// A file as a version before the log left it: migrations up to its own, and events without leaves.
#[tokio::test]
async fn events_from_before_the_log_get_their_leaves_when_the_file_is_opened() {
    let path = std::env::temp_dir().join(format!("ml-connector-before-{}.sqlite", std::process::id()));
    let _left_over = std::fs::remove_file(&path);
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("opens");
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

#[tokio::test]
async fn an_event_put_behind_the_logs_end_stops_the_next_one() {
    let fresh = Fresh::open().await;
    fresh.apply(vec![event("O1")]).await;
    let slipped =
        "INSERT INTO audit_event (at, seller, subject, action, detail) VALUES (0, 'A1', 'O1', 'read', '')";
    sqlx::query(slipped).execute(&fresh.store.pool).await.expect("writes");
    let refused = fresh.store.apply(vec![event("O2")]).await.expect_err("its place is taken");
    assert!(refused.to_string().contains("audit verify"), "{refused}");
}

/// Who verifies while the daemon goes on must not take what comes meanwhile for something slipped in.
#[tokio::test]
async fn a_reader_sees_one_state_while_others_write() {
    let fresh = Fresh::open().await;
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

#[tokio::test]
async fn checkpoints_and_the_key_are_kept_once() {
    let fresh = Fresh::open().await;
    let checkpoint = |note: &str| Change::Checkpoint { size: 3, at: at(0), note: note.to_owned() };
    let key = |public: &str| Change::AuditKey { public: public.to_owned(), at: at(0) };
    fresh.apply(vec![checkpoint("first"), key("one")]).await;
    for second in [checkpoint("second"), key("two")] {
        assert!(matches!(fresh.store.apply(vec![second]).await, Err(StoreError::Twice { .. })));
    }
    let kept = fresh.store.log_checkpoints().await.expect("reads");
    assert_eq!(kept.iter().map(|row| (row.size, row.note.as_str())).collect::<Vec<_>>(), [(3, "first")]);
    assert_eq!(fresh.store.log_key().await.expect("reads").as_deref(), Some("one"));
    for statement in ["UPDATE audit_checkpoint SET note = 'x'", "DELETE FROM audit_checkpoint"] {
        assert!(sqlx::query(statement).execute(&fresh.store.pool).await.is_err(), "{statement}");
    }
    assert_ne!(Hash::empty(), Hash::leaf(b""), "the empty tree and an empty leaf differ");
}
