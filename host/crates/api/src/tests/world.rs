//! Two tenants with the same kinds of things, and keys of every role; and a client.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use jiff::SignedDuration;
use ml_connector_domain::audit::{Action, AuditEvent};
use ml_connector_domain::canonical::{Charge, Order, OrderItem};
use ml_connector_domain::catalog::Catalog;
use ml_connector_domain::document::{Body as Of, Document, Kind, Origin};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::{DocumentLine, LineClass, MapperIdentity};
use ml_connector_domain::{Clock, Currency, DocumentKey, Money, Region, SellerId, Timestamp};
use ml_connector_pipeline::pulse::Pulse;
use ml_connector_pipeline::versions::Versions;
use ml_connector_pipeline::worker::{Cadence, Live};
use ml_connector_pipeline::{Parts, Seller, kind, stage};
use ml_connector_storage::{
    ApiKey, CatalogChange, CatalogVersion, Change, Component, Cursor, MapperChange, Operations as _,
    OperationsChange, ReviewDraft, ReviewFilter, SqliteStore, Store as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::sync::watch;

use super::stubs::{Daemon, Loads, Mugs, Nothing, SetClock};
use crate::keys::{self, ID_BYTES, NewKey, SECRET_BYTES};
use crate::{Api, Limits, Role, Served, Workers};

/// 1 November 2026.
pub(super) const NOW: i64 = 1_793_491_200;
/// The tenant that is asked about.
pub(super) const OWN: &str = "A1";
/// A further seller of it.
pub(super) const SECOND: &str = "A2";
/// The other tenant's.
pub(super) const FOREIGN: &str = "B1";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).expect("in range")
}

/// An answer, read.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Got {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(super) fn kind(&self) -> &str {
        self.headers.get("content-type").map_or("", |value| value.to_str().expect("text"))
    }

    /// The code of a problem, whose form is looked at, too.
    pub(super) fn code(&self) -> String {
        assert_eq!(self.kind(), "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status, "{self:?}");
        for member in ["type", "title", "detail", "instance"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {self:?}");
        }
        body["code"].as_str().expect("a code").to_owned()
    }
}

/// A daemon's API.
pub(super) struct World {
    pub(super) store: Arc<SqliteStore>,
    pub(super) api: Arc<Api>,
    pub(super) clock: Arc<SetClock>,
    pub(super) daemon: Arc<Daemon>,
    pub(super) pulse: Pulse,
    router: Router,
}

/// What a world is made with.
pub(super) struct Made {
    /// Whether the other tenant is there.
    pub(super) foreign: bool,
    /// Whether no other daemon has the database.
    pub(super) alone: bool,
    pub(super) limits: Limits,
    pub(super) daemon: Daemon,
}

impl Default for Made {
    fn default() -> Self {
        Self { foreign: true, alone: true, limits: Limits::default(), daemon: Daemon::default() }
    }
}

/// Tenants and sellers.
fn sellers(made: &Made) -> Vec<(&'static str, &'static str)> {
    let foreign = made.foreign.then_some(("U", FOREIGN));
    [("T", OWN), ("T", SECOND)].into_iter().chain(foreign).collect()
}

impl World {
    pub(super) async fn new() -> Self {
        Self::of(Made::default()).await
    }

    pub(super) async fn of(made: Made) -> Self {
        let store = Arc::new(SqliteStore::open_in_memory().await.expect("opens"));
        let clock = Arc::new(SetClock::at(NOW));
        for (_, id) in sellers(&made) {
            fill(&store, id).await;
        }
        Self::over(store, clock, made)
    }

    /// Another daemon over the same database, which starts now.
    pub(super) fn beside(&self, made: Made) -> Self {
        Self::over(Arc::clone(&self.store), Arc::clone(&self.clock), made)
    }

    fn over(store: Arc<SqliteStore>, clock: Arc<SetClock>, made: Made) -> Self {
        let sellers = sellers(&made);
        let served = sellers.iter().map(|(tenant, id)| serve(&store, &clock, tenant, id)).collect();
        let pulse = Pulse::default();
        let daemon = Arc::new(made.daemon);
        let api = Api::new(
            (Arc::clone(&store) as _, Arc::clone(&clock) as _),
            served,
            Arc::clone(&daemon) as _,
            Workers { pulse: pulse.clone(), expected: sellers.len(), alone: made.alone },
            Arc::new(|| {
                ["A1", "A2", "B1"]
                    .map(|id| format!("ml_connector_worker_cycles_total{{seller=\"{id}\"}} 3\n"))
                    .concat()
            }),
            made.limits,
        );
        let router = crate::router(&api);
        Self { store, api, clock, daemon, pulse, router }
    }

    /// A new key that is in use.
    pub(super) async fn key(&self, role: Role, tenant: &str) -> SecretString {
        self.key_of(role, tenant, None, |_| {}).await.1
    }

    pub(super) async fn key_of(
        &self,
        role: Role,
        tenant: &str,
        sellers: Option<Vec<SellerId>>,
        change: impl FnOnce(&mut ApiKey),
    ) -> (String, SecretString) {
        let mut random = ([0; ID_BYTES], [0; SECRET_BYTES]);
        let n = self.store.api_keys().await.expect("reads").len();
        random.0[0] = u8::try_from(n).expect("few keys");
        random.0[1] = 7;
        random.1[0] = random.0[0];
        let new = NewKey { role, tenant: tenant.to_owned(), sellers, expires_at: None };
        let mut made = keys::make(new, random, at(0));
        change(&mut made.row);
        let id = made.row.id.clone();
        keys::keep(&*self.store, made.row, ("a test", at(0))).await.expect("keeps");
        (id, made.token)
    }

    /// Asks, with a key or without, and with further headers.
    pub(super) async fn ask(
        &self,
        key: Option<&SecretString>,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Got {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {}", key.expose_secret()));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_vec())).expect("a request");
        let answer = tower::ServiceExt::oneshot(self.router.clone(), request).await.expect("it answers");
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.expect("reads").to_bytes();
        Got {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).expect("text"),
        }
    }

    pub(super) async fn get(&self, key: &SecretString, path: &str) -> Got {
        self.ask(Some(key), ("GET", path), &[], b"").await
    }

    pub(super) async fn post(&self, key: &SecretString, path: &str, body: &str) -> Got {
        let json = [("content-type", "application/json")];
        self.ask(Some(key), ("POST", path), &json, body.as_bytes()).await
    }

    /// The number of a seller's first open item.
    pub(super) async fn item(&self, seller: &str) -> i64 {
        let filter = ReviewFilter { sellers: vec![seller.into()], ..ReviewFilter::default() };
        self.store.reviews_page(&filter, 1).await.expect("reads")[0].id
    }
}

/// The bytes of a seller's mappers; the first is active.
pub(super) fn component(seller: &str, n: u8) -> Vec<u8> {
    let mut bytes = b"\0asm ".to_vec();
    bytes.extend_from_slice(seller.as_bytes());
    bytes.push(n);
    bytes
}

/// A seller's catalog.
pub(super) fn catalog(seller: &str) -> Vec<u8> {
    format!("sku,product_type,marketplace,revenue_account,cogs_account,cost_center\n{seller},,,41000,,000\n")
        .into_bytes()
}

/// The key of a seller's first document.
pub(super) fn document_key(seller: &str) -> DocumentKey {
    DocumentKey::derive(Kind::Invoice.letter(), &seller.into(), "O1", 0)
}

fn seller(id: &str) -> Seller {
    const LEDGER: &str = r#"{"business_unit":"BU","ledger_name":"L","ledger_id":"1","data_access_set_id":"2",
        "ledger_currency":"USD","conversion_type":"Corporate","time_zone":"America/Los_Angeles",
        "transaction_source":"S","invoice_type":"I","credit_memo_source":"S","credit_memo_type":"C",
        "payment_terms":"T","journal_source":"A","journal_category":"B","bill_to":{"US":"1001"},
        "combination":{"delimiter":"-","template":"01-{cost_center}-{account}"},
        "accounts":{"settlement":"11800","carry_forward":"12950","deferred":"12960","receivable":"12100"},
        "default_cost_center":"000"}"#;
    let ledger: ml_connector_domain::ledger::LedgerSetup = serde_json::from_str(LEDGER).expect("a ledger");
    Seller {
        id: id.into(),
        name: format!("Seller {id}"),
        start_from: at(-100_000),
        regions: vec![Region::Na],
        settings: Vec::new(),
        zone: ledger.zone().expect("a zone"),
        ledger,
        catalog: Arc::new(Catalog::default()),
        catalog_hash: ContentHash::of(b"catalog"),
    }
}

fn serve(store: &Arc<SqliteStore>, clock: &Arc<SetClock>, tenant: &str, id: &str) -> Served {
    let [name, version, contract] = ["mugs", "1", "0.1.0"].map(str::to_owned);
    let identity = MapperIdentity { name, version, digest: ContentHash::of(b"mugs"), contract };
    let parts = Parts {
        store: Arc::clone(store) as _,
        source: Arc::new(Nothing),
        target: Arc::new(Nothing),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        mapper: Arc::new(Mugs(identity)),
        versions: Versions::new(Arc::new(Loads), Default::default()),
        catalogs: Default::default(),
    };
    let seller = seller(id);
    let minute = SignedDuration::from_mins(1);
    let cadence = Cadence {
        orders: minute,
        transactions: minute,
        groups: minute,
        payouts: minute,
        reports: minute,
        reconcile: minute,
        watch: minute,
    };
    let (catalog, catalog_hash) = (Arc::clone(&seller.catalog), seller.catalog_hash.clone());
    let (_, live) = watch::channel(Live { cadence, catalog, catalog_hash });
    Served { tenant: tenant.to_owned(), seller, parts, live }
}

fn order(sku: &str) -> Order {
    let total = Money::new(1_999, Currency::USD);
    Order {
        id: "R1".into(),
        marketplace: "US".into(),
        status: "SHIPPED".to_owned(),
        fulfilled_by: "AMAZON".to_owned(),
        channel: "AMAZON".to_owned(),
        created: at(-10),
        updated: at(-10),
        shipped: Some(at(-10)),
        replaces: None,
        total: Some(total),
        items: vec![OrderItem {
            id: "1".into(),
            sku: sku.into(),
            title: "A mug".to_owned(),
            quantity_ordered: 1,
            quantity_fulfilled: 1,
            charges: vec![Charge { kind: "ITEM".to_owned(), amount: total }],
            tax_collection: String::new(),
        }],
        packages: Vec::new(),
        shipment: None,
    }
}

fn invoice(seller: &str, order: &str) -> Document {
    let hash = ContentHash::of(b"");
    let line = DocumentLine {
        description: "A mug".to_owned(),
        amount: Money::new(1_999, Currency::USD),
        quantity: 1,
        account: "01-000-41000".to_owned(),
        sku: None,
        order_item: None,
        rule: "r".to_owned(),
        class: LineClass::Revenue,
    };
    Document {
        key: DocumentKey::derive(Kind::Invoice.letter(), &seller.into(), order, 0),
        seller: seller.into(),
        revision: 0,
        date: "2026-10-02".parse().expect("a date"),
        moved_from: None,
        currency: Currency::USD,
        body: Of::Invoice {
            order: order.into(),
            marketplace: "US".into(),
            lines: vec![line],
            net_of: Vec::new(),
            shipment: None,
        },
        origin: Origin::new(hash.clone(), hash.clone(), hash),
    }
}

/// Documents and events of a seller.
fn documents(id: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    for n in 1..=7 {
        let (document, order) = (invoice(id, &format!("O{n}")), format!("O{n}"));
        changes.push(Change::Audit(AuditEvent {
            at: at(n),
            seller: id.into(),
            subject: document.key.as_str().to_owned(),
            action: Action::Planned,
            detail: format!("invoice of {order}"),
        }));
        changes.push(Change::Plan {
            document: Box::new(document),
            expected: Money::new(1_999, Currency::USD),
            recognizes: vec![(order, "receivable")],
            at: at(n / 3),
        });
    }
    changes
}

/// An order that waits for a person, and other things that do.
fn waiting(id: &str) -> Vec<Change> {
    let raw = "{}".to_owned();
    let mut changes = vec![
        Change::Raw {
            seller: id.into(),
            region: Region::Na,
            stream: "orders",
            natural_id: "R1".to_owned(),
            body: raw.clone(),
            buyer_data: false,
            at: at(0),
        },
        Change::Canonical {
            seller: id.into(),
            kind: kind::ORDER,
            natural_id: "R1".to_owned(),
            region: Region::Na,
            record: serde_json::to_string(&order("MUG")).expect("JSON"),
            raw: ContentHash::of(raw.as_bytes()),
            stage: stage::REVIEW,
            group: None,
            economic_id: "R1".to_owned(),
            at: at(0),
        },
        Change::Cursor {
            seller: id.into(),
            region: Region::Na,
            stream: "orders",
            cursor: Cursor { position: at(-60), window: None, token: None, polled_at: at(-5) },
        },
    ];
    for (n, (kind, subject)) in
        [(kind::ORDER, "R1"), (kind::STREAM, "na/orders"), (kind::STREAM, "na/groups")]
            .into_iter()
            .enumerate()
    {
        changes.push(Change::Review(ReviewDraft {
            seller: id.into(),
            kind,
            subject: subject.to_owned(),
            code: if n == 0 { "unmapped-sku" } else { "stream-quiet" }.to_owned(),
            about: "MUG".to_owned(),
            message: "no rule named it".to_owned(),
            at_stake: (n == 0).then_some(Money::new(1_999, Currency::USD)),
            at: at(0),
        }));
    }
    changes
}

/// Two mappers, the first of which is active, and a catalog.
fn versions(id: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    for n in [1, 2] {
        let bytes = component(id, n);
        let digest = ContentHash::of(&bytes);
        let [name, version, contract, why] = ["mugs", "1", "0.1.0", "a test"].map(str::to_owned);
        changes.push(Change::Mapper(MapperChange::Component(Box::new(Component {
            digest: digest.clone(),
            name,
            version,
            contract,
            author: None,
            signatures: Vec::new(),
            bytes,
            added_at: at(0),
        }))));
        changes.push(Change::Mapper(MapperChange::Validated {
            seller: id.into(),
            digest: digest.clone(),
            why: why.clone(),
            at: at(0),
        }));
        if n == 1 {
            let active = MapperChange::Activate { seller: id.into(), digest: Some(digest), why, at: at(0) };
            changes.push(Change::Mapper(active));
        }
    }
    let bytes = catalog(id);
    changes.push(Change::Catalog(CatalogChange::Keep(Box::new(CatalogVersion {
        seller: id.into(),
        hash: ContentHash::of(&bytes),
        file: "catalog.csv".to_owned(),
        bytes,
        catalog: Catalog::default(),
        why: "a test".to_owned(),
        at: at(0),
    }))));
    changes
}

async fn fill(store: &SqliteStore, id: &str) {
    for changes in [documents(id), waiting(id), versions(id)] {
        store.apply(changes).await.expect("applies");
    }
}

/// Takes a key out of use.
pub(super) fn revoked(id: &str) -> Change {
    Change::Operations(OperationsChange::ApiKeyRevoked { id: id.to_owned(), at: at(0) })
}
