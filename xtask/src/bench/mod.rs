//! `cargo xtask bench`: figures, each beside what bounds it. Nothing here fails for being slow.
//!
//! # To add a measurement
//!
//! A file with its options, a function that runs it and prints a table, and with `--json` one object as the last line.

mod backfill;
pub(crate) mod mapper;
mod pipeline;
mod sellers;

use anyhow::Result;
use clap::Subcommand;

/// What is measured.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Two years of one seller's history under the documented limits: how many of the calls that they allow are used
    Backfill(backfill::Options),
    /// One mapping by many engines: native, ours, raw wasmtime, Extism, QuickJS; the same records, outcomes compared
    Mapper(mapper::Options),
    /// Attacks one after another: memory flat, each stopped under its own code, nobody else disturbed
    Hostile(mapper::CallsOptions),
    /// Many distinct mappers in one process: loading from the cache, memory of each
    Mappers(mapper::MappersOptions),
    /// The same calls in two processes, with a pool of instances and without: equal bytes, equal fuel
    Replay(mapper::CallsOptions),
    /// Documents a second from poll to confirmed by one worker and two, where the time goes, beside what the store commits of
    /// the same rows alone; memory of 10, 100 and 1,000 sellers
    Pipeline(pipeline::Options),
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
        Bench::Mapper(options) => mapper::engines(options),
        Bench::Hostile(options) => mapper::hostile(options),
        Bench::Mappers(options) => mapper::mappers(options),
        Bench::Replay(options) => mapper::replay(options),
        Bench::Pipeline(options) => pipeline::run(options),
        Bench::Sellers(options) => sellers::run(options),
    }
}
