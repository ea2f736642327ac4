//! The REST framework: versions, collections, children, `fields` and `expand`, orders.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Fusion, read};
use crate::http::Incoming;

fn with_invoices(count: usize) -> Fusion {
    let fusion = Fusion::new();
    for n in 0..count {
        assert_eq!(fusion.post("receivablesInvoices", &fusion.invoice(&format!("I{n:03}"))).0, 201);
    }
    fusion.wait(3_000);
    fusion
}

const INVOICES: &str = "receivablesInvoices";

#[test]
fn the_latest_version_is_the_only_one_and_the_framework_version_is_one_of_nine() {
    let fusion = Fusion::new();
    let ask = |path: &str, version: &str| {
        let bearer = format!("Bearer {}", fusion.token);
        let headers = [("authorization", bearer.as_str()), ("rest-framework-version", version)];
        read(&super::super::handle(
            &fusion.world,
            &crate::strictness::incoming(Method::GET, path, "", &headers, ""),
        ))
    };
    let (latest, named) = (
        ask("/fscmRestApi/resources/latest/ledgersLOV/describe", "4"),
        ask("/fscmRestApi/resources/11.13.18.05/ledgersLOV/describe", "4"),
    );
    assert_eq!((latest.0, &latest), (200, &named));
    assert_eq!(ask("/fscmRestApi/resources/11.13.18.06/ledgersLOV", "4").0, 404);
    assert_eq!(ask("/fscmRestApi/resources/11.13.18.05/ledgersLOV", "10").0, 400);
    let (status, versions) = ask("/fscmRestApi/resources", "1");
    assert_eq!((status, &versions["items"][0]["version"]), (200, &json!("11.13.18.05")));
}

#[test]
fn children_and_ids_are_written_as_the_version_says() {
    let mut fusion = with_invoices(1);
    let expand = [("expand", "receivablesInvoiceLines.receivablesInvoiceLineTaxLines")];
    for (version, is_page, is_text) in
        [("1", false, false), ("2", false, false), ("3", true, false), ("9", true, true)]
    {
        fusion.version = version;
        let (_, page) = fusion.get(INVOICES, &expand);
        let invoice = &page["items"][0];
        let lines = &invoice["receivablesInvoiceLines"];
        assert_eq!(
            (lines.is_array(), lines["hasMore"].is_boolean()),
            (!is_page, is_page),
            "version {version}"
        );
        assert_eq!(invoice["CustomerTransactionId"].is_string(), is_text, "version {version}");
        let line = if is_page { &lines["items"][0] } else { &lines[0] };
        assert!(!line["receivablesInvoiceLineTaxLines"].is_null(), "a grandchild was asked for: {line}");
    }
}

#[test]
fn a_collection_gives_25_rows_and_never_more_than_500() {
    let fusion = with_invoices(30);
    let (_, page) = fusion.get(INVOICES, &[("orderBy", "TransactionNumber")]);
    assert_eq!((&page["count"], &page["hasMore"], &page["limit"]), (&json!(25), &json!(true), &json!(25)));
    assert!(page.get("totalResults").is_none());
    let (_, page) = fusion.get(INVOICES, &[("limit", "9999"), ("totalResults", "true")]);
    assert_eq!(
        (&page["limit"], &page["totalResults"], &page["hasMore"]),
        (&json!(500), &json!(30), &json!(false))
    );
    let (_, page) =
        fusion.get(INVOICES, &[("limit", "10"), ("offset", "25"), ("orderBy", "TransactionNumber:desc")]);
    let numbers: Vec<&Value> =
        page["items"].as_array().expect("rows").iter().map(|row| &row["TransactionNumber"]).collect();
    assert_eq!(numbers, ["I004", "I003", "I002", "I001", "I000"]);
}

#[test]
fn without_an_order_pages_are_not_stable() {
    let fusion = with_invoices(30);
    let first =
        |query: &[(&str, &str)]| fusion.get(INVOICES, query).1["items"][0]["TransactionNumber"].clone();
    assert_ne!(first(&[]), first(&[]));
    let order = [("orderBy", "CustomerTransactionId")];
    assert_eq!(first(&order), first(&order));
    assert_eq!(fusion.get(INVOICES, &[("orderBy", "Invented")]).0, 400);
}

#[test]
fn fields_beat_expand_and_only_data_strips_links() {
    let fusion = with_invoices(1);
    let one = |query: &[(&str, &str)]| fusion.get(INVOICES, query).1["items"][0].clone();
    let keys = |item: &Value| item.as_object().expect("an item").keys().cloned().collect::<Vec<_>>();
    let fields = ("fields", "TransactionNumber");
    assert_eq!(keys(&one(&[fields, ("expand", "all"), ("onlyData", "true")])), ["TransactionNumber"]);
    assert_eq!(keys(&one(&[("fields", "")])), ["links"]);
    let child =
        one(&[("fields", "TransactionNumber;receivablesInvoiceLines:LineNumber"), ("onlyData", "true")]);
    assert_eq!(child["receivablesInvoiceLines"]["items"], json!([{ "LineNumber": 1 }]));
    let whole = one(&[]);
    let links = whole["links"].as_array().expect("links");
    assert!(links.iter().any(|link| link["rel"] == "child" && link["name"] == "receivablesInvoiceLines"));
    assert!(one(&[("onlyData", "true")]).get("links").is_none());
    assert_eq!(fusion.get(INVOICES, &[("expand", "invented")]).0, 400);
}

#[test]
fn an_attribute_that_cannot_be_asked_for_is_refused_without_its_name() {
    let fusion = with_invoices(1);
    let (status, words) = fusion.get(INVOICES, &[("q", "Comments='x'")]);
    assert!(status == 400 && !words.to_string().contains("Comments"), "{words}");
    let (status, _) = fusion.get(INVOICES, &[("q", "CrossReference='x' or '1'='1'")]);
    assert_eq!(status, 400, "there is no escaping, and no way in");
    let since = "LastUpdateDate>='2026-09-03 12:00:00' and LastUpdateDate<'2026-09-03 12:00:01'";
    let (_, page) = fusion.get(INVOICES, &[("q", since), ("orderBy", "LastUpdateDate")]);
    assert_eq!(page["count"], 1);
    let (_, page) = fusion.get(INVOICES, &[("q", "LastUpdateDate>'2026-09-03 12:00:01'")]);
    assert_eq!(page["count"], 0);
}

#[test]
fn what_was_just_created_is_not_found_for_a_moment() {
    let fusion = Fusion::new();
    let (_, answer) = fusion.post(INVOICES, &fusion.invoice("I1"));
    let path = format!("{INVOICES}/{}", answer["CustomerTransactionId"]);
    assert_eq!(fusion.get(&path, &[]).0, 404);
    fusion.wait(2_000);
    assert_eq!(fusion.get(&path, &[]).0, 200);
    let (status, lines) = fusion.get(&format!("{path}/child/receivablesInvoiceLines"), &[]);
    assert_eq!((status, &lines["items"][0]["LineAmount"].to_string()), (200, &"19.00".to_owned()));
    let line = fusion.get(&format!("{path}/child/receivablesInvoiceLines/1"), &[]);
    assert_eq!((line.0, &line.1["LineNumber"]), (200, &json!(1)));
}

#[test]
fn describe_shows_attributes_and_the_actions_of_the_release() {
    let fusion = Fusion::new();
    let actions = || {
        let (_, body) = fusion.get("standardReceipts/describe", &[]);
        body["Resources"]["standardReceipts"]["item"]["actions"].to_string()
    };
    assert!(!actions().contains("applyReceipt"));
    fusion.set(&json!({ "apply_receipt": true }));
    assert!(actions().contains("applyReceipt"));
}

#[test]
fn a_refusal_is_plain_text_before_version_4_and_details_from_then_on() {
    let mut fusion = Fusion::new();
    let mut body = fusion.invoice("I1");
    body["requestId"] = json!("1");
    let (_, details) = fusion.post(INVOICES, &body);
    assert_eq!(details["o:errorDetails"][0]["detail"], "Invalid attribute \"requestId\" in the payload");
    fusion.version = "1";
    let (status, words) = fusion.post(INVOICES, &body);
    assert!(
        status == 400
            && words.as_str().is_some_and(|words| words.contains("Invalid attribute \"requestId\""))
    );
    let untyped: Incoming = crate::strictness::incoming(
        Method::POST,
        "/fscmRestApi/resources/11.13.18.05/receivablesInvoices",
        "",
        &[("authorization", &format!("Bearer {}", fusion.token)), ("content-type", "text/plain")],
        "{}",
    );
    assert_eq!(super::super::handle(&fusion.world, &untyped).status(), 415);
}
