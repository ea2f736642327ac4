//! Tokens of the identity domain.

use base64::Engine as _;
use jiff::SignedDuration;
use ml_connector_domain::Timestamp;
use ml_connector_ports::SourceError;
use ml_connector_remote::{Request, Token};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::client::{FusionClient, refused, transient};

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<i64>,
}

#[derive(Deserialize)]
struct Denied {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl FusionClient {
    pub(crate) async fn token(&self) -> Result<SecretString, SourceError> {
        let now = self.clock.now();
        self.tokens.get("fusion", now, || self.fetch_token(now)).await
    }

    /// Client credentials with the identity domain (Oracle, "Retrieving a bearer token using IDCS").
    async fn fetch_token(&self, now: Timestamp) -> Result<Token, SourceError> {
        let credentials = self.credentials.credentials().await?;
        let pair = format!("{}:{}", credentials.client_id, credentials.client_secret.expose_secret());
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        let request = Request::post(format!("{}/oauth2/v1/token", self.options.identity_url))
            .secret_header("authorization", basic.into())
            .form(&[("grant_type", "client_credentials"), ("scope", &self.options.scope)]);
        let answer =
            self.http.send(request).await.map_err(|e| transient("FUS-IDENTITY-DOWN", e.to_string(), None))?;
        if answer.status == 429 || answer.status >= 500 {
            let message = format!("the identity domain answered {}", answer.status);
            return Err(transient("FUS-IDENTITY-DOWN", message, answer.retry_after()));
        }
        if !answer.is_success() {
            let words = match serde_json::from_slice::<Denied>(&answer.body) {
                Ok(denied) => format!("{}: {}", denied.error, denied.error_description),
                Err(_) => format!("HTTP {}", answer.status),
            };
            return Err(refused(
                "FUS-IDENTITY",
                format!("the identity domain refuses the client or the scope: {words}"),
            ));
        }
        let granted: Granted = serde_json::from_slice(&answer.body).map_err(|e| {
            refused("FUS-IDENTITY-ANSWER", format!("the identity domain's answer is no token: {e}"))
        })?;
        let lasts = SignedDuration::from_secs(granted.expires_in.unwrap_or(300).clamp(0, 86_400));
        Ok(Token { secret: granted.access_token.into(), expires: now.saturating_add(lasts).unwrap_or(now) })
    }
}
