//! Session ids, upgrades, and who may open a session.

use super::Attacked;
use crate::support::{End, Heard, Wire, frame, upgrade_head};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// Asserts a refusal of Engine.IO: JSON to a request, plain text to an upgrade.
fn assert_refused(answer: &Heard, code: u8, about: &str) {
    const MESSAGES: [&str; 4] = [
        "Transport unknown",
        "Session ID unknown",
        "Bad handshake method",
        "Bad request",
    ];
    assert_eq!(answer.status, 400, "{about}");
    let message = MESSAGES[usize::from(code)];
    if answer.body != message {
        assert_eq!(answer.code(), code, "{about}: {}", answer.body);
    }
}

async fn ask(attacked: &Attacked, request: String) -> Heard {
    let mut wire = Wire::to(attacked.program.address).await;
    wire.write(request).await;
    wire.answer().await
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

fn post(target: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

async fn open(attacked: &Attacked) -> String {
    let opened = ask(attacked, get(POLLING)).await;
    assert_eq!(opened.status, 200);
    let sid = opened.body.split(r#""sid":""#).nth(1).expect("a sid");
    sid.split('"').next().expect("a sid").to_owned()
}

#[tokio::test]
async fn no_origin_is_reflected_unless_it_is_allowed() {
    let mut attacked = Attacked::start().await;
    let evil = "Origin: https://evil.example\r\n";
    let request = format!("GET {POLLING} HTTP/1.1\r\nHost: localhost\r\n{evil}\r\n");
    let answer = ask(&attacked, request).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn a_websocket_of_a_foreign_page_is_forbidden() {
    let mut attacked = Attacked::with(&["--cors-origins=https://school.example"]).await;
    let evil = "Origin: https://evil.example\r\nCookie: io=x\r\n";
    let answer = ask(&attacked, upgrade_head(WEBSOCKET, evil)).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (400, "Origin not allowed")
    );
    let good = "Origin: https://school.example\r\n";
    assert_eq!(
        ask(&attacked, upgrade_head(WEBSOCKET, good)).await.status,
        101
    );
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn an_unknown_transport_is_a_refusal_although_its_code_is_zero() {
    let mut attacked = Attacked::start().await;
    for transport in [
        "__proto__",
        "constructor",
        "",
        "websocketx",
        "polling%0d%0aX:y",
    ] {
        let target = format!("/socket.io/?EIO=4&transport={transport}");
        for request in [upgrade_head(&target, ""), get(&target)] {
            let answer = ask(&attacked, request).await;
            assert_refused(&answer, 0, transport);
            assert!(!answer.head.contains("x:y"), "{}", answer.head);
        }
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn an_unknown_session_is_refused_whatever_its_name() {
    let mut attacked = Attacked::start().await;
    for sid in ["nope", "__proto__", "constructor", "%00", "..%2f..", "0"] {
        for transport in ["polling", "websocket"] {
            let target = format!("/socket.io/?EIO=4&transport={transport}&sid={sid}");
            let request = match transport {
                "polling" => get(&target),
                _ => upgrade_head(&target, ""),
            };
            let answer = ask(&attacked, request).await;
            assert_refused(&answer, 1, sid);
        }
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn frames_in_the_segment_of_a_refused_upgrade_hurt_nobody() {
    let mut attacked = Attacked::start().await;
    let target = format!("{WEBSOCKET}&sid=nope");
    for first in [0xb1, 0x91, 0xff] {
        let mut wire = Wire::to(attacked.program.address).await;
        let bytes = [upgrade_head(&target, "").into_bytes(), frame(first, b"")].concat();
        wire.write(bytes).await;
        let answer = wire.answer().await;
        assert_refused(&answer, 1, "frames behind it");
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn a_reset_at_any_point_ends_quietly() {
    let mut attacked = Attacked::start().await;
    let sid = open(&attacked).await;
    let heads = [
        upgrade_head(&format!("{WEBSOCKET}&sid=nope"), ""),
        upgrade_head(WEBSOCKET, ""),
        upgrade_head(&format!("{WEBSOCKET}&sid={sid}"), ""),
        get(&format!("{POLLING}&sid={sid}")),
        get(POLLING)[..30].to_owned(),
        post(POLLING, "text/plain", "40")[..60].to_owned(),
    ];
    for head in heads {
        for _ in 0..20 {
            let mut wire = Wire::to(attacked.program.address).await;
            wire.write(&head).await;
            wire.reset();
        }
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn the_protocol_version_belongs_to_the_session() {
    let mut attacked = Attacked::start().await;
    for version in ["EIO=3", "EIO=5", "x=y", "EIO=4&EIO=3"] {
        for transport in ["polling", "websocket"] {
            let sid = open(&attacked).await;
            let target = format!("/socket.io/?{version}&transport={transport}&sid={sid}");
            let request = match transport {
                "polling" => get(&target),
                _ => upgrade_head(&target, ""),
            };
            let answer = ask(&attacked, request).await;
            assert_eq!(answer.status, 400, "{version} {transport}");
            // The session is unharmed: its own client goes on.
            let own = post(
                &format!("{POLLING}&sid={sid}"),
                "text/plain;charset=UTF-8",
                "3",
            );
            assert_eq!(ask(&attacked, own).await.status, 200);
        }
    }
    for version in ["EIO=3", "EIO=5"] {
        let answer = ask(
            &attacked,
            get(&format!("/socket.io/?{version}&transport=polling")),
        )
        .await;
        assert_eq!((answer.status, answer.code()), (400, 5.into()));
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn a_body_of_bytes_ends_the_request_and_the_session() {
    let mut attacked = Attacked::start().await;
    let sid = open(&attacked).await;
    let target = format!("{POLLING}&sid={sid}");
    let mut wire = Wire::to(attacked.program.address).await;
    // The body is announced and never sent.
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: 10\r\n\r\n"
    );
    wire.write(head).await;
    assert_eq!(wire.answer().await.status, 400);
    wire.gone().await;
    let answer = ask(&attacked, get(&target)).await;
    assert_eq!((answer.status, answer.code()), (400, 1.into()));
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn doubled_and_odd_query_keys_are_refused() {
    let mut attacked = Attacked::start().await;
    for query in [
        "EIO=4&EIO=4&transport=polling",
        "EIO=4&transport=polling&transport=websocket",
        "EIO=4&transport=polling&sid=a&sid=b",
    ] {
        let answer = ask(&attacked, get(&format!("/socket.io/?{query}"))).await;
        assert_eq!((answer.status, answer.code()), (400, 3.into()), "{query}");
    }
    for path in [
        "/socket.io/evil",
        "/socket.iox/",
        "/socket.io/../socket.io/",
    ] {
        let answer = ask(&attacked, get(&format!("{path}?EIO=4&transport=polling"))).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn a_session_of_one_transport_takes_no_requests_of_the_other() {
    let mut attacked = Attacked::start().await;
    let mut wire = Wire::to(attacked.program.address).await;
    wire.write(upgrade_head(WEBSOCKET, "")).await;
    assert_eq!(wire.answer().await.status, 101);
    let open = wire.text().await;
    let sid = open.split(r#""sid":""#).nth(1).expect("a sid");
    let sid = sid.split('"').next().expect("a sid");
    let target = format!("{POLLING}&sid={sid}");
    let answer = ask(&attacked, get(&target)).await;
    assert_eq!((answer.status, answer.code()), (400, 3.into()));
    for method in ["PUT", "DELETE", "PATCH"] {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(ask(&attacked, request).await.status, 400, "{method}");
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn of_two_websockets_on_one_session_one_is_closed() {
    let mut attacked = Attacked::start().await;
    let sid = open(&attacked).await;
    let head = upgrade_head(&format!("{WEBSOCKET}&sid={sid}"), "");
    let mut first = Wire::to(attacked.program.address).await;
    first.write(&head).await;
    assert_eq!(first.answer().await.status, 101);
    first.send("2probe").await;
    assert_eq!(first.text().await, "3probe");
    let mut second = Wire::to(attacked.program.address).await;
    second.write(&head).await;
    assert_eq!(second.answer().await.status, 101);
    assert!(matches!(second.end().await, End::Close(_)));
    first.send("5").await;
    first.send("40").await;
    assert!(first.text().await.starts_with("44{"), "no token was given");
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn packets_of_the_wrong_direction_do_no_harm() {
    let mut attacked = Attacked::start().await;
    let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
    for packet in ["0", "5", "6", "3", "3probe"] {
        wire.send(packet).await;
    }
    wire.assert_served().await;
    let mut pinging = Wire::joined(attacked.program.address, attacked.ann.token()).await;
    pinging.send("2").await;
    assert_eq!(pinging.end().await, End::Close(None));
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn bodies_that_are_no_payload_end_the_session_with_400() {
    let mut attacked = Attacked::start().await;
    let records = "\x1e".repeat(50_000);
    let pings = "3\x1e".repeat(40_000);
    for body in ["", "4\x1e", "b!!!!", "x", &records, &pings] {
        let sid = open(&attacked).await;
        let target = format!("{POLLING}&sid={sid}");
        let answer = ask(&attacked, post(&target, "text/plain;charset=UTF-8", body)).await;
        let shown: String = body.chars().take(20).collect();
        assert_eq!(answer.status, 400, "{shown}");
        assert_eq!(ask(&attacked, get(&target)).await.code(), 1, "{shown}");
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_while_it_is_still_arriving() {
    let mut attacked = Attacked::start().await;
    let before = attacked.memory();
    for chunked in [false, true] {
        let sid = open(&attacked).await;
        let framing = match chunked {
            true => "Transfer-Encoding: chunked",
            false => "Content-Length: 100000000",
        };
        let mut wire = Wire::to(attacked.program.address).await;
        let head = format!(
            "POST {POLLING}&sid={sid} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n{framing}\r\n\r\n"
        );
        wire.write(head).await;
        if chunked {
            for _ in 0..11 {
                wire.write(format!("2710\r\n{}\r\n", "4\x1e".repeat(5_000)))
                    .await;
            }
        }
        assert_eq!(wire.answer().await.status, 413, "chunked: {chunked}");
        wire.gone().await;
    }
    let grown = attacked.grown(before);
    assert!(grown < 16 << 20, "{grown} bytes");
    attacked.assert_chatting().await;
}

/// Chi-square per character over ids of the real generator: 63 degrees of
/// freedom, and a bound that chance passes once in 10^9 runs of all characters.
#[tokio::test]
async fn ids_are_random_in_every_character() {
    const IDS: usize = 3_000;
    let attacked = Attacked::with(&["--rate-limits=off"]).await;
    let mut wire = Wire::to(attacked.program.address).await;
    let mut seen = std::collections::HashSet::new();
    let mut counts = vec![std::collections::HashMap::<u8, usize>::new(); 20];
    for _ in 0..IDS {
        wire.write(get(POLLING)).await;
        let opened = wire.answer().await;
        let sid = opened.body.split('"').nth(3).expect("a sid").to_owned();
        assert_eq!(sid.len(), 20);
        for (place, character) in sid.bytes().enumerate() {
            *counts[place].entry(character).or_default() += 1;
        }
        assert!(seen.insert(sid), "the same id twice");
    }
    let expected = IDS as f64 / 64.0;
    for (place, counts) in counts.iter().enumerate() {
        let alphabet =
            (0..64).map(|n| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[n]);
        let of = |character| *counts.get(&character).unwrap_or(&0) as f64;
        let chi: f64 = alphabet
            .map(|c| (of(c) - expected).powi(2) / expected)
            .sum();
        // The last character of base64 of 15 bytes is as free as the others.
        assert!(chi < 150.0, "character {place}: {chi}");
    }
}
