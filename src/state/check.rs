//! What must be true of a mart's rows before they are published.

use serde::{Deserialize, Serialize};

/// What a check that does not pass means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckSeverity {
    /// The new data is not published.
    #[default]
    Error,
    /// It is published, and told.
    Warn,
}

impl CheckSeverity {
    /// The word manifests use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
        }
    }
}

/// What is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckForm {
    /// A query with `{this}` for the mart; every row that it returns is a failure.
    Sql(String),
    /// Columns that are never NULL.
    NotNull(Vec<String>),
    /// Columns in which no two rows are equal; NULLs are equal to nothing.
    Unique(Vec<String>),
    /// The values of a column; NULL is no value.
    Accepted {
        /// The column.
        column: String,
        /// Its values, as text.
        values: Vec<String>,
    },
    /// How many rows there are.
    Rows {
        /// At least.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<u64>,
        /// At most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u64>,
    },
    /// How old the newest row is; a mart without rows is not fresh.
    Fresh {
        /// The column whose maximum counts.
        column: String,
        /// At most so many seconds.
        within: u64,
    },
}

impl CheckForm {
    /// It speaks of rows, and not of how many there are or how new the newest is: it holds for every part of them.
    pub fn is_of_rows(&self) -> bool {
        !matches!(self, Self::Rows { .. } | Self::Fresh { .. })
    }

    /// The key of a manifest that asks for it.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Sql(_) => "sql",
            Self::NotNull(_) => "not_null",
            Self::Unique(_) => "unique",
            Self::Accepted { .. } => "accepted",
            Self::Rows { .. } => "rows",
            Self::Fresh { .. } => "fresh",
        }
    }

    /// The columns that it names by itself.
    pub fn columns(&self) -> &[String] {
        match self {
            Self::NotNull(columns) | Self::Unique(columns) => columns,
            Self::Accepted { column, .. } | Self::Fresh { column, .. } => std::slice::from_ref(column),
            Self::Sql(_) | Self::Rows { .. } => &[],
        }
    }

    /// The name of a check without one: its form and its columns.
    pub fn default_name(&self) -> String {
        let mut words = vec![self.key()];
        words.extend(self.columns().iter().map(String::as_str));
        words.join("_")
    }

    /// What is wrong where a check returned so many rows. No value of a row is in it.
    pub fn failure(&self, rows: i64) -> String {
        let count = |noun: &str| format!("{rows} {noun}{}", if rows == 1 { "" } else { "s" });
        match self {
            Self::Sql(_) => format!("{} returned", count("row")),
            Self::NotNull(columns) => format!("{} with NULL in {}", count("row"), columns.join(" or ")),
            Self::Unique(columns) => {
                let keys = count(if columns.len() == 1 { "value" } else { "combination" });
                format!("{keys} of {} more than once", columns.join(", "))
            }
            Self::Accepted { column, .. } => format!("{} with another {column} than the accepted", count("row")),
            Self::Rows { min, max } => match (min, max) {
                (Some(min), Some(max)) => format!("fewer rows than {min}, or more than {max}"),
                (Some(min), None) => format!("fewer rows than {min}"),
                (None, max) => format!("more rows than {}", max.unwrap_or_default()),
            },
            Self::Fresh { column, within } => {
                format!("the newest {column} is older than {}, or there is none", super::format_duration(*within))
            }
        }
    }
}

/// A check, as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckDecl {
    /// Its name: given, or made from its form.
    pub name: String,
    /// What it means when it does not pass.
    pub severity: CheckSeverity,
    /// What is checked.
    #[serde(flatten)]
    pub form: CheckForm,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_read_as_it_was_written() {
        let forms = [
            CheckForm::Sql("SELECT FROM {this}".into()),
            CheckForm::NotNull(vec!["a".into()]),
            CheckForm::Unique(vec!["a".into(), "b".into()]),
            CheckForm::Accepted { column: "a".into(), values: vec!["x".into()] },
            CheckForm::Rows { min: Some(1), max: None },
            CheckForm::Fresh { column: "a".into(), within: 60 },
        ];
        let names: Vec<String> = forms.iter().map(CheckForm::default_name).collect();
        assert_eq!(names, ["sql", "not_null_a", "unique_a_b", "accepted_a", "rows", "fresh_a"]);
        for form in forms {
            let check = CheckDecl { name: form.default_name(), severity: CheckSeverity::Warn, form };
            let text = serde_json::to_string(&check).unwrap();
            assert_eq!(serde_json::from_str::<CheckDecl>(&text).unwrap(), check, "{text}");
        }
    }

    #[test]
    fn a_failure_is_told_in_words() {
        let both = CheckForm::Rows { min: Some(1), max: Some(9) };
        assert_eq!(both.failure(1), "fewer rows than 1, or more than 9");
        assert_eq!(CheckForm::NotNull(vec!["a".into(), "b".into()]).failure(1), "1 row with NULL in a or b");
        assert_eq!(CheckForm::Unique(vec!["a".into()]).failure(2), "2 values of a more than once");
        let fresh = CheckForm::Fresh { column: "day".into(), within: 172_800 };
        assert_eq!(fresh.failure(1), "the newest day is older than 2d, or there is none");
    }
}
