//! The keys of `project.toml`, and of the file given with `--config`.

use super::mart::{DEFAULT_VERSIONS, REFRESH};
use super::{Key, Type, key, word};

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
    key(
        "maintenance_window",
        Type::Table(WINDOW),
        "{ start = \"02:00\", end = \"05:00\" }",
        "Outside it no refresh blocks readers: plain ones wait for it.",
    ),
    key("http", Type::Table(HTTP), "{ read_role = \"api_reader\" }", "The HTTP interface of the daemon."),
    NOTIFICATIONS,
    key("capture", Type::Table(CAPTURE), "{ logged = true }", "The logs of what changes in source tables."),
];

/// The file given with `--config`.
pub(in crate::manifest) const CONFIG: &[Key] = &[
    key("database", Type::Table(DATABASE), "{ url = \"${DATABASE_URL}\" }", "Where and how to connect."),
    key("limits", Type::Table(LIMITS), "{ parallel_refreshes = 2 }", "What builds and refreshes may use."),
    key("policy", Type::Table(POLICY), "{ prune = \"confirm\" }", "What may happen without being asked for."),
    key("http", Type::Table(HTTP), "{ read_role = \"api_reader\" }", "The HTTP interface of the daemon."),
    NOTIFICATIONS,
];

const NOTIFICATIONS: Key =
    key("notifications", Type::Tables(NOTIFICATION), "[{ url = \"${ALERT_WEBHOOK}\" }]", "Who is told what happens.");

const NOTIFICATION: &[Key] = &[
    key(
        "url",
        Type::Text,
        "\"${ALERT_WEBHOOK}\"",
        "Where events are posted to, as Slack takes them; ${NAME} is read from the environment.",
    )
    .required(),
    key(
        "on",
        Type::List(&EVENTS),
        "[\"refresh_failed\", \"drift\"]",
        "Which events; all but `refreshed` unless given.",
    ),
];

const EVENTS: Type = Type::Words(&[
    word("refresh_failed"),
    word("check_failed"),
    word("drift"),
    word("stale"),
    word("slow"),
    word("refreshed"),
    word("recovered"),
]);

const HTTP: &[Key] =
    &[key("read_role", Type::Text, "\"api_reader\"", "Rows and previews over HTTP are read as this role.")];

const WINDOW: &[Key] = &[
    key("start", Type::Text, "\"02:00\"", "When it begins, as hour:minute.").required(),
    key("end", Type::Text, "\"05:00\"", "When it ends, as hour:minute; before `start`: on the next day.").required(),
    key("timezone", Type::Text, "\"UTC\"", "The IANA time zone of both; the project's unless given."),
    key("allow_blocking", Type::Bool, "true", "Inside it a refresh may block readers; true unless given."),
];

const PAUSE: &[Key] = &[
    key(
        "xmin_age",
        Type::Integer { min: 1, max: 2_000_000_000 },
        "500000000",
        "The oldest snapshot is older than this many transactions.",
    ),
    key("replica_lag", Type::Duration, "\"5m\"", "A replica is behind by more than this."),
    key("active_backends", Type::Integer { min: 1, max: 262_143 }, "80", "This many other sessions are at work."),
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
    key(
        "pause_when",
        Type::Table(PAUSE),
        "{ active_backends = 80 }",
        "No refresh that computes all rows starts while one of these holds.",
    ),
];

const CAPTURE: &[Key] = &[
    key("logged", Type::Bool, "true", "A crash does not empty them and standbys can read them; writers pay more WAL."),
    key(
        "max_log",
        Type::Size,
        "\"1GB\"",
        "Beyond it the marts that have not seen a log are computed whole, and it is emptied; 1GB unless given.",
    ),
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
    key("drift_interval", Type::Duration, "\"5m\"", "How often the daemon looks for it; 5m unless given."),
];

const NAMING: &[Key] = &[
    key("pattern", Type::Text, "\"^(report|cache)_[a-z0-9_]+$\"", "A regular expression for the names of marts.")
        .required(),
    key("severity", Type::Words(&[word("warn"), word("error")]), "\"warn\"", "What a name is that does not match."),
];
