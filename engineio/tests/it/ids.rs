//! Session ids that the application makes.

use std::sync::atomic::{AtomicUsize, Ordering};

use engineio::{Config, Cookie, GenerateId, SessionId};

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
        SessionId::new(&format!("node-1_{number:013}"))
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
            SessionId::new(asked?.to_str().ok()?)
        }
    }))
    .await;
    let headers = format!("X-Id: {FIXED}\r\n");
    let reply = crate::client::request_with(&server, OPEN, &headers, b"").await;
    assert_eq!(sid_of(reply.text()), FIXED);
}

#[tokio::test]
async fn an_id_in_use_is_refused_and_its_session_is_unharmed() {
    let server = with(GenerateId::new(|_, _| SessionId::new(FIXED))).await;
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

/// As a client writes an id into its query string.
fn percent_encoded(id: &str) -> String {
    id.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn any_text_is_an_id_and_is_escaped_wherever_it_goes() {
    let longest = "x".repeat(SessionId::MAX_LEN);
    for (id, json, cookie) in [
        ("7", "7", "7"),
        ("user:1/a b", "user:1/a b", "user%3A1%2Fa%20b"),
        (
            "a\"\\\r\n;\u{1e}",
            r#"a\"\\\r\n;\u001e"#,
            "a%22%5C%0D%0A%3B%1E",
        ),
        ("naïve-~!*'()", "naïve-~!*'()", "na%C3%AFve-~!*'()"),
        (&longest, &longest, &longest),
    ] {
        let owned = id.to_owned();
        let server = TestServer::with(Config {
            generate_id: Some(GenerateId::new(move |_, _| SessionId::new(&owned))),
            cookie: Some(Cookie::default()),
            ..config()
        })
        .await;
        let reply = request(&server, OPEN, b"").await;
        let open = format!(r#"0{{"sid":"{json}","upgrades""#);
        assert!(reply.text().starts_with(&open), "{}", reply.text());
        let value = format!("io={cookie}; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(reply.header("set-cookie"), Some(value.as_str()));
        assert_eq!(server.session().id().as_str(), id);
        let target = format!("{OPEN}&sid={}", percent_encoded(id));
        let post = target.replace("GET", "POST");
        assert_eq!(request(&server, &post, b"4alive").await.text(), "ok");
        assert_eq!(request(&server, &target, b"").await.text(), "4alive");
    }
}

#[tokio::test]
async fn no_id_an_empty_one_and_one_too_long_are_refused() {
    for id in ["".to_owned(), "x".repeat(SessionId::MAX_LEN + 1)] {
        let server = with(GenerateId::new(move |_, _| SessionId::new(&id))).await;
        let reply = request(&server, OPEN, b"").await;
        assert_eq!(reply.row(), (400, "application/json", REFUSED));
        let (_, reply) = Ws::ask(&server, OPEN_WEBSOCKET, "").await;
        assert_eq!(reply.row(), (400, "text/html", "Bad request"));
        assert_eq!(server.count(), 0);
    }
}
