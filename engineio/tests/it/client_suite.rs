//! The contract of the server that the official client's own suite runs against, assertion by
//! assertion, on the example itself. The first ping is 500 ms away and a missing pong shows after
//! 20 s, so every wait here is bounded by [`BOUND`]. The clock is stopped: a bound is of what the
//! server waits for, not of the machine.

use std::{future::Future, net::SocketAddr, time::Duration};

use tokio::{
    io::{DuplexStream, duplex},
    time::Instant,
};

use crate::{
    client::{Http, Polling, Reply, UPGRADE, Ws as AnyWs, WsFrame, sid_of},
    server::Connect,
};

type Ws = AnyWs<DuplexStream>;

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

/// The example's server.
struct Suite {
    serve: Box<dyn Fn(DuplexStream)>,
}

impl Suite {
    fn start() -> Self {
        let (server, observe) = example::suite();
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let serve = move |io| {
            tokio::spawn(example::serve(io, peer, server.clone(), observe.clone()));
        };
        Self {
            serve: Box::new(serve),
        }
    }

    /// A polling session past its greeting.
    async fn polling(&self) -> Polling {
        let client = bounded("open", self.open()).await;
        assert_eq!(self.polled(&client).await, "4hi");
        client
    }

    /// A WebSocket session past its greeting.
    async fn greeted(&self) -> Ws {
        let (mut ws, _) = bounded("open", self.websocket()).await;
        assert_eq!(text(&mut ws).await, "4hi");
        ws
    }

    async fn polled(&self, client: &Polling) -> String {
        let reply = bounded("poll", self.poll(client)).await;
        let row = (reply.status, reply.header("content-type").unwrap());
        assert_eq!(row, (200, "text/plain; charset=UTF-8"));
        reply.text().to_owned()
    }

    async fn posted(&self, client: &Polling, body: &str) -> Reply {
        bounded("post", self.post(client, body.as_bytes())).await
    }

    /// A handshake that asks for a WebSocket, which may be refused.
    async fn ask(&self, target: &str) -> (Http<DuplexStream>, Reply) {
        let mut http = self.connect();
        http.send(&format!("GET {target}"), UPGRADE, b"").await;
        let reply = bounded("reply", http.reply()).await;
        (http, reply)
    }
}

impl Connect for Suite {
    fn connect(&self) -> Http<DuplexStream> {
        let (near, far) = duplex(64 * 1024);
        (self.serve)(near);
        Http::over(far)
    }
}

async fn text(ws: &mut Ws) -> String {
    bounded("text frame", ws.text()).await
}

#[tokio::test(start_paused = true)]
async fn the_open_packet_advertises_the_times_and_the_limit_of_the_contract() {
    let server = Suite::start();
    let reply = bounded("open", server.request(OPEN_POLLING, "", b"")).await;
    let sid = sid_of(reply.text());
    let expected = format!(
        r#"0{{"sid":"{sid}","upgrades":["websocket"],"pingInterval":500,"pingTimeout":20000,"maxPayload":100}}"#
    );
    assert_eq!(reply.text(), expected);
    let (_, open) = bounded("open", server.websocket()).await;
    assert!(open.contains(r#""upgrades":[],"pingInterval":500,"pingTimeout":20000"#));
    assert!(open.ends_with(r#""maxPayload":100}"#), "{open}");
}

#[tokio::test(start_paused = true)]
async fn the_first_message_is_hi_and_nothing_else_follows() {
    let server = Suite::start();
    let client = server.polling().await;
    let mut ws = server.greeted().await;
    assert_eq!(server.posted(&client, "4next").await.text(), "ok");
    assert_eq!(server.polled(&client).await, "4next");
    ws.send("4next").await;
    assert_eq!(text(&mut ws).await, "4next");
}

#[tokio::test(start_paused = true)]
async fn the_first_ping_comes_after_500_ms_and_not_before() {
    let server = Suite::start();
    let begun = Instant::now();
    let client = server.polling().await;
    let mut ws = server.greeted().await;
    let pings = async { tokio::join!(ws.frame(), server.poll(&client)) };
    let (frame, reply) = pings.await;
    assert_eq!(begun.elapsed(), Duration::from_millis(500));
    assert_eq!(frame, WsFrame(0x81, b"2".to_vec()));
    assert_eq!(reply.text(), "2");
}

#[tokio::test(start_paused = true)]
async fn texts_and_bytes_are_echoed_on_both_transports() {
    let server = Suite::start();
    let client = server.polling().await;
    for packet in ["4hello", "4", "4пойду", "bAQID"] {
        assert_eq!(
            server.posted(&client, packet).await.row(),
            (200, "text/html", "ok")
        );
        assert_eq!(server.polled(&client).await, packet);
    }
    let mut ws = server.greeted().await;
    for packet in ["4hello", "4", "4пойду"] {
        ws.send(packet).await;
        assert_eq!(text(&mut ws).await, packet);
    }
    ws.send_binary(&[1, 2, 3]).await;
    let frame = bounded("binary", ws.frame()).await;
    assert_eq!(frame, WsFrame(0x82, vec![1, 2, 3]));
}

#[tokio::test(start_paused = true)]
async fn give_binary_is_answered_with_five_bytes() {
    let server = Suite::start();
    let client = server.polling().await;
    server.posted(&client, "4give binary").await;
    assert_eq!(server.polled(&client).await, "bAAECAwQ=");
    let mut ws = server.greeted().await;
    ws.send("4give binary").await;
    let frame = bounded("binary", ws.frame()).await;
    assert_eq!(frame, WsFrame(0x82, vec![0, 1, 2, 3, 4]));
}

#[tokio::test(start_paused = true)]
async fn give_utf8_is_answered_with_a_russian_text() {
    let server = Suite::start();
    let client = server.polling().await;
    server.posted(&client, "4give utf8").await;
    assert_eq!(
        server.polled(&client).await,
        "4пойду спать всем спокойной ночи"
    );
    let mut ws = server.greeted().await;
    ws.send("4give utf8").await;
    assert_eq!(text(&mut ws).await, "4пойду спать всем спокойной ночи");
}

#[tokio::test(start_paused = true)]
async fn send_headers_is_answered_with_the_headers_of_its_post() {
    let server = Suite::start();
    let client = server.polling().await;
    let head = format!("POST {}", client.target());
    let headers = "X-Custom-Header-For-My-Project: my-secret-\"access\"\r\nCookie: 1=1; 2=2\r\n";
    let posted = server.request(&head, headers, b"4sendHeaders");
    assert_eq!(bounded("post", posted).await.text(), "ok");
    let json = server.polled(&client).await;
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

#[tokio::test(start_paused = true)]
async fn a_denied_handshake_is_403_on_polling_and_400_on_an_upgrade() {
    let server = Suite::start();
    let head = format!("{OPEN_POLLING}&deny=1");
    let reply = bounded("denial", server.request(&head, "", b"")).await;
    let forbidden = r#"{"code":4,"message":"Forbidden"}"#;
    assert_eq!(reply.row(), (403, "application/json", forbidden));
    assert!(reply.all("set-cookie").is_empty(), "no session was opened");
    let target = format!("{OPEN_WEBSOCKET}&deny=1");
    let (mut http, reply) = server.ask(&target).await;
    assert_eq!(reply.row(), (400, "text/html", "Forbidden"));
    bounded("end", http.ended()).await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_sid_is_refused_to_the_byte() {
    let server = Suite::start();
    for (method, body) in [("GET", ""), ("POST", "4hello")] {
        let head = format!("{method} /engine.io/?EIO=4&transport=polling&sid=abc");
        let reply = bounded("refusal", server.request(&head, "", body.as_bytes())).await;
        let unknown = r#"{"code":1,"message":"Session ID unknown"}"#;
        assert_eq!(reply.row(), (400, "application/json", unknown));
    }
    let target = format!("{OPEN_WEBSOCKET}&sid=abc");
    let (mut http, reply) = server.ask(&target).await;
    assert_eq!(reply.row(), (400, "text/html", "Session ID unknown"));
    bounded("end", http.ended()).await;
}

#[tokio::test(start_paused = true)]
async fn the_handshake_sets_four_cookies_and_later_replies_none() {
    let server = Suite::start();
    let reply = bounded("open", server.request(OPEN_POLLING, "", b"")).await;
    assert_cookies(&reply);
    let client = server.polling().await;
    assert!(
        server
            .posted(&client, "4a")
            .await
            .all("set-cookie")
            .is_empty()
    );
    let reply = bounded("poll", server.poll(&client)).await;
    assert!(reply.all("set-cookie").is_empty());
    let (_, reply) = server.ask(OPEN_WEBSOCKET).await;
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

#[tokio::test(start_paused = true)]
async fn a_post_of_100_bytes_is_accepted_and_one_of_101_gets_an_empty_413() {
    let server = Suite::start();
    let client = server.polling().await;
    let fits = format!("4{}", "a".repeat(99));
    assert_eq!(server.posted(&client, &fits).await.text(), "ok");
    assert_eq!(server.polled(&client).await, fits);
    let reply = server.posted(&client, &format!("{fits}a")).await;
    assert_eq!((reply.status, reply.text()), (413, ""));
    bounded("gone", server.assert_gone(&client)).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_of_100_bytes_is_accepted_and_one_of_101_closes_with_1009() {
    let server = Suite::start();
    let mut ws = server.greeted().await;
    let fits = format!("4{}", "a".repeat(99));
    ws.send(&fits).await;
    assert_eq!(text(&mut ws).await, fits);
    ws.send(&format!("{fits}a")).await;
    // No reason follows the code.
    bounded("close", ws.assert_closed(Some(1009))).await;
    let mut ws = server.greeted().await;
    ws.send_binary(&[7; 100]).await;
    let frame = bounded("binary", ws.frame()).await;
    assert_eq!(frame, WsFrame(0x82, vec![7; 100]));
    ws.send_binary(&[7; 101]).await;
    bounded("close", ws.assert_closed(Some(1009))).await;
}

#[tokio::test(start_paused = true)]
async fn thirty_three_euros_are_one_hundred_bytes() {
    let server = Suite::start();
    let fits = format!("4{}", "€".repeat(33));
    assert_eq!(fits.len(), 100);
    let client = server.polling().await;
    assert_eq!(server.posted(&client, &fits).await.text(), "ok");
    assert_eq!(server.polled(&client).await, fits);
    assert_eq!(
        server.posted(&client, &format!("{fits}€")).await.status,
        413
    );
    let mut ws = server.greeted().await;
    ws.send(&fits).await;
    assert_eq!(text(&mut ws).await, fits);
    ws.send(&format!("{fits}€")).await;
    bounded("close", ws.assert_closed(Some(1009))).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_upgrades_and_goes_on() {
    let server = Suite::start();
    let client = server.polling().await;
    let mut ws = bounded(
        "101",
        Ws::upgrade(server.connect(), &client.websocket_target()),
    )
    .await;
    ws.send("2probe").await;
    assert_eq!(text(&mut ws).await, "3probe");
    assert_eq!(server.polled(&client).await, "6");
    ws.send("5").await;
    ws.send("4hello").await;
    assert_eq!(text(&mut ws).await, "4hello");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_is_gone_at_once() {
    let server = Suite::start();
    let client = server.polling().await;
    assert_eq!(server.posted(&client, "1").await.text(), "ok");
    bounded("gone", server.assert_gone(&client)).await;
    let mut ws = server.greeted().await;
    ws.send("1").await;
    bounded("close", ws.assert_closed(None)).await;
}
