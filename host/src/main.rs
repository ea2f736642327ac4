//! `ml-connector`: keeps Oracle Fusion Cloud ERP in step with Amazon Seller Central.
//!
//! The composition root: reads the configuration, makes the parts and joins them. What they do stands in the crates;
//! `ARCHITECTURE.md` is the map.

mod account;
mod api;
mod app;
mod cli;
mod cluster;
mod commands;
mod config;
mod config_api;
mod config_fusion;
mod config_load;
mod config_mappers;
mod config_tracing;
mod credentials;
mod database;
mod keys;
mod pauses;
mod reload;
mod sandbox;
mod service;
mod signature;
mod telemetry;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use account::Account;
use clap::{CommandFactory as _, Parser as _};
use cli::{
    Arguments, AuditCommand, AuthorizeCommand, Command, CredentialsCommand, EvidenceCommand, ExportCommand,
    FusionAuthorizeCommand, FusionCommand, KeysCommand,
};
use commands::mapper::MapperCommand;
use config_load::{Override, Source};
use telemetry::Recorder;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What a verification ends with that found something.
const NOT_AS_IT_WAS: u8 = 3;

fn main() -> ExitCode {
    // The host starts itself again to compile mappers: before anything else is read, opened or started.
    if std::env::args().nth(1).as_deref() == Some(ml_connector_mapper::compile::CHILD_COMMAND) {
        return ml_connector_mapper::compile::child_main();
    }
    let arguments = Arguments::parse();
    let account = match &arguments.command {
        Command::Serve { account: Some(file), .. } => Some(Account::new(file)),
        _ => None,
    };
    let recorder = matches!(&arguments.command, Command::Serve { .. }).then(Recorder::default);
    start_logging(account.as_ref(), recorder.as_ref());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            commands::complain(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(arguments, recorder));
    // A mapper's call that goes on after its worker was cut short ends with the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    if let Some(Err(error)) = account.map(|account| account.write()) {
        commands::complain(&format!("where the time went cannot be written: {error}"));
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            commands::complain(&commands::with_causes(&*error));
            if error.is::<commands::NotAsItWas>() { ExitCode::from(NOT_AS_IT_WAS) } else { ExitCode::FAILURE }
        }
    }
}

/// What needs no configuration; the rest is given back.
async fn run_without_config(command: Command) -> Result<Option<Command>, Box<dyn std::error::Error>> {
    match command {
        Command::Audit {
            command: AuditCommand::Verify { database: Some(database), checkpoints, public_key },
        } => {
            let request =
                commands::VerifyRequest { place: database::Place::File(database), checkpoints, public_key };
            commands::audit_verify(request).await.map(|()| None)
        }
        Command::Catalog { command } => {
            Ok(commands::catalog::without_config(command)?.map(|command| Command::Catalog { command }))
        }
        Command::Evidence { command: Some(EvidenceCommand::Verify { file, public_key }), .. } => {
            commands::evidence_verify(&file, public_key.as_deref()).map(|()| None)
        }
        Command::TraceId { seller, id } => {
            commands::trace_id(&seller.as_str().into(), &id);
            Ok(None)
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "ml-connector", &mut std::io::stdout());
            Ok(None)
        }
        Command::Man { folder } => {
            std::fs::create_dir_all(&folder)?;
            clap_mangen::generate_to(Arguments::command(), &folder)?;
            Ok(None)
        }
        Command::Openapi => commands::openapi().map(|()| None),
        Command::Config { command } => {
            Ok(commands::config_without_file(command)?.map(|command| Command::Config { command }))
        }
        other => Ok(Some(other)),
    }
}

/// Where the configuration comes from: the file, the environment over it, and flags over both.
fn source(arguments: &Arguments) -> Result<Source, config::ConfigError> {
    let mut overrides = Override::variables(std::env::vars());
    for flag in &arguments.set {
        overrides.push(Override::flag(flag)?);
    }
    Ok(Source { path: arguments.config.clone(), overrides })
}

async fn run(arguments: Arguments, recorder: Option<Recorder>) -> Result<(), Box<dyn std::error::Error>> {
    // A mapper's developer has no configuration.
    let source = source(&arguments)?;
    if let Command::Mapper { command: MapperCommand::Develop(command) } = arguments.command {
        return commands::mapper::develop(&source, command).await;
    }
    if let Command::Doctor { json } = arguments.command {
        return commands::doctor(&source, json).await;
    }
    if let Command::Init(request) = arguments.command {
        return commands::init(&source, request).await;
    }
    let Some(command) = run_without_config(arguments.command).await? else { return Ok(()) };
    let config = config_load::load(&source)?;
    match command {
        Command::Serve { until, kill_at, account: _ } => {
            commands::serve((config, source), until, kill_at, recorder.unwrap_or_default()).await
        }
        Command::Backup { to, json } => commands::backup(config, &to, json).await,
        Command::Restore { from, json } => commands::restore(config, from, json).await,
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
        Command::Mapper { command: MapperCommand::Develop(command) } => {
            commands::mapper::develop(&source, command).await
        }
        Command::Mapper { command: MapperCommand::Operate(command) } => {
            commands::mapper::operate(config, command).await
        }
        Command::Catalog { command } => commands::catalog::run(config, command).await,
        Command::Seller { command } => commands::seller(config, command).await,
        Command::ApiKey { command } => commands::api_key(config, command).await,
        Command::Check => commands::check(config).await,
        Command::Config { command } => commands::config(&config, &source, command),
        Command::Completions { .. }
        | Command::TraceId { .. }
        | Command::Man { .. }
        | Command::Doctor { .. }
        | Command::Openapi
        | Command::Init(_) => Ok(()),
        Command::Fusion { command: FusionCommand::Check { seller, json } } => {
            commands::fusion_check(config, seller.as_deref(), json).await
        }
        Command::Fusion { command: FusionCommand::Authorize { command: FusionAuthorizeCommand::Start } } => {
            commands::fusion_authorize_start(config).await
        }
        Command::Fusion {
            command: FusionCommand::Authorize { command: FusionAuthorizeCommand::Finish { address } },
        } => commands::fusion_authorize_finish(config, &address).await,
        Command::Report { json } => commands::report(config, json).await,
        Command::Review { command: Some(command), .. } => commands::review_items(config, command).await,
        Command::Review { command: None, json } => commands::review(config, json).await,
        Command::Correct { order, yes, range } => match (range.seller.clone(), order) {
            (Some(seller), _) => commands::correct_range(config, &seller, range).await,
            (None, Some(order)) => commands::correct(config, order, yes).await,
            (None, None) => Err("COR-ORDER: name an order, or --seller with a range".into()),
        },
        Command::Reverse { key, date, yes } => commands::reverse(config, &key, date, yes).await,
        Command::Explain { id, json } => commands::explain(config, id, json).await,
        Command::Audit { command } => match command {
            AuditCommand::Verify { checkpoints, public_key, .. } => {
                commands::audit_verify(commands::VerifyRequest::of(&config, checkpoints, public_key)?).await
            }
            AuditCommand::Key { pem } => commands::audit_key(config, pem).await,
            AuditCommand::Checkpoint => commands::audit_checkpoint(config).await,
        },
        Command::Evidence { period: Some(period), out: Some(out), .. } => {
            commands::evidence(config, period, &out).await
        }
        Command::Evidence { .. } => Err("give --period and --out, or verify FILE".into()),
        Command::Reconcile { period, seller, format, json, fresh } => {
            let format = if json { commands::ReconcileFormat::Json } else { format };
            let seller = seller.map(ml_connector_domain::SellerId::new);
            commands::reconcile(config, period, seller, format, fresh).await
        }
        Command::Export { command: ExportCommand::Hledger { period, seller, out } } => {
            commands::export_hledger(
                config,
                period,
                seller.map(ml_connector_domain::SellerId::new),
                out.as_deref(),
            )
            .await
        }
    }
}

/// Logs go to standard error, in colour at a terminal only; `RUST_LOG` chooses what.
fn start_logging(account: Option<&Account>, recorder: Option<&Recorder>) {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing_subscriber::filter::LevelFilter::INFO.into())
        .from_env_lossy();
    // Where the log cannot be written, on a full disk, saying so there would end the process.
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false);
    tracing_subscriber::registry()
        .with(log.with_filter(filter))
        .with(account.map(Account::layer))
        .with(recorder.map(Recorder::layer))
        .init();
}
