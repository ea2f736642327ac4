//! `cargo xtask`: everything a person does with this repository.

mod bench;
mod children;
mod config;
mod crash;
mod daemon;
mod demo;
mod fuzz_api;
mod languages;
mod models;
mod plugins;
mod test;

use anyhow::Result;
use clap::{Parser, Subcommand};
use ml_connector_kit::{process, toolchain};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, tests and shows ml-connector")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run a month of a simulated seller through the daemon, and compare the books
    Demo(demo::Options),
    /// Run every test: builds the plugins and the binaries that tests start, then the whole workspace's tests
    Test {
        /// Passed on to the test runner, e.g. a part of a test's name
        arguments: Vec<String>,
    },
    /// Kill the daemon again and again beside failing remotes, and compare the books
    Crash(crash::Options),
    /// Measure; each figure stands beside what bounds it
    Bench {
        #[command(subcommand)]
        what: bench::Bench,
    },
    /// Check the simulator's answers against Amazon's API models
    Models {
        /// The folder that holds the models
        folder: std::path::PathBuf,
    },
    /// Ask a running daemon's API whatever its OpenAPI document allows and more, and hold each answer against the document
    FuzzApi(fuzz_api::Options),
    /// What CI runs: formatting, clippy with warnings denied, every test
    Ci,
    /// Build plugins to components (all, or the named ones)
    Plugins {
        /// Folder names below plugins/
        names: Vec<String>,
        /// Those in Python and JavaScript, too; their tools are fetched once, by pip and npm
        #[arg(long)]
        languages: bool,
    },
    /// Make sure that plugins can be built, and say how
    Toolchain,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Task::Demo(options) => demo::run(&options),
        Task::Crash(options) => crash::run(&options),
        Task::Test { arguments } => test::test(&arguments),
        Task::Bench { what } => bench::run(&what),
        Task::Models { folder } => models::run(&folder),
        Task::FuzzApi(options) => fuzz_api::run(&options),
        Task::Ci => test::ci(),
        Task::Plugins { names, languages } => plugins::command(&names, languages),
        Task::Toolchain => {
            println!("{}", toolchain::ensure()?.found);
            Ok(())
        }
    }
}
