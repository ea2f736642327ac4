//! Where the master key comes from, and how it is changed.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use ml_connector_remote::{MasterKey, Vault};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::Config;

/// Where the master key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// A file.
    File(PathBuf),
    /// A file that systemd made for this process and nobody can write.
    Credential(PathBuf),
    /// An environment variable.
    Variable(String),
}

/// The folder in which systemd puts a unit's credentials.
const SYSTEMD_FOLDER: &str = "CREDENTIALS_DIRECTORY";

type Failure = Box<dyn std::error::Error>;

impl KeySource {
    /// What the configuration says.
    ///
    /// # Errors
    /// A systemd credential is wanted and this process was given none.
    pub(crate) fn of(config: &Config) -> Result<Self, Failure> {
        if let Some(name) = &config.master_key_variable {
            return Ok(Self::Variable(name.clone()));
        }
        if let Some(name) = &config.master_key_credential {
            let folder = variable(SYSTEMD_FOLDER).ok_or(
                "KEY-MISSING: systemd gave this process no credentials: write LoadCredential= in the unit",
            )?;
            return Ok(Self::Credential(Path::new(folder.expose_secret()).join(name)));
        }
        let path = config.master_key_file.as_deref().unwrap_or(Path::new("master.key"));
        Ok(Self::File(config.path(path)))
    }

    fn read(&self) -> Result<SecretString, Failure> {
        match self {
            Self::File(path) | Self::Credential(path) => {
                std::fs::read_to_string(path).map(SecretString::from).map_err(|error| {
                    format!("KEY-MISSING: cannot read the master key {}: {error}", path.display()).into()
                })
            }
            Self::Variable(name) => variable(name).ok_or_else(|| {
                format!("KEY-MISSING: the environment has no {name} with the master key").into()
            }),
        }
    }

    /// A vault under the keys that are there now.
    ///
    /// # Errors
    /// There is no key, or what is there is none.
    pub(crate) fn vault(&self) -> Result<Vault, Failure> {
        Ok(Vault::new(MasterKey::parse_all(&self.read()?)?))
    }

    /// Puts a new key before the one there is, if there is one and it can be written.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn add_new(&self, rng: &mut impl rand::CryptoRng) -> Result<(), Failure> {
        let before = self.read()?;
        let keys = MasterKey::parse_all(&before)?.len();
        match self {
            Self::File(path) if keys == 1 => {
                let new = MasterKey::generate(rng);
                let both = format!("{}\n{}\n", new.expose_secret(), before.expose_secret().trim());
                write(path, &both.into())
            }
            // Somebody has put a new key before the old one already.
            _ if keys > 1 => Ok(()),
            _ => {
                Err("KEY-ONE: put the new key before the old one, parted by a comma, and run this again"
                    .into())
            }
        }
    }

    /// Leaves the first key only; says whether that is for this process to do.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn drop_old(&self) -> Result<bool, Failure> {
        let Self::File(path) = self else { return Ok(false) };
        let all = self.read()?;
        let first =
            all.expose_secret().split(|c: char| c.is_whitespace() || c == ',').find(|part| !part.is_empty());
        write(path, &format!("{}\n", first.unwrap_or_default()).into())?;
        Ok(true)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where a secret is taken from the environment")]
pub(crate) fn variable(name: &str) -> Option<SecretString> {
    std::env::var(name).ok().filter(|text| !text.trim().is_empty()).map(SecretString::from)
}

/// Replaces a file as a whole: whoever reads it meanwhile sees the old one or the new one.
fn write(path: &Path, text: &SecretString) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let beside = path.with_extension("new");
    let failed = |error: std::io::Error| format!("KEY-WRITE: cannot write {}: {error}", beside.display());
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .map_err(failed)?;
    file.write_all(text.expose_secret().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)?;
    Ok(())
}
