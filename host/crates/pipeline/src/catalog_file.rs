//! Reads a catalog from its CSV file.
//!
//! ```csv
//! sku,product_type,marketplace,revenue_account,cogs_account,cost_center
//! ,mugs,,41000,51000,110
//! MUG-RED,mugs,,,,
//! MUG-RED,,A1F83G8C2ARO7P,41200,,120
//! ```
//!
//! A row with a SKU is about that product, and its `product_type` joins it to the row of that type; a row without
//! one is about the type. An empty marketplace means all. What a row leaves open comes from the next broader one.

use std::collections::HashMap;

use ml_connector_domain::catalog::{Catalog, Rule, Subject};

/// The columns, in the order in which errors name them.
pub const COLUMNS: [&str; 6] =
    ["sku", "product_type", "marketplace", "revenue_account", "cogs_account", "cost_center"];

/// Characters of an account or cost centre: a segment value has at most 25 (Oracle, GlInterface.csv).
const SEGMENT_CHARS_MAX: usize = 25;

/// Something wrong with a catalog file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("CAT-FILE: {file}:{line}:{column}: {message}")]
pub struct CatalogError {
    /// The file's name.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what to write.
    pub message: String,
}

/// Reads a catalog; every error of the file is reported, not just the first.
///
/// # Errors
/// One entry per thing that is wrong.
pub fn parse(file: &str, text: &str) -> Result<Catalog, Vec<CatalogError>> {
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let positions = header(file, &mut reader).map_err(|error| vec![error])?;
    let mut file =
        FileReader { file, text, positions, rules: Vec::new(), seen: HashMap::new(), errors: Vec::new() };
    for record in reader.into_records() {
        match record {
            Ok(record) => file.row(&record),
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                file.error(line, 1, error.to_string());
            }
        }
    }
    file.finish()
}

fn header(file: &str, reader: &mut csv::Reader<&[u8]>) -> Result<[usize; 6], CatalogError> {
    let wrong =
        |column: usize, message: String| CatalogError { file: file.to_owned(), line: 1, column, message };
    let names = reader.headers().map_err(|error| wrong(1, error.to_string()))?.clone();
    let mut positions = [usize::MAX; 6];
    for (index, name) in names.iter().enumerate() {
        let Some(known) = COLUMNS.iter().position(|column| *column == name) else {
            return Err(wrong(index + 1, format!("unknown column `{name}`: write {}", COLUMNS.join(","))));
        };
        positions[known] = index;
    }
    match positions.iter().position(|position| *position == usize::MAX) {
        Some(missing) => Err(wrong(1, format!("column `{}` is missing", COLUMNS[missing]))),
        None => Ok(positions),
    }
}

struct FileReader<'a> {
    file: &'a str,
    text: &'a str,
    positions: [usize; 6],
    rules: Vec<Rule>,
    seen: HashMap<(String, String), u64>,
    errors: Vec<CatalogError>,
}

impl FileReader<'_> {
    fn error(&mut self, line: u64, column: usize, message: String) {
        self.errors.push(CatalogError { file: self.file.to_owned(), line, column, message });
    }

    fn row(&mut self, record: &csv::StringRecord) {
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != COLUMNS.len() {
            let message = format!("{} fields, the header has {}", record.len(), COLUMNS.len());
            return self.error(line, 1, message);
        }
        let field = |index: usize| -> Option<String> {
            record.get(self.positions[index]).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let [sku, product_type, marketplace, revenue, cogs, cost_center] = std::array::from_fn(field);
        let subject = match (&sku, &product_type) {
            (Some(sku), _) => Subject::Sku(sku.as_str().into()),
            (None, Some(kind)) => Subject::ProductType(kind.clone()),
            (None, None) => {
                return self.error(line, 1, "a row needs a sku or a product_type".to_owned());
            }
        };
        for (index, value) in [(3, &revenue), (4, &cogs), (5, &cost_center)] {
            self.segment(line, index, value.as_deref());
        }
        if sku.is_none() && revenue.is_none() && cogs.is_none() && cost_center.is_none() {
            self.error(line, 1, "a product type's row needs an account or a cost center".to_owned());
        }
        let key = (format!("{subject:?}"), marketplace.clone().unwrap_or_default());
        if let Some(before) = self.seen.insert(key, line) {
            let message = format!("line {before} is about the same product and marketplace: remove one");
            self.error(line, 1, message);
        }
        self.rules.push(Rule {
            product_type: sku.and(product_type),
            subject,
            marketplace: marketplace.map(|id| id.as_str().into()),
            revenue,
            cogs,
            cost_center,
            place: format!("{}:{line}", self.file),
        });
    }

    /// An account or cost centre is one segment's value: letters and digits.
    fn segment(&mut self, line: u64, index: usize, value: Option<&str>) {
        let Some(value) = value else { return };
        let fits = value.len() <= SEGMENT_CHARS_MAX && value.bytes().all(|b| b.is_ascii_alphanumeric());
        if !fits {
            let column = self.column_of(line, value);
            let name = COLUMNS[index];
            let message =
                format!("{name} `{value}` is no segment value: 1 to {SEGMENT_CHARS_MAX} letters and digits");
            self.error(line, column, message);
        }
    }

    fn column_of(&self, line: u64, value: &str) -> usize {
        let index = usize::try_from(line).unwrap_or(0).saturating_sub(1);
        let text = self.text.lines().nth(index).unwrap_or_default();
        text.find(value).map_or(1, |at| text[..at].chars().count() + 1)
    }

    /// Rows that give no revenue account, by themselves or by their type, would map nothing.
    fn finish(mut self) -> Result<Catalog, Vec<CatalogError>> {
        let catalog = Catalog { rules: self.rules.clone() };
        for rule in &self.rules {
            let Subject::Sku(sku) = &rule.subject else { continue };
            let place = rule.marketplace.clone().unwrap_or_else(|| "".into());
            if catalog.resolve(sku, &place, "0").is_none() {
                let line = rule.place.rsplit(':').next().and_then(|line| line.parse().ok()).unwrap_or(0);
                let message = match &rule.product_type {
                    Some(kind) => {
                        format!("{sku} has no revenue_account, and neither has product type `{kind}`")
                    }
                    None => {
                        format!("{sku} has no revenue_account and no product_type that could give it one")
                    }
                };
                self.errors.push(CatalogError { file: self.file.to_owned(), line, column: 1, message });
            }
        }
        if self.errors.is_empty() {
            return Ok(catalog);
        }
        self.errors.sort_by_key(|error| (error.line, error.column));
        Err(self.errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "sku,product_type,marketplace,revenue_account,cogs_account,cost_center\n";

    #[test]
    fn reads_rules_with_their_places() {
        let text = format!("{HEADER},mugs,,41000,51000,110\nMUG-1,mugs,,,,\n\"MUG, big\",,UK,41200,,120\n");
        let catalog = parse("c.csv", &text).expect("good");
        let entry = catalog.resolve(&"MUG-1".into(), &"US".into(), "000").expect("mapped");
        assert_eq!((entry.revenue.as_str(), entry.rule.as_str()), ("41000", "c.csv:3 < c.csv:2"));
        assert!(catalog.resolve(&"MUG, big".into(), &"UK".into(), "000").is_some());
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        let rows = [
            ("MUG-1,,,41 000,,\n", "c.csv:2:9: revenue_account `41 000` is no segment value"),
            (",,,41000,,\n", "c.csv:2:1: a row needs a sku or a product_type"),
            (
                "MUG-1,mugs,,,,\n",
                "c.csv:2:1: MUG-1 has no revenue_account, and neither has product type `mugs`",
            ),
            ("MUG-1,,,41000,\n", "c.csv:2:1: 5 fields, the header has 6"),
            ("A,,,1,,\nA,,,2,,\n", "c.csv:3:1: line 2 is about the same product and marketplace"),
        ];
        for (body, wanted) in rows {
            let errors = parse("c.csv", &format!("{HEADER}{body}")).expect_err(body);
            assert!(errors.iter().any(|e| e.to_string().contains(wanted)), "{body}: {errors:?}");
        }
        let errors = parse("c.csv", "sku,typo\n").expect_err("bad header");
        assert!(errors[0].to_string().contains("unknown column `typo`"));
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let errors = parse("c.csv", &format!("{HEADER},,,,,\nX,,,bad one,,\n")).expect_err("two mistakes");
        assert_eq!(errors.iter().map(|e| e.line).collect::<Vec<_>>(), [2, 3]);
    }
}
