use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;

use crate::socketio::{Io, Socket};

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000);

/// A client that polls, by hand.
pub(crate) struct Client {
    io: Io,
    query: String,
}

impl Client {
    /// Opens an Engine.IO session; no namespace is joined.
    pub(crate) async fn open(io: &Io) -> Self {
        Self::open_with(io, "", &[]).await
    }

    /// As [`open`](Self::open), with more in the query (`&name=value`) and in the headers.
    pub(crate) async fn open_with(io: &Io, query: &str, headers: &[(&str, &str)]) -> Self {
        let query = format!("EIO=4&transport=polling{query}");
        let client = Self {
            io: io.clone(),
            query,
        };
        let (status, body) = client.request_with("GET", "", headers).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let open: serde_json::Value = serde_json::from_str(&body[1..]).expect("an open packet");
        let sid = open["sid"].as_str().expect("a session id");
        let query = format!("EIO=4&transport=polling&sid={sid}");
        Self {
            io: io.clone(),
            query,
        }
    }

    /// Opens a session and joins `/`; the reply was read.
    pub(crate) async fn join(io: &Io) -> Self {
        let client = Self::open(io).await;
        client.send(&["0"]).await;
        let reply = client.receive().await;
        assert!(reply[0].starts_with("0{\"sid\":\""), "{reply:?}");
        client
    }

    async fn exchange(
        &self,
        method: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Full<Bytes>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/socket.io/?{}", self.query))
            .header("host", "localhost");
        let named = headers.iter();
        let request = named
            .fold(request, |request, (name, value)| {
                request.header(*name, *value)
            })
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .expect("a request");
        self.io.handle(request, PEER).await
    }

    /// Whether the next poll is answered in gzip, which this client says that it accepts.
    pub(crate) async fn receives_gzip(&self) -> bool {
        let response = self
            .exchange("GET", &[("accept-encoding", "gzip")], "")
            .await;
        assert_eq!(response.status(), StatusCode::OK);
        response
            .headers()
            .get("content-encoding")
            .is_some_and(|encoding| encoding == "gzip")
    }

    async fn request(&self, method: &str, body: &str) -> (StatusCode, String) {
        self.request_with(method, body, &[]).await
    }

    async fn request_with(
        &self,
        method: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> (StatusCode, String) {
        let response = self.exchange(method, headers, body).await;
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    /// Sends Socket.IO packets; a packet that begins with `b` is binary.
    pub(crate) async fn send(&self, packets: &[&str]) {
        let as_record = |packet: &&str| {
            if packet.starts_with('b') {
                (*packet).to_owned()
            } else {
                format!("4{packet}")
            }
        };
        let records: Vec<_> = packets.iter().map(as_record).collect();
        self.request("POST", &records.join("\u{1e}")).await;
    }

    /// The packets of one poll; an answer of the engine (a close) as it is.
    pub(crate) async fn receive(&self) -> Vec<String> {
        let (_, body) = self.request("GET", "").await;
        body.split('\u{1e}')
            .map(|record| record.strip_prefix('4').unwrap_or(record).to_owned())
            .collect()
    }

    /// Polls until this packet comes, and gives what came up to it.
    pub(crate) async fn receive_until(&self, last: &str) -> Vec<String> {
        let mut all = Vec::new();
        while !all.iter().any(|packet| packet == last) {
            all.extend(self.receive().await);
        }
        all
    }

    /// Whether the session is closed: the next poll is refused, or says so.
    pub(crate) async fn is_closed(&self) -> bool {
        loop {
            let (status, body) = self.request("GET", "").await;
            if status != StatusCode::OK || body == "1" || body.ends_with("\u{1e}1") {
                return true;
            }
            if body == "2" {
                return false;
            }
        }
    }

    /// Sends an Engine.IO payload as it is.
    pub(crate) async fn post(&self, payload: &str) {
        self.request("POST", payload).await;
    }

    /// Answers a ping.
    pub(crate) async fn request_pong(&self) {
        self.request("POST", "3").await;
    }

    /// Leaves without a word on Socket.IO's level.
    pub(crate) async fn close(&self) {
        self.request("POST", "1").await;
    }
}

/// Lets stopped time pass: the clock jumps as soon as nobody has anything to do.
pub(crate) async fn pass(time: Duration) {
    _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

/// Lets stopped time pass until something holds, for ten minutes at most.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    for _ in 0..600_000 {
        if holds() {
            return;
        }
        pass(Duration::from_millis(1)).await;
    }
    panic!("it never came to hold");
}

/// Lines that handlers write, in the order in which they ran.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.lock().push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().clone()
    }

    /// Waits, in stopped time, until there are so many lines.
    pub(crate) async fn wait(&self, count: usize) -> Vec<String> {
        until(|| self.0.lock().len() >= count).await;
        self.lines()
    }
}

/// The only socket of `/`.
pub(crate) fn only_socket(io: &Io) -> Socket {
    let mut sockets = io.root().sockets();
    assert_eq!(sockets.len(), 1);
    sockets.remove(0)
}
