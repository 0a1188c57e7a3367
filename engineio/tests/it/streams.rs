//! Sessions as streams.

use std::time::Duration;

use tokio::time::Instant;

use engineio::{CloseReason, Config, Event, Frame, SessionEvents, Sessions, TransportKind};

use crate::{
    client::{Http, Polling, Ws, soon},
    server::{TestServer, config, connect_in_memory},
};

async fn start(config: Config) -> (TestServer, Sessions) {
    let (server, sessions) = engineio::sessions(config);
    (TestServer::serving(&server).await, sessions)
}

async fn next(session: &mut SessionEvents) -> Option<Event> {
    soon("event", session.next()).await
}

fn text(text: &str) -> Option<Event> {
    Some(Event::Text(text.to_owned()))
}

#[tokio::test]
async fn a_session_is_a_stream_of_events_that_ends_with_its_reason() {
    let (server, mut sessions) = start(config()).await;
    let (mut ws, _) = Ws::open(&server).await;
    let mut session = soon("session", sessions.next()).await.unwrap();
    assert_eq!(session.handshake().transport(), TransportKind::Websocket);
    ws.send("4hello").await;
    ws.send_binary(&[1, 2]).await;
    assert_eq!(next(&mut session).await, text("hello"));
    assert_eq!(
        next(&mut session).await,
        Some(Event::Binary(vec![1, 2].into()))
    );
    session.handle().send(Frame::text("answer")).unwrap();
    assert_eq!(ws.text().await, "4answer");
    ws.send("4last").await;
    ws.send("1").await;
    ws.assert_closed(None).await;
    assert_eq!(next(&mut session).await, text("last"));
    let closed = Some(Event::Closed(CloseReason::TransportClose));
    assert_eq!(next(&mut session).await, closed);
    assert_eq!(next(&mut session).await, None);
}

#[tokio::test]
async fn a_client_whose_events_nobody_takes_is_read_no_further() {
    let (server, mut sessions) = start(config()).await;
    let client = Polling::open(&server).await;
    let mut session = soon("session", sessions.next()).await.unwrap();
    let packets: Vec<_> = (0..200).map(|number| format!("4{number}")).collect();
    let mut post = Http::connect(&server).await;
    let head = format!("POST {}", client.target());
    post.send(&head, "", packets.join("\x1e").as_bytes()).await;
    let early = tokio::time::timeout(Duration::from_millis(100), post.read_reply()).await;
    assert!(early.is_err(), "the post waits: {early:?}");
    for number in 0..200 {
        assert_eq!(next(&mut session).await, text(&number.to_string()));
    }
    assert_eq!(post.reply().await.text(), "ok");
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_events_nobody_takes_ends_after_a_while() {
    let stall_timeout = Duration::from_millis(50);
    let config = Config {
        stall_timeout,
        ..config()
    };
    let (server, mut sessions) = engineio::sessions(config);
    let target = "/engine.io/?EIO=4&transport=websocket";
    let mut ws = Ws::upgrade(connect_in_memory(&server), target).await;
    assert!(ws.text().await.starts_with('0'));
    let mut session = soon("session", sessions.next()).await.unwrap();
    let begun = Instant::now();
    for _ in 0..100 {
        ws.send("4x").await;
    }
    ws.assert_closed(None).await;
    assert_eq!(begun.elapsed(), stall_timeout);
    drop(ws);
    soon("the end", server.closed()).await;
    let mut last = None;
    while let Some(event) = next(&mut session).await {
        last = Some(event);
    }
    assert_eq!(last, Some(Event::Closed(CloseReason::Stalled)));
}

#[tokio::test]
async fn a_session_that_is_dropped_is_flushed_and_closed() {
    let (server, mut sessions) = start(config()).await;
    let (mut ws, _) = Ws::open(&server).await;
    let session = soon("session", sessions.next()).await.unwrap();
    session.handle().send(Frame::text("bye")).unwrap();
    drop(session);
    assert_eq!(ws.text().await, "4bye");
    ws.assert_closed(None).await;
}

#[tokio::test]
async fn without_a_taker_sessions_are_closed_at_once() {
    let (server, sessions) = start(config()).await;
    drop(sessions);
    let (mut ws, _) = Ws::open(&server).await;
    ws.assert_closed(None).await;
    assert_eq!(server.count(), 0);
}
