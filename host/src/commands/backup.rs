//! `backup` and `restore`: a copy of the database while the daemon runs, and putting it back without posting anything twice.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ml_connector_audit::note::VerifyingKey;
use ml_connector_audit::{checkpoints, verify};
use ml_connector_domain::SellerId;
use ml_connector_domain::Timestamp;
use ml_connector_pipeline::restored;
use ml_connector_storage::{SqliteStore, Store};
use serde_json::json;

use super::audit::{NotAsItWas, compare_with_file};
use super::{Outcome, say};
use crate::app::clock_of;
use crate::config::Config;
use crate::database::Place;

type Failure = Box<dyn std::error::Error>;

/// Writes a copy of the database to a new file.
pub(crate) async fn backup(config: Config, to: &Path, as_json: bool) -> Outcome {
    let Place::File(database) = Place::of(&config)? else {
        return Err("STO-BACKUP: a server's database is copied by pg_dump, or by its own archive".into());
    };
    if !database.exists() {
        return Err(no_database(&database).into());
    }
    let taken_at = clock_of(&config).await?.shared().now();
    let store = SqliteStore::open(&database).await?;
    let copied = store.back_up(to, taken_at).await;
    store.close().await;
    let events = copied?;
    let bytes = std::fs::metadata(to)?.len();
    if as_json {
        let said = json!({ "file": to, "bytes": bytes, "events": events, "taken_at": taken_at });
        say(&said.to_string());
    } else {
        say(&format!("{}: {bytes} bytes with {events} audit events, as of {taken_at}", to.display()));
        say("it is of use with the master key and the file of checkpoints only: keep those elsewhere");
    }
    Ok(())
}

/// Puts a copy in the database's place, or takes the file that stands there for one; verifies its log first and marks it,
/// so that the daemon looks up what may have been posted since.
pub(crate) async fn restore(config: Config, from: Option<PathBuf>, as_json: bool) -> Outcome {
    let place = Place::of(&config)?;
    let _alone = place.hold_alone()?;
    let brought = match (&from, &place) {
        (Some(copy), Place::File(database)) => Some(bring(copy, database)?),
        (Some(_), Place::Server(_)) => {
            return Err(
                "STO-RESTORE: put a server's dump back by pg_restore, then run `restore` without --from"
                    .into(),
            );
        }
        (None, Place::File(database)) if !database.exists() => return Err(no_database(database).into()),
        (None, _) => None,
    };
    let there = brought.clone().map_or_else(|| place.clone(), Place::File);
    let done = verify_and_mark(&config, &there).await;
    if let (Err(_), Some(brought)) = (&done, &brought) {
        let _gone = std::fs::remove_file(brought);
    }
    let marked = done?;
    if let (Some(brought), Place::File(database)) = (&brought, &place) {
        std::fs::rename(brought, database)?;
    }
    let database = place.words();
    let lost = marked.newest.filter(|newest| *newest > marked.events);
    let aside = lost.map(|_| set_aside(&config, marked.at)).transpose()?;
    if as_json {
        let said = json!({
            "database": database, "events": marked.events, "restored_at": marked.at,
            "events_signed": marked.newest, "old_checkpoints": aside,
        });
        say(&said.to_string());
        return Ok(());
    }
    say(&format!("{database}: {} audit events, and the log is as it was written", marked.events));
    if let (Some(newest), Some(aside)) = (lost, &aside) {
        say(&format!(
            "events {} to at least {newest} are lost; what was signed of them stands in {}: keep it for the auditor",
            marked.events + 1,
            aside.display()
        ));
    }
    say("what may have been posted since the copy is looked up before it is sent: the daemon can be started");
    Ok(())
}

fn no_database(database: &Path) -> String {
    format!("STO-RESTORE: there is no database {}: name the copy with --from", database.display())
}

/// Copies the copy beside the database's place; nothing is put over anything.
fn bring(copy: &Path, database: &Path) -> Result<PathBuf, Failure> {
    for end in ["", "-wal", "-shm"] {
        let there = PathBuf::from(format!("{}{end}", database.display()));
        if there.exists() {
            return Err(format!(
                "STO-RESTORE: {} exists: stop the daemon, move it away with its -wal and -shm, and try again",
                there.display()
            )
            .into());
        }
    }
    let beside = PathBuf::from(format!("{}.restoring", database.display()));
    let _left_over = std::fs::remove_file(&beside);
    let failed = |error: std::io::Error| {
        format!("STO-RESTORE: cannot copy {} to {}: {error}", copy.display(), beside.display())
    };
    let mut from = std::fs::File::open(copy).map_err(failed)?;
    let mut to = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
    let copied = to.as_mut().map_err(|error| std::io::Error::new(error.kind(), error.to_string()));
    let copied = copied.and_then(|to| {
        std::io::copy(&mut from, to)?;
        to.flush()?;
        to.sync_all()
    });
    if let Err(error) = copied {
        let _gone = std::fs::remove_file(&beside);
        return Err(failed(error).into());
    }
    Ok(beside)
}

/// What was put back.
struct Marked {
    at: Timestamp,
    /// Audit events in the copy.
    events: u64,
    /// The most events that the file of checkpoints tells of.
    newest: Option<u64>,
}

async fn verify_and_mark(config: &Config, place: &Place) -> Result<Marked, Failure> {
    let (events, newest) = verified(config, place).await?;
    let at = clock_of(config).await?.shared().now();
    let store = place.open().await?;
    let sellers: Vec<SellerId> = config.sellers.iter().map(|seller| seller.id.clone()).collect();
    let marked = restored::mark(&*store, &sellers, events, at).await;
    store.close().await;
    marked?;
    Ok(Marked { at, events, newest })
}

/// Verifies the copy's log as far as it goes; says how far that is, and how far the checkpoints go.
async fn verified(config: &Config, place: &Place) -> Result<(u64, Option<u64>), Failure> {
    let store = place.open_to_read().await?;
    let named = store.log_key().await;
    let named = named.map_err(|error| format!("STO-RESTORE: {} holds no audit log: {error}", place.words()));
    let Some(named) = named? else {
        store.close().await;
        // Nothing was ever signed: a daemon never ran on it.
        return Ok((0, None));
    };
    let key = VerifyingKey::parse(&named)?;
    let events = store.log_frontier().await?.map_or(0, |frontier| frontier.size());
    let outside = config.path(&config.audit.checkpoints);
    let placed = if outside.exists() { checkpoints::read(&outside)? } else { Vec::new() };
    let size = |placed: &checkpoints::Placed| key.checkpoint(&placed.note).ok().map(|signed| signed.size);
    let newest = placed.iter().filter_map(size).max();
    // What was signed later is of events that the copy cannot have.
    let known: Vec<_> =
        placed.into_iter().filter(|one| size(one).is_none_or(|size| size <= events)).collect();
    let verdict = verify::verify(&*store, &known, &key).await?;
    store.close().await;
    if verdict.findings.is_empty() {
        return Ok((events, newest));
    }
    verdict.findings.iter().for_each(|finding| say(&finding.to_string()));
    Err(Box::new(NotAsItWas::found(verdict.findings.len())))
}

/// Moves the file of checkpoints away: it tells of events that the database lost, and the log goes on differently.
fn set_aside(config: &Config, at: Timestamp) -> Result<PathBuf, Failure> {
    let file = config.path(&config.audit.checkpoints);
    let aside = PathBuf::from(format!("{}.until-{}", file.display(), at.strftime("%Y%m%dT%H%M%SZ")));
    if aside.exists() {
        return Err(format!("STO-RESTORE: {} exists: move it away and try again", aside.display()).into());
    }
    std::fs::rename(&file, &aside)?;
    Ok(aside)
}

/// Refuses to post from a copy that nobody put back: it does not know what was posted since. `key` is the one that the log
/// is signed with, if it ever was.
///
/// # Errors
/// It is one, by its own word or by the file of checkpoints, or that could not be found out.
pub(crate) async fn refuse_a_copy(store: &dyn Store, key: Option<&VerifyingKey>, file: &Path) -> Outcome {
    let state = store.restoration().await?;
    if state.is_copy {
        let taken = state.taken_at.map(|at| format!(", taken at {at}")).unwrap_or_default();
        return Err(format!(
            "STO-IS-COPY: this database is a copy{taken}, and does not know what was posted since: run `ml-connector restore`"
        )
        .into());
    }
    match key {
        Some(key) => compare_with_file(store, key, file).await,
        None => Ok(()),
    }
}
