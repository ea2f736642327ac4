//! Login with Amazon: access tokens for a seller in a region.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use ml_connector_ports::{Account, SourceError};
use ml_connector_remote::{HttpClient, Request, Token, TransportError};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// What a token is fetched with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The application's client id.
    pub client_id: String,
    /// The application's client secret; Amazon lets it expire after 180 days.
    pub client_secret: SecretString,
    /// The seller's refresh token for the region.
    pub refresh_token: SecretString,
}

/// Where credentials come from.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// The credentials of an account.
    ///
    /// # Errors
    /// There are none, or they cannot be opened; the message names the command that sets them.
    async fn credentials(&self, account: &Account) -> Result<Credentials, SourceError>;
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: i64,
}

/// LWA's own error body; it differs from the Selling Partner API's.
#[derive(Deserialize)]
struct Denied {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Fetches an access token by the refresh grant (Amazon, "Connecting to the Selling Partner API", step 1).
pub(crate) async fn fetch(
    http: &HttpClient,
    url: &str,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<Token, SourceError> {
    let request = Request::post(url).header("accept", "application/json").form(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", credentials.refresh_token.expose_secret()),
        ("client_id", &credentials.client_id),
        ("client_secret", credentials.client_secret.expose_secret()),
    ]);
    let answer = http.send(request).await.map_err(|error| transient("AMZ-LWA-DOWN", &error))?;
    if answer.is_success() {
        let granted: Granted = serde_json::from_slice(&answer.body).map_err(|error| {
            refused("AMZ-LWA-ANSWER", format!("Login with Amazon's answer is no token: {error}"))
        })?;
        let expires = now.saturating_add(SignedDuration::from_secs(granted.expires_in.clamp(0, 86_400)));
        return Ok(Token { secret: granted.access_token.into(), expires: expires.unwrap_or(now) });
    }
    Err(denied(answer.status, &answer.body))
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
