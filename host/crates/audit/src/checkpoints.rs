//! Making checkpoints, and the file beside the database that an operator takes elsewhere.
//!
//! A chain of hashes alone does not show that its tail was cut. What does is a signed statement of how long the log
//! was, kept where who cuts the log does not reach.

use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use ml_connector_domain::Timestamp;
use ml_connector_domain::audit::checkpoint::Checkpoint;
use ml_connector_storage::{Change, Store, StoreError};

use crate::note::SigningKey;
use crate::{AuditError, Result};

/// A note with where it was found, e.g. `audit.checkpoints:12`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Where.
    pub place: String,
    /// The note.
    pub note: String,
}

/// Signs the log as it stands and keeps the checkpoint in the store and at the end of `file`. Nothing is signed twice:
/// where nothing was appended since the newest checkpoint, that one is given.
///
/// # Errors
/// The store or the file failed, or the log is shorter than what was signed of it.
pub async fn write(
    store: &dyn Store,
    key: &SigningKey,
    file: &Path,
    now: Timestamp,
) -> Result<Option<Checkpoint>> {
    // First: other daemons append and sign meanwhile, and what they signed later must not seem to be cut off.
    let newest = store.newest_checkpoint().await?;
    let Some(frontier) = store.log_frontier().await? else {
        return Err(AuditError::Log(
            "the log's end cannot be read: run `ml-connector audit verify`".to_owned(),
        ));
    };
    let signed = newest.as_ref().map_or(0, |row| u64::try_from(row.size).unwrap_or(0));
    let size = frontier.size();
    if signed > size {
        return Err(AuditError::Behind { signed, size });
    }
    let note = match newest {
        Some(newest) if signed == size => newest.note,
        _ if size == 0 => return Ok(None),
        _ => {
            let origin = key.public().name().to_owned();
            let note = key.sign(&Checkpoint { origin, size, root: frontier.root(), at: now }.text());
            match store.apply(vec![Change::Checkpoint { size, at: now, note: note.clone() }]).await {
                Ok(()) => note,
                // Another daemon signed as much: its checkpoint is the one.
                Err(StoreError::Twice { .. }) => {
                    store.newest_checkpoint().await?.map_or(note, |newest| newest.note)
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    append(file, &note)?;
    key.public().checkpoint(&note).map(Some).map_err(|why| {
        AuditError::Log(format!("the newest checkpoint is not ours: {why}: run `ml-connector audit verify`"))
    })
}

/// Appends a note to the file, unless it ends with it: a process may have ended between store and file.
fn append(path: &Path, note: &str) -> Result<()> {
    let failed =
        |source: std::io::Error| AuditError::File { what: "write", path: path.display().to_string(), source };
    let block = format!("{note}\n");
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut tail = String::new();
    file.seek(SeekFrom::Start(length.saturating_sub(block.len() as u64))).map_err(failed)?;
    // A file that does not end in text is not ours; verification says so.
    let _no_text = file.read_to_string(&mut tail);
    if tail == block {
        return Ok(());
    }
    file.write_all(block.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// Reads a file of checkpoints. What is no note is given, too: verification names its place.
///
/// # Errors
/// The file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Placed>> {
    let bytes = std::fs::read(path).map_err(|source| AuditError::File {
        what: "read",
        path: path.display().to_string(),
        source,
    })?;
    Ok(blocks(&path.display().to_string(), &String::from_utf8_lossy(&bytes)))
}

/// Each block ends with its signature lines.
fn blocks(name: &str, text: &str) -> Vec<Placed> {
    let mut found: Vec<Placed> = Vec::new();
    let (mut open, mut signed) = (false, false);
    for (line, number) in text.lines().zip(1_u32..) {
        let signature = line.starts_with('\u{2014}');
        if open && signed && !signature {
            open = false;
        }
        if !open {
            if line.is_empty() {
                continue;
            }
            found.push(Placed { place: format!("{name}:{number}"), note: String::new() });
            (open, signed) = (true, false);
        }
        signed |= signature;
        if let Some(last) = found.last_mut() {
            last.note.push_str(line);
            last.note.push('\n');
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::tests::key;

    #[test]
    fn a_file_of_checkpoints_is_read_block_by_block() {
        let (one, two) = (key(1).sign("a\nb\n"), key(1).sign("c\n"));
        let path = std::env::temp_dir().join(format!("ml-connector-blocks-{}", std::process::id()));
        let _left_over = std::fs::remove_file(&path);
        for note in [&one, &one, &two, &two] {
            append(&path, note).expect("writes");
        }
        let found = read(&path).expect("reads");
        assert_eq!(found.iter().map(|placed| placed.note.clone()).collect::<Vec<_>>(), [one, two]);
        assert!(found[0].place.ends_with(":1") && found[1].place.ends_with(":6"), "{found:?}");
        std::fs::remove_file(&path).expect("removes");
        assert!(read(&path).expect_err("gone").to_string().starts_with("AUD-FILE"));
    }

    #[test]
    fn what_is_no_note_keeps_its_place() {
        let good = key(1).sign("a\n");
        let found = blocks("f", &format!("torn\n{good}\n{good}"));
        let places: Vec<&str> = found.iter().map(|placed| placed.place.as_str()).collect();
        assert_eq!(places, ["f:1", "f:6"], "the torn block takes the next with it, and only that: {found:?}");
        assert!(key(1).public().open(&found[1].note).is_ok() && blocks("f", "\n\n").is_empty());
    }
}
