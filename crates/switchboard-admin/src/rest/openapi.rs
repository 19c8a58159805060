//! The description of the routes, in OpenAPI 3.1.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::rest::route::Route;

pub(super) fn describe(routes: &[Route]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for route in routes {
        let mut operation = json!({
            "operationId": id(route),
            "summary": route.summary,
            "x-switchboard-right": route.right.to_string(),
            "parameters": parameters(route),
            "responses": {
                route.success.as_str(): success(route, route.response.map(|of| of(&mut generator).into())),
                "default": {
                    "description": "What went wrong (RFC 9457).",
                    "content": { "application/problem+json": {
                        "schema": { "$ref": "#/components/schemas/Problem" },
                    } },
                },
            },
        });
        if let Some(schema) = route.request {
            let schema: Value = schema(&mut generator).into();
            operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        }
        let path = paths.entry(format!("/api/v1{}", route.path)).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Switchboard",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What is managed of a tenant: at the root of the default one, below \
                `/{endpoint_id}` of another.",
        },
        "servers": [
            { "url": "/" },
            { "url": "/{endpoint_id}", "variables": { "endpoint_id": { "default": "default" } } },
        ],
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// `getFunctionsName` for `GET /functions/{name}`.
fn id(route: &Route) -> String {
    let mut id = route.method.as_str().to_ascii_lowercase();
    for word in route.path.split(['/', '{', '}']).filter(|word| !word.is_empty()) {
        let (first, rest) = word.split_at(1);
        id.push_str(&first.to_ascii_uppercase());
        id.push_str(rest);
    }
    id
}

fn parameters(route: &Route) -> Vec<Value> {
    let of_path = route.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }),
        )
    });
    let of_query = route.query.iter().map(|parameter| {
        json!({
            "name": parameter.name,
            "in": "query",
            "description": parameter.about,
            "schema": { "type": "string" },
        })
    });
    let condition = route.has_versions.then(|| {
        let is_read = route.method == http::Method::GET;
        let (name, about) = if is_read {
            ("If-None-Match", "The `ETag` that is known already.")
        } else {
            ("If-Match", "The `ETag` of the version that is meant.")
        };
        json!({ "name": name, "in": "header", "description": about, "schema": { "type": "string" } })
    });
    of_path.chain(of_query).chain(condition).collect()
}

fn success(route: &Route, schema: Option<Value>) -> Value {
    let mut success = json!({ "description": route.summary });
    if let Some(schema) = schema {
        success["content"] = json!({ "application/json": { "schema": schema } });
    }
    if route.has_versions {
        success["headers"] = json!({ "ETag": { "schema": { "type": "string" } } });
    }
    success
}

fn problem() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": text, "title": text, "status": { "type": "integer" }, "detail": text,
            "code": text,
        },
    })
}
