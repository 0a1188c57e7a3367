//! Clients that write bytes by hand: nothing is corrected or retried behind the test's back.

use std::{future::Future, net::SocketAddr, pin::pin, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::server::{SOON, TestServer};

/// Waits for something that must happen soon. Time in which the test was ready and had no processor
/// does not count: it says nothing about the server, which runs in the same thread.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let (begun, starved_before) = (tokio::time::Instant::now(), starved());
    let mut left = SOON;
    loop {
        if let Ok(value) = tokio::time::timeout(left, future.as_mut()).await {
            return value;
        }
        let starved = starved().saturating_sub(starved_before);
        left = (SOON + starved).saturating_sub(begun.elapsed());
        assert!(!left.is_zero(), "{what}: not within {SOON:?}");
    }
}

/// How long this thread was ready and had no processor, where Linux says it.
fn starved() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let waited = stat.split(' ').nth(1).and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(waited.unwrap_or_default())
}

/// A reply of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The value of a header that occurs at most once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() <= 1, "{name} is repeated");
        values.first().copied()
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Status, content type and body, as the table of replies has them.
    pub(crate) fn row(&self) -> (u16, &str, &str) {
        (
            self.status,
            self.header("content-type").unwrap_or_default(),
            self.text(),
        )
    }

    #[track_caller]
    pub(crate) fn assert_unknown_session(&self) {
        let unknown = r#"{"code":1,"message":"Session ID unknown"}"#;
        assert_eq!(self.row(), (400, "application/json", unknown));
    }
}

/// A connection that requests are written to.
pub(crate) struct Http<I = TcpStream> {
    pub(crate) tcp: I,
    buffer: Vec<u8>,
}

impl Http {
    pub(crate) async fn connect(server: &TestServer) -> Self {
        Self::to(server.address).await
    }

    async fn to(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        Self::over(tcp)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Http<I> {
    /// A connection over any stream of bytes.
    pub(crate) fn over(stream: I) -> Self {
        Self {
            tcp: stream,
            buffer: Vec::new(),
        }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.tcp.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Writes a request; `head` is its method and target.
    pub(crate) async fn send(&mut self, head: &str, headers: &str, body: &[u8]) {
        let length = match body {
            [] if !head.starts_with('P') => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let head = format!("{head} HTTP/1.1\r\nHost: localhost\r\n{headers}{length}\r\n");
        self.write([head.as_bytes(), body].concat()).await;
    }

    /// Reads a reply.
    pub(crate) async fn reply(&mut self) -> Reply {
        soon("reply", self.read_reply()).await
    }

    pub(crate) async fn read_reply(&mut self) -> Reply {
        let end = loop {
            if let Some(at) = self
                .buffer
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                break at + 4;
            }
            assert!(self.fill().await, "the connection ended before a reply");
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut reply = Reply {
            status,
            headers,
            body: Vec::new(),
        };
        if status != 101 {
            let length = reply
                .header("content-length")
                .map_or(0, |length| length.parse().unwrap());
            while self.buffer.len() < length {
                assert!(self.fill().await, "the connection ended inside a reply");
            }
            reply.body = self.buffer.drain(..length).collect();
        }
        reply
    }

    /// Whether something has come, when everybody has had their turn. For stopped time.
    pub(crate) async fn has_arrived(&mut self) -> bool {
        let fill = tokio::time::timeout(std::time::Duration::from_millis(1), self.fill());
        fill.await.is_ok() || !self.buffer.is_empty()
    }

    /// Waits until the server has closed the connection.
    pub(crate) async fn ended(&mut self) {
        soon("end of the connection", async {
            while self.fill().await {}
        })
        .await;
    }

    async fn fill(&mut self) -> bool {
        self.tcp.read_buf(&mut self.buffer).await.unwrap_or(0) > 0
    }
}

/// One request on a connection of its own.
pub(crate) async fn request(server: &TestServer, head: &str, body: &[u8]) -> Reply {
    request_with(server, head, "", body).await
}

pub(crate) async fn request_with(
    server: &TestServer,
    head: &str,
    headers: &str,
    body: &[u8],
) -> Reply {
    let mut http = Http::connect(server).await;
    http.send(head, headers, body).await;
    http.reply().await
}

/// A client that polls.
pub(crate) struct Polling {
    pub(crate) sid: String,
    address: SocketAddr,
}

impl Polling {
    pub(crate) async fn open(server: &TestServer) -> Self {
        let reply = request(server, "GET /engine.io/?EIO=4&transport=polling", b"").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        Self {
            sid: sid_of(reply.text()),
            address: server.address,
        }
    }

    /// The session that a reply has opened; without an address, it can only be asked for targets.
    pub(crate) fn opened(reply: &Reply) -> Self {
        assert_eq!(reply.status, 200, "{reply:?}");
        Self {
            sid: sid_of(reply.text()),
            address: ([0, 0, 0, 0], 0).into(),
        }
    }

    pub(crate) fn target(&self) -> String {
        format!("/engine.io/?EIO=4&transport=polling&sid={}", self.sid)
    }

    pub(crate) fn websocket_target(&self) -> String {
        format!("/engine.io/?EIO=4&transport=websocket&sid={}", self.sid)
    }

    /// Opens a poll and leaves it open.
    pub(crate) async fn begin_poll(&self) -> Http {
        let mut http = Http::to(self.address).await;
        http.send(&format!("GET {}", self.target()), "", b"").await;
        http
    }

    pub(crate) async fn poll(&self) -> Reply {
        self.begin_poll().await.reply().await
    }

    pub(crate) async fn post(&self, body: impl AsRef<[u8]>) -> Reply {
        let mut http = Http::to(self.address).await;
        http.send(&format!("POST {}", self.target()), "", body.as_ref())
            .await;
        http.reply().await
    }

    /// The session is unknown to the server.
    pub(crate) async fn assert_gone(&self) {
        self.poll().await.assert_unknown_session();
    }
}

/// The id in an open packet.
pub(crate) fn sid_of(open: &str) -> String {
    let (_, rest) = open.split_once(r#""sid":""#).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// A frame of the server: its first byte and its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WsFrame(pub(crate) u8, pub(crate) Vec<u8>);

/// A WebSocket client that sends what it is told, legal or not.
pub(crate) struct Ws<I = TcpStream> {
    pub(crate) http: Http<I>,
}

pub(crate) const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

impl Ws {
    /// Asks for a WebSocket; gives the reply too.
    pub(crate) async fn ask(server: &TestServer, target: &str, headers: &str) -> (Self, Reply) {
        let mut http = Http::connect(server).await;
        http.send(
            &format!("GET {target}"),
            &format!("{UPGRADE}{headers}"),
            b"",
        )
        .await;
        let reply = http.reply().await;
        (Self { http }, reply)
    }

    pub(crate) async fn connect(server: &TestServer, target: &str) -> Self {
        let (ws, reply) = Self::ask(server, target, "").await;
        assert_eq!(reply.status, 101, "{reply:?}");
        assert_eq!(
            reply.header("sec-websocket-accept"),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        assert_eq!(reply.header("sec-websocket-extensions"), None);
        ws
    }

    /// Opens a session; gives its open packet too.
    pub(crate) async fn open(server: &TestServer) -> (Self, String) {
        let mut ws = Self::connect(server, "/engine.io/?EIO=4&transport=websocket").await;
        let open = ws.text().await;
        assert!(open.starts_with('0'), "{open}");
        (ws, open)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Ws<I> {
    /// Asks for a WebSocket on a connection. `None`: it was refused.
    pub(crate) async fn try_upgrade(mut http: Http<I>, target: &str) -> Option<Self> {
        http.send(&format!("GET {target}"), UPGRADE, b"").await;
        let reply = http.reply().await;
        (reply.status == 101).then_some(Self { http })
    }

    pub(crate) async fn upgrade(http: Http<I>, target: &str) -> Self {
        let ws = Self::try_upgrade(http, target).await;
        ws.expect("the upgrade is granted")
    }

    /// Whether the server has ended the stream with a close frame, when everybody has had their
    /// turn. For stopped time.
    pub(crate) async fn is_ended(&mut self) -> bool {
        let end = async {
            while let Some(WsFrame(first, _)) = self.read_frame().await {
                if first == 0x88 {
                    return true;
                }
            }
            false
        };
        let end = tokio::time::timeout(std::time::Duration::from_millis(1), end);
        end.await.unwrap_or(false)
    }

    /// Sends, if the connection is still there.
    pub(crate) async fn try_send(&mut self, text: &str) -> bool {
        let frame = frame(0x81, text.as_bytes());
        self.http.tcp.write_all(&frame).await.is_ok()
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.http.write(frame(0x81, text.as_bytes())).await;
    }

    pub(crate) async fn send_binary(&mut self, data: &[u8]) {
        self.http.write(frame(0x82, data)).await;
    }

    pub(crate) async fn frame(&mut self) -> WsFrame {
        soon("frame", self.read_frame())
            .await
            .expect("the stream goes on")
    }

    pub(crate) async fn read_frame(&mut self) -> Option<WsFrame> {
        loop {
            if let Some((frame, len)) = parse(&self.http.buffer) {
                self.http.buffer.drain(..len);
                return Some(frame);
            }
            if !self.http.fill().await {
                return None;
            }
        }
    }

    pub(crate) async fn text(&mut self) -> String {
        let WsFrame(first, payload) = self.frame().await;
        assert_eq!(first, 0x81, "a text frame, not {payload:?}");
        String::from_utf8(payload).unwrap()
    }

    /// The server sends a close frame with this code, or none, and then ends the connection.
    pub(crate) async fn assert_closed(&mut self, code: Option<u16>) {
        self.assert_close_frame(code).await;
        self.http.ended().await;
    }

    /// The server sends a close frame with this code, or none.
    pub(crate) async fn assert_close_frame(&mut self, code: Option<u16>) {
        let WsFrame(first, payload) = self.frame().await;
        assert_eq!(first, 0x88, "a close frame, not {payload:?}");
        let expected = code.map_or(Vec::new(), |code| code.to_be_bytes().to_vec());
        assert_eq!(payload, expected);
    }
}

/// A masked frame, as a client has to send it.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    let mask = [0x11, 0x22, 0x33, 0x44];
    bytes.extend(mask);
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

fn parse(bytes: &[u8]) -> Option<(WsFrame, usize)> {
    let [first, second, rest @ ..] = bytes else {
        return None;
    };
    let (len, header) = match second {
        126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*rest.first_chunk()?) as usize, 10),
        len => (usize::from(*len), 2),
    };
    let payload = bytes.get(header..header + len)?;
    Some((WsFrame(*first, payload.to_vec()), header + len))
}
