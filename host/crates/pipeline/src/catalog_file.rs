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
//! Further columns may follow, in any order: [`MORE_COLUMNS`]. `host/docs/catalog.md` is the operator's page.

use std::collections::HashMap;

use ml_connector_domain::catalog::{Asked, Catalog, Rule, Subject};
use ml_connector_domain::{Currency, Date, Money, Region};

/// The columns that every file has, in the order in which errors name them.
pub const COLUMNS: [&str; 6] =
    ["sku", "product_type", "marketplace", "revenue_account", "cogs_account", "cost_center"];

/// The columns that a file may have besides.
pub const MORE_COLUMNS: [&str; 5] = ["region", "valid_from", "valid_to", "unit_cost", "unit_cost_currency"];

/// Columns in all.
const COLUMN_COUNT: usize = COLUMNS.len() + MORE_COLUMNS.len();

/// Characters of an account or cost centre: a segment value has at most 25 (Oracle, GlInterface.csv).
const SEGMENT_CHARS_MAX: usize = 25;

/// Something wrong with a catalog file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {file}:{line}:{column}: {message}")]
pub struct CatalogError {
    /// `CAT-FILE`: it cannot be read; `CAT-AMBIGUOUS`: two rules of equal precedence hold on the same day;
    /// `CAT-NO-REVENUE`: a product that is named and yet not mapped.
    pub code: &'static str,
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
    let header = header(file, &mut reader).map_err(|error| vec![error])?;
    let mut file =
        FileReader { file, text, header, rules: Vec::new(), lines: Vec::new(), errors: Vec::new() };
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

/// Where each column stands in the file.
struct Header {
    places: [Option<usize>; COLUMN_COUNT],
    fields: usize,
}

fn all_columns() -> impl Iterator<Item = &'static str> {
    COLUMNS.into_iter().chain(MORE_COLUMNS)
}

fn header(file: &str, reader: &mut csv::Reader<&[u8]>) -> Result<Header, CatalogError> {
    let wrong = |column: usize, message: String| CatalogError {
        code: "CAT-FILE",
        file: file.to_owned(),
        line: 1,
        column,
        message,
    };
    let names = reader.headers().map_err(|error| wrong(1, error.to_string()))?.clone();
    let mut places = [None; COLUMN_COUNT];
    let mut column = 1;
    for (index, name) in names.iter().enumerate() {
        let Some(known) = all_columns().position(|column| column == name) else {
            let message = format!(
                "unknown column `{name}`: write {}, and of {} what is needed",
                COLUMNS.join(","),
                MORE_COLUMNS.join(",")
            );
            return Err(wrong(column, message));
        };
        if places[known].replace(index).is_some() {
            return Err(wrong(column, format!("column `{name}` is there twice: remove one")));
        }
        column += name.chars().count() + 1;
    }
    match places[..COLUMNS.len()].iter().position(Option::is_none) {
        Some(missing) => Err(wrong(1, format!("column `{}` is missing", COLUMNS[missing]))),
        None => Ok(Header { places, fields: names.len() }),
    }
}

struct FileReader<'a> {
    file: &'a str,
    text: &'a str,
    header: Header,
    rules: Vec<Rule>,
    /// The line of each rule.
    lines: Vec<u64>,
    errors: Vec<CatalogError>,
}

/// What is said of a row that cannot become a rule.
const NO_SUBJECT: &str = "a row needs a sku or a product_type";

impl FileReader<'_> {
    fn error(&mut self, line: u64, column: usize, message: String) {
        self.errors.push(CatalogError {
            code: "CAT-FILE",
            file: self.file.to_owned(),
            line,
            column,
            message,
        });
    }

    fn row(&mut self, record: &csv::StringRecord) {
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != self.header.fields {
            let message = format!("{} fields, the header has {}", record.len(), self.header.fields);
            return self.error(line, 1, message);
        }
        let field = |index: usize| -> Option<String> {
            let text = record.get(self.header.places[index]?)?;
            Some(text).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let [sku, product_type, marketplace, revenue, cogs, cost_center] = std::array::from_fn(field);
        let [region, from, to, cost, currency] = std::array::from_fn(|index| field(COLUMNS.len() + index));
        let subject = match (&sku, &product_type) {
            (Some(sku), _) => Subject::Sku(sku.as_str().into()),
            (None, Some(kind)) => Subject::ProductType(kind.clone()),
            (None, None) => return self.error(line, 1, NO_SUBJECT.to_owned()),
        };
        for (name, value) in
            [("revenue_account", &revenue), ("cogs_account", &cogs), ("cost_center", &cost_center)]
        {
            self.segment(line, name, value.as_deref());
        }
        if sku.is_none() && [&revenue, &cogs, &cost_center, &cost].into_iter().all(Option::is_none) {
            let message = "a product type's row needs an account, a cost center or a unit_cost";
            self.error(line, 1, message.to_owned());
        }
        let rule = Rule {
            product_type: sku.and(product_type),
            marketplace: marketplace.map(|id| id.as_str().into()),
            region: self.region(line, region),
            valid_from: self.day(line, "valid_from", from),
            valid_to: self.day(line, "valid_to", to),
            revenue,
            cogs,
            cost_center,
            unit_cost: self.unit_cost(line, cost, currency),
            ..Rule::about(subject, format!("{}:{line}", self.file))
        };
        self.whole(line, &rule);
        self.rules.push(rule);
        self.lines.push(line);
    }

    /// What the fields of a row must be to each other.
    fn whole(&mut self, line: u64, rule: &Rule) {
        if let (Some(marketplace), Some(region)) = (&rule.marketplace, rule.region) {
            let message =
                format!("a row is about marketplace {marketplace} or about region {region}: leave one empty");
            self.error(line, self.column_of(line, region.as_str()), message);
        }
        if let (Some(from), Some(to)) = (rule.valid_from, rule.valid_to)
            && from > to
        {
            let message = format!("valid_from {from} is after valid_to {to}: the row never holds");
            self.error(line, self.column_of(line, &from.to_string()), message);
        }
    }

    fn region(&mut self, line: u64, text: Option<String>) -> Option<Region> {
        let text = text?;
        text.parse()
            .map_err(|error| self.error(line, self.column_of(line, &text), format!("region: {error}")))
            .ok()
    }

    fn day(&mut self, line: u64, name: &str, text: Option<String>) -> Option<Date> {
        let text = text?;
        let read = text.parse::<Date>().ok().filter(|day| day.to_string() == text);
        if read.is_none() {
            let message = format!("{name} `{text}` is no day: write it as 2026-11-01, in the ledger's zone");
            self.error(line, self.column_of(line, &text), message);
        }
        read
    }

    /// Whole minor units: with a decimal point nobody could be sure which of the two 420 means.
    fn unit_cost(&mut self, line: u64, cost: Option<String>, currency: Option<String>) -> Option<Money> {
        let (cost, currency) = match (cost, currency) {
            (None, None) => return None,
            (Some(cost), Some(currency)) => (cost, currency),
            (Some(one), None) | (None, Some(one)) => {
                let message = "unit_cost and unit_cost_currency go together: write both".to_owned();
                self.error(line, self.column_of(line, &one), message);
                return None;
            }
        };
        let minor = cost.parse::<i64>().ok().filter(|minor| *minor >= 0);
        if minor.is_none() {
            let message = format!("unit_cost `{cost}` is no number of minor units: write 420 for 4.20");
            self.error(line, self.column_of(line, &cost), message);
        }
        match currency.parse::<Currency>() {
            Ok(currency) => Some(Money::new(minor?, currency)),
            Err(error) => {
                let message = format!("unit_cost_currency: {error}");
                self.error(line, self.column_of(line, &currency), message);
                None
            }
        }
    }

    /// An account or cost centre is one segment's value: letters and digits.
    fn segment(&mut self, line: u64, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        let fits = value.len() <= SEGMENT_CHARS_MAX && value.bytes().all(|b| b.is_ascii_alphanumeric());
        if !fits {
            let column = self.column_of(line, value);
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

    fn finish(mut self) -> Result<Catalog, Vec<CatalogError>> {
        let catalog = Catalog { rules: std::mem::take(&mut self.rules) };
        let ambiguous = self.ambiguous(&catalog.rules);
        self.errors.extend(ambiguous);
        let open = self.without_revenue(&catalog);
        self.errors.extend(open);
        if self.errors.is_empty() {
            return Ok(catalog);
        }
        self.errors.sort_by_key(|error| (error.line, error.column));
        Err(self.errors)
    }

    /// Rules of equal precedence that hold on the same day: which of them decides, nobody could say.
    fn ambiguous(&self, rules: &[Rule]) -> Vec<CatalogError> {
        let mut same = HashMap::<_, Vec<usize>>::new();
        for (at, rule) in rules.iter().enumerate() {
            same.entry((&rule.subject, &rule.marketplace, rule.region)).or_default().push(at);
        }
        let mut found = Vec::new();
        for places in same.into_values() {
            for (n, later) in places.iter().enumerate() {
                let both = |earlier: &&usize| rules[**earlier].overlap(&rules[*later]);
                let Some((earlier, day)) =
                    places[..n].iter().find_map(|earlier| Some((earlier, both(&earlier)?)))
                else {
                    continue;
                };
                let before = self.lines[*earlier];
                let message = match day {
                    Date::MIN => {
                        format!("line {before} is about the same product and marketplace: remove one")
                    }
                    day => format!(
                        "line {before} is about the same product and marketplace, and both hold on {day}: end one before the other begins"
                    ),
                };
                let (file, line) = (self.file.to_owned(), self.lines[*later]);
                found.push(CatalogError { code: "CAT-AMBIGUOUS", file, line, column: 1, message });
            }
        }
        found
    }

    /// Rows that give no revenue account, by themselves or by their type, would map nothing while they hold.
    fn without_revenue(&self, catalog: &Catalog) -> Vec<CatalogError> {
        let index = catalog.index();
        let anywhere = "".into();
        let mut found = Vec::new();
        for (rule, line) in catalog.rules.iter().zip(&self.lines) {
            let Subject::Sku(sku) = &rule.subject else { continue };
            let marketplace = rule.marketplace.as_ref().unwrap_or(&anywhere);
            let few = Catalog { rules: index.bearing_on(sku).cloned().collect() };
            let mut days = few.edges().into_iter().filter(|day| rule.holds_on(*day));
            let open = days.find(|day| mapped(&few, rule, Asked { sku, marketplace, day: *day }).is_none());
            let Some(day) = open else { continue };
            let when = if day == Date::MIN { String::new() } else { format!(" from {day} on") };
            let message = match &rule.product_type {
                Some(kind) => {
                    format!("{sku} has no revenue_account{when}, and neither has product type `{kind}`")
                }
                None => {
                    format!("{sku} has no revenue_account{when} and no product_type that could give it one")
                }
            };
            let (file, line) = (self.file.to_owned(), *line);
            found.push(CatalogError { code: "CAT-NO-REVENUE", file, line, column: 1, message });
        }
        found
    }
}

/// What a rule's product is mapped to where the rule holds; a rule of a region stands for any marketplace there.
fn mapped(catalog: &Catalog, rule: &Rule, asked: Asked<'_>) -> Option<()> {
    let listed = rule.region.map(ml_connector_domain::region::marketplaces);
    match listed {
        None => catalog.resolve(asked, "0").map(|_| ()),
        Some(ids) => ids.iter().try_for_each(|id| {
            let marketplace = &(*id).into();
            catalog.resolve(Asked { marketplace, ..asked }, "0").map(|_| ())
        }),
    }
}

#[cfg(test)]
mod tests;
