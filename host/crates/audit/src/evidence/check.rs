//! Checks an archive: every file against the manifest, every event against the signed root, every payload and, in
//! `documents`, every document against the events.

mod documents;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{Read, Seek};

use ml_connector_domain::audit::Action;
use ml_connector_domain::audit::checkpoint::Checkpoint;
use ml_connector_domain::audit::merkle::{Hash, is_included};
use ml_connector_domain::id::ContentHash;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Proof, file};
use crate::note::VerifyingKey;
use crate::{AuditError, Finding, Result};

/// Bytes of one file, unpacked, and of all together: an archive from outside is not trusted to be small.
const FILE_BYTES_MAX: u64 = 1 << 30;
const ALL_BYTES_MAX: u64 = 4 << 30;

/// What a check came to.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Documents.
    pub documents: usize,
    /// Events.
    pub events: usize,
    /// Payloads.
    pub payloads: usize,
    /// The checkpoint, if its signature fits.
    pub checkpoint: Option<Checkpoint>,
    /// The key that was checked with.
    pub key: Option<VerifyingKey>,
    /// What is wrong, with its place.
    pub findings: Vec<Finding>,
}

/// An event of the archive that is in the signed log.
#[derive(Deserialize)]
struct Event {
    id: i64,
    subject: String,
    action: String,
    detail: String,
}

struct Archive {
    files: BTreeMap<String, Vec<u8>>,
    checked: Checked,
}

/// Checks an archive with `key`, or with the one that it brings along.
///
/// # Errors
/// It is no archive. What is wrong in it is a finding.
pub fn check<R: Read + Seek>(from: R, key: Option<VerifyingKey>) -> Result<Checked> {
    let mut archive = Archive { files: read(from)?, checked: Checked::default() };
    archive.manifest();
    let checkpoint = archive.signature(key);
    let events = checkpoint.map(|checkpoint| archive.events(&checkpoint)).unwrap_or_default();
    let normalized = normalized(&events);
    archive.payloads(&normalized);
    archive.sources(&normalized);
    archive.documents(&events);
    Ok(archive.checked)
}

/// Which payloads were made records of, by the records' ids.
fn normalized(events: &[Event]) -> HashSet<(&str, &str)> {
    let made = events.iter().filter(|event| event.action == Action::Normalized.as_str());
    made.filter_map(|event| Some((event.subject.as_str(), event.detail.rsplit(' ').next()?))).collect()
}

fn read<R: Read + Seek>(from: R) -> Result<BTreeMap<String, Vec<u8>>> {
    let bad = |error: &dyn std::fmt::Display| AuditError::Archive(format!("it cannot be read: {error}"));
    let mut zip = zip::ZipArchive::new(from).map_err(|error| bad(&error))?;
    let (mut files, mut all) = (BTreeMap::new(), 0);
    for n in 0..zip.len() {
        let entry = zip.by_index(n).map_err(|error| bad(&error))?;
        let name = entry.name().map_err(|error| bad(&error))?.into_owned();
        let mut bytes = Vec::new();
        entry
            .take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| AuditError::Archive(format!("{name} cannot be unpacked: {error}")))?;
        all += bytes.len() as u64;
        if bytes.len() as u64 > FILE_BYTES_MAX || all > ALL_BYTES_MAX {
            return Err(AuditError::Archive(format!(
                "{name} makes it larger than 4 GiB, or is larger than 1 GiB"
            )));
        }
        if files.insert(name.clone(), bytes).is_some() {
            return Err(AuditError::Archive(format!("{name} stands in it twice")));
        }
    }
    Ok(files)
}

impl Archive {
    fn wrong(&mut self, code: &'static str, message: impl Into<String>) {
        self.checked.findings.push(Finding::of(code, message));
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let found = self.files.get(name).cloned();
        match found.map(String::from_utf8) {
            Some(Ok(text)) => return Some(text),
            Some(Err(_)) => self.wrong("EVI-ALTERED", format!("{name} is no text")),
            None => self.wrong("EVI-MISSING", format!("{name} is missing")),
        }
        None
    }

    fn rows<T: DeserializeOwned>(&mut self, name: &str) -> Vec<T> {
        let Some(text) = self.text(name) else { return Vec::new() };
        let mut rows = Vec::new();
        for (line, number) in text.lines().zip(1_u32..) {
            match serde_json::from_str(line) {
                Ok(row) => rows.push(row),
                Err(error) => self.wrong("EVI-ALTERED", format!("{name}:{number} cannot be read: {error}")),
            }
        }
        rows
    }

    /// Every file is in the manifest with its hash, and nothing else is.
    fn manifest(&mut self) {
        let Some(text) = self.text(file::MANIFEST) else { return };
        let mut named = HashSet::new();
        for line in text.lines() {
            let Some((hash, name)) = line.split_once("  ") else {
                self.wrong("EVI-ALTERED", format!("{}: `{line}` is no line of it", file::MANIFEST));
                continue;
            };
            named.insert(name.to_owned());
            match self.files.get(name).map(|bytes| ContentHash::of(bytes)) {
                None => self.wrong("EVI-MISSING", format!("{name} is missing: the manifest names it")),
                Some(own) if own.as_str() != hash => {
                    self.wrong(
                        "EVI-ALTERED",
                        format!("{name} was altered: its SHA-256 is not the manifest's"),
                    );
                }
                Some(_) => {}
            }
        }
        let added = self.files.keys().filter(|name| *name != file::MANIFEST && !named.contains(*name));
        for name in added.cloned().collect::<Vec<_>>() {
            self.wrong("EVI-ADDED", format!("{name} is not in the manifest"));
        }
    }

    fn signature(&mut self, key: Option<VerifyingKey>) -> Option<Checkpoint> {
        let note = self.text(file::CHECKPOINT);
        let enclosed = self.text(file::KEY).map(|text| VerifyingKey::parse(&text));
        let enclosed = match enclosed {
            Some(Ok(key)) => Some(key),
            Some(Err(error)) => {
                self.wrong("EVI-KEY", format!("{}: {error}", file::KEY));
                None
            }
            None => None,
        };
        if let (Some(given), Some(enclosed)) = (&key, &enclosed)
            && given != enclosed
        {
            self.wrong("EVI-KEY", format!("{} is not the key that was given", file::KEY));
        }
        let key = key.or(enclosed)?;
        if self.text(file::KEY_PEM).is_some_and(|pem| pem != key.pem()) {
            self.wrong("EVI-KEY", format!("{} is another key than {}", file::KEY_PEM, file::KEY));
        }
        let checkpoint = key.checkpoint(&note?);
        self.checked.key = Some(key);
        match checkpoint {
            Ok(checkpoint) => {
                self.checked.checkpoint = Some(checkpoint.clone());
                Some(checkpoint)
            }
            Err(why) => {
                self.wrong("EVI-FORGED", format!("{} is forged: {why}", file::CHECKPOINT));
                None
            }
        }
    }

    /// The events that are in the signed log.
    fn events(&mut self, checkpoint: &Checkpoint) -> Vec<Event> {
        let proofs: Vec<Proof> = self.rows(file::PROOFS);
        let Some(text) = self.text(file::EVENTS) else { return Vec::new() };
        if text.lines().count() != proofs.len() {
            let counts = (text.lines().count(), proofs.len());
            self.wrong("EVI-MISSING", format!("there are {} events and {} proofs", counts.0, counts.1));
        }
        let mut proofs: HashMap<i64, Proof> = proofs.into_iter().map(|proof| (proof.event, proof)).collect();
        let mut proven = Vec::new();
        for (line, number) in text.lines().zip(1_u32..) {
            let place = format!("{}:{number}", file::EVENTS);
            let event: Event = match serde_json::from_str(line) {
                Ok(event) => event,
                Err(error) => {
                    self.wrong("EVI-ALTERED", format!("{place} cannot be read: {error}"));
                    continue;
                }
            };
            let Some(proof) = proofs.remove(&event.id) else {
                self.wrong(
                    "EVI-MISSING",
                    format!("{place}: event {} has no proof, or stands twice", event.id),
                );
                continue;
            };
            let leaf = Hash::leaf(line.as_bytes());
            let index = u64::try_from(event.id).ok().and_then(|id| id.checked_sub(1));
            let included = index
                .is_some_and(|index| is_included(leaf, index, checkpoint.size, &proof.path, checkpoint.root));
            if included {
                if leaf != proof.leaf {
                    let words = format!("{}: the leaf hash of event {} was altered", file::PROOFS, event.id);
                    self.wrong("EVI-ALTERED", words);
                }
                proven.push(event);
            } else {
                let what = if leaf == proof.leaf { "its proof" } else { "it" };
                let words =
                    format!("{place}: event {} is not in the signed log: {what} was altered", event.id);
                self.checked.findings.push(Finding::at("EVI-ALTERED", event.id, words));
            }
        }
        self.checked.events = proven.len();
        proven
    }

    /// Payloads have their hashes as names, except where something was taken out; the log names each.
    fn payloads(&mut self, normalized: &HashSet<(&str, &str)>) {
        let named: HashSet<&str> = normalized.iter().map(|(_, payload)| *payload).collect();
        let mut wrong = Vec::new();
        for (path, bytes) in &self.files {
            let Some(name) = path.strip_prefix(file::PAYLOADS).and_then(|name| name.strip_prefix('/')) else {
                continue;
            };
            self.checked.payloads += 1;
            let hash = name.split('.').next().unwrap_or_default();
            if !name.ends_with(".redacted.json") && ContentHash::of(bytes).as_str() != hash {
                wrong.push(("EVI-ALTERED", format!("{path} was altered: its SHA-256 is not its name")));
            }
            if !named.contains(hash) {
                wrong.push(("EVI-UNKNOWN", format!("{path}: no event of the signed log names this payload")));
            }
        }
        wrong.into_iter().for_each(|(code, message)| self.wrong(code, message));
    }
}
