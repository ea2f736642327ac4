//! What the machine does to a living daemon.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::StoreKind;
use crate::children::Child;
use crate::process;

/// A fault of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Fault {
    /// A full disk or a locked file is nothing that a daemon sees of a server.
    pub(super) fn over(self, store: StoreKind) -> Self {
        match store {
            StoreKind::Sqlite => self,
            StoreKind::Postgres => Self::Paused,
        }
    }

    /// Lets it happen and pass while the daemon lives.
    pub(super) fn inflict(self, daemon: &Child, folder: &Path) -> Result<()> {
        match self {
            Self::DiskFull => {
                let limit = |bytes: &str| {
                    let mut prlimit = Command::new("prlimit");
                    prlimit.args(["--pid", &daemon.id().to_string(), &format!("--fsize={bytes}:unlimited")]);
                    process::run(&mut prlimit).context("prlimit (util-linux) is needed to fill the disk")
                };
                limit("4096")?;
                std::thread::sleep(Duration::from_secs(1));
                limit("unlimited")
            }
            Self::Paused => {
                let signal =
                    |name: &str| process::run(Command::new("kill").args([name, &daemon.id().to_string()]));
                signal("-STOP")?;
                std::thread::sleep(PAUSE);
                signal("-CONT")
            }
            Self::DatabaseLocked { seconds } => {
                let mut python = Command::new("python3");
                python.args(["-c", LOCK]).arg(folder.join("connector.sqlite")).arg(seconds.to_string());
                python.stdin(Stdio::null());
                let held = Child::with_ready_line(python);
                let (mut held, _) = held.context("python3 is needed to lock the database")?;
                while held.wait_for(Duration::from_millis(50))?.is_none() {}
                Ok(())
            }
        }
    }
}
