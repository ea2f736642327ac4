//! Distributions of imported lines: those that are sent must cover their class; the rest is generated.

use std::collections::BTreeMap;

use super::load::InterfaceLine;
use crate::fusion::receivables::generated;
use crate::fusion::{Distribution, DocumentLine, FusionState};
use crate::scenario::Currency;

/// The classes that are known, and what the REST resources call them.
const CLASSES: [(&str, &str); 3] = [("REC", "Receivable"), ("REV", "Revenue"), ("TAX", "Tax")];

/// The distributions of a transaction; none if what was sent is wrong.
pub(super) fn of(
    state: &FusionState,
    lines: &[InterfaceLine],
    own: &[DocumentLine],
    currency: Currency,
    date: &str,
) -> Option<Vec<Distribution>> {
    let mut sent = Vec::new();
    for line in lines {
        let key = Some(line.key());
        let link = Some(line.link());
        let number = own.iter().find(|one| one.key == key || one.key == link).map(|one| one.number);
        for row in &line.distributions {
            sent.push(one(state, row, number, currency, date)?);
        }
    }
    let mut all = Vec::new();
    for (_, class) in CLASSES {
        let wanted: Vec<Distribution> = generated(own).into_iter().filter(|one| one.class == class).collect();
        let given: Vec<Distribution> = sent.iter().filter(|one| one.class == class).cloned().collect();
        if given.is_empty() {
            all.extend(wanted);
        } else if sums(&given) == sums(&wanted) {
            all.extend(given);
        } else {
            return None;
        }
    }
    Some(all)
}

fn sums(distributions: &[Distribution]) -> BTreeMap<Option<u64>, i64> {
    let mut sums = BTreeMap::new();
    for one in distributions {
        *sums.entry(one.line).or_default() += one.amount;
    }
    sums
}

fn one(
    state: &FusionState,
    row: &[String],
    line: Option<u64>,
    currency: Currency,
    date: &str,
) -> Option<Distribution> {
    let at = |n: usize| row.get(n - 1).map(String::as_str).unwrap_or_default();
    let (_, class) = CLASSES.into_iter().find(|(code, _)| *code == at(2))?;
    let amount = currency.minor(at(3))?;
    // In the ledger's currency the accounted amount is the amount.
    if currency == Currency::Usd && !at(5).is_empty() && currency.minor(at(5)) != Some(amount) {
        return None;
    }
    let segments: Vec<&str> = (22..=51).map(at).take_while(|segment| !segment.is_empty()).collect();
    let account = segments.join("-");
    state.chart.problem(&account, date).is_none().then(|| Distribution {
        class: class.to_owned(),
        account,
        amount,
        line: line.filter(|_| class != "Receivable"),
        tax_line: (class == "Tax").then_some(1),
    })
}
