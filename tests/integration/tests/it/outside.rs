//! Amazon's side as others see it: an independent client against the simulator, and the daemon's commands.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use jiff::SignedDuration;
use ml_connector_domain::Region;
use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_pipeline::normalize;
use ml_connector_ports::{AmazonSource as _, Stream};
use ml_connector_simulator::scenario::ScenarioOptions;
use ml_connector_storage::Upkeep as _;
use serde_json::{Value, json};

use crate::daemon::Simulator;
use crate::process::Installed;
use crate::support::{Connected, binary, small};

/// A client that shares nothing with ours but the documentation.
struct Independent {
    amazon: String,
    token: String,
}

impl Independent {
    fn sign_in(ready: &Value, refresh_token: &str) -> Self {
        let text = |name: &str| ready[name].as_str().expect(name).to_owned();
        let form = [
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", refresh_token.to_owned()),
            ("client_id", text("client_id")),
            ("client_secret", text("client_secret")),
        ];
        let mut answer = ureq::post(text("token")).send_form(form).expect("a token");
        let body: Value =
            serde_json::from_str(&answer.body_mut().read_to_string().expect("text")).expect("JSON");
        Self { amazon: text("amazon"), token: body["access_token"].as_str().expect("a token").to_owned() }
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let mut request =
            ureq::get(format!("{}{path}", self.amazon)).header("x-amz-access-token", &self.token);
        for (name, value) in query {
            request = request.query(*name, *value);
        }
        let mut answer = request.call().unwrap_or_else(|error| panic!("{path} {query:?}: {error}"));
        serde_json::from_str(&answer.body_mut().read_to_string().expect("text")).expect("JSON")
    }
}

/// Hundredths (or whole yen) of a decimal number, without our own types.
fn minor(currency: &str, amount: &str) -> i64 {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let places = if currency == "JPY" { 0 } else { 2 };
    let digits = format!("{}{fraction:0<places$}", whole.trim_start_matches('-'));
    let size: i64 = digits.parse().expect("a number");
    if amount.starts_with('-') { -size } else { size }
}

type Totals = BTreeMap<String, (u64, i64)>;

fn add(totals: &mut Totals, currency: &str, minor: i64) {
    let entry = totals.entry(currency.to_owned()).or_default();
    *entry = (entry.0 + 1, entry.1 + minor);
}

fn pages(client: &Independent, ready: &Value) -> (Totals, Totals) {
    let (from, now) = (ready["from"].as_str().expect("a time"), ready["now"].as_str().expect("a time"));
    let to: jiff::Timestamp = now.parse().expect("a time");
    let to = to.saturating_add(-SignedDuration::from_mins(5)).expect("in range").to_string();
    let (mut orders, mut transactions) = (Totals::new(), Totals::new());
    let mut token: Option<String> = None;
    loop {
        let mut query = vec![
            ("lastUpdatedAfter", from),
            ("lastUpdatedBefore", &to),
            ("includedData", "PROCEEDS,FULFILLMENT"),
        ];
        query.extend(token.as_deref().map(|token| ("paginationToken", token)));
        let page = client.get("/orders/2026-01-01/orders", &query);
        for order in page["orders"].as_array().expect("orders") {
            let total = &order["proceeds"]["grandTotal"];
            if let (Some(currency), Some(amount)) = (total["currencyCode"].as_str(), total["amount"].as_str())
            {
                add(&mut orders, currency, minor(currency, amount));
            }
        }
        token = page["pagination"]["nextToken"].as_str().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    loop {
        let mut query = vec![("postedAfter", from), ("postedBefore", to.as_str())];
        query.extend(token.as_deref().map(|token| ("nextToken", token)));
        let page = &client.get("/finances/2024-06-19/transactions", &query)["payload"];
        for transaction in page["transactions"].as_array().expect("transactions") {
            let total = &transaction["totalAmount"];
            let currency = total["currencyCode"].as_str().expect("a currency");
            add(&mut transactions, currency, minor(currency, &total["currencyAmount"].to_string()));
        }
        token = page["nextToken"].as_str().map(str::to_owned);
        if token.is_none() {
            return (orders, transactions);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_independent_client_sees_the_totals_that_the_connector_stores() {
    let options = ScenarioOptions { days: 30, orders_per_day: 15, unmapped_percent: 4, ..small(71) };
    let mut child = Command::new(binary("ml-connector-simulator"))
        .args(["amazon", "--seed", "71", "--orders-per-day", "15"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the simulator starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("an output")).read_line(&mut line).expect("a line");
    let _simulator = Simulator(child);
    let ready: Value = serde_json::from_str(&line).expect("one object");
    let theirs = tokio::task::spawn_blocking(move || {
        let (mut orders, mut transactions) = (Totals::new(), Totals::new());
        for own in ready["sellers"][0]["authorizations"].as_array().expect("authorisations") {
            let client = Independent::sign_in(&ready, own["refresh_token"].as_str().expect("a token"));
            let (o, t) = pages(&client, &ready);
            orders.extend(o);
            transactions.extend(t);
        }
        (orders, transactions)
    });
    let theirs = theirs.await.expect("no panic");
    let ours = stored(options).await;
    assert_eq!(ours, theirs);
    assert!(ours.0.len() == 4 && ours.1.len() == 4, "{ours:?}");
}

/// What the connector stores of the same month.
async fn stored(options: ScenarioOptions) -> (Totals, Totals) {
    let connected = Connected::start("independent", options).await;
    connected.set_clock(connected.simulator.world.scenario.end).await;
    let (mut orders, mut transactions) = (Totals::new(), Totals::new());
    for (stream, totals) in [(Stream::Orders, &mut orders), (Stream::Transactions, &mut transactions)] {
        for region in Region::ALL {
            connected.poll(region, stream).await;
        }
        let raw = connected.store.pending_raw_of(&connected.seller.id, stream.as_str(), 100_000).await;
        for raw in raw.expect("reads") {
            let total = if stream == Stream::Orders {
                let order: Order = connected.amazon.order(&raw.body).expect("reads");
                order.total
            } else {
                let transaction: Transaction = connected.amazon.transaction(&raw.body).expect("reads");
                Some(transaction.total)
            };
            if let Some(total) = total {
                add(totals, total.currency.code(), total.minor);
            }
        }
        normalize::normalize(&connected.parts, &connected.seller).await.expect("normalizes");
    }
    (orders, transactions)
}

/// What an operator asks of Amazon's side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_tell_of_places_products_retention_and_reports() {
    let installed = Installed::start("commands", small(72)).await;
    let world = &installed.simulator.world;
    let end = world.scenario.end.to_string();
    installed.said(&["serve", "--until", &end]).await;
    let seller = installed.seller();
    let places = installed.said(&["participations", "--seller", seller, "--region", "na"]).await;
    assert!(places.contains("no shop") && places.contains("America/Los_Angeles"), "{places}");
    let sku = world.scenario.sellers[0].products[3].sku.clone();
    let na = ["--seller", seller, "--region", "na", "--marketplace", "ATVPDKIKX0DER"];
    let rows = installed.said(&[&["products"], &na[..], &[sku.as_str(), "UNKNOWN-1"]].concat()).await;
    assert!(
        rows.contains(&format!(
            "{sku},{},,,,",
            world.scenario.sellers[0].products[3].product_type.to_uppercase()
        )),
        "{rows}"
    );
    let retention: Value =
        serde_json::from_str(&installed.said(&["retention", "--json"]).await).expect("JSON");
    assert_eq!(retention["outside"], 0, "{retention}");
    let months = retention["rows"].as_array().expect("rows");
    let kinds: Vec<&str> = ["order", "transaction", "report"]
        .into_iter()
        .filter(|kind| months.iter().any(|row| row["kind"] == *kind))
        .collect();
    assert_eq!(kinds.len(), 3, "{retention}");
    let report = installed.said(&["settlement-report", "--seller", seller, "5000000000"]).await;
    assert!(report.starts_with("settlement-id\t") && report.lines().count() > 3, "{report}");
    assert!(installed.refused(&["settlement-report", "--seller", seller, "1"]).await.contains("RPT-UNKNOWN"));
    // A notification polls what it is about, and nothing else follows from it.
    let body = json!({
        "NotificationType": "TRANSACTION_UPDATE",
        "Payload": { "TransactionUpdateNotification": { "SellingPartnerMetadata": { "SellingPartnerId": seller } } },
    });
    std::fs::write(installed.path("notification.json"), body.to_string()).expect("writes");
    let file = installed.path("notification.json");
    let said = installed.said(&["notification", file.to_str().expect("a path")]).await;
    assert!(said.starts_with("transactions of"), "{said}");
    // One about an order has that order read, by a call that costs less than a search.
    let order = world.scenario.orders.iter().rfind(|order| order.shipped().is_some()).expect("some");
    let about = |id: &str| {
        json!({ "NotificationType": "ORDER_CHANGE", "Payload": { "OrderChangeNotification": {
            "SellerId": seller, "AmazonOrderId": id, "Summary": { "MarketplaceId": order.marketplace.id } } } })
    };
    let calls = |operation: &str| world.journal.to_json()["amazon"][operation]["200"].as_u64().unwrap_or(0);
    let searches = calls("searchOrders");
    let rows = [(order.id.as_str(), " read"), ("113-0000000-0000000", "NTF-ORDER")];
    for (id, wanted) in rows {
        std::fs::write(installed.path("notification.json"), about(id).to_string()).expect("writes");
        let said = installed.said(&["notification", file.to_str().expect("a path")]).await;
        assert!(said.contains(id) && said.contains(wanted), "{said}");
    }
    assert_eq!((calls("getOrder"), calls("searchOrders")), (1, searches));
    let told = installed.said(&["explain", &order.id]).await;
    assert!(told.contains("asked for by its id"), "{told}");
    let one = installed.said(&["retention", &order.id]).await;
    assert!(one.contains(&order.id) && one.contains("Amazon serves it"), "{one}");
    // Three years later Amazon serves nothing of it, and it is said so.
    let later =
        world.scenario.end.saturating_add(SignedDuration::from_hours(3 * 366 * 24)).expect("in range");
    assert!(world.clock.set(later));
    let retention: Value =
        serde_json::from_str(&installed.said(&["retention", "--json"]).await).expect("JSON");
    let outside = retention["outside"].as_u64().expect("a count");
    let american = world.scenario.orders.iter().find(|order| order.marketplace.id == "ATVPDKIKX0DER");
    let one = installed.said(&["retention", &american.expect("some").id]).await;
    assert!(one.contains("outside since"), "{one}");
    let japan =
        world.scenario.orders.iter().filter(|order| order.marketplace.id == "A1VC38T7YXB528").count() as u64;
    let all: u64 =
        retention["rows"].as_array().expect("rows").iter().filter_map(|row| row["records"].as_u64()).sum();
    assert_eq!(outside, all - japan, "all but Japan's orders");
}
