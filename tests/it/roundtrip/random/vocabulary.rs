//! The words of random databases: types with their constants, names, comments.

/// A type, and what can be done with it.
#[derive(Debug)]
pub struct Type {
    pub name: &'static str,
    /// Constants.
    pub values: &'static [&'static str],
    /// It can be sorted, and told apart.
    pub ordered: bool,
    /// An access method beside btree that takes it.
    pub method: Option<&'static str>,
}

const fn of(name: &'static str, values: &'static [&'static str], ordered: bool, method: Option<&'static str>) -> Type {
    Type { name, values, ordered, method }
}

pub const INT: usize = 0;
pub const TEXT: usize = 1;
pub const BOOL: usize = 2;
pub const JSONB: usize = 3;
pub const BIGINT: usize = 4;
pub const VARCHAR: usize = 5;

pub const TYPES: &[Type] = &[
    of("integer", &["1", "-7", "'3'::int"], true, Some("brin")),
    of("text", &["'a'", r#"'it''s \ "'"#, "E'two\\nlines'", "'☃ \"\"\" '''' {x}'", "''"], true, Some("spgist")),
    of("boolean", &["true", "false"], true, Some("hash")),
    of("jsonb", &[r#"'{"a": [1, "it''s"]}'::jsonb"#, r#"'"\\n"'::jsonb"#], true, Some("gin")),
    of("bigint", &["12345678901", "(-1)::bigint"], true, Some("hash")),
    of("varchar(20)", &["'v'::varchar(20)", "'w x'::varchar"], true, Some("hash")),
    of("char(4)", &["'c'::char(4)", "'cc'::bpchar"], true, None),
    of("numeric(10, 2)", &["1.50", "-0.1::numeric(10, 2)", "1e6"], true, Some("brin")),
    of("double precision", &["1.5::float8", "'NaN'::float8"], true, None),
    of("date", &["date '2024-02-29'", "'infinity'::date"], true, Some("brin")),
    of(
        "timestamptz",
        &["timestamptz '2024-01-01 12:00+02'", "'2024-06-01 00:00:00.5+00'::timestamptz(1)"],
        true,
        Some("brin"),
    ),
    of("timestamp(0)", &["timestamp '2024-01-01 00:00'"], true, None),
    of("interval", &["interval '1 day 2 hours'", "interval '1-2' year to month"], true, None),
    of("time", &["time '04:05:06'"], true, None),
    of("uuid", &["'00000000-0000-0000-0000-00000000000a'::uuid"], true, Some("hash")),
    of("integer[]", &["ARRAY[1, 2]", "'{}'::int[]"], true, Some("gin")),
    of("text[]", &[r#"'{a,"b c",NULL}'::text[]"#, "ARRAY['x', 'it''s']"], true, Some("gin")),
    of("types.\"Mood\"", &["'it''s ok'::types.\"Mood\"", "'Sad'::types.\"Mood\""], true, Some("hash")),
    of("types.\"Point 2\"", &["ROW(1, 'y')::types.\"Point 2\""], true, None),
    of("types.mail", &["'a@b'::types.mail"], true, None),
    of("inet", &["'10.0.0.0/8'::inet"], true, Some("spgist")),
    of("bytea", &["'\\xdeadbeef'::bytea"], true, None),
    of("int4range", &["int4range(1, 5)", "'[3,7)'::int4range"], true, Some("gist")),
    of("bit(4)", &["B'1010'"], true, None),
    of("json", &[r#"'{"k": 1}'::json"#], false, None),
    of("point", &["point '(1,2)'"], false, Some("gist")),
    of("xml", &["'<a b=\"c\"/>'::xml"], false, None),
    of("tsvector", &["to_tsvector('simple', 'it''s')"], true, Some("gin")),
];

/// What the types need.
pub const TYPES_SQL: &str = "
    CREATE SCHEMA types;
    CREATE TYPE types.\"Mood\" AS ENUM ('Sad', 'it''s ok');
    CREATE TYPE types.\"Point 2\" AS (\"X\" int, y varchar(5));
    CREATE DOMAIN types.mail AS text CHECK (VALUE LIKE '%@%');";

pub const SCHEMAS: [&str; 3] = ["s", "S 2", "s-3"];

pub const NAMES: &[&str] = &[
    "a",
    "b",
    "A",
    "two words",
    "Camel",
    "select",
    "order",
    "quo\"te",
    "it's",
    "ünï",
    "☃",
    "dot.ted",
    "sla/sh",
    "back\\slash",
    " lead",
    "_1",
    "%s",
    "$x",
    "UPPER",
    "user",
    "values",
    "-- x",
    "{db}",
    "_",
    "table",
    "1st",
];

pub const COMMENTS: &[&str] = &[
    "plain",
    "it's",
    "\"\"\" and '''",
    "back\\slash \\n",
    "two\nlines",
    "\n first",
    "trailing \n",
    "tab\there",
    "☃ # = [x]",
    "{this} ${HOME} $1",
];
