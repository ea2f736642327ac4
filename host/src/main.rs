//! `ml-connector`: keeps Oracle Fusion Cloud ERP in step with Amazon Seller Central.
//!
//! The composition root: reads the configuration, makes the parts and joins them. What they do stands in the crates;
//! `ARCHITECTURE.md` is the map.

mod app;
mod commands;
mod config;
mod credentials;
mod keys;
mod pauses;

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
    /// The master key that all credentials are wrapped with
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Website authorisation: have a seller give consent, and take what comes back
    Authorize {
        #[command(subcommand)]
        command: AuthorizeCommand,
    },
    /// Have the daemon read a seller's history, beside its polls; it is kept, and not booked
    Backfill {
        /// The seller's id
        #[arg(long)]
        seller: String,
        /// The first day, UTC
        #[arg(long, required_unless_present = "status")]
        from: Option<jiff::civil::Date>,
        /// The day before which to end; without it, where polling began
        #[arg(long)]
        to: Option<jiff::civil::Date>,
        /// Return at once instead of showing the progress
        #[arg(long)]
        no_watch: bool,
        /// Only say how back-fills stand, as one JSON object
        #[arg(long)]
        status: bool,
    },
    /// Say what Amazon can still serve of what is stored, and flag what lies outside
    Retention {
        /// An order id, transaction id or settlement id; without one, all by month
        id: Option<String>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the marketplaces that a seller takes part in
    Participations {
        /// The seller's id
        #[arg(long)]
        seller: String,
        /// na, eu or fe
        #[arg(long)]
        region: ml_connector_domain::Region,
    },
    /// Ask Amazon's catalog for product types, as rows of a catalog file
    Products {
        /// The seller's id
        #[arg(long)]
        seller: String,
        /// na, eu or fe
        #[arg(long)]
        region: ml_connector_domain::Region,
        /// Marketplace id
        #[arg(long)]
        marketplace: String,
        /// SKUs
        #[arg(required = true)]
        skus: Vec<String>,
    },
    /// Take a notification from a queue and poll what it is about
    Notification {
        /// The message's body; - is standard input
        file: PathBuf,
    },
    /// Write an archived settlement report as Amazon made it
    SettlementReport {
        /// The seller's id
        #[arg(long)]
        seller: String,
        /// Amazon's id of the report
        report: String,
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
    /// Have Amazon issue a new client secret
    RotateClientSecret,
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Make a new master key and wrap every credential under it; a running daemon goes on
    Rotate,
}

#[derive(Subcommand)]
enum AuthorizeCommand {
    /// Say where the seller's browser is to go; the answer is accepted for an hour
    Url {
        /// The seller's id
        #[arg(long)]
        seller: String,
        /// na, eu or fe
        #[arg(long)]
        region: ml_connector_domain::Region,
        /// Country of the seller's account, e.g. DE
        #[arg(long)]
        country: Option<String>,
    },
    /// Take the address that the browser was sent back to, within five minutes
    Finish {
        /// The whole address
        address: String,
    },
}

fn main() -> ExitCode {
    // The host starts itself again to compile mappers: before anything else is read, opened or started.
    if std::env::args().nth(1).as_deref() == Some(ml_connector_mapper::compile::CHILD_COMMAND) {
        return ml_connector_mapper::compile::child_main();
    }
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
        Command::Credentials { command: CredentialsCommand::RotateClientSecret } => {
            commands::rotate_client_secret(config).await
        }
        Command::Keys { command: KeysCommand::Rotate } => commands::rotate_master_key(config).await,
        Command::Authorize { command: AuthorizeCommand::Url { seller, region, country } } => {
            commands::authorize_url(config, seller.as_str().into(), region, country).await
        }
        Command::Authorize { command: AuthorizeCommand::Finish { address } } => {
            commands::authorize_finish(config, &address).await
        }
        Command::Backfill { seller, from, to, no_watch, status } => {
            let seller = ml_connector_domain::SellerId::new(seller);
            match from.filter(|_| !status) {
                None => commands::backfill_status(config, &seller).await,
                Some(from) => {
                    let watch = !no_watch;
                    commands::backfill(config, commands::BackfillRequest { seller, from, to, watch }).await
                }
            }
        }
        Command::Retention { id, json } => commands::retention(config, id.as_deref(), json).await,
        Command::Participations { seller, region } => {
            commands::participations(config, seller.as_str().into(), region).await
        }
        Command::Products { seller, region, marketplace, skus } => {
            let skus = skus.iter().map(|sku| sku.as_str().into()).collect();
            let of = (seller.as_str().into(), region);
            commands::products(config, of, marketplace.as_str().into(), skus).await
        }
        Command::Notification { file } => commands::notification(config, &file).await,
        Command::SettlementReport { seller, report } => {
            commands::settlement_report(config, &seller.as_str().into(), &report).await
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
