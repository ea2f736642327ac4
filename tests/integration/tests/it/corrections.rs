//! Corrections over a range of days: what is shown is what is posted, and the books end as if it had been mapped so from
//! the first day.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use jiff::civil::date;
use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::ledger::ClosedPeriod;
use ml_connector_domain::mapping::{BatchContext, Mapped, MapperIdentity, OrderOutcome, TransactionOutcome};
use ml_connector_domain::posting::State;
use ml_connector_domain::{Clock as _, Date};
use ml_connector_mapper::LoadedMapper;
use ml_connector_pipeline::correct_range::{self, ApproveError, Preview};
use ml_connector_pipeline::versions::{VersionPolicy, Versions};
use ml_connector_pipeline::{Parts, Seller};
use ml_connector_ports::{Mapper, MapperFault, MapperLoader};
use ml_connector_simulator::fusion::knobs;
use ml_connector_simulator::scenario::ScenarioOptions;
use ml_connector_storage::{
    AuditLog as _, Books as _, CatalogChange, CatalogVersion, CatalogVersions as _, Change, Component,
    MapperChange, MapperVersions as _, Store as _,
};
use serde_json::{Value, json};

use crate::process::Installed;
use crate::support::{Connected, component, mapper, small};

/// Commission goes here instead.
const NEW_ACCOUNT: (&str, &str) = ("-61100-", "-61900-");

/// The standard mapper, but for the account of one fee.
struct Changed {
    standard: LoadedMapper,
    identity: MapperIdentity,
}

impl Changed {
    fn new() -> Self {
        let standard = mapper("standard");
        let digest = ContentHash::of(BYTES);
        let identity = MapperIdentity { digest, ..standard.identity().clone() };
        Self { standard, identity }
    }
}

/// What stands in the store for it.
const BYTES: &[u8] = b"the changed mapper";

#[async_trait]
impl Mapper for Changed {
    fn identity(&self) -> &MapperIdentity {
        &self.identity
    }

    async fn map_orders(
        &self,
        context: &BatchContext,
        orders: &[Order],
    ) -> Result<Mapped<OrderOutcome>, MapperFault> {
        self.standard.map_orders(context, orders).await
    }

    async fn map_transactions(
        &self,
        context: &BatchContext,
        transactions: &[Transaction],
    ) -> Result<Mapped<TransactionOutcome>, MapperFault> {
        let mut mapped = self.standard.map_transactions(context, transactions).await?;
        for outcome in &mut mapped.outcomes {
            let TransactionOutcome::Booking(booking) = outcome else { continue };
            for line in &mut booking.journal {
                line.account = line.account.replace(NEW_ACCOUNT.0, NEW_ACCOUNT.1);
            }
        }
        Ok(mapped)
    }
}

struct Loader;

impl MapperLoader for Loader {
    fn load(&self, bytes: &[u8], _signatures: &[String]) -> Result<Arc<dyn Mapper>, String> {
        assert_eq!(bytes, BYTES);
        Ok(Arc::new(Changed::new()))
    }
}

/// Three months of orders.
fn three_months(seed: u64) -> ScenarioOptions {
    ScenarioOptions { days: 80, orders_per_day: 2, ..small(seed) }
}

/// Mugs are sold on the account of lamps, and the fee goes elsewhere.
fn changed(parts: &Parts, seller: &Seller) -> (Parts, Seller) {
    let mut catalog = ml_connector_domain::catalog::Catalog::clone(&seller.catalog);
    for rule in &mut catalog.rules {
        if rule.revenue.as_deref() == Some("41000") {
            rule.revenue = Some("41100".to_owned());
        }
    }
    let body = serde_json::to_vec(&catalog).expect("JSON");
    let (catalog, catalog_hash) = (Arc::new(catalog), ContentHash::of(&body));
    let parts = Parts { mapper: Arc::new(Changed::new()), ..parts.clone() };
    (parts, Seller { catalog, catalog_hash, ..seller.clone() })
}

/// What Fusion holds on each account, by class and currency, in minor units; journals' lines have no class.
fn balances(connected: &Connected) -> BTreeMap<(String, String, &'static str), i64> {
    let state = connected.simulator.world.fusion.lock().expect("no panic");
    let mut sums = BTreeMap::new();
    for document in state.invoices.iter().chain(&state.credit_memos) {
        for one in &document.distributions {
            let key = (one.class.clone(), one.account.clone(), document.currency.code());
            *sums.entry(key).or_default() += one.amount;
        }
    }
    for line in state.batches.iter().flat_map(|batch| &batch.journals).flat_map(|journal| &journal.lines) {
        *sums.entry((String::new(), line.account.clone(), line.currency.code())).or_default() += line.net;
    }
    sums.retain(|_, minor| *minor != 0);
    sums
}

fn later(connected: &Connected, hours: i64) -> jiff::Timestamp {
    connected.clock.now().saturating_add(SignedDuration::from_hours(hours)).expect("in range")
}

fn set_periods(connected: &Connected, change: &str, periods: &[&str]) {
    for period in periods {
        for application in [101, 222] {
            let change = json!({ change: { "application": application, "period": period } });
            knobs::change(&connected.simulator.world, &change).expect("the simulator understands");
        }
    }
}

fn posted(connected: &Connected) -> (usize, usize, usize) {
    let state = connected.simulator.world.fusion.lock().expect("no panic");
    (state.invoices.len(), state.credit_memos.len(), state.batches.len())
}

/// Keeps catalog and mapper as versions that can be activated.
async fn keep(connected: &Connected, parts: &Parts, seller: &Seller) {
    let (at, identity) = (connected.clock.now(), parts.mapper.identity());
    let version = CatalogVersion {
        seller: seller.id.clone(),
        hash: seller.catalog_hash.clone(),
        file: "new.csv".to_owned(),
        bytes: b"new".to_vec(),
        catalog: ml_connector_domain::catalog::Catalog::clone(&seller.catalog),
        why: "a test".to_owned(),
        at,
    };
    let component = Component {
        digest: identity.digest.clone(),
        name: identity.name.clone(),
        version: identity.version.clone(),
        contract: identity.contract.clone(),
        author: None,
        signatures: Vec::new(),
        bytes: BYTES.to_vec(),
        added_at: at,
    };
    let (id, digest, why) = (seller.id.clone(), identity.digest.clone(), "a test".to_owned());
    let changes = vec![
        Change::Catalog(CatalogChange::Keep(Box::new(version))),
        Change::Mapper(MapperChange::Component(Box::new(component))),
        Change::Mapper(MapperChange::Validated { seller: id, digest, why, at }),
    ];
    connected.store.apply(changes).await.expect("applies");
}

/// Every document of every pair stands in Fusion with the bytes that were shown.
async fn assert_posted_as_shown(connected: &Connected, shown: &Preview) {
    for named in shown.pairs.iter().flat_map(|pair| [&pair.reversal, &pair.replacement]) {
        let row = connected.store.document(&named.key).await.expect("reads").expect("is planned");
        assert_eq!(row.body_hash, named.sha256, "{}", named.key);
        assert_eq!(row.document.date, named.date, "{}", named.key);
        assert!(matches!(row.state, State::Confirmed { .. }), "{}: {:?}", named.key, row.state);
    }
}

/// Issue: a mapping change over three closed months: preview, approval, repost; the ledger equals what a fresh run with
/// the new mapping gives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapping_change_over_three_closed_months_ends_as_a_fresh_run_would() {
    let mut connected = Connected::start("three-months", three_months(61)).await;
    connected.seller.ledger.closed_period = ClosedPeriod::NextOpen;
    connected.parts.versions = Versions::new(Arc::new(Loader), VersionPolicy::default());
    let end = connected.simulator.world.scenario.end;
    connected.run_until(end).await;
    connected.assert_books_are_right();
    let before = (balances(&connected), posted(&connected));

    let months = ["Sep-26", "Oct-26", "Nov-26"];
    set_periods(&connected, "close_period", &months);
    connected.set_clock(later(&connected, 2)).await;
    let (parts, seller) = changed(&connected.parts, &connected.seller);
    keep(&connected, &parts, &seller).await;
    let range = |from: Date, to: Date| correct_range::preview(&parts, &seller, (from, to));
    let all = range(date(2026, 9, 1), date(2026, 12, 31)).await.expect("works");
    let first = range(date(2026, 9, 1), date(2026, 9, 30)).await.expect("works");
    println!(
        "{} pairs, {} unchanged, {} left: {:?}",
        all.pairs.len(),
        all.unchanged,
        all.left.len(),
        all.left
    );
    let of = |kind: &str| all.pairs.iter().filter(|pair| pair.kind == kind).count();
    assert!(of("invoice") > 20 && of("journal") > 3 && all.unchanged > 10, "{} pairs", all.pairs.len());
    assert!(all.left.is_empty(), "{:?}", all.left);
    assert!(!first.pairs.is_empty() && first.pairs.len() < all.pairs.len());
    assert!(
        all.pairs.iter().all(|pair| pair.replacement.date >= date(2026, 12, 1)),
        "closed months stay closed"
    );
    assert_eq!((balances(&connected), posted(&connected)), before, "looking posts nothing");

    // What was shown is not what would be posted: nothing is planned, and it is said why.
    let base = (&connected.parts, &connected.seller);
    set_periods(&connected, "open_period", &["Nov-26"]);
    connected.set_clock(later(&connected, 2)).await;
    let refused = correct_range::approve((&parts, &seller), base, &all, "a test").await;
    let refused = refused.expect_err("the dates differ");
    assert!(matches!(&refused, ApproveError::Changed(_)), "{refused}");
    assert!(refused.to_string().contains("would be dated 2026-11-"), "{refused}");
    assert_eq!(connected.store.catalog_pointer(&seller.id).await.expect("reads").active, None);
    set_periods(&connected, "close_period", &["Nov-26"]);
    connected.set_clock(later(&connected, 2)).await;

    let hash = first.hash().expect("a hash");
    let found = correct_range::find(&connected.parts, &seller, &hash.as_str()[..12]).await.expect("is kept");
    assert_eq!(found, first);
    let count = correct_range::approve((&parts, &seller), base, &found, "a test").await.expect("approves");
    assert_eq!(count, first.pairs.len());
    assert!(first.left.iter().any(|left| left.reasons[0].code == "deferred-outside"), "{:?}", first.left);
    assert_accruals_are_taken_back(&connected).await;
    // An approval goes on with what is not planned yet, and approving again plans nothing.
    let rest = correct_range::approve((&parts, &seller), base, &all, "a test").await.expect("goes on");
    assert_eq!(rest, all.pairs.len() - first.pairs.len());
    let again = correct_range::approve((&parts, &seller), base, &all, "a test").await.expect("is done");
    assert_eq!(again, 0);
    let catalog = connected.store.catalog_pointer(&seller.id).await.expect("reads").active;
    assert_eq!(catalog, Some(seller.catalog_hash.clone()));
    let active = connected.store.mapper_pointer(&seller.id).await.expect("reads").active;
    assert_eq!(active.as_ref(), Some(&parts.mapper.identity().digest));

    connected.run_until(later(&connected, 72)).await;
    assert_posted_as_shown(&connected, &all).await;
    let corrected = balances(&connected);
    let moved = all.by_account();
    let of = |needle: &str| moved.iter().find(|row| row.account.contains(needle)).expect("changes").after;
    assert_eq!((of("-41000-"), of(NEW_ACCOUNT.0)), (0, 0), "{moved:?}");
    let nothing = correct_range::preview(&parts, &seller, (date(2026, 9, 1), date(2027, 1, 31))).await;
    assert_eq!(nothing.expect("works").pairs, [], "there is nothing left to correct");
    assert_revised_lines_are_explained(&connected, &all).await;
    assert_accruals_are_taken_back(&connected).await;

    let mut fresh = Connected::start("three-months-fresh", three_months(61)).await;
    fresh.seller.ledger.closed_period = ClosedPeriod::NextOpen;
    (fresh.parts, fresh.seller) = changed(&fresh.parts, &fresh.seller);
    fresh.run_until(end).await;
    assert_eq!(corrected, balances(&fresh));
    assert_ne!(corrected, before.0);
}

/// What took an accrual back is the opposite of how it stands in its month, whatever was corrected since.
async fn assert_accruals_are_taken_back(connected: &Connected) {
    let (store, seller) = (&connected.store, &connected.seller.id);
    let mut seen = 0;
    for one in store.accrued(seller, false).await.expect("reads") {
        let Some(reversed_by) = one.reversed_by else { continue };
        let mut sums = BTreeMap::<String, i64>::new();
        for mut key in [one.accrued_by, reversed_by] {
            while let Some(next) =
                store.recognized_by(seller, key.as_str(), "replacement").await.expect("reads")
            {
                key = next;
            }
            let behind = store.behind_journal(&key).await.expect("reads");
            let own = behind.iter().filter(|behind| behind.transaction == one.transaction);
            for line in own.flat_map(|behind| &behind.lines) {
                *sums.entry(line.account.clone()).or_default() += line.amount.minor;
            }
        }
        assert!(!sums.is_empty() && sums.values().all(|minor| *minor == 0), "{}: {sums:?}", one.transaction);
        seen += 1;
    }
    assert!(seen > 0, "nothing was accrued and taken back: the test shows nothing");
}

/// A revised journal's lines lead to Amazon's payloads like any other's.
async fn assert_revised_lines_are_explained(connected: &Connected, shown: &Preview) {
    for pair in shown.pairs.iter().filter(|pair| pair.kind == "journal") {
        let key = pair.replacement.key.as_str();
        let story = ml_connector_pipeline::explain::explain(&*connected.store, key).await.expect("reads");
        let told = story.documents.iter().find(|told| told.trace.key == key).expect("is told");
        let open: Vec<_> = told.trace.lines.iter().filter(|line| line.from.is_empty()).collect();
        assert!(open.is_empty(), "{key}: {open:?}");
    }
}

/// By the commands: another catalog and another mapper over a month, and afterwards the audit log, the evidence, replay and
/// explanations are whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_corrects_a_month_and_everything_is_still_explained_and_proved() {
    let installed = Installed::start("correctrange", small(62)).await;
    let seller = installed.seller().to_owned();
    let end = installed.simulator.world.scenario.end;
    installed.said(&["serve", "--until", &end.to_string()]).await;
    let file = |name: &str| installed.path(name).display().to_string();
    let old = std::fs::read_to_string(installed.path("catalog.csv")).expect("reads");
    std::fs::write(installed.path("new.csv"), old.replace("41000", "41100")).expect("writes");
    std::fs::write(installed.path("minimal.wasm"), component("minimal")).expect("writes");
    let (catalog, component) = (file("new.csv"), file("minimal.wasm"));
    let range = ["--seller", &seller, "--from", "2026-09-01", "--to", "2026-10-31"];
    let wanted = ["--catalog", &catalog, "--mapper", &component, "--preview", "--json"];
    let preview = [&["correct"], &range[..], &wanted[..]].concat();
    let unknown = installed.refused(&preview).await;
    assert!(unknown.contains("COR-MAPPER"), "{unknown}");
    installed.said(&["mapper", "upload", &component, "--seller", &seller]).await;
    let shown: Value = serde_json::from_str(installed.said(&preview).await.trim()).expect("JSON");
    let pairs = shown["content"]["pairs"].as_array().expect("pairs");
    let of = |kind: &str| pairs.iter().filter(|pair| pair["kind"] == kind).count();
    assert!(of("invoice") > 3 && of("journal") > 1, "{pairs:?}");
    let left = shown["content"]["left"].as_array().expect("left");
    assert!(left.iter().all(|one| one["reasons"][0]["code"] == "refund-differs"), "{left:?}");

    let hash = shown["preview"].as_str().expect("a hash");
    let none = installed.refused(&["correct", "--seller", &seller, "--approve", "000000"]).await;
    assert!(none.contains("COR-PREVIEW"), "{none}");
    let planned = installed.said(&["correct", "--seller", &seller, "--approve", &hash[..12]]).await;
    assert!(planned.contains(&format!("{} pairs are planned", pairs.len())), "{planned}");
    let again = installed.said(&["correct", "--seller", &seller, "--approve", hash]).await;
    assert!(again.contains("0 pairs are planned"), "{again}");
    let later = end.saturating_add(SignedDuration::from_hours(24)).expect("in range");
    installed.said(&["serve", "--until", &later.to_string()]).await;

    for pair in pairs {
        for role in ["reversal", "replacement"] {
            let key = pair[role]["key"].as_str().expect("a key");
            let told: Value =
                serde_json::from_str(installed.said(&["explain", key, "--json"]).await.trim()).expect("JSON");
            let documents = told["documents"].as_array().expect("documents");
            let own = documents.iter().find(|one| one["key"] == key).expect("is told");
            assert_eq!(own["sha256"], pair[role]["sha256"], "{key}");
            assert_eq!(own["state"], "confirmed", "{key}");
            assert!(!own["sources"].as_array().expect("sources").is_empty(), "{key}");
        }
    }
    installed.said(&["audit", "verify"]).await;
    for period in ["2026-09", "2026-10"] {
        let out = file(&format!("{period}.zip"));
        installed.said(&["evidence", "--period", period, "--out", &out]).await;
        installed.said(&["evidence", "verify", &out]).await;
    }
    // What was taken back, what took it back and what took its place are all made again.
    let replayed = installed.said(&["mapper", "replay", "--seller", &seller, "--days", "90"]).await;
    let posted = of("journal") * 3;
    assert!(replayed.contains(&format!(" {posted} journals are the same")), "{posted}: {replayed}");
    assert!(!replayed.contains("cannot be"), "{replayed}");
    let listed = installed.said(&["catalog", "list"]).await;
    assert!(listed.contains("active"), "{listed}");
    let report: Value =
        serde_json::from_str(installed.said(&["report", "--json"]).await.trim()).expect("JSON");
    assert_eq!(report["reconciliation"]["differences"], 0, "{report}");
    assert_eq!(
        report["orders"]["invoiced"], report["orders"]["invoiceable"],
        "a corrected order has one invoice"
    );
}
