//! What must hold before a document may be posted. The mapper proposes, this judges; it trusts no mapper.
//!
//! Each rule is one function from what it needs to its violations; [`document`] runs all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::document::{Body, Document};
use crate::ledger::LedgerSetup;
use crate::mapping::{DocumentLine, JournalLine, Reason};
use crate::money::Money;

mod converted;
mod lengths;

/// Lines that Fusion takes in one document.
pub const LINES_MAX: usize = 1_000;
/// Longest line description (Oracle, receivablesInvoiceLines: Description).
pub const DESCRIPTION_CHARS_MAX: usize = 240;

/// What the outside says of the ledger: the enabled combinations and the periods that take postings.
#[derive(Debug, Clone, Default)]
pub struct LedgerFacts {
    /// Combinations that exist and are enabled.
    pub accounts: BTreeSet<String>,
    /// Status of the period of the document's date, by module.
    pub periods: BTreeMap<Module, PeriodStatus>,
    /// The ledger's setup, whose names are sent along; without it neither they nor segments are checked.
    pub setup: Option<Arc<LedgerSetup>>,
}

/// A Fusion module with periods of its own (Oracle's application ids).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Module {
    /// Receivables, 222.
    Receivables,
    /// General Ledger, 101.
    GeneralLedger,
}

impl Module {
    /// The module that a document is posted in.
    pub fn of(document: &Document) -> Self {
        match document.body {
            Body::Journal { .. } => Self::GeneralLedger,
            _ => Self::Receivables,
        }
    }

    /// Whether a period of this module takes documents: receivables may be made ahead, journals may not.
    pub fn takes(self, status: PeriodStatus) -> bool {
        match self {
            Self::Receivables => matches!(status, PeriodStatus::Open | PeriodStatus::Future),
            Self::GeneralLedger => status == PeriodStatus::Open,
        }
    }
}

/// A period of a module, as Fusion describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Whether it takes documents.
    pub status: PeriodStatus,
    /// Its first day, if Fusion knows the period.
    pub start: Option<Date>,
    /// Its last day, if Fusion knows the period.
    pub end: Option<Date>,
}

impl Period {
    /// A day of the period after this one, which `date` falls into: the day after its end, or the first of the next
    /// month where Fusion does not say how long it is.
    pub fn day_after(&self, date: Date) -> Option<Date> {
        match self.end {
            Some(end) if end >= date => end.tomorrow().ok(),
            _ => date.last_of_month().tomorrow().ok(),
        }
    }
}

/// A period's ClosingStatus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeriodStatus {
    /// `O`: takes postings.
    Open,
    /// `F`: receivables may be created, journals may not be posted yet.
    Future,
    /// `C`, `P`, `W`, `N` or unknown: takes nothing.
    Closed,
}

/// What a document must agree with.
#[derive(Debug, Clone)]
pub enum Expectation {
    /// The lines sum to this, which Amazon stated: the order's total, or minus what a refund gave back.
    Total(Money),
    /// The net debit on each of these accounts is this, which Amazon stated: a settlement's total, or what was carried
    /// forward or held back. In another currency than the journal's it is what the lines are worth in that.
    Moves(Vec<(String, Money)>),
}

/// Every rule's violations; empty means postable.
pub fn document(document: &Document, expectation: &Expectation, facts: &LedgerFacts) -> Vec<Reason> {
    let mut found = Vec::new();
    match &document.body {
        Body::Invoice { lines, .. } | Body::CreditMemo { lines, .. } => {
            found.extend(line_count(lines.len()));
            found.extend(one_currency(document, lines.iter().map(|line| line.amount)));
            found.extend(descriptions(lines));
            found.extend(known_accounts(facts, lines.iter().map(|line| line.account.as_str())));
            found.extend(open_period(facts, Module::Receivables, document));
        }
        Body::Journal { lines, .. } => {
            found.extend(if lines.is_empty() { line_count(0) } else { None });
            found.extend(one_currency(document, lines.iter().map(|line| line.amount)));
            found.extend(known_accounts(facts, lines.iter().map(|line| line.account.as_str())));
            found.extend(balanced(lines));
            found.extend(moves_something(lines));
            found.extend(converted::journal(document, facts.setup.as_deref()));
            found.extend(open_period(facts, Module::GeneralLedger, document));
        }
        Body::Receipt { references, .. } => {
            found.extend(line_count(references.len()));
            found.extend(one_currency(document, references.iter().map(|reference| reference.amount)));
            found.extend(open_period(facts, Module::Receivables, document));
        }
    }
    if let Some(setup) = &facts.setup {
        found.extend(segments(setup, document));
        found.extend(lengths::names(setup, document));
        found.extend(lengths::texts(document));
    }
    if found.iter().all(|reason| reason.code != "mixed-currencies") {
        found.extend(agrees(document, expectation));
    }
    found
}

/// The violations of one transaction's journal lines, before they are summed into a settlement's journal.
pub fn booking(lines: &[JournalLine], settlement_account: &str, total: Money) -> Vec<Reason> {
    let mut found = Vec::new();
    if let Some(line) = lines.iter().find(|line| line.amount.currency != total.currency) {
        found.push(Reason::new(
            "mixed-currencies",
            line.label.clone(),
            format!(
                "line `{}` is in {}, the transaction in {}",
                line.label, line.amount.currency, total.currency
            ),
        ));
        return found;
    }
    found.extend(balanced(lines));
    found.extend(settles(lines, settlement_account, total));
    found
}

fn line_count(lines: usize) -> Option<Reason> {
    let message = match lines {
        0 => "the document has no lines".to_owned(),
        n if n > LINES_MAX => format!("the document has {n} lines, Fusion takes {LINES_MAX}"),
        _ => return None,
    };
    Some(Reason::new("line-count", lines.to_string(), message))
}

fn one_currency(document: &Document, amounts: impl Iterator<Item = Money>) -> Option<Reason> {
    let wanted = document.currency;
    amounts.map(|amount| amount.currency).find(|currency| *currency != wanted).map(|other| {
        Reason::new(
            "mixed-currencies",
            other.code(),
            format!("a line is in {other}, the document in {wanted}"),
        )
    })
}

fn descriptions(lines: &[DocumentLine]) -> impl Iterator<Item = Reason> + '_ {
    lines.iter().enumerate().filter_map(|(index, line)| {
        let chars = line.description.chars().count();
        let bad = chars == 0 || chars > DESCRIPTION_CHARS_MAX || line.description.chars().any(char::is_control);
        bad.then(|| {
            let message = format!(
                "line {}: a description has 1 to {DESCRIPTION_CHARS_MAX} printable characters, this one has {chars}",
                index + 1
            );
            Reason::new("description", (index + 1).to_string(), message)
        })
    })
}

fn known_accounts<'a>(facts: &LedgerFacts, accounts: impl Iterator<Item = &'a str>) -> Vec<Reason> {
    let unknown: BTreeSet<&str> = accounts.filter(|account| !facts.accounts.contains(*account)).collect();
    unknown
        .into_iter()
        .map(|account| {
            let message = format!("account combination {account} does not exist in Fusion or is disabled");
            Reason::new("unknown-account", account, message)
        })
        .collect()
}

/// Every combination has as many segments as the chart, none too long or empty, and a journal is zero within each
/// value of the balancing segment: Fusion would else add lines of its own, or take it into suspense without a word.
fn segments(setup: &LedgerSetup, document: &Document) -> Vec<Reason> {
    let accounts: Vec<(&str, i64)> = match &document.body {
        Body::Journal { lines, .. } => {
            lines.iter().map(|line| (line.account.as_str(), line.amount.minor)).collect()
        }
        _ => document.lines().iter().map(|line| (line.account.as_str(), 0)).collect(),
    };
    let mut found = Vec::new();
    let mut balances = BTreeMap::<&str, i128>::new();
    for (account, minor) in &accounts {
        let values = setup.segments(account);
        found.extend(lengths::combination(setup, account, &values));
        if let Some(value) = setup.balancing_value(account) {
            *balances.entry(value).or_default() += i128::from(*minor);
        }
    }
    found.sort_by(|a, b| a.subject.cmp(&b.subject));
    found.dedup();
    found.extend(balances.into_iter().filter(|(_, sum)| *sum != 0).map(|(value, sum)| {
        let message = format!(
            "within balancing segment {value} debits exceed credits by {sum} minor units of {}",
            document.currency
        );
        Reason::new("unbalanced", value, message)
    }));
    found
}

fn open_period(facts: &LedgerFacts, module: Module, document: &Document) -> Option<Reason> {
    let status = facts.periods.get(&module).copied().unwrap_or(PeriodStatus::Closed);
    (!module.takes(status)).then(|| {
        let message = format!("the {module:?} period of {} is {status:?}", document.date);
        Reason::new("closed-period", document.date.to_string(), message)
    })
}

/// A line with neither debit nor credit makes Journal Import refuse the whole group.
fn moves_something(lines: &[JournalLine]) -> Option<Reason> {
    let (_, n) = lines.iter().zip(1_u32..).find(|(line, _)| line.amount.minor == 0)?;
    Some(Reason::new("zero-line", format!("line {n}"), format!("line {n} has neither a debit nor a credit")))
}

fn balanced(lines: &[JournalLine]) -> Option<Reason> {
    let mut sums = BTreeMap::<_, i128>::new();
    for line in lines {
        *sums.entry(line.amount.currency).or_default() += i128::from(line.amount.minor);
    }
    let (currency, surplus) = sums.into_iter().find(|(_, sum)| *sum != 0)?;
    let message = format!("debits exceed credits by {surplus} minor units of {currency}");
    Some(Reason::new("unbalanced", currency.code(), message))
}

fn settles(lines: &[JournalLine], account: &str, total: Money) -> Option<Reason> {
    let on_account =
        lines.iter().filter(|line| line.account == account).map(|line| i128::from(line.amount.minor));
    let net: i128 = on_account.sum();
    (net != i128::from(total.minor)).then(|| {
        let message = format!(
            "account {account} moves by {net} minor units of {}, Amazon's total is {}",
            total.currency, total.minor
        );
        Reason::new("total-differs", account, message)
    })
}

fn agrees(document: &Document, expectation: &Expectation) -> Option<Reason> {
    match (expectation, &document.body) {
        (Expectation::Moves(accounts), Body::Journal { lines, .. }) => {
            accounts.iter().find_map(|(account, total)| match total.currency == document.currency {
                true => settles(lines, account, *total),
                false => converted::settles(lines, account, *total),
            })
        }
        (Expectation::Total(wanted), _) => {
            let total = match document.total() {
                Ok(total) => total,
                Err(error) => {
                    return Some(Reason::new("total-differs", document.subject(), error.to_string()));
                }
            };
            (total != *wanted).then(|| {
                let message = format!("the lines sum to {total}, Amazon says {wanted}");
                Reason::new("total-differs", document.subject(), message)
            })
        }
        (Expectation::Moves(_), _) => {
            Some(Reason::new("total-differs", document.subject(), "only a journal moves accounts"))
        }
    }
}

#[cfg(test)]
mod tests;
