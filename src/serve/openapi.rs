//! The description of the API, made from the table that it is routed by.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::ask::Answer;
use super::operation::{Access, Content, Kind, Operation, Parameter};
use super::problem::Problem;
use super::table::OPERATIONS;

const SCHEMAS: &str = include_str!("schemas.json");

/// The problems that may come of any request, but for what watches the process.
const ALWAYS: [u16; 3] = [400, 403, 503];

/// `GET /api/v1/openapi.json`.
pub(super) fn answer() -> Result<Answer, Problem> {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| description().to_string());
    Ok(Answer::text("application/json", text.as_str()).tagged(""))
}

/// The whole description.
fn description() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.verb.word()] = of(operation);
    }
    // A file of ours, which a test reads.
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "datamart",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The marts of one project: their state, their rows, their runs, the plan and the schedule. \
                            Every answer that is a problem is an RFC 9457 document.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "on loopback only what changes something needs it" },
                "signature": { "type": "apiKey", "in": "header", "name": "X-Hub-Signature-256" },
            },
        },
    })
}

fn of(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.about,
        "parameters": operation.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "responses": responses(operation),
        "security": match operation.access {
            Access::Open => json!([]),
            Access::Read => json!([{}, { "bearer": [] }]),
            Access::Change => json!([{ "bearer": [] }]),
            Access::Signed => json!([{ "signature": [] }]),
        },
    });
    if operation.filters {
        let columns = json!({
            "name": "filters", "in": "query", "required": false, "style": "form", "explode": true,
            "description": "by the name of a column: operator.value",
            "schema": { "type": "object", "additionalProperties": { "type": ["string", "array"], "items": { "type": "string" } } },
        });
        described["parameters"].as_array_mut().into_iter().for_each(|all| all.push(columns.clone()));
    }
    if let Some(schema) = operation.body {
        let content = if schema == "Anything" { "*/*" } else { "application/json" };
        described["requestBody"] = json!({
            "required": operation.needs_body,
            "content": { content: { "schema": reference(schema) } },
        });
    }
    described
}

fn parameter(parameter: &Parameter) -> Value {
    let schema = match parameter.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Whole { min, max } => json!({ "type": "integer", "format": "int64", "minimum": min, "maximum": max }),
        Kind::Flag => json!({ "type": "boolean", "default": false }),
    };
    json!({
        "name": parameter.name,
        "in": if parameter.in_path { "path" } else { "query" },
        "required": parameter.in_path,
        "description": parameter.about,
        "schema": schema,
    })
}

fn responses(operation: &Operation) -> Value {
    let mut responses: Map<String, Value> = Map::new();
    for reply in operation.replies {
        let content = match reply.content {
            Content::Json(schema) => json!({ "application/json": { "schema": reference(schema) } }),
            Content::Text(media) => json!({ media: { "schema": { "type": "string" } } }),
        };
        let mut response = json!({ "description": reply.about, "content": content });
        if operation.problems.contains(&304) {
            let tag = json!({ "description": "changes with what is told", "schema": { "type": "string" } });
            response["headers"] = json!({ "ETag": tag });
        }
        responses.insert(reply.status.to_string(), response);
    }
    let sends: &[u16] = if operation.body.is_some() { &[408, 413, 415] } else { &[] };
    let secret: &[u16] = if operation.access == Access::Open { &[] } else { &[401] };
    for status in operation.problems.iter().chain(&ALWAYS).chain(sends).chain(secret) {
        responses.entry(status.to_string()).or_insert_with(|| match status {
            304 => json!({ "description": "as If-None-Match has it" }),
            _ => json!({
                "description": about(*status),
                "content": { "application/problem+json": { "schema": reference("Problem") } },
            }),
        });
    }
    responses.sort_keys();
    responses.into()
}

fn about(status: u16) -> &'static str {
    match status {
        400 => "it cannot be understood",
        401 => "a token or a signature is needed",
        403 => "it may not be done",
        404 => "there is no such thing",
        408 => "it was not sent in time",
        409 => "things stand in the way: it runs already, it is over, it is not applied yet",
        413 => "it is too long",
        415 => "it is not JSON",
        503 => "not now: the database is out of reach, or too much is asked at once",
        504 => "it took too long",
        _ => "a problem",
    }
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

#[cfg(test)]
mod tests {
    use super::super::operation::Verb;
    use super::*;

    /// Every reference of a description.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(array) => array.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_schema_is_there_and_used() {
        let description = description();
        let mut found = Vec::new();
        references(&description, &mut found);
        let schemas = description["components"]["schemas"].as_object().unwrap();
        assert!(schemas.len() > 10);
        for reference in &found {
            let name = reference.rsplit('/').next().unwrap();
            assert!(schemas.contains_key(name), "{reference}");
        }
        for name in schemas.keys() {
            assert!(found.iter().any(|reference| reference.ends_with(&format!("/{name}"))), "{name} is used nowhere");
        }
    }

    #[test]
    fn every_part_of_a_path_is_a_parameter() {
        for operation in OPERATIONS {
            let parts = operation
                .path
                .split('/')
                .filter(|part| part.starts_with('{'))
                .map(|part| part.trim_matches(['{', '}']));
            let named: Vec<&str> = operation.parameters.iter().filter(|p| p.in_path).map(|p| p.name).collect();
            assert_eq!(parts.collect::<Vec<_>>(), named, "{}", operation.path);
            let reads = matches!(operation.access, Access::Open | Access::Read);
            assert_eq!(operation.verb == Verb::Get, reads, "{}", operation.path);
        }
    }
}
