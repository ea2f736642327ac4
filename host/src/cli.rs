//! The command line: what `--help`, completions and the manual's pages say. What a command does stands in `commands`.
//!
//! # To add a command
//!
//! A variant of [`Command`], whose comment is its help, a line in `run` of `main.rs`, and a file in `commands`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands;
use crate::commands::catalog::CatalogCommand;

#[derive(Parser)]
#[command(
    name = "ml-connector",
    version,
    about = "Keeps Oracle Fusion Cloud ERP in step with Amazon Seller Central"
)]
pub(crate) struct Arguments {
    /// The configuration file
    #[arg(long, short, global = true, default_value = "ml-connector.toml")]
    pub(crate) config: PathBuf,
    /// Put a value over the configuration's, e.g. cadence.orders_minutes=30 or seller.A3FEXAMPLE.name=Books; variables such
    /// as ML_CONNECTOR__CADENCE__ORDERS_MINUTES do so, too
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run: poll, map, post and reconcile until stopped
    Serve {
        /// End by itself once this time has come and all that is due is done
        #[arg(long)]
        until: Option<jiff::Timestamp>,
        /// End as by a power cut at a durable step, e.g. plan.committed:3; for development only
        #[arg(long, hide = true)]
        kill_at: Option<ml_connector_storage::crash::KillPoint>,
        /// Write where the time went to a file at the end, as JSON
        #[arg(long, hide = true)]
        account: Option<PathBuf>,
    },
    /// Ask what a configuration needs, and write one that works, with a starter catalog and a master key
    Init(commands::InitRequest),
    /// Write a copy of the database to a new file, while the daemon runs or not
    Backup {
        /// The new file
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Put a copy in the database's place: its log is verified, and what may have been posted since is looked up in Fusion
    /// before it is sent. Exit code 3: the log is not as it was written
    Restore {
        /// The copy; without it, the file that stands in the database's place is taken for one
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// One JSON object
        #[arg(long)]
        json: bool,
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
    /// Who is served, how each seller stands, and who rests
    Seller {
        #[command(subcommand)]
        command: commands::SellerCommand,
    },
    /// Keys of the HTTP API: who may ask it for what
    ApiKey {
        #[command(subcommand)]
        command: commands::ApiKeyCommand,
    },
    /// Print the HTTP API's OpenAPI document
    Openapi,
    /// Write a mapper, test it, and put it into use
    Mapper {
        #[command(subcommand)]
        command: commands::mapper::MapperCommand,
    },
    /// Check, try, import and compare catalogs
    Catalog {
        #[command(subcommand)]
        command: CatalogCommand,
    },
    /// Check the configuration, the catalogs and the mappers, and change nothing
    Check,
    /// The configuration: check it alone, show what counts, print its schema or the page about its keys
    Config {
        #[command(subcommand)]
        command: commands::ConfigCommand,
    },
    /// Look at everything that the daemon needs, one by one, and say what is wrong and what to do; changes nothing
    Doctor {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print the trace of a record, by which a collector of traces finds it
    TraceId {
        /// The seller's id
        seller: String,
        /// Amazon's id of the order, transaction, settlement, report or payout
        id: String,
    },
    /// Print what a shell needs to complete commands
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual's pages into a folder
    Man {
        /// The folder
        folder: PathBuf,
    },
    /// Oracle Fusion's side: check the set-up there, and consent to act as a person
    Fusion {
        #[command(subcommand)]
        command: FusionCommand,
    },
    /// Say what was read, decided, posted and compared
    Report {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// What waits for a person: without a command the totals by reason, with the money at stake
    #[command(args_conflicts_with_subcommands = true)]
    Review {
        /// One JSON object
        #[arg(long)]
        json: bool,
        #[command(subcommand)]
        command: Option<commands::ReviewCommand>,
    },
    /// Correct the invoice of an order that changed after it was posted, or all documents of a range of days: shows
    /// accounts and amounts, now and then
    Correct {
        /// The Amazon order id
        #[arg(required_unless_present = "seller")]
        order: Option<String>,
        /// Plan the credit memo over what stands of the invoice, and the new invoice
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        range: commands::RangeRequest,
    },
    /// Tell the story of an order id, settlement id, document key or Fusion number
    Explain {
        /// The id; without one, an example is chosen
        id: Option<String>,
        /// One JSON object, with all that stands behind each line
        #[arg(long)]
        json: bool,
    },
    /// Take a posted journal back: show the opposite journal and, with --yes, plan it
    Reverse {
        /// The document's key
        key: String,
        /// Accounting date; without it that of the original, or what the closed-period policy makes of it
        #[arg(long)]
        date: Option<jiff::civil::Date>,
        /// Plan it; the daemon posts it
        #[arg(long)]
        yes: bool,
    },
    /// The audit log: verify it, sign it, print its public key
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Write one archive for a period that an auditor can check without ml-connector
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Evidence {
        /// The month, e.g. 2026-10
        #[arg(long, required = true)]
        period: Option<ml_connector_audit::period::Period>,
        /// The archive to write
        #[arg(long, required = true)]
        out: Option<PathBuf>,
        #[command(subcommand)]
        command: Option<EvidenceCommand>,
    },
    /// Tie a month out, seven ways: Amazon's statements, transactions, bookings, what was read back from Fusion, reserves,
    /// deferred money, and the accounts in between. Exit code 0: all ties out; 3: something differs
    Reconcile {
        /// The month, e.g. 2026-10
        #[arg(long)]
        period: ml_connector_audit::period::Period,
        /// The seller's id; without it, all
        #[arg(long)]
        seller: Option<String>,
        /// How to show it
        #[arg(long, value_enum, default_value_t = commands::ReconcileFormat::Table)]
        format: commands::ReconcileFormat,
        /// The same as --format json
        #[arg(long, conflicts_with = "format")]
        json: bool,
        /// Read every document back from Fusion first, instead of relying on the daemon's last comparison
        #[arg(long)]
        fresh: bool,
    },
    /// Write the books for another program
    Export {
        #[command(subcommand)]
        command: ExportCommand,
    },
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Say whether every event is as it was written, and which is not. Exit code 0: it is; 3: it is not; 1: that
    /// could not be found out. Needs neither configuration nor master key where --database is given
    Verify {
        /// The database; without it, the configuration's
        #[arg(long)]
        database: Option<PathBuf>,
        /// A file of checkpoints, best one that was kept elsewhere; without it, the one beside the configuration's database
        #[arg(long)]
        checkpoints: Vec<PathBuf>,
        /// The public key as `audit key` printed it, or a file with it; without it, the one that the database names
        #[arg(long)]
        public_key: Option<String>,
    },
    /// Print the public key that checkpoints are verified with
    Key {
        /// As openssl reads it
        #[arg(long)]
        pem: bool,
    },
    /// Sign the log as it stands; a running daemon does so by itself
    Checkpoint,
}

#[derive(Subcommand)]
pub(crate) enum EvidenceCommand {
    /// Check an archive; exit codes as for `audit verify`
    Verify {
        /// The archive
        file: PathBuf,
        /// The public key as the operator published it, or a file with it; without it, the archive's own
        #[arg(long)]
        public_key: Option<String>,
    },
}

#[derive(Subcommand)]
pub(crate) enum ExportCommand {
    /// Confirmed documents as hledger text
    Hledger {
        /// The month, e.g. 2026-10; without it, all
        #[arg(long)]
        period: Option<ml_connector_audit::period::Period>,
        /// The seller's id; without it, all
        #[arg(long)]
        seller: Option<String>,
        /// A file; without it, standard output
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
pub(crate) enum CredentialsCommand {
    /// Read the files that the configuration names and seal their contents; the files can then be removed
    Import,
    /// Have Amazon issue a new client secret
    RotateClientSecret,
}

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a new master key and wrap every credential under it; a running daemon goes on
    Rotate,
}

#[derive(Subcommand)]
pub(crate) enum AuthorizeCommand {
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

#[derive(Subcommand)]
pub(crate) enum FusionCommand {
    /// Read the set-up back from the instance and say what is missing; writes nothing there
    Check {
        /// Only this seller's
        #[arg(long)]
        seller: Option<String>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Consent in the browser to the daemon acting as you, for fusion.auth.method = "authorization_code"
    Authorize {
        #[command(subcommand)]
        command: FusionAuthorizeCommand,
    },
}

#[derive(Subcommand)]
pub(crate) enum FusionAuthorizeCommand {
    /// Say where your browser is to go; the answer is accepted for ten minutes
    Start,
    /// Take the address that the browser was sent back to
    Finish {
        /// The whole address
        address: String,
    },
}
