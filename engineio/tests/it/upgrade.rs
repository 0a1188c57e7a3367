//! The upgrade from polling to WebSocket.

use std::time::Duration;

use engineio::{Config, TransportKind};

use crate::{
    client::{Polling, Ws},
    server::{Connect, Seen, TestServer, config},
};

/// A polling session, and a WebSocket that has probed it.
async fn probed(server: &TestServer) -> (Polling, Ws) {
    let client = Polling::open(server).await;
    let mut ws = Ws::connect(server, &client.websocket_target()).await;
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    (client, ws)
}

#[tokio::test]
async fn an_upgrade_goes_step_by_step() {
    let server = TestServer::start().await;
    let (client, mut ws) = probed(&server).await;
    let reply = client.poll().await;
    assert_eq!(
        reply.row(),
        (200, "text/plain; charset=UTF-8", "6"),
        "a poll after the probe"
    );
    assert_eq!(server.session().transport(), TransportKind::Polling);
    ws.send("5").await;
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
    assert_eq!(server.session().transport(), TransportKind::Websocket);
}

#[tokio::test]
async fn trap_51_who_upgrades_asking_for_base64_gets_it_from_then_on() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let target = format!("{}&b64=1", client.websocket_target());
    let mut ws = Ws::connect(&server, &target).await;
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    ws.send("5").await;
    ws.send_binary(&[1, 2, 3, 4]).await;
    assert_eq!(ws.text().await, "bAQIDBA==");
}

#[tokio::test]
async fn trap_49_a_session_is_opened_once_and_changes_the_name_of_its_transport() {
    let mut server = TestServer::start().await;
    let (_client, mut ws) = probed(&server).await;
    assert_eq!(server.seen().await, Seen::Opened);
    let session = server.session();
    assert_eq!(session.transport(), TransportKind::Polling);
    ws.send("5").await;
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
    assert_eq!(session.transport(), TransportKind::Websocket);
    assert_eq!(server.seen().await, Seen::Text("hello".to_owned()));
    server.assert_unseen();
}

#[tokio::test]
async fn a_poll_that_waits_is_ended_by_the_probe() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let mut poll = client.begin_poll().await;
    let mut ws = Ws::connect(&server, &client.websocket_target()).await;
    ws.send("2probe").await;
    assert_eq!(poll.reply().await.text(), "6");
    assert_eq!(ws.text().await, "3probe");
}

/// The client waits for it: it gives up when no ping comes in time, whatever else does.
#[tokio::test(start_paused = true)]
async fn a_ping_that_was_due_between_two_polls_goes_over_the_stream() {
    let server = TestServer::in_memory(Config {
        ping_interval: Duration::from_millis(300),
        ..config()
    });
    let client = server.open().await;
    let mut ws = Ws::upgrade(server.connect(), &client.websocket_target()).await;
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    tokio::time::advance(Duration::from_millis(301)).await;
    ws.send("5").await;
    assert_eq!(ws.text().await, "2");
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
}

#[tokio::test]
async fn probe_and_upgrade_may_arrive_back_to_back() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let mut ws = Ws::connect(&server, &client.websocket_target()).await;
    let frames = ["2probe", "5", "4hello"];
    let bytes = frames
        .map(|text| crate::client::frame(0x81, text.as_bytes()))
        .concat();
    ws.http.write(bytes).await;
    assert_eq!(ws.text().await, "3probe");
    assert_eq!(ws.text().await, "4hello");
}

#[tokio::test]
async fn trap_43_data_flows_over_polling_until_the_upgrade_and_keeps_its_order() {
    let server = TestServer::start().await;
    let (client, mut ws) = probed(&server).await;
    client.post("4a").await;
    assert_eq!(client.poll().await.text(), "4a");
    client.post("4b\x1e4c").await;
    ws.send("5").await;
    ws.send("4d").await;
    for expected in ["4b", "4c", "4d"] {
        assert_eq!(ws.text().await, expected);
    }
}

#[tokio::test]
async fn trap_44_after_the_upgrade_polling_is_refused() {
    let server = TestServer::start().await;
    let (client, mut ws) = probed(&server).await;
    ws.send("5").await;
    ws.send("4a").await;
    ws.text().await;
    let refused = (
        400,
        "application/json",
        r#"{"code":3,"message":"Bad request"}"#,
    );
    assert_eq!(client.poll().await.row(), refused);
    assert_eq!(client.post("4b").await.row(), refused);
    ws.send("4alive").await;
    assert_eq!(ws.text().await, "4alive");
}

#[tokio::test]
async fn trap_45_a_second_websocket_is_accepted_and_closed() {
    let server = TestServer::start().await;
    let (client, mut ws) = probed(&server).await;
    let mut second = Ws::connect(&server, &client.websocket_target()).await;
    second.assert_closed(None).await;
    ws.send("5").await;
    ws.send("4a").await;
    assert_eq!(ws.text().await, "4a");
    let mut third = Ws::connect(&server, &client.websocket_target()).await;
    third.assert_closed(None).await;
    ws.send("4b").await;
    assert_eq!(ws.text().await, "4b");
}

#[tokio::test]
async fn trap_41_a_first_frame_that_is_no_probe_closes_only_the_websocket() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    for text in ["4hello", "5", "2", "abc", "1"] {
        let mut ws = Ws::connect(&server, &client.websocket_target()).await;
        ws.send(text).await;
        ws.assert_closed(None).await;
    }
    let mut ws = Ws::connect(&server, &client.websocket_target()).await;
    ws.send_binary(b"2probe").await;
    ws.assert_closed(None).await;
    client.post("4alive").await;
    assert_eq!(client.poll().await.text(), "4alive");
}

#[tokio::test]
async fn a_violation_on_the_probe_has_its_code_and_leaves_polling_alive() {
    let server = TestServer::start().await;
    let (client, mut ws) = probed(&server).await;
    ws.http.write(crate::client::frame(0x83, b"")).await;
    ws.assert_closed(Some(1002)).await;
    client.post("4alive").await;
    assert_eq!(client.poll().await.text(), "4alive");
}

#[tokio::test(start_paused = true)]
async fn trap_46_a_probe_that_goes_on_too_long_is_closed() {
    let upgrade_timeout = Duration::from_millis(50);
    let server = TestServer::in_memory(Config {
        upgrade_timeout,
        ..config()
    });
    for probes in [false, true] {
        let client = server.open().await;
        let begun = tokio::time::Instant::now();
        let mut ws = Ws::upgrade(server.connect(), &client.websocket_target()).await;
        if probes {
            ws.send("2probe").await;
            assert_eq!(ws.text().await, "3probe");
        }
        ws.assert_closed(None).await;
        assert_eq!(begun.elapsed(), upgrade_timeout);
        assert_eq!(server.post(&client, b"4alive").await.text(), "ok");
        assert_eq!(server.poll(&client).await.text(), "4alive");
    }
}

#[tokio::test]
async fn a_probe_that_is_dropped_leaves_polling_alive() {
    let server = TestServer::start().await;
    let (client, ws) = probed(&server).await;
    drop(ws);
    client.post("4alive").await;
    // A poll may still meet the probe, and then ends with a noop.
    let mut reply = client.poll().await;
    while reply.text() == "6" {
        reply = client.poll().await;
    }
    assert_eq!(reply.text(), "4alive");
}

#[tokio::test]
async fn trap_48_the_end_of_the_session_closes_the_probe() {
    let server = TestServer::start().await;
    let (client, mut ws) = probed(&server).await;
    assert_eq!(client.post("1").await.text(), "ok");
    ws.assert_closed(None).await;
    client.assert_gone().await;
}

#[tokio::test]
async fn an_upgrade_of_an_unknown_session_is_refused() {
    let server = TestServer::start().await;
    let target = "/engine.io/?EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAA";
    let (_, reply) = Ws::ask(&server, target, "").await;
    assert_eq!(reply.row(), (400, "text/html", "Session ID unknown"));
}
