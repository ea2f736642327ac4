//! The real processes: simulator and daemon.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::support::{TestFolder, binary};

/// A simulator's process, ended with this.
pub(crate) struct Simulator(pub(crate) Child);

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let config = folder.join("ml-connector.toml");
    Command::new(binary("ml-connector"))
        .arg("--config")
        .arg(config)
        .args(arguments)
        .output()
        .expect("the daemon starts")
}

#[test]
fn the_simulator_says_where_it_listens() {
    let mut child = Command::new(binary("ml-connector-simulator"))
        .args(["serve", "--days", "1", "--orders-per-day", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the simulator starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("an output")).read_line(&mut line).expect("a line");
    let _simulator = Simulator(child);
    let urls: serde_json::Value = serde_json::from_str(&line).expect("one object");
    for url in [&urls["control"], &urls["lwa"], &urls["amazon"]["eu"], &urls["identity"], &urls["fusion"]] {
        assert!(url.as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")), "{urls}");
    }
}

#[test]
fn a_bad_configuration_is_refused_with_its_place() {
    let folder = TestFolder::new("bad-config");
    std::fs::write(folder.0.join("ml-connector.toml"), "database = \"x\"\nmastr_key = 1\n").expect("a file");
    let output = run(&folder.0, &["check"]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && words.contains("CFG-PARSE") && words.contains("line 2"), "{words}");
    let missing = run(Path::new("/nowhere"), &["serve"]);
    assert!(String::from_utf8_lossy(&missing.stderr).contains("CFG-READ"));
}
