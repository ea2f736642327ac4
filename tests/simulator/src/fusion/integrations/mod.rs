//! erpintegrations: bulk import and scheduled jobs.

mod answer;
mod job;
mod run;

use base64::Engine as _;
use serde_json::{Map, Value, json};

pub(super) use answer::get;
pub(super) use job::Job;
pub(super) use run::{post_batches, run_due};

use super::FusionState;
use super::adf::Call;
use crate::http::Reply;
use job::Work;

const CODEC: base64::engine::GeneralPurpose = base64::engine::general_purpose::STANDARD;
const GL: &str = "oracle/apps/ess/financials/generalLedger/programs/common";
const AR: &str = "oracle/apps/ess/financials/receivables/transactions/autoInvoices";

/// Accounts of the content server that imports of journals and of receivables are known to work with.
const GL_ACCOUNTS: [&str; 3] =
    ["fin$/generalLedger$/import$", "fin$/journal$/import", "fin/generalLedger/import"];
const AR_ACCOUNTS: [&str; 2] = ["fin$/receivables$/import$", "fin/receivables/import"];

const ATTRIBUTES: [&str; 21] = [
    "OperationName",
    "DocumentId",
    "DocumentContent",
    "FileName",
    "ContentType",
    "FileType",
    "DocumentAccount",
    "Comments",
    "ProcessName",
    "LoadRequestId",
    "JobPackageName",
    "JobDefName",
    "ReqstId",
    "RequestStatus",
    "JobName",
    "ParameterList",
    "NotificationCode",
    "CallbackURL",
    "JobOptions",
    "StatusCode",
    "ESSParameters",
];

/// All attributes, most of them null, as Fusion echoes them.
fn echo(set: &[(&str, Value)]) -> Value {
    let mut body: Map<String, Value> =
        ATTRIBUTES.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    for (name, value) in set {
        body.insert((*name).to_owned(), value.clone());
    }
    Value::Object(body)
}

/// An option of `JobOptions`, which lists them as `name=value,name=value`.
fn option<'a>(options: &'a str, name: &str) -> Option<&'a str> {
    let pairs = options.split(',').filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Answers a POST.
pub(super) fn post(call: &Call<'_>, state: &mut FusionState) -> Reply {
    let body = match call.body() {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    if let Some(unknown) = body.keys().find(|key| !ATTRIBUTES.contains(&key.as_str())) {
        return Reply::text(400, format!("Invalid attribute \"{unknown}\" in the payload"));
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let work = match text("OperationName") {
        "importBulkData" => match bulk(&text) {
            Ok(work) => work,
            Err(reply) => return reply,
        },
        "submitESSJobRequest" => {
            let package = text("JobPackageName").trim_matches('/');
            match (package, text("JobDefName")) {
                (GL, "AutomaticPosting") => {
                    Some(Work::Posting { criteria: text("ESSParameters").to_owned() })
                }
                (GL, "JournalImportLauncher") => {
                    Some(Work::Launcher { parameters: text("ESSParameters").to_owned() })
                }
                _ => None,
            }
        }
        _ => return Reply::text(400, "The operation isn't supported here."),
    };
    // A wrong job is taken with a success status and a request id that says no.
    let Some(work) = work else {
        return Reply::json(201, &echo(&[("ReqstId", json!("-1"))]));
    };
    let request = submit(call, state, work, text("JobOptions"));
    let mut answer: Vec<(&str, Value)> = body
        .iter()
        .filter(|(name, _)| *name != "DocumentContent")
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    answer.push(("ReqstId", json!(request.to_string())));
    if text("OperationName") == "importBulkData" {
        answer.push(("DocumentId", json!((request + 900_000).to_string())));
    }
    Reply::json(201, &echo(&answer))
}

/// The work of an import; none for a job that does not exist.
fn bulk<'a>(text: &impl Fn(&str) -> &'a str) -> Result<Option<Work>, Reply> {
    let Ok(zip) = CODEC.decode(text("DocumentContent")) else {
        return Err(Reply::text(400, "DocumentContent isn't base64."));
    };
    let parameters = text("ParameterList").to_owned();
    let (work, accounts): (Work, &[&str]) = match text("JobName").trim_start_matches('/').split_once(',') {
        Some((GL, "JournalImportLauncher")) => (Work::Journals { zip, parameters }, &GL_ACCOUNTS),
        Some((AR, "AutoInvoiceImportEss")) => (Work::AutoInvoice { zip, parameters }, &AR_ACCOUNTS),
        _ => return Ok(None),
    };
    if !accounts.contains(&text("DocumentAccount")) || text("ContentType") != "zip" {
        return Err(Reply::text(400, "The document account or content type isn't valid."));
    }
    Ok(Some(work))
}

fn submit(call: &Call<'_>, state: &mut FusionState, work: Work, options: &str) -> u64 {
    let rates = call.world.faults.fusion(call.world.clock.now());
    let slow = call.world.faults.draw(rates.import_slow);
    let request = state.next_request;
    // The jobs below it have higher ids.
    state.next_request += 10;
    let takes =
        if slow { i64::try_from(rates.import_slow_ms).unwrap_or(i64::MAX) } else { work.usual_millis() };
    let submitted = call.world.clock.now();
    state.jobs.push(Job {
        request,
        work,
        options: options.to_owned(),
        submitted,
        due: submitted.saturating_add(takes),
        ended: None,
    });
    request
}
