//! JWT user assertions: a user's name, signed by the client with a key that the domain knows.

use base64::Engine as _;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde::Deserialize;

use super::{Denied, IdentityState};
use crate::scenario::names;

/// The key that clients of the simulator sign with: made for it, and good for nothing else.
pub const PRIVATE_KEY: &str = include_str!("../../../keys/assertion.pem");

/// Longest life of an assertion in seconds.
const LIFE: i64 = 300;

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    iat: i64,
    jti: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn is(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Many(many) => many.iter().any(|one| one == wanted),
        }
    }
}

/// The private key's bytes (PKCS #8).
pub(super) fn private_key() -> Vec<u8> {
    let lines = PRIVATE_KEY.lines().filter(|line| !line.starts_with("-----"));
    base64::engine::general_purpose::STANDARD.decode(lines.collect::<String>()).unwrap_or_default()
}

fn is_signed(signed: &str, signature: &[u8]) -> bool {
    let Ok(pair) = RsaKeyPair::from_pkcs8(&private_key()) else { return false };
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    key.verify(signed.as_bytes(), signature).is_ok()
}

fn decoded<T: for<'a> Deserialize<'a>>(part: &str) -> Option<T> {
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The user that a good assertion names.
///
/// # Errors
/// What is wrong with it.
pub(super) fn user(state: &mut IdentityState, assertion: &str, now: i64) -> Result<String, Denied> {
    let invalid = |words: &'static str| (400, "invalid_grant", words);
    let (signed, signature) = assertion.rsplit_once('.').ok_or(invalid("The assertion is no JWT."))?;
    let (header, claims) = signed.split_once('.').ok_or(invalid("The assertion is no JWT."))?;
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let header: Header = decoded(header).ok_or(invalid("The assertion's header isn't understood."))?;
    let claims: Claims = decoded(claims).ok_or(invalid("The assertion lacks a claim."))?;
    let seconds = now.div_euclid(1_000);
    let checks = [
        (header.alg == "RS256", "The assertion's algorithm isn't RS256."),
        (header.kid.is_none_or(|kid| kid == names::ASSERTION_KEY), "The assertion's key isn't known."),
        (is_signed(signed, &signature), "The assertion's signature isn't valid."),
        (claims.iss == names::CLIENT, "The assertion's issuer isn't the client."),
        (claims.aud.is(names::ASSERTION_AUDIENCE), "The assertion's audience isn't the domain."),
        (claims.exp > seconds && claims.iat <= seconds + 60, "The assertion isn't valid now."),
        (claims.exp - claims.iat <= LIFE, "The assertion lives longer than five minutes."),
        (claims.sub == names::USER || claims.sub == names::CLIENT, "The assertion's subject is no user."),
        (!claims.jti.is_empty() && !state.assertions.contains(&claims.jti), "The assertion was used."),
    ];
    if let Some((_, words)) = checks.into_iter().find(|(good, _)| !good) {
        return Err(invalid(words));
    }
    state.assertions.insert(claims.jti);
    Ok(claims.sub)
}
