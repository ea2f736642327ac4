//! One span for each step of a record's way, for a collector of traces.
//!
//! A stage writes what it decided about many records in one transaction, and what is durable counts: so the spans of records
//! are made here, when that transaction has been committed, from its changes. What a stage did for a record by itself, a
//! call to Fusion, has a span around it ([`call`]). Nobody listens unless the daemon is told where to send them; then none of
//! this is reached but one look whether anybody does.
//!
//! Spans bear ids, stages and outcomes: no amount, no words of a remote, nothing about a buyer.

use std::collections::HashMap;

use ml_connector_domain::document::Document;
use ml_connector_domain::{DocumentKey, SellerId};
use tracing::{Instrument as _, Span};

use crate::Change;

/// The target of all spans here.
pub const TARGET: &str = "ml_connector::record";
/// The name of a stage's span, within which those of records are made.
pub const STAGE: &str = "stage";
/// The name of a step that a transaction made durable: it lasts since the one before in the same stage.
pub const COMMIT: &str = "commit";
/// The name of a call about one document: it lasts as long as the call.
pub const CALL: &str = "call";

/// Runs a stage within its span.
pub fn in_stage<F: Future>(stage: &'static str, work: F) -> impl Future<Output = F::Output> {
    work.instrument(tracing::trace_span!(target: TARGET, STAGE, stage))
}

/// A span around a call about a document; its outcome is recorded as `outcome`.
pub fn call(document: &Document, call: &'static str) -> Span {
    let (kind, id) = document.record();
    tracing::trace_span!(
        target: TARGET,
        CALL,
        seller = document.seller.as_str(),
        kind,
        id,
        document = document.key.as_str(),
        call,
        outcome = tracing::field::Empty,
    )
}

/// What a transaction does to one record.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    seller: SellerId,
    kind: &'static str,
    id: String,
    outcome: &'static str,
    document: Option<DocumentKey>,
    /// The record that the document is of, where that is another.
    of: Option<String>,
    reason: Option<String>,
}

/// What a transaction does to records, in the order of its changes.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    steps: Vec<Step>,
    at: HashMap<(SellerId, String), usize>,
}

impl Steps {
    /// The steps in a list of changes; `None` where nobody listens.
    pub(crate) fn of(changes: &[Change]) -> Option<Self> {
        // A span that is for nothing else: `enabled!` would leave its answer behind for the next event, for those who filter
        // by layer.
        if tracing::trace_span!(target: TARGET, "changes").is_disabled() {
            return None;
        }
        let mut own = Self::default();
        changes.iter().for_each(|change| own.moved(change));
        // Afterwards: a document names records that stand anywhere in the list.
        changes.iter().for_each(|change| own.planned(change));
        Some(own)
    }

    fn add(&mut self, seller: &SellerId, kind: &'static str, id: &str, outcome: &'static str) {
        let place = (seller.clone(), id.to_owned());
        if let Some(at) = self.at.get(&place) {
            self.steps[*at].outcome = outcome;
            return;
        }
        self.at.insert(place, self.steps.len());
        let (seller, id) = (seller.clone(), id.to_owned());
        self.steps.push(Step { seller, kind, id, outcome, document: None, of: None, reason: None });
    }

    fn step(&mut self, seller: &SellerId, id: &str) -> Option<&mut Step> {
        let at = self.at.get(&(seller.clone(), id.to_owned()))?;
        self.steps.get_mut(*at)
    }

    fn moved(&mut self, change: &Change) {
        match change {
            // Not the stage: of a content that is known it changes nothing.
            Change::Canonical { seller, kind, natural_id, .. } => {
                self.add(seller, kind, natural_id, "normalized");
            }
            Change::Stage { seller, kind, natural_id, stage, .. } => {
                self.add(seller, kind, natural_id, stage);
            }
            Change::ReportFile { seller, report, .. } => self.add(seller, "report", report, "archived"),
            _ => {}
        }
    }

    fn planned(&mut self, change: &Change) {
        match change {
            Change::Plan { document, recognizes, .. } => self.document(document, recognizes),
            Change::Review(draft) => {
                if let Some(step) = self.step(&draft.seller, &draft.subject) {
                    step.reason = Some(draft.code.clone());
                }
            }
            _ => {}
        }
    }

    fn document(&mut self, document: &Document, recognizes: &[(String, &'static str)]) {
        let (seller, (kind, id)) = (&document.seller, document.record());
        match self.step(seller, id) {
            Some(step) if step.document.is_none() => step.document = Some(document.key.clone()),
            _ => self.steps.push(Step {
                seller: seller.clone(),
                kind,
                id: id.to_owned(),
                outcome: "planned",
                document: Some(document.key.clone()),
                of: None,
                reason: None,
            }),
        }
        for (source, _) in recognizes {
            if let Some(step) = self.step(seller, source).filter(|step| step.document.is_none()) {
                step.document = Some(document.key.clone());
                step.of = Some(id.to_owned());
            }
        }
    }

    /// Adds a payload that nobody had seen before.
    pub(crate) fn read(&mut self, seller: &SellerId, stream: &str, id: &str) {
        let kinds = ["order", "transaction", "group", "payout", "report"];
        if let Some(kind) = kinds.into_iter().find(|kind| stream.strip_suffix('s') == Some(*kind)) {
            self.add(seller, kind, id, "read");
        }
    }

    /// Makes the spans: what they tell of is durable.
    pub(crate) fn committed(self) {
        let span = |step: Step| {
            tracing::trace_span!(
                target: TARGET,
                COMMIT,
                seller = step.seller.as_str(),
                kind = step.kind,
                id = step.id,
                outcome = step.outcome,
                document = step.document.as_ref().map(DocumentKey::as_str),
                document_of = step.of,
                reason = step.reason,
            )
        };
        // All begin before the first ends: the first one's end is where the next transaction's begin.
        let spans: Vec<Span> = self.steps.into_iter().map(span).collect();
        drop(spans);
    }
}
