//! Lengths and characters of everything that is sent (Oracle, receivablesInvoices, receivablesCreditMemos and the
//! journal import's template). What is too long is refused by Fusion as a whole, or cut without a word.

use crate::document::{Body, Document};
use crate::ledger::LedgerSetup;
use crate::mapping::Reason;

/// Longest reference column of the journal import.
const REFERENCE: usize = 240;
/// Longest segment of a combination.
const SEGMENT: usize = 25;

/// A name or text that is sent, by Fusion's field.
fn fits(field: &str, about: &str, text: &str, longest: usize) -> Option<Reason> {
    let chars = text.chars().count();
    let wrong = if chars == 0 {
        "is empty".to_owned()
    } else if chars > longest {
        format!("has {chars} characters, Fusion takes {longest}")
    } else if text.chars().any(char::is_control) {
        "holds a control character".to_owned()
    } else {
        return None;
    };
    Some(Reason::new(
        "over-long",
        format!("{about}, {field}"),
        format!("{about}: {field} {wrong}: `{}`", shown(text)),
    ))
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

/// The names out of the ledger's setup that go along with a document.
pub(super) fn names(setup: &LedgerSetup, document: &Document) -> Vec<Reason> {
    let ledger = |field, text: &str, longest| fits(field, "the ledger's setup", text, longest);
    let receivable = |source: &str, kind: &str| {
        let customer = document.marketplace().and_then(|marketplace| setup.bill_to.get(marketplace));
        [
            ledger("BusinessUnit", &setup.business_unit, 240),
            ledger("TransactionSource", source, 50),
            ledger("TransactionType", kind, 20),
            customer.and_then(|number| ledger("BillToCustomerNumber", number, 30)),
        ]
    };
    let mut found: Vec<Option<Reason>> = Vec::new();
    match &document.body {
        Body::Invoice { .. } => {
            found.extend(receivable(&setup.transaction_source, &setup.invoice_type));
            found.push(ledger("PaymentTerms", &setup.payment_terms, 15));
        }
        Body::CreditMemo { .. } => {
            found.extend(receivable(&setup.credit_memo_source, &setup.credit_memo_type))
        }
        Body::Receipt { customer, .. } => {
            found.push(ledger("BusinessUnit", &setup.business_unit, 240));
            found.push(fits("CustomerAccountNumber", "the receipt", customer, 30));
            if let Some(receipts) = &setup.receipts {
                found.push(ledger("ReceiptMethod", &receipts.method, 30));
                found.push(ledger("RemittanceBankAccountNumber", &receipts.bank_account, 100));
            }
        }
        Body::Journal { .. } => {
            found.push(ledger("USER_JE_SOURCE_NAME", &setup.journal_source, 25));
            found.push(ledger("USER_JE_CATEGORY_NAME", &setup.journal_category, 25));
        }
    }
    if document.currency != setup.ledger_currency {
        found.push(ledger("ConversionRateType", &setup.conversion_type, 30));
    }
    found.into_iter().flatten().collect()
}

/// The texts out of the document itself, save the lines' descriptions, which have a rule of their own.
pub(super) fn texts(document: &Document) -> Vec<Reason> {
    let mut found = vec![fits("TransactionNumber", "the document", document.key.as_str(), 20)];
    match &document.body {
        Body::Invoice { order, .. } => found.push(fits("SalesOrder", "the document", order.as_str(), 50)),
        Body::CreditMemo { .. } => found.push(fits("PurchaseOrder", "the document", document.subject(), 50)),
        // A ReceiptNumber has 30 characters; the key has 20.
        Body::Receipt { .. } => {}
        Body::Journal { of, lines, .. } => {
            // The description says something about the settlement around its number.
            found.push(fits("REFERENCE2", "the document", of.subject(), REFERENCE - 120));
            found.extend(
                lines
                    .iter()
                    .zip(1_u32..)
                    .map(|(line, n)| fits("REFERENCE10", &format!("line {n}"), &line.label, REFERENCE)),
            );
        }
    }
    found.into_iter().flatten().collect()
}

/// A combination against the chart of accounts.
pub(super) fn combination(setup: &LedgerSetup, account: &str, values: &[&str]) -> Option<Reason> {
    let wanted = setup.chart_of_accounts.as_ref().map(|chart| chart.segments.len());
    let message = match wanted {
        Some(wanted) if wanted != values.len() => {
            format!("combination {account} has {} segments, the chart of accounts has {wanted}", values.len())
        }
        _ => {
            let bad = values.iter().find(|value| value.is_empty() || value.chars().count() > SEGMENT)?;
            format!("combination {account}: segment `{bad}` must have 1 to {SEGMENT} characters")
        }
    };
    Some(Reason::new("bad-combination", account, message))
}
