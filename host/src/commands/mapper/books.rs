//! `mapper list`, `show`, `diff` and `replay`: what versions did, and would do, to the books.

use std::path::Path;
use std::sync::Arc;

use comfy_table::Table;
use jiff::SignedDuration;
use ml_connector_domain::{SellerId, Timestamp};
use ml_connector_pipeline::versions::{self, replay as again, sum_by_account};
use ml_connector_pipeline::{Parts, Seller};
use ml_connector_ports::Mapper;
use ml_connector_storage::DifferenceTotals;

use super::trial::Trials;
use super::{life, look};
use crate::app::App;
use crate::commands::{Outcome, say, table};
use crate::config::Config;
use crate::signature;

type Failure = Box<dyn std::error::Error>;

fn seller(app: &App, id: &str) -> Result<(Seller, Parts), Failure> {
    let found = app.sellers()?.into_iter().find(|(seller, _)| seller.id == SellerId::new(id));
    found.ok_or_else(|| format!("MAP-SELLER: the configuration names no seller {id}").into())
}

fn since(app: &App, days: u32) -> Timestamp {
    let now = app.clock.shared().now();
    now.saturating_add(-SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(now)
}

/// Lists the versions.
pub(super) async fn list(config: Config) -> Outcome {
    let app = App::open(config).await?;
    let mut shown = table(&["seller", "version", "sha256", "author", "state", "since", "why"]);
    for row in app.store.mapper_versions().await? {
        shown.add_row([
            row.seller.as_str().to_owned(),
            format!("{} {}", row.name, row.version),
            row.digest.as_str()[..12].to_owned(),
            row.author.unwrap_or_default(),
            row.state,
            row.changed_at.strftime("%Y-%m-%d %H:%M").to_string(),
            row.why,
        ]);
    }
    say(&shown.to_string());
    for config in &app.config.sellers {
        if app.store.mapper_pointer(&config.id).await?.active.is_none() {
            say(&format!("{} is mapped by {}", config.id, config.mapper.display()));
        }
    }
    app.store.close().await;
    Ok(())
}

/// Amounts stand in minor units: an account of mixed currencies has a row for each.
fn differences(rows: &[DifferenceTotals], header: [&str; 6]) -> Table {
    let mut shown = table(&header);
    for row in rows {
        shown.add_row([
            row.account.clone(),
            row.currency.clone(),
            row.records.to_string(),
            row.active_minor.to_string(),
            row.shadow_minor.to_string(),
            row.example.clone(),
        ]);
    }
    shown
}

/// Shows where a shadow differs.
pub(super) async fn show(config: Config, text: &str, id: &str) -> Outcome {
    let app = App::open(config).await?;
    let digest = life::version(&app, text).await?;
    let id = SellerId::new(id);
    let totals = app.store.shadow_totals(&id, &digest).await?;
    say(&format!(
        "{digest}\n{} batches of {} records beside the active version, {} failed, {} fuel",
        totals.batches, totals.records, totals.faults, totals.fuel
    ));
    let rows = app.store.shadow_differences(&id, &digest).await?;
    if rows.is_empty() {
        say("it would have booked the same");
    } else {
        let header = ["what and where", "currency", "records", "active", "shadow", "for example"];
        say(&differences(&rows, header).to_string());
    }
    app.store.close().await;
    Ok(())
}

/// A version, or a component's file.
async fn mapper(app: &App, (id, parts): (&str, &Parts), text: &str) -> Result<Arc<dyn Mapper>, Failure> {
    let path = Path::new(text);
    if path.is_file() {
        let trials = Trials::open(app)?;
        let (door, _) = trials.door(&SellerId::new(id))?;
        let bytes = look::read(path, door.component_bytes_max())?;
        return Ok(Arc::new(door.load(&bytes, &signature::read_beside(path)?)?));
    }
    let digest = life::version(app, text).await?;
    Ok(versions::load(parts, &digest).await?)
}

/// Compares two components over recorded batches.
pub(super) async fn diff(config: Config, (one, other): (&str, &str), id: &str, days: u32) -> Outcome {
    let app = App::open(config).await?;
    let (seller, parts) = seller(&app, id)?;
    let (one, other) = (mapper(&app, (id, &parts), one).await?, mapper(&app, (id, &parts), other).await?);
    let found = again::compare(&parts, &seller, (&*one, &*other), since(&app, days)).await?;
    say(&format!("{} batches of {} records", found.batches, found.records));
    found.faults.iter().for_each(|fault| say(fault));
    let rows = sum_by_account(found.differences);
    if rows.is_empty() {
        say("they book the same");
    } else {
        let header = ["what and where", "currency", "records", "one", "other", "for example"];
        say(&differences(&rows, header).to_string());
    }
    app.store.close().await;
    Ok(())
}

/// Makes documents again.
pub(super) async fn replay(config: Config, id: &str, days: u32) -> Outcome {
    let app = App::open(config).await?;
    let (seller, parts) = seller(&app, id)?;
    let found = again::replay(&parts, &seller, since(&app, days)).await?;
    say(&format!(
        "{} batches of {} records mapped again: {} invoices and credit memos, {} bookings and {} journals are the same, byte for byte",
        found.batches, found.records, found.documents, found.bookings, found.journals
    ));
    if found.not_kept > 0 {
        say(&format!("{} batches cannot be: what went in is not kept any more", found.not_kept));
    }
    if found.journals_not_kept > 0 {
        let count = found.journals_not_kept;
        say(&format!(
            "{count} journals cannot be: what went in is not kept any more, or a correction replaced what they adjust"
        ));
    }
    app.store.close().await;
    if found.wrong.is_empty() {
        return Ok(());
    }
    Err(format!("MAP-REPLAY: {} do not follow:\n{}", found.wrong.len(), found.wrong.join("\n")).into())
}
