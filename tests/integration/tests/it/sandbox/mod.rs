//! Built components in the real engine.
//!
//! `admission` attacks whoever reads and compiles a component, `calls` whoever runs it, `tenants` those who run beside
//! it; `wasi` looks at what a lenient policy gives; `upload` goes the way of an upload, through the compiling process and
//! the cache; `languages` holds mappers in other languages against one in Rust, `interpreters` takes them the way of an
//! upload; `guests` makes what no compiler makes.

mod admission;
mod calls;
pub(crate) mod guests;
mod interpreters;
mod languages;
mod tenants;
mod upload;
mod wasi;

use ml_connector_domain::canonical::{Charge, Order, OrderItem};
use ml_connector_domain::mapping::{BatchContext, OrderOutcome, TransactionOutcome};
use ml_connector_domain::{Currency, Money, Timestamp};
use ml_connector_mapper::{Limits, MapperRuntime};
use ml_connector_ports::Mapper as _;

use crate::support::mapper;

fn context(settings: &[(&str, &str)]) -> BatchContext {
    let ledger = r#"{"business_unit":"BU","ledger_name":"L","ledger_id":"1","data_access_set_id":"2",
        "ledger_currency":"USD","conversion_type":"Corporate","time_zone":"America/Los_Angeles",
        "transaction_source":"S","invoice_type":"I","credit_memo_source":"C","credit_memo_type":"M",
        "payment_terms":"IMMEDIATE","journal_source":"J","journal_category":"K","bill_to":{"US":"1"},
        "combination":{"delimiter":"-","template":"01-{cost_center}-{account}"},
        "accounts":{"receivable":"1","settlement":"2","clearing":"3"},"default_cost_center":"000"}"#;
    BatchContext {
        seller: "A1".into(),
        settings: settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ledger: serde_json::from_str(ledger).expect("a ledger"),
        catalog: vec![ml_connector_domain::catalog::CatalogEntry {
            sku: "MUG".into(),
            marketplace: "US".into(),
            revenue: "41000".to_owned(),
            cogs: None,
            cost_center: "110".to_owned(),
            rule: "catalog.csv:2".to_owned(),
            extra: Vec::new(),
        }],
    }
}

fn orders(count: usize) -> Vec<Order> {
    let at: Timestamp = "2026-09-02T06:30:00Z".parse().expect("a time");
    let order = |n: usize| Order {
        id: format!("113-0000001-{n:07}").as_str().into(),
        marketplace: "US".into(),
        status: "SHIPPED".to_owned(),
        fulfilled_by: "AMAZON".to_owned(),
        channel: "AMAZON".to_owned(),
        created: at,
        updated: at,
        shipped: Some(at),
        replaces: None,
        total: Some(Money::new(1_999, Currency::USD)),
        items: vec![OrderItem {
            id: "01".into(),
            sku: "MUG".into(),
            title: "A mug".to_owned(),
            quantity_ordered: 1,
            quantity_fulfilled: 1,
            charges: vec![Charge { kind: "ITEM".to_owned(), amount: Money::new(1_999, Currency::USD) }],
            tax_collection: String::new(),
        }],
        packages: Vec::new(),
        shipment: None,
    };
    (0..count).map(order).collect()
}

#[tokio::test]
async fn a_component_maps_a_batch_and_describes_itself() {
    let mapper = mapper("minimal");
    assert_eq!((mapper.identity().name.as_str(), mapper.identity().contract.as_str()), ("minimal", "0.1.0"));
    let mapped = mapper.map_orders(&context(&[]), &orders(100)).await.expect("maps");
    assert_eq!(mapped.outcomes.len(), 100);
    for outcome in mapped.outcomes {
        let OrderOutcome::Invoice(lines) = outcome else { panic!("{outcome:?}") };
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].account.as_str(), lines[0].amount.minor), ("01-110-41000", 1_999));
        assert_eq!(lines[0].rule, "catalog.csv:2");
    }
    assert!(mapped.fuel > 0);
}

#[tokio::test]
async fn the_same_batch_takes_the_same_fuel_in_another_engine() {
    let (one, other) = (mapper("standard"), mapper("standard"));
    let context = context(&[("tax.US", "exclusive")]);
    let first = one.map_orders(&context, &orders(20)).await.expect("maps");
    for mapper in [&one, &other, &one] {
        assert_eq!(mapper.map_orders(&context, &orders(20)).await.expect("maps"), first);
    }
}

#[tokio::test]
async fn a_panic_comes_back_with_its_message_and_place() {
    let fault =
        mapper("hostile").map_orders(&context(&[("attack", "panic")]), &orders(1)).await.expect_err("panics");
    assert!(fault.message.contains("this mapper is broken on purpose"), "{fault}");
    assert!(fault.message.contains("lib.rs:"), "{fault}");
}

#[tokio::test]
async fn a_flood_of_logs_is_cut_and_counted() {
    let fault = mapper("hostile")
        .map_orders(&context(&[("attack", "log-flood")]), &orders(1))
        .await
        .expect_err("stops");
    let bytes: usize = fault.log.iter().map(String::len).sum();
    assert!(bytes <= (64 << 10) + 4_096, "{bytes}");
    assert!(fault.log.last().is_some_and(|line| line.contains("dropped")), "{:?}", fault.log.last());
}

/// Transactions of the released contract: see `released/v0_1.wat`.
fn transactions(count: usize) -> Vec<ml_connector_domain::canonical::Transaction> {
    let made = |n: usize| {
        let json = format!(
            r#"{{"id":"T{n}","kind":"ServiceFee","status":"RELEASED","description":"","posted":"2026-09-02T06:30:00Z",
                "group":"G","settlement":null,"order":null,"deferred_twin":null,"release_twin":null,"marketplace":"US",
                "total":{{"minor":-5,"currency":"USD"}},"legs":[]}}"#
        );
        serde_json::from_str(&json).expect("a transaction")
    };
    (0..count).map(made).collect()
}

/// The contract's folder is pinned by its hash; this is the other half: what was built against it still runs.
#[tokio::test]
async fn a_component_of_each_released_contract_still_runs() {
    let runtime = MapperRuntime::new(Limits::default()).expect("starts");
    let text = include_str!("../released/v0_1.wat");
    let mapper = runtime.load(&wat::parse_str(text).expect("good text")).expect("it links");
    let identity = mapper.identity();
    assert_eq!((identity.name.as_str(), identity.version.as_str()), ("released", "0.1.0"));
    let mapped = mapper.map_orders(&context(&[("a", "b")]), &orders(7)).await.expect("maps");
    let ids = orders(7).into_iter().map(|order| OrderOutcome::Skip(order.id.as_str().to_owned()));
    assert_eq!(mapped.outcomes, ids.collect::<Vec<_>>());
    let mapped = mapper.map_transactions(&context(&[]), &transactions(3)).await.expect("maps");
    let ids = ["T0", "T1", "T2"].map(|id| TransactionOutcome::Skip(id.to_owned()));
    assert_eq!(mapped.outcomes, ids);
}
