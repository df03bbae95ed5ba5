//! A single partition that changes touch: made by its query, and as complete as those around it.

use datamart::plan;
use datamart::refresh::{Method, Run, RunStatus};

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh, refresh_options};

/// Two years of orders up to today; their words are compared by bytes.
const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, at timestamptz NOT NULL, word text COLLATE \"C\", amount numeric NOT NULL);
    INSERT INTO orders SELECT d, current_timestamp - d * interval '1 hour', repeat('w', d % 50), d FROM generate_series(0, 16000) AS d;
    CREATE INDEX ON orders (at); ANALYZE orders";

const SALES: &str = "type = \"partitioned_table\"\nquery = \"SELECT id, at::date AS day, word, amount FROM orders\"\n\
    primary_key = [\"id\", \"day\"]\n[partition]\nby = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"\n\
    [refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\nmethod = \"partition\"\n";

/// The partition of the rows of a hundred days ago.
const TOUCHED: &str = "(SELECT tableoid FROM sales WHERE id = 2400)";

async fn shop(sql: &str) -> (Database, Folder) {
    let database = Database::new().await;
    // As it is where commits are kept: what is on disk is known to be seen by all.
    database.script(&format!("ALTER DATABASE {} SET synchronous_commit = on", database.name)).await;
    database.script(ORDERS).await;
    let folder = Folder::of(&[("sales.toml", SALES)]);
    converge(&database, folder.path(), &plan::Options::default()).await;
    refresh(&database, folder.path(), &refresh_options()).await;
    database.script(sql).await;
    (database, folder)
}

async fn touched(database: &Database, folder: &Folder) -> Run {
    let before = database.value(&format!("SELECT {TOUCHED}")).await;
    database.script("UPDATE orders SET amount = amount + 1 WHERE id = 2400").await;
    let run = refresh(database, folder.path(), &refresh_options()).await.remove(0);
    assert_eq!((run.status, run.method), (RunStatus::Success, Some(Method::Partition)), "{run:#?}");
    assert!(run.reason.contains("1 of 1 partitions differ"), "{}", run.reason);
    assert_ne!(database.value(&format!("SELECT {TOUCHED}")).await, before);
    let desired = project::load(folder.path());
    let mut conn = database.session().await;
    project::is_its_query(&mut conn, &desired.marts[0].mart).await;
    let rows = database.value("SELECT count(*) FROM sales").await;
    assert_eq!(run.row_count.map(|rows| rows.to_string()), Some(rows));
    run
}

/// What of a partition is as in the one beside it.
const ALIKE: &str = "SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attcollation::regcollation,
        attstorage, attcompression = '', pg_get_expr(d.adbin, d.adrelid)), ', ' ORDER BY attnum)
    || ' ' || (SELECT count(*) FROM pg_constraint WHERE conrelid = attrelid) || ' ' || (SELECT count(*) FROM pg_index WHERE indrelid = attrelid)
    FROM pg_attribute LEFT JOIN pg_attrdef AS d ON d.adrelid = attrelid AND d.adnum = attnum WHERE attnum > 0 AND attrelid = ";

async fn is_complete(database: &Database) {
    let other = "(SELECT tableoid FROM sales WHERE id = 4000)";
    assert_eq!(
        database.value(&format!("{ALIKE}{TOUCHED} GROUP BY attrelid")).await,
        database.value(&format!("{ALIKE}{other} GROUP BY attrelid")).await
    );
    assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname ~ '__next'").await, "0");
}

/// Whether VACUUM found that all see the rows of the touched partition.
async fn is_seen_by_all(database: &Database) -> bool {
    let seen = format!(
        "SELECT relpages > 0 AND relallvisible = relpages AND reltuples > 0 FROM pg_class WHERE oid = {TOUCHED}"
    );
    database.value(&seen).await == "true"
}

/// A session that is just connecting, to whatever database of the server, may keep rows from being visible to all. So it is
/// tried again: who never marks them fails each time.
async fn becomes_visible(database: &Database, folder: &Folder) {
    let mut tries = 1;
    while !is_seen_by_all(database).await {
        assert!(tries < 20, "{tries} times it was not visible to all");
        touched(database, folder).await;
        tries += 1;
    }
}

#[test]
fn the_only_one_that_is_touched_is_as_complete_as_the_others() {
    run(async {
        let (database, folder) = shop("").await;
        for _ in 0..2 {
            touched(&database, &folder).await;
            is_complete(&database).await;
        }
        becomes_visible(&database, &folder).await;
    });
}

/// A query says nothing of defaults, checks and how values are stored.
#[test]
fn what_a_query_cannot_say_goes_along() {
    run(async {
        let (database, folder) = shop(
            "ALTER TABLE sales ALTER word SET DEFAULT 'none', ALTER word SET STORAGE EXTERNAL, ADD CONSTRAINT paid CHECK (amount >= 0)",
        )
        .await;
        touched(&database, &folder).await;
        is_complete(&database).await;
        becomes_visible(&database, &folder).await;
    });
}

#[test]
fn nothing_is_left_of_one_that_fails() {
    run(async {
        let (database, folder) = shop("").await;
        database.script("CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no more tables'; END $$; \
            CREATE EVENT TRIGGER no ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION no(); \
            UPDATE orders SET amount = amount + 1 WHERE id = 2400").await;
        let run = refresh(&database, folder.path(), &refresh_options()).await.remove(0);
        assert_eq!(run.status, RunStatus::Failed, "{run:#?}");
        assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname ~ '__next'").await, "0");
        database.script("DROP EVENT TRIGGER no").await;
        touched(&database, &folder).await;
        is_complete(&database).await;
        becomes_visible(&database, &folder).await;
    });
}
