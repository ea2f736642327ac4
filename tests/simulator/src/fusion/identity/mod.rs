//! The identity domain that protects the instance: client credentials, user assertion, authorisation code.

mod assertion;
mod code;

use std::collections::{HashMap, HashSet};

use axum::http::Method;
use base64::Engine as _;
use serde_json::json;

use super::FusionState;
use crate::http::{Incoming, Reply};
use crate::scenario::names;
use crate::{World, locked};

pub use assertion::PRIVATE_KEY;

/// Tokens, codes and assertions that were seen.
#[derive(Debug, Default)]
pub(super) struct IdentityState {
    /// Access tokens with their user and end.
    tokens: HashMap<String, (String, i64)>,
    refresh_tokens: HashMap<String, String>,
    codes: HashMap<String, code::Code>,
    /// Ids of assertions: each is good once.
    assertions: HashSet<String>,
    issued: u64,
}

impl IdentityState {
    fn next(&mut self, prefix: &str) -> String {
        self.issued += 1;
        format!("{prefix}.{:016x}", self.issued.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

/// The user of an access token that is good now.
pub(super) fn user(state: &FusionState, token: &str, now: i64) -> Option<String> {
    let (user, expires) = state.identity.tokens.get(token)?;
    (*expires > now).then(|| user.clone())
}

/// An OAuth error: status, code, description.
type Denied = (u16, &'static str, &'static str);

/// Answers a request to the identity domain.
pub(crate) fn handle(world: &World, request: &Incoming) -> Reply {
    match (&request.method, request.path.as_str()) {
        (&Method::POST, "/oauth2/v1/token") => {
            let reply = token(world, request).unwrap_or_else(|(status, error, description)| {
                let body = json!({ "error": error, "error_description": description, "ecid": "simulated" });
                Reply::json(status, &body)
            });
            world.journal.count("fusion", "token", reply.status());
            reply.with("cache-control", "no-store")
        }
        (&Method::GET, "/oauth2/v1/authorize") => {
            let reply = code::authorize(world, request);
            world.journal.count("fusion", "authorize", reply.status());
            reply
        }
        _ => {
            world.journal.unexpected(format!("identity {} {}", request.method, request.path));
            Reply::text(404, "not found")
        }
    }
}

/// Client credentials come in a Basic header or in the form.
fn is_client(request: &Incoming, form: &HashMap<String, String>) -> bool {
    let wanted = format!("{}:{}", names::CLIENT, names::CLIENT_SECRET);
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    match request.header("authorization").and_then(|text| text.strip_prefix("Basic ")) {
        Some(basic) => base64::engine::general_purpose::STANDARD.encode(&wanted) == basic,
        None => format!("{}:{}", field("client_id"), field("client_secret")) == wanted,
    }
}

/// Whether a scope is the instance's, and whether it asks for a refresh token, too.
fn scope(text: &str) -> Result<bool, Denied> {
    let mut offline = false;
    let mut own = false;
    for word in text.split(' ') {
        match word {
            names::SCOPE => own = true,
            "offline_access" => offline = true,
            _ => return Err((400, "invalid_scope", "Invalid scope.")),
        }
    }
    if own { Ok(offline) } else { Err((400, "invalid_scope", "Invalid scope.")) }
}

fn token(world: &World, request: &Incoming) -> Result<Reply, Denied> {
    let content_type = request.header("content-type").unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return Err((400, "invalid_request", "The body is no form."));
    }
    let form = request.form();
    if !is_client(request, &form) {
        return Err((401, "invalid_client", "Client authentication failed."));
    }
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let mut state = locked(&world.fusion);
    let now = world.clock.now();
    let life = state.knobs.token_seconds();
    let state = &mut state.identity;
    let (user, offline) = match field("grant_type") {
        // The client is registered as a user of the instance under its id.
        "client_credentials" => {
            scope(field("scope"))?;
            (names::CLIENT.to_owned(), false)
        }
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
            scope(field("scope"))?;
            (assertion::user(state, field("assertion"), now)?, false)
        }
        "authorization_code" => code::redeem(state, &form, now)?,
        "refresh_token" => {
            let user = state.refresh_tokens.get(field("refresh_token")).cloned();
            (user.ok_or((400, "invalid_grant", "The refresh token is invalid."))?, true)
        }
        _ => return Err((400, "unsupported_grant_type", "The grant type is not supported.")),
    };
    let token = state.next("eyJsimulated");
    state.tokens.insert(token.clone(), (user.clone(), now + 1_000 * i64::from(life)));
    let mut body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": life });
    if offline {
        let refresh = state.next("refresh");
        state.refresh_tokens.insert(refresh.clone(), user);
        body["refresh_token"] = json!(refresh);
    }
    Ok(Reply::json(200, &body))
}
