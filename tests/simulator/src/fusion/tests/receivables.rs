//! Invoices and credit memos: what is refused, what is generated, what can be changed.

use serde_json::{Value, json};

use super::{Fusion, assert_refused};
use crate::scenario::{combination, names};

const INVOICES: &str = "receivablesInvoices";
const MEMOS: &str = "receivablesCreditMemos";

#[test]
fn a_header_is_refused_under_the_name_of_what_is_wrong() {
    let fusion = Fusion::new();
    let text = |length: usize| json!("x".repeat(length));
    let rows = [
        ("/Invented", json!(1), "27012"),
        ("/BusinessUnit", json!("Nowhere"), "AR_BU_NOT_FOUND"),
        ("/BusinessUnit", Value::Null, "27014"),
        ("/TransactionSource", json!("Nowhere"), "AR_BATCH_SOURCE_NOT_FOUND"),
        ("/TransactionType", json!("Invoice"), "AR_TYPE_NOT_FOUND"),
        ("/PaymentTerms", json!("45 Net"), "AR_TERMS_NOT_FOUND"),
        ("/TransactionNumber", Value::Null, "27014"),
        ("/BillToCustomerNumber", json!("1"), "AR_BILL_TO_CUST_NOT_FOUND"),
        ("/BillToCustomerName", json!("Somebody"), "AR_BILL_TO_CUST_NOT_FOUND"),
        ("/BillToSite", json!("elsewhere"), "AR_BILL_TO_SITE_NOT_FOUND"),
        ("/ShipToCustomerName", json!("Somebody"), "AR_SHIP_TO_CUST_NUM_REQ"),
        ("/ShipToCustomerNumber", json!("1"), "AR_SHIP_TO_CUST_NOT_FOUND"),
        ("/ShipToSite", json!("elsewhere"), "AR_SHIP_TO_SITE_NOT_FOUND"),
        ("/InvoiceCurrencyCode", json!("XXX"), "AR_FUNC_CURRENCY_REQ"),
        ("/InvoiceCurrencyCode", json!("EUR"), "AR_FUNC_CURRENCY_REQ"),
        ("/AccountingDate", json!("2031-01-01"), "AR_GL_DATE_INVALID"),
        ("/AccountingDate", json!("2026-05-31"), "AR_GL_DATE_INVALID"),
        ("/TransactionDate", json!("02.09.2026"), "27018"),
        ("/InvoiceStatus", json!("Incomplete"), "AR-857798"),
        ("/InvoiceStatus", json!("Frozen"), "AR-857798"),
        ("/receivablesInvoiceLines", json!([]), "AR_LINES_REQ"),
        ("/receivablesInvoiceTransactionDFF", json!([{ "__FLEX_Context": "DOO" }]), "FND_FLEX_CONTEXT"),
        (
            "/receivablesInvoiceTransactionDFF",
            json!([{ "__FLEX_Context": names::FLEXFIELD, "other": "x" }]),
            "27012",
        ),
        (
            "/receivablesInvoiceTransactionDFF",
            json!([{ "__FLEX_Context": names::FLEXFIELD, "orderId": "x".repeat(31) }]),
            "27040",
        ),
        ("/TransactionNumber", text(21), "27040"),
        ("/BusinessUnit", text(241), "27040"),
        ("/TransactionSource", text(51), "27040"),
        ("/TransactionType", text(21), "27040"),
        ("/BillToCustomerName", text(361), "27040"),
        ("/BillToCustomerNumber", text(31), "27040"),
        ("/BillToSite", text(151), "27040"),
        ("/InvoiceCurrencyCode", text(16), "27040"),
        ("/ConversionRateType", text(31), "27040"),
        ("/PaymentTerms", text(16), "27040"),
        ("/PurchaseOrder", text(51), "27040"),
        ("/Comments", text(1_761), "27040"),
    ];
    assert_refused(&fusion, INVOICES, &fusion.invoice("I0000000000000000001"), &rows);
    assert_eq!(fusion.count("invoices"), 0);
    assert_eq!(
        fusion.post(INVOICES, &fusion.invoice("I0000000000000000001")).0,
        201,
        "the unchanged one is taken"
    );
}

#[test]
fn a_bad_line_refuses_the_whole_invoice() {
    let fusion = Fusion::new();
    let text = |length: usize| json!("x".repeat(length));
    let tax =
        |regime: &str| json!([{ "TaxAmount": 1.0, "TaxRegimeCode": regime, "TaxRateCode": "USD STANDARD" }]);
    let rows = [
        ("/receivablesInvoiceLines/0/Invented", json!(1), "27012"),
        ("/receivablesInvoiceLines/0/ItemNumber", json!("NO-SUCH-ITEM"), "AR_ITEM_NOT_FOUND"),
        ("/receivablesInvoiceLines/0/MemoLine", json!("No such memo line"), "AR_MEMO_LINE_NOT_FOUND"),
        ("/receivablesInvoiceLines/0/Description", Value::Null, "AR_LINE_ATTR_OPT_REQ"),
        ("/receivablesInvoiceLines/0/Quantity", json!(0), "27014"),
        ("/receivablesInvoiceLines/0/UnitSellingPrice", Value::Null, "27014"),
        ("/receivablesInvoiceLines/0/LineAmount", json!(18.0), "AR_LINE_AMOUNT"),
        ("/receivablesInvoiceLines/0/Description", text(241), "27040"),
        ("/receivablesInvoiceLines/0/SalesOrder", text(51), "27040"),
        ("/receivablesInvoiceLines/0/UnitOfMeasure", text(26), "27040"),
        ("/receivablesInvoiceLines/0/TaxClassificationCode", text(31), "27040"),
        ("/receivablesInvoiceLines/0/receivablesInvoiceLineTaxLines", tax("XX TAX"), "AR_TAX_NOT_FOUND"),
        ("/receivablesInvoiceDistributions/0/Amount", json!(18.0), "AR_DIST_AMOUNT"),
        ("/receivablesInvoiceDistributions/1/InvoiceLineNumber", json!(2), "AR_DIST_AMOUNT"),
        ("/receivablesInvoiceDistributions/1/AccountClass", json!("Liability"), "AR_ACCOUNT_CLASS"),
        (
            "/receivablesInvoiceDistributions/1/AccountCombination",
            json!("01-110-99999"),
            "AR_ACCOUNT_INVALID",
        ),
        (
            "/receivablesInvoiceDistributions/1/AccountCombination",
            json!(combination(names::PARENT_ACCOUNT, "000")),
            "AR_ACCOUNT_INVALID",
        ),
    ];
    assert_refused(&fusion, INVOICES, &fusion.invoice("I1"), &rows);
    assert_eq!(fusion.count("invoices"), 0);
    fusion.set(&json!({ "disable_account": combination("41000", "110") }));
    assert_refused(
        &fusion,
        INVOICES,
        &fusion.invoice("I1"),
        &[("/Comments", json!(""), "AR_ACCOUNT_INVALID")],
    );
    fusion.set(&json!({ "enable_account": combination("41000", "110") }));
    let mut memo_line = fusion.invoice("I1");
    memo_line["receivablesInvoiceLines"][0]["Description"] = Value::Null;
    memo_line["receivablesInvoiceLines"][0]["MemoLine"] = json!(names::MEMO_LINE);
    assert_eq!(fusion.post(INVOICES, &memo_line).0, 201);
}

#[test]
fn a_foreign_currency_needs_a_type_that_has_a_rate() {
    let fusion = Fusion::new();
    let mut good = fusion.invoice("I1");
    good["InvoiceCurrencyCode"] = json!("EUR");
    good["ConversionRateType"] = json!(names::CONVERSION);
    good["ConversionDate"] = json!("2026-09-02");
    let rows = [
        ("/ConversionRateType", json!("Invented"), "AR_RATE_INVALID"),
        ("/ConversionRateType", json!(names::CONVERSION_WITHOUT_RATES), "AR_RATE_INVALID"),
        ("/ConversionRateType", json!("User"), "AR_RATE_INVALID"),
        ("/ConversionRate", json!(1.1), "AR_RATE_INVALID"),
        ("/ConversionDate", json!("2026-12-31"), "AR_RATE_INVALID"),
    ];
    assert_refused(&fusion, INVOICES, &good, &rows);
    assert_eq!(fusion.post(INVOICES, &good).0, 201);
}

#[test]
fn a_number_is_unique_within_source_and_business_unit() {
    let fusion = Fusion::new();
    assert_eq!(fusion.post(INVOICES, &fusion.invoice("N1")).0, 201);
    assert_refused(
        &fusion,
        INVOICES,
        &fusion.invoice("N1"),
        &[("/Comments", json!("again"), "AR_TRX_NUM_DUP")],
    );
    let other = &fusion.world.scenario.sellers[1].fusion;
    let mut body = fusion.invoice("N1");
    body["BusinessUnit"] = json!(other.business_unit);
    body["BillToCustomerNumber"] = json!(other.first_customer.to_string());
    assert_eq!(fusion.post(INVOICES, &body).0, 201, "another business unit");
}

#[test]
fn a_source_that_numbers_by_itself_ignores_the_number_and_guards_nothing() {
    let fusion = Fusion::new();
    let mut body = fusion.invoice("N1");
    body["TransactionSource"] = json!(names::AUTO_SOURCE);
    let first = fusion.post(INVOICES, &body).1;
    let second = fusion.post(INVOICES, &body).1;
    assert_eq!((&first["TransactionNumber"], &second["TransactionNumber"]), (&json!("1001"), &json!("1002")));
    fusion.set(&json!({ "auto_numbering": true }));
    let third = fusion.post(INVOICES, &fusion.invoice("N1")).1;
    assert_ne!(third["TransactionNumber"], "N1");
    assert_eq!(fusion.count("invoices"), 3);
}

#[test]
fn distributions_that_nobody_sends_are_generated_and_taxes_are_part_of_the_total() {
    let fusion = Fusion::new();
    let mut body = fusion.invoice("I1");
    body["receivablesInvoiceDistributions"] = Value::Null;
    body["receivablesInvoiceLines"][0]["receivablesInvoiceLineTaxLines"] =
        json!([{ "TaxAmount": 3.8, "TaxRegimeCode": "USD TAX", "TaxRateCode": "USD STANDARD" }]);
    let (status, answer) = fusion.post(INVOICES, &body);
    assert_eq!(status, 201, "{answer}");
    assert_eq!(answer["EnteredAmount"].to_string(), "22.80");
    let found: Vec<(String, String)> = answer["receivablesInvoiceDistributions"]["items"]
        .as_array()
        .expect("distributions")
        .iter()
        .map(|one| (one["AccountClass"].to_string(), one["Amount"].to_string()))
        .collect();
    let wanted = [("Receivable", "22.80"), ("Revenue", "19.00"), ("Tax", "3.80")];
    assert_eq!(found, wanted.map(|(class, amount)| (format!("\"{class}\""), amount.to_owned())));
    let installment = &answer["receivablesInvoiceInstallments"]["items"][0];
    assert_eq!(installment["InstallmentBalanceDue"].to_string(), "22.80");
    assert!(installment["InstallmentId"].is_u64());
    body["TransactionNumber"] = json!("I2");
    body["receivablesInvoiceDistributions"] = json!([{ "AccountClass": "Tax", "InvoiceLineNumber": 1,
        "AccountCombination": combination("22100", "000"), "Amount": 3.7 }]);
    assert_refused(&fusion, INVOICES, &body, &[("/Comments", json!(""), "AR_DIST_AMOUNT")]);
}

#[test]
fn only_three_attributes_of_an_invoice_can_be_changed() {
    let fusion = Fusion::new();
    let id = fusion.create(INVOICES, &fusion.invoice("I1"));
    let path = format!("{INVOICES}/{id}");
    for name in ["Comments", "BillToCustomerNumber", "receivablesInvoiceLines", "CrossReference", "Invented"]
    {
        let (status, answer) = fusion.patch(&path, &json!({ name: "x" }));
        assert_eq!(status, 400, "{name}: {answer}");
    }
    let changes = json!({ "PaymentTerms": names::LONG_TERMS, "TransactionDate": "2026-09-01" });
    let (status, answer) = fusion.patch(&path, &changes);
    assert_eq!((status, &answer["TransactionDate"]), (200, &json!("2026-09-01")), "{answer}");
    assert_eq!(fusion.patch(&path, &json!({ "InvoiceStatus": "Void" })).0, 400);
    assert_eq!(fusion.delete(&path), 400, "it is complete");
    let lines = format!("{path}/child/receivablesInvoiceLines");
    let line = json!({ "LineNumber": 2, "Description": "A lid", "Quantity": 1, "UnitSellingPrice": 1 });
    assert_eq!(fusion.post(&lines, &line).0, 400, "it is complete");
    assert_eq!(fusion.patch(&path, &json!({ "InvoiceStatus": "Incomplete" })).0, 200);
    assert_eq!((fusion.post(&lines, &line).0, fusion.post(&lines, &line).0), (201, 400));
    assert_eq!(fusion.get(&path, &[]).1["EnteredAmount"].to_string(), "20.00");
    assert_eq!((fusion.delete(&path), fusion.count("invoices")), (204, 0));
    assert_eq!(fusion.post("journalBatches", &json!({})).0, 405, "journals cannot be posted by REST");
}

#[test]
fn what_the_control_port_takes_away_is_not_found() {
    let fusion = Fusion::new();
    let customer = fusion.setup().first_customer.to_string();
    fusion.set(&json!({ "unknown_customer": customer }));
    let none = |code| [("/Comments", json!(""), code)];
    assert_refused(&fusion, INVOICES, &fusion.invoice("I1"), &none("AR_BILL_TO_CUST_NOT_FOUND"));
    fusion.set(
        &json!({ "known_customer": customer, "close_period": { "application": 222, "period": "Sep-26" } }),
    );
    assert_refused(&fusion, INVOICES, &fusion.invoice("I1"), &none("AR_GL_DATE_INVALID"));
    fusion.set(&json!({ "open_period": { "application": 222, "period": "Sep-26" } }));
    fusion.set(&json!({ "remove_transaction_source": names::INVOICE_SOURCE }));
    assert_refused(&fusion, INVOICES, &fusion.invoice("I1"), &none("AR_BATCH_SOURCE_NOT_FOUND"));
    fusion.set(&json!({ "remove_business_unit": fusion.setup().business_unit }));
    assert_refused(&fusion, INVOICES, &fusion.invoice("I1"), &none("AR_BU_NOT_FOUND"));
}

#[test]
fn a_credit_memo_is_on_account_and_negative_with_names_of_its_own() {
    let fusion = Fusion::new();
    let rows = [
        ("/InvoiceCurrencyCode", json!("USD"), "27012"),
        ("/CrossReference", json!("x"), "27012"),
        ("/PaymentTerms", json!(names::TERMS), "27012"),
        ("/TransactionSource", json!(names::INVOICE_SOURCE), "AR_BATCH_SOURCE_NOT_FOUND"),
        ("/CreditReason", json!("because"), "AR_CREDIT_REASON"),
        ("/receivablesCreditMemoLines/0/UnitSellingPrice", json!(9.5), "AR_CM_SIGN"),
        ("/receivablesCreditMemoLines/0/LineQuantityCredit", json!(-1), "27014"),
        ("/receivablesCreditMemoLines/0/Description", json!("x"), "27012"),
        ("/receivablesCreditMemoLines/0/LineCreditReason", json!("because"), "AR_CREDIT_REASON"),
    ];
    assert_refused(&fusion, MEMOS, &fusion.credit_memo("C1"), &rows);
    let (status, answer) = fusion.post(MEMOS, &fusion.credit_memo("C1"));
    assert_eq!(status, 201, "{answer}");
    assert_eq!(answer["EnteredAmount"].to_string(), "-9.50");
    assert_eq!(answer["CreditMemoBalanceAmount"].to_string(), "-9.50", "it credits no invoice");
    assert_eq!(answer["CreditMemoStatus"], "Complete");
    let path = format!("{MEMOS}/{}", answer["CustomerTransactionId"]);
    assert_eq!(fusion.patch(&path, &json!({ "CreditMemoComments": "x" })).0, 400);
    assert_eq!(fusion.delete(&path), 405);
}
