//! A PostgreSQL database for a test.
//!
//! Where `DATABASE_URL` names a server, databases are made there. Otherwise one cluster is made for all tests of this user, in
//! the folder for temporary files: without fsync, reached by a Unix socket only, shared by all test processes, and ended by
//! itself a minute after the last of them. Where PostgreSQL is not installed, tests are told so and skip; in CI they fail.

mod cluster;
mod line;

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use cluster::Cluster;
pub use line::Line;

/// Environment variables by which a test knows that PostgreSQL must be there.
const REQUIRED: [&str; 2] = ["CI", "ML_CONNECTOR_POSTGRES_REQUIRED"];

/// How often a cluster is told that it is in use; it ends itself after a minute without.
const IN_USE: Duration = Duration::from_secs(10);

/// An empty database, dropped at the end.
#[derive(Debug)]
pub struct Database {
    url: String,
    server: Server,
    name: String,
    // Dropping it ends the thread that keeps the cluster up.
    _in_use: Option<Sender<()>>,
}

impl Database {
    /// Makes one. `None`, with a word on standard error, where there is no PostgreSQL.
    ///
    /// # Panics
    /// There is none in CI, or it does not start.
    #[must_use]
    pub fn fresh() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Some(server) = Server::found() else {
            let missing = "PostgreSQL is not installed (Debian: apt-get install postgresql), and DATABASE_URL names none";
            skip(missing);
            return None;
        };
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        let create = format!("CREATE DATABASE {name}");
        if let Err(first) = server.run(&create) {
            // An earlier process of the same number may have left one; or the cluster ended at this very moment.
            let _started_again = Server::found();
            let _there_was_none = server.run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
            server.run(&create).unwrap_or_else(|second| panic!("{first}\n{second}"));
        }
        let in_use = server.cluster.clone().map(kept_up);
        Some(Self { url: server.url_of(&name), server, name, _in_use: in_use })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs statements in it; what they answer, one row a line, columns parted by `|`.
    ///
    /// # Panics
    /// A statement fails.
    #[must_use]
    pub fn ask(&self, statements: &str) -> String {
        self.server.run_at(&self.url, statements).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Whether `pg_dump` and `pg_restore` are there; a word on standard error where they are not.
    ///
    /// # Panics
    /// They are missing in CI.
    #[must_use]
    pub fn can_be_dumped(&self) -> bool {
        let there = |program: &str| said(Command::new(self.server.program(program)).arg("--version")).is_ok();
        let both = there("pg_dump") && there("pg_restore");
        if !both {
            skip("pg_dump and pg_restore are not installed (Debian: apt-get install postgresql-client)");
        }
        both
    }

    /// Writes a dump to a file, in the format of `pg_restore`.
    ///
    /// # Panics
    /// It fails.
    pub fn dump(&self, to: &Path) {
        let mut dump = Command::new(self.server.program("pg_dump"));
        said(dump.args(["--format=custom", "--file"]).arg(to).arg(&self.url))
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// Puts a dump into this database, which is empty.
    ///
    /// # Panics
    /// It fails.
    pub fn load(&self, from: &Path) {
        let mut restore = Command::new(self.server.program("pg_restore"));
        said(restore.args(["--no-owner", "--exit-on-error", "--dbname", &self.url]).arg(from))
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Says that a test is skipped; fails where nothing may be missing.
fn skip(missing: &str) {
    let required = REQUIRED.iter().any(|name| std::env::var_os(name).is_some());
    assert!(!required, "{missing}");
    let _said = writeln!(std::io::stderr(), "skipped: {missing}");
}

impl Drop for Database {
    fn drop(&mut self) {
        // Left behind where the test failed half way through: the cluster is temporary anyway.
        let _dropped = self.server.run(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// Where databases are made.
#[derive(Debug, Clone)]
struct Server {
    url: String,
    psql: PathBuf,
    cluster: Option<Cluster>,
}

impl Server {
    fn found() -> Option<Self> {
        if let Some(url) = std::env::var_os("DATABASE_URL").filter(|url| !url.is_empty()) {
            let url = url.into_string().expect("DATABASE_URL is text");
            return Some(Self { url, psql: "psql".into(), cluster: None });
        }
        let cluster = Cluster::running()?;
        Some(Self { url: cluster.url(), psql: cluster.psql(), cluster: Some(cluster) })
    }

    /// A program that stands beside `psql`.
    fn program(&self, name: &str) -> PathBuf {
        self.psql.with_file_name(name)
    }

    /// The address with another database.
    fn url_of(&self, name: &str) -> String {
        let (place, options) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let (start, path) = place.split_once("://").unwrap_or(("postgres", place));
        let host = path.split_once('/').map_or(path, |(host, _)| host);
        let options = if options.is_empty() { String::new() } else { format!("?{options}") };
        format!("{start}://{host}/{name}{options}")
    }

    fn run(&self, statements: &str) -> Result<String, String> {
        self.run_at(&self.url, statements)
    }

    fn run_at(&self, url: &str, statements: &str) -> Result<String, String> {
        let arguments = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statements];
        said(Command::new(&self.psql).arg(url).args(arguments))
    }
}

/// What a program prints, or why it failed.
fn said(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// Keeps a cluster up until what is returned is dropped.
fn kept_up(cluster: Cluster) -> Sender<()> {
    let (held, dropped) = channel();
    std::thread::spawn(move || {
        use std::sync::mpsc::RecvTimeoutError;
        while dropped.recv_timeout(IN_USE) == Err(RecvTimeoutError::Timeout) {
            cluster.use_it();
        }
    });
    held
}

/// The folder of a program on the path.
fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find(|folder| folder.join(program).is_file())
}

/// The newest of Debian's folders of programs that stand beside each other, or one on the path.
fn programs() -> Option<PathBuf> {
    let version =
        |folder: &Path| folder.file_name().and_then(OsStr::to_str).and_then(|n| n.parse::<u32>().ok());
    let installed = std::fs::read_dir("/usr/lib/postgresql").ok().into_iter().flatten().flatten();
    let newest = installed.map(|entry| entry.path()).max_by_key(|folder| version(folder));
    newest
        .map(|folder| folder.join("bin"))
        .filter(|bin| bin.join("initdb").is_file())
        .or_else(|| on_path("initdb"))
}
