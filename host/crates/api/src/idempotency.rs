//! `Idempotency-Key`: the same request is done once, and answered the same each time.

use axum::http::{HeaderMap, StatusCode};
use ml_connector_domain::id::ContentHash;
use ml_connector_storage::{AnswerClaim, Claimed};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::call::Answer;
use crate::problem::{Kind, Problem};
use crate::state::Api;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 200;

/// The name that a request has, if it has one.
pub(crate) fn name(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| (1..=NAME_CHARS_MAX).contains(&text.len()));
    let wrong = || format!("Idempotency-Key: write 1 to {NAME_CHARS_MAX} visible ASCII characters");
    text.map(|text| Some(text.to_owned())).ok_or_else(|| Problem::new(Kind::Malformed, wrong()))
}

/// Hash of what is asked. The caller's own key goes in: of a body that is a secret, nobody can try guesses against what
/// is stored.
pub(crate) fn request(token: &SecretString, parts: &[&[u8]]) -> ContentHash {
    let mut hash = Sha256::new();
    for part in [token.expose_secret().as_bytes()].iter().chain(parts) {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    ContentHash::of(&hash.finalize())
}

/// A request that is to be done once.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// Id of the key that asks.
    pub(crate) key: String,
    /// Its name for the request.
    pub(crate) name: String,
    /// Hash of what is asked.
    pub(crate) request: ContentHash,
}

/// Takes a request on, or says how it was answered.
///
/// # Errors
/// It is being answered, or another has its name.
pub(crate) async fn claim(api: &Api, claim: &Claim) -> Result<Option<Answer>, Problem> {
    let now = api.clock.now();
    if let Some(before) = api.answers_to_forget(now) {
        api.store.forget_answers(before).await?;
    }
    let asked = AnswerClaim {
        api_key: &claim.key,
        name: &claim.name,
        request: &claim.request,
        now,
        abandoned_before: api.started,
    };
    match api.store.claim_answer(asked).await? {
        Claimed::New => Ok(None),
        Claimed::UnderWay => Err(Problem::new(Kind::UnderWay, "ask again with the same Idempotency-Key")),
        Claimed::Different => {
            Err(Problem::new(Kind::Reused, "use a new Idempotency-Key for every request of its own"))
        }
        Claimed::Answered(status, body) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            Ok(Some(Answer { status, body, kept: None }))
        }
    }
}

/// Keeps what a request was answered with; where the daemon or a remote failed, the request is forgotten and may be tried again.
pub(crate) async fn keep(
    api: &Api,
    claim: &Claim,
    answer: &Result<Answer, Problem>,
    instance: &str,
) -> Result<(), Problem> {
    let kept = match answer {
        Ok(answer) => Some((answer.status, answer.kept.clone().unwrap_or_else(|| answer.body.clone()))),
        Err(problem) if problem.status().is_server_error() => None,
        Err(problem) => Some((problem.status(), problem.body(instance))),
    };
    let kept = kept.as_ref().map(|(status, body)| (status.as_u16(), body.as_str()));
    Ok(api.store.keep_answer(&claim.key, &claim.name, kept).await?)
}

/// Forgets a request that ended without an answer.
pub(crate) async fn forget(api: &Api, claim: &Claim) -> Result<(), Problem> {
    Ok(api.store.keep_answer(&claim.key, &claim.name, None).await?)
}
