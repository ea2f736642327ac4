//! Journals, their jobs, and documents whose fate is not known, against the simulator's Fusion.
//!
//! A test that is named after a pain point fails when what handles it is taken out; `host/docs/fusion.md` lists which test
//! stands for which. The points that need no Fusion are tested in the crates.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use ml_connector_domain::document::{Body, Document, JournalOf, Origin};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::ledger::{AutoPost, ClosedPeriod, purpose};
use ml_connector_domain::mapping::{DocumentLine, JournalLine, LineClass};
use ml_connector_domain::posting::State;
use ml_connector_domain::{Currency, DocumentKey, Money};
use ml_connector_pipeline::{post, reconcile};
use ml_connector_simulator::control::{FaultRates, FusionFaults};
use ml_connector_simulator::fusion::knobs;
use ml_connector_storage::{Change, ReviewRow, Store as _};
use serde_json::{Value, json};

use crate::support::{Connected, small};

/// A pipeline whose clock stands on the third day, so that documents of the first are of the past.
pub(crate) async fn connected(name: &str, seed: u64) -> Connected {
    let connected = Connected::start(&format!("journals-{name}"), small(seed)).await;
    let start = connected.simulator.world.scenario.start;
    connected.set_clock(start.saturating_add(SignedDuration::from_hours(48)).expect("in range")).await;
    connected
}

fn origin() -> Origin {
    let hash = || ContentHash::of(b"test");
    Origin::new(hash(), hash(), hash())
}

/// A settlement's journal: the settlement account against the receivable.
pub(crate) fn journal(connected: &Connected, group: &str, minor: i64) -> Document {
    let ledger = &connected.seller.ledger;
    let line = |purpose: &str, minor: i64, label: &str| JournalLine {
        account: ledger.account(purpose).expect("an account"),
        amount: Money::new(minor, Currency::USD),
        label: label.to_owned(),
        rule: "test".to_owned(),
        conversion: None,
    };
    Document {
        key: DocumentKey::derive('J', &connected.seller.id, group, 0),
        seller: connected.seller.id.clone(),
        revision: 0,
        date: jiff::civil::date(2026, 9, 2),
        moved_from: None,
        currency: Currency::USD,
        body: Body::Journal {
            of: JournalOf::whole(group.into()),
            lines: vec![
                line(purpose::SETTLEMENT, minor, "Settlement"),
                line(purpose::RECEIVABLE, -minor, "Sales"),
            ],
            transactions: 1,
            reverses: None,
            rate: None,
        },
        origin: origin(),
    }
}

pub(crate) fn invoice(connected: &Connected, order: &str) -> Document {
    let marketplace = connected.seller.ledger.bill_to.keys().next().expect("a marketplace").clone();
    let line = |minor| DocumentLine {
        description: "A mug".to_owned(),
        amount: Money::new(minor, Currency::USD),
        quantity: 1,
        account: connected.seller.ledger.account(purpose::SETTLEMENT).expect("an account"),
        sku: None,
        order_item: None,
        rule: "test".to_owned(),
        class: LineClass::Revenue,
    };
    Document {
        key: DocumentKey::derive('I', &connected.seller.id, order, 0),
        body: Body::Invoice {
            order: order.into(),
            marketplace,
            lines: vec![line(1_999), line(501)],
            net_of: Vec::new(),
            shipment: None,
        },
        ..journal(connected, order, 1)
    }
}

/// The change that plans a document.
pub(crate) fn planned(connected: &Connected, document: &Document) -> Change {
    let expected = match &document.body {
        Body::Journal { lines, .. } => lines[0].amount,
        _ => document.total().expect("a total"),
    };
    Change::Plan {
        document: Box::new(document.clone()),
        expected,
        recognizes: vec![(document.key.as_str().to_owned(), "test")],
        at: connected.parts.clock.now(),
    }
}

pub(crate) async fn plan(connected: &Connected, document: &Document) {
    connected.store.apply(vec![planned(connected, document)]).await.expect("plans");
}

/// Posts until nothing is due any more, moving the clock to what is due next.
pub(crate) async fn post_all(connected: &Connected) {
    for _ in 0..1_000 {
        let guard = connected.clock.worker();
        post::post(&connected.parts, &connected.seller).await.expect("the store works");
        drop(guard);
        let due = connected.store.next_posting_due(&connected.seller.id).await.expect("reads");
        let Some(due) = due else { return };
        connected.set_clock(due.max(connected.parts.clock.now())).await;
    }
    panic!("it does not come to rest: {:?}", state_names(connected).await);
}

/// A round of posting in which one document is due: a second request about it ends the test, which a round that sent over
/// and over would never reach.
async fn post_once(connected: &Connected, request: &str) {
    let guard = connected.clock.worker();
    let again = async {
        while answers(connected, request) < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        posted = post::post(&connected.parts, &connected.seller) => drop(posted.expect("the store works")),
        () = again => panic!("{request} was sent again without a look-up"),
    }
    drop(guard);
}

pub(crate) async fn state_names(connected: &Connected) -> Vec<String> {
    let mut names = Vec::new();
    for state in ["planned", "sending", "submitted", "unknown", "confirmed", "rejected"] {
        for row in connected.store.postings_in(&connected.seller.id, state, 100).await.expect("reads") {
            names.push(format!("{}: {:?}", row.document.key, row.state));
        }
    }
    names
}

pub(crate) async fn state(connected: &Connected, document: &Document) -> State {
    connected.store.document(&document.key).await.expect("reads").expect("is there").state
}

pub(crate) async fn reviews(connected: &Connected) -> Vec<ReviewRow> {
    connected.store.open_reviews(100).await.expect("reads")
}

pub(crate) async fn story(connected: &Connected, document: &Document) -> String {
    let events = connected.store.story(&[document.subject().to_owned()]).await.expect("reads");
    events.iter().map(|event| event.detail.as_str()).collect::<Vec<_>>().join("\n")
}

pub(crate) fn change(connected: &Connected, change: Value) {
    knobs::change(&connected.simulator.world, &change).expect("the simulator understands");
}

pub(crate) fn faults(connected: &Connected, fusion: FusionFaults) {
    connected.simulator.world.faults.set(FaultRates { fusion, ..FaultRates::default() });
}

/// Answers of a kind that were given, by status.
pub(crate) fn answers(connected: &Connected, request: &str) -> u64 {
    let counted = connected.simulator.world.journal.to_json();
    counted["fusion"][request].as_object().map_or(0, |by| by.values().filter_map(Value::as_u64).sum())
}

/// Net per account over all batches.
pub(crate) fn nets(connected: &Connected) -> BTreeMap<String, i64> {
    let fusion = connected.simulator.world.fusion.lock().expect("no panic");
    let mut nets = BTreeMap::new();
    for line in fusion.batches.iter().flat_map(|batch| batch.lines()) {
        *nets.entry(line.account.clone()).or_default() += line.net;
    }
    nets
}

pub(crate) fn batches(connected: &Connected) -> usize {
    connected.simulator.world.fusion.lock().expect("no panic").batches.len()
}

pub(crate) async fn codes_of(connected: &Connected, document: &Document) -> Vec<String> {
    match state(connected, document).await {
        State::Rejected { refusals, .. } => refusals.into_iter().map(|refusal| refusal.code).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_1_journals_go_by_bulk_import_and_are_found_by_their_decorated_name() {
    let connected = connected("bulk", 21).await;
    let document = journal(&connected, "G1", 8_415);
    plan(&connected, &document).await;
    post_all(&connected).await;
    assert!(matches!(state(&connected, &document).await, State::Confirmed { .. }));
    assert_eq!((answers(&connected, "POST erpintegrations"), batches(&connected)), (1, 1));
    let name = connected.simulator.world.fusion.lock().expect("no panic").batches[0].name.clone();
    assert!(name.starts_with(document.key.as_str()) && name != document.key.as_str(), "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pains_3_and_6_a_refused_row_refuses_the_journal_and_its_line_goes_to_review() {
    let connected = connected("rows", 22).await;
    let document = journal(&connected, "G1", 8_415);
    change(&connected, json!({ "reject_rows": [2] }));
    plan(&connected, &document).await;
    post_all(&connected).await;
    assert_eq!(codes_of(&connected, &document).await, ["FUS-ACCOUNT-UNKNOWN"]);
    assert_eq!(batches(&connected), 0, "the good line was not imported either");
    let items = reviews(&connected).await;
    let [item] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!((item.code.as_str(), item.about.as_str()), ("FUS-ACCOUNT-UNKNOWN", "line 2, SEGMENT1"));
    assert!(item.message.contains("EF04") && item.message.contains("What to do"), "{}", item.message);
    assert!(story(&connected, &document).await.contains("left behind is abandoned"));
    assert_eq!(answers(&connected, "POST erpintegrations"), 1, "it is not tried again by itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_4_a_job_that_fusion_says_nothing_of_ends_as_unknown_and_is_looked_up() {
    let connected = connected("blank", 23).await;
    let document = journal(&connected, "G1", 8_415);
    plan(&connected, &document).await;
    let now = connected.parts.clock.now();
    let state_before = State::Submitted { attempt: 1, request: "424242".into(), next_look: now, since: now };
    let key = document.key.clone();
    connected.store.apply(vec![Change::Posting { key, state: state_before, at: now }]).await.expect("writes");
    post_all(&connected).await;
    assert!(matches!(state(&connected, &document).await, State::Confirmed { .. }));
    assert_eq!(batches(&connected), 1);
    let story = story(&connected, &document).await;
    assert!(story.contains("request 424242 is running (unknown)") && story.contains("not found"), "{story}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_5_a_job_that_succeeds_with_nothing_imported_goes_to_a_person() {
    let mut connected = connected("nothing", 24).await;
    connected.seller.ledger.data_access_set_id = "1".to_owned();
    let document = journal(&connected, "G1", 8_415);
    plan(&connected, &document).await;
    post_all(&connected).await;
    assert_eq!(codes_of(&connected, &document).await, ["FUS-NOTHING-IMPORTED"]);
    assert_eq!(answers(&connected, "POST erpintegrations"), 1, "no loop");
    assert_eq!(reviews(&connected).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_9_an_import_whose_answer_is_lost_is_looked_up_and_not_sent_again() {
    let connected = connected("lost", 25).await;
    let document = journal(&connected, "G1", 8_415);
    plan(&connected, &document).await;
    faults(&connected, FusionFaults { answer_lost: 1.0, ..FusionFaults::default() });
    post_once(&connected, "POST erpintegrations").await;
    assert_eq!(state(&connected, &document).await.name(), "unknown");
    faults(&connected, FusionFaults::default());
    post_all(&connected).await;
    assert!(matches!(state(&connected, &document).await, State::Confirmed { .. }));
    assert_eq!((answers(&connected, "POST erpintegrations"), batches(&connected)), (1, 1));
}

/// 17: reports are made from copies that are hours behind. A journal is confirmed by what the ledger itself holds, and
/// no report service is asked anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_17_a_journal_is_proven_by_the_ledger_and_by_no_report() {
    let connected = connected("reports", 32).await;
    let document = journal(&connected, "G1", 8_415);
    plan(&connected, &document).await;
    post_all(&connected).await;
    assert!(matches!(state(&connected, &document).await, State::Confirmed { .. }));
    assert!(answers(&connected, "GET journalBatches") >= 3, "batch, headers and lines are read back");
    let unexpected = connected.simulator.world.journal.all_unexpected();
    assert!(unexpected.is_empty(), "something beside the resources was asked: {unexpected:?}");
}

/// Without a time it is half a minute; with one, at least as long as it says and as the first try's own wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_18_after_a_429_nothing_is_sent_before_its_time() {
    let none = FusionFaults::default;
    let cases = [
        ("with", FusionFaults { throttle: 1.0, ..none() }, 10),
        ("bare", FusionFaults { throttle_bare: 1.0, ..none() }, 30),
    ];
    for ((name, fault, seconds), seed) in cases.into_iter().zip(39..) {
        let connected = connected(&format!("throttle-{name}"), seed).await;
        let document = journal(&connected, "G1", 8_415);
        plan(&connected, &document).await;
        faults(&connected, fault);
        post_once(&connected, "POST erpintegrations").await;
        let State::Planned { attempts, not_before, .. } = state(&connected, &document).await else {
            panic!("{name}: {:?}", state_names(&connected).await)
        };
        let wait = not_before.duration_since(connected.parts.clock.now());
        assert_eq!((attempts, wait), (1, SignedDuration::from_secs(seconds)), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_18_throttling_with_and_without_a_time_is_waited_out() {
    let connected = connected("throttle", 26).await;
    let documents: Vec<Document> = (0..12).map(|n| journal(&connected, &format!("G{n}"), 100 + n)).collect();
    for document in &documents {
        plan(&connected, document).await;
    }
    faults(&connected, FusionFaults { throttle: 0.4, throttle_bare: 0.4, ..FusionFaults::default() });
    post_all(&connected).await;
    for document in &documents {
        assert!(matches!(state(&connected, document).await, State::Confirmed { .. }));
        let story = story(&connected, document).await;
        assert!(!story.contains("(unknown)"), "a 429 was not processed, that is known: {story}");
    }
    assert!(
        answers(&connected, "POST erpintegrations") > 12,
        "nothing was throttled: the test shows nothing"
    );
    assert_eq!(batches(&connected), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_period_that_closes_between_check_and_import_is_a_review_item_and_no_loop() {
    let connected = connected("closing", 27).await;
    let document = journal(&connected, "G1", 8_415);
    change(&connected, json!({ "close_period_on_import": "Sep-26" }));
    plan(&connected, &document).await;
    post_all(&connected).await;
    assert!(codes_of(&connected, &document).await.iter().all(|code| code == "FUS-PERIOD-CLOSED"));
    assert_eq!((answers(&connected, "POST erpintegrations"), batches(&connected)), (1, 0));
    let items = reviews(&connected).await;
    assert!(items.iter().all(|item| item.about.contains("ACCOUNTING_DATE")), "{items:?}");
    assert!(!items.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_period_found_closed_right_before_sending_is_never_sent() {
    let connected = connected("closed", 28).await;
    let document = journal(&connected, "G1", 8_415);
    change(&connected, json!({ "close_period": { "application": 101, "period": "Sep-26" } }));
    plan(&connected, &document).await;
    post_all(&connected).await;
    assert_eq!(codes_of(&connected, &document).await, ["FUS-PERIOD-CLOSED"]);
    assert_eq!(answers(&connected, "POST erpintegrations"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_period_moves_the_document_where_the_policy_says_so() {
    let mut connected = connected("moved", 29).await;
    connected.seller.ledger.closed_period = ClosedPeriod::NextOpen;
    let (posting, billing) = (journal(&connected, "G1", 8_415), invoice(&connected, "113-1"));
    for application in [101, 222] {
        change(&connected, json!({ "close_period": { "application": application, "period": "Sep-26" } }));
        change(&connected, json!({ "close_period": { "application": application, "period": "Oct-26" } }));
        change(&connected, json!({ "open_period": { "application": application, "period": "Nov-26" } }));
    }
    for document in [&posting, &billing] {
        plan(&connected, document).await;
    }
    post_all(&connected).await;
    for document in [&posting, &billing] {
        let row = connected.store.document(&document.key).await.expect("reads").expect("is there");
        assert!(matches!(row.state, State::Confirmed { .. }), "{:?}", row.state);
        assert_eq!(row.document.date, jiff::civil::date(2026, 11, 1));
        assert_eq!(row.document.moved_from, Some(jiff::civil::date(2026, 9, 2)));
        assert!(story(&connected, document).await.contains("moved from 2026-09-02"));
    }
    let fusion = connected.simulator.world.fusion.lock().expect("no panic");
    assert_eq!(fusion.batches[0].period, "Nov-26");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_disabled_after_planning_is_found_before_sending() {
    let connected = connected("disabled", 30).await;
    let document = journal(&connected, "G1", 8_415);
    let account = connected.seller.ledger.account(purpose::RECEIVABLE).expect("an account");
    plan(&connected, &document).await;
    change(&connected, json!({ "disable_account": account }));
    post_all(&connected).await;
    assert_eq!(codes_of(&connected, &document).await, ["FUS-ACCOUNT-UNKNOWN"]);
    assert_eq!(answers(&connected, "POST erpintegrations"), 0);
    assert_eq!(reviews(&connected).await[0].about, "line 2, SEGMENT1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoice_that_its_source_renumbered_is_found_by_the_order_and_reported() {
    let connected = connected("renumbered", 32).await;
    let document = invoice(&connected, "113-9");
    change(&connected, json!({ "auto_numbering": true }));
    plan(&connected, &document).await;
    faults(&connected, FusionFaults { answer_lost: 1.0, ..FusionFaults::default() });
    post_once(&connected, "POST receivablesInvoices").await;
    faults(&connected, FusionFaults::default());
    post_all(&connected).await;
    assert!(matches!(state(&connected, &document).await, State::Confirmed { .. }));
    assert_eq!(connected.simulator.world.fusion.lock().expect("no panic").invoices.len(), 1, "not doubled");
    let findings = connected.store.findings(10).await.expect("reads");
    let codes: Vec<_> =
        findings.iter().filter_map(|found| found.finding.as_ref()).map(|f| f.0.as_str()).collect();
    assert_eq!(codes, ["renumbered"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_edits_or_deletes_in_fusion_is_a_finding() {
    let connected = connected("drift", 33).await;
    let edited = invoice(&connected, "113-1");
    let (deleted, changed) = (journal(&connected, "G1", 8_415), journal(&connected, "G2", 500));
    let (moved, moved_line) = (invoice(&connected, "113-2"), journal(&connected, "G3", 700));
    for document in [&edited, &deleted, &changed, &moved, &moved_line] {
        plan(&connected, document).await;
    }
    post_all(&connected).await;
    let compare = async || {
        let later =
            connected.parts.clock.now().saturating_add(SignedDuration::from_secs(1)).expect("in range");
        connected.set_clock(later).await;
        let _guard = connected.clock.worker();
        reconcile::reconcile(&connected.parts, &connected.seller, connected.parts.clock.now())
            .await
            .expect("reads")
    };
    assert_eq!(compare().await.differences, 0, "all tie out as they were sent");
    change(
        &connected,
        json!({ "edit": { "resource": "receivablesInvoices", "number": edited.key.as_str(), "amount": 26.00 } }),
    );
    change(
        &connected,
        json!({ "edit": { "resource": "journalBatches", "batch": changed.key.as_str(), "amount": 6.00 } }),
    );
    change(&connected, json!({ "delete": { "resource": "journalBatches", "batch": deleted.key.as_str() } }));
    // The same totals, elsewhere.
    let elsewhere = connected.seller.ledger.account(purpose::RECEIVABLE).expect("an account");
    let invoice =
        json!({ "resource": "receivablesInvoices", "number": moved.key.as_str(), "account": elsewhere });
    change(&connected, json!({ "edit": invoice }));
    let elsewhere = connected.seller.ledger.account("clearing").expect("an account");
    let line =
        json!({ "resource": "journalBatches", "batch": moved_line.key.as_str(), "account": elsewhere });
    change(&connected, json!({ "edit": line }));
    assert_eq!(compare().await.differences, 5);
    let mut codes: Vec<String> = connected
        .store
        .findings(10)
        .await
        .expect("reads")
        .into_iter()
        .filter_map(|found| found.finding.map(|finding| finding.0))
        .collect();
    codes.sort();
    // A journal's figure is what stands on the settlement account, so a line that leaves that is an amount.
    assert_eq!(codes, ["account", "amount", "amount", "amount", "deleted"]);
}

/// A pipeline whose ledger has its batches posted.
async fn posting(name: &str, seed: u64) -> Connected {
    let mut connected = connected(name, seed).await;
    let scenario = connected.simulator.world.scenario.for_the_operator();
    let criteria =
        scenario["sellers"][0]["fusion_setup"]["auto_post"]["criteria_set"].as_str().expect("a set");
    connected.seller.ledger.auto_post = Some(AutoPost { criteria_set: criteria.to_owned() });
    connected
}

/// How many batches are posted, a minute later.
async fn posted(connected: &Connected) -> usize {
    let later = connected.parts.clock.now().saturating_add(SignedDuration::from_secs(60)).expect("in range");
    connected.set_clock(later).await;
    // Whatever is asked, what is due in the simulator happens first.
    change(connected, json!({}));
    let fusion = connected.simulator.world.fusion.lock().expect("no panic");
    fusion.batches.iter().filter(|batch| batch.posted.is_some()).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirmed_batches_are_posted_once_a_round() {
    let mut connected = posting("posted", 34).await;
    let documents = [journal(&connected, "G1", 8_415), journal(&connected, "G2", 500)];
    for document in &documents {
        plan(&connected, document).await;
    }
    post_all(&connected).await;
    assert_eq!(answers(&connected, "POST erpintegrations"), 3, "two imports and one request to post");
    assert!(story(&connected, &documents[0]).await.contains("AutomaticPosting"));
    assert_eq!(posted(&connected).await, 2);
    // Without such a criteria set the job fails, and the batch stands unposted.
    connected.seller.ledger.auto_post = Some(AutoPost { criteria_set: "1".to_owned() });
    let third = journal(&connected, "G3", 700);
    plan(&connected, &third).await;
    post_all(&connected).await;
    assert!(matches!(state(&connected, &third).await, State::Confirmed { .. }));
    assert_eq!(posted(&connected).await, 2);
}

/// The request to post fails: throttled, failing before or after it was taken. The batch stands, it is said, the request
/// is not made again by itself, and the next round's posts what was left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auto_post_request_that_fails_harms_nothing_and_the_next_round_makes_up_for_it() {
    let none = FusionFaults::default;
    let cases = [
        ("throttled", FusionFaults { throttle: 1.0, ..none() }, "FUS-THROTTLED", 0),
        ("down", FusionFaults { server_error_before_commit: 1.0, ..none() }, "HTTP 500", 0),
        ("unknown", FusionFaults { answer_lost: 1.0, ..none() }, "Lost", 1),
    ];
    for ((name, fault, words, at_once), seed) in cases.into_iter().zip(36..) {
        let connected = posting(&format!("post-{name}"), seed).await;
        let document = journal(&connected, "G1", 8_415);
        plan(&connected, &document).await;
        let guard = connected.clock.worker();
        post::post(&connected.parts, &connected.seller).await.expect("the store works");
        drop(guard);
        assert_eq!(state(&connected, &document).await.name(), "submitted");
        faults(&connected, fault);
        post_all(&connected).await;
        assert!(matches!(state(&connected, &document).await, State::Confirmed { .. }), "{name}");
        assert_eq!(answers(&connected, "POST erpintegrations"), 2, "{name}: the import, one request to post");
        let told = story(&connected, &document).await;
        let unposted = told.lines().find(|line| line.contains("its batch stands, but was not posted"));
        assert!(
            unposted.is_some_and(|line| line.contains("FUS-AUTO-POST") && line.contains(words)),
            "{told}"
        );
        assert_eq!(posted(&connected).await, at_once, "{name}");
        assert!(reviews(&connected).await.is_empty(), "{name}: nothing to decide");
        faults(&connected, none());
        plan(&connected, &journal(&connected, "G2", 500)).await;
        post_all(&connected).await;
        assert_eq!(answers(&connected, "POST erpintegrations"), 4, "{name}");
        assert_eq!((posted(&connected).await, batches(&connected)), (2, 2), "{name}");
    }
}
