//! Distributions: those of a class that are sent cover it exactly; a class that is not sent is generated, as
//! AutoAccounting does.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::amount::{digits, minor, product};
use super::{Distribution, DocumentLine, Kind};
use crate::fusion::FusionState;
use crate::fusion::adf::{Refusal, children, refusal, text, well_formed};
use crate::scenario::{ACCOUNTS, Currency, combination};

const CLASSES: [&str; 4] = ["Receivable", "Revenue", "Tax", "Freight"];

/// The natural account that a class is generated with.
fn default_account(class: &str) -> String {
    let purpose = match class {
        "Receivable" => "receivable",
        "Tax" => "tax_payable",
        _ => return combination("41000", "000"),
    };
    let found = ACCOUNTS.iter().find(|(name, _)| *name == purpose);
    combination(found.map_or("", |(_, account)| *account), "000")
}

/// What must be distributed: for each class, amounts by line.
fn wanted(lines: &[DocumentLine]) -> Vec<(&'static str, BTreeMap<Option<u64>, i64>)> {
    let total: i64 = lines.iter().map(DocumentLine::total).sum();
    let tax = |line: &DocumentLine| line.taxes.iter().map(|tax| tax.amount).sum::<i64>();
    let taxes = lines.iter().filter(|line| !line.taxes.is_empty());
    vec![
        ("Receivable", BTreeMap::from([(None, total)])),
        ("Revenue", lines.iter().map(|line| (Some(line.number), line.amount)).collect()),
        ("Tax", taxes.map(|line| (Some(line.number), tax(line))).collect()),
        ("Freight", BTreeMap::new()),
    ]
}

/// The distributions of a class that nobody sent.
pub(in crate::fusion) fn generated(lines: &[DocumentLine]) -> Vec<Distribution> {
    wanted(lines).into_iter().flat_map(|(class, amounts)| of_class(class, amounts)).collect()
}

fn of_class(class: &str, amounts: BTreeMap<Option<u64>, i64>) -> Vec<Distribution> {
    let one = |(line, amount)| Distribution {
        class: class.to_owned(),
        account: default_account(class),
        amount,
        line,
        tax_line: (class == "Tax").then_some(1),
    };
    amounts.into_iter().map(one).collect()
}

/// The distributions of a payload, completed.
pub(super) fn distributions(
    state: &FusionState,
    kind: Kind,
    body: &Map<String, Value>,
    (currency, date): (Currency, &str),
    lines: &[DocumentLine],
) -> Result<Vec<Distribution>, Refusal> {
    let names = kind.names();
    let sent: Vec<Distribution> = children(body, names.distributions)
        .map(|row| one(state, kind, row, (currency, date), lines))
        .collect::<Result<_, _>>()?;
    let mut all = Vec::new();
    for (class, amounts) in wanted(lines) {
        let own: Vec<Distribution> = sent.iter().filter(|one| one.class == class).cloned().collect();
        if own.is_empty() {
            all.extend(of_class(class, amounts));
            continue;
        }
        let mut sums = BTreeMap::<Option<u64>, i64>::new();
        for distribution in &own {
            *sums.entry(distribution.line).or_default() += distribution.amount;
        }
        if sums != amounts {
            let words = "The distributions don't sum to the lines and the receivable.";
            return Err(refusal("AR_DIST_AMOUNT", names.distributions, words));
        }
        all.extend(own);
    }
    Ok(all)
}

fn one(
    state: &FusionState,
    kind: Kind,
    row: &Map<String, Value>,
    (currency, date): (Currency, &str),
    lines: &[DocumentLine],
) -> Result<Distribution, Refusal> {
    let names = kind.names();
    well_formed(row, names.distribution)?;
    let class = text(row, "AccountClass").unwrap_or_default();
    if !CLASSES.contains(&class) {
        return Err(refusal("AR_ACCOUNT_CLASS", "AccountClass", "The account class isn't valid."));
    }
    let account = text(row, "AccountCombination").unwrap_or_default();
    if state.chart.problem(account, date).is_some() {
        let words = format!("The account combination {account} isn't valid or isn't enabled.");
        return Err(refusal("AR_ACCOUNT_INVALID", "AccountCombination", words));
    }
    let number = |name: &str| row.get(name).and_then(Value::as_u64);
    let line = if class == "Receivable" { None } else { Some(number(names.distribution_line).unwrap_or(0)) };
    let amount = match (row.get("Amount"), digits(row.get("Percent"))) {
        (None | Some(Value::Null), Some(percent)) => {
            let base = wanted(lines).into_iter().find(|(known, _)| *known == class);
            let base = base.and_then(|(_, amounts)| amounts.get(&line).copied()).unwrap_or(0);
            let share = product(&percent, &currency.decimal(base), currency).unwrap_or(0);
            share / 100
        }
        (amount, _) => minor(amount, currency, "Amount")?,
    };
    Ok(Distribution {
        class: class.to_owned(),
        account: account.to_owned(),
        amount,
        line,
        tax_line: number("DetailedTaxLineNumber"),
    })
}
