//! A back-fill against the limits that Amazon documents.
//!
//! searchOrders bounds it: one call in 178.6 seconds after a burst of 20, 100 orders a call. A region's calls are
//! possible from its first to its last; polls of what is new go on beside it and count.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::children::{Child, get, put};
use crate::config::{self, Setup};
use crate::daemon::{Daemon, World, fresh_folder, simulator};
use crate::{plugins, process, test};

/// Milliseconds for one call of searchOrders: 0.0056 a second.
const INTERVAL: u64 = 178_571;
/// Calls that a full bucket holds.
const BURST: u64 = 20;
/// Orders on a page.
const PAGE: u64 = 100;

/// How much history.
#[derive(Args)]
pub(crate) struct Options {
    /// Days of history
    #[arg(long, default_value_t = 730)]
    days: u32,
    /// Orders a day; with the default days, 274 are 200,020 in all
    #[arg(long, default_value_t = 274)]
    orders_per_day: u32,
    /// Everything follows from it
    #[arg(long, default_value_t = 3)]
    seed: u64,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
/// Something does not start, or an order is lost or doubled.
pub(crate) fn run(options: &Options) -> Result<()> {
    eprintln!("building (the first time takes minutes)");
    plugins::build(&["standard".to_owned()])?;
    let binaries = test::binaries()?;
    let mapper = plugins::components_dir(&process::folders()?).join("standard.component.wasm");
    let started = Instant::now();
    let folder = fresh_folder("bench-backfill")?;
    let Options { days, orders_per_day, seed, .. } = *options;
    let (_simulator, urls) = simulator(
        &binaries,
        World { seed, sellers: 1, days, orders_per_day, year: false, speed: 0 },
        &folder,
    )?;
    let control = urls["control"].as_str().context("the simulator names no control port")?.to_owned();
    let scenario = get(&format!("{control}/control/scenario"))?;
    // Everything has happened: the books begin now, and what was before is history.
    put(&format!("{control}/control/clock"), &json!({ "now": scenario["end"] }))?;
    let setup = Setup { mapper: &mapper, start_from: &scenario["end"], cadence: "", regions: 3 };
    let config = config::write(&scenario, &urls, &folder, &setup)?;
    let daemon = Daemon { binary: binaries.join("ml-connector"), config };
    daemon.answer(&["credentials", "import"])?;
    let seller = scenario["sellers"][0]["id"].as_str().context("a seller has no id")?.to_owned();
    let from = scenario["start"].as_str().and_then(|at| at.get(..10)).context("the scenario has no start")?;
    daemon.answer(&["backfill", "--seller", &seller, "--from", from, "--no-watch"])?;
    let log = std::fs::File::create(folder.join("daemon.log"))?;
    let mut child = Child::spawn(daemon.command(&["serve"]).stderr(log))?;
    let placed = u64::from(days) * u64::from(orders_per_day);
    let status = until_done(&daemon, &mut child, &seller, placed)?;
    let searches = get(&format!("{control}/control/searches"))?;
    let requests = get(&format!("{control}/control/requests"))?;
    child.stop()?;
    let report = daemon.json(&["report", "--json"])?;
    let figures = Figures::of(&status, &searches, &requests, &report, placed)?;
    figures.show(started.elapsed());
    if options.json {
        println!("{}", figures.json(started.elapsed()));
    }
    std::fs::remove_dir_all(&folder)?;
    figures.verdict()
}

/// Waits until everything is read and normalized; says how the back-fills went.
fn until_done(daemon: &Daemon, child: &mut Child, seller: &str, placed: u64) -> Result<Value> {
    let bar = ProgressBar::new(placed);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos} of {len} orders  {elapsed}")?);
    let mut last = (0, Instant::now());
    loop {
        if let Some(status) = child.wait_for(Duration::from_secs(5))? {
            bail!("the daemon ended with {status}");
        }
        let status = daemon.json(&["backfill", "--seller", seller, "--status"])?;
        let report = daemon.json(&["report", "--json"])?;
        let kept = report["orders"]["history"].as_u64().unwrap_or(0);
        bar.set_position(kept);
        if status["done"] == true && kept >= placed {
            bar.finish_and_clear();
            return Ok(status);
        }
        if kept != last.0 {
            last = (kept, Instant::now());
        } else if last.1.elapsed() > Duration::from_secs(300) {
            bail!("nothing has moved for five minutes at {kept} of {placed} orders");
        }
    }
}

/// What a region's calls came to.
struct Region {
    name: String,
    used: u64,
    possible: u64,
    hours: f64,
    minimum: u64,
}

struct Figures {
    regions: Vec<Region>,
    orders: u64,
    lost: u64,
    doubled: u64,
    throttled: u64,
}

impl Figures {
    fn of(status: &Value, searches: &Value, requests: &Value, report: &Value, placed: u64) -> Result<Self> {
        let mut regions = Vec::new();
        for search in searches.as_array().context("no searches")? {
            let name = search["region"].as_str().unwrap_or_default();
            let all = status["backfills"].as_array().context("no back-fills")?;
            let own = all.iter().find(|b| b["region"] == name && b["stream"] == "orders");
            regions.push(region(name, search, own.context("a region has no back-fill")?)?);
        }
        let kept = report["orders"]["history"].as_u64().unwrap_or(0);
        let versions = report["orders"]["versions"].as_u64().unwrap_or(0);
        let read = report["orders"]["read"].as_u64().unwrap_or(0);
        let operations = requests["amazon"].as_object().into_iter().flatten();
        Ok(Self {
            regions,
            orders: kept,
            lost: placed.saturating_sub(kept),
            doubled: versions.saturating_sub(kept + read),
            throttled: operations.filter_map(|(_, by_status)| by_status["429"].as_u64()).sum(),
        })
    }

    fn used(&self) -> u64 {
        self.regions.iter().map(|region| region.used).sum()
    }

    fn possible(&self) -> u64 {
        self.regions.iter().map(|region| region.possible).sum()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of calls are far below 2^52")]
    fn share(&self) -> f64 {
        self.used() as f64 / self.possible().max(1) as f64
    }

    fn hours(&self) -> f64 {
        self.regions.iter().map(|region| region.hours).fold(0.0, f64::max)
    }

    fn show(&self, took: Duration) {
        println!("searchOrders, one call in 178.6 s after a burst of {BURST}, {PAGE} orders a call:");
        for region in &self.regions {
            println!(
                "  {}: {} of {} calls that the limit allows in {:.1} h; with nothing else to ask, {} would do",
                region.name, region.used, region.possible, region.hours, region.minimum
            );
        }
        println!(
            "{} orders kept, {} lost, {} doubled; {:.1} % of the calls used, {} refused with 429; {:.1} simulated hours in {:.0} s",
            self.orders,
            self.lost,
            self.doubled,
            100.0 * self.share(),
            self.throttled,
            self.hours(),
            took.as_secs_f64()
        );
    }

    fn json(&self, took: Duration) -> Value {
        json!({
            "orders": self.orders, "lost": self.lost, "doubled": self.doubled,
            "calls_used": self.used(), "calls_possible": self.possible(),
            "share": (self.share() * 10_000.0).round() / 10_000.0, "throttled": self.throttled,
            "simulated_hours": (self.hours() * 10.0).round() / 10.0,
            "seconds": (took.as_secs_f64() * 10.0).round() / 10.0,
        })
    }

    fn verdict(&self) -> Result<()> {
        if self.lost + self.doubled + self.throttled > 0 {
            bail!("{} lost, {} doubled, {} refused with 429", self.lost, self.doubled, self.throttled);
        }
        Ok(())
    }
}

/// A region's calls between the first one and the end of its back-fill of orders.
fn region(name: &str, search: &Value, backfill: &Value) -> Result<Region> {
    let done = backfill["done_at"].as_str().context("a back-fill is not done")?;
    let done = done.parse::<jiff::Timestamp>()?.as_millisecond();
    let times = search["times"].as_array().into_iter().flatten().filter_map(Value::as_i64);
    let times: Vec<i64> = times.filter(|at| *at <= done).collect();
    let first = times.first().copied().context("a region was never searched")?;
    let elapsed = u64::try_from(done - first)?;
    Ok(Region {
        name: name.to_owned(),
        used: times.len() as u64,
        possible: BURST + elapsed / INTERVAL,
        hours: Duration::from_millis(elapsed).as_secs_f64() / 3_600.0,
        minimum: backfill["records"].as_u64().unwrap_or(0).div_ceil(PAGE),
    })
}
