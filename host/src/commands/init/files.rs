//! Writes the files of a new configuration: for their owner only, and over nothing.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rand::Rng as _;

use super::{Draft, Failure};
use crate::app::entropy;
use crate::config::ConfigError;

/// The catalog's file.
pub(super) const CATALOG: &str = "catalog.csv";
/// The master key's.
pub(super) const KEY: &str = "master.key";

/// Refuses to begin where a configuration or a catalog stands already. A master key that is there is taken.
///
/// # Errors
/// `INI-EXISTS`.
pub(super) fn refuse_what_is_there(config: &Path, folder: &Path) -> Result<(), Failure> {
    for path in [config.to_owned(), folder.join(CATALOG)] {
        if path.exists() {
            return Err(format!(
                "INI-EXISTS: {} exists, and nothing is written over: give another place with --config, or move it away",
                path.display()
            )
            .into());
        }
    }
    Ok(())
}

/// Writes everything; the configuration last, and only once `check` finds it right. What was written before a failure is
/// taken back.
///
/// # Errors
/// A file exists or cannot be written, or the configuration is not right.
pub(super) fn write(
    config: &Path,
    folder: &Path,
    draft: &Draft,
    check: impl FnOnce(&Path) -> Result<(), ConfigError>,
) -> Result<Vec<PathBuf>, Failure> {
    let mut written = Vec::new();
    let result = write_all(config, folder, draft, check, &mut written);
    if result.is_err() {
        for path in &written {
            let _gone = std::fs::remove_file(path);
        }
    }
    result.map(|()| written)
}

fn write_all(
    config: &Path,
    folder: &Path,
    draft: &Draft,
    check: impl FnOnce(&Path) -> Result<(), ConfigError>,
    written: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    let mut put = |path: PathBuf, text: &str| -> Result<(), Failure> {
        create(&path, text)?;
        written.push(path);
        Ok(())
    };
    if !folder.as_os_str().is_empty() {
        std::fs::create_dir_all(folder)?;
    }
    for (name, secret) in &draft.secrets {
        put(folder.join(name), secret)?;
    }
    put(folder.join(CATALOG), &draft.catalog)?;
    let key = folder.join(KEY);
    if !key.exists() {
        put(key, &new_key())?;
    }
    let text = format!(
        "# Made by `ml-connector init`; host/docs/configuration.md tells every key, `ml-connector config check` checks it.\n\n{}",
        toml::to_string(&draft.config)?
    );
    put(config.to_owned(), &text)?;
    Ok(check(config)?)
}

fn create(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| format!("INI-WRITE: cannot write {}: {error}", path.display());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(())
}

/// 64 hexadecimal digits.
fn new_key() -> String {
    let mut bytes = [0_u8; 32];
    entropy().fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
