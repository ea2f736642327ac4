//! Mappers in Python and JavaScript: the same records as the one in Rust, to the same bytes, under the limits for
//! interpreters and without any import but the log.

use ml_connector_domain::canonical::{Leg, Order, Transaction, TransactionStatus};
use ml_connector_domain::mapping::{BatchContext, Mapped, OrderOutcome, Reason, TransactionOutcome};
use ml_connector_domain::{Currency, Money};
use ml_connector_mapper::{Class, Limits, LoadedMapper, MapperRuntime, Policy, WasiPolicy};
use ml_connector_ports::Mapper as _;

use super::{context, orders};
use crate::support::{artefacts, component, mapper};

/// Set by CI, which builds them.
const LANGUAGES_REQUIRED: &str = "ML_CONNECTOR_LANGUAGES_REQUIRED";

/// Larger amounts have lost digits before JavaScript sees them.
const SAFE: i64 = (1 << 53) - 1;

/// A component in a language; nothing where it could not be built, which fails in CI.
pub(super) fn built(name: &str) -> Option<Vec<u8>> {
    #[expect(clippy::disallowed_methods, reason = "CI says by this that the mappers must be there")]
    let required = std::env::var(LANGUAGES_REQUIRED).is_ok();
    let folder = artefacts("ML_CONNECTOR_PLUGINS", "plugins/components");
    if !folder.join(format!("{name}.component.wasm")).is_file() && !required {
        println!("skipped: {name} is not built: run cargo xtask plugins --languages");
        return None;
    }
    Some(component(name))
}

/// The mapper in a language, as a seller has it whose policy allows interpreters, and still no WASI.
fn in_language(name: &str) -> Option<LoadedMapper> {
    let bytes = built(name)?;
    let policy = Policy { class: Class::Interpreter, wasi: WasiPolicy::Refuse };
    let runtime = MapperRuntime::new(Limits::default()).expect("the sandbox starts");
    Some(runtime.load_here(&bytes, &policy).unwrap_or_else(|error| panic!("{name}: {error}")))
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

fn transaction(n: usize, legs: &[(&str, i64)]) -> Transaction {
    let leg = |(path, minor): &(&str, i64)| Leg {
        path: (*path).to_owned(),
        amount: usd(*minor),
        sku: Some("MUG".into()),
        order_item: None,
        quantity: None,
    };
    Transaction {
        id: format!("T{n}").as_str().into(),
        kind: "Shipment".to_owned(),
        status: TransactionStatus::Released,
        description: "Order Payment".to_owned(),
        posted: "2026-09-03T06:30:00Z".parse().expect("a time"),
        group: Some("G1".into()),
        settlement: None,
        order: Some("113-0000001-0000001".into()),
        deferred_twin: None,
        release_twin: None,
        marketplace: Some("US".into()),
        total: usd(legs.iter().map(|(_, minor)| minor).sum()),
        legs: legs.iter().map(leg).collect(),
    }
}

/// Sales, what has not shipped, products that no catalog names, amounts of nothing and large ones.
fn fixtures(largest: i64) -> (Vec<Order>, Vec<Transaction>) {
    let mut all = orders(12);
    all[1].status = "UNSHIPPED".to_owned();
    all[2].items[0].sku = "LAMP \u{e9}\u{1f4a1} {account}".into();
    let twice = all[3].items[0].charges[0].clone();
    all[3].items[0].charges.push(twice);
    all[4].items[0].charges[0].amount = usd(0);
    all[5].items[0].charges[0].amount = usd(largest);
    let charges = [("ProductCharges/OurPricePrincipal", 1_999), ("AmazonFees/Commission", -300)];
    let transactions = vec![
        transaction(1, &charges),
        transaction(2, &[("AmazonFees/Subscription", -3_999)]),
        transaction(3, &[("Adjustment/Other", 0)]),
        transaction(4, &[("ProductCharges/OurPricePrincipal", largest)]),
        transaction(5, &[("Reserve/Debit", -500), ("Reserve/Credit", 500)]),
    ];
    (all, transactions)
}

async fn mapped(
    mapper: &LoadedMapper,
    context: &BatchContext,
    (orders, transactions): &(Vec<Order>, Vec<Transaction>),
) -> (Mapped<OrderOutcome>, Mapped<TransactionOutcome>) {
    let of_orders = mapper.map_orders(context, orders).await.expect("maps orders");
    (of_orders, mapper.map_transactions(context, transactions).await.expect("maps transactions"))
}

/// As JSON, which is how outcomes are stored and hashed.
fn bytes(both: &(Mapped<OrderOutcome>, Mapped<TransactionOutcome>)) -> String {
    serde_json::to_string(&(&both.0.outcomes, &both.1.outcomes)).expect("JSON")
}

/// Twice, with all accounts and without one: the bytes are those of the mapper in Rust, and the fuel is the same again.
async fn assert_same(other: &LoadedMapper, fixtures: &(Vec<Order>, Vec<Transaction>)) {
    let rust = mapper("minimal");
    let mut without_clearing = context(&[]);
    without_clearing.ledger.accounts.remove("clearing");
    for context in [&context(&[]), &without_clearing] {
        let expected = mapped(&rust, context, fixtures).await;
        let found = mapped(other, context, fixtures).await;
        assert_eq!(bytes(&found), bytes(&expected));
        let again = mapped(other, context, fixtures).await;
        let fuel = |both: &(Mapped<OrderOutcome>, Mapped<TransactionOutcome>)| (both.0.fuel, both.1.fuel);
        assert_eq!((bytes(&again), fuel(&again)), (bytes(&found), fuel(&found)));
    }
}

/// Its integers hold every amount.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapper_in_python_maps_the_same_records_to_the_same_bytes_and_fuel() {
    let Some(python) = in_language("python") else { return };
    assert_eq!(python.identity().name, "minimal-python");
    for largest in [SAFE, SAFE + 1, i64::MAX] {
        assert_same(&python, &fixtures(largest)).await;
    }
}

/// Its numbers do not hold every amount: what is too large for them goes to review and is never posted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapper_in_javascript_maps_the_same_records_to_the_same_bytes_and_fuel_or_loses_no_digit() {
    let Some(javascript) = in_language("javascript") else { return };
    assert_eq!(javascript.identity().name, "minimal-javascript");
    assert_same(&javascript, &fixtures(SAFE)).await;
    for largest in [SAFE + 1, SAFE + 2, i64::MAX] {
        let (of_orders, of_transactions) = mapped(&javascript, &context(&[]), &fixtures(largest)).await;
        let too_large = |reasons: &[Reason]| reasons.iter().any(|reason| reason.code == "amount-too-large");
        let (order, paid) = (&of_orders.outcomes[5], &of_transactions.outcomes[3]);
        assert!(matches!(order, OrderOutcome::Review(reasons) if too_large(reasons)), "{largest}: {order:?}");
        assert!(
            matches!(paid, TransactionOutcome::Review(reasons) if too_large(reasons)),
            "{largest}: {paid:?}"
        );
        assert!(matches!(&of_orders.outcomes[0], OrderOutcome::Invoice(_)), "the others are mapped");
    }
}

/// The fault's message is what the review item says (`mapper-fault`), and what `mapper run` and an upload print.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_mapper_raises_comes_back_with_its_message_and_its_place() {
    // How much of a file's folder JavaScript's tool keeps depends on where it is built.
    let wanted = [
        ("python-raising", ["ValueError: no rule for SHIPPED \u{e9} (", "raising.py:13, in map_order)"]),
        ("javascript-raising", ["TypeError: no rule for SHIPPED \u{e9} (at mapOrder (", "/raising.js:15"]),
    ];
    for (name, words) in wanted {
        let Some(mapper) = in_language(name) else { continue };
        let (orders, transactions) = fixtures(1);
        let fault = mapper.map_orders(&context(&[]), &orders).await.expect_err("it raises");
        assert_eq!(fault.code, "trap", "{name}: {fault:?}");
        let told = words.iter().all(|words| fault.message.contains(words));
        assert!(told, "{name}: {}", fault.message);
        // The call's instance is thrown away: the next call knows nothing of it.
        let booked = mapper.map_transactions(&context(&[]), &transactions).await.expect("maps transactions");
        assert_eq!(booked.outcomes.len(), transactions.len());
    }
}

/// An operator says that a seller's mapper is an interpreter; by default it is refused, and told so.
#[test]
fn an_interpreter_is_refused_unless_the_sellers_policy_allows_one() {
    for (name, code) in [("python", "MAP-SIZE"), ("javascript", "MAP-SIZE")] {
        let Some(bytes) = built(name) else { continue };
        let runtime = MapperRuntime::new(Limits::default()).expect("the sandbox starts");
        let Err(error) = runtime.load(&bytes) else { panic!("{name} is too large for the class of Rust") };
        assert!(
            error.to_string().starts_with(code) && error.to_string().contains("interpreter"),
            "{name}: {error}"
        );
    }
    assert_eq!(Policy::default().class, Class::Native);
}
