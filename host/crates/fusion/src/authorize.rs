//! A person's consent: authorisation code with PKCE (RFC 7636) at the identity domain. The code is exchanged for a
//! refresh token, with which the daemon then acts as that person.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ml_connector_ports::SourceError;
use ml_connector_remote::HttpClient;
use ml_connector_remote::http::{encoded, query_of};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::auth::ask;
use crate::client::{FusionCredentials, FusionOptions, refused};

/// Asks for a refresh token beside what the scope opens.
const OFFLINE: &str = "offline_access";

/// A consent under way. State and verifier belong to this one attempt; who lacks them cannot end it.
#[derive(Debug, Clone)]
pub struct Consent {
    /// Comes back unchanged.
    pub state: String,
    /// Proves at the end that who began is who ends. Its hash goes out, it does not.
    pub verifier: SecretString,
}

impl Consent {
    /// Makes one of 32 random bytes each.
    pub fn new(state: [u8; 32], verifier: [u8; 32]) -> Self {
        let verifier = URL_SAFE_NO_PAD.encode(verifier).into();
        Self { state: URL_SAFE_NO_PAD.encode(state), verifier }
    }

    /// The address of the identity domain's page.
    pub fn url(&self, options: &FusionOptions, client_id: &str, redirect_uri: &str) -> String {
        let digest = Sha256::digest(self.verifier.expose_secret().as_bytes());
        let challenge = URL_SAFE_NO_PAD.encode(digest);
        let mut scope = options.scope.clone();
        if !scope.split(' ').any(|part| part == OFFLINE) {
            scope = format!("{scope} {OFFLINE}");
        }
        let query = encoded(&[
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", redirect_uri),
            ("scope", &scope),
            ("state", &self.state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        format!("{}/oauth2/v1/authorize?{query}", options.identity_url)
    }
}

/// What the identity domain appended to the redirect address.
#[derive(Debug, Clone)]
pub struct Callback {
    /// To be compared with what was sent.
    pub state: String,
    /// Good for one exchange.
    pub code: SecretString,
}

impl Callback {
    /// Reads the address that the browser was sent back to.
    ///
    /// # Errors
    /// The person declined, the domain refused, or a parameter is missing.
    pub fn parse(address: &str) -> Result<Self, String> {
        let pairs = query_of(address);
        let get = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        if let Some(error) = get("error") {
            let plain = error.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let error = if plain { error } else { "an error".to_owned() };
            return Err(format!(
                "FUS-AUTHORIZE-DENIED: the identity domain answered {error}: nobody consented"
            ));
        }
        let needed = |name: &str| {
            let value = get(name).filter(|value| !value.is_empty());
            value.ok_or_else(|| {
                format!("FUS-AUTHORIZE-CALLBACK: the address has no {name}: give the whole of it, in quotes")
            })
        };
        Ok(Self { state: needed("state")?, code: needed("code")?.into() })
    }
}

/// Exchanges a code for a refresh token. A code works once.
///
/// # Errors
/// The code is used or expired, the verifier is not the one, the client is refused, or no refresh token comes.
pub async fn exchange(
    http: &HttpClient,
    options: &FusionOptions,
    credentials: &FusionCredentials,
    (code, verifier, redirect_uri): (&SecretString, &SecretString, &str),
) -> Result<SecretString, SourceError> {
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", code.expose_secret()),
        ("code_verifier", verifier.expose_secret()),
        ("redirect_uri", redirect_uri),
    ];
    let granted = ask(http, &options.identity_url, credentials, &grant).await?;
    granted.refresh_token.map(Into::into).ok_or_else(|| {
        let message = "the identity domain gave no refresh token: allow the refresh token grant for the application and offline access for its resource";
        refused("FUS-AUTHORIZE-REFRESH", message.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::AuthMethod;

    #[test]
    fn the_challenge_goes_out_and_the_verifier_stays() {
        let consent = Consent::new([7; 32], [9; 32]);
        let options = FusionOptions {
            base_url: "https://fa.example.com".to_owned(),
            identity_url: "https://idcs.example.com".to_owned(),
            scope: "urn:opc:resource:consumer::all".to_owned(),
            method: AuthMethod::AuthorizationCode,
        };
        let url = consent.url(&options, "id", "https://books.example/fusion?x=1");
        assert!(
            url.starts_with("https://idcs.example.com/oauth2/v1/authorize?response_type=code&client_id=id&")
        );
        let sent = query_of(&url);
        let get = |name: &str| {
            sent.iter().find(|(key, _)| key == name).map(|(_, v)| v.as_str()).unwrap_or_default()
        };
        assert_eq!(get("scope"), "urn:opc:resource:consumer::all offline_access");
        assert_eq!(get("redirect_uri"), "https://books.example/fusion?x=1");
        assert_eq!(get("code_challenge_method"), "S256");
        // The verifier's own hash, in base64url without padding: 43 characters.
        let digest = Sha256::digest(consent.verifier.expose_secret());
        assert_eq!(URL_SAFE_NO_PAD.decode(get("code_challenge")).expect("base64url"), digest.to_vec());
        assert_eq!(consent.verifier.expose_secret().len(), 43);
        assert!(!url.contains(consent.verifier.expose_secret()) && !format!("{consent:?}").contains("CQkJ"));
        assert_eq!(get("state"), consent.state);
    }

    /// The example of RFC 7636, appendix B.
    #[test]
    fn the_challenge_is_that_of_the_standards_example() {
        let digest = Sha256::digest("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(URL_SAFE_NO_PAD.encode(digest), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn what_comes_back_is_read_and_the_code_is_not_shown() {
        let callback =
            Callback::parse("https://books.example/fusion?x=1&code=c0de&state=s%2B").expect("complete");
        assert_eq!((callback.state.as_str(), callback.code.expose_secret()), ("s+", "c0de"));
        assert!(!format!("{callback:?}").contains("c0de"));
        let rows = [
            (
                "https://b/?error=access_denied&state=s",
                "FUS-AUTHORIZE-DENIED: the identity domain answered access_denied",
            ),
            ("https://b/?error=%3Cscript%3E", "FUS-AUTHORIZE-DENIED: the identity domain answered an error"),
            ("https://b/?code=c", "FUS-AUTHORIZE-CALLBACK: the address has no state"),
            ("https://b/?state=s&code=", "FUS-AUTHORIZE-CALLBACK: the address has no code"),
            ("no address", "FUS-AUTHORIZE-CALLBACK"),
        ];
        for (address, wanted) in rows {
            let error = Callback::parse(address).expect_err(address);
            assert!(error.starts_with(wanted), "{address}: {error}");
        }
    }
}
