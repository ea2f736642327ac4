//! The daemon over PostgreSQL: alone, and two of them over one database, one of which is paused past its lease.

use std::fs::File;
use std::time::Duration;

use jiff::Timestamp;
use ml_connector_domain::Clock as _;
use ml_connector_remote::SystemClock;
use ml_connector_simulator::scenario::ScenarioOptions;
use ml_connector_test_postgres::Database;
use serde_json::Value;
use tokio::process::Child;

use crate::process::{Installed, words};
use crate::support::small;

/// Simulated seconds in a second.
const SPEED: u32 = 4_000;

/// The figures of the verdict that are not zero, of those named or of all.
fn wrong(installed: &Installed, figures: &[&str]) -> Vec<(String, u64)> {
    let mut wrong = installed.wrong();
    wrong.retain(|(name, _)| figures.is_empty() || figures.contains(&name.as_str()));
    wrong
}

/// The same scenario as over SQLite, judged as strictly, with the log verified and `doctor` content.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_keeps_the_same_books_over_postgresql() {
    let Some(database) = Database::fresh() else { return };
    let installed = Installed::start("postgres", small(411)).await;
    installed.move_to(&database).await;
    let doctor = installed.said(&["doctor", "--json"]).await;
    let doctor: Value = serde_json::from_str(&doctor).expect("an object");
    assert_eq!(doctor["faults"], 0, "{doctor}");
    installed.said(&["serve", "--until", &installed.simulator.world.scenario.end.to_string()]).await;
    assert_eq!(wrong(&installed, &[]), []);
    assert!(
        database
            .ask("SELECT count(*) FROM posting WHERE state = 'confirmed'")
            .parse::<u32>()
            .expect("a count")
            > 0
    );
    assert_eq!(database.ask("SELECT count(*) FROM daemon"), "0", "it has said that it is gone");
    let verified = installed.said(&["audit", "verify"]).await;
    assert!(verified.contains("the log is as it was written"), "{verified}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_worked_on_by_one_daemon() {
    let installed = Installed::start("two-over-a-file", small(412)).await;
    installed.configure(|config| drop(config.remove("clock")));
    let held = File::create(installed.path("connector.sqlite.lock")).expect("a file");
    held.lock().expect("nobody has it");
    let refused = installed.refused(&["serve"]).await;
    assert!(refused.contains("STO-IN-USE"), "{refused}");
}

/// A daemon with its log.
struct Daemon {
    child: Child,
    log: std::path::PathBuf,
}

impl Daemon {
    fn start(installed: &Installed, name: &str) -> Self {
        let log = installed.path(&format!("{name}.log"));
        // As on two machines: each signs the log to a file of its own.
        let (name, file) = (format!("cluster.name={name}"), format!("audit.checkpoints={name}.checkpoints"));
        let mut command = installed.command(&["--set", &name, "--set", &file, "serve"]);
        let output = File::create(&log).expect("a file");
        let child = command.stderr(output).env("RUST_LOG", "info").spawn().expect("it starts");
        Self { child, log }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it lives").to_string();
        let sent = std::process::Command::new("kill").args([signal, &id]).status().expect("kill");
        assert!(sent.success());
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// Waits until something is the case in the database or a log; fails after two minutes.
async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = SystemClock.now();
    while !is() {
        let next =
            SystemClock.now().saturating_add(jiff::SignedDuration::from_millis(100)).expect("in range");
        assert!(
            next.duration_since(began) < jiff::SignedDuration::from_mins(2),
            "{what} does not come about"
        );
        SystemClock.sleep_until(next).await;
    }
}

const HOLDER: &str =
    "SELECT split_part(holder, '/', 1) FROM lease WHERE until > extract(EPOCH FROM clock_timestamp()) * 1000";

/// Two daemons over one database. Whoever works is stopped where it stands, three times; the other takes over, and the stopped
/// one goes on past its lease. Nothing is posted twice, whatever it was about to send.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_daemon_that_is_paused_past_its_lease_doubles_nothing() {
    let Some(database) = Database::fresh() else { return };
    let options = ScenarioOptions { days: 4, orders_per_day: 40, unmapped_percent: 0, ..small(413) };
    let installed = Installed::start("many-daemons", options).await;
    installed.move_to(&database).await;
    let runs = installed.simulator.world.clock.let_run(SPEED);
    installed.configure(|config| {
        let clock = toml::toml! { mode = "scaled" };
        config.insert("clock".to_owned(), clock.into());
        let text = |at: Timestamp| toml::Value::from(at.to_string());
        let clock = config["clock"].as_table_mut().expect("a table");
        clock.insert("origin".to_owned(), text(runs.origin));
        clock.insert("started".to_owned(), text(runs.started));
        clock.insert("speed".to_owned(), i64::from(runs.speed).into());
        config.insert("cluster".to_owned(), toml::toml! { lease_seconds = 3 }.into());
    });
    let mut daemons = [Daemon::start(&installed, "a"), Daemon::start(&installed, "b")];
    let of = |name: &str| usize::from(name == "b");
    let confirmed = || {
        database
            .ask("SELECT count(*) FROM posting WHERE state = 'confirmed'")
            .parse::<u32>()
            .expect("a count")
    };
    for _ in 0..3 {
        let before = confirmed();
        until("posting goes on", || confirmed() > before && !database.ask(HOLDER).is_empty()).await;
        let holder = database.ask(HOLDER);
        let paused = of(&holder);
        daemons[paused].signal("-STOP");
        until("the other takes over", || !["", holder.as_str()].contains(&database.ask(HOLDER).as_str()))
            .await;
        let here = confirmed();
        until("the other posts", || confirmed() > here).await;
        daemons[paused].signal("-CONT");
    }
    until("all is posted", || database.ask("SELECT count(*) FROM posting WHERE state <> 'confirmed'") == "0")
        .await;
    for daemon in &mut daemons {
        daemon.signal("-TERM");
        let ended = tokio::time::timeout(Duration::from_secs(60), daemon.child.wait()).await;
        assert!(ended.expect("it ends").expect("it ran").success(), "{}", daemon.said());
    }
    let doubled = [
        "invoices_doubled",
        "credit_memos_doubled",
        "journals_doubled",
        "amount_differences",
        "review_posted",
    ];
    assert_eq!(wrong(&installed, &doubled), []);
    let lost = daemons.iter().map(|daemon| daemon.said().matches("STO-FENCED").count()).sum::<usize>();
    assert!(lost >= 3, "nobody noticed: {}", daemons[0].said());
    assert_eq!(database.ask("SELECT max(fence) >= 4 FROM lease"), "t");
    assert_eq!(database.ask(HOLDER), "", "leases are given back");
    let verified = installed.run(&["audit", "verify"]).await;
    assert!(verified.status.success(), "{}", words(&verified));
}
