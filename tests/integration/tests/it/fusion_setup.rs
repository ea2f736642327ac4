//! Fusion's set-up and what changes in it: the check, the ways to sign in, and the stage that watches.

use jiff::SignedDuration;
use ml_connector_domain::Timestamp;
use ml_connector_simulator::fusion::knobs::change;
use ml_connector_storage::{Ledger, Store as _, Upkeep as _, Watching as _};
use serde_json::{Value, json};

use crate::process::{Installed, words};
use crate::support::{Connected, small};

impl Installed {
    /// Changes Fusion's part of the configuration.
    fn fusion(&self, edit: impl FnOnce(&mut toml::Table)) {
        self.configure(|config| edit(config["fusion"].as_table_mut().expect("a table")));
    }

    /// What the check says, whether or not it succeeds.
    async fn checked(&self) -> (bool, Value) {
        let output = self.run(&["fusion", "check", "--json"]).await;
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", words(&output)));
        assert_eq!(said["ready"], output.status.success(), "{}", words(&output));
        (output.status.success(), said["sellers"][0]["report"].clone())
    }

    fn change(&self, to: &Value) {
        change(&self.simulator.world, to).expect("the simulator understands");
    }

    /// What was asked of Fusion: operation and status.
    fn asked(&self) -> Vec<(String, String)> {
        let requests = self.simulator.world.journal.to_json();
        let operations = requests["fusion"].as_object().cloned().unwrap_or_default();
        let each = |(operation, statuses): (String, Value)| {
            let statuses = statuses.as_object().cloned().unwrap_or_default();
            statuses.into_iter().map(move |(status, _)| (operation.clone(), status)).collect::<Vec<_>>()
        };
        operations.into_iter().flat_map(each).collect()
    }

    fn assert_only_reads(&self) {
        for (operation, _) in self.asked() {
            assert!(operation.starts_with("GET ") || operation == "token", "{operation} is no read");
        }
        let unexpected = self.simulator.world.journal.all_unexpected();
        assert!(unexpected.is_empty(), "{unexpected:?}");
    }
}

fn codes(report: &Value) -> Vec<&str> {
    let all = report["missing"].as_array().expect("a list").iter();
    all.map(|missing| missing["code"].as_str().expect("a code")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_set_up_has_nothing_missing_and_is_only_read() {
    let installed = Installed::start("fusion-healthy", small(81)).await;
    let (ready, report) = installed.checked().await;
    assert!(ready && codes(&report).is_empty(), "{report:#}");
    assert!(report["right"].as_array().is_some_and(|right| right.len() > 15), "{report:#}");
    let unreadable = report["unreadable"].to_string();
    for what in
        ["Amazon Connector", "Amazon Invoice", "IMMEDIATE", "data access set", "AR_BATCH_SOURCE_NOT_FOUND"]
    {
        assert!(unreadable.contains(what), "{what}: {unreadable}");
    }
    let said = installed.said(&["fusion", "check"]).await;
    assert!(said.lines().last().is_some_and(|line| line.contains(": ready; ")), "{said}");
    assert!(said.lines().any(|line| line.starts_with("cannot be read ")), "{said}");
    installed.assert_only_reads();
    let nobody = installed.refused(&["fusion", "check", "--seller", "A0"]).await;
    assert!(nobody.contains("FUS-SELLER"), "{nobody}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_planted_faults_are_all_named() {
    let installed = Installed::start("fusion-faults", small(82)).await;
    let ledger = &installed.scenario["sellers"][0]["fusion"];
    let customer = ledger["bill_to"]["A1PA6795UKMFR9"].as_str().expect("a customer").to_owned();
    let period = ml_connector_domain::canonical::day_in(
        installed.simulator.world.scenario.start,
        &jiff::tz::TimeZone::get("America/Los_Angeles").expect("a zone"),
    );
    let period = period.strftime("%b-%y").to_string();
    installed.change(&json!({ "revoke_privilege": "integrations" }));
    installed.change(&json!({ "remove_journal_source": "Amazon" }));
    installed.change(&json!({ "close_period": { "application": 101, "period": period } }));
    installed.change(&json!({ "unknown_customer": customer }));
    installed.configure(|config| {
        // An account that no chart has.
        let accounts = config["seller"][0]["ledger"]["accounts"].as_table_mut().expect("accounts");
        accounts.insert("commission".to_owned(), "99999".into());
    });
    let (ready, report) = installed.checked().await;
    let missing = report["missing"].as_array().expect("a list");
    let of = |code: &str| {
        let found = missing.iter().find(|one| one["code"] == code && one["level"] == "missing");
        let found = found.unwrap_or_else(|| panic!("{code} is not named: {report:#}"));
        format!("{} {}", found["message"], found["remedy"])
    };
    assert!(!ready);
    assert!(of("FUS-CHECK-ROLE").contains("FSCM Load Interface Administration"));
    assert!(of("FUS-CHECK-SOURCE").contains("`Amazon`"));
    let closed = of("FUS-CHECK-PERIOD");
    assert!(closed.contains(&period) && closed.contains("closed in General Ledger"), "{closed}");
    let unknown = of("FUS-CHECK-CUSTOMER");
    assert!(unknown.contains(&customer) && unknown.contains("A1PA6795UKMFR9"), "{unknown}");
    let account = of("FUS-CHECK-ACCOUNT");
    assert!(account.contains("01-000-99999-000-00 does not exist (ledger.accounts.commission)"), "{account}");
    let hindrances = missing.iter().filter(|one| one["level"] == "missing").count();
    assert_eq!(hindrances, 5, "each fault is named once: {report:#}");
    let said = installed.refused(&["fusion", "check"]).await;
    assert!(said.contains("FUS-CHECK: 5 things are missing in Fusion"), "{said}");
    let lines = said.lines().filter(|line| line.starts_with("FUS-CHECK-"));
    assert!(lines.clone().count() >= 5 && lines.into_iter().all(|line| line.contains(installed.seller())));
    installed.assert_only_reads();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_missing_privilege_is_named_and_told_from_a_bad_token() {
    let installed = Installed::start("fusion-roles", small(83)).await;
    let rows = [
        ("receivables", "AR_CREATE_RECEIVABLES_INVOICE_PRIV"),
        ("enterprise_structures", "FUN_GET_ENTERPRISE_STRUCTURES_REST_SERVICE_PRIV"),
        ("integrations", "ORA_FUN_FSCM_LOAD_INTERFACE_ADMIN_DUTY"),
        ("journals", "General Accountant"),
    ];
    for (privilege, wanted) in rows {
        installed.change(&json!({ "revoke_privilege": privilege }));
        let (ready, report) = installed.checked().await;
        installed.change(&json!({ "grant_privilege": privilege }));
        let all = codes(&report);
        assert!(!ready && all.iter().all(|code| *code == "FUS-CHECK-ROLE"), "{privilege}: {report:#}");
        assert!(report["missing"].to_string().contains(wanted), "{privilege}: {report:#}");
    }
    let mut faults = ml_connector_simulator::control::FaultRates::default();
    faults.fusion.unauthorized = 1.0;
    installed.simulator.world.faults.set(faults);
    let (ready, report) = installed.checked().await;
    assert!(!ready && codes(&report) == ["FUS-CHECK-TOKEN"], "{report:#}");
    assert!(
        report["missing"][0]["message"]
            .as_str()
            .is_some_and(|words| words.contains("FUS-UNAUTHORIZED") || words.contains("fresh access token"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_identity_domains_refusals_are_told_apart_without_a_secret() {
    let installed = Installed::start("fusion-denied", small(84)).await;
    let secret = installed.scenario["identity"]["client_secret"].as_str().expect("a secret").to_owned();
    installed.fusion(|fusion| {
        fusion.insert("scope".to_owned(), "urn:opc:resource:other::all".into());
    });
    let refused = installed.refused(&["fusion", "check"]).await;
    assert!(refused.contains("FUS-CHECK-TOKEN") && refused.contains("FUS-IDENTITY-SCOPE"), "{refused}");
    installed.fusion(|fusion| {
        fusion.insert("client_id".to_owned(), "another".into());
    });
    let refused = installed.refused(&["fusion", "check"]).await;
    assert!(refused.contains("FUS-IDENTITY-CLIENT") && !refused.contains(&secret), "{refused}");
    installed.fusion(|fusion| {
        fusion.insert("identity_url".to_owned(), "http://127.0.0.1:1".into());
    });
    let refused = installed.refused(&["fusion", "check"]).await;
    assert!(refused.contains("FUS-IDENTITY-DOWN"), "{refused}");
    installed.fusion(|fusion| {
        fusion.insert("base_url".to_owned(), "http://erp.example.com".into());
    });
    let refused = installed.refused(&["check"]).await;
    assert!(refused.contains("CFG-VALUE: fusion.base_url"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_user_is_signed_for() {
    let installed = Installed::start("fusion-assertion", small(85)).await;
    let identity = &installed.scenario["identity"];
    let pem = identity["assertion"]["private_key"].as_str().expect("a key").to_owned();
    std::fs::write(installed.path("fusion.pem"), &pem).expect("writes");
    let (user, key_id) = (identity["user"].as_str().expect("a user"), &identity["assertion"]["key_id"]);
    let key_id = key_id.as_str().expect("a key id").to_owned();
    let auth = |key_id: &str| {
        let mut auth = toml::Table::new();
        for (key, value) in [
            ("method", "jwt_assertion"),
            ("user", user),
            ("key_id", key_id),
            ("private_key_file", "fusion.pem"),
        ] {
            auth.insert(key.to_owned(), value.into());
        }
        auth
    };
    installed.fusion(|fusion| {
        fusion.insert("auth".to_owned(), auth("another").into());
    });
    installed.said(&["credentials", "import"]).await;
    let refused = installed.refused(&["fusion", "check"]).await;
    assert!(refused.contains("FUS-IDENTITY-GRANT"), "{refused}");
    installed.fusion(|fusion| {
        fusion.insert("auth".to_owned(), auth(&key_id).into());
    });
    let (ready, report) = installed.checked().await;
    assert!(ready, "{report:#}");
    std::fs::remove_file(installed.path("fusion.pem")).expect("the operator removes it");
    assert!(installed.checked().await.0, "the key is sealed");
    let line = pem.lines().nth(1).expect("a line of the key").as_bytes();
    for (name, bytes) in installed.files() {
        assert!(!bytes.windows(line.len()).any(|window| window == line), "the key is in {name}");
    }
    std::fs::write(installed.path("fusion.pem"), "no key").expect("writes");
    installed.said(&["credentials", "import"]).await;
    let refused = installed.refused(&["fusion", "check"]).await;
    assert!(refused.contains("FUS-IDENTITY-KEY") && refused.contains("JWT-PEM"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_consents_once_and_the_rotated_token_is_kept() {
    let installed = Installed::start("fusion-consent", small(86)).await;
    let none = installed.refused(&["fusion", "authorize", "start"]).await;
    assert!(none.contains("FUS-AUTHORIZE-METHOD"), "{none}");
    installed.fusion(|fusion| {
        let mut auth = toml::Table::new();
        auth.insert("method".to_owned(), "authorization_code".into());
        auth.insert("redirect_uri".to_owned(), "https://books.example/fusion".into());
        fusion.insert("auth".to_owned(), auth.into());
    });
    let none = installed.refused(&["fusion", "check"]).await;
    assert!(none.contains("fusion authorize start"), "{none}");
    let url = installed.said(&["fusion", "authorize", "start"]).await.trim().to_owned();
    let browser = move || {
        let agent = ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false).build();
        let answer = ureq::Agent::from(agent).get(&url).call().expect("the page answers");
        answer.headers()["location"].to_str().expect("text").to_owned()
    };
    let back = tokio::task::spawn_blocking(browser).await.expect("no panic");
    let forged = back.replace("state=", "state=x");
    let forged = installed.refused(&["fusion", "authorize", "finish", &forged]).await;
    assert!(forged.contains("FUS-AUTHORIZE-STATE"), "{forged}");
    let finished = installed.run(&["fusion", "authorize", "finish", &back]).await;
    assert!(finished.status.success(), "{}", words(&finished));
    let again = installed.refused(&["fusion", "authorize", "finish", &back]).await;
    assert!(again.contains("FUS-AUTHORIZE-STATE"), "a consent works once: {again}");
    let version = async || {
        let store = ml_connector_storage::SqliteStore::open(&installed.path("connector.sqlite")).await;
        let rows = store.expect("opens").credentials().await.expect("reads");
        let own = rows.into_iter().find(|row| row.kind == "fusion-refresh-token");
        own.map(|row| row.sealed.version).unwrap_or_default()
    };
    assert_eq!(version().await, 1);
    let mut said = words(&finished);
    for n in 2..4 {
        let output = installed.run(&["fusion", "check"]).await;
        assert!(output.status.success(), "{}", words(&output));
        said.push_str(&words(&output));
        assert_eq!(version().await, n, "each refresh brings another token, which is kept");
    }
    let code = back.split("code=").nth(1).and_then(|rest| rest.split('&').next()).expect("a code");
    assert!(!said.contains("refresh.") && !said.contains(code) && !said.contains("eyJ"), "{said}");
    for (name, bytes) in installed.files() {
        assert!(!bytes.windows(8).any(|window| window == b"refresh."), "a refresh token is in {name}");
    }
}

/// Everything that was said about a document or an account.
async fn story(connected: &Connected, subject: &str) -> String {
    let rows = connected.store.story(&[subject.to_owned()]).await.expect("reads");
    rows.iter().map(|row| format!("{} {}\n", row.action, row.detail)).collect()
}

fn later(at: Timestamp, hours: i64) -> Timestamp {
    at.saturating_add(SignedDuration::from_hours(hours)).expect("in range")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_changes_in_fusion_is_seen_told_and_compared_at_once() {
    let connected = Connected::start("fusion-watch", small(87)).await;
    let end = connected.simulator.world.scenario.end;
    connected.run_until(end).await;
    connected.assert_books_are_right();
    let id = connected.seller.id.clone();
    let totals = connected.store.shown_totals().await.expect("reads");
    let complete = totals.iter().find(|(kind, status, _)| kind == "invoice" && status == "Complete");
    assert!(complete.is_some_and(|(_, _, count)| *count > 10), "{totals:?}");
    let row = connected.store.postings_in(&id, "confirmed", 1_000).await.expect("reads");
    let invoice = row
        .iter()
        .find(|row| row.document.key.as_str().starts_with('I') && row.document.currency.code() == "USD");
    let invoice = invoice.expect("an invoice in dollars");
    let (key, order) = (invoice.document.key.as_str().to_owned(), invoice.document.subject().to_owned());
    let told = story(&connected, &order).await;
    assert!(told.contains(&format!("changed {key}: Fusion shows it as Complete, open ")), "{told}");

    let world = &connected.simulator.world;
    change(world, &json!({ "post_batches": true })).expect("posts");
    change(world, &json!({ "edit": { "resource": "receivablesInvoices", "number": key, "amount": 0.01 } }))
        .expect("edits");
    // Less than a day, so that nothing but the change makes it due.
    connected.run_until(later(end, 13)).await;
    let findings = connected.store.findings(100).await.expect("reads");
    assert!(findings.iter().any(|found| found.key.as_str() == key), "{findings:?}");
    let rows = connected.store.story(&[order]).await.expect("reads");
    let changed = rows.iter().find(|row| row.detail.starts_with(&format!("{key}: from Complete, open ")));
    let changed = changed.unwrap_or_else(|| panic!("no change is told: {rows:?}"));
    // An hour before the worker's end, at which it compares everything.
    let at_once = later(changed.at, 0).duration_until(later(end, 13)) > SignedDuration::from_mins(30);
    let compared = rows
        .iter()
        .find(|row| row.action == "reconciled" && row.id > changed.id && !row.detail.contains("ties out"));
    let soon = compared.is_some_and(|row| row.at.duration_since(changed.at) < SignedDuration::from_mins(1));
    assert!(at_once && soon, "{rows:?}");
    let totals = connected.store.shown_totals().await.expect("reads");
    assert!(totals.iter().any(|(kind, status, _)| kind == "journal" && status == "P"), "{totals:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_disabled_is_a_finding_until_it_is_enabled() {
    let connected = Connected::start("fusion-disabled", small(88)).await;
    let end = connected.simulator.world.scenario.end;
    connected.run_until(end).await;
    let id = connected.seller.id.clone();
    let account = connected.seller.ledger.account("receivable").expect("an account");
    let states = connected.store.ledger_states(&id, Ledger::Account).await.expect("reads");
    assert!(
        states.contains(&(account.clone(), true)) && states.iter().all(|(_, usable)| *usable),
        "{states:?}"
    );
    let world = &connected.simulator.world;
    change(world, &json!({ "disable_account": account })).expect("disables");
    connected.run_until(later(end, 25)).await;
    let report = ml_connector_pipeline::report::report(&*connected.store).await.expect("counts");
    assert_eq!(report.watch.accounts_disabled, 1);
    let reviews = connected.store.open_reviews(100).await.expect("reads");
    let own = reviews.iter().find(|item| item.code == "account-disabled").expect("a finding");
    assert!(own.subject == account && own.message.contains("wait"), "{own:?}");
    change(world, &json!({ "enable_account": account })).expect("enables");
    connected.run_until(later(end, 50)).await;
    let report = ml_connector_pipeline::report::report(&*connected.store).await.expect("counts");
    assert_eq!(report.watch.accounts_disabled, 0, "it takes postings again");
    assert!(story(&connected, &account).await.contains("resolved account-disabled"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_period_that_closes_on_waiting_journals_is_a_finding_and_one_that_is_done_is_not() {
    let connected = Connected::start("fusion-period", small(89)).await;
    let (end, id) = (connected.simulator.world.scenario.end, connected.seller.id.clone());
    let world = &connected.simulator.world;
    // Journals are refused for want of a privilege, so that they wait.
    change(world, &json!({ "revoke_privilege": "integrations" })).expect("revokes");
    connected.run_until(end).await;
    let waiting = connected.store.dates_waiting(&id).await.expect("reads");
    let (_, date, _) = waiting.iter().find(|(kind, ..)| kind == "journal").expect("a journal waits");
    let period = connected.seller.ledger.period_of(date.parse().expect("a date"));
    for application in [101, 222] {
        change(world, &json!({ "close_period": { "application": application, "period": period } }))
            .expect("closes");
    }
    connected.run_until(later(end, 25)).await;
    let report = ml_connector_pipeline::report::report(&*connected.store).await.expect("counts");
    assert_eq!(report.watch.periods_closed, 1, "nothing waits in Receivables");
    let reviews = connected.store.open_reviews(100).await.expect("reads");
    let own = reviews.iter().find(|item| item.code == "period-closed").expect("a finding");
    assert_eq!(own.subject, format!("{period} General Ledger"));
    assert!(own.message.contains("documents and open settlements are still dated in it"), "{own:?}");
    let told = story(&connected, &format!("{period} Receivables")).await;
    assert!(told.contains("changed the period closed; nothing waits in it"), "{told}");
    change(world, &json!({ "open_period": { "application": 101, "period": period } })).expect("opens");
    connected.run_until(later(end, 50)).await;
    let report = ml_connector_pipeline::report::report(&*connected.store).await.expect("counts");
    assert_eq!(report.watch.periods_closed, 0);
}
