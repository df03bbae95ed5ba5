//! What the planner goes by while the rows of keys are computed.

use super::shop::{BY_REGION, ORDERS, Shop};
use crate::support::database::run;

/// Whoever writes to the mart notes what holds then.
const NOTES: &str = "CREATE TABLE noted (settings text);
    CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO public.noted VALUES (current_setting('random_page_cost') || ' ' || current_setting('work_mem')); RETURN NULL; END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE ON public.mart FOR EACH STATEMENT EXECUTE FUNCTION public.note();
    ANALYZE orders";

/// A refresh after a change, and what held in it.
async fn noted(shop: &Shop) -> String {
    shop.script("TRUNCATE noted; INSERT INTO orders SELECT max(id) + 1, 'north', 1 FROM orders").await;
    shop.follows().await;
    shop.value("SELECT string_agg(DISTINCT settings, ', ') FROM noted").await
}

#[test]
fn rows_in_memory_are_looked_up() {
    run(async {
        let shop = Shop::new("").await;
        shop.script(NOTES).await;
        assert_eq!(noted(&shop).await, "1.5 64MB");
        let set = async |setting: &str| {
            let sql = format!("ALTER DATABASE {} SET {setting}", shop.database.name);
            shop.script(&sql).await;
        };
        // More than the server can keep in memory.
        set("effective_cache_size = '8kB'").await;
        assert_eq!(noted(&shop).await, "4 64MB");
        set("effective_cache_size = '1GB'").await;
        assert_eq!(noted(&shop).await, "1.5 64MB");
        // Somebody knows better.
        set("random_page_cost = 2").await;
        set("work_mem = '5MB'").await;
        assert_eq!(noted(&shop).await, "2 5MB");
    });
}

#[test]
fn what_a_mart_s_session_says_holds() {
    run(async {
        let session =
            "session = { random_page_cost = 3, work_mem = \"6MB\" }\n[refresh.incremental]\nmethod = \"changes\"\n";
        let shop = Shop::of(ORDERS, BY_REGION, session).await;
        shop.script(NOTES).await;
        assert_eq!(noted(&shop).await, "3 6MB");
    });
}

#[test]
fn what_changed_of_nearly_all_kinds_is_computed_by_day() {
    run(async {
        let seed = "CREATE TABLE orders (id int PRIMARY KEY, placed timestamp NOT NULL, kind int, amount numeric NOT NULL);
            CREATE INDEX ON orders (placed);
            INSERT INTO orders SELECT n, timestamp '2026-01-01' + n % 30 * interval '1 day', n / 30 % 10, n FROM generate_series(1, 3000) AS n;";
        let query = "SELECT date_trunc('day', placed) AS day, kind, count(*) AS n, sum(amount) AS total FROM orders GROUP BY 1, 2";
        let shop = Shop::of(seed, query, "").await;
        // Without a primary key what changed goes and comes.
        for (change, written) in [
            ("UPDATE orders SET amount = amount + 1 WHERE placed = '2026-01-05' AND kind < 9", [9, 0, 9]),
            ("UPDATE orders SET kind = 9 WHERE placed = '2026-01-06' AND kind < 9", [1, 0, 10]),
            ("UPDATE orders SET kind = NULL WHERE placed = '2026-01-07'", [1, 0, 10]),
            ("DELETE FROM orders WHERE placed = '2026-01-08' AND kind < 2", [0, 0, 2]),
        ] {
            shop.script(change).await;
            assert_eq!(shop.follows().await, written, "{change}");
        }
    });
}

/// Whoever writes to the mart notes whether the rows are in a table of their own by then, and what it costs to bring one there.
const NOTES_WHERE: &str = "CREATE TABLE noted (aside text);
    CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO public.noted VALUES (concat_ws(' ', to_regclass('pg_temp.datamart_rows') IS NOT NULL, current_setting('parallel_tuple_cost')));
      RETURN NULL; END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON public.mart FOR EACH STATEMENT EXECUTE FUNCTION public.note()";

/// Orders of a hundred kinds, one of them NULL.
const BY_KIND: [&str; 2] = [
    "CREATE TABLE orders (id int PRIMARY KEY, kind int, amount numeric NOT NULL);
     INSERT INTO orders SELECT n, nullif(n % 100, 0), n FROM generate_series(1, 3000) AS n;
     CREATE INDEX ON orders (kind); ANALYZE orders",
    "SELECT kind, count(*) AS n, sum(amount) AS total FROM orders GROUP BY 1",
];
const ADD: &str = "INSERT INTO orders SELECT max(id) + 1, 1, 1 FROM orders";

/// A refresh after a change that writes so many rows, and what was noted in it.
async fn noted_where(shop: &Shop, change: &str, written: [i64; 3]) -> String {
    shop.script(&format!("TRUNCATE noted; {change}")).await;
    assert_eq!(shop.follows().await, written, "{change}");
    shop.value("SELECT string_agg(DISTINCT aside, ', ') FROM noted").await
}

#[test]
fn many_rows_are_computed_before_they_are_written() {
    run(async {
        let [seed, query] = BY_KIND;
        let shop = Shop::of(seed, query, "[[indexes]]\ncolumns = [\"kind\"]\nunique = true").await;
        shop.script(NOTES_WHERE).await;
        let name = &shop.database.name;
        assert_eq!(noted_where(&shop, ADD, [1, 0, 1]).await, "f 0.1", "little is computed while it is written");
        shop.script(&format!("ALTER DATABASE {name} SET cpu_tuple_cost = 1000")).await;
        assert_eq!(noted_where(&shop, ADD, [1, 0, 1]).await, "t 0.05");
        let many = "UPDATE orders SET kind = NULL WHERE kind = 2; DELETE FROM orders WHERE kind = 3; INSERT INTO orders VALUES (9999, 777, 1)";
        assert_eq!(noted_where(&shop, many, [2, 0, 3]).await, "t 0.05", "NULL, a key that goes, a key that comes");
        assert_eq!(shop.value("SELECT count(*) FROM pg_class WHERE relpersistence = 't'").await, "0");
        // Nobody's function is called for it.
        let event = "CREATE FUNCTION told() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a table'; END $$;
            CREATE EVENT TRIGGER told ON ddl_command_start WHEN TAG IN ('CREATE TABLE AS') EXECUTE FUNCTION told()";
        shop.script(event).await;
        assert_eq!(noted_where(&shop, ADD, [1, 0, 1]).await, "f 0.1");
        shop.script("DROP EVENT TRIGGER told").await;
        shop.script(&format!("ALTER DATABASE {name} SET parallel_tuple_cost = 0.2")).await;
        assert_eq!(noted_where(&shop, ADD, [1, 0, 1]).await, "t 0.2", "somebody knows better");
        // Whoever may make no table computes them as ever.
        let role = format!("owner_{name}");
        shop.script(&format!(
            "CREATE ROLE {role}; GRANT CREATE ON SCHEMA public TO {role}; GRANT SELECT ON orders TO {role}; GRANT INSERT ON noted TO {role}; \
             REVOKE TEMP ON DATABASE {name} FROM PUBLIC; ALTER TABLE mart OWNER TO {role}"
        ))
        .await;
        assert_eq!(noted_where(&shop, ADD, [1, 0, 1]).await, "f 0.2");
    });
}

#[test]
fn no_log_is_told_keys_for_it() {
    run(async {
        let [seed, query] = BY_KIND;
        let session =
            "session = { log_parameter_max_length = \"-1\" }\n[[indexes]]\ncolumns = [\"kind\"]\nunique = true";
        let shop = Shop::of(seed, query, session).await;
        shop.script(NOTES_WHERE).await;
        let name = &shop.database.name;
        shop.script(&format!("ALTER DATABASE {name} SET cpu_tuple_cost = 1000")).await;
        assert_eq!(noted_where(&shop, ADD, [1, 0, 1]).await, "t 0.05");
        shop.script(&format!("ALTER DATABASE {name} SET log_statement = 'ddl'")).await;
        assert_eq!(noted_where(&shop, ADD, [1, 0, 1]).await, "f 0.1");
    });
}
