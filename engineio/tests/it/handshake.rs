//! Handshakes: the open packet, every refusal, the options that show in the reply.

use std::time::Duration;

use engineio::{
    AllowRequest, Config, Cookie, Frame, HeadersHook, Refusal, TransportKind, Transports,
};
use http::{HeaderValue, StatusCode, header};

use crate::{
    client::{Http, Polling, UPGRADE, Ws, request, request_with, sid_of},
    server::{Seen, TestServer, config},
};

const JSON: &str = "application/json";
const UNKNOWN_TRANSPORT: &str = r#"{"code":0,"message":"Transport unknown"}"#;
const UNKNOWN_SID: &str = r#"{"code":1,"message":"Session ID unknown"}"#;
const BAD_METHOD: &str = r#"{"code":2,"message":"Bad handshake method"}"#;
const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;
const UNSUPPORTED: &str = r#"{"code":5,"message":"Unsupported protocol version"}"#;

#[tokio::test]
async fn trap_1_the_open_packet_over_polling_is_exact() {
    let mut server = TestServer::start().await;
    let reply = request(&server, "GET /engine.io/?EIO=4&transport=polling", b"").await;
    let sid = sid_of(reply.text());
    let expected = format!(
        r#"0{{"sid":"{sid}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}}"#
    );
    assert_eq!(
        reply.row(),
        (200, "text/plain; charset=UTF-8", expected.as_str())
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(
        reply.header("content-length"),
        Some(expected.len().to_string().as_str())
    );
    assert_eq!(reply.header("access-control-allow-origin"), None);
    assert_eq!(sid.len(), 20);
    assert_eq!(server.seen().await, Seen::Opened);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn trap_2_the_open_packet_over_websocket_offers_no_upgrade() {
    let server = TestServer::start().await;
    let (_ws, open) = Ws::open(&server).await;
    assert!(
        open.contains(r#""upgrades":[],"pingInterval":25000"#),
        "{open}"
    );
}

#[tokio::test]
async fn upgrades_are_offered_only_when_they_are_allowed() {
    let polling = Transports {
        polling: true,
        websocket: false,
    };
    for config in [
        Config {
            allow_upgrades: false,
            ..config()
        },
        Config {
            transports: polling,
            ..config()
        },
    ] {
        let server = TestServer::with(config).await;
        let reply = request(&server, "GET /engine.io/?EIO=4&transport=polling", b"").await;
        assert!(reply.text().contains(r#""upgrades":[],"#));
    }
}

#[tokio::test]
async fn traps_3_to_7_every_refusal_of_a_plain_request_is_exact() {
    let server = TestServer::start().await;
    for (head, body) in [
        ("GET /engine.io/?transport=polling", UNSUPPORTED),
        ("GET /engine.io/?EIO=abc&transport=polling", UNSUPPORTED),
        ("GET /engine.io/?EIO=3&transport=polling", UNSUPPORTED),
        ("GET /engine.io/?EIO=4", UNKNOWN_TRANSPORT),
        ("GET /engine.io/", UNKNOWN_TRANSPORT),
        ("GET /engine.io/?EIO=4&transport=abc", UNKNOWN_TRANSPORT),
        (
            "GET /engine.io/?EIO=4&transport=__proto__",
            UNKNOWN_TRANSPORT,
        ),
        (
            "GET /engine.io/?EIO=4&transport=constructor",
            UNKNOWN_TRANSPORT,
        ),
        (
            "GET /engine.io/?EIO=4&transport=webtransport",
            UNKNOWN_TRANSPORT,
        ),
        (
            "GET /engine.io/?EIO=4&transport=polling%0d%0aX:y",
            UNKNOWN_TRANSPORT,
        ),
        ("POST /engine.io/?EIO=4&transport=polling", BAD_METHOD),
        ("POST /engine.io/?EIO=3&transport=polling", BAD_METHOD),
        ("PUT /engine.io/?EIO=4&transport=polling", BAD_METHOD),
        ("DELETE /engine.io/?EIO=4&transport=polling", BAD_METHOD),
        ("OPTIONS /engine.io/?EIO=4&transport=polling", BAD_METHOD),
        (
            "GET /engine.io/?EIO=4&transport=polling&sid=nope",
            UNKNOWN_SID,
        ),
        (
            "GET /engine.io/?EIO=4&transport=polling&sid=__proto__",
            UNKNOWN_SID,
        ),
        (
            "GET /engine.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA",
            UNKNOWN_SID,
        ),
        (
            "POST /engine.io/?EIO=4&transport=polling&sid=nope",
            UNKNOWN_SID,
        ),
        ("GET /engine.io/?EIO=4&transport=websocket", BAD_REQUEST),
        ("GET /engine.io/?EIO=4&EIO=4&transport=polling", BAD_REQUEST),
        (
            "GET /engine.io/?EIO=4&transport=polling&transport=polling",
            BAD_REQUEST,
        ),
        (
            "GET /engine.io/?EIO=4&transport=polling&sid=&sid=",
            BAD_REQUEST,
        ),
    ] {
        let reply = request(&server, head, b"").await;
        assert_eq!(reply.row(), (400, JSON, body), "{head}");
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_head_request_is_no_handshake() {
    let server = TestServer::start().await;
    let mut http = Http::connect(&server).await;
    http.write("HEAD /engine.io/?EIO=4&transport=polling HTTP/1.0\r\n\r\n")
        .await;
    // No body follows, whatever the length says.
    http.ended().await;
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn an_upgrade_is_refused_before_the_101() {
    let server = TestServer::start().await;
    let polling = Polling::open(&server).await;
    let sid = &polling.sid;
    for (target, message) in [
        (
            "/engine.io/?transport=websocket".to_owned(),
            "Unsupported protocol version",
        ),
        (
            "/engine.io/?EIO=abc&transport=websocket".to_owned(),
            "Unsupported protocol version",
        ),
        ("/engine.io/?EIO=4".to_owned(), "Transport unknown"),
        (
            "/engine.io/?EIO=4&transport=abc".to_owned(),
            "Transport unknown",
        ),
        (
            "/engine.io/?EIO=4&transport=__proto__".to_owned(),
            "Transport unknown",
        ),
        (
            "/engine.io/?EIO=4&transport=websocket&sid=nope".to_owned(),
            "Session ID unknown",
        ),
        (
            format!("/engine.io/?EIO=3&transport=websocket&sid={sid}"),
            "Bad request",
        ),
        (
            format!("/engine.io/?transport=websocket&sid={sid}"),
            "Bad request",
        ),
        (
            format!("/engine.io/?EIO=4&transport=polling&sid={sid}"),
            "Bad request",
        ),
    ] {
        let (mut ws, reply) = Ws::ask(&server, &target, "").await;
        assert_eq!(reply.row(), (400, "text/html", message), "{target}");
        assert_eq!(reply.header("connection"), Some("close"), "{target}");
        ws.http.ended().await;
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn trap_54_bad_frames_behind_a_refused_upgrade_hurt_nobody() {
    let server = TestServer::start().await;
    let mut http = Http::connect(&server).await;
    let request = format!(
        "GET /engine.io/?EIO=4&transport=websocket&sid=nope HTTP/1.1\r\nHost: h\r\n{UPGRADE}\r\n"
    );
    http.write([request.as_bytes(), &[0xb1, 0x80, 1, 2, 3, 4]].concat())
        .await;
    assert_eq!(http.reply().await.status, 400);
    http.ended().await;
    Polling::open(&server).await;
}

#[tokio::test]
async fn an_upgrade_must_be_well_formed() {
    let server = TestServer::start().await;
    let head = "GET /engine.io/?EIO=4&transport=websocket";
    for headers in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n",
    ] {
        let reply = request_with(&server, head, headers, b"").await;
        assert_eq!(reply.row(), (400, "text/html", "Bad request"), "{headers}");
        let version = (!headers.contains("Version: 13")).then_some("13");
        assert_eq!(reply.header("sec-websocket-version"), version, "{headers}");
    }
}

#[tokio::test]
async fn the_first_subprotocol_of_an_upgrade_is_agreed_on() {
    let server = TestServer::start().await;
    let target = "/engine.io/?EIO=4&transport=websocket";
    for (offer, agreed) in [("chat", "chat"), ("chat, other", "chat")] {
        let headers = format!("Sec-WebSocket-Protocol: {offer}\r\n");
        let (_, reply) = Ws::ask(&server, target, &headers).await;
        let named = reply.header("sec-websocket-protocol");
        assert_eq!((reply.status, named), (101, Some(agreed)));
    }
    let (_, reply) = Ws::ask(&server, target, "Sec-WebSocket-Protocol: a b\r\n").await;
    assert_eq!(reply.row(), (400, "text/html", "Bad request"));
}

#[tokio::test]
async fn no_extension_is_ever_agreed_on() {
    let server = TestServer::start().await;
    for offer in [
        "permessage-deflate; client_max_window_bits",
        "constructor; __proto__",
    ] {
        let headers = format!("Sec-WebSocket-Extensions: {offer}\r\n");
        let target = "/engine.io/?EIO=4&transport=websocket";
        let (_, reply) = Ws::ask(&server, target, &headers).await;
        assert_eq!(
            (reply.status, reply.header("sec-websocket-extensions")),
            (101, None)
        );
    }
}

#[tokio::test]
async fn trap_7_an_empty_sid_opens_a_session() {
    let server = TestServer::start().await;
    let reply = request(&server, "GET /engine.io/?EIO=4&transport=polling&sid=", b"").await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn trap_8_user_parameters_reach_the_application() {
    let server = TestServer::start().await;
    let head = "GET /engine.io/?EIO=4&transport=polling&t=abc&%26a=%26%3D%3Fa&token=1&token=2";
    assert_eq!(request(&server, head, b"").await.status, 200);
    let handshakes = server.handshakes.lock().unwrap();
    let handshake = handshakes.first().unwrap();
    assert_eq!(handshake.query().get("&a"), Some("&=?a"));
    assert_eq!(handshake.query().get("token"), Some("2"));
    assert_eq!(handshake.header("host"), Some("localhost"));
    assert_eq!(handshake.transport(), TransportKind::Polling);
    assert!(handshake.address().ip().is_loopback());
}

#[tokio::test]
async fn trap_9_the_path_is_exact() {
    let server = TestServer::start().await;
    for path in [
        "/engine.io",
        "/engine.io/default/",
        "/engine.io//",
        "/",
        "/ENGINE.IO/",
    ] {
        let head = format!("GET {path}?EIO=4&transport=polling");
        assert_eq!(request(&server, &head, b"").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn trap_9_the_trailing_slash_of_the_path_is_an_option() {
    for (path, add_trailing_slash, status) in [
        ("/custom", true, [404, 200]),
        ("/custom/", true, [404, 200]),
        ("/custom", false, [200, 404]),
        ("/custom/", false, [200, 404]),
    ] {
        let server = TestServer::with(Config {
            path: path.to_owned(),
            add_trailing_slash,
            ..config()
        })
        .await;
        for (asked, status) in ["/custom", "/custom/"].into_iter().zip(status) {
            let head = format!("GET {asked}?EIO=4&transport=polling");
            assert_eq!(request(&server, &head, b"").await.status, status, "{path}");
        }
    }
}

#[tokio::test]
async fn a_request_without_a_host_is_refused() {
    let server = TestServer::start().await;
    let mut http = Http::connect(&server).await;
    http.write("GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\n\r\n")
        .await;
    assert_eq!(http.reply().await.row(), (400, JSON, BAD_REQUEST));
    http.ended().await;
}

#[tokio::test]
async fn a_long_target_gets_414() {
    let server = TestServer::start().await;
    let head = format!(
        "GET /engine.io/?EIO=4&transport=polling&x={}",
        "a".repeat(9000)
    );
    assert_eq!(request(&server, &head, b"").await.status, 414);
}

#[tokio::test]
async fn trap_12_the_application_may_refuse_with_its_own_words() {
    let allow_request = AllowRequest::new(|_, _| async { Err(Refusal::new("no \"bots\"")) });
    let server = TestServer::with(Config {
        allow_request: Some(allow_request),
        ..config()
    })
    .await;
    let reply = request(&server, "GET /engine.io/?EIO=4&transport=polling", b"").await;
    assert_eq!(
        reply.row(),
        (403, JSON, r#"{"code":4,"message":"no \"bots\""}"#)
    );
    let (_, reply) = Ws::ask(&server, "/engine.io/?EIO=4&transport=websocket", "").await;
    assert_eq!(reply.row(), (400, "text/html", "no \"bots\""));
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn trap_12_a_refusal_may_have_its_own_status_and_code() {
    let refusal = Refusal {
        status: StatusCode::UNAUTHORIZED,
        code: 42,
        message: "Log in".to_owned(),
    };
    let allow_request = AllowRequest::new(move |_, _| {
        let refusal = refusal.clone();
        async move { Err(refusal) }
    });
    let server = TestServer::with(Config {
        allow_request: Some(allow_request),
        ..config()
    })
    .await;
    let reply = request(&server, "GET /engine.io/?EIO=4&transport=polling", b"").await;
    assert_eq!(
        reply.row(),
        (401, JSON, r#"{"code":42,"message":"Log in"}"#)
    );
    let (_, reply) = Ws::ask(&server, "/engine.io/?EIO=4&transport=websocket", "").await;
    assert_eq!(reply.row(), (400, "text/html", "Log in"));
}

#[tokio::test]
async fn the_default_refusal_is_the_official_one() {
    let allow_request = AllowRequest::new(|_, _| async { Err(Refusal::default()) });
    let server = TestServer::with(Config {
        allow_request: Some(allow_request),
        ..config()
    })
    .await;
    let reply = request(&server, "GET /engine.io/?EIO=4&transport=polling", b"").await;
    assert_eq!(
        reply.row(),
        (403, JSON, r#"{"code":4,"message":"Forbidden"}"#)
    );
}

#[tokio::test]
async fn trap_13_a_slow_decision_delays_only_its_own_request() {
    let allow_request = AllowRequest::new(|parts, _| {
        let slow = parts
            .uri
            .query()
            .is_some_and(|query| query.contains("slow"));
        async move {
            if slow {
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    });
    let server = TestServer::with(Config {
        allow_request: Some(allow_request),
        ..config()
    })
    .await;
    let mut slow = Http::connect(&server).await;
    slow.send("GET /engine.io/?EIO=4&transport=polling&slow=1", "", b"")
        .await;
    Polling::open(&server).await;
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn the_decision_is_asked_for_handshakes_only() {
    let allow_request = AllowRequest::new(|parts, _| {
        let handshake = !parts
            .uri
            .query()
            .is_some_and(|query| query.contains("sid="));
        async move {
            if handshake {
                Ok(())
            } else {
                Err(Refusal::default())
            }
        }
    });
    let server = TestServer::with(Config {
        allow_request: Some(allow_request),
        ..config()
    })
    .await;
    let polling = Polling::open(&server).await;
    assert_eq!(polling.post("4a").await.status, 200);
}

#[tokio::test]
async fn trap_14_the_cookie_is_set_by_the_polling_handshake_only() {
    let server = TestServer::with(Config {
        cookie: Some(Cookie::default()),
        ..config()
    })
    .await;
    let reply = request(&server, "GET /engine.io/?EIO=4&transport=polling", b"").await;
    let sid = sid_of(reply.text());
    let expected = format!("io={sid}; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(reply.header("set-cookie"), Some(expected.as_str()));
    let (_, reply) = Ws::ask(&server, "/engine.io/?EIO=4&transport=websocket", "").await;
    assert_eq!((reply.status, reply.header("set-cookie")), (101, None));
    let target = format!("POST /engine.io/?EIO=4&transport=polling&sid={sid}");
    assert_eq!(
        request(&server, &target, b"4a").await.header("set-cookie"),
        None
    );
}

#[tokio::test]
async fn a_cookie_shows_all_its_attributes() {
    let cookie = Cookie {
        name: "sid".to_owned(),
        path: "/chat".to_owned(),
        http_only: false,
        same_site: Some(engineio::SameSite::None),
        secure: true,
        max_age: Some(Duration::from_secs(60)),
        domain: Some("example.org".to_owned()),
        ..Cookie::default()
    };
    let server = TestServer::with(Config {
        cookie: Some(cookie),
        ..config()
    })
    .await;
    let reply = request(&server, "GET /engine.io/?EIO=4&transport=polling", b"").await;
    let value = reply.header("set-cookie").unwrap();
    assert!(
        value.ends_with("; Max-Age=60; Domain=example.org; Path=/chat; Secure; SameSite=None"),
        "{value}"
    );
}

#[tokio::test]
async fn trap_15_initial_headers_come_once_and_headers_always() {
    let initial = HeadersHook::new(|headers, _| {
        headers.append(header::SET_COOKIE, HeaderValue::from_static("a=1"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("b=2"));
    });
    let every = HeadersHook::new(|headers, _| {
        headers.insert("x-every", HeaderValue::from_static("yes"));
    });
    let config = Config {
        initial_headers: Some(initial),
        headers: Some(every),
        ..config()
    };
    let server = TestServer::with(config).await;
    let reply = request(&server, "GET /engine.io/?EIO=4&transport=polling", b"").await;
    assert_eq!(reply.all("set-cookie"), ["a=1", "b=2"], "separate lines");
    assert_eq!(reply.header("x-every"), Some("yes"));
    let head = format!(
        "POST /engine.io/?EIO=4&transport=polling&sid={}",
        sid_of(reply.text())
    );
    let reply = request(&server, &head, b"4a").await;
    assert_eq!(
        (reply.all("set-cookie").len(), reply.header("x-every")),
        (0, Some("yes"))
    );
    let (_, reply) = Ws::ask(&server, "/engine.io/?EIO=4&transport=websocket", "").await;
    assert_eq!(reply.all("set-cookie"), ["a=1", "b=2"], "on the 101 too");
    assert_eq!(reply.header("x-every"), Some("yes"));
}

#[tokio::test]
async fn trap_18_the_initial_packet_follows_the_open_packet() {
    let config = Config {
        initial_packet: Some(Frame::text("welcome")),
        ..config()
    };
    let server = TestServer::with(config).await;
    let reply = request(&server, "GET /engine.io/?EIO=4&transport=polling", b"").await;
    let (open, initial) = reply.text().split_once('\x1e').unwrap();
    assert!(open.starts_with("0{") && initial == "4welcome");
    let (mut ws, _) = Ws::open(&server).await;
    assert_eq!(ws.text().await, "4welcome");
}

#[tokio::test]
async fn a_transport_that_is_switched_off_is_unknown() {
    let transports = Transports {
        polling: false,
        websocket: true,
    };
    let server = TestServer::with(Config {
        transports,
        ..config()
    })
    .await;
    let reply = request(&server, "GET /engine.io/?EIO=4&transport=polling", b"").await;
    assert_eq!(reply.row(), (400, JSON, UNKNOWN_TRANSPORT));
    Ws::open(&server).await;
}
