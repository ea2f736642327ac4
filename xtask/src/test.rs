//! Tests, and what CI checks beside them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::{plugins, process};

/// Environment variable that tells tests where the components are.
const PLUGINS_VARIABLE: &str = "ML_CONNECTOR_PLUGINS";
/// Environment variable that tells tests where the binaries are.
const BINARIES_VARIABLE: &str = "ML_CONNECTOR_BIN_DIR";

/// The packages with a binary that tests and the demo start.
const BINARIES: [&str; 2] = ["ml-connector", "ml-connector-simulator"];

/// Builds the daemon and the simulator; says in which folder they are.
///
/// # Errors
/// They do not compile.
pub(crate) fn binaries() -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet"]).args(BINARIES.iter().flat_map(|name| ["--package", name]));
    process::run(&mut cargo)?;
    Ok(process::folders()?.target.join("debug"))
}

/// Runs every test of the workspace.
///
/// # Errors
/// Something does not compile, or a test fails.
pub(crate) fn test(arguments: &[String]) -> Result<()> {
    plugins::command(&[])?;
    // In one build with the tests: alone, the binaries would resolve other features and build wasmtime once more.
    process::run(Command::new("cargo").args(["build", "--quiet", "--workspace", "--bins", "--tests"]))?;
    let binaries = process::folders()?.target.join("debug");
    let components = plugins::components_dir(&process::folders()?);
    let tests = |program: &[&str]| {
        let mut cargo = Command::new("cargo");
        cargo.args(program).env(PLUGINS_VARIABLE, &components).env(BINARIES_VARIABLE, &binaries);
        cargo
    };
    process::run(&mut tests(&["test", "--quiet", "--workspace", "--doc"]))?;
    if process::on_path("cargo-nextest") {
        process::run(tests(&["nextest", "run", "--workspace", "--no-tests=pass"]).args(arguments))
    } else {
        process::run(tests(&["test", "--workspace", "--all-targets"]).args(arguments))
    }
}

/// What CI runs.
///
/// # Errors
/// A step fails.
pub(crate) fn ci() -> Result<()> {
    step("formatting", || process::run(Command::new("cargo").args(["fmt", "--all", "--check"])))?;
    step("clippy", || {
        let arguments = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
        process::run(Command::new("cargo").args(arguments))
    })?;
    step("tests", || test(&[]))
}

fn step(name: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("== {name}");
    let started = Instant::now();
    let result = run();
    println!("== {name}: {:.0} s", started.elapsed().as_secs_f64());
    result
}
