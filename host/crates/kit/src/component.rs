//! From a crate to a component.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{ExportSection, Instruction, Module};
use wasmparser::{Operator, Parser, Payload, TypeRef};
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
    let module = trimmed(module).context("KIT-COMPONENT: what was built is no module")?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .context("KIT-COMPONENT: what was built is no component: does the crate call export_mapper!?")
}

/// The module less what a mapper does without: the exports that free an answer once the host has read it, since the host throws
/// the whole instance away next; and calls of functions that do nothing, one of which the compiler puts before every
/// allocation.
fn trimmed(module: &[u8]) -> Result<Vec<u8>> {
    let (mut made, mut trim) = (Module::new(), Trim { idle: idle_functions(module)? });
    trim.parse_core_module(&mut made, Parser::new(0), module)?;
    Ok(made.finish())
}

/// The functions that take nothing, give nothing and return at once, by index.
fn idle_functions(module: &[u8]) -> Result<BTreeSet<u32>> {
    let (mut nothing_in_or_out, mut kinds) = (Vec::new(), Vec::new().into_iter());
    let (mut index, mut idle) = (0, BTreeSet::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::TypeSection(types) => {
                for kind in types.into_iter_err_on_gc_types() {
                    let kind = kind?;
                    nothing_in_or_out.push(kind.params().is_empty() && kind.results().is_empty());
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    index += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::FunctionSection(own) => {
                kinds = own.into_iter().collect::<Result<Vec<u32>, _>>()?.into_iter();
            }
            Payload::CodeSectionEntry(body) => {
                let kind = kinds.next().and_then(|kind| nothing_in_or_out.get(usize::try_from(kind).ok()?));
                let does_nothing =
                    matches!(body.get_operators_reader()?.read()?, Operator::End | Operator::Return);
                if kind == Some(&true) && does_nothing {
                    idle.insert(index);
                }
                index += 1;
            }
            _ => {}
        }
    }
    Ok(idle)
}

/// Writes a module as it was, less what it leaves out.
struct Trim {
    idle: BTreeSet<u32>,
}

impl Reencode for Trim {
    type Error = Infallible;

    fn parse_export(
        &mut self,
        exports: &mut ExportSection,
        export: wasmparser::Export<'_>,
    ) -> Result<(), reencode::Error> {
        if export.name.starts_with("cabi_post_") {
            return Ok(());
        }
        reencode::utils::parse_export(self, exports, export)
    }

    fn instruction<'a>(&mut self, operator: Operator<'a>) -> Result<Instruction<'a>, reencode::Error> {
        match operator {
            Operator::Call { function_index } if self.idle.contains(&function_index) => Ok(Instruction::Nop),
            other => reencode::utils::instruction(self, other),
        }
    }
}
