//! The one HTTP client.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use tokio::sync::Semaphore;
use tracing::Instrument as _;

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// `User-Agent`.
    pub user_agent: String,
    /// For reaching the server.
    pub connect_timeout: Duration,
    /// For a whole exchange.
    pub timeout: Duration,
    /// Longest answer in bytes.
    pub body_bytes_max: usize,
    /// Exchanges under way at the same time; more wait for their turn. Bounds what a process keeps open however many
    /// sellers it serves.
    pub exchanges_max: usize,
    /// Whether plain HTTP to this machine is allowed; anything else is always HTTPS.
    pub loopback_http: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The request surely reached nobody: the name did not resolve, the connection was refused, TLS failed.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The request may have been processed: the answer timed out or was cut.
    #[error("answer lost: {0}")]
    Lost(String),
    /// The answer is larger than allowed.
    #[error("the answer exceeds {0} bytes")]
    TooLarge(usize),
    /// The address is not one that may be called.
    #[error("refused to call {0}: only https, or http to this machine in development")]
    BadUrl(String),
}

/// A request, built up.
#[derive(Debug)]
pub struct Request {
    method: reqwest::Method,
    url: String,
    segments: Vec<String>,
    query: Vec<(String, String)>,
    headers: Vec<(&'static str, String)>,
    secrets: Vec<(Cow<'static, str>, SecretString)>,
    body: Option<Vec<u8>>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    headers: reqwest::header::HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

/// An HTTP client. Its clones share their connections and the bound on exchanges.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    options: HttpOptions,
    places: Arc<Semaphore>,
}

impl Request {
    fn new(method: reqwest::Method, url: impl Into<String>) -> Self {
        let (segments, query) = (Vec::new(), Vec::new());
        let (headers, secrets) = (Vec::new(), Vec::new());
        Self { method, url: url.into(), segments, query, headers, secrets, body: None }
    }

    /// A GET.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(reqwest::Method::GET, url)
    }

    /// A POST.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(reqwest::Method::POST, url)
    }

    /// A PUT.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new(reqwest::Method::PUT, url)
    }

    /// Adds segments to the path, each percent-encoded: an id may hold a slash.
    #[must_use]
    pub fn segments(mut self, segments: &[&str]) -> Self {
        self.segments.extend(segments.iter().map(|segment| (*segment).to_owned()));
        self
    }

    /// Adds query parameters; values are percent-encoded once.
    #[must_use]
    pub fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        self.query.extend(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds a header that must never be shown.
    #[must_use]
    pub fn secret_header(mut self, name: impl Into<Cow<'static, str>>, value: SecretString) -> Self {
        self.secrets.push((name.into(), value));
        self
    }

    /// Sets a body whose form a header says.
    #[must_use]
    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json<T: Serialize>(mut self, value: &T, content_type: &str) -> Self {
        self.body = Some(serde_json::to_vec(value).expect("wire types have string keys and finite numbers"));
        self.header("content-type", content_type)
    }

    /// Sets a form body.
    #[must_use]
    pub fn form(mut self, pairs: &[(&str, &str)]) -> Self {
        self.body = Some(encoded(pairs).into_bytes());
        self.header("content-type", "application/x-www-form-urlencoded;charset=UTF-8")
    }
}

/// Pairs as a query string, each percent-encoded once.
pub fn encoded(pairs: &[(&str, &str)]) -> String {
    let mut form = reqwest::Url::parse("http://form").expect("a constant URL");
    form.query_pairs_mut().extend_pairs(pairs);
    form.query().unwrap_or_default().to_owned()
}

/// The query parameters of an address, decoded; none if it is no address.
pub fn query_of(address: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(address).ok();
    url.iter().flat_map(|url| url.query_pairs().into_owned()).collect()
}

/// Scheme and host of a server, and nothing else: what paths are put behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// As it is written, without a slash at its end.
    pub text: String,
    /// Whether it is plain HTTP, which goes to this machine only.
    pub plain: bool,
}

impl Origin {
    /// Reads an address.
    ///
    /// # Errors
    /// It is none, names no host, is neither https nor http to this machine, or holds a path, a query or a user.
    pub fn parse(address: &str) -> Result<Self, &'static str> {
        let url = reqwest::Url::parse(address).map_err(|_| "this is no address: write https://host")?;
        let plain = match url.scheme() {
            "https" => false,
            "http" if is_loopback(&url) => true,
            "http" => return Err("plain http goes to this machine only: write https://host"),
            _ => return Err("only https is called: write https://host"),
        };
        if url.host_str().is_none_or(str::is_empty) {
            return Err("there is no host in it: write https://host");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user does not belong in it: write https://host");
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err("no path and no query belong in it: write https://host");
        }
        // As the parser understood it, not as it was written: `\\`, tabs and the like are read as something else.
        Ok(Self { text: url.origin().ascii_serialization(), plain })
    }
}

fn is_loopback(url: &reqwest::Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"))
}

impl Response {
    /// A header's value, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `Retry-After` in seconds, where the remote sends it so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
    }

    /// When the remote answered, by its own clock.
    pub fn date(&self) -> Option<jiff::Timestamp> {
        jiff::fmt::rfc2822::parse(self.header("date")?).ok().map(|at| at.timestamp())
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl HttpClient {
    /// Builds a client. Certificates are checked by the platform's verifier, redirects are not followed.
    ///
    /// # Errors
    /// TLS cannot be set up on this machine.
    #[expect(clippy::disallowed_methods, reason = "the one sanctioned builder")]
    pub fn new(options: HttpOptions) -> Result<Self, TransportError> {
        // A second call finds it installed already, which is as good.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(&options.user_agent)
            .connect_timeout(options.connect_timeout)
            .timeout(options.timeout)
            .redirect(reqwest::redirect::Policy::none())
            // Four hosts share the places; what is idle beyond that is closed.
            .pool_max_idle_per_host((options.exchanges_max / 4).max(1))
            .build()
            .map_err(|error| TransportError::NotSent(describe(&error)))?;
        let places = Arc::new(Semaphore::new(options.exchanges_max.max(1)));
        Ok(Self { client, options, places })
    }

    /// Sends a request, once.
    ///
    /// # Errors
    /// See [`TransportError`]; it tells what was surely not sent from what may have been processed.
    pub async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let mut url =
            reqwest::Url::parse(&request.url).map_err(|_| TransportError::BadUrl(request.url.clone()))?;
        self.check(&url)?;
        if !request.segments.is_empty() {
            let mut path =
                url.path_segments_mut().map_err(|()| TransportError::BadUrl(request.url.clone()))?;
            path.pop_if_empty().extend(&request.segments);
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let (method, host, path) =
            (request.method.clone(), url.host_str().unwrap_or_default().to_owned(), url.path().to_owned());
        let mut builder = self.client.request(request.method, url);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        for (name, value) in request.secrets {
            let mut value = reqwest::header::HeaderValue::from_str(value.expose_secret())
                .map_err(|_| TransportError::NotSent(format!("the value of {name} is no header value")))?;
            value.set_sensitive(true);
            builder = builder.header(&*name, value);
        }
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let result = {
            // Closed by nobody: an error would let the request pass, which is as good.
            let _place = self.places.acquire().await;
            // Counted by `serve --account`.
            let span = tracing::trace_span!(target: "ml_connector::account", "http");
            self.exchange(builder).instrument(span).await
        };
        match &result {
            Ok(answer) => {
                tracing::debug!(%method, %host, %path, status = answer.status, bytes = answer.body.len(), "answered");
            }
            Err(error) => tracing::debug!(%method, %host, %path, %error, "no answer"),
        }
        result
    }

    fn check(&self, url: &reqwest::Url) -> Result<(), TransportError> {
        match url.scheme() {
            "https" => Ok(()),
            "http" if is_loopback(url) && self.options.loopback_http => Ok(()),
            _ => Err(TransportError::BadUrl(format!(
                "{}://{}",
                url.scheme(),
                url.host_str().unwrap_or_default()
            ))),
        }
    }

    async fn exchange(&self, builder: reqwest::RequestBuilder) -> Result<Response, TransportError> {
        let mut answer =
            builder.send().await.map_err(|error| match error.is_connect() || error.is_builder() {
                true => TransportError::NotSent(describe(&error)),
                false => TransportError::Lost(describe(&error)),
            })?;
        let mut body = Vec::new();
        while let Some(chunk) =
            answer.chunk().await.map_err(|error| TransportError::Lost(describe(&error)))?
        {
            if body.len() + chunk.len() > self.options.body_bytes_max {
                return Err(TransportError::TooLarge(self.options.body_bytes_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status: answer.status().as_u16(), headers: answer.headers().clone(), body })
    }
}

/// An error with its causes, without the URL: a query may hold what is nobody's business.
fn describe(error: &reqwest::Error) -> String {
    let mut words =
        if error.is_timeout() { "timed out".to_owned() } else { "the connection failed".to_owned() };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(loopback_http: bool) -> HttpClient {
        let second = Duration::from_secs(1);
        HttpClient::new(HttpOptions {
            user_agent: "test/1".to_owned(),
            connect_timeout: second,
            timeout: second,
            body_bytes_max: 10,
            exchanges_max: 4,
            loopback_http,
        })
        .expect("builds")
    }

    #[tokio::test]
    async fn plain_http_goes_nowhere_but_this_machine() {
        for url in ["http://example.com/", "ftp://127.0.0.1/", "no url", "http://127.0.0.1.example.com/"] {
            let error = client(true).send(Request::get(url)).await.expect_err(url);
            assert!(matches!(error, TransportError::BadUrl(_)), "{url}: {error}");
        }
        let error = client(false).send(Request::get("http://127.0.0.1:1/")).await.expect_err("not allowed");
        assert!(matches!(error, TransportError::BadUrl(_)), "{error}");
    }

    #[test]
    fn an_origin_is_scheme_and_host_and_nothing_else() {
        let rows = [
            ("https://fa.example.com", "https://fa.example.com", false),
            ("https://fa.example.com/", "https://fa.example.com", false),
            ("https://FA.example.com:443/", "https://fa.example.com", false),
            ("https://fa.example.com:8443", "https://fa.example.com:8443", false),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", true),
            ("http://[::1]:8080", "http://[::1]:8080", true),
            ("http://localhost", "http://localhost", true),
        ];
        for (address, text, plain) in rows {
            let wanted = Origin { text: text.to_owned(), plain };
            assert_eq!(Origin::parse(address), Ok(wanted), "{address}");
        }
        for address in [
            "",
            "fa.example.com",
            "https://",
            "http://fa.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "ftp://fa.example.com",
            "file:///etc/passwd",
            "https://user@fa.example.com",
            "https://user:password@fa.example.com",
            "https://fa.example.com/fscmRestApi",
            "https://fa.example.com/?x=1",
            "https://fa.example.com/#x",
            "https://evil.example\\@fa.example.com",
        ] {
            assert!(Origin::parse(address).is_err(), "{address}");
        }
    }

    #[tokio::test]
    async fn a_refused_connection_was_surely_not_sent() {
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
            free.local_addr().expect("has an address").port()
        };
        let error =
            client(true).send(Request::get(format!("http://127.0.0.1:{port}/"))).await.expect_err("refused");
        assert!(matches!(error, TransportError::NotSent(_)), "{error}");
    }

    #[test]
    fn a_secret_header_is_not_shown() {
        let request = Request::get("https://x/").secret_header("authorization", "Bearer s3cret".into());
        assert!(!format!("{request:?}").contains("s3cret"));
    }
}
