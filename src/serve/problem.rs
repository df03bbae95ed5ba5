//! What goes wrong, as RFC 9457 tells it.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};

use crate::catalog::CatalogError;
use crate::database::{DatabaseError, ErrorKind, SqlError};
use crate::observe::ObserveError;
use crate::reconcile::ReconcileError;

/// Seconds after which a client may ask again.
const AGAIN: &str = "5";

/// A problem document on its way out.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub status: StatusCode,
    kind: &'static str,
    detail: String,
    more: Box<More>,
}

/// What only some problems have.
#[derive(Debug, Clone, Default)]
struct More {
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of this status; `kind` is one fixed word.
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        let mut headers = Vec::new();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.push((RETRY_AFTER, HeaderValue::from_static(AGAIN)));
        }
        Self { status, kind, detail: detail.into(), more: Box::new(More { members: Map::new(), headers }) }
    }

    /// What was asked cannot be understood.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "request", detail)
    }

    /// Who asks did not show who they are, in the way that is wanted here.
    pub fn unauthorized(challenge: &'static str, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, "authentication", detail);
        problem.more.headers.push((WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
        problem
    }

    /// What was asked for is not there.
    pub fn missing(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "missing", detail)
    }

    /// Things stand in the way.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// It may not be done.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// It cannot be done now; it may be later.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    /// It took too long.
    pub fn slow(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail)
    }

    /// Whether what was read was replaced meanwhile, so that another look sees what stands in its place.
    pub fn is_outdated(&self) -> bool {
        self.kind == ErrorKind::Serialization.as_str()
    }

    /// With another member.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.more.members.insert(name.to_owned(), value);
        self
    }

    /// With the methods that a path knows.
    pub fn allowing(mut self, methods: &str) -> Self {
        self.more.headers.extend(HeaderValue::from_str(methods).ok().map(|value| (ALLOW, value)));
        self
    }

    /// The document.
    pub fn document(&self) -> Value {
        let mut document = Map::new();
        document.insert("type".to_owned(), "about:blank".into());
        document.insert("title".to_owned(), self.status.canonical_reason().unwrap_or("Error").into());
        document.insert("status".to_owned(), self.status.as_u16().into());
        document.insert("detail".to_owned(), self.detail.clone().into());
        document.insert("kind".to_owned(), self.kind.into());
        document.extend(self.more.members.clone());
        Value::Object(document)
    }

    /// As an answer.
    pub fn answer(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.document().to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in self.more.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// What the database said, where the caller is not to blame.
impl From<SqlError> for Problem {
    fn from(error: SqlError) -> Self {
        let (status, kind) = (status_of(&error), error.kind.as_str());
        Self::new(status, kind, error.message.clone())
    }
}

fn status_of(error: &SqlError) -> StatusCode {
    match error.kind {
        ErrorKind::Connection
        | ErrorKind::Authentication
        | ErrorKind::Lock
        | ErrorKind::Serialization
        | ErrorKind::Resource
        | ErrorKind::Cancelled
        | ErrorKind::ReadOnly => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Privilege => StatusCode::FORBIDDEN,
        ErrorKind::Missing | ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Syntax
        | ErrorKind::Data
        | ErrorKind::Check
        | ErrorKind::Io
        | ErrorKind::Config
        | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        SqlError::from(error).into()
    }
}

impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        match error.sql() {
            // Which server it is, is nobody's business here; why it cannot be reached is in the daemon's log.
            Some(sql) if matches!(error, DatabaseError::Connect { .. }) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, sql.kind.as_str(), "the database cannot be reached")
            }
            Some(sql) => sql.clone().into(),
            None => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.kind(), error.to_string()),
        }
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Sql(sql) => sql.into(),
            other => Self::new(StatusCode::INTERNAL_SERVER_ERROR, other.kind().as_str(), other.to_string()),
        }
    }
}

impl From<ObserveError> for Problem {
    fn from(error: ObserveError) -> Self {
        match error {
            ObserveError::Sql(sql) => sql.into(),
            ObserveError::Catalog(catalog) => catalog.into(),
            ObserveError::Absent { .. } => Self::conflict(format!("{error}: it is not applied yet")),
        }
    }
}

impl From<ReconcileError> for Problem {
    fn from(error: ReconcileError) -> Self {
        match error {
            ReconcileError::Observe(error) => error.into(),
            ReconcileError::Catalog(error) => error.into(),
            ReconcileError::Database(error) => error.into(),
            ReconcileError::Sql(error) => error.into(),
            other => Self::new(StatusCode::INTERNAL_SERVER_ERROR, other.kind(), other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_in_one_form() {
        let problem = Problem::conflict("it runs already").with("holder", serde_json::json!({ "pid": 7 }));
        let expected = r#"{"type":"about:blank","title":"Conflict","status":409,"detail":"it runs already","kind":"conflict","holder":{"pid":7}}"#;
        assert_eq!(problem.document().to_string(), expected);
        let answer = problem.answer();
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }

    #[test]
    fn what_may_pass_later_says_so() {
        let gone = SqlError::with_sqlstate("57P01", "terminating connection due to administrator command");
        let answer = Problem::from(gone).answer();
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().ok()), (503, Some(AGAIN)));
    }
}
