//! A mapper's project, in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::component;
use crate::process::{run, stdout};
use crate::toolchain::{self, TARGET};

include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// The project's own files, with `{{name}}`, `{{type}}` and `{{sdk}}` to be filled in.
const TEMPLATE: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("../template/Cargo.toml.in")),
    ("README.md", include_str!("../template/README.md")),
    (".gitignore", "/target\n"),
    ("src/lib.rs", include_str!("../template/lib.rs.in")),
    ("tests/golden/first_order/input.json", include_str!("../template/input.json")),
    ("tests/golden/first_order/expected.json", include_str!("../template/expected.json")),
];

/// The manifest of the SDK in a project: it depends on nothing.
const SDK_MANIFEST: &str = concat!(
    "# The SDK as ml-connector ",
    env!("CARGO_PKG_VERSION"),
    " carries it; `ml-connector mapper new` wrote it. It depends on nothing.\n",
    "[package]\nname = \"ml-connector-sdk\"\nversion = \"",
    env!("CARGO_PKG_VERSION"),
    "\"\nedition = \"2024\"\nlicense = \"Apache-2.0\"\npublish = false\n\n[lib]\ntest = false\ndoctest = false\n",
);

/// Where a new project takes the SDK from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sdk {
    /// A copy in the project's own folder `sdk`: it builds anywhere, for ever.
    Carried,
    /// A folder, e.g. `guest-sdk` of a checkout.
    At(PathBuf),
}

/// Writes a new project into `folder`, which must not exist or be empty.
///
/// # Errors
/// `KIT-NAME`: a name that no crate can have. `KIT-EXISTS`: the folder holds something. `KIT-SDK`: no SDK there.
pub fn create(folder: &Path, sdk: &Sdk) -> Result<()> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !good {
        bail!("KIT-NAME: `{name}` names no mapper: write lower-case letters, digits and `-`, e.g. my-books");
    }
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("KIT-EXISTS: {} holds something already: choose another name", folder.display());
    }
    let path = match sdk {
        Sdk::Carried => "sdk".to_owned(),
        Sdk::At(path) => {
            let path = path.canonicalize().ok().filter(|path| path.join("Cargo.toml").is_file());
            let path = path.context("KIT-SDK: --sdk names no folder with a Cargo.toml: name guest-sdk")?;
            path.display().to_string()
        }
    };
    let fill = |text: &str| {
        text.replace("{{name}}", &name).replace("{{type}}", &type_name(&name)).replace("{{sdk}}", &path)
    };
    for (file, text) in TEMPLATE {
        write(&folder.join(file), &fill(text))?;
    }
    if *sdk == Sdk::Carried {
        write(&folder.join("sdk/Cargo.toml"), SDK_MANIFEST)?;
        for (file, text) in SDK {
            write(&folder.join("sdk").join(file), text)?;
        }
    }
    Ok(())
}

/// `my-books` is the type `MyBooks`.
fn type_name(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
            .unwrap_or_default()
    };
    name.split('-').map(capital).collect()
}

fn write(path: &Path, text: &str) -> Result<()> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    written.with_context(|| format!("KIT-WRITE: cannot write {}", path.display()))
}

/// A project that exists.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its folder.
    pub folder: PathBuf,
    /// Its crate's name.
    pub name: String,
    target: PathBuf,
}

impl Project {
    /// Opens the project that a folder is the root of.
    ///
    /// # Errors
    /// `KIT-PROJECT`: there is no crate in it.
    pub fn open(folder: &Path) -> Result<Self> {
        let manifest = folder.join("Cargo.toml");
        let manifest = manifest.canonicalize().with_context(|| {
            format!("KIT-PROJECT: {} is no project: run `ml-connector mapper new NAME`", folder.display())
        })?;
        let mut cargo = Command::new("cargo");
        cargo.args(["metadata", "--format-version=1", "--no-deps", "--manifest-path"]).arg(&manifest);
        let metadata: Value = serde_json::from_str(&stdout(&mut cargo)?)?;
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let mut own =
            packages.filter(|package| package["manifest_path"].as_str().map(Path::new) == Some(&manifest));
        let name = own.next().and_then(|package| package["name"].as_str());
        let name = name.context("KIT-PROJECT: Cargo.toml names no package")?.to_owned();
        let target =
            metadata["target_directory"].as_str().context("cargo metadata names no target folder")?;
        let folder = manifest.parent().context("a manifest has a folder")?.to_owned();
        Ok(Self { folder, name, target: PathBuf::from(target) })
    }

    /// The folder of its golden cases.
    pub fn golden(&self) -> PathBuf {
        self.folder.join("tests/golden")
    }

    /// Runs its native tests.
    ///
    /// # Errors
    /// One fails.
    pub fn test(&self) -> Result<()> {
        run(Command::new("cargo").args(["test", "--quiet"]).current_dir(&self.folder))
            .context("KIT-TEST: the native tests fail")
    }

    /// Builds the component; says where it lies.
    ///
    /// # Errors
    /// There is no toolchain, the crate does not compile, or what it compiles to is no component.
    pub fn build(&self) -> Result<PathBuf> {
        let toolchain = toolchain::ensure()?;
        let target = self.target.join("mapper").join(&toolchain.id);
        let mut cargo = component::cargo(&toolchain, &target);
        run(cargo.args(["--quiet", "--package", &self.name]).current_dir(&self.folder))
            .context("KIT-BUILD: the mapper does not compile")?;
        let core = target.join(TARGET).join("release").join(format!("{}.wasm", self.name.replace('-', "_")));
        let module = fs::read(&core).with_context(|| {
            format!("KIT-BUILD: {} was not made: does Cargo.toml say crate-type cdylib?", core.display())
        })?;
        let path = self.target.join("mapper").join(format!("{}.component.wasm", self.name));
        fs::write(&path, component::of_module(&module)?)?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_complete_and_depends_on_nothing_else() {
        let folder = std::env::temp_dir().join(format!("kit-{}", std::process::id())).join("my-books");
        create(&folder, &Sdk::Carried).expect("is written");
        let read = |name: &str| fs::read_to_string(folder.join(name)).expect(name);
        assert!(read("src/lib.rs").contains("export_mapper!(MyBooks);"));
        assert!(!read("sdk/Cargo.toml").contains("[dependencies]"));
        let bindings = read("sdk/src/bindings.rs");
        let mut code = bindings.lines().filter(|line| !line.trim_start().starts_with("//"));
        assert!(code.all(|line| !line.contains("wit_bindgen::")), "the bindings name no other crate");
        assert!(read("sdk/wit/world.wit").contains("world mapper"));
        for (file, _) in TEMPLATE {
            assert!(!read(file).contains("{{"), "{file} is filled in");
        }
        let again = create(&folder, &Sdk::Carried).expect_err("it exists").to_string();
        assert!(again.starts_with("KIT-EXISTS"), "{again}");
        let parent = folder.parent().expect("a parent");
        for name in ["My", "1st", "a_b", "a b"] {
            let refused = create(&parent.join(name), &Sdk::Carried).expect_err(name).to_string();
            assert!(refused.starts_with("KIT-NAME"), "{refused}");
        }
        fs::remove_dir_all(parent).expect("removes");
    }
}
