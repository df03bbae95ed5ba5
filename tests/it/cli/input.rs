//! Bad input: every problem at its place, in one run.

use super::rig::{Rig, bare, finish, folder};

const BROKEN: &[(&str, &str)] = &[
    ("project.toml", "[project]\nname = \"shop\"\nschemas = \"public\"\n"),
    ("typo.toml", "type = \"materialised_view\"\nquery = \"SELECT 1 AS one\"\nschemma = \"public\"\n"),
    ("two.toml", "type = \"view\"\nquery = \"\"\"\nSELECT 1 AS one;\nDROP TABLE orders\n\"\"\"\n"),
    (
        "times.toml",
        "type = \"table\"\nquery = \"SELECT 1 AS one\"\n[refresh]\nstrategy = \"scheduled\"\nschedule = \"0 0 31 2 *\"\ntimezone = \"America/Bogata\"\n",
    ),
    ("keyless.toml", "type = \"materialized_view\"\nquery = \"SELECT 1 AS one\"\n[refresh]\nconcurrent = true\n"),
    ("later.toml", "type = \"table\"\nquery = \"SELECT 1 AS one\"\n[timescale]\nby = \"range\"\n"),
    ("syntax.toml", "type = \"view\nquery = \"SELECT 1\"\n"),
    ("a.toml", "type = \"view\"\nquery = \"SELECT * FROM b\"\n"),
    ("b.toml", "type = \"view\"\nquery = \"SELECT * FROM a\"\n"),
];

#[test]
fn all_problems_come_in_one_run() {
    let dir = folder(BROKEN);
    insta::assert_snapshot!(finish(bare(dir.path(), &["validate"]), dir.path()), @r#"
    exit 1
    --- stderr
    error: dependency cycle: a → b → a
     --> datamarts/a.toml:2:24
      |
    2 | query = "SELECT * FROM b"
      |                        ^
      |
      = help: take one reference out: a is datamarts/a.toml, b is datamarts/b.toml

    error: `concurrent = true` needs a unique index
     --> datamarts/keyless.toml:4:14
      |
    4 | concurrent = true
      |              ^^^^
      |
      = help: add an index on columns that tell rows apart, without `where` and expressions: `[[indexes]]` with `columns = […]` and `unique = true`

    error: `timescale` is not supported yet
     --> datamarts/later.toml:3:2
      |
    3 | [timescale]
      |  ^^^^^^^^^
      |
      = help: remove it for now

    error: unknown key `project.schemas`
     --> datamarts/project.toml:3:1
      |
    3 | schemas = "public"
      | ^^^^^^^
      |
      = help: did you mean `schema`?

    error: invalid basic string, expected `"`
     --> datamarts/syntax.toml:1:13
      |
    1 | type = "view
      |             ^

    error: the schedule "0 0 31 2 *" never fires: no month it names has such a day
     --> datamarts/times.toml:5:12
      |
    5 | schedule = "0 0 31 2 *"
      |            ^^^^^^^^^^^^
      |
      = help: write a cron expression such as "0 */4 * * *", or an interval such as "30m"

    error: unknown time zone "America/Bogata"
     --> datamarts/times.toml:6:12
      |
    6 | timezone = "America/Bogata"
      |            ^^^^^^^^^^^^^^^^
      |
      = help: did you mean "America/Bogota"?

    error: a second statement begins here
     --> datamarts/two.toml:4:1
      |
    4 | DROP TABLE orders
      | ^^^^^^^^^^^^^^^^^
      |
      = help: a mart has exactly one query; put the other one into a mart of its own

    error: `type` cannot be "materialised_view"
     --> datamarts/typo.toml:1:8
      |
    1 | type = "materialised_view"
      |        ^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean "materialized_view"?

    error: unknown key `schemma`
     --> datamarts/typo.toml:3:1
      |
    3 | schemma = "public"
      | ^^^^^^^
      |
      = help: did you mean `schema`?

    error: 10 problems in the manifests
    "#);
    let json = finish(bare(dir.path(), &["validate", "--format", "json"]), dir.path()).ended(1).json();
    let error = &json["error"];
    insta::assert_snapshot!(super::rig::shape(error), @"
    kind: string
    message: string
    file: string
    line: integer
    column: integer
    hint: null
    problems[].file: string
    problems[].line: integer
    problems[].column: integer
    problems[].key: null|string
    problems[].message: string
    problems[].help: null|string
    problems[].severity: string
    ");
    let problems = error["problems"].as_array().expect("problems").iter();
    let told: String = problems
        .map(|p| format!("{}:{}:{} {}: {}\n", p["file"], p["line"], p["column"], p["severity"], p["message"]))
        .collect();
    insta::assert_snapshot!(told, @r#"
    "datamarts/a.toml":2:24 "error": "dependency cycle: a → b → a"
    "datamarts/keyless.toml":4:14 "error": "`concurrent = true` needs a unique index"
    "datamarts/later.toml":3:2 "error": "`timescale` is not supported yet"
    "datamarts/project.toml":3:1 "error": "unknown key `project.schemas`"
    "datamarts/syntax.toml":1:13 "error": "invalid basic string, expected `\"`"
    "datamarts/times.toml":5:12 "error": "the schedule \"0 0 31 2 *\" never fires: no month it names has such a day"
    "datamarts/times.toml":6:12 "error": "unknown time zone \"America/Bogata\""
    "datamarts/two.toml":4:1 "error": "a second statement begins here"
    "datamarts/typo.toml":1:8 "error": "`type` cannot be \"materialised_view\""
    "datamarts/typo.toml":3:1 "error": "unknown key `schemma`"
    "#);
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
    insta::assert_snapshot!(finish(bare(dir.path(), &["validate"]), dir.path()), @r#"
    exit 1
    --- stderr
    error: dependency cycle: deep.three → public.one → public.two → deep.three
     --> datamarts/deep/three.toml:3:24
      |
    3 | query = "SELECT * FROM public.one"
      |                        ^^^^^^^^^^
      |
      = help: take one reference out: deep.three is datamarts/deep/three.toml, public.one is datamarts/one.toml, public.two is datamarts/two.toml

    error: 1 problem in the manifests
    "#);
}

#[test]
fn postgresql_s_errors_stand_at_their_place() {
    let rig = Rig::shop();
    rig.write("wrong.toml", "type = \"view\"\nquery = \"\"\"\nSELECT id,\n       ammount\nFROM orders\n\"\"\"\n");
    rig.write("file.toml", "type = \"table\"\nquery_file = \"file.sql\"\n");
    rig.write("file.sql", "-- a comment with an ñ\nSELECT o.id, o.day + o.product AS nothing\nFROM orders AS o\n");
    rig.write("reads.toml", "type = \"view\"\nquery = \"SELECT * FROM wrong\"\n");
    rig.write("gone.toml", "type = \"view\"\nquery = 'SELECT * FROM shipments'\n");
    rig.write("index.toml", "type = \"table\"\nquery = 'SELECT id FROM orders'\n[[indexes]]\ncolumns = [\"id\"]\n[[indexes]]\ncolumns = [\"(lower(id))\"]\n");
    insta::assert_snapshot!(rig.run(&["plan"]), @r#"
    exit 1
    --- stderr
    error: operator does not exist: date + text
     --> datamarts/file.sql:2:20
      |
    2 | SELECT o.id, o.day + o.product AS nothing
      |                    ^
      |
      = help: No operator matches the given name and argument types. You might need to add explicit type casts.

    error: relation "shipments" does not exist
     --> datamarts/gone.toml:2:24
      |
    2 | query = 'SELECT * FROM shipments'
      |                        ^^^^^^^^^
      |
      = help: check the name; unqualified names are looked up in the mart's schema, the project's schema, then public

    error: index index_lower_idx: function lower(integer) does not exist
     --> datamarts/index.toml:5:1
      |
    5 | [[indexes]]
      | ^^^^^^^^^^^
      |
      = help: No function matches the given name and argument types. You might need to add explicit type casts.

    error: column "ammount" does not exist
     --> datamarts/wrong.toml:4:8
      |
    4 |        ammount
      |        ^^^^^^^
      |
      = help: Perhaps you meant to reference the column "orders.amount".

    error: PostgreSQL refuses 4 declarations
    help: not looked at, because they read one of these: public.reads
    "#);
    let json = rig.run(&["apply", "--auto-approve", "--format", "json"]).ended(1).json();
    let problems = json["error"]["problems"].as_array().expect("problems").iter();
    let told: String =
        problems.map(|p| format!("{}:{}:{} {}\n", p["file"], p["line"], p["column"], p["message"])).collect();
    insta::assert_snapshot!(told, @r#"
    "datamarts/file.sql":2:20 "operator does not exist: date + text"
    "datamarts/gone.toml":2:24 "relation \"shipments\" does not exist"
    "datamarts/index.toml":5:1 "index index_lower_idx: function lower(integer) does not exist"
    "datamarts/wrong.toml":4:8 "column \"ammount\" does not exist"
    "#);
    assert_eq!(rig.value("SELECT to_regclass('sales') IS NULL"), "true", "nothing is applied where one query is wrong");
}
