//! Corrections of orders that changed after they were invoiced: a credit memo and a new invoice, or the credit memo alone
//! where the order is no sale any more.

use jiff::Timestamp;
use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::document::{Body, Kind};
use ml_connector_domain::{Clock as _, OrderId, Region};
use ml_connector_pipeline::{correct, kind, map, stage};
use ml_connector_simulator::fusion::Document;
use ml_connector_simulator::scenario::ScenarioOptions;
use ml_connector_storage::{Change, DocumentRow, Store as _};

use crate::fusion_receivables::{
    assert_at_rest, by_account, configure, each_is_there_once, hours, invoices, later, memos, postings,
};
use crate::process::Installed;
use crate::support::{Connected, small};

/// Gives an order a new version, as Amazon does, and maps it.
async fn touch(connected: &Connected, order: &OrderId) {
    update(connected, order, |_| {}).await;
}

/// As [`touch`], with something changed.
async fn update(connected: &Connected, order: &OrderId, edit: impl FnOnce(&mut Order)) {
    let newest =
        connected.store.newest(&connected.seller.id, kind::ORDER, order.as_str()).await.expect("reads");
    let mut changed: Order = serde_json::from_str(&newest.expect("an order").record).expect("an order");
    changed.updated = later(changed.updated, hours(1));
    edit(&mut changed);
    let raw = ml_connector_domain::id::ContentHash::of(order.as_str().as_bytes());
    let change = Change::Canonical {
        seller: connected.seller.id.clone(),
        kind: kind::ORDER,
        natural_id: order.as_str().to_owned(),
        region: Region::Na,
        record: serde_json::to_string(&changed).expect("JSON"),
        raw,
        stage: stage::READY,
        group: None,
        economic_id: order.as_str().to_owned(),
        at: connected.clock.now(),
    };
    connected.store.apply(vec![change]).await.expect("writes");
    let _guard = connected.clock.worker();
    map::map_orders(&connected.parts, &connected.seller).await.expect("maps");
}

fn about<'a>(documents: &'a [Document], rows: &'a [DocumentRow]) -> impl Iterator<Item = &'a Document> {
    let known =
        move |document: &&Document| rows.iter().any(|row| row.document.key.as_str() == document.number);
    documents.iter().filter(known)
}

/// Corrects one order whose accounts changed; what stands in Fusion then is what the new accounts say, refunds included.
async fn corrected(connected: &mut Connected, order: &OrderId) -> correct::Correction {
    for rule in &mut std::sync::Arc::make_mut(&mut connected.seller.catalog).rules {
        rule.revenue = Some("41300".to_owned());
        rule.cost_center = Some("000".to_owned());
    }
    touch(connected, order).await;
    let reviews = connected.store.open_reviews(1_000).await.expect("reads");
    let own =
        reviews.iter().find(|item| item.subject == order.as_str() && item.code == "changed-after-invoice");
    assert!(own.is_some_and(|item| item.message.contains("ml-connector correct")), "{own:?}");
    let proposal = correct::proposal(&connected.parts, &connected.seller, order).await.expect("works");
    let correction = proposal.unwrap_or_else(|reasons| panic!("{reasons:?}"));
    correct::plan(&connected.parts, &connected.seller, &correction).await.expect("plans");
    let again = correct::plan(&connected.parts, &connected.seller, &correction).await;
    assert!(again.is_err(), "neither can be planned twice");
    connected.run_until(later(connected.clock.now(), hours(30))).await;
    for state in ["planned", "unknown", "rejected"] {
        assert!(postings(connected, state).await.is_empty(), "{state}");
    }
    each_is_there_once(connected).await;
    correction
}

/// An invoiced order without refund.
async fn unrefunded(connected: &Connected) -> OrderId {
    for row in postings(connected, "confirmed").await {
        if let Body::Invoice { order, .. } = &row.document.body
            && connected.store.credit_memos_of(&connected.seller.id, order).await.expect("reads").is_empty()
        {
            return order.clone();
        }
    }
    panic!("every order was refunded");
}

/// What is in review about a subject, by code.
async fn in_review(connected: &Connected, subject: &str) -> Vec<(String, String)> {
    let open = connected.store.open_reviews(1_000).await.expect("reads").into_iter();
    open.filter(|item| item.subject == subject).map(|item| (item.code, item.message)).collect()
}

/// A refund of an order, as one that was read for another order.
async fn refund(connected: &Connected, order: &OrderId, id: &str) {
    let memos = postings(connected, "confirmed").await;
    let memo = memos.iter().find(|row| row.document.kind() == Kind::CreditMemo).expect("a refund");
    let seller = connected.seller.id.clone();
    let read = connected.store.newest(&seller, kind::TRANSACTION, memo.document.subject()).await;
    let mut refund: Transaction =
        serde_json::from_str(&read.expect("reads").expect("a refund").record).expect("a transaction");
    refund.id = id.into();
    refund.order = Some(order.clone());
    refund.group = Some("GROUP-OF-THE-REFUND".into());
    refund.deferred_twin = None;
    let change = Change::Canonical {
        seller,
        kind: kind::TRANSACTION,
        natural_id: id.to_owned(),
        region: Region::Na,
        record: serde_json::to_string(&refund).expect("JSON"),
        raw: ml_connector_domain::id::ContentHash::of(id.as_bytes()),
        stage: stage::READY,
        group: refund.group.clone(),
        economic_id: id.to_owned(),
        at: connected.clock.now(),
    };
    connected.store.apply(vec![change]).await.expect("writes");
    let _guard = connected.clock.worker();
    map::map_transactions(&connected.parts, &connected.seller).await.expect("maps");
}

/// Cancelled after it was invoiced: the credit memo takes all of it back, once, and no invoice takes its place. What comes
/// of the order afterwards credits and invoices nothing by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_cancelled_after_its_invoice_is_taken_back_whole() {
    let mut connected = Connected::start("cancelled", small(58)).await;
    configure(&mut connected, &["tax"]);
    connected.run_until(connected.simulator.world.scenario.end).await;
    assert_at_rest(&connected).await;
    let order = unrefunded(&connected).await;
    let cancel = |order: &mut Order| {
        order.status = "CANCELLED".to_owned();
        order.total = None;
    };
    update(&connected, &order, cancel).await;
    let told = in_review(&connected, order.as_str()).await;
    assert!(told.iter().any(|(code, words)| code == "changed-after-invoice" && words.contains("correct")));
    let proposal = correct::proposal(&connected.parts, &connected.seller, &order).await.expect("works");
    let correction = proposal.unwrap_or_else(|reasons| panic!("{reasons:?}"));
    assert!(correction.invoice.is_none(), "nothing takes its place");
    assert!(correction.accounts().iter().all(|row| row.after.minor == 0 && row.before.minor != 0));
    correct::plan(&connected.parts, &connected.seller, &correction).await.expect("plans");
    let twice = correct::plan(&connected.parts, &connected.seller, &correction).await;
    assert!(twice.is_err(), "it cannot be planned twice");
    connected.run_until(later(connected.clock.now(), hours(30))).await;
    for state in ["planned", "unknown", "rejected"] {
        assert!(postings(&connected, state).await.is_empty(), "{state}");
    }
    each_is_there_once(&connected).await;
    let rows = connected.store.documents_about(order.as_str()).await.expect("reads");
    {
        let (invoices, memos) = (invoices(&connected), memos(&connected));
        let all: Vec<&Document> = about(&invoices, &rows).chain(about(&memos, &rows)).collect();
        assert_eq!(all.len(), 2, "the invoice and the credit memo");
        assert_eq!(by_account(all.iter().copied()), [].into(), "every account is as before");
        assert_eq!(all.iter().map(|one| one.total()).sum::<i64>(), 0, "and so is what the customer owes");
        assert_eq!(all[1].purchase_order, correction.posted.document.key.as_str());
    }
    let events = connected.store.story(&[order.as_str().to_owned()]).await.expect("reads");
    assert!(events.iter().any(|event| event.detail.contains("whole: its status is CANCELLED")));
    // What comes later: another version of the dead order, its refund, and the order come back to life.
    assert!(in_review(&connected, order.as_str()).await.is_empty(), "planning it has settled the item");
    update(&connected, &order, |_| {}).await;
    assert!(in_review(&connected, order.as_str()).await.is_empty(), "no news");
    let again = correct::proposal(&connected.parts, &connected.seller, &order).await.expect("works");
    assert_eq!(again.expect_err("once only")[0].code, "already-reversed");
    refund(&connected, &order, "REFUND-OF-THE-CANCELLED").await;
    let told = in_review(&connected, "REFUND-OF-THE-CANCELLED").await;
    assert_eq!(told.iter().map(|item| item.0.as_str()).collect::<Vec<_>>(), ["invoice-taken-back"]);
    let memos = connected.store.credit_memos_of(&connected.seller.id, &order).await.expect("reads");
    assert_eq!(memos.len(), 1, "credited once");
    let total = correction.posted.expected;
    update(&connected, &order, |order| {
        order.status = "SHIPPED".to_owned();
        order.total = Some(total);
    })
    .await;
    let told = in_review(&connected, order.as_str()).await;
    assert!(told.iter().any(|(_, words)| words.contains("is a sale again")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_changed_is_corrected_by_a_credit_memo_and_a_new_invoice() {
    let mut connected = Connected::start("correct", small(53)).await;
    configure(&mut connected, &["tax"]);
    connected.run_until(connected.simulator.world.scenario.end).await;
    assert_at_rest(&connected).await;
    let order = unrefunded(&connected).await;
    let correction = corrected(&mut connected, &order).await;
    let replacement = correction.invoice.as_ref().expect("it still is a sale");
    let rows = connected.store.documents_about(order.as_str()).await.expect("reads");
    let (invoices, memos) = (invoices(&connected), memos(&connected));
    let new = invoices.iter().find(|one| one.number == replacement.key.as_str()).expect("in Fusion");
    let all = about(&invoices, &rows).chain(about(&memos, &rows));
    assert_eq!(by_account(all), by_account([new]), "only the new invoice is left on the accounts");
    assert!(correction.accounts().iter().any(|row| row.account.contains("41300") && row.before.minor == 0));
    let memo = memos.iter().find(|one| one.number == correction.credit_memo.key.as_str()).expect("in Fusion");
    assert_eq!(memo.purchase_order, correction.posted.document.key.as_str(), "it names what it takes back");
    let nothing = correct::proposal(&connected.parts, &connected.seller, &order).await.expect("works");
    assert_eq!(nothing.expect_err("nothing more")[0].code, "nothing-to-correct");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_takes_back_only_what_refunds_have_left() {
    let mut connected =
        Connected::start("correct2", ScenarioOptions { orders_per_day: 80, ..small(54) }).await;
    connected.run_until(connected.simulator.world.scenario.end).await;
    assert_at_rest(&connected).await;
    let mut partly = None;
    for row in postings(&connected, "confirmed").await {
        let Body::Invoice { order, .. } = &row.document.body else { continue };
        let memos = connected.store.credit_memos_of(&connected.seller.id, order).await.expect("reads");
        let credited: i64 = memos.iter().map(|memo| memo.expected.minor).sum();
        if credited < 0 && credited + row.expected.minor > 0 {
            partly = Some((order.clone(), row.expected.minor, credited));
        } else if credited < 0 {
            touch(&connected, order).await;
            let none = correct::proposal(&connected.parts, &connected.seller, order).await.expect("works");
            let code = none.expect_err("nothing is left").remove(0).code;
            assert!(["nothing-to-correct", "refund-exceeds-order"].contains(&code.as_str()), "{code}");
        }
    }
    let (order, invoiced, credited) = partly.expect("a partly refunded order");
    let correction = corrected(&mut connected, &order).await;
    assert_eq!(correction.credit_memo.total().expect("sums").minor, -(invoiced + credited));
    let replacement = correction.invoice.as_ref().expect("it still is a sale");
    assert_eq!(replacement.total().expect("sums").minor, invoiced + credited);
    let rows = connected.store.documents_about(order.as_str()).await.expect("reads");
    let (invoices, memos) = (invoices(&connected), memos(&connected));
    let new = invoices.iter().find(|one| one.number == replacement.key.as_str()).expect("in Fusion");
    let all = about(&invoices, &rows).chain(about(&memos, &rows));
    assert_eq!(by_account(all), by_account([new]), "old accounts are empty, refunds included");
}

/// The command shows accounts and amounts now and then, plans nothing unless told to, and plans once only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_correct_command_shows_first_plans_on_yes_and_only_once() {
    let installed = Installed::start("correctcmd", small(55)).await;
    let end = text(installed.simulator.world.scenario.end);
    installed.said(&["serve", "--until", &end]).await;
    let order = {
        let state = installed.simulator.world.fusion.lock().expect("no panic");
        let refunded: Vec<&str> =
            state.credit_memos.iter().filter_map(|memo| memo.comments.as_deref()).collect();
        let wrong = |one: &&Document| {
            let accounts = ["-41000-", "-41100-", "-41200-"];
            one.distributions.iter().any(|d| accounts.iter().any(|account| d.account.contains(account)))
        };
        // Of an order in several shipments one is corrected after the other: shown elsewhere.
        let mut candidates = state.invoices.iter().filter(wrong).filter(|one| !one.reference.contains('/'));
        let whole = candidates.find(|one| !refunded.iter().any(|words| words.contains(&one.reference)));
        whole.expect("an order without refund").reference.clone()
    };
    let same = installed.refused(&["correct", &order]).await;
    assert!(same.contains("COR-NONE: nothing-to-correct"), "{same}");
    assert!(installed.refused(&["correct", "000-0000000-0000000"]).await.contains("COR-ORDER"));
    // The catalog's accounts were wrong all along.
    let catalog =
        String::from_utf8(std::fs::read(installed.path("catalog.csv")).expect("reads")).expect("text");
    let wrong =
        ["41000", "41100", "41200"].iter().fold(catalog, |text, account| text.replace(account, "41300"));
    std::fs::write(installed.path("catalog.csv"), wrong).expect("writes");
    let count = || {
        let state = installed.simulator.world.fusion.lock().expect("no panic");
        (state.invoices.len(), state.credit_memos.len())
    };
    let before = count();
    let shown_words = installed.said(&["correct", &order]).await;
    assert!(shown_words.contains("takes back") && shown_words.contains("41300"), "{shown_words}");
    let later_end = text(later(installed.simulator.world.scenario.end, hours(12)));
    installed.said(&["serve", "--until", &later_end]).await;
    assert_eq!(count(), before, "showing plans nothing");
    assert!(installed.said(&["correct", &order, "--yes"]).await.contains("planned"));
    let twice = installed.refused(&["correct", &order, "--yes"]).await;
    assert!(twice.contains("COR-NONE: invoice-not-confirmed"), "{twice}");
    let at_last = text(later(installed.simulator.world.scenario.end, hours(24)));
    installed.said(&["serve", "--until", &at_last]).await;
    assert_eq!(count(), (before.0 + 1, before.1 + 1), "one credit memo and one invoice");
    let told = installed.said(&["explain", &order]).await;
    assert!(told.contains("takes back") && told.contains("replaces"), "{told}");
}

fn text(at: Timestamp) -> String {
    at.to_string()
}
