//! Running programs, and the folders they use.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Runs a command that prints to the terminal.
///
/// # Errors
/// It cannot be started or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", name(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", name(command));
    }
    Ok(())
}

/// Runs a command and takes what it prints.
///
/// # Errors
/// It cannot be started, fails, or prints something other than text.
pub fn stdout(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", name(command)))?;
    if !output.status.success() {
        bail!("{} failed: {}", name(command), output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn name(command: &Command) -> String {
    let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
    format!("`{} {}`", command.get_program().to_string_lossy(), args.join(" "))
}

/// Whether a program is on the path.
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Our folder in the user's cache.
///
/// # Errors
/// Neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache_dir() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .context("set XDG_CACHE_HOME or HOME: a cache folder is needed")?;
    Ok(base.join("ml-connector"))
}

/// Waits until no other process holds this lock; it is let go when the file is dropped.
///
/// # Errors
/// The file cannot be made or locked.
pub fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Where cargo builds, and the root of the workspace.
pub struct Folders {
    /// Cargo's target folder.
    pub target: PathBuf,
    /// The workspace.
    pub root: PathBuf,
}

/// Asks cargo for its folders.
///
/// # Errors
/// Cargo does not answer.
pub fn folders() -> Result<Folders> {
    let text = stdout(Command::new("cargo").args(["metadata", "--format-version=1", "--no-deps"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    let path = |key: &str| -> Result<PathBuf> {
        Ok(PathBuf::from(metadata[key].as_str().with_context(|| format!("cargo metadata has no {key}"))?))
    };
    Ok(Folders { target: path("target_directory")?, root: path("workspace_root")? })
}
