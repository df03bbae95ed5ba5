//! A request on its way to what answers it, and the answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::keys::Caller;
use super::operation::Operation;
use super::problem::Problem;
use super::query::{Query, whole};
use super::site::State;
use crate::database::registry::Owner;
use crate::manifest::Desired;

/// The largest body that is read, in bytes.
const BODY: usize = 64 * 1_024;
/// A client has this long to send it.
const SENDING: Duration = Duration::from_secs(10);
/// An answer has this long, where it does not wait for a run.
const ANSWER: Duration = Duration::from_secs(30);

/// A request that may be answered.
#[derive(Debug)]
pub(super) struct Ask {
    pub state: Arc<State>,
    pub operation: &'static Operation,
    /// The parts of the path, decoded.
    pub path: Vec<(String, String)>,
    pub query: Query,
    pub headers: HeaderMap,
    /// Nobody shares it, but who shares the rest.
    pub body: Mutex<Body>,
    pub caller: Caller,
    pub peer: SocketAddr,
    /// Its place among those that are answered.
    pub place: Option<OwnedSemaphorePermit>,
}

impl Ask {
    /// A part of the path.
    pub fn part(&self, name: &str) -> &str {
        self.path.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// A part of the path that is a number.
    ///
    /// # Errors
    /// What is none.
    pub fn number(&self, name: &str) -> Result<i64, Problem> {
        whole(name, self.part(name), (0, i64::MAX))
    }

    /// The last good manifests.
    ///
    /// # Errors
    /// 503 where none could be read yet.
    pub fn desired(&self) -> Result<Arc<Desired>, Problem> {
        self.state.desired()
    }

    /// Who does this, as the audit writes it.
    pub fn owner(&self, desired: &Desired) -> Owner {
        Owner {
            project: desired.project.name.clone(),
            who: format!("http:{}", self.caller.word()),
            host: self.peer.ip().to_canonical().to_string(),
        }
    }

    /// What was sent, as JSON; the default where nothing was and nothing has to be.
    ///
    /// # Errors
    /// 400, 408, 413, 415.
    pub async fn json<T: DeserializeOwned + Default>(&mut self) -> Result<T, Problem> {
        let bytes = self.bytes().await?;
        let sent = self.headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
        let plain = sent.map(|sent| sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        if bytes.is_empty() && !self.operation.needs_body {
            return Ok(T::default());
        }
        if plain.as_deref() != Some("application/json") {
            let detail = "what is sent has to be application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "request", detail));
        }
        // An array would be read as the fields in their order.
        let is_object = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        if !is_object {
            return Err(Problem::bad("what is sent has to be a JSON object: {…}"));
        }
        serde_json::from_slice(&bytes).map_err(|error| Problem::bad(format!("what was sent cannot be read: {error}")))
    }

    /// What is sent, still on its way.
    pub fn sent(&mut self) -> Body {
        std::mem::take(self.body.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    async fn bytes(&mut self) -> Result<Bytes, Problem> {
        let body = self.sent();
        let late = || Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "what was announced was not sent in time");
        let read = timeout(SENDING, to_bytes(body, BODY)).await.map_err(|_| late())?;
        read.map_err(|error| match is_too_long(&error) {
            true => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request", format!("at most {BODY} bytes are read")),
            false => Problem::bad("what was announced did not come"),
        })
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Does it in the time that an answer has.
///
/// # Errors
/// 504 where it takes longer; what it ends with.
pub(super) async fn within<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let late = |_| Problem::slow(format!("it took longer than {} s", ANSWER.as_secs()));
    timeout(ANSWER, work).await.map_err(late)?
}

/// An answer that is no problem.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
    /// Of what it is made, where it is the same as long as that is.
    tag: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// Text of some type.
    pub fn text(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, content_type, body: body.into(), tag: None, headers: Vec::new() }
    }

    /// JSON.
    ///
    /// # Errors
    /// What does not serialise, which our own types always do.
    pub fn json(value: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(value);
        let body = body.map_err(|e| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", e.to_string()))?;
        Ok(Self::text("application/json", body))
    }

    /// With another status.
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With another header.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }

    /// Tagged by all of it, and by what else it stands for.
    pub fn tagged(mut self, of: &str) -> Self {
        let body = Sha256::digest(&self.body);
        self.tag = Some(format!("\"{}\"", short(&[of.as_bytes(), &body])));
        self
    }

    /// Tagged by this alone: what grows older in it does not count.
    pub fn like(mut self, of: &impl Serialize) -> Self {
        let text = serde_json::to_vec(of).unwrap_or_default();
        self.tag = Some(format!("W/\"{}\"", short(&[&text])));
        self
    }

    /// As it goes out: 304 where the caller has it already.
    pub fn answer(self, asked: &HeaderMap) -> Response<Body> {
        let known = self.tag.as_deref().is_some_and(|tag| has(asked, tag));
        let mut response = Response::new(if known { Body::empty() } else { Body::from(self.body) });
        *response.status_mut() = if known { StatusCode::NOT_MODIFIED } else { self.status };
        let headers = response.headers_mut();
        if !known {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        headers.extend(self.tag.and_then(|tag| Some((ETAG, HeaderValue::from_str(&tag).ok()?))));
        headers.extend(self.headers);
        response
    }
}

fn short(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    hex::encode(&digest.finalize()[..16])
}

/// Whether `If-None-Match` names the tag: compared weakly, as a GET does.
fn has(asked: &HeaderMap, tag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let named = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|one| one.trim() == "*" || bare(one) == bare(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_caller_has_is_not_sent_again() {
        let answer = || Answer::text("text/plain", "rows").tagged("run 7");
        let tag = answer().answer(&HeaderMap::new()).headers()[ETAG].clone();
        let mut asked = HeaderMap::new();
        asked.insert(IF_NONE_MATCH, format!("\"other\", W/{}", tag.to_str().unwrap()).parse().unwrap());
        let again = answer().answer(&asked);
        assert_eq!((again.status().as_u16(), again.headers().get(CONTENT_TYPE)), (304, None));
        assert_eq!(Answer::text("text/plain", "rows").tagged("run 8").answer(&asked).status().as_u16(), 200);
        assert_eq!(Answer::text("text/plain", "other").tagged("run 7").answer(&asked).status().as_u16(), 200);
    }
}
