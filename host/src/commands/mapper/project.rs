//! `mapper new`, `build` and `test`.

use std::fs;
use std::path::{Path, PathBuf};

use comfy_table::{Table, presets};
use ml_connector_kit::project::{Project, Sdk, create};
use ml_connector_mapper::LoadedMapper;
use serde_json::Value;

use super::cases::{self, CaseRun};
use super::look::{load, shares};
use crate::commands::{Outcome, say};

/// Writes a project.
pub(super) fn new(folder: &Path, sdk: Option<PathBuf>) -> Outcome {
    create(folder, &sdk.map_or(Sdk::Carried, Sdk::At))?;
    say(&format!(
        "{} is written. Next:\n\n  cd {}\n  ml-connector mapper build\n  ml-connector mapper test",
        folder.display(),
        folder.display()
    ));
    Ok(())
}

/// Builds a project's component.
pub(super) fn build(folder: &Path) -> Outcome {
    let project = Project::open(folder)?;
    let component = project.build()?;
    let mapper = load(&component)?;
    let identity = ml_connector_ports::Mapper::identity(&mapper);
    let bytes = fs::metadata(&component)?.len();
    say(&format!(
        "{} {} for contract {}\n{bytes} bytes, sha256 {}\n{}",
        identity.name,
        identity.version,
        identity.contract,
        identity.digest,
        component.display()
    ));
    Ok(())
}

/// Runs a project's native tests and its golden cases on the component.
pub(super) fn test(folder: &Path, bless: bool) -> Outcome {
    let project = Project::open(folder)?;
    let component = project.build()?;
    let mapper = load(&component)?;
    let cases = cases(&project.golden())?;
    if bless {
        for case in &cases {
            let run = run(&mapper, case)?;
            fs::write(case.join("expected.json"), format!("{:#}\n", run.output))?;
            say(&format!(
                "{} is written: look at it as at a journal entry",
                case.join("expected.json").display()
            ));
        }
    }
    project.test()?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["golden case on the component", "result", "fuel", "used of the limits"]);
    let mut failed = Vec::new();
    for case in &cases {
        let name = name(case);
        match check(&mapper, case) {
            Ok(run) => table.add_row([name, "ok".into(), run.fuel.to_string(), shares(&run, "\n")]),
            Err(error) => {
                failed.push(format!("{name}: {error}"));
                table.add_row([name, "FAILED".into(), String::new(), String::new()])
            }
        };
    }
    say(&table.to_string());
    if failed.is_empty() {
        say(&format!("native tests and {} golden cases on {} are green", cases.len(), component.display()));
        return Ok(());
    }
    Err(format!("MAP-GOLDEN: {}", failed.join("\n")).into())
}

/// Checks a component against a folder of golden cases; says how many passed.
///
/// # Errors
/// `MAP-GOLDEN`: all that failed, each with its place.
pub(super) fn check_all(mapper: &LoadedMapper, folder: &Path) -> Result<usize, String> {
    let cases = cases(folder)?;
    let failed = |case: &PathBuf| Some(format!("{}: {}", name(case), check(mapper, case).err()?));
    let failed: Vec<String> = cases.iter().filter_map(failed).collect();
    if failed.is_empty() { Ok(cases.len()) } else { Err(format!("MAP-GOLDEN: {}", failed.join("\n"))) }
}

fn name(case: &Path) -> String {
    case.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The folders of the golden cases, in order.
fn cases(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| {
        format!(
            "MAP-GOLDEN: {}: {error}: golden cases are folders in here, each with input.json",
            folder.display()
        )
    })?;
    let mut cases: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|p| p.is_dir()).collect();
    cases.sort();
    match cases.is_empty() {
        true => Err(format!("MAP-GOLDEN: {} holds no case: add a folder with input.json", folder.display())),
        false => Ok(cases),
    }
}

fn run(mapper: &LoadedMapper, case: &Path) -> Result<CaseRun, String> {
    let path = case.join("input.json");
    let input = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    // Twice, in two fresh instances: what differs then is no pure function, and could never be replayed.
    let input = cases::parse(&input).map_err(|error| format!("{}: {error}", path.display()))?;
    match (cases::run(mapper, &input), cases::run(mapper, &input)) {
        (Ok(first), Ok(second)) if first.is_same(&second) => Ok(first),
        (Ok(_), Ok(_)) => Err("MAP-IMPURE: the same input gave another output or took other fuel".to_owned()),
        (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
    }
}

fn check(mapper: &LoadedMapper, case: &Path) -> Result<CaseRun, String> {
    let run = run(mapper, case)?;
    let path = case.join("expected.json");
    let expected = fs::read_to_string(&path)
        .map_err(|error| format!("{}: {error}: write it with `mapper test --bless`", path.display()))?;
    let expected: Value =
        serde_json::from_str(&expected).map_err(|error| format!("{}: {error}", path.display()))?;
    match difference("", &cases::comparable(expected), &run.output) {
        None => Ok(run),
        Some(found) => Err(found),
    }
}

/// The first place where two values differ; a member that is null or an empty list may be missing.
fn difference(place: &str, expected: &Value, got: &Value) -> Option<String> {
    let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            let names: std::collections::BTreeSet<&String> = expected.keys().chain(got.keys()).collect();
            names.into_iter().find_map(|name| {
                let of =
                    |side: &serde_json::Map<String, Value>| side.get(name).cloned().unwrap_or(Value::Null);
                difference(&format!("{place}.{name}"), &of(expected), &of(got))
            })
        }
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => {
            let mut pairs = expected.iter().zip(got).enumerate();
            pairs.find_map(|(n, (expected, got))| difference(&format!("{place}[{n}]"), expected, got))
        }
        _ if expected == got || (empty(expected) && empty(got)) => None,
        _ => Some(format!("{}: expected {expected}, got {got}", place.trim_start_matches('.'))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::difference;

    #[test]
    fn a_difference_is_named_with_its_place() {
        let expected = json!({ "orders": [{ "Invoice": { "lines": [{ "minor": 5 }], "extra": [] } }] });
        assert_eq!(
            difference("", &expected, &json!({ "orders": [{ "Invoice": { "lines": [{ "minor": 5 }] } }] })),
            None
        );
        let other = json!({ "orders": [{ "Invoice": { "lines": [{ "minor": 6 }] } }] });
        let found = difference("", &expected, &other).expect("they differ");
        assert_eq!(found, "orders[0].Invoice.lines[0].minor: expected 5, got 6");
        assert!(difference("", &expected, &json!({ "orders": [] })).is_some());
    }
}
