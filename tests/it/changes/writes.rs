//! Random statements of users.

use super::dice::Dice;

/// What a session does.
#[derive(Debug, Clone)]
pub enum Write {
    Sql(String),
    /// COPY … FROM STDIN, and its lines.
    Copy(String, String),
}

impl Write {
    pub fn text(&self) -> String {
        match self {
            Self::Sql(sql) => sql.clone(),
            Self::Copy(sql, lines) => format!("{sql} -- {}", lines.trim_end().replace('\n', " | ")),
        }
    }
}

const STATES: &[&str] = &["open", "paid", "Paid", "lost"];
const TIERS: &[&str] = &["gold", "silver", "bronze"];
const KINDS: &[&str] = &["click", "view", "buy"];
const CATEGORIES: &[&str] = &["book", "food", "tool", "toy"];
const TAGS: &[&str] = &["new", "sale", "old"];

fn word(dice: &mut Dice, words: &[&str]) -> String {
    let word = format!("'{}'", dice.pick(words));
    dice.or_null(word)
}

fn number(dice: &mut Dice, end: u64) -> String {
    let number = dice.below(end).to_string();
    dice.or_null(number)
}

fn customer(dice: &mut Dice) -> String {
    let number = dice.between(1, 400).to_string();
    dice.or_null(number)
}

fn time(dice: &mut Dice) -> String {
    let time = format!("timestamptz '2026-01-01 00:00+00' + {} * interval '1 second'", dice.below(7_776_000));
    dice.or_null(time)
}

fn day(dice: &mut Dice) -> String {
    format!("date '2026-01-01' + {}", dice.below(90))
}

/// A row around the bounds of what moves.
fn tick(dice: &mut Dice) -> String {
    let bound = dice.between(58, 62);
    format!(
        "now() - interval '{bound} minutes' + {} * interval '100 ms', {}, {}",
        dice.below(1_200),
        number(dice, 61),
        dice.below(10)
    )
}

fn rows(dice: &mut Dice, most: u64, row: impl Fn(&mut Dice) -> String) -> String {
    let count = dice.between(1, most);
    (0..count).map(|_| format!("({})", row(dice))).collect::<Vec<_>>().join(", ")
}

/// Some rows of a table whose key is a number up to this one.
fn some(dice: &mut Dice, end: u64) -> String {
    let from = dice.between(1, end);
    match dice.below(3) {
        0 => format!("= {from}"),
        1 => format!("BETWEEN {from} AND {}", from + dice.below(12)),
        _ => format!("IN ({from}, {}, {})", dice.between(1, end), dice.between(1, end)),
    }
}

fn order(dice: &mut Dice) -> String {
    let (customer, placed, status) = (customer(dice), time(dice), word(dice, STATES));
    format!("{customer}, {placed}, {status}, {}, 'n{}'", number(dice, 120), dice.below(23))
}

/// A statement of the server's major.
pub fn write(dice: &mut Dice, major: u32) -> Write {
    Write::Sql(match dice.below(14) {
        0..=3 => orders(dice),
        4 | 5 => lines(dice),
        6 => customers(dice),
        7 => products(dice),
        8 => tags(dice),
        9 | 10 => events(dice),
        11 => ticks(dice),
        12 => return copy(dice),
        _ => at_once(dice, major),
    })
}

fn orders(dice: &mut Dice) -> String {
    match dice.below(10) {
        0..=2 => {
            format!("INSERT INTO orders (customer_id, placed, status, amount, note) VALUES {}", rows(dice, 6, order))
        }
        3 => format!("UPDATE orders SET amount = {} WHERE id {}", number(dice, 120), some(dice, 4_000)),
        4 => format!("UPDATE orders SET customer_id = {} WHERE id {}", customer(dice), some(dice, 4_000)),
        5 => format!(
            "UPDATE orders SET status = {}, placed = {} WHERE id {}",
            word(dice, STATES),
            time(dice),
            some(dice, 4_000)
        ),
        6 => format!("DELETE FROM orders WHERE id {}", some(dice, 4_000)),
        7 => format!("UPDATE orders SET note = 'x' || note WHERE id {}", some(dice, 4_000)),
        8 => format!(
            "DELETE FROM orders WHERE id IN (SELECT id FROM orders ORDER BY id DESC LIMIT {})",
            dice.between(1, 9)
        ),
        _ => "UPDATE orders SET amount = amount WHERE false".to_owned(),
    }
}

fn lines(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 | 1 => format!(
            "INSERT INTO lines SELECT id, {}, {}, {} FROM orders WHERE id {} ON CONFLICT (order_id, line) DO UPDATE SET quantity = excluded.quantity",
            dice.between(1, 5),
            number(dice, 80),
            dice.between(1, 7),
            some(dice, 4_000)
        ),
        2 => format!("UPDATE lines SET product_id = {} WHERE order_id {}", number(dice, 80), some(dice, 4_000)),
        3 => format!("UPDATE lines SET quantity = {} WHERE order_id {}", dice.between(1, 7), some(dice, 4_000)),
        4 => format!("DELETE FROM lines WHERE order_id {} AND line = {}", some(dice, 4_000), dice.between(1, 4)),
        _ => format!("UPDATE lines SET line = line + 10 WHERE order_id {}", some(dice, 4_000)),
    }
}

fn customers(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => format!(
            "INSERT INTO customers (region_id, tier, score) VALUES ({}, {}, {})",
            number(dice, 18),
            word(dice, TIERS),
            dice.below(100)
        ),
        1 => format!("UPDATE customers SET region_id = {} WHERE id {}", number(dice, 18), some(dice, 400)),
        2 => format!(
            "UPDATE customers SET tier = {}, score = {} WHERE id {}",
            word(dice, TIERS),
            dice.below(100),
            some(dice, 400)
        ),
        3 => format!("UPDATE customers SET note = 'again' WHERE id {}", some(dice, 400)),
        // Its orders stay, without it.
        4 => format!("DELETE FROM customers WHERE id = {}", dice.between(1, 420)),
        // … or follow its new number.
        _ => format!("UPDATE customers SET id = id + 1000 WHERE id = {}", dice.between(1, 420)),
    }
}

fn products(dice: &mut Dice) -> String {
    match dice.below(5) {
        0 => format!("UPDATE products SET category = {} WHERE id = {}", word(dice, CATEGORIES), dice.between(1, 80)),
        1 => format!("UPDATE products SET price = {} WHERE id = {}", dice.below(90), dice.between(1, 80)),
        2 => format!("DELETE FROM products WHERE id = {}", dice.between(1, 90)),
        3 => format!(
            "UPDATE regions SET country = {} WHERE id = {}",
            word(dice, &["co", "de", "us"]),
            dice.between(1, 16)
        ),
        _ => format!(
            "INSERT INTO products VALUES {} ON CONFLICT (id) DO UPDATE SET category = excluded.category, price = excluded.price",
            format_args!("({}, {}, {}, 'new')", dice.between(1, 90), word(dice, CATEGORIES), number(dice, 90))
        ),
    }
}

fn tags(dice: &mut Dice) -> String {
    match dice.below(8) {
        0..=2 => format!(
            "INSERT INTO tags VALUES {}",
            rows(dice, 4, |dice| format!("{}, {}", number(dice, 90), word(dice, TAGS)))
        ),
        3 | 4 => format!("DELETE FROM tags WHERE product_id {}", some(dice, 90)),
        5 | 6 => format!("UPDATE tags SET tag = {} WHERE product_id {}", word(dice, TAGS), some(dice, 90)),
        _ if dice.one_in(6) => "TRUNCATE tags".to_owned(),
        _ => format!("INSERT INTO tags SELECT id, 'all' FROM products WHERE id {}", some(dice, 80)),
    }
}

fn events(dice: &mut Dice) -> String {
    let row =
        |dice: &mut Dice| format!("{}, {}, {}, {}", day(dice), word(dice, KINDS), dice.below(50), number(dice, 411));
    match dice.below(7) {
        0 | 1 => format!("INSERT INTO events VALUES {}", rows(dice, 6, row)),
        // Into a leaf itself, and from one to another.
        2 => format!(
            "INSERT INTO events_2 VALUES ({}, {}, {}, {})",
            format_args!("date '2026-02-01' + {}", dice.below(28)),
            word(dice, KINDS),
            dice.below(50),
            number(dice, 411)
        ),
        3 => format!("UPDATE events SET day = {} WHERE customer_id {}", day(dice), some(dice, 411)),
        4 => format!("UPDATE events_1 SET value = value + 1 WHERE customer_id {}", some(dice, 411)),
        5 => format!("DELETE FROM events WHERE day = {} AND value < 10", day(dice)),
        _ => format!(
            "UPDATE events SET customer_id = {}, kind = {} WHERE customer_id {}",
            number(dice, 411),
            word(dice, KINDS),
            some(dice, 411)
        ),
    }
}

fn ticks(dice: &mut Dice) -> String {
    match dice.below(5) {
        0..=2 => format!("INSERT INTO ticks (at, sensor, v) VALUES {}", rows(dice, 5, tick)),
        3 => format!("UPDATE ticks SET sensor = {} WHERE id {}", number(dice, 61), some(dice, 3_000)),
        _ => format!("DELETE FROM ticks WHERE id {}", some(dice, 3_000)),
    }
}

fn copy(dice: &mut Dice) -> Write {
    let count = dice.between(1, 9);
    let null = |text: String| text.replace("NULL", "\\N").replace('\'', "");
    let lines = (0..count)
        .map(|_| null(format!("{}\t{}\t{}\t{}\n", customer(dice), word(dice, STATES), number(dice, 120), "copied")));
    Write::Copy("COPY orders (customer_id, status, amount, note) FROM STDIN".to_owned(), lines.collect())
}

/// Several kinds of changes by one statement.
fn at_once(dice: &mut Dice, major: u32) -> String {
    match dice.below(4) {
        0 if major >= 15 => format!(
            "MERGE INTO products p USING (SELECT g AS id, g % 7 AS price FROM generate_series({0}, {0} + 4) AS g) n ON n.id = p.id
             WHEN MATCHED AND p.id % 3 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET price = n.price
             WHEN NOT MATCHED THEN INSERT VALUES (n.id, {1}, n.price, 'merged')",
            dice.between(1, 88), word(dice, CATEGORIES)
        ),
        1 => format!(
            "WITH gone AS (DELETE FROM tags WHERE product_id {} RETURNING product_id), more AS (UPDATE products SET price = price + 1 WHERE id {} RETURNING id)
             INSERT INTO tags SELECT product_id, 'moved' FROM gone UNION ALL SELECT id, 'dearer' FROM more",
            some(dice, 90), some(dice, 80)
        ),
        2 => format!(
            "WITH o AS (INSERT INTO orders (customer_id, placed, status, amount, note) VALUES {} RETURNING id)
             INSERT INTO lines SELECT id, 1, {}, 7 FROM o",
            rows(dice, 3, order), number(dice, 80)
        ),
        _ => format!("UPDATE orders SET id = id + 100000 WHERE id = {}", dice.between(1, 4_000)),
    }
}
