//! `GlInterface.csv` and the zip that holds it (Oracle, "Journal Import" file-based data import: 149 columns, no
//! header, dates as `YYYY/MM/DD`).
//!
//! The same document and attempt give the same bytes, on every machine: what was sent can be compared later.

use std::io::{Cursor, Write as _};

use jiff::civil::Date;
use ml_connector_domain::DocumentKey;
use ml_connector_domain::document::{Body, Document};
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::mapping::JournalLine;

/// Columns of a row; a row of another length makes the whole load fail.
pub(crate) const COLUMNS: usize = 149;

/// The file's name inside the zip: the loader's control file names it, case and all.
pub(crate) const FILE_NAME: &str = "GlInterface.csv";

/// Positions of the columns that are filled, from 1 as in Oracle's template.
mod column {
    pub(super) const STATUS: usize = 1;
    pub(super) const LEDGER_ID: usize = 2;
    pub(super) const ACCOUNTING_DATE: usize = 3;
    pub(super) const SOURCE: usize = 4;
    pub(super) const CATEGORY: usize = 5;
    pub(super) const CURRENCY: usize = 6;
    pub(super) const DATE_CREATED: usize = 7;
    pub(super) const ACTUAL_FLAG: usize = 8;
    pub(super) const SEGMENT_1: usize = 9;
    pub(super) const ENTERED_DEBIT: usize = 39;
    pub(super) const ENTERED_CREDIT: usize = 40;
    pub(super) const BATCH_NAME: usize = 43;
    pub(super) const BATCH_DESCRIPTION: usize = 44;
    pub(super) const JOURNAL_NAME: usize = 46;
    pub(super) const JOURNAL_DESCRIPTION: usize = 47;
    pub(super) const LINE_DESCRIPTION: usize = 52;
    pub(super) const LINE_KEY: usize = 53;
    pub(super) const CONVERSION_TYPE: usize = 64;
    pub(super) const CONVERSION_DATE: usize = 65;
    pub(super) const GROUP_ID: usize = 67;
    pub(super) const PERIOD_NAME: usize = 95;
}

/// Segments of a combination.
const SEGMENTS_MAX: usize = 30;

/// Longest reference text.
const REFERENCE_CHARS_MAX: usize = 240;

/// The batch's name as we send it; the import puts source, group and request behind it. It begins with the document's
/// key, under which the batch is found again.
pub(crate) fn batch_name(key: &DocumentKey) -> String {
    format!("{key} Amazon settlement")
}

/// The rows of a journal, for one attempt.
///
/// # Errors
/// It is no journal, or a combination does not have the chart's shape.
pub(crate) fn csv(setup: &LedgerSetup, document: &Document, attempt: u32) -> Result<Vec<u8>, String> {
    let Body::Journal { group, lines, transactions } = &document.body else {
        return Err("FUS-KIND: this is no journal".to_owned());
    };
    let description = format!("Amazon settlement {group}, {transactions} transactions, {}", setup.time_zone);
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .quote_style(csv::QuoteStyle::Necessary)
        .from_writer(Vec::new());
    for (line, n) in lines.iter().zip(1_u32..) {
        let row = row(setup, document, line, &description, (attempt, n))?;
        writer.write_record(&row).map_err(|error| error.to_string())?;
    }
    writer.into_inner().map_err(|error| error.to_string())
}

fn row(
    setup: &LedgerSetup,
    document: &Document,
    line: &JournalLine,
    description: &str,
    (attempt, n): (u32, u32),
) -> Result<Vec<String>, String> {
    let mut row = vec![String::new(); COLUMNS];
    let mut set = |column: usize, text: String| row[column - 1] = text;
    set(column::STATUS, "NEW".to_owned());
    set(column::LEDGER_ID, setup.ledger_id.clone());
    set(column::ACCOUNTING_DATE, slashed(document.date));
    set(column::SOURCE, setup.journal_source.clone());
    set(column::CATEGORY, setup.journal_category.clone());
    set(column::CURRENCY, document.currency.code().to_owned());
    // Not today's date: the same document must give the same bytes tomorrow.
    set(column::DATE_CREATED, slashed(document.date));
    set(column::ACTUAL_FLAG, "A".to_owned());
    let segments = setup.segments(&line.account);
    if segments.len() > SEGMENTS_MAX || segments.len() != setup.segments(&setup.combination.template).len() {
        return Err(format!("FUS-COMBINATION: {} does not have the chart's segments", line.account));
    }
    for (index, segment) in segments.into_iter().enumerate() {
        set(column::SEGMENT_1 + index, segment.to_owned());
    }
    if line.amount.minor > 0 {
        set(column::ENTERED_DEBIT, line.amount.decimal());
    } else {
        set(column::ENTERED_CREDIT, line.amount.negated().decimal());
    }
    set(column::BATCH_NAME, batch_name(&document.key));
    set(column::BATCH_DESCRIPTION, cut(description));
    // Of a journal's name 25 characters count: the key has 20.
    set(column::JOURNAL_NAME, document.key.as_str().to_owned());
    set(column::JOURNAL_DESCRIPTION, cut(description));
    set(column::LINE_DESCRIPTION, cut(&line.label));
    set(column::LINE_KEY, format!("{}-{n}", document.key));
    if document.currency != setup.ledger_currency {
        set(column::CONVERSION_TYPE, setup.conversion_type.clone());
        set(column::CONVERSION_DATE, slashed(document.date));
    }
    set(column::GROUP_ID, document.key.group_id(attempt).to_string());
    set(column::PERIOD_NAME, setup.period_of(document.date));
    Ok(row)
}

fn slashed(date: Date) -> String {
    date.strftime("%Y/%m/%d").to_string()
}

fn cut(text: &str) -> String {
    text.chars().take(REFERENCE_CHARS_MAX).collect()
}

/// The zip that importBulkData takes, with a fixed time so that it does not depend on when it was made.
///
/// # Errors
/// The archive cannot be written, which memory always can.
pub(crate) fn zipped(csv: &[u8]) -> Result<Vec<u8>, String> {
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644);
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file(FILE_NAME, options).map_err(|error| error.to_string())?;
    archive.write_all(csv).map_err(|error| error.to_string())?;
    Ok(archive.finish().map_err(|error| error.to_string())?.into_inner())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ml_connector_domain::document::Origin;
    use ml_connector_domain::id::ContentHash;
    use ml_connector_domain::{Currency, Money};

    pub(crate) fn setup() -> LedgerSetup {
        let json = r#"{"business_unit":"US1 BU","ledger_name":"US Primary Ledger","ledger_id":"300000001",
            "data_access_set_id":"300000002","ledger_currency":"USD","conversion_type":"Corporate",
            "time_zone":"America/Los_Angeles","transaction_source":"Amazon","invoice_type":"Amazon Invoice",
            "credit_memo_source":"Amazon CM","credit_memo_type":"Amazon CM","payment_terms":"IMMEDIATE",
            "journal_source":"Amazon","journal_category":"Settlement","bill_to":{"US":"1001"},
            "combination":{"delimiter":"-","template":"01-{cost_center}-{account}-000"},
            "accounts":{"receivable":"12100","settlement":"11800"},"default_cost_center":"000"}"#;
        serde_json::from_str(json).expect("a setup")
    }

    pub(crate) fn journal(currency: Currency) -> Document {
        let line = |account: &str, minor: i64, label: &str| JournalLine {
            account: account.to_owned(),
            amount: Money::new(minor, currency),
            label: label.to_owned(),
            rule: "r".to_owned(),
        };
        let hash = || ContentHash::of(b"");
        Document {
            key: DocumentKey::derive('J', &"A1".into(), "G1", 0),
            seller: "A1".into(),
            revision: 0,
            date: jiff::civil::date(2026, 9, 15),
            currency,
            body: Body::Journal {
                group: "G1".into(),
                lines: vec![
                    line("01-000-11800-000", 8_415, "Settlement"),
                    line("01-000-12150-000", -8_415, "Sales, gross"),
                ],
                transactions: 2,
            },
            origin: Origin::new(hash(), hash(), hash()),
        }
    }

    fn filled(csv: &[u8], row: usize) -> Vec<(usize, String)> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv);
        let record = reader.records().nth(row).expect("a row").expect("well-formed");
        assert_eq!(record.len(), COLUMNS);
        record.iter().enumerate().filter(|(_, t)| !t.is_empty()).map(|(n, t)| (n + 1, t.to_owned())).collect()
    }

    fn golden(
        currency: &str,
        amount: (usize, &str),
        account: &str,
        label: &str,
        n: u32,
    ) -> Vec<(usize, String)> {
        let key = DocumentKey::derive('J', &"A1".into(), "G1", 0);
        let description = "Amazon settlement G1, 2 transactions, America/Los_Angeles";
        let mut row: Vec<(usize, String)> = [
            (1, "NEW"),
            (2, "300000001"),
            (3, "2026/09/15"),
            (4, "Amazon"),
            (5, "Settlement"),
            (6, currency),
            (7, "2026/09/15"),
            (8, "A"),
            (9, "01"),
            (10, "000"),
            (11, account),
            (12, "000"),
            amount,
            (43, &format!("{key} Amazon settlement")),
            (44, description),
            (46, key.as_str()),
            (47, description),
            (52, label),
            (53, &format!("{key}-{n}")),
            (67, &key.group_id(1).to_string()),
            (95, "Sep-26"),
        ]
        .map(|(column, text)| (column, text.to_owned()))
        .to_vec();
        if currency != "USD" {
            row.extend([(64, "Corporate".to_owned()), (65, "2026/09/15".to_owned())]);
        }
        row.sort();
        row
    }

    #[test]
    fn each_row_stands_column_by_column() {
        let dollars = csv(&setup(), &journal(Currency::USD), 1).expect("rows");
        assert_eq!(filled(&dollars, 0), golden("USD", (39, "84.15"), "11800", "Settlement", 1));
        assert_eq!(filled(&dollars, 1), golden("USD", (40, "84.15"), "12150", "Sales, gross", 2));
        let yen = csv(&setup(), &journal(Currency::JPY), 1).expect("rows");
        assert_eq!(filled(&yen, 0), golden("JPY", (39, "8415"), "11800", "Settlement", 1));
    }

    #[test]
    fn the_same_document_gives_the_same_bytes_and_a_new_attempt_a_new_group() {
        let zip =
            |attempt| zipped(&csv(&setup(), &journal(Currency::USD), attempt).expect("rows")).expect("a zip");
        assert_eq!(zip(1), zip(1));
        assert_ne!(zip(1), zip(2));
    }
}
