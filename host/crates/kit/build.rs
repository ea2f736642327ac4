//! Gathers what a mapper's project is made of: the SDK's sources, the contract, and the bindings as text, so that a
//! project needs neither this repository nor a registry.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use wit_bindgen_core::{Files, WorldGenerator as _, wit_parser::Resolve};
use wit_bindgen_rust::Opts;

/// The contract's folder that projects are made for.
const CONTRACT: &str = "v0.1";

fn main() -> Result<()> {
    // Asked now, not when this was compiled: checkouts that share a target folder share this program, too.
    let manifest =
        PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").context("cargo names the crate's folder")?);
    let root = manifest.join("../../..").canonicalize()?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("cargo names a folder")?);
    fs::write(out.join("bindings.rs"), bindings(&root.join("wit").join(CONTRACT))?)?;
    let sdk = root.join("guest-sdk");
    let mut files = vec![("README.md".to_owned(), sdk.join("README.md"))];
    gather(&sdk.join("src"), "src", &mut files)?;
    gather(&root.join("wit").join(CONTRACT), "wit", &mut files)?;
    let mut list =
        String::from("/// The SDK's files, by their path in its folder.\nconst SDK: &[(&str, &str)] = &[\n");
    for (name, path) in &files {
        println!("cargo::rerun-if-changed={}", path.display());
        let path = if name == "src/bindings.rs" { out.join("bindings.rs") } else { path.clone() };
        writeln!(list, "    ({name:?}, include_str!({:?})),", path.display().to_string())?;
    }
    list.push_str("];\n");
    fs::write(out.join("sdk.rs"), list)?;
    println!("cargo::rerun-if-changed={}", sdk.join("src").display());
    Ok(())
}

/// All files below a folder, sorted.
fn gather(folder: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            gather(&entry.path(), &name, files)?;
        } else {
            files.push((name, entry.path()));
        }
    }
    Ok(())
}

/// What the macro in `guest-sdk/src/bindings.rs` expands to; its options stand here again.
fn bindings(contract: &Path) -> Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(contract)?;
    let world = resolve.select_world(&[package], Some("mapper"))?;
    let options = Opts {
        format: true,
        generate_all: true,
        pub_export_macro: true,
        export_macro_name: Some("export_world".to_owned()),
        default_bindings_module: Some("ml_connector_sdk::__private::bindings".to_owned()),
        additional_derive_attributes: vec!["PartialEq".to_owned(), "Clone".to_owned()],
        runtime_path: Some("ml_connector_sdk::rt".to_owned()),
        ..Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let mut made = files.iter();
    let (Some((_, text)), None) = (made.next(), made.next()) else { bail!("one file of bindings is wanted") };
    let text = std::str::from_utf8(text)?;
    Ok(format!(
        "//! Generated from `wit/`, the contract that this SDK is for.\n#![allow(warnings, clippy::all)]\n\n{text}"
    ))
}
