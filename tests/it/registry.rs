//! Our own schema: made, used, refused, claimed.

use std::error::Error as _;

use datamart::database::registry::{self, FORMAT, Owner, claim, migrate, state};
use datamart::database::{DatabaseError, Endpoint, ErrorKind, RegistryState};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::database::{Database, run, server};

const REGISTRY: &str = "datamart";

async fn found(conn: &mut PgConnection, schema: &str) -> RegistryState {
    state(conn, schema).await.expect("a state")
}

/// The database as a role of its own sees it.
async fn as_role(database: &Database, grants: &str) -> (String, PgConnection) {
    let role = format!("{}_role", database.name);
    let sql = format!("CREATE ROLE {role} LOGIN; {}", grants.replace("{role}", &role).replace("{db}", &database.name));
    database.script(&sql).await;
    let ours = format!("user={}", database.endpoint.role());
    let url = database.endpoint.url().replace(&ours, &format!("user={role}"));
    let endpoint = Endpoint::from_url(&url).expect("an endpoint");
    assert_eq!(endpoint.role(), role);
    (role, endpoint.session("test").await.expect("a session"))
}

#[test]
fn it_is_made_once() {
    run(async {
        let database = Database::new().await;
        let mut conn = database.session().await;
        assert_eq!(found(&mut conn, REGISTRY).await, RegistryState::Missing);
        assert!(RegistryState::Missing.usable(REGISTRY).expect("usable").is_none());
        // It is the caller's transaction that makes it.
        let mut transaction = conn.begin().await.expect("a transaction");
        assert!(migrate(&mut transaction, REGISTRY).await.expect("made"));
        assert!(matches!(found(&mut transaction, REGISTRY).await, RegistryState::Ready(_)));
        transaction.rollback().await.expect("rolled back");
        assert_eq!(found(&mut conn, REGISTRY).await, RegistryState::Missing);

        assert!(migrate(&mut conn, REGISTRY).await.expect("made"));
        assert!(!migrate(&mut conn, REGISTRY).await.expect("nothing to do"));
        let RegistryState::Ready(meta) = found(&mut conn, REGISTRY).await else { panic!("not ready") };
        assert_eq!((meta.format, meta.database_name.as_str()), (FORMAT, database.name.as_str()));
        assert_eq!(database.value("SELECT count(*) FROM datamart.meta").await, "1");
        assert!(!claim(&mut conn, REGISTRY, &somebody()).await.expect("nothing to claim"));
    });
}

#[test]
fn its_schema_may_have_any_name() {
    run(async {
        let database = Database::new().await;
        let mut conn = database.session().await;
        let odd = "Datos \"de\" año; --";
        assert!(migrate(&mut conn, odd).await.expect("made"));
        assert!(matches!(found(&mut conn, odd).await, RegistryState::Ready(_)));
        assert_eq!(found(&mut conn, REGISTRY).await, RegistryState::Missing);
    });
}

#[test]
fn a_newer_one_is_refused_in_words() {
    run(async {
        let database = Database::new().await;
        let mut conn = database.session().await;
        migrate(&mut conn, REGISTRY).await.expect("made");
        database.script("UPDATE datamart.meta SET format = 999").await;
        let newer = found(&mut conn, REGISTRY).await;
        assert_eq!(newer, RegistryState::Newer { found: 999, known: FORMAT });
        let words = format!(
            "the registry in schema datamart has format 999, and this datamart knows up to {FORMAT}; use the newer datamart"
        );
        let refused = [
            newer.usable(REGISTRY).map(drop),
            migrate(&mut conn, REGISTRY).await.map(drop),
            claim(&mut conn, REGISTRY, &somebody()).await.map(drop),
        ];
        for outcome in refused {
            let error = outcome.expect_err("refused");
            assert_eq!((error.to_string(), error.kind()), (words.clone(), "config"));
        }
        assert_eq!(database.value("SELECT format FROM datamart.meta").await, "999");
    });
}

#[test]
fn a_clone_is_foreign_until_it_is_claimed() {
    run(async {
        let database = Database::new().await;
        let mut conn = database.session().await;
        migrate(&mut conn, REGISTRY).await.expect("made");
        database
            .script(
                "INSERT INTO datamart.locks VALUES (1, 'shop', 'apply', 1);
                 INSERT INTO datamart.refreshes (project, schema, mart, status) VALUES ('shop', 'public', 'm', 'running');
                 INSERT INTO datamart.applies (project, who, status) VALUES ('shop', 'ana', 'running')",
            )
            .await;
        conn.close().await.expect("closed");
        let clone = format!("{}_clone", database.name);
        let mut admin = server().endpoint().session("tests").await.expect("a session");
        let sql = format!("CREATE DATABASE {clone} TEMPLATE {}", database.name);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.expect("a clone");

        let clone = Database { endpoint: server().endpoint_of(&clone).expect("an endpoint"), name: clone };
        let mut conn = clone.session().await;
        let foreign = found(&mut conn, REGISTRY).await;
        let words = format!(
            "the registry in schema datamart was written in another database ({}), and came here with a restore or a \
             clone; `datamart claim` takes it over",
            database.name
        );
        for outcome in [foreign.usable(REGISTRY).map(drop), migrate(&mut conn, REGISTRY).await.map(drop)] {
            let error = outcome.expect_err("refused");
            assert_eq!((error.to_string(), error.kind()), (words.clone(), "config"));
        }

        assert!(claim(&mut conn, REGISTRY, &somebody()).await.expect("claimed"));
        let RegistryState::Ready(meta) = found(&mut conn, REGISTRY).await else { panic!("not ready") };
        assert_eq!(meta.database_name, clone.name);
        assert!(!claim(&mut conn, REGISTRY, &somebody()).await.expect("nothing more to claim"));
        for (sql, expected) in [
            ("SELECT count(*) FROM datamart.locks", "0"),
            ("SELECT status || (finished_at IS NOT NULL) FROM datamart.refreshes", "cancelledtrue"),
            ("SELECT status || (finished_at IS NOT NULL) FROM datamart.applies", "cancelledtrue"),
            ("SELECT project || ' ' || who || ' ' || host || ' ' || action FROM datamart.audit", "shop ana here claim"),
            ("SELECT detail -> 'from' ->> 'database_name' FROM datamart.audit", &database.name),
        ] {
            assert_eq!(clone.value(sql).await, expected, "{sql}");
        }
        // The one it came from has nothing to do with that.
        assert!(matches!(found(&mut database.session().await, REGISTRY).await, RegistryState::Ready(_)));
        assert_eq!(database.value("SELECT count(*) FROM datamart.locks").await, "1");
    });
}

#[test]
fn another_cluster_is_foreign_and_another_name_is_not() {
    run(async {
        let database = Database::new().await;
        migrate(&mut database.session().await, REGISTRY).await.expect("made");
        let mut admin = server().endpoint().session("tests").await.expect("a session");
        let name = format!("{}_renamed", database.name);
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", database.name);
        let rename = format!("ALTER DATABASE {} RENAME TO {name}", database.name);
        sqlx::raw_sql(AssertSqlSafe(end)).execute(&mut admin).await.expect("ended");
        sqlx::raw_sql(AssertSqlSafe(rename)).execute(&mut admin).await.expect("renamed");
        let database = Database { endpoint: server().endpoint_of(&name).expect("an endpoint"), name };
        let mut conn = database.session().await;
        assert!(matches!(found(&mut conn, REGISTRY).await, RegistryState::Ready(_)));
        database.script("UPDATE datamart.meta SET system_identifier = '7'").await;
        assert!(matches!(found(&mut conn, REGISTRY).await, RegistryState::Foreign(_)));
    });
}

#[test]
fn create_on_the_database_is_all_a_role_needs() {
    run(async {
        let database = Database::new().await;
        let (role, mut conn) = as_role(&database, "GRANT CREATE ON DATABASE {db} TO {role}").await;
        assert!(migrate(&mut conn, REGISTRY).await.expect("made"));
        let RegistryState::Ready(meta) = found(&mut conn, REGISTRY).await else { panic!("not ready") };
        assert_eq!(meta.created_by, role);

        let other = Database::new().await;
        let (_, mut conn) = as_role(&other, "CREATE SCHEMA datamart AUTHORIZATION {role}").await;
        assert!(migrate(&mut conn, REGISTRY).await.expect("made in the schema that is there"));
        assert!(matches!(found(&mut conn, REGISTRY).await, RegistryState::Ready(_)));
    });
}

#[test]
fn what_is_missing_can_be_read_from_the_error() {
    run(async {
        let database = Database::new().await;
        let (role, mut conn) = as_role(&database, "").await;
        assert_eq!(
            privilege(migrate(&mut conn, REGISTRY).await.expect_err("no CREATE")),
            format!("permission denied for database {}", database.name)
        );
        // The schema is there, and is not the role's.
        migrate(&mut database.session().await, REGISTRY).await.expect("made");
        let told = [migrate(&mut conn, REGISTRY).await.map(drop), state(&mut conn, REGISTRY).await.map(drop)];
        for outcome in told {
            let error = outcome.expect_err("no USAGE");
            assert_eq!(error.kind(), "privilege");
            let grants = format!(
                "GRANT USAGE ON SCHEMA datamart TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA datamart TO {role};"
            );
            assert_eq!(error.way_out(), Some(grants));
        }
    });
}

/// The server's words, after a look at the facts that the hint is made from.
fn privilege(error: DatabaseError) -> String {
    assert_eq!(error.kind(), "privilege");
    let sql = error.sql().expect("an error of the server's");
    assert_eq!((sql.kind, sql.is("42501"), sql.transient()), (ErrorKind::Privilege, true, false));
    assert!(error.source().is_none(), "said once");
    sql.message.clone()
}

#[test]
fn a_table_meta_of_somebody_else_is_no_registry() {
    run(async {
        let database = Database::new().await;
        let mut conn = database.session().await;
        migrate(&mut conn, REGISTRY).await.expect("made");
        database.script("DELETE FROM datamart.meta").await;
        let error = state(&mut conn, REGISTRY).await.expect_err("refused");
        assert_eq!(error.to_string(), "schema datamart has a table meta without a row: not a registry of datamart");
        database
            .script("DROP SCHEMA datamart CASCADE; CREATE SCHEMA datamart; CREATE TABLE datamart.meta (a int)")
            .await;
        let error = registry::migrate(&mut conn, REGISTRY).await.expect_err("refused");
        assert_eq!(error.kind(), "missing", "{error}");
        assert_eq!(database.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'datamart'").await, "1");
    });
}

fn somebody() -> Owner {
    Owner { project: "shop".into(), who: "ana".into(), host: "here".into() }
}
