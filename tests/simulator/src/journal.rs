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
    /// When the orders of each seller and region were searched, in milliseconds.
    searches: BTreeMap<(usize, &'static str), Vec<i64>>,
    /// When the first page of a list was asked for, by operation, seller and region, in milliseconds.
    polls: BTreeMap<(&'static str, usize, &'static str), Vec<i64>>,
}

impl RequestJournal {
    /// Counts a request of a remote's operation by the status it was answered with (0 for a cut connection).
    pub fn count(&self, remote: &'static str, operation: &str, status: u16) {
        let mut inner = locked(&self.inner);
        let by_status = inner.counts.entry(remote).or_default().entry(operation.to_owned()).or_default();
        *by_status.entry(status).or_default() += 1;
    }

    /// Notes when the orders of a seller and region were searched.
    pub fn searched(&self, of: (usize, &'static str), now: i64) {
        locked(&self.inner).searches.entry(of).or_default().push(now);
    }

    /// Notes when the first page of a seller's list was asked for.
    pub fn polled(&self, operation: &'static str, (seller, region): (usize, &'static str), now: i64) {
        locked(&self.inner).polls.entry((operation, seller, region)).or_default().push(now);
    }

    /// All first pages: operation, seller, region and times.
    pub fn polls(&self) -> Value {
        let inner = locked(&self.inner);
        let rows = inner.polls.iter().map(|((operation, seller, region), times)| {
            json!({ "operation": operation, "seller": seller, "region": region, "times": times })
        });
        rows.collect()
    }

    /// All searches: seller, region and times.
    pub fn searches(&self) -> Value {
        let inner = locked(&self.inner);
        let rows = inner.searches.iter();
        rows.map(|((seller, region), times)| json!({ "seller": seller, "region": region, "times": times }))
            .collect()
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
