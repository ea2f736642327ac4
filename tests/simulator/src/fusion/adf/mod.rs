//! The REST framework's rules: versions, ids, errors, `q`, collections and their shape.

mod collection;
mod query;
mod shape;

use serde_json::{Map, Value, json};

pub(super) use collection::{describe, get, one};
pub(super) use query::Query;

use super::{FusionState, access::Privilege};
use crate::World;
use crate::http::{Incoming, Reply};

/// A request with what follows from its headers.
pub(super) struct Call<'a> {
    pub(super) world: &'a World,
    pub(super) request: &'a Incoming,
    /// The framework version that it asks for; 1 if it asks for none.
    pub(super) version: u32,
}

/// A row of a collection: its attributes, its key in URLs, and its children.
pub(super) struct Row<'a> {
    pub(super) key: String,
    pub(super) attributes: Map<String, Value>,
    pub(super) children: Vec<Child<'a>>,
}

/// The rows of a child, laid out only when they are wanted.
pub(super) type ChildRows<'a> = Box<dyn Fn() -> Vec<Row<'a>> + 'a>;

/// A child collection.
pub(super) struct Child<'a> {
    pub(super) name: &'static str,
    pub(super) rows: ChildRows<'a>,
}

/// A resource of the instance.
pub(super) struct Resource {
    pub(super) name: &'static str,
    pub(super) privilege: Privilege,
    /// The attributes that `q` may name.
    pub(super) queryable: &'static [&'static str],
    /// Actions of an item that `describe` offers.
    pub(super) actions: fn(&FusionState) -> &'static [&'static str],
    pub(super) rows: for<'a> fn(&'a Call<'a>, &'a FusionState, &Query) -> Vec<Row<'a>>,
}

/// A refusal: code, attribute, words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) path: String,
    pub(super) words: String,
}

/// Makes a refusal.
pub(super) fn refusal(code: &'static str, path: &str, words: impl Into<String>) -> Refusal {
    Refusal { code, path: path.to_owned(), words: words.into() }
}

impl<'a> Call<'a> {
    /// Reads the headers.
    ///
    /// # Errors
    /// A framework version that does not exist.
    pub(super) fn new(world: &'a World, request: &'a Incoming) -> Result<Self, Reply> {
        let version = match request.header("rest-framework-version") {
            None => Some(1),
            Some(text) => text.parse().ok().filter(|version| (1..=9).contains(version)),
        };
        let words = "The REST framework version isn't supported.";
        version.map(|version| Self { world, request, version }).ok_or_else(|| Reply::text(400, words))
    }

    /// An id: a number before version 9, text from then on.
    pub(super) fn id(&self, id: u64) -> Value {
        if self.version >= 9 { json!(id.to_string()) } else { json!(id) }
    }

    /// An id that the scenario keeps as text.
    pub(super) fn id_of(&self, id: &str) -> Value {
        id.parse().map_or_else(|_| json!(id), |id| self.id(id))
    }

    /// The body as an object.
    ///
    /// # Errors
    /// The media type or the body is no JSON object.
    pub(super) fn body(&self) -> Result<Map<String, Value>, Reply> {
        if !self.request.header("content-type").unwrap_or_default().contains("json") {
            return Err(Reply::text(415, "Unsupported Media Type"));
        }
        serde_json::from_slice(&self.request.body)
            .map_err(|error| Reply::text(400, format!("The payload isn't valid: {error}")))
    }

    /// Answers a refusal: plain words before version 4, details from then on.
    pub(super) fn refused(&self, Refusal { code, path, words }: &Refusal) -> Reply {
        if self.version < 4 {
            return Reply::text(400, format!("{words} ({code})"));
        }
        let details = json!({ "detail": words, "o:errorCode": code, "o:errorPath": format!("/{path}") });
        let body = json!({ "title": "Bad Request", "status": "400", "o:errorDetails": [details] });
        Reply::Answer {
            status: 400,
            headers: vec![("content-type", "application/vnd.oracle.adf.error+json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }
}

impl Row<'_> {
    /// A row without children.
    pub(super) fn new(key: impl Into<String>, attributes: Value) -> Self {
        let attributes = if let Value::Object(attributes) = attributes { attributes } else { Map::new() };
        Self { key: key.into(), attributes, children: Vec::new() }
    }
}

/// A date-time as Fusion writes it.
pub(super) fn time(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string())
}

/// What an attribute of a payload may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    /// Text of so many characters at most.
    Text(usize),
    /// A number, or the text of one.
    Number,
    /// `YYYY-MM-DD`.
    Date,
    /// Children.
    List,
}

/// Checks a payload against a table of what its attributes may hold; null is nothing.
///
/// # Errors
/// The first attribute that is unknown or does not fit.
pub(super) fn well_formed(body: &Map<String, Value>, table: &[(&str, Is)]) -> Result<(), Refusal> {
    for (name, value) in body {
        let Some((_, is)) = table.iter().find(|(known, _)| known == name) else {
            return Err(refusal("27012", name, format!("Invalid attribute \"{name}\" in the payload")));
        };
        if value.is_null() {
            continue;
        }
        let wrong = || refusal("27018", name, format!("The value of the attribute {name} isn't valid."));
        match (is, value) {
            (Is::Text(longest), Value::String(text)) if text.chars().count() > *longest => {
                let words = format!("Attribute {name} has more than {longest} characters.");
                return Err(refusal("27040", name, words));
            }
            (Is::Text(_), Value::String(_))
            | (Is::Number, Value::Number(_))
            | (Is::List, Value::Array(_)) => {}
            (Is::Number, Value::String(text)) if text.parse::<f64>().is_ok() => {}
            (Is::Date, Value::String(text))
                if text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok() => {}
            _ => return Err(wrong()),
        }
    }
    Ok(())
}

/// The text of an attribute; `None` if it is absent, null or empty.
pub(super) fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The text of an attribute that must be there.
///
/// # Errors
/// It is not.
pub(super) fn required<'a>(body: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refusal> {
    text(body, name).ok_or_else(|| refusal("27014", name, format!("Attribute {name} is required.")))
}

/// The children of a name, as objects.
pub(super) fn children<'a>(
    body: &'a Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'a Map<String, Value>> {
    body.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}
