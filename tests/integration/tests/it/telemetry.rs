//! Spans of records at a collector: whole, and of no consequence to the books when it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ml_connector_domain::SellerId;
use ml_connector_domain::document::Body;
use ml_connector_domain::trace::TraceId;
use ml_connector_simulator::scenario::ScenarioOptions;
use ml_connector_storage::{DocumentFilter, DocumentRow, Operations as _, SqliteStore};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::process::Installed;
use crate::service::{LONG, ended, log_of, signal};
use crate::support::small;

/// All that a span may say.
const SAID: [&str; 9] =
    ["seller", "kind", "id", "outcome", "document", "document_of", "document_trace", "reason", "call"];

/// A span as it was received.
#[derive(Debug, Clone)]
struct Received {
    trace: String,
    name: String,
    lasted: Duration,
    said: BTreeMap<String, String>,
}

impl Received {
    fn says(&self, what: &str) -> &str {
        self.said.get(what).map_or("", String::as_str)
    }
}

/// A collector that keeps what it is sent, or takes connections and never answers.
struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Received>>>,
    connected: Arc<Notify>,
}

impl Collector {
    async fn start(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let own = Self { address, spans: Arc::default(), connected: Arc::default() };
        let (spans, connected) = (Arc::clone(&own.spans), Arc::clone(&own.connected));
        #[expect(clippy::disallowed_methods, reason = "the collector ends with the test's runtime")]
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                connected.notify_one();
                if answers {
                    tokio::spawn(serve(stream, Arc::clone(&spans)));
                } else {
                    held.push(stream);
                }
            }
        });
        own
    }

    /// What was received, by trace.
    fn traces(&self) -> BTreeMap<String, Vec<Received>> {
        let mut traces = BTreeMap::<String, Vec<Received>>::new();
        for span in self.spans.lock().expect("whole").iter() {
            traces.entry(span.trace.clone()).or_default().push(span.clone());
        }
        traces
    }
}

/// One request after the other, as HTTP/1.1 has them.
async fn serve(mut stream: TcpStream, spans: Arc<Mutex<Vec<Received>>>) {
    let mut bytes = Vec::new();
    loop {
        let head = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
        assert!(text.starts_with("post /v1/traces ") && text.contains("application/x-protobuf"), "{text}");
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = length.expect("a length").trim().parse().expect("a number");
        while bytes.len() < head + length {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let request = ExportTraceServiceRequest::decode(&bytes[head..head + length]).expect("protobuf");
        spans.lock().expect("whole").extend(received(request));
        bytes.drain(..head + length);
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn received(request: ExportTraceServiceRequest) -> Vec<Received> {
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        other => panic!("{other:?} is no text"),
    };
    let resources = request.resource_spans.into_iter();
    let mut all = Vec::new();
    for of in resources {
        let attributes = of.resource.expect("a resource").attributes.into_iter();
        let named = |one: &opentelemetry_proto::tonic::common::v1::KeyValue| one.key == "service.name";
        let service = attributes.filter(named).find_map(|one| one.value).map(|value| text(value.value));
        assert_eq!(service.as_deref(), Some("ml-connector"));
        for span in of.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let said = span.attributes.into_iter().map(|one| {
                let key = one.key.strip_prefix("ml_connector.").expect("a name of ours").to_owned();
                (key, text(one.value.expect("a value").value))
            });
            let lasted = span.end_time_unix_nano.checked_sub(span.start_time_unix_nano);
            all.push(Received {
                trace: span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect(),
                name: span.name,
                lasted: Duration::from_nanos(lasted.expect("it ends after it began")),
                said: said.collect(),
            });
        }
    }
    all
}

fn options(seed: u64) -> ScenarioOptions {
    ScenarioOptions { days: 20, orders_per_day: 2, unmapped_percent: 0, ..small(seed) }
}

async fn installed(name: &str, seed: u64, collector: &str) -> Installed {
    let installed = Installed::start(name, options(seed)).await;
    installed.configure(|config| {
        let tracing = toml::Table::from_iter([("otlp_endpoint".to_owned(), collector.into())]);
        config.insert("tracing".to_owned(), tracing.into());
    });
    installed
}

fn end(installed: &Installed) -> &str {
    installed.scenario["end"].as_str().expect("an end")
}

async fn confirmed(installed: &Installed) -> Vec<DocumentRow> {
    let store = SqliteStore::open(&installed.path("connector.sqlite")).await.expect("opens");
    let filter = DocumentFilter {
        sellers: vec![SellerId::from(installed.seller())],
        state: Some("confirmed".to_owned()),
        ..DocumentFilter::default()
    };
    let rows = store.documents_page(&filter, 1_000).await.expect("reads");
    store.close().await;
    rows.into_iter().map(|planned| planned.row).collect()
}

/// The names of a trace's spans.
fn names(spans: &[Received]) -> BTreeSet<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_has_one_trace_with_a_span_for_each_stage_over_restarts() {
    let collector = Collector::start(true).await;
    let installed = installed("traces", 431, &collector.address).await;
    let start: jiff::Timestamp =
        installed.scenario["start"].as_str().expect("a start").parse().expect("a time");
    let between = start.saturating_add(jiff::SignedDuration::from_hours(24 * 8)).expect("a time").to_string();
    for until in [between.as_str(), end(&installed)] {
        installed.said(&["serve", "--until", until]).await;
    }
    let (traces, seller) = (collector.traces(), SellerId::from(installed.seller()));
    for span in traces.values().flatten() {
        assert!(span.said.keys().all(|key| SAID.contains(&key.as_str())), "{span:?}");
        assert_eq!(span.trace, TraceId::of(&seller, span.says("id")).to_string(), "{span:?}");
    }
    let documents = confirmed(&installed).await;
    let mut kinds = BTreeSet::new();
    for row in &documents {
        let (kind, id) = row.document.record();
        let trace = traces.get(&TraceId::of(&seller, id).to_string());
        let trace = trace.unwrap_or_else(|| panic!("{kind} {id} has no trace"));
        let key = row.document.key.as_str();
        let planned = trace.iter().find(|span| span.says("document") == key && span.says("call").is_empty());
        assert!(planned.is_some(), "{key} of {kind} {id} was not planned: {trace:?}");
        let called =
            trace.iter().filter(|span| span.says("document") == key && !span.says("call").is_empty());
        let called: Vec<&Received> = called.collect();
        assert!(called.iter().any(|span| span.name == "post" && !span.lasted.is_zero()), "{key}: {trace:?}");
        assert!(called.iter().any(|span| span.says("outcome") == "ties out"), "{key}: {trace:?}");
        if let Body::Invoice { .. } = row.document.body {
            let wanted = BTreeSet::from(["poll", "normalize", "map", "post", "reconcile"]);
            assert!(wanted.is_subset(&names(trace)), "{id}: {:?}", names(trace));
            // A payload that is read again unchanged is no step.
            let count = |name: &str| trace.iter().filter(|span| span.name == name).count();
            assert_eq!(count("poll"), count("normalize"), "{id}: {trace:?}");
            let sent = called.iter().find(|span| span.says("call") == "send").expect("it was sent");
            assert_eq!(sent.says("outcome"), "accepted");
        }
        kinds.insert(row.document.kind().letter());
    }
    assert!(kinds.contains(&'I') && kinds.contains(&'J'), "{kinds:?}");
    // A transaction's own trace leads to the journal that it is in.
    let settled =
        traces.values().flatten().find(|span| span.name == "settle" && span.says("kind") == "transaction");
    let settled = settled.expect("a settlement has closed");
    assert_eq!(settled.says("document_trace"), TraceId::of(&seller, settled.says("document_of")).to_string());
    assert!(
        traces[settled.says("document_trace")]
            .iter()
            .any(|span| span.says("document") == settled.says("document"))
    );
    let order =
        documents.iter().map(|row| row.document.record()).find(|(kind, _)| *kind == "order").expect("one").1;
    let printed = installed.said(&["trace-id", installed.seller(), order]).await;
    assert_eq!(printed.trim(), TraceId::of(&seller, order).to_string());
    let told: serde_json::Value =
        serde_json::from_str(&installed.said(&["explain", order, "--json"]).await).expect("JSON");
    let shown: Vec<&str> =
        told["traces"].as_array().expect("traces").iter().filter_map(|one| one["trace"].as_str()).collect();
    assert!(shown.contains(&TraceId::of(&seller, order).to_string().as_str()), "{shown:?}");
}

fn assert_books_are_right(installed: &Installed) {
    assert_eq!(installed.wrong(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_down_changes_nothing_in_the_books() {
    // Nobody listens there: the port was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", free.local_addr().expect("an address"));
    drop(free);
    let installed = installed("collector-down", 432, &address).await;
    let output = installed.run(&["serve", "--until", end(&installed)]).await;
    let words = crate::process::words(&output);
    assert!(output.status.success(), "{words}");
    assert_eq!(words.matches("TRC-DOWN").count(), 1, "{words}");
    assert_eq!(words.matches("TRC-LOST").count(), 1, "{words}");
    assert_books_are_right(&installed);
    assert!(!confirmed(&installed).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_hangs_holds_up_neither_the_books_nor_the_end() {
    let collector = Collector::start(false).await;
    let installed = installed("collector-hangs", 433, &collector.address).await;
    let log = std::fs::File::create(installed.path("log")).expect("a file");
    let mut daemon = installed.command(&["serve"]).stderr(log).spawn().expect("it starts");
    let waited = tokio::time::timeout(LONG, collector.connected.notified()).await;
    assert!(waited.is_ok(), "no span was sent: {}", log_of(&installed));
    signal(&daemon, "-TERM");
    // Three seconds for the last spans, and some for the workers' cycle on a machine that has other things to do.
    let stopped = tokio::time::timeout(Duration::from_secs(20), ended(&mut daemon)).await;
    let log = log_of(&installed);
    assert!(stopped.expect("it stops in time").success() && log.contains("TRC-LOST"), "{log}");
    installed.said(&["serve", "--until", end(&installed)]).await;
    assert_books_are_right(&installed);
}
