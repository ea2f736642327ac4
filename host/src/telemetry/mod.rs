//! Sends the spans of records to a collector, by OpenTelemetry's protocol over HTTP.
//!
//! Stages open spans under one target (`ml_connector_storage::steps`); [`Recorder`] is the layer that hears them, makes of each
//! what OpenTelemetry calls a span, and puts it into a queue; [`Exporter`] sends what is there. **Invariant:** nothing
//! here makes a worker wait. A queue that is full, and a collector that does not take what it is sent, lose spans, which
//! are counted; the books do not depend on them.

mod collector;
mod exporter;
mod layer;

pub(crate) use exporter::Exporter;
pub(crate) use layer::Recorder;

use std::time::SystemTime;

/// The time that stands in spans: the machine's, whatever clock the workers have, as a span tells how long work took.
#[expect(
    clippy::disallowed_methods,
    reason = "what is measured is the machine's time, not the daemon's clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Spans that no collector has taken, and that are gone.
fn lost(spans: usize) {
    metrics::counter!("ml_connector_trace_spans_lost_total")
        .increment(u64::try_from(spans).unwrap_or(u64::MAX));
}
