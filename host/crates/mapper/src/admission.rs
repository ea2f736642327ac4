//! What is looked at before a component is compiled: its size, its shape, and what it asks for and offers.

use ml_connector_domain::id::ContentHash;
use ml_connector_ports::MapperFault;

use crate::compile::CompileError;
use crate::limits::{Class, Limits};
use crate::shape::{self, Misshapen, ShapeLimits, Surface, TooGreat};

/// What a tenant's policy admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Policy {
    /// How large a guest may be.
    pub class: Class,
    /// Whether it may import WASI.
    pub wasi: WasiPolicy,
}

/// What becomes of a component that imports `wasi:*` 0.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WasiPolicy {
    /// It is refused, and told how to do without.
    #[default]
    Refuse,
    /// It gets a WASI with nothing behind it: clocks stand at the batch's time, random numbers follow from its input,
    /// there are no files, sockets, environment or arguments, and what it prints goes to the log.
    Deterministic,
}

/// Why a component is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Too large.
    #[error("MAP-SIZE: the component has {bytes} bytes, {max} are allowed: {fix}")]
    Size {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
        /// What to do.
        fix: &'static str,
    },
    /// No component, or not a valid one.
    #[error("MAP-COMPONENT: this is no WebAssembly component: {0}")]
    NotAComponent(String),
    /// Compiling it would take too long, or running it too much.
    #[error("MAP-SHAPE: the component has {0}")]
    Shape(TooGreat),
    /// It imports something that a mapper may not have.
    #[error("MAP-IMPORT: the component imports `{import}`; a mapper has no import but log: {fix}")]
    Import {
        /// What it imports.
        import: String,
        /// What to do.
        fix: &'static str,
    },
    /// It does not export the contract.
    #[error("MAP-EXPORT: the component does not export the contract ml-connector:mapper@0.1.0: {0}")]
    Export(String),
    /// It did not compile within the limits.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It failed to describe itself.
    #[error("MAP-DESCRIBE: the component failed to describe itself: {0}")]
    Describe(MapperFault),
}

/// A component that may be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// SHA-256 of its bytes.
    pub digest: ContentHash,
    /// Its size in bytes.
    pub bytes: usize,
    /// What it asks for, by name.
    pub imports: Vec<String>,
    /// The functions that it offers, by name.
    pub exports: Vec<String>,
}

/// The import that a mapper may have.
pub(crate) const LOG: &str = "ml-connector:mapper/log@0.1.0";
/// The types of the contract: an import that asks for nothing.
const TYPES: &str = "ml-connector:mapper/types@0.1.0";
/// What a mapper has to offer.
const EXPORTS: [&str; 3] = ["describe", "map-orders", "map-transactions"];

/// Checks a component without compiling it, in time that is linear in its size.
///
/// # Errors
/// See [`LoadError`].
pub(crate) fn admit(bytes: &[u8], policy: &Policy, limits: &Limits) -> Result<Admitted, LoadError> {
    check_size(bytes, policy, limits)?;
    let surface = shape::measure(bytes, &ShapeLimits::of(policy.class)).map_err(misshapen)?;
    check_imports(&surface, policy.wasi)?;
    check_exports(&surface)?;
    let Surface { imports, exports } = surface;
    Ok(Admitted { digest: ContentHash::of(bytes), bytes: bytes.len(), imports, exports })
}

/// Checks the size alone.
///
/// # Errors
/// [`LoadError::Size`].
pub(crate) fn check_size(bytes: &[u8], policy: &Policy, limits: &Limits) -> Result<(), LoadError> {
    let max = limits.component_bytes_max;
    if bytes.len() > max {
        let fix = match policy.class {
            Class::Native => {
                "build it optimised and stripped; an interpreter's component needs the tenant's policy to say class = \"interpreter\""
            }
            Class::Interpreter => "leave unused packages out of it",
        };
        return Err(LoadError::Size { bytes: bytes.len(), max, fix });
    }
    Ok(())
}

fn misshapen(misshapen: Misshapen) -> LoadError {
    match misshapen {
        Misshapen::TooGreat(measure) => LoadError::Shape(measure),
        Misshapen::Invalid(why) => LoadError::NotAComponent(why),
        Misshapen::CoreModule => LoadError::NotAComponent(
            "it is a core module: make a component of it, as `ml-connector mapper build` does".to_owned(),
        ),
    }
}

fn check_imports(surface: &Surface, wasi: WasiPolicy) -> Result<(), LoadError> {
    for import in &surface.imports {
        let fix = match import.as_str() {
            LOG | TYPES => continue,
            name if name.starts_with("wasi:") => match wasi {
                WasiPolicy::Deterministic if name.contains("@0.2.") => continue,
                WasiPolicy::Deterministic => "build it for WASI 0.2: only that version is served",
                WasiPolicy::Refuse => {
                    "build for wasm32-unknown-unknown instead of wasm32-wasip2 (Rust), with --stub-wasi (componentize-py, componentize-qjs), with --backend-qjs-stub-wasi (jco componentize), or let the tenant's policy say wasi = \"deterministic\""
                }
            },
            name if name.starts_with("ml-connector:mapper/") => {
                "it was built against another version of the contract: this host serves 0.1.0"
            }
            _ => "everything it needs comes in with the call",
        };
        return Err(LoadError::Import { import: import.clone(), fix });
    }
    Ok(())
}

fn check_exports(surface: &Surface) -> Result<(), LoadError> {
    let missing = EXPORTS.iter().filter(|name| !surface.exports.iter().any(|export| export == *name));
    let missing: Vec<&str> = missing.copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(LoadError::Export(format!(
        "it lacks {}: call export_mapper! (Rust), or build against the world ml-connector:mapper/mapper",
        missing.join(", ")
    )))
}
