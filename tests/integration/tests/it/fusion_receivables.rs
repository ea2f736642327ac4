//! Receivables in Fusion: what its documentation hides (numbered as in `host/docs/fusion.md`, 10 to 14 and 19), receipts and
//! bulk import, over sockets.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ml_connector_domain::Clock as _;
use ml_connector_domain::catalog::{Rule, Subject};
use ml_connector_domain::document::Kind;
use ml_connector_domain::ledger::CreditMemoPath;
use ml_connector_domain::posting::State;
use ml_connector_pipeline::kind;
use ml_connector_simulator::control::{FaultRates, FusionFaults};
use ml_connector_simulator::fusion::{Document, knobs};
use ml_connector_simulator::scenario::ScenarioOptions;
use ml_connector_storage::{Change, DocumentRow, Store as _};
use serde_json::{Value, json};

use crate::support::{Connected, small};

pub(crate) fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

pub(crate) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).expect("in range")
}

/// More orders than the small scenario has, so that refunds meet sales in one settlement, and parts of orders are refunded.
fn busy(seed: u64) -> ScenarioOptions {
    ScenarioOptions { orders_per_day: 30, ..small(seed) }
}

/// Sets a part of the seller's ledger as the simulated instance has it set up.
pub(crate) fn configure(connected: &mut Connected, parts: &[&str]) {
    let scenario = connected.simulator.world.scenario.for_the_operator();
    let setup = &scenario["sellers"][0]["fusion_setup"];
    let mut ledger = serde_json::to_value(&connected.seller.ledger).expect("a ledger");
    for part in parts {
        ledger[*part] = setup[*part].clone();
    }
    if let Some(auto_invoice) = ledger.get_mut("auto_invoice") {
        auto_invoice["from_documents"] = json!(1);
    }
    connected.seller.ledger = serde_json::from_value(ledger).expect("a ledger");
}

fn change(connected: &Connected, to: Value) {
    knobs::change(&connected.simulator.world, &to).expect("the instance can be set so");
}

/// How often a call was answered so.
fn count(connected: &Connected, operation: &str, status: &str) -> u64 {
    connected.simulator.world.journal.to_json()["fusion"][operation][status].as_u64().unwrap_or(0)
}

fn calls(connected: &Connected, operation: &str) -> u64 {
    let all = connected.simulator.world.journal.to_json();
    let statuses = all["fusion"][operation].as_object().cloned().unwrap_or_default();
    statuses.values().filter_map(Value::as_u64).sum()
}

pub(crate) async fn postings(connected: &Connected, state: &str) -> Vec<DocumentRow> {
    connected.store.postings_in(&connected.seller.id, state, 100_000).await.expect("reads")
}

/// Everything has ended, nothing was refused, every document is in Fusion exactly once and ties out.
pub(crate) async fn assert_at_rest(connected: &Connected) {
    connected.assert_books_are_right();
    for state in ["planned", "sending", "submitted", "unknown", "rejected"] {
        let left = postings(connected, state).await;
        assert!(left.is_empty(), "{state}: {:?}", left.first().map(|row| (&row.document, &row.state)));
    }
    let findings = connected.store.findings(10).await.expect("reads");
    assert!(findings.is_empty(), "{findings:?}");
    each_is_there_once(connected).await;
}

pub(crate) async fn each_is_there_once(connected: &Connected) {
    let confirmed = postings(connected, "confirmed").await;
    let state = connected.simulator.world.fusion.lock().expect("no panic");
    let mut numbers = BTreeMap::<&str, u32>::new();
    for document in state.invoices.iter().chain(&state.credit_memos) {
        *numbers.entry(&document.number).or_default() += 1;
    }
    for receipt in &state.receipts {
        *numbers.entry(&receipt.number).or_default() += 1;
    }
    for row in confirmed.iter().filter(|row| row.document.kind() != Kind::Journal) {
        assert_eq!(numbers.remove(row.document.key.as_str()), Some(1), "{:?}", row.document);
    }
    assert!(numbers.is_empty(), "in Fusion and not known: {numbers:?}");
}

pub(crate) fn invoices(connected: &Connected) -> Vec<Document> {
    connected.simulator.world.fusion.lock().expect("no panic").invoices.clone()
}

pub(crate) fn memos(connected: &Connected) -> Vec<Document> {
    connected.simulator.world.fusion.lock().expect("no panic").credit_memos.clone()
}

/// What receivables documents and receipts put on each account but the receivable: documents credit, receipts debit it.
pub(crate) fn by_account<'a>(documents: impl IntoIterator<Item = &'a Document>) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::<String, i64>::new();
    for distribution in documents.into_iter().flat_map(|document| &document.distributions) {
        if distribution.class != "Receivable" {
            *sums.entry(distribution.account.clone()).or_default() += distribution.amount;
        }
    }
    sums.retain(|_, minor| *minor != 0);
    sums
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tax_goes_as_tax_lines_and_the_order_into_flexfield_and_references() {
    let mut connected = Connected::start("taxlines", small(41)).await;
    configure(&mut connected, &["tax", "transaction_flexfield", "credit_memo_reason"]);
    connected.run_until(connected.simulator.world.scenario.end).await;
    assert_at_rest(&connected).await;
    let (invoices, memos) = (invoices(&connected), memos(&connected));
    assert!(invoices.len() > 10 && !memos.is_empty());
    for document in invoices.iter().chain(&memos) {
        let taxes: i64 = document.lines.iter().flat_map(|line| &line.taxes).map(|tax| tax.amount).sum();
        let distributed = document.distributions.iter().filter(|one| one.class == "Tax");
        assert_eq!(distributed.map(|one| one.amount).sum::<i64>(), taxes);
    }
    assert!(invoices.iter().filter(|one| one.lines.iter().any(|line| !line.taxes.is_empty())).count() > 5);
    for invoice in &invoices {
        let (context, segments) = invoice.flexfield.as_ref().expect("a flexfield");
        // Behind the order's id the reference names the shipment, where there are several.
        let order = invoice.reference.split('/').next().unwrap_or_default();
        assert_eq!((context.as_str(), segments["orderId"].as_str()), ("AMAZON", order));
        assert_eq!(segments["documentKey"], invoice.number);
        assert!(invoice.lines.iter().all(|line| line.sales_order.as_deref() == Some(order)));
    }
    assert!(memos.iter().all(|memo| memo.reason.as_deref() == Some("Return")));
}

/// 10: where the source has consolidated billing, the import aborts as a whole and says so in a log only. The documents
/// are not lost with it: each is looked for, is not there, and goes by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_10_an_auto_invoice_abort_sends_every_document_by_itself() {
    let mut connected = Connected::start("pain10", small(42)).await;
    configure(&mut connected, &["auto_invoice"]);
    change(&connected, json!({ "consolidated_billing": true }));
    connected.run_until(later(connected.simulator.world.scenario.end, hours(48))).await;
    assert_at_rest(&connected).await;
    assert!(calls(&connected, "POST receivablesInvoices") > 10, "each went by itself");
    let row =
        postings(&connected, "confirmed").await.into_iter().find(|row| row.document.kind() == Kind::Invoice);
    let subject = row.expect("an invoice").document.subject().to_owned();
    let story = connected.store.story(&[subject]).await.expect("reads");
    let words: Vec<&str> = story.iter().map(|event| event.detail.as_str()).collect();
    assert!(words.iter().any(|words| words.contains("import")), "{words:?}");
}

/// 11: an item that Fusion's inventory does not know refuses the whole invoice. Lines are described and name no item.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_11_a_product_that_fusions_inventory_lacks_is_invoiced_all_the_same() {
    let mut connected = Connected::start("pain11", small(43)).await;
    let scenario = connected.simulator.world.scenario.for_the_operator();
    let products = scenario["sellers"][0]["products"].as_array().expect("products");
    let lacking: Vec<&str> =
        products.iter().filter(|p| p["mapped"] == false).filter_map(|p| p["sku"].as_str()).collect();
    // The catalog names them; Fusion's inventory still does not.
    Arc::make_mut(&mut connected.seller.catalog).rules.extend(lacking.iter().map(|sku| Rule {
        revenue: Some("41000".to_owned()),
        ..Rule::about(Subject::Sku((*sku).into()), "catalog.csv:99")
    }));
    connected.run_until(connected.simulator.world.scenario.end).await;
    assert!(postings(&connected, "rejected").await.is_empty());
    let named = |document: &Document| {
        document.lines.iter().any(|line| lacking.iter().any(|sku| line.description.ends_with(sku)))
    };
    assert!(invoices(&connected).iter().any(named), "no such product was sold: the test shows nothing");
}

/// 12: a POST is final. Any status but Complete is refused, and PATCH changes no substance: we send no status and no
/// PATCH, not even for a correction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_12_an_invoice_is_complete_at_once_and_never_patched() {
    let connected = Connected::start("pain12", small(44)).await;
    connected.run_until(connected.simulator.world.scenario.end).await;
    assert_at_rest(&connected).await;
    assert!(invoices(&connected).iter().all(|invoice| invoice.status == "Complete"));
    let all = connected.simulator.world.journal.to_json();
    let operations: Vec<&String> = all["fusion"].as_object().expect("operations").keys().collect();
    assert!(!operations.iter().any(|name| name.starts_with("PATCH")), "{operations:?}");
    assert_eq!(count(&connected, "POST receivablesInvoices", "400"), 0, "none was refused");
}

/// 13: credit memos by REST are on account, negative, and their reason is a value of a lookup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_13_a_reason_that_the_lookup_lacks_goes_to_review_once_with_fusions_words() {
    let mut connected = Connected::start("pain13", small(45)).await;
    connected.seller.ledger.credit_memo_reason = Some("because".to_owned());
    connected.run_until(connected.simulator.world.scenario.end).await;
    let refused = postings(&connected, "rejected").await;
    assert!(!refused.is_empty() && memos(&connected).is_empty());
    assert_eq!(calls(&connected, "POST receivablesCreditMemos"), refused.len() as u64, "no retry loop");
    let reviews = connected.store.open_reviews(1_000).await.expect("reads");
    for row in &refused {
        let own = reviews.iter().find(|item| item.subject == row.document.key.as_str()).expect("in review");
        assert!(own.message.contains("credit reason"), "{}", own.message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_13_on_account_credit_memos_are_negative_and_credit_no_invoice_by_themselves() {
    let mut connected = Connected::start("pain13b", small(46)).await;
    configure(&mut connected, &["tax", "credit_memo_reason"]);
    connected.run_until(connected.simulator.world.scenario.end).await;
    assert_at_rest(&connected).await;
    let memos = memos(&connected);
    assert!(!memos.is_empty());
    assert!(memos.iter().flat_map(|memo| &memo.lines).all(|line| line.amount < 0));
    assert!(memos.iter().all(|memo| memo.balance() == memo.total()), "they wait to be applied");
}

/// The cash of all receipts against what the journals put on clearing, and the receivable.
fn assert_cash_nets(connected: &Connected, unresolved: i64) {
    let clearing = connected.seller.ledger.account("clearing").expect("named");
    let state = connected.simulator.world.fusion.lock().expect("no panic");
    let journaled: i64 = state
        .batches
        .iter()
        .flat_map(|batch| batch.lines())
        .filter(|line| line.account == clearing)
        .map(|line| line.net)
        .sum();
    let cash: i64 = state.receipts.iter().map(|receipt| receipt.amount).sum();
    assert_eq!(journaled + cash, -unresolved, "clearing: journals credit, receipts debit");
}

/// What buyers' cash of journaled settlements is on clearing without a receipt, by the review items that say so.
async fn cash_in_review(connected: &Connected) -> i64 {
    let reviews = connected.store.open_reviews(10_000).await.expect("reads");
    reviews
        .iter()
        .filter(|item| item.kind == kind::RECEIPT)
        .filter_map(|item| item.at_stake.map(|money| money.minor))
        .sum()
}

/// 14: a receipt leaves its cash unapplied; its references are what AutoMatch applies it by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_14_receipts_are_applied_by_their_references_and_every_account_nets() {
    let mut connected = Connected::start("pain14", busy(47)).await;
    configure(&mut connected, &["receipts", "tax"]);
    connected.run_until(later(connected.simulator.world.scenario.end, hours(9 * 24))).await;
    assert_at_rest(&connected).await;
    assert_cash_nets(&connected, cash_in_review(&connected).await);
    for row in postings(&connected, "confirmed").await {
        let origin = &row.document.origin;
        let (key, known) = (&row.document.key, !origin.contract.is_empty() && origin.settings.is_some());
        assert!(known, "{key} does not say what it was made with: {origin:?}");
    }
    {
        let state = connected.simulator.world.fusion.lock().expect("no panic");
        assert!(state.receipts.len() > 3, "{} receipts", state.receipts.len());
        assert!(
            state.receipts.iter().all(|receipt| receipt.unapplied() == receipt.amount),
            "cash stays unapplied"
        );
        for receipt in &state.receipts {
            let references: i64 = receipt.references.iter().map(|one| one.amount).sum();
            assert_eq!(references, receipt.amount, "{}", receipt.number);
        }
        let mut references = state.receipts.iter().flat_map(|receipt| &receipt.references);
        assert!(references.any(|one| one.amount < 0), "no receipt nets a credit memo: the test shows less");
    }
    change(&connected, json!({ "run_automatch": true }));
    // Twice: a credit memo that comes after the invoices makes room for the last of them.
    change(&connected, json!({ "run_automatch": true }));
    let state = connected.simulator.world.fusion.lock().expect("no panic");
    let paid: i64 = state.invoices.iter().map(|invoice| invoice.paid).sum();
    let used: i64 = state.credit_memos.iter().map(|memo| memo.paid).sum();
    let cash: i64 = state.receipts.iter().map(|receipt| receipt.amount).sum();
    let unapplied: i64 = state.receipts.iter().map(|receipt| receipt.unapplied()).sum();
    assert_eq!(paid + used, cash - unapplied);
    assert_eq!(unapplied, 0, "AutoMatch applies all of it");
    // Receivable: what is still open of invoices and credit memos is what no settlement has paid.
    let open: i64 = state.invoices.iter().chain(&state.credit_memos).map(Document::balance).sum();
    let total: i64 = state.invoices.iter().chain(&state.credit_memos).map(Document::total).sum();
    assert_eq!(open, total - cash);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_14_where_the_release_can_apply_receipts_they_are_applied_at_once() {
    let mut connected = Connected::start("pain14b", busy(48)).await;
    configure(&mut connected, &["receipts"]);
    change(&connected, json!({ "apply_receipt": true }));
    connected.simulator.world.faults.set(FaultRates {
        fusion: FusionFaults { answer_lost: 0.2, ..FusionFaults::default() },
        ..FaultRates::default()
    });
    connected.run_until(later(connected.simulator.world.scenario.end, hours(10 * 24))).await;
    assert_at_rest(&connected).await;
    let state = connected.simulator.world.fusion.lock().expect("no panic");
    let nets_memos = |receipt: &ml_connector_simulator::fusion::Receipt| {
        receipt.references.iter().any(|reference| reference.amount < 0)
    };
    let (with, without): (Vec<_>, Vec<_>) = state.receipts.iter().partition(|receipt| nets_memos(receipt));
    assert!(!with.is_empty() && !without.is_empty(), "{} with, {} without", with.len(), without.len());
    assert!(with.iter().all(|receipt| receipt.applications.is_empty()), "left to AutoMatch");
    for receipt in without {
        assert_eq!(receipt.unapplied(), 0, "{}", receipt.number);
        let applied: Vec<(&str, i64)> =
            receipt.applications.iter().map(|one| (one.number.as_str(), one.amount)).collect();
        let wanted: Vec<(&str, i64)> =
            receipt.references.iter().map(|one| (one.number.as_str(), one.amount)).collect();
        assert_eq!(applied, wanted, "each once, in order");
    }
}

/// Same number, date, amount and customer is refused (AR_RCP_DUP_NUM): that is no refusal to us but a look-up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_exists_already_is_found_and_not_refused() {
    let mut connected = Connected::start("rcpdup", small(49)).await;
    configure(&mut connected, &["receipts"]);
    connected.run_until(later(connected.simulator.world.scenario.end, hours(9 * 24))).await;
    let receipt =
        postings(&connected, "confirmed").await.into_iter().find(|row| row.document.kind() == Kind::Receipt);
    let receipt = receipt.expect("a receipt");
    // As if a process before this one had lost the memory of having sent it.
    let at = connected.clock.now();
    let key = receipt.document.key.clone();
    let change = Change::Posting { key: key.clone(), state: State::new(at), at };
    connected.store.apply(vec![change]).await.expect("writes");
    connected.run_until(later(at, hours(6))).await;
    assert_eq!(connected.store.document(&key).await.expect("reads").expect("there").state, receipt.state);
    each_is_there_once(&connected).await;
    assert_eq!(
        count(&connected, "POST standardReceipts", "400"),
        1,
        "it was sent, and refused as a duplicate"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auto_invoice_imports_a_month_and_its_credit_memos_are_applied_to_their_invoices() {
    let mut connected = Connected::start("autoinv", small(50)).await;
    configure(&mut connected, &["auto_invoice", "tax", "credit_memo_reason"]);
    connected.seller.ledger.credit_memo_path = CreditMemoPath::AutoInvoice;
    connected.run_until(later(connected.simulator.world.scenario.end, hours(24))).await;
    assert_at_rest(&connected).await;
    assert_eq!(calls(&connected, "POST receivablesInvoices"), 0, "all went by import");
    assert!(invoices(&connected).len() > 10);
    let memos = memos(&connected);
    let imported: Vec<&Document> =
        memos.iter().filter(|memo| memo.lines.iter().all(|line| line.key.is_some())).collect();
    assert!(!imported.is_empty(), "no credit memo was imported: the test shows nothing");
    for memo in &imported {
        assert_eq!(memo.balance(), 0, "{} is applied", memo.number);
        let invoice = invoices(&connected).into_iter().find(|one| one.credited == -memo.total());
        assert!(invoice.is_some(), "to an invoice over {}", memo.total());
    }
}

/// A lost answer makes the whole import unknown; what it brought is found, and nothing is sent again before that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auto_invoice_whose_answer_is_lost_doubles_nothing() {
    let mut connected = Connected::start("autolost", small(51)).await;
    configure(&mut connected, &["auto_invoice"]);
    connected.simulator.world.faults.set(FaultRates {
        fusion: FusionFaults { answer_lost: 0.5, ..FusionFaults::default() },
        ..FaultRates::default()
    });
    connected.run_until(later(connected.simulator.world.scenario.end, hours(48))).await;
    assert_at_rest(&connected).await;
    assert!(count(&connected, "POST erpintegrations", "0") > 0, "no answer was lost: the test shows nothing");
    assert!(invoices(&connected).iter().any(|invoice| invoice.lines.iter().all(|line| line.key.is_some())));
}

/// Of an import some documents may be in and some not: each is looked up, and the rest goes by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_19_auto_invoice_with_bad_rows_imports_the_good_and_sends_the_rest_by_itself() {
    let mut connected = Connected::start("autobad", small(52)).await;
    configure(&mut connected, &["auto_invoice"]);
    change(&connected, json!({ "reject_rows": [2] }));
    // Until journals are due: the knob holds for every import.
    connected.run_until(later(connected.simulator.world.scenario.start, hours(48))).await;
    change(&connected, json!({ "reject_rows": [] }));
    connected.run_until(later(connected.simulator.world.scenario.end, hours(48))).await;
    assert_at_rest(&connected).await;
    let imported = |invoice: &&Document| invoice.lines.iter().all(|line| line.key.is_some());
    let all = invoices(&connected);
    let by_import = all.iter().filter(imported).count();
    assert!(by_import > 0 && by_import < all.len(), "{by_import} of {}", all.len());
}
