//! What an operator asks of the binary: the configuration, `doctor`, and a file that is read again.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use ml_connector_domain::id::ContentHash;
use ml_connector_simulator::control::{AmazonFaults, FaultRates};
use ml_connector_simulator::scenario::ScenarioOptions;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;

use crate::process::{Installed, words};
use crate::support::small;

fn options(seed: u64) -> ScenarioOptions {
    ScenarioOptions { days: 3, orders_per_day: 2, unmapped_percent: 0, ..small(seed) }
}

/// What `doctor` found, faults only: code and words.
async fn faults(installed: &Installed) -> Vec<(String, String)> {
    let output = installed.run(&["doctor", "--json"]).await;
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", words(&output)));
    let found = said["findings"].as_array().expect("findings").iter();
    let found = found.filter(|finding| finding["level"] == "fault");
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let faults: Vec<_> = found
        .map(|one| {
            assert!(!text(one, "remedy").is_empty(), "a fault without a remedy: {one}");
            (text(one, "code"), format!("{}: {}", text(one, "about"), text(one, "seen")))
        })
        .collect();
    assert_eq!(output.status.success(), faults.is_empty(), "{}", words(&output));
    faults
}

/// The one fault that there is has this code, and says this.
fn assert_one(faults: &[(String, String)], code: &str, part: &str) {
    let [(found, said)] = faults else { panic!("{code}: not one fault but {faults:?}") };
    assert!(found == code && said.contains(part), "{code} {part}: {faults:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_names_each_of_eight_planted_faults_and_none_where_there_is_none() {
    let installed = Installed::start("doctor", options(301)).await;
    assert_eq!(faults(&installed).await, []);
    let path = installed.path("ml-connector.toml");
    let config = std::fs::read_to_string(&path).expect("reads");
    let catalog = std::fs::read_to_string(installed.path("catalog.csv")).expect("reads");

    // 1: the configuration has a slip.
    std::fs::write(&path, config.replace("master_key_file", "master_key_fil")).expect("writes");
    assert_one(&faults(&installed).await, "DOC-CONFIG", "did you mean `master_key_file`?");
    std::fs::write(&path, &config).expect("writes");

    // 2: the master key is gone. What rests on it is not asked twice.
    std::fs::rename(installed.path("master.key"), installed.path("away")).expect("renames");
    let found = faults(&installed).await;
    assert!(found.iter().any(|(code, said)| code == "DOC-KEY" && said.contains("KEY-MISSING")), "{found:?}");
    std::fs::rename(installed.path("away"), installed.path("master.key")).expect("renames");

    // 3: a catalog has a mistake.
    std::fs::write(installed.path("catalog.csv"), format!("{catalog}X,,,,,\n")).expect("writes");
    let found = faults(&installed).await;
    assert!(
        found.iter().any(|(code, said)| code == "DOC-CATALOG" && said.contains("catalog.csv:")),
        "{found:?}"
    );
    std::fs::write(installed.path("catalog.csv"), &catalog).expect("writes");

    // 4: the mapper is no component.
    std::fs::write(installed.path("bad.wasm"), "no component").expect("writes");
    installed.configure(|table| table["seller"][0]["mapper"] = "bad.wasm".into());
    assert_one(&faults(&installed).await, "DOC-MAPPER", "bad.wasm");
    std::fs::write(&path, &config).expect("writes");

    // 5: a credential does not open under the key.
    let other = "ff".repeat(32);
    let key = std::fs::read_to_string(installed.path("master.key")).expect("reads");
    std::fs::write(installed.path("master.key"), other).expect("writes");
    let found = faults(&installed).await;
    assert!(
        found.iter().any(|(code, said)| code == "DOC-CREDENTIALS" && said.contains("CRD-OPEN")),
        "{found:?}"
    );
    std::fs::write(installed.path("master.key"), key).expect("writes");

    // 6: Amazon's clock is ten minutes ahead of ours.
    let ahead = AmazonFaults { clock_ahead_ms: 600_000, ..AmazonFaults::default() };
    installed.simulator.world.faults.set(FaultRates { amazon: ahead, ..FaultRates::default() });
    assert_one(&faults(&installed).await, "DOC-CLOCK", "-600 s");
    installed.simulator.world.faults.set(FaultRates::default());

    // 7: nobody listens where Fusion is said to be.
    installed.configure(|table| table["fusion"]["base_url"] = "http://127.0.0.1:9".into());
    let found = faults(&installed).await;
    assert!(!found.is_empty() && found.iter().all(|(code, _)| code == "DOC-FUSION"), "{found:?}");
    std::fs::write(&path, &config).expect("writes");

    // 8: the database was written by a newer version.
    assert_eq!(faults(&installed).await, []);
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'from the future', 1, x'00', 0)";
    execute(&installed.path("connector.sqlite"), newer).await;
    assert_one(&faults(&installed).await, "DOC-DATABASE", "newer version");
}

/// A copy by another program has no mark of its own: it is behind the file of checkpoints.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_names_a_copy_that_nobody_put_back_and_is_content_once_it_is() {
    let installed = Installed::start("doctor-copy", options(307)).await;
    let end = installed.scenario["end"].as_str().expect("an end");
    installed.said(&["serve", "--until", "2026-09-03T00:00:00Z"]).await;
    assert_eq!(faults(&installed).await, []);
    let (database, copy) = (installed.path("connector.sqlite"), installed.path("copy.sqlite"));
    std::fs::copy(&database, &copy).expect("copies");
    installed.said(&["serve", "--until", end]).await;
    for end in ["-wal", "-shm"] {
        let _none = std::fs::remove_file(installed.path(&format!("connector.sqlite{end}")));
    }
    std::fs::copy(&copy, &database).expect("copies");
    assert_one(&faults(&installed).await, "DOC-COPY", "AUD-BEHIND");
    installed.said(&["restore"]).await;
    assert_eq!(faults(&installed).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_tells_of_a_key_that_others_may_read_and_changes_nothing() {
    let installed = Installed::start("doctor-warning", options(302)).await;
    let before = std::fs::read(installed.path("connector.sqlite")).expect("reads");
    for (mode, wanted) in [(0o644, "warning"), (0o600, "right")] {
        let key = installed.path("master.key");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).expect("sets");
        let said: Value = serde_json::from_str(&installed.said(&["doctor", "--json"]).await).expect("JSON");
        let all = said["findings"].as_array().expect("findings");
        let key = all.iter().find(|one| one["code"] == "DOC-KEY").expect("it is looked at");
        assert_eq!(key["level"], wanted, "{key}");
    }
    assert_eq!(before, std::fs::read(installed.path("connector.sqlite")).expect("reads"));
    // One of an older version is told of, and left as it is: nothing opens it.
    let older = "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
    execute(&installed.path("connector.sqlite"), older).await;
    let before = std::fs::read(installed.path("connector.sqlite")).expect("reads");
    let said = installed.said(&["doctor"]).await;
    assert!(said.contains("1 migrations behind") && !said.contains("DOC-AMAZON"), "{said}");
    assert_eq!(before, std::fs::read(installed.path("connector.sqlite")).expect("reads"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_goes_over_the_file_and_flags_over_both() {
    let installed = Installed::start("overrides", options(303)).await;
    let mut command = installed.command(&["--set", "cadence.orders_minutes=45", "config", "show"]);
    command.env("ML_CONNECTOR__CADENCE__ORDERS_MINUTES", "30");
    command.env("ML_CONNECTOR__CADENCE__GROUPS_MINUTES", "77");
    let output = command.output().await.expect("the daemon starts");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("orders_minutes = 45") && shown.contains("groups_minutes = 77"), "{shown}");
    // What is shown is a configuration.
    std::fs::write(installed.path("ml-connector.toml"), &shown).expect("writes");
    assert!(installed.said(&["config", "check"]).await.contains("right, 1 seller"));
    let redacted = installed.said(&["config", "show", "--redacted"]).await;
    let id = installed.scenario["application"]["client_id"].as_str().expect("an id");
    assert!(
        shown.contains(id) && !redacted.contains(id) && !redacted.contains(installed.seller()),
        "{redacted}"
    );
    let refused = installed.refused(&["--set", "cadence.orders_minutes=1", "config", "check"]).await;
    assert!(refused.contains("CFG-VALUE: cadence.orders_minutes"), "{refused}");
    let place = installed.path("ml-connector.toml").display().to_string();
    assert!(refused.contains(&place) && refused.contains("line "), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seller_that_is_paused_rests_and_goes_on_where_it_was() {
    let installed = Installed::start("paused", options(305)).await;
    let (seller, end) = (installed.seller(), installed.scenario["end"].as_str().expect("an end"));
    let standing = || async {
        let said = installed.said(&["seller", "status", seller, "--json"]).await;
        serde_json::from_str::<Value>(&said).expect("JSON")
    };
    assert!(installed.refused(&["seller", "pause", "NOBODY"]).await.contains("SEL-UNKNOWN"));
    assert!(installed.said(&["seller", "pause", seller]).await.contains("rests since"));
    installed.said(&["serve", "--until", end]).await;
    let resting = standing().await;
    assert_eq!(
        (&resting["streams"], &resting["paused"]["by"]),
        (&Value::Array(Vec::new()), &"the operator".into())
    );
    let listed = installed.said(&["seller", "list"]).await;
    assert!(listed.contains(seller) && listed.contains("the operator"), "{listed}");
    assert!(installed.said(&["seller", "resume", seller]).await.contains("goes on"));
    assert!(installed.said(&["seller", "resume", seller]).await.contains("did not rest"));
    installed.said(&["serve", "--until", end]).await;
    let after = standing().await;
    assert!(after["paused"].is_null() && after["documents"]["confirmed"].as_u64() > Some(0), "{after}");
    assert!(after["streams"].as_array().is_some_and(|all| all.len() >= 5), "{after}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_brings_nothing_for_too_long_is_told_of() {
    let installed = Installed::start("quiet", options(306)).await;
    // Orders end after three days, and two months pass until everything is settled.
    installed.configure(|table| {
        let seller = table["seller"][0].as_table_mut().expect("a table");
        seller.insert("quiet".to_owned(), toml::toml! { orders_hours = 48 }.into());
    });
    installed.said(&["serve", "--until", installed.scenario["end"].as_str().expect("an end")]).await;
    let review: Value = serde_json::from_str(&installed.said(&["review", "--json"]).await).expect("JSON");
    let quiet: Vec<&Value> = review["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter(|item| item["code"] == "stream-quiet")
        .collect();
    assert!(!quiet.is_empty() && quiet.iter().all(|item| item["kind"] == "stream"), "{review}");
    assert!(
        quiet.iter().all(|item| item["subject"].as_str().is_some_and(|of| of.ends_with("/orders"))),
        "{review}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_has_catalogs_and_cadences_read_again_and_a_mistake_changes_nothing() {
    let installed = Installed::start("hangup", options(304)).await;
    // Everything waits for a person, and nothing is polled for a long time: only what is read again can change that.
    let catalog = std::fs::read_to_string(installed.path("catalog.csv")).expect("reads");
    let header = catalog.lines().next().expect("a header");
    std::fs::write(installed.path("catalog.csv"), format!("{header}\n")).expect("writes");
    installed.configure(|table| {
        table.remove("clock");
        table["cadence"]["orders_minutes"] = 1_440.into();
    });
    let log = std::fs::File::create(installed.path("log")).expect("a file");
    let mut command = installed.command(&["serve"]);
    let mut daemon = command.stderr(log).env("RUST_LOG", "info").spawn().expect("it starts");
    let hang_up = || {
        let id = daemon.id().expect("it lives").to_string();
        let sent = std::process::Command::new("kill").args(["-HUP", &id]).status().expect("kill");
        assert!(sent.success());
    };
    logged(&installed, "starting").await;

    std::fs::write(installed.path("catalog.csv"), format!("{header}\nX,,,,,\n")).expect("writes");
    hang_up();
    logged(&installed, "what was read before counts").await;
    std::fs::write(installed.path("catalog.csv"), &catalog).expect("writes");
    installed.configure(|table| {
        table["cadence"]["orders_minutes"] = 5.into();
        table.insert("exchanges_max".to_owned(), 9.into());
    });
    hang_up();
    logged(&installed, "the configuration was read again").await;
    logged(&installed, "CFG-RESTART").await;
    let words = std::fs::read_to_string(installed.path("log")).expect("reads");
    assert!(words.contains("exchanges_max") && !words.contains("\u{1b}["), "{words}");
    daemon.kill().await.expect("ends");
    // The new catalog is kept by its hash, for documents that it will decide; the one with the mistake is not.
    let kept = installed.said(&["catalog", "list"]).await;
    let hash = |text: &str| ContentHash::of(text.as_bytes()).as_str()[..12].to_owned();
    assert!(kept.contains(&hash(&catalog)) && kept.contains(&hash(&format!("{header}\n"))), "{kept}");
    assert!(!kept.contains(&hash(&format!("{header}\nX,,,,,\n"))), "{kept}");
}

/// Changes a database behind the daemon's back.
async fn execute(database: &Path, statement: &'static str) {
    let pool =
        sqlx::SqlitePool::connect_with(SqliteConnectOptions::new().filename(database)).await.expect("opens");
    sqlx::query(statement).execute(&pool).await.expect(statement);
    pool.close().await;
}

/// Waits until the daemon's log says something.
#[expect(
    clippy::disallowed_methods,
    reason = "the daemon is another process: its log is looked at again and again"
)]
async fn logged(installed: &Installed, part: &str) {
    let told = async {
        while !std::fs::read_to_string(installed.path("log")).unwrap_or_default().contains(part) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), told).await;
    let log = || std::fs::read_to_string(installed.path("log")).unwrap_or_default();
    assert!(waited.is_ok(), "`{part}` was never logged:\n{}", log());
}
