//! What the daemon is made of: catalogs, mappers, credentials, and the two remotes.

use std::sync::Arc;

use jiff::SignedDuration;
use ml_connector_amazon::SpApiClient;
use ml_connector_domain::mapping::BatchContext;
use ml_connector_domain::reach;
use ml_connector_fusion::FusionClient;
use ml_connector_fusion::check::{Level as CheckLevel, Wanted};
use ml_connector_mapper::{LoadedMapper, SettingProblem};
use ml_connector_pipeline::catalog_file;
use ml_connector_ports::{Account, AmazonSource as _};
use ml_connector_remote::Request;

use super::super::mapper::own_fixtures;
use super::super::secrets::configured;
use super::Finding;
use crate::app::App;
use crate::config::{Config, SellerConfig};
use crate::config_fusion::AuthConfig;
use crate::credentials::{CredentialStore, Kind};
use crate::sandbox::{Door, Sandbox};
use crate::signature;

/// A token's assertion lives for minutes, and Amazon refuses windows that end within the last two: more than this is too much.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(30);

type Failure = Box<dyn std::error::Error>;

/// The sellers' catalog files.
pub(super) fn catalogs(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for seller in &config.sellers {
        let (about, file) =
            (format!("{}, {}", seller.id, seller.catalog.display()), seller.catalog.display().to_string());
        let read = std::fs::read_to_string(config.path(&seller.catalog)).map_err(|error| error.to_string());
        let parsed = read.and_then(|text| {
            catalog_file::parse(&file, &text).map_err(|errors| {
                errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n        ")
            })
        });
        findings.push(match parsed {
            Ok(catalog) if catalog.rules.is_empty() => {
                let remedy = "name accounts by SKU or product type: every order would wait for a person";
                Finding::warning("DOC-CATALOG", about, "it has no rules", remedy)
            }
            Ok(catalog) => Finding::right("DOC-CATALOG", about, format!("{} rules", catalog.rules.len())),
            Err(words) => Finding::fault(
                "DOC-CATALOG",
                about,
                words,
                "mend the lines that it names; `catalog lint` checks it alone",
            ),
        });
    }
    findings
}

/// The sandbox stops a guest that spins, and loads each seller's mapper.
pub(super) fn mappers(config: &Config) -> Vec<Finding> {
    let sandbox = match Sandbox::open(config) {
        Ok(sandbox) => sandbox,
        Err(error) => {
            let remedy = "nothing is mapped before this works; see host/docs/running.md";
            return vec![Finding::fault("DOC-SANDBOX", "sandbox", error.to_string(), remedy)];
        }
    };
    let mut findings = vec![Finding::right("DOC-SANDBOX", "sandbox", "starts, and stops a guest that spins")];
    for seller in &config.sellers {
        let about = format!("{}, {}", seller.id, seller.mapper.display());
        let door = Door::of(&sandbox, &config.mappers, seller);
        let path = config.path(&seller.mapper);
        let loaded = std::fs::read(&path)
            .map_err(|error| error.to_string())
            .and_then(|bytes| Ok((bytes, signature::read_beside(&path).map_err(|error| error.to_string())?)))
            .and_then(|(bytes, signatures)| {
                let mapper = door.load(&bytes, &signatures)?;
                let problems = door.settings_problems(&mapper, &[]);
                let hindrance =
                    problems.into_iter().find(|one| !matches!(one, SettingProblem::Unknown { .. }));
                hindrance.map_or(Ok(()), |problem| Err(problem.to_string()))?;
                maps_fixtures(&mapper, seller)
            });
        findings.push(match loaded {
            Ok(seen) => Finding::right("DOC-MAPPER", about, seen),
            Err(words) => Finding::fault(
                "DOC-MAPPER",
                about,
                words,
                "name a component that `mapper test` passes, in `mapper`",
            ),
        });
    }
    findings
}

/// Has a mapper map the host's own fixtures, each twice.
fn maps_fixtures(mapper: &LoadedMapper, seller: &SellerConfig) -> Result<String, String> {
    let context = BatchContext {
        seller: seller.id.clone(),
        settings: seller.settings.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        ledger: seller.ledger.clone(),
        catalog: Vec::new(),
    };
    let fixtures = own_fixtures(context).map_err(|error| error.to_string())?;
    for fixture in &fixtures {
        mapper.replay(fixture).map_err(|fault| format!("{}: {fault}", fixture.name))?;
    }
    let about = mapper.description();
    Ok(format!("{} {} maps {} fixtures, twice the same", about.name, about.version, fixtures.len()))
}

/// An open database and what asks the remotes by its credentials.
pub(super) struct Open {
    app: App,
    credentials: Arc<CredentialStore>,
    amazon: SpApiClient,
    fusion: FusionClient,
}

impl Open {
    pub(super) async fn of(config: Config) -> Result<Self, Failure> {
        let app = App::open(config).await?;
        let credentials = Arc::new(app.credentials()?);
        let (amazon, fusion) = (app.amazon(&credentials)?, app.fusion(&credentials)?);
        Ok(Self { app, credentials, amazon, fusion })
    }

    pub(super) async fn close(self) {
        self.app.store.close().await;
    }

    /// Each opens under the master key.
    pub(super) async fn credentials(&self) -> Vec<Finding> {
        let config = &self.app.config;
        let mut needed: Vec<Kind> = configured(config).into_iter().map(|(kind, _)| kind).collect();
        if matches!(config.fusion.auth, AuthConfig::AuthorizationCode { .. }) {
            needed.push(Kind::FusionRefreshToken);
        }
        let mut wrong = Vec::new();
        for kind in &needed {
            if let Err(error) = self.credentials.get(kind).await {
                let remedy =
                    "run `credentials import`, with the secret in the file that the configuration names";
                wrong.push(Finding::fault("DOC-CREDENTIALS", "credentials", error.to_string(), remedy));
            }
        }
        if wrong.is_empty() {
            wrong.push(Finding::right(
                "DOC-CREDENTIALS",
                "credentials",
                format!("all {} open", needed.len()),
            ));
        }
        wrong
    }

    /// Each seller's authorisation gets a token and an answer.
    pub(super) async fn amazon(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for seller in &self.app.config.sellers {
            for authorization in &seller.authorizations {
                let about = format!("{} in {}", seller.id, authorization.region);
                let account = Account { seller: seller.id.clone(), region: authorization.region };
                findings.push(match self.amazon.participations(&account).await {
                    Ok(places) => {
                        let here = places.iter().filter(|place| place.participating).count();
                        Finding::right("DOC-AMAZON", about, format!("answers; takes part in {here} marketplaces"))
                    }
                    Err(error) => Finding::fault(
                        "DOC-AMAZON",
                        about,
                        error.to_string(),
                        "see the code in host/docs/amazon.md; an authorisation that is gone is renewed with `authorize url`",
                    ),
                });
            }
        }
        findings
    }

    /// Each seller's set-up in Fusion.
    pub(super) async fn fusion(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for config in &self.app.config.sellers {
            let about = config.id.to_string();
            // A catalog with mistakes is told of already.
            let Ok(mut seller) = self.app.seller(config) else { continue };
            if self.app.use_active_catalog(&mut seller).await.is_err() {
                continue;
            }
            let combinations = reach::combinations(&seller.ledger, &seller.catalog);
            let today = seller.day(self.app.clock.shared().now());
            let report = self
                .fusion
                .check(&Wanted { setup: &seller.ledger, combinations: &combinations, today })
                .await;
            let mut missing: Vec<String> = report
                .missing
                .iter()
                .filter(|one| one.level == CheckLevel::Missing)
                .map(|one| format!("{}: {}: {}", one.code, one.message, one.remedy))
                .collect();
            missing.extend(report.unreadable.iter().map(|one| format!("{} cannot be read", one.what)));
            findings.push(if report.is_ready() {
                Finding::right("DOC-FUSION", about, format!("{} names as configured", report.right.len()))
            } else {
                let remedy = "`fusion check` says all of it; host/docs/fusion.md tells where each is set";
                Finding::fault("DOC-FUSION", about, missing.join("\n        "), remedy)
            });
        }
        findings
    }

    /// The remotes' clocks beside ours, by the time that their answers bear.
    pub(super) async fn clocks(&self) -> Vec<Finding> {
        let config = &self.app.config;
        let mut asked = vec![("Login with Amazon", config.amazon.lwa_url.clone())];
        if let Ok(options) = self.app.fusion_options() {
            asked.push(("Fusion", options.base_url));
        }
        let mut findings = Vec::new();
        for (about, url) in asked {
            // Whatever it answers to this, it bears a time.
            let answer = self.app.http.send(Request::get(url)).await;
            let Some(theirs) = answer.ok().and_then(|answer| answer.date()) else {
                let remedy =
                    "see what is said of this remote above; without an answer the clocks cannot be compared";
                findings.push(Finding::warning("DOC-CLOCK", about, "it gave no time", remedy));
                continue;
            };
            let off = self.app.clock.shared().now().duration_since(theirs);
            findings.push(if off.abs() > SKEW_MAX {
                Finding::fault(
                    "DOC-CLOCK",
                    about,
                    format!("this machine's clock is {} s off", off.as_secs()),
                    "have the machine's time kept by NTP (`timedatectl set-ntp true`): polls and tokens depend on it",
                )
            } else {
                Finding::right("DOC-CLOCK", about, "within half a minute of this machine's")
            });
        }
        findings
    }
}
