//! Makes mapper projects and builds them to components.
//!
//! What a project needs travels with the binary: the SDK's sources, which depend on nothing, the contract, and the
//! bindings as text. A project therefore builds outside this repository and without a registry; it needs cargo and the
//! target `wasm32-unknown-unknown` ([`toolchain`] finds or makes it, or says what to install).
//!
//! * [`project`]: `mapper new`, and the parts of `mapper build` and `mapper test` that run cargo.
//! * [`component`]: from a core module to a component; `cargo xtask plugins` takes the same way.

pub mod component;
pub mod process;
pub mod project;
pub mod toolchain;
