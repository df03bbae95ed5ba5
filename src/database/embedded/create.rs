//! The database in the embedded server, and its seed.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::place::io;
use crate::database::{DatabaseError, Endpoint, SqlError};
use crate::state::{derived_name, quote_ident};

/// The database's name for a project: its name, in what every tool takes without quotes.
pub fn database_name(project: &str) -> String {
    let name: String = project
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' })
        .take(50)
        .collect();
    match name.as_str() {
        "" | "default" => "datamart".to_owned(),
        "postgres" | "template0" | "template1" => format!("{name}_marts"),
        _ if name.starts_with(|c: char| c.is_ascii_digit()) => format!("_{name}"),
        _ => name,
    }
}

/// Makes the database. It gets its name when its seed is in, so that an interrupted seed is done again.
pub(super) async fn create(
    endpoint: impl Fn(&str) -> Result<Endpoint, DatabaseError>,
    name: &str,
    seed: Option<&Path>,
) -> Result<(), DatabaseError> {
    let script = match seed {
        Some(file) => Some((file, std::fs::read_to_string(file).map_err(|e| io("read", file, e))?)),
        None => None,
    };
    let mut admin = endpoint("postgres")?.session("embedded").await?;
    let aside = derived_name(name, "__seeding");
    let drop_aside = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote_ident(&aside));
    run(&mut admin, drop_aside.clone()).await?;
    run(&mut admin, format!("CREATE DATABASE {}", quote_ident(&aside))).await?;
    if let Some((file, script)) = script
        && let Err(error) = fill(&endpoint(&aside)?, file, script).await
    {
        run(&mut admin, drop_aside).await?;
        return Err(error);
    }
    let rename = format!("ALTER DATABASE {} RENAME TO {}", quote_ident(&aside), quote_ident(name));
    run(&mut admin, rename).await?;
    admin.close().await?;
    Ok(())
}

async fn fill(endpoint: &Endpoint, file: &Path, script: String) -> Result<(), DatabaseError> {
    let mut conn = endpoint.session("seed").await?;
    // As a script expects it; our own sessions look names up nowhere.
    run(&mut conn, "SET search_path = \"$user\", public".to_owned()).await?;
    let filled = run(&mut conn, script.clone()).await;
    conn.close().await?;
    filled.map_err(|source| DatabaseError::Seed {
        file: file.to_owned(),
        line: source.position.map(|at| line_of(&script, at)),
        source,
    })
}

async fn run(conn: &mut PgConnection, sql: String) -> Result<(), SqlError> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await?;
    Ok(())
}

/// The 1-based line of a 1-based character.
fn line_of(text: &str, position: usize) -> usize {
    1 + text.chars().take(position.saturating_sub(1)).filter(|c| *c == '\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_quotes() {
        assert_eq!(database_name("shop"), "shop");
        assert_eq!(database_name("default"), "datamart");
        assert_eq!(database_name("Ventas año 2024"), "ventas_a_o_2024");
        assert_eq!(database_name("2024"), "_2024");
        assert_eq!(database_name("postgres"), "postgres_marts");
    }

    #[test]
    fn lines_are_counted_from_one() {
        assert_eq!(line_of("ñ\nb\nc", 1), 1);
        assert_eq!(line_of("ñ\nb\nc", 3), 2);
        assert_eq!(line_of("ñ\nb\nc", 99), 3);
    }
}
