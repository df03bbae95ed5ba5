//! Bad input: every problem at its place, in one run.

use super::rig::{Rig, bare, finish, folder};

const BROKEN: &[(&str, &str)] = &[
    ("project.toml", "[project]\nname = \"shop\"\nschemas = \"public\"\n"),
    ("typo.toml", "type = \"materialised_view\"\nquery = \"SELECT 1 AS one\"\nschemma = \"public\"\n"),
    ("two.toml", "type = \"view\"\nquery = \"\"\"\nSELECT 1 AS one;\nDROP TABLE orders\n\"\"\"\n"),
    ("times.toml", "type = \"table\"\nquery = \"SELECT 1 AS one\"\n[refresh]\nstrategy = \"scheduled\"\nschedule = \"0 0 31 2 *\"\ntimezone = \"America/Bogata\"\n"),
    ("keyless.toml", "type = \"materialized_view\"\nquery = \"SELECT 1 AS one\"\n[refresh]\nconcurrent = true\n"),
    ("later.toml", "type = \"table\"\nquery = \"SELECT 1 AS one\"\n[versions]\nkeep = 3\n"),
    ("syntax.toml", "type = \"view\nquery = \"SELECT 1\"\n"),
    ("a.toml", "type = \"view\"\nquery = \"SELECT * FROM b\"\n"),
    ("b.toml", "type = \"view\"\nquery = \"SELECT * FROM a\"\n"),
];

#[test]
fn all_problems_come_in_one_run() {
    let dir = folder(BROKEN);
    insta::assert_snapshot!(finish(bare(dir.path(), &["validate"]), dir.path()), @"");
    let json = finish(bare(dir.path(), &["validate", "--format", "json"]), dir.path()).ended(1).json();
    let error = &json["error"];
    insta::assert_snapshot!(super::rig::shape(error), @"");
    let problems = error["problems"].as_array().expect("problems").iter();
    let told: String = problems
        .map(|p| format!("{}:{}:{} {}: {}\n", p["file"], p["line"], p["column"], p["severity"], p["message"]))
        .collect();
    insta::assert_snapshot!(told, @"");
    assert_eq!(error["kind"], "manifest");
    assert_eq!(error["file"], error["problems"][0]["file"]);
}

#[test]
fn a_cycle_is_printed_as_one() {
    let dir = folder(&[
        ("one.toml", "type = \"view\"\nquery = \"SELECT * FROM two\"\n"),
        ("two.toml", "type = \"table\"\nquery = \"SELECT * FROM deep.three\"\n"),
        ("deep/three.toml", "type = \"view\"\nschema = \"deep\"\nquery = \"SELECT * FROM public.one\"\n"),
    ]);
    insta::assert_snapshot!(finish(bare(dir.path(), &["validate"]), dir.path()), @"");
}

#[test]
fn postgresql_s_errors_stand_at_their_place() {
    let rig = Rig::shop();
    rig.write("wrong.toml", "type = \"view\"\nquery = \"\"\"\nSELECT id,\n       ammount\nFROM orders\n\"\"\"\n");
    rig.write("file.toml", "type = \"table\"\nquery_file = \"file.sql\"\n");
    rig.write("file.sql", "-- a comment with an ñ\nSELECT o.id, o.day + o.product AS nothing\nFROM orders AS o\n");
    rig.write("reads.toml", "type = \"view\"\nquery = \"SELECT * FROM wrong\"\n");
    rig.write("gone.toml", "type = \"view\"\nquery = 'SELECT * FROM shipments'\n");
    rig.write("index.toml", "type = \"table\"\nquery = 'SELECT id FROM orders'\n[[indexes]]\ncolumns = [\"(lower(id))\"]\n");
    insta::assert_snapshot!(rig.run(&["plan"]), @"");
    let json = rig.run(&["apply", "--auto-approve", "--format", "json"]).ended(1).json();
    let problems = json["error"]["problems"].as_array().expect("problems").iter();
    let told: String = problems.map(|p| format!("{}:{}:{} {}\n", p["file"], p["line"], p["column"], p["message"])).collect();
    insta::assert_snapshot!(told, @"");
    assert_eq!(rig.value("SELECT to_regclass('sales') IS NULL"), "true", "nothing is applied where one query is wrong");
}
