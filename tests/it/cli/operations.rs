//! What people say to a daemon: suspend, resume, approve; and what `status` says of it.

use chrono::Utc;
use datamart::database::Endpoint;
use datamart::manifest::LoadOptions;
use datamart::reconcile::{Outcome, Reason, Source};

use super::rig::Rig;
use crate::reconcile::revisions;
use crate::support::database::run;

/// What a daemon would do now.
fn reconcile(rig: &Rig) -> Outcome {
    let load = LoadOptions { dir: rig.folder.path().join("datamarts"), ..LoadOptions::default() };
    let endpoint = Endpoint::from_url(&rig.url).expect("an address");
    run(async { revisions(Source::Folder, load).reconcile(&endpoint, Reason::Start, Utc::now()).await }).outcome
}

#[test]
fn suspend_and_resume_say_what_they_did() {
    let rig = Rig::applied();
    insta::assert_snapshot!(rig.run(&["suspend", "sales", "event_counts"]).done().out(), @"public.event_counts, public.sales: suspended.");
    insta::assert_snapshot!(rig.run(&["suspend", "sales"]).done().out(), @"public.sales: suspended already.");
    let status = rig.run(&["status", "--format", "json"]).done().json();
    let mart = |name: &str| {
        status["marts"].as_array().expect("marts").iter().find(|m| m["name"] == name).expect("a mart").clone()
    };
    assert_eq!((&mart("sales")["suspended"], &mart("sales")["next_run"]), (&true.into(), &serde_json::Value::Null));
    assert!(mart("sales")["suspended_by"].is_string());
    assert!(mart("Sales 2024").get("suspended").is_none());
    let text = rig.run(&["status"]).done().out();
    assert!(text.contains("public.sales: suspended by "), "{text}");
    insta::assert_snapshot!(rig.run(&["resume", "sales"]).done().out(), @"public.sales: resumed.");
    insta::assert_snapshot!(rig.run(&["resume", "sales"]).done().out(), @"public.sales: not suspended.");
    insta::assert_snapshot!(rig.run(&["suspend", "--all"]).done().out(), @"all marts, now and to come: suspended.");
    insta::assert_snapshot!(rig.run(&["resume", "sales"]).ended(1).err().replace(&user(), "ANA"), @"
    error: the whole project was suspended by ANA
    help: resume it with `datamart resume --all`
    ");
    let resumed = rig.run(&["resume", "--all", "--format", "json"]).done().json();
    assert_eq!(resumed, serde_json::json!({ "resumed": ["public.event_counts"], "all": true, "changed": true }));
    assert_eq!(rig.value("SELECT count(*) FROM datamart.overrides"), "0");
    assert_eq!(
        rig.value("SELECT string_agg(action || coalesce(' ' || address, ''), ', ' ORDER BY id) FROM datamart.audit WHERE action IN ('suspend', 'resume')"),
        "suspend public.event_counts, suspend public.sales, resume public.sales, suspend, resume public.event_counts, resume"
    );
}

fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().expect("a user").name
}

#[test]
fn suspend_names_what_it_does_not_know() {
    let rig = Rig::applied();
    let out = rig.run(&["suspend", "salez"]).ended(1);
    assert!(out.stderr.contains("salez"), "{out}");
    rig.run(&["suspend"]).ended(1);
    rig.run(&["suspend", "sales", "--all"]).ended(1);
    rig.write(
        "event_counts.toml",
        "type = \"table\"\nquery = \"SELECT kind FROM events\"\n[refresh]\nsuspend = true\n",
    );
    let out = rig.run(&["resume", "event_counts"]).ended(1);
    assert!(out.stderr.contains("public.event_counts is suspended by its manifest"), "{out}");
    // What an operator said is taken back all the same.
    rig.run(&["suspend", "event_counts"]).done();
    let out = rig.run(&["resume", "event_counts"]).done();
    assert!(out.stderr.contains("public.event_counts stays suspended by its manifest: take"), "{out}");
    assert_eq!(rig.value("SELECT count(*) FROM datamart.overrides"), "0");
}

#[test]
fn who_looks_after_marts_is_not_stopped_by_a_manifest() {
    let rig = Rig::applied();
    rig.write("event_counts.toml", "type = \"tabel\"\n");
    let out = rig.run(&["status"]).done();
    assert!(out.stdout.contains("public.event_counts"), "{out}");
    assert!(out.stderr.contains("tabel") && out.stderr.contains("cannot be used"), "{out}");
    insta::assert_snapshot!(rig.run(&["suspend", "sales"]).done().out(), @"public.sales: suspended.");
    insta::assert_snapshot!(rig.run(&["resume", "sales"]).done().out(), @"public.sales: resumed.");
    insta::assert_snapshot!(rig.run(&["psql", "-Atc", "SELECT count(*) > 0 FROM sales"]).done().out(), @"t");
    rig.run(&["plan"]).ended(1);
}

#[test]
fn status_and_suspend_wait_for_nobodys_refresh() {
    let rig = Rig::applied();
    run(async {
        let mut other = rig.database.session().await;
        sqlx::raw_sql("BEGIN; REFRESH MATERIALIZED VIEW public.sales").execute(&mut other).await.expect("a refresh");
        let told = rig.run(&["status"]).done().out();
        assert!(told.contains("public.sales"), "{told}");
        insta::assert_snapshot!(rig.run(&["suspend", "sales"]).done().out(), @"public.sales: suspended.");
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("the end of the refresh");
    });
}

#[test]
fn status_says_why_a_refresh_waits() {
    let rig = Rig::applied();
    let limits = |limits: &str| rig.write("project.toml", &format!("[project]\nname = \"shop\"\n[limits]\n{limits}\n"));
    let told = || rig.run(&["status"]).done().out().lines().find(|line| line.contains("skipped:")).map(str::to_owned);
    let held = rig.hold("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT pg_catalog.pg_current_xact_id()");
    for kind in ["k7", "k8", "k9"] {
        rig.sql(&format!("INSERT INTO events VALUES (now(), '{kind}')"));
    }
    limits("pause_when = { xmin_age = 1 }");
    assert_eq!(told(), None);
    rig.run(&["refresh", "event_counts"]).done();
    let reason = told().expect("the reason");
    assert!(
        reason.starts_with("public.event_counts: its last refresh was skipped: paused: the oldest snapshot"),
        "{reason}"
    );
    let json = rig.run(&["status", "--format", "json"]).done().json();
    let mart = json["marts"].as_array().and_then(|marts| marts.iter().find(|mart| mart["name"] == "event_counts"));
    let mut conditions = mart.expect("the mart")["conditions"].as_array().expect("conditions").iter();
    assert!(
        conditions.any(|one| (&one["type"], &one["status"]) == (&"Reconciling".into(), &"False".into())),
        "{json:#}"
    );
    held.commit();
    limits("parallel_refreshes = 1");
    rig.run(&["refresh", "event_counts"]).done();
    assert_eq!(told(), None);
    // Another run held it: who asked did not get it, and the mart goes on as it is.
    rig.sql(
        "INSERT INTO datamart.refreshes (project, schema, mart, status, reason, started_at, finished_at, error)
         VALUES ('shop', 'public', 'event_counts', 'skipped', 'another run holds it', now(), now(), '{\"kind\": \"lock\", \"message\": \"held\"}')",
    );
    assert_eq!(told(), None);
}

#[test]
fn a_plan_that_waits_is_shown_and_approved() {
    let rig = Rig::shop();
    insta::assert_snapshot!(rig.run(&["approve", "0123456789"]).ended(1).err(), @"
    error: no plan waits for an approval
    help: `datamart status` shows what waits
    ");
    assert_eq!(reconcile(&rig).as_str(), "applied");
    rig.write("project.toml", "[project]\nname = \"shop\"\n[policy]\nprune = true\n");
    rig.remove("event_counts.toml");
    rig.sql("TRUNCATE events");
    let Outcome::Pending { fingerprint, .. } = reconcile(&rig) else { panic!("nothing waits") };
    let text = rig.run(&["status"]).done().out();
    let standing = text.split_once("Applied:").expect("a standing").1;
    let digits = &fingerprint["sha256:".len()..][..12];
    assert!(standing.contains(&format!("`datamart approve {digits}`")), "{text}");
    assert!(standing.contains("Ready: False (ApprovalNeeded)"), "{text}");
    let json = rig.run(&["status", "--format", "json"]).done().json();
    assert_eq!(
        (&json["reconcile"]["status"], &json["reconcile"]["fingerprint"]),
        (&"pending".into(), &fingerprint.as_str().into())
    );
    insta::assert_snapshot!(rig.run(&["approve", "abc"]).ended(1).err(), @r#"error: "abc" is no fingerprint of a plan, nor its first 8 digits or more"#);
    insta::assert_snapshot!(rig.run(&["approve", "0000000000"]).ended(1).err(), @"
    error: another plan waits for an approval: sha256:HASH
    help: `datamart status` shows what waits
    ");
    insta::assert_snapshot!(rig.run(&["approve", digits]).done().out(), @"Approved: sha256:HASH. The daemon applies it now.");
    assert!(rig.run(&["status"]).done().out().contains("Reconciling: True (Approved)"));
    assert_eq!(reconcile(&rig).as_str(), "applied");
    assert_eq!(rig.value("SELECT to_regclass('event_counts') IS NULL"), "true");
    let text = rig.run(&["status"]).done().out();
    assert!(text.contains("Ready: True (Applied)"), "{text}");
}

#[test]
fn status_shows_where_a_revision_is_wrong() {
    let rig = Rig::shop();
    assert_eq!(reconcile(&rig).as_str(), "applied");
    rig.write("event_counts.toml", "type = \"table\"\nquery = \"SELECT kind, nobody FROM events\"\n");
    assert_eq!(reconcile(&rig).as_str(), "invalid");
    rig.write("event_counts.toml", "type = \"table\"\nquery = \"SELECT kind FROM events\"\n");
    let text = rig.run(&["status"]).done().out();
    assert!(text.contains("Ready: False (QueryRefused)"), "{text}");
    let json = rig.run(&["status", "--format", "json"]).done().json();
    let reasons: Vec<_> =
        json["reconcile"]["conditions"].as_array().expect("conditions").iter().map(|c| c["type"].clone()).collect();
    assert_eq!(reasons, ["Ready", "Stalled"]);
}

#[test]
fn apply_by_hand_wakes_the_daemon() {
    let rig = Rig::shop();
    let told = run(async {
        let mut listener = sqlx::postgres::PgListener::connect(rig.database.endpoint.url()).await.expect("a listener");
        listener.listen("datamart_wake").await.expect("a channel");
        rig.run(&["apply", "--auto-approve", "-q"]).done();
        listener.recv().await.expect("a notification").payload().to_owned()
    });
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told, serde_json::json!({ "project": "shop", "what": "revision" }));
}

#[test]
fn healing_takes_back_a_schedule_that_was_set_beside_the_manifest() {
    let nightly = "type = \"table\"\nquery = \"SELECT 1 AS one\"\n[refresh]\nstrategy = \"scheduled\"\nschedule = \"0 3 * * *\"\n";
    let rig = Rig::of(&[("a.toml", nightly), ("b.toml", nightly)]);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let left = "SELECT string_agg(name, ' ' ORDER BY name) FROM datamart.overrides WHERE what = 'schedule'";
    rig.sql(
        "INSERT INTO datamart.overrides (project, schema, name, what, value, who)
         SELECT project, schema, name, 'schedule', '{\"schedule\": [\"5m\"]}', 'ana' FROM datamart.marts",
    );
    assert_eq!(rig.run(&["drift", "--format", "json"]).ended(2).json()["drift"][1]["aspect"], "schedule");
    // What changes something is asked for.
    rig.run(&["apply", "--heal"]).ended(1);
    rig.run(&["apply", "--auto-approve"]).done();
    assert_eq!(rig.value(left), "a b");
    let healed = rig.run(&["apply", "--heal", "--auto-approve", "--select", "a"]).done();
    let said = "public.a: the schedule of its manifest holds again: 0 3 * * *, instead of 5m";
    assert!(healed.err().contains(said), "{}", healed.err());
    assert_eq!(rig.value(left), "b");
    let healed = rig.run(&["apply", "--heal", "--auto-approve", "--format", "json"]).done().json();
    assert_eq!(healed["drift"], serde_json::json!([]));
    rig.run(&["drift"]).done();
    let audit =
        "SELECT string_agg(action || ' ' || address, ', ' ORDER BY id) FROM datamart.audit WHERE action = 'schedule'";
    assert_eq!(rig.value(audit), "schedule public.a, schedule public.b");
}
