//! Serves a simulated Amazon and a simulated Fusion.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ml_connector_simulator::scenario::{Profile, ScenarioOptions};

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
    /// Serve both remotes on free ports of this machine; prints one JSON line with the addresses when ready. The clock
    /// stands still until it is set through the control port, or runs: its figures are in the line then
    Serve {
        #[command(flatten)]
        world: World,
        /// Simulated seconds in a second; 0 is a clock that stands still
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100_000))]
        speed: u32,
    },
    /// Serve Amazon alone on one port, after everything has happened, with a clock that runs; prints one JSON line
    /// with the address and the credentials when ready
    Amazon {
        #[command(flatten)]
        world: World,
        /// Port; a free one if it is 0
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Simulated seconds in a second: rate limits refill that much faster
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        speed: u32,
    },
    /// Serve Fusion alone on one port, its identity domain included, with the machine's time; prints one JSON line with
    /// the addresses, the credentials and the names of the set-up when ready
    Fusion {
        #[command(flatten)]
        world: World,
        /// Port; a free one if it is 0
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Simulated seconds in a second: jobs end that much sooner
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        speed: u32,
    },
}

#[derive(clap::Args)]
struct World {
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
    /// What kind of business it is about
    #[arg(long, value_enum, default_value_t = Profile::Month)]
    profile: Profile,
}

impl World {
    fn options(self) -> ScenarioOptions {
        let Self { seed, sellers, days, orders_per_day, start, unmapped, profile } = self;
        ScenarioOptions { seed, sellers, days, orders_per_day, start, unmapped_percent: unmapped, profile }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let started = match Arguments::parse().command {
        Command::Serve { world, speed } => {
            let started = ml_connector_simulator::start(world.options()).await;
            started.map(|running| {
                let mut ready = serde_json::to_value(&running.urls).expect("addresses are text");
                if speed > 0 {
                    let runs = running.world.clock.let_run(speed);
                    ready["clock"] = serde_json::to_value(runs).expect("figures are text");
                }
                (running, ready)
            })
        }
        Command::Amazon { world, port, speed } => {
            ml_connector_simulator::start_amazon(world.options(), port, speed).await
        }
        Command::Fusion { world, port, speed } => {
            ml_connector_simulator::start_fusion(world.options(), port, machine_time(), speed).await
        }
    };
    let (running, ready) = match started {
        Ok(started) => started,
        Err(error) => {
            tracing::error!(%error, "cannot open a port");
            return ExitCode::FAILURE;
        }
    };
    print_ready(&ready);
    tokio::select! {
        () = running.wait() => ExitCode::FAILURE,
        () = asked_to_stop() => ExitCode::SUCCESS,
    }
}

#[expect(clippy::disallowed_methods, reason = "an independent client's assertions bear the machine's time")]
fn machine_time() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

#[expect(clippy::print_stdout, reason = "the ready line is this program's answer")]
fn print_ready(ready: &serde_json::Value) {
    println!("{ready}");
}

async fn asked_to_stop() {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .expect("a process may listen for signals");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
