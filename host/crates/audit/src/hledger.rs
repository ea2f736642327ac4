//! The books as hledger text: an independent referee that balances them, and sums them by account and commodity.
//!
//! Each confirmed document is one transaction. An invoice debits the receivable with what its lines credit, a credit
//! memo the other way round, a receipt moves what it pays from the receivable to clearing, a journal stands as it is. Amounts
//! are the exact digits; each currency is a commodity with its own decimal places. A journal that is converted by its
//! settlement's own rate says beside each amount what it is worth in the ledger's currency, in which hledger then balances
//! it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ml_connector_domain::document::{Body, Document, Remittance};
use ml_connector_domain::mapping::JournalLine;
use ml_connector_domain::posting::State;
use ml_connector_domain::{Currency, Money, SellerId};
use ml_connector_storage::RecordedDocument;

use crate::trace::lines;
use crate::{AuditError, Result};

/// A seller's accounts that documents do not name themselves, as whole combinations.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// What customers owe.
    pub receivable: String,
    /// What receipts' cash goes to, where the ledger has receipts.
    pub clearing: Option<String>,
}

/// A receipt debits the clearing account and credits the receivable, by what it pays.
fn receipt(
    recorded: &RecordedDocument,
    references: &[Remittance],
    accounts: &Accounts,
) -> Result<Vec<(String, Money, String)>> {
    let document = &recorded.row.document;
    let refused = |words: String| AuditError::Document(format!("{}: {words}", document.key));
    let clearing = accounts.clearing.clone().ok_or_else(|| {
        refused("the configuration names no account that receipts' cash goes to".to_owned())
    })?;
    let total = Money::sum(document.currency, references.iter().map(|one| one.amount))
        .map_err(|error| refused(error.to_string()))?;
    let mut postings = vec![(clearing, total, "cash".to_owned())];
    postings.extend(
        references
            .iter()
            .map(|one| (accounts.receivable.clone(), one.amount.negated(), one.document.as_str().to_owned())),
    );
    Ok(postings)
}

/// The postings of a document: account and amount, debits positive. They sum to zero.
///
/// # Errors
/// A kind of document that has no postings here, or sums that do not fit.
pub fn postings(recorded: &RecordedDocument, accounts: &Accounts) -> Result<Vec<(String, Money, String)>> {
    let document = &recorded.row.document;
    let receivable = accounts.receivable.as_str();
    if let Body::Receipt { references, .. } = &document.body {
        return receipt(recorded, references, accounts);
    }
    let lines = lines(document);
    if lines.is_empty() {
        let (kind, key) = (document.kind().as_str(), &document.key);
        return Err(AuditError::Document(format!("{kind} {key} has no lines that hledger could take")));
    }
    if matches!(document.body, Body::Journal { .. }) {
        return Ok(lines.into_iter().map(|(line, amount)| (line.account, amount, line.text)).collect());
    }
    let total = Money::sum(document.currency, lines.iter().map(|(_, amount)| *amount))
        .map_err(|error| AuditError::Document(format!("{}: {error}", document.key)))?;
    let mut postings = vec![(receivable.to_owned(), total, "receivable".to_owned())];
    postings.extend(lines.into_iter().map(|(line, amount)| (line.account, amount.negated(), line.text)));
    Ok(postings)
}

/// The documents as a journal that `hledger` reads. `accounts` names a seller's accounts.
///
/// # Errors
/// A seller without a receivables account, and as [`postings`].
pub fn export(
    documents: &[RecordedDocument],
    accounts_of: impl Fn(&SellerId) -> Option<Accounts>,
) -> Result<String> {
    let mut body = String::new();
    let (mut commodities, mut accounts) = (BTreeSet::new(), BTreeSet::new());
    for recorded in documents {
        let document = &recorded.row.document;
        let own = accounts_of(&document.seller).ok_or_else(|| {
            let (seller, key) = (&document.seller, &document.key);
            AuditError::Document(format!(
                "{key}: the configuration names no receivable account for seller {seller}"
            ))
        })?;
        header(&mut body, recorded);
        for ((account, amount, text), worth) in postings(recorded, &own)?.into_iter().zip(worth(document)) {
            let account = account_name(&account);
            let cost = worth.map(cost).unwrap_or_default();
            let _written = writeln!(body, "    {account}  {amount}{cost}  ; {}", comment(&text));
            commodities.insert(amount.currency);
            commodities.extend(worth.map(|worth| worth.currency));
            accounts.insert(account);
        }
        body.push('\n');
    }
    let mut head =
        "; Written by ml-connector: confirmed documents, debits positive.\ndecimal-mark .\n\n".to_owned();
    for currency in commodities {
        let _written = writeln!(head, "commodity {} {currency}", sample(currency));
    }
    for account in accounts {
        let _written = writeln!(head, "account {account}");
    }
    Ok(format!("{head}\n{body}"))
}

/// What each posting of a document is worth in the ledger's currency, where the document says so.
fn worth(document: &Document) -> Vec<Option<Money>> {
    match &document.body {
        Body::Journal { lines, .. } => lines.iter().map(JournalLine::accounted).collect(),
        Body::Receipt { references, .. } => vec![None; references.len() + 1],
        _ => vec![None; document.lines().len() + 1],
    }
}

/// A total cost, which has its posting's sign whatever is written.
fn cost(worth: Money) -> String {
    format!(" @@ {}", Money::new(worth.minor.abs(), worth.currency))
}

/// A transaction that moves nothing and asserts what accounts hold at the end of a day: `(account, amount)`.
pub fn assertions(day: ml_connector_domain::Date, asserted: &[(String, String)]) -> String {
    let mut text = format!("\n{day} * what Amazon's records say that these accounts hold\n");
    for (account, amount) in asserted {
        let commodity = amount.rsplit(' ').next().unwrap_or_default();
        let _written = writeln!(text, "    {}  0 {commodity} = {amount}", account_name(account));
    }
    text
}

fn header(body: &mut String, recorded: &RecordedDocument) {
    let document = &recorded.row.document;
    let (kind, subject) = (document.kind().as_str(), comment(document.subject()));
    let _written = writeln!(body, "{} * ({}) {kind} {subject}", document.date, document.key);
    let fusion = match &recorded.row.state {
        State::Confirmed { fusion_id } => fusion_id.as_str(),
        _ => "",
    };
    let order = match &document.body {
        Body::Invoice { order, .. } | Body::CreditMemo { order, .. } => Some(order.as_str()),
        _ => None,
    };
    let seller = tag(document.seller.as_str());
    let _written = writeln!(body, "    ; document:{}, fusion:{}, seller:{seller}", document.key, tag(fusion));
    if let Some(order) = order {
        let _written = writeln!(body, "    ; order:{}", tag(order));
    }
}

/// A commodity's decimal places, by an example that cannot be read in two ways.
fn sample(currency: Currency) -> String {
    match Money::new(0, currency).decimal() {
        whole if !whole.contains('.') => format!("1000{}.", &whole[1..]),
        parts => format!("100{parts}"),
    }
}

/// An account as hledger takes it: two spaces would end it, and brackets would make it virtual.
fn account_name(account: &str) -> String {
    let clean: String = account
        .chars()
        .map(|c| if matches!(c, '(' | ')' | '[' | ']' | ';' | '|') { '_' } else { c })
        .collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text on one line, without what begins a comment.
fn comment(text: &str) -> String {
    let text = text.replace([';', '|'], ",");
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(':', ".")
}

/// A tag's value ends at a comma.
fn tag(text: &str) -> String {
    text.replace([',', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_their_line() {
        assert_eq!(account_name("01-110  41000\t(x)\n;y"), "01-110 41000 _x_ _y");
        assert_eq!(comment("Tax: a;b|c\n2026-01-01 x"), "Tax. a,b,c 2026-01-01 x");
        assert_eq!(tag("a, b\nc"), "a  b c");
    }

    #[test]
    fn each_commodity_has_its_own_places() {
        let of = |code: &str| sample(code.parse().expect("a currency"));
        assert_eq!(
            (of("USD").as_str(), of("JPY").as_str(), of("KWD").as_str()),
            ("1000.00", "1000.", "1000.000")
        );
    }
}
