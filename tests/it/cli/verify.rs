//! Marts compared with their queries.

use serde_json::json;

use super::rig::{ORDERS, Rig};

const SALES: &str = "type = \"table\"\nquery = \"SELECT id, product, amount, '{\\\"a\\\": 1}'::json AS more FROM orders\"\nprimary_key = [\"id\"]\n";

#[test]
fn a_mart_that_is_wrong_is_told_and_repaired() {
    let rig = Rig::of(&[("sales.toml", SALES), ("seen.toml", "type = \"view\"\nquery = \"SELECT id FROM orders\"\n")]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let told = rig.run(&["verify", "sales"]).done();
    assert!(told.stdout.contains("1 mart as the query says."), "{}", told.stdout);
    rig.sql("UPDATE sales SET amount = -1 WHERE id = 3; DELETE FROM sales WHERE id = 4");
    let found = rig.run(&["verify", "sales", "--format", "json"]).ended(1).json();
    let mart = &found["marts"][0];
    assert_eq!(
        (&mart["same"], &mart["rows"], &mart["expected"]),
        (&json!(false), &json!(199), &json!(200)),
        "{found:#}"
    );
    assert_eq!((&mart["missing"], &mart["extra"]), (&json!(2), &json!(1)), "{found:#}");
    let told = rig.run(&["verify", "sales", "--sample", "100%"]).ended(1);
    assert!(told.stdout.contains("public.sales, extra: {\"id\":"), "{}", told.stdout);
    let repaired = rig.run(&["verify", "sales", "--repair", "--format", "json"]).done().json();
    assert_eq!(repaired["runs"][0]["status"], json!("success"), "{repaired:#}");
    rig.run(&["verify", "sales"]).done();
    let view = rig.run(&["verify", "seen"]).ended(1);
    assert!(view.stderr.contains("public.seen is a view: it has no rows of its own"), "{}", view.stderr);
    let part = rig.run(&["verify", "sales", "--sample", "0"]).ended(1);
    assert!(part.stderr.contains("a part of the keys, such as 5%"), "{}", part.stderr);
}

#[test]
fn what_cannot_be_read_does_not_hide_the_others() {
    let marts = [
        ("sales.toml", SALES),
        ("s.toml", "type = \"table\"\nquery = \"SELECT product, sum(amount) AS s FROM orders GROUP BY 1\"\n"),
        ("gone.toml", SALES),
    ];
    let rig = Rig::of(&marts);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql("DROP TABLE gone; UPDATE s SET s = -1 WHERE product = 'p2'; UPDATE sales SET amount = -1");
    let told = rig.run(&["verify", "gone", "s", "sales"]).ended(1);
    assert!(told.stderr.contains("cannot compare public.gone with its query"), "{told}");
    // A column may have any name.
    assert!(told.stdout.contains("public.s, extra: {\"s\":-1,\"product\":\"p2\"}"), "{told}");
    assert!(told.stdout.contains("public.sales, extra: 195 more"), "{told}");
    let found = rig.run(&["verify", "gone", "s", "--format", "json"]).ended(1).json();
    assert_eq!((&found["marts"][0]["mart"], &found["failed"][0]["kind"]), (&json!("public.s"), &json!("missing")));
    assert_eq!(found["failed"][0]["mart"], "public.gone");
    let nothing = rig.run(&["verify", "sales", "--sample", "0.00001%"]).done();
    assert!(
        nothing.stdout.contains("public.sales: nothing was compared: the sample holds none of its keys"),
        "{nothing}"
    );
    let half = rig.run(&["verify", "sales", "--sample", "50%", "--format", "json"]).ended(1).json();
    let rows = half["marts"][0]["rows"].as_i64().expect("rows");
    assert!((50..=150).contains(&rows), "{half:#}");
}

#[test]
fn a_log_that_is_gone_is_told() {
    let mart = "type = \"table\"\nprimary_key = [\"product\"]\n\
                query = \"SELECT product, sum(amount) AS s FROM orders GROUP BY 1\"\n[refresh]\nstrategy = \"incremental\"\n";
    let rig = Rig::of(&[("s.toml", mart)]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let logs = "SELECT string_agg(format('DROP TABLE datamart.%I', relname), '; ') FROM pg_class \
                WHERE relnamespace = 'datamart'::regnamespace AND relkind = 'r' AND relname LIKE 'changes%'";
    rig.sql_as_superuser(&rig.value(logs));
    let told = rig.run(&["verify", "s"]).ended(1);
    assert!(told.stderr.contains("is gone: `datamart apply --heal` makes it again"), "{told}");
    rig.run(&["apply", "--auto-approve", "--heal", "-q"]).done();
    rig.run(&["verify", "s"]).done();
}
