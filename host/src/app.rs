//! Makes the parts of a configuration and joins them: the only file that knows every crate.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ml_connector_amazon::{AmazonOptions, OrdersApi, SpApiClient};
use ml_connector_domain::Clock;
use ml_connector_domain::catalog::Catalog;
use ml_connector_domain::id::ContentHash;
use ml_connector_fusion::{FusionClient, FusionOptions};
use ml_connector_mapper::{LoadedMapper, SettingProblem};
use ml_connector_pipeline::catalogs::Catalogs;
use ml_connector_pipeline::versions::Versions;
use ml_connector_pipeline::{Parts, Seller, catalog_file};
use ml_connector_ports::{AmazonSource, Target};
use ml_connector_remote::clock::Advance;
use ml_connector_remote::{HttpClient, HttpOptions, Request, ScaledClock, SteppedClock, SystemClock};
use ml_connector_storage::{CatalogVersion, Store};
use rand::SeedableRng as _;
use rand_chacha::{ChaCha8Rng, ChaCha20Rng};
use secrecy::SecretString;

use crate::config::{ClockConfig, Config, OrdersApiConfig, SellerConfig};
use crate::credentials::{Clients, CredentialStore};
use crate::database::Place;
use crate::keys::KeySource;
use crate::pauses::StoredPauses;
use crate::sandbox::{Door, Sandbox};
use crate::signature;

type Failure = Box<dyn Error>;

/// The daemon's clock.
#[derive(Clone)]
pub(crate) enum AppClock {
    System(SystemClock),
    Stepped(SteppedClock),
    Scaled(ScaledClock),
}

impl AppClock {
    pub(crate) fn shared(&self) -> Arc<dyn Clock> {
        match self {
            Self::System(clock) => Arc::new(*clock),
            Self::Stepped(clock) => Arc::new(clock.clone()),
            Self::Scaled(clock) => Arc::new(*clock),
        }
    }
}

/// What all commands need.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: AppClock,
    pub(crate) http: HttpClient,
}

impl App {
    /// Opens the store and starts the clock.
    ///
    /// # Errors
    /// The store cannot be opened, or the remote's clock not be read.
    pub(crate) async fn open(config: Config) -> Result<Self, Failure> {
        let store = Place::of(&config)?.open().await?;
        let http = http(&config)?;
        let clock = clock(&config, http.clone()).await?;
        Ok(Self { config, store, clock, http })
    }

    /// The credentials, under the master key.
    ///
    /// # Errors
    /// The master key is missing or none.
    pub(crate) fn credentials(&self) -> Result<CredentialStore, Failure> {
        let store: Arc<dyn Store> = Arc::clone(&self.store) as _;
        let issued = self.config.amazon.client_secret_issued;
        let issued = issued.and_then(|day| jiff::tz::TimeZone::UTC.to_timestamp(day.into()).ok());
        let clients = Clients {
            amazon: self.config.amazon.client_id.clone(),
            amazon_secret_issued: issued,
            fusion: self.config.fusion.client_id.clone(),
            fusion_method: self.fusion_options()?.method,
        };
        CredentialStore::new(store, KeySource::of(&self.config)?, clients)
    }

    /// Amazon, as every command and worker of this process reaches it.
    ///
    /// # Errors
    /// There is no master key, or a client cannot be made.
    pub(crate) fn amazon(&self, credentials: &Arc<CredentialStore>) -> Result<SpApiClient, Failure> {
        let amazon = &self.config.amazon;
        let options = AmazonOptions {
            lwa_url: amazon.lwa_url.clone(),
            endpoints: amazon.endpoints.clone(),
            application: amazon.client_id.clone(),
            orders_api: match amazon.orders_api {
                OrdersApiConfig::Current => OrdersApi::Current,
                OrdersApiConfig::V0 => OrdersApi::V0,
            },
            buyer_data: amazon.buyer_data,
        };
        Ok(SpApiClient::new(
            options,
            self.http.clone(),
            Arc::clone(credentials) as _,
            self.clock.shared(),
            Arc::new(StoredPauses(Arc::clone(&self.store) as _)),
            ChaCha8Rng::from_rng(&mut entropy()),
        ))
    }

    /// Where Fusion is and how the daemon signs in there.
    ///
    /// # Errors
    /// None: the configuration was checked when it was read.
    pub(crate) fn fusion_options(&self) -> Result<FusionOptions, Failure> {
        Ok(self.config.fusion.options(self.config.development)?)
    }

    /// Fusion.
    ///
    /// # Errors
    /// As [`App::fusion_options`].
    pub(crate) fn fusion(&self, credentials: &Arc<CredentialStore>) -> Result<FusionClient, Failure> {
        Ok(FusionClient::new(
            self.fusion_options()?,
            self.http.clone(),
            Arc::clone(credentials) as _,
            self.clock.shared(),
            ChaCha8Rng::from_rng(&mut entropy()),
        ))
    }

    /// The sellers, each with its parts.
    ///
    /// # Errors
    /// A catalog has mistakes, a mapper is refused, or a client cannot be made.
    pub(crate) fn sellers(&self) -> Result<Vec<(Seller, Parts)>, Failure> {
        self.sellers_in(&Sandbox::open(&self.config)?)
    }

    /// The sellers, with a sandbox that is there already.
    ///
    /// # Errors
    /// As [`App::sellers`].
    pub(crate) fn sellers_in(&self, sandbox: &Arc<Sandbox>) -> Result<Vec<(Seller, Parts)>, Failure> {
        let credentials = Arc::new(self.credentials()?);
        let clock = self.clock.shared();
        let source: Arc<dyn AmazonSource> = Arc::new(self.amazon(&credentials)?);
        let target: Arc<dyn Target> = Arc::new(self.fusion(&credentials)?);
        let catalogs = Catalogs::default();
        let mut sellers = Vec::new();
        for config in &self.config.sellers {
            let door = Door::of(sandbox, &self.config.mappers, config);
            let mapper = self.configured_mapper(&door, config)?;
            let parts = Parts {
                store: Arc::clone(&self.store) as _,
                source: Arc::clone(&source),
                target: Arc::clone(&target),
                clock: Arc::clone(&clock),
                mapper: Arc::new(mapper),
                versions: Versions::new(Arc::new(door), self.config.mappers.policy()),
                catalogs: catalogs.clone(),
            };
            sellers.push((self.seller(config)?, parts));
        }
        Ok(sellers)
    }

    /// The file that a seller's configuration names, by the way of every mapper.
    ///
    /// # Errors
    /// It cannot be read, is refused, or lacks a setting.
    pub(crate) fn configured_mapper(
        &self,
        door: &Door,
        config: &SellerConfig,
    ) -> Result<LoadedMapper, Failure> {
        let path = self.config.path(&config.mapper);
        let bytes = std::fs::read(&path)
            .map_err(|error| format!("cannot read the mapper {}: {error}", path.display()))?;
        let mapper = door.load(&bytes, &signature::read_beside(&path)?);
        let mapper = mapper.map_err(|error| format!("{}: {error}", path.display()))?;
        for problem in door.settings_problems(&mapper, &[]) {
            match problem {
                // An uploaded version may read it.
                SettingProblem::Unknown { .. } => tracing::warn!(seller = %config.id, "{problem}"),
                _ => return Err(format!("seller {}: {}: {problem}", config.id, path.display()).into()),
            }
        }
        Ok(mapper)
    }

    /// Puts the catalog that was imported, if one was, in the place of the configuration's file.
    ///
    /// # Errors
    /// The store failed, or does not have the version that its pointer names.
    pub(crate) async fn use_active_catalog(&self, seller: &mut Seller) -> Result<(), Failure> {
        if let Some(hash) = self.store.catalog_pointer(&seller.id).await?.active {
            let body = self.store.catalog_body(&hash).await?;
            let body = body.ok_or_else(|| format!("CAT-VERSION: the store does not have catalog {hash}"))?;
            seller.catalog = Arc::new(serde_json::from_str(&body)?);
            seller.catalog_hash = hash;
        }
        Ok(())
    }

    /// A seller as the configuration says.
    ///
    /// # Errors
    /// Its catalog cannot be read or has mistakes, or its zone is none.
    pub(crate) fn seller(&self, config: &SellerConfig) -> Result<Seller, Failure> {
        self.seller_of(&self.config, config)
    }

    /// A seller as another reading of the configuration says.
    ///
    /// # Errors
    /// As [`App::seller`].
    pub(crate) fn seller_of(&self, whole: &Config, config: &SellerConfig) -> Result<Seller, Failure> {
        let path = whole.path(&config.catalog);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("cannot read the catalog {}: {error}", path.display()))?;
        let file = config.catalog.display().to_string();
        let catalog = catalog_file::parse(&file, &text)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        Ok(Seller {
            id: config.id.clone(),
            name: config.name.clone(),
            start_from: config.start_from,
            regions: config.authorizations.iter().map(|authorization| authorization.region).collect(),
            settings: config.settings.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            ledger: config.ledger.clone(),
            zone: config.ledger.zone()?,
            catalog_hash: ContentHash::of(text.as_bytes()),
            catalog: Arc::new(catalog),
        })
    }
}

/// The catalog file of a seller as a version to be kept.
///
/// # Errors
/// It cannot be read, or is not the one any more that the seller was made of.
pub(crate) fn configured_catalog(
    whole: &Config,
    config: &SellerConfig,
    seller: &Seller,
    at: Timestamp,
) -> Result<CatalogVersion, Failure> {
    let bytes = std::fs::read(whole.path(&config.catalog))?;
    if ContentHash::of(&bytes) != seller.catalog_hash {
        let file = config.catalog.display();
        return Err(format!("CAT-REPLACED: {file} was replaced while it was read: try again").into());
    }
    Ok(CatalogVersion {
        seller: seller.id.clone(),
        hash: seller.catalog_hash.clone(),
        file: config.catalog.display().to_string(),
        bytes,
        catalog: Catalog::clone(&seller.catalog),
        why: "named by the configuration".to_owned(),
        at,
    })
}

/// A file that holds a secret.
///
/// # Errors
/// It cannot be read, or is empty.
pub(crate) fn read_secret(path: &Path) -> Result<SecretString, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("CRD-FILE: cannot read the secret file {}: {error}", path.display()))?;
    match text.trim() {
        "" => Err(format!("CRD-FILE: the secret file {} is empty", path.display()).into()),
        text => Ok(text.to_owned().into()),
    }
}

/// A generator seeded by the machine.
pub(crate) fn entropy() -> ChaCha20Rng {
    ChaCha20Rng::try_from_rng(&mut rand::rngs::SysRng).expect("the machine has randomness")
}

fn http(config: &Config) -> Result<HttpClient, Failure> {
    http_client(config.exchanges_max, config.development)
}

/// A client with so many exchanges at once, perhaps also for plain HTTP to this machine.
///
/// # Errors
/// The machine has no certificates.
pub(crate) fn http_client(exchanges_max: usize, loopback_http: bool) -> Result<HttpClient, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    Ok(HttpClient::new(HttpOptions {
        user_agent: format!("ml-connector/{version} (Language=Rust; Platform={})", std::env::consts::OS),
        connect_timeout: Duration::from_secs(10),
        // importBulkData of a large file takes its time.
        timeout: Duration::from_secs(120),
        // Amazon's pages have at most 10 MB.
        body_bytes_max: 16 << 20,
        exchanges_max,
        loopback_http,
    })?)
}

/// The clock of a configuration, for what opens no store.
///
/// # Errors
/// The remote's clock cannot be read.
pub(crate) async fn clock_of(config: &Config) -> Result<AppClock, Failure> {
    clock(config, http(config)?).await
}

async fn clock(config: &Config, http: HttpClient) -> Result<AppClock, Failure> {
    let (advance_url, pace_ms) = match &config.clock {
        ClockConfig::System => return Ok(AppClock::System(SystemClock)),
        ClockConfig::Scaled { origin, started, speed } => {
            let (origin, started, speed) = (*origin, *started, *speed);
            return Ok(AppClock::Scaled(ScaledClock { origin, started, speed }));
        }
        ClockConfig::Stepped { advance_url, pace_ms } => (advance_url, pace_ms),
    };
    let answer = http.send(Request::get(advance_url)).await?;
    let now = serde_json::from_slice::<RemoteClock>(&answer.body)?.now;
    let url = advance_url.clone();
    let pace = SignedDuration::from_millis(i64::try_from(*pace_ms).unwrap_or(i64::MAX));
    let advance: Advance = Arc::new(move |to: Timestamp| {
        let (http, url) = (http.clone(), url.clone());
        Box::pin(async move {
            let paced = SystemClock.now().saturating_add(pace).unwrap_or(Timestamp::MAX);
            SystemClock.sleep_until(paced).await;
            let body = RemoteClock { now: to };
            if let Err(error) = http.send(Request::put(url).json(&body, "application/json")).await {
                tracing::error!(%error, "the remote's clock cannot be moved");
            }
        })
    });
    Ok(AppClock::Stepped(SteppedClock::new(now, Some(advance))))
}

#[derive(serde::Serialize, serde::Deserialize)]
struct RemoteClock {
    now: Timestamp,
}
