//! Many sellers in one process. Work takes no simulated time, so beside the cadences it matters how much of the
//! machine's time a simulated day takes, and what the process holds meanwhile.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::children::{Child, get};
use crate::config::{self, Setup};
use crate::daemon::{Daemon, World, fresh_folder, simulator};
use crate::{plugins, process, test};

/// The daemon's own cadences in seconds, by the operation that is called.
const CADENCES: [(&str, i64); 5] = [
    ("searchOrders", 15 * 60),
    ("listTransactions", 15 * 60),
    ("listFinancialEventGroups", 3_600),
    ("listPayouts", 6 * 3_600),
    ("getReports", 6 * 3_600),
];

const DAY: i64 = 86_400;

/// How many, and how busy.
#[derive(Args)]
pub(crate) struct Options {
    /// Sellers, each in one region
    #[arg(long, default_value_t = 1_000)]
    pub(super) sellers: u32,
    /// Orders a day and seller
    #[arg(long, default_value_t = 4)]
    pub(super) orders_per_day: u32,
    /// Everything follows from it
    #[arg(long, default_value_t = 5)]
    pub(super) seed: u64,
    /// Print one JSON object as the last line
    #[arg(long)]
    pub(super) json: bool,
}

/// The most that a process held.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Held {
    pub(super) memory_kib: u64,
    sockets: usize,
    files: usize,
}

/// Runs it.
///
/// # Errors
/// Something does not start, a seller is not polled, or a cadence is off by more than a tenth.
pub(crate) fn run(options: &Options) -> Result<()> {
    eprintln!("building (the first time takes minutes)");
    plugins::build(&["standard".to_owned()])?;
    let binaries = test::binaries()?;
    let mapper = plugins::components_dir(&process::folders()?).join("standard.component.wasm");
    let started = Instant::now();
    let (held, polls, requests) = a_day(&binaries, &mapper, options)?;
    let took = started.elapsed();
    let figures = figures(options, &polls, &requests, held, took);
    println!(
        "{} sellers for a simulated day in {:.0} s: {} MiB at the most, {} sockets, {} open files",
        figures["sellers"],
        took.as_secs_f64(),
        held.memory_kib / 1_024,
        held.sockets,
        held.files
    );
    for row in figures["streams"].as_array().into_iter().flatten() {
        println!(
            "{}: every {} to {} s, meant are {}; {} sellers, {} polls of each or more",
            row["operation"].as_str().unwrap_or_default(),
            row["shortest_s"],
            row["longest_s"],
            row["cadence_s"],
            row["sellers"],
            row["fewest_polls"]
        );
    }
    println!("{} calls, {} refused with 429", figures["calls"], figures["throttled"]);
    if options.json {
        println!("{figures}");
    }
    verdict(options, &figures)
}

/// Serves sellers for a simulated day; what the daemon held, and what the simulator was asked.
pub(super) fn a_day(binaries: &Path, mapper: &Path, options: &Options) -> Result<(Held, Value, Value)> {
    let folder = fresh_folder("bench-sellers")?;
    let Options { sellers, orders_per_day, seed, .. } = *options;
    let world = World { seed, sellers, days: 1, orders_per_day, year: false, speed: 0 };
    let (_simulator, urls) = simulator(binaries, world, &folder)?;
    let control = urls["control"].as_str().context("the simulator names no control port")?.to_owned();
    let scenario = get(&format!("{control}/control/scenario"))?;
    let setup = Setup { mapper, start_from: &scenario["start"], cadence: "", regions: 1 };
    let config = config::write(&scenario, &urls, &folder, &setup)?;
    let daemon = Daemon { binary: binaries.join("ml-connector"), config };
    daemon.answer(&["credentials", "import"])?;
    let held = day(&daemon, &control, scenario["start"].as_str().context("no start")?, &folder)?;
    let polls = get(&format!("{control}/control/polls"))?;
    let requests = get(&format!("{control}/control/requests"))?;
    std::fs::remove_dir_all(&folder)?;
    Ok((held, polls, requests))
}

/// Lets a day pass and watches what the daemon holds.
fn day(daemon: &Daemon, control: &str, start: &str, folder: &Path) -> Result<Held> {
    let begins: jiff::Timestamp = start.parse()?;
    let end = begins.checked_add(jiff::SignedDuration::from_hours(24))?;
    let log = std::fs::File::create(folder.join("daemon.log"))?;
    let mut child = Child::spawn(daemon.command(&["serve", "--until", &end.to_string()]).stderr(log))?;
    let bar = ProgressBar::new(24 * 60);
    bar.set_style(ProgressStyle::with_template("{bar:40} minute {pos} of {len}  {elapsed}")?);
    let mut held = Held::default();
    loop {
        let now: jiff::Timestamp =
            get(&format!("{control}/control/clock"))?["now"].as_str().context("no time")?.parse()?;
        bar.set_position(u64::try_from(now.duration_since(begins).as_mins()).unwrap_or(0));
        let sample = sample(child.id());
        held.memory_kib = held.memory_kib.max(sample.memory_kib);
        held.sockets = held.sockets.max(sample.sockets);
        held.files = held.files.max(sample.files);
        if let Some(status) = child.wait_for(Duration::from_millis(250))? {
            bar.finish_and_clear();
            if status.success() {
                return Ok(held);
            }
            bail!("the daemon ended with {status}: see {}", folder.join("daemon.log").display());
        }
    }
}

/// What Linux says of a process; nothing on other systems.
fn sample(process: u32) -> Held {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let memory = peak.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok());
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let targets: Vec<_> = files.map(|file| std::fs::read_link(file.path()).unwrap_or_default()).collect();
    let sockets = targets.iter().filter(|target| target.to_string_lossy().starts_with("socket:")).count();
    Held { memory_kib: memory.unwrap_or(0), sockets, files: targets.len() }
}

fn figures(options: &Options, polls: &Value, requests: &Value, held: Held, took: Duration) -> Value {
    let sum = |status: Option<&str>| -> u64 {
        let operations = requests["amazon"].as_object().into_iter().flatten();
        let counts = operations.flat_map(|(_, by_status)| by_status.as_object().into_iter().flatten());
        counts
            .filter(|(own, _)| status.is_none_or(|wanted| wanted == *own))
            .filter_map(|(_, n)| n.as_u64())
            .sum()
    };
    let streams: Vec<Value> = CADENCES.iter().map(|(name, cadence)| stream(name, *cadence, polls)).collect();
    json!({
        "sellers": streams[0]["sellers"], "asked_for": options.sellers, "streams": streams,
        "memory_mib": held.memory_kib / 1_024, "sockets": held.sockets, "files": held.files,
        "calls": sum(None), "throttled": sum(Some("429")),
        "seconds": (took.as_secs_f64() * 10.0).round() / 10.0,
    })
}

/// How often one operation's first page was asked for.
fn stream(operation: &str, cadence: i64, polls: &Value) -> Value {
    let own = polls.as_array().into_iter().flatten().filter(|row| row["operation"] == operation);
    let rows: Vec<Vec<i64>> = own
        .map(|row| row["times"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect())
        .collect();
    let gaps = || rows.iter().flat_map(|times| times.windows(2)).map(|pair| (pair[1] - pair[0]) / 1_000);
    json!({
        "operation": operation, "cadence_s": cadence, "sellers": rows.len(),
        "shortest_s": gaps().min(), "longest_s": gaps().max(),
        "fewest_polls": rows.iter().map(Vec::len).min(),
    })
}

fn verdict(options: &Options, figures: &Value) -> Result<()> {
    for row in figures["streams"].as_array().into_iter().flatten() {
        let cadence = row["cadence_s"].as_i64().unwrap_or(1);
        let within = |name: &str| {
            row[name].as_i64().is_some_and(|seconds| (10 * (seconds - cadence)).abs() <= cadence)
        };
        // Less one for those whose first comes late in the first round.
        let enough = row["fewest_polls"].as_i64() >= Some(DAY / cadence - 1);
        if row["sellers"].as_u64() != Some(u64::from(options.sellers)) {
            bail!("{} of {} sellers were polled: {row}", row["sellers"], options.sellers);
        }
        if !within("shortest_s") || !within("longest_s") || !enough {
            bail!("a cadence is off: {row}");
        }
    }
    Ok(())
}
