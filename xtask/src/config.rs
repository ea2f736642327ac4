//! Writes what an operator would write: configuration, catalogs and secrets.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// A master key for a demo that keeps nothing.
const MASTER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// How a daemon is set up.
pub(crate) struct Setup<'a> {
    /// The component of every seller's mapper.
    pub(crate) mapper: &'a Path,
    /// Nothing from before this is booked.
    pub(crate) start_from: &'a Value,
    /// Lines of the `[cadence]` table; none are the daemon's own cadences.
    pub(crate) cadence: &'a str,
    /// Regions in which each seller has authorised the application.
    pub(crate) regions: usize,
}

/// Writes everything into a folder; says where the configuration is.
///
/// # Errors
/// A file cannot be written, or the scenario lacks something.
pub(crate) fn write(scenario: &Value, urls: &Value, folder: &Path, setup: &Setup<'_>) -> Result<PathBuf> {
    let secret = |name: &str, value: &Value| -> Result<()> {
        let value = value.as_str().with_context(|| format!("the scenario has no {name}"))?;
        Ok(fs::write(folder.join(name), value)?)
    };
    fs::write(folder.join("master.key"), MASTER_KEY)?;
    secret("amazon.secret", &scenario["application"]["client_secret"])?;
    secret("fusion.secret", &scenario["identity"]["client_secret"])?;
    let mut text = head(scenario, urls, setup.cadence)?;
    for seller in scenario["sellers"].as_array().context("the scenario has no sellers")? {
        let id = seller["id"].as_str().context("a seller has no id")?;
        for authorization in seller["authorizations"].as_array().into_iter().flatten().take(setup.regions) {
            let region = authorization["region"].as_str().unwrap_or_default();
            secret(&format!("{id}-{region}.token"), &authorization["refresh_token"])?;
        }
        fs::write(folder.join(format!("{id}.csv")), catalog(seller))?;
        text.push_str(&seller_text(seller, id, setup)?);
    }
    let path = folder.join("ml-connector.toml");
    fs::write(&path, text)?;
    Ok(path)
}

/// Lets a second of this machine pass with every step of the clock, for a daemon that is left running.
///
/// # Errors
/// The configuration cannot be read or written.
pub(crate) fn slow_down(path: &Path) -> Result<()> {
    let text = fs::read_to_string(path)?;
    let mode = "mode = \"stepped\"\n";
    Ok(fs::write(path, text.replacen(mode, &format!("{mode}pace_ms = 1000\n"), 1))?)
}

/// Puts a PostgreSQL database in the place of the file, with leases short enough to be waited for.
///
/// # Errors
/// The configuration cannot be read or written.
pub(crate) fn move_to_postgres(path: &Path, folder: &Path, url: &str) -> Result<()> {
    fs::write(folder.join("database.url"), url)?;
    let text = fs::read_to_string(path)?;
    let text =
        text.replacen("database = \"connector.sqlite\"\n", "database_url_file = \"database.url\"\n", 1);
    Ok(fs::write(path, text.replacen("[clock]\n", "[cluster]\nlease_seconds = 3\n\n[clock]\n", 1))?)
}

/// Writes the same configuration once more, with a clock that runs as the simulator's does, so that any number of daemons have
/// the same time; says where.
///
/// # Errors
/// The configuration cannot be read or written, or the simulator's clock stands still.
pub(crate) fn with_a_running_clock(path: &Path, clock: &Value) -> Result<PathBuf> {
    let figures = clock.as_object().context("the simulator's clock stands still")?;
    let mut runs = "mode = \"scaled\"\n".to_owned();
    for (name, figure) in figures {
        writeln!(runs, "{name} = {figure}")?;
    }
    let lines = fs::read_to_string(path)?;
    let lines = lines.lines().filter(|line| !line.starts_with("advance_url = "));
    let lines = lines.map(|line| if line == "mode = \"stepped\"" { runs.trim_end() } else { line });
    let text = lines.collect::<Vec<_>>().join("\n");
    let path = path.with_file_name("running.toml");
    fs::write(&path, text)?;
    Ok(path)
}

fn head(scenario: &Value, urls: &Value, cadence: &str) -> Result<String> {
    let mut text = String::new();
    writeln!(
        text,
        "database = \"connector.sqlite\"\nmaster_key_file = \"master.key\"\ndevelopment = true\n"
    )?;
    writeln!(
        text,
        "[clock]\nmode = \"stepped\"\nadvance_url = {}\n",
        with(&urls["control"], "/control/clock")
    )?;
    writeln!(text, "[audit]\ncheckpoint_minutes = 1440\n")?;
    writeln!(text, "[cadence]\n{cadence}")?;
    writeln!(text, "[amazon]\nclient_id = {}", scenario["application"]["client_id"])?;
    writeln!(
        text,
        "client_secret_file = \"amazon.secret\"\nlwa_url = {}",
        with(&urls["lwa"], "/auth/o2/token")
    )?;
    writeln!(text, "\n[amazon.endpoints]")?;
    for region in ["na", "eu", "fe"] {
        writeln!(text, "{region} = {}", urls["amazon"][region])?;
    }
    writeln!(text, "\n[fusion]\nbase_url = {}\nidentity_url = {}", urls["fusion"], urls["identity"])?;
    writeln!(
        text,
        "scope = {}\nclient_id = {}",
        scenario["identity"]["scope"], scenario["identity"]["client_id"]
    )?;
    writeln!(text, "client_secret_file = \"fusion.secret\"")?;
    Ok(text)
}

/// A JSON string is a TOML string, too, for what occurs here.
fn with(url: &Value, path: &str) -> Value {
    Value::String(format!("{}{path}", url.as_str().unwrap_or_default()))
}

fn seller_text(seller: &Value, id: &str, setup: &Setup<'_>) -> Result<String> {
    let mut text = String::new();
    writeln!(
        text,
        "\n[[seller]]\nid = \"{id}\"\nname = {}\nstart_from = {}",
        seller["name"], setup.start_from
    )?;
    writeln!(text, "catalog = \"{id}.csv\"\nmapper = {:?}", setup.mapper.display().to_string())?;
    for authorization in seller["authorizations"].as_array().into_iter().flatten().take(setup.regions) {
        let region = authorization["region"].as_str().unwrap_or_default();
        writeln!(text, "\n[[seller.authorization]]\nregion = \"{region}\"")?;
        writeln!(text, "refresh_token_file = \"{id}-{region}.token\"")?;
    }
    writeln!(text, "\n[seller.settings]")?;
    for (marketplace, regime) in seller["tax"].as_object().into_iter().flatten() {
        writeln!(text, "\"tax.{marketplace}\" = {regime}")?;
    }
    if let Some(returned) = seller["returned_goods"].as_str() {
        writeln!(text, "\"cogs.returned\" = \"{returned}\"")?;
    }
    let ledger = seller["fusion"].as_object().context("a seller has no ledger")?;
    writeln!(text, "\n[seller.ledger]")?;
    for (key, value) in ledger.iter().filter(|(_, value)| !value.is_object()) {
        writeln!(text, "{key} = {value}")?;
    }
    for (key, table) in ledger.iter().filter_map(|(key, value)| Some((key, value.as_object()?))) {
        writeln!(text, "\n[seller.ledger.{key}]")?;
        for (name, value) in table {
            writeln!(text, "{name} = {value}")?;
        }
    }
    Ok(text)
}

/// The catalog names what is mapped: each product type with its accounts, each SKU with its type, and what it costs in each
/// marketplace and from when, where that is known.
fn catalog(seller: &Value) -> String {
    let mut text = "sku,product_type,marketplace,revenue_account,cogs_account,cost_center,valid_from,valid_to,unit_cost,\
                    unit_cost_currency\n"
        .to_owned();
    let field = |product: &Value, name: &str| product[name].as_str().unwrap_or_default().to_owned();
    let products = seller["products"].as_array().cloned().unwrap_or_default();
    let mapped: Vec<&Value> = products.iter().filter(|product| product["mapped"] == true).collect();
    let mut types: Vec<[String; 4]> = mapped
        .iter()
        .map(|p| {
            ["product_type", "revenue_account", "cogs_account", "cost_center"].map(|name| field(p, name))
        })
        .collect();
    types.sort();
    types.dedup();
    for [kind, revenue, cogs, center] in types {
        text.push_str(&format!(",{kind},,{revenue},{cogs},{center},,,,\n"));
    }
    for product in mapped {
        let sku = field(product, "sku");
        text.push_str(&format!("{sku},{},,,,,,,,\n", field(product, "product_type")));
        for cost in product["costs"].as_array().into_iter().flatten() {
            let [place, from, to, each, currency] =
                ["marketplace", "valid_from", "valid_to", "unit_cost", "currency"]
                    .map(|name| field(cost, name));
            text.push_str(&format!("{sku},,{place},,,,{from},{to},{each},{currency}\n"));
        }
    }
    text
}
