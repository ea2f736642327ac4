//! The finders.

use std::io::Write as _;

use base64::Engine as _;
use serde_json::{Value, json};

use super::job::{Ended, Job};
use super::{CODEC, echo, option};
use crate::fusion::FusionState;
use crate::fusion::adf::Call;
use crate::http::Reply;

fn envelope(item: &Value) -> Reply {
    Reply::json(200, &json!({ "count": 1, "hasMore": false, "limit": 25, "offset": 0, "items": [item] }))
}

/// Answers the finders: `Name;variable=value,variable=value`.
pub(in crate::fusion) fn get(call: &Call<'_>, state: &FusionState) -> Reply {
    let Some((finder, arguments)) = call.request.parameter("finder").and_then(|text| text.split_once(';'))
    else {
        return Reply::text(400, "A finder is required.");
    };
    let arguments: Vec<(&str, &str)> = arguments.split(',').filter_map(|pair| pair.split_once('=')).collect();
    let known = ["requestId", "fileType"];
    let argument = |name: &str| arguments.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let id = argument("requestId").and_then(|text| text.parse::<u64>().ok());
    let (Some(id), true) = (id, arguments.iter().all(|(name, _)| known.contains(name))) else {
        return Reply::text(400, "The finder's variables aren't valid.");
    };
    let now = call.world.clock.now();
    let own = state.jobs.iter().find(|job| job.request == id);
    let item = match finder {
        // A request that did not come through this service is blank for ever.
        "ESSJobStatusRF" => ("RequestStatus", json!(own.map_or("", |job| job.status(now)))),
        "ESSExecutionDetailsRF" => {
            let tree = own.map(|job| json!({ "JOBS": job.tree(now) }).to_string());
            ("RequestStatus", json!(tree.unwrap_or_default()))
        }
        "ESSJobExecutionDetailsRF" => {
            let file = argument("fileType").unwrap_or("ALL").to_ascii_uppercase();
            let job = state.jobs.iter().find(|job| job.has(id));
            ("DocumentContent", job.and_then(|job| output(job, id, &file)).map_or(Value::Null, Value::String))
        }
        _ => return Reply::text(400, "The finder isn't valid."),
    };
    envelope(&echo(&[("ReqstId", json!(id.to_string())), item]))
}

/// Logs and outputs of a job, or of one below it. Without `ExtractFileType` nothing was kept.
fn output(job: &Job, id: u64, file: &str) -> Option<String> {
    let ended = job.ended.as_ref()?;
    option(&job.options, "ExtractFileType")?;
    let import = job.import_request();
    let mut files = Vec::new();
    for request in [job.request, import] {
        if id != request && id != job.request {
            continue;
        }
        let words = match ended {
            Ended::LoadFailed(words) => words.clone(),
            Ended::Aborted(words) if request == import => words.clone(),
            _ => format!("Request {request} ended.\n"),
        };
        files.push((format!("{request}.log"), words));
        if request == import && matches!(ended, Ended::Succeeded(_) | Ended::Warning(_)) {
            files.push((format!("{request}.txt"), ended.words().to_owned()));
        }
    }
    let wanted = |name: &str| match file {
        "LOG" => name.ends_with(".log"),
        "OUT" => name.ends_with(".txt"),
        _ => true,
    };
    files.dedup_by(|a, b| a.0 == b.0);
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, words) in files.iter().filter(|(name, _)| wanted(name)) {
        archive.start_file(name.as_str(), options).ok()?;
        archive.write_all(words.as_bytes()).ok()?;
    }
    Some(CODEC.encode(archive.finish().ok()?.into_inner()))
}

#[cfg(test)]
impl FusionState {
    /// What went wrong in imports, in the words of their reports.
    pub(crate) fn reports(&self) -> Vec<&str> {
        let ended = self.jobs.iter().filter_map(|job| job.ended.as_ref());
        ended.filter(|ended| !matches!(ended, Ended::Succeeded(_))).map(Ended::words).collect()
    }
}
