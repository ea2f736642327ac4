//! Tests, and what CI checks beside them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::{bench, crash, fuzz_api, languages, plugins, process};

/// Environment variable that tells tests where the components are.
const PLUGINS_VARIABLE: &str = "ML_CONNECTOR_PLUGINS";
/// Environment variable that tells tests where the binaries are.
const BINARIES_VARIABLE: &str = "ML_CONNECTOR_BIN_DIR";

/// Environment variable by which tests know that hledger must be there.
const HLEDGER_VARIABLE: &str = "ML_CONNECTOR_HLEDGER_REQUIRED";
/// Environment variable by which tests know that PostgreSQL must be there.
const POSTGRES_VARIABLE: &str = "ML_CONNECTOR_POSTGRES_REQUIRED";
/// Environment variable by which tests know that the mappers in other languages must be there.
const LANGUAGES_VARIABLE: &str = "ML_CONNECTOR_LANGUAGES_REQUIRED";

/// Builds the daemon, the simulator and the workspace's other binaries; says in which folder they are.
///
/// # Errors
/// They do not compile.
pub(crate) fn binaries() -> Result<PathBuf> {
    // All of the workspace: the two alone would resolve other features than the tests do, and build wasmtime once more.
    process::run(Command::new("cargo").args(["build", "--quiet", "--workspace", "--bins"]))?;
    Ok(process::folders()?.target.join("debug"))
}

/// As [`binaries`], optimised: for what is measured.
///
/// # Errors
/// They do not compile.
pub(crate) fn optimised() -> Result<PathBuf> {
    process::run(Command::new("cargo").args(["build", "--quiet", "--workspace", "--bins", "--release"]))?;
    Ok(process::folders()?.target.join("release"))
}

/// Runs every test of the workspace.
///
/// # Errors
/// Something does not compile, or a test fails.
pub(crate) fn test(arguments: &[String]) -> Result<()> {
    test_with(arguments, false)
}

/// In CI nothing may be left out for want of a program.
fn test_with(arguments: &[String], in_ci: bool) -> Result<()> {
    plugins::command(&[], in_ci)?;
    if let (false, Err(error)) = (in_ci, languages::build()) {
        println!("mappers in other languages are not tested: {error:#}");
    }
    // In one build with the tests: alone, the binaries would resolve other features and build wasmtime once more.
    process::run(Command::new("cargo").args(["build", "--quiet", "--workspace", "--bins", "--tests"]))?;
    let binaries = process::folders()?.target.join("debug");
    let components = plugins::components_dir(&process::folders()?);
    let tests = |program: &[&str]| {
        let mut cargo = Command::new("cargo");
        cargo.args(program).env(PLUGINS_VARIABLE, &components).env(BINARIES_VARIABLE, &binaries);
        if in_ci {
            cargo.env(HLEDGER_VARIABLE, "1").env(LANGUAGES_VARIABLE, "1").env(POSTGRES_VARIABLE, "1");
        }
        cargo
    };
    process::run(&mut tests(&["test", "--quiet", "--workspace", "--doc"]))?;
    if process::on_path("cargo-nextest") {
        process::run(tests(&["nextest", "run", "--workspace", "--no-tests=pass"]).args(arguments))?;
    } else {
        process::run(tests(&["test", "--workspace", "--all-targets"]).args(arguments))?;
    }
    // Who asks for one test does not want these.
    if !arguments.is_empty() {
        return Ok(());
    }
    bench::mapper::check()?;
    match fuzz_api::tool() {
        Err(error) if !in_ci => println!("the API is not fuzzed: {error:#}"),
        tool => fuzz_api::run_with((&tool?, &binaries), &fuzz_api::Options::default())?,
    }
    crash::short(binaries)
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
    step("programs that tests need", || {
        installed("hledger", process::on_path("hledger"))?;
        installed("postgresql", postgres_is_there())
    })?;
    step("tests", || test_with(&[], true))
}

/// Whether tests find a server, or the programs to make one.
fn postgres_is_there() -> bool {
    std::env::var_os("DATABASE_URL").is_some()
        || process::on_path("initdb")
        || std::path::Path::new("/usr/lib/postgresql").is_dir()
}

/// Makes sure that a program is there (hledger judges the exported books, PostgreSQL is the second store): installs Debian's
/// package where that is allowed. Without it the tests say what is missing, and fail.
fn installed(package: &str, there: bool) -> Result<()> {
    if there || !process::on_path("apt-get") {
        return Ok(());
    }
    let install =
        || Command::new("apt-get").args(["-qq", "install", "--no-install-recommends", package]).status();
    // The lists may be empty, or name what the archive no longer holds.
    if !install()?.success() && Command::new("apt-get").args(["-qq", "update"]).status()?.success() {
        let _told_by_the_tests = install()?;
    }
    Ok(())
}

fn step(name: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("== {name}");
    let started = Instant::now();
    let result = run();
    println!("== {name}: {:.0} s", started.elapsed().as_secs_f64());
    result
}
