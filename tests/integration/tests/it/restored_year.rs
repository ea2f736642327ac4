//! A copy that is put back in the middle of a year's books: three sellers with ledgers of their own zones and currencies,
//! every kind of document, and the books judged as the year's are.

use std::collections::BTreeSet;

use ml_connector_simulator::scenario::{Profile, ScenarioOptions};
use serde_json::Value;

use crate::process::{Installed, words};
use crate::restored::{Posted, back_up, copy_post_and_kill, found_after_restore, of_kind, restore};
use crate::support::small;

/// From so many invoices on that are due at once, they go by bulk import.
const IN_BULK: i64 = 3;

/// The year's scenario, cut to two months: the first month's end, what was held back over it, and settlements on both sides.
async fn installed() -> Installed {
    let start = "2026-01-02T00:00:00Z".parse().expect("a time");
    let options = ScenarioOptions {
        sellers: 3,
        days: 45,
        orders_per_day: 3,
        start,
        unmapped_percent: 10,
        profile: Profile::Year,
        ..small(403)
    };
    let installed = Installed::start("restored-year", options).await;
    let sellers = installed.scenario["sellers"].as_array().expect("sellers").clone();
    installed.configure(|config| {
        let all = config["seller"].as_array_mut().expect("sellers");
        for (seller, own) in all.iter_mut().zip(&sellers) {
            let bulk = &own["fusion_setup"]["auto_invoice"];
            let text = |name: &str| toml::Value::from(bulk[name].as_str().expect("a name"));
            let bulk = toml::Table::from_iter([
                ("from_documents".to_owned(), IN_BULK.into()),
                ("business_unit_id".to_owned(), text("business_unit_id")),
                ("line_context".to_owned(), text("line_context")),
            ]);
            seller["ledger"].as_table_mut().expect("a ledger").insert("auto_invoice".to_owned(), bulk.into());
        }
    });
    installed
}

async fn said(installed: &Installed, arguments: &[&str]) -> Value {
    let output = installed.run(arguments).await;
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {}", words(&output)))
}

/// What review items are about: seller, kind and subject.
fn items(list: &Value) -> BTreeSet<[String; 3]> {
    let of = |item: &Value| {
        ["seller", "kind", "subject"].map(|name| item[name].as_str().expect("a word").to_owned())
    };
    list.as_array().expect("items").iter().map(of).collect()
}

/// The simulator's verdict and trial balance, what waits for a person, the seven tie-outs of each month, and the audit log.
async fn assert_books_are_right(installed: &Installed) {
    assert_eq!(installed.wrong(), [], "lost, doubled or different");
    let truth = ml_connector_simulator::truth::truth(&installed.simulator.world, true);
    let balance = &truth["trial_balance"];
    assert_eq!(balance["difference"], 0, "{}", balance["details"]);
    assert_eq!(balance["ledger_difference"], 0);
    assert!(balance["rows"].as_u64() > Some(200), "{} balances are compared", balance["rows"]);
    let review = said(installed, &["review", "--json"]).await;
    assert_eq!(items(&review["items"]), items(&truth["planted"]), "{review}");
    for month in ["2026-01", "2026-02", "2026-03"] {
        let report = said(installed, &["reconcile", "--period", month, "--json"]).await;
        let all = report["tie_outs"].as_array().expect("tie-outs");
        assert_eq!(all.len(), 7, "{report}");
        for of in all {
            assert_eq!(of["differences"], 0, "{month} {}: {}", of["id"], of["findings"]);
        }
        assert!(all.iter().filter_map(|of| of["checks"].as_u64()).sum::<u64>() > 50, "{month}");
    }
    let report = said(installed, &["report", "--json"]).await;
    assert_eq!(report["documents"]["unknown"], 0, "{report}");
    assert_eq!(report["documents"]["rejected"], 0, "{report}");
    let verified = installed.run(&["audit", "verify"]).await;
    assert!(verified.status.success(), "{}", words(&verified));
}

/// Whether a month's end was accrued and posted.
fn is_accrued(installed: &Installed) -> bool {
    let state = installed.simulator.world.fusion.lock().expect("no panic");
    state.batches.iter().any(|batch| batch.description.starts_with("Deferred transactions 2026-01"))
}

/// Without the mark that `restore` sets (`DELETE FROM restoration` here) invoices and journals are doubled, and it fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_years_books_that_is_put_back_ties_out_to_the_last_figure() {
    let installed = installed().await;
    let all = ["invoices", "credit_memos", "journal_batches", "receipts"];
    let enough = |now: &Posted| all.iter().all(|kind| now[kind] >= 1);
    let more = |before: &Posted, now: &Posted| {
        all.iter().all(|kind| now[kind] >= before[kind] + 3) && is_accrued(&installed)
    };
    let mut copy = String::new();
    copy_post_and_kill(&installed, enough, async || copy = back_up(&installed).await, more).await;
    restore(&installed, &copy).await;
    let end = installed.scenario["end"].as_str().expect("an end");
    installed.said(&["serve", "--until", end]).await;
    assert_books_are_right(&installed).await;
    let found = found_after_restore(&installed).await;
    for letter in ["I", "C", "J", "R"] {
        assert!(
            of_kind(&found, letter) >= 3,
            "what the copy did not know was not looked up: {letter} {found:?}"
        );
    }
    assert!(found.iter().any(|(_, subject)| subject.starts_with("deferred/")), "no accrual: {found:?}");
}
