//! The page /metrics, and who may read it.

use std::collections::HashMap;
use std::net::SocketAddr;

use http::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, raw, request, soon};

/// The page as numbers by name and labels.
struct Page(HashMap<String, f64>);

impl Page {
    async fn of(address: SocketAddr) -> Self {
        let answer = request(address, Method::GET, "/metrics", None, Value::Null).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.header("content-type"),
            "text/plain; version=0.0.4; charset=utf-8"
        );
        let text = String::from_utf8(answer.body.to_vec()).expect("text");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let numbers = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        });
        Self(numbers.collect())
    }

    /// The page when nothing is being committed: what was counted at the beginning of a commit is
    /// counted at its end, too.
    async fn at_rest(address: SocketAddr) -> Self {
        soon("the end of the commits under way", async {
            loop {
                let page = Self::of(address).await;
                let begun = page.get("parlance_commit_size_count");
                let ended = page.get("parlance_commit_duration_seconds_count");
                if page.get("parlance_storage_queue") == 0.0 && begun == ended {
                    return page;
                }
            }
        })
        .await
    }

    fn get(&self, name: &str) -> f64 {
        *self
            .0
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not on the page"))
    }
}

#[tokio::test]
async fn known_traffic_gives_known_numbers() {
    let app = TestApp::start().await;
    let (ann, ben) = (app.person("Ann").await, app.person("Ben").await);
    let chat = ann.direct_chat(&ben).await;
    let (mut anns, mut bens) = (ann.connect().await, ben.connect().await);
    for live in [&mut anns, &mut bens] {
        assert_eq!(live.ask("join-chat", json!(chat)).await["success"], true);
    }
    for number in 0..20 {
        let message = json!({ "chatId": chat, "content": format!("{number}") });
        assert_eq!(anns.ask("send-message", message).await["success"], true);
        bens.event("new-message").await;
    }
    assert_eq!(anns.ask("no-such-event", json!({})).await["success"], false);
    let wrong = json!({ "email": "nobody@example.test", "password": "not the right one" });
    app.anonymous(Method::POST, "/api/auth/login", wrong)
        .await
        .refused(401);

    let page = Page::at_rest(app.address).await;
    for (name, value) in [
        ("parlance_sessions{transport=\"websocket\"}", 2.0),
        ("parlance_sessions{transport=\"polling\"}", 0.0),
        (
            "parlance_sessions_opened_total{transport=\"websocket\"}",
            2.0,
        ),
        ("parlance_sockets", 2.0),
        (
            "parlance_events_received_total{event=\"send-message\"}",
            20.0,
        ),
        ("parlance_events_received_total{event=\"join-chat\"}", 2.0),
        ("parlance_events_received_total{event=\"other\"}", 1.0),
        (
            "parlance_events_failed_total{code=\"validation-failed\"}",
            1.0,
        ),
        // Each has sent a CONNECT beside its events.
        ("parlance_messages_received_total", 2.0 + 2.0 + 20.0 + 1.0),
        // Each event was answered, and nobody was asked for an answer.
        ("parlance_acks_sent_total", 2.0 + 20.0 + 1.0),
        ("parlance_acks_received_total", 0.0),
        ("parlance_commits_failed_total", 0.0),
        ("parlance_logins_total{outcome=\"refused\"}", 1.0),
        ("parlance_http_responses_total{status=\"101\"}", 2.0),
        ("parlance_http_responses_total{status=\"401\"}", 1.0),
        ("parlance_outbox_bytes", 0.0),
        ("parlance_acks_pending", 0.0),
        ("parlance_draining", 0.0),
    ] {
        assert_eq!(page.get(name), value, "{name}");
    }
    assert!(page.get("parlance_broadcast_recipients_sum") >= 40.0);
    assert_eq!(
        page.get("parlance_packets_sent_total"),
        page.get("parlance_broadcast_recipients_sum") + 23.0 + 2.0,
        "deliveries, answers, and `ready` for each"
    );
    assert!(page.get("parlance_events_emitted_total") >= 22.0);
    // A message is longer than its shortest form, and each has gone to two people.
    assert!(page.get("parlance_sent_bytes_total") > 40.0 * 100.0);
    assert!(page.get("parlance_received_bytes_total") > 20.0 * 50.0);
    assert!(page.get("parlance_commit_size_sum") >= 20.0);
    assert!(page.get("process_resident_memory_bytes") > 1e6);

    drop(anns);
    soon("the end of a session is counted", async {
        let closed = "parlance_sessions_closed_total{reason=\"transport-close\"}";
        while Page::of(app.address).await.get(closed) < 1.0 {}
    })
    .await;
    let page = Page::of(app.address).await;
    assert_eq!(page.get("parlance_sessions{transport=\"websocket\"}"), 1.0);
}

#[tokio::test]
async fn every_name_follows_the_conventions() {
    let app = TestApp::start().await;
    for name in Page::of(app.address).await.0.keys() {
        let name = name.split('{').next().expect("a name");
        assert!(
            name.starts_with("parlance_") || name.starts_with("process_"),
            "{name}"
        );
        assert!(
            name.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_dashboard_shows_only_what_is_on_the_page() {
    let app = TestApp::start().await;
    let answer = app.anonymous(Method::GET, "/metrics", Value::Null).await;
    let page = String::from_utf8(answer.body.to_vec()).expect("text");
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let known: Vec<_> = types
        .map(|line| line.split(' ').next().expect("a name"))
        .collect();
    let dashboard = include_str!("../../docs/deploy/grafana-dashboard.json");
    serde_json::from_str::<Value>(dashboard).expect("JSON");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = dashboard.split(|c| !is_part(c));
    let named: Vec<_> = words
        .filter(|word| word.starts_with("parlance_") || word.starts_with("process_"))
        .collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        let of_histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|part| name.strip_suffix(part));
        let found = known.contains(&name) || of_histogram.is_some_and(|name| known.contains(&name));
        assert!(found, "{name}");
    }
}

#[tokio::test]
async fn a_proxy_s_clients_do_not_learn_that_there_are_metrics() {
    let app = TestApp::start().await;
    for trace in [
        "X-Forwarded-For: 203.0.113.7",
        "Via: 1.1 proxy",
        "Forwarded: for=1.1.1.1",
    ] {
        let asked =
            format!("GET /metrics HTTP/1.1\r\nHost: a\r\n{trace}\r\nConnection: close\r\n\r\n");
        let answer = raw(app.address, asked).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
}

#[tokio::test]
async fn with_a_token_whoever_has_it_reads_them_and_nobody_else() {
    let token = "a token of the tests";
    let option = format!("--metrics-token={token}");
    let app = TestApp::with(&[&option]).await;
    let ask = async |token| request(app.address, Method::GET, "/metrics", token, Value::Null).await;
    assert_eq!(ask(None).await.status, 404);
    assert_eq!(ask(Some("a token of the test")).await.status, 404);
    assert_eq!(ask(Some(token)).await.status, 200);
}

#[tokio::test]
async fn they_can_be_off_or_at_an_address_of_their_own() {
    let app = TestApp::with(&["--metrics=off", "--metrics-listen=127.0.0.1:0"]).await;
    let get = async |address, path| {
        let answer = request(address, Method::GET, path, None, Value::Null).await;
        answer.status.as_u16()
    };
    assert_eq!(get(app.address, "/metrics").await, 404);
    let inside = app.metrics_address.expect("bound");
    for (path, status) in [
        ("/metrics", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/api/chats", 404),
        ("/", 404),
        ("/socket.io/?EIO=4&transport=polling", 404),
    ] {
        assert_eq!(get(inside, path).await, status, "{path}");
    }
}
