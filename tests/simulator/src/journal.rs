//! What was asked of the remotes.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::locked;

/// Malformed requests kept in words.
const UNEXPECTED_MAX: usize = 200;

/// Counts of requests, and those that no correct client makes.
#[derive(Debug, Default)]
pub struct RequestJournal {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    counts: BTreeMap<&'static str, BTreeMap<String, BTreeMap<u16, u64>>>,
    unexpected: Vec<String>,
}

impl RequestJournal {
    /// Counts a request of a remote's operation by the status it was answered with (0 for a cut connection).
    pub fn count(&self, remote: &'static str, operation: &str, status: u16) {
        let mut inner = locked(&self.inner);
        let by_status = inner.counts.entry(remote).or_default().entry(operation.to_owned()).or_default();
        *by_status.entry(status).or_default() += 1;
    }

    /// Notes a request that the remote refuses as malformed.
    pub fn unexpected(&self, what: String) {
        let mut inner = locked(&self.inner);
        if inner.unexpected.len() < UNEXPECTED_MAX {
            inner.unexpected.push(what);
        }
    }

    /// The malformed requests so far.
    pub fn all_unexpected(&self) -> Vec<String> {
        locked(&self.inner).unexpected.clone()
    }

    /// Everything as JSON.
    pub fn to_json(&self) -> Value {
        let inner = locked(&self.inner);
        let mut remotes = serde_json::Map::new();
        for (remote, operations) in &inner.counts {
            let mut all = serde_json::Map::new();
            for (operation, statuses) in operations {
                let counts: serde_json::Map<String, Value> =
                    statuses.iter().map(|(status, count)| (status.to_string(), json!(count))).collect();
                all.insert(operation.clone(), Value::Object(counts));
            }
            remotes.insert((*remote).to_owned(), Value::Object(all));
        }
        remotes.insert("unexpected".to_owned(), json!(inner.unexpected));
        Value::Object(remotes)
    }
}
