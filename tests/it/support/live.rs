//! A Socket.IO client of a few lines, over WebSocket.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::soon;

/// A connection; what arrives while something else is waited for is kept.
pub(crate) struct Live {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    events: VecDeque<(String, Value)>,
    acknowledged: u64,
}

impl Live {
    /// Opens a connection that has joined nothing yet.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let opened = soon("the upgrade", connect_async(url)).await;
        let mut live = Self {
            stream: opened.expect("a WebSocket").0,
            events: VecDeque::new(),
            acknowledged: 0,
        };
        assert!(live.packet().await.expect("open").starts_with('0'));
        live
    }

    /// Joins the main namespace; `Err` has the payload of the refusal.
    pub(crate) async fn join(&mut self, auth: &Value) -> Result<(), Value> {
        self.write(format!("40{auth}")).await;
        let packet = self
            .packet()
            .await
            .expect("an answer to the connect packet");
        match packet.strip_prefix("44") {
            Some(refusal) => Err(read(refusal)),
            None if packet.starts_with("40") => Ok(()),
            None => panic!("neither in nor refused: {packet}"),
        }
    }

    /// Sends an event without an acknowledgement.
    pub(crate) async fn emit(&mut self, event: &str, data: Value) {
        self.write(format!("42{}", json!([event, data]))).await;
    }

    /// Sends an event and gives the acknowledgement's argument.
    pub(crate) async fn ask(&mut self, event: &str, data: Value) -> Value {
        self.acknowledged += 1;
        let id = self.acknowledged;
        self.write(format!("42{id}{}", json!([event, data]))).await;
        loop {
            let packet = self.packet().await.expect("an acknowledgement");
            match packet.strip_prefix(&format!("43{id}")) {
                Some(arguments) => return read(arguments)[0].take(),
                None => self.keep(&packet),
            }
        }
    }

    /// Sends events of one name without waiting between them, and gives their
    /// acknowledgements' arguments.
    pub(crate) async fn ask_all(&mut self, event: &str, data: &[Value]) -> Vec<Value> {
        let first = self.acknowledged + 1;
        for data in data {
            self.acknowledged += 1;
            let packet = format!("42{}{}", self.acknowledged, json!([event, data]));
            let fed = self.stream.feed(Message::text(packet)).await;
            fed.expect("an open connection");
        }
        self.stream.flush().await.expect("an open connection");
        let mut answers = vec![Value::Null; data.len()];
        while answers.contains(&Value::Null) {
            let packet = self.packet().await.expect("an acknowledgement");
            match packet.strip_prefix("43") {
                Some(rest) => {
                    let (id, arguments) = rest.split_at(rest.find('[').expect("arguments"));
                    let id: u64 = id.parse().expect("an id");
                    answers[(id - first) as usize] = read(arguments)[0].take();
                }
                None => self.keep(&packet),
            }
        }
        answers
    }

    /// The payload of the next event of this name.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            if let Some(at) = self.events.iter().position(|(known, _)| known == name) {
                return self.events.remove(at).expect("found").1;
            }
            let packet = self.packet().await;
            self.keep(&packet.unwrap_or_else(|| panic!("closed before {name}")));
        }
    }

    /// Waits until the server has closed the connection; gives what still came.
    pub(crate) async fn closed(&mut self) -> Vec<String> {
        let mut last = Vec::new();
        while let Some(packet) = self.packet().await {
            self.keep(&packet);
            last.push(packet);
        }
        last
    }

    fn keep(&mut self, packet: &str) {
        if let Some(event) = packet.strip_prefix("42") {
            let mut event = read(event);
            let name = event[0].as_str().expect("a name").to_owned();
            self.events.push_back((name, event[1].take()));
        }
    }

    /// The next packet but pings, which are answered; `None` at the end.
    async fn packet(&mut self) -> Option<String> {
        loop {
            match soon("a packet", self.stream.next()).await? {
                Ok(Message::Text(text)) if text.as_str() == "2" => self.write("3".into()).await,
                Ok(Message::Text(text)) => return Some(text.to_string()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    async fn write(&mut self, packet: String) {
        let sent = self.stream.send(Message::text(packet)).await;
        sent.expect("an open connection");
    }
}

fn read(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| panic!("not JSON: {json}"))
}
