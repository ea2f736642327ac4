//! The order in which Amazon shows records, how often it shows them and on pages of which size never change the books.
//!
//! Whole stages over a store in memory: what arrives in one go, in order, and the same shuffled, repeated and cut into
//! pages, each page worked off before the next, end in the same documents and the same review items.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use jiff::SignedDuration;
use ml_connector_domain::canonical::{
    Charge, Group, Leg, Order, OrderItem, Participation, Payout, Product, SettlementReport, Transaction,
    TransactionStatus,
};
use ml_connector_domain::catalog::Catalog;
use ml_connector_domain::document::{Body, Document, Kind};
use ml_connector_domain::id::{ContentHash, FusionId};
use ml_connector_domain::ledger::{InvoiceDate, LedgerSetup};
use ml_connector_domain::mapping::{
    BatchContext, Booking, CreditMemoOutcome, DocumentLine, JournalLine, LineClass, Mapped, MapperIdentity,
    OrderOutcome, Reason, TransactionOutcome,
};
use ml_connector_domain::reconcile::{Observed, Sent};
use ml_connector_domain::refusal::Refusal;
use ml_connector_domain::validate::{Module, Period, PeriodStatus};
use ml_connector_domain::{Clock, Currency, Date, MarketplaceId, Money, Region, SellerId, Sku, Timestamp};
use ml_connector_ports::{
    Account, AmazonSource, Answer, Ask, JobStatus, Mapper, MapperFault, Page, Shown, SourceError, Stream,
    Target, Unreadable,
};
use ml_connector_storage::{Change, Cursor, SqliteStore};
use proptest::prelude::*;

use crate::{Parts, Seller, accrue, kind, map, normalize, settle, stage};

/// 1 October 2026.
const START: i64 = 1_790_812_800;
const DAY: i64 = 86_400;

fn at(day: i64) -> Timestamp {
    Timestamp::from_second(START + day * DAY).expect("in range")
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).expect("in range")
    }

    fn sleep_until(&self, _: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

/// Payloads are canonical records already; nothing is asked for.
struct Told;

fn read<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, Unreadable> {
    serde_json::from_str(json)
        .map_err(|error| Unreadable { path: "$".to_owned(), message: error.to_string() })
}

fn unasked() -> SourceError {
    SourceError::Refused { code: "TEST", message: "nothing is asked for here".to_owned() }
}

#[async_trait]
impl AmazonSource for Told {
    async fn page(&self, _: &Account, _: Ask<'_>) -> Result<Page, SourceError> {
        Err(unasked())
    }

    async fn report_file(&self, _: &Account, _: &str) -> Result<Vec<u8>, SourceError> {
        Err(unasked())
    }

    async fn participations(&self, _: &Account) -> Result<Vec<Participation>, SourceError> {
        Err(unasked())
    }

    async fn products(&self, _: &Account, _: &MarketplaceId, _: &[Sku]) -> Result<Vec<Product>, SourceError> {
        Err(unasked())
    }

    fn order(&self, json: &str) -> Result<Order, Unreadable> {
        read(json)
    }

    fn transaction(&self, json: &str) -> Result<Transaction, Unreadable> {
        read(json)
    }

    fn group(&self, json: &str) -> Result<Group, Unreadable> {
        read(json)
    }

    fn payout(&self, json: &str) -> Result<Payout, Unreadable> {
        read(json)
    }

    fn settlement_report(&self, _: &[u8]) -> Result<SettlementReport, Unreadable> {
        read("")
    }

    fn without_buyer_data(&self, json: &str) -> Result<String, Unreadable> {
        Ok(json.to_owned())
    }
}

/// Knows every account, and every period is open.
struct Open;

#[async_trait]
impl Target for Open {
    async fn send(&self, _: &LedgerSetup, _: &Document, _: u32) -> Answer {
        Answer::Lost("nothing is sent here".to_owned())
    }

    async fn send_bulk(&self, _: &LedgerSetup, _: &[&Document]) -> Answer {
        Answer::Lost("nothing is sent here".to_owned())
    }

    async fn follow_up(&self, _: &Document, _: &FusionId) -> Result<Option<String>, SourceError> {
        Err(unasked())
    }

    fn takes_in_bulk(&self, _: &LedgerSetup, _: &Document) -> bool {
        false
    }

    async fn job(&self, _: &LedgerSetup, _: &str) -> Result<JobStatus, SourceError> {
        Err(unasked())
    }

    fn content_of(&self, _: &LedgerSetup, _: &Document) -> Result<Sent, Refusal> {
        Err(Refusal::new("TEST", "nothing is sent here", "nothing"))
    }

    async fn look_up(&self, _: &LedgerSetup, _: &Document) -> Result<Observed, SourceError> {
        Err(unasked())
    }

    async fn changed_since(&self, _: &LedgerSetup, _: Kind, _: Timestamp) -> Result<Vec<Shown>, SourceError> {
        Err(unasked())
    }

    async fn post_batches(&self, _: &LedgerSetup) -> Result<Option<String>, SourceError> {
        Err(unasked())
    }

    async fn known_accounts(
        &self,
        _: &LedgerSetup,
        combinations: &BTreeSet<String>,
        _: SignedDuration,
    ) -> Result<BTreeSet<String>, SourceError> {
        Ok(combinations.clone())
    }

    async fn period(
        &self,
        _: &LedgerSetup,
        _: Module,
        _: Date,
        _: SignedDuration,
    ) -> Result<Period, SourceError> {
        Ok(Period { status: PeriodStatus::Open, start: None, end: None })
    }
}

/// Books each leg under its path; what is odd is for a person.
struct ByPath(MapperIdentity);

fn document_line(amount: Money) -> DocumentLine {
    DocumentLine {
        description: "Item".to_owned(),
        amount,
        quantity: 1,
        account: "01-000-41000".to_owned(),
        sku: None,
        order_item: None,
        rule: "r".to_owned(),
        class: LineClass::Revenue,
    }
}

fn booked(transaction: &Transaction) -> TransactionOutcome {
    if transaction.kind == "Odd" {
        return TransactionOutcome::Review(vec![Reason::new("odd", "Odd", "nobody knows what this is")]);
    }
    let line = |account: &str, amount: Money| JournalLine {
        account: format!("01-000-{account}"),
        amount,
        label: account.to_owned(),
        rule: "r".to_owned(),
        conversion: None,
    };
    let mut journal: Vec<JournalLine> =
        transaction.legs.iter().map(|leg| line(&leg.path, leg.amount.negated())).collect();
    journal.push(line("11800", transaction.total));
    let credit_memo = (transaction.kind == "Refund").then(|| CreditMemoOutcome::CreditMemo {
        order: transaction.order.clone().expect("a refund names its order"),
        lines: vec![document_line(transaction.legs[0].amount)],
    });
    TransactionOutcome::Booking(Booking { journal, credit_memo })
}

#[async_trait]
impl Mapper for ByPath {
    fn identity(&self) -> &MapperIdentity {
        &self.0
    }

    async fn map_orders(
        &self,
        _: &BatchContext,
        orders: &[Order],
    ) -> Result<Mapped<OrderOutcome>, MapperFault> {
        let invoice =
            |order: &Order| OrderOutcome::Invoice(vec![document_line(order.total.expect("a total"))]);
        Ok(Mapped { outcomes: orders.iter().map(invoice).collect(), fuel: 0, log: Vec::new() })
    }

    async fn map_transactions(
        &self,
        _: &BatchContext,
        transactions: &[Transaction],
    ) -> Result<Mapped<TransactionOutcome>, MapperFault> {
        Ok(Mapped { outcomes: transactions.iter().map(booked).collect(), fuel: 0, log: Vec::new() })
    }
}

/// A payload: its stream, its id and its bytes.
type Payload = (Stream, String, String);

/// What happens to one order.
#[derive(Debug, Clone)]
struct Sale {
    day: i64,
    total: i64,
    fee: i64,
    /// Held back for so many days.
    deferred: Option<i64>,
    /// So many days after the sale, and so much of it in percent.
    refund: Option<(i64, i64)>,
}

fn sale() -> impl Strategy<Value = Sale> {
    (
        0_i64..20,
        1_i64..100_000,
        0_i64..500,
        prop::option::of(1_i64..14),
        prop::option::of((1_i64..14, 1_i64..=100)),
    )
        .prop_map(|(day, total, fee, deferred, refund)| Sale { day, total, fee, deferred, refund })
}

/// Settlements of a fortnight each, the first from 20 days before the beginning: months end within them.
fn settlement(day: i64) -> i64 {
    (day + 20) / 14
}

fn transaction(id: &str, kind: &str, order: Option<&str>, day: i64, legs: &[(&str, i64)]) -> Transaction {
    let leg = |(path, minor): &(&str, i64)| Leg {
        path: (*path).to_owned(),
        amount: usd(*minor),
        sku: None,
        order_item: None,
        quantity: None,
    };
    Transaction {
        id: id.into(),
        kind: kind.to_owned(),
        status: TransactionStatus::Released,
        description: String::new(),
        posted: at(day),
        group: Some(format!("G{}", settlement(day)).as_str().into()),
        settlement: None,
        order: order.map(Into::into),
        deferred_twin: None,
        release_twin: None,
        marketplace: Some("US".into()),
        total: usd(legs.iter().map(|(_, minor)| minor).sum()),
        legs: legs.iter().map(leg).collect(),
    }
}

fn order(id: &str, sale: &Sale) -> Order {
    Order {
        id: id.into(),
        marketplace: "US".into(),
        status: "SHIPPED".to_owned(),
        fulfilled_by: "AMAZON".to_owned(),
        channel: "AMAZON".to_owned(),
        created: at(sale.day),
        updated: at(sale.day),
        shipped: Some(at(sale.day)),
        replaces: None,
        total: Some(usd(sale.total)),
        items: vec![OrderItem {
            id: "1".into(),
            sku: "MUG".into(),
            title: "A mug".to_owned(),
            quantity_ordered: 1,
            quantity_fulfilled: 1,
            charges: vec![Charge { kind: "ITEM".to_owned(), amount: usd(sale.total) }],
            tax_collection: String::new(),
        }],
        packages: Vec::new(),
        shipment: None,
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("JSON")
}

/// Everything that Amazon shows, in the order in which it happened.
fn payloads(sales: &[Sale], fees: &[(i64, i64, bool)]) -> Vec<Payload> {
    let mut transactions = Vec::new();
    let mut all = Vec::new();
    for (n, sale) in sales.iter().enumerate() {
        let id = format!("O{n}");
        all.push((Stream::Orders, id.clone(), json(&order(&id, sale))));
        let legs = [("12150", sale.total), ("61100", -sale.fee)];
        let paid = transaction(&format!("S{n}"), "Shipment", Some(&id), sale.day, &legs);
        match sale.deferred {
            None => transactions.push(paid),
            Some(days) => {
                let release = format!("R{n}");
                let mut released = transaction(&release, "Shipment", Some(&id), sale.day + days, &legs);
                released.deferred_twin = Some(paid.id.clone());
                let release_twin = Some(release.as_str().into());
                let status = TransactionStatus::Deferred;
                transactions.push(Transaction { status, group: None, release_twin, ..paid });
                transactions.push(released);
            }
        }
        if let Some((days, percent)) = sale.refund {
            let back = -(sale.total * percent / 100).max(1);
            let legs = [("12150", back), ("61100", sale.fee)];
            transactions.push(transaction(&format!("B{n}"), "Refund", Some(&id), sale.day + days, &legs));
        }
    }
    for (n, (day, minor, odd)) in fees.iter().enumerate() {
        let kind = if *odd { "Odd" } else { "ServiceFee" };
        transactions.push(transaction(&format!("F{n}"), kind, None, *day, &[("61900", -minor)]));
    }
    for number in 0..=settlement(34) {
        let id = format!("G{number}");
        let belongs = |one: &&Transaction| one.counts() && one.group == Some(id.as_str().into());
        let own: Vec<&Transaction> = transactions.iter().filter(belongs).collect();
        if own.is_empty() {
            continue;
        }
        let group = Group {
            id: id.as_str().into(),
            closed: true,
            stated_total: Some(usd(own.iter().map(|one| one.total.minor).sum())),
            converted_total: None,
            currency: Some(Currency::USD),
            start: at(number * 14 - 20),
            end: Some(at(number * 14 - 6)),
        };
        all.push((Stream::Groups, id, json(&group)));
    }
    let shown = |one: &Transaction| (Stream::Transactions, one.id.as_str().to_owned(), json(one));
    all.extend(transactions.iter().map(shown));
    all
}

fn seller(id: String, invoice_date: InvoiceDate) -> Seller {
    const LEDGER: &str = r#"{"business_unit":"BU","ledger_name":"L","ledger_id":"1","data_access_set_id":"2",
        "ledger_currency":"USD","conversion_type":"Corporate","time_zone":"America/Los_Angeles",
        "transaction_source":"S","invoice_type":"I","credit_memo_source":"S","credit_memo_type":"C",
        "payment_terms":"T","journal_source":"A","journal_category":"B","bill_to":{"US":"1001"},
        "combination":{"delimiter":"-","template":"01-{cost_center}-{account}"},
        "accounts":{"settlement":"11800","carry_forward":"12950","deferred":"12960","receivable":"12100"},
        "default_cost_center":"000"}"#;
    let mut ledger: LedgerSetup = serde_json::from_str(LEDGER).expect("a ledger");
    ledger.invoice_date = invoice_date;
    Seller {
        id: SellerId::new(id),
        name: "Test".to_owned(),
        start_from: at(-20),
        regions: vec![Region::Na],
        settings: Vec::new(),
        zone: ledger.zone().expect("a zone"),
        ledger,
        catalog: Arc::new(Catalog::default()),
        catalog_hash: ContentHash::of(b"catalog"),
    }
}

/// The books of a case: its documents, and where each record has come to, in a stable order.
type Books = (BTreeSet<String>, BTreeSet<String>);

const STAGES: [&str; 9] = [
    stage::WAITING,
    stage::READY,
    stage::HELD,
    stage::BOOKED,
    stage::DOCUMENTED,
    stage::LINKED,
    stage::REVIEW,
    stage::SKIPPED,
    stage::HISTORY,
];

async fn stages(parts: &Parts, seller: &Seller) {
    normalize::normalize(parts, seller).await.expect("normalizes");
    map::map_orders(parts, seller).await.expect("maps");
    map::map_transactions(parts, seller).await.expect("maps");
}

fn lines(document: &Document) -> String {
    match &document.body {
        Body::Journal { lines, .. } => json(lines),
        _ => json(&document.lines()),
    }
}

async fn run(parts: &Parts, clock: &SetClock, policy: InvoiceDate, pages: &[Vec<Payload>]) -> Books {
    static SELLERS: AtomicU32 = AtomicU32::new(0);
    let seller = seller(format!("A{}", SELLERS.fetch_add(1, Ordering::Relaxed)), policy);
    clock.0.store(at(0).as_millisecond(), Ordering::SeqCst);
    for page in pages {
        let raw = |(stream, natural_id, body): &Payload| Change::Raw {
            seller: seller.id.clone(),
            region: Region::Na,
            stream: stream.as_str(),
            natural_id: natural_id.clone(),
            body: body.clone(),
            buyer_data: false,
            at: clock.now(),
        };
        parts.store.apply(page.iter().map(raw).collect()).await.expect("keeps");
        stages(parts, &seller).await;
    }
    // All of it has been read, and long enough ago.
    clock.0.store(at(120).as_millisecond(), Ordering::SeqCst);
    let read_to = Cursor { position: at(110), window: None, token: None, polled_at: clock.now() };
    let cursor = Change::Cursor {
        seller: seller.id.clone(),
        region: Region::Na,
        stream: Stream::Transactions.as_str(),
        cursor: read_to,
    };
    parts.store.apply(vec![cursor]).await.expect("moves");
    stages(parts, &seller).await;
    settle::settle(parts, &seller).await.expect("settles");
    accrue::accrue(parts, &seller).await.expect("accrues");
    let rows = parts.store.postings_in(&seller.id, "planned", u32::MAX).await.expect("reads");
    let documents = rows.iter().map(|row| &row.document).map(|document| {
        let (kind, subject, date) = (document.kind().as_str(), document.subject(), document.date);
        format!("{kind} {subject} {date} {}", lines(document))
    });
    let mut records = BTreeSet::new();
    for kind in [kind::ORDER, kind::TRANSACTION, kind::GROUP] {
        for stage in STAGES {
            let at = parts.store.at_stage(&seller.id, kind, stage, u32::MAX).await.expect("reads");
            records.extend(at.iter().map(|record| format!("{kind} {stage} {record}")));
        }
    }
    (documents.collect(), records)
}

/// One store and one runtime for all cases, each of which has sellers of its own.
struct World {
    runtime: tokio::runtime::Runtime,
    parts: Parts,
    clock: Arc<SetClock>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let store = runtime.block_on(SqliteStore::open_in_memory()).expect("opens");
    let clock = Arc::new(SetClock(AtomicI64::new(0)));
    let identity = MapperIdentity {
        name: "by-path".to_owned(),
        version: "1".to_owned(),
        digest: ContentHash::of(b"by-path"),
        contract: "0.1.0".to_owned(),
    };
    let parts = Parts {
        store: Arc::new(store),
        source: Arc::new(Told),
        target: Arc::new(Open),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        mapper: Arc::new(ByPath(identity)),
        versions: crate::versions::Versions::default(),
        catalogs: crate::catalogs::Catalogs::default(),
    };
    World { runtime, parts, clock }
});

/// Ways in which each history arrives.
const ARRIVALS: usize = 10;

proptest! {
    // 10,000 arrivals of 1,000 histories.
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn order_repetition_and_page_size_never_change_the_books(
        (all, arrivals) in history(),
        policy in prop::sample::select(vec![InvoiceDate::Purchased, InvoiceDate::Shipped, InvoiceDate::Posted]),
    ) {
        let World { runtime, parts, clock } = &*WORLD;
        let whole = runtime.block_on(run(parts, clock, policy, std::slice::from_ref(&all)));
        for (shuffled, size) in arrivals {
            let pages: Vec<Vec<Payload>> = shuffled.chunks(size).map(<[Payload]>::to_vec).collect();
            let cut = runtime.block_on(run(parts, clock, policy, &pages));
            prop_assert_eq!(&whole, &cut);
        }
    }
}

/// A history, shuffled and with repetitions, and the size of its pages.
type Arrival = (Vec<Payload>, usize);

/// Everything that happens, and how it may arrive.
fn history() -> impl Strategy<Value = (Vec<Payload>, Vec<Arrival>)> {
    let sales = prop::collection::vec(sale(), 0..3);
    let fees = prop::collection::vec((0_i64..34, 1_i64..5_000, prop::bool::weighted(0.05)), 1..4);
    (sales, fees).prop_map(|(sales, fees)| payloads(&sales, &fees)).prop_flat_map(|all| {
        let repeated = prop::collection::vec(prop::sample::select(all.clone()), 0..4);
        let shuffled = repeated.prop_flat_map({
            let all = all.clone();
            move |repeated| Just([all.clone(), repeated].concat()).prop_shuffle()
        });
        (Just(all), prop::collection::vec((shuffled, 3_usize..12), ARRIVALS))
    })
}
