//! The API, driven from its own description: whatever is sent, what comes back is what is described.

use std::collections::{BTreeMap, BTreeSet};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::rig::{Reply, Rig, SECRET, TOKEN};
use crate::support::database::run;

/// Calls of each operation with what it may be sent, and with what it may not.
const CALLS: usize = 15;

/// What stands in a path, a parameter or a body, and should not.
const HOSTILE: &[&str] = &[
    "'; DROP TABLE orders; --",
    "\" OR \"1\"=\"1",
    "\\",
    "%",
    "%s%n%x",
    "../../etc/passwd",
    "\u{0}",
    "a\u{0}b",
    "\u{feff}",
    "\u{202e}evil",
    "🐘🐘🐘",
    "e\u{301}",
    "99999999999999999999999999",
    "-1",
    "1e308",
    "NaN",
    "0x10",
    "null",
    "true",
    "",
    " ",
    "*",
    "?",
    "+",
    "sales+",
    "(",
    "tag:",
    "state:nothing",
    "\"unclosed",
    "{\"$gt\": 1}",
    "<script>alert(1)</script>",
    "\r\nx-injected: 1",
    "eq.1",
    "in.(",
    "pg_sleep(10)",
    "$1",
    "ctid",
];

/// The same numbers every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("a number") % limit
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn hostile(&mut self) -> String {
        match self.below(12) {
            0 => "x".repeat(3_000),
            1 => char::from_u32(u32::try_from(self.below(0xd000)).expect("a number") + 1).unwrap_or('x').to_string(),
            _ => self.one(HOSTILE).to_owned(),
        }
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// What fits a parameter.
fn fitting(dice: &mut Dice, operation: &str, parameter: &Value, run: i64) -> String {
    let schema = &parameter["schema"];
    match (parameter["name"].as_str().expect("a name"), schema["type"].as_str()) {
        ("mart", _) => dice.one(&["sales", "totals", "snap", "top", "Odd One", "public.sales"]).to_owned(),
        ("run", _) => run.to_string(),
        ("fingerprint", _) => "abababab".to_owned(),
        ("select", _) if operation == "rows" => dice.one(&["*", "\"limit\""]).to_owned(),
        ("select", _) => dice.one(&["sales", "sales+", "tag:daily", "state:failed", "*"]).to_owned(),
        ("order", _) => dice.one(&["category", "\"limit\".desc"]).to_owned(),
        // Nobody refreshes here: who waits would wait for ever.
        ("timeout", _) => "0".to_owned(),
        (_, Some("boolean")) => dice.one(&["true", "false"]).to_owned(),
        (_, Some("integer")) => {
            let (min, max) =
                (schema["minimum"].as_i64().expect("a bound"), schema["maximum"].as_i64().expect("a bound"));
            [min, max, 1.clamp(min, max), 7.clamp(min, max)][dice.below(4)].to_string()
        }
        other => panic!("{other:?} of {operation} has a kind that this test does not know"),
    }
}

fn body(dice: &mut Dice, operation: &str, hostile: bool) -> String {
    if hostile {
        let text = dice.hostile();
        let keys = ["schedule", "select", "how", "days", "concurrent", "more"];
        let key = dice.one(&keys);
        return match dice.below(6) {
            0 => text,
            1 => "[]".to_owned(),
            2 => json!({ key: text }).to_string(),
            3 => json!({ key: { key: [text] } }).to_string(),
            4 => json!({ key: -1.5e300 }).to_string(),
            _ => format!("{}1{}", "[".repeat(400), "]".repeat(400)),
        };
    }
    match operation {
        "refresh" => dice.one(&[
            "",
            "{}",
            "{\"how\": \"full\"}",
            "{\"how\": \"incremental\", \"days\": 3}",
            "{\"concurrent\": false}",
        ]),
        "refresh_many" => {
            dice.one(&["", "{}", "{\"select\": \"sales+\"}", "{\"select\": \"tag:daily\", \"how\": \"smart\"}"])
        }
        "schedule" => {
            dice.one(&["{\"schedule\": \"1h\"}", "{\"schedule\": [\"0 3 * * *\", \"30m\"]}", "{\"schedule\": null}"])
        }
        "webhook" => dice.one(&["", "{}", "payload=%7B%7D"]),
        _ => "",
    }
    .to_owned()
}

fn signature(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// What a value has that its schema does not allow.
fn violations(value: &Value, schema: &Value, all: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return violations(value, &all[name], all, at, found);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(more) => more.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let fits = allowed.is_empty() || allowed.contains(&kind) || (kind == "integer" && allowed.contains(&"number"));
    if !fits {
        found.push(format!("{at} is {kind}, not {allowed:?}"));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value))
        || schema.get("const").is_some_and(|word| word != value)
    {
        found.push(format!("{at} is {value}"));
    }
    if let Some(object) = value.as_object() {
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(key) {
                found.push(format!("{at} lacks {key}"));
            }
        }
        for (key, value) in object {
            match schema["properties"].get(key) {
                Some(schema) => violations(value, schema, all, &format!("{at}.{key}"), found),
                None if schema["additionalProperties"] == false => found.push(format!("{at} has {key}")),
                None => {}
            }
        }
    }
    for (i, value) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(schema) = schema.get("items") {
            violations(value, schema, all, &format!("{at}[{i}]"), found);
        }
    }
}

/// Panics unless an answer is one that the description has.
fn as_described(reply: &Reply, operation: &Value, schemas: &Value, call: &str) {
    let described = &operation["responses"][reply.status.to_string()];
    assert!(reply.status < 500, "{call}: {}", reply.text());
    assert!(described.is_object(), "{call}: {} is not described: {}", reply.status, reply.text());
    let Some(content) = described["content"].as_object() else {
        assert!(reply.body.is_empty(), "{call}: {}", reply.text());
        return;
    };
    let kind = reply.header("content-type");
    let schema = content.get(kind).unwrap_or_else(|| panic!("{call}: {kind} is not described"));
    if kind.contains("json") {
        let mut found = Vec::new();
        violations(&reply.json(), &schema["schema"], schemas, "the answer", &mut found);
        assert!(found.is_empty(), "{call}: {found:#?}\n{}", reply.text());
    }
    assert!(reply.headers.keys().all(|name| name != "x-injected"), "{call}");
}

#[test]
fn whatever_is_sent_what_comes_back_is_described() {
    run(async {
        let rig = Rig::shop().await;
        let description = rig.get("/api/v1/openapi.json").await.of(200);
        let schemas = &description["components"]["schemas"];
        let mut dice = Dice(7);
        let mut good: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
        for (path, operations) in description["paths"].as_object().expect("paths") {
            for (method, operation) in operations.as_object().expect("operations") {
                let id = operation["operationId"].as_str().expect("a name");
                for number in 0..CALLS * 2 {
                    // Each has something to find.
                    let run: i64 = match id {
                        "cancel" if number % 5 == 0 => {
                            let queued = "INSERT INTO datamart.refreshes (project, schema, mart, status, cause) VALUES ('default', 'public', 'sales', 'queued', 'x') RETURNING run";
                            sqlx::query_scalar(queued)
                                .fetch_one(&mut rig.database.session().await)
                                .await
                                .expect("a run")
                        }
                        _ => 1,
                    };
                    let hostile = number >= CALLS;
                    let (call, headers, body) = compose(&mut dice, path, method, operation, run, hostile);
                    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                    let reply = rig.ask(&method.to_uppercase(), &call, &headers, &body).await;
                    as_described(&reply, operation, schemas, &format!("{method} {call} {body}"));
                    if !hostile {
                        good.entry(id.to_owned()).or_default().insert(reply.status);
                    }
                }
            }
        }
        assert_eq!(good.len(), 25);
        for (id, statuses) in &good {
            // No plan waits here.
            let expected = if id == "approve" { 404..405 } else { 200..300 };
            assert!(statuses.iter().any(|status| expected.contains(status)), "{id}: {statuses:?}");
        }
        assert_eq!(rig.database.value("SELECT count(*) FROM orders").await, "500");
        assert_eq!(rig.database.value("SELECT count(*) FROM sales").await, "500");
    });
}

type Headers = Vec<(String, String)>;

fn compose(
    dice: &mut Dice,
    path: &str,
    method: &str,
    operation: &Value,
    run: i64,
    hostile: bool,
) -> (String, Headers, String) {
    let id = operation["operationId"].as_str().expect("a name");
    let mut call = path.to_owned();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().expect("parameters") {
        let name = parameter["name"].as_str().expect("a name");
        if name == "filters" {
            for _ in 0..dice.below(3) {
                let (column, condition) = match hostile {
                    true => (
                        dice.one(&["id", "category", "amount", "doc", "nothing", "'", "limit"]).to_owned(),
                        dice.hostile(),
                    ),
                    false => {
                        ("category".to_owned(), dice.one(&["eq.c1", "is.null", "like.c%", "in.(c1,c2)"]).to_owned())
                    }
                };
                let operator = if hostile { dice.one(&["eq.", "gt.", "in.", "ilike.", "is.", "not.", ""]) } else { "" };
                query.push(format!("{}={operator}{}", encoded(&column), encoded(&condition)));
            }
            continue;
        }
        let wrong = hostile && name != "timeout" && dice.below(2) == 0;
        let value = if wrong { dice.hostile() } else { fitting(dice, id, parameter, run) };
        if parameter["in"] == "path" {
            // What is nothing is another path.
            let value = if value.is_empty() { "x".to_owned() } else { value };
            call = call.replace(&format!("{{{name}}}"), &encoded(&value));
        } else if name == "timeout" || dice.below(2) == 0 {
            query.push(format!("{name}={}", encoded(&value)));
        }
    }
    if hostile && dice.below(4) == 0 {
        query.push(dice.one(&["nothing=1", "%ff=1", "a=%", "=", "&&", "select=a&select=b"]).to_owned());
    }
    if !query.is_empty() {
        call = format!("{call}?{}", query.join("&"));
    }
    let wrong = hostile && dice.below(3) > 0;
    let body = if operation.get("requestBody").is_some() { body(dice, id, wrong) } else { String::new() };
    let mut headers = Vec::new();
    let unknown = hostile && dice.below(8) == 0;
    if method != "get" && !unknown {
        headers.push(("authorization".to_owned(), format!("Bearer {TOKEN}")));
    }
    if id == "webhook" {
        let of = if hostile && dice.below(2) == 0 { "other" } else { &body };
        headers.push(("x-hub-signature-256".to_owned(), signature(of)));
    }
    let untold = hostile && dice.below(6) == 0;
    if !body.is_empty() && !untold {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    if method == "get" && hostile && dice.below(5) == 0 {
        headers.push(("if-none-match".to_owned(), "*".to_owned()));
    }
    (call, headers, body)
}
