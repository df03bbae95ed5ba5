//! What a plan says that a change costs, on a database with rows, a history and readers.

use serde_json::Value;

use super::rig::Rig;

const SALES: &str = "type = \"table\"\nprimary_key = [\"id\"]\nquery = \"SELECT id, day, amount FROM orders\"\n
[[indexes]]\nname = \"sales_day\"\ncolumns = [\"day\"]\n[[grants]]\nrole = \"ROLE\"\nprivileges = [\"SELECT\"]\n";
const TOP: &str = "type = \"view\"\nquery = \"SELECT id FROM sales\"\n";

/// The hazards of a plan's changes, as `KIND: message`.
fn hazards(plan: &Value) -> Vec<String> {
    let changes = plan["changes"].as_array().into_iter().flatten();
    let all = changes.flat_map(|change| change["hazards"].as_array().into_iter().flatten());
    let word = |hazard: &Value, key: &str| hazard[key].as_str().unwrap_or_default().to_owned();
    all.map(|hazard| format!("{}: {}", word(hazard, "type"), word(hazard, "message"))).collect()
}

#[test]
fn hazards_say_what_they_cost_here_and_now() {
    let rig = Rig::of(&[("top.toml", TOP)]);
    let role = format!("{}_bi", rig.database.name);
    let other = format!("{}_app", rig.database.name);
    rig.sql_as_superuser(&format!("CREATE ROLE {role}; CREATE ROLE {other}"));
    let sales = SALES.replace("ROLE", &role);
    rig.write("sales.toml", &sales);
    rig.sql(
        "CREATE TABLE orders (id int PRIMARY KEY, day date, amount numeric);
         INSERT INTO orders SELECT i, date '2024-01-01' + i % 30, i FROM generate_series(1, 20000) AS i",
    );
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.run(&["refresh", "sales", "-q"]).done();
    let told = |text: &str| {
        rig.write("sales.toml", text);
        hazards(&rig.run(&["plan", "--format", "json"]).done().json())
    };
    let is = |found: &[String], begins: &str, has: &[&str]| {
        let line = found.iter().find(|line| line.starts_with(begins)).unwrap_or_else(|| panic!("{begins}: {found:#?}"));
        has.iter().for_each(|part| assert!(line.contains(part), "{part:?} is not in {line:?}"));
    };
    let rebuilt = told(&sales.replace("amount FROM", "amount + 1 AS amount FROM"));
    let cost = ["about 20,000 rows, ", " kB, under 1s at its last refresh; read by public.top"];
    is(&rebuilt, "REBUILDS_DATA: public.sales is computed anew", &cost);
    is(&rebuilt, "REBUILDS_DATA", &["published under ACCESS EXCLUSIVE, waited for 100 ms a try, at most 20 times"]);
    rig.sql("UPDATE datamart.refreshes SET duration_ms = 95200 WHERE status = 'success'");
    let slow = told(&sales.replace("amount FROM", "amount + 1 AS amount FROM"));
    is(&slow, "REBUILDS_DATA", &["1m 35s at its last refresh"]);
    rig.sql("DELETE FROM datamart.refreshes");
    let guessed = told(&sales.replace("amount FROM", "amount + 1 AS amount FROM"));
    is(&guessed, "REBUILDS_DATA", &["under 1s by its size"]);
    let another = told(&sales.replace("[\"day\"]", "[\"amount\"]").replace("sales_day", "sales_amount"));
    let build = ["CONCURRENTLY over about 20,000 rows, ", " by its size", "SHARE UPDATE EXCLUSIVE"];
    is(&another, "INDEX_BUILD: index sales_amount", &build);
    is(&another, "INDEX_DROPPED: index sales_day goes: ", &[" kB, never used"]);
    let granted = told(&sales.replace(&role, &other));
    is(&granted, &format!("AUTHZ_UPDATE: {role} loses SELECT"), &[]);
    is(&granted, &format!("AUTHZ_UPDATE: {other} gains SELECT"), &[]);
    assert!(told(&sales).is_empty(), "nothing changes, nothing is told");
}
