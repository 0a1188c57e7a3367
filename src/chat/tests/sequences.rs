//! Things that happen at the same time, or in an order that nobody meant.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::World;
use super::world::text;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_parallel_sends_of_one_client_msg_id_make_one_message() {
    let world = Arc::new(World::new().await);
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.group(&ann, &[&bob]).await;
    let body = json!({"chatId": id, "content": "once", "clientMsgId": "c-1"});
    let mut sends = JoinSet::new();
    for _ in 0..10 {
        let (world, ann, id, body) = (world.clone(), ann.clone(), id.clone(), body.clone());
        sends.spawn(async move {
            let path = format!("/api/chats/{id}/messages");
            let mut socket = world.connect(&ann).await;
            let mut answers = Vec::new();
            for _ in 0..5 {
                let rest = world.post(&ann, &path, body.clone());
                let (rest, live) = tokio::join!(rest, socket.ask("send-message", body.clone()));
                answers.push((rest.status == 200, rest.data().clone()));
                assert_eq!(live["success"], json!(true), "{live}");
                answers.push((live["duplicate"] == json!(true), live["data"].clone()));
            }
            answers
        });
    }
    let answers: Vec<(bool, Value)> = sends.join_all().await.into_iter().flatten().collect();
    assert_eq!(answers.len(), 100);
    assert_eq!(answers.iter().filter(|(repeat, _)| !repeat).count(), 1);
    let (_, first) = &answers[0];
    assert!(
        answers.iter().all(|(_, message)| message == first),
        "equal answers"
    );
    let history = world.get(&bob, &format!("/api/chats/{id}/messages")).await;
    assert_eq!(history.data()["messages"], json!([first]), "one row");
    let other = json!({"content": "another", "clientMsgId": "c-1"});
    let refused = world
        .post(&ann, &format!("/api/chats/{id}/messages"), other)
        .await;
    assert_eq!(refused.failure(), (409, "idempotency-mismatch", None));
}

#[tokio::test]
async fn a_direct_chat_that_both_make_at_once_is_one_chat() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let makers = (0..20).map(|number| {
        let (maker, other) = if number % 2 == 0 {
            (&ann, &bob)
        } else {
            (&bob, &ann)
        };
        world.post(maker, "/api/chats", json!({"participantIds": [other.id]}))
    });
    let made = join_all(makers).await;
    let ids: HashSet<String> = made.iter().map(|one| text(&one.data()["id"])).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(made.iter().filter(|one| one.status == 201).count(), 1);
    assert_eq!(made.iter().filter(|one| one.status == 200).count(), 19);
}

#[tokio::test]
async fn edits_that_race_a_deletion_leave_a_tombstone() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let id = world.group(&ann, &[]).await;
    let message = world.say(&ann, &id, "first").await;
    let path = format!("/api/chats/{id}/messages/{}", text(&message["id"]));
    let token = Some(ann.token.as_str());
    let acts = (0..20).map(|number| {
        let (method, body) = match number {
            10 => ("DELETE", Value::Null),
            _ => ("PATCH", json!({"content": format!("edit {number}")})),
        };
        world.call(token, method, &path, body)
    });
    for (number, answer) in join_all(acts).await.iter().enumerate() {
        match answer.status {
            200 => {}
            _ => assert_eq!(answer.failure(), (409, "conflict", None), "{number}"),
        }
    }
    let history = world.get(&ann, &format!("/api/chats/{id}/messages")).await;
    let tombstone = &history.data()["messages"][0];
    assert_eq!(tombstone["content"], json!(""));
    assert!(tombstone["deletedAt"].is_string());
    let log = world
        .get(&ann, &format!("/api/chats/{id}/events?since=0&limit=100"))
        .await;
    let last = log.data()["events"]
        .as_array()
        .and_then(|all| all.last())
        .cloned();
    assert_eq!(
        last.expect("a log")["event"],
        json!("message-deleted"),
        "nothing after it"
    );
}

#[tokio::test]
async fn a_reply_outlives_what_it_replied_to() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let id = world.group(&ann, &[]).await;
    let target = text(&world.say(&ann, &id, "target").await["id"]);
    let messages = format!("/api/chats/{id}/messages");
    let body = json!({"content": "reply", "replyTo": target});
    let path = format!("{messages}/{target}");
    let (reply, _) = tokio::join!(world.post(&ann, &messages, body), world.delete(&ann, &path));
    assert_eq!(reply.data()["replyTo"], json!(target));
    let history = world.get(&ann, &messages).await.data()["messages"].clone();
    assert_eq!(history[1]["replyTo"], history[0]["id"]);
    assert!(history[0]["deletedAt"].is_string());
}

#[tokio::test]
async fn who_is_put_out_while_sending_has_said_what_was_acknowledged_and_no_more() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.group(&ann, &[&bob]).await;
    let mut socket = world.join(&bob, &id).await;
    let mut asked = Vec::new();
    let remove = format!("/api/chats/{id}/participants/{}", bob.id);
    for number in 0..10 {
        let body = json!({"chatId": id, "content": number.to_string()});
        asked.push(socket.send("send-message", body).await);
    }
    let (removed, sent) = tokio::join!(world.delete(&ann, &remove), async {
        for number in 10..30 {
            let body = json!({"chatId": id, "content": number.to_string()});
            asked.push(socket.send("send-message", body).await);
        }
        let mut sent = Vec::new();
        for id in asked {
            sent.push(socket.answer(id).await);
        }
        sent
    });
    removed.data();
    world.say(&ann, &id, "after the removal").await;
    let path = format!("/api/chats/{id}/messages?limit=100");
    let history = world.get(&ann, &path).await.data()["messages"].clone();
    let stored = history.as_array().expect("a list").iter();
    let stored: Vec<&Value> = stored
        .filter(|one| one["senderId"] == json!(bob.id))
        .collect();
    let (taken, refused): (Vec<_>, Vec<_>) =
        sent.iter().partition(|one| one["success"] == json!(true));
    assert!(
        taken
            .iter()
            .map(|one| &one["data"]["id"])
            .eq(stored.iter().map(|one| &one["id"]))
    );
    assert!(
        refused
            .iter()
            .all(|one| one["error"]["code"] == json!("not-found"))
    );
    let heard = socket.events_so_far().await;
    let late = |(_, payload): &(String, Value)| payload["content"] == json!("after the removal");
    assert!(!heard.iter().any(late));
}

#[tokio::test]
async fn leaving_the_room_and_sending_in_one_payload_is_done_in_that_order() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.group(&ann, &[&bob]).await;
    let mut socket = world.join(&bob, &id).await;
    let packets = [
        format!("42100{}", json!(["leave-chat", id])),
        format!(
            "42101{}",
            json!(["send-message", {"chatId": id, "content": "unheard"}])
        ),
        format!("42102{}", json!(["join-chat", id])),
        format!("42103{}", json!(["leave-chat", id])),
        format!("42104{}", json!(["join-chat", {"chatId": id, "rev": 0}])),
    ];
    socket.post(&packets.join("\u{1e}")).await;
    for number in 100..=104 {
        let answer = socket.answer(number).await;
        assert_eq!(answer["success"], json!(true), "{number}: {answer}");
    }
    world.settled(&id).await;
    let heard = world.say(&ann, &id, "heard").await;
    assert_eq!(
        socket.events_so_far().await.last(),
        Some(&("new-message".to_owned(), heard))
    );
}

#[tokio::test]
async fn leaving_the_chat_and_sending_at_once_stores_all_or_nothing() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    for _ in 0..5 {
        let id = world.group(&ann, &[&bob]).await;
        let messages = format!("/api/chats/{id}/messages");
        let leave = format!("/api/chats/{id}/leave");
        let (sent, left) = tokio::join!(
            world.post(&bob, &messages, json!({"content": "bye"})),
            world.post(&bob, &leave, json!({}))
        );
        left.data();
        let history = world.get(&ann, &messages).await.data()["messages"].clone();
        let first = history[0]["content"].clone();
        match sent.status {
            201 => assert_eq!(first, json!("bye"), "stored before the departure"),
            _ => {
                assert_eq!(sent.failure().1, "not-found");
                assert_eq!(first, json!("Bob left"));
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_expires_under_a_send_loses_nothing_that_was_acknowledged() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let id = world.group(&ann, &[]).await;
    let mut socket = world.join(&ann, &id).await;
    let body = json!({"chatId": id, "content": "in time?", "clientMsgId": "c-1"});
    socket.send("send-message", body.clone()).await;
    let later = Instant::now() + Duration::from_secs(24 * 3600);
    world.chat.live.handle_timeout(later);
    let heard = socket.closed().await;
    let expired = heard
        .iter()
        .find(|(name, _)| name == "error")
        .expect("an error first");
    assert_eq!(expired.1["error"]["code"], json!("token-expired"));
    assert_eq!(expired.1["event"], json!("session"));
    // However it went, the repeat on another connection is the one message.
    let messages = format!("/api/chats/{id}/messages");
    let repeat = world.post(&ann, &messages, body).await.data().clone();
    let history = world.get(&ann, &messages).await;
    assert_eq!(history.data()["messages"], json!([repeat]));
}
