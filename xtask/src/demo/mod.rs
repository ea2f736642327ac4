//! `cargo xtask demo`: a month of a seller's business, from Amazon to a reconciled ledger, against the simulator.

mod show;
pub(crate) mod year;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::children::{Child, get};
use crate::config::{self, Setup};
use crate::daemon::{Daemon, World, fresh_folder, simulator};
use crate::{plugins, process, test};

/// What the demo is made of.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Twelve months of three sellers, one each in NA, EU and FE, with every kind of transaction; the tie-outs of each
    /// month and the trial balance are judged, too
    #[arg(long)]
    year: bool,
    /// Days on which orders are placed [default: 30; of the year 365]
    #[arg(long)]
    days: Option<u32>,
    /// Orders a day and seller [default: 20]
    #[arg(long, default_value_t = 20)]
    orders_per_day: u32,
    /// Sellers [default: 1; of the year 3]
    #[arg(long)]
    sellers: Option<u32>,
    /// Everything follows from it
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
    /// Leave the simulator and the daemon running, and say where
    #[arg(long)]
    keep: bool,
}

/// A month passes in seconds: every poll costs as much as in production, so there are fewer.
const CADENCE: &str = "orders_minutes = 120\ntransactions_minutes = 360\ngroups_minutes = 720\n\
    payouts_minutes = 1440\nreports_minutes = 1440\nreconcile_minutes = 1440\nwatch_minutes = 720\n";

impl Options {
    fn world(&self) -> World {
        let (days, sellers) = if self.year { (365, 3) } else { (30, 1) };
        World {
            seed: self.seed,
            sellers: self.sellers.unwrap_or(sellers),
            days: self.days.unwrap_or(days),
            orders_per_day: self.orders_per_day,
            year: self.year,
            speed: 0,
        }
    }
}

/// Runs it.
///
/// # Errors
/// Something does not start, or the books are not what the simulator says they should be.
pub(crate) fn run(options: &Options) -> Result<()> {
    eprintln!("building (the first time takes minutes)");
    plugins::build(&["standard".to_owned()])?;
    let binaries = test::binaries()?;
    let components = plugins::components_dir(&process::folders()?);
    let started = Instant::now();
    let folder = fresh_folder("demo")?;
    let (simulator, urls) = simulator(&binaries, options.world(), &folder)?;
    let control = urls["control"].as_str().context("the simulator names no control port")?.to_owned();
    let scenario = get(&format!("{control}/control/scenario"))?;
    let mapper = components.join("standard.component.wasm");
    let cadence = if options.year { year::CADENCE } else { CADENCE };
    let setup = Setup { mapper: &mapper, start_from: &scenario["start"], cadence, regions: 3 };
    let config = config::write(&scenario, &urls, &folder, &setup)?;
    let daemon = Daemon { binary: binaries.join("ml-connector"), config };
    daemon.answer(&["credentials", "import"])?;
    serve(&daemon, &scenario, &control, &folder)?;
    let posted = posts(&get(&format!("{control}/control/requests"))?);
    // Once more over the same books: whatever it posts would be doubled.
    serve(&daemon, &scenario, &control, &folder)?;
    let requests = get(&format!("{control}/control/requests"))?;
    let outcome = Outcome {
        posted_again: posts(&requests).saturating_sub(posted),
        report: serde_json::from_str(&daemon.answer(&["report", "--json"])?)?,
        review: serde_json::from_str(&daemon.answer(&["review", "--json"])?)?,
        story: daemon.answer(&["explain"])?,
        truth: get(&format!("{control}/control/truth?summary=true"))?,
        requests,
        tie_outs: if options.year { year::tie_outs(&daemon, &scenario)? } else { year::TieOuts::default() },
        seconds: started.elapsed().as_secs_f64(),
    };
    if !options.json {
        show::tables(&outcome);
    }
    if options.keep {
        keep(simulator, &urls, &daemon, &folder)?;
    } else {
        drop(simulator);
        std::fs::remove_dir_all(&folder)?;
    }
    if options.json {
        println!("{}", summary(options, &outcome));
    }
    verdict(&outcome)
}

/// What a run brought.
pub(crate) struct Outcome {
    pub(crate) report: Value,
    pub(crate) review: Value,
    pub(crate) story: String,
    pub(crate) truth: Value,
    pub(crate) requests: Value,
    /// What a second run over the same database posted.
    pub(crate) posted_again: u64,
    /// What the daemon says of each month; nothing of a run that is no year.
    pub(crate) tie_outs: year::TieOuts,
    pub(crate) seconds: f64,
}

/// How often anything was posted to Fusion, whatever came of it.
pub(crate) fn posts(requests: &Value) -> u64 {
    let operations = requests["fusion"].as_object().into_iter().flatten();
    let posts = operations.filter(|(name, _)| name.starts_with("POST "));
    posts
        .flat_map(|(_, by_status)| by_status.as_object())
        .flat_map(|all| all.values())
        .filter_map(Value::as_u64)
        .sum()
}

/// Runs the daemon until the scenario has come to rest, with a bar for the days that pass.
fn serve(daemon: &Daemon, scenario: &Value, control: &str, folder: &Path) -> Result<()> {
    let end = scenario["end"].as_str().context("the scenario has no end")?;
    let log = std::fs::File::options().create(true).append(true).open(folder.join("daemon.log"))?;
    let mut child = Child::spawn(daemon.command(&["serve", "--until", end]).stderr(log))?;
    let total = days(scenario["start"].as_str(), Some(end));
    let style = "{bar:40} day {pos} of {len}  {elapsed} {msg}";
    let bar = ProgressBar::new(total).with_style(ProgressStyle::with_template(style)?);
    loop {
        let clock = get(&format!("{control}/control/clock"))?;
        let passed = days(scenario["start"].as_str(), clock["now"].as_str());
        bar.set_position(passed.min(total));
        if passed >= total {
            bar.set_message("reading everything back from Fusion");
        }
        if let Some(status) = child.wait_for(Duration::from_millis(200))? {
            bar.finish_and_clear();
            if status.success() {
                return Ok(());
            }
            let log = std::fs::read_to_string(folder.join("daemon.log"))?;
            let last: Vec<&str> = log.lines().rev().take(20).collect();
            bail!(
                "the daemon ended with {status}:\n{}",
                last.into_iter().rev().collect::<Vec<_>>().join("\n")
            );
        }
    }
}

/// Whole days between two times, by their dates.
fn days(from: Option<&str>, to: Option<&str>) -> u64 {
    let number = |text: Option<&str>| text.and_then(day_number).unwrap_or(0);
    u64::try_from(number(to) - number(from)).unwrap_or(0)
}

/// The day of a date by the civil calendar, counted from a fixed one.
fn day_number(text: &str) -> Option<i64> {
    let mut parts = text.get(..10)?.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    Some(365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day)
}

fn summary(options: &Options, outcome: &Outcome) -> Value {
    let report = &outcome.report;
    let pick = |group: &str, names: &[&str]| -> Value {
        names
            .iter()
            .map(|name| ((*name).to_owned(), report[group][*name].clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let verdict = &outcome.truth["verdict"];
    let mut summary = json!({
        "seed": options.seed,
        "days": options.world().days,
        "orders": pick("orders", &["read", "invoiceable", "invoiced", "review", "skipped"]),
        "transactions": pick("transactions", &["read", "journaled", "review"]),
        "documents": pick("documents", &["invoices", "credit_memos", "journals", "unknown"]),
        "reconciliation": pick("reconciliation", &["checks", "differences"]),
        "audit": pick("audit", &["events"]),
        "truth": {
            "invoices_missing": verdict["invoices_missing"],
            "invoices_doubled": verdict["invoices_doubled"],
            "amount_differences": verdict["amount_differences"],
        },
        "seconds": (outcome.seconds * 10.0).round() / 10.0,
    });
    if options.year {
        summary["tie_outs"] = outcome.tie_outs.differences();
        summary["trial_balance_difference"] = outcome.truth["trial_balance"]["difference"].clone();
        summary["review_not_planted"] = json!(year::not_planted(outcome).len());
        summary["planted_not_in_review"] = json!(year::not_in_review(outcome).len());
    }
    summary
}

/// What is not as it should be.
pub(crate) fn wrong(outcome: &Outcome) -> Vec<String> {
    let mut wrong: Vec<String> = Vec::new();
    for (name, figure) in outcome.truth["verdict"].as_object().into_iter().flatten() {
        if figure.as_u64().is_some_and(|count| count != 0) {
            wrong.push(format!("{name}: {figure}"));
        }
    }
    for (group, name) in [
        ("reconciliation", "differences"),
        ("documents", "unknown"),
        ("documents", "rejected"),
        ("documents", "under_way"),
        ("orders", "waiting"),
    ] {
        if outcome.report[group][name].as_u64() != Some(0) {
            wrong.push(format!("{group}.{name}: {}", outcome.report[group][name]));
        }
    }
    wrong.extend(year::wrong(outcome));
    if outcome.posted_again != 0 {
        wrong.push(format!("a second run posted {} times", outcome.posted_again));
    }
    if let Some(first) = outcome.requests["unexpected"].as_array().and_then(|all| all.first()) {
        wrong.push(format!("the simulator was asked something malformed: {first}"));
    }
    wrong
}

/// Fails if the books are not what they should be.
fn verdict(outcome: &Outcome) -> Result<()> {
    let wrong = wrong(outcome);
    if wrong.is_empty() {
        return Ok(());
    }
    let details = outcome.truth["verdict"]["details"].as_array().cloned().unwrap_or_default();
    let details: Vec<String> = details.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    bail!("the books are not what they should be:\n{}\n{}", wrong.join("\n"), details.join("\n"))
}

/// Starts the daemon again, at a pace that can be watched, and leaves everything to the user.
fn keep(simulator: Child, urls: &Value, daemon: &Daemon, folder: &Path) -> Result<()> {
    config::slow_down(&daemon.config)?;
    let log = std::fs::File::options().append(true).open(folder.join("daemon.log"))?;
    let mut command = daemon.command(&["serve"]);
    let served = Child::spawn(command.stdout(Stdio::null()).stderr(log))?.leave();
    let simulated = simulator.leave();
    let lines = [
        format!("folder     {}", folder.display()),
        format!("daemon     process {served}, log {}", folder.join("daemon.log").display()),
        format!("simulator  process {simulated}, addresses {urls}"),
        format!("look       {} --config {} report", daemon.binary.display(), daemon.config.display()),
        format!("stop       kill {served} {simulated}"),
    ];
    // The last line of standard output may be the summary.
    eprintln!("left running:\n{}", lines.join("\n"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_month_and_leap_edges() {
        let count = |from, to| days(Some(from), Some(to));
        assert_eq!(count("2026-09-01T00:00:00Z", "2026-11-10T05:00:00Z"), 70);
        assert_eq!(count("2028-02-28", "2028-03-01"), 2);
        assert_eq!(count("2026-12-31", "2027-01-01"), 1);
    }

    #[test]
    fn posts_are_counted_whatever_came_of_them() {
        let requests = json!({"fusion": {
            "POST receivablesInvoices": {"201": 5, "0": 1}, "GET receivablesInvoices": {"200": 9},
            "POST erpintegrations": {"201": 2},
        }});
        assert_eq!(posts(&requests), 8);
    }

    #[test]
    fn the_verdict_names_what_is_wrong() {
        let outcome = |missing: u64| Outcome {
            report: json!({
                "reconciliation": {"differences": 0}, "orders": {"waiting": 0},
                "documents": {"unknown": 0, "rejected": 0, "under_way": 0},
            }),
            review: json!({}),
            story: String::new(),
            truth: json!({"verdict": {"invoices_missing": missing, "details": ["order 1 is not invoiced"]}}),
            requests: json!({"unexpected": []}),
            posted_again: 0,
            tie_outs: year::TieOuts::default(),
            seconds: 1.0,
        };
        assert!(verdict(&outcome(0)).is_ok());
        let words = verdict(&outcome(2)).expect_err("wrong").to_string();
        assert!(words.contains("invoices_missing: 2") && words.contains("order 1"), "{words}");
    }
}
