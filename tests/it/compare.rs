//! Two relations, compared row by row: exactly, in one snapshot, whatever their columns are.

use std::sync::atomic::{AtomicBool, Ordering};

use datamart::build::{ComparedBy, Comparison, Frame, compare};
use datamart::database::{ErrorKind, SqlError};
use datamart::state::QName;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::support::database::{Database, run};
use crate::support::wait::until;

fn frame() -> Frame {
    let settings =
        vec![("search_path".to_owned(), "public".to_owned()), ("TimeZone".to_owned(), "America/Bogota".to_owned())];
    Frame { settings, lock_timeout_ms: 20_000, ..Frame::default() }
}

async fn compared(database: &Database, a: &str, b: &str, key: &[&str], samples: usize) -> Comparison {
    let mut conn = database.session().await;
    let key: Vec<String> = key.iter().map(|k| (*k).to_owned()).collect();
    let (a, b) = (QName::new("public", a), QName::new("public", b));
    let key = (!key.is_empty()).then_some(key.as_slice());
    compare(&mut conn, &a, &b, key, &frame(), samples).await.unwrap_or_else(|error| panic!("{error:#?}"))
}

/// Only in the first, only in the second, changed.
fn counts(comparison: &Comparison) -> (i64, i64, Option<i64>) {
    let changed = comparison.changed.as_ref().map(|changed| changed.count);
    (comparison.only_in_a.count, comparison.only_in_b.count, changed)
}

fn sorted(sample: &[Value]) -> Vec<String> {
    let mut rows: Vec<String> = sample.iter().map(Value::to_string).collect();
    rows.sort();
    rows
}

#[test]
fn rows_are_matched_by_key() {
    run(async {
        let database = Database::new().await;
        database
            .script(
                "CREATE TABLE a (id int PRIMARY KEY, name text, amount numeric, at timestamptz);
                 INSERT INTO a SELECT i, 'n' || i, i, '2026-01-01 05:00+00' FROM generate_series(1, 1000) AS i;
                 CREATE TABLE b (LIKE a INCLUDING ALL); INSERT INTO b SELECT * FROM a;
                 DELETE FROM b WHERE id <= 7; INSERT INTO b VALUES (5000, NULL, 1.50, '2026-01-01 05:00+00');
                 UPDATE b SET amount = amount + 1 WHERE id BETWEEN 11 AND 30;
                 UPDATE b SET name = NULL WHERE id BETWEEN 30 AND 34",
            )
            .await;
        let found = compared(&database, "a", "b", &["id"], 3).await;
        assert_eq!(found.by, ComparedBy::Key(vec!["id".into()]));
        assert_eq!((found.note.as_deref(), found.rows_a, found.rows_b), (None, 1000, 994));
        assert_eq!(counts(&found), (7, 1, Some(24)));
        let changed = found.changed.as_ref().expect("changed rows");
        let columns: Vec<_> = changed.columns.iter().map(|c| (c.name.as_str(), c.count)).collect();
        assert_eq!(columns, [("amount", 20), ("name", 5)]);
        assert_eq!((found.only_in_a.sample.len(), changed.sample.len()), (3, 3));
        let row = json!({ "id": 5000, "name": null, "amount": 1.50, "at": "2026-01-01T00:00:00-05:00" });
        assert_eq!(found.only_in_b.sample, [row]);
        let all = compared(&database, "a", "b", &["id"], 100).await;
        let samples = all.changed.expect("changed rows").sample;
        let both = json!({ "key": { "id": 30 }, "old": { "name": "n30", "amount": 30 }, "new": { "name": null, "amount": 31 } });
        assert_eq!(samples.len(), 24);
        assert!(samples.contains(&both), "{samples:#?}");
        assert!(compared(&database, "a", "a", &["id"], 3).await.same_rows());
        assert!(!found.same_rows());
    });
}

#[test]
fn a_key_may_be_of_several_columns_and_null() {
    run(async {
        let database = Database::new().await;
        database
            .script(
                "CREATE TABLE a (k text, at date, v int); CREATE TABLE b (k text, at date, v int);
                 INSERT INTO a VALUES (NULL, '2026-01-01', 1), ('x', NULL, 2), (NULL, NULL, 3), ('x', '2026-01-01', 4), ('gone', NULL, 5);
                 INSERT INTO b VALUES (NULL, '2026-01-01', 1), ('x', NULL, 20), (NULL, NULL, 30), ('x', '2026-01-01', 4), (NULL, '2026-01-02', 6)",
            )
            .await;
        let wanted = [
            "{\"key\":{\"k\":\"x\",\"at\":null},\"old\":{\"v\":2},\"new\":{\"v\":20}}",
            "{\"key\":{\"k\":null,\"at\":null},\"old\":{\"v\":3},\"new\":{\"v\":30}}",
        ];
        let found = compared(&database, "a", "b", &["k", "at"], 5).await;
        assert_eq!((counts(&found), found.note.as_deref()), ((1, 1, Some(2)), None));
        assert_eq!(sorted(&found.changed.expect("changed rows").sample), wanted);
        // The same where an index says that they are sorted, and where it holds that they are unique.
        database.script("CREATE UNIQUE INDEX ON a (k, at); CREATE INDEX ON b (at, k)").await;
        let found = compared(&database, "a", "b", &["k", "at"], 5).await;
        assert_eq!(counts(&found), (1, 1, Some(2)));
        assert_eq!(sorted(&found.changed.expect("changed rows").sample), wanted);
    });
}

#[test]
fn without_a_key_rows_are_multisets() {
    run(async {
        let database = Database::new().await;
        database
            .script(
                "CREATE TABLE a (x int, y text); CREATE TABLE b (x int, y text);
                 INSERT INTO a VALUES (1, 'a'), (1, 'a'), (1, 'a'), (2, NULL), (2, NULL), (3, ''), (4, 'same');
                 INSERT INTO b VALUES (1, 'a'), (2, NULL), (2, NULL), (3, NULL), (4, 'same'), (5, 'b'), (5, 'b')",
            )
            .await;
        let found = compared(&database, "a", "b", &[], 5).await;
        assert_eq!((&found.by, counts(&found)), (&ComparedBy::Rows, (3, 3, None)));
        assert_eq!(sorted(&found.only_in_a.sample), ["{\"x\":1,\"y\":\"a\"}", "{\"x\":3,\"y\":\"\"}"]);
        assert_eq!(sorted(&found.only_in_b.sample), ["{\"x\":3,\"y\":null}", "{\"x\":5,\"y\":\"b\"}"]);
        assert_eq!(compared(&database, "a", "b", &[], 1).await.only_in_a.sample.len(), 1);
        // A key that is none is told, and rows are multisets.
        let found = compared(&database, "a", "b", &["x"], 5).await;
        assert_eq!((&found.by, counts(&found)), (&ComparedBy::Rows, (3, 3, None)));
        assert_eq!(found.note.as_deref(), Some("rows of public.a share a key"));
        let found = compared(&database, "a", "b", &["x", "z"], 5).await;
        assert_eq!(found.note.as_deref(), Some("not both have the key column z"));
        assert!(compared(&database, "a", "a", &[], 5).await.same_rows());
    });
}

#[test]
fn every_type_can_be_compared() {
    run(async {
        let database = Database::new().await;
        let columns = "id int NOT NULL, j json, x xml, p point, n numeric, f float8, m money, arr int[], r int4range, b bytea, t tsvector, c char(5)";
        let row =
            "'{\"b\":1, \"a\":[1]}', '<a>1</a>', '(1,2)', 1.0, 0, 12.5, '{1,NULL}', '[1,5)', '\\x00ff', 'a b', 'x'";
        database
            .script(&format!(
                "CREATE TABLE a ({columns}); CREATE TABLE b ({columns});
                 INSERT INTO a SELECT i, {row} FROM generate_series(1, 12) i;
                 INSERT INTO b SELECT * FROM a;
                 UPDATE b SET j = '{{\"b\": 1, \"a\":[1]}}' WHERE id = 1; UPDATE b SET x = '<a>2</a>' WHERE id = 2;
                 UPDATE b SET p = '(2,1)' WHERE id = 3; UPDATE b SET n = 1.00 WHERE id = 4; UPDATE b SET f = '-0' WHERE id = 5;
                 UPDATE b SET m = 1 WHERE id = 6; UPDATE b SET arr = '[0:1]={{1,NULL}}' WHERE id = 7; UPDATE b SET r = 'empty' WHERE id = 8;
                 UPDATE b SET b = NULL WHERE id = 9; UPDATE b SET t = 'a' WHERE id = 10; UPDATE b SET c = 'y' WHERE id = 11"
            ))
            .await;
        let found = compared(&database, "a", "b", &["id"], 50).await;
        assert_eq!(counts(&found), (0, 0, Some(11)));
        let changed = found.changed.expect("changed rows");
        let mut columns: Vec<_> = changed.columns.iter().map(|c| c.name.as_str()).collect();
        columns.sort_unstable();
        assert_eq!(columns, ["arr", "b", "c", "f", "j", "m", "n", "p", "r", "t", "x"]);
        assert!(changed.columns.iter().all(|c| c.count == 1), "{:#?}", changed.columns);
        assert_eq!(counts(&compared(&database, "a", "b", &[], 5).await), (11, 11, None));
        // A key of types that nothing sorts: to the byte.
        let found = compared(&database, "a", "b", &["id", "j", "p"], 5).await;
        assert_eq!(counts(&found), (2, 2, Some(9)));
    });
}

#[test]
fn names_are_any_and_long_values_are_cut() {
    run(async {
        let database = Database::new().await;
        database
            .script(
                "CREATE TABLE \"A \"\"x\" (\"Key\" int PRIMARY KEY, \"select\" text, \"it's\" text, here int, side int);
                 INSERT INTO \"A \"\"x\" VALUES (1, 'a', 'b', 1, 1), (2, repeat('é', 5000), 'b', 2, 2);
                 CREATE TABLE b AS SELECT * FROM \"A \"\"x\"; UPDATE b SET \"select\" = 'z', \"it's\" = 'z', here = 0",
            )
            .await;
        let found = compared(&database, "A \"x", "b", &["Key"], 5).await;
        assert_eq!(counts(&found), (0, 0, Some(2)));
        let samples = found.changed.expect("changed rows").sample;
        let of = |key: i64| samples.iter().find(|row| row["key"]["Key"] == key).expect("a row");
        assert_eq!(of(1)["old"], json!({ "select": "a", "it's": "b", "here": 1 }));
        let long = of(2)["old"]["select"].as_str().expect("a text");
        assert!(long.starts_with("\"éé") && long.ends_with('…') && long.chars().count() == 201, "{long}");
    });
}

#[test]
fn columns_that_are_not_shared_are_told() {
    run(async {
        let database = Database::new().await;
        database
            .script(
                "CREATE TABLE a (id int PRIMARY KEY, n int, gone text, t text COLLATE \"C\");
                 CREATE TABLE b (t text, id bigint PRIMARY KEY, n numeric(10,2), come date NOT NULL DEFAULT '2026-01-01');
                 INSERT INTO a VALUES (1, 1, 'x', 't'), (2, 2, 'x', 't'); INSERT INTO b VALUES ('t', 1, 1), ('u', 3, 3);
                 CREATE TABLE c (other int); INSERT INTO c VALUES (1), (2); CREATE TABLE empty (LIKE a INCLUDING ALL)",
            )
            .await;
        let found = compared(&database, "a", "b", &["id"], 5).await;
        assert_eq!(counts(&found), (1, 1, Some(1)));
        let types: Vec<_> = found.as_text.iter().map(|c| (c.name.as_str(), c.a.as_str(), c.b.as_str())).collect();
        assert_eq!(types, [("id", "integer", "bigint"), ("n", "integer", "numeric(10,2)")]);
        let name =
            |columns: &[datamart::build::ComparedColumn]| columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
        assert_eq!(
            (name(&found.columns_only_in_a), name(&found.columns_only_in_b)),
            (vec!["gone".into()], vec!["come".into()])
        );
        assert_eq!(found.changed.expect("changed rows").sample[0]["new"], json!({ "n": "1.00" }));
        // As text there is no key without the column, and no comparison without any.
        let found = compared(&database, "a", "c", &["id"], 5).await;
        assert_eq!((&found.by, counts(&found), found.rows_a, found.rows_b), (&ComparedBy::Nothing, (0, 0, None), 2, 2));
        assert!(!found.same_rows());
        for key in [&["id"][..], &[]] {
            let found = compared(&database, "a", "empty", key, 1).await;
            assert_eq!((found.only_in_a.count, found.only_in_b.count, found.rows_b), (2, 0, 0));
            assert_eq!(compared(&database, "empty", "a", key, 1).await.only_in_b.count, 2);
            assert!(compared(&database, "empty", "empty", key, 1).await.same_rows());
        }
    });
}

#[test]
fn both_are_seen_at_one_moment() {
    run(async {
        let database = Database::new().await;
        database
            .script(
                "CREATE TABLE a (id int PRIMARY KEY, v int); INSERT INTO a SELECT i, 0 FROM generate_series(1, 2000) i;
                 CREATE TABLE b (id int PRIMARY KEY, v int); INSERT INTO b SELECT * FROM a",
            )
            .await;
        let done = AtomicBool::new(false);
        let mut writer = database.session().await;
        let writing = async {
            let mut times = 0;
            while !done.load(Ordering::Relaxed) {
                sqlx::raw_sql("BEGIN; UPDATE public.a SET v = v + 1; UPDATE public.b SET v = v + 1; COMMIT")
                    .execute(&mut writer)
                    .await
                    .expect("an update");
                times += 1;
            }
            times
        };
        let comparing = async {
            for at in 0..30 {
                let key: &[&str] = if at % 2 == 0 { &["id"] } else { &[] };
                let found = compared(&database, "a", "b", key, 5).await;
                assert!(found.same_rows(), "{found:#?}");
            }
            done.store(true, Ordering::Relaxed);
        };
        let (times, ()) = tokio::join!(writing, comparing);
        assert!(times > 5, "the writer wrote {times} times");
    });
}

/// What `change` does in a transaction that is open while the comparison waits for its lock is what it sees.
async fn seen_after_the_lock(prepare: &str, change: &str) -> Comparison {
    let database = Database::new().await;
    database.script(prepare).await;
    let mut other = database.session().await;
    sqlx::raw_sql(AssertSqlSafe(format!("SET search_path = public; BEGIN; {change}")))
        .execute(&mut other)
        .await
        .expect("a change");
    let waits = async {
        until("the comparison waits", async || {
            database.value("SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE datname = current_database() AND NOT granted").await != "0"
        })
        .await;
        sqlx::raw_sql("COMMIT").execute(&mut other).await.expect("a commit");
    };
    tokio::join!(compared(&database, "a", "b", &["id"], 5), waits).0
}

#[test]
fn what_is_rewritten_meanwhile_is_not_seen_half() {
    run(async {
        let tables =
            "CREATE TABLE a AS SELECT i AS id FROM generate_series(1, 10) i; CREATE TABLE b AS SELECT * FROM a";
        let found =
            seen_after_the_lock(tables, "TRUNCATE b; INSERT INTO b SELECT i FROM generate_series(1, 12) i").await;
        assert_eq!((found.rows_b, counts(&found)), (12, (0, 2, Some(0))));
        let swap = "CREATE TABLE next AS SELECT i AS id FROM generate_series(1, 12) i; DROP TABLE b; ALTER TABLE next RENAME TO b";
        let found = seen_after_the_lock(tables, swap).await;
        assert_eq!((found.rows_b, counts(&found)), (12, (0, 2, Some(0))));
        let views = "CREATE TABLE s AS SELECT i AS id FROM generate_series(1, 10) i;
             CREATE TABLE a AS SELECT * FROM s; CREATE MATERIALIZED VIEW b AS SELECT * FROM s";
        let found = seen_after_the_lock(views, "INSERT INTO s VALUES (11), (12); REFRESH MATERIALIZED VIEW b").await;
        assert_eq!((found.rows_b, counts(&found)), (12, (0, 2, Some(0))));
    });
}

#[test]
fn it_runs_as_the_owner_and_says_what_is_missing() {
    run(async {
        let database = Database::new().await;
        let role = format!("{}_owner", database.name);
        database
            .script(&format!("CREATE ROLE {role}; CREATE TABLE a AS SELECT 1 AS id; CREATE VIEW v AS SELECT 1 AS id"))
            .await;
        let mut conn = database.session().await;
        let (a, v, gone) = (QName::new("public", "a"), QName::new("public", "v"), QName::new("public", "gone"));
        let owner = Frame { role: Some(role.clone()), ..frame() };
        let kind =
            |outcome: Result<Comparison, SqlError>| outcome.map_err(|error| error.kind).map(|found| found.same_rows());
        assert_eq!(kind(compare(&mut conn, &a, &v, None, &owner, 5).await), Err(ErrorKind::Privilege));
        assert_eq!(kind(compare(&mut conn, &a, &gone, None, &frame(), 5).await), Err(ErrorKind::Missing));
        database.script(&format!("GRANT SELECT ON a, v TO {role}")).await;
        // The session that was refused serves on, and is itself again.
        assert_eq!(kind(compare(&mut conn, &a, &v, None, &owner, 5).await), Ok(true));
        let user: bool =
            sqlx::query_scalar("SELECT current_user = session_user").fetch_one(&mut conn).await.expect("a user");
        assert!(user);
    });
}
