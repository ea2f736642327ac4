//! Transfers 2024-06-01: listPayouts.

use serde_json::{Value, json};

use super::finances::{TOKEN_LIFE, amount, known_only, settlement_id, time};
use super::{World, clock, invalid, paging};
use crate::clock::{HOUR, text};
use crate::http::{Incoming, Reply};
use crate::scenario::{Group, Region};

/// Payouts on a page.
const PAGE: usize = 10;
/// After a settlement's end, when its payout is made.
const AFTER_CLOSE: i64 = 2 * HOUR;
const FREE: [&str; 1] = ["nextToken"];

pub(super) fn payouts(world: &World, seller: usize, region: Region, request: &Incoming) -> Reply {
    match page(world, seller, region, request) {
        Ok(reply) | Err(reply) => reply,
    }
}

fn page(world: &World, seller: usize, region: Region, request: &Incoming) -> Result<Reply, Reply> {
    known_only(
        request,
        &["marketplaceIds", "createdAfter", "createdBefore", "payoutId", "accountType", "nextToken"],
    )?;
    let now = clock(world);
    let after = time(request, "createdAfter")?.unwrap_or(0);
    let before = time(request, "createdBefore")?.unwrap_or(now);
    let from = match request.parameter("nextToken") {
        None => 0,
        Some(token) => match paging::decode(request, &FREE, token) {
            Some(token) if now - token.made <= TOKEN_LIFE => usize::try_from(token.after.0).unwrap_or(0),
            _ => return Err(invalid("We could not decode your nextToken.")),
        },
    };
    let groups = world.scenario.groups.iter().enumerate();
    let mut found: Vec<(usize, &Group)> = groups
        .filter(|(_, group)| group.seller == seller && group.region == region && group.transactions > 0)
        .filter(|(_, group)| (after..before).contains(&(group.end + AFTER_CLOSE)))
        .filter(|(_, group)| group.end + AFTER_CLOSE <= now)
        .collect();
    found.sort_by_key(|(_, group)| group.end);
    // The first page may be empty and not the last.
    let empty = from == 0 && found.len() > 1 && request.parameter("nextToken").is_none();
    let shown = if empty { &[][..] } else { &found[from.min(found.len())..(from + PAGE).min(found.len())] };
    let mut body =
        json!({ "payouts": shown.iter().map(|(n, group)| payout(world, *n, group)).collect::<Vec<_>>() });
    let next = from + shown.len();
    if next < found.len() {
        let place = i64::try_from(next).unwrap_or(i64::MAX);
        body["nextToken"] = json!(paging::encode(request, &FREE, (place, 0), now));
    }
    Ok(Reply::json(200, &body))
}

fn payout(world: &World, n: usize, group: &Group) -> Value {
    let (currency, paid) = group.payout(n);
    let made = text(group.end + AFTER_CLOSE);
    json!({
        "id": format!("118{n:08}"),
        "partnerMetadata": {
            "partnerId": world.scenario.sellers[group.seller].id, "accountType": "STANDARD_ORDERS",
            "marketplaceId": "",
        },
        "currentStatus": "PAID",
        "statusHistory": [{ "status": "STARTED", "lastUpdatedDate": made }, { "status": "PAID", "lastUpdatedDate": made }],
        "type": "SCHEDULED",
        "amount": amount(currency, paid),
        "creationDate": made,
        "traceId": format!("TRACE{n:08}"),
        "period": { "startDate": text(group.start), "endDate": text(group.end) },
        "relatedIdentifiers": [
            { "relatedIdentifierName": "SETTLEMENT_ID", "relatedIdentifierValue": settlement_id(n) }],
    })
}
