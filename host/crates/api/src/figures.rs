//! Figures for Prometheus: what the store says now, and what was counted in this process.
//!
//! # To add a figure
//!
//! Add a row to [`GAUGES`] and write its values in `gauges`; what is counted where it happens goes to [`COUNTERS`].
//! `host/docs/alerts.yml` names only what stands in one of the two.

use std::fmt::Write as _;

use ml_connector_domain::{SellerId, Timestamp};

use crate::health::LATE;
use crate::problem::Problem;
use crate::state::{Api, Served};

/// What is read from the store at every scrape: name and meaning.
pub const GAUGES: &[(&str, &str)] = &[
    ("ml_connector_stream_lag_seconds", "How far behind now a stream has been read"),
    ("ml_connector_stream_asked_seconds", "How long ago a stream was asked"),
    ("ml_connector_documents", "Documents by the state of their postings"),
    ("ml_connector_oldest_unposted_seconds", "Age of the oldest document neither confirmed nor rejected"),
    ("ml_connector_review_items", "Open review items by kind and reason"),
    ("ml_connector_review_at_stake_minor", "Money at stake in the review queue, in minor units"),
    ("ml_connector_review_oldest_seconds", "Age of the oldest open review item"),
    ("ml_connector_findings", "Documents that did not tie out, by finding"),
    ("ml_connector_seller_paused", "Whether a seller's worker rests"),
    ("ml_connector_worker_late", "Whether nothing is heard of a worker that should be awake"),
    ("ml_connector_worker_failing", "Whether a worker's last cycle failed somewhere"),
];

/// What is counted where it happens: name and meaning.
pub const COUNTERS: &[(&str, &str)] = &[
    ("ml_connector_worker_cycles_total", "Cycles of workers that ended"),
    ("ml_connector_stage_failures_total", "Stages that failed, by stage"),
    ("ml_connector_mapper_batches_total", "Batches that mappers were given"),
    ("ml_connector_mapper_fuel_total", "Fuel that mappers burnt"),
    ("ml_connector_mapper_faults_total", "Batches on which mappers failed, by code"),
    ("ml_connector_throttled_calls_total", "Calls that a remote throttled"),
    ("ml_connector_trace_spans_lost_total", "Spans that no collector of traces took"),
];

/// Values of one gauge after the other, as text.
struct Text(String);

impl Text {
    fn head(&mut self, name: &str) {
        let about = GAUGES.iter().find(|(known, _)| *known == name).map_or("", |(_, about)| about);
        // Writing to a string cannot fail.
        let _written = writeln!(self.0, "# HELP {name} {about}\n# TYPE {name} gauge");
    }

    fn row(&mut self, name: &str, labels: &[(&str, &str)], value: i128) {
        let labels: Vec<String> =
            labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
        let _written = writeln!(self.0, "{name}{{{}}} {value}", labels.join(","));
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn ago(now: Timestamp, then: Timestamp) -> i128 {
    now.duration_since(then).as_secs().max(0).into()
}

/// All figures of some sellers; without a choice of all, and of the process.
///
/// # Errors
/// The store failed.
pub(crate) async fn text(api: &Api, of: Option<&[&Served]>) -> Result<String, Problem> {
    let sees = |id: &SellerId| of.is_none_or(|list| list.iter().any(|served| served.seller.id == *id));
    let mut text = Text(String::new());
    streams(api, &mut text, sees).await?;
    documents(api, &mut text, sees).await?;
    reviews(api, &mut text, sees).await?;
    workers(api, &mut text, sees).await?;
    let counted = (api.counters)();
    match of {
        None => text.0.push_str(&counted),
        Some(list) => counted.lines().filter(|line| is_of(line, list)).for_each(|line| {
            text.0.push_str(line);
            text.0.push('\n');
        }),
    }
    Ok(text.0)
}

/// Whether a line is about one of these sellers, or about none of its own but a comment.
fn is_of(line: &str, sellers: &[&Served]) -> bool {
    let own = |served: &&Served| {
        let label = format!("seller=\"{}\"", escaped(served.seller.id.as_str()));
        line.split(['{', ',', '}']).any(|part| part == label)
    };
    line.starts_with('#') || sellers.iter().any(own)
}

async fn streams(api: &Api, text: &mut Text, sees: impl Fn(&SellerId) -> bool) -> Result<(), Problem> {
    let (now, mut rows) = (api.clock.now(), api.store.stream_states(None).await?);
    rows.retain(|row| sees(&row.seller));
    for (name, since) in
        [("ml_connector_stream_lag_seconds", true), ("ml_connector_stream_asked_seconds", false)]
    {
        text.head(name);
        for row in &rows {
            let labels =
                [("seller", row.seller.as_str()), ("region", row.region.as_str()), ("stream", &*row.stream)];
            text.row(name, &labels, ago(now, if since { row.position } else { row.polled_at }));
        }
    }
    Ok(())
}

async fn documents(api: &Api, text: &mut Text, sees: impl Fn(&SellerId) -> bool) -> Result<(), Problem> {
    let now = api.clock.now();
    let counts = [
        ("ml_connector_documents", "state", api.store.posting_counts().await?),
        ("ml_connector_findings", "finding", api.store.finding_counts().await?),
    ];
    for (name, label, rows) in counts {
        text.head(name);
        for row in rows.iter().filter(|row| sees(&row.seller)) {
            let labels = [("seller", row.seller.as_str()), (label, &*row.what)];
            text.row(name, &labels, row.count.into());
        }
    }
    let name = "ml_connector_oldest_unposted_seconds";
    text.head(name);
    for (seller, at) in api.store.oldest_unposted().await?.iter().filter(|(seller, _)| sees(seller)) {
        text.row(name, &[("seller", seller.as_str())], ago(now, *at));
    }
    Ok(())
}

async fn reviews(api: &Api, text: &mut Text, sees: impl Fn(&SellerId) -> bool) -> Result<(), Problem> {
    use std::collections::BTreeMap;
    let (now, rows) = (api.clock.now(), api.store.seller_reviews().await?);
    let mut items: BTreeMap<(&str, &str, &str), i128> = BTreeMap::new();
    let mut stakes: BTreeMap<(&str, &str), i128> = BTreeMap::new();
    let mut oldest: BTreeMap<&str, i128> = BTreeMap::new();
    for row in rows.iter().filter(|row| sees(&row.seller)) {
        let seller = row.seller.as_str();
        *items.entry((seller, &row.kind, &row.code)).or_default() += i128::from(row.count);
        if let Some(money) = &row.at_stake {
            *stakes.entry((seller, money.currency.code())).or_default() += i128::from(money.minor);
        }
        let age = oldest.entry(seller).or_default();
        *age = ago(now, row.oldest).max(*age);
    }
    text.head("ml_connector_review_items");
    for ((seller, kind, code), count) in items {
        text.row("ml_connector_review_items", &[("seller", seller), ("kind", kind), ("code", code)], count);
    }
    text.head("ml_connector_review_at_stake_minor");
    for ((seller, currency), minor) in stakes {
        text.row("ml_connector_review_at_stake_minor", &[("seller", seller), ("currency", currency)], minor);
    }
    text.head("ml_connector_review_oldest_seconds");
    for (seller, age) in oldest {
        text.row("ml_connector_review_oldest_seconds", &[("seller", seller)], age);
    }
    Ok(())
}

async fn workers(api: &Api, text: &mut Text, sees: impl Fn(&SellerId) -> bool) -> Result<(), Problem> {
    text.head("ml_connector_seller_paused");
    for served in api.sellers.iter().filter(|served| sees(&served.seller.id)) {
        let paused = api.store.seller_pause(&served.seller.id).await?.is_some();
        let labels = [("seller", served.seller.id.as_str())];
        text.row("ml_connector_seller_paused", &labels, i128::from(paused));
    }
    let (now, mut beats) = (api.clock.now(), api.workers.pulse.beats());
    beats.retain(|seller, _| sees(seller));
    for (name, late) in [("ml_connector_worker_late", true), ("ml_connector_worker_failing", false)] {
        text.head(name);
        for (seller, beat) in &beats {
            let value = if late { beat.is_late(now, LATE) } else { beat.failed };
            text.row(name, &[("seller", seller.as_str())], i128::from(value));
        }
    }
    Ok(())
}
