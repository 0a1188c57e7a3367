//! The contract of the server that the official client's own suite runs against, assertion by
//! assertion, on the example itself. The first ping is 500 ms away and a missing pong shows after
//! 20 s, so every wait here is bounded by [`BOUND`].

use std::{future::Future, time::Duration};

use tokio::net::TcpListener;

use crate::{
    client::{Polling, Reply, Ws, WsFrame, request, request_with, sid_of},
    server::TestServer,
};

#[path = "../../examples/engineio_client_suite.rs"]
#[allow(dead_code, reason = "the example's own main is not run")]
mod example;

/// Longest wait for anything: 250 ms, half of the ping interval.
const BOUND: Duration = Duration::from_millis(250);
const OPEN_POLLING: &str = "GET /engine.io/?EIO=4&transport=polling";
const OPEN_WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";

async fn bounded<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(BOUND, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {BOUND:?}"),
    }
}

async fn start() -> TestServer {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (server, observe) = example::suite();
    tokio::spawn(example::accept(listener, server, observe));
    TestServer::at(address)
}

/// A polling session past its greeting.
async fn polling(server: &TestServer) -> Polling {
    let client = bounded("open", Polling::open(server)).await;
    assert_eq!(poll(&client).await, "4hi");
    client
}

/// A WebSocket session past its greeting.
async fn websocket(server: &TestServer) -> Ws {
    let (mut ws, _) = bounded("open", Ws::open(server)).await;
    assert_eq!(text(&mut ws).await, "4hi");
    ws
}

async fn poll(client: &Polling) -> String {
    let reply = bounded("poll", client.poll()).await;
    let row = (reply.status, reply.header("content-type").unwrap());
    assert_eq!(row, (200, "text/plain; charset=UTF-8"));
    reply.text().to_owned()
}

async fn post(client: &Polling, body: &str) -> Reply {
    bounded("post", client.post(body)).await
}

async fn text(ws: &mut Ws) -> String {
    bounded("text frame", ws.text()).await
}

#[tokio::test]
async fn the_open_packet_advertises_the_times_and_the_limit_of_the_contract() {
    let server = start().await;
    let reply = bounded("open", request(&server, OPEN_POLLING, b"")).await;
    let sid = sid_of(reply.text());
    let expected = format!(
        r#"0{{"sid":"{sid}","upgrades":["websocket"],"pingInterval":500,"pingTimeout":20000,"maxPayload":100}}"#
    );
    assert_eq!(reply.text(), expected);
    let (_, open) = bounded("open", Ws::open(&server)).await;
    assert!(open.contains(r#""upgrades":[],"pingInterval":500,"pingTimeout":20000"#));
    assert!(open.ends_with(r#""maxPayload":100}"#), "{open}");
}

#[tokio::test]
async fn the_first_message_is_hi_and_nothing_else_follows() {
    let server = start().await;
    let client = polling(&server).await;
    let mut ws = websocket(&server).await;
    assert_eq!(post(&client, "4next").await.text(), "ok");
    assert_eq!(poll(&client).await, "4next");
    ws.send("4next").await;
    assert_eq!(text(&mut ws).await, "4next");
}

#[tokio::test]
async fn the_first_ping_comes_after_500_ms_and_not_before() {
    let server = start().await;
    let client = polling(&server).await;
    let (mut ws, _) = Ws::open(&server).await;
    assert_eq!(text(&mut ws).await, "4hi");
    let early = tokio::time::timeout(BOUND, ws.read_frame()).await;
    assert!(early.is_err(), "a ping before its time: {early:?}");
    // Of the 500 ms, 250 are over.
    let pings = async { tokio::join!(ws.frame(), client.poll()) };
    let (frame, reply) = tokio::time::timeout(BOUND * 2, pings).await.unwrap();
    assert_eq!(frame, WsFrame(0x81, b"2".to_vec()));
    assert_eq!(reply.text(), "2");
}

#[tokio::test]
async fn texts_and_bytes_are_echoed_on_both_transports() {
    let server = start().await;
    let client = polling(&server).await;
    for packet in ["4hello", "4", "4пойду", "bAQID"] {
        assert_eq!(post(&client, packet).await.row(), (200, "text/html", "ok"));
        assert_eq!(poll(&client).await, packet);
    }
    let mut ws = websocket(&server).await;
    for packet in ["4hello", "4", "4пойду"] {
        ws.send(packet).await;
        assert_eq!(text(&mut ws).await, packet);
    }
    ws.send_binary(&[1, 2, 3]).await;
    let frame = bounded("binary", ws.frame()).await;
    assert_eq!(frame, WsFrame(0x82, vec![1, 2, 3]));
}

#[tokio::test]
async fn give_binary_is_answered_with_five_bytes() {
    let server = start().await;
    let client = polling(&server).await;
    post(&client, "4give binary").await;
    assert_eq!(poll(&client).await, "bAAECAwQ=");
    let mut ws = websocket(&server).await;
    ws.send("4give binary").await;
    let frame = bounded("binary", ws.frame()).await;
    assert_eq!(frame, WsFrame(0x82, vec![0, 1, 2, 3, 4]));
}

#[tokio::test]
async fn give_utf8_is_answered_with_a_russian_text() {
    let server = start().await;
    let client = polling(&server).await;
    post(&client, "4give utf8").await;
    assert_eq!(poll(&client).await, "4пойду спать всем спокойной ночи");
    let mut ws = websocket(&server).await;
    ws.send("4give utf8").await;
    assert_eq!(text(&mut ws).await, "4пойду спать всем спокойной ночи");
}

#[tokio::test]
async fn send_headers_is_answered_with_the_headers_of_its_post() {
    let server = start().await;
    let client = polling(&server).await;
    let head = format!("POST {}", client.target());
    let headers = "X-Custom-Header-For-My-Project: my-secret-\"access\"\r\nCookie: 1=1; 2=2\r\n";
    let posted = request_with(&server, &head, headers, b"4sendHeaders");
    assert_eq!(bounded("post", posted).await.text(), "ok");
    let json = poll(&client).await;
    for field in [
        r#""host":"localhost""#,
        r#""x-custom-header-for-my-project":"my-secret-\"access\"""#,
        r#""cookie":"1=1; 2=2""#,
        r#""content-length":"12""#,
    ] {
        assert!(json.contains(field), "{field} in {json}");
    }
    assert!(json.starts_with("4{") && json.ends_with('}'), "{json}");
}

#[tokio::test]
async fn a_denied_handshake_is_403_on_polling_and_400_on_an_upgrade() {
    let server = start().await;
    let head = format!("{OPEN_POLLING}&deny=1");
    let reply = bounded("denial", request(&server, &head, b"")).await;
    let forbidden = r#"{"code":4,"message":"Forbidden"}"#;
    assert_eq!(reply.row(), (403, "application/json", forbidden));
    assert!(reply.all("set-cookie").is_empty(), "no session was opened");
    let target = format!("{OPEN_WEBSOCKET}&deny=1");
    let (mut ws, reply) = bounded("denial", Ws::ask(&server, &target, "")).await;
    assert_eq!(reply.row(), (400, "text/html", "Forbidden"));
    bounded("end", ws.http.ended()).await;
}

#[tokio::test]
async fn an_unknown_sid_is_refused_to_the_byte() {
    let server = start().await;
    for (method, body) in [("GET", ""), ("POST", "4hello")] {
        let head = format!("{method} /engine.io/?EIO=4&transport=polling&sid=abc");
        let reply = bounded("refusal", request(&server, &head, body.as_bytes())).await;
        let unknown = r#"{"code":1,"message":"Session ID unknown"}"#;
        assert_eq!(reply.row(), (400, "application/json", unknown));
    }
    let target = format!("{OPEN_WEBSOCKET}&sid=abc");
    let (mut ws, reply) = bounded("refusal", Ws::ask(&server, &target, "")).await;
    assert_eq!(reply.row(), (400, "text/html", "Session ID unknown"));
    bounded("end", ws.http.ended()).await;
}

#[tokio::test]
async fn the_handshake_sets_four_cookies_and_later_replies_none() {
    let server = start().await;
    let reply = bounded("open", request(&server, OPEN_POLLING, b"")).await;
    assert_cookies(&reply);
    let client = polling(&server).await;
    assert!(post(&client, "4a").await.all("set-cookie").is_empty());
    let reply = bounded("poll", client.poll()).await;
    assert!(reply.all("set-cookie").is_empty());
    let (_, reply) = bounded("open", Ws::ask(&server, OPEN_WEBSOCKET, "")).await;
    assert_cookies(&reply);
}

#[track_caller]
fn assert_cookies(reply: &Reply) {
    let cookies = reply.all("set-cookie");
    let [first, second, third, fourth] = cookies[..] else {
        panic!("four cookies, not {cookies:?}");
    };
    assert_eq!(first, "1=1; Max-Age=86400");
    assert_eq!(second, "2=2; Path=/; HttpOnly; Secure; SameSite=Strict");
    assert_eq!(third, "3=3; Max-Age=0");
    let date = fourth.strip_prefix("4=4; Expires=").unwrap();
    assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
}

#[tokio::test]
async fn a_post_of_100_bytes_is_accepted_and_one_of_101_gets_an_empty_413() {
    let server = start().await;
    let client = polling(&server).await;
    let fits = format!("4{}", "a".repeat(99));
    assert_eq!(post(&client, &fits).await.text(), "ok");
    assert_eq!(poll(&client).await, fits);
    let reply = post(&client, &format!("{fits}a")).await;
    assert_eq!((reply.status, reply.text()), (413, ""));
    bounded("gone", client.assert_gone()).await;
}

#[tokio::test]
async fn a_message_of_100_bytes_is_accepted_and_one_of_101_closes_with_1009() {
    let server = start().await;
    let mut ws = websocket(&server).await;
    let fits = format!("4{}", "a".repeat(99));
    ws.send(&fits).await;
    assert_eq!(text(&mut ws).await, fits);
    ws.send(&format!("{fits}a")).await;
    // No reason follows the code.
    bounded("close", ws.assert_closed(Some(1009))).await;
    let mut ws = websocket(&server).await;
    ws.send_binary(&[7; 100]).await;
    let frame = bounded("binary", ws.frame()).await;
    assert_eq!(frame, WsFrame(0x82, vec![7; 100]));
    ws.send_binary(&[7; 101]).await;
    bounded("close", ws.assert_closed(Some(1009))).await;
}

#[tokio::test]
async fn thirty_three_euros_are_one_hundred_bytes() {
    let server = start().await;
    let fits = format!("4{}", "€".repeat(33));
    assert_eq!(fits.len(), 100);
    let client = polling(&server).await;
    assert_eq!(post(&client, &fits).await.text(), "ok");
    assert_eq!(poll(&client).await, fits);
    assert_eq!(post(&client, &format!("{fits}€")).await.status, 413);
    let mut ws = websocket(&server).await;
    ws.send(&fits).await;
    assert_eq!(text(&mut ws).await, fits);
    ws.send(&format!("{fits}€")).await;
    bounded("close", ws.assert_closed(Some(1009))).await;
}

#[tokio::test]
async fn a_session_upgrades_and_goes_on() {
    let server = start().await;
    let client = polling(&server).await;
    let mut ws = bounded("101", Ws::connect(&server, &client.websocket_target())).await;
    ws.send("2probe").await;
    assert_eq!(text(&mut ws).await, "3probe");
    assert_eq!(poll(&client).await, "6");
    ws.send("5").await;
    ws.send("4hello").await;
    assert_eq!(text(&mut ws).await, "4hello");
}

#[tokio::test]
async fn a_client_that_closes_is_gone_at_once() {
    let server = start().await;
    let client = polling(&server).await;
    assert_eq!(post(&client, "1").await.text(), "ok");
    bounded("gone", client.assert_gone()).await;
    let mut ws = websocket(&server).await;
    ws.send("1").await;
    bounded("close", ws.assert_closed(None)).await;
}
