//! The control port: the clock, the scenario as an operator would know it, the truth, and faults.

use std::sync::Mutex;

use axum::http::Method;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::json;

use crate::clock::text;
use crate::http::{Incoming, Reply};
use crate::{World, amazon, fusion, locked, truth};

/// What goes wrong on purpose, as shares from 0 to 1.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultRates {
    /// Amazon's.
    pub amazon: AmazonFaults,
    /// Fusion's.
    pub fusion: FusionFaults,
}

/// Amazon's faults.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AmazonFaults {
    /// 429 without a rate header.
    pub throttle: f64,
    /// 500 before anything was done.
    pub server_error: f64,
    /// 400 with a page instead of JSON, as the edge answers what it takes for malformed.
    pub html_error: f64,
    /// The connection is cut without an answer.
    pub cut: f64,
    /// The body comes this many milliseconds of the machine's clock after the headers.
    pub slow_body_ms: u64,
    /// searchOrders refuses this data set.
    pub refuse_data_set: Option<String>,
    /// This transaction, one without items, is a hundredth more than it was when its settlement closed.
    pub amend: Option<String>,
    /// This transaction, one without items, is a hundredth less than it was.
    pub amend_back: Option<String>,
    /// Beside this transaction, one without items, two more show up in its settlement: its like (`<id>L`), and what
    /// takes that back (`<id>R`).
    pub late_pair: Option<String>,
    /// The limit of a page of Finances v0 in bytes, in place of 10 MB.
    pub page_bytes: Option<usize>,
    /// How far Amazon's clock is ahead of everybody's, in milliseconds.
    pub clock_ahead_ms: i64,
    /// All of this ends by itself at this time.
    pub until: Option<jiff::Timestamp>,
}

/// Fusion's faults, as shares of the requests that write (POST, PATCH, DELETE) unless said otherwise.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FusionFaults {
    /// Committed, then the connection is cut.
    pub answer_lost: f64,
    /// Committed, then 500.
    pub server_error_after_commit: f64,
    /// 503, nothing done.
    pub error_before_commit: f64,
    /// 500, nothing done.
    pub server_error_before_commit: f64,
    /// The connection is cut, nothing done.
    pub reset_before_commit: f64,
    /// 429 with Retry-After, nothing done.
    pub throttle: f64,
    /// 429 without Retry-After, nothing done.
    pub throttle_bare: f64,
    /// 401 though the credentials are good, of all requests.
    pub unauthorized: f64,
    /// 503, of requests that read.
    pub read_error: f64,
    /// Share of the jobs that take longer.
    pub import_slow: f64,
    /// How long those take, in milliseconds of the simulated clock.
    pub import_slow_ms: u64,
    /// All of this ends by itself at this time.
    pub until: Option<jiff::Timestamp>,
}

/// The rates in force and the generator that draws by them.
#[derive(Debug)]
pub struct Faults {
    inner: Mutex<(FaultRates, ChaCha8Rng)>,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(99);
        Self { inner: Mutex::new((FaultRates::default(), rng)) }
    }

    /// Sets the rates.
    pub fn set(&self, rates: FaultRates) {
        locked(&self.inner).0 = rates;
    }

    /// Amazon's faults as they are at `now`.
    pub(crate) fn amazon(&self, now: i64) -> AmazonFaults {
        let mut inner = locked(&self.inner);
        if inner.0.amazon.until.is_some_and(|until| until.as_millisecond() <= now) {
            inner.0.amazon = AmazonFaults::default();
        }
        inner.0.amazon.clone()
    }

    /// Fusion's faults as they are at `now`.
    pub(crate) fn fusion(&self, now: i64) -> FusionFaults {
        let mut inner = locked(&self.inner);
        if inner.0.fusion.until.is_some_and(|until| until.as_millisecond() <= now) {
            inner.0.fusion = FusionFaults::default();
        }
        inner.0.fusion
    }

    /// Draws whether something of this rate happens now.
    pub(crate) fn draw(&self, rate: f64) -> bool {
        rate > 0.0 && locked(&self.inner).1.random_bool(rate.min(1.0))
    }

    /// Draws whether a fault of the chosen rate happens now.
    pub(crate) fn happens(&self, rate: impl Fn(&FaultRates) -> f64) -> bool {
        let rate = rate(&locked(&self.inner).0);
        self.draw(rate)
    }
}

#[derive(Deserialize)]
struct SetClock {
    now: jiff::Timestamp,
}

/// Answers a request to the control port.
pub(crate) fn handle(world: &World, request: &Incoming) -> Reply {
    match (&request.method, request.path.as_str()) {
        (&Method::GET, "/control/clock") => Reply::json(200, &json!({ "now": text(world.clock.now()) })),
        (&Method::PUT, "/control/clock") => match serde_json::from_slice::<SetClock>(&request.body) {
            Ok(set) if world.clock.set(set.now) => {
                Reply::json(200, &json!({ "now": text(world.clock.now()) }))
            }
            Ok(_) => Reply::text(409, "time does not go back"),
            Err(error) => Reply::text(400, error.to_string()),
        },
        (&Method::PUT, "/control/clock/stop") => {
            world.clock.stop();
            Reply::json(200, &json!({ "now": text(world.clock.now()) }))
        }
        (&Method::GET, "/control/scenario") => Reply::json(200, &world.scenario.for_the_operator()),
        (&Method::GET, "/control/truth") => {
            Reply::json(200, &truth::truth(world, request.parameter("summary") == Some("true")))
        }
        (&Method::GET, "/control/notification") => Reply::json(200, &amazon::notification(world)),
        (&Method::GET, "/control/searches") => Reply::json(200, &world.journal.searches()),
        (&Method::GET, "/control/polls") => Reply::json(200, &world.journal.polls()),
        (&Method::GET, "/control/requests") => Reply::json(200, &world.journal.to_json()),
        (&Method::PUT, "/control/faults") => match serde_json::from_slice::<FaultRates>(&request.body) {
            Ok(rates) => {
                world.faults.set(rates);
                Reply::json(200, &json!({}))
            }
            Err(error) => Reply::text(400, error.to_string()),
        },
        (&Method::GET, "/control/fusion") => Reply::json(200, &fusion::committed(world)),
        (&Method::PUT, "/control/fusion") => fusion::knobs::put(world, request),
        _ => Reply::text(
            404,
            "clock, clock/stop, scenario, truth, requests, searches, polls, notification, faults, fusion",
        ),
    }
}
