//! Every row of the table of routes, for every role, with its own tenant's things, another's, and with keys that are not taken.

use ml_connector_domain::id::ContentHash;
use secrecy::SecretString;

use super::world::{FOREIGN, Made, OWN, World, catalog, component, document_key};
use crate::role::Need;
use crate::routes::{Body, Operation, ROUTES, Route};
use crate::{Role, openapi};

/// Whose things a path names.
struct Things {
    seller: &'static str,
    digest: String,
    hash: String,
    document: String,
    item: i64,
    key: String,
}

impl Things {
    async fn of(world: &World, seller: &'static str, key: &str) -> Self {
        Self {
            seller,
            digest: ContentHash::of(&component(seller, 2)).as_str().to_owned(),
            hash: ContentHash::of(&catalog(seller)).as_str().to_owned(),
            document: document_key(seller).as_str().to_owned(),
            item: world.item(seller).await,
            key: key.to_owned(),
        }
    }

    /// A path that names these things.
    fn path(&self, route: &Route) -> String {
        let id = if route.path.starts_with("/v1/review/") { self.item.to_string() } else { self.key.clone() };
        let path = [
            ("{seller}", self.seller),
            ("{digest}", &self.digest),
            ("{hash}", &self.hash),
            ("{key}", &self.document),
            ("{kind}", "amazon-refresh-token-na"),
            ("{id}", &id),
        ]
        .iter()
        .fold(route.path.to_owned(), |path, (name, value)| path.replace(name, value));
        if route.operation == Operation::Reconciliation { format!("{path}?period=2026-10") } else { path }
    }
}

/// A body that succeeds.
fn body(route: &Route) -> Vec<u8> {
    match (route.operation, route.body) {
        (_, Body::Csv) => catalog("MUG"),
        (_, Body::Wasm) => component("X", 9),
        (Operation::DismissReview, _) => br#"{"because":"it was a test of ours"}"#.to_vec(),
        (Operation::SetCredential, _) => br#"{"secret":"Atzr|X"}"#.to_vec(),
        (Operation::AddApiKey, _) => br#"{"role":"viewer"}"#.to_vec(),
        _ => Vec::new(),
    }
}

async fn asked(world: &World, key: Option<&SecretString>, route: &Route, path: &str) -> super::world::Got {
    let kind = route.body.media_type().map(|kind| ("content-type", kind));
    let headers: Vec<(&str, &str)> = kind.into_iter().collect();
    world.ask(key, (route.method.as_str(), path), &headers, &body(route)).await
}

#[tokio::test]
async fn each_role_may_what_the_table_says_and_nothing_else() {
    for route in ROUTES {
        for role in Role::ALL {
            let world = World::new().await;
            for id in ["A1", "A2", "B1"] {
                world.pulse.beat(&id.into(), ml_connector_domain::Clock::now(&*world.clock));
            }
            let key = world.key(role, "T").await;
            let (other, _) = world.key_of(Role::Viewer, "T", None, |_| {}).await;
            let path = Things::of(&world, OWN, &other).await.path(route);
            let got = asked(&world, Some(&key), route, &path).await;
            let place = format!("{} {path} by {}: {got:?}", route.method.as_str(), role.as_str());
            if route.need.met_by(role) {
                assert_eq!(got.status, route.status, "{place}");
                let secret = secrecy::ExposeSecret::expose_secret(&key);
                assert!(!got.text.contains(secret), "{place}");
            } else {
                assert_eq!((got.status, got.code().as_str()), (403, "API-ROLE"), "{place}");
            }
        }
    }
}

#[tokio::test]
async fn keys_that_are_not_taken_open_nothing() {
    let world = World::new().await;
    let (revoked, out) = world.key_of(Role::Admin, "T", None, |_| {}).await;
    ml_connector_storage::Store::apply(&*world.store, vec![super::world::revoked(&revoked)])
        .await
        .expect("applies");
    let now = ml_connector_domain::Clock::now(&*world.clock);
    let (_, expired) = world.key_of(Role::Admin, "T", None, |key| key.expires_at = Some(now)).await;
    let (id, good) = world.key_of(Role::Admin, "T", None, |_| {}).await;
    let wrong = SecretString::from(format!("mlc_{id}_{}", "a".repeat(52)));
    let nobody = SecretString::from(format!("mlc_aaaa_{}", "a".repeat(52)));
    let keys = [None, Some(&out), Some(&expired), Some(&wrong), Some(&nobody)];
    for route in ROUTES.iter().filter(|route| route.need != Need::Nothing) {
        let path = Things::of(&world, OWN, &id).await.path(route);
        let mut texts = Vec::new();
        for key in keys {
            let fresh = World::of(Made::default()).await;
            // The same keys, in a world whose bucket for what is not taken is full.
            for key in ml_connector_storage::Operations::api_keys(&*world.store).await.expect("reads") {
                crate::keys::keep(&*fresh.store, key, ("a test", now)).await.expect("keeps");
            }
            let got = asked(&fresh, key, route, &path).await;
            assert_eq!((got.status, got.code().as_str()), (401, "API-KEY"), "{path}: {got:?}");
            assert_eq!(got.headers["www-authenticate"], "Bearer");
            texts.push(got.text);
        }
        texts.dedup();
        assert_eq!(texts.len(), 1, "{path}: it is told why a key is not taken: {texts:?}");
    }
    assert_eq!(world.get(&good, "/v1/sellers").await.status, 200);
}

/// The same request, once where another tenant has what it names, and once where nobody has.
#[tokio::test]
async fn what_another_tenant_has_is_not_there_byte_for_byte() {
    let with = World::new().await;
    let without = World::of(Made { foreign: false, ..Made::default() }).await;
    let mut compared = 0;
    let (own, _) = with.key_of(Role::Viewer, "T", None, |_| {}).await;
    without.key_of(Role::Viewer, "T", None, |_| {}).await;
    for role in Role::ALL {
        let key = with.key(role, "T").await;
        let same = without.key(role, "T").await;
        let (foreign, _) = with.key_of(Role::Viewer, "U", None, |_| {}).await;
        without
            .key_of(Role::Viewer, "T", None, |key| key.id = "placeholder".to_owned() + role.as_str())
            .await;
        let foreign = Things::of(&with, FOREIGN, &foreign).await;
        let own = Things::of(&with, OWN, &own).await;
        let mixed = |route: &Route| {
            let own_seller = Things {
                seller: own.seller,
                digest: foreign.digest.clone(),
                hash: foreign.hash.clone(),
                document: foreign.document.clone(),
                item: foreign.item,
                key: foreign.key.clone(),
            };
            own_seller.path(route)
        };
        let named = |route: &&Route| route.path.contains('{') && route.need.met_by(role);
        for route in ROUTES.iter().filter(named) {
            let mut paths = vec![foreign.path(route)];
            if openapi::parts(route.path).any(|part| ["digest", "hash"].contains(&part)) {
                paths.push(mixed(route));
            }
            for path in paths {
                let one = asked(&with, Some(&key), route, &path).await;
                let other = asked(&without, Some(&same), route, &path).await;
                assert_eq!((one.status, one.code().as_str()), (404, "API-NOT-FOUND"), "{path}: {one:?}");
                assert_eq!(
                    (one.status, &one.headers, &one.text),
                    (other.status, &other.headers, &other.text),
                    "{path}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 60, "{compared}");
    assert_eq!(with.daemon.sealed.lock().expect("no panic").len(), 0);
}

#[tokio::test]
async fn a_key_for_some_sellers_sees_those_only() {
    let world = World::new().await;
    let (_, key) = world.key_of(Role::Admin, "T", Some(vec!["A2".into()]), |_| {}).await;
    let listed = world.get(&key, "/v1/sellers").await.json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(world.get(&key, "/v1/sellers/A1").await.code(), "API-NOT-FOUND");
    assert_eq!(world.get(&key, "/v1/sellers/A2").await.status, 200);
    let metrics = world.get(&key, "/metrics").await.text;
    assert!(
        metrics.contains("seller=\"A2\"") && !metrics.contains("\"A1\"") && !metrics.contains("\"B1\""),
        "{metrics}"
    );
    // It makes no key that reaches further, and sees none.
    let (_, wide) = world.key_of(Role::Viewer, "T", None, |_| {}).await;
    assert_eq!(world.get(&wide, "/v1/sellers/A1").await.status, 200);
    let keys = world.get(&key, "/v1/api-keys").await.json();
    assert_eq!(keys["items"].as_array().map(Vec::len), Some(1), "{keys}");
    let refused = world.post(&key, "/v1/api-keys", r#"{"role":"viewer","sellers":["A1"]}"#).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "API-BODY"));
    let made = world.post(&key, "/v1/api-keys", r#"{"role":"viewer"}"#).await.json();
    assert_eq!(made["sellers"][0], "A2", "{made}");
}
