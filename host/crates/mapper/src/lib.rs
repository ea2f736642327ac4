//! Runs mappers: untrusted WebAssembly components, each call in a fresh instance under limits.
//!
//! **Architecture invariant:** wasmtime is used in this crate only. **Architecture invariant:** the linker holds one
//! interface, `log`; there is no WASI. What imports anything else is refused when it is loaded, by name.
//!
//! # To add a version of the contract
//!
//! 1. Add its folder in `wit/`; the old one stays.
//! 2. Add a module like [`v0_1`] that binds it and converts to the domain's types.
//! 3. Let [`runtime::MapperRuntime::load`] choose by what the component exports.
//!
//! # To change a limit
//!
//! Change it in [`limits`], where each stands with its reason, and the attack that it stops in the tests.

mod faults;
mod host;
pub mod limits;
mod runtime;
mod v0_1;

pub use limits::Limits;
pub use runtime::{LoadError, LoadedMapper, MapperRuntime, StartError};
