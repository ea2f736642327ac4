//! Whether a file is of this version, found out without changing it.

use std::path::Path;

use super::{MIGRATIONS, SqliteStore, failed};
use crate::Result;

/// How a database stands to this version of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It has every migration.
    Current,
    /// It lacks some, which opening it adds.
    Older {
        /// How many.
        missing: usize,
    },
    /// It has one that this version does not know.
    Newer,
}

impl SqliteStore {
    /// Compares a file's migrations with the program's.
    ///
    /// # Errors
    /// It is missing or no database of ours.
    pub async fn fit(path: &Path) -> Result<Fit> {
        let store = Self::open_to_read(path).await?;
        let applied: std::result::Result<Vec<i64>, _> =
            sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
                .fetch_all(&store.pool)
                .await;
        store.close().await;
        let applied = applied.map_err(failed("reading which migrations it has"))?;
        if applied.iter().any(|version| !MIGRATIONS.version_exists(*version)) {
            return Ok(Fit::Newer);
        }
        let missing = MIGRATIONS.iter().filter(|own| !applied.contains(&own.version)).count();
        Ok(if missing == 0 { Fit::Current } else { Fit::Older { missing } })
    }
}
