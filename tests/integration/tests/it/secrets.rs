//! Secrets and buyer data: where they must not be, and what happens to those who tamper.

use ml_connector_simulator::scenario::{ScenarioOptions, names};
use ml_connector_storage::{Change, CredentialRow, SqliteStore, Store as _, Upkeep as _};

use crate::process::{Installed, MASTER_KEY, REDIRECT};
use crate::support::small;

fn count(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
}

/// A whole run with the loudest log, buyer data asked for, and its clock run down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_secret_or_buyer_is_left_in_database_or_logs() {
    let installed = Installed::start("strings", ScenarioOptions { days: 4, ..small(61) }).await;
    let end = installed.simulator.world.scenario.end.to_string();
    let log = std::fs::File::create(installed.path("daemon.log")).expect("a file");
    let mut daemon = installed.command(&["serve", "--until", &end]);
    let status = daemon.env("RUST_LOG", "trace").stderr(log).status().await.expect("starts");
    assert!(status.success());
    for name in ["master.key", "amazon.secret", "fusion.secret", "na.token", "eu.token", "fe.token"] {
        std::fs::remove_file(installed.path(name)).expect("the operator removes it");
    }
    let secrets = [
        MASTER_KEY,
        names::APPLICATION_SECRET,
        names::CLIENT_SECRET,
        "Atza|",
        "Atzr|",
        "Atz.sprdt|",
        "Quillfeather",
        "-na-refresh",
        "-eu-refresh",
        "Bearer ey",
        "X-Amz-Signature",
    ];
    let files = installed.files();
    assert!(files.iter().any(|(name, _)| name == "connector.sqlite") && files.len() > 3, "{}", files.len());
    for (name, bytes) in &files {
        for secret in secrets {
            assert_eq!(count(bytes, secret), 0, "{secret} is in {name}");
        }
    }
    let log = files.iter().find(|(name, _)| name == "daemon.log").expect("a log");
    assert!(log.1.len() > 100_000, "the log is loud: the test shows something");
    let requests = installed.simulator.world.journal.to_json();
    assert!(requests["amazon"]["token"]["200"].as_u64() > Some(10), "tokens were fetched again and again");
}

/// The credentials as they are stored.
async fn stored(installed: &Installed) -> (SqliteStore, Vec<CredentialRow>) {
    let store = SqliteStore::open(&installed.path("connector.sqlite")).await.expect("opens");
    let rows = store.credentials().await.expect("reads");
    (store, rows)
}

fn put(row: &CredentialRow, sealed: Vec<u8>) -> Change {
    Change::Credential {
        seller: row.seller.clone(),
        kind: row.kind.clone(),
        version: row.sealed.version,
        sealed,
        at: row.sealed.set_at,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_and_a_moved_credential_keep_the_daemon_from_starting() {
    let installed = Installed::start("tampered", small(62)).await;
    let (store, rows) = stored(&installed).await;
    let of = |kind: &str| rows.iter().find(|row| row.kind == kind).expect("is there");
    let (eu, na) = (of("amazon-refresh-token/eu"), of("amazon-refresh-token/na"));
    let end = installed.simulator.world.scenario.start.to_string();
    for byte in [0, 1, 40, 70, na.sealed.sealed.len() - 1] {
        let mut sealed = na.sealed.sealed.clone();
        sealed[byte] ^= 1;
        store.apply(vec![put(na, sealed)]).await.expect("writes");
        let refused = installed.refused(&["serve", "--until", &end]).await;
        assert!(
            refused.contains("CRD-OPEN: amazon-refresh-token/na") && refused.contains("VLT-"),
            "{byte}: {refused}"
        );
    }
    store.apply(vec![put(na, eu.sealed.sealed.clone())]).await.expect("writes");
    let refused = installed.refused(&["serve", "--until", &end]).await;
    assert!(
        refused.contains("CRD-OPEN: amazon-refresh-token/na") && refused.contains("VLT-REFUSED"),
        "{refused}"
    );
    // Another seller's row is another binding, too.
    let other = CredentialRow { seller: "A0OTHER".to_owned(), ..na.clone() };
    store
        .apply(vec![put(&other, na.sealed.sealed.clone()), put(na, na.sealed.sealed.clone())])
        .await
        .expect("writes");
    let refused = installed.refused(&["keys", "rotate"]).await;
    assert!(refused.contains("CRD-OPEN: amazon-refresh-token/na of A0OTHER"), "{refused}");
    let requests = installed.simulator.world.journal.to_json();
    assert!(requests["amazon"].is_null(), "nothing was asked with a credential in doubt: {requests}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_key_changes_under_a_running_daemon() {
    let installed = Installed::start("rotated", small(63)).await;
    let end = installed.simulator.world.scenario.end.to_string();
    let mut daemon = installed.command(&["serve", "--until", &end]).spawn().expect("starts");
    // It has opened its credentials once a token was given.
    while installed.simulator.world.journal.to_json()["amazon"]["token"]["200"].as_u64().is_none() {
        tokio::task::yield_now().await;
        assert!(daemon.try_wait().expect("is a process").is_none(), "the daemon ended early");
    }
    let said = installed.said(&["keys", "rotate"]).await;
    assert!(said.starts_with("6 credentials"), "{said}");
    assert!(daemon.wait().await.expect("ends").success());
    let requests = installed.simulator.world.journal.to_json();
    assert!(requests["amazon"]["token"]["400"].is_null() && requests["amazon"]["token"]["401"].is_null());
    let new = std::fs::read_to_string(installed.path("master.key")).expect("reads");
    assert!(new.trim().len() == 64 && new.trim() != MASTER_KEY, "one key, and a new one");
    // The old one opens nothing any more.
    std::fs::write(installed.path("master.key"), MASTER_KEY).expect("writes");
    let refused = installed.refused(&["serve", "--until", &end]).await;
    assert!(refused.contains("VLT-REFUSED") && refused.contains("fusion-client-secret"), "{refused}");
    std::fs::write(installed.path("master.key"), "no key").expect("writes");
    assert!(installed.refused(&["serve", "--until", &end]).await.contains("VLT-KEY"));
    std::fs::remove_file(installed.path("master.key")).expect("removes");
    assert!(installed.refused(&["serve", "--until", &end]).await.contains("KEY-MISSING"));
}

/// What systemd and the environment hold is not the daemon's to write: its owner puts the new key before the old one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_key_from_systemd_or_the_environment_is_changed_by_its_owner() {
    let installed = Installed::start("key-sources", small(66)).await;
    let (second, third) = ("a1".repeat(32), "b2".repeat(32));
    let config = std::fs::read_to_string(installed.path("ml-connector.toml")).expect("reads");
    let from = |line: &str| {
        let changed = config.replace("master_key_file = \"master.key\"", line);
        assert_ne!(changed, config);
        std::fs::write(installed.path("ml-connector.toml"), changed).expect("writes");
    };
    let until = installed.simulator.world.scenario.start.to_string();
    let said = async |arguments: &[&str], variable: &str, value: &str| {
        let output = installed.command(arguments).env(variable, value).output().await.expect("starts");
        (output.status.success(), crate::process::words(&output))
    };
    from("master_key_credential = \"books\"");
    assert!(installed.refused(&["keys", "rotate"]).await.contains("KEY-MISSING: systemd"));
    let folder = installed.path("credentials");
    std::fs::create_dir(&folder).expect("a folder");
    let file = folder.join("books");
    let systemd = async |keys: &str, arguments: &[&str]| {
        std::fs::write(&file, keys).expect("writes");
        let answer = said(arguments, "CREDENTIALS_DIRECTORY", folder.to_str().expect("a path")).await;
        assert_eq!(std::fs::read_to_string(&file).expect("reads"), keys, "it is not ours to write");
        answer
    };
    let (done, words) = systemd(MASTER_KEY, &["keys", "rotate"]).await;
    assert!(!done && words.contains("KEY-ONE"), "{words}");
    let (done, words) = systemd(&format!("{second}\n{MASTER_KEY}\n"), &["keys", "rotate"]).await;
    assert!(done && words.starts_with("5 credentials") && words.contains("leave only the first"), "{words}");
    assert!(systemd(&second, &["serve", "--until", &until]).await.0);
    from("master_key_variable = \"BOOKS_KEY\"");
    assert!(installed.refused(&["keys", "rotate"]).await.contains("KEY-MISSING: the environment"));
    let (done, words) = said(&["keys", "rotate"], "BOOKS_KEY", &format!("{third},{second}")).await;
    assert!(done && words.starts_with("6 credentials"), "the first serve made the audit's key: {words}");
    assert!(said(&["serve", "--until", &until], "BOOKS_KEY", &third).await.0);
    let (done, words) = said(&["serve", "--until", &until], "BOOKS_KEY", &second).await;
    assert!(!done && words.contains("VLT-REFUSED"), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seller_authorises_in_the_browser_and_only_once() {
    let installed = Installed::start("consent", small(64)).await;
    let seller = installed.seller().to_owned();
    let url =
        installed.said(&["authorize", "url", "--seller", &seller, "--region", "eu", "--country", "DE"]).await;
    assert!(url.starts_with("https://sellercentral-europe.amazon.com/apps/authorize/consent?"), "{url}");
    let state =
        url.split("state=").nth(1).and_then(|rest| rest.split('&').next()).expect("a state").to_owned();
    let back = |state: &str, seller: &str| {
        format!("{REDIRECT}?state={state}&selling_partner_id={seller}&spapi_oauth_code=code-{seller}-eu")
    };
    let forged = installed.refused(&["authorize", "finish", &back(&"0".repeat(64), &seller)]).await;
    assert!(forged.contains("AUT-STATE"), "{forged}");
    let other = installed.refused(&["authorize", "finish", &back(&state, "A0OTHER")]).await;
    assert!(other.contains("AUT-SELLER"), "{other}");
    let (store, before) = stored(&installed).await;
    installed.said(&["authorize", "finish", &back(&state, &seller)]).await;
    let after = store.credentials().await.expect("reads");
    let version = |rows: &[CredentialRow]| {
        rows.iter().find(|row| row.kind == "amazon-refresh-token/eu").expect("is there").sealed.version
    };
    assert_eq!((version(&before), version(&after)), (1, 2), "sealed as a new version");
    let again = installed.refused(&["authorize", "finish", &back(&state, &seller)]).await;
    assert!(again.contains("AUT-STATE"), "a state works once: {again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_secret_is_rotated_with_an_overlap_and_its_age_is_told() {
    let installed = Installed::start("secret-age", small(65)).await;
    let start = installed.simulator.world.scenario.start;
    let seller = installed.seller().to_owned();
    let participations = ["participations", "--seller", seller.as_str(), "--region", "na"];
    installed.said(&["credentials", "rotate-client-secret"]).await;
    // Amazon's queue has delivered the new secret and the operator has imported it; the old one is kept beside it.
    std::fs::write(installed.path("amazon.secret"), names::ROTATED_SECRET).expect("writes");
    installed.said(&["credentials", "import"]).await;
    let (_, rows) = stored(&installed).await;
    assert!(rows.iter().any(|row| row.kind == "amazon-client-secret/before"));
    assert!(installed.said(&participations).await.contains("ATVPDKIKX0DER"));
    // Somebody imports a secret that Amazon does not know yet: the one before it still works.
    std::fs::write(installed.path("amazon.secret"), "not-active-yet").expect("writes");
    installed.said(&["credentials", "import"]).await;
    let output = installed.run(&participations).await;
    let words = crate::process::words(&output);
    assert!(output.status.success() && words.contains("AMZ-LWA-PREVIOUS"), "{words}");
    // A hundred and sixty days later the log warns.
    std::fs::write(installed.path("amazon.secret"), names::ROTATED_SECRET).expect("writes");
    installed.said(&["credentials", "import"]).await;
    let later = start.saturating_add(jiff::SignedDuration::from_hours(160 * 24)).expect("in range");
    assert!(installed.simulator.world.clock.set(later));
    let words = crate::process::words(&installed.run(&participations).await);
    assert!(words.contains("CRD-EXPIRY") && words.contains("ATVPDKIKX0DER"), "{words}");
}
