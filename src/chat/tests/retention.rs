//! What is forgotten after a time, and how clients learn of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::World;
use crate::chat::service::Retention;

const NOTHING: Retention = Retention {
    changes_for: Duration::from_secs(3600),
    changes: u64::MAX,
    notifications_for: Duration::from_secs(3600),
};

#[tokio::test]
async fn the_log_forgets_what_is_old_and_far_behind_and_says_reset() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let id = world.group(&ann, &[&bob]).await;
    for number in 0..20 {
        world.say(&ann, &id, &number.to_string()).await;
    }
    let since = async |world: &World, rev: u64| {
        let path = format!("/api/chats/{id}/events?since={rev}&limit=100");
        let answer = world.get(&bob, &path).await.data().clone();
        let count = answer["events"].as_array().expect("a list").len();
        (answer["reset"].clone(), count, answer["rev"].clone())
    };
    // Neither what is young nor what is near the head.
    let near = Retention {
        changes: 5,
        ..NOTHING
    };
    let old = Retention {
        changes_for: Duration::ZERO,
        ..NOTHING
    };
    for kept in [near, old] {
        world.chat.forget(kept).await.expect("forgotten");
        assert_eq!(since(&world, 0).await, (json!(false), 20, json!(20)));
    }
    let both = Retention {
        changes_for: Duration::ZERO,
        changes: 5,
        ..NOTHING
    };
    world.chat.forget(both).await.expect("forgotten");
    // What is remembered of busy chats may reach back further for a while.
    let world = world.restart().await;
    assert_eq!(since(&world, 15).await, (json!(false), 5, json!(20)));
    assert_eq!(since(&world, 14).await, (json!(true), 0, json!(20)));
    let mut socket = world.connect(&bob).await;
    let joined = socket
        .ask("join-chat", json!({"chatId": id, "rev": 3}))
        .await;
    assert_eq!(joined["data"]["reset"], json!(true));
    let history = world.get(&bob, &format!("/api/chats/{id}/messages")).await;
    assert_eq!(
        history.data()["messages"].as_array().map(Vec::len),
        Some(20)
    );
}

#[tokio::test]
async fn old_notifications_are_forgotten() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    world.group(&ann, &[&bob]).await;
    let count = async || {
        let inbox = world.get(&bob, "/api/notifications").await.data().clone();
        (
            inbox["notifications"].as_array().map(Vec::len),
            inbox["unreadCount"].clone(),
        )
    };
    world.chat.forget(NOTHING).await.expect("forgotten");
    assert_eq!(count().await, (Some(1), Value::from(1)));
    let now = Retention {
        notifications_for: Duration::ZERO,
        ..NOTHING
    };
    world.chat.forget(now).await.expect("forgotten");
    assert_eq!(count().await, (Some(0), Value::from(0)));
}
