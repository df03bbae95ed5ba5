//! Marts in chains of five over one small table: sums by day, category and region, with one unique index each.

use std::fmt::Write as _;
use std::path::Path;

use tempfile::TempDir;

use crate::Result;

/// The table they read: 1,200 rows of 30 days, five categories, four regions.
pub const SOURCE: &str = "\
CREATE TABLE public.sales (day date NOT NULL, category text NOT NULL, region text NOT NULL, amount numeric(12,2) NOT NULL, quantity bigint NOT NULL);
INSERT INTO public.sales
SELECT date '2026-01-01' + n % 30, 'category ' || n % 5, 'region ' || n % 4, n % 97 + 0.25, n % 7 FROM generate_series(1, 1200) AS n;
ANALYZE public.sales;
";

const CHAIN: usize = 5;

fn name(number: usize) -> String {
    format!("sales_{number:05}")
}

fn query(number: usize) -> String {
    let from = match number % CHAIN {
        0 => "sales".to_owned(),
        _ => name(number - 1),
    };
    format!(
        "SELECT day, category, region, sum(amount) AS amount, sum(quantity)::bigint AS quantity\n\
         FROM public.{from}\nGROUP BY day, category, region"
    )
}

fn manifest(number: usize) -> String {
    let query = query(number);
    format!(
        "type = \"materialized_view\"\ndescription = \"Sales by day, category and region, number {number}\"\n\
         query = \"\"\"\n{query}\n\"\"\"\n\n[[indexes]]\ncolumns = [\"day\", \"category\", \"region\"]\nunique = true\n"
    )
}

/// A folder with the manifests of `count` marts.
pub fn folder(count: usize) -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("datamart-benchmark-").tempdir()?;
    for number in 0..count {
        std::fs::write(folder.path().join(format!("{}.toml", name(number))), manifest(number))?;
    }
    Ok(folder)
}

/// The same marts as a script of statements, each of which psql commits.
pub fn script(count: usize, file: &Path) -> Result<()> {
    let mut sql = String::new();
    for number in 0..count {
        let (name, query) = (name(number), query(number));
        writeln!(sql, "CREATE MATERIALIZED VIEW public.{name} AS\n{query};")?;
        writeln!(sql, "CREATE UNIQUE INDEX {name}_key ON public.{name} (day, category, region);")?;
    }
    std::fs::write(file, sql)?;
    Ok(())
}
