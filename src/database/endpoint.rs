//! Where a database is, and how a session there begins.

use std::str::FromStr;
use std::time::Duration;

use futures_util::future::try_join;
use sqlx::postgres::{PgConnectOptions, PgListener, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::session::{self, Opened};
use super::{DatabaseError, ErrorKind, SqlError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest `application_name` PostgreSQL keeps, in bytes.
const NAME_BYTES: usize = 63;

/// A refresh has about thirty different statements: fewer places would make each of them be planned anew every time.
const STATEMENTS_OF_A_WORKER: usize = 64;

/// libpq parameters that the driver does not know and that change nothing we promise.
const PASSED_BY: &[&str] = &[
    "channel_binding",
    "connect_timeout",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "passfile",
    "pgbouncer",
    "requirepeer",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslnegotiation",
    "sslsni",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "target_session_attrs",
    "tcp_user_timeout",
];

/// A database's address.
#[derive(Clone)]
pub struct Endpoint {
    url: String,
    label: String,
    options: PgConnectOptions,
    timeout: Duration,
    direct: Option<Box<Endpoint>>,
    ours: bool,
}

/// Without the URL, which may carry a password.
impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("label", &self.label).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// An endpoint from a `postgres://` or `postgresql://` URL. A socket's folder goes in `?host=/dir`.
    ///
    /// # Errors
    /// [`DatabaseError::Config`] where it is not such a URL; the text does not repeat it.
    pub fn from_url(url: &str) -> Result<Self, DatabaseError> {
        let url = url.trim();
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(config("a database's address begins with postgres:// or postgresql://"));
        }
        let (known, timeout) = without_unknown_parameters(&without_empty_host(url));
        let mut options = PgConnectOptions::from_str(&known).map_err(|error| {
            config(&format!("the database's address cannot be read: {}", SqlError::from(error).message))
        })?;
        options = match (is_socket(&options), options.get_ssl_mode()) {
            (true, _) => options.ssl_mode(PgSslMode::Disable),
            // The driver reads "allow" as "never"; "prefer" reaches the same servers.
            (false, PgSslMode::Allow) => options.ssl_mode(PgSslMode::Prefer),
            (false, _) => options,
        };
        Ok(Self {
            url: url.to_owned(),
            label: label_of(&options),
            // Poolers refuse a start-up parameter they do not track, so the default of the server stays.
            options: options.extra_float_digits(None).statement_cache_capacity(16).disable_statement_logging(),
            timeout,
            direct: None,
            ours: false,
        })
    }

    /// The same endpoint, with the address that leads past a transaction pooler.
    pub fn with_direct(mut self, direct: Endpoint) -> Self {
        self.direct = Some(Box::new(direct));
        self
    }

    /// The same endpoint, known to be our own server.
    pub(super) fn on_embedded(mut self) -> Self {
        self.label = format!("{} on the embedded server", self.database());
        self.ours = true;
        self
    }

    /// Whether it is our own server, with no pooler before it.
    pub fn is_ours(&self) -> bool {
        self.ours
    }

    /// The address past a pooler where one is configured, else this one.
    pub fn direct(&self) -> &Endpoint {
        self.direct.as_deref().unwrap_or(self)
    }

    /// Whether an address past a pooler is configured.
    pub fn has_direct(&self) -> bool {
        self.direct.is_some()
    }

    /// For people: `shop on db.example.com:5432`. Never a password.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The URL as given, password included: for programs, never for messages.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        self.options.get_database().unwrap_or_else(|| self.options.get_username())
    }

    /// The role that connects.
    pub fn role(&self) -> &str {
        self.options.get_username()
    }

    /// Whether it is reached through a socket on this machine.
    pub fn is_local(&self) -> bool {
        is_socket(&self.options)
    }

    /// A new session, with our settings, named `datamart: <purpose>` in `pg_stat_activity`. Where `direct_url` is configured it goes
    /// there: settings and locks are a session's, which a pooler in transaction mode does not have.
    ///
    /// # Errors
    /// [`DatabaseError::Connect`], after 10 seconds at the latest (or `connect_timeout` of the URL);
    /// [`DatabaseError::Pooler`] where a pooler gives one backend to several sessions.
    pub async fn session(&self, purpose: &str) -> Result<PgConnection, DatabaseError> {
        self.opened(self.direct().named(purpose)).await
    }

    /// A new session as [`session`](Self::session), for one who says the same things again and again.
    ///
    /// # Errors
    /// As there.
    pub async fn worker(&self, purpose: &str) -> Result<PgConnection, DatabaseError> {
        self.opened(self.direct().named(purpose).statement_cache_capacity(STATEMENTS_OF_A_WORKER)).await
    }

    /// What `open` gives, where no pooler gives its backend to other sessions: a second one shows that. Our own server has none before it.
    ///
    /// # Errors
    /// [`DatabaseError::Pooler`] where a pooler hands out backends per transaction; what `open` says.
    pub async fn unshared(
        &self,
        open: impl Future<Output = Result<PgConnection, DatabaseError>>,
    ) -> Result<PgConnection, DatabaseError> {
        let (mut conn, other) = try_join(Box::pin(open), Box::pin(self.second())).await?;
        self.confirm_unshared(&mut conn, other).await?;
        Ok(conn)
    }

    /// The second session that shows whether a pooler stands before the server, for [`Endpoint::confirm_unshared`].
    ///
    /// # Errors
    /// What the way to the server says.
    pub async fn second(&self) -> Result<Option<PgConnection>, DatabaseError> {
        let target = self.direct();
        if target.ours { Ok(None) } else { target.session("pooler look").await.map(Some) }
    }

    /// Makes sure that no pooler gives the backend of a session, which is in no transaction, to other sessions.
    ///
    /// # Errors
    /// [`DatabaseError::Pooler`] where one hands out backends per transaction; what the server says.
    pub async fn confirm_unshared(
        &self,
        conn: &mut PgConnection,
        other: Option<PgConnection>,
    ) -> Result<(), DatabaseError> {
        let Some(mut other) = other else { return Ok(()) };
        let shared = session::is_shared(conn, &mut other).await?;
        other.close().await?;
        if shared { Err(DatabaseError::Pooler { target: self.direct().label.clone() }) } else { Ok(()) }
    }

    async fn opened(&self, options: PgConnectOptions) -> Result<PgConnection, DatabaseError> {
        let target = self.direct();
        match target.within(session::open(&options)).await? {
            Opened::Session(conn) => Ok(conn),
            Opened::Shared => Err(DatabaseError::Pooler { target: target.label.clone() }),
        }
    }

    /// A new session as [`session`](Self::session), which is told what others notify.
    ///
    /// # Errors
    /// [`DatabaseError::Connect`], as there.
    pub async fn listener(&self, purpose: &str) -> Result<PgListener, DatabaseError> {
        let target = self.direct();
        target.within(session::listener(&target.named(purpose))).await
    }

    fn named(&self, purpose: &str) -> PgConnectOptions {
        self.options.clone().application_name(&application_name(purpose))
    }

    async fn within<T>(&self, open: impl Future<Output = Result<T, SqlError>>) -> Result<T, DatabaseError> {
        let opened = tokio::time::timeout(self.timeout, open).await.unwrap_or_else(|_| {
            let words = format!("no answer within {} s", self.timeout.as_secs());
            Err(SqlError::new(ErrorKind::Connection, words))
        });
        opened.map_err(|source| DatabaseError::Connect { target: self.label.clone(), source })
    }
}

fn config(message: &str) -> DatabaseError {
    DatabaseError::Config { message: message.to_owned() }
}

/// `datamart: <purpose>`, within what PostgreSQL keeps.
pub fn application_name(purpose: &str) -> String {
    let mut name = format!("datamart: {purpose}");
    while name.len() > NAME_BYTES {
        name.pop();
    }
    name
}

fn is_socket(options: &PgConnectOptions) -> bool {
    options.get_socket().is_some() || options.get_host().starts_with('/')
}

fn label_of(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(folder) => format!("{database} on {}", folder.display()),
        None if is_socket(options) => format!("{database} on {}", options.get_host()),
        None => format!("{database} on {}:{}", options.get_host(), options.get_port()),
    }
}

/// A URL whose user has no host behind it, with the user, password and port as parameters: what libpq takes, and URLs may not be.
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>
fn without_empty_host(url: &str) -> String {
    let parts = || {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (user, host) = authority.rsplit_once('@')?;
        let port = host.strip_prefix(':').or_else(|| host.is_empty().then_some(""))?;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let said = [("user", user), ("password", password), ("port", port)];
        // In parameters a plus is a space, and an ampersand ends them.
        let plain = |value: &str| value.replace('+', "%2B").replace('&', "%26");
        let said = said.iter().filter(|(_, value)| !value.is_empty());
        let said = said.map(|(key, value)| format!("{key}={}", plain(value)));
        let said: Vec<String> = said.chain((!query.is_empty()).then(|| query.to_owned())).collect();
        Some(format!("{scheme}://{path}?{}", said.join("&")))
    };
    parts().unwrap_or_else(|| url.to_owned())
}

/// The URL without the parameters the driver would only complain about, and its `connect_timeout`.
fn without_unknown_parameters(url: &str) -> (String, Duration) {
    let mut timeout = CONNECT_TIMEOUT;
    let Some((address, query)) = url.split_once('?') else {
        return (url.to_owned(), timeout);
    };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if key == "connect_timeout" {
                timeout = match value.parse() {
                    Ok(seconds @ 1..=600) => Duration::from_secs(seconds),
                    _ => timeout,
                };
            }
            // libpq's word for the system's certificates; the driver takes a file's name only.
            !(PASSED_BY.contains(&key) || key == "sslrootcert" && value == "system")
        })
        .collect();
    (format!("{address}?{}", kept.join("&")), timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_name_host_and_database_but_no_password() -> Result<(), DatabaseError> {
        let tcp = Endpoint::from_url("postgres://ana:s3cret@db.example.com/shop?sslmode=require&keepalives=1")?;
        assert_eq!(tcp.label(), "shop on db.example.com:5432");
        assert_eq!((tcp.database(), tcp.role(), tcp.is_local()), ("shop", "ana", false));
        assert!(!format!("{tcp:?}").contains("s3cret"));
        let socket = Endpoint::from_url("postgresql:///shop?host=/run/postgresql&user=ana")?;
        assert_eq!(socket.label(), "shop on /run/postgresql");
        assert!(socket.is_local());
        // As libpq, a host may be missing behind the user.
        let user = Endpoint::from_url("postgresql://jo%40e+:s3%26t@:5433/shop?host=/run/postgresql&sslmode=disable")?;
        assert_eq!((user.label(), user.role()), ("shop on /run/postgresql", "jo@e+"));
        assert_eq!(user.options.get_port(), 5433);
        let plain = Endpoint::from_url("postgresql://joe@/shop?host=/run/postgresql")?;
        assert_eq!((plain.label(), plain.role()), ("shop on /run/postgresql", "joe"));
        Ok(())
    }

    #[test]
    fn what_is_no_address_is_not_repeated() {
        for bad in ["mysql://ana:s3cret@db/shop", "postgres://ana:s3cret@db:port/shop", "host=db password=s3cret"] {
            let error = Endpoint::from_url(bad).map(|e| e.label().to_owned());
            let text = error.map_err(|e| e.to_string()).unwrap_err();
            assert!(!text.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn connect_timeout_is_honoured() {
        let (url, timeout) = without_unknown_parameters("postgres://h/d?connect_timeout=3&sslmode=require");
        assert_eq!((url.as_str(), timeout), ("postgres://h/d?sslmode=require", Duration::from_secs(3)));
    }

    #[test]
    fn application_names_fit() {
        assert_eq!(application_name("plan"), "datamart: plan");
        assert!(application_name(&"ñ".repeat(80)).len() <= NAME_BYTES);
    }
}
