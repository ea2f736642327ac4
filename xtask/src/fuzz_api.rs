//! `cargo xtask fuzz-api`: schemathesis asks a real daemon what its OpenAPI document allows and what it does not, and holds
//! every answer against the document: no 5xx, no status, media type or body that does not stand in it.
//!
//! schemathesis comes from pip in the version that `xtask/tools/schemathesis.txt` pins, into a folder of its own below the
//! cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::children::{Child, get};
use crate::config::{self, Setup};
use crate::daemon::{Daemon, World, fresh_folder, simulator};
use crate::{plugins, process, test};

/// The pin.
const PIN: &str = "xtask/tools/schemathesis.txt";
/// The folder of what schemathesis has to be told.
const HOOKS: &str = "xtask/tools";
/// What answers are held against. What a body may hold beyond its schema (a catalog, a component) the document cannot say,
/// so a refusal of what it allows is no fault.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth";
/// Polls are rare: the daemon is asked, not the remotes.
const CADENCE: &str = "orders_minutes = 240\n";

/// How much is asked.
#[derive(Args)]
pub(crate) struct Options {
    /// Requests made up at random for each operation, beside those at the edges of its schema
    #[arg(long, default_value_t = Options::default().examples)]
    examples: u32,
    /// All requests follow from it
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { examples: 12, seed: 20_261_129 }
    }
}

/// Runs it.
///
/// # Errors
/// Something does not start, or an answer does not stand in the document.
pub(crate) fn run(options: &Options) -> Result<()> {
    plugins::build(&["standard".to_owned()])?;
    run_with((&tool()?, &test::binaries()?), options)
}

/// Runs it with schemathesis and binaries that are there, and plugins that are built.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_with((schemathesis, binaries): (&Path, &Path), options: &Options) -> Result<()> {
    let mapper = plugins::components_dir(&process::folders()?).join("standard.component.wasm");
    let folder = fresh_folder("fuzz-api")?;
    let world = World { seed: 9, sellers: 2, days: 2, orders_per_day: 3, year: false, speed: 0 };
    let (_simulator, urls) = simulator(binaries, world, &folder)?;
    let control = urls["control"].as_str().context("the simulator names no control port")?;
    let scenario = get(&format!("{control}/control/scenario"))?;
    let setup = Setup { mapper: &mapper, start_from: &scenario["start"], cadence: CADENCE, regions: 1 };
    let config = config::write(&scenario, &urls, &folder, &setup)?;
    unmapped(&scenario, &folder)?;
    let daemon = Daemon { binary: binaries.join("ml-connector"), config };
    daemon.answer(&["credentials", "import"])?;
    // What is asked about: two days of two sellers, booked.
    daemon.answer(&["serve", "--until", scenario["end"].as_str().context("the scenario has no end")?])?;
    config::slow_down(&daemon.config)?;
    listen(&daemon.config)?;
    let key = daemon.answer(&["api-key", "add", "--role", "admin"])?;
    let (child, place) = started(&daemon, &folder)?;
    names(&scenario, (&place, &key), &folder)?;
    let asked = ask(schemathesis, (&place, &key), options, &folder);
    child.stop().context("the daemon did not end in order after it was asked")?;
    asked.with_context(|| format!("see {}", folder.display()))?;
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Leaves the first seller a catalog without a rule: what it sells waits for a person.
fn unmapped(scenario: &Value, folder: &Path) -> Result<()> {
    let id = scenario["sellers"][0]["id"].as_str().context("a seller has no id")?;
    let path = folder.join(format!("{id}.csv"));
    let text = fs::read_to_string(&path)?;
    Ok(fs::write(&path, text.lines().next().unwrap_or_default().to_owned() + "\n")?)
}

/// Lets the daemon listen, and lets one key ask as often as it can.
fn listen(config: &Path) -> Result<()> {
    let text = fs::read_to_string(config)?;
    let api = "[api]\nlisten = \"127.0.0.1:0\"\nrequests_per_second = 100000\nburst = 100000\n\n[cadence]\n";
    Ok(fs::write(config, text.replacen("[cadence]\n", api, 1))?)
}

/// Starts the daemon; says where it listens.
fn started(daemon: &Daemon, folder: &Path) -> Result<(Child, String)> {
    let log = folder.join("daemon.log");
    let mut command = daemon.command(&["serve"]);
    let mut child = Child::spawn(command.env("RUST_LOG", "info").stderr(fs::File::create(&log)?))?;
    for _ in 0..600 {
        if child.wait_for(Duration::from_millis(100))?.is_some() {
            bail!("the daemon ended: see {}", log.display());
        }
        let text = fs::read_to_string(&log)?;
        let line = text.lines().find(|line| line.contains("the API listens"));
        let place = line.and_then(|line| line.split("place=").nth(1)?.split_whitespace().next());
        if let Some(place) = place {
            return Ok((child, format!("http://{place}")));
        }
    }
    bail!("the daemon does not listen: see {}", log.display())
}

/// Asks the API.
fn asked(url: &str, key: &str) -> Result<Value> {
    let answer = ureq::get(url).header("authorization", format!("Bearer {key}")).call();
    let text = answer.and_then(|mut answer| answer.body_mut().read_to_string());
    Ok(serde_json::from_str(&text.with_context(|| format!("cannot ask {url}"))?)?)
}

/// Names for most requests what is there: of names made up, few requests come far.
fn names(scenario: &Value, (place, key): (&str, &str), folder: &Path) -> Result<()> {
    let sellers: Vec<&Value> =
        scenario["sellers"].as_array().into_iter().flatten().map(|seller| &seller["id"]).collect();
    let (mut documents, mut items) = (Vec::new(), Vec::new());
    for seller in sellers.iter().filter_map(|id| id.as_str()) {
        for (list, field, into) in [("documents", "key", &mut documents), ("review", "id", &mut items)] {
            let page = asked(&format!("{place}/v1/sellers/{seller}/{list}?limit=20"), key)?;
            into.extend(page["items"].as_array().into_iter().flatten().map(|row| row[field].clone()));
        }
    }
    anyhow::ensure!(!documents.is_empty() && !items.is_empty(), "there is nothing to ask about");
    let dictionaries = [
        ("path.seller", json!(sellers)),
        ("path.key", json!(documents)),
        ("path.id", json!(items)),
        (
            "path.kind",
            json!(["amazon-refresh-token-na", "amazon-refresh-token-eu", "amazon-refresh-token-fe"]),
        ),
        ("path.digest", json!(["configured", "none"])),
        ("path.hash", json!(["configured"])),
        ("query.period", json!([scenario["start"].as_str().unwrap_or_default().get(..7)])),
    ];
    let (mut text, mut bound) = (String::new(), "[parameters]\n".to_owned());
    for (name, values) in dictionaries {
        let dictionary = name.replace('.', "-");
        text.push_str(&format!("[dictionaries.{dictionary}]\nvalues = {values}\n"));
        bound.push_str(&format!("\"{name}\" = {{ dictionary = \"{dictionary}\", probability = 0.8 }}\n"));
    }
    Ok(fs::write(folder.join("schemathesis.toml"), text + &bound)?)
}

fn ask(schemathesis: &Path, (place, key): (&str, &str), options: &Options, folder: &Path) -> Result<()> {
    let mut command = Command::new(schemathesis);
    command.arg("run").arg(format!("{place}/v1/openapi.json"));
    command.args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--warnings", "off"]);
    command.args(["--max-examples", &options.examples.to_string(), "--seed", &options.seed.to_string()]);
    // The key that it asks with stays in use.
    command.args(["--exclude-operation-id", "RevokeApiKey", "--request-timeout", "60"]);
    command.arg("--header").arg(format!("Authorization: Bearer {key}"));
    let hooks = process::folders()?.root.join(HOOKS);
    command.env("SCHEMATHESIS_HOOKS", "schemathesis_hooks").env("PYTHONPATH", hooks);
    process::run(command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(folder))
}

/// Installs schemathesis, once for each pin; says where it is.
///
/// # Errors
/// There is no Python, or it cannot be fetched.
pub(crate) fn tool() -> Result<PathBuf> {
    if !process::on_path("python3") {
        bail!("python3 is missing: install Python 3.11 or newer with its venv module (Debian: python3-venv)");
    }
    let pin = process::folders()?.root.join(PIN);
    let text = fs::read(&pin).with_context(|| format!("cannot read {}", pin.display()))?;
    let all = process::cache_dir()?.join("schemathesis");
    fs::create_dir_all(&all)?;
    let _lock = process::lock(&all.join("lock"))?;
    let (tools, installed) = (all.join("tools"), all.join("pinned"));
    let program = tools.join("bin/schemathesis");
    if fs::read(&installed).ok().as_deref() != Some(&text[..]) {
        if tools.exists() {
            fs::remove_dir_all(&tools)?;
        }
        process::run(Command::new("python3").args(["-m", "venv"]).arg(&tools))?;
        let mut pip = Command::new(tools.join("bin/pip"));
        pip.args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--only-binary",
            ":all:",
        ]);
        process::run(pip.arg("--requirement").arg(&pin)).context("installing schemathesis")?;
        fs::write(&installed, text)?;
    }
    Ok(program)
}
