//! The statements that make some of a mart's rows those of a query: only rows that differ are written.

use crate::state::{QName, quote_ident, quote_idents};

/// A mart.
pub(super) struct Merge<'a> {
    pub mart: &'a QName,
    pub columns: &'a [String],
    /// Its primary key; without one its rows are told apart as a whole.
    pub key: &'a [String],
    /// It has other unique indexes, so that what differs goes before anything comes.
    pub unique: bool,
    /// Rows of one primary key are always of one group: those of the mart need not be looked for elsewhere.
    pub settled: bool,
}

impl Merge<'_> {
    /// The statements: `within` is a condition on the mart's rows, named `m`, that the query gives again.
    pub fn statements(&self, query: &str, within: &str) -> Vec<String> {
        let new = format!("WITH datamart_new AS MATERIALIZED (\n{}\n)", query.trim());
        match (self.key.is_empty(), self.unique) {
            (false, false) => vec![self.by_key(&new, within)],
            (false, true) => self.by_key_apart(&new, within),
            (true, _) => self.by_rows(&new, within),
        }
    }

    /// Writes the rows of a query that has one for each primary key. Nobody else writes rows of these keys.
    pub fn come(&self, query: &str) -> String {
        let names = quote_idents(self.columns);
        let others: Vec<String> =
            self.columns.iter().filter(|column| !self.key.contains(column)).map(|column| quote_ident(column)).collect();
        let met = match others.is_empty() {
            true => "NOTHING".to_owned(),
            false => {
                let set: Vec<String> = others.iter().map(|column| format!("{column} = excluded.{column}")).collect();
                let differ = format!("pg_catalog.record_image_ne({}, {})", self.row("m"), self.row("excluded"));
                format!("UPDATE SET {} WHERE {differ}", set.join(", "))
            }
        };
        let values = self.values();
        let mart = self.mart;
        let query = query.trim();
        format!(
            "INSERT INTO {mart} AS m ({names})\nSELECT {values} FROM (\n{query}\n) AS n\nON CONFLICT ({}) DO {met}",
            quote_idents(self.key)
        )
    }

    /// Removes the rows that such a query does not give.
    pub fn went(&self, query: &str, within: &str) -> String {
        let (mart, same, query) = (self.mart, self.same(), query.trim());
        format!("DELETE FROM {mart} AS m WHERE {within} AND NOT EXISTS (SELECT FROM (\n{query}\n) AS n WHERE {same})")
    }

    fn row(&self, of: &str) -> String {
        let columns: Vec<String> = self.columns.iter().map(|column| format!("{of}.{}", quote_ident(column))).collect();
        format!("ROW({})", columns.join(", "))
    }

    fn values(&self) -> String {
        let values: Vec<String> = self.columns.iter().map(|column| format!("n.{}", quote_ident(column))).collect();
        values.join(", ")
    }

    fn differ(&self) -> String {
        format!("pg_catalog.record_image_ne({}, {})", self.row("m"), self.row("n"))
    }

    fn same(&self) -> String {
        let terms: Vec<String> = self.key.iter().map(|k| quote_ident(k)).map(|k| format!("m.{k} = n.{k}")).collect();
        terms.join(" AND ")
    }

    /// The condition under which a row of the mart is looked for.
    fn among(&self, within: &str) -> String {
        if self.settled { format!("{within} AND {}", self.same()) } else { self.same() }
    }

    fn insert(&self, within: &str) -> String {
        let (mart, among) = (self.mart, self.among(within));
        format!(
            "INSERT INTO {mart} ({}) SELECT {} FROM datamart_new AS n WHERE NOT EXISTS (SELECT FROM {mart} AS m WHERE {among})",
            quote_idents(self.columns),
            self.values()
        )
    }

    fn by_key(&self, new: &str, within: &str) -> String {
        let (mart, same) = (self.mart, self.same());
        let set: Vec<String> = self
            .columns
            .iter()
            .filter(|column| !self.key.contains(column))
            .map(|column| quote_ident(column))
            .map(|column| format!("{column} = n.{column}"))
            .collect();
        let changed = match set.is_empty() {
            true => String::new(),
            false => format!(
                ",\ndatamart_changed AS (UPDATE {mart} AS m SET {} FROM datamart_new AS n WHERE {} AND {})",
                set.join(", "),
                self.among(within),
                self.differ()
            ),
        };
        format!(
            "{new},\ndatamart_went AS (DELETE FROM {mart} AS m WHERE {within} AND NOT EXISTS (SELECT FROM datamart_new AS n WHERE {same})){changed}\n{}",
            self.insert(within)
        )
    }

    fn by_key_apart(&self, new: &str, within: &str) -> Vec<String> {
        let went = format!(
            "{new}\nDELETE FROM {} AS m WHERE {within} AND NOT EXISTS (SELECT FROM datamart_new AS n WHERE {} AND NOT {})",
            self.mart,
            self.same(),
            self.differ()
        );
        vec![went, format!("{new}\n{}", self.insert(within))]
    }

    /// As multisets: what is there too often goes, what is missing comes.
    fn by_rows(&self, new: &str, within: &str) -> Vec<String> {
        let mart = self.mart;
        let image = |of: &str| format!("{}::pg_catalog.text", self.row(of));
        let (is, should) = (image("m"), image("n"));
        let numbered = |image: &str| format!("row_number() OVER (PARTITION BY {image})");
        let went = {
            format!(
                "DELETE FROM {mart} AS t USING datamart_have AS h LEFT JOIN datamart_times AS w ON w.image = h.image \
                 WHERE t.ctid = h.at AND h.nth > COALESCE(w.times, 0)"
            )
        };
        let have = format!(
            "datamart_have AS MATERIALIZED (SELECT m.ctid AS at, {is} AS image, {} AS nth FROM {mart} AS m WHERE {within})",
            numbered(&is)
        );
        let times = format!(
            "datamart_times AS MATERIALIZED (SELECT {should} AS image, count(*) AS times FROM datamart_new AS n GROUP BY 1)"
        );
        let want = format!(
            "datamart_want AS MATERIALIZED (SELECT n.*, {should} AS \"datamart image\", {} AS \"datamart nth\" FROM datamart_new AS n)",
            numbered(&should)
        );
        let came = |had: &str| {
            format!(
                "INSERT INTO {mart} ({}) SELECT {} FROM datamart_want AS n LEFT JOIN ({had}) AS h ON h.image = n.\"datamart image\" \
                 WHERE n.\"datamart nth\" > COALESCE(h.times, 0)",
                quote_idents(self.columns),
                self.values()
            )
        };
        if !self.unique {
            let had = "SELECT image, count(*) AS times FROM datamart_have GROUP BY image";
            return vec![format!("{new},\n{have},\n{times},\n{want},\ndatamart_went AS ({})\n{}", went, came(had))];
        }
        let had = format!("SELECT {is} AS image, count(*) AS times FROM {mart} AS m WHERE {within} GROUP BY 1");
        vec![format!("{new},\n{have},\n{times}\n{}", went), format!("{new},\n{want}\n{}", came(&had))]
    }
}
