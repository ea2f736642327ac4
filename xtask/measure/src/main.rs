//! Measures the sandbox: `cargo xtask bench mapper`, `hostile`, `mappers` and `replay` build and call this.

mod convert;
mod engines;
mod hostile;
mod mappers;
mod native;
mod raw;
mod records;
mod replay;
#[cfg(feature = "rivals")]
mod rivals;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use ml_connector_mapper::compile;

#[derive(Parser)]
struct Arguments {
    /// The folder of built components
    #[arg(long)]
    components: PathBuf,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// One mapping, many engines
    Engines {
        /// Only rows whose engine and mode, as they are printed, hold this; native in batches always stands there
        #[arg(long, default_value = "")]
        only: String,
    },
    /// Attacks, one after another
    Hostile {
        #[arg(long)]
        calls: u64,
    },
    /// Many mappers in one process
    Mappers {
        #[arg(long)]
        count: u32,
    },
    /// The same batches again, in two processes
    Replay {
        #[arg(long)]
        calls: u64,
    },
    /// One of those processes
    ReplayChild {
        #[arg(long)]
        calls: u64,
        #[arg(long)]
        pooled: bool,
    },
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(compile::CHILD_COMMAND) {
        return compile::child_main();
    }
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let component = |name: &str| {
        let path = arguments.components.join(format!("{name}.component.wasm"));
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let last_line = match &arguments.what {
        What::Engines { only } => {
            #[cfg(feature = "rivals")]
            let rivals = rivals::contenders(&arguments.components)?;
            #[cfg(not(feature = "rivals"))]
            let rivals = Vec::new();
            let report = engines::run(&component("standard")?, rivals, only)?;
            report.print();
            serde_json::to_string(&report)?
        }
        What::Hostile { calls } => {
            hostile::run(&component("hostile")?, &component("minimal")?, *calls)?.to_string()
        }
        What::Mappers { count } => mappers::run(&component("standard")?, *count)?.to_string(),
        What::Replay { calls } => replay::run(&arguments.components, *calls)?.to_string(),
        What::ReplayChild { calls, pooled } => {
            replay::child(&component("standard")?, *calls, *pooled)?.to_string()
        }
    };
    if arguments.json || matches!(arguments.what, What::ReplayChild { .. }) {
        println!("{last_line}");
    }
    Ok(())
}
