//! A mart beside its query.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::shapes::Shape;

/// What is wrong with a mart; `None` where it is its query, in one snapshot, as of the time of its last refresh.
pub async fn difference(conn: &mut PgConnection, shape: &Shape) -> Option<String> {
    let begin =
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL TimeZone = 'UTC'; SET LOCAL search_path = public";
    sqlx::raw_sql(begin).execute(&mut *conn).await.expect("a snapshot");
    let time =
        "SELECT (SELECT format('timestamptz %L', at) FROM datamart.positions WHERE schema = 'public' AND name = $1)";
    let time: Option<String> = sqlx::query_scalar(time).bind(shape.name).fetch_one(&mut *conn).await.expect("a time");
    let query = shape.as_of(&time.unwrap_or_else(|| "now()".to_owned()));
    let sql = format!(
        "WITH query AS MATERIALIZED ({query}), mart AS MATERIALIZED (SELECT * FROM {name}),
              missing AS MATERIALIZED (TABLE query EXCEPT ALL TABLE mart), extra AS MATERIALIZED (TABLE mart EXCEPT ALL TABLE query)
         SELECT (SELECT count(*) FROM missing), (SELECT count(*) FROM extra),
                coalesce((SELECT string_agg(t, ' ') FROM (SELECT missing::text AS t FROM missing LIMIT 5) AS few), ''),
                coalesce((SELECT string_agg(t, ' ') FROM (SELECT extra::text AS t FROM extra LIMIT 5) AS few), '')",
        name = shape.name
    );
    let row =
        sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *conn).await.unwrap_or_else(|e| panic!("{}: {e}", shape.name));
    let (missing, extra): (i64, i64) = (row.get(0), row.get(1));
    let (lacks, has): (String, String) = (row.get(2), row.get(3));
    sqlx::raw_sql("ROLLBACK").execute(conn).await.expect("an end");
    (missing + extra > 0).then(|| {
        format!(
            "{} lacks {missing} rows and has {extra} too many\n  lacks {lacks}\n  has   {has}\n  {query}",
            shape.name
        )
    })
}
