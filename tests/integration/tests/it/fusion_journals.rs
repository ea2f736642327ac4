//! Journals, their jobs, and documents whose fate is not known, against the simulator's Fusion.
//!
//! A test that is named after a pain point fails when what handles it is taken out. The points that need no Fusion
//! are tested in the crates: 8 (group ids), 15 (job options), 16 (opaque refusals) in `fusion` and `domain`.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use ml_connector_domain::document::{Body, Document, JournalOf, Kind, Origin};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::ledger::{AutoPost, ClosedPeriod, purpose};
use ml_connector_domain::mapping::{DocumentLine, JournalLine, LineClass};
use ml_connector_domain::posting::State;
use ml_connector_domain::{Currency, DocumentKey, Money};
use ml_connector_pipeline::{post, reconcile, reverse};
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

async fn plan(connected: &Connected, document: &Document) {
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

pub(crate) async fn state_names(connected: &Connected) -> Vec<String> {
    let mut names = Vec::new();
    for state in ["planned", "sending", "submitted", "unknown", "confirmed", "rejected"] {
        for row in connected.store.postings_in(&connected.seller.id, state, 100).await.expect("reads") {
            names.push(format!("{}: {:?}", row.document.key, row.state));
        }
    }
    names
}

async fn state(connected: &Connected, document: &Document) -> State {
    connected.store.document(&document.key).await.expect("reads").expect("is there").state
}

async fn reviews(connected: &Connected) -> Vec<ReviewRow> {
    connected.store.open_reviews(100).await.expect("reads")
}

async fn story(connected: &Connected, document: &Document) -> String {
    let events = connected.store.story(&[document.subject().to_owned()]).await.expect("reads");
    events.iter().map(|event| event.detail.as_str()).collect::<Vec<_>>().join("\n")
}

fn change(connected: &Connected, change: Value) {
    knobs::change(&connected.simulator.world, &change).expect("the simulator understands");
}

fn faults(connected: &Connected, fusion: FusionFaults) {
    connected.simulator.world.faults.set(FaultRates { fusion, ..FaultRates::default() });
}

/// Answers of a kind that were given, by status.
fn answers(connected: &Connected, request: &str) -> u64 {
    let counted = connected.simulator.world.journal.to_json();
    counted["fusion"][request].as_object().map_or(0, |by| by.values().filter_map(Value::as_u64).sum())
}

/// Net per account over all batches.
fn nets(connected: &Connected) -> BTreeMap<String, i64> {
    let fusion = connected.simulator.world.fusion.lock().expect("no panic");
    let mut nets = BTreeMap::new();
    for line in fusion.batches.iter().flat_map(|batch| batch.lines()) {
        *nets.entry(line.account.clone()).or_default() += line.net;
    }
    nets
}

fn batches(connected: &Connected) -> usize {
    connected.simulator.world.fusion.lock().expect("no panic").batches.len()
}

async fn codes_of(connected: &Connected, document: &Document) -> Vec<String> {
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
    let guard = connected.clock.worker();
    post::post(&connected.parts, &connected.seller).await.expect("the store works");
    drop(guard);
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
async fn each_class_of_refusal_is_one_review_item_that_says_what_to_do() {
    let connected = connected("classes", 31).await;
    let document = |order: &str| invoice(&connected, order);
    let customer = connected.seller.ledger.bill_to.values().next().expect("a customer").clone();
    let cases = [
        (
            "113-1",
            json!({ "unknown_customer": customer }),
            json!({ "known_customer": customer }),
            "FUS-CUSTOMER-UNKNOWN",
            "BillToCustomerNumber",
        ),
        (
            "113-2",
            json!({ "revoke_privilege": "receivables" }),
            json!({ "grant_privilege": "receivables" }),
            "FUS-FORBIDDEN",
            "113-2",
        ),
        (
            "113-3",
            json!({ "remove_transaction_source": connected.seller.ledger.transaction_source }),
            json!({}),
            "FUS-SETUP-UNKNOWN",
            "TransactionSource",
        ),
    ];
    for (order, fault, mended, code, about) in cases {
        let document = document(order);
        plan(&connected, &document).await;
        change(&connected, fault);
        post_all(&connected).await;
        change(&connected, mended);
        assert_eq!(codes_of(&connected, &document).await, [code], "{order}");
        let items = reviews(&connected).await;
        let item = items.iter().find(|item| item.subject == document.key.as_str()).expect("an item");
        assert_eq!((item.code.as_str(), item.about.as_str()), (code, about));
        assert!(item.message.contains("What to do: "), "{}", item.message);
    }
    assert_eq!(answers(&connected, "POST receivablesInvoices"), 3, "each was sent once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoice_that_its_source_renumbered_is_found_by_the_order_and_reported() {
    let connected = connected("renumbered", 32).await;
    let document = invoice(&connected, "113-9");
    change(&connected, json!({ "auto_numbering": true }));
    plan(&connected, &document).await;
    faults(&connected, FusionFaults { answer_lost: 1.0, ..FusionFaults::default() });
    let guard = connected.clock.worker();
    post::post(&connected.parts, &connected.seller).await.expect("the store works");
    drop(guard);
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
    let (deleted, rearranged) = (journal(&connected, "G1", 8_415), journal(&connected, "G2", 500));
    for document in [&edited, &deleted, &rearranged] {
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
        json!({ "edit": { "resource": "journalBatches", "batch": rearranged.key.as_str(), "amount": 6.00 } }),
    );
    change(&connected, json!({ "delete": { "resource": "journalBatches", "batch": deleted.key.as_str() } }));
    assert_eq!(compare().await.differences, 3);
    let mut codes: Vec<String> = connected
        .store
        .findings(10)
        .await
        .expect("reads")
        .into_iter()
        .filter_map(|found| found.finding.map(|finding| finding.0))
        .collect();
    codes.sort();
    assert_eq!(codes, ["amount", "amount", "deleted"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirmed_batches_are_posted_once_a_round_and_a_failure_there_harms_nothing() {
    let mut connected = connected("posted", 34).await;
    let scenario = connected.simulator.world.scenario.for_the_operator();
    let criteria =
        scenario["sellers"][0]["fusion_setup"]["auto_post"]["criteria_set"].as_str().expect("a set");
    connected.seller.ledger.auto_post = Some(AutoPost { criteria_set: criteria.to_owned() });
    let documents = [journal(&connected, "G1", 8_415), journal(&connected, "G2", 500)];
    for document in &documents {
        plan(&connected, document).await;
    }
    post_all(&connected).await;
    assert_eq!(answers(&connected, "POST erpintegrations"), 3, "two imports and one request to post");
    let later = connected.parts.clock.now().saturating_add(SignedDuration::from_secs(60)).expect("in range");
    connected.set_clock(later).await;
    assert!(story(&connected, &documents[0]).await.contains("AutomaticPosting"));
    connected.seller.ledger.auto_post = Some(AutoPost { criteria_set: String::new() });
    let third = journal(&connected, "G3", 700);
    plan(&connected, &third).await;
    faults(&connected, FusionFaults { answer_lost: 0.0, ..FusionFaults::default() });
    post_all(&connected).await;
    assert!(matches!(state(&connected, &third).await, State::Confirmed { .. }));
}

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
