//! What is measured, in time by criterion and in instructions by callgrind: the same work.
#![allow(dead_code, reason = "each program uses its part")]

use std::net::{Ipv4Addr, SocketAddr};
use std::task::Poll;

use bytes::Bytes;
use engineio::Frame;
use engineio::proto::Outbox;
use engineio::proto::frame::BinaryForm;
use engineio::proto::outbox::{OutboxLimits, Sink};
use http::Request;
use http_body_util::{BodyExt, Full};
use parlance::socketio::proto::codec;
use parlance::socketio::proto::encode;
use parlance::socketio::{Io, Socket};

/// An event as chat clients send it.
pub(crate) const EVENT: &str = r#"217["send-message",{"chatId":"0190f3d8-7c1e-7b8a-9d55-2f4c8a1b6e01","content":"Are you coming to the meeting at four? I have put the slides up."}]"#;

/// Parses [`EVENT`].
pub(crate) fn decode() -> usize {
    codec::decode(EVENT, 10).expect("valid").payload.len()
}

/// Encodes an event of two arguments into a frame.
pub(crate) fn encode() -> usize {
    let args = ("0190f3d8-7c1e-7b8a-9d55-2f4c8a1b6e01", 42);
    encode::event_frame("/", "new-message", &args)
        .expect("encodable")
        .wire_len()
}

/// Outboxes of sleeping sessions with sockets that take everything.
pub(crate) fn outboxes(count: usize) -> Vec<Outbox> {
    let sleeping = || {
        let mut outbox = Outbox::new(OutboxLimits::default(), BinaryForm::Frames);
        outbox.set_sink(Sink::Ready);
        assert!(outbox.park());
        outbox
    };
    std::iter::repeat_with(sleeping).take(count).collect()
}

/// The loop of a broadcast and of its flusher, without locks and sockets: queue for everybody,
/// then write to everybody.
pub(crate) fn fan_out(frame: &Frame, outboxes: &mut [Outbox]) -> usize {
    for outbox in outboxes.iter_mut() {
        _ = outbox.enqueue_listed(frame.clone());
    }
    let mut written = 0;
    for outbox in outboxes {
        assert!(outbox.begin_flush());
        let took = outbox.write_to(|slices| Poll::Ready(Ok(slices.iter().map(|s| s.len()).sum())));
        assert!(!outbox.needs_owner());
        written += match took {
            Poll::Ready(Ok(bytes)) => bytes,
            _ => 0,
        };
    }
    written
}

/// Polling clients in the room `room`, made without sockets. What is sent to them waits.
pub(crate) async fn room(clients: usize) -> Io {
    let io = Io::builder()
        .namespace("/", |ns| {
            ns.on_connect(async |socket: Socket| _ = socket.join("room"))
        })
        .build();
    for _ in 0..clients {
        let open = request(&io, "GET", "", "").await;
        let sid = open.split('"').nth(3).expect("an open packet");
        request(&io, "POST", &format!("&sid={sid}"), "40").await;
    }
    assert_eq!(io.root().sockets().len(), clients);
    io
}

async fn request(io: &Io, method: &str, query: &str, body: &str) -> String {
    let request = Request::builder()
        .method(method)
        .uri(format!("/socket.io/?EIO=4&transport=polling{query}"))
        .header("host", "localhost")
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .expect("a request");
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
    let response = io.handle(request, peer).await;
    let body = response.into_body().collect().await.expect("a body");
    String::from_utf8_lossy(&body.to_bytes()).into_owned()
}
