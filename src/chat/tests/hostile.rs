//! Bad input on every core route and event.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use super::World;

/// Every route that reads a body.
fn routes_with_bodies(chat: &str) -> Vec<(&'static str, String)> {
    vec![
        ("POST", "/api/auth/register".to_owned()),
        ("POST", "/api/auth/login".to_owned()),
        ("POST", "/api/auth/refresh".to_owned()),
        ("PUT", "/api/auth/password".to_owned()),
        ("POST", "/api/chats".to_owned()),
        ("POST", format!("/api/chats/{chat}/messages")),
        ("POST", format!("/api/chats/{chat}/participants")),
    ]
}

fn raw(token: &str, method: &str, path: &str, kind: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", kind)
        .body(Full::new(body.into()))
        .expect("a request")
}

#[tokio::test]
async fn bodies_that_are_no_json_objects_are_refused_everywhere() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let chat = world.group(&ann, &[]).await;
    let deep = "[".repeat(100_000);
    let bodies = [
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        "{\"a\":1}x",
        "{\"a\":\u{0}}",
        "{'a':1}",
        &deep,
    ];
    for (method, path) in routes_with_bodies(&chat) {
        for body in bodies {
            let body = body.as_bytes().to_vec();
            let request = raw(&ann.token, method, &path, "application/json", body.clone());
            let answer = world.request(request).await;
            let context = format!(
                "{method} {path} {:?}",
                String::from_utf8_lossy(&body).get(..20)
            );
            assert_eq!(
                answer.failure(),
                (400, "validation-failed", Some("body")),
                "{context}"
            );
        }
        let request = raw(
            &ann.token,
            method,
            &path,
            "application/json",
            b"{\"a\":\"\xff\"}".to_vec(),
        );
        assert_eq!(world.request(request).await.failure().0, 400, "{path}");
        let request = raw(&ann.token, method, &path, "text/plain", b"{}".to_vec());
        let answer = world.request(request).await;
        assert_eq!(
            answer.failure(),
            (415, "unsupported-media-type", None),
            "{path}"
        );
        let request = raw(
            &ann.token,
            method,
            &path,
            "application/json",
            vec![b' '; 1_000_001],
        );
        assert_eq!(
            world.request(request).await.failure(),
            (413, "payload-too-large", None),
            "{path}"
        );
    }
}

#[tokio::test]
async fn fields_of_wrong_types_are_named() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let chat = world.group(&ann, &[]).await;
    let messages = format!("/api/chats/{chat}/messages");
    let participants = format!("/api/chats/{chat}/participants");
    let good = |path: &str| match path {
        "/api/auth/register" => json!({"name": "N", "email": "n@x.org", "password": "12345678"}),
        "/api/auth/login" => json!({"email": "n@x.org", "password": "12345678"}),
        "/api/auth/refresh" => json!({"refreshToken": "x"}),
        "/api/auth/password" => json!({"currentPassword": "12345678", "newPassword": "12345678"}),
        "/api/chats" => json!({"participantIds": [], "isGroup": true, "name": "N"}),
        path if path == messages => json!({"content": "x"}),
        path if path == participants => json!({"userId": "x"}),
        path => panic!("{path} has no example"),
    };
    for (method, path) in routes_with_bodies(&chat) {
        let good = good(&path);
        for field in good.as_object().expect("an object").keys() {
            for wrong in [json!(null), json!(1.5), json!([[]]), json!({"$ne": null})] {
                let mut body = good.clone();
                body[field] = wrong.clone();
                // Null is the same as missing, which is fine for an option.
                if field == "isGroup" && wrong.is_null() {
                    continue;
                }
                let answer = world.call(Some(&ann.token), method, &path, body).await;
                let expected = (400, "validation-failed", Some(field.as_str()));
                assert_eq!(answer.failure(), expected, "{path}: {field} = {wrong}");
            }
        }
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_have_the_one_reply_shape() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    for path in [
        "/api",
        "/api/",
        "/api/nothing",
        "/api/chats/",
        "/api/chats/a/b/c/d",
    ] {
        assert_eq!(
            world.get(&ann, path).await.failure(),
            (404, "not-found", None),
            "{path}"
        );
    }
    for (method, path) in [
        ("PUT", "/api/chats"),
        ("GET", "/api/auth/login"),
        ("TRACE", "/api/users"),
    ] {
        let answer = world
            .call(Some(&ann.token), method, path, Value::Null)
            .await;
        assert_eq!(
            answer.failure(),
            (405, "method-not-allowed", None),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn events_with_bad_arguments_name_the_field_and_cost_nothing_else() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let id = world.group(&ann, &[]).await;
    let mut socket = world.connect(&ann).await;
    let cases = [
        ("join-chat", json!(null), "chatId"),
        ("join-chat", json!(""), "chatId"),
        ("join-chat", json!([id]), "chatId"),
        ("join-chat", json!({}), "chatId"),
        ("join-chat", json!({"chatId": {}}), "chatId"),
        ("join-chat", json!({"chatId": id, "rev": -1}), "rev"),
        ("join-chat", json!({"chatId": id, "rev": 1.5}), "rev"),
        ("leave-chat", json!(true), "chatId"),
        ("leave-chat", json!({"chatId": ""}), "chatId"),
        ("send-message", json!("x"), "chatId"),
        ("send-message", json!({"content": "x"}), "chatId"),
        ("send-message", json!({"chatId": id}), "content"),
        (
            "send-message",
            json!({"chatId": id, "content": ["x"]}),
            "content",
        ),
        ("typing", json!({"chatId": id}), "isTyping"),
        (
            "typing",
            json!({"chatId": id, "isTyping": "true"}),
            "isTyping",
        ),
        ("typing", json!({"isTyping": true}), "chatId"),
        ("refresh-token", json!("x"), "token"),
        ("refresh-token", json!({"token": 1}), "token"),
    ];
    for (event, argument, field) in cases {
        let answer = socket.ask(event, argument.clone()).await;
        assert_eq!(
            answer["error"]["code"],
            json!("validation-failed"),
            "{event} {argument}"
        );
        assert_eq!(answer["error"]["field"], json!(field), "{event} {argument}");
    }
    for event in [
        "error",
        "constructor",
        "__proto__",
        "new-message",
        "no-such-event",
    ] {
        let answer = socket.ask(event, json!({})).await;
        assert_eq!(
            answer["error"]["code"],
            json!("validation-failed"),
            "{event}"
        );
    }
    assert_eq!(
        socket.ask("join-chat", json!(id)).await["success"],
        json!(true)
    );
    // Without any argument, too.
    socket.post(r#"42999["typing"]"#).await;
    assert_eq!(socket.answer(999).await["error"]["field"], json!("chatId"));
}

#[tokio::test]
async fn binary_arguments_are_refused() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let mut socket = world.connect(&ann).await;
    socket
        .post("451-7[\"send-message\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQID")
        .await;
    assert_eq!(
        socket.answer(7).await["error"]["code"],
        json!("validation-failed")
    );
}

#[tokio::test]
async fn a_name_must_be_text_even_where_it_is_not_used() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    for wrong in [json!(1), json!([]), json!({}), json!(true)] {
        let body = json!({"participantIds": [bob.id], "name": wrong});
        let refused = world.post(&ann, "/api/chats", body).await;
        assert_eq!(refused.failure(), (400, "validation-failed", Some("name")));
    }
    let body = json!({"participantIds": [bob.id], "name": "x".repeat(500)});
    let made = world.post(&ann, "/api/chats", body).await;
    assert_eq!(made.data()["name"], json!(null), "a direct chat has none");
}

#[tokio::test]
async fn a_compressed_body_is_refused_as_a_media_type() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let path = "/api/chats";
    let mut request = raw(&ann.token, "POST", path, "application/json", b"{}".to_vec());
    let coding = http::HeaderValue::from_static("gzip");
    request.headers_mut().insert("content-encoding", coding);
    let refused = world.request(request).await;
    assert_eq!(refused.failure(), (415, "unsupported-media-type", None));
}

#[tokio::test]
async fn an_event_with_an_endless_name_is_one_that_nobody_knows() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let mut socket = world.connect(&ann).await;
    let name = "x".repeat(50_000);
    let answer = socket.ask(&name, json!({})).await;
    assert_eq!(answer["error"]["code"], json!("validation-failed"));
    socket.emit(&name, json!({})).await;
    let error = socket.event("error").await;
    assert_eq!(error["error"]["code"], json!("validation-failed"));
    let echoed = error["event"].as_str().expect("a name");
    assert!(
        name.starts_with(echoed) && echoed.len() <= 128,
        "{}",
        echoed.len()
    );
}

#[tokio::test]
async fn a_nul_in_a_path_or_a_query_is_no_fault_of_ours() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    for (path, status) in [
        ("/api/chats/%00", 404),
        ("/api/chats/a%00b/messages", 404),
        ("/api/users/%00", 404),
        ("/api/users?search=a%00b", 400),
        ("/api/notifications?cursor=%00", 400),
        ("/api/chats?cursor=%00", 400),
    ] {
        let answer = world.get(&ann, path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
}
