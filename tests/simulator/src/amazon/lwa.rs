//! Login with Amazon.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Token, World, refusal};
use crate::clock::{DAY, HOUR};
use crate::http::{Incoming, Reply};
use crate::locked;
use crate::scenario::{Region, Seller, names};

fn refused(status: u16, error: &str, description: &str) -> Reply {
    Reply::json(status, &json!({ "error": error, "error_description": description }))
}

/// Answers a request to the token endpoint.
pub(crate) fn handle(world: &World, request: &Incoming) -> Reply {
    let reply = answer(world, request);
    world.journal.count("amazon", "token", reply.status());
    reply.with("cache-control", "no-store")
}

fn answer(world: &World, request: &Incoming) -> Reply {
    if request.method != Method::POST || request.path != "/auth/o2/token" {
        world.journal.unexpected(format!("LWA {} {}", request.method, request.path));
        return Reply::text(404, "not found");
    }
    let content_type = request.header("content-type").unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return refused(400, "invalid_request", "the body is no form");
    }
    let form = request.form();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if field("client_id") != names::APPLICATION || !is_secret(world, field("client_secret")) {
        return refused(401, "invalid_client", "Client authentication failed");
    }
    match field("grant_type") {
        "refresh_token" => match owner(world, field("refresh_token")) {
            None => {
                refused(400, "invalid_grant", "The request has an invalid grant parameter : refresh_token")
            }
            Some(owner) => granted(world, Some(owner), Some(field("refresh_token"))),
        },
        "client_credentials" if form.contains_key("refresh_token") => {
            refused(400, "invalid_request", "scope and refresh_token exclude each other")
        }
        "client_credentials" => match field("scope") {
            "sellingpartnerapi::notifications" | "sellingpartnerapi::client_credential:rotation" => {
                granted(world, None, None)
            }
            _ => refused(400, "invalid_scope", "The scope is unknown"),
        },
        "authorization_code" => by_code(world, field("code"), field("redirect_uri")),
        _ => {
            let words = "The authorization grant type is not supported by the authorization server";
            refused(400, "unsupported_grant_type", words)
        }
    }
}

/// After a rotation both secrets work, the one before it for seven days.
fn is_secret(world: &World, secret: &str) -> bool {
    match &locked(&world.amazon).rotated {
        None => secret == names::APPLICATION_SECRET,
        Some((new, _)) if secret == new => true,
        Some((_, until)) => secret == names::APPLICATION_SECRET && world.clock.now() < *until,
    }
}

/// Issues a new client secret. It goes to the application's queue; the answer is empty.
pub(super) fn rotate(world: &World) -> Reply {
    let until = world.clock.now() + 7 * DAY;
    locked(&world.amazon).rotated = Some((names::ROTATED_SECRET.to_owned(), until));
    Reply::Answer { status: 204, headers: Vec::new(), body: Vec::new() }
}

/// A code is `code-<seller>-<region>`, and works once.
fn by_code(world: &World, code: &str, redirect_uri: &str) -> Reply {
    let invalid = || refused(400, "invalid_grant", "The request has an invalid grant parameter : code");
    if !redirect_uri.starts_with("https://") || !locked(&world.amazon).used_codes.insert(code.to_owned()) {
        return invalid();
    }
    let wanted = |seller: &Seller, region: Region| code == format!("code-{}-{}", seller.id, region.name());
    let mut sellers = world.scenario.sellers.iter().enumerate();
    let found = sellers.find_map(|(n, seller)| {
        Region::ALL.into_iter().find(|region| wanted(seller, *region)).map(|region| (n, region, seller))
    });
    match found {
        Some((n, region, seller)) => granted(world, Some((n, region)), Some(&seller.refresh_token(region))),
        None => invalid(),
    }
}

fn granted(world: &World, owner: Option<(usize, Region)>, refresh_token: Option<&str>) -> Reply {
    let mut state = locked(&world.amazon);
    state.issued += 1;
    let (seller, region) = owner.map_or((None, Region::Na), |(seller, region)| (Some(seller), region));
    let name = seller.map_or("application", |seller| world.scenario.sellers[seller].id.as_str());
    let text = format!("Atza|{name}-{}-{:08x}", region.name(), state.issued);
    let token = Token { seller, region, expires: world.clock.now() + HOUR, restricted: None };
    state.tokens.insert(text.clone(), token);
    let mut body = json!({ "access_token": text, "token_type": "bearer", "expires_in": 3600 });
    if let Some(refresh_token) = refresh_token {
        body["refresh_token"] = json!(refresh_token);
    }
    Reply::json(200, &body)
}

/// Tokens 2021-03-01 createRestrictedDataToken.
pub(super) fn restricted(world: &World, seller: usize, region: Region, request: &Incoming) -> Reply {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let resources = body["restrictedResources"].as_array().cloned().unwrap_or_default();
    let [resource] = resources.as_slice() else {
        return refusal(
            400,
            "InvalidRequest",
            "Request is missing or has invalid parameters",
            "Resource not provided.",
        );
    };
    let path = resource["path"].as_str().unwrap_or_default();
    let elements = resource["dataElements"].as_array().cloned().unwrap_or_default();
    let allowed: &[&str] = match path {
        super::ORDERS_V0_PATH => &["buyerInfo", "shippingAddress"],
        path if path.starts_with("/orders/v0/orders/") && path.ends_with("/orderItems") => &["buyerInfo"],
        _ => &[],
    };
    let good = resource["method"] == "GET"
        && !allowed.is_empty()
        && elements.iter().all(|element| allowed.iter().any(|known| element == known));
    if !good {
        return refusal(
            400,
            "InvalidInput",
            "Application does not have access to one or more requested data elements",
            "",
        );
    }
    let mut state = locked(&world.amazon);
    state.issued += 1;
    let text =
        format!("Atz.sprdt|{}-{}-{:08x}", world.scenario.sellers[seller].id, region.name(), state.issued);
    let expires = world.clock.now() + HOUR;
    let token = Token { seller: Some(seller), region, expires, restricted: Some(path.to_owned()) };
    state.tokens.insert(text.clone(), token);
    Reply::json(200, &json!({ "restrictedDataToken": text, "expiresIn": 3600 }))
}

fn owner(world: &World, refresh_token: &str) -> Option<(usize, Region)> {
    let mut sellers = world.scenario.sellers.iter().enumerate();
    sellers.find_map(|(n, seller)| {
        let region = Region::ALL.into_iter().find(|region| seller.refresh_token(*region) == refresh_token)?;
        Some((n, region))
    })
}
