//! What is done to tables beside writes. Nobody writes meanwhile.

use nix::sys::signal::Signal;

use super::dice::Dice;
use super::world::World;

/// Something that happens.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    pub name: &'static str,
    /// One statement each.
    steps: &'static [&'static str],
    /// Marts are not refreshed before the manifests were applied again.
    pub apply_first: bool,
}

const fn event(name: &'static str, steps: &'static [&'static str]) -> Event {
    Event { name, steps, apply_first: false }
}

/// Puts the triggers of a table into a state.
const fn triggers() -> &'static str {
    "DO $$ DECLARE t record; BEGIN FOR t IN SELECT tgrelid::regclass AS relation, tgname FROM pg_trigger
     WHERE tgrelid IN ('orders'::regclass, 'customers'::regclass) AND NOT tgisinternal
     LOOP EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', t.relation, t.tgname); END LOOP; END $$"
}

const WRITES: &str = "WITH o AS (UPDATE orders SET amount = coalesce(amount, 0) + 1, status = 'paid' WHERE id % 97 = 3)
    UPDATE customers SET tier = 'gold', score = 1 WHERE id % 31 = 5";

const EVENTS: &[Event] = &[
    event(
        "a column was renamed for a while",
        &[
            "ALTER TABLE orders RENAME amount TO price",
            "INSERT INTO orders (customer_id, placed, status, price) VALUES (7, '2026-02-02', 'paid', 5), (NULL, NULL, 'lost', NULL)",
            "ALTER TABLE orders RENAME price TO amount",
        ],
    ),
    event("a column got other values by its type", &["ALTER TABLE lines ALTER quantity TYPE int USING quantity % 7 + 1"]),
    event(
        "a column had another type for a while",
        &[
            "ALTER TABLE lines ALTER quantity TYPE bigint USING quantity + 1",
            "UPDATE lines SET quantity = 2 WHERE order_id BETWEEN 100 AND 120",
            "ALTER TABLE lines ALTER quantity TYPE int",
        ],
    ),
    event(
        "a column was dropped and made again",
        &["ALTER TABLE regions DROP COLUMN name", "ALTER TABLE regions ADD COLUMN name text DEFAULT 'again'"],
    ),
    event(
        "triggers were off for a while",
        &["ALTER TABLE orders DISABLE TRIGGER USER", "ALTER TABLE customers DISABLE TRIGGER USER", WRITES, triggers()],
    ),
    event("triggers are off", &["ALTER TABLE orders DISABLE TRIGGER USER", "ALTER TABLE customers DISABLE TRIGGER USER", WRITES]),
    event(
        "triggers do not fire for replicated rows",
        &["ALTER TABLE orders ENABLE TRIGGER USER", "SET session_replication_role = replica", WRITES],
    ),
    event(
        "triggers are gone",
        &[
            "DO $$ DECLARE t record; BEGIN FOR t IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'orders'::regclass AND NOT tgisinternal
             LOOP EXECUTE format('DROP TRIGGER %I ON orders', t.tgname); END LOOP; END $$",
            WRITES,
        ],
    ),
    event(
        "a partition was attached",
        &[
            "DROP TABLE IF EXISTS events_4",
            "CREATE TABLE events_4 (LIKE events)",
            "INSERT INTO events_4 SELECT date '2026-04-01' + i % 30, 'buy', i, i FROM generate_series(1, 60) AS i",
            "ALTER TABLE events ATTACH PARTITION events_4 FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')",
        ],
    ),
    event(
        "a partition was made, and written to",
        &[
            "DROP TABLE IF EXISTS events_4",
            "CREATE TABLE events_4 PARTITION OF events FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')",
            "INSERT INTO events_4 SELECT date '2026-04-01' + i % 30, 'view', i, i FROM generate_series(1, 60) AS i",
        ],
    ),
    event(
        "a partition was detached",
        &[
            "CREATE TABLE IF NOT EXISTS events_4 PARTITION OF events FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')",
            "INSERT INTO events VALUES ('2026-04-02', 'buy', 3, 4)",
            "ALTER TABLE events DETACH PARTITION events_4",
            "INSERT INTO events_4 VALUES ('2026-04-02', 'buy', 3, 4)",
        ],
    ),
    event("a partition was dropped", &["DROP TABLE IF EXISTS events_4"]),
    event(
        "a table has a child",
        &["CREATE TABLE IF NOT EXISTS tags_more () INHERITS (tags)", "INSERT INTO tags_more SELECT i, 'child' FROM generate_series(1, 20) AS i"],
    ),
    event("a child is gone", &["DROP TABLE IF EXISTS tags_more"]),
    event("tables were rewritten", &["VACUUM FULL orders", "CLUSTER customers USING customers_pkey", "VACUUM FULL products"]),
    event(
        "a function says something else",
        &["CREATE OR REPLACE FUNCTION grade(amount numeric) RETURNS text IMMUTABLE LANGUAGE sql
           AS $$ SELECT CASE WHEN amount > 30 THEN 'high' ELSE 'low' END $$"],
    ),
    event(
        "a function says what it said",
        &["CREATE OR REPLACE FUNCTION grade(amount numeric) RETURNS text IMMUTABLE LANGUAGE sql
           AS $$ SELECT CASE WHEN amount > 60 THEN 'high' ELSE 'low' END $$"],
    ),
    event(
        "a view says something else",
        &["CREATE OR REPLACE VIEW paid AS SELECT id, customer_id, placed, amount FROM orders WHERE status IN ('paid', 'Paid') AND amount > 3"],
    ),
    event(
        "a view says what it said",
        &["CREATE OR REPLACE VIEW paid AS SELECT id, customer_id, placed, amount FROM orders WHERE status IN ('paid', 'Paid')"],
    ),
    event("everything changed", &["UPDATE orders SET amount = amount + 1", "UPDATE customers SET score = score + 1"]),
    Event {
        name: "a table was made anew",
        steps: &[
            "DROP TABLE tags CASCADE",
            "CREATE TABLE tags (product_id int, tag text)",
            "INSERT INTO tags SELECT 1 + i * 11 % 90, (ARRAY['new', 'old', NULL])[1 + i % 3] FROM generate_series(1, 200) AS i",
            "CREATE INDEX ON tags (product_id)",
        ],
        apply_first: true,
    },
    event("the server crashed", &["QUIT"]),
    event("the server was killed", &["KILL"]),
    event("the server was restarted", &["INT"]),
];

impl Event {
    /// One of them, and another one the next time until each was there.
    pub fn of(dice: &mut Dice, so_far: usize) -> Self {
        match EVENTS.get(so_far % (EVENTS.len() + 10)) {
            Some(event) => *event,
            None => *dice.pick(EVENTS),
        }
    }

    pub async fn happen(&self, world: &mut World) {
        let signal = match self.steps {
            ["QUIT"] => Signal::SIGQUIT,
            ["KILL"] => Signal::SIGKILL,
            ["INT"] => Signal::SIGINT,
            steps => return world.steps(steps).await,
        };
        world.restart(signal).await;
    }
}
