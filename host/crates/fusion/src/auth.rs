//! Access tokens of the identity domain that protects the instance.
//!
//! Three grants end in the same kind of token: client credentials (Oracle, "Retrieving a bearer token using IDCS"), the
//! assertion of a user signed by us, and a refresh token that a person's consent brought (see [`crate::authorize`]).

use std::sync::PoisonError;

use base64::Engine as _;
use jiff::SignedDuration;
use ml_connector_domain::Timestamp;
use ml_connector_ports::SourceError;
use ml_connector_remote::{AssertionKey, HttpClient, Request, Token};
use rand::Rng as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::client::{FusionClient, FusionCredentials, refused, transient};

/// What every identity domain takes as audience of an assertion.
pub const AUDIENCE: &str = "https://identity.oraclecloud.com/";
/// An assertion may last five minutes at most.
const ASSERTION_LASTS: SignedDuration = SignedDuration::from_mins(4);
/// A token's life where the identity domain does not say.
const LASTS_UNSAID: i64 = 300;
/// Longest text kept of what the identity domain says.
const WORDS_CHARS_MAX: usize = 300;

/// How a token is had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AuthMethod {
    /// As the application itself; Fusion knows it as the user whose name is the client id.
    #[default]
    ClientCredentials,
    /// As a named user, for whom we sign.
    JwtAssertion {
        /// The Fusion user.
        user: String,
        /// Alias of the certificate that the identity domain checks with: `kid`.
        key_id: String,
        /// Whom it is for, usually [`AUDIENCE`].
        audience: String,
    },
    /// As the person who consented, until they take it back.
    AuthorizationCode,
}

#[derive(Deserialize)]
pub(crate) struct Granted {
    access_token: String,
    expires_in: Option<i64>,
    pub(crate) refresh_token: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Denied {
    error: String,
    error_description: String,
}

/// What an assertion claims (RFC 7523).
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
}

impl FusionClient {
    /// The token in hand, or a new one; however many ask, one fetches.
    pub(crate) async fn token(&self) -> Result<SecretString, SourceError> {
        let now = self.clock.now();
        self.tokens.get("fusion", now, || self.fetch_token(now)).await
    }

    async fn fetch_token(&self, now: Timestamp) -> Result<Token, SourceError> {
        let credentials = self.credentials.credentials().await?;
        let (http, domain) = (&self.http, self.options.identity_url.as_str());
        let granted = match &self.options.method {
            AuthMethod::ClientCredentials => {
                let grant = [("grant_type", "client_credentials"), ("scope", &self.options.scope)];
                ask(http, domain, &credentials, &grant).await?
            }
            AuthMethod::JwtAssertion { user, key_id, audience } => {
                let claims = self.claims((&credentials.client_id, user, audience), now);
                let assertion = assertion(&credentials, key_id, &claims)?;
                let grant = [
                    ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                    ("scope", &self.options.scope),
                    ("assertion", assertion.expose_secret()),
                ];
                ask(http, domain, &credentials, &grant).await?
            }
            AuthMethod::AuthorizationCode => self.refresh(credentials, now).await?,
        };
        Ok(token(granted, now))
    }

    fn claims<'a>(&self, (iss, sub, aud): (&'a str, &'a str, &'a str), now: Timestamp) -> Claims<'a> {
        let mut id = [0_u8; 16];
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut id);
        let (iat, lasts) = (now.as_second(), ASSERTION_LASTS.as_secs());
        Claims { iss, sub, aud, iat, exp: iat + lasts, jti: format!("{:032x}", u128::from_be_bytes(id)) }
    }

    /// Fetches by refresh token, and keeps the one that takes its place before the access token is used.
    async fn refresh(&self, held: FusionCredentials, now: Timestamp) -> Result<Granted, SourceError> {
        let first = refresh_token(&held)?.clone();
        let mut granted = self.by_refresh_token(&held, &first).await;
        if let Err(SourceError::Refused { code: "FUS-IDENTITY-GRANT", .. }) = &granted {
            // Another process may have refreshed meanwhile, and this one's token was used up by that.
            let again = self.credentials.credentials().await?;
            let second = refresh_token(&again)?;
            if second.expose_secret() != first.expose_secret() {
                granted = self.by_refresh_token(&again, second).await;
            }
        }
        let granted = granted?;
        if let Some(rotated) = granted.refresh_token.as_ref().filter(|new| *new != first.expose_secret()) {
            self.credentials.keep_refresh_token(&rotated.as_str().into(), now).await?;
        }
        Ok(granted)
    }

    async fn by_refresh_token(
        &self,
        credentials: &FusionCredentials,
        token: &SecretString,
    ) -> Result<Granted, SourceError> {
        let grant = [("grant_type", "refresh_token"), ("refresh_token", token.expose_secret())];
        ask(&self.http, &self.options.identity_url, credentials, &grant).await
    }
}

fn refresh_token(credentials: &FusionCredentials) -> Result<&SecretString, SourceError> {
    credentials.refresh_token.as_ref().ok_or_else(|| {
        let message = "nobody has consented yet: run `ml-connector fusion authorize start`".to_owned();
        refused("FUS-IDENTITY-CONSENT", message)
    })
}

fn assertion(
    credentials: &FusionCredentials,
    key_id: &str,
    claims: &Claims<'_>,
) -> Result<SecretString, SourceError> {
    let pem = credentials.assertion_key.as_ref().ok_or_else(|| {
        refused(
            "FUS-IDENTITY-KEY",
            "there is no private key: run `ml-connector credentials import`".to_owned(),
        )
    })?;
    let signed = AssertionKey::parse(pem).and_then(|key| key.sign(key_id, claims));
    signed.map_err(|error| refused("FUS-IDENTITY-KEY", error.to_string()))
}

fn token(granted: Granted, now: Timestamp) -> Token {
    let lasts = SignedDuration::from_secs(granted.expires_in.unwrap_or(LASTS_UNSAID).clamp(0, 86_400));
    Token { secret: granted.access_token.into(), expires: now.saturating_add(lasts).unwrap_or(now) }
}

/// Makes one request to the token endpoint, as the client in the `Authorization` header.
pub(crate) async fn ask(
    http: &HttpClient,
    identity_url: &str,
    credentials: &FusionCredentials,
    grant: &[(&str, &str)],
) -> Result<Granted, SourceError> {
    let pair = format!("{}:{}", credentials.client_id, credentials.client_secret.expose_secret());
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    let request = Request::post(format!("{identity_url}/oauth2/v1/token"))
        .header("accept", "application/json")
        .secret_header("authorization", basic.into())
        .form(grant);
    let answer = http.send(request).await.map_err(|e| transient("FUS-IDENTITY-DOWN", e.to_string(), None))?;
    if !answer.is_success() {
        // A domain may repeat what it was sent.
        let shown = |(name, _): &&(&str, &str)| matches!(*name, "grant_type" | "scope" | "redirect_uri");
        let hidden = grant.iter().filter(|pair| !shown(pair)).map(|(_, value)| *value);
        let secrets: Vec<&str> = hidden.chain([credentials.client_secret.expose_secret()]).collect();
        return Err(denied(answer.status, &answer.body, answer.retry_after(), &secrets));
    }
    serde_json::from_slice(&answer.body).map_err(|e| {
        // Where and why, not what: the text is the token's.
        let place = format!("line {} column {}", e.line(), e.column());
        refused("FUS-IDENTITY-ANSWER", format!("the identity domain's answer is no token ({place})"))
    })
}

/// What a refusal of the token endpoint means (RFC 6749, section 5.2).
fn denied(
    status: u16,
    body: &[u8],
    retry_after: Option<std::time::Duration>,
    secrets: &[&str],
) -> SourceError {
    let denied: Denied = serde_json::from_slice(body).unwrap_or_default();
    let temporary = matches!(denied.error.as_str(), "temporarily_unavailable" | "server_error");
    if status == 429 || status >= 500 || temporary {
        let message = format!("the identity domain answered {status}");
        return transient("FUS-IDENTITY-DOWN", message, retry_after);
    }
    let said = secrets
        .iter()
        .filter(|secret| !secret.is_empty())
        .fold(format!("{}: {}", denied.error, denied.error_description), |words, secret| {
            words.replace(secret, "…")
        });
    let said: String = said.chars().filter(|c| !c.is_control()).take(WORDS_CHARS_MAX).collect();
    let (code, what) = match denied.error.as_str() {
        "invalid_client" => (
            "FUS-IDENTITY-CLIENT",
            "the client id or secret is wrong, or the application is not active: set fusion.client_id, import its secret",
        ),
        "invalid_scope" => (
            "FUS-IDENTITY-SCOPE",
            "the scope is not one that the application was given: copy fusion.scope from it, letter for letter",
        ),
        "unauthorized_client" | "unsupported_grant_type" => (
            "FUS-IDENTITY-APP",
            "the application may not use this grant: allow it in the identity domain, or choose another fusion.auth.method",
        ),
        "invalid_grant" => (
            "FUS-IDENTITY-GRANT",
            "the consent was taken back or used up, or the assertion's user, key or time does not fit: authorise again, or check fusion.auth",
        ),
        _ => ("FUS-IDENTITY", "the identity domain refuses"),
    };
    refused(code, format!("{what} (HTTP {status}, {said})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_denial_has_its_own_code() {
        let rows = [
            (
                401,
                r#"{"error":"invalid_client","error_description":"Client authentication failed."}"#,
                "FUS-IDENTITY-CLIENT",
            ),
            (400, r#"{"error":"invalid_scope","error_description":"Invalid scope."}"#, "FUS-IDENTITY-SCOPE"),
            (400, r#"{"error":"unauthorized_client"}"#, "FUS-IDENTITY-APP"),
            (400, r#"{"error":"unsupported_grant_type"}"#, "FUS-IDENTITY-APP"),
            (400, r#"{"error":"invalid_grant"}"#, "FUS-IDENTITY-GRANT"),
            (400, r#"{"error":"invalid_request"}"#, "FUS-IDENTITY:"),
            (403, "<html>", "FUS-IDENTITY:"),
            (400, r#"{"error":"temporarily_unavailable"}"#, "FUS-IDENTITY-DOWN"),
            (500, "", "FUS-IDENTITY-DOWN"),
            (503, r#"{"error":"invalid_client"}"#, "FUS-IDENTITY-DOWN"),
            (429, "", "FUS-IDENTITY-DOWN"),
        ];
        for (status, body, code) in rows {
            let error = denied(status, body.as_bytes(), None, &[]);
            assert!(error.to_string().starts_with(code), "{status} {body}: {error}");
            assert_eq!(matches!(error, SourceError::Transient { .. }), code == "FUS-IDENTITY-DOWN");
        }
    }

    #[test]
    fn what_the_domain_repeats_of_our_secrets_is_not_shown() {
        let body =
            br#"{"error":"invalid_client","error_description":"no such pair id:s3cret-of-ours\u0007"}"#;
        let words = denied(401, body, None, &["", "s3cret-of-ours"]).to_string();
        assert!(
            !words.contains("s3cret") && words.contains("no such pair id:…") && !words.contains('\u{7}'),
            "{words}"
        );
    }

    #[test]
    fn a_tokens_life_is_what_was_said_within_reason() {
        let now = Timestamp::from_second(1_790_000_000).expect("in range");
        for (said, lasts) in
            [(Some(3_600), 3_600), (None, LASTS_UNSAID), (Some(-5), 0), (Some(i64::MAX), 86_400)]
        {
            let granted = Granted { access_token: "t".to_owned(), expires_in: said, refresh_token: None };
            assert_eq!(token(granted, now).expires.duration_since(now).as_secs(), lasts);
        }
    }
}
