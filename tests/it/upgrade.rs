//! A major upgrade: canonical texts are read again, once, and nothing of it is told as change or drift.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use datamart::compile::needed;
use datamart::database::Endpoint;
use datamart::database::embedded::{self, Embedded, Options};
use sqlx::AssertSqlSafe;

use crate::cli::rig::{ORDERS, ROLE, Rig, SHOP};
use crate::support::database::{ephemeral, major, run};
use crate::support::postgresql::cached;
use crate::support::project;

/// As a server of the major before would have written the registry: everything in other words.
const OTHER_WORDS: &str = r"
    UPDATE datamart.marts SET applied = applied || jsonb_build_object(
        'major', (applied ->> 'major')::int - 1,
        'definition', regexp_replace(applied ->> 'definition', '\m(day|product|revenue|kind|amount)\M', 'elsewhere.\1', 'g'),
        'compiled', regexp_replace(applied ->> 'compiled', '\m(day|product|revenue|kind|amount)\M', 'elsewhere.\1', 'g'),
        'indexes', (SELECT coalesce(jsonb_object_agg(key, value || jsonb_build_object(
            'definition', replace(value ->> 'definition', 'lower(', 'pg_catalog.lower('))), '{}')
            FROM jsonb_each(applied -> 'indexes')));
    UPDATE datamart.meta SET server_major = server_major - 1";

/// An index that only the server can spell.
const INDEXED: (&str, &str) = (
    "products.toml",
    "type = \"materialized_view\"\nquery = \"SELECT DISTINCT product FROM orders\"\n[[indexes]]\nname = \"by_lower\"\n\
     columns = [\"(lower(product))\"]\nwhere = \"product <> 'none'\"\n",
);

/// The shop, applied before the upgrade.
fn upgraded() -> Rig {
    let rig = Rig::of(&[SHOP, &[INDEXED]].concat());
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql(OTHER_WORDS);
    let other = "SELECT bool_and(applied ->> 'compiled' LIKE '%elsewhere.%') FROM datamart.marts";
    assert_eq!(rig.value(other), "true");
    rig
}

/// How many marts the server has to be asked about.
fn asked(rig: &Rig) -> usize {
    run(async {
        let desired = project::load(&rig.folder.path().join("datamarts"));
        let mut conn = rig.database.session().await;
        let actual = project::actual(&mut conn, &desired).await;
        needed(&desired.marts, &actual).len()
    })
}

fn no_changes(rig: &Rig) {
    let plan = rig.run(&["plan", "--detailed-exitcode"]).done();
    assert!(plan.stdout.starts_with("No changes."), "{plan}");
    let drift = rig.run(&["drift"]).done();
    assert_eq!(drift.stdout, "No drift.\n", "{drift}");
}

#[test]
fn texts_are_read_again_once() {
    let rig = upgraded();
    let oids = "SELECT string_agg(relation::text, ',' ORDER BY name) FROM datamart.marts";
    let before = rig.value(oids);
    assert_eq!(asked(&rig), 5);
    no_changes(&rig);
    assert_eq!(asked(&rig), 5, "plan and drift record nothing");
    rig.run(&["apply", "--auto-approve"]).done();
    let recorded = "SELECT bool_and((applied ->> 'major')::int = current_setting('server_version_num')::int / 10000 \
                    AND applied ->> 'definition' NOT LIKE '%elsewhere%' AND applied ->> 'compiled' NOT LIKE '%elsewhere%') \
                    FROM datamart.marts";
    assert_eq!(rig.value(recorded), "true");
    assert_eq!(rig.value(oids), before, "nothing was built");
    assert_eq!(asked(&rig), 0, "the next plan asks the server about nothing");
    no_changes(&rig);

    // What drifts from then on is found.
    rig.sql(
        "CREATE OR REPLACE VIEW top AS SELECT product, max(revenue) AS revenue FROM sales GROUP BY product;
         DROP INDEX by_lower; CREATE INDEX by_lower ON products (upper(product)) WHERE product <> 'none'",
    );
    let drift = rig.run(&["drift"]).ended(2);
    for words in ["query was changed", "index by_lower was changed"] {
        assert!(drift.stdout.contains(words), "{drift}");
    }
    rig.run(&["apply", "--auto-approve", "--heal"]).done();
    no_changes(&rig);
}

#[test]
fn a_manifest_that_changes_meanwhile_is_a_change() {
    let rig = upgraded();
    rig.write(
        "dashboard/top.toml",
        "type = \"view\"\ntags = [\"sales\"]\nquery = \"SELECT product, max(revenue) AS revenue FROM sales GROUP BY product\"\n",
    );
    rig.write(
        "event_counts.toml",
        "type = \"table\"\ntags = [\"daily\"]\nquery = \"SELECT kind, count(*) AS events FROM events WHERE kind <> 'k0' GROUP BY kind\"\n",
    );
    let plan = rig.run(&["plan", "--detailed-exitcode"]).ended(2);
    assert!(plan.stdout.contains("~ public.top (view): query changed"), "{plan}");
    assert!(plan.stdout.contains("-/+ public.event_counts (table): query changed"), "{plan}");
    assert!(plan.stdout.ends_with("Plan: 0 to add, 1 to change, 1 to replace, 0 to destroy.\n"), "{plan}");
    rig.run(&["apply", "--auto-approve"]).done();
    assert_eq!(asked(&rig), 0, "the others' texts were read, too");
    no_changes(&rig);
}

#[test]
fn so_is_a_column_that_changed_with_the_upgrade() {
    let rig = upgraded();
    rig.sql(
        "DROP VIEW top; CREATE VIEW top AS SELECT product, sum(revenue)::text AS revenue FROM sales GROUP BY product",
    );
    let drift = rig.run(&["drift"]).ended(2);
    assert!(drift.stdout.contains("query was changed"), "{drift}");
}

#[test]
fn what_somebody_changed_before_the_texts_were_read_again_is_found() {
    let rig = upgraded();
    rig.sql("CREATE OR REPLACE VIEW top AS SELECT product, max(revenue) AS revenue FROM sales GROUP BY product");
    let drift = rig.run(&["drift", "--format", "json"]).ended(2).json();
    let found = drift["drift"].as_array().expect("drift");
    assert_eq!(found.len(), 1, "{drift:#}");
    assert_eq!((&found[0]["address"], &found[0]["aspect"]), (&"public.top".into(), &"definition".into()));
    // It stays drift when the texts are read again, and can be put back.
    rig.run(&["apply", "--auto-approve"]).done();
    rig.run(&["drift"]).ended(2);
    rig.run(&["apply", "--auto-approve", "--heal"]).done();
    no_changes(&rig);
}

/// PostgreSQL does not always print a query as it would print the one that it printed.
#[test]
fn what_was_dumped_and_restored_says_the_same() {
    let manifest = "type = \"view\"\nquery = \"SELECT id FROM typed WHERE state IN ('open', 'paid')\"\n";
    let rig = Rig::of(&[("project.toml", ""), ("open.toml", manifest)]);
    rig.sql("CREATE TABLE typed (id int, state varchar(10))");
    rig.run(&["apply", "--auto-approve"]).done();
    let text = "SELECT pg_get_viewdef('open')";
    let before = rig.value(text);
    rig.sql(&format!("DROP VIEW open; CREATE VIEW open AS {before}"));
    assert_ne!(rig.value(text), before, "this version prints it the same");
    no_changes(&rig);
    rig.run(&["apply", "--auto-approve"]).done();
    let recorded =
        "SELECT replace(applied ->> 'definition', 'public.', '') = pg_get_viewdef('open') FROM datamart.marts";
    assert_eq!(rig.value(recorded), "true", "it is compared again and again");
    no_changes(&rig);
    rig.sql("CREATE OR REPLACE VIEW open AS SELECT id FROM typed WHERE state IN ('open')");
    rig.run(&["drift"]).ended(2);
}

#[test]
fn everything_that_could_be_granted_is_everything_still() {
    if major() < 17 {
        return;
    }
    let grants = "\n[[grants]]\nrole = \"PUBLIC\"\nprivileges = [\"SELECT\", \"INSERT\", \"UPDATE\", \"DELETE\", \"TRUNCATE\", \
                  \"REFERENCES\", \"TRIGGER\"]\n";
    let rig =
        Rig::of(&[("project.toml", ""), ("v.toml", &format!("type = \"view\"\nquery = \"SELECT 1 AS one\"{grants}"))]);
    rig.run(&["apply", "--auto-approve"]).done();
    assert_eq!(rig.value("SELECT has_table_privilege('public', 'v', 'MAINTAIN')"), "false");
    // As pg_dump and pg_upgrade bring it from 16: every privilege of then is every privilege of now.
    rig.sql("GRANT ALL ON v TO PUBLIC; UPDATE datamart.marts SET applied = applied || '{\"major\": 16}'");
    no_changes(&rig);
    rig.run(&["apply", "--auto-approve"]).done();
    assert_eq!(asked(&rig), 0);
    no_changes(&rig);
    // What is done by hand afterwards is drift, and what the manifest says is a change.
    rig.sql("REVOKE SELECT, MAINTAIN ON v FROM PUBLIC");
    assert!(rig.run(&["drift"]).ended(2).stdout.contains("grants of public were changed"));
    rig.sql("GRANT ALL ON v TO PUBLIC");
    no_changes(&rig);
    rig.write("v.toml", &format!("type = \"view\"\nquery = \"SELECT 1 AS one\"{}", grants.replace("\"SELECT\", ", "")));
    let plan = rig.run(&["plan", "--detailed-exitcode"]).ended(2);
    assert!(plan.stdout.contains("REVOKE MAINTAIN, SELECT ON public.v FROM PUBLIC"), "{plan}");
}

/// A later server, and the shop moved to it by pg_dump.
struct Moved {
    server: Embedded,
    url: String,
}

/// The programs of a later major in the cache, and a pg_dump that can read this run's server; else a word why not.
fn later() -> Result<PathBuf, String> {
    let dump = Command::new("pg_dump").arg("--version").output().map_err(|_| "there is no pg_dump".to_owned())?;
    let said = String::from_utf8_lossy(&dump.stdout).into_owned();
    let version = said.split_whitespace().nth(2).and_then(|word| word.split('.').next()?.parse::<u32>().ok());
    if version.is_none_or(|version| version < major()) {
        return Err(format!("pg_dump does not read PostgreSQL {}: {said}", major()));
    }
    let newest = (major() + 1..=18).rev().find_map(|major| cached(&major.to_string()).ok());
    newest.ok_or_else(|| format!("nothing later than PostgreSQL {} is cached: `.ci/postgresql` fetches it", major()))
}

impl Moved {
    fn of(rig: &Rig, binaries: PathBuf) -> Self {
        let name = &rig.database.name;
        let server = run(embedded::start(Options { binaries: Some(binaries), ..ephemeral() })).expect("a later server");
        run(async {
            let mut conn = server.endpoint().session("test").await.expect("a session");
            let roles = format!("CREATE ROLE {ROLE} LOGIN; CREATE ROLE {name}_all");
            sqlx::raw_sql(AssertSqlSafe(roles)).execute(&mut conn).await.expect("roles");
            let database = format!("CREATE DATABASE {name} OWNER {ROLE}");
            sqlx::raw_sql(AssertSqlSafe(database)).execute(&mut conn).await.expect("a database");
        });
        let endpoint = server.endpoint_of(name).expect("an endpoint");
        let mut dump = Command::new("pg_dump");
        dump.args(["--dbname", rig.database.endpoint.url()]).stdout(Stdio::piped());
        let mut dump = dump.spawn().expect("pg_dump");
        let mut load = Command::new("psql");
        load.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "--dbname", endpoint.url()]).stdout(Stdio::null());
        let loaded = load.stdin(dump.stdout.take().expect("a script")).output().expect("psql");
        assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
        assert!(dump.wait().expect("an end").success());
        Self { url: as_role(&endpoint), server }
    }
}

fn as_role(endpoint: &Endpoint) -> String {
    endpoint.url().replace("user=postgres", &format!("user={ROLE}"))
}

#[test]
fn a_database_moved_to_a_later_major_is_as_it_was() {
    let binaries = match later() {
        Ok(binaries) => binaries,
        Err(why) => return println!("skipped: {why}"),
    };
    let listed = "type = \"view\"\nquery = \"SELECT id, status FROM parcels WHERE status IN ('sent', 'lost')\"\n";
    let rig = Rig::of(&[SHOP, &[INDEXED, ("parcels_listed.toml", listed)]].concat());
    let all = format!(
        "type = \"view\"\nquery = \"SELECT p FROM parcels p\"\n[[grants]]\nrole = \"{}_all\"\nprivileges = [\"SELECT\", \"INSERT\", \
         \"UPDATE\", \"DELETE\", \"TRUNCATE\", \"REFERENCES\", \"TRIGGER\"]\n",
        rig.database.name
    );
    rig.write("whole.toml", &all);
    rig.sql_as_superuser(&format!("CREATE ROLE {}_all", rig.database.name));
    rig.sql(&format!("{ORDERS}CREATE TABLE parcels (id int PRIMARY KEY, status varchar(10) NOT NULL)"));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let moved = Moved::of(&rig, binaries);
    let on = |args: &[&str]| rig.run_on(&moved.url, args);
    assert!(on(&["plan"]).ended(1).stderr.contains("`datamart claim` takes it over"));
    on(&["claim"]).done();
    for _ in 0..2 {
        let plan = on(&["plan", "--detailed-exitcode"]).done();
        assert!(plan.stdout.starts_with("No changes."), "{plan}");
        assert_eq!(on(&["drift"]).done().stdout, "No drift.\n");
        on(&["apply", "--auto-approve"]).done();
    }
    on(&["refresh", "--all"]).done();
    rig.write("parcels_listed.toml", &listed.replace("'lost'", "'returned'"));
    let plan = on(&["plan", "--detailed-exitcode"]).ended(2);
    assert!(plan.stdout.ends_with("Plan: 0 to add, 1 to change, 0 to replace, 0 to destroy.\n"), "{plan}");
    on(&["apply", "--auto-approve"]).done();
    let plan = on(&["plan", "--detailed-exitcode"]).done();
    assert!(plan.stdout.starts_with("No changes."), "{plan}");
    run(moved.server.stop()).expect("it stops");
}
