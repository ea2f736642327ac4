//! Rules of the workspace itself.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

fn metadata() -> Value {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    serde_json::from_slice(&output.stdout).expect("cargo answers")
}

/// Normal dependencies of each package of ours.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    packages
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().expect("dependencies");
            (name(package), all.iter().filter(|dependency| dependency["kind"].is_null()).map(name).collect())
        })
        .collect()
}

#[test]
fn imports_point_inward() {
    let allowed: [(&str, &[&str]); 17] = [
        ("ml-connector-domain", &[]),
        ("ml-connector-ports", &["domain"]),
        ("ml-connector-storage", &["domain"]),
        ("ml-connector-audit", &["domain", "storage"]),
        ("ml-connector-remote", &["domain"]),
        ("ml-connector-amazon", &["domain", "ports", "remote"]),
        ("ml-connector-fusion", &["domain", "ports", "remote"]),
        ("ml-connector-mapper", &["domain", "ports"]),
        ("ml-connector-pipeline", &["domain", "ports", "storage", "audit"]),
        ("ml-connector-api", &["domain", "storage", "audit", "pipeline"]),
        ("ml-connector-kit", &[]),
        (
            "ml-connector",
            &[
                "api", "domain", "ports", "storage", "remote", "audit", "amazon", "fusion", "kit", "mapper",
                "pipeline",
            ],
        ),
        ("ml-connector-sdk", &[]),
        ("ml-connector-simulator", &[]),
        ("ml-connector-test-postgres", &[]),
        ("xtask", &["kit", "test-postgres"]),
        ("ml-connector-integration", &[]),
    ];
    let dependencies = dependencies();
    for (package, allowed) in allowed {
        for dependency in &dependencies[package] {
            let Some(ours) = dependency.strip_prefix("ml-connector-") else { continue };
            assert!(allowed.contains(&ours), "{package} must not depend on {dependency}");
        }
    }
    for plugin in dependencies.keys().filter(|name| name.starts_with("plugin-")) {
        assert_eq!(dependencies[plugin], ["ml-connector-sdk"], "{plugin} depends on the SDK only");
    }
}

#[test]
fn heavy_libraries_have_one_owner() {
    let dependencies = dependencies();
    for (library, owner) in [
        ("sqlx", "storage"),
        ("reqwest", "remote"),
        ("wasmtime", "mapper"),
        ("wit-bindgen", "sdk"),
        ("wit-component", "kit"),
    ] {
        let owners: Vec<&String> = dependencies
            .iter()
            .filter(|(_, all)| all.iter().any(|name| name == library))
            .map(|(p, _)| p)
            .collect();
        assert_eq!(owners, [&format!("ml-connector-{owner}")], "{library}");
    }
}

/// The README shows the smallest mapper; what it shows is what is built.
#[test]
fn the_readme_quotes_the_minimal_mapper() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let read = |path: &str| {
        std::fs::read_to_string(format!("{root}/{path}")).unwrap_or_else(|e| panic!("{path}: {e}"))
    };
    let source = read("plugins/minimal/src/lib.rs");
    let mapper = &source
        [source.find("impl Mapper").expect("a mapper")..source.find("export_mapper!").expect("exports")];
    assert!(read("README.md").contains(mapper.trim()), "README.md does not quote plugins/minimal");
}

/// `wit/RELEASED` pins each released folder by a hash over its files: names and bytes, in order.
#[test]
fn a_released_contract_is_frozen() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
    let released = std::fs::read_to_string(format!("{root}/RELEASED")).expect("a file");
    let mut pinned = Vec::new();
    for line in released.lines().filter(|line| !line.starts_with('#')) {
        let (folder, hash) = line.split_once(' ').expect("a folder and its hash");
        let mut text = String::new();
        let entries = std::fs::read_dir(format!("{root}/{folder}")).expect("the folder stays");
        let mut files: Vec<_> = entries.map(|entry| entry.expect("reads").path()).collect();
        files.sort();
        for file in files {
            let (name, body) =
                (file.file_name().expect("a name"), std::fs::read_to_string(&file).expect("text"));
            text.push_str(&format!("{} {}\n{body}", name.display(), body.len()));
        }
        let found = ml_connector_domain::id::ContentHash::of(text.as_bytes());
        assert_eq!(
            found.as_str(),
            hash,
            "wit/{folder} is released: a change is a new folder (wit/README.md)"
        );
        pinned.push(folder.to_owned());
    }
    let folders = std::fs::read_dir(root).expect("a folder").flatten().filter(|entry| entry.path().is_dir());
    let folders: Vec<_> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(pinned.contains(&"v0.1".to_owned()) && folders.len() >= pinned.len(), "{folders:?}");
}
