//! Sends queued spans to the collector, in batches.

use std::time::Duration;

use ml_connector_remote::{HttpClient, HttpOptions};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::collector::Collector;
use super::{Recorder, lost};
use crate::config_tracing::TracingConfig;
use crate::service;

/// Spans in one request.
const BATCH: usize = 512;
/// How long a batch waits for more.
const GATHER: Duration = Duration::from_secs(1);
/// How long the collector has for one.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// Between two attempts at the same batch.
const AGAIN: Duration = Duration::from_secs(5);
/// Attempts at one: a batch that the collector refuses must not keep the next ones waiting for ever.
const ATTEMPTS: u32 = 3;
/// The collector's answer has a few bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// How long the last spans may take when the daemon stops; what is left then is lost.
const FLUSH_TIME: Duration = Duration::from_secs(3);

/// Sends what a [`Recorder`] records.
pub(crate) struct Exporter {
    spans: mpsc::Receiver<SpanData>,
    exporter: SpanExporter,
    is_down: bool,
}

impl Exporter {
    /// One that sends to the configured collector; the recorder begins to record.
    ///
    /// # Errors
    /// TLS cannot be set up, or the environment's settings for it (`OTEL_EXPORTER_OTLP_HEADERS` and others) make no sense.
    pub(crate) fn begin(
        config: &TracingConfig,
        recorder: &Recorder,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let client = HttpClient::new(HttpOptions {
            user_agent: concat!("ml-connector/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: REQUEST_TIME,
            timeout: REQUEST_TIME,
            body_bytes_max: ANSWER_BYTES_MAX,
            exchanges_max: 1,
            // A collector beside the daemon is the rule; anything else is HTTPS.
            loopback_http: true,
        })?;
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector(client))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(config.traces_url()?)
            .with_timeout(REQUEST_TIME)
            // Between attempts it would hold up a thread.
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .map_err(|error| format!("TRC-SETUP: spans cannot be sent: {error}"))?;
        exporter.set_resource(&Resource::builder().with_service_name("ml-connector").build());
        Ok(Self { spans: recorder.begin(), exporter, is_down: false })
    }

    /// Sends until `stop`; then sends what is left, without waiting, for [`FLUSH_TIME`] at most.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.work(&mut batch) => {}
        }
        self.spans.close();
        let in_time = tokio::select! {
            in_time = self.flush(&mut batch) => in_time,
            () = service::wait(FLUSH_TIME) => false,
        };
        let left = batch.len() + self.spans.len();
        if !in_time || left > 0 {
            lost(left);
            tracing::warn!(
                spans = left,
                "TRC-LOST: the collector did not take the last spans: the books do not need them"
            );
        }
    }

    /// Sends batch by batch. What is being sent stays in `batch` until it is settled.
    async fn work(&mut self, batch: &mut Vec<SpanData>) {
        while self.spans.recv_many(batch, BATCH).await > 0 {
            if batch.len() < BATCH {
                service::wait(GATHER).await;
                self.gather(batch);
            }
            for attempt in 1..=ATTEMPTS {
                if self.send(batch).await {
                    break;
                }
                if attempt < ATTEMPTS {
                    service::wait(AGAIN).await;
                }
            }
            lost(batch.len());
            batch.clear();
        }
    }

    /// Fills a batch with what is there.
    fn gather(&mut self, batch: &mut Vec<SpanData>) {
        while batch.len() < BATCH
            && let Ok(span) = self.spans.try_recv()
        {
            batch.push(span);
        }
    }

    /// Sends what is left; says whether all was taken.
    async fn flush(&mut self, batch: &mut Vec<SpanData>) -> bool {
        loop {
            self.gather(batch);
            if batch.is_empty() {
                return true;
            }
            if !self.send(batch).await {
                return false;
            }
        }
    }

    /// Sends a batch, which is empty afterwards if the collector has taken it. That it does not is said once, and that it
    /// does again.
    async fn send(&mut self, batch: &mut Vec<SpanData>) -> bool {
        match self.exporter.export(batch.clone()).await {
            Ok(()) => {
                batch.clear();
                if std::mem::take(&mut self.is_down) {
                    tracing::info!("the collector takes spans again");
                }
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_down, true) {
                    tracing::warn!(%error, "TRC-DOWN: the collector does not take spans: what does not fit into the queue is lost");
                }
                false
            }
        }
    }
}
