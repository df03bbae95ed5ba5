//! `project.toml`, with its defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::operation::{HttpConfig, MaintenanceWindow, Notification, PauseWhen};

/// What happens to a mart whose file is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prune {
    /// It stays, and is listed.
    Never,
    /// It goes when `--prune` is given.
    #[default]
    Confirm,
    /// It goes.
    Always,
}

/// What is done about drift.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDrift {
    /// Nothing.
    Off,
    /// It is shown.
    #[default]
    Warn,
    /// It is put back, but for indexes that someone added.
    Heal,
}

/// `[database]`. `${NAME}` is replaced already.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DatabaseConfig {
    /// Where to connect; never printed.
    pub url: Option<String>,
    /// Where to connect past a transaction pooler; never printed.
    pub direct_url: Option<String>,
    /// How many connections at most.
    pub connections: u32,
    /// Milliseconds, for locks that queue others.
    pub lock_timeout_ms: u64,
    /// Milliseconds, for the short exclusive lock of a publication.
    pub publish_lock_timeout_ms: u64,
    /// Milliseconds; 0 is none.
    pub statement_timeout_ms: u64,
    /// Environment variables that `url` or `direct_url` name and that are not set; the URL is `None` then.
    pub unset: Vec<String>,
}

/// `[embedded]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EmbeddedConfig {
    /// SQL run once, when the embedded database is created; relative to the manifests' folder, resolved here.
    pub seed: Option<PathBuf>,
}

/// `[limits]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// Bytes that a build may add to the database.
    pub max_size: Option<u64>,
    /// As PostgreSQL writes it, `2GB`.
    pub maintenance_work_mem: Option<String>,
    /// For parallel queries and index builds.
    pub max_parallel_workers: Option<u32>,
    /// Refreshes at once.
    pub parallel_refreshes: u32,
    /// When no full build starts.
    pub pause_when: PauseWhen,
}

impl Limits {
    /// The settings every build and refresh runs with.
    pub fn settings(&self) -> Vec<(String, String)> {
        let workers = self.max_parallel_workers.map(|workers| workers.to_string());
        let settings = [
            ("maintenance_work_mem", self.maintenance_work_mem.clone()),
            ("max_parallel_workers_per_gather", workers.clone()),
            ("max_parallel_maintenance_workers", workers),
        ];
        settings.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

/// `[capture]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaptureConfig {
    /// Logs of changes survive a crash, and standbys can read them.
    pub logged: bool,
    /// Bytes of one log beyond which marts that have not seen it are computed whole; `None` is a gigabyte.
    pub max_log: Option<u64>,
}

impl CaptureConfig {
    /// How many bytes a log may have.
    pub fn max_log(&self) -> u64 {
        self.max_log.unwrap_or(1 << 30)
    }
}

/// `[policy]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// Marts without a file.
    pub prune: Prune,
    /// Hazards that need no `--allow`.
    pub allow_hazards: Vec<String>,
    /// Drift.
    pub on_drift: OnDrift,
    /// `aspect:glob` patterns of drift that is nobody's business.
    pub ignore_drift: Vec<String>,
    /// Seconds between two looks for drift; `None` is five minutes.
    pub drift_interval: Option<u64>,
}

/// `[naming]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Naming {
    /// A regular expression every mart's name should match.
    pub pattern: String,
    /// Whether one that does not is an error.
    pub error: bool,
}

/// `project.toml`, with its defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// The registry's key.
    pub name: String,
    /// Default schema.
    pub schema: String,
    /// Default owner.
    pub owner: Option<String>,
    /// Default time zone.
    pub timezone: String,
    /// Where our own tables are.
    pub registry_schema: String,
    /// `[database]`.
    pub database: DatabaseConfig,
    /// `[embedded]`; `None` where not declared.
    pub embedded: Option<EmbeddedConfig>,
    /// `[limits]`.
    pub limits: Limits,
    /// `[capture]`.
    pub capture: CaptureConfig,
    /// `[indexes] auto`: a table mart that declares no index gets one on its grouping keys.
    pub auto_index: bool,
    /// `[policy]`.
    pub policy: Policy,
    /// `[naming]`.
    pub naming: Option<Naming>,
    /// `[maintenance_window]`.
    pub maintenance_window: Option<MaintenanceWindow>,
    /// `[[notifications]]`.
    pub notifications: Vec<Notification>,
    /// `[http]`.
    pub http: HttpConfig,
    /// Which values come from the environment, and from which variable:
    /// `"limits.max_parallel_workers" → "DATAMART_MAX_PARALLEL_WORKERS"`.
    pub origins: BTreeMap<String, String>,
}

impl Project {
    /// `[limits] max_size` in bytes, and who says so.
    pub fn max_size(&self) -> Option<(u64, String)> {
        let said = self.origins.get("limits.max_size").cloned();
        Some((self.limits.max_size?, said.unwrap_or_else(|| "[limits] max_size".to_owned())))
    }
}

impl Default for Project {
    fn default() -> Self {
        Self {
            name: "default".into(),
            schema: "public".into(),
            owner: None,
            timezone: "UTC".into(),
            registry_schema: "datamart".into(),
            database: DatabaseConfig {
                url: None,
                direct_url: None,
                connections: 4,
                lock_timeout_ms: 3_000,
                publish_lock_timeout_ms: 100,
                statement_timeout_ms: 0,
                unset: Vec::new(),
            },
            embedded: None,
            limits: Limits { parallel_refreshes: 2, ..Limits::default() },
            capture: CaptureConfig::default(),
            auto_index: false,
            policy: Policy::default(),
            naming: None,
            maintenance_window: None,
            notifications: Vec::new(),
            http: HttpConfig::default(),
            origins: BTreeMap::new(),
        }
    }
}
