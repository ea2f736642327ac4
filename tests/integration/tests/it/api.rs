//! The API of a real daemon beside the simulator: health, figures, the review queue, catalogs and mappers, as an operator's own
//! program would use them.

use std::collections::BTreeSet;
use std::time::Duration;

use ml_connector_domain::id::ContentHash;
use ml_connector_simulator::scenario::ScenarioOptions;
use serde_json::Value;

use crate::process::{Installed, words};
use crate::support::small;
use crate::versions::variant;

/// What was answered.
struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{}: {}", self.status, self.text))
    }

    /// The body of a request that has to succeed.
    fn good(&self) -> Value {
        assert!(self.status < 300, "{}: {}", self.status, self.text);
        self.json()
    }
}

/// A daemon that serves, and who asks it.
struct Client {
    base: String,
    figures: String,
    key: String,
}

impl Client {
    async fn send(&self, method: &str, url: String, kind: &str, body: Vec<u8>) -> Answer {
        let (method, kind, key) = (method.to_owned(), kind.to_owned(), self.key.clone());
        let asked = move || {
            let agent = ureq::Agent::config_builder().http_status_as_error(false).build();
            let agent = ureq::Agent::from(agent);
            let bearer = format!("Bearer {key}");
            let answer = match method.as_str() {
                "GET" => agent.get(&url).header("authorization", bearer).call(),
                _ => agent
                    .post(&url)
                    .header("authorization", bearer)
                    .header("content-type", kind)
                    .send(&body[..]),
            };
            let mut answer = answer.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
            let text = answer.body_mut().read_to_string().expect("text");
            Answer { status: answer.status().as_u16(), text }
        };
        tokio::task::spawn_blocking(asked).await.expect("no panic")
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", format!("{}{path}", self.base), "", Vec::new()).await
    }

    async fn post(&self, path: &str, kind: &str, body: &[u8]) -> Answer {
        self.send("POST", format!("{}{path}", self.base), kind, body.to_vec()).await
    }
}

/// Waits until the daemon's log says where something listens.
#[expect(
    clippy::disallowed_methods,
    reason = "the daemon is another process: its log is looked at again and again"
)]
async fn place(installed: &Installed, after: &str) -> String {
    let log = || std::fs::read_to_string(installed.path("log")).unwrap_or_default();
    let told = async {
        loop {
            let found = log()
                .lines()
                .find(|line| line.contains(after))
                .and_then(|line| Some(line.split("place=").nth(1)?.split_whitespace().next()?.to_owned()));
            if let Some(place) = found {
                return format!("http://{place}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), told).await;
    waited.unwrap_or_else(|_| panic!("`{after}` was never logged:\n{}", log()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_sees_to_what_waits_and_brings_a_mapper_without_a_shell() {
    let installed = Installed::start("api", ScenarioOptions { days: 3, ..small(72) }).await;
    let seller = installed.seller().to_owned();
    installed.said(&["serve", "--until", installed.scenario["end"].as_str().expect("an end")]).await;
    installed.configure(|table| {
        // The daemon stays up while it is asked: a step of the books' clock takes half a second.
        table["clock"].as_table_mut().expect("a table").insert("pace_ms".to_owned(), 500.into());
        table.insert("api".to_owned(), toml::toml! { listen = "127.0.0.1:0" }.into());
        table.insert("metrics".to_owned(), toml::toml! { listen = "127.0.0.1:0" }.into());
    });
    for (set, key) in [
        ("api.listen=0.0.0.0:8443", "api.listen"),
        ("api.unix=api.sock", "api.listen"),
        ("api.tls_cert=api.pem", "api.tls_cert"),
        ("metrics.listen=0.0.0.0:9464", "metrics.listen"),
    ] {
        let said = installed.refused(&["--set", set, "config", "check"]).await;
        assert!(said.contains(&format!("CFG-VALUE: {key}:")), "{set}: {said}");
    }
    let key = installed.said(&["api-key", "add", "--role", "admin", "--expires", "3650"]).await;
    let key = key.trim().to_owned();
    let id = key.split('_').nth(1).expect("an id").to_owned();
    assert!(installed.said(&["api-key", "list"]).await.contains(&id));
    assert!(
        installed
            .refused(&["api-key", "add", "--role", "viewer", "--tenant", "X"])
            .await
            .contains("API-TENANT")
    );

    let log = std::fs::File::create(installed.path("log")).expect("a file");
    let mut daemon =
        installed.command(&["serve"]).stderr(log).env("RUST_LOG", "info").spawn().expect("it starts");
    let client = Client {
        base: place(&installed, "the API listens").await,
        figures: place(&installed, "figures listen").await,
        key,
    };
    health(&client, &seller).await;
    resolves(&installed, &client, &seller).await;
    maps(&client, &seller).await;

    let events = client.get(&format!("/v1/sellers/{seller}/audit?subject={seller}")).await.good();
    assert_eq!(events["items"].as_array().map(Vec::len), Some(0), "{events}");
    client.post(&format!("/v1/sellers/{seller}/pause"), "", b"").await.good();
    let told = client.get(&format!("/v1/sellers/{seller}/audit?subject={seller}")).await.good();
    assert!(told["items"][0]["detail"].as_str().is_some_and(|words| words.contains(&id)), "{told}");

    assert!(installed.said(&["api-key", "revoke", &id]).await.contains("out of use"));
    assert_eq!(client.get("/v1/sellers").await.status, 401);
    let process = daemon.id().expect("it lives").to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &process]).status().expect("kill").success());
    let ended = tokio::time::timeout(Duration::from_secs(60), daemon.wait()).await;
    assert!(ended.is_ok_and(|status| status.is_ok_and(|status| status.success())), "it ends in order");
    // Neither the key nor what it opened is anywhere but with its owner.
    let secret = client.key.rsplit('_').next().expect("a secret").as_bytes();
    for (name, bytes) in installed.files() {
        assert!(!bytes.windows(secret.len()).any(|part| part == secret), "{name} has the key's secret");
    }
}

/// Both listeners, with and without a key.
async fn health(client: &Client, seller: &str) {
    let ready = tokio::time::timeout(Duration::from_secs(60), async {
        while client.get("/readyz").await.status != 200 {}
    });
    assert!(ready.await.is_ok(), "{}", client.get("/readyz").await.text);
    assert_eq!(client.get("/healthz").await.good()["status"], "ok");
    let nobody = Client { key: String::new(), base: client.figures.clone(), figures: String::new() };
    let open = nobody.get("/metrics").await;
    assert_eq!(open.status, 200);
    assert_eq!(nobody.get("/v1/sellers").await.json()["code"], "API-NOT-FOUND");
    let own = client.get("/metrics").await.text;
    for text in [&open.text, &own] {
        let label = format!("seller=\"{seller}\"");
        for name in ["stream_lag_seconds", "documents", "review_items", "seller_paused", "worker_late"] {
            let has =
                |line: &str| line.starts_with(&format!("ml_connector_{name}{{")) && line.contains(&label);
            assert!(text.lines().any(has), "{name}:\n{text}");
        }
    }
    let standing = client.get(&format!("/v1/sellers/{seller}")).await.good();
    assert!(standing["documents"]["confirmed"].as_u64() > Some(0), "{standing}");
    assert_eq!(client.get("/v1/openapi.json").await.good()["openapi"], "3.1.0");
    let month = client.get(&format!("/v1/sellers/{seller}/reconciliation?period=2026-09")).await.good();
    assert_eq!(month["tie_outs"].as_array().map(Vec::len), Some(7), "{month}");
}

/// From an item without an account to its planned invoice.
async fn resolves(installed: &Installed, client: &Client, seller: &str) {
    let listed =
        client.get(&format!("/v1/sellers/{seller}/review?code=unmapped-sku&kind=order&limit=200")).await;
    let listed = listed.good();
    let items = listed["items"].as_array().expect("items");
    let skus: BTreeSet<&str> = items.iter().filter_map(|item| item["about"].as_str()).collect();
    assert!(!skus.is_empty(), "{listed}");
    let old = std::fs::read_to_string(installed.path("catalog.csv")).expect("reads");
    let rows: String = skus.iter().map(|sku| format!("{sku},,,41000,,110\n")).collect();
    let path = format!("/v1/sellers/{seller}/catalogs?activate=true&file=new.csv");
    let imported = client.post(&path, "text/csv", format!("{old}{rows}").as_bytes()).await.good();
    assert_eq!(imported["active"], true);
    let refused = client.post(&path, "text/csv", format!("{old}X,,,41 000,,\n").as_bytes()).await.json();
    assert!(refused["detail"].as_str().is_some_and(|words| words.contains("new.csv:")), "{refused}");

    let item = format!("/v1/review/{}", items[0]["id"]);
    let shown = client.get(&item).await.good();
    assert_eq!(shown["attempt"]["settles"], true, "{shown}");
    let documents: Vec<&Value> = shown["attempt"]["documents"]
        .as_array()
        .expect("documents")
        .iter()
        .map(|one| &one["sha256"])
        .collect();
    let body = serde_json::json!({ "documents": documents }).to_string();
    let done = client.post(&format!("{item}/resolve"), "application/json", body.as_bytes()).await.good();
    let planned = done["planned"][0].as_str().expect("a key");
    let document = client.get(&format!("/v1/documents/{planned}")).await.good();
    assert_eq!(document["kind"], "invoice", "{document}");
    assert!(shown["attempt"]["documents"][0]["sha256"] == document["sha256"], "{document}");
}

/// A component comes in, maps, and is taken back.
async fn maps(client: &Client, seller: &str) {
    let place = format!("/v1/sellers/{seller}/mappers");
    let refused = client.post(&place, "application/wasm", b"\0asm no component").await;
    assert_eq!((refused.status, &refused.json()["code"]), (422, &"API-REFUSED".into()), "{}", refused.text);
    let bytes = variant("standard", "api");
    let digest = ContentHash::of(&bytes);
    let kept = client.post(&place, "application/wasm", &bytes).await.good();
    assert_eq!(
        (&kept["digest"], kept["fixtures"].as_u64() > Some(8)),
        (&digest.as_str().into(), true),
        "{kept}"
    );
    client.post(&format!("{place}/{digest}/shadow"), "", b"").await.good();
    client.post(&format!("{place}/{digest}/activate"), "", b"").await.good();
    let listed = client.get(&place).await.good();
    assert_eq!(listed["active"], digest.as_str(), "{listed}");
    let back = client.post(&format!("{place}/rollback"), "", b"").await.good();
    assert_eq!(back["version"], "the configuration's file", "{back}");
}

/// An address in use stops the daemon with words, before a worker has begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_taken_is_told() {
    let installed = Installed::start("apitaken", ScenarioOptions { days: 3, ..small(73) }).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = taken.local_addr().expect("an address").to_string();
    installed.configure(|table| {
        let mut api = toml::Table::new();
        api.insert("listen".to_owned(), address.clone().into());
        table.insert("api".to_owned(), api.into());
    });
    let output = installed.run(&["serve", "--until", "2026-09-02T00:00:00Z"]).await;
    assert!(!output.status.success() && words(&output).contains("API-LISTEN"), "{}", words(&output));
}
