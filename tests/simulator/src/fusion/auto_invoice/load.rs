//! `RaInterfaceLinesAll.csv` and `RaInterfaceDistributionsAll.csv`, as SQL*Loader takes them.

use std::collections::BTreeMap;

use crate::fusion::gl_import::{iso, records};

/// Columns of the lines, from 1.
pub(super) mod column {
    pub(in crate::fusion::auto_invoice) const SOURCE: usize = 2;
    pub(in crate::fusion::auto_invoice) const TYPE: usize = 3;
    pub(in crate::fusion::auto_invoice) const TERM: usize = 4;
    pub(in crate::fusion::auto_invoice) const TRX_DATE: usize = 5;
    pub(in crate::fusion::auto_invoice) const GL_DATE: usize = 6;
    pub(in crate::fusion::auto_invoice) const TRX_NUMBER: usize = 7;
    pub(in crate::fusion::auto_invoice) const CUSTOMER: usize = 19;
    pub(in crate::fusion::auto_invoice) const SITE: usize = 20;
    pub(in crate::fusion::auto_invoice) const LINE_TYPE: usize = 26;
    pub(in crate::fusion::auto_invoice) const DESCRIPTION: usize = 27;
    pub(in crate::fusion::auto_invoice) const CURRENCY: usize = 28;
    pub(in crate::fusion::auto_invoice) const CONVERSION_TYPE: usize = 29;
    pub(in crate::fusion::auto_invoice) const CONVERSION_DATE: usize = 30;
    pub(in crate::fusion::auto_invoice) const RATE: usize = 31;
    pub(in crate::fusion::auto_invoice) const AMOUNT: usize = 32;
    pub(in crate::fusion::auto_invoice) const QUANTITY: usize = 33;
    pub(in crate::fusion::auto_invoice) const UNIT_PRICE: usize = 35;
    pub(in crate::fusion::auto_invoice) const CONTEXT: usize = 37;
    pub(in crate::fusion::auto_invoice) const SALES_ORDER: usize = 57;
    pub(in crate::fusion::auto_invoice) const TAX_REGIME: usize = 81;
    pub(in crate::fusion::auto_invoice) const TAX_RATE_CODE: usize = 84;
    pub(in crate::fusion::auto_invoice) const PURCHASE_ORDER: usize = 107;
    pub(in crate::fusion::auto_invoice) const LINK: usize = 114;
    pub(in crate::fusion::auto_invoice) const REFERENCE: usize = 130;
    pub(in crate::fusion::auto_invoice) const BU_NAME: usize = 287;
    pub(in crate::fusion::auto_invoice) const COMMENTS: usize = 288;
}

const LINE_COLUMNS: usize = 373;
const DISTRIBUTION_COLUMNS: usize = 140;
/// Columns with how many characters they hold.
const LENGTHS: [(usize, usize, usize); 8] =
    [(2, 2, 50), (3, 3, 20), (4, 4, 15), (7, 7, 20), (27, 27, 240), (28, 28, 15), (38, 52, 30), (57, 57, 50)];
const DATES: [usize; 3] = [column::TRX_DATE, column::GL_DATE, column::CONVERSION_DATE];
const NUMBERS: [usize; 4] = [column::RATE, column::AMOUNT, column::QUANTITY, column::UNIT_PRICE];

/// A line of the interface, with its distributions.
#[derive(Debug, Clone)]
pub(in crate::fusion) struct InterfaceLine {
    columns: Vec<String>,
    pub(super) distributions: Vec<Vec<String>>,
    /// The load that brought it.
    pub(in crate::fusion) load: u64,
}

impl InterfaceLine {
    /// Column `n`, from 1.
    pub(super) fn at(&self, n: usize) -> &str {
        self.columns.get(n - 1).map(String::as_str).unwrap_or_default()
    }

    fn flexfield(&self, context: usize) -> Vec<String> {
        self.columns.get(context - 1..context + 15).unwrap_or_default().to_vec()
    }

    /// Its line transaction flexfield: context and attributes.
    pub(super) fn key(&self) -> Vec<String> {
        self.flexfield(column::CONTEXT)
    }

    /// The flexfield of the line that it belongs to.
    pub(super) fn link(&self) -> Vec<String> {
        self.flexfield(column::LINK)
    }

    /// The flexfield of the line that it credits; none if it names none.
    pub(super) fn reference(&self) -> Option<Vec<String>> {
        Some(self.flexfield(column::REFERENCE)).filter(|key| key.iter().any(|part| !part.is_empty()))
    }

    /// What lines of one transaction have in common.
    pub(super) fn transaction(&self) -> Vec<String> {
        let columns = [2, 3, 4, 5, 6, 7, 19, 20, 28, 29, 30, 31];
        columns.iter().map(|n| self.at(*n).to_owned()).collect()
    }
}

/// Reads the lines of a load with their distributions, which are optional.
///
/// # Errors
/// What the loader's log says.
pub(in crate::fusion) fn load(zip: &[u8], request: u64) -> Result<Vec<InterfaceLine>, String> {
    let mut by_key = BTreeMap::<Vec<String>, Vec<Vec<String>>>::new();
    for record in records(zip, "RaInterfaceDistributionsAll.csv").unwrap_or_default() {
        if record.len() != DISTRIBUTION_COLUMNS {
            return Err(format!("SQL*Loader: {} columns", record.len()));
        }
        by_key.entry(record[5..21].to_vec()).or_default().push(record);
    }
    let mut lines = Vec::new();
    for (record, n) in records(zip, "RaInterfaceLinesAll.csv")?.into_iter().zip(1_usize..) {
        if record.len() != LINE_COLUMNS {
            return Err(format!("SQL*Loader: {} columns", record.len()));
        }
        let mut line = InterfaceLine { columns: record, distributions: Vec::new(), load: request };
        if let Some(words) = wrong(&line) {
            return Err(format!("SQL*Loader: Record {n}: Rejected - {words}"));
        }
        line.distributions = by_key.remove(&line.key()).unwrap_or_default();
        lines.push(line);
    }
    Ok(lines)
}

fn wrong(line: &InterfaceLine) -> Option<String> {
    let too_long = LENGTHS.iter().find_map(|(from, to, longest)| {
        (*from..=*to).find(|column| line.at(*column).chars().count() > *longest)
    });
    if let Some(column) = too_long {
        return Some(format!("column {column} is too long"));
    }
    let filled = |column: &&usize| !line.at(**column).is_empty();
    if DATES.iter().filter(filled).any(|column| iso(line.at(*column)).is_none()) {
        return Some("dates are YYYY/MM/DD".to_owned());
    }
    let number = |column: &usize| line.at(*column).parse::<f64>().is_ok();
    let text = NUMBERS.iter().filter(filled).find(|column| !number(column));
    text.map(|column| format!("column {column} is no number"))
}
