//! From poll to confirmed: how many documents a second, where the time goes, and what bounds it.
//!
//! The simulator's clock moves whenever every worker sleeps, so that a run's time is work, the simulator's own included, which
//! has the machine's other core. A store's bound is taken from the same run: its rows are written once more into an empty
//! database, in as many transactions, with nothing else running.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ml_connector_test_postgres::Database;
use serde_json::{Value, json};

use super::sellers;
use crate::children::{Child, get};
use crate::config::{self, Setup};
use crate::daemon::{Daemon, World, fresh_folder, simulator};
use crate::{plugins, process, test};

/// How much.
#[derive(Args)]
pub(crate) struct Options {
    /// Days on which orders are placed
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// Orders a day and seller
    #[arg(long, default_value_t = 200)]
    orders_per_day: u32,
    /// Take the development build: it is there already, and slower
    #[arg(long)]
    dev: bool,
    /// Leave out the memory of many sellers
    #[arg(long)]
    no_memory: bool,
    /// Everything follows from it
    #[arg(long, default_value_t = 11)]
    seed: u64,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// As few polls as a busy seller allows, so that what is measured are documents.
const CADENCE: &str = "orders_minutes = 240\ntransactions_minutes = 720\ngroups_minutes = 1440\n\
    payouts_minutes = 1440\nreports_minutes = 1440\nreconcile_minutes = 1440\nwatch_minutes = 1440\n";

/// Sellers whose memory is measured.
const SELLERS: [u32; 3] = [10, 100, 1_000];

/// Runs it.
///
/// # Errors
/// Something does not start, or not every document is confirmed.
pub(crate) fn run(options: &Options) -> Result<()> {
    eprintln!("building (the first time takes minutes)");
    plugins::build(&["standard".to_owned()])?;
    let binaries = if options.dev { test::binaries()? } else { test::optimised()? };
    let mapper = plugins::components_dir(&process::folders()?).join("standard.component.wasm");
    let mut rows = Vec::new();
    for store in ["sqlite", "postgres"] {
        for workers in [1, 2] {
            let Some(row) = throughput((&binaries, &mapper), options, store, workers)? else { continue };
            show(&row);
            rows.push(row);
        }
    }
    let memory = if options.no_memory { Vec::new() } else { memory(&binaries, &mapper, options)? };
    if options.json {
        println!(
            "{}",
            json!({ "build": if options.dev { "dev" } else { "release" }, "rows": rows, "memory": memory })
        );
    }
    Ok(())
}

/// One run: all that the sellers do, from poll to confirmed. Nothing where there is no PostgreSQL.
fn throughput(
    (binaries, mapper): (&Path, &Path),
    options: &Options,
    store: &str,
    workers: u32,
) -> Result<Option<Value>> {
    let folder = fresh_folder("bench-pipeline")?;
    let Options { days, orders_per_day, seed, .. } = *options;
    let world = World { seed, sellers: workers, days, orders_per_day, year: false, speed: 0 };
    let (simulator, urls) = simulator(binaries, world, &folder)?;
    let control = urls["control"].as_str().context("the simulator names no control port")?;
    let scenario = get(&format!("{control}/control/scenario"))?;
    // One region each: another would be a second worker's work.
    let setup = Setup { mapper, start_from: &scenario["start"], cadence: CADENCE, regions: 1 };
    let config = config::write(&scenario, &urls, &folder, &setup)?;
    let database = match store {
        "sqlite" => None,
        _ => {
            let Some(database) = Database::fresh() else { return Ok(None) };
            config::move_to_postgres(&config, &folder, database.url())?;
            Some(database)
        }
    };
    let daemon = Daemon { binary: binaries.join("ml-connector"), config };
    daemon.answer(&["credentials", "import"])?;
    let (seconds, spent) = served(&daemon, &scenario, &folder)?;
    let report = daemon.json(&["report", "--json"])?;
    drop(simulator);
    let source = match &database {
        None => folder.join("connector.sqlite").display().to_string(),
        Some(database) => database.url().to_owned(),
    };
    let alone = alone(options.dev, &source, &spent["apply"]["calls"])?;
    let durable = database.as_ref().is_none_or(|database| database.ask("SHOW fsync").trim() == "on");
    std::fs::remove_dir_all(&folder)?;
    let about = json!({ "store": store, "durable": durable, "workers": workers });
    Ok(Some(row(about, seconds, &report, (&spent, &alone))))
}

/// Serves until the scenario has come to rest: seconds, and where they went.
fn served(daemon: &Daemon, scenario: &Value, folder: &Path) -> Result<(f64, Value)> {
    let account = folder.join("account.json");
    let end = scenario["end"].as_str().context("the scenario has no end")?;
    let log = std::fs::File::create(folder.join("daemon.log"))?;
    let mut serve = daemon.command(&["serve", "--until", end, "--account"]);
    let started = Instant::now();
    let mut child = Child::spawn(serve.arg(&account).stderr(log))?;
    let status = loop {
        if let Some(status) = child.wait_for(Duration::from_millis(100))? {
            break status;
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    if !status.success() {
        bail!("the daemon ended with {status}: see {}", folder.join("daemon.log").display());
    }
    Ok((seconds, serde_json::from_slice(&std::fs::read(&account)?)?))
}

/// The run's rows once more, in as many transactions, with nothing else running.
fn alone(dev: bool, source: &str, transactions: &Value) -> Result<Value> {
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "-p", "ml-connector-storage", "--example", "rows_alone"]);
    if !dev {
        cargo.arg("--release");
    }
    let said = process::stdout(cargo.args(["--", source, &transactions.to_string()]))?;
    Ok(serde_json::from_str(&said)?)
}

/// Shares are of the time of all workers.
fn row(about: Value, seconds: f64, report: &Value, (spent, alone): (&Value, &Value)) -> Value {
    let workers = about["workers"].as_f64().unwrap_or(1.0);
    let share = |what: &str| {
        let of = spent[what]["seconds"].as_f64().unwrap_or(0.0);
        (of / seconds / workers * 1e3).round() / 1e3
    };
    let sql = share("apply") + share("read");
    let totals = report["totals"].as_array().into_iter().flatten();
    let documents: u64 = totals.filter_map(|total| total["documents"].as_u64()).sum();
    let bound = documents as f64 / alone["seconds"].as_f64().unwrap_or(f64::NAN);
    let mut row = about;
    for (name, value) in [
        ("documents", json!(documents)),
        ("seconds", json!(seconds)),
        ("documents_per_second", json!(documents as f64 / seconds)),
        (
            "share",
            json!({ "wasm": share("wasm"), "sql": sql, "http": share("http"),
            "rest": 1.0 - sql - share("wasm") - share("http") }),
        ),
        ("transactions", spent["apply"]["calls"].clone()),
        ("statements_read", spent["read"]["calls"].clone()),
        ("requests", spent["http"]["calls"].clone()),
        ("batches", spent["wasm"]["calls"].clone()),
        ("alone", alone.clone()),
        ("alone_documents_per_second", json!(bound)),
    ] {
        row[name] = value;
    }
    row
}

fn show(row: &Value) {
    let percent = |what: &str| 100.0 * row["share"][what].as_f64().unwrap_or(0.0);
    println!(
        "{}{}, {} worker(s): {} documents in {:.1} s, {:.0} a second; wasm {:.1} %, SQL {:.1} %, HTTP {:.1} %, the rest {:.1} %; \
         its rows alone: {:.0} documents a second",
        row["store"].as_str().unwrap_or_default(),
        if row["durable"] == true { "" } else { " without fsync" },
        row["workers"],
        row["documents"],
        row["seconds"].as_f64().unwrap_or(0.0),
        row["documents_per_second"].as_f64().unwrap_or(0.0),
        percent("wasm"),
        percent("sql"),
        percent("http"),
        percent("rest"),
        row["alone_documents_per_second"].as_f64().unwrap_or(0.0),
    );
}

/// What a process holds at the most while it serves so many sellers for a day.
fn memory(binaries: &Path, mapper: &Path, options: &Options) -> Result<Vec<Value>> {
    let mut rows: Vec<Value> = Vec::new();
    for count in SELLERS {
        let of = sellers::Options { sellers: count, orders_per_day: 4, seed: options.seed, json: false };
        let (held, ..) = sellers::a_day(binaries, mapper, &of)?;
        let before = rows.last().map(|row| (row["sellers"].as_u64(), row["memory_kib"].as_u64()));
        let each = before.and_then(|(sellers, kib)| {
            Some((held.memory_kib.saturating_sub(kib?)) as f64 / (u64::from(count) - sellers?) as f64)
        });
        println!(
            "{count} sellers: {} MiB at the most{}",
            held.memory_kib / 1_024,
            each.map_or(String::new(), |kib| format!(", {kib:.1} KiB for each more"))
        );
        rows.push(json!({ "sellers": count, "memory_kib": held.memory_kib, "kib_each_more": each }));
    }
    Ok(rows)
}
