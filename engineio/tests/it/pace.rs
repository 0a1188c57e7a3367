//! Clients that send faster than they may. The clock is stopped, so that times are exact.

use std::{sync::Arc, time::Duration};

use engineio::{CloseReason, Config, PaceLimits, metrics::Metrics};
use tokio::time::Instant;

use crate::{
    client::{Ws, frame},
    server::{Connect as _, InMemory, Seen, TestServer, config},
};

/// A packet in 10 ms, and 20 at once.
const PACE: PaceLimits = PaceLimits {
    packets_per_second: 100,
    packet_burst: 20,
    bytes_per_second: 1_000_000,
    byte_burst: 1_000_000,
};
/// Packets that are sent at once: after 21 there is a pause of 110 ms, and after each 11 more.
const SENT: usize = 21 + 2 * 11;
const TAKES: Duration = Duration::from_millis(220);

fn server(metrics: &Arc<Metrics>) -> InMemory {
    TestServer::in_memory(Config {
        pace: Some(PACE),
        metrics: Arc::clone(metrics),
        ..config()
    })
}

async fn websocket(server: &InMemory) -> Ws<tokio::io::DuplexStream> {
    let target = "/engine.io/?EIO=4&transport=websocket";
    let mut ws = Ws::upgrade(server.connect(), target).await;
    assert!(ws.text().await.starts_with('0'));
    ws
}

fn assert_seen_in_order(server: &mut InMemory, last: &str) {
    let texts = (0..SENT).map(|number| Seen::Text(number.to_string()));
    let expected: Vec<_> = std::iter::once(Seen::Opened)
        .chain(texts)
        .chain([Seen::Text(last.to_owned())])
        .collect();
    assert_eq!(server.seen(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_websocket_ahead_of_its_pace_is_read_later_whole_and_in_order() {
    let metrics = Arc::default();
    let mut server = server(&metrics);
    let mut ws = websocket(&server).await;
    let begun = Instant::now();
    let all = (0..SENT).flat_map(|number| frame(0x81, format!("4{number}").as_bytes()));
    ws.http.write(all.collect::<Vec<_>>()).await;
    for number in 0..SENT {
        assert_eq!(ws.text().await, format!("4{number}"));
    }
    // The timer of the runtime is as coarse as a millisecond.
    assert!(begun.elapsed() - TAKES < Duration::from_millis(5));
    assert_eq!(metrics.held_back.get(), 3);
    // While nothing is read, what is sent is written.
    server.session().send(engineio::Frame::text("hi")).unwrap();
    assert_eq!(ws.text().await, "4hi");
    assert!(begun.elapsed() - TAKES < Duration::from_millis(5));
    ws.send("4last").await;
    assert_eq!(ws.text().await, "4last");
    assert_seen_in_order(&mut server, "last");
}

#[tokio::test(start_paused = true)]
async fn a_post_ahead_of_its_pace_is_answered_later_and_lost_is_nothing() {
    let metrics = Arc::default();
    let mut server = server(&metrics);
    let client = server.open().await;
    let begun = Instant::now();
    let body: Vec<_> = (0..SENT).map(|number| format!("4{number}")).collect();
    let reply = server.post(&client, body.join("\x1e").as_bytes()).await;
    assert_eq!(reply.text(), "ok");
    assert!(begun.elapsed() - TAKES < Duration::from_millis(5));
    assert_eq!(server.post(&client, b"4last").await.text(), "ok");
    assert_seen_in_order(&mut server, "last");
}

#[tokio::test(start_paused = true)]
async fn a_post_of_packets_that_mean_nothing_is_refused_and_ends_the_session() {
    let mut server = TestServer::in_memory(config());
    let client = server.open().await;
    let most = vec!["6"; 100].join("\x1e");
    assert_eq!(server.post(&client, most.as_bytes()).await.text(), "ok");
    assert_eq!(server.post(&client, b"6\x1e4never").await.status, 400);
    server.emptied().await;
    let seen = [Seen::Opened, Seen::Closed(CloseReason::Flood)];
    assert_eq!(server.seen(), seen);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pongs_ends_the_session_and_is_counted() {
    let metrics: Arc<Metrics> = Arc::default();
    let mut server = TestServer::in_memory(Config {
        metrics: Arc::clone(&metrics),
        ..config()
    });
    let mut ws = websocket(&server).await;
    ws.http.write(frame(0x81, b"3").repeat(1000)).await;
    ws.assert_closed(None).await;
    assert_eq!(metrics.closed(CloseReason::Flood).get(), 1);
    server.emptied().await;
    let seen = [Seen::Opened, Seen::Closed(CloseReason::Flood)];
    assert_eq!(server.seen(), seen);
}
