//! Sending and reading messages.

use std::sync::Arc;

use serde_json::{Value, json};

use super::World;
use super::world::text;

#[tokio::test]
async fn a_message_is_stored_as_it_was_written_and_numbered_without_gaps() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let content = "  <b>héllo</b>\n\t👍 ";
    let sent = world.say(&ann, &id, content).await;
    assert_eq!(
        (&sent["content"], &sent["seq"], &sent["rev"]),
        (&json!(content), &json!(1), &json!(1))
    );
    assert_eq!(
        (&sent["type"], &sent["version"]),
        (&json!("text"), &json!(1))
    );
    assert_eq!(
        sent["sender"],
        json!({"id": ann.id, "name": "Ann", "role": "student"})
    );
    assert_eq!(
        (&sent["mentions"], &sent["reactions"]),
        (&json!([]), &json!({}))
    );
    assert_eq!(
        (&sent["editedAt"], &sent["deletedAt"]),
        (&json!(null), &json!(null))
    );
    assert!(sent.get("clientMsgId").is_none() && sent.get("system").is_none());
    assert_eq!(world.say(&bob, &id, "two").await["seq"], json!(2));
    let path = format!("/api/chats/{id}/messages");
    let page = world.get(&bob, &path).await.data().clone();
    assert_eq!(page["messages"][0], sent);
    assert_eq!((&page["lastSeq"], &page["rev"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn a_message_that_does_not_fit_is_refused_by_field() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let other = world.group(&ann, &[]).await;
    let elsewhere = world.say(&ann, &other, "x").await;
    let cases = [
        (json!({}), "content"),
        (json!({"content": null}), "content"),
        (json!({"content": 1}), "content"),
        (json!({"content": {"$ne": null}}), "content"),
        (json!({"content": " \n"}), "content"),
        (json!({"content": "x".repeat(4001)}), "content"),
        (json!({"content": "a\u{0}b"}), "content"),
        (json!({"content": "x", "clientMsgId": ""}), "clientMsgId"),
        (json!({"content": "x", "clientMsgId": "a b"}), "clientMsgId"),
        (json!({"content": "x", "clientMsgId": 7}), "clientMsgId"),
        (json!({"content": "x", "replyTo": "nothing"}), "replyTo"),
        (
            json!({"content": "x", "replyTo": elsewhere["id"]}),
            "replyTo",
        ),
        (json!({"content": "x", "mentions": ["nobody"]}), "mentions"),
        (
            json!({"content": "x", "mentions": vec![&bob.id; 51]}),
            "mentions",
        ),
        (json!({"content": "x", "mentions": bob.id}), "mentions"),
    ];
    let mut socket = world.connect(&ann).await;
    for (body, field) in cases {
        let path = format!("/api/chats/{id}/messages");
        let answer = world.post(&ann, &path, body.clone()).await;
        assert_eq!(
            answer.failure(),
            (400, "validation-failed", Some(field)),
            "{body}"
        );
        let mut event = body.clone();
        event["chatId"] = json!(id);
        let answer = socket.ask("send-message", event).await;
        assert_eq!(answer["error"]["field"], json!(field), "{body}");
    }
    let chat = world.get(&ann, &format!("/api/chats/{id}")).await;
    assert_eq!(chat.data()["lastSeq"], json!(0));
}

#[tokio::test]
async fn replies_and_mentions_are_kept() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let first = world.say(&bob, &id, "?").await;
    let body = json!({"content": "!", "replyTo": first["id"], "mentions": [bob.id, bob.id]});
    let sent = world
        .post(&ann, &format!("/api/chats/{id}/messages"), body)
        .await;
    assert_eq!(sent.data()["replyTo"], first["id"]);
    assert_eq!(sent.data()["mentions"], json!([bob.id]));
}

#[tokio::test]
async fn one_client_msg_id_makes_one_message() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let path = format!("/api/chats/{id}/messages");
    let body = json!({"content": "once", "clientMsgId": "m-1"});
    let first = world.post(&ann, &path, body.clone()).await;
    assert_eq!(
        (first.status, &first.data()["clientMsgId"]),
        (201, &json!("m-1"))
    );
    let again = world.post(&ann, &path, body.clone()).await;
    assert_eq!(
        (again.status, again.data()["id"].clone()),
        (200, first.data()["id"].clone())
    );
    let mut socket = world.connect(&ann).await;
    let mut event = body.clone();
    event["chatId"] = json!(id);
    let again = socket.ask("send-message", event.clone()).await;
    assert_eq!(
        (&again["duplicate"], &again["data"]["seq"]),
        (&json!(true), &json!(1))
    );
    event["content"] = json!("other");
    let other = socket.ask("send-message", event).await;
    assert_eq!(other["error"]["code"], json!("idempotency-mismatch"));
    assert_eq!(world.post(&bob, &path, body).await.data()["seq"], json!(2));
}

#[tokio::test]
async fn a_hundred_sends_of_one_client_msg_id_at_once_make_one_row() {
    let world = Arc::new(World::new().await);
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let mut sends = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (world, ann, id) = (Arc::clone(&world), ann.clone(), id.clone());
        sends.spawn(async move {
            let body = json!({"content": "once", "clientMsgId": "m-1"});
            let sent = world
                .post(&ann, &format!("/api/chats/{id}/messages"), body)
                .await;
            (sent.status, sent.data().clone())
        });
    }
    let answers = sends.join_all().await;
    assert_eq!(
        answers.iter().filter(|(status, _)| *status == 201).count(),
        1
    );
    assert!(answers.iter().all(|(_, message)| *message == answers[0].1));
    let chat = world.get(&ann, &format!("/api/chats/{id}")).await;
    assert_eq!(
        (&chat.data()["lastSeq"], &chat.data()["rev"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn many_senders_at_once_leave_no_gap() {
    let world = Arc::new(World::new().await);
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let mut sends = tokio::task::JoinSet::new();
    for number in 0..60 {
        let (world, id) = (Arc::clone(&world), id.clone());
        let who = if number % 2 == 0 {
            ann.clone()
        } else {
            bob.clone()
        };
        sends.spawn(async move {
            // Every third one is refused, in the middle of its neighbours.
            let content = if number % 3 == 0 {
                " ".to_owned()
            } else {
                number.to_string()
            };
            let body = json!({"content": content, "mentions": []});
            world
                .post(&who, &format!("/api/chats/{id}/messages"), body)
                .await
                .status
        });
    }
    sends.join_all().await;
    let page = world
        .get(&ann, &format!("/api/chats/{id}/messages?limit=100"))
        .await;
    let seqs: Vec<Value> = page.data()["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|message| message["seq"].clone())
        .collect();
    assert_eq!(seqs, (1..=40).map(|seq| json!(seq)).collect::<Vec<_>>());
}

#[tokio::test]
async fn history_comes_in_pages_of_ascending_numbers() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let empty = world.get(&ann, &format!("/api/chats/{id}/messages")).await;
    assert_eq!(
        empty.data(),
        &json!({"messages": [], "hasMoreBefore": false, "hasMoreAfter": false, "lastSeq": 0, "rev": 0})
    );
    for number in 1..=12 {
        world.say(&ann, &id, &number.to_string()).await;
    }
    let page = async |query: &str| {
        let path = format!("/api/chats/{id}/messages?{query}");
        let page = world.get(&bob, &path).await.data().clone();
        let messages = page["messages"].as_array().expect("a list");
        let seqs: Vec<u64> = messages
            .iter()
            .filter_map(|message| message["seq"].as_u64())
            .collect();
        (
            seqs,
            page["hasMoreBefore"] == json!(true),
            page["hasMoreAfter"] == json!(true),
        )
    };
    assert_eq!(page("limit=3").await, (vec![10, 11, 12], true, false));
    assert_eq!(page("limit=3&before=10").await, (vec![7, 8, 9], true, true));
    assert_eq!(page("limit=3&before=3").await, (vec![1, 2], false, true));
    assert_eq!(page("limit=3&after=0").await, (vec![1, 2, 3], false, true));
    assert_eq!(page("limit=3&after=11").await, (vec![12], true, false));
    assert_eq!(page("limit=3&after=12").await, (vec![], true, false));
    assert_eq!(page("limit=3&around=6").await, (vec![5, 6, 7], true, true));
    assert_eq!(page("limit=3&before=1").await, (vec![], false, true));
    for bad in [
        "limit=0",
        "limit=101",
        "before=x",
        "before=-1",
        "before=1&after=2",
        "around=",
    ] {
        let answer = world
            .get(&ann, &format!("/api/chats/{id}/messages?{bad}"))
            .await;
        assert_eq!(answer.failure().1, "validation-failed", "{bad}");
    }
}

#[tokio::test]
async fn after_a_restart_everything_is_there_and_numbers_go_on() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let before = world.say(&ann, &id, "before").await;
    let world = world.restart().await;
    let ann = world.log_in(&ann.email).await;
    let after = world.say(&ann, &id, "after").await;
    assert_eq!((&after["seq"], &after["rev"]), (&json!(2), &json!(2)));
    let page = world.get(&ann, &format!("/api/chats/{id}/messages")).await;
    assert_eq!(page.data()["messages"], json!([before, after]));
    assert_eq!(
        text(&world.get(&bob, "/api/chats").await.data()["chats"][0]["id"]),
        id
    );
}

#[tokio::test]
async fn a_cut_emoji_becomes_the_replacement_character() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let request = http::Request::builder()
        .method("POST")
        .uri(format!("/api/chats/{id}/messages"))
        .header("authorization", format!("Bearer {}", ann.token))
        .header("content-type", "application/json")
        .body(http_body_util::Full::new(
            r#"{"content":"cut \ud83d"}"#.into(),
        ))
        .expect("a request");
    assert_eq!(
        world.request(request).await.data()["content"],
        json!("cut \u{FFFD}")
    );
    let mut socket = world.join(&bob, &id).await;
    socket
        .post(&format!(
            r#"429["send-message",{{"chatId":"{id}","content":"\udc00"}}]"#
        ))
        .await;
    assert_eq!(socket.answer(9).await["data"]["content"], json!("\u{FFFD}"));
}
