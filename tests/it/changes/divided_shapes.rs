//! Marts in partitions: by time, by list, by hash; by their keys, and by the partitions that are touched.

use super::shapes::{Shape, divided};

const MONTHS: &str = "by = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"\ndefault = true";
const BY_MONTH: &str = "by = \"range\"\ncolumn = \"month\"\ninterval = \"1 month\"\npremake = 0\ndefault = true";
const WEEKS: &str = "by = \"range\"\ncolumn = \"week\"\ninterval = \"1 week\"\npremake = 0\ndefault = true";
const STATES: &str =
    "by = \"list\"\ncolumn = \"status\"\nvalues = { open = [\"open\"], paid = [\"paid\", \"Paid\"] }\ndefault = true";
const CUSTOMERS: &str = "by = \"hash\"\ncolumn = \"customer_id\"\nmodulus = 4";
const DAYS: &str = "by = \"range\"\ncolumn = \"day\"\ninterval = \"1 day\"\npremake = 0";

const BY_DAY: &str =
    "SELECT placed::date AS day, status, count(*) AS n, sum(amount) AS total FROM orders GROUP BY 1, 2";

pub const DIVIDED_SHAPES: &[Shape] = &[
    divided("part_keys", "", BY_DAY, MONTHS, "changes"),
    divided("part_touched", "", BY_DAY, MONTHS, "partition"),
    divided(
        "part_weeks",
        "",
        "SELECT date_trunc('week', o.placed) AS week, c.tier, count(*) AS n, max(o.amount) AS most FROM orders o JOIN customers c ON c.id = o.customer_id GROUP BY 1, 2",
        WEEKS,
        "partition",
    ),
    divided(
        "part_months",
        "",
        "SELECT date_trunc('month', placed) AS month, status, count(*) AS n, sum(amount) AS total FROM orders GROUP BY 1, 2",
        BY_MONTH,
        "partition",
    ),
    divided("part_list", "", "SELECT status, customer_id, count(*) AS n FROM orders GROUP BY 1, 2", STATES, "changes"),
    divided(
        "part_hash",
        "",
        "SELECT customer_id, count(*) AS n, sum(amount) AS total FROM orders GROUP BY 1",
        CUSTOMERS,
        "partition",
    ),
    divided("part_days", "", "SELECT day, kind, count(*) AS n FROM events GROUP BY 1, 2", DAYS, "partition"),
];
