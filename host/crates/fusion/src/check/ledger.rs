//! Periods and account combinations.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use ml_connector_domain::Date;
use ml_connector_domain::reach::{Need, Reached};
use serde::Deserialize;

use super::Check;
use crate::query::Query;

/// Combinations named in one finding before the rest is counted.
const NAMED_MAX: usize = 10;
const COMBINATIONS: &str = "accountCombinationsLOV";

/// `accountingPeriodStatusLOV`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Period {
    closing_status: Option<String>,
}

/// `accountCombinationsLOV`; the names of the flags are assumed, Oracle's page does not show them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Combination {
    account_combination: Option<String>,
    enabled_flag: Option<String>,
    detail_posting_allowed_flag: Option<String>,
}

/// A module, with its application id and the statuses in which it takes postings.
struct Module {
    name: &'static str,
    application: &'static str,
    takes: &'static [&'static str],
}

const MODULES: [Module; 2] = [
    Module { name: "Receivables", application: "222", takes: &["O", "F"] },
    Module { name: "General Ledger", application: "101", takes: &["O"] },
];

fn status_words(status: Option<&str>) -> &'static str {
    match status {
        Some("O") => "open",
        Some("F") => "future enterable",
        Some("C") => "closed",
        Some("P") => "permanently closed",
        Some("W") => "close pending",
        Some("N") => "never opened",
        Some(_) => "in a status that is not known",
        None => "not known to Fusion under this name",
    }
}

impl Check<'_> {
    pub(super) async fn ledger(&mut self, today: Date) {
        for module in &MODULES {
            let open = self.period(module, today, true).await;
            if open {
                let before = today.first_of_month().saturating_sub(1.day());
                self.period(module, before, false).await;
            }
        }
    }

    /// Asks whether the period of a date takes postings; says so, as a hindrance if it is the `current` one.
    async fn period(&mut self, module: &Module, date: Date, current: bool) -> bool {
        let (setup, name) = (self.setup, self.setup.period_of(date));
        let query = Query::by("PeriodNameId").number("LedgerId", &setup.ledger_id);
        let query = query.and_then(|query| query.is("PeriodNameId", &name));
        // Without the application any module's row may come.
        let query = query.and_then(|query| query.number("ApplicationId", module.application));
        let Some(rows) = self.rows::<Period>("accountingPeriodStatusLOV", query).await else { return false };
        let status = rows.first().and_then(|period| period.closing_status.as_deref());
        if status.is_some_and(|status| module.takes.contains(&status)) {
            self.report.right(format!("period {name} is open in {}", module.name));
            return true;
        }
        let message = format!("period {name} is {} in {}", status_words(status), module.name);
        match (current, status) {
            (true, None) => self.report.missing(
                "FUS-CHECK-PERIOD",
                message,
                "write ledger.period_name as the calendar names its periods, e.g. \"%b-%y\" for Sep-26; check ledger.ledger_id",
            ),
            (true, Some(_)) => {
                let remedy = format!("open it in {}: nothing can be dated in this month before", module.name);
                self.report.missing("FUS-CHECK-PERIOD", message, remedy);
            }
            (false, _) => self.report.note(
                "FUS-CHECK-PERIOD-BEFORE",
                message,
                "what is still to be dated in last month waits for a person, or is moved (ledger.closed_period)",
            ),
        }
        false
    }

    pub(super) async fn combinations(&mut self, wanted: &BTreeMap<String, Reached>) {
        let (mut held, mut possible) = (Vec::new(), Vec::new());
        let mut seen = None;
        for (combination, reached) in wanted {
            let query = Query::by("_CODE_COMBINATION_ID").is("AccountCombination", combination);
            let Some(rows) = self.rows::<Combination>(COMBINATIONS, query).await else {
                if self.closed.contains(COMBINATIONS) {
                    return;
                }
                continue;
            };
            let Some(words) = wrong(rows.first()) else {
                seen = seen.or(Some(combination));
                continue;
            };
            let said = format!("{combination} {words} ({})", reached.place);
            match reached.need {
                Need::Certain => held.push(said),
                Need::Possible => possible.push(said),
            }
        }
        let own = wanted.keys().next().map(String::as_str).unwrap_or_default();
        if seen.is_none() && self.shape(own).await {
            return;
        }
        self.segments(own);
        let right = wanted.len() - held.len() - possible.len();
        self.report.right(format!("{right} of {} account combinations", wanted.len()));
        for said in &held {
            let remedy = "enable it for detail posting in Fusion, or correct the catalog or ledger.accounts: nothing is posted to another account";
            self.report.missing("FUS-CHECK-ACCOUNT", format!("account combination {said}"), remedy);
        }
        if !possible.is_empty() {
            let named: Vec<&str> = possible.iter().take(NAMED_MAX).map(String::as_str).collect();
            let rest = possible.len().saturating_sub(NAMED_MAX);
            let rest = if rest == 0 { String::new() } else { format!(" and {rest} more") };
            self.report.note(
                "FUS-CHECK-ACCOUNT-POSSIBLE",
                format!("combinations that a mapper may lead to: {}{rest}", named.join(", ")),
                "enable those that the mapper needs: what it leads to and Fusion does not have waits for a person",
            );
        }
    }

    /// None of ours is there: perhaps they are not written as Fusion writes them. Says whether that is so.
    async fn shape(&mut self, own: &str) -> bool {
        let any = Ok(Query::by("_CODE_COMBINATION_ID"));
        let rows = self.rows::<Combination>(COMBINATIONS, any).await.unwrap_or_default();
        let Some(real) = rows.iter().find_map(|row| row.account_combination.as_deref()) else { return false };
        let delimiter = &self.setup.combination.delimiter;
        let (ours, theirs) = (self.setup.segments(own).len(), self.setup.segments(real).len());
        if ours == theirs {
            return false;
        }
        self.report.missing(
            "FUS-CHECK-SEGMENTS",
            format!(
                "Fusion writes combinations like `{real}`: parted by `{delimiter}` that is {theirs} segments; ledger.combination leads to `{own}`, {ours} segments"
            ),
            "write ledger.combination.delimiter and template as the chart of accounts has its segments",
        );
        true
    }

    /// The template has as many segments as the chart is said to have.
    fn segments(&mut self, own: &str) {
        let Some(chart) = &self.setup.chart_of_accounts else { return };
        let (named, written) = (chart.segments.len(), self.setup.segments(own).len());
        if named != written {
            self.report.missing(
                "FUS-CHECK-SEGMENTS",
                format!("ledger.chart_of_accounts names {named} segments, ledger.combination writes {written}: `{own}`"),
                "write the same segments into both",
            );
        }
    }
}

/// What is wrong with a combination; `None` if nothing is.
fn wrong(row: Option<&Combination>) -> Option<&'static str> {
    let Some(row) = row else { return Some("does not exist") };
    let no = |flag: Option<&String>| flag.is_some_and(|flag| flag != "Y");
    match (no(row.enabled_flag.as_ref()), no(row.detail_posting_allowed_flag.as_ref())) {
        (true, _) => Some("is disabled"),
        (_, true) => Some("allows no detail posting"),
        _ => None,
    }
}
