//! Lines and their tax lines.

use serde_json::{Map, Value};

use super::amount::{digits, minor, product};
use super::schema::TAX;
use super::{DocumentLine, Kind, TaxLine, check};
use crate::fusion::adf::{Refusal, children, refusal, text, well_formed};
use crate::scenario::{Currency, MARKETPLACES, Seller, names, tax_rate_code, tax_regime};

/// The lines of a payload, of which there is one at least; a bad one refuses the whole document.
pub(super) fn lines(
    kind: Kind,
    seller: &Seller,
    body: &Map<String, Value>,
    currency: Currency,
) -> Result<Vec<DocumentLine>, Refusal> {
    let names = kind.names();
    let lines: Vec<DocumentLine> = children(body, names.lines)
        .map(|line| one(kind, seller, line, currency))
        .collect::<Result<_, _>>()?;
    if lines.is_empty() {
        return Err(refusal("AR_LINES_REQ", names.lines, "Enter at least one line."));
    }
    let mut numbers: Vec<u64> = lines.iter().map(|line| line.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() < lines.len() {
        return Err(refusal("AR_LINE_NUM_DUP", "LineNumber", "A line number exists twice."));
    }
    Ok(lines)
}

/// What the line is of: an item that exists, a memo line that exists, or a description.
fn subject(kind: Kind, seller: &Seller, line: &Map<String, Value>, number: u64) -> Result<String, Refusal> {
    let attribute = kind.names().line_description;
    let description = text(line, attribute);
    let (item, memo) = (text(line, "ItemNumber"), text(line, "MemoLine"));
    if let Some(item) = item {
        let known = seller.products.iter().any(|product| product.mapped && product.sku == item);
        if !known {
            let words = format!("The item you entered for line {number} doesn't exist.");
            return Err(refusal("AR_ITEM_NOT_FOUND", "ItemNumber", words));
        }
    }
    if memo.is_some_and(|memo| memo != names::MEMO_LINE) {
        let words = format!("The memo line you entered for line {number} doesn't exist.");
        return Err(refusal("AR_MEMO_LINE_NOT_FOUND", "MemoLine", words));
    }
    let subject = description.or(item).or(memo).ok_or_else(|| {
        let words = format!("Enter a value for item, memo line, or description for line {number}.");
        refusal("AR_LINE_ATTR_OPT_REQ", attribute, words)
    })?;
    Ok(subject.to_owned())
}

fn one(
    kind: Kind,
    seller: &Seller,
    line: &Map<String, Value>,
    currency: Currency,
) -> Result<DocumentLine, Refusal> {
    let names = kind.names();
    well_formed(line, names.line)?;
    let number = line.get("LineNumber").and_then(Value::as_u64).unwrap_or(0);
    let description = subject(kind, seller, line, number)?;
    let quantity = digits(line.get(names.line_quantity));
    let price = digits(line.get("UnitSellingPrice"));
    let positive = quantity.as_deref().and_then(|text| text.parse::<f64>().ok()).is_some_and(|n| n > 0.0);
    if number == 0 || !positive {
        let words = format!("Line {number} needs a number and a quantity.");
        return Err(refusal("27014", names.line_quantity, words));
    }
    let (quantity, price) = (quantity.unwrap_or_default(), price.unwrap_or_default());
    let amount = product(&quantity, &price, currency).ok_or_else(|| {
        refusal("27014", "UnitSellingPrice", "Attribute UnitSellingPrice is required and a number.")
    })?;
    if kind == Kind::CreditMemo && amount >= 0 {
        let words = "The unit selling price of a credit memo line is negative.";
        return Err(refusal("AR_CM_SIGN", "UnitSellingPrice", words));
    }
    if let Some(given) = line.get(names.line_amount).filter(|given| !given.is_null())
        && minor(Some(given), currency, names.line_amount)? != amount
    {
        return Err(refusal("AR_LINE_AMOUNT", names.line_amount, "The amount isn't quantity times price."));
    }
    check::reason(line, "LineCreditReason")?;
    check::flexfield(line, "receivablesInvoiceLineTransactionDFF")?;
    Ok(DocumentLine {
        number,
        description,
        amount,
        quantity: line.get(names.line_quantity).cloned(),
        price: line.get("UnitSellingPrice").cloned(),
        sales_order: text(line, "SalesOrder").map(str::to_owned),
        taxes: taxes(kind, line, currency)?,
        key: None,
    })
}

/// Whether a regime and its rate code are set up.
pub(in crate::fusion) fn is_tax(regime: &str, rate_code: &str) -> bool {
    MARKETPLACES.iter().any(|m| tax_regime(m) == regime && tax_rate_code(m) == rate_code)
}

fn taxes(kind: Kind, line: &Map<String, Value>, currency: Currency) -> Result<Vec<TaxLine>, Refusal> {
    let one = |tax: &Map<String, Value>| {
        well_formed(tax, &TAX)?;
        let amount = minor(tax.get("TaxAmount"), currency, "TaxAmount")?;
        if kind == Kind::CreditMemo && amount > 0 {
            return Err(refusal("AR_CM_SIGN", "TaxAmount", "The tax of a credit memo line is negative."));
        }
        let known = |name| text(tax, name).unwrap_or_default().to_owned();
        let (regime, rate_code) = (known("TaxRegimeCode"), known("TaxRateCode"));
        if !is_tax(&regime, &rate_code) {
            let words = format!("The tax regime {regime} or rate {rate_code} doesn't exist.");
            return Err(refusal("AR_TAX_NOT_FOUND", "TaxRegimeCode", words));
        }
        Ok(TaxLine { amount, regime, rate_code })
    };
    children(line, kind.names().taxes).map(one).collect()
}
