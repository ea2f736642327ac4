//! The authorisation code flow: a page that sends the browser back with a code, and the code's exchange.

use std::collections::HashMap;

use base64::Engine as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Denied, IdentityState, scope};
use crate::http::{Incoming, Reply};
use crate::scenario::names;
use crate::{World, locked};

/// A code is good for so many milliseconds.
const LIFE: i64 = 120_000;

/// A code that waits for its exchange.
#[derive(Debug)]
pub(super) struct Code {
    redirect_uri: String,
    challenge: Option<String>,
    offline: bool,
    expires: i64,
}

fn encoded(text: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|b| if safe(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Answers GET /oauth2/v1/authorize as if the user had signed in and agreed.
pub(super) fn authorize(world: &World, request: &Incoming) -> Reply {
    let field = |name: &str| request.parameter(name).unwrap_or_default();
    let refused = |error: &str, words: &str| {
        Reply::json(400, &json!({ "error": error, "error_description": words, "ecid": "simulated" }))
    };
    let redirect_uri = field("redirect_uri");
    let loopback = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let registered =
        redirect_uri.starts_with("https://") || loopback.iter().any(|host| redirect_uri.starts_with(host));
    if field("client_id") != names::CLIENT || !registered {
        return refused("invalid_request", "The client or the redirect URI isn't registered.");
    }
    if field("response_type") != "code" {
        return refused("unsupported_response_type", "The response type is not supported.");
    }
    let Ok(offline) = scope(field("scope")) else { return refused("invalid_scope", "Invalid scope.") };
    let challenge = request.parameter("code_challenge").map(str::to_owned);
    if challenge.is_some() && field("code_challenge_method") != "S256" {
        return refused("invalid_request", "The code challenge method is not supported.");
    }
    let mut state = locked(&world.fusion);
    let code = state.identity.next("code");
    let expires = world.clock.now() + LIFE;
    let waiting = Code { redirect_uri: redirect_uri.to_owned(), challenge, offline, expires };
    state.identity.codes.insert(code.clone(), waiting);
    let sign = if redirect_uri.contains('?') { '&' } else { '?' };
    let mut location = format!("{redirect_uri}{sign}code={code}");
    if let Some(state) = request.parameter("state") {
        location.push_str(&format!("&state={}", encoded(state)));
    }
    Reply::Answer { status: 302, headers: vec![("location", location)], body: Vec::new() }
}

/// Exchanges a code; says for whom and whether a refresh token is wished for. A code is good once, right or wrong.
pub(super) fn redeem(
    state: &mut IdentityState,
    form: &HashMap<String, String>,
    now: i64,
) -> Result<(String, bool), Denied> {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let invalid = (400, "invalid_grant", "The authorization code is invalid.");
    let code = state.codes.remove(field("code")).ok_or(invalid)?;
    let digest = Sha256::digest(field("code_verifier").as_bytes());
    let digest = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
    let proven = code.challenge.is_none_or(|challenge| challenge == digest);
    if !proven || code.expires <= now || code.redirect_uri != field("redirect_uri") {
        return Err(invalid);
    }
    Ok((names::USER.to_owned(), code.offline))
}
