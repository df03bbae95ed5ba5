//! `versions`, `diff`, and what other commands say of versioned marts.

use serde_json::json;

use super::rig::{ORDERS, ROLE, Rig};

pub const PROJECT: &str = "[project]\nname = \"shop\"\n";

/// A shop whose `sales` has a version for each of these expressions.
pub fn with(totals: &[&str]) -> Rig {
    let rig = Rig::of(&[("project.toml", PROJECT)]);
    rig.sql(ORDERS);
    for total in totals {
        apply(&rig, &sales(total));
    }
    rig
}

/// The manifest of a versioned table.
pub fn sales(total: &str) -> String {
    format!(
        "# Sales, by day.\ntype = \"table\"   # stored\nquery = \"SELECT day, {total} AS total FROM orders GROUP BY day\"\n\
         primary_key = [\"day\"]\n\n[versions]  # history\nkeep = 3    # three\n"
    )
}

#[track_caller]
pub fn apply(rig: &Rig, manifest: &str) {
    rig.write("sales.toml", manifest);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
}

/// The published version, as the registry and as readers see it.
#[track_caller]
pub fn published(rig: &Rig) -> String {
    let told = rig.run(&["versions", "sales", "--format", "json"]).done().json();
    let read = rig.value("SELECT substring(pg_get_viewdef('sales'::regclass) from 'sales_v(\\d+)')");
    assert_eq!(told["current"].to_string(), read, "the registry and the view part");
    read
}

#[test]
fn versions_are_listed() {
    let rig = with(&["sum(amount)", "max(amount)", "min(amount)"]);
    insta::assert_snapshot!(rig.run(&["versions", "sales"]), @r"
    exit 0
    --- stdout
    version  state      relation         rows   size  created               revision
          3  published  public.sales_v3   ~20  64 kB  TIME  -
          2  kept       public.sales_v2   ~20  64 kB  TIME  -
          1  kept       public.sales_v1   ~20  32 kB  TIME  -
    ");
    insta::assert_snapshot!(rig.run(&["versions", "public.sales", "--format", "json"]).done().shape(), @r"
    mart: string
    current: integer
    pinned: null
    versions[].version: integer
    versions[].published: boolean
    versions[].relation: string
    versions[].present: boolean
    versions[].row_count: integer
    versions[].estimated: boolean
    versions[].size_bytes: integer
    versions[].size: string
    versions[].created_at: string
    versions[].revision: null
    ");
    rig.run(&["rollback", "sales"]).done();
    let told = rig.run(&["versions", "sales", "--format", "json"]).done().json();
    assert_eq!((&told["current"], &told["pinned"]), (&json!(2), &json!(2)));
    assert!(rig.run(&["versions", "sales"]).done().stdout.contains("2  published, pinned"));
}

#[test]
fn what_cannot_be_told_is_an_error_with_a_way_out() {
    let rig = with(&[]);
    rig.write("sales.toml", &sales("sum(amount)"));
    rig.write("plain.toml", "type = \"view\"\nquery = \"SELECT 1 AS a\"\n");
    for command in ["versions", "rollback", "diff"] {
        let out = rig.run(&[command, "sales"]).ended(1);
        assert_eq!(out.stderr, "error: public.sales is not applied yet\nhelp: run `datamart apply` first\n");
        let out = rig.run(&[command, "nobody"]).ended(1);
        assert_eq!(out.stderr, "error: no mart is called nobody\n");
    }
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    for command in ["versions", "rollback", "diff"] {
        let out = rig.run(&[command, "plain"]).ended(1);
        assert!(out.stderr.contains("public.plain has no versions\nhelp: write `[versions]`"), "{out}");
        let out = rig.run(&[command, "plain", "--format", "json"]).ended(1);
        assert_eq!(out.json()["error"]["message"], "public.plain has no versions");
        assert_eq!((out.json()["error"]["kind"].as_str(), out.stderr.as_str()), (Some("usage"), ""));
    }
    insta::assert_snapshot!(rig.run(&["rollback", "sales"]), @r"
    exit 1
    --- stderr
    error: public.sales has no version before 1
    help: its version is 1; see `datamart versions public.sales`
    ");
    insta::assert_snapshot!(rig.run(&["diff", "sales"]), @r"
    exit 1
    --- stderr
    error: public.sales has no version before 1
    help: its version is 1; see `datamart versions public.sales`; name two of them
    ");
    apply(&rig, &sales("max(amount)"));
    for args in [&["rollback", "sales", "--to", "9"][..], &["diff", "sales", "9"], &["diff", "sales", "1", "9"]] {
        let out = rig.run(&[args, &["--format", "json"]].concat()).ended(1).json();
        assert_eq!(out["error"]["message"], "public.sales has no version 9");
        assert_eq!(out["error"]["hint"], "its versions are 1, 2; see `datamart versions public.sales`");
    }
    // Published already: nothing to do, and nothing is written.
    let before = rig.read("sales.toml");
    let out = rig.run(&["rollback", "sales", "--to", "2"]).done();
    assert_eq!(out.stdout, "public.sales: version 2 is published already.\n");
    assert_eq!(rig.read("sales.toml"), before);
    rig.run(&["rollback", "sales", "--to", "0"]).ended(1);
    rig.run(&["rollback", "sales", "--to", "x"]).ended(1);
    rig.remove("sales.toml");
    insta::assert_snapshot!(rig.run(&["rollback", "sales"]), @r"
    exit 1
    --- stderr
    error: no manifest declares public.sales
    help: a rollback is written into its manifest; bring that back first
    ");
    assert!(rig.run(&["versions", "sales"]).done().stdout.contains("published"));
    rig.run(&["diff", "sales"]).done();
}

#[test]
fn two_versions_are_compared() {
    let rig = with(&["sum(amount)", "max(amount)"]);
    rig.run(&["rollback", "sales"]).done();
    apply(
        &rig,
        "type = \"table\"\nquery = \"SELECT day, max(amount) AS total, 1 AS one FROM orders WHERE id > 100 GROUP BY day\"\n[versions]\n",
    );
    let out = rig.run(&["diff", "sales", "1", "2", "--limit", "1"]).done();
    assert!(out.stdout.starts_with("public.sales: version 1 → version 2\n"), "{out}");
    assert!(out.stdout.contains("-SELECT day, sum(amount) AS total") && out.stdout.contains("20 changed"), "{out}");
    let told = rig.run(&["diff", "sales", "2", "3", "--format", "json"]).done().json();
    assert_eq!((&told["a"], &told["b"]), (&json!("version 2"), &json!("version 3")));
    assert_eq!(told["data"]["columns_only_in_b"][0]["name"], "one");
    // Without names: the published one, and the one before it.
    let told = rig.run(&["diff", "sales", "--format", "json"]).done().json();
    assert_eq!((&told["a"], &told["b"]), (&json!("version 2"), &json!("version 3")));
    let out = rig.run(&["diff", "sales", "3", "1", "--format", "markdown"]).done();
    assert!(out.stdout.starts_with("**public.sales: version 3 → version 1**"), "{out}");
}

/// A mart whose names need quotes, of another owner, in another schema; with a name as long as PostgreSQL allows.
fn elsewhere() -> (Rig, String) {
    let rig = Rig::of(&[("project.toml", PROJECT)]);
    rig.sql(ORDERS);
    let role = format!("{}_bi", rig.database.name);
    rig.sql_as_superuser(&format!(
        "CREATE ROLE {role}; GRANT {role} TO {ROLE}; CREATE SCHEMA \"My Mart\" AUTHORIZATION {role}; \
         GRANT SELECT ON orders TO {role}; GRANT USAGE ON SCHEMA public TO {role}"
    ));
    (rig, role)
}

fn elsewhere_manifest(name: &str, role: &str, total: &str) -> String {
    format!(
        "name = \"{name}\"\nschema = \"My Mart\"\nowner = \"{role}\"\ntype = \"materialized_view\"\nversions = {{}}\n\
         query = \"SELECT day, product, {total} AS total FROM public.orders GROUP BY day, product\"\n\
         [[indexes]]\ncolumns = [\"day\", \"product\"]\nunique = true\n[[indexes]]\ncolumns = [\"product\"]\n\
         [[indexes]]\ncolumns = [\"total\"]\n[[checks]]\nname = \"positive\"\nsql = \"SELECT * FROM {{this}} WHERE total < 0\"\n"
    )
}

#[test]
fn any_name_and_any_owner() {
    let (rig, role) = elsewhere();
    let names = ["Big Sales".to_owned(), "x".repeat(63), format!("{}ä", "ö".repeat(30))];
    for total in ["sum(amount)", "max(amount)", "min(amount)"] {
        for (at, name) in names.iter().enumerate() {
            rig.write(&format!("{at}.toml"), &elsewhere_manifest(name, &role, total));
        }
        rig.run(&["apply", "--auto-approve", "-q"]).done();
        assert!(rig.run(&["plan"]).done().stdout.starts_with("No changes."));
    }
    for name in &names {
        let shown = format!("\"{name}\"");
        rig.run(&["rollback", &shown]).done();
        let told = rig.run(&["versions", &shown, "--format", "json"]).done().json();
        assert_eq!((&told["current"], told["versions"].as_array().map(Vec::len)), (&json!(2), Some(3)), "{told}");
        // The pinned one is refreshed, with its own query, and readers go on.
        rig.sql("UPDATE orders SET amount = amount + 1000");
        let run = rig.run(&["refresh", &shown, "--format", "json"]).done().json();
        assert_eq!(run["runs"][0]["method"], "concurrently", "{run}");
        let same = format!("SELECT max(total) = (SELECT max(amount) FROM orders) FROM \"My Mart\".\"{name}\"");
        assert_eq!(rig.value(&same), "true");
        rig.run(&["rollback", &shown, "--to", "3"]).done();
        let stale = format!("SELECT min(total) < (SELECT min(amount) FROM orders) FROM \"My Mart\".\"{name}\"");
        assert_eq!(rig.value(&stale), "true", "what is not published is frozen");
    }
    let owners = "SELECT count(DISTINCT relowner) = 1 AND min(relowner::regrole::text) = current_database() || '_bi' AND count(*) = 12 \
                  FROM pg_class WHERE relnamespace = '\"My Mart\"'::regnamespace AND relkind IN ('v', 'm')";
    assert_eq!(rig.value(owners), "true");
    assert!(rig.run(&["plan"]).done().stdout.starts_with("No changes."));
}

#[test]
fn every_command_speaks_of_the_mart() {
    let (rig, role) = elsewhere();
    for total in ["sum(amount)", "max(amount)"] {
        rig.write("big.toml", &elsewhere_manifest("Big", &role, total));
        rig.write("top.toml", "type = \"view\"\nquery = 'SELECT max(total) AS most FROM \"My Mart\".\"Big\"'\n");
        rig.run(&["apply", "--auto-approve", "-q"]).done();
    }
    let big = "\"My Mart\".\"Big\"";
    let mart = |out: &serde_json::Value| {
        let marts = out["marts"].as_array().expect("marts").clone();
        marts.into_iter().find(|mart| mart["full_name"] == big).expect("the mart")
    };
    for args in [&["list"][..], &["list", "--stats"], &["status"]] {
        let out = rig.run(&[args, &["--format", "json"]].concat()).done().json();
        assert_eq!((&mart(&out)["version"], &mart(&out)["type"]), (&json!(2), &json!("materialized_view")));
        assert_eq!(out["marts"].as_array().map(Vec::len), Some(2), "{args:?}: {out}");
        assert!(!rig.run(args).done().stdout.contains("Big_v"), "{args:?}");
    }
    for args in
        [&["preview", "\"Big\""][..], &["explain", "\"Big\""], &["history"], &["graph"], &["graph", "--format", "json"]]
    {
        let out = rig.run(args).done();
        assert!(!out.stdout.contains("Big_v"), "{args:?}: {out}");
    }
    let stats = rig.run(&["stats", "\"Big\""]).done();
    assert!(stats.stdout.contains("version      2") && stats.stdout.contains("rows         20"), "{stats}");
    let explained = rig.run(&["explain", "\"Big\""]).done();
    assert!(explained.stdout.contains("method: concurrently"), "{explained}");
    let checked = rig.run(&["check", "--format", "json"]).done().json();
    assert_eq!((&checked["checks"][0]["mart"], &checked["checks"][0]["status"]), (&json!(big), &json!("passed")));
    let run = rig.run(&["refresh", "--all", "--format", "json"]).done().json();
    assert_eq!((run["runs"].as_array().map(Vec::len), &run["runs"][0]["mart"]), (Some(1), &json!(big)));
    let history = rig.run(&["history", "\"Big\"", "--format", "json"]).done().json();
    assert_eq!(history["runs"][0]["mart"], big);
    // A check that fails is the mart's, and what is published stays.
    rig.write("big.toml", &elsewhere_manifest("Big", &role, "-sum(amount)"));
    let out = rig.run(&["apply", "--auto-approve", "-q"]).ended(1);
    assert!(out.stderr.starts_with("error: \"My Mart\".\"Big\": check positive failed"), "{out}");
    rig.write("big.toml", &elsewhere_manifest("Big", &role, "max(amount)"));
    assert!(rig.run(&["plan"]).done().stdout.starts_with("No changes."));
    // Somebody's DDL against what it reads.
    rig.folder.write("m.sql", "ALTER TABLE orders DROP COLUMN amount CASCADE;");
    let out = rig.run(&["check-migration", "m.sql"]).ended(1);
    assert!(out.stdout.contains("\"My Mart\".\"Big\""), "{out}");
    assert_eq!(rig.value("SELECT count(*) FROM \"My Mart\".\"Big\""), "20");
}

#[test]
fn a_saved_plan_makes_a_version() {
    let rig = with(&["sum(amount)"]);
    rig.write("sales.toml", &sales("max(amount)"));
    rig.run(&["plan", "--out", "plan.json"]).done();
    rig.run(&["apply", "plan.json", "--auto-approve", "-q"]).done();
    assert_eq!(published(&rig), "2");
    rig.write("sales.toml", &sales("min(amount)"));
    rig.run(&["plan", "--out", "plan.json"]).done();
    rig.run(&["rollback", "sales"]).done();
    let out = rig.run(&["apply", "plan.json", "--auto-approve", "-q"]).ended(1);
    assert!(out.stderr.contains("public.sales"), "{out}");
    assert_eq!(published(&rig), "1");
}

#[test]
fn import_leaves_versioned_marts_to_their_manifests() {
    let rig = with(&["sum(amount)", "max(amount)"]);
    rig.write("mv.toml", "type = \"materialized_view\"\nquery = \"SELECT 1 AS a\"\nversions = {}\n[[indexes]]\ncolumns = [\"a\"]\nunique = true\n");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let before = (rig.read("sales.toml"), rig.read("mv.toml"));
    for args in [&["import"][..], &["import", "--adopt"], &["import", "--like", "*_v*"]] {
        let out = rig.run(args).done();
        assert!(out.stdout.contains("Nothing to import") && !out.stdout.contains("_v"), "{args:?}: {out}");
        assert_eq!((rig.read("sales.toml"), rig.read("mv.toml")), before);
    }
    assert!(rig.run(&["plan"]).done().stdout.starts_with("No changes. 2 marts"));
    rig.remove("mv.toml");
    let out = rig.run(&["import", "--adopt"]).done();
    assert!(out.stdout.contains("1 view: a versioned mart of this project without a manifest"), "{out}");
    // Another project takes none of them.
    rig.folder.write("two/project.toml", "[project]\nname = \"two\"\n");
    let out = rig.run(&["--dir", "two", "import"]).done();
    assert!(out.stdout.contains("1 materialized view: project shop manages it\n    public.mv_v1"), "{out}");
    assert!(out.stdout.contains("2 views: project shop manages it\n    public.mv, public.sales"), "{out}");
    assert!(!out.stdout.contains("sales_v"), "{out}");
}

#[test]
fn drop_takes_the_versions_along() {
    let rig = with(&["sum(amount)", "max(amount)"]);
    rig.folder.write("two/project.toml", "[project]\nname = \"two\"\n");
    for total in ["sum(amount)", "max(amount)"] {
        rig.folder.write("two/sales2.toml", &sales(total));
        rig.run(&["--dir", "two", "apply", "--auto-approve", "-q"]).done();
    }
    let out = rig.run(&["drop", "sales"]).ended(1);
    assert!(out.stderr.contains("public.sales is declared in datamarts/sales.toml"), "{out}");
    rig.remove("sales.toml");
    rig.write("other.toml", "type = \"view\"\nquery = \"SELECT 1 AS a\"\n");
    assert!(rig.run(&["plan"]).done().stdout.contains("  - public.sales (table), was in sales.toml"));
    let refused = rig.run(&["apply", "--prune", "--auto-approve"]).ended(1);
    assert!(
        refused.stdout.contains("DELETES_DATA public.sales: its versions 1, 2 go, and what they hold"),
        "{refused}"
    );
    assert!(
        refused.stdout.contains("-    max(orders.amount) AS total") || refused.stdout.contains("max("),
        "{refused}"
    );
    // Somebody reads an old version: it is named, and nothing goes.
    rig.sql("CREATE VIEW theirs AS SELECT * FROM sales_v1");
    let out = rig.run(&["drop", "sales"]).ended(1);
    assert!(out.stdout.contains("BREAKS_DEPENDENTS") && out.stdout.contains("view public.theirs"), "{out}");
    rig.sql("DROP VIEW theirs");
    rig.run(&["drop", "sales"]).done();
    let left = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relname ~ '^sales' AND relkind IN ('r', 'v')";
    assert_eq!(rig.value(left), "sales2 sales2_v1 sales2_v2");
    assert_eq!(rig.value("SELECT string_agg(DISTINCT project, ' ') FROM datamart.versions"), "two");
    assert!(rig.run(&["--dir", "two", "plan"]).done().stdout.starts_with("No changes."));
    rig.run(&["versions", "sales"]).ended(1);
    // And the name can be used again, from version 1.
    apply(&rig, &sales("min(amount)"));
    assert_eq!(published(&rig), "1");
}

#[test]
fn what_others_do_to_versions_is_drift() {
    let rig = with(&["sum(amount)", "max(amount)", "min(amount)"]);
    rig.sql(
        "ALTER TABLE sales_v3 DROP CONSTRAINT sales_v3_pkey; CREATE INDEX adhoc ON sales_v3 (total); \
         COMMENT ON TABLE sales_v3 IS 'theirs'; DROP TABLE sales_v1; \
         CREATE OR REPLACE VIEW sales AS SELECT day, total FROM sales_v2; CREATE TABLE sales_v4 (a int)",
    );
    let out = rig.run(&["drift", "--format", "json"]).ended(2).json();
    let told: Vec<String> =
        out["drift"].as_array().expect("drift").iter().map(|d| format!("{} {}", d["address"], d["message"])).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    "public.sales" "query was changed"
    "public.sales" "description of version 3 was changed"
    "public.sales" "index adhoc of version 3 was added"
    "public.sales" "index sales_v3_pkey of version 3 was removed"
    "#);
    assert!(rig.run(&["versions", "sales"]).done().stdout.contains("1  gone       public.sales_v1     -      -"));
    let json = rig.run(&["versions", "sales", "--format", "json"]).done().json();
    assert_eq!((&json["versions"][2]["present"], &json["versions"][2]["row_count"]), (&json!(false), &json!(null)));
    for args in [&["rollback", "sales", "--to", "1"][..], &["diff", "sales", "1", "3"], &["diff", "sales", "3", "1"]] {
        let out = rig.run(args).ended(1);
        assert!(
            out.stderr.starts_with("error: version 1 of public.sales is gone: public.sales_v1 is not in the database"),
            "{out}"
        );
        assert!(out.stderr.contains("its versions are 2, 3;"), "{out}");
    }
    // Healed, it is what was applied; the index of the primary key comes back without being asked for.
    rig.run(&["apply", "--auto-approve", "--heal", "-q"]).done();
    rig.run(&["drift"]).done();
    assert_eq!(published(&rig), "3");
    assert_eq!(rig.value("SELECT to_regclass('adhoc') IS NULL AND to_regclass('sales_v3_pkey') IS NOT NULL"), "true");
    rig.write("sales.toml", &sales("avg(amount)"));
    let out = rig.run(&["plan"]).ended(1);
    assert!(out.stderr.contains("public.sales_v4 exists, and version 4 needs that name"), "{out}");
    rig.sql("DROP TABLE sales_v4");
    // The next change forgets what is gone.
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let json = rig.run(&["versions", "sales", "--format", "json"]).done().json();
    let numbers: Vec<_> = json["versions"].as_array().expect("versions").iter().map(|v| v["version"].clone()).collect();
    assert_eq!(numbers, [json!(4), json!(3), json!(2)]);
    // The published one itself.
    rig.sql("DROP VIEW sales; DROP TABLE sales_v4");
    let out = rig.run(&["drift"]).ended(2);
    assert!(
        out.stdout.contains("its relation was removed") && out.stdout.contains("the relation of version 4 was removed"),
        "{out}"
    );
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(published(&rig), "4");
    rig.run(&["drift"]).done();
}
