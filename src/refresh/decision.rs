//! What a refresh by changes decided, for the history.

use serde::Serialize;

/// Kept in the history as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Decision {
    /// `none`, `keys`, `partitions` or `whole`.
    pub rung: &'static str,
    /// Rows of the logs that were new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<u64>,
    /// Keys that they may affect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
    /// Partitions in which rows of these keys stand, where the mart has partitions and they tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions: Option<u64>,
    /// What the planner thinks computing the rows of these keys, or of these partitions, costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// What it thinks computing all rows costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole: Option<f64>,
    /// The one as part of the other, with what a rebuild takes beside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// It is that of earlier runs: nobody looked for keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned: Option<bool>,
    /// Whether the rows were compared with the query, and were the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
}
