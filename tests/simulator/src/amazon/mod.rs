//! The Selling Partner API.
//!
//! Order of refusals: token, throttling, parameters.

mod events;
mod finances;
pub mod lwa;
mod orders;
mod orders_v0;
mod paging;
mod reports;
mod sellers;
mod transfers;

use std::collections::{HashMap, HashSet};

use axum::http::Method;
use serde_json::json;

use crate::clock::HOUR;
use crate::control::AmazonFaults;
use crate::http::{Incoming, Reply};
use crate::scenario::Region;
use crate::{World, locked};

/// What changes at Amazon: tokens, and buckets by seller, region and operation.
#[derive(Debug, Default)]
pub struct AmazonState {
    tokens: HashMap<String, Token>,
    buckets: HashMap<(Option<usize>, Region, &'static str), Bucket>,
    issued: u64,
    /// Codes of website authorisations that were exchanged: each works once.
    used_codes: HashSet<String>,
    /// The application's secret after a rotation, and until when the one before it works.
    rotated: Option<(String, i64)>,
}

#[derive(Debug, Clone)]
struct Token {
    /// `None` for a token of the application's own.
    seller: Option<usize>,
    region: Region,
    expires: i64,
    /// For restricted data: the path it is good for.
    restricted: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Thousandths of a token.
    millitokens: i64,
    at: i64,
}

/// An operation with its usage plan.
#[derive(Debug, Clone, Copy)]
struct Operation {
    name: &'static str,
    method: Verb,
    /// Milliseconds for one token.
    interval: i64,
    burst: i64,
    /// As sent in `x-amzn-RateLimit-Limit`.
    limit: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Post,
}

const fn get(name: &'static str, interval: i64, burst: i64, limit: &'static str) -> Operation {
    Operation { name, method: Verb::Get, interval, burst, limit }
}

const fn post(name: &'static str, interval: i64, burst: i64, limit: &'static str) -> Operation {
    Operation { name, method: Verb::Post, interval, burst, limit }
}

const SEARCH_ORDERS: Operation = get("searchOrders", 178_571, 20, "0.0056");
const GET_ORDER: Operation = get("getOrder", 2_000, 30, "0.5");
const GET_ORDERS_V0: Operation = get("getOrders", 59_880, 20, "0.0167");
const GET_ORDER_ITEMS: Operation = get("getOrderItems", 2_000, 30, "0.5");
const CREATE_RDT: Operation = post("createRestrictedDataToken", 1_000, 10, "1.0");
const LIST_TRANSACTIONS: Operation = get("listTransactions", 2_000, 10, "0.5");
const LIST_GROUPS: Operation = get("listFinancialEventGroups", 2_000, 30, "0.5");
const LIST_GROUP_EVENTS: Operation = get("listFinancialEventsByGroupId", 2_000, 30, "0.5");
const LIST_PAYOUTS: Operation = get("listPayouts", 2_000, 10, "0.5");
const GET_REPORTS: Operation = get("getReports", 45_045, 10, "0.0222");
const CREATE_REPORT: Operation = post("createReport", 59_880, 15, "0.0167");
const GET_REPORT_DOCUMENT: Operation = get("getReportDocument", 59_880, 15, "0.0167");
const PARTICIPATIONS: Operation = get("getMarketplaceParticipations", 62_500, 15, "0.016");
const SEARCH_CATALOG: Operation = get("searchCatalogItems", 500, 2, "2.0");
const ROTATE_SECRET: Operation = post("rotateApplicationClientSecret", 59_880, 1, "0.0167");

/// The lists that are polled.
const LISTS: [&str; 5] =
    [SEARCH_ORDERS.name, LIST_TRANSACTIONS.name, LIST_GROUPS.name, LIST_PAYOUTS.name, GET_REPORTS.name];

const ORDERS_V0_PATH: &str = "/orders/v0/orders";

/// The operation of a path, with what the path names.
fn operation<'a>(method: &Method, path: &'a str) -> Option<(Operation, &'a str)> {
    let found = match path {
        "/orders/2026-01-01/orders" => (SEARCH_ORDERS, ""),
        ORDERS_V0_PATH => (GET_ORDERS_V0, ""),
        "/tokens/2021-03-01/restrictedDataToken" => (CREATE_RDT, ""),
        "/finances/2024-06-19/transactions" => (LIST_TRANSACTIONS, ""),
        "/finances/v0/financialEventGroups" => (LIST_GROUPS, ""),
        "/finances/transfers/2024-06-01/payouts" => (LIST_PAYOUTS, ""),
        "/reports/2021-06-30/reports" if *method == Method::POST => (CREATE_REPORT, ""),
        "/reports/2021-06-30/reports" => (GET_REPORTS, ""),
        "/sellers/v1/marketplaceParticipations" => (PARTICIPATIONS, ""),
        "/catalog/2022-04-01/items" => (SEARCH_CATALOG, ""),
        "/applications/2023-11-30/clientSecret" => (ROTATE_SECRET, ""),
        _ => {
            let between = |start: &str, end: &str| {
                path.strip_prefix(start)?.strip_suffix(end).filter(|id| !id.is_empty() && !id.contains('/'))
            };
            let items = between("/orders/v0/orders/", "/orderItems").map(|id| (GET_ORDER_ITEMS, id));
            let one = || between("/orders/2026-01-01/orders/", "").map(|id| (GET_ORDER, id));
            let document =
                || between("/reports/2021-06-30/documents/", "").map(|id| (GET_REPORT_DOCUMENT, id));
            let events = || {
                between("/finances/v0/financialEventGroups/", "/financialEvents")
                    .map(|id| (LIST_GROUP_EVENTS, id))
            };
            items.or_else(one).or_else(document).or_else(events)?
        }
    };
    let wanted = if found.0.method == Verb::Get { Method::GET } else { Method::POST };
    (*method == wanted).then_some(found)
}

/// A refusal of Amazon's.
fn refusal(status: u16, code: &str, message: &str, details: &str) -> Reply {
    Reply::json(status, &json!({ "errors": [{ "code": code, "message": message, "details": details }] }))
}

fn denied(details: &str) -> Reply {
    refusal(403, "Unauthorized", "Access to requested resource is denied.", details)
}

fn invalid(message: &str) -> Reply {
    refusal(400, "InvalidInput", message, "")
}

/// Answers a request to a region's endpoint.
pub(crate) fn handle(world: &World, region: Region, request: &Incoming) -> Reply {
    if let Some(file) = request.path.strip_prefix("/files/") {
        return reports::file(world, file, request);
    }
    // The edge answers malformed HTTP with a page: a GET must not announce a body.
    let announced = request.header("content-length").is_some_and(|length| length != "0");
    if request.method == Method::GET && (announced || !request.body.is_empty()) {
        world.journal.unexpected(format!("GET {} with a body", request.path));
        return Reply::page(400);
    }
    let Some((operation, id)) = operation(&request.method, &request.path) else {
        world.journal.unexpected(format!("{} {}: no such operation", request.method, request.path));
        return refusal(403, "MissingAuthenticationToken", "Access to requested resource is denied.", "");
    };
    let faults = world.faults.amazon(world.clock.now());
    let token = ["paginationToken", "nextToken", "NextToken"].iter().find_map(|name| request.parameter(name));
    let life = if operation.name == SEARCH_ORDERS.name { orders::TOKEN_LIFE } else { finances::TOKEN_LIFE };
    let expired = token.is_some_and(|token| paging::is_expired(token, world.clock.now(), life));
    let reply = answer(world, region, request, (operation, id), &faults);
    world.journal.count("amazon", operation.name, reply.status());
    if let Some(seller) = caller(world, request) {
        let (of, now) = ((seller, region.name()), world.clock.now());
        if operation.name == SEARCH_ORDERS.name {
            world.journal.searched(of, now);
        }
        if LISTS.contains(&operation.name) && token.is_none() {
            world.journal.polled(operation.name, of, now);
        }
    }
    let expected = operation.name == CREATE_REPORT.name
        || expired
        || faults.refuse_data_set.is_some()
        || faults.page_bytes.is_some()
        || faults.html_error > 0.0
        || faults.clock_ahead_ms != 0;
    if reply.status() == 400 && !expected {
        world.journal.unexpected(format!("{} {:?}: refused", operation.name, request.query));
    }
    // Best effort, and never with 429 or 403.
    let reply = match reply.status() {
        200..=204 | 400 | 404 => reply.with("x-amzn-ratelimit-limit", operation.limit),
        _ => reply,
    };
    let reply = reply.with("x-amzn-requestid", "simulated");
    match faults.slow_body_ms {
        0 => reply,
        millis => Reply::Slow { answer: Box::new(reply), millis },
    }
}

/// The region that a request's token is for; North America if it has none.
pub(crate) fn region_of(world: &World, request: &Incoming) -> Region {
    let token = request.header("x-amz-access-token").unwrap_or_default();
    locked(&world.amazon).tokens.get(token).map_or(Region::Na, |token| token.region)
}

/// The seller behind a request, for the journal.
fn caller(world: &World, request: &Incoming) -> Option<usize> {
    let token = request.header("x-amz-access-token")?;
    locked(&world.amazon).tokens.get(token).and_then(|token| token.seller)
}

fn answer(
    world: &World,
    region: Region,
    request: &Incoming,
    (operation, id): (Operation, &str),
    faults: &AmazonFaults,
) -> Reply {
    let token = match authenticate(world, region, request, operation) {
        Ok(token) => token,
        Err(reply) => return reply,
    };
    if world.faults.happens(|rates| rates.amazon.cut) {
        return Reply::Cut;
    }
    if world.faults.happens(|rates| rates.amazon.html_error) {
        return Reply::page(400);
    }
    if world.faults.happens(|rates| rates.amazon.server_error) {
        return refusal(500, "InternalFailure", "We encountered an internal error. Please try again.", "");
    }
    let stormy = world.faults.happens(|rates| rates.amazon.throttle);
    if stormy || !take(world, token.seller, region, operation) {
        return refusal(429, "QuotaExceeded", "You exceeded your quota for the requested resource.", "");
    }
    let Some(seller) = token.seller else {
        return lwa::rotate(world);
    };
    match operation.name {
        "searchOrders" => orders::search(world, seller, region, request, faults),
        "getOrder" => orders::get(world, seller, region, id, request),
        "getOrders" => orders_v0::list(world, seller, region, request, token.restricted.is_some()),
        "getOrderItems" => orders_v0::items(world, seller, region, id, token.restricted.is_some()),
        "createRestrictedDataToken" => lwa::restricted(world, seller, region, request),
        "listTransactions" => finances::transactions(world, seller, region, request),
        "listFinancialEventsByGroupId" => events::by_group(world, seller, region, id, request),
        "listPayouts" => transfers::payouts(world, seller, region, request),
        "getReports" => reports::list(world, seller, region, request),
        "createReport" => reports::create(request),
        "getReportDocument" => reports::document(world, seller, region, id, request),
        "getMarketplaceParticipations" => sellers::participations(world, seller, region),
        "searchCatalogItems" => sellers::catalog(world, seller, request),
        _ => finances::groups(world, seller, region, request),
    }
}

fn authenticate(
    world: &World,
    region: Region,
    request: &Incoming,
    operation: Operation,
) -> Result<Token, Reply> {
    let Some(text) = request.header("x-amz-access-token") else {
        return Err(denied("Access token is missing in the request header."));
    };
    let token = locked(&world.amazon).tokens.get(text).cloned();
    match token {
        None => Err(denied("The access token you provided is revoked, malformed or invalid.")),
        Some(token) if token.expires <= world.clock.now() => {
            Err(denied("The access token you provided has expired."))
        }
        // An operation of the application's own, and only that, takes a token without a seller.
        Some(token) if token.seller.is_none() != (operation.name == ROTATE_SECRET.name) => Err(denied("")),
        Some(token) if token.seller.is_none() => Ok(token),
        // A token of another region is denied without saying why.
        Some(token) if token.region != region => Err(denied("")),
        // A token for restricted data is good for its path only.
        Some(token)
            if token.restricted.as_deref().is_some_and(|path| match path {
                ORDERS_V0_PATH => operation.name != GET_ORDERS_V0.name,
                _ => operation.name != GET_ORDER_ITEMS.name,
            }) =>
        {
            Err(denied(""))
        }
        Some(token) => Ok(token),
    }
}

/// Takes a token from the bucket, which refills continuously.
fn take(world: &World, seller: Option<usize>, region: Region, operation: Operation) -> bool {
    let now = world.clock.now();
    let full = operation.burst * 1_000;
    let mut state = locked(&world.amazon);
    let bucket = state
        .buckets
        .entry((seller, region, operation.name))
        .or_insert(Bucket { millitokens: full, at: now });
    let refilled = (now - bucket.at).saturating_mul(1_000) / operation.interval;
    if refilled > 0 {
        bucket.millitokens = bucket.millitokens.saturating_add(refilled);
        // What is left of a thousandth goes on counting.
        bucket.at += refilled * operation.interval / 1_000;
    }
    if bucket.millitokens >= full {
        *bucket = Bucket { millitokens: full, at: now };
    }
    if bucket.millitokens < 1_000 {
        return false;
    }
    bucket.millitokens -= 1_000;
    true
}

/// Amazon's clock, which may differ from everybody's.
pub(crate) fn clock(world: &World) -> i64 {
    let now = world.clock.now();
    now + world.faults.amazon(now).clock_ahead_ms
}

/// The newest TRANSACTION_UPDATE as it lies on a queue: it names no transaction.
pub(crate) fn notification(world: &World) -> serde_json::Value {
    let now = world.clock.now();
    let visible = world.scenario.transactions.iter().filter(|t| t.visible <= now && t.posted <= now);
    let Some(last) = visible.max_by_key(|transaction| transaction.visible) else { return json!(null) };
    let seller = &world.scenario.sellers[last.seller];
    let related: Vec<_> = last
        .order
        .iter()
        .map(|order| {
            let id = &world.scenario.orders[*order].id;
            json!({ "RelatedIdentifierName": "OrderId", "RelatedIdentifierValue": id })
        })
        .collect();
    json!({
        "NotificationVersion": "1.0", "NotificationType": "TRANSACTION_UPDATE", "PayloadVersion": "1.0",
        "EventTime": crate::clock::text(last.visible),
        "NotificationMetadata": { "ApplicationId": "amzn1.sellerapps.app.simulated", "SubscriptionId": "s",
            "PublishTime": crate::clock::text(last.visible), "NotificationId": format!("n-{}", last.visible) },
        "Payload": { "TransactionUpdateNotification": {
            "SellingPartnerMetadata": { "SellingPartnerId": seller.id, "MarketplaceId": last.marketplace.id,
                "AccountType": "PAYABLE" },
            "RelatedIdentifiers": related, "TransactionType": last.kind,
            "PostedDate": crate::clock::text(last.posted),
            "TotalAmount": { "CurrencyCode": last.marketplace.currency.code(),
                "CurrencyAmount": last.total() } } },
    })
}

/// Reads a time as Amazon does: UTC with `Z`; offsets are refused.
fn instant(text: &str) -> Option<i64> {
    text.ends_with('Z').then(|| text.parse::<jiff::Timestamp>().ok()).flatten().map(|at| at.as_millisecond())
}

/// Bounds must be at least two minutes old.
const FRESHEST: i64 = HOUR / 30;
