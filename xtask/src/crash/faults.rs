//! What the machine and the network do to a living daemon.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use ml_connector_test_postgres::Line;

use crate::children::Child;
use crate::process;

/// A fault of the machine or the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// No file can grow, as the kernel says it of a limit on their size, for a second.
    DiskFull,
    /// Another program holds the database's lock for writers.
    DatabaseLocked {
        /// For so long.
        seconds: u32,
    },
    /// The daemon is stopped where it stands until its leases are over, and goes on.
    Paused,
    /// What it says to the database, or hears of it, arrives once its leases are over.
    LineHeld,
    /// Its connections to the database are closed, and none is to be had until its leases are over.
    LineClosed,
}

/// Takes SQLite's lock for writers as any program would; says when it has it.
const LOCK: &str = "import sqlite3, sys, time\n\
    db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)\n\
    db.execute('BEGIN IMMEDIATE')\n\
    print('{}', flush=True)\n\
    time.sleep(float(sys.argv[2]))\n\
    db.execute('ROLLBACK')\n";

/// Longer than a lease and than a session may rest in a transaction.
const PAUSE: Duration = Duration::from_secs(12);

/// How long the disk is full at most, and how much of the books' time may pass meanwhile: a daemon whose clock is stepped waits
/// for nothing, and would wait months away in that second.
const FULL: (Duration, SignedDuration) = (Duration::from_secs(1), SignedDuration::from_hours(12));

/// What a fault happens to.
pub(super) struct Victim<'a> {
    pub(super) daemon: &'a Child,
    pub(super) folder: &'a Path,
    /// Its line to the database, where it has one.
    pub(super) line: Option<&'a Line>,
    /// The books' time.
    pub(super) now: &'a dyn Fn() -> Result<Timestamp>,
}

impl Fault {
    /// For the table.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::DiskFull => "disk full",
            Self::DatabaseLocked { .. } => "database locked",
            Self::Paused => "stopped past its leases",
            Self::LineHeld => "cut off from the database, words late",
            Self::LineClosed => "cut off from the database, turned away",
        }
    }

    /// Lets it happen and pass while the daemon lives.
    pub(super) fn inflict(self, victim: &Victim<'_>) -> Result<()> {
        match self {
            Self::DiskFull => disk_full(victim),
            Self::DatabaseLocked { seconds } => database_locked(victim.folder, seconds),
            Self::Paused => {
                signal(victim.daemon, "-STOP")?;
                std::thread::sleep(PAUSE);
                signal(victim.daemon, "-CONT")
            }
            Self::LineHeld | Self::LineClosed => {
                let line = victim.line.context("a daemon without a line to the database")?;
                if self == Self::LineHeld {
                    line.hold()
                } else {
                    line.close()
                }
                std::thread::sleep(PAUSE);
                line.mend();
                Ok(())
            }
        }
    }
}

fn signal(daemon: &Child, name: &str) -> Result<()> {
    process::run(Command::new("kill").args([name, &daemon.id().to_string()]))
}

fn disk_full(victim: &Victim<'_>) -> Result<()> {
    let limit = |bytes: &str| {
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &victim.daemon.id().to_string(), &format!("--fsize={bytes}:unlimited")]);
        process::run(&mut prlimit).context("prlimit (util-linux) is needed to fill the disk")
    };
    let (began, books) = (Instant::now(), (victim.now)()?);
    limit("4096")?;
    while began.elapsed() < FULL.0 && (victim.now)()?.duration_since(books) < FULL.1 {
        std::thread::sleep(Duration::from_millis(2));
    }
    limit("unlimited")
}

fn database_locked(folder: &Path, seconds: u32) -> Result<()> {
    let mut python = Command::new("python3");
    python.args(["-c", LOCK]).arg(folder.join("connector.sqlite")).arg(seconds.to_string());
    python.stdin(Stdio::null());
    let held = Child::with_ready_line(python);
    let (mut held, _) = held.context("python3 is needed to lock the database")?;
    while held.wait_for(Duration::from_millis(50))?.is_none() {}
    Ok(())
}
