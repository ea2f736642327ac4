//! The API's side that needs the whole daemon: compiling, loading and sealing; and its listeners.

use std::sync::Arc;

use async_trait::async_trait;
use ml_connector_api::figures::COUNTERS;
use ml_connector_api::server::Server;
use ml_connector_api::{Actions, Admitted, Api, Limits, Refusal, Served, Workers};
use ml_connector_domain::audit::{Action, AuditEvent};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{Region, SellerId, Timestamp};
use ml_connector_ports::Account;
use ml_connector_storage::Change;
use rand::Rng as _;
use secrecy::SecretString;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::{App, entropy};
use crate::commands::mapper::{Incoming, Trials, check_and_keep};
use crate::commands::with_causes;
use crate::credentials::Kind;
use crate::sandbox::Sandbox;

type Failure = Box<dyn std::error::Error>;

/// Codes of what is the daemon's own failure, wherever they stand in the words.
const OWN_FAILURES: [&str; 3] = ["STO-", "MAP-CACHE", "MAP-COMPILE-CHILD"];

/// Does what the API asks of the daemon.
struct DaemonActions {
    app: Arc<App>,
    sandbox: Arc<Sandbox>,
}

fn refusal(error: &Failure) -> Refusal {
    let words = with_causes(&**error);
    match OWN_FAILURES.iter().any(|code| words.contains(code)) {
        true => Refusal::Failed(words),
        false => Refusal::Refused(words),
    }
}

impl DaemonActions {
    /// Runs what blocks, and whose errors stay on their thread, on a thread for that: compiling takes seconds, and other
    /// requests go on meanwhile.
    async fn on_a_thread<T, F>(&self, work: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&Trials<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let (app, sandbox) = (Arc::clone(&self.app), Arc::clone(&self.sandbox));
        let runtime = tokio::runtime::Handle::current();
        let done = tokio::task::spawn_blocking(move || {
            let trials = Trials::within(&app, &sandbox);
            runtime.block_on(work(&trials)).map_err(|error| refusal(&error))
        });
        done.await.unwrap_or_else(|error| Err(Refusal::Failed(error.to_string())))
    }
}

#[async_trait]
impl Actions for DaemonActions {
    fn component_bytes_max(&self, seller: &SellerId) -> usize {
        let trials = Trials::within(&self.app, &self.sandbox);
        let most = trials.door(seller).map(|(door, _)| door.component_bytes_max()).unwrap_or_default();
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    async fn admit(
        &self,
        seller: &SellerId,
        component: Vec<u8>,
        signatures: Vec<String>,
        who: &str,
    ) -> Result<Admitted, Refusal> {
        let (seller, who) = (seller.clone(), who.to_owned());
        self.on_a_thread(async move |trials| {
            let incoming = Incoming::new(component, signatures);
            let kept = check_and_keep(trials, &[seller], incoming, &who).await?;
            let fixtures = kept.sellers.first().map_or(0, |(_, fixtures, _)| *fixtures);
            Ok(Admitted { digest: kept.digest, why: kept.why, fixtures })
        })
        .await
    }

    async fn may_map(&self, seller: &SellerId, digest: Option<&ContentHash>) -> Result<(), Refusal> {
        let (seller, digest) = (seller.clone(), digest.cloned());
        self.on_a_thread(async move |trials| trials.may_map_or_configured(&seller, digest.as_ref()).await)
            .await
    }

    async fn seal_refresh_token(
        &self,
        seller: &SellerId,
        region: Region,
        secret: SecretString,
        who: &str,
    ) -> Result<Timestamp, Refusal> {
        let (account, who) = (Account { seller: seller.clone(), region }, who.to_owned());
        self.on_a_thread(async move |trials| {
            let (app, at) = (trials.app(), trials.app().clock.shared().now());
            let detail = format!("amazon-refresh-token/{region} set by {who}");
            let told = AuditEvent {
                at,
                seller: account.seller.clone(),
                subject: account.seller.as_str().to_owned(),
                action: Action::Changed,
                detail,
            };
            // Made anew: the master key may have been rotated since the daemon started.
            let credentials = app.credentials()?;
            let sealed =
                credentials.sealed(&Kind::RefreshToken(account), &secret, at, &mut entropy()).await?;
            app.store.apply(vec![sealed, Change::Audit(told)]).await?;
            Ok(at)
        })
        .await
    }

    fn random(&self, into: &mut [u8]) {
        entropy().fill_bytes(into);
    }
}

/// The listeners that the configuration asks for, bound and served.
pub(crate) struct Listening {
    api: Arc<Api>,
    stop: CancellationToken,
    servers: JoinSet<()>,
}

impl Listening {
    /// Binds what is configured; none where nothing is.
    ///
    /// # Errors
    /// A place is taken, or the files of TLS cannot be used.
    pub(crate) async fn begin(
        (app, sandbox): (&Arc<App>, &Arc<Sandbox>),
        sellers: Vec<Served>,
        workers: Workers,
    ) -> Result<Option<Self>, Failure> {
        let config = &app.config;
        if config.api.is_none() && config.metrics.is_none() {
            return Ok(None);
        }
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let counters = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            return Err("API-METRICS: figures are counted elsewhere already".into());
        }
        for (name, about) in COUNTERS {
            metrics::describe_counter!(*name, *about);
        }
        let limits = config.api.as_ref().map_or_else(Limits::default, |api| api.limits());
        let actions = DaemonActions { app: Arc::clone(app), sandbox: Arc::clone(sandbox) };
        let api = Api::new(
            (Arc::clone(&app.store) as _, app.clock.shared()),
            sellers,
            Arc::new(actions),
            workers,
            Arc::new(move || counters.render()),
            limits,
        );
        let mut own = Self { api, stop: CancellationToken::new(), servers: JoinSet::new() };
        if let Some(settings) = &config.api {
            let (place, tls) = (settings.place(config)?, settings.tls(config)?);
            let router = ml_connector_api::router(&own.api);
            let server = Server::bind(&place, tls.as_ref(), settings.connections_max, router).await?;
            tracing::info!(place = %server.place(), tls = tls.is_some(), "the API listens");
            own.servers.spawn(server.run(own.stop.clone()));
        }
        if let Some(settings) = &config.metrics {
            let router = ml_connector_api::metrics_router(&own.api);
            let server = Server::bind(&settings.place()?, None, METRICS_CONNECTIONS_MAX, router).await?;
            tracing::info!(place = %server.place(), "figures listen");
            own.servers.spawn(server.run(own.stop.clone()));
        }
        Ok(Some(own))
    }

    /// Takes nothing more in, and waits for what is under way.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        while self.servers.join_next().await.is_some() {}
        self.api.finish().await;
    }
}

/// Scrapers of this machine.
const METRICS_CONNECTIONS_MAX: usize = 16;
