//! Builds plugins to components: those in Rust here, the others in [`crate::languages`].

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use ml_connector_kit::component;
use ml_connector_kit::process::{self, Folders};
use ml_connector_kit::toolchain::{self, TARGET};

use crate::languages;

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
    let mut cargo = component::cargo(&toolchain, &target);
    cargo
        .args(["--quiet", "--locked"])
        .args(wanted.iter().flat_map(|name| ["--package".to_owned(), format!("plugin-{name}")]))
        .current_dir(&folders.root);
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
    let component = component::of_module(&module).with_context(|| format!("plugin `{name}`"))?;
    if fs::read(&path).ok().as_deref() != Some(&component[..]) {
        fs::write(&path, &component)?;
    }
    Ok(Built { name, path, bytes: component.len() as u64 })
}

/// Builds and prints what was built.
///
/// # Errors
/// As [`build`].
pub(crate) fn command(names: &[String], languages: bool) -> Result<()> {
    let started = Instant::now();
    let mut all = build(names)?;
    if languages {
        all.extend(languages::build()?);
    }
    for built in all {
        println!("{:<15} {:>7} KiB  {}", built.name, built.bytes / 1024, built.path.display());
    }
    println!("{:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}
