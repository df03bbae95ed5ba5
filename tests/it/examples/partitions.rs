//! `examples/partitions`: twelve months and the rest, of which a refresh computes the newest again and exchanges those that differ.

use super::Example;

const LEAVES: &str = "SELECT count(*), count(*) FILTER (WHERE inhrelid::regclass::text ~ '_y[0-9]{4}_m[0-9]{2}$') FROM pg_inherits WHERE inhparent = 'transactions_monthly'::regclass";

/// Rows of the mart that are not those of its query, or the other way round.
const WRONG: &str = "
    WITH q AS (SELECT t.transaction_id, t.at::date AS day, t.customer_id, c.name AS category, t.amount FROM transactions AS t JOIN categories AS c USING (category_id))
    SELECT count(*) FROM ((TABLE q EXCEPT ALL TABLE transactions_monthly) UNION ALL (TABLE transactions_monthly EXCEPT ALL TABLE q)) AS d";

#[test]
fn the_newest_months_are_computed_again() {
    let mut example = Example::of("partitions", "SET timezone = 'UTC'; SET example.transactions = '24000'");
    example.apply();
    // Twelve months, the next one, and the default.
    assert_eq!(example.sql(&[LEAVES]), "14 13\n");
    assert_eq!(example.sql(&["SELECT count(*) FROM transactions_monthly", WRONG]), "24000\n0\n");
    assert_eq!(example.sql(&["SELECT count(*) FROM transactions_monthly_default"]), "0\n");
    // Late transactions of the last week are seen, those of months ago when all is computed again.
    let late = "UPDATE transactions SET amount = amount + 1 WHERE transaction_id IN (24000, 100)";
    example.sql(&[late]);
    assert_eq!(example.refresh(&["transactions_monthly"]), ["public.transactions_monthly success partition"]);
    assert_eq!(example.sql(&[WRONG]), "2\n");
    let before = example
        .sql(&["SELECT inhrelid FROM pg_inherits WHERE inhparent = 'transactions_monthly'::regclass ORDER BY 1"]);
    assert_eq!(example.refresh(&["transactions_monthly", "--full"]), ["public.transactions_monthly success swap"]);
    assert_eq!(example.sql(&[WRONG]), "0\n");
    let after = example
        .sql(&["SELECT inhrelid FROM pg_inherits WHERE inhparent = 'transactions_monthly'::regclass ORDER BY 1"]);
    let stayed = after.lines().filter(|leaf| before.lines().any(|other| other == *leaf)).count();
    assert_eq!(stayed, 13, "{before}{after}");
}
