//! The commands.

mod amazon;
mod api_key;
mod audit;
mod backup;
pub(crate) mod catalog;
mod config;
mod correct;
mod correct_range;
mod doctor;
mod fusion;
mod init;
mod look;
pub(crate) mod mapper;
mod reconcile;
mod reverse;
pub(crate) mod review;
mod secrets;
mod seller;
mod serve;

use std::error::Error;

pub(crate) use amazon::{
    BackfillRequest, backfill, backfill_status, notification, participations, products, retention,
    settlement_report,
};
pub(crate) use api_key::{ApiKeyCommand, api_key, openapi};
pub(crate) use audit::{
    NotAsItWas, VerifyRequest, audit_checkpoint, audit_key, audit_verify, evidence, evidence_verify,
    export_hledger,
};
pub(crate) use backup::{backup, restore};
pub(crate) use config::{ConfigCommand, config, config_without_file};
pub(crate) use correct::correct;
pub(crate) use correct_range::{RangeRequest, correct_range};
pub(crate) use doctor::doctor;
pub(crate) use fusion::{fusion_authorize_finish, fusion_authorize_start, fusion_check};
pub(crate) use init::{InitRequest, init};
pub(crate) use look::{explain, report, review, trace_id};
pub(crate) use reconcile::{Format as ReconcileFormat, reconcile};
pub(crate) use reverse::reverse;
pub(crate) use review::{ReviewCommand, review_items};
pub(crate) use secrets::{
    authorize_finish, authorize_url, import_credentials, rotate_client_secret, rotate_master_key,
};
pub(crate) use seller::{SellerCommand, seller};
pub(crate) use serve::serve;

use comfy_table::{Table, presets};

use crate::app::App;
use crate::config::Config;

/// What a command ends with.
pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// Says to the operator what they asked for.
#[expect(clippy::print_stdout, reason = "the one writer of answers")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Says to the operator what is wrong.
#[expect(clippy::print_stderr, reason = "the one writer of complaints")]
pub(crate) fn complain(text: &str) {
    eprintln!("error: {text}");
}

/// An empty table with these columns.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header.to_vec());
    table
}

/// An error with its causes, in one line each.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words.push_str(&format!("\n  because: {inner}"));
        cause = inner.source();
    }
    words
}

/// Checks the configuration, the catalogs and the mappers.
pub(crate) async fn check(config: Config) -> Outcome {
    let app = App::open(config).await?;
    for (seller, parts) in app.sellers()? {
        let mapper = parts.mapper.identity();
        say(&format!(
            "{} ({}): {} catalog rules, mapper {} {} ({})",
            seller.id,
            seller.name,
            seller.catalog.rules.len(),
            mapper.name,
            mapper.version,
            mapper.digest
        ));
        if let Some(active) = app.store.catalog_pointer(&seller.id).await?.active {
            say(&format!("{}: catalog {active} was imported and decides, not the file", seller.id));
        }
    }
    app.store.close().await;
    Ok(())
}
