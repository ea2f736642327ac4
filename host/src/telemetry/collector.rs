//! The connector's HTTP client, as OpenTelemetry's exporter wants one.

use async_trait::async_trait;
use ml_connector_remote::{HttpClient, Request};
use opentelemetry_http::{Bytes, HttpError, Request as Asked, Response as Answered};
use secrecy::SecretString;

/// Asks the collector.
#[derive(Debug)]
pub(super) struct Collector(pub(super) HttpClient);

#[async_trait]
impl opentelemetry_http::HttpClient for Collector {
    async fn send_bytes(&self, asked: Asked<Bytes>) -> Result<Answered<Bytes>, HttpError> {
        let (head, body) = asked.into_parts();
        let mut request = Request::post(head.uri.to_string()).body(body.to_vec());
        for (name, value) in &head.headers {
            let value = value.to_str()?.to_owned();
            // All but the form may be a key of the collector's (OTEL_EXPORTER_OTLP_HEADERS).
            request = match name.as_str() {
                "content-type" => request.header("content-type", value),
                name => request.secret_header(name.to_owned(), SecretString::from(value)),
            };
        }
        let answer = self.0.send(request).await?;
        let mut answered = Answered::builder().status(answer.status);
        if let Some(wait) = answer.header("retry-after") {
            answered = answered.header("retry-after", wait);
        }
        Ok(answered.body(answer.body.into())?)
    }
}
