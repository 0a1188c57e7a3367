//! What admins are sent, in the shapes that the official page reads.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use engineio::{Handshake, TransportKind};
use serde::Serialize;
use serde::ser::{SerializeTuple as _, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::socketio::proto::args::Args;

/// What of a browser's headers is shown. The others may hold cookies and tokens.
const HEADERS: [&str; 4] = ["host", "origin", "user-agent", "accept-language"];
/// A longer name of an event is cut.
const MAX_NAME_BYTES: usize = 128;
/// Of longer arguments the length is shown.
const MAX_ARGUMENT_BYTES: usize = 4096;

/// `config`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    pub(super) supported_features: Vec<&'static str>,
}

/// `server_stats`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServerStats<'a> {
    pub(super) server_id: &'a str,
    pub(super) hostname: &'a str,
    pub(super) pid: u32,
    /// Seconds.
    pub(super) uptime: f64,
    pub(super) clients_count: usize,
    pub(super) polling_clients_count: usize,
    pub(super) aggregated_events: Vec<AggregatedEvent>,
    pub(super) namespaces: Vec<NamespaceDetails>,
}

/// Part of `server_stats`: what happened since the one before.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AggregatedEvent {
    /// Milliseconds since 1970.
    pub(super) timestamp: u64,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub_type: Option<&'static str>,
    pub(super) count: u64,
}

/// Part of `server_stats`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NamespaceDetails {
    pub(super) name: String,
    pub(super) sockets_count: usize,
}

/// A socket in `all_sockets` and `socket_connected`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SerializedSocket {
    pub(super) id: String,
    pub(super) client_id: String,
    pub(super) nsp: String,
    pub(super) data: Value,
    pub(super) transport: &'static str,
    pub(super) rooms: Vec<String>,
    pub(super) handshake: SerializedHandshake,
}

/// The request that opened a connection, without what may be a secret.
#[derive(Debug, Serialize)]
pub(super) struct SerializedHandshake {
    address: String,
    headers: BTreeMap<&'static str, String>,
    query: BTreeMap<&'static str, &'static str>,
    issued: u64,
    secure: bool,
    time: String,
    url: String,
    xdomain: bool,
}

impl SerializedHandshake {
    pub(super) fn of(handshake: &Handshake) -> Self {
        let shown = |name| Some((name, handshake.header(name)?.to_owned()));
        let url = handshake.url();
        let transport = handshake.transport().as_str();
        Self {
            address: handshake.address().ip().to_canonical().to_string(),
            headers: HEADERS.into_iter().filter_map(shown).collect(),
            query: [("transport", transport)].into(),
            issued: handshake.issued_ms(),
            secure: handshake.secure(),
            time: iso(handshake.time()),
            // Clients put tokens into the query.
            url: url.split_once('?').map_or(url, |(path, _)| path).to_owned(),
            xdomain: handshake.xdomain(),
        }
    }
}

/// `socket_updated`.
#[derive(Debug, Serialize)]
pub(super) struct SocketUpdated<'a> {
    pub(super) id: &'a str,
    pub(super) nsp: &'a str,
    pub(super) transport: &'static str,
}

impl SocketUpdated<'_> {
    pub(super) fn upgraded<'a>(nsp: &'a str, id: &'a str) -> SocketUpdated<'a> {
        let transport = TransportKind::Websocket.as_str();
        SocketUpdated { id, nsp, transport }
    }
}

/// An event as `event_received` and `event_sent` show it: a list of its name and, where they are
/// given, its arguments.
pub(super) fn shown_event(name: &str, args: Option<&Args>) -> Box<RawValue> {
    let end = name.floor_char_boundary(MAX_NAME_BYTES.min(name.len()));
    let name = Value::from(&name[..end]);
    let shown = args.map(|args| match args.as_json() {
        Some("") => String::new(),
        Some(json) if json.len() <= MAX_ARGUMENT_BYTES => format!(",{json}"),
        _ => format!(",\"({} bytes)\"", args.bytes()),
    });
    let list = format!("[{name}{}]", shown.unwrap_or_default());
    RawValue::from_string(list).unwrap_or_default()
}

/// Values to be emitted as so many arguments.
#[derive(Debug)]
pub(super) struct Arguments(pub(super) Vec<Value>);

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        self.0
            .iter()
            .try_for_each(|value| tuple.serialize_element(value))?;
        tuple.end()
    }
}

/// A time as JavaScript writes it.
pub(super) fn iso(time: SystemTime) -> String {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let time = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(since.as_millis() as u64);
    time.format(&Rfc3339).unwrap_or_default()
}

pub(super) fn now() -> String {
    iso(SystemTime::now())
}
