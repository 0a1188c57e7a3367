//! Making chats and looking at them.

use serde_json::json;

use super::World;
use super::world::text;
use crate::chat::domain::Role;

#[tokio::test]
async fn a_pair_has_one_direct_chat() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let body = json!({"participantIds": [bob.id], "name": "ignored", "initialMessage": "Hi"});
    let made = world.post(&ann, "/api/chats", body).await;
    assert_eq!(made.status, 201);
    let chat = made.data();
    assert_eq!(
        (&chat["name"], &chat["isGroup"]),
        (&json!(null), &json!(false))
    );
    assert_eq!(chat["participants"][0]["role"], json!("member"));
    assert_eq!(chat["lastMessage"]["content"], json!("Hi"));
    assert_eq!((&chat["lastSeq"], &chat["rev"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&chat["readSeq"], &chat["unreadCount"]),
        (&json!(1), &json!(0))
    );
    let again = world
        .post(&bob, "/api/chats", json!({"participant_ids": [ann.id]}))
        .await;
    assert_eq!((again.status, &again.data()["id"]), (200, &chat["id"]));
    assert_eq!(again.data()["unreadCount"], json!(1));
}

#[tokio::test]
async fn an_initial_message_goes_into_the_chat_that_the_pair_has() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let body = |text: &str| json!({"participantIds": [bob.id], "initialMessage": text});
    let made = world.post(&ann, "/api/chats", body("one")).await;
    let again = world.post(&ann, "/api/chats", body("two")).await;
    assert_eq!(
        (again.status, &again.data()["id"]),
        (200, &made.data()["id"])
    );
    assert_eq!(again.data()["lastMessage"]["content"], json!("two"));
    assert_eq!(
        (&again.data()["lastSeq"], &again.data()["readSeq"]),
        (&json!(2), &json!(2))
    );
}

#[tokio::test]
async fn a_group_has_a_name_and_an_owner() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let ids = json!([bob.id, bob.id, ann.id]);
    let body = json!({"name": " English ", "is_group": true, "participant_ids": ids});
    let made = world.post(&ann, "/api/chats", body).await;
    assert_eq!(
        (made.status, &made.data()["name"]),
        (201, &json!("English"))
    );
    let people = made.data()["participants"]
        .as_array()
        .expect("a list")
        .clone();
    assert_eq!(people.len(), 2);
    let role = |id: &str| {
        people
            .iter()
            .find(|one| one["userId"] == json!(id))
            .expect("in")["role"]
            .clone()
    };
    assert_eq!(
        (role(&ann.id), role(&bob.id)),
        (json!("owner"), json!("member"))
    );
}

#[tokio::test]
async fn a_chat_that_does_not_fit_is_not_made() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let cases = [
        (json!({}), "participantIds"),
        (json!({"participantIds": []}), "participantIds"),
        (json!({"participantIds": "x"}), "participantIds"),
        (json!({"participantIds": [ann.id]}), "participantIds"),
        (json!({"participantIds": ["nobody"]}), "participantIds"),
        (
            json!({"participantIds": [bob.id, "nobody"]}),
            "participantIds",
        ),
        (
            json!({"participantIds": [bob.id, null], "isGroup": true, "name": "x"}),
            "participantIds",
        ),
        (
            json!({"participantIds": vec!["x"; 1001], "isGroup": true, "name": "x"}),
            "participantIds",
        ),
        (json!({"participantIds": [bob.id], "isGroup": true}), "name"),
        (
            json!({"participantIds": [bob.id], "isGroup": true, "name": "  "}),
            "name",
        ),
        (
            json!({"participantIds": [bob.id], "isGroup": "true"}),
            "isGroup",
        ),
        (
            json!({"participantIds": [bob.id], "initialMessage": " "}),
            "initialMessage",
        ),
    ];
    for (body, field) in cases {
        let answer = world.post(&ann, "/api/chats", body.clone()).await;
        assert_eq!(
            answer.failure(),
            (400, "validation-failed", Some(field)),
            "{body}"
        );
    }
    assert_eq!(
        world.get(&ann, "/api/chats").await.data()["chats"],
        json!([])
    );
}

#[tokio::test]
async fn the_list_of_chats_comes_in_pages_with_the_newest_activity_first() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.group(&ann, &[&bob]).await);
    }
    world.say(&bob, &ids[1], "first again").await;
    let mut found = Vec::new();
    let mut path = "/api/chats?limit=2".to_owned();
    loop {
        let page = world.get(&ann, &path).await.data().clone();
        found.extend(
            page["chats"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|chat| text(&chat["id"])),
        );
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!("/api/chats?limit=2&cursor={cursor}");
    }
    assert_eq!(found.len(), 5);
    assert_eq!(found[0], ids[1]);
    assert_eq!(
        found.iter().collect::<std::collections::HashSet<_>>().len(),
        5
    );
    for bad in ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor="] {
        let answer = world.get(&ann, &format!("/api/chats?{bad}")).await;
        assert_eq!(answer.failure().1, "validation-failed", "{bad}");
    }
}

#[tokio::test]
async fn an_admin_sees_a_chat_without_being_in_it() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let root = world.person_with("Root", Role::Admin).await;
    let id = world.direct(&ann, &bob).await;
    let seen = world.get(&root, &format!("/api/chats/{id}")).await;
    assert_eq!(
        (&seen.data()["readSeq"], &seen.data()["unreadCount"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(
        world.get(&root, "/api/chats").await.data()["chats"],
        json!([])
    );
}

#[tokio::test]
async fn new_chats_are_announced_to_the_others_on_all_their_sockets() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let mut sockets = [world.connect(&bob).await, world.connect(&bob).await];
    let mut own = world.connect(&ann).await;
    let id = world.group(&ann, &[&bob]).await;
    world.settled(&id).await;
    for socket in &mut sockets {
        let told = socket.event("notification").await;
        assert_eq!(
            (&told["type"], &told["chatId"]),
            (&json!("new-chat"), &json!(id))
        );
        assert_eq!(told["by"]["id"], json!(ann.id));
        assert!(told["chat"].get("unreadCount").is_none());
    }
    assert!(own.names_so_far().await.is_empty());
}
