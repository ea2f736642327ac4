//! `ml-connector`: keeps Oracle Fusion Cloud ERP in step with Amazon Seller Central.
//!
//! The composition root: reads the configuration, makes the parts and joins them. What they do stands in the crates;
//! `ARCHITECTURE.md` is the map.

mod app;
mod commands;
mod config;
mod credentials;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "ml-connector",
    version,
    about = "Keeps Oracle Fusion Cloud ERP in step with Amazon Seller Central"
)]
struct Arguments {
    /// The configuration file
    #[arg(long, short, global = true, default_value = "ml-connector.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run: poll, map, post and reconcile until stopped
    Serve {
        /// End by itself once this time has come and all that is due is done
        #[arg(long)]
        until: Option<jiff::Timestamp>,
    },
    /// Seal the secrets that the configuration refers to into the database
    Credentials {
        #[command(subcommand)]
        command: CredentialsCommand,
    },
    /// Check the configuration, the catalogs and the mappers, and change nothing
    Check,
    /// Say what was read, decided, posted and compared
    Report {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// List what waits for a person, with the money at stake
    Review {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Tell the story of an order id, settlement id, document key or Fusion number
    Explain {
        /// The id; without one, an example is chosen
        id: Option<String>,
    },
}

#[derive(Subcommand)]
enum CredentialsCommand {
    /// Read the files that the configuration names and seal their contents; the files can then be removed
    Import,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_logging();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            commands::complain(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(arguments));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            commands::complain(&commands::with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let config = config::load(&arguments.config)?;
    match arguments.command {
        Command::Serve { until } => commands::serve(config, until).await,
        Command::Credentials { command: CredentialsCommand::Import } => {
            commands::import_credentials(config).await
        }
        Command::Check => commands::check(config).await,
        Command::Report { json } => commands::report(config, json).await,
        Command::Review { json } => commands::review(config, json).await,
        Command::Explain { id } => commands::explain(config, id).await,
    }
}

/// Logs go to standard error; `RUST_LOG` chooses what.
fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing_subscriber::filter::LevelFilter::INFO.into())
        .from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
