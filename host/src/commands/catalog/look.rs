//! `catalog list`, `coverage` and `diff`.

use ml_connector_domain::catalog::{CatalogEntry, Rule, Subject};
use ml_connector_domain::{Date, Money};
use ml_connector_pipeline::catalog_use::{
    self, Covered, Remapped, RuleChange, add, compare_rules, compare_uses, uses,
};
use serde_json::{Value, json};

use super::{named, seller};
use crate::app::App;
use crate::commands::{Outcome, say, table};

/// Lists the versions.
pub(super) async fn list(app: &App) -> Outcome {
    let rows = app.store.catalog_versions().await?;
    let mut shown = table(&["seller", "sha256", "file", "state", "since", "why"]);
    for config in &app.config.sellers {
        let active = app.store.catalog_pointer(&config.id).await?.active;
        for row in rows.iter().filter(|row| row.seller == config.id) {
            let state = if active.as_ref() == Some(&row.hash) { "active" } else { "" };
            shown.add_row([
                row.seller.as_str(),
                &row.hash.as_str()[..12],
                &row.file,
                state,
                &row.at.strftime("%Y-%m-%d %H:%M").to_string(),
                &row.why,
            ]);
        }
        if active.is_none() {
            say(&format!("for {} decides {}", config.id, config.catalog.display()));
        }
    }
    say(&shown.to_string());
    Ok(())
}

fn sums(amounts: &[Money]) -> String {
    amounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Says what is mapped.
pub(super) async fn coverage(app: &App, id: &str, text: &str, range: (Date, Date), as_json: bool) -> Outcome {
    let (seller, parts) = seller(app, id)?;
    let (hash, catalog) = named(app, &seller, text).await?;
    let uses = uses(&parts, &seller, range).await?;
    let rows = catalog_use::coverage(&uses, &catalog, &seller.ledger.default_cost_center)?;
    let mut open = Vec::new();
    for row in rows.iter().filter(|row| row.entry.is_none()) {
        for amount in &row.charged {
            add(&mut open, *amount)?;
        }
    }
    let mapped = rows.iter().filter(|row| row.entry.is_some()).count();
    if as_json {
        let products: Vec<Value> = rows.iter().map(covered_json).collect();
        let body = json!({
            "seller": id, "catalog": hash.as_str(), "mapped": mapped, "unmapped": rows.len() - mapped,
            "unmapped_charged": open.iter().map(money_json).collect::<Vec<_>>(), "products": products,
        });
        say(&body.to_string());
        return Ok(());
    }
    let header =
        ["sku", "marketplace", "revenue", "cost centre", "by", "orders", "charged", "transactions", "moved"];
    let mut shown = table(&header);
    for row in &rows {
        let entry = row.entry.as_ref();
        shown.add_row([
            row.sku.to_string(),
            row.marketplace.to_string(),
            entry.map_or_else(|| "not mapped".to_owned(), |entry| entry.revenue.clone()),
            entry.map(|entry| entry.cost_center.clone()).unwrap_or_default(),
            entry.map(|entry| entry.rule.clone()).unwrap_or_default(),
            row.orders.to_string(),
            sums(&row.charged),
            row.transactions.to_string(),
            sums(&row.moved),
        ]);
    }
    say(&shown.to_string());
    say(&format!("catalog {hash}: {mapped} of {} are mapped; not mapped: {}", rows.len(), at_stake(&open)));
    Ok(())
}

fn at_stake(open: &[Money]) -> String {
    if open.is_empty() { "no money".to_owned() } else { sums(open) }
}

fn money_json(money: &Money) -> Value {
    json!({ "minor": money.minor, "currency": money.currency.code() })
}

fn covered_json(row: &Covered) -> Value {
    json!({
        "sku": row.sku.as_str(), "marketplace": row.marketplace.as_str(), "entry": row.entry,
        "from": row.days.0.to_string(), "to": row.days.1.to_string(),
        "orders": row.orders, "charged": row.charged.iter().map(money_json).collect::<Vec<_>>(),
        "transactions": row.transactions, "moved": row.moved.iter().map(money_json).collect::<Vec<_>>(),
    })
}

/// Compares two catalogs.
pub(super) async fn diff(app: &App, id: &str, (one, other): (&str, &str), as_json: bool) -> Outcome {
    let (seller, parts) = seller(app, id)?;
    let ((first, one), (second, other)) =
        (named(app, &seller, one).await?, named(app, &seller, other).await?);
    let rules = compare_rules(&one, &other);
    let uses = uses(&parts, &seller, (Date::MIN, Date::MAX)).await?;
    let remapped = compare_uses(&uses, (&one, &other), &seller.ledger.default_cost_center);
    if as_json {
        let body = json!({
            "one": first.as_str(), "other": second.as_str(),
            "rules": rules.iter().map(rule_json).collect::<Vec<_>>(),
            "products": remapped.iter().map(remapped_json).collect::<Vec<_>>(),
        });
        say(&body.to_string());
        return Ok(());
    }
    for change in &rules {
        say(&match change {
            RuleChange::Added(rule) => format!("+ {}", in_words(rule)),
            RuleChange::Removed(rule) => format!("- {}", in_words(rule)),
            RuleChange::Changed(both) => format!("~ {} -> {}", in_words(&both.0), in_words(&both.1)),
        });
    }
    let mut shown =
        table(&["sku", "marketplace", "day", "one", "other", "orders", "charged", "transactions", "moved"]);
    for row in &remapped {
        shown.add_row([
            row.used.sku.to_string(),
            row.used.marketplace.to_string(),
            row.used.day.to_string(),
            mapping(row.before.as_ref()),
            mapping(row.after.as_ref()),
            row.used.orders.to_string(),
            row.used.charged.to_string(),
            row.used.transactions.to_string(),
            row.used.moved.to_string(),
        ]);
    }
    if remapped.is_empty() {
        say("no stored order or transaction would be mapped otherwise");
    } else {
        say(&shown.to_string());
    }
    Ok(())
}

fn mapping(entry: Option<&CatalogEntry>) -> String {
    let Some(entry) = entry else { return "not mapped".to_owned() };
    let cogs = entry.cogs.as_deref().unwrap_or("-");
    let cost: Vec<&str> = entry.extra.iter().map(|(_, value)| value.as_str()).collect();
    format!("{}/{cogs} at {} {}", entry.revenue, entry.cost_center, cost.join(" ")).trim_end().to_owned()
}

fn in_words(rule: &Rule) -> String {
    let mut words = match &rule.subject {
        Subject::Sku(sku) => format!("{}: {sku}", rule.place),
        Subject::ProductType(kind) => format!("{}: type {kind}", rule.place),
    };
    let fields = [
        ("in", rule.marketplace.as_ref().map(ToString::to_string)),
        ("in", rule.region.map(|region| region.to_string())),
        ("from", rule.valid_from.map(|day| day.to_string())),
        ("to", rule.valid_to.map(|day| day.to_string())),
        ("of type", rule.product_type.clone()),
        ("revenue", rule.revenue.clone()),
        ("cogs", rule.cogs.clone()),
        ("cost centre", rule.cost_center.clone()),
        ("unit cost", rule.unit_cost.map(|cost| cost.to_string())),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            words.push_str(&format!(" {name} {value}"));
        }
    }
    words
}

fn rule_json(change: &RuleChange) -> Value {
    match change {
        RuleChange::Added(rule) => json!({ "change": "added", "after": rule }),
        RuleChange::Removed(rule) => json!({ "change": "removed", "before": rule }),
        RuleChange::Changed(both) => json!({ "change": "changed", "before": both.0, "after": both.1 }),
    }
}

fn remapped_json(row: &Remapped) -> Value {
    json!({
        "sku": row.used.sku.as_str(), "marketplace": row.used.marketplace.as_str(), "day": row.used.day.to_string(),
        "before": row.before, "after": row.after, "orders": row.used.orders,
        "charged": money_json(&row.used.charged), "transactions": row.used.transactions,
        "moved": money_json(&row.used.moved),
    })
}
