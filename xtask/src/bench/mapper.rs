//! The sandbox: how fast it maps beside others, how it stands attacks, how many mappers it holds, and whether the same
//! batch is mapped alike wherever it is mapped. The measuring program is a package of its own, outside the workspace
//! (`xtask/measure`): what it compares with takes minutes to build, and nobody who builds the daemon needs it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::toolchain::{self, TARGET};
use crate::{plugins, process};

/// One mapping, many engines.
#[derive(Args)]
pub(crate) struct Options {
    /// Leave out Extism and QuickJS, which take minutes to build
    #[arg(long)]
    no_rivals: bool,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// A measurement that repeats a call.
#[derive(Args)]
pub(crate) struct CallsOptions {
    /// How many calls
    #[arg(long, default_value_t = 100_000)]
    calls: u64,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// A measurement of many mappers.
#[derive(Args)]
pub(crate) struct MappersOptions {
    /// How many distinct mappers
    #[arg(long, default_value_t = 1_000)]
    count: u32,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// Compares engines.
///
/// # Errors
/// Something does not build, or an engine does not map.
pub(crate) fn engines(options: &Options) -> Result<()> {
    if !options.no_rivals {
        extism_guest()?;
    }
    measure(&["engines".to_owned()], !options.no_rivals, options.json)
}

/// Attacks, one after another.
///
/// # Errors
/// Memory grew, an attack was not stopped, or another tenant lost a batch.
pub(crate) fn hostile(options: &CallsOptions) -> Result<()> {
    measure(&["hostile".to_owned(), "--calls".to_owned(), options.calls.to_string()], false, options.json)
}

/// The same calls in two processes.
///
/// # Errors
/// They do not agree.
pub(crate) fn replay(options: &CallsOptions) -> Result<()> {
    measure(&["replay".to_owned(), "--calls".to_owned(), options.calls.to_string()], false, options.json)
}

/// Many mappers in one process.
///
/// # Errors
/// One does not load.
pub(crate) fn mappers(options: &MappersOptions) -> Result<()> {
    measure(&["mappers".to_owned(), "--count".to_owned(), options.count.to_string()], false, options.json)
}

fn measure(what: &[String], rivals: bool, json: bool) -> Result<()> {
    eprintln!("building (the first time takes minutes)");
    plugins::build(&["standard", "minimal", "hostile"].map(str::to_owned))?;
    let folders = process::folders()?;
    let mut measure = Command::new(build(rivals)?);
    measure.arg("--components").arg(plugins::components_dir(&folders));
    if json {
        measure.arg("--json");
    }
    process::run(measure.args(what))
}

/// Checks that the measuring program compiles, which no build of the workspace does. Without the rivals: they bring another
/// wasmtime and a C compiler's work, and all but their own modules is the same.
///
/// # Errors
/// It does not.
pub(crate) fn check() -> Result<()> {
    process::run(&mut cargo("check")?)
}

/// A command of cargo's about the measuring program.
fn cargo(command: &str) -> Result<Command> {
    let folders = process::folders()?;
    let mut cargo = Command::new("cargo");
    // Not --locked: what it measures is a path, whose dependencies change without this package.
    cargo.args([command, "--quiet", "--manifest-path"]).arg(folders.root.join("xtask/measure/Cargo.toml"));
    cargo.env("CARGO_TARGET_DIR", folders.target.join("measure"));
    Ok(cargo)
}

/// Builds the measuring program, optimised.
fn build(rivals: bool) -> Result<PathBuf> {
    let target = process::folders()?.target.join("measure");
    let mut cargo = cargo("build")?;
    cargo.arg("--release");
    if rivals {
        cargo.args(["--features", "rivals"]);
    }
    process::run(&mut cargo)?;
    Ok(target.join("release/ml-connector-measure"))
}

/// Builds the standard mapper as a plugin of Extism.
fn extism_guest() -> Result<()> {
    let folders = process::folders()?;
    let toolchain = toolchain::ensure()?;
    let target = folders.target.join("measure/guest").join(&toolchain.id);
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--release", "--target", TARGET, "--manifest-path"])
        .arg(folders.root.join("xtask/measure/extism-guest/Cargo.toml"))
        .envs(toolchain.env.iter().cloned())
        .env("CARGO_TARGET_DIR", &target)
        // As our own plugins are built.
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    process::run(&mut cargo)?;
    std::fs::create_dir_all(plugins::components_dir(&folders))?;
    let built = target.join(TARGET).join("release/extism_guest.wasm");
    std::fs::copy(built, plugins::components_dir(&folders).join("extism-guest.wasm"))?;
    Ok(())
}
