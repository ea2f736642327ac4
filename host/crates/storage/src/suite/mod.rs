//! The suite that every store has to pass. It is compiled once for each, as the statements are.

mod leases;
pub(in super::super) mod log;
mod operations;
mod steps;

use ml_connector_domain::audit::{Action, AuditEvent};
use ml_connector_domain::document::{Body, Document, Kind, Origin};
use ml_connector_domain::id::{ContentHash, FusionId};
use ml_connector_domain::mapping::DocumentLine;
use ml_connector_domain::posting::State;
use ml_connector_domain::{Currency, DocumentKey, Money, Region, SellerId, Timestamp};

use super::tests::Fresh;
use crate::{
    AccountUse, CatalogChange, CatalogPointer, CatalogVersion, CatalogVersions as _, Change, Component,
    Cursor, FusionChange, Ledger, MapperChange, MapperVersions as _, Pointer, ReviewDraft, ShownDocument,
    Store as _, StoreError, Watching as _,
};

impl Fresh {
    pub(super) async fn apply(&self, changes: Vec<Change>) {
        self.store.apply(changes).await.expect("applies");
    }

    pub(super) async fn pending(&self) -> Vec<(String, String)> {
        let rows = self.store.pending_raw(&seller(), 10_000).await.expect("reads");
        rows.into_iter().map(|row| (row.natural_id, row.body)).collect()
    }
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).expect("in range")
}

fn seller() -> SellerId {
    "A1".into()
}

pub(super) fn raw(id: &str, body: &str, seconds: i64) -> Change {
    Change::Raw {
        seller: seller(),
        region: Region::Na,
        stream: "orders",
        natural_id: id.to_owned(),
        body: body.to_owned(),
        buyer_data: false,
        at: at(seconds),
    }
}

/// What normalizing a payload writes; the record is the payload itself.
fn normalized(id: &str, body: &str, stage: &'static str) -> Vec<Change> {
    let hash = ContentHash::of(body.as_bytes());
    vec![
        Change::Canonical {
            seller: seller(),
            kind: "order",
            natural_id: id.to_owned(),
            region: Region::Na,
            record: body.to_owned(),
            raw: hash.clone(),
            stage,
            group: None,
            economic_id: id.to_owned(),
            at: at(0),
        },
        Change::RawDone { seller: seller(), stream: "orders".to_owned(), natural_id: id.to_owned(), hash },
    ]
}

fn invoice(order: &str, revision: u32) -> Document {
    let hash = ContentHash::of(b"");
    let line = DocumentLine {
        description: "A mug".to_owned(),
        amount: Money::new(1_999, Currency::USD),
        quantity: 1,
        account: "01-110-41000".into(),
        sku: None,
        order_item: None,
        rule: "catalog.csv:2".to_owned(),
        class: ml_connector_domain::mapping::LineClass::Revenue,
    };
    Document {
        key: DocumentKey::derive(Kind::Invoice.letter(), &seller(), order, revision),
        seller: seller(),
        revision,
        date: "2026-09-02".parse().expect("a date"),
        moved_from: None,
        currency: Currency::USD,
        body: Body::Invoice {
            order: order.into(),
            marketplace: "US".into(),
            lines: vec![line],
            net_of: Vec::new(),
            shipment: None,
        },
        origin: Origin::new(hash.clone(), hash.clone(), hash),
    }
}

fn plan(document: &Document, source: &str) -> Change {
    Change::Plan {
        document: Box::new(document.clone()),
        expected: Money::new(1_999, Currency::USD),
        recognizes: vec![(source.to_owned(), "receivable")],
        at: at(0),
    }
}

pub(super) fn event(subject: &str) -> Change {
    Change::Audit(AuditEvent {
        at: at(0),
        seller: seller(),
        subject: subject.to_owned(),
        action: Action::Planned,
        detail: "planned".to_owned(),
    })
}

fn review(message: &str) -> Change {
    Change::Review(ReviewDraft {
        seller: seller(),
        kind: "order",
        subject: "O1".to_owned(),
        code: "unmapped-sku".to_owned(),
        about: "MUG".to_owned(),
        message: message.to_owned(),
        at_stake: Some(Money::new(-5, Currency::JPY)),
        at: at(0),
    })
}

#[tokio::test]
async fn a_payload_is_kept_once_for_each_content() {
    let Some(fresh) = Fresh::open().await else { return };
    fresh.apply(vec![raw("O1", "v1", 0), raw("O1", "v1", 1), raw("O2", "v1", 0)]).await;
    fresh.apply(vec![raw("O1", "v1", 2), raw("O1", "v2", 3)]).await;
    let expected =
        [("O1", "v1"), ("O2", "v1"), ("O1", "v2")].map(|(id, body)| (id.to_owned(), body.to_owned()));
    assert_eq!(fresh.pending().await, expected, "the oldest first");
    fresh.apply(normalized("O1", "v1", "waiting")).await;
    fresh.apply(vec![raw("O1", "v1", 4)]).await;
    assert_eq!(
        fresh.pending().await,
        expected[1..],
        "what is normalized does not come back by being read again"
    );
}

/// An order that is changed and changed back arrives a third time with bytes that are known.
#[tokio::test]
async fn a_content_that_returns_after_another_is_normalized_again() {
    let Some(fresh) = Fresh::open().await else { return };
    for body in ["v1", "v2"] {
        fresh.apply(vec![raw("O1", body, 0)]).await;
        fresh.apply(normalized("O1", body, "waiting")).await;
    }
    assert!(fresh.pending().await.is_empty());
    fresh.apply(vec![raw("O1", "v1", 9)]).await;
    assert_eq!(fresh.pending().await, [("O1".to_owned(), "v1".to_owned())]);
    fresh.apply(normalized("O1", "v1", "waiting")).await;
    let newest = fresh.store.newest(&seller(), "order", "O1").await.expect("reads").expect("a record");
    assert_eq!(newest.record, "v1");
}

#[tokio::test]
async fn a_page_of_any_length_is_kept_whole() {
    let Some(fresh) = Fresh::open().await else { return };
    let page: Vec<Change> = (0..1_201).map(|n| raw(&format!("O{n:04}"), "body", n)).collect();
    fresh.apply(page).await;
    assert_eq!(fresh.pending().await.len(), 1_201);
    let done = (0..1_201).flat_map(|n| normalized(&format!("O{n:04}"), "body", "ready")).collect();
    fresh.apply(done).await;
    assert!(fresh.pending().await.is_empty());
    assert_eq!(fresh.store.at_stage(&seller(), "order", "ready", 5_000).await.expect("reads").len(), 1_201);
}

#[tokio::test]
async fn a_new_content_is_a_new_version_and_an_old_one_changes_nothing() {
    let Some(fresh) = Fresh::open().await else { return };
    fresh.apply(normalized("O1", "v1", "waiting")).await;
    fresh
        .apply(vec![Change::Stage {
            seller: seller(),
            kind: "order",
            natural_id: "O1".to_owned(),
            stage: "documented",
            at: at(1),
        }])
        .await;
    let stage =
        async || fresh.store.newest(&seller(), "order", "O1").await.expect("reads").expect("one").stage;
    fresh.apply(normalized("O1", "v1", "ready")).await;
    assert_eq!(stage().await, "documented", "the same content does not start over");
    fresh.apply(normalized("O1", "v2", "ready")).await;
    assert_eq!(stage().await, "ready");
}

#[tokio::test]
async fn a_list_of_changes_is_applied_whole_or_not_at_all() {
    let Some(fresh) = Fresh::open().await else { return };
    let (first, second) = (invoice("O1", 0), invoice("O2", 0));
    fresh.apply(vec![plan(&first, "O1")]).await;
    // The second document would recognise the first one's leg.
    let refused = fresh.store.apply(vec![event("O2"), plan(&second, "O1"), raw("O9", "body", 0)]).await;
    assert!(matches!(refused, Err(StoreError::Twice { what: "recognising a leg" })), "{refused:?}");
    assert!(fresh.store.document(&second.key).await.expect("reads").is_none());
    assert!(fresh.store.story(&["O2".to_owned()]).await.expect("reads").is_empty());
    assert!(fresh.pending().await.is_empty());
    let owner = fresh.store.recognized_by(&seller(), "O1", "receivable").await.expect("reads");
    assert_eq!(owner, Some(first.key));
}

#[tokio::test]
async fn a_document_cannot_be_planned_twice() {
    let Some(fresh) = Fresh::open().await else { return };
    let document = invoice("O1", 0);
    fresh.apply(vec![plan(&document, "O1")]).await;
    let refused = fresh.store.apply(vec![plan(&document, "another")]).await;
    assert!(matches!(refused, Err(StoreError::Twice { what: "planning a document" })), "{refused:?}");
    fresh.apply(vec![plan(&invoice("O1", 1), "O1-reversal")]).await;
    assert_eq!(fresh.store.documents_about("O1").await.expect("reads").len(), 2);
}

#[tokio::test]
async fn postings_are_due_in_their_order_and_end() {
    let Some(fresh) = Fresh::open().await else { return };
    let documents = [invoice("O1", 0), invoice("O2", 0)];
    fresh.apply(documents.iter().map(|document| plan(document, document.subject())).collect()).await;
    let later = State::Planned { attempts: 1, not_before: at(60), absent_at: None };
    let moved = |state| Change::Posting { key: documents[0].key.clone(), state, at: at(1) };
    fresh.apply(vec![moved(later.clone())]).await;
    let due = async |now| {
        let rows = fresh.store.due_postings(&seller(), at(now), 10).await.expect("reads");
        rows.into_iter().map(|row| row.document.subject().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (due(59).await, due(60).await),
        (vec!["O2".to_owned()], vec!["O2".to_owned(), "O1".to_owned()])
    );
    assert_eq!(fresh.store.document(&documents[0].key).await.expect("reads").expect("one").state, later);
    fresh.apply(vec![moved(State::Confirmed { fusion_id: FusionId::new("300000001") })]).await;
    assert_eq!(due(10_000).await, ["O2"]);
    assert_eq!(fresh.store.documents_about("300000001").await.expect("reads")[0].document, documents[0]);
    let unknown = Change::Posting { key: invoice("O3", 0).key, state: later, at: at(2) };
    assert!(matches!(fresh.store.apply(vec![unknown]).await, Err(StoreError::Corrupt { .. })));
}

#[tokio::test]
async fn only_what_is_planned_is_dated_anew() {
    let Some(fresh) = Fresh::open().await else { return };
    let mut document = invoice("O1", 0);
    fresh.apply(vec![plan(&document, "O1")]).await;
    document.moved_from = Some(document.date);
    document.date = "2026-10-01".parse().expect("a date");
    let redate = || Change::Redate { document: Box::new(document.clone()), at: at(1) };
    fresh.apply(vec![redate()]).await;
    let row = fresh.store.document(&document.key).await.expect("reads").expect("one");
    assert_eq!(row.document, document);
    assert_eq!(row.document.transaction_date().to_string(), "2026-09-02");
    let state = State::Confirmed { fusion_id: FusionId::new("1") };
    fresh.apply(vec![Change::Posting { key: document.key.clone(), state, at: at(1) }]).await;
    assert!(matches!(fresh.store.apply(vec![redate()]).await, Err(StoreError::Corrupt { .. })));
}

#[tokio::test]
async fn what_is_confirmed_is_compared_until_it_was() {
    let Some(fresh) = Fresh::open().await else { return };
    let document = invoice("O1", 0);
    let state = State::Confirmed { fusion_id: FusionId::new("1") };
    fresh.apply(vec![plan(&document, "O1")]).await;
    let due = async |now| fresh.store.unreconciled(&seller(), at(now), 10).await.expect("reads").len();
    assert_eq!(due(100).await, 0, "it is not confirmed");
    fresh.apply(vec![Change::Posting { key: document.key.clone(), state, at: at(1) }]).await;
    assert_eq!(due(100).await, 1);
    let finding = Some(("REC-AMOUNT".to_owned(), "USD 1.00 is missing".to_owned()));
    fresh.apply(vec![Change::Reconciled { key: document.key.clone(), finding, at: at(100) }]).await;
    assert_eq!((due(100).await, due(101).await), (0, 1));
    assert_eq!(fresh.store.findings(10).await.expect("reads").len(), 1);
    fresh.apply(vec![Change::Reconciled { key: document.key, finding: None, at: at(200) }]).await;
    assert!(fresh.store.findings(10).await.expect("reads").is_empty());
}

fn shown(status: &str, minor: i64, updated: i64) -> ShownDocument {
    let balance = Some(Money::new(minor, Currency::USD));
    ShownDocument { status: status.to_owned(), balance, updated: at(updated) }
}

#[tokio::test]
async fn what_fusion_shows_of_a_document_is_kept_beside_it() {
    let Some(fresh) = Fresh::open().await else { return };
    let document = invoice("O1", 0);
    assert_eq!(fresh.store.first_planned(&seller()).await.expect("reads"), None);
    fresh.apply(vec![plan(&document, "O1")]).await;
    assert_eq!(fresh.store.first_planned(&seller()).await.expect("reads"), Some(at(0)));
    let watched = async |kind, id: &str| fresh.store.watched(&seller(), kind, id).await.expect("reads");
    assert_eq!(watched(Kind::Invoice, "7").await, None, "it is not confirmed");
    let state = State::Confirmed { fusion_id: FusionId::new("7") };
    fresh.apply(vec![Change::Posting { key: document.key.clone(), state, at: at(1) }]).await;
    let found = watched(Kind::Invoice, "7").await.expect("is there");
    assert_eq!((found.key.clone(), found.subject.as_str(), found.shown), (document.key.clone(), "O1", None));
    assert_eq!(watched(Kind::Journal, "7").await, None, "numbers of batches are others");
    let keep = |shown| {
        Change::Fusion(FusionChange::Document {
            seller: seller(),
            key: document.key.clone(),
            shown,
            at: at(2),
        })
    };
    fresh.apply(vec![keep(shown("Complete", 1_999, 5)), keep(shown("Frozen", 0, 9))]).await;
    assert_eq!(watched(Kind::Invoice, "7").await.expect("is there").shown, Some(shown("Frozen", 0, 9)));
    let totals = fresh.store.shown_totals().await.expect("reads");
    assert_eq!(totals, [("invoice".to_owned(), "Frozen".to_owned(), 1)]);
    let cursor = async || fresh.store.fusion_cursor(&seller(), "receivablesInvoices").await.expect("reads");
    assert_eq!(cursor().await, None);
    let (seller_, resource) = (seller(), "receivablesInvoices");
    let moved = FusionChange::Cursor { seller: seller_, resource, position: at(5), at: at(6) };
    fresh.apply(vec![Change::Fusion(moved)]).await;
    assert_eq!(cursor().await, Some((at(5), at(6))));
}

#[tokio::test]
async fn a_document_that_changed_is_due_at_once_and_one_never_compared_is_not() {
    let Some(fresh) = Fresh::open().await else { return };
    let documents = [invoice("O1", 0), invoice("O2", 0)];
    for (document, id) in documents.iter().zip(["1", "2"]) {
        let state = State::Confirmed { fusion_id: FusionId::new(id) };
        let posting = Change::Posting { key: document.key.clone(), state, at: at(1) };
        fresh.apply(vec![plan(document, document.subject()), posting]).await;
    }
    let compared = Change::Reconciled { key: documents[0].key.clone(), finding: None, at: at(100) };
    fresh.apply(vec![compared]).await;
    let at_once = async || {
        let due = fresh.store.unreconciled(&seller(), Timestamp::UNIX_EPOCH, 10).await.expect("reads");
        due.into_iter().map(|row| row.document.subject().to_owned()).collect::<Vec<_>>()
    };
    let again = |n: usize, older_than| {
        Change::Fusion(FusionChange::CompareAgain { key: documents[n].key.clone(), older_than })
    };
    fresh.apply(vec![again(0, Some(at(100))), again(1, None)]).await;
    assert!(at_once().await.is_empty(), "compared since, or not at all");
    fresh.apply(vec![again(0, Some(at(101)))]).await;
    assert_eq!(at_once().await, ["O1"]);
    let compared = Change::Reconciled { key: documents[0].key.clone(), finding: None, at: at(200) };
    fresh.apply(vec![compared, again(0, None)]).await;
    assert_eq!(at_once().await, ["O1"]);
}

#[tokio::test]
async fn accounts_and_dates_in_use_are_those_of_what_is_posted_or_waits() {
    let Some(fresh) = Fresh::open().await else { return };
    let documents = [invoice("O1", 0), invoice("O2", 0)];
    fresh.apply(documents.iter().map(|document| plan(document, document.subject())).collect()).await;
    let state = State::Confirmed { fusion_id: FusionId::new("1") };
    fresh.apply(vec![Change::Posting { key: documents[0].key.clone(), state, at: at(1) }]).await;
    let uses = async |since| fresh.store.accounts_in_use(&seller(), at(since)).await.expect("reads");
    let use_of = |posted, waiting| AccountUse { account: "01-110-41000".to_owned(), posted, waiting };
    assert_eq!(uses(0).await, [use_of(1, 1)]);
    assert_eq!(uses(1).await, [use_of(0, 1)], "what is still to be posted counts however old it is");
    let dates = fresh.store.dates_waiting(&seller()).await.expect("reads");
    assert_eq!(dates, [("invoice".to_owned(), "2026-09-02".to_owned(), 1)]);
    let say = |usable| {
        let (seller, kind, name) = (seller(), Ledger::Account, "01-110-41000".to_owned());
        Change::Fusion(FusionChange::Usable { seller, kind, name, usable, at: at(3) })
    };
    fresh.apply(vec![say(true), say(false)]).await;
    let states = async |kind| fresh.store.ledger_states(&seller(), kind).await.expect("reads");
    assert_eq!(states(Ledger::Account).await, [("01-110-41000".to_owned(), false)]);
    assert!(states(Ledger::Period).await.is_empty());
}

#[tokio::test]
async fn a_review_item_is_open_once_and_can_open_again() {
    let Some(fresh) = Fresh::open().await else { return };
    fresh.apply(vec![review("first"), review("second")]).await;
    let open = fresh.store.open_reviews(10).await.expect("reads");
    assert_eq!(open.iter().map(|item| item.message.as_str()).collect::<Vec<_>>(), ["first"]);
    assert_eq!(open[0].at_stake, Some(Money::new(-5, Currency::JPY)));
    let resolve = Change::Resolve { seller: seller(), kind: "order", subject: "O1".to_owned(), at: at(1) };
    fresh.apply(vec![resolve, review("third")]).await;
    let open = fresh.store.open_reviews(10).await.expect("reads");
    assert_eq!(open.iter().map(|item| item.message.as_str()).collect::<Vec<_>>(), ["third"]);
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_the_audit_log() {
    let Some(fresh) = Fresh::open().await else { return };
    fresh.apply(vec![event("O1"), event("O1")]).await;
    for statement in ["UPDATE audit_event SET detail = 'nothing happened'", "DELETE FROM audit_event"] {
        let refused = sqlx::query(statement).execute(&fresh.store.pool).await.expect_err("append-only");
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    let story = fresh.store.story(&["O1".to_owned(), "O1".to_owned()]).await.expect("reads");
    assert_eq!(story.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 2], "in order, each once");
}

#[tokio::test]
async fn everything_is_there_after_the_store_was_closed() {
    let Some(fresh) = Fresh::open().await else { return };
    let cursor = Cursor {
        position: at(5),
        window: Some((at(1), at(9))),
        token: Some("next".to_owned()),
        polled_at: at(10),
    };
    let moved =
        Change::Cursor { seller: seller(), region: Region::Fe, stream: "orders", cursor: cursor.clone() };
    let sealed = |version, byte| Change::Credential {
        seller: "A1".to_owned(),
        kind: "amazon-refresh-token/fe".to_owned(),
        version,
        sealed: vec![byte; 3],
        at: at(0),
    };
    fresh.apply(vec![moved, sealed(1, 1), sealed(2, 2)]).await;
    fresh.store.close().await;
    let again = fresh.open_again().await.expect("opens again");
    assert_eq!(again.cursor(&seller(), Region::Fe, "orders").await.expect("reads"), Some(cursor));
    assert_eq!(again.cursor(&seller(), Region::Na, "orders").await.expect("reads"), None);
    let credential = again.credential("A1", "amazon-refresh-token/fe").await.expect("reads").expect("one");
    assert_eq!((credential.version, credential.sealed), (2, vec![2; 3]));
    again.close().await;
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let Some(fresh) = Fresh::open().await else { return };
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         SELECT 9999, 'from the future', success, checksum, 0 FROM _sqlx_migrations LIMIT 1",
    )
    .execute(&fresh.store.pool)
    .await
    .expect("writes");
    fresh.store.close().await;
    let refused = fresh.open_again().await.expect_err("it is newer");
    assert!(refused.to_string().starts_with("STO-MIGRATE"), "{refused}");
}

fn component(bytes: &[u8]) -> Component {
    let (name, version, contract) = ("m".to_owned(), "1".to_owned(), "0.1.0".to_owned());
    let digest = ContentHash::of(bytes);
    Component {
        digest,
        name,
        version,
        contract,
        author: None,
        signatures: Vec::new(),
        bytes: bytes.to_vec(),
        added_at: at(0),
    }
}

#[tokio::test]
async fn a_component_is_kept_as_it_came_for_ever() {
    let Some(fresh) = Fresh::open().await else { return };
    let kept = component(b"one");
    fresh.apply(vec![Change::Mapper(MapperChange::Component(Box::new(kept.clone())))]).await;
    let other = Component { name: "other".to_owned(), added_at: at(9), ..kept.clone() };
    fresh.apply(vec![Change::Mapper(MapperChange::Component(Box::new(other)))]).await;
    assert_eq!(fresh.store.mapper_component(&kept.digest).await.expect("reads"), Some(kept.clone()));
    for signature in ["b", "a", "b"] {
        let signed = Component { signatures: vec![signature.to_owned()], ..kept.clone() };
        fresh.apply(vec![Change::Mapper(MapperChange::Component(Box::new(signed)))]).await;
    }
    let both = Component { signatures: vec!["a".to_owned(), "b".to_owned()], ..kept.clone() };
    assert_eq!(fresh.store.mapper_component(&kept.digest).await.expect("reads"), Some(both));
    for statement in ["UPDATE mapper_component SET bytes = bytes", "DELETE FROM mapper_component"] {
        let refused =
            sqlx::query(statement).execute(&fresh.store.pool).await.expect_err(statement).to_string();
        assert!(refused.contains("kept"), "{refused}");
    }
}

#[tokio::test]
async fn one_version_is_active_and_one_is_the_shadow() {
    let Some(fresh) = Fresh::open().await else { return };
    let [one, two] = [component(b"one"), component(b"two")];
    let mut changes = Vec::new();
    for kept in [&one, &two] {
        changes.push(Change::Mapper(MapperChange::Component(Box::new(kept.clone()))));
        let (digest, why) = (kept.digest.clone(), String::new());
        changes.push(Change::Mapper(MapperChange::Validated { seller: seller(), digest, why, at: at(1) }));
    }
    fresh.apply(changes).await;
    assert_eq!(fresh.store.mapper_pointer(&seller()).await.expect("reads"), Pointer::default());
    for (n, kept) in [(2, &one), (3, &two)] {
        let (digest, why) = (Some(kept.digest.clone()), String::new());
        fresh
            .apply(vec![
                Change::Mapper(MapperChange::Shadow { seller: seller(), digest: digest.clone(), at: at(n) }),
                Change::Mapper(MapperChange::Activate { seller: seller(), digest, why, at: at(n) }),
            ])
            .await;
    }
    let pointer = fresh.store.mapper_pointer(&seller()).await.expect("reads");
    let wanted = Pointer {
        active: Some(two.digest.clone()),
        previous: Some(Some(one.digest.clone())),
        since: Some(at(3)),
        // Whoever is activated is no shadow any more.
        shadow: None,
    };
    assert_eq!(pointer, wanted);
    let rows = fresh.store.mapper_versions().await.expect("reads");
    let mut states: Vec<_> = rows.into_iter().map(|row| row.state).collect();
    states.sort();
    assert_eq!(states, ["active", "retired"]);
    let unknown = MapperChange::Activate {
        seller: seller(),
        digest: Some(ContentHash::of(b"never uploaded")),
        why: String::new(),
        at: at(4),
    };
    fresh.store.apply(vec![Change::Mapper(unknown)]).await.expect_err("it is not the seller's");
    assert_eq!(fresh.store.mapper_pointer(&seller()).await.expect("reads"), wanted);
}

fn catalog(bytes: &[u8]) -> CatalogVersion {
    CatalogVersion {
        seller: seller(),
        hash: ContentHash::of(bytes),
        file: "c.csv".to_owned(),
        bytes: bytes.to_vec(),
        catalog: ml_connector_domain::catalog::Catalog::default(),
        why: "a test".to_owned(),
        at: at(1),
    }
}

#[tokio::test]
async fn a_catalog_is_kept_as_it_came_for_ever_and_only_what_a_seller_has_decides() {
    let Some(fresh) = Fresh::open().await else { return };
    let [one, two] = [catalog(b"one"), catalog(b"two")];
    let keep = |version: &CatalogVersion| Change::Catalog(CatalogChange::Keep(Box::new(version.clone())));
    let activate = |hash: Option<&ContentHash>, n| {
        let hash = hash.cloned();
        Change::Catalog(CatalogChange::Activate { seller: seller(), hash, at: at(n) })
    };
    assert_eq!(fresh.store.catalog_pointer(&seller()).await.expect("reads"), CatalogPointer::default());
    fresh.apply(vec![keep(&one), keep(&one), activate(Some(&one.hash), 2)]).await;
    let pointer = || async { fresh.store.catalog_pointer(&seller()).await.expect("reads") };
    assert_eq!(pointer().await, CatalogPointer { active: Some(one.hash.clone()), since: Some(at(2)) });
    let never = fresh.store.apply(vec![activate(Some(&two.hash), 3)]).await;
    assert!(never.expect_err("it is not the seller's").to_string().contains("import it first"));
    fresh.apply(vec![keep(&two), activate(Some(&two.hash), 4), activate(None, 5)]).await;
    assert_eq!(pointer().await, CatalogPointer { active: None, since: Some(at(5)) });
    assert_eq!(fresh.store.catalog_bytes(&two.hash).await.expect("reads"), Some(b"two".to_vec()));
    assert_eq!(fresh.store.catalog_versions().await.expect("reads").len(), 2);
    for statement in ["DELETE FROM catalog_file", "UPDATE catalog_file SET bytes = bytes"] {
        let refused =
            sqlx::query(statement).execute(&fresh.store.pool).await.expect_err("it is kept").to_string();
        assert!(refused.contains("kept"), "{refused}");
    }
}
