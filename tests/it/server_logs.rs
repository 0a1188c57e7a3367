//! What is logged, and how.

use http::Method;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::{Program, raw, request};

#[tokio::test]
async fn a_request_is_found_in_the_log_by_the_id_that_the_client_was_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = [
        "--listen",
        "127.0.0.1:0",
        "--log-format",
        "json",
        "--log",
        "debug",
    ];
    let log = folder.path().join("log");
    let program = Program::serve_logging(&folder.path().join("data"), &options, &log);
    let asked = "GET /api/chats?secret=1 HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\
                 Authorization: Bearer hunter2\r\nConnection: close\r\n\r\n";
    let answer = raw(program.address, asked).await;
    let id = answer
        .lines()
        .find_map(|line| line.strip_prefix("x-request-id: "));
    let id = id.expect("an id").to_owned();
    // Nobody's own word, unless a proxy is trusted.
    assert_ne!(id, "mine");
    assert_eq!(program.end("-TERM").0, Some(0));
    let log = std::fs::read_to_string(log).expect("a log");
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let of_request: Vec<_> = lines
        .filter(|line| line["span"]["id"] == id.as_str())
        .collect();
    let answered = of_request.iter().find(|line| line["message"] == "answered");
    let answered = answered.unwrap_or_else(|| panic!("no line: {log}"));
    assert_eq!(answered["status"], 401);
    assert_eq!(answered["span"]["path"], "/api/chats");
    assert!(
        !log.contains("hunter2") && !log.contains("secret=1"),
        "{log}"
    );
}

#[tokio::test]
async fn the_log_says_what_is_wrong_with_a_token_of_the_host_application() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let folder = tempfile::tempdir().expect("a folder");
    let options = [
        "--listen=127.0.0.1:0",
        "--log=parlance=debug",
        "--host-jwt-issuer=host",
        "--host-jwt-audience=chat",
        "--host-jwt-secret=0123456789abcdef0123456789abcdef",
    ];
    let log = folder.path().join("log");
    let program = Program::serve_logging(&folder.path().join("data"), &options, &log);
    let sign = |secret: &str, claims: &Value| {
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::default(), claims, &key).expect("signs")
    };
    let exp = 4_000_000_000_u64;
    let good = json!({ "iss": "host", "aud": "chat", "sub": "7", "exp": exp });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let table = [
        (
            sign(&SECRET.replace('0', "x"), &good),
            "it was not signed with the key",
        ),
        (
            sign(SECRET, &with("iss", json!("hots"))),
            "its iss is not --host-jwt-issuer",
        ),
        (
            sign(SECRET, &with("aud", json!("chta"))),
            "its aud is not --host-jwt-audience",
        ),
        (
            sign(SECRET, &with("exp", json!("soon"))),
            "a claim is missing or of the wrong type",
        ),
        (
            sign(SECRET, &with("nbf", json!(exp))),
            "its iat or nbf lies ahead",
        ),
        ("nonsense".to_owned(), "it is no JWT"),
    ];
    for (token, _) in &table {
        let answer = request(
            program.address,
            Method::GET,
            "/api/chats",
            Some(token),
            Value::Null,
        );
        assert_eq!(answer.await.refused(401), "unauthenticated");
    }
    assert_eq!(program.end("-TERM").0, Some(0));
    let log = std::fs::read_to_string(log).expect("a log");
    for (token, reason) in &table {
        assert!(log.contains(reason), "{reason}: {log}");
        assert!(!log.contains(token), "{reason}");
    }
}
