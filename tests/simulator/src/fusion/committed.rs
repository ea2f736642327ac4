//! Counts and contents of what was committed, for the control port.

use serde_json::{Value, json};

use super::receivables::decimal;
use super::{Document, FusionState, JournalBatch, Kind, Receipt};
use crate::World;

fn document(unit: &str, one: &Document) -> Value {
    let distribution = |d: &super::Distribution| json!({ "class": d.class, "account": d.account, "amount": decimal(one.currency, d.amount) });
    json!({
        "id": one.id, "number": one.number, "business_unit": unit, "source": one.source,
        "customer": one.customer, "currency": one.currency.code(), "date": one.date,
        "reference": one.subject(), "status": one.status, "amount": decimal(one.currency, one.total()),
        "balance": decimal(one.currency, one.balance()),
        "flexfield": one.flexfield.as_ref().map(|(context, segments)| json!([context, segments])),
        "imported": one.lines.iter().any(|line| line.key.is_some()),
        "distributions": one.distributions.iter().map(distribution).collect::<Vec<_>>(),
    })
}

fn receipt(unit: &str, one: &Receipt) -> Value {
    let text = |minor| one.currency.decimal(minor);
    let references = one.references.iter().map(|r| json!([r.number, text(r.amount)]));
    let applications = one.applications.iter().map(|a| json!([a.number, text(a.amount)]));
    json!({
        "id": one.id, "number": one.number, "business_unit": unit, "currency": one.currency.code(),
        "customer": one.customer, "date": one.date, "amount": text(one.amount),
        "unapplied": text(one.unapplied()), "references": references.collect::<Vec<_>>(),
        "applications": applications.collect::<Vec<_>>(),
    })
}

fn batch(one: &JournalBatch) -> Value {
    let line = |line: &super::GlLine| {
        json!({
            "account": line.account, "currency": line.currency.code(), "net": decimal(line.currency, line.net),
            "key": line.key,
        })
    };
    json!({
        "id": one.id, "name": one.name, "description": one.description, "period": one.period,
        "status": if one.posted.is_some() { "P" } else { "U" }, "lines": one.lines().map(line).collect::<Vec<_>>(),
    })
}

/// Everything that was committed.
pub(super) fn all(world: &World, state: &FusionState) -> Value {
    let unit = |seller: usize| world.scenario.sellers[seller].fusion.business_unit.as_str();
    let documents = |kind: Kind| -> Vec<Value> {
        state.documents(kind).iter().map(|one| document(unit(one.seller), one)).collect()
    };
    let rows: Vec<Value> = state
        .interface
        .iter()
        .map(|row| json!({ "group": row.at(67), "status": row.status, "key": row.at(53) }))
        .collect();
    json!({
        "counts": {
            "invoices": state.invoices.len(), "credit_memos": state.credit_memos.len(),
            "receipts": state.receipts.len(), "batches": state.batches.len(), "interface_rows": rows.len(),
            "interface_lines": state.interface_lines.len(), "automatic_postings": state.postings,
        },
        "invoices": documents(Kind::Invoice), "credit_memos": documents(Kind::CreditMemo),
        "receipts": state.receipts.iter().map(|one| receipt(unit(one.seller), one)).collect::<Vec<_>>(),
        "batches": state.batches.iter().map(batch).collect::<Vec<_>>(), "interface_rows": rows,
        "automatic_postings": state.postings,
    })
}
