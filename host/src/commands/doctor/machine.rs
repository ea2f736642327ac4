//! What this machine gives the daemon: disk, files, database.

use std::path::Path;

use ml_connector_audit::note::VerifyingKey;
use ml_connector_storage::Fit;

use super::super::backup::refuse_a_copy;
use super::Finding;
use crate::config::Config;
use crate::database::Place;
use crate::keys::KeySource;

/// A month of a busy seller with everything that is kept takes less.
const DISK_FREE_BYTES: u64 = 1 << 30;
/// Files beside connections: the database, its log, components, and what the runtime opens.
const OTHER_FILES: u64 = 256;

/// Room on the disk, and how many files may be open.
pub(super) fn limits(config: &Config) -> Vec<Finding> {
    // Where there is no file, components and checkpoints still stand beside the configuration.
    let database =
        config.database.as_deref().map_or(config.folder.join("database"), |path| config.path(path));
    let folder = existing(database.parent().unwrap_or(Path::new(".")));
    let free = rustix::fs::statvfs(folder).map(|at| at.f_bavail.saturating_mul(at.f_frsize));
    let about = folder.display().to_string();
    let disk = match free {
        Ok(free) if free < DISK_FREE_BYTES => Finding::fault(
            "DOC-DISK",
            about,
            format!("{} MiB are free", free >> 20),
            "make room: the daemon stops writing, and so posting, when the disk is full",
        ),
        Ok(free) => Finding::right("DOC-DISK", about, format!("{} MiB are free", free >> 20)),
        Err(error) => {
            Finding::fault("DOC-DISK", about, error.to_string(), "name a folder that exists, in `database`")
        }
    };
    let wanted = u64::try_from(config.exchanges_max).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = match allowed {
        Some(allowed) if allowed < wanted => Finding::fault(
            "DOC-FILES",
            "open files",
            format!("{allowed} are allowed, {wanted} may be needed"),
            "raise the limit (`ulimit -n`, or LimitNOFILE= in the unit), or lower exchanges_max",
        ),
        _ => Finding::right("DOC-FILES", "open files", format!("{wanted} may be needed and are allowed")),
    };
    vec![disk, files]
}

/// The folder itself, or the nearest one above it that is there.
fn existing(folder: &Path) -> &Path {
    let there = folder.ancestors().find(|one| one.as_os_str().is_empty() || one.exists());
    there.filter(|one| !one.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The master key: there, and nobody else's to read.
pub(super) fn secret_files(config: &Config) -> Vec<Finding> {
    const ABOUT: &str = "master key";
    const CODE: &str = "DOC-KEY";
    let source = match KeySource::of(config) {
        Ok(source) => source,
        Err(error) => {
            return vec![Finding::fault(
                CODE,
                ABOUT,
                error.to_string(),
                "give the process the credential, or name a file",
            )];
        }
    };
    if let Err(error) = source.vault() {
        let remedy = "put the key back from where it is kept: without it no credential opens";
        return vec![Finding::fault(CODE, ABOUT, error.to_string(), remedy)];
    }
    let open = match &source {
        KeySource::File(path) => others_may_read(path).then(|| path.display().to_string()),
        _ => None,
    };
    vec![match open {
        Some(path) => Finding::warning(
            CODE,
            ABOUT,
            format!("{path} can be read by other users of this machine"),
            "chmod 600 it, and consider `keys rotate`",
        ),
        None => Finding::right(CODE, ABOUT, "there, and nobody else's"),
    }]
}

fn others_may_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o077 != 0)
}

/// The check of the database.
const CODE: &str = "DOC-DATABASE";

/// The database: readable, writable, and of this version or an older one.
pub(super) async fn database(config: &Config) -> Finding {
    let place = match Place::of(config) {
        Ok(place) => place,
        Err(error) => {
            let remedy = "give the daemon the address, or name the file with it";
            return Finding::fault(CODE, "the PostgreSQL database", error.to_string(), remedy);
        }
    };
    if let Place::File(path) = &place
        && let Some(found) = file(path)
    {
        return found;
    }
    let about = place.words();
    match place.fit().await {
        Ok(Fit::Current) => Finding::right(CODE, about, "opens, and is of this version"),
        Ok(Fit::Older { missing }) => {
            let seen = format!("{missing} migrations behind this version");
            Finding::warning(CODE, about, seen, "back it up; `serve` brings it up to date when it starts")
        }
        Ok(Fit::Newer) => Finding::fault(
            CODE,
            about,
            "it was written by a newer version of ml-connector",
            "install that version again: nothing goes back",
        ),
        Err(error) => {
            let seen = super::with_causes(&error);
            let remedy = match place {
                Place::File(_) => "restore it from the last backup (host/docs/running.md)",
                Place::Server(_) => "start the server, and look at the address and the user's rights",
            };
            Finding::fault(CODE, about, seen, remedy)
        }
    }
}

/// Whether the database is a copy that nobody put back: `serve` refuses that, too.
pub(super) async fn unrestored(config: &Config) -> Finding {
    const CODE: &str = "DOC-COPY";
    const ABOUT: &str = "what was posted";
    match is_no_copy(config).await {
        Ok(()) => Finding::right(CODE, ABOUT, "the database is no copy, and knows all that was signed"),
        Err(error) => {
            let remedy = "run `ml-connector restore` before the daemon posts (host/docs/running.md, Backups)";
            Finding::fault(CODE, ABOUT, error.to_string(), remedy)
        }
    }
}

async fn is_no_copy(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let store = Place::of(config)?.open_to_read().await?;
    let key = store.log_key().await?.map(|key| VerifyingKey::parse(&key)).transpose()?;
    let file = config.path(&config.audit.checkpoints);
    let told = refuse_a_copy(&*store, key.as_ref(), &file).await;
    store.close().await;
    told
}

/// What is wrong with a file before it is opened.
fn file(path: &Path) -> Option<Finding> {
    let about = path.display().to_string();
    if !path.exists() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return Some(if rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok() {
            let remedy = "run `credentials import`, then `doctor` again";
            Finding::warning(CODE, about, "not there yet: the first command that writes makes it", remedy)
        } else {
            Finding::fault(
                CODE,
                about,
                "its folder is not there or cannot be written",
                "make the folder, or give it to the daemon's user",
            )
        });
    }
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err().then(|| {
        Finding::fault(
            CODE,
            about,
            "it cannot be written",
            "give the file and its folder to the daemon's user",
        )
    })
}
