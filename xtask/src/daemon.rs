//! The daemon and the simulator, built and started.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use crate::children::Child;
use crate::process;

/// The daemon's binary with a configuration.
#[derive(Clone)]
pub(crate) struct Daemon {
    pub(crate) binary: PathBuf,
    pub(crate) config: PathBuf,
}

impl Daemon {
    /// A command of it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(&self.config).args(arguments);
        command
    }

    /// Runs a command and takes what it says.
    pub(crate) fn answer(&self, arguments: &[&str]) -> Result<String> {
        Ok(process::stdout(&mut self.command(arguments))?.trim_end().to_owned())
    }

    /// Runs a command that says what it found as JSON and ends with 3 if something is not as it should be.
    pub(crate) fn finding(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.command(arguments).output()?;
        if !matches!(output.status.code(), Some(0 | 3)) {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            anyhow::bail!("`{}` ended with {}: {words}", arguments.join(" "), output.status);
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Runs a command and reads what it says as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.answer(arguments)?)?)
    }
}

/// What the simulator is asked to make up.
#[derive(Clone, Copy)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) sellers: u32,
    pub(crate) days: u32,
    pub(crate) orders_per_day: u32,
    /// A year of sellers at home in one region each, instead of days of sellers in all.
    pub(crate) year: bool,
    /// Simulated seconds in a second; of a clock that stands still, 0.
    pub(crate) speed: u32,
}

/// The year's first day: early enough in every seller's zone.
const YEAR_STARTS: &str = "2026-01-02T00:00:00Z";

/// Starts the simulator; says where it listens.
///
/// # Errors
/// It does not start.
pub(crate) fn simulator(binaries: &Path, world: World, folder: &Path) -> Result<(Child, Value)> {
    let log = std::fs::File::create(folder.join("simulator.log"))?;
    let mut command = Command::new(binaries.join("ml-connector-simulator"));
    let figures = [
        ("--seed", world.seed.to_string()),
        ("--sellers", world.sellers.to_string()),
        ("--days", world.days.to_string()),
        ("--orders-per-day", world.orders_per_day.to_string()),
        ("--speed", world.speed.to_string()),
    ];
    command.arg("serve");
    for (name, figure) in figures {
        command.args([name, &figure]);
    }
    if world.year {
        command.args(["--profile", "year", "--start", YEAR_STARTS]);
    }
    command.stderr(log);
    Child::with_ready_line(command)
}

/// A folder for one run, below the machine's folder for temporary files.
///
/// # Errors
/// It cannot be made.
pub(crate) fn fresh_folder(name: &str) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("ml-connector-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
