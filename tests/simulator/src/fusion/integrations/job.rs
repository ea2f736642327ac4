//! Jobs and how far they have come.

use serde_json::{Value, json};

use super::{AR, GL};

/// A job with what is below it.
#[derive(Debug)]
pub(in crate::fusion) struct Job {
    /// The request id that was answered; those below it follow.
    pub(super) request: u64,
    pub(super) work: Work,
    pub(super) options: String,
    pub(super) submitted: i64,
    /// When it ends.
    pub(super) due: i64,
    pub(super) ended: Option<Ended>,
}

/// What a job does.
#[derive(Debug)]
pub(super) enum Work {
    /// Load and import journals.
    Journals { zip: Vec<u8>, parameters: String },
    /// Load and import receivables.
    AutoInvoice { zip: Vec<u8>, parameters: String },
    /// Import journals that are loaded already.
    Launcher { parameters: String },
    /// Post journals.
    Posting { criteria: String },
}

impl Work {
    /// How long it takes if nothing is slow.
    pub(super) fn usual_millis(&self) -> i64 {
        match self {
            Self::Journals { .. } | Self::AutoInvoice { .. } => 12_000,
            Self::Launcher { .. } | Self::Posting { .. } => 6_000,
        }
    }
}

/// How a job ended.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    /// Well; the text is its report.
    Succeeded(String),
    /// The file could not be loaded.
    LoadFailed(String),
    /// The import left rows out; the parent succeeds all the same.
    Warning(String),
    /// The import gave up as a whole; only its log says why.
    Aborted(String),
}

impl Ended {
    /// Its text.
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Succeeded(words)
            | Self::LoadFailed(words)
            | Self::Warning(words)
            | Self::Aborted(words) => words,
        }
    }
}

/// The offsets of the jobs below a load: transfer, loader, launcher, import.
const TRANSFER: u64 = 1;
const LOADER: u64 = 2;
const LAUNCHER: u64 = 3;
pub(super) const IMPORT: u64 = 4;

/// Milliseconds from submission until a job is ready, runs, and waits for those below it.
const READY: i64 = 1_000;
const RUNNING: i64 = 2_000;
const PAUSED: i64 = 4_000;

impl Job {
    /// The request of the job that makes documents.
    pub(super) fn import_request(&self) -> u64 {
        match self.work {
            Work::Journals { .. } | Work::AutoInvoice { .. } => self.request + IMPORT,
            Work::Launcher { .. } => self.request + 1,
            Work::Posting { .. } => self.request,
        }
    }

    /// Whether a request is this job's or one below it.
    pub(super) fn has(&self, request: u64) -> bool {
        (self.request..self.request + 10).contains(&request)
    }

    /// The status of the job that was submitted. It succeeds even if rows were left out below it.
    pub(super) fn status(&self, now: i64) -> &'static str {
        match (&self.ended, now - self.submitted) {
            (Some(Ended::LoadFailed(_)), _) => "ERROR",
            (Some(Ended::Aborted(_)), _) if self.import_request() == self.request => "ERROR",
            (Some(_), _) => "SUCCEEDED",
            (None, passed) if passed < READY => "WAIT",
            (None, passed) if passed < RUNNING => "READY",
            (None, passed) if passed < PAUSED || matches!(self.work, Work::Posting { .. }) => "RUNNING",
            (None, _) => "PAUSED",
        }
    }

    /// The tree as ESSExecutionDetailsRF shows it.
    pub(super) fn tree(&self, now: i64) -> Value {
        let root = self.status(now);
        let import = match &self.ended {
            Some(Ended::Succeeded(_)) => "SUCCEEDED",
            Some(Ended::Warning(_)) => "WARNING",
            Some(Ended::Aborted(_)) => "ERROR",
            Some(Ended::LoadFailed(_)) | None => "RUNNING",
        };
        let loaded = if root == "ERROR" { "ERROR" } else { "SUCCEEDED" };
        let job = |name: &str, path: &str, offset: u64, status: &str, children: Vec<Value>| {
            node(name, path, self.request + offset, status, children)
        };
        let load = "oracle/apps/ess/financials/commonModules/shared/common/interfaceLoader";
        let above = if self.ended.is_some() { "SUCCEEDED" } else { "PAUSED" };
        match &self.work {
            Work::Posting { .. } => job("Automatic Posting", GL, 0, root, Vec::new()),
            Work::Launcher { .. } => {
                let child = job("Import Journals: Child", GL, 1, import, Vec::new());
                job("Import Journals", GL, 0, root, vec![child])
            }
            Work::Journals { .. } | Work::AutoInvoice { .. } => {
                // Nothing is below it before it waits.
                let mut children = Vec::new();
                if matches!(root, "PAUSED" | "SUCCEEDED" | "ERROR") {
                    let sql = job("Load File to Interface", load, LOADER, loaded, Vec::new());
                    children.push(job("Transfer File", load, TRANSFER, loaded, vec![sql]));
                }
                if matches!(root, "PAUSED" | "SUCCEEDED") {
                    children.push(match self.work {
                        Work::AutoInvoice { .. } => job("Import AutoInvoice", AR, IMPORT, import, Vec::new()),
                        _ => {
                            let child = job("Import Journals: Child", GL, IMPORT, import, Vec::new());
                            job("Import Journals", GL, LAUNCHER, above, vec![child])
                        }
                    });
                }
                job("Load Interface File for Import", load, 0, root, children)
            }
        }
    }
}

/// One job as an object, several as a list.
fn node(name: &str, path: &str, request: u64, status: &str, mut children: Vec<Value>) -> Value {
    let mut job = json!({
        "JOBNAME": name, "JOBPATH": format!("/{path}"), "REQUESTID": request.to_string(), "STATUS": status,
    });
    match children.len() {
        0 => {}
        1 => job["CHILD"] = children.remove(0),
        _ => job["CHILD"] = Value::Array(children),
    }
    job
}
