//! An independent client: raw HTTP over a socket, and nothing of the connector's. It knows what the ready line says.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::base64;
use super::imports::{Cells, zipped};
use crate::scenario::{Profile, ScenarioOptions};

struct Client {
    address: String,
    authorization: String,
}

impl Client {
    async fn ask(&self, method: &str, path: &str, content_type: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).await.expect("a connection");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nContent-Type: {content_type}\r\n\
             REST-Framework-Version: 4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            self.authorization,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.expect("sends");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    async fn post(&self, resource: &str, body: &Value) -> Value {
        let path = format!("/fscmRestApi/resources/11.13.18.05/{resource}");
        let (status, answer) = self.ask("POST", &path, "application/json", &body.to_string()).await;
        assert_eq!(status, 201, "{answer}");
        answer
    }

    async fn get(&self, resource: &str) -> Value {
        let path = format!("/fscmRestApi/resources/11.13.18.05/{resource}");
        let (status, answer) = self.ask("GET", &path, "application/json", "").await;
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

/// Serves Fusion; gives the ready line and a client with a token.
async fn connected(speed: u32) -> (crate::Running, Value, Client) {
    let options = ScenarioOptions {
        seed: 7,
        sellers: 1,
        days: 1,
        orders_per_day: 1,
        start: "2026-09-01T00:00:00Z".parse().expect("a time"),
        unmapped_percent: 0,
        profile: Profile::Month,
    };
    let from = "2026-09-10T12:00:00Z".parse().expect("a time");
    let (running, ready) = crate::start_fusion(options, 0, from, speed).await.expect("a port");
    let text = |name: &str| ready[name].as_str().expect("text").to_owned();
    let basic = base64(format!("{}:{}", text("client_id"), text("client_secret")));
    let address = text("fusion").trim_start_matches("http://").to_owned();
    let mut client = Client { address, authorization: format!("Basic {basic}") };
    let form = format!("grant_type=client_credentials&scope={}", text("scope"));
    let (status, answer) =
        client.ask("POST", "/oauth2/v1/token", "application/x-www-form-urlencoded", &form).await;
    assert_eq!(status, 200, "{answer}");
    client.authorization = format!("Bearer {}", answer["access_token"].as_str().expect("a token"));
    (running, ready, client)
}

fn journal(ready: &Value) -> Vec<u8> {
    let text = |name: &str| ready[name].as_str().expect("text").to_owned();
    let date = text("today").replace('-', "/");
    let row = |side: usize, account: &str| -> Cells {
        let mut cells: Cells = vec![
            (1, "NEW".to_owned()),
            (2, text("ledger_id")),
            (3, date.clone()),
            (4, text("journal_source")),
            (5, text("journal_category")),
            (6, "USD".to_owned()),
            (7, date.clone()),
            (8, "A".to_owned()),
            (side, "100.00".to_owned()),
            (43, "MY-BATCH".to_owned()),
            (46, "MY-JOURNAL".to_owned()),
            (67, "12345".to_owned()),
            (95, text("period")),
        ];
        let segments = text(account);
        cells.extend(segments.split('-').enumerate().map(|(n, part)| (9 + n, part.to_owned())));
        cells
    };
    zipped("GlInterface.csv", &[row(39, "receivable_account"), row(40, "account")], 149)
}

#[tokio::test]
async fn an_independent_client_creates_an_invoice_and_follows_a_journal_import_to_its_end() {
    let (running, ready, client) = connected(60).await;
    let text = |name: &str| ready[name].as_str().expect("text");
    let invoice = client
        .post(
            "receivablesInvoices",
            &json!({
                "BusinessUnit": text("business_unit"), "TransactionSource": text("source"),
                "TransactionType": text("type"), "TransactionNumber": "MY-INVOICE-1",
                "TransactionDate": text("today"), "BillToCustomerNumber": text("customer"),
                "InvoiceCurrencyCode": text("currency"),
                "receivablesInvoiceLines": [{
                    "LineNumber": 1, "Description": "Laptop", "Quantity": 2, "UnitSellingPrice": 1299.99 }],
            }),
        )
        .await;
    assert_eq!(invoice["EnteredAmount"].to_string(), "2599.98");
    let submitted = client
        .post(
            "erpintegrations",
            &json!({
                "OperationName": "importBulkData", "DocumentContent": base64(journal(&ready)),
                "ContentType": "zip", "FileName": "GlInterface.zip",
                "DocumentAccount": "fin$/generalLedger$/import$",
                "JobName": "/oracle/apps/ess/financials/generalLedger/programs/common,JournalImportLauncher",
                "ParameterList": format!(
                    "{},{},{},12345,N,N,N",
                    text("data_access_set_id"), text("journal_source"), text("ledger_id")
                ),
                "CallbackURL": "#NULL", "NotificationCode": "10", "JobOptions": "ExtractFileType=ALL",
            }),
        )
        .await;
    let request = submitted["ReqstId"].as_str().expect("a request");
    let status = || async {
        let finder = format!("erpintegrations?finder=ESSJobStatusRF%3BrequestId%3D{request}");
        client.get(&finder).await["items"][0]["RequestStatus"].as_str().unwrap_or_default().to_owned()
    };
    let mut last = status().await;
    while ["WAIT", "READY", "RUNNING", "PAUSED"].contains(&last.as_str()) {
        last = status().await;
    }
    assert_eq!(last, "SUCCEEDED");
    let batches = client.get("journalBatches?q=BatchName%20LIKE%20%27%25MY-BATCH%25%27").await;
    assert_eq!((&batches["count"], &batches["items"][0]["Status"]), (&json!(1), &json!("U")), "{batches}");
    let (_, committed) = client.ask("GET", "/control/fusion", "application/json", "").await;
    assert_eq!((&committed["counts"]["invoices"], &committed["counts"]["batches"]), (&json!(1), &json!(1)));
    drop(running);
}
