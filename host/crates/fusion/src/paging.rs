//! Tests of reading whole collections from a server that gives less than was asked for.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ml_connector_ports::SourceError;
use ml_connector_remote::{HttpClient, HttpOptions, SystemClock};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use crate::query::Query;
use crate::wire::{Collection, Scalar};
use crate::{AuthMethod, FusionClient, FusionCredentialSource, FusionCredentials, FusionOptions};

struct Given;

#[async_trait]
impl FusionCredentialSource for Given {
    async fn credentials(&self) -> Result<FusionCredentials, SourceError> {
        let (client_id, client_secret) = ("id".to_owned(), "secret".into());
        Ok(FusionCredentials { client_id, client_secret, assertion_key: None, refresh_token: None })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    id: Scalar,
}

/// Answers GETs with what `page` makes of an offset, and everything else with a token; notes the offsets.
fn serve(page: impl Fn(usize) -> String + Send + 'static) -> (String, Arc<Mutex<Vec<usize>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut text = [0_u8; 8_192];
            let length = stream.read(&mut text).expect("a request");
            let request = String::from_utf8_lossy(&text[..length]).into_owned();
            let body = match request.starts_with("GET ") {
                false => r#"{"access_token":"t","expires_in":3600}"#.to_owned(),
                true => {
                    assert!(request.contains("rest-framework-version: 4") && request.contains("orderBy=Id"));
                    let offset = request.split("offset=").nth(1).expect("an offset");
                    let digits: String = offset.chars().take_while(char::is_ascii_digit).collect();
                    let offset = digits.parse().expect("a number");
                    noted.lock().expect("no panic").push(offset);
                    page(offset)
                }
            };
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).expect("an answer");
        }
    });
    (url, asked)
}

fn client(url: &str) -> FusionClient {
    let http = HttpClient::new(HttpOptions {
        user_agent: "test/1".to_owned(),
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(10),
        body_bytes_max: 1 << 20,
        exchanges_max: 4,
        loopback_http: true,
    });
    let (base_url, identity_url) = (url.to_owned(), url.to_owned());
    let method = AuthMethod::ClientCredentials;
    let options = FusionOptions { base_url, identity_url, scope: "s".to_owned(), method };
    let rng = ChaCha8Rng::seed_from_u64(1);
    FusionClient::new(options, http.expect("a client"), Arc::new(Given), Arc::new(SystemClock), rng)
}

/// A page of at most three rows of ten, whatever was asked for; every other id is text.
fn clamped(offset: usize) -> String {
    let rows: Vec<String> = (offset..10.min(offset + 3))
        .map(|n| if n % 2 == 0 { format!("{{\"Id\":{n}}}") } else { format!("{{\"Id\":\"{n}\"}}") })
        .collect();
    format!("{{\"items\":[{}],\"count\":{},\"hasMore\":{}}}", rows.join(","), rows.len(), offset + 3 < 10)
}

fn ids(rows: &[Row]) -> Vec<String> {
    rows.iter().filter_map(|row| row.id.text()).collect()
}

#[tokio::test]
async fn a_collection_is_read_on_from_what_the_server_gave() {
    let (url, asked) = serve(clamped);
    let rows: Vec<Row> = client(&url).all("things", &Query::by("Id")).await.expect("reads");
    assert_eq!(ids(&rows), (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(*asked.lock().expect("no panic"), [0, 3, 6, 9]);
}

#[tokio::test]
async fn children_go_on_after_those_that_came_with_their_parent() {
    let (url, asked) = serve(clamped);
    let first = Collection::<()> { items: vec![(), ()], has_more: true };
    let client = client(&url);
    let rows: Vec<Row> = client.children("things", &Query::by("Id"), Some(&first)).await.expect("reads");
    assert_eq!(ids(&rows), (2..10).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(*asked.lock().expect("no panic"), [2, 5, 8]);
    let whole = Collection::<()> { items: vec![(), ()], has_more: false };
    let none: Vec<Row> = client.children("things", &Query::by("Id"), Some(&whole)).await.expect("reads");
    assert!(none.is_empty() && asked.lock().expect("no panic").len() == 3);
}

#[tokio::test]
async fn half_an_answer_is_no_answer() {
    let (url, _) = serve(|offset| match offset {
        0 => clamped(0),
        _ => r#"{"items":[],"count":0,"hasMore":true}"#.to_owned(),
    });
    let read = client(&url).all::<Row>("things", &Query::by("Id")).await;
    let error = read.err().expect("refused").to_string();
    assert!(error.starts_with("FUS-PAGES") && error.contains("after row 3"), "{error}");
}
