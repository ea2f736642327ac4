//! Reports 2021-06-30: which settlement reports there are, and where a file is.

use ml_connector_ports::Page;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::records;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetReports<'a> {
    #[serde(borrow)]
    reports: Vec<&'a RawValue>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Id {
    report_id: String,
}

/// A page of getReports.
pub(crate) fn page(body: &[u8]) -> Result<Page, serde_json::Error> {
    let answer: GetReports<'_> = serde_json::from_slice(body)?;
    Ok(Page {
        records: records(answer.reports, |id: Id| id.report_id)?,
        next: answer.next_token.filter(|token| !token.is_empty()),
        applied_to: None,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentId {
    report_document_id: String,
}

/// The document of a report as listed.
pub(crate) fn document_id(report: &str) -> Result<String, serde_json::Error> {
    serde_json::from_str(report).map(|id: DocumentId| id.report_document_id)
}

#[derive(Deserialize)]
struct Document {
    url: String,
}

/// Where a document is. The address carries its own permission and is a secret for its five minutes. Whether the file
/// is packed is not read here: see [`super::settlement::unpacked`].
pub(crate) fn url(body: &[u8]) -> Result<SecretString, serde_json::Error> {
    serde_json::from_slice(body).map(|document: Document| document.url.into())
}
