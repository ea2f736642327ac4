//! The settlement report's file, version 2: tab-separated, a header, a summary row, then detail rows.
//!
//! Amazon writes it by marketplace: dates as `2026-09-01 05:23:19 UTC`, `01.09.2026 07:08:16 UTC` or
//! `2026/09/07 00:20:09 UTC`; amounts with a point or, in parts of Europe, a comma; UTF-8 with or without a mark,
//! Windows-1252, or Shift-JIS. Nothing in the file says which, so each is found out once for the whole file.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;

use ml_connector_domain::canonical::{ReportSum, SettlementReport};
use ml_connector_domain::{Currency, Money, Timestamp};
use ml_connector_ports::Unreadable;

use super::{bad_money, unreadable};

/// An unpacked file's limit: a year of a very large seller.
const BYTES_MAX: u64 = 512 << 20;

/// Unpacks a file if it is packed. Its first bytes say so; what the answer's headers say does not, since an HTTP
/// client may have unpacked it already.
pub(crate) fn unpacked(file: Vec<u8>) -> Result<Vec<u8>, String> {
    if !file.starts_with(&[0x1f, 0x8b]) {
        return Ok(file);
    }
    let mut plain = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(file.as_slice()).take(BYTES_MAX + 1);
    reader.read_to_end(&mut plain).map_err(|error| format!("the file cannot be unpacked: {error}"))?;
    if plain.len() as u64 > BYTES_MAX {
        return Err(format!("the file unpacks to more than {BYTES_MAX} bytes"));
    }
    Ok(plain)
}

/// Reads the text in the character set that it turns out to be in.
fn decoded(file: &[u8]) -> Cow<'_, str> {
    // A mark at the start is taken off; Shift-JIS is tried before Windows-1252, which accepts any bytes.
    for encoding in [encoding_rs::UTF_8, encoding_rs::SHIFT_JIS] {
        let (text, _, broken) = encoding.decode(file);
        if !broken {
            return text;
        }
    }
    encoding_rs::WINDOWS_1252.decode(file).0
}

/// The file's rows by column name.
struct Table {
    columns: HashMap<String, usize>,
    rows: Vec<csv::StringRecord>,
}

impl Table {
    fn read(text: &str) -> Result<Self, Unreadable> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(b'\t')
            // No quoting is documented: a quotation mark in a product's name is itself.
            .quoting(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        let broken = |error: csv::Error| unreadable("file", error.to_string());
        let header = reader.headers().map_err(broken)?.clone();
        let columns = header.iter().enumerate().map(|(n, name)| (name.trim().to_ascii_lowercase(), n));
        let columns: HashMap<String, usize> = columns.collect();
        for needed in ["settlement-id", "total-amount", "currency", "amount", "amount-description"] {
            if !columns.contains_key(needed) {
                return Err(unreadable("line 1", format!("no settlement report: it has no column {needed}")));
            }
        }
        let rows = reader.into_records().collect::<Result<Vec<_>, _>>().map_err(broken)?;
        Ok(Self { columns, rows })
    }

    fn cell<'a>(&self, row: &'a csv::StringRecord, column: &str) -> &'a str {
        self.columns.get(column).and_then(|n| row.get(*n)).unwrap_or_default().trim()
    }

    /// Whether amounts in this file have a decimal comma: a point can then only part thousands.
    fn decimal_comma(&self) -> bool {
        let cells =
            self.rows.iter().flat_map(|row| ["amount", "total-amount"].map(|name| self.cell(row, name)));
        cells.filter(|cell| !cell.is_empty()).any(|cell| match cell.rsplit_once(',') {
            Some((_, fraction)) => !fraction.contains('.') && fraction.len() != 3,
            None => false,
        })
    }
}

/// Reads a settlement report.
///
/// # Errors
/// It is none, or its rows do not sum to its total.
pub(crate) fn report(file: &[u8]) -> Result<SettlementReport, Unreadable> {
    let text = decoded(file);
    let table = Table::read(&text)?;
    let comma = table.decimal_comma();
    let (summary, details) =
        table.rows.split_first().ok_or_else(|| unreadable("line 2", "no summary row"))?;
    let code = table.cell(summary, "currency");
    let currency: Currency = code.parse().map_err(bad_money("line 2, currency"))?;
    let settlement = table.cell(summary, "settlement-id");
    let total = amount(table.cell(summary, "total-amount"), comma, currency, "line 2, total-amount")?;
    let mut sums: BTreeMap<String, (u32, Money)> = BTreeMap::new();
    for (n, row) in details.iter().enumerate() {
        let place = format!("line {}", n + 3);
        let id = table.cell(row, "settlement-id");
        if !id.is_empty() && id != settlement {
            return Err(unreadable(place, format!("a row of settlement {id} in the report of {settlement}")));
        }
        // Columns of the summary stay empty further down: the currency is the summary's.
        let value = amount(table.cell(row, "amount"), comma, currency, &format!("{place}, amount"))?;
        let labels =
            ["transaction-type", "amount-type", "amount-description"].map(|name| table.cell(row, name));
        let (rows, sum) = sums.entry(labels.join(" / ")).or_insert((0, Money::new(0, currency)));
        *rows += 1;
        *sum = sum.checked_add(value).map_err(bad_money(&place))?;
    }
    let sum = Money::sum(currency, sums.values().map(|(_, sum)| *sum)).map_err(bad_money("file"))?;
    if sum != total {
        return Err(unreadable(
            "line 2, total-amount",
            format!("the rows sum to {sum}, the summary says {total}"),
        ));
    }
    let time = |column: &str| instant(table.cell(summary, column), column);
    let deposit = table.cell(summary, "deposit-date");
    Ok(SettlementReport {
        settlement: settlement.to_owned(),
        start: time("settlement-start-date")?,
        end: time("settlement-end-date")?,
        deposit: if deposit.is_empty() { None } else { Some(time("deposit-date")?) },
        total,
        rows: u32::try_from(details.len()).unwrap_or(u32::MAX),
        sums: sums.into_iter().map(|(label, (rows, amount))| ReportSum { label, rows, amount }).collect(),
    })
}

/// An empty amount is none.
fn amount(cell: &str, comma: bool, currency: Currency, place: &str) -> Result<Money, Unreadable> {
    let text: String = match comma {
        true => cell.chars().filter(|c| *c != '.').map(|c| if c == ',' { '.' } else { c }).collect(),
        false => cell.chars().filter(|c| *c != ',').collect(),
    };
    if text.is_empty() {
        return Ok(Money::new(0, currency));
    }
    Money::parse(&text, currency).map_err(bad_money(place))
}

/// Each marketplace has its own way to write a time; all are UTC.
fn instant(cell: &str, column: &str) -> Result<Timestamp, Unreadable> {
    let plain = cell.strip_suffix(" UTC").unwrap_or(cell);
    let formats = ["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%d/%m/%Y %H:%M:%S"];
    let civil = formats.iter().find_map(|format| jiff::civil::DateTime::strptime(format, plain).ok());
    let at = civil.and_then(|civil| jiff::tz::TimeZone::UTC.to_timestamp(civil).ok());
    at.or_else(|| cell.parse().ok())
        .ok_or_else(|| unreadable(format!("line 2, {column}"), format!("`{cell}` is no time")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const HEADER: &str = "settlement-id\tsettlement-start-date\tsettlement-end-date\tdeposit-date\ttotal-amount\tcurrency\ttransaction-type\torder-id\tamount-type\tamount-description\tamount\n";

    fn file(start: &str, total: &str, currency: &str, rows: &[(&str, &str)]) -> String {
        let mut text = format!("{HEADER}77\t{start}\t{start}\t{start}\t{total}\t{currency}\t\t\t\t\t\n");
        for (label, amount) in rows {
            text.push_str(&format!("77\t\t\t\t\t\tOrder\t1\tItemPrice\t{label}\t{amount}\n"));
        }
        text
    }

    #[test]
    fn every_marketplaces_way_of_writing_is_read() {
        let rows = [
            (
                "2026-09-01 05:23:19 UTC",
                "1,234.56",
                "USD",
                [("Principal", "1,243.47"), ("Commission", "-8.91")],
                123_456,
            ),
            (
                "01.09.2026 05:23:19 UTC",
                "1.222,26",
                "EUR",
                [("Principal", "1.234,56"), ("Commission", "-12,30")],
                122_226,
            ),
            (
                "2026/09/01 05:23:19 UTC",
                "19940",
                "JPY",
                [("Principal", "20940"), ("Commission", "-1000")],
                19_940,
            ),
            ("2026-09-01T07:23:19+02:00", "-0.5", "GBP", [("Principal", "1"), ("Commission", "-1.50")], -50),
        ];
        for (start, total, currency, lines, minor) in rows {
            let report = report(file(start, total, currency, &lines).as_bytes()).expect(start);
            assert_eq!(
                (report.total.minor, report.rows, report.settlement.as_str()),
                (minor, 2, "77"),
                "{start}"
            );
            assert_eq!(report.start.to_string(), "2026-09-01T05:23:19Z", "{start}");
            assert_eq!(report.sums.len(), 2);
        }
    }

    #[test]
    fn the_character_set_is_found_out() {
        let text = file("2026/09/01 05:23:19 UTC", "10", "JPY", &[("商品代金", "10")]);
        let (japanese, _, _) = encoding_rs::SHIFT_JIS.encode(&text);
        assert_eq!(report(&japanese).expect("Shift-JIS").sums[0].label, "Order / ItemPrice / 商品代金");
        let text = file("01.09.2026 05:23:19 UTC", "1,00", "EUR", &[("Gebühr für Lagerung", "1,00")]);
        let (western, _, _) = encoding_rs::WINDOWS_1252.encode(&text);
        assert!(report(&western).expect("Windows-1252").sums[0].label.ends_with("Gebühr für Lagerung"));
        let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        assert_eq!(report(&marked).expect("UTF-8 with a mark").rows, 1);
    }

    #[test]
    fn a_file_is_unpacked_once_whoever_packed_it() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(b"settlement-id").expect("writes");
        let packed = packer.finish().expect("packs");
        assert_eq!(unpacked(packed).expect("unpacks"), b"settlement-id");
        assert_eq!(unpacked(b"settlement-id".to_vec()).expect("is plain"), b"settlement-id");
        assert!(unpacked(vec![0x1f, 0x8b, 0]).is_err());
    }

    #[test]
    fn what_does_not_foot_or_is_something_else_is_refused_with_its_place() {
        let error = report(file("2026-09-01 05:23:19 UTC", "2", "USD", &[("Principal", "1")]).as_bytes())
            .expect_err("foots");
        assert!(error.to_string().contains("the rows sum to 1.00 USD"), "{error}");
        assert!(report(b"<?xml version=\"1.0\"?>").expect_err("XML").to_string().contains("no column"));
        let error = report(file("soon", "1", "USD", &[("Principal", "1")]).as_bytes()).expect_err("no time");
        assert!(error.to_string().contains("settlement-start-date"), "{error}");
        let error = report(file("2026-09-01 05:23:19 UTC", "1", "USD", &[("Principal", "1.0.0")]).as_bytes())
            .expect_err("no amount");
        assert!(error.to_string().contains("line 3, amount"), "{error}");
    }
}
