//! What goes to Fusion for receivables, whole and column by column.

use ml_connector_domain::document::{Body, Credit, CreditedLines, Document, Kind, Origin, Remittance};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::ledger::{
    AutoInvoiceSetup, Flexfield, LedgerSetup, LineSegments, ReceiptSetup, TaxCode,
};
use ml_connector_domain::mapping::{DocumentLine, LineClass};
use ml_connector_domain::{Currency, DocumentKey, Money};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::journal_csv::tests::setup;
use crate::layout::tests::line;
use crate::{auto_invoice, receipts, receivables};

const REVENUE: &str = "01-110-41000-000";
const SHIPPING: &str = "01-110-41800-000";
const TAX: &str = "01-000-22100-000";
const RECEIVABLE: &str = "01-000-12100-000";

/// A number with exactly these digits.
fn n(digits: &str) -> Value {
    serde_json::from_str(digits).expect("a number")
}

/// The test's ledger with everything on that receivables can have.
fn full() -> LedgerSetup {
    LedgerSetup {
        tax: [("US".into(), TaxCode { regime: "US SALES TAX".to_owned(), rate_code: "MKT".to_owned() })]
            .into(),
        transaction_flexfield: Some(Flexfield {
            context: "AMAZON".to_owned(),
            order_segment: "amazonOrderId".to_owned(),
            document_segment: Some("connectorKey".to_owned()),
        }),
        credit_memo_reason: Some("RETURN".to_owned()),
        receipts: Some(ReceiptSetup {
            method: "Amazon".to_owned(),
            bank_account: "10271-17621-619".to_owned(),
            clearing: "clearing".to_owned(),
            from: None,
        }),
        auto_invoice: Some(AutoInvoiceSetup {
            from_documents: 2,
            business_unit_id: "300000001".to_owned(),
            line_context: "AMAZON LINES".to_owned(),
            line_segments: Some(LineSegments { document: "docKey".to_owned(), line: "lineNo".to_owned() }),
        }),
        ..setup()
    }
}

fn document(kind: Kind, subject: &str, body: Body) -> Document {
    let hash = || ContentHash::of(b"");
    Document {
        key: DocumentKey::derive(kind.letter(), &"A1".into(), subject, 0),
        seller: "A1".into(),
        revision: 0,
        date: jiff::civil::date(2026, 9, 15),
        moved_from: None,
        currency: Currency::USD,
        body,
        origin: Origin::new(hash(), hash(), hash()),
    }
}

fn sold() -> Vec<DocumentLine> {
    vec![
        line("MUG", 2_000, REVENUE, LineClass::Revenue),
        line("MUG", 501, SHIPPING, LineClass::Revenue),
        line("MUG", 160, TAX, LineClass::Tax),
    ]
}

fn invoice_of(lines: Vec<DocumentLine>) -> Document {
    let order = "113-1234567-1234567";
    let body = Body::Invoice {
        order: order.into(),
        marketplace: "US".into(),
        lines,
        net_of: Vec::new(),
        shipment: None,
    };
    document(Kind::Invoice, order, body)
}

fn memo_of(lines: Vec<DocumentLine>) -> Document {
    let invoice = invoice_of(sold());
    let Body::Invoice { lines: of, .. } = &invoice.body else { unreachable!("an invoice") };
    let credits = CreditedLines::find(&invoice.key, of, &lines);
    let body = Body::CreditMemo {
        order: "113-1234567-1234567".into(),
        cause: Credit::Refund { refund: "refund-1".into() },
        marketplace: "US".into(),
        lines,
        credits,
    };
    document(Kind::CreditMemo, "refund-1", body)
}

fn returned() -> Vec<DocumentLine> {
    vec![line("MUG", -1_000, REVENUE, LineClass::Revenue), line("MUG", -80, TAX, LineClass::Tax)]
}

#[test]
fn an_invoice_with_tax_lines_flexfields_and_references() {
    let invoice = invoice_of(sold());
    let key = invoice.key.as_str();
    let flexfield = |n: &str| json!([{ "__FLEX_Context": "AMAZON LINES", "docKey": key, "lineNo": n }]);
    let wanted = json!({
        "BusinessUnit": "US1 BU", "TransactionSource": "Amazon", "TransactionType": "Amazon Invoice",
        "TransactionNumber": key, "TransactionDate": "2026-09-15", "AccountingDate": "2026-09-15",
        "BillToCustomerNumber": "1001", "PaymentTerms": "IMMEDIATE", "InvoiceCurrencyCode": "USD",
        "CrossReference": "113-1234567-1234567", "Comments": "Amazon order 113-1234567-1234567",
        "receivablesInvoiceTransactionDFF":
            [{ "__FLEX_Context": "AMAZON", "amazonOrderId": "113-1234567-1234567", "connectorKey": key }],
        "receivablesInvoiceLines": [
            { "LineNumber": 1, "Description": "Revenue MUG", "Quantity": 2, "UnitSellingPrice": n("10.00"),
              "SalesOrder": "113-1234567-1234567", "receivablesInvoiceLineTransactionDFF": flexfield("1"),
              "receivablesInvoiceLineTaxLines":
                [{ "TaxAmount": n("1.60"), "TaxRegimeCode": "US SALES TAX", "TaxRateCode": "MKT" }] },
            { "LineNumber": 2, "Description": "Revenue MUG", "Quantity": 1, "UnitSellingPrice": n("5.01"),
              "SalesOrder": "113-1234567-1234567", "receivablesInvoiceLineTransactionDFF": flexfield("2") },
        ],
        "receivablesInvoiceDistributions": [
            { "AccountClass": "Receivable", "AccountCombination": RECEIVABLE, "Amount": n("26.61") },
            { "InvoiceLineNumber": 1, "AccountClass": "Revenue", "AccountCombination": REVENUE, "Amount": n("20.00") },
            { "InvoiceLineNumber": 1, "DetailedTaxLineNumber": 1, "AccountClass": "Tax",
              "AccountCombination": TAX, "Amount": n("1.60") },
            { "InvoiceLineNumber": 2, "AccountClass": "Revenue", "AccountCombination": SHIPPING, "Amount": n("5.01") },
        ],
    });
    assert_eq!(receivables::invoice(&full(), &invoice).expect("a body"), wanted);
}

#[test]
fn without_a_tax_code_tax_is_a_line_and_nothing_optional_is_sent() {
    let body = receivables::invoice(&setup(), &invoice_of(sold())).expect("a body");
    let names: Vec<&String> = body.as_object().expect("an object").keys().collect();
    assert!(!names.iter().any(|name| name.contains("DFF") || *name == "InvoiceStatus"), "{names:?}");
    let lines = body["receivablesInvoiceLines"].as_array().expect("lines");
    assert_eq!(lines.len(), 3);
    for line in lines {
        let names: Vec<&String> = line.as_object().expect("an object").keys().collect();
        assert_eq!(names, ["Description", "LineNumber", "Quantity", "SalesOrder", "UnitSellingPrice"]);
    }
}

#[test]
fn an_on_account_credit_memo_has_negative_prices_a_reason_and_the_refunds_id() {
    let memo = memo_of(returned());
    let wanted = json!({
        "BusinessUnit": "US1 BU", "TransactionSource": "Amazon CM", "TransactionType": "Amazon CM",
        "TransactionNumber": memo.key.as_str(), "TransactionDate": "2026-09-15", "AccountingDate": "2026-09-15",
        "BillToCustomerNumber": "1001", "CreditMemoCurrency": "USD", "PurchaseOrder": "refund-1",
        "CreditMemoComments": "Refund of Amazon order 113-1234567-1234567", "CreditReason": "RETURN",
        "receivablesCreditMemoLines": [
            { "LineNumber": 1, "LineDescription": "Revenue MUG", "LineQuantityCredit": 1, "UnitSellingPrice": n("-10.00"),
              "receivablesCreditMemoLineTaxLines":
                [{ "TaxAmount": n("-0.80"), "TaxRegimeCode": "US SALES TAX", "TaxRateCode": "MKT" }] },
        ],
        "receivablesCreditMemoDistributions": [
            { "AccountClass": "Receivable", "AccountCombination": RECEIVABLE, "Amount": n("-10.80") },
            { "CreditMemoLineNumber": 1, "AccountClass": "Revenue", "AccountCombination": REVENUE, "Amount": n("-10.00") },
            { "CreditMemoLineNumber": 1, "DetailedTaxLineNumber": 1, "AccountClass": "Tax",
              "AccountCombination": TAX, "Amount": n("-0.80") },
        ],
    });
    assert_eq!(receivables::credit_memo(&full(), &memo).expect("a body"), wanted);
}

#[test]
fn a_receipt_has_a_reference_for_each_document_and_is_never_negative() {
    let receipt = |minor: [i64; 2]| {
        let reference = |key: &str, minor: i64| Remittance {
            document: DocumentKey::from_stored(key),
            amount: Money::new(minor, Currency::USD),
        };
        let body = Body::Receipt {
            subject: "G1/1001".to_owned(),
            group: "G1".into(),
            customer: "1001".to_owned(),
            references: vec![reference("IAAA", minor[0]), reference("CBBB", minor[1])],
        };
        document(Kind::Receipt, "G1/1001", body)
    };
    let good = receipt([2_661, -1_080]);
    assert!(good.key.as_str().len() <= 30, "ReceiptNumber has 30 characters");
    let wanted = json!({
        "ReceiptNumber": good.key.as_str(), "ReceiptMethod": "Amazon", "BusinessUnit": "US1 BU",
        "CustomerAccountNumber": "1001", "RemittanceBankAccountNumber": "10271-17621-619", "Currency": "USD",
        "Amount": "15.81", "ReceiptDate": "2026-09-15", "AccountingDate": "2026-09-15",
        "Comments": "Amazon settlement G1",
        "remittanceReferences": [
            { "ReceiptMatchBy": "Transaction Number", "ReferenceNumber": "IAAA", "ReferenceAmount": "26.61" },
            { "ReceiptMatchBy": "Transaction Number", "ReferenceNumber": "CBBB", "ReferenceAmount": "-10.80" },
        ],
    });
    assert_eq!(receipts::receipt(&full(), &good).expect("a body"), wanted);
    let refused = receipts::receipt(&full(), &receipt([1_000, -1_080])).expect_err("negative");
    assert!(refused.starts_with("FUS-RECEIPT"), "{refused}");
}

/// The filled columns of each row, counted from 1.
fn filled(file: &[u8], columns: usize) -> Vec<Vec<(usize, String)>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(file);
    let rows = reader.records().map(|row| row.expect("well-formed"));
    rows.map(|row| {
        assert_eq!(row.len(), columns);
        row.iter().enumerate().filter(|(_, t)| !t.is_empty()).map(|(n, t)| (n + 1, t.to_owned())).collect()
    })
    .collect()
}

fn unzipped(zip: &[u8], name: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).expect("a zip");
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut archive.by_name(name).expect(name), &mut bytes).expect("reads");
    bytes
}

fn row(columns: &[(usize, &str)]) -> Vec<(usize, String)> {
    let mut row: Vec<(usize, String)> = columns.iter().map(|(n, text)| (*n, (*text).to_owned())).collect();
    row.sort();
    row
}

#[test]
fn auto_invoices_rows_stand_column_by_column() {
    let (invoice, memo) = (invoice_of(sold()), memo_of(returned()));
    let (i, c) = (invoice.key.as_str(), memo.key.as_str());
    let zip = auto_invoice::zip(&full(), &[&invoice]).expect("a zip");
    let lines = filled(&unzipped(&zip, "RaInterfaceLinesAll.csv"), 373);
    let header = [
        (2, "Amazon"),
        (3, "Amazon Invoice"),
        (4, "IMMEDIATE"),
        (5, "2026/09/15"),
        (6, "2026/09/15"),
        (7, i),
        (19, "1001"),
        (28, "USD"),
        (29, "User"),
        (31, "1"),
        (37, "AMAZON LINES"),
        (38, i),
        (57, "113-1234567-1234567"),
        (287, "US1 BU"),
    ];
    let of = |more: &[(usize, &str)]| row(&[&header, more].concat());
    let wanted = [
        of(&[(26, "LINE"), (27, "Revenue MUG"), (32, "20.00"), (33, "2"), (35, "10.00"), (39, "1")]),
        of(&[
            (26, "TAX"),
            (27, "Revenue MUG"),
            (32, "1.60"),
            (39, "3"),
            (81, "US SALES TAX"),
            (84, "MKT"),
            (114, "AMAZON LINES"),
            (115, i),
            (116, "1"),
        ]),
        of(&[(26, "LINE"), (27, "Revenue MUG"), (32, "5.01"), (33, "1"), (35, "5.01"), (39, "2")]),
    ];
    assert_eq!(lines, wanted);
    let distributions = filled(&unzipped(&zip, "RaInterfaceDistributionsAll.csv"), 140);
    let distribution = |class: &str, amount: &str, line: &str, segments: [&str; 4]| {
        row(&[
            (2, class),
            (3, amount),
            (5, amount),
            (6, "AMAZON LINES"),
            (7, i),
            (8, line),
            (22, segments[0]),
            (23, segments[1]),
            (24, segments[2]),
            (25, segments[3]),
            (99, "US1 BU"),
        ])
    };
    let wanted = [
        distribution("REC", "26.61", "1", ["01", "000", "12100", "000"]),
        distribution("REV", "20.00", "1", ["01", "110", "41000", "000"]),
        distribution("TAX", "1.60", "3", ["01", "000", "22100", "000"]),
        distribution("REV", "5.01", "2", ["01", "110", "41800", "000"]),
    ];
    assert_eq!(distributions, wanted);

    let zip = auto_invoice::zip(&full(), &[&memo]).expect("a zip");
    let lines = filled(&unzipped(&zip, "RaInterfaceLinesAll.csv"), 373);
    let header = [
        (2, "Amazon CM"),
        (3, "Amazon CM"),
        (5, "2026/09/15"),
        (6, "2026/09/15"),
        (7, c),
        (19, "1001"),
        (28, "USD"),
        (29, "User"),
        (31, "1"),
        (37, "AMAZON LINES"),
        (38, c),
        (57, "113-1234567-1234567"),
        (99, "RETURN"),
        (107, "refund-1"),
        (287, "US1 BU"),
    ];
    let of = |more: &[(usize, &str)]| row(&[&header, more].concat());
    let wanted = [
        of(&[
            (26, "LINE"),
            (27, "Revenue MUG"),
            (32, "-10.00"),
            (39, "1"),
            (130, "AMAZON LINES"),
            (131, i),
            (132, "1"),
        ]),
        of(&[
            (26, "TAX"),
            (27, "Revenue MUG"),
            (32, "-0.80"),
            (39, "2"),
            (81, "US SALES TAX"),
            (84, "MKT"),
            (114, "AMAZON LINES"),
            (115, c),
            (116, "1"),
        ]),
    ];
    assert_eq!(lines, wanted);
}

#[test]
fn the_import_names_its_job_its_24_arguments_and_the_same_bytes_each_time() {
    let invoice = invoice_of(sold());
    let zip = || auto_invoice::zip(&full(), &[&invoice]).expect("a zip");
    assert_eq!(zip(), zip());
    let body = auto_invoice::import_request(&full(), &[&invoice], &zip()).expect("a body");
    assert_eq!(
        body["JobName"],
        "/oracle/apps/ess/financials/receivables/transactions/autoInvoices,AutoInvoiceImportEss"
    );
    assert_eq!(body["DocumentAccount"], "fin$/receivables$/import$");
    assert_eq!(body["JobOptions"], "InterfaceDetails=2,ImportOption=Y,PurgeOption=Y,ExtractFileType=ALL");
    let arguments: Vec<&str> = body["ParameterList"].as_str().expect("text").split(',').collect();
    let wanted = [["300000001", "Amazon", "2026-09-15"].as_slice(), &[""; 19], &["N", "Y"]].concat();
    assert_eq!(arguments, wanted);
}

#[test]
fn a_credit_memo_that_names_no_lines_or_only_tax_does_not_go_by_auto_invoice() {
    let elsewhere = memo_of(vec![line("CUP", -1_000, REVENUE, LineClass::Revenue)]);
    let only_tax = memo_of(vec![line("MUG", -80, TAX, LineClass::Tax)]);
    assert!(auto_invoice::can_import(&full(), &memo_of(returned())));
    for memo in [elsewhere, only_tax] {
        assert!(!auto_invoice::can_import(&full(), &memo), "{memo:?}");
    }
}

#[test]
fn an_order_id_that_does_not_fit_a_reference_is_refused_and_never_cut() {
    let mut invoice = invoice_of(sold());
    if let Body::Invoice { order, .. } = &mut invoice.body {
        *order = "1".repeat(51).as_str().into();
    }
    let refused = receivables::invoice(&full(), &invoice).expect_err("too long");
    assert!(refused.starts_with("FUS-LENGTH"), "{refused}");
}

fn cents(value: &Value) -> i64 {
    let money = Money::parse(&value.to_string(), Currency::USD).expect("an amount");
    money.minor
}

/// The sum of the distributions of a class, and for each line.
fn sum(distributions: &Value, name: &str, class: Option<&str>, line: Option<usize>) -> i64 {
    let all = distributions.as_array().expect("distributions").iter();
    all.filter(|one| class.is_none_or(|class| one["AccountClass"] == class))
        .filter(|one| line.is_none_or(|line| one[name] == json!(line)))
        .map(|one| cents(&one["Amount"]))
        .sum()
}

fn any_lines() -> impl Strategy<Value = Vec<DocumentLine>> {
    let class = prop_oneof![Just(LineClass::Revenue), Just(LineClass::Tax)];
    let one = (0..3_usize, -4_000..9_000_i64, 0..3_usize, 1..5_u32, class);
    let one = one.prop_map(|(sku, minor, account, quantity, class)| DocumentLine {
        quantity,
        ..line(["A", "B", "C"][sku], minor, [REVENUE, SHIPPING, TAX][account], class)
    });
    prop::collection::vec(one, 1..16)
}

proptest! {
    #[test]
    fn an_invoices_distributions_sum_to_its_lines_and_its_receivable(lines in any_lines(), taxed: bool) {
        let total: i64 = lines.iter().map(|line| line.amount.minor).sum();
        let setup = if taxed { full() } else { setup() };
        let body = receivables::invoice(&setup, &invoice_of(lines)).expect("a body");
        let (distributions, name) = (&body["receivablesInvoiceDistributions"], "InvoiceLineNumber");
        prop_assert_eq!(sum(distributions, name, Some("Receivable"), None), total);
        prop_assert_eq!(sum(distributions, name, None, None), 2 * total);
        for (line, n) in body["receivablesInvoiceLines"].as_array().expect("lines").iter().zip(1_usize..) {
            let amount = line["Quantity"].as_i64().expect("a number") * cents(&line["UnitSellingPrice"]);
            let tax = line.pointer("/receivablesInvoiceLineTaxLines/0/TaxAmount").map_or(0, cents);
            prop_assert_eq!(sum(distributions, name, Some("Revenue"), Some(n)), amount);
            prop_assert_eq!(sum(distributions, name, Some("Tax"), Some(n)), tax);
        }
    }

    #[test]
    fn a_credit_memos_lines_are_negative_and_its_distributions_sum_to_them(lines in any_lines(), taxed: bool) {
        let total: i64 = lines.iter().map(|line| line.amount.minor).sum();
        let setup = if taxed { full() } else { setup() };
        let made = receivables::credit_memo(&setup, &memo_of(lines));
        prop_assert_eq!(made.is_ok(), total < 0);
        let Ok(body) = made else { return Ok(()) };
        let (distributions, name) = (&body["receivablesCreditMemoDistributions"], "CreditMemoLineNumber");
        prop_assert_eq!(sum(distributions, name, Some("Receivable"), None), total);
        for (line, n) in body["receivablesCreditMemoLines"].as_array().expect("lines").iter().zip(1_usize..) {
            prop_assert!(line["LineQuantityCredit"] == json!(1) && cents(&line["UnitSellingPrice"]) < 0);
            let tax = line.pointer("/receivablesCreditMemoLineTaxLines/0/TaxAmount").map_or(0, cents);
            prop_assert!(tax <= 0);
            prop_assert_eq!(sum(distributions, name, Some("Revenue"), Some(n)), cents(&line["UnitSellingPrice"]));
            prop_assert_eq!(sum(distributions, name, Some("Tax"), Some(n)), tax);
        }
    }
}
