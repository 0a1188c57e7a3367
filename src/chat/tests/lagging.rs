//! Clients that read too slowly: what is left out, and `sync-required`.

use serde_json::{Value, json};

use super::World;

/// More than the soft limit of [`World::impatient`] in one message.
fn long(number: usize) -> String {
    format!("{number} {}", "x".repeat(2000))
}

fn revs(events: &[(String, Value)]) -> Vec<u64> {
    let logged = events.iter().filter(|(name, _)| name == "new-message");
    logged
        .map(|(_, payload)| payload["rev"].as_u64().expect("a rev"))
        .collect()
}

#[tokio::test]
async fn a_slow_socket_is_told_once_from_where_on_it_missed_something() {
    let world = World::impatient().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.group(&ann, &[&bob]).await;
    let other = world.group(&ann, &[&bob]).await;
    let mut slow = world.join(&bob, &id).await;
    slow.ask("join-chat", json!(other)).await;
    let mut quick = world.join(&ann, &id).await;
    for number in 0..8 {
        world.say(&ann, &id, &long(number)).await;
        quick.event("new-message").await;
    }
    // It reads again: some messages, then that the rest was left out, once, and
    // nothing of a chat in which nothing was.
    let required = slow.event("sync-required").await;
    let before = revs(&slow.take_kept());
    let last = *before.last().expect("the first messages came");
    assert!(
        before.len() < 8 && before == (1..=last).collect::<Vec<_>>(),
        "{before:?}"
    );
    assert_eq!(required, json!({"chatId": id, "rev": last}));
    // Live events go on after it, and what is asked for joins on to both sides.
    let sent = world.say(&ann, &id, "live again").await;
    assert_eq!(slow.event("new-message").await, sent);
    let asked = json!({"positions": {id.clone(): last}});
    let missed = slow.ask("sync", asked).await["data"]["chats"][&id].clone();
    let events = missed["events"].as_array().expect("a list");
    let missed: Vec<u64> = events
        .iter()
        .map(|one| one["rev"].as_u64().expect("a rev"))
        .collect();
    assert_eq!(missed, (last + 1..=9).collect::<Vec<_>>());
    assert!(
        !slow
            .names_so_far()
            .await
            .contains(&"sync-required".to_owned())
    );
}

#[tokio::test]
async fn a_socket_that_left_or_was_put_out_while_it_was_slow_is_told_nothing() {
    let world = World::impatient().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.group(&ann, &[&bob]).await;
    let mut slow = world.join(&bob, &id).await;
    for number in 0..8 {
        world.say(&ann, &id, &long(number)).await;
    }
    let path = format!("/api/chats/{id}/participants/{}", bob.id);
    world.delete(&ann, &path).await.data();
    slow.event("notification").await;
    let names = slow.names_so_far().await;
    assert!(!names.contains(&"sync-required".to_owned()), "{names:?}");
    world.settled(&id).await;
    assert!(
        world
            .chat
            .live
            .lagging
            .in_chat(&id.as_str().into())
            .is_empty()
    );
}

#[tokio::test]
async fn nothing_is_remembered_of_a_slow_socket_that_is_gone() {
    let world = World::impatient().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.group(&ann, &[&bob]).await;
    let slow = world.join(&bob, &id).await;
    for number in 0..8 {
        world.say(&ann, &id, &long(number)).await;
    }
    assert_eq!(
        world.chat.live.lagging.in_chat(&id.as_str().into()).len(),
        1
    );
    world.post(&bob, "/api/auth/logout", json!({})).await.data();
    drop(slow);
    let mut quick = world.join(&ann, &id).await;
    world.say(&ann, &id, "x").await;
    quick.event("new-message").await;
    world.settled(&id).await;
    assert!(
        world
            .chat
            .live
            .lagging
            .in_chat(&id.as_str().into())
            .is_empty()
    );
}
