//! The process's sandbox: what compiles mappers, where their compiled forms are kept, and by which rules each seller's
//! get in.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ml_connector_domain::id::ContentHash;
use ml_connector_mapper::{
    CacheKey, CompileLimits, CompiledCache, Compiler, Description, Fixture, Limits, LoadedMapper,
    MapperRuntime, Origin, Policy, SettingProblem, Validated, Validator,
};
use ml_connector_ports::{Mapper, MapperLoader};

use crate::config::{Config, SellerConfig};
use crate::config_mappers::MappersConfig;
use crate::keys::KeySource;
use crate::signature::{self, Authors};

type Failure = Box<dyn std::error::Error>;
type Loaded = HashMap<(ContentHash, Policy), LoadedMapper>;

/// What the key of the compiled forms is derived for.
const CACHE_PURPOSE: &str = "compiled mappers";

/// One engine and one cache for all sellers.
pub(crate) struct Sandbox {
    runtime: MapperRuntime,
    cache: CompiledCache,
    program: PathBuf,
    /// Sellers with the same component under the same policy share its compiled form.
    loaded: Mutex<Loaded>,
}

impl Sandbox {
    /// Starts the engine and opens the cache.
    ///
    /// # Errors
    /// The engine does not start, there is no master key, or the cache's folder cannot be made (`MAP-CACHE`).
    pub(crate) fn open(config: &Config) -> Result<Arc<Self>, Failure> {
        let key = KeySource::of(config)?.vault()?.derived(CACHE_PURPOSE)?;
        let folder = config.path(&config.mappers.cache);
        let cache = CompiledCache::open(&folder, CacheKey::new(*key)).map_err(|error| {
            let folder = folder.display();
            format!(
                "MAP-CACHE: {folder}: {error}: let mappers.cache name a folder that the daemon can write to"
            )
        })?;
        let runtime = MapperRuntime::new(Limits::default())?;
        Ok(Arc::new(Self { runtime, cache, program: own_program()?, loaded: Mutex::default() }))
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, Loaded> {
        // A panic elsewhere leaves the map whole.
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// This process's own binary, to be started again as the compiler. Linux still has it when the file was replaced, as an
/// upgrade does while the daemon runs: another binary's compiled forms would not load here.
fn own_program() -> Result<PathBuf, Failure> {
    let own = Path::new("/proc/self/exe");
    if own.exists() {
        return Ok(own.to_owned());
    }
    let named = std::env::current_exe();
    Ok(named.map_err(|error| format!("MAP-COMPILE-CHILD: the own binary cannot be found: {error}"))?)
}

/// A seller's door into the sandbox.
#[derive(Clone)]
pub(crate) struct Door {
    sandbox: Arc<Sandbox>,
    policy: Policy,
    compile: CompileLimits,
    require_signature: bool,
    authors: Arc<Authors>,
    settings: Arc<[(String, String)]>,
}

impl Door {
    /// The door of a seller, as the configuration says.
    pub(crate) fn of(sandbox: &Arc<Sandbox>, mappers: &MappersConfig, seller: &SellerConfig) -> Self {
        let rules = mappers.rules(seller);
        Self {
            sandbox: Arc::clone(sandbox),
            policy: rules.policy,
            compile: mappers.compile_limits(rules.policy.class),
            require_signature: rules.require_signature,
            authors: Arc::new(rules.authors.clone()),
            settings: seller.settings.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        }
    }

    /// Whose component this is, if one of the signatures is one of the seller's authors'.
    ///
    /// # Errors
    /// A signature is required, and there is none (`SIG-MISSING`), or none by an author (`SIG-AUTHOR`).
    pub(crate) fn author(
        &self,
        digest: &ContentHash,
        signatures: &[String],
    ) -> Result<Option<String>, String> {
        let mut refused = format!(
            "SIG-MISSING: {digest} is not signed, and mappers.require_signature is set: sign it with `mapper sign`"
        );
        for signature in signatures {
            match signature::author(&self.authors, digest, signature) {
                Ok(author) => return Ok(Some(author)),
                Err(error) => refused = error,
            }
        }
        if self.require_signature { Err(refused) } else { Ok(None) }
    }

    /// Loads a component that is signed as it has to be: from memory, from the cache, or compiled in a child process.
    ///
    /// # Errors
    /// It is refused, in words that begin with a code.
    pub(crate) fn load(&self, bytes: &[u8], signatures: &[String]) -> Result<LoadedMapper, String> {
        let digest = ContentHash::of(bytes);
        self.author(&digest, signatures)?;
        let place = (digest, self.policy);
        if let Some(mapper) = self.sandbox.loaded().get(&place) {
            return Ok(mapper.clone());
        }
        let Validator { runtime, compiler, cache } = self.validator();
        let mapper = runtime.load_cached(bytes, &self.policy, &compiler, &cache);
        let mapper = mapper.map_err(|error| error.to_string())?;
        report(&mapper);
        self.sandbox.loaded().insert(place, mapper.clone());
        Ok(mapper)
    }

    /// Checks a component that comes in: as [`Door::load`], then its settings and the fixtures, each mapped twice.
    ///
    /// # Errors
    /// As [`Door::load`].
    pub(crate) fn validate(
        &self,
        (bytes, signatures): (&[u8], &[String]),
        in_use: &[Description],
        fixtures: &[Fixture],
    ) -> Result<Validated, String> {
        self.author(&ContentHash::of(bytes), signatures)?;
        let validated = self.validator().validate(bytes, &self.policy, &self.settings, in_use, fixtures);
        let validated = validated.map_err(|error| error.to_string())?;
        report(&validated.mapper);
        Ok(validated)
    }

    /// What is wrong with the seller's settings for a mapper, beside others that read them, too.
    pub(crate) fn settings_problems(
        &self,
        mapper: &LoadedMapper,
        in_use: &[Description],
    ) -> Vec<SettingProblem> {
        mapper.description().check_settings_beside(&self.settings, in_use)
    }

    /// The largest component that the seller's policy admits, in bytes.
    pub(crate) fn component_bytes_max(&self) -> u64 {
        Limits::of(self.policy.class).component_bytes_max as u64
    }

    fn validator(&self) -> Validator {
        let Sandbox { runtime, cache, program, .. } = &*self.sandbox;
        let compiler = Compiler { program: program.clone(), limits: Some(self.compile) };
        Validator { runtime: runtime.clone(), compiler, cache: cache.clone() }
    }
}

impl MapperLoader for Door {
    fn load(&self, bytes: &[u8], signatures: &[String]) -> Result<Arc<dyn Mapper>, String> {
        Ok(Arc::new(Self::load(self, bytes, signatures)?))
    }
}

/// Says where a compiled form came from, if the operator should know.
fn report(mapper: &LoadedMapper) {
    let digest = &mapper.identity().digest;
    match mapper.origin() {
        Origin::ChildAfterForgery => tracing::warn!(
            %digest,
            "MAP-CACHE-FORGED: the compiled form in mappers.cache was not what this host wrote, or the master key was changed: it was made again"
        ),
        origin => tracing::debug!(%digest, ?origin, "mapper loaded"),
    }
}
