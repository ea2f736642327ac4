//! `RaInterfaceLinesAll.csv` and `RaInterfaceDistributionsAll.csv`, the files of the AutoInvoice import, and the request
//! that imports them (Oracle, "AutoInvoice" file-based data import: 373 and 140 columns, no header).
//!
//! Every row carries the line transaction flexfield: the document's key and the line's number in the document. Fusion
//! takes a flexfield once, which is its guard against doubles; and a credit memo names by it the line that it credits.
//!
//! The same documents give the same bytes, on every machine.

use base64::Engine as _;
use jiff::civil::Date;
use ml_connector_domain::document::{Body, Document};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::ledger::{AutoInvoiceSetup, LedgerSetup, TaxCode};
use ml_connector_domain::{Currency, DocumentKey, Money};
use serde_json::{Value, json};

use crate::layout::{self, Accounts, Line, tax_code};
use crate::receivables::{customer, receivable, reference};
use crate::zipped::zipped;

/// Columns of a line's row; a row of another length makes the whole load fail.
pub(crate) const LINE_COLUMNS: usize = 373;
/// Columns of a distribution's row.
pub(crate) const DISTRIBUTION_COLUMNS: usize = 140;
/// The files' names inside the zip.
pub(crate) const LINES_FILE: &str = "RaInterfaceLinesAll.csv";
/// See [`LINES_FILE`].
pub(crate) const DISTRIBUTIONS_FILE: &str = "RaInterfaceDistributionsAll.csv";
/// Segments of a combination.
const SEGMENTS_MAX: usize = 30;
/// What a request id is marked with, so that its job is followed as an AutoInvoice job.
pub(crate) const REQUEST_PREFIX: &str = "auto-invoice/";

/// Positions of the lines' columns that are filled, from 1 as in Oracle's template.
mod column {
    pub(super) const BATCH_SOURCE_NAME: usize = 2;
    pub(super) const CUST_TRX_TYPE_NAME: usize = 3;
    pub(super) const TERM_NAME: usize = 4;
    pub(super) const TRX_DATE: usize = 5;
    pub(super) const GL_DATE: usize = 6;
    pub(super) const TRX_NUMBER: usize = 7;
    pub(super) const BILL_CUSTOMER_ACCOUNT_NUMBER: usize = 19;
    pub(super) const LINE_TYPE: usize = 26;
    pub(super) const DESCRIPTION: usize = 27;
    pub(super) const CURRENCY_CODE: usize = 28;
    pub(super) const CONVERSION_TYPE: usize = 29;
    pub(super) const CONVERSION_DATE: usize = 30;
    pub(super) const CONVERSION_RATE: usize = 31;
    pub(super) const AMOUNT: usize = 32;
    pub(super) const QUANTITY: usize = 33;
    pub(super) const UNIT_SELLING_PRICE: usize = 35;
    pub(super) const INTERFACE_LINE: usize = 37;
    pub(super) const SALES_ORDER: usize = 57;
    pub(super) const TAX_REGIME_CODE: usize = 81;
    pub(super) const TAX_RATE_CODE: usize = 84;
    pub(super) const REASON_CODE: usize = 99;
    pub(super) const PURCHASE_ORDER: usize = 107;
    pub(super) const LINK_TO_LINE: usize = 114;
    pub(super) const REFERENCE_LINE: usize = 130;
    pub(super) const BU_NAME: usize = 287;
}

/// Positions of the distributions' columns that are filled.
mod distribution {
    pub(super) const ACCOUNT_CLASS: usize = 2;
    pub(super) const AMOUNT: usize = 3;
    pub(super) const ACCTD_AMOUNT: usize = 5;
    pub(super) const INTERFACE_LINE: usize = 6;
    pub(super) const SEGMENT_1: usize = 22;
    pub(super) const BU_NAME: usize = 99;
}

type Row = Vec<String>;

fn set(row: &mut Row, column: usize, text: impl Into<String>) {
    row[column - 1] = text.into();
}

/// Context, document and line of a flexfield, in three columns from `column` on.
fn flexfield(row: &mut Row, column: usize, context: &str, key: &DocumentKey, line: u32) {
    set(row, column, context);
    set(row, column + 1, key.as_str());
    set(row, column + 2, line.to_string());
}

/// What the rows of one document are made with.
struct Writer<'a> {
    setup: &'a LedgerSetup,
    auto: &'a AutoInvoiceSetup,
    document: &'a Document,
    code: Option<&'a TaxCode>,
    header: Row,
    invoice: Option<&'a DocumentKey>,
}

/// Both files' rows.
#[derive(Default)]
struct Rows {
    lines: Vec<Row>,
    distributions: Vec<Row>,
}

/// Whether a document can go by AutoInvoice at all: an invoice always, a credit memo if it names the lines that it
/// credits and comes to less than nothing on each of them.
pub(crate) fn can_import(setup: &LedgerSetup, document: &Document) -> bool {
    let taxed = document.marketplace().is_some_and(|marketplace| tax_code(setup, marketplace).is_some());
    lines_of(document, taxed).is_ok()
}

/// The zip of both files.
///
/// # Errors
/// Something that the operator has to configure, or a document that AutoInvoice does not take.
pub(crate) fn zip(setup: &LedgerSetup, documents: &[&Document]) -> Result<Vec<u8>, String> {
    let (lines, distributions) = files(setup, documents)?;
    zipped(&[(LINES_FILE, &lines), (DISTRIBUTIONS_FILE, &distributions)])
}

fn files(setup: &LedgerSetup, documents: &[&Document]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let auto =
        setup.auto_invoice.as_ref().ok_or("FUS-AUTO-INVOICE: ledger.auto_invoice is not configured")?;
    let mut rows = Rows::default();
    for document in documents {
        write(setup, auto, document, &mut rows)?;
    }
    Ok((csv(&rows.lines)?, csv(&rows.distributions)?))
}

fn csv(rows: &[Row]) -> Result<Vec<u8>, String> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(|error| error.to_string())?;
    }
    writer.into_inner().map_err(|error| error.to_string())
}

fn write(
    setup: &LedgerSetup,
    auto: &AutoInvoiceSetup,
    document: &Document,
    rows: &mut Rows,
) -> Result<(), String> {
    let (marketplace, invoice) = match &document.body {
        Body::Invoice { marketplace, .. } => (marketplace, None),
        Body::CreditMemo { marketplace, credits: Some(credits), .. } => (marketplace, Some(&credits.invoice)),
        _ => return Err("FUS-KIND: this does not go by AutoInvoice".to_owned()),
    };
    let code = tax_code(setup, marketplace);
    let header = header(setup, document, customer(setup, marketplace)?)?;
    let writer = Writer { setup, auto, document, code, header, invoice };
    let lines = lines_of(document, code.is_some())?;
    let total = document.total().map_err(|error| error.to_string())?;
    let first = lines.first().ok_or("FUS-LINES: the document has no lines")?.origin;
    writer.distribution(rows, "REC", first, &receivable(setup)?, total)?;
    lines.iter().try_for_each(|line| writer.line(rows, line))
}

/// What all rows of a document have in common.
fn header(setup: &LedgerSetup, document: &Document, customer: &str) -> Result<Row, String> {
    let mut row = vec![String::new(); LINE_COLUMNS];
    let (source, kind) = match &document.body {
        Body::Invoice { .. } => {
            set(&mut row, column::TERM_NAME, &setup.payment_terms);
            // There is no column for a cross reference: the shipment has to be told here.
            set(&mut row, column::SALES_ORDER, reference(document.subject())?);
            (&setup.transaction_source, &setup.invoice_type)
        }
        Body::CreditMemo { order, cause, .. } => {
            set(&mut row, column::SALES_ORDER, reference(order.as_str())?);
            set(&mut row, column::PURCHASE_ORDER, reference(cause.as_str())?);
            set(&mut row, column::REASON_CODE, setup.credit_memo_reason.clone().unwrap_or_default());
            (&setup.credit_memo_source, &setup.credit_memo_type)
        }
        _ => return Err("FUS-KIND: this does not go by AutoInvoice".to_owned()),
    };
    set(&mut row, column::BATCH_SOURCE_NAME, source);
    set(&mut row, column::CUST_TRX_TYPE_NAME, kind);
    set(&mut row, column::TRX_DATE, slashed(document.transaction_date()));
    set(&mut row, column::GL_DATE, slashed(document.date));
    set(&mut row, column::TRX_NUMBER, document.key.as_str());
    set(&mut row, column::BILL_CUSTOMER_ACCOUNT_NUMBER, customer);
    set(&mut row, column::CURRENCY_CODE, document.currency.code());
    if document.currency == setup.ledger_currency {
        // The column is required; in the ledger's own currency it says that one is one.
        set(&mut row, column::CONVERSION_TYPE, "User");
        set(&mut row, column::CONVERSION_RATE, "1");
    } else {
        set(&mut row, column::CONVERSION_TYPE, &setup.conversion_type);
        set(&mut row, column::CONVERSION_DATE, slashed(document.transaction_date()));
    }
    set(&mut row, column::BU_NAME, &setup.business_unit);
    Ok(row)
}

impl Writer<'_> {
    fn line(&self, rows: &mut Rows, line: &Line) -> Result<(), String> {
        let (context, key) = (&self.auto.line_context, &self.document.key);
        let mut row = self.row(line.origin, "LINE", &line.description, line.amount());
        if line.credits.is_none() {
            set(&mut row, column::QUANTITY, line.quantity.to_string());
            set(&mut row, column::UNIT_SELLING_PRICE, line.unit.decimal());
        }
        if let (Some(credited), Some(invoice)) = (line.credits, self.invoice) {
            flexfield(&mut row, column::REFERENCE_LINE, context, invoice, credited);
        }
        rows.lines.push(row);
        self.distributions(rows, "REV", line.origin, (&line.accounts, line.unit.currency))?;
        let (Some(tax), Some(code)) = (&line.tax, self.code) else { return Ok(()) };
        let mut row = self.row(tax.origin, "TAX", &line.description, tax.amount);
        set(&mut row, column::TAX_REGIME_CODE, &code.regime);
        set(&mut row, column::TAX_RATE_CODE, &code.rate_code);
        // Tax follows its line, which says what it credits.
        flexfield(&mut row, column::LINK_TO_LINE, context, key, line.origin);
        rows.lines.push(row);
        self.distributions(rows, "TAX", tax.origin, (&tax.accounts, line.unit.currency))
    }

    fn row(&self, number: u32, kind: &str, description: &str, amount: Money) -> Row {
        let mut row = self.header.clone();
        flexfield(&mut row, column::INTERFACE_LINE, &self.auto.line_context, &self.document.key, number);
        set(&mut row, column::LINE_TYPE, kind);
        set(&mut row, column::DESCRIPTION, description);
        set(&mut row, column::AMOUNT, amount.decimal());
        row
    }

    fn distributions(
        &self,
        rows: &mut Rows,
        class: &str,
        line: u32,
        (accounts, currency): (&Accounts, Currency),
    ) -> Result<(), String> {
        for (account, minor) in accounts.iter().filter(|(_, minor)| **minor != 0) {
            self.distribution(rows, class, line, account, Money::new(*minor, currency))?;
        }
        Ok(())
    }

    fn distribution(
        &self,
        rows: &mut Rows,
        class: &str,
        line: u32,
        account: &str,
        amount: Money,
    ) -> Result<(), String> {
        let mut row = vec![String::new(); DISTRIBUTION_COLUMNS];
        set(&mut row, distribution::ACCOUNT_CLASS, class);
        set(&mut row, distribution::AMOUNT, amount.decimal());
        if amount.currency == self.setup.ledger_currency {
            // Must equal the amount there, or the line is rejected; elsewhere Fusion converts.
            set(&mut row, distribution::ACCTD_AMOUNT, amount.decimal());
        }
        flexfield(&mut row, distribution::INTERFACE_LINE, &self.auto.line_context, &self.document.key, line);
        let segments = self.setup.segments(account);
        let shape = self.setup.segments(&self.setup.combination.template).len();
        if segments.len() > SEGMENTS_MAX || segments.len() != shape {
            return Err(format!("FUS-COMBINATION: {account} does not have the chart's segments"));
        }
        for (index, segment) in segments.into_iter().enumerate() {
            set(&mut row, distribution::SEGMENT_1 + index, segment);
        }
        set(&mut row, distribution::BU_NAME, &self.setup.business_unit);
        rows.distributions.push(row);
        Ok(())
    }
}

fn slashed(date: Date) -> String {
    date.strftime("%Y/%m/%d").to_string()
}

/// The lines of a document that can be imported.
///
/// # Errors
/// A credit memo that does not name what it credits, or does not come to less than nothing on each of those lines.
fn lines_of(document: &Document, taxed: bool) -> Result<Vec<Line>, String> {
    match &document.body {
        Body::Invoice { lines, .. } => Ok(layout::invoice(lines, taxed)),
        Body::CreditMemo { lines, credits, .. } => {
            let total = document.total().map_err(|error| error.to_string())?;
            let laid = layout::credit_memo(lines, credits.as_ref(), taxed, total)?;
            if laid.iter().all(|line| line.credits.is_some()) {
                Ok(laid)
            } else {
                Err("FUS-CREDIT: it does not say of each line what it credits".to_owned())
            }
        }
        _ => Err("FUS-KIND: this does not go by AutoInvoice".to_owned()),
    }
}

/// importBulkData for AutoInvoice. Its arguments: business unit id, source name, default date, 19 filters left blank,
/// `N` (base due date), `Y` (minimum due date) (24 in all).
pub(crate) fn import_request(
    setup: &LedgerSetup,
    documents: &[&Document],
    zip: &[u8],
) -> Result<Value, String> {
    let auto =
        setup.auto_invoice.as_ref().ok_or("FUS-AUTO-INVOICE: ledger.auto_invoice is not configured")?;
    let first = documents.first().ok_or("FUS-LINES: no documents")?;
    let source = match &first.body {
        Body::Invoice { .. } => &setup.transaction_source,
        _ => &setup.credit_memo_source,
    };
    let blanks = ",".repeat(20);
    Ok(json!({
        "OperationName": "importBulkData",
        "DocumentContent": base64::engine::general_purpose::STANDARD.encode(zip),
        "ContentType": "zip",
        "FileName": format!("AutoInvoice-{}.zip", &ContentHash::of(zip).as_str()[..16]),
        "DocumentAccount": "fin$/receivables$/import$",
        "JobName": "/oracle/apps/ess/financials/receivables/transactions/autoInvoices,AutoInvoiceImportEss",
        "ParameterList": format!("{},{source},{}{blanks}N,Y", auto.business_unit_id, first.date),
        "CallbackURL": "#NULL",
        "NotificationCode": "10",
        "JobOptions": "InterfaceDetails=2,ImportOption=Y,PurgeOption=Y,ExtractFileType=ALL",
    }))
}
