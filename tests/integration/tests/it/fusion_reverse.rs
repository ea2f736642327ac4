//! Journals that are taken back: the opposite journal, once, by the pipeline and by the command.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use ml_connector_domain::document::Kind;
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::posting::State;
use ml_connector_pipeline::reverse;

use crate::fusion_journals::{connected, journal, nets, plan, post_all, state};
use crate::process::Installed;
use crate::support::small;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_is_taken_back_once_and_the_books_are_as_before() {
    let connected = connected("reversed", 35).await;
    let document = journal(&connected, "G1", 8_415);
    plan(&connected, &document).await;
    let (parts, seller) = (&connected.parts, &connected.seller);
    let early = reverse::propose(parts, seller, &document.key, None).await.expect_err("not posted yet");
    assert!(early.to_string().starts_with("REV-NOT-POSTED"), "{early}");
    post_all(&connected).await;
    let proposal = reverse::propose(parts, seller, &document.key, None).await.expect("can be taken back");
    let reversal = proposal.document.clone();
    assert_eq!((reversal.kind(), proposal.expected.minor), (Kind::Journal, -8_415));
    reverse::plan(parts, seller, proposal.clone(), "a test").await.expect("plans");
    let twice = reverse::plan(parts, seller, proposal, "a test").await.expect_err("once only");
    assert!(twice.to_string().starts_with("REV-TWICE"), "{twice}");
    post_all(&connected).await;
    assert!(matches!(state(&connected, &reversal).await, State::Confirmed { .. }));
    assert!(nets(&connected).values().all(|net| *net == 0), "{:?}", nets(&connected));
    {
        let fusion = connected.simulator.world.fusion.lock().expect("no panic");
        let journal = &fusion.batches[1].journals[0];
        assert_eq!(journal.reference.as_deref(), Some(document.key.as_str()), "linked to the original");
    }
    let twice = reverse::propose(parts, seller, &document.key, None).await.expect_err("once only");
    assert!(twice.to_string().contains(reversal.key.as_str()), "{twice}");
    let back = reverse::propose(parts, seller, &reversal.key, None).await.expect("its reversal can be");
    reverse::plan(parts, seller, back, "a test").await.expect("plans");
    post_all(&connected).await;
    let account = seller.ledger.account(purpose::SETTLEMENT).expect("an account");
    assert_eq!(nets(&connected)[&account], 8_415, "taken back and put back");
}

/// What the batches that bear a key, or are linked to it, leave on each account, and how many they are.
fn left_of(installed: &Installed, key: &str) -> (usize, BTreeMap<String, i64>) {
    let fusion = installed.simulator.world.fusion.lock().expect("no panic");
    let (mut count, mut nets) = (0, BTreeMap::<String, i64>::new());
    for batch in &fusion.batches {
        let linked = batch.journals.iter().any(|journal| journal.reference.as_deref() == Some(key));
        if batch.name.starts_with(key) || linked {
            count += 1;
            batch.lines().for_each(|line| *nets.entry(line.account.clone()).or_default() += line.net);
        }
    }
    (count, nets)
}

/// The command shows first, plans on `--yes`, the daemon posts it, the books are as before, and there is no second time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reverse_command_shows_first_plans_on_yes_and_only_once() {
    let installed = Installed::start("reversecmd", small(56)).await;
    let until = async |hours: i64| {
        let end = installed.simulator.world.scenario.end.saturating_add(SignedDuration::from_hours(hours));
        installed.said(&["serve", "--until", &end.expect("in range").to_string()]).await;
    };
    until(0).await;
    let (key, invoice) = {
        let fusion = installed.simulator.world.fusion.lock().expect("no panic");
        let name = &fusion.batches.first().expect("a journal").name;
        (name.split(' ').next().expect("a key").to_owned(), fusion.invoices[0].number.clone())
    };
    let (one, nets) = left_of(&installed, &key);
    assert!(one == 1 && nets.values().any(|net| *net != 0), "{nets:?}");
    assert!(installed.refused(&["reverse", "JAAAAAAAAAAAAAAAAAAA"]).await.contains("REV-UNKNOWN"));
    assert!(installed.refused(&["reverse", &invoice]).await.contains("REV-KIND"));
    let shown = installed.said(&["reverse", &key]).await;
    assert!(shown.contains(&format!("takes back {key}")) && shown.contains("Nothing is planned"), "{shown}");
    assert!(nets.iter().all(|(account, net)| *net == 0 || shown.contains(account)), "{shown}");
    until(12).await;
    assert_eq!(left_of(&installed, &key), (1, nets), "showing plans nothing");
    let planned = installed.said(&["reverse", &key, "--yes"]).await;
    assert!(planned.contains("is planned; the daemon posts it"), "{planned}");
    assert!(
        installed.refused(&["reverse", &key, "--yes"]).await.contains("REV-TWICE"),
        "before it is posted"
    );
    until(24).await;
    let (two, nets) = left_of(&installed, &key);
    assert_eq!(two, 2, "the journal and its opposite");
    assert!(nets.values().all(|net| *net == 0), "{nets:?}");
    assert!(installed.refused(&["reverse", &key, "--yes"]).await.contains("REV-TWICE"), "and after that");
    until(36).await;
    assert_eq!(left_of(&installed, &key).0, 2);
}
