//! The Selling Partner API.
//!
//! Order of refusals: token, throttling, parameters.

mod finances;
pub mod lwa;
mod orders;
mod paging;

use std::collections::HashMap;

use axum::http::Method;
use serde_json::json;

use crate::clock::HOUR;
use crate::http::{Incoming, Reply};
use crate::scenario::Region;
use crate::{World, locked};

/// What changes at Amazon: tokens, and buckets by seller, region and operation.
#[derive(Debug, Default)]
pub struct AmazonState {
    tokens: HashMap<String, Token>,
    buckets: HashMap<(usize, Region, &'static str), Bucket>,
    issued: u64,
}

#[derive(Debug, Clone, Copy)]
struct Token {
    seller: usize,
    region: Region,
    expires: i64,
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
    /// Milliseconds for one token.
    interval: i64,
    burst: i64,
    /// As sent in `x-amzn-RateLimit-Limit`.
    limit: &'static str,
}

const SEARCH_ORDERS: Operation =
    Operation { name: "searchOrders", interval: 178_571, burst: 20, limit: "0.0056" };
const GET_ORDER: Operation = Operation { name: "getOrder", interval: 2_000, burst: 30, limit: "0.5" };
const LIST_TRANSACTIONS: Operation =
    Operation { name: "listTransactions", interval: 2_000, burst: 10, limit: "0.5" };
const LIST_GROUPS: Operation =
    Operation { name: "listFinancialEventGroups", interval: 2_000, burst: 30, limit: "0.5" };

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
    let order_id = request.path.strip_prefix("/orders/2026-01-01/orders/").filter(|id| !id.is_empty());
    let operation = match (request.path.as_str(), order_id) {
        ("/orders/2026-01-01/orders", _) => SEARCH_ORDERS,
        ("/finances/2024-06-19/transactions", _) => LIST_TRANSACTIONS,
        ("/finances/v0/financialEventGroups", _) => LIST_GROUPS,
        (_, Some(_)) => GET_ORDER,
        _ => {
            world.journal.unexpected(format!("{} {}: no such operation", request.method, request.path));
            return refusal(403, "MissingAuthenticationToken", "Access to requested resource is denied.", "");
        }
    };
    let reply = answer(world, region, request, operation, order_id);
    world.journal.count("amazon", operation.name, reply.status());
    if reply.status() == 400 {
        world.journal.unexpected(format!("{} {:?}: refused", operation.name, request.query));
    }
    // Best effort, and never with 429 or 403.
    match reply.status() {
        200 | 400 | 404 => reply.with("x-amzn-ratelimit-limit", operation.limit),
        _ => reply,
    }
    .with("x-amzn-requestid", "simulated")
}

fn answer(
    world: &World,
    region: Region,
    request: &Incoming,
    operation: Operation,
    order_id: Option<&str>,
) -> Reply {
    if request.method != Method::GET {
        return refusal(403, "MissingAuthenticationToken", "Access to requested resource is denied.", "");
    }
    let seller = match authenticate(world, region, request) {
        Ok(seller) => seller,
        Err(reply) => return reply,
    };
    if world.faults.happens(|rates| rates.amazon.server_error) {
        return refusal(500, "InternalFailure", "We encountered an internal error. Please try again.", "");
    }
    if world.faults.happens(|rates| rates.amazon.throttle) || !take(world, seller, region, operation) {
        return refusal(429, "QuotaExceeded", "You exceeded your quota for the requested resource.", "");
    }
    match operation.name {
        "searchOrders" => orders::search(world, seller, region, request),
        "getOrder" => orders::get(world, seller, region, order_id.unwrap_or_default(), request),
        "listTransactions" => finances::transactions(world, seller, region, request),
        _ => finances::groups(world, seller, region, request),
    }
}

fn authenticate(world: &World, region: Region, request: &Incoming) -> Result<usize, Reply> {
    let Some(text) = request.header("x-amz-access-token") else {
        return Err(denied("Access token is missing in the request header."));
    };
    let token = locked(&world.amazon).tokens.get(text).copied();
    match token {
        None => Err(denied("The access token you provided is revoked, malformed or invalid.")),
        Some(token) if token.expires <= world.clock.now() => {
            Err(denied("The access token you provided has expired."))
        }
        // A token of another region is denied without saying why.
        Some(token) if token.region != region => Err(denied("")),
        Some(token) => Ok(token.seller),
    }
}

/// Takes a token from the bucket, which refills continuously.
fn take(world: &World, seller: usize, region: Region, operation: Operation) -> bool {
    let now = world.clock.now();
    let full = operation.burst * 1_000;
    let mut state = locked(&world.amazon);
    let bucket = state
        .buckets
        .entry((seller, region, operation.name))
        .or_insert(Bucket { millitokens: full, at: now });
    let refilled = (now - bucket.at).saturating_mul(1_000) / operation.interval;
    if refilled > 0 {
        bucket.millitokens = full.min(bucket.millitokens.saturating_add(refilled));
        bucket.at = now;
    }
    if bucket.millitokens < 1_000 {
        return false;
    }
    bucket.millitokens -= 1_000;
    true
}

/// Reads a time as Amazon does: UTC with `Z`; offsets are refused.
fn instant(text: &str) -> Option<i64> {
    text.ends_with('Z').then(|| text.parse::<jiff::Timestamp>().ok()).flatten().map(|at| at.as_millisecond())
}

/// Bounds must be at least two minutes old.
const FRESHEST: i64 = HOUR / 30;
