//! Makes the archive.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::{Seek, Write};

use ml_connector_domain::Timestamp;
use ml_connector_domain::audit::checkpoint::Checkpoint;
use ml_connector_domain::audit::merkle::Tree;
use ml_connector_domain::audit::{Action, Leaf};
use ml_connector_domain::canonical::day_in;
use ml_connector_domain::id::ContentHash;
use ml_connector_storage::{AuditLog, BatchOrigin, LoggedEvent, RecordedDocument};
use serde::Serialize;

use super::{BookingLine, BookingRow, IndexRow, Proof, file, recorded_detail};
use crate::note::VerifyingKey;
use crate::period::Period;
use crate::trace::{Gathered, gather};
use crate::{AuditError, Result};

/// Events read at once.
const PAGE: u32 = 10_000;

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Documents.
    pub documents: usize,
    /// Events.
    pub events: usize,
    /// Payloads.
    pub payloads: usize,
    /// The checkpoint that it rests on.
    pub checkpoint: Checkpoint,
}

/// An event in the bytes that are hashed.
struct Kept {
    id: i64,
    line: Vec<u8>,
}

/// Writes the evidence of a period, resting on the newest checkpoint.
///
/// # Errors
/// There is no checkpoint, the log does not fit it, something is newer than it, or the archive cannot be written.
pub async fn pack<W: Write + Seek>(
    store: &dyn AuditLog,
    period: Period,
    key: &VerifyingKey,
    into: W,
) -> Result<Packed> {
    let newest = store.newest_checkpoint().await?;
    let note = newest.ok_or_else(|| log("nothing was signed yet: run `ml-connector audit checkpoint`"))?.note;
    let checkpoint = key.checkpoint(&note).map_err(|why| {
        log(format!("the newest checkpoint is forged: {why}: run `ml-connector audit verify`"))
    })?;
    let mut files = Files::default();
    let mut gathered = Vec::new();
    for recorded in store.confirmed_documents(period.first(), period.last(), None).await? {
        let one = gather(store, &recorded).await?;
        gathered.push((recorded, one));
    }
    let events = events(store, &checkpoint, &subjects(&gathered), period).await?;
    proofs(store, &checkpoint, &events, &mut files).await?;
    let mut origins = Origins::default();
    for (recorded, one) in &gathered {
        document(store, recorded, one, &mut files, &mut origins).await?;
    }
    index(&gathered, &events, &mut files)?;
    for hash in &origins.catalogs {
        if let Some(body) = store.catalog_body(hash).await? {
            files.add(format!("{}/{hash}.json", file::CATALOGS), body.into_bytes());
        }
    }
    let mappers: Vec<serde_json::Value> = origins
        .mappers
        .iter()
        .map(|(digest, contract)| serde_json::json!({ "digest": digest.as_str(), "contract": contract }))
        .collect();
    files.add(file::MAPPERS, json_lines(&mappers)?);
    files.add(file::CHECKPOINT, note.into_bytes());
    files.add(file::KEY, format!("{key}\n").into_bytes());
    files.add(file::KEY_PEM, key.pem().into_bytes());
    files.add(file::README, readme(period, &checkpoint).into_bytes());
    let payloads = files.0.keys().filter(|name| name.starts_with(file::PAYLOADS)).count();
    let packed = Packed { documents: gathered.len(), events: events.kept.len(), payloads, checkpoint };
    files.write(into)?;
    Ok(packed)
}

fn log(message: impl Into<String>) -> AuditError {
    AuditError::Log(message.into())
}

fn readme(period: Period, checkpoint: &Checkpoint) -> String {
    include_str!("README.md")
        .replace("{period}", &period.to_string())
        .replace("{size}", &checkpoint.size.to_string())
        .replace("{at}", &checkpoint.at.to_string())
}

fn json_lines<T: Serialize>(rows: &[T]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut bytes, row).map_err(|error| AuditError::Archive(error.to_string()))?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// All that the period's documents are about, in the terms of the log's subjects.
fn subjects(gathered: &[(RecordedDocument, Gathered)]) -> HashSet<String> {
    let mut all = HashSet::new();
    for (_, one) in gathered {
        all.insert(one.trace.subject.clone());
        all.insert(one.trace.key.clone());
        all.extend(one.trace.sources.iter().map(|source| source.id.clone()));
    }
    all
}

struct Events {
    kept: Vec<Kept>,
    /// Events that tie a document's bytes to the log, by what they say.
    recorded: HashMap<String, i64>,
}

/// The events about the period's documents, and those that happened in it, as far as they were signed.
async fn events(
    store: &dyn AuditLog,
    checkpoint: &Checkpoint,
    subjects: &HashSet<String>,
    period: Period,
) -> Result<Events> {
    let mut events = Events { kept: Vec::new(), recorded: HashMap::new() };
    let mut after = 0;
    loop {
        let page = store.log_events(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(events) };
        after = last.id;
        for event in page {
            if u64::try_from(event.id).is_ok_and(|id| id > checkpoint.size) {
                return Ok(events);
            }
            events.take(&event, subjects, period)?;
        }
    }
}

impl Events {
    fn take(&mut self, event: &LoggedEvent, subjects: &HashSet<String>, period: Period) -> Result<()> {
        let unreadable =
            || log(format!("event {} cannot be read: run `ml-connector audit verify`", event.id));
        let text = |column: &'_ Option<Vec<u8>>| {
            column.clone().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(unreadable)
        };
        let at: i64 = text(&event.at)?.parse().map_err(|_| unreadable())?;
        let (seller, subject) = (text(&event.seller)?, text(&event.subject)?);
        let (action, detail) = (text(&event.action)?, text(&event.detail)?);
        let day = Timestamp::from_millisecond(at).map(|at| day_in(at, &jiff::tz::TimeZone::UTC));
        let inside = day.is_ok_and(|day| day >= period.first() && day <= period.last());
        if !inside && !subjects.contains(&subject) {
            return Ok(());
        }
        let leaf =
            Leaf { id: event.id, at, seller: &seller, subject: &subject, action: &action, detail: &detail };
        self.kept.push(Kept { id: event.id, line: leaf.bytes() });
        if action == Action::Recorded.as_str() {
            self.recorded.insert(detail, event.id);
        }
        Ok(())
    }
}

async fn proofs(
    store: &dyn AuditLog,
    checkpoint: &Checkpoint,
    events: &Events,
    files: &mut Files,
) -> Result<()> {
    let size = usize::try_from(checkpoint.size).map_err(|_| log("the log is too long for this machine"))?;
    let mut leaves = store.log_leaves().await?;
    leaves.truncate(size);
    let tree = Tree::new(leaves.clone());
    if tree.root_at(size) != Some(checkpoint.root) {
        return Err(log("the log is not the one that was signed: run `ml-connector audit verify`"));
    }
    let (mut lines, mut rows) = (Vec::new(), Vec::with_capacity(events.kept.len()));
    for Kept { id, line } in &events.kept {
        let place = usize::try_from(id - 1).ok();
        let path = place.and_then(|place| Some((*leaves.get(place)?, tree.inclusion(place, size)?)));
        let (leaf, path) = path.ok_or_else(|| log(format!("event {id} has no place in the log")))?;
        lines.extend_from_slice(line);
        lines.push(b'\n');
        rows.push(Proof { event: *id, leaf, path });
    }
    files.add(file::EVENTS, lines);
    files.add(file::PROOFS, json_lines(&rows)?);
    Ok(())
}

/// What documents were made with.
#[derive(Default)]
struct Origins {
    catalogs: BTreeSet<ContentHash>,
    mappers: BTreeSet<(ContentHash, String)>,
}

impl Origins {
    fn add(&mut self, origin: &BatchOrigin) {
        self.catalogs.insert(origin.catalog.clone());
        self.mappers.insert((origin.mapper.clone(), origin.contract.clone()));
    }
}

async fn document(
    store: &dyn AuditLog,
    recorded: &RecordedDocument,
    one: &Gathered,
    files: &mut Files,
    origins: &mut Origins,
) -> Result<()> {
    let key = &one.trace.key;
    files.add(format!("{}/{key}.json", file::DOCUMENTS), recorded.body.clone().into_bytes());
    for source in &one.sources {
        let end = if source.redacted { ".redacted.json" } else { ".json" };
        files.add(format!("{}/{}{end}", file::PAYLOADS, source.payload), source.body.clone().into_bytes());
    }
    origins.catalogs.insert(one.trace.catalog.clone());
    origins.mappers.insert((one.trace.mapper.clone(), one.trace.contract.clone().unwrap_or_default()));
    if one.booked.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(one.booked.len());
    let mut known = HashMap::<ContentHash, BatchOrigin>::new();
    for booked in &one.booked {
        let batch = &booked.behind.batch;
        if !known.contains_key(batch) {
            let origin = store.batch_origin(batch).await?;
            let origin =
                origin.ok_or_else(|| log(format!("nothing is kept of the mapper's batch {batch}")))?;
            origins.add(&origin);
            known.insert(batch.clone(), origin);
        }
        rows.push(booking(booked, &known[batch]));
    }
    files.add(format!("{}/{key}.jsonl", file::BOOKINGS), json_lines(&rows)?);
    Ok(())
}

fn booking(booked: &crate::trace::Booked, origin: &BatchOrigin) -> BookingRow {
    let lines = booked.behind.lines.iter().map(|line| BookingLine {
        account: line.account.clone(),
        amount: line.amount.decimal(),
        label: line.label.clone(),
        rule: line.rule.clone(),
    });
    BookingRow {
        transaction: booked.behind.transaction.clone(),
        total: booked.behind.total.decimal(),
        currency: booked.behind.total.currency.code().to_owned(),
        payload: booked.source.as_ref().map(|source| source.payload.to_string()).unwrap_or_default(),
        mapper: origin.mapper.to_string(),
        contract: origin.contract.clone(),
        catalog: origin.catalog.to_string(),
        lines: lines.collect(),
    }
}

fn index(gathered: &[(RecordedDocument, Gathered)], events: &Events, files: &mut Files) -> Result<()> {
    let mut rows = Vec::with_capacity(gathered.len());
    for (recorded, one) in gathered {
        let hash = ContentHash::of(recorded.body.as_bytes());
        let said = recorded_detail(&one.trace.key, hash.as_str());
        let recorded_event = *events.recorded.get(&said).ok_or_else(|| {
            let key = &one.trace.key;
            log(format!(
                "no signed event records the bytes of document {key}: run `ml-connector audit checkpoint` and try again; \
                 if that does not help, the document was altered: restore a backup"
            ))
        })?;
        rows.push(IndexRow { recorded_event, trace: one.trace.clone() });
    }
    files.add(file::INDEX, json_lines(&rows)?);
    Ok(())
}

/// The archive's files, in the order of their names.
#[derive(Default)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    fn add(&mut self, name: impl Into<String>, bytes: Vec<u8>) {
        self.0.insert(name.into(), bytes);
    }

    /// Writes them with a manifest. No time, order or machine goes into the bytes.
    fn write<W: Write + Seek>(mut self, into: W) -> Result<()> {
        let failed =
            |error: &dyn std::fmt::Display| AuditError::Archive(format!("it cannot be written: {error}"));
        let manifest: String =
            self.0.iter().map(|(name, bytes)| format!("{}  {name}\n", ContentHash::of(bytes))).collect();
        self.add(file::MANIFEST, manifest.into_bytes());
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(0o644);
        let mut archive = zip::ZipWriter::new(into);
        for (name, bytes) in &self.0 {
            archive.start_file(name.as_str(), options).map_err(|error| failed(&error))?;
            archive.write_all(bytes).map_err(|error| failed(&error))?;
        }
        archive.finish().map_err(|error| failed(&error)).map(|_| ())
    }
}
