//! Editing, deleting, reacting.

use std::time::Duration;

use serde_json::{Value, json};

use super::World;
use super::world::text;

#[tokio::test]
async fn an_edit_is_shown_and_logged() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let message = text(&world.say(&ann, &id, "frist").await["id"]);
    let mut b = world.join(&bob, &id).await;
    let path = format!("/api/chats/{id}/messages/{message}");
    let patch = async |body: Value| world.call(Some(&ann.token), "PATCH", &path, body).await;
    let edited = patch(json!({"content": "first", "ifVersion": 1}))
        .await
        .data()
        .clone();
    assert_eq!(
        (&edited["content"], &edited["version"]),
        (&json!("first"), &json!(2))
    );
    assert_eq!((&edited["seq"], &edited["rev"]), (&json!(1), &json!(2)));
    assert!(edited["editedAt"].is_string());
    assert_eq!(b.event("message-updated").await, edited);
    let stale = patch(json!({"content": "x", "ifVersion": 1})).await;
    assert_eq!(stale.failure(), (409, "conflict", None));
    assert_eq!(
        patch(json!({"content": " "})).await.failure().2,
        Some("content")
    );
    let mut a = world.connect(&ann).await;
    let event = json!({"chatId": id, "messageId": message, "content": "1st"});
    assert_eq!(
        a.ask("edit-message", event.clone()).await["data"]["version"],
        json!(3)
    );
    assert_eq!(
        b.ask("edit-message", event).await["error"]["code"],
        json!("forbidden")
    );
    let missed = b.ask("join-chat", json!({"chatId": id, "rev": 1})).await["data"].clone();
    assert_eq!(
        (&missed["events"][1]["event"], &missed["events"][1]["rev"]),
        (&json!("message-updated"), &json!(3))
    );
    assert_eq!(missed["events"][1]["payload"]["content"], json!("1st"));
}

#[tokio::test]
async fn it_can_be_too_late_to_edit() {
    let world = World::with(|config| config.edit_window = Duration::ZERO).await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let message = text(&world.say(&ann, &id, "x").await["id"]);
    let path = format!("/api/chats/{id}/messages/{message}");
    let answer = world
        .call(Some(&ann.token), "PATCH", &path, json!({"content": "y"}))
        .await;
    assert_eq!(answer.failure(), (409, "edit-window-closed", None));
}

#[tokio::test]
async fn a_deleted_message_stays_as_a_tombstone() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let body = json!({"content": "secret", "clientMsgId": "m"});
    let sent = world
        .post(&ann, &format!("/api/chats/{id}/messages"), body.clone())
        .await;
    let message = text(&sent.data()["id"]);
    world.settled(&id).await;
    let mut b = world.join(&bob, &id).await;
    assert_eq!(
        world.get(&bob, "/api/chats").await.data()["chats"][0]["unreadCount"],
        json!(1)
    );
    let path = format!("/api/chats/{id}/messages/{message}");
    assert_eq!(world.delete(&bob, &path).await.failure().1, "forbidden");
    let gone = world.delete(&ann, &path).await.data().clone();
    assert_eq!((&gone["content"], &gone["rev"]), (&json!(""), &json!(2)));
    let told = b.event("message-deleted").await;
    let expected = json!({"chatId": id, "rev": 2, "messageId": message, "seq": 1,
                          "deletedBy": ann.id, "deletedAt": gone["deletedAt"]});
    assert_eq!(told, expected);
    assert_eq!(world.delete(&ann, &path).await.data(), &gone);
    assert!(b.names_so_far().await.is_empty());
    let patch = world
        .call(Some(&ann.token), "PATCH", &path, json!({"content": "x"}))
        .await;
    assert_eq!(patch.failure().1, "conflict");
    let react = world
        .call(
            Some(&bob.token),
            "PUT",
            &format!("{path}/reactions/x"),
            json!(null),
        )
        .await;
    assert_eq!(react.failure().1, "conflict");
    let log = world
        .get(&bob, &format!("/api/chats/{id}/events?since=0"))
        .await
        .data()
        .clone();
    assert!(!log.to_string().contains("secret"), "{log}");
    assert_eq!(log["events"][1]["payload"], expected);
    assert_eq!(
        world.get(&bob, "/api/chats").await.data()["chats"][0]["unreadCount"],
        json!(0)
    );
    // A repeat of the first send still finds it, as it is now.
    let again = world
        .post(&ann, &format!("/api/chats/{id}/messages"), body)
        .await;
    assert_eq!((again.status, &again.data()["content"]), (200, &json!("")));
}

#[tokio::test]
async fn reactions_are_counted_once_a_person() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let message = text(&world.say(&ann, &id, "x").await["id"]);
    let mut b = world.join(&bob, &id).await;
    let path = format!("/api/chats/{id}/messages/{message}/reactions/%F0%9F%91%8D");
    let put = async |method: &str| {
        world
            .call(Some(&ann.token), method, &path, Value::Null)
            .await
    };
    let thumb =
        |count: u32, mine: bool| json!({"reactions": {"👍": {"count": count, "mine": mine}}});
    assert_eq!(put("PUT").await.data(), &thumb(1, true));
    assert_eq!(put("PUT").await.data(), &thumb(1, true));
    let told = b.event("reaction-updated").await;
    let expected = json!({"chatId": id, "rev": 2, "messageId": message, "userId": ann.id,
                          "emoji": "👍", "added": true, "count": 1});
    assert_eq!(told, expected);
    let mine = json!({"chatId": id, "messageId": message, "emoji": "👍"});
    assert_eq!(
        b.ask("add-reaction", mine.clone()).await["data"],
        thumb(2, true)
    );
    let page = world.get(&ann, &format!("/api/chats/{id}/messages")).await;
    assert_eq!(
        page.data()["messages"][0]["reactions"],
        json!({"👍": {"count": 2, "mine": true}})
    );
    assert_eq!(put("DELETE").await.data(), &thumb(1, false));
    assert_eq!(put("DELETE").await.data(), &thumb(1, false));
    assert_eq!(
        b.ask("remove-reaction", mine).await["data"],
        json!({"reactions": {}})
    );
    let log = world
        .get(&bob, &format!("/api/chats/{id}/events?since=1"))
        .await
        .data()
        .clone();
    assert_eq!(log["events"][0]["payload"], expected);
    assert_eq!(log["events"].as_array().map(Vec::len), Some(4));
    for bad in ["%20", "a%20b", &"x".repeat(33)] {
        let path = format!("/api/chats/{id}/messages/{message}/reactions/{bad}");
        let answer = world
            .call(Some(&ann.token), "PUT", &path, Value::Null)
            .await;
        assert_eq!(
            answer.failure(),
            (400, "validation-failed", Some("emoji")),
            "{bad}"
        );
    }
    for number in 0..20 {
        let path = format!("/api/chats/{id}/messages/{message}/reactions/{number}");
        assert_eq!(
            world
                .call(Some(&ann.token), "PUT", &path, Value::Null)
                .await
                .status,
            200
        );
    }
    assert_eq!(put("PUT").await.failure().2, Some("emoji"));
}

#[tokio::test]
async fn messages_of_another_chat_cannot_be_reached() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let (here, there) = (world.direct(&ann, &bob).await, world.group(&bob, &[]).await);
    let message = text(&world.say(&bob, &there, "x").await["id"]);
    let path = format!("/api/chats/{here}/messages/{message}");
    let answers = [
        world
            .call(Some(&ann.token), "PATCH", &path, json!({"content": "y"}))
            .await,
        world.delete(&ann, &path).await,
        world
            .call(
                Some(&ann.token),
                "PUT",
                &format!("{path}/reactions/x"),
                Value::Null,
            )
            .await,
    ];
    for answer in answers {
        assert_eq!(answer.failure(), (404, "not-found", None));
    }
}
