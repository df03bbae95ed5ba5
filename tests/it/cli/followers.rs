//! Views of others that follow a mart: what the plan says of them, whose rights it takes.

use serde_json::{Value, json};

use super::rig::Rig;

const TOTALS: &str =
    "type = \"materialized_view\"\nquery = \"SELECT day, sum(amount) AS total FROM orders GROUP BY 1\"\n";
const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, day date, amount numeric);
    INSERT INTO orders SELECT i, date '2024-01-01' + i % 30, i FROM generate_series(1, 90) AS i;";

/// A mart that is applied.
fn totals() -> Rig {
    let rig = Rig::of(&[("totals.toml", TOTALS)]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig
}

/// Panics where something is left to do or has drifted.
fn is_done(rig: &Rig, dir: &str) {
    let plan = rig.run(&["plan", "--dir", dir, "--format", "json"]).done().json();
    assert_eq!((&plan["changes"], &plan["drift"]), (&json!([]), &json!([])), "{plan:#}");
}

fn refusals(plan: &Value) -> Vec<&str> {
    let all = plan["refused"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(|refusal| refusal["message"].as_str()).collect()
}

#[test]
fn a_plan_shows_what_follows() {
    let rig = totals();
    rig.sql("CREATE VIEW theirs AS SELECT day FROM totals; CREATE VIEW wider AS SELECT total FROM totals");
    rig.write("totals.toml", &TOTALS.replace("sum(amount)", "max(id)"));
    let out = rig.run(&["plan"]).done();
    assert!(
        out.stdout
            .contains("~ public.theirs (view): not managed; reads public.totals, which is replaced; kept as it is\n\n"),
        "{out}"
    );
    assert!(out.stdout.contains("-/+ public.wider (view): not managed;"), "{out}");
    assert!(out.stdout.contains("Plan: 0 to add, 1 to change, 2 to replace, 0 to destroy."), "{out}");
    let plan = rig.run(&["plan", "--format", "json"]).done().json();
    assert_eq!(plan["marts"], json!(1));
    let theirs =
        plan["changes"].as_array().and_then(|all| all.iter().find(|c| c["address"] == "public.theirs")).cloned();
    let theirs = theirs.expect("a change");
    let of = |key: &str| theirs[key].clone();
    assert_eq!([of("type"), of("action"), of("diff")], [json!("view"), json!("update"), json!("")]);
    assert_eq!([of("before"), of("after"), of("file")], [Value::Null, Value::Null, Value::Null]);
    rig.run(&["plan", "--out", "p.json"]).done();
    // A plan knows what it moves, and no longer holds where that was changed.
    rig.sql("COMMENT ON VIEW theirs IS 'changed meanwhile'");
    let stale = rig.run(&["apply", "p.json", "--auto-approve"]).ended(1);
    assert!(stale.stderr.contains("public.theirs changed"), "{stale}");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    is_done(&rig, "datamarts");
    assert_eq!(rig.value("SELECT string_agg(name, ',') FROM datamart.marts"), "totals");
    assert_eq!(rig.value("SELECT obj_description('theirs'::regclass)"), "changed meanwhile");
}

#[test]
fn an_owner_that_this_role_may_not_act_as_stops_the_plan() {
    let rig = totals();
    let owner = format!("{}_bi", rig.database.name);
    rig.sql_as_superuser(&format!(
        "CREATE ROLE {owner}; GRANT SELECT ON totals TO {owner}; CREATE SCHEMA theirs; GRANT USAGE ON SCHEMA theirs TO etl;
         CREATE VIEW theirs.v AS SELECT day FROM totals; ALTER VIEW theirs.v OWNER TO {owner}"
    ));
    rig.write("totals.toml", &TOTALS.replace("sum(amount)", "max(amount)"));
    let built = "SELECT 'totals'::regclass::oid";
    let before = rig.value(built);
    let refused = rig.run(&["apply", "--auto-approve", "--format", "json"]).ended(1).json();
    assert_eq!(
        refusals(&refused),
        [
            format!(
                "the view theirs.v has to follow and belongs to {owner}, as which this role may not act: GRANT {owner} TO etl;"
            ),
            format!(
                "the view theirs.v has to follow and its owner may not make it again: GRANT CREATE ON SCHEMA theirs TO {owner};"
            ),
            format!(
                "the view theirs.v has to follow and its owner may not make it again: GRANT USAGE ON SCHEMA theirs TO {owner};"
            ),
        ]
    );
    assert_eq!(rig.value(built), before);
    // What it prints is enough, with the right to see what stands in the schema.
    rig.sql_as_superuser(&format!(
        "GRANT {owner} TO etl; GRANT CREATE, USAGE ON SCHEMA theirs TO {owner}; GRANT USAGE ON SCHEMA public TO {owner}"
    ));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value("SELECT relowner::regrole FROM pg_class WHERE oid = 'theirs.v'::regclass"), owner);
    is_done(&rig, "datamarts");
}

#[test]
fn what_cannot_follow_stops_the_plan_and_goes_where_that_is_allowed() {
    let rig = totals();
    rig.sql("CREATE VIEW theirs AS SELECT total FROM totals");
    rig.write("totals.toml", &TOTALS.replace("AS total", "AS revenue"));
    let out = rig.run(&["apply", "--auto-approve"]).ended(1);
    // From 16 on PostgreSQL names the column alone.
    let told = out.stdout.replace("totals.total does", "\"total\" does");
    let words = "the view public.theirs cannot follow and would be dropped: column \"total\" does not exist (--allow BREAKS_DEPENDENTS lets it through)";
    assert!(told.contains(&format!("BREAKS_DEPENDENTS public.theirs: {words}")), "{out}");
    assert_eq!(rig.value("SELECT count(*) FROM theirs"), "30");
    rig.run(&["apply", "--auto-approve", "--allow", "BREAKS_DEPENDENTS", "-q"]).done();
    assert_eq!(rig.value("SELECT to_regclass('theirs') IS NULL"), "true");
}

#[test]
fn another_projects_mart_follows_with_its_own_settings() {
    let rig = totals();
    let theirs = "type = \"materialized_view\"\nquery = \"SELECT day, current_setting('TimeZone') AS zone, current_setting('work_mem') AS memory FROM totals\"\n\
                  [session]\nwork_mem = \"7MB\"\n[refresh]\ntimezone = \"Asia/Tokyo\"\n";
    rig.folder.write("lab/project.toml", "[project]\nname = \"lab\"\n");
    rig.folder.write("lab/theirs.toml", theirs);
    rig.run(&["apply", "--dir", "lab", "--auto-approve", "-q"]).done();
    rig.write("totals.toml", &TOTALS.replace("sum(amount)", "max(amount)"));
    let plan = rig.run(&["plan"]).done();
    assert!(
        plan.stdout.contains("public.theirs (materialized_view): a mart of project lab; reads public.totals"),
        "{plan}"
    );
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value("SELECT DISTINCT zone || ' ' || memory FROM theirs"), "Asia/Tokyo 7MB");
    for dir in ["datamarts", "lab"] {
        is_done(&rig, dir);
    }
    rig.run(&["apply", "--dir", "lab", "--auto-approve", "-q"]).done();
}

#[test]
fn a_migration_is_told_of_what_could_not_follow() {
    let rig = Rig::of(&[("amounts.toml", "type = \"table\"\nquery = \"SELECT id, amount FROM orders\"\n")]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql(
        "CREATE VIEW theirs AS SELECT amount + 1 AS more FROM amounts; CREATE VIEW beyond AS SELECT more FROM theirs",
    );
    let effects = |type_name: &str| {
        rig.folder.write("m.sql", &format!("ALTER TABLE orders ALTER COLUMN amount TYPE {type_name}"));
        let told = rig.run(&["check-migration", "m.sql", "--format", "json"]).json();
        let effects = told["marts"][0]["effects"].as_array().expect("effects").clone();
        let words = |effect: &Value| effect["message"].as_str().unwrap_or_default().to_owned();
        effects.iter().filter(|effect| effect["kind"] == "rebuilds").map(words).collect::<Vec<_>>()
    };
    let kept = effects("double precision");
    assert!(kept.len() == 1 && kept[0].contains("columns changed"), "{kept:#?}");
    let lost = effects("text");
    let words = "the next apply is refused: BREAKS_DEPENDENTS: the view public.theirs cannot follow and would be dropped: operator does not exist: text + numeric";
    assert!(lost.len() == 2 && lost[1] == words, "{lost:#?}");
}
