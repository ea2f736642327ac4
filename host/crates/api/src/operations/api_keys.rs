//! Keys of a tenant.

use axum::http::StatusCode;
use jiff::SignedDuration;
use ml_connector_domain::SellerId;
use ml_connector_storage::ApiKey;
use secrecy::ExposeSecret as _;

use crate::call::{Answer, Call, Caller};
use crate::keys::{self, ID_BYTES, NewKey, SECRET_BYTES};
use crate::paging::Page;
use crate::problem::{Kind, Problem};
use crate::shapes::{self, time};
use crate::state::Api;

fn shown(key: &ApiKey) -> shapes::KeyRow {
    let sellers = key.sellers.as_ref();
    shapes::KeyRow {
        id: key.id.clone(),
        role: key.role.clone(),
        tenant: key.tenant.clone(),
        sellers: sellers.map(|list| list.iter().map(|id| id.as_str().to_owned()).collect()),
        created_at: time(key.created_at),
        expires_at: key.expires_at.map(time),
        revoked_at: key.revoked_at.map(time),
    }
}

/// Whether an administrator may see and change a key: one of the tenant's that reaches no further than its own.
fn is_within(caller: &Caller, key: &ApiKey) -> bool {
    let reach = match (&caller.key.sellers, &key.sellers) {
        (None, _) => true,
        (Some(own), Some(theirs)) => theirs.iter().all(|id| own.contains(id)),
        (Some(_), None) => false,
    };
    caller.key.tenant == key.tenant && reach
}

pub(super) async fn list(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (page, caller) = (Page::of(call)?, call.caller()?);
    let mut keys = api.store.api_keys().await?;
    keys.retain(|key| is_within(caller, key));
    let (rows, next) = page.of_all(keys, |key| key.id.clone())?;
    Answer::ok(&shapes::Keys { items: rows.iter().map(shown).collect(), next })
}

/// The sellers of a new key: those that are asked for, each one that the caller sees.
fn sellers(api: &Api, caller: &Caller, new: &shapes::NewApiKey) -> Result<Option<Vec<SellerId>>, Problem> {
    let Some(wanted) = &new.sellers else { return Ok(caller.key.sellers.clone()) };
    if wanted.is_empty() {
        return Err(Problem::new(Kind::Invalid, "sellers: name one, or leave it out for all"));
    }
    let one = |id: &String| match api.served(id).filter(|served| caller.sees(served)) {
        Some(served) => Ok(served.seller.id.clone()),
        None => Err(Problem::new(Kind::Invalid, format!("sellers: there is no seller {id}"))),
    };
    wanted.iter().map(one).collect::<Result<_, _>>().map(Some)
}

pub(super) async fn add(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (caller, now) = (call.caller()?, api.clock.now());
    let new: shapes::NewApiKey = call.json()?;
    let role = new.role.parse();
    let role =
        role.map_err(|error: crate::role::UnknownRole| Problem::new(Kind::Invalid, error.to_string()))?;
    let days = |days: u16| match days {
        1..=3650 => Ok(now.saturating_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(now)),
        _ => Err(Problem::new(Kind::Invalid, "expires_days: write 1 to 3650")),
    };
    let wanted = NewKey {
        role,
        tenant: caller.key.tenant.clone(),
        sellers: sellers(api, caller, &new)?,
        expires_at: new.expires_days.map(days).transpose()?,
    };
    let mut random = ([0; ID_BYTES], [0; SECRET_BYTES]);
    api.actions.random(&mut random.0);
    api.actions.random(&mut random.1);
    let made = keys::make(wanted, random, now);
    let row = shown(&made.row);
    keys::keep(&*api.store, made.row, (&caller.who(), now)).await?;
    // The secret is in no store, nor in the answer that is kept for a repeated request.
    let without = Answer::of(StatusCode::CREATED, &shapes::AddedKey { row: row.clone(), key: None })?;
    let key = Some(made.token.expose_secret().to_owned());
    let mut answer = Answer::of(StatusCode::CREATED, &shapes::AddedKey { row, key })?;
    answer.kept = Some(without.body);
    Ok(answer)
}

pub(super) async fn revoke(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (caller, now) = (call.caller()?, api.clock.now());
    let found = api.store.api_key(call.part("id")).await?;
    let mut key = found.filter(|key| is_within(caller, key)).ok_or_else(Problem::not_found)?;
    if key.revoked_at.is_none() {
        keys::revoke(&*api.store, &key.id, (&caller.who(), now)).await?;
        key.revoked_at = Some(now);
    }
    Answer::ok(&shown(&key))
}
