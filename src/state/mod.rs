//! The vocabulary: names and quoting, marts, columns, indexes, grants, fingerprints. Pure.

mod aside;
mod capture;
mod change_log;
mod changes;
mod check;
mod commit;
mod count;
mod duration;
mod fingerprint;
mod mart;
mod name;
mod partition;
mod refresh_policy;
mod schedule;
mod size;
pub mod selector;
mod version;

pub use aside::{
    NEXT, NOT_FILLED, PUBLICATION_TRIES, aside_fingerprint, aside_mark, aside_prefix, is_aside_mark, next_mark,
    next_name, passing_name,
};
pub use capture::{LOG_SEGMENTS, log_name, log_segments, log_trigger};
pub use change_log::{ChangeLog, LOG_EVENTS};
pub use changes::{ChangeSource, Changes, KeyColumn, KeyRange, LoggedColumn, Moving};
pub use check::{CheckDecl, CheckForm, CheckSeverity};
pub use commit::Keeper;
pub use count::{count, thousands};
pub use duration::{MOST_SECONDS, format_duration, parse_duration};
pub use fingerprint::Fingerprint;
pub use mart::{ColumnDecl, Freshness, GrantDecl, IndexDecl, IndexKey, Kind, Mart, Publish, Retention};
pub use name::{MAX_NAME_BYTES, QName, derived_name, quote_ident, quote_idents, quote_literal, quote_role};
pub use partition::{
    MOST_PARTITIONS, OnExpire, Partition, PartitionBy, Piece, Ranges, Span, SpanUnit, TimeType, TooMany, detached_name,
    meaning, partition_prefix, range_of,
};
pub use refresh_policy::{Incremental, IncrementalMethod, Misfire, RefreshPolicy, Strategy};
pub use schedule::{Schedule, ScheduleError};
pub use selector::Selector;
pub use size::human_size;
pub use version::{Part, ShownBy, VersionOn, Versions, version_name};
