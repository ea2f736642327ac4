//! The configuration: one TOML file, paths in it relative to its folder. Secrets stand in files of their own, which
//! it names.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use ml_connector_domain::ledger::{CreditMemoPath, LedgerSetup};
use ml_connector_domain::{Region, SellerId};
use ml_connector_pipeline::quiet::Expected;
use ml_connector_pipeline::worker::Cadence;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config_api::{self, ApiConfig, MetricsConfig};
use crate::config_fusion::FusionConfig;
use crate::config_mappers::{MappersConfig, SellerMappersConfig};
use crate::config_tracing::TracingConfig;

/// Something wrong with the configuration, and where.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("CFG-READ: cannot read {path}: give the configuration with --config")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no TOML, or a key is missing, unknown or of the wrong type.
    #[error("CFG-PARSE: {message}")]
    Parse {
        /// File, line and column, what is there, and what was probably meant.
        message: String,
    },
    /// A variable of the environment or a flag goes over nothing, or makes the whole impossible.
    #[error("CFG-OVERRIDE: {origin}: {message}")]
    Override {
        /// The variable or flag.
        origin: String,
        /// What is wrong.
        message: String,
    },
    /// A value makes no sense.
    #[error("CFG-VALUE: {key}: {message}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong and what to write.
        message: String,
    },
}

/// The whole file.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The SQLite file. Exactly one of this, `database_url_file` and `database_url_variable` is written.
    #[serde(default)]
    pub(crate) database: Option<PathBuf>,
    /// File with the address of a PostgreSQL database: `postgres://user:password@host/name?sslmode=verify-full`. Any number
    /// of daemons may share it.
    #[serde(default)]
    pub(crate) database_url_file: Option<PathBuf>,
    /// Environment variable with that address.
    #[serde(default)]
    pub(crate) database_url_variable: Option<String>,
    /// File with 64 hexadecimal digits that wrap all credentials; the one of three sources that can rotate by itself.
    #[serde(default)]
    pub(crate) master_key_file: Option<PathBuf>,
    /// Environment variable with them.
    #[serde(default)]
    pub(crate) master_key_variable: Option<String>,
    /// Name of a systemd credential with them (`LoadCredential=`).
    #[serde(default)]
    pub(crate) master_key_credential: Option<String>,
    /// Allows plain HTTP to this machine and a stepped clock. Never in production.
    #[serde(default)]
    pub(crate) development: bool,
    /// Exchanges with the remotes under way at the same time, over all sellers.
    #[serde(default = "exchanges_max")]
    pub(crate) exchanges_max: usize,
    /// Seconds that workers have for ending their cycle when the daemon is told to stop; then they are cut short, and what was
    /// being sent is looked up at the next start.
    #[serde(default = "drain_seconds")]
    pub(crate) drain_seconds: u32,
    /// The clock.
    #[serde(default)]
    pub(crate) clock: ClockConfig,
    /// Amazon.
    pub(crate) amazon: AmazonConfig,
    /// Fusion.
    pub(crate) fusion: FusionConfig,
    /// The audit log.
    #[serde(default)]
    pub(crate) audit: AuditConfig,
    /// How often what is done, for sellers that have no cadence of their own.
    #[serde(default)]
    pub(crate) cadence: CadenceConfig,
    /// This daemon among others over one PostgreSQL database.
    #[serde(default)]
    pub(crate) cluster: ClusterConfig,
    /// Uploaded mappers.
    #[serde(default)]
    pub(crate) mappers: MappersConfig,
    /// The HTTP API.
    #[serde(default)]
    pub(crate) api: Option<ApiConfig>,
    /// Health and figures without a key.
    #[serde(default)]
    pub(crate) metrics: Option<MetricsConfig>,
    /// Spans for a collector of traces.
    #[serde(default)]
    pub(crate) tracing: Option<TracingConfig>,
    /// Sellers.
    #[serde(rename = "seller")]
    pub(crate) sellers: Vec<SellerConfig>,
    /// The folder that paths are relative to.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

/// The clock.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ClockConfig {
    /// The machine's.
    #[default]
    System,
    /// One that moves when all workers wait.
    Stepped {
        /// Where the remote's clock is read and moved.
        advance_url: String,
        /// How long each step takes on the machine's clock, in milliseconds: 0 is as fast as it goes.
        #[serde(default)]
        pace_ms: u64,
    },
    /// One that runs faster than the machine's, the same for all processes that have its three figures.
    Scaled {
        /// What it showed when it was started.
        #[schemars(with = "String")]
        origin: Timestamp,
        /// When that was, by the machine's clock.
        #[schemars(with = "String")]
        started: Timestamp,
        /// Its seconds in a second of the machine's; 1 to 100000.
        speed: u32,
    },
}

/// Amazon.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AmazonConfig {
    /// The application's client id.
    pub(crate) client_id: String,
    /// File with its client secret; read by `credentials import` only.
    pub(crate) client_secret_file: PathBuf,
    /// Login with Amazon.
    #[serde(default = "lwa_url")]
    pub(crate) lwa_url: String,
    /// Endpoints that replace production's, by region: for Amazon's sandbox, or a simulator.
    #[serde(default)]
    pub(crate) endpoints: HashMap<Region, String>,
    /// `2026-01-01`, or `v0` while Amazon serves it.
    #[serde(default)]
    pub(crate) orders_api: OrdersApiConfig,
    /// Whether buyer and recipient are read with an order. They are kept for 30 days after shipping.
    #[serde(default)]
    pub(crate) buyer_data: bool,
    /// When the client secret was issued; without it, when it was imported.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) client_secret_issued: Option<jiff::civil::Date>,
    /// For website authorisation.
    #[serde(default)]
    pub(crate) consent: Option<ConsentConfig>,
}

/// Which orders API.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
pub(crate) enum OrdersApiConfig {
    /// Orders 2026-01-01.
    #[default]
    #[serde(rename = "2026-01-01")]
    Current,
    /// Orders v0.
    #[serde(rename = "v0")]
    V0,
}

/// Website authorisation.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsentConfig {
    /// The application's id, `amzn1.sellerapps.app.…`.
    pub(crate) application_id: String,
    /// One of the addresses that the application has registered.
    pub(crate) redirect_uri: String,
    /// Whether the application is a draft.
    #[serde(default)]
    pub(crate) draft: bool,
}

fn tenant() -> String {
    "default".to_owned()
}

fn exchanges_max() -> usize {
    32
}

fn drain_seconds() -> u32 {
    60
}

fn lwa_url() -> String {
    "https://api.amazon.com/auth/o2/token".to_owned()
}

/// The audit log.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuditConfig {
    /// Minutes between two signed checkpoints.
    pub(crate) checkpoint_minutes: u32,
    /// The file that checkpoints are appended to, to be taken elsewhere.
    pub(crate) checkpoints: PathBuf,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { checkpoint_minutes: 60, checkpoints: PathBuf::from("audit.checkpoints") }
    }
}

/// This daemon among others over one PostgreSQL database. Each works on its share of the sellers.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClusterConfig {
    /// Seconds after which the others take over the sellers of a daemon that does not answer; 3 or more.
    pub(crate) lease_seconds: u32,
    /// What the daemon is called in the log; without it, the machine's name.
    pub(crate) name: Option<String>,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self { lease_seconds: 30, name: None }
    }
}

/// How often what is done, in minutes.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CadenceConfig {
    /// Between two polls of orders; 3 or more.
    orders_minutes: u32,
    /// Between two polls of transactions.
    transactions_minutes: u32,
    /// Between two polls of settlements.
    groups_minutes: u32,
    /// Between two polls of payouts.
    payouts_minutes: u32,
    /// Between two polls of settlement reports; 2 or more.
    reports_minutes: u32,
    /// Between two rounds in which documents are read back from Fusion and compared.
    reconcile_minutes: u32,
    /// Between two readings of what changed in Fusion; 5 or more.
    watch_minutes: u32,
}

impl Default for CadenceConfig {
    fn default() -> Self {
        Self {
            orders_minutes: 15,
            transactions_minutes: 15,
            groups_minutes: 60,
            payouts_minutes: 6 * 60,
            reports_minutes: 6 * 60,
            reconcile_minutes: 24 * 60,
            watch_minutes: 60,
        }
    }
}

impl CadenceConfig {
    fn cadence(&self) -> Cadence {
        let minutes = |minutes: u32| SignedDuration::from_mins(i64::from(minutes));
        Cadence {
            orders: minutes(self.orders_minutes),
            transactions: minutes(self.transactions_minutes),
            groups: minutes(self.groups_minutes),
            payouts: minutes(self.payouts_minutes),
            reports: minutes(self.reports_minutes),
            reconcile: minutes(self.reconcile_minutes),
            watch: minutes(self.watch_minutes),
        }
    }

    /// What the limits allow: searchOrders one call in three minutes, getReports one in 45 seconds; a burst of calls
    /// does not last. The others allow a call every other second, and a poll takes several. Fusion publishes no limit,
    /// and reads that overlap by five minutes.
    fn check(&self, place: &str) -> Result<(), ConfigError> {
        for (name, minutes, least) in [
            ("orders_minutes", self.orders_minutes, 3),
            ("transactions_minutes", self.transactions_minutes, 1),
            ("groups_minutes", self.groups_minutes, 1),
            ("payouts_minutes", self.payouts_minutes, 1),
            ("reports_minutes", self.reports_minutes, 2),
            ("reconcile_minutes", self.reconcile_minutes, 1),
            ("watch_minutes", self.watch_minutes, 5),
        ] {
            if minutes < least {
                let message = format!("the remotes' limits do not allow it: write {least} or more");
                return Err(value(format!("{place}.{name}"), message));
            }
        }
        Ok(())
    }
}

/// A seller.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SellerConfig {
    /// Merchant token.
    pub(crate) id: SellerId,
    /// Name, for people.
    pub(crate) name: String,
    /// Whose it is: keys of the API see the sellers of their tenant.
    #[serde(default = "tenant")]
    pub(crate) tenant: String,
    /// Nothing from before this is read.
    #[schemars(with = "String")]
    pub(crate) start_from: Timestamp,
    /// The catalog's CSV file.
    pub(crate) catalog: PathBuf,
    /// The mapper's component.
    pub(crate) mapper: PathBuf,
    /// Where the seller has authorised us.
    #[serde(rename = "authorization")]
    pub(crate) authorizations: Vec<AuthorizationConfig>,
    /// How often what is done for this seller, by how it ships and settles.
    #[serde(default)]
    pub(crate) cadence: Option<CadenceConfig>,
    /// How long its streams may bring nothing new before that is a finding.
    #[serde(default)]
    pub(crate) quiet: QuietConfig,
    /// By which rules the seller's mappers come in, where they are its own.
    #[serde(default)]
    pub(crate) mappers: SellerMappersConfig,
    /// The mapper's settings.
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
    /// The books.
    pub(crate) ledger: LedgerSetup,
}

/// How many hours a seller's streams may bring nothing new before a person is told (`stream-quiet` in the review queue): an
/// authorisation may be lost. Nothing is expected of a stream without a figure.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct QuietConfig {
    /// Of orders.
    orders_hours: Option<u32>,
    /// Of transactions.
    transactions_hours: Option<u32>,
    /// Of settlements, which Amazon closes every two weeks.
    groups_hours: Option<u32>,
    /// Of payouts.
    payouts_hours: Option<u32>,
    /// Of settlement reports.
    reports_hours: Option<u32>,
}

impl QuietConfig {
    /// As the worker takes it.
    pub(crate) fn expected(&self) -> Expected {
        let hours = |hours: Option<u32>| hours.map(|hours| SignedDuration::from_hours(i64::from(hours)));
        Expected {
            orders: hours(self.orders_hours),
            transactions: hours(self.transactions_hours),
            groups: hours(self.groups_hours),
            payouts: hours(self.payouts_hours),
            reports: hours(self.reports_hours),
        }
    }
}

/// An authorisation.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthorizationConfig {
    /// Region.
    pub(crate) region: Region,
    /// File with the refresh token; read by `credentials import` only.
    pub(crate) refresh_token_file: PathBuf,
}

pub(crate) fn value(key: impl Into<String>, message: impl Into<String>) -> ConfigError {
    ConfigError::Value { key: key.into(), message: message.into() }
}

impl Config {
    /// A path in the configuration, from its folder.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// A seller's cadences.
    pub(crate) fn cadence(&self, seller: &SellerConfig) -> Cadence {
        seller.cadence.as_ref().unwrap_or(&self.cadence).cadence()
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if !matches!(self.clock, ClockConfig::System) && !self.development {
            return Err(value(
                "clock.mode",
                "a stepped or scaled clock is for development: write development = true, or remove it",
            ));
        }
        if let ClockConfig::Scaled { speed, .. } = self.clock
            && !(1..=100_000).contains(&speed)
        {
            return Err(value("clock.speed", "write 1 to 100000"));
        }
        self.cadence.check("cadence")?;
        self.fusion.options(self.development)?;
        config_api::check(self)?;
        if let Some(tracing) = &self.tracing {
            tracing.traces_url()?;
        }
        if self.audit.checkpoint_minutes == 0 {
            return Err(value("audit.checkpoint_minutes", "write 1 or more"));
        }
        let databases =
            [self.database.is_some(), self.database_url_file.is_some(), self.database_url_variable.is_some()];
        if databases.into_iter().filter(|set| *set).count() != 1 {
            let message = "write exactly one of database, database_url_file and database_url_variable";
            return Err(value("database", message));
        }
        if self.cluster.lease_seconds < 3 {
            return Err(value("cluster.lease_seconds", "write 3 or more"));
        }
        let keys = [
            self.master_key_file.is_some(),
            self.master_key_variable.is_some(),
            self.master_key_credential.is_some(),
        ];
        if keys.into_iter().filter(|set| *set).count() != 1 {
            let message =
                "write exactly one of master_key_file, master_key_variable and master_key_credential";
            return Err(value("master_key_file", message));
        }
        let mut ids: Vec<&SellerId> = self.sellers.iter().map(|seller| &seller.id).collect();
        ids.sort();
        if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(value("seller.id", format!("{} stands twice", twice[0])));
        }
        self.sellers.iter().try_for_each(|seller| self.mappers.check(seller))?;
        self.sellers.iter().try_for_each(SellerConfig::check)
    }
}

impl SellerConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let key = |name: &str| format!("seller {}: {name}", self.id);
        if self.authorizations.is_empty() {
            return Err(value(key("authorization"), "a seller needs at least one [[seller.authorization]]"));
        }
        let mut regions: Vec<Region> = self.authorizations.iter().map(|own| own.region).collect();
        regions.sort();
        if let Some(twice) = regions.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(value(
                key("authorization"),
                format!("{} stands twice: one for each region", twice[0]),
            ));
        }
        if let Some(cadence) = &self.cadence {
            cadence.check(&key("cadence"))?;
        }
        self.ledger.zone().map_err(|error| value(key("ledger.time_zone"), error.to_string()))?;
        for purpose in ["receivable", "settlement"] {
            if !self.ledger.accounts.contains_key(purpose) {
                return Err(value(key("ledger.accounts"), format!("an account for `{purpose}` is needed")));
            }
        }
        if let Some(receipts) = &self.ledger.receipts
            && !self.ledger.accounts.contains_key(&receipts.clearing)
        {
            let message = format!("an account for `{}` is needed by ledger.receipts", receipts.clearing);
            return Err(value(key("ledger.accounts"), message));
        }
        if self.ledger.credit_memo_path == CreditMemoPath::AutoInvoice && self.ledger.auto_invoice.is_none() {
            return Err(value(
                key("ledger.credit_memo_path"),
                "`auto_invoice` needs [seller.ledger.auto_invoice]",
            ));
        }
        for hole in ["{account}", "{cost_center}"] {
            if !self.ledger.combination.template.contains(hole) {
                return Err(value(key("ledger.combination.template"), format!("`{hole}` must occur in it")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cadence_that_the_limits_do_not_allow_is_named() {
        let of = |text: &str| toml::from_str::<CadenceConfig>(text).expect("a cadence").check("cadence");
        assert!(of("").is_ok() && of("orders_minutes = 3\nreports_minutes = 2").is_ok());
        for text in ["orders_minutes = 2", "reports_minutes = 1", "groups_minutes = 0"] {
            let refused = of(text).expect_err(text).to_string();
            let name = text.split(' ').next().expect("a name");
            assert!(refused.starts_with(&format!("CFG-VALUE: cadence.{name}")), "{refused}");
        }
    }
}
