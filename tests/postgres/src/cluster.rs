//! A cluster that all test processes of a user share, and that ends itself.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{programs, said};

/// Runs the server until nobody has touched `used` for a minute: `$1` is the folder, `$2` the program.
const SUPERVISOR: &str = r#"(
"$2" -D "$1/data" -k "$1" -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=300 \
    -c shared_buffers=64MB -c autovacuum_naptime=10s >"$1/log" 2>&1 &
server=$!
while kill -0 $server 2>/dev/null && [ -n "$(find "$1/used" -mmin -1)" ]; do sleep 1; done
kill -INT $server 2>/dev/null
wait $server
) >/dev/null 2>&1 &
"#;

/// How often, and how many times, a server that starts is asked whether it answers.
const START: (Duration, u32) = (Duration::from_millis(50), 1_200);

/// A cluster in a folder of this user's.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
}

impl Cluster {
    /// The cluster, started if it does not run. `None` where PostgreSQL is not installed.
    pub(crate) fn running() -> Option<Self> {
        let programs = programs()?;
        let user = std::fs::metadata("/proc/self").map_or(0, |own| own.uid());
        let folder = std::env::temp_dir().join(format!("ml-connector-postgres-{user}"));
        let cluster = Self { folder, programs };
        // Whoever is first makes it; the others wait here.
        let lock =
            File::create(cluster.folder.with_extension("lock")).expect("the folder for temporary files");
        lock.lock().expect("locks");
        cluster.use_it();
        if !cluster.answers() {
            cluster.start(user == 0);
        }
        Some(cluster)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.folder.display())
    }

    pub(crate) fn psql(&self) -> PathBuf {
        self.programs.join("psql")
    }

    /// Has it run for another minute.
    pub(crate) fn use_it(&self) {
        let _not_made_yet = std::fs::write(self.folder.join("used"), "");
    }

    fn answers(&self) -> bool {
        UnixStream::connect(self.folder.join(".s.PGSQL.5432")).is_ok()
            && said(Command::new(self.psql()).arg(self.url()).args(["-X", "-q", "-c", "SELECT 1"])).is_ok()
    }

    fn start(&self, root: bool) {
        let _there_was_none = std::fs::remove_dir_all(&self.folder);
        std::fs::create_dir(&self.folder).expect("the folder for temporary files");
        self.use_it();
        if root {
            // The server refuses to run as root; Debian's package has a user for it.
            said(Command::new("chown").arg("postgres").arg(&self.folder)).expect("a user named postgres");
        }
        let program = |path: PathBuf| {
            if !root {
                return Command::new(path);
            }
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
            command
        };
        let mut init = program(self.programs.join("initdb"));
        init.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "-D"]);
        said(init.arg(self.folder.join("data")).current_dir(&self.folder))
            .unwrap_or_else(|error| panic!("{error}"));
        let mut server = program("/bin/sh".into());
        server.args(["-c", SUPERVISOR, "sh"]).arg(&self.folder).arg(self.programs.join("postgres"));
        server.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // In a group of its own: it outlives this test, and ends by itself.
        server.process_group(0).status().expect("the shell starts");
        for _ in 0..START.1 {
            if self.answers() {
                return;
            }
            std::thread::sleep(START.0);
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("PostgreSQL does not start:\n{log}");
    }
}
