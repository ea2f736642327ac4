//! Where each line of a document came from: the transactions and orders behind it, and the hashes of the payloads as
//! Amazon sent them.

use std::collections::BTreeMap;

use ml_connector_domain::document::{Body, Document, JournalOf};
use ml_connector_domain::fx::OwnRate;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::JournalLine;
use ml_connector_domain::posting::State;
use ml_connector_domain::{Date, Money, SellerId, Timestamp, accrual, settlement};
use ml_connector_storage::{AuditLog, RecordedDocument, SourceVersion};
use serde::{Deserialize, Serialize};

use crate::Result;

/// A document from Amazon's payloads to Fusion's number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trace {
    /// Its key.
    pub key: String,
    /// `invoice`, `credit_memo` or `journal`.
    pub kind: String,
    /// Whose.
    pub seller: String,
    /// 0 for the first.
    pub revision: u32,
    /// Accounting date.
    pub date: String,
    /// What it is about, in Amazon's terms.
    pub subject: String,
    /// What Amazon says it comes to, in decimal digits.
    pub total: String,
    /// Their currency.
    pub currency: String,
    /// What Amazon paid out for its settlement, where its lines are converted by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<OwnRate>,
    /// Where its posting stands.
    pub state: String,
    /// Fusion's number, once it is confirmed.
    pub fusion_id: Option<String>,
    /// SHA-256 of its bytes.
    pub sha256: ContentHash,
    /// Digest of the mapper.
    pub mapper: ContentHash,
    /// The contract that the mapper was built against.
    pub contract: Option<String>,
    /// Hash of what the mapper was given.
    pub input: ContentHash,
    /// Hash of the catalog.
    pub catalog: ContentHash,
    /// What Amazon said.
    pub sources: Vec<Source>,
    /// Its lines.
    pub lines: Vec<TracedLine>,
}

/// A record that a document came of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// `order`, `transaction` or `group`.
    pub kind: String,
    /// Amazon's id.
    pub id: String,
    /// Which version of the record, from 1.
    pub version: i64,
    /// SHA-256 of the payload as Amazon sent it.
    pub payload: ContentHash,
    /// Whether data about the buyer was taken out of the payload since.
    pub redacted: bool,
}

/// A line with what stands behind it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TracedLine {
    /// The line.
    pub line: Line,
    /// What it came from; behind a line of a journal that the host made itself stands the settlement, without an amount.
    pub from: Vec<Part>,
}

/// A line of any kind of document: positive amounts of an invoice are revenue, of a journal debits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The whole account combination.
    pub account: String,
    /// Decimal digits.
    pub amount: String,
    /// What that is worth in the ledger's currency, in decimal digits, where the document says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounted: Option<String>,
    /// The day of whose rate Fusion converts it, where that is not the journal's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_of: Option<Date>,
    /// Description or label.
    pub text: String,
    /// The rule that decided the account.
    pub rule: String,
    /// The order item, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_item: Option<String>,
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `order` or `transaction`.
    pub kind: String,
    /// Amazon's id.
    pub id: String,
    /// SHA-256 of the payload as Amazon sent it.
    pub payload: ContentHash,
    /// What this part adds to a sum, in decimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
}

/// A transaction behind a journal, with its booking and payload.
pub(crate) struct Booked {
    pub(crate) behind: ml_connector_storage::BehindJournal,
    pub(crate) source: Option<SourceVersion>,
}

/// All that a trace is made of, for who also needs the payloads.
pub(crate) struct Gathered {
    pub(crate) trace: Trace,
    pub(crate) sources: Vec<SourceVersion>,
    pub(crate) booked: Vec<Booked>,
}

/// Traces a document.
///
/// # Errors
/// The store failed.
pub async fn trace(store: &dyn AuditLog, recorded: &RecordedDocument) -> Result<Trace> {
    Ok(gather(store, recorded).await?.trace)
}

pub(crate) async fn gather(store: &dyn AuditLog, recorded: &RecordedDocument) -> Result<Gathered> {
    let document = &recorded.row.document;
    let mut booked = Vec::new();
    for mut behind in store.behind_journal(&document.key).await? {
        behind.lines = as_entered(document, behind.lines);
        let found = versions(store, &document.seller, &behind.transaction, recorded.planned).await?;
        let source = found.into_iter().find(|source| source.natural_id == behind.transaction);
        booked.push(Booked { behind, source });
    }
    let mut sources = sources(store, recorded).await?;
    sources.extend(booked.iter().filter_map(|booked| booked.source.clone()));
    sources.sort_by(|a, b| (&a.kind, &a.natural_id).cmp(&(&b.kind, &b.natural_id)));
    sources.dedup_by(|a, b| (&a.kind, &a.natural_id) == (&b.kind, &b.natural_id));
    let lines = traced_lines(document, &sources, &booked)?;
    let origin = match booked.first() {
        Some(first) => store.batch_origin(&first.behind.batch).await?,
        None => store.batch_origin(&document.origin.input).await?,
    };
    let fusion_id = match &recorded.row.state {
        State::Confirmed { fusion_id } => Some(fusion_id.as_str().to_owned()),
        _ => None,
    };
    let trace = Trace {
        key: document.key.as_str().to_owned(),
        kind: document.kind().as_str().to_owned(),
        seller: document.seller.as_str().to_owned(),
        revision: document.revision,
        date: document.date.to_string(),
        subject: document.subject().to_owned(),
        total: recorded.row.expected.decimal(),
        currency: document.currency.code().to_owned(),
        rate: document.own_rate().copied(),
        state: recorded.row.state.name().to_owned(),
        fusion_id,
        sha256: recorded.row.body_hash.clone(),
        mapper: document.origin.mapper.clone(),
        contract: origin.map(|origin| origin.contract),
        input: document.origin.input.clone(),
        catalog: document.origin.catalog.clone(),
        sources: sources.iter().map(source).collect(),
        lines,
    };
    Ok(Gathered { trace, sources, booked })
}

/// A booking's lines as they enter a journal: those of an earlier month of a settlement are carried forward, and those that
/// take an accrual back are converted as the journal says.
fn as_entered(document: &Document, lines: Vec<JournalLine>) -> Vec<JournalLine> {
    match &document.body {
        Body::Journal { of: JournalOf::Settlement { part: Some(part), .. }, .. } if part.number < part.of => {
            lines.into_iter().map(|line| settlement::carry(line, &part.accounts)).collect()
        }
        Body::Journal { lines: journal, .. } => accrual::as_entered(journal, lines),
        _ => lines,
    }
}

async fn versions(
    store: &dyn AuditLog,
    seller: &SellerId,
    id: &str,
    at: Timestamp,
) -> Result<Vec<SourceVersion>> {
    Ok(store.sources_at(seller, id, at).await?)
}

/// The records that a document is about; those behind a journal's bookings come beside them.
async fn sources(store: &dyn AuditLog, recorded: &RecordedDocument) -> Result<Vec<SourceVersion>> {
    let document = &recorded.row.document;
    let mut ids = vec![document.subject().to_owned()];
    if let Body::Invoice { order, .. } | Body::CreditMemo { order, .. } = &document.body {
        ids.push(order.as_str().to_owned());
    }
    // What takes a journal back, a month of a settlement, and cash, stand on the settlement.
    ids.extend(document.group().map(|group| group.as_str().to_owned()));
    if !matches!(document.body, Body::Journal { .. }) {
        ids.extend(store.recognitions(&document.key).await?.into_iter().map(|(source, _)| source));
    }
    ids.sort_unstable();
    ids.dedup();
    let mut found = Vec::new();
    for id in ids {
        found.extend(versions(store, &document.seller, &id, recorded.planned).await?);
    }
    Ok(found)
}

fn source(version: &SourceVersion) -> Source {
    Source {
        kind: version.kind.clone(),
        id: version.natural_id.clone(),
        version: version.version,
        payload: version.payload.clone(),
        redacted: version.redacted,
    }
}

/// The lines of a document; none for a kind that has none.
pub fn lines(document: &Document) -> Vec<(Line, Money)> {
    if let Body::Invoice { lines, .. } | Body::CreditMemo { lines, .. } = &document.body {
        let line = |line: &ml_connector_domain::mapping::DocumentLine| Line {
            account: line.account.clone(),
            amount: line.amount.decimal(),
            accounted: None,
            rate_of: None,
            text: line.description.clone(),
            rule: line.rule.clone(),
            order_item: line.order_item.as_ref().map(|item| item.as_str().to_owned()),
        };
        return lines.iter().map(|one| (line(one), one.amount)).collect();
    }
    if let Body::Journal { lines, .. } = &document.body {
        let line = |line: &ml_connector_domain::mapping::JournalLine| Line {
            account: line.account.clone(),
            amount: line.amount.decimal(),
            accounted: line.accounted().map(Money::decimal),
            rate_of: line.rate_day(),
            text: line.label.clone(),
            rule: line.rule.clone(),
            order_item: None,
        };
        return lines.iter().map(|one| (line(one), one.amount)).collect();
    }
    Vec::new()
}

/// What lines are summed by: account, label, side, and the day of the rate if they name one.
type Key = (String, String, bool, Option<Date>);

fn key(line: &JournalLine) -> Key {
    (line.account.clone(), line.label.clone(), line.amount.minor < 0, line.rate_day())
}

/// Bookings are summed by their keys: so are the parts of a journal's line.
fn traced_lines(
    document: &Document,
    sources: &[SourceVersion],
    booked: &[Booked],
) -> Result<Vec<TracedLine>> {
    let mut behind = BTreeMap::<Key, Vec<Part>>::new();
    for Booked { behind: booking, source } in booked {
        let Some(source) = source else { continue };
        let mut sums = BTreeMap::<Key, Money>::new();
        for line in &booking.lines {
            let sum = sums.entry(key(line)).or_insert(Money::zero(line.amount.currency));
            *sum = sum
                .checked_add(line.amount)
                .map_err(|error| crate::AuditError::Document(error.to_string()))?;
        }
        for (key, sum) in sums {
            behind.entry(key).or_default().push(Part {
                kind: source.kind.clone(),
                id: source.natural_id.clone(),
                payload: source.payload.clone(),
                amount: Some(sum.decimal()),
            });
        }
    }
    let own: Option<Vec<Key>> = match &document.body {
        Body::Journal { lines, .. } => Some(lines.iter().map(key).collect()),
        _ => None,
    };
    let journal = own.is_some();
    // What the host made itself, such as what is brought forward, stands on the settlement.
    let whole: Vec<Part> = sources
        .iter()
        .filter(|source| !journal || source.kind == "group")
        .map(|source| Part {
            kind: source.kind.clone(),
            id: source.natural_id.clone(),
            payload: source.payload.clone(),
            amount: None,
        })
        .collect();
    let traced = lines(document).into_iter().enumerate().map(|(n, (line, _))| {
        let parts = own.as_ref().and_then(|keys| behind.get(keys.get(n)?));
        TracedLine { line, from: parts.unwrap_or(&whole).clone() }
    });
    Ok(traced.collect())
}
