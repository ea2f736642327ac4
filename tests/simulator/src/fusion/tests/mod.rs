//! What Fusion does, and refuses to do, is done and refused here: each row of a table changes one thing of a request
//! that is accepted.

mod access;
mod auto_invoice;
mod client;
mod faults;
mod framework;
mod imports;
mod jobs;
mod lists;
mod receipts;
mod receivables;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use base64::Engine as _;
use serde_json::{Value, json};

use super::{identity, knobs};
use crate::World;
use crate::http::{Incoming, Reply};
use crate::scenario::{FusionSetup, combination, names};
use crate::strictness::{self, FORM, access_token, incoming};

const TYPE: (&str, &str) = ("content-type", "application/json");

/// Text as base64.
fn base64(bytes: impl AsRef<[u8]>) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Status and body, as JSON if it is.
fn read(reply: &Reply) -> (u16, Value) {
    let Reply::Answer { status, body, .. } = reply else { return (0, Value::Null) };
    let text = String::from_utf8_lossy(body).into_owned();
    (*status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// A client with a token.
struct Fusion {
    world: World,
    token: String,
    version: &'static str,
}

impl Fusion {
    fn new() -> Self {
        let world = strictness::world();
        let basic = format!("Basic {}", base64(format!("{}:{}", names::CLIENT, names::CLIENT_SECRET)));
        let headers = [FORM[0], ("authorization", basic.as_str())];
        let form = format!("grant_type=client_credentials&scope={}", names::SCOPE.replace(':', "%3A"));
        let request = incoming(Method::POST, "/oauth2/v1/token", "", &headers, &form);
        let token = access_token(&identity::handle(&world, &request));
        Self { world, token, version: "4" }
    }

    fn setup(&self) -> &FusionSetup {
        &self.world.scenario.sellers[0].fusion
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&'static str, &str)],
        body: &Value,
    ) -> Reply {
        let bearer = format!("Bearer {}", self.token);
        let usual = [("authorization", bearer.as_str()), ("rest-framework-version", self.version)];
        let mut all = HeaderMap::new();
        for (name, value) in usual.iter().chain(headers) {
            all.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"));
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let path = format!("/fscmRestApi/resources/11.13.18.05/{path}");
        super::handle(&self.world, &Incoming { method, path, query, headers: all, body })
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> (u16, Value) {
        read(&self.ask(Method::GET, path, query, &[], &Value::Null))
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        read(&self.ask(Method::POST, path, &[], &[TYPE], body))
    }

    fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        read(&self.ask(Method::PATCH, path, &[], &[TYPE], body))
    }

    fn delete(&self, path: &str) -> u16 {
        self.ask(Method::DELETE, path, &[], &[], &Value::Null).status()
    }

    /// Lets time pass.
    fn wait(&self, millis: i64) {
        let later = jiff::Timestamp::from_millisecond(self.world.clock.now() + millis).expect("a time");
        assert!(self.world.clock.set(later));
    }

    /// Sets knobs.
    fn set(&self, change: &Value) {
        knobs::change(&self.world, change).expect("the knob exists");
    }

    /// What was committed.
    fn committed(&self) -> Value {
        super::committed(&self.world)
    }

    fn count(&self, what: &str) -> u64 {
        self.committed()["counts"][what].as_u64().expect("a count")
    }

    /// An invoice that is accepted.
    fn invoice(&self, number: &str) -> Value {
        json!({
            "BusinessUnit": self.setup().business_unit, "TransactionSource": names::INVOICE_SOURCE,
            "TransactionType": names::INVOICE_TYPE, "TransactionNumber": number,
            "TransactionDate": "2026-09-02", "AccountingDate": "2026-09-02", "PaymentTerms": names::TERMS,
            "BillToCustomerNumber": self.setup().first_customer.to_string(), "InvoiceCurrencyCode": "USD",
            "CrossReference": "100-1000000-1000000",
            "receivablesInvoiceLines": [
                { "LineNumber": 1, "Description": "A mug", "Quantity": 2, "UnitSellingPrice": 9.5 }],
            "receivablesInvoiceDistributions": [
                { "AccountClass": "Receivable", "AccountCombination": combination("12100", "000"), "Amount": 19.0 },
                { "AccountClass": "Revenue", "AccountCombination": combination("41000", "110"), "Amount": 19.0,
                  "InvoiceLineNumber": 1 }],
        })
    }

    /// A credit memo that is accepted.
    fn credit_memo(&self, number: &str) -> Value {
        json!({
            "BusinessUnit": self.setup().business_unit, "TransactionSource": names::CREDIT_MEMO_SOURCE,
            "TransactionType": names::CREDIT_MEMO_TYPE, "TransactionNumber": number,
            "TransactionDate": "2026-09-02", "CreditMemoCurrency": "USD", "CreditReason": "Return",
            "BillToCustomerNumber": self.setup().first_customer.to_string(), "PurchaseOrder": "refund-1",
            "receivablesCreditMemoLines": [
                { "LineNumber": 1, "LineDescription": "A mug", "LineQuantityCredit": 1, "UnitSellingPrice": -9.5 }],
        })
    }

    /// Creates a document and lets the moment pass in which collections do not show it; gives its id.
    fn create(&self, resource: &str, body: &Value) -> String {
        let (status, answer) = self.post(resource, body);
        assert_eq!(status, 201, "{answer}");
        self.wait(3_000);
        let id = ["CustomerTransactionId", "StandardReceiptId"].iter().find_map(|name| answer.get(name));
        id.expect("an id").to_string().trim_matches('"').to_owned()
    }
}

/// Sends bodies that differ in one place from one that is accepted, and asserts that each is refused under its code.
fn assert_refused(fusion: &Fusion, resource: &str, good: &Value, rows: &[(&str, Value, &str)]) {
    for (place, value, code) in rows {
        let mut body = good.clone();
        let (parent, name) = place.rsplit_once('/').expect("a place");
        body.pointer_mut(parent).expect("the place exists")[name] = value.clone();
        let (status, answer) = fusion.post(resource, &body);
        let found = &answer["o:errorDetails"][0]["o:errorCode"];
        assert!(status == 400 && found == code, "{place} {value}: {status} {answer}");
    }
}
