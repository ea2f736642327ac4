//! A dump of a PostgreSQL database that is put back: the daemon goes on without doubling or losing anything.

use ml_connector_simulator::scenario::ScenarioOptions;
use ml_connector_test_postgres::Database;
use serde_json::Value;

use crate::process::Installed;
use crate::restored::{Posted, assert_goes_on, copy_post_and_kill, more};
use crate::support::small;

/// What of each kind was found although the database had never sent it.
fn found_after_restore(database: &Database, letter: &str) -> u32 {
    let found = database.ask(&format!(
        "SELECT count(*) FROM audit_event WHERE action = 'looked_up' AND detail LIKE '{letter}%found-after-restore%'"
    ));
    found.parse().expect("a count")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_that_is_put_back_into_a_fresh_database_goes_on_without_doubling_or_losing_anything() {
    let (Some(lost), Some(fresh)) = (Database::fresh(), Database::fresh()) else { return };
    if !lost.can_be_dumped() {
        return;
    }
    let options = ScenarioOptions { days: 30, orders_per_day: 4, unmapped_percent: 0, ..small(404) };
    let installed = Installed::start("restored-postgres", options).await;
    installed.move_to(&lost).await;
    // A lease of the daemon that is killed is in the dump, and is waited for.
    installed.configure(|config| {
        config.insert("cluster".to_owned(), toml::toml! { lease_seconds = 3 }.into());
    });
    let dump = installed.path("connector.dump");
    let enough = |now: &Posted| now["journal_batches"] >= 1 && now["credit_memos"] > 0;
    copy_post_and_kill(&installed, enough, async || lost.dump(&dump), more).await;

    fresh.load(&dump);
    std::fs::write(installed.path("database.url"), fresh.url()).expect("writes");
    let refused = installed.refused(&["serve"]).await;
    assert!(refused.contains("AUD-BEHIND"), "it posts from a copy: {refused}");
    let from = installed.refused(&["restore", "--from", &dump.display().to_string()]).await;
    assert!(from.contains("STO-RESTORE") && from.contains("pg_restore"), "{from}");
    let said: Value = serde_json::from_str(&installed.said(&["restore", "--json"]).await).expect("JSON");
    assert!(said["events_signed"].as_u64() > said["events"].as_u64(), "{said}");
    assert_goes_on(&installed).await;
    let [invoices, journals] = ["I", "J"].map(|letter| found_after_restore(&fresh, letter));
    assert!(
        invoices >= 5 && journals >= 2,
        "what the dump did not know was not looked up: {invoices} invoices, {journals} journals"
    );
}
