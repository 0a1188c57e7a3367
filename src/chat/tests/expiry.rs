//! Tokens that run out while a socket is connected.

use std::time::{Duration, Instant};

use serde_json::json;

use super::World;

#[tokio::test]
async fn a_socket_is_told_and_then_cut_when_its_token_expires() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let mut socket = world.connect(&ann).await;
    let begin = Instant::now();
    world
        .chat
        .live
        .handle_timeout(begin + Duration::from_secs(13 * 60));
    assert!(socket.names_so_far().await.is_empty());
    world
        .chat
        .live
        .handle_timeout(begin + Duration::from_secs(14 * 60 + 1));
    assert!(socket.event("token-expiring").await["expiresAt"].is_string());
    world
        .chat
        .live
        .handle_timeout(begin + Duration::from_secs(15 * 60 + 1));
    let said = socket.closed().await;
    let (name, error) = &said[0];
    assert_eq!(
        (name.as_str(), &error["event"]),
        ("error", &json!("session"))
    );
    assert_eq!(error["error"]["code"], json!("token-expired"));
    assert_eq!(error["success"], json!(false));
}

#[tokio::test]
async fn another_token_of_the_same_person_keeps_the_socket() {
    let world = World::new().await;
    let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
    let mut socket = world.connect(&ann).await;
    let again = world.log_in(&ann.email).await;
    let wrong = socket
        .ask("refresh-token", json!({"token": bob.token}))
        .await;
    assert_eq!(wrong["error"]["code"], json!("unauthenticated"));
    let missing = socket.ask("refresh-token", json!({})).await;
    assert_eq!(missing["error"]["field"], json!("token"));
    let done = socket
        .ask("refresh-token", json!({"token": again.token}))
        .await;
    assert!(done["data"]["expiresAt"].is_string(), "{done}");
    // The socket belongs to the new session now, and not to the old one.
    world.post(&ann, "/api/auth/logout", json!(null)).await;
    assert!(socket.names_so_far().await.is_empty());
    world.post(&again, "/api/auth/logout", json!(null)).await;
    socket.closed().await;
}

#[tokio::test]
async fn an_expired_token_opens_nothing() {
    let world = World::with(|config| config.access_ttl = Duration::ZERO).await;
    let ann = world.person("Ann").await;
    let answer = world.get(&ann, "/api/chats").await;
    assert_eq!(answer.failure(), (401, "token-expired", None));
    let auth = Some(json!({"token": ann.token}));
    let refused = super::Client::try_open(&world.io, auth, "", None).await;
    assert!(
        refused.contains(r#""data":{"code":"token-expired"}"#),
        "{refused}"
    );
    let body = json!({"refreshToken": ann.refresh_token});
    assert_eq!(
        world
            .call(None, "POST", "/api/auth/refresh", body)
            .await
            .status,
        200
    );
}
