//! A database that is put back from a copy taken while the daemon ran: it goes on without doubling or losing anything.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use ml_connector_simulator::scenario::ScenarioOptions;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::process::{Installed, words};
use crate::support::small;

/// What Fusion holds, by kind.
pub(crate) type Posted = BTreeMap<&'static str, u64>;

fn posted(installed: &Installed) -> Posted {
    let state = installed.simulator.world.fusion.lock().expect("no panic");
    let count = |all: usize| u64::try_from(all).expect("a count");
    BTreeMap::from([
        ("invoices", count(state.invoices.len())),
        ("credit_memos", count(state.credit_memos.len())),
        ("journal_batches", count(state.batches.len())),
        ("receipts", count(state.receipts.len())),
    ])
}

/// Waits until Fusion holds what is wanted while the daemon works.
async fn wait_for(
    installed: &Installed,
    daemon: &mut tokio::process::Child,
    wanted: impl Fn(&Posted) -> bool,
) -> Posted {
    loop {
        let now = posted(installed);
        if wanted(&now) {
            return now;
        }
        assert!(daemon.try_wait().expect("asks").is_none(), "the daemon ended by itself with {now:?} posted");
        #[expect(
            clippy::disallowed_methods,
            reason = "the daemon is another process: no clock of ours is its"
        )]
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Documents that were found although the database had never sent them: their keys' letters, and what they are about.
pub(crate) async fn found_after_restore(installed: &Installed) -> Vec<(String, String)> {
    let options = SqliteConnectOptions::new().filename(installed.path("connector.sqlite"));
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("opens");
    let rows = sqlx::query(
        "SELECT substr(detail, 1, 1) AS kind, subject FROM audit_event
         WHERE action = 'looked_up' AND detail LIKE '%found-after-restore%'",
    )
    .fetch_all(&pool)
    .await
    .expect("reads");
    pool.close().await;
    rows.iter().map(|row| (row.get("kind"), row.get("subject"))).collect()
}

/// How many of them there are of a kind.
pub(crate) fn of_kind(found: &[(String, String)], letter: &str) -> usize {
    found.iter().filter(|(kind, _)| kind == letter).count()
}

/// Runs the daemon, has its database copied under way once there is enough in Fusion, lets it post on until there is more
/// (of what was there when the copy was taken, and what is there now), and kills it.
pub(crate) async fn copy_post_and_kill(
    installed: &Installed,
    enough: impl Fn(&Posted) -> bool,
    copy: impl AsyncFnOnce(),
    more: impl Fn(&Posted, &Posted) -> bool,
) {
    let log = std::fs::File::create(installed.path("log")).expect("a file");
    let mut daemon = installed.command(&["serve"]).stderr(log).spawn().expect("it starts");
    wait_for(installed, &mut daemon, enough).await;
    copy().await;
    let before = posted(installed);
    let after = wait_for(installed, &mut daemon, |now| more(&before, now)).await;
    println!("copied with {before:?} posted, killed with {after:?}");
    daemon.kill().await.expect("is killed");
}

/// Copies the database as the documentation has it; where the copy is.
pub(crate) async fn back_up(installed: &Installed) -> String {
    let copy = installed.path("copy.sqlite").display().to_string();
    let said = installed.said(&["backup", "--to", &copy, "--json"]).await;
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert!(said["events"].as_u64() > Some(0) && said["bytes"].as_u64() > Some(0), "{said}");
    copy
}

/// Puts the copy in the place of the database that was lost.
pub(crate) async fn restore(installed: &Installed, copy: &str) {
    for end in ["", "-wal", "-shm"] {
        let _none = std::fs::rename(
            installed.path(&format!("connector.sqlite{end}")),
            installed.path(&format!("lost{end}")),
        );
    }
    let restored = installed.said(&["restore", "--from", copy]).await;
    assert!(restored.contains("the log is as it was written"), "{restored}");
}

/// Nobody but the owner may read a copy, nothing is put over anything, and nothing posted from what was put there by hand.
async fn assert_is_refused_where_it_must_be(installed: &Installed, copy: &str) {
    let mode = std::fs::metadata(copy).expect("a copy").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "others may read the copy");
    let over = installed.refused(&["backup", "--to", copy]).await;
    assert!(over.contains("STO-COPY"), "a copy is put over nothing: {over}");
    let there = installed.refused(&["restore", "--from", copy]).await;
    assert!(there.contains("STO-RESTORE") && there.contains("exists"), "{there}");
    for end in ["", "-wal", "-shm"] {
        let _none = std::fs::rename(
            installed.path(&format!("connector.sqlite{end}")),
            installed.path(&format!("aside{end}")),
        );
    }
    std::fs::copy(copy, installed.path("connector.sqlite")).expect("copies");
    assert!(installed.refused(&["serve"]).await.contains("STO-IS-COPY"), "it posts from a copy");
    let doctor = installed.refused(&["doctor"]).await;
    assert!(doctor.contains("FAULT   DOC-COPY") && doctor.contains("STO-IS-COPY"), "{doctor}");
}

/// What a test waits for after the copy.
pub(crate) fn more(before: &Posted, now: &Posted) -> bool {
    now["journal_batches"] >= before["journal_batches"] + 2 && now["invoices"] >= before["invoices"] + 5
}

pub(crate) async fn assert_goes_on(installed: &Installed) {
    let end = installed.scenario["end"].as_str().expect("an end");
    installed.said(&["serve", "--until", end]).await;
    assert_eq!(installed.wrong(), [], "lost, doubled or different");
    let verified = installed.run(&["audit", "verify"]).await;
    assert!(verified.status.success(), "{}", words(&verified));
    let report: Value = serde_json::from_str(&installed.said(&["report", "--json"]).await).expect("JSON");
    assert_eq!(report["documents"]["unknown"], 0, "{report}");
    // What a person has to look at is what was cut otherwise, and nothing else.
    let review: Value = serde_json::from_str(&installed.said(&["review", "--json"]).await).expect("JSON");
    let items = review["items"].as_array().expect("items");
    assert!(items.iter().all(|item| item["code"] == "FUS-CUT-OTHERWISE"), "{review}");
    assert_eq!(
        report["documents"]["rejected"].as_u64(),
        u64::try_from(items.len()).ok(),
        "{report} {review}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_put_back_goes_on_without_doubling_or_losing_anything() {
    let options = ScenarioOptions { days: 30, orders_per_day: 4, unmapped_percent: 0, ..small(401) };
    let installed = Installed::start("restored", options).await;
    let enough = |now: &Posted| now["journal_batches"] >= 1 && now["credit_memos"] > 0;
    let mut copy = String::new();
    copy_post_and_kill(&installed, enough, async || copy = back_up(&installed).await, more).await;
    assert_is_refused_where_it_must_be(&installed, &copy).await;
    restore(&installed, &copy).await;
    assert_goes_on(&installed).await;
    let found = found_after_restore(&installed).await;
    let looked_up = of_kind(&found, "J") >= 2 && of_kind(&found, "I") >= 5;
    assert!(looked_up, "what the copy did not know was not looked up: {found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_behind_its_checkpoints_is_recognised_whoever_copied_it() {
    let options = ScenarioOptions { days: 12, orders_per_day: 3, unmapped_percent: 0, ..small(402) };
    let installed = Installed::start("behind", options).await;
    let half = "2026-09-05T00:00:00Z";
    installed.said(&["serve", "--until", half]).await;
    std::fs::copy(installed.path("connector.sqlite"), installed.path("copy.sqlite")).expect("copies");
    installed.said(&["serve", "--until", "2026-09-20T00:00:00Z"]).await;
    for end in ["-wal", "-shm"] {
        let _none = std::fs::remove_file(installed.path(&format!("connector.sqlite{end}")));
    }
    std::fs::copy(installed.path("copy.sqlite"), installed.path("connector.sqlite")).expect("copies");
    let refused = installed.refused(&["serve"]).await;
    assert!(refused.contains("AUD-BEHIND") && refused.contains("ml-connector restore"), "{refused}");
    let said: Value = serde_json::from_str(&installed.said(&["restore", "--json"]).await).expect("JSON");
    let aside = said["old_checkpoints"].as_str().expect("the old checkpoints are kept");
    assert!(std::path::Path::new(aside).exists(), "{said}");
    assert_goes_on(&installed).await;
    assert!(of_kind(&found_after_restore(&installed).await, "I") > 0);
}
