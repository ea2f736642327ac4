//! What of an item is shown: `fields`, `expand` and links.

use serde_json::{Value, json};

use super::{Call, Row};
use crate::http::Incoming;

/// Default page of a child collection.
const LIMIT: usize = 25;

/// Which attributes and children of an item are shown.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// All of them if there is no list.
    attributes: Option<Vec<String>>,
    children: Vec<(String, Shape)>,
    /// Every child, one level deep.
    all: bool,
}

impl Shape {
    /// An item with everything, as a POST answers.
    pub(super) fn whole() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// Reads the parameters; `fields` beats `expand`.
    pub(super) fn of(request: &Incoming) -> Self {
        let mut shape = Self::default();
        if let Some(fields) = request.parameter("fields") {
            shape.attributes = Some(Vec::new());
            for part in fields.split(';').filter(|part| !part.is_empty()) {
                match part.split_once(':') {
                    None => shape.attributes = Some(names(part)),
                    Some((path, attributes)) => shape.at(path).attributes = Some(names(attributes)),
                }
            }
        } else if let Some(expand) = request.parameter("expand") {
            for path in expand.split(',').map(str::trim).filter(|path| !path.is_empty()) {
                match path {
                    "all" => shape.all = true,
                    _ => _ = shape.at(path),
                }
            }
        }
        shape
    }

    fn at(&mut self, path: &str) -> &mut Self {
        path.split('.').fold(self, |shape, name| {
            let at = shape.children.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                shape.children.push((name.to_owned(), Self::default()));
                shape.children.len() - 1
            });
            &mut shape.children[at].1
        })
    }

    /// The first name that a row does not have.
    pub(super) fn unknown(&self, row: &Row<'_>) -> Option<&str> {
        let attribute = self.attributes.iter().flatten().find(|name| !row.attributes.contains_key(*name));
        let child = || {
            let known = |name: &str| row.children.iter().any(|child| child.name == name);
            self.children.iter().map(|(name, _)| name).find(|name| !known(name))
        };
        attribute.or_else(child).map(String::as_str)
    }
}

fn names(text: &str) -> Vec<String> {
    text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Where an address of the instance begins.
pub(super) fn href(call: &Call<'_>, path: &str) -> String {
    let host = call.request.header("host").unwrap_or("fusion");
    format!("http://{host}/fscmRestApi/resources/11.13.18.05/{path}")
}

/// An item as JSON; `path` is its collection's.
pub(super) fn item(call: &Call<'_>, path: &str, row: Row<'_>, shape: &Shape, links: bool) -> Value {
    let Row { key, mut attributes, children } = row;
    if let Some(wanted) = &shape.attributes {
        attributes.retain(|name, _| wanted.contains(name));
    }
    let own = format!("{path}/{key}");
    for child in &children {
        let wanted = shape.children.iter().find(|(name, _)| name == child.name).map(|(_, shape)| shape);
        let default = Shape::default();
        let Some(shape) = wanted.or(shape.all.then_some(&default)) else { continue };
        let place = format!("{own}/child/{}", child.name);
        let rows = (child.rows)();
        let total = rows.len();
        let limit = if call.version < 3 { usize::MAX } else { LIMIT };
        let items: Vec<Value> =
            rows.into_iter().take(limit).map(|row| item(call, &place, row, shape, links)).collect();
        // Bare lists before version 3, pages of their own from then on.
        let value = if call.version < 3 {
            Value::Array(items)
        } else {
            json!({
                "count": items.len(), "hasMore": total > items.len(), "limit": LIMIT, "offset": 0, "items": items,
            })
        };
        attributes.insert(child.name.to_owned(), value);
    }
    if links {
        let name = path.rsplit('/').next().unwrap_or_default();
        let mut all = vec![
            json!({ "rel": "self", "href": href(call, &own), "name": name, "kind": "item" }),
            json!({ "rel": "canonical", "href": href(call, &own), "name": name, "kind": "item" }),
        ];
        all.extend(children.iter().map(|child| {
            let place = href(call, &format!("{own}/child/{}", child.name));
            json!({ "rel": "child", "href": place, "name": child.name, "kind": "collection" })
        }));
        attributes.insert("links".to_owned(), Value::Array(all));
    }
    Value::Object(attributes)
}
