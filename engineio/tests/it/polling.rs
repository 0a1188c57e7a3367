//! Polling sessions: polls, posts and everything that may be wrong with them.

use std::{
    task::{Context, Waker},
    time::Duration,
};

use engineio::{CloseReason, Config, Frame};
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::{
    client::{Http, Polling, Ws, request_with},
    server::{Connect, Seen, TestServer, config, settle},
};

const BAD_REQUEST: (u16, &str, &str) = (
    400,
    "application/json",
    r#"{"code":3,"message":"Bad request"}"#,
);

/// The head of a POST that says it is so long, and what comes of its body.
fn head_of_post(client: &Polling, length: usize, body: &str) -> String {
    format!(
        "POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}",
        client.target()
    )
}

#[tokio::test]
async fn trap_16_a_post_is_answered_ok_as_html_and_its_message_comes_back() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let reply = client.post("4hello").await;
    assert_eq!(reply.row(), (200, "text/html", "ok"));
    assert_eq!(reply.header("content-length"), Some("2"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let reply = client.poll().await;
    assert_eq!(reply.row(), (200, "text/plain; charset=UTF-8", "4hello"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_poll_returns_all_echoes_in_one_payload() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    client.post("4test1\x1e4test2\x1e4test3").await;
    assert_eq!(client.poll().await.text(), "4test1\x1e4test2\x1e4test3");
    client.post("4hello\x1ebAQIDBA==").await;
    assert_eq!(client.poll().await.text(), "4hello\x1ebAQIDBA==");
}

#[tokio::test]
async fn a_waiting_poll_is_answered_when_there_is_data() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let mut poll = client.begin_poll().await;
    client.post("4a").await;
    assert_eq!(poll.reply().await.text(), "4a");
    poll.send(&format!("GET {}", client.target()), "", b"")
        .await;
    server
        .session()
        .send(Frame::text("from elsewhere"))
        .unwrap();
    assert_eq!(poll.reply().await.text(), "4from elsewhere");
}

#[tokio::test]
async fn trap_17_the_length_of_a_payload_is_in_bytes() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    client.post("4€€").await;
    let reply = client.poll().await;
    assert_eq!(
        (reply.text(), reply.header("content-length")),
        ("4€€", Some("7"))
    );
}

#[tokio::test]
async fn traps_25_and_26_a_body_that_does_not_parse_ends_the_session() {
    let many = vec!["2"; 4097].join("\x1e").replace('2', "6");
    for body in [
        &b"abc"[..],
        b"",
        b"\x1e",
        b"4a\x1e",
        b"\x1e4a",
        b"4\xff\xfe",
        b"b!!!!",
        b"4ok\x1eabc\x1e4never",
        many.as_bytes(),
    ] {
        let mut server = TestServer::with(Config {
            ignored_per_minute: u32::MAX,
            ..config()
        })
        .await;
        let client = Polling::open(&server).await;
        let mut poll = client.begin_poll().await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(20)]);
        assert_eq!(client.post(body).await.row(), BAD_REQUEST, "{shown:?}");
        let closing = poll.reply().await;
        assert!(
            ["1", "4a", "4ok"].contains(&closing.text()),
            "{shown:?} {closing:?}"
        );
        client.assert_gone().await;
        assert_eq!(server.seen().await, Seen::Opened);
        let mut last = server.seen().await;
        while let Seen::Text(text) = last {
            assert!(
                ["a", "ok"].contains(&text.as_str()),
                "only what came before the fault"
            );
            last = server.seen().await;
        }
        assert_eq!(last, Seen::Closed(CloseReason::ParseError));
        assert_eq!(server.count(), 0);
    }
}

#[tokio::test]
async fn trap_19_other_methods_leave_the_session_unharmed() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let reply = request_with(&server, &format!("{method} {}", client.target()), "", b"").await;
        assert_eq!(
            (reply.status, reply.header("allow")),
            (405, Some("GET, POST")),
            "{method}"
        );
    }
    client.post("4alive").await;
    assert_eq!(client.poll().await.text(), "4alive");
}

#[tokio::test]
async fn trap_29_a_second_poll_ends_the_session() {
    let mut server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let mut first = client.begin_poll().await;
    // The first poll must be the one that waits.
    client.post("6").await;
    let second = client.poll().await;
    assert_eq!((second.status, second.text()), (400, ""));
    assert_eq!(
        first.reply().await.row(),
        (200, "text/plain; charset=UTF-8", "1")
    );
    client.assert_gone().await;
    assert_eq!(server.seen().await, Seen::Opened);
    assert_eq!(
        server.seen().await,
        Seen::Closed(CloseReason::TransportError)
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_post_ends_the_session() {
    let server = TestServer::in_memory(config());
    let client = server.open().await;
    let mut poll = server.begin_poll(&client).await;
    let mut first = server.connect();
    first.write(head_of_post(&client, 9, "4a")).await;
    settle().await;
    let second = server.post(&client, b"4b").await;
    assert_eq!((second.status, second.text()), (400, ""));
    assert_eq!(poll.reply().await.text(), "1");
    server.assert_gone(&client).await;
}

#[tokio::test]
async fn trap_30_an_aborted_poll_ends_the_session() {
    let mut server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let poll = client.begin_poll().await;
    client.post("6").await;
    drop(poll);
    assert_eq!(server.seen().await, Seen::Opened);
    assert_eq!(
        server.seen().await,
        Seen::Closed(CloseReason::TransportError)
    );
    client.assert_gone().await;
}

#[tokio::test]
async fn a_poll_that_is_cut_off_right_behind_its_last_byte_ends_the_session() {
    let mut server = TestServer::start().await;
    for _ in 0..50 {
        let client = Polling::open(&server).await;
        let mut http = Http::connect(&server).await;
        http.send("GET /engine.io/?EIO=4&transport=none", "", b"")
            .await;
        http.reply().await;
        http.send(&format!("GET {}", client.target()), "", b"")
            .await;
        drop(http);
        assert_eq!(server.seen().await, Seen::Opened);
        assert_eq!(
            server.seen().await,
            Seen::Closed(CloseReason::TransportError)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_aborted_post_ends_the_session() {
    let mut server = TestServer::in_memory(config());
    let client = server.open().await;
    let mut post = server.connect();
    post.write(head_of_post(&client, 9, "4a")).await;
    settle().await;
    assert_eq!(server.seen(), [Seen::Opened]);
    drop(post);
    settle().await;
    let closed = Seen::Closed(CloseReason::TransportError);
    assert_eq!(server.seen(), [closed]);
}

#[tokio::test]
async fn trap_31_a_body_over_the_limit_gets_413_and_ends_the_session() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let largest = format!("4{}", "a".repeat(999_999));
    assert_eq!(client.post(&largest).await.status, 200);
    assert_eq!(client.poll().await.body.len(), 1_000_000);
    let reply = client.post(format!("{largest}a")).await;
    assert_eq!((reply.status, reply.text()), (413, ""));
    assert_eq!(reply.header("connection"), Some("close"));
    client.assert_gone().await;
}

#[tokio::test]
async fn trap_24_the_limit_counts_bytes_not_characters() {
    let server = TestServer::with(Config {
        max_payload: 100,
        ..config()
    })
    .await;
    let client = Polling::open(&server).await;
    let euros = format!("4{}", "€".repeat(33));
    assert_eq!(client.post(&euros).await.status, 200);
    assert_eq!(client.poll().await.text(), euros);
    assert_eq!(client.post("4".repeat(101)).await.status, 413);
}

#[tokio::test]
async fn trap_23_a_chunked_body_is_counted_while_it_arrives() {
    let server = TestServer::with(Config {
        max_payload: 100,
        ..config()
    })
    .await;
    let client = Polling::open(&server).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        client.target()
    );
    let mut http = Http::connect(&server).await;
    // The character is cut in the middle.
    http.write(&head).await;
    http.write("2\r\n4\u{e2}\r\n".replace('\u{e2}', "")).await;
    drop(http);

    let client = Polling::open(&server).await;
    let head = head.replace(
        &head[..head.find(" HTTP").unwrap()],
        &format!("POST {}", client.target()),
    );
    let mut http = Http::connect(&server).await;
    http.write(&head).await;
    http.write(b"2\r\n4\xe2\r\n").await;
    http.write(b"2\r\n\x82\xac\r\n0\r\n\r\n").await;
    assert_eq!(http.reply().await.text(), "ok");
    assert_eq!(client.poll().await.text(), "4€");

    http.write(&head).await;
    for _ in 0..11 {
        http.write("a\r\n4aaaaaaaaa\r\n").await;
    }
    assert_eq!(http.reply().await.status, 413);
    client.assert_gone().await;
}

#[tokio::test]
async fn a_broken_chunk_is_a_bad_request() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let mut http = Http::connect(&server).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n4a\r\n",
        client.target()
    );
    http.write(head).await;
    assert_eq!(http.reply().await.row(), BAD_REQUEST);
    client.assert_gone().await;
}

#[tokio::test]
async fn trap_32_a_body_of_bytes_ends_the_session_unread() {
    let mut server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let mut http = Http::connect(&server).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: h\r\nContent-Type: application/octet-stream\r\nContent-Length: 9\r\n\r\n",
        client.target()
    );
    http.write(head).await;
    assert_eq!(http.reply().await.status, 400);
    http.ended().await;
    client.assert_gone().await;
    assert_eq!(server.seen().await, Seen::Opened);
    assert_eq!(
        server.seen().await,
        Seen::Closed(CloseReason::TransportError)
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_pauses_gets_408() {
    let body_idle_timeout = Duration::from_millis(50);
    let server = TestServer::in_memory(Config {
        body_idle_timeout,
        ..config()
    });
    let client = server.open().await;
    let begun = Instant::now();
    let mut http = server.connect();
    http.write(head_of_post(&client, 9, "4a")).await;
    assert_eq!(http.reply().await.status, 408);
    assert_eq!(begun.elapsed(), body_idle_timeout);
    http.ended().await;
    server.assert_gone(&client).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_gets_408() {
    let body_timeout = Duration::from_millis(100);
    let server = TestServer::in_memory(Config {
        body_timeout,
        ..config()
    });
    let client = server.open().await;
    let begun = Instant::now();
    let mut http = server.connect();
    http.write(head_of_post(&client, 999, "4")).await;
    while !http.has_arrived().await {
        http.write("a").await;
        tokio::time::sleep(Duration::from_millis(9)).await;
    }
    assert!(begun.elapsed() - body_timeout < Duration::from_millis(10));
    assert_eq!(http.reply().await.status, 408);
    server.assert_gone(&client).await;
}

#[tokio::test]
async fn bytes_behind_a_body_are_the_next_request() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let mut http = Http::connect(&server).await;
    let post = format!(
        "POST {0} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n4aGET {0} HTTP/1.1\r\nHost: h\r\n\r\n",
        client.target()
    );
    http.write(post).await;
    assert_eq!(http.reply().await.text(), "ok");
    assert_eq!(http.reply().await.text(), "4a");
}

#[tokio::test]
async fn a_length_beside_chunks_smuggles_no_request() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    let mut http = Http::connect(&server).await;
    let post = format!(
        "POST {0} HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n4a\r\n0\r\n\r\nGET {0} HTTP/1.1\r\nHost: h\r\n\r\n",
        client.target()
    );
    http.write(post).await;
    http.reply().await;
    http.ended().await;
}

#[tokio::test]
async fn trap_22_a_connection_may_close_after_each_request() {
    let server = TestServer::start().await;
    let client = Polling::open(&server).await;
    for text in ["4a", "4b"] {
        let head = format!("POST {}", client.target());
        let reply = request_with(&server, &head, "Connection: close\r\n", text.as_bytes()).await;
        assert_eq!(reply.text(), "ok");
        let head = format!("GET {}", client.target());
        let reply = request_with(&server, &head, "Connection: close\r\n", b"").await;
        assert_eq!(reply.text(), text);
    }
}

#[tokio::test]
async fn a_session_over_websocket_takes_no_polls() {
    let server = TestServer::start().await;
    let (mut ws, open) = Ws::open(&server).await;
    let target = format!(
        "/engine.io/?EIO=4&transport=polling&sid={}",
        crate::client::sid_of(&open)
    );
    for method in ["GET", "POST"] {
        let reply = request_with(&server, &format!("{method} {target}"), "", b"").await;
        assert_eq!(reply.row(), BAD_REQUEST, "{method}");
    }
    ws.send("4alive").await;
    assert_eq!(ws.text().await, "4alive");
}

#[tokio::test]
async fn packets_a_client_should_not_send() {
    let mut server = TestServer::start().await;
    let client = Polling::open(&server).await;
    assert_eq!(
        client.post("0{}\x1e5\x1e6\x1e3\x1e4still").await.text(),
        "ok"
    );
    assert_eq!(client.poll().await.text(), "4still");
    assert_eq!(
        client.post("2").await.text(),
        "ok",
        "the session ends, the request is fine"
    );
    client.assert_gone().await;
    assert_eq!(server.seen().await, Seen::Opened);
    assert_eq!(server.seen().await, Seen::Text("still".to_owned()));
    assert_eq!(
        server.seen().await,
        Seen::Closed(CloseReason::TransportError)
    );
}

#[tokio::test(start_paused = true)]
async fn a_413_arrives_before_the_waiting_poll_ends() {
    let server = TestServer::in_memory(Config {
        max_payload: 100,
        ..config()
    });
    let client = server.open().await;
    let mut poll = server.begin_poll(&client).await;
    settle().await;
    assert_eq!(server.post(&client, &[b'4'; 101]).await.status, 413);
    let early = tokio::time::timeout(Duration::from_millis(20), poll.read_reply()).await;
    assert!(early.is_err(), "a client reports what it sees first");
    server.assert_gone(&client).await;
    assert_eq!(poll.reply().await.text(), "1");
}

#[tokio::test]
async fn old_internet_explorers_are_told_to_leave_the_reply_alone() {
    let server = TestServer::start().await;
    let head = "GET /engine.io/?EIO=4&transport=polling";
    for (agent, told) in [
        (
            "Mozilla/4.0 (compatible;MSIE 8.0; Windows NT 6.1)",
            Some("0"),
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0) like Gecko",
            Some("0"),
        ),
        ("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101", None),
    ] {
        let headers = format!("User-Agent: {agent}\r\n");
        let reply = request_with(&server, head, &headers, b"").await;
        assert_eq!(reply.header("x-xss-protection"), told, "{agent}");
    }
}

#[tokio::test(start_paused = true)]
async fn trap_30_a_poll_that_breaks_off_behind_its_answer_does_not_harm_the_next() {
    let (server, mut sessions) = engineio::sessions(config());
    let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 40_000));
    let get = async |sid: &str| {
        let target = format!("/engine.io/?EIO=4&transport=polling{sid}");
        let request = http::Request::get(target).header("host", "h");
        let body = http_body_util::Empty::<bytes::Bytes>::new();
        let response = server.handle(request.body(body).unwrap(), peer).await;
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    };
    let open = get("").await;
    let session = sessions.next().await.unwrap();
    let sid = format!("&sid={}", crate::client::sid_of(&open));
    let mut nobody = Context::from_waker(Waker::noop());
    let mut first = Box::pin(get(&sid));
    assert!(first.as_mut().poll(&mut nobody).is_pending());
    settle().await;
    session.handle().send(Frame::text("lost")).unwrap();
    settle().await;
    // The answer is there, and nobody has seen it, when the next poll comes.
    let mut second = Box::pin(get(&sid));
    assert!(second.as_mut().poll(&mut nobody).is_pending());
    settle().await;
    drop(first);
    settle().await;
    session.handle().send(Frame::text("arrives")).unwrap();
    assert_eq!(second.await, "4arrives");
}
