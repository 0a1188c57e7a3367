//! What the targets feed. The protocol half of Socket.IO is compiled alone, so that the server need
//! not be built with sanitizers.

pub use engineio::proto::fuzz as engineio;

#[allow(dead_code, unreachable_pub, clippy::all)]
#[path = "../../src/socketio/proto/mod.rs"]
mod proto;

pub use proto::fuzz as socketio;

use std::time::Instant;

/// Every target by its name.
pub const TARGETS: [(&str, fn(&[u8])); 12] = [
    ("eio_packet", engineio::eio_packet),
    ("eio_payload", engineio::eio_payload),
    ("eio_stream", |data| {
        ::engineio::fuzz::eio_stream(data, Instant::now())
    }),
    ("eio_session", |data| {
        engineio::eio_session(data, Instant::now())
    }),
    ("eio_handshake", |data| {
        engineio::eio_handshake(data, whatwg)
    }),
    ("sio_packet", socketio::sio_packet),
    ("sio_msgpack", socketio::sio_msgpack),
    ("sio_connection", |data| {
        socketio::sio_connection(data, Instant::now())
    }),
    ("sio_json", socketio::sio_json),
    ("sio_assembly", |data| {
        socketio::sio_assembly(data, Instant::now())
    }),
    ("sio_relay", |data| {
        socketio::sio_relay(data, Instant::now())
    }),
    ("sio_shapes", |data| {
        socketio::sio_shapes(data, Instant::now())
    }),
];

/// Runs one target's body.
pub fn run(target: &str, data: &[u8]) {
    let body = TARGETS.iter().find(|(name, _)| *name == target);
    body.expect("a target").1(data);
}

/// A query string as browsers read it.
fn whatwg(query: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(query).into_owned().collect()
}
