//! `[fusion]`: where the instance is and how the daemon signs in.

use std::path::{Path, PathBuf};

use ml_connector_fusion::{AUDIENCE, AuthMethod, FusionOptions};
use ml_connector_remote::Origin;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, value};

/// Fusion.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FusionConfig {
    /// The instance's name: with `region` its address, `https://{pod}.fa.{region}.oraclecloud.com`.
    #[serde(default)]
    pub(crate) pod: Option<String>,
    /// Its data centre, e.g. `us2` or `ocs`.
    #[serde(default)]
    pub(crate) region: Option<String>,
    /// Or the address itself, for vanity hosts: scheme and host.
    #[serde(default)]
    pub(crate) base_url: Option<String>,
    /// Scheme and host of the identity domain that protects the instance.
    pub(crate) identity_url: String,
    /// Scope, sent as it is.
    pub(crate) scope: Scope,
    /// Client id of the confidential application.
    pub(crate) client_id: String,
    /// File with its secret; read by `credentials import` only.
    pub(crate) client_secret_file: PathBuf,
    /// How an access token is had.
    #[serde(default)]
    pub(crate) auth: AuthConfig,
}

/// One scope, or several.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Scope {
    /// As the identity domain shows it.
    One(String),
    /// Joined by one space (RFC 6749, section 3.3).
    Several(Vec<String>),
}

/// How an access token is had.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum AuthConfig {
    /// As the application itself. Braces, so that a key that belongs to another method is refused.
    ClientCredentials {},
    /// As a named user, with an assertion signed here.
    JwtAssertion {
        /// The Fusion user.
        user: String,
        /// Alias of the certificate in the application: `kid`.
        key_id: String,
        /// File with the private key in PEM; read by `credentials import` only.
        private_key_file: PathBuf,
        /// Whom the assertion is for.
        #[serde(default = "audience")]
        audience: String,
    },
    /// As the person who consented with `fusion authorize`.
    AuthorizationCode {
        /// One of the addresses that the application has registered.
        redirect_uri: String,
    },
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self::ClientCredentials {}
    }
}

fn audience() -> String {
    AUDIENCE.to_owned()
}

impl FusionConfig {
    /// What the client needs to know, checked.
    ///
    /// # Errors
    /// An address is none, or not one that a secret may be sent to; both or none of the ways to name the instance.
    pub(crate) fn options(&self, development: bool) -> Result<FusionOptions, ConfigError> {
        let base_url = match (&self.pod, &self.region, &self.base_url) {
            (Some(pod), Some(region), None) => {
                let (pod, region) = (label("fusion.pod", pod)?, label("fusion.region", region)?);
                format!("https://{pod}.fa.{region}.oraclecloud.com")
            }
            (None, None, Some(address)) => origin("fusion.base_url", address, development)?,
            (Some(_), None, None) => {
                return Err(value(
                    "fusion.region",
                    "a pod needs a region: write region = \"us2\" or the like",
                ));
            }
            (None, Some(_), None) => {
                return Err(value(
                    "fusion.pod",
                    "a region needs a pod: write pod = \"fa-abcd-test\" or the like",
                ));
            }
            _ => {
                let message = "write either pod and region, or base_url = \"https://host\"";
                return Err(value("fusion.base_url", message));
            }
        };
        Ok(FusionOptions {
            base_url,
            identity_url: origin("fusion.identity_url", &self.identity_url, development)?,
            scope: self.scope()?,
            method: self.method()?,
        })
    }

    fn scope(&self) -> Result<String, ConfigError> {
        let parts = match &self.scope {
            Scope::One(scope) => std::slice::from_ref(scope),
            Scope::Several(scopes) => scopes.as_slice(),
        };
        let scope = parts.join(" ");
        let blank = parts.iter().any(|part| part.trim() != part || part.is_empty());
        if blank || scope.is_empty() || scope.chars().any(char::is_control) {
            let message = "write the scope as the identity domain shows it, with nothing before or after it";
            return Err(value("fusion.scope", message));
        }
        Ok(scope)
    }

    fn method(&self) -> Result<AuthMethod, ConfigError> {
        let filled = |name: &str, text: &str| match text.trim() {
            "" => {
                Err(value(format!("fusion.auth.{name}"), "it is empty: write what the application was given"))
            }
            _ => Ok(text.to_owned()),
        };
        Ok(match &self.auth {
            AuthConfig::ClientCredentials {} => AuthMethod::ClientCredentials,
            AuthConfig::JwtAssertion { user, key_id, audience, .. } => AuthMethod::JwtAssertion {
                user: filled("user", user)?,
                key_id: filled("key_id", key_id)?,
                audience: filled("audience", audience)?,
            },
            AuthConfig::AuthorizationCode { redirect_uri } => {
                filled("redirect_uri", redirect_uri)?;
                AuthMethod::AuthorizationCode
            }
        })
    }

    /// The file with the private key, where there is one.
    pub(crate) fn private_key_file(&self) -> Option<&Path> {
        match &self.auth {
            AuthConfig::JwtAssertion { private_key_file, .. } => Some(private_key_file),
            _ => None,
        }
    }
}

/// A part of a host name: what else stood there could make it another host's.
fn label<'a>(key: &str, text: &'a str) -> Result<&'a str, ConfigError> {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if plain && (1..=63).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-') {
        return Ok(text);
    }
    let message = format!(
        "`{}` is no part of a host: write letters, digits and hyphens, as in https://POD.fa.REGION.oraclecloud.com",
        text.escape_debug()
    );
    Err(value(key, message))
}

fn origin(key: &str, address: &str, development: bool) -> Result<String, ConfigError> {
    let origin = Origin::parse(address).map_err(|error| value(key, error))?;
    if origin.plain && !development {
        let message = "plain http is for development: write https://host, or development = true";
        return Err(value(key, message));
    }
    Ok(origin.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The options that lines make with the rest of a good configuration, or what is wrong.
    fn options(lines: &str, development: bool) -> Result<FusionOptions, String> {
        let mut text = "client_id = \"id\"\nclient_secret_file = \"f\"\n".to_owned();
        for (key, line) in [
            ("base_url", "base_url = \"https://fa.example.com\"\n"),
            ("identity_url", "identity_url = \"https://idcs.example.com\"\n"),
            ("scope", "scope = \"s\"\n"),
        ] {
            let instance = key == "base_url"
                && (lines.contains("pod") || lines.contains("region") || lines.contains("none"));
            if !lines.contains(key) && !instance {
                text.push_str(line);
            }
        }
        text.push_str(&lines.replace("none", ""));
        let config: FusionConfig = toml::from_str(&text).map_err(|error| error.to_string())?;
        config.options(development).map_err(|error| error.to_string())
    }

    #[test]
    fn an_instance_is_named_by_pod_and_region_or_by_its_address() {
        let rows = [
            (
                "pod = \"fa-evjn-dev1-saasfaprod1\"\nregion = \"ocs\"",
                "https://fa-evjn-dev1-saasfaprod1.fa.ocs.oraclecloud.com",
            ),
            ("pod = \"egxt-dev4\"\nregion = \"em2\"", "https://egxt-dev4.fa.em2.oraclecloud.com"),
            (
                "base_url = \"https://fa-euth.ds-fa.oraclepdemos.com:443\"",
                "https://fa-euth.ds-fa.oraclepdemos.com",
            ),
            ("base_url = \"https://erp.example.com/\"", "https://erp.example.com"),
            ("base_url = \"https://erp.example.com:8443\"", "https://erp.example.com:8443"),
        ];
        for (lines, wanted) in rows {
            assert_eq!(options(lines, false).map(|o| o.base_url).as_deref(), Ok(wanted), "{lines}");
        }
    }

    #[test]
    fn what_names_no_instance_is_refused_with_the_key() {
        let rows = [
            ("none", "fusion.base_url"),
            ("pod = \"p\"", "fusion.region"),
            ("region = \"us2\"", "fusion.pod"),
            ("pod = \"p\"\nregion = \"us2\"\nbase_url = \"https://x.example\"", "fusion.base_url"),
            ("pod = \"p\"\nbase_url = \"https://x.example\"", "fusion.base_url"),
            ("pod = \"\"\nregion = \"us2\"", "fusion.pod"),
            ("pod = \"evil.example/\"\nregion = \"us2\"", "fusion.pod"),
            ("pod = \"a.b\"\nregion = \"us2\"", "fusion.pod"),
            ("pod = \"-p\"\nregion = \"us2\"", "fusion.pod"),
            ("pod = \"p\"\nregion = \"us2.example.com/#\"", "fusion.region"),
            ("pod = \"p\"\nregion = \"us_2\"", "fusion.region"),
            ("base_url = \"http://erp.example.com\"", "fusion.base_url"),
            ("base_url = \"http://127.0.0.1:8080\"", "fusion.base_url"),
            ("base_url = \"https://u@erp.example.com\"", "fusion.base_url"),
            ("base_url = \"https://erp.example.com/fscmRestApi\"", "fusion.base_url"),
            ("base_url = \"https://erp.example.com?x\"", "fusion.base_url"),
            ("base_url = \"erp.example.com\"", "fusion.base_url"),
            ("identity_url = \"http://idcs.example.com\"", "fusion.identity_url"),
            ("identity_url = \"https://idcs.example.com/oauth2/v1/token\"", "fusion.identity_url"),
            ("identity_url = \"http://localhost:1\"", "fusion.identity_url"),
            ("scope = \"\"", "fusion.scope"),
            ("scope = \" s\"", "fusion.scope"),
            ("scope = []", "fusion.scope"),
            ("scope = [\"a\", \"\"]", "fusion.scope"),
            (
                "[auth]\nmethod = \"jwt_assertion\"\nuser = \"\"\nkey_id = \"k\"\nprivate_key_file = \"f\"",
                "fusion.auth.user",
            ),
            (
                "[auth]\nmethod = \"jwt_assertion\"\nuser = \"u\"\nkey_id = \" \"\nprivate_key_file = \"f\"",
                "fusion.auth.key_id",
            ),
            ("[auth]\nmethod = \"authorization_code\"\nredirect_uri = \"\"", "fusion.auth.redirect_uri"),
        ];
        for (lines, key) in rows {
            let error = options(lines, false).expect_err(lines);
            assert!(
                error.starts_with(&format!("CFG-VALUE: {key}: ")) && error.contains("write"),
                "{lines}: {error}"
            );
        }
    }

    #[test]
    fn plain_http_goes_to_this_machine_in_development_only() {
        for host in ["127.0.0.1:8080", "[::1]:8080", "localhost:8080"] {
            let lines = format!("base_url = \"http://{host}\"\nidentity_url = \"http://{host}\"");
            assert_eq!(options(&lines, true).map(|o| o.base_url), Ok(format!("http://{host}")));
            assert!(options(&lines, false).is_err());
        }
        assert!(options("base_url = \"http://127.0.0.1.example.com\"", true).is_err());
    }

    #[test]
    fn the_scope_is_sent_letter_for_letter() {
        let of = |lines: &str| options(lines, false).map(|o| o.scope);
        let joined = "urn:opc:resource:fa:instanceid=1urn:opc:resource:consumer::all";
        assert_eq!(of(&format!("scope = \"{joined}\"")).as_deref(), Ok(joined));
        assert_eq!(
            of("scope = [\"https://x.example:443/\", \"b\"]").as_deref(),
            Ok("https://x.example:443/ b")
        );
    }

    #[test]
    fn a_method_has_its_own_keys_and_no_others() {
        let of = |lines: &str| options(lines, false).map(|o| o.method);
        assert_eq!(of(""), Ok(AuthMethod::ClientCredentials));
        let jwt =
            "[auth]\nmethod = \"jwt_assertion\"\nuser = \"u\"\nkey_id = \"k\"\nprivate_key_file = \"f\"";
        let (user, key_id, audience) = ("u".to_owned(), "k".to_owned(), AUDIENCE.to_owned());
        assert_eq!(of(jwt), Ok(AuthMethod::JwtAssertion { user, key_id, audience }));
        let code = "[auth]\nmethod = \"authorization_code\"\nredirect_uri = \"https://b.example\"";
        assert_eq!(of(code), Ok(AuthMethod::AuthorizationCode));
        for wrong in [
            "[auth]\nmethod = \"basic\"",
            "[auth]\nmethod = \"client_credentials\"\nuser = \"u\"",
            &format!("{code}\nuser = \"u\""),
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
