//! Both remotes, simulated: Amazon's Selling Partner API and Oracle Fusion, with one clock that is set from outside.
//!
//! It is written from what the remotes do, shares no code with the connector, and is as strict as they are: an
//! independent witness. [`truth`] says what a seller's books should hold, computed from the scenario alone.
//!
//! # To add an endpoint
//!
//! 1. Add a file in [`amazon`] or [`fusion`] that checks every parameter and attribute as the remote does; what the
//!    remote would refuse is refused and noted in the request journal. In [`fusion`] what is read is a `Resource`: it
//!    brings children, `q`, paging, privileges and faults along.
//! 2. Route to it in the `mod.rs` there.
//! 3. If it changes what the books should hold, teach [`truth`].
//!
//! **Invariant:** everything follows from the options: the same options give the same world, and each purpose draws
//! from a generator of its own, so that a new draw leaves old seeds valid.

pub mod amazon;
pub mod clock;
pub mod control;
pub mod fusion;
pub mod http;
pub mod journal;
pub mod scenario;
#[cfg(test)]
mod strictness;
pub mod truth;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::clock::SimulatedClock;
use crate::http::Reply;
use crate::scenario::{Region, Scenario, ScenarioOptions};

/// All that the servers share.
pub struct World {
    /// What happens at Amazon, decided from the start.
    pub scenario: Scenario,
    /// The time.
    pub clock: SimulatedClock,
    /// Amazon's changing state: tokens and buckets.
    pub amazon: Mutex<amazon::AmazonState>,
    /// Fusion's changing state: what has been posted.
    pub fusion: Mutex<fusion::FusionState>,
    /// What was asked, and what was malformed.
    pub journal: journal::RequestJournal,
    /// What goes wrong on purpose.
    pub faults: control::Faults,
}

/// Locks, whether or not another holder panicked: the state is plain data.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the servers listen; printed as one line when they are ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Urls {
    /// Clock, scenario, truth, faults.
    pub control: String,
    /// Login with Amazon.
    pub lwa: String,
    /// The Selling Partner API, by region.
    pub amazon: AmazonUrls,
    /// Fusion's identity domain.
    pub identity: String,
    /// Fusion.
    pub fusion: String,
}

/// The Selling Partner API's regional endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AmazonUrls {
    /// North America.
    pub na: String,
    /// Europe.
    pub eu: String,
    /// The Far East.
    pub fe: String,
}

/// Servers that run until this is dropped.
pub struct Running {
    /// Where they listen.
    pub urls: Urls,
    /// What they share.
    pub world: Arc<World>,
    servers: JoinSet<()>,
}

impl Running {
    /// Serves until the servers end, which they do not by themselves.
    pub async fn wait(mut self) {
        while self.servers.join_next().await.is_some() {}
    }
}

/// Makes a world and serves it on free ports of this machine.
///
/// # Errors
/// A port cannot be opened.
pub async fn start(options: ScenarioOptions) -> std::io::Result<Running> {
    let scenario = Scenario::generate(options);
    let world = Arc::new(World {
        clock: SimulatedClock::new(scenario.start),
        amazon: Mutex::default(),
        fusion: Mutex::new(fusion::FusionState::new(&scenario)),
        journal: journal::RequestJournal::default(),
        faults: control::Faults::new(scenario.options.seed),
        scenario,
    });
    let mut servers = JoinSet::new();
    let mut serve = async |name: Server| -> std::io::Result<String> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = router(name, Arc::clone(&world));
        servers.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "a server ended");
            }
        });
        Ok(url)
    };
    let urls = Urls {
        control: serve(Server::Control).await?,
        lwa: serve(Server::Lwa).await?,
        amazon: AmazonUrls {
            na: serve(Server::Amazon(Region::Na)).await?,
            eu: serve(Server::Amazon(Region::Eu)).await?,
            fe: serve(Server::Amazon(Region::Fe)).await?,
        },
        identity: serve(Server::Identity).await?,
        fusion: serve(Server::Fusion).await?,
    };
    Ok(Running { urls, world, servers })
}

/// Serves one of the remotes on one port of this machine, with a clock that runs from `from`.
async fn start_alone(
    scenario: Scenario,
    server: Server,
    port: u16,
    (from, speed): (jiff::Timestamp, u32),
) -> std::io::Result<(Running, String)> {
    let world = Arc::new(World {
        clock: SimulatedClock::new(from),
        amazon: Mutex::default(),
        fusion: Mutex::new(fusion::FusionState::new(&scenario)),
        journal: journal::RequestJournal::default(),
        faults: control::Faults::new(scenario.options.seed),
        scenario,
    });
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = router(server, Arc::clone(&world));
    let mut servers = JoinSet::new();
    servers.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "a server ended");
        }
    });
    servers.spawn(clock::run(Arc::clone(&world), speed));
    let addresses = AmazonUrls { na: url.clone(), eu: url.clone(), fe: url.clone() };
    let urls = Urls {
        control: url.clone(),
        lwa: url.clone(),
        amazon: addresses,
        identity: url.clone(),
        fusion: url.clone(),
    };
    Ok((Running { urls, world, servers }, url))
}

/// Makes a world in which everything has happened, and serves its Amazon on one port of this machine, Login with
/// Amazon included; says where, and what an independent client needs to know.
///
/// # Errors
/// The port cannot be opened.
pub async fn start_amazon(
    options: ScenarioOptions,
    port: u16,
    speed: u32,
) -> std::io::Result<(Running, serde_json::Value)> {
    let scenario = Scenario::generate(options);
    let (end, known) = (scenario.end, scenario.for_the_operator());
    let (running, url) = start_alone(scenario, Server::AmazonAlone, port, (end, speed)).await?;
    let sellers = known["sellers"].as_array().into_iter().flatten();
    let sellers: Vec<_> = sellers
        .map(|seller| serde_json::json!({ "id": seller["id"], "authorizations": seller["authorizations"] }))
        .collect();
    let ready = serde_json::json!({
        "amazon": url, "token": format!("{url}/auth/o2/token"), "from": known["start"], "now": known["end"],
        "client_id": known["application"]["client_id"], "client_secret": known["application"]["client_secret"],
        "sellers": sellers,
    });
    Ok((running, ready))
}

/// Serves Fusion on one port of this machine, its identity domain and the control port's Fusion part included, with a
/// clock that runs from `from`; says where, and what an independent client needs to know.
///
/// # Errors
/// The port cannot be opened.
pub async fn start_fusion(
    options: ScenarioOptions,
    port: u16,
    from: jiff::Timestamp,
    speed: u32,
) -> std::io::Result<(Running, serde_json::Value)> {
    let scenario = Scenario::generate(options);
    let mut ready = scenario.for_a_fusion_client(from);
    let (running, url) = start_alone(scenario, Server::FusionAlone, port, (from, speed)).await?;
    ready["fusion"] = serde_json::json!(url);
    ready["identity"] = serde_json::json!(url);
    ready["token"] = serde_json::json!(format!("{url}/oauth2/v1/token"));
    ready["resources"] = serde_json::json!(format!("{url}/fscmRestApi/resources/11.13.18.05"));
    ready["control"] = serde_json::json!(format!("{url}/control/fusion"));
    Ok((running, ready))
}

#[derive(Debug, Clone, Copy)]
enum Server {
    /// All of Amazon: the region is that of the token.
    AmazonAlone,
    /// Fusion with its identity domain.
    FusionAlone,
    Control,
    Lwa,
    Amazon(Region),
    Identity,
    Fusion,
}

/// One handler for a whole server: an unknown path is part of what the remotes answer.
fn router(server: Server, world: Arc<World>) -> Router {
    let body_limit = axum::extract::DefaultBodyLimit::max(64 << 20);
    Router::new()
        .fallback(move |request: http::Incoming| {
            let world = Arc::clone(&world);
            async move {
                let reply = match server {
                    Server::AmazonAlone if request.path == "/auth/o2/token" => {
                        amazon::lwa::handle(&world, &request)
                    }
                    Server::AmazonAlone => {
                        let region = amazon::region_of(&world, &request);
                        amazon::handle(&world, region, &request)
                    }
                    Server::FusionAlone if request.path.starts_with("/oauth2/") => {
                        fusion::identity::handle(&world, &request)
                    }
                    Server::FusionAlone if request.path.starts_with("/control/") => {
                        control::handle(&world, &request)
                    }
                    Server::FusionAlone => fusion::handle(&world, &request),
                    Server::Control => control::handle(&world, &request),
                    Server::Lwa => amazon::lwa::handle(&world, &request),
                    Server::Amazon(region) => amazon::handle(&world, region, &request),
                    Server::Identity => fusion::identity::handle(&world, &request),
                    Server::Fusion => fusion::handle(&world, &request),
                };
                let ahead = match server {
                    Server::AmazonAlone | Server::Lwa | Server::Amazon(_) => amazon::clock(&world),
                    _ => world.clock.now(),
                };
                // What answers bears the time of its own clock (RFC 9110, section 6.6.1).
                Reply::into_response(reply.with("date", clock::http_date(ahead)))
            }
        })
        .layer(body_limit)
}
