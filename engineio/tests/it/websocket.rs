//! WebSocket sessions: echoes, and every way to break the rules.

use std::time::Duration;

use engineio::{CloseReason, Config, Frame, Message};

use crate::{
    client::{Ws, WsFrame, frame},
    server::{Seen, TestServer, config},
};

#[tokio::test]
async fn trap_50_text_and_binary_are_echoed_in_kind() {
    let server = TestServer::start().await;
    let (mut ws, _) = Ws::open(&server).await;
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
    ws.send_binary(&[1, 2, 3, 4]).await;
    assert_eq!(ws.frame().await, WsFrame(0x82, vec![1, 2, 3, 4]));
    ws.send_binary(&[]).await;
    assert_eq!(ws.frame().await, WsFrame(0x82, vec![]));
}

#[tokio::test]
async fn trap_51_binary_may_come_as_text_and_goes_so_when_asked() {
    let server = TestServer::start().await;
    let target = "/engine.io/?EIO=4&transport=websocket&b64=1";
    let mut ws = Ws::connect(&server, target).await;
    ws.text().await;
    ws.send("bAQIDBA==").await;
    assert_eq!(ws.text().await, "bAQIDBA==");
    let (mut ws, _) = Ws::open(&server).await;
    ws.send("bAQIDBA==").await;
    assert_eq!(ws.frame().await, WsFrame(0x82, vec![1, 2, 3, 4]));
}

#[tokio::test]
async fn trap_55_a_text_and_its_attachments_are_contiguous() {
    let server = TestServer::start().await;
    let (mut ws, _) = Ws::open(&server).await;
    let session = server.session();
    let senders = (0..4_u8).map(|id| {
        let session = session.clone();
        std::thread::spawn(move || {
            for _ in 0..50 {
                let mut builder = Frame::builder();
                std::fmt::Write::write_str(&mut builder, &id.to_string()).unwrap();
                builder
                    .attach(vec![id; 3].into())
                    .attach(vec![id; 300].into());
                session.send(builder.finish()).unwrap();
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    for _ in 0..200 {
        let text = ws.text().await;
        let id = text[1..].parse().unwrap();
        assert_eq!(ws.frame().await, WsFrame(0x82, vec![id; 3]));
        assert_eq!(ws.frame().await, WsFrame(0x82, vec![id; 300]));
    }
    senders
        .into_iter()
        .for_each(|sender| sender.join().unwrap());
}

#[tokio::test]
async fn a_message_may_be_fragmented_even_inside_a_character() {
    let server = TestServer::start().await;
    let (mut ws, _) = Ws::open(&server).await;
    ws.http.write(frame(0x01, b"4\xe2")).await;
    ws.http.write(frame(0x89, b"ping")).await;
    ws.http.write(frame(0x00, b"")).await;
    ws.http.write(frame(0x80, b"\x82\xac")).await;
    assert_eq!(ws.frame().await, WsFrame(0x8a, b"ping".to_vec()));
    assert_eq!(ws.text().await, "4€");
}

#[tokio::test]
async fn frames_may_arrive_byte_by_byte_and_many_at_once() {
    let server = TestServer::start().await;
    let (mut ws, _) = Ws::open(&server).await;
    for byte in frame(0x81, b"4slow") {
        ws.http.write([byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(ws.text().await, "4slow");
    let batch: Vec<u8> = (0..1000)
        .flat_map(|number| frame(0x81, format!("4{number}").as_bytes()))
        .collect();
    ws.http.write(batch).await;
    for number in 0..1000 {
        assert_eq!(ws.text().await, format!("4{number}"));
    }
}

#[tokio::test]
async fn large_messages_pass_and_small_ones_after_them() {
    let server = TestServer::start().await;
    let (mut ws, _) = Ws::open(&server).await;
    let large = format!("4{}", "x".repeat(999_999));
    for _ in 0..3 {
        ws.send(&large).await;
        ws.send("4small").await;
        assert!(ws.text().await == large);
        assert_eq!(ws.text().await, "4small");
    }
}

#[tokio::test]
async fn engine_errors_close_without_a_code() {
    for (bytes, reason) in [
        (frame(0x81, b"abc"), CloseReason::ParseError),
        (frame(0x81, b""), CloseReason::ParseError),
        (frame(0x81, b"b!!!!"), CloseReason::ParseError),
        (frame(0x81, b"2"), CloseReason::TransportError),
        (frame(0x81, b"1"), CloseReason::TransportClose),
    ] {
        let mut server = TestServer::start().await;
        let (mut ws, _) = Ws::open(&server).await;
        ws.http.write(&bytes).await;
        ws.assert_closed(None).await;
        assert_eq!(server.seen().await, Seen::Opened);
        assert_eq!(server.seen().await, Seen::Closed(reason), "{bytes:?}");
        assert_eq!(server.count(), 0);
    }
}

#[tokio::test]
async fn every_violation_is_closed_with_its_code() {
    let unmasked = vec![0x81, 0x02, b'4', b'a'];
    let cut = |bytes: Vec<u8>| bytes[..14].to_vec();
    let huge = [&[0x82, 0xff][..], &(1_u64 << 62).to_be_bytes(), &[0; 4]].concat();
    for (name, bytes, code) in [
        ("unmasked", unmasked, 1002),
        ("RSV1", frame(0xc1, b"4a"), 1002),
        ("RSV2", frame(0xb1, b""), 1002),
        ("RSV3", frame(0x91, b"4a"), 1002),
        ("opcode 3", frame(0x83, b"4a"), 1002),
        ("opcode 11", frame(0x8b, b""), 1002),
        ("ping of 126 bytes", frame(0x89, &[0; 126]), 1002),
        ("fragmented ping", frame(0x09, b""), 1002),
        ("stray continuation", frame(0x80, b"4a"), 1002),
        (
            "text inside a text",
            [frame(0x01, b"4a"), frame(0x81, b"4b")].concat(),
            1002,
        ),
        ("close of one byte", frame(0x88, b"x"), 1002),
        (
            "close with a bad code",
            frame(0x88, &999_u16.to_be_bytes()),
            1002,
        ),
        ("close reason not UTF-8", frame(0x88, b"\x03\xe8\xff"), 1007),
        ("text not UTF-8", frame(0x81, b"4\xff"), 1007),
        (
            "one byte too long",
            cut(frame(0x82, &vec![0; 1_000_001])),
            1009,
        ),
        ("impossibly long", huge, 1009),
    ] {
        let mut server = TestServer::start().await;
        let (mut ws, _) = Ws::open(&server).await;
        ws.http.write(&bytes).await;
        let WsFrame(first, payload) = ws.frame().await;
        assert_eq!(
            (first, &payload[..2]),
            (0x88, &u16::to_be_bytes(code)[..]),
            "{name}"
        );
        ws.http.ended().await;
        assert_eq!(server.seen().await, Seen::Opened);
        assert!(matches!(server.seen().await, Seen::Closed(_)), "{name}");
        assert_eq!(server.count(), 0, "{name}");
    }
}

#[tokio::test]
async fn trap_53_a_message_over_the_limit_is_closed_with_1009_and_no_reason() {
    let mut server = TestServer::with(Config {
        max_payload: 100,
        ..config()
    })
    .await;
    let (mut ws, _) = Ws::open(&server).await;
    let euros = format!("4{}", "€".repeat(33));
    ws.send(&euros).await;
    assert_eq!(ws.text().await, euros, "100 bytes are fine");
    ws.send(&"4".repeat(101)).await;
    ws.assert_closed(Some(1009)).await;
    assert_eq!(server.seen().await, Seen::Opened);
    assert_eq!(server.seen().await, Seen::Text(euros[1..].to_owned()));
    assert_eq!(
        server.seen().await,
        Seen::Closed(CloseReason::TransportError)
    );
}

#[tokio::test]
async fn the_limit_counts_all_fragments() {
    let server = TestServer::with(Config {
        max_payload: 100,
        ..config()
    })
    .await;
    let (mut ws, _) = Ws::open(&server).await;
    ws.http.write(frame(0x01, &[b'4'; 60])).await;
    ws.http.write(frame(0x80, &[b'4'; 60])).await;
    ws.assert_closed(Some(1009)).await;
}

#[tokio::test]
async fn too_many_fragments_are_a_policy_violation() {
    let server = TestServer::start().await;
    let (mut ws, _) = Ws::open(&server).await;
    let mut bytes = frame(0x01, b"4");
    for _ in 0..1024 {
        bytes.extend(frame(0x00, b""));
    }
    ws.http.write(bytes).await;
    ws.assert_closed(Some(1008)).await;
}

#[tokio::test]
async fn a_message_must_be_complete_in_time() {
    let config = Config {
        body_timeout: Duration::from_millis(100),
        ..config()
    };
    let server = TestServer::with(config).await;
    let (mut ws, _) = Ws::open(&server).await;
    ws.http.write(frame(0x01, b"4a")).await;
    ws.assert_closed(Some(1008)).await;
}

#[tokio::test]
async fn floods_of_control_frames_are_a_policy_violation() {
    for first in [0x89, 0x8a] {
        let server = TestServer::start().await;
        let (mut ws, _) = Ws::open(&server).await;
        ws.http.write(frame(first, b"x").repeat(1000)).await;
        let closed = loop {
            let WsFrame(first, payload) = ws.frame().await;
            if first != 0x8a {
                break (first, payload);
            }
        };
        assert_eq!(closed, (0x88, 1008_u16.to_be_bytes().to_vec()));
        ws.http.ended().await;
    }
}

#[tokio::test]
async fn a_close_by_the_client_is_answered_and_ends_the_session() {
    let mut server = TestServer::start().await;
    let (mut ws, _) = Ws::open(&server).await;
    ws.http.write(frame(0x88, &1000_u16.to_be_bytes())).await;
    ws.assert_closed(Some(1000)).await;
    assert_eq!(server.seen().await, Seen::Opened);
    assert_eq!(
        server.seen().await,
        Seen::Closed(CloseReason::TransportClose)
    );
}

#[tokio::test]
async fn a_connection_that_breaks_ends_the_session() {
    let mut server = TestServer::start().await;
    let (mut ws, _) = Ws::open(&server).await;
    // Half a frame is lost with it.
    ws.http.write(&frame(0x81, b"4hello")[..4]).await;
    drop(ws);
    assert_eq!(server.seen().await, Seen::Opened);
    assert_eq!(
        server.seen().await,
        Seen::Closed(CloseReason::TransportClose)
    );
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn frames_in_the_segment_of_the_handshake_are_read() {
    let server = TestServer::start().await;
    let mut http = crate::client::Http::connect(&server).await;
    let request = format!(
        "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: h\r\n{}\r\n",
        crate::client::UPGRADE
    );
    http.write([request.as_bytes(), &frame(0x81, b"4early")].concat())
        .await;
    assert_eq!(http.reply().await.status, 101);
    let mut ws = Ws { http };
    ws.text().await;
    assert_eq!(ws.text().await, "4early");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed_at_the_hard_limit() {
    let mut server = TestServer::start().await;
    let (_ws, _) = Ws::open(&server).await;
    assert_eq!(server.seen().await, Seen::Opened);
    let session = server.session();
    let frame = Frame::text(&"x".repeat(100_000));
    let mut accepted = 0;
    while session.send(frame.clone()).is_ok() {
        accepted += 1;
        assert!(accepted < 1000, "the limit holds");
        tokio::task::yield_now().await;
    }
    assert_eq!(server.seen().await, Seen::Closed(CloseReason::SlowConsumer));
    assert!(session.is_closed());
    assert!(!session.send_volatile(frame));
}

#[test]
fn messages_can_be_told_apart() {
    assert_ne!(Message::Text("a"), Message::Binary(vec![b'a'].into()));
}
