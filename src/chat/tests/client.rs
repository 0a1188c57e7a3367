//! A Socket.IO client that polls the server in the same process.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use super::description::{check_ack, check_event};
use crate::socketio::Io;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to `/`.
pub(super) struct Client {
    io: Io,
    sid: String,
    inbox: VecDeque<String>,
    events: VecDeque<(String, Value)>,
    answers: HashMap<u32, Value>,
    next_ack: u32,
}

impl Client {
    /// Connects; what the server answers to CONNECT is in [`Client::reply`].
    async fn begin(io: &Io, auth: Value) -> Self {
        Self::begin_with(io, Some(auth), "", None).await
    }

    async fn begin_with(
        io: &Io,
        auth: Option<Value>,
        query: &str,
        authorization: Option<&str>,
    ) -> Self {
        let mut client = Self {
            io: io.clone(),
            sid: String::new(),
            inbox: VecDeque::new(),
            events: VecDeque::new(),
            answers: HashMap::new(),
            next_ack: 0,
        };
        let (_, open) = client.http("GET", query, authorization, "").await;
        let open: Value = serde_json::from_str(&open[1..]).expect("an open packet");
        client.sid = open["sid"].as_str().expect("a sid").to_owned();
        let auth = auth.map(|auth| auth.to_string()).unwrap_or_default();
        client.post(&format!("40{auth}")).await;
        client
    }

    /// Connects with this `auth`.
    pub(super) async fn open(io: &Io, auth: Value) -> Self {
        let mut client = Self::begin(io, auth).await;
        let reply = client.packet().await;
        assert!(reply.starts_with("40{"), "not connected: {reply}");
        client
    }

    /// Connects with a header and a query; the server's answer to CONNECT.
    pub(super) async fn try_open(
        io: &Io,
        auth: Option<Value>,
        query: &str,
        authorization: Option<&str>,
    ) -> String {
        Self::begin_with(io, auth, query, authorization)
            .await
            .packet()
            .await
    }

    async fn http(
        &self,
        method: &str,
        query: &str,
        authorization: Option<&str>,
        body: &str,
    ) -> (StatusCode, String) {
        let sid = if self.sid.is_empty() {
            String::new()
        } else {
            format!("&sid={}", self.sid)
        };
        let uri = format!("/socket.io/?EIO=4&transport=polling{sid}{query}");
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "x");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let request = request.body(body).expect("a request");
        let peer = SocketAddr::from(([127, 0, 0, 1], 9));
        let response = tokio::time::timeout(PATIENCE, self.io.handle(request, peer));
        let (parts, body) = response.await.expect("an answer in time").into_parts();
        let body = body.collect().await.expect("a full body").to_bytes();
        (parts.status, String::from_utf8_lossy(&body).into_owned())
    }

    /// Sends one Engine.IO packet.
    pub(super) async fn post(&self, packet: &str) {
        let (status, body) = self.http("POST", "", None, packet).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }

    /// The next Socket.IO packet, with its Engine.IO prefix; empty when the
    /// connection is closed.
    async fn packet(&mut self) -> String {
        loop {
            if let Some(packet) = self.inbox.pop_front() {
                return packet;
            }
            let (status, body) = self.http("GET", "", None, "").await;
            if status != StatusCode::OK {
                return String::new();
            }
            self.take_in(&body);
        }
    }

    fn take_in(&mut self, body: &str) {
        let packets = body.split('\u{1e}').map(str::to_owned);
        self.inbox
            .extend(packets.filter(|packet| packet.starts_with('4') || packet == "1"));
    }

    /// Sends an event without asking for an acknowledgement.
    pub(super) async fn emit(&self, event: &str, argument: Value) {
        self.post(&format!("42{}", json!([event, argument]))).await;
    }

    /// Sends an event; the acknowledgement's number.
    pub(super) async fn send(&mut self, event: &str, argument: Value) -> u32 {
        self.next_ack += 1;
        self.post(&format!("42{}{}", self.next_ack, json!([event, argument])))
            .await;
        self.next_ack
    }

    /// Sends an event and waits for its acknowledgement. It reads meanwhile, as
    /// the server takes nothing from a client that is behind.
    pub(super) async fn ask(&mut self, event: &str, argument: Value) -> Value {
        self.next_ack += 1;
        let id = self.next_ack;
        let packet = format!("42{id}{}", json!([event, argument]));
        let answer = format!("43{id}[");
        let mut read: Vec<String> = Vec::new();
        {
            let mut post = pin!(self.post(&packet));
            loop {
                let get = pin!(self.http("GET", "", None, ""));
                match select(get, post).await {
                    Either::Left(((status, body), rest)) if status == StatusCode::OK => {
                        let answered = body.split('\u{1e}').any(|one| one.starts_with(&answer));
                        read.push(body);
                        post = rest;
                        if answered {
                            break post.await;
                        }
                    }
                    Either::Left((_, rest)) => break rest.await,
                    Either::Right(((), get)) => break read.push(get.await.1),
                }
            }
        }
        read.iter().for_each(|body| self.take_in(body));
        let answer = self.answer(id).await;
        check_ack(event, &answer);
        answer
    }

    /// The acknowledgement with this number; whatever else comes is kept.
    pub(super) async fn answer(&mut self, id: u32) -> Value {
        loop {
            if let Some(answer) = self.answers.remove(&id) {
                return answer;
            }
            let packet = self.packet().await;
            assert_ne!(packet, "", "the connection is closed");
            self.keep(&packet);
        }
    }

    fn keep(&mut self, packet: &str) {
        if let Some((id, arguments)) = packet
            .strip_prefix("43")
            .and_then(|ack| ack.split_once('['))
        {
            let arguments = serde_json::from_str::<Value>(&format!("[{arguments}"));
            let answer = arguments.expect("JSON")[0].take();
            self.answers.insert(id.parse().expect("a number"), answer);
        }
        if let Some(arguments) = packet.strip_prefix("42") {
            let mut arguments: Vec<Value> = serde_json::from_str(arguments).expect("JSON");
            let payload = if arguments.len() > 1 {
                arguments.remove(1)
            } else {
                Value::Null
            };
            let name = arguments[0].as_str().expect("a name").to_owned();
            check_event(&name, &payload);
            self.events.push_back((name, payload));
        }
    }

    /// The next event of this name; others before it are kept.
    pub(super) async fn event(&mut self, name: &str) -> Value {
        loop {
            let found = self.events.iter().position(|(event, _)| event == name);
            if let Some((_, payload)) = found.and_then(|at| self.events.remove(at)) {
                return payload;
            }
            let packet = self.packet().await;
            assert_ne!(packet, "", "the connection was closed before {name}");
            self.keep(&packet);
        }
    }

    /// What was read while something else was waited for, in order.
    pub(super) fn take_kept(&mut self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.events).into()
    }

    /// Everything that has arrived by now, in order.
    pub(super) async fn events_so_far(&mut self) -> Vec<(String, Value)> {
        // The answer comes after everything that was sent before.
        self.ask("no-such-event", Value::Null).await;
        std::mem::take(&mut self.events).into()
    }

    /// The names of everything that has arrived by now.
    pub(super) async fn names_so_far(&mut self) -> Vec<String> {
        self.events_so_far()
            .await
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    /// Waits until the server has closed the connection; what came before.
    pub(super) async fn closed(&mut self) -> Vec<(String, Value)> {
        loop {
            let packet = self.packet().await;
            if packet.is_empty() || packet == "1" || packet.starts_with("41") {
                return std::mem::take(&mut self.events).into();
            }
            self.keep(&packet);
        }
    }

    /// Closes the connection.
    pub(super) async fn close(self) {
        self.post("41").await;
        self.post("1").await;
    }
}
