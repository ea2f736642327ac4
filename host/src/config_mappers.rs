//! The part of the configuration that is about mappers.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use ml_connector_mapper::{Class, CompileLimits, Policy, WasiPolicy};
use ml_connector_pipeline::versions::VersionPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, SellerConfig, value};
use crate::signature::{Authors, public_key};

/// Uploaded mappers: whose are taken, and how they are watched.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MappersConfig {
    /// Whether a mapper needs the signature of one of the authors: at its upload, and whenever it is loaded.
    pub(crate) require_signature: bool,
    /// Public keys by the author's name, as `mapper sign --new-key` prints them.
    pub(crate) authors: Authors,
    /// How large guests may be: `interpreter` admits Python's and JavaScript's.
    pub(crate) class: ClassConfig,
    /// What becomes of a component that imports WASI.
    pub(crate) wasi: WasiConfig,
    /// The folder of compiled forms, which can be removed at any time.
    pub(crate) cache: PathBuf,
    /// Memory that compiling a component may take, in MiB, instead of what its class may.
    pub(crate) compile_memory_mib: Option<u64>,
    /// Processor time that compiling a component may take, in seconds, instead of what its class may.
    pub(crate) compile_seconds: Option<u64>,
    /// So many records that a version fails on within the window take it out of use.
    pub(crate) breaker_records: u64,
    /// The window, in minutes.
    pub(crate) breaker_minutes: u32,
    /// How long what went into mappers is kept for replay, in days.
    pub(crate) inputs_kept_days: u32,
}

impl Default for MappersConfig {
    fn default() -> Self {
        Self {
            require_signature: false,
            authors: Authors::new(),
            class: ClassConfig::Native,
            wasi: WasiConfig::Refuse,
            cache: PathBuf::from("mapper-cache"),
            compile_memory_mib: None,
            compile_seconds: None,
            breaker_records: 5,
            breaker_minutes: 60,
            inputs_kept_days: 900,
        }
    }
}

impl MappersConfig {
    /// As the pipeline takes it.
    pub(crate) fn policy(&self) -> VersionPolicy {
        VersionPolicy {
            breaker_records: self.breaker_records.max(1),
            breaker_window: SignedDuration::from_mins(i64::from(self.breaker_minutes)),
            inputs_kept: SignedDuration::from_hours(24 * i64::from(self.inputs_kept_days)),
            ..VersionPolicy::default()
        }
    }

    /// By which rules a seller's mappers come in.
    pub(crate) fn rules<'a>(&'a self, seller: &'a SellerConfig) -> MapperRules<'a> {
        let own = &seller.mappers;
        let authors = if own.authors.is_empty() { &self.authors } else { &own.authors };
        let class = match own.class.unwrap_or(self.class) {
            ClassConfig::Native => Class::Native,
            ClassConfig::Interpreter => Class::Interpreter,
        };
        let wasi = match own.wasi.unwrap_or(self.wasi) {
            WasiConfig::Refuse => WasiPolicy::Refuse,
            WasiConfig::Deterministic => WasiPolicy::Deterministic,
        };
        let require_signature = own.require_signature.unwrap_or(self.require_signature);
        MapperRules { policy: Policy { class, wasi }, require_signature, authors }
    }

    /// What compiling a component of a class may take.
    pub(crate) fn compile_limits(&self, class: Class) -> CompileLimits {
        let mut limits = CompileLimits::of(class);
        if let Some(mib) = self.compile_memory_mib {
            limits.memory_bytes = mib.saturating_mul(1 << 20);
        }
        if let Some(seconds) = self.compile_seconds {
            limits.cpu = Duration::from_secs(seconds.max(1));
            // Somebody else may need the machine at the same time.
            limits.wall = limits.cpu.saturating_mul(3);
        }
        limits
    }

    /// Checks what counts for a seller.
    ///
    /// # Errors
    /// A key is none, or a signature is required that nobody can give.
    pub(crate) fn check(&self, seller: &SellerConfig) -> Result<(), ConfigError> {
        let key = |name: &str| format!("seller {}: mappers.{name}", seller.id);
        let rules = self.rules(seller);
        for (name, public) in rules.authors {
            public_key(name, public).map_err(|message| value(key(&format!("authors.{name}")), message))?;
        }
        if rules.require_signature && rules.authors.is_empty() {
            let message = "nobody could sign: name at least one author's public key in mappers.authors";
            return Err(value(key("require_signature"), message));
        }
        Ok(())
    }
}

/// By which rules a seller's mappers come in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MapperRules<'a> {
    /// What is admitted.
    pub(crate) policy: Policy,
    /// Whether one of the authors has to have signed it.
    pub(crate) require_signature: bool,
    /// The authors.
    pub(crate) authors: &'a Authors,
}

/// How large guests may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClassConfig {
    /// Compiled to Wasm.
    Native,
    /// With a language's whole interpreter.
    Interpreter,
}

/// What becomes of a component that imports WASI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WasiConfig {
    /// It is refused.
    Refuse,
    /// It gets one that has nothing behind it.
    Deterministic,
}

/// What is otherwise for one seller's mappers than in `[mappers]`.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SellerMappersConfig {
    /// See [`MappersConfig`].
    pub(crate) require_signature: Option<bool>,
    /// The seller's own authors; where there are any, no others count.
    pub(crate) authors: Authors,
    /// See [`MappersConfig`].
    pub(crate) class: Option<ClassConfig>,
    /// See [`MappersConfig`].
    pub(crate) wasi: Option<WasiConfig>,
}
