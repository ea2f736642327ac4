//! Builds plugins to components.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use wit_component::ComponentEncoder;

use crate::process::{self, Folders};
use crate::toolchain::{self, TARGET};

/// A built component.
pub(crate) struct Built {
    /// The plugin's folder name.
    pub(crate) name: String,
    /// The component.
    pub(crate) path: PathBuf,
    /// Its size in bytes.
    pub(crate) bytes: u64,
}

/// Where components are put.
pub(crate) fn components_dir(folders: &Folders) -> PathBuf {
    folders.target.join("plugins/components")
}

/// Builds the named plugins, or all.
///
/// # Errors
/// There is no toolchain, a plugin does not compile, or what it compiles to is no component.
pub(crate) fn build(names: &[String]) -> Result<Vec<Built>> {
    let folders = process::folders()?;
    let all = plugin_names(&folders.root)?;
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        bail!("there is no plugin `{unknown}`: the plugins are {}", all.join(", "));
    }
    let wanted: Vec<String> = if names.is_empty() { all } else { names.to_vec() };
    let toolchain = toolchain::ensure()?;
    let target = folders.target.join("plugins").join(&toolchain.id);
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--locked", "--release", "--target", TARGET])
        .args(wanted.iter().flat_map(|name| ["--package".to_owned(), format!("plugin-{name}")]))
        .current_dir(&folders.root)
        .envs(toolchain.env.iter().cloned())
        .env("CARGO_TARGET_DIR", &target)
        // A component is compiled for every start of a host and kept for ever: small and without unwinding.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo")
        // A host wipes what a fresh instance may have touched: a MiB of stack, which is the default, would be most of it.
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-Clink-arg=-zstack-size=65536")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    process::run(&mut cargo)?;
    fs::create_dir_all(components_dir(&folders))?;
    wanted.into_iter().map(|name| componentize(&folders, &target, name)).collect()
}

fn plugin_names(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join("plugins"))? {
        let path = entry?.path();
        if path.join("Cargo.toml").is_file() {
            let name = path.file_name().context("a plugin's folder has a name")?;
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Wraps a core module, whose interface `wit-bindgen` wrote into a custom section, into a component.
fn componentize(folders: &Folders, target: &Path, name: String) -> Result<Built> {
    let core = target.join(TARGET).join("release").join(format!("plugin_{}.wasm", name.replace('-', "_")));
    let path = components_dir(folders).join(format!("{name}.component.wasm"));
    let module = fs::read(&core).with_context(|| format!("cannot read {}", core.display()))?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .with_context(|| format!("plugin `{name}` is no component: does it call export_mapper!?"))?;
    if fs::read(&path).ok().as_deref() != Some(&component[..]) {
        fs::write(&path, &component)?;
    }
    Ok(Built { name, path, bytes: component.len() as u64 })
}

/// Builds and prints what was built.
///
/// # Errors
/// As [`build`].
pub(crate) fn command(names: &[String]) -> Result<()> {
    let started = Instant::now();
    for built in build(names)? {
        println!("{:<10} {:>7} KiB  {}", built.name, built.bytes / 1024, built.path.display());
    }
    println!("{:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}
