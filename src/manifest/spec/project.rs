//! The keys of `project.toml`, and of the file given with `--config`.

use super::mart::{DEFAULT_VERSIONS, REFRESH};
use super::{Key, Type, key, later, word};

const NAMES: Type = Type::List(&Type::Text);
const COUNT: Type = Type::Integer { min: 1, max: 1_000 };

/// `project.toml`.
pub(in crate::manifest) const PROJECT: &[Key] = &[
    key("project", Type::Table(SELF), "{ name = \"shop\" }", "The project."),
    key("database", Type::Table(DATABASE), "{ url = \"${DATABASE_URL}\" }", "Where and how to connect."),
    key("embedded", Type::Table(EMBEDDED), "{ seed = \"seed.sql\" }", "Without any URL, use a private PostgreSQL."),
    key("defaults", Type::Table(DEFAULTS), "{ refresh = { timeout = \"1h\" } }", "Defaults of all marts."),
    key("limits", Type::Table(LIMITS), "{ parallel_refreshes = 2 }", "What builds and refreshes may use."),
    key("indexes", Type::Table(INDEXES), "{ auto = false }", "Indexes that nobody declared."),
    key("policy", Type::Table(POLICY), "{ prune = \"confirm\" }", "What may happen without being asked for."),
    key("naming", Type::Table(NAMING), "{ pattern = \"^mv_\" }", "How marts should be named."),
    later("capture"),
    later("http"),
    later("maintenance_window"),
    later("notifications"),
];

/// The file given with `--config`.
pub(in crate::manifest) const CONFIG: &[Key] = &[
    key("database", Type::Table(DATABASE), "{ url = \"${DATABASE_URL}\" }", "Where and how to connect."),
    key("limits", Type::Table(LIMITS), "{ parallel_refreshes = 2 }", "What builds and refreshes may use."),
    key("policy", Type::Table(POLICY), "{ prune = \"confirm\" }", "What may happen without being asked for."),
    later("notifications"),
];

const SELF: &[Key] = &[
    key("name", Type::Text, "\"shop\"", "The registry's key: several projects may live in one database."),
    key("schema", Type::Text, "\"public\"", "The schema of marts that name none."),
    key("owner", Type::Text, "\"mart_owner\"", "The owner of marts that name none."),
    key("timezone", Type::Text, "\"UTC\"", "The IANA time zone of marts that name none."),
    key("registry_schema", Type::Text, "\"datamart\"", "The schema of datamart's own tables."),
];

const DATABASE: &[Key] = &[
    key(
        "url",
        Type::Text,
        "\"${DATABASE_URL}\"",
        "Used when neither --database-url nor DATABASE_URL is given; ${NAME} is read from the environment.",
    ),
    key("direct_url", Type::Text, "\"${DIRECT_URL}\"", "Where url goes through a transaction pooler: the way past it."),
    key("connections", COUNT, "4", "How many connections at most."),
    key("lock_timeout", Type::Milliseconds, "\"3s\"", "For locks that queue others."),
    key("publish_lock_timeout", Type::Milliseconds, "\"100ms\"", "For the short exclusive lock of a publication."),
    key("statement_timeout", Type::Milliseconds, "\"0\"", "For every other statement; 0 is none."),
];

const EMBEDDED: &[Key] =
    &[key("seed", Type::Text, "\"seed.sql\"", "SQL run once, when the embedded database is created.")];

const DEFAULTS: &[Key] = &[
    key("refresh", Type::Table(REFRESH), "{ timeout = \"1h\" }", "Anything a mart may say under [refresh]."),
    key("versions", Type::Table(DEFAULT_VERSIONS), "{ keep = 3 }", "What versioned marts do not say under [versions]."),
];

const LIMITS: &[Key] = &[
    key(
        "max_size",
        Type::Size,
        "\"100GB\"",
        "A build that grows past it is stopped and rolled back; the measure is coarse.",
    ),
    key("maintenance_work_mem", Type::Size, "\"2GB\"", "For index builds."),
    key("max_parallel_workers", Type::Integer { min: 0, max: 1_024 }, "4", "For parallel queries and index builds."),
    key("parallel_refreshes", COUNT, "2", "Refreshes at once."),
    later("pause_when"),
];

const INDEXES: &[Key] =
    &[key("auto", Type::Bool, "true", "A table mart that declares no index gets one on its grouping keys.")];

const HAZARDS: Type = Type::Words(&[
    word("DELETES_DATA"),
    word("BREAKS_DEPENDENTS"),
    word("BLOCKS_WRITES"),
    word("ACQUIRES_ACCESS_EXCLUSIVE_LOCK"),
    word("CONFLICTS_WITH_REPLICA_QUERIES"),
    word("CAPTURES_WRITES"),
    word("REBUILDS_DATA"),
    word("INDEX_BUILD"),
    word("INDEX_DROPPED"),
    word("AUTHZ_UPDATE"),
]);

const POLICY: &[Key] = &[
    key("prune", Type::BoolOrWords(&[word("confirm")]), "\"confirm\"", "What happens to a mart whose file is gone."),
    key("allow_hazards", Type::List(&HAZARDS), "[\"BLOCKS_WRITES\"]", "Hazards that need no --allow."),
    key(
        "on_drift",
        Type::Words(&[word("off"), word("warn"), word("heal")]),
        "\"warn\"",
        "What is done about changes made by hand.",
    ),
    key("ignore_drift", NAMES, "[\"indexes:adhoc_*\"]", "Drift that is nobody's business, as aspect:glob."),
    later("drift_interval"),
];

const NAMING: &[Key] = &[
    key("pattern", Type::Text, "\"^(report|cache)_[a-z0-9_]+$\"", "A regular expression for the names of marts.")
        .required(),
    key("severity", Type::Words(&[word("warn"), word("error")]), "\"warn\"", "What a name is that does not match."),
];
