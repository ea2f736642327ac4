//! Whether the daemon lives, and whether it can work.

use axum::http::StatusCode;
use jiff::SignedDuration;
use ml_connector_domain::Timestamp;
use ml_connector_pipeline::pulse::Pulse;

use crate::call::Answer;
use crate::problem::Problem;
use crate::shapes;
use crate::state::Api;

/// A worker of which nothing is heard for longer, although it should be awake, hangs: the longest stage waits for calls
/// that each end within minutes.
pub(crate) const LATE: SignedDuration = SignedDuration::from_mins(30);

/// The workers of this process.
#[derive(Debug, Clone, Default)]
pub struct Workers {
    /// Their signs of life.
    pub pulse: Pulse,
    /// How many there are to be.
    pub expected: usize,
    /// Whether no other daemon can have the database.
    pub alone: bool,
}

impl Workers {
    fn live(&self, now: Timestamp) -> bool {
        !self.pulse.beats().values().any(|beat| beat.is_late(now, LATE))
    }

    fn have_started(&self) -> bool {
        self.pulse.beats().len() >= self.expected
    }
}

fn status(well: bool) -> StatusCode {
    if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// Whether the process lives.
pub(crate) fn alive(api: &Api) -> Result<Answer, Problem> {
    let live = api.workers.live(api.clock.now());
    let body = shapes::Alive { status: if live { "ok" } else { "late" }.to_owned() };
    Answer::of(status(live), &body)
}

/// Whether it can work.
pub(crate) async fn ready(api: &Api) -> Result<Answer, Problem> {
    let schema = api.store.schema_is_current().await;
    let (database, schema) = (schema.is_ok(), schema.unwrap_or(false));
    let workers = api.workers.have_started();
    let ready = database && schema && workers;
    Answer::of(status(ready), &shapes::Ready { ready, database, schema, workers })
}
