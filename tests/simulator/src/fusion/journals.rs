//! journalBatches: to be read, marked for reversal and deleted, for journals cannot be posted here.

use serde_json::{Value, json};

use super::access::Privilege;
use super::adf::Is::{self, Date, Text};
use super::adf::{self, Call, Child, Query, Resource, Row, text, time, well_formed};
use super::receivables::decimal;
use super::{FusionState, Journal, JournalBatch};
use crate::http::Reply;

pub(super) const BATCHES: Resource = Resource {
    name: "journalBatches",
    privilege: Privilege::Journals,
    queryable: &[
        "JeBatchId",
        "BatchName",
        "Status",
        "DefaultPeriodName",
        "PostedDate",
        "CreationDate",
        "LastUpdateDate",
    ],
    actions: |_| &[],
    rows,
};

/// What PATCH may change: completion and reversal (the names are assumed).
const PATCH: [(&str, Is); 4] = [
    ("CompletionStatusMeaning", Text(80)),
    ("ReversalPeriod", Text(15)),
    ("ReversalDate", Date),
    ("ReversalMethodMeaning", Text(80)),
];

/// A key that only Fusion makes, to be taken from an item's link.
fn opaque(batch: &JournalBatch, n: usize) -> String {
    let n = u64::try_from(n).unwrap_or_default();
    format!("{:016X}", (batch.id * 1_000 + n).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

fn rows<'a>(call: &'a Call<'a>, state: &'a FusionState, query: &Query) -> Vec<Row<'a>> {
    let wanted = |batch: &&JournalBatch| {
        query.key.as_ref().is_none_or(|key| batch.id.to_string() == *key)
            && query.allows("BatchName", || json!(batch.name))
            && query.allows("LastUpdateDate", || json!(time(batch.updated)))
    };
    state.batches.iter().filter(wanted).map(|batch| row(call, batch)).collect()
}

fn row<'a>(call: &'a Call<'a>, batch: &'a JournalBatch) -> Row<'a> {
    let posted = batch.posted.is_some();
    let currency = batch.journals.first().map(|journal| journal.currency);
    let side = |sign: i64| {
        let lines = batch.lines().map(|line| (line.net * sign).max(0)).sum();
        currency.map_or(Value::Null, |currency| decimal(currency, lines))
    };
    let ledger = call.world.scenario.sellers[batch.seller].fusion.ledger_currency;
    let accounted = |sign: i64| {
        let own = batch.lines().filter(|line| line.net.signum() == sign);
        decimal(ledger, own.map(|line| line.accounted * sign).sum())
    };
    let mut row = Row::new(
        batch.id.to_string(),
        json!({
            "JeBatchId": call.id(batch.id), "BatchName": batch.name, "BatchDescription": batch.description,
            "DefaultPeriodName": batch.period, "Status": if posted { "P" } else { "U" },
            "StatusMeaning": if posted { "Posted" } else { "Unposted" },
            "CompletionStatusMeaning": batch.completion, "ActualFlagMeaning": "Actual",
            "UserJeSourceName": batch.source, "RunningTotalDr": side(1), "RunningTotalCr": side(-1),
            "RunningTotalAccountedDr": accounted(1), "RunningTotalAccountedCr": accounted(-1),
            "ControlTotal": null, "PostedDate": batch.posted.map(time),
            "ReversalFlag": batch.reversal_period.as_ref().map(|_| "Y"),
            "ReversalPeriod": batch.reversal_period, "ReversalDate": null,
            "ReversalMethodMeaning": batch.reversal_method, "ErrorMessage": null,
            "CreationDate": time(batch.created), "LastUpdateDate": time(batch.updated),
        }),
    );
    let headers = move || {
        let all = batch.journals.iter().enumerate();
        all.map(|(n, journal)| header(call, batch, (n, journal))).collect()
    };
    row.children = vec![
        Child { name: "journalHeaders", rows: Box::new(headers) },
        Child { name: "journalErrors", rows: Box::new(Vec::new) },
        Child { name: "journalActionLogs", rows: Box::new(Vec::new) },
    ];
    row
}

fn header<'a>(call: &'a Call<'a>, batch: &'a JournalBatch, (n, journal): (usize, &'a Journal)) -> Row<'a> {
    let setup = &call.world.scenario.sellers[batch.seller].fusion;
    let (ledger, ledger_currency) = (&setup.ledger_name, setup.ledger_currency);
    let converted_on = journal.lines.iter().find_map(|line| line.converted_on.as_ref());
    let mut row = Row::new(
        opaque(batch, n),
        json!({
            "JournalName": journal.name, "JournalDescription": journal.description, "LedgerName": ledger,
            "LedgerCurrencyCode": setup.ledger_currency.code(), "CurrencyCode": journal.currency.code(),
            "PeriodName": journal.period, "DefaultEffectiveDate": journal.date,
            "UserJeCategoryName": journal.category, "UserCurrencyConversionType": journal.conversion,
            "CurrencyConversionDate": converted_on,
            "ExternalReference": journal.reference, "AccrualReversalStatus": null,
        }),
    );
    let lines = move || {
        let lines = journal.lines.iter().enumerate();
        lines
            .map(|(at, line)| {
                let side = |minor: i64| {
                    if minor > 0 { decimal(line.currency, minor) } else { Value::Null }
                };
                let accounted = |sign: i64| {
                    let own = line.net.signum() == sign;
                    if own { decimal(ledger_currency, line.accounted * sign) } else { Value::Null }
                };
                Row::new(
                    opaque(batch, 1_000 * (n + 1) + at),
                    json!({
                        "JeLineNumber": at + 1, "AccountCombination": line.account,
                        "CurrencyCode": line.currency.code(), "EnteredDr": side(line.net),
                        "EnteredCr": side(-line.net), "AccountedDr": accounted(1),
                        "AccountedCr": accounted(-1), "CurrencyConversionDate": line.converted_on,
                        "Description": line.description,
                        "ReconciliationReference": line.key, "StatAmount": null,
                    }),
                )
            })
            .collect()
    };
    row.children.push(Child { name: "journalLines", rows: Box::new(lines) });
    row
}

/// Answers a PATCH of a batch.
pub(super) fn patch(call: &Call<'_>, state: &mut FusionState, id: &str) -> Reply {
    let body = match call.body() {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let Some(batch) = state.batches.iter_mut().find(|batch| batch.id.to_string() == id) else {
        return Reply::text(404, "Not Found");
    };
    if let Err(refusal) = well_formed(&body, &PATCH) {
        return call.refused(&refusal);
    }
    if let Some(completion) = text(&body, "CompletionStatusMeaning") {
        completion.clone_into(&mut batch.completion);
    }
    if let Some(period) = text(&body, "ReversalPeriod") {
        batch.reversal_period = Some(period.to_owned());
        batch.reversal_method = text(&body, "ReversalMethodMeaning").map(str::to_owned);
    }
    batch.updated = call.world.clock.now();
    adf::one(call, "journalBatches", row(call, batch), 200)
}

/// Answers a DELETE: only what is not posted can go (the condition is assumed).
pub(super) fn delete(state: &mut FusionState, id: &str) -> Reply {
    let Some(at) = state.batches.iter().position(|batch| batch.id.to_string() == id) else {
        return Reply::text(404, "Not Found");
    };
    if state.batches[at].posted.is_some() {
        return Reply::text(400, "You can't delete a posted journal batch.");
    }
    state.batches.remove(at);
    Reply::Answer { status: 204, headers: Vec::new(), body: Vec::new() }
}
