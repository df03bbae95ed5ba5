//! Where notices go: one address, tried again for what can pass, never waited for. The address is a secret and never told.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::line::Line;
use crate::database::retry::Backoff;
use crate::manifest::Notification;
use crate::observe::Occasion;

/// So many notices wait for an address that does not answer; beyond that the oldest go.
const ROOM: usize = 500;
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);
/// Nobody is waited for longer, whatever they ask for.
const LONGEST: Duration = Duration::from_secs(60);
const AGAIN: Backoff = Backoff { attempts: 6, first: Duration::from_secs(1), longest: LONGEST };

/// One address.
#[derive(Debug)]
pub(super) struct Post {
    on: Vec<String>,
    line: Line<Value>,
    task: JoinHandle<()>,
}

impl Post {
    /// Opens the way to an address; `None`, and a word in the log, where it is none.
    pub fn open(notification: &Notification) -> Option<Self> {
        let Some(text) = notification.url.as_deref() else {
            tracing::warn!("a notification has no address: an environment variable that it names is not set");
            return None;
        };
        let Some(url) = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme())) else {
            tracing::warn!("the address of a notification is no http address");
            return None;
        };
        // A redirection would carry the notice, and perhaps the secret, to somebody else.
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(Policy::none())
            .user_agent(concat!("datamart/", env!("CARGO_PKG_VERSION")));
        let client = match client.build() {
            Ok(client) => client,
            Err(error) => {
                tracing::warn!(error = %error.without_url(), "notifications cannot be sent");
                return None;
            }
        };
        let line = Line::new(ROOM);
        let task = tokio::spawn(send_all(client, url, line.clone()));
        Some(Self { on: notification.on.clone(), line, task })
    }

    /// Sends it, if it is asked for here. Returns at once.
    pub fn send(&self, occasion: Occasion, body: &Value) {
        if self.on.iter().any(|on| on == occasion.as_str()) {
            self.line.push(body.clone());
        }
    }

    /// Nothing more is sent; what waits goes out, or is given up.
    pub async fn finish(mut self) {
        self.line.close();
        let _ = (&mut self.task).await;
    }
}

/// What waits still goes out, by itself.
impl Drop for Post {
    fn drop(&mut self) {
        self.line.close();
    }
}

async fn send_all(client: Client, url: Url, line: Line<Value>) {
    let host = url.host_str().unwrap_or_default().to_owned();
    while let Some((body, dropped)) = line.next().await {
        if dropped > 0 {
            tracing::warn!(host, dropped, "notices were given up: their receiver does not keep up");
        }
        let event = body["event"].as_str().unwrap_or_default();
        if let Err(why) = send(&client, &url, &body).await {
            tracing::warn!(host, event, "a notice was given up: {why}");
        }
    }
}

/// Why one try failed.
enum Refused {
    /// Another try may do, after so long if the receiver says so.
    Passing(String, Option<Duration>),
    /// It will not.
    Lasting(String),
}

async fn send(client: &Client, url: &Url, body: &Value) -> Result<(), String> {
    let mut tries = 0;
    loop {
        tries += 1;
        let sent = client.post(url.clone()).json(body).send().await;
        let refused = match sent {
            Ok(answer) => match judge(&answer) {
                None => return Ok(()),
                Some(refused) => refused,
            },
            Err(error) => Refused::Passing(innermost(&error.without_url()), None),
        };
        match refused {
            Refused::Lasting(why) => return Err(why),
            Refused::Passing(why, _) if tries >= AGAIN.attempts => return Err(format!("{why} ({tries} tries)")),
            Refused::Passing(_, asked) => tokio::time::sleep(asked.unwrap_or_else(|| AGAIN.pause(tries))).await,
        }
    }
}

fn judge(answer: &Response) -> Option<Refused> {
    let status = answer.status();
    let why = format!("it answered {status}");
    if status.is_success() {
        None
    } else if status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
    {
        let asked = answer.headers().get(RETRY_AFTER).and_then(|text| text.to_str().ok()?.parse().ok());
        Some(Refused::Passing(why, asked.map(|seconds| Duration::from_secs(seconds).min(LONGEST))))
    } else {
        Some(Refused::Lasting(why))
    }
}

/// What is behind an error: its own words name the address, or nothing.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
