//! Faults: a clear error with a way out, exit code 1, no panic, and a second run that converges.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use datamart::database::embedded::{self, Embedded};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::cli::rig::{Out, ROLE, Rig, Running, bare, finish, folder};
use crate::support::database::{asks_for_password, ephemeral, run};
use crate::support::folder::Folder;

/// What a killed or broken apply must leave no trace of: everything that is ours in the database, without times and numbers.
pub const DUMP: &str = "
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
pub const HALT: &str = "
    DO $$ BEGIN CREATE ROLE bi_reader; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
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
    CREATE FUNCTION faults.at_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        -- DROP INDEX CONCURRENTLY suffers no counting before it.
        IF tg_tag <> 'DROP INDEX' THEN PERFORM faults.pause(); END IF;
    END $$;
    CREATE FUNCTION faults.at_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN PERFORM faults.pause(); RETURN NULL; END';
    CREATE EVENT TRIGGER halt ON ddl_command_start EXECUTE FUNCTION faults.at_ddl();";
pub const HALT_AT_ROWS: &str = "
    CREATE TRIGGER halt AFTER INSERT OR UPDATE OR DELETE ON datamart.marts EXECUTE FUNCTION faults.at_row();
    CREATE TRIGGER halt AFTER INSERT OR UPDATE ON datamart.applies EXECUTE FUNCTION faults.at_row();";

pub const PROJECT: &str =
    "[project]\nname = \"shop\"\n[database]\nlock_timeout = \"60s\"\npublish_lock_timeout = \"60s\"\n";

/// Before: what is there.
const BEFORE: &[(&str, &str)] = &[
    ("project.toml", PROJECT),
    (
        "kept.toml",
        "type = \"table\"\nprimary_key = [\"id\"]\ngrants = []\ndescription = \"\"\nquery = \"SELECT id, day, amount FROM orders\"\n",
    ),
    (
        "sums.toml",
        "type = \"materialized_view\"\nquery = \"SELECT day, sum(amount) AS total FROM orders GROUP BY day\"\n[[indexes]]\ncolumns = [\"day\"]\nunique = true\n",
    ),
    ("above.toml", "type = \"view\"\nquery = \"SELECT day, total FROM sums\"\n"),
    ("old.toml", "type = \"table\"\nquery = \"SELECT kind FROM events\"\n"),
];

/// After: a comment, an index, a grant, a replaced materialized view, a view, a table in a new schema; one goes.
const AFTER: &[(&str, &str)] = &[
    (
        "kept.toml",
        "type = \"table\"\nprimary_key = [\"id\"]\ndescription = \"kept\"\nquery = \"SELECT id, day, amount FROM orders\"\n[[indexes]]\ncolumns = [\"day\"]\n[[grants]]\nrole = \"bi_reader\"\nprivileges = [\"SELECT\"]\n",
    ),
    (
        "sums.toml",
        "type = \"materialized_view\"\nquery = \"SELECT day, max(amount) AS total FROM orders GROUP BY day\"\n[[indexes]]\ncolumns = [\"day\"]\nunique = true\n[[indexes]]\ncolumns = [\"total\"]\n",
    ),
    ("above.toml", "type = \"view\"\nquery = \"SELECT day, total + 1 AS more FROM sums\"\n"),
    (
        "new.toml",
        "type = \"table\"\nschema = \"deep\"\nprimary_key = [\"kind\"]\nquery = \"SELECT kind, count(*) AS events FROM events GROUP BY kind\"\n",
    ),
];

fn before(rig: &Rig) {
    for (name, text) in BEFORE {
        rig.write(name, text);
    }
    let _ = std::fs::remove_file(rig.folder.path().join("datamarts/new.toml"));
    rig.run(&["apply", "--auto-approve", "--prune", "-q"]).done();
    rig.sql("DROP SCHEMA IF EXISTS deep");
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
pub fn stopped_at(rig: &Rig, at: u32, args: &[&str], fault: impl FnOnce(&Running)) -> Out {
    stopped_in(rig, "apply", at, args, fault)
}

/// The same with a command whose session is `datamart: <purpose>`.
pub fn stopped_in(rig: &Rig, purpose: &str, at: u32, args: &[&str], fault: impl FnOnce(&Running)) -> Out {
    rig.sql_as_superuser(&format!("UPDATE faults.stop SET at = {at}"));
    let held = rig.hold("SELECT pg_advisory_xact_lock(4711)");
    let command = rig.start(args);
    rig.until(&format!(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'datamart: {purpose}' \
         AND wait_event = 'advisory'"
    ));
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
    }
    rig.run(&["plan", "--detailed-exitcode"]).done();
    assert_eq!(rig.value("SELECT count(*) FROM datamart.applies WHERE status = 'running'"), "0");
}

/// A chain and a diamond of tables, materialized views and views; every row says of which generation it is.
fn sub_graph(rig: &Rig, generation: u32) {
    let mart = |name: &str, text: String| rig.write(&format!("{name}.toml"), &text);
    let root = format!(
        "type = \"table\"\nprimary_key = [\"id\"]\nquery = \"SELECT id, day, {generation} AS of FROM orders\"\n"
    );
    mart("a", root);
    mart("b", "type = \"materialized_view\"\nquery = \"SELECT day, of, count(*) AS n FROM a GROUP BY 1, 2\"\n[[indexes]]\ncolumns = [\"day\"]\nunique = true\n".to_owned());
    mart("c", "type = \"view\"\nquery = \"SELECT id, day, of FROM a\"\n".to_owned());
    let new = if generation > 1 { " JOIN e USING (day, of)" } else { "" };
    mart(
        "d",
        format!(
            "type = \"table\"\ndescription = \"both\"\nquery = \"SELECT c.id, of FROM b JOIN c USING (day, of){new}\"\n"
        ),
    );
    mart("top", "type = \"view\"\nquery = \"SELECT of FROM d\"\n".to_owned());
    match generation > 1 {
        true => mart("e", "type = \"materialized_view\"\nquery = \"SELECT DISTINCT day, of FROM b\"\n[[indexes]]\ncolumns = [\"day\"]\nunique = true\n".to_owned()),
        false => drop(std::fs::remove_file(rig.folder.path().join("datamarts/e.toml"))),
    }
}

/// The generations that a reader of all relations sees.
const GENERATIONS: &str = "SELECT string_agg(DISTINCT of::text, ' and ') FROM (SELECT of FROM a UNION ALL SELECT of FROM b UNION ALL \
     SELECT of FROM c UNION ALL SELECT of FROM d UNION ALL SELECT of FROM top) AS t";

fn with_sub_graph() -> Rig {
    let rig = Rig::of(&[("project.toml", PROJECT)]);
    rig.sql(crate::cli::rig::ORDERS);
    sub_graph(&rig, 1);
    rig.sql_as_superuser(HALT);
    rig.run(APPLY).done();
    rig.sql_as_superuser(HALT_AT_ROWS);
    rig
}

#[test]
fn a_replacement_of_a_sub_graph_that_is_killed_at_any_step_is_all_old_or_all_new() {
    let rig = with_sub_graph();
    let there_again = || {
        sub_graph(&rig, 1);
        rig.run(&["apply", "--auto-approve", "--prune", "-q"]).done();
        sub_graph(&rig, 2);
        rig.sql_as_superuser("ALTER SEQUENCE faults.step RESTART");
    };
    there_again();
    rig.run(APPLY).done();
    let steps: u32 = rig.value("SELECT last_value FROM faults.step").parse().expect("a number");
    let expected = rig.value(DUMP);
    assert!(steps >= 25, "only {steps} steps");
    assert_eq!(rig.value(GENERATIONS), "2");
    let mut published = BTreeSet::new();
    for at in 1..=steps {
        there_again();
        let out = stopped_at(&rig, at, APPLY, |command| command.signal(Signal::SIGKILL));
        assert_eq!(out.code, None, "step {at}: {out}");
        // The server ends what the killed one left at work.
        rig.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'datamart: apply'");
        let seen = rig.value(GENERATIONS);
        assert!(seen == "1" || seen == "2", "killed before statement {at} of {steps}: readers see {seen}");
        let new = rig.value("SELECT to_regclass('e') IS NOT NULL");
        assert_eq!(
            new == "true",
            seen == "2",
            "killed before statement {at} of {steps}: the new mart and the old ones part"
        );
        published.insert(seen);
        rig.run(APPLY).done();
        assert_eq!(rig.value(DUMP), expected, "killed before statement {at} of {steps}");
    }
    assert_eq!(Vec::from_iter(published), ["1", "2"]);
}

#[test]
fn what_a_killed_apply_built_is_published_and_not_built_again() {
    let rig = with_sub_graph();
    sub_graph(&rig, 2);
    // Somebody reads for long: the publication gets no lock until it gives up.
    rig.write("project.toml", "[project]\nname = \"shop\"\n[database]\npublish_lock_timeout = \"1ms\"\n");
    let held = rig.hold("SELECT count(*) FROM a");
    let out = rig.run(APPLY).ended(1);
    held.release();
    insta::assert_snapshot!(out.err(), @"
    error: public.a: DROP TABLE public.a
      caused by: canceling statement due to lock timeout
    help: somebody has it open, perhaps in a long query or an idle transaction: it was asked for 20 times, for publish_lock_timeout in [database] each; see pg_stat_activity
    help: done: nothing; not done: public.a, public.b, public.c, public.e, public.d, public.top
    help: built aside, and published by the next apply if nothing changes until then: public.a, public.b, public.c, public.e, public.d
    help: applying again finishes the job
    ");
    assert_eq!(rig.value(GENERATIONS), "1");
    let built = "SELECT string_agg(c.oid || ' ' || c.relfilenode, ', ' ORDER BY c.oid) FROM pg_class AS c \
         WHERE c.relkind IN ('r', 'm') AND c.relnamespace = 'public'::regnamespace AND c.relname";
    let aside = rig.value(&format!("{built} IN ('a__next', 'b__next', 'd__next', 'e__next')"));
    assert_eq!(aside.split(", ").count(), 4, "{aside}");
    let saved = rig.run(&["plan", "--out", "plan.json"]).done();
    assert_eq!(saved.stdout.matches("built aside already by an apply that was interrupted").count(), 5, "{saved}");
    rig.run(APPLY).done();
    assert_eq!(rig.value(&format!("{built} IN ('a', 'b', 'd', 'e')")), aside);
    assert_eq!(rig.value(GENERATIONS), "2");
    // What the saved plan was to publish is published.
    insta::assert_snapshot!(rig.run(&["apply", "plan.json", "--auto-approve"]).ended(1).err(), @"
    error: the plan is stale: what it read has changed since
      caused by: public.a was applied by somebody else
      caused by: public.b changed
      caused by: public.c changed
      caused by: public.d was applied by somebody else
      caused by: public.e exists now
      caused by: public.e was applied by somebody else
      caused by: public.top changed
      caused by: public.a__next is gone
      caused by: public.b__next is gone
      caused by: public.c__next is gone
      caused by: public.d__next is gone
      caused by: public.e__next is gone
    help: plan again
    ");
}

#[test]
fn what_a_killed_apply_built_and_nobody_wants_any_more_goes() {
    let rig = with_sub_graph();
    sub_graph(&rig, 2);
    rig.write("project.toml", "[project]\nname = \"shop\"\n[database]\npublish_lock_timeout = \"1ms\"\n");
    let held = rig.hold("SELECT count(*) FROM a");
    rig.run(APPLY).ended(1);
    held.release();
    sub_graph(&rig, 1);
    let saved = rig.run(&["plan", "--detailed-exitcode", "--out", "plan.json"]);
    insta::assert_snapshot!(saved, @"
    exit 0
    --- stdout
    Transaction 1
      BEGIN;
      DROP VIEW public.c__next;
      DROP TABLE public.d__next;
      DROP MATERIALIZED VIEW public.e__next;
      DROP MATERIALIZED VIEW public.b__next;
      DROP TABLE public.a__next;
      COMMIT;

    Built aside by an apply that was interrupted, and not needed (`datamart apply` removes it)
      public.c__next
      public.d__next
      public.e__next
      public.b__next
      public.a__next

    No changes. 5 marts are up to date.
    --- stderr
    Kept in plan.json: `datamart apply plan.json` does exactly this.
    ");
    rig.run(&["apply", "plan.json", "--auto-approve"]).done();
    assert_eq!(rig.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'"), "0");
    insta::assert_snapshot!(rig.run(&["apply", "plan.json", "--auto-approve"]).ended(1).err(), @"
    error: the plan is stale: what it read has changed since
      caused by: public.a__next is gone
      caused by: public.b__next is gone
      caused by: public.c__next is gone
      caused by: public.d__next is gone
      caused by: public.e__next is gone
    help: plan again
    ");
    insta::assert_snapshot!(rig.run(&["plan", "--detailed-exitcode"]).done().out(), @"No changes. 5 marts are up to date.");
}

#[test]
fn a_refresh_removes_what_a_killed_apply_left_of_its_mart() {
    let rig = with_sub_graph();
    sub_graph(&rig, 2);
    rig.write("project.toml", "[project]\nname = \"shop\"\n[database]\npublish_lock_timeout = \"1ms\"\n");
    let held = rig.hold("SELECT count(*) FROM a");
    rig.run(APPLY).ended(1);
    held.release();
    sub_graph(&rig, 1);
    let left = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relname ~ '^[a-z]+__next$'";
    assert_eq!(rig.value(left), "a__next b__next c__next d__next e__next");
    // What reads it goes first.
    rig.run(&["refresh", "a"]).done();
    assert_eq!(rig.value(left), "d__next");
    rig.run(&["refresh", "d"]).done();
    assert_eq!(rig.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'"), "0");
    assert_eq!(rig.value(GENERATIONS), "1");
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
    insta::assert_snapshot!(Vec::from_iter(said).join("\n"), @"
    error: cannot write the registry
      caused by: terminating connection due to administrator command
    help: the server was shut down or ended this session: run it again when it is back
    help: applying again finishes the job

    error: deep.new: CREATE SCHEMA IF NOT EXISTS deep
      caused by: terminating connection due to administrator command
    help: the server was shut down or ended this session: run it again when it is back
    help: done: nothing; not done: deep.new, public.kept, public.sums, public.above, public.old
    help: applying again finishes the job

    error: public.old: DROP TABLE public.old
      caused by: terminating connection due to administrator command
    help: the server was shut down or ended this session: run it again when it is back
    help: done: deep.new, public.sums, public.above, public.kept; not done: public.old
    help: applying again finishes the job

    error: public.sums: COMMENT ON MATERIALIZED VIEW public.sums__next IS 'datamart: built aside by an apply of shop: public.sums__next, sha256:HASH'
      caused by: terminating connection due to administrator command
    help: the server was shut down or ended this session: run it again when it is back
    help: done: nothing; not done: deep.new, public.kept, public.sums, public.above, public.old
    help: applying again finishes the job
    ");
}

#[test]
fn ctrl_c_ends_an_apply() {
    let (rig, expected, steps) = undisturbed();
    before(&rig);
    after(&rig);
    let began = Instant::now();
    let out = stopped_at(&rig, steps / 2, APPLY, |command| command.signal(Signal::SIGINT));
    assert!(began.elapsed() < Duration::from_secs(50));
    insta::assert_snapshot!(out.ended(1).err(), @"
    Stopping: cancelling what runs on the server.
    error: public.sums: COMMENT ON MATERIALIZED VIEW public.sums__next IS 'datamart: built aside by an apply of shop: public.sums__next, sha256:HASH'
      caused by: canceling statement due to user request
    help: somebody cancelled it (pg_cancel_backend, or Ctrl-C); nothing was changed by this step, run it again
    help: done: nothing; not done: deep.new, public.kept, public.sums, public.above, public.old
    help: applying again finishes the job
    ");
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
            "text" => insta::assert_snapshot!(out, @"
            exit 1
            --- stdout
            mart          status     method  rows  changed   took  why
            public.slow   cancelled  merge      -  -        0.00s  canceling statement due to user request
            public.reads  cancelled  -          -  -        0.00s  stopped before it began
            help: public.slow: somebody cancelled it (pg_cancel_backend, or Ctrl-C); nothing was changed by this step, run it again
            Refreshed 0 marts in 0.0 s, 0 rows. 2 cancelled.
            --- stderr
            Stopping: cancelling what runs on the server.
            "),
            _ => assert_eq!(out.json()["runs"][0]["status"], "cancelled", "{out}"),
        }
    }
    assert_eq!(rig.value("SELECT count(*) FROM slow"), "200");
    assert_eq!(
        rig.value("SELECT string_agg(status, ' ' ORDER BY run) FROM datamart.refreshes WHERE mart = 'slow'"),
        "cancelled cancelled"
    );
    assert_eq!(rig.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'"), "0");
    insta::assert_snapshot!(rig.run(&["unlock"]).done().out(), @"Nobody holds a lock.");
    rig.sql("UPDATE orders SET amount = 1 WHERE id = 1");
    rig.run(&["refresh", "slow", "reads"]).done();
}

#[test]
fn a_refresh_that_is_killed_is_done_by_the_next() {
    let rig = Rig::applied();
    rig.write("slow.toml", SLOW);
    rig.run(&["apply", "--auto-approve"]).done();
    rig.sql("UPDATE orders SET amount = -1 WHERE id = 1");
    let refresh = rig.start(&["refresh", "slow"]);
    rig.until(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
    );
    insta::assert_snapshot!(state_of(&rig, "slow"), @r#""refreshing""#);
    refresh.signal(Signal::SIGKILL);
    let _ = refresh.finish();
    // The server notices the end of the client by itself.
    rig.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'datamart: refresh%'");
    insta::assert_snapshot!(state_of(&rig, "slow"), @r#""active""#);
    rig.sql("UPDATE orders SET amount = 1 WHERE id = 1");
    rig.run(&["refresh", "slow"]).done();
    assert_eq!(rig.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'"), "0");
    insta::assert_snapshot!(state_of(&rig, "slow"), @r#""active""#);
    insta::assert_snapshot!(rig.value("SELECT string_agg(status || coalesce(' ' || (error ->> 'message'), ''), ', ' ORDER BY run) FROM datamart.refreshes"), @"cancelled the process that ran it ended, success");
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
    insta::assert_snapshot!(rig.run_on(nobody, &["plan"]), @"
    exit 1
    --- stderr
    error: cannot connect to shop on 127.0.0.1:1
      caused by: Connection refused (os error 111)
    help: is the server running there, and does it listen on that address and port?
    ");
    insta::assert_snapshot!(rig.run_on(nobody, &["apply", "--auto-approve", "--format", "json"]), @r#"
    exit 1
    --- stdout
    {
      "error": {
        "kind": "connection",
        "message": "cannot connect to shop on 127.0.0.1:1: Connection refused (os error 111)",
        "file": null,
        "line": null,
        "column": null,
        "hint": "is the server running there, and does it listen on that address and port?",
        "problems": []
      }
    }
    "#);
    insta::assert_snapshot!(rig.run_on("postgresql:///shop?host=/nonexistent&user=ana", &["refresh", "--all"]), @"
    exit 1
    --- stderr
    error: cannot connect to shop on /nonexistent
      caused by: No such file or directory (os error 2)
    help: is the server running there, and does it listen on that address and port?
    ");
    insta::assert_snapshot!(rig.run_on("postgres://ana@no-such-host.invalid/shop", &["status"]).ended(1).stderr.lines().next().unwrap_or_default(), @"error: cannot connect to shop on no-such-host.invalid:5432");
    let none = rig.url.replace(&format!("/{}?", rig.database.name), "/no_such_shop?");
    insta::assert_snapshot!(rig.run_on(&none, &["plan"]), @r#"
    exit 1
    --- stderr
    error: cannot connect to no_such_shop on SOCKET
      caused by: database "no_such_shop" does not exist
    help: create it (CREATE DATABASE no_such_shop), or correct the name in the URL
    "#);
    let nobody = rig.url.replace(&format!("user={ROLE}"), "user=nobody_of_that_name");
    insta::assert_snapshot!(rig.run_on(&nobody, &["plan"]), @r#"
    exit 1
    --- stderr
    error: cannot connect to DB on SOCKET
      caused by: role "nobody_of_that_name" does not exist
    help: create the role (CREATE ROLE nobody_of_that_name LOGIN PASSWORD '…'), or name another in the URL
    "#);
}

#[test]
fn a_password_is_never_printed() {
    let rig = Rig::shop();
    let (role, password) = (format!("{}_clerk", rig.database.name), "corr3ct-h0rse");
    rig.sql_as_superuser(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD '{password}'; GRANT {ROLE} TO {role}; ALTER ROLE {role} SET role = {ROLE}"
    ));
    run(asks_for_password(&rig.database.name, &role));
    let url = |password: &str| {
        rig.url
            .replace("postgresql:///", &format!("postgresql://{role}:{password}@localhost/"))
            .replace(&format!("&user={ROLE}"), "")
    };
    let mut told = String::new();
    for args in [
        &["plan"][..],
        &["status", "--format", "json"],
        &["-vv", "apply", "--auto-approve"],
        &["psql", "-c", "SELECT 1"],
    ] {
        let out = rig.run_on(&url("wr0ng-w0rd"), args);
        assert_ne!(out.code, Some(0), "{out}");
        told.push_str(&(out.stdout + &out.stderr));
    }
    insta::assert_snapshot!(rig.run_on(&url("wr0ng-w0rd"), &["plan"]).err().replace(&role, "CLERK").replace("DB_clerk", "CLERK"), @r#"
    error: cannot connect to DB on SOCKET
      caused by: password authentication failed for user "CLERK"
    help: check the password of role CLERK: it stands in the URL, in PGPASSWORD or in ~/.pgpass
    "#);
    assert!(!told.contains("wr0ng-w0rd"), "{told}");
    let right = url(password);
    rig.write("project.toml", &format!("[project]\nname = \"shop\"\n[database]\nurl = \"{right}\"\n"));
    let mut said = String::new();
    for args in [
        &["validate"][..],
        &["plan", "--out", "shop.plan"],
        &["plan", "--format", "json"],
        &["-vv", "apply", "--auto-approve"],
        &["apply", "--format", "json"],
        &["-vv", "refresh", "--all"],
        &["drift"],
        &["status"],
        &["list", "--stats", "--format", "json"],
        &["stats", "sales"],
        &["preview", "sales"],
        &["history", "--format", "json"],
        &["explain", "sales"],
        &["unlock"],
        &["claim"],
        &["psql", "-Atc", "SELECT 1"],
    ] {
        let out = rig.run_on(&right, args).done();
        said.push_str(&(out.stdout + &out.stderr));
    }
    said.push_str(&std::fs::read_to_string(rig.folder.path().join("shop.plan")).expect("the plan"));
    assert!(said.contains("a password stands in this file"), "a warning about the file: {said}");
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
    let grants = regex::Regex::new("GRANT [^;]*;").expect("a pattern");
    // Does what each error says, until there is none.
    for _ in 0..10 {
        let out = rig.run_on(&url, &["apply", "--auto-approve"]);
        if out.code == Some(0) {
            break;
        }
        assert_eq!(out.code, Some(1), "{out}");
        let err = out.err().replace("DB_poor", "POOR");
        let said: Vec<&str> = grants.find_iter(&out.stderr).map(|found| found.as_str()).collect();
        assert!(!said.is_empty(), "{err}");
        told.push_str(&format!("{err}\n"));
        rig.sql_as_superuser(&said.concat());
    }
    insta::assert_snapshot!(told, @r#"
    error: cannot compile the marts
      caused by: permission denied for database DB
    help: GRANT CREATE ON DATABASE DB TO POOR;

    error: POOR may not read public.orders
     --> datamarts/archive/sales_2024.toml:4:1
      |
    4 | query = "SELECT id, day, amount FROM orders WHERE day < '2025-01-01'"
      | ^^^^^
      |
      = help: GRANT SELECT ON public.orders TO POOR;

    error: POOR may not read public.events
     --> datamarts/event_counts.toml:3:1
      |
    3 | query = "SELECT kind, count(*) AS events FROM events GROUP BY kind"
      | ^^^^^
      |
      = help: GRANT SELECT ON public.events TO POOR;

    error: POOR may not read public.orders
     --> datamarts/dashboard/sales.toml:4:1
      |
    4 | query = """
      | ^^^^^
      |
      = help: GRANT SELECT ON public.orders TO POOR;

    error: POOR may make nothing in schema public
     --> datamarts/archive/sales_2024.toml:4:1
      |
    4 | query = "SELECT id, day, amount FROM orders WHERE day < '2025-01-01'"
      | ^^^^^
      |
      = help: GRANT USAGE, CREATE ON SCHEMA public TO POOR;

    error: PostgreSQL refuses 4 declarations
    "#);
    rig.run_on(&url, &["plan", "--detailed-exitcode"]).done();
    rig.sql_as_superuser(&format!("REVOKE SELECT ON orders FROM {role}"));
    insta::assert_snapshot!(rig.run_on(&url, &["refresh", "sales"]).ended(1).out().replace("DB_poor", "POOR"), @"
    mart          status  method        rows  changed   took  why
    public.sales  failed  concurrently     -  -        0.00s  permission denied for table orders
    help: public.sales: GRANT SELECT ON public.orders TO POOR;
    Refreshed 0 marts in 0.0 s, 0 rows. 1 failed.
    ");
}

#[test]
fn a_source_that_is_gone_or_altered() {
    let rig = Rig::applied();
    rig.sql("ALTER TABLE events RENAME TO moved");
    insta::assert_snapshot!(rig.run(&["refresh", "event_counts"]), @r#"
    exit 1
    --- stdout
    mart                 status  method  rows  changed   took  why
    public.event_counts  failed  merge      -  -        0.00s  relation "events" does not exist
    help: public.event_counts: check the name; unqualified names are looked up in the mart's schema, the project's schema, then public
    Refreshed 0 marts in 0.0 s, 0 rows. 1 failed.
    "#);
    insta::assert_snapshot!(rig.run(&["plan"]), @r#"
    exit 1
    --- stderr
    error: relation "events" does not exist
     --> datamarts/event_counts.toml:3:47
      |
    3 | query = "SELECT kind, count(*) AS events FROM events GROUP BY kind"
      |                                               ^^^^^^
      |
      = help: check the name; unqualified names are looked up in the mart's schema, the project's schema, then public

    error: PostgreSQL refuses 1 declaration
    "#);
    insta::assert_snapshot!(state_of(&rig, "event_counts"), @r#""error""#);
    assert_eq!(rig.value("SELECT count(*) FROM event_counts"), "3");
    rig.sql("ALTER TABLE moved RENAME TO events; ALTER TABLE events RENAME kind TO sort");
    insta::assert_snapshot!(rig.run(&["refresh", "event_counts"]).ended(1).out(), @r#"
    mart                 status  method  rows  changed   took  why
    public.event_counts  failed  merge      -  -        0.00s  column "kind" does not exist
    help: public.event_counts: check the column's name, and whether its table has changed
    Refreshed 0 marts in 0.0 s, 0 rows. 1 failed.
    "#);
    insta::assert_snapshot!(rig.run(&["apply", "--auto-approve"]), @r#"
    exit 1
    --- stderr
    error: column "kind" does not exist
     --> datamarts/event_counts.toml:3:17
      |
    3 | query = "SELECT kind, count(*) AS events FROM events GROUP BY kind"
      |                 ^^^^
      |
      = help: check the column's name, and whether its table has changed

    error: PostgreSQL refuses 1 declaration
    "#);
    rig.sql("ALTER TABLE events RENAME sort TO kind");
    rig.run(&["apply", "--auto-approve"]).done();
    rig.run(&["refresh", "--all"]).done();
    insta::assert_snapshot!(state_of(&rig, "event_counts"), @r#""active""#);
}

#[test]
fn a_statement_that_takes_too_long() {
    let rig = Rig::applied();
    // Long for all other statements, and much less than it sleeps.
    let timeout = |said: &str| {
        rig.write("project.toml", &format!("[project]\nname = \"shop\"\n[database]\nstatement_timeout = \"{said}\"\n"))
    };
    timeout("3s");
    rig.sql("UPDATE orders SET amount = -1 WHERE id = 1");
    rig.write("slow.toml", SLOW);
    rig.write("zero.toml", "type = \"table\"\nquery = \"SELECT 0 AS zero\"\n");
    insta::assert_snapshot!(rig.run(&["apply", "--auto-approve"]).ended(1).err(), @"
    error: public.slow: CREATE TABLE public.slow AS
      caused by: canceling statement due to statement timeout
    help: the statement ran into a timeout: raise statement_timeout in [database], or timeout under [refresh] of this mart
    help: done: nothing; not done: public.slow, public.zero
    help: applying again finishes the job
    ");
    assert_eq!(rig.value("SELECT to_regclass('slow') IS NULL"), "true");
    rig.sql("UPDATE orders SET amount = 1 WHERE id = 1");
    timeout("60s");
    rig.run(&["apply", "--auto-approve"]).done();
    rig.sql("UPDATE orders SET amount = -1 WHERE id = 1");
    timeout("3s");
    insta::assert_snapshot!(rig.run(&["refresh", "slow"]), @"
    exit 1
    --- stdout
    mart         status  method  rows  changed   took  why
    public.slow  failed  merge      -  -        0.00s  canceling statement due to statement timeout
    help: public.slow: the statement ran into a timeout: raise statement_timeout in [database], or timeout under [refresh] of this mart
    Refreshed 0 marts in 0.0 s, 0 rows. 1 failed.
    ");
    assert_eq!(rig.value("SELECT count(*) FROM slow"), "200");
    rig.sql("UPDATE orders SET amount = 1 WHERE id = 1");
    timeout("60s");
    rig.run(&["refresh", "slow"]).done();
}

#[test]
fn a_database_that_is_read_only() {
    let rig = Rig::applied();
    rig.sql_as_superuser(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", rig.database.name));
    rig.write("zero.toml", "type = \"table\"\nquery = \"SELECT 0 AS zero\"\n");
    for args in [
        &["status"][..],
        &["list"],
        &["stats", "sales"],
        &["preview", "sales"],
        &["history"],
        &["explain", "sales"],
        &["unlock"],
    ] {
        rig.run(args).done();
    }
    insta::assert_snapshot!(rig.run(&["apply", "--auto-approve"]).ended(1).err(), @"
    error: cannot compile the marts
      caused by: cannot execute CREATE SCHEMA in a read-only transaction
    help: this server is a read-only standby, or its default is read-only: connect to the primary; commands that only look work here
    ");
    insta::assert_snapshot!(rig.run(&["refresh", "sales"]).ended(1), @"
    exit 1
    --- stderr
    error: cannot write the audit
      caused by: cannot execute INSERT in a read-only transaction
    help: this server is a read-only standby, or its default is read-only: connect to the primary; commands that only look work here
    ");
}

#[test]
fn a_standby_is_looked_at_and_not_changed() {
    let Some(standby) = Standby::start() else { return };
    let run = |url: &str, args: &[&str]| {
        let mut command = bare(standby.folder.path(), args);
        command.env("DATABASE_URL", url);
        finish(command, standby.folder.path())
    };
    let url = standby.url.as_str();
    for args in [
        &["plan"][..],
        &["status"],
        &["list", "--stats"],
        &["stats", "one"],
        &["stats", "followed"],
        &["graph"],
        &["preview", "one"],
        &["history"],
        &["explain", "one"],
        &["explain", "followed"],
        &["drift"],
        &["unlock"],
    ] {
        run(url, args).done();
    }
    // Its logs are not there, and what is pending nobody knows; the primary does.
    let status = run(url, &["status", "--format", "json"]).done().json();
    let followed =
        status["marts"].as_array().expect("marts").iter().find(|mart| mart["full_name"] == "public.followed");
    let following = &followed.expect("the mart")["following"];
    assert_eq!((&following["unread"], &following["pending"]), (&json!(true), &json!(null)), "{status:#}");
    let told = |args: &[&str]| run(url, args).ended(1).err().replace(&standby.sockets, "SOCKET");
    insta::assert_snapshot!(told(&["verify", "followed"]), @"
    error: cannot compare public.followed with its query
      caused by: cannot access temporary or unlogged relations during recovery
    help: a standby cannot read what a crash would empty, such as logs of changes: connect to the primary; with `logged = true` in [capture] marts that are `fresh` can be read here
    ");
    insta::assert_snapshot!(told(&["apply", "--auto-approve"]), @"
    warning: connected as a superuser: queries of marts without an owner run with all its rights; name an owner in [project], or connect as another role
    error: datamart on SOCKET is a standby: it can be looked at, not changed
    ");
    insta::assert_snapshot!(told(&["refresh", "one"]), @"
    warning: connected as a superuser: queries of marts without an owner run with all its rights; name an owner in [project], or connect as another role
    error: datamart on SOCKET is a standby: it can be looked at, not refreshed
    ");
    // A change cannot even be planned: PostgreSQL is asked what a new query means, which needs a transaction that writes.
    standby.folder.write("datamarts/two.toml", "type = \"view\"\nquery = \"SELECT 2 AS two\"\n");
    insta::assert_snapshot!(told(&["plan"]), @"
    error: cannot compile the marts
      caused by: cannot execute CREATE SCHEMA in a read-only transaction
    help: this server is a read-only standby, or its default is read-only: connect to the primary; commands that only look work here
    ");
    insta::assert_snapshot!(told(&["apply", "--auto-approve"]), @"
    warning: connected as a superuser: queries of marts without an owner run with all its rights; name an owner in [project], or connect as another role
    error: cannot compile the marts
      caused by: cannot execute CREATE SCHEMA in a read-only transaction
    help: this server is a read-only standby, or its default is read-only: connect to the primary; commands that only look work here
    ");
}

/// A primary of its own with one mart, copied by pg_basebackup, and the copy following it.
struct Standby {
    folder: Folder,
    url: String,
    sockets: String,
    // They end with this.
    _servers: [Embedded; 2],
}

impl Standby {
    /// `None` where the machine has no pg_basebackup of the server's major or a later one.
    fn start() -> Option<Self> {
        let program = Command::new("pg_basebackup").arg("--version").output();
        let version = String::from_utf8(program.ok().filter(|out| out.status.success())?.stdout).ok()?;
        let major = version.split_whitespace().nth(2)?.split('.').next()?.parse::<u32>().ok()?;
        (major >= crate::support::database::major()).then_some(())?;
        let options = || {
            let mut options = ephemeral();
            for (name, value) in [("max_wal_senders", "4"), ("shared_buffers", "16MB")] {
                options.settings.push((name.to_owned(), value.to_owned()));
            }
            options
        };
        let primary = run(embedded::start(options())).expect("a primary");
        let folder = folder(&[
            ("project.toml", "[project]\nname = \"shop\"\n"),
            ("one.toml", "type = \"table\"\nquery = \"SELECT 1 AS one\"\n"),
            (
                "followed.toml",
                "type = \"table\"\nquery = \"SELECT one, count(*) AS n FROM one GROUP BY 1\"\n[refresh]\nstrategy = \"incremental\"\n",
            ),
        ]);
        let url = primary.endpoint().url().to_owned();
        let mut apply = bare(folder.path(), &["apply", "--auto-approve", "-q"]);
        apply.env("DATABASE_URL", &url);
        finish(apply, folder.path()).done();
        // The copy stands where an embedded server's data would, so that it can be started as one.
        let options = options();
        let data = options.root.join(".datamart/postgres");
        std::fs::create_dir_all(data.parent().expect("a parent")).expect("a folder");
        let mut copy = Command::new("pg_basebackup");
        copy.args(["-R", "-X", "stream", "-c", "fast", "-d", &url.replace("/datamart?", "/postgres?"), "-D"])
            .arg(&data);
        done(copy);
        let mut give = Command::new("chown");
        give.arg("-R").arg(format!("--reference={}", primary.data_dir.display())).arg(&data);
        done(give);
        let standby = run(embedded::start(options)).expect("a standby");
        let url = standby.endpoint().url().to_owned();
        let sockets =
            url.split_once("host=").and_then(|(_, rest)| rest.split_once('&')).expect("a socket").0.to_owned();
        Some(Self { folder, url, sockets, _servers: [standby, primary] })
    }
}

fn done(mut command: Command) {
    let out = command.output().expect("a program");
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn the_embedded_server_without_postgresql() {
    let dir =
        folder(&[("project.toml", "[embedded]\n"), ("one.toml", "type = \"view\"\nquery = \"SELECT 1 AS one\"\n")]);
    let mut command = bare(dir.path(), &["apply", "--auto-approve"]);
    command.env("DATAMART_POSTGRES_BIN", "/nonexistent");
    let out = finish(command, dir.path()).ended(1);
    let package = regex::Regex::new("`[^`]*`").expect("a pattern").replace(&out.err(), "`INSTALL`").into_owned();
    insta::assert_snapshot!(package, @"
    error: the embedded server needs PostgreSQL's own programs, and found none (DATAMART_POSTGRES_BIN=/nonexistent)
    help: install the server with `INSTALL`, or name a database with --database-url
    ");
    assert!(out.stderr.contains("postgresql"), "{out}");
}

#[test]
fn a_seed_that_fails_leaves_no_database() {
    let dir = folder(&[
        ("project.toml", "[embedded]\nseed = \"seed.sql\"\n"),
        ("seed.sql", "CREATE TABLE a (id int);\nINSERT INTO a VALUES ('x');\n"),
        ("one.toml", "type = \"view\"\nquery = \"SELECT * FROM a\"\n"),
    ]);
    insta::assert_snapshot!(finish(bare(dir.path(), &["apply", "--auto-approve"]), dir.path()), @r#"
    exit 1
    --- stderr
    error: invalid input syntax for type integer: "x"
     --> datamarts/seed.sql:2:1
      |
    2 | INSERT INTO a VALUES ('x');
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^

    error: datamarts/seed.sql:2: the seed script failed
      caused by: invalid input syntax for type integer: "x"
    "#);
    let told = finish(bare(dir.path(), &["apply", "--auto-approve", "--format", "json"]), dir.path()).ended(1).json();
    assert_eq!((&told["error"]["file"], &told["error"]["line"]), (&"datamarts/seed.sql".into(), &2.into()), "{told:#}");
    std::fs::write(dir.path().join("datamarts/seed.sql"), "CREATE TABLE a (id int);").expect("a seed");
    finish(bare(dir.path(), &["apply", "--auto-approve"]), dir.path()).done();
}
