//! A configuration for a simulator of both remotes: it tells everything, its secrets included.

use std::path::Path;
use std::time::Duration;

use ml_connector_remote::Request;
use serde_json::{Value, json};

use super::files::{CATALOG, KEY};
use super::questions::{Answers, table};
use super::{Draft, Failure};
use crate::app::http_client;
use crate::service::wait;

/// How often, and after how long, the simulator's first line is looked for.
const TRIES: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(200);

/// Polls cost as much as in production, and a month is to pass in a minute: there are fewer.
const MINUTES: [(&str, u32); 7] = [
    ("orders_minutes", 240),
    ("transactions_minutes", 720),
    ("groups_minutes", 1440),
    ("payouts_minutes", 1440),
    ("reports_minutes", 1440),
    ("reconcile_minutes", 1440),
    ("watch_minutes", 720),
];

/// What the simulator's first seller needs.
///
/// # Errors
/// `INI-SIMULATOR`: the file is none, or nobody answers there.
pub(super) async fn draft(ready: &Path, answers: Answers) -> Result<Draft, Failure> {
    let wrong = |why: String| format!("INI-SIMULATOR: {}: {why}", ready.display());
    let urls = first_line(ready).await.map_err(wrong)?;
    let control = urls["control"].as_str().ok_or_else(|| wrong("it names no control port".to_owned()))?;
    let answer = http_client(4, true)?.send(Request::get(format!("{control}/control/scenario"))).await;
    let answer = answer.map_err(|error| wrong(format!("the simulator does not answer: {error}")))?;
    let scenario: Value = serde_json::from_slice(&answer.body)?;
    from_scenario(&urls, control, &scenario, &answers)
}

/// The first line of the file, as JSON. A simulator that was started just now may not have written it yet.
async fn first_line(ready: &Path) -> Result<Value, String> {
    let mut tries = 0;
    loop {
        let text = std::fs::read_to_string(ready).map_err(|error| error.to_string())?;
        match text.lines().next().map(serde_json::from_str) {
            Some(Ok(urls)) => return Ok(urls),
            _ if tries < TRIES => tries += 1,
            _ => {
                return Err("it does not hold the line that `ml-connector-simulator serve` prints".to_owned());
            }
        }
        wait(BETWEEN).await;
    }
}

fn from_scenario(urls: &Value, control: &str, scenario: &Value, answers: &Answers) -> Result<Draft, Failure> {
    let seller = &scenario["sellers"][0];
    let mut secrets = vec![
        ("amazon.secret".to_owned(), plain(&scenario["application"]["client_secret"])),
        ("fusion.secret".to_owned(), plain(&scenario["identity"]["client_secret"])),
    ];
    let mut authorizations = Vec::new();
    for own in seller["authorizations"].as_array().into_iter().flatten() {
        let file = format!("{}.token", plain(&own["region"]));
        authorizations.push(json!({ "region": own["region"], "refresh_token_file": file }));
        secrets.push((file, plain(&own["refresh_token"])));
    }
    let settings: serde_json::Map<String, Value> = seller["tax"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(place, regime)| (format!("tax.{place}"), regime.clone()))
        .collect();
    let url = |base: &Value, path: &str| format!("{}{path}", plain(base));
    let cadence: serde_json::Map<String, Value> =
        MINUTES.iter().map(|(name, minutes)| ((*name).to_owned(), (*minutes).into())).collect();
    let config = json!({
        "database": "connector.sqlite", "master_key_file": KEY, "development": true,
        "clock": { "mode": "stepped", "advance_url": format!("{control}/control/clock") },
        "cadence": cadence,
        "amazon": {
            "client_id": scenario["application"]["client_id"], "client_secret_file": "amazon.secret",
            "lwa_url": url(&urls["lwa"], "/auth/o2/token"), "endpoints": urls["amazon"],
        },
        "fusion": {
            "base_url": urls["fusion"], "identity_url": urls["identity"], "scope": scenario["identity"]["scope"],
            "client_id": scenario["identity"]["client_id"], "client_secret_file": "fusion.secret",
        },
        "seller": [{
            "id": seller["id"],
            "name": answers.get("seller_name").map_or_else(|| seller["name"].clone(), Value::from),
            "start_from": scenario["start"], "catalog": CATALOG,
            "mapper": answers.get("mapper").unwrap_or("mapper.component.wasm"),
            "authorization": authorizations, "settings": settings, "ledger": seller["fusion"],
        }],
    });
    let next = vec![
        "`ml-connector credentials import`, then `ml-connector doctor`".to_owned(),
        format!(
            "`ml-connector serve --until {}`: the simulated time passes as fast as it can",
            plain(&scenario["end"])
        ),
    ];
    Ok(Draft { config: table(&config)?, catalog: catalog(seller), secrets, next })
}

/// The products that the simulator's operator has mapped; the others will wait for a person.
fn catalog(seller: &Value) -> String {
    let mut text = "sku,product_type,marketplace,revenue_account,cogs_account,cost_center\n".to_owned();
    for product in seller["products"].as_array().into_iter().flatten().filter(|one| one["mapped"] == true) {
        let [sku, kind, revenue, center] =
            ["sku", "product_type", "revenue_account", "cost_center"].map(|name| plain(&product[name]));
        text.push_str(&format!("{sku},{kind},,{revenue},,{center}\n"));
    }
    text
}

fn plain(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_makes_a_configuration_with_its_secrets_in_files_of_their_own() {
        let scenario = json!({
            "start": "2026-09-01T00:00:00Z", "end": "2026-10-01T00:00:00Z",
            "application": { "client_id": "app", "client_secret": "s1" },
            "identity": { "client_id": "c", "client_secret": "s2", "scope": "urn" },
            "sellers": [{
                "id": "A1", "name": "One", "authorizations": [{ "region": "na", "refresh_token": "s3" }],
                "fusion": {}, "tax": { "M": "exclusive" },
                "products": [
                    { "sku": "X", "product_type": "t", "mapped": true, "revenue_account": "1", "cost_center": "2" },
                    { "sku": "Y", "product_type": "t", "mapped": false, "revenue_account": null, "cost_center": null },
                ],
            }],
        });
        let urls = json!({ "lwa": "http://l", "amazon": { "na": "http://n" }, "identity": "http://i", "fusion": "http://f" });
        let draft = from_scenario(&urls, "http://c", &scenario, &Answers::default()).expect("a draft");
        let text = toml::to_string(&draft.config).expect("TOML");
        assert!(["s1", "s2", "s3"].iter().all(|secret| !text.contains(&format!("\"{secret}\""))), "{text}");
        assert_eq!(draft.secrets.len(), 3);
        assert!(draft.catalog.contains("X,t,,1,,2") && !draft.catalog.contains('Y'), "{}", draft.catalog);
    }
}
