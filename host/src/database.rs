//! Where the database is: a file of SQLite's, or a PostgreSQL server.

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::Arc;

use ml_connector_storage::{Fit, PostgresStore, SqliteStore, Store, StoreError};
use secrecy::{ExposeSecret as _, SecretString};

use crate::app::read_secret;
use crate::config::Config;
use crate::keys::variable;

type Failure = Box<dyn std::error::Error>;

/// Where the database is. The address of a server holds a password.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A file.
    File(PathBuf),
    /// An address, `postgres://...`.
    Server(SecretString),
}

impl Place {
    /// What the configuration says.
    ///
    /// # Errors
    /// The address stands in a file or variable that cannot be read.
    pub(crate) fn of(config: &Config) -> Result<Self, Failure> {
        if let Some(path) = &config.database_url_file {
            return Ok(Self::Server(read_secret(&config.path(path))?));
        }
        if let Some(name) = &config.database_url_variable {
            let missing = || {
                format!("CFG-VALUE: database_url_variable: the environment has no {name} with the address")
            };
            return Ok(Self::Server(variable(name).ok_or_else(missing)?));
        }
        let path = config.database.as_deref().ok_or("CFG-VALUE: database: name the file")?;
        Ok(Self::File(config.path(path)))
    }

    /// Holds a file for this daemon alone, for as long as what is returned is kept. Daemons share a server by leases.
    ///
    /// # Errors
    /// Another daemon holds it.
    pub(crate) fn hold_alone(&self) -> Result<Option<File>, Failure> {
        let Self::File(path) = self else { return Ok(None) };
        let mut beside = path.clone().into_os_string();
        beside.push(".lock");
        let beside = PathBuf::from(beside);
        let failed = |error| format!("STO-LOCK: cannot write {}: {error}", beside.display());
        let file = File::create(&beside).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Err(format!(
                "STO-IN-USE: another daemon works with {}: stop it first; several daemons need PostgreSQL (database_url_file)",
                path.display()
            )
            .into()),
            Err(TryLockError::Error(error)) => Err(failed(error).into()),
        }
    }

    /// Opens the store and brings it up to date.
    ///
    /// # Errors
    /// It cannot be opened, or was made by a newer version.
    pub(crate) async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::File(path) => Arc::new(SqliteStore::open(path).await?),
            Self::Server(url) => Arc::new(PostgresStore::open(url.expose_secret()).await?),
        })
    }

    /// Opens the store to read it only, as it is and as of now.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(crate) async fn open_to_read(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::File(path) => Arc::new(SqliteStore::open_to_read(path).await?),
            Self::Server(url) => Arc::new(PostgresStore::open_to_read(url.expose_secret()).await?),
        })
    }

    /// Whether it is of this version; changes nothing.
    ///
    /// # Errors
    /// It cannot be read, or is no database of ours.
    pub(crate) async fn fit(&self) -> Result<Fit, StoreError> {
        match self {
            Self::File(path) => SqliteStore::fit(path).await,
            Self::Server(url) => PostgresStore::fit(url.expose_secret()).await,
        }
    }

    /// For people.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Server(_) => "the PostgreSQL database".to_owned(),
        }
    }
}
