//! Following a job to its end, and what its rejected rows mean.

use ml_connector_domain::refusal::Refusal;
use ml_connector_ports::{JobStatus, SourceError};

use crate::client::{FusionClient, refused};
use crate::jobs::{self, JobState, Outcome};
use crate::query::Query;
use crate::refusals;
use crate::wire::{self, Collection};

/// A job that failed: name, request, status.
type Failed = (String, String, String);

impl FusionClient {
    pub(crate) async fn follow_job(&self, request: &str) -> Result<JobStatus, SourceError> {
        let status = self
            .finder(Query::finder("ESSJobStatusRF").with("requestId", request)?)
            .await?
            .and_then(|found| found.request_status);
        if jobs::state(status.as_deref().unwrap_or_default()) == JobState::Running {
            return Ok(JobStatus::Running);
        }
        let details = Query::finder("ESSExecutionDetailsRF").with("requestId", request)?;
        let details = self.finder(details).await?.and_then(|found| found.request_status);
        let outcome = jobs::outcome(details.as_deref().unwrap_or_default()).map_err(|e| {
            refused("FUS-ANSWER", format!("the details of request {request} are not understood: {e}"))
        })?;
        Ok(match outcome {
            Outcome::Running => JobStatus::Running,
            Outcome::Succeeded => JobStatus::Done,
            Outcome::Failed(failed) => JobStatus::Failed(self.reasons(&failed).await?),
        })
    }

    async fn finder(&self, query: Query) -> Result<Option<wire::Integration>, SourceError> {
        let page: Collection<wire::Integration> = self.get("erpintegrations", &query).await?;
        Ok(page.items.into_iter().next())
    }

    /// Why the jobs failed: each code of each rejected row, or else what the jobs' logs say.
    async fn reasons(&self, failed: &[Failed]) -> Result<Vec<Refusal>, SourceError> {
        let (mut rows, mut complaints) = (Vec::new(), Vec::new());
        for job in failed {
            let query = Query::finder("ESSJobExecutionDetailsRF").with("requestId", &job.1)?;
            let output = self.finder(query.with("fileType", "ALL")?).await?;
            let content = output.and_then(|output| output.document_content).unwrap_or_default();
            let texts = jobs::texts(&content).unwrap_or_default();
            rows.extend(texts.iter().flat_map(|text| jobs::rejected_rows(text)));
            complaints.push(complaint(job, &texts));
        }
        Ok(if rows.is_empty() { complaints } else { of_rows(&rows) })
    }
}

/// One refusal for each code of each row; a row that is listed in a job's log and in its output counts once.
fn of_rows(rows: &[jobs::RejectedRow]) -> Vec<Refusal> {
    let mut found: Vec<Refusal> = Vec::new();
    for row in rows {
        for code in &row.codes {
            let refusal = refusals::of_code(code, row.line, &row.text);
            if !found.contains(&refusal) {
                found.push(refusal);
            }
        }
    }
    found
}

fn complaint((name, request, status): &Failed, texts: &[String]) -> Refusal {
    let said =
        texts.iter().find_map(|text| jobs::complaint(text)).unwrap_or_else(|| "it left no log".to_owned());
    let code = if said.contains("SQL*Loader") { "FUS-LOAD-FAILED" } else { "FUS-JOB-FAILED" };
    Refusal::new(
        code,
        format!("{name} (request {request}) ended {status}: {said}"),
        "open the request under Scheduled Processes in Fusion, mend what its log names, then plan the document again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_of_each_row_is_a_reason_with_its_line_and_field() {
        let row = |codes: &[&str], line| jobs::RejectedRow {
            codes: codes.iter().map(|code| (*code).to_owned()).collect(),
            line,
            text: format!("{} Amazon", codes.join(",")),
        };
        let found = of_rows(&[row(&["EF04", "EP01"], Some(2)), row(&["EU02"], None), row(&["EU02"], None)]);
        let places: Vec<_> = found.iter().map(|r| (r.code.as_str(), r.line, r.field.as_deref())).collect();
        assert_eq!(
            places,
            [
                ("FUS-ACCOUNT-UNKNOWN", Some(2), Some("SEGMENT1")),
                ("FUS-PERIOD-CLOSED", Some(2), Some("ACCOUNTING_DATE")),
                ("FUS-UNBALANCED", None, Some("ENTERED_DR")),
            ]
        );
    }

    #[test]
    fn a_job_without_rows_says_what_its_log_says() {
        let job = ("Load Interface File".to_owned(), "7".to_owned(), "ERROR".to_owned());
        let loader = complaint(&job, &["SQL*Loader: 95 columns".to_owned()]);
        assert_eq!(loader.code, "FUS-LOAD-FAILED");
        assert!(loader.words.contains("request 7") && loader.words.contains("95 columns"));
        assert_eq!(complaint(&job, &[]).code, "FUS-JOB-FAILED");
    }
}
