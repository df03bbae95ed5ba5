//! One pass.

use super::rig::{CHAIN, history, numbers, until};
use crate::cli::rig::Rig;

#[test]
fn one_pass_applies_and_refreshes_what_is_due() {
    let rig = Rig::of(CHAIN);
    rig.sql("CREATE TABLE numbers (n int PRIMARY KEY)");
    rig.run(&["daemon", "--once"]).done();
    assert_eq!(rig.value("SELECT n FROM last"), "0", "it was built");
    rig.sql("INSERT INTO numbers VALUES (1)");
    // What was built a second ago is due by now or will be; a pass ends all the same.
    until(&rig, "SELECT now() > created_at + interval '2 s' FROM datamart.marts WHERE name = 'every'");
    let told = rig.run(&["daemon", "--once", "--format", "json"]).done().json();
    assert_eq!(rig.value("SELECT n FROM last"), "1");
    assert_eq!(told["result"], "success", "{told}");
    let ended = told["runs"].as_array().expect("runs").iter().map(|run| &run["mart"]);
    assert!(ended.clone().any(|mart| mart == "public.last"), "{told}");
    let runs = history(&rig);
    assert!(runs.len() <= 6 && runs.last().is_some_and(|run| run == "last success after"), "{runs:?}");
    assert_eq!(rig.value("SELECT epoch FROM datamart.leaders"), "2");
}

#[test]
fn one_pass_that_fails_says_so() {
    let rig = numbers(&[
        ("project.toml", "[project]\nname = \"shop\"\n"),
        (
            "ratio.toml",
            "type = \"table\"\nquery = \"SELECT sum(10 / n) AS r FROM numbers\"\n\
             [refresh]\nstrategy = \"scheduled\"\nschedule = \"1s\"\n",
        ),
        ("next.toml", "type = \"table\"\nquery = \"SELECT r FROM ratio\"\n"),
    ]);
    until(&rig, "SELECT now() > created_at + interval '2 s' FROM datamart.marts WHERE name = 'ratio'");
    rig.sql("INSERT INTO numbers VALUES (0)");
    let out = rig.run(&["daemon", "--once"]).ended(1);
    assert!(out.stderr.contains("division by zero"), "{out}");
    assert_eq!(history(&rig), ["ratio failed schedule"]);
}

/// Whoever runs it now and then has nobody that waits for quiet: what was written to since the last pass is refreshed.
#[test]
fn triggered_marts_are_due_where_their_sources_changed() {
    let mart = "type = \"table\"\nquery = \"SELECT count(*) AS n FROM orders\"\n[refresh]\nstrategy = \"triggered\"\ndebounce = \"20s\"\n";
    let daily = "type = \"table\"\nquery = \"SELECT count(*) AS n FROM others\"\n[refresh]\nstrategy = \"scheduled\"\nschedule = \"0 3 * * *\"\n";
    let rig = Rig::of(&[("trg.toml", mart), ("daily.toml", daily)]);
    rig.sql("CREATE TABLE others (id int); CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)");
    rig.run(&["daemon", "--once"]).done();
    rig.sql("INSERT INTO orders VALUES (2)");
    let told = rig.run(&["daemon", "--once", "--format", "json"]).done().json();
    assert_eq!(told["runs"].as_array().map(Vec::len), Some(1), "{told:#}");
    assert_eq!(rig.value("SELECT n FROM trg"), "2");
    let again = rig.run(&["daemon", "--once", "--format", "json"]).done().json();
    assert_eq!(again["runs"].as_array().map(Vec::len), Some(0), "{again:#}");
}
