//! Marts that are suspended and rescheduled, until they are resumed or their file changes.

use std::collections::BTreeSet;

use datamart::catalog::Instead;
use datamart::database::registry::Owner;
use datamart::reconcile::{self, Among, Reason};
use datamart::state::{QName, Strategy};
use sqlx::postgres::PgListener;

use super::{Rig, TOTALS, run};

fn ana() -> Owner {
    Owner { project: "default".into(), who: "ana".into(), host: "here".into() }
}

fn totals() -> QName {
    QName::new("public", "totals")
}

#[test]
fn a_suspended_mart_stays_so_whatever_is_committed() {
    run(async {
        let mut rig = Rig::shop(&[("totals.toml", TOTALS)]).await;
        let mut listener = PgListener::connect(rig.database.endpoint.url()).await.expect("a listener");
        listener.listen("datamart_wake").await.expect("a channel");
        let mut conn = rig.database.session().await;
        let marts = Among::Marts(BTreeSet::from([totals()]));
        let changed = reconcile::suspend(&mut conn, "datamart", &ana(), &marts).await.expect("a change");
        assert_eq!(changed.marts, BTreeSet::from([totals()]));
        let told = listener.recv().await.expect("a notification");
        assert!(told.payload().contains("overrides"), "{}", told.payload());
        assert!(reconcile::suspend(&mut conn, "datamart", &ana(), &marts).await.expect("a change").is_empty());
        rig.write("totals.toml", &format!("description = \"more\"\n{TOTALS}"));
        let done = rig.reconcile(Reason::Files).await;
        let (desired, seen) = (done.desired.expect("manifests"), done.seen.expect("a look"));
        assert!(reconcile::policies(Some(&desired), &seen.actual)[&totals()].suspend);
        assert!(!reconcile::resume(&mut conn, "datamart", &ana(), &marts).await.expect("a change").is_empty());
        assert!(reconcile::resume(&mut conn, "datamart", &ana(), &marts).await.expect("a change").is_empty());
        let found = reconcile::overrides(&mut conn, "datamart", "default").await.expect("overrides");
        assert!(found.0.is_empty());
        let audit =
            "SELECT string_agg(action || ' ' || address, ', ' ORDER BY id) FROM datamart.audit WHERE who = 'ana'";
        assert_eq!(rig.database.value(audit).await, "suspend public.totals, resume public.totals");
    });
}

#[test]
fn a_project_is_suspended_whole_and_resumed_whole() {
    run(async {
        let rig = Rig::of(&[("totals.toml", TOTALS)]).await;
        let mut conn = rig.database.session().await;
        // Before anything was applied, too.
        assert!(reconcile::suspend(&mut conn, "datamart", &ana(), &Among::Project).await.expect("a change").project);
        let marts = Among::Marts(BTreeSet::from([totals()]));
        reconcile::suspend(&mut conn, "datamart", &ana(), &marts).await.expect("a change");
        let changed = reconcile::resume(&mut conn, "datamart", &ana(), &Among::Project).await.expect("a change");
        assert!(changed.project && changed.marts.contains(&totals()));
    });
}

#[test]
fn another_schedule_holds_until_the_file_changes_and_shows_as_drift() {
    run(async {
        let mut rig = Rig::shop(&[("totals.toml", TOTALS)]).await;
        let mut conn = rig.database.session().await;
        let desired = rig.revisions.desired().expect("manifests");
        let said = ["10m".to_owned()];
        let changed = reconcile::reschedule(&mut conn, "datamart", &ana(), &desired.marts[0], &said).await;
        assert!(!changed.expect("a change").is_empty());
        let done = rig.reconcile(Reason::Asked).await;
        let (desired, seen) = (done.desired.expect("manifests"), done.seen.expect("a look"));
        assert_eq!(done.outcome.as_str(), "unchanged");
        let policy = &reconcile::policies(Some(&desired), &seen.actual)[&totals()];
        assert_eq!((policy.schedule.as_slice(), policy.strategy), (said.as_slice(), Strategy::Scheduled));
        let drift = rig.drift(chrono::Utc::now()).await;
        assert_eq!(drift.found[0].aspect, "schedule");
        assert!(drift.found[0].message.contains("ana"), "{}", drift.found[0].message);
        // A file of another mart changes nothing; the mart's own ends it, for good.
        rig.write("other.toml", "type = \"view\"\nquery = \"SELECT id FROM orders\"\n");
        let seen = rig.reconcile(Reason::Files).await.seen.expect("a look");
        assert!(matches!(&seen.actual.overrides.0[..], [found] if found.instead == Instead::Schedule(said.to_vec())));
        rig.write("totals.toml", &format!("# later\n{TOTALS}"));
        let seen = rig.reconcile(Reason::Files).await.seen.expect("a look");
        assert!(seen.actual.overrides.0.is_empty());
        rig.write("totals.toml", TOTALS);
        let seen = rig.reconcile(Reason::Files).await.seen.expect("a look");
        assert!(seen.actual.overrides.0.is_empty());
    });
}

/// A revision that waits for somebody is not in force, and ends nothing.
#[test]
fn another_schedule_holds_while_the_plan_of_another_file_waits() {
    run(async {
        let plain = "type = \"table\"\nquery = \"SELECT id, amount FROM orders\"\n";
        let policy = "[policy]\nprune = true\n";
        let mut rig = Rig::shop(&[("project.toml", policy), ("old.toml", plain), ("totals.toml", TOTALS)]).await;
        let mut conn = rig.database.session().await;
        let desired = rig.revisions.desired().expect("manifests");
        let mart = desired.marts.iter().find(|mart| mart.mart.name == totals()).expect("a mart");
        let said = ["10m".to_owned()];
        reconcile::reschedule(&mut conn, "datamart", &ana(), mart, &said).await.expect("a change");
        rig.database.script("TRUNCATE orders").await;
        std::fs::remove_file(rig.folder.path().join("marts/old.toml")).expect("a file");
        rig.write("totals.toml", &format!("# later\n{TOTALS}"));
        let done = rig.reconcile(Reason::Files).await;
        assert_eq!(done.outcome.as_str(), "pending", "{:?}", done.outcome);
        let held = "SELECT count(*) FROM datamart.overrides";
        assert_eq!(rig.database.value(held).await, "1");
        rig.write("old.toml", plain);
        let done = rig.reconcile(Reason::Files).await;
        assert!(matches!(done.outcome.as_str(), "unchanged" | "applied"), "{:?}", done.outcome);
        let told = "SELECT string_agg(concat_ws(' ', who, action, address, detail ->> 'reason'), ', ' ORDER BY id) FROM datamart.audit \
                    WHERE action = 'schedule' AND who = 'daemon'";
        assert_eq!(rig.database.value(told).await, "daemon schedule public.totals its file changed");
        assert_eq!(rig.database.value(held).await, "0");
    });
}
