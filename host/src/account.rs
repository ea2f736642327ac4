//! Where a daemon's time goes, for measuring it: `serve --account FILE`, for development.
//!
//! Stages and clients open spans under one target ([`TARGET`]) around what is counted: `http` from a request's first byte to
//! its answer's last, `wasm` around a mapper's call, `apply` around a transaction of the store. sqlx tells of every
//! statement how long it took; those outside of `apply` are what was read. Times are summed over all workers, so that two
//! which wait at once count twice.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The target of what is counted.
const TARGET: &str = "ml_connector::account";
/// The target of sqlx's words about statements.
const STATEMENTS: &str = "sqlx::query";

/// What is counted.
const COUNTED: [&str; 4] = ["http", "wasm", "apply", "read"];

/// Nanoseconds and calls of each of [`COUNTED`].
#[derive(Debug, Default)]
struct Sums([(AtomicU64, AtomicU64); 4]);

impl Sums {
    fn add(&self, what: &str, nanoseconds: u64) {
        if let Some(at) = COUNTED.iter().position(|counted| *counted == what) {
            self.0[at].0.fetch_add(nanoseconds, Ordering::Relaxed);
            self.0[at].1.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Sums up spans and statements, and writes the sums when the daemon has ended.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    sums: Arc<Sums>,
    file: PathBuf,
    began: Arc<RwLock<Option<Instant>>>,
}

impl Account {
    /// An account that will be written to a file.
    pub(crate) fn new(file: &Path) -> Self {
        Self { sums: Arc::default(), file: file.to_owned(), began: Arc::default() }
    }

    /// A layer that sees what is counted, and nothing else.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let counted = |of: &Metadata<'_>| of.target() == TARGET || of.target() == STATEMENTS;
        self.clone().with_filter(FilterFn::new(counted))
    }

    /// Writes the sums: seconds and calls of each, and the seconds from the first that was counted until now.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&self) -> std::io::Result<()> {
        let began = *self.began.read().unwrap_or_else(PoisonError::into_inner);
        let mut sums = json!({ "seconds": began.map_or(0.0, |began| began.elapsed().as_secs_f64()) });
        for (what, (nanoseconds, calls)) in COUNTED.iter().zip(&self.sums.0) {
            let seconds = std::time::Duration::from_nanos(nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
            sums[*what] = json!({ "seconds": seconds, "calls": calls.load(Ordering::Relaxed) });
        }
        std::fs::write(&self.file, format!("{sums}\n"))
    }

    fn begin(&self, now: Instant) {
        if self.began.read().unwrap_or_else(PoisonError::into_inner).is_none() {
            self.began.write().unwrap_or_else(PoisonError::into_inner).get_or_insert(now);
        }
    }
}

/// When a span was opened.
struct Opened(Instant);

impl<S> Layer<S> for Account
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let now = now();
        self.begin(now);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Opened(now));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        if let Some(Opened(at)) = span.extensions().get() {
            let took = u64::try_from(at.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.sums.add(span.name(), took);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let applied = |scope: tracing_subscriber::registry::Scope<'_, S>| {
            scope.into_iter().any(|span| span.name() == "apply")
        };
        if event.metadata().target() != STATEMENTS || context.event_scope(event).is_some_and(applied) {
            return;
        }
        let mut seconds = Seconds(0.0);
        event.record(&mut seconds);
        let nanoseconds = std::time::Duration::try_from_secs_f64(seconds.0).unwrap_or_default().as_nanos();
        self.sums.add("read", u64::try_from(nanoseconds).unwrap_or(u64::MAX));
    }
}

/// What sqlx says that a statement took.
struct Seconds(f64);

impl Visit for Seconds {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.0 = value;
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is measured is the machine's time, not the daemon's clock"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn statements_within_a_transaction_are_not_counted_twice() {
        let file = std::env::temp_dir().join(format!("ml-connector-account-{}.json", std::process::id()));
        let account = Account::new(&file);
        let subscriber = tracing_subscriber::registry().with(account.layer());
        tracing::subscriber::with_default(subscriber, || {
            let statement = || tracing::debug!(target: "sqlx::query", elapsed_secs = 2.0);
            statement();
            tracing::trace_span!(target: "ml_connector::account", "apply").in_scope(statement);
            drop(tracing::trace_span!(target: "ml_connector::account", "wasm").entered());
            tracing::info!("of no interest");
        });
        account.write().expect("is written");
        let text = std::fs::read_to_string(&file).expect("is there");
        std::fs::remove_file(&file).expect("is removed");
        let sums: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let calls = |what: &str| sums[what]["calls"].as_u64().expect("a number");
        assert_eq!((calls("read"), calls("apply"), calls("wasm"), calls("http")), (1, 1, 1, 0));
        assert_eq!(sums["read"]["seconds"].as_f64(), Some(2.0));
    }
}
