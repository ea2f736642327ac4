//! The checks right before a document is sent: what was true when it was planned may have changed since.
//!
//! A period that closed meanwhile moves the document, if that is the seller's policy, or sends it to a person; so does
//! an account that was disabled. Neither is found out by sending, and neither is tried over and over. A question that Fusion
//! refuses is told to a person, and asked again at leisure.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use ml_connector_domain::document::{Body, Document, Kind};
use ml_connector_domain::refusal::Refusal;
use ml_connector_domain::validate::Module;
use ml_connector_ports::SourceError;
use ml_connector_storage::DocumentRow;

use crate::map::{moved, open_from};
use crate::{Parts, Seller, StageError};

/// How old an answer may be that a document is sent with.
const BELIEVED: SignedDuration = SignedDuration::from_mins(5);

/// Whether a document may be sent.
#[derive(Debug)]
pub(crate) enum Ready {
    /// As it is.
    Send,
    /// With a new accounting date; in words.
    Moved(Box<Document>, String),
    /// Not at all.
    Withheld(Vec<Refusal>),
    /// Not now: the questions were not answered.
    NotYet {
        /// Why, in words.
        words: String,
        /// What a person has to mend, where waiting alone does not.
        barred: Option<Refusal>,
    },
}

/// What only a person can mend about a question that was refused: a privilege that is missing, a name that cannot be asked
/// for. `None` for what passes by itself.
pub(crate) fn barred(error: &SourceError) -> Option<Refusal> {
    let SourceError::Refused { code, message } = error else { return None };
    let advice =
        "mend it (`ml-connector fusion check` names what is missing); the question is asked again by itself";
    Some(Refusal::new(code, message.as_str(), advice))
}

/// Judges a document that is about to be sent.
pub(crate) async fn check(parts: &Parts, seller: &Seller, row: &DocumentRow) -> Ready {
    match judge(parts, seller, &row.document).await {
        Ok(ready) => ready,
        Err(StageError::Remote(error)) => Ready::NotYet { words: error.to_string(), barred: barred(&error) },
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            Ready::NotYet { words: cause.unwrap_or_else(|| error.to_string()), barred: None }
        }
    }
}

async fn judge(parts: &Parts, seller: &Seller, document: &Document) -> Result<Ready, StageError> {
    let sent = match parts.target.content_of(&seller.ledger, document) {
        Ok(sent) => sent,
        Err(refusal) => return Ok(Ready::Withheld(vec![refusal])),
    };
    // What a receipt's amounts stand under are documents, not accounts.
    let is_receipt = document.kind() == Kind::Receipt;
    let accounts = sent.amounts.accounts().filter(|_| !is_receipt);
    let wanted: BTreeSet<String> =
        document.accounts().into_iter().chain(accounts).map(str::to_owned).collect();
    let known = parts.target.known_accounts(&seller.ledger, &wanted, BELIEVED).await?;
    let unknown: Vec<Refusal> =
        wanted.difference(&known).map(|account| unknown_account(document, account)).collect();
    if !unknown.is_empty() {
        return Ok(Ready::Withheld(unknown));
    }
    let module = Module::of(document);
    let period = parts.target.period(&seller.ledger, module, document.date, BELIEVED).await?;
    if module.takes(period.status) {
        return Ok(Ready::Send);
    }
    if let Some((day, _)) = open_from(parts, seller, module, document.date, BELIEVED).await? {
        let mut document = document.clone();
        let words = moved(&mut document, module, day);
        return Ok(Ready::Moved(Box::new(document), format!("dated {day}{words}")));
    }
    let words = format!(
        "the {module:?} period of {} is {:?}, asked right before sending",
        document.date, period.status
    );
    let advice = "open the period in Fusion, or set `closed_period = \"next_open\"` in the seller's ledger, then have \
                  the document planned again";
    Ok(Ready::Withheld(vec![
        Refusal::new("FUS-PERIOD-CLOSED", words, advice).in_field(Some("AccountingDate")),
    ]))
}

fn unknown_account(document: &Document, account: &str) -> Refusal {
    let line = document.accounts().iter().position(|own| *own == account);
    let field = match document.body {
        Body::Journal { .. } => "SEGMENT1",
        _ => "AccountCombination",
    };
    let words = format!("{account} does not exist in Fusion or is disabled, asked right before sending");
    let advice = "create or enable the account combination in Fusion, or correct it in the catalog, mapper or ledger \
                  setup, then have the document planned again";
    Refusal::new("FUS-ACCOUNT-UNKNOWN", words, advice)
        .at_line(line.and_then(|index| u32::try_from(index + 1).ok()))
        .in_field(Some(field))
}
