//! What Amazon refuses is refused here, too: each row changes one thing of a request that is accepted.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;

use crate::clock::SimulatedClock;
use crate::http::{Incoming, Reply, pairs};
use crate::scenario::{Profile, Region, Scenario, ScenarioOptions, names};
use crate::{World, amazon, control, fusion, journal};

pub(crate) fn world() -> World {
    let scenario = Scenario::generate(ScenarioOptions {
        seed: 1,
        sellers: 2,
        days: 2,
        orders_per_day: 5,
        start: "2026-09-01T00:00:00Z".parse().expect("a time"),
        unmapped_percent: 10,
        profile: Profile::Month,
    });
    let world = World {
        clock: SimulatedClock::new(scenario.start),
        amazon: std::sync::Mutex::default(),
        fusion: std::sync::Mutex::new(fusion::FusionState::new(&scenario)),
        journal: journal::RequestJournal::default(),
        faults: control::Faults::new(1),
        scenario,
    };
    assert!(world.clock.set("2026-09-03T12:00:00Z".parse().expect("a time")));
    world
}

pub(crate) fn incoming(
    method: Method,
    path: &str,
    query: &str,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Incoming {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"))
        })
        .collect();
    Incoming {
        method,
        path: path.to_owned(),
        query: pairs(query),
        headers,
        body: Bytes::from(body.to_owned()),
    }
}

pub(crate) fn parts(reply: &Reply) -> (u16, String) {
    match reply {
        Reply::Answer { status, body, .. } => (*status, String::from_utf8_lossy(body).into_owned()),
        Reply::Slow { .. } | Reply::Cut => (0, String::new()),
    }
}

pub(crate) const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];

pub(crate) fn access_token(reply: &Reply) -> String {
    let (status, body) = parts(reply);
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    body["access_token"].as_str().expect("a token").to_owned()
}

fn amazon_token(world: &World, region: Region) -> String {
    let form = format!(
        "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
        names::APPLICATION,
        names::APPLICATION_SECRET,
        world.scenario.sellers[0].refresh_token(region).replace('|', "%7C"),
    );
    access_token(&amazon::lwa::handle(world, &incoming(Method::POST, "/auth/o2/token", "", FORM, &form)))
}

#[test]
fn login_with_amazon_refuses_by_name() {
    let world = world();
    let good = [
        ("grant_type", "refresh_token".to_owned()),
        ("client_id", names::APPLICATION.to_owned()),
        ("client_secret", names::APPLICATION_SECRET.to_owned()),
        ("refresh_token", world.scenario.sellers[0].refresh_token(Region::Na).replace('|', "%7C")),
    ];
    let rows = [
        ("grant_type", "password", 400, "unsupported_grant_type"),
        ("client_id", "amzn1.someone-else", 401, "invalid_client"),
        ("client_secret", "rotated", 401, "invalid_client"),
        ("refresh_token", "Atzr%7Crevoked", 400, "invalid_grant"),
    ];
    for (field, value, status, error) in rows {
        let form: Vec<String> = good
            .iter()
            .map(|(name, own)| format!("{name}={}", if *name == field { value } else { own.as_str() }))
            .collect();
        let request = incoming(Method::POST, "/auth/o2/token", "", FORM, &form.join("&"));
        let (found, body) = parts(&amazon::lwa::handle(&world, &request));
        assert!(found == status && body.contains(error), "{field}: {found} {body}");
    }
    let json = incoming(Method::POST, "/auth/o2/token", "", &[("content-type", "application/json")], "{}");
    assert_eq!(parts(&amazon::lwa::handle(&world, &json)).0, 400);
}

#[test]
fn amazon_refuses_what_production_refuses() {
    let world = world();
    let (na, eu) = (amazon_token(&world, Region::Na), amazon_token(&world, Region::Eu));
    let ask = |path: &str, query: &str, token: &str| {
        let request = incoming(Method::GET, path, query, &[("x-amz-access-token", token)], "");
        parts(&amazon::handle(&world, Region::Na, &request))
    };
    let orders = "/orders/2026-01-01/orders";
    let transactions = "/finances/2024-06-19/transactions";
    let rows: &[(&str, &str, &str, u16, &str)] = &[
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00Z", &na, 200, "orders"),
        (orders, "", &na, 400, "lastUpdatedAfter is required"),
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00%2B02:00", &na, 400, "Invalid Date-Time"),
        (
            orders,
            "lastUpdatedAfter=2026-09-01T00:00:00Z&lastUpdatedBefore=2026-09-03T11:59:00Z",
            &na,
            400,
            "two minutes old",
        ),
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00Z&maxResultsPerPage=101", &na, 400, "1 to 100"),
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00Z&includedData=MONEY", &na, 400, "includedData"),
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00Z&MarketplaceIds=US", &na, 400, "unknown parameter"),
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00Z&paginationToken=made-up", &na, 400, "NextToken"),
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00Z", "Atza|made-up", 403, "revoked"),
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00Z", &eu, 403, "Unauthorized"),
        (transactions, "postedAfter=2026-09-01T00:00:00Z", &na, 200, "transactions"),
        (transactions, "postedBefore=2026-09-02T00:00:00Z", &na, 400, "Start date cannot be null"),
        (transactions, "postedAfter=2026-09-03T11:59:30Z", &na, 400, "Date range is invalid"),
        ("/orders/2026-01-01/orders/113-0000000-0000000", "", &na, 404, "NotFound"),
        ("/orders/v7/orders", "", &na, 403, "MissingAuthenticationToken"),
    ];
    for (path, query, token, status, words) in rows {
        let (found, body) = ask(path, query, token);
        assert!(found == *status && body.contains(words), "{path}?{query}: {found} {body}");
    }
}

#[test]
fn a_bucket_is_empty_after_its_burst_and_refills_with_time() {
    let world = world();
    let token = amazon_token(&world, Region::Na);
    let ask = || {
        let query = "lastUpdatedAfter=2026-09-01T00:00:00Z";
        let headers = [("x-amz-access-token", token.as_str())];
        let request = incoming(Method::GET, "/orders/2026-01-01/orders", query, &headers, "");
        parts(&amazon::handle(&world, Region::Na, &request)).0
    };
    assert!((0..20).all(|_| ask() == 200));
    assert_eq!(ask(), 429);
    assert!(world.clock.set("2026-09-03T12:02:59Z".parse().expect("a time")));
    assert_eq!((ask(), ask()), (200, 429), "one token in 179 s");
}
