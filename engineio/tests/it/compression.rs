//! Compressed replies to polls.

use std::io::Read;

use engineio::{Config, Frame, HttpCompression};

use crate::{
    client::{Polling, Reply, Ws, request_with},
    server::{TestServer, config},
};

async fn poll(server: &TestServer, client: &Polling, accept: &str) -> Reply {
    let headers = match accept {
        "" => String::new(),
        accept => format!("Accept-Encoding: {accept}\r\n"),
    };
    let head = format!("GET {}", client.target());
    request_with(server, &head, &headers, b"").await
}

/// What is read when the server sends `text` to a poll that accepts `accept`.
async fn sent(server: &TestServer, text: &str, accept: &str) -> Reply {
    let client = Polling::open(server).await;
    server.session().send(Frame::text(text)).unwrap();
    poll(server, &client, accept).await
}

fn decode(reply: &Reply) -> String {
    let mut text = String::new();
    let body = &reply.body[..];
    match reply.header("content-encoding") {
        None => return reply.text().to_owned(),
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_string(&mut text),
        Some("deflate") => flate2::read::ZlibDecoder::new(body).read_to_string(&mut text),
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_string(&mut text),
        Some(other) => panic!("{other} was not asked for"),
    }
    .unwrap();
    text
}

#[tokio::test]
async fn trap_20_payloads_from_the_threshold_on_are_compressed() {
    let server = TestServer::start().await;
    // With the type character: 1023 and 1024 bytes.
    let short = sent(&server, &"a".repeat(1022), "gzip").await;
    assert_eq!(short.header("content-encoding"), None);
    assert_eq!(short.body.len(), 1023);
    let long = sent(&server, &"a".repeat(1023), "gzip").await;
    assert_eq!(long.header("content-encoding"), Some("gzip"));
    assert!(long.body.len() < 100, "{} bytes", long.body.len());
    assert_eq!(decode(&long), format!("4{}", "a".repeat(1023)));
    assert_eq!(long.header("cache-control"), Some("no-store"));
    assert_eq!(
        long.header("content-type"),
        Some("text/plain; charset=UTF-8")
    );
}

#[tokio::test]
async fn trap_20_the_client_chooses_the_encoding() {
    let server = TestServer::start().await;
    let text = "ж".repeat(3000);
    for (accept, encoding) in [
        ("gzip, deflate, br", Some("gzip")),
        ("br, gzip", Some("br")),
        ("deflate", Some("deflate")),
        ("gzip;q=0.1, deflate;q=0.2", Some("deflate")),
        ("", None),
        ("zstd", None),
        ("identity, gzip", None),
        ("gzip;q=0", None),
    ] {
        let reply = sent(&server, &text, accept).await;
        assert_eq!(reply.header("content-encoding"), encoding, "{accept}");
        assert_eq!(decode(&reply), format!("4{text}"), "{accept}");
    }
}

#[tokio::test]
async fn trap_20_one_frame_that_refuses_keeps_its_payload_plain() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let (secret, text) = ("s".repeat(2000), "t".repeat(2000));
    let session = server.session();
    session.send(Frame::text(&text)).unwrap();
    session.send(Frame::text(&secret).compress(false)).unwrap();
    let reply = poll(&server, &client, "gzip").await;
    assert_eq!(reply.header("content-encoding"), None);
    assert_eq!(reply.text(), format!("4{text}\x1e4{secret}"));
    session.send(Frame::text(&text)).unwrap();
    let reply = poll(&server, &client, "gzip").await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
}

#[tokio::test]
async fn a_waiting_poll_is_compressed_too() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let waiting = poll(&server, &client, "br");
    let session = server.session();
    let send = async { session.send(Frame::text(&"a".repeat(100_000))) };
    let (reply, sent) = tokio::join!(waiting, send);
    sent.unwrap();
    assert_eq!(reply.header("content-encoding"), Some("br"));
    assert_eq!(decode(&reply).len(), 100_001);
}

#[tokio::test]
async fn a_long_initial_packet_is_compressed() {
    let config = Config {
        initial_packet: Some(Frame::text(&"i".repeat(4000))),
        ..config()
    };
    let server = TestServer::with(config).await;
    let head = "GET /engine.io/?EIO=4&transport=polling";
    let reply = request_with(&server, head, "Accept-Encoding: gzip\r\n", b"").await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    let text = decode(&reply);
    assert!(text.starts_with("0{") && text.ends_with("ii"), "{text}");
}

#[tokio::test]
async fn the_threshold_can_be_moved_and_compression_be_switched_off() {
    let config = Config {
        http_compression: Some(HttpCompression { threshold: 10 }),
        ..config()
    };
    let server = TestServer::with(config).await;
    let reply = sent(&server, "123456789", "gzip").await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    let config = Config {
        http_compression: None,
        ..crate::server::config()
    };
    let server = TestServer::with(config).await;
    let reply = sent(&server, &"a".repeat(5000), "gzip").await;
    assert_eq!(reply.header("content-encoding"), None);
}

#[tokio::test]
async fn nothing_else_is_compressed_and_no_request_is_inflated() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let head = format!("POST {}", client.target());
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x33, 0x49, 4, 0];
    let headers = "Content-Encoding: gzip\r\nAccept-Encoding: gzip\r\n";
    let reply = request_with(&server, &head, headers, &gzip).await;
    assert_eq!((reply.status, reply.text()), (415, ""));
    assert_eq!(reply.header("accept-encoding"), Some("identity"));
    assert_eq!(reply.header("content-encoding"), None);
    client.assert_gone().await;
    let client = Polling::open(&server).await;
    let head = format!("POST {}", client.target());
    let identity = "Content-Encoding: Identity\r\n";
    let reply = request_with(&server, &head, identity, b"4plain").await;
    assert_eq!(reply.text(), "ok");
    let target = "/engine.io/?EIO=4&transport=websocket";
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\nAccept-Encoding: gzip\r\n";
    let (_, reply) = Ws::ask(&server, target, offer).await;
    assert_eq!(reply.status, 101);
    assert_eq!(reply.header("sec-websocket-extensions"), None);
    assert_eq!(reply.header("content-encoding"), None);
}
