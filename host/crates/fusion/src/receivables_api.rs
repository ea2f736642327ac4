//! Sending invoices and credit memos, looking them up, and reading them back whole.

use ml_connector_domain::document::{Body, Document};
use ml_connector_domain::id::{DocumentKey, FusionId};
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::money::MoneyError;
use ml_connector_domain::reconcile::{Amounts, Content, Observed, Sent};
use ml_connector_domain::refusal::Refusal;
use ml_connector_domain::{Currency, Money};
use ml_connector_ports::{Answer, SourceError};
use serde_json::Value;

use crate::client::{FusionClient, bad_amount, id_of, none_or_several};
use crate::placing;
use crate::query::Query;
use crate::receivables;
use crate::wire::{self, Distribution, Receivable, ReceivableLine};

/// What Oracle calls the parts of an invoice, and of a credit memo.
pub(crate) struct Names {
    pub(crate) path: &'static str,
    children: &'static str,
    lines: &'static str,
    distributions: &'static str,
    /// The attribute that carries Amazon's number, under which a document is found that its source has renumbered.
    reference: &'static str,
}

const INVOICES: Names = Names {
    path: "receivablesInvoices",
    children: "receivablesInvoiceLines,receivablesInvoiceDistributions",
    lines: "receivablesInvoiceLines",
    distributions: "receivablesInvoiceDistributions",
    reference: "CrossReference",
};

const CREDIT_MEMOS: Names = Names {
    path: "receivablesCreditMemos",
    children: "receivablesCreditMemoLines,receivablesCreditMemoDistributions",
    lines: "receivablesCreditMemoLines",
    distributions: "receivablesCreditMemoDistributions",
    reference: "PurchaseOrder",
};

/// The names and the payload of a receivable; nothing for other documents.
pub(crate) fn payload(
    setup: &LedgerSetup,
    document: &Document,
) -> Option<(&'static Names, Result<Value, String>)> {
    match &document.body {
        Body::Invoice { .. } => Some((&INVOICES, receivables::invoice(setup, document))),
        Body::CreditMemo { .. } => Some((&CREDIT_MEMOS, receivables::credit_memo(setup, document))),
        _ => None,
    }
}

impl FusionClient {
    pub(crate) async fn send_receivable(&self, names: &Names, body: Result<Value, String>) -> Answer {
        let body = match body {
            Ok(body) => body,
            Err(reason) => return Answer::Refused(vec![Refusal::own(reason)]),
        };
        match self.post(names.path, &body, "application/vnd.oracle.adf.resourceitem+json").await {
            Err(Answer::Refused(reasons)) => {
                let placed = |reason| placing::placed(reason, &body, names.lines);
                Answer::Refused(reasons.into_iter().map(placed).collect())
            }
            Err(answer) => answer,
            Ok(body) => match serde_json::from_slice::<wire::Created>(&body)
                .ok()
                .and_then(|c| c.customer_transaction_id.text())
            {
                Some(id) => Answer::Accepted(FusionId::new(id)),
                // It said 2xx: something is in Fusion, under a number that we do not know yet.
                None => Answer::Lost("Fusion's answer names no CustomerTransactionId".to_owned()),
            },
        }
    }

    /// Looks a receivable up by its number; and if there is none, by Amazon's number among what our source has
    /// numbered by itself.
    pub(crate) async fn look_up_receivable(
        &self,
        setup: &LedgerSetup,
        document: &Document,
        (names, body): (&Names, Result<Value, String>),
    ) -> Result<Observed, SourceError> {
        let query = Query::by("CustomerTransactionId").is("TransactionNumber", document.key.as_str())?;
        let query = query.is("BusinessUnit", &setup.business_unit)?.expanding(names.children);
        let found: Vec<Receivable> = self.all(names.path, &query).await?;
        match found.as_slice() {
            [one] => Ok(Observed::One(Box::new(self.content(names, one).await?))),
            [] => match body {
                Ok(body) => self.look_up_renumbered(setup, names, &body).await,
                Err(_) => Ok(Observed::Nothing),
            },
            several => Ok(none_or_several(several.len())),
        }
    }

    async fn look_up_renumbered(
        &self,
        setup: &LedgerSetup,
        names: &Names,
        body: &Value,
    ) -> Result<Observed, SourceError> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let query = Query::by("CustomerTransactionId").is(names.reference, text(names.reference));
        // What cannot be asked for cannot be found this way.
        let Ok(query) = query.and_then(|query| query.is("TransactionSource", text("TransactionSource")))
        else {
            return Ok(Observed::Nothing);
        };
        let query = query.is("BusinessUnit", &setup.business_unit)?.expanding(names.children);
        let found: Vec<Receivable> = self.all(names.path, &query).await?;
        let sent = sent(names, body).ok();
        let mut candidates = Vec::new();
        for receivable in &found {
            let number =
                receivable.transaction_number.as_ref().and_then(wire::Scalar::text).unwrap_or_default();
            // Another revision of ours stands under its own key.
            if !is_key(&number) {
                let content = self.content(names, receivable).await?;
                candidates.push(Content { renumbered: Some(number), ..content });
            }
        }
        Ok(chosen(candidates, sent.as_ref()))
    }

    async fn content(&self, names: &Names, receivable: &Receivable) -> Result<Content, SourceError> {
        let id = id_of(&receivable.customer_transaction_id)?;
        let child = |name: &str| format!("{}/{id}/child/{name}", names.path);
        let by_line = Query::by("LineNumber");
        let more_lines: Vec<ReceivableLine> =
            self.children(&child(names.lines), &by_line, receivable.lines.as_ref()).await?;
        let more: Vec<Distribution> = self
            .children(
                &child(names.distributions),
                &Query::by("AccountCombination"),
                receivable.distributions.as_ref(),
            )
            .await?;
        let lines: Vec<&ReceivableLine> =
            receivable.lines.iter().flat_map(|page| &page.items).chain(&more_lines).collect();
        let distributions: Vec<&Distribution> =
            receivable.distributions.iter().flat_map(|page| &page.items).chain(&more).collect();
        read(id, receivable, &lines, &distributions).map_err(|e| bad_amount(&e))
    }
}

/// A receivable's content. Its total is what Fusion says it is, or the lines with their tax; where the two differ,
/// Fusion's figure counts, since that is what the customer owes.
fn read(
    id: String,
    receivable: &Receivable,
    lines: &[&ReceivableLine],
    distributions: &[&Distribution],
) -> Result<Content, MoneyError> {
    let currency: Currency = receivable.invoice_currency_code.as_deref().unwrap_or_default().parse()?;
    let (mut amounts, mut tax) = (Amounts::default(), Money::zero(currency));
    for distribution in distributions {
        let amount = amount_of(distribution, currency)?;
        let class = distribution.account_class.as_deref().unwrap_or_default();
        if class == "Tax" {
            tax = tax.checked_add(amount)?;
        }
        amounts.add(class, distribution.account_combination.as_deref().unwrap_or_default(), amount.minor)?;
    }
    let entered = receivable.entered_amount.as_ref().filter(|amount| amount.text().is_some());
    let total = match entered {
        Some(amount) => amount.money(currency)?,
        None => {
            let line = |line: &&ReceivableLine| match &line.line_amount {
                Some(amount) => amount.money(currency),
                None => Ok(Money::zero(currency)),
            };
            lines.iter().map(line).try_fold(tax, |sum, amount| sum.checked_add(amount?))?
        }
    };
    Ok(Content {
        fusion_id: FusionId::new(id),
        total,
        amounts,
        accounted: None,
        lines: u32::try_from(lines.len()).unwrap_or(u32::MAX),
        status: receivable.invoice_status.clone(),
        renumbered: None,
        date: receivable.transaction_date.as_deref().and_then(|day| day.get(..10)?.parse().ok()),
    })
}

fn amount_of(distribution: &Distribution, currency: Currency) -> Result<Money, MoneyError> {
    match &distribution.amount {
        Some(amount) => amount.money(currency),
        None => Ok(Money::zero(currency)),
    }
}

/// What a payload is in Fusion, if it stands there as it is sent: read off the payload itself, so that the two cannot
/// drift apart.
pub(crate) fn sent(names: &Names, body: &Value) -> Result<Sent, String> {
    let code =
        ["InvoiceCurrencyCode", "CreditMemoCurrency"].iter().find_map(|name| body.get(*name)?.as_str());
    let currency: Currency = code.unwrap_or_default().parse().map_err(|e: MoneyError| e.to_string())?;
    let mut amounts = Amounts::default();
    for sent in body.get(names.distributions).and_then(Value::as_array).into_iter().flatten() {
        let sent: Distribution = serde_json::from_value(sent.clone()).map_err(|error| error.to_string())?;
        let amount = amount_of(&sent, currency).map_err(|error| error.to_string())?;
        let (class, account) =
            (sent.account_class.unwrap_or_default(), sent.account_combination.unwrap_or_default());
        amounts.add(&class, &account, amount.minor).map_err(|error| error.to_string())?;
    }
    let lines = body.get(names.lines).and_then(Value::as_array).map_or(0, Vec::len);
    Ok(Sent { currency, amounts, accounted: None, lines: u32::try_from(lines).unwrap_or(u32::MAX) })
}

/// Whether a number is one of our keys.
fn is_key(number: &str) -> bool {
    number.len() == DocumentKey::LENGTH
        && number.starts_with(['I', 'C'])
        && number.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b))
}

/// Of several that carry the same Amazon number, the one with the content that was sent; if none has it, the first,
/// so that a person sees what stands there before anything is sent again.
fn chosen(candidates: Vec<Content>, sent: Option<&Sent>) -> Observed {
    let same = |content: &&Content| {
        sent.is_some_and(|sent| sent.amounts == content.amounts && sent.lines == content.lines)
    };
    let count = candidates.iter().filter(same).count();
    if count > 1 {
        return none_or_several(count);
    }
    let one = candidates.iter().find(same).or_else(|| candidates.first()).cloned();
    one.map_or(Observed::Nothing, |content| Observed::One(Box::new(content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = r#"{"InvoiceCurrencyCode":"USD","TransactionSource":"S","CrossReference":"113-1",
        "receivablesInvoiceLines":[{"LineNumber":1},{"LineNumber":2}],
        "receivablesInvoiceDistributions":[
            {"AccountClass":"Receivable","AccountCombination":"12100","Amount":10.00},
            {"AccountClass":"Revenue","AccountCombination":"41000","Amount":6.00},
            {"AccountClass":"Revenue","AccountCombination":"41000","Amount":3.00},
            {"AccountClass":"Tax","AccountCombination":"22000","Amount":1.00}]}"#;

    const READ: &str = r#"{"CustomerTransactionId":7,"TransactionNumber":"1007","InvoiceCurrencyCode":"USD","EnteredAmount":null,
        "InvoiceStatus":"Complete",
        "receivablesInvoiceLines":{"items":[{"LineAmount":6},{"LineAmount":"3.0"}],"hasMore":false},
        "receivablesInvoiceDistributions":{"items":[
            {"AccountClass":"Receivable","AccountCombination":"12100","Amount":10},
            {"AccountClass":"Revenue","AccountCombination":"41000","Amount":9.00},
            {"AccountClass":"Tax","AccountCombination":"22000","Amount":1}]}}"#;

    fn content(json: &str) -> Content {
        let receivable: Receivable = serde_json::from_str(json).expect("reads");
        let lines: Vec<&ReceivableLine> = receivable.lines.iter().flat_map(|page| &page.items).collect();
        let distributions: Vec<&Distribution> =
            receivable.distributions.iter().flat_map(|page| &page.items).collect();
        read("7".to_owned(), &receivable, &lines, &distributions).expect("amounts")
    }

    fn sent_invoice() -> Sent {
        sent(&INVOICES, &serde_json::from_str(SENT).expect("JSON")).expect("amounts")
    }

    #[test]
    fn an_invoice_as_it_was_sent_has_the_same_amounts_lines_and_total() {
        let (content, sent) = (content(READ), sent_invoice());
        assert_eq!((&content.amounts, content.lines), (&sent.amounts, sent.lines));
        assert_eq!(content.total, Money::new(1_000, Currency::USD), "the lines with their tax");
        assert_eq!(content.status.as_deref(), Some("Complete"));
    }

    #[test]
    fn fusions_own_total_counts_before_the_lines() {
        let edited = READ.replace(r#""EnteredAmount":null"#, r#""EnteredAmount":"11.00""#);
        assert_eq!(content(&edited).total, Money::new(1_100, Currency::USD));
    }

    #[test]
    fn a_credit_memo_reads_under_its_own_names() {
        let json = r#"{"CustomerTransactionId":"8","CreditMemoCurrency":"USD","CreditMemoStatus":"Complete",
            "receivablesCreditMemoLines":{"items":[{"LineAmountCredit":-5.00}]},
            "receivablesCreditMemoDistributions":{"items":[{"AccountClass":"Revenue","AccountCombination":"41000","Amount":-5}]}}"#;
        let content = content(json);
        assert_eq!((content.total.minor, content.lines), (-500, 1));
        assert_eq!(content.amounts.at("41000"), -500);
    }

    #[test]
    fn of_several_under_one_amazon_number_the_one_that_was_sent_is_chosen() {
        let (ours, sent) = (content(READ), sent_invoice());
        let other = Content { lines: 9, fusion_id: "9".into(), ..ours.clone() };
        let id = |observed| match observed {
            Observed::One(content) => content.fusion_id.as_str().to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(id(chosen(vec![other.clone(), ours.clone()], Some(&sent))), "7");
        assert_eq!(id(chosen(vec![other.clone()], Some(&sent))), "9", "a person sees it");
        assert_eq!(chosen(vec![ours.clone(), ours], Some(&sent)), Observed::Several(2));
        assert_eq!(chosen(Vec::new(), Some(&sent)), Observed::Nothing);
    }

    #[test]
    fn our_own_keys_are_told_from_numbers_of_a_source() {
        assert!(is_key(DocumentKey::derive('I', &"A1".into(), "113-1", 1).as_str()));
        assert!(!is_key("1007") && !is_key("I1234567890123456789") && !is_key(""));
    }
}
