//! Hears the spans of records and queues them.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use ml_connector_domain::SellerId;
use ml_connector_domain::trace::TraceId;
use ml_connector_storage::steps::{CALL, COMMIT, STAGE, TARGET};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId as OtelTrace, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use rand::Rng as _;
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::{lost, now};
use crate::app::entropy;

/// Spans that wait to be sent; further ones are lost. With some hundred bytes each this bounds the memory that a collector
/// which is down can cost.
const QUEUE: usize = 16_384;

/// Outcomes that a collector is to show as failures.
const FAILURES: [&str; 7] =
    ["review", "refused", "withheld", "contested", "lost", "found different", "differs"];

/// Makes spans of records for a collector, once it is told to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder {
    queue: Arc<OnceLock<mpsc::Sender<SpanData>>>,
    is_full: Arc<AtomicBool>,
}

/// What a stage was called, and since when its next step lasts.
struct Stage {
    name: String,
    since: SystemTime,
}

/// A span of a record that has not ended.
struct Step {
    began: SystemTime,
    stage: Option<String>,
    fields: Fields,
}

/// What a span says, by name.
#[derive(Default)]
struct Fields(Vec<(&'static str, String)>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }
}

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
    }
}

impl Recorder {
    /// The layer: it sees spans of records, and those only once somebody sends them.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let queue = Arc::clone(&self.queue);
        let heard = move |of: &Metadata<'_>| of.target() == TARGET && queue.get().is_some();
        self.clone().with_filter(FilterFn::new(heard))
    }

    /// Begins to record. What is recorded comes out here; a second time nothing comes.
    pub(crate) fn begin(&self) -> mpsc::Receiver<SpanData> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let _first = self.queue.set(sender);
        // Whether anybody listens was asked once for each place that makes a span.
        tracing::callsite::rebuild_interest_cache();
        receiver
    }

    fn queue(&self, span: SpanData) {
        let Some(queue) = self.queue.get() else { return };
        match queue.try_send(span) {
            Ok(()) => self.is_full.store(false, Ordering::Relaxed),
            Err(_) => {
                lost(1);
                if !self.is_full.swap(true, Ordering::Relaxed) && !queue.is_closed() {
                    tracing::warn!("TRC-FULL: spans come faster than the collector takes them, and are lost");
                }
            }
        }
    }
}

impl<S> Layer<S> for Recorder
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let (mut fields, now) = (Fields::default(), now());
        attributes.record(&mut fields);
        if span.name() == STAGE {
            let name = fields.get("stage").unwrap_or_default().to_owned();
            span.extensions_mut().insert(Stage { name, since: now });
            return;
        }
        if ![COMMIT, CALL].contains(&span.name()) {
            return;
        }
        let (mut began, mut stage) = (now, None);
        if let Some(of) = stage_of(&span) {
            let extensions = of.extensions();
            if let Some(of) = extensions.get::<Stage>() {
                stage = Some(of.name.clone());
                began = if span.name() == CALL { now } else { of.since };
            }
        }
        span.extensions_mut().insert(Step { began, stage, fields });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(step) = span.extensions_mut().get_mut::<Step>() {
            values.record(&mut step.fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(step) = span.extensions_mut().remove::<Step>() else { return };
        let now = now();
        if span.name() != CALL
            && let Some(of) = stage_of(&span)
            && let Some(of) = of.extensions_mut().get_mut::<Stage>()
        {
            of.since = now;
        }
        if let Some(made) = made(step, span.name() == CALL, now) {
            self.queue(made);
        }
    }
}

/// The stage within which a span was opened.
fn stage_of<'a, S>(span: &SpanRef<'a, S>) -> Option<SpanRef<'a, S>>
where
    S: Subscriber + for<'b> LookupSpan<'b>,
{
    span.scope().skip(1).find(|outer| outer.name() == STAGE)
}

/// A step as OpenTelemetry has it; nothing where it does not say of what it is.
fn made(step: Step, is_call: bool, now: SystemTime) -> Option<SpanData> {
    let seller = SellerId::from(step.fields.get("seller")?);
    let trace = TraceId::of(&seller, step.fields.get("id")?);
    let outcome = step.fields.get("outcome");
    let status = match outcome {
        Some(outcome) if FAILURES.contains(&outcome) => Status::error(outcome.to_owned()),
        _ => Status::Unset,
    };
    // What an operator's command in the API does has no stage.
    let name = step.stage.unwrap_or_else(|| "operator".to_owned());
    let other = step.fields.get("document_of").map(|other| TraceId::of(&seller, other).to_string());
    let attributes = step.fields.0.iter().filter(|(_, value)| !value.is_empty());
    let attributes =
        attributes.map(|(field, value)| KeyValue::new(format!("ml_connector.{field}"), value.clone()));
    let attributes =
        attributes.chain(other.map(|other| KeyValue::new("ml_connector.document_trace", other))).collect();
    let (trace, id) = (OtelTrace::from_bytes(trace.to_bytes()), SpanId::from(entropy().next_u64().max(1)));
    Some(SpanData {
        span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::default()),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: if is_call { SpanKind::Client } else { SpanKind::Internal },
        name: name.into(),
        start_time: step.began.min(now),
        end_time: now,
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: InstrumentationScope::builder("ml-connector")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build(),
    })
}
