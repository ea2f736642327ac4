//! The listener: TCP with or without TLS, or a Unix socket; a bound on connections, and on how long one may be silent.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long a handshake, and the head of a request, may take.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long open connections may finish what they are at when the daemon stops.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// Owner and group may connect.
const SOCKET_MODE: u32 = 0o660;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On an address; port 0 takes a free one.
    Tcp(SocketAddr),
    /// On a socket in the file system.
    Unix(PathBuf),
}

/// Files of a certificate chain and its key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why the API is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The place is taken, or not ours.
    #[error("API-LISTEN: cannot listen on {place}: {source}")]
    Listen {
        /// The address or the path.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// Certificate and key cannot be used.
    #[error("API-TLS: {file}: {message}: it has to be PEM, and the key has to belong to the certificate")]
    Tls {
        /// Which file.
        file: PathBuf,
        /// Why.
        message: String,
    },
}

enum Listener {
    Tcp(TcpListener, Option<TlsAcceptor>),
    Unix(UnixListener, PathBuf),
}

enum Accepted {
    Tcp(TcpStream, Option<TlsAcceptor>),
    Unix(UnixStream),
}

/// A listener that is bound, and what it serves.
pub struct Server {
    listener: Listener,
    router: Router,
    connections: Arc<Semaphore>,
}

fn tls(files: &TlsFiles) -> Result<TlsAcceptor, ServeError> {
    let wrong = |file: &Path, message: String| ServeError::Tls { file: file.to_owned(), message };
    let of_certificate = |error: &dyn std::fmt::Display| wrong(&files.certificate, error.to_string());
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| of_certificate(&error))?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong(&files.key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| of_certificate(&error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Binds a socket in the file system; what a daemon that ended left there is taken away, and nothing else is.
fn unix(path: &Path) -> io::Result<UnixListener> {
    if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
    Ok(listener)
}

impl Server {
    /// Binds a place.
    ///
    /// # Errors
    /// It is taken, or the files of TLS cannot be used.
    pub async fn bind(
        place: &Place,
        files: Option<&TlsFiles>,
        connections_max: usize,
        router: Router,
    ) -> Result<Self, ServeError> {
        let acceptor = files.map(tls).transpose()?;
        let refused =
            |place: &dyn std::fmt::Display, source| ServeError::Listen { place: place.to_string(), source };
        let listener = match place {
            Place::Tcp(address) => {
                let bound = TcpListener::bind(address).await.map_err(|error| refused(address, error))?;
                Listener::Tcp(bound, acceptor)
            }
            Place::Unix(path) => {
                let bound = unix(path).map_err(|error| refused(&path.display(), error))?;
                Listener::Unix(bound, path.clone())
            }
        };
        Ok(Self { listener, router, connections: Arc::new(Semaphore::new(connections_max)) })
    }

    /// Where it listens: the address with the port that was taken, or the path.
    pub fn place(&self) -> String {
        match &self.listener {
            Listener::Tcp(listener, _) => {
                listener.local_addr().map_or_else(|error| error.to_string(), |address| address.to_string())
            }
            Listener::Unix(_, path) => path.display().to_string(),
        }
    }

    async fn accept(&self) -> io::Result<Accepted> {
        match &self.listener {
            Listener::Tcp(listener, tls) => {
                listener.accept().await.map(|(stream, _)| Accepted::Tcp(stream, tls.clone()))
            }
            Listener::Unix(listener, _) => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }

    /// Serves until `stop`; then lets open connections finish what they are at.
    pub async fn run(self, stop: CancellationToken) {
        let mut open = JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else { break };
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                () = stop.cancelled() => break,
            };
            // What ended is taken off, so that the set does not grow.
            while open.try_join_next().is_some() {}
            match accepted {
                Ok(accepted) => {
                    open.spawn(connection(accepted, self.router.clone(), stop.clone(), permit));
                }
                Err(error) => {
                    tracing::warn!(%error, "API-ACCEPT: a connection could not be taken");
                    // Out of file handles, most likely: those that are open have to end first.
                    let _one_ended = open.join_next().await;
                }
            }
        }
        let drained = async { while open.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIME, drained).await.is_err() {
            tracing::warn!("connections were cut off");
        }
        if let Listener::Unix(_, path) = &self.listener {
            let _left = std::fs::remove_file(path);
        }
    }
}

async fn connection(
    accepted: Accepted,
    router: Router,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    match accepted {
        Accepted::Unix(stream) => serve(stream, router, stop).await,
        Accepted::Tcp(stream, None) => serve(stream, router, stop).await,
        Accepted::Tcp(stream, Some(tls)) => match tokio::time::timeout(HEAD_TIME, tls.accept(stream)).await {
            Ok(Ok(stream)) => serve(stream, router, stop).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS was agreed on"),
            Err(_) => tracing::debug!("a handshake took too long"),
        },
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    stop: CancellationToken,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let serving = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
