//! Each class of refusal, through the worker: one review item that names the line, the field, Fusion's words and what to
//! do; and nothing is sent again by itself in the days that follow.
//!
//! The documents are planned past the rules that would have found what is wrong with them, or Fusion is changed after they
//! were planned: what is shown is what happens when Fusion says no.

use jiff::SignedDuration;
use ml_connector_domain::document::{Body, Document};
use ml_connector_domain::posting::State;
use ml_connector_pipeline::Seller;
use ml_connector_storage::ReviewRow;
use serde_json::{Value, json};

use crate::fusion_journals::{answers, change, codes_of, connected, invoice, journal, plan, reviews, state};
use crate::support::Connected;

/// How long it is watched that nothing is tried again.
const DAYS: i64 = 4;

/// What has to come of a document.
struct Wanted {
    code: &'static str,
    /// What each item is about, in order.
    about: &'static [&'static str],
    /// A part of what Fusion says.
    words: &'static str,
    /// A part of what to do.
    advice: &'static str,
}

/// A pipeline whose seller has nothing to book at Amazon: every request is about the test's document.
async fn quiet(name: &str, seed: u64) -> Connected {
    let mut connected = connected(&format!("refused-{name}"), seed).await;
    let start_from = "2030-01-01T00:00:00Z".parse().expect("a time");
    connected.seller = Seller { start_from, ..connected.seller };
    connected
}

/// Has the worker at it for some days, and finds the document refused, told once and left alone.
async fn refused_once(connected: &Connected, document: &Document, request: &str, wanted: &Wanted) {
    plan(connected, document).await;
    let days = SignedDuration::from_hours(24 * DAYS);
    connected.run_until(connected.parts.clock.now().saturating_add(days).expect("in range")).await;
    assert!(codes_of(connected, document).await.iter().all(|code| code == wanted.code));
    let items = own(connected, document).await;
    let about: Vec<&str> = items.iter().map(|item| item.about.as_str()).collect();
    assert_eq!(about, wanted.about, "{items:?}");
    for item in &items {
        assert_eq!(item.code, wanted.code);
        assert!(item.message.contains(wanted.words), "{}", item.message);
        let (_, to_do) = item.message.split_once("What to do: ").expect("what to do");
        assert!(to_do.contains(wanted.advice), "{to_do}");
        assert!(item.at_stake.is_some_and(|money| money.minor != 0), "the money at stake");
    }
    assert_eq!(answers(connected, request), 1, "sent once in {DAYS} days");
    let all = connected.simulator.world.journal.to_json();
    let writes = |name: &&String| ["POST ", "PATCH ", "DELETE "].iter().any(|verb| name.starts_with(verb));
    let written: Vec<&String> = all["fusion"].as_object().expect("requests").keys().filter(writes).collect();
    assert_eq!(written, [request], "nothing else was written");
    let fusion = connected.simulator.world.fusion.lock().expect("no panic");
    assert!(fusion.invoices.is_empty() && fusion.batches.is_empty(), "and nothing stands in Fusion");
}

async fn own(connected: &Connected, document: &Document) -> Vec<ReviewRow> {
    let all = reviews(connected).await;
    all.into_iter().filter(|item| item.subject == document.key.as_str()).collect()
}

const IMPORT: &str = "POST erpintegrations";
const INVOICE: &str = "POST receivablesInvoices";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_account_is_told_with_its_line_and_not_sent_again() {
    let connected = quiet("account", 61).await;
    change(&connected, json!({ "reject_rows": [2] }));
    let wanted = Wanted {
        code: "FUS-ACCOUNT-UNKNOWN",
        about: &["line 2, SEGMENT1"],
        words: "EF04",
        advice: "create or enable the account combination",
    };
    refused_once(&connected, &journal(&connected, "G1", 8_415), IMPORT, &wanted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_period_is_told_with_its_lines_and_not_sent_again() {
    let connected = quiet("period", 62).await;
    change(&connected, json!({ "close_period_on_import": "Sep-26" }));
    let wanted = Wanted {
        code: "FUS-PERIOD-CLOSED",
        about: &["line 1, ACCOUNTING_DATE", "line 2, ACCOUNTING_DATE"],
        words: "EP01",
        advice: "open the period in Fusion",
    };
    refused_once(&connected, &journal(&connected, "G1", 8_415), IMPORT, &wanted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unbalanced_journal_is_told_with_its_lines_and_not_sent_again() {
    let connected = quiet("balance", 63).await;
    let mut document = journal(&connected, "G1", 8_415);
    if let Body::Journal { lines, .. } = &mut document.body {
        lines[1].amount.minor += 1;
    }
    let wanted = Wanted {
        code: "FUS-UNBALANCED",
        about: &["line 1, ENTERED_DR", "line 2, ENTERED_DR"],
        words: "EU02",
        advice: "report it as a defect",
    };
    refused_once(&connected, &document, IMPORT, &wanted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_customer_is_told_with_its_field_and_not_sent_again() {
    let connected = quiet("customer", 65).await;
    let customer = connected.seller.ledger.bill_to.values().next().expect("a customer").clone();
    change(&connected, json!({ "unknown_customer": customer }));
    let wanted = Wanted {
        code: "FUS-CUSTOMER-UNKNOWN",
        about: &["BillToCustomerNumber"],
        words: "didn't return a bill-to customer",
        advice: "correct `bill_to`",
    };
    refused_once(&connected, &invoice(&connected, "113-1"), INVOICE, &wanted).await;
}

/// A privilege stands for the whole document: there is no line or field, the item is about the order and names the privilege.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_privilege_is_named_and_not_sent_again() {
    let connected = quiet("privilege", 66).await;
    change(&connected, json!({ "revoke_privilege": "receivables" }));
    let wanted = Wanted {
        code: "FUS-FORBIDDEN",
        about: &["113-1"],
        words: "AR_CREATE_RECEIVABLES_INVOICE_PRIV",
        advice: "grant what is missing",
    };
    refused_once(&connected, &invoice(&connected, "113-1"), INVOICE, &wanted).await;
}

/// Without the privilege to ask for accounts and periods nothing can be checked, so nothing is sent. It is told once, asked
/// again at leisure, and goes on by itself when the privilege is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_privilege_that_the_check_lacks_holds_a_document_up_is_told_once_and_ends_by_itself() {
    let connected = quiet("check", 70).await;
    let document = invoice(&connected, "113-1");
    plan(&connected, &document).await;
    change(&connected, json!({ "revoke_privilege": "enterprise_structures" }));
    let run = async |hours| {
        let end = connected.parts.clock.now().saturating_add(SignedDuration::from_hours(hours));
        connected.run_until(end.expect("in range")).await;
    };
    run(24 * DAYS).await;
    assert_eq!(state(&connected, &document).await.name(), "planned");
    let items = own(&connected, &document).await;
    let [item] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!((item.code.as_str(), item.about.as_str()), ("FUS-FORBIDDEN", "113-1"));
    assert!(item.message.contains("FUN_GET_ENTERPRISE_STRUCTURES_REST_SERVICE_PRIV"), "{}", item.message);
    assert!(item.message.contains("What to do: "), "{}", item.message);
    let asked = answers(&connected, "GET accountCombinationsLOV");
    assert!((1..=24 * 4 * DAYS.unsigned_abs() + 20).contains(&asked), "asked {asked} times");
    assert_eq!(answers(&connected, INVOICE), 0);
    change(&connected, json!({ "grant_privilege": "enterprise_structures" }));
    run(1).await;
    assert!(matches!(state(&connected, &document).await, State::Confirmed { .. }));
    assert!(own(&connected, &document).await.is_empty(), "what held it up is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_over_long_field_is_told_with_its_line_and_not_sent_again() {
    let connected = quiet("length", 67).await;
    let mut document = invoice(&connected, "113-1");
    if let Body::Invoice { lines, .. } = &mut document.body {
        lines[1].description = "A mug ".repeat(50);
    }
    let wanted = Wanted {
        code: "FUS-FIELD-TOO-LONG",
        about: &["line 2, Description"],
        words: "has more than 240 characters",
        advice: "shorten the value",
    };
    refused_once(&connected, &document, INVOICE, &wanted).await;
}

/// What a name of the ledger's set-up leads to is told by that name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_source_that_was_removed_is_told_with_its_field_and_not_sent_again() {
    let connected = quiet("source", 68).await;
    change(&connected, json!({ "remove_transaction_source": connected.seller.ledger.transaction_source }));
    let wanted = Wanted {
        code: "FUS-SETUP-UNKNOWN",
        about: &["TransactionSource"],
        words: "transaction source you entered doesn't exist",
        advice: "fusion check",
    };
    refused_once(&connected, &invoice(&connected, "113-1"), INVOICE, &wanted).await;
}

/// 16: an attribute that this instance does not have is refused without a word about where it came from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_16_an_opaque_refusal_is_told_with_the_attribute_that_it_names() {
    let mut connected = quiet("opaque", 69).await;
    let flexfield: Value = json!({ "context": "AMAZON", "order_segment": "noSuchSegment" });
    connected.seller.ledger.transaction_flexfield =
        Some(serde_json::from_value(flexfield).expect("a flexfield"));
    let wanted = Wanted {
        code: "FUS-ATTRIBUTE",
        about: &["noSuchSegment"],
        words: "Invalid attribute \"noSuchSegment\"",
        advice: "does not know the attribute",
    };
    refused_once(&connected, &invoice(&connected, "113-1"), INVOICE, &wanted).await;
}
