//! Where spans are sent.

use ml_connector_remote::Origin;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;

/// Spans for a collector of traces. Without this table none are made.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TracingConfig {
    /// The collector, by OpenTelemetry's protocol over HTTP: `http://127.0.0.1:4318` on this machine, https elsewhere, perhaps
    /// with a path. `/v1/traces` is put behind it.
    pub(crate) otlp_endpoint: String,
}

impl TracingConfig {
    /// Where spans are sent to.
    ///
    /// # Errors
    /// The address is none that may be called.
    pub(crate) fn traces_url(&self) -> Result<String, ConfigError> {
        let wrong = |message: &str| ConfigError::Value {
            key: "tracing.otlp_endpoint".to_owned(),
            message: message.to_owned(),
        };
        let text = self.otlp_endpoint.trim_end_matches('/');
        let host = text.find("://").map_or(0, |at| at + "://".len());
        let path = text[host..].find('/').map_or(text.len(), |at| host + at);
        let origin = Origin::parse(&text[..path]).map_err(wrong)?;
        let path = &text[path..];
        if !path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte)) {
            return Err(wrong(
                "no query belongs in it, and no character in its path that would have to be escaped",
            ));
        }
        Ok(format!("{}{path}/v1/traces", origin.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_on_this_machine_or_behind_tls() {
        let url = |text: &str| TracingConfig { otlp_endpoint: text.to_owned() }.traces_url().ok();
        assert_eq!(url("http://127.0.0.1:4318").as_deref(), Some("http://127.0.0.1:4318/v1/traces"));
        assert_eq!(url("https://otlp.example/otlp/").as_deref(), Some("https://otlp.example/otlp/v1/traces"));
        for wrong in [
            "http://otlp.example",
            "127.0.0.1:4318",
            "https://key@otlp.example",
            "https://otlp.example/a?key=b",
            "",
        ] {
            assert_eq!(url(wrong), None, "{wrong}");
        }
    }
}
