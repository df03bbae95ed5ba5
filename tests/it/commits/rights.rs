//! Rights that somebody takes away, and things that are no longer what they were: nobody's write fails, and it is told and put back.

use datamart::plan::{self, Heal};
use datamart::refresh::How;

use super::shop::{BY_KIND, BY_REGION, Shop, done, tried};
use crate::support::database::run;

/// A role owns the marts, and another what calls their functions: none of them is a superuser.
async fn shop(role: &str) -> Shop {
    let shop = Shop::new(&[]).await;
    let role = format!("{role}_{}", shop.database.name);
    shop.script(&format!(
        "CREATE ROLE {role}; GRANT CREATE, USAGE ON SCHEMA public TO {role}; GRANT SELECT ON orders, customers TO {role}"
    ))
    .await;
    for (name, manifest) in [BY_KIND, BY_REGION] {
        shop.declare(name, &format!("owner = \"{role}\"\n{manifest}"));
    }
    shop.apply().await;
    shop
}

#[test]
fn who_loses_rights_fails_no_write() {
    run(async {
        let shop = shop("rights").await;
        let role = format!("rights_{}", shop.database.name);
        let base = shop.value("SELECT relname FROM pg_class WHERE relname ~ '^commits_[0-9a-f]{8}$'").await;
        let heal = plan::Options { heal: Heal::All, ..plan::Options::default() };
        let mut conn = shop.session().await;
        let write = "INSERT INTO orders SELECT max(id) + 1, 1, 'k1', 2 FROM orders";
        let locks = format!("REVOKE ALL ON datamart.{base}_locks FROM {role}");
        for (what, sql, told) in [
            ("the schema of what keeps it", format!("REVOKE USAGE ON SCHEMA datamart FROM {role}"), true),
            ("its locks", locks, true),
            ("the source", format!("REVOKE SELECT ON orders FROM {role}"), false),
            ("its own rows", format!("REVOKE INSERT, UPDATE, DELETE ON by_kind, by_region FROM {role}"), false),
        ] {
            done(&mut conn, &sql).await;
            assert_eq!(tried(&mut conn, write).await, Ok(()), "{what}");
            assert_eq!(!shop.plan().await.drift.is_empty(), told, "{what}: {:#?}", shop.plan().await.drift);
            let back = format!(
                "GRANT SELECT ON orders TO {role}; GRANT INSERT, UPDATE, DELETE ON by_kind, by_region TO {role}"
            );
            done(&mut conn, &back).await;
            shop.apply_with(&heal).await;
            shop.refreshed(How::AsDeclared).await;
            shop.is_exact(what).await;
            done(&mut conn, write).await;
            shop.is_exact("the next commit").await;
            assert!(shop.plan().await.drift.is_empty(), "{what}: {:#?}", shop.plan().await.drift);
        }
    });
}

/// Who made what calls the functions owns a mart, too; then somebody else applies.
#[test]
fn who_made_it_goes_on_after_another_applied() {
    run(async {
        let shop = shop("made").await;
        let role = format!("made_{}", shop.database.name);
        let base = shop.value("SELECT relname FROM pg_class WHERE relname ~ '^commits_[0-9a-f]{8}$'").await;
        shop.script(&format!(
            "GRANT CREATE, USAGE ON SCHEMA datamart TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA datamart TO {role};
             ALTER TABLE datamart.{base} OWNER TO {role}; ALTER TABLE datamart.{base}_locks OWNER TO {role};
             ALTER FUNCTION datamart.{base}() OWNER TO {role}; ALTER FUNCTION datamart.{base}_work() OWNER TO {role};
             ALTER FUNCTION datamart.{base}_pinned() OWNER TO {role}"
        ))
        .await;
        let (name, manifest) = BY_KIND;
        let changed = manifest.replace("count(*)", "count(*) + 0");
        assert_ne!(changed, manifest);
        shop.declare(name, &format!("owner = \"{role}\"\n{changed}"));
        shop.apply().await;
        let mut conn = shop.session().await;
        let write = "INSERT INTO orders SELECT max(id) + 1, 1, 'k1', 2 FROM orders";
        assert_eq!(tried(&mut conn, write).await, Ok(()));
        shop.is_exact("a commit after the second apply").await;
    });
}

#[test]
fn a_function_that_may_not_be_called_is_told_and_put_back() {
    run(async {
        let shop = shop("calls").await;
        let base = shop.value("SELECT relname FROM pg_class WHERE relname ~ '^commits_[0-9a-f]{8}$'").await;
        let role = format!("caller_{}", shop.database.name);
        // What calls the functions is no superuser's.
        shop.script(&format!(
            "CREATE ROLE {role}; GRANT CREATE, USAGE ON SCHEMA datamart TO {role};
             GRANT ALL ON ALL TABLES IN SCHEMA datamart TO {role};
             GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA datamart TO {role};
             ALTER FUNCTION datamart.{base}() OWNER TO {role}; ALTER FUNCTION datamart.{base}_work() OWNER TO {role};
             ALTER FUNCTION datamart.{base}_pinned() OWNER TO {role}"
        ))
        .await;
        let mut conn = shop.session().await;
        let write = "INSERT INTO orders SELECT max(id) + 1, 1, 'k1', 2 FROM orders";
        done(&mut conn, write).await;
        shop.is_exact("called as somebody else").await;
        let functions =
            "SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc WHERE proname LIKE 'commits\\_%\\_\\_%'";
        let functions = shop.value(functions).await;
        done(&mut conn, &format!("REVOKE EXECUTE ON FUNCTION {functions} FROM {role}")).await;
        assert_eq!(tried(&mut conn, write).await, Ok(()));
        assert_eq!(shop.plan().await.drift.len(), 2, "{:#?}", shop.plan().await.drift);
        shop.apply_with(&plan::Options { heal: Heal::All, ..plan::Options::default() }).await;
        shop.is_exact("healed").await;
        done(&mut conn, write).await;
        shop.is_exact("the next commit").await;
    });
}

#[test]
fn what_is_another_thing_now_fails_no_write() {
    run(async {
        let shop = Shop::new(&[BY_KIND, BY_REGION]).await;
        let mut conn = shop.session().await;
        let write = "INSERT INTO orders SELECT max(id) + 1, 1, 'k1', 2 FROM orders";
        for (what, sql) in [
            (
                "a view in the mart's place",
                "ALTER TABLE by_kind RENAME TO kept; CREATE VIEW by_kind AS SELECT kind, max(n) AS n, max(total) AS total FROM kept GROUP BY kind",
            ),
            ("a view that cannot be written", "GRANT ALL ON by_kind TO PUBLIC"),
            ("a source that went elsewhere", "CREATE SCHEMA elsewhere; ALTER TABLE customers SET SCHEMA elsewhere"),
        ] {
            done(&mut conn, sql).await;
            assert_eq!(tried(&mut conn, write).await, Ok(()), "{what}");
        }
        // Who does not want to wait for a lock is told, all the same.
        let mut other = shop.session().await;
        done(&mut conn, "DROP VIEW by_kind; ALTER TABLE kept RENAME TO by_kind; BEGIN; LOCK TABLE by_kind").await;
        done(&mut other, "SET lock_timeout = '100ms'").await;
        assert_eq!(tried(&mut other, write).await, Err("55P03".to_owned()));
        done(&mut conn, "ROLLBACK").await;
    });
}

/// Locks are the mart's to take, and nobody's to move.
#[test]
fn an_owner_changes_no_lock_of_others() {
    run(async {
        let shop = shop("locks").await;
        let role = format!("locks_{}", shop.database.name);
        shop.script("INSERT INTO orders VALUES (100, 1, 'k1', 5)").await;
        let base = shop.value("SELECT relname FROM pg_class WHERE relname ~ '^commits_[0-9a-f]{8}$'").await;
        let mut conn = shop.session().await;
        done(&mut conn, &format!("SET ROLE {role}")).await;
        for sql in ["UPDATE datamart.{base}_locks SET number = 5000", "DELETE FROM datamart.{base}_locks"] {
            assert_eq!(tried(&mut conn, &sql.replace("{base}", &base)).await, Err("42501".to_owned()), "{sql}");
        }
    });
}
