//! `config`: what is configured, its schema, and the page about its keys.

use clap::Subcommand;
use serde_json::Value;

use super::{Outcome, say};
use crate::config::Config;
use crate::config_load::Source;

/// What is asked about the configuration.
#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the file alone, with everything that goes over it; a mistake comes with line, column and what was meant
    Check,
    /// Show every key with the value that counts, the defaults included, as a file
    Show {
        /// Hide whose business it is: client ids, names, accounts, addresses
        #[arg(long)]
        redacted: bool,
    },
    /// Print the JSON schema of the file, for editors
    Schema,
    /// Print the page about all keys, as markdown
    Reference,
}

/// Runs what needs no file; the rest is given back.
///
/// # Errors
/// None but of printing.
pub(crate) fn config_without_file(
    command: ConfigCommand,
) -> Result<Option<ConfigCommand>, Box<dyn std::error::Error>> {
    match command {
        ConfigCommand::Schema => say(&serde_json::to_string_pretty(&schema())?),
        ConfigCommand::Reference => say(reference(&schema()).trim_end()),
        other => return Ok(Some(other)),
    }
    Ok(None)
}

/// Runs what is about a file that was read.
pub(crate) fn config(config: &Config, source: &Source, command: ConfigCommand) -> Outcome {
    if let ConfigCommand::Show { redacted } = command {
        for over in &source.overrides {
            say(&format!("# {} goes over the file", over.origin));
        }
        let mut shown = toml::Table::try_from(config)?;
        if redacted {
            shown.iter_mut().for_each(|(key, value)| redact(key, value));
        }
        say(toml::to_string(&shown)?.trim_end());
    } else {
        let sellers = config.sellers.len();
        say(&format!(
            "{}: right, {sellers} {}",
            source.path.display(),
            if sellers == 1 { "seller" } else { "sellers" }
        ));
    }
    Ok(())
}

/// Keys whose values say whose business it is.
const PRIVATE: [&str; 18] = [
    "client_id",
    "user",
    "key_id",
    "name",
    "id",
    "business_unit",
    "ledger_name",
    "ledger_id",
    "data_access_set_id",
    "business_unit_id",
    "legal_entity",
    "bank_account",
    "base_url",
    "identity_url",
    "scope",
    "application_id",
    "redirect_uri",
    "tenant",
];

/// Puts `…` and the last two characters in the place of what is private, so that two values can still be told apart.
fn redact(key: &str, value: &mut toml::Value) {
    match value {
        toml::Value::Table(inner) => {
            let all = matches!(key, "bill_to" | "accounts" | "authors");
            for (inner_key, value) in inner.iter_mut() {
                redact(if all { "id" } else { inner_key }, value);
            }
        }
        toml::Value::Array(all) => all.iter_mut().for_each(|one| redact(key, one)),
        toml::Value::String(text) if PRIVATE.contains(&key) => {
            let kept = text.chars().count().saturating_sub(2).max(text.chars().count().min(4));
            *text = format!("…{}", text.chars().skip(kept).collect::<String>());
        }
        _ => {}
    }
}

/// The schema of the file.
fn schema() -> Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    schema["title"] = Value::String("ml-connector configuration".to_owned());
    schema
}

/// All keys as one page: a heading for each table, a row for each key.
fn reference(schema: &Value) -> String {
    let mut page = "# Configuration\n\n\
        One TOML file; paths in it are relative to its folder. A variable such as `ML_CONNECTOR__CADENCE__ORDERS_MINUTES` or a \
        flag `--set cadence.orders_minutes=30` goes over it, a seller is named by its id (`--set seller.A3FEXAMPLE.name=Books`). \
        Secrets stand in files that it names, never in it. `ml-connector config check` names a mistake with line, column and what \
        was probably meant; `config show` prints what counts; `config schema` prints `host/docs/config.schema.json`. This page is \
        printed by `config reference`.\n\n`kill -HUP` of the daemon has it read the file again: cadences and catalogs then count \
        without a restart, and the log says what else has changed and waits for one.\n"
        .to_owned();
    section(&mut page, schema, schema, "");
    page
}

/// A table's keys, then the tables in it.
fn section(page: &mut String, root: &Value, at: &Value, path: &str) {
    let mut inner = Vec::new();
    let heading = if path.is_empty() { "At the top".to_owned() } else { format!("`{path}`") };
    page.push_str(&format!("\n## {heading}\n\n"));
    if !path.is_empty()
        && let Some(words) = text(at, "description")
    {
        page.push_str(&format!("{words}\n\n"));
    }
    page.push_str("| key | type | default | |\n|---|---|---|---|\n");
    for shape in shapes(root, at) {
        let required: Vec<&str> =
            shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (key, own) in shape["properties"].as_object().into_iter().flatten() {
            let target = resolved(root, own);
            let (array, element) = match target["items"].is_object() {
                true => (true, resolved(root, &target["items"])),
                false => (false, target),
            };
            let is_table = shapes(root, element).iter().any(|shape| shape["properties"].is_object());
            let kind =
                if is_table { if array { "tables" } else { "table" }.to_owned() } else { kind(root, own) };
            let default = match (&own["default"], required.contains(&key.as_str())) {
                (_, true) => "required".to_owned(),
                (Value::Null, false) => String::new(),
                (_, false) if is_table => String::new(),
                (value, false) => format!("`{value}`"),
            };
            // What tells variants apart is told by the variant.
            let words = text(own, "description").or_else(|| text(target, "description"));
            let words = words.or_else(|| text(shape, "description")).unwrap_or_default();
            page.push_str(&format!("| `{key}` | {kind} | {default} | {words} |\n"));
            if is_table {
                let name = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                inner.push((if array { format!("[{name}]") } else { name }, element));
            }
        }
    }
    for (name, element) in inner {
        let name = name.trim_matches(['[', ']']).to_owned();
        section(page, root, element, &name);
    }
}

/// What a table may look like: itself, or each of its variants.
fn shapes<'a>(root: &'a Value, at: &'a Value) -> Vec<&'a Value> {
    let at = resolved(root, at);
    let variants = ["oneOf", "anyOf"].into_iter().filter_map(|key| at[key].as_array()).flatten();
    let variants: Vec<&Value> = variants.map(|one| resolved(root, one)).collect();
    if at["properties"].is_object() || variants.is_empty() { vec![at] } else { variants }
}

fn kind(root: &Value, own: &Value) -> String {
    let at = resolved(root, own);
    let constant = |one: &Value| one["const"].as_str().map(|word| format!("`{word}`"));
    if let Some(word) = constant(at) {
        return word;
    }
    let variants = ["oneOf", "anyOf"].into_iter().filter_map(|key| at[key].as_array()).flatten();
    let mut words: Vec<String> = variants
        .filter(|one| one["type"] != "null")
        .map(|one| constant(one).unwrap_or_else(|| kind(root, one)))
        .collect();
    words.extend(
        at["enum"].as_array().into_iter().flatten().filter_map(|one| Some(format!("`{}`", one.as_str()?))),
    );
    words.dedup();
    if !words.is_empty() {
        return words.join(", ");
    }
    let named = match &at["type"] {
        Value::Array(all) => {
            all.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("any")
        }
        other => other.as_str().unwrap_or("any"),
    };
    match named {
        "object" => format!("table of {}", kind(root, &at["additionalProperties"])),
        "array" => format!("list of {}", kind(root, &at["items"])),
        name => name.to_owned(),
    }
}

/// Follows references, and an `anyOf` with nothing beside null.
fn resolved<'a>(root: &'a Value, at: &'a Value) -> &'a Value {
    if let Some(name) = at["$ref"].as_str().and_then(|target| target.strip_prefix("#/$defs/")) {
        return resolved(root, &root["$defs"][name]);
    }
    if let Some(all) = at["anyOf"].as_array() {
        let some: Vec<&Value> = all.iter().filter(|one| one["type"] != "null").collect();
        if let [one] = some.as_slice() {
            return resolved(root, one);
        }
    }
    at
}

/// A description in one line.
fn text(at: &Value, key: &str) -> Option<String> {
    Some(at[key].as_str()?.replace('\n', " ").replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed files are what the program says: `ml-connector config schema > host/docs/config.schema.json`.
    #[test]
    fn schema_and_page_in_the_repository_are_what_is_printed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
        let kept = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).expect("it is there");
        let printed = serde_json::to_string_pretty(&schema()).expect("JSON");
        assert_eq!(kept("config.schema.json").trim_end(), printed, "config schema prints something else");
        assert_eq!(
            kept("configuration.md").trim_end(),
            reference(&schema()).trim_end(),
            "config reference, too"
        );
    }

    #[test]
    fn every_key_is_documented() {
        let page = reference(&schema());
        let silent: Vec<&str> =
            page.lines().filter(|line| line.starts_with("| `") && line.ends_with("|  |")).collect();
        assert_eq!(silent, Vec::<&str>::new());
        assert!(page.contains("## `seller.ledger`") && page.contains("| `orders_minutes` |"), "{page}");
    }

    #[test]
    fn what_is_private_is_hidden_and_the_rest_is_not() {
        let mut value: toml::Value = toml::from_str(
            "client_id = \"amzn1.application-oa2-client.abcd\"\ndatabase = \"books.sqlite\"\nid = \"A1\"\n\
             [accounts]\nreceivable = \"11200\"\n",
        )
        .expect("TOML");
        redact("", &mut value);
        assert_eq!(value["client_id"].as_str(), Some("…cd"));
        assert_eq!(value["database"].as_str(), Some("books.sqlite"));
        assert_eq!(value["id"].as_str(), Some("…"));
        assert_eq!(value["accounts"]["receivable"].as_str(), Some("…0"));
    }
}
