//! From a request to the operation that answers it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{Extension, RawPathParams};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use axum::routing::{MethodFilter, on};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use super::ask::{Answer, Ask, within};
use super::keys::{self, Caller};
use super::operation::{Access, Call, Operation, Verb};
use super::problem::Problem;
use super::query::Query;
use super::site::State;
use super::table::OPERATIONS;
use super::{health, marts, openapi, overrides, page, plans, refresh, rows, runs, scheduler, webhook};
use crate::database::retry::Rereads;

/// The headers of every answer.
const ALWAYS: [(HeaderName, &str); 4] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "private, no-cache"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
];

#[derive(Debug, Clone, Copy)]
struct Peer(SocketAddr);

type Path = Result<RawPathParams, RawPathParamsRejection>;

/// The router, from the table.
pub(super) fn router(state: &Arc<State>) -> Router {
    let mut router = Router::new();
    for operation in OPERATIONS {
        let filter = match operation.verb {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
            Verb::Put => MethodFilter::PUT,
        };
        let state = state.clone();
        let run = move |peer: Extension<Peer>, path: Path, request: Request<Body>| {
            let state = state.clone();
            async move { answered(state, operation, peer.0.0, path, request).await }
        };
        router = router.route(operation.path, on(filter, run));
    }
    let (here, there) = (state.clone(), state.clone());
    let nowhere = move |request: Request<Body>| async move {
        let problem = || Problem::missing(format!("there is nothing at {}", request.uri().path()));
        admitted(&here, Access::Read, &request).map_or_else(|problem| problem, |_| problem()).answer()
    };
    let otherwise = move |request: Request<Body>| async move {
        let detail = format!("{} is no method of {}", request.method(), request.uri().path());
        let problem =
            || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "request", detail).allowing(&methods(request.uri().path()));
        admitted(&there, Access::Read, &request).map_or_else(|problem| problem, |_| problem()).answer()
    };
    router.fallback(nowhere).method_not_allowed_fallback(otherwise)
}

/// The methods that a path knows.
fn methods(path: &str) -> String {
    let is = |operation: &&Operation| {
        let (known, given) = (operation.path.split('/'), path.split('/'));
        known.clone().count() == given.clone().count() && known.zip(given).all(|(k, g)| k == g || k.starts_with('{'))
    };
    let mut words: Vec<&str> = Vec::new();
    for operation in OPERATIONS.iter().filter(is) {
        words.extend(match operation.verb {
            Verb::Get => ["GET", "HEAD"].as_slice(),
            Verb::Post => &["POST"],
            Verb::Put => &["PUT"],
        });
    }
    words.join(", ")
}

/// One request, one answer; nothing else can come of it.
pub(super) async fn respond(
    router: Router,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, std::convert::Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Peer(peer));
    let mut response = router.oneshot(request).await?;
    for (name, value) in ALWAYS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().remove(ALLOW);
    }
    Ok(response)
}

fn admitted(state: &State, access: Access, request: &Request<Body>) -> Result<Caller, Problem> {
    let authority = request.uri().authority().map(axum::http::uri::Authority::as_str);
    state.keys.admit(access, state.local, &keys::Request { headers: request.headers(), authority })
}

async fn answered(
    state: Arc<State>,
    operation: &'static Operation,
    peer: SocketAddr,
    path: Path,
    request: Request<Body>,
) -> Response<Body> {
    let asked = request.headers().clone();
    match ready(state, operation, peer, path, request) {
        Ok(ask) => match call(ask).await {
            Ok(answer) => answer.answer(&asked),
            Err(problem) => problem.answer(),
        },
        Err(problem) => problem.answer(),
    }
}

/// Checks who asks, and whether there is room.
fn ready(
    state: Arc<State>,
    operation: &'static Operation,
    peer: SocketAddr,
    path: Path,
    request: Request<Body>,
) -> Result<Ask, Problem> {
    let caller = admitted(&state, operation.access, &request)?;
    let place = match operation.access {
        // Who watches the process is answered however busy it is.
        Access::Open => None,
        Access::Signed => Some(state.hooks.clone()),
        Access::Read | Access::Change => Some(state.places.clone()),
    };
    let place = place.map(Semaphore::try_acquire_owned).transpose();
    let place = place.map_err(|_| Problem::unavailable("too many requests at once"))?;
    let path = path.map_err(|_| Problem::bad("a part of the path is not UTF-8"))?;
    let path: Vec<(String, String)> = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if path.iter().any(|(_, value)| value.contains('\0')) {
        return Err(Problem::bad("PostgreSQL's names have no NUL characters"));
    }
    // Balancers add to these what they like.
    let text = request.uri().query().filter(|_| operation.access != Access::Open);
    let query = Query::parse(text)?;
    if !operation.filters && operation.call != Call::Webhook {
        let known: Vec<&str> = operation.parameters.iter().filter(|p| !p.in_path).map(|p| p.name).collect();
        query.only(&known)?;
    }
    let (parts, body) = request.into_parts();
    Ok(Ask { state, operation, path, query, headers: parts.headers, body: body.into(), caller, peer, place })
}

async fn call(mut ask: Ask) -> Result<Answer, Problem> {
    match (ask.operation.call, ask.operation.verb) {
        // They wait as long as they were told to.
        (Call::Refresh | Call::RefreshMany, _) => run(&mut ask).await,
        (_, Verb::Get) => within(read(&mut ask)).await,
        _ => within(run(&mut ask)).await,
    }
}

/// What is replaced while it is read is read again.
async fn read(ask: &mut Ask) -> Result<Answer, Problem> {
    let mut rereads = Rereads::default();
    loop {
        match run(ask).await {
            Err(problem) if problem.is_outdated() && rereads.another() => {}
            done => return done,
        }
    }
}

async fn run(ask: &mut Ask) -> Result<Answer, Problem> {
    match ask.operation.call {
        Call::Page => page::page(ask).await,
        Call::Health => health::health(ask).await,
        Call::Ready => health::ready(ask),
        Call::Metrics => health::metrics(ask).await,
        Call::Description => openapi::answer(),
        Call::Marts => marts::list(ask).await,
        Call::Mart => marts::one(ask).await,
        Call::Rows => rows::rows(ask).await,
        Call::Stats => marts::stats(ask).await,
        Call::History => runs::history(ask).await,
        Call::Versions => marts::versions(ask).await,
        Call::Preview => marts::preview(ask).await,
        Call::Refresh => refresh::one(ask).await,
        Call::RefreshMany => refresh::many(ask).await,
        Call::Runs => runs::list(ask).await,
        Call::Run => runs::one(ask).await,
        Call::Cancel => runs::cancel(ask).await,
        Call::Plan => plans::plan(ask).await,
        Call::Drift => plans::drift(ask).await,
        Call::Approve => plans::approve(ask).await,
        Call::Scheduler => scheduler::scheduler(ask).await,
        Call::Suspend => overrides::suspend(ask).await,
        Call::Resume => overrides::resume(ask).await,
        Call::Schedule => overrides::schedule(ask).await,
        Call::Webhook => webhook::webhook(ask).await,
    }
}
