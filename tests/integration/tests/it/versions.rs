//! The life of a mapper's version: shadow, activation under load, roll-back, breaker, replay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ml_connector_amazon::OrdersApi;
use ml_connector_domain::Region;
use ml_connector_domain::id::ContentHash;
use ml_connector_mapper::{Limits, MapperRuntime};
use ml_connector_pipeline::versions::{Records, VersionPolicy, Versions, replay, unpack};
use ml_connector_pipeline::{StageError, map, normalize};
use ml_connector_ports::{Mapper, MapperLoader, Stream};
use ml_connector_storage::{Change, Component, MapperChange, MapperVersions as _, RecordedBatch, Store as _};

use crate::process::Installed;
use crate::support::{Connected, component, small};

struct Loader(MapperRuntime);

impl MapperLoader for Loader {
    fn load(&self, bytes: &[u8], _signatures: &[String]) -> Result<Arc<dyn Mapper>, String> {
        Ok(Arc::new(self.0.load(bytes).map_err(|error| error.to_string())?))
    }
}

/// The same component under another digest: with a custom section more, which means nothing.
pub(crate) fn variant(name: &str, mark: &str) -> Vec<u8> {
    let mut bytes = component(name);
    let length = u8::try_from(mark.len()).expect("a short mark");
    bytes.extend([0, length + 1, length]);
    bytes.extend(mark.as_bytes());
    bytes
}

impl Connected {
    /// Lets versions be loaded from the store.
    fn with_versions(&mut self) {
        let runtime = MapperRuntime::new(Limits::default()).expect("the sandbox starts");
        self.parts.versions = Versions::new(Arc::new(Loader(runtime)), VersionPolicy::default());
    }

    async fn change(&self, change: MapperChange) {
        self.store.apply(vec![Change::Mapper(change)]).await.expect("applies");
    }

    /// Keeps a component as a validated version.
    async fn upload(&self, bytes: Vec<u8>) -> ContentHash {
        let (digest, at) = (ContentHash::of(&bytes), self.parts.clock.now());
        let (name, version, contract) = ("t".to_owned(), "1".to_owned(), "0.1.0".to_owned());
        let kept = Component {
            digest: digest.clone(),
            name,
            version,
            contract,
            author: None,
            signatures: Vec::new(),
            bytes,
            added_at: at,
        };
        self.change(MapperChange::Component(Box::new(kept))).await;
        let (seller, why) = (self.seller.id.clone(), "a test".to_owned());
        self.change(MapperChange::Validated { seller, digest: digest.clone(), why, at }).await;
        digest
    }

    async fn activate(&self, digest: Option<&ContentHash>) {
        let (seller, why, at) = (self.seller.id.clone(), "a test".to_owned(), self.parts.clock.now());
        self.change(MapperChange::Activate { seller, digest: digest.cloned(), why, at }).await;
    }

    async fn recorded(&self) -> Vec<RecordedBatch> {
        let start = self.simulator.world.scenario.start;
        self.store.recorded_batches(&self.seller.id, start, "", 100_000).await.expect("reads")
    }

    /// Reads the scenario's orders and makes them ready.
    async fn read_orders(&self) {
        self.set_clock(self.simulator.world.scenario.end).await;
        for region in Region::ALL {
            self.poll(region, Stream::Orders).await;
        }
        normalize::normalize(&self.parts, &self.seller).await.expect("normalizes");
    }

    async fn orders_at(&self, stage: &str) -> usize {
        self.store.at_stage(&self.seller.id, "order", stage, 100_000).await.expect("reads").len()
    }

    async fn state(&self, digest: &ContentHash) -> String {
        let rows = self.store.mapper_versions().await.expect("reads");
        rows.into_iter().find(|row| row.digest == *digest).expect("is known").state
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activation_while_batches_flow_loses_none_and_maps_none_twice() {
    let mut connected = Connected::start("activation", small(31)).await;
    connected.with_versions();
    let versions = [
        connected.upload(variant("standard", "one")).await,
        connected.upload(variant("standard", "two")).await,
    ];
    connected.activate(Some(&versions[0])).await;
    let (connected, done) = (Arc::new(connected), Arc::new(AtomicBool::new(false)));
    let (other, ended) = (Arc::clone(&connected), Arc::clone(&done));
    let both = versions.clone();
    let swapping = async move {
        let mut swaps = 0_usize;
        while !ended.load(Ordering::Relaxed) {
            swaps += 1;
            other.activate(Some(&both[swaps % 2])).await;
        }
        swaps
    };
    let working = async {
        connected.run_until(connected.simulator.world.scenario.end).await;
        done.store(true, Ordering::Relaxed);
    };
    let (swaps, ()) = tokio::join!(swapping, working);
    connected.assert_books_are_right();
    println!("{swaps} activations under load");

    let batches = connected.recorded().await;
    let mappers: BTreeSet<&ContentHash> = batches.iter().map(|batch| &batch.mapper).collect();
    assert_eq!(mappers, versions.iter().collect(), "both have mapped");
    // One version of an order is mapped once, by one version of the mapper.
    let mut by_order: BTreeMap<String, BTreeSet<&ContentHash>> = BTreeMap::new();
    for batch in batches.iter().filter(|batch| batch.kind == "orders") {
        let packed = batch.packed.as_ref().expect("is kept");
        let input = unpack(&batch.input, &batch.kind, packed).expect("reads");
        assert_eq!(input.mapper, batch.mapper);
        let Records::Orders(orders) = input.records else { panic!("orders") };
        for order in orders {
            let content = serde_json::to_string(&order).expect("JSON");
            by_order.entry(content).or_default().insert(&batch.mapper);
        }
    }
    let twice: Vec<_> = by_order.iter().filter(|(_, mappers)| mappers.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert_eq!(connected.orders_at("ready").await, 0);

    let start = connected.simulator.world.scenario.start;
    let again = replay::replay(&connected.parts, &connected.seller, start).await.expect("replays");
    assert_eq!(again.wrong, [""; 0]);
    assert!(again.documents > 10 && again.bookings > 10 && again.not_kept == 0, "{again:?}");
    assert!(again.journals > 1 && again.journals_not_kept == 0, "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_roll_back_is_a_swap_and_there_is_one_step_of_it() {
    let mut connected = Connected::start("roll-back", small(32)).await;
    connected.with_versions();
    let [one, two] = [
        connected.upload(variant("standard", "one")).await,
        connected.upload(variant("standard", "two")).await,
    ];
    connected.activate(Some(&one)).await;
    connected.activate(Some(&two)).await;
    connected.activate(Some(&two)).await;
    assert_eq!(
        (connected.state(&one).await.as_str(), connected.state(&two).await.as_str()),
        ("retired", "active")
    );
    let roll_back = || {
        let (seller, why, at) =
            (connected.seller.id.clone(), "a test".to_owned(), connected.parts.clock.now());
        connected.store.apply(vec![Change::Mapper(MapperChange::RollBack { seller, why, at })])
    };
    let mut took = Vec::new();
    for _ in 0..21 {
        connected.activate(Some(&two)).await;
        #[expect(clippy::disallowed_methods, reason = "a figure to be read, not asserted")]
        let began = Instant::now();
        roll_back().await.expect("goes back");
        took.push(began.elapsed());
    }
    took.sort();
    println!("rolled back in {:?} at the median of 21, {:?} at most", took[10], took[20]);
    let pointer = connected.store.mapper_pointer(&connected.seller.id).await.expect("reads");
    assert_eq!((pointer.active, pointer.previous), (Some(one.clone()), None));
    assert_eq!(
        (connected.state(&one).await.as_str(), connected.state(&two).await.as_str()),
        ("active", "retired")
    );
    let again = roll_back().await.expect_err("there is nothing before").to_string();
    assert!(again.contains("no version to roll back to"), "{again}");
    assert_eq!(connected.state(&one).await, "active", "what is refused changes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_traps_is_rolled_back_and_loses_nothing() {
    let mut connected = Connected::start("breaker", small(33)).await;
    connected.with_versions();
    connected.seller.settings.push(("attack".to_owned(), "panic".to_owned()));
    let hostile = connected.upload(component("hostile")).await;
    connected.activate(Some(&hostile)).await;
    connected.read_orders().await;
    let ready = connected.orders_at("ready").await;
    assert!(ready > 10, "{ready}");
    let parked = map::map_orders(&connected.parts, &connected.seller).await.expect_err("the breaker opens");
    assert!(matches!(&parked, StageError::Parked(words) if words.contains("rolled back")), "{parked}");
    assert_eq!(connected.orders_at("ready").await, ready, "every record is ready for the version before");
    assert_eq!(connected.state(&hostile).await, "retired");
    let reviews = connected.store.open_reviews(1_000).await.expect("reads");
    assert_eq!(reviews.iter().map(|item| item.code.as_str()).collect::<Vec<_>>(), ["mapper-breaker"]);

    map::map_orders(&connected.parts, &connected.seller).await.expect("the configuration's mapper maps");
    assert_eq!(connected.orders_at("ready").await, 0);
    assert!(connected.orders_at("documented").await > 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_can_be_rolled_back_to_inputs_are_parked() {
    let mut connected = Connected::start("parked", small(34)).await;
    connected.with_versions();
    connected.seller.settings.push(("attack".to_owned(), "panic".to_owned()));
    connected.parts.mapper = Arc::new(crate::support::mapper("hostile"));
    connected.read_orders().await;
    let all = connected.orders_at("ready").await;
    let parked = map::map_orders(&connected.parts, &connected.seller).await.expect_err("the breaker opens");
    assert!(parked.to_string().starts_with("MAP-PARKED"), "{parked}");
    let left = connected.orders_at("ready").await;
    assert_eq!(left + 4, all, "those before the breaker opened are in review, the others ready");
    let calls = connected.store.counts().await.expect("reads").mapper.batches;
    let still = map::map_orders(&connected.parts, &connected.seller).await.expect_err("it stays open");
    assert!(still.to_string().starts_with("MAP-PARKED"), "{still}");
    assert_eq!(connected.store.counts().await.expect("reads").mapper.batches, calls, "nothing was called");

    let good = connected.upload(component("standard")).await;
    connected.activate(Some(&good)).await;
    map::map_orders(&connected.parts, &connected.seller).await.expect("a good version takes over");
    assert_eq!(connected.orders_at("ready").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_shows_what_it_would_change_and_changes_nothing() {
    let mut connected = Connected::start("shadow", small(35)).await;
    connected.with_versions();
    let shadow = connected.upload(component("minimal")).await;
    let (seller, at) = (connected.seller.id.clone(), connected.parts.clock.now());
    connected.change(MapperChange::Shadow { seller, digest: Some(shadow.clone()), at }).await;
    connected.run_until(connected.simulator.world.scenario.end).await;
    connected.assert_books_are_right();
    let totals = connected.store.shadow_totals(&connected.seller.id, &shadow).await.expect("reads");
    assert!(totals.batches > 0 && totals.records > 20 && totals.faults == 0, "{totals:?}");
    let found = connected.store.shadow_differences(&connected.seller.id, &shadow).await.expect("reads");
    // The minimal mapper books tax as revenue and every fee as clearing.
    assert!(found.iter().any(|row| row.account.starts_with("invoice ")), "{found:?}");
    assert!(found.iter().any(|row| row.account.starts_with("journal ")), "{found:?}");
    let moved: i64 = found
        .iter()
        .filter(|row| row.account.starts_with("journal ") && row.currency == "USD")
        .map(|row| row.active_minor - row.shadow_minor)
        .sum();
    assert_eq!(moved, 0, "what leaves one account arrives on another");
    assert_eq!(connected.state(&shadow).await, "shadow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_recorded_holds_nothing_about_a_buyer() {
    let mut connected = Connected::start_as("recorded", small(36), OrdersApi::Current, true).await;
    connected.with_versions();
    connected.run_until(connected.simulator.world.scenario.end).await;
    let raw = connected.store.pending_raw(&connected.seller.id, 1).await.expect("reads");
    assert!(raw.is_empty(), "everything was worked on");
    let batches = connected.recorded().await;
    assert!(batches.len() > 5);
    for batch in batches {
        let packed = batch.packed.expect("is kept");
        let input = format!("{:?}", unpack(&batch.input, &batch.kind, &packed).expect("reads"));
        for trace in ["Quillfeather", "Much love", "buyer", "recipient"] {
            assert!(!input.contains(trace), "{trace} in batch {}", batch.input);
        }
    }
}

async fn alter(database: &std::path::Path) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("opens");
    let first = "UPDATE document SET body = replace(body, '\"rule\":\"', '\"rule\":\"not ')
                 WHERE key = (SELECT min(key) FROM document WHERE kind = 'journal')";
    assert_eq!(sqlx::query(first).execute(&pool).await.expect("alters").rows_affected(), 1);
    pool.close().await;
}

/// The operator's commands, on the daemon's own files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_uploads_activates_compares_rolls_back_and_replays() {
    let installed = Installed::start("operator", small(37)).await;
    let end = installed.simulator.world.scenario.end;
    let seller = installed.seller().to_owned();
    std::fs::write(installed.path("new.wasm"), variant("standard", "new")).expect("a file");
    std::fs::write(installed.path("minimal.wasm"), component("minimal")).expect("a file");
    std::fs::write(installed.path("standard.wasm"), component("standard")).expect("a file");
    let file = |name: &str| installed.path(name).display().to_string();
    let key = installed.said(&["mapper", "sign", "--new-key", &file("author.key")]).await;
    let policy = format!("require_signature = true\nauthors.ann = \"{}\"\n", key.trim());
    installed.configure(|config| {
        config.insert("mappers".to_owned(), toml::from_str::<toml::Table>(&policy).expect("TOML").into());
        config["seller"][0]["mapper"] = "standard.wasm".into();
    });
    installed.said(&["mapper", "sign", &file("standard.wasm"), "--key", &file("author.key")]).await;

    let unsigned = installed.refused(&["mapper", "upload", &file("new.wasm"), "--seller", &seller]).await;
    assert!(unsigned.contains("SIG-MISSING"), "{unsigned}");
    for name in ["new.wasm", "minimal.wasm"] {
        installed.said(&["mapper", "sign", &file(name), "--key", &file("author.key")]).await;
        let uploaded = installed.said(&["mapper", "upload", &file(name), "--seller", &seller]).await;
        assert!(uploaded.contains("signed by `ann`"), "{uploaded}");
    }
    std::fs::copy(installed.path("new.wasm.sig"), installed.path("minimal.wasm.sig")).expect("copies");
    let foreign = installed.refused(&["mapper", "upload", &file("minimal.wasm"), "--seller", &seller]).await;
    assert!(foreign.contains("SIG-AUTHOR"), "{foreign}");
    installed.said(&["mapper", "sign", &file("minimal.wasm"), "--key", &file("author.key")]).await;
    let digest = ContentHash::of(&variant("standard", "new"));
    let minimal = ContentHash::of(&component("minimal"));
    let (new, other) = (&digest.as_str()[..8], &minimal.as_str()[..8]);
    let unknown = installed.refused(&["mapper", "activate", "000000", "--all"]).await;
    assert!(unknown.contains("MAP-VERSION"), "{unknown}");
    let active = installed.said(&["mapper", "activate", new, "--all"]).await;
    assert!(active.contains("1 of 1 sellers"), "{active}");
    installed.said(&["mapper", "shadow", other, "--all"]).await;
    installed.said(&["serve", "--until", &end.to_string()]).await;

    let list = installed.said(&["mapper", "list"]).await;
    assert!(list.contains("active") && list.contains("shadow") && list.contains("ann"), "{list}");
    let shown = installed.said(&["mapper", "show", other, "--seller", &seller]).await;
    assert!(shown.contains("invoice ") && shown.contains("journal "), "{shown}");
    let same = installed.said(&["mapper", "diff", new, new, "--seller", &seller, "--days", "90"]).await;
    assert!(same.contains("they book the same"), "{same}");
    let differ = installed
        .said(&["mapper", "diff", new, &file("minimal.wasm"), "--seller", &seller, "--days", "90"])
        .await;
    assert!(differ.contains("invoice "), "{differ}");
    let replayed = installed.said(&["mapper", "replay", "--seller", &seller, "--days", "90"]).await;
    assert!(replayed.contains("the same, byte for byte") && !replayed.contains(" 0 invoices"), "{replayed}");
    assert!(!replayed.contains(" 0 journals"), "{replayed}");
    // A rule that somebody wrote into a posted journal is found: no sum and no account shows it.
    alter(&installed.path("connector.sqlite")).await;
    let altered = installed.refused(&["mapper", "replay", "--seller", &seller, "--days", "90"]).await;
    assert!(altered.contains("MAP-REPLAY: 1 do not follow") && altered.contains("journal J"), "{altered}");
    let back = installed.said(&["mapper", "rollback", "--all"]).await;
    assert!(back.contains("rolled back to the configuration's file"), "{back}");
    let again = installed.refused(&["mapper", "rollback", "--seller", &seller]).await;
    assert!(again.contains("MAP-PREVIOUS"), "{again}");
}
