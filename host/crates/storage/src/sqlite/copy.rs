//! Copies of a database file.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ml_connector_domain::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection, query};

use super::SqliteStore;
use super::rows::millis;
use crate::{AuditLog as _, Result, StoreError, failed};

impl SqliteStore {
    /// Writes a copy of the database to a new file that only its owner may read, as of one moment, while others go on
    /// writing. The copy says of itself that it is one. Returns how many audit events it holds.
    ///
    /// # Errors
    /// The file exists, the folder cannot be written, or the disk is full; nothing is left behind then.
    pub async fn back_up(&self, to: &Path, at: Timestamp) -> Result<u64> {
        let io = |source| StoreError::Copy { path: to.display().to_string(), source };
        // SQLite writes into an empty file; made by us, it belongs to us alone before its first byte.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(io)?;
        let copied = self.copy_into(to, at).await;
        if copied.is_err() {
            let _gone = std::fs::remove_file(to);
        }
        let events = copied?;
        file.sync_all().map_err(io)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
        Ok(events)
    }

    async fn copy_into(&self, to: &Path, at: Timestamp) -> Result<u64> {
        query("VACUUM INTO $1")
            .bind(to.display().to_string())
            .execute(&self.pool)
            .await
            .map_err(failed("copying the database"))?;
        let opened = Self::open_to_read(to).await?;
        let frontier = opened.log_frontier().await;
        opened.close().await;
        let events = frontier?.map_or(0, |frontier| frontier.size());
        // Not through a pool: the copy stays one file, without a log of its own beside it.
        let open = |source| StoreError::Open { path: to.display().to_string(), source };
        let mut copy =
            SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(to)).await.map_err(open)?;
        query("INSERT INTO restoration (taken_at, events) VALUES ($1, $2)")
            .bind(millis(at))
            .bind(i64::try_from(events).unwrap_or(i64::MAX))
            .execute(&mut copy)
            .await
            .map_err(failed("marking the copy"))?;
        copy.close().await.map_err(failed("closing the copy"))?;
        Ok(events)
    }
}
