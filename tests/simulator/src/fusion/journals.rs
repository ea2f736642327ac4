//! journalBatches: read only, for journals cannot be posted here.

use serde_json::{Map, Value, json};

use super::JournalBatch;
use super::adf::{self, Row};
use crate::http::{Incoming, Reply};
use crate::{World, locked};

/// The key of a batch's only header: opaque, to be taken from its link.
fn header_key(batch: &JournalBatch) -> String {
    format!("{:016X}", batch.id.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

fn row(key: String, attributes: Value) -> Row {
    Row { key, attributes: attributes.as_object().cloned().unwrap_or_else(Map::new) }
}

/// Answers a GET of the batches.
pub(super) fn batches(world: &World, request: &Incoming) -> Reply {
    let state = locked(&world.fusion);
    let one = |batch: &JournalBatch| {
        row(
            batch.id.to_string(),
            json!({
                "JeBatchId": adf::id(request, batch.id), "BatchName": batch.name,
                "BatchDescription": batch.description, "Status": "U", "ErrorMessage": null,
            }),
        )
    };
    let rows = state.batches.iter().map(one).collect();
    adf::collection(request, "journalBatches", &["JeBatchId", "BatchName", "Status"], rows)
}

fn find<'a>(batches: &'a [JournalBatch], id: &str) -> Option<&'a JournalBatch> {
    batches.iter().find(|batch| batch.id.to_string() == id)
}

/// Answers a GET of a batch's headers.
pub(super) fn headers(world: &World, request: &Incoming, id: &str) -> Reply {
    let state = locked(&world.fusion);
    let Some(batch) = find(&state.batches, id) else { return Reply::text(404, "Not Found") };
    let ledger = &world.scenario.sellers[batch.seller].fusion.ledger_name;
    let header =
        json!({ "JournalName": batch.name, "LedgerName": ledger, "DefaultEffectiveDate": batch.date });
    let path = format!("journalBatches/{id}/child/journalHeaders");
    adf::collection(request, &path, &["JournalName"], vec![row(header_key(batch), header)])
}

/// Answers a GET of a header's lines.
pub(super) fn lines(world: &World, request: &Incoming, id: &str, key: &str) -> Reply {
    let state = locked(&world.fusion);
    let Some(batch) = find(&state.batches, id).filter(|batch| header_key(batch) == key) else {
        return Reply::text(404, "Not Found");
    };
    let rows = batch
        .lines
        .iter()
        .enumerate()
        .map(|(n, line)| {
            let amount = |minor: i64| match minor > 0 {
                true => line.currency.decimal(minor).parse::<serde_json::Number>().map_or(Value::Null, Value::Number),
                false => Value::Null,
            };
            row((n + 1).to_string(), json!({
                "JeLineNumber": n + 1, "AccountCombination": line.account, "CurrencyCode": line.currency.code(),
                "EnteredDr": amount(line.net), "EnteredCr": amount(-line.net), "Description": line.description,
            }))
        })
        .collect();
    let path = format!("journalBatches/{id}/child/journalHeaders/{key}/child/journalLines");
    adf::collection(request, &path, &["JeLineNumber"], rows)
}
