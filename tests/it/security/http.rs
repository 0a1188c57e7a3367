//! Requests that HTTP libraries have read wrongly.

use super::Attacked;
use crate::support::{Wire, raw};

/// The status of the answer to these bytes, after which the connection ends.
async fn last_status(attacked: &Attacked, bytes: &[u8]) -> u16 {
    let answer = raw(attacked.program.address, bytes).await;
    let status = answer.split(' ').nth(1).map(str::parse);
    match status {
        Some(Ok(status)) => status,
        _ => panic!("no answer: {answer:?}"),
    }
}

#[tokio::test]
async fn framing_that_can_be_read_in_two_ways_is_refused() {
    let mut attacked = Attacked::start().await;
    for (name, headers) in [
        ("a sign", "Content-Length: +2\r\n"),
        ("a negative length", "Content-Length: -1\r\n"),
        ("two lengths", "Content-Length: 2\r\nContent-Length: 3\r\n"),
        ("an unknown coding", "Transfer-Encoding: xchunked\r\n"),
        (
            "two codings",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        ),
        ("a folded line", "X: a\r\n b\r\nContent-Length: 2\r\n"),
        ("a blank before the colon", "Content-Length : 2\r\n"),
        ("a control character", "X: a\x01b\r\nContent-Length: 2\r\n"),
    ] {
        let request =
            format!("POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{{}}");
        let status = last_status(&attacked, request.as_bytes()).await;
        assert_eq!(status, 400, "{name}");
    }
    let old = b"POST /api/auth/login HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(last_status(&attacked, old).await, 400);
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn a_length_beside_chunks_smuggles_nothing() {
    let mut attacked = Attacked::start().await;
    let smuggled = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let request = format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n{smuggled}"
    );
    let mut wire = Wire::to(attacked.program.address).await;
    wire.write(request).await;
    let answer = wire.answer().await;
    assert_eq!(answer.status, 400, "the body lacks everything");
    assert_eq!(answer.header("connection"), Some("close"));
    wire.gone().await;
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn broken_chunks_are_a_bad_request() {
    let mut attacked = Attacked::start().await;
    let extension = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(20_000));
    for chunks in [
        "fffffffffffffffff\r\n{}",
        "zz\r\n{}",
        "2\n{}\n0\n\n",
        &extension,
    ] {
        let request = format!(
            "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\n\r\n{chunks}"
        );
        let shown: String = chunks.chars().take(20).collect();
        assert_eq!(
            last_status(&attacked, request.as_bytes()).await,
            400,
            "{shown}"
        );
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn a_request_names_one_host() {
    let mut attacked = Attacked::start().await;
    for hosts in ["", "Host: a\r\nHost: b\r\n"] {
        let request = format!("GET /healthz HTTP/1.1\r\n{hosts}\r\n");
        assert_eq!(last_status(&attacked, request.as_bytes()).await, 400);
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn addresses_and_heads_have_limits() {
    let mut attacked = Attacked::start().await;
    for (length, status) in [(9_000, 414), (70_000, 414)] {
        let request = format!(
            "GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "a".repeat(length)
        );
        assert_eq!(last_status(&attacked, request.as_bytes()).await, status);
    }
    let many = "x: y\r\n".repeat(101);
    let large = format!("x: {}\r\n", "y".repeat(500_000));
    for headers in [many, large] {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        assert_eq!(last_status(&attacked, request.as_bytes()).await, 431);
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn a_rest_body_has_a_limit_and_a_coding_that_is_none() {
    let mut attacked = Attacked::start().await;
    let before = attacked.memory();
    let head =
        "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let huge = format!("{head}Content-Length: 1000000000\r\n\r\n{{");
    assert_eq!(last_status(&attacked, huge.as_bytes()).await, 413);
    let packed = format!("{head}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{{}}");
    let mut wire = Wire::to(attacked.program.address).await;
    wire.write(packed).await;
    assert_eq!(wire.answer().await.status, 415);
    let grown = attacked.grown(before);
    assert!(grown < 16 << 20, "{grown} bytes");
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn nothing_of_a_request_comes_back_in_a_header() {
    let mut attacked = Attacked::start().await;
    for target in [
        "/api/chats%0d%0aX-Evil:%201",
        "/socket.io/?EIO=4&transport=polling%0d%0aX-Evil:%201",
        "/chat-example.html%0d%0aX-Evil:%201",
    ] {
        let mut wire = Wire::to(attacked.program.address).await;
        wire.write(format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://x\r\n\r\n"
        ))
        .await;
        let answer = wire.answer().await;
        assert!(!answer.head.contains("x-evil"), "{}", answer.head);
    }
    attacked.assert_chatting().await;
}
