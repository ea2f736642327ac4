//! The configuration of the listeners: the API, and figures for this machine.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ml_connector_api::Limits;
use ml_connector_api::server::{Place, TlsFiles};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Config, ConfigError, value};

/// The HTTP API. Without this table it is off.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiConfig {
    /// Address and port, e.g. `127.0.0.1:8443`; one that other machines reach needs TLS.
    #[serde(default)]
    pub(crate) listen: Option<String>,
    /// A Unix socket in place of an address.
    #[serde(default)]
    pub(crate) unix: Option<PathBuf>,
    /// PEM file with the certificate chain, the server's own first.
    #[serde(default)]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with its private key.
    #[serde(default)]
    pub(crate) tls_key: Option<PathBuf>,
    /// Requests a second that each key may make, on average.
    #[serde(default = "requests_per_second")]
    pub(crate) requests_per_second: NonZeroU32,
    /// Requests that a key may make at once.
    #[serde(default = "burst")]
    pub(crate) burst: NonZeroU32,
    /// Connections open at the same time; further ones wait.
    #[serde(default = "connections_max")]
    pub(crate) connections_max: usize,
    /// How long a request may take; one that compiles a mapper six times as long.
    #[serde(default = "time_out_seconds")]
    pub(crate) time_out_seconds: u32,
}

/// Health and figures without a key, for this machine only. Without this table they are on the API's listener alone.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricsConfig {
    /// Address and port of this machine alone, e.g. `127.0.0.1:9464`.
    pub(crate) listen: String,
}

fn requests_per_second() -> NonZeroU32 {
    Limits::default().requests_per_second
}

fn burst() -> NonZeroU32 {
    Limits::default().burst
}

fn connections_max() -> usize {
    256
}

fn time_out_seconds() -> u32 {
    30
}

fn address(key: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| value(key, format!("`{text}` is no address with a port: write 127.0.0.1:8443")))
}

impl ApiConfig {
    /// Where it listens.
    ///
    /// # Errors
    /// Not exactly one place is named, or other machines would reach it without TLS.
    pub(crate) fn place(&self, config: &Config) -> Result<Place, ConfigError> {
        match (&self.listen, &self.unix) {
            (Some(text), None) => {
                let address = address("api.listen", text)?;
                if !address.ip().is_loopback() && self.tls_cert.is_none() {
                    let message =
                        "other machines reach this address: write tls_cert and tls_key, or 127.0.0.1";
                    return Err(value("api.listen", message));
                }
                Ok(Place::Tcp(address))
            }
            (None, Some(_)) if self.tls_cert.is_some() => {
                Err(value("api.tls_cert", "a Unix socket has no TLS: remove it"))
            }
            (None, Some(path)) => Ok(Place::Unix(config.path(path))),
            _ => Err(value("api.listen", "write exactly one of listen and unix")),
        }
    }

    /// The files of TLS, if it is on.
    ///
    /// # Errors
    /// One of them is missing.
    pub(crate) fn tls(&self, config: &Config) -> Result<Option<TlsFiles>, ConfigError> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                Ok(Some(TlsFiles { certificate: config.path(certificate), key: config.path(key) }))
            }
            (None, None) => Ok(None),
            _ => Err(value("api.tls_cert", "write both of tls_cert and tls_key, or neither")),
        }
    }

    /// What it lets in.
    pub(crate) fn limits(&self) -> Limits {
        let time = Duration::from_secs(self.time_out_seconds.into());
        Limits {
            requests_per_second: self.requests_per_second,
            burst: self.burst,
            time,
            slow_time: time * 6,
            ..Limits::default()
        }
    }
}

impl MetricsConfig {
    /// Where they are.
    ///
    /// # Errors
    /// Other machines would reach them.
    pub(crate) fn place(&self) -> Result<Place, ConfigError> {
        let address = address("metrics.listen", &self.listen)?;
        if address.ip().is_loopback() {
            return Ok(Place::Tcp(address));
        }
        let message =
            "figures without a key are for this machine: write 127.0.0.1, or have /metrics of [api] read";
        Err(value("metrics.listen", message))
    }
}

/// Checks both tables.
///
/// # Errors
/// A place or a bound makes no sense.
pub(crate) fn check(config: &Config) -> Result<(), ConfigError> {
    if let Some(api) = &config.api {
        api.tls(config)?;
        api.place(config)?;
        if api.connections_max == 0 || api.time_out_seconds == 0 {
            return Err(value("api.connections_max", "write 1 or more, and so for time_out_seconds"));
        }
    }
    if let Some(metrics) = &config.metrics {
        metrics.place()?;
    }
    match config.sellers.iter().find(|seller| seller.tenant.trim().is_empty()) {
        Some(seller) => Err(value(format!("seller {}: tenant", seller.id), "write a name, or leave it out")),
        None => Ok(()),
    }
}
