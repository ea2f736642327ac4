//! The REST framework's rules for collections: `q`, paging, links and errors.

use serde_json::{Map, Value, json};

use crate::http::{Incoming, Reply};

/// A row of a collection: its attributes, and its key in URLs.
pub(super) struct Row {
    pub(super) key: String,
    pub(super) attributes: Map<String, Value>,
}

/// Default and largest page.
const LIMIT: usize = 25;
const LIMIT_MAX: usize = 500;

/// The framework version that the request asks for; 1 if it asks for none.
pub(super) fn version(request: &Incoming) -> u32 {
    request.header("rest-framework-version").and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// An id: a number before version 9, text from then on.
pub(super) fn id(request: &Incoming, id: u64) -> Value {
    if version(request) >= 9 { json!(id.to_string()) } else { json!(id) }
}

/// A refusal with Fusion's error details.
pub(super) fn refused(code: &str, path: &str, detail: &str) -> Reply {
    Reply::json(
        400,
        &json!({
            "title": "Bad Request", "status": "400",
            "o:errorDetails": [{ "detail": detail, "o:errorCode": code, "o:errorPath": path }],
        }),
    )
}

#[derive(Debug, PartialEq, Eq)]
enum Operator {
    Equals,
    Like,
}

/// Reads `q`: conditions joined by `;` in version 1, by `and` with quoted text from version 2 on.
fn conditions(request: &Incoming) -> Result<Vec<(String, Operator, String)>, String> {
    let Some(q) = request.parameter("q") else { return Ok(Vec::new()) };
    let separator = if version(request) == 1 { ";" } else { " and " };
    q.split(separator)
        .map(|condition| {
            let (attribute, operator, value) = match condition.split_once(" LIKE ") {
                Some((attribute, value)) => (attribute, Operator::Like, value),
                None => match condition.split_once('=') {
                    Some((attribute, value)) => (attribute, Operator::Equals, value),
                    None => return Err(format!("The query {condition} isn't valid.")),
                },
            };
            let value = value.trim();
            let plain = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(value);
            if plain.contains('\'') {
                return Err(format!("The query {condition} isn't valid."));
            }
            Ok((attribute.trim().to_owned(), operator, plain.to_owned()))
        })
        .collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn like(text: &str, pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.split(['%', '*']).collect();
    match parts.as_slice() {
        ["", middle, ""] => text.contains(middle),
        [start, ""] => text.starts_with(start),
        ["", end] => text.ends_with(end),
        _ => text == pattern,
    }
}

/// Answers a collection: filters, orders and cuts a page. `queryable` are the attributes that `q` may name; an unknown
/// one is refused without saying which.
pub(super) fn collection(request: &Incoming, path: &str, queryable: &[&str], rows: Vec<Row>) -> Reply {
    let conditions = match conditions(request) {
        Ok(conditions) => conditions,
        Err(words) => return Reply::text(400, words),
    };
    if conditions.iter().any(|(attribute, ..)| !queryable.contains(&attribute.as_str())) {
        return Reply::text(
            400,
            "URL request parameter q cannot be processed: an attribute isn't queryable.",
        );
    }
    let matches = |row: &Row| {
        conditions.iter().all(|(attribute, operator, value)| {
            let own = text(row.attributes.get(attribute).unwrap_or(&Value::Null));
            match operator {
                Operator::Equals => own == *value,
                Operator::Like => like(&own, value),
            }
        })
    };
    let mut rows: Vec<Row> = rows.into_iter().filter(matches).collect();
    if let Some(order) = request.parameter("orderBy") {
        rows.sort_by_key(|row| sort_key(row.attributes.get(order)));
    }
    let number =
        |name: &str, default: usize| request.parameter(name).map_or(Ok(default), str::parse::<usize>);
    let (Ok(limit), Ok(offset)) = (number("limit", LIMIT), number("offset", 0)) else {
        return Reply::text(400, "limit and offset are numbers.");
    };
    let limit = limit.clamp(1, LIMIT_MAX);
    let total = rows.len();
    let page: Vec<Row> = rows.into_iter().skip(offset).take(limit).collect();
    let has_more = offset + page.len() < total;
    let count = page.len();
    let links = request.parameter("onlyData") != Some("true");
    let items: Vec<Value> = page.into_iter().map(|row| item(path, row, links)).collect();
    let mut body =
        json!({ "items": items, "count": count, "hasMore": has_more, "limit": limit, "offset": offset });
    if request.parameter("totalResults") == Some("true") {
        body["totalResults"] = json!(total);
    }
    if links {
        body["links"] = json!([{ "rel": "self", "href": path, "name": path, "kind": "collection" }]);
    }
    Reply::json(200, &body)
}

fn sort_key(value: Option<&Value>) -> (u64, String) {
    let own = text(value.unwrap_or(&Value::Null));
    (own.parse().unwrap_or(0), own)
}

fn item(path: &str, row: Row, links: bool) -> Value {
    let mut attributes = row.attributes;
    if links {
        let href = format!("{path}/{}", row.key);
        attributes.insert(
            "links".to_owned(),
            json!([{ "rel": "self", "href": href, "name": path, "kind": "item" }]),
        );
    }
    Value::Object(attributes)
}

/// Children of an expanded item: a bare list before version 3, a page of their own from then on.
pub(super) fn expanded(request: &Incoming, children: Vec<Value>) -> Value {
    if version(request) < 3 {
        return Value::Array(children);
    }
    let total = children.len();
    let page: Vec<Value> = children.into_iter().take(LIMIT).collect();
    json!({ "count": page.len(), "hasMore": total > page.len(), "limit": LIMIT, "offset": 0, "items": page })
}
