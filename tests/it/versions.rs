//! Versioned marts under readers, and under SIGKILL: nobody sees anything but one whole version.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use nix::sys::signal::Signal;
use sqlx::Row;

use crate::cli::rig::{ORDERS, Rig};
use crate::faults::{DUMP, HALT, HALT_AT_ROWS, PROJECT, stopped_at};
use crate::support::database::run;

const APPLY: &[&str] = &["apply", "--auto-approve"];

/// A mart whose rows say of which generation they are; every other generation has other columns in another order.
fn generation(rig: &Rig, number: u32) {
    let columns = if number.is_multiple_of(2) { "count(*) AS n, of, day" } else { "day, of" };
    rig.write(
        "sales.toml",
        &format!(
            "type = \"table\"\nprimary_key = [\"day\"]\nversions = {{ keep = 3 }}\n\
             query = \"SELECT {columns} FROM (SELECT day, {number} AS of FROM orders) AS o GROUP BY day, of\"\n\
             [[indexes]]\ncolumns = [\"of\"]\n"
        ),
    );
}

fn above(rig: &Rig) {
    rig.write("top.toml", "type = \"view\"\nquery = \"SELECT day, of FROM sales\"\n");
}

/// Says stop, however the test ends.
struct Stops(Arc<AtomicBool>);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn readers_never_fail_while_versions_come_and_go() {
    let rig = Rig::of(&[("project.toml", PROJECT)]);
    rig.sql(ORDERS);
    generation(&rig, 1);
    above(&rig);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let stop = Arc::new(AtomicBool::new(false));
    let _stops = Stops(stop.clone());
    let reads = Arc::new(AtomicU32::new(0));
    let url = rig.database.endpoint.clone();
    let readers: Vec<_> = ["public.sales", "public.top", "public.sales", "public.top"]
        .into_iter()
        .map(|relation| {
            let (stop, reads, endpoint) = (stop.clone(), reads.clone(), url.clone());
            std::thread::spawn(move || {
                run(async {
                    let mut conn = endpoint.session("reader").await.expect("a session");
                    let mut failures = Vec::new();
                    let sql = format!("SELECT count(*), min(of), max(of) FROM {relation}");
                    while !stop.load(Ordering::Relaxed) {
                        match sqlx::query(sqlx::AssertSqlSafe(sql.clone())).persistent(false).fetch_one(&mut conn).await
                        {
                            Ok(row) => {
                                let (count, min, max): (i64, i32, i32) = (row.get(0), row.get(1), row.get(2));
                                if count != 20 || min != max {
                                    failures.push(format!("{relation}: {count} rows of {min} to {max}"));
                                }
                            }
                            Err(error) => failures.push(format!("{relation}: {error}")),
                        }
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                    failures
                })
            })
        })
        .collect();
    let served = |than: u32| {
        // Every step is seen by readers.
        rig.until("SELECT true");
        assert!(reads.load(Ordering::Relaxed) > than, "nobody reads");
    };
    for number in 2..=7 {
        let before = reads.load(Ordering::Relaxed);
        generation(&rig, number);
        rig.run(&["apply", "--auto-approve", "-q"]).done();
        served(before);
    }
    for _ in 0..6 {
        let before = reads.load(Ordering::Relaxed);
        rig.run(&["rollback", "sales"]).done();
        rig.run(&["rollback", "sales", "--to", "7"]).done();
        served(before);
    }
    for to in ["5", "7"] {
        rig.run(&["rollback", "sales", "--to", to]).done();
        rig.run(&["refresh", "sales"]).done();
    }
    stop.store(true, Ordering::Relaxed);
    let failures: Vec<String> = readers.into_iter().flat_map(|reader| reader.join().expect("a reader")).collect();
    assert!(failures.is_empty(), "{} failed reads: {:#?}", failures.len(), &failures[..failures.len().min(5)]);
    assert_eq!(rig.value("SELECT DISTINCT of FROM top"), "7");
}

/// The dump without what tells one run from another, and everything that is passing.
fn dump(rig: &Rig) -> String {
    let versions = "SELECT string_agg(format('%s %s %s %s %s', name, version, relation, published, declared), E'\\n' ORDER BY name, version) \
                    FROM datamart.versions";
    format!("{}\n{}", rig.value(DUMP), rig.value(versions))
}

fn stopping(first: u32) -> Rig {
    let rig = Rig::of(&[("project.toml", PROJECT)]);
    rig.sql(ORDERS);
    above(&rig);
    rig.sql_as_superuser(HALT);
    generation(&rig, first);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql_as_superuser(HALT_AT_ROWS);
    rig.sql_as_superuser(
        "CREATE TRIGGER halt AFTER INSERT OR UPDATE OR DELETE ON datamart.versions EXECUTE FUNCTION faults.at_row()",
    );
    rig
}

const SEEN: &str = "SELECT string_agg(DISTINCT of::text || ' ' || n, ' and ') FROM (SELECT of, count(*) OVER () AS n FROM sales \
                    UNION ALL SELECT of, count(*) OVER () FROM top) AS t";

fn steps(rig: &Rig) -> u32 {
    rig.value("SELECT last_value FROM faults.step").parse().expect("a number")
}

/// Waits until the server has ended what a killed command left at work.
fn ended(rig: &Rig, purpose: &str) {
    rig.until(&format!(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'datamart: {purpose}'"
    ));
}

#[test]
fn a_new_version_that_is_killed_at_any_step_is_published_whole_or_not() {
    // What a first version and its view above are replaced by has other columns: everything is exchanged.
    let fresh = || {
        let rig = stopping(1);
        generation(&rig, 2);
        rig.sql_as_superuser("ALTER SEQUENCE faults.step RESTART");
        rig
    };
    let rig = fresh();
    rig.run(APPLY).done();
    let (expected, total) = (dump(&rig), steps(&rig));
    assert!(total >= 12, "only {total} steps");
    let mut seen = BTreeSet::new();
    for at in 1..=total {
        let rig = fresh();
        let out = stopped_at(&rig, at, APPLY, |command| command.signal(Signal::SIGKILL));
        assert_eq!(out.code, None, "step {at}: {out}");
        ended(&rig, "apply");
        let reads = rig.value(SEEN);
        assert!(reads == "1 20" || reads == "2 20", "killed before statement {at} of {total}: readers see {reads}");
        seen.insert(reads);
        rig.run(APPLY).done();
        let nameless = |text: &str| text.replace(&rig.database.name, "DB");
        assert_eq!(nameless(&dump(&rig)), nameless(&expected), "killed before statement {at} of {total}");
        rig.run(&["plan", "--detailed-exitcode"]).done();
    }
    assert_eq!(Vec::from_iter(seen), ["1 20", "2 20"]);
}

#[test]
fn a_rollback_that_is_killed_at_any_step_is_done_or_not() {
    let rig = stopping(1);
    generation(&rig, 2);
    rig.run(APPLY).done();
    let text = rig.read("sales.toml");
    let back = ["rollback", "sales", "--to", "1"];
    let again = || {
        rig.run(&["rollback", "sales", "--to", "2"]).done();
        assert_eq!(rig.read("sales.toml"), text);
        rig.sql_as_superuser("ALTER SEQUENCE faults.step RESTART");
    };
    again();
    rig.sql_as_superuser("CREATE OR REPLACE FUNCTION faults.pause() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN \
        IF current_setting('application_name') = 'datamart: rollback' AND nextval('faults.step') = (SELECT at FROM faults.stop) THEN \
            PERFORM pg_advisory_xact_lock_shared(4711); END IF; END $$");
    rig.run(&back).done();
    let (expected, total) = (dump(&rig), steps(&rig));
    assert!(total >= 8, "only {total} steps");
    let mut done = BTreeSet::new();
    for at in 1..=total {
        again();
        let out = crate::faults::stopped_in(&rig, "rollback", at, &back, |command| command.signal(Signal::SIGKILL));
        assert_eq!(out.code, None, "step {at}: {out}");
        ended(&rig, "rollback");
        let reads = rig.value(SEEN);
        assert!(reads == "1 20" || reads == "2 20", "killed before statement {at} of {total}: readers see {reads}");
        // The manifest is written last: until then the registry holds what was done.
        assert_eq!(rig.read("sales.toml"), text);
        rig.run(APPLY).done();
        assert_eq!(rig.value(SEEN), reads, "the next apply changed what was published");
        done.insert(reads);
        rig.run(&back).done();
        rig.run(APPLY).done();
        rig.write("sales.toml", &text);
        rig.run(&["rollback", "sales", "--to", "2"]).done();
        rig.run(&back).done();
        assert_eq!(dump(&rig), expected, "killed before statement {at} of {total}");
    }
    assert_eq!(Vec::from_iter(done), ["1 20", "2 20"]);
}

#[test]
fn who_reads_an_old_version_holds_up_no_new_one() {
    let rig = Rig::of(&[("project.toml", "[project]\nname = \"shop\"\n[database]\npublish_lock_timeout = \"1ms\"\n")]);
    rig.sql(ORDERS);
    let write = |what: &str| {
        let query = format!("SELECT day, {what}(amount) AS total FROM orders GROUP BY day");
        rig.write("sales.toml", &format!("type = \"table\"\nquery = \"{query}\"\nversions = {{ keep = 1 }}\n"));
    };
    write("sum");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let reader = rig.hold("SELECT count(*) FROM sales_v1");
    write("max");
    let out = rig.run(&["apply", "--auto-approve", "-q"]).ended(1);
    assert!(out.stderr.contains("public.sales: DROP TABLE public.sales_v1"), "{out}");
    let published = "SELECT string_agg(version || ' ' || published, ', ' ORDER BY version) FROM datamart.versions";
    assert_eq!(rig.value(published), "1 false, 2 true");
    let plan = rig.run(&["plan", "-q"]).done();
    assert!(plan.stdout.contains("~ public.sales (table): version 1 goes (keep = 1)"), "{plan}");
    reader.release();
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value(published), "2 true");
    assert_eq!(rig.value("SELECT to_regclass('sales_v1') IS NULL"), "true");
    assert!(rig.run(&["plan", "-q"]).done().stdout.starts_with("No changes."));
}

#[test]
fn a_rollback_that_is_published_is_in_the_manifest_whatever_fails_behind_it() {
    let rig = Rig::of(&[("project.toml", "[project]\nname = \"shop\"\n")]);
    rig.sql(ORDERS);
    let write = |what: &str| {
        let query = format!("SELECT day, {what}(amount) AS total FROM orders GROUP BY day");
        rig.write("sales.toml", &format!("type = \"table\"\nquery = \"{query}\"\nversions = {{ keep = 3 }}\n"));
    };
    let most = "type = \"materialized_view\"\nquery = \"SELECT max(total) AS most FROM sales\"\n";
    write("sum");
    rig.write("most.toml", most);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    write("max");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let small =
        "[[checks]]\nname = \"small\"\nsql = \"SELECT * FROM {this} WHERE most > (SELECT max(amount) FROM orders)\"\n";
    rig.write("most.toml", &format!("{most}{small}"));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    // Somebody else's view keeps its place: what is built from the mart comes after it.
    rig.sql("CREATE VIEW theirs AS SELECT day FROM sales");
    rig.run(&["rollback", "sales"]).ended(1);
    let published = rig.value("SELECT version FROM datamart.versions WHERE published");
    assert_eq!(rig.read("sales.toml").contains("pin = 1"), published == "1", "version {published} is published");
    assert_eq!(published, "1");
}
