//! The daemon as a service: what a service manager is told, and how it ends while a document is being sent.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use ml_connector_simulator::scenario::ScenarioOptions;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixDatagram};
use tokio::process::Child;
use tokio::sync::Notify;

use crate::process::{Installed, words};
use crate::support::small;

/// Longer than anything here may take.
pub(crate) const LONG: Duration = Duration::from_secs(60);

fn options(seed: u64) -> ScenarioOptions {
    ScenarioOptions { days: 3, orders_per_day: 2, unmapped_percent: 0, ..small(seed) }
}

pub(crate) fn signal(daemon: &Child, name: &str) {
    let id = daemon.id().expect("it lives").to_string();
    assert!(std::process::Command::new("kill").args([name, &id]).status().expect("kill").success());
}

pub(crate) async fn ended(daemon: &mut Child) -> ExitStatus {
    tokio::time::timeout(LONG, daemon.wait()).await.expect("it ends").expect("it is waited for")
}

/// Receives until all of these were said.
async fn told(socket: &UnixDatagram, wanted: &[&str]) {
    let mut left: Vec<&str> = wanted.to_vec();
    let mut buffer = [0_u8; 4096];
    while !left.is_empty() {
        let received = tokio::time::timeout(LONG, socket.recv(&mut buffer)).await;
        let length = received.unwrap_or_else(|_| panic!("{left:?} was never said")).expect("receives");
        let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
        left.retain(|one| !said.lines().any(|line| line == *one));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_manager_is_told_when_it_is_ready_alive_reloading_and_stopping() {
    let installed = Installed::start("notify", options(411)).await;
    installed.configure(|table| drop(table.remove("clock")));
    let socket = UnixDatagram::bind(installed.path("notify.socket")).expect("binds");
    let mut command = installed.command(&["serve"]);
    command.env("NOTIFY_SOCKET", installed.path("notify.socket")).env("WATCHDOG_USEC", "400000");
    let log = std::fs::File::create(installed.path("log")).expect("a file");
    let mut daemon = command.stderr(log).spawn().expect("it starts");
    told(&socket, &["READY=1", "WATCHDOG=1"]).await;
    // More than one: it goes on.
    told(&socket, &["WATCHDOG=1"]).await;
    signal(&daemon, "-HUP");
    told(&socket, &["RELOADING=1", "READY=1"]).await;
    signal(&daemon, "-TERM");
    told(&socket, &["STOPPING=1"]).await;
    assert!(ended(&mut daemon).await.success());
}

/// Passes everything on to Fusion, but for the answer to an invoice: that one arrives there, and is never answered.
async fn swallow_answers(fusion: String) -> (String, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let (swallowed, arrived) = (Arc::new(Notify::new()), fusion.trim_start_matches("http://").to_owned());
    let notify = Arc::clone(&swallowed);
    #[expect(clippy::disallowed_methods, reason = "the proxy ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (arrived, notify) = (arrived.clone(), Arc::clone(&notify));
            tokio::spawn(async move {
                let server = TcpStream::connect(arrived).await.expect("Fusion is there");
                pass_on(client, server, &notify).await;
            });
        }
    });
    (address, swallowed)
}

async fn pass_on(mut client: TcpStream, mut server: TcpStream, swallowed: &Notify) {
    let (mut asked, mut answered) = (vec![0_u8; 65_536], vec![0_u8; 65_536]);
    let mut silent = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                let text = String::from_utf8_lossy(&asked[..read]);
                silent |= text.starts_with("POST ") && text.contains("/receivablesInvoices ");
                if server.write_all(&asked[..read]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(read @ 1..) = read else { return };
                if silent {
                    swallowed.notify_one();
                } else if client.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A daemon whose first invoices are in Fusion, and whose answers never arrive.
async fn sending(name: &str, seed: u64, drain_seconds: i64) -> (Installed, Child) {
    let installed = Installed::start(name, options(seed)).await;
    let (address, swallowed) = swallow_answers(installed.simulator.urls.fusion.clone()).await;
    installed.configure(|table| {
        table.insert("drain_seconds".to_owned(), drain_seconds.into());
        table["fusion"]["base_url"] = address.into();
    });
    let log = std::fs::File::create(installed.path("log")).expect("a file");
    let mut command = installed.command(&["serve"]);
    let daemon = command.stderr(log).env("RUST_LOG", "info").spawn().expect("it starts");
    let waited = tokio::time::timeout(LONG, swallowed.notified()).await;
    assert!(waited.is_ok(), "no invoice was sent: {}", log_of(&installed));
    (installed, daemon)
}

pub(crate) fn log_of(installed: &Installed) -> String {
    std::fs::read_to_string(installed.path("log")).unwrap_or_default()
}

/// What is posted in the end is what should be, once.
async fn assert_nothing_doubled(installed: &Installed) {
    let fusion = installed.simulator.urls.fusion.clone();
    installed.configure(|table| table["fusion"]["base_url"] = fusion.into());
    installed.said(&["serve", "--until", installed.scenario["end"].as_str().expect("an end")]).await;
    assert_eq!(installed.wrong(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_takes_too_long_is_cut_short_and_what_was_being_sent_is_unknown() {
    let (installed, mut daemon) = sending("drain", 412, 1).await;
    signal(&daemon, "-TERM");
    assert!(ended(&mut daemon).await.success(), "{}", log_of(&installed));
    assert!(log_of(&installed).contains("drain_seconds"), "{}", log_of(&installed));
    let seller = installed.seller();
    let said = installed.said(&["seller", "status", seller, "--json"]).await;
    let standing: Value = serde_json::from_str(&said).expect("JSON");
    let documents = &standing["documents"];
    assert!(documents["unknown"].as_u64() > Some(0) && documents["sending"].is_null(), "{documents}");
    assert_nothing_doubled(&installed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let (installed, mut daemon) = sending("second-signal", 413, 3_600).await;
    signal(&daemon, "-TERM");
    let stopping = async {
        while !log_of(&installed).contains("workers end their cycle") {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(LONG, stopping).await.is_ok(), "{}", log_of(&installed));
    signal(&daemon, "-TERM");
    let status = ended(&mut daemon).await;
    assert_eq!((status.code(), status.signal()), (Some(1), None), "{}", log_of(&installed));
    assert!(log_of(&installed).contains("SVC-CUT"), "{}", log_of(&installed));
    assert_nothing_doubled(&installed).await;
}

/// What `systemd-analyze` says of the unit, where the machine has it; that the binary is not installed is no mistake of it.
#[test]
fn the_unit_is_one_that_systemd_reads() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../host/deploy/ml-connector.service");
    let output = std::process::Command::new("systemd-analyze").args(["verify", "--man=no", unit]).output();
    let Ok(output) = output else {
        println!("systemd-analyze is not here: the unit is not verified");
        return;
    };
    let said = words(&output);
    let wrong: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("ml-connector.service") && !line.contains("is not executable"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
