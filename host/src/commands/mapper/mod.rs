//! `mapper`: write, test, look at, and put into use.
//!
//! `project` and `look` need no configuration, unless for what a daemon recorded: a mapper's developer has only this
//! binary.

mod books;
mod cases;
mod life;
mod look;
mod project;
mod sign;
mod trial;
mod upload;

use std::path::PathBuf;

use clap::Subcommand;

use ml_connector_domain::Timestamp;
use ml_connector_domain::mapping::MapperIdentity;
use ml_connector_storage::Component;

pub(crate) use trial::{Trials, own as own_fixtures};
pub(crate) use upload::{Incoming, check_and_keep};

use super::Outcome;
use crate::config::Config;
use crate::config_load::Source;

pub(super) use life::version;

/// All of them.
#[derive(Subcommand)]
pub(crate) enum MapperCommand {
    #[command(flatten)]
    Develop(DeveloperCommand),
    #[command(flatten)]
    Operate(OperatorCommand),
}

/// What a mapper's developer does on a machine of their own.
#[derive(Subcommand)]
pub(crate) enum DeveloperCommand {
    /// Write a project with a mapper, its tests and the SDK; it builds without a network
    New {
        /// The project's folder; its name becomes the mapper's, e.g. my-books
        folder: PathBuf,
        /// Take the SDK from this folder (guest-sdk of a checkout) instead of a copy in the project
        #[arg(long)]
        sdk: Option<PathBuf>,
    },
    /// Build the project's component
    Build {
        /// The project's folder
        #[arg(long, default_value = ".")]
        project: PathBuf,
    },
    /// Run the project's native tests, then its golden cases on the component in the real sandbox
    Test {
        /// The project's folder
        #[arg(long, default_value = ".")]
        project: PathBuf,
        /// Write each case's expected.json as the component answers, to be looked at and committed
        #[arg(long)]
        bless: bool,
    },
    /// Map a golden case's input.json, or what the daemon recorded, and print the outcomes
    Run(look::Subject),
    /// Show which functions burn the fuel: the same input gives the same answer on every machine
    Profile {
        #[command(flatten)]
        subject: look::Subject,
        /// At so many even points of the fuel the mapper is stopped and looked at
        #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        samples: u32,
    },
    /// Sign a component with the author's key, into a file beside it
    Sign {
        /// The component; with --new-key, nothing
        #[arg(required_unless_present = "new_key")]
        component: Option<PathBuf>,
        /// The author's private key
        #[arg(long, required_unless_present = "new_key")]
        key: Option<PathBuf>,
        /// Make a new private key in this file, and print the public one
        #[arg(long, conflicts_with_all = ["component", "key"])]
        new_key: Option<PathBuf>,
    },
}

/// Runs a developer's command.
///
/// # Errors
/// What the command says.
pub(crate) async fn develop(source: &Source, command: DeveloperCommand) -> Outcome {
    match command {
        DeveloperCommand::New { folder, sdk } => project::new(&folder, sdk),
        DeveloperCommand::Build { project } => project::build(&project),
        DeveloperCommand::Test { project, bless } => project::test(&project, bless),
        DeveloperCommand::Run(subject) => look::run(source, &subject).await,
        DeveloperCommand::Profile { subject, samples } => look::profile(source, &subject, samples).await,
        DeveloperCommand::Sign { new_key: Some(file), .. } => sign::new_key(&file),
        DeveloperCommand::Sign { component: Some(component), key: Some(key), .. } => {
            sign::sign(&component, &key)
        }
        DeveloperCommand::Sign { .. } => Err("name a component and --key".into()),
    }
}

/// For whom.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Whom {
    /// The seller's id; may be given again
    #[arg(long)]
    seller: Vec<String>,
    /// All sellers of the configuration
    #[arg(long, conflicts_with = "seller")]
    all: bool,
}

/// What the operator of a daemon does. A version is named by its digest, or by the first six digits or more of it.
#[derive(Subcommand)]
pub(crate) enum OperatorCommand {
    /// Check a component and keep it as a validated version
    Upload {
        /// The component; - is standard input
        component: PathBuf,
        #[command(flatten)]
        whom: Whom,
        /// The author's signature; without it, the component's name with `.sig`, if that exists
        #[arg(long)]
        signature: Option<PathBuf>,
        /// A folder of golden cases that it has to pass, too, as tests/golden of a project
        #[arg(long)]
        cases: Option<PathBuf>,
    },
    /// Run a version beside the active one, on live input, posting nothing of it
    Shadow {
        /// The version, or `none`
        version: String,
        #[command(flatten)]
        whom: Whom,
    },
    /// Let a version map from the next batch on; a running daemon takes it up
    Activate {
        /// The version, or `configured` for the file that the configuration names
        version: String,
        #[command(flatten)]
        whom: Whom,
        /// Only this share of them, in percent: a canary; a larger share keeps those of a smaller one
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
        share: u8,
    },
    /// Go back to the version before
    Rollback {
        #[command(flatten)]
        whom: Whom,
        /// Only those who use this version
        #[arg(long)]
        version: Option<String>,
    },
    /// List the versions of all sellers
    List,
    /// Show where a shadow books otherwise, by account and amount
    Show {
        /// The version
        version: String,
        /// The seller
        #[arg(long)]
        seller: String,
    },
    /// Compare two components over a seller's recorded batches, by account and amount
    Diff {
        /// A version, or a component's file
        one: String,
        /// A version, or a component's file
        other: String,
        /// The seller
        #[arg(long)]
        seller: String,
        /// How far back, in days
        #[arg(long, default_value_t = 30)]
        days: u32,
    },
    /// Make a seller's documents again from what was recorded, and compare byte for byte
    Replay {
        /// The seller
        #[arg(long)]
        seller: String,
        /// How far back, in days
        #[arg(long, default_value_t = 30)]
        days: u32,
    },
}

/// Runs an operator's command.
///
/// # Errors
/// What the command says.
pub(crate) async fn operate(config: Config, command: OperatorCommand) -> Outcome {
    match command {
        OperatorCommand::Upload { component, whom, signature, cases } => {
            upload::upload(config, &component, &whom, (signature, cases)).await
        }
        OperatorCommand::Shadow { version, whom } => life::shadow(config, &version, &whom).await,
        OperatorCommand::Activate { version, whom, share } => {
            life::activate(config, &version, &whom, share).await
        }
        OperatorCommand::Rollback { whom, version } => life::roll_back(config, &whom, version).await,
        OperatorCommand::List => books::list(config).await,
        OperatorCommand::Show { version, seller } => books::show(config, &version, &seller).await,
        OperatorCommand::Diff { one, other, seller, days } => {
            books::diff(config, (&one, &other), &seller, days).await
        }
        OperatorCommand::Replay { seller, days } => books::replay(config, &seller, days).await,
    }
}

/// A component as it is kept.
pub(crate) fn component(
    identity: &MapperIdentity,
    bytes: Vec<u8>,
    (author, signatures): (Option<String>, Vec<String>),
    at: Timestamp,
) -> Component {
    Component {
        digest: identity.digest.clone(),
        name: identity.name.clone(),
        version: identity.version.clone(),
        contract: identity.contract.clone(),
        author,
        signatures,
        bytes,
        added_at: at,
    }
}
