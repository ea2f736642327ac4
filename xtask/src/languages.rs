//! Builds the mappers in other languages to components: Python by componentize-py, JavaScript by componentize-qjs.
//!
//! Their tools come from the package managers of those languages, in the versions that the plugins pin, into folders of
//! their own below the cache. A component is built again only if its sources or its tool's pin have changed.
//!
//! # To add a language
//!
//! 1. Put its mapper below `plugins/`, with a pin of its tools.
//! 2. Add a [`Language`]: the programs that must be there, how its tools are installed and how it builds.
//! 3. Name it in `tests/integration/tests/it/sandbox/languages.rs`, which holds it against the mapper in Rust.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use ml_connector_kit::process::{self, Folders};

use crate::plugins::{Built, components_dir};

/// The contract that they are built against.
const WIT: &str = "wit/v0.1";
/// Its world.
const WORLD: &str = "mapper";

/// A language that mappers are written in beside Rust.
struct Language {
    /// Its plugin's folder.
    name: &'static str,
    /// Programs that must be there, each with what to do where it is not.
    needs: &'static [(&'static str, &'static str)],
    /// What the component is made of, below its folder; the first names the tools.
    sources: &'static [&'static str],
    /// Installs its tools into a folder.
    install: fn(&Path, &Path) -> Result<()>,
    /// Writes the component: tools, plugin, contract, target.
    build: fn(&Path, &Path, &Path, &Path) -> Result<()>,
}

const LANGUAGES: [Language; 2] = [
    Language {
        name: "python",
        needs: &[("python3", "install Python 3.10 or newer with its venv module (Debian: python3-venv)")],
        sources: &["requirements.txt", "mapper.py", "kit.py"],
        install: install_python,
        build: build_python,
    },
    Language {
        name: "javascript",
        needs: &[("node", "install Node.js 20 or newer"), ("npm", "install npm, which comes with Node.js")],
        sources: &["package-lock.json", "package.json", "mapper.js", "kit.js"],
        install: install_javascript,
        build: build_javascript,
    },
];

fn install_python(plugin: &Path, tools: &Path) -> Result<()> {
    process::run(Command::new("python3").args(["-m", "venv"]).arg(tools))?;
    let mut pip = Command::new(tools.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    process::run(pip.arg(plugin.join("requirements.txt")))
}

/// Without `--stub-wasi` the interpreter imports 25 interfaces of WASI, which the sandbox refuses by default.
fn build_python(tools: &Path, plugin: &Path, wit: &Path, component: &Path) -> Result<()> {
    let mut python = Command::new(tools.join("bin/componentize-py"));
    // Otherwise what it compiles along the way stands beside the sources.
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    python.arg("--wit-path").arg(wit).args([
        "--world",
        WORLD,
        "componentize",
        "--stub-wasi",
        "--python-path",
    ]);
    python.arg(plugin).arg("--output").arg(component).arg("mapper");
    quietly(&mut python)
}

fn install_javascript(plugin: &Path, tools: &Path) -> Result<()> {
    fs::create_dir_all(tools)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(plugin.join(file), tools.join(file))?;
    }
    let mut npm = Command::new("npm");
    process::run(npm.args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(tools))
}

/// `--sync` since the sandbox has no asynchronous calls; without `--stub-wasi` the interpreter imports WASI.
fn build_javascript(tools: &Path, plugin: &Path, wit: &Path, component: &Path) -> Result<()> {
    let mut node = Command::new("node");
    node.arg(tools.join("node_modules/componentize-qjs/cli.mjs")).arg("--wit").arg(wit).arg("--js");
    node.arg(plugin.join("mapper.js"))
        .args(["--world", WORLD, "--stub-wasi", "--sync", "--output"])
        .arg(component);
    quietly(&mut node)
}

/// Runs a program that tells a lot; what it told is shown if it fails.
fn quietly(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        bail!("{command:?} failed:\n{}{}", told(&output.stdout), told(&output.stderr));
    }
    Ok(())
}

/// What is missing to build mappers in all languages, in words; nothing if they can be built.
fn missing() -> Option<String> {
    let programs = LANGUAGES.iter().flat_map(|language| language.needs);
    let missing: Vec<String> = programs
        .filter(|(program, _)| !process::on_path(program))
        .map(|(program, advice)| format!("{program} is missing: {advice}"))
        .collect();
    (!missing.is_empty()).then(|| missing.join("; "))
}

/// Builds the mappers in all languages.
///
/// # Errors
/// A program is missing, a tool cannot be fetched, or a mapper does not build.
pub(crate) fn build() -> Result<Vec<Built>> {
    if let Some(missing) = missing() {
        bail!("{missing}");
    }
    let folders = process::folders()?;
    fs::create_dir_all(components_dir(&folders))?;
    LANGUAGES.iter().map(|language| language.built(&folders)).collect()
}

impl Language {
    fn built(&self, folders: &Folders) -> Result<Built> {
        let plugin = folders.root.join("plugins").join(self.name);
        let wit = folders.root.join(WIT);
        let path = components_dir(folders).join(format!("{}.component.wasm", self.name));
        let made_of = self.made_of(&plugin, &wit)?;
        let note = path.with_extension("from");
        if !path.is_file() || fs::read(&note).ok().as_deref() != Some(&made_of[..]) {
            let tools = self.tools(&plugin)?;
            (self.build)(&tools, &plugin, &wit, &path).with_context(|| format!("plugin `{}`", self.name))?;
            fs::write(&note, made_of)?;
        }
        let bytes = fs::metadata(&path)?.len();
        Ok(Built { name: self.name.to_owned(), path, bytes })
    }

    /// All that decides the component's bytes.
    fn made_of(&self, plugin: &Path, wit: &Path) -> Result<Vec<u8>> {
        let mut files: Vec<PathBuf> = self.sources.iter().map(|name| plugin.join(name)).collect();
        let mut contract: Vec<PathBuf> =
            fs::read_dir(wit)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        contract.sort();
        files.extend(contract);
        let mut all = Vec::new();
        for file in files {
            all.extend(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
            all.push(0);
        }
        Ok(all)
    }

    /// The folder with its tools, which are installed once for each pin.
    fn tools(&self, plugin: &Path) -> Result<PathBuf> {
        let pin = fs::read(plugin.join(self.sources[0]))?;
        let tools = process::cache_dir()?.join("languages").join(self.name);
        let installed = tools.join("pinned");
        if fs::read(&installed).ok().as_deref() != Some(&pin[..]) {
            if tools.exists() {
                fs::remove_dir_all(&tools)?;
            }
            (self.install)(plugin, &tools)
                .with_context(|| format!("installing the tools of {}", self.name))?;
            fs::write(&installed, pin)?;
        }
        Ok(tools)
    }
}
