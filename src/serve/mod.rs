//! HTTP: the marts, their rows, runs, plans and schedules, for programs and people.
//!
//! Every operation is a row of one table; the router, the checks of access and the OpenAPI description are made from it. What is
//! asked of the daemon goes through the registry, so that any daemon may be asked.

mod ask;
mod cache;
mod filter;
mod health;
mod keys;
mod look;
mod marts;
mod openapi;
mod operation;
mod overrides;
mod page;
mod plans;
mod pool;
mod problem;
mod query;
mod refresh;
mod router;
mod rows;
mod runs;
mod scheduler;
mod site;
mod socket;
mod table;
mod webhook;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

pub use keys::Keys;
pub use site::Site;
use site::State;

/// So many connections at once; more wait to be accepted.
const CONNECTIONS: usize = 256;
/// A client has this long to say what it wants, and to want something again.
const HEADERS: Duration = Duration::from_secs(15);
/// So many headers are read.
const MAX_HEADERS: usize = 64;
/// So many bytes of headers are read.
const HEAD: usize = 16 * 1_024;
/// Where nobody can be accepted, this long nobody is.
const REST: Duration = Duration::from_millis(100);
/// At the end, what is being answered has this long.
const GRACE: Duration = Duration::from_secs(5);

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Everybody could read, and nobody said that this is meant.
    #[error(
        "{0} can be reached from other machines, and there is no token: set DATAMART_API_TOKEN, or listen on 127.0.0.1"
    )]
    Exposed(SocketAddr),
    /// The address means nothing, or is taken.
    #[error("cannot listen on {address}")]
    Listen {
        /// As given.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl ServeError {
    /// One fixed word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Exposed(_) => "config",
            Self::Listen { .. } => "io",
        }
    }
}

/// Listens on `host:port`, if these secrets let it: without a token only on a loopback address.
///
/// # Errors
/// An address that means nothing or is taken; one that others reach, without a token.
pub async fn listen(address: &str, keys: &Keys) -> Result<TcpListener, ServeError> {
    let failed = |source| ServeError::Listen { address: address.to_owned(), source };
    for resolved in tokio::net::lookup_host(address).await.map_err(failed)? {
        may_listen(resolved, keys)?;
    }
    TcpListener::bind(address).await.map_err(failed)
}

fn may_listen(address: SocketAddr, keys: &Keys) -> Result<(), ServeError> {
    if keys.guarded() || keys::is_loopback(address.ip()) { Ok(()) } else { Err(ServeError::Exposed(address)) }
}

/// Answers until `shutdown`, and then ends what is being answered, within seconds.
///
/// # Errors
/// An address that others reach, without a token.
pub async fn serve(listener: TcpListener, site: Site, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    let failed = |source| ServeError::Listen { address: "its socket".to_owned(), source };
    let local = listener.local_addr().map_err(failed)?;
    may_listen(local, &site.keys)?;
    let (end, ending) = watch::channel(false);
    let state = Arc::new(State::new(site, local, ending));
    let router = router::router(&state);
    let mut connections = FuturesUnordered::new();
    let mut shutdown = std::pin::pin!(shutdown);
    let sweeping = state.clone();
    let mut sweep = std::pin::pin!(sweeping.pool.sweep());
    let mut rest: Option<Instant> = None;
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            () = &mut sweep => {}
            Some(()) = connections.next(), if !connections.is_empty() => {}
            () = sleep_until(rest.unwrap_or_else(Instant::now)), if rest.is_some() => rest = None,
            accepted = listener.accept(), if connections.len() < CONNECTIONS && rest.is_none() => match accepted {
                Ok((stream, peer)) => connections.push(connection(stream, peer, router.clone(), state.ending.clone())),
                // Out of files, or gone before it was accepted: the next one may do better.
                Err(_) => rest = Some(Instant::now() + REST),
            },
        }
    }
    drop(listener);
    // Nobody listens where nobody is connected.
    let _ = end.send(true);
    let ended = async { while connections.next().await.is_some() {} };
    // Who takes longer is cut off.
    let _ = timeout(GRACE, ended).await;
    Ok(())
}

/// One connection, to its end.
async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, mut ending: watch::Receiver<bool>) {
    // Small answers go at once.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request| router::respond(router.clone(), peer, request));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_headers(MAX_HEADERS).max_buf_size(HEAD);
    let io = TokioIo::new(socket::Patient::new(stream));
    let mut connection = std::pin::pin!(http.serve_connection(io, service));
    tokio::select! {
        // How a client goes away is its own business.
        _ = connection.as_mut() => return,
        _ = ending.wait_for(|ending| *ending) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
