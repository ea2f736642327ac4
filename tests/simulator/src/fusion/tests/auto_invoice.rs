//! AutoInvoice: whole transactions, unique lines, credit memos that name lines, and what stays out of sight.

use serde_json::{Value, json};

use super::imports::{Cells, changed, posted, rows_of, zip_of};
use super::{Fusion, base64};
use crate::scenario::{combination, names};

fn line(fusion: &Fusion, number: &str, key: &str) -> Cells {
    let customer = fusion.setup().first_customer.to_string();
    let cells = [
        (2, names::INVOICE_SOURCE),
        (3, names::INVOICE_TYPE),
        (4, names::TERMS),
        (5, "2026/09/02"),
        (6, "2026/09/02"),
        (7, number),
        (19, &customer),
        (26, "LINE"),
        (27, "A mug"),
        (28, "USD"),
        (29, "User"),
        (31, "1"),
        (32, "19.00"),
        (37, names::FLEXFIELD),
        (38, "100-1000000-1000000"),
        (39, key),
        (57, "100-1000000-1000000"),
        (287, &fusion.setup().business_unit),
    ];
    cells.map(|(n, text)| (n, text.to_owned())).into()
}

fn bulk(fusion: &Fusion, files: &[(&str, Vec<u8>)]) -> Value {
    let filters = ",".repeat(20);
    json!({
        "OperationName": "importBulkData", "ContentType": "zip", "FileName": "RaInterface.zip",
        "DocumentContent": base64(zip_of(files)), "DocumentAccount": "fin$/receivables$/import$",
        "JobName": "/oracle/apps/ess/financials/receivables/transactions/autoInvoices,AutoInvoiceImportEss",
        "ParameterList": format!(
            "{},{},2026-09-02{filters}N,Y", fusion.setup().business_unit_id, names::INVOICE_SOURCE
        ),
        "JobOptions": "InterfaceDetails=2,ImportOption=Y,PurgeOption=Y,ExtractFileType=ALL",
    })
}

/// Imports lines; gives the status of the import below the parent.
fn import(fusion: &Fusion, lines: &[Cells]) -> String {
    import_files(fusion, &[("RaInterfaceLinesAll.csv", rows_of(lines, 373))])
}

fn import_files(fusion: &Fusion, files: &[(&str, Vec<u8>)]) -> String {
    let request = posted(fusion, &bulk(fusion, files));
    fusion.wait(12_000);
    assert_eq!(fusion.status(&request), "SUCCEEDED", "the parent always succeeds");
    fusion.tree(&request)["CHILD"][1]["STATUS"].as_str().expect("a status").to_owned()
}

#[test]
fn lines_of_a_number_become_an_invoice_with_its_taxes() {
    let fusion = Fusion::new();
    let mut tax = line(&fusion, "B1", "k1-tax");
    for (column, text) in
        [(26, "TAX"), (32, "3.80"), (81, "USD TAX"), (84, "USD STANDARD"), (114, names::FLEXFIELD)]
    {
        tax = changed(tax, column, text);
    }
    tax = changed(changed(tax, 115, "100-1000000-1000000"), 116, "k1");
    let lines = [line(&fusion, "B1", "k1"), tax, line(&fusion, "B2", "k2")];
    assert_eq!(import(&fusion, &lines), "SUCCEEDED");
    fusion.wait(3_000);
    let (_, page) = fusion.get("receivablesInvoices", &[("q", "TransactionNumber='B1'"), ("expand", "all")]);
    let invoice = &page["items"][0];
    assert_eq!(invoice["EnteredAmount"].to_string(), "22.80", "{page}");
    assert_eq!(invoice["CrossReference"], Value::Null, "the file has no column for it");
    assert_eq!(invoice["receivablesInvoiceDistributions"]["count"], 3);
    assert_eq!(fusion.count("invoices"), 2);
}

#[test]
fn a_bad_line_keeps_its_transaction_out_and_nobody_says_why() {
    let fusion = Fusion::new();
    let rows = [
        (3, "Invented"),
        (4, "45 Net"),
        (6, "2031/01/01"),
        (19, "1"),
        (20, "elsewhere"),
        (26, "CHARGES"),
        (27, ""),
        (28, "XXX"),
        (29, ""),
        (32, "19.005"),
        (37, "OTHER"),
    ];
    for (n, (column, text)) in rows.into_iter().enumerate() {
        let (bad, good) = (format!("B{n}"), format!("G{n}"));
        let mut lines = vec![line(&fusion, &bad, &format!("b{n}")), line(&fusion, &bad, &format!("c{n}"))];
        lines[0] = changed(lines[0].clone(), column, text);
        // The lines of a transaction have these in common.
        if [3, 4, 6, 19, 20, 28, 29].contains(&column) {
            lines[1] = changed(lines[1].clone(), column, text);
        }
        lines.push(line(&fusion, &good, &format!("g{n}")));
        assert_eq!(import(&fusion, &lines), "WARNING", "column {column}");
        let count = |number: &str| {
            let q = format!("TransactionNumber='{number}'");
            fusion.wait(3_000);
            fusion.get("receivablesInvoices", &[("q", &q)]).1["count"].as_u64()
        };
        assert_eq!((count(&bad), count(&good)), (Some(0), Some(1)), "column {column}");
    }
}

#[test]
fn a_line_s_flexfield_is_unique_and_guards_against_doubles() {
    let fusion = Fusion::new();
    assert_eq!(import(&fusion, &[line(&fusion, "B1", "k1")]), "SUCCEEDED");
    assert_eq!(import(&fusion, &[line(&fusion, "B2", "k1")]), "WARNING");
    assert_eq!(import(&fusion, &[line(&fusion, "B1", "k2")]), "WARNING", "the number exists");
    assert_eq!(fusion.count("invoices"), 1);
}

#[test]
fn a_credit_memo_that_names_lines_is_applied_to_their_invoice() {
    let fusion = Fusion::new();
    import(&fusion, &[line(&fusion, "B1", "k1")]);
    let memo = |number: &str, key: &str, amount: &str, of: &str| {
        let mut cells = line(&fusion, number, key);
        for (column, text) in [
            (3, names::CREDIT_MEMO_TYPE),
            (32, amount),
            (130, names::FLEXFIELD),
            (131, "100-1000000-1000000"),
            (132, of),
        ] {
            cells = changed(cells, column, text);
        }
        cells
    };
    assert_eq!(import(&fusion, &[memo("C1", "m1", "-19.01", "k1")]), "WARNING", "more than is open");
    assert_eq!(import(&fusion, &[memo("C2", "m2", "-9.00", "other")]), "WARNING", "no such line");
    assert_eq!(import(&fusion, &[memo("C3", "m3", "9.00", "k1")]), "WARNING", "a credit is negative");
    assert_eq!(import(&fusion, &[memo("C4", "m4", "-9.00", "k1")]), "SUCCEEDED");
    let (_, page) = fusion.get("receivablesInvoices", &[("q", "TransactionNumber='B1'")]);
    assert_eq!(page["items"][0]["InvoiceBalanceAmount"].to_string(), "10.00");
    assert_eq!(fusion.count("credit_memos"), 1);
}

#[test]
fn distributions_cover_their_class_in_accounts_that_exist() {
    let fusion = Fusion::new();
    let distribution = |class: &str, amount: &str, account: &str| {
        let mut cells: Cells = [
            (2, class),
            (3, amount),
            (5, amount),
            (6, names::FLEXFIELD),
            (7, "100-1000000-1000000"),
            (8, "k1"),
        ]
        .map(|(n, text)| (n, text.to_owned()))
        .into();
        let combination = combination(account, "000");
        cells.extend(combination.split('-').enumerate().map(|(n, part)| (22 + n, part.to_owned())));
        cells
    };
    let rows = [
        (distribution("REV", "18.00", "41000"), "WARNING"),
        (distribution("REV", "19.00", "99999"), "WARNING"),
        (changed(distribution("REV", "19.00", "41000"), 5, "18.00"), "WARNING"),
        (distribution("REV", "19.00", "41800"), "SUCCEEDED"),
    ];
    for (cells, status) in rows {
        let files = [
            ("RaInterfaceLinesAll.csv", rows_of(&[line(&fusion, "B1", "k1")], 373)),
            ("RaInterfaceDistributionsAll.csv", rows_of(&[cells], 140)),
        ];
        assert_eq!(import_files(&fusion, &files), status);
    }
    let wanted = combination("41800", "000");
    let invoice = fusion.committed()["invoices"][0].clone();
    assert!(invoice["distributions"].to_string().contains(&wanted), "{invoice}");
}

#[test]
fn an_abort_is_only_in_the_log_and_no_rows_are_no_error() {
    let fusion = Fusion::new();
    assert_eq!(import(&fusion, &[changed(line(&fusion, "B1", "k1"), 2, "Other source")]), "SUCCEEDED");
    assert_eq!(fusion.count("invoices"), 0);
    let rows = [
        (json!({ "consolidated_billing": true }), "consolidated billing"),
        (
            json!({ "consolidated_billing": false, "remove_transaction_source": names::INVOICE_SOURCE }),
            "reference set",
        ),
    ];
    for (knob, words) in rows {
        fusion.set(&knob);
        assert_eq!(import(&fusion, &[line(&fusion, "B1", "k1")]), "ERROR");
        let state = crate::locked(&fusion.world.fusion);
        assert!(state.reports().last().is_some_and(|report| report.contains(words)), "{words}");
    }
    let narrow = [("RaInterfaceLinesAll.csv", rows_of(&[line(&fusion, "B1", "k1")], 372))];
    let request = posted(&fusion, &bulk(&fusion, &narrow));
    fusion.wait(12_000);
    assert_eq!(fusion.status(&request), "ERROR", "372 columns do not load");
}
