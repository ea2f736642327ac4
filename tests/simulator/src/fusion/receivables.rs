//! receivablesInvoices and receivablesCreditMemos.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::adf::{self, Row};
use super::{FusionState, lov};
use crate::clock::text;
use crate::http::{Incoming, Reply};
use crate::scenario::{Currency, FusionSetup, MARKETPLACES, names};
use crate::{World, locked};

/// A resource just created is not in collections yet for so long.
const VISIBILITY_LAG: i64 = 2_000;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// receivablesInvoices.
    Invoice,
    /// receivablesCreditMemos.
    CreditMemo,
}

/// The attribute names in which the two differ.
struct Names {
    currency: &'static str,
    rate_date: &'static str,
    comments: &'static str,
    reference: &'static str,
    lines: &'static str,
    distributions: &'static str,
    line_description: &'static str,
    line_quantity: &'static str,
    line_amount: &'static str,
    distribution_line: &'static str,
    source: &'static str,
    transaction_type: &'static str,
}

const INVOICE: Names = Names {
    currency: "InvoiceCurrencyCode",
    rate_date: "ConversionDate",
    comments: "Comments",
    reference: "CrossReference",
    lines: "receivablesInvoiceLines",
    distributions: "receivablesInvoiceDistributions",
    line_description: "Description",
    line_quantity: "Quantity",
    line_amount: "LineAmount",
    distribution_line: "InvoiceLineNumber",
    source: names::INVOICE_SOURCE,
    transaction_type: names::INVOICE_TYPE,
};

const CREDIT_MEMO: Names = Names {
    currency: "CreditMemoCurrency",
    rate_date: "ConversionRateDate",
    comments: "CreditMemoComments",
    reference: "PurchaseOrder",
    lines: "receivablesCreditMemoLines",
    distributions: "receivablesCreditMemoDistributions",
    line_description: "LineDescription",
    line_quantity: "LineQuantityCredit",
    line_amount: "LineAmountCredit",
    distribution_line: "CreditMemoLineNumber",
    source: names::CREDIT_MEMO_SOURCE,
    transaction_type: names::CREDIT_MEMO_TYPE,
};

impl Kind {
    fn names(self) -> &'static Names {
        match self {
            Self::Invoice => &INVOICE,
            Self::CreditMemo => &CREDIT_MEMO,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Invoice => "receivablesInvoices",
            Self::CreditMemo => "receivablesCreditMemos",
        }
    }

    fn documents(self, state: &mut FusionState) -> &mut Vec<Document> {
        match self {
            Self::Invoice => &mut state.invoices,
            Self::CreditMemo => &mut state.credit_memos,
        }
    }
}

/// An invoice or a credit memo.
#[derive(Debug, Clone)]
pub struct Document {
    /// CustomerTransactionId.
    pub id: u64,
    /// TransactionNumber.
    pub number: String,
    /// Seller whose business unit it is in.
    pub seller: usize,
    /// Currency.
    pub currency: Currency,
    /// CrossReference of an invoice, PurchaseOrder of a credit memo.
    pub reference: String,
    /// Accounting date.
    pub date: String,
    /// Lines.
    pub lines: Vec<DocumentLine>,
    /// Amounts by account, revenue side.
    pub accounts: BTreeMap<String, i64>,
    created: i64,
}

impl Document {
    /// Sum of the lines in minor units.
    pub fn total(&self) -> i64 {
        self.lines.iter().map(|line| line.amount).sum()
    }
}

/// A line.
#[derive(Debug, Clone)]
pub struct DocumentLine {
    /// LineNumber.
    pub number: u64,
    /// Description.
    pub description: String,
    /// Minor units.
    pub amount: i64,
}

const HEADER: [&str; 13] = [
    "BusinessUnit",
    "TransactionSource",
    "TransactionType",
    "TransactionNumber",
    "TransactionDate",
    "AccountingDate",
    "BillToCustomerNumber",
    "PaymentTerms",
    "ConversionRateType",
    "ConversionRate",
    "PurchaseOrder",
    "CrossReference",
    "InvoiceStatus",
];

/// A refusal in words: code, attribute, text.
type Refusal = (&'static str, String, String);

fn refusal(code: &'static str, path: &str, words: impl Into<String>) -> Refusal {
    (code, path.to_owned(), words.into())
}

/// Answers a POST.
pub(super) fn create(world: &World, request: &Incoming, kind: Kind) -> Reply {
    let content_type = request.header("content-type").unwrap_or_default();
    if !content_type.contains("json") {
        return Reply::text(415, "Unsupported Media Type");
    }
    let body: Map<String, Value> = match serde_json::from_slice(&request.body) {
        Ok(body) => body,
        Err(error) => return Reply::text(400, format!("The payload isn't valid: {error}")),
    };
    let mut state = locked(&world.fusion);
    match check(world, &mut state, kind, &body) {
        Ok(mut document) => {
            document.id = state.id();
            let answer = attributes(request, kind, &document, true);
            kind.documents(&mut state).push(document);
            Reply::json(201, &Value::Object(answer))
        }
        Err((code, path, words)) => adf::refused(code, &format!("/{path}"), &words),
    }
}

fn string<'a>(body: &'a Map<String, Value>, name: &str, longest: usize) -> Result<&'a str, Refusal> {
    let text = body.get(name).and_then(Value::as_str);
    let text = text.ok_or_else(|| refusal("27014", name, format!("Attribute {name} is required.")))?;
    if text.chars().count() > longest {
        return Err(refusal("27040", name, format!("Attribute {name} has more than {longest} characters.")));
    }
    Ok(text)
}

fn is_one(found: &str, wanted: &str, code: &'static str, name: &str, words: &str) -> Result<(), Refusal> {
    if found == wanted { Ok(()) } else { Err(refusal(code, name, words)) }
}

fn check(
    world: &World,
    state: &mut FusionState,
    kind: Kind,
    body: &Map<String, Value>,
) -> Result<Document, Refusal> {
    let names = kind.names();
    let own = [names.currency, names.rate_date, names.comments, names.lines, names.distributions];
    if let Some(unknown) =
        body.keys().find(|key| !HEADER.contains(&key.as_str()) && !own.contains(&key.as_str()))
    {
        return Err(refusal("27012", unknown, format!("Invalid attribute \"{unknown}\" in the payload")));
    }
    let unit = string(body, "BusinessUnit", 240)?;
    let found = world.scenario.sellers.iter().position(|seller| seller.fusion.business_unit == unit);
    let seller = found.ok_or_else(|| {
        refusal("AR_BU_NOT_FOUND", "BusinessUnit", "The business unit you entered doesn't exist.")
    })?;
    is_one(
        string(body, "TransactionSource", 50)?,
        names.source,
        "AR_BATCH_SOURCE_NOT_FOUND",
        "TransactionSource",
        "The transaction source you entered doesn't exist.",
    )?;
    is_one(
        string(body, "TransactionType", 20)?,
        names.transaction_type,
        "AR_TYPE_NOT_FOUND",
        "TransactionType",
        "The transaction type you entered doesn't exist.",
    )?;
    if body.contains_key("PaymentTerms") || kind == Kind::Invoice {
        is_one(
            string(body, "PaymentTerms", 15)?,
            names::TERMS,
            "AR_TERMS_NOT_FOUND",
            "PaymentTerms",
            "The payment terms you entered don't exist.",
        )?;
    }
    if body.get("InvoiceStatus").is_some_and(|status| status != "Complete") {
        return Err(refusal("AR-857798", "InvoiceStatus", "You can only create a complete invoice."));
    }
    let number = string(body, "TransactionNumber", 20)?.to_owned();
    if kind.documents(state).iter().any(|document| document.number == number) {
        let words = format!("The transaction number {number} already exists for this transaction source.");
        return Err(refusal("AR_TRX_NUM_DUP", "TransactionNumber", words));
    }
    let currency = currency(body, names)?;
    customer(&world.scenario.sellers[seller].fusion, currency, string(body, "BillToCustomerNumber", 30)?)?;
    string(body, "TransactionDate", 10)?;
    let date = string(body, "AccountingDate", 10)?.to_owned();
    if !matches!(lov::status(world, 222, &date), Some('O' | 'F')) {
        let words = "The accounting date isn't in an open or future enterable period.";
        return Err(refusal("AR_GL_DATE_INVALID", "AccountingDate", words));
    }
    let reference = string(body, names.reference, 50)?.to_owned();
    let lines = lines_of(kind, body, currency)?;
    let accounts = distributions(state, kind, body, currency, &lines)?;
    Ok(Document {
        id: 0,
        number,
        seller,
        currency,
        reference,
        date,
        lines,
        accounts,
        created: world.clock.now(),
    })
}

fn currency(body: &Map<String, Value>, names: &Names) -> Result<Currency, Refusal> {
    let code = string(body, names.currency, 15)?;
    let invalid = || refusal("AR_FUNC_CURRENCY_REQ", names.currency, "The currency you entered is invalid.");
    let currency = Currency::of(code).ok_or_else(invalid)?;
    // The ledgers are in dollars; other currencies need a rate type that has daily rates.
    if currency != Currency::Usd {
        is_one(
            string(body, "ConversionRateType", 30)?,
            names::CONVERSION,
            "AR_RATE_TYPE",
            "ConversionRateType",
            "The conversion rate type you entered doesn't exist.",
        )?;
        string(body, names.rate_date, 10)?;
    }
    Ok(currency)
}

fn customer(setup: &FusionSetup, currency: Currency, number: &str) -> Result<(), Refusal> {
    let known = MARKETPLACES.iter().any(|m| m.currency == currency && setup.customer(m) == number);
    if known {
        return Ok(());
    }
    let words = "The criteria you entered didn't return a bill-to customer. Ensure that you entered the correct customer name and account number.";
    Err(refusal("AR_BILL_TO_CUST_NOT_FOUND", "BillToCustomerNumber", words))
}

fn minor(value: Option<&Value>, currency: Currency, name: &str) -> Result<i64, Refusal> {
    let digits = match value {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        _ => return Err(refusal("27014", name, format!("Attribute {name} is required."))),
    };
    currency
        .minor(&digits)
        .ok_or_else(|| refusal("27026", name, format!("{digits} isn't an amount in {}.", currency.code())))
}

fn lines_of(kind: Kind, body: &Map<String, Value>, currency: Currency) -> Result<Vec<DocumentLine>, Refusal> {
    let names = kind.names();
    let lines = body.get(names.lines).and_then(Value::as_array).filter(|lines| !lines.is_empty());
    let lines = lines.ok_or_else(|| refusal("AR_LINES_REQ", names.lines, "Enter at least one line."))?;
    lines.iter().map(|line| line_of(kind, line, currency)).collect()
}

fn line_of(kind: Kind, line: &Value, currency: Currency) -> Result<DocumentLine, Refusal> {
    let names = kind.names();
    let empty = Map::new();
    let line = line.as_object().unwrap_or(&empty);
    let known =
        ["LineNumber", "UnitSellingPrice", "SalesOrder", "TaxClassificationCode", "ItemNumber", "MemoLine"];
    let own = [names.line_description, names.line_quantity, names.line_amount];
    if let Some(unknown) =
        line.keys().find(|key| !known.contains(&key.as_str()) && !own.contains(&key.as_str()))
    {
        return Err(refusal("27012", unknown, format!("Invalid attribute \"{unknown}\" in the payload")));
    }
    let number = line.get("LineNumber").and_then(Value::as_u64).unwrap_or(0);
    if line.contains_key("ItemNumber") {
        let words = format!("The item you entered for line {number} doesn't exist.");
        return Err(refusal("AR_ITEM_NOT_FOUND", "ItemNumber", words));
    }
    if !line.contains_key(names.line_description) && !line.contains_key("MemoLine") {
        let words = format!("Enter a value for item, memo line, or description for line {number}.");
        return Err(refusal("AR_LINE_ATTR_OPT_REQ", names.line_description, words));
    }
    let description = string(line, names.line_description, 240)?.to_owned();
    let quantity = line.get(names.line_quantity).and_then(Value::as_i64).unwrap_or(0);
    let price = minor(line.get("UnitSellingPrice"), currency, "UnitSellingPrice")?;
    if quantity <= 0 || number == 0 {
        return Err(refusal(
            "27014",
            names.line_quantity,
            format!("Line {number} needs a number and a quantity."),
        ));
    }
    if kind == Kind::CreditMemo && price >= 0 {
        return Err(refusal(
            "AR_CM_SIGN",
            "UnitSellingPrice",
            "The unit selling price of a credit memo line is negative.",
        ));
    }
    let amount = price * quantity;
    if let Some(given) = line.get(names.line_amount)
        && minor(Some(given), currency, names.line_amount)? != amount
    {
        return Err(refusal("AR_LINE_AMOUNT", names.line_amount, "The amount isn't quantity times price."));
    }
    Ok(DocumentLine { number, description, amount })
}

/// Distributions, where they are sent, cover each line and the receivable exactly, in accounts that exist.
fn distributions(
    state: &FusionState,
    kind: Kind,
    body: &Map<String, Value>,
    currency: Currency,
    lines: &[DocumentLine],
) -> Result<BTreeMap<String, i64>, Refusal> {
    let names = kind.names();
    let (mut accounts, mut by_line, mut receivable) = (BTreeMap::new(), BTreeMap::<u64, i64>::new(), 0);
    for sent in body.get(names.distributions).and_then(Value::as_array).into_iter().flatten() {
        let account = sent.get("AccountCombination").and_then(Value::as_str).unwrap_or_default();
        if !state.combinations.iter().any(|known| known == account) {
            let words = format!("The account combination {account} isn't valid or isn't enabled.");
            return Err(refusal("AR_ACCOUNT_INVALID", "AccountCombination", words));
        }
        let amount = minor(sent.get("Amount"), currency, "Amount")?;
        match sent.get("AccountClass").and_then(Value::as_str) {
            Some("Receivable") => receivable += amount,
            Some("Revenue") => {
                let line = sent.get(names.distribution_line).and_then(Value::as_u64).unwrap_or(0);
                *by_line.entry(line).or_default() += amount;
                *accounts.entry(account.to_owned()).or_default() += amount;
            }
            _ => return Err(refusal("AR_ACCOUNT_CLASS", "AccountClass", "The account class isn't valid.")),
        }
    }
    let covered = lines.iter().all(|line| by_line.get(&line.number) == Some(&line.amount));
    let total: i64 = lines.iter().map(|line| line.amount).sum();
    if covered && by_line.len() == lines.len() && receivable == total {
        return Ok(accounts);
    }
    Err(refusal(
        "AR_DIST_AMOUNT",
        names.distributions,
        "The distributions don't sum to the lines and the receivable.",
    ))
}

fn line_json(kind: Kind, line: &DocumentLine, currency: Currency) -> Value {
    let names = kind.names();
    let number: Value =
        currency.decimal(line.amount).parse::<serde_json::Number>().map_or(Value::Null, Value::Number);
    json!({ "LineNumber": line.number, names.line_description: line.description, names.line_amount: number })
}

fn attributes(request: &Incoming, kind: Kind, document: &Document, children: bool) -> Map<String, Value> {
    let names = kind.names();
    let mut row = Map::new();
    for (name, value) in [
        ("CustomerTransactionId", adf::id(request, document.id)),
        ("TransactionNumber", json!(document.number)),
        (names.currency, json!(document.currency.code())),
        (names.reference, json!(document.reference)),
        ("AccountingDate", json!(document.date)),
        ("CreationDate", json!(text(document.created))),
        ("SpecialInstructions", Value::Null),
    ] {
        row.insert(name.to_owned(), value);
    }
    if children {
        let lines = document.lines.iter().map(|line| line_json(kind, line, document.currency)).collect();
        row.insert(names.lines.to_owned(), adf::expanded(request, lines));
    }
    row
}

/// Answers a GET of the collection.
pub(super) fn list(world: &World, request: &Incoming, kind: Kind) -> Reply {
    let expand = request
        .parameter("expand")
        .is_some_and(|names| names.split(',').any(|name| name == kind.names().lines));
    let mut state = locked(&world.fusion);
    let now = world.clock.now();
    // Most questions name a number: no need to lay out everything for them.
    let number = request
        .parameter("q")
        .and_then(|q| q.split("TransactionNumber='").nth(1))
        .and_then(|q| q.split('\'').next());
    let rows = kind
        .documents(&mut state)
        .iter()
        .filter(|document| document.created + VISIBILITY_LAG <= now)
        .filter(|document| number.is_none_or(|number| document.number == number))
        .map(|document| {
            let mut attributes = attributes(request, kind, document, expand);
            let unit = &world.scenario.sellers[document.seller].fusion.business_unit;
            attributes.insert("BusinessUnit".to_owned(), json!(unit));
            Row { key: document.id.to_string(), attributes }
        })
        .collect();
    let queryable = [
        "TransactionNumber",
        "BusinessUnit",
        "CustomerTransactionId",
        "CrossReference",
        "PurchaseOrder",
        "AccountingDate",
    ];
    adf::collection(request, kind.path(), &queryable, rows)
}

/// Answers a GET of a document's lines.
pub(super) fn lines(world: &World, request: &Incoming, kind: Kind, id: &str) -> Reply {
    let mut state = locked(&world.fusion);
    let Some(document) = kind.documents(&mut state).iter().find(|document| document.id.to_string() == id)
    else {
        return Reply::text(404, "Not Found");
    };
    let row = |line: &DocumentLine| Row {
        key: line.number.to_string(),
        attributes: line_json(kind, line, document.currency).as_object().cloned().unwrap_or_default(),
    };
    let path = format!("{}/{id}/child/{}", kind.path(), kind.names().lines);
    adf::collection(request, &path, &["LineNumber"], document.lines.iter().map(row).collect())
}
