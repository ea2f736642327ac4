//! What a job's status, tree and report say.

use std::io::Read as _;

use base64::Engine as _;
use ml_connector_domain::DocumentKey;
use serde::Deserialize;

/// How a job ended, if it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobState {
    /// Not ended. PAUSED waits for its children; a status that is not known is no end.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended, but not well.
    Failed,
}

/// Reads a request status.
pub(crate) fn state(status: &str) -> JobState {
    match status.to_ascii_uppercase().as_str() {
        "SUCCEEDED" => JobState::Succeeded,
        "WARNING" | "ERROR" | "CANCELLED" | "EXPIRED" => JobState::Failed,
        _ => JobState::Running,
    }
}

#[derive(Deserialize)]
struct Execution {
    #[serde(rename = "JOBS")]
    jobs: OneOrMany,
}

/// Fusion sends one job as an object and several as a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Box<Job>),
    Many(Vec<Job>),
}

#[derive(Deserialize)]
struct Job {
    #[serde(rename = "JOBNAME", default)]
    name: String,
    #[serde(rename = "REQUESTID", default)]
    request: crate::jobs::Id,
    #[serde(rename = "STATUS", default)]
    status: String,
    #[serde(rename = "CHILD", default)]
    children: Option<OneOrMany>,
}

/// A request id, sent as number or text.
#[derive(Deserialize, Default)]
#[serde(transparent)]
pub(crate) struct Id(serde_json::Value);

impl Id {
    fn text(&self) -> String {
        match &self.0 {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Null => String::new(),
            other => other.to_string(),
        }
    }
}

/// The end of a whole tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Somebody is still at work.
    Running,
    /// All have succeeded.
    Succeeded,
    /// These have not: name, request id, status. A parent's success hides its child's failure.
    Failed(Vec<(String, String, String)>),
}

/// Follows a job's execution details to the leaves.
///
/// # Errors
/// Text that is no tree of jobs.
pub(crate) fn outcome(details: &str) -> Result<Outcome, serde_json::Error> {
    let execution: Execution = serde_json::from_str(details)?;
    let (mut running, mut failed) = (false, Vec::new());
    visit(&execution.jobs, &mut running, &mut failed);
    Ok(match (running, failed.is_empty()) {
        (true, _) => Outcome::Running,
        (false, true) => Outcome::Succeeded,
        (false, false) => Outcome::Failed(failed),
    })
}

fn visit(jobs: &OneOrMany, running: &mut bool, failed: &mut Vec<(String, String, String)>) {
    let jobs: &[Job] = match jobs {
        OneOrMany::One(job) => std::slice::from_ref(job),
        OneOrMany::Many(jobs) => jobs,
    };
    for job in jobs {
        match state(&job.status) {
            JobState::Running => *running = true,
            JobState::Failed => failed.push((job.name.clone(), job.request.text(), job.status.clone())),
            JobState::Succeeded => {}
        }
        if let Some(children) = &job.children {
            visit(children, running, failed);
        }
    }
}

/// Rows kept of a report.
const ROWS_MAX: usize = 50;
/// Longest report in bytes: what a compressed answer may grow to.
const REPORT_BYTES_MAX: u64 = 4 << 20;

/// A row that Journal Import refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RejectedRow {
    /// Its codes, `EF04,EC03`.
    pub(crate) codes: Vec<String>,
    /// The document's line, from 1: the row carries the line key that we sent in column 53.
    pub(crate) line: Option<u32>,
    /// The row as the report has it.
    pub(crate) text: String,
}

/// The rejected rows of a Journal Import report: the lines between "Error Lines" and the legend, which lists every
/// code there is and says nothing about this import.
pub(crate) fn rejected_rows(report: &str) -> Vec<RejectedRow> {
    let mut lines = report.lines().skip_while(|line| !line.contains("Error Lines")).skip(1);
    let mut rows = Vec::new();
    for line in lines.by_ref().take_while(|line| !line.contains("Error Key")) {
        let row = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if starts_with_code(&row) && rows.len() < ROWS_MAX {
            let first = row.split(' ').next().unwrap_or_default();
            rows.push(RejectedRow {
                codes: first.split(',').map(str::to_owned).collect(),
                line: row.split(' ').find_map(line_of_key),
                text: row,
            });
        }
    }
    rows
}

/// The line number in a line key, `<document key>-<n>`.
fn line_of_key(word: &str) -> Option<u32> {
    let (key, number) = word.rsplit_once('-')?;
    let is_key =
        key.len() == DocumentKey::LENGTH && key.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    number.parse().ok().filter(|_| is_key)
}

/// What a failed job's log says where there are no rejected rows: the loader's complaint, or else its last lines.
pub(crate) fn complaint(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let marked = lines.iter().find(|line| {
        line.contains("SQL*Loader") || line.contains("ORA-") || line.to_ascii_lowercase().contains("rejected")
    });
    let words = marked
        .map(|line| (*line).to_owned())
        .or_else(|| (!lines.is_empty()).then(|| lines[lines.len().saturating_sub(2)..].join(" ")))?;
    Some(words.chars().take(300).collect())
}

/// Journal Import's codes are two letters and two digits, one letter more for warnings.
fn starts_with_code(row: &str) -> bool {
    let first = row.split([',', ' ']).next().unwrap_or_default();
    let letters = first.bytes().take_while(u8::is_ascii_uppercase).count();
    (2..=3).contains(&letters)
        && first.len() > letters
        && first.bytes().skip(letters).all(|b| b.is_ascii_digit())
}

/// The texts in a job's zipped logs and outputs.
///
/// # Errors
/// Content that is no zip, or too large.
pub(crate) fn texts(content: &str) -> Result<Vec<String>, String> {
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(content).map_err(|error| error.to_string())?;
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let mut texts = Vec::new();
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(|error| error.to_string())?;
        let mut text = Vec::new();
        file.take(REPORT_BYTES_MAX).read_to_end(&mut text).map_err(|error| error.to_string())?;
        texts.push(String::from_utf8_lossy(&text).into_owned());
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pain_3_a_parents_success_does_not_hide_its_childs_failure() {
        let tree = r#"{"JOBS":{"JOBNAME":"Load","REQUESTID":"1","STATUS":"SUCCEEDED","CHILD":[
            {"JOBNAME":"Launcher","REQUESTID":2,"STATUS":"SUCCEEDED","CHILD":
                {"JOBNAME":"Import Journals: Child","REQUESTID":"3","STATUS":"WARNING"}}]}}"#;
        let failed = vec![("Import Journals: Child".to_owned(), "3".to_owned(), "WARNING".to_owned())];
        assert_eq!(outcome(tree).expect("reads"), Outcome::Failed(failed));
    }

    #[test]
    fn pain_3_paused_and_unknown_are_no_end() {
        for status in ["PAUSED", "WAIT", "READY", "RUNNING", "", "SOMETHING NEW"] {
            let tree = format!(r#"{{"JOBS":[{{"JOBNAME":"Load","REQUESTID":1,"STATUS":"{status}"}}]}}"#);
            assert_eq!(outcome(&tree).expect("reads"), Outcome::Running, "{status}");
        }
    }

    #[test]
    fn the_legend_is_no_rejection() {
        let report = "Journal Import\n== Error Lines ==\nEF04,EC03 Amazon 2026/09/15 EUR 84.15\n  WU01 x\nplain\n\
                      == Error Key ==\nEP01 This date is not in an open period\nEU02 unbalanced\n";
        let rows = rejected_rows(report);
        let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
        assert_eq!(texts, ["EF04,EC03 Amazon 2026/09/15 EUR 84.15", "WU01 x"]);
        assert_eq!(rows[0].codes, ["EF04", "EC03"]);
        assert!(rejected_rows("== Error Key ==\nEP01 legend only\n").is_empty());
    }

    #[test]
    fn a_rejected_row_is_tied_to_its_line_by_the_key_that_we_sent() {
        let key = DocumentKey::derive('J', &"A1".into(), "G1", 0);
        let report = format!(
            "= Error Lines =\nEF04  Amazon  2026/09/15  USD    84.15  01-000-99999-000  {key}-12\nEP01 Amazon x-1\n= Error Key ="
        );
        let lines: Vec<Option<u32>> = rejected_rows(&report).iter().map(|row| row.line).collect();
        assert_eq!(lines, [Some(12), None]);
    }

    #[test]
    fn a_log_without_rows_still_says_what_it_says() {
        let log = "started\n\nSQL*Loader: 95 columns\nended\n";
        assert_eq!(complaint(log).as_deref(), Some("SQL*Loader: 95 columns"));
        assert_eq!(complaint("a\nb\nc\n").as_deref(), Some("b c"));
        assert_eq!(complaint(" \n"), None);
    }
}
