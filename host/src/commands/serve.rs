//! `serve`: one worker for each seller, until stopped.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use ml_connector_api::{Served, Workers};
use ml_connector_domain::id::ContentHash;
use ml_connector_pipeline::pulse::Pulse;
use ml_connector_pipeline::worker::{Live, Until, Worker};
use ml_connector_pipeline::{Parts, Seller};
use ml_connector_storage::crash::{self, KillPoint};
use ml_connector_storage::{CatalogChange, CatalogVersions as _, Change, MapperChange, Store as _};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::audit::{Checkpoints, signing_key};
use super::secrets::configured;
use super::{Outcome, with_causes};
use crate::api::Listening;
use crate::app::{App, AppClock, configured_catalog};
use crate::config::Config;
use crate::config_fusion::AuthConfig;
use crate::config_load::Source;
use crate::credentials::Kind;
use crate::reload::Reload;
use crate::sandbox::Sandbox;
use crate::signature;

/// Runs until stopped, or until a time has come. SIGTERM and Ctrl-C let every worker end its cycle first.
pub(crate) async fn serve(
    config: Config,
    source: Source,
    until: Option<Timestamp>,
    kill_at: Option<KillPoint>,
) -> Outcome {
    match kill_at {
        Some(_) if !config.development => {
            return Err(
                "CFG-VALUE: --kill-at is for development: write development = true, or leave it out".into()
            );
        }
        Some(point) => crash::arm(point),
        None => {}
    }
    let app = std::sync::Arc::new(App::open(config).await?);
    // Better not to start than to find out in the night that a credential does not open.
    let mut needed: Vec<_> = configured(&app.config).into_iter().map(|(kind, _)| kind).collect();
    if matches!(app.config.fusion.auth, AuthConfig::AuthorizationCode { .. }) {
        needed.push(Kind::FusionRefreshToken);
    }
    let credentials = app.credentials()?;
    credentials.check(&needed).await?;
    let sandbox = Sandbox::open(&app.config)?;
    let sellers = app.sellers_in(&sandbox)?;
    let now = app.clock.shared().now();
    let checkpoints = Checkpoints {
        store: std::sync::Arc::clone(&app.store),
        key: signing_key(&*app.store, &credentials, now).await?,
        file: app.config.path(&app.config.audit.checkpoints),
        every: SignedDuration::from_mins(app.config.audit.checkpoint_minutes.into()),
    };
    checkpoints.compare_with_file().await?;
    keep_what_decides(&app, &sellers, now).await?;
    let shutdown = CancellationToken::new();
    let mut workers = JoinSet::new();
    // Held until all workers have registered: the clock must not move before.
    let mut guards = Vec::new();
    let mut told = HashMap::new();
    let (pulse, mut served) = (Pulse::default(), Vec::new());
    let count = sellers.len().max(1);
    for (n, ((seller, parts), of)) in sellers.into_iter().zip(&app.config.sellers).enumerate() {
        tracing::info!(seller = %seller.id, mapper = %parts.mapper.identity().digest, "starting");
        let guard = match &app.clock {
            AppClock::Stepped(clock) => Some(clock.worker()),
            AppClock::System(_) => None,
        };
        let cadence = app.config.cadence(of);
        // Spread over one round of polls, by whole minutes: no burst of all sellers at once, and each keeps its cadence.
        let minutes = usize::try_from(cadence.orders.as_mins()).unwrap_or(0);
        let delay = SignedDuration::from_mins(i64::try_from(n * minutes / count).unwrap_or(0));
        let (catalog, catalog_hash) = (std::sync::Arc::clone(&seller.catalog), seller.catalog_hash.clone());
        let (sender, live) = watch::channel(Live { cadence, catalog, catalog_hash });
        told.insert(seller.id.clone(), sender);
        served.push(Served {
            tenant: of.tenant.clone(),
            seller: seller.clone(),
            parts: parts.clone(),
            live: live.clone(),
        });
        let worker = Worker::new(parts, seller, cadence).told_by(live).expecting(of.quiet.expected());
        let worker = worker.watched_by(pulse.clone());
        guards.push((guard, worker.starting_after(delay)));
    }
    let expected = guards.len();
    let listening = Listening::begin((&app, &sandbox), served, Workers { pulse, expected }).await?;
    let signing = CancellationToken::new();
    let mut unsigned: JoinSet<()> = JoinSet::new();
    unsigned.spawn(checkpoints.run(app.clock.shared(), app.clock.shared().register(), signing.clone()));
    let left = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(guards.len()));
    for (guard, worker) in guards {
        let (shutdown, until) = (shutdown.clone(), until.map_or(Until::Stopped, Until::Time));
        let (signing, left) = (signing.clone(), std::sync::Arc::clone(&left));
        workers.spawn(async move {
            worker.run(until, shutdown).await;
            // Before the guard goes: a stepped clock would move on to the next checkpoint.
            if left.fetch_sub(1, std::sync::atomic::Ordering::AcqRel) == 1 {
                signing.cancel();
            }
            drop(guard);
        });
    }
    let reload = Reload::new(source, &app.config, told)?;
    tokio::select! {
        () = ended(&mut workers) => {}
        () = reload.run(&app) => {}
        () = asked_to_stop() => {
            tracing::info!("stopping: workers end their cycle");
            shutdown.cancel();
            ended(&mut workers).await;
        }
    }
    if let Some(listening) = listening {
        listening.end().await;
    }
    // Where a worker ended unexpectedly, it has not said so.
    signing.cancel();
    ended(&mut unsigned).await;
    app.store.close().await;
    Ok(())
}

/// Keeps the files that the configuration names: a document can be made again only with the bytes that made it, and a
/// file may be replaced tomorrow.
async fn keep_what_decides(app: &App, sellers: &[(Seller, Parts)], now: Timestamp) -> Outcome {
    for (of, (seller, parts)) in app.config.sellers.iter().zip(sellers) {
        let bytes = std::fs::read(app.config.path(&of.mapper))?;
        if ContentHash::of(&bytes) != parts.mapper.identity().digest {
            let file = of.mapper.display();
            return Err(format!("{file} was replaced while the daemon started: start it again").into());
        }
        let signatures = signature::read_beside(&app.config.path(&of.mapper))?;
        let kept = super::mapper::component(parts.mapper.identity(), bytes, (None, signatures), now);
        let version = configured_catalog(&app.config, of, seller, now)?;
        app.store
            .apply(vec![
                Change::Mapper(MapperChange::Component(Box::new(kept))),
                Change::Catalog(CatalogChange::Keep(Box::new(version))),
            ])
            .await?;
        let active = app.store.catalog_pointer(&seller.id).await?.active;
        if let Some(active) = active.filter(|active| *active != seller.catalog_hash) {
            let file = of.catalog.display();
            tracing::warn!(seller = %seller.id, %active, %file, "an imported catalog decides, not the configuration's");
        }
    }
    Ok(())
}

async fn ended(workers: &mut JoinSet<()>) {
    while let Some(result) = workers.join_next().await {
        if let Err(error) = result {
            tracing::error!(error = %with_causes(&error), "a worker ended unexpectedly");
        }
    }
}

async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(error) => {
            tracing::warn!(%error, "cannot listen for SIGTERM");
            let _interrupted = tokio::signal::ctrl_c().await;
        }
    }
}
