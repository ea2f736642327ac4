//! `serve`: one worker for each seller, until stopped.

use jiff::Timestamp;
use ml_connector_pipeline::worker::{Until, Worker};
use ml_connector_storage::{Change, Store as _};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::secrets::configured;
use super::{Outcome, with_causes};
use crate::app::{App, AppClock};
use crate::config::Config;

/// Runs until stopped, or until a time has come. SIGTERM and Ctrl-C let every worker end its cycle first.
pub(crate) async fn serve(config: Config, until: Option<Timestamp>) -> Outcome {
    let app = App::open(config).await?;
    // Better not to start than to find out in the night that a credential does not open.
    let needed: Vec<_> = configured(&app.config).into_iter().map(|(kind, _)| kind).collect();
    app.credentials()?.check(&needed).await?;
    let sellers = app.sellers()?;
    let now = app.clock.shared().now();
    let catalogs = sellers.iter().map(|(seller, _)| Change::Catalog {
        seller: seller.id.clone(),
        hash: seller.catalog_hash.clone(),
        catalog: seller.catalog.clone(),
        at: now,
    });
    app.store.apply(catalogs.collect()).await?;
    let shutdown = CancellationToken::new();
    let mut workers = JoinSet::new();
    // Held until all workers have registered: the clock must not move before.
    let mut guards = Vec::new();
    for ((seller, parts), of) in sellers.into_iter().zip(&app.config.sellers) {
        tracing::info!(seller = %seller.id, mapper = %parts.mapper.identity().digest, "starting");
        let guard = match &app.clock {
            AppClock::Stepped(clock) => Some(clock.worker()),
            AppClock::System(_) => None,
        };
        guards.push((guard, Worker::new(parts, seller, app.config.cadence(of))));
    }
    for (guard, worker) in guards {
        let (shutdown, until) = (shutdown.clone(), until.map_or(Until::Stopped, Until::Time));
        workers.spawn(async move {
            worker.run(until, shutdown).await;
            drop(guard);
        });
    }
    tokio::select! {
        () = ended(&mut workers) => {}
        () = asked_to_stop() => {
            tracing::info!("stopping: workers end their cycle");
            shutdown.cancel();
            ended(&mut workers).await;
        }
    }
    app.store.close().await;
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
