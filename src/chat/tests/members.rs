//! Adding, removing, leaving: what is logged, who hears of it, who hears nothing.

use serde_json::{Value, json};

use super::world::text;
use super::{Client, World};
use crate::chat::domain::Role;

/// Names and what tells them apart, of everything that came.
async fn heard(client: &mut Client) -> Vec<String> {
    let events = client.events_so_far().await;
    events
        .iter()
        .map(|(name, payload)| describe(name, payload))
        .collect()
}

fn describe(name: &str, payload: &Value) -> String {
    match name {
        "new-message" => match payload["system"]["kind"].as_str() {
            Some(kind) => format!("{} system {kind}", payload["rev"]),
            None => format!("{} text", payload["rev"]),
        },
        "chat-updated" => format!("{} chat-updated", payload["rev"]),
        "notification" => format!(
            "notification {}",
            payload["type"].as_str().unwrap_or_default()
        ),
        _ => name.to_owned(),
    }
}

#[tokio::test]
async fn adding_somebody_is_logged_and_announced() {
    let world = World::new().await;
    let (ann, bob, cid) = (
        world.person("Ann").await,
        world.person("Bob").await,
        world.person("Cid").await,
    );
    let id = world.group(&ann, &[&bob]).await;
    world.say(&ann, &id, "before").await;
    let (mut a, mut b) = (world.join(&ann, &id).await, world.connect(&bob).await);
    let mut c = world.connect(&cid).await;
    let path = format!("/api/chats/{id}/participants");
    let added = world.post(&bob, &path, json!({"user_id": cid.id})).await;
    assert_eq!(added.status, 200);
    assert_eq!(
        (&added.data()["userId"], &added.data()["role"]),
        (&json!(cid.id), &json!("member"))
    );
    assert_eq!(added.data()["readSeq"], json!(1));
    world.settled(&id).await;
    let expected = [
        "2 system participant-added",
        "3 chat-updated",
        "notification participant-added",
    ];
    assert_eq!(heard(&mut a).await, expected);
    assert_eq!(heard(&mut b).await, ["notification participant-added"]);
    assert_eq!(heard(&mut c).await, ["notification new-chat"]);
    let again = world.post(&bob, &path, json!({"userId": cid.id})).await;
    assert_eq!(again.failure(), (409, "conflict", None));
    for bad in [
        json!({}),
        json!({"userId": "nobody"}),
        json!({"userId": true}),
    ] {
        let answer = world.post(&ann, &path, bad.clone()).await;
        assert_eq!(
            answer.failure(),
            (400, "validation-failed", Some("userId")),
            "{bad}"
        );
    }
    let page = world
        .get(&cid, &format!("/api/chats/{id}/messages?limit=1"))
        .await;
    let system = &page.data()["messages"][0];
    assert_eq!(system["content"], json!("Bob added Cid"));
    assert_eq!(
        (&system["senderId"], &system["sender"]),
        (&json!(null), &json!(null))
    );
    let params = json!({"userId": cid.id, "name": "Cid", "byId": bob.id, "byName": "Bob"});
    assert_eq!(
        system["system"],
        json!({"kind": "participant-added", "params": params})
    );
}

#[tokio::test]
async fn whoever_is_removed_hears_nothing_that_follows() {
    let world = World::new().await;
    let (ann, bob, cid) = (
        world.person("Ann").await,
        world.person("Bob").await,
        world.person("Cid").await,
    );
    let id = world.group(&ann, &[&bob, &cid]).await;
    let (mut a, mut b) = (world.join(&ann, &id).await, world.join(&bob, &id).await);
    a.event("user-joined").await;
    let removed = world
        .delete(&ann, &format!("/api/chats/{id}/participants/{}", bob.id))
        .await;
    assert_eq!((removed.status, removed.data()), (200, &json!({})));
    world.say(&ann, &id, "after").await;
    world.settled(&id).await;
    assert_eq!(heard(&mut b).await, ["notification participant-removed"]);
    let expected = [
        "user-left",
        "1 system participant-removed",
        "2 chat-updated",
        "notification participant-removed",
        "3 text",
        "unread-updated",
    ];
    assert_eq!(heard(&mut a).await, expected);
    let answer = b
        .ask("send-message", json!({"chatId": id, "content": "x"}))
        .await;
    assert_eq!(answer["error"]["code"], json!("not-found"));
    assert_eq!(
        b.ask("join-chat", json!(id)).await["error"]["code"],
        json!("not-found")
    );
    let gone = world
        .delete(&ann, &format!("/api/chats/{id}/participants/{}", bob.id))
        .await;
    assert_eq!(gone.failure().1, "not-found");
}

#[tokio::test]
async fn an_owner_who_leaves_hands_over_to_whoever_has_been_there_longest() {
    let world = World::new().await;
    let (ann, bob, cid) = (
        world.person("Ann").await,
        world.person("Bob").await,
        world.person("Cid").await,
    );
    let id = world.group(&ann, &[&bob]).await;
    let path = format!("/api/chats/{id}/participants");
    world
        .post(&ann, &path, json!({"userId": cid.id}))
        .await
        .data();
    world.settled(&id).await;
    let mut b = world.join(&bob, &id).await;
    let left = world
        .post(&ann, &format!("/api/chats/{id}/leave"), Value::Null)
        .await;
    assert_eq!((left.status, left.data()), (200, &json!({})));
    let expected = [
        "3 system participant-left",
        "4 chat-updated",
        "notification participant-left",
        "5 system owner-changed",
        "6 chat-updated",
    ];
    assert_eq!(heard(&mut b).await, expected);
    let chat = world
        .get(&bob, &format!("/api/chats/{id}"))
        .await
        .data()
        .clone();
    let owner = chat["participants"].as_array().expect("a list").iter();
    let owner = owner
        .clone()
        .find(|one| one["role"] == json!("owner"))
        .expect("one owner");
    assert_eq!(owner["userId"], json!(bob.id));
    // Deleting oneself is leaving.
    let own = format!("{path}/{}", cid.id);
    assert_eq!(world.delete(&cid, &own).await.status, 200);
    assert_eq!(heard(&mut b).await[0], "7 system participant-left");
}

#[tokio::test]
async fn a_chat_that_everybody_has_left_is_gone() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let id = world.group(&ann, &[]).await;
    world.say(&ann, &id, "alone").await;
    assert_eq!(
        world
            .post(&ann, &format!("/api/chats/{id}/leave"), Value::Null)
            .await
            .status,
        200
    );
    let root = world.person_with("Root", Role::Admin).await;
    assert_eq!(
        world
            .get(&root, &format!("/api/chats/{id}"))
            .await
            .failure()
            .1,
        "not-found"
    );
}

#[tokio::test]
async fn only_an_admin_can_remove_the_owner() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let root = world.person_with("Root", Role::Admin).await;
    let id = world.group(&ann, &[&bob]).await;
    let path = format!("/api/chats/{id}/participants/{}", ann.id);
    assert_eq!(
        world.delete(&bob, &path).await.failure(),
        (403, "forbidden", None)
    );
    assert_eq!(world.delete(&root, &path).await.status, 200);
    let chat = world.get(&bob, &format!("/api/chats/{id}")).await;
    assert_eq!(chat.data()["participants"][0]["role"], json!("owner"));
    let nobody = world
        .delete(&root, &format!("/api/chats/{id}/participants/x"))
        .await;
    assert_eq!(nobody.failure().1, "not-found");
}

#[tokio::test]
async fn direct_chats_do_not_change() {
    let world = World::new().await;
    let (ann, bob, cid) = (
        world.person("Ann").await,
        world.person("Bob").await,
        world.person("Cid").await,
    );
    let id = world.direct(&ann, &bob).await;
    let participants = format!("/api/chats/{id}/participants");
    let answers = [
        world
            .post(&ann, &participants, json!({"userId": cid.id}))
            .await,
        world
            .delete(&ann, &format!("{participants}/{}", bob.id))
            .await,
        world
            .delete(&ann, &format!("{participants}/{}", ann.id))
            .await,
        world
            .post(&ann, &format!("/api/chats/{id}/leave"), Value::Null)
            .await,
    ];
    for answer in answers {
        assert_eq!(answer.failure().1, "validation-failed");
    }
}

#[tokio::test]
async fn messages_are_notified_to_those_who_are_not_live_in_the_room() {
    let world = World::new().await;
    let (ann, bob, cid) = (
        world.person("Ann").await,
        world.person("Bob").await,
        world.person("Cid").await,
    );
    let id = world.group(&ann, &[&bob, &cid]).await;
    let (mut b, mut c) = (world.connect(&bob).await, world.join(&cid, &id).await);
    let mut a = world.connect(&ann).await;
    let sent = world.say(&ann, &id, "hello").await;
    world.settled(&id).await;
    let told = b.event("notification").await;
    assert_eq!(
        (&told["type"], &told["message"]),
        (&json!("new-message"), &sent)
    );
    assert_eq!(text(&told["by"]["id"]), ann.id);
    assert_eq!(heard(&mut c).await, ["1 text"]);
    assert!(heard(&mut a).await.is_empty());
    let body = json!({"content": "@Bob", "mentions": [bob.id]});
    world
        .post(&ann, &format!("/api/chats/{id}/messages"), body)
        .await
        .data();
    world.settled(&id).await;
    assert_eq!(heard(&mut b).await, ["notification mention"]);
}
