//! Every line explained, and the books judged by hledger.

use std::collections::{BTreeMap, HashMap};
use std::process::Command;

use ml_connector_domain::document::Body;
use ml_connector_domain::ledger::{LedgerSetup, purpose};
use ml_connector_domain::posting::State;
use ml_connector_domain::{Currency, Money};
use ml_connector_simulator::scenario::Scenario;
use ml_connector_storage::RecordedDocument;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;

use super::{confirmed, ran};
use crate::process::{Installed, words};
use crate::support::small;

/// Set by CI, which has installed hledger.
const HLEDGER_REQUIRED: &str = "ML_CONNECTOR_HLEDGER_REQUIRED";

/// Whether a document's stored bytes are what the sandbox's answer to Amazon's bytes led to is shown elsewhere; here
/// each of a hundred lines, drawn by chance, ends at a payload's hash and at Fusion's number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_lines_end_at_amazons_payload_and_at_fusions_document() {
    // A month with refunds, so that credit memos are among what is drawn.
    let refunded = |seed: &u64| {
        let month = Scenario::generate(small(*seed));
        month.transactions.iter().filter(|one| one.is_refund() && one.group.is_some()).count() > 3
    };
    let seed = (82..).find(refunded).expect("one of them");
    let installed = ran("explained-lines", seed).await;
    let mut rng = ChaCha8Rng::seed_from_u64(82);
    let documents = confirmed(&installed).await;
    let mut told = HashMap::<String, Value>::new();
    let mut kinds = BTreeMap::<String, usize>::new();
    for _ in 0..100 {
        let document = &documents[rng.random_range(0..documents.len())];
        let State::Confirmed { fusion_id } = &document.row.state else { panic!("{:?}", document.row.state) };
        let key = document.row.document.key.as_str();
        if !told.contains_key(key) {
            // Asked for by each of its names in turn.
            let names = [key, fusion_id.as_str(), document.row.document.subject()];
            let said = installed.said(&["explain", "--json", names[rng.random_range(0..3)]]).await;
            told.insert(key.to_owned(), serde_json::from_str(&said).expect("one object"));
        }
        let story = told[key]["documents"].as_array().expect("documents");
        let trace = story.iter().find(|one| one["key"] == key).expect("the document");
        assert_eq!(trace["fusion_id"], fusion_id.as_str());
        for name in ["mapper", "catalog", "input", "sha256"] {
            assert_eq!(trace[name].as_str().map(str::len), Some(64), "{name}");
        }
        assert_eq!(trace["contract"], "0.1.0");
        let lines = trace["lines"].as_array().expect("lines");
        let line = &lines[rng.random_range(0..lines.len())];
        assert!(line["line"]["rule"].as_str().is_some_and(|rule| !rule.is_empty()), "{line}");
        let from = line["from"].as_array().expect("parts");
        assert!(!from.is_empty(), "nothing stands behind {line}");
        *kinds.entry(trace["kind"].to_string()).or_default() += 1;
        let currency: Currency = trace["currency"].as_str().expect("a currency").parse().expect("a currency");
        let mut sum = 0_i64;
        for part in from {
            assert_payload(&installed, part).await;
            if let Some(amount) = part["amount"].as_str() {
                sum += Money::parse(amount, currency).expect("an amount").minor;
            }
        }
        // What the host made itself, such as what is brought forward, stands on the settlement as a whole.
        let journal = trace["kind"] == "journal";
        let summed = from.iter().any(|part| part["amount"].is_string());
        assert!(!journal || summed || from.iter().all(|part| part["kind"] == "group"), "{line}");
        if journal && summed {
            let amount = line["line"]["amount"].as_str().expect("an amount");
            assert_eq!(Money::new(sum, currency).decimal(), amount, "its parts sum to it");
        }
    }
    println!("{kinds:?}");
    assert!(kinds.len() >= 3, "invoices, credit memos and journals: {kinds:?}");
    let journal =
        documents.iter().find(|one| matches!(one.row.document.body, Body::Journal { .. })).expect("one");
    let said = installed.said(&["explain", journal.row.document.subject()]).await;
    assert!(said.contains(" of transaction ") && said.contains("payload "), "{said}");
}

/// A part names a payload that is in the store under its hash, and whose bytes have it unless they were redacted.
async fn assert_payload(installed: &Installed, part: &Value) {
    let options = SqliteConnectOptions::new().filename(installed.path("connector.sqlite")).read_only(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("opens");
    let payload = part["payload"].as_str().expect("a hash");
    let statement = "SELECT body, buyer_data FROM raw_payload WHERE hash = ? AND natural_id = ?";
    let row: (String, i64) = sqlx::query_as(statement)
        .bind(payload)
        .bind(part["id"].as_str())
        .fetch_one(&pool)
        .await
        .unwrap_or_else(|error| panic!("{part}: {error}"));
    pool.close().await;
    let own = ml_connector_domain::id::ContentHash::of(row.0.as_bytes());
    assert!(row.1 == 2 || own.as_str() == payload, "{part}");
}

/// hledger is an independent referee; where it is missing, CI fails and others are told.
fn hledger_is_missing() -> bool {
    #[expect(clippy::disallowed_methods, reason = "CI says by this that hledger must be there")]
    let required = std::env::var(HLEDGER_REQUIRED).is_ok();
    let missing = Command::new("hledger").arg("--version").output().is_err();
    assert!(!(missing && required), "hledger is missing: run `apt-get install hledger`");
    if missing {
        println!("skipped: hledger is missing");
    }
    missing
}

/// A month's reconciliation as hledger text asserts what accounts must hold by Amazon's records; a wrong figure is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hledger_holds_the_books_against_what_amazons_records_say() {
    if hledger_is_missing() {
        return;
    }
    let installed = ran("hledger-asserts", 85).await;
    let documents = confirmed(&installed).await;
    let last = documents.iter().map(|one| one.row.document.date).max().expect("documents");
    let seller = installed.seller().to_owned();
    let period = last.strftime("%Y-%m").to_string();
    let text =
        installed.said(&["reconcile", "--period", &period, "--format", "hledger", "--seller", &seller]).await;
    let path = installed.path("asserted.journal");
    let check = |text: &str| {
        std::fs::write(&path, text).expect("a file");
        Command::new("hledger").arg("-f").arg(&path).arg("check").output().expect("starts")
    };
    let accepted = check(&text);
    assert!(accepted.status.success(), "{}", words(&accepted));
    let asserted: Vec<&str> =
        text.lines().filter(|line| line.starts_with(' ') && line.contains(" = ")).collect();
    assert!(asserted.len() > 3, "{asserted:?}");
    let (account, amount) = asserted[0].split_once(" = ").expect("an assertion");
    let wrong = text.replacen(asserted[0], &format!("{account} = {}", amount.replacen('.', "1.", 1)), 1);
    let refused = check(&wrong);
    assert!(
        !refused.status.success() && words(&refused).contains("balance assertion"),
        "{}",
        words(&refused)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hledger_accepts_the_books_and_sums_them_as_we_do() {
    if hledger_is_missing() {
        return;
    }
    let installed = ran("hledger", 83).await;
    let setup: LedgerSetup =
        serde_json::from_value(installed.scenario["sellers"][0]["fusion"].clone()).expect("a ledger");
    let receivable = setup.account(purpose::RECEIVABLE).expect("an account");
    let documents = confirmed(&installed).await;
    let path = installed.path("books.journal");
    let out = path.to_str().expect("a path");
    installed.said(&["export", "hledger", "--out", out]).await;
    let hledger = |arguments: &[&str]| {
        let output = Command::new("hledger").args(["-f", out]).args(arguments).output().expect("starts");
        assert!(output.status.success(), "{arguments:?}: {}", words(&output));
        String::from_utf8(output.stdout).expect("text")
    };
    hledger(&["check"]);
    hledger(&["check", "--strict"]);
    let text = std::fs::read_to_string(&path).expect("is there");
    assert!(text.contains(" @@ "), "journals say what they are worth in the ledger's currency");
    let rounding = setup.account(purpose::ROUNDING).expect("an account");
    let left = hledger(&["balance", &rounding, "--no-total"]);
    assert_eq!(left.trim(), "", "nothing stands there in the settlements' currencies");
    let csv = hledger(&["balance", "--flat", "--no-total", "--layout=bare", "-O", "csv"]);
    let mut theirs = BTreeMap::new();
    for line in csv.lines().skip(1) {
        let fields: Vec<&str> = line.trim_matches('"').split("\",\"").collect();
        let currency: Currency = fields[1].parse().expect("a currency");
        theirs.insert(
            (fields[0].to_owned(), currency),
            Money::parse(fields[2], currency).expect("exact").minor,
        );
    }
    let ours = sums(&documents, &receivable);
    assert_eq!(theirs, ours);
    assert!(ours.len() > 10 && ours.keys().any(|(_, currency)| *currency == Currency::JPY), "{ours:?}");
    assert_eq!(hledger(&["codes"]).lines().count(), documents.len(), "each document is one transaction");
    let order = documents.iter().find_map(|one| match &one.row.document.body {
        Body::Invoice { order, .. } => Some(order.as_str().to_owned()),
        _ => None,
    });
    let tagged = hledger(&["codes", &format!("tag:order={}", order.expect("an invoice"))]);
    assert!(tagged.lines().count() >= 1, "{tagged}");
    let none = installed.said(&["export", "hledger", "--period", "2025-01"]).await;
    assert!(!none.contains(" * ("), "{none}");
    let refused = installed.refused(&["export", "hledger", "--seller", "A0NOBODY"]).await;
    assert!(refused.contains("EXP-SELLER"), "{refused}");
}

/// By account and currency, computed from the documents alone; sums of zero are left out, as hledger does.
fn sums(documents: &[RecordedDocument], receivable: &str) -> BTreeMap<(String, Currency), i64> {
    let mut sums = BTreeMap::<(String, Currency), i64>::new();
    let mut add =
        |account: &str, currency, minor| *sums.entry((account.to_owned(), currency)).or_default() += minor;
    for document in documents.iter().map(|one| &one.row.document) {
        match &document.body {
            Body::Invoice { lines, .. } | Body::CreditMemo { lines, .. } => {
                for line in lines {
                    add(&line.account, document.currency, -line.amount.minor);
                    add(receivable, document.currency, line.amount.minor);
                }
            }
            Body::Journal { lines, .. } => {
                lines.iter().for_each(|line| add(&line.account, document.currency, line.amount.minor));
            }
            Body::Receipt { .. } => panic!("this set-up has no receipts"),
        }
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}
