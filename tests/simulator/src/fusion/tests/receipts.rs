//! Standard receipts: the duplicate guard, what they refuse, and how they are applied.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Fusion, assert_refused, read};
use crate::scenario::names;

const RECEIPTS: &str = "standardReceipts";

fn receipt(fusion: &Fusion) -> Value {
    json!({
        "ReceiptNumber": "R1", "ReceiptMethod": names::RECEIPT_METHOD,
        "BusinessUnit": fusion.setup().business_unit,
        "CustomerAccountNumber": fusion.setup().first_customer.to_string(),
        "RemittanceBankAccountNumber": names::BANK_ACCOUNT, "Currency": "USD", "Amount": "19.00",
        "AccountingDate": "2026-09-02", "ReceiptDate": "2026-09-02",
    })
}

fn reference(number: &str, amount: &str) -> Value {
    json!({ "ReceiptMatchBy": "Transaction Number", "ReferenceNumber": number, "ReferenceAmount": amount })
}

#[test]
fn a_receipt_is_refused_under_the_name_of_what_is_wrong() {
    let fusion = Fusion::new();
    let rows = [
        ("/Currency", Value::Null, "FND_CMN_REQ_ATTRIB_API_SERV"),
        ("/Amount", Value::Null, "FND_CMN_REQ_ATTRIB_API_SERV"),
        ("/BusinessUnit", json!("Nowhere"), "AR_RAPI_BU_INVALID"),
        ("/ReceiptMethod", json!("Manual"), "AR_INVAL_RECEIPT_MTH_ID"),
        ("/Currency", json!("XXX"), "AR_RAPI_CURR_CODE_INVALID"),
        ("/Currency", json!("EUR"), "AR_RAPI_RATE_INVALID"),
        ("/Amount", json!("-1.00"), "AR_RAPI_AMOUNT_INVALID"),
        ("/CustomerAccountNumber", json!("1"), "AR_RAPI_CUS_NUM_INVALID"),
        ("/RemittanceBankAccountNumber", json!("1"), "AR_RAPI_REM_BK_AC_INVALID"),
        ("/AccountingDate", json!("2031-01-01"), "AR_GL_DATE_INVALID"),
        ("/ReceiptNumber", json!("x".repeat(31)), "27040"),
        ("/ReceiptMethod", json!("x".repeat(31)), "27040"),
        ("/Invented", json!(1), "27012"),
        ("/remittanceReferences", json!([reference(&"x".repeat(51), "1.00")]), "27040"),
    ];
    assert_refused(&fusion, RECEIPTS, &receipt(&fusion), &rows);
    let (status, answer) = fusion.post(RECEIPTS, &receipt(&fusion));
    assert_eq!(status, 201, "{answer}");
    assert_eq!(
        (&answer["Amount"], &answer["State"], &answer["Status"]),
        (&json!("19.00"), &Value::Null, &Value::Null)
    );
}

#[test]
fn number_date_amount_and_customer_are_guarded_together() {
    let fusion = Fusion::new();
    fusion.create(RECEIPTS, &receipt(&fusion));
    assert_refused(&fusion, RECEIPTS, &receipt(&fusion), &[("/Comments", json!("x"), "AR_RCP_DUP_NUM")]);
    for (name, value) in [("Amount", "20.00"), ("ReceiptDate", "2026-09-01"), ("ReceiptNumber", "R2")] {
        let mut body = receipt(&fusion);
        body[name] = json!(value);
        assert_eq!(fusion.post(RECEIPTS, &body).0, 201, "another {name}");
    }
    assert_eq!(fusion.count("receipts"), 4);
}

#[test]
fn cash_stays_unapplied_until_automatch_runs() {
    let fusion = Fusion::new();
    let invoice = fusion.create("receivablesInvoices", &fusion.invoice("I1"));
    let memo = fusion.create("receivablesCreditMemos", &fusion.credit_memo("C1"));
    let mut body = receipt(&fusion);
    body["Amount"] = json!("9.50");
    body["remittanceReferences"] = json!([reference("C1", "-9.50")]);
    let id = fusion.create(RECEIPTS, &body);
    let path = format!("{RECEIPTS}/{id}");
    let (status, added) =
        fusion.post(&format!("{path}/child/remittanceReferences"), &reference("I1", "19.00"));
    assert_eq!(status, 201, "{added}");
    let (_, before) = fusion.get(&path, &[("expand", "remittanceReferences")]);
    assert_eq!(
        (&before["UnappliedAmount"], &before["remittanceReferences"]["count"]),
        (&json!("9.50"), &json!(2))
    );
    fusion.set(&json!({ "run_automatch": true }));
    let (_, after) = fusion.get(&path, &[]);
    assert_eq!((&after["UnappliedAmount"], &after["Status"]), (&json!("0.00"), &json!("Applied")));
    let (_, paid) = fusion.get(&format!("receivablesInvoices/{invoice}"), &[]);
    assert_eq!(paid["InvoiceBalanceAmount"].to_string(), "0.00");
    let (_, used) = fusion.get(&format!("receivablesCreditMemos/{memo}"), &[]);
    assert_eq!(used["CreditMemoBalanceAmount"].to_string(), "0.00");
    assert_eq!(fusion.delete(&path), 400, "it is applied");
    let other = json!({ "CustomerAccountNumber": (fusion.setup().first_customer + 1).to_string() });
    assert_eq!(fusion.patch(&path, &other).0, 400, "it is applied");
    assert_eq!(fusion.patch(&path, &json!({ "Amount": "1.00" })).0, 400);
    let customer = fusion.setup().first_customer;
    let q = format!("AccountNumber='{customer}'");
    let (_, page) = fusion
        .get("receivablesCustomerAccountActivities", &[("q", &q), ("expand", "standardReceiptApplications")]);
    assert_eq!(page["items"][0]["standardReceiptApplications"]["count"], 2, "{page}");
}

#[test]
fn the_action_of_later_releases_applies_at_once() {
    let fusion = Fusion::new();
    let (_, invoice) = fusion.post("receivablesInvoices", &fusion.invoice("I1"));
    let installment = &invoice["receivablesInvoiceInstallments"]["items"][0]["InstallmentId"];
    let id = fusion.create(RECEIPTS, &receipt(&fusion));
    let path = format!("{RECEIPTS}/{id}/action/applyReceipt");
    let apply = |amount: f64| {
        let body =
            json!({ "appliedPaymentScheduleId": installment, "amountApplied": amount, "calledFrom": "REST" });
        let headers = [("content-type", "application/vnd.oracle.adf.action+json")];
        read(&fusion.ask(Method::POST, &path, &[], &headers, &body))
    };
    assert_eq!(apply(19.0).0, 404, "this release does not have it");
    fusion.set(&json!({ "apply_receipt": true }));
    assert_eq!(apply(19.5).0, 400, "more than is open");
    assert_eq!(apply(19.0), (200, json!({ "result": "SUCCESS" })));
    assert_eq!(apply(0.01).0, 400, "nothing is open");
}
