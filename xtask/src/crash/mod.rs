//! `cargo xtask crash`: the real daemon beside the simulator, ended as by a power cut again and again.
//!
//! Amazon throttles and fails, Fusion loses answers. A daemon's lives are spread evenly over the books' time: each is ended
//! by SIGKILL, every second one at a named place around a durable step (see `ml_connector_storage::crash`), which are taken in
//! turn, or again while they have not come up, the others wherever they happen to be. Where a place does not come up before a life's end, that life is ended like the
//! others, and the table says so. In between the disk is full for a while and the database is locked; over PostgreSQL the daemon
//! is stopped instead until its leases are over, and goes on.
//!
//! Many daemons ([`slot`]) share the kills over one PostgreSQL database. Their clock runs, the same for all and for the
//! simulator; each lives for some seconds at a time, takes over what the dead held, and is stopped past its leases or cut off
//! from the database now and then.
//!
//! Then everything settles, one daemon runs once more, and the books are judged as the demo's year is: against the simulator's
//! own, by the seven tie-outs, and by what waits for a person; the audit log is verified by the checkpoints of every daemon.
//!
//! # To add a fault
//!
//! A variant in [`faults::Fault`] that is begun and ended beside a living daemon; [`plan`] says when.

mod faults;
mod judge;
mod plan;
mod slot;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ml_connector_test_postgres::Database;
use serde_json::{Value, json};

use self::plan::Plan;
use self::slot::{Ground, Slot};
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
    /// Daemons over one PostgreSQL database
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=9))]
    daemons: u32,
    /// Days on which orders are placed; with what settles afterwards a month more than these pass [default: 45, or a day for
    /// every two kills: each life takes some hours, and more than there are would end after the last settlement. Of many daemons
    /// a life takes some seconds at the clock's speed]
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

/// How fast time runs for many daemons: at this speed 500 lives take two and a half months.
const SPEED: u32 = 10_000;

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
        &Options {
            kills: 20,
            seed: 1,
            store,
            daemons: 1,
            days: Some(20),
            orders_per_day: 2,
            json: false,
            keep: false,
        },
        binaries,
    )
}

fn campaign(options: &Options, binaries: PathBuf) -> Result<()> {
    ensure!(
        options.daemons == 1 || options.store == StoreKind::Postgres,
        "one daemon works on a file: write --store postgres beside --daemons {}",
        options.daemons
    );
    let folder = fresh_folder("crash")?;
    println!("seed {}, folder {}", options.seed, folder.display());
    let started = Instant::now();
    let mut campaign = Campaign::begin(options, binaries, folder)?;
    campaign.kill_again_and_again(options)?;
    let judged = campaign.settle()?;
    judged.show(&campaign.ground, &campaign.slots, options.kills)?;
    let folder = campaign.ground.folder.clone();
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

/// A simulator, the daemons, and what was done to them so far.
struct Campaign {
    _simulator: Child,
    scenario: Value,
    ground: Ground,
    slots: Vec<Slot>,
    /// Dropped at the end.
    _database: Option<Database>,
}

impl Campaign {
    fn begin(options: &Options, binaries: PathBuf, folder: PathBuf) -> Result<Self> {
        let Options { seed, orders_per_day, daemons, .. } = *options;
        let many = daemons > 1;
        let per_kill = if many { 10 } else { 2 };
        let days = options.days.unwrap_or_else(|| (options.kills / per_kill).clamp(45, 365));
        let speed = if many { SPEED } else { 0 };
        let world = World { seed, sellers: 3, days, orders_per_day, year: true, speed };
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
        let running = many.then(|| config::with_a_running_clock(&config, &urls["clock"])).transpose()?;
        let daemon = Daemon { binary: binaries.join("ml-connector"), config };
        let places = plan::PLACES.map(|_| AtomicU32::new(0)).into();
        let ground = Ground { control, daemon, folder, places };
        let slots = match (&running, &database) {
            (Some(config), Some(database)) => {
                let slot = |number| Slot::among(&ground, number, config.clone(), database);
                (0..daemons).map(slot).collect::<Result<_>>()?
            }
            _ => vec![Slot::alone(&ground)],
        };
        ground.daemon.answer(&["credentials", "import"])?;
        put(&format!("{}/control/faults", ground.control), &weather())?;
        Ok(Self { _simulator: simulator, scenario, ground, slots, _database: database })
    }

    fn kill_again_and_again(&mut self, options: &Options) -> Result<()> {
        let Options { seed, store, kills, daemons, .. } = *options;
        let plan = Plan { seed, store, kills, daemons };
        let style = "{bar:40} {pos} of {len} kills  {elapsed}";
        let bar = ProgressBar::new(kills.into()).with_style(ProgressStyle::with_template(style)?);
        let lives: Vec<_> =
            (0..daemons).map(|daemon| plan.lives(&self.scenario, daemon)).collect::<Result<_>>()?;
        let (ground, failed) = (&self.ground, AtomicBool::new(false));
        let told = (&bar, &failed);
        let ended: Vec<Result<()>> = std::thread::scope(|scope| {
            let all = self.slots.iter_mut().zip(&lives);
            let threads: Vec<_> =
                all.map(|(slot, lives)| scope.spawn(move || slot.live_all(ground, lives, told))).collect();
            threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect()
        });
        bar.finish_and_clear();
        ended.into_iter().collect::<Result<()>>().with_context(|| format!("seed {seed}"))
    }

    /// Lets everything come to rest in fair weather, runs the daemon once more, and judges the books.
    fn settle(&self) -> Result<judge::Judged> {
        let Ground { control, .. } = &self.ground;
        put(&format!("{control}/control/faults"), &json!({}))?;
        // From here on it is stepped, and nobody waits for it.
        put(&format!("{control}/control/clock/stop"), &json!({}))?;
        let end = self.scenario["end"].as_str().context("the scenario has no end")?;
        let last = Slot::alone(&self.ground);
        last.serve_until(end)?;
        let requests = || get(&format!("{control}/control/requests"));
        let before = crate::demo::posts(&requests()?);
        last.serve_until(end)?;
        let posted_again = crate::demo::posts(&requests()?).saturating_sub(before);
        judge::judge(&self.ground, &self.slots, &self.scenario, posted_again)
    }
}
