//! The identity domain that protects the instance.

use axum::http::Method;
use base64::Engine as _;
use serde_json::json;

use crate::clock::HOUR;
use crate::http::{Incoming, Reply};
use crate::scenario::names;
use crate::{World, locked};

fn refused(status: u16, error: &str, description: &str) -> Reply {
    Reply::json(status, &json!({ "error": error, "error_description": description, "ecid": "simulated" }))
}

/// Answers a request to the token endpoint.
pub(crate) fn handle(world: &World, request: &Incoming) -> Reply {
    let reply = answer(world, request);
    world.journal.count("fusion", "token", reply.status());
    reply
}

fn answer(world: &World, request: &Incoming) -> Reply {
    if request.method != Method::POST || request.path != "/oauth2/v1/token" {
        world.journal.unexpected(format!("identity {} {}", request.method, request.path));
        return Reply::text(404, "not found");
    }
    let form = request.form();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let wanted = format!("{}:{}", names::CLIENT, names::CLIENT_SECRET);
    let basic = request.header("authorization").and_then(|text| text.strip_prefix("Basic "));
    let authentic = match basic {
        Some(basic) => base64::engine::general_purpose::STANDARD.encode(&wanted) == basic,
        None => format!("{}:{}", field("client_id"), field("client_secret")) == wanted,
    };
    if !authentic {
        return refused(401, "invalid_client", "Client authentication failed.");
    }
    if field("grant_type") != "client_credentials" {
        return refused(400, "unsupported_grant_type", "The grant type is not supported.");
    }
    if field("scope") != names::SCOPE {
        return refused(400, "invalid_scope", "Invalid scope.");
    }
    let mut state = locked(&world.fusion);
    state.issued += 1;
    let token = format!("eyJsimulated.{:016x}", state.issued.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    state.tokens.insert(token.clone(), world.clock.now() + HOUR);
    Reply::json(200, &json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 }))
}
