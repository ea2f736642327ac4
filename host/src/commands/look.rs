//! `report`, `review` and `explain`: looking at what the store holds.

use comfy_table::{Table, presets};
use ml_connector_domain::SellerId;
use ml_connector_domain::trace::TraceId;
use ml_connector_pipeline::{explain as story, report as figures};
use ml_connector_storage::ReviewTotals;
use serde_json::json;

use super::{Outcome, say};
use crate::app::App;
use crate::config::Config;

/// Items listed at the most; totals cover all.
const LISTED: u32 = 200;
/// Review items that a program is given.
const LISTED_AS_JSON: u32 = 100_000;

/// Items among which those about the ledger are looked for.
const ITEMS_MAX: u32 = 100_000;

/// Says what was read, decided, posted and compared.
pub(crate) async fn report(config: Config, as_json: bool) -> Outcome {
    let app = App::open(config).await?;
    let report = figures::report(&*app.store).await?;
    if as_json {
        let mut body = serde_json::to_value(&report)?;
        let findings = app.store.findings(LISTED).await?;
        body["findings"] = findings
            .iter()
            .map(|found| json!({ "kind": found.kind, "subject": found.subject, "finding": found.finding }))
            .collect();
        let ledger = app.store.open_reviews(ITEMS_MAX).await?;
        body["ledger_findings"] = ledger
            .iter()
            .filter(|item| item.kind == ml_connector_pipeline::kind::LEDGER)
            .map(|item| json!({ "seller": item.seller.as_str(), "code": item.code, "subject": item.subject, "message": item.message }))
            .collect();
        body["review"] = totals_json(&app.store.review_totals().await?);
        body["totals"] = app
            .store
            .document_totals()
            .await?
            .iter()
            .map(|(kind, total, count)| {
                json!({
                    "kind": kind.as_str(), "currency": total.currency.code(), "documents": count,
                    "total": total.decimal(),
                })
            })
            .collect();
        say(&body.to_string());
    } else {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["", "figure", "count"]);
        for (group, value) in serde_json::to_value(&report)?.as_object().into_iter().flatten() {
            for (name, count) in value.as_object().into_iter().flatten() {
                table.add_row([group.clone(), name.clone(), count.to_string()]);
            }
        }
        say(&table.to_string());
    }
    app.store.close().await;
    Ok(())
}

fn at_stake(money: Option<ml_connector_domain::Money>) -> String {
    money.map(|money| money.to_string()).unwrap_or_default()
}

/// Everything that waits for a person, by reason and currency: nothing in review is missing from these.
fn totals_json(totals: &[ReviewTotals]) -> serde_json::Value {
    let row = |row: &ReviewTotals| {
        json!({
            "kind": row.kind, "code": row.code, "about": row.about, "subjects": row.subjects,
            "at_stake": at_stake(row.at_stake), "oldest": row.oldest.to_string(),
        })
    };
    totals.iter().map(row).collect()
}

/// Lists what waits for a person.
pub(crate) async fn review(config: Config, as_json: bool) -> Outcome {
    let app = App::open(config).await?;
    let totals = app.store.review_totals().await?;
    if as_json {
        let items = app.store.open_reviews(LISTED_AS_JSON).await?;
        let body = json!({
            "totals": totals_json(&totals),
            "items": items.iter().map(|item| json!({
                "id": item.id, "seller": item.seller.as_str(), "kind": item.kind, "subject": item.subject,
                "code": item.code, "about": item.about, "message": item.message,
                "at_stake": at_stake(item.at_stake), "opened_at": item.opened_at.to_string(),
            })).collect::<Vec<_>>(),
        });
        say(&body.to_string());
    } else {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header(["what", "reason", "about", "how many", "at stake", "oldest"]);
        for row in &totals {
            table.add_row([
                row.kind.clone(),
                row.code.clone(),
                row.about.clone(),
                row.subjects.to_string(),
                at_stake(row.at_stake),
                row.oldest.strftime("%Y-%m-%d").to_string(),
            ]);
        }
        say(&table.to_string());
    }
    app.store.close().await;
    Ok(())
}

/// Tells a story.
pub(crate) async fn explain(config: Config, id: Option<String>, as_json: bool) -> Outcome {
    let app = App::open(config).await?;
    let id = match id {
        Some(id) => id,
        None => app.store.example_order().await?.ok_or("nothing is invoiced yet: name an id")?,
    };
    let told = story::explain(&*app.store, &id).await?;
    if told.is_empty() {
        return Err(format!("EXP-UNKNOWN: nothing is known of `{id}`").into());
    }
    if as_json {
        say(&told.to_json().to_string());
    } else {
        say(&id);
        for line in told.lines() {
            say(&line);
        }
    }
    app.store.close().await;
    Ok(())
}

/// Prints the trace of a record, which follows from whose it is and its id.
pub(crate) fn trace_id(seller: &SellerId, id: &str) {
    say(&TraceId::of(seller, id).to_string());
}
