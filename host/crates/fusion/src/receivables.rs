//! Payloads of receivables invoices and credit memos (Oracle, receivablesInvoices and receivablesCreditMemos).
//!
//! **Invariant:** what is POSTed is final: Fusion's PATCH changes status, terms and date of an invoice, never its substance.
//! A change of substance is a credit memo and a new invoice.

use ml_connector_domain::document::{Body, Credit, Document};
use ml_connector_domain::ledger::{LedgerSetup, TaxCode, purpose};
use ml_connector_domain::{MarketplaceId, Money};
use serde_json::{Map, Number, Value, json};

use crate::layout::{self, Line, tax_code};

/// Longest CrossReference, SalesOrder and PurchaseOrder (Oracle, receivablesInvoices: 50 characters).
const REFERENCE_CHARS_MAX: usize = 50;

/// An amount as a JSON number with exactly the digits that it has.
pub(crate) fn number(amount: Money) -> Value {
    amount.decimal().parse::<Number>().map_or(Value::Null, Value::Number)
}

pub(crate) fn customer<'a>(setup: &'a LedgerSetup, marketplace: &MarketplaceId) -> Result<&'a str, String> {
    setup.bill_to.get(marketplace).map(String::as_str).ok_or_else(|| {
        format!(
            "FUS-BILL-TO: no bill-to customer is configured for marketplace {marketplace}: set ledger.bill_to"
        )
    })
}

pub(crate) fn receivable(setup: &LedgerSetup) -> Result<String, String> {
    setup
        .account(purpose::RECEIVABLE)
        .ok_or_else(|| "FUS-ACCOUNT: the ledger names no account for `receivable`".to_owned())
}

/// A text that goes into a reference. Never cut: what is cut is not found again.
pub(crate) fn reference(text: &str) -> Result<&str, String> {
    if text.is_empty() || text.chars().count() > REFERENCE_CHARS_MAX {
        return Err(format!(
            "FUS-LENGTH: `{text}` does not fit a reference of 1 to {REFERENCE_CHARS_MAX} characters"
        ));
    }
    Ok(text)
}

/// Rate attributes, where the document is not in the ledger's currency.
pub(crate) fn conversion(
    setup: &LedgerSetup,
    document: &Document,
    date_name: &str,
    body: &mut Map<String, Value>,
) {
    if document.currency != setup.ledger_currency {
        body.insert("ConversionRateType".to_owned(), json!(setup.conversion_type));
        body.insert(date_name.to_owned(), json!(document.transaction_date().to_string()));
    }
}

/// The names in which invoices and credit memos differ.
struct Names {
    line: &'static str,
    description: &'static str,
    quantity: &'static str,
    taxes: &'static str,
    flexfield: Option<&'static str>,
}

const INVOICE: Names = Names {
    line: "InvoiceLineNumber",
    description: "Description",
    quantity: "Quantity",
    taxes: "receivablesInvoiceLineTaxLines",
    flexfield: Some("receivablesInvoiceLineTransactionDFF"),
};

const CREDIT_MEMO: Names = Names {
    line: "CreditMemoLineNumber",
    description: "LineDescription",
    quantity: "LineQuantityCredit",
    taxes: "receivablesCreditMemoLineTaxLines",
    flexfield: None,
};

fn line_json(
    setup: &LedgerSetup,
    names: &Names,
    key: &str,
    (line, n): (&Line, u32),
    code: Option<&TaxCode>,
) -> Value {
    let mut body = json!({
        "LineNumber": n,
        names.description: line.description,
        names.quantity: line.quantity,
        "UnitSellingPrice": number(line.unit),
    });
    if let (Some(tax), Some(code)) = (&line.tax, code) {
        body[names.taxes] = json!([{
            "TaxAmount": number(tax.amount), "TaxRegimeCode": code.regime, "TaxRateCode": code.rate_code,
        }]);
    }
    let auto_invoice = setup.auto_invoice.as_ref();
    let segments = auto_invoice.and_then(|auto| auto.line_segments.as_ref().map(|segments| (auto, segments)));
    if let (Some(flexfield), Some((auto, segments))) = (names.flexfield, segments) {
        body[flexfield] = json!([{
            "__FLEX_Context": auto.line_context, &segments.document: key, &segments.line: line.origin.to_string(),
        }]);
    }
    body
}

/// Where each amount goes: the receivable whole, revenue by line and account, tax by line and account.
fn distributions(names: &Names, account: String, total: Money, lines: &[Line]) -> Vec<Value> {
    let mut all = vec![json!({
        "AccountClass": "Receivable", "AccountCombination": account, "Amount": number(total),
    })];
    let amount = |minor: i64| number(Money::new(minor, total.currency));
    for (line, n) in lines.iter().zip(1_u32..) {
        all.extend(line.accounts.iter().filter(|(_, minor)| **minor != 0).map(|(account, minor)| {
            json!({
                names.line: n, "AccountClass": "Revenue", "AccountCombination": account, "Amount": amount(*minor),
            })
        }));
        let taxes = line.tax.iter().flat_map(|tax| &tax.accounts).filter(|(_, minor)| **minor != 0);
        all.extend(taxes.map(|(account, minor)| {
            json!({
                names.line: n, "DetailedTaxLineNumber": 1, "AccountClass": "Tax",
                "AccountCombination": account, "Amount": amount(*minor),
            })
        }));
    }
    all
}

/// The body of an invoice; the number is the document's key, the cross reference the Amazon order or, where it left in
/// several shipments, the shipment: under it an invoice is looked up, so that no two may have the same.
///
/// `InvoiceStatus` is left out on purpose: whatever is POSTed is complete, and any other status is refused (AR-857798).
/// Lines are described and never name an item: one item that Fusion's inventory does not know would have the whole
/// invoice refused.
///
/// # Errors
/// Something that the operator has to configure, or an order id that does not fit.
pub(crate) fn invoice(setup: &LedgerSetup, document: &Document) -> Result<Value, String> {
    let Body::Invoice { order, marketplace, lines, .. } = &document.body else {
        return Err("FUS-KIND: this is no invoice".to_owned());
    };
    let total = document.total().map_err(|error| error.to_string())?;
    let code = tax_code(setup, marketplace);
    let laid = layout::invoice(lines, code.is_some());
    let (sales_order, reference) = (reference(order.as_str())?, reference(document.subject())?);
    let key = document.key.as_str();
    let bodies: Vec<Value> = laid
        .iter()
        .zip(1_u32..)
        .map(|line| {
            let mut body = line_json(setup, &INVOICE, key, line, code);
            body["SalesOrder"] = json!(sales_order);
            body
        })
        .collect();
    let mut body = Map::new();
    for (name, value) in [
        ("BusinessUnit", json!(setup.business_unit)),
        ("TransactionSource", json!(setup.transaction_source)),
        ("TransactionType", json!(setup.invoice_type)),
        ("TransactionNumber", json!(key)),
        ("TransactionDate", json!(document.transaction_date().to_string())),
        ("AccountingDate", json!(document.date.to_string())),
        ("BillToCustomerNumber", json!(customer(setup, marketplace)?)),
        ("PaymentTerms", json!(setup.payment_terms)),
        ("InvoiceCurrencyCode", json!(document.currency.code())),
        ("CrossReference", json!(reference)),
        ("Comments", json!(comments(document, order.as_str()))),
        ("receivablesInvoiceLines", json!(bodies)),
        ("receivablesInvoiceDistributions", json!(distributions(&INVOICE, receivable(setup)?, total, &laid))),
    ] {
        body.insert(name.to_owned(), value);
    }
    if let Some(flexfield) = &setup.transaction_flexfield {
        let mut segments =
            json!({ "__FLEX_Context": flexfield.context, &flexfield.order_segment: sales_order });
        if let Some(document_segment) = &flexfield.document_segment {
            segments[document_segment] = json!(key);
        }
        body.insert("receivablesInvoiceTransactionDFF".to_owned(), json!([segments]));
    }
    conversion(setup, document, "ConversionDate", &mut body);
    Ok(Value::Object(body))
}

/// What a document says of itself.
pub(crate) fn comments(document: &Document, order: &str) -> String {
    match (&document.body, document.revision) {
        (Body::CreditMemo { cause: Credit::Correction { reverses }, .. }, _) => {
            format!("Takes back {reverses}, Amazon order {order}")
        }
        (Body::CreditMemo { .. }, _) => format!("Refund of Amazon order {order}"),
        (body, revision) => {
            let mut words = format!("Amazon order {order}");
            if let Body::Invoice { shipment: Some(shipment), .. } = body {
                words.push_str(&format!(", shipment {}", shipment.number));
            }
            if revision > 0 {
                words.push_str(&format!(", revision {revision}"));
            }
            words
        }
    }
}

/// The body of an on-account credit memo (see [`layout::credit_memo`] for its lines). REST knows no other kind: it
/// names no invoice, and whoever applies it finds the refund's id in PurchaseOrder and the order's in the comments.
///
/// # Errors
/// Something that the operator has to configure, or a credit memo that credits nothing.
pub(crate) fn credit_memo(setup: &LedgerSetup, document: &Document) -> Result<Value, String> {
    let Body::CreditMemo { order, cause, marketplace, lines, credits } = &document.body else {
        return Err("FUS-KIND: this is no credit memo".to_owned());
    };
    let total = document.total().map_err(|error| error.to_string())?;
    let code = tax_code(setup, marketplace);
    let laid = layout::credit_memo(lines, credits.as_ref(), code.is_some(), total)?;
    let key = document.key.as_str();
    let bodies: Vec<Value> =
        laid.iter().zip(1_u32..).map(|line| line_json(setup, &CREDIT_MEMO, key, line, code)).collect();
    let distributions = distributions(&CREDIT_MEMO, receivable(setup)?, total, &laid);
    let mut body = Map::new();
    for (name, value) in [
        ("BusinessUnit", json!(setup.business_unit)),
        ("TransactionSource", json!(setup.credit_memo_source)),
        ("TransactionType", json!(setup.credit_memo_type)),
        ("TransactionNumber", json!(key)),
        ("TransactionDate", json!(document.transaction_date().to_string())),
        ("AccountingDate", json!(document.date.to_string())),
        ("BillToCustomerNumber", json!(customer(setup, marketplace)?)),
        ("CreditMemoCurrency", json!(document.currency.code())),
        ("PurchaseOrder", json!(reference(cause.as_str())?)),
        ("CreditMemoComments", json!(comments(document, order.as_str()))),
        ("receivablesCreditMemoLines", json!(bodies)),
        ("receivablesCreditMemoDistributions", json!(distributions)),
    ] {
        body.insert(name.to_owned(), value);
    }
    if let Some(reason) = &setup.credit_memo_reason {
        body.insert("CreditReason".to_owned(), json!(reason));
    }
    conversion(setup, document, "ConversionRateDate", &mut body);
    Ok(Value::Object(body))
}
