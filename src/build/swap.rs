//! Publishing by swap: the built table takes the live one's place, dependents and names with it.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, Row};

use super::along::place;
use super::copy::{Built, close};
use super::run::{Tries, run};
use super::session::{Frame, SessionState};
use super::statement;
use crate::catalog::Relation;
use crate::database::SqlError;
use crate::plan::carry::{self, Made};
use crate::plan::lost::losses;
use crate::plan::with;
use crate::sql::Query;
use crate::state::QName;

/// Why a table cannot be exchanged for another: its rows are merged instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle(pub String);

/// What stands against a swap, read from what depends on the table.
pub fn obstacles(live: &Relation) -> Vec<Obstacle> {
    let dependents =
        live.dependents.iter().filter(|d| d.kind != "view").map(|d| format!("the {} {} depends on it", d.kind, d.name));
    let lost = losses(&place(live, &live.name)).into_iter().map(|loss| loss.message);
    dependents.chain(lost).map(Obstacle).collect()
}

/// A view that reads the table, as it is re-pointed.
struct Reader {
    name: QName,
    owner: String,
    options: BTreeMap<String, String>,
    definition: String,
}

/// Makes the built table complete and exchanges it for the live one. `defaults` are the roles that default privileges
/// give something to.
///
/// The views that read the live table are re-pointed first, from the outermost inwards: readers take their locks in
/// that order too. Renaming first deadlocks with them.
///
/// # Errors
/// What PostgreSQL says; the old table serves on then, and what was built stays for a merge. What goes wrong once the new one serves is
/// given back in words.
pub async fn swap(
    conn: &mut PgConnection,
    live: &Relation,
    built: &Built,
    frame: &Frame,
    publish_lock_timeout_ms: u64,
    defaults: &[String],
) -> Result<Option<String>, SqlError> {
    complete(conn, live, built, frame).await?;
    let brief = Frame { settings: Vec::new(), lock_timeout_ms: publish_lock_timeout_ms, ..frame.clone() };
    let mut tries = Tries::default();
    loop {
        let mut session = SessionState::in_transaction();
        sqlx::raw_sql("BEGIN").execute(&mut *conn).await?;
        let outcome = exchange(conn, &mut session, live, built, &brief, defaults).await;
        match close(conn, outcome).await {
            Err(error) if tries.again(&error).await => {}
            done => {
                done?;
                break;
            }
        }
    }
    let validated = alone(conn, frame, carry::last(&place(live, &built.name))).await;
    Ok(validated.err().map(|error| format!("a foreign key that refers to it is not validated: {error}")))
}

/// Indexes, what goes along, statistics and visibility map, while the old table serves.
async fn complete(conn: &mut PgConnection, live: &Relation, built: &Built, frame: &Frame) -> Result<(), SqlError> {
    let place = place(live, &built.name);
    let owners = |sql: String| Made { sql, ours: false };
    let mut made: Vec<Made> = statement::indexes(live, &built.name).into_iter().map(owners).collect();
    made.extend(carry::aside(&place));
    for (add, validate) in carry::foreign_keys(&place, &built.name) {
        made.extend(add);
        made.extend(validate);
    }
    made.push(owners(format!("VACUUM (ANALYZE) {}", built.name)));
    // The rows are on disk; of the rest nobody misses anything before the exchange, whose commit writes it along with its own.
    let mut unawaited = frame.clone();
    unawaited.settings.push(("synchronous_commit".to_owned(), "off".to_owned()));
    alone(conn, &unawaited, made).await
}

/// Runs statements outside transactions.
async fn alone(conn: &mut PgConnection, frame: &Frame, made: Vec<Made>) -> Result<(), SqlError> {
    let mut session = SessionState::alone();
    let mut outcome = Ok(0);
    for made in made {
        outcome = run(conn, &mut session, &of(frame, &made), &made.sql).await;
        if outcome.is_err() {
            break;
        }
    }
    session.leave(conn).await?;
    outcome.map(|_| ())
}

/// As who makes it, with nothing on the search path but the system's own: the server prints every other name whole.
fn of(frame: &Frame, made: &Made) -> Frame {
    let mut settings = frame.settings.clone();
    settings.retain(|(key, _)| key != "search_path");
    Frame { role: frame.role.clone().filter(|_| !made.ours), settings, ..frame.clone() }
}

async fn exchange(
    conn: &mut PgConnection,
    session: &mut SessionState,
    live: &Relation,
    built: &Built,
    frame: &Frame,
    defaults: &[String],
) -> Result<(), SqlError> {
    for sql in statement::rights_and_comments(live, &built.name, defaults) {
        run(conn, session, frame, &sql).await?;
    }
    session.leave(conn).await?;
    let readers = readers(conn, live).await?;
    let of_reader =
        |reader: &Reader| Frame { role: frame.role.as_ref().map(|_| reader.owner.clone()), ..frame.clone() };
    for reader in &readers {
        let sql = reader.replace(&repointed(&reader.definition, &live.name, &built.name));
        run(conn, session, &of_reader(reader), &sql).await?;
    }
    let place = place(live, &built.name);
    for made in carry::before(&place) {
        run(conn, session, &of(frame, &made), &made.sql).await?;
    }
    for sql in statement::exchange(live, &built.name) {
        run(conn, session, frame, &sql).await?;
    }
    for made in carry::after(&place) {
        run(conn, session, &of(frame, &made), &made.sql).await?;
    }
    // Re-pointing gave the table an alias, which PostgreSQL would go on printing: the views get their own words back.
    for reader in &readers {
        run(conn, session, &of_reader(reader), &reader.replace(&reader.definition)).await?;
    }
    session.leave(conn).await
}

/// The views that read the table directly, outermost first.
async fn readers(conn: &mut PgConnection, live: &Relation) -> Result<Vec<Reader>, SqlError> {
    let names: BTreeSet<&QName> = live.dependents.iter().filter_map(|d| d.relation.as_ref()).collect();
    let schemas: Vec<&str> = names.iter().map(|n| n.schema.as_str()).collect();
    let relations: Vec<&str> = names.iter().map(|n| n.name.as_str()).collect();
    let rows = sqlx::query(include_str!("sql/readers.sql")).bind(&schemas).bind(&relations).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let options: Option<Vec<String>> = row.try_get("options")?;
            let pair = |option: String| match option.split_once('=') {
                Some((key, value)) => (key.to_owned(), value.to_owned()),
                None => (option, String::new()),
            };
            Ok(Reader {
                name: QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?),
                owner: row.try_get("owner")?,
                options: options.unwrap_or_default().into_iter().map(pair).collect(),
                definition: row.try_get("definition")?,
            })
        })
        .collect()
}

impl Reader {
    /// `CREATE OR REPLACE VIEW` with the view's own options.
    fn replace(&self, definition: &str) -> String {
        let with = with(&self.options);
        format!("CREATE OR REPLACE VIEW {}{with} AS\n{definition}", self.name)
    }
}

/// A view's definition, reading the built table.
fn repointed(definition: &str, live: &QName, built: &QName) -> String {
    match Query::parse(definition) {
        Ok(query) => query.rewrite(|reference| {
            let name = QName::new(reference.schema.as_ref()?, &reference.name);
            (name == *live).then(|| built.clone())
        }),
        Err(_) => definition.to_owned(),
    }
}
