use super::*;

fn node(name: &str, tags: &[&str], path: &str, upstream: &[&str]) -> Node {
    let qname = |text: &str| {
        let (schema, name) = text.split_once('.').unwrap_or(("public", text));
        QName::new(schema, name)
    };
    Node {
        name: qname(name),
        tags: tags.iter().map(|t| (*t).to_owned()).collect(),
        path: path.to_owned(),
        upstream: upstream.iter().map(|u| qname(u)).collect(),
        states: BTreeSet::new(),
    }
}

/// orders, sessions → hourly → daily → monthly; orders → sales; events → "Sales 2024"; audit.daily reads nothing.
fn nodes() -> Vec<Node> {
    let mut nodes = vec![
        node("hourly", &["metrics"], "metrics/hourly.toml", &["orders", "sessions"]),
        node("daily", &["metrics", "dashboard"], "metrics/roll/daily.toml", &["hourly"]),
        node("monthly", &["metrics"], "metrics/roll/monthly.toml", &["daily"]),
        node("sales", &["dashboard"], "sales.toml", &["orders"]),
        node("Sales 2024", &[], "sales_2024.toml", &["raw.events"]),
        node("audit.daily", &[], "audit/daily.toml", &[]),
    ];
    nodes[3].states.insert("stale".to_owned());
    nodes
}

fn select(text: &str) -> Result<String, String> {
    let selected = Selector::parse(text)?.select(&nodes(), "public")?;
    let names: Vec<String> =
        selected.iter().map(|n| if n.schema == "public" { n.name.clone() } else { n.to_string() }).collect();
    Ok(names.join(" "))
}

fn chosen(text: &str) -> String {
    select(text).unwrap_or_else(|error| format!("error: {error}"))
}

#[test]
fn names_and_globs() {
    assert_eq!(chosen("sales"), "sales");
    assert_eq!(chosen("public.sales"), "sales");
    assert_eq!(chosen("\"Sales 2024\""), "Sales 2024");
    assert_eq!(chosen("public.\"Sales 2024\""), "Sales 2024");
    assert_eq!(chosen("daily"), "daily");
    assert_eq!(chosen("audit.daily"), "audit.daily");
    assert_eq!(chosen("*ly"), "audit.daily daily hourly monthly");
    assert_eq!(chosen("?aily"), "audit.daily daily");
    assert_eq!(chosen("*.daily"), "audit.daily daily");
}

#[test]
fn prefixes() {
    assert_eq!(chosen("tag:dashboard"), "daily sales");
    assert_eq!(chosen("tag:nobody"), "");
    assert_eq!(chosen("schema:audit"), "audit.daily");
    assert_eq!(chosen("path:metrics"), "daily hourly monthly");
    assert_eq!(chosen("path:metrics/roll/"), "daily monthly");
    assert_eq!(chosen("path:metrics/*.toml"), "hourly");
    assert_eq!(chosen("path:**/daily.toml"), "audit.daily daily");
    assert_eq!(chosen("path:me*"), "daily hourly monthly");
    assert_eq!(chosen("state:stale"), "sales");
    assert_eq!(chosen("state:failed"), "");
}

#[test]
fn union_and_intersection() {
    assert_eq!(chosen("sales hourly"), "hourly sales");
    assert_eq!(chosen("tag:metrics,tag:dashboard"), "daily");
    assert_eq!(chosen("tag:metrics , tag:dashboard sales"), "daily sales");
}

#[test]
fn the_graph() {
    assert_eq!(chosen("+daily"), "daily hourly");
    assert_eq!(chosen("daily+"), "daily monthly");
    assert_eq!(chosen("+daily+"), "daily hourly monthly");
    assert_eq!(chosen("state:stale+"), "sales");
    assert_eq!(chosen("orders+"), "daily hourly monthly sales");
    assert_eq!(chosen("public.orders+,tag:dashboard"), "daily sales");
    assert_eq!(chosen("raw.events+"), "Sales 2024");
    assert_eq!(chosen("events+"), "Sales 2024");
}

#[test]
fn what_nothing_matches_is_an_error() {
    assert_eq!(chosen("dayly"), "error: no mart is called dayly; did you mean daily?");
    assert_eq!(chosen("zzzzzz"), "error: no mart is called zzzzzz");
    assert_eq!(chosen("x*"), "error: no mart is called x*");
    assert_eq!(chosen("orders"), "error: orders is a source table, not a mart; orders+ is what reads it");
    assert_eq!(chosen("schema:publik"), "error: no mart is in schema:publik; did you mean public?");
    assert_eq!(chosen("path:metric"), "error: no manifest is at path:metric; did you mean metrics?");
}

#[test]
fn tags_that_nobody_has_are_told() {
    let told = |text: &str| Selector::parse(text).map(|selector| selector.unknown_tags(&nodes()).join("\n"));
    assert_eq!(told("tag:dashbord"), Ok("no mart has the tag dashbord; did you mean dashboard?".to_owned()));
    assert_eq!(told("sales tag:x*,tag:metrics"), Ok("no mart has the tag x*".to_owned()));
    assert_eq!(told("tag:dash* sales state:new"), Ok(String::new()));
}

#[test]
fn what_cannot_be_read_is_an_error() {
    for bad in [
        "",
        "  ",
        ",sales",
        "sales,",
        "a,,b",
        "+",
        "tag:",
        "\"open",
        "a.b.c",
        "a\"b\"",
        "state:fresh",
        "label:x",
        "a..b",
    ] {
        assert!(Selector::parse(bad).is_err(), "{bad}");
    }
    assert!(chosen("state:fresh").contains("new, changed, drifted, stale, failed"));
    assert!(chosen("label:x").contains("tag:, path:, schema: and state:"));
}

#[test]
fn states_are_asked_for_only_where_needed() {
    let needs = |text: &str| Selector::parse(text).map(|s| s.needs_states());
    assert_eq!(needs("sales tag:x,state:new"), Ok(true));
    assert_eq!(needs("sales"), Ok(false));
}

#[test]
fn one_mart_by_name() {
    let one = |text: &str| {
        find(text, &nodes(), "public").map_or_else(|error| format!("error: {error}"), |name| name.to_string())
    };
    assert_eq!(one("Sales 2024"), "public.\"Sales 2024\"");
    assert_eq!(one("\"Sales 2024\""), "public.\"Sales 2024\"");
    assert_eq!(one("daily"), "public.daily");
    assert_eq!(one("audit.daily"), "audit.daily");
    assert_eq!(
        one("*ly"),
        "error: *ly may be public.hourly or public.daily or public.monthly or audit.daily: say which"
    );
    assert_eq!(one("sale"), "error: no mart is called sale; did you mean sales?");
}
