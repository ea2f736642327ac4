//! What a run leaves behind: its log verifies, whatever is done to it is found at its place (`log`), every line is
//! explained and hledger balances the books (`books`), and an auditor can check the evidence with a shell (`evidence`).

mod books;
mod evidence;
mod left;
mod log;

use ml_connector_domain::Date;
use ml_connector_storage::{AuditLog as _, RecordedDocument, SqliteStore};

use crate::process::{Installed, words};
use crate::support::small;

/// A daemon that has run to the end of its scenario.
async fn ran(name: &str, seed: u64) -> Installed {
    let installed = Installed::start(name, small(seed)).await;
    let end = installed.simulator.world.scenario.end.to_string();
    let output = installed.run(&["serve", "--until", &end]).await;
    assert!(output.status.success(), "{}", words(&output));
    installed
}

/// All confirmed documents.
async fn confirmed(installed: &Installed) -> Vec<RecordedDocument> {
    let store = SqliteStore::open_to_read(&installed.path("connector.sqlite")).await.expect("opens");
    let documents = store.confirmed_documents(Date::MIN, Date::MAX, None).await.expect("reads");
    store.close().await;
    documents
}
