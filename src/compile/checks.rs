//! What PostgreSQL says about checks, before anything is built.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, PgConnection};

use super::place::Scratch;
use super::savepoint::{MARTS_PER_MESSAGE, savepoint};
use super::{CompileError, Compiled, Failure};
use crate::manifest::DesiredMart;
use crate::sql::check_query;
use crate::state::{CheckDecl, Mart, QName};

/// The checks that PostgreSQL refuses. Columns that a query does not have are left to the plan, which names those it has.
pub(super) async fn refused(
    conn: &mut PgConnection,
    marts: &[&DesiredMart],
    scratch: &Scratch,
    compiled: &Compiled,
) -> Result<Vec<Failure>, CompileError> {
    let known: BTreeSet<&QName> = marts.iter().map(|m| &m.mart.name).collect();
    let mut checked: Vec<(&Mart, Vec<&CheckDecl>)> = Vec::new();
    for mart in marts.iter().map(|desired| &desired.mart) {
        let Some(is) = compiled.marts.get(&mart.name) else { continue };
        let has = |name: &String| is.columns.iter().any(|column| column.name == *name);
        let checks: Vec<&CheckDecl> = mart.checks.iter().filter(|c| c.form.columns().iter().all(has)).collect();
        if !checks.is_empty() {
            checked.push((mart, checks));
        }
    }
    let mut failures = Vec::new();
    for part in checked.chunks(MARTS_PER_MESSAGE) {
        let mut batch = String::new();
        for (at, (mart, checks)) in part.iter().enumerate() {
            batch.push_str(&scratch.surroundings(mart));
            for (number, check) in checks.iter().enumerate() {
                let name = format!("{NAME} {at} {number}");
                batch.push_str(&format!("{};", view(mart, check, &name, scratch, &known)));
            }
            batch.push_str("RESET ROLE;");
        }
        // They mostly go all at once; what does not is looked for one by one.
        batch.push_str("ROLLBACK TO SAVEPOINT datamart_checks");
        sqlx::raw_sql("SAVEPOINT datamart_checks").execute(&mut *conn).await?;
        match sqlx::raw_sql(AssertSqlSafe(batch)).execute(&mut *conn).await {
            Ok(_) => continue,
            Err(sqlx::Error::Database(_)) => {}
            Err(error) => return Err(error.into()),
        }
        sqlx::raw_sql("ROLLBACK TO SAVEPOINT datamart_checks").execute(&mut *conn).await?;
        for (mart, checks) in part {
            for check in checks {
                let create = view(mart, check, NAME, scratch, &known);
                let sql = format!(
                    "{}{create}; RESET ROLE; DROP VIEW {}",
                    scratch.surroundings(mart),
                    place(mart, NAME, scratch)
                );
                let refused = savepoint(conn, &sql).await?.err();
                // What its owner may not read is told when it is run.
                if let Some(error) = refused.filter(|error| !error.is("42501")) {
                    let (mart, check) = (mart.name.clone(), Some(check.name.clone()));
                    failures.push(Failure { mart, index: None, check, key: None, error: error.at(None) });
                }
            }
        }
    }
    Ok(failures)
}

/// What the passing views are called, beside scratch tables with the marts' own names.
const NAME: &str = "datamart check";

fn place(mart: &Mart, name: &str, scratch: &Scratch) -> QName {
    QName::new(scratch.beside(mart), name)
}

/// A view of the check's rows, as JSON: two columns of one name are none there.
fn view(mart: &Mart, check: &CheckDecl, name: &str, scratch: &Scratch, known: &BTreeSet<&QName>) -> String {
    let other = |schema: Option<&str>, name: &str| scratch.of(schema?, name, known);
    let query = check_query(check, &scratch.view(mart), &other);
    let name = place(mart, name, scratch);
    format!("CREATE VIEW {name} AS SELECT pg_catalog.row_to_json(t.*) AS r FROM (\n{query}\n) AS t")
}
