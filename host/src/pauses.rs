//! Pauses of calls, kept in the store: a restart goes on waiting where the process before it was.

use std::sync::Arc;

use async_trait::async_trait;
use ml_connector_ports::{Pause, PauseMemory, SourceError};
use ml_connector_storage::{Change, Store, StoreError, StoredPause};

/// The store, as the client for Amazon sees it.
pub(crate) struct StoredPauses(pub(crate) Arc<dyn Store>);

fn failed(error: StoreError) -> SourceError {
    SourceError::Refused { code: "AMZ-PAUSE", message: error.to_string() }
}

#[async_trait]
impl PauseMemory for StoredPauses {
    async fn pause(&self, key: &str) -> Result<Option<Pause>, SourceError> {
        let stored = self.0.pause(key).await.map_err(failed)?;
        Ok(stored.map(|StoredPause { attempt, until }| Pause { attempt, until }))
    }

    async fn keep(&self, key: &str, pause: Option<Pause>) -> Result<(), SourceError> {
        let pause = pause.map(|Pause { attempt, until }| StoredPause { attempt, until });
        self.0.apply(vec![Change::Pause { key: key.to_owned(), pause }]).await.map_err(failed)
    }
}
