//! The ends of sessions that the application or the client wants.

use std::time::Duration;

use tokio::time::Instant;

use engineio::{CloseMode, CloseReason, Config, Frame, SendError, proto::outbox::OutboxLimits};

use crate::{
    client::{Polling, Ws, soon},
    server::{Connect, Seen, TestServer, config},
};

#[tokio::test]
async fn trap_27_a_close_packet_ends_the_waiting_poll() {
    let mut server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let mut poll = client.begin_poll().await;
    // The poll must be the first of the two.
    client.post("6").await;
    assert_eq!(client.post("1").await.row(), (200, "text/html", "ok"));
    assert_eq!(
        poll.reply().await.row(),
        (200, "text/plain; charset=UTF-8", "6")
    );
    client.assert_gone().await;
    assert_eq!(server.seen().await, Seen::Opened);
    assert_eq!(
        server.seen().await,
        Seen::Closed(CloseReason::TransportClose)
    );
    server.assert_unseen();
}

#[tokio::test]
async fn trap_28_a_close_with_a_waiting_poll_answers_it() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let mut poll = client.begin_poll().await;
    client.post("6").await;
    server.session().close(CloseMode::Flush);
    assert_eq!(poll.reply().await.text(), "1");
    client.assert_gone().await;
}

#[tokio::test]
async fn trap_28_a_close_without_a_poll_waits_for_the_next() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let session = server.session();
    session.send(Frame::text("bye")).unwrap();
    session.close(CloseMode::Flush);
    assert_eq!(client.poll().await.text(), "4bye");
    assert_eq!(session.send(Frame::text("late")), Err(SendError::Closed));
    assert_eq!(client.poll().await.text(), "6\x1e1");
    client.assert_gone().await;
}

#[tokio::test(start_paused = true)]
async fn an_orderly_close_does_not_wait_for_ever() {
    let close_timeout = Duration::from_millis(50);
    let mut server = TestServer::in_memory(Config {
        close_timeout,
        ..config()
    });
    let client = server.open().await;
    let begun = Instant::now();
    server.session().close(CloseMode::Flush);
    server.emptied().await;
    assert_eq!(begun.elapsed(), close_timeout);
    let seen = [Seen::Opened, Seen::Closed(CloseReason::ForcedClose)];
    assert_eq!(server.seen(), seen);
    server.assert_gone(&client).await;
}

#[tokio::test]
async fn a_websocket_is_flushed_and_closed_without_a_code() {
    let server = TestServer::start().await;
    let (mut ws, _) = Ws::open(&server).await;
    let session = server.session();
    session.send(Frame::text(&"x".repeat(500_000))).unwrap();
    session.send(Frame::text("bye")).unwrap();
    session.close(CloseMode::Flush);
    assert_eq!(ws.text().await.len(), 500_001);
    assert_eq!(ws.text().await, "4bye");
    ws.assert_closed(None).await;
}

#[tokio::test]
async fn the_end_of_the_server_closes_every_session_at_once() {
    let mut server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let mut poll = client.begin_poll().await;
    client.post("6").await;
    let (mut ws, _) = Ws::open(&server).await;
    let idle = Polling::open(&server).await;
    server.close();
    assert_eq!(poll.reply().await.text(), "1");
    ws.assert_closed(None).await;
    idle.assert_gone().await;
    for _ in 0..3 {
        assert_eq!(server.seen().await, Seen::Opened);
    }
    for _ in 0..3 {
        assert_eq!(server.seen().await, Seen::Closed(CloseReason::ForcedClose));
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn the_end_of_all_sessions_can_be_awaited() {
    let server = TestServer::start().await;
    soon("no session", server.closed()).await;
    let client = Polling::open(&server).await;
    let poll = client.begin_poll().await;
    let (mut ws, _) = Ws::open(&server).await;
    let waiting = soon("not yet", async {
        tokio::time::timeout(Duration::from_millis(50), server.closed()).await
    });
    assert!(waiting.await.is_err(), "sessions are open");
    server.close();
    // The client has to end the connection before the stream counts as closed.
    let end = async {
        ws.assert_close_frame(None).await;
        drop((ws, poll));
    };
    soon("closed", async { tokio::join!(server.closed(), end) }).await;
    assert_eq!(server.count(), 0);
}

/// How long the end of a stream waits for its client.
const LINGER: Duration = Duration::from_millis(1500);

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_ended_by_its_client_holds_the_end_back_for_a_while() {
    let server = TestServer::in_memory(config());
    let (mut ws, _) = server.websocket().await;
    let begun = Instant::now();
    server.close();
    ws.assert_close_frame(None).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    server.emptied().await;
    assert_eq!(begun.elapsed(), LINGER);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_answer_the_close_frame_is_dropped_soon() {
    let server = TestServer::in_memory(config());
    let (mut ws, _) = server.websocket().await;
    let begun = Instant::now();
    server.session().close(CloseMode::Flush);
    // It neither answers nor closes: the connection must still end.
    while ws.read_frame().await.is_some() {}
    assert!(begun.elapsed() <= LINGER, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_client_that_takes_no_byte_is_closed() {
    let config = Config {
        write_timeout: Duration::from_millis(100),
        outbox: OutboxLimits {
            soft_bytes: usize::MAX,
            hard_bytes: usize::MAX,
            ..OutboxLimits::default()
        },
        ..config()
    };
    let mut server = TestServer::with(config).await;
    let (_ws, _) = Ws::open(&server).await;
    // More than the buffers of both kernels hold.
    let frame = Frame::text(&"x".repeat(32 << 20));
    server.session().send(frame).unwrap();
    assert_eq!(server.seen().await, Seen::Opened);
    assert_eq!(server.seen().await, Seen::Closed(CloseReason::SlowConsumer));
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn handles_outlive_their_session() {
    let mut server = TestServer::start().await;
    let (mut ws, _) = Ws::open(&server).await;
    let session = server.session();
    ws.send("1").await;
    ws.assert_closed(None).await;
    assert_eq!(server.seen().await, Seen::Opened);
    soon("closed", server.seen()).await;
    assert!(session.is_closed());
    assert_eq!(session.send(Frame::text("late")), Err(SendError::Closed));
    assert_eq!(session.queued_bytes(), 0);
    session.close(CloseMode::Discard);
    session.wake();
}
