//! A revision is planned, and applied where the policy allows it.

use datamart::reconcile::{Outcome, Reason};

use super::{ORDERS, Rig, TOTALS, run};

#[test]
fn a_revision_is_applied_and_then_nothing_is_written() {
    run(async {
        let mut rig = Rig::shop(&[("totals.toml", TOTALS)]).await;
        assert_eq!(rig.database.value("SELECT count(*) FROM totals").await, "20");
        let standing = rig.standing().await;
        assert_eq!((standing.status.as_str(), standing.reason.as_deref()), ("applied", Some("Applied")));
        assert!(
            standing.applied.as_ref().is_some_and(|revision| revision.starts_with("files@sha256:")),
            "{standing:?}"
        );
        assert_eq!(
            rig.database.value("SELECT string_agg(action || ' ' || who, ', ') FROM datamart.audit").await,
            "create daemon"
        );
        let before = rig.database.value("SELECT pg_current_xact_id_if_assigned(), txid_snapshot_xmax(txid_current_snapshot())::text || count(*) FROM datamart.applies").await;
        drop(before);
        let rows = "SELECT xmin::text || attempted_at FROM datamart.reconciles";
        let (row, applies) =
            (rig.database.value(rows).await, rig.database.value("SELECT count(*) FROM datamart.applies").await);
        let again = rig.reconcile(Reason::Asked).await;
        assert_eq!(again.outcome, Outcome::Unchanged);
        assert!(again.seen.is_some_and(|seen| seen.actual.recorded.len() == 1));
        assert_eq!(rig.database.value(rows).await, row);
        assert_eq!(rig.database.value("SELECT count(*) FROM datamart.applies").await, applies);
    });
}

#[test]
fn a_revision_that_does_not_validate_leaves_the_last_good_one_in_force() {
    run(async {
        let mut rig = Rig::shop(&[("totals.toml", TOTALS)]).await;
        let good = rig.standing().await.applied;
        rig.write("other.toml", "type = \"table\"\nqueri = \"SELECT 1\"\n");
        let done = rig.reconcile(Reason::Files).await;
        let Outcome::Invalid { message, new: true } = &done.outcome else { panic!("{:?}", done.outcome) };
        assert!(message.ends_with("in the manifests: `query` is missing"), "{message}");
        assert!(done.desired.is_some_and(|desired| desired.marts.len() == 1));
        let standing = rig.standing().await;
        assert_eq!((standing.status.as_str(), standing.reason.as_deref()), ("invalid", Some("ManifestInvalid")));
        assert_eq!(standing.applied, good);
        assert_ne!(standing.attempted, good);
        let problems = standing.problems.expect("problems").to_string();
        assert!(problems.contains("queri"), "{problems}");
        assert!(standing.conditions.iter().any(|c| (c.kind, c.reason) == ("Stalled", "ManifestInvalid")));
        let again = rig.reconcile(Reason::Asked).await;
        assert!(matches!(&again.outcome, Outcome::Invalid { new: false, .. }), "{:?}", again.outcome);
        // What PostgreSQL refuses is no better.
        rig.write("other.toml", "type = \"table\"\nquery = \"SELECT nobody FROM orders\"\n");
        let done = rig.reconcile(Reason::Files).await;
        assert!(matches!(&done.outcome, Outcome::Invalid { new: true, .. }), "{:?}", done.outcome);
        assert_eq!(rig.standing().await.reason.as_deref(), Some("QueryRefused"));
        rig.write("other.toml", "type = \"view\"\nquery = \"SELECT id FROM orders\"\n");
        let done = rig.reconcile(Reason::Files).await;
        let Outcome::Applied { marts, .. } = done.outcome else { panic!("{:?}", done.outcome) };
        assert_eq!(marts, ["public.other"]);
        let standing = rig.standing().await;
        assert_eq!((standing.status.as_str(), &standing.applied), ("applied", &standing.attempted));
        assert_eq!(standing.problems, None);
    });
}

#[test]
fn what_is_only_recorded_anew_is_not_told_as_applied() {
    run(async {
        let mut rig = Rig::shop(&[("totals.toml", TOTALS)]).await;
        // Spelled otherwise, and nothing else.
        rig.write("totals.toml", &TOTALS.replace("SELECT id, amount", "select id , amount"));
        rig.write("other.toml", "type = \"view\"\nquery = \"SELECT id FROM orders\"\n");
        let done = rig.reconcile(Reason::Files).await;
        let Outcome::Applied { marts, .. } = done.outcome else { panic!("{:?}", done.outcome) };
        assert_eq!(marts, ["public.other"]);
        let recorded = "SELECT count(DISTINCT changed_at) FROM datamart.marts";
        assert_eq!(rig.database.value(recorded).await, "1", "both rows were written");
    });
}

#[test]
fn what_a_query_lacks_is_looked_for_again() {
    run(async {
        let mut rig =
            Rig::of(&[("totals.toml", TOTALS), ("project.toml", "[policy]\ndrift_interval = \"1s\"\n")]).await;
        let done = rig.reconcile(Reason::Start).await;
        assert!(matches!(&done.outcome, Outcome::Invalid { .. }), "{:?}", done.outcome);
        rig.database.script(ORDERS).await;
        assert_eq!(rig.reconcile(Reason::Retry).await.outcome.as_str(), "applied");
    });
}

#[test]
fn a_failed_apply_is_tried_again_where_it_can_pass() {
    run(async {
        let mut rig = Rig::shop(&[("totals.toml", TOTALS)]).await;
        assert_eq!(rig.next().await, Reason::Start);
        let files = "[database]\nlock_timeout = \"50ms\"\npublish_lock_timeout = \"10ms\"\n";
        rig.write("project.toml", files);
        rig.write("totals.toml", &TOTALS.replace("SELECT id, amount", "SELECT id, amount + 1 AS amount"));
        let mut other = rig.database.session().await;
        sqlx::raw_sql("BEGIN; LOCK TABLE public.totals IN ACCESS SHARE MODE")
            .execute(&mut other)
            .await
            .expect("a lock");
        let done = rig.reconcile(Reason::Files).await;
        let Outcome::Failed { kind, passing: true, new: true, .. } = &done.outcome else {
            panic!("{:?}", done.outcome)
        };
        assert_eq!(kind, "lock");
        assert_eq!(rig.standing().await.reason.as_deref(), Some("ApplyFailed"));
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("an end");
        let reason = loop {
            match rig.next().await {
                // The files that were written above.
                Reason::Files => {}
                reason => break reason,
            }
        };
        assert_eq!(reason, Reason::Retry);
        let done = rig.reconcile(reason).await;
        assert_eq!(done.outcome.as_str(), "applied", "{:?}", done.outcome);
        assert_eq!(rig.database.value("SELECT min(amount) FROM totals").await, "2");
    });
}

#[test]
fn without_a_database_the_outcome_says_so_and_it_is_tried_again() {
    run(async {
        let mut rig = Rig::of(&[("totals.toml", TOTALS)]).await;
        let nowhere =
            datamart::database::Endpoint::from_url("postgres://nobody@127.0.0.1:1/nothing").expect("an address");
        let done = rig.revisions.reconcile(&nowhere, Reason::Start, chrono::Utc::now()).await;
        let Outcome::Failed { kind, passing: true, .. } = &done.outcome else { panic!("{:?}", done.outcome) };
        assert_eq!(kind, "connection");
        assert!(done.desired.is_some() && done.seen.is_none());
    });
}
