//! Errors, pages, repeated requests, bounds, and what changes leave behind.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ml_connector_storage::{Operations as _, Store as _};
use serde_json::Value;

use super::stubs::{COMPONENT_BYTES_MAX, Daemon, SetClock};
use super::world::{Made, World, component, document_key};
use crate::{Limits, Role};

/// Method, path, headers and body; and the status and code of the answer.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8], u16, &'a str);

#[tokio::test]
async fn every_error_is_a_problem_with_a_code() {
    let world = World::new().await;
    let key = world.key(Role::Admin, "T").await;
    let big = vec![b' '; (1 << 20) + 1];
    let (json, csv) = (("content-type", "application/json"), ("content-type", "text/csv"));
    let cases: [Case<'_>; 14] = [
        ("GET", "/", &[], b"", 404, "API-NOT-FOUND"),
        ("GET", "/v1/sellers/%ff", &[], b"", 400, "API-PARAMETER"),
        ("DELETE", "/v1/sellers", &[], b"", 405, "API-METHOD"),
        ("GET", "/v1/sellers?limit=0", &[], b"", 400, "API-PARAMETER"),
        ("GET", "/v1/sellers?limit=201", &[], b"", 400, "API-PARAMETER"),
        ("GET", "/v1/sellers?after=%21", &[], b"", 400, "API-PARAMETER"),
        ("GET", "/v1/sellers?colour=red", &[], b"", 400, "API-PARAMETER"),
        ("GET", "/v1/sellers/A1/reconciliation", &[], b"", 400, "API-PARAMETER"),
        ("POST", "/v1/api-keys", &[json], b"{", 422, "API-BODY"),
        ("POST", "/v1/api-keys", &[json], b"{\"role\":\"root\"}", 422, "API-BODY"),
        ("POST", "/v1/api-keys", &[csv], b"{\"role\":\"viewer\"}", 415, "API-MEDIA-TYPE"),
        ("POST", "/v1/sellers/A1/catalogs", &[csv], &big, 413, "API-TOO-LARGE"),
        ("POST", "/v1/sellers/A1/catalogs", &[csv], b"no,catalog\n", 422, "API-REFUSED"),
        (
            "PUT",
            "/v1/sellers/A1/credentials/amazon-refresh-token-na",
            &[json],
            b"{\"secret\":5}",
            422,
            "API-BODY",
        ),
    ];
    for (method, path, headers, body, status, code) in cases {
        let got = world.ask(Some(&key), (method, path), headers, body).await;
        assert_eq!((got.status, got.code().as_str()), (status, code), "{method} {path}: {got:?}");
        assert_eq!(got.json()["instance"], path.split('?').next().expect("a path"));
    }
}

/// All rows of a list, page by page.
async fn walked(world: &World, key: &secrecy::SecretString, path: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let page = world.get(key, &format!("{path}?limit={limit}{after}")).await.json();
        let items = page["items"].as_array().expect("items").clone();
        assert!(items.len() <= limit && (!items.is_empty() || rows.is_empty()), "{page}");
        rows.extend(items);
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return rows,
        }
    }
}

#[tokio::test]
async fn pages_show_every_row_once() {
    let world = World::new().await;
    let key = world.key(Role::Admin, "T").await;
    for (path, id, least) in [
        ("/v1/sellers", "seller", 2),
        ("/v1/sellers/A1/documents", "key", 7),
        ("/v1/sellers/A1/review", "id", 3),
        ("/v1/sellers/A1/audit", "id", 7),
        ("/v1/sellers/A1/mappers", "digest", 2),
        ("/v1/sellers/A1/catalogs", "hash", 1),
        ("/v1/api-keys", "id", 1),
    ] {
        let all = walked(&world, &key, path, 200).await;
        assert!(all.len() >= least, "{path}: {}", all.len());
        for limit in 1..=3 {
            assert_eq!(walked(&world, &key, path, limit).await, all, "{path} by {limit}");
        }
        let ids: BTreeSet<String> = all.iter().map(|row| row[id].to_string()).collect();
        assert_eq!(ids.len(), all.len(), "{path}");
    }
    let filtered =
        world.get(&key, "/v1/sellers/A1/documents?subject=O3&state=planned&kind=invoice").await.json();
    assert_eq!(filtered["items"][0]["subject"], "O3", "{filtered}");
    assert_eq!(filtered["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_repeated_request_is_done_once() {
    let world = World::new().await;
    let key = world.key(Role::Admin, "T").await;
    let add = async |name: &str, body: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", name)];
        world.ask(Some(&key), ("POST", "/v1/api-keys"), &headers, body.as_bytes()).await
    };
    let one = add("a", r#"{"role":"viewer"}"#).await;
    let again = add("a", r#"{"role":"viewer"}"#).await;
    assert_eq!((one.status, again.status), (201, 201));
    assert_eq!(one.json()["id"], again.json()["id"]);
    // The secret is told once, and stands nowhere.
    assert!(one.json()["key"].is_string() && again.json()["key"].is_null(), "{again:?}");
    let other = add("a", r#"{"role":"admin"}"#).await;
    assert_eq!((other.status, other.code().as_str()), (422, "API-IDEMPOTENCY"));
    assert_ne!(add("b", r#"{"role":"viewer"}"#).await.json()["id"], one.json()["id"]);
    let refused = add("c", r#"{"role":"root"}"#).await;
    assert_eq!(refused.text, add("c", r#"{"role":"root"}"#).await.text);
    assert_eq!(add("", r#"{"role":"viewer"}"#).await.code(), "API-PARAMETER");
    // Another key's names are its own.
    let second = world.key(Role::Admin, "T").await;
    let headers = [("content-type", "application/json"), ("idempotency-key", "a")];
    let made = world.ask(Some(&second), ("POST", "/v1/api-keys"), &headers, br#"{"role":"viewer"}"#).await;
    assert_ne!(made.json()["id"], one.json()["id"]);
}

#[tokio::test]
async fn what_is_under_way_goes_on_after_its_request_gave_up() {
    let held = Daemon { held: Some(tokio::sync::Semaphore::new(0)), ..Daemon::default() };
    let limits = Limits { slow_time: Duration::from_millis(50), ..Limits::default() };
    let world = World::of(Made { daemon: held, limits, ..Made::default() }).await;
    let key = world.key(Role::MapperAuthor, "T").await;
    let upload = async || {
        let headers = [("content-type", "application/wasm"), ("idempotency-key", "u")];
        world.ask(Some(&key), ("POST", "/v1/sellers/A1/mappers"), &headers, &component("N", 1)).await
    };
    let gave_up = upload().await;
    assert_eq!((gave_up.status, gave_up.code().as_str()), (503, "API-TIMEOUT"));
    let meanwhile = upload().await;
    assert_eq!((meanwhile.status, meanwhile.code().as_str()), (409, "API-UNDER-WAY"));
    world.daemon.held.as_ref().expect("it is held").add_permits(9);
    world.api.finish().await;
    let after = upload().await;
    assert_eq!(after.status, 201, "{after:?}");
}

/// A daemon that holds an upload until it is let go, and has others beside it.
fn holding() -> Made {
    let daemon = Daemon { held: Some(tokio::sync::Semaphore::new(0)), ..Daemon::default() };
    let limits = Limits { slow_time: Duration::from_millis(50), ..Limits::default() };
    Made { alone: false, daemon, limits, ..Made::default() }
}

async fn upload(world: &World, key: &secrecy::SecretString) -> (u16, String) {
    let headers = [("content-type", "application/wasm"), ("idempotency-key", "u")];
    let got = world.ask(Some(key), ("POST", "/v1/sellers/A1/mappers"), &headers, &component("N", 1)).await;
    (got.status, if got.status == 201 { String::new() } else { got.code() })
}

/// Moves time, and waits until whoever waited for it waits for a later one.
async fn pass(world: &World, seconds: i64) {
    world.clock.pass(seconds);
    let asleep =
        |clock: &SetClock| clock.asleep_until.load(Ordering::SeqCst) > clock.now.load(Ordering::SeqCst);
    let waited = tokio::time::timeout(Duration::from_secs(30), world.clock.until(asleep)).await;
    waited.expect("what is under way is renewed");
}

#[tokio::test]
async fn a_daemon_that_starts_later_leaves_to_the_other_what_it_has_under_way() {
    let first = World::of(holding()).await;
    let key = first.key(Role::MapperAuthor, "T").await;
    assert_eq!(upload(&first, &key).await, (503, "API-TIMEOUT".to_owned()));
    let mut later = Vec::new();
    for _ in 0..10 {
        pass(&first, 20).await;
        let second = first.beside(Made { alone: false, ..Made::default() });
        assert_eq!(upload(&second, &key).await, (409, "API-UNDER-WAY".to_owned()));
        later.push(second);
    }
    first.daemon.held.as_ref().expect("it is held").add_permits(1);
    first.api.finish().await;
    assert_eq!(upload(&later[0], &key).await, (201, String::new()), "it is the first one's answer");
}

#[test]
fn what_a_daemon_had_under_way_when_it_died_is_taken_over_in_a_minute() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("starts")
    };
    let (dying, living) = (runtime(), runtime());
    let (first, key) = living.block_on(async {
        let first = World::of(holding()).await;
        let key = first.key(Role::MapperAuthor, "T").await;
        (first, key)
    });
    assert_eq!(dying.block_on(upload(&first, &key)), (503, "API-TIMEOUT".to_owned()));
    dying.shutdown_timeout(Duration::from_secs(30));
    living.block_on(async {
        let second = first.beside(Made { alone: false, ..Made::default() });
        first.clock.pass(59);
        assert_eq!(upload(&second, &key).await, (409, "API-UNDER-WAY".to_owned()));
        first.clock.pass(2);
        assert_eq!(upload(&second, &key).await, (201, String::new()));
    });
}

#[tokio::test]
async fn a_change_that_panics_may_be_tried_again() {
    let world = World::new().await;
    let key = world.key(Role::MapperAuthor, "T").await;
    let headers = [("content-type", "application/wasm"), ("idempotency-key", "p")];
    for _ in 0..2 {
        let got = world.ask(Some(&key), ("POST", "/v1/sellers/A1/mappers"), &headers, b"panic").await;
        assert_eq!((got.status, got.code().as_str()), (500, "API-FAILED"));
    }
}

#[tokio::test]
async fn a_component_is_as_large_as_the_policy_says() {
    let world = World::new().await;
    let key = world.key(Role::MapperAuthor, "T").await;
    let kind = [("content-type", "application/wasm")];
    let place = ("POST", "/v1/sellers/A1/mappers");
    let mut bytes = component("N", 1);
    bytes.resize(COMPONENT_BYTES_MAX, 0);
    assert_eq!(world.ask(Some(&key), place, &kind, &bytes).await.status, 201);
    bytes.push(0);
    assert_eq!(world.ask(Some(&key), place, &kind, &bytes).await.code(), "API-TOO-LARGE");
    let refused = world.ask(Some(&key), place, &kind, b"no component").await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "API-REFUSED"));
    assert!(refused.json()["detail"].as_str().is_some_and(|words| words.starts_with("MAP-FORM")));
}

#[tokio::test]
async fn a_key_may_ask_so_often_and_other_keys_do_not_pay_for_it() {
    let one = NonZeroU32::MIN;
    let limits = Limits { requests_per_second: one, burst: one.saturating_add(2), ..Limits::default() };
    let world = World::of(Made { limits, ..Made::default() }).await;
    let (greedy, modest) = (world.key(Role::Viewer, "T").await, world.key(Role::Viewer, "T").await);
    let mut codes = Vec::new();
    for _ in 0..6 {
        let got = world.get(&greedy, "/v1/sellers").await;
        if got.status != 200 {
            assert_eq!(got.headers["retry-after"], "1");
            codes.push(got.code());
        }
    }
    assert!(codes.len() >= 2 && codes.iter().all(|code| code == "API-RATE"), "{codes:?}");
    assert_eq!(world.get(&modest, "/v1/sellers").await.status, 200);
}

#[tokio::test]
async fn changes_are_told_in_the_log_with_the_key_that_made_them() {
    let world = World::new().await;
    let (id, key) = world.key_of(Role::Admin, "T", None, |_| {}).await;
    let who = format!("API key {id}");
    assert_eq!(world.post(&key, "/v1/sellers/A1/pause", "").await.json()["paused"]["by"], who.as_str());
    assert!(world.store.seller_pause(&"A1".into()).await.expect("reads").is_some());
    assert!(world.post(&key, "/v1/sellers/A1/resume", "").await.json()["paused"].is_null());
    let digest = ml_connector_domain::id::ContentHash::of(&component("A1", 2));
    let active = world.post(&key, &format!("/v1/sellers/A1/mappers/{digest}/activate"), "").await;
    assert_eq!(active.json()["version"], digest.as_str(), "{active:?}");
    assert_eq!(world.post(&key, "/v1/sellers/A1/mappers/rollback", "").await.status, 200);
    let csv = [("content-type", "text/csv")];
    let imported = ("POST", "/v1/sellers/A1/catalogs?activate=true&file=new.csv");
    let got = world.ask(Some(&key), imported, &csv, &super::world::catalog("MUG")).await;
    assert_eq!((got.status, &got.json()["active"]), (201, &Value::Bool(true)), "{got:?}");
    let events = world.get(&key, "/v1/sellers/A1/audit?limit=200").await.json();
    let told = events["items"].as_array().expect("items").iter();
    let told =
        told.filter(|event| event["detail"].as_str().is_some_and(|words| words.contains(&who))).count();
    assert!(told >= 5, "{told}: {events}");
}

#[tokio::test]
async fn an_item_is_resolved_as_it_was_shown() {
    let world = World::new().await;
    let key = world.key(Role::Operator, "T").await;
    let id = world.item("A1").await;
    let path = format!("/v1/review/{id}");
    let shown = world.get(&key, &path).await.json();
    assert_eq!(shown["attempt"]["settles"], true, "{shown}");
    let sha = shown["attempt"]["documents"][0]["sha256"].as_str().expect("a hash");
    let other = world.post(&key, &format!("{path}/resolve"), r#"{"documents":["0"]}"#).await;
    assert_eq!((other.status, other.code().as_str()), (409, "API-CONFLICT"));
    let body = format!(r#"{{"documents":["{sha}"]}}"#);
    let done = world.post(&key, &format!("{path}/resolve"), &body).await;
    assert_eq!(done.status, 200, "{done:?}");
    let planned = done.json()["planned"][0].as_str().expect("a key").to_owned();
    let document = world.get(&key, &format!("/v1/documents/{planned}")).await.json();
    assert_eq!((&document["state"], &document["sha256"]), (&"planned".into(), &sha.into()), "{document}");
    assert_eq!(world.get(&key, &path).await.code(), "API-CONFLICT");
    let short = world.post(&key, &format!("/v1/review/{}/dismiss", id + 1), r#"{"because":"no"}"#).await;
    assert_eq!(short.code(), "API-BODY");
}

#[tokio::test]
async fn health_is_what_the_workers_and_the_store_say() {
    let world = World::new().await;
    let key = world.key(Role::Viewer, "T").await;
    let ask = async |path| world.ask(None, ("GET", path), &[], b"").await;
    assert_eq!((ask("/healthz").await.status, ask("/readyz").await.status), (200, 503));
    let now = ml_connector_domain::Clock::now(&*world.clock);
    ["A1", "A2", "B1"].into_iter().for_each(|id| world.pulse.beat(&id.into(), now));
    assert_eq!(ask("/readyz").await.json()["ready"], true);
    world.clock.pass(31 * 60);
    assert_eq!((ask("/healthz").await.status, ask("/readyz").await.status), (503, 200));
    assert_eq!(ask("/metrics").await.code(), "API-KEY");
    let text = world.get(&key, "/metrics").await.text;
    for (name, _) in crate::figures::GAUGES {
        assert!(text.contains(&format!("# TYPE {name} gauge")), "{name}:\n{text}");
    }
    assert!(text.contains("ml_connector_documents{seller=\"A1\",state=\"planned\"} 7"), "{text}");
    assert!(
        text.contains("ml_connector_review_at_stake_minor{seller=\"A1\",currency=\"USD\"} 1999"),
        "{text}"
    );
    assert!(text.contains("ml_connector_worker_late{seller=\"A2\"} 1"), "{text}");
    assert!(text.contains("cycles_total{seller=\"A1\"} 3") && !text.contains("B1"), "{text}");
    world.store.close().await;
    assert_eq!(ask("/readyz").await.json()["database"], false);
}

/// What an alert names has to be exported, or it never fires.
#[test]
fn alerts_name_what_is_exported() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/alerts.yml");
    let text = std::fs::read_to_string(path).expect("the file");
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let named: BTreeSet<&str> = words.filter(|word| word.starts_with("ml_connector_")).collect();
    assert!(named.len() >= 8, "{named:?}");
    for name in named {
        let known = crate::figures::GAUGES.iter().chain(crate::figures::COUNTERS);
        assert!(known.clone().any(|(own, _)| *own == name), "{name} is not exported");
    }
}

#[tokio::test]
async fn a_document_is_shown_with_its_story() {
    let world = World::new().await;
    let key = world.key(Role::Viewer, "T").await;
    let got = world.get(&key, &format!("/v1/documents/{}", document_key("A1"))).await.json();
    assert_eq!((&got["subject"], &got["expected"]["minor"]), (&"O1".into(), &1_999.into()), "{got}");
    assert!(got["story"][0]["detail"].as_str().is_some_and(|words| words.contains("invoice of O1")), "{got}");
    let report = world.get(&key, "/v1/sellers/A1/reconciliation?period=2026-10").await.json();
    assert_eq!(report["tie_outs"].as_array().map(Vec::len), Some(7), "{report}");
    // Three sellers have items of these reasons: of its own, one seller has one order.
    let orders = report["review"].as_array().expect("rows").iter().find(|row| row["kind"] == "order");
    assert_eq!(orders.map(|row| &row["subjects"]), Some(&1.into()), "{report}");
    let _unused = world.store.counts().await;
}
