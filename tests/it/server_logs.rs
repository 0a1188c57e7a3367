//! What is logged, and how.

use serde_json::Value;

use crate::support::{Program, raw};

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
