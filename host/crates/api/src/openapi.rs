//! The OpenAPI document, made of the table of routes and the shapes that it names.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::problem::{PROBLEM_JSON, ProblemBody};
use crate::role::Need;
use crate::routes::{Body, Method, Operation, Param, ROUTES, Reply, Route};

/// Where shapes stand in the document.
const SHAPES: &str = "/components/schemas";

/// The whole document, OpenAPI 3.1. The same for every daemon of this version.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = SHAPES.into();
        settings.meta_schema = None;
    });
    let mut generator = SchemaGenerator::new(settings);
    let problem = generator.subschema_for::<ProblemBody>();
    let mut paths = Map::new();
    for route in ROUTES {
        let operation = operation(&mut generator, route);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation;
    }
    let shapes = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ml-connector", "version": env!("CARGO_PKG_VERSION"),
            "description": "What operators and other programs ask of a running daemon. host/docs/api.md is its page.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "schemas": shapes,
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer", "bearerFormat": "mlc_<id>_<secret>" } },
            "responses": {
                "Problem": {
                    "description": "A problem (RFC 9457) with a stable code",
                    "content": { PROBLEM_JSON: { "schema": problem } },
                },
            },
        },
    })
}

fn operation(generator: &mut SchemaGenerator, route: &Route) -> Value {
    let mut parameters: Vec<Value> = parts(route.path).map(|name| path_parameter(name, route)).collect();
    parameters.extend(route.query.iter().map(query_parameter));
    if route.is_repeatable() {
        parameters.push(header(
            "Idempotency-Key",
            "A name of the request's own: sent again, it is done once",
            200,
        ));
    }
    if route.operation == Operation::UploadMapper {
        parameters.push(header(
            "Mapper-Signature",
            "The author's signature over the component's digest",
            1_000,
        ));
    }
    let roles: Vec<&str> = route.need.roles().iter().map(|role| role.as_str()).collect();
    let mut operation = json!({
        "operationId": format!("{:?}", route.operation), "summary": route.summary,
        "parameters": parameters, "responses": responses(generator, route), "x-roles": roles,
    });
    if route.need == Need::Nothing {
        operation["security"] = json!([]);
        operation["x-roles"] = json!([]);
    }
    if let Some(body) = body(generator, route) {
        operation["requestBody"] = body;
    }
    operation
}

/// The parts of a path that vary.
pub(crate) fn parts(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str, route: &Route) -> Value {
    let schema = match (name, route.path.starts_with("/v1/review/")) {
        ("id", true) => json!({ "type": "integer", "format": "int64" }),
        _ => json!({ "type": "string", "minLength": 1 }),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

fn query_parameter(param: &Param) -> Value {
    let (kind, format) = param.kind;
    let mut schema = json!({ "type": kind });
    if let Some(format) = format {
        schema["format"] = format.into();
    }
    if param.name == "limit" {
        (schema["minimum"], schema["maximum"]) = (1.into(), 200.into());
    }
    json!({
        "name": param.name, "in": "query", "required": param.required, "description": param.about, "schema": schema,
    })
}

fn header(name: &str, about: &str, longest: u32) -> Value {
    let schema = json!({ "type": "string", "minLength": 1, "maxLength": longest, "pattern": "^[!-~]+$" });
    json!({ "name": name, "in": "header", "required": false, "description": about, "schema": schema })
}

fn body(generator: &mut SchemaGenerator, route: &Route) -> Option<Value> {
    let kind = route.body.media_type()?;
    let (schema, required) = match route.body {
        Body::Json(shape, optional) => (shape(generator).to_value(), !optional),
        Body::Csv => (json!({ "type": "string" }), true),
        Body::Wasm | Body::Nothing => (json!({ "type": "string", "format": "binary" }), true),
    };
    Some(json!({ "required": required, "content": { kind: { "schema": schema } } }))
}

fn responses(generator: &mut SchemaGenerator, route: &Route) -> Value {
    let (kind, schema) = match route.reply {
        Reply::Json(shape) => ("application/json", shape(generator).to_value()),
        Reply::Text => ("text/plain", json!({ "type": "string" })),
    };
    let content = json!({ kind: { "schema": schema } });
    let mut all = Map::new();
    all.insert(route.status.to_string(), json!({ "description": "As asked", "content": content.clone() }));
    for status in problems(route) {
        all.insert(status.to_string(), json!({ "$ref": "#/components/responses/Problem" }));
    }
    if matches!(route.operation, Operation::Health | Operation::Ready) {
        all.insert("503".to_owned(), json!({ "description": "It is not", "content": content }));
    }
    Value::Object(all)
}

/// The statuses of problems that a route can answer.
pub(crate) fn problems(route: &Route) -> Vec<u16> {
    let mut all = vec![400, 500, 503];
    if route.need != Need::Nothing {
        all.extend([401, 429]);
    }
    if !matches!(route.need, Need::Nothing | Need::Read) {
        all.push(403);
    }
    if route.path.contains('{') {
        all.push(404);
    }
    if route.operation == Operation::Review {
        all.push(409);
    }
    if matches!(route.operation, Operation::ResolveReview) {
        all.push(502);
    }
    if route.method != Method::Get {
        all.extend([409, 413, 422]);
    }
    if route.body.media_type().is_some() {
        all.push(415);
    }
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file is what clients are generated from: it is printed by `ml-connector openapi`.
    #[test]
    fn the_file_is_what_is_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let file: Value =
            serde_json::from_str(&std::fs::read_to_string(path).expect("the file")).expect("JSON");
        assert!(file == document(), "print it again: ml-connector openapi > host/docs/openapi.json");
    }

    #[test]
    fn every_route_stands_in_the_document_once_with_its_roles() {
        let document = document();
        let mut count = 0;
        for route in ROUTES {
            let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
            assert_eq!(operation["operationId"], format!("{:?}", route.operation), "{}", route.path);
            count += 1;
        }
        let all = document["paths"].as_object().expect("paths").values();
        assert_eq!(all.map(|path| path.as_object().expect("methods").len()).sum::<usize>(), count);
        let mut names: Vec<String> = ROUTES.iter().map(|route| format!("{:?}", route.operation)).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), ROUTES.len(), "an operation has one route");
    }
}
