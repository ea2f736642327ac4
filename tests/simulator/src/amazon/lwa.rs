//! Login with Amazon.

use axum::http::Method;
use serde_json::json;

use super::{Token, World};
use crate::clock::HOUR;
use crate::http::{Incoming, Reply};
use crate::locked;
use crate::scenario::{Region, names};

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
    if field("grant_type") != "refresh_token" {
        let words = "The authorization grant type is not supported by the authorization server";
        return refused(400, "unsupported_grant_type", words);
    }
    if field("client_id") != names::APPLICATION || field("client_secret") != names::APPLICATION_SECRET {
        return refused(401, "invalid_client", "Client authentication failed");
    }
    let Some((seller, region)) = owner(world, field("refresh_token")) else {
        return refused(400, "invalid_grant", "The request has an invalid grant parameter : refresh_token");
    };
    let mut state = locked(&world.amazon);
    state.issued += 1;
    let text = format!("Atza|{}-{}-{:08x}", world.scenario.sellers[seller].id, region.name(), state.issued);
    state.tokens.insert(text.clone(), Token { seller, region, expires: world.clock.now() + HOUR });
    Reply::json(
        200,
        &json!({
            "access_token": text, "token_type": "bearer", "expires_in": 3600,
            "refresh_token": field("refresh_token"),
        }),
    )
}

fn owner(world: &World, refresh_token: &str) -> Option<(usize, Region)> {
    let mut sellers = world.scenario.sellers.iter().enumerate();
    sellers.find_map(|(n, seller)| {
        let region = Region::ALL.into_iter().find(|region| seller.refresh_token(*region) == refresh_token)?;
        Some((n, region))
    })
}
