//! The edge of HTTP, as `Server::serve_connection` keeps it: what a client may send before there is
//! a session, how long it may take, and what becomes of one that does not read.

use std::time::Duration;

use engineio::{Config, Cors, Frame, HttpLimits, proto::outbox::OutboxLimits};
use tokio::{
    io::{AsyncReadExt, DuplexStream, duplex},
    time::Instant,
};

use crate::{
    client::{Http, Polling, request, request_with},
    server::{Connect, InMemory, TestServer, config},
};

const BAD_REQUEST: (u16, &str, &str) = (
    400,
    "application/json",
    r#"{"code":3,"message":"Bad request"}"#,
);
const HANDSHAKE: &str = "GET /engine.io/?EIO=4&transport=polling";
/// A time-out of the tests, far from every other time-out.
const LIMIT: Duration = Duration::from_millis(100);

fn impatient(http: HttpLimits) -> InMemory {
    TestServer::in_memory(Config { http, ..config() })
}

async fn assert_ends_in_time(mut http: Http<DuplexStream>) {
    let begun = Instant::now();
    http.ended().await;
    assert_eq!(begun.elapsed(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_is_closed_in_time() {
    let header_timeout = LIMIT;
    for sent in [
        "",
        "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\nX-Slow",
    ] {
        let server = impatient(HttpLimits {
            header_timeout,
            ..HttpLimits::default()
        });
        let mut http = server.connect();
        http.write(sent).await;
        assert_ends_in_time(http).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_next_request_is_closed_in_time() {
    for next in ["", "GET /engine.io/"] {
        let server = impatient(HttpLimits {
            keep_alive_timeout: LIMIT,
            ..HttpLimits::default()
        });
        let mut http = server.connect();
        http.send(HANDSHAKE, "", b"").await;
        assert_eq!(http.reply().await.status, 200);
        http.write(next).await;
        assert_ends_in_time(http).await;
    }
}

#[tokio::test(start_paused = true)]
async fn trap_21_a_waiting_poll_outlasts_the_time_outs_of_its_connection() {
    let server = impatient(HttpLimits {
        header_timeout: LIMIT,
        keep_alive_timeout: LIMIT,
        ..HttpLimits::default()
    });
    let client = server.open().await;
    let mut poll = server.connect();
    poll.send(&format!("GET {}", client.target()), "", b"")
        .await;
    let early = tokio::time::timeout(LIMIT * 3, poll.read_reply()).await;
    assert!(early.is_err(), "the poll waits: {early:?}");
    server.session().send(Frame::text("late")).unwrap();
    assert_eq!(poll.reply().await.text(), "4late");
}

#[tokio::test]
async fn too_many_headers_get_431_and_the_connection_closes() {
    let server = TestServer::start().await;
    // With the line of the host, 64.
    let lines = |count: usize| "x: y\r\n".repeat(count);
    assert_eq!(
        request_with(&server, HANDSHAKE, &lines(63), b"")
            .await
            .status,
        200
    );
    for count in [64, 99, 200] {
        let mut http = Http::connect(&server).await;
        http.send(HANDSHAKE, &lines(count), b"").await;
        assert_eq!(http.reply().await.status, 431, "{count}");
        http.ended().await;
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn too_large_headers_get_431_and_the_connection_closes() {
    let server = TestServer::start().await;
    let line = |bytes: usize| format!("x: {}\r\n", "y".repeat(bytes));
    assert_eq!(
        request_with(&server, HANDSHAKE, &line(32_000), b"")
            .await
            .status,
        200
    );
    for bytes in [32_768, 39_000] {
        let mut http = Http::connect(&server).await;
        http.send(HANDSHAKE, &line(bytes), b"").await;
        assert_eq!(http.reply().await.status, 431, "{bytes}");
        http.ended().await;
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn the_limits_of_the_head_can_be_moved() {
    let http = HttpLimits {
        max_headers: 150,
        max_head_bytes: 64 * 1024,
        ..HttpLimits::default()
    };
    let server = TestServer::with(Config { http, ..config() }).await;
    let headers = format!("{}y: {}\r\n", "x: y\r\n".repeat(148), "z".repeat(60_000));
    assert_eq!(
        request_with(&server, HANDSHAKE, &headers, b"").await.status,
        200
    );
    let headers = format!("x: y\r\n{headers}");
    assert_eq!(
        request_with(&server, HANDSHAKE, &headers, b"").await.status,
        431
    );
}

#[tokio::test]
async fn a_target_over_8_kib_gets_414_and_the_connection_closes() {
    let server = TestServer::start().await;
    let target = |bytes: usize| format!("{HANDSHAKE}&x={}", "a".repeat(bytes));
    assert_eq!(request(&server, &target(8000), b"").await.status, 200);
    for bytes in [8192, 30_000] {
        let mut http = Http::connect(&server).await;
        http.send(&target(bytes), "", b"").await;
        assert_eq!(http.reply().await.status, 414, "{bytes}");
        http.ended().await;
    }
}

#[tokio::test]
async fn exactly_one_host_is_required_of_http_1_1() {
    let server = TestServer::start().await;
    for hosts in ["", "Host: a\r\nHost: a\r\n"] {
        let mut http = Http::connect(&server).await;
        http.write(format!("{HANDSHAKE} HTTP/1.1\r\n{hosts}\r\n"))
            .await;
        assert_eq!(http.reply().await.row(), BAD_REQUEST, "{hosts:?}");
        http.ended().await;
    }
    let mut http = Http::connect(&server).await;
    http.write(format!("{HANDSHAKE} HTTP/1.0\r\n\r\n")).await;
    assert_eq!(http.reply().await.status, 200, "HTTP/1.0 may do without");
}

#[tokio::test]
async fn an_encoded_body_gets_415_and_ends_the_session() {
    let server = TestServer::start().await;
    for encoding in ["gzip", "deflate", "br", "identity, gzip", "x"] {
        let client = Polling::open(&server).await;
        let mut http = Http::connect(&server).await;
        let headers = format!("Content-Encoding: {encoding}\r\n");
        http.send(&format!("POST {}", client.target()), &headers, b"4a")
            .await;
        assert_eq!(http.reply().await.status, 415, "{encoding}");
        http.ended().await;
        client.assert_gone().await;
    }
}

#[tokio::test]
async fn the_answer_to_a_preflight_has_no_body_and_the_connection_goes_on() {
    let server = TestServer::with(Config {
        cors: Some(Cors::default()),
        ..config()
    })
    .await;
    let mut http = Http::connect(&server).await;
    let preflight = HANDSHAKE.replace("GET", "OPTIONS");
    http.send(&preflight, "Origin: http://a\r\n", b"").await;
    let reply = http.reply().await;
    assert_eq!((reply.status, reply.text()), (204, ""));
    // RFC 9110 section 8.6 forbids a length with 204, and hyper takes it off.
    assert_eq!(reply.header("content-length"), None);
    http.send(HANDSHAKE, "", b"").await;
    assert_eq!(http.reply().await.status, 200);
}

#[tokio::test]
async fn a_length_beside_chunks_is_answered_and_closed_whichever_comes_first() {
    let (length, chunked) = ("Content-Length: 4", "Transfer-Encoding: chunked");
    for lines in [[length, chunked], [chunked, length]] {
        let server = TestServer::start().await;
        let client = Polling::open(&server).await;
        let mut http = Http::connect(&server).await;
        let smuggled = format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", client.target());
        let head = format!("POST {} HTTP/1.1\r\nHost: h\r\n", client.target());
        let [first, second] = lines;
        let request = format!("{head}{first}\r\n{second}\r\n\r\n2\r\n4a\r\n0\r\n\r\n{smuggled}");
        http.write(request).await;
        let reply = http.reply().await;
        assert_eq!((reply.status, reply.text()), (200, "ok"));
        assert_eq!(reply.header("connection"), Some("close"));
        http.ended().await;
        assert_eq!(
            client.poll().await.text(),
            "4a",
            "the poll behind it was not read"
        );
    }
}

#[tokio::test]
async fn chunks_inside_another_coding_and_two_lengths_are_refused() {
    let server = TestServer::start().await;
    for headers in [
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: +2\r\n",
    ] {
        let client = Polling::open(&server).await;
        let mut http = Http::connect(&server).await;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: h\r\n{headers}\r\n4a",
            client.target()
        );
        http.write(head).await;
        assert_eq!(http.reply().await.status, 400, "{headers}");
        http.ended().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_poll_loses_the_connection_in_time() {
    let config = Config {
        outbox: OutboxLimits {
            soft_bytes: usize::MAX,
            hard_bytes: usize::MAX,
            ..OutboxLimits::default()
        },
        ..config()
    };
    let write_timeout = config.write_timeout;
    let served = TestServer::in_memory(config);
    let client = served.open().await;
    let (near, far) = duplex(64 * 1024);
    let mut poll = Http::over(far);
    poll.send(&format!("GET {}", client.target()), "", b"")
        .await;
    let serving = tokio::spawn(served.serve(near));
    tokio::task::yield_now().await;
    let begun = Instant::now();
    served
        .session()
        .send(Frame::text(&"x".repeat(1 << 20)))
        .unwrap();
    serving.await.unwrap();
    assert_eq!(begun.elapsed(), write_timeout);
    // What the buffer of the stream held, and then the end.
    let mut rest = Vec::new();
    poll.tcp.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest.len(), 64 * 1024);
    // Its session is pinged, and ends for the pong that never comes.
    served.emptied().await;
    assert!(begun.elapsed() <= Duration::from_secs(45));
}
