//! `catalog test`: a file held against cases.

use std::path::Path;

use ml_connector_domain::Date;
use ml_connector_domain::catalog::{Asked, CatalogEntry};

use super::read;
use crate::commands::{Outcome, say};

/// The word for a product that is to be mapped to nothing.
const UNMAPPED: &str = "unmapped";

/// A column of a case, and what the catalog says there.
type Column = (&'static str, fn(&CatalogEntry) -> String);

/// What a case may expect.
const EXPECTED: [Column; 5] = [
    ("revenue_account", |entry| entry.revenue.clone()),
    ("cogs_account", |entry| entry.cogs.clone().unwrap_or_default()),
    ("cost_center", |entry| entry.cost_center.clone()),
    ("unit_cost", |entry| extra(entry, "unit_cost")),
    ("unit_cost_currency", |entry| extra(entry, "unit_cost_currency")),
];

fn extra(entry: &CatalogEntry, name: &str) -> String {
    entry.extra.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

/// Holds a file against cases.
///
/// # Errors
/// Every case that is not as it expects, a line each; or a file cannot be read.
pub(super) fn test(file: &Path, cases: &Path, default_cost_center: &str) -> Outcome {
    let (_, catalog) = read(file)?;
    let index = catalog.index();
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(cases)?;
    let header = reader.headers()?.clone();
    let known = |name: &str| {
        ["sku", "marketplace", "day"].contains(&name) || EXPECTED.iter().any(|(own, _)| *own == name)
    };
    let name = cases.display().to_string();
    if let Some((column, unknown)) = header.iter().enumerate().find(|(_, name)| !known(name)) {
        return Err(format!("CAT-CASES: {name}:1:{}: unknown column `{unknown}`", column + 1).into());
    }
    let (mut wrong, mut count) = (Vec::new(), 0);
    for record in reader.into_records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let field =
            |wanted: &str| header.iter().position(|name| name == wanted).and_then(|at| record.get(at));
        let day = match field("day").filter(|text| !text.is_empty()) {
            None => Date::MAX,
            Some(text) => {
                text.parse().map_err(|_| format!("CAT-CASES: {name}:{line}:1: day `{text}` is no day"))?
            }
        };
        let (sku, marketplace) = (field("sku").unwrap_or_default(), field("marketplace").unwrap_or_default());
        let asked = Asked { sku: &sku.into(), marketplace: &marketplace.into(), day };
        let entry = index.resolve(asked, default_cost_center);
        count += 1;
        if let Some(words) = unlike(entry.as_ref(), field) {
            wrong.push(format!("CAT-CASE: {name}:{line}:1: {sku} in {marketplace}: {words}"));
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n").into());
    }
    say(&format!("{count} cases are as expected"));
    Ok(())
}

/// Where a case is not as it expects.
fn unlike<'a>(entry: Option<&CatalogEntry>, field: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let Some(entry) = entry else {
        let expected = field("revenue_account") == Some(UNMAPPED);
        return (!expected).then(|| "no rule maps it".to_owned());
    };
    let differs = |(name, of): &Column| {
        let (wanted, found) = (field(name).filter(|text| !text.is_empty())?, of(entry));
        (wanted != found).then(|| format!("{name} is `{found}` by {}, not `{wanted}`", entry.rule))
    };
    let found: Vec<String> = EXPECTED.iter().filter_map(differs).collect();
    (!found.is_empty()).then(|| found.join("; "))
}
