//! Tells the story of an order, a settlement or a document: from Amazon's bytes to Fusion's answer.

use std::collections::BTreeSet;

use ml_connector_audit::AuditError;
use ml_connector_audit::trace::{Part, Trace, TracedLine, trace};
use ml_connector_domain::document::{Body, Remittance};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::posting::State;
use ml_connector_domain::trace::TraceId;
use ml_connector_storage::{AuditRow, DocumentRow, Store};
use serde_json::{Value, json};

/// Parts of one line that the text names; JSON has them all.
const PARTS_TOLD: usize = 5;

/// A story, in the order in which it is told.
#[derive(Debug)]
pub struct Story {
    /// What was asked for.
    pub asked: String,
    /// What Amazon said: kind, raw payload, canonical record.
    pub sources: Vec<(String, String, String)>,
    /// The documents that came of it, each with where its lines came from.
    pub documents: Vec<Told>,
    /// What happened, in order.
    pub events: Vec<AuditRow>,
    /// The traces of the records in it, for a collector: record and trace.
    pub traces: Vec<(String, TraceId)>,
}

/// A document in a story.
#[derive(Debug)]
pub struct Told {
    /// Its posting.
    pub row: DocumentRow,
    /// Where it came from.
    pub trace: Trace,
}

/// Collects what is known of an order id, a settlement id (the financial event group's or the settlement report's), a
/// transaction id, a document key or a Fusion number.
///
/// # Errors
/// The store failed. Nothing known is an empty story.
pub async fn explain(store: &dyn Store, text: &str) -> Result<Story, AuditError> {
    let mut documents = store.documents_about(text).await?;
    let mut subjects = BTreeSet::from([text.to_owned()]);
    if documents.is_empty()
        && let Some(group) = store.group_of_settlement(text).await?
    {
        documents = store.documents_about(&group).await?;
        subjects.insert(group);
    }
    for row in &documents {
        subjects.insert(row.document.subject().to_owned());
        subjects.extend(row.document.group().map(|group| group.as_str().to_owned()));
        if let Body::Invoice { order, .. } | Body::CreditMemo { order, .. } = &row.document.body {
            subjects.insert(order.as_str().to_owned());
        }
    }
    let mut sources = Vec::new();
    let mut records = Vec::new();
    for subject in &subjects {
        let found = store.sources_about(subject).await?;
        records.extend((!found.is_empty()).then(|| subject.clone()));
        sources.extend(found);
    }
    let mut told = Vec::with_capacity(documents.len());
    for row in documents {
        let recorded = store.recorded_document(&row.document.key).await?;
        if let Some(recorded) = recorded {
            told.push(Told { trace: trace(store, &recorded).await?, row });
        }
    }
    let subjects: Vec<String> = subjects.into_iter().collect();
    let events = store.story(&subjects).await?;
    let traces = traces(&told, records);
    Ok(Story { asked: text.to_owned(), sources, documents: told, events, traces })
}

/// The traces of the records that documents are of, and of others in their story.
fn traces(documents: &[Told], records: Vec<String>) -> Vec<(String, TraceId)> {
    let Some(seller) = documents.first().map(|told| &told.row.document.seller) else { return Vec::new() };
    let of = documents.iter().map(|told| told.row.document.record().1.to_owned());
    let all: BTreeSet<String> = of.chain(records).collect();
    let traced = |id: String| {
        let trace = TraceId::of(seller, &id);
        (id, trace)
    };
    all.into_iter().map(traced).collect()
}

impl Story {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.documents.is_empty() && self.events.is_empty()
    }

    /// The story as text, one line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (kind, raw, _) in &self.sources {
            lines.push(format!(
                "Amazon {kind} ({} bytes kept, SHA-256 {}): {}",
                raw.len(),
                ContentHash::of(raw.as_bytes()),
                shortened(raw, 160)
            ));
        }
        for told in &self.documents {
            lines.extend(document_lines(told));
        }
        lines.extend(self.traces.iter().map(|(record, trace)| format!("Trace of {record}: {trace}")));
        lines.push("What happened:".to_owned());
        for event in &self.events {
            lines.push(format!("  {} {:<10} {}", event.at, event.action, event.detail));
        }
        lines
    }

    /// The whole story as one object.
    pub fn to_json(&self) -> Value {
        json!({
            "asked": self.asked,
            "sources": self.sources.iter().map(|(kind, raw, _)| json!({
                "kind": kind, "bytes": raw.len(), "sha256": ContentHash::of(raw.as_bytes()), "payload": raw,
            })).collect::<Vec<_>>(),
            "documents": self.documents.iter().map(|told| &told.trace).collect::<Vec<_>>(),
            "traces": self.traces.iter().map(|(record, trace)| json!({
                "record": record, "trace": trace.to_string(),
            })).collect::<Vec<_>>(),
            "events": self.events.iter().map(|event| json!({
                "id": event.id, "at": event.at.to_string(), "subject": event.subject, "action": event.action,
                "detail": event.detail,
            })).collect::<Vec<_>>(),
        })
    }
}

fn document_lines(Told { row, trace }: &Told) -> Vec<String> {
    let state = match &row.state {
        State::Confirmed { fusion_id } => format!("confirmed as Fusion {fusion_id}"),
        State::Rejected { reason, .. } => format!("rejected: {reason}"),
        other => other.name().to_owned(),
    };
    let Trace { kind, key, date, mapper, input, catalog, sha256, .. } = trace;
    let contract = trace.contract.as_deref().unwrap_or("unknown");
    let moved = row.document.moved_from.map(|day| format!(" (of {day})")).unwrap_or_default();
    let mut lines = vec![
        format!("{kind} {key} over {} dated {date}{moved}: {state}", row.expected),
        format!("  mapper {mapper} contract {contract} input {input}"),
        format!("  catalog {catalog} document {sha256}"),
    ];
    for source in &trace.sources {
        // A journal's transactions stand below its lines.
        if kind != "journal" || source.kind == "group" {
            let taken = if source.redacted { ", data about the buyer taken out since" } else { "" };
            let (kind, id, version) = (&source.kind, &source.id, source.version);
            lines.push(format!("  from {kind} {id} version {version}, payload {}{taken}", source.payload));
        }
    }
    if let Body::Journal { transactions, reverses, .. } = &row.document.body {
        lines.extend(reverses.iter().map(|original| format!("  takes back {original}, line by line")));
        lines.push(format!("  sums of {transactions} transactions; debits positive"));
    }
    if let Some(rate) = row.document.own_rate() {
        let (original, converted) = (rate.original, rate.converted);
        lines.push(format!("  converted by its own rate: Amazon paid out {converted} for {original}"));
    }
    if let Body::Receipt { customer, references, .. } = &row.document.body {
        lines.push(format!("  cash of customer {customer}"));
        let paid = |one: &Remittance| format!("  {:>16}  of {}", one.amount.to_string(), one.document);
        lines.extend(references.iter().map(paid));
    }
    for traced in &trace.lines {
        lines.extend(line_lines(traced, trace, kind == "journal"));
    }
    lines
}

fn line_lines(traced: &TracedLine, trace: &Trace, journal: bool) -> Vec<String> {
    let line = &traced.line;
    let amount = format!("{} {}", line.amount, trace.currency);
    let worth = match (&line.accounted, &trace.rate, line.rate_of) {
        (Some(worth), Some(rate), _) => format!(" = {worth} {}", rate.converted.currency),
        (_, _, Some(day)) => format!(" at the rate of {day}"),
        _ => String::new(),
    };
    let mut lines = vec![format!("  {amount:>16}{worth}  {}  {}  [{}]", line.account, line.text, line.rule)];
    if !journal {
        return lines;
    }
    if traced.from.iter().all(|part| part.amount.is_none()) {
        lines.push("                      made by the host: no transaction stands behind it".to_owned());
    }
    let part = |part: &Part| {
        let amount = part.amount.as_deref().unwrap_or_default();
        format!("                      {amount} of {} {}, payload {}", part.kind, part.id, part.payload)
    };
    lines.extend(traced.from.iter().take(PARTS_TOLD).map(part));
    if let Some(more) = traced.from.len().checked_sub(PARTS_TOLD).filter(|more| *more > 0) {
        lines.push(format!("                      and {more} more: --json lists them"));
    }
    lines
}

fn shortened(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}
