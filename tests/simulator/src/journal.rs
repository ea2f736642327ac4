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
    /// When each seller's orders were searched, first and last, and the longest and shortest time between two.
    searched: BTreeMap<usize, Searched>,
}

/// How regularly something was asked, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Searched {
    first: i64,
    last: i64,
    longest: i64,
    shortest: i64,
    count: u64,
}

impl RequestJournal {
    /// Counts a request of a remote's operation by the status it was answered with (0 for a cut connection).
    pub fn count(&self, remote: &'static str, operation: &str, status: u16) {
        let mut inner = locked(&self.inner);
        let by_status = inner.counts.entry(remote).or_default().entry(operation.to_owned()).or_default();
        *by_status.entry(status).or_default() += 1;
    }

    /// Notes when a seller's orders were searched.
    pub fn searched(&self, operation: &str, now: i64, seller: Option<usize>) {
        let (Some(seller), "searchOrders") = (seller, operation) else { return };
        let new = Searched { first: now, last: now, longest: 0, shortest: i64::MAX, count: 0 };
        let mut inner = locked(&self.inner);
        let searched = inner.searched.entry(seller).or_insert(new);
        if searched.count > 0 {
            searched.longest = searched.longest.max(now - searched.last);
            searched.shortest = searched.shortest.min(now - searched.last);
        }
        searched.last = now;
        searched.count += 1;
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
        let all = || inner.searched.values().filter(|searched| searched.count > 1);
        remotes.insert(
            "searches".to_owned(),
            json!({
                "sellers": inner.searched.len(),
                "first": all().map(|s| s.first).min(), "last": all().map(|s| s.last).max(),
                "fewest": all().map(|s| s.count).min(), "most": all().map(|s| s.count).max(),
                "longest_ms": all().map(|s| s.longest).max(), "shortest_ms": all().map(|s| s.shortest).min(),
            }),
        );
        remotes.insert("unexpected".to_owned(), json!(inner.unexpected));
        Value::Object(remotes)
    }
}
