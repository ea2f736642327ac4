//! From a crate to a component.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use wasm_encoder::reencode::{Reencode as _, RoundtripReencoder};
use wasm_encoder::{ExportSection, Module, RawSection};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use crate::toolchain::{TARGET, Toolchain};

/// `cargo build` for the target, as every component is built: fast and small, without unwinding, the same whatever
/// the caller's environment says.
pub fn cargo(toolchain: &Toolchain, target_dir: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--target", TARGET])
        .envs(toolchain.env.iter().cloned())
        .env("CARGO_TARGET_DIR", target_dir)
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        // Names of functions stay: a trap and a profile name them.
        .env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo")
        // A host wipes what a fresh instance may have touched: a MiB of stack, which is the default, would be most of it.
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-Clink-arg=-zstack-size=65536")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo
}

/// Wraps a core module, whose interface the SDK wrote into a custom section, into a component.
///
/// # Errors
/// `KIT-COMPONENT`: it has no such section, or is no module.
pub fn of_module(module: &[u8]) -> Result<Vec<u8>> {
    let module = without_post_returns(module).context("KIT-COMPONENT: what was built is no module")?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .context("KIT-COMPONENT: what was built is no component: does the crate call export_mapper!?")
}

/// The module less the exports that free an answer once the host has read it. The contract does without them, and the host
/// throws the whole instance away next: they would be a twentieth of a batch's fuel.
fn without_post_returns(module: &[u8]) -> Result<Vec<u8>> {
    let mut made = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let Payload::ExportSection(exports) = &payload {
            let mut kept = ExportSection::new();
            for export in exports.clone() {
                let export = export?;
                if !export.name.starts_with("cabi_post_") {
                    kept.export(export.name, RoundtripReencoder.export_kind(export.kind)?, export.index);
                }
            }
            made.section(&kept);
        } else if let Some((id, range)) = payload.as_section() {
            let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
            made.section(&RawSection { id, data: &module[range] });
        }
    }
    Ok(made.finish())
}
