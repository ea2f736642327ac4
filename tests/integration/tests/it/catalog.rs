//! Catalogs and the review queue: rules that begin and end, versions that an operator imports, and what waits for them.

use std::sync::Arc;

use ml_connector_domain::document::Body;
use ml_connector_domain::id::ContentHash;
use ml_connector_pipeline::catalog_file;
use ml_connector_storage::Store as _;
use serde_json::Value;

use crate::process::Installed;
use crate::support::{Connected, small};

/// Every invoice stands on the accounts that held on the day on which its order shipped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_changes_on_a_day_decides_by_the_day_of_each_record() {
    let mut connected = Connected::start("dated", small(71)).await;
    let mut text =
        "sku,product_type,marketplace,revenue_account,cogs_account,cost_center,valid_from,valid_to\n"
            .to_owned();
    for rule in &connected.seller.catalog.rules {
        let ml_connector_domain::catalog::Subject::Sku(sku) = &rule.subject else { continue };
        text.push_str(&format!("{sku},,,41000,,110,,2026-09-03\n{sku},,,41100,,110,2026-09-04,\n"));
    }
    connected.seller.catalog = Arc::new(catalog_file::parse("dated.csv", &text).expect("good"));
    connected.seller.catalog_hash = ContentHash::of(text.as_bytes());
    connected.run_until(connected.simulator.world.scenario.end).await;
    let rows = connected.store.postings_in(&connected.seller.id, "confirmed", 10_000).await.expect("reads");
    let mut seen = [0, 0];
    for row in &rows {
        let Body::Invoice { lines, .. } = &row.document.body else { continue };
        let early = row.document.date <= jiff::civil::date(2026, 9, 3);
        seen[usize::from(early)] += 1;
        let other = if early { "-41100-" } else { "-41000-" };
        let of = |account: &str| lines.iter().filter(|line| line.account.contains(account)).count();
        assert_eq!(of(other), 0, "{} dated {}: {lines:?}", row.document.key, row.document.date);
        assert!(of(if early { "-41000-" } else { "-41100-" }) > 0, "{lines:?}");
        assert!(lines.iter().any(|line| line.rule.starts_with("dated.csv:")), "{lines:?}");
    }
    assert!(seen[0] > 3 && seen[1] > 3, "{seen:?}");
}

fn json(text: &str) -> Value {
    serde_json::from_str(text.lines().last().unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// From an unmapped product to its posted invoice, by the commands of an operator.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_finds_an_unmapped_product_imports_a_catalog_and_resolves_what_waits() {
    let installed = Installed::start("catalogcmd", small(72)).await;
    let seller = installed.seller().to_owned();
    let end = installed.simulator.world.scenario.end;
    installed.said(&["serve", "--until", &end.to_string()]).await;

    let coverage = json(&installed.said(&["catalog", "coverage", "--seller", &seller, "--json"]).await);
    let open = list(&coverage["products"]).iter().filter(|row| row["entry"].is_null());
    let skus: std::collections::BTreeSet<&str> = open.filter_map(|row| row["sku"].as_str()).collect();
    assert!(!skus.is_empty() && coverage["unmapped_charged"][0]["minor"].as_i64() > Some(0), "{coverage}");
    let items = json(&installed.said(&["review", "list", "--code", "unmapped-sku", "--json"]).await);
    let items = list(&items["items"]);
    let sku = items[0]["about"].as_str().expect("a SKU");
    assert!(skus.contains(sku), "what waits is what is not covered");

    let file = |name: &str| installed.path(name).display().to_string();
    let old = std::fs::read_to_string(installed.path("catalog.csv")).expect("reads");
    std::fs::write(installed.path("bad.csv"), format!("{old}{sku},,,41 000,,\n")).expect("writes");
    let bad = installed.refused(&["catalog", "lint", &file("bad.csv")]).await;
    let line = old.lines().count() + 1;
    assert!(bad.contains(&format!("bad.csv:{line}:{}: revenue_account", sku.len() + 4)), "{bad}");
    let rows: String = skus.iter().map(|sku| format!("{sku},,,41000,,110\n")).collect();
    std::fs::write(installed.path("new.csv"), format!("{old}{rows}")).expect("writes");
    std::fs::write(
        installed.path("cases.csv"),
        format!("sku,marketplace,revenue_account,cost_center\n{sku},US,41000,110\nNO-SUCH,US,unmapped,\n"),
    )
    .expect("writes");
    let tested = installed.said(&["catalog", "test", &file("new.csv"), &file("cases.csv")]).await;
    assert!(tested.contains("2 cases are as expected"), "{tested}");
    let failing = installed.refused(&["catalog", "test", &file("catalog.csv"), &file("cases.csv")]).await;
    assert!(failing.contains("CAT-CASE:") && failing.contains("no rule maps it"), "{failing}");
    let diff =
        installed.said(&["catalog", "diff", "active", &file("new.csv"), "--seller", &seller, "--json"]).await;
    let diff = json(&diff);
    assert!(list(&diff["rules"]).iter().all(|rule| rule["change"] == "added"), "{diff}");
    assert!(list(&diff["products"]).iter().any(|row| row["sku"] == sku && row["before"].is_null()), "{diff}");

    let all: Vec<i64> =
        items.iter().filter(|item| item["about"] == sku).filter_map(|item| item["id"].as_i64()).collect();
    let first = all[0].to_string();
    let waiting = json(&installed.said(&["review", "show", &first, "--json"]).await);
    assert_eq!(waiting["attempt"]["settles"], false, "{waiting}");
    let imported = installed.said(&["catalog", "import", &file("new.csv"), "--seller", &seller]).await;
    let hash = ContentHash::of(format!("{old}{rows}").as_bytes());
    assert!(imported.contains(hash.as_str()), "{imported}");
    let shown = json(&installed.said(&["review", "show", &first, "--json"]).await);
    assert_eq!(shown["attempt"]["settles"], true, "{shown}");

    let posted = || {
        let state = installed.simulator.world.fusion.lock().expect("no panic");
        state.invoices.len()
    };
    let before = posted();
    let cause = ["review", "resolve", "--code", "unmapped-sku", "--about", sku];
    let would = installed.said(&cause).await;
    assert!(would.contains("nothing is planned yet"), "{would}");
    let resolved = installed.said(&[&cause[..], &["--approve"]].concat()).await;
    assert!(resolved.contains("are resolved"), "{resolved}");
    let later = end.saturating_add(jiff::SignedDuration::from_hours(12)).expect("in range");
    installed.said(&["serve", "--until", &later.to_string()]).await;
    assert!(posted() > before, "the orders that waited are invoiced");
    let left = json(&installed.said(&["review", "list", "--code", "unmapped-sku", "--json"]).await);
    assert!(list(&left["items"]).iter().all(|item| item["about"] != sku), "{left}");
    let document: Value =
        serde_json::from_str(shown["attempt"]["documents"][0]["body"].as_str().expect("a document"))
            .expect("JSON");
    let told = json(&installed.said(&["explain", document["key"].as_str().expect("a key"), "--json"]).await);
    assert_eq!(told["documents"][0]["sha256"], shown["attempt"]["documents"][0]["sha256"], "posted as shown");
    assert_eq!(told["documents"][0]["catalog"], hash.as_str());
    assert!(told.to_string().contains("new.csv:"), "the rule is named");
    assert_dismissals(&installed, &left).await;
}

/// Nothing is closed without a reason in words, and what is closed leaves who and why in the log.
async fn assert_dismissals(installed: &Installed, left: &Value) {
    let Some(item) = list(&left["items"]).iter().find(|item| item["kind"] == "order") else { return };
    let id = item["id"].to_string();
    let none = installed.refused(&["review", "dismiss", &id, "--because", "no"]).await;
    assert!(none.contains("REV-BECAUSE"), "{none}");
    installed.said(&["review", "dismiss", &id, "--because", "a sample, given away", "--by", "ann"]).await;
    let closed = installed.refused(&["review", "show", &id]).await;
    assert!(closed.contains("REV-CLOSED"), "{closed}");
    let told = installed.said(&["explain", item["subject"].as_str().expect("an order")]).await;
    assert!(told.contains("dismissed by ann: a sample, given away"), "{told}");
}
