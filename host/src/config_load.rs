//! From a file, the environment and flags to a checked configuration; from a mistake to its place.
//!
//! The file comes first, then environment variables, then `--set`. `ML_CONNECTOR__CADENCE__ORDERS_MINUTES=30` and
//! `--set cadence.orders_minutes=30` say the same; a seller is named by its id: `--set seller.A3FEXAMPLE.name=...`. What follows
//! `=` is read as a TOML value and, where it is none, as text.

use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::de::{DeTable, DeValue};

use crate::config::{Config, ConfigError};

/// What variables of ours begin with.
const PREFIX: &str = "ML_CONNECTOR__";
/// How alike an unknown key and a known one must be for the one to be taken for a slip of the other.
const ALIKE: f64 = 0.8;

/// Where a configuration comes from.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The file.
    pub(crate) path: PathBuf,
    /// What goes over it, in the order in which it is applied.
    pub(crate) overrides: Vec<Override>,
}

/// One key from elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Override {
    /// The variable or flag that said it.
    pub(crate) origin: String,
    /// The key's parts.
    key: Vec<String>,
    value: toml::Value,
}

impl Override {
    /// Reads `key.part=value`.
    ///
    /// # Errors
    /// There is no key or no `=`.
    pub(crate) fn flag(text: &str) -> Result<Self, ConfigError> {
        let origin = format!("--set {text}");
        let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(ConfigError::Override { origin, message: "write --set key.part=value".to_owned() });
        };
        let key = key.split('.').map(str::to_owned).collect();
        Ok(Self {
            origin: text.split('=').next().map_or(origin, |key| format!("--set {key}")),
            key,
            value: read(value),
        })
    }

    /// The variables of an environment that are meant for us, by name.
    pub(crate) fn variables(environment: impl Iterator<Item = (String, String)>) -> Vec<Self> {
        let mut ours: Vec<Self> = environment
            .filter_map(|(name, value)| {
                let key = name.strip_prefix(PREFIX)?.to_lowercase();
                let key = key.split("__").map(str::to_owned).collect();
                Some(Self { key, value: read(&value), origin: name })
            })
            .collect();
        ours.sort_by(|one, other| one.origin.cmp(&other.origin));
        ours
    }

    fn apply(&self, table: &mut toml::Table) -> Result<(), ConfigError> {
        let wrong = |message: String| ConfigError::Override { origin: self.origin.clone(), message };
        let Some((last, parents)) = self.key.split_last() else { return Ok(()) };
        let mut place = table;
        let mut parents = parents.iter();
        while let Some(part) = parents.next() {
            let entry = place.entry(part.as_str()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            place = match entry {
                toml::Value::Table(inner) => inner,
                toml::Value::Array(all) => {
                    let id = parents.next().ok_or_else(|| wrong(format!("say which {part}, by its id")))?;
                    let named = |one: &&mut toml::Value| {
                        one.get("id")
                            .and_then(toml::Value::as_str)
                            .is_some_and(|own| own.eq_ignore_ascii_case(id))
                    };
                    let found = all.iter_mut().find(|one| named(one)).and_then(toml::Value::as_table_mut);
                    found.ok_or_else(|| wrong(format!("there is no {part} {id}")))?
                }
                _ => return Err(wrong(format!("`{part}` is a value, and has no keys in it"))),
            };
        }
        place.insert(last.clone(), self.value.clone());
        Ok(())
    }
}

/// A TOML value, or text.
fn read(text: &str) -> toml::Value {
    let parsed = toml::from_str::<toml::Table>(&format!("value = {text}"));
    let parsed = parsed.ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

/// Reads and checks a configuration.
///
/// # Errors
/// See [`ConfigError`]; a mistake in the file comes with its line and column.
pub(crate) fn load(source: &Source) -> Result<Config, ConfigError> {
    let path = &source.path;
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Read { path: path.clone(), source: error })?;
    let mut config = parse(path, &text, &source.overrides)?;
    config.folder = path.parent().map(Path::to_owned).unwrap_or_default();
    config.check().map_err(|error| match error {
        ConfigError::Value { key, message } => {
            let place = place_of(&text, &key).map(|(line, column)| {
                format!("{message} ({}, line {line}, column {column})", path.display())
            });
            ConfigError::Value { key, message: place.unwrap_or(message) }
        }
        other => other,
    })?;
    Ok(config)
}

fn parse(path: &Path, text: &str, overrides: &[Override]) -> Result<Config, ConfigError> {
    let in_file = |error: toml::de::Error| mistake(path, text, &error);
    if overrides.is_empty() {
        return toml::from_str(text).map_err(in_file);
    }
    let mut table: toml::Table = toml::from_str(text).map_err(in_file)?;
    overrides.iter().try_for_each(|one| one.apply(&mut table))?;
    Config::deserialize(table).map_err(|error| {
        // Most likely the file's own; then it has a place.
        let own = toml::from_str::<Config>(text).err();
        match own.filter(|own| own.message() == error.message()) {
            Some(own) => in_file(own),
            None => ConfigError::Override {
                origin: overrides.iter().map(|one| one.origin.as_str()).collect::<Vec<_>>().join(", "),
                message: format!("{}; text that looks like a number needs quotes", error.message()),
            },
        }
    })
}

/// What TOML or serde found, with its place and, for an unknown key, the known one that it looks like.
fn mistake(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let (line, column) = error.span().map_or((1, 1), |span| line_and_column(text, span.start));
    let mut message = format!("{}, line {line}, column {column}: {}", path.display(), error.message());
    if let Some(meant) = meant(error.message()) {
        message.push_str(&format!("; did you mean `{meant}`?"));
    }
    if let Some(shown) = text.lines().nth(line - 1) {
        message.push_str(&format!("\n  {line} | {shown}"));
    }
    ConfigError::Parse { message }
}

/// The known key that an unknown one is most like, from serde's words.
fn meant(message: &str) -> Option<&str> {
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = words.next().filter(|_| message.starts_with("unknown "))?;
    let alike = words.map(|known| (strsim::jaro_winkler(unknown, known), known));
    let best = alike.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

/// Where a key stands, as [`ConfigError::Value`] spells it: `cadence.orders_minutes`, `seller A3F: ledger.accounts`. Where it
/// does not stand, the innermost table that it would stand in.
fn place_of(text: &str, key: &str) -> Option<(usize, usize)> {
    let table = DeTable::parse(text).ok()?;
    let (seller, rest) = match key.strip_prefix("seller ").and_then(|rest| rest.split_once(": ")) {
        Some((id, rest)) => (Some(id), rest),
        None => (None, key),
    };
    let mut at = None;
    let mut here = table.get_ref();
    if let Some(id) = seller {
        let (name, all) = here.iter().find(|(name, _)| name.get_ref() == "seller")?;
        at = Some(name.span().start);
        let DeValue::Array(all) = all.get_ref() else { return None };
        let own = all.iter().find_map(|one| match one.get_ref() {
            DeValue::Table(own) => {
                let is = own.iter().any(|(name, value)| {
                    name.get_ref() == "id" && value.get_ref().as_str().is_some_and(|own| own == id)
                });
                is.then_some((one.span().start, own))
            }
            _ => None,
        });
        if let Some((start, own)) = own {
            at = Some(start);
            here = own;
        }
    }
    for part in rest.split('.') {
        let Some((name, value)) = here.iter().find(|(name, _)| name.get_ref() == part) else { break };
        at = Some(name.span().start);
        let DeValue::Table(inner) = value.get_ref() else { break };
        here = inner;
    }
    at.map(|start| line_and_column(text, start))
}

/// Both counted from 1, columns in characters.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_named_with_its_place_and_what_was_meant() {
        let text = "database = \"x\"\nmaster_key_fil = \"k\"\n";
        let words = parse(Path::new("c.toml"), text, &[]).expect_err("a slip").to_string();
        assert!(words.starts_with("CFG-PARSE: c.toml, line 2, column 1"), "{words}");
        assert!(
            words.contains("did you mean `master_key_file`?") && words.contains("2 | master_key_fil"),
            "{words}"
        );
        assert_eq!(meant("unknown field `colour`, expected one of `database`, `seller`"), None);
        assert_eq!(meant("missing field `database`"), None);
    }

    #[test]
    fn a_key_is_found_and_otherwise_the_table_that_lacks_it() {
        let text = "a = 1\n\n[cadence]\norders_minutes = 1\n\n[[seller]]\nid = \"A\"\n[[seller]]\nid = \"B\"\n  [seller.ledger]\n  x = 1\n";
        let rows = [
            ("cadence.orders_minutes", (4, 1)),
            ("cadence.none", (3, 2)),
            ("seller B: ledger.x", (11, 3)),
            ("seller B: ledger.accounts", (10, 11)),
            ("a", (1, 1)),
        ];
        for (key, place) in rows {
            assert_eq!(place_of(text, key), Some(place), "{key}");
        }
        assert_eq!(place_of(text, "none"), None);
    }

    #[test]
    fn variables_and_flags_go_over_the_file_in_this_order() {
        let environment = [
            ("ML_CONNECTOR__CADENCE__ORDERS_MINUTES", "30"),
            ("ML_CONNECTOR__SELLER__A3F__NAME", "From \"here\""),
            ("PATH", "/bin"),
        ];
        let mut all =
            Override::variables(environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        assert_eq!(all.len(), 2);
        all.push(Override::flag("cadence.orders_minutes=45").expect("a flag"));
        all.push(Override::flag("new.key=true").expect("a flag"));
        let mut table: toml::Table =
            toml::from_str("[cadence]\norders_minutes = 15\n[[seller]]\nid = \"A3F\"\n").expect("TOML");
        all.iter().try_for_each(|one| one.apply(&mut table)).expect("applies");
        assert_eq!(table["cadence"]["orders_minutes"].as_integer(), Some(45));
        assert_eq!(table["seller"][0]["name"].as_str(), Some("From \"here\""));
        assert_eq!(table["new"]["key"].as_bool(), Some(true));
    }

    #[test]
    fn what_goes_over_nothing_is_refused_with_who_said_it() {
        let table = || toml::from_str::<toml::Table>("a = 1\n[[seller]]\nid = \"A\"\n").expect("TOML");
        for (flag, part) in
            [("seller.B.name=x", "no seller B"), ("a.b=1", "`a` is a value"), ("seller=1", "")]
        {
            let refused = Override::flag(flag).expect("a flag").apply(&mut table());
            match part {
                "" => assert!(refused.is_ok()),
                part => {
                    let words = refused.expect_err(flag).to_string();
                    assert!(words.starts_with("CFG-OVERRIDE: --set ") && words.contains(part), "{words}");
                }
            }
        }
        assert!(Override::flag("nothing").is_err());
    }
}
