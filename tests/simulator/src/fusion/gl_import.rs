//! Journal Import: from `GlInterface.csv` to batches, all of a group or none of it.

use std::collections::BTreeMap;
use std::io::Read as _;

use super::{FusionState, lov};
use crate::World;
use crate::scenario::{Currency, FusionSetup, names};

/// A row of the interface table.
#[derive(Debug, Clone)]
pub(super) struct InterfaceRow {
    pub(super) columns: Vec<String>,
}

impl InterfaceRow {
    /// Column `n`, from 1.
    fn at(&self, n: usize) -> &str {
        self.columns.get(n - 1).map(String::as_str).unwrap_or_default()
    }
}

/// An imported batch.
#[derive(Debug, Clone)]
pub struct JournalBatch {
    /// JeBatchId.
    pub id: u64,
    /// BatchName, decorated by the import.
    pub name: String,
    /// BatchDescription.
    pub description: String,
    /// Seller whose ledger it is in.
    pub seller: usize,
    /// Accounting date.
    pub date: String,
    /// Lines.
    pub lines: Vec<GlLine>,
}

/// A journal line.
#[derive(Debug, Clone)]
pub struct GlLine {
    /// Combination.
    pub account: String,
    /// Currency.
    pub currency: Currency,
    /// Debit in minor units; negative for a credit.
    pub net: i64,
    /// Description.
    pub description: String,
}

/// How an import ended.
pub(super) enum Imported {
    /// The file could not be loaded.
    LoadFailed(String),
    /// What the parameters selected was imported; that may be nothing, and is no error.
    Done,
    /// No row was imported; the report says why.
    Rejected(String),
}

/// Loads a zip and imports the group that the parameters name.
pub(super) fn import(
    world: &World,
    state: &mut FusionState,
    zip: &[u8],
    parameters: &str,
    request: u64,
) -> Imported {
    match load(zip) {
        Ok(rows) => state.interface.extend(rows),
        Err(words) => return Imported::LoadFailed(words),
    }
    let arguments: Vec<&str> = parameters.split(',').collect();
    let [access_set, source, ledger, group, ..] = arguments.as_slice() else {
        return Imported::LoadFailed("the launcher takes seven parameters".to_owned());
    };
    let sellers = &world.scenario.sellers;
    let setup = sellers
        .iter()
        .position(|s| s.fusion.ledger_id == *ledger && s.fusion.data_access_set_id == *access_set);
    let Some(seller) = setup else { return Imported::Done };
    // A group or source that does not match selects nothing, and that is no error.
    let (selected, rest): (Vec<InterfaceRow>, Vec<InterfaceRow>) = std::mem::take(&mut state.interface)
        .into_iter()
        .partition(|row| row.at(67) == *group && row.at(4) == *source && row.at(2) == *ledger);
    state.interface = rest;
    if selected.is_empty() {
        return Imported::Done;
    }
    let problems = problems(world, state, &sellers[seller].fusion, &selected);
    if problems.iter().any(|codes| !codes.is_empty()) {
        let report = report(&selected, &problems);
        state.interface.extend(selected);
        return Imported::Rejected(report);
    }
    let batch = batch(state, seller, &selected, request);
    state.batches.push(batch);
    Imported::Done
}

fn load(zip: &[u8]) -> Result<Vec<InterfaceRow>, String> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).map_err(|error| error.to_string())?;
    let mut file = archive
        .by_name("GlInterface.csv")
        .map_err(|_| "SQL*Loader cannot find GlInterface.csv".to_owned())?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| error.to_string())?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        if !(149..=150).contains(&record.len()) {
            return Err(format!("SQL*Loader: {} columns", record.len()));
        }
        let row = InterfaceRow { columns: record.iter().map(str::to_owned).collect() };
        let dates = [row.at(3), row.at(7)];
        if dates.iter().any(|date| iso(date).is_none()) {
            return Err("SQL*Loader: dates are YYYY/MM/DD and DATE_CREATED is required".to_owned());
        }
        rows.push(row);
    }
    Ok(rows)
}

/// `YYYY/MM/DD` as `YYYY-MM-DD`.
fn iso(date: &str) -> Option<String> {
    let parts: Vec<&str> = date.split('/').collect();
    match parts.as_slice() {
        [year, month, day] if [year.len(), month.len(), day.len()] == [4, 2, 2] => {
            Some(format!("{year}-{month}-{day}"))
        }
        _ => None,
    }
}

fn account(row: &InterfaceRow) -> String {
    let segments: Vec<&str> = (9..=38).map(|n| row.at(n)).take_while(|segment| !segment.is_empty()).collect();
    segments.join("-")
}

fn net(row: &InterfaceRow) -> Option<i64> {
    let currency = Currency::of(row.at(6))?;
    let side = |text: &str| if text.is_empty() { Some(0) } else { currency.minor(text) };
    Some(side(row.at(39))? - side(row.at(40))?)
}

/// The error codes of each row.
fn problems(
    world: &World,
    state: &FusionState,
    setup: &FusionSetup,
    rows: &[InterfaceRow],
) -> Vec<Vec<&'static str>> {
    let mut sums = BTreeMap::<(String, String), i64>::new();
    for row in rows {
        *sums.entry((row.at(46).to_owned(), row.at(6).to_owned())).or_default() += net(row).unwrap_or(0);
    }
    rows.iter()
        .map(|row| {
            let mut codes = Vec::new();
            let date = iso(row.at(3)).unwrap_or_default();
            if lov::status(world, 101, &date) != Some('O') {
                codes.push("EP01");
            }
            if !state.combinations.contains(&account(row)) {
                codes.push("EF04");
            }
            if row.at(5) != names::JOURNAL_CATEGORY
                || row.at(4) != names::JOURNAL_SOURCE
                || row.at(2) != setup.ledger_id
            {
                codes.push("EM01");
            }
            match Currency::of(row.at(6)) {
                None => codes.push("EC08"),
                Some(Currency::Usd) => {}
                // Corporate has daily rates; nothing else does.
                Some(_) if row.at(64) != names::CONVERSION => codes.push("EC03"),
                Some(_) if row.at(65).is_empty() => codes.push("EC02"),
                Some(_) => {}
            }
            let both_empty = row.at(39).is_empty() == row.at(40).is_empty();
            if row.at(1) != "NEW" || row.at(8) != "A" || both_empty || net(row).is_none_or(|net| net == 0) {
                codes.push("EM29");
            }
            // Suspense posting is off.
            if sums.get(&(row.at(46).to_owned(), row.at(6).to_owned())).is_some_and(|sum| *sum != 0) {
                codes.push("EU02");
            }
            codes
        })
        .collect()
}

/// The child's report: error lines, then a legend that lists every code there is.
fn report(rows: &[InterfaceRow], problems: &[Vec<&'static str>]) -> String {
    let mut report = "Journal Import Execution Report\n\n=========== Error Lines ===========\n".to_owned();
    for (row, codes) in rows.iter().zip(problems).filter(|(_, codes)| !codes.is_empty()) {
        let line =
            [row.at(4), row.at(3), row.at(6), row.at(39), row.at(40), &account(row), row.at(53)].join("  ");
        report.push_str(&format!("{}  {line}\n", codes.join(",")));
    }
    report.push_str(
        "\n=========== Error Key ===========\nEP01 This date is not in an open or future enterable period.\n\
         EF04 This account is invalid.\nEC03 A conversion type is required.\nEU02 This journal is unbalanced.\n\
         WU01 This journal is unbalanced but was accepted.\n",
    );
    report
}

fn batch(state: &mut FusionState, seller: usize, rows: &[InterfaceRow], request: u64) -> JournalBatch {
    let first = &rows[0];
    let reference: String = first.at(43).chars().take(50).collect();
    let lines = rows
        .iter()
        .filter_map(|row| {
            Some(GlLine {
                account: account(row),
                currency: Currency::of(row.at(6))?,
                net: net(row)?,
                description: row.at(52).to_owned(),
            })
        })
        .collect();
    JournalBatch {
        id: state.id(),
        name: format!("{reference} {} A {} {request} N", first.at(4), first.at(67)),
        description: first.at(44).to_owned(),
        seller,
        date: iso(first.at(3)).unwrap_or_default(),
        lines,
    }
}
