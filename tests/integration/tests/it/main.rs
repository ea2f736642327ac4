//! One binary for all tests that need more than one crate.
//!
//! Where to write what: `sandbox` runs built components in the real engine; `month` runs the whole pipeline against
//! the simulator over sockets, with and without faults; `daemon`, `secrets` and `outside` start the
//! real processes; `rules` reads the
//! workspace itself; `audit` verifies what a run leaves behind, alters it and has it found; `traps` meets Amazon's traps one by one, `weather` its bad days. A test that needs components says so when `cargo xtask plugins` has not been run.

#![expect(clippy::print_stdout, reason = "a test prints its seed and the details of what was wrong")]

mod audit;
mod daemon;
mod month;
mod outside;
mod process;
mod rules;
mod sandbox;
mod secrets;
mod support;
mod traps;
mod weather;
