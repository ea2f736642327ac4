//! Builds the mappers in other languages to components: Python by componentize-py, JavaScript by componentize-qjs.
//!
//! Their tools come from the package managers of those languages, in the versions that the plugins pin, into folders of
//! their own below the cache. A component is built, and its native tests are run, again only if its sources or its tool's
//! pin have changed. Each is built twice: without imports, as a tenant would, and as its tool does if it is not told
//! otherwise, with WASI's (`<name>-wasi`), to be refused by the sandbox or served by a policy that says so. A third component
//! (`<name>-raising`) raises, for the test of what an operator sees of that.
//!
//! # To add a language
//!
//! 1. Put its mapper and one that raises below `plugins/`, with a pin of its tools.
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
    /// Programs that must be there.
    needs: &'static [Program],
    /// What the component is made of, below its folder; the first names the tools.
    sources: &'static [&'static str],
    /// Installs its tools: from the plugin's folder, into another.
    install: fn(&Path, &Path) -> Result<()>,
    /// Runs the mapper's native tests.
    test: fn(&Place) -> Result<()>,
    /// What the mapper begins in, and one that raises.
    mains: [&'static str; 2],
    /// Writes the component of what it begins in, with or without WASI's imports.
    build: fn(&Place, &str, &Path, Wasi) -> Result<()>,
}

/// A program of the machine's.
struct Program {
    name: &'static str,
    /// The oldest that will do, as `major.minor`.
    least: (u32, u32),
    /// What to do where it is missing or older.
    advice: &'static str,
}

/// Where a component is made.
struct Place {
    tools: PathBuf,
    plugin: PathBuf,
    wit: PathBuf,
}

/// What becomes of the WASI that an interpreter is linked with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wasi {
    /// Its functions trap within the component: nothing is imported.
    Stubbed,
    /// It is imported.
    Imported,
}

const LANGUAGES: [Language; 2] = [
    Language {
        name: "python",
        // The bindings that the native tests read name `typing.Self`.
        needs: &[Program {
            name: "python3",
            least: (3, 11),
            advice: "install Python 3.11 or newer with its venv module (Debian: python3-venv)",
        }],
        sources: &["requirements.txt", "mapper.py", "kit.py", "raising.py", "test_mapper.py"],
        install: install_python,
        test: test_python,
        mains: ["mapper", "raising"],
        build: build_python,
    },
    Language {
        name: "javascript",
        needs: &[
            Program { name: "node", least: (20, 0), advice: "install Node.js 20 or newer" },
            Program {
                name: "npm",
                least: (9, 0),
                advice: "install npm 9 or newer, which comes with Node.js",
            },
        ],
        sources: &[
            "package-lock.json",
            "package.json",
            "component.js",
            "mapper.js",
            "kit.js",
            "raising.js",
            "mapper.test.js",
        ],
        install: install_javascript,
        test: test_javascript,
        mains: ["component.js", "raising.js"],
        build: build_javascript,
    },
];

fn install_python(plugin: &Path, tools: &Path) -> Result<()> {
    quietly(Command::new("python3").args(["-m", "venv"]).arg(tools))
        .context("Python's venv module is missing or broken (Debian: install python3-venv)")?;
    let mut pip = Command::new(tools.join("bin/pip"));
    // Built ones only: a package that had to be compiled here would fetch a compiler's parts.
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]);
    process::run(pip.arg("--requirement").arg(plugin.join("requirements.txt")))
}

/// Looks for modules in the tools' folder alone, not wherever the machine's Python does, and leaves nothing it compiled
/// beside the sources.
fn componentize_py(place: &Place) -> Command {
    let mut python = Command::new(place.tools.join("bin/componentize-py"));
    python.env("VIRTUAL_ENV", &place.tools).env("PYTHONDONTWRITEBYTECODE", "1");
    python.arg("--wit-path").arg(&place.wit).args(["--world", WORLD]);
    python
}

fn test_python(place: &Place) -> Result<()> {
    let bindings = place.tools.join("bindings");
    if bindings.exists() {
        fs::remove_dir_all(&bindings)?;
    }
    quietly(componentize_py(place).arg("bindings").arg(&bindings))?;
    let mut python = Command::new(place.tools.join("bin/python"));
    python.env("PYTHONPATH", &bindings).env("PYTHONDONTWRITEBYTECODE", "1");
    quietly(python.args(["-m", "unittest", "discover", "--start-directory"]).arg(&place.plugin))
}

/// Without `--stub-wasi` the interpreter imports 25 interfaces of WASI, which the sandbox refuses by default.
fn build_python(place: &Place, main: &str, component: &Path, wasi: Wasi) -> Result<()> {
    let mut python = componentize_py(place);
    python.arg("componentize");
    if wasi == Wasi::Stubbed {
        python.arg("--stub-wasi");
    }
    python.arg("--python-path").arg(&place.plugin).arg("--output").arg(component).arg(main);
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

fn test_javascript(place: &Place) -> Result<()> {
    quietly(Command::new("node").arg("--test").current_dir(&place.plugin))
}

/// `--sync` since the sandbox has no asynchronous calls; without `--stub-wasi` the interpreter imports WASI.
fn build_javascript(place: &Place, main: &str, component: &Path, wasi: Wasi) -> Result<()> {
    let mut node = Command::new("node");
    node.arg(place.tools.join("node_modules/componentize-qjs/cli.mjs")).arg("--wit").arg(&place.wit);
    node.arg("--js").arg(place.plugin.join(main)).args(["--world", WORLD, "--sync"]);
    if wasi == Wasi::Stubbed {
        node.arg("--stub-wasi");
    }
    quietly(node.arg("--output").arg(component))
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
    let missing: Vec<String> = programs.filter_map(Program::missing).collect();
    (!missing.is_empty()).then(|| missing.join("; "))
}

impl Program {
    /// What is wrong with it on this machine, and what to do; nothing if it will do.
    fn missing(&self) -> Option<String> {
        let Self { name, least, advice } = self;
        if !process::on_path(name) {
            return Some(format!("{name} is missing: {advice}"));
        }
        let told = process::stdout(Command::new(name).arg("--version")).unwrap_or_default();
        match version(&told) {
            Some(found) if found >= *least => None,
            _ => Some(format!("{name} says that it is `{}`: {advice}", told.trim())),
        }
    }
}

/// The first `major.minor` in a program's answer.
fn version(told: &str) -> Option<(u32, u32)> {
    let digits = told.split(|c: char| c != '.' && !c.is_ascii_digit());
    let mut parts = digits.map(|word| word.split('.')).filter(|word| word.clone().count() > 1);
    let mut first = parts.next()?.map_while(|part| part.parse().ok());
    Some((first.next()?, first.next()?))
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
    // Who builds at the same time, in another checkout, takes the same tools.
    let languages = process::cache_dir()?.join("languages");
    fs::create_dir_all(&languages)?;
    let _lock = process::lock(&languages.join("lock"))?;
    let mut built = Vec::new();
    for language in &LANGUAGES {
        built.extend(language.built(&folders, &languages)?);
    }
    Ok(built)
}

impl Language {
    fn built(&self, folders: &Folders, languages: &Path) -> Result<Vec<Built>> {
        let plugin = folders.root.join("plugins").join(self.name);
        let place = Place { tools: languages.join(self.name), wit: folders.root.join(WIT), plugin };
        let made_of = self.made_of(&place)?;
        let note = components_dir(folders).join(format!("{}.from", self.name));
        let [mapper, raising] = self.mains;
        let of = |suffix: &str, main: &'static str, wasi| {
            let name = format!("{}{suffix}", self.name);
            (components_dir(folders).join(format!("{name}.component.wasm")), name, main, wasi)
        };
        let paths = [
            of("", mapper, Wasi::Stubbed),
            of("-wasi", mapper, Wasi::Imported),
            of("-raising", raising, Wasi::Stubbed),
        ];
        let there = paths.iter().all(|(path, ..)| path.is_file());
        if !there || fs::read(&note).ok().as_deref() != Some(&made_of[..]) {
            self.tools(&place)?;
            let plugin = || format!("plugin `{}`", self.name);
            (self.test)(&place).with_context(plugin)?;
            for (path, _, main, wasi) in &paths {
                (self.build)(&place, main, path, *wasi).with_context(plugin)?;
            }
            fs::write(&note, made_of)?;
        }
        let measured = |(path, name, ..): (PathBuf, String, &str, Wasi)| {
            let bytes = fs::metadata(&path)?.len();
            Ok(Built { name, path, bytes })
        };
        paths.into_iter().map(measured).collect()
    }

    /// All that decides the component's bytes.
    fn made_of(&self, place: &Place) -> Result<Vec<u8>> {
        let mut files: Vec<PathBuf> = self.sources.iter().map(|name| place.plugin.join(name)).collect();
        let mut contract: Vec<PathBuf> =
            fs::read_dir(&place.wit)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        contract.sort();
        files.extend(contract);
        let mut all = Vec::new();
        for file in files {
            all.extend(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
            all.push(0);
        }
        Ok(all)
    }

    /// Installs its tools, once for each pin.
    fn tools(&self, Place { tools, plugin, .. }: &Place) -> Result<()> {
        let pin = fs::read(plugin.join(self.sources[0]))?;
        let installed = tools.join("pinned");
        if fs::read(&installed).ok().as_deref() != Some(&pin[..]) {
            if tools.exists() {
                fs::remove_dir_all(tools)?;
            }
            (self.install)(plugin, tools)
                .with_context(|| format!("installing the tools of {}", self.name))?;
            fs::write(&installed, pin)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn a_version_is_read_out_of_what_a_program_says() {
        for (told, wanted) in [
            ("Python 3.11.7\n", Some((3, 11))),
            ("v20.20.2", Some((20, 20))),
            ("10.8", Some((10, 8))),
            ("3", None),
            ("no such option: --version.", None),
        ] {
            assert_eq!(version(told), wanted, "{told}");
        }
    }
}
