//! `serve`: one worker for each seller, until stopped.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ml_connector_api::{Served, Workers};
use ml_connector_domain::Clock;
use ml_connector_domain::id::ContentHash;
use ml_connector_pipeline::pulse::Pulse;
use ml_connector_pipeline::worker::{Live, Until};
use ml_connector_pipeline::{Parts, Seller, post};
use ml_connector_storage::crash::{self, KillPoint};
use ml_connector_storage::{CatalogChange, Change, MapperChange};
use rand::Rng as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::audit::{Checkpoints, signing_key};
use super::backup::refuse_a_copy;
use super::secrets::configured;
use super::{Outcome, with_causes};
use crate::api::Listening;
use crate::app::{App, AppClock, configured_catalog, entropy};
use crate::cluster::{Cluster, Job};
use crate::config::Config;
use crate::config_fusion::AuthConfig;
use crate::config_load::Source;
use crate::credentials::Kind;
use crate::database::Place;
use crate::reload::Reload;
use crate::sandbox::Sandbox;
use crate::service::{self, StopSignals};
use crate::signature;
use crate::telemetry::{Exporter, Recorder};

/// Runs until stopped, or until a time has come. SIGTERM and Ctrl-C let every worker end its cycle first, within a bound.
pub(crate) async fn serve(
    (config, source): (Config, Source),
    until: Option<Timestamp>,
    kill_at: Option<KillPoint>,
    recorder: Recorder,
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
    let place = Place::of(&config)?;
    let _alone = place.hold_alone()?;
    let app = Arc::new(App::open(config).await?);
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
        store: Arc::clone(&app.store),
        key: signing_key(&*app.store, &credentials, now).await?,
        file: app.config.path(&app.config.audit.checkpoints),
        every: SignedDuration::from_mins(app.config.audit.checkpoint_minutes.into()),
    };
    refuse_a_copy(&*app.store, Some(checkpoints.key.public()), &checkpoints.file).await?;
    keep_what_decides(&app, &sellers, now).await?;
    let sending = CancellationToken::new();
    let mut senders = JoinSet::new();
    if let Some(config) = &app.config.tracing {
        senders.spawn(Exporter::begin(config, &recorder)?.run(sending.clone()));
    }
    let shutdown = CancellationToken::new();
    let mut workers = JoinSet::new();
    let mut jobs = Vec::new();
    let mut told = HashMap::new();
    // Those of a file: what is leased may be another daemon's by the time it would be looked at.
    let mut alone = Vec::new();
    let (pulse, mut served) = (Pulse::default(), Vec::new());
    let count = sellers.len().max(1);
    for (n, ((seller, parts), of)) in sellers.into_iter().zip(&app.config.sellers).enumerate() {
        tracing::info!(seller = %seller.id, mapper = %parts.mapper.identity().digest, "starting");
        let cadence = app.config.cadence(of);
        // Spread over one round of polls, by whole minutes: no burst of all sellers at once, and each keeps its cadence.
        let minutes = usize::try_from(cadence.orders.as_mins()).unwrap_or(0);
        let delay = SignedDuration::from_mins(i64::try_from(n * minutes / count).unwrap_or(0));
        let (catalog, catalog_hash) = (Arc::clone(&seller.catalog), seller.catalog_hash.clone());
        let (sender, live) = watch::channel(Live { cadence, catalog, catalog_hash });
        told.insert(seller.id.clone(), sender);
        if matches!(place, Place::File(_)) {
            alone.push((parts.clone(), seller.clone()));
        }
        served.push(Served {
            tenant: of.tenant.clone(),
            seller: seller.clone(),
            parts: parts.clone(),
            live: live.clone(),
        });
        let (expected, pulse) = (of.quiet.expected(), pulse.clone());
        jobs.push(Job { seller, parts, live, expected, delay, pulse });
    }
    let (expected, is_alone) = match place {
        Place::File(_) => (jobs.len(), true),
        // How many of the sellers are this daemon's is for the leases to say.
        Place::Server(_) => (0, false),
    };
    let workers_of_ours = Workers { pulse: pulse.clone(), expected, alone: is_alone };
    let listening = Listening::begin((&app, &sandbox), served, workers_of_ours).await?;
    // Before anybody sleeps: the clock must not move until the workers have registered.
    let still = app.clock.shared().register();
    let signing = CancellationToken::new();
    let mut unsigned: JoinSet<()> = JoinSet::new();
    unsigned.spawn(checkpoints.run(app.clock.shared(), app.clock.shared().register(), signing.clone()));
    match place {
        Place::File(_) => {
            work_alone(&app, jobs, until, (&mut workers, &shutdown, &signing));
            drop(still);
        }
        Place::Server(_) => {
            let (cluster, shutdown) = (cluster(&app, until, signing.clone()), shutdown.clone());
            workers.spawn(cluster.run(jobs, still, shutdown));
        }
    }
    let reload = Reload::new(source, &app.config, told)?;
    let mut signals = StopSignals::listen();
    service::ready();
    let drained = tokio::select! {
        () = ended(&mut workers) => Ok(Drained::AtRest),
        () = reload.run(&app) => Ok(Drained::AtRest),
        () = service::keep_alive(&pulse, app.clock.shared()) => Ok(Drained::AtRest),
        () = signals.next() => {
            tracing::info!("stopping: workers end their cycle");
            service::stopping();
            shutdown.cancel();
            let bound = Duration::from_secs(app.config.drain_seconds.into());
            drain(&mut workers, &mut signals, (bound, &*app.clock.shared())).await
        }
    };
    let drained = drained?;
    if matches!(drained, Drained::Cut { .. }) {
        forget_nothing(&alone).await;
    }
    if let Some(listening) = listening {
        listening.end().await;
    }
    // Where a worker ended unexpectedly, it has not said so.
    signing.cancel();
    ended(&mut unsigned).await;
    drop(drained);
    // Last: nothing makes a span any more.
    sending.cancel();
    ended(&mut senders).await;
    app.store.close().await;
    Ok(())
}

/// How workers ended that were told to.
enum Drained {
    /// Each at the end of its cycle.
    AtRest,
    /// In the middle of it: it took too long. A stepped clock stands until this is dropped: with no worker left it would run
    /// from checkpoint to checkpoint, through months of which nobody has read anything.
    Cut { _still: Box<dyn Send + Sync> },
}

/// Lets the workers end their cycles, for so long at most.
///
/// # Errors
/// A second signal came: nothing is waited for then.
async fn drain(
    workers: &mut JoinSet<()>,
    signals: &mut StopSignals,
    (bound, clock): (Duration, &dyn Clock),
) -> Result<Drained, Box<dyn std::error::Error>> {
    tokio::select! {
        () = ended(workers) => return Ok(Drained::AtRest),
        () = signals.next() => {
            workers.abort_all();
            return Err("SVC-CUT: a second signal ended the daemon in the middle of a cycle; the next start looks up what \
                        was being sent"
                .into());
        }
        () = service::wait(bound) => {}
    }
    tracing::warn!(
        seconds = bound.as_secs(),
        "workers did not end their cycle in time (drain_seconds): they are cut short"
    );
    let still = clock.register();
    workers.abort_all();
    while workers.join_next().await.is_some() {}
    Ok(Drained::Cut { _still: still })
}

/// Declares what was being sent when workers were cut short as unknown. Where that fails the next start does so.
async fn forget_nothing(alone: &[(Parts, Seller)]) {
    for (parts, seller) in alone {
        match post::recover(parts, seller).await {
            Ok(0) => {}
            Ok(unknown) => {
                tracing::info!(seller = %seller.id, unknown, "what was being sent is looked up at the next start")
            }
            Err(error) => {
                tracing::warn!(seller = %seller.id, error = %with_causes(&error), "the next start does so")
            }
        }
    }
}

/// A worker for each seller: no other daemon has the file.
fn work_alone(
    app: &App,
    jobs: Vec<Job>,
    until: Option<Timestamp>,
    (workers, shutdown, signing): (&mut JoinSet<()>, &CancellationToken, &CancellationToken),
) {
    let left = Arc::new(AtomicUsize::new(jobs.len()));
    // All registered before the first runs: the clock must not move before.
    let registered = |job: Job| {
        let guard = match &app.clock {
            AppClock::Stepped(clock) => Some(clock.worker()),
            AppClock::System(_) | AppClock::Scaled(_) => None,
        };
        (guard, job.worker(Arc::clone(&app.store), job.delay))
    };
    for (guard, worker) in jobs.into_iter().map(registered).collect::<Vec<_>>() {
        let (shutdown, until) = (shutdown.clone(), until.map_or(Until::Stopped, Until::Time));
        let (signing, left) = (signing.clone(), Arc::clone(&left));
        workers.spawn(async move {
            worker.run(until, shutdown).await;
            // Before the guard goes: a stepped clock would move on to the next checkpoint.
            if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                signing.cancel();
            }
            drop(guard);
        });
    }
}

/// This daemon among others over the same database.
fn cluster(app: &App, until: Option<Timestamp>, signing: CancellationToken) -> Cluster {
    let own = &app.config.cluster;
    let machine =
        || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let name = own.name.clone().unwrap_or_else(machine);
    // A daemon that starts again is another one: it must not take its earlier self's leases for its own.
    let name = format!("{name}/{:08x}", entropy().next_u32());
    tracing::info!(%name, "one of the daemons over this database");
    let (store, life) = (Arc::clone(&app.store), Duration::from_secs(own.lease_seconds.into()));
    Cluster { store, name, life, until, signing }
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
