//! Runs mappers: untrusted WebAssembly components, each call in a fresh instance under limits.
//!
//! | Step | Module | What it is for |
//! |---|---|---|
//! | admit | [`admission`], [`shape`] | size, shape, imports and exports, before anything is compiled |
//! | compile | [`compile`], [`cache`] | in a child process under the kernel's limits; kept under a code of the host's own |
//! | introduce | [`mapper`] | it describes itself; settings are held against what it declares |
//! | try | [`fixtures`], [`validate`] | every fixture twice, compared byte for byte and fuel for fuel |
//! | profile | [`profile`] | a batch stopped at even points of its fuel: which functions burn it |
//! | call | [`mapper`], `host`, `engine` | a fresh instance for each batch; fuel, deadline, memory, stack, output, log, host calls |
//!
//! **Architecture invariant:** wasmtime is used in this crate only. **Architecture invariant:** the linker holds one
//! interface, `log`. What imports anything else is refused when it is admitted, by name; only where a tenant's policy says
//! so does a component get the WASI of `wasi`, which has nothing behind it.
//! **Architecture invariant:** no machine code is loaded that this host did not compile.
//!
//! # To add a version of the contract
//!
//! 1. Add its folder in `wit/`; the old one stays.
//! 2. Add a module like `v0_1` that binds it and converts to the domain's types.
//! 3. Let `runtime` choose by what the component exports.
//!
//! # To change a limit
//!
//! Change it in [`limits`] (a call), [`shape`] (a component) or [`compile`] (compiling it), where each stands with its
//! reason, and the attack that it stops in `tests/integration/tests/it/sandbox`.

pub mod admission;
pub mod cache;
pub mod compile;
mod cost;
mod description;
mod engine;
mod faults;
pub mod fixtures;
mod fuel;
mod host;
pub mod limits;
pub mod mapper;
pub mod profile;
mod runtime;
pub mod shape;
mod told;
mod v0_1;
pub mod validate;
mod wasi;

pub use admission::{Admitted, LoadError, Policy, WasiPolicy};
pub use cache::{CacheKey, CompiledCache};
pub use compile::{CompileError, CompileLimits, Compiler};
pub use description::{DeclaredSetting, Description, SettingProblem};
pub use engine::{Allocation, StartError};
pub use fixtures::{Batch, Fixture, FixtureFault, Replayed};
pub use fuel::SCHEDULE as FUEL_SCHEDULE;
pub use limits::{Class, Limits};
pub use mapper::{LoadedMapper, Run, Usage};
pub use profile::{Profile, Profiled};
pub use runtime::{MapperRuntime, Origin};
pub use validate::{Refusal, Validated, Validator};
