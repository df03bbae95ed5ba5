//! The secrets: two tokens and the one that signs webhooks. None of them is ever printed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST};
use hmac::digest::CtOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::operation::Access;
use super::problem::Problem;
use axum::http::StatusCode;

/// The secrets of the API.
#[derive(Clone, Default)]
pub struct Keys {
    /// Who has it may do everything.
    api: Option<String>,
    /// Who has it may read.
    read: Option<String>,
    /// What webhooks are signed with.
    webhook: Option<String>,
}

/// Whether they are there, not what they are.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("api", &self.api.is_some())
            .field("read", &self.read.is_some())
            .field("webhook", &self.webhook.is_some())
            .finish()
    }
}

/// Who calls, for the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Nobody in particular.
    Anybody,
    /// Who has the token that reads.
    Reader,
    /// Who has the token that may do everything.
    Owner,
    /// Who signs what is sent.
    Webhook,
}

impl Caller {
    /// The word the audit uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Anybody => "anybody",
            Self::Reader => "read-token",
            Self::Owner => "api-token",
            Self::Webhook => "webhook",
        }
    }
}

impl Keys {
    /// From the environment: `DATAMART_API_TOKEN`, `DATAMART_READ_TOKEN`, `DATAMART_WEBHOOK_SECRET`. An empty one is none; what a
    /// file ended with is no part of it.
    pub fn from_environment(environment: &BTreeMap<String, String>) -> Self {
        let secret = |name: &str| {
            let value = environment.get(name)?.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        Self {
            api: secret("DATAMART_API_TOKEN"),
            read: secret("DATAMART_READ_TOKEN"),
            webhook: secret("DATAMART_WEBHOOK_SECRET"),
        }
    }

    /// Whether anybody has to prove anything.
    pub(super) fn guarded(&self) -> bool {
        self.api.is_some() || self.read.is_some()
    }

    /// What webhooks are signed with, ready for what is sent.
    ///
    /// # Errors
    /// No secret.
    pub(super) fn webhook(&self) -> Result<Hmac<Sha256>, Problem> {
        let secret = self.webhook.as_deref();
        let secret =
            secret.ok_or_else(|| Problem::forbidden("no webhook is expected: DATAMART_WEBHOOK_SECRET is not set"))?;
        hashing(secret.as_bytes())
    }

    /// Lets a request pass, or says why not.
    ///
    /// # Errors
    /// 401 without a token that is needed, or with one that is none; 403 where the token may not do it, where there is none that
    /// may, and where the request was not made for a loopback address.
    pub(super) fn admit(&self, access: Access, local: SocketAddr, request: &Request<'_>) -> Result<Caller, Problem> {
        let on_loopback = is_loopback(local.ip());
        if on_loopback && !request.names_loopback() {
            // A page somewhere else may have let its own name point here.
            return Err(Problem::forbidden("on a loopback address, the Host has to be one too"));
        }
        match access {
            Access::Open => Ok(Caller::Anybody),
            Access::Signed => Ok(Caller::Webhook),
            Access::Read if on_loopback => Ok(Caller::Anybody),
            Access::Read => self.known(request),
            Access::Change if self.api.is_none() => {
                Err(Problem::forbidden("nothing is changed over HTTP: DATAMART_API_TOKEN is not set"))
            }
            Access::Change => match self.known(request)? {
                Caller::Owner => Ok(Caller::Owner),
                _ => Err(Problem::forbidden("this token only reads")),
            },
        }
    }

    fn known(&self, request: &Request<'_>) -> Result<Caller, Problem> {
        let refuse = |detail: &str| Problem::unauthorized("Bearer realm=\"datamart\"", detail);
        let given = request.headers.get_all(AUTHORIZATION).iter().collect::<Vec<_>>();
        let [given] = given.as_slice() else {
            return Err(refuse("one header Authorization: Bearer, with a token, is needed"));
        };
        let token = given.to_str().ok().and_then(|text| text.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let token = token.ok_or_else(|| refuse("Authorization has to be Bearer and a token"))?;
        // Both are compared, whichever it is.
        let (owner, reader) = (same(self.api.as_deref(), token)?, same(self.read.as_deref(), token)?);
        match (owner, reader) {
            (true, _) => Ok(Caller::Owner),
            (false, true) => Ok(Caller::Reader),
            (false, false) => Err(refuse("this token is none of ours")),
        }
    }
}

/// What of a request decides whether it passes.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub headers: &'a HeaderMap,
    /// The host in the request's own line, where one stands there.
    pub authority: Option<&'a str>,
}

impl Request<'_> {
    fn names_loopback(&self) -> bool {
        let hosts: Vec<Option<&str>> = self.headers.get_all(HOST).iter().map(|host| host.to_str().ok()).collect();
        let one = matches!(hosts.as_slice(), [Some(host)] if is_loopback_host(host));
        one && self.authority.is_none_or(is_loopback_host)
    }
}

fn is_loopback_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(address, _)| address),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_loopback)
}

/// Whether only this machine reaches the address.
pub(super) fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Whether two secrets are the same, in a time that tells nothing of either.
fn same(expected: Option<&str>, given: &str) -> Result<bool, Problem> {
    let Some(expected) = expected else { return Ok(false) };
    let digest = |text: &str| -> Result<CtOutput<Hmac<Sha256>>, Problem> { Ok(hashing(text.as_bytes())?.finalize()) };
    Ok(digest(expected)? == digest(given)?)
}

fn hashing(key: &[u8]) -> Result<Hmac<Sha256>, Problem> {
    Hmac::new_from_slice(key)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSIDE: &str = "127.0.0.1:8080";
    const OUTSIDE: &str = "10.0.0.7:8080";

    fn keys(api: &str, read: &str) -> Keys {
        let pairs = [("DATAMART_API_TOKEN", api), ("DATAMART_READ_TOKEN", read)];
        Keys::from_environment(&pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    fn admitted(keys: &Keys, access: Access, local: &str, host: &str, bearer: &str) -> u16 {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if !bearer.is_empty() {
            headers.insert(AUTHORIZATION, bearer.parse().unwrap());
        }
        let request = Request { headers: &headers, authority: None };
        match keys.admit(access, local.parse().unwrap(), &request) {
            Ok(_) => 200,
            Err(problem) => problem.status.as_u16(),
        }
    }

    #[test]
    fn off_loopback_everything_needs_a_token() {
        let keys = keys(" owner\n", "reader");
        let outside = |access, bearer: &str| admitted(&keys, access, OUTSIDE, "marts.example.com", bearer);
        assert_eq!(outside(Access::Open, ""), 200);
        assert_eq!(["", "Bearer x", "Basic owner", "Bearer"].map(|b| outside(Access::Read, b)), [401; 4]);
        assert_eq!(["Bearer reader", "bearer owner"].map(|b| outside(Access::Read, b)), [200; 2]);
        assert_eq!(["", "Bearer x", "Bearer ownerx", "Bearer "].map(|b| outside(Access::Change, b)), [401; 4]);
        assert_eq!(["Bearer reader", "Bearer owner"].map(|b| outside(Access::Change, b)), [403, 200]);
    }

    #[test]
    fn on_loopback_reading_is_free_for_those_who_mean_it() {
        let with = keys("owner", "");
        let read = |host: &str| admitted(&with, Access::Read, INSIDE, host, "");
        assert_eq!(["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "127.9.9.9"].map(read), [200; 5]);
        assert_eq!(["evil.example.com", "localhost.evil.com", "10.0.0.1", "", "[::2]", "::1"].map(read), [403; 6]);
        let change = |keys: &Keys, bearer| admitted(keys, Access::Change, INSIDE, "localhost", bearer);
        assert_eq!([change(&with, ""), change(&with, "Bearer owner")], [401, 200]);
        assert_eq!(change(&Keys::default(), "Bearer owner"), 403);
        assert_eq!(change(&keys("", "reader"), "Bearer reader"), 403);
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", keys("s3cret", "t0ken"));
        assert!(!shown.contains("s3cret") && !shown.contains("t0ken"), "{shown}");
        assert!(!keys(" ", "").guarded() && keys("", "x").guarded());
    }
}
