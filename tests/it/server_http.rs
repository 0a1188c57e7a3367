//! What the port answers, whoever asks.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{Method, Request};
use http_body_util::Full;
use serde_json::Value;

use crate::support::{Answer, TestApp, raw, send};

async fn get(app: &TestApp, path: &str) -> Answer {
    app.anonymous(Method::GET, path, Value::Null).await
}

#[tokio::test]
async fn it_says_that_it_is_alive_and_ready() {
    let app = TestApp::start().await;
    assert_eq!(get(&app, "/healthz").await.expect(200)["status"], "alive");
    let ready = get(&app, "/readyz").await.expect(200);
    assert_eq!(ready["status"], "ready");
    assert_eq!(ready["durability"], "full");
}

#[tokio::test]
async fn what_can_only_be_read_refuses_everything_else() {
    let app = TestApp::start().await;
    for path in [
        "/healthz",
        "/metrics",
        "/api-docs/openapi.json",
        "/",
        "/icon.svg",
    ] {
        let answer = app.anonymous(Method::POST, path, Value::Null).await;
        assert_eq!(answer.refused(405), "method-not-allowed", "{path}");
        assert_eq!(answer.header("allow"), "GET, HEAD", "{path}");
    }
}

#[tokio::test]
async fn localhost_answers_in_both_address_families() {
    let app = TestApp::with(&["--listen=localhost:0"]).await;
    assert!(app.address.ip().is_loopback() && app.address.is_ipv4());
    get(&app, "/healthz").await.expect(200);
    let v6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), app.address.port());
    let answer = raw(
        v6,
        "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn the_page_and_the_client_are_served() {
    let app = TestApp::start().await;
    for path in ["/", "/chat-example.html"] {
        let page = get(&app, path).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("cache-control"), "no-cache");
        assert!(
            page.header("content-security-policy")
                .starts_with("default-src 'none'")
        );
    }
    for name in [
        "socket.io.js",
        "socket.io.min.js",
        "socket.io.esm.min.js",
        "socket.io.msgpack.min.js",
    ] {
        let bundle = get(&app, &format!("/socket.io/{name}")).await;
        assert_eq!(bundle.status, 200, "{name}");
        assert!(bundle.header("content-type").contains("javascript"));
    }
}

#[tokio::test]
async fn pages_go_over_the_wire_compressed_and_a_head_tells_their_length() {
    let app = TestApp::start().await;
    let ask = async |method: Method, accept: &'static str| {
        let request = Request::builder().method(method).uri("/");
        let request = request
            .header("host", "a")
            .header("accept-encoding", accept);
        send(
            app.address,
            request.body(Full::default()).expect("a request"),
        )
        .await
    };
    let plain = ask(Method::GET, "identity").await;
    for encoding in ["br", "gzip", "deflate"] {
        let packed = ask(Method::GET, encoding).await;
        assert_eq!(packed.header("content-encoding"), encoding);
        assert_eq!(packed.header("vary"), "Accept-Encoding");
        assert!(packed.body.len() < plain.body.len() / 2, "{encoding}");
        let head = ask(Method::HEAD, encoding).await;
        assert_eq!(head.header("content-length"), packed.body.len().to_string());
        assert_eq!(head.header("etag"), packed.header("etag"));
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn every_answer_but_those_of_socket_io_has_an_id() {
    let app = TestApp::start().await;
    let mut ids = HashSet::new();
    let named = [
        "/",
        "/icon.svg",
        "/healthz",
        "/readyz",
        "/metrics",
        "/nothing",
        "/api/chats",
    ];
    for path in named {
        let answer = get(&app, path).await;
        let id = answer.header("x-request-id");
        assert_eq!(id.len(), 32, "{path}: {id}");
        assert!(ids.insert(id.to_owned()), "{path}");
    }
    for path in [
        "/socket.io/?EIO=4&transport=polling",
        "/socket.io/socket.io.js",
    ] {
        assert_eq!(get(&app, path).await.header("x-request-id"), "", "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_answered_in_the_one_shape() {
    let app = TestApp::start().await;
    for path in ["/api/nothing", "/api", "/nothing", "/api-docs/nothing"] {
        assert_eq!(get(&app, path).await.refused(404), "not-found", "{path}");
    }
    let put = app
        .anonymous(Method::PUT, "/api/auth/login", Value::Null)
        .await;
    assert_eq!(put.refused(405), "method-not-allowed");
    assert_eq!(put.header("allow"), "POST, OPTIONS");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_told_so_and_the_connection_closed() {
    let app = TestApp::start().await;
    let request =
        |target: &str, more: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n{more}\r\n");
    let long = |length: usize| "a".repeat(length);
    let many = |count: usize| "x: y\r\n".repeat(count);
    for (bytes, status) in [
        (request(&format!("/{}", long(9_000)), ""), "414"),
        (request(&format!("/{}", long(70_000)), ""), "414"),
        (request("/", &many(64)), "431"),
        (request("/", &many(200)), "431"),
        (request("/", &format!("x: {}\r\n", long(33_000))), "431"),
        (request("/", &format!("x: {}\r\n", long(200_000))), "431"),
    ] {
        let answer = raw(app.address, bytes).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer:.80}");
    }
    get(&app, "/healthz").await.expect(200);
}

#[tokio::test]
async fn a_request_that_could_be_smuggled_is_refused_or_ends_the_connection() {
    let app = TestApp::start().await;
    let post = |headers: &str, body: &str| {
        format!("POST /api/auth/login HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}")
    };
    let hidden = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let chunked = format!("0\r\n\r\n{hidden}");
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Content-Length: +5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length : 5",
    ] {
        let answer = raw(app.address, post(headers, &chunked)).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{headers}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{headers}: {answer}"
        );
    }
}

#[tokio::test]
async fn exactly_one_host_is_required() {
    let app = TestApp::start().await;
    for hosts in ["", "Host: a\r\nHost: b\r\n"] {
        let answer = raw(app.address, format!("GET / HTTP/1.1\r\n{hosts}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let answer = raw(app.address, "GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
}

#[tokio::test]
async fn other_sites_are_let_in_only_when_they_are_listed() {
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /api/chats HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\n\r\n"
        )
    };
    let allows = "access-control-allow-origin: https://a.example";
    let app = TestApp::start().await;
    let answer = raw(app.address, preflight("https://a.example")).await;
    assert!(
        answer.starts_with("HTTP/1.1 204") && !answer.contains("allow-origin"),
        "{answer}"
    );

    let app = TestApp::with(&["--cors-origins=https://a.example"]).await;
    let answer = raw(app.address, preflight("https://a.example")).await;
    assert!(answer.contains(allows), "{answer}");
    let answer = raw(app.address, preflight("https://b.example")).await;
    assert!(!answer.contains("allow-origin"), "{answer}");
    let simple = "GET /api/chats HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: https://a.example\r\n\r\n";
    let answer = raw(app.address, simple).await;
    assert!(
        answer.starts_with("HTTP/1.1 401") && answer.contains(allows),
        "{answer}"
    );
}

#[tokio::test]
async fn a_client_that_says_nothing_is_hung_up_on() {
    let app = TestApp::start().await;
    let silent = tokio::net::TcpStream::connect(app.address)
        .await
        .expect("a connection");
    // The answer proves that the silent connection was accepted before time is stopped.
    get(&app, "/healthz").await.expect(200);
    tokio::time::pause();
    silent.readable().await.expect("an end");
    assert_eq!(silent.try_read(&mut [0; 8]).expect("an end"), 0);
}
