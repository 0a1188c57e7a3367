//! The heartbeat, with the times of the official suite: 300 ms and 200 ms. The clock is stopped, so that they are exact.

use std::time::Duration;

use engineio::{CloseReason, Config};
use tokio::time::Instant;

use crate::server::{Connect, InMemory, Seen, TestServer, config};

const INTERVAL: Duration = Duration::from_millis(300);
const TIMEOUT: Duration = Duration::from_millis(200);

fn server() -> InMemory {
    TestServer::in_memory(Config {
        ping_interval: INTERVAL,
        ping_timeout: TIMEOUT,
        ..config()
    })
}

#[tokio::test(start_paused = true)]
async fn polling_clients_are_pinged_and_answer() {
    let server = server();
    let client = server.open().await;
    let begun = Instant::now();
    for beat in 1..=3 {
        assert_eq!(server.poll(&client).await.text(), "2");
        assert_eq!(begun.elapsed(), INTERVAL * beat);
        assert_eq!(server.post(&client, b"3").await.text(), "ok");
    }
}

#[tokio::test(start_paused = true)]
async fn websocket_clients_are_pinged_and_answer() {
    let server = server();
    let (mut ws, _) = server.websocket().await;
    let begun = Instant::now();
    for beat in 1..=3 {
        assert_eq!(ws.text().await, "2");
        assert_eq!(begun.elapsed(), INTERVAL * beat);
        ws.send("3").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_polling_session_is_gone_exactly_in_time() {
    let server = server();
    let client = server.open().await;
    let begun = Instant::now();
    server.emptied().await;
    assert_eq!(begun.elapsed(), INTERVAL + TIMEOUT);
    let gone = server.poll(&client).await;
    let unknown = r#"{"code":1,"message":"Session ID unknown"}"#;
    assert_eq!(gone.row(), (400, "application/json", unknown));
}

#[tokio::test(start_paused = true)]
async fn a_silent_websocket_session_is_closed_exactly_in_time() {
    let mut server = server();
    let (mut ws, _) = server.websocket().await;
    let begun = Instant::now();
    assert_eq!(ws.text().await, "2");
    ws.assert_closed(None).await;
    assert_eq!(begun.elapsed(), INTERVAL + TIMEOUT);
    let seen = [Seen::Opened, Seen::Closed(CloseReason::PingTimeout)];
    assert_eq!(server.seen(), seen);
}
