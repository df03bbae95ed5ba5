//! The keys of a mart.

use super::{Key, Type, Word, key, later, later_word, word};

const NAMES: Type = Type::List(&Type::Text);

const KINDS: &[Word] = &[
    word("view"),
    word("materialized_view"),
    word("table"),
    word("partitioned_table"),
    later_word("temporary"),
    later_word("continuous_aggregate"),
];

/// A mart's file.
pub(in crate::manifest) const MART: &[Key] = &[
    key("type", Type::Words(KINDS), "\"materialized_view\"", "How the mart is stored.").required(),
    key("name", Type::Text, "\"sales_summary\"", "The relation's name; the file's stem unless given."),
    key("schema", Type::Text, "\"public\"", "The relation's schema; the project's unless given."),
    key("description", Type::Text, "\"Sales by day\"", "Becomes the relation's comment; absent is not managed."),
    key("query", Type::Text, "\"SELECT …\"", "Exactly one SELECT, VALUES or TABLE."),
    key("query_file", Type::Text, "\"sales_summary.sql\"", "A file with the query, relative to this one."),
    key("tags", NAMES, "[\"dashboard\"]", "Words to select marts by."),
    key("owner", Type::Text, "\"mart_owner\"", "The role that owns the relation and runs its query."),
    key("renamed_from", NAMES, "[\"old_name\"]", "Earlier names: a rename instead of a drop and a create."),
    key("depends_on", NAMES, "[\"orders_daily\"]", "What the query cannot show, such as what a function reads."),
    key("prevent_destroy", Type::Bool, "true", "The mart is never removed or replaced while this is true."),
    key("primary_key", NAMES, "[\"day\", \"category\"]", "Columns of a table mart's primary key."),
    key(
        "publish",
        Type::Words(&[word("auto"), word("merge"), word("swap")]),
        "\"auto\"",
        "How new data replaces a table mart's old data.",
    ),
    key("tablespace", Type::Text, "\"fast\"", "Where the rows are stored."),
    key("with", Type::Map(&Type::Scalar), "{ fillfactor = 90 }", "Storage parameters, or a view's options."),
    key(
        "session",
        Type::Map(&Type::Scalar),
        "{ work_mem = \"256MB\" }",
        "Settings of every build and refresh of this mart.",
    ),
    key(
        "columns",
        Type::Map(&Type::Table(COLUMN)),
        "{ total = { description = \"net\" } }",
        "What is said about columns.",
    ),
    key("refresh", Type::Table(REFRESH), "{ strategy = \"manual\" }", "When and how the mart is refreshed."),
    key("indexes", Type::Tables(INDEX), "[{ columns = [\"day\"] }]", "The relation's indexes."),
    key(
        "grants",
        Type::Tables(GRANT),
        "[{ role = \"bi\", privileges = [\"SELECT\"] }]",
        "Who may do what; absent is not managed.",
    ),
    key("freshness", Type::Table(FRESHNESS), "{ error_after = \"1h\" }", "When the mart's data counts as old."),
    key(
        "retention",
        Type::Table(RETENTION),
        "{ column = \"day\", keep = \"90 days\" }",
        "Rows of a table mart that are older than this are deleted.",
    ),
    key(
        "checks",
        Type::Tables(CHECK),
        "[{ not_null = [\"day\"] }]",
        "What must be true of new data before it is published; each has exactly one form.",
    ),
    key(
        "partition",
        Type::Table(PARTITION),
        "{ by = \"range\", column = \"day\", interval = \"1 month\" }",
        "How a partitioned table mart is divided.",
    ),
    key(
        "versions",
        Type::Table(VERSIONS),
        "{ keep = 3 }",
        "Present: every change is a new version, and older ones stay to go back to.",
    ),
    key("metadata", Type::Map(&Type::Any), "{ team = \"bi\" }", "Free-form; kept with the mart and shown."),
    later("timescale"),
];

const PARTITION: &[Key] = &[
    key("by", Type::Words(&[word("range"), word("list"), word("hash")]), "\"range\"", "What decides where a row goes.")
        .required(),
    key("column", Type::Text, "\"day\"", "The output column that decides it.").required(),
    key(
        "interval",
        Type::Text,
        "\"1 month\"",
        "range: what one partition takes, from an hour to a year, in the mart's time zone.",
    ),
    key("default", Type::Bool, "true", "There is a partition for rows that no other takes."),
    key(
        "start",
        Type::Text,
        "\"2025-01-01\"",
        "range: where the first partition begins; at the earliest value the query yields unless given.",
    ),
    key(
        "premake",
        Type::Integer { min: 0, max: 1_000 },
        "3",
        "range: partitions kept ready beyond that of now; 1 unless given.",
    ),
    key("retain", Type::Text, "\"12 months\"", "range: partitions that are older leave."),
    key(
        "on_expire",
        Type::Words(&[word("drop"), word("detach")]),
        "\"drop\"",
        "range: how they leave; detach makes tables of their own of them.",
    ),
    key(
        "values",
        Type::Map(&Type::List(&Type::Scalar)),
        "{ eu = [\"DE\", \"FR\"], us = [\"US\"] }",
        "list: the values of each partition.",
    ),
    key("modulus", Type::Integer { min: 1, max: 10_000 }, "8", "hash: how many partitions there are."),
];

const VERSIONS: &[Key] = &[
    key("keep", KEEP, "3", "How many versions are kept, the published one among them."),
    key(
        "on",
        Type::Words(&[word("change"), word("refresh")]),
        "\"change\"",
        "change: a new version when the definition changes; refresh: at every refresh, too.",
    ),
    key("pin", Type::Integer { min: 1, max: 1_000_000 }, "2", "Publish this version instead of the newest."),
];

const KEEP: Type = Type::Integer { min: 1, max: 1_000 };

/// `[defaults.versions]` of the project.
pub(super) const DEFAULT_VERSIONS: &[Key] =
    &[key("keep", KEEP, "3", "How many versions are kept, the published one among them.")];

const COLUMN: &[Key] = &[
    key("description", Type::Text, "\"net of returns\"", "Becomes the column's comment."),
    key("not_null", Type::Bool, "true", "The column gets NOT NULL (table marts)."),
];

const STRATEGIES: &[Word] = &[
    word("manual"),
    word("scheduled"),
    word("triggered"),
    word("incremental"),
    word("full"),
    word("smart"),
    word("on_commit"),
];

const METHODS: &[Word] = &[word("window"), word("append"), word("upsert"), word("changes"), word("partition")];

/// `[refresh]`, and `[defaults.refresh]` of the project.
pub(super) const REFRESH: &[Key] = &[
    key("strategy", Type::Words(STRATEGIES), "\"scheduled\"", "When the mart is refreshed, and how."),
    key(
        "schedule",
        Type::OneOf(&[Type::Text, NAMES]),
        "\"0 */4 * * *\"",
        "A 5-field cron expression, an interval such as \"30m\", or a list of them.",
    ),
    key("target_lag", Type::Duration, "\"15m\"", "Instead of a schedule: the data is never older than this."),
    key("timezone", Type::Text, "\"America/Bogota\"", "The IANA time zone of schedule and query."),
    key(
        "misfire",
        Type::Words(&[word("run"), word("skip")]),
        "\"run\"",
        "What becomes of a due time that nobody was there for.",
    ),
    key("start_deadline", Type::Duration, "\"1h\"", "A missed due time is made up only while younger than this."),
    key("after", Type::Bool, "true", "Also when a mart it reads from was refreshed."),
    key("concurrent", Type::Bool, "true", "Readers never wait; needs a unique index."),
    key("fresh", Type::Bool, "true", "Reads are exact at any time, from the mart's rows and what changed since."),
    key("timeout", Type::Duration, "\"1h\"", "A refresh that takes longer is cancelled."),
    key("warn_duration", Type::Duration, "\"60s\"", "A refresh that takes longer is told as slow."),
    key("priority", Type::Integer { min: -1_000_000, max: 1_000_000 }, "0", "Larger starts first among those due."),
    key("suspend", Type::Bool, "false", "The mart is not refreshed on its own."),
    key(
        "incremental",
        Type::Table(INCREMENTAL),
        "{ method = \"window\", time_column = \"day\", lookback = \"2 days\" }",
        "How a refresh of a table mart computes only a part of its rows.",
    ),
    key(
        "debounce",
        Type::Duration,
        "\"1s\"",
        "triggered: quiet to wait for after a change of a source; 1s unless given.",
    ),
    key("max_wait", Type::Duration, "\"30s\"", "triggered: … and how long at most; 30s unless given."),
    key(
        "channel",
        Type::Text,
        "\"orders_loaded\"",
        "triggered: a NOTIFY on this channel counts as a change of a source; datamart_<mart> unless given.",
    ),
    key(
        "full_after",
        Type::Duration,
        "\"1 day\"",
        "smart: rows are computed whole once the newest data is older than this; 1 day unless given.",
    ),
];

const INCREMENTAL: &[Key] = &[
    key(
        "method",
        Type::Words(METHODS),
        "\"window\"",
        "changes: rows whose key a logged change of a source affects, the default; window: the newest part of the time is computed again, and what changed before it stays as it was; append: rows \
         beyond the newest one are added, and no other change is seen; upsert: rows of the query are merged in by a key, \
         and none is deleted; partition: the partitions that logged changes touch, or with `lookback` the newest ones, are computed again and exchanged.",
    ),
    key(
        "time_column",
        Type::Text,
        "\"day\"",
        "The column that says how new a row is: for window, append, and how new the data of a smart mart is.",
    ),
    key(
        "lookback",
        Type::Duration,
        "\"2 days\"",
        "window: this much of the past is computed again, a multiple of the time that a row stands for; partition: all \
         partitions that it touches are.",
    ),
    key(
        "unique_key",
        NAMES,
        "[\"customer_id\"]",
        "upsert: columns that tell rows apart; the primary key unless given.",
    ),
    key("full_schedule", Type::Text, "\"0 2 * * *\"", "When all rows are computed, on top."),
    key(
        "frozen_before",
        Type::Duration,
        "\"30 days\"",
        "Rows older than this are history: never computed again, never deleted, not even by a full refresh.",
    ),
];

const INDEX: &[Key] = &[
    key(
        "columns",
        Type::List(&Type::OneOf(&[Type::Text, Type::Table(INDEX_COLUMN)])),
        "[\"day\", \"(lower(email))\"]",
        "Columns, expressions in parentheses, or tables with the column and how it is sorted.",
    )
    .required(),
    key("name", Type::Text, "\"sales_by_day\"", "The index's name; as PostgreSQL would choose unless given."),
    key("unique", Type::Bool, "true", "No two rows are equal in these columns."),
    key(
        "method",
        Type::Text,
        "\"btree\"",
        "The access method: btree, hash, gin, gist, brin, spgist, or one that an extension brings.",
    ),
    key("include", NAMES, "[\"total\"]", "Columns that are stored with the key."),
    key("where", Type::Text, "\"total > 0\"", "Only rows for which this holds; IMMUTABLE."),
    key("with", Type::Map(&Type::Scalar), "{ fillfactor = 90 }", "Storage parameters."),
    key("tablespace", Type::Text, "\"fast\"", "Where the index is stored."),
    key("nulls_distinct", Type::Bool, "false", "false: NULLs are equal to each other (PostgreSQL 15 and later)."),
];

const INDEX_COLUMN: &[Key] = &[
    key("column", Type::Text, "\"day\"", "A column, or an expression in parentheses.").required(),
    key("order", Type::Words(&[word("asc"), word("desc")]), "\"desc\"", "The direction."),
    key("nulls", Type::Words(&[word("first"), word("last")]), "\"last\"", "Where NULLs are sorted."),
    key(
        "opclass",
        Type::Text,
        "\"text_pattern_ops\"",
        "The operator class, perhaps with its parameters in parentheses.",
    ),
    key("collation", Type::Text, "\"C\"", "The collation."),
];

const GRANT: &[Key] = &[
    key("role", Type::Text, "\"bi_reader\"", "A role, or public.").required(),
    key("privileges", NAMES, "[\"SELECT\"]", "What the role may do.").required(),
    key("columns", NAMES, "[\"day\"]", "Only these columns."),
    key("grant_option", Type::Bool, "false", "The role may pass it on."),
];

const FRESHNESS: &[Key] = &[
    key("column", Type::Text, "\"day\"", "The column whose maximum is the age of the data."),
    key("warn_after", Type::Duration, "\"5m\"", "Older than this is a warning."),
    key("error_after", Type::Duration, "\"10m\"", "Older than this is stale."),
];

const RETENTION: &[Key] = &[
    key("column", Type::Text, "\"day\"", "The column that says how old a row is: a date or a time stamp.").required(),
    key("keep", Type::Duration, "\"90 days\"", "Older rows go, at every build and refresh.").required(),
];

/// Exactly one of the forms, `sql` to `fresh`.
const CHECK: &[Key] = &[
    key("name", Type::Text, "\"no_negative_revenue\"", "The check's name; made from its form unless given."),
    key(
        "severity",
        Type::Words(&[word("error"), word("warn")]),
        "\"error\"",
        "error: what fails is not published; warn: it is published and told.",
    ),
    key(
        "sql",
        Type::Text,
        "\"SELECT * FROM {this} WHERE total < 0\"",
        "One SELECT that reads {this}, the mart; a row returned is a failure.",
    ),
    key("not_null", NAMES, "[\"day\"]", "Columns that are never NULL."),
    key("unique", NAMES, "[\"day\", \"category\"]", "Columns in which no two rows are equal; NULLs equal nothing."),
    key(
        "accepted",
        Type::Table(ACCEPTED),
        "{ column = \"status\", values = [\"new\", \"paid\"] }",
        "The values that a column may have, NULL aside.",
    ),
    key("rows", Type::Table(ROWS), "{ min = 1 }", "How many rows there are."),
    key("fresh", Type::Table(FRESH), "{ column = \"day\", within = \"2 days\" }", "How old the newest row may be."),
];

const ACCEPTED: &[Key] = &[
    key("column", Type::Text, "\"status\"", "The column.").required(),
    key("values", Type::List(&Type::Scalar), "[\"new\", \"paid\"]", "Its values.").required(),
];

const ROWS: &[Key] = &[
    key("min", Type::Integer { min: 0, max: i64::MAX }, "1", "At least so many."),
    key("max", Type::Integer { min: 0, max: i64::MAX }, "1000000", "At most so many."),
];

const FRESH: &[Key] = &[
    key("column", Type::Text, "\"day\"", "The column whose maximum counts: a date or a time stamp.").required(),
    key("within", Type::Duration, "\"2 days\"", "Older than this is a failure.").required(),
];
