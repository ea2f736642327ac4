//! Journal Import: what the loader refuses, the codes of rows, groups, leftovers and names.

use std::io::Write as _;

use serde_json::{Value, json};

use super::{Fusion, base64};
use crate::locked;
use crate::scenario::{combination, names};

/// Cells by column number.
pub(super) type Cells = Vec<(usize, String)>;

/// A row of `GlInterface.csv` that is accepted, with its amount as debit (39) or credit (40).
pub(super) fn row(fusion: &Fusion, side: usize) -> Cells {
    let account = if side == 39 { "11800" } else { "12150" };
    let key = format!("J0000000000000000001-{}", side - 38);
    let mut cells: Cells = [
        (1, "NEW"),
        (2, fusion.setup().ledger_id.as_str()),
        (3, "2026/09/02"),
        (4, names::JOURNAL_SOURCE),
        (5, names::JOURNAL_CATEGORY),
        (6, "USD"),
        (7, "2026/09/02"),
        (8, "A"),
        (side, "12.50"),
        (43, "J0000000000000000001"),
        (44, "A settlement"),
        (46, "J0000000000000000001"),
        (48, "another journal"),
        (52, "a line"),
        (53, &key),
        (67, "4711"),
    ]
    .map(|(n, text)| (n, text.to_owned()))
    .into();
    let combination = combination(account, "000");
    cells.extend(combination.split('-').enumerate().map(|(n, segment)| (9 + n, segment.to_owned())));
    cells
}

/// A row with one cell changed.
pub(super) fn changed(mut cells: Cells, column: usize, text: &str) -> Cells {
    cells.retain(|(n, _)| *n != column);
    cells.push((column, text.to_owned()));
    cells
}

fn csv(rows: &[Cells], columns: usize) -> Vec<u8> {
    let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    for cells in rows {
        let mut record = vec![String::new(); columns];
        for (n, text) in cells.iter().filter(|(n, _)| *n <= columns) {
            record[n - 1].clone_from(text);
        }
        csv.write_record(&record).expect("writes");
    }
    csv.into_inner().expect("bytes")
}

/// A zip of files.
pub(super) fn zip_of(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("a file");
        zip.write_all(bytes).expect("writes");
    }
    zip.finish().expect("a zip").into_inner()
}

/// A zip of one file with such rows.
pub(super) fn zipped(name: &str, rows: &[Cells], columns: usize) -> Vec<u8> {
    zip_of(&[(name, csv(rows, columns))])
}

/// Rows as CSV.
pub(super) fn rows_of(rows: &[Cells], columns: usize) -> Vec<u8> {
    csv(rows, columns)
}

/// A journal of two rows, the first one changed.
pub(super) fn journal_zip(fusion: &Fusion, change: Option<(usize, &str)>, columns: usize) -> Vec<u8> {
    let mut rows = [row(fusion, 39), row(fusion, 40)];
    if let Some((column, text)) = change {
        rows[0] = changed(rows[0].clone(), column, text);
    }
    zipped("GlInterface.csv", &rows, columns)
}

/// An importBulkData of journals.
pub(super) fn bulk(fusion: &Fusion, zip: &[u8]) -> Value {
    let setup = fusion.setup();
    json!({
        "OperationName": "importBulkData", "ContentType": "zip", "FileName": "GlInterface.zip",
        "DocumentContent": base64(zip), "DocumentAccount": "fin$/generalLedger$/import$",
        "JobName": "/oracle/apps/ess/financials/generalLedger/programs/common,JournalImportLauncher",
        "ParameterList": format!(
            "{},{},{},4711,N,N,N", setup.data_access_set_id, names::JOURNAL_SOURCE, setup.ledger_id
        ),
        "JobOptions": "InterfaceDetails=15,ImportOption=Y,PurgeOption=N,ExtractFileType=ALL",
    })
}

/// Submits an import; gives its request.
pub(super) fn submit(fusion: &Fusion, zip: &[u8]) -> String {
    posted(fusion, &bulk(fusion, zip))
}

/// Posts an import; gives its request.
pub(super) fn posted(fusion: &Fusion, body: &Value) -> String {
    let (status, answer) = fusion.post("erpintegrations", body);
    assert_eq!(status, 201, "{answer}");
    answer["ReqstId"].as_str().expect("a request").to_owned()
}

/// Imports a changed journal; gives the words of what went wrong, without the legend, which names every code.
fn import(fusion: &Fusion, change: Option<(usize, &str)>, columns: usize) -> String {
    submit(fusion, &journal_zip(fusion, change, columns));
    fusion.wait(12_000);
    fusion.committed();
    let state = locked(&fusion.world.fusion);
    let report = state.reports().join("\n");
    report.split("Error Key").next().unwrap_or_default().to_owned()
}

#[test]
fn each_wrong_row_has_its_code_and_nothing_of_its_group_is_imported() {
    let parent: Vec<String> =
        combination(names::PARENT_ACCOUNT, "000").split('-').map(str::to_owned).collect();
    let rows = [
        ((3, "2031/01/02"), "EP01"),
        ((3, "2026/05/02"), "EP01"),
        ((95, "Aug-26"), "EP01"),
        ((11, "99999"), "EF04"),
        ((11, parent[2].as_str()), "EF02"),
        ((11, names::EXPIRED_ACCOUNT), "EF01"),
        ((5, "Invented"), "EM01"),
        ((6, "XXX"), "EC08"),
        ((6, "EUR"), "EC03"),
        ((41, "13.00"), "EC12"),
        ((39, "12.49"), "EU02"),
        ((39, "0"), "EG01"),
        ((39, "12.505"), "EG01"),
        ((45, "reserved"), "EG01"),
        ((49, "Yes"), "EG01"),
    ];
    for (change, code) in rows {
        let fusion = Fusion::new();
        let report = import(&fusion, Some(change), 149);
        assert!(report.contains(code), "{change:?}: {report}");
        assert_eq!(fusion.count("batches"), 0, "{change:?}");
    }
}

#[test]
fn a_foreign_line_needs_a_type_that_has_a_rate() {
    let rows: [(&[(usize, &str)], &str); 5] = [
        (&[(64, "Invented"), (65, "2026/09/02")], "EC11"),
        (&[(64, "User"), (65, "2026/09/02")], "EC01"),
        (&[(64, "Corporate")], "EC02"),
        (&[(64, "Spot"), (65, "2026/09/02")], "EC06"),
        (&[(64, "Corporate"), (65, "2026/09/02")], ""),
    ];
    for (cells, code) in rows {
        let fusion = Fusion::new();
        let mut both = [row(&fusion, 39), row(&fusion, 40)].map(|row| changed(row, 6, "EUR"));
        for row in &mut both {
            for (column, text) in cells {
                *row = changed(row.clone(), *column, text);
            }
        }
        submit(&fusion, &zipped("GlInterface.csv", &both, 149));
        fusion.wait(12_000);
        assert_eq!(fusion.count("batches"), u64::from(code.is_empty()), "{cells:?}");
        let state = locked(&fusion.world.fusion);
        let report = state.reports().join("\n");
        let lines = report.split("Error Key").next().unwrap_or_default();
        assert!(lines.contains(code), "{cells:?}: {lines}");
    }
}

/// A journal of 12.50 euros with converted amounts as they are given: debit row and credit row, columns 41 and 42.
fn converted(fusion: &Fusion, cells: [(usize, &str); 2]) -> String {
    let rows = [39, 40]
        .into_iter()
        .zip(cells)
        .map(|(side, (column, text))| changed(changed(row(fusion, side), 6, "EUR"), column, text));
    submit(fusion, &zipped("GlInterface.csv", &rows.collect::<Vec<_>>(), 149));
    fusion.wait(12_000);
    fusion.committed();
    let state = locked(&fusion.world.fusion);
    let report = state.reports().join("\n");
    report.split("Error Key").next().unwrap_or_default().to_owned()
}

#[test]
fn converted_amounts_that_come_along_are_taken_as_they_are_and_must_balance() {
    let rows = [
        ([(41, "13.57"), (42, "13.57")], ""),
        ([(41, "13.57"), (42, "13.56")], "EU02"),
        ([(41, "13.57"), (41, "13.57")], "EG01"),
        ([(41, "13.575"), (42, "13.575")], "EG01"),
        ([(41, "13.57"), (52, "no worth")], "EC03"),
    ];
    for (cells, code) in rows {
        let fusion = Fusion::new();
        let report = converted(&fusion, cells);
        assert!(report.contains(code), "{cells:?}: {report}");
        assert_eq!(fusion.count("batches"), u64::from(code.is_empty()), "{cells:?}");
    }
    let fusion = Fusion::new();
    converted(&fusion, [(41, "13.57"), (42, "13.57")]);
    let (_, page) = fusion.get("journalBatches", &[("expand", "journalHeaders.journalLines")]);
    let batch = &page["items"][0];
    assert_eq!(batch["RunningTotalAccountedDr"].to_string(), "13.57");
    let header = &batch["journalHeaders"]["items"][0];
    assert_eq!(
        (&header["UserCurrencyConversionType"], &header["CurrencyCode"]),
        (&json!("User"), &json!("EUR"))
    );
    let lines = &header["journalLines"]["items"];
    let shown = |line: usize, name: &str| lines[line][name].to_string();
    assert_eq!((shown(0, "EnteredDr"), shown(0, "AccountedDr")), ("12.50".into(), "13.57".into()));
    assert_eq!((shown(1, "AccountedDr"), shown(1, "AccountedCr")), ("null".into(), "13.57".into()));
}

/// What is converted by a day's rate balances in the ledger's currency, line by line rounded.
#[test]
fn a_rate_converts_each_line_and_the_largest_takes_what_rounding_leaves() {
    let fusion = Fusion::new();
    let dated = |cells: Cells| changed(changed(changed(cells, 6, "EUR"), 64, "Corporate"), 65, "2026/09/01");
    let mut rows = vec![dated(changed(row(&fusion, 39), 39, "10.00"))];
    rows.extend((0..3).map(|_| dated(changed(row(&fusion, 40), 40, "3.33"))));
    rows.push(dated(changed(row(&fusion, 40), 40, "0.01")));
    submit(&fusion, &zipped("GlInterface.csv", &rows, 149));
    fusion.wait(12_000);
    fusion.committed();
    let state = locked(&fusion.world.fusion);
    let lines = &state.batches[0].journals[0].lines;
    assert_eq!(lines.iter().map(|line| line.accounted).sum::<i64>(), 0);
    let rate = crate::scenario::rates::daily(
        crate::scenario::Currency::Eur,
        crate::scenario::Currency::Usd,
        jiff::civil::date(2026, 9, 1),
    );
    assert_eq!(lines[1].accounted, crate::scenario::rates::at(-333, rate));
    assert!((lines[0].accounted - crate::scenario::rates::at(1_000, rate)).abs() <= 2);
    assert!(lines.iter().all(|line| line.converted_on.as_deref() == Some("2026-09-01")));
}

#[test]
fn a_malformed_file_loads_nothing_and_ends_in_error() {
    let rows = [
        (Some((3, "2026-09-02")), 149, "dates are YYYY/MM/DD"),
        (Some((7, "")), 149, "column 7 is required"),
        (Some((4, "a source with more than 25 characters")), 149, "column 4 is too long"),
        (Some((39, "1,250.00")), 149, "column 39 is no number"),
        (None, 95, "95 columns"),
        (None, 150, "150 columns"),
        (Some((150, "END")), 149, ""),
    ];
    for (change, columns, words) in rows {
        let fusion = Fusion::new();
        let report = import(&fusion, change, columns);
        assert!(report.contains(words), "{change:?} {columns}: {report}");
        assert_eq!(fusion.count("batches"), u64::from(words.is_empty()), "{change:?} {columns}");
        assert_eq!(fusion.count("interface_rows"), 0);
    }
    let fusion = Fusion::new();
    let ended = [row(&fusion, 39), row(&fusion, 40)].map(|row| changed(row, 150, "END"));
    submit(&fusion, &zipped("GlInterface.csv", &ended, 150));
    let request = submit(&fusion, &zipped("glinterface.csv", &ended, 150));
    fusion.wait(12_000);
    assert_eq!(fusion.count("batches"), 1, "a last column END is fine");
    assert_eq!(fusion.status(&request), "ERROR", "the file's name counts, case and all");
}

#[test]
fn a_group_or_source_that_does_not_match_selects_nothing_and_succeeds() {
    let fusion = Fusion::new();
    for (column, text) in [(67, "4712"), (4, "Manual")] {
        let both = [row(&fusion, 39), row(&fusion, 40)].map(|row| changed(row, column, text));
        let request = submit(&fusion, &zipped("GlInterface.csv", &both, 149));
        fusion.wait(12_000);
        assert_eq!((fusion.status(&request).as_str(), fusion.count("batches")), ("SUCCEEDED", 0));
        assert_eq!(fusion.tree(&request)["CHILD"][1]["CHILD"]["STATUS"], "SUCCEEDED");
    }
    assert_eq!(fusion.count("interface_rows"), 4, "they wait for whoever names them");
}

#[test]
fn leftovers_look_processed_and_are_picked_up_again_under_the_same_group() {
    let fusion = Fusion::new();
    import(&fusion, Some((11, "99999")), 149);
    let rows = fusion.committed()["interface_rows"].clone();
    let statuses: Vec<&Value> = rows.as_array().expect("rows").iter().map(|row| &row["status"]).collect();
    assert_eq!(statuses, ["EF04", "P"]);
    submit(&fusion, &journal_zip(&fusion, None, 149));
    fusion.wait(12_000);
    assert_eq!(
        (fusion.count("batches"), fusion.count("interface_rows")),
        (0, 4),
        "the bad row is still there"
    );
    let mut purged = bulk(&fusion, &journal_zip(&fusion, Some((11, "99999")), 149));
    purged["JobOptions"] = json!("InterfaceDetails=15,ImportOption=Y,PurgeOption=Y,ExtractFileType=ALL");
    posted(&fusion, &purged);
    fusion.wait(12_000);
    assert_eq!(fusion.count("interface_rows"), 4, "a purge takes its own load's rows");
}

#[test]
fn an_unbalanced_journal_is_imported_silently_under_suspense_posting() {
    let fusion = Fusion::new();
    fusion.set(&json!({ "suspense": true }));
    let request = submit(&fusion, &journal_zip(&fusion, Some((39, "12.49")), 149));
    fusion.wait(12_000);
    assert_eq!(fusion.tree(&request)["CHILD"][1]["CHILD"]["STATUS"], "SUCCEEDED");
    assert_eq!(fusion.count("batches"), 1);
}

#[test]
fn the_same_content_makes_a_second_journal_under_a_decorated_name() {
    let fusion = Fusion::new();
    let first = submit(&fusion, &journal_zip(&fusion, None, 149));
    submit(&fusion, &journal_zip(&fusion, None, 149));
    fusion.wait(12_000);
    assert_eq!(fusion.count("batches"), 2);
    let q = ("q", "BatchName LIKE '%J0000000000000000001%'");
    let (_, page) = fusion
        .get("journalBatches", &[q, ("orderBy", "JeBatchId"), ("expand", "journalHeaders.journalLines")]);
    let batch = &page["items"][0];
    let import = first.parse::<u64>().expect("a number") + 4;
    assert_eq!(batch["BatchName"], format!("J0000000000000000001 Amazon A 4711 {import} N"));
    assert_eq!((&batch["Status"], &batch["DefaultPeriodName"]), (&json!("U"), &json!("Sep-26")));
    let header = &batch["journalHeaders"]["items"][0];
    assert_eq!(header["JournalName"], "J0000000000000000001 Settlement USD");
    assert_eq!(header["ExternalReference"], "another journal");
    let lines = &header["journalLines"]["items"];
    assert_eq!(
        (lines[0]["EnteredDr"].to_string(), lines[1]["EnteredCr"].to_string()),
        ("12.50".into(), "12.50".into())
    );
    let own = header["links"][0]["href"].as_str().expect("a link");
    let key = own.rsplit('/').next().expect("a key");
    let path = format!("journalBatches/{}/child/journalHeaders/{key}/child/journalLines", batch["JeBatchId"]);
    assert_eq!(fusion.get(&path, &[]).1["count"], 2, "the key is taken from the link");
}

#[test]
fn journals_of_a_batch_are_made_by_name_category_and_currency() {
    let fusion = Fusion::new();
    let other = [39, 40].map(|side| changed(row(&fusion, side), 46, "J0000000000000000002"));
    let third = [39, 40].map(|side| changed(row(&fusion, side), 5, "Adjustment"));
    let rows = [[row(&fusion, 39), row(&fusion, 40)], other, third].concat();
    submit(&fusion, &zipped("GlInterface.csv", &rows, 149));
    fusion.wait(12_000);
    assert_eq!(fusion.count("batches"), 1);
    assert_eq!(locked(&fusion.world.fusion).batches[0].journals.len(), 3);
}

#[test]
fn all_groups_can_be_imported_and_each_stands_by_itself() {
    let fusion = Fusion::new();
    let bad = [39, 40].map(|side| changed(changed(row(&fusion, side), 67, "1"), 11, "99999"));
    let rows = [[row(&fusion, 39), row(&fusion, 40)], bad].concat();
    let mut body = bulk(&fusion, &zipped("GlInterface.csv", &rows, 149));
    let all = body["ParameterList"].as_str().expect("text").replace("4711", "ALL");
    body["ParameterList"] = json!(all);
    posted(&fusion, &body);
    fusion.wait(12_000);
    assert_eq!((fusion.count("batches"), fusion.count("interface_rows")), (1, 2));
}

#[test]
fn a_period_can_close_between_check_and_import_and_rows_can_be_refused() {
    let fusion = Fusion::new();
    fusion.set(&json!({ "close_period_on_import": "Sep-26" }));
    assert!(import(&fusion, None, 149).contains("EP01"));
    let fusion = Fusion::new();
    fusion.set(&json!({ "reject_rows": [2] }));
    let report = import(&fusion, None, 149);
    assert!(report.contains("EF04") && report.contains("J0000000000000000001-2"), "{report}");
    assert!(!report.contains("J0000000000000000001-1"), "only that row: {report}");
    let fusion = Fusion::new();
    fusion.set(&json!({ "disable_account": combination("11800", "000") }));
    assert!(import(&fusion, None, 149).contains("EF03"));
    let fusion = Fusion::new();
    fusion.set(&json!({ "remove_journal_source": names::JOURNAL_SOURCE }));
    assert!(import(&fusion, None, 149).contains("EM09"));
}
