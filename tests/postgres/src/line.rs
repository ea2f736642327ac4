//! A line to the server that can be cut: what a daemon's connections go through, where a test takes the network away.

use std::io::{Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What happens to bytes on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// They pass.
    Open,
    /// They wait, as where a cable is out: nobody is told anything.
    Held,
    /// Connections are closed, and whoever connects is turned away.
    Closed,
}

/// A port of this machine that leads to the server.
#[derive(Debug)]
pub struct Line {
    url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: Place,
    way: Mutex<Way>,
    changed: Condvar,
    /// Both ends of every connection that is open, to be closed.
    ends: Mutex<Vec<Arc<[End; 2]>>>,
}

/// Where the server listens.
#[derive(Debug, Clone)]
enum Place {
    Socket(String),
    Port(String),
}

/// One end of a connection.
#[derive(Debug)]
enum End {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Line {
    /// A line to the server of an address as PostgreSQL's programs take them.
    ///
    /// # Panics
    /// No port is free, or the address names neither a host nor a folder.
    #[must_use]
    pub fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (server, url) = redirected(url, port).expect("an address as PostgreSQL takes them");
        let shared = Arc::new(Shared {
            server,
            way: Mutex::new(Way::Open),
            changed: Condvar::new(),
            ends: Mutex::default(),
        });
        let lines = Arc::clone(&shared);
        // It ends with the process: a test's.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let _closed_at_once = lines.connect(client);
            }
        });
        Self { url, shared }
    }

    /// The database's address through this line.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets what is sent from now on wait until the line is mended; then it arrives, late.
    pub fn hold(&self) {
        self.shared.set(Way::Held);
    }

    /// Closes all connections, and turns away whoever connects until the line is mended.
    pub fn close(&self) {
        self.shared.set(Way::Closed);
        for end in locked(&self.shared.ends).drain(..).collect::<Vec<_>>().iter().flat_map(|ends| ends.iter())
        {
            end.close();
        }
    }

    /// Lets everything pass again.
    pub fn mend(&self) {
        self.shared.set(Way::Open);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn set(&self, way: Way) {
        *locked(&self.way) = way;
        self.changed.notify_all();
    }

    /// Whether bytes may go on, once that is decided.
    fn passes(&self) -> bool {
        let way = locked(&self.way);
        let decided = self.changed.wait_while(way, |way| *way == Way::Held);
        *decided.unwrap_or_else(PoisonError::into_inner) == Way::Open
    }

    fn connect(self: &Arc<Self>, client: TcpStream) -> Result<()> {
        if *locked(&self.way) == Way::Closed {
            return Ok(());
        }
        client.set_nodelay(true)?;
        let server = match &self.server {
            Place::Socket(path) => End::Unix(UnixStream::connect(path)?),
            Place::Port(place) => End::Tcp(TcpStream::connect(place.as_str())?),
        };
        let client = End::Tcp(client);
        let ways = [(client.again()?, server.again()?), (server.again()?, client.again()?)];
        let ends = Arc::new([client, server]);
        locked(&self.ends).push(Arc::clone(&ends));
        for (from, to) in ways {
            let (shared, ends) = (Arc::clone(self), Arc::clone(&ends));
            thread::spawn(move || {
                shared.carry(from, to);
                locked(&shared.ends).retain(|open| !Arc::ptr_eq(open, &ends));
            });
        }
        Ok(())
    }

    /// Carries bytes one way until either end closes.
    fn carry(&self, mut from: End, mut to: End) {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if !self.passes() || to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        from.close();
        to.close();
    }
}

impl End {
    fn again(&self) -> Result<Self> {
        Ok(match self {
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
        })
    }

    fn close(&self) {
        let _closed_already = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for End {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(bytes),
            Self::Tcp(stream) => stream.read(bytes),
        }
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::Unix(stream) => stream.flush(),
            Self::Tcp(stream) => stream.flush(),
        }
    }
}

/// Where an address leads to, and the address with a port of this machine instead.
fn redirected(url: &str, port: u16) -> Option<(Place, String)> {
    let (address, options) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = address.split_once("://")?;
    let (host, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) = host.rsplit_once('@').map_or(("", host), |(user, host)| (user, host));
    let (folders, kept): (Vec<&str>, Vec<&str>) = options
        .split('&')
        .filter(|option| !option.is_empty())
        .partition(|option| option.starts_with("host="));
    let server = match folders.first() {
        Some(folder) => Place::Socket(format!("{}/.s.PGSQL.5432", &folder["host=".len()..])),
        None if host.contains(':') => Place::Port(host.to_owned()),
        None => Place::Port(format!("{host}:5432")),
    };
    let user = if user.is_empty() { String::new() } else { format!("{user}@") };
    let options = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    Some((server, format!("{scheme}://{user}127.0.0.1:{port}/{database}{options}")))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
