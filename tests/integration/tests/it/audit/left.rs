//! What a run left behind, to be copied, altered by somebody with all rights, and verified.

use std::path::{Path, PathBuf};

use ml_connector_audit::checkpoints::{self, Placed};
use ml_connector_audit::note::VerifyingKey;
use ml_connector_audit::verify::{Verdict, verify};
use ml_connector_domain::audit::Leaf;
use ml_connector_domain::audit::checkpoint::Checkpoint;
use ml_connector_domain::audit::merkle::{Frontier, Hash};
use ml_connector_storage::{AuditLog as _, LoggedEvent, SqliteStore};
use sqlx::sqlite::SqliteConnectOptions;

use crate::process::Installed;

/// A log with its checkpoints and its key.
pub(super) struct Left {
    folder: PathBuf,
    pub(super) database: PathBuf,
    pub(super) key: VerifyingKey,
    pub(super) outside: Vec<Placed>,
    pub(super) events: Vec<LoggedEvent>,
    pub(super) checkpoints: Vec<Checkpoint>,
    copies: u32,
}

impl Left {
    pub(super) async fn by(installed: &Installed) -> Self {
        let database = installed.path("connector.sqlite");
        let store = SqliteStore::open_to_read(&database).await.expect("opens");
        let key = store.log_key().await.expect("reads").expect("a key");
        let key = VerifyingKey::parse(&key).expect("a key");
        let events = store.log_events(0, 1_000_000).await.expect("reads");
        let outside = checkpoints::read(&installed.path("audit.checkpoints")).expect("reads");
        let checkpoints =
            outside.iter().map(|placed| key.checkpoint(&placed.note).expect("signed")).collect();
        store.close().await;
        Self { folder: installed.folder.0.clone(), database, key, outside, events, checkpoints, copies: 0 }
    }

    /// A copy of the database in which somebody with all rights ran these statements.
    pub(super) async fn altered(&mut self, statements: &[String]) -> PathBuf {
        self.copies += 1;
        let copy = self.folder.join(format!("copy-{}.sqlite", self.copies));
        std::fs::copy(&self.database, &copy).expect("copies");
        let options = SqliteConnectOptions::new().filename(&copy);
        let pool = sqlx::SqlitePool::connect_with(options).await.expect("opens");
        let triggers = [
            "audit_event_is_never_changed",
            "audit_event_is_never_removed",
            "audit_checkpoint_is_never_changed",
            "audit_checkpoint_is_never_removed",
        ];
        let drops = triggers.iter().map(|name| format!("DROP TRIGGER {name}"));
        for statement in drops.chain(statements.iter().cloned()) {
            let done = sqlx::query(sqlx::AssertSqlSafe(statement.clone())).execute(&pool).await;
            done.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        pool.close().await;
        copy
    }

    pub(super) async fn verdict(&self, database: &Path) -> Verdict {
        let store = SqliteStore::open_to_read(database).await.expect("opens");
        let verdict = verify(&store, &self.outside, &self.key).await.expect("reads");
        store.close().await;
        verdict
    }

    /// Alters a copy, verifies it, and has the finding of this code at this event.
    pub(super) async fn assert_found(
        &mut self,
        statements: &[String],
        code: &str,
        event: impl Into<Option<i64>>,
    ) -> Verdict {
        let copy = self.altered(statements).await;
        let verdict = self.verdict(&copy).await;
        let event = event.into();
        let found = verdict.findings.iter().any(|finding| {
            finding.code == code
                && finding.event == event
                && event.is_none_or(|id| finding.message.contains(&id.to_string()))
        });
        assert!(found, "{code} at {event:?} after {statements:?}: {:?}", verdict.findings);
        std::fs::remove_file(copy).expect("removes");
        verdict
    }

    pub(super) fn event(&self, id: i64) -> &LoggedEvent {
        &self.events[usize::try_from(id - 1).expect("positive")]
    }

    pub(super) fn last(&self) -> i64 {
        i64::try_from(self.events.len()).expect("small")
    }
}

pub(super) fn text(column: &Option<Vec<u8>>) -> String {
    String::from_utf8(column.clone().expect("is set")).expect("text")
}

/// The leaf of an event with another detail, or another number.
pub(super) fn leaf(event: &LoggedEvent, id: i64, detail: Option<&str>) -> Hash {
    let own = text(&event.detail);
    Leaf {
        id,
        at: text(&event.at).parse().expect("a number"),
        seller: &text(&event.seller),
        subject: &text(&event.subject),
        action: &text(&event.action),
        detail: detail.unwrap_or(&own),
    }
    .hash()
}

/// Statements that put the log's end where these leaves put it.
pub(super) fn end_of(leaves: &[Hash]) -> String {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    let peaks: String = frontier.stored_peaks().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("UPDATE audit_log SET size = {}, peaks = x'{peaks}'", frontier.size())
}
