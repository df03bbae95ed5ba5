//! What needs a human waits, and is released by the fingerprint of its plan.

use datamart::database::registry::Owner;
use datamart::reconcile::{ApproveError, Outcome, Reason, approve};

use super::{Rig, TOTALS, run};

const PLAIN: &str = "type = \"table\"\nquery = \"SELECT id, amount FROM orders\"\n";

/// A table whose source was emptied is to go with its file.
async fn waiting() -> (Rig, String) {
    let policy = "[policy]\nprune = \"true\"\n".replace("\"true\"", "true");
    let mut rig = Rig::shop(&[("project.toml", &policy), ("old.toml", PLAIN), ("totals.toml", TOTALS)]).await;
    rig.database.script("TRUNCATE orders").await;
    std::fs::remove_file(rig.folder.path().join("marts/old.toml")).expect("a file");
    let done = rig.reconcile(Reason::Files).await;
    let Outcome::Pending { fingerprint, new: true, .. } = done.outcome else { panic!("{:?}", done.outcome) };
    (rig, fingerprint)
}

async fn say(rig: &Rig, fingerprint: &str) -> Result<datamart::reconcile::Approved, ApproveError> {
    let by = Owner { project: "default".into(), who: "ana".into(), host: "here".into() };
    approve(&mut rig.database.session().await, "datamart", &by, fingerprint).await
}

#[test]
fn a_plan_with_a_hazard_waits_until_its_fingerprint_is_approved() {
    run(async {
        let (mut rig, fingerprint) = waiting().await;
        let standing = rig.standing().await;
        assert_eq!((standing.status.as_str(), standing.reason.as_deref()), ("pending", Some("ApprovalNeeded")));
        assert_eq!(standing.fingerprint.as_ref(), Some(&fingerprint));
        assert_ne!(standing.applied, standing.attempted);
        let plan = rig.database.value("SELECT plan #>> '{changes,0,action}' FROM datamart.reconciles").await;
        assert_eq!(plan, "delete");
        // The rows of another minute make no other plan.
        rig.database.script("ANALYZE totals; ANALYZE old").await;
        let again = rig.reconcile(Reason::Asked).await;
        assert!(
            matches!(&again.outcome, Outcome::Pending { fingerprint: same, new: false, .. } if *same == fingerprint),
            "{:?}",
            again.outcome
        );
        let digits = &fingerprint["sha256:".len()..][..8];
        assert_eq!(say(&rig, digits).await.expect("an approval").fingerprint, fingerprint);
        assert!(say(&rig, &fingerprint).await.expect("an approval").already);
        assert!(rig.standing().await.approved);
        let done = rig.reconcile(Reason::Approved).await;
        assert_eq!(done.outcome.as_str(), "applied", "{:?}", done.outcome);
        assert_eq!(rig.database.value("SELECT to_regclass('old') IS NULL").await, "true");
        let audit = "SELECT string_agg(action || ' ' || who, ', ' ORDER BY id) FROM datamart.audit WHERE action IN ('approve', 'delete')";
        assert_eq!(rig.database.value(audit).await, "approve ana, delete daemon");
        assert!(!rig.standing().await.approved);
        assert!(matches!(say(&rig, digits).await, Err(ApproveError::Nothing)));
    });
}

#[test]
fn an_approval_is_for_that_plan_alone() {
    run(async {
        let (mut rig, fingerprint) = waiting().await;
        for short in ["sha256:", "abc", "notahexdigit"] {
            assert!(matches!(say(&rig, short).await, Err(ApproveError::Unclear { .. })), "{short}");
        }
        let other = format!("sha256:{}", "0".repeat(64));
        assert!(matches!(say(&rig, &other).await, Err(ApproveError::Other { pending }) if pending == fingerprint));
        say(&rig, &fingerprint).await.expect("an approval");
        rig.write("more.toml", "type = \"view\"\nquery = \"SELECT id FROM orders\"\n");
        let done = rig.reconcile(Reason::Files).await;
        let Outcome::Pending { fingerprint: changed, new: true, .. } = done.outcome else {
            panic!("{:?}", done.outcome)
        };
        assert_ne!(changed, fingerprint);
        assert!(!rig.standing().await.approved);
        assert_eq!(rig.database.value("SELECT to_regclass('old') IS NULL").await, "false");
    });
}

#[test]
fn what_no_approval_helps_cannot_be_approved() {
    run(async {
        let mut rig = Rig::shop(&[("project.toml", "[policy]\nprune = true\n"), ("totals.toml", TOTALS)]).await;
        std::fs::remove_file(rig.folder.path().join("marts/totals.toml")).expect("a file");
        let done = rig.reconcile(Reason::Files).await;
        let Outcome::Pending { fingerprint, .. } = done.outcome else { panic!("{:?}", done.outcome) };
        assert_eq!(rig.standing().await.reason.as_deref(), Some("Refused"));
        assert!(matches!(say(&rig, &fingerprint).await, Err(ApproveError::Refused { .. })));
        assert_eq!(rig.database.value("SELECT count(*) FROM totals").await, "20");
    });
}
