//! What a manifest says and this server does not take, or lets this role not do: told by the plan, at its place.

use super::rig::{ORDERS, Rig};

/// The command, the history and the exit code say the same of a run that another one kept from its lock.
#[test]
fn a_refresh_that_did_not_get_its_lock_is_skipped_and_an_error() {
    let rig = Rig::applied();
    let held = rig.hold("SELECT pg_advisory_xact_lock(datamart.lock_key('shop', 'mart:public.event_counts'))");
    let told = rig.run(&["refresh", "event_counts", "--format", "json"]).ended(1).json();
    let run = &told["runs"][0];
    assert_eq!((&run["status"], &run["error"]["kind"]), (&"skipped".into(), &"lock".into()), "{told:#}");
    assert_eq!((&told["summary"]["skipped"], &told["summary"]["failed"]), (&1.into(), &0.into()), "{told:#}");
    let history = rig.run(&["history", "event_counts", "--format", "json"]).done().json();
    assert_eq!(
        (&history["runs"][0]["status"], &history["runs"][0]["run"]),
        (&run["status"], &run["run"]),
        "{history:#}"
    );
    held.release();
    rig.run(&["refresh", "event_counts"]).done();
}

/// PostgreSQL says that a lock was not to be had, and not who has it.
#[test]
fn who_locks_a_mart_is_named_where_that_stops_a_plan() {
    let rig = Rig::applied();
    rig.write("project.toml", "[project]\nname = \"shop\"\n[database]\nlock_timeout = \"100ms\"\n");
    let held = rig.hold("REFRESH MATERIALIZED VIEW sales");
    for command in ["plan", "drift"] {
        let told = rig.run(&[command]).ended(1).err();
        assert!(told.contains("the lock of public.sales is held by another session (somebody, pid PID"), "{told}");
    }
    held.release();
    rig.run(&["plan"]).done();
}

/// The problems of a plan that fails: `file:line key message`.
fn problems(rig: &Rig) -> Vec<String> {
    let told = rig.run(&["plan", "--format", "json"]).ended(1).json();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let problems = told["error"]["problems"].as_array().expect("problems").iter();
    let line = |problem: &serde_json::Value| {
        let file = text(&problem["file"]);
        let file = file.rsplit('/').next().unwrap_or_default().to_owned();
        format!("{file}:{} {} {}", problem["line"], text(&problem["key"]), text(&problem["message"]))
    };
    problems.map(line).collect()
}

#[test]
fn settings_and_parameters_are_told_with_all_else() {
    let rig = Rig::of(&[
        (
            "a.toml",
            "type = \"table\"\nquery = \"SELECT 1 AS x\"\n[session]\nwork_mem = \"8MB\"\nnonsense = 3\njit = \"lots\"\n",
        ),
        ("b.toml", "type = \"view\"\nquery = \"SELECT nope\"\n"),
        ("c.toml", "type = \"table\"\nquery = \"SELECT 1 AS x\"\nwith = { fillfactor = 90, banana = 5 }\n"),
        (
            "d.toml",
            "type = \"materialized_view\"\nquery = \"SELECT 1 AS x\"\nwith = { fillfactor = 5 }\nrefresh = { concurrent = false }\n",
        ),
        (
            "e.toml",
            "type = \"table\"\nquery = \"SELECT 1 AS x\"\nwith = { fillfactor = 90, \"toast.autovacuum_enabled\" = false }\n",
        ),
        ("f.toml", "type = \"view\"\nquery = \"SELECT x FROM a\"\n"),
    ]);
    insta::assert_snapshot!(problems(&rig).join("\n"), @r#"
    a.toml:6 session.jit parameter "jit" requires a Boolean value
    a.toml:5 session.nonsense unrecognized configuration parameter "nonsense"
    b.toml:2 query column "nope" does not exist
    c.toml:3 with.banana unrecognized parameter "banana"
    d.toml:3 with.fillfactor value 5 out of bounds for option "fillfactor" (Valid values are between "10" and "100".)
    "#);
    let told = rig.run(&["plan"]).ended(1);
    assert!(told.stderr.contains("not looked at, because they read one of these: public.f"), "{told}");
    for name in ["a.toml", "b.toml", "c.toml", "d.toml", "f.toml"] {
        rig.remove(name);
    }
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    // What changes in place is tried, too.
    rig.write(
        "e.toml",
        "type = \"table\"\nquery = \"SELECT 1 AS x\"\nwith = { fillfactor = 9 }\nsession = { work_mem = \"1\" }\n",
    );
    let told = problems(&rig).join("\n");
    assert!(told.starts_with("e.toml:4 session.work_mem 1"), "{told}");
    rig.write("e.toml", "type = \"table\"\nquery = \"SELECT 1 AS x\"\nwith = { fillfactor = 9 }\n");
    insta::assert_snapshot!(problems(&rig).join("\n"), @r#"
    e.toml:3 with.fillfactor value 9 out of bounds for option "fillfactor" (Valid values are between "10" and "100".)
    "#);
}

#[test]
fn an_age_needs_a_time_and_an_owner_one_who_may_act_as_it() {
    let rig = Rig::of(&[
        ("by.toml", "type = \"table\"\nquery = \"SELECT * FROM orders\"\nowner = \"postgres\"\n"),
        ("text.toml", "type = \"table\"\nquery = \"SELECT * FROM orders\"\n[freshness]\ncolumn = \"product\"\n"),
        ("time.toml", "type = \"table\"\nquery = \"SELECT * FROM orders\"\n[freshness]\ncolumn = \"day\"\n"),
    ]);
    rig.sql(ORDERS);
    insta::assert_snapshot!(problems(&rig).join("\n"), @r#"
    by.toml:3 owner public.by: role etl may not act as "postgres", which owns it
    text.toml:4 freshness.column public.text: "product" is of type text, which does not say how new a row is
    "#);
    let told = rig.run(&["plan"]).ended(1);
    assert!(told.stderr.contains("GRANT postgres TO etl;"), "{told}");
}

#[test]
fn who_lacks_a_right_is_who_gets_the_grant() {
    let rig = Rig::of(&[("sales.toml", "type = \"table\"\nquery = \"SELECT id, amount FROM orders\"\n")]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let owner = format!("{}_owner", rig.database.name);
    rig.sql_as_superuser(&format!(
        "CREATE ROLE {owner}; GRANT {owner} TO etl; GRANT CREATE, USAGE ON SCHEMA public TO {owner}; ALTER TABLE sales OWNER TO {owner}"
    ));
    for command in [&["refresh", "sales"][..], &["verify", "sales"], &["explain", "sales"]] {
        let out = rig.run(command).ended(1);
        let said = format!("{}{}", out.stdout, out.stderr);
        assert!(said.contains(&format!("GRANT SELECT ON public.orders TO {owner};")), "{said}");
        assert!(!said.contains("TO etl;"), "{said}");
    }
}

#[test]
fn what_a_role_may_not_read_is_told_before_anything_is_built() {
    let rig = Rig::of(&[("a.toml", "type = \"table\"\nquery = \"SELECT 1 AS x\"\n")]);
    let owner = format!("{}_owner", rig.database.name);
    rig.sql(ORDERS);
    rig.sql_as_superuser(&format!(
        "CREATE ROLE {owner}; GRANT {owner} TO etl; GRANT ALL ON SCHEMA public TO {owner};
         GRANT SELECT (id, day) ON orders TO {owner};
         CREATE SCHEMA closed; GRANT USAGE ON SCHEMA closed TO etl; CREATE TABLE closed.prices (price int); GRANT SELECT ON closed.prices TO {owner}"
    ));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let mart = |name: &str, owner: &str, query: &str| {
        rig.write(name, &format!("type = \"table\"\nquery = \"{query}\"\nowner = \"{owner}\"\n"));
    };
    mart("b.toml", &owner, "SELECT day, sum(amount) AS amount, count(product) AS n FROM orders GROUP BY day");
    mart("c.toml", &owner, "SELECT day, count(*) AS n FROM orders GROUP BY day");
    mart("d.toml", &owner, "SELECT e.kind FROM events AS e JOIN closed.prices AS p ON p.price = 1");
    // What cannot be followed for that reason is told once.
    rig.write(
        "f.toml",
        &format!(
            "type = \"table\"\nquery = \"SELECT kind, count(*) AS n FROM events GROUP BY kind\"\nowner = \"{owner}\"\n\
             [refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\nmethod = \"changes\"\n"
        ),
    );
    // What a mart lets others read is applied along.
    mart("e.toml", &owner, "SELECT x FROM a");
    rig.write(
        "a.toml",
        &format!(
            "type = \"table\"\nquery = \"SELECT 1 AS x\"\n[[grants]]\nrole = \"{owner}\"\nprivileges = [\"SELECT\"]\n"
        ),
    );
    let told = problems(&rig).join("\n").replace(&owner, "OWNER");
    insta::assert_snapshot!(told, @"
    b.toml:2 query OWNER may not read amount, product of public.orders
    d.toml:2 query OWNER may not read closed.prices
    d.toml:2 query OWNER may not read public.events
    f.toml:2 query OWNER may not read public.events
    ");
    let text = rig.run(&["apply", "--auto-approve"]).ended(1).err().replace("DB_owner", "OWNER");
    assert!(text.contains("GRANT SELECT (amount, product) ON public.orders TO OWNER;"), "{text}");
    assert!(text.contains("GRANT USAGE ON SCHEMA closed TO OWNER;"), "{text}");
    assert_eq!(rig.value("SELECT has_table_privilege('etl', 'a', 'SELECT')"), "true");
    rig.sql_as_superuser(&format!(
        "GRANT SELECT (amount, product) ON orders TO {owner}; GRANT USAGE ON SCHEMA closed TO {owner}; GRANT SELECT ON events TO {owner}"
    ));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    // A mart that is as it was is not asked about; a refresh of it fails.
    rig.sql_as_superuser(&format!("REVOKE SELECT ON events FROM {owner}"));
    rig.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn what_a_role_may_not_make_is_told_before_anything_is_built() {
    let mart =
        |schema: &str, more: &str| format!("type = \"view\"\nschema = \"{schema}\"\nquery = \"SELECT 1 AS x\"\n{more}");
    let rig = Rig::of(&[("a.toml", &mart("open", ""))]);
    let owner = format!("{}_owner", rig.database.name);
    rig.sql_as_superuser(&format!(
        "CREATE ROLE {owner}; GRANT {owner} TO etl; CREATE SCHEMA open; CREATE SCHEMA shut; GRANT ALL ON SCHEMA open TO etl;
         GRANT USAGE ON SCHEMA open, shut TO {owner}, etl"
    ));
    rig.write("b.toml", &mart("shut", ""));
    rig.write("c.toml", &mart("open", &format!("owner = \"{owner}\"\n")));
    rig.write("d.toml", &mart("fresh", ""));
    let told = problems(&rig).join("\n").replace(&owner, "OWNER");
    insta::assert_snapshot!(told, @"
    c.toml:3 query OWNER may make nothing in schema open
    b.toml:3 query etl may make nothing in schema shut
    ");
    let text = rig.run(&["apply", "--auto-approve"]).ended(1).err();
    assert!(text.contains("GRANT USAGE, CREATE ON SCHEMA shut TO etl;"), "{text}");
    assert_eq!(rig.value("SELECT count(*) FROM pg_views WHERE schemaname IN ('open', 'shut', 'fresh')"), "0");
    rig.sql_as_superuser(&format!("GRANT CREATE ON SCHEMA shut TO etl; GRANT CREATE ON SCHEMA open TO {owner}"));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    // What is there needs no such right.
    rig.sql_as_superuser(&format!("REVOKE CREATE ON SCHEMA shut FROM etl; REVOKE CREATE ON SCHEMA open FROM {owner}"));
    rig.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn who_may_only_read_the_registry_is_told_what_writing_takes() {
    let rig = Rig::applied();
    let guest = format!("{}_guest", rig.database.name);
    let url = rig.url.replace("user=etl", &format!("user={guest}"));
    rig.sql_as_superuser(&format!(
        "CREATE ROLE {guest} LOGIN; GRANT USAGE ON SCHEMA datamart TO {guest}; GRANT SELECT ON ALL TABLES IN SCHEMA datamart TO {guest}"
    ));
    let grant = format!(
        "GRANT USAGE ON SCHEMA datamart TO {guest}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA datamart TO {guest};"
    );
    for command in [&["suspend", "sales"][..], &["refresh", "sales"]] {
        let out = rig.run_on(&url, command).ended(1);
        assert!(out.stderr.contains(&format!("help: {grant}")), "{out}");
    }
    rig.sql_as_superuser(&grant);
    rig.run_on(&url, &["suspend", "sales"]).done();
    // Whoever reads rows needs no more than those.
    let out = rig.run_on(&url, &["preview", "sales"]).ended(1);
    assert!(out.stderr.contains(&format!("GRANT SELECT ON public.sales TO {guest};")), "{out}");
    let out = rig.run_on(&url, &["stats", "sales"]).ended(1);
    assert!(out.stderr.contains(&format!("GRANT SELECT ON public.sales TO {guest};")), "{out}");
}

#[test]
fn who_may_not_act_as_the_owner_is_who_connects() {
    let mart = "type = \"materialized_view\"\nquery = \"SELECT id FROM orders\"\nrefresh = { concurrent = false }\n";
    let index = |bound: u8| format!("[[indexes]]\ncolumns = [\"id\"]\nwhere = \"id > {bound}\"\n");
    let rig = Rig::of(&[("sales.toml", &format!("{mart}{}", index(1)))]);
    let owner = format!("{}_owner", rig.database.name);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql_as_superuser(&format!(
        "CREATE ROLE {owner}; GRANT ALL ON SCHEMA public TO {owner}; GRANT SELECT ON orders TO {owner};
         ALTER MATERIALIZED VIEW sales OWNER TO {owner}"
    ));
    let owned = format!("{mart}owner = \"{owner}\"\n");
    let grant = format!("GRANT {owner} TO etl;");
    // Its text is asked for as its owner; what changes in place is changed as such.
    for changed in [format!("{owned}{}", index(2)), format!("{owned}description = \"ours\"\n{}", index(1))] {
        rig.write("sales.toml", &changed);
        let text = rig.run(&["plan"]).ended(1).stderr;
        assert!(text.contains(&grant) && !text.contains(&format!("TO {owner};")), "{text}");
    }
    rig.sql_as_superuser(&grant);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
}

#[test]
fn what_cannot_be_refreshed_as_asked_is_refused_before_anything_begins() {
    let manifest = |n: u8| format!("type = \"materialized_view\"\nquery = \"SELECT {n} AS n\"\n");
    let rig = Rig::of(&[("a.toml", &manifest(1)), ("b.toml", &manifest(2))]);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    insta::assert_snapshot!(rig.run(&["refresh", "a", "--concurrent", "true", "-q"]).ended(1).err(), @"
    error: CONCURRENTLY needs a unique index on plain columns of public.a, without a predicate
    help: refresh it without --concurrent true; with a unique index in its manifest readers need not wait
    ");
    insta::assert_snapshot!(rig.run(&["refresh", "--all", "--concurrent", "true", "-q"]).ended(1).err(), @"
    error: 2 marts cannot be refreshed CONCURRENTLY
      caused by: CONCURRENTLY needs a unique index on plain columns of public.a, without a predicate
      caused by: CONCURRENTLY needs a unique index on plain columns of public.b, without a predicate
    help: refresh it without --concurrent true; with a unique index in its manifest readers need not wait
    ");
    let told = rig.run(&["refresh", "a", "--concurrent", "true", "--format", "json"]).ended(1).json();
    assert_eq!(told["error"]["kind"], "usage");
    assert_eq!(rig.value("SELECT count(*) FROM datamart.refreshes"), "0");
    rig.run(&["refresh", "--all", "-q"]).done();
}

/// One query that is refused hides nothing of the others.
#[test]
fn drift_is_told_beside_what_cannot_be_compiled() {
    let more = "type = \"view\"\nquery = \"SELECT n FROM sales\"\n";
    let sales = "type = \"materialized_view\"\nquery = \"SELECT n FROM numbers\"\n[[indexes]]\ncolumns = [\"n\"]\nunique = true\n";
    let other = sales.replace("SELECT n", "SELECT n + 1 AS n");
    let rig = Rig::of(&[("sales.toml", sales), ("reads.toml", more), ("other.toml", &other)]);
    rig.sql("CREATE TABLE numbers AS SELECT 1 AS n");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql("COMMENT ON MATERIALIZED VIEW other IS 'by hand'; DROP INDEX other_n_idx");
    rig.write("sales.toml", &sales.replace("SELECT n", "SELECT n, nobody"));
    let out = rig.run(&["drift"]).ended(2);
    assert!(out.stdout.starts_with("! public.other (materialized_view): index other_n_idx was removed\n"), "{out}");
    assert!(out.stderr.contains("only what is gone was looked for"), "{out}");
    assert!(out.stderr.contains("sales.toml"), "{out}");
    rig.sql("CREATE UNIQUE INDEX other_n_idx ON other (n)");
    let out = rig.run(&["drift"]).ended(1);
    assert!(out.stdout.is_empty() && out.stderr.contains("PostgreSQL refuses 1 declaration"), "{out}");
}

/// The view of a mart with versions reads them, which is nobody's business.
#[test]
fn no_mart_is_told_to_read_itself() {
    let versioned = |query: &str| format!("type = \"table\"\nquery = \"{query}\"\n[versions]\nkeep = 2\n");
    let rig = Rig::of(&[("a.toml", &versioned("SELECT nope")), ("b.toml", &versioned("SELECT * FROM a"))]);
    let told = rig.run(&["plan"]).ended(1);
    assert!(told.stderr.lines().any(|line| line.ends_with("read one of these: public.b")), "{told}");
}
