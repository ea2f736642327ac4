//! Who is let in, and what goes wrong on the way: the same for every resource.

use axum::http::Method;
use base64::Engine as _;
use serde::Deserialize;

use super::adf::Call;
use super::{FusionState, RESOURCES, identity, route, settle};
use crate::http::Reply;
use crate::locked;
use crate::scenario::names;

/// What a user must be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Privilege {
    /// AR_CREATE_RECEIVABLES_INVOICE_PRIV and its like.
    Receivables,
    /// FUN_GET_ENTERPRISE_STRUCTURES_REST_SERVICE_PRIV.
    EnterpriseStructures,
    /// FSCM Load Interface Administration.
    Integrations,
    /// Journals.
    Journals,
}

fn privilege(resource: &str) -> Option<Privilege> {
    if resource == "erpintegrations" {
        return Some(Privilege::Integrations);
    }
    RESOURCES.iter().find(|of| of.name == resource).map(|of| of.privilege)
}

/// The user of the credentials: a token's, or the one of Basic authentication.
fn user(call: &Call<'_>, state: &FusionState) -> Option<String> {
    let header = call.request.header("authorization").unwrap_or_default();
    if let Some(token) = header.strip_prefix("Bearer ") {
        return identity::user(state, token, call.world.clock.now());
    }
    let wanted = format!("{}:{}", names::USER, names::USER_PASSWORD);
    let basic = base64::engine::general_purpose::STANDARD.encode(wanted);
    (header.strip_prefix("Basic ") == Some(&basic)).then(|| names::USER.to_owned())
}

fn unauthorized() -> Reply {
    let headers = vec![("www-authenticate", "Bearer".to_owned())];
    Reply::Answer { status: 401, headers, body: Vec::new() }
}

/// Answers a request to the instance.
pub(super) fn answer(call: &Call<'_>, path: &str) -> Reply {
    let mut state = locked(&call.world.fusion);
    let state = &mut *state;
    settle(call.world, state);
    state.turn += 1;
    let reading = call.request.method == Method::GET;
    if user(call, state).is_none() {
        return unauthorized();
    }
    if let Some(reply) = before(call, reading) {
        return reply;
    }
    let Some(privilege) = privilege(path.split('/').next().unwrap_or_default()) else {
        return Reply::text(404, "Not Found");
    };
    if state.knobs.revoked.contains(&privilege) {
        return Reply::text(403, "Forbidden");
    }
    let reply = route(call, state, path);
    if reading || reply.status() >= 300 { reply } else { after(call, reply) }
}

/// A fault that keeps a request from being done.
fn before(call: &Call<'_>, reading: bool) -> Option<Reply> {
    let faults = &call.world.faults;
    let rates = faults.fusion(call.world.clock.now());
    if faults.draw(rates.unauthorized) {
        return Some(unauthorized());
    }
    if reading {
        return faults.draw(rates.read_error).then(|| Reply::text(503, "Service Unavailable"));
    }
    if faults.draw(rates.throttle) {
        return Some(Reply::text(429, "Too Many Requests").with("retry-after", "5"));
    }
    if faults.draw(rates.throttle_bare) {
        return Some(Reply::text(429, "Too Many Requests"));
    }
    if faults.draw(rates.error_before_commit) {
        return Some(Reply::text(503, "Service Unavailable"));
    }
    if faults.draw(rates.server_error_before_commit) {
        return Some(Reply::text(500, "Internal Server Error"));
    }
    faults.draw(rates.reset_before_commit).then_some(Reply::Cut)
}

/// A fault that hides that a request was done.
fn after(call: &Call<'_>, reply: Reply) -> Reply {
    let faults = &call.world.faults;
    let rates = faults.fusion(call.world.clock.now());
    if faults.draw(rates.answer_lost) {
        return Reply::Cut;
    }
    if faults.draw(rates.server_error_after_commit) {
        return Reply::text(500, "Internal Server Error");
    }
    reply
}
