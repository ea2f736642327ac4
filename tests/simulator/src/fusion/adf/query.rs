//! The `q` parameter: conditions joined by `;` in version 1, row-match expressions with quoted text from version 2 on.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::{Map, Value};

/// What a collection is asked for.
#[derive(Debug, Default)]
pub(in crate::fusion) struct Query {
    /// The item that the path names.
    pub(in crate::fusion) key: Option<String>,
    condition: Option<Condition>,
}

#[derive(Debug)]
enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Is { attribute: String, operator: Operator, value: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Greater,
    NotLess,
    Less,
    NotGreater,
    Like,
    Null,
    NotNull,
}

/// Longest signs first: `>=` begins with `>`.
const SIGNS: [(&str, Operator); 10] = [
    (">=", Operator::NotLess),
    ("<=", Operator::NotGreater),
    ("!=", Operator::Unequal),
    ("<>", Operator::Unequal),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("LIKE ", Operator::Like),
    ("IS NOT NULL", Operator::NotNull),
    ("IS NULL", Operator::Null),
];

impl Query {
    /// A query for one item.
    pub(in crate::fusion) fn of_item(key: &str) -> Self {
        Self { key: Some(key.to_owned()), condition: None }
    }

    /// Reads `q`.
    ///
    /// # Errors
    /// It is not understood.
    pub(super) fn parse(q: Option<&str>, version: u32) -> Result<Self, String> {
        let Some(q) = q.filter(|q| !q.trim().is_empty()) else { return Ok(Self::default()) };
        let condition = if version == 1 {
            Condition::All(q.split(';').map(|part| single(part, false)).collect::<Result<_, _>>()?)
        } else {
            expression(q)?
        };
        Ok(Self { key: None, condition: Some(condition) })
    }

    /// Every attribute that is named.
    pub(super) fn attributes(&self) -> Vec<&str> {
        let mut found = Vec::new();
        let mut open: Vec<&Condition> = self.condition.iter().collect();
        while let Some(condition) = open.pop() {
            match condition {
                Condition::All(all) | Condition::Any(all) => open.extend(all),
                Condition::Is { attribute, .. } => found.push(attribute.as_str()),
            }
        }
        found
    }

    /// The value that an attribute must have in every row of the answer, if the query says so.
    pub(in crate::fusion) fn equal(&self, name: &str) -> Option<&str> {
        let conditions = match self.condition.as_ref()? {
            Condition::All(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        conditions.iter().find_map(|condition| match condition {
            Condition::Is { attribute, operator: Operator::Equal, value } if attribute == name => {
                Some(value.as_str())
            }
            _ => None,
        })
    }

    /// Whether a row is wanted.
    pub(super) fn matches(&self, row: &Map<String, Value>) -> bool {
        self.condition.as_ref().is_none_or(|condition| holds(condition, row))
    }
}

fn holds(condition: &Condition, row: &Map<String, Value>) -> bool {
    match condition {
        Condition::All(all) => all.iter().all(|one| holds(one, row)),
        Condition::Any(any) => any.iter().any(|one| holds(one, row)),
        Condition::Is { attribute, operator, value } => {
            let own = row.get(attribute).unwrap_or(&Value::Null);
            match operator {
                Operator::Null => own.is_null(),
                Operator::NotNull => !own.is_null(),
                _ if own.is_null() => false,
                Operator::Like => like(&plain(own), value),
                Operator::Equal => compare(own, value) == Ordering::Equal,
                Operator::Unequal => compare(own, value) != Ordering::Equal,
                Operator::Greater => compare(own, value) == Ordering::Greater,
                Operator::NotLess => compare(own, value) != Ordering::Less,
                Operator::Less => compare(own, value) == Ordering::Less,
                Operator::NotGreater => compare(own, value) != Ordering::Greater,
            }
        }
    }
}

/// A value as text; null is nothing.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A date-time with an offset, or `YYYY-MM-DD HH:MM:SS` in UTC.
fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        civil.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

fn compare(own: &Value, value: &str) -> Ordering {
    let text = plain(own);
    if text == value {
        return Ordering::Equal;
    }
    if let (Ok(own), Ok(value)) = (text.parse::<f64>(), value.parse::<f64>()) {
        return own.total_cmp(&value);
    }
    match (text.len() > 10).then(|| instant(&text)).flatten().zip(instant(value)) {
        Some((own, value)) => own.cmp(&value),
        None => text.as_str().cmp(value),
    }
}

/// `%` and `*` stand for anything.
fn like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split(['%', '*']);
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    let after = middle.iter().try_fold(rest, |rest, part| rest.find(part).map(|at| &rest[at + part.len()..]));
    after.is_some_and(|rest| rest.ends_with(last))
}

fn misunderstood(text: &str) -> String {
    format!("The query {text} isn't valid.")
}

/// An expression of version 2 and later.
fn expression(text: &str) -> Result<Condition, String> {
    let text = text.trim();
    for (word, all) in [(" or ", false), (" and ", true)] {
        let parts = split(text, word);
        if parts.len() > 1 {
            let parts = parts.into_iter().map(expression).collect::<Result<_, _>>()?;
            return Ok(if all { Condition::All(parts) } else { Condition::Any(parts) });
        }
    }
    match text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => expression(inner),
        None => single(text, true),
    }
}

/// Splits at a word outside of quotes and parentheses.
fn split<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let (mut parts, mut from, mut depth, mut quoted) = (Vec::new(), 0, 0_i32, false);
    for (at, character) in text.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            ' ' if !quoted && depth == 0 && at >= from => {
                let here = text.get(at..at + word.len()).unwrap_or_default();
                if here.eq_ignore_ascii_case(word) {
                    parts.push(&text[from..at]);
                    from = at + word.len();
                }
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

fn single(text: &str, quotes: bool) -> Result<Condition, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (attribute, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let sign = SIGNS
        .iter()
        .find(|(sign, _)| rest.get(..sign.len()).is_some_and(|start| start.eq_ignore_ascii_case(sign)));
    let Some((sign, operator)) = sign.filter(|_| !attribute.is_empty()) else {
        return Err(misunderstood(text));
    };
    let value = rest[sign.len()..].trim();
    let known = |value: &str| Condition::Is {
        attribute: attribute.to_owned(),
        operator: *operator,
        value: value.to_owned(),
    };
    if matches!(operator, Operator::Null | Operator::NotNull) {
        return if value.is_empty() { Ok(known("")) } else { Err(misunderstood(text)) };
    }
    let inner = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    match inner {
        Some(inner) if !inner.contains('\'') => Ok(known(inner)),
        // Only numbers stand without quotes in an expression.
        None if !value.contains('\'') && !value.is_empty() && (!quotes || value.parse::<f64>().is_ok()) => {
            Ok(known(value))
        }
        _ => Err(misunderstood(text)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_are_read_as_the_version_says() {
        let row = json!({
            "Name": "US Ledger 1", "Id": 300, "At": "2026-09-01T10:00:00.500+00:00", "Date": "2026-09-01", "None": null,
        });
        let row = row.as_object().expect("an object");
        let rows = [
            (1, "Name=US Ledger 1;Id=300", Some(true)),
            (1, "Name=US Ledger 1;Id=301", Some(false)),
            (1, "At>2026-09-01 10:00:00", Some(true)),
            (1, "Date>=2026-09-02", Some(false)),
            (2, "Name='US Ledger 1' and Id=300", Some(true)),
            (2, "(Id>=100 and Id<=200) or Name!='x'", Some(true)),
            (2, "Name LIKE '%Ledger%'", Some(true)),
            (2, "Name LIKE 'US*2'", Some(false)),
            (4, "At>='2026-09-01 10:00:00' and At<'2026-09-01 10:00:01'", Some(true)),
            (4, "At>'2026-09-01T10:00:00.500+00:00'", Some(false)),
            (4, "None IS NULL and Id is not null", Some(true)),
            (4, "Name=US Ledger 1", None),
            (4, "Name='US Ledger 1' or '1'='1'", None),
            (4, "Name", None),
            (4, "=1", None),
        ];
        for (version, q, wanted) in rows {
            let found = Query::parse(Some(q), version).ok().map(|query| query.matches(row));
            assert_eq!(found, wanted, "version {version}: {q}");
        }
    }
}
