//! Session ids that the application makes.

use std::sync::atomic::{AtomicUsize, Ordering};

use engineio::{Config, GenerateId, Sid};

use crate::{
    client::{Polling, Ws, request, sid_of},
    server::{TestServer, config},
};

const OPEN: &str = "GET /engine.io/?EIO=4&transport=polling";
const OPEN_WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";
const FIXED: &str = "node-1_AAAAAAAAAAAAA";
const REFUSED: &str = r#"{"code":3,"message":"Bad request"}"#;

async fn with(generate_id: GenerateId) -> TestServer {
    TestServer::with(Config {
        generate_id: Some(generate_id),
        ..config()
    })
    .await
}

#[tokio::test]
async fn the_application_makes_the_ids_of_both_transports() {
    let next = AtomicUsize::new(0);
    let server = with(GenerateId::new(move |_, _| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        Sid::parse(&format!("node-1_{number:013}"))
    }))
    .await;
    let client = Polling::open(&server).await;
    assert_eq!(client.sid, "node-1_0000000000000");
    client.post("4a").await;
    assert_eq!(client.poll().await.text(), "4a");
    let (_, open) = Ws::open(&server).await;
    assert_eq!(sid_of(&open), "node-1_0000000000001");
}

#[tokio::test]
async fn the_id_may_come_later_and_depend_on_the_request() {
    let server = with(GenerateId::asynchronous(|parts, peer| {
        let asked = parts.headers.get("x-id").cloned();
        async move {
            tokio::task::yield_now().await;
            assert!(peer.ip().is_loopback());
            Sid::parse(asked?.to_str().ok()?)
        }
    }))
    .await;
    let headers = format!("X-Id: {FIXED}\r\n");
    let reply = crate::client::request_with(&server, OPEN, &headers, b"").await;
    assert_eq!(sid_of(reply.text()), FIXED);
}

#[tokio::test]
async fn an_id_in_use_is_refused_and_its_session_is_unharmed() {
    let server = with(GenerateId::new(|_, _| Sid::parse(FIXED))).await;
    let client = Polling::open(&server).await;
    let reply = request(&server, OPEN, b"").await;
    assert_eq!(reply.row(), (400, "application/json", REFUSED));
    let (_, reply) = Ws::ask(&server, OPEN_WEBSOCKET, "").await;
    assert_eq!(reply.row(), (400, "text/html", "Bad request"));
    client.post("4alive").await;
    assert_eq!(client.poll().await.text(), "4alive");
    assert_eq!(server.count(), 1);
    client.post("1").await;
    Polling::open(&server).await;
}

#[tokio::test]
async fn what_is_unsafe_in_a_header_is_no_id() {
    for id in [
        "",
        "short",
        "AAAAAAAAAAAAAAAAAA\r\n",
        "AAAAAAAAAAAAAAAAAA; ",
        "AAAAAAAAAAAAAAAAAA\0\0",
        "äääääääääää",
    ] {
        let server = with(GenerateId::new(move |_, _| Sid::parse(id))).await;
        let reply = request(&server, OPEN, b"").await;
        assert_eq!(reply.row(), (400, "application/json", REFUSED), "{id:?}");
        let (_, reply) = Ws::ask(&server, OPEN_WEBSOCKET, "").await;
        assert_eq!(reply.row(), (400, "text/html", "Bad request"), "{id:?}");
        assert_eq!(server.count(), 0);
    }
}
