//! What one address may have, with and without a proxy before the server.

use std::net::SocketAddr;

use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::support::{End, Live, TestApp, Wire, frame, raw, soon};

const METRICS: &str = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// The number of a metric; 0 while nothing was counted.
async fn metric(address: SocketAddr, name: &str) -> u32 {
    let page = raw(address, METRICS).await;
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |value| value.trim().parse().expect("a number"))
}

/// A handshake over polling with one more header; the whole answer.
async fn handshake(address: SocketAddr, header: &str) -> String {
    let target = "/socket.io/?EIO=4&transport=polling";
    let asked = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{header}\r\n");
    raw(address, asked).await
}

#[tokio::test]
async fn an_address_has_its_sessions_and_gets_a_place_back() {
    let app = TestApp::with(&[
        "--max-connections-per-address=3",
        "--metrics-listen=127.0.0.1:0",
    ])
    .await;
    let ann = app.person("Ann").await;
    let mut lives = Vec::new();
    for _ in 0..3 {
        lives.push(ann.connect().await);
    }
    let refused = handshake(app.address, "").await;
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    assert!(refused.contains("\r\nretry-after: 5\r\n"), "{refused}");
    assert!(refused.contains("\"code\":\"rate-limited\""), "{refused}");
    let inside = app.metrics_address.expect("bound");
    let reason = "parlance_refused_total{reason=\"address-sessions\"} ";
    assert_eq!(metric(inside, reason).await, 1);
    lives.pop();
    soon("a place", async {
        while !handshake(app.address, "").await.starts_with("HTTP/1.1 200") {}
    })
    .await;
}

#[tokio::test]
async fn connections_that_say_nothing_are_bounded_and_told_so() {
    let app = TestApp::with(&["--max-pending-per-address=2"]).await;
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(TcpStream::connect(app.address).await.expect("a connection"));
    }
    let mut refused = TcpStream::connect(app.address).await.expect("a connection");
    let mut answer = String::new();
    soon(
        "an answer without a request",
        refused.read_to_string(&mut answer),
    )
    .await
    .expect("text");
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    silent.clear();
    soon("a place", async {
        let asked = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        while !raw(app.address, asked).await.starts_with("HTTP/1.1 200") {}
    })
    .await;
}

#[tokio::test]
async fn sessions_without_a_token_wait_and_those_with_one_do_not() {
    let app = TestApp::with(&["--max-pending-per-address=2"]).await;
    let ann = app.person("Ann").await;
    // Those who have shown a token are not counted.
    let _joined = [
        ann.connect().await,
        ann.connect().await,
        ann.connect().await,
    ];
    let mut strangers = Vec::new();
    strangers.push(Live::open(app.address).await);
    let _second = handshake(app.address, "").await;
    let refused = handshake(app.address, "").await;
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
}

#[tokio::test]
async fn the_whole_server_has_a_limit_and_says_503() {
    let app = TestApp::with(&["--max-connections=2", "--rate-limits=off"]).await;
    let _held = [
        TcpStream::connect(app.address).await.expect("a connection"),
        TcpStream::connect(app.address).await.expect("a connection"),
    ];
    let mut refused = TcpStream::connect(app.address).await.expect("a connection");
    let mut answer = String::new();
    soon("an answer", refused.read_to_string(&mut answer))
        .await
        .expect("text");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("\r\nretry-after: 5\r\n"), "{answer}");
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_counts_and_a_stranger_s_word_does_not() {
    let limit = "--max-connections-per-address=1";
    let app = TestApp::with(&[limit, "--trusted-proxies=127.0.0.1"]).await;
    for (client, status) in [
        ("203.0.113.1", "200"),
        ("203.0.113.2", "200"),
        ("203.0.113.1", "429"),
        // What the client itself wrote stands further left.
        ("203.0.113.9, 203.0.113.1", "429"),
    ] {
        let answer = handshake(app.address, &format!("X-Forwarded-For: {client}\r\n")).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{client}: {answer}");
    }

    let app = TestApp::with(&[limit]).await;
    for (client, status) in [("203.0.113.1", "200"), ("203.0.113.2", "429")] {
        let answer = handshake(app.address, &format!("X-Forwarded-For: {client}\r\n")).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{client}: {answer}");
    }
}

#[tokio::test]
async fn logins_are_counted_by_the_client_s_address_behind_a_proxy() {
    let app = TestApp::with(&["--logins-per-address=3", "--trusted-proxies=127.0.0.1"]).await;
    let body = json!({ "email": "nobody@example.test", "password": "not the right one" });
    let body = body.to_string();
    let log_in = async |client: &str| {
        let asked = format!(
            "POST /api/auth/login HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
             X-Forwarded-For: {client}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = raw(app.address, asked).await;
        answer.split(' ').nth(1).expect("a status").to_owned()
    };
    for _ in 0..3 {
        assert_eq!(log_in("203.0.113.1").await, "401");
    }
    assert_eq!(log_in("203.0.113.1").await, "429");
    assert_eq!(log_in("203.0.113.2").await, "401");
}

#[tokio::test]
async fn switched_off_no_address_is_limited() {
    let off = [
        "--rate-limits=off",
        "--max-connections-per-address=1",
        "--max-pending-per-address=1",
    ];
    let app = TestApp::with(&off).await;
    for _ in 0..5 {
        assert!(handshake(app.address, "").await.starts_with("HTTP/1.1 200"));
    }
    let alive = app.anonymous(Method::GET, "/healthz", Value::Null).await;
    assert_eq!(alive.status, 200);
}

#[tokio::test]
async fn what_breaks_the_rules_of_socketio_is_counted_by_the_rule() {
    let app = TestApp::start().await;
    let deep = format!(r#"42["a",{}{}]"#, "[".repeat(200), "]".repeat(200));
    let long = "a".repeat(300);
    let too_many_refusals = vec!["40/nowhere,".to_owned(); 21];
    for (reason, packets) in [
        ("malformed", vec!["4".to_owned()]),
        ("too-deep", vec![deep]),
        ("name-too-long", vec![format!("40/{long},")]),
        ("reserved-name", vec![r#"42["connect"]"#.to_owned()]),
        ("out-of-turn", vec![r#"42["a"]"#.to_owned()]),
        ("attachments", vec![r#"4511-["a"]"#.to_owned()]),
        ("flood", too_many_refusals),
    ] {
        let name = format!("parlance_violations_total{{reason=\"{reason}\"}} ");
        let before = metric(app.address, &name).await;
        let mut wire = Wire::websocket(app.address).await;
        for packet in packets {
            wire.send(&packet).await;
        }
        assert_eq!(wire.end().await, End::Close(None), "{reason}");
        assert_eq!(metric(app.address, &name).await, before + 1, "{reason}");
    }
}

#[tokio::test]
async fn attachments_that_are_too_long_together_are_counted() {
    let app = TestApp::start().await;
    let ann = app.person("Ann").await;
    let mut wire = Wire::joined(app.address, ann.token()).await;
    let places = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    wire.send(&format!(r#"452-["a",{places}]"#)).await;
    wire.send_binary(&[0; 60_000]).await;
    wire.send_binary(&[0; 60_000]).await;
    assert_eq!(wire.end().await, End::Close(None));
    let name = "parlance_violations_total{reason=\"attachment-bytes\"} ";
    assert_eq!(metric(app.address, name).await, 1);
}

#[tokio::test]
async fn a_client_that_never_joins_is_counted() {
    let app = TestApp::with(&["--connect-timeout=1"]).await;
    let mut wire = Wire::websocket(app.address).await;
    assert_eq!(wire.end().await, End::Close(None));
    let name = "parlance_violations_total{reason=\"connect-timeout\"} ";
    assert_eq!(metric(app.address, name).await, 1);
}

#[tokio::test]
async fn frames_that_break_the_rules_of_websocket_are_counted_by_their_code() {
    let app = TestApp::with(&["--max-payload=20000"]).await;
    for (code, bytes) in [
        (1002, frame(0xb1, b"4a")),
        (1007, frame(0x81, b"4\xff")),
        (1008, frame(0x89, b"ping").repeat(21)),
        (1009, frame(0x82, &[0; 20_001])),
    ] {
        let name = format!("parlance_websocket_violations_total{{code=\"{code}\"}} ");
        assert_eq!(metric(app.address, &name).await, 0, "{code}");
        let mut wire = Wire::websocket(app.address).await;
        wire.write(bytes).await;
        assert_eq!(wire.end().await, End::Close(Some(code)));
        assert_eq!(metric(app.address, &name).await, 1, "{code}");
    }
}

#[tokio::test]
async fn limits_of_a_connection_are_those_that_were_set() {
    let options = [
        "--max-payload=20000",
        "--ping-interval=7",
        "--ping-timeout=3",
    ];
    let app = TestApp::with(&options).await;
    let opened = handshake(app.address, "").await;
    for set in [
        r#""maxPayload":20000"#,
        r#""pingInterval":7000"#,
        r#""pingTimeout":3000"#,
    ] {
        assert!(opened.contains(set), "{opened}");
    }
    let mut wire = Wire::websocket(app.address).await;
    wire.send(&"4".repeat(20_001)).await;
    assert_eq!(wire.end().await, End::Close(Some(1009)));
    let closed = "parlance_websocket_violations_total{code=\"1009\"} ";
    assert_eq!(metric(app.address, closed).await, 1);
}

#[tokio::test]
async fn heads_that_are_too_large_are_counted_by_their_answer() {
    let app = TestApp::start().await;
    let many = "X: y\r\n".repeat(80);
    let long = "a".repeat(9_000);
    for (status, target, headers) in [(414, long.as_str(), ""), (431, "healthz", many.as_str())] {
        let asked =
            format!("GET /{target} HTTP/1.1\r\nHost: a\r\n{headers}Connection: close\r\n\r\n");
        let answer = raw(app.address, asked).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
        let counted = format!("parlance_http_responses_total{{status=\"{status}\"}} ");
        assert_eq!(metric(app.address, &counted).await, 1, "{status}");
    }
}

/// Sends more events at once than one client may, and sees the answer to each, in order.
async fn send_ahead(app: &TestApp) {
    const SENT: usize = 430;
    let ann = app.person("Ann").await;
    let mut wire = Wire::joined(app.address, ann.token()).await;
    let event = r#"["typing",{"chatId":"00000000-0000-0000-0000-000000000000","isTyping":true}]"#;
    let events = (0..SENT).map(|id| format!("42{id}{event}"));
    let frames = events.flat_map(|event| frame(0x81, event.as_bytes()));
    wire.write(frames.collect::<Vec<u8>>()).await;
    for id in 0..SENT {
        let answer = wire.text().await;
        assert!(answer.starts_with(&format!("43{id}[")), "{answer}");
    }
}

#[tokio::test]
async fn who_is_ahead_of_its_pace_is_held_back_and_loses_nothing() {
    let held_back = "parlance_sessions_held_back_total ";
    let app = TestApp::with(&[]).await;
    send_ahead(&app).await;
    let times = metric(app.address, held_back).await;
    assert!((1..=4).contains(&times), "{times}");

    let app = TestApp::with(&["--rate-limits=off"]).await;
    send_ahead(&app).await;
    assert_eq!(metric(app.address, held_back).await, 0);
}

#[tokio::test]
async fn packets_of_a_polling_body_are_as_many_as_were_set() {
    let app = TestApp::with(&["--max-packets=16"]).await;
    for (packets, status) in [(16, "200"), (17, "400")] {
        let opened = handshake(app.address, "").await;
        let (_, sid) = opened.split_once(r#""sid":""#).expect("a session");
        let sid = &sid[..sid.find('"').expect("its end")];
        let body = vec!["6"; packets].join("\x1e");
        let asked = format!(
            "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: a\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = raw(app.address, asked).await;
        assert_eq!(
            answer.split(' ').nth(1),
            Some(status),
            "{packets}: {answer}"
        );
    }
    let closed = "parlance_sessions_closed_total{reason=\"parse-error\"} ";
    assert_eq!(metric(app.address, closed).await, 1);
}

#[tokio::test]
async fn connections_of_an_address_beyond_the_pace_wait_and_are_all_served() {
    let app = TestApp::with(&["--new-connections-per-address=2"]).await;
    let once = || handshake(app.address, "");
    let (one, two, three, four) = tokio::join!(once(), once(), once(), once());
    for answer in [one, two, three, four] {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    // The question has waited too, and those before it but for the first.
    let delayed = metric(app.address, "parlance_connections_delayed_total ").await;
    assert!((1..=3).contains(&delayed), "{delayed}");

    let app = TestApp::with(&["--new-connections-per-address=1", "--rate-limits=off"]).await;
    for _ in 0..5 {
        assert!(handshake(app.address, "").await.starts_with("HTTP/1.1 200"));
    }
    let delayed = metric(app.address, "parlance_connections_delayed_total ").await;
    assert_eq!(delayed, 0);
}

#[tokio::test]
async fn a_trusted_proxy_s_connections_wait_for_nobody() {
    let options = [
        "--new-connections-per-address=1",
        "--trusted-proxies=127.0.0.1",
    ];
    let app = TestApp::with(&options).await;
    for _ in 0..5 {
        assert!(handshake(app.address, "").await.starts_with("HTTP/1.1 200"));
    }
    let page = raw(app.address, METRICS).await;
    assert!(
        page.contains("parlance_connections_delayed_total 0"),
        "{page}"
    );
}

#[tokio::test]
async fn session_ids_that_are_guessed_are_counted_by_address() {
    let app = TestApp::with(&["--unknown-sessions-per-address=3"]).await;
    let guess = "GET /socket.io/?EIO=4&transport=polling&sid=nope HTTP/1.1\r\nHost: a\r\n\
                 Connection: close\r\n\r\n";
    for status in ["400", "400", "400", "429", "429"] {
        let answer = raw(app.address, guess).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
    }
    let reason = "parlance_refused_total{reason=\"address-unknown-sessions\"} ";
    assert_eq!(metric(app.address, reason).await, 2);
    // Whoever has a session is not touched by what others of the address do.
    let ann = app.person("Ann").await;
    ann.connect().await;
}

#[tokio::test]
async fn a_person_has_so_many_connections_and_gets_a_place_back() {
    let app = TestApp::with(&["--max-connections-per-person=2"]).await;
    let (ann, ben) = (app.person("Ann").await, app.person("Ben").await);
    let first = ann.connect().await;
    let _second = ann.connect().await;
    let _other = ben.connect().await;
    let mut refused = Wire::websocket(app.address).await;
    let connect = format!("40{}", json!({ "token": ann.token() }));
    refused.send(&connect).await;
    let answer = refused.text().await;
    assert!(
        answer.starts_with("44{") && answer.contains("rate-limited"),
        "{answer}"
    );
    let counted = "parlance_connects_refused_total{code=\"rate-limited\"} ";
    assert_eq!(metric(app.address, counted).await, 1);
    drop(first);
    soon("a place", async {
        loop {
            let mut again = Wire::websocket(app.address).await;
            again.send(&connect).await;
            if again.text().await.starts_with("40{") {
                return;
            }
        }
    })
    .await;
}
