//! An upload, checked from its first byte to its last fixture.

use std::time::Duration;

use ml_connector_domain::id::ContentHash;
use ml_connector_ports::Mapper as _;

use crate::admission::{LoadError, Policy};
use crate::cache::CompiledCache;
use crate::compile::Compiler;
use crate::description::{Description, SettingProblem};
use crate::engine;
use crate::fixtures::{Fixture, FixtureFault, Replayed};
use crate::mapper::LoadedMapper;
use crate::runtime::MapperRuntime;

/// Checks uploads.
#[derive(Clone)]
pub struct Validator {
    /// Where they run.
    pub runtime: MapperRuntime,
    /// What compiles them.
    pub compiler: Compiler,
    /// Where their compiled forms are kept.
    pub cache: CompiledCache,
}

/// An upload that passed.
#[derive(Clone)]
pub struct Validated {
    /// Ready to map.
    pub mapper: LoadedMapper,
    /// SHA-256 of the component.
    pub digest: ContentHash,
    /// Size of the component in bytes.
    pub bytes: usize,
    /// How long admitting, compiling and describing took.
    pub loaded_in: Duration,
    /// Each fixture's name with what it was mapped to.
    pub fixtures: Vec<(String, Replayed)>,
}

/// Why an upload is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The component itself.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its settings.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Vec<SettingProblem>),
    /// A fixture.
    #[error("fixture `{name}`: {fault}")]
    Fixture {
        /// Which one.
        name: String,
        /// What was wrong.
        fault: FixtureFault,
    },
}

impl Validator {
    /// Checks an upload: size, digest, shape, imports, exports; compiles it in a child process or finds its compiled
    /// form; asks who it is, holds the settings against what it declares, and maps every fixture twice. `in_use` are the
    /// mappers that read the same settings now: what one of them reads is no mistake in the settings. Blocks for as long
    /// as all of that takes.
    ///
    /// # Errors
    /// The first step that fails; see [`Refusal`].
    pub fn validate(
        &self,
        bytes: &[u8],
        policy: &Policy,
        settings: &[(String, String)],
        in_use: &[Description],
        fixtures: &[Fixture],
    ) -> Result<Validated, Refusal> {
        let started = engine::now();
        let mapper = self.runtime.load_cached(bytes, policy, &self.compiler, &self.cache)?;
        let loaded_in = started.elapsed();
        let problems = mapper.description().check_settings_beside(settings, in_use);
        if !problems.is_empty() {
            return Err(Refusal::Settings(problems));
        }
        let replay = |fixture: &Fixture| match mapper.replay(fixture) {
            Ok(replayed) => Ok((fixture.name.clone(), replayed)),
            Err(fault) => Err(Refusal::Fixture { name: fixture.name.clone(), fault }),
        };
        let fixtures = fixtures.iter().map(replay).collect::<Result<_, _>>()?;
        let digest = mapper.identity().digest.clone();
        Ok(Validated { digest, bytes: bytes.len(), loaded_in, fixtures, mapper })
    }
}
