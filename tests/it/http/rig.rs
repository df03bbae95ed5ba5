//! A served project, and a client that says exactly what it is told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::Utc;
use datamart::manifest::Desired;
use datamart::plan;
use datamart::reconcile::{Leadership, Vitals};
use datamart::serve::{self, Keys, Site};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{converge, load};

pub const TOKEN: &str = "owner-token";
pub const READER: &str = "reader-token";
pub const SECRET: &str = "hook-secret";

const SEED: &str = "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
    CREATE TABLE orders (id int PRIMARY KEY, day date NOT NULL, category text, amount numeric(20,4), mood mood, good boolean, at timestamptz,
                         note varchar(5), doc json);
    INSERT INTO orders SELECT i, DATE '2026-01-01' + i, 'c' || i % 10, i + 0.5, (ARRAY['sad','ok','happy'])[1 + i % 3]::mood, i % 2 = 0,
                              TIMESTAMPTZ '2026-01-01 00:00:00+00' + make_interval(hours => i), 'n' || i % 7, json_build_object('i', i)
    FROM generate_series(1, 500) AS i;";

const MARTS: [(&str, &str); 5] = [
    (
        "sales.toml",
        "type = \"table\"\nquery = \"SELECT id, day, category, amount, mood, good, at, note, doc FROM orders\"\nprimary_key = [\"id\"]\n\
         tags = [\"daily\"]\ndescription = \"all <b>orders</b>\"\n[refresh]\nstrategy = \"scheduled\"\nschedule = \"1h\"\n",
    ),
    (
        "totals.toml",
        "type = \"materialized_view\"\nquery = \"SELECT category, sum(amount) AS total FROM sales GROUP BY 1\"\n",
    ),
    ("top.toml", "type = \"view\"\nquery = \"SELECT category, total FROM totals ORDER BY total DESC LIMIT 3\"\n"),
    (
        "Odd One.toml",
        "type = \"table\"\nschema = \"Other\"\nquery = \"SELECT 1 AS \\\"limit\\\", 'x' AS \\\"a b\\\", 2 AS r, 3 AS t\"\n",
    ),
    ("snap.toml", "type = \"materialized_view\"\nquery = \"SELECT count(*) AS n FROM orders\"\n[versions]\nkeep = 3\n"),
];

/// A served project; it ends when dropped.
pub struct Rig {
    pub database: Database,
    pub address: SocketAddr,
    pub vitals: watch::Sender<Vitals>,
    _folder: Folder,
    end: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The JSON of an answer of this status.
    pub fn of(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if status >= 400 {
            assert_eq!(self.headers["content-type"], "application/problem+json");
            assert_eq!(self.json()["status"], status);
        }
        self.json()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

pub fn keys() -> Keys {
    let pairs = [("DATAMART_API_TOKEN", TOKEN), ("DATAMART_READ_TOKEN", READER), ("DATAMART_WEBHOOK_SECRET", SECRET)];
    Keys::from_environment(&pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

impl Rig {
    /// The shop, applied and served on a loopback address.
    pub async fn shop() -> Self {
        Self::with("127.0.0.1:0", keys(), |_| {}).await
    }

    pub async fn with(listen: &str, keys: Keys, edit: impl FnOnce(&mut Desired)) -> Self {
        let database = Database::new().await;
        database.script(SEED).await;
        database.script("CREATE SCHEMA \"Other\"").await;
        let folder = Folder::of(&MARTS);
        converge(&database, folder.path(), &plan::Options::default()).await;
        let mut desired = load(folder.path());
        edit(&mut desired);
        let (vitals, site_vitals) = watch::channel(Vitals {
            connected: true,
            registry: true,
            leadership: Leadership::Leading(1),
            desired: Some(Arc::new(desired)),
            ..Vitals::default()
        });
        let site = Site { endpoint: database.endpoint.clone(), vitals: site_vitals, keys, clock: Utc::now };
        let (end, ended) = oneshot::channel();
        let (told, address) = std::sync::mpsc::channel();
        let listen = listen.to_owned();
        let server = std::thread::spawn(move || {
            run(async {
                let listener = TcpListener::bind(listen).await.expect("an address");
                told.send(listener.local_addr().expect("an address")).expect("a rig");
                serve::serve(listener, site, async { drop(ended.await) }).await.expect("to serve");
            });
        });
        let address = address.recv().expect("an address");
        let address = SocketAddr::new([127, 0, 0, 1].into(), address.port());
        Self { database, address, vitals, _folder: folder, end: Some(end), server: Some(server) }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], "").await
    }

    /// With the token that may change something.
    pub async fn post(&self, path: &str, body: &str) -> Reply {
        self.change("POST", path, body).await
    }

    pub async fn change(&self, method: &str, path: &str, body: &str) -> Reply {
        let bearer = format!("Bearer {TOKEN}");
        let mut headers = vec![("authorization", bearer.as_str())];
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        self.ask(method, path, &headers, body).await
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            text.push_str("host: localhost\r\n");
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method != "GET" {
            text.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        self.raw(&[text.as_bytes(), b"\r\n", body.as_bytes()].concat()).await.expect("an answer")
    }

    /// Sends these bytes and reads to the end; `None` where nothing came.
    pub async fn raw(&self, bytes: &[u8]) -> Option<Reply> {
        let mut stream = self.connect().await;
        // Who is refused early may not read to the end.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await.expect("an answer in time");
        parse(&answer)
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// Ends it as the daemon does, and waits for it.
    pub fn end(&mut self) {
        drop(self.end.take());
        if let Some(server) = self.server.take() {
            server.join().expect("the server ends");
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(server) = self.server.take() {
            // A test that failed has said so already.
            let _ = server.join();
        }
    }
}

fn parse(answer: &[u8]) -> Option<Reply> {
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(answer[..at].to_vec()).expect("a head");
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
    Some(Reply { status, headers, body: answer[at + 4..].to_vec() })
}
