//! Requests in and replies out, in plain data.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde_json::Value;

/// A request.
#[derive(Debug)]
pub struct Incoming {
    /// Method.
    pub method: Method,
    /// Path, percent-decoded.
    pub path: String,
    /// Query parameters in order, percent-decoded.
    pub query: Vec<(String, String)>,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Incoming {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let (method, uri, headers) =
            (request.method().clone(), request.uri().clone(), request.headers().clone());
        let body = Bytes::from_request(request, state).await.unwrap_or_default();
        Ok(Self {
            method,
            path: decode(uri.path(), false),
            query: uri.query().map(pairs).unwrap_or_default(),
            headers,
            body,
        })
    }
}

/// Decodes `application/x-www-form-urlencoded`.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true), decode(value, true))
        })
        .collect()
}

fn decode(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let decoded = match byte {
            b'%' => {
                let pair = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                std::str::from_utf8(&pair)
                    .ok()
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
                    .unwrap_or(b'?')
            }
            b'+' if plus_is_space => b' ',
            other => other,
        };
        bytes.push(decoded);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Incoming {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body's form fields.
    pub fn form(&self) -> HashMap<String, String> {
        pairs(&String::from_utf8_lossy(&self.body)).into_iter().collect()
    }
}

/// A reply, or none at all.
#[derive(Debug)]
pub enum Reply {
    /// An answer.
    Answer {
        /// HTTP status.
        status: u16,
        /// Headers.
        headers: Vec<(&'static str, String)>,
        /// Body.
        body: Vec<u8>,
    },
    /// An answer whose body comes so many milliseconds after its headers.
    Slow {
        /// The answer.
        answer: Box<Reply>,
        /// How late.
        millis: u64,
    },
    /// The connection is cut without an answer.
    Cut,
}

impl Reply {
    /// JSON with a status.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::Answer {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    /// A page with a status, as the edge answers what is no HTTP to it.
    pub fn page(status: u16) -> Self {
        let headers = vec![("content-type", "text/html".to_owned())];
        let body =
            b"<!DOCTYPE html><html><head><title>Bad Request</title></head><body></body></html>".to_vec();
        Self::Answer { status, headers, body }
    }

    /// Plain text with a status.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        let headers = vec![("content-type", "text/plain".to_owned())];
        Self::Answer { status, headers, body: body.into().into_bytes() }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }

    /// The status; 0 for a cut.
    pub fn status(&self) -> u16 {
        match self {
            Self::Answer { status, .. } => *status,
            Self::Slow { answer, .. } => answer.status(),
            Self::Cut => 0,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a slow network is slow on the machine's clock")]
    pub(crate) fn into_response(self) -> Response {
        match self {
            Self::Slow { answer, millis } => {
                let (parts, body) = answer.into_response().into_parts();
                let late = async move {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    axum::body::to_bytes(body, usize::MAX).await.map_err(std::io::Error::other)
                };
                Response::from_parts(parts, Body::from_stream(futures_util::stream::once(late)))
            }
            Self::Answer { status, headers, body } => {
                let mut response = Response::new(Body::from(body));
                *response.status_mut() =
                    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                for (name, value) in headers {
                    if let Ok(value) = HeaderValue::from_str(&value) {
                        response.headers_mut().insert(name, value);
                    }
                }
                response
            }
            // A body that fails before its first byte makes the server drop the connection.
            Self::Cut => {
                let broken = std::io::Error::other("cut on purpose");
                let stream = futures_util::stream::once(async { Err::<Bytes, _>(broken) });
                Response::new(Body::from_stream(stream))
            }
        }
    }
}
