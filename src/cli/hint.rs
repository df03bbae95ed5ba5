//! What to do about an error of PostgreSQL's: one sentence, with the statement that is missing where there is one.

use std::sync::OnceLock;

use datamart::database::{ErrorKind, SqlError, registry};
use datamart::state::{quote_ident, quote_role};

/// The registry's schema, once it is known: the server does not say where a table is that it refuses.
static REGISTRY: OnceLock<String> = OnceLock::new();

/// Says in which schema the registry is.
pub fn registry_is(schema: &str) {
    let _ = REGISTRY.set(schema.to_owned());
}

/// The way out of an error that `role` met, where it is known.
pub fn hint(error: &SqlError, role: &str) -> Option<String> {
    of_mart(error, role, &[])
}

/// The same for an error of a mart that is built with this search path.
pub fn of_mart(error: &SqlError, role: &str, search_path: &[String]) -> Option<String> {
    if let Some(said) = in_function(error, search_path) {
        return Some(said);
    }
    match error.sqlstate.as_deref() {
        Some("42501") => of_registry(error, role).or_else(|| privilege(error, role)),
        Some(code) => by_code(code, error, role),
        None => no_server(error),
    }
}

fn by_code(code: &str, error: &SqlError, role: &str) -> Option<String> {
    let said = match code {
        "28P01" => format!(
            "check the password of role {}: it stands in the URL, in PGPASSWORD or in ~/.pgpass",
            quote_ident(role)
        ),
        "28000" if error.message.contains("pg_hba.conf") => {
            "the server's pg_hba.conf has no line for this role, database and address; with sslmode=require it may have one".into()
        }
        "28000" if error.message.contains("does not exist") => {
            format!("create the role (CREATE ROLE {} LOGIN PASSWORD '…'), or name another in the URL", quote_ident(role))
        }
        "28000" => "the server refused this role: check the user name in the URL and the server's pg_hba.conf".into(),
        "3D000" => match quoted(&error.message) {
            Some(name) => format!("create it (CREATE DATABASE {}), or correct the name in the URL", quote_ident(name)),
            None => "correct the database's name in the URL".into(),
        },
        "3F000" => "check the schema's name; datamart creates the schemas of marts, not those of their sources".into(),
        "42P01" => "check the name; unqualified names are looked up in the mart's schema, the project's schema, then public".into(),
        "42703" => "check the column's name, and whether its table has changed".into(),
        "42883" => "check the function's name and its arguments' types; a cast may be missing, or an extension's schema before its name".into(),
        "42704" => "check the name: a role, type, tablespace or extension is not there".into(),
        "25006" => "this server is a read-only standby, or its default is read-only: connect to the primary; commands that only look work here".into(),
        "0A000" if error.message.ends_with("during recovery") => {
            "a standby cannot read what a crash would empty, such as logs of changes: connect to the primary; with `logged = true` in [capture] marts that are `fresh` can be read here".into()
        }
        "57014" if error.kind == ErrorKind::Timeout => {
            "the statement ran into a timeout: raise statement_timeout in [database], or timeout under [refresh] of this mart".into()
        }
        "57014" => "somebody cancelled it (pg_cancel_backend, or Ctrl-C); nothing was changed by this step, run it again".into(),
        "25P04" => "a transaction_timeout of the server ended it: ALTER ROLE … SET transaction_timeout = 0 for this role".into(),
        "55P03" => {
            "others hold a lock on it, such as a refresh that blocks readers: see `datamart unlock` and pg_stat_activity, or raise lock_timeout in [database]".into()
        }
        "55006" => "somebody is connected to it or uses it: see pg_stat_activity".into(),
        "53300" => "the server has no connection left: close some, lower connections in [database], or raise max_connections".into(),
        "53100" => "the server's disk is full: free space, or build the mart in another tablespace; nothing half-built is left".into(),
        "53200" => "the server ran out of memory or of places for locks: lower work_mem in [session], or raise max_locks_per_transaction".into(),
        "40P01" => "two sessions waited for each other and this one gave way: run it again".into(),
        "40001" => "a concurrent change came first: run it again".into(),
        "42P07" | "42710" | "42P06" => {
            "it exists and is not ours: rename the mart, or take it over with `datamart import --adopt`".into()
        }
        "2BP01" => "something else depends on it: drop or change that first; datamart never cascades".into(),
        "57P01" | "57P02" => "the server was shut down or ended this session: run it again when it is back".into(),
        "57P03" => "the server is starting up or shutting down: try again in a moment".into(),
        "58P01" => "a file of the server is missing: an extension's library, or a tablespace's folder".into(),
        _ => return None,
    };
    Some(said)
}

/// What to do where a function's body names something that is not found.
///
/// From 17 on PostgreSQL looks up names in `pg_catalog` alone while it fills a materialized view or an index, so that a
/// function that worked before does not any more. <https://www.postgresql.org/docs/17/release-17.html>
pub fn in_function(error: &SqlError, search_path: &[String]) -> Option<String> {
    let missing = ["42P01", "42883", "42704"].iter().any(|code| error.is(code));
    let function = function(error.context.as_deref()?).filter(|_| missing && !names_a_schema(&error.message))?;
    let mut schemas: Vec<String> = match search_path {
        [] => vec!["public".to_owned()],
        path => path.iter().map(|schema| quote_ident(schema)).collect(),
    };
    let own = function.split_once('(').map_or("", |(name, _)| name).rsplit_once('.');
    if let Some((own, _)) = own.filter(|(own, _)| schemas.iter().all(|schema| schema != own)) {
        schemas.insert(0, own.to_owned());
    }
    Some(format!(
        "the function {function} names it without a schema; PostgreSQL 17 and later fill materialized views and indexes with pg_catalog \
         alone on the search path. Give the function the schemas that it needs: ALTER ROUTINE {function} SET search_path = {}, pg_temp;",
        schemas.join(", ")
    ))
}

/// The innermost function of an error's context, as a statement names it.
fn function(context: &str) -> Option<String> {
    context.lines().find_map(|line| {
        if let Some(rest) = line.strip_prefix("PL/pgSQL function ") {
            return rest.find(") ").map(|end| rest[..=end].to_owned());
        }
        line.strip_prefix("SQL function ").and_then(quoted).map(quote_ident)
    })
}

/// Whether PostgreSQL misses `schema.name`, and not a bare name.
fn names_a_schema(message: &str) -> bool {
    let name = quoted(message).unwrap_or_else(|| message.split('(').next().unwrap_or_default());
    name.contains('.')
}

/// Errors on the way to the server, which have no SQLSTATE.
fn no_server(error: &SqlError) -> Option<String> {
    if error.kind != ErrorKind::Connection {
        return None;
    }
    let message = error.message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let said = if has(&["connection refused", "no such file"]) {
        "is the server running there, and does it listen on that address and port?"
    } else if has(&["lookup", "name or service", "nodename"]) {
        "check the host's name in the URL"
    } else if has(&["tls", "certificate"]) {
        "check sslmode and sslrootcert in the URL; sslmode=verify-full needs the name that stands in the server's certificate"
    } else if has(&["no answer within", "timed out", "unreachable"]) {
        "check the host and port, and the firewall between here and there"
    } else if has(&["permission denied"]) {
        "this user may not enter the folder of the server's socket"
    } else {
        "the connection was lost: what was committed stays, run it again for the rest"
    };
    Some(said.to_owned())
}

/// Who may read our tables but not write to them: one that is refused is followed by the others.
fn of_registry(error: &SqlError, role: &str) -> Option<String> {
    let table = error.message.strip_prefix("permission denied for table ")?;
    let ours = error.schema.is_none() && registry::tables().any(|known| known == table);
    let schema = quote_ident(REGISTRY.get().filter(|_| ours)?);
    let to = quote_role(role);
    Some(format!(
        "GRANT USAGE ON SCHEMA {schema} TO {to}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {to};"
    ))
}

/// The GRANT that is missing, read from the server's words.
fn privilege(error: &SqlError, role: &str) -> Option<String> {
    let message = error.message.as_str();
    let to = quote_role(role);
    if let Some(object) = message.strip_prefix("permission denied for ") {
        return grant(object, error.schema.as_deref(), &to);
    }
    if let Some(database) = message.strip_prefix("permission denied to create temporary tables in database ") {
        return Some(format!("GRANT TEMPORARY ON DATABASE {} TO {to};", quote_ident(database.trim_matches('"'))));
    }
    if let Some(object) = message.strip_prefix("must be owner of ") {
        return Some(format!(
            "only the owner of {object} may do this: connect as that role, or let it be inherited (GRANT <its owner> TO {to})"
        ));
    }
    let member = ["must be member of role ", "must be able to SET ROLE ", "permission denied to set role "];
    if member.iter().any(|start| message.starts_with(start)) {
        return quoted(message).map(|owner| format!("GRANT {} TO {to};", quote_ident(owner)));
    }
    if message.contains("terminat") || message.contains("cancel") {
        return Some(format!("GRANT pg_signal_backend TO {to};"));
    }
    message
        .contains("superuser")
        .then(|| format!("{to} is no superuser, and this needs one: let an administrator do it once"))
}

/// `object` as PostgreSQL names it: a kind of one or more words, then a name without quotes.
fn grant(object: &str, schema: Option<&str>, to: &str) -> Option<String> {
    let named = |name: &str| match schema {
        Some(schema) => format!("{}.{}", quote_ident(schema), quote_ident(name)),
        None => quote_ident(name),
    };
    let strip = |kinds: &[&str]| {
        let found = kinds.iter().find_map(|kind| object.strip_prefix(kind)?.strip_prefix(' '));
        found.map(|name| name.trim_matches('"'))
    };
    if let Some((column, relation)) = object.strip_prefix("column ").and_then(|rest| rest.split_once(" of relation ")) {
        let column = quote_ident(column.trim_matches('"'));
        return Some(format!("GRANT SELECT ({column}) ON {} TO {to};", named(relation.trim_matches('"'))));
    }
    if let Some(name) = strip(&["schema"]) {
        let name = quote_ident(name);
        return Some(format!(
            "GRANT USAGE ON SCHEMA {name} TO {to}; to build marts in it: GRANT USAGE, CREATE ON SCHEMA {name} TO {to};"
        ));
    }
    let one_word =
        |privilege: &str, kind: &str, name: String| Some(format!("GRANT {privilege} ON {kind}{name} TO {to};"));
    if let Some(name) = strip(&["table", "view", "materialized view", "foreign table", "relation"]) {
        return one_word("SELECT", "", named(name));
    }
    if let Some(name) = strip(&["database"]) {
        return one_word("CREATE", "DATABASE ", quote_ident(name));
    }
    if let Some(name) = strip(&["tablespace"]) {
        return one_word("CREATE", "TABLESPACE ", quote_ident(name));
    }
    if let Some(name) = strip(&["function", "procedure", "routine", "aggregate"]) {
        return one_word("EXECUTE", "ROUTINE ", named(name));
    }
    for (kind, words) in [
        ("sequence", "SEQUENCE "),
        ("type", "TYPE "),
        ("language", "LANGUAGE "),
        ("foreign server", "FOREIGN SERVER "),
        ("foreign-data wrapper", "FOREIGN DATA WRAPPER "),
    ] {
        if let Some(name) = strip(&[kind]) {
            return one_word("USAGE", words, quote_ident(name));
        }
    }
    None
}

/// What stands between the first pair of double quotes.
fn quoted(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once('"')?;
    let (name, _) = rest.rsplit_once('"')?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(message: &str) -> String {
        hint(&SqlError::with_sqlstate("42501", message), "etl bot").unwrap_or_default()
    }

    #[test]
    fn the_missing_grant_is_printed() {
        for (said, wanted) in [
            ("permission denied for table orders", "GRANT SELECT ON orders TO \"etl bot\";"),
            ("permission denied for view Sales 2024", "GRANT SELECT ON \"Sales 2024\" TO \"etl bot\";"),
            ("permission denied for materialized view mv", "GRANT SELECT ON mv TO \"etl bot\";"),
            ("permission denied for database shop", "GRANT CREATE ON DATABASE shop TO \"etl bot\";"),
            ("permission denied for function f", "GRANT EXECUTE ON ROUTINE f TO \"etl bot\";"),
            ("permission denied for tablespace fast", "GRANT CREATE ON TABLESPACE fast TO \"etl bot\";"),
            ("permission denied for sequence s", "GRANT USAGE ON SEQUENCE s TO \"etl bot\";"),
            (
                "permission denied for column email of relation customers",
                "GRANT SELECT (email) ON customers TO \"etl bot\";",
            ),
            (
                "permission denied to create temporary tables in database \"Shop\"",
                "GRANT TEMPORARY ON DATABASE \"Shop\" TO \"etl bot\";",
            ),
            ("must be member of role \"mart_owner\"", "GRANT mart_owner TO \"etl bot\";"),
            ("must be able to SET ROLE \"Mart Owner\"", "GRANT \"Mart Owner\" TO \"etl bot\";"),
            ("permission denied to set role \"mart_owner\"", "GRANT mart_owner TO \"etl bot\";"),
            ("permission denied to terminate process", "GRANT pg_signal_backend TO \"etl bot\";"),
        ] {
            assert_eq!(denied(said), wanted);
        }
    }

    #[test]
    fn a_schema_needs_one_of_two_grants() {
        assert_eq!(
            denied("permission denied for schema marts"),
            "GRANT USAGE ON SCHEMA marts TO \"etl bot\"; to build marts in it: GRANT USAGE, CREATE ON SCHEMA marts TO \"etl bot\";"
        );
    }

    #[test]
    fn ownership_is_explained() {
        assert!(denied("must be owner of table orders").starts_with("only the owner of table orders may do this"));
        assert_eq!(denied("something new"), "");
    }

    #[test]
    fn common_errors_have_a_way_out() {
        for (code, message, word) in [
            ("28P01", "password authentication failed for user \"ana\"", "PGPASSWORD"),
            ("28000", "no pg_hba.conf entry for host \"10.0.0.1\"", "pg_hba.conf"),
            ("3D000", "database \"Shop\" does not exist", "CREATE DATABASE \"Shop\""),
            ("42P01", "relation \"ordrs\" does not exist", "looked up"),
            ("25006", "cannot execute CREATE VIEW in a read-only transaction", "primary"),
            ("57014", "canceling statement due to statement timeout", "statement_timeout"),
            ("57014", "canceling statement due to user request", "cancelled"),
            ("55P03", "canceling statement due to lock timeout", "lock_timeout"),
            ("53300", "sorry, too many clients already", "max_connections"),
            ("53100", "could not extend file", "disk"),
            ("40P01", "deadlock detected", "again"),
        ] {
            let said = hint(&SqlError::with_sqlstate(code, message), "ana").unwrap_or_default();
            assert!(said.contains(word), "{code}: {said}");
        }
        assert_eq!(hint(&SqlError::with_sqlstate("22012", "division by zero"), "ana"), None);
    }

    #[test]
    fn a_function_is_given_its_schemas() {
        let said = |code: &str, message: &str, context: &str, path: &[String]| {
            in_function(&SqlError::with_sqlstate(code, message).within(Some(context.to_owned())), path)
        };
        let (table, path) = ("relation \"orders\" does not exist", ["marts".to_owned(), "My Data".to_owned()]);
        for (code, message, context, wanted) in [
            (
                "42P01",
                table,
                "SQL function \"f_sql\" during inlining",
                "f_sql SET search_path = marts, \"My Data\", pg_temp;",
            ),
            (
                "42883",
                "function g(integer) does not exist",
                "SQL statement \"SELECT g(1)\"\nPL/pgSQL function f(integer,text) line 1 at RETURN\nSQL function \"outer\" statement 1",
                "f(integer,text) SET search_path = marts, \"My Data\", pg_temp;",
            ),
            (
                "42704",
                "type \"money2\" does not exist",
                "PL/pgSQL function \"Etl\".f(integer) line 3 at assignment",
                "\"Etl\".f(integer) SET search_path = \"Etl\", marts, \"My Data\", pg_temp;",
            ),
        ] {
            let said = said(code, message, context, &path).unwrap_or_default();
            assert!(said.ends_with(&format!("ALTER ROUTINE {wanted}")), "{said}");
        }
        let inlined = "SQL function \"f\" during inlining";
        let own = said("42P01", table, inlined, &[]).unwrap_or_default();
        assert!(own.ends_with("ALTER ROUTINE f SET search_path = public, pg_temp;"), "{own}");
        assert_eq!(said("42P01", table, "", &path), None, "in the query itself");
        assert_eq!(said("42P01", "relation \"s.orders\" does not exist", inlined, &path), None);
        assert_eq!(said("42883", "function s.g(integer) does not exist", inlined, &path), None);
        assert_eq!(said("22012", "division by zero", inlined, &path), None);
    }

    #[test]
    fn no_server_is_told_from_a_lost_one() {
        let said = |message: &str| hint(&SqlError::new(ErrorKind::Connection, message), "ana").unwrap_or_default();
        assert!(said("Connection refused (os error 111)").contains("running"));
        assert!(said("no answer within 10 s").contains("firewall"));
        assert!(said("the server closed the connection").contains("lost"));
        assert_eq!(hint(&SqlError::new(ErrorKind::Internal, "x"), "ana"), None);
    }
}
