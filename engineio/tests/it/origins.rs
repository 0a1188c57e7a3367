//! Cross-origin access, on every kind of request.

use engineio::{Config, Cors, CorsDelegate, CorsUndecided, Origins};

use crate::{
    client::{Polling, Ws, request_with},
    server::{TestServer, config},
};

const HANDSHAKE: &str = "GET /engine.io/?EIO=4&transport=polling";
const NOT_ALLOWED: (u16, &str, &str) = (
    403,
    "application/json",
    r#"{"code":4,"message":"Origin not allowed"}"#,
);

fn listed() -> Config {
    let origins = Origins::List(vec!["https://app.example".to_owned()]);
    Config {
        cors: Some(Cors {
            origins,
            credentials: true,
            ..Cors::default()
        }),
        ..config()
    }
}

#[tokio::test]
async fn trap_11_without_cors_a_foreign_origin_is_refused_everywhere() {
    let server = TestServer::start().await;
    let foreign = "Origin: https://evil.example\r\n";
    let reply = request_with(&server, HANDSHAKE, foreign, b"").await;
    assert_eq!(reply.row(), NOT_ALLOWED);
    assert_eq!(reply.header("access-control-allow-origin"), None);
    let (_, reply) = Ws::ask(&server, "/engine.io/?EIO=4&transport=websocket", foreign).await;
    assert_eq!(reply.row(), (400, "text/html", "Origin not allowed"));
    let client = Polling::open(&server).await;
    let head = format!("GET {}", client.target());
    assert_eq!(
        request_with(&server, &head, foreign, b"").await.row(),
        NOT_ALLOWED
    );
    let (_, reply) = Ws::ask(&server, &client.websocket_target(), foreign).await;
    assert_eq!(reply.status, 400);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn the_servers_own_host_is_allowed() {
    let server = TestServer::start().await;
    let own = "Origin: http://localhost\r\n";
    assert_eq!(request_with(&server, HANDSHAKE, own, b"").await.status, 200);
    let (_, reply) = Ws::ask(&server, "/engine.io/?EIO=4&transport=websocket", own).await;
    assert_eq!(reply.status, 101);
}

#[tokio::test]
async fn an_allowed_origin_is_named_in_every_reply() {
    let server = TestServer::with(listed()).await;
    let allowed = "Origin: https://app.example\r\n";
    for (head, status) in [
        (HANDSHAKE, 200),
        ("GET /engine.io/?EIO=4&transport=abc", 400),
        ("GET /engine.io/?EIO=4&transport=polling&sid=nope", 400),
    ] {
        let reply = request_with(&server, head, allowed, b"").await;
        assert_eq!(reply.status, status, "{head}");
        assert_eq!(
            reply.header("access-control-allow-origin"),
            Some("https://app.example")
        );
        assert_eq!(
            reply.header("access-control-allow-credentials"),
            Some("true")
        );
        assert_eq!(reply.header("vary"), Some("Origin"));
    }
    let (_, reply) = Ws::ask(&server, "/engine.io/?EIO=4&transport=websocket", allowed).await;
    assert_eq!(reply.status, 101);
}

#[tokio::test]
async fn with_a_list_other_origins_are_refused() {
    let server = TestServer::with(listed()).await;
    let reply = request_with(&server, HANDSHAKE, "Origin: https://evil.example\r\n", b"").await;
    assert_eq!(reply.row(), NOT_ALLOWED);
    assert_eq!(reply.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn trap_10_a_preflight_is_answered_before_anything_is_checked() {
    let server = TestServer::with(Config {
        cors: Some(Cors::default()),
        ..config()
    })
    .await;
    let headers = "Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n\
        Access-Control-Request-Headers: x-one\r\n";
    let reply = request_with(&server, "OPTIONS /engine.io/?sid=nope", headers, b"").await;
    assert_eq!((reply.status, reply.text()), (204, ""));
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    let methods = reply.header("access-control-allow-methods");
    assert_eq!(methods, Some("GET,HEAD,PUT,PATCH,POST,DELETE"));
    assert_eq!(reply.header("access-control-allow-headers"), Some("x-one"));
}

#[tokio::test]
async fn control_characters_in_an_origin_are_a_bad_request() {
    let server = TestServer::start().await;
    let reply = request_with(&server, HANDSHAKE, "Origin: http://a\x7f\r\n", b"").await;
    // hyper refuses the header itself.
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn a_delegate_decides_for_each_request_and_may_take_its_time() {
    let delegate = CorsDelegate::new(|parts, peer| {
        let answer = parts.headers.get("x-cors").cloned();
        async move {
            assert!(peer.ip().is_loopback());
            tokio::task::yield_now().await;
            match answer.as_ref().and_then(|answer| answer.to_str().ok()) {
                Some("fail") => Err(CorsUndecided),
                Some(origin) => Ok(Some(Cors {
                    origins: Origins::List(vec![origin.to_owned()]),
                    ..Cors::default()
                })),
                None => Ok(None),
            }
        }
    });
    let server = TestServer::with(Config {
        cors_delegate: Some(delegate),
        ..config()
    })
    .await;
    let origin = "Origin: https://app.example\r\n";
    let with = |answer: &str| format!("{origin}X-Cors: {answer}\r\n");
    let reply = request_with(&server, HANDSHAKE, &with("https://app.example"), b"").await;
    let named = reply.header("access-control-allow-origin");
    assert_eq!((reply.status, named), (200, Some("https://app.example")));
    let preflight = HANDSHAKE.replace("GET", "OPTIONS");
    let reply = request_with(&server, &preflight, &with("https://app.example"), b"").await;
    assert_eq!(reply.status, 204);
    let reply = request_with(&server, HANDSHAKE, &with("https://other.example"), b"").await;
    assert_eq!(reply.row(), NOT_ALLOWED);
    let reply = request_with(&server, HANDSHAKE, origin, b"").await;
    assert_eq!(reply.row(), NOT_ALLOWED, "no rules, no access");
    let bad = r#"{"code":3,"message":"Bad request"}"#;
    let reply = request_with(&server, HANDSHAKE, &with("fail"), b"").await;
    assert_eq!(reply.row(), (400, "application/json", bad));
    let target = "/engine.io/?EIO=4&transport=websocket";
    let (_, reply) = Ws::ask(&server, target, &with("fail")).await;
    assert_eq!(reply.row(), (400, "text/html", "Bad request"));
    let (_, reply) = Ws::ask(&server, target, &with("https://app.example")).await;
    assert_eq!(reply.status, 101);
}
