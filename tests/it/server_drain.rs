//! A planned stop.

use std::net::SocketAddr;
use std::time::Instant;

use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Answer, Live, TestApp, raw, soon};

async fn get(app: &TestApp, path: &str) -> Answer {
    app.anonymous(Method::GET, path, Value::Null).await
}

async fn handshake(address: SocketAddr) -> String {
    let target = "/socket.io/?EIO=4&transport=polling";
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    raw(address, request).await
}

#[tokio::test]
async fn before_the_end_it_is_alive_but_not_ready_and_takes_nobody_new() {
    // Longer than anything here takes; nobody waits for it.
    let mut app = TestApp::with(&["--rate-limits=off", "--drain-delay=60"]).await;
    let ann = app.person("Ann").await;
    let mut live = ann.connect().await;
    let _ended = app.begin_to_stop();
    soon("not ready", async {
        while get(&app, "/readyz").await.status != 503 {}
    })
    .await;
    assert_eq!(get(&app, "/readyz").await.refused(503), "unavailable");
    assert_eq!(get(&app, "/healthz").await.status, 200);
    let refused = handshake(app.address).await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.contains("\r\nretry-after: 1\r\n"), "{refused}");
    // Who is there already is served as before.
    assert_eq!(ann.get("/api/auth/profile").await.status, 200);
    assert_eq!(
        live.ask("sync", json!({ "positions": {} })).await["success"],
        true
    );
}

#[tokio::test]
async fn everybody_is_told_when_to_come_back_and_no_socket_is_disconnected() {
    let mut app = TestApp::with(&["--rate-limits=off", "--drain-delay=1"]).await;
    let ann = app.person("Ann").await;
    let mut lives = [
        ann.connect().await,
        ann.connect().await,
        ann.connect().await,
    ];
    let ended = app.begin_to_stop();
    for live in &mut lives {
        let after = live.event("server-draining").await["reconnectAfterMs"].as_u64();
        assert!(
            after.is_some_and(|ms| (500..5_500).contains(&ms)),
            "{after:?}"
        );
        let last = live.closed().await;
        assert!(
            !last.iter().any(|packet| packet.starts_with("41")),
            "{last:?}"
        );
    }
    soon("the end", ended).await.expect("ended");
}

#[tokio::test]
async fn more_than_a_batch_is_closed_too() {
    let mut app = TestApp::with(&["--rate-limits=off", "--drain-time=0"]).await;
    let ann = app.person("Ann").await;
    let mut lives: Vec<Live> = Vec::new();
    for _ in 0..150 {
        lives.push(ann.connect().await);
    }
    let ended = app.begin_to_stop();
    for live in &mut lives {
        live.event("server-draining").await;
        live.closed().await;
    }
    soon("the end", ended).await.expect("ended");
}

#[tokio::test]
async fn half_a_request_does_not_hold_up_the_end() {
    let mut app = TestApp::start().await;
    let mut half = TcpStream::connect(app.address).await.expect("a connection");
    half.write_all(b"GET /healthz HTTP/1.1\r\nHo")
        .await
        .expect("sent");
    // The answer proves that the half was accepted before the end begins.
    get(&app, "/healthz").await.expect(200);
    let begun = Instant::now();
    app.stop().await;
    // It is given one second; the answers that are in work would have five.
    assert!(begun.elapsed().as_secs() < 4, "{:?}", begun.elapsed());
}
