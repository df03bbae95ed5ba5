//! What differs from one major version of PostgreSQL to the next, and cannot be a case.

use crate::cli::rig::{ORDERS, Out, Rig};
use crate::support::database::major;

/// Functions as people write them: their bodies name things as the session finds them.
const FUNCTIONS: &str = "
    CREATE FUNCTION shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
    CREATE FUNCTION label(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT shout($1)';
    CREATE FUNCTION \"Orders of\"(text) RETURNS bigint LANGUAGE plpgsql STABLE AS
    'BEGIN RETURN (SELECT count(*) FROM orders WHERE product = $1); END';";

const PROJECT: (&str, &str) = ("project.toml", "[project]\nname = \"shop\"\n");

/// The statement that a hint ends with.
#[track_caller]
fn way_out(text: &str) -> String {
    let found = text.lines().find_map(|line| line.split_once("ALTER ROUTINE "));
    let (_, rest) = found.unwrap_or_else(|| panic!("no way out in\n{text}"));
    format!("ALTER ROUTINE {rest}")
}

/// From 17 on the command fails and says what to run; run, the command goes well.
fn mended(rig: &Rig, args: &[&str], missing: &str, wanted: &str) -> Out {
    if major() < 17 {
        return rig.run(args).done();
    }
    let failed = rig.run(args).ended(1);
    let said = failed.out() + &failed.err();
    assert!(said.contains(missing), "{failed}");
    assert!(said.contains("names it without a schema; PostgreSQL 17 and later fill materialized views"), "{failed}");
    assert_eq!(way_out(&said), wanted, "{failed}");
    rig.sql(wanted);
    rig.run(args).done()
}

#[test]
fn functions_that_need_a_search_path_are_given_one() {
    let query = "type = \"materialized_view\"\nquery = \"SELECT DISTINCT product,";
    let rig =
        Rig::of(&[PROJECT, ("counted.toml", &format!("{query} \\\"Orders of\\\"(product) AS orders FROM orders\"\n"))]);
    rig.sql(&format!("{ORDERS}{FUNCTIONS}"));
    let apply = ["apply", "--auto-approve"];
    let of = "ALTER ROUTINE public.\"Orders of\"(text) SET search_path = public, pg_temp;";
    mended(&rig, &apply, "relation \"orders\" does not exist", of);

    // One that PostgreSQL would inline has no schema in the error.
    rig.write("labels.toml", &format!("{query} label(product) AS label FROM orders\"\n"));
    let label = "ALTER ROUTINE label SET search_path = public, pg_temp;";
    mended(&rig, &apply, "function shout(text) does not exist", label);

    // A function that is replaced loses its settings: the refresh fails in the same words.
    rig.sql("ALTER FUNCTION label(text) RESET ALL; ALTER FUNCTION \"Orders of\"(text) RESET ALL");
    mended(&rig, &["refresh", "counted"], "relation \"orders\" does not exist", of);
    mended(&rig, &["refresh", "labels"], "function shout(text) does not exist", label);

    // For programs, too.
    rig.sql("ALTER FUNCTION label(text) RESET ALL");
    let run = rig.run(&["refresh", "labels", "--format", "json"]).ended(i32::from(major() >= 17)).json();
    let hint = run["runs"][0]["error"]["hint"].as_str().unwrap_or_default();
    assert_eq!(hint.ends_with(label), major() >= 17, "{run}");
}

#[test]
fn so_are_those_of_expression_indexes() {
    let rig = Rig::of(&[
        PROJECT,
        (
            "products.toml",
            "type = \"table\"\nquery = \"SELECT DISTINCT product FROM orders\"\n[[indexes]]\nname = \"by_label\"\n\
             columns = [\"(label(product))\"]\n",
        ),
    ]);
    rig.sql(&format!("{ORDERS}{FUNCTIONS}"));
    let label = "ALTER ROUTINE label SET search_path = public, pg_temp;";
    mended(&rig, &["plan"], "index by_label: function shout(text) does not exist", label);
    rig.run(&["apply", "--auto-approve"]).done();
    assert_eq!(rig.value("SELECT pg_get_indexdef('by_label'::regclass) LIKE '%label(product)%'"), "true");
    rig.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn what_a_major_does_not_know_is_said_at_its_place() {
    let rig = Rig::of(&[
        PROJECT,
        (
            "v.toml",
            "type = \"view\"\nquery = \"SELECT id FROM orders\"\nwith = { security_invoker = true }\n\
             [[grants]]\nrole = \"PUBLIC\"\nprivileges = [\"MAINTAIN\", \"SELECT\"]\n",
        ),
    ]);
    rig.sql(ORDERS);
    let known = [("security_invoker is unknown to PostgreSQL", 15), ("MAINTAIN is unknown to PostgreSQL", 17)];
    let out = rig.run(&["plan"]);
    assert_eq!(out.code, Some(i32::from(major() < 17)), "{out}");
    for (words, since) in known {
        assert_eq!(out.stderr.contains(words), major() < since, "{words}: {out}");
        assert_eq!(out.stderr.contains(&format!("it needs PostgreSQL {since} or later")), major() < since, "{out}");
    }
}

#[test]
fn not_null_constraints_of_18_are_no_business_of_a_plan() {
    let rig = Rig::of(&[
        PROJECT,
        (
            "daily.toml",
            "type = \"table\"\nprimary_key = [\"day\"]\nquery = \"SELECT day, count(*) AS n FROM orders GROUP BY day\"\n\
             [columns.n]\nnot_null = true\n",
        ),
        ("keys.toml", "type = \"view\"\nquery = \"SELECT id, product FROM orders GROUP BY id\"\n"),
    ]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve"]).done();
    let constraints = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'daily'::regclass AND contype = 'n'";
    assert_eq!(rig.value(constraints), if major() < 18 { "0" } else { "2" });
    let empty = || rig.run(&["plan", "--detailed-exitcode"]).done();
    empty();
    // Neither the swap of a refresh nor a rebuild loses or doubles them.
    rig.sql("UPDATE orders SET day = day + 1000");
    rig.run(&["refresh", "daily"]).done();
    empty();
    let changed = "type = \"table\"\nprimary_key = [\"day\"]\nquery = \"SELECT day, sum(id) AS n FROM orders GROUP BY day\"\n\
                   [columns.n]\nnot_null = true\n";
    rig.write("daily.toml", changed);
    rig.run(&["apply", "--auto-approve"]).done();
    empty();
    assert_eq!(rig.value(constraints), if major() < 18 { "0" } else { "2" });
    // Dropped by its name, as 18 has it, it is drift as ever.
    let name = "SELECT quote_ident(conname) FROM pg_constraint WHERE conrelid = 'daily'::regclass AND contype = 'n' \
                AND conkey = ARRAY[2::int2]";
    match major() < 18 {
        true => rig.sql("ALTER TABLE daily ALTER n DROP NOT NULL"),
        false => rig.sql(&format!("ALTER TABLE daily DROP CONSTRAINT {}", rig.value(name))),
    }
    let drift = rig.run(&["drift"]).ended(2);
    assert!(drift.stdout.contains("NOT NULL of n was removed"), "{drift}");
}
