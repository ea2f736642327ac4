//! One daemon of the campaign, which lives again and again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};
use ml_connector_test_postgres::{Database, Line};

use super::faults::Victim;
use super::plan::{self, End, Life, Until};
use crate::children::{Child, get};
use crate::daemon::Daemon;

/// What all daemons of a campaign have in common.
pub(super) struct Ground {
    /// The simulator's control port.
    pub(super) control: String,
    /// The daemon by itself, once everything is over.
    pub(super) daemon: Daemon,
    pub(super) folder: PathBuf,
    /// Kills at named places, in the order of [`plan::PLACES`].
    pub(super) places: Vec<AtomicU32>,
}

impl Ground {
    /// Whether a life's end is so long past that the next ones would suffer.
    fn is_long_past(&self, until: Until) -> Result<bool> {
        match until {
            Until::Books(at) => Ok(self.now()?.duration_since(at) >= OVERRUN),
            Until::After(_) => Ok(false),
        }
    }

    /// The place where a life is to end, and the passing of it, counted from 1: its own, or, for every second such life, one that
    /// has not come up so far.
    fn place(&self, life: &Life) -> Option<(usize, u32)> {
        let End::At { place, times } = life.end else { return None };
        let unmet = self.places.iter().enumerate().filter(|(_, kills)| kills.load(Ordering::Relaxed) == 0);
        let unmet: Vec<usize> = unmet.map(|(place, _)| place).collect();
        let turn = usize::try_from(life.number / 4).unwrap_or(0);
        match unmet.get(turn % unmet.len().max(1)) {
            Some(unmet) if life.number.is_multiple_of(4) => Some((*unmet, 1)),
            _ => Some((place, times)),
        }
    }

    /// The books' time.
    pub(super) fn now(&self) -> Result<Timestamp> {
        let clock = get(&format!("{}/control/clock", self.control))?;
        Ok(clock["now"].as_str().context("the simulator has no time")?.parse()?)
    }
}

/// So much of the books' time may pass after a life's end: a second is weeks to a daemon whose clock is stepped, and the lives
/// that follow would find theirs over, the last of them the periods of the ledger closed.
const OVERRUN: SignedDuration = SignedDuration::from_hours(2);

/// A daemon with what is its own.
pub(super) struct Slot {
    /// Before each command.
    arguments: Vec<String>,
    daemon: Daemon,
    log: PathBuf,
    line: Option<Line>,
    /// What it lived through.
    pub(super) faults: BTreeMap<&'static str, u32>,
}

impl Slot {
    /// The only daemon.
    pub(super) fn alone(ground: &Ground) -> Self {
        Self {
            arguments: Vec::new(),
            daemon: ground.daemon.clone(),
            log: ground.folder.join("daemon.log"),
            line: None,
            faults: BTreeMap::new(),
        }
    }

    /// One of many, as on a machine of its own: with a name, a line to the database, and a file for its checkpoints.
    pub(super) fn among(ground: &Ground, number: u32, config: PathBuf, database: &Database) -> Result<Self> {
        let line = Line::to(database.url());
        std::fs::write(ground.folder.join(format!("{number}.url")), line.url())?;
        let own = [
            format!("cluster.name=daemon-{number}"),
            format!("audit.checkpoints={number}.checkpoints"),
            format!("database_url_file={number}.url"),
        ];
        Ok(Self {
            arguments: own.into_iter().flat_map(|own| ["--set".to_owned(), own]).collect(),
            daemon: Daemon { config, ..ground.daemon.clone() },
            log: ground.folder.join(format!("daemon-{number}.log")),
            line: Some(line),
            ..Self::alone(ground)
        })
    }

    /// Lives all its lives, unless another daemon's campaign has failed.
    pub(super) fn live_all(
        &mut self,
        ground: &Ground,
        lives: &[Life],
        (bar, failed): (&ProgressBar, &AtomicBool),
    ) -> Result<()> {
        for life in lives {
            if failed.load(Ordering::Relaxed) {
                break;
            }
            let lived = self.live(ground, life).with_context(|| format!("life {}", life.number));
            lived.inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            bar.inc(1);
        }
        Ok(())
    }

    /// One life, to its violent end.
    fn live(&mut self, ground: &Ground, life: &Life) -> Result<()> {
        let place =
            ground.place(life).map(|(place, times)| (place, format!("{}:{times}", plan::PLACES[place])));
        let mut arguments = vec!["serve"];
        if let Some((_, spelt)) = &place {
            arguments.extend(["--kill-at", spelt.as_str()]);
        }
        let born = Instant::now();
        let mut child = self.spawn(&arguments)?;
        // A fault comes on top of the kill: the daemon has to live through it first.
        if let Some(fault) = life.fault {
            self.begins_work(ground, &mut child)?;
            let now = || ground.now();
            let victim =
                Victim { daemon: &child, folder: &ground.folder, line: self.line.as_ref(), now: &now };
            fault.inflict(&victim)?;
            *self.faults.entry(fault.words()).or_default() += 1;
        }
        let over = || -> Result<bool> {
            Ok(match life.until {
                Until::Books(at) => ground.now()? >= at,
                Until::After(time) => born.elapsed() >= time,
            })
        };
        loop {
            if let Some(status) = child.wait_for(Duration::from_millis(5))? {
                ensure!(killed(status), "the daemon ended by itself with {status}:\n{}", self.last_words()?);
                let (place, _) = place.context("nobody killed the daemon, and it was killed")?;
                ground.places[place].fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            if over()? {
                break;
            }
        }
        if let End::Anywhere { after } = life.end {
            let over = Instant::now();
            while over.elapsed() < after && !ground.is_long_past(life.until)? {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        // Its place may never have come up, or it comes there just now.
        drop(child);
        Ok(())
    }

    /// Waits until a daemon is at work, or has ended: a stepped clock moves then; one of many says what it holds.
    fn begins_work(&self, ground: &Ground, child: &mut Child) -> Result<()> {
        let (began, log) = (ground.now()?, std::fs::metadata(&self.log)?.len());
        let works = || -> Result<bool> {
            if self.line.is_none() {
                return Ok(ground.now()? != began);
            }
            let said = std::fs::read(&self.log)?;
            let new = said.get(usize::try_from(log)?..).unwrap_or_default();
            Ok(String::from_utf8_lossy(new).contains("holds the lease"))
        };
        while !works()? && child.wait_for(Duration::from_millis(20))?.is_none() {}
        Ok(())
    }

    fn spawn(&self, arguments: &[&str]) -> Result<Child> {
        let log = std::fs::File::options().create(true).append(true).open(&self.log)?;
        // A write beyond the limit on the size of files is then an error, not a signal that ends the process.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(&self.daemon.binary);
        command.arg("--config").arg(&self.daemon.config).args(&self.arguments).args(arguments);
        // Who holds a lease is said at this level.
        command.env("RUST_LOG", "info").stderr(log);
        Child::spawn(&mut command)
    }

    /// Runs the daemon until the books' time is this.
    pub(super) fn serve_until(&self, end: &str) -> Result<()> {
        let mut child = self.spawn(&["serve", "--until", end])?;
        loop {
            match child.wait_for(Duration::from_millis(100))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the daemon ended with {status}:\n{}", self.last_words()?),
                None => {}
            }
        }
    }

    /// What `audit verify` finds wrong by this daemon's checkpoints.
    pub(super) fn wrong_in_the_log(&self) -> Result<Option<String>> {
        let mut verify = Command::new(&self.daemon.binary);
        verify.arg("--config").arg(&self.daemon.config).args(&self.arguments).args(["audit", "verify"]);
        let said = verify.output()?;
        let words =
            || format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        Ok((!said.status.success()).then(|| words().trim().to_owned()))
    }

    /// How often the database refused it for a lease that had passed on.
    pub(super) fn fenced(&self) -> Result<usize> {
        Ok(std::fs::read_to_string(&self.log)?.matches("STO-FENCED").count())
    }

    fn last_words(&self) -> Result<String> {
        let log = std::fs::read_to_string(&self.log)?;
        let last: Vec<&str> = log.lines().rev().take(20).collect();
        Ok(last.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }
}

/// Whether a process ended by SIGKILL.
fn killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(9)
}
