//! Whether a database is of this version, found out without changing it.

use sqlx::migrate::Migrator;

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

impl Fit {
    /// Compares the migrations that a database has with the program's.
    pub(crate) fn of(own: &Migrator, applied: &[i64]) -> Self {
        if applied.iter().any(|version| !own.version_exists(*version)) {
            return Self::Newer;
        }
        match own.iter().filter(|migration| !applied.contains(&migration.version)).count() {
            0 => Self::Current,
            missing => Self::Older { missing },
        }
    }
}
