//! What became of the books.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::plan;
use super::slot::{Ground, Slot};
use crate::children::get;
use crate::demo::{self, Outcome, year};

/// A verdict.
pub(super) struct Judged {
    documents: u64,
    lost: u64,
    doubled: u64,
    unknown: u64,
    audit_verified: bool,
    /// Whatever is not as the demo's year should be, the above included.
    wrong: Vec<String>,
}

/// Reads everything back and compares.
pub(super) fn judge(ground: &Ground, slots: &[Slot], scenario: &Value, posted_again: u64) -> Result<Judged> {
    let Ground { daemon, control, .. } = ground;
    let outcome = Outcome {
        posted_again,
        report: daemon.json(&["report", "--json"])?,
        review: daemon.json(&["review", "--json"])?,
        story: String::new(),
        truth: get(&format!("{control}/control/truth?summary=true"))?,
        requests: get(&format!("{control}/control/requests"))?,
        tie_outs: year::tie_outs(daemon, scenario)?,
        seconds: 0.0,
    };
    let figures = |ending: &str| -> u64 {
        let all = outcome.truth["verdict"].as_object().into_iter().flatten();
        all.filter(|(name, _)| name.ends_with(ending)).filter_map(|(_, figure)| figure.as_u64()).sum()
    };
    let fusion = &outcome.truth["fusion"];
    let documents = ["invoices", "credit_memos", "journal_batches"].map(|kind| fusion[kind].as_u64());
    let mut wrong = demo::wrong(&outcome);
    let mut audit_verified = true;
    // By the checkpoints of every daemon, and of the one that was alone at the end.
    for slot in slots.iter().chain([&Slot::alone(ground)]) {
        if let Some(words) = slot.wrong_in_the_log()? {
            audit_verified = false;
            wrong.push(format!("the audit log: {words}"));
        }
    }
    Ok(Judged {
        documents: documents.into_iter().flatten().sum(),
        lost: figures("_missing"),
        doubled: figures("_doubled") + posted_again,
        unknown: outcome.report["documents"]["unknown"].as_u64().unwrap_or(u64::MAX),
        audit_verified,
        wrong,
    })
}

impl Judged {
    pub(super) fn is_right(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Prints the figures, what the daemons lived through, and how often they ended at each place.
    pub(super) fn show(&self, ground: &Ground, slots: &[Slot], kills: u32) -> Result<()> {
        let at = |place: usize| ground.places[place].load(Ordering::Relaxed);
        let named: u32 = (0..plan::PLACES.len()).map(at).sum();
        println!("{kills} kills, {named} of them at a named place:");
        for (place, name) in plan::PLACES.iter().enumerate() {
            println!("  {name:28} {}", at(place));
        }
        let mut faults = BTreeMap::<&str, u32>::new();
        for (name, count) in slots.iter().flat_map(|slot| &slot.faults) {
            *faults.entry(name).or_default() += count;
        }
        for (name, count) in faults {
            println!("  {name}: {count} times");
        }
        let fenced = slots.iter().map(Slot::fenced).sum::<Result<usize>>()?;
        if slots.len() > 1 {
            println!("  refused for a lease that had passed on: {fenced} times");
        }
        println!(
            "{} documents in Fusion, {} lost, {} doubled, {} left unknown; audit log {}",
            self.documents,
            self.lost,
            self.doubled,
            self.unknown,
            if self.audit_verified { "verified" } else { "NOT VERIFIED" }
        );
        Ok(())
    }

    pub(super) fn json(&self, kills: u32, took: Duration) -> Value {
        json!({
            "kills": kills, "documents": self.documents, "lost": self.lost, "doubled": self.doubled,
            "unknown": self.unknown, "audit_verified": self.audit_verified,
            "seconds": (took.as_secs_f64() * 10.0).round() / 10.0,
        })
    }

    pub(super) fn verdict(&self) -> Result<()> {
        if self.is_right() {
            return Ok(());
        }
        bail!("the books are not what they should be:\n{}", self.wrong.join("\n"))
    }
}
