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
