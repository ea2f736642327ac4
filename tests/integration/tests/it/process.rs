//! The daemon as a process against a simulator in this one, with a configuration as an operator would write it.

use std::path::{Path, PathBuf};
use std::process::Output;

use ml_connector_simulator::Running;
use ml_connector_simulator::scenario::ScenarioOptions;
use ml_connector_test_postgres::Database;
use serde_json::{Value, json};

use crate::support::{TestFolder, artefacts, binary};

/// The master key of a test.
pub(crate) const MASTER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
/// Where the application is registered to send sellers back to.
pub(crate) const REDIRECT: &str = "https://books.example/amazon";

/// A simulator with a daemon's folder.
pub(crate) struct Installed {
    pub(crate) simulator: Running,
    pub(crate) scenario: Value,
    pub(crate) folder: TestFolder,
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

impl Installed {
    /// Starts a simulator, writes the configuration and seals the credentials.
    pub(crate) async fn start(name: &str, options: ScenarioOptions) -> Self {
        let simulator = ml_connector_simulator::start(options).await.expect("ports are free");
        let scenario = simulator.world.scenario.for_the_operator();
        let installed = Self { simulator, scenario, folder: TestFolder::new(name) };
        installed.write();
        let imported = installed.run(&["credentials", "import"]).await;
        assert!(imported.status.success(), "{}", words(&imported));
        installed
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.0.join(name)
    }

    pub(crate) fn seller(&self) -> &str {
        text(&self.scenario["sellers"][0]["id"])
    }

    fn write(&self) {
        let write = |name: &str, text: &str| std::fs::write(self.path(name), text).expect("a file");
        write("master.key", MASTER_KEY);
        write("amazon.secret", text(&self.scenario["application"]["client_secret"]));
        write("fusion.secret", text(&self.scenario["identity"]["client_secret"]));
        let sellers = self.scenario["sellers"].as_array().expect("sellers").iter().enumerate();
        let sellers: Vec<Value> = sellers.map(|(place, seller)| self.write_seller(place, seller)).collect();
        let urls = &self.simulator.urls;
        let config = json!({
            "database": "connector.sqlite", "master_key_file": "master.key", "development": true,
            "clock": { "mode": "stepped", "advance_url": format!("{}/control/clock", urls.control) },
            "audit": { "checkpoint_minutes": 1440 },
            "cadence": { "orders_minutes": 240, "transactions_minutes": 720, "groups_minutes": 1440,
                "payouts_minutes": 1440, "reports_minutes": 1440, "reconcile_minutes": 1440, "watch_minutes": 720 },
            "amazon": {
                "client_id": self.scenario["application"]["client_id"], "client_secret_file": "amazon.secret",
                "lwa_url": format!("{}/auth/o2/token", urls.lwa), "buyer_data": true,
                "endpoints": { "na": urls.amazon.na, "eu": urls.amazon.eu, "fe": urls.amazon.fe },
                "consent": { "application_id": "amzn1.sellerapps.app.simulated", "redirect_uri": REDIRECT },
            },
            "fusion": {
                "base_url": urls.fusion, "identity_url": urls.identity, "scope": self.scenario["identity"]["scope"],
                "client_id": self.scenario["identity"]["client_id"], "client_secret_file": "fusion.secret",
            },
            "seller": sellers,
        });
        write("ml-connector.toml", &toml::to_string(&toml_of(&config)).expect("TOML"));
    }

    /// Writes a seller's tokens and catalog; its part of the configuration. The first one's files have the shorter names.
    fn write_seller(&self, place: usize, seller: &Value) -> Value {
        let id = text(&seller["id"]);
        let named = |name: &str| if place == 0 { name.to_owned() } else { format!("{id}-{name}") };
        let write = |name: &str, text: &str| std::fs::write(self.path(name), text).expect("a file");
        let mut authorizations = Vec::new();
        for own in seller["authorizations"].as_array().expect("authorisations") {
            let file = named(&format!("{}.token", text(&own["region"])));
            write(&file, text(&own["refresh_token"]));
            authorizations.push(json!({ "region": own["region"], "refresh_token_file": file }));
        }
        write(&named("catalog.csv"), &catalog(seller));
        let tax = seller["tax"].as_object().expect("tax regimes").iter();
        let mut settings: serde_json::Map<String, Value> =
            tax.map(|(place, regime)| (format!("tax.{place}"), regime.clone())).collect();
        if let Some(returned) = seller.get("returned_goods") {
            settings.insert("cogs.returned".to_owned(), returned.clone());
        }
        let mapper = artefacts("ML_CONNECTOR_PLUGINS", "plugins/components").join("standard.component.wasm");
        json!({
            "id": id, "name": seller["name"], "start_from": self.scenario["start"],
            "catalog": named("catalog.csv"), "mapper": mapper, "authorization": authorizations,
            "settings": settings, "ledger": seller["fusion"],
        })
    }

    /// Every figure of the simulator's verdict that is not zero.
    pub(crate) fn wrong(&self) -> Vec<(String, u64)> {
        let truth = ml_connector_simulator::truth::truth(&self.simulator.world, true);
        println!("{}", truth["verdict"]["details"]);
        let verdict = truth["verdict"].as_object().expect("a verdict");
        let figures = verdict.iter().filter_map(|(name, figure)| Some((name.clone(), figure.as_u64()?)));
        figures.filter(|(_, figure)| *figure != 0).collect()
    }

    /// Changes the configuration.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut toml::Table)) {
        let path = self.path("ml-connector.toml");
        let text = std::fs::read_to_string(&path).expect("a file");
        let mut config: toml::Table = toml::from_str(&text).expect("TOML");
        change(&mut config);
        std::fs::write(path, toml::to_string(&config).expect("TOML")).expect("writes");
    }

    /// Puts a PostgreSQL database in the file's place, and seals the credentials there.
    pub(crate) async fn move_to(&self, database: &Database) {
        std::fs::write(self.path("database.url"), database.url()).expect("a file");
        self.configure(|config| {
            config.remove("database");
            config.insert("database_url_file".to_owned(), "database.url".into());
        });
        self.said(&["credentials", "import"]).await;
    }

    /// A command of the daemon.
    pub(crate) fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(binary("ml-connector"));
        command.arg("--config").arg(self.path("ml-connector.toml")).args(arguments).kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().await.expect("the daemon starts")
    }

    /// Runs a command that has to succeed; what it said.
    pub(crate) async fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", words(&output));
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs a command that has to fail; what it complained of.
    pub(crate) async fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(!output.status.success(), "{arguments:?} succeeded: {}", words(&output));
        words(&output)
    }

    /// All files of the folder, with their bytes.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let folders = [self.folder.0.clone(), self.path("mapper-cache")];
        let all = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok());
        let all = all.flat_map(Iterator::flatten).filter(|file| !file.path().is_dir());
        let name =
            |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        // SQLite removes its log when the last process closes it, which may be between the listing and this.
        let read = |path: &Path| match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            read => Some(read.expect("reads")),
        };
        all.filter_map(|file| Some((name(&file.path()), read(&file.path())?))).collect()
    }
}

/// What a seller's catalog names: the products that are mapped and, where the scenario keeps stock, what each costs where and
/// from when.
fn catalog(seller: &Value) -> String {
    let products = seller["products"].as_array().expect("products").iter();
    let mapped: Vec<&Value> = products.filter(|product| product["mapped"] == true).collect();
    let mut text = "sku,product_type,marketplace,revenue_account,cogs_account,cost_center".to_owned();
    let stock = mapped.iter().any(|product| product["costs"].is_array());
    let costs = if stock { ",valid_from,valid_to,unit_cost,unit_cost_currency" } else { "" };
    text.push_str(&format!("{costs}\n"));
    let empty = if stock { ",,,," } else { "" };
    for product in mapped {
        let of = |name: &str| product[name].as_str().unwrap_or_default();
        let (sku, account, center) = (of("sku"), of("revenue_account"), of("cost_center"));
        let cogs = if stock { of("cogs_account") } else { "" };
        text.push_str(&format!("{sku},,,{account},{cogs},{center}{empty}\n"));
        for cost in product["costs"].as_array().into_iter().flatten() {
            let [place, from, to, each, currency] =
                ["marketplace", "valid_from", "valid_to", "unit_cost", "currency"]
                    .map(|name| cost[name].as_str().unwrap_or_default());
            text.push_str(&format!("{sku},,{place},,,,{from},{to},{each},{currency}\n"));
        }
    }
    text
}

/// JSON as TOML: numbers are whole here, and nothing is null.
fn toml_of(json: &Value) -> toml::Value {
    match json {
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), toml_of(member)))
            .collect::<toml::Table>()
            .into(),
        Value::Array(list) => list.iter().map(toml_of).collect::<Vec<_>>().into(),
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => number.as_i64().expect("a whole number").into(),
        other => text(other).into(),
    }
}

/// All that a process said.
pub(crate) fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
