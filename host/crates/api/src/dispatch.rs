//! The one way that every request goes.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::{FromRequestParts as _, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use secrecy::{ExposeSecret as _, SecretString};

use crate::call::{Answer, Call, Caller};
use crate::idempotency::{self, Claim};
use crate::operations::act;
use crate::problem::{Kind, PROBLEM_JSON, Problem};
use crate::role::Need;
use crate::routes::{Body, Method, Operation, ROUTES, Reply, Route};
use crate::state::{Api, Served};
use crate::{figures, keys};

/// Requests whose key is not taken share this bucket. No key has this id.
const NOBODY: &str = "";

/// The whole API.
pub fn router(api: &Arc<Api>) -> Router {
    let mut router: Router = Router::new();
    for route in ROUTES {
        router = router.route(route.path, entry(api, route));
    }
    finished(router)
}

/// Health and figures of all sellers, without a key: for a listener that only this machine reaches.
pub fn metrics_router(api: &Arc<Api>) -> Router {
    let mut router: Router = Router::new();
    let open = |route: &&Route| matches!(route.operation, Operation::Health | Operation::Ready);
    for route in ROUTES.iter().filter(open) {
        router = router.route(route.path, entry(api, route));
    }
    let own = Arc::clone(api);
    let all = move |request: Request| {
        let api = Arc::clone(&own);
        async move {
            match figures::text(&api, None).await {
                Ok(text) => plain(StatusCode::OK, text),
                Err(problem) => problem.response(request.uri().path()),
            }
        }
    };
    finished(router.route("/metrics", on(MethodFilter::GET, all)))
}

fn finished(router: Router) -> Router {
    let unknown = |uri: Uri| async move { Problem::not_found().response(uri.path()) };
    let method = |uri: Uri| async move {
        Problem::new(Kind::Method, "see /v1/openapi.json for the methods of a path").response(uri.path())
    };
    router.method_not_allowed_fallback(method).fallback(unknown)
}

fn entry(api: &Arc<Api>, route: &'static Route) -> MethodRouter {
    let filter = match route.method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Delete => MethodFilter::DELETE,
    };
    let api = Arc::clone(api);
    on(filter, move |request: Request| answer(Arc::clone(&api), route, request))
}

async fn answer(api: Arc<Api>, route: &'static Route, request: Request) -> Response {
    let instance = request.uri().path().to_owned();
    let bound = if route.is_slow() { api.limits.slow_time } else { api.limits.time };
    let answered = tokio::time::timeout(bound, handle(&api, route, request));
    match answered.await {
        Ok(Ok(answer)) => sent(route, answer),
        Ok(Err(problem)) => problem.response(&instance),
        Err(_) => {
            let words = "ask again: what was begun goes on, and is answered under its Idempotency-Key";
            Problem::new(Kind::Slow, words).response(&instance)
        }
    }
}

fn sent(route: &Route, answer: Answer) -> Response {
    let kind = match route.reply {
        _ if answer.status.is_client_error() => PROBLEM_JSON,
        Reply::Json(_) => "application/json",
        Reply::Text => return plain(answer.status, answer.body),
    };
    with_type(answer.status, answer.body, kind)
}

fn plain(status: StatusCode, body: String) -> Response {
    with_type(status, body, "text/plain; version=0.0.4; charset=utf-8")
}

fn with_type(status: StatusCode, body: String, kind: &'static str) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn handle(api: &Arc<Api>, route: &'static Route, request: Request) -> Result<Answer, Problem> {
    let (mut parts, body) = request.into_parts();
    let mut let_in = None;
    if route.need != Need::Nothing {
        let (caller, token) = authenticate(api, &parts.headers).await?;
        if !route.need.met_by(caller.role) {
            let roles: Vec<&str> = route.need.roles().iter().map(|role| role.as_str()).collect();
            let words = format!("{} may not; this is for {}", caller.role.as_str(), roles.join(" and "));
            return Err(Problem::new(Kind::Forbidden, words));
        }
        let_in = Some((caller, token));
    }
    let (caller, token) = let_in.unzip();
    let mut call = Call {
        route,
        caller,
        path: path(&mut parts).await?,
        query: query(route, &parts.uri)?,
        signature: signature(&parts.headers)?,
        body: Bytes::new(),
    };
    // Whose it is comes before the body is read: its largest size depends on that, and nobody else's path takes one.
    let seller = if call.path.contains_key("seller") { Some(call.seller(api)?) } else { None };
    call.body = read(body, &parts.headers, (route, largest(api, route, seller))).await?;
    if !route.changes() {
        return act(api, &call).await;
    }
    let named = if route.is_repeatable() { idempotency::name(&parts.headers)? } else { None };
    change(api, call, (named, token), &parts.uri).await
}

/// Runs a change to its end, even if who asked for it hangs up, and keeps its answer.
async fn change(
    api: &Arc<Api>,
    call: Call,
    (named, token): (Option<String>, Option<SecretString>),
    uri: &Uri,
) -> Result<Answer, Problem> {
    let mut claim = None;
    if let (Some(name), Some(token)) = (named, &token) {
        let place = uri.path_and_query().map_or("", |place| place.as_str());
        let signature = call.signature.clone().unwrap_or_default();
        let parts: [&[u8]; 4] =
            [call.route.method.as_str().as_bytes(), place.as_bytes(), signature.as_bytes(), &call.body];
        let request = idempotency::request(token, &parts);
        claim = Some(Claim { key: call.caller()?.key.id.clone(), name, request });
    }
    let (own, instance, claimed) = (Arc::clone(api), uri.path().to_owned(), claim.clone());
    // Taken on in there, too: a request whose client hangs up in between would be under way for ever.
    let done = api.changes.spawn(async move {
        let Some(claim) = claimed else { return act(&own, &call).await };
        if let Some(answered) = idempotency::claim(&own, &claim).await? {
            return Ok(answered);
        }
        let answer = idempotency::held(&own, &claim, act(&own, &call)).await;
        idempotency::keep(&own, &claim, &answer, &instance).await?;
        answer
    });
    match done.await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, code = "API-FAILED", "a change ended unexpectedly");
            if let Some(claim) = claim {
                idempotency::forget(api, &claim).await?;
            }
            Err(Problem::new(Kind::Failed, "see the daemon's log"))
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| SecretString::from(token.trim()))
}

async fn authenticate(api: &Api, headers: &HeaderMap) -> Result<(Caller, SecretString), Problem> {
    let too_many = || Problem::new(Kind::TooMany, "wait for a second");
    let key = match bearer(headers).filter(|token| !token.expose_secret().is_empty()) {
        Some(token) => {
            let key = keys::taken(&*api.store, &token, api.clock.now()).await?;
            key.map(|key| (key, token))
        }
        None => None,
    };
    let Some((key, token)) = key else {
        if !api.rates.admits(NOBODY) {
            return Err(too_many());
        }
        let words = "send Authorization: Bearer with a key that is in use";
        return Err(Problem::new(Kind::Unauthorized, words));
    };
    if !api.rates.admits(&key.id) {
        return Err(too_many());
    }
    let role = key.role.parse().map_err(|error| {
        tracing::error!(%error, key = %key.id, code = "API-FAILED", "a key has no role that is known");
        Problem::new(Kind::Failed, "see the daemon's log")
    })?;
    Ok((Caller { key, role }, token))
}

async fn path(parts: &mut Parts) -> Result<HashMap<String, String>, Problem> {
    let found = RawPathParams::from_request_parts(parts, &()).await;
    let found = found.map_err(|_| Problem::new(Kind::Malformed, "the path is not text"))?;
    Ok(found.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn query(route: &Route, uri: &Uri) -> Result<HashMap<String, String>, Problem> {
    let wrong = |words: String| Problem::new(Kind::Malformed, words);
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|error| wrong(format!("the query cannot be read: {error}")))?;
    let mut read = HashMap::new();
    for (name, value) in pairs {
        if !route.query.iter().any(|param| param.name == name) {
            return Err(wrong(format!("there is no parameter {name}")));
        }
        if read.insert(name.clone(), value).is_some() {
            return Err(wrong(format!("{name} stands twice")));
        }
    }
    match route.query.iter().find(|param| param.required && !read.contains_key(param.name)) {
        Some(param) => Err(wrong(format!("{} is needed: {}", param.name, param.about))),
        None => Ok(read),
    }
}

fn signature(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("mapper-signature") else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::new(Kind::Malformed, "Mapper-Signature is not text"))?;
    Ok(Some(text.trim().to_owned()))
}

fn largest(api: &Api, route: &Route, seller: Option<&Served>) -> usize {
    match (route.body, seller) {
        (Body::Wasm, Some(served)) => api.actions.component_bytes_max(&served.seller.id),
        _ => api.limits.body_bytes_max,
    }
}

/// Reads a body, and stops as soon as it is larger than it may be.
async fn read(
    body: HttpBody,
    headers: &HeaderMap,
    (route, largest): (&Route, usize),
) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(Kind::TooLarge, format!("a body has at most {largest} bytes here"));
    let said = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if said.and_then(|text| text.parse::<usize>().ok()).is_some_and(|said| said > largest) {
        return Err(too_large());
    }
    let read = match Limited::new(body, largest).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => return Err(too_large()),
        Err(error) => return Err(Problem::new(Kind::Malformed, format!("the body was cut off: {error}"))),
    };
    let optional = matches!(route.body, Body::Nothing | Body::Json(_, true));
    let Some(wanted) = route.body.media_type().filter(|_| !(optional && read.is_empty())) else {
        return Ok(read);
    };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(wanted) {
        return Ok(read);
    }
    Err(Problem::new(Kind::MediaType, format!("send Content-Type: {wanted}")))
}
