//! What jobs do when they come to their end.

use super::job::{Ended, Job, Work};
use super::option;
use crate::World;
use crate::fusion::gl_import::{Imported, import, load};
use crate::fusion::{FusionState, auto_invoice, lov};
use crate::scenario::names;

/// Runs the jobs that are due, in the order of their ends.
pub(in crate::fusion) fn run_due(world: &World, state: &mut FusionState) {
    let now = world.clock.now();
    loop {
        let due = state.jobs.iter().enumerate().filter(|(_, job)| job.ended.is_none() && job.due <= now);
        let Some(at) = due.min_by_key(|(_, job)| (job.due, job.request)).map(|(at, _)| at) else { return };
        let mut job = state.jobs.remove(at);
        job.ended = Some(run(world, state, &job));
        // The file is not needed any more.
        if let Work::Journals { zip, .. } | Work::AutoInvoice { zip, .. } = &mut job.work {
            zip.clear();
        }
        state.jobs.insert(at, job);
    }
}

/// Interface options of a job; a wrong id breaks an import that would work without.
fn has_interface(job: &Job, wanted: &str) -> Result<(), String> {
    match option(&job.options, "InterfaceDetails") {
        Some(id) if id != wanted => Err(format!("Interface {id} isn't valid for the import process.\n")),
        _ => Ok(()),
    }
}

fn run(world: &World, state: &mut FusionState, job: &Job) -> Ended {
    let purge = option(&job.options, "PurgeOption") == Some("Y");
    let only_load = option(&job.options, "ImportOption") == Some("N");
    match &job.work {
        Work::Journals { zip, parameters } => {
            match has_interface(job, "15").and_then(|()| load(zip, job.request)) {
                Err(words) => return Ended::LoadFailed(words),
                Ok(rows) => state.interface.extend(rows),
            }
            if only_load {
                return Ended::Succeeded("Loaded.\n".to_owned());
            }
            let ended = imported(import(world, state, parameters, job.import_request()));
            if purge {
                state.interface.retain(|row| row.load != job.request);
            }
            ended
        }
        Work::AutoInvoice { zip, parameters } => {
            match has_interface(job, "2").and_then(|()| auto_invoice::load(zip, job.request)) {
                Err(words) => return Ended::LoadFailed(words),
                Ok(rows) => state.interface_lines.extend(rows),
            }
            if only_load {
                return Ended::Succeeded("Loaded.\n".to_owned());
            }
            let ended = imported(auto_invoice::import(world, state, parameters));
            if purge {
                state.interface_lines.retain(|row| row.load != job.request);
            }
            ended
        }
        Work::Launcher { parameters } => imported(import(world, state, parameters, job.import_request())),
        Work::Posting { criteria } => posting(world, state, criteria),
    }
}

fn imported(imported: Imported) -> Ended {
    match imported {
        Imported::Done(report) => Ended::Succeeded(report),
        Imported::Rejected(report) => Ended::Warning(report),
        Imported::Failed(words) => Ended::Aborted(words),
    }
}

/// Automatic Posting: a criteria set that does not exist is an error.
fn posting(world: &World, state: &mut FusionState, criteria: &str) -> Ended {
    if criteria.trim() != names::CRITERIA_SET {
        return Ended::Aborted("The AutoPost criteria set doesn't exist.\n".to_owned());
    }
    let posted = post_batches(world, state);
    state.postings += 1;
    Ended::Succeeded(format!("{posted} batches were posted.\n"))
}

/// Posts every batch whose journals are all in open periods; says how many.
pub(in crate::fusion) fn post_batches(world: &World, state: &mut FusionState) -> usize {
    let now = world.clock.now();
    let open: Vec<u64> = state
        .batches
        .iter()
        .filter(|batch| batch.posted.is_none())
        .filter(|batch| {
            let mut dates = batch.journals.iter().map(|journal| &journal.date);
            dates.all(|date| lov::status(world, state, 101, date) == Some('O'))
        })
        .map(|batch| batch.id)
        .collect();
    for batch in state.batches.iter_mut().filter(|batch| open.contains(&batch.id)) {
        batch.posted = Some(now);
        batch.updated = now;
    }
    open.len()
}
