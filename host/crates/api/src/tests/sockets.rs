//! The listener over real sockets: TCP, TLS, a Unix socket; bounds on connections and silence; an orderly end.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use super::world::World;
use crate::Role;
use crate::server::{Place, Server, TlsFiles};

/// A folder that is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ml-connector-api-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

const ANY: Place = Place::Tcp(SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0));

/// One request of HTTP/1.1 over a stream, and all that comes back.
fn asked(mut stream: impl std::io::Read + std::io::Write, path: &str, key: &str) -> String {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("writes");
    let mut text = String::new();
    // A peer that closes without a farewell of TLS is as good.
    let _end = stream.read_to_string(&mut text);
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_answers_over_tcp_and_a_unix_socket_and_ends_in_order() {
    let world = World::new().await;
    let key = world.key(Role::Viewer, "T").await.expose_secret().to_owned();
    let folder = Folder::new("sockets");
    let path = folder.0.join("api.sock");
    let stop = CancellationToken::new();
    let tcp = Server::bind(&ANY, None, 8, crate::router(&world.api)).await.expect("binds");
    let place = Place::Unix(path.clone());
    let unix = || Server::bind(&place, None, 8, crate::router(&world.api));
    // What a daemon left that was killed is no obstacle.
    drop(unix().await.expect("binds"));
    let unix = unix().await.expect("binds");
    assert_eq!(std::fs::metadata(&path).expect("a socket").permissions().mode() & 0o777, 0o660);
    let address = tcp.place();
    let mut servers = tokio::task::JoinSet::new();
    servers.spawn(tcp.run(stop.clone()));
    servers.spawn(unix.run(stop.clone()));
    let own = path.clone();
    let texts = tokio::task::spawn_blocking(move || {
        [
            asked(TcpStream::connect(&address).expect("connects"), "/v1/sellers", &key),
            asked(UnixStream::connect(&own).expect("connects"), "/v1/sellers", &key),
        ]
    });
    for text in texts.await.expect("no panic") {
        assert!(text.starts_with("HTTP/1.1 200") && text.contains("\"A1\""), "{text}");
    }
    stop.cancel();
    while servers.join_next().await.is_some() {}
    assert!(!path.exists(), "the socket is taken away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_answers_over_tls_and_refuses_a_key_that_is_not_the_certificates() {
    let world = World::new().await;
    let key = world.key(Role::Viewer, "T").await.expose_secret().to_owned();
    let folder = Folder::new("tls");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let files = TlsFiles { certificate: folder.0.join("cert.pem"), key: folder.0.join("key.pem") };
    std::fs::write(&files.certificate, made.cert.pem()).expect("writes");
    std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("writes");
    let server = Server::bind(&ANY, Some(&files), 8, crate::router(&world.api)).await.expect("binds");
    let address = server.place();
    let stop = CancellationToken::new();
    let mut servers = tokio::task::JoinSet::new();
    servers.spawn(server.run(stop.clone()));

    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let text = tokio::task::spawn_blocking(move || {
        let name = "localhost".try_into().expect("a name");
        let session = rustls::ClientConnection::new(client.into(), name).expect("a client");
        let stream = TcpStream::connect(&address).expect("connects");
        asked(rustls::StreamOwned::new(session, stream), "/v1/sellers", &key)
    });
    let text = text.await.expect("no panic");
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    stop.cancel();
    while servers.join_next().await.is_some() {}

    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&files.key, other.signing_key.serialize_pem()).expect("writes");
    let refused = Server::bind(&ANY, Some(&files), 8, crate::router(&world.api)).await;
    let words = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(words.starts_with("API-TLS"), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn further_connections_wait_until_one_ends() {
    let world = World::new().await;
    let server = Server::bind(&ANY, None, 1, crate::router(&world.api)).await.expect("binds");
    let address = server.place();
    let stop = CancellationToken::new();
    let mut servers = tokio::task::JoinSet::new();
    servers.spawn(server.run(stop.clone()));
    let seen = tokio::task::spawn_blocking(move || {
        let first = TcpStream::connect(&address).expect("connects");
        let mut second = TcpStream::connect(&address).expect("connects");
        second.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("writes");
        second.set_read_timeout(Some(Duration::from_millis(200))).expect("sets");
        let mut byte = [0; 1];
        let waited = second.read(&mut byte).is_err();
        drop(first);
        second.set_read_timeout(Some(Duration::from_secs(20))).expect("sets");
        let mut text = String::new();
        let _end = second.read_to_string(&mut text);
        (waited, text)
    });
    let (waited, text) = seen.await.expect("no panic");
    assert!(waited && text.starts_with("HTTP/1.1 200"), "{waited} {text}");
    stop.cancel();
    while servers.join_next().await.is_some() {}
}
