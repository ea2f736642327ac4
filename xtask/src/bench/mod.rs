//! `cargo xtask bench`: figures, each beside what bounds it. Nothing here fails for being slow.
//!
//! # To add a measurement
//!
//! A file with its options, a function that runs it and prints a table, and with `--json` one object as the last line.

mod backfill;
mod sellers;

use anyhow::Result;
use clap::Subcommand;

/// What is measured.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Two years of one seller's history under the documented limits: how many of the calls that they allow are used
    Backfill(backfill::Options),
    /// Many sellers polled by one process for a simulated day: memory, sockets and cadence
    Sellers(sellers::Options),
}

/// Runs a measurement.
///
/// # Errors
/// Something does not start, or what was measured is not right.
pub(crate) fn run(what: &Bench) -> Result<()> {
    match what {
        Bench::Backfill(options) => backfill::run(options),
        Bench::Sellers(options) => sellers::run(options),
    }
}
