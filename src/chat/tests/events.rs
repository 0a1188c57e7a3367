//! Rooms: joining, leaving, typing, catching up.

use std::cell::Cell;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::World;
use super::client::Client;

#[tokio::test]
async fn a_message_reaches_everybody_in_the_room_the_sender_included() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let (mut a, mut b) = (world.join(&ann, &id).await, world.join(&bob, &id).await);
    let sent = a
        .ask("send-message", json!({"chatId": id, "content": "hi"}))
        .await;
    assert_eq!(sent["success"], json!(true));
    assert!(sent.get("duplicate").is_none());
    assert_eq!(a.event("new-message").await, sent["data"]);
    assert_eq!(b.event("new-message").await, sent["data"]);
    // And so does one that was sent over REST, by somebody not in the room.
    assert_eq!(
        b.ask("leave-chat", json!({"chatId": id})).await["data"],
        json!({})
    );
    let sent = world.say(&bob, &id, "ho").await;
    assert_eq!(a.event("new-message").await, sent);
    assert_eq!(b.names_so_far().await, ["unread-updated"]);
}

#[tokio::test]
async fn coming_and_going_is_told_once_a_person() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let mut a = world.join(&ann, &id).await;
    let one = world.join(&bob, &id).await;
    let mut two = world.join(&bob, &id).await;
    two.ask("join-chat", json!(id)).await;
    world.settled(&id).await;
    let payload = json!({"chatId": id, "userId": bob.id, "name": "Bob"});
    assert_eq!(
        a.events_so_far().await,
        [("user-joined".to_owned(), payload.clone())]
    );
    assert!(two.names_so_far().await.is_empty());
    one.close().await;
    two.close().await;
    assert_eq!(a.event("user-left").await, payload);
    assert!(a.names_so_far().await.is_empty());
}

#[tokio::test]
async fn joining_says_where_the_chat_stands_and_what_was_missed() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.group(&ann, &[&bob]).await;
    for number in 1..=3 {
        world.say(&ann, &id, &number.to_string()).await;
    }
    let mut b = world.connect(&bob).await;
    let joined = b.ask("join-chat", json!(id)).await;
    let expected = json!({"chatId": id, "rev": 3, "lastSeq": 3, "readSeq": 0, "events": [],
                          "more": false, "reset": false});
    assert_eq!(joined["data"], expected);
    let joined = b.ask("join-chat", json!({"chatId": id, "rev": 1})).await;
    let events = joined["data"]["events"].as_array().expect("a list").clone();
    let history = world
        .get(&ann, &format!("/api/chats/{id}/messages?after=1"))
        .await;
    let missed = history.data()["messages"]
        .as_array()
        .expect("a list")
        .clone();
    for (event, message) in events.iter().zip(&missed) {
        assert_eq!(
            (&event["event"], &event["rev"]),
            (&json!("new-message"), &message["rev"])
        );
        assert_eq!(&event["payload"], message);
    }
    assert_eq!(events.len(), 2);
    let ahead = b.ask("join-chat", json!({"chatId": id, "rev": 4})).await;
    assert_eq!(
        (&ahead["data"]["reset"], &ahead["data"]["events"]),
        (&json!(true), &json!([]))
    );
    let level = b.ask("join-chat", json!({"chatId": id, "rev": 3})).await;
    assert_eq!(
        (&level["data"]["reset"], &level["data"]["events"]),
        (&json!(false), &json!([]))
    );
    let bad = b.ask("join-chat", json!({"chatId": id, "rev": "1"})).await;
    assert_eq!(bad["error"]["field"], json!("rev"));
}

#[tokio::test]
async fn the_log_has_the_events_that_were_live() {
    let world = World::new().await;
    let (ann, bob, cid) = (
        world.person("Ann").await,
        world.person("Bob").await,
        world.person("Cid").await,
    );
    let id = world.group(&ann, &[&bob]).await;
    let mut a = world.join(&ann, &id).await;
    world.say(&bob, &id, "one").await;
    let path = format!("/api/chats/{id}/participants");
    world
        .post(&bob, &path, json!({"userId": cid.id}))
        .await
        .data();
    world
        .delete(&ann, &format!("{path}/{}", cid.id))
        .await
        .data();
    world.say(&bob, &id, "two").await;
    world.settled(&id).await;
    let live: Vec<Value> = a
        .events_so_far()
        .await
        .into_iter()
        .filter(|(_, payload)| payload["rev"].is_u64())
        .map(|(event, payload)| json!({"rev": payload["rev"], "event": event, "payload": payload}))
        .collect();
    let log = world
        .get(&bob, &format!("/api/chats/{id}/events?since=0"))
        .await
        .data()
        .clone();
    assert_eq!(log["events"], json!(live));
    assert_eq!(
        (&log["rev"], &log["more"], &log["reset"]),
        (&json!(6), &json!(false), &json!(false))
    );
    let part = world
        .get(&bob, &format!("/api/chats/{id}/events?since=1&limit=2"))
        .await;
    assert_eq!(
        (&part.data()["events"][1]["rev"], &part.data()["more"]),
        (&json!(3), &json!(true))
    );
    let missing = world.get(&bob, &format!("/api/chats/{id}/events")).await;
    assert_eq!(missing.failure(), (400, "validation-failed", Some("since")));
}

/// Typing is volatile: whoever does not listen at this moment misses it, and hears the next sign.
async fn type_until_heard(hearing: &mut Client, typing: &mut Client, wanted: &Value) -> Value {
    let heard = Cell::new(false);
    let listen = async {
        let payload = hearing.event("user-typing").await;
        heard.set(true);
        payload
    };
    let talk = async {
        while !heard.get() {
            let answer = typing.ask("typing", wanted.clone()).await;
            assert_eq!(answer["data"], json!({}));
        }
    };
    let (payload, ()) = tokio::join!(listen, talk);
    hearing.events_so_far().await;
    payload
}

#[tokio::test]
async fn typing_is_told_to_the_others_and_expires() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let (mut a, mut b) = (world.join(&ann, &id).await, world.connect(&bob).await);
    let typing = |is_typing: bool| json!({"chatId": id, "userId": bob.id, "name": "Bob", "isTyping": is_typing});
    let wanted = json!({"chatId": id, "isTyping": true});
    for end in ["expiry", "message", "stop", "disconnect"] {
        assert_eq!(
            type_until_heard(&mut a, &mut b, &wanted).await,
            typing(true),
            "{end}"
        );
        match end {
            "expiry" => world
                .chat
                .live
                .handle_timeout(Instant::now() + Duration::from_secs(7)),
            "message" => {
                b.ask("send-message", json!({"chatId": id, "content": "done"}))
                    .await;
            }
            "stop" => {
                b.ask("typing", json!({"chatId": id, "isTyping": false}))
                    .await;
            }
            _ => {
                let gone = std::mem::replace(&mut b, world.connect(&bob).await);
                gone.close().await;
            }
        }
        assert_eq!(a.event("user-typing").await, typing(false), "{end}");
    }
}

#[tokio::test]
async fn a_failure_without_an_acknowledgement_is_an_error_event() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let mut a = world.connect(&ann).await;
    a.emit("join-chat", json!("nowhere")).await;
    let error = a.event("error").await;
    assert_eq!(
        (&error["event"], &error["success"]),
        (&json!("join-chat"), &json!(false))
    );
    assert_eq!(
        error["error"],
        json!({"code": "not-found", "retryable": false})
    );
    assert_eq!(
        error["message"],
        json!("Chat not found, or you are not a participant in it")
    );
    a.emit("nonsense", json!(1)).await;
    let error = a.event("error").await;
    assert_eq!(
        (&error["event"], &error["error"]["code"]),
        (&json!("nonsense"), &json!("validation-failed"))
    );
}

#[tokio::test]
async fn a_slow_join_does_not_overtake_the_leave_that_follows_it() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let mut b = world.connect(&bob).await;
    for _ in 0..20 {
        b.send("join-chat", json!(id)).await;
        let left = b.send("leave-chat", json!(id)).await;
        b.answer(left).await;
        b.events_so_far().await;
        world.say(&ann, &id, "x").await;
        world.settled(&id).await;
        let names = b.names_so_far().await;
        assert_eq!(names, ["notification"], "not live in the room");
    }
}

#[tokio::test]
async fn between_what_was_missed_and_what_comes_live_nothing_falls() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.direct(&ann, &bob).await;
    let talk = async {
        for number in 1..=60 {
            let body = json!({"content": number.to_string()});
            world
                .post(&ann, &format!("/api/chats/{id}/messages"), body)
                .await
                .data();
        }
    };
    let listen = async {
        let (mut b, mut seen) = (world.connect(&bob).await, 0);
        while seen < 60 {
            // Comes back again and again, in the middle of the talk.
            let joined = b.ask("join-chat", json!({"chatId": id, "rev": seen})).await;
            let missed = joined["data"]["events"].as_array().expect("a list").clone();
            for event in missed {
                assert_eq!(event["rev"], json!(seen + 1), "a gap in the log");
                seen += 1;
            }
            for _ in 0..3 {
                if seen == 60 {
                    break;
                }
                let rev = b.event("new-message").await["rev"]
                    .as_u64()
                    .expect("a number");
                // What the answer had already may come once more.
                assert!(rev <= seen + 1, "a gap at the seam: {rev} after {seen}");
                seen = seen.max(rev);
            }
            let gone = std::mem::replace(&mut b, world.connect(&bob).await);
            gone.close().await;
        }
    };
    tokio::join!(talk, listen);
}
