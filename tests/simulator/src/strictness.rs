//! What the remotes refuse is refused here, too: each row changes one thing of a request that is accepted.

use std::io::Write as _;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method};
use base64::Engine as _;
use serde_json::{Value, json};

use crate::clock::SimulatedClock;
use crate::http::{Incoming, Reply, pairs};
use crate::scenario::{Region, Scenario, ScenarioOptions, combination, names};
use crate::{World, amazon, control, fusion, journal};

fn world() -> World {
    let scenario = Scenario::generate(ScenarioOptions {
        seed: 1,
        sellers: 2,
        days: 2,
        orders_per_day: 5,
        start: "2026-09-01T00:00:00Z".parse().expect("a time"),
        unmapped_percent: 10,
    });
    let world = World {
        clock: SimulatedClock::new(scenario.start),
        amazon: std::sync::Mutex::default(),
        fusion: std::sync::Mutex::new(fusion::FusionState::new(&scenario)),
        journal: journal::RequestJournal::default(),
        faults: control::Faults::new(1),
        scenario,
    };
    assert!(world.clock.set("2026-09-03T12:00:00Z".parse().expect("a time")));
    world
}

fn incoming(
    method: Method,
    path: &str,
    query: &str,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Incoming {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"))
        })
        .collect();
    Incoming {
        method,
        path: path.to_owned(),
        query: pairs(query),
        headers,
        body: Bytes::from(body.to_owned()),
    }
}

fn parts(reply: &Reply) -> (u16, String) {
    match reply {
        Reply::Answer { status, body, .. } => (*status, String::from_utf8_lossy(body).into_owned()),
        Reply::Slow { .. } | Reply::Cut => (0, String::new()),
    }
}

const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];

fn access_token(reply: &Reply) -> String {
    let (status, body) = parts(reply);
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    body["access_token"].as_str().expect("a token").to_owned()
}

fn amazon_token(world: &World, region: Region) -> String {
    let form = format!(
        "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
        names::APPLICATION,
        names::APPLICATION_SECRET,
        world.scenario.sellers[0].refresh_token(region).replace('|', "%7C"),
    );
    access_token(&amazon::lwa::handle(world, &incoming(Method::POST, "/auth/o2/token", "", FORM, &form)))
}

#[test]
fn login_with_amazon_refuses_by_name() {
    let world = world();
    let good = [
        ("grant_type", "refresh_token".to_owned()),
        ("client_id", names::APPLICATION.to_owned()),
        ("client_secret", names::APPLICATION_SECRET.to_owned()),
        ("refresh_token", world.scenario.sellers[0].refresh_token(Region::Na).replace('|', "%7C")),
    ];
    let rows = [
        ("grant_type", "password", 400, "unsupported_grant_type"),
        ("client_id", "amzn1.someone-else", 401, "invalid_client"),
        ("client_secret", "rotated", 401, "invalid_client"),
        ("refresh_token", "Atzr%7Crevoked", 400, "invalid_grant"),
    ];
    for (field, value, status, error) in rows {
        let form: Vec<String> = good
            .iter()
            .map(|(name, own)| format!("{name}={}", if *name == field { value } else { own.as_str() }))
            .collect();
        let request = incoming(Method::POST, "/auth/o2/token", "", FORM, &form.join("&"));
        let (found, body) = parts(&amazon::lwa::handle(&world, &request));
        assert!(found == status && body.contains(error), "{field}: {found} {body}");
    }
    let json = incoming(Method::POST, "/auth/o2/token", "", &[("content-type", "application/json")], "{}");
    assert_eq!(parts(&amazon::lwa::handle(&world, &json)).0, 400);
}

#[test]
fn amazon_refuses_what_production_refuses() {
    let world = world();
    let (na, eu) = (amazon_token(&world, Region::Na), amazon_token(&world, Region::Eu));
    let ask = |path: &str, query: &str, token: &str| {
        let request = incoming(Method::GET, path, query, &[("x-amz-access-token", token)], "");
        parts(&amazon::handle(&world, Region::Na, &request))
    };
    let orders = "/orders/2026-01-01/orders";
    let transactions = "/finances/2024-06-19/transactions";
    let rows: &[(&str, &str, &str, u16, &str)] = &[
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00Z", &na, 200, "orders"),
        (orders, "", &na, 400, "lastUpdatedAfter is required"),
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00%2B02:00", &na, 400, "Invalid Date-Time"),
        (
            orders,
            "lastUpdatedAfter=2026-09-01T00:00:00Z&lastUpdatedBefore=2026-09-03T11:59:00Z",
            &na,
            400,
            "two minutes old",
        ),
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00Z&maxResultsPerPage=101", &na, 400, "1 to 100"),
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00Z&includedData=MONEY", &na, 400, "includedData"),
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00Z&MarketplaceIds=US", &na, 400, "unknown parameter"),
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00Z&paginationToken=made-up", &na, 400, "NextToken"),
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00Z", "Atza|made-up", 403, "revoked"),
        (orders, "lastUpdatedAfter=2026-09-01T00:00:00Z", &eu, 403, "Unauthorized"),
        (transactions, "postedAfter=2026-09-01T00:00:00Z", &na, 200, "transactions"),
        (transactions, "postedBefore=2026-09-02T00:00:00Z", &na, 400, "Start date cannot be null"),
        (transactions, "postedAfter=2026-09-03T11:59:30Z", &na, 400, "Date range is invalid"),
        ("/orders/2026-01-01/orders/113-0000000-0000000", "", &na, 404, "NotFound"),
        ("/orders/v7/orders", "", &na, 403, "MissingAuthenticationToken"),
    ];
    for (path, query, token, status, words) in rows {
        let (found, body) = ask(path, query, token);
        assert!(found == *status && body.contains(words), "{path}?{query}: {found} {body}");
    }
}

#[test]
fn a_bucket_is_empty_after_its_burst_and_refills_with_time() {
    let world = world();
    let token = amazon_token(&world, Region::Na);
    let ask = || {
        let query = "lastUpdatedAfter=2026-09-01T00:00:00Z";
        let headers = [("x-amz-access-token", token.as_str())];
        let request = incoming(Method::GET, "/orders/2026-01-01/orders", query, &headers, "");
        parts(&amazon::handle(&world, Region::Na, &request)).0
    };
    assert!((0..20).all(|_| ask() == 200));
    assert_eq!(ask(), 429);
    assert!(world.clock.set("2026-09-03T12:02:59Z".parse().expect("a time")));
    assert_eq!((ask(), ask()), (200, 429), "one token in 179 s");
}

struct Fusion {
    world: World,
    token: String,
}

impl Fusion {
    fn new() -> Self {
        let world = world();
        let basic = base64::engine::general_purpose::STANDARD.encode(format!(
            "{}:{}",
            names::CLIENT,
            names::CLIENT_SECRET
        ));
        let basic = format!("Basic {basic}");
        let headers = [FORM[0], ("authorization", basic.as_str())];
        let form = format!("grant_type=client_credentials&scope={}", names::SCOPE.replace(':', "%3A"));
        let request = incoming(Method::POST, "/oauth2/v1/token", "", &headers, &form);
        let token = access_token(&fusion::identity::handle(&world, &request));
        Self { world, token }
    }

    fn send(&self, method: Method, resource: &str, body: &Value) -> (u16, String) {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let path = format!("/fscmRestApi/resources/11.13.18.05/{resource}");
        parts(&fusion::handle(&self.world, &incoming(method, &path, "", &headers, &body.to_string())))
    }

    fn post(&self, resource: &str, body: &Value) -> (u16, String) {
        self.send(Method::POST, resource, body)
    }

    fn invoice(&self) -> Value {
        let setup = &self.world.scenario.sellers[0].fusion;
        let revenue = combination("41000", "110");
        json!({
            "BusinessUnit": setup.business_unit, "TransactionSource": names::INVOICE_SOURCE,
            "TransactionType": names::INVOICE_TYPE, "TransactionNumber": "I0000000000000000001",
            "TransactionDate": "2026-09-02", "AccountingDate": "2026-09-02", "PaymentTerms": names::TERMS,
            "BillToCustomerNumber": setup.first_customer.to_string(), "InvoiceCurrencyCode": "USD",
            "CrossReference": "100-1000000-1000000",
            "receivablesInvoiceLines": [
                { "LineNumber": 1, "Description": "A mug", "Quantity": 2, "UnitSellingPrice": 9.5 }],
            "receivablesInvoiceDistributions": [
                { "AccountClass": "Receivable", "AccountCombination": combination("12100", "000"), "Amount": 19.0 },
                { "AccountClass": "Revenue", "AccountCombination": revenue, "Amount": 19.0, "InvoiceLineNumber": 1 }],
        })
    }
}

#[test]
fn a_receivable_is_refused_under_the_name_of_what_is_wrong() {
    let fusion = Fusion::new();
    let rows = [
        ("/Invented", json!(1), "27012"),
        ("/BusinessUnit", json!("Nowhere"), "AR_BU_NOT_FOUND"),
        ("/TransactionSource", json!("Nowhere"), "AR_BATCH_SOURCE_NOT_FOUND"),
        ("/TransactionType", json!("Invoice"), "AR_TYPE_NOT_FOUND"),
        ("/PaymentTerms", json!("45 Net"), "AR_TERMS_NOT_FOUND"),
        ("/TransactionNumber", json!("I00000000000000000001"), "27040"),
        ("/BillToCustomerNumber", json!("1"), "AR_BILL_TO_CUST_NOT_FOUND"),
        ("/InvoiceCurrencyCode", json!("XXX"), "AR_FUNC_CURRENCY_REQ"),
        ("/AccountingDate", json!("2031-01-01"), "AR_GL_DATE_INVALID"),
        ("/receivablesInvoiceLines", json!([]), "AR_LINES_REQ"),
        ("/receivablesInvoiceLines/0/ItemNumber", json!("MUG"), "AR_ITEM_NOT_FOUND"),
        ("/receivablesInvoiceLines/0/Quantity", json!(0), "27014"),
        ("/receivablesInvoiceLines/0/LineAmount", json!(18.0), "AR_LINE_AMOUNT"),
        ("/receivablesInvoiceDistributions/0/Amount", json!(18.0), "AR_DIST_AMOUNT"),
        (
            "/receivablesInvoiceDistributions/1/AccountCombination",
            json!("01-110-99999"),
            "AR_ACCOUNT_INVALID",
        ),
        ("/receivablesInvoiceDistributions/1/AccountClass", json!("Liability"), "AR_ACCOUNT_CLASS"),
    ];
    for (place, value, code) in rows {
        let mut body = fusion.invoice();
        let (parent, name) = place.rsplit_once('/').expect("a place");
        body.pointer_mut(parent).expect("the place exists")[name] = value;
        let (status, answer) = fusion.post("receivablesInvoices", &body);
        assert!(status == 400 && answer.contains(code), "{place}: {status} {answer}");
    }
    assert_eq!(fusion.post("receivablesInvoices", &fusion.invoice()).0, 201, "the unchanged one is taken");
    let (status, answer) = fusion.post("receivablesInvoices", &fusion.invoice());
    assert!(status == 400 && answer.contains("AR_TRX_NUM_DUP"), "{status} {answer}");
    assert_eq!(fusion.send(Method::PATCH, "receivablesInvoices", &json!({})).0, 405);
    assert_eq!(fusion.post("journalBatches", &json!({})).0, 405, "journals cannot be posted by REST");
    assert_eq!(Fusion { token: "stale".to_owned(), ..fusion }.post("receivablesInvoices", &json!({})).0, 401);
}

/// A row of `GlInterface.csv` that is accepted: column number and text.
fn row(fusion: &Fusion, side: usize, account: &str) -> Vec<(usize, String)> {
    let setup = &fusion.world.scenario.sellers[0].fusion;
    let mut cells: Vec<(usize, String)> = [
        (1, "NEW"),
        (2, setup.ledger_id.as_str()),
        (3, "2026/09/02"),
        (4, names::JOURNAL_SOURCE),
        (5, names::JOURNAL_CATEGORY),
        (6, "USD"),
        (7, "2026/09/02"),
        (8, "A"),
        (side, "12.50"),
        (43, "J0000000000000000001"),
        (46, "J0000000000000000001"),
        (67, "4711"),
    ]
    .map(|(n, text)| (n, text.to_owned()))
    .into();
    let combination = combination(account, "000");
    cells.extend(combination.split('-').enumerate().map(|(n, segment)| (9 + n, segment.to_owned())));
    cells
}

/// Imports two rows, the first one changed; gives back the launcher's answer and how the job ended.
fn import(fusion: &Fusion, change: Option<(usize, &str)>, columns: usize) -> String {
    let mut rows = vec![row(fusion, 39, "11800"), row(fusion, 40, "12150")];
    if let Some((column, text)) = change {
        rows[0].retain(|(n, _)| *n != column);
        rows[0].push((column, text.to_owned()));
    }
    let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    for cells in &rows {
        let mut record = vec![String::new(); columns];
        for (n, text) in cells.iter().filter(|(n, _)| *n <= columns) {
            record[n - 1].clone_from(text);
        }
        csv.write_record(&record).expect("writes");
    }
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("GlInterface.csv", zip::write::SimpleFileOptions::default()).expect("a file");
    zip.write_all(&csv.into_inner().expect("bytes")).expect("writes");
    let content = zip.finish().expect("a zip").into_inner();
    let setup = &fusion.world.scenario.sellers[0].fusion;
    let (status, answer) = fusion.post(
        "erpintegrations",
        &json!({
            "OperationName": "importBulkData", "ContentType": "zip", "FileName": "GlInterface.zip",
            "DocumentContent": base64::engine::general_purpose::STANDARD.encode(content),
            "DocumentAccount": "fin$/generalLedger$/import$",
            "JobName": "/oracle/apps/ess/financials/generalLedger/programs/common,JournalImportLauncher",
            "ParameterList": format!(
                "{},{},{},4711,N,N,N", setup.data_access_set_id, names::JOURNAL_SOURCE, setup.ledger_id
            ),
        }),
    );
    assert_eq!(status, 201, "{answer}");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let request = answer["ReqstId"].as_str().expect("a request");
    let finder = format!("finder=ESSJobStatusRF%3BrequestId%3D{request}");
    let bearer = format!("Bearer {}", fusion.token);
    let ask = || {
        let headers = [("authorization", bearer.as_str())];
        let path = "/fscmRestApi/resources/11.13.18.05/erpintegrations";
        let request = incoming(Method::GET, path, &finder, &headers, "");
        parts(&fusion::handle(&fusion.world, &request)).1
    };
    let later = fusion.world.clock.now() + 20_000;
    assert!(fusion.world.clock.set(jiff::Timestamp::from_millisecond(later).expect("a time")));
    ask()
}

/// A report without its legend, which names every code there is.
fn error_lines(report: &str) -> &str {
    report.split("Error Key").next().unwrap_or_default()
}

#[test]
fn a_journal_import_takes_all_rows_or_none() {
    let rows = [
        (Some((3, "2031/01/02")), "EP01"),
        (Some((5, "Manual")), "EM01"),
        (Some((6, "XXX")), "EC08"),
        (Some((6, "EUR")), "EC03"),
        (Some((10, "999")), "EF04"),
        (Some((39, "12.49")), "EU02"),
        (Some((39, "")), "EG01"),
        (Some((3, "2026-09-02")), "SQL*Loader"),
    ];
    for (change, code) in rows {
        let fusion = Fusion::new();
        let status = import(&fusion, change, 149);
        let state = crate::locked(&fusion.world.fusion);
        assert!(state.batches.is_empty(), "{code}: it was imported: {status}");
        let report = state.reports();
        assert!(report.iter().any(|words| error_lines(words).contains(code)), "{code}: {report:?}");
    }
    let fusion = Fusion::new();
    import(&fusion, None, 120);
    assert_eq!(crate::locked(&fusion.world.fusion).reports(), ["SQL*Loader: 120 columns"]);
    let fusion = Fusion::new();
    let status = import(&fusion, None, 149);
    assert!(status.contains("SUCCEEDED"), "{status}");
    assert_eq!(crate::locked(&fusion.world.fusion).batches.len(), 1);
}
