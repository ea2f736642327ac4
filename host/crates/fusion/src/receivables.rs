//! Payloads of receivables invoices and credit memos (Oracle, receivablesInvoices and receivablesCreditMemos).

use std::collections::BTreeMap;

use ml_connector_domain::document::{Body, Document};
use ml_connector_domain::ledger::{LedgerSetup, purpose};
use ml_connector_domain::mapping::DocumentLine;
use ml_connector_domain::{MarketplaceId, Money};
use serde_json::{Map, Number, Value, json};

/// An amount as a JSON number with exactly the digits that it has.
fn number(amount: Money) -> Value {
    amount.decimal().parse::<Number>().map_or(Value::Null, Value::Number)
}

fn customer<'a>(setup: &'a LedgerSetup, marketplace: &MarketplaceId) -> Result<&'a str, String> {
    setup.bill_to.get(marketplace).map(String::as_str).ok_or_else(|| {
        format!(
            "FUS-BILL-TO: no bill-to customer is configured for marketplace {marketplace}: set ledger.bill_to"
        )
    })
}

fn account(setup: &LedgerSetup) -> Result<String, String> {
    setup
        .account(purpose::RECEIVABLE)
        .ok_or_else(|| "FUS-ACCOUNT: the ledger names no account for `receivable`".to_owned())
}

/// Rate attributes, where the document is not in the ledger's currency.
fn conversion(setup: &LedgerSetup, document: &Document, date_name: &str, body: &mut Map<String, Value>) {
    if document.currency != setup.ledger_currency {
        body.insert("ConversionRateType".to_owned(), json!(setup.conversion_type));
        body.insert(date_name.to_owned(), json!(document.transaction_date().to_string()));
    }
}

/// The body of an invoice; the number is the document's key, the cross reference the Amazon order.
///
/// # Errors
/// Something that the operator has to configure.
pub(crate) fn invoice(setup: &LedgerSetup, document: &Document) -> Result<Value, String> {
    let Body::Invoice { order, marketplace, lines } = &document.body else {
        return Err("FUS-KIND: this is no invoice".to_owned());
    };
    let total = document.total().map_err(|error| error.to_string())?;
    let mut distributions = vec![json!({
        "AccountClass": "Receivable", "AccountCombination": account(setup)?, "Amount": number(total),
    })];
    distributions.extend(lines.iter().zip(1..).map(|(line, n): (_, u32)| {
        json!({
            "InvoiceLineNumber": n, "AccountClass": "Revenue",
            "AccountCombination": line.account, "Amount": number(line.amount),
        })
    }));
    let lines: Vec<Value> =
        lines.iter().zip(1..).map(|(line, n): (_, u32)| invoice_line(line, n, order.as_str())).collect();
    let mut body = Map::new();
    for (name, value) in [
        ("BusinessUnit", json!(setup.business_unit)),
        ("TransactionSource", json!(setup.transaction_source)),
        ("TransactionType", json!(setup.invoice_type)),
        ("TransactionNumber", json!(document.key.as_str())),
        ("TransactionDate", json!(document.transaction_date().to_string())),
        ("AccountingDate", json!(document.date.to_string())),
        ("BillToCustomerNumber", json!(customer(setup, marketplace)?)),
        ("PaymentTerms", json!(setup.payment_terms)),
        ("InvoiceCurrencyCode", json!(document.currency.code())),
        ("CrossReference", json!(order.as_str())),
        ("Comments", json!(format!("Amazon order {order}"))),
        ("receivablesInvoiceLines", json!(lines)),
        ("receivablesInvoiceDistributions", json!(distributions)),
    ] {
        body.insert(name.to_owned(), value);
    }
    conversion(setup, document, "ConversionDate", &mut body);
    Ok(Value::Object(body))
}

/// A line of pieces where the amount divides evenly, else of one piece: the amount is what must be right.
fn invoice_line(line: &DocumentLine, number_: u32, order: &str) -> Value {
    let pieces = i64::from(line.quantity.max(1));
    let (quantity, unit) = if line.amount.minor % pieces == 0 {
        (pieces, line.amount.minor / pieces)
    } else {
        (1, line.amount.minor)
    };
    json!({
        "LineNumber": number_,
        "Description": line.description,
        "Quantity": quantity,
        "UnitSellingPrice": number(Money::new(unit, line.amount.currency)),
        "SalesOrder": order,
    })
}

/// The body of an on-account credit memo. Quantities are positive and unit prices negative; a line that gives
/// something back to the seller (a discount that falls away) is therefore netted into its item's line, with a
/// distribution of its own.
///
/// # Errors
/// Something that the operator has to configure, or a credit memo that credits nothing.
pub(crate) fn credit_memo(setup: &LedgerSetup, document: &Document) -> Result<Value, String> {
    let Body::CreditMemo { order, refund, marketplace, lines } = &document.body else {
        return Err("FUS-KIND: this is no credit memo".to_owned());
    };
    let total = document.total().map_err(|error| error.to_string())?;
    let mut distributions = vec![
        json!({ "AccountClass": "Receivable", "AccountCombination": account(setup)?, "Amount": number(total) }),
    ];
    let mut bodies = Vec::new();
    for (group, n) in credit_lines(lines, total)?.into_iter().zip(1_u32..) {
        bodies.push(json!({
            "LineNumber": n,
            "LineDescription": group.description,
            "LineQuantityCredit": 1,
            "UnitSellingPrice": number(group.amount),
        }));
        distributions.extend(group.accounts.into_iter().filter(|(_, minor)| *minor != 0).map(
            |(account, minor)| {
                json!({
                    "CreditMemoLineNumber": n, "AccountClass": "Revenue",
                    "AccountCombination": account, "Amount": number(Money::new(minor, total.currency)),
                })
            },
        ));
    }
    let mut body = Map::new();
    for (name, value) in [
        ("BusinessUnit", json!(setup.business_unit)),
        ("TransactionSource", json!(setup.credit_memo_source)),
        ("TransactionType", json!(setup.credit_memo_type)),
        ("TransactionNumber", json!(document.key.as_str())),
        ("TransactionDate", json!(document.transaction_date().to_string())),
        ("AccountingDate", json!(document.date.to_string())),
        ("BillToCustomerNumber", json!(customer(setup, marketplace)?)),
        ("CreditMemoCurrency", json!(document.currency.code())),
        ("PurchaseOrder", json!(refund.as_str())),
        ("CreditMemoComments", json!(format!("Refund of Amazon order {order}"))),
        ("receivablesCreditMemoLines", json!(bodies)),
        ("receivablesCreditMemoDistributions", json!(distributions)),
    ] {
        body.insert(name.to_owned(), value);
    }
    conversion(setup, document, "ConversionRateDate", &mut body);
    Ok(Value::Object(body))
}

/// A line of a credit memo: what one item gives back in all, by account.
struct CreditLine {
    description: String,
    amount: Money,
    accounts: BTreeMap<String, i64>,
}

/// One line for each item; or one for all, where an item by itself would not come out negative.
fn credit_lines(lines: &[DocumentLine], total: Money) -> Result<Vec<CreditLine>, String> {
    if total.minor >= 0 {
        return Err(format!("FUS-CREDIT: a credit memo over {total} credits nothing"));
    }
    let mut by_item = BTreeMap::<Option<&str>, CreditLine>::new();
    for line in lines {
        let key = line.sku.as_ref().map(|sku| sku.as_str());
        add(by_item.entry(key).or_insert_with(|| CreditLine::of(line)), line);
    }
    if by_item.values().all(|group| group.amount.minor < 0) {
        return Ok(by_item.into_values().collect());
    }
    let Some(first) = lines.first() else { return Ok(Vec::new()) };
    let mut all = CreditLine::of(first);
    lines.iter().for_each(|line| add(&mut all, line));
    Ok(vec![all])
}

impl CreditLine {
    fn of(line: &DocumentLine) -> Self {
        Self {
            description: line.description.clone(),
            amount: Money::zero(line.amount.currency),
            accounts: BTreeMap::new(),
        }
    }
}

fn add(group: &mut CreditLine, line: &DocumentLine) {
    group.amount.minor += line.amount.minor;
    *group.accounts.entry(line.account.clone()).or_default() += line.amount.minor;
}
