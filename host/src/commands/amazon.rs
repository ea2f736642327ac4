//! `backfill`, `retention`, `participations`, `products`, `notification` and `settlement-report`: Amazon's side.

use std::io::Read as _;
use std::sync::Arc;

use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ml_connector_amazon::marketplace;
use ml_connector_amazon::notification::{self, Nudge};
use ml_connector_amazon::retention::{Served, served};
use ml_connector_domain::canonical::day_in;
use ml_connector_domain::{Clock as _, MarketplaceId, Region, SellerId, Sku};
use ml_connector_pipeline::{Parts, Seller, backfill, poll};
use ml_connector_ports::{Account, AmazonSource as _, Stream};
use ml_connector_remote::SystemClock;
use ml_connector_storage::Backfill;
use serde_json::json;

use super::{Outcome, say};
use crate::app::App;
use crate::config::{Config, OrdersApiConfig};

/// What `backfill` is asked for.
pub(crate) struct BackfillRequest {
    pub(crate) seller: SellerId,
    pub(crate) from: Date,
    pub(crate) to: Option<Date>,
    pub(crate) watch: bool,
}

/// Puts spans of history on the list that the daemon works off, and watches.
pub(crate) async fn backfill(config: Config, request: BackfillRequest) -> Outcome {
    let app = App::open(config).await?;
    let now = app.clock.shared().now();
    let seller = app.config.sellers.iter().find(|seller| seller.id == request.seller);
    let seller = seller.ok_or_else(|| format!("BKF-SELLER: there is no seller {}", request.seller))?;
    let midnight = |day: Date| TimeZone::UTC.to_timestamp(day.into());
    let from = midnight(request.from)?;
    // From its start on, everything is read anyway.
    let to = request.to.map(midnight).transpose()?.unwrap_or(seller.start_from).min(now);
    if from >= to {
        return Err(format!("BKF-SPAN: {from} is not before {to}: nothing is to be read").into());
    }
    warn_of_retention(request.from, now);
    let mut changes = Vec::new();
    for authorization in &seller.authorizations {
        for stream in [Stream::Orders, Stream::Transactions, Stream::Groups, Stream::Payouts] {
            let of = (seller.id.clone(), authorization.region, stream.as_str());
            changes.push(Backfill::request(of, (from, to), now, backfill::REQUESTED, now));
        }
    }
    app.store.apply(changes).await?;
    if request.watch {
        watch(&app, &request.seller).await?;
    }
    app.store.close().await;
    Ok(())
}

fn warn_of_retention(from: Date, now: Timestamp) {
    let today = day_in(now, &TimeZone::UTC);
    if let Served::Outside(end) = served("order", None, from, today) {
        say(&format!(
            "note: Amazon serves two years (orders of JP, AU and SG from 2016 on): what ended on {end} comes back empty"
        ));
    }
}

async fn of_seller(app: &App, seller: &SellerId) -> Result<Vec<Backfill>, Box<dyn std::error::Error>> {
    let all = app.store.backfills(backfill::REQUESTED).await?;
    Ok(all.into_iter().filter(|backfill| backfill.seller == *seller).collect())
}

async fn status(app: &App, seller: &SellerId) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let all = of_seller(app, seller).await?;
    let rows = all.iter().map(|b| {
        json!({
            "region": b.region.as_str(), "stream": b.stream, "from": b.from.to_string(), "to": b.to.to_string(),
            "position": b.position.to_string(), "pages": b.pages, "records": b.records,
            "started_at": b.started_at.map(|at| at.to_string()), "done_at": b.done_at.map(|at| at.to_string()),
        })
    });
    Ok(json!({ "done": all.iter().all(|b| b.done_at.is_some()), "backfills": rows.collect::<Vec<_>>() }))
}

/// Says how back-fills stand.
pub(crate) async fn backfill_status(config: Config, seller: &SellerId) -> Outcome {
    let app = App::open(config).await?;
    say(&status(&app, seller).await?.to_string());
    app.store.close().await;
    Ok(())
}

/// Shows the progress until all is read. The daemon does the work: without one nothing moves.
async fn watch(app: &App, seller: &SellerId) -> Outcome {
    let bar = ProgressBar::new(1_000);
    bar.set_style(ProgressStyle::with_template("{bar:40} {percent}%  {msg}")?);
    loop {
        let all = of_seller(app, seller).await?;
        let progress = backfill::progress(&all, app.clock.shared().now());
        bar.set_position(progress.permille);
        let minutes = (progress.elapsed.as_secs() / 60).max(1);
        let rate = progress.records / u64::try_from(minutes).unwrap_or(1);
        bar.set_message(match progress.left {
            Some(left) => format!(
                "{} records on {} pages, {rate} a minute, about {} h {:02} min left",
                progress.records,
                progress.pages,
                left.as_hours(),
                left.as_mins() % 60
            ),
            None => "waiting for the daemon to begin: is `ml-connector serve` running?".to_owned(),
        });
        if all.iter().all(|backfill| backfill.done_at.is_some()) {
            bar.finish();
            say(&format!("{} records on {} pages", progress.records, progress.pages));
            return Ok(());
        }
        let next = SystemClock.now().saturating_add(SignedDuration::from_secs(1))?;
        SystemClock.sleep_until(next).await;
    }
}

/// Says whether Amazon can still serve the records of an id.
async fn retention_of(app: &App, id: &str, today: Date) -> Outcome {
    let found = app.store.sources_about(id).await?;
    if found.is_empty() {
        return Err(format!("RET-UNKNOWN: nothing is known of `{id}`").into());
    }
    for (kind, _, record) in found {
        let record: serde_json::Value = serde_json::from_str(&record)?;
        let text = |names: &[&str]| names.iter().find_map(|name| record[*name].as_str());
        let day = text(&["created", "posted", "end", "start"]).and_then(|at| at.get(..10));
        let day: Date = day.ok_or_else(|| format!("RET-UNKNOWN: the {kind} {id} has no date"))?.parse()?;
        say(&match served(&kind, text(&["marketplace"]), day, today) {
            Served::Until(end) => format!("{kind} {id} of {day}: Amazon serves it until {end}"),
            Served::Always => format!("{kind} {id} of {day}: Amazon serves it, no end is known"),
            Served::Outside(end) => format!(
                "{kind} {id} of {day}: outside since {end}: Amazon answers with nothing; what is stored here is all there is"
            ),
        });
    }
    Ok(())
}

/// Says what Amazon can still serve of what is stored here, and flags what lies outside of its time.
pub(crate) async fn retention(config: Config, id: Option<&str>, as_json: bool) -> Outcome {
    let app = App::open(config).await?;
    let today = day_in(app.clock.shared().now(), &TimeZone::UTC);
    if let Some(id) = id {
        retention_of(&app, id, today).await?;
        app.store.close().await;
        return Ok(());
    }
    let mut rows: Vec<(String, String, String, &'static str, String, u64)> = Vec::new();
    for age in app.store.record_ages().await? {
        let day: Date = age.day.parse()?;
        let place = age.marketplace.as_ref().map(MarketplaceId::as_str).filter(|id| !id.is_empty());
        let (state, until) = match served(&age.kind, place, day, today) {
            Served::Until(end) => ("served", end.to_string()),
            Served::Always => ("served", "no end known".to_owned()),
            Served::Outside(end) => ("outside", end.to_string()),
        };
        let country = place.map_or("", |id| marketplace::find(id).map_or(id, |known| known.country));
        rows.push((age.kind, country.to_owned(), day.strftime("%Y-%m").to_string(), state, until, age.count));
    }
    if as_json {
        let list = rows.iter().map(|(kind, place, month, state, until, count)| {
            json!({"kind": kind, "marketplace": place, "month": month, "state": state, "until": until, "records": count})
        });
        let outside: u64 = rows.iter().filter(|row| row.3 == "outside").map(|row| row.5).sum();
        say(&json!({ "outside": outside, "rows": list.collect::<Vec<_>>() }).to_string());
    } else {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header(["what", "where", "month", "Amazon", "until at the latest", "records"]);
        for (key, until, count) in by_month(rows) {
            table.add_row([key.0, key.1, key.2, key.3.to_owned(), until, count.to_string()]);
        }
        say(&table.to_string());
    }
    app.store.close().await;
    Ok(())
}

type Key = (String, String, String, &'static str);

/// Days of a month in one row each for what is served and what is not.
fn by_month(rows: Vec<(String, String, String, &'static str, String, u64)>) -> Vec<(Key, String, u64)> {
    let mut months: std::collections::BTreeMap<Key, (String, u64)> = std::collections::BTreeMap::new();
    for (kind, place, month, state, until, count) in rows {
        let entry = months.entry((kind, place, month, state)).or_default();
        entry.0 = until.max(std::mem::take(&mut entry.0));
        entry.1 += count;
    }
    months.into_iter().map(|(key, (until, count))| (key, until, count)).collect()
}

/// Lists where a seller takes part, with what Amazon lists beside the shops.
pub(crate) async fn participations(config: Config, seller: SellerId, region: Region) -> Outcome {
    let app = App::open(config).await?;
    let amazon = app.amazon(&Arc::new(app.credentials()?))?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["marketplace", "name", "country", "currency", "state", "time zone"]);
    for place in amazon.participations(&Account { seller, region }).await? {
        let id = place.marketplace.as_str();
        let state = match (marketplace::is_pseudo(id, &place.name), place.participating, place.suspended) {
            (true, _, _) => "no shop: fulfilment for orders from elsewhere",
            (_, false, _) => "not participating",
            (_, true, true) => "listings suspended",
            (_, true, false) => "participating",
        };
        let zone = marketplace::find(id).map_or("", |known| known.zone);
        table.add_row([id, &place.name, &place.country, &place.currency, state, zone]);
    }
    app.store.close().await;
    say(&table.to_string());
    Ok(())
}

/// Asks Amazon's catalog about products and says what it knows in the catalog file's form, for its author to complete.
pub(crate) async fn products(
    config: Config,
    (seller, region): (SellerId, Region),
    marketplace: MarketplaceId,
    skus: Vec<Sku>,
) -> Outcome {
    let app = App::open(config).await?;
    let amazon = app.amazon(&Arc::new(app.credentials()?))?;
    let found = amazon.products(&Account { seller, region }, &marketplace, &skus).await?;
    app.store.close().await;
    say("sku,product_type,marketplace,revenue_account,cogs_account,cost_center");
    for product in &found {
        let kind = product.product_type.as_deref().unwrap_or_default();
        say(&format!("{},{kind},,,,", product.sku));
    }
    for sku in skus.iter().filter(|sku| !found.iter().any(|product| product.sku == **sku)) {
        super::complain(&format!("PRD-UNKNOWN: Amazon's catalog does not know {sku} in {marketplace}"));
    }
    Ok(())
}

/// Takes a notification as it came off the queue and polls what it is about. What it says is not booked.
pub(crate) async fn notification(config: Config, file: &std::path::Path) -> Outcome {
    let mut text = String::new();
    match file.to_str() {
        Some("-") => std::io::stdin().take(1 << 20).read_to_string(&mut text)?,
        _ => std::fs::File::open(file)?.take(1 << 20).read_to_string(&mut text)?,
    };
    let Some(nudge) = notification::parse(&text)? else {
        say("nothing follows from a notification of this type");
        return Ok(());
    };
    let app = App::open(config).await?;
    let (seller, parts) = app
        .sellers()?
        .into_iter()
        .find(|(seller, _)| seller.id == nudge.seller)
        .ok_or_else(|| format!("NTF-SELLER: there is no seller {}", nudge.seller))?;
    let said = match one_order(&app, &seller, &parts, &nudge).await? {
        Some(said) => said,
        None => {
            let mut records = 0;
            for region in seller.regions.clone() {
                let account = Account { seller: seller.id.clone(), region };
                records += poll::poll(&parts, &seller, &account, nudge.stream).await?.records;
            }
            format!("{} of {} polled: {records} records", nudge.stream.as_str(), nudge.seller)
        }
    };
    app.store.close().await;
    say(&said);
    Ok(())
}

/// Reads the one order that a notification is about; `None` where that cannot be done and a poll has to.
async fn one_order(
    app: &App,
    seller: &Seller,
    parts: &Parts,
    nudge: &Nudge,
) -> Result<Option<String>, Box<dyn std::error::Error>> {
    let Some((order, place)) = &nudge.order else { return Ok(None) };
    let region = marketplace::find(place.as_str()).map(|known| known.region);
    let region = region.filter(|region| seller.regions.contains(region));
    let (Some(region), OrdersApiConfig::Current) = (region, app.config.amazon.orders_api) else {
        return Ok(None);
    };
    let account = Account { seller: seller.id.clone(), region };
    let amazon = app.amazon(&Arc::new(app.credentials()?))?;
    let Some(record) = amazon.order_now(&account, order).await? else {
        return Ok(Some(format!("NTF-ORDER: Amazon does not serve order {order} of {}", nudge.seller)));
    };
    poll::keep(parts, &account, Stream::Orders, record).await?;
    Ok(Some(format!("order {order} of {} read", nudge.seller)))
}

/// Writes an archived settlement report as Amazon made it.
pub(crate) async fn settlement_report(config: Config, seller: &SellerId, report: &str) -> Outcome {
    let app = App::open(config).await?;
    let found = app.store.report_file(seller, report).await?;
    app.store.close().await;
    let found = found.ok_or_else(|| format!("RPT-UNKNOWN: no report {report} of {seller} is archived"))?;
    let mut unpacked = flate2::read::GzDecoder::new(found.packed.as_slice());
    std::io::copy(&mut unpacked, &mut std::io::stdout().lock())?;
    Ok(())
}
