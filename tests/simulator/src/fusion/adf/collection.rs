//! Collections, items and children of resources, and what describes them.

use serde_json::{Value, json};

use super::query::plain;
use super::shape::{Shape, href, item};
use super::{Call, Query, Resource, Row};
use crate::fusion::FusionState;
use crate::http::Reply;

/// Default and largest page.
const LIMIT: usize = 25;
const LIMIT_MAX: usize = 500;

fn not_found() -> Reply {
    Reply::text(404, "Not Found")
}

/// Answers a GET below a resource: `parts` is the path behind its name.
pub(in crate::fusion) fn get(call: &Call<'_>, state: &FusionState, of: &Resource, parts: &[&str]) -> Reply {
    let Some((key, rest)) = parts.split_first() else { return list(call, state, of) };
    let rows = (of.rows)(call, state, &Query::of_item(key));
    let Some(mut row) = rows.into_iter().find(|row| row.key == *key) else { return not_found() };
    let (mut path, mut rest) = (of.name.to_owned(), rest);
    let mut own = row.key.clone();
    loop {
        match rest {
            [] => return one(call, &path, row, 200),
            ["child", name, more @ ..] => {
                let Some(child) = row.children.into_iter().find(|child| child.name == *name) else {
                    return not_found();
                };
                let rows = (child.rows)();
                path = format!("{path}/{own}/child/{name}");
                let Some((key, more)) = more.split_first() else {
                    let known: Vec<String> =
                        rows.first().map(|row| row.attributes.keys().cloned().collect()).unwrap_or_default();
                    let known: Vec<&str> = known.iter().map(String::as_str).collect();
                    let known = (!rows.is_empty()).then_some(known);
                    return page(call, state.turn, &path, known.as_deref(), rows, parsed(call));
                };
                let Some(found) = rows.into_iter().find(|row| row.key == *key) else { return not_found() };
                own.clone_from(&found.key);
                (row, rest) = (found, more);
            }
            _ => return not_found(),
        }
    }
}

/// Answers with one item.
pub(in crate::fusion) fn one(call: &Call<'_>, path: &str, row: Row<'_>, status: u16) -> Reply {
    let shape = if status == 201 { Shape::whole() } else { Shape::of(call.request) };
    if shape.unknown(&row).is_some() {
        return Reply::text(400, "URL request parameter fields or expand cannot be processed.");
    }
    let links = call.request.parameter("onlyData") != Some("true");
    Reply::json(status, &item(call, path, row, &shape, links))
}

fn parsed(call: &Call<'_>) -> Result<Query, String> {
    Query::parse(call.request.parameter("q"), call.version)
}

fn list(call: &Call<'_>, state: &FusionState, of: &Resource) -> Reply {
    match parsed(call) {
        Err(words) => Reply::text(400, words),
        Ok(query) => {
            let rows = (of.rows)(call, state, &query);
            page(call, state.turn, of.name, Some(of.queryable), rows, Ok(query))
        }
    }
}

/// Filters, orders and cuts a page. An attribute that cannot be asked for is refused without saying which. Without
/// `orderBy` the rows come in another order each time.
fn page(
    call: &Call<'_>,
    turn: usize,
    path: &str,
    queryable: Option<&[&str]>,
    mut rows: Vec<Row<'_>>,
    query: Result<Query, String>,
) -> Reply {
    let query = match query {
        Ok(query) => query,
        Err(words) => return Reply::text(400, words),
    };
    if queryable.is_some_and(|known| query.attributes().iter().any(|name| !known.contains(name))) {
        return Reply::text(
            400,
            "URL request parameter q cannot be processed: an attribute isn't queryable.",
        );
    }
    let shape = Shape::of(call.request);
    if rows.first().is_some_and(|row| shape.unknown(row).is_some()) {
        return Reply::text(400, "URL request parameter fields or expand cannot be processed.");
    }
    rows.retain(|row| query.matches(&row.attributes));
    if let Err(reply) = ordered(call, turn, &mut rows) {
        return reply;
    }
    let number =
        |name: &str, default: usize| call.request.parameter(name).map_or(Ok(default), str::parse::<usize>);
    let (Ok(limit), Ok(offset)) = (number("limit", LIMIT), number("offset", 0)) else {
        return Reply::text(400, "limit and offset are numbers.");
    };
    let limit = limit.clamp(1, LIMIT_MAX);
    let total = rows.len();
    let links = call.request.parameter("onlyData") != Some("true");
    let wanted = rows.into_iter().skip(offset).take(limit);
    let items: Vec<Value> = wanted.map(|row| item(call, path, row, &shape, links)).collect();
    let mut body = json!({
        "count": items.len(), "hasMore": offset + items.len() < total, "limit": limit, "offset": offset,
        "items": items,
    });
    if call.request.parameter("totalResults") == Some("true") {
        body["totalResults"] = json!(total);
    }
    if links {
        let name = path.rsplit('/').next().unwrap_or_default();
        body["links"] =
            json!([{ "rel": "self", "href": href(call, path), "name": name, "kind": "collection" }]);
    }
    Reply::json(200, &body)
}

fn ordered(call: &Call<'_>, turn: usize, rows: &mut [Row<'_>]) -> Result<(), Reply> {
    let Some(order) = call.request.parameter("orderBy") else {
        if !rows.is_empty() {
            let by = turn % rows.len();
            rows.rotate_left(by);
        }
        return Ok(());
    };
    // The last key first: sorting is stable.
    for part in order.split(',').rev() {
        let (name, direction) = part.split_once(':').unwrap_or((part, "asc"));
        let known = rows.first().is_none_or(|row| row.attributes.contains_key(name));
        if !known || !matches!(direction, "asc" | "desc") {
            return Err(Reply::text(400, "URL request parameter orderBy cannot be processed."));
        }
        rows.sort_by(|a, b| {
            let order = key(a, name).partial_cmp(&key(b, name)).unwrap_or(std::cmp::Ordering::Equal);
            if direction == "desc" { order.reverse() } else { order }
        });
    }
    Ok(())
}

fn key(row: &Row<'_>, name: &str) -> (f64, String) {
    let own = row.attributes.get(name).map(plain).unwrap_or_default();
    (own.parse().unwrap_or(0.0), own)
}

/// Answers `{resource}/describe`: attributes, children and actions.
pub(in crate::fusion) fn describe(call: &Call<'_>, state: &FusionState, of: &Resource) -> Reply {
    let rows = (of.rows)(call, state, &Query::default());
    let names = rows
        .first()
        .map(|row| row.attributes.keys().cloned().collect())
        .unwrap_or_else(|| of.queryable.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>());
    let attributes: Vec<Value> = names
        .iter()
        .map(|name| json!({ "name": name, "queryable": of.queryable.contains(&name.as_str()) }))
        .collect();
    let children: serde_json::Map<String, Value> = rows
        .first()
        .iter()
        .flat_map(|row| &row.children)
        .map(|child| {
            (child.name.to_owned(), json!({ "$ref": href(call, &format!("{}/describe", child.name)) }))
        })
        .collect();
    let mut actions = vec![json!({ "name": "get", "method": "GET" })];
    actions.extend((of.actions)(state).iter().map(|name| json!({ "name": name, "method": "POST" })));
    let body = json!({ "Resources": { of.name: {
        "attributes": attributes, "children": children,
        "collection": { "actions": [{ "name": "get", "method": "GET" }] },
        "item": { "actions": actions },
    }}});
    Reply::json(200, &body)
}
