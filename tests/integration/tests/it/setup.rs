//! From nothing to a running daemon: `init`, and the README's walk-through as it stands there.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use ml_connector_simulator::scenario::ScenarioOptions;
use serde_json::Value;

use crate::process::words;
use crate::support::{TestFolder, artefacts, binary, small};

/// One line for each question, in their order; an empty one is the default.
const PIPED: &str = "A3FEXAMPLE\nBooks & more\neu\n\n2026-09-01T00:00:00Z\ninclusive:20\namzn1.application-oa2-client.x\n\n\n\
    https://fa-abcd-test.fa.us2.oraclecloud.com\nhttps://idcs-0123.identity.oraclecloud.com\nurn:opc:resource:fa\nclient\n\n\n\
    Books BU\nBooks Ledger\n300000046975971\n300000046975980\nEUR\n\nEurope/Berlin\n\n\n\n\n\n\n\n10000\n\n\n\n12100\n11800\n\
    commission=61100\nbooks\n41000\n\n";

fn init(folder: &Path, arguments: &[&str], piped: &str) -> Output {
    let mut child = Command::new(binary("ml-connector"))
        .current_dir(folder)
        .arg("init")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // It may refuse before it reads.
    let _written = child.stdin.take().expect("an input").write_all(piped.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(binary("ml-connector")).current_dir(folder).args(arguments).output().expect("it starts")
}

#[test]
fn answers_become_a_configuration_that_is_right_and_nothing_is_written_over() {
    let folder = TestFolder::new("init");
    let done = init(&folder.0, &["--json"], PIPED);
    assert!(done.status.success(), "{}", words(&done));
    let said: Value = serde_json::from_slice(&done.stdout).expect("one object");
    assert_eq!(said["written"].as_array().map(Vec::len), Some(3), "{said}");
    for name in ["ml-connector.toml", "catalog.csv", "master.key"] {
        let mode = std::fs::metadata(folder.0.join(name)).expect(name).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let text = std::fs::read_to_string(folder.0.join("ml-connector.toml")).expect("reads");
    let config: toml::Table = toml::from_str(&text).expect("TOML");
    assert_eq!(config["seller"][0]["name"].as_str(), Some("Books & more"));
    assert_eq!(config["seller"][0]["ledger"]["time_zone"].as_str(), Some("Europe/Berlin"));
    assert_eq!(config["seller"][0]["settings"]["tax.A1PA6795UKMFR9"].as_str(), Some("inclusive:20"));
    for command in [&["config", "check"][..], &["catalog", "lint", "catalog.csv"]] {
        let right = run(&folder.0, command);
        assert!(right.status.success(), "{command:?}: {}", words(&right));
    }
    let again = init(&folder.0, &[], PIPED);
    assert!(!again.status.success() && words(&again).contains("INI-EXISTS"), "{}", words(&again));
    assert_eq!(text, std::fs::read_to_string(folder.0.join("ml-connector.toml")).expect("reads"));
}

#[test]
fn what_is_missing_or_wrong_is_named_and_leaves_nothing_behind() {
    let folder = TestFolder::new("init-wrong");
    let missing = init(&folder.0, &["--answer", "seller_id=A1"], "\n");
    let said = words(&missing);
    assert!(missing.status.code() == Some(1) && said.contains("INI-MISSING: amazon_client_id"), "{said}");
    assert!(said.contains("time_zone"), "all that is open is named: {said}");
    let zone = PIPED.replace("Europe/Berlin", "Europe/Nowhere");
    let wrong = init(&folder.0, &[], &zone);
    assert!(!wrong.status.success() && words(&wrong).contains("CFG-VALUE"), "{}", words(&wrong));
    assert_eq!(std::fs::read_dir(&folder.0).expect("a folder").count(), 0, "something is left behind");
    std::fs::write(folder.0.join("answers.toml"), "seler_id = \"A1\"\n").expect("writes");
    let slip = init(&folder.0, &["--answers", "answers.toml"], "");
    assert!(words(&slip).contains("did you mean `seller_id`?"), "{}", words(&slip));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_up_for_the_simulator_has_no_fault() {
    let options = ScenarioOptions { days: 2, orders_per_day: 2, ..small(421) };
    let simulator = ml_connector_simulator::start(options).await.expect("ports are free");
    let folder = TestFolder::new("init-simulator");
    let ready = serde_json::to_string(&simulator.urls).expect("JSON");
    std::fs::write(folder.0.join("simulator.json"), format!("{ready}\n")).expect("writes");
    let mapper = artefacts("ML_CONNECTOR_PLUGINS", "plugins/components").join("standard.component.wasm");
    let mapper = format!("mapper={}", mapper.display());
    let own = folder.0.clone();
    // The simulator is in this process: its threads must go on while a command runs.
    let outputs = tokio::task::spawn_blocking(move || {
        vec![
            init(&own, &["--simulator", "simulator.json", "--answer", &mapper], ""),
            run(&own, &["config", "check"]),
            run(&own, &["credentials", "import"]),
            run(&own, &["doctor"]),
        ]
    });
    for output in outputs.await.expect("they ran") {
        assert!(output.status.success(), "{}", words(&output));
    }
}

/// The README's blocks between its markers, as one script.
fn walk_through() -> String {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let text = std::fs::read_to_string(readme).expect("reads");
    let (_, rest) = text.split_once("<!-- walk-through -->").expect("a beginning");
    let (section, _) = rest.split_once("<!-- end of the walk-through -->").expect("an end");
    let blocks: Vec<&str> = section
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split_once("```").expect("a block that ends").0)
        .collect();
    assert!(blocks.len() >= 5, "{} blocks", blocks.len());
    blocks.concat()
}

#[test]
fn the_readme_leads_from_nothing_to_a_running_daemon() {
    let folder = TestFolder::new("walk-through");
    let bin = binary("ml-connector").parent().expect("a folder").to_owned();
    let path = std::env::join_paths(
        std::iter::once(bin).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let script = format!("set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{}", walk_through());
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(&folder.0)
        .env("PATH", path.expect("a path"))
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .expect("bash starts");
    let said = words(&output);
    println!("{said}");
    assert!(output.status.success(), "{said}");
    // A reader's own seller is read, mapped by their own mapper, posted and compared.
    let report: Value = {
        let line = said.lines().find(|line| line.starts_with('{') && line.contains("\"documents\""));
        serde_json::from_str(line.expect("a report")).expect("JSON")
    };
    assert!(report["orders"]["invoiced"].as_u64() > Some(0), "{report}");
    assert!(report["documents"]["journals"].as_u64() > Some(0), "{report}");
    assert_eq!(report["reconciliation"]["differences"], 0, "{report}");
}
