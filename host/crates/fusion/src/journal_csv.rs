//! `GlInterface.csv` and the zip that holds it (Oracle, "Journal Import" file-based data import: 149 columns, no
//! header, dates as `YYYY/MM/DD`).
//!
//! The same document and attempt give the same bytes, on every machine: what was sent can be compared later.

use jiff::civil::Date;
use ml_connector_domain::document::{Body, Document, JournalOf, Part};
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::mapping::{Conversion, JournalLine};
use ml_connector_domain::{DocumentKey, Money};

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
    pub(super) const CONVERTED_DEBIT: usize = 41;
    pub(super) const CONVERTED_CREDIT: usize = 42;
    pub(super) const BATCH_NAME: usize = 43;
    pub(super) const BATCH_DESCRIPTION: usize = 44;
    pub(super) const JOURNAL_NAME: usize = 46;
    pub(super) const JOURNAL_DESCRIPTION: usize = 47;
    pub(super) const JOURNAL_REFERENCE: usize = 48;
    pub(super) const LINE_DESCRIPTION: usize = 52;
    pub(super) const LINE_KEY: usize = 53;
    pub(super) const REVERSED_LINE_KEY: usize = 54;
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
fn batch_name(key: &DocumentKey, of: &JournalOf) -> String {
    match of {
        JournalOf::Settlement { adjustment: Some(_), .. } => format!("{key} Amazon adjustment"),
        JournalOf::Settlement { .. } => format!("{key} Amazon settlement"),
        JournalOf::Deferred { .. } => format!("{key} Amazon deferred"),
    }
}

/// What a batch says of itself; the zone is that in which its months end.
fn description(setup: &LedgerSetup, document: &Document, of: &JournalOf, transactions: u32) -> String {
    let (currency, zone) = (document.currency, &setup.time_zone);
    match of {
        JournalOf::Settlement { group, adjustment: Some(adjustment), .. } => {
            format!("Amazon settlement {group}, adjustment {adjustment}, {transactions} transactions, {zone}")
        }
        JournalOf::Settlement { group, part: None, .. } => {
            format!("Amazon settlement {group}, {transactions} transactions, {zone}")
        }
        JournalOf::Settlement { group, part: Some(Part { number, of, .. }), .. } => {
            format!("Amazon settlement {group}, part {number} of {of}, {transactions} transactions, {zone}")
        }
        JournalOf::Deferred { accrual } => {
            format!("Deferred transactions {} {currency}, {transactions} transactions, {zone}", accrual.month)
        }
    }
}

/// The rows of a journal, for one attempt.
///
/// # Errors
/// It is no journal, or a combination does not have the chart's shape.
pub(crate) fn csv(setup: &LedgerSetup, document: &Document, attempt: u32) -> Result<Vec<u8>, String> {
    let Body::Journal { of, lines, transactions, reverses, rate } = &document.body else {
        return Err("FUS-KIND: this is no journal".to_owned());
    };
    let mut description = description(setup, document, of, *transactions);
    if let Some(rate) = rate {
        description = format!("{description}, {} paid out for {}", rate.converted, rate.original);
    }
    if let Some(original) = reverses {
        description = format!("Reversal of {original}: {description}");
    }
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
    if line.amount.minor == 0 {
        return Err(format!("FUS-ZERO: line {n} moves nothing"));
    }
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
    for (column, text) in amounts(line).into_iter().chain(conversion(setup, document, line)) {
        set(column, text);
    }
    if let Body::Journal { of, .. } = &document.body {
        set(column::BATCH_NAME, batch_name(&document.key, of));
    }
    set(column::BATCH_DESCRIPTION, cut(description));
    // Of a journal's name 25 characters count: the key has 20.
    set(column::JOURNAL_NAME, document.key.as_str().to_owned());
    set(column::JOURNAL_DESCRIPTION, cut(description));
    set(column::LINE_DESCRIPTION, cut(&line.label));
    set(column::LINE_KEY, format!("{}-{n}", document.key));
    if let Body::Journal { reverses: Some(original), .. } = &document.body {
        set(column::JOURNAL_REFERENCE, original.as_str().to_owned());
        set(column::REVERSED_LINE_KEY, format!("{original}-{n}"));
    }
    set(column::GROUP_ID, document.key.group_id(attempt).to_string());
    set(column::PERIOD_NAME, setup.period_of(document.date));
    Ok(row)
}

/// What is entered, and what that is worth if the journal says so: debits and credits have columns of their own.
fn amounts(line: &JournalLine) -> Vec<(usize, String)> {
    let debit = line.amount.minor > 0;
    let (entered, converted) = match debit {
        true => (column::ENTERED_DEBIT, column::CONVERTED_DEBIT),
        false => (column::ENTERED_CREDIT, column::CONVERTED_CREDIT),
    };
    let sided = |amount: Money| if debit { amount } else { amount.negated() };
    let worth = line.accounted().map(|worth| (converted, sided(worth).decimal()));
    std::iter::once((entered, sided(line.amount).decimal())).chain(worth).collect()
}

/// How Fusion converts a line: the import takes either a conversion type with its date, or the converted amount and
/// neither (Oracle, General Ledger user's guide, "Assigning Values for Currency Conversion").
fn conversion(setup: &LedgerSetup, document: &Document, line: &JournalLine) -> Vec<(usize, String)> {
    let day = match line.conversion {
        Some(Conversion::Accounted(_)) => return Vec::new(),
        Some(Conversion::RateOf(day)) => day,
        // The day on which it happened: a journal that is moved or taken back keeps its rate.
        None => document.transaction_date(),
    };
    if document.currency == setup.ledger_currency {
        return Vec::new();
    }
    vec![(column::CONVERSION_TYPE, setup.conversion_type.clone()), (column::CONVERSION_DATE, slashed(day))]
}

fn slashed(date: Date) -> String {
    date.strftime("%Y/%m/%d").to_string()
}

fn cut(text: &str) -> String {
    text.chars().take(REFERENCE_CHARS_MAX).collect()
}

/// The zip that importBulkData takes.
///
/// # Errors
/// The archive cannot be written, which memory always can.
pub(crate) fn zipped(csv: &[u8]) -> Result<Vec<u8>, String> {
    crate::zipped::zipped(&[(FILE_NAME, csv)])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ml_connector_domain::Currency;
    use ml_connector_domain::document::Origin;
    use ml_connector_domain::fx::OwnRate;
    use ml_connector_domain::id::ContentHash;

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
            conversion: None,
        };
        let hash = || ContentHash::of(b"");
        Document {
            key: DocumentKey::derive('J', &"A1".into(), "G1", 0),
            seller: "A1".into(),
            revision: 0,
            date: jiff::civil::date(2026, 9, 15),
            moved_from: None,
            currency,
            body: Body::Journal {
                of: JournalOf::whole("G1".into()),
                lines: vec![
                    line("01-000-11800-000", 8_415, "Settlement"),
                    line("01-000-12150-000", -8_415, "Sales, gross"),
                ],
                transactions: 2,
                reverses: None,
                rate: None,
            },
            origin: Origin::new(hash(), hash(), hash()),
        }
    }

    /// A settlement of 84.15 euros that Amazon paid out as 91.17 dollars, with a cent that remains.
    pub(crate) fn converted() -> Document {
        let euros: Currency = "EUR".parse().expect("a currency");
        let mut document = journal(euros);
        let Body::Journal { lines, rate, .. } = &mut document.body else { unreachable!("a journal") };
        *rate = OwnRate::of(Money::new(8_415, euros), Money::new(9_117, Currency::USD)).ok();
        let rounding = |minor| JournalLine {
            account: "01-000-69900-000".to_owned(),
            amount: Money::new(minor, euros),
            label: "Rounding".to_owned(),
            ..lines[0].clone()
        };
        let more = [rounding(1), rounding(-1)];
        lines.extend(more);
        for (line, worth) in lines.iter_mut().zip([9_117, -9_118, 2, -1]) {
            line.conversion = Some(Conversion::Accounted(Money::new(worth, Currency::USD)));
        }
        document
    }

    /// An accrual's journal in euros of which the second half takes back what August accrued.
    fn released() -> Document {
        let mut document = journal("EUR".parse().expect("a currency"));
        let Body::Journal { lines, .. } = &mut document.body else { unreachable!("a journal") };
        let back = lines.clone().into_iter().map(|line| JournalLine {
            amount: line.amount.negated(),
            conversion: Some(Conversion::RateOf(jiff::civil::date(2026, 8, 31))),
            ..line
        });
        *lines = lines.clone().into_iter().chain(back).collect();
        document
    }

    /// The golden rows of a kind, all 149 columns by number and name (Oracle, JournalImportTemplate). They were written
    /// down from the template, not taken from what this code makes.
    fn golden(kind: &str) -> &'static str {
        match kind {
            "domestic" => include_str!("../golden/journal-domestic.txt"),
            "foreign" => include_str!("../golden/journal-foreign.txt"),
            "yen" => include_str!("../golden/journal-yen.txt"),
            "negative" => include_str!("../golden/journal-negative.txt"),
            "own rate" => include_str!("../golden/journal-own-rate.txt"),
            _ => include_str!("../golden/journal-reversal.txt"),
        }
    }

    /// Rows in the form of the golden files, with the names taken from there.
    fn column_by_column(csv: &[u8], golden: &str) -> String {
        let names: Vec<&str> = golden
            .lines()
            .skip(1)
            .take(COLUMNS)
            .map(|line| line.trim_start().split_once(' ').map_or("", |(_, rest)| rest))
            .map(|rest| rest.split(" =").next().unwrap_or_default())
            .collect();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv);
        let mut text = String::new();
        for (record, n) in reader.records().map(|record| record.expect("well-formed")).zip(1..) {
            assert_eq!(record.len(), COLUMNS);
            text.push_str(&format!("row {n}\n"));
            for ((value, name), column) in record.iter().zip(&names).zip(1..) {
                text.push_str(format!("{column:3} {name} = {value}").trim_end());
                text.push('\n');
            }
        }
        text
    }

    fn kinds() -> Vec<(&'static str, Document)> {
        let mut negative = journal(Currency::USD);
        if let Body::Journal { lines, .. } = &mut negative.body {
            lines.iter_mut().for_each(|line| line.amount = line.amount.negated());
        }
        let euros: Currency = "EUR".parse().expect("a currency");
        let reversal =
            ml_connector_domain::reversal::journal(&journal(euros), jiff::civil::date(2026, 10, 1));
        vec![
            ("domestic", journal(Currency::USD)),
            ("foreign", journal(euros)),
            ("yen", journal(Currency::JPY)),
            ("negative", negative),
            ("own rate", converted()),
            ("reversal", reversal.expect("a journal")),
        ]
    }

    #[test]
    fn each_kind_of_journal_stands_column_by_column() {
        for (kind, document) in kinds() {
            let csv = csv(&setup(), &document, 1).expect("rows");
            let (made, golden) = (column_by_column(&csv, golden(kind)), golden(kind));
            for (made, golden) in made.lines().zip(golden.lines()) {
                assert_eq!(made, golden, "{kind}");
            }
            assert_eq!(made.lines().count(), golden.lines().count(), "{kind}");
        }
    }

    /// The cells of some columns, row by row.
    fn cells(document: &Document, columns: &[usize]) -> Vec<Vec<String>> {
        let csv = csv(&setup(), document, 1).expect("rows");
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_slice());
        let rows = reader.records().map(|row| row.expect("well-formed"));
        rows.map(|row| columns.iter().map(|column| row[column - 1].to_owned()).collect()).collect()
    }

    #[test]
    fn what_is_taken_back_is_converted_by_the_rate_of_the_day_of_what_it_takes_back() {
        let days = cells(&released(), &[column::CONVERSION_TYPE, column::CONVERSION_DATE]);
        let row = |day: &str| vec!["Corporate".to_owned(), day.to_owned()];
        let (own, earlier) = (row("2026/09/15"), row("2026/08/31"));
        assert_eq!(days, [own.clone(), own, earlier.clone(), earlier]);
        let mut domestic = released();
        domestic.currency = Currency::USD;
        let none = cells(&domestic, &[column::CONVERSION_TYPE, column::CONVERSION_DATE]);
        assert!(none.iter().flatten().all(String::is_empty), "{none:?}");
    }

    #[test]
    fn the_opposite_of_a_journal_has_its_converted_amounts_on_the_other_side() {
        let back = ml_connector_domain::reversal::journal(&converted(), jiff::civil::date(2026, 10, 1));
        let columns = [39, 40, 41, 42, 64, 65, 66];
        let (before, back) = (cells(&converted(), &columns), cells(&back.expect("a journal"), &columns));
        for (before, back) in before.iter().zip(&back) {
            assert_eq!(
                [&before[0], &before[1], &before[2], &before[3]],
                [&back[1], &back[0], &back[3], &back[2]]
            );
            assert!(back[4..].iter().all(String::is_empty), "no type, date or rate beside the amounts");
        }
    }

    #[test]
    fn pain_8_the_same_document_gives_the_same_bytes_in_every_process() {
        let zip =
            |attempt| zipped(&csv(&setup(), &journal(Currency::USD), attempt).expect("rows")).expect("a zip");
        assert_eq!(zip(1), zip(1));
        assert_eq!(
            ContentHash::of(&zip(1)).as_str(),
            "aab013a149235ebbae64640f6fb2841a644fcdb8967cdbf90d948d7a46eca095"
        );
    }

    #[test]
    fn pain_9_another_attempt_has_a_group_of_its_own() {
        let zip =
            |attempt| zipped(&csv(&setup(), &journal(Currency::USD), attempt).expect("rows")).expect("a zip");
        assert_ne!(zip(1), zip(2));
    }

    #[test]
    fn a_line_that_moves_nothing_is_refused() {
        let mut document = journal(Currency::USD);
        if let Body::Journal { lines, .. } = &mut document.body {
            lines[1].amount.minor = 0;
        }
        let error = csv(&setup(), &document, 1).expect_err("refused");
        assert!(error.starts_with("FUS-ZERO"), "{error}");
    }
}
