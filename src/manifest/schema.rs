//! JSON Schemas of the files, for editors: generated from the table of keys that `validate` uses.

use serde_json::{Map, Value, json};

use super::spec::{Key, MART, PROJECT, Type, Word};

/// The schema of a mart's file.
pub fn mart() -> Value {
    document("datamart: a mart", MART)
}

/// The schema of `project.toml`.
pub fn project() -> Value {
    document("datamart: project.toml", PROJECT)
}

fn document(title: &str, keys: &'static [Key]) -> Value {
    let mut root = Map::new();
    root.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    root.insert("title".into(), title.into());
    root.extend(table(keys));
    root.into()
}

/// A table that has these keys and no others; keys that are not built yet are left out.
fn table(keys: &'static [Key]) -> Map<String, Value> {
    let supported = || keys.iter().filter(|k| !k.later);
    let properties: Map<String, Value> = supported()
        .map(|key| {
            let mut schema = Map::new();
            schema.insert("description".into(), key.doc.into());
            schema.extend(of(&key.kind));
            (key.name.to_owned(), schema.into())
        })
        .collect();
    let required: Vec<&str> = supported().filter(|k| k.required).map(|k| k.name).collect();
    let mut schema = object(json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    }));
    if !required.is_empty() {
        schema.insert("required".into(), json!(required));
    }
    schema
}

fn of(kind: &'static Type) -> Map<String, Value> {
    object(match kind {
        Type::Text | Type::Duration | Type::Milliseconds => json!({ "type": "string" }),
        Type::Size => json!({ "type": "string", "pattern": "^[0-9]+ *(kB|MB|GB|TB)$" }),
        Type::Bool => json!({ "type": "boolean" }),
        Type::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Type::Words(words) => json!({ "enum": texts(words) }),
        Type::BoolOrWords(words) => {
            let mut values: Vec<Value> = vec![true.into(), false.into()];
            values.extend(texts(words).into_iter().map(Value::from));
            json!({ "enum": values })
        }
        Type::List(inner) => json!({ "type": "array", "items": of(inner) }),
        Type::OneOf(types) => {
            json!({ "anyOf": types.iter().map(|t| of(t).into()).collect::<Vec<Value>>() })
        }
        Type::Table(keys) => table(keys).into(),
        Type::Tables(keys) => json!({ "type": "array", "items": table(keys) }),
        Type::Map(inner) => json!({ "type": "object", "additionalProperties": of(inner) }),
        Type::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Type::Any => json!({}),
    })
}

fn texts(words: &'static [Word]) -> Vec<&'static str> {
    words.iter().filter(|w| !w.later).map(|w| w.text).collect()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
