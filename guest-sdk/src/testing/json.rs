//! JSON for golden cases: as much of it as the contract's types need.
//!
//! Our own, so that a mapper's project builds without a registry. Numbers are whole, as the contract's are: an amount
//! never passes through a float.

use std::collections::BTreeMap;
use std::fmt;

use crate::{
    BatchContext, Booking, CatalogEntry, Charge, CreditMemo, CreditMemoOutcome, DocumentLine, Invoice,
    JournalLine, Ledger, Leg, Money, Order, OrderItem, OrderOutcome, Reason, Transaction, TransactionOutcome,
};

/// A JSON value. It prints itself indented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Number(i64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(BTreeMap<String, Json>),
}

/// What is wrong with a JSON text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    place: String,
    message: String,
}

impl JsonError {
    fn new(message: impl Into<String>) -> Self {
        Self { place: String::new(), message: message.into() }
    }

    /// The same, further out.
    pub(super) fn at(mut self, outer: &str) -> Self {
        let dot = if self.place.is_empty() || self.place.starts_with('[') { "" } else { "." };
        self.place = format!("{outer}{dot}{}", self.place);
        self
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for JsonError {}

static NULL: Json = Json::Null;

impl Json {
    /// An object of these members.
    pub fn object<const N: usize>(members: [(&str, Json); N]) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// A member; what is missing is null.
    pub fn get(&self, name: &str) -> &Json {
        match self {
            Self::Object(members) => members.get(name).unwrap_or(&NULL),
            _ => &NULL,
        }
    }

    /// Without members that are null or an empty list.
    #[must_use]
    pub fn without_empties(&self) -> Json {
        match self {
            Self::List(list) => Self::List(list.iter().map(Self::without_empties).collect()),
            Self::Object(members) => {
                let left = members.iter().filter(|(_, value)| !value.is_empty());
                Self::Object(left.map(|(name, value)| (name.clone(), value.without_empties())).collect())
            }
            other => other.clone(),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::List(list) => list.is_empty(),
            _ => false,
        }
    }

    /// The first place where `other` is not like this, with both.
    pub fn difference(&self, other: &Json) -> Option<JsonError> {
        match (self, other) {
            (Self::Object(wanted), Self::Object(got)) => {
                let names: std::collections::BTreeSet<&String> = wanted.keys().chain(got.keys()).collect();
                names
                    .into_iter()
                    .find_map(|name| self.get(name).difference(other.get(name)).map(|found| found.at(name)))
            }
            (Self::List(wanted), Self::List(got)) if wanted.len() == got.len() => {
                wanted.iter().zip(got).enumerate().find_map(|(n, (wanted, got))| {
                    wanted.difference(got).map(|found| found.at(&format!("[{n}]")))
                })
            }
            _ if self == other => None,
            _ => Some(JsonError::new(format!("expected {}, got {}", self.flat(), other.flat()))),
        }
    }

    fn flat(&self) -> String {
        self.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Reads a text.
    ///
    /// # Errors
    /// It is no JSON, or holds a number that is not whole; with the line.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.skip_space();
        if reader.at < text.len() { Err(reader.wrong("nothing more is wanted")) } else { Ok(value) }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_indented(self, f, 0)
    }
}

fn write_indented(value: &Json, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    let pad = |f: &mut fmt::Formatter<'_>, depth: usize| write!(f, "\n{:1$}", "", 2 * depth);
    match value {
        Json::Null => f.write_str("null"),
        Json::Bool(flag) => write!(f, "{flag}"),
        Json::Number(number) => write!(f, "{number}"),
        Json::Text(text) => write_text(text, f),
        Json::List(list) if list.is_empty() => f.write_str("[]"),
        Json::List(list) => {
            for (n, item) in list.iter().enumerate() {
                f.write_str(if n == 0 { "[" } else { "," })?;
                pad(f, depth + 1)?;
                write_indented(item, f, depth + 1)?;
            }
            pad(f, depth)?;
            f.write_str("]")
        }
        Json::Object(members) if members.is_empty() => f.write_str("{}"),
        Json::Object(members) => {
            for (n, (name, member)) in members.iter().enumerate() {
                f.write_str(if n == 0 { "{" } else { "," })?;
                pad(f, depth + 1)?;
                write_text(name, f)?;
                f.write_str(": ")?;
                write_indented(member, f, depth + 1)?;
            }
            pad(f, depth)?;
            f.write_str("}")
        }
    }
}

fn write_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

/// Lists in lists that are read: what is deeper is no golden case.
const DEPTH_MAX: usize = 64;

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn wrong(&self, message: &str) -> JsonError {
        let line = 1 + self.text[..self.at].matches('\n').count();
        JsonError { place: format!("line {line}"), message: message.to_owned() }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes a sign if it comes next.
    fn takes(&mut self, sign: char) -> bool {
        self.skip_space();
        let next = self.rest().starts_with(sign);
        if next {
            self.at += sign.len_utf8();
        }
        next
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("this is nested too deep"));
        }
        if self.takes('{') {
            return self.object(depth);
        }
        if self.takes('[') {
            return self.list(depth);
        }
        if self.takes('"') {
            return self.text().map(Json::Text);
        }
        for (word, value) in [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))]
        {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        let end = self.rest().find(|c: char| !matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9'));
        let number = &self.rest()[..end.unwrap_or(self.rest().len())];
        let read = number.parse().map_err(|_| self.wrong("a value is wanted; numbers are whole"))?;
        self.at += number.len();
        Ok(Json::Number(read))
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut members = BTreeMap::new();
        if self.takes('}') {
            return Ok(Json::Object(members));
        }
        loop {
            if !self.takes('"') {
                return Err(self.wrong("a member's name is wanted"));
            }
            let name = self.text()?;
            if !self.takes(':') {
                return Err(self.wrong("`:` is wanted"));
            }
            let value = self.value(depth + 1)?;
            if members.insert(name, value).is_some() {
                return Err(self.wrong("a member stands twice"));
            }
            if self.takes('}') {
                return Ok(Json::Object(members));
            }
            if !self.takes(',') {
                return Err(self.wrong("`,` or `}` is wanted"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut list = Vec::new();
        if self.takes(']') {
            return Ok(Json::List(list));
        }
        loop {
            list.push(self.value(depth + 1)?);
            if self.takes(']') {
                return Ok(Json::List(list));
            }
            if !self.takes(',') {
                return Err(self.wrong("`,` or `]` is wanted"));
            }
        }
    }

    /// The rest of a text whose first quote is taken.
    fn text(&mut self) -> Result<String, JsonError> {
        let mut text = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else { return Err(self.wrong("a text does not end")) };
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(text),
                '\\' => text.push(self.escaped()?),
                c => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, JsonError> {
        let Some(c) = self.rest().chars().next() else { return Err(self.wrong("a text does not end")) };
        self.at += c.len_utf8();
        Ok(match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            '"' | '\\' | '/' => c,
            'u' => return self.code_point(),
            _ => return Err(self.wrong("this escape is unknown")),
        })
    }

    fn code_unit(&mut self) -> Result<u32, JsonError> {
        let digits = self.rest().get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = digits.ok_or_else(|| self.wrong("four hexadecimal digits are wanted"))?;
        self.at += 4;
        Ok(unit)
    }

    /// A character outside the basic plane is two escapes.
    fn code_point(&mut self) -> Result<char, JsonError> {
        let first = self.code_unit()?;
        let point = if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
            self.at += 2;
            let second = self.code_unit()?.wrapping_sub(0xdc00);
            0x1_0000 + ((first - 0xd800) << 10) + (second & 0x3ff)
        } else {
            first
        };
        char::from_u32(point).ok_or_else(|| self.wrong("this is no character"))
    }
}

/// What can be written into a golden case.
pub(super) trait ToJson {
    fn to_json(&self) -> Json;
}

/// What can be read from one.
pub(super) trait FromJson: Sized {
    fn from_json(json: &Json) -> Result<Self, JsonError>;
}

fn wanted<T>(what: &str, json: &Json) -> Result<T, JsonError> {
    Err(JsonError::new(format!("{what} is wanted, not {}", json.flat())))
}

impl ToJson for String {
    fn to_json(&self) -> Json {
        Json::Text(self.clone())
    }
}

impl FromJson for String {
    fn from_json(json: &Json) -> Result<Self, JsonError> {
        match json {
            Json::Text(text) => Ok(text.clone()),
            other => wanted("text", other),
        }
    }
}

macro_rules! number {
    ($($number:ty),*) => {$(
        impl ToJson for $number {
            fn to_json(&self) -> Json {
                Json::Number(i64::from(*self))
            }
        }

        impl FromJson for $number {
            fn from_json(json: &Json) -> Result<Self, JsonError> {
                match json {
                    Json::Number(n) => {
                        (*n).try_into().or_else(|_| wanted("a number that fits", json))
                    }
                    other => wanted("a whole number", other),
                }
            }
        }
    )*};
}

number!(i64, u32);

impl<T: ToJson> ToJson for Option<T> {
    fn to_json(&self) -> Json {
        self.as_ref().map_or(Json::Null, ToJson::to_json)
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(json: &Json) -> Result<Self, JsonError> {
        match json {
            Json::Null => Ok(None),
            some => T::from_json(some).map(Some),
        }
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn to_json(&self) -> Json {
        Json::List(self.iter().map(ToJson::to_json).collect())
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(json: &Json) -> Result<Self, JsonError> {
        match json {
            // An empty list may be left out.
            Json::Null => Ok(Vec::new()),
            Json::List(list) => list
                .iter()
                .enumerate()
                .map(|(n, item)| T::from_json(item).map_err(|error| error.at(&format!("[{n}]"))))
                .collect(),
            other => wanted("a list", other),
        }
    }
}

impl ToJson for (String, String) {
    fn to_json(&self) -> Json {
        Json::List(vec![self.0.to_json(), self.1.to_json()])
    }
}

impl FromJson for (String, String) {
    fn from_json(json: &Json) -> Result<Self, JsonError> {
        match json {
            Json::List(list) if list.len() == 2 => {
                Ok((String::from_json(&list[0])?, String::from_json(&list[1])?))
            }
            other => wanted("a pair of texts", other),
        }
    }
}

macro_rules! record {
    ($($record:ident { $($field:ident),* })*) => {$(
        impl ToJson for $record {
            fn to_json(&self) -> Json {
                Json::object([$((stringify!($field), self.$field.to_json())),*])
            }
        }

        impl FromJson for $record {
            fn from_json(json: &Json) -> Result<Self, JsonError> {
                const FIELDS: &[&str] = &[$(stringify!($field)),*];
                let Json::Object(members) = json else {
                    return wanted(concat!("an object (", stringify!($record), ")"), json);
                };
                if let Some(unknown) = members.keys().find(|name| !FIELDS.contains(&name.as_str())) {
                    let message = format!("{} has no such member; it has {}", stringify!($record), FIELDS.join(", "));
                    return Err(JsonError::new(message).at(unknown));
                }
                Ok(Self {$(
                    $field: FromJson::from_json(json.get(stringify!($field)))
                        .map_err(|error: JsonError| error.at(stringify!($field)))?,
                )*})
            }
        }
    )*};
}

record! {
    Money { minor, currency }
    BatchContext { seller, settings, ledger, catalog, extra }
    Ledger { name, currency, time_zone, combination, default_cost_center, accounts, extra }
    CatalogEntry { sku, marketplace, revenue_account, cogs_account, cost_center, rule, extra }
    Order {
        id, marketplace, status, fulfilled_by, created, updated, shipped_on, replaces, total, items, extra
    }
    OrderItem {
        id, sku, title, quantity_ordered, quantity_fulfilled, charges, tax_collection, extra
    }
    Charge { kind, amount, extra }
    Transaction {
        id, kind, description, posted, group, order_id, marketplace, total, legs, extra
    }
    Leg { path, amount, sku, order_item_id, extra }
    Reason { code, message, subject, extra }
    Invoice { lines, extra }
    DocumentLine { description, amount, quantity, account, sku, order_item_id, rule, extra }
    Booking { journal, credit_memo, extra }
    CreditMemo { order_id, lines, extra }
    JournalLine { account, amount, label, rule, extra }
}

macro_rules! variant {
    ($($variant:ident { $($case:ident),* })*) => {$(
        impl ToJson for $variant {
            fn to_json(&self) -> Json {
                match self {$(
                    Self::$case(value) => Json::object([(stringify!($case), value.to_json())]),
                )*}
            }
        }

        impl FromJson for $variant {
            fn from_json(json: &Json) -> Result<Self, JsonError> {
                $(
                    if *json.get(stringify!($case)) != Json::Null {
                        return FromJson::from_json(json.get(stringify!($case)))
                            .map(Self::$case)
                            .map_err(|error: JsonError| error.at(stringify!($case)));
                    }
                )*
                wanted(concat!("one of ", $(stringify!($case), " "),*), json)
            }
        }
    )*};
}

variant! {
    OrderOutcome { Invoice, Review, Skip }
    TransactionOutcome { Booking, Review, Skip }
    CreditMemoOutcome { CreditMemo, Review }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_and_writes_what_serde_json_does(json in any_json()) {
            let read = Json::parse(&json.to_string()).expect("it is JSON");
            let again: serde_json::Value = serde_json::from_str(&read.to_string()).expect("it is JSON");
            prop_assert_eq!(again, json);
        }

        #[test]
        fn whatever_stands_in_a_file_is_read_or_refused(text in any::<String>()) {
            let _read_or_refused = Json::parse(&text);
        }
    }

    #[test]
    fn what_is_no_whole_number_is_refused_with_its_line() {
        for text in ["{\n\"a\": 1.5}", "[\n1e3]", "[1,\n]", "{\n\"a\" 1}"] {
            let error = Json::parse(text).expect_err(text).to_string();
            assert!(error.starts_with("line 2: "), "{text}: {error}");
        }
        assert!(Json::parse(&"[".repeat(100)).is_err(), "a file must not exhaust the stack");
        assert_eq!(Json::parse(r#""\ud83d\ude00""#), Ok(Json::Text("\u{1f600}".to_owned())));
    }
}
