//! Shows what happened.

use comfy_table::{Table, presets};
use serde_json::Value;

use super::Outcome;

pub(super) fn table(title: &str, header: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header);
    table.add_rows(rows);
    println!("\n{title}\n{table}");
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn figures(report: &Value, group: &str, names: &[(&str, &str)]) -> Vec<Vec<String>> {
    names.iter().map(|(name, words)| vec![(*words).to_owned(), text(&report[group][*name])]).collect()
}

/// Prints tables of orders, documents, review items and reconciliation, and one order's story.
pub(super) fn tables(outcome: &Outcome) {
    let report = &outcome.report;
    let orders = [
        ("read", "read from Amazon"),
        ("invoiceable", "shipped and wholly mapped"),
        ("invoiced", "invoiced in Fusion"),
        ("review", "shipped, waiting in review"),
        ("skipped", "cancelled or free replacements"),
    ];
    table("Orders", &["orders", "count"], figures(report, "orders", &orders));
    let transactions =
        [("read", "read from Amazon"), ("journaled", "in a settlement's journal"), ("review", "in review")];
    table("Transactions", &["transactions", "count"], figures(report, "transactions", &transactions));
    let row = |row: &Value| ["kind", "currency", "documents", "total"].map(|name| text(&row[name])).to_vec();
    let totals = report["totals"].as_array().into_iter().flatten().map(row).collect();
    table("Documents confirmed in Fusion", &["kind", "currency", "documents", "total"], totals);
    let row =
        |row: &Value| ["kind", "code", "about", "subjects", "at_stake"].map(|name| text(&row[name])).to_vec();
    let review = outcome.review["totals"].as_array().into_iter().flatten().map(row).collect();
    table("Waiting for a person", &["what", "reason", "about", "how many", "at stake"], review);
    let reconciliation = [("checks", "documents read back and compared"), ("differences", "differences")];
    table("Reconciliation with Fusion", &["", "count"], figures(report, "reconciliation", &reconciliation));
    let verdict = outcome.truth["verdict"].as_object().cloned().unwrap_or_default();
    let rows = verdict.iter().filter(|(name, _)| *name != "details");
    let rows = rows.map(|(name, figure)| vec![name.replace('_', " "), text(figure)]).collect();
    table("The simulator's own books against Fusion", &["", "count"], rows);
    super::year::tables(outcome);
    println!("\nA second run of the daemon over the same books posted {} documents.", outcome.posted_again);
    println!("\nOne order, explained\n{}", outcome.story);
    println!("\n{} audit events, {:.1} seconds", text(&report["audit"]["events"]), outcome.seconds);
}
