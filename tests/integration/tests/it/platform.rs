//! The way of a component into a real daemon: what is refused by which code, what becomes of a cache and a compiler that
//! misbehave, whose signature counts, and what its developer is shown of a recorded batch.

use std::path::PathBuf;

use ml_connector_domain::id::ContentHash;
use ml_connector_simulator::truth::truth;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::process::Installed;
use crate::sandbox::guests::{branch_tables, wrapped};
use crate::support::{component, small};
use crate::versions::variant;

impl Installed {
    fn file(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path(name), bytes).expect("a file");
        self.path(name).display().to_string()
    }

    fn setting(&self, key: &str, value: impl Into<toml::Value>) {
        let mut settings = self.of_seller("settings");
        settings.insert(key.to_owned(), value.into());
        self.configure(|config| config["seller"][0]["settings"] = settings.into());
    }

    fn of_seller(&self, table: &str) -> toml::Table {
        let text = std::fs::read_to_string(self.path("ml-connector.toml")).expect("a file");
        let config: toml::Table = toml::from_str(&text).expect("TOML");
        config["seller"][0].get(table).and_then(toml::Value::as_table).cloned().unwrap_or_default()
    }

    fn mappers(&self, text: &str) {
        let table: toml::Table = toml::from_str(text).expect("TOML");
        self.configure(|config| drop(config.insert("mappers".to_owned(), table.into())));
    }

    /// The compiled forms of a component.
    fn compiled(&self, digest: &ContentHash) -> Vec<PathBuf> {
        let all = std::fs::read_dir(self.path("mapper-cache")).expect("a folder").flatten();
        let own = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(digest.as_str()))
        };
        all.map(|file| file.path()).filter(own).collect()
    }

    #[track_caller]
    fn assert_books_are_right(&self) {
        let truth = truth(&self.simulator.world, true);
        let verdict = truth["verdict"].as_object().expect("a verdict");
        let wrong: Vec<_> =
            verdict.iter().filter(|(_, count)| count.as_u64().is_some_and(|n| n != 0)).collect();
        assert!(wrong.is_empty(), "{wrong:?}: {}", truth["verdict"]["details"]);
    }
}

/// Standard output and error of a command that succeeds.
async fn all_words(installed: &Installed, arguments: &[&str]) -> String {
    let output = installed.run(arguments).await;
    let words = crate::process::words(&output);
    assert!(output.status.success(), "{arguments:?}: {words}");
    words
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_is_refused_by_the_code_of_what_is_wrong_and_leaves_nothing() {
    let installed = Installed::start("refused-uploads", small(61)).await;
    let seller = installed.seller().to_owned();
    let shape = installed.file("shape.wasm", &wrapped(&branch_tables(10, 10_000)));
    let import = r#"(component (import "wasi:cli/environment@0.2.3" (instance)))"#;
    let import = installed.file("import.wasm", &wat::parse_str(import).expect("text"));
    let export = installed.file("export.wasm", &wrapped(""));
    let large = installed.file("large.wasm", &vec![0; (1 << 20) + 1]);
    let nonsense = installed.file("nonsense.wasm", b"nonsense");
    let hostile = installed.file("hostile.wasm", &component("hostile"));
    for (file, code) in [
        (&shape, "MAP-SHAPE"),
        (&import, "MAP-IMPORT"),
        (&export, "MAP-EXPORT"),
        (&large, "MAP-SIZE"),
        (&nonsense, "MAP-COMPONENT"),
        (&hostile, "MAP-SETTING-MISSING"),
    ] {
        let refused = installed.refused(&["mapper", "upload", file, "--seller", &seller]).await;
        assert!(refused.contains(code), "{file}: {refused}");
    }
    for (attack, words) in [("panic", "MAP-FIXTURE-FAULT"), ("spin", "MAP-FIXTURE-FAULT")] {
        installed.setting("attack", attack);
        let refused = installed.refused(&["mapper", "upload", &hostile, "--seller", &seller]).await;
        assert!(refused.contains(words) && refused.contains("fixture `host: "), "{refused}");
    }
    // A setting that nobody reads is a mistake in the configuration: nobody would have noticed.
    installed.setting("tex.US", "exclusive");
    let standard = installed.file("standard.wasm", &variant("standard", "new"));
    let unknown = installed.refused(&["mapper", "upload", &standard, "--seller", &seller]).await;
    assert!(unknown.contains("MAP-SETTING-UNKNOWN"), "{unknown}");
    let list = installed.said(&["mapper", "list"]).await;
    assert!(!list.contains("validated"), "{list}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compiled_form_that_somebody_else_wrote_is_made_again() {
    let installed = Installed::start("forged-cache", small(62)).await;
    let digest = ContentHash::of(&component("standard"));
    all_words(&installed, &["check"]).await;
    let files = installed.compiled(&digest);
    assert_eq!(files.len(), 1, "{files:?}");
    let genuine = std::fs::read(&files[0]).expect("reads");
    let mut forged = genuine.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    std::fs::write(&files[0], &forged).expect("writes");
    let words = all_words(&installed, &["check"]).await;
    assert!(words.contains("MAP-CACHE-FORGED"), "{words}");
    assert_ne!(std::fs::read(&files[0]).expect("reads"), forged, "it was made again");
    let words = all_words(&installed, &["check"]).await;
    assert!(!words.contains("MAP-CACHE-FORGED"), "{words}");
    // Under another master key nothing of it counts.
    installed.configure(|config| config["master_key_file"] = "other.key".into());
    std::fs::write(installed.path("other.key"), "f".repeat(64)).expect("writes");
    let words = all_words(&installed, &["check"]).await;
    assert!(words.contains("MAP-CACHE-FORGED"), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compiler_without_memory_leaves_an_error_and_the_daemon_alive() {
    let installed = Installed::start("compiler", small(63)).await;
    let (seller, scenario) = (installed.seller().to_owned(), &installed.simulator.world.scenario);
    let new = variant("standard", "new");
    let digest = ContentHash::of(&new);
    let file = installed.file("new.wasm", &new);
    installed.said(&["mapper", "upload", &file, "--seller", &seller]).await;
    installed.said(&["mapper", "activate", &digest.as_str()[..8], "--all"]).await;
    for compiled in installed.compiled(&digest) {
        std::fs::remove_file(compiled).expect("removes");
    }
    installed.mappers("compile_memory_mib = 16");
    let other = installed.file("other.wasm", &variant("standard", "other"));
    let refused = installed.refused(&["mapper", "upload", &other, "--seller", &seller]).await;
    assert!(refused.contains("MAP-COMPILE-MEMORY"), "{refused}");
    // The daemon cannot map: it says why, goes on, and ends when it is told to.
    serve_until_said_twice(&installed, "MAP-COMPILE-MEMORY").await;

    installed.mappers("");
    let end = scenario.end.to_string();
    let words = all_words(&installed, &["serve", "--until", &end]).await;
    assert!(!words.contains("MAP-COMPILE"), "{words}");
    installed.assert_books_are_right();

    // What was recorded is run and profiled, by the version that mapped it or by another.
    let order = installed.said(&["explain", "--json"]).await;
    let story: serde_json::Value = serde_json::from_str(&order).expect("JSON");
    let batch = batch_of(&story).expect("a document names the batch that it was made in");
    for by in ["recorded", &digest.as_str()[..8], &other] {
        let run = all_words(&installed, &["mapper", "run", by, "--batch", &batch]).await;
        assert!(run.contains("used of the limits: fuel"), "{run}");
    }
    let nothing = installed.refused(&["mapper", "run", "recorded", "--batch", "zzzzzz"]).await;
    assert!(nothing.contains("MAP-BATCH"), "{nothing}");
    let profile = ["mapper", "profile", "recorded", "--batch", &batch, "--samples", "200"];
    let (first, second) = (installed.said(&profile).await, installed.said(&profile).await);
    assert_eq!(first, second, "the same on every run");
    assert!(first.contains("fuel, stopped at 200 even points"), "{first}");
    assert!(first.contains("plugin_standard::") && first.contains("(host: records handed in)"), "{first}");
}

/// Runs the daemon until it has logged a code twice, so has gone on after the first time; then it ends when it is told
/// to, and without an error.
async fn serve_until_said_twice(installed: &Installed, code: &str) {
    let mut command = installed.command(&["serve"]);
    let mut daemon = command.stderr(std::process::Stdio::piped()).spawn().expect("starts");
    let mut lines = BufReader::new(daemon.stderr.take().expect("an output")).lines();
    let (mut said, mut all) = (0, Vec::new());
    while said < 2 {
        let Some(line) = lines.next_line().await.expect("text") else { panic!("it ended: {all:#?}") };
        said += usize::from(line.contains(code));
        all.push(line);
    }
    let id = daemon.id().expect("it runs").to_string();
    let told = tokio::process::Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs");
    assert!(told.success());
    while let Some(line) = lines.next_line().await.expect("text") {
        all.push(line);
    }
    let ended = daemon.wait().await.expect("ends");
    assert!(ended.success(), "{ended}: {all:#?}");
}

/// The first batch that a story names.
fn batch_of(story: &serde_json::Value) -> Option<String> {
    match story {
        serde_json::Value::Object(members) => {
            match members.get("input").and_then(serde_json::Value::as_str) {
                Some(input) if input.len() == 64 => Some(input.to_owned()),
                _ => members.values().find_map(batch_of),
            }
        }
        serde_json::Value::Array(list) => list.iter().find_map(batch_of),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seller_that_requires_signatures_gets_nothing_unsigned_at_upload_activation_or_start() {
    let installed = Installed::start("signatures", small(64)).await;
    let seller = installed.seller().to_owned();
    let standard = installed.file("standard.wasm", &component("standard"));
    installed.configure(|config| config["seller"][0]["mapper"] = "standard.wasm".into());
    let (one, two) = (variant("standard", "one"), variant("standard", "two"));
    let (file, other) = (installed.file("one.wasm", &one), installed.file("two.wasm", &two));
    let digest = ContentHash::of(&one).as_str()[..8].to_owned();
    installed.said(&["mapper", "upload", &file, "--seller", &seller]).await;

    let mut keys = Vec::new();
    for name in ["ann.key", "eve.key"] {
        let path = installed.path(name).display().to_string();
        keys.push((installed.said(&["mapper", "sign", "--new-key", &path]).await.trim().to_owned(), path));
    }
    let [(ann, ann_key), (eve, eve_key)] = &keys[..] else { panic!("two keys") };
    let author = |public: &str| {
        let rules = format!("require_signature = true\nauthors.somebody = \"{public}\"");
        let rules: toml::Table = toml::from_str(&rules).expect("TOML");
        installed.configure(|config| {
            let seller = config["seller"][0].as_table_mut().expect("a seller");
            seller.insert("mappers".to_owned(), rules.into());
        });
    };
    author("12");
    assert!(installed.refused(&["check"]).await.contains("SIG-KEY"));
    author(ann);
    let upload =
        |file: &str| vec!["mapper".to_owned(), "upload".to_owned(), file.to_owned(), "--all".to_owned()];
    let refused = async |arguments: &[String]| {
        installed.refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    let activate = ["mapper", "activate", &digest, "--all"];
    for words in [
        installed.refused(&["check"]).await,
        installed.refused(&["serve", "--until", "2020-01-01T00:00:00Z"]).await,
        installed.refused(&activate).await,
        refused(&upload(&other)).await,
    ] {
        assert!(words.contains("SIG-MISSING"), "{words}");
    }
    installed.said(&["mapper", "sign", &other, "--key", eve_key]).await;
    let words = refused(&upload(&other)).await;
    assert!(words.contains("SIG-AUTHOR"), "{words}");

    // Signed by an author of the seller's, everything goes; a component that is kept already gains the signature.
    for path in [&standard, &file] {
        installed.said(&["mapper", "sign", path, "--key", ann_key]).await;
    }
    installed.said(&["check"]).await;
    installed.said(&["mapper", "upload", &file, "--all"]).await;
    installed.said(&activate).await;
    let third_day = installed.simulator.world.scenario.start + jiff::SignedDuration::from_hours(72);
    let words = all_words(&installed, &["serve", "--until", &third_day.to_string()]).await;
    assert!(!words.contains("SIG-"), "{words}");

    // A key that is taken out of the configuration takes what it signed out of use.
    author(eve);
    installed.said(&["mapper", "sign", &standard, "--key", eve_key]).await;
    serve_until_said_twice(&installed, "SIG-AUTHOR").await;
    author(ann);
    installed.said(&["mapper", "sign", &standard, "--key", ann_key]).await;
    let end = installed.simulator.world.scenario.end.to_string();
    let words = all_words(&installed, &["serve", "--until", &end]).await;
    assert!(!words.contains("SIG-"), "{words}");
    installed.assert_books_are_right();
}
