//! Faults: a clear error with a way out, exit code 1, no panic, and a second run that converges.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use datamart::database::Endpoint;
use nix::sys::signal::Signal;

use crate::cli::rig::{Out, ROLE, Rig, bare, finish, folder};
use crate::support::database::{run, server};

/// What a killed or broken apply must leave no trace of: everything that is ours in the database, without times and numbers.
const DUMP: &str = "
    SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
        SELECT format('%s %s.%s %s %s %s %s %s %s', c.relkind, n.nspname, c.relname, c.relowner::regrole, c.reloptions, c.relacl,
                      c.relispopulated, obj_description(c.oid), CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END)
          FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('public', 'deep') AND c.relkind IN ('r', 'm', 'v', 'p')
        UNION ALL
        SELECT format('column %s.%s %s %s %s %s', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                      a.attacl, col_description(a.attrelid, a.attnum))
          FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('public', 'deep') AND c.relkind IN ('r', 'm', 'v', 'p') AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT format('index %s valid %s', pg_get_indexdef(i.indexrelid), i.indisvalid)
          FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('public', 'deep')
        UNION ALL
        SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
         WHERE connamespace::regnamespace::text IN ('public', 'deep')
        UNION ALL
        SELECT format('schema %s %s', nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|faults)'
        UNION ALL
        SELECT format('mart %s %s.%s %s %s %s %s %s %s', project, schema, name, kind, status, fingerprint, file, declared, applied)
          FROM datamart.marts
        UNION ALL
        SELECT format('lock %s', l) FROM pg_locks AS l WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) AS dump (line)";

/// Stops every apply before its `k`-th statement that changes the catalog or the registry, at a lock that the test holds.
const HALT: &str = "
    CREATE SCHEMA faults;
    CREATE SEQUENCE faults.step;
    CREATE TABLE faults.stop (at bigint);
    INSERT INTO faults.stop VALUES (0);
    CREATE FUNCTION faults.pause() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF current_setting('application_name') = 'datamart: apply' AND nextval('faults.step') = (SELECT at FROM faults.stop) THEN
            PERFORM pg_advisory_xact_lock_shared(4711);
        END IF;
    END $$;
    CREATE FUNCTION faults.at_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN PERFORM faults.pause(); END';
    CREATE FUNCTION faults.at_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN PERFORM faults.pause(); RETURN NULL; END';
    CREATE EVENT TRIGGER halt ON ddl_command_start EXECUTE FUNCTION faults.at_ddl();";
const HALT_AT_ROWS: &str = "
    CREATE TRIGGER halt AFTER INSERT OR UPDATE OR DELETE ON datamart.marts EXECUTE FUNCTION faults.at_row();
    CREATE TRIGGER halt AFTER INSERT OR UPDATE ON datamart.applies EXECUTE FUNCTION faults.at_row();";

const PROJECT: &str = "[project]\nname = \"shop\"\n[database]\nlock_timeout = \"60s\"\npublish_lock_timeout = \"60s\"\n";

/// Before: what is there.
const BEFORE: &[(&str, &str)] = &[
    ("project.toml", PROJECT),
    ("kept.toml", "type = \"table\"\nprimary_key = [\"id\"]\nquery = \"SELECT id, day, amount FROM orders\"\n"),
    ("sums.toml", "type = \"materialized_view\"\nquery = \"SELECT day, sum(amount) AS total FROM orders GROUP BY day\"\n[[indexes]]\ncolumns = [\"day\"]\nunique = true\n"),
    ("above.toml", "type = \"view\"\nquery = \"SELECT day, total FROM sums\"\n"),
    ("old.toml", "type = \"table\"\nquery = \"SELECT kind FROM events\"\n"),
];

/// After: a comment, an index, a grant, a replaced materialized view, a view, a table in a new schema; one goes.
const AFTER: &[(&str, &str)] = &[
    ("kept.toml", "type = \"table\"\nprimary_key = [\"id\"]\ndescription = \"kept\"\nquery = \"SELECT id, day, amount FROM orders\"\n[[indexes]]\ncolumns = [\"day\"]\n[[grants]]\nrole = \"etl\"\nprivileges = [\"SELECT\"]\n"),
    ("sums.toml", "type = \"materialized_view\"\nquery = \"SELECT day, max(amount) AS total FROM orders GROUP BY day\"\n[[indexes]]\ncolumns = [\"day\"]\nunique = true\n[[indexes]]\ncolumns = [\"total\"]\n"),
    ("above.toml", "type = \"view\"\nquery = \"SELECT day, total + 1 AS more FROM sums\"\n"),
    ("new.toml", "type = \"table\"\nschema = \"deep\"\nprimary_key = [\"kind\"]\nquery = \"SELECT kind, count(*) AS events FROM events GROUP BY kind\"\n"),
];

fn before(rig: &Rig) {
    for (name, text) in BEFORE {
        rig.write(name, text);
    }
    let _ = std::fs::remove_file(rig.folder.path().join("datamarts/new.toml"));
    rig.run(&["apply", "--auto-approve", "--prune", "-q"]).done();
}

fn after(rig: &Rig) {
    for (name, text) in AFTER {
        rig.write(name, text);
    }
    rig.remove("old.toml");
    rig.sql_as_superuser("ALTER SEQUENCE faults.step RESTART");
}

const APPLY: &[&str] = &["apply", "--auto-approve", "--prune"];

/// A shop that goes from `BEFORE` to `AFTER`: what an undisturbed apply ends in, and in how many statements.
fn undisturbed() -> (Rig, String, u32) {
    let rig = Rig::of(BEFORE);
    rig.sql(crate::cli::rig::ORDERS);
    rig.sql_as_superuser(HALT);
    before(&rig);
    rig.sql_as_superuser(HALT_AT_ROWS);
    after(&rig);
    rig.run(APPLY).done();
    let steps = rig.value("SELECT last_value FROM faults.step").parse().expect("a number");
    let dump = rig.value(DUMP);
    assert!(dump.contains("table deep.new") || dump.contains("r deep.new"), "{dump}");
    (rig, dump, steps)
}

/// Runs an apply up to its `at`-th statement and does something to it there. `None` where it ended before.
fn stopped_at(rig: &Rig, at: u32, args: &[&str], fault: impl FnOnce(&crate::cli::rig::Running)) -> Out {
    rig.sql_as_superuser(&format!("UPDATE faults.stop SET at = {at}"));
    let held = rig.hold("SELECT pg_advisory_xact_lock(4711)");
    let command = rig.start(args);
    rig.until(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'datamart: apply' \
         AND wait_event = 'advisory'",
    );
    fault(&command);
    let out = command.finish();
    rig.sql_as_superuser("UPDATE faults.stop SET at = 0");
    held.release();
    out
}

#[test]
fn an_apply_that_is_killed_at_any_step_is_finished_by_the_next() {
    let (rig, expected, steps) = undisturbed();
    assert!(steps >= 10, "only {steps} steps");
    for at in 1..=steps {
        before(&rig);
        after(&rig);
        let out = stopped_at(&rig, at, APPLY, |command| command.signal(Signal::SIGKILL));
        assert_eq!(out.code, None, "step {at}: {out}");
        // At once: what the killed one left on the server may still be at work.
        rig.run(APPLY).done();
        let found = rig.value(DUMP);
        assert_eq!(found, expected, "killed before statement {at} of {steps}");
        let plan = rig.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(plan.code, Some(0), "step {at}: {plan}");
    }
    assert_eq!(rig.value("SELECT count(*) FROM datamart.applies WHERE status = 'running'"), "0");
}

#[test]
fn a_first_apply_that_is_killed_leaves_no_half_registry() {
    let at_all = |at: u32| {
        let rig = Rig::of(BEFORE);
        rig.sql(crate::cli::rig::ORDERS);
        rig.sql_as_superuser(HALT);
        if at > 0 {
            let out = stopped_at(&rig, at, APPLY, |command| command.signal(Signal::SIGKILL));
            assert_eq!(out.code, None, "step {at}: {out}");
        }
        rig.run(APPLY).done();
        (rig.value(DUMP), rig.value("SELECT last_value FROM faults.step").parse::<u32>().expect("a number"))
    };
    let (expected, steps) = at_all(0);
    for at in (1..=steps).step_by(9) {
        assert_eq!(at_all(at).0, expected, "killed before statement {at} of {steps}");
    }
}

#[test]
fn a_connection_lost_in_the_middle_of_an_apply() {
    let (rig, expected, steps) = undisturbed();
    let mut said = BTreeSet::new();
    for at in [steps / 3, steps / 2, steps - 2, steps] {
        before(&rig);
        after(&rig);
        let out = stopped_at(&rig, at, APPLY, |_| {
            rig.sql_as_superuser(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'datamart: apply'",
            );
        });
        let out = out.ended(1);
        assert!(out.stderr.contains("terminat"), "step {at}: {out}");
        said.insert(out.err());
        rig.run(APPLY).done();
        assert_eq!(rig.value(DUMP), expected, "lost before statement {at} of {steps}");
    }
    insta::assert_snapshot!(said.into_iter().next().unwrap_or_default(), @"");
}

#[test]
fn ctrl_c_ends_an_apply() {
    let (rig, expected, steps) = undisturbed();
    before(&rig);
    after(&rig);
    let began = Instant::now();
    let out = stopped_at(&rig, steps / 2, APPLY, |command| command.signal(Signal::SIGINT));
    assert!(began.elapsed() < Duration::from_secs(20));
    insta::assert_snapshot!(out.ended(1).err(), @"");
    assert_eq!(rig.value("SELECT status FROM datamart.applies ORDER BY id DESC LIMIT 1"), "cancelled");
    rig.run(APPLY).done();
    assert_eq!(rig.value(DUMP), expected);
}

/// A mart whose build sleeps once its source says so.
const SLOW: &str = "type = \"table\"\nprimary_key = [\"id\"]\nquery = \"SELECT id, pg_sleep(CASE WHEN amount < 0 THEN 60 ELSE 0 END) IS NULL AS slept FROM orders\"\n";

#[test]
fn ctrl_c_during_a_refresh_leaves_the_old_rows() {
    let rig = Rig::applied();
    rig.write("slow.toml", SLOW);
    rig.write("reads.toml", "type = \"table\"\nquery = \"SELECT count(*) AS n FROM slow\"\n");
    rig.run(&["apply", "--auto-approve"]).done();
    rig.sql("UPDATE orders SET amount = -1 WHERE id = 1");
    for (signal, format) in [(Signal::SIGINT, "text"), (Signal::SIGTERM, "json")] {
        let refresh = rig.start(&["refresh", "slow", "reads", "--format", format]);
        rig.until(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep' \
             AND application_name LIKE 'datamart: refresh%'",
        );
        refresh.signal(signal);
        let out = refresh.finish().ended(1);
        match format {
            "text" => insta::assert_snapshot!(out, @""),
            _ => assert_eq!(out.json()["runs"][0]["status"], "cancelled", "{out}"),
        }
    }
    assert_eq!(rig.value("SELECT count(*) FROM slow"), "200");
    assert_eq!(rig.value("SELECT string_agg(status, ' ' ORDER BY run) FROM datamart.refreshes WHERE mart = 'slow'"), "cancelled cancelled");
    assert_eq!(rig.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'"), "0");
    insta::assert_snapshot!(rig.run(&["unlock"]).done().out(), @"");
    rig.sql("UPDATE orders SET amount = 1 WHERE id = 1");
    rig.run(&["refresh", "slow", "reads"]).done();
}

#[test]
fn a_refresh_that_is_killed_is_told_as_failed_and_done_by_the_next() {
    let rig = Rig::applied();
    rig.write("slow.toml", SLOW);
    rig.run(&["apply", "--auto-approve"]).done();
    rig.sql("UPDATE orders SET amount = -1 WHERE id = 1");
    let refresh = rig.start(&["refresh", "slow"]);
    rig.until("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'");
    insta::assert_snapshot!(state_of(&rig, "slow"), @"");
    refresh.signal(Signal::SIGKILL);
    let _ = refresh.finish();
    // The server notices the end of the client by itself.
    rig.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'datamart: refresh%'");
    insta::assert_snapshot!(state_of(&rig, "slow"), @"");
    rig.sql("UPDATE orders SET amount = 1 WHERE id = 1");
    rig.run(&["refresh", "slow"]).done();
    assert_eq!(rig.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'"), "0");
    insta::assert_snapshot!(state_of(&rig, "slow"), @"");
    insta::assert_snapshot!(rig.value("SELECT string_agg(status || coalesce(' ' || (error ->> 'message'), ''), ', ' ORDER BY run) FROM datamart.refreshes"), @"");
}

fn state_of(rig: &Rig, mart: &str) -> String {
    let json = rig.run(&["status", "--format", "json"]).done().json();
    let marts = json["marts"].as_array().expect("marts").iter();
    marts.filter(|m| m["name"] == mart).map(|m| m["status"].to_string()).collect()
}

#[test]
fn no_server() {
    let rig = Rig::shop();
    let nobody = "postgres://ana:s3cret@127.0.0.1:1/shop";
    insta::assert_snapshot!(rig.run_on(nobody, &["plan"]), @"");
    insta::assert_snapshot!(rig.run_on(nobody, &["apply", "--auto-approve", "--format", "json"]), @"");
    insta::assert_snapshot!(rig.run_on("postgresql:///shop?host=/nonexistent&user=ana", &["refresh", "--all"]), @"");
    insta::assert_snapshot!(rig.run_on("postgres://ana@no-such-host.invalid/shop", &["status"]).ended(1).stderr.lines().next().unwrap_or_default(), @"");
    let none = rig.url.replace(&format!("/{}?", rig.database.name), "/no_such_shop?");
    insta::assert_snapshot!(rig.run_on(&none, &["plan"]), @"");
    let nobody = rig.url.replace(&format!("user={ROLE}"), "user=nobody_of_that_name");
    insta::assert_snapshot!(rig.run_on(&nobody, &["plan"]), @"");
}

#[test]
fn a_password_is_never_printed() {
    let rig = Rig::shop();
    let (role, password) = (format!("{}_clerk", rig.database.name), "corr3ct-h0rse");
    rig.sql_as_superuser(&format!("CREATE ROLE {role} LOGIN PASSWORD '{password}'; GRANT {ROLE} TO {role}; ALTER ROLE {role} SET role = {ROLE}"));
    // Everybody else is trusted on the tests' server.
    let hba = server().data_dir.join("pg_hba.conf");
    let lines = std::fs::read_to_string(&hba).expect("pg_hba.conf");
    std::fs::write(&hba, format!("local {} {role} scram-sha-256\n{lines}", rig.database.name)).expect("pg_hba.conf");
    rig.sql_as_superuser("SELECT pg_reload_conf()");
    let url = |password: &str| rig.url.replace("postgresql:///", &format!("postgresql://{role}:{password}@localhost/")).replace(&format!("&user={ROLE}"), "");
    let wrong = Endpoint::from_url(&url("wr0ng-w0rd")).expect("an endpoint");
    let deadline = Instant::now() + Duration::from_secs(20);
    while run(wrong.session("test")).is_ok() {
        assert!(Instant::now() < deadline, "the password is never asked for");
    }
    let mut told = String::new();
    for args in [&["plan"][..], &["status", "--format", "json"], &["-vv", "apply", "--auto-approve"], &["psql", "-c", "SELECT 1"]] {
        let out = rig.run_on(&url("wr0ng-w0rd"), args);
        assert_ne!(out.code, Some(0), "{out}");
        told.push_str(&(out.stdout + &out.stderr));
    }
    insta::assert_snapshot!(rig.run_on(&url("wr0ng-w0rd"), &["plan"]).err().replace(&role, "CLERK").replace("DB_clerk", "CLERK"), @"");
    assert!(!told.contains("wr0ng-w0rd"), "{told}");
    let right = url(password);
    rig.write("project.toml", &format!("[project]\nname = \"shop\"\n[database]\nurl = \"{right}\"\n"));
    let mut said = String::new();
    for args in [
        &["validate"][..], &["plan", "--out", "shop.plan"], &["plan", "--format", "json"], &["-vv", "apply", "--auto-approve"],
        &["apply", "--format", "json"], &["-vv", "refresh", "--all"], &["drift"], &["status"], &["list", "--stats", "--format", "json"],
        &["stats", "sales"], &["preview", "sales"], &["history", "--format", "json"], &["explain", "sales"], &["unlock"], &["claim"],
        &["psql", "-Atc", "SELECT 1"],
    ] {
        let out = rig.run_on(&right, args).done();
        said.push_str(&(out.stdout + &out.stderr));
    }
    said.push_str(&std::fs::read_to_string(rig.folder.path().join("shop.plan")).expect("the plan"));
    assert!(said.contains("literal password"), "a warning about the file: {said}");
    let tables = rig.value("SELECT string_agg(format('SELECT t::text FROM %s AS t', oid::regclass), ' UNION ALL ') FROM pg_class WHERE relnamespace = 'datamart'::regnamespace AND relkind = 'r'");
    said.push_str(&rig.value(&format!("SELECT string_agg(t, ' ') FROM ({tables}) AS r (t)")));
    assert!(said.contains(&rig.database.name) && said.contains("success"), "{said}");
    assert!(!said.contains(password), "{}", &said[said.find(password).unwrap_or(0).saturating_sub(300)..]);
    assert!(rig.run_on(&right, &["url"]).done().stdout.contains(password));
}

#[test]
fn every_missing_privilege_is_printed_as_a_grant() {
    let rig = Rig::shop();
    let role = format!("{}_poor", rig.database.name);
    rig.sql_as_superuser(&format!(
        "CREATE ROLE {role} LOGIN; ALTER SCHEMA public OWNER TO postgres; REVOKE ALL ON SCHEMA public FROM public; \
         CREATE SCHEMA own AUTHORIZATION {role}; GRANT USAGE ON SCHEMA public TO {role}"
    ));
    let url = rig.url.replace(&format!("user={ROLE}"), &format!("user={role}"));
    let mut told = String::new();
    // Does what each error says, until there is none.
    for _ in 0..10 {
        let out = rig.run_on(&url, &["apply", "--auto-approve"]);
        if out.code == Some(0) {
            break;
        }
        assert_eq!(out.code, Some(1), "{out}");
        let err = out.err().replace("DB_poor", "POOR");
        let grants = regex::Regex::new("GRANT [^;]*;").expect("a pattern");
        let said: Vec<&str> = grants.find_iter(&out.stderr).map(|found| found.as_str()).collect();
        assert!(!said.is_empty(), "{err}");
        told.push_str(&format!("{err}\n"));
        rig.sql_as_superuser(&said.concat());
    }
    insta::assert_snapshot!(told, @"");
    rig.run_on(&url, &["plan", "--detailed-exitcode"]).done();
    rig.sql_as_superuser(&format!("REVOKE SELECT ON orders FROM {role}"));
    insta::assert_snapshot!(rig.run_on(&url, &["refresh", "sales"]).ended(1).out().replace("DB_poor", "POOR"), @"");
}

#[test]
fn a_source_that_is_gone_or_altered() {
    let rig = Rig::applied();
    rig.sql("ALTER TABLE events RENAME TO moved");
    insta::assert_snapshot!(rig.run(&["refresh", "event_counts"]), @"");
    insta::assert_snapshot!(rig.run(&["plan"]), @"");
    insta::assert_snapshot!(state_of(&rig, "event_counts"), @"");
    assert_eq!(rig.value("SELECT count(*) FROM event_counts"), "3");
    rig.sql("ALTER TABLE moved RENAME TO events; ALTER TABLE events RENAME kind TO sort");
    insta::assert_snapshot!(rig.run(&["refresh", "event_counts"]).ended(1).out(), @"");
    insta::assert_snapshot!(rig.run(&["apply", "--auto-approve"]), @"");
    rig.sql("ALTER TABLE events RENAME sort TO kind");
    rig.run(&["apply", "--auto-approve"]).done();
    rig.run(&["refresh", "--all"]).done();
    insta::assert_snapshot!(state_of(&rig, "event_counts"), @"");
}

#[test]
fn a_statement_that_takes_too_long() {
    let rig = Rig::applied();
    rig.write("project.toml", "[project]\nname = \"shop\"\n[database]\nstatement_timeout = \"1s\"\n");
    rig.sql("UPDATE orders SET amount = -1 WHERE id = 1");
    rig.write("slow.toml", SLOW);
    rig.write("zero.toml", "type = \"table\"\nquery = \"SELECT 0 AS zero\"\n");
    insta::assert_snapshot!(rig.run(&["apply", "--auto-approve"]).ended(1).err(), @"");
    assert_eq!(rig.value("SELECT to_regclass('slow') IS NULL"), "true");
    rig.sql("UPDATE orders SET amount = 1 WHERE id = 1");
    rig.run(&["apply", "--auto-approve"]).done();
    rig.sql("UPDATE orders SET amount = -1 WHERE id = 1");
    insta::assert_snapshot!(rig.run(&["refresh", "slow"]), @"");
    assert_eq!(rig.value("SELECT count(*) FROM slow"), "200");
    rig.sql("UPDATE orders SET amount = 1 WHERE id = 1");
    rig.run(&["refresh", "slow"]).done();
}

#[test]
fn a_lock_of_somebody_else_is_waited_for_only_so_long() {
    let rig = Rig::applied();
    rig.write("project.toml", "[project]\nname = \"shop\"\n[database]\nlock_timeout = \"100ms\"\n");
    rig.write("event_counts.toml", "type = \"table\"\ndescription = \"by kind\"\nquery = \"SELECT kind, count(*) AS events FROM events GROUP BY kind\"\n");
    let held = rig.hold("LOCK TABLE event_counts IN ACCESS EXCLUSIVE MODE");
    insta::assert_snapshot!(rig.run(&["apply", "--auto-approve"]).ended(1).err(), @"");
    held.release();
    rig.run(&["apply", "--auto-approve"]).done();
}

#[test]
fn a_database_that_is_read_only() {
    let rig = Rig::applied();
    rig.sql_as_superuser(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", rig.database.name));
    rig.write("zero.toml", "type = \"table\"\nquery = \"SELECT 0 AS zero\"\n");
    for args in [&["status"][..], &["list"], &["stats", "sales"], &["preview", "sales"], &["history"], &["explain", "sales"], &["unlock"]] {
        rig.run(args).done();
    }
    insta::assert_snapshot!(rig.run(&["apply", "--auto-approve"]).ended(1).err(), @"");
    insta::assert_snapshot!(rig.run(&["refresh", "sales"]).ended(1), @"");
}

#[test]
fn the_embedded_server_without_postgresql() {
    let dir = folder(&[
        ("project.toml", "[embedded]\n"),
        ("one.toml", "type = \"view\"\nquery = \"SELECT 1 AS one\"\n"),
    ]);
    let mut command = bare(dir.path(), &["apply", "--auto-approve"]);
    command.env("DATAMART_POSTGRES_BIN", "/nonexistent");
    let out = finish(command, dir.path()).ended(1);
    let package = regex::Regex::new("`[^`]*`").expect("a pattern").replace(&out.err(), "`INSTALL`").into_owned();
    insta::assert_snapshot!(package, @"");
    assert!(out.stderr.contains("postgresql"), "{out}");
}

#[test]
fn a_seed_that_fails_leaves_no_database() {
    let dir = folder(&[
        ("project.toml", "[embedded]\nseed = \"seed.sql\"\n"),
        ("seed.sql", "CREATE TABLE a (id int);\nINSERT INTO a VALUES ('x');\n"),
        ("one.toml", "type = \"view\"\nquery = \"SELECT * FROM a\"\n"),
    ]);
    insta::assert_snapshot!(finish(bare(dir.path(), &["apply", "--auto-approve"]), dir.path()), @"");
    std::fs::write(dir.path().join("datamarts/seed.sql"), "CREATE TABLE a (id int);").expect("a seed");
    finish(bare(dir.path(), &["apply", "--auto-approve"]), dir.path()).done();
}
