//! Journal Import: from `GlInterface.csv` to batches, all of a group or none of it.

mod book;
mod check;
mod load;

use std::collections::BTreeMap;

pub use book::{GlLine, Journal, JournalBatch};
pub(super) use load::{InterfaceRow, iso, load, records};

use super::FusionState;
use crate::World;

/// How an import ended.
pub(super) enum Imported {
    /// What the parameters selected was imported; that may be nothing, and is no error.
    Done(String),
    /// No row of some group was imported; the report says why.
    Rejected(String),
    /// The launcher could not begin.
    Failed(String),
}

/// What the launcher was told (seven positions).
struct Launch<'a> {
    source: &'a str,
    group: &'a str,
    /// Post account errors to suspense.
    suspense: bool,
}

/// Imports the rows that the parameters select; `request` is the import's own.
pub(super) fn import(world: &World, state: &mut FusionState, parameters: &str, request: u64) -> Imported {
    let arguments: Vec<&str> = parameters.split(',').map(str::trim).collect();
    let [access_set, source, ledger, group, suspense, _summary, _dff] = arguments.as_slice() else {
        return Imported::Failed("The launcher takes seven parameters.\n".to_owned());
    };
    let launch = Launch { source, group, suspense: *suspense == "Y" };
    let known = world.scenario.sellers.iter().position(|seller| {
        let setup = &seller.fusion;
        setup.ledger_id == *ledger && (*access_set == "#NULL" || setup.data_access_set_id == *access_set)
    });
    let empty = "Journal Import Execution Report\n\nNo rows were selected.\n";
    let Some(seller) = known else { return Imported::Done(empty.to_owned()) };
    if let Some(period) = state.knobs.close_on_import.take() {
        state.knobs.periods.insert((101, period), 'C');
    }
    let setup = &world.scenario.sellers[seller].fusion;
    let selected = |row: &InterfaceRow| {
        let ledger =
            if row.at(2).is_empty() { row.at(92) == setup.ledger_name } else { row.at(2) == *ledger };
        ledger && row.at(4) == launch.source && (launch.group == "ALL" || row.at(67) == launch.group)
    };
    // A group or source that does not match selects nothing, and that is no error.
    let (rows, rest) = std::mem::take(&mut state.interface).into_iter().partition(selected);
    state.interface = rest;
    let mut groups = BTreeMap::<String, Vec<InterfaceRow>>::new();
    let rows: Vec<InterfaceRow> = rows;
    for row in rows {
        groups.entry(row.at(67).to_owned()).or_default().push(row);
    }
    if groups.is_empty() {
        return Imported::Done(empty.to_owned());
    }
    let (mut report, mut rejected) = ("Journal Import Execution Report\n".to_owned(), false);
    for (_, mut rows) in groups {
        let ledger = world.scenario.sellers[seller].fusion.ledger_currency;
        let codes = check::codes(world, (state, ledger), &rows, launch.suspense);
        report.push_str(&check::report(&rows, &codes));
        if codes.iter().flatten().all(|code| code.starts_with('W')) {
            let batches = book::batches(world, state, seller, &rows, request, &codes);
            state.batches.extend(batches);
            continue;
        }
        rejected = true;
        for (row, codes) in rows.iter_mut().zip(&codes) {
            // A good row of a bad group has passed validation, and is not imported.
            row.status = if codes.is_empty() { "P".to_owned() } else { codes.join(",") };
        }
        state.interface.extend(rows);
    }
    report.push_str(check::LEGEND);
    if rejected { Imported::Rejected(report) } else { Imported::Done(report) }
}
