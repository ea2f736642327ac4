//! Checks documents: their bytes, Fusion's answers, their sources, and the sums of their bookings.

use std::collections::{BTreeMap, HashMap, HashSet};

use ml_connector_domain::audit::Action;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{Currency, Money};

use super::{Archive, Event};
use crate::evidence::{BookingRow, IndexRow, file, recorded_detail};
use crate::trace::Trace;

impl Archive {
    pub(super) fn documents(&mut self, events: &[Event]) {
        let by_id: HashMap<i64, &Event> = events.iter().map(|event| (event.id, event)).collect();
        let rows: Vec<IndexRow> = self.rows(file::INDEX);
        self.checked.documents = rows.len();
        let mut named = HashSet::new();
        for IndexRow { recorded_event, trace } in &rows {
            named.insert(format!("{}/{}.json", file::DOCUMENTS, trace.key));
            self.document(trace, by_id.get(recorded_event).copied());
            self.answer(trace, events);
            self.sums(trace);
        }
        let folder = format!("{}/", file::DOCUMENTS);
        let extra = self.files.keys().filter(|name| name.starts_with(&folder) && !named.contains(*name));
        for name in extra.cloned().collect::<Vec<_>>() {
            self.wrong("EVI-ADDED", format!("{name} is not in {}", file::INDEX));
        }
    }

    /// The document's bytes are those that the log recorded, and the index says of it what it says itself.
    fn document(&mut self, trace: &Trace, recorded: Option<&Event>) {
        let path = format!("{}/{}.json", file::DOCUMENTS, trace.key);
        let Some(bytes) = self.files.get(&path).cloned() else {
            return self.wrong("EVI-MISSING", format!("{path} is missing"));
        };
        let hash = ContentHash::of(&bytes);
        let said = recorded_detail(&trace.key, hash.as_str());
        if !recorded.is_some_and(|event| event.action == Action::Recorded.as_str() && event.detail == said) {
            self.wrong("EVI-ALTERED", format!("{path} is not what the signed log recorded"));
        }
        let Ok(document) = serde_json::from_slice::<ml_connector_domain::document::Document>(&bytes) else {
            return self.wrong("EVI-ALTERED", format!("{path} cannot be read as a document"));
        };
        let own: Vec<_> = crate::trace::lines(&document).into_iter().map(|(line, _)| line).collect();
        let same = own.iter().eq(trace.lines.iter().map(|traced| &traced.line))
            && document.key.as_str() == trace.key
            && document.kind().as_str() == trace.kind
            && document.subject() == trace.subject
            && document.date.to_string() == trace.date
            && document.seller.as_str() == trace.seller
            && document.revision == trace.revision
            && document.currency.code() == trace.currency
            && document.own_rate() == trace.rate.as_ref()
            && document.origin.input == trace.input
            && document.origin.mapper == trace.mapper
            && document.origin.catalog == trace.catalog
            && hash == trace.sha256;
        if !same {
            self.wrong(
                "EVI-ALTERED",
                format!("{}: what it says of {} is not what the document says", file::INDEX, trace.key),
            );
        }
    }

    /// Fusion's number stands in an answer that the log holds.
    fn answer(&mut self, trace: &Trace, events: &[Event]) {
        let Some(id) = &trace.fusion_id else {
            return self.wrong("EVI-MISSING", format!("{}: {} has no Fusion number", file::INDEX, trace.key));
        };
        let (key, answers) =
            (format!("{}: ", trace.key), [Action::Answered.as_str(), Action::LookedUp.as_str()]);
        let names = |event: &Event| {
            answers.contains(&event.action.as_str())
                && event.detail.starts_with(&key)
                && event.detail.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == id)
        };
        if !events.iter().any(names) {
            let why =
                format!("{}: no answer in the signed log gives {} the number {id}", file::INDEX, trace.key);
            self.wrong("EVI-UNKNOWN", why);
        }
    }

    /// Every document has sources, whose payloads are here and are what the log says that their records were made of.
    pub(super) fn sources(&mut self, normalized: &HashSet<(&str, &str)>) {
        let rows: Vec<IndexRow> = self.rows(file::INDEX);
        for IndexRow { trace, .. } in &rows {
            if trace.sources.is_empty() {
                self.wrong("EVI-MISSING", format!("{}: {} has no source", file::INDEX, trace.key));
            }
            self.sources_of(trace, normalized);
        }
    }

    fn sources_of(&mut self, trace: &Trace, normalized: &HashSet<(&str, &str)>) {
        for source in &trace.sources {
            if !normalized.contains(&(source.id.as_str(), source.payload.as_str())) {
                let words = format!(
                    "{}: no event of the signed log says that {} {}, which {} came of, was made from payload {}",
                    file::INDEX,
                    source.kind,
                    source.id,
                    trace.key,
                    source.payload
                );
                self.wrong("EVI-UNKNOWN", words);
            }
            let end = if source.redacted { ".redacted.json" } else { ".json" };
            let path = format!("{}/{}{end}", file::PAYLOADS, source.payload);
            if !self.files.contains_key(&path) {
                let words = format!("{path} is missing: {} came of it", trace.key);
                self.wrong("EVI-MISSING", words);
            }
        }
    }

    /// A journal's lines are the sums of its bookings' lines. Lines without bookings are the host's own.
    fn sums(&mut self, trace: &Trace) {
        let path = format!("{}/{}.jsonl", file::BOOKINGS, trace.key);
        if trace.lines.iter().all(|line| line.from.iter().all(|part| part.amount.is_none())) {
            return;
        }
        let rows: Vec<BookingRow> = self.rows(&path);
        let Ok(currency) = trace.currency.parse::<Currency>() else {
            return self.wrong("EVI-ALTERED", format!("{}: {} has no currency", file::INDEX, trace.key));
        };
        let mut sums = BTreeMap::<(String, String, bool), i128>::new();
        for line in rows.iter().flat_map(|row| &row.lines) {
            match Money::parse(&line.amount, currency) {
                Ok(amount) => {
                    let key = (line.account.clone(), line.label.clone(), amount.minor < 0);
                    *sums.entry(key).or_default() += i128::from(amount.minor);
                }
                Err(error) => self.wrong("EVI-ALTERED", format!("{path}: {error}")),
            }
        }
        for ((account, label, credit), (amount, booked)) in journaled(trace, currency) {
            match sums.remove(&(account.clone(), label.clone(), credit)) {
                Some(sum) if sum != amount => {
                    let words = format!("{path}: {account} {label} sums to {sum} minor units, not {amount}");
                    self.wrong("EVI-SUM", words);
                }
                None if booked => {
                    self.wrong("EVI-SUM", format!("{path}: nothing sums to {account} {label}"));
                }
                _ => {}
            }
        }
        for ((account, label, _), sum) in sums.into_iter().filter(|(_, sum)| *sum != 0) {
            self.wrong(
                "EVI-SUM",
                format!("{path}: {account} {label} ({sum} minor units) is on no line of the journal"),
            );
        }
    }
}

/// A journal's lines by account, label and side, with whether bookings stand behind them. Lines that are converted by
/// rates of different days are apart in the journal, and are the sum of the same bookings.
fn journaled(trace: &Trace, currency: Currency) -> BTreeMap<(String, String, bool), (i128, bool)> {
    let mut sums = BTreeMap::<_, (i128, bool)>::new();
    for traced in &trace.lines {
        let line = &traced.line;
        let amount = Money::parse(&line.amount, currency).map_or(0, |money| i128::from(money.minor));
        let sum = sums.entry((line.account.clone(), line.text.clone(), amount < 0)).or_default();
        sum.0 += amount;
        sum.1 |= traced.from.iter().any(|part| part.amount.is_some());
    }
    sums
}
