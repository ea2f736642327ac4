//! `cargo xtask crash`: the real daemon beside the simulator, ended as by a power cut again and again.
//!
//! Amazon throttles and fails, Fusion loses answers. The daemon's lives are spread evenly over the books' time: each is ended
//! by SIGKILL, every second one at a named place around a durable step (see `ml_connector_storage::crash`), which are taken in
//! turn, the others wherever they happen to be. Where a place does not come up before a life's end, that life is ended like the
//! others, and the table says so. In between the disk is full for a while and the database is locked; over PostgreSQL the daemon
//! is stopped instead until its leases are over, and goes on. Then everything settles, the daemon runs once more, and the books
//! are judged as the demo's year is: against the simulator's own, by the seven tie-outs, and by what waits for a person; the
//! audit log is verified.
//!
//! # To add a fault
//!
//! A variant in [`faults::Fault`] that is begun and ended beside a living daemon; [`plan`] says when.

mod faults;
mod judge;
mod plan;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ml_connector_test_postgres::Database;
use serde_json::{Value, json};

use self::plan::{End, Life};
use crate::children::{Child, get, put};
use crate::config::{self, Setup};
use crate::daemon::{Daemon, World, fresh_folder, simulator};
use crate::{plugins, process, test};

/// What the campaign is made of.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// How often the daemon is killed
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    kills: u32,
    /// Everything that the machine's speed does not decide follows from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The daemon's store
    #[arg(long, value_enum, default_value_t = StoreKind::Sqlite)]
    store: StoreKind,
    /// Days on which orders are placed; with what settles afterwards a month more than these pass [default: 45, or a day for
    /// every two kills: each life takes some hours, and more than there are would end after the last settlement]
    #[arg(long, value_parser = clap::value_parser!(u32).range(20..=365))]
    days: Option<u32>,
    /// Orders a day and seller
    #[arg(long, default_value_t = 4)]
    orders_per_day: u32,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
    /// Keep the folder with database and logs
    #[arg(long)]
    keep: bool,
}

/// Which store the daemon writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum StoreKind {
    /// One file
    Sqlite,
    /// A database of a temporary server
    Postgres,
}

/// Often enough that something is under way whenever the daemon is killed.
const CADENCE: &str = "orders_minutes = 60\ntransactions_minutes = 120\ngroups_minutes = 360\n\
    payouts_minutes = 720\nreports_minutes = 720\nreconcile_minutes = 720\nwatch_minutes = 240\n";

/// While the daemon is killed, Amazon and Fusion do this.
fn weather() -> Value {
    json!({
        "amazon": { "throttle": 0.05, "server_error": 0.03, "cut": 0.02 },
        "fusion": {
            "answer_lost": 0.15, "server_error_after_commit": 0.03, "error_before_commit": 0.05,
            "reset_before_commit": 0.03, "throttle": 0.05, "read_error": 0.02,
        },
    })
}

/// Runs it.
///
/// # Errors
/// Something does not start, the daemon ends by itself, or the books are not what they should be.
pub(crate) fn run(options: &Options) -> Result<()> {
    eprintln!("building (the first time takes minutes)");
    plugins::build(&["standard".to_owned()])?;
    campaign(options, test::binaries()?)
}

/// The short campaign that every run of the tests ends with, with binaries that are built already.
///
/// # Errors
/// As [`run`].
pub(crate) fn short(binaries: PathBuf) -> Result<()> {
    let store = StoreKind::Sqlite;
    campaign(
        &Options { kills: 20, seed: 1, store, days: Some(20), orders_per_day: 2, json: false, keep: false },
        binaries,
    )
}

fn campaign(options: &Options, binaries: PathBuf) -> Result<()> {
    let folder = fresh_folder("crash")?;
    println!("seed {}, folder {}", options.seed, folder.display());
    let started = Instant::now();
    let mut campaign = Campaign::begin(options, binaries, folder)?;
    campaign.kill_again_and_again(options)?;
    let judged = campaign.settle()?;
    judged.show(&campaign.places, options.kills);
    let folder = campaign.folder.clone();
    drop(campaign);
    if options.keep || !judged.is_right() {
        println!("kept: {}", folder.display());
    } else {
        std::fs::remove_dir_all(&folder)?;
    }
    if options.json {
        println!("{}", judged.json(options.kills, started.elapsed()));
    }
    judged.verdict()
}

/// A simulator, the daemon's configuration, and what was done so far.
struct Campaign {
    _simulator: Child,
    control: String,
    scenario: Value,
    daemon: Daemon,
    folder: PathBuf,
    /// Dropped at the end.
    _database: Option<Database>,
    /// Kills at named places, in the order of [`plan::PLACES`].
    places: Vec<u32>,
}

impl Campaign {
    fn begin(options: &Options, binaries: PathBuf, folder: PathBuf) -> Result<Self> {
        let Options { seed, orders_per_day, .. } = *options;
        let days = options.days.unwrap_or_else(|| (options.kills / 2).clamp(45, 365));
        let world = World { seed, sellers: 3, days, orders_per_day, year: true };
        let (simulator, urls) = simulator(&binaries, world, &folder)?;
        let control = urls["control"].as_str().context("the simulator names no control port")?.to_owned();
        let scenario = get(&format!("{control}/control/scenario"))?;
        let components = plugins::components_dir(&process::folders()?);
        let mapper = components.join("standard.component.wasm");
        let setup = Setup { mapper: &mapper, start_from: &scenario["start"], cadence: CADENCE, regions: 3 };
        let config = config::write(&scenario, &urls, &folder, &setup)?;
        let database = match options.store {
            StoreKind::Sqlite => None,
            StoreKind::Postgres => {
                let database = Database::fresh().context("the campaign over PostgreSQL needs PostgreSQL")?;
                config::move_to_postgres(&config, &folder, database.url())?;
                Some(database)
            }
        };
        let daemon = Daemon { binary: binaries.join("ml-connector"), config };
        daemon.answer(&["credentials", "import"])?;
        put(&format!("{control}/control/faults"), &weather())?;
        let places = vec![0; plan::PLACES.len()];
        Ok(Self { _simulator: simulator, control, scenario, daemon, folder, _database: database, places })
    }

    fn kill_again_and_again(&mut self, options: &Options) -> Result<()> {
        let style = "{bar:40} {pos} of {len} kills  {elapsed}  {msg}";
        let bar = ProgressBar::new(options.kills.into()).with_style(ProgressStyle::with_template(style)?);
        let lives = plan::lives(&self.scenario, (options.seed, options.store), options.kills)?;
        for life in lives {
            self.live(&life).with_context(|| format!("life {} of seed {}", life.number, options.seed))?;
            bar.inc(1);
            bar.set_message(life.until.to_string());
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// One life of the daemon, to its violent end.
    fn live(&mut self, life: &Life) -> Result<()> {
        let place = match life.end {
            End::Anywhere { .. } => None,
            End::At { place, times } => Some((place, format!("{}:{times}", plan::PLACES[place]))),
        };
        let mut arguments = vec!["serve"];
        if let Some((_, spelt)) = &place {
            arguments.extend(["--kill-at", spelt.as_str()]);
        }
        let mut child = self.spawn(&arguments)?;
        // A fault comes on top of the kill: the daemon has to live through it first.
        if let Some(fault) = life.fault {
            let began = self.now()?;
            while self.now()? == began && child.wait_for(Duration::from_millis(20))?.is_none() {}
            fault.inflict(&child, &self.folder)?;
        }
        loop {
            if let Some(status) = child.wait_for(Duration::from_millis(5))? {
                ensure!(killed(status), "the daemon ended by itself with {status}:\n{}", self.last_words()?);
                let (place, _) = place.context("nobody killed the daemon, and it was killed")?;
                self.places[place] += 1;
                return Ok(());
            }
            if self.now()? >= life.until {
                break;
            }
        }
        if let End::Anywhere { after } = life.end {
            std::thread::sleep(after);
        }
        // Its place may never have come up, or it comes there just now.
        drop(child);
        Ok(())
    }

    fn spawn(&self, arguments: &[&str]) -> Result<Child> {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("daemon.log"))?;
        // A write beyond the limit on the size of files is then an error, not a signal that ends the process.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(&self.daemon.binary);
        command.arg("--config").arg(&self.daemon.config).args(arguments).stderr(log);
        Child::spawn(&mut command)
    }

    fn now(&self) -> Result<jiff::Timestamp> {
        let clock = get(&format!("{}/control/clock", self.control))?;
        Ok(clock["now"].as_str().context("the simulator has no time")?.parse()?)
    }

    fn last_words(&self) -> Result<String> {
        let log = std::fs::read_to_string(self.folder.join("daemon.log"))?;
        let last: Vec<&str> = log.lines().rev().take(20).collect();
        Ok(last.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }

    /// Lets everything come to rest in fair weather, runs the daemon once more, and judges the books.
    fn settle(&self) -> Result<judge::Judged> {
        put(&format!("{}/control/faults", self.control), &json!({}))?;
        let end = self.scenario["end"].as_str().context("the scenario has no end")?;
        self.serve_until(end)?;
        let requests = || get(&format!("{}/control/requests", self.control));
        let before = crate::demo::posts(&requests()?);
        self.serve_until(end)?;
        let posted_again = crate::demo::posts(&requests()?).saturating_sub(before);
        judge::judge(&self.daemon, &self.scenario, &self.control, posted_again)
    }

    fn serve_until(&self, end: &str) -> Result<()> {
        let mut child = self.spawn(&["serve", "--until", end])?;
        loop {
            match child.wait_for(Duration::from_millis(100))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the daemon ended with {status}:\n{}", self.last_words()?),
                None => {}
            }
        }
    }
}

/// Whether a process ended by SIGKILL.
fn killed(status: std::process::ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(9)
}
