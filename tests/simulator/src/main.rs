//! Serves a simulated Amazon and a simulated Fusion.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ml_connector_simulator::scenario::ScenarioOptions;

#[derive(Parser)]
#[command(
    name = "ml-connector-simulator",
    about = "A simulated Selling Partner API and a simulated Oracle Fusion"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve on free ports of this machine; prints one JSON line with the addresses when ready
    Serve {
        /// Everything follows from it
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Sellers
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
        sellers: u32,
        /// Days on which orders are placed
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=800))]
        days: u32,
        /// Orders a day and seller
        #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10000))]
        orders_per_day: u32,
        /// The first day, UTC midnight
        #[arg(long, default_value = "2026-09-01T00:00:00Z")]
        start: jiff::Timestamp,
        /// Share of products that the catalog does not name, in percent
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=100))]
        unmapped: u32,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let Command::Serve { seed, sellers, days, orders_per_day, start, unmapped } = Arguments::parse().command;
    let options = ScenarioOptions { seed, sellers, days, orders_per_day, start, unmapped_percent: unmapped };
    let running = match ml_connector_simulator::start(options).await {
        Ok(running) => running,
        Err(error) => {
            tracing::error!(%error, "cannot open a port");
            return ExitCode::FAILURE;
        }
    };
    print_ready(&running.urls);
    tokio::select! {
        () = running.wait() => ExitCode::FAILURE,
        () = asked_to_stop() => ExitCode::SUCCESS,
    }
}

#[expect(clippy::print_stdout, reason = "the ready line is this program's answer")]
fn print_ready(urls: &ml_connector_simulator::Urls) {
    println!("{}", serde_json::to_string(urls).expect("addresses are text"));
}

async fn asked_to_stop() {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .expect("a process may listen for signals");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
