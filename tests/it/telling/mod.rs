//! What is told of runs and marts: history, counts, views and procedures in SQL, metrics, notifications, logs, audit.

mod history;
mod logs;
mod metrics;
mod notices;
mod sql;
