//! The OpenAPI document of the routes.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::routes::{ROUTES, Route, emoji};
use super::{Schemas, info, inline, object, of};
use crate::http::Failure;

/// The document that `/api-docs/openapi.json` shows.
pub fn openapi() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(build);
    &DOCUMENT
}

fn build() -> Value {
    let mut schemas = Schemas::default();
    let failure = of::<Failure>(&mut schemas);
    let mut paths: Map<String, Value> = Map::new();
    for route in &ROUTES {
        let (method, path) = route.name.split_once(' ').unwrap_or_default();
        let operation = operation(route, path, &failure, &mut schemas);
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[method.to_lowercase()] = operation;
    }
    for (path, summary, kind) in PLAIN {
        let answer = json!({"200": {"description": "It is so.", "content": {kind: {}}}});
        paths.insert(
            path.to_owned(),
            json!({"get": {"summary": summary, "security": [], "responses": answer}}),
        );
    }
    json!({
        "openapi": "3.1.0",
        "info": info("Parlance: REST"),
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.into_value(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    })
}

/// What is not under `/api`.
const PLAIN: [(&str, &str, &str); 7] = [
    ("/healthz", "The process is alive.", "application/json"),
    ("/readyz", "Storage answers.", "application/json"),
    (
        "/metrics",
        "Figures, as Prometheus reads them.",
        "text/plain",
    ),
    (
        "/api-docs",
        "This description, to read and to try.",
        "text/html",
    ),
    (
        "/api-docs/openapi.json",
        "This document.",
        "application/json",
    ),
    ("/chat-example.html", "The example page.", "text/html"),
    (
        "/socket.io/socket.io.js",
        "The official browser client.",
        "text/javascript",
    ),
];

fn operation(route: &Route, path: &str, failure: &Value, schemas: &mut Schemas) -> Value {
    let data = (route.data)(schemas);
    let success = json!({
        "type": "object",
        "properties": {"success": {"const": true}, "data": data},
        "required": ["success", "data"],
    });
    let mut responses = Map::new();
    for status in route.status {
        responses.insert(status.to_string(), answer("Done.", &success));
    }
    responses.insert("default".to_owned(), answer("Refused.", failure));
    let mut operation = json!({
        "summary": route.summary,
        "description": format!("Who may: {}.", route.who),
        "tags": [path.split('/').nth(2).unwrap_or_default()],
        "parameters": parameters(route, path),
        "responses": responses,
    });
    if route.who == "anybody" {
        operation["security"] = json!([]);
    }
    if !route.body.is_empty() {
        operation["requestBody"] = json!({
            "required": true,
            "content": {"application/json": {"schema": object(route.body)}},
        });
    }
    operation
}

fn answer(description: &str, schema: &Value) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

fn parameters(route: &Route, path: &str) -> Value {
    let of_path = path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        let schema = if name == "emoji" {
            emoji()
        } else {
            inline::<String>()
        };
        Some(json!({"name": name, "in": "path", "required": true, "schema": schema}))
    });
    let of_query = route.query.iter().map(|field| {
        let schema = (field.schema)();
        json!({"name": field.name, "in": "query", "required": field.required, "schema": schema})
    });
    of_path.chain(of_query).collect()
}
