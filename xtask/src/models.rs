//! `cargo xtask models FOLDER`: the simulator's answers against Amazon's own API models, for every field they carry.
//!
//! The models (Amazon publishes them as OpenAPI 2.0) are not part of this repository: give the folder that holds them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::children::Child;
use crate::test;

/// A call and where its answer is described: model file, path in it, path called, query. `{…}` is filled in.
const CALLS: [(&str, &str, &str); 10] = [
    (
        "orders_2026-01-01.json",
        "/orders/2026-01-01/orders",
        "/orders/2026-01-01/orders?lastUpdatedAfter={from}&includedData=BUYER,RECIPIENT,PROCEEDS,PROMOTION,TAX,FULFILLMENT,CANCELLATION,PACKAGES",
    ),
    (
        "ordersV0.json",
        "/orders/v0/orders",
        "/orders/v0/orders?MarketplaceIds={places}&LastUpdatedAfter={from}",
    ),
    ("ordersV0.json", "/orders/v0/orders/{orderId}/orderItems", "/orders/v0/orders/{order}/orderItems"),
    (
        "finances_2024-06-19.json",
        "/finances/2024-06-19/transactions",
        "/finances/2024-06-19/transactions?postedAfter={from}",
    ),
    (
        "financesV0.json",
        "/finances/v0/financialEventGroups",
        "/finances/v0/financialEventGroups?FinancialEventGroupStartedAfter={from}&MaxResultsPerPage=100",
    ),
    (
        "financesV0.json",
        "/finances/v0/financialEventGroups/{eventGroupId}/financialEvents",
        "/finances/v0/financialEventGroups/{group}/financialEvents",
    ),
    (
        "transfers_2024-06-01.json",
        "/finances/transfers/2024-06-01/payouts",
        "/finances/transfers/2024-06-01/payouts?createdAfter={from}",
    ),
    (
        "reports_2021-06-30.json",
        "/reports/2021-06-30/reports",
        "/reports/2021-06-30/reports?reportTypes=GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2&pageSize=100",
    ),
    (
        "reports_2021-06-30.json",
        "/reports/2021-06-30/documents/{reportDocumentId}",
        "/reports/2021-06-30/documents/{document}",
    ),
    ("sellers.json", "/sellers/v1/marketplaceParticipations", "/sellers/v1/marketplaceParticipations"),
];

/// Fields that production sends and no model describes, as the simulator does on purpose.
const UNMODELLED: [&str; 1] = ["PerformanceBondRefundEventList"];

/// Differences shown at the most.
const SHOWN: usize = 40;

/// Runs it.
///
/// # Errors
/// A model is missing, or an answer differs from it.
pub(crate) fn run(folder: &Path) -> Result<()> {
    let binaries = test::binaries()?;
    let mut command = Command::new(binaries.join("ml-connector-simulator"));
    command.args(["amazon", "--seed", "1", "--orders-per-day", "3"]);
    let (_simulator, ready) = Child::with_ready_line(command)?;
    let mut differences = Vec::new();
    let mut values = 0;
    for own in ready["sellers"][0]["authorizations"].as_array().context("no authorisations")? {
        let client = Client::sign_in(&ready, own)?;
        let mut found = Found { from: text(&ready["from"]), places: places(own), ..Found::default() };
        for (file, path, url) in CALLS {
            let model = std::fs::read_to_string(folder.join(file)).with_context(|| format!("no {file}"))?;
            let model: Value = serde_json::from_str(&model)?;
            let answer = client.get(&found.fill(url))?;
            found.learn(&answer);
            let schema = &model["paths"][path]["get"]["responses"]["200"]["schema"];
            anyhow::ensure!(schema.is_object(), "{file} does not describe {path}");
            let mut check = Check { model: &model, values: 0, differences: Vec::new() };
            check.value(path, &answer, schema);
            values += check.values;
            differences.append(&mut check.differences);
        }
    }
    differences.sort();
    differences.dedup();
    differences.iter().take(SHOWN).for_each(|difference| println!("{difference}"));
    println!("{values} values of {} operations compared, {} differences", CALLS.len(), differences.len());
    if differences.is_empty() { Ok(()) } else { bail!("the simulator's answers differ from Amazon's models") }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn places(authorization: &Value) -> String {
    let all = authorization["marketplaces"].as_array().into_iter().flatten();
    all.filter_map(Value::as_str).collect::<Vec<_>>().join(",")
}

struct Client {
    amazon: String,
    token: String,
}

impl Client {
    fn sign_in(ready: &Value, authorization: &Value) -> Result<Self> {
        let form = [
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", text(&authorization["refresh_token"])),
            ("client_id", text(&ready["client_id"])),
            ("client_secret", text(&ready["client_secret"])),
        ];
        let mut answer = ureq::post(text(&ready["token"])).send_form(form)?;
        let body: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        Ok(Self { amazon: text(&ready["amazon"]), token: text(&body["access_token"]) })
    }

    fn get(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.amazon);
        let answer = ureq::get(&url).header("x-amz-access-token", &self.token).call();
        let text = answer.and_then(|mut answer| answer.body_mut().read_to_string());
        Ok(serde_json::from_str(&text.with_context(|| format!("cannot ask {url}"))?)?)
    }
}

/// What later calls need of earlier answers.
#[derive(Default)]
struct Found {
    from: String,
    places: String,
    order: String,
    group: String,
    document: String,
}

impl Found {
    fn fill(&self, url: &str) -> String {
        let pairs = [
            ("{from}", &self.from),
            ("{places}", &self.places),
            ("{order}", &self.order),
            ("{group}", &self.group),
            ("{document}", &self.document),
        ];
        pairs.iter().fold(url.to_owned(), |url, (hole, value)| url.replace(hole, value))
    }

    fn learn(&mut self, answer: &Value) {
        let mut take = |pointer: &str, field: fn(&mut Self) -> &mut String| {
            if let Some(value) = answer.pointer(pointer).and_then(Value::as_str) {
                *field(self) = value.to_owned();
            }
        };
        take("/payload/Orders/0/AmazonOrderId", |found| &mut found.order);
        take("/payload/FinancialEventGroupList/0/FinancialEventGroupId", |found| &mut found.group);
        take("/reports/0/reportDocumentId", |found| &mut found.document);
    }
}

/// Compares an answer with a schema.
struct Check<'a> {
    model: &'a Value,
    values: u64,
    differences: Vec<String>,
}

impl<'a> Check<'a> {
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let name = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/definitions/"));
        name.map_or(schema, |name| self.resolved(&self.model["definitions"][name]))
    }

    /// All properties of a schema, its parts' included, with what is required.
    fn properties(
        &self,
        schema: &'a Value,
        into: &mut Vec<(&'a str, &'a Value)>,
        required: &mut Vec<&'a str>,
    ) {
        let schema = self.resolved(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.properties(part, into, required);
        }
        into.extend(
            schema["properties"].as_object().into_iter().flatten().map(|(name, own)| (name.as_str(), own)),
        );
        required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
    }

    fn differs(&mut self, place: &str, what: &str) {
        self.differences.push(format!("{place}: {what}"));
    }

    fn value(&mut self, place: &str, value: &Value, schema: &'a Value) {
        self.values += 1;
        let schema = self.resolved(schema);
        // Production leaves out, or sends as null, whatever is not required.
        match value {
            Value::Null => {}
            Value::Object(members) => self.object(place, members, schema),
            Value::Array(list) => {
                if schema["type"] != "array" {
                    self.differs(place, "a list where the model has none");
                }
                list.iter().for_each(|member| self.value(&format!("{place}[]"), member, &schema["items"]));
            }
            Value::String(text) => {
                let known = schema["enum"].as_array();
                if schema["type"] != "string" {
                    self.differs(place, &format!("text where the model has {}", schema["type"]));
                } else if known.is_some_and(|known| !known.iter().any(|one| one == text)) {
                    self.differs(place, &format!("{text} is not in the model's enumeration"));
                }
            }
            Value::Number(_) if matches!(schema["type"].as_str(), Some("number" | "integer")) => {}
            Value::Bool(_) if schema["type"] == "boolean" => {}
            other => self.differs(place, &format!("{other} where the model has {}", schema["type"])),
        }
    }

    fn object(&mut self, place: &str, members: &serde_json::Map<String, Value>, schema: &'a Value) {
        let (mut properties, mut required) = (Vec::new(), Vec::new());
        self.properties(schema, &mut properties, &mut required);
        if properties.is_empty() {
            self.differs(place, "an object where the model has none");
        }
        for name in required.into_iter().filter(|name| !members.contains_key(*name)) {
            self.differs(place, &format!("{name} is required"));
        }
        for (name, member) in members {
            let place = format!("{place}.{name}");
            match properties.iter().find(|(known, _)| known == name) {
                Some((_, own)) => self.value(&place, member, own),
                None if UNMODELLED.contains(&name.as_str()) => {}
                None => self.differs(&place, "the model has no such field"),
            }
        }
    }
}
