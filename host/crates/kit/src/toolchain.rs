//! Makes sure that plugins can be built for `wasm32-unknown-unknown`.
//!
//! In this order: the target is in the toolchain already; rustup adds it, unless `RUSTUP_AUTO_INSTALL=0` forbids;
//! on Debian, the packages of `rustc-web` are unpacked into a cache folder and its standard library is built there
//! once; else the error says what to install.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::process;

/// The target that plugins are built for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// How to compile a plugin.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// Told to the user.
    pub found: String,
    /// Environment for cargo.
    pub env: Vec<(String, OsString)>,
    /// Distinguishes target folders: libraries of two compilers must not meet in one.
    pub id: String,
}

/// Finds or makes a toolchain.
///
/// # Errors
/// None of the ways is open; the message says what to install.
pub fn ensure() -> Result<Toolchain> {
    let sysroot = sysroot()?;
    if target_libraries(&sysroot).is_dir() {
        return Ok(rustup_toolchain("the Rust toolchain has the target"));
    }
    if rustup_allowed(std::env::var_os("RUSTUP_AUTO_INSTALL").as_deref()) {
        let added = Command::new("rustup").args(["target", "add", TARGET]).status();
        if added.is_ok_and(|status| status.success()) && target_libraries(&sysroot).is_dir() {
            return Ok(rustup_toolchain("rustup added the target"));
        }
    }
    if !process::on_path("apt-get") || !process::on_path("dpkg") {
        bail!("plugins need the target {TARGET}: run `rustup target add {TARGET}`");
    }
    debian(&sysroot).with_context(|| {
        format!("plugins need the target {TARGET}: run `rustup target add {TARGET}`, or mend what stopped Debian's rustc-web")
    })
}

fn rustup_toolchain(found: &str) -> Toolchain {
    Toolchain { found: found.to_owned(), env: Vec::new(), id: "rustup".to_owned() }
}

fn rustup_allowed(auto_install: Option<&std::ffi::OsStr>) -> bool {
    auto_install != Some(std::ffi::OsStr::new("0"))
}

fn sysroot() -> Result<PathBuf> {
    let text = process::stdout(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(text.trim()))
}

fn target_libraries(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}

/// Debian's compiler for the web, in a folder of its own.
fn debian(sysroot: &Path) -> Result<Toolchain> {
    let version = candidate()?;
    let home = process::cache_dir()?.join("wasm-toolchain");
    let folder = home.join(&version);
    if !folder.join("complete").is_file() {
        fs::create_dir_all(&home)?;
        let _lock = process::lock(&home.join("lock"))?;
        if !folder.join("complete").is_file() {
            build(&home, &folder, sysroot)?;
        }
    }
    Ok(toolchain_in(&folder, &version, sysroot))
}

fn toolchain_in(folder: &Path, version: &str, sysroot: &Path) -> Toolchain {
    let linker = sysroot.join("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld");
    Toolchain {
        found: format!("Debian's rustc-web {version} in {}", folder.display()),
        env: vec![
            ("RUSTC".to_owned(), folder.join("usr/bin/rustc").into()),
            ("LD_LIBRARY_PATH".to_owned(), folder.join("usr/lib/x86_64-linux-gnu").into()),
            ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER".to_owned(), linker.into()),
        ],
        id: version.replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
    }
}

/// The oldest compiler that the workspace compiles with.
const RUST_VERSION: &str = env!("CARGO_PKG_RUST_VERSION");

/// The version of rustc-web that apt would install; refreshes apt's lists where they are empty, or so old that the
/// compiler they name cannot compile this workspace.
fn candidate() -> Result<String> {
    let policy = || process::stdout(Command::new("apt-cache").args(["policy", "rustc-web"]));
    let usable = |policy: &str| parse_candidate(policy).filter(|version| at_least(version, RUST_VERSION));
    if let Some(version) = usable(&policy()?) {
        return Ok(version);
    }
    let refreshed = Command::new("apt-get").args(["-qq", "update"]).status()?;
    let policy = policy()?;
    match (usable(&policy), parse_candidate(&policy)) {
        (Some(version), _) => Ok(version),
        (None, _) if !refreshed.success() => {
            bail!("apt's lists are missing or too old: run `apt-get update` as root")
        }
        (None, Some(version)) => bail!("Debian's rustc-web {version} is older than Rust {RUST_VERSION}"),
        (None, None) => bail!("Debian has no package rustc-web here"),
    }
}

/// Whether a Debian version's leading `major.minor` is at least that of `least`.
fn at_least(version: &str, least: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> {
        let digits = text.split(|c: char| c != '.' && !c.is_ascii_digit()).next().unwrap_or_default();
        digits.split('.').take(2).filter_map(|part| part.parse().ok()).collect()
    };
    numbers(version) >= numbers(least)
}

fn parse_candidate(policy: &str) -> Option<String> {
    let line = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate:"))?;
    Some(line.trim()).filter(|version| *version != "(none)" && !version.is_empty()).map(str::to_owned)
}

/// What has to be unpacked: the compiler, its libraries, and the source of the standard library.
fn packages(show: &str) -> Vec<String> {
    let mut wanted: Vec<String> =
        ["rustc-web", "libstd-rust-web-dev", "rust-web-src"].map(str::to_owned).to_vec();
    for line in show.lines().filter(|line| line.starts_with("Depends:")) {
        let names = line.trim_start_matches("Depends:").split([',', '|']);
        let names = names.filter_map(|part| part.split_whitespace().next());
        wanted.extend(
            names.filter(|n| n.starts_with("libstd-rust-web") || n.starts_with("libllvm")).map(str::to_owned),
        );
    }
    wanted.sort();
    wanted.dedup();
    wanted
}

fn build(home: &Path, folder: &Path, sysroot: &Path) -> Result<()> {
    let work = home.join(format!("building-{}", std::process::id()));
    let _gone = fs::remove_dir_all(&work);
    fs::create_dir_all(work.join("packages"))?;
    let bar =
        ProgressBar::new(4).with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}")?);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.set_message("downloading rustc-web from Debian");
    let names = download(&work.join("packages"))?;
    bar.inc(1);
    bar.set_message(format!("unpacking {} packages", names.len()));
    unpack(&work)?;
    bar.inc(1);
    bar.set_message("building the standard library, once (about a minute)");
    standard_library(&work, sysroot)?;
    bar.inc(1);
    for spent in ["packages", "std", "usr/share/doc", "usr/src"] {
        let _gone = fs::remove_dir_all(work.join(spent));
    }
    fs::write(work.join("complete"), names.join("\n"))?;
    let _gone = fs::remove_dir_all(folder);
    fs::rename(&work, folder)?;
    bar.finish_with_message("Wasm toolchain ready");
    Ok(())
}

fn download(to: &Path) -> Result<Vec<String>> {
    let show = |names: &[String]| {
        process::stdout(Command::new("apt-cache").args(["show", "--no-all-versions"]).args(names))
    };
    // Twice: the compiler's shared libraries are named by the package of its standard library.
    let names = packages(&show(&packages(""))?);
    let names = packages(&show(&names)?);
    process::run(
        Command::new("apt-get")
            .args(["-qq", "-o", "APT::Sandbox::User=root", "download"])
            .args(&names)
            .current_dir(to),
    )?;
    Ok(names)
}

fn unpack(work: &Path) -> Result<()> {
    for entry in fs::read_dir(work.join("packages"))? {
        process::run(Command::new("dpkg").arg("-x").arg(entry?.path()).arg(work))?;
    }
    Ok(())
}

/// Builds `std` from the packaged source and puts its libraries where the unpacked compiler looks for them.
fn standard_library(work: &Path, sysroot: &Path) -> Result<()> {
    let project = work.join("std");
    fs::create_dir_all(project.join("src"))?;
    let manifest = "[package]\nname = \"seed\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n";
    fs::write(project.join("Cargo.toml"), manifest)?;
    fs::write(project.join("src/lib.rs"), "")?;
    let toolchain = toolchain_in(work, "", sysroot);
    let log = work.join("std.log");
    let output = fs::File::create(&log)?;
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "-Z", "build-std=std,panic_abort", "--target", TARGET])
        .current_dir(&project)
        .envs(toolchain.env.iter().cloned())
        .env("CARGO_TARGET_DIR", project.join("target"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .stdout(output.try_clone()?)
        .stderr(output);
    if !cargo.status()?.success() {
        bail!("building the standard library failed:\n{}", tail(&fs::read_to_string(&log)?, 30));
    }
    let libraries = target_libraries(&work.join("usr"));
    fs::create_dir_all(&libraries)?;
    for entry in fs::read_dir(project.join("target").join(TARGET).join("release/deps"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("lib") && name.ends_with(".rlib") && !name.starts_with("libseed") {
            fs::copy(&path, libraries.join(name))?;
        }
    }
    Ok(())
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_candidate_that_apt_names() {
        let policy =
            "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n";
        assert_eq!(parse_candidate(policy).as_deref(), Some("1.96.0+dfsg1-1~deb12u2"));
        assert_eq!(parse_candidate("rustc-web:\n  Candidate: (none)\n"), None);
        assert_eq!(parse_candidate(""), None);
    }

    #[test]
    fn a_compiler_older_than_the_workspace_is_told() {
        for (version, wanted) in [
            ("1.96.0+dfsg1-1~deb12u2", true),
            ("1.95.0-1", true),
            ("1.85.0+dfsg3-1~deb12u3", false),
            ("2.0", true),
            ("", false),
        ] {
            assert_eq!(at_least(version, "1.95"), wanted, "{version}");
        }
    }

    #[test]
    fn takes_the_packages_that_the_compiler_depends_on() {
        let show = "Package: rustc-web\nDepends: libc6 (>= 2.34), libllvm22 (>= 1:22.1), libstd-rust-web-1.96 (= 1), gcc\n";
        let wanted =
            ["libllvm22", "libstd-rust-web-1.96", "libstd-rust-web-dev", "rust-web-src", "rustc-web"];
        assert_eq!(packages(show), wanted);
    }

    #[test]
    fn rustup_is_left_alone_where_it_is_forbidden() {
        assert!(!rustup_allowed(Some("0".as_ref())));
        assert!(rustup_allowed(Some("1".as_ref())) && rustup_allowed(None));
    }
}
