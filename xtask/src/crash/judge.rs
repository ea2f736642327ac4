//! What became of the books.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::plan;
use crate::children::get;
use crate::daemon::Daemon;
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
pub(super) fn judge(daemon: &Daemon, scenario: &Value, control: &str, posted_again: u64) -> Result<Judged> {
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
    let audit = daemon.command(&["audit", "verify"]).output()?;
    let mut wrong = demo::wrong(&outcome);
    if !audit.status.success() {
        wrong.push(format!("the audit log: {}", String::from_utf8_lossy(&audit.stdout).trim()));
    }
    Ok(Judged {
        documents: documents.into_iter().flatten().sum(),
        lost: figures("_missing"),
        doubled: figures("_doubled") + posted_again,
        unknown: outcome.report["documents"]["unknown"].as_u64().unwrap_or(u64::MAX),
        audit_verified: audit.status.success(),
        wrong,
    })
}

impl Judged {
    pub(super) fn is_right(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Prints the figures, and how often the daemon ended at each place.
    pub(super) fn show(&self, places: &[u32], kills: u32) {
        let named: u32 = places.iter().sum();
        println!("{kills} kills, {named} of them at a named place:");
        for (place, count) in plan::PLACES.iter().zip(places) {
            println!("  {place:28} {count}");
        }
        println!(
            "{} documents in Fusion, {} lost, {} doubled, {} left unknown; audit log {}",
            self.documents,
            self.lost,
            self.doubled,
            self.unknown,
            if self.audit_verified { "verified" } else { "NOT VERIFIED" }
        );
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
