//! Looking up imported batches and reading them back whole.

use ml_connector_domain::document::{Body, Document};
use ml_connector_domain::id::FusionId;
use ml_connector_domain::ledger::{LedgerSetup, purpose};
use ml_connector_domain::money::{Currency, Money, MoneyError};
use ml_connector_domain::reconcile::{Accounted, Amounts, Content, Observed, Sent};
use ml_connector_ports::SourceError;

use crate::client::{FusionClient, bad_amount, id_of, none_or_several, refused};
use crate::query::Query;
use crate::wire::{self, Scalar};

impl FusionClient {
    /// Looks a batch up by the key in its name, which the import has decorated with source, group and request.
    pub(crate) async fn look_up_journal(
        &self,
        setup: &LedgerSetup,
        document: &Document,
    ) -> Result<Observed, SourceError> {
        let query = Query::by("JeBatchId").contains("BatchName", document.key.as_str())?;
        let batches: Vec<wire::Batch> = self.all("journalBatches", &query).await?;
        let [batch] = batches.as_slice() else { return Ok(none_or_several(batches.len())) };
        let id = id_of(&batch.je_batch_id)?;
        let lines = self.batch_lines(&id).await?;
        let (amounts, count) = summed(&lines, document.currency).map_err(|e| bad_amount(&e))?;
        let accounted = match document.own_rate() {
            Some(_) => Some(accounted(&lines, setup.ledger_currency).map_err(|e| bad_amount(&e))?),
            None => None,
        };
        let account = setup.account(purpose::SETTLEMENT).unwrap_or_default();
        Ok(Observed::One(Box::new(Content {
            fusion_id: FusionId::new(id),
            total: Money::new(amounts.at(&account), document.currency),
            amounts,
            accounted,
            lines: count,
            status: batch.status.clone(),
            renumbered: None,
            date: None,
        })))
    }

    async fn batch_lines(&self, id: &str) -> Result<Vec<wire::JournalLine>, SourceError> {
        let by_name = Query::by("JournalName").linked();
        let headers: Vec<wire::Header> =
            self.all(&format!("journalBatches/{id}/child/journalHeaders"), &by_name).await?;
        let mut lines = Vec::new();
        for header in &headers {
            let key = header
                .key()
                .ok_or_else(|| refused("FUS-ANSWER", "a journal header has no link".to_owned()))?;
            let path = format!("journalBatches/{id}/child/journalHeaders/{key}/child/journalLines");
            lines.extend(self.all::<wire::JournalLine>(&path, &Query::by("JeLineNumber")).await?);
        }
        Ok(lines)
    }
}

/// Debits less credits by account. A line in another currency stands apart: it is none of ours.
fn summed(lines: &[wire::JournalLine], currency: Currency) -> Result<(Amounts, u32), MoneyError> {
    let mut amounts = Amounts::default();
    for line in lines {
        let entered: Currency = match &line.currency_code {
            Some(code) => code.parse()?,
            None => currency,
        };
        let class = if entered == currency { "" } else { entered.code() };
        let net = net((line.entered_dr.as_ref(), line.entered_cr.as_ref()), entered)?;
        amounts.add(class, line.account_combination.as_deref().unwrap_or_default(), net.minor)?;
    }
    Ok((amounts, u32::try_from(lines.len()).unwrap_or(u32::MAX)))
}

/// Debits less credits by account in the ledger's currency (Oracle, journalLines: AccountedDr and AccountedCr).
fn accounted(lines: &[wire::JournalLine], ledger: Currency) -> Result<Accounted, MoneyError> {
    let mut amounts = Amounts::default();
    for line in lines {
        let net = net((line.accounted_dr.as_ref(), line.accounted_cr.as_ref()), ledger)?;
        amounts.add("", line.account_combination.as_deref().unwrap_or_default(), net.minor)?;
    }
    Ok(Accounted { currency: ledger, amounts })
}

/// A debit less a credit; what is null is nothing.
fn net((debit, credit): (Option<&Scalar>, Option<&Scalar>), currency: Currency) -> Result<Money, MoneyError> {
    let side = |amount: Option<&Scalar>| match amount {
        Some(amount) => amount.money(currency),
        None => Ok(Money::zero(currency)),
    };
    side(debit)?.checked_add(side(credit)?.negated())
}

/// What a journal is in Fusion, if it stands there as it is sent.
pub(crate) fn sent(document: &Document) -> Result<Sent, String> {
    let Body::Journal { lines, rate, .. } = &document.body else {
        return Err("FUS-KIND: this is no journal".to_owned());
    };
    let bad = |error: MoneyError| format!("FUS-AMOUNT: {error}");
    let (mut amounts, mut worth) = (Amounts::default(), Amounts::default());
    for line in lines {
        amounts.add("", &line.account, line.amount.minor).map_err(bad)?;
        worth.add("", &line.account, line.accounted().map_or(0, |worth| worth.minor)).map_err(bad)?;
    }
    let accounted = rate.map(|rate| Accounted { currency: rate.converted.currency, amounts: worth });
    let lines = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    Ok(Sent { currency: document.currency, amounts, accounted, lines })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal_csv::tests::{converted, journal};

    fn lines(rows: &[(&str, &str, &str, &str)]) -> Vec<wire::JournalLine> {
        let row = |(account, currency, debit, credit): &(&str, &str, &str, &str)| {
            let amount = |text: &str| if text.is_empty() { "null".to_owned() } else { text.to_owned() };
            let json = format!(
                r#"{{"AccountCombination":"{account}","CurrencyCode":"{currency}","EnteredDr":{},"EnteredCr":{}}}"#,
                amount(debit),
                amount(credit)
            );
            serde_json::from_str(&json).expect("a line")
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn a_batch_as_it_was_sent_has_the_same_amounts() {
        let sent = sent(&journal(Currency::USD)).expect("a journal");
        let read = [("01-000-11800-000", "USD", "84.15", ""), ("01-000-12150-000", "USD", "", "\"84.15\"")];
        let (amounts, count) = summed(&lines(&read), Currency::USD).expect("amounts");
        assert_eq!((amounts, count), (sent.amounts, sent.lines));
    }

    #[test]
    fn what_it_is_worth_in_the_ledgers_currency_is_read_by_account() {
        let row = |account: &str, debit: &str, credit: &str| -> wire::JournalLine {
            let json = format!(
                r#"{{"AccountCombination":"{account}","AccountedDr":{debit},"AccountedCr":{credit}}}"#
            );
            serde_json::from_str(&json).expect("a line")
        };
        let sent = sent(&converted()).expect("a journal").accounted.expect("it has a rate of its own");
        let read = [
            row("01-000-11800-000", "91.17", "null"),
            row("01-000-12150-000", "null", "\"91.18\""),
            row("01-000-69900-000", "0.02", "null"),
            row("01-000-69900-000", "null", "0.01"),
        ];
        assert_eq!(accounted(&read, Currency::USD).expect("amounts"), sent);
        assert_ne!(accounted(&read[..3], Currency::USD).expect("amounts"), sent);
    }

    #[test]
    fn a_line_in_another_currency_is_not_taken_for_ours() {
        let (amounts, _) = summed(&lines(&[("1", "EUR", "5.00", "")]), Currency::USD).expect("amounts");
        let mut ours = Amounts::default();
        ours.add("", "1", 500).expect("fits");
        assert_ne!(amounts, ours);
    }
}
