//! What the tests share: built artefacts, and a seller's pipeline against a simulator in this process.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use ml_connector_amazon::{
    AmazonOptions, Application, CredentialSource, Credentials, OrdersApi, SpApiClient,
};
use ml_connector_domain::catalog::{Rule, Subject};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{Clock as _, Region};
use ml_connector_fusion::{
    AuthMethod, FusionClient, FusionCredentialSource, FusionCredentials, FusionOptions,
};
use ml_connector_mapper::{Limits, LoadedMapper, MapperRuntime};
use ml_connector_pipeline::catalogs::Catalogs;
use ml_connector_pipeline::poll::{self, Polled};
use ml_connector_pipeline::versions::Versions;
use ml_connector_pipeline::worker::{Cadence, Until, Worker};
use ml_connector_pipeline::{Parts, Seller, catalog_file};
use ml_connector_ports::{Account, Pause, PauseMemory, SourceError, Stream};
use ml_connector_remote::clock::Advance;
use ml_connector_remote::{HttpClient, HttpOptions, SteppedClock};
use ml_connector_simulator::Running;
use ml_connector_simulator::scenario::{Profile, ScenarioOptions};
use ml_connector_storage::SqliteStore;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The folder of built artefacts that an environment variable or the place of this test binary names.
pub(crate) fn artefacts(variable: &str, below_target: &str) -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "tests are told where artefacts are by cargo xtask test")]
    let named = std::env::var(variable).ok().map(PathBuf::from);
    named.unwrap_or_else(|| {
        let own = std::env::current_exe().expect("a test has a path");
        let target = own.ancestors().nth(3).expect("tests lie in target/debug/deps").to_owned();
        target.join(below_target)
    })
}

/// A built component.
#[track_caller]
pub(crate) fn component(name: &str) -> Vec<u8> {
    let path = artefacts("ML_CONNECTOR_PLUGINS", "plugins/components").join(format!("{name}.component.wasm"));
    std::fs::read(&path)
        .unwrap_or_else(|_| panic!("{} is not built: run cargo xtask plugins", path.display()))
}

/// A built binary.
#[track_caller]
pub(crate) fn binary(name: &str) -> PathBuf {
    let path = artefacts("ML_CONNECTOR_BIN_DIR", "debug").join(name);
    assert!(path.is_file(), "{} is not built: run cargo xtask test", path.display());
    path
}

/// A folder of its own for a test, removed at its end.
pub(crate) struct TestFolder(pub(crate) PathBuf);

impl TestFolder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ml-connector-{name}-{}", std::process::id()));
        let _left_over = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// Credentials as the scenario gives them.
struct Given(Value);

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

#[async_trait]
impl CredentialSource for Given {
    async fn application(&self, _: Timestamp) -> Result<Application, SourceError> {
        Ok(Application {
            client_id: text(&self.0["application"]["client_id"]),
            client_secret: text(&self.0["application"]["client_secret"]).into(),
            previous_secret: None,
        })
    }

    async fn credentials(&self, account: &Account, now: Timestamp) -> Result<Credentials, SourceError> {
        let sellers = self.0["sellers"].as_array().expect("sellers");
        let seller =
            sellers.iter().find(|seller| seller["id"] == account.seller.as_str()).expect("a known seller");
        let mut authorizations = seller["authorizations"].as_array().expect("authorisations").iter();
        let own = authorizations.find(|a| a["region"] == account.region.as_str()).expect("a known region");
        let refresh_token = text(&own["refresh_token"]).into();
        Ok(Credentials { application: self.application(now).await?, refresh_token })
    }
}

/// Pauses that are kept as long as a test.
#[derive(Default)]
pub(crate) struct Pauses(std::sync::Mutex<HashMap<String, Pause>>);

impl Pauses {
    /// One of them.
    pub(crate) fn first(&self) -> Option<Pause> {
        self.0.lock().expect("no panic").values().next().copied()
    }

    /// Changes them all.
    pub(crate) fn set_all(&self, to: Pause) {
        self.0.lock().expect("no panic").values_mut().for_each(|pause| *pause = to);
    }
}

#[async_trait]
impl PauseMemory for Pauses {
    async fn pause(&self, key: &str) -> Result<Option<Pause>, SourceError> {
        Ok(self.0.lock().expect("no panic").get(key).copied())
    }

    async fn keep(&self, key: &str, pause: Option<Pause>) -> Result<(), SourceError> {
        let mut pauses = self.0.lock().expect("no panic");
        match pause {
            Some(pause) => pauses.insert(key.to_owned(), pause),
            None => pauses.remove(key),
        };
        Ok(())
    }
}

#[async_trait]
impl FusionCredentialSource for Given {
    async fn credentials(&self) -> Result<FusionCredentials, SourceError> {
        Ok(FusionCredentials {
            client_id: text(&self.0["identity"]["client_id"]),
            client_secret: text(&self.0["identity"]["client_secret"]).into(),
            assertion_key: None,
            refresh_token: None,
        })
    }
}

/// The options of a small scenario.
pub(crate) fn small(seed: u64) -> ScenarioOptions {
    println!("SEED={seed}");
    let start = "2026-09-01T00:00:00Z".parse().expect("a time");
    ScenarioOptions {
        seed,
        sellers: 1,
        days: 5,
        orders_per_day: 8,
        start,
        unmapped_percent: 10,
        profile: Profile::Month,
    }
}

/// How often a test's worker asks.
fn daily() -> Cadence {
    Cadence {
        orders: SignedDuration::from_hours(4),
        transactions: SignedDuration::from_hours(12),
        groups: SignedDuration::from_hours(24),
        payouts: SignedDuration::from_hours(24),
        reports: SignedDuration::from_hours(24),
        reconcile: SignedDuration::from_hours(24),
        watch: SignedDuration::from_hours(12),
    }
}

/// A seller's pipeline against a simulator in this process.
pub(crate) struct Connected {
    pub(crate) simulator: Running,
    pub(crate) clock: SteppedClock,
    pub(crate) parts: Parts,
    pub(crate) seller: Seller,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) amazon: Arc<SpApiClient>,
    folder: TestFolder,
}

/// Loads a component into an engine of its own.
pub(crate) fn mapper(name: &str) -> LoadedMapper {
    let runtime = MapperRuntime::new(Limits::default()).expect("the sandbox starts");
    runtime.load(&component(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A failing test shows what the daemon would have logged; `RUST_LOG` says how much.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    // Several tests of one process: only the first can install it.
    let _installed = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}

impl Connected {
    /// Starts the simulator and joins a pipeline to it.
    pub(crate) async fn start(name: &str, options: ScenarioOptions) -> Self {
        Self::start_as(name, options, OrdersApi::Current, false).await
    }

    /// As [`Connected::start`], with a choice of the orders API and of asking for buyer data.
    pub(crate) async fn start_as(
        name: &str,
        options: ScenarioOptions,
        api: OrdersApi,
        buyer_data: bool,
    ) -> Self {
        log();
        let simulator = ml_connector_simulator::start(options).await.expect("ports are free");
        let scenario = simulator.world.scenario.for_the_operator();
        let world = Arc::clone(&simulator.world);
        let advance: Advance = Arc::new(move |to| {
            let world = Arc::clone(&world);
            Box::pin(async move {
                assert!(world.clock.set(to), "time went back to {to}");
            })
        });
        let clock = SteppedClock::new(simulator.world.scenario.start, Some(advance));
        let folder = TestFolder::new(name);
        let store = Arc::new(SqliteStore::open(&folder.0.join("t.sqlite")).await.expect("the store opens"));
        let amazon = Arc::new(amazon(&simulator, &scenario, &clock, (api, buyer_data)));
        let parts = parts(&simulator, &scenario, &clock, &store, &amazon);
        let seller = seller(&scenario["sellers"][0], simulator.world.scenario.start);
        Self { simulator, clock, parts, seller, store, amazon, folder }
    }

    /// The database's file.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.0.join("t.sqlite")
    }

    /// Runs a worker that polls every stream this often until a time.
    pub(crate) async fn run_every(&self, every: SignedDuration, end: Timestamp) {
        let guard = self.clock.worker();
        let cadence = Cadence {
            orders: every,
            transactions: every,
            groups: every,
            payouts: every,
            reports: every,
            ..Cadence::default()
        };
        let worker = Worker::new(self.parts.clone(), self.seller.clone(), cadence);
        worker.run(Until::Time(end), CancellationToken::new()).await;
        drop(guard);
    }

    /// All of the scenario's sellers.
    pub(crate) fn sellers(&self) -> Vec<Seller> {
        let scenario = &self.simulator.world.scenario;
        let known = scenario.for_the_operator();
        let sellers = known["sellers"].as_array().expect("sellers").iter();
        sellers.map(|one| seller(one, scenario.start)).collect()
    }

    /// Runs a worker for each of the scenario's sellers until a time.
    pub(crate) async fn run_all_until(&self, end: Timestamp) {
        // All are counted before the first runs: time passes when all of them sleep.
        let counted: Vec<_> =
            self.sellers().into_iter().map(|seller| (seller, self.clock.worker())).collect();
        let mut workers = JoinSet::new();
        for (seller, guard) in counted {
            let worker = Worker::new(self.parts.clone(), seller, daily());
            workers.spawn(async move {
                worker.run(Until::Time(end), CancellationToken::new()).await;
                drop(guard);
            });
        }
        workers.join_all().await;
    }

    /// Runs the worker until a time.
    pub(crate) async fn run_until(&self, end: Timestamp) {
        let guard = self.clock.worker();
        let worker = Worker::new(self.parts.clone(), self.seller.clone(), daily());
        worker.run(Until::Time(end), CancellationToken::new()).await;
        drop(guard);
    }

    /// Polls a stream of a region once, as the worker would.
    pub(crate) async fn poll(&self, region: Region, stream: Stream) -> Polled {
        let _guard = self.clock.worker();
        let account = self.account(region);
        poll::poll(&self.parts, &self.seller, &account, stream).await.expect("polls")
    }

    pub(crate) fn account(&self, region: Region) -> Account {
        Account { seller: self.seller.id.clone(), region }
    }

    /// Moves all clocks.
    pub(crate) async fn set_clock(&self, to: Timestamp) {
        let _guard = self.clock.worker();
        self.clock.sleep_until(to).await;
    }

    /// The simulator's verdict: every figure by name.
    pub(crate) fn verdict(&self) -> HashMap<String, u64> {
        let truth = ml_connector_simulator::truth::truth(&self.simulator.world, true);
        println!("{}", truth["verdict"]["details"]);
        let verdict = truth["verdict"].as_object().expect("a verdict");
        verdict.iter().filter_map(|(name, figure)| Some((name.clone(), figure.as_u64()?))).collect()
    }

    /// Nothing is missing, doubled, wrong or posted that should not be, and no request was malformed.
    #[track_caller]
    pub(crate) fn assert_books_are_right(&self) {
        let wrong: Vec<_> = self.verdict().into_iter().filter(|(_, count)| *count != 0).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        let unexpected = self.simulator.world.journal.all_unexpected();
        assert!(unexpected.is_empty(), "{unexpected:?}");
    }
}

fn http() -> HttpClient {
    HttpClient::new(HttpOptions {
        user_agent: "ml-connector-test/1 (Language=Rust)".to_owned(),
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(30),
        body_bytes_max: 16 << 20,
        exchanges_max: 8,
        loopback_http: true,
    })
    .expect("a client")
}

/// A client of the simulator's Amazon, with the credentials that `scenario` holds.
pub(crate) fn amazon(
    simulator: &Running,
    scenario: &Value,
    clock: &SteppedClock,
    (orders_api, buyer_data): (OrdersApi, bool),
) -> SpApiClient {
    amazon_after(simulator, scenario, clock, (orders_api, buyer_data), Arc::new(Pauses::default()))
}

/// As [`amazon`], in a process that takes over the pauses of one before it.
pub(crate) fn amazon_after(
    simulator: &Running,
    scenario: &Value,
    clock: &SteppedClock,
    (orders_api, buyer_data): (OrdersApi, bool),
    pauses: Arc<Pauses>,
) -> SpApiClient {
    let urls = &simulator.urls;
    let endpoints =
        [(Region::Na, &urls.amazon.na), (Region::Eu, &urls.amazon.eu), (Region::Fe, &urls.amazon.fe)];
    let options = AmazonOptions {
        lwa_url: format!("{}/auth/o2/token", urls.lwa),
        endpoints: endpoints.into_iter().map(|(region, url)| (region, url.clone())).collect(),
        application: "test".to_owned(),
        orders_api,
        buyer_data,
    };
    let given = Arc::new(Given(scenario.clone()));
    SpApiClient::new(options, http(), given, Arc::new(clock.clone()), pauses, ChaCha8Rng::seed_from_u64(1))
}

fn parts(
    simulator: &Running,
    scenario: &Value,
    clock: &SteppedClock,
    store: &Arc<SqliteStore>,
    amazon: &Arc<SpApiClient>,
) -> Parts {
    let target = FusionClient::new(
        FusionOptions {
            base_url: simulator.urls.fusion.clone(),
            identity_url: simulator.urls.identity.clone(),
            scope: text(&scenario["identity"]["scope"]),
            method: AuthMethod::ClientCredentials,
        },
        http(),
        Arc::new(Given(scenario.clone())),
        Arc::new(clock.clone()),
        ChaCha8Rng::seed_from_u64(2),
    );
    Parts {
        store: Arc::clone(store) as _,
        source: Arc::clone(amazon) as _,
        target: Arc::new(target),
        clock: Arc::new(clock.clone()),
        mapper: Arc::new(mapper("standard")),
        versions: Versions::default(),
        catalogs: Catalogs::default(),
    }
}

/// Where a seller has authorised the application.
fn regions(scenario: &Value) -> Vec<Region> {
    let own: Vec<&Value> = scenario["authorizations"].as_array().expect("authorisations").iter().collect();
    Region::ALL.into_iter().filter(|region| own.iter().any(|one| one["region"] == region.as_str())).collect()
}

/// Every product that is mapped with its accounts, and what it costs where and when, as far as that is known.
fn catalog(scenario: &Value) -> String {
    let mut csv = "sku,product_type,marketplace,revenue_account,cogs_account,cost_center,valid_from,valid_to,unit_cost,\
                   unit_cost_currency\n"
        .to_owned();
    let field = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    for product in scenario["products"].as_array().expect("products").iter().filter(|p| p["mapped"] == true) {
        let [sku, revenue, cogs, center] =
            ["sku", "revenue_account", "cogs_account", "cost_center"].map(|name| field(product, name));
        csv.push_str(&format!("{sku},,,{revenue},{cogs},{center},,,,\n"));
        for cost in product["costs"].as_array().into_iter().flatten() {
            let [place, from, to, each, currency] =
                ["marketplace", "valid_from", "valid_to", "unit_cost", "currency"]
                    .map(|name| field(cost, name));
            csv.push_str(&format!("{sku},,{place},,,,{from},{to},{each},{currency}\n"));
        }
    }
    csv
}

/// Puts a product's revenue on another account.
pub(crate) fn recatalog(seller: &mut Seller, sku: &str, account: &str) {
    let mut catalog = (*seller.catalog).clone();
    let of_product = |rule: &&mut Rule| matches!(&rule.subject, Subject::Sku(own) if own.as_str() == sku);
    for rule in catalog.rules.iter_mut().filter(of_product) {
        rule.revenue = rule.revenue.as_ref().map(|_| account.to_owned());
    }
    seller.catalog = Arc::new(catalog);
    seller.catalog_hash = ContentHash::of(format!("{sku} on {account}").as_bytes());
}

fn seller(scenario: &Value, start_from: Timestamp) -> Seller {
    let csv = catalog(scenario);
    let ledger: ml_connector_domain::ledger::LedgerSetup =
        serde_json::from_value(scenario["fusion"].clone()).expect("a ledger");
    let settings = scenario["tax"].as_object().expect("tax regimes").iter();
    Seller {
        id: text(&scenario["id"]).as_str().into(),
        name: text(&scenario["name"]),
        start_from,
        regions: regions(scenario),
        settings: settings
            .map(|(place, regime)| (format!("tax.{place}"), text(regime)))
            .chain(scenario["returned_goods"].as_str().map(|to| ("cogs.returned".to_owned(), to.to_owned())))
            .collect(),
        zone: ledger.zone().expect("a zone"),
        ledger,
        catalog: Arc::new(catalog_file::parse("catalog.csv", &csv).expect("a good catalog")),
        catalog_hash: ContentHash::of(csv.as_bytes()),
    }
}
