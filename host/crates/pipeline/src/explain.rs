//! Tells the story of an order, a settlement or a document: from Amazon's bytes to Fusion's answer.

use std::collections::BTreeSet;

use ml_connector_domain::document::{Body, Document};
use ml_connector_domain::posting::State;
use ml_connector_storage::{AuditRow, DocumentRow, Store, StoreError};

/// A story, in the order in which it is told.
#[derive(Debug)]
pub struct Story {
    /// What Amazon said: kind, raw payload, canonical record.
    pub sources: Vec<(String, String, String)>,
    /// The documents that came of it.
    pub documents: Vec<DocumentRow>,
    /// What happened, in order.
    pub events: Vec<AuditRow>,
}

/// Collects what is known of an order id, a settlement id, a document key or a Fusion number.
///
/// # Errors
/// The store failed. Nothing known is an empty story.
pub async fn explain(store: &dyn Store, text: &str) -> Result<Story, StoreError> {
    let documents = store.documents_about(text).await?;
    let mut subjects = BTreeSet::from([text.to_owned()]);
    for row in &documents {
        subjects.insert(row.document.subject().to_owned());
        match &row.document.body {
            Body::CreditMemo { order, .. } => subjects.insert(order.as_str().to_owned()),
            Body::Journal { group, .. } => subjects.insert(group.as_str().to_owned()),
            Body::Invoice { .. } => false,
        };
    }
    let mut sources = Vec::new();
    for subject in &subjects {
        sources.extend(store.sources_about(subject).await?);
    }
    let subjects: Vec<String> = subjects.into_iter().collect();
    let events = store.story(&subjects).await?;
    Ok(Story { sources, documents, events })
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
            lines.push(format!("Amazon {kind} ({} bytes kept): {}", raw.len(), shortened(raw, 160)));
        }
        for row in &self.documents {
            lines.extend(document_lines(row));
        }
        lines.push("What happened:".to_owned());
        for event in &self.events {
            lines.push(format!("  {} {:<10} {}", event.at, event.action, event.detail));
        }
        lines
    }
}

fn document_lines(row: &DocumentRow) -> Vec<String> {
    let Document { key, date, origin, .. } = &row.document;
    let state = match &row.state {
        State::Confirmed { fusion_id } => format!("confirmed as Fusion {fusion_id}"),
        State::Rejected { reason, .. } => format!("rejected: {reason}"),
        other => other.name().to_owned(),
    };
    let moved = row.document.moved_from.map(|day| format!(" (of {day})")).unwrap_or_default();
    let mut lines = vec![
        format!("{} {key} over {} dated {date}{moved}: {state}", row.document.kind().as_str(), row.expected),
        format!("  mapper {} input {} catalog {}", origin.mapper, origin.input, origin.catalog),
    ];
    match &row.document.body {
        Body::Invoice { lines: body, .. } | Body::CreditMemo { lines: body, .. } => {
            lines.extend(body.iter().map(|line| {
                format!(
                    "  {:>16}  {}  {}  [{}]",
                    line.amount.to_string(),
                    line.account,
                    line.description,
                    line.rule
                )
            }));
        }
        Body::Journal { lines: body, transactions, reverses, .. } => {
            lines.extend(reverses.iter().map(|original| format!("  takes back {original}, line by line")));
            lines.push(format!("  sums of {transactions} transactions; debits positive"));
            lines.extend(body.iter().map(|line| {
                format!(
                    "  {:>16}  {}  {}  [{}]",
                    line.amount.to_string(),
                    line.account,
                    line.label,
                    line.rule
                )
            }));
        }
    }
    lines
}

fn shortened(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}
