//! What somebody changed by hand is told, or put back.

use chrono::{TimeDelta, Utc};
use datamart::reconcile::{Outcome, Reason};

use super::{Rig, TOTALS, run};

const HEAL: &str = "[policy]\non_drift = \"heal\"\n";

fn aspects(items: &[datamart::plan::Drift]) -> Vec<String> {
    items.iter().map(|item| format!("{} {}", item.address, item.aspect)).collect()
}

#[test]
fn drift_is_told_once_and_kept() {
    run(async {
        let mut rig = Rig::shop(&[("totals.toml", TOTALS)]).await;
        let quiet = rig.drift(Utc::now()).await;
        assert!(quiet.found.is_empty() && quiet.trouble.is_none(), "{quiet:?}");
        rig.database.script("DROP INDEX totals_amount_idx; CREATE INDEX mine ON totals (id, amount)").await;
        let found = rig.drift(Utc::now()).await;
        assert_eq!(aspects(&found.found), ["public.totals indexes:mine", "public.totals indexes:totals_amount_idx"]);
        assert_eq!(found.new.len(), 2);
        assert!(found.healed.is_empty());
        let again = rig.drift(Utc::now()).await;
        assert_eq!((again.found.len(), again.new.len()), (2, 0));
        assert_eq!(rig.standing().await.drift.len(), 2);
        rig.database.script("DROP INDEX mine; CREATE INDEX totals_amount_idx ON totals (amount)").await;
        assert!(rig.drift(Utc::now()).await.found.is_empty());
        assert!(rig.standing().await.drift.is_empty());
    });
}

#[test]
fn healing_puts_back_what_is_missing_and_drops_no_index() {
    run(async {
        let view = "type = \"view\"\nquery = \"SELECT sum(amount) AS amount FROM orders\"\n";
        let mut rig = Rig::shop(&[("project.toml", HEAL), ("totals.toml", TOTALS), ("all.toml", view)]).await;
        rig.database
            .script("DROP INDEX totals_amount_idx; CREATE INDEX mine ON totals (id, amount); DROP VIEW \"all\"; ALTER TABLE totals SET (fillfactor = 50)")
            .await;
        let done = rig.drift(Utc::now()).await;
        assert_eq!(done.trouble, None);
        assert_eq!(aspects(&done.found), ["public.totals indexes:mine"]);
        assert_eq!(
            aspects(&done.healed),
            ["public.\"all\" relation", "public.totals indexes:totals_amount_idx", "public.totals options:fillfactor"]
        );
        let indexes = "SELECT string_agg(indexrelid::regclass::text, ', ' ORDER BY 1) FROM (SELECT indexrelid FROM pg_index WHERE indrelid = 'totals'::regclass) AS i";
        assert!(rig.database.value(indexes).await.contains("mine"));
        assert_eq!(rig.database.value("SELECT amount FROM \"all\"").await, "210");
        assert_eq!(rig.database.value("SELECT count(*) FROM datamart.audit WHERE action = 'heal'").await, "3");
        let again = rig.drift(Utc::now()).await;
        assert!(again.healed.is_empty() && again.new.is_empty());
    });
}

#[test]
fn the_third_heal_within_an_hour_stalls() {
    run(async {
        let mut rig = Rig::shop(&[("project.toml", HEAL), ("totals.toml", TOTALS)]).await;
        let now = Utc::now();
        for round in 1..=3 {
            rig.database.script("DROP INDEX totals_amount_idx").await;
            let done = rig.drift(now).await;
            assert_eq!(aspects(&done.healed), ["public.totals indexes:totals_amount_idx"], "{round}");
            assert_eq!(done.stalled, if round == 3 { vec!["public.totals".to_owned()] } else { Vec::new() });
        }
        rig.database.script("DROP INDEX totals_amount_idx").await;
        let done = rig.drift(now).await;
        assert!(done.healed.is_empty() && done.stalled.is_empty());
        assert_eq!(aspects(&done.new), ["public.totals indexes:totals_amount_idx"]);
        let seen = done.seen.expect("a look");
        assert_eq!(seen.actual.stalled["public.totals"], ["indexes:totals_amount_idx"]);
        // After an hour it is tried again.
        let later = rig.drift(now + TimeDelta::minutes(61)).await;
        assert_eq!(later.healed.len(), 1, "{later:?}");
    });
}

#[test]
fn healing_takes_no_hazardous_step() {
    run(async {
        let project = "[policy]\non_drift = \"heal\"\nallow_hazards = [\"DELETES_DATA\", \"BREAKS_DEPENDENTS\"]\n";
        let mut rig = Rig::shop(&[("project.toml", project), ("totals.toml", TOTALS)]).await;
        rig.database
            .script("ALTER TABLE totals ADD COLUMN note text; CREATE VIEW notes AS SELECT note FROM totals; DROP INDEX totals_amount_idx")
            .await;
        let done = rig.drift(Utc::now()).await;
        assert_eq!(rig.database.value("SELECT count(*) FROM notes").await, "20", "{done:?}");
        assert!(aspects(&done.found).contains(&"public.totals columns".to_owned()), "{done:?}");
    });
}

#[test]
fn what_a_commit_changes_is_not_healed() {
    run(async {
        let mut rig = Rig::shop(&[("project.toml", HEAL), ("totals.toml", TOTALS)]).await;
        // The files are ahead of what is in force; healing goes by what is in force.
        rig.write("totals.toml", &TOTALS.replace("amount\"]\n", "amount\", \"id\"]\n"));
        rig.database.script("COMMENT ON TABLE totals IS 'mine'; ALTER TABLE totals SET (fillfactor = 50)").await;
        let done = rig.drift(Utc::now()).await;
        assert_eq!(aspects(&done.healed), ["public.totals options:fillfactor"]);
        assert_eq!(rig.reconcile(Reason::Files).await.outcome.as_str(), "applied");
    });
}

/// Before anything is in force, because the first plan of this daemon waits for somebody.
#[test]
fn drift_is_told_while_a_plan_waits_and_not_put_back() {
    run(async {
        let policy = format!("{HEAL}prune = true\n");
        let plain = "type = \"table\"\nquery = \"SELECT id, amount FROM orders\"\n";
        let rig = Rig::shop(&[("project.toml", &policy), ("old.toml", plain), ("totals.toml", TOTALS)]).await;
        rig.database.script("DROP INDEX totals_amount_idx; TRUNCATE orders").await;
        // Another daemon, whose first plan drops rows that nobody can compute again.
        let mut next = rig.again();
        std::fs::remove_file(next.folder.path().join("marts/old.toml")).expect("a file");
        assert_eq!(
            next.revisions.drift(&next.database.endpoint, Utc::now()).await.map(|found| found.found.len()),
            None
        );
        let done = next.reconcile(Reason::Start).await;
        assert!(matches!(done.outcome, Outcome::Pending { .. }), "{:?}", done.outcome);
        let found = next.drift(Utc::now()).await;
        assert_eq!((aspects(&found.found).len(), found.healed.len()), (1, 0), "{found:?}");
    });
}
