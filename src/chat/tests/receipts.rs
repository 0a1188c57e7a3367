//! Receipts, unread counts, presence, sync, and kept notifications.

use std::time::{Duration, Instant};

use serde_json::json;

use super::World;
use super::world::text;

#[tokio::test]
async fn reading_only_ever_rises_and_tells_the_room_and_ones_own_devices() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    for number in 1..=3 {
        world.say(&ann, &id, &number.to_string()).await;
    }
    let (mut a, mut b) = (world.join(&ann, &id).await, world.connect(&bob).await);
    let path = format!("/api/chats/{id}/read");
    let read = world.post(&bob, &path, json!({"seq": 2})).await;
    assert_eq!(read.data(), &json!({"readSeq": 2, "unreadCount": 1}));
    let told = a.event("message-read").await;
    assert_eq!((&told["userId"], &told["seq"]), (&json!(bob.id), &json!(2)));
    assert!(told["at"].is_string() && told["chatId"] == json!(id));
    let own = json!({"chatId": id, "unreadCount": 1, "readSeq": 2});
    assert_eq!(b.event("unread-updated").await, own);
    let lower = b.ask("mark-read", json!({"chatId": id, "seq": 1})).await;
    assert_eq!(lower["data"], json!({"readSeq": 2, "unreadCount": 1}));
    assert!(a.names_so_far().await.is_empty());
    let above = world.post(&bob, &path, json!({"seq": 4})).await;
    assert_eq!(above.failure(), (400, "validation-failed", Some("seq")));
    let chat = world
        .get(&ann, &format!("/api/chats/{id}"))
        .await
        .data()
        .clone();
    let people = chat["participants"].as_array().expect("a list");
    let bobs = people
        .iter()
        .find(|one| one["userId"] == json!(bob.id))
        .expect("in");
    assert_eq!(
        (&bobs["readSeq"], &bobs["deliveredSeq"]),
        (&json!(2), &json!(2))
    );
}

#[tokio::test]
async fn delivery_is_told_to_the_room() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    world.say(&ann, &id, "x").await;
    let (mut a, mut b) = (world.join(&ann, &id).await, world.connect(&bob).await);
    let items = |chat: &str, seq: u64| json!({"items": [{"chatId": chat, "seq": seq}]});
    assert_eq!(
        b.ask("mark-delivered", items(&id, 1)).await["data"],
        json!({})
    );
    assert_eq!(a.event("message-delivered").await["seq"], json!(1));
    assert_eq!(
        b.ask("mark-delivered", items(&id, 1)).await["data"],
        json!({})
    );
    assert!(a.names_so_far().await.is_empty());
    assert_eq!(
        b.ask("mark-delivered", items("no", 1)).await["error"]["code"],
        json!("not-found")
    );
    for bad in [
        json!({}),
        json!({"items": [1]}),
        items(&id, 2),
        json!({"items": vec![1; 101]}),
    ] {
        let answer = b.ask("mark-delivered", bad.clone()).await;
        assert_eq!(answer["error"]["field"], json!("items"), "{bad}");
    }
}

#[tokio::test]
async fn sync_answers_like_joining_for_each_chat() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let (one, two) = (world.direct(&ann, &bob).await, world.group(&ann, &[]).await);
    world.say(&ann, &one, "x").await;
    let mut b = world.connect(&bob).await;
    let positions = json!({"positions": {one.clone(): 0, two.clone(): 0, "no": 5}});
    let answer = b.ask("sync", positions).await["data"]["chats"].clone();
    assert_eq!(answer[&one]["events"][0]["payload"]["content"], json!("x"));
    assert_eq!(
        (&answer[&one]["rev"], &answer[&one]["more"]),
        (&json!(1), &json!(false))
    );
    for chat in [&two, "no"] {
        assert_eq!(answer[chat]["error"]["code"], json!("not-found"));
    }
    let names = b.names_so_far().await;
    assert!(names.is_empty(), "sync joins nothing: {names:?}");
    for bad in [
        json!({}),
        json!({"positions": []}),
        json!({"positions": {"a": "1"}}),
    ] {
        assert_eq!(
            b.ask("sync", bad).await["error"]["field"],
            json!("positions")
        );
    }
}

#[tokio::test]
async fn a_long_absence_is_caught_up_in_pieces() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    for number in 1..=150 {
        world.say(&ann, &id, &number.to_string()).await;
    }
    let mut b = world.connect(&bob).await;
    let (mut since, mut seen) = (0, Vec::new());
    loop {
        let answer = b
            .ask("join-chat", json!({"chatId": id, "rev": since}))
            .await["data"]
            .clone();
        let events = answer["events"].as_array().expect("a list");
        seen.extend(events.iter().filter_map(|event| event["rev"].as_u64()));
        since = *seen.last().expect("at least one");
        if answer["more"] == json!(false) {
            break;
        }
    }
    assert_eq!(seen, (1..=150).collect::<Vec<_>>());
}

#[tokio::test]
async fn presence_is_told_to_people_who_share_a_chat() {
    let world = World::new().await;
    let (ann, bob, cid) = (
        world.person("Ann").await,
        world.person("Bob").await,
        world.person("Cid").await,
    );
    world.direct(&ann, &bob).await;
    let mut a = world.connect(&ann).await;
    let wanted = json!({"userIds": [bob.id, cid.id, "nobody"]});
    let snapshot = a.ask("subscribe-presence", wanted).await["data"]["presence"].clone();
    assert_eq!(
        snapshot,
        json!([{"userId": bob.id, "status": "offline", "lastSeenAt": null}])
    );
    let b = world.connect(&bob).await;
    assert_eq!(a.event("presence-updated").await["status"], json!("online"));
    b.close().await;
    world
        .chat
        .say_who_went(Instant::now() + Duration::from_secs(11))
        .await;
    let gone = a.event("presence-updated").await;
    assert_eq!(
        (&gone["userId"], &gone["status"]),
        (&json!(bob.id), &json!("offline"))
    );
    assert!(gone["lastSeenAt"].is_string());
    // Through the writer's queue, behind when he was last seen.
    let read = world.post(&ann, "/api/notifications/read", json!({"ids": []}));
    read.await.data();
    let done = a
        .ask("unsubscribe-presence", json!({"userIds": [bob.id]}))
        .await;
    assert_eq!(done["data"], json!({"presence": [gone]}));
    let _b = world.connect(&bob).await;
    assert!(a.names_so_far().await.is_empty());
    for bad in [
        json!({}),
        json!({"userIds": "x"}),
        json!({"userIds": vec!["x"; 101]}),
    ] {
        let answer = a.ask("subscribe-presence", bad).await;
        assert_eq!(answer["error"]["field"], json!("userIds"));
    }
}

#[tokio::test]
async fn presence_is_told_no_more_when_the_last_shared_chat_has_ended() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let (one, two) = (
        world.group(&ann, &[&bob]).await,
        world.group(&ann, &[&bob]).await,
    );
    let mut a = world.connect(&ann).await;
    let mut b = world.connect(&bob).await;
    a.ask("subscribe-presence", json!({"userIds": [bob.id]}))
        .await;
    b.ask("subscribe-presence", json!({"userIds": [ann.id, bob.id]}))
        .await;
    let remove = |chat: &str| format!("/api/chats/{chat}/participants/{}", bob.id);
    world.delete(&ann, &remove(&one)).await.data();
    let status = async |client: &mut super::Client| {
        let all = client.names_so_far().await;
        all.iter()
            .filter(|name| *name == "presence-updated")
            .count()
    };
    let go = || world.chat.say_status_of(&[&bob.id, &ann.id]);
    go();
    assert_eq!(
        (status(&mut a).await, status(&mut b).await),
        (1, 2),
        "one chat is left"
    );
    world
        .post(&bob, &format!("/api/chats/{two}/leave"), json!({}))
        .await
        .data();
    go();
    assert_eq!(
        (status(&mut a).await, status(&mut b).await),
        (0, 1),
        "of oneself alone"
    );
    // And again once there is one.
    world.direct(&ann, &bob).await;
    let seen = a
        .ask("subscribe-presence", json!({"userIds": [bob.id]}))
        .await;
    assert_eq!(seen["data"]["presence"][0]["status"], json!("online"));
    go();
    assert_eq!(status(&mut a).await, 1);
}

#[tokio::test]
async fn notifications_are_kept_and_marked_as_read() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.group(&ann, &[&bob]).await;
    let mut b = world.connect(&bob).await;
    let sent = world.say(&ann, &id, "hello").await;
    let live = b.event("notification").await;
    // Through the writer's queue, behind what is being kept.
    world
        .post(&bob, "/api/notifications/read", json!({"ids": []}))
        .await
        .data();
    let inbox = world.get(&bob, "/api/notifications").await.data().clone();
    let kept = inbox["notifications"].as_array().expect("a list");
    let kinds: Vec<_> = kept.iter().map(|one| text(&one["type"])).collect();
    assert_eq!(kinds, ["new-message", "new-chat"]);
    assert_eq!(inbox["notifications"][0]["id"], live["id"]);
    assert_eq!(inbox["notifications"][0]["message"], sent);
    assert_eq!(inbox["notifications"][1]["chat"]["id"], json!(id));
    assert_eq!(
        (&inbox["unreadCount"], &inbox["nextCursor"]),
        (&json!(2), &json!(null))
    );
    let page = world
        .get(&bob, "/api/notifications?limit=1")
        .await
        .data()
        .clone();
    let cursor = text(&page["nextCursor"]);
    let page = world
        .get(&bob, &format!("/api/notifications?limit=1&cursor={cursor}"))
        .await;
    assert_eq!(page.data()["notifications"][0]["type"], json!("new-chat"));
    let read = async |body| world.post(&bob, "/api/notifications/read", body).await;
    assert_eq!(
        read(json!({"ids": [live["id"]]})).await.data(),
        &json!({"unreadCount": 1})
    );
    assert_eq!(
        read(json!({"all": true})).await.data(),
        &json!({"unreadCount": 0})
    );
    assert_eq!(read(json!({})).await.failure().2, Some("ids"));
    // What somebody was told stays; what it was about is no longer theirs to see.
    world
        .post(&bob, &format!("/api/chats/{id}/leave"), json!(null))
        .await
        .data();
    let inbox = world.get(&bob, "/api/notifications").await.data().clone();
    assert!(inbox["notifications"][0].get("message").is_none());
    assert!(inbox["notifications"][1].get("chat").is_none());
}
