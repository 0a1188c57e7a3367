//! The heartbeat in real time, with the times of the official suite: 300 ms and 200 ms.

use std::time::{Duration, Instant};

use engineio::{CloseReason, Config};

use crate::{
    client::{Polling, Ws},
    server::{Seen, TestServer, config},
};

const INTERVAL: Duration = Duration::from_millis(300);

async fn server() -> TestServer {
    let ping_timeout = Duration::from_millis(200);
    TestServer::with(Config {
        ping_interval: INTERVAL,
        ping_timeout,
        ..config()
    })
    .await
}

#[tokio::test]
async fn polling_clients_are_pinged_and_answer() {
    let server = server().await;
    let client = Polling::open(&server).await;
    for _ in 0..3 {
        let begun = Instant::now();
        assert_eq!(client.poll().await.text(), "2");
        assert!(
            begun.elapsed() > INTERVAL - Duration::from_millis(30),
            "not before its time"
        );
        assert_eq!(client.post("3").await.text(), "ok");
    }
}

#[tokio::test]
async fn websocket_clients_are_pinged_and_answer() {
    let server = server().await;
    let (mut ws, _) = Ws::open(&server).await;
    for _ in 0..3 {
        let begun = Instant::now();
        assert_eq!(ws.text().await, "2");
        assert!(
            begun.elapsed() > INTERVAL - Duration::from_millis(30),
            "not before its time"
        );
        ws.send("3").await;
    }
}

#[tokio::test]
async fn a_silent_polling_session_is_gone_exactly_in_time() {
    let server = server().await;
    let client = Polling::open(&server).await;
    let opened = Instant::now();
    tokio::time::sleep_until((opened + Duration::from_millis(500)).into()).await;
    client.assert_gone().await;
}

#[tokio::test]
async fn a_silent_websocket_session_is_closed_in_time() {
    let mut server = server().await;
    let (mut ws, _) = Ws::open(&server).await;
    let opened = Instant::now();
    assert_eq!(ws.text().await, "2");
    ws.assert_closed(None).await;
    let elapsed = opened.elapsed();
    assert!((480..600).contains(&elapsed.as_millis()), "{elapsed:?}");
    assert_eq!(server.seen().await, Seen::Opened);
    assert_eq!(server.seen().await, Seen::Closed(CloseReason::PingTimeout));
}
