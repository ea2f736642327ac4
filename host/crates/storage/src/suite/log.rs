//! The Merkle log: every event a leaf, whoever wrote it and when.

use ml_connector_domain::audit::merkle::{Frontier, Hash, Tree};
use ml_connector_domain::audit::{Action, Leaf};

use super::super::OwnStore;
use super::*;
use crate::AuditLog as _;

/// The log's own row must be what its events come to, and each event's leaf what its columns come to.
pub(in super::super) async fn assert_whole(store: &OwnStore) -> Tree {
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
    let Some(fresh) = Fresh::open().await else { return };
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
    let Some(fresh) = Fresh::open().await else { return };
    let document = invoice("O1", 0);
    fresh.apply(vec![plan(&document, "O1"), event("O1")]).await;
    let refused = fresh.store.apply(vec![event("O2"), plan(&document, "O2")]).await;
    assert!(refused.is_err());
    fresh.apply(vec![event("O3")]).await;
    assert_eq!(assert_whole(&fresh.store).await.size(), 3, "two events, and the document's own");
}

#[tokio::test]
async fn a_documents_bytes_are_tied_to_the_log() {
    let Some(fresh) = Fresh::open().await else { return };
    let document = invoice("O1", 0);
    fresh.apply(vec![plan(&document, "O1")]).await;
    let stored = fresh.store.recorded_document(&document.key).await.expect("reads").expect("is there");
    assert_eq!(ContentHash::of(stored.body.as_bytes()), stored.row.body_hash);
    let story = fresh.store.story(&["O1".to_owned()]).await.expect("reads");
    let expected = format!("document {} sha256 {}", document.key, stored.row.body_hash);
    assert_eq!((story[0].action.as_str(), story[0].detail.as_str()), (Action::Recorded.as_str(), &*expected));
}

#[tokio::test]
async fn an_event_put_behind_the_logs_end_stops_the_next_one() {
    let Some(fresh) = Fresh::open().await else { return };
    fresh.apply(vec![event("O1")]).await;
    let slipped = "INSERT INTO audit_event (id, at, seller, subject, action, detail, leaf)
         SELECT id + 1, at, seller, subject, action, detail, leaf FROM audit_event";
    sqlx::query(slipped).execute(&fresh.store.pool).await.expect("writes");
    let refused = fresh.store.apply(vec![event("O2")]).await.expect_err("its place is taken");
    assert!(refused.to_string().contains("audit verify"), "{refused}");
}

#[tokio::test]
async fn checkpoints_and_the_key_are_kept_once() {
    let Some(fresh) = Fresh::open().await else { return };
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
