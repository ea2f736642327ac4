//! `Idempotency-Key`: the same request is done once, and answered the same each time.

use std::future::Future;

use axum::http::{HeaderMap, StatusCode};
use jiff::SignedDuration;
use ml_connector_domain::Timestamp;
use ml_connector_domain::id::ContentHash;
use ml_connector_storage::{AnswerClaim, Claimed};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::call::Answer;
use crate::problem::{Kind, Problem};
use crate::state::Api;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 200;
/// How often a daemon among others says that a request is still under way.
const RENEWED_EVERY: SignedDuration = SignedDuration::from_secs(15);
/// A request of which nobody has said so for this long ended with its daemon. Long enough for a database that is slow to
/// answer and for machines whose clocks differ by some seconds.
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_secs(60);

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

/// Requests that were last heard of before this, and never answered, ended with their daemon.
///
/// A daemon that has the database for itself knows it exactly: what was begun before it started. Of several, none knows
/// when the others started, and no time bounds a request, which goes on after its client was told to ask again: so each
/// renews what it has under way, and what nobody renews is abandoned. The start of a daemon says nothing there: it may be
/// the later one.
fn abandoned_before(api: &Api, now: Timestamp) -> Timestamp {
    if api.workers.alone { api.started } else { now.saturating_add(-ABANDONED_AFTER).unwrap_or(now) }
}

/// Does a request's work and says in between, where other daemons might take the request over, that it is under way.
pub(crate) async fn held<T>(api: &Api, claim: &Claim, work: impl Future<Output = T>) -> T {
    if api.workers.alone {
        return work.await;
    }
    let renewing = async {
        loop {
            let next = api.clock.now().saturating_add(RENEWED_EVERY);
            api.clock.sleep_until(next.unwrap_or(Timestamp::MAX)).await;
            if let Err(error) = api.store.renew_claim(&claim.key, &claim.name, api.clock.now()).await {
                tracing::warn!(%error, "a request under way cannot be renewed: another daemon may take it over");
            }
        }
    };
    tokio::select! {
        done = work => done,
        never = renewing => never,
    }
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
        abandoned_before: abandoned_before(api, now),
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
