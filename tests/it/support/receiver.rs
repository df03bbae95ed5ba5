//! Somebody who is notified: an HTTP server that keeps what it is sent, and answers as it is told.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::wait::PATIENCE;

/// The server; it ends with the process.
pub struct Receiver {
    pub url: String,
    sent: Arc<Mutex<Vec<Value>>>,
    answers: Arc<Mutex<VecDeque<String>>>,
}

/// A path that nobody may read anywhere.
pub const TOKEN: &str = "T0KEN-of-the-webhook";

impl Receiver {
    /// Listens; answers 200 where nothing else is said.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/hooks/{TOKEN}", listener.local_addr().expect("an address"));
        let (sent, answers) = (Arc::default(), Arc::default());
        let receiver = Self { url, sent: Arc::clone(&sent), answers: Arc::clone(&answers) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let next = || answers.lock().expect("answers").pop_front();
                // One at a time is enough; a stream that breaks was somebody's who gave up.
                let _ = answer(stream, &sent, next);
            }
        });
        receiver
    }

    /// The next answers: status lines and headers.
    pub fn answer_with(&self, answers: &[&str]) {
        self.answers.lock().expect("answers").extend(answers.iter().map(|answer| (*answer).to_owned()));
    }

    /// What it was sent, `event datamart` each.
    pub fn events(&self) -> Vec<String> {
        let word = |body: &Value, key: &str| body[key].as_str().unwrap_or("-").to_owned();
        self.bodies().iter().map(|body| format!("{} {}", word(body, "event"), word(body, "datamart"))).collect()
    }

    /// What it was sent.
    pub fn bodies(&self) -> Vec<Value> {
        self.sent.lock().expect("bodies").clone()
    }

    /// Waits until it was sent so many.
    #[track_caller]
    pub fn until(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.bodies().len() < count {
            assert!(Instant::now() < deadline, "never {count}: {:?}", self.events());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn answer(mut stream: TcpStream, sent: &Mutex<Vec<Value>>, next: impl Fn() -> Option<String>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    let body = loop {
        let read = stream.read(&mut chunk)?;
        text.extend_from_slice(&chunk[..read]);
        let whole = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                assert!(head.starts_with(&format!("POST /hooks/{TOKEN} ")), "{head}");
                break body.to_owned();
            }
        }
        if read == 0 {
            return Ok(());
        }
    };
    let status = next().unwrap_or_else(|| "200 OK".to_owned());
    sent.lock().expect("bodies").push(serde_json::from_str(&body).unwrap_or_default());
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
