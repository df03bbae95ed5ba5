//! What it means that two values of a type are equal.

/// Types whose equal values are the same to every expression. (`1.0` and `1.00` are equal, and print differently; so do
/// `1 day` and `24:00`.)
const EXACT: &[&str] = &[
    "smallint",
    "integer",
    "bigint",
    "oid",
    "boolean",
    "date",
    "time without time zone",
    "timestamp without time zone",
    "timestamp with time zone",
    "uuid",
    "bytea",
    "\"char\"",
];

/// Types that are exact once they are compared byte by byte.
const TEXT: &[&str] = &["text", "character varying", "name"];

/// How equal values of a type are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Equality {
    /// To every expression.
    Exact,
    /// To every expression, once they are compared byte by byte.
    Bytes,
    /// Perhaps not: `1.0` and `1.00` are equal, and an expression may tell them apart.
    Loose,
}

impl Equality {
    /// Of a type as `format_type` prints it.
    pub fn of(type_name: &str) -> Self {
        let bare = without_modifier(type_name);
        match bare.as_str() {
            bare if EXACT.contains(&bare) => Self::Exact,
            bare if TEXT.contains(&bare) => Self::Bytes,
            _ => Self::Loose,
        }
    }
}

/// `numeric(12,2)[]` is `numeric[]`, `timestamp(3) with time zone` is `timestamp with time zone`.
pub fn without_modifier(name: &str) -> String {
    let mut bare = String::with_capacity(name.len());
    let (mut quoted, mut depth) = (false, 0_u32);
    for c in name.chars() {
        match c {
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => {
                depth = depth.saturating_sub(1);
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            bare.push(c);
        }
    }
    bare
}
