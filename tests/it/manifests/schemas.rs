//! The schemas for editors say what validation does.

use std::collections::BTreeSet;
use std::path::Path;

use datamart::manifest::{render, schema};
use serde_json::{Map, Value, json};

use super::{LAGGING, MARTS, PROJECT, SAMPLE, SQL, files_of, told};
use crate::support::folder::Folder;

const NAMES: [&str; 8] = [
    "everything.toml",
    "plain.toml",
    "lagging.toml",
    "smart.toml",
    "triggered.toml",
    "by_range.toml",
    "by_list.toml",
    "by_hash.toml",
];

#[test]
fn they_know_every_key_and_no_other() {
    let (mart, project) = (schema::mart(), schema::project());
    for (name, text) in files_of(Path::new(SAMPLE)) {
        let schema = if name == "project.toml" { &project } else { &mart };
        fits(schema, &json_of(&text), &name, &mut BTreeSet::new()).expect("it fits");
    }
    let mut used = BTreeSet::new();
    let mut files = vec![SQL, ("project.toml", PROJECT)];
    for (name, text) in NAMES.into_iter().zip(MARTS) {
        fits(&mart, &json_of(text), "mart", &mut used).expect("it fits");
        files.push((name, text));
    }
    for text in [PROJECT, LAGGING] {
        fits(&project, &json_of(text), "project", &mut used).expect("it fits");
    }
    let mut known = BTreeSet::new();
    properties(&mart, "mart", &mut known);
    properties(&project, "project", &mut known);
    assert_eq!(known.difference(&used).collect::<Vec<_>>(), Vec::<&String>::new(), "not in the fixture");
    // What the schemas let pass, validation does.
    for folder in [Folder::of(&files), Folder::of(&[("project.toml", LAGGING)])] {
        let (usable, problems) = told(folder.path());
        assert!(usable, "{}", render(&problems, false));
    }
    // What is not built yet is not offered.
    assert!(!known.contains("mart.timescale"));
}

#[test]
fn they_refuse_what_validation_refuses() {
    let (mart, project) = (schema::mart(), schema::project());
    let mut tried = 0;
    let fixtures = MARTS.iter().map(|text| (&mart, "m.toml", *text)).chain([(&project, "project.toml", PROJECT)]);
    for (schema, name, text) in fixtures {
        let whole = json_of(text);
        let mut places = Vec::new();
        each_value(&whole, &mut Vec::new(), &mut places);
        for path in places {
            // A key that nobody knows in every table, and a value that fits nowhere in every place.
            for (key, wrong) in [(Some("nonsense"), json!(1)), (None, json!([[]]))] {
                let mut changed = whole.clone();
                let place = path.iter().try_fold(&mut changed, |value, key| match value {
                    Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
                    other => other.get_mut(key),
                });
                match (key, place.expect("a place")) {
                    (None, place) => *place = wrong,
                    (Some(key), Value::Object(table)) => drop(table.insert(key.to_owned(), wrong)),
                    _ => continue,
                }
                if !changed.is_object() {
                    continue;
                }
                let other = ("plain.toml", "type = \"view\"\nquery = \"SELECT 1 AS a\"");
                let text = toml_of(&changed);
                let (usable, problems) = told(Folder::of(&[SQL, other, (name, &text)]).path());
                let fits = fits(schema, &changed, name, &mut BTreeSet::new());
                assert_eq!(fits.is_ok(), usable, "{path:?} {key:?}: {fits:?}\n{}\n{text}", render(&problems, false));
                tried += 1;
            }
        }
    }
    assert!(tried > 150, "{tried}");
}

fn json_of(text: &str) -> Value {
    let table: toml::Table = text.parse().expect("TOML");
    serde_json::to_value(table).expect("JSON")
}

/// As much of JSON Schema as our schemas use; `used` collects the properties met, dotted.
fn fits(schema: &Value, value: &Value, at: &str, used: &mut BTreeSet<String>) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{at}: {what}: {value}"));
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{at}: the schema has a type {other}"),
    };
    if !types.is_empty() && !types.iter().any(|kind| is(kind)) {
        return wrong("type");
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return wrong("enum");
    }
    if schema.get("const").is_some_and(|constant| constant != value) {
        return wrong("const");
    }
    let beyond = |key: &str, past: fn(i64, i64) -> bool| match (value.as_i64(), schema[key].as_i64()) {
        (Some(value), Some(bound)) => past(value, bound),
        _ => false,
    };
    if beyond("minimum", |v, b| v < b) || beyond("maximum", |v, b| v > b) {
        return wrong("bounds");
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        let pattern = regex::Regex::new(pattern).expect("a pattern");
        if !value.as_str().is_some_and(|text| pattern.is_match(text)) {
            return wrong("pattern");
        }
    }
    if let Some(several) = schema["anyOf"].as_array() {
        let tried: Vec<_> = several.iter().map(|one| fits(one, value, at, used)).collect();
        if tried.iter().all(Result::is_err) {
            return wrong("anyOf");
        }
    }
    if let Some(items) = schema.get("items") {
        for item in value.as_array().into_iter().flatten() {
            fits(items, item, &format!("{at}[]"), used)?;
        }
    }
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(required).is_none() {
            return wrong(&format!("{required} is missing"));
        }
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let below = format!("{at}.{key}");
        match (schema["properties"].get(key), schema.get("additionalProperties")) {
            (Some(known), _) => {
                used.insert(below.clone());
                fits(known, inner, &below, used)?;
            }
            (None, Some(Value::Bool(false))) => return wrong(&format!("{key} is unknown")),
            (None, Some(other)) => fits(other, inner, &format!("{at}.*"), used)?,
            (None, None) => {}
        }
    }
    Ok(())
}

/// Every property of a schema, named as `fits` names them.
fn properties(schema: &Value, at: &str, out: &mut BTreeSet<String>) {
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        out.insert(format!("{at}.{key}"));
        properties(inner, &format!("{at}.{key}"), out);
    }
    for one in schema["anyOf"].as_array().into_iter().flatten() {
        properties(one, at, out);
    }
    for (key, below) in [("items", "[]"), ("additionalProperties", ".*")] {
        if let Some(inner) = schema.get(key).filter(|inner| inner.is_object()) {
            properties(inner, &format!("{at}{below}"), out);
        }
    }
}

/// The path of every value, the whole included.
fn each_value(value: &Value, path: &mut Vec<String>, out: &mut Vec<Vec<String>>) {
    out.push(path.clone());
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(table) => table.iter().map(|(key, inner)| (key.clone(), inner)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(i, inner)| (i.to_string(), inner)).collect(),
        _ => return,
    };
    for (key, inner) in inner {
        path.push(key);
        each_value(inner, path, out);
        path.pop();
    }
}

/// A file, every value on the line of its key.
fn toml_of(root: &Value) -> String {
    fn inline(value: &Value) -> String {
        match value {
            Value::Object(table) => format!("{{ {} }}", pairs(table).join(", ")),
            Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
            other => other.to_string(),
        }
    }
    fn pairs(table: &Map<String, Value>) -> Vec<String> {
        table.iter().map(|(key, value)| format!("{} = {}", Value::from(key.as_str()), inline(value))).collect()
    }
    pairs(root.as_object().expect("a table")).join("\n")
}
