//! Login with Amazon: access tokens for a seller in a region.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use ml_connector_ports::{Account, SourceError};
use ml_connector_remote::{HttpClient, Request, Token, TransportError};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// The application that calls.
#[derive(Debug, Clone)]
pub struct Application {
    /// Its client id.
    pub client_id: String,
    /// Its client secret; Amazon lets it expire after 180 days.
    pub client_secret: SecretString,
    /// The secret before it, which Amazon accepts for seven days after a rotation.
    pub previous_secret: Option<SecretString>,
}

/// What a seller's token is fetched with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The application.
    pub application: Application,
    /// The seller's refresh token for the region.
    pub refresh_token: SecretString,
}

/// Where credentials come from.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// The application's own.
    ///
    /// # Errors
    /// There are none, or they cannot be opened; the message names the command that sets them.
    async fn application(&self, now: Timestamp) -> Result<Application, SourceError>;

    /// The credentials of an account.
    ///
    /// # Errors
    /// As [`CredentialSource::application`].
    async fn credentials(&self, account: &Account, now: Timestamp) -> Result<Credentials, SourceError>;
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: i64,
    refresh_token: Option<String>,
}

/// LWA's own error body; it differs from the Selling Partner API's.
#[derive(Deserialize)]
struct Denied {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Fetches an access token by the refresh grant (Amazon, "Connecting to the Selling Partner API", step 1).
pub(crate) async fn by_refresh_token(
    http: &HttpClient,
    url: &str,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<Token, SourceError> {
    let refresh_token = ("refresh_token", credentials.refresh_token.expose_secret());
    let grant = [("grant_type", "refresh_token"), refresh_token];
    granted(http, url, &credentials.application, &grant, now).await.map(|(token, _)| token)
}

/// Fetches an access token for an operation that concerns no seller (Amazon, "Grantless operations").
pub(crate) async fn by_client_credentials(
    http: &HttpClient,
    url: &str,
    application: &Application,
    scope: &str,
    now: Timestamp,
) -> Result<Token, SourceError> {
    let grant = [("grant_type", "client_credentials"), ("scope", scope)];
    granted(http, url, application, &grant, now).await.map(|(token, _)| token)
}

/// Exchanges the code of a website authorisation for the seller's refresh token. A code works once, for five minutes.
///
/// # Errors
/// The code is used or expired, the application's secret is wrong, or Login with Amazon does not answer.
pub async fn by_code(
    http: &HttpClient,
    url: &str,
    application: &Application,
    (code, redirect_uri): (&SecretString, &str),
    now: Timestamp,
) -> Result<SecretString, SourceError> {
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", code.expose_secret()),
        ("redirect_uri", redirect_uri),
    ];
    let (_, refresh_token) = granted(http, url, application, &grant, now).await?;
    refresh_token.ok_or_else(|| {
        refused("AMZ-LWA-ANSWER", "Login with Amazon's answer holds no refresh token".to_owned())
    })
}

/// Asks with the application's secret and, if that is refused, with the one before it: after a rotation both work for
/// a while, and which one this process holds is chance.
async fn granted(
    http: &HttpClient,
    url: &str,
    application: &Application,
    grant: &[(&str, &str)],
    now: Timestamp,
) -> Result<(Token, Option<SecretString>), SourceError> {
    let first = ask(http, url, (application, &application.client_secret), grant, now).await;
    match (first, &application.previous_secret) {
        (Err(SourceError::Refused { code: "AMZ-LWA-CLIENT", message }), Some(previous)) => {
            tracing::warn!(code = "AMZ-LWA-PREVIOUS", %message, "trying the client secret before this one");
            ask(http, url, (application, previous), grant, now).await
        }
        (result, _) => result,
    }
}

async fn ask(
    http: &HttpClient,
    url: &str,
    (application, secret): (&Application, &SecretString),
    grant: &[(&str, &str)],
    now: Timestamp,
) -> Result<(Token, Option<SecretString>), SourceError> {
    let mut form = grant.to_vec();
    form.push(("client_id", &application.client_id));
    form.push(("client_secret", secret.expose_secret()));
    let request = Request::post(url).header("accept", "application/json").form(&form);
    let answer = http.send(request).await.map_err(|error| transient("AMZ-LWA-DOWN", &error))?;
    if !answer.is_success() {
        return Err(denied(answer.status, &answer.body));
    }
    let granted: Granted = serde_json::from_slice(&answer.body).map_err(|error| {
        refused("AMZ-LWA-ANSWER", format!("Login with Amazon's answer is no token: {error}"))
    })?;
    let expires = now.saturating_add(SignedDuration::from_secs(granted.expires_in.clamp(0, 86_400)));
    let token = Token { secret: granted.access_token.into(), expires: expires.unwrap_or(now) };
    Ok((token, granted.refresh_token.map(Into::into)))
}

fn denied(status: u16, body: &[u8]) -> SourceError {
    let denied = serde_json::from_slice::<Denied>(body)
        .unwrap_or(Denied { error: String::new(), error_description: format!("HTTP {status}") });
    let words = denied.error_description;
    match denied.error.as_str() {
        _ if status == 429 || status >= 500 => SourceError::Transient {
            code: "AMZ-LWA-DOWN",
            message: format!("Login with Amazon answered {status}"),
            retry_after: None,
        },
        "invalid_client" => refused(
            "AMZ-LWA-CLIENT",
            format!(
                "the application's client id or secret is wrong, or the secret's 180 days are over: {words}"
            ),
        ),
        "invalid_grant" => refused(
            "AMZ-LWA-REVOKED",
            format!(
                "the seller's refresh token was revoked or is for another region: authorise again: {words}"
            ),
        ),
        "unauthorized_client" => refused(
            "AMZ-LWA-OTHER-APP",
            format!(
                "the refresh token belongs to another application, or this one is not authorised: {words}"
            ),
        ),
        error => refused("AMZ-LWA-REFUSED", format!("{error}: {words}")),
    }
}

pub(crate) fn refused(code: &'static str, message: String) -> SourceError {
    SourceError::Refused { code, message }
}

pub(crate) fn transient(code: &'static str, error: &TransportError) -> SourceError {
    match error {
        TransportError::BadUrl(_) => refused("AMZ-URL", error.to_string()),
        _ => SourceError::Transient { code, message: error.to_string(), retry_after: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_denial_has_its_own_code() {
        let rows = [
            (
                401,
                r#"{"error":"invalid_client","error_description":"Client authentication failed"}"#,
                "AMZ-LWA-CLIENT",
            ),
            (400, r#"{"error":"invalid_grant","error_description":"x"}"#, "AMZ-LWA-REVOKED"),
            (400, r#"{"error":"unauthorized_client"}"#, "AMZ-LWA-OTHER-APP"),
            (400, r#"{"error":"invalid_scope"}"#, "AMZ-LWA-REFUSED"),
            (400, "<html>", "AMZ-LWA-REFUSED"),
            (503, r#"{"error":"temporarily_unavailable"}"#, "AMZ-LWA-DOWN"),
        ];
        for (status, body, code) in rows {
            let text = denied(status, body.as_bytes()).to_string();
            assert!(text.starts_with(code), "{status} {body}: {text}");
        }
    }
}
