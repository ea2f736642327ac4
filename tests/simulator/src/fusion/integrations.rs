//! erpintegrations: bulk import and its jobs.

use std::io::Write as _;

use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::gl_import::{Imported, import};
use crate::http::{Incoming, Reply};
use crate::{World, locked};

const CODEC: base64::engine::GeneralPurpose = base64::engine::general_purpose::STANDARD;
const LAUNCHER: &str = "oracle/apps/ess/financials/generalLedger/programs/common,JournalImportLauncher";

const ATTRIBUTES: [&str; 12] = [
    "OperationName",
    "DocumentContent",
    "ContentType",
    "FileName",
    "DocumentAccount",
    "JobName",
    "ParameterList",
    "CallbackURL",
    "NotificationCode",
    "JobOptions",
    "ReqstId",
    "FileType",
];

/// A tree of jobs: loader, launcher, import.
#[derive(Debug)]
pub(super) struct Job {
    request: u64,
    zip: Vec<u8>,
    parameters: String,
    /// How far it has come; it moves when it is asked about, and with time.
    polls: u32,
    submitted: i64,
    ended: Option<Ended>,
}

#[derive(Debug, Clone)]
enum Ended {
    Loaded,
    LoadFailed(String),
    Rejected(String),
}

/// Milliseconds after which a job has ended even if nobody asked.
const LONGEST: i64 = 90_000;
/// Questions until it ends.
const POLLS: u32 = 3;

#[cfg(test)]
impl super::FusionState {
    /// What went wrong in imports, in the words of their reports.
    pub(crate) fn reports(&self) -> Vec<&str> {
        let ended = self.jobs.iter().filter_map(|job| match job.ended.as_ref()? {
            Ended::Loaded => None,
            Ended::LoadFailed(words) | Ended::Rejected(words) => Some(words.as_str()),
        });
        ended.collect()
    }
}

fn envelope(items: Vec<Value>) -> Value {
    json!({ "count": items.len(), "hasMore": false, "limit": 25, "offset": 0, "items": items })
}

/// All attributes, most of them null, as Fusion echoes them.
fn echo(set: &[(&str, Value)]) -> Value {
    let mut body: Map<String, Value> =
        ATTRIBUTES.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    body.insert("RequestStatus".to_owned(), Value::Null);
    for (name, value) in set {
        body.insert((*name).to_owned(), value.clone());
    }
    Value::Object(body)
}

/// Answers a POST.
pub(super) fn post(world: &World, request: &Incoming) -> Reply {
    let body: Map<String, Value> = match serde_json::from_slice(&request.body) {
        Ok(body) => body,
        Err(error) => return Reply::text(400, error.to_string()),
    };
    if let Some(unknown) = body.keys().find(|key| !ATTRIBUTES.contains(&key.as_str())) {
        return Reply::text(400, format!("Invalid attribute \"{unknown}\" in the payload"));
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("OperationName") != "importBulkData" {
        return Reply::text(400, "The operation isn't supported here.");
    }
    let Ok(zip) = CODEC.decode(text("DocumentContent")) else {
        return Reply::text(400, "DocumentContent isn't base64.");
    };
    // A wrong job is taken with a success status and a request id that says no.
    if text("JobName").trim_start_matches('/') != LAUNCHER {
        return Reply::json(201, &echo(&[("ReqstId", json!("-1"))]));
    }
    if text("DocumentAccount") != "fin$/generalLedger$/import$" || text("ContentType") != "zip" {
        return Reply::text(400, "The document account or content type isn't valid.");
    }
    let mut state = locked(&world.fusion);
    let id = state.id() % 1_000_000_000;
    // Three requests: loader, launcher and import.
    state.next_id += 3;
    state.jobs.push(Job {
        request: id,
        zip,
        parameters: text("ParameterList").to_owned(),
        polls: 0,
        submitted: world.clock.now(),
        ended: None,
    });
    Reply::json(
        201,
        &echo(&[
            ("OperationName", json!("importBulkData")),
            ("FileName", json!(text("FileName"))),
            ("ReqstId", json!(id.to_string())),
        ]),
    )
}

/// Answers the finders.
pub(super) fn get(world: &World, request: &Incoming) -> Reply {
    let Some((finder, arguments)) = request.parameter("finder").and_then(|text| text.split_once(';')) else {
        return Reply::text(400, "A finder is required.");
    };
    let arguments: Vec<(&str, &str)> = arguments.split(',').filter_map(|pair| pair.split_once('=')).collect();
    let argument = |name: &str| arguments.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let Some(id) = argument("requestId").and_then(|text| text.parse::<u64>().ok()) else {
        return Reply::text(400, "requestId is required.");
    };
    match finder {
        "ESSJobStatusRF" => Reply::json(200, &envelope(vec![status(world, id)])),
        "ESSExecutionDetailsRF" => Reply::json(200, &envelope(vec![details(world, id)])),
        "ESSJobExecutionDetailsRF" => Reply::json(200, &envelope(vec![output(world, id)])),
        _ => Reply::text(400, "The finder isn't valid."),
    }
}

/// Moves a job on; runs the import when it comes to its end.
fn advance(world: &World, id: u64) -> Option<(u32, Option<Ended>)> {
    let mut state = locked(&world.fusion);
    let at = state.jobs.iter().position(|job| job.request == id)?;
    let job = &mut state.jobs[at];
    job.polls += 1;
    let due = job.polls > POLLS || world.clock.now() - job.submitted > LONGEST;
    if due && job.ended.is_none() {
        let (zip, parameters) = (job.zip.clone(), job.parameters.clone());
        let ended = match import(world, &mut state, &zip, &parameters, id + 2) {
            Imported::Done => Ended::Loaded,
            Imported::LoadFailed(words) => Ended::LoadFailed(words),
            Imported::Rejected(report) => Ended::Rejected(report),
        };
        state.jobs[at].ended = Some(ended);
    }
    Some((state.jobs[at].polls, state.jobs[at].ended.clone()))
}

fn status(world: &World, id: u64) -> Value {
    // A request that did not come through this service is blank for ever.
    let status = match advance(world, id) {
        None => "",
        Some((_, Some(Ended::LoadFailed(_)))) => "ERROR",
        // The parent succeeds even when its grandchild's rows were rejected.
        Some((_, Some(_))) => "SUCCEEDED",
        Some((1, None)) => "WAIT",
        Some((2, None)) => "RUNNING",
        Some((_, None)) => "PAUSED",
    };
    echo(&[("ReqstId", json!(id.to_string())), ("RequestStatus", json!(status))])
}

fn details(world: &World, id: u64) -> Value {
    let job = |name: &str, request: u64, status: &str, children: Vec<Value>| {
        let mut job = json!({ "JOBNAME": name, "JOBPATH": "/oracle/apps/ess", "REQUESTID": request.to_string(), "STATUS": status });
        if !children.is_empty() {
            job["CHILD"] = Value::Array(children);
        }
        job
    };
    let (parent, child) = match advance(world, id) {
        Some((_, Some(Ended::Loaded))) => ("SUCCEEDED", "SUCCEEDED"),
        Some((_, Some(Ended::Rejected(_)))) => ("SUCCEEDED", "WARNING"),
        Some((_, Some(Ended::LoadFailed(_)))) => ("ERROR", ""),
        _ => ("PAUSED", "RUNNING"),
    };
    let children = if child.is_empty() {
        Vec::new()
    } else {
        let imports = vec![job("Import Journals: Child", id + 2, child, Vec::new())];
        vec![job("Import Journals", id + 1, parent, imports)]
    };
    let tree = json!({ "JOBS": job("Load Interface File for Import", id, parent, children) });
    echo(&[("ReqstId", json!(id.to_string())), ("RequestStatus", json!(tree.to_string()))])
}

/// Logs and outputs of a job, or of the job that a descendant belongs to.
fn output(world: &World, id: u64) -> Value {
    let state = locked(&world.fusion);
    let job = state.jobs.iter().find(|job| (job.request..=job.request + 2).contains(&id));
    let text = match job.and_then(|job| job.ended.clone()) {
        Some(Ended::Rejected(report)) => report,
        Some(Ended::LoadFailed(words)) => words,
        _ => "Journal Import Execution Report\n".to_owned(),
    };
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let written = archive.start_file(format!("{id}.txt"), options).is_ok()
        && archive.write_all(text.as_bytes()).is_ok();
    let content = match archive.finish() {
        Ok(bytes) if written => json!(CODEC.encode(bytes.into_inner())),
        _ => Value::Null,
    };
    echo(&[("ReqstId", json!(id.to_string())), ("DocumentContent", content)])
}
