//! What a year is judged by besides: the seven tie-outs of each month, the trial balance, and what waits for a person.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Outcome;
use super::show::{table, text};
use crate::daemon::Daemon;

/// A year passes in minutes; every poll costs as much as in production.
pub(crate) const CADENCE: &str = "orders_minutes = 480\ntransactions_minutes = 720\ngroups_minutes = 1440\n\
    payouts_minutes = 2880\nreports_minutes = 2880\nreconcile_minutes = 10080\nwatch_minutes = 1440\n";

const IDS: [&str; 7] = ["T1", "T2", "T3", "T4", "T5", "T6", "T7"];

/// What the daemon says of each month.
#[derive(Default)]
pub(crate) struct TieOuts {
    /// By month, each as `reconcile --period` prints it.
    months: BTreeMap<String, Value>,
    /// Why nothing is said.
    silent: Option<String>,
}

impl TieOuts {
    fn sum(&self, id: &str, figure: &str) -> Option<u64> {
        let all = self.of(id);
        (!all.is_empty()).then(|| all.iter().filter_map(|one| one[figure].as_u64()).sum())
    }

    /// A tie-out of every month.
    fn of(&self, id: &str) -> Vec<&Value> {
        let all = self.months.values().filter_map(|month| month["tie_outs"].as_array()).flatten();
        all.filter(|one| one["id"] == id).collect()
    }

    /// The differences by tie-out; null for one that was not made.
    pub(super) fn differences(&self) -> Value {
        IDS.iter().map(|id| ((*id).to_owned(), json!(self.sum(id, "differences")))).collect()
    }
}

/// Asks for the tie-outs of every month from the scenario's first to the one that is over before its end.
///
/// # Errors
/// The scenario says no times.
pub(crate) fn tie_outs(daemon: &Daemon, scenario: &Value) -> Result<TieOuts> {
    let (start, end) = (scenario["start"].as_str(), scenario["end"].as_str());
    let (start, end) = start.zip(end).context("the scenario has no times")?;
    let mut said = TieOuts::default();
    for month in months(start, end) {
        match daemon.finding(&["reconcile", "--period", &month, "--json"]) {
            Ok(object) => _ = said.months.insert(month, object),
            Err(error) => {
                said.silent = Some(format!("{month}: {error}"));
                break;
            }
        }
    }
    Ok(said)
}

/// The months from a time's to the last one that is over at another.
fn months(from: &str, to: &str) -> Vec<String> {
    let read = |text: &str| -> Option<(i64, i64)> {
        Some((text.get(..4)?.parse().ok()?, text.get(5..7)?.parse().ok()?))
    };
    let (Some(from), Some(to)) = (read(from), read(to)) else { return Vec::new() };
    let number = |(year, month): (i64, i64)| 12 * year + month - 1;
    (number(from)..number(to)).map(|n| format!("{:04}-{:02}", n / 12, n % 12 + 1)).collect()
}

/// What a review item is about.
type Item = (String, String, String);

fn items(list: &Value) -> BTreeSet<Item> {
    let word = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let all = list.as_array().into_iter().flatten();
    all.map(|item| (word(item, "seller"), word(item, "kind"), word(item, "subject"))).collect()
}

/// What waits for a person and was not planted.
pub(super) fn not_planted(outcome: &Outcome) -> Vec<Item> {
    let (open, planted) = (items(&outcome.review["items"]), items(&outcome.truth["planted"]));
    open.difference(&planted).cloned().collect()
}

/// What was planted and waits for nobody.
pub(super) fn not_in_review(outcome: &Outcome) -> Vec<Item> {
    let (open, planted) = (items(&outcome.review["items"]), items(&outcome.truth["planted"]));
    planted.difference(&open).cloned().collect()
}

/// What is not as it should be; nothing for a run that is no year.
pub(super) fn wrong(outcome: &Outcome) -> Vec<String> {
    if outcome.truth["trial_balance"].is_null() {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    let difference = &outcome.truth["trial_balance"]["difference"];
    if difference.as_u64() != Some(0) {
        wrong.push(format!("trial balance: {difference} minor units"));
        let details = outcome.truth["trial_balance"]["details"].as_array().into_iter().flatten();
        wrong.extend(details.take(12).map(|detail| format!("  {}", text(detail))));
    }
    for id in IDS {
        match outcome.tie_outs.sum(id, "differences") {
            Some(0) => {}
            Some(count) => {
                wrong.push(format!("{id}: {count} differences"));
                let found = outcome.tie_outs.of(id).into_iter().filter_map(|one| one["findings"].as_array());
                wrong.extend(found.flatten().take(5).map(|finding| format!("  {finding}")));
            }
            None => {
                let why = outcome.tie_outs.silent.as_deref().unwrap_or("it was not made");
                wrong.push(format!("{id}: {why}"));
            }
        }
    }
    let listed = |what: &str, items: Vec<Item>| {
        let first = items.first().cloned();
        first.map(|first| format!("{what}: {} items, such as {first:?}", items.len()))
    };
    wrong.extend(listed("in review but not planted", not_planted(outcome)));
    wrong.extend(listed("planted but not in review", not_in_review(outcome)));
    wrong
}

/// Prints the tie-outs by month and what the whole comes to.
pub(super) fn tables(outcome: &Outcome) {
    let balance = &outcome.truth["trial_balance"];
    if balance.is_null() {
        return;
    }
    let row = |id: &&str| {
        let name = outcome.tie_outs.of(id).first().map(|one| text(&one["name"])).unwrap_or_default();
        let figure = |name| outcome.tie_outs.sum(id, name).map_or("not made".to_owned(), |n| n.to_string());
        let open: usize =
            outcome.tie_outs.of(id).iter().filter_map(|one| one["open_items"].as_array()).map(Vec::len).sum();
        vec![(*id).to_owned(), name, figure("checks"), figure("differences"), open.to_string()]
    };
    let header = ["", "tie-out", "checks", "differences", "open items"];
    table("The seven tie-outs, over all months", &header, IDS.iter().map(row).collect());
    let planted = items(&outcome.truth["planted"]).len();
    let rows = vec![
        vec!["balances compared".to_owned(), text(&balance["rows"])],
        vec!["balances compared in the ledgers' currencies".to_owned(), text(&balance["ledger_rows"])],
        vec!["difference in minor units".to_owned(), text(&balance["difference"])],
        vec!["planted for a person".to_owned(), planted.to_string()],
        vec!["in review but not planted".to_owned(), not_planted(outcome).len().to_string()],
        vec!["planted but not in review".to_owned(), not_in_review(outcome).len().to_string()],
    ];
    table("Trial balance against the simulator's own books", &["", "count"], rows);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(differences: u64) -> Value {
        let one = |id: &&str| json!({ "id": id, "checks": 3, "differences": differences, "open_items": [] });
        json!({ "tie_outs": IDS.iter().map(one).collect::<Vec<_>>() })
    }

    fn outcome(differences: u64, balance: u64, open: &[&str]) -> Outcome {
        let item = |subject: &str| json!({ "seller": "A1", "kind": "order", "subject": subject });
        let months = [("2026-01".to_owned(), month(0)), ("2026-02".to_owned(), month(differences))];
        Outcome {
            report: json!({}),
            review: json!({ "items": open.iter().map(|subject| item(subject)).collect::<Vec<_>>() }),
            story: String::new(),
            truth: json!({
                "trial_balance": { "difference": balance, "rows": 4, "details": ["a detail"] },
                "planted": [item("1"), item("2")],
            }),
            requests: json!({}),
            posted_again: 0,
            tie_outs: TieOuts { months: months.into(), silent: None },
            seconds: 1.0,
        }
    }

    #[test]
    fn a_year_is_right_if_everything_ties_out_and_review_holds_what_was_planted() {
        assert_eq!(wrong(&outcome(0, 0, &["1", "2"])), Vec::<String>::new());
        assert!(wrong(&outcome(0, 0, &["1"])).iter().any(|words| words.contains("not in review")));
        assert!(wrong(&outcome(0, 0, &["1", "2", "3"])).iter().any(|words| words.contains("not planted")));
        assert!(wrong(&outcome(0, 9, &["1", "2"])).iter().any(|words| words.contains("9 minor units")));
        assert!(wrong(&outcome(2, 0, &["1", "2"])).contains(&"T4: 2 differences".to_owned()));
    }

    #[test]
    fn tie_outs_that_were_not_made_are_null_and_wrong() {
        let mut silent = outcome(0, 0, &["1", "2"]);
        silent.tie_outs = TieOuts { silent: Some("no such command".to_owned()), ..TieOuts::default() };
        assert_eq!(silent.tie_outs.differences()["T3"], Value::Null);
        assert_eq!(wrong(&silent).len(), 7);
    }

    #[test]
    fn months_that_are_over_are_asked_for() {
        assert_eq!(months("2026-11-02T00:00:00Z", "2027-02-01T00:00:00Z"), ["2026-11", "2026-12", "2027-01"]);
    }
}
