//! What SQL*Loader does with `GlInterface.csv`: a file that is not as the control file says fails as a whole.

use std::io::Read as _;

/// A row of the interface table.
#[derive(Debug, Clone)]
pub(in crate::fusion) struct InterfaceRow {
    pub(super) columns: Vec<String>,
    /// `NEW`, `P` for passed validation, or error codes.
    pub(in crate::fusion) status: String,
    /// The load that brought it.
    pub(in crate::fusion) load: u64,
}

impl InterfaceRow {
    /// Column `n`, from 1.
    pub(in crate::fusion) fn at(&self, n: usize) -> &str {
        self.columns.get(n - 1).map(String::as_str).unwrap_or_default()
    }
}

/// The records of a file in a zip.
///
/// # Errors
/// The zip or the file cannot be read, or the zip has no such file.
pub(in crate::fusion) fn records(zip: &[u8], name: &str) -> Result<Vec<Vec<String>>, String> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).map_err(|error| error.to_string())?;
    let mut file =
        archive.by_name(name).map_err(|_| format!("SQL*Loader-500: Unable to open file ({name})"))?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| error.to_string())?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let all = reader.records().map(|record| {
        let record = record.map_err(|error| error.to_string())?;
        Ok(record.iter().map(str::to_owned).collect())
    });
    all.collect()
}

/// `YYYY/MM/DD` as `YYYY-MM-DD`.
pub(in crate::fusion) fn iso(date: &str) -> Option<String> {
    let parts: Vec<&str> = date.split('/').collect();
    match parts.as_slice() {
        [year, month, day] if [year.len(), month.len(), day.len()] == [4, 2, 2] => {
            let text = format!("{year}-{month}-{day}");
            text.parse::<jiff::civil::Date>().is_ok().then_some(text)
        }
        _ => None,
    }
}

/// Columns that must be filled.
const REQUIRED: [usize; 7] = [1, 3, 4, 5, 6, 7, 8];
/// First and last column with how many characters they hold.
const LENGTHS: [(usize, usize, usize); 9] = [
    (1, 1, 50),
    (4, 5, 25),
    (6, 6, 15),
    (8, 8, 1),
    (9, 38, 25),
    (43, 62, 240),
    (64, 64, 30),
    (67, 67, 18),
    (95, 95, 15),
];
const DATES: [usize; 3] = [3, 7, 65];
const NUMBERS: [usize; 7] = [39, 40, 41, 42, 63, 66, 67];

/// Reads the rows of a load.
///
/// # Errors
/// What the loader's log says.
pub(in crate::fusion) fn load(zip: &[u8], request: u64) -> Result<Vec<InterfaceRow>, String> {
    let mut rows = Vec::new();
    for (record, n) in records(zip, "GlInterface.csv")?.into_iter().zip(1_usize..) {
        let columns = record.len();
        let ends = columns == 149 || (columns == 150 && record[149] == "END");
        if !ends {
            return Err(format!("SQL*Loader: {columns} columns"));
        }
        let row = InterfaceRow { columns: record, status: "NEW".to_owned(), load: request };
        if let Some(words) = wrong(&row) {
            return Err(format!("SQL*Loader: Record {n}: Rejected - {words}"));
        }
        rows.push(row);
    }
    Ok(rows)
}

fn wrong(row: &InterfaceRow) -> Option<String> {
    if let Some(column) = REQUIRED.iter().find(|column| row.at(**column).is_empty()) {
        return Some(format!("column {column} is required"));
    }
    let too_long = LENGTHS.iter().find_map(|(from, to, longest)| {
        (*from..=*to).find(|column| row.at(*column).chars().count() > *longest)
    });
    if let Some(column) = too_long {
        return Some(format!("column {column} is too long"));
    }
    let filled = |column: &&usize| !row.at(**column).is_empty();
    if DATES.iter().filter(filled).any(|column| iso(row.at(*column)).is_none()) {
        return Some("dates are YYYY/MM/DD".to_owned());
    }
    let number = |column: &usize| row.at(*column).parse::<f64>().is_ok();
    NUMBERS
        .iter()
        .filter(filled)
        .find(|column| !number(column))
        .map(|column| format!("column {column} is no number"))
}
