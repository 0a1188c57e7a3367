//! A connection as an attacker has it: every byte is ours, and nothing is
//! corrected, answered or tried again behind the test's back.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::soon;

/// The head that asks for a WebSocket on `target`, with more header lines.
pub(crate) fn upgrade_head(target: &str, more: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// A masked frame; `first` is its first byte (`0x81` a whole text).
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// How a WebSocket ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A Close frame, with its code if it had one, and then the end of the connection.
    Close(Option<u16>),
    /// The end of the connection alone.
    Cut,
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A TCP connection, before or after it has become a WebSocket.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("a TCP connection");
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// A WebSocket with its open packet read.
    pub(crate) async fn websocket(address: SocketAddr) -> Self {
        let mut wire = Self::to(address).await;
        let head = upgrade_head("/socket.io/?EIO=4&transport=websocket", "");
        wire.write(head).await;
        assert_eq!(wire.answer().await.status, 101);
        let open = wire.text().await;
        assert!(open.starts_with("0{"), "{open}");
        wire
    }

    /// A WebSocket that has joined the main namespace.
    pub(crate) async fn joined(address: SocketAddr, token: &str) -> Self {
        let mut wire = Self::websocket(address).await;
        wire.send(&format!("40{}", json!({ "token": token }))).await;
        let answer = wire.text().await;
        assert!(answer.starts_with("40{"), "{answer}");
        let ready = wire.text().await;
        assert!(ready.starts_with(r#"42["ready","#), "{ready}");
        wire
    }

    /// Writes; a server that has closed already is seen when reading.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// A text frame.
    pub(crate) async fn send(&mut self, text: &str) {
        self.write(frame(0x81, text.as_bytes())).await;
    }

    /// A binary frame.
    pub(crate) async fn send_binary(&mut self, bytes: &[u8]) {
        self.write(frame(0x82, bytes)).await;
    }

    /// Resets the connection instead of closing it.
    pub(crate) fn reset(self) {
        let linger = Some(std::time::Duration::ZERO);
        // The replacement that tokio names does not exist for this purpose.
        #[allow(deprecated)]
        let set = self.stream.set_linger(linger);
        set.expect("a TCP connection");
    }

    /// The next HTTP answer with its body.
    pub(crate) async fn answer(&mut self) -> Heard {
        soon("an answer", self.read_answer()).await
    }

    /// The next text frame; everything else but a ping is a fault.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match self.frame().await {
                Some((0x81, text)) if text == b"2" => self.send("3").await,
                Some((0x81, text)) => return String::from_utf8(text).expect("UTF-8"),
                other => panic!("not a text: {other:?}"),
            }
        }
    }

    /// Reads on until the server ends the connection.
    pub(crate) async fn end(&mut self) -> End {
        loop {
            match self.frame().await {
                None => return End::Cut,
                Some((0x88, payload)) => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    soon("the end of the connection", async {
                        while self.fill().await {}
                    })
                    .await;
                    return End::Close(code);
                }
                Some(_) => {}
            }
        }
    }

    /// Waits for the end of the connection, whatever comes before it.
    pub(crate) async fn gone(&mut self) {
        soon("the end of the connection", async {
            while self.fill().await {
                self.buffer.clear();
            }
        })
        .await;
    }

    /// Sends an event that the server acknowledges, and waits for that.
    pub(crate) async fn assert_served(&mut self) {
        self.send(
            r#"42990["typing",{"chatId":"00000000-0000-0000-0000-000000000000","isTyping":true}]"#,
        )
        .await;
        loop {
            let text = self.text().await;
            if text.starts_with("43990[") {
                return;
            }
        }
    }

    /// The next frame: its first byte and payload; `None` at the end.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        soon("a frame", self.read_frame()).await
    }

    async fn read_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((head, length)) = self.frame_length()
                && self.buffer.len() >= head + length
            {
                let first = self.buffer[0];
                let bytes: Vec<u8> = self.buffer.drain(..head + length).collect();
                return Some((first, bytes[head..].to_vec()));
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The lengths of the next frame's head and payload.
    fn frame_length(&self) -> Option<(usize, usize)> {
        match *self.buffer.get(1)? {
            126 => {
                let length = self.buffer.get(2..4)?.try_into().expect("two");
                Some((4, usize::from(u16::from_be_bytes(length))))
            }
            127 => {
                let length = self.buffer.get(2..10)?.try_into().expect("eight");
                Some((10, u64::from_be_bytes(length) as usize))
            }
            short => Some((2, usize::from(short))),
        }
    }

    async fn read_answer(&mut self) -> Heard {
        let end = loop {
            let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            assert!(self.fill().await, "the connection ended without an answer");
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let head = String::from_utf8(head).expect("ASCII").to_ascii_lowercase();
        let length =
            header(&head, "content-length").map_or(0, |value| value.parse().expect("digits"));
        while self.buffer.len() < length {
            assert!(self.fill().await, "the connection ended inside an answer");
        }
        let body: Vec<u8> = self.buffer.drain(..length).collect();
        Heard {
            status: head[9..12].parse().expect("a status"),
            body: String::from_utf8(body).expect("UTF-8"),
            head,
        }
    }

    /// Reads once; whether there was anything.
    async fn fill(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.buffer).await;
        read.is_ok_and(|count| count > 0)
    }
}

impl Heard {
    /// The value of a header; names are in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The code of an Engine.IO refusal.
    pub(crate) fn code(&self) -> Value {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["code"].clone()
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}
