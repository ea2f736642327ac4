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

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        CodeSection, EntityType, ExportKind, Function, FunctionSection, ImportSection, TypeSection,
    };
    use wasmparser::Validator;

    use super::*;

    /// Imports a function, and defines one that does nothing, one that calls both, and one that gives an answer back.
    fn module() -> Vec<u8> {
        let (mut types, mut imports, mut functions) =
            (TypeSection::new(), ImportSection::new(), FunctionSection::new());
        types.ty().function([], []);
        imports.import("host", "heard", EntityType::Function(0));
        functions.function(0).function(0).function(0);
        let mut exports = ExportSection::new();
        exports.export("run", ExportKind::Func, 2).export("cabi_post_run", ExportKind::Func, 3);
        let mut code = CodeSection::new();
        for body in [
            vec![Instruction::Return, Instruction::End],
            vec![Instruction::Call(1), Instruction::Call(0), Instruction::End],
            vec![Instruction::Call(0), Instruction::End],
        ] {
            let mut function = Function::new([]);
            for instruction in &body {
                function.instruction(instruction);
            }
            code.function(&function);
        }
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
        module.finish()
    }

    #[test]
    fn what_a_mapper_does_without_is_left_out_and_nothing_else() {
        let trimmed = trimmed(&module()).expect("a module");
        Validator::new().validate_all(&trimmed).expect("it is still one");
        let (mut exports, mut calls) = (Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(&trimmed) {
            match payload.expect("a module") {
                Payload::ExportSection(section) => {
                    exports.extend(section.into_iter().map(|export| export.expect("one").name.to_owned()));
                }
                Payload::CodeSectionEntry(body) => {
                    for operator in body.get_operators_reader().expect("operators") {
                        if let Operator::Call { function_index } = operator.expect("one") {
                            calls.push(function_index);
                        }
                    }
                }
                _ => {}
            }
        }
        assert_eq!(exports, ["run"]);
        assert_eq!(calls, [0, 0], "what the host hears is called as before, what does nothing is not");
    }

    #[test]
    fn what_is_no_module_is_told_so() {
        let refused = of_module(b"none").expect_err("no module").to_string();
        assert!(refused.starts_with("KIT-COMPONENT"), "{refused}");
    }
}
